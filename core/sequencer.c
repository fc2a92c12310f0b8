#include "core/sequencer.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "base/checked.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/memfile.h"
#include "core/counters.h"

enum {
    SEQUENCER_BATCH = 64,         // commands from one ring per round
    SEQUENCER_CONTINUATIONS = 64, // continuation commands per round
    SEQUENCER_TICKS = 64,         // commands of ticks per round
    SEQUENCER_IDLE_MS = 20,       // longest sleep: heartbeats are looked at in between
    SEQUENCER_HEARTBEAT_MS = 10,
    SEQUENCER_DIGEST_SLOTS = 1,
};
static_assert(sizeof(struct journal_digest_cmd) + COMMAND_HEADER_BYTES <=
                  SEQUENCER_DIGEST_SLOTS * SLOT_BYTES,
              "a digest's slots");

// ---- applying

static uint64_t sequencer_durable(const struct sequencer *sequencer)
{
    return atomic_load_explicit(&sequencer->ring.control->durable_seq, memory_order_acquire);
}

// True if one more command fits, with a digest before it.
static bool sequencer_has_room(struct sequencer *sequencer)
{
    uint64_t durable_position =
        sequencer->position_of[sequencer_durable(sequencer) & sequencer->position_mask];
    ASSERT(durable_position <= sequencer->written);
    return sequencer->written - durable_position <= sequencer->ring.capacity / 2 &&
           journal_room(sequencer->journal) >= COMMAND_SLOTS_MAX + SEQUENCER_DIGEST_SLOTS;
}

// True if the engine has nothing to go on with. Spoils sequencer->command.
static bool sequencer_may_begin(struct sequencer *sequencer)
{
    return sequencer_has_room(sequencer) &&
           !engine_continuation(sequencer->replay->engine, &sequencer->command);
}

static bool sequencer_digest_is_due(const struct sequencer *sequencer)
{
    return (sequencer->replay->sequence + 1) % JOURNAL_DIGEST_EVERY == 0;
}

// True if the next command, behind a digest that may be due, will be stamped at or after the
// engine's deadline: then it has to be a tick.
static bool sequencer_tick_is_due(const struct sequencer *sequencer)
{
    uint64_t stamp_ns =
        sequencer->wall_ns > sequencer->time_ns ? sequencer->wall_ns : sequencer->time_ns + 1;
    if (sequencer_digest_is_due(sequencer))
        stamp_ns++;
    return stamp_ns >= engine_next_deadline_ns(sequencer->replay->engine);
}

// True if a command that is neither the engine's own continuation nor a tick may be taken now.
static bool sequencer_may_take(struct sequencer *sequencer)
{
    return sequencer_may_begin(sequencer) && !sequencer_tick_is_due(sequencer);
}

// Shows the events to the readers: they read them once they are durable. The engine has made them
// in memory of its own, which stays in the cache, and where no reader can meet them half made.
static void sequencer_publish(struct sequencer *sequencer, uint64_t sequence)
{
    struct event_ring_control *control = sequencer->ring.control;
    const struct event_sink *sink = &sequencer->replay->sink;
    event_ring_write(&sequencer->ring, sequencer->written, sink->events, sink->count);
    sequencer->written += sink->count;
    sequencer->position_of[sequence & sequencer->position_mask] = sequencer->written;
    // Release: the events are complete before `written` shows them.
    atomic_store_explicit(&control->written, sequencer->written, memory_order_release);
    // Release fence: no event of the next command may be seen before this `written`; a reader's
    // proof that its copy was not overwritten rests on that. (On x86 it orders the compiler only.)
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&control->applied_seq, sequence, memory_order_release);
    core_counter_add(control, COUNTER_commands, 1);
    core_counter_add(control, COUNTER_events, sink->count);
}

// Stamps, journals and applies the command in sequencer->command, which has been judged.
static void sequencer_apply(struct sequencer *sequencer)
{
    struct command *command = &sequencer->command;
    struct replay *replay = sequencer->replay;
    uint64_t now_ns = sequencer->wall_ns;
    sequencer->time_ns = now_ns > sequencer->time_ns ? now_ns : sequencer->time_ns + 1;
    command->header.sequence = replay->sequence + 1;
    command->header.time_ns = sequencer->time_ns;
    journal_append(sequencer->journal, command);
    replay->sink.position = 0;
    replay->sink.count = 0;
    engine_apply(replay->engine, command, &replay->sink);
    replay_note(replay, command, &replay->sink);
    sequencer_publish(sequencer, command->header.sequence);
}

