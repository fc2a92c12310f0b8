// Happy path: block after block, each continuing the chain of the one before; where the next one
// did not fit, or a new epoch began, on in a later segment.
//
// Failure modes, all in journal_decide: a torn last write (cut), rot or a lost file in the middle
// (refuse, and say where). The rule behind the table: with one write outstanding, only the last
// block of an epoch can be torn, so nothing whole stands behind a torn block except what a later
// epoch wrote, and that continues the chain of the block before the torn one.
#include "core/journal_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "core/numbered_file.h"

enum {
    READER_WINDOW_BYTES = 1 << 20,
    READER_LIVE_BYTES = 16 * 1024,
};

// ---- the decision
// ------------------------------------------------------------------------------------

enum journal_decision journal_decide(enum journal_place place, bool behind,
                                     enum journal_later later)
{
    // [place][behind][later]
    static const enum journal_decision cases[JOURNAL_PLACE_COUNT][2][JOURNAL_LATER_COUNT] = {
        [JOURNAL_PLACE_NEXT] = {{JOURNAL_READ, JOURNAL_READ, JOURNAL_READ},
                                {JOURNAL_READ, JOURNAL_READ, JOURNAL_READ}},
        [JOURNAL_PLACE_FOREIGN] = {{JOURNAL_CORRUPT, JOURNAL_CORRUPT, JOURNAL_CORRUPT},
                                   {JOURNAL_CORRUPT, JOURNAL_CORRUPT, JOURNAL_CORRUPT}},
        [JOURNAL_PLACE_ZERO] = {{JOURNAL_END, JOURNAL_NEXT_SEGMENT, JOURNAL_CORRUPT},
                                {JOURNAL_CORRUPT, JOURNAL_CORRUPT, JOURNAL_CORRUPT}},
        [JOURNAL_PLACE_BROKEN] = {{JOURNAL_TORN, JOURNAL_NEXT_SEGMENT, JOURNAL_CORRUPT},
                                  {JOURNAL_CORRUPT, JOURNAL_CORRUPT, JOURNAL_CORRUPT}},
    };
    ASSERT(place < JOURNAL_PLACE_COUNT && later < JOURNAL_LATER_COUNT);
    return cases[place][behind][later];
}

// ---- segments
// ----------------------------------------------------------------------------------------

struct segment_range {
    uint64_t first, last;
    bool found;
};

static void segment_range_add(void *context, const char *name)
{
    struct segment_range *range = context;
    uint64_t number;
    if (!numbered_parse(&number, name, JOURNAL_SUFFIX))
        return;
    if (!range->found || number < range->first)
        range->first = number;
    if (!range->found || number > range->last)
        range->last = number;
    range->found = true;
}

bool journal_segments(const struct journal_io *io, uint64_t *first, uint64_t *last)
{
    struct segment_range range = {0};
    if (io->list(io->context, segment_range_add, &range) != 0 || !range.found)
        return false;
    *first = range.first;
    *last = range.last;
    return true;
}

static int segment_open(const struct journal_io *io, uint64_t number, enum journal_io_mode mode)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    return io->open(io->context, name, mode);
}

static void reader_leave_segment(struct journal_reader *reader)
{
    if (reader->file >= 0)
        reader->io->close(reader->io->context, reader->file);
    reader->file = -1;
    reader->window_bytes = 0;
}

// Memory of the file from `offset` on, as much as is there up to `bytes`; *there = how much.
static const uint8_t *reader_bytes(struct journal_reader *reader, size_t *there, uint64_t offset,
                                   size_t bytes)
{
    ASSERT(bytes <= READER_WINDOW_BYTES);
    uint64_t end = reader->window_offset + reader->window_bytes;
    if (offset < reader->window_offset || offset + bytes > end) {
        size_t wanted = bytes > reader->readahead_bytes ? bytes : reader->readahead_bytes;
        int64_t n =
            reader->io->read(reader->io->context, reader->file, reader->window, wanted, offset);
        reader->window_offset = offset;
        reader->window_bytes = n < 0 ? 0 : (size_t)n;
        end = offset + reader->window_bytes;
    }
    size_t left = (size_t)(end - offset);
    *there = left < bytes ? left : bytes;
    return reader->window + (offset - reader->window_offset);
}

