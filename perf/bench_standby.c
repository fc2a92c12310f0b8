#include "perf/bench_standby.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"

enum { BENCH_PORT = 19890, BENCH_TIMEOUT_MS = 10000 };

static void configure(struct config *config, const char *folder, const char *host)
{
    snprintf(config->venue_state_folder, sizeof config->venue_state_folder, "%s/%s", folder, host);
    snprintf(config->replication_authority, sizeof config->replication_authority,
             "%s/keys/replication-ca.crt", folder);
    snprintf(config->replication_certificate, sizeof config->replication_certificate,
             "%s/keys/%s.crt", folder, host);
    snprintf(config->replication_key, sizeof config->replication_key, "%s/keys/%s.key", folder,
             host);
    config->replication_port = config->replication_peer_port = BENCH_PORT;
    config->replication_timeout_ms = BENCH_TIMEOUT_MS;
}

void bench_standby_prepare(struct boot *boot, const char *folder)
{
    char line[512];
    snprintf(line, sizeof line, "%s/tools/replication-keys %s/keys primary standby", LONJA_ROOT,
             folder);
    ASSERT(system(line) == 0);
    configure(&boot->config, folder, "primary");
    boot->config.replication_mode = REPLICATION_SYNC;
    boot->reader_page_fd[PROCESS_REPLICATE] = memfile_create("page", sizeof(struct reader_page));
    boot->doorbell_fd[PROCESS_REPLICATE] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(boot->reader_page_fd[PROCESS_REPLICATE] >= 0);
}

static pid_t start(const struct boot *boot, enum process_id process)
{
    struct boot own = *boot;
    char path[512], text[16];
    own.magic = BOOT_MAGIC;
    own.version = BOOT_VERSION;
    own.process = process;
    int fd = memfile_create_constant("boot", &own, sizeof own);
    ASSERT(fd >= 0);
    pid_t child = fork();
    if (child != 0) {
        close(fd);
        return child;
    }
    fcntl(fd, F_SETFD, 0);
    fcntl(boot->event_ring_fd, F_SETFD, 0);
    fcntl(boot->reader_page_fd[PROCESS_REPLICATE], F_SETFD, 0);
    fcntl(boot->doorbell_fd[PROCESS_REPLICATE], F_SETFD, 0);
    snprintf(path, sizeof path, "%s/lonja-%s", LONJA_BIN, process_name(process));
    snprintf(text, sizeof text, "%d", fd);
    setenv("LONJA_BOOT_FD", text, 1);
    execl(path, path, (char *)NULL);
    _exit(99);
}

void bench_standby_start(struct bench_standby *standby, const struct boot *boot, const char *folder)
{
    standby->boot = *boot;
    configure(&standby->boot.config, folder, "standby");
    snprintf(standby->boot.config.replication_peer_address,
             sizeof standby->boot.config.replication_peer_address, "127.0.0.1");
    standby->boot.event_ring_fd =
        memfile_create("bench", event_ring_bytes((uint64_t)boot->config.rings_events));
    for (int i = 0; i < PROCESS_COUNT; i++)
        standby->boot.reader_page_fd[i] = standby->boot.doorbell_fd[i] = -1;
    standby->boot.reader_page_fd[PROCESS_REPLICATE] =
        memfile_create("page", sizeof(struct reader_page));
    standby->boot.doorbell_fd[PROCESS_REPLICATE] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    standby->replicate = start(boot, PROCESS_REPLICATE);
    standby->standby = start(&standby->boot, PROCESS_STANDBY);
}

void bench_standby_stop(struct bench_standby *standby)
{
    kill(standby->standby, SIGTERM);
    kill(standby->replicate, SIGTERM);
    ASSERT(waitpid(standby->standby, NULL, 0) == standby->standby);
    ASSERT(waitpid(standby->replicate, NULL, 0) == standby->replicate);
    close(standby->boot.event_ring_fd);
    close(standby->boot.reader_page_fd[PROCESS_REPLICATE]);
    close(standby->boot.doorbell_fd[PROCESS_REPLICATE]);
}
