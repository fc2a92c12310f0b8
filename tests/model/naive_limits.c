// Limits of the naive venue (docs/risk.md, 3): what is open is counted by looking at all orders
// again, what was traded by adding up trades.
#include "tests/model/naive_parts.h"

static const uint64_t ms_ns = 1000000;
static const uint64_t day_ns = 86400000000000;
static const uint64_t period_ns = 2629746000000000; // a twelfth of a year

// NULL = there is no such member, account or session.
struct naive_standing *naive_standing(struct naive_venue *venue, uint8_t scope, uint32_t id)
{
    switch (scope) {
    case LIMIT_MEMBER:
        return id < NAIVE_MEMBERS && venue->members[id].member != 0 ? &venue->of_members[id] : NULL;
    case LIMIT_ACCOUNT:
        return id < NAIVE_ACCOUNTS && venue->accounts[id].account != 0 ? &venue->of_accounts[id]
                                                                       : NULL;
    case LIMIT_SESSION:
        return id < NAIVE_SESSIONS && venue->sessions[id].terms.session != 0
                   ? &venue->of_sessions[id]
                   : NULL;
    default:
        return NULL;
    }
}

static struct naive_standing *of_account(struct naive_venue *venue, uint32_t account)
{
    return &venue->of_accounts[account];
}

static struct naive_standing *of_member(struct naive_venue *venue, uint32_t account)
{
    return &venue->of_members[venue->accounts[account].member];
}

bool naive_limit_flag(const struct naive_venue *venue, uint32_t account, uint8_t flag)
{
    uint32_t member = venue->accounts[account].member;
    return (venue->of_members[member].limits.flags & flag) != 0;
}

// ---- limits_set

static bool limit_refused(struct naive_venue *venue, bool has_it, int64_t value, int64_t field)
{
    REFUSE_IF(value < 0 || (value != 0 && !has_it), LIMITS, 0, value, field)
    return false;
}

static bool window_refused(struct naive_venue *venue, uint32_t most, uint32_t window, int64_t field)
{
    REFUSE_IF((most == 0) != (window == 0), LIMITS, 0, window, field)
    return false;
}

static bool limits_refused(struct naive_venue *venue, const struct limits_rec *limits)
{
    bool member = limits->scope == LIMIT_MEMBER;
    bool account = limits->scope == LIMIT_ACCOUNT;
    const uint8_t flags = LIMIT_STRICT_CONFIRM | LIMIT_CUMULATIVE_INVESTMENT;
    if (limit_refused(venue, member || account, limits->order_value_max, 4) ||
        limit_refused(venue, member || account, limits->daily_value_max, 5) ||
        limit_refused(venue, member || account, limits->open_orders_max, 6) ||
        limit_refused(venue, !account, limits->messages_max, 7) ||
        limit_refused(venue, !account, limits->messages_ms, 8) ||
        window_refused(venue, limits->messages_max, limits->messages_ms, 8) ||
        limit_refused(venue, account, limits->duplicate_ms, 9) ||
        limit_refused(venue, account, limits->executions_max, 10) ||
        limit_refused(venue, account, limits->executions_ms, 11) ||
        window_refused(venue, limits->executions_max, limits->executions_ms, 11))
        return true;
    REFUSE_IF(limits->flags > (member ? flags : 0), LIMITS, 0, limits->flags, 12)
    return false;
}

static bool scope_refused(struct naive_venue *venue, uint8_t scope, uint32_t id)
{
    static const uint16_t unknown[] = {[LIMIT_MEMBER] = REJECT_UNKNOWN_MEMBER,
                                       [LIMIT_ACCOUNT] = REJECT_UNKNOWN_ACCOUNT,
                                       [LIMIT_SESSION] = REJECT_UNKNOWN_SESSION};
    REFUSE_IF(scope < LIMIT_MEMBER || scope > LIMIT_SESSION, MALFORMED, 0, scope, 1)
    if (naive_standing(venue, scope, id) != NULL)
        return false;
    naive_reject(venue, unknown[scope], 0, id, 0);
    return true;
}

void naive_limits_set(struct naive_venue *venue)
{
    struct limits_rec limits;
    memcpy(&limits, &venue->command->body, sizeof(limits));
    if (scope_refused(venue, limits.scope, limits.id) || limits_refused(venue, &limits))
        return;
    struct naive_standing *standing = naive_standing(venue, limits.scope, limits.id);
    if (naive_limits_raise(&standing->limits, &limits) && naive_approval_refused(venue))
        return;
    standing->limits = limits;
    standing->messages.count = 0;
    standing->executions.count = 0;
    standing->tripped = false;
    memcpy(&naive_emit(venue, EVT_limits_changed)->body, &limits, sizeof(limits));
}

