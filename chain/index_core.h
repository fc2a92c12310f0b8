/* The indexer's door to the core: one command at a time, and its answer.
 *
 * The core keeps the last reference of a source. With one command under way at most, the same
 * number with the same content is always answered as done, whoever died in between: so the command
 * is sent again until there is an answer, and is booked once.
 */
#ifndef LONJA_CHAIN_INDEX_CORE_H
#define LONJA_CHAIN_INDEX_CORE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

struct index_command {
    uint8_t type; /* CMD_ledger_post or CMD_breaker_set */
    union {
        struct ledger_post_cmd ledger_post;
        struct breaker_set_cmd breaker_set;
    } body;
};

enum index_answer_kind {
    INDEX_ANSWER_NONE,    /* not yet */
    INDEX_ANSWER_DONE,    /* booked, now or before */
    INDEX_ANSWER_REFUSED, /* `reject_code` of schema/rejects.def */
    INDEX_ANSWER_LOST,    /* the core has restarted, or was not attached: send it again */
};

struct index_answer {
    enum index_answer_kind kind;
    uint64_t sequence;
    uint16_t reject_code;
};

struct index_core_ops {
    void *context;
    /* False: not attached, or the last one has no answer yet. */
    bool (*send)(void *context, const struct index_command *command);
    struct index_answer (*poll)(void *context);
};

#endif
