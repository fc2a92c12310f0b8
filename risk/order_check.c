// Happy path: a few comparisons with what the instrument and the account say; no division. A
// refusal is the first "no": its code, the bound, the value seen. What only some types of orders
// have is looked at for those only.
#include "risk/order_check.h"

#include <stddef.h>

#include "risk/order_controls.h"

#define BIT(number) (1u << (number))

enum {
    TIFS_IMMEDIATE = BIT(TIF_IOC) | BIT(TIF_FOK),
    TIFS_AUCTION = BIT(TIF_AT_OPEN) | BIT(TIF_AT_CLOSE),
    TIFS_RESTING = BIT(TIF_DAY) | BIT(TIF_GTC) | BIT(TIF_GTD),
    TIFS_ALL = TIFS_IMMEDIATE | TIFS_AUCTION | TIFS_RESTING,
    TYPES_COLLAR = BIT(ORDER_MARKET) | BIT(ORDER_STOP) | BIT(ORDER_TRAILING_STOP),
    TYPES_PRICED = BIT(ORDER_LIMIT) | BIT(ORDER_STOP_LIMIT),
    TYPES_ALL = TYPES_COLLAR | TYPES_PRICED,
};

static bool is_one_of(uint8_t number, uint32_t bits)
{
    return number < 32 && (bits >> number & 1) != 0;
}

// ---- form

static bool check_form(const struct order_check *check, struct refusal *refusal)
{
    if (check->side != SIDE_BUY && check->side != SIDE_SELL)
        return refuse(refusal, REJECT_SIDE, 0, check->side, 0);
    if (check->quantity <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, check->quantity, 0);
    if (!is_one_of(check->type, check->terms->collar_bps != 0 ? TYPES_ALL : TYPES_PRICED))
        return refuse(refusal, REJECT_ORDER_TYPE, 0, check->type, 0);
    if (!is_one_of(check->tif, TIFS_ALL))
        return refuse(refusal, REJECT_TIME_IN_FORCE, 0, check->tif, 0);
    if (check->flags > ORDER_FLAGS_ALL)
        return refuse(refusal, REJECT_ORDER_FLAGS, ORDER_FLAGS_ALL, check->flags, 0);
    if (check->stp > STP_DECREMENT)
        return refuse(refusal, REJECT_STP_MODE, STP_DECREMENT, check->stp, 0);
    return true;
}

static bool stop_price_fits(const struct order_check *check)
{
    if (!order_type_stops(check->type))
        return check->stop_price == 0;
    int64_t least = check->type == ORDER_TRAILING_STOP ? 0 : 1;
    return check->stop_price >= least && check->stop_price <= MONEY_MAX;
}

static bool trail_offset_fits(const struct order_check *check)
{
    if (check->type != ORDER_TRAILING_STOP)
        return check->trail_offset == 0;
    return check->trail_offset > 0 && check->trail_offset <= MONEY_MAX &&
           money_is_multiple(check->ticks.divisor, check->trail_offset);
}

static bool display_fits(const struct order_check *check)
{
    if (check->display == 0)
        return true;
    return is_one_of(check->type, TYPES_PRICED) && is_one_of(check->tif, TIFS_RESTING) &&
           check->display > 0 && check->display < check->quantity &&
           order_slices_fit(check->quantity, check->display) &&
           money_is_multiple(check->lot, check->display);
}

static bool minimum_fits(const struct order_check *check)
{
    if (check->minimum == 0)
        return true;
    return check->tif == TIF_IOC && check->minimum > 0 && check->minimum <= check->quantity &&
           money_is_multiple(check->lot, check->minimum);
}

static bool expire_fits(const struct order_check *check)
{
    if (check->tif != TIF_GTD)
        return check->expire_ns == 0;
    return check->expire_ns > check->time_ns && check->expire_ns <= INT64_MAX;
}

static bool check_numbers(const struct order_check *check, struct refusal *refusal)
{
    if (!stop_price_fits(check))
        return refuse(refusal, REJECT_STOP_PRICE, 0, check->stop_price, check->type);
    if (!trail_offset_fits(check))
        return refuse(refusal, REJECT_TRAIL_OFFSET, check->terms->tick, check->trail_offset,
                      check->type);
    if (!display_fits(check))
        return refuse(refusal, REJECT_DISPLAY_QUANTITY, check->quantity, check->display, 0);
    if (!minimum_fits(check))
        return refuse(refusal, REJECT_MINIMUM_QUANTITY, check->quantity, check->minimum,
                      check->tif);
    if (!expire_fits(check))
        return refuse(refusal, REJECT_EXPIRE_TIME, (int64_t)check->time_ns,
                      (int64_t)check->expire_ns, check->tif);
    return true;
}

