#include "core/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"

void testing_folder_make(char out[64])
{
    strcpy(out, "/tmp/lonja-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

int testing_replication_keys(char out[64], const char *program)
{
    char line[1024];

    testing_folder_make(out);
    snprintf(line, sizeof line, "%s %s one two && %s %s/foreign three", program, out, program, out);
    return system(line);
}

void testing_folder_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        struct stat st;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            testing_folder_remove(path);
        else
            unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

#define TESTING_CONFIG_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define TESTING_CONFIG_TEXT(group, key, def, doc)                                                  \
    snprintf(config->group##_##key, sizeof config->group##_##key, "%s", def);

static void testing_config(struct config *config, const char *folder)
{
    CONFIG_KEYS(TESTING_CONFIG_INT, TESTING_CONFIG_TEXT)
    snprintf(config->venue_state_folder, sizeof config->venue_state_folder, "%s", folder);
    config->limits_accounts_max = 1000;
    config->limits_members_max = 100;
    config->limits_sessions_max = 100;
    config->limits_session_accounts_max = 1000;
    config->limits_assets_max = 16;
    config->limits_instruments_max = 16;
    config->limits_balances_max = 4000;
    config->limits_orders_max = 10000;
    config->limits_levels_max = 4000;
    config->limits_stops_max = 4000;
    config->limits_trailing_stops_max = 100;
    config->limits_command_events_max = 64;
    config->rings_command_slots = 1024;
    config->rings_events = 1024;
    config->journal_segment_bytes = 1 << 20;
    config->tape_segment_events = 1024;
    config->tape_snapshot_every = 1000;
}

void testing_boot_init(struct boot *boot, enum process_id process, const char *folder)
{
    memset(boot, 0, sizeof *boot);
    boot->magic = BOOT_MAGIC;
    boot->version = BOOT_VERSION;
    boot->process = process;
    boot->incarnation = 1;
    testing_config(&boot->config, folder);
    uint64_t slots = (uint64_t)boot->config.rings_command_slots;
    boot->event_ring_fd =
        memfile_create("events", event_ring_bytes((uint64_t)boot->config.rings_events));
    for (int i = 0; i < GATEWAY_COUNT; i++)
        boot->command_ring_fd[i] =
            i == GATEWAY_CORE ? -1 : memfile_create("commands", command_ring_bytes(slots));
    for (int i = 0; i < PROCESS_COUNT; i++) {
        boot->reader_page_fd[i] = memfile_create("page", sizeof(struct reader_page));
        boot->doorbell_fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
}

void testing_boot_fini(struct boot *boot)
{
    close(boot->event_ring_fd);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (boot->command_ring_fd[i] >= 0)
            close(boot->command_ring_fd[i]);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        close(boot->reader_page_fd[i]);
        close(boot->doorbell_fd[i]);
    }
}

pid_t testing_start(const struct boot *boot, enum process_id process, const char *bin,
                    const char *preload, const char *faults)
{
    struct boot own = *boot;
    own.process = process;
    int fd = memfile_create_constant("boot", &own, sizeof own);
    assert_true(fd >= 0);
    pid_t child = fork();
    if (child != 0) {
        close(fd);
        return child;
    }
    char path[512], text[16];
    snprintf(path, sizeof path, "%s/lonja-%s", bin, process_name(process));
    snprintf(text, sizeof text, "%d", fd);
    setenv("LONJA_BOOT_FD", text, 1);
    // A process keeps its memory and its threads until it ends: no leak (builds with sanitizers).
    setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
    setenv("TSAN_OPTIONS", "report_thread_leaks=0", 0);
    if (preload != NULL) {
        setenv("LD_PRELOAD", preload, 1);
        setenv("LONJA_DISK_FAULTS", faults, 1);
    }
    if (getenv("LONJA_TEST_VERBOSE") == NULL && freopen("/dev/null", "w", stderr) == NULL)
        _exit(99);
    fcntl(fd, F_SETFD, 0);
    fcntl(boot->event_ring_fd, F_SETFD, 0);
    fcntl(boot->lives_fd, F_SETFD, 0);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (boot->command_ring_fd[i] >= 0)
            fcntl(boot->command_ring_fd[i], F_SETFD, 0);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        fcntl(boot->reader_page_fd[i], F_SETFD, 0);
        fcntl(boot->doorbell_fd[i], F_SETFD, 0);
    }
    execl(path, path, (char *)NULL);
    _exit(99);
}

pid_t testing_start_heard(const struct boot *boot, enum process_id process, const char *bin,
                          const char *log)
{
    int before = dup(STDERR_FILENO);
    int heard = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(before >= 0 && heard >= 0 && dup2(heard, STDERR_FILENO) >= 0);
    setenv("LONJA_TEST_VERBOSE", "1", 1);
    pid_t child = testing_start(boot, process, bin, NULL, NULL);
    unsetenv("LONJA_TEST_VERBOSE");
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(heard);
    close(before);
    return child;
}

bool testing_was_said(const char *log, const char *words)
{
    char line[1024];
    bool found = false;
    FILE *file = fopen(log, "r");
    assert_non_null(file);
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, words) != NULL;
    (void)fclose(file);
    return found;
}
