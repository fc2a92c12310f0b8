// Explain: answers about an order, a refusal, a balance, the venue at a moment: from the journal
// alone.
//
// Each question replays the journal into an engine of its own (explain_journal.h), looks at it
// where the question points (explain_view.h) and fills an answer (explain_answer.h), which is
// printed for people or as one JSON object. Nothing is written, and nothing is asked of a running
// venue but how far it is durable.
//
// Threads: one. Memory: malloc, given back by each question.
#ifndef LONJA_CORE_EXPLAIN_H
#define LONJA_CORE_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/explain_answer.h"
#include "core/explain_journal.h"

enum explain_status { // what the executable exits with
    EXPLAIN_ANSWERED = 0,
    EXPLAIN_NONE = 1,    // there is no such thing, it is not durable yet, or nothing can be read
    EXPLAIN_USAGE = 2,   // bad arguments
    EXPLAIN_CORRUPT = 3, // the journal is corrupt or replays otherwise; or the books do not add up
};

enum { EXPLAIN_LIMIT_DEFAULT = 50, EXPLAIN_DEPTH_DEFAULT = 5 };

struct explain_options {
    uint64_t from;    // balance: the first posting to show, from the state before it; 0 = from the
                      // first ever
    uint64_t limit;   // lines of a list, the newest
    uint64_t at;      // state: after this sequence; UINT64_MAX = the durable end
    uint64_t at_ns;   // state: or after the last command until this time; UINT64_MAX = not given
    uint64_t now_ns;  // wall clock
    uint64_t depth;   // state: price levels of each side
    uint32_t account; // state: its balances and orders; 0 = none in particular
    bool orders, check;
};

// Each opens what it needs of `journal` (which is closed by the caller), fills `answer`, and
// returns an explain_status. What went wrong is a line on standard error.
CHECKED int explain_order(struct explain_answer *answer, struct explain_journal *journal,
                          uint64_t order);
CHECKED int explain_reject(struct explain_answer *answer, struct explain_journal *journal,
                           uint64_t sequence);
// `asset` is its number or its symbol.
CHECKED int explain_balance(struct explain_answer *answer, struct explain_journal *journal,
                            uint32_t account, const char *asset,
                            const struct explain_options *options);
CHECKED int explain_state(struct explain_answer *answer, struct explain_journal *journal,
                          const struct explain_options *options);

#endif
