// Cut: the order of steps keeps a valid journal on disk at every moment. Later segments leave from
// the last to the first (each time the journal only becomes shorter), then the segment of the cut
// is replaced by a shortened copy in one rename. The block that holds the cut is sealed again with
// the commands before it.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_reader.h"
#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/snapshot_file.h"
#include "core/tape_writer.h"

struct journal_cut {
    struct journal_io io;
    struct journal_io_file io_file;
    char journal[NUMBERED_PATH_BYTES];
    char snapshots[NUMBERED_PATH_BYTES];
    char tape[NUMBERED_PATH_BYTES];
    char aside[NUMBERED_PATH_BYTES];
    uint64_t sequence;                  // first one to go
    uint64_t segment, offset;           // block that holds it
    struct journal_block_header *block; // that block, shortened; bytes = 0: nothing of it stays
};

static int cut_fail(const char *what, int error)
{
    fprintf(stderr, "lonja-journal: %s: %s\n", what, strerror(error));
    return 1;
}

// Keeps the commands of `block` that are before the cut.
static void cut_shorten(struct journal_cut *cut, const struct journal_block_header *block)
{
    *cut->block = *block;
    cut->block->bytes = 0;
    cut->block->count = 0;
    uint8_t *payload = (uint8_t *)(cut->block + 1);
    const struct command *command = journal_block_next(block, NULL);
    for (; command->header.sequence < cut->sequence; command = journal_block_next(block, command)) {
        ASSERT(cut->block->count + 1 < block->count); // the one to go is in the block, too
        size_t bytes = (size_t)command->header.slots * SLOT_BYTES;
        memcpy(payload + cut->block->bytes, command, bytes);
        cut->block->bytes += (uint32_t)bytes;
        cut->block->count++;
    }
    if (cut->block->count > 0)
        journal_block_seal(cut->block);
}

// The sequence is in no block that can be read. What is corrupt may be cut right where it begins:
// everything before is kept, and whoever cuts knows that answered commands may be behind.
static int cut_find_end(struct journal_cut *cut, const struct journal_reader *reader,
                        enum journal_decision decision)
{
    bool corrupt = decision == JOURNAL_CORRUPT;
    bool readable =
        reader->fault != JOURNAL_FAULT_UNREADABLE && reader->fault != JOURNAL_FAULT_VERSION;
    if (corrupt && readable && reader->segment > 0 && reader->next_sequence == cut->sequence) {
        cut->segment = reader->segment;
        cut->offset = reader->offset;
        cut->block->count = 0;
        return 0;
    }
    fprintf(stderr,
            "lonja-journal: sequence %" PRIu64 " is not in the journal, which ends at %" PRIu64
            "%s%s\n",
            cut->sequence, reader->next_sequence - 1, corrupt ? ": " : "",
            corrupt ? reader->reason : "");
    if (corrupt && reader->segment == 0)
        fprintf(stderr, "Is it archived? lonja journal restore STATE\n");
    else if (corrupt && readable)
        fprintf(stderr, "To end it where it is damaged: cut STATE %" PRIu64 "\n",
                reader->next_sequence);
    return 1;
}

// Finds the block that holds the sequence.
static int cut_find(struct journal_cut *cut)
{
    struct journal_reader reader;
    uint64_t first, last;
    int result = journal_segments(&cut->io, &first, &last);
    // Where the beginning is archived, from the segment that holds the sequence.
    if (result >= 0)
        result = journal_reader_open(&reader, &cut->io, first > 1 ? cut->sequence : 1, false);
    if (result != 0)
        return cut_fail("reading the journal", -result);
    int status = 1;
    for (;;) {
        const struct journal_block_header *block;
        enum journal_decision decision = journal_reader_next(&reader, &block);
        if (decision != JOURNAL_READ) {
            status = cut_find_end(cut, &reader, decision);
            break;
        }
        if (reader.next_sequence <= cut->sequence)
            continue;
        cut->segment = reader.segment;
        cut->offset = reader.offset - journal_block_bytes(block->bytes);
        cut_shorten(cut, block);
        status = 0;
        break;
    }
    journal_reader_close(&reader);
    return status;
}

static int cut_make_aside(struct journal_cut *cut, const char *reason)
{
    char name[NUMBERED_NAME_BYTES], path[NUMBERED_PATH_BYTES];
    snprintf(name, sizeof name, "cut-%" PRIu64 "-%lld", cut->sequence, (long long)time(NULL));
    path_join(cut->aside, cut->journal, name);
    if (mkdir(cut->aside, 0750) != 0)
        return cut_fail(cut->aside, errno);
    path_join(path, cut->aside, "reason.txt");
    FILE *file = fopen(path, "wxe");
    if (file == NULL)
        return cut_fail(path, errno);
    fprintf(file, "cut at sequence %" PRIu64 ": %s\n", cut->sequence, reason);
    bool written = fflush(file) == 0 && fsync(fileno(file)) == 0;
    int error = errno;
    fclose(file);
    return written ? 0 : cut_fail(path, error);
}

// Moves a numbered file aside.
static int cut_move(const struct journal_cut *cut, const char *folder, uint64_t number,
                    const char *suffix)
{
    char from[NUMBERED_PATH_BYTES], to[NUMBERED_PATH_BYTES];
    numbered_path(from, folder, number, suffix);
    numbered_path(to, cut->aside, number, suffix);
    return rename(from, to) == 0 ? 0 : cut_fail(from, errno);
}

