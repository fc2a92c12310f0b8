// The state machine of settlement as one table: what a trade's settlement and a signed attempt can
// be, and which moves exist. The worker asserts by it, the Postgres statements take their `state =
// ANY(…)` guards from it, the fakes of the tests enforce it, docs/settlement.md prints it. A move
// that is not here does not happen.
//
// The words are stored (settle.trade, settle.attempt); never rename.
#ifndef LONJA_SETTLEMENT_SETTLE_STATES_H
#define LONJA_SETTLEMENT_SETTLE_STATES_H

#include <stdbool.h>
#include <stddef.h>

// S(NAME, word, final?)
#define SETTLE_TRADE_STATES(S)                                                                     \
    S(PENDING, "pending", false)                                                                   \
    S(PROCESSING, "processing", false)                                                             \
    S(SETTLED, "settled", true)                                                                    \
    S(FAILED, "failed", true)

// M(from, to, when)
#define SETTLE_TRADE_MOVES(M)                                                                      \
    M(PENDING, PROCESSING, "claimed by the worker (F3)")                                           \
    M(PENDING, SETTLED, "off_chain: no contract (F4, U10), or one wallet on both sides")           \
    M(PENDING, FAILED, "can never be carried out as it is: address or amount unusable")            \
    M(PROCESSING, PENDING, "a transient error; attempts + 1 only if something was signed (U11)")   \
    M(PROCESSING, SETTLED, "receipt, planned Transfer and confirmations (U33)")                    \
    M(PROCESSING, FAILED, "a permanent error, or the last signed attempt is used up (F7)")         \
    M(FAILED, PENDING, "retry by an administrator, with a reason (F7)")

// S(NAME, word, open?): an open attempt holds its nonce for its request; a request has one at most.
#define SETTLE_ATTEMPT_STATES(S)                                                                   \
    S(PREPARED, "prepared", true)                                                                  \
    S(SIGNED, "signed", true)                                                                      \
    S(SENT, "sent", true)                                                                          \
    S(MINED, "mined", true)                                                                        \
    S(CONFIRMED, "confirmed", false)                                                               \
    S(REPLACED, "replaced", false)                                                                 \
    S(REVERTED, "reverted", false)                                                                 \
    S(DROPPED, "dropped", false)

#define SETTLE_ATTEMPT_MOVES(M)                                                                    \
    M(PREPARED, SIGNED, "raw bytes, hash and nonce committed, nothing sent yet")                   \
    M(PREPARED, DROPPED, "the signer refused: nothing signed, the nonce is free again")            \
    M(SIGNED, SENT, "the node has the bytes")                                                      \
    M(SIGNED, MINED, "the node's answer was lost, its receipt is there")                           \
    M(SIGNED, REPLACED, "bid up, or a sibling at the same nonce was mined")                        \
    M(SIGNED, DROPPED, "a transaction that is not ours used the nonce")                            \
    M(SENT, MINED, "receipt found")                                                                \
    M(SENT, REPLACED, "bid up, or a sibling at the same nonce was mined")                          \
    M(SENT, DROPPED, "a transaction that is not ours used the nonce")                              \
    M(REPLACED, MINED, "the older of two bids was mined after all")                                \
    M(REPLACED, SENT, "the signer refused the higher bid: this one still stands")                  \
    M(MINED, CONFIRMED, "planned Transfer found, deep enough")                                     \
    M(MINED, REVERTED, "failed receipt, or no planned Transfer, deep enough")                      \
    M(MINED, SENT, "the block was reorganised away")                                               \
    M(MINED, DROPPED, "an empty transaction gave the nonce up")                                    \
    M(REVERTED, SENT, "lost by a deep reorganisation: its nonce is to be given up")                \
    M(DROPPED, SENT, "likewise")                                                                   \
    M(REVERTED, REPLACED, "likewise, an older bid there")                                          \
    M(DROPPED, REPLACED, "likewise, an older bid there")                                           \
    M(CONFIRMED, SENT, "a reorganisation deeper than the confirmations: same bytes again")

#define SETTLE_TRADE_ENUM(name, word, final)  SETTLE_TRADE_##name,
#define SETTLE_ATTEMPT_ENUM(name, word, open) SETTLE_ATTEMPT_##name,
enum settle_trade_state { SETTLE_TRADE_STATES(SETTLE_TRADE_ENUM) SETTLE_TRADE_STATE_COUNT };
enum settle_attempt_state { SETTLE_ATTEMPT_STATES(SETTLE_ATTEMPT_ENUM) SETTLE_ATTEMPT_STATE_COUNT };

const char *settle_trade_state_text(enum settle_trade_state state);
const char *settle_attempt_state_text(enum settle_attempt_state state);
// The COUNT value for a word that is none.
enum settle_trade_state settle_trade_state_parse(const char *word);
enum settle_attempt_state settle_attempt_state_parse(const char *word);

bool settle_trade_move_allowed(enum settle_trade_state from, enum settle_trade_state to);
bool settle_attempt_move_allowed(enum settle_attempt_state from, enum settle_attempt_state to);
bool settle_attempt_is_open(enum settle_attempt_state state);

// Postgres array literal of the states from which `to` can be reached ("{pending,failed}").
#define SETTLE_STATES_ARRAY_MAX 128
void settle_trade_sources(char out[SETTLE_STATES_ARRAY_MAX], enum settle_trade_state to);
void settle_attempt_sources(char out[SETTLE_STATES_ARRAY_MAX], enum settle_attempt_state to);

#endif