// Opens segment `number` and checks its header; the place is its first block. False if it is not
// there or its header is not whole (the caller's classification then finds no whole block in it).
static bool reader_enter_segment(struct journal_reader *reader, uint64_t number)
{
    reader_leave_segment(reader);
    int file = segment_open(reader->io, number, JOURNAL_IO_READ);
    if (file < 0)
        return false;
    reader->file = file;
    reader->segment = number;
    reader->offset = JOURNAL_PAGE_BYTES;
    int64_t size = reader->io->size(reader->io->context, file);
    reader->segment_bytes = size < 0 ? 0 : (uint64_t)size;
    size_t there;
    struct journal_segment_header header = {0};
    const uint8_t *bytes = reader_bytes(reader, &there, 0, sizeof header);
    if (there == sizeof header)
        memcpy(&header, bytes, sizeof header);
    if (there == sizeof header && journal_segment_header_valid(&header, number))
        return true;
    reader_leave_segment(reader);
    return false;
}

// ---- blocks
// ------------------------------------------------------------------------------------------

// The whole block at `offset` of the open segment, or NULL.
static const struct journal_block_header *reader_block_at(struct journal_reader *reader,
                                                          uint64_t offset)
{
    size_t there;
    const uint8_t *bytes = reader_bytes(reader, &there, offset, JOURNAL_BLOCK_HEADER_BYTES);
    const struct journal_block_header *block = (const void *)bytes;
    if (there < JOURNAL_BLOCK_HEADER_BYTES || !journal_block_header_valid(block, reader->segment))
        return NULL;
    size_t whole = JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes;
    bytes = reader_bytes(reader, &there, offset, whole);
    block = (const void *)bytes;
    // The header is judged again: beside a writing core the second read may see another one.
    if (there < whole || !journal_block_header_valid(block, reader->segment) ||
        JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes != whole ||
        !journal_block_payload_valid(block))
        return NULL;
    return block;
}

static bool reader_continues(const struct journal_reader *reader,
                             const struct journal_block_header *block, bool first_of_segment)
{
    if (reader->adopt)
        return first_of_segment && block->first_sequence <= reader->next_sequence;
    return block->first_sequence == reader->next_sequence &&
           block->previous_chain == reader->chain &&
           (block->epoch == reader->epoch || (first_of_segment && block->epoch > reader->epoch));
}

