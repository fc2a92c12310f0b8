/* The pool over endpoints in memory, whose answers, silences and heads each test sets, on a clock
 * of its own. */
#include "chain/rpc_pool.h"

#include "base/testing.h"
#include "chain/node.h"

#include <stdio.h>
#include <string.h>

#define CHAIN  137
#define SECOND UINT64_C(1000000000)
#define MS     UINT64_C(1000000)
#define HASH_1 "0x1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "0x2222222222222222222222222222222222222222222222222222222222222222"

struct fake {
    uint64_t chain_id;
    uint64_t head;
    enum rpc_status status;  /* of every answer but to eth_chainId, or … */
    uint32_t retry_after_ms; /* … */
    bool connected;          /* the next answer comes over a new connection */
    uint64_t slow_ns;
    const char *method; /* answered by `answer` ("!words": an error), everything else by 0x11 */
    const char *answer;
    unsigned asked; /* `method`, or anything but head and chain where there is none */
    unsigned chain_asked;
    char params[512]; /* of the last such question */
    unsigned ahead;   /* questions that were sent ahead */
    bool closed;
};

static struct fake fakes[3];
static struct rpc_pool pool;
static struct rpc_ops ops;
static uint64_t now_ns;
static uint64_t waited_ns;

static uint64_t fake_now_ns(void *context)
{
    (void)context;
    return now_ns;
}

static void fake_wait_ns(void *context, uint64_t ns)
{
    (void)context;
    now_ns += ns;
    waited_ns += ns;
}

static void answer_text(struct rpc_reply *reply, const char *text)
{
    if (text[0] == '!') {
        reply->status = RPC_ERROR;
        snprintf(reply->message, sizeof(reply->message), "%s", text + 1);
    } else {
        reply->result = json_loads(text, JSON_DECODE_ANY, NULL);
        assert_non_null(reply->result);
    }
}

static void answer_number(struct rpc_reply *reply, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof(text), "\"0x%llx\"", (unsigned long long)number);
    answer_text(reply, text);
}

static void note_question(struct fake *fake, const json_t *params)
{
    char *text = json_dumps(params, JSON_COMPACT);
    fake->asked++;
    snprintf(fake->params, sizeof(fake->params), "%s", text);
    free(text);
}

static void fake_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct fake *fake = context;
    *reply = (struct rpc_reply){.connected = fake->connected};
    fake->connected = false;
    now_ns += fake->slow_ns;
    if (strcmp(method, "eth_chainId") == 0) {
        fake->chain_asked++;
        if (fake->status == RPC_OK)
            answer_number(reply, fake->chain_id);
    } else if (strcmp(method, "eth_blockNumber") == 0) {
        if (fake->status == RPC_OK)
            answer_number(reply, fake->head);
    } else {
        if (fake->method == NULL || strcmp(fake->method, method) == 0)
            note_question(fake, params);
        bool special = fake->method != NULL && strcmp(fake->method, method) == 0;
        if (fake->status == RPC_OK)
            answer_text(reply, special ? fake->answer : "\"0x11\"");
    }
    if (fake->status != RPC_OK) {
        reply->status = fake->status;
        reply->retry_after_ms = fake->retry_after_ms;
        snprintf(reply->message, sizeof(reply->message), "set by the test");
    }
    json_decref(params);
}

static void fake_ahead(void *context, json_t *questions)
{
    struct fake *fake = context;
    fake->ahead += (unsigned)json_array_size(questions);
    json_array_clear(questions); /* it is this endpoint's own */
    json_decref(questions);
}

static void fake_close(void *context)
{
    ((struct fake *)context)->closed = true;
}

static void open_pool_of(size_t count, struct rpc_pool_config config)
{
    static const char *const names[] = {"http://a", "http://b", "http://c"};
    now_ns = 1000 * SECOND;
    waited_ns = 0;
    config.chain_id = CHAIN;
    config.time = (struct rpc_time){.now_ns = fake_now_ns, .wait_ns = fake_wait_ns};
    rpc_pool_init(&pool, &config);
    memset(fakes, 0, sizeof(fakes));
    for (size_t i = 0; i < count; i++) {
        fakes[i] = (struct fake){.chain_id = CHAIN, .head = 100};
        const struct rpc_ops table = {
            .context = &fakes[i], .call = fake_call, .close = fake_close, .ahead = fake_ahead};
        rpc_pool_add(&pool, names[i], &table);
    }
    ops = rpc_pool_ops(&pool);
}

