// Words: how explain writes times, money and enumerations.
#ifndef LONJA_CORE_EXPLAIN_WORDS_H
#define LONJA_CORE_EXPLAIN_WORDS_H

#include <stdint.h>

#include "base/assert.h"
#include "schema/records.h"

struct explain_text { // short, by value: f(…).text is good to the end of the expression
    char text[48];
};

struct explain_text explain_cash(int64_t amount); // prices, too
struct explain_text explain_units(int64_t amount, unsigned scale);
struct explain_text explain_time(uint64_t ns); // "2026-11-27T20:49:35.000000001Z"
struct explain_text explain_duration(uint64_t ns);
struct explain_text explain_count(uint64_t count, const char *what); // "1 order", "2 orders"
// False: not such a text. Any number of decimals up to 9; the Z is optional, a date alone is its
// midnight.
CHECKED bool explain_time_parse(uint64_t *ns, const char *text);

const char *explain_side_word(uint8_t side);
const char *explain_gateway_word(uint8_t gateway);
const char *explain_state_word(uint8_t state);         // enum order_state
const char *explain_cancel_word(uint8_t reason);       // enum cancel_reason: "self_trade"
const char *explain_cancel_sentence(uint8_t reason);   // "self-trade prevention took it"
const char *explain_posting_word(uint8_t kind);        // enum posting_kind
const char *explain_token_status_word(uint8_t status); // enum token_status
const char *explain_trading_mode_word(uint8_t mode);   // enum trading_mode
const char *explain_venue_word(uint8_t state);         // enum venue_state
// Who sent it: "order_cancel of session 3 (fix)", "instrument_phase of operator 2", "clock_tick of
// the core".
char *explain_by(const struct command *command);

#endif
