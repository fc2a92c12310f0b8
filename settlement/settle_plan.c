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

enum settle_plan_result settle_plan(struct chain_address *token, struct settle_leg *leg,
                                    const char **reason, const struct settle_trade_terms *terms)
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
    if (!address_parse(token, terms->contract_address) || address_is_zero(token))
        return refused(reason, SETTLE_REASON_CONTRACT_INVALID);
    if (!address_parse(&leg->from, terms->seller_wallet) || address_is_zero(&leg->from) ||
        !address_parse(&leg->to, terms->buyer_wallet) || address_is_zero(&leg->to))
        return refused(reason, SETTLE_REASON_WALLET_INVALID);
    if (!settle_units(&leg->units, terms->quantity, terms->scale, terms->decimals))
        return refused(reason, SETTLE_REASON_AMOUNT);
    return SETTLE_PLAN_ON_CHAIN;
}
