#include "base/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int memfile_fail(int fd)
{
    int error = errno;
    if (fd >= 0)
        close(fd);
    return -error;
}

static int memfile_new(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fchmod(fd, 0600) != 0)
        return memfile_fail(fd);
    return fd;
}

int memfile_create(const char *name, size_t bytes)
{
    ASSERT(bytes > 0);
    int fd = memfile_new(name);
    if (fd < 0)
        return fd;
    if (ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return memfile_fail(fd);
    return fd;
}

int memfile_readonly(int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = open(path, O_RDONLY | O_CLOEXEC);
    return copy < 0 ? -errno : copy;
}

int memfile_create_constant(const char *name, const void *data, size_t bytes)
{
    ASSERT(bytes > 0);
    int fd = memfile_new(name);
    if (fd < 0)
        return fd;
    const unsigned char *p = data;
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(fd, p + done, bytes - done);
        if (n <= 0)
            return memfile_fail(fd);
        done += (size_t)n;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return memfile_fail(fd);
    return fd;
}

int memfile_map(void **memory, int fd, size_t bytes, bool writable)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -errno;
    if ((size_t)st.st_size != bytes)
        return -EINVAL;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        return -EPERM; // a peer could shrink it under us
    void *map = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return -errno;
    *memory = map;
    return 0;
}

void memfile_unmap(void *memory, size_t bytes)
{
    ASSERT(munmap(memory, bytes) == 0);
}
