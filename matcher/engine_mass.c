// Commands about many orders: mass cancel by session, member, account, instrument and side; the
// status of an order or of all; orders of those who may not trade any more.
//
// Orders are gone through session by session, ascending, and in each by ascending id. What does not
// fit into one command's events goes on in the next (engine->pending).
#include <string.h>

#include "matcher/engine_taker.h"

// ---- mass cancel

// Whose scope it is.
static bool mass_scope_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    const struct session *session = engine_session(turn->engine, turn->command->header.session);
    bool by_operator = turn->command->header.gateway == GATEWAY_ADMIN;
    bool may = body->scope == SCOPE_VENUE;
    if (!by_operator) {
        ASSERT(session != NULL);
        bool member = (session->terms.flags & SESSION_MEMBER_SCOPE) != 0;
        may = body->member == 0 &&
              (body->scope == SCOPE_SESSION || (body->scope == SCOPE_MEMBER && member));
    }
    return may || refuse(refusal, REJECT_MASS_SCOPE, 0, body->scope, 0);
}

static bool mass_account_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    const struct engine *engine = turn->engine;
    const struct account_rec *account = engine_account(engine, body->account);
    if (body->account == 0)
        return true;
    if (body->scope == SCOPE_VENUE)
        return account != NULL || refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->account, 0);
    const struct session *session = engine_session(engine, turn->command->header.session);
    if (body->scope == SCOPE_SESSION)
        return engine_right_admit(turn, body->account, RIGHT_CANCEL, refusal);
    return (account != NULL && account->member == session->terms.member) ||
           refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, 0, body->account, 0);
}

static bool mass_cancel_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    const struct engine *engine = turn->engine;
    if (turn->command->header.gateway != GATEWAY_ADMIN && !engine_session_admit(turn, refusal))
        return false;
    if (!mass_scope_admit(turn, refusal))
        return false;
    if (body->side > SIDE_SELL)
        return refuse(refusal, REJECT_SIDE, 0, body->side, 0);
    if (!mass_account_admit(turn, refusal))
        return false;
    if (body->member != 0 && engine_member(engine, body->member) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_MEMBER, 0, body->member, 0);
    if (body->instrument != 0 && engine_instrument(engine, body->instrument) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    return true;
}

// Which orders are meant; 0 = all.
struct wanted {
    uint32_t account;
    uint32_t instrument;
    uint8_t side;
    uint8_t reason;
    bool barred; // of accounts that may not trade
};

static bool account_is_barred(const struct engine *engine, const struct account_rec *account)
{
    struct refusal refusal;
    ASSERT(engine_member(engine, account->member) != NULL);
    return !order_check_person(account, engine->members[account->member].terms.suspended != 0,
                               &refusal);
}

static bool is_wanted(const struct engine *engine, const struct wanted *wanted,
                      const struct order *order)
{
    return (wanted->account == 0 || order->account == wanted->account) &&
           (wanted->instrument == 0 || order->instrument == wanted->instrument) &&
           (wanted->side == 0 || order->side == wanted->side) &&
           (!wanted->barred || account_is_barred(engine, &engine->accounts[order->account].terms));
}

// False if the command's events are used up, but for one.
static bool cancel_of_session(struct turn *turn, const struct session *session,
                              const struct wanted *wanted)
{
    const struct engine *engine = turn->engine;
    for (uint32_t place = session->orders.first; place != 0;) {
        const struct order *order = order_at(&engine->pool, place);
        uint32_t after = order->after;
        if (is_wanted(engine, wanted, order)) {
            if (turn_room(turn) == 1)
                return false;
            engine_cancel(turn, place, wanted->reason);
        }
        place = after;
    }
    return true;
}

// Every session of a member; 0 = of the venue.
static bool cancel_of_member(struct turn *turn, uint32_t member, const struct wanted *wanted)
{
    const struct engine *engine = turn->engine;
    bool all = true;
    for (uint32_t id = 1; id <= engine->limits.sessions_max && all; id++) {
        const struct session *session = &engine->sessions[id];
        if (session->orders.first != 0 && (member == 0 || session->terms.member == member))
            all = cancel_of_session(turn, session, wanted);
    }
    return all;
}

