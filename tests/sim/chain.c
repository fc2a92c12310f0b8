#include "tests/sim/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "chain/abi.h"
#include "chain/index_node.h"
#include "chain/rlp.h"
#include "chain/rpc_agree.h"
#include "settlement/settle_fake.h"
#include "tests/sim/index_store.h"
#include "tests/sim/postgres.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { BLOCKS_MAX = 1 << 14, STRANGERS = 2, WALLETS = CLIENTS + STRANGERS, GAS_LIMIT = 30000000 };

enum bloom { BLOOM_EMPTY, BLOOM_TOKEN, BLOOM_FULL };

struct block {
    struct chain_hash hash;
    uint64_t fork; // counts reorganisations: in the header, so that another block has another hash
    uint64_t base_fee_wei;
    enum bloom bloom;
};

static struct {
    struct block blocks[BLOCKS_MAX];
    uint64_t top; // the highest that has a header
    uint64_t fork;
    struct chain_address token, wallets[WALLETS];
    size_t outside_count;
    struct chain_outside outside[CHAIN_OUTSIDE_MAX];
} chain;

static const char *const wallets[WALLETS] = {
    "0x00000000000000000000000000000000000000d0", "0x00000000000000000000000000000000000000d1",
    "0x00000000000000000000000000000000000000d2", "0x00000000000000000000000000000000000000d3",
    "0x00000000000000000000000000000000000000d4", "0x00000000000000000000000000000000000000d5",
    "0x00000000000000000000000000000000000000e0", "0x00000000000000000000000000000000000000e1"};

const char *chain_wallet(unsigned client)
{
    ASSERT(client < CLIENTS);
    return wallets[client];
}

bool chain_client_of(unsigned *client, const struct chain_address *address)
{
    for (*client = 0; *client < CLIENTS; ++*client)
        if (address_equal(&chain.wallets[*client], address))
            return true;
    return false;
}

uint64_t chain_height(void)
{
    return chain.top;
}

struct chain_hash chain_block_hash(uint64_t number)
{
    ASSERT(number <= chain.top);
    return chain.blocks[number].hash;
}

size_t chain_outside_count(void)
{
    return chain.outside_count;
}

const struct chain_outside *chain_outside(size_t at)
{
    return &chain.outside[at];
}

const struct chain_outside *chain_outside_of(const struct chain_hash *transaction)
{
    for (size_t i = 0; i < chain.outside_count; i++)
        if (memcmp(&chain.outside[i].hash, transaction, sizeof *transaction) == 0)
            return &chain.outside[i];
    return NULL;
}

// ---- headers