static struct command *sequencer_core_command(struct sequencer *sequencer, uint8_t type)
{
    struct command *command = &sequencer->command;
    memset(command, 0, sizeof *command);
    command->header.slots = command_slots(type, 0);
    command->header.type = type;
    command->header.version = SCHEMA_VERSION;
    command->header.gateway = GATEWAY_CORE;
    core_counter_add(sequencer->ring.control, COUNTER_commands_core, 1);
    return command;
}

// The next sequence belongs to a digest: it goes in before anything else may.
static void sequencer_digest(struct sequencer *sequencer)
{
    const struct replay *replay = sequencer->replay;
    struct journal_digest_cmd *digest =
        &sequencer_core_command(sequencer, CMD_journal_digest)->body.journal_digest;
    digest->digest = replay->events_digest;
    digest->events = replay->events;
    sequencer_apply(sequencer);
}

// Applies sequencer->command behind a digest that may be due.
static void sequencer_submit(struct sequencer *sequencer)
{
    if (sequencer_digest_is_due(sequencer)) {
        struct command waiting = sequencer->command;
        sequencer_digest(sequencer);
        sequencer->command = waiting;
    }
    sequencer_apply(sequencer);
}

// The core's own commands have no ring to be judged at.
static void sequencer_submit_own(struct sequencer *sequencer)
{
    ASSERT(command_check(&sequencer->command));
    sequencer_submit(sequencer);
}

static void sequencer_set_venue(struct sequencer *sequencer, uint8_t state)
{
    sequencer_core_command(sequencer, CMD_venue_state)->body.venue_state.state = state;
    sequencer_submit_own(sequencer);
}

// ---- what the core itself has to say

static int sequencer_continuations(struct sequencer *sequencer)
{
    int count = 0;
    while (count < SEQUENCER_CONTINUATIONS && sequencer_has_room(sequencer) &&
           engine_continuation(sequencer->replay->engine, &sequencer->command)) {
        core_counter_add(sequencer->ring.control, COUNTER_commands_core, 1);
        sequencer_submit_own(sequencer);
        count++;
    }
    return count;
}

// Every tick that is due, each with what the engine wants to go on with.
static int sequencer_ticks(struct sequencer *sequencer)
{
    int count = 0;
    while (count < SEQUENCER_TICKS && sequencer_tick_is_due(sequencer) &&
           sequencer_may_begin(sequencer)) {
        uint64_t deadline_ns = engine_next_deadline_ns(sequencer->replay->engine);
        sequencer_core_command(sequencer, CMD_clock_tick)->body.clock_tick.deadline_ns =
            deadline_ns;
        sequencer_submit_own(sequencer);
        count += 1 + sequencer_continuations(sequencer);
    }
    return count;
}

// Every epoch begins cancel-only: the core's first command of its own, behind what the engine had
// left to go on with when the last epoch ended. Until then nothing is taken from a ring.
static int sequencer_begin(struct sequencer *sequencer)
{
    if (sequencer->begun || !sequencer_may_begin(sequencer)) // before any tick, too
        return 0;
    sequencer->begun = true;
    sequencer_set_venue(sequencer, VENUE_CANCEL_ONLY);
    return 1;
}

static void sequencer_detach(struct sequencer *sequencer, uint8_t gateway)
{
    struct sequencer_gateway *state = &sequencer->gateways[gateway];
    struct gateway_detach_cmd *detach =
        &sequencer_core_command(sequencer, CMD_gateway_detach)->body.gateway_detach;
    detach->gateway_id = gateway;
    detach->old_incarnation = state->incarnation;
    sequencer_submit_own(sequencer);
    state->attached = false;
    state->detach_due = false;
    log_info("gateway detached gateway=%s incarnation=%" PRIu32,
             process_name(process_of_gateway(gateway)), state->incarnation);
}

