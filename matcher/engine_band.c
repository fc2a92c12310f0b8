// Bands: how far a trade may be from the reference price (static) and from the last price as the
// order found it (dynamic), and the limit state in which an instrument is after an order stopped at
// one (docs/risk.md 4).
//
// Happy path: an order whose next trade would be beyond a band loses its rest, and the instrument
// is in a limit state. An order that trades inside the bands ends it. If none does in time, the
// instrument goes into a volatility auction (engine_clock.c). Without limit_state_ms the auction
// begins at once.
#include "matcher/engine_taker.h"

#define MS_NS ((uint64_t)1000000)

bool price_is_beyond_band(const struct instrument *instrument, int64_t last_price, int64_t price)
{
    uint32_t bps = instrument->controls.dynamic_bps;
    ASSERT(price > 0 && last_price >= 0);
    if (price_is_volatile(instrument, price))
        return true;
    return bps != 0 && last_price != 0 && money_beyond(price, last_price, bps);
}

uint8_t band_reason(const struct instrument *instrument)
{
    ASSERT(instrument->state.phase == PHASE_CONTINUOUS);
    return instrument->controls.limit_state_ms != 0 ? CANCEL_BAND : CANCEL_VOLATILITY;
}

static void limit_state_set(struct turn *turn, struct instrument *instrument, uint64_t end_ns)
{
    ASSERT(instrument->state.phase == PHASE_CONTINUOUS);
    ASSERT((instrument->state.limit_state_end_ns == 0) == (end_ns != 0));
    instrument->state.limit_state_end_ns = end_ns;
    engine_deadline_update(turn->engine, instrument);
    turn_instrument_state(turn, instrument);
}

void taker_limit_state(struct turn *turn, const struct taker *taker, uint8_t reason)
{
    struct instrument *instrument = taker->instrument;
    bool is_in = instrument->state.limit_state_end_ns != 0;
    uint64_t lasts_ns = instrument->controls.limit_state_ms * MS_NS;
    ASSERT(reason != CANCEL_VOLATILITY); // that is a change of phase
    ASSERT(reason == CANCEL_BAND || is_in);
    if (reason == CANCEL_BAND && !is_in)
        limit_state_set(turn, instrument, turn->engine->time_ns + lasts_ns);
    else if (reason != CANCEL_BAND && reason != CANCEL_BREAKER && taker->traded)
        limit_state_set(turn, instrument, 0);
}
