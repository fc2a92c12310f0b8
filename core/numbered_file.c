#include "core/numbered_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { NUMBERED_DIGITS = 20, STATE_BELOW_BYTES = 128 };

void numbered_name(char out[NUMBERED_NAME_BYTES], uint64_t number, const char *suffix)
{
    int n = snprintf(out, NUMBERED_NAME_BYTES, "%020llu.%s", (unsigned long long)number, suffix);
    ASSERT(n > 0 && n < NUMBERED_NAME_BYTES);
}

bool numbered_parse(uint64_t *number, const char *name, const char *suffix)
{
    uint64_t value = 0;
    for (int i = 0; i < NUMBERED_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(name[i] - '0');
    }
    if (name[NUMBERED_DIGITS] != '.' || strcmp(name + NUMBERED_DIGITS + 1, suffix) != 0)
        return false;
    *number = value;
    return true;
}

void numbered_path(char out[NUMBERED_PATH_BYTES], const char *folder, uint64_t number,
                   const char *suffix)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, suffix);
    path_join(out, folder, name);
}

void path_join(char out[NUMBERED_PATH_BYTES], const char *folder, const char *name)
{
    int n = snprintf(out, NUMBERED_PATH_BYTES, "%s/%s", folder, name);
    ASSERT(n > 0 && n < NUMBERED_PATH_BYTES);
}

bool state_path_fits(const char *state)
{
    return strlen(state) + STATE_BELOW_BYTES <= NUMBERED_PATH_BYTES;
}

// Walks the folder once; `largest` chooses which end is kept.
static bool numbered_extreme(uint64_t *number, const char *folder, const char *suffix,
                             uint64_t from, uint64_t limit, bool largest)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return false;
    bool found = false;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        uint64_t value;
        if (!numbered_parse(&value, entry->d_name, suffix) || value < from ||
            value > limit)
            continue;
        if (!found || (largest ? value > *number : value < *number))
            *number = value;
        found = true;
    }
    closedir(dir);
    return found;
}

bool numbered_largest(uint64_t *number, const char *folder, const char *suffix, uint64_t limit)
{
    return numbered_extreme(number, folder, suffix, 0, limit, true);
}

bool numbered_smallest(uint64_t *number, const char *folder, const char *suffix)
{
    return numbered_extreme(number, folder, suffix, 0, UINT64_MAX, false);
}

bool numbered_next(uint64_t *number, const char *folder, const char *suffix, uint64_t from)
{
    return numbered_extreme(number, folder, suffix, from, UINT64_MAX, false);
}

void state_folder(char out[NUMBERED_PATH_BYTES], const struct config *config, const char *name)
{
    path_join(out, config->venue_state_folder, name);
}

int state_folder_make(const char *path)
{
    char part[NUMBERED_PATH_BYTES];
    int n = snprintf(part, sizeof part, "%s", path);
    ASSERT(n > 0 && (size_t)n < sizeof part);
    for (char *slash = part;; *slash = '/') {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return -errno;
        if (slash == NULL)
            return 0;
    }
}

int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = fsync(fd) == 0 ? 0 : -errno;
    close(fd);
    return result;
}
