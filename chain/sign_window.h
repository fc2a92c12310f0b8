/* How much may be signed in a window of time: sums over the signatures of the log within each cap's
 * rolling window. The log is the memory: after a restart or a change of the policy the sums are
 * made from it anew. A further bid for a payload counts nothing, what is given up counts on. One
 * thread.
 */
#ifndef LONJA_CHAIN_SIGN_WINDOW_H
#define LONJA_CHAIN_SIGN_WINDOW_H

#include "chain/sign_log.h"
#include "chain/sign_policy.h"

struct sign_window {
    size_t from; /* entries of the log within the window: from … to - 1 */
    size_t to;
    chain_uint128 units; /* the largest number once they did not fit, until made anew */
    uint64_t transfers;
};

struct sign_windows {
    struct sign_window windows[SIGN_POLICY_CAPS_MAX]; /* one per cap of the policy */
};

/* Forgets all sums; they are made anew at the next check. For a policy that was read again. */
void sign_windows_reset(struct sign_windows *windows);

/* Whether what `call` asks of `contract` still fits at `now_ns`: SIGNER_OK, SIGNER_UNITS_REFUSED or
 * SIGNER_TRANSFERS_REFUSED with the cap and what it would have come to. */
CHECKED enum signer_result
sign_windows_check(struct sign_windows *windows, struct signer_bound *bound,
                   const struct sign_policy *policy, const struct sign_log *log,
                   const struct sign_call *call, const struct chain_address *contract,
                   uint64_t now_ns);

#endif
