// What a request asks the chain for, and its calldata: the typed row of chain.chain_request with
// its legs becomes the bytes that are signed. Never the other way round: bytes from outside are not
// sent.
//
// Any thread. A deploy reads its artifact's file, everything else is pure. Amounts are the
// contract's smallest units.
#ifndef LONJA_SETTLEMENT_SETTLE_CALL_H
#define LONJA_SETTLEMENT_SETTLE_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/erc3643.h"
#include "chain/signer.h"
#include "settlement/settle_batch_id.h"
#include "settlement/settle_setup.h"

enum { SETTLE_LEGS_MAX = ERC3643_BATCH_MAX };

// O(NAME, word of chain.chain_request.operation, gas limit, fewest legs, most legs)
#define SETTLE_OPERATIONS(O)                                                                       \
    O(FORCED_TRANSFER, "forced_transfer", CALL, 1, 1)                                              \
    O(BATCH_FORCED_TRANSFER, "batch_forced_transfer", CALL, 1, SETTLE_LEGS_MAX)                    \
    O(MINT, "mint", MINT, 1, SETTLE_LEGS_MAX)                                                      \
    O(BURN, "burn", MINT, 1, SETTLE_LEGS_MAX)                                                      \
    O(REGISTER_IDENTITY, "register_identity", IDENTITY, 1, 1)                                      \
    O(DELETE_IDENTITY, "delete_identity", IDENTITY, 1, 1)                                          \
    O(FREEZE_PARTIAL, "freeze_partial", CALL, 1, SETTLE_LEGS_MAX)                                  \
    O(UNFREEZE_PARTIAL, "unfreeze_partial", CALL, 1, SETTLE_LEGS_MAX)                              \
    O(SET_ADDRESS_FROZEN, "set_address_frozen", CALL, 1, SETTLE_LEGS_MAX)                          \
    O(DEPLOY, "deploy", DEPLOY, 0, 0)                                                              \
    O(ADD_AGENT, "add_agent", CALL, 0, 0)                                                          \
    O(CONFIGURE, "configure", DEPLOY, 0, 0)                                                        \
    O(CANCEL_NONCE, "cancel_nonce", CALL, 0, 0)                                                    \
    O(ERC20_TRANSFER, "erc20_transfer", CALL, 1, 1)

#define SETTLE_OPERATION_ENUM(name, word, gas, fewest, most) SETTLE_##name,
enum settle_operation { SETTLE_OPERATIONS(SETTLE_OPERATION_ENUM) SETTLE_OPERATION_COUNT };
#undef SETTLE_OPERATION_ENUM

// Which of the configured limits holds (B10); more than one leg: BATCH.
enum settle_gas {
    SETTLE_GAS_CALL,
    SETTLE_GAS_BATCH,
    SETTLE_GAS_MINT,
    SETTLE_GAS_IDENTITY,
    SETTLE_GAS_DEPLOY,
    SETTLE_GAS_COUNT
};

const char *settle_operation_text(enum settle_operation operation);
// SETTLE_OPERATION_COUNT for a word that is none, or that this worker does not run.
enum settle_operation settle_operation_parse(const char *word);
// Postgres array literal of all words.
#define SETTLE_OPERATIONS_ARRAY_MAX 256
void settle_operations_array(char out[SETTLE_OPERATIONS_ARRAY_MAX]);

// One movement of a request, as planned before anything is signed. What concerns one wallet only
// (mint, burn, identities, freezing) has it as `to`, or as `from`, and the other is zero.
struct settle_leg {
    uint64_t trade_id; // 0 = of no trade
    uint64_t net_id;   // it moves together with others (settle_netting.h); 0 = by itself
    uint8_t place;     // in the transaction, where legs are netted
    uint8_t number;    // chain.request_leg.leg: below SETTLE_LEGS_MAX, kept when neighbours leave
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
};

// Legs of trades are in rising order of their ids.
struct settle_call {
    uint64_t request_id;
    enum settle_operation operation;
    bool is_of_trades;  // settlement: all legs are of trades, or none is
    bool is_of_custody; // the venue's own freeze or release (settle_custody.h)
    bool is_netted;     // some legs share a place: movements are not legs (settle_netting.h)
    struct chain_address contract; // zero for a deploy
    int decimals;                  // of trades: the token's, as the rows have them; -1 = not known
    size_t leg_count;
    struct settle_leg legs[SETTLE_LEGS_MAX];
};

const struct chain_address *settle_leg_wallet(const struct settle_leg *leg);
// What is sent when the first `moves` of it are: one transfer is a plain forcedTransfer. Movements
// are legs, unless the call is netted.
enum settle_operation settle_call_operation(const struct settle_call *call, size_t moves);
enum settle_gas settle_call_gas(const struct settle_call *call, size_t moves);

// The init code of a contract is the longest.
#define SETTLE_CALLDATA_MAX   SIGNER_CALLDATA_MAX
#define SETTLE_ARGUMENTS_MAX  65536
#define SETTLE_CALL_ERROR_MAX SETTLE_SETUP_ERROR_MAX

// Calldata of the first `moves` movements (1 to settle_netting_move_count; 0 where it has none), of
// trades, of custody and of a payout with the batch id behind it. `arguments` is
// chain_request.arguments, a JSON object. Returns its length, or -1 with `error` written, a stable
// word first: the row cannot be carried out as it is. Of trades it never fails.
CHECKED ssize_t settle_call_build(uint8_t *out, size_t max, const struct settle_call *call,
                                  size_t moves, const char *arguments,
                                  char error[SETTLE_CALL_ERROR_MAX]);

// What arguments say, for those who check the effect.
struct settle_arguments {
    struct chain_address identity;
    uint16_t country;
    struct chain_address agent;
    bool frozen;
    uint64_t nonce;
    struct chain_address signer; // whose nonce; zero: the active key's
    uint64_t payout;             // of a stablecoin, with its digest (settle_batch_id.h); 0: of none
    uint8_t payout_digest[SETTLE_BATCH_ID_HASH_BYTES];
};
// False, `error` written: a member that the operation needs is missing or not of its kind.
CHECKED bool settle_arguments_read(struct settle_arguments *out, enum settle_operation operation,
                                   const char *arguments, char error[SETTLE_CALL_ERROR_MAX]);

#endif