// ---- windows: messages and executions

// How many there were in the window of now.
static uint32_t *count_in_window(struct naive_window *window, uint64_t now, uint32_t ms)
{
    uint64_t number = now / (ms * ms_ns);
    if (window->number != number)
        *window = (struct naive_window){.number = number};
    return &window->count;
}

static bool messages_refused(struct naive_venue *venue, struct naive_standing *standing,
                             uint8_t scope)
{
    uint32_t most = standing->limits.messages_max;
    uint32_t ms = standing->limits.messages_ms;
    if (most == 0)
        return false;
    uint32_t *count = count_in_window(&standing->messages, venue->now, ms);
    REFUSE_IF(*count >= most, THROTTLED, most, ms, scope)
    ++*count;
    return false;
}

bool naive_throttle_refused(struct naive_venue *venue)
{
    uint32_t session = venue->command->header.session;
    uint32_t member = venue->sessions[session].terms.member;
    if (venue->command->header.gateway == GATEWAY_CORE)
        return false;
    return messages_refused(venue, &venue->of_sessions[session], LIMIT_SESSION) ||
           messages_refused(venue, &venue->of_members[member], LIMIT_MEMBER);
}

static void count_execution(struct naive_venue *venue, struct naive_standing *standing)
{
    uint32_t most = standing->limits.executions_max;
    if (most == 0)
        return;
    uint32_t *count =
        count_in_window(&standing->executions, venue->now, standing->limits.executions_ms);
    ++*count;
    if (*count >= most)
        standing->tripped = true;
}

bool naive_executions_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct naive_standing *standing = of_account(venue, order->account);
    REFUSE_IF(standing->tripped, EXECUTIONS_MAX, standing->limits.executions_max,
              standing->limits.executions_ms, 0)
    return false;
}

// ---- what was traded

static int64_t at_most(wide sum)
{
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

static int64_t traded_today(const struct naive_venue *venue, const struct naive_standing *standing)
{
    return standing->day == venue->now / day_ns ? standing->traded : 0;
}

static void count_traded(const struct naive_venue *venue, struct naive_standing *standing,
                         int64_t value)
{
    standing->traded = at_most((wide)traded_today(venue, standing) + value);
    standing->day = venue->now / day_ns;
}

static void count_bought(struct naive_venue *venue, uint32_t account, int64_t value)
{
    uint64_t period = venue->now / period_ns;
    struct naive_bought *bought = &venue->bought[account][period % NAIVE_PERIODS];
    if ((venue->accounts[account].flags & ACCOUNT_NO_LIMITS) != 0)
        return;
    if (bought->period != period)
        *bought = (struct naive_bought){.period = period};
    bought->value = at_most((wide)bought->value + value);
}

// In this period and the twelve before.
static wide bought_lately(const struct naive_venue *venue, uint32_t account)
{
    uint64_t period = venue->now / period_ns;
    wide sum = 0;
    for (uint32_t i = 0; i < NAIVE_PERIODS; i++)
        if (venue->bought[account][i].period + NAIVE_PERIODS > period)
            sum += venue->bought[account][i].value;
    return sum;
}

void naive_count_trade(struct naive_venue *venue, const struct naive_order *buy,
                       const struct naive_order *sell, int64_t value)
{
    const uint32_t accounts[] = {buy->account, sell->account};
    for (int i = 0; i < 2; i++) {
        count_traded(venue, of_account(venue, accounts[i]), value);
        count_traded(venue, of_member(venue, accounts[i]), value);
        count_execution(venue, of_account(venue, accounts[i]));
    }
    count_bought(venue, buy->account, value);
}

// ---- what is open

static wide value_of(const struct naive_venue *venue, const struct naive_order *order)
{
    if (order == NULL)
        return 0;
    return naive_notional(&venue->instruments[order->instrument], order->price, order->leaves);
}

static bool is_of(const struct naive_venue *venue, const struct naive_order *order, uint8_t scope,
                  uint32_t id)
{
    return order->id != 0 &&
           (scope == LIMIT_ACCOUNT ? order->account == id
                                   : venue->accounts[order->account].member == id);
}

static wide open_value(const struct naive_venue *venue, uint8_t scope, uint32_t id, bool buys_only)
{
    wide sum = 0;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        if (is_of(venue, order, scope, id) && (!buys_only || order->side == SIDE_BUY))
            sum += value_of(venue, order);
    }
    return sum;
}

static uint32_t open_count(const struct naive_venue *venue, uint8_t scope, uint32_t id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < venue->order_top; i++)
        count += is_of(venue, &venue->orders[i], scope, id);
    return count;
}

// ---- the checks of an order: of its account, then of its member

