// Helper of surveillance's tests: the events of a venue, made by hand, one command after the other.
// One instrument (1, scale 2); whoever tests says what is true: nothing is checked or matched.
#ifndef LONJA_RISK_SURVEILLANCE_SURVEILLANCE_HAND_TESTING_H
#define LONJA_RISK_SURVEILLANCE_SURVEILLANCE_HAND_TESTING_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

enum { HAND_INSTRUMENT = 1, HAND_SCALE = 2 };
#define HAND_UNIT  ((int64_t)100)       // one token
#define HAND_CENT  ((int64_t)10000)     // of price
#define HAND_PRICE ((int64_t)100000000) // 100.00
#define HAND_MS    ((uint64_t)1000000)
#define HAND_DAY   ((uint64_t)86400000000000)

typedef void hand_sink(void *context, const struct event *event);
struct hand {
    uint64_t sequence, now_ns; // of the last command; each comes a microsecond after the one before
    uint32_t index;            // of the next event
    hand_sink *sink;
    void *context;
};

uint64_t hand_begin(struct hand *hand); // a new command; returns its sequence
void hand_emit(struct hand *hand, uint8_t type, const void *body, size_t bytes, bool last);
void hand_after_ms(struct hand *hand, uint64_t ms);

void hand_done(struct hand *hand);
void hand_account(struct hand *hand, uint32_t id, uint32_t member);
void hand_instrument(struct hand *hand);
void hand_phase(struct hand *hand, uint8_t phase, int64_t last_price);
// Orders that rest; return their id.
uint64_t hand_order(struct hand *hand, uint32_t account, uint8_t side, int64_t price,
                    int64_t quantity);
uint64_t hand_iceberg(struct hand *hand, uint32_t account, uint8_t side, int64_t price,
                      int64_t quantity, int64_t display);
// `taker` takes `quantity` of a resting order, of which `leaves` stay; returns the sequence.
uint64_t hand_take(struct hand *hand, uint32_t taker, uint32_t maker, uint64_t resting,
                   uint8_t side, int64_t price, int64_t quantity, int64_t leaves);
// `seller` sells to `buyer`, who takes it.
uint64_t hand_pass(struct hand *hand, uint32_t seller, uint32_t buyer, int64_t price,
                   int64_t quantity);
uint64_t hand_cancel(struct hand *hand, uint64_t order, uint32_t account, uint8_t side,
                     int64_t quantity, uint8_t reason);
uint64_t hand_amend(struct hand *hand, uint64_t order, uint32_t account, uint8_t side,
                    int64_t price, int64_t leaves, bool kept);

#endif
