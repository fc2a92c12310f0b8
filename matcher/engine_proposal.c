// Two persons: what the venue's rules demand two operators for, the commands that one of them
// proposes, and how another one's approval carries them out (docs/risk.md 8).
//
// Happy path: a command is proposed with its body as it would be sent; it waits for up to a day;
// another operator approves it, and it is carried out within his command: its handler is run with a
// command of its own, whose header is that of the approval. Its events come first.
//
// The proposals that are open stand by ascending id, and so by the time at which they expire: those
// that have expired are the first ones. They are dropped when room is needed; until then they are
// neither found nor saved.
#include "matcher/engine_state.h"

#define DAY_NS ((uint64_t)86400 * 1000000000)

// Numbers of the refused fields, docs/risk.md 8.
enum { PROPOSE_OPERATOR = 1, PROPOSE_TYPE = 2, PROPOSE_BODY = 3 };
enum { APPROVE_OPERATOR = 2, APPROVE_DECISION = 3 };

// ---- what needs two persons

bool engine_approval_admit(const struct turn *turn, struct refusal *refusal)
{
    ASSERT(turn->sink->count == 0); // nothing has been done yet
    if (turn->approved || (turn->engine->venue_rules & VENUE_TWO_PERSONS) == 0)
        return true;
    return refuse(refusal, REJECT_NEEDS_APPROVAL, 0, turn->command->header.type, 0);
}

void engine_venue_rules_set(struct turn *turn)
{
    const struct venue_rules_set_cmd *body = &turn->command->body.venue_rules_set;
    struct engine *engine = turn->engine;
    struct refusal refusal;
    bool refused = false;
    if (body->flags > VENUE_TWO_PERSONS)
        refused = !refuse(&refusal, REJECT_MALFORMED, 0, body->flags, 1);
    else if ((engine->venue_rules & ~body->flags) != 0)
        refused = !engine_approval_admit(turn, &refusal);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    engine->venue_rules = body->flags;
    memcpy(&turn_emit(turn, EVT_venue_rules_changed)->body, body, sizeof(*body));
}

// ---- the commands that may be proposed

static bool may_be_proposed(uint8_t type)
{
    return type == CMD_limits_set || type == CMD_ledger_post || type == CMD_breaker_set ||
           type == CMD_kill_set || type == CMD_trade_correct || type == CMD_venue_rules_set;
}

// Makes the proposed command, with this header but for type and slots; false if these bytes are not
// exactly a body, and tail, of its type.
static bool proposed_command(struct command *out, const struct command_header *header, uint8_t type,
                             const void *bytes, size_t count)
{
    size_t fixed = command_fixed_bytes(type) - COMMAND_HEADER_BYTES;
    ASSERT(may_be_proposed(type) && command_allowed(GATEWAY_ADMIN, type));
    ASSERT(count <= PROPOSAL_BYTES_MAX);
    if (count < fixed)
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(out->body.bytes, bytes, count);
    out->header = *header;
    out->header.type = type;
    if (command_tail_bytes(out) != count - fixed)
        return false;
    out->header.slots = command_slots(type, count - fixed);
    return command_check(out);
}

// ---- the open ones

static bool has_expired(const struct engine *engine, const struct proposal *proposal)
{
    return engine->time_ns > proposal->terms.expires_ns;
}

static void proposal_remove(struct engine *engine, uint32_t at)
{
    ASSERT(at < engine->proposal_count);
    engine->proposal_count--;
    memmove(&engine->proposals[at], &engine->proposals[at + 1],
            (engine->proposal_count - at) * sizeof(struct proposal));
}

static void proposals_expire(struct engine *engine)
{
    while (engine->proposal_count != 0 && has_expired(engine, &engine->proposals[0]))
        proposal_remove(engine, 0);
    ASSERT(engine->proposal_count <= PROPOSALS_MAX);
}

