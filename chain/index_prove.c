#include "chain/index_prove.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct proof {
    struct node *node;
    struct index_range *range;
    enum index_fault *fault;
    const struct index_filter *filter;
    const struct index_prove_options *options;
};

static bool hash_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Counted as garbage: that is what the node's operator, or another node, has to answer for. */
static enum node_result lie(struct proof *proof, uint64_t block, const char *what)
{
    *proof->fault = INDEX_FAULT_LIE;
    snprintf(proof->node->error.message, sizeof(proof->node->error.message), "block %llu: %s",
             (unsigned long long)block, what);
    proof->node->counters.failures[NODE_GARBAGE]++;
    return NODE_GARBAGE;
}

static enum node_result stop(struct proof *proof, enum index_fault fault, uint64_t block,
                             const char *what)
{
    *proof->fault = fault;
    snprintf(proof->node->error.message, sizeof(proof->node->error.message), "block %llu: %s",
             (unsigned long long)block, what);
    return NODE_GARBAGE;
}

/* ---- headers ---- */

/* Between two answers the chain may have been reorganised: a parent that does not fit is no lie
 * yet. */
static enum node_result read_headers(struct proof *proof, const struct chain_hash *parent)
{
    struct index_range *range = proof->range;
    for (uint64_t at = range->from; at <= range->to; at++) {
        struct index_header *header = &range->headers[at - range->from];
        bool found;
        enum node_result asked = index_node_header(proof->node, &found, header, at);
        if (asked != NODE_OK)
            return asked;
        if (!found)
            return stop(proof, INDEX_FAULT_MISSING, at, "not there");
        if (!header->hash_proved && proof->options->header_hash)
            return lie(proof, at, "the hash is not that of the header's fields");
        if (parent != NULL && !hash_equal(&header->parent_hash, parent))
            return stop(proof, INDEX_FAULT_MOVED, at, "its parent is another block");
        range->headers_proved += header->hash_proved;
        parent = &header->hash;
    }
    return NODE_OK;
}

/* ---- logs ---- */

static enum node_result check_places(struct proof *proof)
{
    struct index_range *range = proof->range;
    for (size_t i = 0; i < range->logs.count; i++) {
        const struct index_log *log = &range->logs.items[i];
        const struct index_header *header = &range->headers[log->block_number - range->from];
        if (!hash_equal(&log->block_hash, &header->hash))
            return stop(proof, INDEX_FAULT_MOVED, log->block_number,
                        "its logs are of another block");
        if (!index_bloom_admits_log(header->bloom, &log->log, proof->filter))
            return lie(proof, log->block_number, "a log that its bloom does not admit");
    }
    return NODE_OK;
}

static size_t logs_of(const struct index_logs *logs, size_t first, uint64_t block)
{
    size_t count = 0;
    while (first + count < logs->count && logs->items[first + count].block_number == block)
        count++;
    return count;
}

static bool same_logs(const struct index_log *items, size_t count, const struct index_logs *other)
{
    if (count != other->count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!index_log_equal(&items[i], &other->items[i]))
            return false;
    return true;
}

/* Compares the logs of one block, which begin at `first`, with its receipts. */
static enum node_result check_receipts(struct proof *proof, const struct index_header *header,
                                       size_t first, size_t count)
{
    struct index_logs logs;
    bool known;
    bool found;
    enum node_result asked =
        index_node_block_logs(proof->node, &known, &found, &logs, proof->filter, &header->hash);
    if (asked != NODE_OK)
        return asked;
    bool same = !known || !found || same_logs(&proof->range->logs.items[first], count, &logs);
    index_logs_fini(&logs);
    if (!found)
        return stop(proof, INDEX_FAULT_MOVED, header->number, "it has no receipts any more");
    if (!same)
        return lie(proof, header->number, "logs and receipts are not the same");
    proof->range->receipts_blocks += known;
    return NODE_OK;
}

