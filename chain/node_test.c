/* The typed calls over a fake table of functions, which speaks with the nodes' own words. */
#include "chain/node.h"

#include "base/testing.h"
#include "chain/erc3643_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers every call with the body that belongs to its method (and, for eth_call, its selector). */
struct answer {
    const char *method;
    const char *selector; /* NULL = any */
    const char *body;
};

struct fake {
    const struct answer *answers;
    size_t count;
    char last_params[4096];
};

static const char *selector_of_call(const json_t *params)
{
    const char *data = json_string_value(json_object_get(json_array_get(params, 0), "data"));
    return data == NULL ? "" : data;
}

static void fake_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct fake *fake = context;
    char *text = json_dumps(params, JSON_COMPACT);
    snprintf(fake->last_params, sizeof(fake->last_params), "%s", text);
    free(text);
    const char *data = selector_of_call(params);
    const char *body = NULL;
    for (size_t i = 0; i < fake->count && body == NULL; i++) {
        const struct answer *answer = &fake->answers[i];
        if (strcmp(answer->method, method) == 0 &&
            (answer->selector == NULL || strncmp(data, answer->selector, 10) == 0))
            body = answer->body;
    }
    json_decref(params);
    if (body == NULL)
        fail_msg("nobody expected %s %.10s", method, data);
    else
        rpc_parse_response(reply, body, strlen(body), 1);
}

static void fake_close(void *context)
{
    (void)context;
}

static void open_fake(struct node *node, struct fake *fake, const struct answer *answers,
                      size_t count)
{
    *fake = (struct fake){.answers = answers, .count = count};
    struct rpc_ops ops = {.context = fake, .call = fake_call, .close = fake_close};
    node_init(node, &ops);
}

#define COUNT(list)   (sizeof(list) / sizeof((list)[0]))
#define RESULT(json)  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" json "}"
#define FAILURE(json) "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":" json "}"

static const struct {
    const char *body;
    enum node_result result;
} words[] = {
    /* anvil 1.7 */
    {FAILURE("{\"code\":-32003,\"message\":\"transaction already imported\"}"), NODE_ALREADY_KNOWN},
    {FAILURE("{\"code\":-32003,\"message\":\"nonce too low\"}"), NODE_NONCE_TOO_LOW},
    {FAILURE("{\"code\":-32003,\"message\":\"replacement transaction underpriced\"}"),
     NODE_UNDERPRICED},
    {FAILURE("{\"code\":-32003,\"message\":\"max fee per gas less than block base fee\"}"),
     NODE_UNDERPRICED},
    {FAILURE("{\"code\":-32003,\"message\":\"Insufficient funds for gas * price + value\"}"),
     NODE_INSUFFICIENT_FUNDS},
    {FAILURE("{\"code\":-32003,\"message\":\"intrinsic gas too low\"}"), NODE_GAS_REFUSED},
    {FAILURE("{\"code\":-32000,\"message\":\"intrinsic gas too high -- tx.gas_limit > "
             "env.cfg.tx_gas_limit_cap\"}"),
     NODE_GAS_REFUSED},
    {FAILURE("{\"code\":-32603,\"message\":\"EVM error OutOfGas\"}"), NODE_GAS_REFUSED},
    {FAILURE("{\"code\":3,\"message\":\"execution reverted: no\",\"data\":\"0x\"}"), NODE_REVERTED},
    /* hardhat 2 */
    {FAILURE("{\"code\":-32000,\"message\":\"Known transaction: 0xabc\",\"data\":{\"message\":"
             "\"Known transaction: 0xabc\",\"data\":null}}"),
     NODE_ALREADY_KNOWN},
    {FAILURE("{\"code\":-32000,\"message\":\"Replacement transaction underpriced. A gasPrice/"
             "maxFeePerGas of at least 22000000000 is necessary to replace the existing "
             "transaction with nonce 1.\"}"),
     NODE_UNDERPRICED},
    {FAILURE("{\"code\":-32000,\"message\":\"Transaction requires at least 21000 gas but got "
             "20000\"}"),
     NODE_GAS_REFUSED},
    {FAILURE("{\"code\":-32000,\"message\":\"Transaction gas limit is 16777217 and exceeds "
             "transaction gas cap of 16777216\"}"),
     NODE_GAS_REFUSED},
    {FAILURE("{\"code\":-32000,\"message\":\"Nonce too low. Expected nonce to be 4 but got 3.\"}"),
     NODE_NONCE_TOO_LOW},
    {FAILURE(
         "{\"code\":-32000,\"message\":\"Nonce too high. Expected nonce to be 4 but got 9. Note "
         "that transactions can't be queued when automining.\"}"),
     NODE_NONCE_TOO_HIGH},
    {FAILURE("{\"code\":-32000,\"message\":\"Transaction maxFeePerGas (1) is too low for the next "
             "block, which has a baseFeePerGas of 7\"}"),
     NODE_UNDERPRICED},
    {FAILURE("{\"code\":-32000,\"message\":\"Sender doesn't have enough funds to send tx.\"}"),
     NODE_INSUFFICIENT_FUNDS},
    {FAILURE("{\"code\":-32603,\"message\":\"Error: VM Exception while processing transaction: "
             "reverted with reason string "
             "'no'\",\"data\":{\"message\":\"x\",\"data\":\"0x08c379a0\"}}"),
     NODE_REVERTED},
    /* geth */
    {FAILURE("{\"code\":-32000,\"message\":\"already known\"}"), NODE_ALREADY_KNOWN},
    {FAILURE("{\"code\":-32000,\"message\":\"transaction underpriced\"}"), NODE_UNDERPRICED},
    {FAILURE("{\"code\":-32601,\"message\":\"Method not found\"}"), NODE_REFUSED},
    /* nobody knows */
    {"<html>busy</html>", NODE_GARBAGE},
    {"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":\"0x1\"}", NODE_GARBAGE},
    {"{\"jsonrpc\":\"2.0\",\"id\":1}", NODE_GARBAGE},
    {RESULT("\"0x1\""), NODE_OK},
};