// True if the gateway has been silent for too long. Its heartbeat is its own word: a wrong one can
// only hurt itself.
static bool sequencer_is_silent(struct sequencer *sequencer, struct sequencer_gateway *state,
                                uint64_t now_ns)
{
    uint64_t heartbeat_ns =
        atomic_load_explicit(&state->ring.control->heartbeat_ns, memory_order_relaxed);
    if (heartbeat_ns > state->alive_ns)
        state->alive_ns = heartbeat_ns < now_ns ? heartbeat_ns : now_ns;
    return now_ns > state->alive_ns && now_ns - state->alive_ns > sequencer->heartbeat_timeout_ns;
}

static int sequencer_watch(struct sequencer *sequencer, uint64_t now_ns)
{
    if (now_ns < sequencer->heartbeat_check_ns)
        return 0;
    sequencer->heartbeat_check_ns = now_ns + SEQUENCER_HEARTBEAT_MS * 1000000u;
    int count = 0;
    for (uint8_t gateway = 0; gateway < GATEWAY_COUNT; gateway++) {
        struct sequencer_gateway *state = &sequencer->gateways[gateway];
        if (!state->open || (!state->attached && !state->detach_due))
            continue;
        ASSERT(!state->shut || state->detach_due);
        bool lied = state->shut;
        if (!lied && !sequencer_is_silent(sequencer, state, now_ns))
            continue;
        if (!sequencer_may_take(sequencer)) {  // a detach can be a large command itself
            sequencer->heartbeat_check_ns = 0; // the next round looks again
            break;
        }
        if (!lied)
            core_counter_add(sequencer->ring.control, COUNTER_heartbeats_missed, 1);
        sequencer_detach(sequencer, gateway);
        count++;
    }
    return count;
}

static int sequencer_open_venue(struct sequencer *sequencer)
{
    const struct sequencer_gateway *gateways = sequencer->gateways;
    if (!sequencer->open_when_attached || !gateways[GATEWAY_FIX].attached ||
        !gateways[GATEWAY_WEB].attached || !gateways[GATEWAY_ADMIN].attached ||
        !sequencer_may_take(sequencer))
        return 0;
    sequencer->open_when_attached = false;
    sequencer_set_venue(sequencer, VENUE_OPEN);
    log_info("venue open: fix, web and admin are attached sequence=%" PRIu64,
             sequencer->replay->sequence);
    return 1;
}

// ---- rings

static void sequencer_shut(struct sequencer *sequencer, uint8_t gateway, const char *reason)
{
    struct sequencer_gateway *state = &sequencer->gateways[gateway];
    command_ring_skip(&state->ring);
    if (state->shut)
        return;
    state->shut = true;
    state->detach_due |= state->attached; // it may be due since the start
    atomic_store_explicit(&state->ring.control->shut, 1, memory_order_release);
    core_counter_add(sequencer->ring.control, COUNTER_ring_lies, 1);
    log_limited(LOG_ERROR, "command ring shut gateway=%s incarnation=%" PRIu32 " reason=%s",
                process_name(process_of_gateway(gateway)), state->incarnation, reason);
    sequencer->heartbeat_check_ns = 0; // detach in the next round
}

// An incarnation is the supervisor's to give: a gateway that was taken over would forgive itself a
// lie with the next number, or take the last one there is.
static bool sequencer_attach_is_due(const struct sequencer *sequencer, uint8_t gateway,
                                    uint32_t incarnation)
{
    const struct sequencer_gateway *state = &sequencer->gateways[gateway];
    if (state->shut && incarnation == state->incarnation)
        return false;
    if (sequencer->lives == NULL)
        return incarnation >= state->incarnation;
    enum process_id process = process_of_gateway(gateway);
    return incarnation ==
           atomic_load_explicit(&sequencer->lives->incarnation[process], memory_order_acquire);
}

