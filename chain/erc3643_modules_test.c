/* Lists of modules as compliance contracts answer them, and as they should not. */
#include "chain/erc3643_modules.h"

#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

#define ZEROS_24   "000000000000000000000000"
#define ZEROS_62   "00000000000000000000000000000000000000000000000000000000000000"
#define WORD(byte) ZEROS_62 byte
#define MODULE_A   ZEROS_24 "aa00000000000000000000000000000000000000"
#define MODULE_B   ZEROS_24 "bb00000000000000000000000000000000000000"
#define NAME_A                                                                                     \
    "4d617842616c616e63654d6f64756c6500000000000000000000000000000000" /* MaxBalanceModule */

/* "!": it reverts. NULL: the node is not there. */
struct contract {
    const char *modules, *name_a, *name_b;
};

static void fake_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    const struct contract *contract = context;
    const json_t *message = json_array_get(params, 0);
    const char *to = json_string_value(json_object_get(message, "to"));
    const char *data = json_string_value(json_object_get(message, "data"));
    const char *answer = strtoul(data, NULL, 16) == 0xb2494df3 ? contract->modules
                         : strncmp(to, "0xaa", 4) == 0         ? contract->name_a
                                                               : contract->name_b;

    assert_string_equal(method, "eth_call");
    *reply = (struct rpc_reply){.status = answer == NULL ? RPC_TRANSPORT : RPC_OK};
    if (answer != NULL && answer[0] == '!') {
        reply->status = RPC_ERROR;
        reply->code = 3;
        strcpy(reply->message, "execution reverted");
    } else if (answer != NULL) {
        reply->result = json_string(answer);
    }
    json_decref(params);
}

static void nothing(void *context)
{
    (void)context;
}

static struct erc3643_module modules[ERC3643_MODULES_MAX];
static size_t count;

static enum node_result read_all(struct contract contract)
{
    struct rpc_ops rpc = {.context = &contract, .call = fake_call, .close = nothing};
    const struct chain_address compliance = {{1}};
    struct node node;

    node_init(&node, &rpc);
    enum node_result result = erc3643_modules_read(&node, modules, &count, &compliance, 7);
    node_fini(&node);
    return result;
}

static void modules_have_their_names(void **state)
{
    (void)state;
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("00"), NULL, NULL}), NODE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("02") MODULE_A MODULE_B,
                                                "0x" WORD("20") WORD("10") NAME_A, "!"}),
                     NODE_OK);
    assert_int_equal(count, 2);
    assert_string_equal(modules[0].name, "MaxBalanceModule");
    assert_string_equal(modules[1].name, "");
    assert_int_equal(modules[0].address.bytes[0], 0xaa);
    assert_int_equal(modules[1].address.bytes[0], 0xbb);
}

static void what_is_no_name_is_none(void **state)
{
    static const char *const names[] = {
        "0x",
        "0x" WORD("20") WORD("21") NAME_A,
        "0x" WORD("20") WORD("40") NAME_A,
        "0x" WORD("40") WORD("10") NAME_A,
        "0x" WORD("20")
            WORD("05") "4d2c780000000000000000000000000000000000000000000000000000000000",
        "0x" WORD("20")
            WORD("05") "4d61780a00000000000000000000000000000000000000000000000000000000"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(
            read_all((struct contract){"0x" WORD("20") WORD("01") MODULE_A, names[i], "!"}),
            NODE_OK);
        assert_string_equal(modules[0].name, "");
    }
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    assert_int_equal(read_all((struct contract){"!", NULL, NULL}), NODE_REVERTED);
    assert_int_equal(read_all((struct contract){NULL, NULL, NULL}), NODE_UNREACHABLE);
    assert_int_equal(read_all((struct contract){"0x", NULL, NULL}), NODE_UNFIT);
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("1a"), NULL, NULL}),
                     NODE_UNFIT);
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("01"), NULL, NULL}),
                     NODE_UNFIT);
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("01") NAME_A, NULL, NULL}),
                     NODE_UNFIT);
    assert_int_equal(read_all((struct contract){"0x" WORD("20") WORD("01") MODULE_A, NULL, NULL}),
                     NODE_UNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_have_their_names),
        cmocka_unit_test(what_is_no_name_is_none),
        cmocka_unit_test(what_is_no_list_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
