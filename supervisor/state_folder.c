#include "supervisor/state_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_TRIES = 60, LOCK_PAUSE_MS = 50 };
static const off_t LOG_BYTES_MAX = 64 << 20;

// What each process keeps below the state folder.
static const struct {
    enum process_id process;
    const char *name;
    mode_t mode;
} FOLDERS[] = {
    {PROCESS_CORE, "journal", 0750}, {PROCESS_TAPE, "tape", 0750}, {PROCESS_TAPE, "snapshots", 0750},
    {PROCESS_FIX, "fix", 0700},      {PROCESS_SURVEIL, "surveil", 0700},
    {PROCESS_REPLICATE, "replication", 0750},
    {PROCESS_SIGN, "sign", 0710}, // settle passes to the socket
};

unsigned state_folder_user_id(const struct config *config, enum process_id process)
{
    ASSERT(process < PROCESS_COUNT);
    if (process == PROCESS_STANDBY) // it writes the journal that a core will go on with
        process = PROCESS_CORE;
    return (unsigned)config->venue_first_user_id + (unsigned)process;
}

unsigned state_folder_group_id(const struct config *config)
{
    return (unsigned)config->venue_first_user_id;
}

static int complain(const char *what, const char *path, int error)
{
    fprintf(stderr, "lonja up: cannot %s %s: %s\n", what, path, strerror(error));
    return -error;
}

// mkdir -p
static int make_path(const char *path)
{
    char part[PATH_MAX];
    int length = snprintf(part, sizeof part, "%s", path);
    ASSERT(length > 0 && (size_t)length < sizeof part);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return complain("make folder", part, errno);
        *slash = '/';
    }
    if (mkdir(part, 0755) != 0 && errno != EEXIST)
        return complain("make folder", part, errno);
    return 0;
}

static int make_folder(const struct state_folder *folder, const char *name, mode_t mode)
{
    if (mkdirat(folder->fd, name, mode) != 0 && errno != EEXIST)
        return complain("make folder", name, errno);
    return 0;
}

static int give_folder(const struct state_folder *folder, const char *name, unsigned user_id, mode_t mode)
{
    unsigned group_id = state_folder_group_id(folder->config);
    if (fchownat(folder->fd, name, user_id, group_id, AT_SYMLINK_NOFOLLOW) != 0 ||
        fchmodat(folder->fd, name, mode, 0) != 0)
        return complain("give away folder", name, errno);
    return 0;
}

static int make_folders(const struct state_folder *folder)
{
    int result = make_folder(folder, "log", 0755);
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0] && result == 0; i++) {
        result = make_folder(folder, FOLDERS[i].name, FOLDERS[i].mode);
        if (result == 0 && folder->own_users)
            result = give_folder(folder, FOLDERS[i].name,
                                 state_folder_user_id(folder->config, FOLDERS[i].process),
                                 FOLDERS[i].mode);
    }
    return result;
}

static int give_secret(const struct config *config, const char *path, enum process_id process)
{
    if (chown(path, state_folder_user_id(config, process), state_folder_group_id(config)) == 0 ||
        errno == ENOENT) // the process that needs it says what is missing
        return chmod(path, 0600) == 0 || errno == ENOENT ? 0 : complain("protect", path, errno);
    return complain("give away", path, errno);
}

static int give_replication(const struct config *config, enum process_id replica)
{
    int result = give_secret(config, config->replication_key, replica);
    if (result == 0)
        result = give_secret(config, config->replication_certificate, replica);
    return result == 0 ? give_secret(config, config->replication_authority, replica) : result;
}

static int give_secrets(const struct config *config, enum process_id replica)
{
    static const enum process_id readers[] = {PROCESS_FIX,    PROCESS_WEB,    PROCESS_ADMIN,
                                              PROCESS_RECORD, PROCESS_SETTLE, PROCESS_OPS,
                                              PROCESS_SURVEIL, PROCESS_INDEX};
    int result = 0;
    // The venue's users may pass through the folder, and open in it what is theirs by name.
    if (chown(config->postgres_secrets_folder, (uid_t)-1, state_folder_group_id(config)) == 0)
        result = chmod(config->postgres_secrets_folder, 0710) == 0 ? 0 : -errno;
    else if (errno != ENOENT)
        result = complain("give away", config->postgres_secrets_folder, errno);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0] && result == 0; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/pg-lonja_%s", config->postgres_secrets_folder,
                 process_name(readers[i]));
        result = give_secret(config, path, readers[i]);
    }
    if (result == 0) { // the first administrator's password (gateway/admin/login.c)
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/login-admin", config->postgres_secrets_folder);
        result = give_secret(config, path, PROCESS_ADMIN);
    }
    if (result == 0)
        result = give_secret(config, config->settle_callers_file, PROCESS_SETTLE);
    if (result == 0)
        result = give_secret(config, config->sign_keystore, PROCESS_SIGN);
    if (result == 0)
        result = give_secret(config, config->sign_passphrase_file, PROCESS_SIGN);
    return result == 0 ? give_replication(config, replica) : result;
}

// A killed supervisor's children hold the lock until the kernel has buried them: give them a moment.
static int lock(struct state_folder *folder)
{
    folder->lock_fd = openat(folder->fd, "lock", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (folder->lock_fd < 0)
        return complain("open the lock in", folder->config->venue_state_folder, errno);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(folder->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
    fprintf(stderr, "lonja up: a venue is running on %s already (`lonja status` shows it)\n",
            folder->config->venue_state_folder);
    return -EWOULDBLOCK;
}

int state_folder_open(struct state_folder *folder, const struct config *config,
                      enum process_id replica)
{
    *folder = (struct state_folder){.fd = -1, .lock_fd = -1, .config = config};
    folder->own_users = config->venue_per_process_users == 1 && geteuid() == 0;
    int result = make_path(config->venue_state_folder);
    if (result < 0)
        return result;
    folder->fd = open(config->venue_state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->fd < 0)
        return complain("open", config->venue_state_folder, errno);
    result = lock(folder);
    if (result == 0)
        result = make_folders(folder);
    if (result == 0 && folder->own_users)
        result = give_secrets(config, replica);
    if (result < 0)
        state_folder_close(folder);
    return result;
}

void state_folder_close(struct state_folder *folder)
{
    if (folder->lock_fd >= 0)
        close(folder->lock_fd);
    if (folder->fd >= 0)
        close(folder->fd);
    folder->fd = folder->lock_fd = -1;
}

int state_folder_open_log(const struct state_folder *folder, const char *name)
{
    char path[64], aside[80];
    struct stat status;
    snprintf(path, sizeof path, "log/%s.log", name);
    snprintf(aside, sizeof aside, "%s.1", path);
    if (fstatat(folder->fd, path, &status, 0) == 0 && status.st_size > LOG_BYTES_MAX &&
        renameat(folder->fd, path, folder->fd, aside) != 0)
        return -errno;
    int fd = openat(folder->fd, path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
}
