#include "supervisor/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static int write_and_close(int fd, const void *data, size_t bytes, enum atomic_file_mode mode)
{
    int result = 0;
    ssize_t written = write(fd, data, bytes);
    if (written != (ssize_t)bytes)
        result = written < 0 ? -errno : -ENOSPC;
    else if (mode == ATOMIC_FILE_DURABLE && fsync(fd) != 0)
        result = -errno;
    if (close(fd) != 0 && result == 0)
        result = -errno;
    return result;
}

int atomic_file_write(int folder_fd, const char *name, const void *data, size_t bytes,
                      enum atomic_file_mode mode)
{
    char temporary[NAME_MAX + 1];
    int length = snprintf(temporary, sizeof temporary, "%s.new", name);
    ASSERT(length > 0 && (size_t)length < sizeof temporary);
    int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    int result = write_and_close(fd, data, bytes, mode);
    if (result == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0)
        result = -errno;
    if (result < 0) {
        unlinkat(folder_fd, temporary, 0);
        return result;
    }
    if (mode == ATOMIC_FILE_DURABLE && fsync(folder_fd) != 0)
        return -errno;
    return 0;
}
