// Which trades does a signed transfer move, when no row says it any more? The trades of the record
// that may be meant, and of them those that its legs and its batch id name
// (settle_rebuild_match.h).
//
// One thread, inside the caller's transaction.
#ifndef LONJA_SETTLEMENT_SETTLE_MEMBERS_H
#define LONJA_SETTLEMENT_SETTLE_MEMBERS_H

#include "base/pg.h"
#include "settlement/settle_rebuild_net.h"

enum { SETTLE_MEMBERS_MAX = 4096 };

struct settle_members {
    size_t count; // of the candidates, for whoever complains
    struct settle_rebuild_trade candidates[SETTLE_MEMBERS_MAX];
};

// Fills the legs of `out` with the trades that the transfer's `legs` move, each by itself or in a
// net (settle_netting.h), if the answer is FOUND.
CHECKED enum settle_rebuild_match
settle_members_match(struct settle_call *out, const struct settle_leg *legs, size_t leg_count,
                     const struct settle_batch_id *id, const struct settle_rebuild_trade *trades,
                     size_t count);
// … among the trades of the record, *match is the answer. False: the database (pg_last_error).
CHECKED bool settle_members_find(struct pg *pg, struct settle_members *members,
                                 enum settle_rebuild_match *match, struct settle_call *out,
                                 const struct settle_leg *legs, size_t leg_count,
                                 const struct settle_batch_id *id,
                                 const struct chain_address *token, uint64_t chain_id);

#endif
