#include "core/standby_tool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "core/journal_io.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"
#include "core/standby_store.h"

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_REFUSED = 3 };
enum { TOOL_TRIES = 300, TOOL_PAUSE_MS = 100, TOOL_STATE_BYTES_MAX = NUMBERED_PATH_BYTES - 64 };

static const char USAGE[] =
    "Usage: lonja standby run     [--config FILE] [--quiet]\n"
    "       lonja standby promote [--config FILE | --state FOLDER] --reason TEXT\n"
    "       lonja standby degrade [--config FILE | --state FOLDER] --reason TEXT\n"
    "       lonja standby restore [--config FILE | --state FOLDER]\n"
    "\n"
    "A second host keeps a copy of the venue's journal, block by block, and can take its place.\n"
    "\n"
    "On the standby host:\n"
    "  run      follows the primary at replication.peer_address into this state folder, replays, "
    "compares\n"
    "           digests and makes snapshots, until Ctrl-C. `lonja status` shows how far it is\n"
    "  promote  ends the following for good and makes this host the one whose epoch counts; then "
    "start the\n"
    "           venue with `lonja up`. The old primary, when it comes back, learns of it and "
    "stops; as a\n"
    "           standby (`lonja standby run` there) it may follow. Promote only what you have "
    "decided\n"
    "           about: if the old primary still runs without synchronous replication, what it "
    "answers\n"
    "           from now on is lost\n"
    "\n"
    "On the primary (replication.mode = 1: standbys follow; 2: nothing is answered before a "
    "standby has it):\n"
    "  degrade  with mode 2 and no standby left, nobody is answered. This lets the venue go on "
    "without:\n"
    "           what it answers from now on is on one host only\n"
    "  restore  takes that back: answers wait for a standby again\n"
    "\n"
    "Exit status: 0 done, 1 a file cannot be written, 2 bad words, 3 refused: the text says why.\n"
    "Set-up, certificates, failing over and back: docs/operations.md, Standby.\n";

struct tool_words {
    const char *verb, *state, *reason;
};

static int tool_usage(void)
{
    fputs(USAGE, stderr);
    return TOOL_USAGE;
}

static bool tool_parse(struct tool_words *out, char **words)
{
    *out = (struct tool_words){.verb = *words++};
    for (; *words != NULL; words++) {
        const char **value = strcmp(*words, "--state") == 0    ? &out->state
                             : strcmp(*words, "--reason") == 0 ? &out->reason
                                                               : NULL;
        if (value == NULL || words[1] == NULL)
            return false;
        *value = *++words;
    }
    return out->state != NULL;
}

static int tool_fail(const char *what, int error)
{
    fprintf(stderr, "lonja standby: %s: %s\n", what, strerror(error));
    return TOOL_FAILED;
}

// ---- locks

// True if some process holds the lock file; one that is absent is free.
static bool tool_is_locked(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return locked;
}

static bool tool_await_free(const char *path)
{
    const struct timespec pause = {.tv_nsec = TOOL_PAUSE_MS * 1000000};
    for (int i = 0; i < TOOL_TRIES && tool_is_locked(path); i++)
        nanosleep(&pause, NULL);
    return !tool_is_locked(path);
}

// ---- promote

// Where the journal of the state folder ends; a standby may be writing it.
static int tool_journal_end(uint64_t *sequence, uint64_t *epoch, const char *state)
{
    char folder[NUMBERED_PATH_BYTES], reason[160];
    struct journal_io io;
    struct journal_io_file file;
    struct standby_store store;
    snprintf(folder, sizeof folder, "%s/journal", state);
    if (access(folder, F_OK) != 0)
        return tool_fail(folder, errno);
    int result = journal_io_file_open(&io, &file, folder, false);
    if (result != 0)
        return tool_fail(folder, -result);
    result = standby_store_open(&store, reason, &io);
    *sequence = store.next_sequence - 1;
    *epoch = store.epoch;
    standby_store_close(&store);
    journal_io_file_close(&file);
    if (result == -EBADMSG)
        fprintf(stderr, "lonja standby: the journal is corrupt: %s\n", reason);
    return result == 0 ? TOOL_DONE : result == -EBADMSG ? TOOL_REFUSED : tool_fail(folder, -result);
}

