// Gateways and sessions: who is there, how far each has been heard, and what happens when one
// leaves.
//
// Happy path: a gateway attaches with its incarnation and learns which of its commands were taken;
// its sessions open and close. A new incarnation, or the core's detach, closes every session of the
// old one; sessions with SESSION_CANCEL_ON_DISCONNECT lose their orders, by ascending session and
// order id. What does not fit into one command's events goes on in the next (engine->pending).
//
// A session need not be open to trade: open is the record of presence that a disconnect acts on.
#include "matcher/engine_state.h"

// ---- admission

// Commands of a gateway count only while its incarnation is attached: what a dead process left in
// its ring is refused. Notes how far the gateway and the session have been heard.
bool engine_gateway_admit(struct turn *turn, struct refusal *refusal)
{
    const struct command_header *header = &turn->command->header;
    ASSERT(header->gateway < GATEWAY_COUNT);
    struct session *session = engine_session(turn->engine, header->session);
    turn->session = session;
    // Followers count a session's messages by the events' headers: what a gateway says of a session
    // that is not its own must not be counted.
    if (session != NULL && session->terms.gateway == header->gateway)
        turn->session_seq = header->session_seq;
    if (header->gateway == GATEWAY_CORE || header->type == CMD_gateway_attach)
        return true;
    struct gateway *gateway = &turn->engine->gateways[header->gateway];
    if (!gateway->attached || gateway->incarnation != header->incarnation)
        return refuse(refusal, REJECT_NOT_ATTACHED, gateway->incarnation, header->incarnation, 0);
    gateway->last_gateway_seq = header->gateway_seq;
    if (turn->session_seq != 0 && header->type != CMD_session_open)
        session->last_session_seq = header->session_seq;
    return true;
}

static bool session_admit(const struct turn *turn, const struct session *session, uint32_t id,
                          struct refusal *refusal)
{
    uint8_t gateway = turn->command->header.gateway;
    ASSERT(gateway < GATEWAY_COUNT);
    if (session == NULL)
        return refuse(refusal, REJECT_UNKNOWN_SESSION, 0, id, 0);
    if (gateway == GATEWAY_CORE) // the engine's own continuation
        return true;
    if (session->terms.gateway != gateway)
        return refuse(refusal, REJECT_SESSION_WRONG_GATEWAY, session->terms.gateway, id, gateway);
    return true;
}

bool engine_session_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct session *session = turn->session;
    uint32_t id = turn->command->header.session;
    if (session != NULL && (session->terms.flags & SESSION_DISABLED) != 0)
        return refuse(refusal, REJECT_UNKNOWN_SESSION, 0, id, 0);
    return session_admit(turn, session, id, refusal);
}

// Of an entry of a session's list.
static uint32_t entry_account(uint32_t entry)
{
    return entry & ACCOUNT_MASK;
}

static uint8_t entry_rights(uint32_t entry)
{
    ASSERT(entry >> SESSION_ACCOUNT_RIGHTS_SHIFT != 0);
    return (uint8_t)(entry >> SESSION_ACCOUNT_RIGHTS_SHIFT);
}

// What it may do for this account; 0: it is not one of the session's.
static inline uint8_t session_rights(const struct engine *engine, const struct session *session,
                                     uint32_t account)
{
    const uint32_t *accounts = &engine->session_accounts[session->accounts_first];
    uint32_t from_first = account - entry_account(accounts[0]);
    if (from_first < session->terms.account_count && entry_account(accounts[from_first]) == account)
        return entry_rights(accounts[from_first]); // they are often consecutive
    uint32_t base =
        0; // the last one that is not above `account`, if there is one; found without branches
    uint32_t count = session->terms.account_count;
    ASSERT(session->accounts_first + count <= engine->session_accounts_used);
    while (count > 1) {
        uint32_t half = count / 2;
        base += entry_account(accounts[base + half]) <= account ? half : 0;
        count -= half;
    }
    ASSERT(base == 0 || base < session->terms.account_count);
    return count == 1 && entry_account(accounts[base]) == account ? entry_rights(accounts[base])
                                                                  : 0;
}

bool engine_right_admit(const struct turn *turn, uint32_t account, uint8_t right,
                        struct refusal *refusal)
{
    uint8_t rights = session_rights(turn->engine, turn->session, account);
    if (__builtin_expect((rights & right) != 0, 1))
        return true;
    if (rights == 0)
        return refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, 0, account, 0);
    return refuse(refusal, REJECT_ACCOUNT_RIGHT, right, account, rights);
}

// ---- leaving

