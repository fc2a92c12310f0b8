#include "core/tape_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "core/tape_format.h"
#include "core/tape_reader.h"

// ---- segments

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

// The events first: checksums without events are overwritten when the segment begins again.
static int tape_segment_remove(const char *folder, uint64_t first)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, first, TAPE_SUFFIX);
    if (unlink(path) != 0)
        return -errno;
    numbered_path(path, folder, first, TAPE_SUMS_SUFFIX);
    return unlink(path) != 0 && errno != ENOENT ? -errno : 0;
}

// Removes the segments whose first sequence is above `sequence`.
static int tape_remove_above(const char *folder, uint64_t sequence)
{
    uint64_t first;
    int result = 0;
    while (result == 0 && numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX) &&
           first > sequence)
        result = tape_segment_remove(folder, first);
    return result;
}

int tape_forget_before(const char *folder, uint64_t sequence)
{
    uint64_t first, next;
    int result = 0;
    while (result == 0 && numbered_smallest(&first, folder, TAPE_SUFFIX) &&
           numbered_next(&next, folder, TAPE_SUFFIX, first + 1) && next <= sequence)
        result = tape_segment_remove(folder, first);
    return result;
}

int tape_lock(const char *folder)
{
    char path[NUMBERED_PATH_BYTES];
    int result = state_folder_make(folder);
    if (result != 0)
        return result;
    int n = snprintf(path, sizeof path, "%s/lock", folder);
    ASSERT(n > 0 && (size_t)n < sizeof path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0; // held until the process ends
    result = -errno;
    close(fd);
    return result;
}

int tape_again_mark(const char *folder, uint64_t sequence)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, sequence, TAPE_AGAIN_SUFFIX);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    close(fd);
    return folder_sync(folder);
}

uint64_t tape_again_from(const char *folder)
{
    uint64_t sequence;
    return numbered_smallest(&sequence, folder, TAPE_AGAIN_SUFFIX) ? sequence : UINT64_MAX;
}

void tape_again_unmark(const char *folder)
{
    char path[NUMBERED_PATH_BYTES];
    for (uint64_t sequence; (sequence = tape_again_from(folder)) != UINT64_MAX;) {
        numbered_path(path, folder, sequence, TAPE_AGAIN_SUFFIX);
        if (unlink(path) != 0)
            return;
    }
}

// Takes the entries from the block of `position` on away: what is there is going to change.
static int tape_sums_cut(const char *folder, uint64_t first, uint64_t position)
{
    int fd;
    if (tape_sums_open(&fd, folder, first, true) != TAPE_SUMS_THERE)
        return 0;
    int result = tape_sums_truncate(fd, first, position / TAPE_BLOCK_EVENTS);
    close(fd);
    return result;
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
    result = tape_sums_cut(folder, first, position);
    if (result == 0 && ftruncate(fd, (off_t)(TAPE_HEADER_BYTES + position * EVENT_BYTES)) != 0)
        result = -errno;
    close(fd);
    return result;
}

// ---- open

// Takes what is not proved off the end of the block: what was synced stays.
static int tape_trim_block(struct tape_segment *segment, const char *folder, uint64_t block)
{
    struct tape_sum sum;
    int fd;
    bool synced = tape_sum_read(segment->sums_fd, &sum, block) && sum.synced_events > 0 &&
                  sum.synced_events < sum.events;
    int result = tape_sums_cut(folder, segment->first_sequence, block * TAPE_BLOCK_EVENTS);
    if (result != 0 || !synced)
        return result;
    sum.events = sum.synced_events;
    sum.crc = sum.synced_crc;
    tape_sum_finish(&sum);
    if (tape_sums_open(&fd, folder, segment->first_sequence, true) != TAPE_SUMS_THERE)
        return -EIO;
    result = tape_sums_write(fd, &sum, 1);
    close(fd);
    return result;
}

// The end of the last segment may be lost with the machine, though its checksums are not: what they
// do not prove is taken off, block by block from the end, so that nobody takes it for damage. It is
// written again.
static int tape_trim(const char *folder)
{
    struct tape_segment segment;
    uint64_t first;
    if (!numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX) ||
        !tape_segment_enter(&segment, folder, first))
        return 0;
    int result = 0;
    bool more = segment.state == TAPE_SUMS_THERE;
    for (uint64_t proved; result == 0 && more && (proved = tape_segment_proved(&segment)) > 0;) {
        uint64_t block = (proved - 1) / TAPE_BLOCK_EVENTS;
        more = tape_segment_block(&segment, block, 0) == 0;
        if (more)
            result = tape_trim_block(&segment, folder, block);
    }
    tape_segment_leave(&segment);
    return result;
}

// Goes behind the last event of the command; false if the tape does not prove it.
static bool tape_reader_pass(struct tape_reader *reader, uint64_t sequence)
{
    struct event event;
    if (!tape_reader_seek(reader, sequence, 0))
        return false;
    do {
        if (tape_reader_read(reader, &event, 1) != 1)
            return false;
    } while (!event.header.last);
    return true;
}

