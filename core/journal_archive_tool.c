// What may be archived, and doing it. A segment is past when nobody who starts needs it: the three
// newest snapshots are whole and stand behind its last command, and so does what the recorder has
// committed. Everything else that follows the venue reads the tape.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal_archive.h"
#include "core/journal_progress.h"
#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "core/snapshot_file.h"

struct archive_work {
    const char *state;
    FILE *out;
    char folder[NUMBERED_PATH_BYTES];
    struct journal_io live, archive;
    struct journal_io_file live_file, archive_file;
    int lock;
    struct journal_archive_plan plan;
    struct journal_progress progress;
    uint64_t done; // bytes
};

static int archive_complain(const char *what, const char *why)
{
    fprintf(stderr, "lonja-journal: %s: %s\n", what, why);
    return 1;
}

// ---- what is past

// The oldest of the newest SNAPSHOTS_KEPT whole snapshots; 0 if there are fewer.
static uint64_t archive_snapshots(const char *state)
{
    char folder[NUMBERED_PATH_BYTES];
    path_join(folder, state, "snapshots");
    uint64_t limit = UINT64_MAX, sequence = 0;
    for (int i = 0; i < SNAPSHOTS_KEPT; i++) {
        if (!snapshot_file_newest(&sequence, folder, limit) || sequence == 0)
            return 0;
        limit = sequence - 1;
    }
    return sequence;
}

// What the recorder has committed, as the supervisor last wrote it; 0 = not known.
static uint64_t archive_recorded(const char *state)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, state, "status.json");
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *record = json_object_get(json_object_get(root, "processes"), "record");
    json_int_t durable = json_integer_value(json_object_get(root, "durable_seq"));
    json_int_t lag = json_integer_value(json_object_get(record, "lag"));
    bool known = json_is_integer(json_object_get(record, "lag")) && lag >= 0 && durable > lag;
    json_decref(root);
    return known ? (uint64_t)(durable - lag) : 0;
}

void journal_archive_plan_make(struct journal_archive_plan *plan, const char *state,
                               uint64_t recorded)
{
    plan->snapshots = archive_snapshots(state);
    plan->recorded = recorded != UINT64_MAX ? recorded : archive_recorded(state);
    plan->until = plan->snapshots < plan->recorded ? plan->snapshots : plan->recorded;
}

// Where the blocks of the oldest live segment begin; 0: there is none.
static uint64_t archive_first_sequence(const struct journal_io *io, uint64_t first, uint64_t last)
{
    static _Alignas(4096) uint8_t page[JOURNAL_PAGE_BYTES];
    for (uint64_t number = first; number <= last; number++) {
        char name[NUMBERED_NAME_BYTES];
        numbered_name(name, number, JOURNAL_SUFFIX);
        int file = io->open(io->context, name, JOURNAL_IO_READ);
        if (file < 0)
            return 0;
        int64_t n = io->read(io->context, file, page, sizeof page, JOURNAL_PAGE_BYTES);
        io->close(io->context, file);
        const struct journal_block_header *block = (const void *)page;
        if (n == (int64_t)sizeof page && journal_block_header_valid(block, number))
            return block->first_sequence;
    }
    return 0;
}

// Reads the live journal from its beginning and finds the last segment that is past: every block of
// it has been read, the chain goes on in a later segment, and its last command is not above
// `until`. Everything up to there is proved by that.
static int archive_find(struct archive_work *work, uint64_t first, uint64_t from)
{
    struct journal_reader reader;
    int result = journal_reader_open(&reader, &work->live, from, false);
    if (result != 0)
        return archive_complain("the journal", strerror(-result));
    const struct journal_block_header *block;
    enum journal_decision decision;
    uint64_t before = first; // segment of the block before
    journal_progress_begin(&work->progress, "reading", &work->live);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ) {
        journal_progress_at(&work->progress, &reader);
        if (reader.segment != before)
            work->plan.last = reader.segment - 1;
        before = reader.segment;
        if (block->first_sequence + block->count - 1 > work->plan.until)
            break;
    }
    journal_progress_end(&work->progress);
    if (decision == JOURNAL_CORRUPT)
        fprintf(stderr, "lonja-journal: nothing is archived of a corrupt journal: %s\n",
                reader.reason);
    journal_reader_close(&reader);
    return decision == JOURNAL_CORRUPT ? EXIT_POISON : 0;
}

static int archive_plan(struct archive_work *work, uint64_t recorded)
{
    uint64_t last;
    journal_archive_plan_make(&work->plan, work->state, recorded);
    int found = journal_segments(&work->live, &work->plan.first, &last);
    if (found < 0)
        return archive_complain(work->folder, strerror(-found));
    uint64_t from = archive_first_sequence(&work->live, work->plan.first, last);
    if (from == 0 || from > work->plan.until)
        return 0;
    return archive_find(work, work->plan.first, from);
}

