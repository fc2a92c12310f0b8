/* A header is RLP([parentHash, ommersHash, beneficiary, stateRoot, transactionsRoot, receiptsRoot,
 * logsBloom, difficulty, number, gasLimit, gasUsed, timestamp, extraData, prevRandao, nonce]) and
 * what later forks put behind that: baseFeePerGas (EIP-1559), withdrawalsRoot (4895), blobGasUsed
 * and excessBlobGas (4844), parentBeaconBlockRoot (4788), requestsHash (7685).
 */
#include "chain/index_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "chain/abi.h"
#include "chain/erc3643_precheck.h"
#include "chain/rlp.h"

enum { HEADER_BYTES_MAX = 2048, EXTRA_BYTES_MAX = 1024 };

/* ---- headers ---- */

static bool put_bytes(struct rlp_writer *writer, const json_t *block, const char *key, size_t len)
{
    uint8_t bytes[INDEX_BLOOM_BYTES];
    const char *text = json_string_value(json_object_get(block, key));
    ASSERT(len <= sizeof(bytes));
    if (text == NULL || !hex_decode_exact(bytes, len, text))
        return false;
    rlp_bytes(writer, bytes, len);
    return true;
}

static bool put_number(struct rlp_writer *writer, const json_t *block, const char *key)
{
    chain_uint128 value;
    const char *text = json_string_value(json_object_get(block, key));
    if (text == NULL || !hex_quantity_u128(&value, text))
        return false;
    rlp_uint(writer, value);
    return true;
}

static bool put_extra(struct rlp_writer *writer, const json_t *block)
{
    uint8_t extra[EXTRA_BYTES_MAX];
    const char *text = json_string_value(json_object_get(block, "extraData"));
    ssize_t len = text == NULL ? -1 : hex_decode(extra, sizeof(extra), text);
    if (len >= 0)
        rlp_bytes(writer, extra, (size_t)len);
    return len >= 0;
}

static bool has(const json_t *block, const char *key)
{
    const json_t *value = json_object_get(block, key);
    return value != NULL && !json_is_null(value);
}

static bool put_of_forks(struct rlp_writer *writer, const json_t *block)
{
    return (!has(block, "baseFeePerGas") || put_number(writer, block, "baseFeePerGas")) &&
           (!has(block, "withdrawalsRoot") || put_bytes(writer, block, "withdrawalsRoot", 32)) &&
           (!has(block, "blobGasUsed") || put_number(writer, block, "blobGasUsed")) &&
           (!has(block, "excessBlobGas") || put_number(writer, block, "excessBlobGas")) &&
           (!has(block, "parentBeaconBlockRoot") ||
            put_bytes(writer, block, "parentBeaconBlockRoot", 32)) &&
           (!has(block, "requestsHash") || put_bytes(writer, block, "requestsHash", 32));
}

static bool header_has_its_hash(const json_t *block, const struct chain_hash *hash)
{
    uint8_t items[HEADER_BYTES_MAX];
    uint8_t list[HEADER_BYTES_MAX + 16];
    struct rlp_writer inner;
    struct rlp_writer outer;
    rlp_writer_init(&inner, items, sizeof(items));
    bool read =
        put_bytes(&inner, block, "parentHash", 32) && put_bytes(&inner, block, "sha3Uncles", 32) &&
        put_bytes(&inner, block, "miner", 20) && put_bytes(&inner, block, "stateRoot", 32) &&
        put_bytes(&inner, block, "transactionsRoot", 32) &&
        put_bytes(&inner, block, "receiptsRoot", 32) &&
        put_bytes(&inner, block, "logsBloom", INDEX_BLOOM_BYTES) &&
        put_number(&inner, block, "difficulty") && put_number(&inner, block, "number") &&
        put_number(&inner, block, "gasLimit") && put_number(&inner, block, "gasUsed") &&
        put_number(&inner, block, "timestamp") && put_extra(&inner, block) &&
        put_bytes(&inner, block, "mixHash", 32) && put_bytes(&inner, block, "nonce", 8) &&
        put_of_forks(&inner, block);
    if (!read || inner.overflowed)
        return false;
    rlp_writer_init(&outer, list, sizeof(list));
    rlp_list(&outer, items, inner.len);
    struct chain_hash computed = keccak256_hash(list, outer.len);
    return !outer.overflowed && memcmp(&computed, hash, sizeof(computed)) == 0;
}