// Its place; proposal_count = there is no open one of this id.
static uint32_t proposal_find(const struct engine *engine, uint64_t id)
{
    uint32_t at = 0;
    while (at < engine->proposal_count && engine->proposals[at].terms.proposal != id)
        at++;
    bool open = at < engine->proposal_count && !has_expired(engine, &engine->proposals[at]);
    return open ? at : engine->proposal_count;
}

static void emit_changed(struct turn *turn, const struct proposal *proposal, uint32_t approver,
                         uint8_t state)
{
    struct proposal_changed_evt *out =
        &turn_emit(turn, EVT_proposal_changed)->body.proposal_changed;
    out->proposal = proposal->terms.proposal;
    out->proposer = proposal->terms.proposer;
    out->approver = approver;
    out->proposed = proposal->terms.proposed;
    out->state = state;
    out->expires_ns = proposal->terms.expires_ns;
}

// ---- commands

static bool propose_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct propose_cmd *body = &turn->command->body.propose;
    struct command proposed;
    if (body->operator_id == 0)
        return refuse(refusal, REJECT_MALFORMED, 0, 0, PROPOSE_OPERATOR);
    if (!may_be_proposed(body->proposed))
        return refuse(refusal, REJECT_MALFORMED, 0, body->proposed, PROPOSE_TYPE);
    if (!proposed_command(&proposed, &turn->command->header, body->proposed,
                          command_tail(turn->command), body->body_bytes))
        return refuse(refusal, REJECT_MALFORMED, PROPOSAL_BYTES_MAX, body->body_bytes,
                      PROPOSE_BODY);
    if (turn->engine->proposal_count == PROPOSALS_MAX)
        return refuse(refusal, REJECT_PROPOSALS_MAX, PROPOSALS_MAX, PROPOSALS_MAX, 0);
    return true;
}

