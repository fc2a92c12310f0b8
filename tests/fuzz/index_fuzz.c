// What the indexer reads from outside: headers, logs of a range, receipts of a block, answers of a
// multicall, and logs of any topics and data to the decoder of events. Each is read or refused;
// what is read lies within what was asked; a header is proved only if it is the whole one.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "chain/index_events.h"
#include "chain/index_node.h"
#include "chain/multicall.h"
#include "chain/rlp.h"

enum { TEXT_MAX = 8192, FROM = 16, TO = 20, MOST = 3, DATA_MAX = 300 };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define HASH        "0x1111111111111111111111111111111111111111111111111111111111111111"
#define WORD(last)  "000000000000000000000000000000000000000000000000000000000000000" last
#define LOG(index, block)                                                                          \
    "{\"address\":\"0x8d0e87365216ee9aca1448cf67852b80cf7447a6\",\"logIndex\":\"" index            \
    "\",\"blockNumber\":\"" block "\",\"blockHash\":\"" HASH "\",\"transactionHash\":\"" HASH      \
    "\",\"transactionIndex\":\"0x0\",\"removed\":false,\"topics\":["                               \
    "\"0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef\",\"0x" WORD(            \
        "1") "\",\"0x" WORD("2") "\"],\"data\":\"0x" WORD("7") "\"}"
#define RESULT(what) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" what "}"

static const struct chain_address token = {{0x8d, 0x0e, 0x87, 0x36, 0x52, 0x16, 0xee,
                                            0x9a, 0xca, 0x14, 0x48, 0xcf, 0x67, 0x85,
                                            0x2b, 0x80, 0xcf, 0x74, 0x47, 0xa6}};

static const char *said; // what the node answers next
static size_t said_len;

static void answer(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    (void)context;
    (void)method;
    json_decref(params);
    rpc_parse_response(reply, said, said_len, 1);
}

static void nothing(void *context)
{
    (void)context;
}

static const struct index_filter all = {.contracts = &token, .contract_count = 1};
static const struct index_filter party = {
    .contracts = &token, .contract_count = 1, .party = &token};

// ---- the node

// The hash of the header below: of its fields as they are encoded.
static struct chain_hash header_hash(void)
{
    static const uint8_t nothing_there[INDEX_BLOOM_BYTES];
    uint8_t ones[KECCAK_BYTES], items[1024], list[1040];
    struct rlp_writer inner, outer;
    memset(ones, 0x11, sizeof ones);
    rlp_writer_init(&inner, items, sizeof items);
    rlp_bytes(&inner, ones, sizeof ones); // parent
    rlp_bytes(&inner, ones, sizeof ones); // uncles
    rlp_bytes(&inner, token.bytes, ADDRESS_BYTES);
    for (size_t i = 0; i < 3; i++) // state, transactions, receipts
        rlp_bytes(&inner, ones, sizeof ones);
    rlp_bytes(&inner, nothing_there, INDEX_BLOOM_BYTES);
    rlp_uint(&inner, 0); // difficulty
    rlp_uint(&inner, FROM);
    rlp_uint(&inner, 30000000); // gas limit
    rlp_uint(&inner, 0);        // gas used
    rlp_uint(&inner, 6);        // time
    rlp_bytes(&inner, nothing_there, 0);
    rlp_bytes(&inner, ones, sizeof ones); // mix hash
    rlp_bytes(&inner, nothing_there, 8);
    rlp_uint(&inner, 7); // base fee
    rlp_writer_init(&outer, list, sizeof list);
    rlp_list(&outer, items, inner.len);
    return keccak256_hash(list, outer.len);
}

static void make_header(char out[TEXT_MAX], const struct chain_hash *hash)
{
    char bloom[2 * INDEX_BLOOM_BYTES + 1], text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    memset(bloom, '0', sizeof bloom - 1);
    bloom[sizeof bloom - 1] = '\0';
    hex_encode(text, hash->bytes, KECCAK_BYTES);
    snprintf(
        out, TEXT_MAX,
        RESULT("{\"hash\":\"%s\",\"parentHash\":\"" HASH "\",\"sha3Uncles\":\"" HASH
               "\",\"miner\":\"0x8d0e87365216ee9aca1448cf67852b80cf7447a6\",\"stateRoot\":\"" HASH
               "\",\"transactionsRoot\":\"" HASH "\",\"receiptsRoot\":\"" HASH
               "\",\"logsBloom\":\"0x%s\",\"difficulty\":\"0x0\",\"number\":\"0x10\",\"gasLimit\":"
               "\"0x1c9c380\",\"gasUsed\":\"0x0\",\"timestamp\":\"0x6\",\"extraData\":\"0x\","
               "\"mixHash\":\"" HASH
               "\",\"nonce\":\"0x0000000000000000\",\"baseFeePerGas\":\"0x7\"}"),
        text, bloom);
}

// Another hash is never proved.
static bool hear_header(struct node *node, const struct chain_hash *whole)
{
    struct index_header header;
    bool found;
    if (index_node_header(node, &found, &header, FROM) != NODE_OK || !found)
        return false;
    ASSERT(header.number == FROM);
    ASSERT(!header.hash_proved ||
           (memcmp(&header.hash, whole, sizeof *whole) == 0 && header.timestamp_s == 6));
    return header.hash_proved;
}

