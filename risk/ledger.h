// Ledger: per account and asset what is available and held, double entry.
//
// available + held sums to zero over every asset (ACCOUNT_OUTSIDE mirrors what the world has
// brought in). `unsettled` counts what trades have brought in and the chain has not settled;
// `blocked` what failed to settle. Both are counters over available + held: an account that trades
// unsettled units on keeps the counter until the chain has settled its purchase, so both may exceed
// what is left of the balance. `deficit` is what an outside fact has taken from the account and was
// not there; ACCOUNT_DEFICIT is below zero by the sum of all deficits of the asset.
//
// The sum is checked always: every change of available or held that is not its own other side is
// added to `drift`, weighted by its asset, and after each command the engine asserts that nothing
// is left of it. ledger_check is the full walk.
//
// Bounds: outside, suspense and deficit, the only balances that go below zero, never fall below
// -MONEY_MAX; hence the others sum up to at most 3 * MONEY_MAX < 2^63 and no sum of two balances
// overflows. The counters are bounded by LEDGER_COUNTER_MAX, which the engine checks before each
// match.
//
// A balance is named by its index, from 1; it is never removed. Finding one is a hash of account
// and asset; the balances of an account are chained by ascending asset, so walks have one order
// only. Threads: the engine's. Memory: the caller's, laid out once.
#ifndef LONJA_RISK_LEDGER_H
#define LONJA_RISK_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/money.h"

#define LEDGER_COUNTER_MAX ((int64_t)1 << 62)

struct balance {
    _Alignas(64) int64_t available;
    int64_t held;
    int64_t unsettled;
    int64_t blocked;
    int64_t deficit;
    uint64_t incoming; // of a token: what open buys may bring; modulo 2^64, see ledger_incoming
    uint32_t account;
    uint32_t asset;
    uint32_t next_of_account; // with the next higher asset; 0 = none
    uint32_t next_in_bucket;  // 0 = none
};
_Static_assert(sizeof(struct balance) == 64, "one cache line");

struct ledger {
    struct balance *balances;   // balances_max + 1, entry 0 is not used
    uint32_t *buckets;          // bucket_mask + 1
    uint32_t *first_of_account; // accounts_max + 1
    uint32_t *incoming_high;    // balances_max + 1: the high words of incoming
    uint32_t incoming_carries;  // the sum of these
    uint32_t bucket_mask;
    uint32_t balances_max;
    uint32_t accounts_max;
    uint32_t count;
    uint64_t drift; // of all changes so far, weighted: 0 between two entries
};

// Power of two, at least `entries`, for hash tables.
uint32_t ledger_buckets(uint32_t entries);

static inline uint32_t ledger_bucket(const struct ledger *ledger, uint32_t account, uint32_t asset)
{
    ASSERT(account != 0 && account <= ledger->accounts_max);
    ASSERT(asset != 0);
    uint64_t key = (uint64_t)account << 32 | asset;
    return (uint32_t)(key * 0x9e3779b97f4a7c15u >> 32) & ledger->bucket_mask;
}

// Index of the balance of (account, asset); 0 = there is none.
static inline uint32_t ledger_find(const struct ledger *ledger, uint32_t account, uint32_t asset)
{
    uint32_t index = ledger->buckets[ledger_bucket(ledger, account, asset)];
    while (index != 0) {
        ASSERT(index <= ledger->count);
        const struct balance *balance = &ledger->balances[index];
        if (balance->account == account && balance->asset == asset)
            return index;
        index = balance->next_in_bucket;
    }
    return 0;
}
// The same, made (all zero) where there was none; 0 = the pool is used up.
uint32_t ledger_open(struct ledger *ledger, uint32_t account, uint32_t asset);

static inline struct balance *ledger_at(const struct ledger *ledger, uint32_t index)
{
    ASSERT(index != 0 && index <= ledger->count);
    return &ledger->balances[index];
}

// What may be sold: unsettled units only where the instrument says so, failed ones never.
static inline int64_t ledger_sellable(const struct balance *balance, bool sell_unsettled)
{
    ASSERT(balance->unsettled >= 0);
    ASSERT(balance->blocked >= 0);
    int64_t barred = balance->blocked + (sell_unsettled ? 0 : balance->unsettled);
    return balance->available > barred ? balance->available - barred : 0;
}

