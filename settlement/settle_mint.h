// A mint needs a custody proof (F11, D7, M21): a document of the custodian, recorded by one person and
// verified by another, says how many tokens there may be. The rows and the rule are the database's
// (schema/sql/deploy/custody_proof.sql), by its own clock; how many there are says the contract.
//
// A mint that no proof covers waits, nothing being signed, and goes on by itself once one does.
#ifndef LONJA_SETTLEMENT_SETTLE_MINT_H
#define LONJA_SETTLEMENT_SETTLE_MINT_H

#include "settlement/settle_internal.h"

// Does the request have to wait for a proof? Asked before anything is spent on it, and again when
// its attempt is prepared, right before the signature: then what was found is kept with the attempt.
// NONE: *ending says it: STAY: it may be signed (so may whatever is no mint); RELEASE: it waits;
// FAIL: it never will be, for what is called is no token. ABORT: database or node failed.
CHECKED enum settle_step settle_mint_judge(struct settle *settle, const struct settle_item *item,
                                           struct settle_ending *ending);

#endif
