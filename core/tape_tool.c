#include "core/tape_tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/journal_archive.h"
#include "core/journal_reader.h"
#include "core/journal_tool.h"
#include "core/recovery.h"
#include "core/tape_reader.h"
#include "core/tape_writer.h"

enum { TAPE_PROGRESS_NS = 1000000000, TAPE_TAIL_LOOKS = 10, TAPE_TAIL_MS = 10 };

static int tape_tool_fail(const char *what, int error)
{
    fprintf(stderr, "lonja tape: %s: %s\n", what, strerror(error));
    return 1;
}

static bool tape_tool_path(char out[NUMBERED_PATH_BYTES], const char *state, const char *name)
{
    if (state_path_fits(state)) {
        path_join(out, state, name);
        return true;
    }
    fprintf(stderr, "lonja tape: path too long: %s\n", state);
    return false;
}

// A line a second, from the second second on.
struct tape_progress {
    const char *what;
    uint64_t next_ns;
    uint64_t end; // sequence that is expected at the end; 0 = not known
};

static void tape_progress_begin(struct tape_progress *progress, const char *what, uint64_t end)
{
    progress->what = what;
    progress->end = end;
    progress->next_ns = clock_monotone_ns(&clock_system) + TAPE_PROGRESS_NS;
}

static void tape_progress_tell(struct tape_progress *progress, uint64_t sequence)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    if (now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + TAPE_PROGRESS_NS;
    fprintf(stderr, "lonja tape: %s sequence %" PRIu64, progress->what, sequence);
    if (progress->end > 0 && sequence <= progress->end)
        fprintf(stderr, " of %" PRIu64 ", %d %%", progress->end,
                (int)((double)sequence / (double)progress->end * 100));
    fputc('\n', stderr);
}

// ---- verify

struct tape_verify {
    FILE *out;
    char folder[NUMBERED_PATH_BYTES];
    struct tape_segment segment;
    struct tape_progress progress;
    uint64_t segments, events, faults;
    uint64_t first_sequence;
    uint64_t next_sequence; // expected next event; 0 = any: behind damage, or at the beginning
    uint32_t next_index;
};

static void verify_fault(struct tape_verify *verify, uint64_t block, const char *what)
{
    verify->faults++;
    fprintf(verify->out,
            "segment=%" PRIu64 " block=%" PRIu64 " events=%" PRIu64 "..%" PRIu64
            " before_sequence=%" PRIu64 " fault=\"%s\"\n",
            verify->segment.first_sequence, block, block * TAPE_BLOCK_EVENTS,
            (block + 1) * TAPE_BLOCK_EVENTS - 1, verify->next_sequence, what);
}

// True if the block's events are the successors of those before.
static bool verify_order(struct tape_verify *verify, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct event_header *header = &verify->segment.events[i].header;
        bool known = verify->next_sequence != 0;
        if (known &&
            (header->sequence != verify->next_sequence || header->index != verify->next_index))
            return false;
        verify->next_sequence = header->sequence + (header->last != 0);
        verify->next_index = header->last ? 0 : header->index + 1;
    }
    verify->events += count;
    return true;
}

static void verify_block(struct tape_verify *verify, uint64_t block)
{
    const char *fault = NULL;
    uint32_t count = tape_segment_block(&verify->segment, block, 0);
    if (count == 0)
        fault = verify->segment.damaged ? "the events are not what their checksum says"
                                        : "the checksum is missing or broken";
    else if (!verify_order(verify, count))
        fault = "the events do not follow on those before";
    if (fault == NULL)
        return;
    verify_fault(verify, block, fault);
    verify->next_sequence = 0;
}

