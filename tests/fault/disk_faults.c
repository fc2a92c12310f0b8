// See disk_faults.h. Preloaded into lonja-core; makes no system call of its own after its
// constructor, since the core's sandbox would refuse it.
#include "tests/fault/disk_faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { FILES_MAX = 1024 };

static struct disk_faults *faults;
static int folder = -1;              // the journal's
static _Atomic bool ours[FILES_MAX]; // descriptors of it and of what is in it

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);
static int (*real_close)(int);
static int (*real_renameat)(int, const char *, int, const char *);

// A function pointer may not be cast from void * in ISO C; copying it is what POSIX means.
static void find(void *pointer, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(pointer, &symbol, sizeof symbol);
}

__attribute__((constructor)) static void disk_faults_begin(void)
{
    find(&real_open, "open");
    find(&real_openat, "openat");
    find(&real_pread, "pread");
    find(&real_pwrite, "pwrite");
    find(&real_fdatasync, "fdatasync");
    find(&real_fsync, "fsync");
    find(&real_close, "close");
    find(&real_renameat, "renameat");
    const char *path = getenv("LONJA_DISK_FAULTS");
    int fd = path == NULL ? -1 : real_open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    faults = page == MAP_FAILED ? NULL : page;
    real_close(fd);
}

static bool is_ours(int fd)
{
    return faults != NULL && fd >= 0 && fd < FILES_MAX && ours[fd];
}

// True if this is the call that fails. `fd` -1: a call on names.
static bool must_fail(enum disk_fault_class class, int fd)
{
    uint64_t call = atomic_fetch_add(&faults->calls[class], 1) + 1;
    if (faults->fault_class != class)
        return false;
    if (atomic_load(&faults->failed) != 0 && fd >= 0 && fd == atomic_load(&faults->file))
        atomic_fetch_add(&faults->retried, 1);
    if (call != faults->at)
        return false;
    atomic_store(&faults->file, fd);
    atomic_store(&faults->failed, 1);
    return true;
}

static int fail(int result)
{
    (void)result;
    errno = faults->error;
    return -1;
}

static bool does_it_first(void)
{
    return faults->manner == DISK_FAULT_ERROR_AFTER;
}

static int remember(int fd)
{
    if (fd >= 0 && fd < FILES_MAX)
        ours[fd] = true;
    return fd;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
    va_end(arguments);
    if (faults == NULL || !ends_with(path, "/journal"))
        return real_open(path, flags, mode);
    if (must_fail(DISK_FAULT_OPEN, -1))
        return fail(0);
    folder = remember(real_open(path, flags, mode));
    return folder;
}

int openat(int at, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
    va_end(arguments);
    if (faults == NULL || at != folder || folder < 0)
        return real_openat(at, path, flags, mode);
    if (must_fail(DISK_FAULT_OPEN, -1))
        return fail(0);
    return remember(real_openat(at, path, flags, mode));
}

ssize_t pread(int fd, void *out, size_t bytes, off_t offset)
{
    if (is_ours(fd) && must_fail(DISK_FAULT_READ, fd))
        return fail(0);
    return real_pread(fd, out, bytes, offset);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    if (!is_ours(fd) || !must_fail(DISK_FAULT_WRITE, fd))
        return real_pwrite(fd, data, bytes, offset);
    if (faults->manner == DISK_FAULT_SHORT) // half of it, in whole sectors as O_DIRECT wants it
        return real_pwrite(fd, data, bytes / 2 / 512 * 512, offset);
    return fail(does_it_first() ? (int)real_pwrite(fd, data, bytes, offset) : 0);
}

int fdatasync(int fd)
{
    if (is_ours(fd) && must_fail(DISK_FAULT_SYNC, fd))
        return fail(does_it_first() ? real_fdatasync(fd) : 0);
    return real_fdatasync(fd);
}

int fsync(int fd)
{
    if (is_ours(fd) && must_fail(DISK_FAULT_SYNC, fd))
        return fail(does_it_first() ? real_fsync(fd) : 0);
    return real_fsync(fd);
}

// The number may come again for another file.
int close(int fd)
{
    if (is_ours(fd)) {
        ours[fd] = false;
        int32_t file = fd;
        atomic_compare_exchange_strong(&faults->file, &file, -1);
    }
    return real_close(fd);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    if (faults == NULL || from_at != folder || !must_fail(DISK_FAULT_RENAME, -1))
        return real_renameat(from_at, from, to_at, to);
    return fail(does_it_first() ? real_renameat(from_at, from, to_at, to) : 0);
}
