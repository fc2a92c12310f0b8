// Order words: what clients say and read for the enumerations of an order: "stop_limit", "at_open",
// "cancel_newest". The same words in both directions. Any thread; no allocation.
#ifndef LONJA_GATEWAY_WEB_ORDER_WORDS_H
#define LONJA_GATEWAY_WEB_ORDER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum order_vocabulary {
    WORDS_SIDE,   // enum side
    WORDS_TYPE,   // enum order_type; reads "stop_loss" for stop, too
    WORDS_TIF,    // enum time_in_force
    WORDS_STP,    // enum stp_mode
    WORDS_SCOPE,  // enum mass_scope, without the operators'
    WORDS_REASON, // enum cancel_reason
    WORDS_KIND,   // enum trade_kind
    WORDS_COUNT,
};

// False if the vocabulary has no such word; *out is written if it has.
CHECKED bool order_word_read(enum order_vocabulary vocabulary, const char *text, size_t bytes,
                             uint8_t *out);
const char *order_word(enum order_vocabulary vocabulary, uint8_t value); // "unknown" for others

#endif
