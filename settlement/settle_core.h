// The door to the core: settlement results out, their answers in. Production is settle_core_link.c
// (command ring and follower); tests put a fake behind it.
//
// Results are sent in the order of their numbers, as many as there is room for, without waiting for
// answers. The core keeps the last number only, so an answer that was missed cannot be had by
// asking again: a smaller number is "old", whether it was booked or refused. What was booked is
// therefore read from the events:
//   - begin says from where: a result was numbered at a sequence (`sequence`, committed with the
//     number), so its event, if there is one, lies behind that.
//   - Answers come in the order of the events, RESTARTED at the attach. No command of the time
//     before it is taken after it. So when RESTARTED is seen, each result that has no answer was
//     not booked, and sending it again, in order, cannot double it.
//   - Between the attach and the poll that returns RESTARTED nothing can be sent: a result cannot
//     overtake one that was lost with the core.
// A result that was not booked though a larger number was, was refused by the core, its answer lost
// with this process. Sent again it is refused as old; the ledger was not moved by it either time.
#ifndef LONJA_SETTLEMENT_SETTLE_CORE_H
#define LONJA_SETTLEMENT_SETTLE_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

enum settle_answer_kind {
    SETTLE_ANSWER_BOOKED,   // booked now, or found booked already
    SETTLE_ANSWER_REFUSED,  // `reject_code` of schema/rejects.def
    SETTLE_ANSWER_RESTARTED // whatever was sent and is not answered was not taken: send it again
};

struct settle_answer {
    enum settle_answer_kind kind;
    uint64_t ref_number;
    uint16_t reject_code;
};

#define SETTLE_CORE_NEWEST UINT64_MAX

struct settle_core_ops {
    void *context;
    // Once, before all others: answers begin behind `after_sequence` (SETTLE_CORE_NEWEST: no result
    // is open, there is nothing to look for).
    void (*begin)(void *context, uint64_t after_sequence);
    // All that the core answers to what is sent from now on lies behind this.
    uint64_t (*sequence)(void *context);
    // False: not attached, RESTARTED not polled, or no room; ask again later.
    bool (*send)(void *context, const struct settlement_result_cmd *command);
    // False: no answer now.
    bool (*poll)(void *context, struct settle_answer *answer);
    void (*close)(void *context);
};

#endif
