/* The agent against a chain and a store in memory: a node that reorganises, lies, wants less, or is
 * another one's. */
#include "chain/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/testing.h"
#include "chain/abi.h"
#include "chain/erc3643_precheck.h"

enum { BLOCKS_MAX = 200 };

/* ---- the chain: a block's hash is its number and its branch; some have one log of the contract
 * ---- */

struct world {
    uint64_t head;
    unsigned branch[BLOCKS_MAX]; /* of each block */
    unsigned genesis;
    uint64_t range_max; /* eth_getLogs of more blocks is refused; 0 = none is */
    uint64_t wrong_parent, hidden_log,
        false_bloom; /* a block in which the node lies so; 0 = none */
    bool absent;

    /* the store */
    bool entered;
    struct chain_hash genesis_hash;
    uint64_t next;
    bool known[BLOCKS_MAX];
    struct chain_hash hash[BLOCKS_MAX];
    size_t events, orphans, saved_ranges;
    uint64_t confirmed, told_head;
    char trouble[RPC_MESSAGE_MAX];
    bool lose; /* the next call that writes */
    struct index_posting posting;
    bool has_posting;
    uint16_t answered_code;
    size_t answers;
    bool by_party;          /* the contract's Transfers from or to `party` only */
    bool coin_asked;        /* a stablecoin is to be proved */
    unsigned coin_decimals; /* as its contract says */
    char verdict[32];

    /* the core */
    struct index_answer answer;
    size_t sent;

    struct node node;
    struct index_agent agent;
};

static const struct chain_address contract = {{0xc0, [19] = 1}};
static const struct chain_address party = {{0xee, [19] = 2}};
static const struct chain_address stranger = {{0xdd, [19] = 3}};

static struct chain_hash hash_of(const struct world *world, uint64_t number)
{
    struct chain_hash hash = {{0xb1}};
    hash.bytes[1] = (uint8_t)(number == 0 ? world->genesis : world->branch[number]);
    hash.bytes[31] = (uint8_t)number;
    return hash;
}

static bool has_log(uint64_t number)
{
    return number % 5 == 0 && number > 0;
}

static json_t *hex(const void *bytes, size_t len)
{
    return node_bytes_parameter(bytes, len);
}

static json_t *number_json(uint64_t value)
{
    return node_block_parameter(value);
}

static json_t *header_json(const struct world *world, uint64_t number)
{
    uint8_t bloom[INDEX_BLOOM_BYTES] = {0};
    struct chain_hash hash = hash_of(world, number);
    struct chain_hash parent = {{0}};
    if (number > 0)
        parent = hash_of(world, number - 1);
    if (number == world->wrong_parent && number != 0)
        parent.bytes[9] = 9;
    if (has_log(number) && number != world->false_bloom)
        memset(bloom, 0xff, sizeof(bloom));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "number", number_json(number), "timestamp",
                     number_json(number), "hash", hex(&hash, sizeof(hash)), "parentHash",
                     hex(&parent, sizeof(parent)), "logsBloom", hex(bloom, sizeof(bloom)));
}

static json_t *log_json(const struct world *world, uint64_t number)
{
    struct chain_hash hash = hash_of(world, number);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:[o], s:s}", "address",
                     hex(&contract, sizeof(contract)), "blockNumber", number_json(number),
                     "blockHash", hex(&hash, sizeof(hash)), "transactionHash",
                     hex(&hash, sizeof(hash)), "logIndex", number_json(0), "topics",
                     hex(&hash, sizeof(hash)), "data", "0x");
}

/* A Transfer, of blocks that have a log: from the party in even ones, to it in odd ones. Beside it,
 * under index 1, stands one between strangers. */