static bool read_header(struct index_header *out, const json_t *block)
{
    const char *bloom = json_string_value(json_object_get(block, "logsBloom"));
    bool read = node_member_u64(&out->number, block, "number") &&
                node_member_u64(&out->timestamp_s, block, "timestamp") &&
                node_member_hash(&out->hash, block, "hash") &&
                node_member_hash(&out->parent_hash, block, "parentHash") && bloom != NULL &&
                hex_decode_exact(out->bloom, sizeof(out->bloom), bloom);
    out->hash_proved = read && header_has_its_hash(block, &out->hash);
    return read;
}

enum node_result index_node_header(struct node *node, bool *found, struct index_header *header,
                                   uint64_t at)
{
    static const char method[] = "eth_getBlockByNumber";
    json_t *result;
    enum node_result asked =
        node_ask(node, &result, method, json_pack("[o, b]", node_block_parameter(at), 0));
    if (asked != NODE_OK)
        return asked;
    *found = !json_is_null(result);
    bool usable =
        !*found || (read_header(header, result) && (at >= NODE_FINALIZED || header->number == at));
    return node_answered(node, result, usable, method);
}

static bool bloom_may_have(const uint8_t bloom[INDEX_BLOOM_BYTES], const uint8_t *bytes, size_t len)
{
    struct chain_hash hash = keccak256_hash(bytes, len);
    for (size_t i = 0; i < 6; i += 2) {
        unsigned bit = ((unsigned)hash.bytes[i] << 8 | hash.bytes[i + 1]) & 2047;
        if ((bloom[INDEX_BLOOM_BYTES - 1 - bit / 8] & (1u << bit % 8)) == 0)
            return false;
    }
    return true;
}

/* The words by which a bloom, a node and a log know a Transfer of the party. */
static bool bloom_admits_party(const uint8_t bloom[INDEX_BLOOM_BYTES],
                               const struct chain_address *party)
{
    if (party == NULL)
        return true;
    struct abi_word word = abi_from_address(party);
    return bloom_may_have(bloom, erc3643_transfer_topic.bytes, KECCAK_BYTES) &&
           bloom_may_have(bloom, word.bytes, sizeof(word.bytes));
}

bool index_bloom_admits(const uint8_t bloom[INDEX_BLOOM_BYTES], const struct index_filter *filter)
{
    bool admits = false;
    for (size_t i = 0; i < filter->contract_count && !admits; i++)
        admits = bloom_may_have(bloom, filter->contracts[i].bytes, ADDRESS_BYTES);
    return admits && bloom_admits_party(bloom, filter->party);
}

bool index_bloom_admits_log(const uint8_t bloom[INDEX_BLOOM_BYTES], const struct node_log *log,
                            const struct index_filter *filter)
{
    return bloom_may_have(bloom, log->contract.bytes, ADDRESS_BYTES) &&
           bloom_admits_party(bloom, filter->party);
}

/* ---- logs ---- */

static bool is_of_party(const struct node_log *log, const struct chain_address *party)
{
    struct abi_word word = abi_from_address(party);
    if (log->topic_count < 2 || memcmp(&log->topics[0], &erc3643_transfer_topic, KECCAK_BYTES) != 0)
        return false;
    for (size_t i = 1; i < log->topic_count && i < 3; i++)
        if (memcmp(log->topics[i].bytes, word.bytes, ABI_WORD_BYTES) == 0)
            return true;
    return false;
}

static bool is_watched(const struct index_filter *filter, const struct node_log *log)
{
    for (size_t i = 0; i < filter->contract_count; i++)
        if (address_equal(&filter->contracts[i], &log->contract))
            return filter->party == NULL || is_of_party(log, filter->party);
    return false;
}

static bool read_item(struct index_log *out, uint8_t *data, const json_t *log)
{
    return node_read_log(&out->log, data, log) &&
           node_member_u64(&out->block_number, log, "blockNumber") &&
           node_member_hash(&out->block_hash, log, "blockHash") &&
           node_member_hash(&out->transaction_hash, log, "transactionHash");
}

static int compare_places(const void *left, const void *right)
{
    const struct index_log *a = left;
    const struct index_log *b = right;
    if (a->block_number != b->block_number)
        return a->block_number < b->block_number ? -1 : 1;
    return (a->log.log_index > b->log.log_index) - (a->log.log_index < b->log.log_index);
}