// Closes one session; false if the command's events are used up (then some orders may be gone
// already).
static bool session_leave(struct turn *turn, struct session *session, uint8_t reason)
{
    struct engine *engine = turn->engine;
    ASSERT(session->terms.session != 0);
    if ((session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0)
        while (session->orders.first != 0) {
            if (turn_room(turn) < 2)
                return false;
            engine_cancel(turn, session->orders.first, reason);
        }
    if (turn_room(turn) < 1)
        return false;
    struct session_closed_evt *out = &turn_emit(turn, EVT_session_closed)->body.session_closed;
    out->closed_session = session->terms.session;
    out->reason = reason;
    session->open = false;
    ASSERT(engine->pending.command == 0);
    return true;
}

static bool session_is_present(const struct session *session, uint8_t gateway)
{
    if (session->terms.session == 0 || session->terms.gateway != gateway)
        return false;
    bool cancels = (session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0;
    return session->open || (cancels && session->orders.first != 0);
}

// Closes all sessions of a gateway; what does not fit becomes a detach of the old incarnation to go
// on with.
static void gateway_leave(struct turn *turn, uint8_t gateway, uint32_t incarnation)
{
    struct engine *engine = turn->engine;
    ASSERT(gateway < GATEWAY_COUNT);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++) {
        struct session *session = &engine->sessions[id];
        if (!session_is_present(session, gateway))
            continue;
        if (session_leave(turn, session, CANCEL_DISCONNECT))
            continue;
        engine->pending = (struct pending_rec){.command = CMD_gateway_detach,
                                               .reason = CANCEL_DISCONNECT,
                                               .gateway_id = gateway,
                                               .incarnation = incarnation};
        return;
    }
}

// ---- commands

// The same incarnation may attach again (the core was away): nothing is closed, it learns where it
// stands.
void engine_gateway_attach(struct turn *turn)
{
    const struct command_header *header = &turn->command->header;
    struct gateway *gateway = &turn->engine->gateways[header->gateway];
    struct gateway_attached_evt *out =
        &turn_emit(turn, EVT_gateway_attached)->body.gateway_attached;
    ASSERT(header->gateway != GATEWAY_CORE);
    out->gateway_id = header->gateway;
    out->incarnation = header->incarnation;
    out->last_gateway_seq = gateway->last_gateway_seq;
    struct gateway before = *gateway;
    *gateway = (struct gateway){.attached = true,
                                .incarnation = header->incarnation,
                                .last_gateway_seq = header->gateway_seq};
    if (before.incarnation != header->incarnation)
        gateway_leave(turn, header->gateway, before.incarnation);
}

// Of an incarnation that is not the gateway's (any more) it changes nothing, unless it goes on with
// what the attach of the next one began: then no session can be open but the old one's.
void engine_gateway_detach(struct turn *turn)
{
    const struct gateway_detach_cmd *body = &turn->command->body.gateway_detach;
    struct refusal refusal;
    ASSERT(turn->command->header.gateway == GATEWAY_CORE);
    if (body->gateway_id == GATEWAY_CORE || body->gateway_id >= GATEWAY_COUNT) {
        (void)refuse(&refusal, REJECT_MALFORMED, GATEWAY_COUNT - 1, body->gateway_id, 1);
        turn_reject(turn, &refusal);
        return;
    }
    struct gateway *gateway = &turn->engine->gateways[body->gateway_id];
    struct gateway_detached_evt *out =
        &turn_emit(turn, EVT_gateway_detached)->body.gateway_detached;
    out->gateway_id = body->gateway_id;
    out->incarnation = body->old_incarnation;
    bool current = gateway->incarnation == body->old_incarnation;
    if (current)
        gateway->attached = false;
    if (current || turn->resumes)
        gateway_leave(turn, (uint8_t)body->gateway_id, body->old_incarnation);
}

void engine_session_open(struct turn *turn)
{
    const struct command_header *header = &turn->command->header;
    uint32_t id = turn->command->body.session_open.opened_session;
    struct session *session = engine_session(turn->engine, id);
    struct refusal refusal;
    bool refused = !session_admit(turn, session, id, &refusal);
    if (!refused && (session->terms.flags & SESSION_DISABLED) != 0)
        refused = !refuse(&refusal, REJECT_UNKNOWN_SESSION, 0, id, 0);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    struct session_opened_evt *out = &turn_emit(turn, EVT_session_opened)->body.session_opened;
    out->opened_session = id;
    out->last_session_seq = session->last_session_seq; // as it was before this command
    session->open = true;
    if (header->session == id && header->session_seq != 0)
        session->last_session_seq = header->session_seq;
    ASSERT(session->terms.gateway == header->gateway);
}

void engine_session_close(struct turn *turn)
{
    const struct session_close_cmd *body = &turn->command->body.session_close;
    struct session *session = engine_session(turn->engine, body->closed_session);
    struct refusal refusal;
    if (!session_admit(turn, session, body->closed_session, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    ASSERT(session != NULL);
    // A gateway may say that the owner wanted it; whatever else it says, its session is gone. The
    // core only goes on with what was admitted.
    uint8_t reason = CANCEL_DISCONNECT;
    if (body->reason == CANCEL_BY_OWNER || turn->command->header.gateway == GATEWAY_CORE)
        reason = (uint8_t)body->reason;
    if (!session_leave(turn, session, reason))
        turn->engine->pending = (struct pending_rec){
            .command = CMD_session_close, .reason = reason, .session = session->terms.session};
}
