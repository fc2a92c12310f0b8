// The door to the core: settlement results out, their answers in. Production is settle_core_link.c
// (command ring and follower); tests put a fake behind it.
//
// A result is sent again until its answer has been seen; the core answers a repeat as done.
#ifndef LONJA_SETTLEMENT_SETTLE_CORE_H
#define LONJA_SETTLEMENT_SETTLE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

enum settle_answer_kind {
    SETTLE_ANSWER_BOOKED,   // booked now, or found booked already
    SETTLE_ANSWER_REFUSED,  // `reject_code` of schema/rejects.def
    SETTLE_ANSWER_RESTARTED // whatever was sent and is not answered may be lost: send it again
};

struct settle_answer {
    enum settle_answer_kind kind;
    uint64_t ref_number;
    uint16_t reject_code;
};

struct settle_core_ops {
    void *context;
    // False: not attached, or no room; ask again later.
    bool (*send)(void *context, const struct settlement_result_cmd *command);
    // False: no answer now.
    bool (*poll)(void *context, struct settle_answer *answer);
    void (*close)(void *context);
};

#endif
