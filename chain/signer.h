/* The door between settlement and the key: a request in, signed bytes or a stable refusal out.
 *
 * Settlement knows `struct signer_ops` only. Production puts signer_socket behind it, which talks
 * to the process `lonja-sign` on a UNIX socket; a custodian's API or a test's fake fit as well. The
 * signer decodes and checks what it signs itself; it trusts no caller.
 */
#ifndef LONJA_CHAIN_SIGNER_H
#define LONJA_CHAIN_SIGNER_H

#include "chain/address.h"
#include "chain/erc3643.h"
#include "chain/keccak.h"
#include "chain/transaction.h"

#include <stddef.h>
#include <stdint.h>

/* The init code of a contract (EIP-3860) is the longest; a full batch takes a fifth of it. */
#define SIGNER_CALLDATA_MAX  57344
#define SIGNER_INIT_CODE_MAX 49152
#define SIGNER_RAW_MAX       (SIGNER_CALLDATA_MAX + TRANSACTION_OVERHEAD_BYTES)

_Static_assert(ERC3643_CALLDATA_MAX + 32 <= SIGNER_CALLDATA_MAX, "a full batch with its id fits");
_Static_assert(SIGNER_INIT_CODE_MAX <= SIGNER_CALLDATA_MAX, "init code of any length fits");

/* Codes are stored in the attempts' rows; never renumber. X(name, code, word, try again later?) */
#define SIGNER_RESULTS(X)                                                                          \
    X(OK, 0, "signed", false)                                                                      \
    X(UNREACHABLE, 1, "signer_unreachable", true)   /* no socket, no answer in time */             \
    X(PROTOCOL, 2, "signer_protocol", false)        /* a message that is no message of ours */     \
    X(CHAIN_REFUSED, 3, "chain_not_allowed", false) /* chain id is not the policy's */             \
    X(CONTRACT_REFUSED, 4, "contract_not_allowed", false)                                          \
    X(METHOD_REFUSED, 5, "method_not_allowed",                                                     \
      false) /* {contract, selector} is not in the list */                                         \
    X(CALLDATA_REFUSED, 6, "calldata_malformed", false)                                            \
    X(GAS_REFUSED, 7, "gas_above_cap", false)                                                      \
    X(FEE_REFUSED, 8, "fee_above_cap", true) /* may fall again */                                  \
    X(NONCE_CONFLICT, 9, "nonce_has_other_payload", false)                                         \
    X(BUMP_TOO_SMALL, 10, "replacement_fee_too_low", false)                                        \
    X(POLICY_UNREADABLE, 11, "policy_unreadable", true)                                            \
    X(LOG_FAILED, 12, "sign_log_failed", true) /* nothing was signed */                            \
    X(INTERNAL, 13, "signer_internal", false)                                                      \
    X(CREATE_REFUSED, 14, "creation_not_allowed", false) /* no such code in the list */            \
    X(KEY_UNKNOWN, 15, "signer_has_no_such_key", false)                                            \
    X(KEY_RETIRED, 16, "key_is_retired", false)          /* it signs for no new nonce */           \
    X(UNITS_REFUSED, 17, "units_above_window_cap", true) /* fit again when the window moves on */  \
    X(TRANSFERS_REFUSED, 18, "transfers_above_window_cap", true)                                   \
    X(RATE_REFUSED, 19, "signer_rate_exceeded", true)                                              \
    X(BACKEND_FAILED, 20, "key_backend_failed", true) /* what holds the key does not sign */

enum signer_result {
#define X(name, code, word, transient) SIGNER_##name = code,
    SIGNER_RESULTS(X)
#undef X
};

/* Whether the number is one of the table. */
bool signer_result_is_known(uint32_t result);
const char *signer_result_text(enum signer_result result);
/* Whether the same request may succeed later without anybody changing anything. */
bool signer_result_is_transient(enum signer_result result);

/* The transaction to be signed; its value is zero. Without calldata it must go to the signer itself
 * and gives up the nonce: it may be signed for a nonce that has a payload already (and is a bid for
 * it like any other), and no other payload is signed for a nonce that was given up first. */
struct signer_request {
    uint64_t request_id; /* the caller's own; echoed and logged */
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    struct chain_address signer; /* the key that shall sign; zero: the one that `address` names */
    struct chain_address to;
    bool create; /* a contract, calldata being its init code; then `to` is zero */
    uint32_t calldata_len;
    const uint8_t *calldata;
};

/* The limit by which a request was refused, and what it asked for; zero where no limit refused it.
 * In the unit of the limit: gas, wei, bytes, units of the token, transfers, a chain id. */
struct signer_bound {
    chain_uint128 limit;
    chain_uint128 seen;
};

struct signer_signed {
    struct chain_hash hash;    /* of the raw bytes: the transaction's hash */
    struct signer_bound bound; /* of a refusal */
    size_t raw_len;
    uint8_t raw[SIGNER_RAW_MAX];
};

/* What the signer's log knows: a settlement that has lost nonces asks before it takes new ones. */
struct signer_history_query {
    uint64_t chain_id;
    struct chain_address signer; /* zero: the one that `address` names */
    uint64_t nonce;
    uint32_t bid; /* of those at the nonce; 0 is the newest */
};

struct signer_history {
    struct chain_address signer;
    uint64_t next_nonce; /* behind the highest that was signed for; 0 = none was. Never take a lower
                            one for something new */
    uint32_t bids;       /* signatures at the nonce asked for; what follows is of one of them, and
                            zero when there is none with the number asked for */
    uint64_t request_id; /* of the request that was signed */
    uint64_t time_ns;    /* since 1970 */
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    struct signer_signed made; /* its bytes, as they were given away */
};

/* A key that has signed for a chain, held or no longer held. */
struct signer_account {
    struct chain_address signer;
    uint64_t next_nonce; /* behind the highest that was signed for */
    uint32_t count;      /* of such keys; what stands before is zero when none has the number */
};

struct signer_ops {
    void *context;
    /* The address that signs what names no other. It changes when the key is rotated: ask again
     * after SIGNER_KEY_UNKNOWN, and now and then. */
    enum signer_result (*address)(void *context, struct chain_address *out);
    /* Fills `out` on SIGNER_OK; otherwise only out->bound. The same request is signed again with
     * the same bytes. */
    enum signer_result (*sign)(void *context, struct signer_signed *out,
                               const struct signer_request *request);
    /* Fills `out` on SIGNER_OK only; made.raw_len is 0 when there is no such bid. */
    enum signer_result (*history)(void *context, struct signer_history *out,
                                  const struct signer_history_query *query);
    /* Key number `number` (from 0) of those that stand in the log with a signature for the chain:
     * what a database must have heard of, if it is not lost. Fills `out` on SIGNER_OK only. */
    enum signer_result (*account)(void *context, struct signer_account *out, uint64_t chain_id,
                                  uint32_t number);
    void (*close)(void *context);
};

/* The client back-end for lonja-sign: connects at the first request and again after a failure;
 * every answer is decoded and checked against its request and the signer's address before it is
 * handed on. One thread. False when the path does not fit a socket address. */
__attribute__((warn_unused_result)) bool signer_socket_open(struct signer_ops *ops,
                                                            const char *path, uint32_t timeout_ms);

#endif