static bool sequencer_take_attach(struct sequencer *sequencer, uint8_t gateway)
{
    struct sequencer_gateway *state = &sequencer->gateways[gateway];
    const struct command_header *header = &sequencer->command.header;
    if (!sequencer_attach_is_due(sequencer, gateway, header->incarnation))
        return false;
    state->shut = false;
    state->attached = true;
    state->detach_due = false; // the engine itself closes the sessions of an older incarnation
    state->incarnation = header->incarnation;
    state->alive_ns = clock_monotone_ns(sequencer->clock);
    atomic_store_explicit(&state->ring.control->incarnation, header->incarnation,
                          memory_order_relaxed);
    atomic_store_explicit(&state->ring.control->shut, 0, memory_order_release);
    // A gateway may attach as often as it likes, but not fill our log.
    log_line_limited(&state->attach_log, LOG_INFO,
                     "gateway attached gateway=%s incarnation=%" PRIu32,
                     process_name(process_of_gateway(gateway)), header->incarnation);
    return true;
}

// Why no honest writer can have written the record; NULL = it is well formed and allowed.
static const char *sequencer_judge(const struct sequencer_gateway *state,
                                   const struct command *command, uint8_t gateway)
{
    const struct command_header *header = &command->header;
    if (!command_check(command))
        return "malformed record";
    if (!command_allowed(gateway, header->type))
        return "forbidden type";
    if (!command_content_allowed(gateway, command))
        return "forbidden content";
    if (header->sequence != 0 || header->time_ns != 0)
        return "stamped record";
    bool same_life = state->attached && header->incarnation == state->incarnation;
    if (same_life && header->type != CMD_gateway_attach &&
        header->gateway_seq <= state->gateway_seq)
        return "gateway_seq does not rise";
    return NULL;
}

// Judges the record in sequencer->command; true if it was applied.
static bool sequencer_take(struct sequencer *sequencer, uint8_t gateway)
{
    struct sequencer_gateway *state = &sequencer->gateways[gateway];
    struct command *command = &sequencer->command;
    const char *lie = sequencer_judge(state, command, gateway);
    if (lie != NULL) {
        sequencer_shut(sequencer, gateway, lie);
        return false;
    }
    bool attach = command->header.type == CMD_gateway_attach;
    if (attach ? !sequencer_take_attach(sequencer, gateway)
               : state->shut || !state->attached ||
                     command->header.incarnation != state->incarnation) {
        core_counter_add(sequencer->ring.control, COUNTER_dropped_not_attached, 1);
        return false;
    }
    state->gateway_seq = command->header.gateway_seq;
    command->header.gateway = gateway; // from the ring, whatever the record says
    sequencer_submit(sequencer);
    return true;
}

static int sequencer_ring(struct sequencer *sequencer, uint8_t gateway)
{
    struct sequencer_gateway *state = &sequencer->gateways[gateway];
    int count = 0;
    sequencer->wall_ns = clock_wall_ns(sequencer->clock);
    for (int i = 0; i < SEQUENCER_BATCH && sequencer_may_take(sequencer); i++) {
        if (sequencer->looks_ahead)
            look_ahead(&state->ahead, &state->ring, sequencer->replay->engine);
        enum command_ring_result result = command_ring_take(&state->ring, &sequencer->command);
        if (result == COMMAND_RING_EMPTY)
            break;
        if (result == COMMAND_RING_LIE) {
            sequencer_shut(sequencer, gateway, "impossible tail or length");
            break;
        }
        count += sequencer_take(sequencer, gateway);
        count += sequencer_continuations(sequencer); // before anything else is taken from a ring
    }
    return count;
}

static int sequencer_rings(struct sequencer *sequencer)
{
    int count = 0;
    for (unsigned i = 0; i < GATEWAY_COUNT; i++) {
        uint8_t gateway = (uint8_t)((sequencer->turn + i) % GATEWAY_COUNT);
        if (!sequencer->gateways[gateway].open)
            continue;
        int taken = sequencer_ring(sequencer, gateway);
        if (taken > 0) // the journal starts while we look at the next ring
            journal_flush(sequencer->journal);
        count += taken;
    }
    sequencer->turn = (sequencer->turn + 1) % GATEWAY_COUNT;
    return count;
}

// ---- rounds

