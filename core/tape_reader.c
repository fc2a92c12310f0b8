#include "core/tape_reader.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "core/tape_format.h"

void tape_reader_init(struct tape_reader *reader, const char *folder)
{
    ASSERT(strlen(folder) < sizeof reader->folder);
    memset(reader, 0, sizeof *reader);
    memcpy(reader->folder, folder, strlen(folder) + 1);
    reader->fd = -1;
}

void tape_reader_fini(struct tape_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

static bool tape_header_valid(const struct tape_header *header, uint64_t first_sequence)
{
    return header->magic == TAPE_MAGIC && header->format == TAPE_FORMAT &&
           header->schema_version == SCHEMA_VERSION && header->first_sequence == first_sequence &&
           header->crc == crc32c(0, header, offsetof(struct tape_header, crc));
}

int tape_segment_open(const char *folder, uint64_t first_sequence, bool writable)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, first_sequence, TAPE_SUFFIX);
    int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct tape_header header;
    if (pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
        tape_header_valid(&header, first_sequence))
        return fd;
    log_limited(LOG_WARNING, "tape segment has no valid header path=%s", path);
    close(fd);
    return -1;
}

uint64_t tape_segment_events(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < TAPE_HEADER_BYTES)
        return 0;
    return ((uint64_t)st.st_size - TAPE_HEADER_BYTES) / EVENT_BYTES;
}

bool tape_segment_read(int fd, uint64_t position, struct event *out, size_t count)
{
    size_t bytes = count * EVENT_BYTES;
    off_t offset = (off_t)(TAPE_HEADER_BYTES + position * EVENT_BYTES);
    return pread(fd, out, bytes, offset) == (ssize_t)bytes;
}

static bool tape_event_before(const struct event *event, uint64_t sequence, uint32_t index)
{
    return event->header.sequence < sequence ||
           (event->header.sequence == sequence && event->header.index < index);
}

// First position whose event is not before (sequence, index). Zeroes at a lost tail count as behind
// all.
static uint64_t tape_segment_search(int fd, uint64_t sequence, uint32_t index)
{
    uint64_t low = 0, high = tape_segment_events(fd);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct event event;
        if (tape_segment_read(fd, middle, &event, 1) && event.header.sequence != 0 &&
            tape_event_before(&event, sequence, index))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool tape_reader_seek(struct tape_reader *reader, uint64_t sequence, uint32_t index)
{
    tape_reader_fini(reader);
    uint64_t first;
    if (!numbered_largest(&first, reader->folder, TAPE_SUFFIX, sequence))
        return false;
    int fd = tape_segment_open(reader->folder, first, false);
    if (fd < 0)
        return false;
    uint64_t position = tape_segment_search(fd, sequence, index);
    struct event event;
    if (position >= tape_segment_events(fd) || !tape_segment_read(fd, position, &event, 1) ||
        event.header.sequence != sequence || event.header.index != index) {
        close(fd);
        return false;
    }
    reader->fd = fd;
    reader->position = position;
    reader->next_sequence = sequence;
    reader->next_index = index;
    return true;
}

// True if the event is the expected one; then the next one is expected.
static bool tape_reader_accept(struct tape_reader *reader, const struct event *event)
{
    if (event->header.sequence != reader->next_sequence ||
        event->header.index != reader->next_index)
        return false;
    if (event->header.last) {
        reader->next_sequence++;
        reader->next_index = 0;
    } else {
        reader->next_index++;
    }
    reader->position++;
    return true;
}

static bool tape_reader_next_segment(struct tape_reader *reader)
{
    if (reader->next_index != 0)
        return false; // a command is never split over segments
    int fd = tape_segment_open(reader->folder, reader->next_sequence, false);
    if (fd < 0)
        return false;
    close(reader->fd);
    reader->fd = fd;
    reader->position = 0;
    return true;
}

size_t tape_reader_read(struct tape_reader *reader, struct event *out, size_t max)
{
    ASSERT(reader->fd >= 0);
    uint64_t there = tape_segment_events(reader->fd);
    if (reader->position >= there) {
        char path[NUMBERED_PATH_BYTES];
        numbered_path(path, reader->folder, reader->next_sequence, TAPE_SUFFIX);
        if (access(path, R_OK) != 0 || !tape_reader_next_segment(reader))
            return 0;
        there = tape_segment_events(reader->fd);
    }
    uint64_t left = there > reader->position ? there - reader->position : 0;
    size_t count = left < max ? (size_t)left : max;
    if (count == 0 || !tape_segment_read(reader->fd, reader->position, out, count))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!tape_reader_accept(reader, &out[i]))
            return i;
    return count;
}

uint64_t tape_reader_last_sequence(const char *folder)
{
    uint64_t first;
    if (!numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX))
        return 0;
    int fd = tape_segment_open(folder, first, false);
    if (fd < 0)
        return 0;
    uint64_t sequence = first - 1; // a segment that is still empty
    for (uint64_t position = tape_segment_events(fd); position > 0; position--) {
        struct event event;
        if (!tape_segment_read(fd, position - 1, &event, 1) || event.header.sequence == 0 ||
            !event.header.last)
            continue;
        sequence = event.header.sequence;
        break;
    }
    close(fd);
    return sequence;
}