static bool check_combinations(const struct order_check *check, struct refusal *refusal)
{
    bool stops = order_type_stops(check->type);
    if (stops && is_one_of(check->tif, TIFS_IMMEDIATE | TIFS_AUCTION))
        return refuse(refusal, REJECT_TIF_COMBINATION, 0, check->type, check->tif);
    if ((check->flags & ORDER_POST_ONLY) != 0 &&
        (check->type != ORDER_LIMIT || !is_one_of(check->tif, TIFS_RESTING)))
        return refuse(refusal, REJECT_POST_ONLY_COMBINATION, 0, check->type, check->tif);
    return check_numbers(check, refusal);
}

// A limit order of order_new, without a flag or date, combines nothing.
static bool has_combinations(const struct order_check *check)
{
    return check->has_terms || check->type != ORDER_LIMIT || check->tif == TIF_GTD ||
           (check->flags & ORDER_POST_ONLY) != 0;
}

static inline bool check_tick(const struct order_check *check, int64_t price,
                              struct refusal *refusal)
{
    if (tick_holds(&check->ticks, price))
        return true;
    return refuse(refusal, REJECT_OFF_TICK, tick_at(&check->ticks, price), price, 0);
}

static inline bool check_quantity_max(const struct order_check *check, int64_t quantity,
                                      struct refusal *refusal)
{
    int64_t most = check->terms->order_quantity_max;
    if (most != 0 && quantity > most)
        return refuse(refusal, REJECT_QUANTITY_MAX, most, quantity, 0);
    return true;
}

static bool check_price_and_steps(const struct order_check *check, struct refusal *refusal)
{
    bool priced = is_one_of(check->type, TYPES_PRICED);
    if (priced && check->price <= 0)
        return refuse(refusal, REJECT_PRICE_NOT_POSITIVE, 1, check->price, 0);
    if (!priced && check->price != 0)
        return refuse(refusal, REJECT_PRICE_ON_MARKET, 0, check->price, 0);
    if (!check_tick(check, check->price, refusal) ||
        (check->stop_price != 0 && !check_tick(check, check->stop_price, refusal)))
        return false;
    if (!money_is_multiple(check->lot, check->quantity))
        return refuse(refusal, REJECT_OFF_LOT, check->terms->lot, check->quantity, 0);
    if (!check_quantity_max(check, check->quantity, refusal))
        return false;
    if (check->quantity < check->rules->order_quantity_min)
        return refuse(refusal, REJECT_QUANTITY_MIN, check->rules->order_quantity_min,
                      check->quantity, 0);
    return true;
}

// ---- pre-flight: breaker, the price of an order without one, fat finger, NAV

int64_t order_check_reference(const struct instrument_state_rec *state)
{
    ASSERT(state->last_price >= 0 && state->reference_price >= 0 && state->nav >= 0);
    if (state->last_price != 0)
        return state->last_price;
    return state->reference_price != 0 ? state->reference_price : state->nav;
}

int64_t order_check_collar(const struct tick_table *ticks, uint8_t side, int64_t reference,
                           uint32_t collar_bps)
{
    ASSERT(reference > 0);
    money_product distance = (money_product)(uint64_t)reference * collar_bps / MONEY_BPS_ONE;
    if (side == SIDE_BUY) {
        money_product price = (uint64_t)reference + distance;
        return price > (uint64_t)MONEY_MAX ? 0 : tick_down(ticks, (int64_t)price);
    }
    if (distance >= (uint64_t)reference)
        return tick_at(ticks, 0);
    int64_t price = reference - (int64_t)distance;
    if (price <= MONEY_MAX)
        price = tick_up(ticks, price);
    return price > MONEY_MAX ? 0 : price;
}

static bool check_collar(struct order_check *check, int64_t reference, struct refusal *refusal)
{
    uint32_t bps = check->terms->collar_bps;
    check->price = order_check_collar(&check->ticks, check->side, reference, bps);
    if (check->price == 0)
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, bps, 0);
    return true;
}

