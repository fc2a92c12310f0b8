#include "tests/sim/laws.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/map.h"
#include "core/recovery.h"
#include "core/sequencer.h"
#include "core/snapshot_file.h"
#include "gateway/common/view.h"
#include "tests/sim/clients.h"
#include "tests/sim/files.h"
#include "tests/sim/judge.h"
#include "tests/sim/plants.h"
#include "tests/sim/processes.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"
#include "tests/sim/wraps.h"

enum { COMMANDS_MAX = 1 << 18, FOLLOWERS_MAX = 8192, BOOKS_EVERY = 16 };

struct witness { // of one follower
    uint64_t next_sequence, digest;
    uint32_t next_index;
};

// What was said first of a sequence, and holds for everybody from then on; 0 = nothing yet.
static uint64_t said_command[COMMANDS_MAX]; // digest of its events
static uint64_t said_running[COMMANDS_MAX]; // digest of all events so far
static uint64_t said_books[COMMANDS_MAX / BOOKS_EVERY][INSTRUMENTS + 1];

static struct {
    uint64_t published, highest;
    uint64_t epoch;         // the last one that began
    uint64_t epoch_durable; // the last one of which something was published
    bool disk_fails;
    struct witness witnesses[FOLLOWERS_MAX];
    uint32_t witness_count;
    struct map of_follower; // its address -> index + 1
} laws;

void laws_begin(void)
{
    map_init(&laws.of_follower);
}

void laws_disk_fails(void)
{
    laws.disk_fails = true;
}

bool laws_disk_has_failed(void)
{
    return laws.disk_fails;
}

uint64_t laws_published(void)
{
    return laws.published;
}

static void check_number(uint64_t sequence)
{
    LAW(sequence < COMMANDS_MAX, "the simulator has too little room for this life");
    if (sequence > laws.highest)
        laws.highest = sequence;
}

static void agree(uint64_t *said, uint64_t digest, const char *what, uint64_t sequence)
{
    if (*said == 0)
        *said = digest;
    LAW(*said == digest, "%s differ at sequence %llu, as %s sees it", what,
        (unsigned long long)sequence, processes_name(fiber_owner()));
}

// ---- what is published

void __wrap_gate_publish(struct gate *gate, uint64_t sequence, uint32_t asked)
{
    scheduler_effect();
    if (plants_is(PLANT_answer_before_sync) && sequence < laws.published)
        return; // the write comes behind the answer
    LAW(sequence >= laws.published, "durable_seq goes back: %llu behind %llu",
        (unsigned long long)sequence, (unsigned long long)laws.published);
    laws.published = sequence;
    laws.epoch_durable = laws.epoch;
    if (plants_is(PLANT_event_before_command) &&
        atomic_load(&gate->control->applied_seq) > sequence)
        sequence++;
    __real_gate_publish(gate, sequence, asked);
    scheduler_effect();
}

// A core has recovered, and begins its epoch.
int __real_sequencer_open(struct sequencer *sequencer, const struct boot *boot,
                          struct replay *replay, struct journal *journal, struct gate *gate,
                          const struct event_ring *ring, const struct clock *clock, uint64_t epoch);
int __wrap_sequencer_open(struct sequencer *sequencer, const struct boot *boot,
                          struct replay *replay, struct journal *journal, struct gate *gate,
                          const struct event_ring *ring, const struct clock *clock, uint64_t epoch);
int __wrap_sequencer_open(struct sequencer *sequencer, const struct boot *boot,
                          struct replay *replay, struct journal *journal, struct gate *gate,
                          const struct event_ring *ring, const struct clock *clock, uint64_t epoch)
{
    LAW(epoch > laws.epoch, "epoch %llu behind epoch %llu", (unsigned long long)epoch,
        (unsigned long long)laws.epoch);
    LAW(replay->sequence >= laws.published,
        "lost: a core has recovered up to %llu, and %llu was published",
        (unsigned long long)replay->sequence, (unsigned long long)laws.published);
    laws.published = replay->sequence;
    int result = __real_sequencer_open(sequencer, boot, replay, journal, gate, ring, clock, epoch);
    laws.epoch = epoch; // a core that dies before has begun none
    return result;
}

