#include "risk/order_controls.h"

#include <stddef.h>

// What is told of a sum that does not fit.
static int64_t told(money_sum sum)
{
    ASSERT(sum >= 0);
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

// ---- confirm reference

enum confirm_fault {
    CONFIRM_NONE = 1,
    CONFIRM_OLD = 2,
    CONFIRM_OTHER = 3,
    CONFIRM_WORSE = 4,
    CONFIRM_LACKS = 5,
};

static int64_t confirm_fault(const struct order_check *check, const struct confirm_rec *confirm)
{
    if (confirm == NULL)
        return CONFIRM_NONE;
    ASSERT(check->time_ns >= confirm->time_ns);
    if (check->time_ns - confirm->time_ns > CONFIRM_AGE_MAX_NS)
        return CONFIRM_OLD;
    if (confirm->account != check->account->terms.account ||
        confirm->instrument != check->terms->instrument || confirm->side != check->side)
        return CONFIRM_OTHER;
    if (check->side == SIDE_BUY ? check->price > confirm->price : check->price < confirm->price)
        return CONFIRM_WORSE;
    return (check->flags & ORDER_CONFIRMS & ~confirm->grants) != 0 ? CONFIRM_LACKS : 0;
}

bool order_controls_confirm(const struct order_check *check, struct refusal *refusal)
{
    ASSERT((check->member->flags & LIMIT_STRICT_CONFIRM) != 0);
    ASSERT((check->flags & ORDER_CONFIRMS) != 0);
    int64_t fault = confirm_fault(check, confirms_find(check->venue->confirms, check->confirm_ref));
    return fault == 0 || refuse(refusal, REJECT_CONFIRM_REF, 0, (int64_t)check->confirm_ref, fault);
}

// ---- who buys

// Sells are looked at like buys, and pass: nobody can guess the side.
bool order_controls_buyer(const struct order_check *check, struct refusal *refusal)
{
    const struct jurisdictions *list = check->jurisdictions;
    const struct account_rec *account = &check->account->terms;
    const bool buys = check->side == SIDE_BUY;
    bool listed = jurisdiction_is_listed(list, account->jurisdiction);
    bool barred = list->mode != JURISDICTIONS_ANY && listed != (list->mode == JURISDICTIONS_ONLY);
    if (barred & buys)
        return refuse(refusal, REJECT_JURISDICTION, 0, account->jurisdiction, list->mode);
    ASSERT(account->accreditation >= ACCREDITATION_RETAIL);
    uint8_t types = check->controls->investor_types;
    bool other = types != 0 && (types >> (account->accreditation - 1) & 1) == 0;
    if (other & buys)
        return refuse(refusal, REJECT_INVESTOR_TYPE, types, account->accreditation, 0);
    return true;
}

// ---- values and numbers of orders

static bool order_value_fits(const struct limits_rec *own, int64_t value, struct refusal *refusal)
{
    if (own->order_value_max == 0 || value <= own->order_value_max)
        return true;
    return refuse(refusal, REJECT_ORDER_VALUE_MAX, own->order_value_max, value, own->scope);
}

bool order_controls_order_value(const struct order_check *check, struct refusal *refusal)
{
    return order_value_fits(&check->account->own, check->notional, refusal) &&
           order_value_fits(&check->member->own, check->notional, refusal);
}

static bool daily_value_fits(const struct order_check *check, const struct limits_rec *own,
                             const struct traded *traded, money_sum open, struct refusal *refusal)
{
    if (own->daily_value_max == 0)
        return true;
    money_sum sum = open + traded_on(traded, check->venue->day);
    sum += check->notional - check->value_before;
    if (sum <= own->daily_value_max)
        return true;
    return refuse(refusal, REJECT_DAILY_VALUE_MAX, own->daily_value_max, told(sum), own->scope);
}

bool order_controls_daily_value(const struct order_check *check, struct refusal *refusal)
{
    const struct account *account = check->account;
    const struct member *member = check->member;
    return daily_value_fits(check, &account->own, &account->traded,
                            account->open[0] + account->open[1], refusal) &&
           daily_value_fits(check, &member->own, &member->traded, member->open_value, refusal);
}

static bool open_orders_fit(const struct limits_rec *own, uint32_t open, struct refusal *refusal)
{
    if (own->open_orders_max == 0 || open < own->open_orders_max)
        return true;
    return refuse(refusal, REJECT_OPEN_ORDERS_MAX, own->open_orders_max, open, own->scope);
}

static bool open_orders(const struct order_check *check, struct refusal *refusal)
{
    if (!order_needs_place(check->type, check->tif, check->state->phase))
        return true;
    return open_orders_fit(&check->account->own, check->account->open_orders, refusal) &&
           open_orders_fit(&check->member->own, check->member->open_orders, refusal);
}

// ---- investment and position

bool order_controls_bought(const struct order_check *check, int64_t limit, struct refusal *refusal)
{
    const struct account *account = check->account;
    ASSERT((account->terms.flags & ACCOUNT_NO_LIMITS) == 0);
    money_sum sum = party_bought(account, check->venue->period) + account->open[0];
    sum += check->notional - check->value_before;
    if ((sum > limit) & (check->side == SIDE_BUY))
        return refuse(refusal, REJECT_INVESTMENT_LIMIT, limit, told(sum), 1);
    return true;
}

// What the account would have if all its open buys of the token were filled, and this one.
static money_sum position_of(const struct order_check *check)
{
    const struct ledger *ledger = check->venue->ledger;
    money_sum more = check->quantity - check->quantity_before;
    if (check->token_balance == 0)
        return more;
    const struct balance *balance = ledger_at(ledger, check->token_balance);
    ASSERT(balance->account == check->account->terms.account);
    ASSERT(balance->asset == check->terms->token_asset);
    return more + (balance->available + balance->held) +
           ledger_incoming(ledger, check->token_balance);
}

bool order_controls_position(const struct order_check *check, struct refusal *refusal)
{
    const struct instrument_controls_rec *set = check->controls;
    money_sum position = position_of(check);
    const bool buys = check->side == SIDE_BUY;
    ASSERT(check->quantity > 0);
    bool above = set->position_max != 0 && position > set->position_max;
    if (above & buys)
        return refuse(refusal, REJECT_POSITION_MAX, set->position_max, told(position), 0);
    money_sum part = (money_sum)set->supply * set->concentration_bps;
    bool concentrated = set->concentration_bps != 0 && position * MONEY_BPS_ONE > part;
    if (concentrated & buys)
        return refuse(refusal, REJECT_CONCENTRATION, set->concentration_bps, told(position),
                      set->supply);
    return true;
}

// ---- duplicate, executions

static bool is_like_last(const struct order_check *check, const struct last_order *last)
{
    return last->order != 0 && last->price == check->price && last->quantity == check->quantity &&
           last->stop_price == check->stop_price && last->instrument == check->terms->instrument &&
           last->side == check->side && last->type == check->type && last->tif == check->tif;
}

static bool duplicate(const struct order_check *check, struct refusal *refusal)
{
    uint32_t within_ms = check->account->own.duplicate_ms;
    const struct last_order *last = &check->account->last;
    if (within_ms == 0 || !is_like_last(check, last))
        return true;
    ASSERT(check->time_ns > last->time_ns);
    uint64_t since_ns = check->time_ns - last->time_ns;
    if (since_ns >= within_ms * PARTY_MS_NS)
        return true;
    return refuse(refusal, REJECT_DUPLICATE_ORDER, within_ms, (int64_t)(since_ns / PARTY_MS_NS),
                  (int64_t)last->order);
}

bool order_controls_executions(const struct order_check *check, struct refusal *refusal)
{
    const struct limits_rec *own = &check->account->own;
    if (!check->account->tripped)
        return true;
    ASSERT(own->executions_max != 0);
    return refuse(refusal, REJECT_EXECUTIONS_MAX, own->executions_max, own->executions_ms, 0);
}

bool order_controls_numbers(const struct order_check *check, struct refusal *refusal)
{
    ASSERT(check->account->limited || check->member->limited);
    return open_orders(check, refusal) && duplicate(check, refusal) &&
           order_controls_executions(check, refusal);
}
