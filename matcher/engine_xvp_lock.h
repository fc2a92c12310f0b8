// The hash lock of a settlement instruction that has legs on other ledgers (docs/risk.md 13): what
// follows from the lock alone. Nothing here changes the ledger or tells an event.
#ifndef LONJA_MATCHER_ENGINE_XVP_LOCK_H
#define LONJA_MATCHER_ENGINE_XVP_LOCK_H

#include "matcher/engine_state.h"

// No cut-off is further away, and no margin longer.
#define XVP_HORIZON_NS ((uint64_t)366 * 86400 * 1000000000)

// Takes the lock from an xvp_create. Of one without external legs nothing is read.
void xvp_lock_read(struct xvp *xvp, const struct command *command);

// The external legs end when they may; false: `refusal` says which does not.
CHECKED bool xvp_lock_admit(const struct command *command, uint64_t time_ns,
                            struct refusal *refusal);

// It has a lock, and this is its secret (XVP_SECRET_BYTES).
bool xvp_lock_fits(const struct xvp *xvp, const char *secret);

// What an account votes with to cancel it: a bit for each leg that it gives, one for each that it
// gets.
uint16_t xvp_lock_votes(const struct xvp *xvp, uint32_t account);
uint16_t xvp_lock_all_votes(const struct xvp *xvp);

// No lock without external legs, none with a token that the chain settles; no vote, nothing
// revealed before it is armed; a party has voted with all its bits or with none, and not all have.
bool xvp_lock_valid(const struct xvp *xvp);

#endif