static enum node_result check_blocks(struct proof *proof)
{
    struct index_range *range = proof->range;
    size_t first = 0;
    for (uint64_t at = range->from; at <= range->to; at++) {
        const struct index_header *header = &range->headers[at - range->from];
        size_t count = logs_of(&range->logs, first, at);
        if (index_bloom_admits(header->bloom, proof->filter)) {
            range->bloom_blocks++;
            enum node_result checked = check_receipts(proof, header, first, count);
            if (checked != NODE_OK)
                return checked;
        }
        first += count;
    }
    ASSERT(first == range->logs.count);
    return NODE_OK;
}

/* ---- digest ---- */

struct bytes {
    uint8_t *at;
    size_t len;
};

static void put(struct bytes *out, const void *bytes, size_t len)
{
    memcpy(out->at + out->len, bytes, len);
    out->len += len;
}

static void put_number(struct bytes *out, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out->at[out->len++] = (uint8_t)(value >> 8 * (len - 1 - i));
}

enum { BLOCK_DIGEST_BYTES = 8 + 32 + 4, LOG_DIGEST_BYTES = 4 + 32 + 20 + 1 + 4 * 32 + 32 };

static void put_log(struct bytes *out, const struct index_log *log)
{
    struct chain_hash data = keccak256_hash(log->log.data, log->log.data_len);
    put_number(out, log->log.log_index, 4);
    put(out, log->transaction_hash.bytes, KECCAK_BYTES);
    put(out, log->log.contract.bytes, ADDRESS_BYTES);
    put_number(out, log->log.topic_count, 1);
    put(out, log->log.topics, log->log.topic_count * sizeof(log->log.topics[0]));
    put(out, data.bytes, KECCAK_BYTES);
}

static void digest(struct index_range *range)
{
    size_t blocks = (size_t)(range->to - range->from + 1);
    struct bytes out = {
        .at = malloc(blocks * BLOCK_DIGEST_BYTES + range->logs.count * LOG_DIGEST_BYTES)};
    size_t first = 0;
    ASSERT(out.at != NULL);
    for (size_t i = 0; i < blocks; i++) {
        size_t count = logs_of(&range->logs, first, range->headers[i].number);
        put_number(&out, range->headers[i].number, 8);
        put(&out, range->headers[i].hash.bytes, KECCAK_BYTES);
        put_number(&out, count, 4);
        for (size_t k = first; k < first + count; k++)
            put_log(&out, &range->logs.items[k]);
        first += count;
    }
    range->digest = keccak256_hash(out.at, out.len);
    free(out.at);
}

/* ---- the whole ---- */

static enum node_result prove(struct proof *proof, const struct chain_hash *parent)
{
    struct index_range *range = proof->range;
    enum node_result result = read_headers(proof, parent);
    if (result == NODE_OK)
        result = index_node_logs(proof->node, &range->logs, proof->filter, range->from, range->to,
                                 proof->options->logs_max);
    if (result == NODE_OK)
        result = check_places(proof);
    return result == NODE_OK ? check_blocks(proof) : result;
}

enum node_result index_prove(struct node *node, struct index_range *range, enum index_fault *fault,
                             const struct index_filter *filter, uint64_t from, uint64_t to,
                             const struct chain_hash *parent,
                             const struct index_prove_options *options)
{
    struct proof proof = {
        .node = node, .range = range, .fault = fault, .filter = filter, .options = options};
    ASSERT(from <= to && filter->contract_count > 0);
    *fault = INDEX_FAULT_NONE;
    *range = (struct index_range){.from = from, .to = to};
    range->headers = calloc((size_t)(to - from + 1), sizeof(range->headers[0]));
    ASSERT(range->headers != NULL);
    enum node_result result = prove(&proof, parent);
    if (result == NODE_OK)
        digest(range);
    else
        index_range_fini(range);
    return result;
}

void index_range_fini(struct index_range *range)
{
    free(range->headers);
    index_logs_fini(&range->logs);
    range->headers = NULL;
}
