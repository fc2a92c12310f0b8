// Sender: one peer as the primary sees it, from its HELLO to its last ACK. Bytes in, bytes out: who
// carries them is not its business (replica_server.h does by TLS, a test by memory).
//
// It reads the journal up to what is durable here, block by block as the peer takes them, so that a
// slow one costs no memory. Threads: one. Memory: two buffers, taken in replica_sender_open.
#ifndef LONJA_CORE_REPLICA_SENDER_H
#define LONJA_CORE_REPLICA_SENDER_H

#include "core/journal_reader.h"
#include "core/replica_decide.h"

// This venue, as all its senders see it now.
struct replica_now {
    const struct journal_io *io;
    struct replica_hello own; // as a primary: terms, life, epoch
    uint64_t journal_seq;     // durable here
    uint64_t now_ns;
    uint64_t timeout_ns;
};

enum replica_sender_state {
    REPLICA_SENDER_NEW,      // no HELLO yet
    REPLICA_SENDER_FOLLOWED, // blocks go out
    REPLICA_SENDER_ENDING,   // the answer was no: to be closed once it is written
};

struct replica_sender {
    enum replica_sender_state state;
    struct replica_buffer in, out;
    struct journal_reader reader;             // open while FOLLOWED
    uint64_t seen_seq;                        // durable when the reader looked last
    const struct journal_block_header *block; // read and not yet put into `out`; NULL = none
    uint64_t sent_seq;
    uint64_t told_segment; // last one whose header went out
    uint64_t look_ns;      // when to look for prepared segments next
    uint64_t acked_seq;    // the peer has synced
    uint64_t heard_ns, said_ns;
    enum replica_decision decision; // 0 = none yet
    uint64_t peer_epoch;            // highest that it has seen
};

// Returns 0 or -ENOMEM.
CHECKED int replica_sender_open(struct replica_sender *sender, uint64_t now_ns);
void replica_sender_close(struct replica_sender *sender);

// Takes the frames in `in`. Returns 0, -EPROTO (no peer of ours says this) or -ETIMEDOUT (silent
// for too long): close it. A HELLO is left where it is until the core has said how far its journal
// goes (own.epoch).
CHECKED int replica_sender_take(struct replica_sender *sender, const struct replica_now *now);
// Puts what is to be said into `out` while there is room. Returns the number of blocks, or -EIO:
// the journal cannot be read.
CHECKED int replica_sender_fill(struct replica_sender *sender, const struct replica_now *now);

#endif