static bool reader_page_is_zero(struct journal_reader *reader, uint64_t offset)
{
    size_t there;
    const uint8_t *bytes = reader_bytes(reader, &there, offset, JOURNAL_PAGE_BYTES);
    for (size_t i = 0; i < there; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static enum journal_place reader_place(struct journal_reader *reader,
                                       const struct journal_block_header **block)
{
    *block = reader_block_at(reader, reader->offset);
    if (*block != NULL)
        return reader_continues(reader, *block, reader->offset == JOURNAL_PAGE_BYTES)
                   ? JOURNAL_PLACE_NEXT
                   : JOURNAL_PLACE_FOREIGN;
    return reader_page_is_zero(reader, reader->offset) ? JOURNAL_PLACE_ZERO : JOURNAL_PLACE_BROKEN;
}

// Offset of the first whole block at or behind `offset` in the open segment; 0 = none.
static uint64_t reader_find_block(struct journal_reader *reader, uint64_t offset)
{
    for (; offset + JOURNAL_BLOCK_HEADER_BYTES <= reader->segment_bytes;
         offset += JOURNAL_PAGE_BYTES)
        if (reader_block_at(reader, offset) != NULL)
            return offset;
    return 0;
}

// ---- walking
// -----------------------------------------------------------------------------------------

static struct journal_reader reader_probe(const struct journal_reader *reader)
{
    struct journal_reader probe = *reader;
    probe.file = -1;
    probe.window_bytes = 0;
    probe.readahead_bytes = READER_WINDOW_BYTES; // it reads whole segments
    return probe;
}

// Looks for the first whole block in the segments behind; *segment = where it looked last. The
// probe shares the window memory, so the reader's own window is forgotten.
static enum journal_later reader_later(struct journal_reader *reader, uint64_t *segment)
{
    uint64_t first, last;
    if (!journal_segments(reader->io, &first, &last))
        return JOURNAL_LATER_NONE;
    enum journal_later later = JOURNAL_LATER_NONE;
    struct journal_reader probe = reader_probe(reader);
    reader->window_bytes = 0;
    for (uint64_t number = reader->segment + 1; number <= last && later == JOURNAL_LATER_NONE;
         number++) {
        *segment = number;
        // A segment is whole and synced before it gets its name, and numbers have no gaps: a crash
        // leaves neither a missing one nor one without a header, and what stood there was shown.
        if (!reader_enter_segment(&probe, number)) {
            later = JOURNAL_LATER_CONFLICTS;
            break;
        }
        uint64_t offset = reader_find_block(&probe, JOURNAL_PAGE_BYTES);
        if (offset == 0)
            continue;
        const struct journal_block_header *block = reader_block_at(&probe, offset);
        ASSERT(block != NULL);
        later = offset == JOURNAL_PAGE_BYTES && reader_continues(reader, block, true)
                    ? JOURNAL_LATER_CONTINUES
                    : JOURNAL_LATER_CONFLICTS;
    }
    reader_leave_segment(&probe);
    return later;
}

static void reader_explain(struct journal_reader *reader, enum journal_place place, bool behind,
                           enum journal_later later, uint64_t segment)
{
    static const char *const places[] = {"next", "a block that does not continue the chain",
                                         "nothing written", "a broken block"};
    snprintf(reader->reason, sizeof reader->reason,
             "segment %llu offset %llu, before sequence %llu: %s%s%s",
             (unsigned long long)reader->segment, (unsigned long long)reader->offset,
             (unsigned long long)reader->next_sequence, places[place],
             behind ? ", whole blocks behind it" : "",
             later == JOURNAL_LATER_CONFLICTS ? ", a later segment does not follow" : "");
    (void)segment;
}

static void reader_take(struct journal_reader *reader, const struct journal_block_header *block)
{
    reader->offset += journal_block_bytes(block->bytes);
    reader->next_sequence = block->first_sequence + block->count;
    reader->epoch = block->epoch;
    reader->chain = block->chain;
    reader->adopt = false;
}

enum journal_decision journal_reader_next(struct journal_reader *reader,
                                          const struct journal_block_header **block)
{
    for (;;) {
        uint64_t segment = reader->segment;
        enum journal_place place = JOURNAL_PLACE_ZERO;
        bool behind = false;
        if (reader->file >= 0)
            place = reader_place(reader, block);
        if (place == JOURNAL_PLACE_NEXT) {
            reader_take(reader, *block);
            return JOURNAL_READ;
        }
        if (reader->file >= 0)
            behind = reader_find_block(reader, reader->offset + JOURNAL_PAGE_BYTES) != 0;
        enum journal_later later = reader_later(reader, &segment);
        enum journal_decision decision = journal_decide(place, behind, later);
        if (decision == JOURNAL_CORRUPT)
            reader_explain(reader, place, behind, later, segment);
        if (decision != JOURNAL_NEXT_SEGMENT) {
            reader->window_bytes = 0; // whoever calls again wants to see what has come
            return decision;
        }
        if (!reader_enter_segment(reader, segment))
            return JOURNAL_END; // it vanished between two looks: only `cut` does that, with no core
                                // alive
    }
}

// ---- opening
// -----------------------------------------------------------------------------------------

// The newest segment whose first block begins at or before `sequence`; 0 = none.
static uint64_t reader_segment_of(struct journal_reader *reader, uint64_t sequence)
{
    uint64_t first, last;
    if (!journal_segments(reader->io, &first, &last))
        return 0;
    for (uint64_t number = last; number >= first && number > 0; number--) {
        if (!reader_enter_segment(reader, number))
            continue;
        const struct journal_block_header *block = reader_block_at(reader, JOURNAL_PAGE_BYTES);
        if (block != NULL && block->first_sequence <= sequence)
            return number;
    }
    return 0;
}

int journal_reader_open(struct journal_reader *reader, const struct journal_io *io,
                        uint64_t sequence, bool live)
{
    ASSERT(sequence > 0);
    memset(reader, 0, sizeof *reader);
    reader->io = io;
    reader->file = -1;
    reader->next_sequence = sequence;
    reader->window = malloc(READER_WINDOW_BYTES);
    if (reader->window == NULL)
        return -ENOMEM;
    reader->readahead_bytes = READER_WINDOW_BYTES;
    uint64_t number = sequence == 1 ? 0 : reader_segment_of(reader, sequence);
    reader_leave_segment(reader);
    if (number > 0) {
        reader->adopt = true;
        if (!reader_enter_segment(reader, number))
            return -EIO;
    } else {
        // From the beginning: the first block ever has number 1 and chain 0.
        reader->segment = 0;
        reader->next_sequence = 1;
    }
    reader->readahead_bytes = live ? READER_LIVE_BYTES : READER_WINDOW_BYTES;
    return 0;
}

void journal_reader_forget(struct journal_reader *reader)
{
    reader->window_bytes = 0;
}

void journal_reader_close(struct journal_reader *reader)
{
    reader_leave_segment(reader);
    free(reader->window);
    reader->window = NULL;
}

// ---- for the writer
// ----------------------------------------------------------------------------------

static bool segment_is_blank(struct journal_reader *probe)
{
    for (uint64_t offset = JOURNAL_PAGE_BYTES; offset < probe->segment_bytes;
         offset += JOURNAL_PAGE_BYTES)
        if (!reader_page_is_zero(probe, offset))
            return false;
    return true;
}

bool journal_segment_header_read(const struct journal_io *io, struct journal_segment_header *header,
                                 uint64_t number)
{
    int file = segment_open(io, number, JOURNAL_IO_READ);
    if (file < 0)
        return false;
    int64_t n = io->read(io->context, file, header, sizeof *header, 0);
    io->close(io->context, file);
    return n == (int64_t)sizeof *header && journal_segment_header_valid(header, number);
}

// True if the segment can be used as it is by a writer on these terms.
static bool segment_is_ready(struct journal_reader *probe, uint64_t number,
                             const struct journal_segment_terms *terms)
{
    struct journal_segment_header header, wanted;
    journal_segment_header_init(&wanted, number, terms);
    return journal_segment_header_read(probe->io, &header, number) &&
           memcmp(&header, &wanted, sizeof header) == 0 && reader_enter_segment(probe, number) &&
           probe->segment_bytes == terms->bytes && segment_is_blank(probe);
}

int journal_next_segment(const struct journal_io *io, uint64_t *number, uint64_t *ready,
                         const struct journal_segment_terms *terms)
{
    *number = 1;
    *ready = 0;
    uint64_t first, last;
    if (!journal_segments(io, &first, &last))
        return 0;
    struct journal_reader probe;
    int result = journal_reader_open(&probe, io, 1, false);
    if (result != 0)
        return result;
    *number = last + 1;
    while (*number > first && segment_is_ready(&probe, *number - 1, terms)) {
        (*number)--;
        (*ready)++;
    }
    journal_reader_close(&probe);
    return 0;
}

int journal_sync_all(const struct journal_io *io)
{
    uint64_t first, last;
    if (!journal_segments(io, &first, &last))
        return 0;
    for (uint64_t number = first; number <= last; number++) {
        int file = segment_open(io, number, JOURNAL_IO_READ);
        if (file < 0)
            continue; // a missing segment is the reader's to judge
        int result = io->sync(io->context, file);
        io->close(io->context, file);
        if (result != 0)
            return result;
    }
    return io->sync_folder(io->context);
}
