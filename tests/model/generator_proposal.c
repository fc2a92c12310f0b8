// Random commands of two persons: what one proposes, and another approves or withdraws.
#include "tests/model/generator_parts.h"

enum { OPERATORS = 3 };

// Nothing is decided for a while, until no more can be proposed.
bool hoards_proposals(const struct beside *beside)
{
    return beside->sequence / 4096 % 16 == 8;
}

static bool two_persons(const struct beside *beside)
{
    return (beside->naive.rules & VENUE_TWO_PERSONS) != 0;
}

static uint32_t some_operator(struct generator *generator)
{
    return draw_chance(generator, 60) ? 0 : 1 + draw_below(generator, OPERATORS);
}

// ---- propose

// What was made is proposed instead of sent.
static void propose_instead(struct generator *generator, struct beside *beside)
{
    struct command made = beside->command;
    uint8_t type = made.header.type;
    uint32_t bytes = (uint32_t)command_fixed_bytes(type) - COMMAND_HEADER_BYTES;
    struct command *command = beside_start(beside, CMD_propose, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_propose, bytes);
    command->body.propose = (struct propose_cmd){
        .operator_id = some_operator(generator), .proposed = type, .body_bytes = (uint16_t)bytes};
    memcpy(command_tail_writable(command), &made.body, bytes);
}

static void spoil_proposal(struct generator *generator, struct command *command)
{
    static const uint16_t lengths[] = {0, 1, 8, 136, PROPOSAL_BYTES_MAX};
    static const uint8_t types[] = {0, 1, CMD_order_new, CMD_approve, CMD_fees_set, 63, 255};
    struct propose_cmd *propose = &command->body.propose;
    switch (draw_below(generator, 3)) {
    case 0:
        propose->proposed = types[draw_below(generator, sizeof(types))];
        return;
    case 1:
        memset(command_tail_writable(command), 0, propose->body_bytes);
        propose->body_bytes = lengths[draw_below(generator, 5)];
        command->header.slots = command_slots(CMD_propose, propose->body_bytes);
        return;
    default:
        memset(command_tail_writable(command), 0xff, propose->body_bytes);
        return;
    }
}

static void make_rules(struct generator *generator, struct beside *beside, uint32_t flags)
{
    struct command *command = beside_start(beside, CMD_venue_rules_set, GATEWAY_ADMIN);
    command->body.venue_rules_set = (struct venue_rules_set_cmd){
        .flags = draw_chance(generator, 10) ? 2 + draw_below(generator, 3) : flags,
        .operator_id = draw_below(generator, 4)};
}

static void make_limits(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_limits_set, GATEWAY_ADMIN);
    command->body.limits_set = (struct limits_set_cmd){
        .scope = (uint8_t)(1 + draw_below(generator, 3)),
        .id = 1 + draw_below(generator, 3),
        .order_value_max = draw_chance(generator, 2) ? 0 : (int64_t)8000000000};
}

static void make_kill(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_kill_set, GATEWAY_ADMIN);
    command->body.kill_set = (struct kill_set_cmd){.scope = KILL_ACCOUNT,
                                                   .killed = draw_chance(generator, 3),
                                                   .id = UNIVERSE_ACCOUNT_FIRST +
                                                         draw_below(generator, UNIVERSE_ACCOUNTS),
                                                   .operator_id = draw_below(generator, 4)};
}

static void make_something_to_propose(struct generator *generator, struct beside *beside)
{
    struct command *command = NULL;
    switch (draw_below(generator, 7)) {
    case 0:
        make_rules(generator, beside, draw_below(generator, 3) == 2 ? VENUE_TWO_PERSONS : 0);
        return;
    case 1:
        command = beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set.instrument =
            draw_chance(generator, 20) ? 9 : some_instrument(generator);
        command->body.breaker_set.tripped = draw_chance(generator, 8);
        return;
    case 2:
        if (some_failed_trade(generator) != NULL) {
            make_correction(generator, beside);
            return;
        }
        make_ledger_post(generator, beside);
        return;
    case 3:
        make_posting(generator, beside);
        return;
    case 4:
        make_limits(generator, beside);
        return;
    case 5:
        make_kill(generator, beside);
        return;
    default:
        make_ledger_post(generator, beside);
        return;
    }
}