static void open_pool(size_t count)
{
    open_pool_of(count, (struct rpc_pool_config){.agree = 2, .alone = true, .lag_max = 2});
}

static struct rpc_reply last;

static enum rpc_status ask(const char *method, const char *params)
{
    rpc_reply_fini(&last);
    ops.call(ops.context, &last, method, json_loads(params, 0, NULL));
    return last.status;
}

static const char *text(void)
{
    return json_string_value(last.result);
}

static enum rpc_endpoint_state state_of(size_t i)
{
    return pool.endpoints[i].state;
}

static void say(size_t i, const char *method, const char *answer)
{
    fakes[i].method = method;
    fakes[i].answer = answer;
}

#define PLAIN  "net_version"
#define CALL   "eth_call"
#define AT_5   "[{},\"0x5\"]"
#define LATEST "[{},\"latest\"]"

/* ---- plain questions
 * -------------------------------------------------------------------------------- */

static void a_plain_question_is_asked_of_one_and_of_the_next_where_that_fails(void **state)
{
    (void)state;
    open_pool(3);
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[0].asked, 1);
    assert_int_equal(fakes[1].asked + fakes[2].asked, 0);
    fakes[0].status = RPC_TRANSPORT;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[1].asked, 1);
    assert_int_equal(pool.counters.failovers, 1);
    assert_int_equal(state_of(0), RPC_ENDPOINT_DOWN);
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK); /* not even tried */
    assert_int_equal(fakes[0].asked, 2);
    fakes[1].status = RPC_GARBAGE;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[2].asked, 1);
    ops.close(ops.context);
    assert_true(fakes[0].closed && fakes[1].closed && fakes[2].closed);
}

static void an_answer_that_can_be_none_is_as_none(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        open_pool(count);
        say(0, "eth_feeHistory", "\"0x1\"");
        say(1, "eth_feeHistory", "{\"baseFeePerGas\":[\"0x1\"]}");
        assert_int_equal(ask("eth_feeHistory", "[]"), count == 1 ? RPC_GARBAGE : RPC_OK);
        assert_int_equal(state_of(0), RPC_ENDPOINT_DOWN);
        assert_int_equal(pool.endpoints[0].counters.garbage, 1);
    }
    say(0, CALL, "{}");
    say(1, CALL, "\"0x07\"");
    now_ns += SECOND;
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
    assert_string_equal(text(), "0x07");
}

static void an_endpoint_backs_off_ever_longer_and_comes_back_at_its_first_answer(void **state)
{
    uint64_t before_ns = 0;

    (void)state;
    open_pool(2);
    fakes[0].status = RPC_TRANSPORT;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
        uint64_t wait_ns = pool.endpoints[0].retry_ns - now_ns;
        assert_true(wait_ns >= before_ns && wait_ns <= 30 * SECOND);
        assert_int_equal(pool.endpoints[0].failures, i + 1);
        before_ns = wait_ns;
        now_ns = pool.endpoints[0].retry_ns;
    }
    assert_int_equal(before_ns, 30 * SECOND);
    fakes[0].status = RPC_OK;
    assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
    assert_int_equal(state_of(0), RPC_ENDPOINT_UP);
    assert_int_equal(pool.endpoints[0].failures, 0);
}

static void when_all_are_out_the_first_to_return_is_tried_all_the_same(void **state)
{
    (void)state;
    open_pool(2);
    fakes[0].status = fakes[1].status = RPC_TRANSPORT;
    assert_int_equal(ask(PLAIN, "[]"), RPC_TRANSPORT);
    assert_int_equal(pool.counters.failures, 1);
    fakes[0].status = fakes[1].status = RPC_OK;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
}

static void a_refusal_is_no_answer_while_another_knows(void **state)
{
    (void)state;
    open_pool(2);
    say(0, CALL, "!header not found"); /* it has forgotten the block */
    say(1, CALL, "\"0x07\"");
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
    assert_string_equal(text(), "0x07");
    assert_int_equal(pool.counters.alone, 1);
    assert_int_equal(state_of(0), RPC_ENDPOINT_UP); /* its answer, not its fault */
    say(1, CALL, "!header not found");
    assert_int_equal(ask(CALL, AT_5), RPC_ERROR);
}

