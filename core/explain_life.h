// Life: what became of one order, event by event, from its command to its end, and what happened
// around it meanwhile (phases, breaker, trades that passed it by).
#ifndef LONJA_CORE_EXPLAIN_LIFE_H
#define LONJA_CORE_EXPLAIN_LIFE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/explain_answer.h"
#include "core/explain_market.h"
#include "core/explain_view.h"
#include "core/explain_words.h"
#include "matcher/engine.h"

struct explain_life {
    uint64_t order;
    struct command command;
    struct explain_market market; // as it is after the last command taken
    struct explain_market then; // as it was before that, or when its turn as a triggered stop began
    json_t *events;             // what is told, in order
    struct accepted {
        uint8_t side, type;
    } is;
    uint8_t state_at_entry; // enum order_state
    int64_t price;          // its limit or collar price, as last changed
    int64_t price_at_entry;
    int64_t quantity, leaves, filled, held, fees;
    money_sum notional; // of its matches
    bool ended;
    uint8_t cancelled; // reason; 0 = it was not
    int64_t cancelled_quantity;
    char *cancelled_by;
    uint64_t refused_later; // cancels and amends of it that were refused
    // Trades of its instrument in which it had no part, while it was open.
    struct explain_passed {
        uint64_t trades;
        money_sum quantity;
        uint64_t at_its_price; // or better for it: they went to orders before it
        money_sum at_its_price_quantity;
        int64_t low, high;
    } passed;
};

void explain_life_begin(struct explain_life *life, uint64_t order);
void explain_life_end(struct explain_life *life);

// Takes the events of a command; `view` names assets and instruments. False: the order has ended.
// The caller has set life->command and life->market before the order's own command.
bool explain_life_command(struct explain_life *life, const struct explain_view *view,
                          const struct command *command, const struct event_sink *sink);

void explain_life_tell(const struct explain_life *life, struct explain_answer *answer);
// "filled", "cancelled", "open", "partially_filled"
const char *explain_life_state(const struct explain_life *life);
struct explain_text explain_life_average(const struct explain_life *life);
// An amount of what the order holds: cash of a buy, tokens of a sell.
struct explain_text explain_life_units(const struct explain_life *life, int64_t amount);

#endif
