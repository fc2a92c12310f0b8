// lonja-tape: replays durable commands with an engine of its own, compares its digests with the
// core's, writes the events on the tape and makes snapshots.
//
// It begins at the newest snapshot that the tape holds, else at the beginning of the journal: the
// tape and the snapshots are caches of f(journal). Exit: 0 after SIGTERM; EXIT_CONFIGURATION;
// EXIT_POISON when a digest differs, the journal is corrupt or the engine asserts; 1 when the disk
// fails (tried again).
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/answer_cpu.h"
#include "base/boot.h"
#include "base/clock.h"
#include "base/event_ring.h"
#include "base/log.h"
#include "base/reader_page.h"
#include "core/journal_archive.h"
#include "core/journal_reader.h"
#include "core/recovery.h"
#include "core/snapshot_file.h"
#include "core/tape_reader.h"
#include "core/tape_tool.h"
#include "core/tape_writer.h"

enum {
    TAPE_WAIT_MS = 100,
    TAPE_NAP_MS = 20, // each look costs the disk a read between two writes of the journal
    TAPE_RETRIES_MAX = 100,
    TAPE_RETRY_MS = 10,
};

struct tape {
    const struct boot *boot;
    struct event_ring ring;
    struct reader_page *page;
    struct journal_io io;
    struct journal_io_file io_file;
    struct journal_archive archive; // a tape that is written anew begins there
    struct replay replay;
    struct journal_reader reader;
    struct tape_writer writer;
    char snapshots[NUMBERED_PATH_BYTES];
    char folder[NUMBERED_PATH_BYTES];
    uint64_t seen_durable;      // at the last look
    uint64_t read_durable;      // when what is read ahead was read
    uint64_t snapshot_sequence; // of the last snapshot, or of the last that failed
    unsigned retries;           // times a durable block could not be read
};

static volatile sig_atomic_t tape_stop_asked;

static void tape_on_signal(int signal_number)
{
    (void)signal_number;
    tape_stop_asked = 1;
}

static void tape_require(int result, const char *what, int status)
{
    if (result >= 0)
        return;
    log_error("%s failed error=%s", what, strerror(-result));
    exit(status);
}

static uint64_t tape_durable(const struct tape *tape)
{
    return atomic_load_explicit(&tape->ring.control->durable_seq, memory_order_acquire);
}

// ---- start

static void tape_open_memory(struct tape *tape)
{
    const struct config *config = &tape->boot->config;
    tape_require(event_ring_open_reader(&tape->ring, tape->boot->event_ring_fd,
                                        (uint64_t)config->rings_events,
                                        (uint64_t)config->limits_command_events_max),
                 "mapping the event ring", EXIT_CONFIGURATION);
    tape_require(reader_page_open(&tape->page, tape->boot->reader_page_fd[PROCESS_TAPE]),
                 "mapping the reader page", EXIT_CONFIGURATION);
    struct engine_limits limits = replay_limits(config);
    tape_require(replay_open(&tape->replay, &limits), "taking the engine's memory",
                 EXIT_CONFIGURATION);
}

static void tape_open_folders(struct tape *tape)
{
    const struct config *config = &tape->boot->config;
    char journal[NUMBERED_PATH_BYTES];
    state_folder(journal, config, "journal");
    state_folder(tape->snapshots, config, "snapshots");
    state_folder(tape->folder, config, "tape");
    tape_require(state_folder_make(tape->snapshots), "making the snapshots' folder", 1);
    int locked = tape_lock(tape->folder);
    if (locked == -EWOULDBLOCK)
        log_error("another process writes this tape: another lonja-tape, or a rebuild");
    tape_require(locked, "locking the tape", 1);
    tape_require(journal_io_file_open(&tape->io, &tape->io_file, journal, true),
                 "opening the journal's folder", 1);
    tape_require(journal_archive_open(&tape->archive, &tape->io, journal),
                 "opening the journal's archive", 1);
}

// Loads the newest snapshot from which the tape can go on; false: from the beginning. The tape comes
// first: opening it takes off what was lost with the machine, and of a snapshot that it does not
// reach nothing need be read.
static bool tape_resume(struct tape *tape)
{
    uint64_t segment_events = (uint64_t)tape->boot->config.tape_segment_events;
    uint64_t limit = tape_again_from(tape->folder), first, sequence;
    // A tape without its beginning is no tape, since followers start at 1, unless the operator has
    // said that it may be forgotten.
    if (!numbered_smallest(&first, tape->folder, TAPE_SUFFIX) ||
        (first != 1 && tape->boot->config.tape_keep_sequences == 0))
        return false;
    while (snapshot_file_newest(&sequence, tape->snapshots, limit) && sequence > 0) {
        if (tape_writer_open(&tape->writer, tape->folder, segment_events, sequence) == 0) {
            if (replay_load(&tape->replay, tape->snapshots, sequence))
                return true;
            tape_writer_close(&tape->writer);
            tape_require(replay_reset(&tape->replay), "taking the engine's memory", 1);
        }
        log_warning("cannot go on from snapshot sequence=%" PRIu64, sequence);
        limit = sequence - 1;
    }
    return false;
}

