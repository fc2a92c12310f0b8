// What a request asks the chain for, and its calldata: the typed row of chain.chain_request with
// its legs becomes the bytes that are signed. Never the other way round: bytes from outside are not
// sent.
//
// Pure functions, any thread, nothing allocated. Amounts are the contract's smallest units.
#ifndef LONJA_SETTLEMENT_SETTLE_CALL_H
#define LONJA_SETTLEMENT_SETTLE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/erc3643.h"
#include "settlement/settle_batch_id.h"

enum { SETTLE_LEGS_MAX = ERC3643_BATCH_MAX };

// O(NAME, word of chain.chain_request.operation)
#define SETTLE_OPERATIONS(O)                                                                       \
    O(FORCED_TRANSFER, "forced_transfer")                                                          \
    O(BATCH_FORCED_TRANSFER, "batch_forced_transfer")

#define SETTLE_OPERATION_ENUM(name, word) SETTLE_##name,
enum settle_operation { SETTLE_OPERATIONS(SETTLE_OPERATION_ENUM) SETTLE_OPERATION_COUNT };
#undef SETTLE_OPERATION_ENUM

const char *settle_operation_text(enum settle_operation operation);
// SETTLE_OPERATION_COUNT for a word that is none, or that this worker does not run.
enum settle_operation settle_operation_parse(const char *word);

// One movement of a request, as planned before anything is signed.
struct settle_leg {
    uint64_t trade_id; // 0 = of no trade
    uint8_t number;    // chain.request_leg.leg: below SETTLE_LEGS_MAX, kept when neighbours leave
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
};

// Legs of trades are in rising order of their ids.
struct settle_call {
    uint64_t request_id;
    enum settle_operation operation;
    struct chain_address contract;
    size_t leg_count;
    struct settle_leg legs[SETTLE_LEGS_MAX];
};

// Of settlement of trades: its operation follows from the number of legs.
bool settle_call_is_of_trades(const struct settle_call *call);
// What is sent when the first `legs` of it are: one leg is a plain forcedTransfer.
enum settle_operation settle_call_operation(const struct settle_call *call, size_t legs);

#define SETTLE_CALLDATA_MAX (ERC3643_CALLDATA_MAX + SETTLE_BATCH_ID_BYTES)

// Calldata of the first `legs` legs (1 to leg_count), with the batch id behind it. Returns its
// length; asserts that it fits.
size_t settle_call_build(uint8_t *out, size_t max, const struct settle_call *call, size_t legs);

#endif
