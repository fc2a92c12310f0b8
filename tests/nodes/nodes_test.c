/* The mistakes that settlement can make, and the answers it lives by, on a real node: nodes_test
 * URL. Every case has one class for every node; where nodes differ in what they do, the case says
 * so. The chain is a development chain with public keys.
 */
#include "base/testing.h"
#include "chain/node.h"
#include "chain/transaction.h"

#include <stdio.h>
#include <string.h>

static const char *url;
static struct node node;
static uint64_t nonce;
static bool is_hardhat;
static struct chain_address sender, contract;
/* The first account of every development chain: public knowledge. */
static const char key_text[] = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
static uint8_t key[TRANSACTION_KEY_BYTES];

/* Creates a contract that stops when it is called without data, and else reverts with Error("no!").
 * By hand: there is no compiler here. */
static const uint8_t init_code[] = {
    /* returns what is behind it: PUSH1 116, DUP1, PUSH1 9, PUSH0, CODECOPY, PUSH0, RETURN */
    0x60, 0x74, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3,
    /* CALLDATASIZE, PUSH1 5, JUMPI, STOP, JUMPDEST */
    0x36, 0x60, 0x05, 0x57, 0x00, 0x5b,
    /* PUSH1 100, PUSH1 16, PUSH0, CODECOPY, PUSH1 100, PUSH0, REVERT */
    0x60, 0x64, 0x60, 0x10, 0x5f, 0x39, 0x60, 0x64, 0x5f, 0xfd,
    /* the selector of Error(string), 32, 3, "no!" */
    [25] = 0x08, 0xc3, 0x79, 0xa0, [60] = 0x20, [92] = 0x03, 'n', 'o', '!', [124] = 0x00};

static struct transaction transaction_of(void)
{
    return (struct transaction){.chain_id = 31337,
                                .nonce = nonce,
                                .priority_fee_wei = 1000000000,
                                .max_fee_wei = 20000000000,
                                .gas_limit = 100000,
                                .to = contract};
}

static uint8_t raw[1024];
static ssize_t raw_len;

static enum node_result send_as(const struct transaction *transaction, const uint8_t *by)
{
    raw_len = transaction_sign(raw, sizeof(raw), transaction, by);
    assert_true(raw_len > 0);
    return node_send_raw(&node, raw, (size_t)raw_len);
}

static enum node_result send(const struct transaction *transaction)
{
    return send_as(transaction, key);
}

static void expect(enum node_result found, enum node_result expected)
{
    if (found != expected)
        fail_msg("%s instead of %s: %lld %s", node_result_text(found), node_result_text(expected),
                 (long long)node.error.code, node.error.message);
}

static void ask(const char *method, json_t *params)
{
    struct rpc_reply reply;
    node.rpc.call(node.rpc.context, &reply, method, params);
    assert_int_equal(reply.status, RPC_OK);
    rpc_reply_fini(&reply);
}

static void get_receipt(struct node_receipt *receipt)
{
    const struct chain_hash hash = keccak256_hash(raw, (size_t)raw_len);
    receipt->found = false;
    for (int i = 0; i < 100 && !receipt->found; i++)
        expect(node_get_receipt(&node, receipt, &hash), NODE_OK);
    assert_true(receipt->found);
}

static int open_node(void **state)
{
    char error[128];
    struct rpc_ops rpc;
    const struct rpc_http_config config = {.url = url,
                                           .connect_timeout_ms = 2000,
                                           .call_timeout_ms = 20000,
                                           .response_bytes_max = 1 << 20};
    struct rpc_reply reply;

    (void)state;
    assert_true(rpc_http_open(&rpc, &config, error, sizeof(error)));
    node_init(&node, &rpc);
    assert_true(hex_decode_exact(key, sizeof(key), key_text));
    assert_true(transaction_key_address(&sender, key));
    rpc.call(rpc.context, &reply, "web3_clientVersion", json_array());
    assert_int_equal(reply.status, RPC_OK);
    print_message("%s\n", json_string_value(reply.result));
    is_hardhat = strcasestr(json_string_value(reply.result), "hardhat") != NULL;
    rpc_reply_fini(&reply);
    return 0;
}

static int close_node(void **state)
{
    (void)state;
    node_fini(&node);
    return 0;
}

/* Before each case: the nonce as it is, blocks at once. */
static int begin(void **state)
{
    (void)state;
    ask("evm_setAutomine", json_pack("[b]", 1));
    ask("evm_mine", json_array());
    expect(node_transaction_count(&node, &nonce, &sender, NODE_LATEST), NODE_OK);
    return 0;
}

/* ---- the cases, in this order
 * ----------------------------------------------------------------------- */

static void a_contract_is_created_where_sender_and_nonce_say(void **state)
{
    struct transaction tx = transaction_of();
    struct node_receipt receipt;
    bool has_code = true;

    (void)state;
    transaction_created_address(&contract, &sender, nonce);
    expect(node_has_code(&node, &has_code, &contract, NODE_LATEST), NODE_OK);
    assert_false(has_code);
    tx.creates_contract = true;
    tx.to = (struct chain_address){{0}};
    tx.calldata = init_code;
    tx.calldata_len = sizeof(init_code);
    expect(send(&tx), NODE_OK);
    get_receipt(&receipt);
    assert_true(receipt.succeeded);
    node_receipt_fini(&receipt);
    expect(node_has_code(&node, &has_code, &contract, NODE_LATEST), NODE_OK);
    assert_true(has_code);
}