static void one_with_many_errors_or_a_slow_one_is_asked_last(void **state)
{
    (void)state;
    open_pool(2);
    fakes[0].slow_ns = 5 * SECOND;
    for (int i = 0; i < 10 && fakes[1].asked == 0; i++)
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[1].asked, 1);
    open_pool(2);
    for (int i = 0; i < 40; i++) { /* every other call fails */
        fakes[0].status = i % 2 == 0 ? RPC_TRANSPORT : RPC_OK;
        now_ns += 60 * SECOND;
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    }
    unsigned before = fakes[0].asked;
    fakes[0].status = RPC_OK;
    now_ns += 60 * SECOND;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[0].asked, before);
}

/* ---- chains
 * ----------------------------------------------------------------------------------------- */

static void an_endpoint_of_another_chain_is_never_asked_anything_else(void **state)
{
    (void)state;
    open_pool(2);
    fakes[0].chain_id = 1;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[0].asked, 0);
    assert_int_equal(state_of(0), RPC_ENDPOINT_OTHER_CHAIN);
    assert_int_equal(pool.endpoints[0].other_chain_id, 1);
    assert_int_equal(ask("eth_sendRawTransaction", "[\"0x02\"]"), RPC_OK);
    assert_int_equal(fakes[0].asked, 0);
    fakes[0].chain_id = CHAIN; /* somebody corrects it */
    now_ns += 61 * SECOND;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[0].asked, 1);
}

static void when_all_are_on_another_chain_the_caller_hears_which(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        open_pool(count);
        fakes[0].chain_id = fakes[1].chain_id = 5;
        assert_int_equal(ask("eth_chainId", "[]"), RPC_OK);
        assert_string_equal(text(), "0x5");
        assert_int_equal(ask(PLAIN, "[]"), RPC_TRANSPORT);
        assert_int_equal(ask(CALL, LATEST), RPC_TRANSPORT);
        assert_int_equal(fakes[0].asked + fakes[1].asked, 0);
    }
}

static void behind_a_new_connection_the_chain_is_looked_at_again(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        open_pool(count);
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
        assert_int_equal(fakes[0].chain_asked, 1);
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
        assert_int_equal(fakes[0].chain_asked, 1);
        fakes[0].connected = true; /* restarted, and it is another one */
        fakes[0].chain_id = 1;
        enum rpc_status status = ask(PLAIN, "[]");
        assert_int_equal(status, count == 1 ? RPC_TRANSPORT : RPC_OK);
        assert_int_equal(fakes[0].chain_asked, 2);
        assert_int_equal(state_of(0), RPC_ENDPOINT_OTHER_CHAIN);
    }
}

/* ---- rates
 * ------------------------------------------------------------------------------------------ */

static void no_endpoint_is_asked_more_often_than_allowed(void **state)
{
    (void)state;
    open_pool_of(1, (struct rpc_pool_config){.agree = 2, .rate_per_second = 10});
    uint64_t began_ns = now_ns;
    for (int i = 0; i < 49; i++) /* and the look at its chain */
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(now_ns - began_ns, 4 * SECOND); /* the bucket held the first ten */
    assert_true(pool.endpoints[0].counters.waits >= 39);
    now_ns += 100 * SECOND; /* a bucket holds a second's calls, not a hundred seconds' */
    began_ns = now_ns;
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(now_ns - began_ns, SECOND);
}

static void a_plain_question_goes_to_who_has_a_turn_left(void **state)
{
    (void)state;
    open_pool_of(2, (struct rpc_pool_config){.agree = 2, .rate_per_second = 10});
    for (int i = 0; i < 18; i++)
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(fakes[0].asked, 9);
    assert_int_equal(fakes[1].asked, 9);
    assert_int_equal(waited_ns, 0);
}

