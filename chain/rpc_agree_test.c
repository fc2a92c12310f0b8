/* What counts of an answer is compared; what does not count is not. */
#include "chain/rpc_agree.h"

#include "base/testing.h"

#include <stdio.h>
#include <string.h>

#define HASH_1 "0x1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "0x2222222222222222222222222222222222222222222222222222222222222222"
#define LOG(data)                                                                                  \
    "{\"address\":\"0xAa\",\"data\":\"" data "\",\"logIndex\":\"0x1\",\"topics\":[\"" HASH_1       \
    "\"],\"blockHash\":\"" HASH_1 "\",\"blockNumber\":\"0x5\",\"transactionHash\":\"" HASH_1 "\"}"
#define RECEIPT(status, block, gas, logs)                                                          \
    "{\"transactionHash\":\"" HASH_1 "\",\"status\":\"" status "\",\"blockHash\":\"" block         \
    "\",\"blockNumber\":\"0x5\",\"gasUsed\":\"" gas                                                \
    "\",\"effectiveGasPrice\":\"0x1\",\"logs\":[" logs "]}"
#define RECEIPT_OF_BASE(l1_fee)                                                                    \
    "{\"transactionHash\":\"" HASH_1 "\",\"status\":\"0x1\",\"blockHash\":\"" HASH_1               \
    "\",\"blockNumber\":\"0x5\",\"gasUsed\":\"0x5\",\"effectiveGasPrice\":\"0x1\",\"logs\":[],"    \
    "\"l1Fee\":\"" l1_fee "\"}"
#define BLOCK(hash, transactions)                                                                  \
    "{\"number\":\"0x5\",\"hash\":\"" hash "\",\"parentHash\":\"" HASH_1                           \
    "\",\"timestamp\":\"0x9\",\"transactions\":[" transactions "]}"
#define TX(nonce) "{\"hash\":\"" HASH_1 "\",\"from\":\"0xaa\",\"nonce\":\"" nonce "\"}"
#define SIMULATED(status)                                                                          \
    "[{\"calls\":[{\"status\":\"" status "\",\"returnData\":\"0x\",\"gasUsed\":\"0x1\"}]}]"

/* JSON of a result, or "!CODE words" of an error. */
static struct rpc_reply reply_of(const char *text)
{
    struct rpc_reply reply = {.status = RPC_OK};
    if (text[0] == '!') {
        reply.status = RPC_ERROR;
        snprintf(reply.message, sizeof(reply.message), "%s", text + 1);
    } else {
        reply.result = json_loads(text, JSON_DECODE_ANY, NULL);
        assert_non_null(reply.result);
    }
    return reply;
}

static enum rpc_agreement agreement(const char *method, const char *params, const char *a,
                                    const char *b, uint64_t head_a, uint64_t head_b, bool *second)
{
    struct rpc_reply reply_a = reply_of(a);
    struct rpc_reply reply_b = reply_of(b);
    json_t *list = json_loads(params, 0, NULL);
    assert_non_null(list);
    enum rpc_agreement result = rpc_agreement_of(method, list, &reply_a, head_a, &reply_b, head_b);
    *second = rpc_second_is_cautious(method, list, &reply_a, &reply_b);
    json_decref(list);
    rpc_reply_fini(&reply_a);
    rpc_reply_fini(&reply_b);
    return result;
}

