// Random commands for the universe of beside.h: mostly such as members and operators send, now and
// then with one thing wrong. Knows what is open from the naive venue. The numbers come from a seed,
// or from bytes that somebody else thought of (tests/fuzz).
#ifndef LONJA_TESTS_MODEL_GENERATOR_H
#define LONJA_TESTS_MODEL_GENERATOR_H

#include "tests/model/beside.h"
#include "tests/model/open_trade.h"

enum { GENERATOR_TRADES = 128 }; // that wait for settlement

struct generator {
    uint64_t random;
    const uint8_t *bytes; // NULL: numbers from the seed; else from here, and it ends with them
    size_t bytes_left;
    struct open_trade trades[GENERATOR_TRADES];
    uint32_t trade_count;
    uint64_t settle_number, post_number;
    int64_t middle[UNIVERSE_INSTRUMENTS + 1]; // where the market is, cash units
    uint32_t emptied; // instrument whose orders have just been cancelled; 0 = none
};

// Makes a command and applies it to both venues, after the ticks that are due before it.
void generator_step(struct generator *generator, struct beside *beside);

#endif
