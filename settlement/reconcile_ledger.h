// The ledger's balances at a sequence, from the engine's events alone: the newest snapshot before
// it, and the tape up to it. It goes forward only; asked for an earlier sequence it begins anew.
//
// Allocates; one thread.
#ifndef LONJA_SETTLEMENT_RECONCILE_LEDGER_H
#define LONJA_SETTLEMENT_RECONCILE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/boot.h"

struct reconcile_ledger;

struct reconcile_ledger *reconcile_ledger_open(const struct boot *boot);
void reconcile_ledger_close(struct reconcile_ledger *ledger);

// False: the snapshot is of later, or the tape does not reach so far: nothing can be said at this
// sequence.
CHECKED bool reconcile_ledger_advance(struct reconcile_ledger *ledger, uint64_t sequence);
// available + held − deficit of an account, in units of the ledger.
int64_t reconcile_ledger_total(const struct reconcile_ledger *ledger, uint32_t account,
                               uint32_t asset);

#endif
