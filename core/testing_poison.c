// Plants a command that the engine's contract does not allow at the end of a journal: replay
// asserts there.
#include "core/testing.h"

#include <stdio.h>
#include <string.h>

#include "core/journal_block.h"
#include "core/journal_io.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"

static uint64_t find_end(struct journal_reader *reader, const struct journal_io *io)
{
    const struct journal_block_header *block;
    ASSERT(journal_reader_open(reader, io, 1, false) == 0);
    while (journal_reader_next(reader, &block) == JOURNAL_READ)
        ;
    return reader->next_sequence;
}

static void make_block(uint8_t page[4096], const struct journal_reader *reader)
{
    struct journal_block_header *block = (struct journal_block_header *)(void *)page;
    *block = (struct journal_block_header){.epoch = reader->epoch,
                                           .segment = reader->segment,
                                           .first_sequence = reader->next_sequence,
                                           .count = 1,
                                           .bytes = SLOT_BYTES,
                                           .previous_chain = reader->chain};
    struct command *command = (struct command *)(void *)(block + 1);
    command->header.slots = 1;
    command->header.type = 63; // does not exist
    command->header.version = SCHEMA_VERSION;
    command->header.sequence = reader->next_sequence;
    journal_block_seal(block);
}

uint64_t testing_plant_poison(const char *state)
{
    struct journal_io io;
    struct journal_io_file file;
    struct journal_reader reader;
    char folder[NUMBERED_PATH_BYTES], name[NUMBERED_NAME_BYTES];
    static _Alignas(4096) uint8_t page[4096];
    snprintf(folder, sizeof folder, "%s/journal", state);
    ASSERT(journal_io_file_open(&io, &file, folder, true) == 0);
    uint64_t sequence = find_end(&reader, &io);
    make_block(page, &reader);
    numbered_name(name, reader.segment, JOURNAL_SUFFIX);
    int fd = io.open(io.context, name, JOURNAL_IO_WRITE);
    ASSERT(fd >= 0 && io.write(io.context, fd, page, sizeof page, reader.offset) == 0);
    io.close(io.context, fd);
    journal_reader_close(&reader);
    journal_io_file_close(&file);
    return sequence;
}