static void sequencer_count_round(struct sequencer *sequencer, uint64_t began_ns, int count)
{
    struct event_ring_control *control = sequencer->ring.control;
    core_counter_add(control, COUNTER_duty_cycles, 1);
    if (count > 0)
        core_counter_max(control, COUNTER_duty_cycle_max_ns,
                         clock_monotone_ns(sequencer->clock) - began_ns);
    // Only when it changes: readers look at this line for every event (the epoch is there).
    uint8_t venue_state = engine_venue_state(sequencer->replay->engine);
    if (venue_state != atomic_load_explicit(&control->venue_state, memory_order_relaxed))
        atomic_store_explicit(&control->venue_state, venue_state, memory_order_relaxed);
}

int sequencer_work(struct sequencer *sequencer)
{
    struct event_ring_control *control = sequencer->ring.control;
    uint32_t error = atomic_load_explicit(&control->journal_error, memory_order_acquire);
    if (error != 0)
        return -(int)error;
    uint64_t now_ns = clock_monotone_ns(sequencer->clock);
    atomic_store_explicit(&control->core_heartbeat_ns, now_ns, memory_order_relaxed);
    sequencer->wall_ns = clock_wall_ns(sequencer->clock);
    int count = sequencer_continuations(sequencer);
    count += sequencer_begin(sequencer);
    if (sequencer->begun) {
        count += sequencer_ticks(sequencer);
        count += sequencer_watch(sequencer, now_ns);
        count += sequencer_rings(sequencer);
        count += sequencer_open_venue(sequencer);
    }
    if (count > 0)
        journal_flush(sequencer->journal);
    sequencer_count_round(sequencer, now_ns, count);
    return count;
}

static uint64_t sequencer_idle_ns(const struct sequencer *sequencer)
{
    uint64_t longest_ns = SEQUENCER_IDLE_MS * 1000000u;
    uint64_t deadline_ns = engine_next_deadline_ns(sequencer->replay->engine);
    if (deadline_ns == UINT64_MAX)
        return longest_ns;
    uint64_t now_ns = clock_wall_ns(sequencer->clock);
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 1;
    return left_ns < longest_ns ? left_ns : longest_ns;
}

static void sequencer_block(struct sequencer *sequencer)
{
    struct futex_word words[GATEWAY_COUNT];
    unsigned count = 0;
    bool work = false;
    for (int i = 0; i < GATEWAY_COUNT; i++) {
        struct sequencer_gateway *state = &sequencer->gateways[i];
        if (state->open)
            words[count++] = (struct futex_word){.address = &state->ring.control->wake,
                                                 .seen = command_ring_sleep_begin(&state->ring)};
    }
    // Full fence: pairs with the producers' fence; either they see that we sleep, or we see their
    // tails.
    atomic_thread_fence(memory_order_seq_cst);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        work |= sequencer->gateways[i].open && command_ring_has_work(&sequencer->gateways[i].ring);
    if (!work && count > 0)
        futex_wait_any(words, count, sequencer_idle_ns(sequencer));
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (sequencer->gateways[i].open)
            command_ring_sleep_end(&sequencer->gateways[i].ring);
}

void sequencer_idle(struct sequencer *sequencer)
{
    if (sequencer->wait == SEQUENCER_SPIN) {
        __builtin_ia32_pause();
        return;
    }
    if (sequencer->wait == SEQUENCER_YIELD) {
        sched_yield();
        return;
    }
    uint64_t durable = sequencer_durable(sequencer);
    if (sequencer_has_room(sequencer)) {
        sequencer_block(sequencer);
        return;
    }
    core_counter_add(sequencer->ring.control, COUNTER_back_pressure, 1);
    gate_wait(sequencer->gate, durable, SEQUENCER_IDLE_MS * 1000000u);
}

// ---- taking over

static int sequencer_open_rings(struct sequencer *sequencer, const struct boot *boot,
                                uint64_t epoch)
{
    uint64_t slots = (uint64_t)boot->config.rings_command_slots;
    uint64_t now_ns = clock_monotone_ns(sequencer->clock);
    for (int i = 0; i < GATEWAY_COUNT; i++) {
        struct sequencer_gateway *state = &sequencer->gateways[i];
        if (boot->command_ring_fd[i] < 0)
            continue;
        int result =
            command_ring_open_consumer(&state->ring, boot->command_ring_fd[i], slots, true);
        if (result != 0)
            return result;
        state->open = true;
        state->incarnation = sequencer->replay->gateways[i].incarnation;
        state->detach_due = sequencer->replay->gateways[i].attached; // unless it comes back in time
        state->alive_ns = now_ns;
        state->ring.control->epoch = epoch;
    }
    return 0;
}