// A segment whose checksums are not there is gone through from the beginning.
static int tape_writer_resume(struct tape_writer *writer, uint64_t after_sequence)
{
    struct tape_reader reader;
    tape_reader_init(&reader, writer->folder);
    bool found = tape_reader_pass(&reader, after_sequence);
    const struct tape_segment *segment = &reader.segment;
    uint32_t in_block = (uint32_t)(reader.position % TAPE_BLOCK_EVENTS);
    tape_reader_fini(&reader);
    if (!found || segment->state != TAPE_SUMS_THERE)
        return -ENOENT;
    writer->segment = segment->first_sequence;
    writer->position = reader.position;
    // The block is the one that holds the last event, unless that was its last: then there is none.
    writer->block_crc = crc32c(0, segment->events, in_block * sizeof segment->events[0]);
    writer->fd = tape_segment_open(writer->folder, writer->segment, true);
    if (writer->fd >= 0 &&
        tape_sums_open(&writer->sums_fd, writer->folder, writer->segment, true) == TAPE_SUMS_THERE)
        return 0;
    tape_writer_close(writer);
    return -EIO;
}

int tape_writer_open(struct tape_writer *writer, const char *folder, uint64_t segment_events,
                     uint64_t after_sequence)
{
    memset(writer, 0, sizeof *writer);
    ASSERT(strlen(folder) < sizeof writer->folder);
    memcpy(writer->folder, folder, strlen(folder) + 1);
    writer->segment_events = segment_events;
    writer->fd = writer->sums_fd = -1;
    writer->comparing = true;
    writer->next_sequence = after_sequence + 1;
    int result = state_folder_make(folder);
    if (result == 0)
        result = tape_trim(folder);
    if (result == 0 && after_sequence > 0)
        result = tape_writer_resume(writer, after_sequence);
    if (result != 0)
        return result;
    writer->buffer = malloc(TAPE_BUFFER_EVENTS * sizeof *writer->buffer);
    if (writer->buffer != NULL)
        return 0;
    tape_writer_close(writer);
    return -ENOMEM;
}

void tape_writer_close(struct tape_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->sums_fd >= 0)
        close(writer->sums_fd);
    writer->fd = writer->sums_fd = -1;
    free(writer->buffer);
    writer->buffer = NULL;
}

// ---- writing

static struct tape_sum tape_writer_sum(const struct tape_writer *writer, uint64_t block,
                                       uint32_t events)
{
    struct tape_sum sum = {.block = (uint32_t)block, .events = events, .crc = writer->block_crc};
    if (writer->synced.events > 0 && writer->synced.block == block) {
        sum.synced_events = writer->synced.events;
        sum.synced_crc = writer->synced.crc;
    }
    tape_sum_finish(&sum);
    return sum;
}

// Books an event that is, or will be, at writer->position.
static void tape_writer_count(struct tape_writer *writer, const struct event *event)
{
    writer->block_crc = crc32c(writer->block_crc, event, sizeof *event);
    writer->position++;
    if (writer->position % TAPE_BLOCK_EVENTS != 0)
        return;
    ASSERT(writer->pending < TAPE_SUMS_PENDING);
    writer->sums[writer->pending++] =
        tape_writer_sum(writer, writer->position / TAPE_BLOCK_EVENTS - 1, TAPE_BLOCK_EVENTS);
    writer->block_crc = 0;
}

// Adds the entry of the block that is not full. While we only compare, one that proves more stays.
static void tape_writer_sum_last(struct tape_writer *writer, uint32_t *count)
{
    uint32_t in_block = (uint32_t)(writer->position % TAPE_BLOCK_EVENTS);
    uint64_t block = writer->position / TAPE_BLOCK_EVENTS;
    struct tape_sum there;
    if (in_block == 0)
        return;
    bool stays = writer->comparing && tape_sum_read(writer->sums_fd, &there, block) &&
                 there.events >= in_block;
    writer->sums[(*count)++] = stays ? there : tape_writer_sum(writer, block, in_block);
}

// The entries of what was written.
static int tape_writer_flush_sums(struct tape_writer *writer)
{
    uint32_t count = writer->pending;
    tape_writer_sum_last(writer, &count);
    writer->pending = 0;
    return count > 0 ? tape_sums_write(writer->sums_fd, writer->sums, count) : 0;
}

int tape_writer_flush(struct tape_writer *writer)
{
    if (writer->fd < 0)
        return 0;
    uint64_t first = writer->position - writer->buffered;
    int result = 0;
    if (writer->buffered > 0)
        result = tape_write(writer->fd, writer->buffer, writer->buffered * sizeof *writer->buffer,
                            TAPE_HEADER_BYTES + first * EVENT_BYTES);
    writer->buffered = 0;
    return result == 0 ? tape_writer_flush_sums(writer) : result;
}

