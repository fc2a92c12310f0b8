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

bool ledger_transfer(struct balance *from, struct balance *to, int64_t amount)
{
    ASSERT(from != to && from->asset == to->asset);
    ASSERT(amount > 0);
    if (amount > MONEY_MAX || from->available - amount < -MONEY_MAX)
        return false;
    from->available -= amount;
    to->available += amount;
    return true;
}

static void ledger_check_balance(const struct ledger *ledger, uint32_t index)
{
    const struct balance *balance = ledger_at(ledger, index);
    bool may_be_negative =
        balance->account == ACCOUNT_OUTSIDE || balance->account == ACCOUNT_SUSPENSE;
    ASSERT(balance->available >= (may_be_negative ? -MONEY_MAX : 0));
    ASSERT(balance->held >= 0);
    ASSERT(balance->unsettled >= 0 && balance->unsettled <= LEDGER_COUNTER_MAX);
    ASSERT(balance->blocked >= 0 && balance->blocked <= LEDGER_COUNTER_MAX);
    ASSERT(ledger_find(ledger, balance->account, balance->asset) == index);
}

void ledger_check(const struct ledger *ledger, money_sum *sums, uint32_t assets_max)
{
    memset(sums, 0, (assets_max + 1) * sizeof(sums[0]));
    uint32_t seen = 0;
    for (uint32_t account = 1; account <= ledger->accounts_max; account++) {
        uint32_t asset_before = 0;
        for (uint32_t index = ledger->first_of_account[account]; index != 0; seen++) {
            const struct balance *balance = ledger_at(ledger, index);
            ASSERT(balance->account == account);
            ASSERT(balance->asset > asset_before && balance->asset <= assets_max);
            ledger_check_balance(ledger, index);
            sums[balance->asset] += balance->available;
            sums[balance->asset] += balance->held;
            asset_before = balance->asset;
            index = balance->next_of_account;
        }
    }
    ASSERT(seen == ledger->count);
    for (uint32_t asset = 0; asset <= assets_max; asset++)
        ASSERT(sums[asset] == 0);
}