static void the_words_of_the_nodes_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        struct rpc_reply reply;
        rpc_parse_response(&reply, words[i].body, strlen(words[i].body), 1);
        enum node_result result = node_classify(&reply);
        if (result != words[i].result)
            fail_msg("%s is %s", words[i].body, node_result_text(result));
        rpc_reply_fini(&reply);
    }
}

#define REASON                                                                                     \
    "0x08c379a0"                                                                                   \
    "0000000000000000000000000000000000000000000000000000000000000020"                             \
    "0000000000000000000000000000000000000000000000000000000000000003"                             \
    "6e6f210000000000000000000000000000000000000000000000000000000000"

static void a_revert_keeps_its_reason_in_both_shapes(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"eth_estimateGas", NULL,
         FAILURE("{\"code\":3,\"message\":\"execution reverted: no!\",\"data\":\"" REASON "\"}")},
        {"eth_call", NULL,
         FAILURE("{\"code\":-32603,\"message\":\"x\",\"data\":{\"data\":\"" REASON "\"}}")}};
    struct node node;
    struct fake fake;
    open_fake(&node, &fake, answers, COUNT(answers));
    struct node_message message = {.calldata = NULL, .calldata_len = 0};
    uint64_t gas;
    uint8_t out[32];
    size_t len = sizeof(out);
    assert_int_equal(node_estimate_gas(&node, &gas, &message), NODE_REVERTED);
    assert_string_equal(node.error.reason, "no!");
    assert_int_equal(node_call(&node, out, &len, &message, NODE_LATEST), NODE_REVERTED);
    assert_string_equal(node.error.reason, "no!");
    assert_int_equal(node.counters.failures[NODE_REVERTED], 2);
}

#define HASH_A "0x1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_B "0x2222222222222222222222222222222222222222222222222222222222222222"
#define WORD_1 "0x0000000000000000000000000000000000000000000000000000000000000001"
#define WORD_0 "0x0000000000000000000000000000000000000000000000000000000000000000"
#define RECEIPT(status, logs)                                                                      \
    RESULT("{\"status\":\"" status "\",\"blockNumber\":\"0x10\",\"blockHash\":\"" HASH_B           \
           "\",\"transactionHash\":\"" HASH_A "\",\"transactionIndex\":\"0x0\",\"gasUsed\":"       \
           "\"0x33333\",\"effectiveGasPrice\":\"0x3b9aca00\",\"logs\":" logs "}")
