// For tests of replication: a primary's journal and a standby's store, each on a disk that may fail
// (fake_disk.h), and a connection between them that is memory: it passes on as few bytes at a time
// as it is told, and ends when it is told.
#ifndef LONJA_CORE_REPLICA_TESTING_H
#define LONJA_CORE_REPLICA_TESTING_H

#include "core/testing.h"

#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/replica_receiver.h"
#include "core/replica_sender.h"

enum { REPLICA_TESTING_SEGMENT_BYTES = 272 * 1024, REPLICA_TESTING_TIMEOUT_NS = 1000000000 };

struct replica_host {
    struct journal_io io;
    struct fake_disk *disk;
    struct event_ring_control *control;
    struct gate gate;
    struct journal journal;
    bool writes; // its journal is open: it is a primary
    uint64_t epoch, last;
    uint32_t chain;
};

void replica_host_init(struct replica_host *host, uint64_t seed);
void replica_host_fini(struct replica_host *host);
// Reads the journal to its end and begins an epoch: the next one, or `epoch` if that is higher.
// False: the disk failed.
bool replica_host_begin(struct replica_host *host, uint64_t epoch);
// Writes one block of `commands` commands. False: the disk failed.
bool replica_host_write(struct replica_host *host, int commands);
void replica_host_end(struct replica_host *host);
// As its lonja-replicate sees it.
struct replica_now replica_host_now(const struct replica_host *host, uint64_t now_ns);

struct replica_link {
    struct replica_sender sender;
    struct replica_receiver receiver;
    bool up;
};

// HELLO is on its way.
void replica_link_up(struct replica_link *link, struct standby_store *store, uint64_t fence,
                     uint64_t now_ns);
void replica_link_down(struct replica_link *link);
// Moves up to `bytes` bytes each way and lets both sides work; 0, or the first error of either.
CHECKED int replica_link_step(struct replica_link *link, const struct replica_host *primary,
                              size_t bytes, uint64_t now_ns);

#endif
