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

// NULL: it is the address of somebody.
static const char *address_problem(struct chain_address *out, const char *text, const char *invalid)
{
    switch (address_read(out, text)) {
    case ADDRESS_CHECKED:
    case ADDRESS_UNCHECKED:
        return address_is_zero(out) ? invalid : NULL;
    case ADDRESS_CHECKSUM:
        return SETTLE_REASON_CHECKSUM;
    case ADDRESS_MALFORMED:
        return invalid;
    }
    ASSERT(false); // what a text can be
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
    if ((*reason =
             address_problem(token, terms->contract_address, SETTLE_REASON_CONTRACT_INVALID)) ||
        (*reason =
             address_problem(&leg->from, terms->seller_wallet, SETTLE_REASON_WALLET_INVALID)) ||
        (*reason = address_problem(&leg->to, terms->buyer_wallet, SETTLE_REASON_WALLET_INVALID)))
        return SETTLE_PLAN_REFUSED;
    if (!settle_units(&leg->units, terms->quantity, terms->scale, terms->decimals)) {
        bool too_wide = terms->quantity > 0 && terms->decimals > terms->scale;
        *reason = too_wide ? SETTLE_REASON_TOO_WIDE : SETTLE_REASON_AMOUNT;
        return SETTLE_PLAN_REFUSED;
    }
    return SETTLE_PLAN_ON_CHAIN;
}
