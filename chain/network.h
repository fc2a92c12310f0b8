/* The networks that the venue can settle on: what each sets of the keys of the group `settle`.
 *
 * `settle.network` names one; a key that stands in the configuration itself overrides the network's
 * value. Fees in mwei (10^6 wei, a thousandth of a gwei). Where the figures come from, and what is
 * special on each chain: docs/networks.md.
 *
 * Constant data: any thread.
 */
#ifndef LONJA_CHAIN_NETWORK_H
#define LONJA_CHAIN_NETWORK_H

#include "base/config.h"

#include <stddef.h>
#include <stdint.h>

/* X(key): the keys of the group `settle` that a network sets. Their meaning: base/config.def. */
#define NETWORK_KEYS(X)                                                                            \
    X(chain_id)                                                                                    \
    X(confirmations)                                                                               \
    X(finalized_tag)                                                                               \
    X(priority_fee_mwei)                                                                           \
    X(priority_fee_max_mwei)                                                                       \
    X(fee_cap_gwei)                                                                                \
    X(bump_permille)                                                                               \
    X(stuck_ms)                                                                                    \
    X(gas_call_max)                                                                                \
    X(gas_mint_max)                                                                                \
    X(gas_batch_max)                                                                               \
    X(gas_identity_max)                                                                            \
    X(gas_deploy_max)                                                                              \
    X(rpc_rate_max)                                                                                \
    X(rpc_lag_max)

struct network {
    const char *name;
    const char *title;
    uint32_t block_ms; /* between blocks, about */
#define X(key) int64_t key;
    NETWORK_KEYS(X)
#undef X
};

extern const struct network networks[];
extern const size_t networks_count;

/* By name; NULL when there is none of this name. */
const struct network *network_find(const char *name);

/* Puts the network's values, and its name, into the configuration. */
void network_apply(struct config *config, const struct network *network);

#endif
