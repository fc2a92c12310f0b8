/* Many views of contracts asked in few round trips: one eth_call for each MULTICALL_CHUNK_MAX
 * questions, all at one block.
 *
 * Nothing is deployed. The call has no `to`, so its data is the init code of a contract
 * (multicall_code, written by hand; its opcodes stand in multicall.c) with the questions behind it.
 * The code asks each by STATICCALL and returns the answers where a deployment returns the contract.
 *
 * A chunk keeps within what any node allows: init code of 49,152 bytes (EIP-3860), 24,576 bytes
 * returned of which the first is not 0xef (EIP-170, EIP-3541), and, where an isVerified costs
 * 40,000 gas, about 12 M gas (EIP-7825: 16,777,216).
 *
 * One thread per `struct node`; nothing is allocated but what node_call does; about 50 KB of stack.
 */
#ifndef LONJA_CHAIN_MULTICALL_H
#define LONJA_CHAIN_MULTICALL_H

#include "chain/abi.h"
#include "chain/node.h"

#define MULTICALL_CHUNK_MAX    200
#define MULTICALL_CALLDATA_MAX (ABI_SELECTOR_BYTES + 3 * ABI_WORD_BYTES)
#define MULTICALL_HEADER_BYTES 32 /* before each question: its calldata's length, its contract */
#define MULTICALL_ANSWER_BYTES (2 * ABI_WORD_BYTES)

struct multicall_question {
    struct chain_address contract;
    uint8_t calldata[MULTICALL_CALLDATA_MAX];
    size_t calldata_len;
};

struct multicall_answer {
    size_t
        len; /* of what the contract has answered. 0: it answered nothing, or it did not succeed */
    struct abi_word word; /* the first of it; unspecified when it is shorter than a word */
};

/* Asks `count` (1 to MULTICALL_CHUNK_MAX, else it asserts) questions in one round trip, in order. A
 * question that fails (it reverts, or wants more gas than its part) has an empty answer, and so has
 * a contract without code: whoever must know which of these it was asks it by itself. An answer of
 * the node that is none to these questions is NODE_GARBAGE. */
NODE_MUST_CHECK enum node_result multicall_ask(struct node *node, struct multicall_answer *answers,
                                               const struct multicall_question *questions,
                                               size_t count, uint64_t at);

/* Puts them among what will be asked soon (node_ahead). False: no memory, nothing is put. */
__attribute__((warn_unused_result)) bool multicall_ahead(json_t *list,
                                                         const struct multicall_question *questions,
                                                         size_t count, uint64_t at);

/* ---- for nodes that are simulated ---- */

extern const uint8_t multicall_code[];
extern const size_t multicall_code_len;

/* The question at `*offset` of the call's data, which then stands at the next one. Start with
 * multicall_code_len, when the data begins with multicall_code. False at the end, or when the rest
 * is no question. */
__attribute__((warn_unused_result)) bool
multicall_next(struct multicall_question *out, size_t *offset, const uint8_t *data, size_t len);

#endif