/* A place holds one log. */
static bool places_differ(const struct index_logs *logs)
{
    for (size_t i = 1; i < logs->count; i++)
        if (compare_places(&logs->items[i - 1], &logs->items[i]) == 0)
            return false;
    return true;
}

/* From the party to the party is in the answers to both questions. */
static void drop_repeats(struct index_logs *logs)
{
    size_t kept = 0;
    for (size_t i = 0; i < logs->count; i++)
        if (kept == 0 || !index_log_equal(&logs->items[kept - 1], &logs->items[i]))
            logs->items[kept++] = logs->items[i];
    logs->count = kept;
}

/* The array first, the data behind it. `arrays` are JSON arrays of logs, of which those that are
 * not of the filter are left out. */
static bool read_logs(struct index_logs *out, json_t *const *arrays, size_t array_count,
                      const struct index_filter *filter)
{
    size_t bytes = 0;
    size_t count = 0;
    size_t at;
    json_t *log;
    for (size_t i = 0; i < array_count; i++) {
        if (!json_is_array(arrays[i]))
            return false;
        count += json_array_size(arrays[i]);
        json_array_foreach(arrays[i], at, log) bytes += node_log_data_bytes(log);
    }
    uint8_t *memory = calloc(1, count * sizeof(struct index_log) + bytes + 1);
    ASSERT(memory != NULL);
    out->items = (struct index_log *)(void *)memory;
    uint8_t *data = memory + count * sizeof(struct index_log);
    for (size_t i = 0; i < array_count; i++)
        json_array_foreach(arrays[i], at, log)
        {
            struct index_log *item = &out->items[out->count];
            if (!read_item(item, data, log))
                return false;
            if (!is_watched(filter, &item->log))
                continue;
            data += item->log.data_len;
            out->count++;
        }
    qsort(out->items, out->count, sizeof(out->items[0]), compare_places);
    return true;
}

/* `place`: which topic the party is to be, 1 = from, 2 = to; 0 = any event. */
static json_t *filter_json(const struct index_filter *filter, size_t place, uint64_t from,
                           uint64_t to)
{
    json_t *addresses = json_array();
    for (size_t i = 0; i < filter->contract_count; i++)
        json_array_append_new(addresses,
                              node_bytes_parameter(filter->contracts[i].bytes, ADDRESS_BYTES));
    json_t *json = json_pack("{s:o, s:o, s:o}", "fromBlock", node_block_parameter(from), "toBlock",
                             node_block_parameter(to), "address", addresses);
    ASSERT(json != NULL);
    if (place > 0) {
        struct abi_word word = abi_from_address(filter->party);
        json_t *topics = json_array();
        json_array_append_new(topics,
                              node_bytes_parameter(erc3643_transfer_topic.bytes, KECCAK_BYTES));
        if (place == 2)
            json_array_append_new(topics, json_null());
        json_array_append_new(topics, node_bytes_parameter(word.bytes, sizeof(word.bytes)));
        json_object_set_new(json, "topics", topics);
    }
    return json_pack("[o]", json);
}

static bool lie_within(const struct index_logs *logs, uint64_t from, uint64_t to)
{
    return logs->count == 0 ||
           (logs->items[0].block_number >= from && logs->items[logs->count - 1].block_number <= to);
}

/* One question. Its answer is appended to `answers`; NODE_REFUSED when there are more than `max`.
 */
static enum node_result ask_logs(struct node *node, json_t *answers,
                                 const struct index_filter *filter, size_t place, uint64_t from,
                                 uint64_t to, size_t max)
{
    static const char method[] = "eth_getLogs";
    json_t *result;
    struct index_logs logs = {0};
    enum node_result asked = node_ask(node, &result, method, filter_json(filter, place, from, to));
    if (asked != NODE_OK)
        return asked;
    bool too_many = json_array_size(result) > max;
    bool usable =
        too_many || (read_logs(&logs, &result, 1, filter) && places_differ(&logs) &&
                     logs.count == json_array_size(result) && lie_within(&logs, from, to));
    index_logs_fini(&logs);
    if (usable)
        json_array_append(answers, result);
    enum node_result answered = node_answered(node, result, usable, method);
    if (answered != NODE_OK || !too_many)
        return answered;
    snprintf(node->error.message, sizeof(node->error.message), "too many results: more than %zu",
             max);
    return NODE_REFUSED;
}

