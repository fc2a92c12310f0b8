#include "core/journal_segment.h"

#include <string.h>

#include "core/numbered_file.h"

static int journal_segment_fill(const struct journal_io *io, int file, uint8_t *zeroes,
                                size_t zeroes_bytes, const struct journal_segment_header *header)
{
    for (uint64_t offset = 0; offset < header->bytes; offset += zeroes_bytes) {
        uint64_t left = header->bytes - offset;
        size_t bytes = left < zeroes_bytes ? (size_t)left : zeroes_bytes;
        if (offset == 0)
            memcpy(zeroes, header, sizeof *header);
        int result = io->write(io->context, file, zeroes, bytes, offset);
        memset(zeroes, 0, sizeof *header);
        if (result != 0)
            return result;
    }
    return io->sync(io->context, file);
}

int journal_segment_make(const struct journal_io *io, const char *temporary_name, uint8_t *zeroes,
                         size_t zeroes_bytes, const struct journal_segment_header *header)
{
    int file = io->open(io->context, temporary_name, JOURNAL_IO_FILL);
    if (file < 0)
        return file;
    int result = journal_segment_fill(io, file, zeroes, zeroes_bytes, header);
    io->close(io->context, file);
    if (result != 0)
        return result;
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, header->number, JOURNAL_SUFFIX);
    result = io->rename(io->context, temporary_name, name);
    return result == 0 ? io->sync_folder(io->context) : result;
}
