#include "perf/flow_state.h"

#include <stdlib.h>
#include <string.h>

#include "core/journal_reader.h"
#include "perf/bench_core.h"

enum {
    INCARNATION = 1,
    EPOCH = 1,
    WIDE_STEP_NS = 1000000, // rates of orders are controlled there
};

// ---- one command

static void write_block(struct flow_state *state)
{
    journal_flush(&state->journal);
    int written = 0;
    do {
        ASSERT(journal_prepare_work(&state->journal) >= 0);
        written = journal_write_work(&state->journal);
        ASSERT(written >= 0);
    } while (written > 0);
    state->waiting = 0;
}

static void apply(struct flow_state *state, struct command *command)
{
    struct replay *replay = &state->replay;
    state->time_ns += state->step_ns;
    command->header.sequence = replay->sequence + 1;
    command->header.time_ns = state->time_ns;
    if (command->header.gateway != GATEWAY_CORE)
        command->header.incarnation = INCARNATION;
    if (state->journalling) {
        if (state->waiting == state->block_commands ||
            journal_room(&state->journal) < COMMAND_SLOTS_MAX)
            write_block(state);
        journal_append(&state->journal, command);
        state->waiting++;
    }
    ASSERT(replay_apply(replay, command, EPOCH) == REPLAY_APPLIED);
}

static void apply_digest(struct flow_state *state)
{
    struct command digest = {.header = {.slots = command_slots(CMD_journal_digest, 0),
                                        .type = CMD_journal_digest,
                                        .version = SCHEMA_VERSION,
                                        .gateway = GATEWAY_CORE}};
    digest.body.journal_digest.digest = state->replay.events_digest;
    digest.body.journal_digest.events = state->replay.events;
    apply(state, &digest);
}

// As the core does: a digest where one is due, and what the engine wants to go on with.
static void submit(void *context, struct command *command)
{
    struct flow_state *state = context;
    struct command next;
    if ((state->replay.sequence + 1) % JOURNAL_DIGEST_EVERY == 0)
        apply_digest(state);
    apply(state, command);
    while (engine_continuation(state->replay.engine, &next))
        submit(state, &next);
}

// ---- the flow

static void submit_new(struct flow_state *state, const struct order_flow_operation *operation,
                       uint32_t id)
{
    struct command command;
    ASSERT(id < state->ids);
    flow_command_new(&command, &state->venue, operation, id);
    submit(state, &command);
    state->sequence_of[id] = command.header.sequence;
    state->commands++;
}

static void submit_cancel(struct flow_state *state, const struct order_flow_operation *operation)
{
    struct command command;
    ASSERT(operation->id < state->ids);
    flow_command_cancel(&command, &state->venue, operation->instrument, operation->id,
                        state->sequence_of[operation->id]);
    submit(state, &command);
    state->commands++;
}

void flow_state_run(struct flow_state *state, uint64_t operations)
{
    struct order_flow_operation operation;
    for (uint64_t i = 0; i < operations && order_flow_next(state->flow, &operation); i++) {
        if (operation.kind == FLOW_CANCEL || operation.kind == FLOW_REPLACE)
            submit_cancel(state, &operation);
        if (operation.kind == FLOW_REPLACE)
            submit_new(state, &operation, operation.new_id);
        else if (operation.kind != FLOW_CANCEL)
            submit_new(state, &operation, operation.id);
    }
}

void flow_state_make_venue(struct flow_state *state)
{
    flow_venue_make(&state->venue, INCARNATION, submit, state);
}

// ---- life

void flow_state_open(struct flow_state *state, const char *folder, const struct flow_venue *venue,
                     struct order_flow *flow, uint32_t orders_max, uint32_t ids)
{
    memset(state, 0, sizeof *state);
    state->venue = *venue;
    state->flow = flow;
    state->ids = ids;
    state->step_ns = venue->scattered ? WIDE_STEP_NS : 1;
    bench_core_boot(&state->boot, folder, venue, orders_max);
    struct engine_limits limits = replay_limits(&state->boot.config);
    ASSERT(replay_open(&state->replay, &limits) == 0);
    state->sequence_of = calloc(ids, sizeof *state->sequence_of);
    state->control = aligned_alloc(4096, sizeof *state->control);
    ASSERT(state->sequence_of != NULL && state->control != NULL);
    memset(state->control, 0, sizeof *state->control);
}

void flow_state_close(struct flow_state *state)
{
    ASSERT(!state->journalling);
    replay_close(&state->replay);
    order_flow_destroy(state->flow);
    bench_core_boot_close(&state->boot);
    free(state->sequence_of);
    free(state->control);
}

void flow_state_journal_begin(struct flow_state *state, uint32_t block_commands)
{
    const struct config *config = &state->boot.config;
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, config, "journal");
    struct journal_options options = {
        .segments = replay_terms(&state->replay.limits, (uint64_t)config->journal_segment_bytes),
        .epoch = EPOCH,
        .next_sequence = state->replay.sequence + 1,
        .queue_slots = (uint64_t)config->rings_command_slots,
    };
    ASSERT(journal_io_file_open(&state->io, &state->io_file, folder, false) == 0);
    // No reader's page is in it: nobody is to be woken.
    struct boot boot = state->boot;
    memset(boot.reader_page_fd, -1, sizeof boot.reader_page_fd);
    ASSERT(gate_open(&state->gate, &boot, state->control) == 0);
    ASSERT(journal_open(&state->journal, &state->io, &state->gate, &clock_system, &options) == 0);
    state->journalling = true;
    state->block_commands = block_commands;
}

void flow_state_journal_end(struct flow_state *state)
{
    write_block(state);
    journal_close(&state->journal);
    gate_close(&state->gate);
    ASSERT(journal_sync_all(&state->io) == 0);
    journal_io_file_close(&state->io_file);
    state->journalling = false;
}