// ---- doing it

// What root makes here must be readable for the processes of a venue that run under users of their
// own: it becomes the one to whom the journal belongs.
static void archive_become_owner(const struct stat *folder)
{
    if (geteuid() != 0)
        return;
    if (setegid(folder->st_gid) != 0 || seteuid(folder->st_uid) != 0)
        fprintf(stderr, "lonja-journal: goes on as root: %s\n", strerror(errno));
}

static int archive_open(struct archive_work *work, bool make)
{
    char path[NUMBERED_PATH_BYTES];
    if (!state_path_fits(work->state))
        return archive_complain(work->state, strerror(ENAMETOOLONG));
    path_join(work->folder, work->state, "journal");
    struct stat st;
    if (stat(work->folder, &st) != 0)
        return archive_complain(work->state, "there is no journal in it");
    archive_become_owner(&st);
    path_join(path, work->folder, JOURNAL_ARCHIVE_FOLDER);
    if (!make && access(path, F_OK) != 0)
        return archive_complain(path, strerror(errno));
    int result = journal_io_file_open(&work->live, &work->live_file, work->folder, true);
    if (result == 0)
        result = journal_io_file_open(&work->archive, &work->archive_file, path, true);
    if (result != 0)
        return archive_complain(path, strerror(-result));
    work->lock = journal_io_file_lock(&work->archive_file);
    if (work->lock >= 0)
        return 0;
    return archive_complain(path, work->lock == -EWOULDBLOCK ? "somebody else is archiving"
                                                             : strerror(-work->lock));
}

static void archive_close(struct archive_work *work)
{
    if (work->live.context != NULL)
        journal_io_file_close(&work->live_file);
    if (work->archive.context != NULL)
        journal_io_file_close(&work->archive_file);
    if (work->lock >= 0)
        close(work->lock);
}

static void archive_say_nothing(const struct archive_work *work)
{
    const struct journal_archive_plan *plan = &work->plan;
    fprintf(work->out, "nothing to archive: snapshots=%" PRIu64 " recorded=%" PRIu64 "%s%s\n",
            plan->snapshots, plan->recorded,
            plan->snapshots == 0 ? " (there are not yet three whole snapshots)" : "",
            plan->recorded == 0
                ? " (what the recorder has is not known: --recorded N says so, N being "
                  "the sequence of record.cursor)"
                : "");
}

static int archive_segments(struct archive_work *work, bool dry_run)
{
    if (work->plan.last == 0) {
        archive_say_nothing(work);
        return 0;
    }
    for (uint64_t number = work->plan.first; number <= work->plan.last; number++) {
        struct journal_archived archived = {0};
        int result =
            dry_run ? 0 : journal_archive_segment(&work->live, &work->archive, number, &archived);
        if (result == -EBADMSG) {
            fprintf(stderr,
                    "lonja-journal: segment %" PRIu64 " is not whole, or does not decompress to "
                    "the same; it stays where it is\n",
                    number);
            return EXIT_POISON;
        }
        if (result != 0)
            return archive_complain("archiving", strerror(-result));
        fprintf(work->out, "%s segment=%" PRIu64 " bytes=%" PRIu64 " compressed=%" PRIu64 "\n",
                dry_run ? "would archive" : "archived", number, archived.bytes,
                archived.compressed);
        fflush(work->out);
    }
    return 0;
}

int journal_tool_archive(const char *state, FILE *out, uint64_t recorded, bool dry_run)
{
    struct archive_work work = {.state = state, .out = out, .lock = -1};
    setpriority(PRIO_PROCESS, 0, 19); // beside a venue: never in its way
    int status = archive_open(&work, true);
    if (status == 0)
        status = archive_plan(&work, recorded);
    if (status == 0)
        status = archive_segments(&work, dry_run);
    archive_close(&work);
    return status;
}

// From the last to the first: the live segments stay without a gap, and become more each time.
static int restore_segments(struct archive_work *work, uint64_t from)
{
    uint64_t first, last;
    int64_t count = journal_archive_range(&work->archive, &first, &last);
    if (count < 0)
        return archive_complain(work->folder, strerror((int)-count));
    for (uint64_t number = last; count > 0 && number >= first && number >= from; number--) {
        int result = journal_archive_restore(&work->live, &work->archive, number);
        if (result != 0) {
            fprintf(stderr, "lonja-journal: segment %" PRIu64 ": %s\n", number, strerror(-result));
            return result == -EBADMSG ? EXIT_POISON : 1;
        }
        fprintf(work->out, "restored segment=%" PRIu64 "\n", number);
    }
    return 0;
}

int journal_tool_restore(const char *state, FILE *out, uint64_t from)
{
    struct archive_work work = {.state = state, .out = out, .lock = -1};
    int status = archive_open(&work, false);
    if (status == 0)
        status = restore_segments(&work, from);
    archive_close(&work);
    return status;
}