#define LOG(index, data)                                                                           \
    "{\"address\":\"0x8d0e87365216ee9aca1448cf67852b80cf7447a6\",\"logIndex\":\"" index            \
    "\",\"topics\":[\"" HASH_A "\"],\"data\":\"" data "\"}"

static enum node_result get_receipt(struct node_receipt *receipt, const char *body)
{
    const struct answer answer = {"eth_getTransactionReceipt", NULL, body};
    struct node node;
    struct fake fake;
    struct chain_hash hash;
    memset(hash.bytes, 0x11, sizeof(hash.bytes));
    open_fake(&node, &fake, &answer, 1);
    return node_get_receipt(&node, receipt, &hash);
}

static void receipts_are_read_with_their_logs(void **state)
{
    (void)state;
    struct node_receipt receipt;
    assert_int_equal(
        get_receipt(&receipt, RECEIPT("0x1", "[" LOG("0x0", "0x") "," LOG("0x5", WORD_1) "]")),
        NODE_OK);
    assert_true(receipt.found && receipt.succeeded);
    assert_int_equal(receipt.block_number, 16);
    assert_int_equal(receipt.gas_used, 0x33333);
    assert_int_equal(receipt.log_count, 2);
    assert_int_equal(receipt.logs[0].data_len, 0);
    assert_int_equal(receipt.logs[1].log_index, 5);
    assert_int_equal(receipt.logs[1].data[31], 1);
    node_receipt_fini(&receipt);
    assert_int_equal(get_receipt(&receipt, RECEIPT("0x0", "[]")), NODE_OK);
    assert_true(receipt.found && !receipt.succeeded);
    node_receipt_fini(&receipt);
    assert_int_equal(get_receipt(&receipt, RESULT("null")), NODE_OK);
    assert_false(receipt.found);
    node_receipt_fini(&receipt);
}

/* What the bytes cost on Ethereum: beside the gas (OP stack), or in it (Arbitrum). */
static void the_price_on_ethereum_is_read_where_it_is_no_gas(void **state)
{
    static const struct {
        const char *member;
        uint64_t fee_wei;
    } said[] = {{"\"l1Fee\":\"0x1234567890\",\"l1GasUsed\":\"0x640\"", 0x1234567890},
                {"\"l1Fee\":null", 0},
                {"\"gasUsedForL1\":\"0x640\"", 0}};
    struct node_receipt receipt;
    char body[1024];
    (void)state;
    for (size_t i = 0; i < COUNT(said); i++) {
        snprintf(body, sizeof(body), "%.*s,%s}}", (int)(strlen(RECEIPT("0x1", "[]")) - 2),
                 RECEIPT("0x1", "[]"), said[i].member);
        assert_int_equal(get_receipt(&receipt, body), NODE_OK);
        assert_int_equal(receipt.l1_fee_wei, said[i].fee_wei);
        assert_int_equal(receipt.gas_used, 0x33333);
        node_receipt_fini(&receipt);
    }
    snprintf(body, sizeof(body), "%.*s,\"l1Fee\":\"much\"}}",
             (int)(strlen(RECEIPT("0x1", "[]")) - 2), RECEIPT("0x1", "[]"));
    assert_int_equal(get_receipt(&receipt, body), NODE_GARBAGE);
}

static void a_receipt_that_is_not_ours_or_broken_is_garbage(void **state)
{
    (void)state;
    struct node_receipt receipt;
    assert_int_equal(get_receipt(&receipt, RECEIPT("0x2", "[]")), NODE_GARBAGE);
    assert_int_equal(get_receipt(&receipt, RECEIPT("0x1", "{}")), NODE_GARBAGE);
    assert_int_equal(get_receipt(&receipt, RECEIPT("0x1", "[" LOG("0x0", "0xzz") "]")),
                     NODE_GARBAGE);
    assert_int_equal(get_receipt(&receipt, RESULT("{\"status\":\"0x1\"}")), NODE_GARBAGE);
    assert_null(receipt.logs);
}