static void retry_after_is_honoured_even_by_an_endpoint_alone(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 2; count++) {
        open_pool(count);
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
        fakes[0].status = RPC_LIMITED;
        fakes[0].retry_after_ms = 7000;
        if (count == 2)
            fakes[1].status = RPC_TRANSPORT;
        assert_int_equal(ask(PLAIN, "[]"), RPC_LIMITED);
        unsigned asked = fakes[0].asked;
        fakes[0].status = RPC_OK;
        now_ns += 6999 * MS;
        assert_true(ask(PLAIN, "[]") != RPC_OK);
        assert_int_equal(fakes[0].asked, asked);
        now_ns += 2 * MS;
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    }
}

/* ---- what is sent ahead
 * -------------------------------------------------------------------------------------- */

static void ask_ahead(unsigned count)
{
    json_t *questions = json_array();
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(questions, json_pack("{s:s, s:[]}", "method", PLAIN, "params"));
    ops.ahead(ops.context, questions);
}

static void who_is_to_agree_is_asked_ahead(void **state)
{
    (void)state;
    open_pool_of(3, (struct rpc_pool_config){.agree = 2});
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
    ask_ahead(3);
    assert_int_equal(fakes[0].ahead, 3);
    assert_int_equal(fakes[1].ahead, 3);
    assert_int_equal(fakes[2].ahead, 0);
    fakes[0].status = RPC_TRANSPORT; /* the next two are asked */
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    ask_ahead(3);
    assert_int_equal(fakes[0].ahead, 3);
    assert_int_equal(fakes[1].ahead, 6);
    assert_int_equal(fakes[2].ahead, 3);
}

static void nobody_is_asked_ahead_above_his_rate(void **state)
{
    (void)state;
    open_pool_of(1, (struct rpc_pool_config){.agree = 2, .rate_per_second = 10});
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK); /* and its chain */
    ask_ahead(9);
    assert_int_equal(fakes[0].ahead, 0);
    ask_ahead(8);
    assert_int_equal(fakes[0].ahead, 8);
    for (int i = 0; i < 8; i++) /* they are paid for */
        assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(waited_ns, 0);
    ask_ahead(1);
    assert_int_equal(fakes[0].ahead, 8);
    now_ns += 100 * MS;
    ask_ahead(1);
    assert_int_equal(fakes[0].ahead, 9);
}

/* It may be well again at any moment: nobody waits for long where nothing was said. */
static void who_does_not_say_for_how_long_is_asked_again_soon(void **state)
{
    (void)state;
    open_pool(1);
    fakes[0].status = RPC_LIMITED;
    for (int i = 0; i < 10; i++) {
        unsigned asked = fakes[0].chain_asked;
        assert_int_equal(ask(PLAIN, "[]"), RPC_LIMITED);
        assert_int_equal(fakes[0].chain_asked, asked + 1);
        now_ns += 5001 * MS;
    }
    assert_string_equal(pool.endpoints[0].problem, "set by the test");
    fakes[0].status = RPC_OK;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_string_equal(pool.endpoints[0].problem, "");
}

/* Behind an address and an open connection another node may stand at any time. */
static void who_asks_for_the_chain_is_told_what_it_is_now(void **state)
{
    (void)state;
    open_pool(1);
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    fakes[0].chain_id = 1;
    assert_int_equal(ask("eth_chainId", "[]"), RPC_OK);
    assert_string_equal(json_string_value(last.result), "0x1");
    assert_int_equal(pool.endpoints[0].state, RPC_ENDPOINT_OTHER_CHAIN);
    assert_int_equal(ask(PLAIN, "[]"), RPC_TRANSPORT);
    fakes[0].chain_id = CHAIN;
    assert_int_equal(ask(PLAIN, "[]"), RPC_OK);
    assert_int_equal(pool.endpoints[0].state, RPC_ENDPOINT_UP);
}

/* ---- heights
 * ---------------------------------------------------------------------------------------- */

static void the_pools_height_is_the_lowest_of_those_that_keep_up(void **state)
{
    (void)state;
    open_pool(3);
    fakes[1].head = 99;
    fakes[2].head = 50;
    assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
    assert_string_equal(text(), "0x63");
    assert_int_equal(state_of(2), RPC_ENDPOINT_BEHIND);
    fakes[2].head = 100;
    assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
    assert_int_equal(state_of(2), RPC_ENDPOINT_UP);
}