static bool order_value_refused(struct naive_venue *venue, const struct naive_order *order,
                                const struct naive_standing *standing, uint8_t scope)
{
    int64_t most = standing->limits.order_value_max;
    wide value = value_of(venue, order);
    REFUSE_IF(most != 0 && value > most, ORDER_VALUE_MAX, most, (int64_t)value, scope)
    return false;
}

static bool daily_value_refused(struct naive_venue *venue, const struct naive_order *old,
                                const struct naive_order *order, uint8_t scope)
{
    uint32_t id = scope == LIMIT_ACCOUNT ? order->account : venue->accounts[order->account].member;
    const struct naive_standing *standing = naive_standing(venue, scope, id);
    int64_t most = standing->limits.daily_value_max;
    wide sum = traded_today(venue, standing) + open_value(venue, scope, id, false) +
               value_of(venue, order) - value_of(venue, old);
    REFUSE_IF(most != 0 && sum > most, DAILY_VALUE_MAX, most, at_most(sum), scope)
    return false;
}

static bool investment_refused(struct naive_venue *venue, const struct naive_order *old,
                               const struct naive_order *order)
{
    static const int64_t dollars[] = {0, 500, 5000, 50000};
    const struct account_rec *account = &venue->accounts[order->account];
    int64_t limit = dollars[account->accreditation] * 1000000;
    wide value = value_of(venue, order);
    if (order->side != SIDE_BUY || (account->flags & ACCOUNT_NO_LIMITS) != 0)
        return false;
    REFUSE_IF(value > limit, INVESTMENT_LIMIT, limit, (int64_t)value, 0)
    wide sum = bought_lately(venue, order->account) +
               open_value(venue, LIMIT_ACCOUNT, order->account, true) - value_of(venue, old) +
               value;
    REFUSE_IF(naive_limit_flag(venue, order->account, LIMIT_CUMULATIVE_INVESTMENT) && sum > limit,
              INVESTMENT_LIMIT, limit, at_most(sum), 1)
    return false;
}

bool naive_value_limits_refused(struct naive_venue *venue, const struct naive_order *old,
                                const struct naive_order *order)
{
    return order_value_refused(venue, order, of_account(venue, order->account), LIMIT_ACCOUNT) ||
           order_value_refused(venue, order, of_member(venue, order->account), LIMIT_MEMBER) ||
           investment_refused(venue, old, order) ||
           daily_value_refused(venue, old, order, LIMIT_ACCOUNT) ||
           daily_value_refused(venue, old, order, LIMIT_MEMBER);
}

static bool open_orders_refused(struct naive_venue *venue, const struct naive_order *order,
                                uint8_t scope)
{
    uint32_t id = scope == LIMIT_ACCOUNT ? order->account : venue->accounts[order->account].member;
    uint32_t most = naive_standing(venue, scope, id)->limits.open_orders_max;
    uint32_t count = open_count(venue, scope, id);
    REFUSE_IF(most != 0 && count >= most, OPEN_ORDERS_MAX, most, count, scope)
    return false;
}

// ---- duplicates

void naive_remember_accepted(struct naive_venue *venue, const struct naive_order *order)
{
    struct naive_standing *standing = of_account(venue, order->account);
    if (standing->limits.duplicate_ms != 0)
        standing->last = (struct naive_accepted){.id = order->id,
                                                 .time_ns = venue->now,
                                                 .price = order->price,
                                                 .quantity = order->quantity,
                                                 .stop_price = order->stop_price,
                                                 .instrument = order->instrument,
                                                 .side = order->side,
                                                 .type = order->type,
                                                 .tif = order->tif};
}

static bool duplicate_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct naive_standing *standing = of_account(venue, order->account);
    const struct naive_accepted *last = &standing->last;
    uint64_t since = venue->now - last->time_ns;
    bool same = last->id != 0 && last->instrument == order->instrument &&
                last->side == order->side && last->type == order->type && last->tif == order->tif &&
                last->price == order->price && last->quantity == order->quantity &&
                last->stop_price == order->stop_price;
    REFUSE_IF(same && since < standing->limits.duplicate_ms * ms_ns, DUPLICATE_ORDER,
              standing->limits.duplicate_ms, (int64_t)(since / ms_ns), (int64_t)last->id)
    return false;
}

bool naive_flow_limits_refused(struct naive_venue *venue, const struct naive_order *order)
{
    if (naive_needs_place(venue, order) && (open_orders_refused(venue, order, LIMIT_ACCOUNT) ||
                                            open_orders_refused(venue, order, LIMIT_MEMBER)))
        return true;
    return duplicate_refused(venue, order) || naive_executions_refused(venue, order);
}
