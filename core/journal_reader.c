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
#include "matcher/engine.h"

enum {
    READER_WINDOW_BYTES = 1 << 20,
    READER_LIVE_BYTES = 16 * 1024,
};

// ---- the decision

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

int journal_segments(const struct journal_io *io, uint64_t *first, uint64_t *last)
{
    struct segment_range range = {0};
    int result = io->list(io->context, segment_range_add, &range);
    *first = range.first;
    *last = range.last;
    if (result != 0)
        return result;
    return range.found ? 1 : 0;
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
        if (n < 0) // what stands there is not known: no zeroes, no end
            reader->error = (int)-n;
        end = offset + reader->window_bytes;
    }
    size_t left = (size_t)(end - offset);
    *there = left < bytes ? left : bytes;
    return reader->window + (offset - reader->window_offset);
}

// Judges the header of the open segment; what is wrong with it goes into `fault`.
static bool reader_judge_header(struct journal_reader *reader, uint64_t number)
{
    size_t there;
    struct journal_segment_header header = {0};
    const uint8_t *bytes = reader_bytes(reader, &there, 0, sizeof header);
    if (there == sizeof header)
        memcpy(&header, bytes, sizeof header);
    enum journal_header judged = there == sizeof header
                                     ? journal_segment_header_judge(&header, number)
                                     : JOURNAL_HEADER_BROKEN;
    if (judged == JOURNAL_HEADER_OTHER_VERSION) {
        reader->fault = JOURNAL_FAULT_VERSION;
        snprintf(reader->reason, sizeof reader->reason,
                 "segment %llu was written by format %u, schema %u, engine %u; this program knows "
                 "format "
                 "%d, schema %d, engine %d",
                 (unsigned long long)number, header.format, header.schema_version,
                 header.engine_version, JOURNAL_FORMAT, SCHEMA_VERSION, ENGINE_VERSION);
    }
    reader->engine_version = header.engine_version;
    return judged == JOURNAL_HEADER_OURS;
}

// Opens segment `number` and checks its header; the place is its first block. False if it is not
// there, cannot be read (`error`), or its header is not whole or not ours (`fault`): then the place
// is behind the segment before, where it was.
static bool reader_enter_segment(struct journal_reader *reader, uint64_t number)
{
    reader_leave_segment(reader);
    reader->fault = JOURNAL_FAULT_MISSING; // unless it turns out otherwise
    int file = segment_open(reader->io, number, JOURNAL_IO_READ);
    if (file < 0 && file != -ENOENT)
        reader->error = -file;
    if (file < 0)
        return false;
    reader->file = file;
    int64_t size = reader->io->size(reader->io->context, file);
    if (size < 0)
        reader->error = (int)-size;
    if (size >= 0 && reader_judge_header(reader, number)) {
        reader->segment = number;
        reader->segment_bytes = (uint64_t)size;
        reader->offset = JOURNAL_PAGE_BYTES;
        reader->fault = JOURNAL_FAULT_NONE;
        return true;
    }
    reader_leave_segment(reader);
    return false;
}

// ---- blocks

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
    if (reader->adopt) {
        ASSERT(first_of_segment);
        return block->first_sequence <= reader->next_sequence;
    }
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

// The first whole block at or behind *offset in the open segment, and where it is; NULL = none.
static const struct journal_block_header *reader_find_block(struct journal_reader *reader,
                                                            uint64_t *offset)
{
    for (; *offset + JOURNAL_BLOCK_HEADER_BYTES <= reader->segment_bytes;
         *offset += JOURNAL_PAGE_BYTES) {
        const struct journal_block_header *block = reader_block_at(reader, *offset);
        if (block != NULL)
            return block;
    }
    return NULL;
}

// ---- walking

// Why a whole block is not the expected one.
static enum journal_fault reader_fault_of(const struct journal_reader *reader,
                                          const struct journal_block_header *block)
{
    if (block->first_sequence > reader->next_sequence)
        return JOURNAL_FAULT_MIDDLE; // what stood between is gone
    if (block->first_sequence == reader->next_sequence && block->previous_chain == reader->chain &&
        block->epoch < reader->epoch)
        return JOURNAL_FAULT_EPOCH;
    return JOURNAL_FAULT_FOREIGN;
}