// A trailing stop without a start follows the last price from here on (rounded down: the tick may
// have changed since that trade).
static bool check_trailing_start(struct order_check *check, struct refusal *refusal)
{
    int64_t last = check->state->last_price;
    int64_t from = last - last % check->ticks.tick;
    int64_t offset = check->trail_offset;
    ASSERT(offset > 0 && offset <= MONEY_MAX);
    if (last == 0)
        return refuse(refusal, REJECT_NO_REFERENCE, 0, 0, 0);
    bool buys = check->side == SIDE_BUY;
    if (buys ? from > MONEY_MAX - offset : from <= offset || from - offset > MONEY_MAX)
        return refuse(refusal, REJECT_TRAIL_OFFSET, last, offset, check->type);
    check->stop_price = buys ? from + offset : from - offset;
    return true;
}

// Gives an order its price that has none. Needs something to compare with.
static bool check_market_price(struct order_check *check, struct refusal *refusal)
{
    int64_t reference = order_check_reference(check->state);
    ASSERT(check->price == 0);
    if (check->type == ORDER_MARKET && reference == 0)
        return refuse(refusal, REJECT_NO_REFERENCE, 0, 0, 0);
    if (check->type == ORDER_TRAILING_STOP && check->stop_price == 0 &&
        !check_trailing_start(check, refusal))
        return false;
    return check_collar(check, check->type == ORDER_MARKET ? reference : check->stop_price,
                        refusal);
}

