// Mass cancel and mass status of the naive venue, and the orders of accounts that may not trade any
// more.
#include "tests/model/naive_parts.h"

static bool session_in_scope(const struct naive_venue *venue, uint32_t session,
                             const struct command *asked)
{
    const struct order_mass_cancel_cmd *body = &asked->body.order_mass_cancel;
    uint32_t member = venue->sessions[session].terms.member;
    switch (body->scope) {
    case SCOPE_SESSION:
        return session == asked->header.session;
    case SCOPE_MEMBER:
        return member == venue->sessions[asked->header.session].terms.member;
    default:
        return body->member == 0 || body->member == member;
    }
}

struct naive_order *naive_next_in_scope(struct naive_venue *venue, const struct command *asked)
{
    const struct order_mass_cancel_cmd *body = &asked->body.order_mass_cancel;
    struct naive_order *next = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->id == 0 || !session_in_scope(venue, order->session, asked) ||
            (body->account != 0 && body->account != order->account) ||
            (body->instrument != 0 && body->instrument != order->instrument) ||
            (body->side != 0 && body->side != order->side))
            continue;
        if (next == NULL || order->session < next->session ||
            (order->session == next->session && order->id < next->id))
            next = order;
    }
    return next;
}

static bool scope_account_refused(struct naive_venue *venue,
                                  const struct order_mass_cancel_cmd *body)
{
    uint32_t id = body->account;
    bool known = id < NAIVE_ACCOUNTS && venue->accounts[id].account != 0;
    if (id == 0)
        return false;
    if (body->scope == SCOPE_SESSION)
        return naive_account_refused(venue, id, RIGHT_CANCEL);
    if (body->scope == SCOPE_MEMBER) {
        uint32_t member = venue->sessions[venue->command->header.session].terms.member;
        REFUSE_IF(!known || venue->accounts[id].member != member, ACCOUNT_NOT_OF_SESSION, 0, id, 0)
        return false;
    }
    REFUSE_IF(!known, UNKNOWN_ACCOUNT, 0, id, 0)
    return false;
}

static bool mass_refused(struct naive_venue *venue, const struct order_mass_cancel_cmd *body)
{
    bool operator= venue->command->header.gateway == GATEWAY_ADMIN;
    if (!operator&& naive_session_refused(venue))
        return true;
    const struct session_rec *session = &venue->sessions[venue->command->header.session].terms;
    bool allowed = operator? body->scope == SCOPE_VENUE
                           : body->scope ==
                             SCOPE_SESSION ||(body->scope == SCOPE_MEMBER &&
                                              (session->flags & SESSION_MEMBER_SCOPE) != 0);
    REFUSE_IF(!allowed || (!operator&& body->member != 0), MASS_SCOPE, 0, body->scope, 0)
    REFUSE_IF(body->side > SIDE_SELL, SIDE, 0, body->side, 0)
    if (scope_account_refused(venue, body))
        return true;
    REFUSE_IF(body->member >= NAIVE_MEMBERS ||
                  (body->member != 0 && venue->members[body->member].member == 0),
              UNKNOWN_MEMBER, 0, body->member, 0)
    return body->instrument != 0 && naive_instrument_refused(venue, body->instrument);
}

static uint8_t mass_reason(const struct command *asked, enum naive_work work)
{
    if (work == NAIVE_KILL)
        return CANCEL_KILLED;
    return asked->body.order_mass_cancel.scope == SCOPE_VENUE ? CANCEL_BY_VENUE : CANCEL_MASS;
}

static void mass_cancel_go_on(struct naive_venue *venue, const struct command *asked,
                              enum naive_work work)
{
    struct naive_order *order = NULL;
    while ((order = naive_next_in_scope(venue, asked)) != NULL) {
        if (naive_room(venue) == 1) {
            venue->pending = (struct naive_pending){.work = work, .command = *asked};
            break;
        }
        naive_cancel(venue, order, mass_reason(asked, work));
    }
    naive_done(venue, 0, venue->event_count);
}

// ---- accounts that may not trade

bool naive_any_barred(const struct naive_venue *venue)
{
    for (uint32_t i = 0; i < venue->order_top; i++)
        if (venue->orders[i].id != 0 && naive_barred(venue, venue->orders[i].account))
            return true;
    return false;
}