static struct journal_reader reader_probe(const struct journal_reader *reader)
{
    struct journal_reader probe = *reader;
    probe.file = -1;
    probe.window_bytes = 0;
    probe.readahead_bytes = READER_WINDOW_BYTES; // it reads whole segments
    return probe;
}

// What the first whole block of the probe's segment means; NONE if it has none.
static enum journal_later reader_later_in(struct journal_reader *reader,
                                          struct journal_reader *probe)
{
    uint64_t offset = JOURNAL_PAGE_BYTES;
    const struct journal_block_header *block = reader_find_block(probe, &offset);
    if (block == NULL)
        return JOURNAL_LATER_NONE;
    if (offset == JOURNAL_PAGE_BYTES && reader_continues(reader, block, true))
        return JOURNAL_LATER_CONTINUES;
    reader->fault =
        offset == JOURNAL_PAGE_BYTES ? reader_fault_of(reader, block) : JOURNAL_FAULT_MIDDLE;
    return JOURNAL_LATER_CONFLICTS;
}

// Looks for the first whole block in the segments behind; *segment = where it looked last. The
// probe shares the window memory, so the reader's own window is forgotten.
static enum journal_later reader_later(struct journal_reader *reader, uint64_t *segment)
{
    uint64_t first, last;
    int found = journal_segments(reader->io, &first, &last);
    if (found < 0)
        reader->error = -found;
    if (found <= 0)
        return JOURNAL_LATER_NONE;
    enum journal_later later = JOURNAL_LATER_NONE;
    struct journal_reader probe = reader_probe(reader);
    reader->window_bytes = 0;
    for (uint64_t number = reader->segment + 1; number <= last && later == JOURNAL_LATER_NONE;
         number++) {
        *segment = number;
        // A segment is whole and synced before it gets its name, and numbers have no gaps: a crash
        // leaves neither a missing one nor one without a header, and what stood there was shown.
        if (reader_enter_segment(&probe, number)) {
            later = reader_later_in(reader, &probe);
            continue;
        }
        later = JOURNAL_LATER_CONFLICTS;
        reader->fault = probe.fault;
        memcpy(reader->reason, probe.reason, sizeof reader->reason);
    }
    if (probe.error != 0)
        reader->error = probe.error;
    reader_leave_segment(&probe);
    return later;
}

static void reader_explain(struct journal_reader *reader, enum journal_place place, bool behind,
                           enum journal_later later, uint64_t segment)
{
    static const char *const places[] = {"next", "a block that does not continue the chain",
                                         "nothing written", "a broken block"};
    static const char *const faults[] = {
        [JOURNAL_FAULT_NONE] = "",
        [JOURNAL_FAULT_MIDDLE] = ": what stood between is gone",
        [JOURNAL_FAULT_MISSING] = ": it is missing, or has no whole header",
        [JOURNAL_FAULT_EPOCH] = ": its epoch goes back",
        [JOURNAL_FAULT_FOREIGN] =
            ": its first block continues another chain, as if two cores had written",
        [JOURNAL_FAULT_VERSION] = "",
        [JOURNAL_FAULT_UNREADABLE] = ""};
    char wrong_segment[160] = "";
    if (later == JOURNAL_LATER_CONFLICTS)
        snprintf(wrong_segment, sizeof wrong_segment, ", a later segment does not follow (%llu)%s",
                 (unsigned long long)segment, faults[reader->fault]);
    snprintf(reader->reason, sizeof reader->reason,
             "segment %llu offset %llu, before sequence %llu: %s%s%s",
             (unsigned long long)reader->segment, (unsigned long long)reader->offset,
             (unsigned long long)reader->next_sequence, places[place],
             behind ? ", whole blocks behind it" : "", wrong_segment);
}