static int tool_may_promote(const char *journal_lock, const char *standby_lock, uint64_t sequence)
{
    bool primary = tool_is_locked(journal_lock) && !tool_is_locked(standby_lock);
    if (primary)
        fprintf(stderr, "lonja standby: a core has this journal: this host is a primary already\n");
    else if (sequence == 0)
        fprintf(stderr, "lonja standby: the journal is empty: this host has followed nobody yet\n");
    return primary || sequence == 0 ? TOOL_REFUSED : TOOL_DONE;
}

// The fence is durable first. The standby sees it and ends; what it took until then is part of the
// journal that the venue will start from.
static int tool_set_fence(struct replica_fence *fence, const struct tool_words *words,
                          uint64_t epoch)
{
    int result = replica_fence_read(fence, words->state);
    if (result == 0) {
        *fence =
            (struct replica_fence){.epoch = replica_promotion_epoch(epoch, fence), .own = true};
        result = replica_fence_write(fence, words->state, words->reason);
    }
    return result == 0 ? TOOL_DONE : tool_fail("replication/fence", -result);
}

static int tool_promote(const struct tool_words *words)
{
    char journal_lock[NUMBERED_PATH_BYTES], standby_lock[NUMBERED_PATH_BYTES];
    struct replica_fence fence;
    uint64_t sequence = 0, epoch = 0;
    snprintf(journal_lock, sizeof journal_lock, "%s/journal/lock", words->state);
    snprintf(standby_lock, sizeof standby_lock, "%s/journal/%s", words->state, STANDBY_LOCK_NAME);
    int status = tool_journal_end(&sequence, &epoch, words->state);
    if (status == TOOL_DONE)
        status = tool_may_promote(journal_lock, standby_lock, sequence);
    if (status == TOOL_DONE)
        status = tool_set_fence(&fence, words, epoch);
    if (status != TOOL_DONE)
        return status;
    if (!tool_await_free(journal_lock)) {
        fprintf(stderr,
                "lonja standby: promoted to epoch %" PRIu64 ", but a process still holds %s: "
                "stop it, then start the venue with `lonja up`\n",
                fence.epoch, journal_lock);
        return TOOL_FAILED;
    }
    status = tool_journal_end(&sequence, &epoch, words->state);
    printf("promoted: the journal ends at sequence %" PRIu64 " of epoch %" PRIu64
           "; the next epoch is "
           "%" PRIu64 ". Start the venue with `lonja up`\n",
           sequence, epoch, fence.epoch);
    return status;
}

// ---- degrade and restore

static int tool_degrade(const struct tool_words *words)
{
    int result = replica_note_write(words->state, REPLICA_NOTE_DEGRADED, words->reason);
    if (result != 0)
        return tool_fail("replication/degraded", -result);
    printf("degraded: answers no longer wait for a standby, until `lonja standby restore`\n");
    return TOOL_DONE;
}

static int tool_restore(const struct tool_words *words)
{
    int result = replica_note_remove(words->state, REPLICA_NOTE_DEGRADED);
    if (result != 0)
        return tool_fail("replication/degraded", -result);
    printf("restored: with replication.mode = 2 answers wait for a standby\n");
    return TOOL_DONE;
}

int standby_tool(char **words)
{
    struct tool_words parsed;
    for (char **word = words; *word != NULL; word++)
        if (strcmp(*word, "--help") == 0 || strcmp(*word, "-h") == 0) {
            fputs(USAGE, stdout);
            return TOOL_DONE;
        }
    log_open("standby");
    if (!tool_parse(&parsed, words) || strlen(parsed.state) > TOOL_STATE_BYTES_MAX)
        return tool_usage();
    bool reason = parsed.reason != NULL && parsed.reason[0] != '\0';
    if (strcmp(parsed.verb, "restore") == 0)
        return tool_restore(&parsed);
    if (reason && strcmp(parsed.verb, "promote") == 0)
        return tool_promote(&parsed);
    if (reason && strcmp(parsed.verb, "degrade") == 0)
        return tool_degrade(&parsed);
    return tool_usage();
}