// Behind the newest snapshot nothing is promised of the tape; before it, everything. Whoever begins
// at an older one writes that part again, and if he dies on the way, what he wrote looks whole and
// may not be durable: the next one begins there, too.
static void tape_mark_again(struct tape *tape)
{
    uint64_t newest;
    if (numbered_largest(&newest, tape->snapshots, SNAPSHOT_SUFFIX, UINT64_MAX) &&
        newest > tape->replay.sequence)
        tape_require(tape_again_mark(tape->folder, tape->replay.sequence), "marking the tape", 1);
}

static void tape_start(struct tape *tape)
{
    if (!tape_resume(tape))
        tape_require(tape_writer_open(&tape->writer, tape->folder,
                                      (uint64_t)tape->boot->config.tape_segment_events, 0),
                     "opening the tape", 1);
    tape_mark_again(tape);
    tape->snapshot_sequence = tape->replay.sequence;
    atomic_store_explicit(&tape->page->snapshot_seq, tape->replay.sequence, memory_order_relaxed);
    atomic_store_explicit(&tape->page->snapshots_failed, 0, memory_order_relaxed);
    tape_require(journal_reader_open(&tape->reader, &tape->io, tape->replay.sequence + 1, true),
                 "opening the journal", 1);
    log_info("tape goes on sequence=%" PRIu64 " on_tape=%" PRIu64, tape->replay.sequence,
             tape_reader_last_sequence(tape->folder));
}

// ---- run

static void tape_apply(struct tape *tape, const struct command *command, uint64_t epoch)
{
    struct replay *replay = &tape->replay;
    enum replay_result result = replay_apply(replay, command, epoch);
    if (result != REPLAY_APPLIED) {
        log_error("THE TAPE DIFFERS FROM THE CORE and stops sequence=%" PRIu64 " reason=%s",
                  command->header.sequence,
                  result == REPLAY_DIGEST_DIFFERS ? "events digest" : "order of sequences");
        exit(EXIT_POISON);
    }
    tape_require(tape_writer_add(&tape->writer, replay->sink.events, replay->sink.count),
                 "writing the tape", 1);
}

// Behind a snapshot. If it is the newest, what is before it is durable (tape_mark_again).
static void tape_unmark_again(struct tape *tape)
{
    uint64_t newest = UINT64_MAX; // if the folder cannot be read: the mark stays
    (void)numbered_largest(&newest, tape->snapshots, SNAPSHOT_SUFFIX, UINT64_MAX);
    if (newest <= tape->replay.sequence)
        tape_again_unmark(tape->folder);
}

// Finished segments that nobody is said to need go, but none that a kept snapshot leads to: a
// restart from it needs the events behind it.
static void tape_forget(struct tape *tape)
{
    uint64_t keep = (uint64_t)tape->boot->config.tape_keep_sequences, oldest = 0;
    if (keep == 0 || keep >= tape->replay.sequence)
        return;
    uint64_t before = tape->replay.sequence - keep;
    (void)numbered_smallest(&oldest, tape->snapshots, SNAPSHOT_SUFFIX); // there is one by now
    int result = tape_forget_before(tape->folder, before < oldest ? before : oldest);
    if (result != 0)
        log_warning("an old tape segment stays error=%s", strerror(-result));
}

static void tape_snapshot(struct tape *tape)
{
    // The tape first: whoever begins at the snapshot finds everything before it there.
    tape_require(tape_writer_sync(&tape->writer), "syncing the tape", 1);
    int result = replay_save(&tape->replay, tape->snapshots);
    // A failed one is not tried again at the next block, which would keep a full disk busy, but
    // when the next is due; until then a restart only takes longer.
    tape->snapshot_sequence = tape->replay.sequence;
    if (result != 0) {
        atomic_fetch_add_explicit(&tape->page->snapshots_failed, 1, memory_order_relaxed);
        log_error("no snapshot: the older ones stay, the tape goes on, the next is tried after "
                  "tape.snapshot_every commands sequence=%" PRIu64 " error=%s",
                  tape->replay.sequence, strerror(-result));
        return;
    }
    atomic_store_explicit(&tape->page->snapshot_seq, tape->replay.sequence, memory_order_relaxed);
    tape_unmark_again(tape);
    tape_forget(tape);
    log_info("snapshot sequence=%" PRIu64 " events=%" PRIu64 " events_digest=%016" PRIx64
             " state_digest=%016" PRIx64,
             tape->replay.sequence, tape->replay.events, tape->replay.events_digest,
             engine_digest(tape->replay.engine));
}

