// What the three files of the worker share: settle.c (the pass), settle_chain.c (node, fees,
// nonces), settle_item.c (one request, one step further).
#ifndef LONJA_SETTLEMENT_SETTLE_INTERNAL_H
#define LONJA_SETTLEMENT_SETTLE_INTERNAL_H

#include "settlement/settle.h"

// How a step went. ABORT: the store or the node did not answer; nothing more is tried in this pass.
enum settle_step { SETTLE_STEP_NONE, SETTLE_STEP_DONE, SETTLE_STEP_ABORT };

// True if `result` is OK; else notes the failure, and the caller aborts.
bool settle_store_ok(struct settle *settle, enum settle_store_result result);
// Notes that the node or the signer cannot be used for a tick. Returns ABORT.
enum settle_step settle_chain_failed(struct settle *settle, const char *what,
                                     enum node_result result);

// Asks the node where the chain is; at start, every tick and on doubt compares the nonces. NONE: as
// far as it should be; ABORT: the chain cannot be used in this pass.
enum settle_step settle_chain_look(struct settle *settle);
// Which transaction of the signer used `nonce`, within the last SETTLE_SCAN_BLOCKS blocks.
enum { SETTLE_SCAN_BLOCKS = 256 };
CHECKED enum node_result settle_chain_find(struct settle *settle, bool *found,
                                           struct chain_hash *hash, uint64_t *block,
                                           uint64_t nonce);
bool settle_chain_is_deep(const struct settle *settle, uint64_t block);

// Does for one request what can be done now.
enum settle_step settle_item_step(struct settle *settle, struct settle_item *item);

#endif