static void one_that_claims_to_be_far_ahead_moves_nobody(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 3; count++) {
        open_pool(count);
        fakes[0].head = 1000000000;
        for (int i = 0; i < 100; i++) {
            now_ns += SECOND;
            fakes[1].head++;
            fakes[2].head++;
            assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
            assert_int_equal(pool.height, fakes[1].head);
        }
        assert_int_equal(state_of(1), RPC_ENDPOINT_UP);
    }
}

static void one_that_stands_still_is_left_behind(void **state)
{
    (void)state;
    open_pool(2);
    for (int i = 0; i < 40; i++) {
        now_ns += SECOND;
        fakes[0].head++;
        assert_int_equal(ask("eth_blockNumber", "[]"), RPC_OK);
    }
    assert_int_equal(state_of(1), RPC_ENDPOINT_BEHIND);
    assert_int_equal(pool.height, fakes[0].head);
}

static void latest_is_the_same_block_for_all(void **state)
{
    (void)state;
    open_pool(2);
    fakes[0].head = 101;
    say(0, CALL, "\"0x07\"");
    say(1, CALL, "\"0x07\"");
    assert_int_equal(ask(CALL, LATEST), RPC_OK);
    assert_string_equal(fakes[0].params, "[{},\"0x64\"]");
    assert_string_equal(fakes[1].params, "[{},\"0x64\"]");
    open_pool(1); /* alone it is asked as it is */
    assert_int_equal(ask(CALL, LATEST), RPC_OK);
    assert_string_equal(fakes[0].params, LATEST);
}

/* ---- what decides
 * ----------------------------------------------------------------------------------- */

static void a_question_that_decides_needs_two_of_one_mind(void **state)
{
    (void)state;
    open_pool(3);
    say(0, CALL, "\"0x07\"");
    say(1, CALL, "\"0x07\"");
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
    assert_int_equal(fakes[2].asked, 0);
    assert_int_equal(pool.counters.agreements, 1);
    say(1, CALL, "\"0x08\"");
    assert_int_equal(ask(CALL, AT_5), RPC_DISAGREE);
    assert_string_equal(last.message, "endpoints_disagree: eth_call: http://a and http://b");
    assert_null(last.result);
    assert_int_equal(node_classify(&last), NODE_DISAGREE);
    assert_int_equal(pool.counters.disagreements, 1);
    assert_int_equal(pool.endpoints[1].counters.disagreements, 1);
    say(1, CALL, "\"0x07\"");
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
}

static void one_alone_decides_only_where_it_may(void **state)
{
    (void)state;
    open_pool(2);
    fakes[1].status = RPC_TRANSPORT;
    say(0, CALL, "\"0x07\"");
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
    assert_int_equal(pool.counters.alone, 1);
    open_pool_of(2, (struct rpc_pool_config){.agree = 2, .alone = false, .lag_max = 2});
    fakes[1].status = RPC_TRANSPORT;
    assert_int_equal(ask(CALL, AT_5), RPC_TRANSPORT);
    assert_null(last.result);
    fakes[1].status = RPC_OK;
    now_ns += SECOND;
    assert_int_equal(ask(CALL, AT_5), RPC_OK);
}

#define BLOCK(number, hash)                                                                        \
    "{\"number\":\"" number "\",\"hash\":\"" hash "\",\"parentHash\":\"" HASH_1                    \
    "\",\"timestamp\":\"0x1\",\"transactions\":[]}"

static void what_is_final_is_the_lower_block_and_both_must_have_it(void **state)
{
    (void)state;
    open_pool(2);
    /* The fake answers both the tag and the number with one block: as if 9 were final here, and 9
     * there too. */
    say(0, "eth_getBlockByNumber", BLOCK("0x9", HASH_1));
    say(1, "eth_getBlockByNumber", BLOCK("0x9", HASH_1));
    assert_int_equal(ask("eth_getBlockByNumber", "[\"finalized\",false]"), RPC_OK);
    say(1, "eth_getBlockByNumber", BLOCK("0x9", HASH_2));
    assert_int_equal(ask("eth_getBlockByNumber", "[\"finalized\",false]"), RPC_DISAGREE);
    say(1, "eth_getBlockByNumber", BLOCK("0x8", HASH_2)); /* asked for 8, the other shows 9 */
    assert_int_equal(ask("eth_getBlockByNumber", "[\"finalized\",false]"), RPC_DISAGREE);
    say(1, "eth_getBlockByNumber", "null");
    assert_int_equal(ask("eth_getBlockByNumber", "[\"finalized\",false]"), RPC_OK);
    assert_true(json_is_null(last.result)); /* nothing is */
}

