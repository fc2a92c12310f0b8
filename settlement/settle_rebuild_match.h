// Which trades did a transaction settle? Its legs say from whom, to whom and how much, its batch id
// names the first trade and has a hash over all of them: for `lonja settle rebuild`, when no row
// tells it any more.
//
// The members of a batch stand in rising order of trade ids, member i being leg i. So the first
// leg's trade is known, and for each further leg only later trades with the same wallets and units
// can be meant. The possible lists are tried, those that pass over the fewest trades first, until
// the hash is that of the id. Where trades look alike (the same wallets and units), the hash tells
// them apart; where the wallets of an account have changed since, units alone are compared in a
// second round. A list that is found has a chance of 2^-48 to be wrong; if none is found within
// SETTLE_REBUILD_TRIES, nothing is guessed.
//
// Pure, any thread, nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_REBUILD_MATCH_H
#define LONJA_SETTLEMENT_SETTLE_REBUILD_MATCH_H

#include "settlement/settle_batch_id.h"
#include "settlement/settle_call.h"

enum { SETTLE_REBUILD_TRIES = 200000 };

// A trade that may be meant: of the token, and settled by no earlier transaction. A corrected trade
// has two quantities, of which either may have been moved.
struct settle_rebuild_trade {
    uint64_t trade_id;
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
    chain_uint128 units_corrected; // = units, if it is not
};

enum settle_rebuild_match {
    SETTLE_REBUILD_FOUND,
    SETTLE_REBUILD_NONE,     // no list of these trades has that hash
    SETTLE_REBUILD_TOO_MANY, // not found within the tries
};

// Fills the trade_id of each leg. `trades` in rising order of ids, beginning with the id's first
// trade (or behind it, if that one is gone: then NONE). Of kinds SINGLE and MANY only; of others
// NONE.
CHECKED enum settle_rebuild_match settle_rebuild_match(struct settle_leg *legs, size_t leg_count,
                                                       const struct settle_batch_id *id,
                                                       const struct settle_rebuild_trade *trades,
                                                       size_t count);

#endif
