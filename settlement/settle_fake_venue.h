// Test only: a worker in the world of settle_fake.h, and how its time goes on.
#ifndef LONJA_SETTLEMENT_SETTLE_FAKE_VENUE_H
#define LONJA_SETTLEMENT_SETTLE_FAKE_VENUE_H

#include "base/testing.h"
#include "settlement/settle_fake.h"

struct venue {
    struct fake_world world;
    struct node node;
    struct settle settle;
};

extern struct venue venue; // about 10 MB: one is enough
extern size_t batch_max;   // of workers that start

void venue_open(struct venue *v, uint64_t seed); // a new world, and a worker in it
void worker_start(struct venue *v);              // a new one, as after a crash

// One pass, then time goes on; a block every second time, operators every sixteenth. A worker that
// was killed is followed by another.
void step(struct venue *v);
void steps(struct venue *v, int count);
void passes(struct venue *v, int count); // no block comes

bool all_final(const struct fake_world *world);
// Until all is final; then fake_check_end.
void run_to_end(struct venue *v);
void assert_state(const struct fake_trade *trade, enum settle_trade_state state,
                  const char *reason);

#endif
