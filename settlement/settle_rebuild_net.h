// Which trades did a netted transaction settle? As settle_rebuild_match.h, but its legs are sums:
// each pair of wallets stands in one leg, so that every trade belongs to the leg of its pair, and
// the members are those whose sums are the legs and whose ids have the hash of the batch id.
//
// Only trades of the legs' pairs come into question, from the id's first trade on. Lists that pass
// over none of them before they end are tried first, at every length, then those that pass over
// one, and so on. Wallets must be those that the accounts have now: without them no pair is known.
//
// Pure, any thread, nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_REBUILD_NET_H
#define LONJA_SETTLEMENT_SETTLE_REBUILD_NET_H

#include "settlement/settle_rebuild_match.h"

// Fills members->legs and leg_count with the members as they were netted (settle_netting.h): place
// is the index of the transaction's leg. `trades` as for settle_rebuild_match; of other kinds than
// NET: NONE.
CHECKED enum settle_rebuild_match
settle_rebuild_match_net(struct settle_call *members, const struct settle_leg *legs,
                         size_t leg_count, const struct settle_batch_id *id,
                         const struct settle_rebuild_trade *trades, size_t count);

#endif
