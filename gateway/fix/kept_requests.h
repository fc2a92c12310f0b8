// Kept requests: mass cancels that must be answered whole even by the process after this one. What
// an event does not tell of them (ClOrdID, what was asked for) goes into the session's store before
// the command goes to the core; a process that starts finds them there.
//
// Threads: I/O thread. They are needed only until the first attach: what was in the ring before it
// has been answered by then.
#ifndef LONJA_GATEWAY_FIX_KEPT_REQUESTS_H
#define LONJA_GATEWAY_FIX_KEPT_REQUESTS_H

#include "gateway/fix/request.h"
#include "gateway/fix/store.h"

struct kept_request { // as it stands in the store: no padding
    uint32_t session, session_seq;
    uint32_t account, instrument;
    uint8_t side, scope, token_scale;
    char all_or_one;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    char symbol[SYMBOL_BYTES_MAX + 1];
    uint8_t reserved[2];
};
static_assert(sizeof(struct kept_request) == 76, "request in the store");
static_assert(sizeof(struct kept_request) != sizeof(struct fix_order), "told apart by their size");

struct kept_requests {
    struct kept_request *entries; // in the order of the stores
    size_t count, capacity;
};

void kept_requests_fini(struct kept_requests *kept);
// Appends the request to the store, to be flushed before its command is published (session_settle).
void kept_request_append(struct store *store, const struct request *request);
// A record of a store; false: it is none of ours.
bool kept_requests_load(struct kept_requests *kept, const struct store_record *record);
// The one of a session with this MsgSeqNum: the newest, since a reset begins the numbers anew.
bool kept_requests_find(const struct kept_requests *kept, struct request *out, uint32_t session,
                        uint32_t session_seq);

#endif