static json_t *transfer_json(const struct world *world, uint64_t number, bool of_strangers)
{
    const struct chain_address *other = of_strangers ? &stranger : &party;
    struct abi_word from = abi_from_address(number % 2 == 0 ? other : &stranger);
    struct abi_word to = abi_from_address(number % 2 == 0 ? &stranger : other);
    struct abi_word amount = abi_from_u128(7);
    json_t *log = log_json(world, number);
    json_object_set_new(log, "logIndex", number_json(of_strangers));
    json_object_set_new(log, "data", hex(&amount, sizeof(amount)));
    json_object_set_new(log, "topics",
                        json_pack("[o, o, o]",
                                  hex(&erc3643_transfer_topic, sizeof(erc3643_transfer_topic)),
                                  hex(&from, sizeof(from)), hex(&to, sizeof(to))));
    return log;
}

/* What a node gives for the topics of one question: from the party, or to it. */
static json_t *transfers_json(const struct world *world, const json_t *topics, uint64_t from,
                              uint64_t to)
{
    json_t *logs = json_array();
    bool sent = json_is_string(json_array_get(topics, 1));
    assert_true(sent || (json_is_null(json_array_get(topics, 1)) && json_array_size(topics) == 3));
    for (uint64_t at = from; at <= to; at++)
        if (has_log(at) && at != world->hidden_log && (at % 2 == 0) == sent)
            json_array_append_new(logs, transfer_json(world, at, false));
    return logs;
}

static void refuse(struct rpc_reply *reply, const char *words)
{
    *reply = (struct rpc_reply){.status = RPC_ERROR, .code = -32005};
    snprintf(reply->message, sizeof(reply->message), "%s", words);
}

static uint64_t number_of(const json_t *value)
{
    uint64_t number;
    return hex_quantity_u64(&number, json_string_value(value)) ? number : UINT64_MAX;
}

static json_t *logs_json(const struct world *world, uint64_t from, uint64_t to)
{
    json_t *logs = json_array();
    for (uint64_t at = from; at <= to; at++)
        if (has_log(at) && at != world->hidden_log)
            json_array_append_new(logs, log_json(world, at));
    return logs;
}

static json_t *receipts_json(const struct world *world, const char *hash_text)
{
    struct chain_hash hash;
    assert_true(hex_decode_exact(hash.bytes, sizeof(hash.bytes), hash_text));
    uint64_t number = hash.bytes[31];
    json_t *logs = json_array();
    if (has_log(number) && world->by_party) {
        json_array_append_new(logs, transfer_json(world, number, false));
        json_array_append_new(logs, transfer_json(world, number, true));
    } else if (has_log(number)) {
        json_array_append_new(logs, log_json(world, number));
    }
    return json_pack("[{s:s, s:o}]", "blockHash", hash_text, "logs", logs);
}

static json_t *answer_of(struct world *world, struct rpc_reply *reply, const char *method,
                         json_t *params)
{
    if (strcmp(method, "eth_chainId") == 0)
        return json_string("0x7a69");
    if (strcmp(method, "eth_blockNumber") == 0)
        return number_json(world->head);
    if (strcmp(method, "eth_getBlockByNumber") == 0) {
        uint64_t number = number_of(json_array_get(params, 0));
        return number <= world->head ? header_json(world, number) : json_null();
    }
    if (strcmp(method, "eth_getBlockReceipts") == 0)
        return receipts_json(world, json_string_value(json_array_get(params, 0)));
    if (strcmp(method, "eth_getCode") == 0)
        return json_string("0x60");
    if (strcmp(method, "eth_call") == 0) { /* decimals, and supply and balance */
        struct abi_word word = abi_from_u128(world->coin_decimals);
        return hex(&word, sizeof(word));
    }
    assert_string_equal(method, "eth_getLogs");
    const json_t *filter = json_array_get(params, 0);
    uint64_t from = number_of(json_object_get(filter, "fromBlock"));
    uint64_t to = number_of(json_object_get(filter, "toBlock"));
    if (world->by_party)
        return transfers_json(world, json_object_get(filter, "topics"), from, to);
    if (world->range_max == 0 || to - from < world->range_max)
        return logs_json(world, from, to);
    refuse(reply, "query returned more than 10000 results");
    return NULL;
}

