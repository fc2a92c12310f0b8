// What hinders a process that runs: a word of its reader page (base/reader_page.h) for `lonja status`, told by
// the process itself. The names of those that settlement knows are those of settle.reason_word.
#ifndef LONJA_BASE_TROUBLE_H
#define LONJA_BASE_TROUBLE_H

#include <stdint.h>

#define TROUBLE_WORDS(T)                                                                                       \
    T(DATABASE_UNAVAILABLE, "database_unavailable", "Postgres cannot be used")                                 \
    T(NODE_UNAVAILABLE, "node_unavailable", "no node of the chain answers as it should")                       \
    T(ENDPOINTS_DISAGREE, "endpoints_disagree", "the nodes of the chain contradict each other")                \
    T(NODE_ON_ANOTHER_CHAIN, "node_on_another_chain", "the node is on another chain than settle.chain_id")     \
    T(SIGNER_UNAVAILABLE, "signer_unavailable", "the signer does not answer, or does not sign")                \
    T(ATTEMPTS_MISSING, "attempts_missing", "the signer has signed what the database does not know")           \
    T(CHAIN_NOT_READ, "chain_not_read", "the chain is not read, or not told to the ledger")                    \
    T(BREAKS_OPEN, "breaks_open", "ledger, record and chain differ: lonja reconcile")

enum trouble {
    TROUBLE_NONE = 0,
#define T(name, word, words) TROUBLE_##name,
    TROUBLE_WORDS(T)
#undef T
};

// The stable word, and what it means. NULL: none. A number that is none of these (the page is the process's
// to write) is "unknown".
const char *trouble_name(uint32_t trouble);
const char *trouble_words(const char *name);

#endif
