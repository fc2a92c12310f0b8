// What a cash asset has on the chain: contract and escrow wallet (docs/stablecoin.md). For the
// handlers of assets (market.c) and of the ledger's requests (ledger.c).
#ifndef LONJA_GATEWAY_ADMIN_STABLECOIN_H
#define LONJA_GATEWAY_ADMIN_STABLECOIN_H

#include "gateway/admin/requests.h"

enum { MONEY_SCALE = 6 };

struct stablecoin_fields {
    bool given; // written by stablecoin_fields
    const char *contract, *escrow;
    int64_t chain_id, decimals; // below zero: absent
};

// All of them, or none. False: the answer is made.
CHECKED bool stablecoin_fields(struct ask *ask, struct stablecoin_fields *f);
// Within the caller's transaction. What forbids it is said by the table (people.stablecoin_alone).
enum pg_class stablecoin_upsert(struct ask *ask, int64_t asset, const struct stablecoin_fields *f);
// True: this request is not for an operator to make, or cannot be paid; the answer is made.
bool stablecoin_refuses(struct ask *ask, const struct request *request);

#endif