static void bloom_bits(uint8_t bloom[INDEX_BLOOM_BYTES], enum bloom kind)
{
    memset(bloom, kind == BLOOM_FULL ? 0xff : 0, INDEX_BLOOM_BYTES);
    if (kind != BLOOM_TOKEN)
        return;
    struct chain_hash hash = keccak256_hash(chain.token.bytes, ADDRESS_BYTES);
    for (size_t i = 0; i < 6; i += 2) { // yellow paper, 4.3.1
        unsigned bit = ((unsigned)hash.bytes[i] << 8 | hash.bytes[i + 1]) & 2047;
        bloom[INDEX_BLOOM_BYTES - 1 - bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

static struct chain_hash parent_of(uint64_t number)
{
    return number == 0 ? (struct chain_hash){{0}} : chain.blocks[number - 1].hash;
}

// The order of chain/index_node.c; where the fork's number stands a real chain has its state.
static struct chain_hash header_hash(uint64_t number)
{
    static const uint8_t zeros[KECCAK_BYTES];
    uint8_t items[1024], list[1040], bloom[INDEX_BLOOM_BYTES];
    struct chain_hash state = {{0}}, parent = parent_of(number);
    struct rlp_writer inner, outer;
    memcpy(state.bytes, &chain.blocks[number].fork, sizeof chain.blocks[number].fork);
    bloom_bits(bloom, chain.blocks[number].bloom);
    rlp_writer_init(&inner, items, sizeof items);
    rlp_bytes(&inner, parent.bytes, KECCAK_BYTES);
    rlp_bytes(&inner, zeros, KECCAK_BYTES);  // ommers
    rlp_bytes(&inner, zeros, ADDRESS_BYTES); // beneficiary
    rlp_bytes(&inner, state.bytes, KECCAK_BYTES);
    rlp_bytes(&inner, zeros, KECCAK_BYTES); // transactions
    rlp_bytes(&inner, zeros, KECCAK_BYTES); // receipts
    rlp_bytes(&inner, bloom, sizeof bloom);
    rlp_uint(&inner, 0); // difficulty
    rlp_uint(&inner, number);
    rlp_uint(&inner, GAS_LIMIT);
    rlp_uint(&inner, 0);      // gas used
    rlp_uint(&inner, number); // timestamp
    rlp_bytes(&inner, zeros, 0);
    rlp_bytes(&inner, zeros, KECCAK_BYTES); // prevRandao
    rlp_bytes(&inner, zeros, 8);            // nonce
    rlp_uint(&inner, chain.blocks[number].base_fee_wei);
    rlp_writer_init(&outer, list, sizeof list);
    rlp_list(&outer, items, inner.len);
    ASSERT(!inner.overflowed && !outer.overflowed);
    return keccak256_hash(list, outer.len);
}

static bool has_logs(uint64_t number)
{
    const struct fake_world *world = postgres_world();
    for (size_t i = 0; i < world->tx_count; i++)
        if (world->txs[i].moved && world->txs[i].block == number)
            return true;
    for (size_t i = 0; i < chain.outside_count; i++)
        if (chain.outside[i].block == number)
            return true;
    return false;
}

// Every block that the worker's chain has come to gets its header.
static void follow(void)
{
    while (chain.top < postgres_world()->block) {
        uint64_t number = ++chain.top;
        LAW(number < BLOCKS_MAX, "the simulator's chain has too few blocks");
        struct block *block = &chain.blocks[number];
        block->fork = chain.fork;
        block->base_fee_wei = postgres_world()->base_fee_wei;
        block->bloom = has_logs(number) ? BLOOM_TOKEN : BLOOM_EMPTY;
        if (scheduler_chance(50))
            block->bloom = BLOOM_FULL;
        block->hash = header_hash(number);
    }
}

void chain_begin(bool frozen)
{
    ASSERT(address_parse(&chain.token, fake_token));
    for (unsigned i = 0; i < WALLETS; i++) {
        struct fake_wallet *wallet = fake_wallet_of(postgres_world(), wallets[i]);
        chain.wallets[i] = wallet->address;
        wallet->units = CHAIN_GENESIS_UNITS;
        wallet->verified = true;
        if (!frozen)
            continue;
        wallet->in_custody = true; // some free units beside what the venue has frozen, or none
        wallet->frozen_units = wallet->venue_units = CHAIN_GENESIS_UNITS - i % 4 * 50 * CHAIN_UNIT;
    }
    chain.blocks[0].hash = header_hash(0);
    follow();
}

// ---- what happens on it

static void move(const struct chain_outside *transfer, bool back)
{
    chain_uint128 units = (chain_uint128)transfer->tokens * CHAIN_UNIT;
    struct fake_wallet *from = fake_wallet(postgres_world(), &chain.wallets[transfer->from]);
    struct fake_wallet *to = fake_wallet(postgres_world(), &chain.wallets[transfer->to]);
    from->units = back ? from->units + units : from->units - units;
    to->units = back ? to->units - units : to->units + units;
}

static void mine_outside(uint64_t block)
{
    for (size_t i = 0; i < chain.outside_count; i++) {
        struct chain_outside *transfer = &chain.outside[i];
        if (transfer->block != 0 || transfer->forgotten || scheduler_chance(300))
            continue;
        const struct fake_wallet *from =
            fake_wallet(postgres_world(), &chain.wallets[transfer->from]);
        transfer->forgotten = // a holder cannot move what is frozen
            from->in_custody &&
            from->units < from->frozen_units + (chain_uint128)transfer->tokens * CHAIN_UNIT;
        if (transfer->forgotten)
            continue;
        transfer->block = block;
        move(transfer, false);
    }
}

void chain_mine(void)
{
    fake_mine(postgres_world());
    mine_outside(postgres_world()->block);
    follow();
    index_told_of_block();
}

bool chain_reorganise(uint64_t depth, bool forget)
{
    struct fake_world *world = postgres_world();
    // Transfers up to the index's beginning are opening balances, in whatever block they come
    // again.
    uint64_t lowest = index_store_anchor() == UINT64_MAX ? 12 : index_store_anchor() + 1;
    if (world->block < lowest + depth)
        return false;
    fake_reorganise(world, depth, forget);
    for (size_t i = 0; i < chain.outside_count; i++) {
        struct chain_outside *transfer = &chain.outside[i];
        if (transfer->block <= world->block)
            continue;
        move(transfer, true);
        transfer->block = 0;
        transfer->forgotten = forget;
    }
    chain.top = world->block;
    chain.fork++;
    return true;
}

void chain_foreign(void)
{
    fake_foreign(postgres_world());
    follow();
}

void chain_send_outside(void)
{
    if (chain.outside_count == CHAIN_OUTSIDE_MAX)
        return;
    struct chain_outside *transfer = &chain.outside[chain.outside_count++];
    uint64_t seed[2] = {0x6f757473696465, chain.outside_count};
    transfer->hash = keccak256_hash((const uint8_t *)seed, sizeof seed);
    transfer->from = (unsigned)scheduler_random(WALLETS);
    transfer->to = (transfer->from + 1 + (unsigned)scheduler_random(WALLETS - 1)) % WALLETS;
    transfer->tokens = 1 + (int64_t)scheduler_random(scheduler_chance(50) ? 4000 : 40);
    story_tell("chain", "somebody sends %lld tokens from wallet %u to %u",
               (long long)transfer->tokens, transfer->from, transfer->to);
}

// ---- logs

static json_t *quantity(uint64_t value)
{
    char text[HEX_QUANTITY_SIZE];
    hex_quantity(text, value);
    return json_string(text);
}

static json_t *hash_json(const struct chain_hash *hash)
{
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    hex_encode(text, hash->bytes, KECCAK_BYTES);
    return json_string(text);
}

static json_t *bytes_json(const uint8_t *bytes, size_t len)
{
    char text[HEX_TEXT_SIZE(INDEX_BLOOM_BYTES)];
    ASSERT(len <= INDEX_BLOOM_BYTES);
    hex_encode(text, bytes, len);
    return json_string(text);
}

static json_t *outside_logs(const struct chain_outside *transfer)
{
    struct abi_word from = abi_from_address(&chain.wallets[transfer->from]);
    struct abi_word to = abi_from_address(&chain.wallets[transfer->to]);
    struct abi_word units = abi_from_u128((chain_uint128)transfer->tokens * CHAIN_UNIT);
    return json_pack("[{so,so,s[ooo]}]", "address", bytes_json(chain.token.bytes, ADDRESS_BYTES),
                     "data", bytes_json(units.bytes, ABI_WORD_BYTES), "topics",
                     hash_json(&erc3643_transfer_topic), bytes_json(from.bytes, ABI_WORD_BYTES),
                     bytes_json(to.bytes, ABI_WORD_BYTES));
}

// Gives the logs of one transaction their places, from `*index` on.
static void place(json_t *logs, uint64_t *index, uint64_t number, const struct chain_hash *tx)
{
    size_t at;
    json_t *log;
    json_array_foreach(logs, at, log)
    {
        json_object_set_new(log, "logIndex", quantity((*index)++));
        json_object_set_new(log, "blockNumber", quantity(number));
        json_object_set_new(log, "blockHash", hash_json(&chain.blocks[number].hash));
        json_object_set_new(log, "transactionHash", hash_json(tx));
    }
}

// The logs of a block by transaction: an array of {transactionHash, blockHash, logs}.
static json_t *receipts_of(uint64_t number)
{
    struct fake_world *world = postgres_world();
    json_t *receipts = json_array();
    uint64_t index = 0;
    for (size_t i = 0; i < world->tx_count + chain.outside_count; i++) {
        const struct fake_tx *tx = i < world->tx_count ? &world->txs[i] : NULL;
        const struct chain_outside *transfer =
            tx == NULL ? &chain.outside[i - world->tx_count] : NULL;
        if (tx != NULL ? !tx->moved || tx->block != number : transfer->block != number)
            continue;
        const struct chain_hash *hash = tx != NULL ? &tx->hash : &transfer->hash;
        json_t *logs = tx != NULL ? fake_logs(world, tx) : outside_logs(transfer);
        place(logs, &index, number, hash);
        json_array_append_new(
            receipts, json_pack("{so,so,so}", "transactionHash", hash_json(hash), "blockHash",
                                hash_json(&chain.blocks[number].hash), "logs", logs));
    }
    return receipts;
}

static json_t *logs_between(uint64_t from, uint64_t to)
{
    json_t *all = json_array();
    for (uint64_t number = from; number <= to; number++) {
        if (chain.blocks[number].bloom == BLOOM_EMPTY)
            continue;
        size_t at;
        json_t *receipt, *receipts = receipts_of(number);
        json_array_foreach(receipts, at, receipt)
            json_array_extend(all, json_object_get(receipt, "logs"));
        json_decref(receipts);
    }
    return all;
}

// ---- what a node says

static bool is(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

static void complete_block(json_t *block, uint64_t number)
{
    static const uint8_t zeros[KECCAK_BYTES];
    uint8_t bloom[INDEX_BLOOM_BYTES];
    struct chain_hash state = {{0}}, parent = parent_of(number);
    memcpy(state.bytes, &chain.blocks[number].fork, sizeof chain.blocks[number].fork);
    bloom_bits(bloom, chain.blocks[number].bloom);
    json_object_set_new(block, "hash", hash_json(&chain.blocks[number].hash));
    json_object_set_new(block, "parentHash", hash_json(&parent));
    json_object_set_new(block, "sha3Uncles", bytes_json(zeros, KECCAK_BYTES));
    json_object_set_new(block, "miner", bytes_json(zeros, ADDRESS_BYTES));
    json_object_set_new(block, "stateRoot", hash_json(&state));
    json_object_set_new(block, "transactionsRoot", bytes_json(zeros, KECCAK_BYTES));
    json_object_set_new(block, "receiptsRoot", bytes_json(zeros, KECCAK_BYTES));
    json_object_set_new(block, "logsBloom", bytes_json(bloom, sizeof bloom));
    json_object_set_new(block, "difficulty", json_string("0x0"));
    json_object_set_new(block, "baseFeePerGas", quantity(chain.blocks[number].base_fee_wei));
    json_object_set_new(block, "gasLimit", quantity(GAS_LIMIT));
    json_object_set_new(block, "timestamp", quantity(number));
    json_object_set_new(block, "extraData", json_string("0x"));
    json_object_set_new(block, "mixHash", bytes_json(zeros, KECCAK_BYTES));
    json_object_set_new(block, "nonce", bytes_json(zeros, 8));
}

static void say_nothing(struct rpc_reply *reply)
{
    json_decref(reply->result);
    reply->result = json_null();
}

static void say_error(struct rpc_reply *reply, const char *words)
{
    rpc_reply_fini(reply);
    *reply = (struct rpc_reply){.status = RPC_ERROR, .code = -32000};
    snprintf(reply->message, sizeof reply->message, "%s", words);
}

// The block that a question names, the view's end for any tag.
static uint64_t block_of(const json_t *params, size_t at, uint64_t view)
{
    uint64_t number;
    const char *text = json_string_value(json_array_get(params, at));
    return text != NULL && hex_quantity_u64(&number, text) ? number : view;
}

static void correct_block(struct rpc_reply *reply, const json_t *params, uint64_t view)
{
    uint64_t number = block_of(params, 0, view);
    if (number > view || json_is_null(reply->result))
        say_nothing(reply);
    else
        complete_block(reply->result, number);
}

static void correct_receipt(struct rpc_reply *reply, uint64_t view)
{
    uint64_t number;
    if (json_is_null(reply->result))
        return;
    ASSERT(rpc_number_of(&number, json_object_get(reply->result, "blockNumber")));
    if (number > view) {
        say_nothing(reply);
        return;
    }
    json_object_set_new(reply->result, "blockHash", hash_json(&chain.blocks[number].hash));
    size_t at;
    json_t *receipt, *receipts = receipts_of(number);
    const char *hash = json_string_value(json_object_get(reply->result, "transactionHash"));
    json_array_foreach(receipts, at, receipt)
    {
        if (is(hash, json_string_value(json_object_get(receipt, "transactionHash"))))
            json_object_set(reply->result, "logs", json_object_get(receipt, "logs"));
    }
    json_decref(receipts);
}

static void correct_transaction(struct rpc_reply *reply, uint64_t view)
{
    uint64_t number;
    if (rpc_number_of(&number, json_object_get(reply->result, "blockNumber")) && number > view)
        json_object_set_new(reply->result, "blockNumber", json_null());
}

// The worker's chain counts what is mined now; the question is for a block.
static void correct_count(struct rpc_reply *reply, const json_t *params, uint64_t view)
{
    const struct fake_world *world = postgres_world();
    uint64_t count, number = block_of(params, 1, view);
    const char *tag = json_string_value(json_array_get(params, 1));
    if (tag != NULL && is(tag, "pending"))
        return; // what was mined above the view is in its pool
    ASSERT(rpc_number_of(&count, reply->result));
    for (size_t i = 0; i < world->tx_count; i++)
        count -= world->txs[i].mined && world->txs[i].block > number;
    json_decref(reply->result);
    reply->result = quantity(count);
}

static void correct(struct rpc_reply *reply, const char *method, const json_t *params,
                    uint64_t view)
{
    int at = rpc_block_parameter(method);
    if (is(method, "eth_blockNumber")) {
        json_decref(reply->result);
        reply->result = quantity(view);
    } else if (is(method, "eth_getBlockByNumber")) {
        correct_block(reply, params, view);
    } else if (at >= 0 && block_of(params, (size_t)at, view) > view) {
        say_error(reply, "header not found");
    } else if (is(method, "eth_getTransactionReceipt")) {
        correct_receipt(reply, view);
    } else if (is(method, "eth_getTransactionByHash")) {
        correct_transaction(reply, view);
    } else if (is(method, "eth_getTransactionCount")) {
        correct_count(reply, params, view);
    }
}

static json_t *logs_asked_for(const json_t *params, uint64_t view)
{
    uint64_t from, to;
    const json_t *filter = json_array_get(params, 0);
    ASSERT(rpc_number_of(&from, json_object_get(filter, "fromBlock")) &&
           rpc_number_of(&to, json_object_get(filter, "toBlock")));
    return logs_between(from, to < view ? to : view);
}

static json_t *receipts_asked_for(const json_t *params, uint64_t view)
{
    struct chain_hash hash;
    ASSERT(hex_decode_exact(hash.bytes, sizeof hash.bytes,
                            json_string_value(json_array_get(params, 0))));
    for (uint64_t number = view;; number--) {
        if (memcmp(&chain.blocks[number].hash, &hash, sizeof hash) == 0)
            return receipts_of(number);
        if (number == 0)
            return json_null();
    }
}

void chain_answer(struct rpc_reply *reply, const char *method, json_t *params, uint64_t view)
{
    struct rpc_ops node = fake_rpc(postgres_world());
    bool logs = is(method, "eth_getLogs"), receipts = is(method, "eth_getBlockReceipts");
    json_incref(params);
    node.call(node.context, reply, method, params); // its faults; it knows no logs
    if (view > chain.top)
        view = chain.top; // a reorganisation came in between
    if (reply->status == RPC_ERROR && (logs || receipts))
        *reply = (struct rpc_reply){.status = RPC_OK,
                                    .result = logs ? logs_asked_for(params, view)
                                                   : receipts_asked_for(params, view)};
    else if (reply->status == RPC_OK)
        correct(reply, method, params, view);
    json_decref(params);
}
