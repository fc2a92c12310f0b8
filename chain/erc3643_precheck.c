#include "chain/erc3643_precheck.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/* Happy path of a precheck: fix one block, see that the token has code, ask token, identity
 * registry and compliance everything at that block, judge. A node that fails on the way is no
 * verdict: the trade waits. A contract that answers what it should not (a word that is no flag, no
 * word at all) is NODE_UNFIT, an amount above 128 bits NODE_TOO_WIDE.
 */
const struct chain_hash erc3643_transfer_topic = {{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b,
                                                   0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
                                                   0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16,
                                                   0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};

static enum node_result contract_fault(struct node *node, enum node_result result,
                                       uint32_t selector)
{
    snprintf(node->error.message, sizeof(node->error.message), "%s: %s", node_result_text(result),
             erc3643_signature(selector));
    node->counters.failures[result]++;
    return result;
}

static enum node_result unusable(struct node *node, uint32_t selector)
{
    return contract_fault(node, NODE_UNFIT, selector);
}

/* A view of no argument or of one address. */
static void question_view(struct multicall_question *out, const struct chain_address *contract,
                          uint32_t selector, const struct chain_address *argument)
{
    struct abi_call call;
    out->contract = *contract;
    abi_call_begin(&call, out->calldata, sizeof(out->calldata), selector, argument != NULL ? 1 : 0);
    if (argument != NULL)
        abi_address(&call, argument);
    ssize_t len = abi_call_end(&call);
    ASSERT(len > 0);
    out->calldata_len = (size_t)len;
}

static void question_can_transfer(struct multicall_question *out,
                                  const struct chain_address *compliance,
                                  const struct chain_address *from, const struct chain_address *to,
                                  chain_uint128 units)
{
    struct abi_call call;
    out->contract = *compliance;
    abi_call_begin(&call, out->calldata, sizeof(out->calldata), ERC3643_CAN_TRANSFER, 3);
    abi_address(&call, from);
    abi_address(&call, to);
    abi_u128(&call, units);
    ssize_t len = abi_call_end(&call);
    ASSERT(len > 0);
    out->calldata_len = (size_t)len;
}

static enum node_result answer_take(struct node *node, const struct erc3643_expected *expected,
                                    const struct abi_word *word)
{
    switch (expected->answer) {
    case ERC3643_ANSWER_U128:
        return abi_word_u128(expected->out, word)
                   ? NODE_OK
                   : contract_fault(node, NODE_TOO_WIDE, expected->selector);
    case ERC3643_ANSWER_BOOL:
    case ERC3643_ANSWER_LEAVE:
        return abi_word_bool(expected->out, word) ? NODE_OK : unusable(node, expected->selector);
    case ERC3643_ANSWER_ADDRESS:
        return abi_word_address(expected->out, word) ? NODE_OK : unusable(node, expected->selector);
    }
    ASSERT(false); /* a kind of the enumeration */
}

#define ANSWER_BYTES_MAX (4 * ABI_WORD_BYTES) /* the first word of a longer one means nothing */

/* Calls a view whose answer is one word. */
static enum node_result ask_alone(struct node *node, const struct erc3643_expected *expected,
                                  const struct multicall_question *question, uint64_t at)
{
    struct node_message message = {.to = question->contract,
                                   .calldata = question->calldata,
                                   .calldata_len = question->calldata_len};
    uint8_t answer[ANSWER_BYTES_MAX];
    size_t len = sizeof(answer);
    struct abi_word word;
    enum node_result result = node_call(node, answer, &len, &message, at);
    if (result == NODE_REVERTED && expected->answer == ERC3643_ANSWER_LEAVE) {
        *(bool *)expected->out = false; /* a module that reverts has said no */
        return NODE_OK;
    }
    if (result != NODE_OK)
        return result;
    return abi_answer_word(&word, answer, len, 0) ? answer_take(node, expected, &word)
                                                  : unusable(node, expected->selector);
}

static enum node_result read_view(struct node *node, enum erc3643_answer answer, void *out,
                                  const struct chain_address *contract, uint32_t selector,
                                  const struct chain_address *argument, uint64_t at)
{
    struct erc3643_expected expected = {.selector = selector, .answer = answer, .out = out};
    struct multicall_question question;
    question_view(&question, contract, selector, argument);
    return ask_alone(node, &expected, &question, at);
}

enum node_result erc3643_read_u128(struct node *node, chain_uint128 *out,
                                   const struct chain_address *contract, uint32_t selector,
                                   const struct chain_address *argument, uint64_t at)
{
    return read_view(node, ERC3643_ANSWER_U128, out, contract, selector, argument, at);
}

enum node_result erc3643_read_bool(struct node *node, bool *out,
                                   const struct chain_address *contract, uint32_t selector,
                                   const struct chain_address *argument, uint64_t at)
{
    return read_view(node, ERC3643_ANSWER_BOOL, out, contract, selector, argument, at);
}

enum node_result erc3643_read_address_of(struct node *node, struct chain_address *out,
                                         const struct chain_address *contract, uint32_t selector,
                                         const struct chain_address *argument, uint64_t at)
{
    return read_view(node, ERC3643_ANSWER_ADDRESS, out, contract, selector, argument, at);
}

enum node_result erc3643_read_address(struct node *node, struct chain_address *out,
                                      const struct chain_address *contract, uint32_t selector,
                                      uint64_t at)
{
    return erc3643_read_address_of(node, out, contract, selector, NULL, at);
}

const char *erc3643_verdict_text(enum erc3643_verdict verdict)
{
    switch (verdict) {
#define X(name, code, text)                                                                        \
    case ERC3643_##name:                                                                           \
        return text;
        ERC3643_VERDICTS(X)
#undef X
    }
    ASSERT(false); /* a verdict of the table */
}

void erc3643_questions_begin(struct erc3643_questions *questions, struct node *node, uint64_t at)
{
    questions->node = node;
    questions->at = at;
    questions->ahead = NULL;
    questions->count = 0;
}

/* A question that has no word of an answer here is asked by itself: whether it reverts, is short of
 * gas or has no contract behind it is then the node's to say. */
static bool is_answered(const struct multicall_answer *answer)
{
    return answer->len >= ABI_WORD_BYTES && answer->len <= ANSWER_BYTES_MAX;
}

/* Whether the node has refused the call of all: its questions are then asked one by one. */
static bool is_refusal(enum node_result result)
{
    return result == NODE_REVERTED || result == NODE_GAS_REFUSED || result == NODE_REFUSED;
}

enum node_result erc3643_questions_ask(struct erc3643_questions *questions)
{
    struct multicall_answer answers[MULTICALL_CHUNK_MAX];
    struct node *node = questions->node;
    size_t count = questions->count;
    enum node_result result = NODE_OK;

    questions->count = 0;
    if (count == 0)
        return NODE_OK;
    if (questions->ahead != NULL)
        return multicall_ahead(questions->ahead, questions->asked, count, questions->at)
                   ? NODE_OK
                   : NODE_REFUSED;
    result = multicall_ask(node, answers, questions->asked, count, questions->at);
    bool together = result == NODE_OK;
    if (!together && !is_refusal(result))
        return result;
    result = NODE_OK;
    for (size_t i = 0; i < count && result == NODE_OK; i++)
        result =
            together && is_answered(&answers[i])
                ? answer_take(node, &questions->expected[i], &answers[i].word)
                : ask_alone(node, &questions->expected[i], &questions->asked[i], questions->at);
    return result;
}

/* Room for one more question, which is counted. */
static enum node_result question_room(struct erc3643_questions *questions, size_t *index)
{
    enum node_result result = NODE_OK;
    if (questions->count == MULTICALL_CHUNK_MAX)
        result = erc3643_questions_ask(questions);
    if (result == NODE_OK)
        *index = questions->count++;
    return result;
}

enum node_result erc3643_questions_add(struct erc3643_questions *questions,
                                       enum erc3643_answer answer, void *out,
                                       const struct chain_address *contract, uint32_t selector,
                                       const struct chain_address *argument)
{
    size_t i;
    enum node_result result = question_room(questions, &i);
    if (result != NODE_OK)
        return result;
    questions->expected[i] =
        (struct erc3643_expected){.selector = selector, .answer = answer, .out = out};
    question_view(&questions->asked[i], contract, selector, argument);
    return NODE_OK;
}

enum node_result erc3643_questions_can_transfer(struct erc3643_questions *questions, bool *out,
                                                const struct chain_address *compliance,
                                                const struct chain_address *from,
                                                const struct chain_address *to, chain_uint128 units)
{
    size_t i;
    enum node_result result = question_room(questions, &i);
    if (result != NODE_OK)
        return result;
    questions->expected[i] = (struct erc3643_expected){
        .selector = ERC3643_CAN_TRANSFER, .answer = ERC3643_ANSWER_LEAVE, .out = out};
    question_can_transfer(&questions->asked[i], compliance, from, to, units);
    return NODE_OK;
}

enum erc3643_verdict erc3643_judge(const struct erc3643_evidence *evidence, chain_uint128 units)
{
    if (evidence->paused)
        return ERC3643_PAUSED_TOKEN;
    if (evidence->from_frozen)
        return ERC3643_FROZEN_SENDER;
    if (evidence->to_frozen)
        return ERC3643_FROZEN_RECEIVER;
    /* What the venue has frozen is there for its own transfers, what others have is not. Frozen
     * units are never above the balance; were they, nothing would be free. */
    chain_uint128 others = evidence->from_frozen_units > evidence->from_venue_units
                               ? evidence->from_frozen_units - evidence->from_venue_units
                               : 0;
    if (others > evidence->from_balance || evidence->from_balance - others < units)
        return evidence->in_custody && evidence->from_balance >= units ? ERC3643_FROZEN_BY_OTHERS
                                                                       : ERC3643_BALANCE_SHORT;
    if (!evidence->from_verified)
        return ERC3643_SENDER_NOT_REGISTERED;
    if (!evidence->to_verified)
        return ERC3643_RECEIVER_NOT_REGISTERED;
    return evidence->can_transfer ? ERC3643_ALLOWED : ERC3643_COMPLIANCE_REFUSED;
}

static bool topic_address(struct chain_address *out, const struct chain_hash *topic)
{
    struct abi_word word;
    memcpy(word.bytes, topic->bytes, ABI_WORD_BYTES);
    return abi_word_address(out, &word);
}

bool erc3643_decode_transfer(struct erc3643_transfer *out, const struct node_log *log)
{
    struct abi_word units;
    if (log->topic_count != 3 ||
        memcmp(&log->topics[0], &erc3643_transfer_topic, KECCAK_BYTES) != 0)
        return false;
    if (log->data_len != ABI_WORD_BYTES || !abi_answer_word(&units, log->data, log->data_len, 0))
        return false;
    out->token = log->contract;
    out->log_index = log->log_index;
    return topic_address(&out->from, &log->topics[1]) && topic_address(&out->to, &log->topics[2]) &&
           abi_word_u128(&out->units, &units);
}