static enum journal_decision reader_unreadable(struct journal_reader *reader)
{
    bool damaged = reader->error == EBADMSG; // journal_archive.h
    reader->fault = JOURNAL_FAULT_UNREADABLE;
    reader->window_bytes = 0;
    snprintf(reader->reason, sizeof reader->reason,
             "segment %llu offset %llu, before sequence %llu: %s%s",
             (unsigned long long)reader->segment, (unsigned long long)reader->offset,
             (unsigned long long)reader->next_sequence,
             damaged ? "an archived segment is damaged: it does not decompress"
                     : "the disk refuses to read: ",
             damaged ? "" : strerror(reader->error));
    return JOURNAL_CORRUPT;
}

// At a place that is not the next block: decides, with the fault and its words where it is one.
static enum journal_decision reader_judge(struct journal_reader *reader, enum journal_place place,
                                          const struct journal_block_header *block,
                                          uint64_t *segment)
{
    bool behind = false;
    reader->fault = JOURNAL_FAULT_NONE;
    enum journal_fault here =
        place == JOURNAL_PLACE_FOREIGN ? reader_fault_of(reader, block) : JOURNAL_FAULT_NONE;
    uint64_t offset = reader->offset + JOURNAL_PAGE_BYTES;
    if (reader->file >= 0)
        behind = reader_find_block(reader, &offset) != NULL;
    enum journal_later later = reader_later(reader, segment);
    if (reader->error != 0)
        return reader_unreadable(reader);
    enum journal_decision decision = journal_decide(place, behind, later);
    if (decision != JOURNAL_CORRUPT)
        return decision;
    if (here == JOURNAL_FAULT_NONE && behind)
        here = JOURNAL_FAULT_MIDDLE;
    bool said = here == JOURNAL_FAULT_NONE && reader->fault == JOURNAL_FAULT_VERSION;
    if (!said) // another version says so itself
        reader_explain(reader, place, behind, later, *segment);
    if (here != JOURNAL_FAULT_NONE)
        reader->fault = here;
    return decision;
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
    reader->error = 0; // whoever calls again after a failed read wants another try
    for (;;) {
        uint64_t segment = reader->segment;
        enum journal_place place = JOURNAL_PLACE_ZERO;
        if (reader->file >= 0)
            place = reader_place(reader, block);
        if (reader->error != 0)
            return reader_unreadable(reader);
        if (place == JOURNAL_PLACE_NEXT) {
            reader_take(reader, *block);
            return JOURNAL_READ;
        }
        enum journal_decision decision = reader_judge(reader, place, *block, &segment);
        if (decision != JOURNAL_NEXT_SEGMENT) {
            reader->window_bytes = 0; // whoever calls again wants to see what has come
            return decision;
        }
        if (!reader_enter_segment(reader,
                                  segment)) // it vanished between two looks: only `cut` does
            return reader->error != 0 ? reader_unreadable(reader) // that, with no core alive
                                      : JOURNAL_END;
    }
}

// ---- opening

// The newest segment whose first block begins at or before `sequence`; 0 = none.
static uint64_t reader_segment_of(struct journal_reader *reader, uint64_t sequence)
{
    uint64_t first, last;
    int found = journal_segments(reader->io, &first, &last);
    if (found < 0)
        reader->error = -found;
    if (found <= 0)
        return 0;
    for (uint64_t left = last - first + 1; left > 0; left--) {
        const uint64_t number = first + left - 1;
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
    if (reader->error != 0) {
        int error = reader->error;
        journal_reader_close(reader);
        return -error;
    }
    if (number > 0) {
        reader->adopt = true;
        if (!reader_enter_segment(reader, number)) {
            journal_reader_close(reader);
            return -EIO;
        }
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
    int result = journal_segments(io, &first, &last);
    if (result <= 0)
        return result;
    struct journal_reader probe;
    result = journal_reader_open(&probe, io, 1, false);
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
    int result = journal_segments(io, &first, &last);
    if (result <= 0)
        return result;
    for (uint64_t number = first; number <= last; number++) {
        int file = segment_open(io, number, JOURNAL_IO_READ);
        if (file == -ENOENT)
            continue; // a missing segment is the reader's to judge
        if (file < 0)
            return file;
        result = io->sync(io->context, file);
        io->close(io->context, file);
        if (result != 0)
            return result;
    }
    return io->sync_folder(io->context);
}
