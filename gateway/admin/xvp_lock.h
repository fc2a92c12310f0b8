// Legs of a settlement instruction that are on other ledgers, and the hash lock that goes with them
// (docs/xvp.md). What such a leg moves is told to the parties and proved by nobody here: it is a
// text, kept in people.xvp_request alone (it names addresses, which enter no journal); the engine
// is told when each one ends, and which side is claimed first.
#ifndef LONJA_GATEWAY_ADMIN_XVP_LOCK_H
#define LONJA_GATEWAY_ADMIN_XVP_LOCK_H

#include "gateway/admin/admin.h"

struct xvp_lock_asked {
    size_t count; // 0: no legs on other ledgers, and no lock
    struct xvp_lock_tail lock;
    struct xvp_external_tail externals[XVP_EXTERNALS_MAX];
    json_t *told;                            // the legs as they are kept; owned
    char hashlock[2 * XVP_SECRET_BYTES + 3]; // "0x…", or ""
};

enum {
    XVP_LOCK_TAIL_BYTES_MAX =
        sizeof(struct xvp_lock_tail) + XVP_EXTERNALS_MAX * sizeof(struct xvp_external_tail)
};

bool xvp_leg_is_external(const json_t *leg);
// Reads those of the body's `legs`, and `hashlock`. False: the answer is made. To be released
// either way.
CHECKED bool xvp_lock_parse(struct ask *ask, struct xvp_lock_asked *out);
// As it was written down (hashlock "": none).
void xvp_lock_recall(struct xvp_lock_asked *out, const char *told, const char *hashlock,
                     int64_t margin_ns);
void xvp_lock_release(struct xvp_lock_asked *lock);

// Of the content, as an FNV-1a that goes on from `hash`; without external legs `hash` itself.
uint64_t xvp_lock_hash(const struct xvp_lock_asked *lock, uint64_t hash);
// What goes behind the local legs of the command; returns its bytes.
size_t xvp_lock_tail_write(const struct xvp_lock_asked *lock, char out[XVP_LOCK_TAIL_BYTES_MAX]);
// The field `secret`: 32 bytes in hexadecimal.
CHECKED bool xvp_secret_parse(struct ask *ask, uint8_t out[XVP_SECRET_BYTES]);

#endif
