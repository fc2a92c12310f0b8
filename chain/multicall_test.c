/* The call and its answer, byte for byte, and what becomes of typed questions that are asked
 * together, over a contract in memory. That a real node's machine does it: devchain_test. */
#include "chain/multicall.h"

#include "base/testing.h"
#include "chain/erc3643_precheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZEROS_12 "000000000000000000000000"
#define WORD_1   "0000000000000000000000000000000000000000000000000000000000000001"
#define WORD_0   "0000000000000000000000000000000000000000000000000000000000000000"
#define WORD_32  "0000000000000000000000000000000000000000000000000000000000000020"
#define WORD_7   "0000000000000000000000000000000000000000000000000000000000000007"
#define CODE                                                                                       \
    "600060445b38811060 0f57506000f35b6020818339602001815180 60a01c80838560400139"                 \
    "602080850182816020018562 0f4240fa3d02845290500190604001906004 56"

/* ---- the bytes ---- */

struct recorded {
    const char *answer; /* of eth_call, with its 0x */
    char *params;
    unsigned calls;
};

static void recorded_call(void *context, struct rpc_reply *reply, const char *method,
                          json_t *params)
{
    struct recorded *recorded = context;
    assert_string_equal(method, "eth_call");
    free(recorded->params);
    recorded->params = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
    recorded->calls++;
    json_decref(params);
    *reply = (struct rpc_reply){.status = RPC_OK, .result = json_string(recorded->answer)};
}

static void no_close(void *context)
{
    (void)context;
}

static struct node node_of(void *context,
                           void (*call)(void *, struct rpc_reply *, const char *, json_t *))
{
    struct node node;
    struct rpc_ops ops = {.context = context, .call = call, .close = no_close};
    node_init(&node, &ops);
    return node;
}

static const struct multicall_question two[] = {
    {.contract = {{0xaa, [19] = 0xbb}}, .calldata = {0x5c, 0x97, 0x5a, 0xbb}, .calldata_len = 4},
    {.contract = {{0xcc, [19] = 0xdd}},
     .calldata = {0x70, 0xa0, 0x82, 0x31, [35] = 9},
     .calldata_len = 36},
};

static void the_call_is_the_code_with_the_questions_behind_it(void **state)
{
    (void)state;
    static const char spaced[] =
        "[{\"data\":\"0x" CODE "0000000000000000 00000004 aa000000000000000000000000000000000000bb"
        "5c975abb"
        "0000000000000000 00000024 cc000000000000000000000000000000000000dd"
        "70a08231"
        "0000000000000000000000000000000000000000000000000000000000000009"
        "\",\"from\":\"0x0000000000000000000000000000000000000000\"},\"0x10\"]";
    char expected[sizeof(spaced)];
    size_t len = 0;
    for (const char *at = spaced; *at != '\0'; at++)
        if (*at != ' ')
            expected[len++] = *at;
    expected[len] = '\0';
    struct recorded recorded = {.answer = "0x" WORD_32 WORD_1 WORD_0 WORD_7};
    struct node node = node_of(&recorded, recorded_call);
    struct multicall_answer answers[2];
    assert_int_equal(multicall_ask(&node, answers, two, 2, 16), NODE_OK);
    assert_string_equal(recorded.params, expected);
    assert_int_equal(answers[0].len, 32);
    assert_int_equal(answers[0].word.bytes[31], 1);
    assert_int_equal(answers[1].len, 0);
    assert_int_equal(recorded.calls, 1);
    free(recorded.params);
}

static void an_answer_that_is_none_to_the_questions_is_garbage(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "0x",
        "0x" WORD_32 WORD_1,
        "0x" WORD_32 WORD_1 WORD_32,
        "0x" WORD_32 WORD_1 WORD_32 WORD_1 "00",
        "0x" WORD_32 WORD_1 WORD_32 WORD_1 WORD_32 WORD_1,
        "0x" WORD_32 WORD_1
        "0000000000000000000000000000000000000000000000010000000000000020" WORD_1,
        "0xff" ZEROS_12 WORD_0 WORD_0 WORD_0,
        "0x6080",
        "no",
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct recorded recorded = {.answer = answers[i]};
        struct node node = node_of(&recorded, recorded_call);
        struct multicall_answer out[2];
        assert_int_equal(multicall_ask(&node, out, two, 2, 16), NODE_GARBAGE);
        free(recorded.params);
    }
    /* longer than any chunk's */
    static char huge[2 + 2 * (MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES + 1) + 1];
    memset(huge, '0', sizeof(huge) - 1);
    huge[1] = 'x';
    struct recorded recorded = {.answer = huge};
    struct node node = node_of(&recorded, recorded_call);
    struct multicall_answer out[2];
    assert_int_equal(multicall_ask(&node, out, two, 2, 16), NODE_GARBAGE);
    free(recorded.params);
}

