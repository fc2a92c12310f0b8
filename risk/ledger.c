#include "risk/ledger.h"

#include <string.h>

#include "schema/records.h"

uint32_t ledger_buckets(uint32_t entries)
{
    ASSERT(entries > 0);
    ASSERT(entries <= 1u << 30);
    uint32_t buckets = 1;
    while (buckets < entries)
        buckets *= 2;
    return buckets;
}

// Links a new balance into its account's chain, which is sorted by asset.
static void ledger_chain(struct ledger *ledger, uint32_t index)
{
    struct balance *balance = ledger_at(ledger, index);
    uint32_t *link = &ledger->first_of_account[balance->account];
    while (*link != 0 && ledger_at(ledger, *link)->asset < balance->asset)
        link = &ledger_at(ledger, *link)->next_of_account;
    ASSERT(*link == 0 || ledger_at(ledger, *link)->asset > balance->asset);
    ASSERT(balance->next_of_account == 0);
    balance->next_of_account = *link;
    *link = index;
}

uint32_t ledger_open(struct ledger *ledger, uint32_t account, uint32_t asset)
{
    uint32_t index = ledger_find(ledger, account, asset);
    if (index != 0)
        return index;
    ASSERT(ledger->count <= ledger->balances_max);
    if (ledger->count == ledger->balances_max)
        return 0;
    index = ++ledger->count;
    uint32_t *bucket = &ledger->buckets[ledger_bucket(ledger, account, asset)];
    ledger->balances[index] =
        (struct balance){.account = account, .asset = asset, .next_in_bucket = *bucket};
    *bucket = index;
    ledger_chain(ledger, index);
    ASSERT(ledger_find(ledger, account, asset) == index);
    return index;
}

void ledger_incoming_carry(struct ledger *ledger, uint32_t index, int carry)
{
    ASSERT(index != 0 && index <= ledger->count);
    ASSERT(carry == 1 || (carry == -1 && ledger->incoming_high[index] > 0));
    ledger->incoming_high[index] += (uint32_t)carry;
    ledger->incoming_carries += (uint32_t)carry;
}

void ledger_enter(struct ledger *ledger, struct balance *balance, int64_t change)
{
    ASSERT(change >= -2 * MONEY_MAX && change <= 2 * MONEY_MAX);
    balance->available += change;
    ASSERT(balance->available >= (ledger_may_owe(balance->account) ? -MONEY_MAX : 0));
    ledger_count(ledger, balance->asset, (uint64_t)change);
}

void ledger_transfer(struct ledger *ledger, struct balance *from, struct balance *to,
                     int64_t amount)
{
    ASSERT(from != to && from->asset == to->asset);
    ASSERT(amount >= 0);
    ledger_enter(ledger, from, -amount);
    ledger_enter(ledger, to, amount);
}

bool ledger_may_owe(uint32_t account)
{
    return account == ACCOUNT_OUTSIDE || account == ACCOUNT_SUSPENSE || account == ACCOUNT_DEFICIT;
}

bool ledger_bears(const struct ledger *ledger, uint32_t account, uint32_t asset, int64_t amount)
{
    ASSERT(ledger_may_owe(account));
    uint32_t index = ledger_find(ledger, account, asset);
    int64_t there = index != 0 ? ledger_at(ledger, index)->available : 0;
    ASSERT(there >= -MONEY_MAX);
    return amount <= 0 || there >= amount - MONEY_MAX;
}

// ---- the full walk
//
// Of a million balances none is in a cache, and they lie in the order in which they were opened. So
// nothing is walked link by link: all links are looked at where they lie, and what they lead to is
// asked for some steps ahead. Links of an account's chain ascend by asset and those of a bucket
// descend by index, so none leads round; and if each balance is led to exactly once, every one is
// found.

enum { WALK_AHEAD = 16 };

// Sums of what was led to are compared: a number that is large, and not linear in the index.
static uint64_t walk_mark(uint32_t index)
{
    uint64_t mark = (index + (uint64_t)1) * 0x9e3779b97f4a7c15u;
    return mark ^ mark >> 29;
}

