#include "core/tape_reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "core/tape_format.h"

// ---- segments

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

void tape_segment_leave(struct tape_segment *segment)
{
    if (segment->fd >= 0)
        close(segment->fd);
    if (segment->sums_fd >= 0)
        close(segment->sums_fd);
    segment->fd = segment->sums_fd = -1;
    segment->block_events = 0;
}

bool tape_segment_enter(struct tape_segment *segment, const char *folder, uint64_t first_sequence)
{
    segment->fd = tape_segment_open(folder, first_sequence, false);
    segment->sums_fd = -1;
    segment->block_events = 0;
    segment->damaged = false;
    segment->first_sequence = first_sequence;
    if (segment->fd < 0)
        return false;
    segment->state = tape_sums_open(&segment->sums_fd, folder, first_sequence, false);
    if (segment->state == TAPE_SUMS_ABSENT)
        log_limited(LOG_WARNING, "a tape segment has no checksums and is read as it is first=%" PRIu64
                    " hint=\"lonja tape rebuild\"",
                    first_sequence);
    return true;
}

// What would be in the block if the file's length said so: for a segment without checksums.
static uint32_t tape_segment_unproved(const struct tape_segment *segment, uint64_t block)
{
    uint64_t there = tape_segment_events(segment->fd), first = block * TAPE_BLOCK_EVENTS;
    uint64_t left = there > first ? there - first : 0;
    return (uint32_t)(left < TAPE_BLOCK_EVENTS ? left : TAPE_BLOCK_EVENTS);
}

uint64_t tape_segment_proved(const struct tape_segment *segment)
{
    if (segment->state == TAPE_SUMS_THERE)
        return tape_sums_events(segment->sums_fd);
    return segment->state == TAPE_SUMS_ABSENT ? tape_segment_events(segment->fd) : 0;
}

// True if the entry still stands there: lonja-tape may have written the end of the tape anew while
// we looked, and that is no damage.
static bool tape_sum_stays(const struct tape_segment *segment, const struct tape_sum *sum)
{
    struct tape_sum again;
    return tape_sum_read(segment->sums_fd, &again, sum->block) &&
           memcmp(&again, sum, sizeof again) == 0;
}

static void tape_segment_complain(struct tape_segment *segment, const struct tape_sum *sum)
{
    segment->damaged = tape_sum_stays(segment, sum);
    if (segment->damaged)
        log_limited(LOG_ERROR,
                    "THE TAPE IS DAMAGED: nothing from here on is shown segment=%" PRIu64
                    " block=%" PRIu32 " events=%" PRIu32 " hint=\"lonja tape verify, rebuild\"",
                    segment->first_sequence, sum->block, sum->events);
}

uint32_t tape_segment_block(struct tape_segment *segment, uint64_t block, uint32_t known)
{
    struct tape_sum sum = {0};
    segment->damaged = false;
    segment->block = block;
    segment->block_events = 0;
    if (segment->state == TAPE_SUMS_BROKEN)
        return 0;
    bool proves = segment->state == TAPE_SUMS_THERE;
    if (proves && !tape_sum_read(segment->sums_fd, &sum, block))
        return 0;
    uint32_t count = proves ? sum.events : tape_segment_unproved(segment, block);
    if (count <= known)
        return 0;
    if (!tape_segment_read(segment->fd, block * TAPE_BLOCK_EVENTS, segment->events, count) ||
        (proves && crc32c(0, segment->events, count * sizeof segment->events[0]) != sum.crc)) {
        if (proves)
            tape_segment_complain(segment, &sum);
        return 0;
    }
    segment->block_events = count;
    return count;
}

// The event at a position, if it is proved; valid until the next block is read.
static const struct event *tape_segment_event(struct tape_segment *segment, uint64_t position)
{
    uint64_t block = position / TAPE_BLOCK_EVENTS;
    uint32_t in_block = (uint32_t)(position % TAPE_BLOCK_EVENTS);
    bool known = segment->block == block && in_block < segment->block_events;
    if (!known && tape_segment_block(segment, block, in_block) <= in_block)
        return NULL;
    return &segment->events[in_block];
}

// ---- finding a place

