// The real worker over real HTTP against nodes that lie, say nonsense or say it without end:
// nothing is signed on it, nothing is final on it, and once the node is honest every trade is
// settled as it should have been, once. Store, signer, core and the chain behind the nodes are the
// world in memory, which asserts that nothing is executed twice.
#include "base/testing.h"

#include <stdio.h>
#include <string.h>

#include "chain/hostile_node.h"
#include "chain/rpc_pool.h"
#include "settlement/settle_config.h"
#include "settlement/settle_fake.h"

#define SECOND UINT64_C(1000000000)

static struct fake_world world;
static struct hostile_node nodes[2];
static struct rpc_pool pool;
static struct rpc_ops endpoints;
static struct node node;
static struct settle settle;
static struct signer_ops honest_signer;
static unsigned signatures;
static bool is_open;
// Where nobody is silent an honest node has as long as a busy machine takes: one that is too late
// leaves the other to decide alone.
enum { PATIENT_MS = 10000, HASTY_MS = 150 };
static uint32_t call_timeout_ms = PATIENT_MS;
// The world is this thread's but while it waits for a node.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t world_now_ns(void *context)
{
    (void)context;
    return world.now_ns;
}

static void world_wait_ns(void *context, uint64_t ns)
{
    (void)context;
    world.now_ns += ns;
}

static void call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    (void)context;
    pthread_mutex_unlock(&lock);
    endpoints.call(endpoints.context, reply, method, params);
    pthread_mutex_lock(&lock);
}

static void nothing(void *context)
{
    (void)context;
}

static enum signer_result sign(void *context, struct signer_signed *out,
                               const struct signer_request *request)
{
    signatures++;
    return honest_signer.sign(context, out, request);
}

static void open_endpoint(const char *url)
{
    struct rpc_ops endpoint;
    char error[128];
    const struct rpc_http_config http = {.url = url,
                                         .connect_timeout_ms = 1000,
                                         .call_timeout_ms = call_timeout_ms,
                                         .response_bytes_max = 1 << 20};

    assert_true(rpc_http_open(&endpoint, &http, error, sizeof(error)));
    rpc_pool_add(&pool, url, &endpoint);
}

#define DEFAULT_INT(group, key, def, min, max, doc) .group##_##key = def,
#define DEFAULT_TEXT(group, key, def, doc)          .group##_##key = def,

static void worker_open(void)
{
    static const struct config defaults = {CONFIG_KEYS(DEFAULT_INT, DEFAULT_TEXT)};
    struct settle_config config = settle_config_of(&defaults);
    struct settle_store_ops store = fake_store(&world);
    struct settle_core_ops core = fake_core(&world);
    const struct rpc_ops rpc = {.call = call, .close = nothing};
    struct signer_ops signer;

    config.confirmations = 2;
    config.tick_ns = world.tick_ns;
    signer = honest_signer = fake_signer(&world);
    signer.sign = sign;
    node_init(&node, &rpc);
    memset(&settle, 0, sizeof settle);
    settle_init(&settle, &config, &store, &node, &signer, &core);
}

static void venue_open(size_t count)
{
    const struct rpc_ops truth = fake_rpc(&world);
    const struct rpc_pool_config config = {
        .chain_id = 31337,
        .agree = 2,
        .alone = true,
        .lag_max = 2,
        .time = {.now_ns = world_now_ns, .wait_ns = world_wait_ns}};

    pthread_mutex_lock(&lock);
    is_open = true;
    fake_init(&world, 1);
    signatures = 0;
    rpc_pool_init(&pool, &config);
    for (size_t i = 0; i < count; i++) {
        hostile_node_start(&nodes[i], &truth, &lock);
        open_endpoint(nodes[i].url);
    }
    endpoints = rpc_pool_ops(&pool);
    worker_open();
}

static void venue_close(void)
{
    is_open = false;
    pthread_mutex_unlock(&lock);
    endpoints.close(endpoints.context);
    for (size_t i = 0; i < pool.endpoint_count; i++)
        hostile_node_stop(&nodes[i]);
}

static void step(void)
{
    settle_do_work(&settle, world.now_ns);
    world.now_ns += SECOND;
    if (world.now_ns / SECOND % 2 == 0)
        fake_mine(&world);
}

