// Happy path: read the limits, load a snapshot, take block after block, stop where asked. A journal
// that is corrupt, or makes other events than its digests say, is refused with the place; a torn
// end is an end. Beside a writing core the reader may see zeroes where a block is by now: it looks
// again until it is as far as the venue says it is durable.
#include "core/explain_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/explain.h"
#include "core/journal_tool.h"
#include "core/snapshot_file.h"

enum {
    PROGRESS_FIRST_MS = 1000,
    PROGRESS_TERMINAL_MS = 250,
    PROGRESS_ELSEWHERE_MS = 10000,
    PROGRESS_EVERY_COMMANDS = 1024,
    AWAIT_MS = 3000,
    AWAIT_PAUSE_MS = 20,
    STATUS_MADE_MS = 20, // from looking at the core to the file's name
};

static void complain(const char *what, const char *why)
{
    fprintf(stderr, "lonja-explain: %s: %s\n", what, why);
}

static void complain_at(const struct command *command, const char *why)
{
    fprintf(stderr, "lonja-explain: sequence %" PRIu64 ": %s\n", command->header.sequence, why);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = AWAIT_PAUSE_MS * 1000000L}, NULL);
}

// ---- how far the venue is

// The supervisor writes status.json every second. Without a running core nothing is being written:
// all that is whole in the journal is what a recovery would take.
static void look_at_status(struct explain_journal *journal)
{
    char path[NUMBERED_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/status.json", journal->state);
    json_t *status = json_load_file(path, 0, NULL);
    pid_t supervisor = (pid_t)json_integer_value(json_object_get(status, "supervisor_pid"));
    const char *core = json_string_value(json_object_get(status, "core_state"));
    bool alive = supervisor > 0 && (kill(supervisor, 0) == 0 || errno == EPERM);
    journal->live = alive && core != NULL && strcmp(core, "running") == 0;
    journal->durable = journal->live
                           ? (uint64_t)json_integer_value(json_object_get(status, "durable_seq"))
                           : UINT64_MAX;
    json_decref(status);
}

// True if the status was made after the question was asked: then it has all that its asker has
// seen.
static bool status_is_fresh(const struct explain_journal *journal)
{
    char path[NUMBERED_PATH_BYTES + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s/status.json", journal->state);
    if (stat(path, &st) != 0)
        return false;
    uint64_t made_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
    return made_ns > journal->asked_ns + (uint64_t)STATUS_MADE_MS * 1000000;
}

static void await_fresh_status(struct explain_journal *journal)
{
    for (int i = 0; i < AWAIT_MS / AWAIT_PAUSE_MS && journal->live; i++) {
        bool fresh = status_is_fresh(journal);
        look_at_status(journal);
        if (fresh)
            return;
        nap();
    }
}

// ---- open, start

static int open_folder(struct explain_journal *journal)
{
    char folder[NUMBERED_PATH_BYTES + 16];
    snprintf(folder, sizeof folder, "%s/journal", journal->state);
    int result = access(folder, F_OK) != 0 ? -errno : 0; // a mistyped folder is not made
    if (result == 0)
        result = journal_io_file_open(&journal->io, &journal->file, folder, true);
    if (result == 0) {
        result = journal_archive_open(&journal->archive, &journal->io, folder);
        if (result == 0)
            return 0;
        journal_io_file_close(&journal->file);
    }
    complain(folder, strerror(-result));
    return EXPLAIN_NONE;
}

static int open_engine(struct explain_journal *journal)
{
    struct engine_limits limits;
    if (!journal_tool_limits(&limits, &journal->io)) {
        complain(journal->state,
                 "the journal is empty, or no segment of it names limits that this engine knows");
        return EXPLAIN_NONE;
    }
    int result = replay_open(&journal->replay, &limits);
    if (result == 0)
        return 0;
    complain("an engine of the journal's limits", strerror(-result));
    return EXPLAIN_NONE;
}

int explain_journal_open(struct explain_journal *journal, const char *state)
{
    memset(journal, 0, sizeof *journal);
    if (strlen(state) >= sizeof journal->state - 16) {
        complain(state, strerror(ENAMETOOLONG));
        return EXPLAIN_NONE;
    }
    snprintf(journal->state, sizeof journal->state, "%s", state);
    snprintf(journal->snapshots, sizeof journal->snapshots, "%.*s/snapshots",
             (int)sizeof journal->state - 16, state);
    journal->asked_ns = clock_wall_ns(&clock_system);
    look_at_status(journal);
    int result = open_folder(journal);
    if (result != 0)
        return result;
    result = open_engine(journal);
    if (result != 0) {
        journal_archive_close(&journal->archive);
        journal_io_file_close(&journal->file);
    }
    return result;
}

void explain_journal_close(struct explain_journal *journal)
{
    replay_close(&journal->replay);
    journal_archive_close(&journal->archive);
    journal_io_file_close(&journal->file);
}

int explain_journal_start(struct explain_journal *journal, uint64_t sequence, uint64_t time_ns)
{
    struct replay *replay = &journal->replay;
    uint64_t limit = sequence < journal->durable ? sequence : journal->durable, found;
    ASSERT(replay->sequence == 0);
    while (limit > 0 && snapshot_file_newest(&found, journal->snapshots, limit)) {
        if (replay_load(replay, journal->snapshots, found) &&
            engine_time_ns(replay->engine) <= time_ns) {
            journal->snapshot = found;
            return 0;
        }
        int result = replay_reset(replay);
        if (result != 0) {
            complain("an engine of the journal's limits", strerror(-result));
            return EXPLAIN_NONE;
        }
        limit = found > 0 ? found - 1 : 0;
    }
    return 0;
}

// ---- run

static void progress(struct explain_journal *journal)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    bool terminal = isatty(STDERR_FILENO) == 1;
    if (now_ns < journal->next_progress_ns)
        return;
    fprintf(stderr, "%slonja-explain: replaying, at sequence %" PRIu64 "%s", terminal ? "\r" : "",
            journal->replay.sequence, terminal ? "" : "\n");
    journal->next_progress_ns =
        now_ns + (uint64_t)(terminal ? PROGRESS_TERMINAL_MS : PROGRESS_ELSEWHERE_MS) * 1000000;
}

static void progress_end(uint64_t began_ns)
{
    if (isatty(STDERR_FILENO) == 1 &&
        clock_monotone_ns(&clock_system) - began_ns >= (uint64_t)PROGRESS_FIRST_MS * 1000000)
        fprintf(stderr, "\r\033[K");
}

enum step { STEP_ON, STEP_STOP, STEP_CORRUPT };

static enum step run_command(struct explain_journal *journal, const struct command *command,
                             uint64_t epoch, const struct explain_walk *walk)
{
    struct replay *replay = &journal->replay;
    if (walk->before != NULL && !walk->before(walk->context, replay, command))
        return STEP_STOP;
    enum replay_result result = replay_apply(replay, command, epoch);
    if (result != REPLAY_APPLIED) {
        complain_at(
            command,
            result == REPLAY_DIGEST_DIFFERS
                ? "this engine makes other events than the journal says (another version of it?)"
                : "the journal is out of order");
        return STEP_CORRUPT;
    }
    if (replay->sequence % PROGRESS_EVERY_COMMANDS == 0)
        progress(journal);
    return walk->after == NULL || walk->after(walk->context, replay, command) ? STEP_ON : STEP_STOP;
}

static enum step run_block(struct explain_journal *journal,
                           const struct journal_block_header *block, uint64_t until,
                           const struct explain_walk *walk)
{
    const struct command *command = NULL;
    ASSERT(block->first_sequence <= journal->replay.sequence + 1); // as the reader was asked
    while ((command = journal_block_next(block, command)) != NULL) {
        if (command->header.sequence > until)
            return STEP_STOP;
        if (command->header.sequence <= journal->replay.sequence)
            continue;
        enum step step = run_command(journal, command, block->epoch, walk);
        if (step != STEP_ON)
            return step;
    }
    return STEP_ON;
}

static int run_reader(struct explain_journal *journal, struct journal_reader *reader,
                      uint64_t until, const struct explain_walk *walk)
{
    uint64_t patience_ns = clock_monotone_ns(&clock_system) + (uint64_t)AWAIT_MS * 1000000;
    while (journal->replay.sequence < until) {
        const struct journal_block_header *block;
        enum journal_decision decision = journal_reader_next(reader, &block);
        if (decision == JOURNAL_CORRUPT) {
            fprintf(stderr, "lonja-explain: the journal is corrupt: %s\n", reader->reason);
            return EXPLAIN_CORRUPT;
        }
        if (decision == JOURNAL_READ) {
            enum step step = run_block(journal, block, until, walk);
            if (step != STEP_ON)
                return step == STEP_STOP ? 0 : EXPLAIN_CORRUPT;
        } else if (!journal->live || clock_monotone_ns(&clock_system) > patience_ns) {
            return 0;
        } else {
            nap(); // a block behind what was read ahead
        }
    }
    return 0;
}

int explain_journal_run(struct explain_journal *journal, uint64_t until,
                        const struct explain_walk *walk)
{
    struct journal_reader reader;
    uint64_t from = journal->replay.sequence;
    uint64_t began_ns = clock_monotone_ns(&clock_system);
    if (until == UINT64_MAX)
        await_fresh_status(journal);
    if (until > journal->durable)
        until = journal->durable;
    if (until <= from)
        return 0;
    int result = journal_reader_open(&reader, &journal->io, from + 1, journal->live);
    if (result != 0) {
        complain(journal->state, strerror(-result));
        return EXPLAIN_NONE;
    }
    journal->next_progress_ns = began_ns + (uint64_t)PROGRESS_FIRST_MS * 1000000;
    replay_guard_begin(&journal->replay);
    result = run_reader(journal, &reader, until, walk);
    replay_guard_end();
    progress_end(began_ns);
    journal_reader_close(&reader);
    return result;
}

int explain_journal_run_to(struct explain_journal *journal, uint64_t sequence,
                           const struct explain_walk *walk)
{
    ASSERT(sequence > 0);
    for (int i = 0; i < AWAIT_MS / AWAIT_PAUSE_MS && journal->live && journal->durable < sequence;
         i++) {
        nap();
        look_at_status(journal);
    }
    int result = explain_journal_run(journal, sequence, walk);
    if (result != 0 || journal->replay.sequence >= sequence)
        return result;
    fprintf(stderr,
            "lonja-explain: there is no sequence %" PRIu64
            " yet: the journal of %s ends at %" PRIu64 "\n",
            sequence, journal->state, journal->replay.sequence);
    return EXPLAIN_NONE;
}