int tape_writer_sync(struct tape_writer *writer)
{
    int result = tape_writer_flush(writer);
    if (result == 0 && writer->fd >= 0 &&
        (fdatasync(writer->fd) != 0 || fdatasync(writer->sums_fd) != 0))
        result = -errno;
    writer->synced = (struct tape_sum){.block = (uint32_t)(writer->position / TAPE_BLOCK_EVENTS),
                                       .events = (uint32_t)(writer->position % TAPE_BLOCK_EVENTS),
                                       .crc = writer->block_crc};
    return result == 0 ? folder_sync(writer->folder) : result;
}

// The segment is finished: its events are durable before its checksums say so.
static int tape_writer_seal(struct tape_writer *writer)
{
    int result = tape_writer_flush(writer);
    if (result == 0 && fdatasync(writer->fd) != 0)
        result = -errno;
    if (result == 0)
        result = tape_sums_seal(writer->sums_fd, writer->segment, writer->position,
                                writer->next_sequence - 1);
    return result == 0 && fdatasync(writer->sums_fd) != 0 ? -errno : result;
}

static int tape_writer_leave_segment(struct tape_writer *writer)
{
    if (writer->fd < 0)
        return 0;
    int result = tape_writer_seal(writer);
    close(writer->fd);
    close(writer->sums_fd);
    writer->fd = writer->sums_fd = -1;
    return result;
}

// A segment of before, to be compared; false if there is none. Its checksums are made if they are
// missing, and written again as they are if they are not.
static int tape_writer_enter_old(struct tape_writer *writer)
{
    int fd = tape_segment_open(writer->folder, writer->next_sequence, true);
    if (fd < 0)
        return -ENOENT;
    int sums = -1;
    if (tape_sums_open(&sums, writer->folder, writer->next_sequence, true) != TAPE_SUMS_THERE)
        sums = tape_sums_create(writer->folder, writer->next_sequence);
    if (sums < 0) {
        close(fd);
        return sums;
    }
    writer->fd = fd;
    writer->sums_fd = sums;
    return tape_segment_fill(fd, writer->next_sequence);
}

static int tape_writer_enter_new(struct tape_writer *writer)
{
    writer->comparing = false;
    int result = tape_remove_above(writer->folder, writer->next_sequence - 1);
    if (result != 0)
        return result;
    int sums = tape_sums_create(writer->folder, writer->next_sequence);
    if (sums < 0)
        return sums;
    int fd = tape_segment_create(writer->folder, writer->next_sequence);
    if (fd < 0) {
        close(sums);
        return fd;
    }
    writer->fd = fd;
    writer->sums_fd = sums;
    return 0;
}

// Stands at the beginning of the segment for the next command: one from before, or a new one.
static int tape_writer_next_segment(struct tape_writer *writer)
{
    int result = tape_writer_leave_segment(writer);
    if (result != 0)
        return result;
    result = writer->comparing ? tape_writer_enter_old(writer) : -ENOENT;
    if (result == -ENOENT)
        result = tape_writer_enter_new(writer);
    writer->segment = writer->next_sequence;
    writer->position = 0;
    writer->block_crc = 0;
    writer->synced = (struct tape_sum){0};
    ASSERT(writer->pending == 0 || result != 0);
    return result;
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

// From here on the tape is written anew: the checksums go before the events that they are of.
static int tape_writer_stop_comparing(struct tape_writer *writer)
{
    uint64_t there = tape_segment_events(writer->fd);
    if (there > writer->position) {
        uint64_t dropped = there - writer->position;
        writer->dropped += dropped;
        log_warning("the tape is written anew sequence=%llu events_dropped=%llu",
                    (unsigned long long)writer->next_sequence, (unsigned long long)dropped);
    }
    int result = tape_writer_flush(writer);
    writer->comparing = false;
    if (result == 0)
        result = tape_sums_truncate(writer->sums_fd, writer->segment,
                                    writer->position / TAPE_BLOCK_EVENTS);
    if (result == 0 &&
        ftruncate(writer->fd, (off_t)(TAPE_HEADER_BYTES + writer->position * EVENT_BYTES)) != 0)
        result = -errno;
    return result == 0 ? tape_remove_above(writer->folder, writer->segment) : result;
}

int tape_writer_end(struct tape_writer *writer)
{
    int result = 0;
    if (writer->fd < 0)
        return tape_remove_above(writer->folder, 0);
    if (writer->comparing)
        result = tape_writer_stop_comparing(writer);
    return result == 0 ? tape_writer_sync(writer) : result;
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
        tape_writer_count(writer, &events[i]);
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
    if (result == 0 && writer->comparing && !tape_writer_agrees(writer, events, count))
        result = tape_writer_stop_comparing(writer);
    // What agrees is written as well: whoever wrote it may have been told that it cannot be made
    // durable, and a sync of ours would say nothing of it (the kernel drops what it failed to
    // write, and shows it as long as the machine stands).
    if (result == 0)
        result = tape_writer_append(writer, events, count);
    writer->next_sequence++;
    return result;
}