static void what_counts_of_an_answer_is_compared(void **state)
{
    static const struct {
        const char *method, *params, *a, *b;
        enum rpc_agreement expected;
    } cases[] = {
        {"eth_call", "[{},\"0x5\"]", "\"0xAB\"", "\"0xab\"", RPC_AGREE},
        {"eth_call", "[{},\"0x5\"]", "\"0xab\"", "\"0xac\"", RPC_DIFFER},
        {"eth_call", "[{},\"0x5\"]", "\"0xab\"", "17", RPC_DIFFER},
        {"eth_call", "[{},\"0x5\"]", "\"0xab\"", "!execution reverted", RPC_DIFFER},
        {"eth_call", "[{},\"0x5\"]", "!VM Exception: reverted with reason string 'no'",
         "!execution reverted: no", RPC_AGREE},
        {"eth_getCode", "[\"0xaa\",\"0x5\"]", "\"0x\"", "\"0x60\"", RPC_DIFFER},
        {"eth_getTransactionCount", "[\"0xaa\",\"0x5\"]", "\"0x1\"", "\"0x2\"", RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", ""),
         RECEIPT("0x1", HASH_1, "0x5", ""), RPC_AGREE},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", ""),
         RECEIPT("0x0", HASH_1, "0x5", ""), RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", ""),
         RECEIPT("0x1", HASH_2, "0x5", ""), RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", ""),
         RECEIPT("0x1", HASH_1, "0x6", ""), RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT_OF_BASE("0x7"), RECEIPT_OF_BASE("0x8"),
         RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT_OF_BASE("0x7"),
         RECEIPT("0x1", HASH_1, "0x5", ""), RPC_AGREE},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", LOG("0x01")),
         RECEIPT("0x1", HASH_1, "0x5", LOG("0x02")), RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", RECEIPT("0x1", HASH_1, "0x5", LOG("0x01")),
         RECEIPT("0x1", HASH_1, "0x5", ""), RPC_DIFFER},
        {"eth_getTransactionReceipt", "[]", "null", "null", RPC_AGREE},
        {"eth_getBlockByNumber", "[\"0x5\",false]", BLOCK(HASH_1, "\"" HASH_1 "\""),
         BLOCK(HASH_1, "\"" HASH_1 "\""), RPC_AGREE},
        {"eth_getBlockByNumber", "[\"0x5\",false]", BLOCK(HASH_1, ""), BLOCK(HASH_2, ""),
         RPC_DIFFER},
        {"eth_getBlockByNumber", "[\"0x5\",false]", BLOCK(HASH_1, "\"" HASH_1 "\""),
         BLOCK(HASH_1, ""), RPC_DIFFER},
        {"eth_getBlockByNumber", "[\"0x5\",true]", BLOCK(HASH_1, TX("0x1")),
         BLOCK(HASH_1, TX("0x1")), RPC_AGREE},
        {"eth_getBlockByNumber", "[\"0x5\",true]", BLOCK(HASH_1, TX("0x1")),
         BLOCK(HASH_1, TX("0x2")), RPC_DIFFER},
        {"eth_getLogs", "[{}]", "[" LOG("0x1") "]", "[" LOG("0x1") "]", RPC_AGREE},
        {"eth_getLogs", "[{}]", "[" LOG("0x1") "]", "[]", RPC_DIFFER},
        {"eth_getLogs", "[{}]", "[" LOG("0x1") "]", "[" LOG("0x2") "]", RPC_DIFFER},
        {"eth_simulateV1", "[{},\"0x5\"]", SIMULATED("0x1"), SIMULATED("0x1"), RPC_AGREE},
        {"eth_simulateV1", "[{},\"0x5\"]", SIMULATED("0x1"), SIMULATED("0x0"), RPC_DIFFER},
    };
    bool second;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *method = cases[i].method;
        assert_int_equal(rpc_kind_of(method), RPC_KIND_DECIDES);
        enum rpc_agreement found =
            agreement(method, cases[i].params, cases[i].a, cases[i].b, 9, 9, &second);
        if (found != cases[i].expected)
            fail_msg("%s: %s and %s", method, cases[i].a, cases[i].b);
        assert_int_equal(agreement(method, cases[i].params, cases[i].b, cases[i].a, 9, 9, &second),
                         cases[i].expected);
        assert_false(second);
    }
}

static void who_has_not_come_so_far_is_behind_and_no_liar(void **state)
{
    bool second;
    const char *receipt = RECEIPT("0x1", HASH_1, "0x5", ""); /* of block 5 */

    (void)state;
    assert_int_equal(agreement("eth_getTransactionReceipt", "[]", receipt, "null", 9, 4, &second),
                     RPC_BEHIND);
    assert_int_equal(agreement("eth_getTransactionReceipt", "[]", "null", receipt, 4, 9, &second),
                     RPC_BEHIND);
    assert_int_equal(agreement("eth_getTransactionReceipt", "[]", receipt, "null", 9, 5, &second),
                     RPC_DIFFER);
    assert_int_equal(agreement("eth_getTransactionReceipt", "[]", receipt, "null", 9, 0, &second),
                     RPC_DIFFER);
    assert_int_equal(agreement("eth_getBlockByNumber", "[\"0x5\",false]", BLOCK(HASH_1, ""), "null",
                               9, 4, &second),
                     RPC_BEHIND);
}