static void steps(int count)
{
    for (int i = 0; i < count; i++)
        step();
}

// On a busy machine an honest node may be too late, too.
static void until_signed(unsigned count)
{
    for (int i = 0; i < 20 && signatures < count; i++)
        step();
    assert_int_equal(signatures, count);
}

static bool all_final(void)
{
    for (size_t i = 0; i < world.trade_count; i++)
        if ((world.trades[i].state != SETTLE_TRADE_SETTLED &&
             world.trades[i].state != SETTLE_TRADE_FAILED) ||
            world.trades[i].request_open)
            return false;
    for (size_t i = 0; i < world.result_count; i++)
        if (!world.result_answered[i])
            return false;
    return true;
}

static void run_to_end(void)
{
    for (int i = 0; i < 300 && !all_final(); i++)
        step();
    assert_true(all_final());
    fake_check_end(&world);
}

static bool is_undecided(const struct fake_trade *trade)
{
    return trade->state == SETTLE_TRADE_PENDING || trade->state == SETTLE_TRADE_PROCESSING;
}

// ---- nonsense

static const char *const manners[] = {
#define X(name, sees) #name ": " sees,
    HOSTILE_MANNERS(X)
#undef X
};

// The only endpoint there is.
static void nothing_is_signed_on_nonsense(void **state)
{
    (void)state;
    call_timeout_ms = HASTY_MS;
    for (enum hostile_manner manner = HOSTILE_NOT_JSON; manner < HOSTILE_MANNER_COUNT; manner++) {
        venue_open(1);
        nodes[0].manner = manner;
        fake_trade(&world, fake_seller, fake_buyer, 100);
        steps(6);
        if (signatures > 0 || !is_undecided(&world.trades[0]) || nodes[0].asked == 0)
            fail_msg("%s", manners[manner]);
        nodes[0].manner = HOSTILE_HONEST;
        run_to_end();
        assert_int_equal(world.trades[0].state, SETTLE_TRADE_SETTLED);
        assert_int_equal(signatures, 1);
        venue_close();
    }
}

// It begins once the transaction is out: nothing is final on it, and nothing is signed again.
static void nothing_is_final_on_nonsense(void **state)
{
    (void)state;
    call_timeout_ms = HASTY_MS;
    for (enum hostile_manner manner = HOSTILE_NOT_JSON; manner < HOSTILE_MANNER_COUNT; manner++) {
        venue_open(1);
        fake_trade(&world, fake_seller, fake_buyer, 100);
        until_signed(1);
        nodes[0].manner = manner;
        steps(6);
        if (signatures > 1 || !is_undecided(&world.trades[0]))
            fail_msg("%s", manners[manner]);
        nodes[0].manner = HOSTILE_HONEST;
        run_to_end();
        assert_int_equal(world.trades[0].state, SETTLE_TRADE_SETTLED);
        assert_int_equal(signatures, 1);
        venue_close();
    }
}

// One of two, wherever it stands in the list: settlement goes on with the other.
static void nonsense_of_one_of_two_is_no_obstacle(void **state)
{
    (void)state;
    call_timeout_ms = HASTY_MS;
    for (enum hostile_manner manner = HOSTILE_NOT_JSON; manner < HOSTILE_MANNER_COUNT; manner++) {
        size_t bad = manner % 2;
        venue_open(2);
        nodes[bad].manner = manner;
        fake_trade(&world, fake_seller, fake_buyer, 100);
        run_to_end();
        if (world.trades[0].state != SETTLE_TRADE_SETTLED)
            fail_msg("%s", manners[manner]);
        assert_true(pool.endpoints[bad].state != RPC_ENDPOINT_UP);
        venue_close();
    }
}

// ---- lies

static json_t *instead(json_t *truth, json_t *lie)
{
    json_decref(truth);
    return lie;
}

static json_t *word(uint64_t value)
{
    struct abi_word bytes = abi_from_u128(value);
    char text[HEX_TEXT_SIZE(ABI_WORD_BYTES)];

    hex_encode(text, bytes.bytes, ABI_WORD_BYTES);
    return json_string(text);
}