static void rpc_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct world *world = context;
    *reply = (struct rpc_reply){.status = RPC_OK};
    if (world->absent)
        *reply = (struct rpc_reply){.status = RPC_TRANSPORT, .message = "refused"};
    else
        reply->result = answer_of(world, reply, method, params);
    json_decref(params);
}

static void rpc_close(void *context)
{
    (void)context;
}

/* ---- the store ---- */

static enum index_store_result written(struct world *world)
{
    bool lost = world->lose;
    world->lose = false;
    return lost ? INDEX_STORE_LOST : INDEX_STORE_OK;
}

static enum index_store_result lead(void *context)
{
    (void)context;
    return INDEX_STORE_OK;
}

static enum index_store_result enter(void *context, const struct chain_hash *genesis)
{
    struct world *world = context;
    if (!world->entered)
        world->genesis_hash = *genesis;
    world->entered = true;
    return memcmp(&world->genesis_hash, genesis, sizeof(*genesis)) == 0 ? INDEX_STORE_OK
                                                                        : INDEX_STORE_FOREIGN;
}

static enum index_store_result work(void *context, struct index_work *out, uint64_t from_block,
                                    uint64_t head)
{
    struct world *world = context;
    (void)from_block, (void)head;
    *out = (struct index_work){.from = world->next, .until = UINT64_MAX, .contract_count = 1};
    out->contracts[0] = contract;
    if (world->by_party)
        out->party = party;
    return INDEX_STORE_OK;
}

static enum index_store_result stablecoin(void *context, bool *found, struct index_stablecoin *out)
{
    struct world *world = context;
    *found = world->coin_asked;
    *out =
        (struct index_stablecoin){.asset = 3, .contract = contract, .escrow = party, .decimals = 6};
    return INDEX_STORE_OK;
}

static enum index_store_result stablecoin_proved(void *context, const struct index_stablecoin *coin,
                                                 const char *reason)
{
    struct world *world = context;
    assert_int_equal(coin->asset, 3);
    if (written(world) != INDEX_STORE_OK)
        return INDEX_STORE_LOST;
    world->coin_asked = false;
    snprintf(world->verdict, sizeof(world->verdict), "%s", reason == NULL ? "proved" : reason);
    return INDEX_STORE_OK;
}

static enum index_store_result block(void *context, bool *found, uint64_t *number,
                                     struct chain_hash *hash, uint64_t at)
{
    struct world *world = context;
    *number = at == UINT64_MAX ? world->next - 1 : at;
    *found = world->next > 0 && *number < world->next && world->known[*number];
    if (*found)
        *hash = world->hash[*number];
    return INDEX_STORE_OK;
}

static enum index_store_result save(void *context, const struct index_work *now,
                                    const struct index_range *range, uint64_t keep_from)
{
    struct world *world = context;
    (void)keep_from;
    if (written(world) != INDEX_STORE_OK)
        return INDEX_STORE_LOST;
    assert_true(range->from == world->next && now->from == range->from);
    for (uint64_t at = range->from; at <= range->to; at++) {
        world->known[at] = true;
        world->hash[at] = range->headers[at - range->from].hash;
    }
    world->next = range->to + 1;
    world->events += range->logs.count;
    world->saved_ranges++;
    return INDEX_STORE_OK;
}

static enum index_store_result orphan(void *context, uint64_t fork, uint64_t tip)
{
    struct world *world = context;
    assert_int_equal(tip, world->next - 1);
    for (uint64_t at = fork + 1; at < world->next; at++)
        world->events -= has_log(at);
    world->next = fork + 1;
    world->orphans++;
    if (world->confirmed > fork)
        world->confirmed = fork;
    return written(world);
}