static struct naive_order *next_barred(struct naive_venue *venue)
{
    struct naive_order *next = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->id == 0 || !naive_barred(venue, order->account))
            continue;
        if (next == NULL || order->session < next->session ||
            (order->session == next->session && order->id < next->id))
            next = order;
    }
    return next;
}

// What the core does by itself: the orders of all accounts that may not trade any more.
void naive_cancel_barred(struct naive_venue *venue)
{
    struct naive_order *order = NULL;
    while (naive_room(venue) > 1 && (order = next_barred(venue)) != NULL)
        naive_cancel(venue, order, CANCEL_SUSPENDED);
    if (naive_any_barred(venue))
        venue->pending.work = NAIVE_BARRED;
    naive_done(venue, 0, venue->event_count);
}

void naive_mass_cancel(struct naive_venue *venue)
{
    struct naive_pending pending = venue->pending;
    venue->pending = (struct naive_pending){0};
    if (pending.work == NAIVE_BARRED)
        naive_cancel_barred(venue);
    else if (pending.work == NAIVE_MASS || pending.work == NAIVE_KILL)
        mass_cancel_go_on(venue, &pending.command, pending.work);
    else if (!mass_refused(venue, &venue->command->body.order_mass_cancel))
        mass_cancel_go_on(venue, venue->command, NAIVE_MASS);
}

// ---- status

static void tell_status(struct naive_venue *venue, const struct naive_order *order)
{
    struct order_status_evt *out = &naive_emit(venue, EVT_order_status)->body.order_status;
    *out = (struct order_status_evt){.order = order->id,
                                     .account = order->account,
                                     .instrument = order->instrument,
                                     .price = order->price,
                                     .quantity = order->quantity,
                                     .leaves = order->leaves,
                                     .filled_notional = order->filled_notional,
                                     .side = order->side,
                                     .type = order->type,
                                     .tif = order->tif,
                                     .state = order->state};
    memcpy(out->client_id, order->client_id, sizeof(out->client_id));
}

static struct naive_order *next_told(struct naive_venue *venue, const struct command *asked,
                                     uint64_t behind)
{
    const struct order_status_cmd *body = &asked->body.order_status;
    struct naive_order *next = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->id > behind && order->session == asked->header.session &&
            (body->account == 0 || body->account == order->account) &&
            (body->instrument == 0 || body->instrument == order->instrument) &&
            (body->side == 0 || body->side == order->side) &&
            (next == NULL || order->id < next->id))
            next = order;
    }
    return next;
}

static void status_go_on(struct naive_venue *venue, const struct command *asked, uint64_t behind)
{
    const struct naive_order *order = NULL;
    while ((order = next_told(venue, asked, behind)) != NULL) {
        if (naive_room(venue) == 1) {
            venue->pending =
                (struct naive_pending){.work = NAIVE_STATUS, .command = *asked, .order = behind};
            break;
        }
        tell_status(venue, order);
        behind = order->id;
    }
    naive_done(venue, 0, venue->event_count);
}

static bool status_refused(struct naive_venue *venue, const struct order_status_cmd *body)
{
    if (naive_session_refused(venue) || naive_throttle_refused(venue) ||
        (body->account != 0 && naive_account_refused(venue, body->account, RIGHT_SEE)))
        return true;
    REFUSE_IF(body->side > SIDE_SELL, SIDE, 0, body->side, 0)
    return body->instrument != 0 && naive_instrument_refused(venue, body->instrument);
}

void naive_order_status(struct naive_venue *venue)
{
    const struct order_status_cmd *body = &venue->command->body.order_status;
    struct naive_pending pending = venue->pending;
    venue->pending = (struct naive_pending){0};
    if (pending.work == NAIVE_STATUS) {
        status_go_on(venue, &pending.command, pending.order);
    } else if (body->order != 0) {
        const struct naive_order *order =
            naive_named_order(venue, body->order, body->account, RIGHT_SEE);
        if (order != NULL)
            tell_status(venue, order);
    } else if (!status_refused(venue, body)) {
        status_go_on(venue, venue->command, 0);
    }
}