enum node_result index_node_logs(struct node *node, struct index_logs *logs,
                                 const struct index_filter *filter, uint64_t from, uint64_t to,
                                 size_t max)
{
    json_t *answers = json_array();
    json_t *arrays[2] = {NULL};
    size_t questions = filter->party == NULL ? 1 : 2;
    enum node_result result = NODE_OK;
    *logs = (struct index_logs){0};
    for (size_t i = 0; i < questions && result == NODE_OK; i++) {
        result = ask_logs(node, answers, filter, filter->party == NULL ? 0 : i + 1, from, to, max);
        arrays[i] = json_array_get(answers, i);
    }
    if (result == NODE_OK) {
        ASSERT(read_logs(logs, arrays, questions, filter)); /* it was read before */
        drop_repeats(logs);
        if (!places_differ(logs)) { /* two answers that contradict each other */
            index_logs_fini(logs);
            result = node_answered(node, json_null(), false, "eth_getLogs");
        }
    }
    json_decref(answers);
    return result;
}

/* Alchemy, Infura, QuickNode, geth, Erigon, Polygon: each has words of its own; an answer that is
 * longer than we take is garbage to us, and an answer that takes too long a silence. */
bool index_node_wants_less(const struct node *node, enum node_result result)
{
    static const char *const words[] = {"too many",      "more than",  "limit",   "range",
                                        "response size", "too large",  "timeout", "timed out",
                                        "exceed",        "longer than"};
    if (result == NODE_OK)
        return false;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasestr(node->error.message, words[i]) != NULL)
            return true;
    return false;
}

/* ---- receipts ---- */

static bool receipts_are_of(const json_t *receipts, const struct chain_hash *block_hash)
{
    size_t at;
    json_t *receipt;
    struct chain_hash hash;
    json_array_foreach(receipts, at,
                       receipt) if (!node_member_hash(&hash, receipt, "blockHash") ||
                                    memcmp(&hash, block_hash, sizeof(hash)) != 0) return false;
    return true;
}

static bool read_receipts(struct index_logs *logs, const json_t *receipts,
                          const struct index_filter *filter, const struct chain_hash *block_hash)
{
    size_t count = json_array_size(receipts);
    json_t **arrays = calloc(count + 1, sizeof(*arrays));
    ASSERT(arrays != NULL);
    for (size_t i = 0; i < count; i++)
        arrays[i] = json_object_get(json_array_get(receipts, i), "logs");
    bool read = receipts_are_of(receipts, block_hash) && read_logs(logs, arrays, count, filter) &&
                places_differ(logs);
    free(arrays);
    return read;
}

enum node_result index_node_block_logs(struct node *node, bool *known, bool *found,
                                       struct index_logs *logs, const struct index_filter *filter,
                                       const struct chain_hash *block_hash)
{
    static const char method[] = "eth_getBlockReceipts";
    json_t *result;
    *logs = (struct index_logs){0};
    *known = *found = true;
    enum node_result asked =
        node_ask(node, &result, method,
                 json_pack("[o]", node_bytes_parameter(block_hash->bytes, KECCAK_BYTES)));
    if (asked == NODE_REFUSED && (node->error.code == -32601 || node->error.code == -32602)) {
        *known = false; /* no such method, or not by hash */
        return NODE_OK;
    }
    if (asked != NODE_OK)
        return asked;
    *found = !json_is_null(result);
    bool usable =
        !*found || (json_is_array(result) && read_receipts(logs, result, filter, block_hash));
    enum node_result answered = node_answered(node, result, usable, method);
    if (answered != NODE_OK)
        index_logs_fini(logs);
    return answered;
}

void index_logs_fini(struct index_logs *logs)
{
    free(logs->items);
    *logs = (struct index_logs){0};
}

bool index_log_equal(const struct index_log *a, const struct index_log *b)
{
    return compare_places(a, b) == 0 &&
           memcmp(&a->block_hash, &b->block_hash, sizeof(a->block_hash)) == 0 &&
           memcmp(&a->transaction_hash, &b->transaction_hash, sizeof(a->transaction_hash)) == 0 &&
           address_equal(&a->log.contract, &b->log.contract) &&
           a->log.topic_count == b->log.topic_count &&
           memcmp(a->log.topics, b->log.topics, a->log.topic_count * sizeof(a->log.topics[0])) ==
               0 &&
           a->log.data_len == b->log.data_len &&
           memcmp(a->log.data, b->log.data, a->log.data_len) == 0;
}