static void tape_block(struct tape *tape, const struct journal_block_header *block)
{
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL)
        if (command->header.sequence > tape->replay.sequence)
            tape_apply(tape, command, block->epoch);
    tape_require(tape_writer_flush(&tape->writer), "writing the tape", 1);
    atomic_store_explicit(&tape->page->position_seq, tape->replay.sequence, memory_order_release);
    uint64_t since = tape->replay.sequence - tape->snapshot_sequence;
    if (since >= (uint64_t)tape->boot->config.tape_snapshot_every)
        tape_snapshot(tape);
}

// A block that is said to be durable must be there; a look that came too early is tried again.
static void tape_retry(struct tape *tape, enum journal_decision decision)
{
    if (++tape->retries > TAPE_RETRIES_MAX) {
        log_error("a durable block cannot be read sequence=%" PRIu64 " durable=%" PRIu64
                  " reason=%s",
                  tape->replay.sequence + 1, tape_durable(tape),
                  decision == JOURNAL_CORRUPT ? tape->reader.reason : "it is not there");
        exit(decision == JOURNAL_CORRUPT ? EXIT_POISON : 1);
    }
    nanosleep(&(struct timespec){.tv_nsec = TAPE_RETRY_MS * 1000000}, NULL);
}

// One block, if there is a durable one. Returns whether it did something.
static bool tape_work(struct tape *tape)
{
    atomic_store_explicit(&tape->page->heartbeat_ns, clock_monotone_ns(&clock_system),
                          memory_order_relaxed);
    tape->seen_durable = tape_durable(tape);
    if (tape->seen_durable < tape->reader.next_sequence)
        return false;
    // What was read ahead and was not durable then shows no block: as if the journal ended there,
    // of which all that lies behind would be searched.
    if (tape->read_durable < tape->reader.next_sequence) {
        journal_reader_forget(&tape->reader);
        tape->read_durable = tape->seen_durable;
    }
    const struct journal_block_header *block;
    enum journal_decision decision = journal_reader_next(&tape->reader, &block);
    if (decision == JOURNAL_READ) {
        tape->retries = 0;
        tape_block(tape, block);
    } else {
        tape_retry(tape, decision);
    }
    return true;
}

static void tape_wait(struct tape *tape)
{
    // Something may have come since the last look: then nobody sleeps.
    bool quiet =
        reader_page_sleep_begin(tape->page, &tape->ring.control->durable_seq, tape->seen_durable);
    reader_page_wait_patiently(tape->page, TAPE_WAIT_MS * 1000000u * quiet, TAPE_NAP_MS);
    reader_page_sleep_end(tape->page);
}

int main(int count, char **words)
{
    if (count > 1) {
        log_open("tape");
        return tape_tool_command(count - 1, words + 1);
    }
    struct tape *tape = calloc(1, sizeof *tape); // too large for the stack
    ASSERT(tape != NULL);
    tape->boot = boot_inherit(PROCESS_TAPE);
    log_open(process_name(PROCESS_TAPE));
    answer_cpu_leave(&tape->boot->config);
    struct sigaction stop = {.sa_handler = tape_on_signal};
    ASSERT(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
    tape_open_memory(tape);
    tape_open_folders(tape);
    tape_start(tape);
    replay_guard_begin(&tape->replay);
    while (!tape_stop_asked)
        if (!tape_work(tape))
            tape_wait(tape);
    // What is durable when we are asked to stop still goes on the tape: a core that stopped before
    // us has nothing left that is not there.
    uint64_t durable = tape_durable(tape);
    while (tape->replay.sequence < durable)
        (void)tape_work(tape);
    replay_guard_end();
    if (tape->replay.sequence > tape->snapshot_sequence)
        tape_snapshot(tape);
    log_info("stopped sequence=%" PRIu64 " events=%" PRIu64 " events_digest=%016" PRIx64
             " state_digest=%016" PRIx64,
             tape->replay.sequence, tape->replay.events, tape->replay.events_digest,
             engine_digest(tape->replay.engine));
    return 0;
}
