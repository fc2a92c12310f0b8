// Two persons in the naive venue: what needs them, what one proposes and another approves.
#include "tests/model/naive_parts.h"

static const uint64_t day_ns = 86400000000000;

// ---- what needs two persons

// The last check of those commands, where they need it.
bool naive_approval_refused(struct naive_venue *venue)
{
    bool asked = (venue->rules & VENUE_TWO_PERSONS) != 0 && !venue->approving;
    REFUSE_IF(asked, NEEDS_APPROVAL, 0, venue->command->header.type, 0)
    return false;
}

static bool raised(int64_t before, int64_t after)
{
    return before != 0 && (after == 0 || after > before);
}

// A window, or the time in which a duplicate is refused.
static bool shortened(uint32_t before, uint32_t after)
{
    return after < before;
}

bool naive_limits_raise(const struct limits_rec *before, const struct limits_rec *after)
{
    return raised(before->order_value_max, after->order_value_max) ||
           raised(before->daily_value_max, after->daily_value_max) ||
           raised(before->open_orders_max, after->open_orders_max) ||
           raised(before->messages_max, after->messages_max) ||
           raised(before->executions_max, after->executions_max) ||
           shortened(before->messages_ms, after->messages_ms) ||
           shortened(before->duplicate_ms, after->duplicate_ms) ||
           shortened(before->executions_ms, after->executions_ms) ||
           (before->flags & ~after->flags) != 0;
}

void naive_venue_rules_set(struct naive_venue *venue)
{
    const struct venue_rules_set_cmd *body = &venue->command->body.venue_rules_set;
    if (body->flags > VENUE_TWO_PERSONS) {
        naive_reject(venue, REJECT_MALFORMED, 0, body->flags, 1);
        return;
    }
    if ((venue->rules & ~body->flags) != 0 && naive_approval_refused(venue))
        return;
    venue->rules = body->flags;
    memcpy(&naive_emit(venue, EVT_venue_rules_changed)->body, body, sizeof(*body));
}

// ---- propose

static bool may_be_proposed(uint8_t type)
{
    return type == CMD_limits_set || type == CMD_ledger_post || type == CMD_breaker_set ||
           type == CMD_kill_set || type == CMD_trade_correct || type == CMD_venue_rules_set;
}

// The proposed command as if it had come by itself, in the place of the one that is applied.
static struct command command_of(const struct naive_venue *venue, uint8_t type, const void *body,
                                 uint32_t bytes)
{
    struct command command = {.header = venue->command->header};
    command.header.type = type;
    command.header.slots = command_slots(type, 0);
    memcpy(&command.body, body, bytes);
    return command;
}

static bool well_formed(const struct command *command, uint32_t bytes)
{
    return COMMAND_HEADER_BYTES + bytes == command_fixed_bytes(command->header.type) &&
           command_check(command);
}

static bool is_open(const struct naive_venue *venue, const struct naive_proposal *proposal)
{
    return proposal->id != 0 && venue->now <= proposal->expires_ns;
}

static struct naive_proposal *free_place(struct naive_venue *venue)
{
    for (uint32_t i = 0; i < NAIVE_PROPOSALS; i++)
        if (!is_open(venue, &venue->proposals[i]))
            return &venue->proposals[i];
    return NULL;
}

static bool propose_refused(struct naive_venue *venue, const struct propose_cmd *body)
{
    REFUSE_IF(body->operator_id == 0, MALFORMED, 0, 0, 1)
    REFUSE_IF(!may_be_proposed(body->proposed), MALFORMED, 0, body->proposed, 2)
    struct command command =
        command_of(venue, body->proposed, command_tail(venue->command), body->body_bytes);
    REFUSE_IF(!well_formed(&command, body->body_bytes), MALFORMED, PROPOSAL_BYTES_MAX,
              body->body_bytes, 3)
    REFUSE_IF(free_place(venue) == NULL, PROPOSALS_MAX, NAIVE_PROPOSALS, NAIVE_PROPOSALS, 0)
    return false;
}

static void tell(struct naive_venue *venue, const struct naive_proposal *proposal,
                 uint32_t approver, uint8_t state)
{
    naive_emit(venue, EVT_proposal_changed)->body.proposal_changed =
        (struct proposal_changed_evt){.proposal = proposal->id,
                                      .proposer = proposal->proposer,
                                      .approver = approver,
                                      .proposed = proposal->proposed,
                                      .state = state,
                                      .expires_ns = proposal->expires_ns};
}

void naive_propose(struct naive_venue *venue)
{
    const struct propose_cmd *body = &venue->command->body.propose;
    if (propose_refused(venue, body))
        return;
    struct naive_proposal *proposal = free_place(venue);
    *proposal = (struct naive_proposal){.id = venue->command->header.sequence,
                                        .expires_ns = venue->now + day_ns,
                                        .proposer = body->operator_id,
                                        .proposed = body->proposed,
                                        .body_bytes = body->body_bytes};
    memcpy(proposal->body, command_tail(venue->command), body->body_bytes);
    tell(venue, proposal, 0, PROPOSAL_OPEN);
}

// ---- approve

static struct naive_proposal *find_open(struct naive_venue *venue, uint64_t id)
{
    for (uint32_t i = 0; i < NAIVE_PROPOSALS; i++)
        if (id != 0 && venue->proposals[i].id == id && is_open(venue, &venue->proposals[i]))
            return &venue->proposals[i];
    return NULL;
}

static bool approve_refused(struct naive_venue *venue, const struct approve_cmd *body)
{
    bool approves = body->decision == PROPOSAL_APPROVE;
    REFUSE_IF(body->operator_id == 0, MALFORMED, 0, 0, 2)
    REFUSE_IF(!approves && body->decision != PROPOSAL_WITHDRAW, MALFORMED, 0, body->decision, 3)
    const struct naive_proposal *proposal = find_open(venue, body->proposal);
    REFUSE_IF(proposal == NULL, PROPOSAL, 0, (int64_t)body->proposal, 0)
    REFUSE_IF(approves && proposal->proposer == body->operator_id, TWO_PERSONS, 0,
              body->operator_id, 0)
    return false;
}

// Returns what becomes of the proposal.
static uint8_t carry_out(struct naive_venue *venue, const struct naive_proposal *proposal)
{
    const struct command *approval = venue->command;
    uint32_t first = venue->event_count;
    struct command command =
        command_of(venue, proposal->proposed, proposal->body, proposal->body_bytes);
    venue->command = &command;
    venue->approving = true;
    naive_carry_out(venue);
    venue->approving = false;
    venue->command = approval;
    ASSERT(venue->event_count > first);
    bool refused = venue->events[first].header.type == EVT_rejected;
    return refused ? PROPOSAL_FAILED : PROPOSAL_APPROVED;
}

void naive_approve(struct naive_venue *venue)
{
    const struct approve_cmd *body = &venue->command->body.approve;
    if (approve_refused(venue, body))
        return;
    struct naive_proposal *place = find_open(venue, body->proposal);
    struct naive_proposal proposal = *place;
    uint8_t state = PROPOSAL_WITHDRAWN;
    *place = (struct naive_proposal){0};
    if (body->decision == PROPOSAL_APPROVE)
        state = carry_out(venue, &proposal);
    tell(venue, &proposal, body->operator_id, state);
}