static void questions_are_read_back_and_nothing_behind_them(void **state)
{
    (void)state;
    uint8_t data[MULTICALL_HEADER_BYTES + 36] = {0};
    struct multicall_question question;
    data[11] = 36;
    data[12] = 0xaa;
    data[67] = 9;
    for (size_t len = 0; len < sizeof(data); len++) {
        size_t offset = 0;
        assert_false(multicall_next(&question, &offset, data, len));
    }
    size_t offset = 0;
    assert_true(multicall_next(&question, &offset, data, sizeof(data)));
    assert_int_equal(offset, sizeof(data));
    assert_int_equal(question.calldata_len, 36);
    assert_int_equal(question.calldata[35], 9);
    assert_int_equal(question.contract.bytes[0], 0xaa);
    assert_false(multicall_next(&question, &offset, data, sizeof(data)));
    data[10] = 1; /* a length above what there can be */
    offset = 0;
    assert_false(multicall_next(&question, &offset, data, sizeof(data)));
}

/* ---- typed questions ----
 * The contract says the lowest byte of its question's calldata, unless it is one of these. */
enum { REVERTS = 201, SILENT, LONG, FULL };

struct contract {
    enum { TOGETHER, REFUSES_TOGETHER, REVERTS_TOGETHER, LOST_TOGETHER } manner;
    unsigned together, alone;
};

/* The length of the answer; 0 with `reverts` set or not. */
static size_t contract_says(uint8_t out[5 * ABI_WORD_BYTES], bool *reverts, const uint8_t *calldata,
                            size_t len)
{
    uint8_t value = calldata[len - 1];
    memset(out, value == FULL ? 0xff : 0, 5 * ABI_WORD_BYTES);
    *reverts = value == REVERTS;
    if (value == REVERTS || value == SILENT)
        return 0;
    if (value != FULL)
        out[31] = value;
    return value == LONG ? 5 * ABI_WORD_BYTES : ABI_WORD_BYTES;
}

static void say(struct rpc_reply *reply, const uint8_t *bytes, size_t len)
{
    static char text[HEX_TEXT_SIZE(MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES)];
    hex_encode(text, bytes, len);
    reply->result = json_string(text);
}

static void refuse(struct rpc_reply *reply, int code, const char *message)
{
    reply->status = RPC_ERROR;
    reply->code = code;
    snprintf(reply->message, sizeof(reply->message), "%s", message);
}

static void say_together(struct rpc_reply *reply, const uint8_t *data, size_t len)
{
    static uint8_t out[MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES];
    size_t offset = multicall_code_len;
    size_t out_len = 0;
    struct multicall_question question;
    while (multicall_next(&question, &offset, data, len)) {
        uint8_t answer[5 * ABI_WORD_BYTES];
        bool reverts;
        size_t answered = contract_says(answer, &reverts, question.calldata, question.calldata_len);
        struct abi_word length = abi_from_u128(answered);
        memcpy(out + out_len, length.bytes, ABI_WORD_BYTES);
        memcpy(out + out_len + ABI_WORD_BYTES, answer, ABI_WORD_BYTES);
        out_len += MULTICALL_ANSWER_BYTES;
    }
    assert_int_equal(offset, len);
    say(reply, out, out_len);
}

static void contract_call(void *context, struct rpc_reply *reply, const char *method,
                          json_t *params)
{
    static uint8_t data[49152];
    struct contract *contract = context;
    const json_t *message = json_array_get(params, 0);
    ssize_t len =
        hex_decode(data, sizeof(data), json_string_value(json_object_get(message, "data")));
    bool is_together = json_object_get(message, "to") == NULL;
    assert_string_equal(method, "eth_call");
    assert_true(len > 0);
    *reply = (struct rpc_reply){.status = RPC_OK};
    contract->together += is_together;
    contract->alone += !is_together;
    if (!is_together) {
        uint8_t answer[5 * ABI_WORD_BYTES];
        bool reverts;
        size_t answered = contract_says(answer, &reverts, data, (size_t)len);
        if (reverts)
            refuse(reply, 3, "execution reverted");
        else
            say(reply, answer, answered);
    } else if (contract->manner == REFUSES_TOGETHER) {
        refuse(reply, -32000, "max initcode size exceeded");
    } else if (contract->manner == REVERTS_TOGETHER) {
        refuse(reply, 3, "execution reverted");
    } else if (contract->manner == LOST_TOGETHER) {
        reply->status = RPC_TRANSPORT;
    } else {
        say_together(reply, data, (size_t)len);
    }
    json_decref(params);
}

static const struct chain_address token = {{0x11}};

