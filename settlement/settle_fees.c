#include "settlement/settle_fees.h"

#include "chain/wide.h"

static uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void policy_check(const struct settle_fee_policy *policy)
{
    ASSERT(policy->priority_floor_wei <= policy->priority_cap_wei);
    ASSERT(policy->priority_cap_wei <= policy->cap_wei);
    ASSERT(policy->bump_permille >= 100); // less, and no pool takes a replacement
}

static void fees_check(const struct settle_fees *fees, const struct settle_fee_policy *policy)
{
    ASSERT(fees->priority_fee_wei <= fees->max_fee_wei && fees->max_fee_wei <= policy->cap_wei);
    ASSERT(fees->priority_fee_wei <= policy->priority_cap_wei);
}

bool settle_fees_first(struct settle_fees *fees, const struct settle_fee_policy *policy,
                       uint64_t base_fee_wei, uint64_t recent_priority_wei)
{
    uint64_t priority =
        u64_min(u64_max(recent_priority_wei, policy->priority_floor_wei), policy->priority_cap_wei);
    uint64_t wanted = add_saturated(add_saturated(base_fee_wei, base_fee_wei), priority);

    policy_check(policy);
    if (base_fee_wei >= policy->cap_wei)
        return false;
    fees->max_fee_wei = u64_min(wanted, policy->cap_wei);
    fees->priority_fee_wei = u64_min(priority, fees->max_fee_wei - base_fee_wei);
    fees_check(fees, policy);
    return true;
}

// Rounded up: a node computes the threshold exactly and refuses one wei less.
static uint64_t raised(uint64_t fee_wei, uint32_t bump_permille)
{
    chain_uint128 up = ((chain_uint128)fee_wei * (1000 + bump_permille) + 999) / 1000;

    return up > UINT64_MAX ? UINT64_MAX : u64_max((uint64_t)up, add_saturated(fee_wei, 1));
}

bool settle_fees_bump(struct settle_fees *fees, const struct settle_fee_policy *policy,
                      const struct settle_fees *before, uint64_t base_fee_wei,
                      uint64_t recent_priority_wei)
{
    struct settle_fees market;
    uint64_t max_fee = raised(before->max_fee_wei, policy->bump_permille);
    uint64_t priority = raised(before->priority_fee_wei, policy->bump_permille);

    ASSERT(before->priority_fee_wei <= before->max_fee_wei);
    if (!settle_fees_first(&market, policy, base_fee_wei, recent_priority_wei) ||
        max_fee > policy->cap_wei || priority > policy->priority_cap_wei)
        return false;
    max_fee = u64_max(max_fee, market.max_fee_wei);
    priority = u64_max(priority, market.priority_fee_wei);
    *fees = (struct settle_fees){.max_fee_wei = max_fee, .priority_fee_wei = priority};
    fees_check(fees, policy);
    return true;
}

struct settle_fee_policy settle_fees_giving_up(const struct settle_fee_policy *policy)
{
    struct settle_fee_policy twice = *policy;

    twice.cap_wei = add_saturated(policy->cap_wei, policy->cap_wei);
    twice.priority_cap_wei = add_saturated(policy->priority_cap_wei, policy->priority_cap_wei);
    policy_check(&twice);
    return twice;
}

uint64_t settle_gas_limit(uint64_t estimate, uint64_t margin_percent, uint64_t max)
{
    chain_uint128 limit = (chain_uint128)estimate * margin_percent / 100;

    ASSERT(margin_percent >= 100);
    if (estimate > max)
        return 0;
    return limit > max ? max : (uint64_t)limit;
}

// Calls differ a little, by the zeros in their calldata, and have a part that does not grow with the legs.
enum { GUESS_PERCENT = 103, GUESS_FIXED_GAS = 150000, GUESS_GROWTH_MAX = 2 };

uint64_t settle_gas_guess(size_t known_legs, uint64_t known_gas, size_t legs)
{
    if (known_legs == 0 || legs > GUESS_GROWTH_MAX * known_legs)
        return 0;
    return known_gas * legs / known_legs * GUESS_PERCENT / 100 +
           (legs < known_legs ? GUESS_FIXED_GAS : 0);
}
