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

/* A batch of ERC3643_BATCH_MAX and room for a batch id behind it. */
#define SIGNER_CALLDATA_MAX 10240
#define SIGNER_RAW_MAX      (SIGNER_CALLDATA_MAX + TRANSACTION_OVERHEAD_BYTES)

_Static_assert(ERC3643_CALLDATA_MAX + 32 <= SIGNER_CALLDATA_MAX, "a full batch with its id fits");

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
    X(INTERNAL, 13, "signer_internal", false)

enum signer_result {
#define X(name, code, word, transient) SIGNER_##name = code,
    SIGNER_RESULTS(X)
#undef X
};

const char *signer_result_text(enum signer_result result);
/* Whether the same request may succeed later without anybody changing anything. */
bool signer_result_is_transient(enum signer_result result);

struct signer_request {
    uint64_t request_id; /* the caller's own; echoed and logged */
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    struct chain_address to;
    uint32_t calldata_len;
    const uint8_t *calldata;
};

struct signer_signed {
    struct chain_hash hash; /* of the raw bytes: the transaction's hash */
    size_t raw_len;
    uint8_t raw[SIGNER_RAW_MAX];
};

struct signer_ops {
    void *context;
    /* The address that signs; unchanged for the life of the signer process. */
    enum signer_result (*address)(void *context, struct chain_address *out);
    /* Fills `out` on SIGNER_OK only. The same request is signed again with the same bytes. */
    enum signer_result (*sign)(void *context, struct signer_signed *out,
                               const struct signer_request *request);
    void (*close)(void *context);
};

/* The client back-end for lonja-sign: connects at the first request and again after a failure;
 * every answer is decoded and checked against its request and the signer's address before it is
 * handed on. One thread. False when the path does not fit a socket address. */
__attribute__((warn_unused_result)) bool signer_socket_open(struct signer_ops *ops,
                                                            const char *path, uint32_t timeout_ms);

#endif
