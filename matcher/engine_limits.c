// Limits of members, accounts and sessions: setting them, the throttle of messages, and what later
// orders are compared with: the last order of an account, refusals that may be confirmed.
#include "matcher/engine_taker.h"
#include "risk/limits_raise.h"

#define FIELD_LIMITS(type, name, doc) LIMITS_FIELD_##name,
enum limits_field { LIMITS_FIELD_none, LIMITS_BODY(FIELD_LIMITS) };

// ---- setting them

#define SCOPE(scope) (1u << (scope))

// Which scopes have a limit.
enum {
    OF_ORDERS = SCOPE(LIMIT_MEMBER) | SCOPE(LIMIT_ACCOUNT),
    OF_MESSAGES = SCOPE(LIMIT_MEMBER) | SCOPE(LIMIT_SESSION),
    OF_ACCOUNTS = SCOPE(LIMIT_ACCOUNT),
    OF_MEMBERS = SCOPE(LIMIT_MEMBER),
};

// Those that are set now, of a scope that exists.
static const struct limits_rec *limits_now(const struct engine *engine,
                                           const struct limits_rec *limits)
{
    switch (limits->scope) {
    case LIMIT_MEMBER:
        return &engine->members[limits->id].own;
    case LIMIT_ACCOUNT:
        return &engine->accounts[limits->id].own;
    default:
        ASSERT(limits->scope == LIMIT_SESSION);
        return &engine->sessions[limits->id].own;
    }
}

static bool scope_exists(const struct engine *engine, const struct limits_rec *limits,
                         struct refusal *refusal)
{
    uint32_t id = limits->id;
    switch (limits->scope) {
    case LIMIT_MEMBER:
        return engine_member(engine, id) != NULL ||
               refuse(refusal, REJECT_UNKNOWN_MEMBER, 0, id, 0);
    case LIMIT_ACCOUNT:
        return engine_account(engine, id) != NULL ||
               refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, id, 0);
    case LIMIT_SESSION:
        return engine_session(engine, id) != NULL ||
               refuse(refusal, REJECT_UNKNOWN_SESSION, 0, id, 0);
    default:
        return refuse(refusal, REJECT_MALFORMED, 0, limits->scope, LIMITS_FIELD_scope);
    }
}

struct limit {
    int64_t value;
    int field;
    uint32_t scopes; // that have it
    int window_of;   // its maximum, if it is a window: the limit before it
};

static bool limit_valid(const struct limit *limits, uint32_t i, uint8_t scope,
                        struct refusal *refusal)
{
    const struct limit *limit = &limits[i];
    bool fits = limit->value == 0 || (limit->value > 0 && (limit->scopes & SCOPE(scope)) != 0);
    if (fits && limit->window_of != 0)
        fits = (limit->value != 0) == (limits[i - 1].value != 0);
    return fits || refuse(refusal, REJECT_LIMITS, 0, limit->value, limit->field);
}

bool engine_limits_valid(const struct limits_rec *limits, struct refusal *refusal)
{
    const uint8_t flags_all = LIMIT_STRICT_CONFIRM | LIMIT_CUMULATIVE_INVESTMENT;
    ASSERT(limits->scope >= LIMIT_MEMBER && limits->scope <= LIMIT_SESSION);
#define LIMIT(name, scopes)                                                                        \
    {                                                                                              \
        limits->name, LIMITS_FIELD_##name, scopes, 0                                               \
    }
#define WINDOW(name, scopes)                                                                       \
    {                                                                                              \
        limits->name, LIMITS_FIELD_##name, scopes, 1                                               \
    }
    const struct limit all[] = {LIMIT(order_value_max, OF_ORDERS),
                                LIMIT(daily_value_max, OF_ORDERS),
                                LIMIT(open_orders_max, OF_ORDERS),
                                LIMIT(messages_max, OF_MESSAGES),
                                WINDOW(messages_ms, OF_MESSAGES),
                                LIMIT(duplicate_ms, OF_ACCOUNTS),
                                LIMIT(executions_max, OF_ACCOUNTS),
                                WINDOW(executions_ms, OF_ACCOUNTS),
                                LIMIT(flags, OF_MEMBERS)};
#undef LIMIT
#undef WINDOW
    for (uint32_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!limit_valid(all, i, limits->scope, refusal))
            return false;
    return limits->flags <= flags_all ||
           refuse(refusal, REJECT_LIMITS, 0, limits->flags, LIMITS_FIELD_flags);
}

