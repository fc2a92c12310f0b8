// The kill switch of the naive venue (docs/risk.md, 5).
#include "tests/model/naive_parts.h"

// The place where it is kept; NULL = it is unknown, and answered.
static bool *killed_of(struct naive_venue *venue, uint8_t scope, uint32_t id)
{
    static const uint8_t limit_scopes[] = {[KILL_ACCOUNT] = LIMIT_ACCOUNT,
                                           [KILL_MEMBER] = LIMIT_MEMBER,
                                           [KILL_SESSION] = LIMIT_SESSION};
    static const uint16_t unknown[] = {[KILL_ACCOUNT] = REJECT_UNKNOWN_ACCOUNT,
                                       [KILL_MEMBER] = REJECT_UNKNOWN_MEMBER,
                                       [KILL_SESSION] = REJECT_UNKNOWN_SESSION};
    if (scope == KILL_VENUE)
        return &venue->killed;
    struct naive_standing *standing = naive_standing(venue, limit_scopes[scope], id);
    if (standing != NULL)
        return &standing->killed;
    naive_reject(venue, unknown[scope], 0, id, 0);
    return NULL;
}

// The mass cancel that the core does next.
static struct command mass_cancel_of(const struct kill_rec *kill)
{
    struct command command = {.header.type = CMD_order_mass_cancel};
    struct order_mass_cancel_cmd *body = &command.body.order_mass_cancel;
    body->scope = kill->scope == KILL_SESSION ? SCOPE_SESSION : SCOPE_VENUE;
    command.header.session = kill->scope == KILL_SESSION ? kill->id : 0;
    body->account = kill->scope == KILL_ACCOUNT ? kill->id : 0;
    body->member = kill->scope == KILL_MEMBER ? kill->id : 0;
    return command;
}

static bool form_refused(struct naive_venue *venue, const struct kill_rec *kill)
{
    REFUSE_IF(kill->scope < KILL_ACCOUNT || kill->scope > KILL_VENUE, MALFORMED, 0, kill->scope, 1)
    REFUSE_IF(kill->killed > 1, MALFORMED, 0, kill->killed, 2)
    REFUSE_IF(kill->scope == KILL_VENUE && kill->id != 0, MALFORMED, 0, kill->id, 4)
    return false;
}

void naive_kill_set(struct naive_venue *venue)
{
    struct kill_rec kill;
    memcpy(&kill, &venue->command->body, sizeof(kill));
    if (form_refused(venue, &kill))
        return;
    bool *killed = killed_of(venue, kill.scope, kill.id);
    if (killed == NULL || (kill.killed == 0 && naive_approval_refused(venue)))
        return;
    *killed = kill.killed != 0;
    memcpy(&naive_emit(venue, EVT_kill_changed)->body, &kill, sizeof(kill));
    struct command cancels = mass_cancel_of(&kill);
    if (*killed && naive_next_in_scope(venue, &cancels) != NULL)
        venue->pending = (struct naive_pending){.work = NAIVE_KILL, .command = cancels};
}

// The mass cancel is the one that was announced.
bool naive_kill_continues_with(const struct naive_venue *venue, const struct command *command)
{
    const struct command *announced = &venue->pending.command;
    return command->header.type == CMD_order_mass_cancel &&
           command->header.session == announced->header.session &&
           memcmp(&command->body, &announced->body, sizeof(announced->body.order_mass_cancel)) == 0;
}

bool naive_killed_refused(struct naive_venue *venue, uint32_t account)
{
    uint32_t member = venue->accounts[account].member;
    uint32_t session = venue->command->header.session;
    REFUSE_IF(venue->killed, KILLED, 0, 0, KILL_VENUE)
    REFUSE_IF(venue->of_members[member].killed, KILLED, 0, member, KILL_MEMBER)
    REFUSE_IF(venue->of_accounts[account].killed, KILLED, 0, account, KILL_ACCOUNT)
    REFUSE_IF(venue->of_sessions[session].killed, KILLED, 0, session, KILL_SESSION)
    return false;
}