// Of an account only its member's sessions have orders: the others need not be gone through.
static uint32_t mass_member(const struct engine *engine, const struct order_mass_cancel_cmd *body)
{
    if (body->member != 0 || body->account == 0)
        return body->member;
    ASSERT(engine_account(engine, body->account) != NULL);
    return engine->accounts[body->account].terms.member;
}

static void mass_cancel_run(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    const struct session *session = engine_session(engine, turn->command->header.session);
    const struct wanted wanted = {.account = body->account,
                                  .instrument = body->instrument,
                                  .side = body->side,
                                  .reason = turn->resumes                ? engine->resumed.reason
                                            : body->scope == SCOPE_VENUE ? CANCEL_BY_VENUE
                                                                         : CANCEL_MASS};
    ASSERT(session != NULL || body->scope == SCOPE_VENUE);
    bool all = body->scope == SCOPE_SESSION ? cancel_of_session(turn, session, &wanted)
               : body->scope == SCOPE_MEMBER
                   ? cancel_of_member(turn, session->terms.member, &wanted)
                   : cancel_of_member(turn, mass_member(engine, body), &wanted);
    if (!all)
        engine->pending =
            (struct pending_rec){.command = CMD_order_mass_cancel,
                                 .reason = wanted.reason,
                                 .scope = body->scope,
                                 .session = body->scope == SCOPE_VENUE ? 0 : session->terms.session,
                                 .account = body->account,
                                 .instrument = body->instrument,
                                 .member = body->member,
                                 .side = body->side};
    turn_done(turn, false, turn->sink->count);
}

// ---- orders of those who may not trade any more

void engine_cancel_barred(struct engine *engine, uint32_t first, uint32_t last)
{
    ASSERT(engine->pending.command == 0);
    ASSERT(first > 0 && last <= engine->limits.accounts_max);
    for (uint32_t id = first; id <= last; id++) {
        const struct account_rec *owner = engine_account(engine, id);
        if (owner == NULL || engine->accounts[id].open_orders == 0 ||
            !account_is_barred(engine, owner))
            continue;
        engine->pending = (struct pending_rec){
            .command = CMD_order_mass_cancel, .reason = CANCEL_SUSPENDED, .account = id};
        return;
    }
}

// ---- orders of those who were killed

static bool member_has_orders(const struct engine *engine, uint32_t member)
{
    uint32_t id = 1;
    while (id <= engine->limits.sessions_max &&
           (engine->sessions[id].orders.first == 0 || engine->sessions[id].terms.member != member))
        id++;
    return id <= engine->limits.sessions_max;
}

void engine_cancel_killed(struct engine *engine, uint8_t scope, uint32_t id)
{
    struct pending_rec pending = {
        .command = CMD_order_mass_cancel, .reason = CANCEL_KILLED, .scope = SCOPE_VENUE};
    bool any = engine->pool.orders_open != 0;
    ASSERT(engine->pending.command == 0);
    if (scope == KILL_ACCOUNT) {
        pending.account = id;
        any = engine->accounts[id].open_orders != 0;
    } else if (scope == KILL_MEMBER) {
        pending.member = id;
        any = member_has_orders(engine, id);
    } else if (scope == KILL_SESSION) {
        pending.scope = SCOPE_SESSION;
        pending.session = id;
        any = engine->sessions[id].orders.first != 0;
    }
    if (any)
        engine->pending = pending;
}

