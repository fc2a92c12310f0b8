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

// Controls of docs/risk.md that the generator uses. What is not used is never set, so that a
// difference can be narrowed down.
enum uses {
    USES_RIGHTS,     // of sessions
    USES_EXPOSURE,   // order value, daily value, open orders
    USES_THROTTLE,   // messages
    USES_DUPLICATES, // of orders
    USES_EXECUTIONS, // repeated automated ones
    USES_INVESTMENT, // cumulative
    USES_STRICT,     // confirmations by reference
    USES_STALE_NAV,  // its three actions
    USES_BUYERS,     // jurisdictions, investor types
    USES_POSITIONS,  // and concentrations
    USES_BANDS,      // dynamic ones, and limit states
    USES_STATUS,     // statuses and modes that need an instrument without orders
    USES_KILL,       // the kill switch
    USES_COUNT,
};
extern const bool generator_uses[USES_COUNT];
bool generator_uses_all(void);

// Makes a command and applies it to both venues, after the ticks that are due before it.
void generator_step(struct generator *generator, struct beside *beside);

#endif
