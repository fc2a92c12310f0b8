// Market: what an instrument was like when something came: phase, breaker, prices, bands, collar;
// kept up to date from events between two views.
#ifndef LONJA_CORE_EXPLAIN_MARKET_H
#define LONJA_CORE_EXPLAIN_MARKET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/explain_answer.h"
#include "core/explain_view.h"

struct explain_market {
    struct instrument_rec terms; // terms.instrument == 0: there is none
    struct instrument_state_rec state;
    struct instrument_rules_rec rules;
    struct instrument_controls_rec controls;
    struct auction_evt auction; // the last one told, of this phase; instrument 0 = none yet
};

void explain_market_of(struct explain_market *market, const struct explain_view *view,
                       uint32_t instrument);
// Takes what an event changes of it.
void explain_market_follow(struct explain_market *market, const struct event *event);

// Says phase, prices, bands and collar in a few lines, and into this object. `now_ns` gives the
// NAV's age.
void explain_market_tell(struct explain_answer *answer, json_t *object,
                         const struct explain_market *market, const struct explain_view *view,
                         uint64_t now_ns);

// A band around a price; low 0 = there is none.
struct explain_band {
    int64_t low, high, around;
};
struct explain_band explain_market_static_band(const struct explain_market *market);
struct explain_band explain_market_dynamic_band(const struct explain_market *market);
struct explain_band explain_market_breaker_band(const struct explain_market *market);

// True if it is one of the phases that collect orders for an uncross.
bool explain_market_calls(const struct explain_market *market);

#endif