void tape_reader_init(struct tape_reader *reader, const char *folder)
{
    ASSERT(strlen(folder) < sizeof reader->folder);
    memset(reader, 0, sizeof *reader);
    memcpy(reader->folder, folder, strlen(folder) + 1);
    reader->segment.fd = reader->segment.sums_fd = -1;
}

void tape_reader_fini(struct tape_reader *reader)
{
    tape_segment_leave(&reader->segment);
}

static bool tape_event_before(const struct event *event, uint64_t sequence, uint32_t index)
{
    return event->header.sequence < sequence ||
           (event->header.sequence == sequence && event->header.index < index);
}

// First position whose event is not before (sequence, index). What is not proved, or zeroes at a
// lost tail, counts as behind all.
static uint64_t tape_segment_search(struct tape_segment *segment, uint64_t sequence, uint32_t index)
{
    uint64_t low = 0, high = tape_segment_proved(segment);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct event *event = tape_segment_event(segment, middle);
        if (event != NULL && event->header.sequence != 0 &&
            tape_event_before(event, sequence, index))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool tape_reader_seek(struct tape_reader *reader, uint64_t sequence, uint32_t index)
{
    struct tape_segment *segment = &reader->segment;
    uint64_t first;
    tape_segment_leave(segment);
    if (!numbered_largest(&first, reader->folder, TAPE_SUFFIX, sequence) ||
        !tape_segment_enter(segment, reader->folder, first))
        return false;
    uint64_t position = tape_segment_search(segment, sequence, index);
    const struct event *event = tape_segment_event(segment, position);
    if (event == NULL || event->header.sequence != sequence || event->header.index != index) {
        tape_segment_leave(segment);
        return false;
    }
    reader->position = position;
    reader->next_sequence = sequence;
    reader->next_index = index;
    return true;
}

// ---- reading on

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

// Goes on to the segment that begins with the next command, if it is there.
static bool tape_reader_next_segment(struct tape_reader *reader)
{
    char path[NUMBERED_PATH_BYTES];
    // A command is never split over segments; and this one, if nothing of it is shown yet, is not
    // its own successor.
    if (reader->next_index != 0 || reader->next_sequence == reader->segment.first_sequence)
        return false;
    numbered_path(path, reader->folder, reader->next_sequence, TAPE_SUFFIX);
    if (access(path, R_OK) != 0)
        return false;
    struct tape_segment *segment = &reader->segment;
    uint64_t current = segment->first_sequence;
    tape_segment_leave(segment);
    if (tape_segment_enter(segment, reader->folder, reader->next_sequence)) {
        reader->position = 0;
        return true;
    }
    segment->first_sequence = current;
    return false;
}

size_t tape_reader_read(struct tape_reader *reader, struct event *out, size_t max)
{
    struct tape_segment *segment = &reader->segment;
    ASSERT(segment->first_sequence > 0);
    if (segment->fd < 0 &&
        !tape_segment_enter(segment, reader->folder, segment->first_sequence))
        return 0;
    size_t count = 0;
    while (count < max) {
        const struct event *event = tape_segment_event(segment, reader->position);
        if (event == NULL && count == 0 && !segment->damaged && tape_reader_next_segment(reader))
            continue;
        if (event == NULL || !tape_reader_accept(reader, event)) {
            // What stands there is not ours, and lonja-tape is about to write it anew; perhaps with the
            // checksums that were lost with the machine. Neither is seen by who keeps what he has read.
            if (event != NULL || segment->state != TAPE_SUMS_THERE)
                tape_segment_leave(segment);
            break;
        }
        out[count++] = *event;
    }
    return count;
}

uint64_t tape_reader_last_sequence(const char *folder)
{
    struct tape_segment segment;
    uint64_t first;
    if (!numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX) ||
        !tape_segment_enter(&segment, folder, first))
        return 0;
    uint64_t sequence = first - 1; // a segment that is still empty
    for (uint64_t position = tape_segment_proved(&segment); position > 0; position--) {
        const struct event *event = tape_segment_event(&segment, position - 1);
        if (event == NULL || event->header.sequence == 0 || !event->header.last)
            continue;
        sequence = event->header.sequence;
        break;
    }
    tape_segment_leave(&segment);
    return sequence;
}
