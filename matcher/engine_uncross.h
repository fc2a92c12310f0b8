// Doors between engine_uncross.c and engine_phase.c: the trades of a call auction.
#ifndef LONJA_MATCHER_ENGINE_UNCROSS_H
#define LONJA_MATCHER_ENGINE_UNCROSS_H

#include "matcher/auction.h"
#include "matcher/engine_state.h"

// The auction price of the instrument's book as it is.
struct auction_result uncross_price(const struct engine *engine,
                                    const struct instrument *instrument);
// Writes `auction` in the instrument's present phase.
void uncross_tell(struct turn *turn, const struct instrument *instrument,
                  const struct auction_result *result, bool final);

struct uncross_work {
    int64_t price;
    int64_t quantity; // left to trade
    bool traded;      // something has been, in this command or an earlier one
};

// Trades at the price until nothing is left to trade or nobody to trade with. False, with `work`
// as far as it has come, when fewer than `room` events are free.
CHECKED bool uncross_run(struct turn *turn, struct instrument *instrument,
                         struct uncross_work *work, uint32_t room);

#endif
