#include "core/replica_fence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/numbered_file.h"
#include "core/replica_note.h"

static const char REPLICA_FENCE_NAME[] = "fence";
enum { REPLICA_FENCE_BYTES_MAX = 512 };

// ---- the fence

static int replica_fence_parse(struct replica_fence *fence, const char *text)
{
    char who[16];
    struct replica_fence read = {0};
    if (sscanf(text, "epoch %" SCNu64 " promoted %15[a-z]", &read.epoch, who) != 2 ||
        read.epoch == 0 || strchr(text, '\n') == NULL)
        return -EBADMSG;
    read.own = strcmp(who, "here") == 0;
    if (!read.own && strcmp(who, "elsewhere") != 0)
        return -EBADMSG;
    *fence = read;
    return 0;
}

int replica_fence_read(struct replica_fence *fence, const char *state_folder)
{
    char path[NUMBERED_PATH_BYTES], text[REPLICA_FENCE_BYTES_MAX] = "";
    *fence = (struct replica_fence){0};
    if (!replica_note_path(path, state_folder, REPLICA_FENCE_NAME))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    ssize_t bytes = read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    return bytes < 0 ? -error : replica_fence_parse(fence, text);
}

int replica_fence_write(const struct replica_fence *fence, const char *state_folder,
                        const char *reason)
{
    ASSERT(fence->epoch > 0);
    char text[REPLICA_FENCE_BYTES_MAX];
    snprintf(text, sizeof text - 1, "epoch %" PRIu64 " promoted %s: %s", fence->epoch,
             fence->own ? "here" : "elsewhere", reason);
    for (char *at = text; *at != '\0'; at++) // one line, whatever the reason was
        if ((unsigned char)*at < ' ')
            *at = ' ';
    strcat(text, "\n");
    return replica_note_write(state_folder, REPLICA_FENCE_NAME, text);
}

uint64_t replica_promotion_epoch(uint64_t epoch, const struct replica_fence *fence)
{
    uint64_t last = epoch > fence->epoch ? epoch : fence->epoch;
    return (last / REPLICA_EPOCHS_PER_PROMOTION + 1) * REPLICA_EPOCHS_PER_PROMOTION + 1;
}
