// Venue memory: everything the processes share, made once per life of the supervisor. It outlives each
// process, so that one that is restarted finds its ring where it left it.
//
//   event ring      the core writes (on a standby host lonja-standby, its control page only); the supervisor and the readers hold read-only descriptors
//   command rings   one per gateway; that gateway and the core write
//   reader pages    one per reader of the event ring; that reader and the core write
//   doorbells       one eventfd per reader
//   lives           the supervisor writes, the core reads: the present incarnation of each process
//
// One thread. The supervisor owns all descriptors; a child inherits those that venue_memory_grant names.
#ifndef LONJA_SUPERVISOR_VENUE_MEMORY_H
#define LONJA_SUPERVISOR_VENUE_MEMORY_H

#include <stdbool.h>

#include "base/boot.h"
#include "base/event_ring.h"
#include "base/reader_page.h"

struct venue_memory {
    int event_ring_fd;      // read-write: for the core
    int event_ring_read_fd; // read-only: for everybody else
    int command_ring_fd[GATEWAY_COUNT];  // -1: this gateway has none (the core itself)
    int reader_page_fd[PROCESS_COUNT];   // -1: this process does not read the event ring
    int doorbell_fd[PROCESS_COUNT];
    int tape_page_read_fd; // read-only: for ops, which shows how far the tape is
    int lives_fd;      // read-write: never handed out
    int lives_read_fd; // for the core
    struct boot_lives *lives;
    const struct event_ring_control *core;          // the core's state page, read-only
    const struct reader_page *page[PROCESS_COUNT];  // NULL as above; read-only
};

// Nothing made yet: destroy may be called.
void venue_memory_init(struct venue_memory *memory);
// Returns 0, or -errno with what was made taken down again.
CHECKED int venue_memory_create(struct venue_memory *memory, const struct config *config);
void venue_memory_destroy(struct venue_memory *memory);

// Writes the descriptor numbers that `process` may have into *boot, -1 for all others.
void venue_memory_grant(const struct venue_memory *memory, struct boot *boot, enum process_id process);

// To be called before the process is started.
void venue_memory_announce(struct venue_memory *memory, enum process_id process, uint32_t incarnation);

bool venue_memory_is_reader(enum process_id process);

#endif
