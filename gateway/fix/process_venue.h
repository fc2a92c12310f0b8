// Helpers of process_test.c: a venue of real processes (core, tape, fix) over rings of its own,
// with this test as its operator, and logins in a Postgres if the environment names one.
#ifndef LONJA_GATEWAY_FIX_PROCESS_VENUE_H
#define LONJA_GATEWAY_FIX_PROCESS_VENUE_H

#include "core/testing.h"

#include <sys/types.h>

#include "base/event_ring.h"
#include "gateway/common/link.h"

enum { HEARTBEAT_TIMEOUT_MS = 3000 };

struct venue {
    char folder[64];
    struct boot boot;
    struct event_ring ring;
    struct link admin;
    pid_t core, tape, fix;
    bool has_database;
};

// Members 1 and 2 with sessions 1 and 2, CompIDs TESTER1 and TESTER2, users tester1 and tester2,
// password "secret", accounts 101 and 102 with cash and tokens; one instrument, PORT; the venue is
// open.
int venue_set_up(void **state);
int venue_tear_down(void **state);
pid_t venue_start(const struct boot *boot, enum process_id process);
void venue_start_fix(struct venue *venue);         // the next incarnation; returns when it listens
int venue_finish(pid_t *child, int signal_number); // its wait status
// A socket, or -1. `receive_bytes`: of its buffer, 0 = the system's. Made narrow after connecting,
// it would drop what the window that was told lets in, with the acknowledgements of what it sends.
int venue_connect(const struct venue *venue, int receive_bytes);
void venue_nap(void); // 2 ms
uint64_t venue_now_ns(void);

#endif