void engine_propose(struct turn *turn)
{
    const struct propose_cmd *body = &turn->command->body.propose;
    struct engine *engine = turn->engine;
    struct refusal refusal;
    proposals_expire(engine);
    if (!propose_admit(turn, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct proposal *proposal = &engine->proposals[engine->proposal_count++];
    *proposal = (struct proposal){.terms = {.proposal = turn->command->header.sequence,
                                            .expires_ns = engine->time_ns + DAY_NS,
                                            .proposer = body->operator_id,
                                            .body_bytes = body->body_bytes,
                                            .proposed = body->proposed}};
    memcpy(proposal->body, command_tail(turn->command), body->body_bytes);
    emit_changed(turn, proposal, 0, PROPOSAL_OPEN);
}

static bool approve_admit(const struct turn *turn, uint32_t *at, struct refusal *refusal)
{
    const struct approve_cmd *body = &turn->command->body.approve;
    const struct engine *engine = turn->engine;
    if (body->operator_id == 0)
        return refuse(refusal, REJECT_MALFORMED, 0, 0, APPROVE_OPERATOR);
    if (body->decision != PROPOSAL_APPROVE && body->decision != PROPOSAL_WITHDRAW)
        return refuse(refusal, REJECT_MALFORMED, 0, body->decision, APPROVE_DECISION);
    *at = proposal_find(engine, body->proposal);
    if (*at == engine->proposal_count)
        return refuse(refusal, REJECT_PROPOSAL, 0, (int64_t)body->proposal, 0);
    if (body->decision == PROPOSAL_APPROVE &&
        engine->proposals[*at].terms.proposer == body->operator_id)
        return refuse(refusal, REJECT_TWO_PERSONS, 0, body->operator_id, 0);
    return true;
}

// The proposed command here and now: its events, or its refusal. Returns what became of the
// proposal. One event at least is left: no handler of these six uses the last one, so that a
// continuation can always say `done`.
static uint8_t carry_out(const struct turn *turn, const struct proposal *proposal)
{
    struct command command;
    struct turn proposed = *turn;
    const struct event_sink *sink = turn->sink;
    bool formed = proposed_command(&command, &turn->command->header, proposal->terms.proposed,
                                   proposal->body, proposal->terms.body_bytes);
    ASSERT(formed && sink->count == 0);
    proposed.command = &command;
    proposed.approved = true;
    engine_dispatch(&proposed);
    ASSERT(sink->count > 0);
    bool refused = sink->events[sink->position & sink->mask].header.type == EVT_rejected;
    return refused ? PROPOSAL_FAILED : PROPOSAL_APPROVED;
}

void engine_approve(struct turn *turn)
{
    const struct approve_cmd *body = &turn->command->body.approve;
    struct engine *engine = turn->engine;
    struct refusal refusal;
    uint32_t at = 0;
    if (!approve_admit(turn, &at, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    const struct proposal proposal = engine->proposals[at];
    proposal_remove(engine, at);
    uint8_t state = PROPOSAL_WITHDRAWN;
    if (body->decision == PROPOSAL_APPROVE)
        state = carry_out(turn, &proposal);
    emit_changed(turn, &proposal, body->operator_id, state);
}

// ---- snapshots

const struct proposal *engine_proposal_next(const struct engine *engine,
                                            const struct proposal *before)
{
    const struct proposal *end = engine->proposals + engine->proposal_count;
    const struct proposal *next = before != NULL ? before + 1 : engine->proposals;
    while (next != end && has_expired(engine, next))
        next++;
    return next != end ? next : NULL;
}

struct proposal_part_rec engine_proposal_part(const struct proposal *proposal, uint32_t offset)
{
    struct proposal_part_rec part = {.proposal = proposal->terms.proposal,
                                     .offset = (uint16_t)offset};
    uint32_t left = proposal->terms.body_bytes - offset;
    ASSERT(offset < proposal->terms.body_bytes);
    part.bytes = (uint16_t)(left < PROPOSAL_PART_BYTES ? left : PROPOSAL_PART_BYTES);
    memcpy((uint8_t *)&part + PROPOSAL_PART_WORDS, proposal->body + offset, part.bytes);
    return part;
}

bool engine_proposal_load(struct engine *engine, const struct proposal_rec *record)
{
    uint32_t count = engine->proposal_count;
    if (count == PROPOSALS_MAX || record->proposal == 0 || record->proposal > engine->sequence ||
        record->expires_ns < engine->time_ns || record->proposer == 0 ||
        !may_be_proposed(record->proposed) || record->body_bytes == 0 ||
        record->body_bytes > PROPOSAL_BYTES_MAX)
        return false;
    if (count != 0 && (engine->proposals[count - 1].terms.proposal >= record->proposal ||
                       engine->proposals[count - 1].terms.expires_ns > record->expires_ns))
        return false;
    engine->proposals[engine->proposal_count++] = (struct proposal){.terms = *record};
    engine->load_bytes = record->body_bytes;
    return true;
}

bool engine_proposal_part_load(struct engine *engine, const struct proposal_part_rec *record)
{
    if (engine->load_bytes == 0)
        return false;
    struct proposal *proposal = &engine->proposals[engine->proposal_count - 1];
    const struct proposal_rec *terms = &proposal->terms;
    uint32_t left = engine->load_bytes;
    uint32_t bytes = left < PROPOSAL_PART_BYTES ? left : PROPOSAL_PART_BYTES;
    if (record->proposal != terms->proposal || record->offset != terms->body_bytes - left ||
        record->bytes != bytes)
        return false;
    memcpy(proposal->body + record->offset, (const uint8_t *)record + PROPOSAL_PART_WORDS, bytes);
    engine->load_bytes -= bytes;
    struct command proposed;
    const struct command_header header = {.version = SCHEMA_VERSION};
    return engine->load_bytes != 0 ||
           proposed_command(&proposed, &header, terms->proposed, proposal->body, terms->body_bytes);
}
