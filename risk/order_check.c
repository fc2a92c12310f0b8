// Happy path: eight questions, each of a few comparisons with what the instrument and the account
// say; no division. A refusal is the first "no": its code, the bound, the value seen.
#include "risk/order_check.h"

#include <stddef.h>

static bool check_side_quantity_type(const struct order_check *check, struct refusal *refusal)
{
    if (check->side != SIDE_BUY && check->side != SIDE_SELL)
        return refuse(refusal, REJECT_SIDE, 0, check->side, 0);
    if (check->quantity <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, check->quantity, 0);
    if (check->type != ORDER_LIMIT && check->type != ORDER_MARKET)
        return refuse(refusal, REJECT_ORDER_TYPE, 0, check->type, 0);
    if (check->type == ORDER_MARKET && check->terms->collar_bps == 0)
        return refuse(refusal, REJECT_ORDER_TYPE, 0, check->type, 0);
    if (check->tif != TIF_DAY && check->tif != TIF_GTC && check->tif != TIF_IOC)
        return refuse(refusal, REJECT_TIME_IN_FORCE, 0, check->tif, 0);
    return true;
}

static bool check_price_and_steps(const struct order_check *check, struct refusal *refusal)
{
    const struct instrument_rec *terms = check->terms;
    if (check->type == ORDER_LIMIT && check->price <= 0)
        return refuse(refusal, REJECT_PRICE_NOT_POSITIVE, 1, check->price, 0);
    if (check->type == ORDER_MARKET && check->price != 0)
        return refuse(refusal, REJECT_PRICE_ON_MARKET, 0, check->price, 0);
    if (!money_is_multiple(check->tick, check->price))
        return refuse(refusal, REJECT_OFF_TICK, terms->tick, check->price, 0);
    if (!money_is_multiple(check->lot, check->quantity))
        return refuse(refusal, REJECT_OFF_LOT, terms->lot, check->quantity, 0);
    if (terms->order_quantity_max != 0 && check->quantity > terms->order_quantity_max)
        return refuse(refusal, REJECT_QUANTITY_MAX, terms->order_quantity_max, check->quantity, 0);
    return true;
}

int64_t order_check_reference(const struct instrument_state_rec *state)
{
    ASSERT(state->last_price >= 0 && state->reference_price >= 0 && state->nav >= 0);
    if (state->last_price != 0)
        return state->last_price;
    return state->reference_price != 0 ? state->reference_price : state->nav;
}

// The worst price inside the collar that is on tick: rounded towards the reference, at least one
// tick. 0 = it cannot be represented.
static int64_t collar_price(const struct order_check *check, int64_t reference)
{
    ASSERT(reference > 0);
    ASSERT(check->terms->collar_bps > 0);
    money_product distance =
        (money_product)(uint64_t)reference * check->terms->collar_bps / MONEY_BPS_ONE;
    uint64_t tick = (uint64_t)check->terms->tick;
    if (check->side == SIDE_BUY) {
        money_product price = (uint64_t)reference + distance;
        price -= price % tick;
        return price > (uint64_t)MONEY_MAX ? 0 : (int64_t)(price > 0 ? price : tick);
    }
    if (distance >= (uint64_t)reference)
        return (int64_t)tick;
    uint64_t price = (uint64_t)reference - (uint64_t)distance + tick - 1;
    return (int64_t)(price - price % tick);
}

// Gives a market order its price. Needs something to compare with.
static bool check_market_price(struct order_check *check, int64_t reference,
                               struct refusal *refusal)
{
    ASSERT(check->type == ORDER_MARKET);
    ASSERT(check->price == 0);
    if (reference == 0)
        return refuse(refusal, REJECT_NO_REFERENCE, 0, 0, 0);
    check->price = collar_price(check, reference);
    if (check->price == 0)
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, check->terms->collar_bps, 0);
    return true;
}

// Block before confirm: what is blocked cannot be confirmed away.
static bool check_fat_finger(const struct order_check *check, int64_t reference,
                             struct refusal *refusal)
{
    ASSERT(check->price > 0);
    if (reference == 0)
        return true;
    uint32_t block_bps = check->terms->fat_finger_block_bps;
    if (block_bps != 0 && money_beyond(check->price, reference, block_bps))
        return refuse(refusal, REJECT_FAT_FINGER_BLOCK, block_bps,
                      money_deviation_bps(check->price, reference), reference);
    uint32_t confirm_bps = check->terms->fat_finger_confirm_bps;
    if (confirm_bps == 0 || (check->flags & ORDER_CONFIRM_FAT_FINGER) != 0)
        return true;
    if (money_beyond(check->price, reference, confirm_bps))
        return refuse(refusal, REJECT_FAT_FINGER_CONFIRM, confirm_bps,
                      money_deviation_bps(check->price, reference), reference);
    return true;
}

