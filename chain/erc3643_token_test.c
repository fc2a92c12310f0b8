/* Contracts that are what they should be, and those that are not. The node is a table of functions
 * that answers by selector. */
#include "chain/erc3643_token.h"

#include "base/testing.h"

#include <stdio.h>
#include <string.h>

#define WORD(digits) "0x" digits
#define ZEROS_60     "000000000000000000000000000000000000000000000000000000000000"
#define WORD_0       WORD(ZEROS_60 "0000")
#define WORD_2       WORD(ZEROS_60 "0002")
#define WORD_18      WORD(ZEROS_60 "0012")
#define WORD_256     WORD(ZEROS_60 "0100")
#define WORD_2_128   WORD("0000000000000000000000000000000100000000000000000000000000000000")
#define WORD_FULL    WORD("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")
#define PART_A       WORD("000000000000000000000000aa00000000000000000000000000000000000000")
#define PART_B       WORD("000000000000000000000000bb00000000000000000000000000000000000000")

/* "!": it reverts. NULL: the node is not there. */
struct contract {
    const char *code, *decimals, *supply, *paused, *registry, *compliance;
    bool part_without_code;
};

static const struct contract sound = {"0x60", WORD_18, WORD_2, WORD_0, PART_A, PART_B, false};

static const char *answer_of(const struct contract *contract, const char *method,
                             const json_t *params)
{
    static const struct {
        uint32_t selector;
        size_t offset;
    } views[] = {{0x313ce567, offsetof(struct contract, decimals)},
                 {0x18160ddd, offsetof(struct contract, supply)},
                 {0x5c975abb, offsetof(struct contract, paused)},
                 {0x134e18f4, offsetof(struct contract, registry)},
                 {0x6290865d, offsetof(struct contract, compliance)}};
    if (strcmp(method, "eth_getCode") == 0) {
        const char *of = json_string_value(json_array_get(params, 0));
        bool is_part = strncmp(of, "0xbb", 4) == 0;
        return is_part && contract->part_without_code ? "0x" : contract->code;
    }
    assert_string_equal(method, "eth_call");
    const char *data = json_string_value(json_object_get(json_array_get(params, 0), "data"));
    for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
        if (strtoul(data, NULL, 16) == views[i].selector)
            return *(const char *const *)(const void *)((const char *)contract + views[i].offset);
    fail_msg("nobody expected %s", data);
    return NULL;
}

static void fake_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    const char *answer = answer_of(context, method, params);
    *reply = (struct rpc_reply){.status = answer == NULL ? RPC_TRANSPORT : RPC_OK};
    if (answer != NULL && answer[0] == '!') {
        reply->status = RPC_ERROR;
        reply->code = 3;
    } else if (answer != NULL) {
        reply->result = json_string(answer);
    }
    json_decref(params);
}

static const struct chain_address token = {{1}};

static void expect(const struct contract *contract, int decimals, enum node_result result,
                   enum erc3643_fitness fitness)
{
    struct contract copy = *contract;
    const struct rpc_ops ops = {.context = &copy, .call = fake_call};
    struct node node;
    enum erc3643_fitness found = ERC3643_FIT;
    node_init(&node, &ops);
    assert_int_equal(erc3643_token_check(&node, &found, &token, decimals, 7), result);
    if (result == NODE_OK)
        assert_string_equal(erc3643_fitness_text(found), erc3643_fitness_text(fitness));
}

static void a_token_is_what_it_was_taken_for(void **state)
{
    (void)state;
    expect(&sound, 18, NODE_OK, ERC3643_FIT);
    expect(&sound, ERC3643_DECIMALS_ANY, NODE_OK, ERC3643_FIT);
}

static void every_lie_of_a_contract_has_its_word(void **state)
{
    struct contract changed;

    (void)state;
    changed = sound, changed.code = "0x";
    expect(&changed, 18, NODE_OK, ERC3643_NO_CODE);
    expect(&sound, 6, NODE_OK, ERC3643_DECIMALS_DIFFER);
    changed = sound, changed.decimals = WORD_256;
    expect(&changed, ERC3643_DECIMALS_ANY, NODE_OK, ERC3643_DECIMALS_DIFFER);
    static const char *const no_numbers[] = {"!", "0x", "0x12", WORD_FULL};
    for (size_t i = 0; i < 4; i++) {
        changed = sound, changed.decimals = no_numbers[i];
        expect(&changed, 18, NODE_OK, ERC3643_NO_TOKEN);
    }
    static const char *const no_flags[] = {"!", "0x", WORD_2, WORD_FULL};
    for (size_t i = 0; i < 4; i++) {
        changed = sound, changed.paused = no_flags[i];
        expect(&changed, 18, NODE_OK, ERC3643_NO_TOKEN);
    }
    static const char *const wide[] = {WORD_2_128, WORD_FULL};
    for (size_t i = 0; i < 2; i++) {
        changed = sound, changed.supply = wide[i];
        expect(&changed, 18, NODE_OK, ERC3643_TOO_WIDE);
    }
    changed = sound, changed.registry = WORD_FULL; /* no address */
    expect(&changed, 18, NODE_OK, ERC3643_NO_TOKEN);
    changed = sound, changed.compliance = "!"; /* a plain ERC-20 has none */
    expect(&changed, 18, NODE_OK, ERC3643_NO_TOKEN);
    changed = sound, changed.part_without_code = true;
    expect(&changed, 18, NODE_OK, ERC3643_NO_SUITE);
}

static void a_node_that_fails_is_no_verdict(void **state)
{
    struct contract changed;

    (void)state;
    changed = sound, changed.code = NULL;
    expect(&changed, 18, NODE_UNREACHABLE, ERC3643_FIT);
    changed = sound, changed.supply = NULL;
    expect(&changed, 18, NODE_UNREACHABLE, ERC3643_FIT);
    changed = sound, changed.compliance = NULL;
    expect(&changed, 18, NODE_UNREACHABLE, ERC3643_FIT);
    changed = sound, changed.paused = "0xzz";
    expect(&changed, 18, NODE_GARBAGE, ERC3643_FIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_what_it_was_taken_for),
        cmocka_unit_test(every_lie_of_a_contract_has_its_word),
        cmocka_unit_test(a_node_that_fails_is_no_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
