#include "chain/multicall.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/* Behind the code stand the questions: each a header word (from bit 160 up the length of its
 * calldata, in the lowest 160 bits the contract) and its calldata. The end of the code is the end
 * of the questions. In memory stand the answers, from 0 up, two words each: the length of what was
 * returned (0 when the call failed) and the first word of it. A question is copied to behind the
 * place of its answer, where the next answers overwrite it.
 *
 * The stack, its top to the right, is said after each instruction:
 *   out   where the next answer goes         at    where the next byte of the questions is
 *   head  the header word, of which STATICCALL takes the lowest 160 bits for the address
 *   len   the calldata's length              word  out + 32         data  out + 64
 */
const uint8_t multicall_code[] = {
    0x60, 0x00, /* 00 PUSH1 0        out                           */
    0x60, 0x44, /* 02 PUSH1 code     out at                        (this code's length) */
    0x5b,       /* 04 JUMPDEST       out at                        (next question) */
    0x38,       /* 05 CODESIZE       out at size                   */
    0x81,       /* 06 DUP2           out at size at                */
    0x10,       /* 07 LT             out at is_more                */
    0x60, 0x0f, /* 08 PUSH1 0x0f     out at is_more 0x0f           */
    0x57,       /* 0a JUMPI          out at                        */
    0x50,       /* 0b POP            out                           */
    0x60, 0x00, /* 0c PUSH1 0        out 0                         */
    0xf3,       /* 0e RETURN                                       (memory 0 to out) */
    0x5b,       /* 0f JUMPDEST       out at                        */
    0x60, 0x20, /* 10 PUSH1 32       out at 32                     */
    0x81,       /* 12 DUP2           out at 32 at                  */
    0x83,       /* 13 DUP4           out at 32 at out              */
    0x39,       /* 14 CODECOPY       out at                        (header to out) */
    0x60, 0x20, /* 15 PUSH1 32       out at 32                     */
    0x01,       /* 17 ADD            out at                        (of the calldata) */
    0x81,       /* 18 DUP2           out at out                    */
    0x51,       /* 19 MLOAD          out at head                   */
    0x80,       /* 1a DUP1           out at head head              */
    0x60, 0xa0, /* 1b PUSH1 160      out at head head 160          */
    0x1c,       /* 1d SHR            out at head len               */
    0x80,       /* 1e DUP1           out at head len len           */
    0x83,       /* 1f DUP4           out at head len len at        */
    0x85,       /* 20 DUP6           out at head len len at out    */
    0x60, 0x40, /* 21 PUSH1 64       out at head len len at out 64 */
    0x01,       /* 23 ADD            out at head len len at data   */
    0x39,       /* 24 CODECOPY       out at head len               (calldata to data) */
    0x60, 0x20, /* 25 PUSH1 32       out at head len 32            */
    0x80,       /* 27 DUP1           out at head len 32 32         */
    0x85,       /* 28 DUP6           out at head len 32 32 out     */
    0x01,       /* 29 ADD            out at head len 32 word       */
    0x82,       /* 2a DUP3           out at head len 32 word len   */
    0x81,       /* 2b DUP2           out at head len 32 word len word */
    0x60, 0x20, /* 2c PUSH1 32       out at head len 32 word len word 32 */
    0x01,       /* 2e ADD            out at head len 32 word len data */
    0x85,       /* 2f DUP6           out at head len 32 word len data head */
    0x62, 0x0f,
    0x42, 0x40, /* 30 PUSH3 1000000  … head gas                    (a question's part) */
    0xfa,       /* 34 STATICCALL     out at head len ok            */
    0x3d,       /* 35 RETURNDATASIZE out at head len ok size       */
    0x02,       /* 36 MUL            out at head len answered      */
    0x84,       /* 37 DUP5           out at head len answered out  */
    0x52,       /* 38 MSTORE         out at head len               */
    0x90,       /* 39 SWAP1          out at len head               */
    0x50,       /* 3a POP            out at len                    */
    0x01,       /* 3b ADD            out at                        (of the next) */
    0x90,       /* 3c SWAP1          at out                        */
    0x60, 0x40, /* 3d PUSH1 64       at out 64                     */
    0x01,       /* 3f ADD            at out                        (of the next) */
    0x90,       /* 40 SWAP1          out at                        */
    0x60, 0x04, /* 41 PUSH1 0x04     out at 0x04                   */
    0x56,       /* 43 JUMP           out at                        */
};
const size_t multicall_code_len = sizeof(multicall_code);

