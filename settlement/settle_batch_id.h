// The batch id: 32 bytes behind the calldata of every forcedTransfer and batchForcedTransfer of the
// venue, of the freezes and releases of its custody, and of the payouts of its stablecoins. The
// contract does not read them (an ABI decoder ignores what follows the arguments; 515 gas), but
// they stay on the chain: from them `lonja settle rebuild` finds out which trades a transaction
// settled, which units the venue froze itself and which withdrawal was paid, when the database is
// lost, and an auditor which transaction settled a trade.
//
//    0  "LONJA1"                                                        6
//    6  version, 1                                                      1
//    7  kind: 0 one trade, 1 batch, 2 net, 3 custody, 4 payout          1
//    8  request id, chain.chain_request                                 8, big endian
//   16  smallest trade id among the members; of custody 0; the
//       payout's number, chain.payout                                   8, big endian
//   24  number of legs                                                  2, big endian
//   26  first 6 bytes of Keccak-256 of the member trades' ids,
//       8 bytes each, big endian, in rising order; of a payout its
//       digest (chain.payout_digest: of the withdrawal's reference)     6
//
// Members are trades, in rising order: for kinds 0 and 1 as many as legs, member i being leg i; for
// a net `legs` of them or more; custody and payouts have none. The hash is no proof against
// somebody who holds the key; it tells which of the possible lists of trades was meant.
//
// Pure functions, any thread, nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_BATCH_ID_H
#define LONJA_SETTLEMENT_SETTLE_BATCH_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define SETTLE_BATCH_ID_BYTES   32
#define SETTLE_BATCH_ID_VERSION 1

enum {
    SETTLE_BATCH_ID_HASH_BYTES = 6,
    SETTLE_BATCH_MEMBERS_MAX = 4096, // trades behind one transaction
};

enum settle_batch_kind {
    SETTLE_BATCH_SINGLE,  // forcedTransfer of one trade
    SETTLE_BATCH_MANY,    // batchForcedTransfer, one leg per trade
    SETTLE_BATCH_NET,     // legs are sums over trades (settle_net.h)
    SETTLE_BATCH_CUSTODY, // units frozen or released by the venue, one leg per wallet
    SETTLE_BATCH_PAYOUT,  // a stablecoin leaves its escrow, one leg
};

struct settle_batch_id {
    enum settle_batch_kind kind;
    uint16_t leg_count;
    uint64_t request_id;
    uint64_t first_trade_id;
    uint8_t members_hash[SETTLE_BATCH_ID_HASH_BYTES];
};

// `trade_ids` strictly rising and not zero, 1 to SETTLE_BATCH_MEMBERS_MAX of them (none of
// custody), `leg_count` as described above; asserts otherwise: an id that is wrong must never be
// signed.
void settle_batch_id_make(struct settle_batch_id *id, enum settle_batch_kind kind,
                          uint64_t request_id, size_t leg_count, const uint64_t *trade_ids,
                          size_t count);
// `payout` and `request_id` above zero.
void settle_batch_id_make_payout(struct settle_batch_id *id, uint64_t request_id, uint64_t payout,
                                 const uint8_t digest[SETTLE_BATCH_ID_HASH_BYTES]);
void settle_batch_id_write(uint8_t out[SETTLE_BATCH_ID_BYTES], const struct settle_batch_id *id);

// False, `id` unspecified: these bytes are no batch id of this version. (They come from the chain,
// where anybody may have written them.)
CHECKED bool settle_batch_id_read(struct settle_batch_id *id,
                                  const uint8_t bytes[SETTLE_BATCH_ID_BYTES]);
// Are these, in this order, the members that `id` was made of?
CHECKED bool settle_batch_id_matches(const struct settle_batch_id *id, const uint64_t *trade_ids,
                                     size_t count);

#endif
