// Receiver: the primary as a standby sees it, over one connection. Bytes in, bytes out, and blocks
// into the store. A block is acknowledged once it is synced.
//
// Threads: one. Memory: two buffers, taken in replica_receiver_open.
#ifndef LONJA_CORE_REPLICA_RECEIVER_H
#define LONJA_CORE_REPLICA_RECEIVER_H

#include "core/replica_decide.h"
#include "core/standby_store.h"

struct replica_receiver {
    struct standby_store *store;
    struct replica_buffer in, out;
    bool follows;                  // the primary's answer was yes
    uint64_t fence;                // a primary with a lower epoch is not followed
    uint64_t primary_epoch;        // as it said last
    uint64_t primary_seq;          // durable there, as it said last
    enum replica_decision refused; // its answer, if it was no; 0 = it was not
    uint64_t common;               // if it was REPLICA_REFUSE_DIVERGED
    uint64_t heard_ns, said_ns;
};

// `hello` has the terms and the fence; where the journal ends is filled in. Returns 0 or -ENOMEM.
CHECKED int replica_receiver_open(struct replica_receiver *receiver, struct standby_store *store,
                                  const struct replica_hello *hello, uint64_t now_ns);
void replica_receiver_close(struct replica_receiver *receiver);

// Takes the frames in `in`, says what is to be said in `out`. Returns the number of blocks that
// became durable, or: -EPROTO (no primary of ours says this), -ETIMEDOUT, -EACCES (refused: see
// `refused`), -ESTALE (the primary's epoch is below the fence): cut the connection; any other
// -errno is the disk's: exit.
CHECKED int replica_receiver_take(struct replica_receiver *receiver, uint64_t now_ns,
                                  uint64_t timeout_ns);

#endif