#define QUESTION_MAX   (MULTICALL_HEADER_BYTES + MULTICALL_CALLDATA_MAX)
#define INIT_CODE_MAX  (sizeof(multicall_code) + MULTICALL_CHUNK_MAX * QUESTION_MAX)
#define HEADER_ADDRESS (MULTICALL_HEADER_BYTES - ADDRESS_BYTES)

_Static_assert(sizeof(multicall_code) == 0x44, "the code says its own length");
_Static_assert(INIT_CODE_MAX <= 49152, "EIP-3860");
_Static_assert(MULTICALL_CHUNK_MAX *MULTICALL_ANSWER_BYTES <= 24576, "EIP-170");
_Static_assert(MULTICALL_CALLDATA_MAX <= UINT8_MAX, "a length of one byte");

static size_t question_write(uint8_t *out, const struct multicall_question *question)
{
    ASSERT(question->calldata_len <= MULTICALL_CALLDATA_MAX);
    memset(out, 0, HEADER_ADDRESS);
    out[HEADER_ADDRESS - 1] = (uint8_t)question->calldata_len;
    memcpy(out + HEADER_ADDRESS, question->contract.bytes, ADDRESS_BYTES);
    memcpy(out + MULTICALL_HEADER_BYTES, question->calldata, question->calldata_len);
    return MULTICALL_HEADER_BYTES + question->calldata_len;
}

bool multicall_next(struct multicall_question *out, size_t *offset, const uint8_t *data, size_t len)
{
    static const uint8_t zeros[HEADER_ADDRESS - 1];
    const uint8_t *header = data + *offset;

    if (*offset > len || len - *offset < MULTICALL_HEADER_BYTES ||
        memcmp(header, zeros, sizeof(zeros)) != 0)
        return false;
    out->calldata_len = header[HEADER_ADDRESS - 1];
    if (out->calldata_len > MULTICALL_CALLDATA_MAX ||
        out->calldata_len > len - *offset - MULTICALL_HEADER_BYTES)
        return false;
    memcpy(out->contract.bytes, header + HEADER_ADDRESS, ADDRESS_BYTES);
    memcpy(out->calldata, header + MULTICALL_HEADER_BYTES, out->calldata_len);
    *offset += MULTICALL_HEADER_BYTES + out->calldata_len;
    return true;
}

static enum node_result no_answers(struct node *node)
{
    snprintf(node->error.message, sizeof(node->error.message),
             "eth_call: an answer that is none to the questions");
    node->counters.failures[NODE_GARBAGE]++;
    return NODE_GARBAGE;
}

/* Two words. A length above 64 bits is none. */
static bool answer_read(struct multicall_answer *out, const uint8_t *bytes)
{
    struct abi_word word;
    chain_uint128 length;

    memcpy(word.bytes, bytes, ABI_WORD_BYTES);
    memcpy(out->word.bytes, bytes + ABI_WORD_BYTES, ABI_WORD_BYTES);
    if (!abi_word_u128(&length, &word) || length > SIZE_MAX)
        return false;
    out->len = (size_t)length;
    return true;
}

static struct node_message message_write(uint8_t init_code[INIT_CODE_MAX],
                                         const struct multicall_question *questions, size_t count)
{
    struct node_message message = {
        .create = true, .calldata = init_code, .calldata_len = sizeof(multicall_code)};

    ASSERT(count > 0 && count <= MULTICALL_CHUNK_MAX);
    memcpy(init_code, multicall_code, sizeof(multicall_code));
    for (size_t i = 0; i < count; i++)
        message.calldata_len += question_write(init_code + message.calldata_len, &questions[i]);
    return message;
}

bool multicall_ahead(json_t *list, const struct multicall_question *questions, size_t count,
                     uint64_t at)
{
    uint8_t init_code[INIT_CODE_MAX];
    struct node_message message = message_write(init_code, questions, count);

    return node_call_ahead(list, &message, at);
}

enum node_result multicall_ask(struct node *node, struct multicall_answer *answers,
                               const struct multicall_question *questions, size_t count,
                               uint64_t at)
{
    uint8_t init_code[INIT_CODE_MAX];
    uint8_t returned[MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES];
    struct node_message message = message_write(init_code, questions, count);
    size_t len = sizeof(returned);

    enum node_result result = node_call(node, returned, &len, &message, at);
    if (result == NODE_UNFIT) // the answer is the node's, not a contract's
        return no_answers(node);
    if (result != NODE_OK)
        return result;
    if (len != count * MULTICALL_ANSWER_BYTES)
        return no_answers(node);
    for (size_t i = 0; i < count; i++)
        if (!answer_read(&answers[i], returned + i * MULTICALL_ANSWER_BYTES))
            return no_answers(node);
    return NODE_OK;
}
