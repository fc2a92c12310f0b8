#include "gateway/fix/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "gateway/common/workers.h"
#include "gateway/fix/session.h"

#define POSITION_MAGIC 0x736f7078696621ULL

struct position {
    uint64_t magic;
    uint64_t sequence;
    uint32_t zero;
    uint32_t crc; // of all before it
};

struct checkpoint {
    struct desk *desk;
    struct workers *workers;
    int position_fd;
    bool under_way;
    uint64_t made, making; // sequences
    int *descriptors;      // duplicates of the dirty stores' files
    size_t count, capacity;
    int error; // of the worker
};

static uint32_t position_crc(const struct position *position)
{
    return crc32c(0, position, offsetof(struct position, crc));
}

static int position_file(const char *fix_folder, int flags)
{
    char path[600];
    snprintf(path, sizeof path, "%s/position", fix_folder);
    return open(path, flags | O_CLOEXEC, 0600);
}

uint64_t checkpoint_position(const char *fix_folder)
{
    struct position position = {0};
    int fd = position_file(fix_folder, O_RDONLY);
    bool read_all = fd >= 0 && pread(fd, &position, sizeof position, 0) == (ssize_t)sizeof position;
    if (fd >= 0)
        close(fd);
    bool sound =
        read_all && position.magic == POSITION_MAGIC && position.crc == position_crc(&position);
    return sound ? position.sequence : 0;
}

struct checkpoint *checkpoint_open(struct loop *loop, struct desk *desk)
{
    struct checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
    ASSERT(checkpoint != NULL);
    checkpoint->desk = desk;
    checkpoint->position_fd = position_file(desk->folder, O_RDWR | O_CREAT);
    checkpoint->workers = workers_open(loop, 1, 1);
    if (checkpoint->position_fd < 0 || checkpoint->workers == NULL) {
        log_error("checkpoint cannot be opened folder=%s error=%s", desk->folder, strerror(errno));
        free(checkpoint);
        return NULL;
    }
    return checkpoint;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    workers_close(checkpoint->workers);
    close(checkpoint->position_fd);
    free(checkpoint->descriptors);
    free(checkpoint);
}

static void run(void *context)
{
    struct checkpoint *checkpoint = context;
    struct position position = {.magic = POSITION_MAGIC, .sequence = checkpoint->making};
    position.crc = position_crc(&position);
    checkpoint->error = 0;
    for (size_t i = 0; i < checkpoint->count; i++)
        if (fdatasync(checkpoint->descriptors[i]) != 0)
            checkpoint->error = errno;
    if (checkpoint->error == 0 &&
        pwrite(checkpoint->position_fd, &position, sizeof position, 0) != (ssize_t)sizeof position)
        checkpoint->error = errno;
    if (checkpoint->error == 0 && fdatasync(checkpoint->position_fd) != 0)
        checkpoint->error = errno;
}

static void finish(void *context)
{
    struct checkpoint *checkpoint = context;
    for (size_t i = 0; i < checkpoint->count; i++)
        close(checkpoint->descriptors[i]);
    checkpoint->count = 0;
    checkpoint->under_way = false;
    if (checkpoint->error != 0) {
        log_error("session stores cannot be synced error=%s", strerror(checkpoint->error));
        checkpoint->desk->failed = true;
        return;
    }
    checkpoint->made = checkpoint->making;
}

static void descriptor_add(struct checkpoint *checkpoint, int fd)
{
    if (checkpoint->count == checkpoint->capacity) {
        checkpoint->capacity = checkpoint->capacity == 0 ? 16 : checkpoint->capacity * 2;
        checkpoint->descriptors = realloc(checkpoint->descriptors,
                                          checkpoint->capacity * sizeof *checkpoint->descriptors);
        ASSERT(checkpoint->descriptors != NULL);
    }
    checkpoint->descriptors[checkpoint->count++] = fd;
}

// A duplicate, because a reset of the session may close the file meanwhile.
static bool dirty_collect(struct checkpoint *checkpoint)
{
    const struct desk *desk = checkpoint->desk;
    for (uint32_t i = 0; i < desk->open_count; i++) {
        struct session *session = desk->open[i];
        if (!session->store.dirty)
            continue;
        int fd = fcntl(session->store.messages_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return false;
        descriptor_add(checkpoint, fd);
        session->store.dirty = false;
    }
    return true;
}

void checkpoint_make(struct checkpoint *checkpoint, uint64_t sequence)
{
    if (checkpoint->under_way || sequence <= checkpoint->made)
        return;
    if (!dirty_collect(checkpoint)) {
        log_error("no descriptor for a checkpoint error=%s", strerror(errno));
        checkpoint->desk->failed = true;
        return;
    }
    checkpoint->making = sequence;
    checkpoint->under_way = workers_submit(checkpoint->workers, run, finish, checkpoint);
    ASSERT(checkpoint->under_way);
}