static void fees_are_the_next_base_fee_and_the_median_tip_of_full_blocks(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"eth_feeHistory", NULL,
         RESULT("{\"oldestBlock\":\"0x1\",\"baseFeePerGas\":[\"0x1\",\"0x2\",\"0x7\"],"
                "\"reward\":[[\"0x9\"],[\"0x0\"],[\"0x5\"],[\"0x6\"]]}")}};
    struct node node;
    struct fake fake;
    struct node_fees fees;
    open_fake(&node, &fake, answers, COUNT(answers));
    assert_int_equal(node_get_fees(&node, &fees), NODE_OK);
    assert_int_equal(fees.base_fee_wei, 7);
    assert_int_equal(fees.priority_fee_wei, 6);
}

static void an_answer_of_the_wrong_type_is_garbage(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        {"eth_chainId", NULL, RESULT("31337")},
        {"eth_getTransactionCount", NULL, RESULT("\"0x\"")},
        {"eth_sendRawTransaction", NULL, RESULT("\"" HASH_A "\"")},
        {"eth_getBlockByNumber", NULL, RESULT("null")}};
    struct node node;
    struct fake fake;
    uint64_t number;
    struct chain_address address = {{0}};
    struct node_block block;
    open_fake(&node, &fake, answers, COUNT(answers));
    assert_int_equal(node_chain_id(&node, &number), NODE_GARBAGE);
    assert_int_equal(node_transaction_count(&node, &number, &address, NODE_PENDING), NODE_GARBAGE);
    assert_non_null(strstr(fake.last_params, "pending"));
    assert_int_equal(node_send_raw(&node, (const uint8_t *)"x", 1), NODE_GARBAGE);
    assert_int_equal(node_get_block(&node, &block, 5), NODE_OK);
    assert_false(block.found);
    assert_string_equal(fake.last_params, "[\"0x5\",false]");
}

#define WORD_100      "0x0000000000000000000000000000000000000000000000000000000000000064"
#define WORD_30       "0x000000000000000000000000000000000000000000000000000000000000001e"
#define CONTRACT_WORD "0x0000000000000000000000008d0e87365216ee9aca1448cf67852b80cf7447a6"

enum { PAUSED, FROZEN, VERIFIED, CAN_TRANSFER, BALANCE };

static const struct answer healthy[] = {
    [PAUSED] = {"eth_call", "0x5c975abb", RESULT("\"" WORD_0 "\"")},
    [FROZEN] = {"eth_call", "0xe5839836", RESULT("\"" WORD_0 "\"")},
    [VERIFIED] = {"eth_call", "0xb9209e33", RESULT("\"" WORD_1 "\"")},
    [CAN_TRANSFER] = {"eth_call", "0xe46638e6", RESULT("\"" WORD_1 "\"")},
    [BALANCE] = {"eth_call", "0x70a08231", RESULT("\"" WORD_100 "\"")},
    {"eth_call", "0x158b1a57", RESULT("\"" WORD_30 "\"")},
    {"eth_call", "0x134e18f4", RESULT("\"" CONTRACT_WORD "\"")},
    {"eth_call", "0x6290865d", RESULT("\"" CONTRACT_WORD "\"")},
    /* All together: a node that does not answer that is asked one by one. */
    {"eth_call", NULL, FAILURE("{\"code\":-32000,\"message\":\"no such call\"}")},
};

/* All that decides a transfer of `units` where one answer differs from the healthy ones. */
static enum node_result precheck(struct erc3643_evidence *evidence, uint64_t units, size_t differs,
                                 const char *body)
{
    const struct chain_address wallet = {{1}};
    const struct erc3643_asked asked = {wallet, wallet, wallet, units, 16};
    struct answer answers[COUNT(healthy)];
    memcpy(answers, healthy, sizeof(healthy));
    if (body != NULL)
        answers[differs].body = body;
    struct node node;
    struct fake fake;
    open_fake(&node, &fake, answers, COUNT(answers));
    return erc3643_testing_ask(&node, evidence, &asked);
}