static bool check_nav(const struct order_check *check, struct refusal *refusal)
{
    int64_t nav = check->state->nav;
    uint32_t confirm_bps = check->terms->nav_confirm_bps;
    ASSERT(nav >= 0);
    if (nav == 0 && (check->terms->flags & INSTRUMENT_NAV_REQUIRED) != 0)
        return refuse(refusal, REJECT_NAV_MISSING, 0, 0, 0);
    if (nav == 0 || confirm_bps == 0 || (check->flags & ORDER_CONFIRM_NAV) != 0)
        return true;
    if (money_beyond(check->price, nav, confirm_bps))
        return refuse(refusal, REJECT_NAV_CONFIRM, confirm_bps,
                      money_deviation_bps(check->price, nav), nav);
    return true;
}

// E6: breaker, fat finger, NAV. The market order's price comes between the breaker and its first
// use.
static bool check_pre_flight(struct order_check *check, struct refusal *refusal)
{
    if (check->state->breaker_tripped)
        return refuse(refusal, REJECT_BREAKER_TRIPPED, 0, check->terms->instrument, 0);
    int64_t reference = order_check_reference(check->state);
    if (check->type == ORDER_MARKET && !check_market_price(check, reference, refusal))
        return false;
    return check_fat_finger(check, reference, refusal) && check_nav(check, refusal);
}

bool order_check_person(const struct account_rec *account, bool member_suspended,
                        struct refusal *refusal)
{
    if ((account->flags & ACCOUNT_HAS_WALLET) == 0)
        return refuse(refusal, REJECT_NO_WALLET, 0, account->account, 0);
    if (account->kyc != KYC_APPROVED)
        return refuse(refusal, REJECT_KYC, KYC_APPROVED, account->kyc, 0);
    if (account->fatca != FATCA_CLEAR)
        return refuse(refusal, REJECT_FATCA, FATCA_CLEAR, account->fatca, 0);
    if ((account->flags & (ACCOUNT_ACTIVATED | ACCOUNT_SUSPENDED)) != ACCOUNT_ACTIVATED)
        return refuse(refusal, REJECT_NOT_ACTIVATED, 0, account->account, 0);
    if (member_suspended)
        return refuse(refusal, REJECT_MEMBER_SUSPENDED, 0, account->member, 0);
    return true;
}

// E7: the instrument first, then the person.
static bool check_eligibility(const struct order_check *check, struct refusal *refusal)
{
    if (check->terms->status != TOKEN_SECONDARY)
        return refuse(refusal, REJECT_TOKEN_STATUS, TOKEN_SECONDARY, check->terms->status, 0);
    if (check->terms->trading_mode != MODE_FULL_ORDERBOOK)
        return refuse(refusal, REJECT_TRADING_MODE, MODE_FULL_ORDERBOOK, check->terms->trading_mode,
                      0);
    if (check->state->phase != PHASE_CONTINUOUS)
        return refuse(refusal, REJECT_PHASE, PHASE_CONTINUOUS, check->state->phase, 0);
    return order_check_person(check->account, check->member_suspended, refusal);
}

static int64_t investment_limit(const struct account_rec *account)
{
    ASSERT(account->accreditation >= ACCREDITATION_RETAIL);
    ASSERT(account->accreditation <= ACCREDITATION_INSTITUTIONAL);
    if ((account->flags & ACCOUNT_NO_LIMITS) != 0)
        return INT64_MAX;
    if (account->accreditation == ACCREDITATION_INSTITUTIONAL)
        return INVESTMENT_LIMIT_INSTITUTIONAL;
    return account->accreditation == ACCREDITATION_PROFESSIONAL ? INVESTMENT_LIMIT_PROFESSIONAL
                                                                : INVESTMENT_LIMIT_RETAIL;
}

// E8, and the instrument's own bound. Investment limits are for buys: an exit is never blocked
// (U15).
static bool check_value(struct order_check *check, struct refusal *refusal)
{
    const struct instrument_rec *terms = check->terms;
    if (!money_notional(&check->notional, check->price, check->quantity, terms->token_scale))
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, check->quantity, check->price);
    if (terms->order_notional_max != 0 && check->notional > terms->order_notional_max)
        return refuse(refusal, REJECT_NOTIONAL_MAX, terms->order_notional_max, check->notional, 0);
    int64_t limit = investment_limit(check->account);
    if (check->side == SIDE_BUY && check->notional > limit)
        return refuse(refusal, REJECT_INVESTMENT_LIMIT, limit, check->notional, 0);
    return true;
}

bool order_check_run(struct order_check *check, struct refusal *refusal)
{
    ASSERT(check->terms->instrument == check->state->instrument);
    ASSERT(check->account->account != 0);
    return check_side_quantity_type(check, refusal) && check_price_and_steps(check, refusal) &&
           check_pre_flight(check, refusal) && check_eligibility(check, refusal) &&
           check_value(check, refusal);
}