void engine_limits_apply(struct engine *engine, const struct limits_rec *limits)
{
    if (limits->scope == LIMIT_ACCOUNT) {
        party_limit_account(&engine->accounts[limits->id], limits);
    } else if (limits->scope == LIMIT_MEMBER) {
        party_limit_member(&engine->members[limits->id], limits);
    } else {
        struct session *session = engine_session(engine, limits->id);
        ASSERT(limits->scope == LIMIT_SESSION && session != NULL);
        session->own = *limits;
        session->throttled = limits->messages_max != 0;
    }
}

// What was counted in windows counts no more, and a trip is taken back.
static void counts_begin(struct engine *engine, const struct limits_rec *limits)
{
    const struct window none = {0};
    if (limits->scope == LIMIT_ACCOUNT) {
        engine->accounts[limits->id].executions = none;
        engine->accounts[limits->id].tripped = false;
    } else if (limits->scope == LIMIT_MEMBER) {
        engine->members[limits->id].messages = none;
    } else {
        ASSERT(limits->scope == LIMIT_SESSION);
        engine->sessions[limits->id].messages = none;
    }
}

static bool limits_admit(const struct turn *turn, const struct limits_rec *limits,
                         struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    if (!scope_exists(engine, limits, refusal) || !engine_limits_valid(limits, refusal))
        return false;
    return !limits_raise(limits_now(engine, limits), limits) ||
           engine_approval_admit(turn, refusal);
}

void engine_limits_set(struct turn *turn)
{
    struct limits_rec limits;
    struct refusal refusal;
    memcpy(&limits, &turn->command->body.limits_set, sizeof(limits));
    if (!limits_admit(turn, &limits, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    engine_limits_apply(turn->engine, &limits);
    counts_begin(turn->engine, &limits);
    memcpy(&turn_emit(turn, EVT_limits_changed)->body, &limits, sizeof(limits));
}

// ---- throttle

static bool throttle_one(struct window *messages, const struct limits_rec *own, uint64_t time_ns,
                         struct refusal *refusal)
{
    if (own->messages_max == 0)
        return true;
    if (window_turn(messages, time_ns, own->messages_ms) >= own->messages_max)
        return refuse(refusal, REJECT_THROTTLED, own->messages_max, own->messages_ms, own->scope);
    messages->count++;
    return true;
}

bool engine_throttle_count(const struct turn *turn, struct refusal *refusal)
{
    struct session *session = turn->session;
    struct member *member = &turn->engine->members[session->terms.member];
    uint64_t time_ns = turn->command->header.time_ns;
    ASSERT(turn->command->header.gateway != GATEWAY_CORE); // its commands do not count
    return throttle_one(&session->messages, &session->own, time_ns, refusal) &&
           throttle_one(&member->messages, &member->own, time_ns, refusal);
}

// ---- what later orders are compared with

void engine_duplicate_remember(struct engine *engine, const struct taker *taker)
{
    const struct order *order = &taker->own;
    struct account *account = &engine->accounts[order->account];
    ASSERT(taker->place == 0 && order->id == engine->sequence);
    if (account->own.duplicate_ms == 0)
        return;
    account->last = (struct last_order){
        .order = order->id,
        .time_ns = engine->time_ns,
        .price = order->price,
        .quantity = taker->quantity,
        .stop_price = order_type_stops(taker->type) ? taker->terms.stop_price : 0,
        .instrument = order->instrument,
        .side = order->side,
        .type = taker->type,
        .tif = taker->tif};
}

// The confirm flag that a refused order lacked; 0: it cannot be confirmed.
static uint8_t confirm_lacking(const struct refusal *refusal)
{
    if (refusal->code == REJECT_FAT_FINGER_CONFIRM)
        return ORDER_CONFIRM_FAT_FINGER;
    bool nav = refusal->code == REJECT_NAV_CONFIRM ||
               (refusal->code == REJECT_NAV_STALE && refusal->argument == NAV_STALE_CONFIRM);
    return nav ? ORDER_CONFIRM_NAV : 0;
}

void engine_confirm_remember(struct engine *engine, const struct order_check *check,
                             const struct refusal *refusal)
{
    uint8_t lacking = confirm_lacking(refusal);
    ASSERT(refusal->code != REJECT_NONE);
    if (lacking == 0 || (check->member->flags & LIMIT_STRICT_CONFIRM) == 0)
        return;
    const struct confirm_rec confirm = {.reject = engine->sequence,
                                        .time_ns = engine->time_ns,
                                        .price = check->price,
                                        .account = check->account->terms.account,
                                        .instrument = check->terms->instrument,
                                        .side = check->side,
                                        .grants = (check->flags & ORDER_CONFIRMS) | lacking};
    confirms_add(engine->confirms, &confirm);
}
