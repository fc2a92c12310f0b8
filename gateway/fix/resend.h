// Resend: what was sent once, sent again: kept application messages with the same bytes,
// PossDupFlag (43) and OrigSendingTime (122); everything else becomes SequenceReset-GapFill. It
// goes out in portions, so that a long resend neither fills the memory nor stops the loop.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_RESEND_H
#define LONJA_GATEWAY_FIX_RESEND_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/fix/fix_time.h"
#include "gateway/fix/store.h"

struct resend {
    uint32_t next, last; // next > last: nothing to do
};

struct resend_route { // who speaks to whom
    const char *our_comp_id, *peer_comp_id;
};

// Asks for `first`..`last` (0 = all so far). One that is under way is
// widened to the new one: nothing that was asked for is forgotten, some of it may come twice.
void resend_begin(struct resend *resend, uint32_t first, uint32_t last, uint32_t next_out);
enum { RESEND_MESSAGE_BYTES_MAX = STORE_MESSAGE_BYTES_MAX + 128 };
// Writes the next message of the resend; returns its length, 0 = done.
size_t resend_next(struct resend *resend, struct store *store, const struct resend_route *route,
                   uint64_t wall_ns, char out[RESEND_MESSAGE_BYTES_MAX]);

// Puts BeginString and BodyLength before `body` and CheckSum behind it; returns the length.
size_t fix_wrap(char *out, size_t size, const char *body, size_t body_bytes);

#endif
