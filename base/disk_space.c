#include "base/disk_space.h"

#include <limits.h>
#include <stdio.h>
#include <sys/statvfs.h>

static int64_t free_at(const char *path)
{
    struct statvfs found;
    if (statvfs(path, &found) != 0)
        return -1;
    uint64_t bytes = (uint64_t)found.f_bavail * found.f_frsize;
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

int64_t disk_space_free(const char *state_folder)
{
    char journal[PATH_MAX];
    snprintf(journal, sizeof journal, "%s/journal", state_folder);
    int64_t whole = free_at(state_folder), of_journal = free_at(journal);
    return of_journal >= 0 && of_journal < whole ? of_journal : whole;
}
