#include "perf/bare_group.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"

enum {
    PAGE_BYTES = 4096,
    BLOCK_HEADER_BYTES = 64,
    WRITE_BYTES_MAX = 1 << 20,
    FILL_BYTES = 256 << 10,
    LOOK_NS = 1000000,
};

struct filling {
    const struct bare_group *group;
    char path[512];
    void *zeroes;
    _Atomic uint64_t wanted; // segments
    _Atomic bool stop;
    int result; // 0 or -errno
};

// ---- the preparer

// Makes a file of zeroes, synced. Returns it, or -errno.
static int segment_make(const char *path, uint64_t bytes, void *zeroes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int result = 0;
    for (uint64_t at = 0; at < bytes && result == 0; at += FILL_BYTES)
        if (pwrite(fd, zeroes, FILL_BYTES, (off_t)at) != FILL_BYTES)
            result = -EIO;
    if (result == 0 && fdatasync(fd) != 0)
        result = -errno;
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

static void *fill_thread(void *context)
{
    struct filling *filling = context;
    uint64_t made = 0;
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    while (!atomic_load(&filling->stop) && filling->result == 0) {
        if (made == atomic_load(&filling->wanted)) {
            measure_sleep_until(measure_now_ns() + LOOK_NS);
            continue;
        }
        int fd = segment_make(filling->path, filling->group->segment_bytes, filling->zeroes);
        if (fd < 0)
            filling->result = fd;
        else
            close(fd);
        made++;
    }
    return NULL;
}

// ---- the writer

static size_t bytes_of(const struct bare_group *group, uint64_t commands)
{
    size_t bytes = BLOCK_HEADER_BYTES + (size_t)commands * group->command_bytes;
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static int write_groups(const struct bare_group *group, struct samples *samples,
                        struct filling *filling, int fd, uint64_t span_ns)
{
    const double period_ns = 1e9 / group->rate;
    const uint64_t count = (uint64_t)((double)span_ns / period_ns);
    const uint64_t most = (WRITE_BYTES_MAX - BLOCK_HEADER_BYTES) / group->command_bytes;
    uint64_t start_ns = measure_now_ns(), done = 0, offset = 0;
    while (done < count) {
        uint64_t came = (uint64_t)((double)(measure_now_ns() - start_ns) / period_ns) + 1;
        uint64_t commands = (came < count ? came : count) - done;
        commands = commands < most ? commands : most;
        if (commands == 0) {
            measure_sleep_until(start_ns + (uint64_t)((double)done * period_ns));
            continue;
        }
        size_t bytes = bytes_of(group, commands);
        if (offset + bytes > group->segment_bytes) {
            atomic_fetch_add(&filling->wanted, 1);
            offset = 0;
        }
        if (pwrite(fd, filling->zeroes, bytes, (off_t)offset) != (ssize_t)bytes)
            return -EIO;
        offset += bytes;
        uint64_t now_ns = measure_now_ns();
        for (uint64_t end = done + commands; done < end; done++)
            samples_add(samples, now_ns - start_ns - (uint64_t)((double)done * period_ns));
    }
    return filling->result;
}

int bare_group_run(const struct bare_group *group, struct samples *samples, uint64_t span_ns)
{
    struct filling filling = {.group = group, .wanted = 1};
    char path[512];
    pthread_t thread;
    ASSERT(group->segment_bytes % FILL_BYTES == 0 && group->segment_bytes >= WRITE_BYTES_MAX);
    snprintf(path, sizeof path, "%s/bare-segment", group->folder);
    snprintf(filling.path, sizeof filling.path, "%s/bare-next", group->folder);
    filling.zeroes = aligned_alloc(PAGE_BYTES, WRITE_BYTES_MAX);
    ASSERT(filling.zeroes != NULL);
    memset(filling.zeroes, 0, WRITE_BYTES_MAX);
    int made = segment_make(path, group->segment_bytes, filling.zeroes);
    int fd = made < 0 ? made : open(path, O_WRONLY | O_DIRECT | O_DSYNC | O_CLOEXEC);
    int result = fd < 0 ? (made < 0 ? made : -errno) : 0;
    if (result == 0) {
        ASSERT(pthread_create(&thread, NULL, fill_thread, &filling) == 0);
        result = write_groups(group, samples, &filling, fd, span_ns);
        atomic_store(&filling.stop, true);
        ASSERT(pthread_join(thread, NULL) == 0);
        close(fd);
    }
    if (made >= 0)
        close(made);
    unlink(path);
    unlink(filling.path);
    free(filling.zeroes);
    return result;
}