static enum index_store_result confirm(void *context, uint64_t upto, uint64_t *left)
{
    struct world *world = context;
    assert_true(upto < world->next); /* never above what is read */
    world->confirmed = upto;
    *left = 0;
    return written(world);
}

static enum index_store_result tell(void *context, uint64_t head, bool subscribed,
                                    const char *trouble)
{
    struct world *world = context;
    (void)subscribed;
    world->told_head = head;
    snprintf(world->trouble, sizeof(world->trouble), "%s", trouble == NULL ? "" : trouble);
    return INDEX_STORE_OK;
}

static enum index_store_result posting(void *context, bool *found, struct index_posting *out)
{
    struct world *world = context;
    *found = world->has_posting;
    *out = world->posting;
    return INDEX_STORE_OK;
}

static enum index_store_result answered(void *context, uint64_t number, uint16_t reject_code,
                                        uint64_t sequence)
{
    struct world *world = context;
    (void)sequence;
    if (written(world) != INDEX_STORE_OK)
        return INDEX_STORE_LOST;
    assert_int_equal(number, world->posting.number);
    world->has_posting = false;
    world->answered_code = reject_code;
    world->answers++;
    return INDEX_STORE_OK;
}

/* ---- the core ---- */

static bool core_send(void *context, const struct index_command *command)
{
    struct world *world = context;
    assert_int_equal(command->type, CMD_ledger_post);
    world->sent++;
    return true;
}