// What may leave the venue.
static inline int64_t ledger_withdrawable(const struct balance *balance)
{
    return ledger_sellable(balance, false);
}

// A change of the sum of an asset. The multiplier is odd, so that no change of one asset counts as
// none, and large, so that those of different assets do not make up for each other.
static inline void ledger_count(struct ledger *ledger, uint32_t asset, uint64_t change)
{
    ledger->drift += (asset * 0x9e3779b97f4a7c15u | 1) * change;
}

// The side of an entry that is of one asset: what its balances change by together. It is counted
// when all of them have changed: what the compiler can see to be nothing costs nothing.
struct ledger_sum {
    uint32_t asset;
    uint64_t change;
};

static inline void ledger_sum_add(struct ledger_sum *sum, const struct balance *balance,
                                  int64_t change)
{
    ASSERT(balance->asset == sum->asset);
    sum->change += (uint64_t)change;
}

static inline void ledger_close(struct ledger *ledger, const struct ledger_sum *sum)
{
    ledger_count(ledger, sum->asset, sum->change);
}

// available -> held, which changes no sum. The caller has checked that it is there.
static inline void ledger_hold(struct balance *balance, int64_t amount)
{
    ASSERT(amount >= 0);
    ASSERT(balance->available >= amount);
    balance->available -= amount;
    balance->held += amount;
}

// held -> available.
static inline void ledger_release(struct balance *balance, int64_t amount)
{
    ASSERT(amount >= 0);
    ASSERT(balance->held >= amount);
    balance->held -= amount;
    balance->available += amount;
}

// Pays from what is held; ledger_receive is the other side of the entry.
static inline void ledger_pay_held(struct ledger_sum *sum, struct balance *balance, int64_t amount)
{
    ASSERT(amount >= 0);
    ASSERT(balance->held >= amount);
    balance->held -= amount;
    ledger_sum_add(sum, balance, -amount);
}

static inline void ledger_receive(struct ledger_sum *sum, struct balance *balance, int64_t amount,
                                  int64_t unsettled)
{
    ASSERT(amount >= 0 && unsettled >= 0);
    ASSERT(balance->unsettled <= LEDGER_COUNTER_MAX - unsettled);
    balance->available += amount;
    balance->unsettled += unsettled;
    ledger_sum_add(sum, balance, amount);
}

// The high word of what open buys may bring changes: a rare carry.
void ledger_incoming_carry(struct ledger *ledger, uint32_t index, int carry);

// Open buys may bring so much more (negative: less) to this balance. Many orders at low prices may
// together name more units than 64 bits can count.
static inline void ledger_incoming_add(struct ledger *ledger, uint32_t index, int64_t quantity)
{
    struct balance *balance = ledger_at(ledger, index);
    uint64_t before = balance->incoming;
    balance->incoming = before + (uint64_t)quantity;
    int carry = (balance->incoming < before) - (quantity < 0);
    if (__builtin_expect(carry != 0, 0))
        ledger_incoming_carry(ledger, index, carry);
}

static inline money_sum ledger_incoming(const struct ledger *ledger, uint32_t index)
{
    money_sum high = ledger->incoming_carries != 0 ? ledger->incoming_high[index] : 0;
    return (high << 64) + ledger_at(ledger, index)->incoming;
}

// One side of an entry whose other sides follow at once. The caller has checked that the balance
// stays within its bounds.
void ledger_enter(struct ledger *ledger, struct balance *balance, int64_t change);
// available of `from` -> available of `to`, amount >= 0; likewise.
void ledger_transfer(struct ledger *ledger, struct balance *from, struct balance *to,
                     int64_t amount);

// True if this may go below zero, but not below -MONEY_MAX.
bool ledger_may_owe(uint32_t account);
// False if paying this much would take such an account below its bound.
CHECKED bool ledger_bears(const struct ledger *ledger, uint32_t account, uint32_t asset,
                          int64_t amount);

// Full walk: every asset sums to zero and its deficits to what ACCOUNT_DEFICIT is below it, every
// balance is within its bounds and found by hash and by its account's chain; asserts. `sums` is
// scratch memory of 2 * (assets_max + 1) entries.
void ledger_check(const struct ledger *ledger, money_sum *sums, uint32_t assets_max);

#endif