static int sequencer_open_lives(struct sequencer *sequencer, const struct boot *boot)
{
    if (boot->lives_fd <= 0)
        return 0;
    void *memory;
    int result = memfile_map(&memory, boot->lives_fd, sizeof *sequencer->lives, false);
    if (result == 0)
        sequencer->lives = memory;
    return result;
}

// Readers of the old epoch stop at its last durable event and go on by the tape.
static void sequencer_take_over(struct sequencer *sequencer, uint64_t epoch)
{
    struct event_ring_control *control = sequencer->ring.control;
    uint64_t sequence = sequencer->replay->sequence;
    sequencer->written = atomic_load_explicit(&control->written, memory_order_acquire);
    for (int i = 0; i < COUNTER_COUNT; i++)
        atomic_store_explicit(&control->counters[i], 0, memory_order_relaxed);
    atomic_store_explicit(&control->base_position, sequencer->written, memory_order_relaxed);
    atomic_store_explicit(&control->base_sequence, sequence, memory_order_relaxed);
    atomic_store_explicit(&control->applied_seq, sequence, memory_order_relaxed);
    atomic_store_explicit(&control->journal_error, 0, memory_order_relaxed);
    // Release: the base is visible to whoever sees the epoch; and the epoch is stored before
    // durable_seq or `written` move on, so that no reader takes an old event for a new one.
    atomic_store_explicit(&control->epoch, epoch, memory_order_release);
    atomic_store_explicit(&control->journal_seq, sequence, memory_order_release);
    atomic_store_explicit(&control->durable_seq, sequence, memory_order_release);
    sequencer->position_of[sequence & sequencer->position_mask] = sequencer->written;
}

int sequencer_open(struct sequencer *sequencer, const struct boot *boot, struct replay *replay,
                   struct journal *journal, struct gate *gate, const struct event_ring *ring,
                   const struct clock *clock, uint64_t epoch)
{
    const struct config *config = &boot->config;
    memset(sequencer, 0, sizeof *sequencer);
    sequencer->ring = *ring;
    sequencer->journal = journal;
    sequencer->gate = gate;
    sequencer->replay = replay;
    sequencer->clock = clock;
    sequencer->looks_ahead = engine_is_wide(replay->engine);
    sequencer->time_ns = engine_time_ns(replay->engine);
    sequencer->wall_ns = clock_wall_ns(clock);
    sequencer->wait = (enum sequencer_wait)config->core_wait;
    sequencer->open_when_attached = config->venue_open_when_attached != 0;
    sequencer->heartbeat_timeout_ns = (uint64_t)config->core_heartbeat_timeout_ms * 1000000u;
    // Every command has an event, so fewer than `capacity` commands are ever between durable and
    // applied.
    sequencer->position_mask = ring->capacity - 1;
    int result = arena_open(&sequencer->arena, ring->capacity * sizeof(uint64_t));
    if (result != 0)
        return result;
    sequencer->position_of = arena_alloc(&sequencer->arena, ring->capacity * sizeof(uint64_t), 64);
    memset(sequencer->position_of, 0, ring->capacity * sizeof(uint64_t));
    result = sequencer_open_rings(sequencer, boot, epoch);
    if (result == 0)
        result = sequencer_open_lives(sequencer, boot);
    if (result != 0)
        return result;
    sequencer_take_over(sequencer, epoch);
    (void)sequencer_begin(sequencer);
    journal_flush(journal);
    gate_wake(gate);
    return 0;
}

void sequencer_close(struct sequencer *sequencer)
{
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (sequencer->gateways[i].open)
            command_ring_close(&sequencer->gateways[i].ring);
    if (sequencer->lives != NULL)
        memfile_unmap((void *)(uintptr_t)sequencer->lives, sizeof *sequencer->lives);
    arena_close(&sequencer->arena);
}
