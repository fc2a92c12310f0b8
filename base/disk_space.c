#include "base/disk_space.h"

#include <sys/statvfs.h>

int64_t disk_space_free(const char *path)
{
    struct statvfs found;
    if (statvfs(path, &found) != 0)
        return -1;
    uint64_t bytes = (uint64_t)found.f_bavail * found.f_frsize;
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}
