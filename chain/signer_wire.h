/* The messages between signer_socket and lonja-sign: one SOCK_SEQPACKET packet each way, in the
 * byte order of the machine (both ends are on it).
 *
 *   request:  struct signer_wire_request, then calldata_len bytes
 *   answer:   struct signer_wire_answer, for HISTORY and ACCOUNT struct signer_wire_history, then
 *             raw_len bytes
 *
 * Reserved bytes are zero. A packet whose length does not fit its header, or whose magic is wrong,
 * is answered SIGNER_PROTOCOL and the connection is closed.
 */
#ifndef LONJA_CHAIN_SIGNER_WIRE_H
#define LONJA_CHAIN_SIGNER_WIRE_H

#include "chain/signer.h"

#include <stdint.h>

#define SIGNER_WIRE_MAGIC 0x346e6753u /* "Sgn4": changes with the layout */

enum signer_wire_kind {
    SIGNER_WIRE_ADDRESS = 1, /* only the header counts; answers the address */
    SIGNER_WIRE_SIGN = 2,
    SIGNER_WIRE_HISTORY = 3, /* chain_id, signer, nonce and bid count */
    SIGNER_WIRE_ACCOUNT = 4, /* chain_id and bid count, bid being a key's number; the answer names
                                the key, its next_nonce, and in `bids` how many keys there are */
};

struct signer_wire_request {
    uint32_t magic;
    uint32_t kind;
    uint64_t request_id;
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    struct chain_address signer; /* zero: the active key */
    struct chain_address to;
    uint32_t create; /* 0 or 1 */
    uint32_t bid;
    uint32_t reserved;
    uint32_t calldata_len;
};

_Static_assert(sizeof(struct signer_wire_request) == 112, "no padding");

struct signer_wire_answer {
    uint32_t magic;
    uint32_t result; /* enum signer_result */
    uint64_t request_id;
    struct chain_address signer; /* who has signed; otherwise the active key */
    uint32_t raw_len;
    struct chain_hash hash;
    uint64_t reserved;
    struct signer_bound bound;
};

_Static_assert(sizeof(struct signer_wire_answer) == 112, "no padding");

struct signer_wire_history {
    uint64_t next_nonce;
    uint64_t request_id;
    uint64_t time_ns;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    uint64_t bids;
};

_Static_assert(sizeof(struct signer_wire_history) == 56, "no padding");

#define SIGNER_WIRE_REQUEST_MAX (sizeof(struct signer_wire_request) + SIGNER_CALLDATA_MAX)
#define SIGNER_WIRE_ANSWER_MAX                                                                     \
    (sizeof(struct signer_wire_answer) + sizeof(struct signer_wire_history) + SIGNER_RAW_MAX)

#endif
