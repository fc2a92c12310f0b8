#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal_io.h"
#include "core/numbered_file.h"

static int journal_file_result(int result)
{
    return result == 0 ? 0 : -errno;
}

static int journal_file_list(void *context, journal_io_name *callback, void *callback_context)
{
    struct journal_io_file *file = context;
    int fd = openat(file->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        close(fd);
        return -error;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            callback(callback_context, entry->d_name);
    closedir(dir);
    return 0;
}

static int journal_file_open(void *context, const char *name, enum journal_io_mode mode)
{
    struct journal_io_file *file = context;
    int flags = O_CLOEXEC;
    if (mode == JOURNAL_IO_READ)
        flags |= O_RDONLY;
    else
        flags |= O_RDWR | (mode != JOURNAL_IO_WRITE ? O_CREAT | O_TRUNC : 0);
    int fd = -1;
    // A segment that is prepared is synced once, when it is full: there O_DSYNC would only cost.
    if ((mode == JOURNAL_IO_WRITE || mode == JOURNAL_IO_FILL) && file->durable)
        fd = openat(file->folder_fd, name,
                    flags | O_DIRECT | (mode == JOURNAL_IO_WRITE ? O_DSYNC : 0), 0640);
    if (fd < 0)
        fd = openat(file->folder_fd, name, flags, 0640);
    return fd < 0 ? -errno : fd;
}

static void journal_file_close(void *context, int fd)
{
    (void)context;
    close(fd);
}

static int64_t journal_file_size(void *context, int fd)
{
    (void)context;
    struct stat st;
    return fstat(fd, &st) == 0 ? (int64_t)st.st_size : -errno;
}

static int64_t journal_file_read(void *context, int fd, void *out, size_t bytes, uint64_t offset)
{
    (void)context;
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(fd, (char *)out + done, bytes - done, (off_t)(offset + done));
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

static int journal_file_write(void *context, int fd, const void *data, size_t bytes,
                              uint64_t offset)
{
    (void)context;
    ssize_t n = pwrite(fd, data, bytes, (off_t)offset);
    if (n < 0)
        return -errno;
    return (size_t)n == bytes ? 0 : -EIO; // a short write is a full disk: not tried again
}

static int journal_file_sync(void *context, int fd)
{
    struct journal_io_file *file = context;
    if (!file->durable)
        return 0;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_DSYNC) == O_DSYNC)
        return 0; // each write was synced by itself
    return journal_file_result(fdatasync(fd));
}

static int journal_file_rename(void *context, const char *from, const char *to)
{
    struct journal_io_file *file = context;
    return journal_file_result(renameat(file->folder_fd, from, file->folder_fd, to));
}

static int journal_file_remove(void *context, const char *name)
{
    struct journal_io_file *file = context;
    return journal_file_result(unlinkat(file->folder_fd, name, 0));
}

static int journal_file_sync_folder(void *context)
{
    struct journal_io_file *file = context;
    return file->durable ? journal_file_result(fsync(file->folder_fd)) : 0;
}

int journal_io_file_open(struct journal_io *io, struct journal_io_file *file, const char *folder,
                         bool durable)
{
    int result = state_folder_make(folder);
    if (result != 0)
        return result;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *file = (struct journal_io_file){.folder_fd = fd, .durable = durable};
    *io = (struct journal_io){.list = journal_file_list,
                              .open = journal_file_open,
                              .close = journal_file_close,
                              .size = journal_file_size,
                              .read = journal_file_read,
                              .write = journal_file_write,
                              .sync = journal_file_sync,
                              .rename = journal_file_rename,
                              .remove = journal_file_remove,
                              .sync_folder = journal_file_sync_folder,
                              .context = file};
    return 0;
}

void journal_io_file_close(struct journal_io_file *file)
{
    close(file->folder_fd);
    file->folder_fd = -1;
}

int journal_io_file_lock(const struct journal_io_file *file)
{
    int fd = openat(file->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}