static void where_both_may_be_right_the_cautious_answer_counts(void **state)
{
    bool second;

    (void)state;
    assert_int_equal(agreement("eth_estimateGas", "[{}]", "\"0x5\"", "\"0x6\"", 0, 0, &second),
                     RPC_AGREE);
    assert_true(second); /* more gas */
    assert_int_equal(agreement("eth_estimateGas", "[{}]", "\"0x6\"", "\"0x5\"", 0, 0, &second),
                     RPC_AGREE);
    assert_false(second);
    assert_int_equal(
        agreement("eth_estimateGas", "[{}]", "\"0x6\"", "!execution reverted", 0, 0, &second),
        RPC_DIFFER);
    assert_int_equal(agreement("eth_getTransactionCount", "[\"0xaa\",\"pending\"]", "\"0x9\"",
                               "\"0x4\"", 0, 0, &second),
                     RPC_AGREE);
    assert_true(second); /* fewer of the pool */
    assert_int_equal(agreement("eth_getBlockByNumber", "[\"finalized\",false]",
                               "{\"number\":\"0x9\"}", "{\"number\":\"0x4\"}", 0, 0, &second),
                     RPC_AGREE);
    assert_true(second); /* the lower block */
    assert_int_equal(agreement("eth_getBlockByNumber", "[\"finalized\",false]",
                               "{\"number\":\"0x9\"}", "null", 0, 0, &second),
                     RPC_AGREE);
    assert_true(second); /* nothing is final */
}

static void what_can_be_no_answer_is_told_by_its_shape(void **state)
{
    static const struct {
        const char *method, *result;
        bool fits;
    } cases[] = {
        {"eth_chainId", "\"0x1\"", true},
        {"eth_chainId", "1", false},
        {"eth_chainId", "\"0x\"", false},
        {"eth_chainId", "\"-0x1\"", false},
        {"eth_blockNumber", "\"0x111111111111111111111111111111111\"", false}, /* 132 bits */
        {"eth_getTransactionCount", "null", false},
        {"eth_call", "\"0x\"", true},
        {"eth_call", "\"0x0\"", false},
        {"eth_call", "\"0xzz\"", false},
        {"eth_call", "{}", false},
        {"eth_getCode", "\"0x60\"", true},
        {"eth_getBlockByNumber", "null", true},
        {"eth_getBlockByNumber", "{}", false},
        {"eth_getBlockByNumber", BLOCK(HASH_1, ""), true},
        {"eth_getTransactionReceipt", "null", true},
        {"eth_getTransactionReceipt", "{\"status\":\"0x1\"}", false},
        {"eth_getTransactionReceipt", RECEIPT("0x1", HASH_1, "0x5", ""), true},
        {"eth_getTransactionByHash", "\"0x1\"", false},
        {"eth_getTransactionByHash", TX("0x1"), true},
        {"eth_feeHistory", "{\"baseFeePerGas\":[]}", false},
        {"eth_getLogs", "{}", false},
        {"eth_getLogs", "[]", true},
        {"web3_clientVersion", "17", true}, /* not known here */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rpc_reply reply = reply_of(cases[i].result);
        if (rpc_has_shape(cases[i].method, reply.result) != cases[i].fits)
            fail_msg("%s: %s", cases[i].method, cases[i].result);
        rpc_reply_fini(&reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_counts_of_an_answer_is_compared),
        cmocka_unit_test(who_has_not_come_so_far_is_behind_and_no_liar),
        cmocka_unit_test(what_can_be_no_answer_is_told_by_its_shape),
        cmocka_unit_test(where_both_may_be_right_the_cautious_answer_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
