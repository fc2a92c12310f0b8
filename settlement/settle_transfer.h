// What a signed transfer says, a freeze or release of custody, or a payout: the legs and the batch
// id of calldata that settlement has made. For those who have the bytes and no rows: `lonja settle
// rebuild`, and the worker that restores what its database has lost.
//
// Pure, any thread, nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_TRANSFER_H
#define LONJA_SETTLEMENT_SETTLE_TRANSFER_H

#include "settlement/settle_batch_id.h"
#include "settlement/settle_call.h"

enum settle_transfer_kind {
    SETTLE_TRANSFER_NAMED,   // a forced transfer with a batch id of trades: all is filled
    SETTLE_TRANSFER_CUSTODY, // a freeze or release with a batch id of custody: likewise, its
                             // wallets as `to`
    SETTLE_TRANSFER_PAYOUT,  // a stablecoin's transfer with a batch id of a payout: likewise, who
                             // is paid as `to`
    SETTLE_TRANSFER_UNNAMED, // a forced transfer without such an id
    SETTLE_TRANSFER_OTHER,   // anything else: also a freeze that is not custody's
};

struct settle_transfer {
    enum settle_operation operation; // SETTLE_FORCED_TRANSFER for one of several legs, too
    struct settle_batch_id id;
    size_t leg_count;
    struct settle_leg legs[SETTLE_LEGS_MAX]; // numbered as they stand; of no trade yet
};

// `calldata` may be anything.
enum settle_transfer_kind settle_transfer_read(struct settle_transfer *out, const uint8_t *calldata,
                                               size_t len);

#endif