// A life of the core of which nothing became durable has left no trace: its epoch may come again.
void laws_power_failed(void)
{
    laws.epoch = laws.epoch_durable;
}

static bool no_record(void *context, const struct snapshot_record *record)
{
    (void)context, (void)record;
    return true;
}

void laws_snapshots(void)
{
    uint64_t sequence;
    for (uint64_t limit = UINT64_MAX;
         numbered_largest(&sequence, FILES_STATE "/snapshots", SNAPSHOT_SUFFIX, limit);
         limit = sequence - 1) {
        LAW(snapshot_file_read(FILES_STATE "/snapshots", sequence, no_record, NULL),
            "snapshot %llu has its name and is not whole", (unsigned long long)sequence);
        if (sequence == 0)
            return;
    }
}

// What it had recovered and not published may be recovered otherwise the next time.
void laws_core_died(void)
{
    for (uint64_t i = laws.published + 1; i <= laws.highest; i++)
        said_command[i] = said_running[i] = 0;
    for (uint64_t i = laws.published / BOOKS_EVERY + 1; i <= laws.highest / BOOKS_EVERY; i++)
        memset(said_books[i], 0, sizeof said_books[i]);
}

// ---- replays

enum replay_result __wrap_replay_apply(struct replay *replay, const struct command *command,
                                       uint64_t epoch)
{
    enum replay_result result = __real_replay_apply(replay, command, epoch);
    LAW(result == REPLAY_APPLIED, "%s: a replay stops at %llu: %s", processes_name(fiber_owner()),
        (unsigned long long)command->header.sequence,
        result == REPLAY_DIGEST_DIFFERS ? "its events differ" : "out of order");
    uint64_t sequence = replay->sequence;
    check_number(sequence);
    agree(&said_running[sequence], replay->events_digest, "events so far", sequence);
    if (sequence % BOOKS_EVERY == 0)
        for (uint32_t i = 1; i <= INSTRUMENTS; i++)
            agree(&said_books[sequence / BOOKS_EVERY][i], engine_book_digest(replay->engine, i) | 1,
                  "books", sequence);
    return result;
}

// The core's own, command by command.
void __real_replay_note(struct replay *replay, const struct command *command,
                        const struct event_sink *sink);
void __wrap_replay_note(struct replay *replay, const struct command *command,
                        const struct event_sink *sink);
void __wrap_replay_note(struct replay *replay, const struct command *command,
                        const struct event_sink *sink)
{
    uint64_t before = replay->events_digest;
    __real_replay_note(replay, command, sink);
    if (plants_is(PLANT_digest_skipped) && sink->count == 3)
        replay->events_digest = before;
    check_number(replay->sequence);
    agree(&said_running[replay->sequence], replay->events_digest, "events so far",
          replay->sequence);
}

void laws_view(const struct view *view)
{
    uint64_t sequence = view_sequence(view);
    if (sequence % BOOKS_EVERY != 0)
        return;
    check_number(sequence);
    for (uint32_t i = 1; i <= INSTRUMENTS; i++)
        if (view_instrument(view, i) != NULL)
            agree(&said_books[sequence / BOOKS_EVERY][i], view_book_digest(view, i) | 1,
                  "books of a view", sequence);
}

// ---- followers

struct follower *__real_follower_open(const struct boot *boot, uint64_t after_sequence);
struct follower *__wrap_follower_open(const struct boot *boot, uint64_t after_sequence);
struct follower *__wrap_follower_open(const struct boot *boot, uint64_t after_sequence)
{
    struct follower *follower = __real_follower_open(boot, after_sequence);
    LAW(laws.witness_count < FOLLOWERS_MAX, "the simulator has too few witnesses");
    laws.witnesses[laws.witness_count++] = (struct witness){.next_sequence = after_sequence + 1};
    map_put(&laws.of_follower, (uint64_t)(uintptr_t)follower, laws.witness_count);
    return follower;
}