static void a_revert_has_its_reason(void **state)
{
    static const uint8_t data[4] = {1};
    struct node_message message = {
        .from = sender, .to = contract, .calldata = data, .calldata_len = 4};
    uint8_t answer[32];
    size_t len = sizeof(answer);
    uint64_t gas;

    (void)state;
    expect(node_call(&node, answer, &len, &message, NODE_LATEST), NODE_REVERTED);
    assert_string_equal(node.error.reason, "no!");
    expect(node_estimate_gas(&node, &gas, &message), NODE_REVERTED);
    assert_string_equal(node.error.reason, "no!");
}

/* hardhat answers the broadcast with the revert, anvil takes it; mined it is with both. */
static void a_transaction_that_reverts_is_mined(void **state)
{
    static const uint8_t data[4] = {1};
    struct transaction tx = transaction_of();
    struct node_receipt receipt;

    (void)state;
    tx.calldata = data;
    tx.calldata_len = sizeof(data);
    expect(send(&tx), is_hardhat ? NODE_REVERTED : NODE_OK);
    get_receipt(&receipt);
    assert_false(receipt.succeeded);
    node_receipt_fini(&receipt);
}

static void the_same_bytes_again_are_known_or_their_nonce_is_used(void **state)
{
    struct transaction tx = transaction_of();

    (void)state;
    ask("evm_setAutomine", json_pack("[b]", 0));
    expect(send(&tx), NODE_OK);
    expect(node_send_raw(&node, raw, (size_t)raw_len), NODE_ALREADY_KNOWN);
    ask("evm_mine", json_array());
    expect(node_send_raw(&node, raw, (size_t)raw_len), NODE_NONCE_TOO_LOW);
}

/* anvil is content with one wei, hardhat and geth ask for a tenth. */
static void a_replacement_must_pay_more(void **state)
{
    struct transaction tx = transaction_of();

    (void)state;
    ask("evm_setAutomine", json_pack("[b]", 0));
    expect(send(&tx), NODE_OK);
    tx.max_fee_wei -= 1;
    expect(send(&tx), NODE_UNDERPRICED);
    tx.max_fee_wei = 22500000000; /* an eighth more of both, as settlement bids */
    tx.priority_fee_wei = 1125000000;
    expect(send(&tx), NODE_OK);
}

/* A node that mines at once takes no gap: hardhat says so, anvil keeps the transaction until the
 * gap is filled. */
static void a_gap_of_nonces_is_refused_or_waits(void **state)
{
    struct transaction tx = transaction_of();

    (void)state;
    tx.nonce += 5;
    expect(send(&tx), is_hardhat ? NODE_NONCE_TOO_HIGH : NODE_OK);
}

static void a_fee_below_the_base_fee_is_underpriced(void **state)
{
    struct transaction tx = transaction_of();

    (void)state;
    tx.max_fee_wei = tx.priority_fee_wei = 1;
    expect(send(&tx), NODE_UNDERPRICED);
}

static void gas_below_what_it_needs_or_above_the_cap_is_refused(void **state)
{
    struct transaction tx = transaction_of();

    (void)state;
    tx.gas_limit = 20000;
    expect(send(&tx), NODE_GAS_REFUSED);
    tx.gas_limit = 16777217; /* EIP-7825 */
    expect(send(&tx), NODE_GAS_REFUSED);
}

static void an_account_without_ether_is_told(void **state)
{
    static const uint8_t poor[TRANSACTION_KEY_BYTES] = {[31] = 99};
    struct transaction tx = transaction_of();

    (void)state;
    tx.nonce = 0;
    expect(send_as(&tx, poor), NODE_INSUFFICIENT_FUNDS);
}

static void what_is_none_of_its_business_is_refused(void **state)
{
    struct transaction tx = transaction_of();
    static const uint8_t junk[] = {0x02, 0xc0};
    struct rpc_reply reply;

    (void)state;
    tx.chain_id = 1;
    expect(send(&tx), NODE_REFUSED);
    expect(node_send_raw(&node, junk, sizeof(junk)), NODE_REFUSED);
    node.rpc.call(node.rpc.context, &reply, "lonja_nothing", json_array());
    expect(node_classify(&reply), NODE_REFUSED);
    rpc_reply_fini(&reply);
}

static void what_is_not_there_is_not_found(void **state)
{
    const struct chain_hash nowhere = {{1}};
    struct node_receipt receipt;
    struct node_transaction found;
    struct node_block block;

    (void)state;
    expect(node_get_receipt(&node, &receipt, &nowhere), NODE_OK);
    assert_false(receipt.found);
    node_receipt_fini(&receipt);
    expect(node_get_transaction(&node, &found, &nowhere), NODE_OK);
    assert_false(found.found);
    expect(node_get_block(&node, &block, 1000000), NODE_OK);
    assert_false(block.found);
    expect(node_get_block(&node, &block, NODE_FINALIZED), NODE_OK);
    assert_true(block.found);
}

#define CASE(name) cmocka_unit_test_setup(name, begin)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(a_contract_is_created_where_sender_and_nonce_say),
        CASE(a_revert_has_its_reason),
        CASE(a_transaction_that_reverts_is_mined),
        CASE(the_same_bytes_again_are_known_or_their_nonce_is_used),
        CASE(a_replacement_must_pay_more),
        CASE(a_fee_below_the_base_fee_is_underpriced),
        CASE(gas_below_what_it_needs_or_above_the_cap_is_refused),
        CASE(an_account_without_ether_is_told),
        CASE(what_is_none_of_its_business_is_refused),
        CASE(what_is_not_there_is_not_found),
        CASE(a_gap_of_nonces_is_refused_or_waits),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: nodes_test URL\n");
        return 2;
    }
    url = argv[1];
    return cmocka_run_group_tests(tests, open_node, close_node);
}