static void expect_verdict(enum erc3643_verdict verdict, uint64_t units, size_t differs,
                           const char *body)
{
    struct erc3643_evidence evidence;
    assert_int_equal(precheck(&evidence, units, differs, body), NODE_OK);
    assert_int_equal(evidence.verdict, verdict);
}

static void each_check_of_a_transfer_has_its_verdict(void **state)
{
    (void)state;
    expect_verdict(ERC3643_ALLOWED, 70, PAUSED, NULL);
    expect_verdict(ERC3643_BALANCE_SHORT, 71, PAUSED, NULL); /* 100 less 30 frozen */
    expect_verdict(ERC3643_PAUSED_TOKEN, 70, PAUSED, RESULT("\"" WORD_1 "\""));
    expect_verdict(ERC3643_FROZEN_SENDER, 70, FROZEN, RESULT("\"" WORD_1 "\""));
    expect_verdict(ERC3643_SENDER_NOT_REGISTERED, 70, VERIFIED, RESULT("\"" WORD_0 "\""));
    expect_verdict(ERC3643_COMPLIANCE_REFUSED, 70, CAN_TRANSFER, RESULT("\"" WORD_0 "\""));
    expect_verdict(ERC3643_COMPLIANCE_REFUSED, 70, CAN_TRANSFER,
                   FAILURE("{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x\"}"));
}

static void a_node_that_fails_is_no_verdict(void **state)
{
    (void)state;
    struct erc3643_evidence evidence;
    assert_int_equal(precheck(&evidence, 1, VERIFIED, "busy"), NODE_GARBAGE);
    assert_int_equal(precheck(&evidence, 1, PAUSED, RESULT("\"0xzz\"")), NODE_GARBAGE);
}

#define ZEROS     "0000000000000000000000000000000000000000000000000000000000000000"
#define WORD_WIDE "0x0000000000000000000000000000000100000000000000000000000000000000"
#define WORD_FULL "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void a_contract_that_answers_what_it_should_not_is_told_from_a_node_that_does(void **state)
{
    (void)state;
    struct erc3643_evidence evidence;
    assert_int_equal(precheck(&evidence, 1, PAUSED, RESULT("\"" WORD_30 "\"")), NODE_UNFIT);
    assert_int_equal(precheck(&evidence, 1, PAUSED, RESULT("\"0x\"")), NODE_UNFIT);
    assert_int_equal(
        precheck(&evidence, 1, PAUSED, RESULT("\"0x" ZEROS ZEROS ZEROS ZEROS ZEROS "\"")),
        NODE_UNFIT);
    assert_int_equal(precheck(&evidence, 1, BALANCE, RESULT("\"" WORD_WIDE "\"")), NODE_TOO_WIDE);
    assert_int_equal(precheck(&evidence, 1, BALANCE, RESULT("\"" WORD_FULL "\"")), NODE_TOO_WIDE);
    assert_int_equal(
        precheck(&evidence, 1, PAUSED,
                 FAILURE("{\"code\":3,\"message\":\"execution reverted\",\"data\":\"0x\"}")),
        NODE_REVERTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_the_nodes_are_understood),
        cmocka_unit_test(a_revert_keeps_its_reason_in_both_shapes),
        cmocka_unit_test(receipts_are_read_with_their_logs),
        cmocka_unit_test(the_price_on_ethereum_is_read_where_it_is_no_gas),
        cmocka_unit_test(a_receipt_that_is_not_ours_or_broken_is_garbage),
        cmocka_unit_test(fees_are_the_next_base_fee_and_the_median_tip_of_full_blocks),
        cmocka_unit_test(an_answer_of_the_wrong_type_is_garbage),
        cmocka_unit_test(each_check_of_a_transfer_has_its_verdict),
        cmocka_unit_test(a_node_that_fails_is_no_verdict),
        cmocka_unit_test(a_contract_that_answers_what_it_should_not_is_told_from_a_node_that_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
