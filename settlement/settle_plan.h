// What a trade becomes on the chain. (What a transaction may cost: settle_fees.h.)
// Pure functions, any thread, nothing allocated.
//
// Quantities are the venue's token units (10^-scale); amounts on the chain are the contract's
// smallest units (10^-decimals, 128 bits).
#ifndef LONJA_SETTLEMENT_SETTLE_PLAN_H
#define LONJA_SETTLEMENT_SETTLE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/address.h"
#include "chain/hex.h"
#include "settlement/settle_call.h"
#include "settlement/settle_fees.h"

// Why a trade waits, was released or has failed: stored in settle.trade and shown. Stable words.
// Beside these stand the verdicts of the compliance check and the refusals of the signer, in their
// own words.
#define SETTLE_REASON_NO_CONTRACT      "no_contract"
#define SETTLE_REASON_WALLET_MISSING   "wallet_missing"
#define SETTLE_REASON_OTHER_CHAIN      "contract_on_another_chain"
#define SETTLE_REASON_WALLET_INVALID   "wallet_invalid"
#define SETTLE_REASON_CONTRACT_INVALID "contract_invalid"
#define SETTLE_REASON_CHECKSUM         "address_checksum_wrong"
#define SETTLE_REASON_AMOUNT           "amount_not_representable"
#define SETTLE_REASON_SAME_WALLET      "same_wallet"
#define SETTLE_REASON_INBOUND          "inbound_not_settled"
#define SETTLE_REASON_FREEZE           "freeze_not_final"
#define SETTLE_REASON_DONE             "already_done"
#define SETTLE_REASON_STATE            "state_is_not_the_planned_one"
#define SETTLE_REASON_HELD             "held"
#define SETTLE_REASON_CANCELLED        "given_up_for_another_transaction"
#define SETTLE_REASON_ABANDONED        "abandoned"
#define SETTLE_REASON_NONCE_USED       "nonce_is_used"
#define SETTLE_REASON_NONCE_UNKNOWN    "nonce_was_not_given"
#define SETTLE_REASON_NONCE_HELD       "its_request_is_being_cancelled"
#define SETTLE_REASON_UNSUPPORTED      "operation_not_supported"
#define SETTLE_REASON_NODE             "node_unavailable"
#define SETTLE_REASON_RESTORED         "restored_from_the_signers_log"
#define SETTLE_REASON_DISAGREE         "endpoints_disagree"
#define SETTLE_REASON_NO_TOKEN         "contract_is_no_token"
#define SETTLE_REASON_TOO_WIDE         "amount_above_128_bits"
#define SETTLE_REASON_ESCROW           "escrow_of_another_key"
#define SETTLE_REASON_FEE_CAP          "fee_above_cap"
#define SETTLE_REASON_NO_HIGHER_BID    "no_higher_bid"
#define SETTLE_REASON_NONCE_STANDS     "nonce_cannot_be_given_up"
#define SETTLE_REASON_GAS_CAP          "gas_above_limit"
#define SETTLE_REASON_REVERTED         "reverted"
#define SETTLE_REASON_OUT_OF_GAS       "reverted_but_would_pass_now"
#define SETTLE_REASON_MISMATCH         "transfer_is_not_the_planned_one"
#define SETTLE_REASON_NEIGHBOUR        "reverted_by_a_neighbour"
#define SETTLE_REASON_NET              "reverted_as_a_net"
#define SETTLE_REASON_NET_ZERO         "net_zero"
#define SETTLE_REASON_NONCE_TAKEN      "nonce_used_by_another_transaction"
#define SETTLE_REASON_CUT_OFF          "cut_off_passed"
#define SETTLE_REASON_CUSTODY          "custody_is_frozen"
// Why the transaction that a mark names does not settle its trade.
#define SETTLE_REASON_MARK_UNKNOWN   "transaction_not_found"
#define SETTLE_REASON_MARK_FAILED    "transaction_failed"
#define SETTLE_REASON_MARK_SHALLOW   "transaction_not_final"
#define SETTLE_REASON_MARK_OTHER     "transfer_not_in_transaction"
#define SETTLE_REASON_MARK_TAKEN     "transfer_is_of_another_trade"
#define SETTLE_REASON_MARK_BOOKED    "transfer_is_in_the_ledger"
#define SETTLE_REASON_MARK_UNINDEXED "transfer_not_read_by_index"

struct settle_trade_terms {
    const char *contract_address; // of the token; NULL or "" = none
    const char *buyer_wallet;     // NULL or "" = none
    const char *seller_wallet;
    int64_t quantity;
    uint8_t scale;    // of quantity
    uint8_t decimals; // of the contract
};

enum settle_plan_result {
    SETTLE_PLAN_ON_CHAIN,  // *token and *leg are filled
    SETTLE_PLAN_OFF_CHAIN, // no contract, or one wallet on both sides: nothing has to move
    SETTLE_PLAN_WAIT,      // somebody has to do something first; no attempt is used
    SETTLE_PLAN_REFUSED,   // can never be carried out as it is
};

// Sets *reason (a SETTLE_REASON_*) unless the answer is ON_CHAIN. Of the leg: from, to and units.
CHECKED enum settle_plan_result settle_plan(struct chain_address *token, struct settle_leg *leg,
                                            const char **reason,
                                            const struct settle_trade_terms *terms);

// quantity × 10^(decimals − scale); false when it is no whole number of chain units, not positive,
// or above 128 bits.
CHECKED bool settle_units(chain_uint128 *units, int64_t quantity, uint8_t scale, uint8_t decimals);

#endif