// A finished segment: what its seal says.
static const char *verify_seal(struct tape_verify *verify)
{
    struct tape_sums_header header;
    const struct tape_segment *segment = &verify->segment;
    uint64_t there = tape_segment_events(segment->fd);
    if (!tape_sums_header_read(segment->sums_fd, &header, segment->first_sequence))
        return "the header of the checksums is broken";
    if (header.events == 0)
        return "the segment is finished, and not sealed";
    if (header.events != there)
        return "the segment has more or fewer events than were sealed";
    if (verify->next_sequence != 0 &&
        (header.last_sequence + 1 != verify->next_sequence || verify->next_index != 0))
        return "the segment ends with another sequence than was sealed";
    return tape_sums_seal_fault(segment->sums_fd, &header);
}

static const char *verify_segment_state(const struct tape_segment *segment, bool entered)
{
    static const char *const faults[] = {
        [TAPE_SUMS_ABSENT] = "the segment has no checksums",
        [TAPE_SUMS_BROKEN] = "the header of the checksums is broken",
        [TAPE_SUMS_THERE] = NULL,
    };
    return entered ? faults[segment->state] : "the segment's header is broken";
}

// Beside a lonja-tape that writes, the last events wait a moment for their checksum.
static const char *verify_tail(const struct tape_segment *segment)
{
    uint64_t there = tape_segment_events(segment->fd);
    for (int i = 0; i < TAPE_TAIL_LOOKS; i++) {
        if (tape_segment_proved(segment) >= there)
            return NULL;
        nanosleep(&(struct timespec){.tv_nsec = TAPE_TAIL_MS * 1000000}, NULL);
    }
    return "events at the end have no checksum; lonja-tape writes them again when it starts";
}

static void verify_segment(struct tape_verify *verify, uint64_t first, bool last)
{
    struct tape_segment *segment = &verify->segment;
    bool entered = tape_segment_enter(segment, verify->folder, first);
    verify->segments++;
    if (verify->next_sequence != 0 && first != verify->next_sequence)
        verify_fault(verify, 0, "a segment before this one is missing or incomplete");
    verify->next_sequence = first;
    verify->next_index = 0;
    const char *fault = verify_segment_state(segment, entered);
    // What the file has beyond its checksums is not finished, or was lost.
    uint64_t events = !entered ? 0
                      : last   ? tape_segment_proved(segment)
                               : tape_segment_events(segment->fd);
    for (uint64_t block = 0; fault == NULL && block * TAPE_BLOCK_EVENTS < events; block++) {
        verify_block(verify, block);
        tape_progress_tell(&verify->progress, verify->next_sequence);
    }
    if (fault == NULL)
        fault = last ? verify_tail(segment) : verify_seal(verify);
    if (fault != NULL) {
        verify_fault(verify, 0, fault);
        verify->next_sequence = 0;
    }
    tape_segment_leave(segment);
}

int tape_tool_verify(const char *state, FILE *out)
{
    static struct tape_verify verify; // too large for the stack
    uint64_t last, first;
    memset(&verify, 0, sizeof verify);
    verify.out = out;
    if (!tape_tool_path(verify.folder, state, "tape"))
        return 2;
    if (!numbered_largest(&last, verify.folder, TAPE_SUFFIX, UINT64_MAX) ||
        !numbered_smallest(&verify.first_sequence, verify.folder, TAPE_SUFFIX))
        return tape_tool_fail(verify.folder, ENOENT);
    tape_progress_begin(&verify.progress, "verified up to",
                        tape_reader_last_sequence(verify.folder));
    for (uint64_t from = 0;
         numbered_next(&first, verify.folder, TAPE_SUFFIX, from) && first <= last; from = first + 1)
        verify_segment(&verify, first, first == last);
    fprintf(out,
            "first_sequence=%" PRIu64 " last_sequence=%" PRIu64 " segments=%" PRIu64
            " events=%" PRIu64 " faults=%" PRIu64 "\n",
            verify.first_sequence, verify.next_sequence > 0 ? verify.next_sequence - 1 : 0,
            verify.segments, verify.events, verify.faults);
    if (verify.faults > 0)
        fprintf(stderr, "lonja tape: damaged; stop the venue and run: lonja tape rebuild %s\n",
                state);
    return verify.faults > 0 ? EXIT_POISON : 0;
}

