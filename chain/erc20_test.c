/* Contracts that are a stablecoin, and those that are not. The node is a table of functions that
 * answers by selector. */
#include "chain/erc20.h"

#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD(digits) "0x" digits
#define ZEROS_60     "000000000000000000000000000000000000000000000000000000000000"
#define WORD_5       WORD(ZEROS_60 "0005")
#define WORD_6       WORD(ZEROS_60 "0006")
#define WORD_7       WORD(ZEROS_60 "0007")
#define WORD_2_128   WORD("0000000000000000000000000000000100000000000000000000000000000000")

/* "!": it reverts. NULL: the node is not there. */
struct contract {
    const char *code, *decimals, *supply, *held;
};

static const char *answer_of(const struct contract *contract, const char *method,
                             const json_t *params)
{
    if (strcmp(method, "eth_getCode") == 0)
        return contract->code;
    assert_string_equal(method, "eth_call");
    const char *data = json_string_value(json_object_get(json_array_get(params, 0), "data"));
    if (strcmp(data, "0x313ce567") == 0)
        return contract->decimals;
    if (strcmp(data, "0x18160ddd") == 0)
        return contract->supply;
    assert_int_equal(strncmp(data, "0x70a08231", 10), 0);
    return contract->held;
}

static void fake_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    const char *answer = answer_of(context, method, params);
    *reply = (struct rpc_reply){.status = answer == NULL ? RPC_TRANSPORT : RPC_OK};
    if (answer != NULL && answer[0] == '!') {
        reply->status = RPC_ERROR;
        reply->code = 3;
        snprintf(reply->message, sizeof(reply->message), "execution reverted");
    } else if (answer != NULL) {
        reply->result = json_string(answer);
    }
    json_decref(params);
}

static void fake_close(void *context)
{
    (void)context;
}

static enum node_result check(enum erc3643_fitness *fitness, struct contract contract)
{
    static const struct chain_address token = {{0xc0}};
    static const struct chain_address escrow = {{0xee}};
    const struct rpc_ops rpc = {.context = &contract, .call = fake_call, .close = fake_close};
    struct node node;
    node_init(&node, &rpc);
    enum node_result result = erc20_check(&node, fitness, &token, 6, &escrow, NODE_LATEST);
    node_fini(&node);
    return result;
}

static void a_contract_is_it_or_the_first_reason_is_said(void **state)
{
    static const struct {
        struct contract contract;
        enum erc3643_fitness fitness;
    } cases[] = {
        {{"0x60", WORD_6, WORD_7, WORD_7}, ERC3643_FIT},
        {{"0x", WORD_6, WORD_7, WORD_7}, ERC3643_NO_CODE},
        {{"0x60", "!", WORD_7, WORD_7}, ERC3643_NO_TOKEN},
        {{"0x60", "0x", WORD_7, WORD_7}, ERC3643_NO_TOKEN},
        {{"0x60", WORD_5, WORD_7, WORD_7}, ERC3643_DECIMALS_DIFFER},
        {{"0x60", WORD_2_128, WORD_7, WORD_7}, ERC3643_NO_TOKEN},
        {{"0x60", WORD_6, "!", WORD_7}, ERC3643_NO_TOKEN},
        {{"0x60", WORD_6, WORD_2_128, WORD_7}, ERC3643_TOO_WIDE},
        {{"0x60", WORD_6, WORD_6, "!"}, ERC3643_NO_TOKEN},
        {{"0x60", WORD_6, WORD_6, WORD_7}, ERC3643_NO_TOKEN}, /* more than there is */
    };
    enum erc3643_fitness fitness;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(check(&fitness, cases[i].contract), NODE_OK);
        assert_string_equal(erc3643_fitness_text(fitness), erc3643_fitness_text(cases[i].fitness));
    }
}

static void a_node_that_is_not_there_is_no_verdict(void **state)
{
    const struct contract contracts[] = {{NULL, WORD_6, WORD_7, WORD_7},
                                         {"0x60", NULL, WORD_7, WORD_7},
                                         {"0x60", WORD_6, NULL, WORD_7},
                                         {"0x60", WORD_6, WORD_7, NULL}};
    enum erc3643_fitness fitness;
    (void)state;
    for (size_t i = 0; i < sizeof(contracts) / sizeof(contracts[0]); i++)
        assert_int_equal(check(&fitness, contracts[i]), NODE_UNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contract_is_it_or_the_first_reason_is_said),
        cmocka_unit_test(a_node_that_is_not_there_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
