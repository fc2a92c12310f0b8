// What a primary decides about whoever says HELLO. A pure function and its table: every case is a
// row, a test says so.
//
// The rules behind the table: other terms, no talk. The higher epoch wins: whoever has seen a
// higher one than ours was promoted, or follows who was, and we are fenced. A standby below us goes
// on where it ends if the block that ends there is ours, too; else it is told where it went astray.
#ifndef LONJA_CORE_REPLICA_DECIDE_H
#define LONJA_CORE_REPLICA_DECIDE_H

#include <stdint.h>

#include "base/config.h"
#include "core/replica_frame.h"

enum replica_terms {
    REPLICA_TERMS_SAME,
    REPLICA_TERMS_VERSION, // other protocol, schema or engine
    REPLICA_TERMS_VENUE,   // another venue's journal
    REPLICA_TERMS_SELF,    // it is us
    REPLICA_TERMS_COUNT
};
enum replica_peer { REPLICA_PEER_STANDBY, REPLICA_PEER_PRIMARY, REPLICA_PEER_COUNT };
// The highest epoch that the peer has seen, beside ours.
enum replica_age { REPLICA_AGE_LOWER, REPLICA_AGE_SAME, REPLICA_AGE_HIGHER, REPLICA_AGE_COUNT };
// Where the peer's journal ends in ours.
enum replica_place {
    REPLICA_PLACE_KNOWN,    // with a block that is ours; or it is empty, and we have the beginning
    REPLICA_PLACE_DIVERGED, // inside ours, but not with a block of ours
    REPLICA_PLACE_AHEAD,    // behind our end
    REPLICA_PLACE_GONE,     // before the first block that we still have
    REPLICA_PLACE_UNREADABLE, // our journal cannot be read there
    REPLICA_PLACE_COUNT
};
enum replica_decision {
    REPLICA_CONTINUE = 1,    // blocks follow
    REPLICA_REFUSE_VERSION,  // same release on both hosts
    REPLICA_REFUSE_VENUE,    // not this venue's standby
    REPLICA_REFUSE_SELF,     // the peer's address is our own
    REPLICA_REFUSE_DIVERGED, // cut its journal, or give it a copy of ours
    REPLICA_REFUSE_AHEAD,    // it has what we lack: do not throw it away
    REPLICA_REFUSE_GONE,     // give it a copy of our journal
    REPLICA_REFUSE_UNREADABLE,
    REPLICA_PEER_IS_FENCED,  // the peer is a primary whose place we took
    REPLICA_WE_ARE_FENCED,   // it is the other way round
    REPLICA_BOTH_ARE_FENCED, // two primaries of one epoch: nobody knows who is right
    REPLICA_DECISION_END
};

enum replica_decision replica_decide(enum replica_terms terms, enum replica_peer peer,
                                     enum replica_age age, enum replica_place place);

// Writes what every HELLO of this host says: terms, and a life of its own. The rest is zero.
void replica_hello_terms(struct replica_hello *hello, const struct config *config);

// The first three dimensions from a HELLO and ours. A role that does not exist is taken for a
// standby's by none: the caller cuts it off (replica_hello_valid).
bool replica_hello_valid(const struct replica_hello *hello);
enum replica_terms replica_terms_of(const struct replica_hello *peer,
                                    const struct replica_hello *own);
enum replica_age replica_age_of(const struct replica_hello *peer, uint64_t own_epoch);

// What at least `required` of `count` standbys have; 0 if there are fewer. Sorts `acknowledged`.
uint64_t replica_quorum(uint64_t *acknowledged, unsigned count, unsigned required);

// What an operator should know and do about it: a sentence.
const char *replica_decision_text(enum replica_decision decision);

#endif
