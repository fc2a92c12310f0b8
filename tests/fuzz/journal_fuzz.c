// libFuzzer: a journal of two segments is edited (edits.h), its headers and blocks are sealed again
// where the input asks for it, and the reader and the tools go through it: they may call it what
// they like, and read nothing that is not there.
//
//   journal_fuzz [-max_total_time=10] [-close_fd_mask=3] [FOLDER]     FILE does one input again
#include <errno.h>

#include "base/crc32c.h"
#include "core/journal.h"
#include "core/journal_reader.h"
#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "tests/fuzz/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { SEGMENT_BYTES = 272 * 1024, USED_BYTES = 32 * 1024, SEGMENTS = 2 };

static char state[64], folder[NUMBERED_PATH_BYTES], paths[SEGMENTS][NUMBERED_PATH_BYTES];
static _Alignas(64) uint8_t good[SEGMENTS][USED_BYTES], bad[SEGMENTS][USED_BYTES];
static FILE *nowhere;

static void append(struct journal *journal, uint64_t sequence)
{
    struct command command = {.header = {.slots = (uint8_t)(1 + sequence % 3),
                                         .type = CMD_order_new,
                                         .version = SCHEMA_VERSION,
                                         .time_ns = sequence,
                                         .sequence = sequence}};
    journal_append(journal, &command);
}

// One life of a core writes some blocks, and so its segment; returns the chain of the last.
static uint32_t write_epoch(const struct journal_io *io, struct gate *gate, uint64_t epoch,
                            uint64_t first, uint32_t chain)
{
    static struct journal journal;
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = epoch,
                                      .next_sequence = first,
                                      .chain = chain,
                                      .queue_slots = 1024};
    ASSERT(journal_open(&journal, io, gate, &clock_system, &options) == 0);
    for (uint64_t i = 0; i < 40; i++) {
        append(&journal, first + i);
        journal_flush(&journal);
        if (i % 8 == 7)
            ASSERT(journal_write_work(&journal) > 0);
    }
    chain = journal.chain;
    journal_close(&journal);
    return chain;
}

static void open_all(void)
{
    struct journal_io io;
    struct journal_io_file io_file;
    static struct event_ring_control control;
    static struct gate gate;
    edits_folder(state);
    snprintf(folder, sizeof folder, "%s/journal", state);
    ASSERT(journal_io_file_open(&io, &io_file, folder, false) == 0);
    gate.control = &control;
    uint32_t chain = write_epoch(&io, &gate, 1, 1, 0);
    (void)write_epoch(&io, &gate, 2, 41, chain);
    for (uint64_t i = 0; i < SEGMENTS; i++) {
        numbered_path(paths[i], folder, i + 1, JOURNAL_SUFFIX);
        ASSERT(edits_read(paths[i], good[i], USED_BYTES) == USED_BYTES);
    }
    journal_io_file_close(&io_file);
    nowhere = fopen("/dev/null", "we");
    ASSERT(nowhere != NULL);
}

// As an honest writer would have sealed what now stands there.
static void seal(uint8_t *segment)
{
    struct journal_segment_header *header = (void *)segment;
    header->crc = 0;
    header->crc = crc32c(0, header, sizeof *header);
    for (size_t at = JOURNAL_PAGE_BYTES; at < USED_BYTES; at += JOURNAL_PAGE_BYTES) {
        struct journal_block_header *block = (void *)(segment + at);
        if (block->bytes <= USED_BYTES - at - JOURNAL_BLOCK_HEADER_BYTES)
            block->payload_crc = crc32c(0, block + 1, block->bytes);
        block->chain = crc32c(0, block, offsetof(struct journal_block_header, chain));
        block->header_crc = crc32c(0, block, offsetof(struct journal_block_header, header_crc));
    }
}

static void read_all(uint64_t from)
{
    struct journal_io io;
    struct journal_io_file io_file;
    struct journal_reader reader;
    const struct journal_block_header *block;
    ASSERT(journal_io_file_open(&io, &io_file, folder, false) == 0);
    ASSERT(journal_reader_open(&reader, &io, from, true) >= -EIO);
    for (int blocks = 0; journal_reader_next(&reader, &block) == JOURNAL_READ; blocks++)
        ASSERT(blocks < 1000);
    journal_reader_close(&reader);
    struct engine_limits limits;
    (void)journal_tool_limits(&limits, &io);
    struct journal_segment_terms terms = {.bytes = SEGMENT_BYTES, .engine_version = 1};
    uint64_t number, ready;
    (void)journal_next_segment(&io, &number, &ready, &terms);
    journal_io_file_close(&io_file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (nowhere == NULL)
        open_all();
    if (count < 2)
        return 0;
    memcpy(bad, good, sizeof bad);
    size_t first = (size_t)bytes[1] * (count - 2) / 255;
    edits_apply(bad[0], USED_BYTES, bytes + 2, first);
    edits_apply(bad[1], USED_BYTES, bytes + 2 + first, count - 2 - first);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        if ((bytes[0] & 1u << i) != 0)
            seal(bad[i]);
        edits_write(paths[i], bad[i], (bytes[0] & 4u << i) != 0 ? USED_BYTES / 2 + i : USED_BYTES);
    }
    read_all(1 + bytes[0] / 16);
    if (journal_tool_verify(state, nowhere, false) == 0) // what is whole can be shown
        ASSERT(journal_tool_dump(state, nowhere, 1, UINT64_MAX) == 0 &&
               journal_tool_stat(state, nowhere, false) == 0);
    return 0;
}