static void the_fewer_nonces_of_a_pool_count(void **state)
{
    (void)state;
    open_pool(2);
    say(0, "eth_getTransactionCount", "\"0x3b9aca00\""); /* a liar would have us skip nonces */
    say(1, "eth_getTransactionCount", "\"0x4\"");
    assert_int_equal(ask("eth_getTransactionCount", "[\"0xaa\",\"pending\"]"), RPC_OK);
    assert_string_equal(text(), "0x4");
    assert_int_equal(ask("eth_getTransactionCount", "[\"0xaa\",\"0x5\"]"), RPC_DISAGREE);
}

/* ---- broadcasts
 * ------------------------------------------------------------------------------------- */

#define SEND "eth_sendRawTransaction"

static void a_broadcast_goes_to_all_and_one_that_takes_it_is_enough(void **state)
{
    (void)state;
    char right[HEX_TEXT_SIZE(KECCAK_BYTES) + 2];
    const uint8_t raw[] = {0x02};
    struct chain_hash hash = keccak256_hash(raw, sizeof(raw));
    right[0] = '"';
    hex_encode(right + 1, hash.bytes, KECCAK_BYTES);
    strcat(right, "\"");
    open_pool(3);
    say(0, SEND, "!nonce too low");
    say(1, SEND, right);
    say(2, SEND, "!already known");
    assert_int_equal(ask(SEND, "[\"0x02\"]"), RPC_OK);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fakes[i].asked, 1);
    say(1, SEND, "\"" HASH_2 "\""); /* it says it took something else */
    assert_int_equal(ask(SEND, "[\"0x02\"]"), RPC_ERROR);
    assert_string_equal(last.message, "already known");
    fakes[1].status = fakes[2].status = RPC_TRANSPORT;
    assert_int_equal(ask(SEND, "[\"0x02\"]"), RPC_ERROR);
    assert_string_equal(last.message, "nonce too low");
    fakes[0].status = RPC_TRANSPORT;
    assert_int_equal(ask(SEND, "[\"0x02\"]"), RPC_TRANSPORT);
}

static int forget(void **state)
{
    (void)state;
    rpc_reply_fini(&last);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_plain_question_is_asked_of_one_and_of_the_next_where_that_fails),
        TEST(an_answer_that_can_be_none_is_as_none),
        TEST(an_endpoint_backs_off_ever_longer_and_comes_back_at_its_first_answer),
        TEST(when_all_are_out_the_first_to_return_is_tried_all_the_same),
        TEST(a_refusal_is_no_answer_while_another_knows),
        TEST(one_with_many_errors_or_a_slow_one_is_asked_last),
        TEST(an_endpoint_of_another_chain_is_never_asked_anything_else),
        TEST(when_all_are_on_another_chain_the_caller_hears_which),
        TEST(behind_a_new_connection_the_chain_is_looked_at_again),
        TEST(no_endpoint_is_asked_more_often_than_allowed),
        TEST(a_plain_question_goes_to_who_has_a_turn_left),
        TEST(retry_after_is_honoured_even_by_an_endpoint_alone),
        TEST(the_pools_height_is_the_lowest_of_those_that_keep_up),
        TEST(who_is_to_agree_is_asked_ahead),
        TEST(nobody_is_asked_ahead_above_his_rate),
        TEST(who_does_not_say_for_how_long_is_asked_again_soon),
        TEST(who_asks_for_the_chain_is_told_what_it_is_now),
        TEST(one_that_claims_to_be_far_ahead_moves_nobody),
        TEST(one_that_stands_still_is_left_behind),
        TEST(latest_is_the_same_block_for_all),
        TEST(a_question_that_decides_needs_two_of_one_mind),
        TEST(one_alone_decides_only_where_it_may),
        TEST(what_is_final_is_the_lower_block_and_both_must_have_it),
        TEST(the_fewer_nonces_of_a_pool_count),
        TEST(a_broadcast_goes_to_all_and_one_that_takes_it_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