/* Asks for `count` numbers, 1, 2, … 199, 1, …; the one at `odd` says `value`. */
static enum node_result ask(struct contract *contract, size_t count, size_t odd, uint8_t value)
{
    static chain_uint128 out[1000];
    static struct erc3643_questions list;
    struct node node = node_of(contract, contract_call);
    enum node_result result = NODE_OK;
    memset(out, 0, sizeof(out));
    erc3643_questions_begin(&list, &node, 16);
    for (size_t i = 0; i < count && result == NODE_OK; i++) {
        struct chain_address wallet = {{[19] = i == odd ? value : (uint8_t)(1 + i % 199)}};
        result = erc3643_questions_add(&list, ERC3643_ANSWER_U128, &out[i], &token,
                                       ERC3643_BALANCE_OF, &wallet);
    }
    if (result == NODE_OK)
        result = erc3643_questions_ask(&list);
    for (size_t i = 0; i < count && result == NODE_OK; i++)
        assert_true(i == odd || out[i] == 1 + i % 199);
    return result;
}

static void many_questions_are_few_round_trips(void **state)
{
    (void)state;
    struct contract contract = {0};
    assert_int_equal(ask(&contract, 0, SIZE_MAX, 0), NODE_OK);
    assert_int_equal(contract.together, 0);
    assert_int_equal(ask(&contract, 1, SIZE_MAX, 0), NODE_OK);
    assert_int_equal(contract.together, 1);
    contract.together = 0;
    assert_int_equal(ask(&contract, MULTICALL_CHUNK_MAX, SIZE_MAX, 0), NODE_OK);
    assert_int_equal(contract.together, 1);
    contract.together = 0;
    assert_int_equal(ask(&contract, 3 * MULTICALL_CHUNK_MAX + 1, SIZE_MAX, 0), NODE_OK);
    assert_int_equal(contract.together, 4);
    assert_int_equal(contract.alone, 0);
}

static void a_question_that_fails_among_others_is_what_it_is_alone(void **state)
{
    (void)state;
    struct contract contract = {0};
    assert_int_equal(ask(&contract, 300, 7, REVERTS), NODE_REVERTED);
    assert_int_equal(ask(&contract, 300, 7, SILENT), NODE_UNFIT);
    assert_int_equal(ask(&contract, 300, 7, LONG), NODE_UNFIT);
    assert_int_equal(contract.alone, 3);
    assert_int_equal(ask(&contract, 300, 250, FULL), NODE_TOO_WIDE);
    assert_int_equal(contract.alone, 3);
}

static void a_module_that_reverts_has_said_no(void **state)
{
    (void)state;
    struct contract contract = {0};
    struct node node = node_of(&contract, contract_call);
    struct erc3643_questions list;
    bool allowed[2] = {false, true};
    bool frozen;
    erc3643_questions_begin(&list, &node, 16);
    assert_int_equal(erc3643_questions_can_transfer(&list, &allowed[0], &token, &token, &token, 1),
                     NODE_OK);
    assert_int_equal(
        erc3643_questions_can_transfer(&list, &allowed[1], &token, &token, &token, REVERTS),
        NODE_OK);
    assert_int_equal(erc3643_questions_ask(&list), NODE_OK);
    assert_true(allowed[0]);
    assert_false(allowed[1]);
    assert_int_equal(erc3643_questions_can_transfer(&list, &allowed[0], &token, &token, &token, 2),
                     NODE_OK);
    assert_int_equal(erc3643_questions_ask(&list), NODE_UNFIT); /* two is no flag */
    assert_int_equal(erc3643_questions_add(&list, ERC3643_ANSWER_BOOL, &frozen, &token,
                                           ERC3643_IS_FROZEN,
                                           &(struct chain_address){{[19] = REVERTS}}),
                     NODE_OK);
    assert_int_equal(erc3643_questions_ask(&list), NODE_REVERTED);
}

static void a_node_that_does_not_answer_together_is_asked_one_by_one(void **state)
{
    (void)state;
    struct contract refuses = {.manner = REFUSES_TOGETHER};
    assert_int_equal(ask(&refuses, 250, SIZE_MAX, 0), NODE_OK);
    assert_int_equal(refuses.alone, 250);
    struct contract reverts = {.manner = REVERTS_TOGETHER};
    assert_int_equal(ask(&reverts, 5, 2, REVERTS), NODE_REVERTED);
    assert_int_equal(reverts.alone, 3);
    struct contract lost = {.manner = LOST_TOGETHER};
    assert_int_equal(ask(&lost, 5, SIZE_MAX, 0), NODE_UNREACHABLE);
    assert_int_equal(lost.alone, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_call_is_the_code_with_the_questions_behind_it),
        cmocka_unit_test(an_answer_that_is_none_to_the_questions_is_garbage),
        cmocka_unit_test(questions_are_read_back_and_nothing_behind_them),
        cmocka_unit_test(many_questions_are_few_round_trips),
        cmocka_unit_test(a_question_that_fails_among_others_is_what_it_is_alone),
        cmocka_unit_test(a_module_that_reverts_has_said_no),
        cmocka_unit_test(a_node_that_does_not_answer_together_is_asked_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
