// Reconciliation of what is frozen in a wallet in custody (docs/settlement.md, Custody): the chain's
// getFrozenTokens against the events that were read, the venue's own against its rows, what is frozen
// against what is tradable. Pure; any thread.
//
// Amounts are the token's smallest units on the chain.
#ifndef LONJA_SETTLEMENT_RECONCILE_CUSTODY_H
#define LONJA_SETTLEMENT_RECONCILE_CUSTODY_H

#include "settlement/reconcile.h"

// As chain.custody_figures has them (schema/sql/deploy/custody.sql).
struct reconcile_custody {
    reconcile_amount frozen;      // by the venue, as its rows say …
    reconcile_amount later;       // … of it in blocks above the compared one
    reconcile_amount own;         // … as its events say, up to the compared block
    reconcile_amount held;        // frozen by others
    reconcile_amount spilled_now; // of the venue's, unfrozen by others
    reconcile_amount indexed;     // sum of all freezes that were read
    reconcile_amount claimed;     // what the core knows as tradable
    reconcile_amount bought;      // of purchases, waits to be told
    reconcile_amount waiting;     // all that waits for a freeze
    bool under_way;               // a freeze or release is
    reconcile_amount chain;       // getFrozenTokens
};

// `f` are the wallet's other figures, which agree. Cause EQUAL: what is frozen is as it should be.
void reconcile_custody_judge(struct reconcile_judgement *out, const struct reconcile_custody *c,
                             const struct reconcile_figures *f);

#endif