// The calldata of a question, or the first of it, asks for `selector`.
static bool is_of(const uint8_t *calldata, size_t len, uint32_t selector)
{
    const uint8_t of[ABI_SELECTOR_BYTES] = {(uint8_t)(selector >> 24), (uint8_t)(selector >> 16),
                                            (uint8_t)(selector >> 8), (uint8_t)selector};

    return len >= sizeof(of) && memcmp(calldata, of, sizeof(of)) == 0;
}

// A view answers `value`, asked alone or among others (chain/multicall.h).
static json_t *view_lie(const char *method, const json_t *params, json_t *result, uint32_t selector,
                        uint64_t value)
{
    static uint8_t data[SETTLE_CALLDATA_MAX];
    static uint8_t answers[MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES];
    static char text[HEX_TEXT_SIZE(sizeof(answers))];
    const json_t *message = json_array_get(params, 0);
    const char *data_text = json_string_value(json_object_get(message, "data"));
    struct abi_word lie = abi_from_u128(value);
    struct multicall_question question;
    size_t offset = multicall_code_len;

    if (strcmp(method, "eth_call") != 0)
        return result;
    ssize_t len = hex_decode(data, sizeof(data), data_text);
    assert_true(len > 0);
    if (json_object_get(message, "to") != NULL)
        return is_of(data, (size_t)len, selector) ? instead(result, word(value)) : result;
    ssize_t answers_len = hex_decode(answers, sizeof(answers), json_string_value(result));
    assert_true(answers_len > 0);
    for (size_t at = ABI_WORD_BYTES; multicall_next(&question, &offset, data, (size_t)len);
         at += MULTICALL_ANSWER_BYTES)
        if (is_of(question.calldata, question.calldata_len, selector))
            memcpy(answers + at, lie.bytes, ABI_WORD_BYTES);
    hex_encode(text, answers, (size_t)answers_len);
    return instead(result, json_string(text));
}

static json_t *chain(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    return strcmp(method, "eth_chainId") == 0 ? instead(result, json_string("0x1")) : result;
}

static json_t *rich(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_BALANCE_OF, UINT64_MAX);
}

static json_t *verified(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_IS_VERIFIED, 1);
}

static json_t *thawed(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_IS_FROZEN, 0);
}

static json_t *running(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_PAUSED, 0);
}

static json_t *compliant(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_CAN_TRANSFER, 1);
}

static json_t *paused(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_PAUSED, 1);
}

static json_t *no_code(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    return strcmp(method, "eth_getCode") == 0 ? instead(result, json_string("0x")) : result;
}

static json_t *cents(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context;
    return view_lie(method, params, result, ERC3643_DECIMALS, 2);
}

static json_t *reverts(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_estimateGas") != 0)
        return result;
    return instead(result, json_pack("{s:i, s:s}", "code", 3, "message", "execution reverted: no"));
}

static json_t *nonces(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    return strcmp(method, "eth_getTransactionCount") == 0
               ? instead(result, json_string("0x3b9aca00"))
               : result;
}

static json_t *other_block(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_getBlockByNumber") == 0 && json_is_object(result))
        json_object_set(result, "hash", json_object_get(result, "parentHash"));
    return result;
}

// What the world is like when the trade comes, what is said of it, and how the trade ends once
// nobody lies.
static const struct {
    const char *name;
    json_t *(*lie)(void *context, const char *method, const json_t *params, json_t *result);
    enum { AS_IT_IS, POOR, UNVERIFIED, FROZEN, PAUSED, REFUSED } world;
    const char *reason; // of the failed trade; "" = settled
    bool releases;      // the trade was tried, and waits with its own word for it
} lies[] = {
    {"a balance that is not there", rich, POOR, "balance", true},
    {"a buyer that is not registered", verified, UNVERIFIED, "not_registered_receiver", true},
    {"a frozen wallet that is not frozen", thawed, FROZEN, "frozen_receiver", true},
    {"a paused token that is not paused", running, PAUSED, "paused", true},
    {"a transfer that compliance allows", compliant, REFUSED, "compliance", true},
    {"a token that is paused", paused, AS_IT_IS, "", true},
    {"a contract that is none", no_code, AS_IT_IS, "", true},
    {"a transfer that reverts", reverts, AS_IT_IS, "", true},
    {"other decimals", cents, AS_IT_IS, "", true},
    {"nonces that are used", nonces, AS_IT_IS, "", false},
    {"another block at the height", other_block, AS_IT_IS, "", false},
};
enum { LIES = sizeof(lies) / sizeof(lies[0]) };

