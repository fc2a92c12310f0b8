/* ERC-3643 (T-REX) tokens as the node shows them: typed reads, the checks that settlement makes
 * itself before it asks for a signature, and the Transfer event.
 *
 * forcedTransfer checks three things only (agent, balance, isVerified(to)) and silently unfreezes
 * frozen units; it ignores pause, frozen wallets, the sender's identity and canTransfer. So
 * settlement asks and judges first (settlement/settle_preflight.h) and keeps the evidence.
 *
 * Amounts are the token's smallest units. One thread per `struct node`.
 */
#ifndef LONJA_CHAIN_ERC3643_PRECHECK_H
#define LONJA_CHAIN_ERC3643_PRECHECK_H

#include "chain/erc3643.h"
#include "chain/multicall.h"
#include "chain/node.h"

/* Typed reads by eth_call at block `at` (node.h). What the contract does wrong is told from what
 * the node does: a revert is NODE_REVERTED, an answer of the wrong shape NODE_UNFIT, an amount
 * above 128 bits NODE_TOO_WIDE. */
NODE_MUST_CHECK enum node_result
erc3643_read_u128(struct node *node, chain_uint128 *out, const struct chain_address *contract,
                  uint32_t selector, const struct chain_address *argument, uint64_t at);
NODE_MUST_CHECK enum node_result
erc3643_read_bool(struct node *node, bool *out, const struct chain_address *contract,
                  uint32_t selector, const struct chain_address *argument, uint64_t at);
NODE_MUST_CHECK enum node_result erc3643_read_address(struct node *node, struct chain_address *out,
                                                      const struct chain_address *contract,
                                                      uint32_t selector, uint64_t at);

/* Of a view with one address as its argument. */
NODE_MUST_CHECK enum node_result
erc3643_read_address_of(struct node *node, struct chain_address *out,
                        const struct chain_address *contract, uint32_t selector,
                        const struct chain_address *argument, uint64_t at);

/* The same reads, many at a time: added to a list and asked in one round trip for each
 * MULTICALL_CHUNK_MAX (multicall.h). What comes of each is what it would be by itself: a question
 * that has failed among the others is asked alone, and so are all where the node does not answer
 * them together. The first that fails, in the order of adding, ends it with its result.
 *
 * About 35 KB. `out` of a question is set when the list is full or at erc3643_questions_ask. */
struct erc3643_questions {
    struct node *node;
    uint64_t at;   /* a block number */
    json_t *ahead; /* not NULL: they are only put into it, for node_ahead, and no `out` is set */
    size_t count;
    struct multicall_question asked[MULTICALL_CHUNK_MAX];
    struct erc3643_expected {
        uint32_t selector;
        enum erc3643_answer {
            ERC3643_ANSWER_U128,
            ERC3643_ANSWER_BOOL,
            ERC3643_ANSWER_ADDRESS,
            ERC3643_ANSWER_LEAVE, /* a bool; a revert is false */
        } answer;
        void *out; /* chain_uint128, bool or struct chain_address */
    } expected[MULTICALL_CHUNK_MAX];
};

void erc3643_questions_begin(struct erc3643_questions *questions, struct node *node, uint64_t at);
NODE_MUST_CHECK enum node_result erc3643_questions_add(struct erc3643_questions *questions,
                                                       enum erc3643_answer answer, void *out,
                                                       const struct chain_address *contract,
                                                       uint32_t selector,
                                                       const struct chain_address *argument);
NODE_MUST_CHECK enum node_result erc3643_questions_can_transfer(
    struct erc3643_questions *questions, bool *out, const struct chain_address *compliance,
    const struct chain_address *from, const struct chain_address *to, chain_uint128 units);
/* Asks what has not been asked yet; the list is then empty. */
NODE_MUST_CHECK enum node_result erc3643_questions_ask(struct erc3643_questions *questions);

/* Why a transfer must not be forced. The order is the order of the checks: the first that fails is
 * the verdict. Codes are stored and shown; never renumber. */
#define ERC3643_VERDICTS(X)                                                                        \
    X(ALLOWED, 0, "allowed")                                                                       \
    X(PAUSED_TOKEN, 1, "paused")                                                                   \
    X(FROZEN_SENDER, 2, "frozen_sender")                                                           \
    X(FROZEN_RECEIVER, 3, "frozen_receiver")                                                       \
    X(BALANCE_SHORT, 4, "balance")                                                                 \
    X(SENDER_NOT_REGISTERED, 5, "not_registered_sender")                                           \
    X(RECEIVER_NOT_REGISTERED, 6, "not_registered_receiver")                                       \
    X(COMPLIANCE_REFUSED, 7, "compliance")                                                         \
    X(NO_CONTRACT, 8, "no_contract")                                                             \
    X(FROZEN_BY_OTHERS, 9, "frozen_by_others")

enum erc3643_verdict {
#define X(name, code, text) ERC3643_##name = code,
    ERC3643_VERDICTS(X)
#undef X
};

/* The stable word of a verdict ("frozen_sender"). */
const char *erc3643_verdict_text(enum erc3643_verdict verdict);

struct erc3643_evidence {
    enum erc3643_verdict verdict;
    uint64_t block_number; /* every answer below is of this block */
    struct chain_hash block_hash;
    struct chain_address identity_registry;
    struct chain_address compliance;
    bool paused;
    bool from_frozen;
    bool to_frozen;
    chain_uint128 from_balance;
    chain_uint128 from_frozen_units;
    bool in_custody;                /* of the venue: it freezes what is tradable (frozen custody) … */
    chain_uint128 from_venue_units; /* … and has frozen so much of it, which a forced transfer takes */
    bool from_verified;
    bool to_verified;
    bool can_transfer; /* of the compliance contract */
};

/* The verdict on a transfer of `units` by the answers of `evidence` (never NO_CONTRACT). */
enum erc3643_verdict erc3643_judge(const struct erc3643_evidence *evidence, chain_uint128 units);

struct erc3643_transfer {
    struct chain_address token;
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
    uint32_t log_index;
};

/* keccak256("Transfer(address,address,uint256)") */
extern const struct chain_hash erc3643_transfer_topic;

/* False when the log is no Transfer of an ERC-20 token or its amount exceeds 128 bits. */
__attribute__((warn_unused_result)) bool erc3643_decode_transfer(struct erc3643_transfer *out,
                                                                 const struct node_log *log);

#endif