// Block before confirm: what is blocked cannot be confirmed away. An order with a stop price is
// compared with that.
static inline bool check_fat_finger(const struct order_check *check, struct refusal *refusal)
{
    int64_t reference =
        check->stop_price != 0 ? check->stop_price : order_check_reference(check->state);
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

// A NAV that is too old to judge by: it refuses the order, or nothing else of it is asked.
static bool check_nav_stale(const struct order_check *check, uint64_t age_ns,
                            struct refusal *refusal)
{
    uint8_t action = check->controls->nav_stale_action;
    ASSERT(action <= NAV_STALE_REFUSE);
    if (action == NAV_STALE_IGNORE ||
        (action == NAV_STALE_CONFIRM && (check->flags & ORDER_CONFIRM_NAV) != 0))
        return true;
    return refuse(refusal, REJECT_NAV_STALE, check->controls->nav_stale_ms,
                  (int64_t)(age_ns / PARTY_MS_NS), action);
}

static inline bool check_nav(const struct order_check *check, struct refusal *refusal)
{
    int64_t nav = check->state->nav;
    uint32_t confirm_bps = check->terms->nav_confirm_bps;
    uint32_t stale_ms = check->controls->nav_stale_ms;
    ASSERT(nav >= 0);
    if (__builtin_expect(stale_ms != 0, 0) && nav != 0) {
        uint64_t age_ns = check->time_ns - check->state->nav_time_ns;
        if (age_ns > stale_ms * PARTY_MS_NS)
            return check_nav_stale(check, age_ns, refusal);
    }
    if (nav == 0 && (check->terms->flags & INSTRUMENT_NAV_REQUIRED) != 0)
        return refuse(refusal, REJECT_NAV_MISSING, 0, 0, 0);
    if (nav == 0 || confirm_bps == 0 || (check->flags & ORDER_CONFIRM_NAV) != 0)
        return true;
    if (money_beyond(check->price, nav, confirm_bps))
        return refuse(refusal, REJECT_NAV_CONFIRM, confirm_bps,
                      money_deviation_bps(check->price, nav), nav);
    return true;
}

static inline bool check_breaker(const struct order_check *check, struct refusal *refusal)
{
    if (check->state->breaker_tripped)
        return refuse(refusal, REJECT_BREAKER_TRIPPED, 0, check->terms->instrument, 0);
    return true;
}

static inline bool check_confirm(const struct order_check *check, struct refusal *refusal)
{
    bool asked =
        (check->flags & ORDER_CONFIRMS) != 0 && (check->member->flags & LIMIT_STRICT_CONFIRM) != 0;
    return __builtin_expect(!asked, 1) || order_controls_confirm(check, refusal);
}

// E6. The price of an order without one comes between the breaker and its first use.
static bool check_pre_flight(struct order_check *check, struct refusal *refusal)
{
    if (!check_breaker(check, refusal))
        return false;
    if (!is_one_of(check->type, TYPES_PRICED) && !check_market_price(check, refusal))
        return false;
    return check_confirm(check, refusal) && check_fat_finger(check, refusal) &&
           check_nav(check, refusal);
}

// ---- eligibility

// The table of docs/matching.md 7: which orders a phase takes.
enum order_column {
    COLUMN_LIMIT,
    COLUMN_MARKET,
    COLUMN_IMMEDIATE, // IOC, FOK, post-only
    COLUMN_STOP,
    COLUMN_AT_OPEN,
    COLUMN_AT_CLOSE,
};

static const uint8_t phase_takes[PHASE_CLOSING_AUCTION + 1] = {
    [PHASE_PRE_OPEN] = BIT(COLUMN_LIMIT) | BIT(COLUMN_MARKET) | BIT(COLUMN_STOP) |
                       BIT(COLUMN_AT_OPEN) | BIT(COLUMN_AT_CLOSE),
    [PHASE_OPENING_AUCTION] = BIT(COLUMN_LIMIT) | BIT(COLUMN_MARKET) | BIT(COLUMN_STOP) |
                              BIT(COLUMN_AT_OPEN) | BIT(COLUMN_AT_CLOSE),
    [PHASE_CONTINUOUS] = BIT(COLUMN_LIMIT) | BIT(COLUMN_MARKET) | BIT(COLUMN_IMMEDIATE) |
                         BIT(COLUMN_STOP) | BIT(COLUMN_AT_CLOSE),
    [PHASE_VOLATILITY_AUCTION] =
        BIT(COLUMN_LIMIT) | BIT(COLUMN_MARKET) | BIT(COLUMN_STOP) | BIT(COLUMN_AT_CLOSE),
    [PHASE_CLOSING_AUCTION] =
        BIT(COLUMN_LIMIT) | BIT(COLUMN_MARKET) | BIT(COLUMN_STOP) | BIT(COLUMN_AT_CLOSE),
};

static enum order_column order_column(const struct order_check *check)
{
    if (is_one_of(check->tif, TIFS_IMMEDIATE) || (check->flags & ORDER_POST_ONLY) != 0)
        return COLUMN_IMMEDIATE;
    if (check->tif == TIF_AT_OPEN)
        return COLUMN_AT_OPEN;
    if (check->tif == TIF_AT_CLOSE)
        return COLUMN_AT_CLOSE;
    if (order_type_stops(check->type))
        return COLUMN_STOP;
    return check->type == ORDER_MARKET ? COLUMN_MARKET : COLUMN_LIMIT;
}

static bool check_phase(const struct order_check *check, struct refusal *refusal)
{
    uint8_t phase = check->state->phase;
    ASSERT(phase >= PHASE_CLOSED && phase <= PHASE_CLOSING_AUCTION);
    if ((phase_takes[phase] >> order_column(check) & 1) == 0)
        return refuse(refusal, REJECT_PHASE, PHASE_CONTINUOUS, phase, check->tif);
    return true;
}

static bool person_refused(const struct account_rec *account, bool member_suspended,
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
    ASSERT(member_suspended);
    return refuse(refusal, REJECT_MEMBER_SUSPENDED, 0, account->member, 0);
}

static inline bool person_is_fine(const struct account_rec *account, bool member_suspended)
{
    const uint8_t asked = ACCOUNT_HAS_WALLET | ACCOUNT_ACTIVATED | ACCOUNT_SUSPENDED;
    return (account->flags & asked) == (ACCOUNT_HAS_WALLET | ACCOUNT_ACTIVATED) &&
           account->kyc == KYC_APPROVED && account->fatca == FATCA_CLEAR && !member_suspended;
}

bool order_check_person(const struct account_rec *account, bool member_suspended,
                        struct refusal *refusal)
{
    if (person_is_fine(account, member_suspended))
        return true;
    return person_refused(account, member_suspended, refusal);
}

static inline bool check_person(const struct order_check *check, struct refusal *refusal)
{
    const struct account_rec *account = &check->account->terms;
    bool member_suspended = check->member->terms.suspended != 0;
    if (person_is_fine(account, member_suspended))
        return true;
    return person_refused(account, member_suspended, refusal);
}

static inline bool check_instrument(const struct order_check *check, struct refusal *refusal)
{
    if (check->terms->status != TOKEN_SECONDARY)
        return refuse(refusal, REJECT_TOKEN_STATUS, TOKEN_SECONDARY, check->terms->status, 0);
    if (check->terms->trading_mode != MODE_FULL_ORDERBOOK)
        return refuse(refusal, REJECT_TRADING_MODE, MODE_FULL_ORDERBOOK, check->terms->trading_mode,
                      0);
    return true;
}

// ---- value

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

static inline bool check_notional(struct order_check *check, struct refusal *refusal)
{
    const struct instrument_rec *terms = check->terms;
    if (!money_notional(&check->notional, check->price, check->quantity, terms->token_scale))
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, check->quantity, check->price);
    if (terms->order_notional_max != 0 && check->notional > terms->order_notional_max)
        return refuse(refusal, REJECT_NOTIONAL_MAX, terms->order_notional_max, check->notional, 0);
    return true;
}

