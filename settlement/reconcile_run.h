// One comparison of ledger, record and chain: figures of one transaction of Postgres, the ledger at
// that transaction's sequence, balances of the chain at the last confirmed block. What differs is
// written to chain.reconciliation_break, where it stays open until a later comparison does not find
// it.
//
// The caller's connection (role lonja_index) and node are used; one thread.
#ifndef LONJA_SETTLEMENT_RECONCILE_RUN_H
#define LONJA_SETTLEMENT_RECONCILE_RUN_H

#include <jansson.h>

#include "base/pg.h"
#include "chain/node.h"
#include "settlement/reconcile_ledger.h"

enum { RECONCILE_HALTS_MAX = 64 };

struct reconcile_report {
    uint64_t sequence;
    uint64_t block;
    size_t compared;
    size_t breaks;
    size_t told;      // of them: two comparisons in a row have seen them, and they are told
    bool ledger_known;
    char reason[RPC_MESSAGE_MAX]; // why nothing, or not the ledger, was compared; "" = all was
    json_t *rows;                 // an object per token and wallet; the caller's, json_decref
    // Instruments whose breakers are to be tripped: a break above index.halt_bps that two
    // comparisons in a row have seen, of a token of which ledger and chain had agreed before.
    size_t halt_count;
    struct {
        int64_t break_id;
        uint32_t instrument;
    } halts[RECONCILE_HALTS_MAX];
};

struct reconcile {
    const struct config *config;
    struct pg *pg;
    struct node *node;
    struct reconcile_ledger *ledger;
};

// False: it could not be compared; `reason` says why, nothing was written. `report` is to be
// released either way.
CHECKED bool reconcile_run(struct reconcile *reconcile, struct reconcile_report *report);
// Writes down that the instruments of a break were halted.
CHECKED bool reconcile_halted(struct reconcile *reconcile, int64_t break_id);

#endif
