#include "core/replica_note.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool note_path(char out[NUMBERED_PATH_BYTES], const char *state_folder, const char *name,
                      const char *suffix)
{
    int n = snprintf(out, NUMBERED_PATH_BYTES, "%s/" REPLICA_FOLDER "%s%s%s", state_folder,
                     name[0] == '\0' ? "" : "/", name, suffix);
    return n < NUMBERED_PATH_BYTES;
}

bool replica_note_path(char out[NUMBERED_PATH_BYTES], const char *state_folder, const char *name)
{
    return note_path(out, state_folder, name, "");
}

static int note_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    ssize_t bytes = (ssize_t)strlen(text);
    int result = write(fd, text, (size_t)bytes) == bytes ? 0 : -EIO;
    if (result == 0 && fsync(fd) != 0)
        result = -errno;
    close(fd);
    return result;
}

int replica_note_write(const char *state_folder, const char *name, const char *text)
{
    char folder[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES], fresh[NUMBERED_PATH_BYTES];
    if (!note_path(folder, state_folder, "", "") || !note_path(path, state_folder, name, "") ||
        !note_path(fresh, state_folder, name, ".tmp"))
        return -ENAMETOOLONG;
    int result = state_folder_make(folder);
    if (result == 0)
        result = note_put(fresh, text);
    if (result == 0 && rename(fresh, path) != 0)
        result = -errno;
    return result == 0 ? folder_sync(folder) : result;
}

int replica_note_remove(const char *state_folder, const char *name)
{
    char folder[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    if (!note_path(folder, state_folder, "", "") || !note_path(path, state_folder, name, ""))
        return -ENAMETOOLONG;
    if (unlink(path) != 0)
        return errno == ENOENT ? 0 : -errno;
    return folder_sync(folder);
}

bool replica_note_exists(const char *state_folder, const char *name)
{
    char path[NUMBERED_PATH_BYTES];
    return note_path(path, state_folder, name, "") && access(path, F_OK) == 0;
}