static void check_logs(const struct index_logs *logs, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < logs->count; i++) {
        const struct index_log *log = &logs->items[i];
        ASSERT(log->block_number >= from && log->block_number <= to);
        ASSERT(address_equal(&log->log.contract, &token));
        ASSERT(log->log.topic_count <= NODE_LOG_TOPICS_MAX && index_log_equal(log, log));
        json_t *decoded = index_event_decode(&log->log);
        ASSERT(json_is_object(decoded));
        json_decref(decoded);
    }
}

static void hear_logs(struct node *node, const struct index_filter *filter)
{
    struct chain_hash hash;
    struct index_logs logs;
    bool known, found;
    enum node_result result = index_node_logs(node, &logs, filter, FROM, TO, MOST);
    ASSERT(logs.count <= MOST && (result == NODE_OK || logs.count == 0));
    ASSERT(!index_node_wants_less(node, NODE_OK));
    check_logs(&logs, FROM, TO);
    index_logs_fini(&logs);
    memset(hash.bytes, 0x11, sizeof hash.bytes);
    result = index_node_block_logs(node, &known, &found, &logs, filter, &hash);
    ASSERT(result == NODE_OK || logs.count == 0);
    check_logs(&logs, 0, UINT64_MAX);
    index_logs_fini(&logs);
}

static void hear_multicall(struct node *node)
{
    static const struct multicall_question questions[2] = {
        {.calldata = {1, 2, 3, 4}, .calldata_len = 4},
        {.calldata = {5, 6, 7, 8}, .calldata_len = 4}};
    struct multicall_answer answers[2];
    (void)!multicall_ask(node, answers, questions, 2, FROM);
}

static void fuzz_node(struct fuzz *fuzz)
{
    static char header[TEXT_MAX];
    static const char *const texts[] = {
        header,
        RESULT("[" LOG("0x0", "0x10") "," LOG("0x1", "0x12") "]"),
        RESULT("[" LOG("0x0", "0x10") "," LOG("0x1", "0x12") "," LOG("0x2", "0x12") "," LOG(
            "0x3", "0x13") "]"),
        RESULT("[{\"blockHash\":\"" HASH "\",\"status\":\"0x1\",\"logs\":[" LOG(
            "0x0", "0x10") "]},"
                           "{\"blockHash\":\"" HASH "\",\"status\":\"0x1\",\"logs\":[]}]"),
        RESULT("\"0x" WORD("1") WORD("7") WORD("0") WORD("0") "\""),
        RESULT("null"),
    };
    const struct rpc_ops rpc = {.call = answer, .close = nothing};
    const struct chain_hash hash = header_hash();
    struct node node;
    uint64_t proved = 0;
    make_header(header, &hash);
    node_init(&node, &rpc);
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        const char *text = texts[fuzz_below(fuzz, COUNT(texts))];
        char *bytes = malloc(TEXT_MAX);
        ASSERT(bytes != NULL);
        said_len = strlen(text);
        memcpy(bytes, text, said_len);
        for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
            said_len = fuzz_damage(fuzz, (uint8_t *)bytes, said_len, TEXT_MAX);
        bytes = realloc(bytes, said_len + (said_len == 0)); // at its size, for a sanitizer
        said = bytes;
        proved += hear_header(&node, &hash);
        hear_logs(&node, &all);
        hear_logs(&node, &party);
        hear_multicall(&node);
        free(bytes);
    }
    node_fini(&node);
    ASSERT(proved > 0 && proved < fuzz->rounds / 2);
}

// ---- the events

static void fuzz_events(struct fuzz *fuzz)
{
#define NAME(name, signature, fields) name,
    static const char *const names[] = {INDEX_EVENTS(NAME)};
    uint64_t known = 0;
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        size_t len =
            fuzz_below(fuzz, 2) == 0 ? 32 * fuzz_below(fuzz, 6) : fuzz_below(fuzz, DATA_MAX);
        uint8_t *data = calloc(1, len + (len == 0));
        struct node_log log = {.topic_count = (uint32_t)fuzz_below(fuzz, NODE_LOG_TOPICS_MAX + 1),
                               .data = data,
                               .data_len = len};
        ASSERT(data != NULL);
        ASSERT(index_event_topic(&log.topics[0], names[fuzz_below(fuzz, COUNT(names))]));
        for (uint32_t i = 1; i < log.topic_count; i++)
            log.topics[i].bytes[fuzz_below(fuzz, 8) == 0 ? 0 : 31] = (uint8_t)fuzz_below(fuzz, 3);
        for (size_t i = fuzz_below(fuzz, 8); i > 0 && len > 0; i--)
            data[fuzz_below(fuzz, 3) == 0 ? fuzz_below(fuzz, len)
                                          : len - 1 - 32 * fuzz_below(fuzz, (len + 31) / 32)] =
                (uint8_t)fuzz_draw(fuzz);
        json_t *decoded = index_event_decode(&log);
        char *text = json_dumps(decoded, JSON_COMPACT); // as it goes to the database: whole UTF-8
        ASSERT(json_is_object(decoded) && text != NULL);
        known += strcmp(index_event_name(&log), "unknown") != 0;
        free(text);
        json_decref(decoded);
        free(data);
    }
    ASSERT(known > 0);
}

int main(int argc, char **argv)
{
    struct fuzz fuzz;
    fuzz_begin(&fuzz, "index_fuzz", argc, argv);
    fuzz_node(&fuzz);
    fuzz_events(&fuzz);
    printf("index_fuzz: nothing broke\n");
    return 0;
}