static void witness_event(struct witness *witness, const struct event *event)
{
    const struct event_header *header = &event->header;
    LAW(header->sequence <= laws.published,
        "%s is shown sequence %llu, and what is durable ends at %llu",
        processes_name(fiber_owner()), (unsigned long long)header->sequence,
        (unsigned long long)laws.published);
    LAW(header->sequence == witness->next_sequence && header->index == witness->next_index,
        "%s is shown event %llu.%u where %llu.%u follows", processes_name(fiber_owner()),
        (unsigned long long)header->sequence, header->index,
        (unsigned long long)witness->next_sequence, witness->next_index);
    witness->digest = digest_record(header->index == 0 ? 0 : witness->digest, event);
    witness->next_index++;
    if (!header->last)
        return;
    check_number(header->sequence);
    agree(&said_command[header->sequence], witness->digest, "events", header->sequence);
    witness->next_sequence++;
    witness->next_index = 0;
}

size_t __wrap_follower_poll(struct follower *follower, struct event *out, size_t max)
{
    size_t count = __real_follower_poll(follower, out, max);
    uint64_t index;
    ASSERT(map_get(&laws.of_follower, (uint64_t)(uintptr_t)follower, &index));
    for (size_t i = 0; i < count; i++)
        witness_event(&laws.witnesses[index - 1], &out[i]);
    return count;
}

// ---- at the end

static void judge_command(void *context, const struct replay *replay, const struct command *command)
{
    (void)context;
    uint64_t digest = 0;
    for (uint32_t i = 0; i < replay->sink.count; i++)
        digest = digest_record(digest, &replay->sink.events[i]);
    agree(&said_command[command->header.sequence], digest, "events", command->header.sequence);
    judge_apply(command, replay->sink.events, replay->sink.count);
    for (uint32_t i = 0; i < replay->sink.count; i++)
        clients_judge_event(&replay->sink.events[i]);
}

static void open_replay(struct replay *replay)
{
    struct engine_limits limits = replay_limits(&processes_boot(PROCESS_CORE)->config);
    ASSERT(replay_open(replay, &limits) == 0);
}

// A second recovery, from whatever snapshot there is, must come to the same.
static void judge_snapshots(const struct replay *whole)
{
    struct replay replay;
    struct recovered recovered;
    open_replay(&replay);
    LAW(recovery_run(&recovered, &replay, files_journal(), FILES_STATE "/snapshots", UINT64_MAX,
                     NULL, NULL),
        "no recovery from the snapshots");
    LAW(replay.sequence == whole->sequence && replay.events_digest == whole->events_digest &&
            engine_digest(replay.engine) == engine_digest(whole->engine),
        "recovery from snapshot %llu comes to another state than from the beginning",
        (unsigned long long)recovered.snapshot_sequence);
    replay_close(&replay);
}

void laws_judge(void)
{
    struct replay replay;
    struct recovered recovered;
    open_replay(&replay);
    judge_begin(&replay.limits);
    clients_judge_begin();
    LAW(recovery_run_all(&recovered, &replay, files_journal(), UINT64_MAX, judge_command, NULL),
        "the journal cannot be replayed from its beginning");
    LAW(replay.sequence == laws.published, "the journal ends at %llu, published is %llu",
        (unsigned long long)replay.sequence, (unsigned long long)laws.published);
    engine_check(replay.engine);
    clients_judge_end();
    judge_end(replay.engine);
    judge_snapshots(&replay);
    replay_close(&replay);
}

uint64_t laws_commands(void)
{
    return laws.published;
}

uint64_t laws_trades(void)
{
    return judge_trades();
}
