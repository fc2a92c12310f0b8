// The kill switch: an account, a member, a session or the whole venue stops trading with one
// command, and what it has open is cancelled by the very next ones (docs/risk.md 5).
//
// Nothing trades in between: only the core's own mass cancel comes next. Cancels are always taken.
#include "matcher/engine_state.h"

#define FIELD_KILL(type, name, doc) KILL_FIELD_##name,
enum kill_field { KILL_FIELD_none, KILL_BODY(FIELD_KILL) };

// Whose switch it is; NULL: there is nobody of that id.
static bool *kill_switch(struct engine *engine, uint8_t scope, uint32_t id)
{
    ASSERT(scope >= KILL_ACCOUNT && scope <= KILL_VENUE);
    switch (scope) {
    case KILL_ACCOUNT:
        return id > ACCOUNT_VENUE_MAX && engine_account(engine, id) != NULL
                   ? &engine->accounts[id].killed
                   : NULL;
    case KILL_MEMBER:
        return engine_member(engine, id) != NULL ? &engine->members[id].killed : NULL;
    case KILL_SESSION:
        return engine_session(engine, id) != NULL ? &engine->sessions[id].killed : NULL;
    default:
        return id == 0 ? &engine->killed : NULL;
    }
}

static void kill_turn(struct engine *engine, bool *killed, bool to)
{
    ASSERT(killed != NULL);
    engine->kills += (to ? 1u : 0u) - (*killed ? 1u : 0u);
    *killed = to;
    ASSERT(!to || engine->kills != 0);
}

static bool kill_nobody(const struct kill_set_cmd *body, struct refusal *refusal)
{
    static const uint16_t unknown[] = {[KILL_ACCOUNT] = REJECT_UNKNOWN_ACCOUNT,
                                       [KILL_MEMBER] = REJECT_UNKNOWN_MEMBER,
                                       [KILL_SESSION] = REJECT_UNKNOWN_SESSION};
    if (body->scope == KILL_VENUE)
        return refuse(refusal, REJECT_MALFORMED, 0, body->id, KILL_FIELD_id);
    return refuse(refusal, unknown[body->scope], 0, body->id, 0);
}

static bool kill_admit(const struct turn *turn, bool **killed, struct refusal *refusal)
{
    const struct kill_set_cmd *body = &turn->command->body.kill_set;
    if (body->scope < KILL_ACCOUNT || body->scope > KILL_VENUE)
        return refuse(refusal, REJECT_MALFORMED, 0, body->scope, KILL_FIELD_scope);
    if (body->killed > 1)
        return refuse(refusal, REJECT_MALFORMED, 0, body->killed, KILL_FIELD_killed);
    *killed = kill_switch(turn->engine, body->scope, body->id);
    if (*killed == NULL)
        return kill_nobody(body, refusal);
    return body->killed == 1 || engine_approval_admit(turn, refusal);
}

void engine_kill_set(struct turn *turn)
{
    const struct kill_set_cmd *body = &turn->command->body.kill_set;
    bool *killed = NULL;
    struct refusal refusal;
    if (!kill_admit(turn, &killed, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    kill_turn(turn->engine, killed, body->killed == 1);
    memcpy(&turn_emit(turn, EVT_kill_changed)->body, body, sizeof(*body));
    if (body->killed == 1)
        engine_cancel_killed(turn->engine, body->scope, body->id);
}

bool engine_kill_admit(const struct turn *turn, uint32_t account, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct account_rec *owner = engine_account(engine, account);
    ASSERT(owner != NULL && turn->session != NULL);
    if (engine->killed)
        return refuse(refusal, REJECT_KILLED, 0, 0, KILL_VENUE);
    if (engine->members[owner->member].killed)
        return refuse(refusal, REJECT_KILLED, 0, owner->member, KILL_MEMBER);
    if (engine->accounts[account].killed)
        return refuse(refusal, REJECT_KILLED, 0, account, KILL_ACCOUNT);
    if (turn->session->killed)
        return refuse(refusal, REJECT_KILLED, 0, turn->session->terms.session, KILL_SESSION);
    return true;
}

// ---- snapshots: venue, members, accounts, sessions

bool engine_kill_load(struct engine *engine, const struct kill_rec *record)
{
    if (record->scope < KILL_ACCOUNT || record->scope > KILL_VENUE || record->killed != 1)
        return false;
    bool *killed = kill_switch(engine, record->scope, record->id);
    if (killed == NULL || *killed)
        return false;
    kill_turn(engine, killed, true);
    return true;
}

static bool kill_of(const struct engine *engine, uint8_t scope, uint32_t id)
{
    switch (scope) {
    case KILL_ACCOUNT:
        return engine->accounts[id].killed;
    case KILL_MEMBER:
        return engine->members[id].killed;
    case KILL_SESSION:
        return engine->sessions[id].killed;
    default:
        return engine->killed;
    }
}

bool engine_kill_next(const struct engine *engine, struct kill_rec *record)
{
    static const uint8_t scopes[] = {0, KILL_VENUE, KILL_MEMBER, KILL_ACCOUNT, KILL_SESSION};
    const struct engine_limits *limits = &engine->limits;
    const uint32_t ids_max[] = {0, 0, limits->members_max, limits->accounts_max,
                                limits->sessions_max};
    uint32_t at = 1; // of scopes
    uint64_t id = 0;
    while (record->scope != 0 && scopes[at] != record->scope)
        at++;
    if (record->scope != 0)
        id = (uint64_t)record->id + 1;
    for (; at < sizeof(scopes); at++, id = 0)
        for (; id <= ids_max[at]; id++)
            if (kill_of(engine, scopes[at], (uint32_t)id)) {
                *record = (struct kill_rec){.scope = scopes[at], .killed = 1, .id = (uint32_t)id};
                return true;
            }
    return false;
}