static struct index_answer core_poll(void *context)
{
    struct world *world = context;
    struct index_answer answer = world->answer;
    world->answer = (struct index_answer){.kind = INDEX_ANSWER_NONE};
    return answer;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    const struct index_config config = {.chain_id = 31337,
                                        .confirmations = 3,
                                        .range_blocks = 40,
                                        .reorg_blocks_max = 16,
                                        .poll_ns = 1000};
    const struct index_store_ops store = {.context = world,
                                          .lead = lead,
                                          .enter = enter,
                                          .stablecoin = stablecoin,
                                          .stablecoin_proved = stablecoin_proved,
                                          .work = work,
                                          .block = block,
                                          .save = save,
                                          .orphan = orphan,
                                          .confirm = confirm,
                                          .tell = tell,
                                          .posting = posting,
                                          .answered = answered};
    const struct index_core_ops core = {world, core_send, core_poll};
    const struct rpc_ops rpc = {.context = world, .call = rpc_call, .close = rpc_close};
    world->head = 100;
    node_init(&world->node, &rpc);
    index_init(&world->agent, &config, &store, &world->node, &core);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void passes(struct world *world, int count)
{
    for (int i = 0; i < count; i++)
        (void)index_do_work(&world->agent, (uint64_t)i);
}

static void up_to_the_head_in_ranges_and_confirmed_behind_it(void **state)
{
    struct world *world = *state;
    assert_true(index_do_work(&world->agent, 0)); /* there is more */
    passes(world, 5);
    assert_int_equal(world->next, 101);
    assert_int_equal(world->events, 20);
    assert_int_equal(world->saved_ranges, 3);
    assert_int_equal(world->confirmed, 98);
    assert_true(index_is_up_to_date(&world->agent));
    world->head = 103;
    assert_false(index_do_work(&world->agent, 9));
    assert_int_equal(world->confirmed, 101);
    assert_int_equal(index_deadline_ns(&world->agent), 1009);
}

static void too_many_results_make_smaller_ranges(void **state)
{
    struct world *world = *state;
    world->range_max = 7;
    passes(world, 60);
    assert_int_equal(world->next, 101);
    assert_int_equal(world->events, 20);
    assert_true(world->agent.counters.shrinks >= 3);
    assert_string_equal(world->trouble, "");
}

static void a_reorganisation_goes_back_to_the_last_common_block(void **state)
{
    struct world *world = *state;
    passes(world, 5);
    for (uint64_t at = 95; at < BLOCKS_MAX; at++)
        world->branch[at] = 1;
    world->head = 102;
    passes(world, 2);
    assert_int_equal(world->orphans, 1);
    assert_int_equal(world->agent.counters.orphaned_blocks, 6);
    assert_int_equal(world->next, 103);
    assert_int_equal(world->events, 20);
    assert_int_equal(world->hash[95].bytes[1], 1);
    assert_int_equal(world->hash[94].bytes[1], 0);
}

static void a_deeper_one_changes_nothing(void **state)
{
    struct world *world = *state;
    passes(world, 5);
    for (uint64_t at = 80; at < BLOCKS_MAX; at++)
        world->branch[at] = 1;
    passes(world, 3);
    assert_int_equal(world->orphans, 0);
    assert_int_equal(world->next, 101);
    assert_non_null(strstr(world->trouble, "reorg_blocks_max"));
    assert_false(index_is_up_to_date(&world->agent));
    memset(world->branch, 0, sizeof(world->branch)); /* the right node again */
    passes(world, 1);
    assert_string_equal(world->trouble, "");
}

static void a_switched_node_is_not_read(void **state)
{
    struct world *world = *state;
    passes(world, 5);
    world->genesis = 7;
    for (uint64_t at = 1; at < BLOCKS_MAX; at++)
        world->branch[at] = 7;
    world->head = 120;
    passes(world, 3);
    assert_int_equal(world->next, 101);
    assert_int_equal(world->orphans, 0);
    assert_non_null(strstr(world->trouble, "genesis"));
    assert_true(world->agent.counters.foreign > 0);
}

static void a_node_that_is_behind_orphans_nothing(void **state)
{
    struct world *world = *state;
    passes(world, 5);
    world->head = 97;
    passes(world, 2);
    assert_int_equal(world->orphans, 0);
    assert_non_null(strstr(world->trouble, "behind"));
    world->head = 101;
    passes(world, 1);
    assert_int_equal(world->next, 102);
}

/* Nothing of a range in which the node contradicts itself is saved; told the truth, it goes on. */
static void every_lie_is_noticed(void **state)
{
    struct world *world = *state;
    uint64_t *const lies[] = {&world->wrong_parent, &world->hidden_log, &world->false_bloom};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        uint64_t before = world->next;
        *lies[i] = before + 10 - before % 5;
        passes(world, 2);
        assert_int_equal(world->next, before);
        assert_non_null(strstr(world->trouble, "block "));
        *lies[i] = 0;
        passes(world, 1);
        assert_true(world->next > before);
        assert_string_equal(world->trouble, "");
    }
    assert_int_equal(world->agent.counters.lies, 4);
    assert_int_equal(world->agent.counters.moved, 2);
}

/* A header whose hash is not that of its fields: those of this fake are not. */
static void a_header_must_have_its_hash_where_that_is_asked(void **state)
{
    struct world *world = *state;
    world->agent.config.header_hash = true;
    passes(world, 2);
    assert_int_equal(world->next, 0);
    assert_non_null(strstr(world->trouble, "not that of the header's fields"));
}

static void a_lost_commit_is_read_again(void **state)
{
    struct world *world = *state;
    world->lose = true;
    assert_false(index_do_work(&world->agent, 0));
    assert_int_equal(index_deadline_ns(&world->agent), 200000000);
    index_wake(&world->agent); /* no notice cuts the wait short */
    assert_int_equal(index_deadline_ns(&world->agent), 200000000);
    passes(world, 5);
    assert_int_equal(world->next, 101);
    assert_int_equal(world->events, 20);
}

