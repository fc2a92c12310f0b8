#include "tests/sim/plants.h"

#include <string.h>

#include "core/journal.h"
#include "core/journal_block.h"
#include "core/snapshot_file.h"
#include "gateway/common/view.h"
#include "matcher/engine_xvp_lock.h"
#include "tests/sim/files.h"
#include "tests/sim/postgres.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/wraps.h"

static enum plant chosen;

static const struct {
    const char *name, *what;
} plants[PLANT_COUNT] = {
#define PLANT_ROW(name, what) [PLANT_##name] = {#name, what},
    PLANTS(PLANT_ROW)
#undef PLANT_ROW
};

bool plants_choose(const char *name)
{
    for (int i = 1; i < PLANT_COUNT; i++)
        if (strcmp(plants[i].name, name) == 0) {
            chosen = (enum plant)i;
            return true;
        }
    return false;
}

bool plants_is(enum plant plant)
{
    return chosen == plant;
}

void plants_list(FILE *stream)
{
    for (int i = 1; i < PLANT_COUNT; i++)
        fprintf(stream, "%-22s %s\n", plants[i].name, plants[i].what);
}

void plants_begin(void)
{
    if (plants_is(PLANT_sync_lies))
        fake_disk_lie_about_sync(files_disk(FILES_JOURNAL));
    if (plants_is(PLANT_snapshot_not_synced))
        fake_disk_lie_about_sync(files_disk(FILES_SNAPSHOTS));
    postgres_cursor_alone = plants_is(PLANT_cursor_alone);
}

// ---- the journal

static uint64_t appended;

void __real_journal_append(struct journal *journal, const struct command *command);
void __wrap_journal_append(struct journal *journal, const struct command *command);
void __wrap_journal_append(struct journal *journal, const struct command *command)
{
    appended = command->header.sequence;
    __real_journal_append(journal, command);
}

void __real_journal_flush(struct journal *journal);
void __wrap_journal_flush(struct journal *journal);
void __wrap_journal_flush(struct journal *journal)
{
    __real_journal_flush(journal);
    if (plants_is(PLANT_answer_before_sync) && appended > 0 &&
        appended > atomic_load(&journal->gate->control->durable_seq))
        __wrap_gate_publish(journal->gate, appended, 0);
}

bool __real_journal_block_payload_valid(const struct journal_block_header *block);
bool __wrap_journal_block_payload_valid(const struct journal_block_header *block);
bool __wrap_journal_block_payload_valid(const struct journal_block_header *block)
{
    return plants_is(PLANT_torn_block_taken) || __real_journal_block_payload_valid(block);
}

int __real_journal_open(struct journal *journal, const struct journal_io *io, struct gate *gate,
                        const struct clock *clock, const struct journal_options *options);
int __wrap_journal_open(struct journal *journal, const struct journal_io *io, struct gate *gate,
                        const struct clock *clock, const struct journal_options *options);
int __wrap_journal_open(struct journal *journal, const struct journal_io *io, struct gate *gate,
                        const struct clock *clock, const struct journal_options *options)
{
    struct journal_options changed = *options;
    if (plants_is(PLANT_epoch_not_raised) && changed.epoch > 1)
        changed.epoch--;
    return __real_journal_open(journal, io, gate, clock, &changed);
}

// ---- the engine

static void spoil(struct event *event)
{
    if (plants_is(PLANT_hold_not_released) && event->header.type == EVT_order_cancelled)
        event->body.order_cancelled.released = 0;
    if (plants_is(PLANT_time_priority_lost) && event->header.type == EVT_trade &&
        event->header.sequence % 7 == 0)
        event->body.trade.maker_order ^= 1;
    if (plants_is(PLANT_instruction_short) && event->header.type == EVT_xvp_posted &&
        event->body.xvp_posted.held_amount == 0)
        event->body.xvp_posted.amount--;
}

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    __real_engine_apply(engine, command, sink);
    for (uint32_t i = 0; chosen != PLANT_NONE && i < sink->count; i++)
        spoil(&sink->events[(sink->position + i) & sink->mask]);
}

bool __real_xvp_lock_fits(const struct xvp *xvp, const char *secret);
bool __wrap_xvp_lock_fits(const struct xvp *xvp, const char *secret);
bool __wrap_xvp_lock_fits(const struct xvp *xvp, const char *secret)
{
    return plants_is(PLANT_secret_unasked) || __real_xvp_lock_fits(xvp, secret);
}

// ---- gateways and tape

bool __real_link_on_event(struct link *link, const struct event *event, uint64_t *lost_above);
bool __wrap_link_on_event(struct link *link, const struct event *event, uint64_t *lost_above);
bool __wrap_link_on_event(struct link *link, const struct event *event, uint64_t *lost_above)
{
    bool attached = __real_link_on_event(link, event, lost_above);
    if (plants_is(PLANT_attach_too_early) && event->header.type == EVT_gateway_attached &&
        event->body.gateway_attached.gateway_id == link->gateway && link->attach_sent_ns != 0)
        link->attached = true;
    if (attached && plants_is(PLANT_in_doubt_forgotten))
        *lost_above = UINT64_MAX;
    return attached;
}

void __real_view_apply(struct view *view, const struct event *event);
void __wrap_view_apply(struct view *view, const struct event *event);
void __wrap_view_apply(struct view *view, const struct event *event)
{
    struct event spoiled = *event;
    if (plants_is(PLANT_view_misses_cancel) && event->header.type == EVT_order_cancelled &&
        event->header.sequence % 5 == 0)
        spoiled.header.type = EVT_done;
    __real_view_apply(view, &spoiled);
}

int __real_tape_writer_add(struct tape_writer *writer, const struct event *events, uint32_t count);
int __wrap_tape_writer_add(struct tape_writer *writer, const struct event *events, uint32_t count);
int __wrap_tape_writer_add(struct tape_writer *writer, const struct event *events, uint32_t count)
{
    if (plants_is(PLANT_tape_forgets) && events[0].header.sequence % 97 == 0) {
        writer->next_sequence++;
        return 0;
    }
    return __real_tape_writer_add(writer, events, count);
}