// E8. Investment limits are for buys: an exit is never blocked (U15).
static inline bool check_investment(const struct order_check *check, struct refusal *refusal)
{
    int64_t limit = investment_limit(&check->account->terms);
    if ((check->notional > limit) & (check->side == SIDE_BUY)) // no branch over the side
        return refuse(refusal, REJECT_INVESTMENT_LIMIT, limit, check->notional, 0);
    bool cumulative =
        (check->member->flags & LIMIT_CUMULATIVE_INVESTMENT) != 0 && limit != INT64_MAX;
    return __builtin_expect(!cumulative, 1) || order_controls_bought(check, limit, refusal);
}

static bool check_notional_min(const struct order_check *check, struct refusal *refusal)
{
    int64_t least = check->rules->order_notional_min;
    if (check->notional < least)
        return refuse(refusal, REJECT_NOTIONAL_MIN, least, check->notional, 0);
    return true;
}

// ---- together

// Limits of the account or of its member; controls of the instrument that are for buys.
struct asked {
    bool limits;
    bool buyer;
    bool position;
};

static inline struct asked asked_of(const struct order_check *check)
{
    const struct instrument_controls_rec *controls = check->controls;
    return (struct asked){.limits = check->account->limited | check->member->limited,
                          .buyer = (check->jurisdictions->mode | controls->investor_types) != 0,
                          .position =
                              controls->position_max != 0 || controls->concentration_bps != 0};
}

bool order_check_run(struct order_check *check, struct refusal *refusal)
{
    ASSERT(check->terms->instrument == check->state->instrument);
    ASSERT(check->account->terms.account != 0);
    if (!check_form(check, refusal) ||
        (has_combinations(check) && !check_combinations(check, refusal)) ||
        !check_price_and_steps(check, refusal) || !check_pre_flight(check, refusal) ||
        !check_instrument(check, refusal) || !check_phase(check, refusal) ||
        !check_person(check, refusal))
        return false;
    const struct asked asked = asked_of(check);
    if (!asked.limits && !asked.buyer && !asked.position)
        return check_notional(check, refusal) && check_notional_min(check, refusal) &&
               check_investment(check, refusal);
    return (!asked.buyer || order_controls_buyer(check, refusal)) &&
           check_notional(check, refusal) && check_notional_min(check, refusal) &&
           (!asked.limits || order_controls_order_value(check, refusal)) &&
           check_investment(check, refusal) &&
           (!asked.limits || order_controls_daily_value(check, refusal)) &&
           (!asked.position || order_controls_position(check, refusal)) &&
           (!asked.limits || order_controls_numbers(check, refusal));
}

bool order_check_amend(struct order_check *check, const struct order_check_amend *amend,
                       struct refusal *refusal)
{
    const struct asked asked = asked_of(check);
    ASSERT(check->terms->instrument == check->state->instrument && check->quantity > 0);
    // Who may not trade any more has no orders.
    ASSERT(person_is_fine(&check->account->terms, check->member->terms.suspended != 0));
    if (amend->price_given && !check_tick(check, check->price, refusal))
        return false;
    if (amend->stop_price_given && !check_tick(check, check->stop_price, refusal))
        return false;
    if (!check_quantity_max(check, amend->quantity_up, refusal) || !check_breaker(check, refusal))
        return false;
    if (amend->stop_price_given && !is_one_of(check->type, TYPES_PRICED) &&
        !check_collar(check, check->stop_price, refusal))
        return false;
    return check_confirm(check, refusal) && check_fat_finger(check, refusal) &&
           check_nav(check, refusal) && check_instrument(check, refusal) &&
           (!asked.buyer || order_controls_buyer(check, refusal)) &&
           check_notional(check, refusal) &&
           (!asked.limits || order_controls_order_value(check, refusal)) &&
           check_investment(check, refusal) &&
           (!asked.limits || order_controls_daily_value(check, refusal)) &&
           (!asked.position || order_controls_position(check, refusal)) &&
           (!asked.limits || order_controls_executions(check, refusal));
}
