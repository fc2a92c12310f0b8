// Journals of every version that there was (tests/journals): replayed to the same digests, or
// refused with both versions and the way out. Never begun anew over what is there.
#include "core/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "core/recovery.h"

enum { FILE_BYTES_MAX = 1 << 20, LAST = 616 };

struct kept {
    char state[64], journal[NUMBERED_PATH_BYTES], snapshots[NUMBERED_PATH_BYTES];
    char replayed[512]; // what its own version printed
};

static size_t read_file(void *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        fail_msg("%s is not there: see tests/journals/README.md", path);
    size_t n = fread(out, 1, size, file);
    fclose(file);
    return n;
}

static void unpack(int version, const char *folder, uint64_t number, const char *suffix)
{
    static uint8_t packed[FILE_BYTES_MAX], bytes[FILE_BYTES_MAX];
    char from[NUMBERED_PATH_BYTES], to[NUMBERED_PATH_BYTES], name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, suffix);
    snprintf(from, sizeof from, JOURNALS "/v%d/%s.zst", version, name);
    size_t n = ZSTD_decompress(bytes, sizeof bytes, packed, read_file(packed, sizeof packed, from));
    assert_false(ZSTD_isError(n));
    numbered_path(to, folder, number, suffix);
    FILE *file = fopen(to, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

static void kept_open(struct kept *kept, int version)
{
    char path[NUMBERED_PATH_BYTES];
    testing_folder_make(kept->state);
    snprintf(kept->journal, sizeof kept->journal, "%s/journal", kept->state);
    snprintf(kept->snapshots, sizeof kept->snapshots, "%s/snapshots", kept->state);
    assert_int_equal(state_folder_make(kept->journal), 0);
    assert_int_equal(state_folder_make(kept->snapshots), 0);
    unpack(version, kept->journal, 1, JOURNAL_SUFFIX);
    unpack(version, kept->snapshots, LAST, "snapshot");
    snprintf(path, sizeof path, JOURNALS "/v%d/replay.txt", version);
    kept->replayed[read_file(kept->replayed, sizeof kept->replayed - 1, path)] = '\0';
}

static void run(char *out, size_t size, const struct kept *kept, const char *verb, int status)
{
    char line[1024];
    snprintf(line, sizeof line, "%s/lonja-journal %s %s 2>&1", LONJA_BIN, verb, kept->state);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, size - 1, pipe)] = '\0';
    int result = pclose(pipe);
    if (WEXITSTATUS(result) != status)
        fail_msg("%s: status %d: %s", verb, WEXITSTATUS(result), out);
}

// As the core would, with the real engine.
static enum recovery_action recover(const struct kept *kept)
{
    struct journal_io io;
    struct journal_io_file file;
    struct replay replay;
    struct recovered recovered;
    struct boot boot;
    testing_boot_init(&boot, PROCESS_CORE, kept->state);
    struct engine_limits limits = replay_limits(&boot.config);
    testing_boot_fini(&boot);
    assert_int_equal(journal_io_file_open(&io, &file, kept->journal, false), 0);
    assert_int_equal(replay_open(&replay, &limits), 0);
    bool done = recovery_run(&recovered, &replay, &io, kept->snapshots, UINT64_MAX, NULL, NULL);
    assert_int_equal(done, !recovery_refuses(recovered.action));
    assert_true(!done || replay.sequence == LAST);
    replay_close(&replay);
    journal_io_file_close(&file);
    return recovered.action;
}

static void remove_numbered(const char *folder, uint64_t number, const char *suffix)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, number, suffix);
    assert_int_equal(unlink(path), 0);
}

static void journals_of_engines_that_this_one_repeats_replay_to_the_same(void **state)
{
    (void)state;
    for (int version = ENGINE_REPLAYS_SINCE; version <= ENGINE_VERSION; version++) {
        struct kept kept;
        char out[2048];
        kept_open(&kept, version);
        run(out, sizeof out, &kept, "replay", 0);
        assert_string_equal(out, kept.replayed);
        run(out, sizeof out, &kept, "verify", 0);
        assert_false(recovery_refuses(recover(&kept))); // from its snapshot, or without
        remove_numbered(kept.snapshots, LAST, "snapshot");
        assert_int_equal(recover(&kept), RECOVERY_REPLAY_ALL);
        testing_folder_remove(kept.state);
    }
}

static void older_journals_are_refused_with_the_way_out(void **state)
{
    (void)state;
    static const char *const verbs[] = {"replay", "verify", "dump", "stat"};
    for (int version = 1; version < ENGINE_REPLAYS_SINCE; version++) {
        struct kept kept;
        char out[4096], both[128];
        kept_open(&kept, version);
        snprintf(both, sizeof both, "schema %d, engine %d; this program knows format 1, schema %d",
                 version, version, SCHEMA_VERSION);
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            run(out, sizeof out, &kept, verbs[i], EXIT_POISON);
            if (strstr(out, both) == NULL || strstr(out, "Another version") == NULL)
                fail_msg("%s: %s", verbs[i], out);
        }
        assert_int_equal(recover(&kept), RECOVERY_REFUSE_VERSION);
        testing_folder_remove(kept.state);
    }
}

// A snapshot of another schema cannot be read, but that it is there says that a venue was here.
static void an_old_snapshot_alone_does_not_begin_an_empty_venue(void **state)
{
    (void)state;
    for (int version = 1; version <= ENGINE_VERSION; version++) {
        struct kept kept;
        kept_open(&kept, version);
        remove_numbered(kept.journal, 1, JOURNAL_SUFFIX);
        assert_int_equal(recover(&kept), RECOVERY_REFUSE_LOST);
        testing_folder_remove(kept.state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(journals_of_engines_that_this_one_repeats_replay_to_the_same),
        cmocka_unit_test(older_journals_are_refused_with_the_way_out),
        cmocka_unit_test(an_old_snapshot_alone_does_not_begin_an_empty_venue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
