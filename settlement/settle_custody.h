// Frozen custody, the worker's part (docs/settlement.md, Custody). What has to be frozen, and what
// is waiting for it, stands in Postgres (schema/sql/deploy/custody.sql, settle.custody_step), and
// the freezes themselves are requests like any other. Here is what the worker adds: when it asks
// for them, what of a wallet's frozen units its own transfers may take, and what they took.
//
// Threads: the worker's.
#ifndef LONJA_SETTLEMENT_SETTLE_CUSTODY_H
#define LONJA_SETTLEMENT_SETTLE_CUSTODY_H

#include "settlement/settle_internal.h"

// Once in every pass, before results are sent: results that waited for a freeze get ready, requests
// are made. Returns how much has changed.
size_t settle_custody_pass(struct settle *settle);

// Fills in the preflight what the venue has frozen itself. Asked only where something is frozen.
// NONE or ABORT.
enum settle_step settle_custody_read(struct settle *settle, struct settle_preflight *preflight);

// Is a leg that was refused for units frozen by others to wait? They may be the venue's own: a
// freeze that is mined counts as others' until it is final.
bool settle_custody_waits(const struct settle *settle, const struct settle_item *item, size_t leg);

// What each leg of a transfer took from the frozen units of its sender: forcedTransfer takes free
// units first and says TokensUnfrozen before its Transfer. `moves` are the call's movements
// (settle_netting.h), `log_index` is of their Transfers; of a net its first leg gets it.
void settle_custody_unfrozen(chain_uint128 unfrozen[SETTLE_LEGS_MAX],
                             const struct node_receipt *receipt, const struct settle_call *call,
                             const struct settle_call *moves,
                             const uint32_t log_index[SETTLE_LEGS_MAX]);

#endif
