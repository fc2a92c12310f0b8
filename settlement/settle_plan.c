#include "settlement/settle_plan.h"

#include <stddef.h>
#include <strings.h>

static bool text_is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

bool settle_units(chain_uint128 *units, int64_t quantity, uint8_t scale, uint8_t decimals)
{
    if (quantity <= 0)
        return false;
    chain_uint128 value = (chain_uint128)quantity;
    for (uint8_t i = decimals; i < scale; i++) {
        if (value % 10 != 0)
            return false;
        value /= 10;
    }
    for (uint8_t i = scale; i < decimals; i++)
        if (__builtin_mul_overflow(value, (chain_uint128)10, &value))
            return false;
    ASSERT(value > 0);
    *units = value;
    return true;
}

static enum settle_plan_result refused(const char **reason, const char *word)
{
    *reason = word;
    return SETTLE_PLAN_REFUSED;
}

enum settle_plan_result settle_plan(struct settle_leg *leg, const char **reason,
                                    const struct settle_trade_terms *terms)
{
    if (text_is_empty(terms->contract_address)) {
        *reason = SETTLE_REASON_NO_CONTRACT;
        return SETTLE_PLAN_OFF_CHAIN;
    }
    if (text_is_empty(terms->buyer_wallet) || text_is_empty(terms->seller_wallet)) {
        *reason = SETTLE_REASON_WALLET_MISSING;
        return SETTLE_PLAN_WAIT;
    }
    // By text, as the query of the store does: case is the checksum only.
    if (strcasecmp(terms->buyer_wallet, terms->seller_wallet) == 0) {
        *reason = SETTLE_REASON_SAME_WALLET;
        return SETTLE_PLAN_OFF_CHAIN;
    }
    if (!address_parse(&leg->token, terms->contract_address) || address_is_zero(&leg->token))
        return refused(reason, SETTLE_REASON_CONTRACT_INVALID);
    if (!address_parse(&leg->from, terms->seller_wallet) || address_is_zero(&leg->from) ||
        !address_parse(&leg->to, terms->buyer_wallet) || address_is_zero(&leg->to))
        return refused(reason, SETTLE_REASON_WALLET_INVALID);
    if (!settle_units(&leg->units, terms->quantity, terms->scale, terms->decimals))
        return refused(reason, SETTLE_REASON_AMOUNT);
    return SETTLE_PLAN_ON_CHAIN;
}

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

bool settle_fees_first(struct settle_fees *fees, const struct settle_fee_policy *policy,
                       uint64_t base_fee_wei, uint64_t recent_priority_wei)
{
    uint64_t priority = u64_max(recent_priority_wei, policy->priority_floor_wei);
    uint64_t wanted = add_saturated(add_saturated(base_fee_wei, base_fee_wei), priority);

    if (base_fee_wei >= policy->cap_wei)
        return false;
    fees->max_fee_wei = u64_min(wanted, policy->cap_wei);
    fees->priority_fee_wei = u64_min(priority, fees->max_fee_wei - base_fee_wei);
    ASSERT(fees->priority_fee_wei <= fees->max_fee_wei && fees->max_fee_wei <= policy->cap_wei);
    return true;
}

// Rounded up: a node computes the threshold exactly and refuses one wei less.
static uint64_t raised(uint64_t fee_wei)
{
    chain_uint128 up = ((chain_uint128)fee_wei * 1125 + 999) / 1000;

    return up > UINT64_MAX ? UINT64_MAX : u64_max((uint64_t)up, add_saturated(fee_wei, 1));
}

bool settle_fees_bump(struct settle_fees *fees, const struct settle_fee_policy *policy,
                      const struct settle_fees *before, uint64_t base_fee_wei,
                      uint64_t recent_priority_wei)
{
    struct settle_fees market = {0, 0};
    bool has_market = settle_fees_first(&market, policy, base_fee_wei, recent_priority_wei);
    uint64_t max_fee = raised(before->max_fee_wei);
    uint64_t priority = raised(before->priority_fee_wei);

    if (max_fee > policy->cap_wei || priority > max_fee)
        return false;
    fees->max_fee_wei = has_market ? u64_max(max_fee, market.max_fee_wei) : max_fee;
    fees->priority_fee_wei = has_market ? u64_max(priority, market.priority_fee_wei) : priority;
    ASSERT(fees->priority_fee_wei <= fees->max_fee_wei && fees->max_fee_wei <= policy->cap_wei);
    return true;
}

uint64_t settle_gas_limit(uint64_t estimate, uint64_t margin_percent, uint64_t max)
{
    chain_uint128 limit = (chain_uint128)estimate * margin_percent / 100;

    ASSERT(margin_percent >= 100);
    return limit == 0 || limit > max ? 0 : (uint64_t)limit;
}
