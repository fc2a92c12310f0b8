#include "perf/bare_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 16 << 20, FILL_BYTES = 1 << 20 };

static int fill(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    static const char zeroes[FILL_BYTES];
    int result = 0;
    for (off_t at = 0; at < FILE_BYTES && result == 0; at += FILL_BYTES)
        result = pwrite(fd, zeroes, FILL_BYTES, at) == FILL_BYTES ? 0 : -EIO;
    if (result == 0 && fsync(fd) != 0)
        result = -errno;
    close(fd);
    return result;
}

int bare_write_open(struct bare_write *write, const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s/bare-write", folder);
    int result = fill(path);
    if (result != 0)
        return result;
    *write = (struct bare_write){.direct = true};
    write->fd = open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (write->fd < 0) {
        write->direct = false;
        write->fd = open(path, O_WRONLY | O_CLOEXEC);
    }
    result = write->fd < 0 ? -errno : 0;
    unlink(path);
    write->page = aligned_alloc(BARE_WRITE_BYTES, BARE_WRITE_BYTES);
    ASSERT(write->page != NULL);
    memset(write->page, 'x', BARE_WRITE_BYTES);
    return result;
}

void bare_write_close(struct bare_write *write)
{
    close(write->fd);
    free(write->page);
}

// One write and its sample. Returns 0 or -errno.
static int write_one(struct bare_write *write, struct samples *samples)
{
    uint64_t start_ns = measure_now_ns();
    errno = 0;
    if (pwrite(write->fd, write->page, BARE_WRITE_BYTES, (off_t)write->offset) != BARE_WRITE_BYTES)
        return errno != 0 ? -errno : -EIO;
    if (!write->direct && fdatasync(write->fd) != 0)
        return -errno;
    samples_add(samples, measure_now_ns() - start_ns);
    write->offset = (write->offset + BARE_WRITE_BYTES) % FILE_BYTES;
    return 0;
}

int bare_write_run(struct bare_write *write, struct samples *samples, uint64_t span_ns)
{
    uint64_t start_ns = measure_now_ns();
    int result = 0;
    while (result == 0 && measure_now_ns() - start_ns < span_ns)
        result = write_one(write, samples);
    return result;
}

static void sleep_until(uint64_t moment_ns)
{
    uint64_t now_ns = measure_now_ns();
    if (now_ns >= moment_ns)
        return;
    uint64_t left_ns = moment_ns - now_ns;
    const struct timespec span = {.tv_sec = (time_t)(left_ns / 1000000000),
                                  .tv_nsec = (long)(left_ns % 1000000000)};
    nanosleep(&span, NULL);
}

int bare_write_paced(struct bare_write *write, struct samples *samples, uint32_t rate,
                     uint64_t span_ns)
{
    uint64_t start_ns = measure_now_ns();
    uint64_t period_ns = 1000000000 / rate;
    int result = 0;
    for (uint64_t at_ns = 0; result == 0 && at_ns < span_ns; at_ns += period_ns) {
        sleep_until(start_ns + at_ns);
        if (measure_now_ns() - start_ns > 2 * span_ns)
            break; // the disk takes fewer than that
        result = write_one(write, samples);
    }
    return result;
}
