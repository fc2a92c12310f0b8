#include "perf/bench_standby.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "perf/process.h"

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
    standby->replicate = process_start(boot, PROCESS_REPLICATE, STDERR_FILENO);
    standby->standby = process_start(&standby->boot, PROCESS_STANDBY, STDERR_FILENO);
}

void bench_standby_stop(struct bench_standby *standby)
{
    process_stop(standby->standby);
    process_stop(standby->replicate);
    close(standby->boot.event_ring_fd);
    close(standby->boot.reader_page_fd[PROCESS_REPLICATE]);
    close(standby->boot.doorbell_fd[PROCESS_REPLICATE]);
}