// ---- rebuild

enum { REBUILD_TELL_EVERY = 64 }; // commands between two looks at the clock

struct tape_rebuild {
    char journal[NUMBERED_PATH_BYTES], folder[NUMBERED_PATH_BYTES];
    struct journal_io io;
    struct journal_io_file io_file;
    struct journal_archive archive;
    struct tape_writer writer;
    struct tape_progress progress;
    int error; // of writing: the first, 0 = none
};

static void rebuild_add(void *context, const struct replay *replay, const struct command *command)
{
    struct tape_rebuild *rebuild = context;
    (void)command;
    if (rebuild->error == 0)
        rebuild->error = tape_writer_add(&rebuild->writer, replay->sink.events, replay->sink.count);
    if (replay->sequence % REBUILD_TELL_EVERY == 0)
        tape_progress_tell(&rebuild->progress, replay->sequence);
}

// A core, or a lonja-tape, would write what we write.
static int rebuild_lock(struct tape_rebuild *rebuild)
{
    static const char running[] =
        "lonja tape: the venue is running (%s); stop it, or it writes the same tape\n";
    int fd = openat(rebuild->io_file.folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return tape_tool_fail("the journal's lock", errno);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) { // held until this process ends
        fprintf(stderr, running, "a core holds the journal");
        return 1;
    }
    int result = tape_lock(rebuild->folder);
    if (result == -EWOULDBLOCK) {
        fprintf(stderr, running, "lonja-tape holds the tape");
        return 1;
    }
    return result == 0 ? 0 : tape_tool_fail(rebuild->folder, -result);
}

static int rebuild_replay(struct tape_rebuild *rebuild, struct replay *replay,
                          struct recovered *recovered)
{
    bool done = recovery_run_all(recovered, replay, &rebuild->io, UINT64_MAX, rebuild_add, rebuild);
    if (rebuild->error == 0 && !done)
        rebuild->error = tape_writer_sync(&rebuild->writer);
    else if (rebuild->error == 0) // nothing may stand behind the journal's end
        rebuild->error = tape_writer_end(&rebuild->writer);
    if (rebuild->error != 0)
        return tape_tool_fail(rebuild->folder, -rebuild->error);
    return done ? 0 : EXIT_POISON;
}

static int rebuild_run(struct tape_rebuild *rebuild, FILE *out, uint64_t segment_events)
{
    static struct replay replay;
    struct engine_limits limits;
    struct recovered recovered;
    if (!journal_tool_limits(&limits, &rebuild->io) || replay_open(&replay, &limits) != 0) {
        fprintf(stderr, "lonja tape: no segment of the journal names the engine's limits\n");
        return 1;
    }
    tape_progress_begin(&rebuild->progress, "rebuilt up to",
                        tape_reader_last_sequence(rebuild->folder));
    int result = tape_writer_open(&rebuild->writer, rebuild->folder, segment_events, 0);
    int status = result == 0 ? rebuild_replay(rebuild, &replay, &recovered)
                             : tape_tool_fail(rebuild->folder, -result);
    if (status == 0)
        fprintf(out,
                "sequence=%" PRIu64 " events=%" PRIu64 " events_digest=%016" PRIx64
                " dropped=%" PRIu64 "\n",
                replay.sequence, replay.events, replay.events_digest, rebuild->writer.dropped);
    tape_writer_close(&rebuild->writer);
    replay_close(&replay);
    return status;
}

// Archived segments count: the tape begins at the first command ever.
static int rebuild_read(struct tape_rebuild *rebuild, FILE *out, uint64_t segment_events)
{
    int result = journal_archive_open(&rebuild->archive, &rebuild->io, rebuild->journal);
    if (result != 0)
        return tape_tool_fail("the journal's archive", -result);
    int status = rebuild_run(rebuild, out, segment_events);
    journal_archive_close(&rebuild->archive);
    return status;
}