static void a_command_is_sent_until_it_is_answered(void **state)
{
    struct world *world = *state;
    world->posting = (struct index_posting){.number = 4, .fits = true};
    world->has_posting = true;
    world->absent = true; /* it needs no node */
    passes(world, 2);
    assert_int_equal(world->sent, 1);
    world->answer = (struct index_answer){.kind = INDEX_ANSWER_LOST};
    passes(world, 1);
    assert_int_equal(world->sent, 2);
    world->answer = (struct index_answer){.kind = INDEX_ANSWER_DONE, .sequence = 9};
    world->lose = true; /* the answer is not written down: asked again */
    passes(world, 2);
    assert_int_equal(world->sent, 3);
    world->answer = (struct index_answer){.kind = INDEX_ANSWER_DONE, .sequence = 9};
    passes(world, 1);
    assert_int_equal(world->answers, 1);
    assert_int_equal(world->answered_code, 0);
    assert_int_equal(world->sent, 3);
}

static void what_the_ledger_cannot_hold_is_refused_and_an_old_number_stands_still(void **state)
{
    struct world *world = *state;
    world->posting = (struct index_posting){.number = 4, .fits = false};
    world->has_posting = true;
    passes(world, 1);
    assert_int_equal(world->sent, 0);
    assert_int_equal(world->answers, 1);
    assert_true(world->answered_code != 0);
    world->posting = (struct index_posting){.number = 5, .fits = true};
    world->has_posting = true;
    passes(world, 4);
    world->answer = (struct index_answer){.kind = INDEX_ANSWER_REFUSED, .reject_code = 71};
    passes(world, 1);
    assert_int_equal(world->answers, 1);
    assert_non_null(strstr(world->trouble, "restored"));
}

/* Strangers' Transfers beside them in the same blocks are passed over. */
static void of_a_party_only_its_own_transfers_are_read(void **state)
{
    struct world *world = *state;
    world->by_party = true;
    passes(world, 5);
    assert_int_equal(world->next, 101);
    assert_int_equal(world->events, 20);
    assert_string_equal(world->trouble, "");
}

static void a_transfer_of_the_party_that_is_left_out_is_noticed(void **state)
{
    struct world *world = *state;
    world->by_party = true;
    world->hidden_log = 25; /* to it */
    passes(world, 3);
    assert_int_equal(world->next, 0);
    assert_non_null(strstr(world->trouble, "logs and receipts"));
    world->hidden_log = 30; /* from it */
    passes(world, 1);
    assert_int_equal(world->next, 0);
    world->hidden_log = 0;
    passes(world, 5);
    assert_int_equal(world->events, 20);
}

static void a_stablecoin_is_what_it_is_taken_for_or_refused(void **state)
{
    struct world *world = *state;
    world->coin_asked = true;
    world->coin_decimals = 6;
    world->lose = true; /* the verdict is not written down: asked again */
    passes(world, 1);
    assert_string_equal(world->verdict, "");
    passes(world, 1);
    assert_string_equal(world->verdict, "proved");
    world->coin_asked = true;
    world->coin_decimals = 18;
    passes(world, 3);
    assert_string_equal(world->verdict, "decimals_differ");
    assert_int_equal(world->next, 101); /* nothing of it holds up the reading */
}

#define AGENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AGENT_TEST(up_to_the_head_in_ranges_and_confirmed_behind_it),
        AGENT_TEST(too_many_results_make_smaller_ranges),
        AGENT_TEST(a_reorganisation_goes_back_to_the_last_common_block),
        AGENT_TEST(a_deeper_one_changes_nothing),
        AGENT_TEST(a_switched_node_is_not_read),
        AGENT_TEST(a_node_that_is_behind_orphans_nothing),
        AGENT_TEST(every_lie_is_noticed),
        AGENT_TEST(a_header_must_have_its_hash_where_that_is_asked),
        AGENT_TEST(a_lost_commit_is_read_again),
        AGENT_TEST(of_a_party_only_its_own_transfers_are_read),
        AGENT_TEST(a_transfer_of_the_party_that_is_left_out_is_noticed),
        AGENT_TEST(a_stablecoin_is_what_it_is_taken_for_or_refused),
        AGENT_TEST(a_command_is_sent_until_it_is_answered),
        AGENT_TEST(what_the_ledger_cannot_hold_is_refused_and_an_old_number_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