// The core's own: every order of the member's accounts that may not trade. In one walk for all of
// them: a member may have many. An account and the sessions that traded for it belong to one member
// for good.
static void mass_cancel_barred(struct turn *turn)
{
    struct engine *engine = turn->engine;
    uint32_t id = turn->command->body.order_mass_cancel.account;
    const struct account_rec *account = engine_account(engine, id);
    const struct wanted wanted = {.reason = CANCEL_SUSPENDED, .barred = true};
    ASSERT(account != NULL && turn->resumes);
    bool all = cancel_of_member(turn, account->member, &wanted);
    engine_cancel_barred(engine, id, engine->limits.accounts_max);
    ASSERT(all == (engine->pending.command == 0));
    turn_done(turn, false, turn->sink->count);
}

void engine_order_mass_cancel(struct turn *turn)
{
    const struct command *command = turn->command;
    struct refusal refusal;
    if (turn->resumes && command->header.session == 0 &&
        command->body.order_mass_cancel.scope == SCOPE_SESSION)
        mass_cancel_barred(turn);
    else if (turn->resumes || mass_cancel_admit(turn, &refusal))
        mass_cancel_run(turn);
    else
        turn_reject(turn, &refusal);
}

// ---- status

static void emit_status(struct turn *turn, uint32_t place)
{
    const struct order_pool *pool = &turn->engine->pool;
    const struct order *order = order_at(pool, place);
    const struct order_cold *cold = &pool->cold[place];
    struct order_status_evt *out = &turn_emit(turn, EVT_order_status)->body.order_status;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->price = order->price;
    out->quantity = cold->quantity;
    out->leaves = order_open(pool, place);
    out->filled_notional = cold->filled_notional;
    out->side = order->side;
    out->type = cold->type;
    out->tif = cold->tif;
    out->state = order_state(order);
    memcpy(out->client_id, cold->client_id, sizeof out->client_id);
}

static bool status_all_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct order_status_cmd *body = &turn->command->body.order_status;
    const struct engine *engine = turn->engine;
    if (!engine_session_admit(turn, refusal) || !engine_throttle(turn, refusal))
        return false;
    if (body->account != 0 && !engine_right_admit(turn, body->account, RIGHT_SEE, refusal))
        return false;
    if (body->side > SIDE_SELL)
        return refuse(refusal, REJECT_SIDE, 0, body->side, 0);
    if (body->instrument != 0 && engine_instrument(engine, body->instrument) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    return true;
}

// Where a continuation goes on: behind the last order told, which is still open.
static uint32_t status_first(const struct turn *turn, const struct session *session)
{
    const struct order_pool *pool = &turn->engine->pool;
    if (!turn->resumes)
        return session->orders.first;
    uint32_t told = order_pool_find(pool, turn->engine->resumed.order);
    return order_at(pool, told)->after;
}

static void status_all(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct order_status_cmd *body = &turn->command->body.order_status;
    const struct session *session = engine_session(engine, turn->command->header.session);
    const struct wanted wanted = {
        .account = body->account, .instrument = body->instrument, .side = body->side};
    uint64_t told = 0;
    ASSERT(session != NULL);
    uint32_t place = status_first(turn, session);
    for (; place != 0; place = order_at(&engine->pool, place)->after) {
        const struct order *order = order_at(&engine->pool, place);
        if (!is_wanted(engine, &wanted, order))
            continue;
        if (turn_room(turn) == 1) {
            engine->pending = (struct pending_rec){.command = CMD_order_status,
                                                   .session = session->terms.session,
                                                   .account = body->account,
                                                   .instrument = body->instrument,
                                                   .side = body->side,
                                                   .order = told};
            break;
        }
        emit_status(turn, place);
        told = order->id;
    }
    turn_done(turn, false, turn->sink->count);
}

void engine_order_status(struct turn *turn)
{
    const struct order_status_cmd *body = &turn->command->body.order_status;
    struct refusal refusal;
    uint32_t place = 0;
    if (body->order != 0) {
        if (engine_order_admit(turn, body->order, body->account, RIGHT_SEE, &place, &refusal))
            emit_status(turn, place);
        else
            turn_reject(turn, &refusal);
    } else if (turn->resumes || status_all_admit(turn, &refusal)) {
        status_all(turn);
    } else {
        turn_reject(turn, &refusal);
    }
}