static void change_world(size_t i)
{
    struct fake_wallet *buyer = fake_wallet_of(&world, fake_buyer);

    fake_trade(&world, fake_seller, fake_buyer, lies[i].world == POOR ? 100000000 : 100);
    buyer->verified = lies[i].world != UNVERIFIED;
    buyer->frozen = lies[i].world == FROZEN;
    world.paused = lies[i].world == PAUSED;
    world.can_transfer = lies[i].world != REFUSED;
}

static void a_lie_of_one_of_two_decides_nothing(void **state)
{
    (void)state;
    for (size_t run = 0; run < 2 * (size_t)LIES; run++) {
        size_t i = run / 2;
        struct hostile_node *liar = &nodes[run % 2];
        venue_open(2);
        liar->lie = lies[i].lie;
        change_world(i);
        steps(15);
        if (signatures > 0 || !is_undecided(&world.trades[0]))
            fail_msg("%s was believed", lies[i].name);
        assert_true(pool.counters.disagreements > 0);
        if (lies[i].releases)
            assert_string_equal(world.trades[0].reason, SETTLE_REASON_DISAGREE);
        liar->lie = NULL;
        run_to_end();
        assert_string_equal(world.trades[0].reason, lies[i].reason);
        assert_int_equal(signatures, lies[i].reason[0] == '\0');
        venue_close();
    }
}

// ---- lies about what has been sent

static json_t *deeper(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_getTransactionReceipt") == 0 && json_is_object(result))
        json_object_set_new(result, "blockNumber", json_string("0x1"));
    return result;
}

static json_t *failed(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_getTransactionReceipt") == 0 && json_is_object(result)) {
        json_object_set_new(result, "status", json_string("0x0"));
        json_object_set_new(result, "logs", json_array());
    }
    return result;
}

static json_t *vanished(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    return strcmp(method, "eth_getTransactionReceipt") == 0 ? instead(result, json_null()) : result;
}

static json_t *other_gas(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_getTransactionReceipt") == 0 && json_is_object(result))
        json_object_set_new(result, "gasUsed", json_string("0xffffff"));
    return result;
}

static json_t *other_hash(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_getTransactionReceipt") == 0 && json_is_object(result))
        json_object_set(result, "blockHash", json_object_get(result, "transactionHash"));
    return result;
}

static void a_lie_about_a_receipt_makes_nothing_final(void **state)
{
    static json_t *(*const told[])(void *, const char *, const json_t *,
                                   json_t *) = {deeper, failed, vanished, other_gas, other_hash};

    (void)state;
    for (size_t run = 0; run < 2 * sizeof(told) / sizeof(told[0]); run++) {
        struct hostile_node *liar = &nodes[run % 2];
        venue_open(2);
        liar->lie = told[run / 2];
        fake_trade(&world, fake_seller, fake_buyer, 100);
        steps(30);
        if (world.trades[0].state != SETTLE_TRADE_PROCESSING || signatures != 1)
            fail_msg("lie %zu was believed", run / 2);
        assert_int_equal(world.trades[0].executed, 1);
        liar->lie = NULL;
        run_to_end();
        assert_int_equal(world.trades[0].state, SETTLE_TRADE_SETTLED);
        assert_int_equal(signatures, 1);
        venue_close();
    }
}

static json_t *far_ahead(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    return strcmp(method, "eth_blockNumber") == 0 ? instead(result, json_string("0xffffff"))
                                                  : result;
}

// Settled it is, but not before the honest node has seen the confirmations.
static void a_height_that_is_invented_makes_nothing_final_early(void **state)
{
    (void)state;
    for (size_t liar = 0; liar < 2; liar++) {
        venue_open(2);
        settle.config.confirmations = 12;
        nodes[liar].lie = far_ahead;
        fake_trade(&world, fake_seller, fake_buyer, 100);
        while (world.trades[0].state != SETTLE_TRADE_SETTLED) {
            step();
            assert_true(world.block < 100);
        }
        assert_true(world.block >= world.txs[0].block + 11);
        run_to_end();
        venue_close();
    }
}

// ---- alone it can lie, but not about everything

