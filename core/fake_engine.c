#include "core/fake_engine.h"

#include <string.h>

#include "base/digest.h"
#include "matcher/engine.h"

struct engine {
    struct engine_limits limits;
    uint64_t sequence, time_ns, hash, deadline_ns, continuations, ticks;
    uint8_t venue_state;
};

size_t engine_bytes(const struct engine_limits *limits)
{
    return limits->command_events_max == 0 ? 0 : sizeof(struct engine);
}

struct engine *engine_init(void *memory, const struct engine_limits *limits)
{
    struct engine *engine = memory;
    *engine = (struct engine){
        .limits = *limits, .venue_state = VENUE_CANCEL_ONLY, .deadline_ns = UINT64_MAX};
    return engine;
}

static uint32_t fake_events(const struct engine *engine, const struct command *command)
{
    if (command->header.type != CMD_nav_set)
        return 1;
    ASSERT(command->body.nav_set.nav != FAKE_POISON);
    uint64_t events = (uint64_t)command->body.nav_set.nav;
    return events >= 1 && events <= engine->limits.command_events_max ? (uint32_t)events : 1;
}

static void fake_act(struct engine *engine, const struct command *command)
{
    const struct command_header *header = &command->header;
    if (header->type == CMD_venue_state)
        engine->venue_state = command->body.venue_state.state;
    if (header->type == CMD_reference_set)
        engine->continuations = (uint64_t)command->body.reference_set.price;
    if (header->type == CMD_breaker_set) {
        engine->deadline_ns = header->time_ns + command->body.breaker_set.tripped;
        engine->ticks = command->body.breaker_set.instrument;
    }
    if (header->type == CMD_clock_tick && header->gateway == GATEWAY_CORE) {
        engine->deadline_ns = engine->ticks > 0 ? header->time_ns : UINT64_MAX;
        engine->ticks -= engine->ticks > 0;
        if (engine->continuations > 0)
            engine->continuations--;
    }
}

bool engine_is_wide(const struct engine *engine)
{
    return engine != NULL; // look ahead always: it must not matter
}

void engine_fetch(const struct engine *engine, const struct command *command, uint32_t step)
{
    ASSERT(engine != NULL && step < ENGINE_FETCH_STEPS);
    ASSERT(command->header.type != CMD_padding);
}

void engine_apply(struct engine *engine, const struct command *command, struct event_sink *sink)
{
    const struct command_header *header = &command->header;
    ASSERT(header->sequence == engine->sequence + 1 && header->time_ns > engine->time_ns);
    // As the real one: what it wants to go on with is the next command, but for digests.
    ASSERT(engine->continuations == 0 || header->type == CMD_journal_digest ||
           (header->type == CMD_clock_tick && header->gateway == GATEWAY_CORE));
    engine->sequence = header->sequence;
    engine->time_ns = header->time_ns;
    uint8_t slot[128] = {0};
    memcpy(slot, command, SLOT_BYTES);
    engine->hash = digest_record(engine->hash, slot);
    fake_act(engine, command);
    uint32_t count = fake_events(engine, command);
    for (uint32_t i = 0; i < count; i++) {
        struct event *event = &sink->events[(sink->position + i) & sink->mask];
        memset(event, 0, sizeof *event);
        event->header = (struct event_header){.sequence = header->sequence,
                                              .time_ns = header->time_ns,
                                              .index = i,
                                              .type = EVT_done,
                                              .last = i + 1 == count,
                                              .gateway = header->gateway,
                                              .version = SCHEMA_VERSION,
                                              .session = header->session,
                                              .gateway_seq = header->gateway_seq};
        event->body.done.command = header->type;
    }
    sink->count = count;
}

uint64_t engine_next_deadline_ns(const struct engine *engine)
{
    return engine->deadline_ns;
}

uint64_t engine_sequence(const struct engine *engine)
{
    return engine->sequence;
}

uint64_t engine_time_ns(const struct engine *engine)
{
    return engine->time_ns;
}

uint8_t engine_venue_state(const struct engine *engine)
{
    return engine->venue_state;
}

bool engine_continuation(const struct engine *engine, struct command *out)
{
    if (engine->continuations == 0)
        return false;
    memset(out, 0, sizeof *out);
    out->header.slots = command_slots(CMD_clock_tick, 0);
    out->header.type = CMD_clock_tick;
    out->header.version = SCHEMA_VERSION;
    return true;
}

uint64_t engine_digest(const struct engine *engine)
{
    return engine->hash ^ engine->sequence;
}

void engine_check(const struct engine *engine)
{
    ASSERT(engine->sequence == 0 || engine->time_ns > 0);
}

int engine_save(const struct engine *engine, engine_save_sink *sink, void *context)
{
    struct snapshot_record record = {.header = {.type = REC_meta, .version = SCHEMA_VERSION}};
    record.body.meta.sequence = engine->sequence;
    record.body.meta.time_ns = engine->time_ns;
    record.body.meta.engine_version = ENGINE_VERSION;
    record.body.meta.venue_state = engine->venue_state;
    int result = sink(context, &record);
    if (result != 0)
        return result;
    struct snapshot_record state = {.header = {.type = REC_reference, .version = SCHEMA_VERSION}};
    state.body.reference.ref_number = engine->hash;
    return sink(context, &state);
}

bool engine_load(struct engine *engine, const struct snapshot_record *record)
{
    if (record->header.type == REC_meta) {
        engine->sequence = record->body.meta.sequence;
        engine->time_ns = record->body.meta.time_ns;
        engine->venue_state = record->body.meta.venue_state;
    } else {
        engine->hash = record->body.reference.ref_number;
    }
    return true;
}
