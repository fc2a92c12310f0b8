#include "core/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/digest.h"
#include "base/log.h"
#include "core/snapshot_file.h"

struct engine_limits replay_limits(const struct config *config)
{
    return (struct engine_limits){
        .accounts_max = (uint32_t)config->limits_accounts_max,
        .members_max = (uint32_t)config->limits_members_max,
        .sessions_max = (uint32_t)config->limits_sessions_max,
        .session_accounts_max = (uint32_t)config->limits_session_accounts_max,
        .assets_max = (uint32_t)config->limits_assets_max,
        .instruments_max = (uint32_t)config->limits_instruments_max,
        .balances_max = (uint32_t)config->limits_balances_max,
        .orders_max = (uint32_t)config->limits_orders_max,
        .levels_max = (uint32_t)config->limits_levels_max,
        .stops_max = (uint32_t)config->limits_stops_max,
        .trailing_stops_max = (uint32_t)config->limits_trailing_stops_max,
        .fees_max = (uint32_t)config->limits_fees_max,
        .command_events_max = (uint32_t)config->limits_command_events_max,
    };
}

static_assert(sizeof(struct engine_limits) <= sizeof((struct journal_segment_header){0}.limits),
              "the segment header has room for the limits");

struct journal_segment_terms replay_terms(const struct engine_limits *limits,
                                          uint64_t segment_bytes)
{
    struct journal_segment_terms terms = {.bytes = segment_bytes, .engine_version = ENGINE_VERSION};
    memcpy(terms.limits, limits, sizeof *limits);
    return terms;
}

struct engine_limits replay_limits_of(const struct journal_segment_header *header)
{
    struct engine_limits limits;
    memcpy(&limits, header->limits, sizeof limits);
    return limits;
}

static int replay_new_engine(struct replay *replay)
{
    size_t bytes = engine_bytes(&replay->limits);
    if (bytes == 0)
        return -EINVAL;
    int result = arena_open(&replay->engine_memory, round_up(bytes, 64) + 64);
    if (result != 0)
        return result;
    void *memory = arena_alloc(&replay->engine_memory, bytes, 64);
    ASSERT(memory != NULL);
    replay->engine = engine_init(memory, &replay->limits);
    return 0;
}

int replay_open(struct replay *replay, const struct engine_limits *limits)
{
    memset(replay, 0, sizeof *replay);
    replay->limits = *limits;
    int result = replay_new_engine(replay);
    if (result != 0)
        return result;
    uint64_t events = 1;
    while (events < limits->command_events_max)
        events *= 2;
    result = arena_open(&replay->event_memory, events * EVENT_BYTES);
    if (result != 0) {
        arena_close(&replay->engine_memory);
        return result;
    }
    replay->sink.events = arena_alloc(&replay->event_memory, events * EVENT_BYTES, 64);
    replay->sink.mask = events - 1;
    return 0;
}

void replay_close(struct replay *replay)
{
    arena_close(&replay->engine_memory);
    arena_close(&replay->event_memory);
    memset(replay, 0, sizeof *replay);
}

int replay_reset(struct replay *replay)
{
    arena_close(&replay->engine_memory);
    replay->sequence = replay->events = replay->events_digest = replay->epoch = 0;
    memset(replay->gateways, 0, sizeof replay->gateways);
    return replay_new_engine(replay);
}

// ---- snapshots

struct replay_loading {
    struct replay *replay;
    uint64_t state_digest;
};

static void replay_load_gateway(struct replay *replay, const struct gateway_rec *gateway)
{
    if (gateway->gateway_id < GATEWAY_COUNT)
        replay->gateways[gateway->gateway_id] =
            (struct replay_gateway){gateway->incarnation, gateway->attached != 0};
}

static bool replay_load_record(void *context, const struct snapshot_record *record)
{
    struct replay_loading *loading = context;
    struct replay *replay = loading->replay;
    if (record->header.type == REC_meta) {
        const struct meta_rec *meta = &record->body.meta;
        if (meta->engine_version > ENGINE_VERSION) // an older one's records are ours (matcher/engine.h)
            return false;
        replay->sequence = meta->sequence;
        replay->events = meta->events;
        replay->events_digest = meta->events_digest;
        replay->epoch = meta->epoch;
        loading->state_digest = meta->state_digest;
    } else if (record->header.type == REC_gateway) {
        replay_load_gateway(replay, &record->body.gateway);
    }
    return engine_load(replay->engine, record);
}

bool replay_load(struct replay *replay, const char *folder, uint64_t sequence)
{
    ASSERT(replay->sequence == 0);
    struct replay_loading loading = {.replay = replay};
    if (!snapshot_file_read(folder, sequence, replay_load_record, &loading))
        return false;
    return replay->sequence == sequence && engine_sequence(replay->engine) == sequence &&
           engine_digest(replay->engine) == loading.state_digest;
}

struct replay_saving {
    const struct replay *replay;
    struct snapshot_writer writer;
};