static void check_bounds(const struct balance *balance, uint32_t assets_max)
{
    ASSERT(balance->asset != 0 && balance->asset <= assets_max);
    ASSERT(balance->available >= (ledger_may_owe(balance->account) ? -MONEY_MAX : 0));
    ASSERT(balance->held >= 0);
    ASSERT(balance->unsettled >= 0 && balance->unsettled <= LEDGER_COUNTER_MAX);
    ASSERT(balance->blocked >= 0 && balance->blocked <= LEDGER_COUNTER_MAX);
    ASSERT(balance->deficit >= 0 && balance->deficit <= MONEY_MAX);
}

static void check_sums(const struct ledger *ledger, money_sum *sums, uint32_t assets_max)
{
    money_sum *deficits = sums + assets_max + 1;
    memset(sums, 0, 2 * ((size_t)assets_max + 1) * sizeof(sums[0]));
    for (uint32_t index = 1; index <= ledger->count; index++) {
        const struct balance *balance = ledger_at(ledger, index);
        check_bounds(balance, assets_max);
        sums[balance->asset] += balance->available;
        sums[balance->asset] += balance->held;
        deficits[balance->asset] += balance->deficit;
        if (balance->account == ACCOUNT_DEFICIT)
            deficits[balance->asset] += balance->available;
    }
    for (uint32_t asset = 0; asset <= assets_max; asset++)
        ASSERT(sums[asset] == 0 && deficits[asset] == 0);
    ASSERT(ledger->drift == 0);
}

// What was led to, by each way.
struct walk {
    uint64_t by_account;
    uint64_t by_hash;
};

static void check_next(const struct ledger *ledger, uint32_t index, struct walk *walk)
{
    const struct balance *balance = ledger_at(ledger, index);
    if (balance->next_of_account != 0) {
        const struct balance *next = ledger_at(ledger, balance->next_of_account);
        ASSERT(next->account == balance->account && next->asset > balance->asset);
        walk->by_account += walk_mark(balance->next_of_account);
    }
    if (balance->next_in_bucket != 0) {
        const struct balance *next = ledger_at(ledger, balance->next_in_bucket);
        ASSERT(balance->next_in_bucket < index);
        ASSERT(ledger_bucket(ledger, next->account, next->asset) ==
               ledger_bucket(ledger, balance->account, balance->asset));
        walk->by_hash += walk_mark(balance->next_in_bucket);
    }
}

static void check_links(const struct ledger *ledger, struct walk *walk)
{
    for (uint32_t index = 1; index <= ledger->count; index++) {
        if (index + WALK_AHEAD <= ledger->count) {
            const struct balance *ahead = ledger_at(ledger, index + WALK_AHEAD);
            __builtin_prefetch(&ledger->balances[ahead->next_of_account]);
            __builtin_prefetch(&ledger->balances[ahead->next_in_bucket]);
        }
        check_next(ledger, index, walk);
    }
}

static void check_heads(const struct ledger *ledger, struct walk *walk)
{
    for (uint32_t account = 1; account <= ledger->accounts_max; account++) {
        uint32_t index = ledger->first_of_account[account];
        if (account + WALK_AHEAD <= ledger->accounts_max)
            __builtin_prefetch(&ledger->balances[ledger->first_of_account[account + WALK_AHEAD]]);
        if (index == 0)
            continue;
        ASSERT(ledger_at(ledger, index)->account == account);
        walk->by_account += walk_mark(index);
    }
    for (uint32_t bucket = 0; bucket <= ledger->bucket_mask; bucket++) {
        uint32_t index = ledger->buckets[bucket];
        if (bucket + WALK_AHEAD <= ledger->bucket_mask)
            __builtin_prefetch(&ledger->balances[ledger->buckets[bucket + WALK_AHEAD]]);
        if (index == 0)
            continue;
        const struct balance *balance = ledger_at(ledger, index);
        ASSERT(ledger_bucket(ledger, balance->account, balance->asset) == bucket);
        walk->by_hash += walk_mark(index);
    }
}

void ledger_check(const struct ledger *ledger, money_sum *sums, uint32_t assets_max)
{
    struct walk walk = {0};
    uint64_t all = 0;
    ASSERT(ledger->count <= ledger->balances_max);
    check_sums(ledger, sums, assets_max);
    check_links(ledger, &walk);
    check_heads(ledger, &walk);
    for (uint32_t index = 1; index <= ledger->count; index++)
        all += walk_mark(index);
    ASSERT(walk.by_account == all && walk.by_hash == all);
}