static void another_chain_gets_no_signature(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        venue_open(count);
        nodes[0].lie = nodes[1].lie = chain;
        fake_trade(&world, fake_seller, fake_buyer, 100);
        steps(15);
        assert_int_equal(signatures, 0);
        assert_int_equal(world.trades[0].state, SETTLE_TRADE_PENDING);
        assert_int_equal(pool.endpoints[0].state, RPC_ENDPOINT_OTHER_CHAIN);
        nodes[0].lie = nodes[1].lie = NULL;
        world.now_ns += 61 * SECOND; // another chain is looked at again after a minute
        run_to_end();
        assert_int_equal(world.trades[0].state, SETTLE_TRADE_SETTLED);
        venue_close();
    }
}

// The connection is the same, and what it was told before was all true: one trade is settled, one
// is sent, one has come since.
static void another_chain_behind_an_open_connection_is_noticed(void **state)
{
    (void)state;
    venue_open(1);
    fake_trade(&world, fake_seller, fake_buyer, 100);
    run_to_end();
    fake_trade(&world, fake_seller, fake_buyer, 200);
    until_signed(2);
    nodes[0].lie = chain;
    fake_trade(&world, fake_seller, fake_buyer, 300);
    steps(15);
    assert_int_equal(signatures, 2);
    assert_int_equal(pool.endpoints[0].state, RPC_ENDPOINT_OTHER_CHAIN);
    assert_true(settle.is_other_chain);
    assert_true(is_undecided(&world.trades[1]) && is_undecided(&world.trades[2]));
    nodes[0].lie = NULL;
    run_to_end();
    assert_int_equal(signatures, 3);
    assert_int_equal(world.trades[2].state, SETTLE_TRADE_SETTLED);
    venue_close();
}

// It comes in the middle of a pass, behind the first look at the chain: the contract is not there.
static unsigned chain_asked;

static json_t *chain_in_mid_pass(void *context, const char *method, const json_t *params,
                                 json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_chainId") == 0)
        return chain_asked++ > 0 ? instead(result, json_string("0x1")) : result;
    return strcmp(method, "eth_getCode") == 0 ? instead(result, json_string("0x")) : result;
}

static void another_chain_in_the_middle_of_a_pass_ends_nothing(void **state)
{
    (void)state;
    venue_open(1);
    steps(2);
    chain_asked = 0;
    nodes[0].lie = chain_in_mid_pass;
    fake_trade(&world, fake_seller, fake_buyer, 100);
    steps(5);
    assert_true(chain_asked > 1);
    assert_true(is_undecided(&world.trades[0]));
    nodes[0].lie = NULL;
    run_to_end();
    assert_int_equal(world.trades[0].state, SETTLE_TRADE_SETTLED);
    venue_close();
}

static json_t *dear(void *context, const char *method, const json_t *params, json_t *result)
{
    (void)context, (void)params;
    if (strcmp(method, "eth_feeHistory") != 0)
        return result;
    return instead(result, json_pack("{s:[s], s:[[s]]}", "baseFeePerGas", "0x3b9aca00", "reward",
                                     "0x38d7ea4c68000")); // a tip of a million gwei
}

static void what_is_paid_is_never_the_nodes_to_say(void **state)
{
    (void)state;
    venue_open(1);
    nodes[0].lie = dear;
    fake_trade(&world, fake_seller, fake_buyer, 100);
    run_to_end();
    assert_int_equal(world.txs[0].priority_fee_wei, settle.config.fees.priority_cap_wei);
    assert_true(world.txs[0].max_fee_wei <= settle.config.fees.cap_wei);
    venue_close();
}

// If need be: of a test that has failed.
static int clean_up(void **state)
{
    (void)state;
    if (is_open)
        venue_close();
    call_timeout_ms = PATIENT_MS;
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_signed_on_nonsense),
        TEST(nothing_is_final_on_nonsense),
        TEST(nonsense_of_one_of_two_is_no_obstacle),
        TEST(a_lie_of_one_of_two_decides_nothing),
        TEST(a_lie_about_a_receipt_makes_nothing_final),
        TEST(a_height_that_is_invented_makes_nothing_final_early),
        TEST(another_chain_gets_no_signature),
        TEST(another_chain_behind_an_open_connection_is_noticed),
        TEST(another_chain_in_the_middle_of_a_pass_ends_nothing),
        TEST(what_is_paid_is_never_the_nodes_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
