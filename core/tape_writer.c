#include "core/tape_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "core/tape_format.h"
#include "core/tape_reader.h"

// ---- segments
// ----------------------------------------------------------------------------------------

static int tape_write(int fd, const void *data, size_t bytes, uint64_t offset)
{
    const char *p = data;
    while (bytes > 0) {
        ssize_t n = pwrite(fd, p, bytes, (off_t)offset);
        if (n < 0)
            return -errno;
        p += n;
        bytes -= (size_t)n;
        offset += (size_t)n;
    }
    return 0;
}

static int tape_segment_fill(int fd, uint64_t first_sequence)
{
    struct tape_header header = {.magic = TAPE_MAGIC,
                                 .format = TAPE_FORMAT,
                                 .schema_version = SCHEMA_VERSION,
                                 .first_sequence = first_sequence};
    header.crc = crc32c(0, &header, offsetof(struct tape_header, crc));
    return tape_write(fd, &header, sizeof header, 0);
}

// A segment gets its name when its header is whole.
static int tape_segment_create(const char *folder, uint64_t first_sequence)
{
    char temporary[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    int n = snprintf(temporary, sizeof temporary, "%s/segment.tmp", folder);
    ASSERT(n > 0 && (size_t)n < sizeof temporary);
    numbered_path(path, folder, first_sequence, TAPE_SUFFIX);
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int result = tape_segment_fill(fd, first_sequence);
    if (result == 0 && rename(temporary, path) != 0)
        result = -errno;
    if (result != 0) {
        close(fd);
        return result;
    }
    return fd;
}

// Removes the segments whose first sequence is above `sequence`.
static int tape_remove_above(const char *folder, uint64_t sequence)
{
    uint64_t first;
    while (numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX) && first > sequence) {
        char path[NUMBERED_PATH_BYTES];
        numbered_path(path, folder, first, TAPE_SUFFIX);
        if (unlink(path) != 0)
            return -errno;
    }
    return 0;
}

int tape_truncate(const char *folder, uint64_t sequence)
{
    int result = tape_remove_above(folder, sequence);
    uint64_t first;
    if (result != 0 || !numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX))
        return result;
    int fd = tape_segment_open(folder, first, true);
    if (fd < 0)
        return 0; // no valid header: lonja-tape begins it anew
    uint64_t position = tape_segment_events(fd);
    struct event event;
    while (position > 0 && tape_segment_read(fd, position - 1, &event, 1) &&
           (event.header.sequence > sequence || event.header.sequence == 0))
        position--;
    if (ftruncate(fd, (off_t)(TAPE_HEADER_BYTES + position * EVENT_BYTES)) != 0)
        result = -errno;
    close(fd);
    return result;
}

// ---- open
// --------------------------------------------------------------------------------------------

static int tape_writer_resume(struct tape_writer *writer, uint64_t after_sequence)
{
    struct tape_reader reader;
    tape_reader_init(&reader, writer->folder);
    if (!tape_reader_seek(&reader, after_sequence, 0))
        return -ENOENT;
    struct event event;
    do {
        if (tape_reader_read(&reader, &event, 1) != 1) {
            tape_reader_fini(&reader);
            return -ENOENT;
        }
    } while (!event.header.last);
    tape_reader_fini(&reader);
    uint64_t first;
    ASSERT(numbered_largest(&first, writer->folder, TAPE_SUFFIX, after_sequence));
    writer->fd = tape_segment_open(writer->folder, first, true);
    if (writer->fd < 0)
        return -EIO;
    writer->segment = first;
    writer->position = reader.position;
    return 0;
}

int tape_writer_open(struct tape_writer *writer, const char *folder, uint64_t segment_events,
                     uint64_t after_sequence)
{
    memset(writer, 0, sizeof *writer);
    ASSERT(strlen(folder) < sizeof writer->folder);
    memcpy(writer->folder, folder, strlen(folder) + 1);
    writer->segment_events = segment_events;
    writer->fd = -1;
    writer->comparing = true;
    writer->next_sequence = after_sequence + 1;
    int result = state_folder_make(folder);
    if (result == 0 && after_sequence > 0)
        result = tape_writer_resume(writer, after_sequence);
    if (result != 0)
        return result;
    writer->buffer = malloc(TAPE_BUFFER_EVENTS * sizeof *writer->buffer);
    return writer->buffer == NULL ? -ENOMEM : 0;
}