static int replay_save_record(void *context, const struct snapshot_record *record)
{
    struct replay_saving *saving = context;
    const struct replay *replay = saving->replay;
    if (record->header.type != REC_meta)
        return snapshot_writer_add(&saving->writer, record);
    struct snapshot_record meta = *record; // what the engine cannot know
    meta.body.meta.events = replay->events;
    meta.body.meta.events_digest = replay->events_digest;
    meta.body.meta.epoch = replay->epoch;
    meta.body.meta.state_digest = engine_digest(replay->engine);
    return snapshot_writer_add(&saving->writer, &meta);
}

int replay_save(const struct replay *replay, const char *folder)
{
    struct replay_saving saving = {.replay = replay};
    int result = snapshot_writer_open(&saving.writer, folder, replay->sequence);
    if (result != 0)
        return result;
    result = engine_save(replay->engine, replay_save_record, &saving);
    if (result != 0) {
        snapshot_writer_abandon(&saving.writer);
        return result;
    }
    return snapshot_writer_commit(&saving.writer);
}

// ---- applying

static void replay_note_gateway(struct replay *replay, const struct command *command)
{
    if (command->header.type == CMD_gateway_attach && command->header.gateway < GATEWAY_COUNT) {
        replay->gateways[command->header.gateway] =
            (struct replay_gateway){command->header.incarnation, true};
    } else if (command->header.type == CMD_gateway_detach) {
        const struct gateway_detach_cmd *detach = &command->body.gateway_detach;
        if (detach->gateway_id < GATEWAY_COUNT &&
            replay->gateways[detach->gateway_id].incarnation == detach->old_incarnation)
            replay->gateways[detach->gateway_id].attached = false;
    }
}

void replay_note(struct replay *replay, const struct command *command,
                 const struct event_sink *sink)
{
    ASSERT(sink->count > 0 && sink->count <= replay->limits.command_events_max);
    uint64_t digest = replay->events_digest;
    for (uint32_t i = 0; i < sink->count; i++)
        digest = digest_record(digest, &sink->events[(sink->position + i) & sink->mask]);
    const struct event *last = &sink->events[(sink->position + sink->count - 1) & sink->mask];
    ASSERT(last->header.last == 1 && last->header.sequence == command->header.sequence);
    replay->events_digest = digest;
    replay->events += sink->count;
    replay->sequence = command->header.sequence;
    replay_note_gateway(replay, command);
}

static bool replay_digest_agrees(const struct replay *replay, const struct command *command)
{
    const struct journal_digest_cmd *said = &command->body.journal_digest;
    if (said->digest == replay->events_digest && said->events == replay->events)
        return true;
    log_error("the events differ from those of the core that wrote the journal sequence=%" PRIu64
              " digest=%016" PRIx64 " journal_digest=%016" PRIx64 " events=%" PRIu64
              " journal_events=%" PRIu64,
              command->header.sequence, replay->events_digest, said->digest, replay->events,
              said->events);
    return false;
}

enum replay_result replay_apply(struct replay *replay, const struct command *command,
                                uint64_t epoch)
{
    const struct command_header *header = &command->header;
    bool digest_due = header->sequence % JOURNAL_DIGEST_EVERY == 0;
    if (header->sequence != replay->sequence + 1 ||
        (header->type == CMD_journal_digest) != digest_due)
        return REPLAY_OUT_OF_ORDER;
    if (digest_due && !replay_digest_agrees(replay, command))
        return REPLAY_DIGEST_DIFFERS;
    replay->sink.position = 0;
    replay->sink.count = 0;
    engine_apply(replay->engine, command, &replay->sink);
    replay_note(replay, command, &replay->sink);
    replay->epoch = epoch;
    return REPLAY_APPLIED;
}

// ---- poison

// Signal handlers have no arguments of ours: the one replay that this process guards.
static const struct replay *replay_guarded;
static const int replay_signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

static void replay_poisoned(int signal_number)
{
    (void)signal_number;
    // log_line formats on the stack and writes once; the process is in the middle of the engine,
    // which holds no lock.
    log_error("poison command: replay fails at it and is not tried again sequence=%llu "
              "hint=lonja-journal cut %llu --reason TEXT",
              (unsigned long long)replay_guarded->sequence + 1,
              (unsigned long long)replay_guarded->sequence + 1);
    _exit(EXIT_POISON);
}

void replay_guard_begin(const struct replay *replay)
{
    replay_guarded = replay;
    struct sigaction action = {.sa_handler = replay_poisoned};
    for (size_t i = 0; i < sizeof replay_signals / sizeof replay_signals[0]; i++)
        ASSERT(sigaction(replay_signals[i], &action, NULL) == 0);
}

void replay_guard_end(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < sizeof replay_signals / sizeof replay_signals[0]; i++)
        ASSERT(sigaction(replay_signals[i], &action, NULL) == 0);
    replay_guarded = NULL;
}
