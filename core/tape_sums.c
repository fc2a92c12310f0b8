#include "core/tape_sums.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/numbered_file.h"

// ---- reading

static off_t sums_offset(uint64_t block)
{
    return (off_t)(sizeof(struct tape_sums_header) + block * sizeof(struct tape_sum));
}

bool tape_sums_header_read(int fd, struct tape_sums_header *header, uint64_t first_sequence)
{
    return pread(fd, header, sizeof *header, 0) == (ssize_t)sizeof *header &&
           header->magic == TAPE_SUMS_MAGIC && header->format == TAPE_SUMS_FORMAT &&
           header->block_events == TAPE_BLOCK_EVENTS && header->first_sequence == first_sequence &&
           header->crc == crc32c(0, header, offsetof(struct tape_sums_header, crc));
}

enum tape_sums_state tape_sums_open(int *fd, const char *folder, uint64_t first_sequence,
                                    bool writable)
{
    char path[NUMBERED_PATH_BYTES];
    struct tape_sums_header header;
    numbered_path(path, folder, first_sequence, TAPE_SUMS_SUFFIX);
    *fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (*fd < 0)
        return errno == ENOENT ? TAPE_SUMS_ABSENT : TAPE_SUMS_BROKEN;
    if (tape_sums_header_read(*fd, &header, first_sequence))
        return TAPE_SUMS_THERE;
    close(*fd);
    *fd = -1;
    return TAPE_SUMS_BROKEN;
}

void tape_sum_finish(struct tape_sum *sum)
{
    ASSERT(sum->events >= 1 && sum->events <= TAPE_BLOCK_EVENTS &&
           sum->synced_events <= sum->events);
    sum->check = crc32c(0, sum, offsetof(struct tape_sum, check));
}

bool tape_sum_read(int fd, struct tape_sum *sum, uint64_t block)
{
    return pread(fd, sum, sizeof *sum, sums_offset(block)) == (ssize_t)sizeof *sum &&
           sum->block == block && sum->events >= 1 && sum->events <= TAPE_BLOCK_EVENTS &&
           sum->synced_events <= sum->events &&
           sum->check == crc32c(0, sum, offsetof(struct tape_sum, check));
}

static uint64_t sums_entries(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(struct tape_sums_header))
        return 0;
    return ((uint64_t)st.st_size - sizeof(struct tape_sums_header)) / sizeof(struct tape_sum);
}

uint64_t tape_sums_events(int fd)
{
    struct tape_sum sum;
    for (uint64_t entries = sums_entries(fd); entries > 0; entries--)
        if (tape_sum_read(fd, &sum, entries - 1))
            return (entries - 1) * TAPE_BLOCK_EVENTS + sum.events;
    return 0;
}

// CRC of the checksums of `events` events; false if one is missing. Not of whole entries: each ends
// with the CRC of what is before it, and so leaves the same behind, whatever it says.
static bool sums_entries_crc(int fd, uint32_t *crc, uint64_t events)
{
    struct tape_sum sum;
    *crc = 0;
    for (uint64_t block = 0; block * TAPE_BLOCK_EVENTS < events; block++) {
        uint64_t left = events - block * TAPE_BLOCK_EVENTS;
        if (!tape_sum_read(fd, &sum, block) ||
            sum.events != (left < TAPE_BLOCK_EVENTS ? left : TAPE_BLOCK_EVENTS))
            return false;
        *crc = crc32c(*crc, &sum.crc, sizeof sum.crc);
    }
    return true;
}

const char *tape_sums_seal_fault(int fd, const struct tape_sums_header *header)
{
    uint32_t crc;
    ASSERT(header->events > 0);
    if (!sums_entries_crc(fd, &crc, header->events))
        return "a checksum is missing or broken";
    return crc == header->entries_crc ? NULL : "the checksums are not those that were sealed";
}

// ---- writing

static int sums_write(int fd, const void *data, size_t bytes, off_t offset)
{
    ssize_t n = pwrite(fd, data, bytes, offset);
    if (n < 0)
        return -errno;
    return (size_t)n == bytes ? 0 : -ENOSPC;
}

static int sums_header_write(int fd, struct tape_sums_header *header, uint64_t first_sequence)
{
    header->magic = TAPE_SUMS_MAGIC;
    header->format = TAPE_SUMS_FORMAT;
    header->block_events = TAPE_BLOCK_EVENTS;
    header->first_sequence = first_sequence;
    header->crc = crc32c(0, header, offsetof(struct tape_sums_header, crc));
    return sums_write(fd, header, sizeof *header, 0);
}

int tape_sums_create(const char *folder, uint64_t first_sequence)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, first_sequence, TAPE_SUMS_SUFFIX);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int result = sums_header_write(fd, &(struct tape_sums_header){0}, first_sequence);
    if (result != 0)
        close(fd);
    return result == 0 ? fd : result;
}

int tape_sums_write(int fd, const struct tape_sum *sums, uint32_t count)
{
    ASSERT(count > 0);
    return sums_write(fd, sums, count * sizeof *sums, sums_offset(sums[0].block));
}

int tape_sums_truncate(int fd, uint64_t first_sequence, uint64_t block)
{
    int result = sums_header_write(fd, &(struct tape_sums_header){0}, first_sequence);
    if (result == 0 && sums_entries(fd) > block && ftruncate(fd, sums_offset(block)) != 0)
        result = -errno;
    return result;
}

// What was synced when does not matter any more: a finished segment is the same however it came
// about.
static int sums_forget_synced(int fd, uint64_t events)
{
    struct tape_sum sum;
    int result = 0;
    for (uint64_t block = 0; result == 0 && block * TAPE_BLOCK_EVENTS < events; block++) {
        if (!tape_sum_read(fd, &sum, block) || sum.synced_events == 0)
            continue;
        sum.synced_events = sum.synced_crc = 0;
        tape_sum_finish(&sum);
        result = tape_sums_write(fd, &sum, 1);
    }
    return result;
}

int tape_sums_seal(int fd, uint64_t first_sequence, uint64_t events, uint64_t last_sequence)
{
    ASSERT(events > 0 && last_sequence >= first_sequence);
    struct tape_sums_header header = {.events = events, .last_sequence = last_sequence};
    int result = sums_forget_synced(fd, events);
    if (result != 0)
        return result;
    if (!sums_entries_crc(fd, &header.entries_crc, events))
        return -EIO;
    return sums_header_write(fd, &header, first_sequence);
}