// Started by root, it leaves files that lonja-tape under its own user id can go on with: whose the
// folder is, theirs are the files.
static int rebuild_give(const char *folder)
{
    struct stat st;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL || fstat(fd, &st) != 0)
        return tape_tool_fail(folder, errno);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.' &&
            fchownat(fd, entry->d_name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
            status = tape_tool_fail(entry->d_name, errno);
    closedir(dir);
    return status;
}

int tape_tool_rebuild(const char *state, FILE *out, uint64_t segment_events)
{
    static struct tape_rebuild rebuild; // too large for the stack
    memset(&rebuild, 0, sizeof rebuild);
    if (!tape_tool_path(rebuild.journal, state, "journal"))
        return 2;
    path_join(rebuild.folder, state, "tape");
    if (access(rebuild.journal, F_OK) != 0) // a mistyped folder is not an empty journal
        return tape_tool_fail(rebuild.journal, errno);
    int result = journal_io_file_open(&rebuild.io, &rebuild.io_file, rebuild.journal, true);
    if (result != 0)
        return tape_tool_fail(rebuild.journal, -result);
    int status = rebuild_lock(&rebuild);
    if (status == 0)
        status = rebuild_read(&rebuild, out, segment_events);
    if (status == 0 && geteuid() == 0)
        status = rebuild_give(rebuild.folder);
    journal_io_file_close(&rebuild.io_file);
    return status;
}

// ---- the words

static const char TAPE_USAGE[] =
    "Usage: lonja tape verify  STATE\n"
    "       lonja tape rebuild STATE [--segment-events N]\n"
    "\n"
    "The tape (STATE/tape) has the venue's events for every process that is behind or begins "
    "again. It is a\n"
    "cache of the journal. STATE is the venue's state folder; of ./run it is var/state.\n"
    "\n"
    "  verify   reads every event and proves it by its checksum, its place in the order and the "
    "seal of its\n"
    "           segment; names each block that is damaged. May be used while the venue runs\n"
    "  rebuild  replays the whole journal, compares the tape with what comes out, and from the "
    "first difference\n"
    "           on writes it anew, in segments of N events (1048576; a venue that sets "
    "tape.segment_events names\n"
    "           it here). It says how many events were dropped for it: 0 = the tape was right. "
    "Refused while the\n"
    "           venue runs. Interrupted, it leaves a shorter tape that is whole, and may be run "
    "again\n"
    "\n"
    "A process of the venue that meets a damaged block stops there and says THE TAPE IS DAMAGED; "
    "it never shows a\n"
    "wrong event. After a rebuild and a start it goes on where it stood.\n"
    "\n"
    "Exit status: 0 done, 1 a file cannot be read or written, or the venue runs, 2 bad arguments, "
    "3 damaged\n"
    "(verify), or the journal is (rebuild: lonja journal verify STATE).\n"
    "\n"
    "Without words, lonja-tape is a process of the venue, which `lonja up` starts.\n";

static int tape_tool_usage(void)
{
    fputs(TAPE_USAGE, stderr);
    return 2;
}

static bool tape_tool_number(uint64_t *out, const char *text)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && errno == 0 && *end == '\0' && *out >= 1024;
}

int tape_tool_command(int count, char **words)
{
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) {
            fputs(TAPE_USAGE, stdout);
            return 0;
        }
    if (count == 2 && strcmp(words[0], "verify") == 0)
        return tape_tool_verify(words[1], stdout);
    uint64_t segment_events = TAPE_SEGMENT_EVENTS_DEFAULT;
    bool named = count == 4 && strcmp(words[2], "--segment-events") == 0 &&
                 tape_tool_number(&segment_events, words[3]);
    if ((count == 2 || named) && strcmp(words[0], "rebuild") == 0)
        return tape_tool_rebuild(words[1], stdout, segment_events);
    return tape_tool_usage();
}