static int cut_move_above(const struct journal_cut *cut, const char *folder, const char *suffix,
                          uint64_t number)
{
    uint64_t largest;
    while (numbered_largest(&largest, folder, suffix, UINT64_MAX) && largest > number) {
        int status = cut_move(cut, folder, largest, suffix);
        if (status != 0)
            return status;
    }
    int result = access(folder, F_OK) == 0 ? folder_sync(folder) : 0;
    return result == 0 ? 0 : cut_fail(folder, -result);
}

// Copies `bytes` bytes of the segment and zeroes up to `size`, with the shortened block in between.
static bool cut_copy(const struct journal_cut *cut, FILE *from, FILE *to, uint64_t size)
{
    static char page[JOURNAL_PAGE_BYTES];
    uint64_t at = 0;
    for (; at < cut->offset; at += sizeof page)
        if (fread(page, sizeof page, 1, from) != 1 || fwrite(page, sizeof page, 1, to) != 1)
            return false;
    if (cut->block->count > 0) {
        size_t bytes = journal_block_bytes(cut->block->bytes);
        size_t used = JOURNAL_BLOCK_HEADER_BYTES + (size_t)cut->block->bytes;
        memset((uint8_t *)cut->block + used, 0, bytes - used);
        if (fwrite(cut->block, bytes, 1, to) != 1)
            return false;
        at += bytes;
    }
    memset(page, 0, sizeof page);
    for (; at < size; at += sizeof page)
        if (fwrite(page, sizeof page, 1, to) != 1)
            return false;
    return fflush(to) == 0 && fsync(fileno(to)) == 0;
}

static int cut_replace_segment(const struct journal_cut *cut)
{
    char path[NUMBERED_PATH_BYTES], kept[NUMBERED_PATH_BYTES], temporary[NUMBERED_PATH_BYTES];
    numbered_path(path, cut->journal, cut->segment, JOURNAL_SUFFIX);
    numbered_path(kept, cut->aside, cut->segment, JOURNAL_SUFFIX);
    path_join(temporary, cut->journal, "cut.tmp");
    struct stat st;
    FILE *from = fopen(path, "rbe");
    FILE *to = fopen(temporary, "wbe");
    bool copied = from != NULL && to != NULL && fstat(fileno(from), &st) == 0 &&
                  cut_copy(cut, from, to, (uint64_t)st.st_size);
    int error = errno;
    if (from != NULL)
        fclose(from);
    if (to != NULL)
        fclose(to);
    if (!copied)
        return cut_fail(temporary, error);
    if (link(path, kept) != 0 || rename(temporary, path) != 0)
        return cut_fail(path, errno);
    int result = folder_sync(cut->aside);
    if (result == 0)
        result = folder_sync(cut->journal);
    return result == 0 ? 0 : cut_fail(cut->journal, -result);
}

static int cut_run(struct journal_cut *cut, const char *reason)
{
    int status = cut_find(cut);
    if (status == 0)
        status = cut_make_aside(cut, reason);
    if (status == 0)
        status = cut_move_above(cut, cut->journal, JOURNAL_SUFFIX, cut->segment);
    if (status == 0)
        status = cut_move_above(cut, cut->snapshots, SNAPSHOT_SUFFIX, cut->sequence - 1);
    if (status == 0)
        status = cut_replace_segment(cut);
    int result = status == 0 ? tape_truncate(cut->tape, cut->sequence - 1) : 0;
    return result == 0 ? status : cut_fail(cut->tape, -result);
}

static int cut_locked(struct journal_cut *cut, const char *reason)
{
    int lock = journal_io_file_lock(&cut->io_file);
    if (lock == -EWOULDBLOCK)
        return cut_fail("a core holds the journal", EWOULDBLOCK);
    if (lock < 0)
        return cut_fail("lock", -lock);
    cut->block = malloc(JOURNAL_BLOCK_BYTES_MAX);
    int status = cut->block == NULL ? cut_fail("memory", ENOMEM) : cut_run(cut, reason);
    free(cut->block);
    close(lock);
    return status;
}

int journal_tool_cut(const char *state, FILE *out, uint64_t sequence, const char *reason)
{
    if (sequence == 0 || reason == NULL || reason[0] == '\0') {
        fprintf(stderr, "lonja-journal: cut needs a sequence from 1 and a reason\n");
        return 2;
    }
    if (!state_path_fits(state))
        return cut_fail(state, ENAMETOOLONG);
    struct journal_cut cut = {.sequence = sequence};
    path_join(cut.journal, state, "journal");
    path_join(cut.snapshots, state, "snapshots");
    path_join(cut.tape, state, "tape");
    int result = journal_io_file_open(&cut.io, &cut.io_file, cut.journal, true);
    if (result != 0)
        return cut_fail(cut.journal, -result);
    int status = cut_locked(&cut, reason);
    if (status == 0)
        fprintf(out, "journal ends at sequence=%" PRIu64 ", the rest is in %s\n", sequence - 1,
                cut.aside);
    journal_io_file_close(&cut.io_file);
    return status;
}