static void make_proposal(struct generator *generator, struct beside *beside)
{
    make_something_to_propose(generator, beside);
    propose_instead(generator, beside);
    if (draw_chance(generator, 12))
        spoil_proposal(generator, &beside->command);
}

// ---- approve

// Any that is kept, it may have expired; or the newest. NULL = there is none.
static const struct naive_proposal *some_proposal(struct generator *generator,
                                                  const struct beside *beside)
{
    const struct naive_proposal *newest = NULL;
    uint32_t first = draw_below(generator, NAIVE_PROPOSALS);
    bool any = draw_chance(generator, 2);
    for (uint32_t i = 0; i < NAIVE_PROPOSALS; i++) {
        const struct naive_proposal *proposal =
            &beside->naive.proposals[(first + i) % NAIVE_PROPOSALS];
        if (proposal->id == 0)
            continue;
        if (any)
            return proposal;
        if (newest == NULL || proposal->id > newest->id)
            newest = proposal;
    }
    return newest;
}

static uint32_t somebody_else(struct generator *generator, uint32_t proposer)
{
    return 1 + (proposer + draw_below(generator, OPERATORS - 1)) % OPERATORS;
}

static void make_decision(struct generator *generator, struct beside *beside,
                          const struct naive_proposal *proposal)
{
    struct command *command = beside_start(beside, CMD_approve, GATEWAY_ADMIN);
    struct approve_cmd *approve = &command->body.approve;
    *approve = (struct approve_cmd){.proposal = proposal->id,
                                    .operator_id = somebody_else(generator, proposal->proposer),
                                    .decision = draw_chance(generator, 5) ? PROPOSAL_WITHDRAW
                                                                          : PROPOSAL_APPROVE};
    if (draw_chance(generator, 6))
        approve->operator_id = proposal->proposer;
    if (draw_chance(generator, 30))
        approve->operator_id = 0;
    if (draw_chance(generator, 20))
        approve->decision = (uint8_t)(draw_chance(generator, 2) ? 0 : 3);
    if (draw_chance(generator, 20))
        approve->proposal = draw_chance(generator, 3) ? 0 : proposal->id + 1;
}

static bool make_approval(struct generator *generator, struct beside *beside)
{
    const struct naive_proposal *proposal = some_proposal(generator, beside);
    if (proposal == NULL || hoards_proposals(beside))
        return false;
    make_decision(generator, beside, proposal);
    return true;
}

// ---- all of it

void make_of_two_persons(struct generator *generator, struct beside *beside)
{
    if (draw_chance(generator, two_persons(beside) ? 8 : 60)) {
        make_rules(generator, beside, two_persons(beside) ? 0 : VENUE_TWO_PERSONS);
    } else if (two_persons(beside) && draw_chance(generator, 4)) {
        make_rules(generator, beside, 0);
        propose_instead(generator, beside);
    } else if (draw_chance(generator, 2) || !make_approval(generator, beside)) {
        make_proposal(generator, beside);
    }
}

// ---- instead of a refusal

static bool needs_two(const struct command *command)
{
    switch (command->header.type) {
    case CMD_breaker_set:
        return command->body.breaker_set.tripped == 0;
    case CMD_limits_set:
        return true;
    case CMD_kill_set:
        return command->body.kill_set.killed == 0;
    default:
        return false;
    }
}

// NULL = there is none.
static const struct naive_proposal *proposed_like(const struct beside *beside,
                                                  const struct command *command)
{
    for (uint32_t i = 0; i < NAIVE_PROPOSALS; i++) {
        const struct naive_proposal *proposal = &beside->naive.proposals[i];
        if (proposal->id != 0 && proposal->expires_ns > beside->now &&
            proposal->proposed == command->header.type &&
            memcmp(proposal->body, &command->body, proposal->body_bytes) == 0)
            return proposal;
    }
    return NULL;
}

void make_it_by_two(struct generator *generator, struct beside *beside)
{
    if (!two_persons(beside) || !needs_two(&beside->command) || draw_chance(generator, 4))
        return;
    const struct naive_proposal *proposal = proposed_like(beside, &beside->command);
    if (proposal != NULL)
        make_decision(generator, beside, proposal);
    else
        propose_instead(generator, beside);
}