void tape_writer_close(struct tape_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    writer->fd = -1;
    free(writer->buffer);
    writer->buffer = NULL;
}

// ---- writing
// -----------------------------------------------------------------------------------------

int tape_writer_flush(struct tape_writer *writer)
{
    if (writer->buffered == 0)
        return 0;
    uint64_t first = writer->position - writer->buffered;
    int result = tape_write(writer->fd, writer->buffer, writer->buffered * sizeof *writer->buffer,
                            TAPE_HEADER_BYTES + first * EVENT_BYTES);
    writer->buffered = 0;
    return result;
}

int tape_writer_sync(struct tape_writer *writer)
{
    int result = tape_writer_flush(writer);
    if (result == 0 && writer->fd >= 0 && fdatasync(writer->fd) != 0)
        result = -errno;
    return result == 0 ? folder_sync(writer->folder) : result;
}

static int tape_writer_leave_segment(struct tape_writer *writer)
{
    if (writer->fd < 0)
        return 0;
    int result = tape_writer_flush(writer);
    if (result == 0 && fdatasync(writer->fd) != 0)
        result = -errno;
    close(writer->fd);
    writer->fd = -1;
    return result;
}

// Stands at the beginning of the segment for the next command: one from before, or a new one.
static int tape_writer_next_segment(struct tape_writer *writer)
{
    int result = tape_writer_leave_segment(writer);
    if (result != 0)
        return result;
    int fd = -1;
    if (writer->comparing)
        fd = tape_segment_open(writer->folder, writer->next_sequence, true);
    if (fd < 0) {
        writer->comparing = false;
        result = tape_remove_above(writer->folder, writer->next_sequence - 1);
        if (result != 0)
            return result;
        fd = tape_segment_create(writer->folder, writer->next_sequence);
    }
    if (fd < 0)
        return fd;
    writer->fd = fd;
    writer->segment = writer->next_sequence;
    writer->position = 0;
    return 0;
}

// True if exactly these events stand here already.
static bool tape_writer_agrees(struct tape_writer *writer, const struct event *events,
                               uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct event there;
        if (!tape_segment_read(writer->fd, writer->position + i, &there, 1) ||
            memcmp(&there, &events[i], sizeof there) != 0)
            return false;
    }
    return true;
}

// From here on the tape is written anew.
static int tape_writer_stop_comparing(struct tape_writer *writer)
{
    uint64_t there = tape_segment_events(writer->fd);
    if (there > writer->position)
        log_warning("the tape is written anew sequence=%llu events_dropped=%llu",
                    (unsigned long long)writer->next_sequence,
                    (unsigned long long)(there - writer->position));
    writer->comparing = false;
    if (ftruncate(writer->fd, (off_t)(TAPE_HEADER_BYTES + writer->position * EVENT_BYTES)) != 0)
        return -errno;
    return tape_remove_above(writer->folder, writer->segment);
}

static int tape_writer_append(struct tape_writer *writer, const struct event *events,
                              uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (writer->buffered == TAPE_BUFFER_EVENTS) {
            int result = tape_writer_flush(writer);
            if (result != 0)
                return result;
        }
        writer->buffer[writer->buffered++] = events[i];
        writer->position++;
    }
    return 0;
}

// True if the next command begins a segment: the first, a full one, or as it did before the
// restart.
static bool tape_writer_segment_ends(const struct tape_writer *writer)
{
    if (writer->fd < 0)
        return true;
    if (!writer->comparing)
        return writer->position >= writer->segment_events;
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, writer->folder, writer->next_sequence, TAPE_SUFFIX);
    return writer->position >= tape_segment_events(writer->fd) &&
           (writer->position >= writer->segment_events || access(path, F_OK) == 0);
}

int tape_writer_add(struct tape_writer *writer, const struct event *events, uint32_t count)
{
    ASSERT(count > 0 && events[count - 1].header.last == 1);
    ASSERT(events[0].header.sequence == writer->next_sequence && events[0].header.index == 0);
    int result = 0;
    if (tape_writer_segment_ends(writer))
        result = tape_writer_next_segment(writer);
    if (result == 0 && writer->comparing) {
        if (tape_writer_agrees(writer, events, count))
            writer->position += count;
        else
            result = tape_writer_stop_comparing(writer);
    }
    if (result == 0 && !writer->comparing)
        result = tape_writer_append(writer, events, count);
    writer->next_sequence++;
    return result;
}
