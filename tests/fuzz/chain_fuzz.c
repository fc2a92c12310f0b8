// The chain side from outside: raw transactions, requests to the signer, answers of a node. What
// decodes encodes to the same bytes; what the signer signs is what its policy allows, whatever was
// asked; an answer is read or refused, and nothing is read behind its end.
#include "tests/fuzz/fuzz.h"

#include "base/testing.h"
#include "chain/abi.h"
#include "chain/erc3643.h"
#include "chain/node.h"
#include "chain/rpc_pool.h"
#include "chain/sign_service.h"
#include "chain/transaction.h"

#include <unistd.h>

enum { GAS_MAX = 1000000, FEE_MAX = 500, CHAIN = 31337, RAW_MAX = 16384 };
#define CONTRACT "0x8d0e87365216ee9aca1448cf67852b80cf7447a6"
#define POLICY                                                                                     \
    "{\"chain_id\":31337,\"gas_limit_max\":1000000,\"max_fee_wei_max\":500,\"allow\":["            \
    "{\"contract\":\"" CONTRACT "\",\"methods\":[\"forcedTransfer\"]}]}"

static const uint8_t key[TRANSACTION_KEY_BYTES] = {[31] = 7};
static const struct chain_address from = {{1}}, to = {{2}};

// At its exact size, so that a sanitizer sees a read behind it.
static uint8_t *exact_copy(const uint8_t *bytes, size_t count)
{
    uint8_t *copy = malloc(count + (count == 0));
    ASSERT(copy != NULL);
    memcpy(copy, bytes, count);
    return copy;
}

// ---- transactions -------------------------------------------------------------------------------

static void check_transaction(const uint8_t *raw, size_t count)
{
    struct transaction transaction;
    struct ecdsa_signature signature;
    struct chain_address sender;
    static uint8_t again[RAW_MAX];
    if (!transaction_decode(&transaction, &signature, &sender, raw, count))
        return;
    ssize_t len = transaction_encode_signed(again, sizeof again, &transaction, &signature);
    ASSERT(len == (ssize_t)count && memcmp(again, raw, count) == 0);
}

static void fuzz_transactions(struct fuzz *fuzz)
{
    static uint8_t raw[RAW_MAX], data[RAW_MAX], calldata[256];
    ssize_t calldata_len = erc3643_forced_transfer(calldata, sizeof calldata, &from, &to, 1000);
    ASSERT(calldata_len > 0);
    const struct transaction transaction = {.chain_id = CHAIN,
                                            .nonce = 300,
                                            .priority_fee_wei = 1,
                                            .max_fee_wei = 400,
                                            .gas_limit = 300000,
                                            .to = to,
                                            .calldata = calldata,
                                            .calldata_len = (size_t)calldata_len};
    ssize_t bytes = transaction_sign(raw, sizeof raw, &transaction, key);
    ASSERT(bytes > 0);
    check_transaction(raw, (size_t)bytes);
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        size_t count = (size_t)bytes;
        memcpy(data, raw, count);
        for (size_t i = 1 + fuzz_below(fuzz, 3); i > 0; i--) {
            // Mostly where the structure is: the head, and the signature behind the calldata.
            size_t head = fuzz_below(fuzz, 2) == 0 && count > 40 ? 40 : count;
            size_t rest = count - head;
            uint8_t tail[RAW_MAX];
            memcpy(tail, data + head, rest);
            head = fuzz_damage(fuzz, data, head, sizeof data - rest);
            memcpy(data + head, tail, rest);
            count = head + rest;
        }
        uint8_t *copy = exact_copy(data, count);
        check_transaction(copy, count);
        free(copy);
    }
}

// ---- the signer ---------------------------------------------------------------------------------

static void check_signed(const struct sign_service *service, const uint8_t *raw, size_t len)
{
    struct transaction transaction;
    struct chain_address sender, contract;
    ASSERT(address_parse(&contract, CONTRACT));
    ASSERT(transaction_decode(&transaction, NULL, &sender, raw, len));
    ASSERT(address_equal(&sender, &service->keys->addresses[0]));
    ASSERT(transaction.chain_id == CHAIN && transaction.value_wei == 0);
    ASSERT(!transaction.creates_contract);
    ASSERT(transaction.gas_limit <= GAS_MAX && transaction.max_fee_wei <= FEE_MAX);
    ASSERT(transaction.priority_fee_wei <= transaction.max_fee_wei);
    ASSERT(transaction.access_list_len == 0);
    if (transaction.calldata_len == 0) {
        ASSERT(address_equal(&transaction.to, &sender));
        return;
    }
    ASSERT(address_equal(&transaction.to, &contract));
    // forcedTransfer(address,address,uint256), perhaps with one word behind it, and nothing else.
    ASSERT(transaction.calldata_len == 100 || transaction.calldata_len == 132);
    ASSERT(memcmp(transaction.calldata, "\x9f\xc1\xd0\xe7", 4) == 0);
}

static size_t request_make(struct fuzz *fuzz, uint8_t *packet, size_t size)
{
    static const uint32_t kinds[] = {SIGNER_WIRE_HISTORY, SIGNER_WIRE_ACCOUNT, SIGNER_WIRE_ADDRESS};
    struct signer_wire_request header = {
        .magic = SIGNER_WIRE_MAGIC,
        .kind = fuzz_below(fuzz, 6) == 0 ? kinds[fuzz_below(fuzz, 3)] : SIGNER_WIRE_SIGN,
        .bid = (uint32_t)fuzz_below(fuzz, 3),
        .request_id = fuzz_draw(fuzz),
        .chain_id = CHAIN,
        .nonce = fuzz_below(fuzz, 8),
        .gas_limit = 300000,
        .max_fee_wei = 1 + fuzz_below(fuzz, 2 * FEE_MAX),
        .priority_fee_wei = fuzz_below(fuzz, 3)};
    ASSERT(address_parse(&header.to, CONTRACT));
    uint8_t *calldata = packet + sizeof header;
    ssize_t len = fuzz_below(fuzz, 4) == 0
                      ? erc3643_mint(calldata, size - sizeof header, &to, 1)
                      : erc3643_forced_transfer(calldata, size - sizeof header, &from, &to, 1);
    ASSERT(len > 0);
    if (header.kind != SIGNER_WIRE_SIGN)
        len = 0;
    header.calldata_len =
        (uint32_t)len + (fuzz_below(fuzz, 8) == 0 ? 32 * (uint32_t)fuzz_below(fuzz, 4) : 0);
    memcpy(packet, &header, sizeof header);
    return sizeof header + header.calldata_len;
}

static void ask(struct sign_service *service, const uint8_t *packet, size_t count)
{
    static uint8_t out[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_answer answer;
    bool hang_up = false;
    uint8_t *copy = exact_copy(packet, count);
    const struct sign_peer peer = {.uid = 1, .pid = 2};
    size_t len = sign_service_answer(service, out, &hang_up, copy, count, &peer);
    free(copy);
    ASSERT(len >= sizeof answer && len <= sizeof out);
    memcpy(&answer, out, sizeof answer);
    struct signer_wire_request asked = {0};
    memcpy(&asked, packet, count < sizeof asked ? count : sizeof asked);
    bool has_body = asked.kind == SIGNER_WIRE_HISTORY || asked.kind == SIGNER_WIRE_ACCOUNT;
    size_t body = has_body && answer.result == SIGNER_OK ? sizeof(struct signer_wire_history) : 0;
    ASSERT(answer.magic == SIGNER_WIRE_MAGIC && len == sizeof answer + body + answer.raw_len);
    ASSERT(signer_result_is_known(answer.result));
    ASSERT((answer.result == SIGNER_OK) || answer.raw_len == 0);
    if (answer.raw_len > 0)
        check_signed(service, out + sizeof answer + body, answer.raw_len);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void fuzz_signer(struct fuzz *fuzz)
{
    static struct sign_policy_file policy;
    static uint8_t packet[SIGNER_WIRE_REQUEST_MAX + 1];
    char folder[] = "/tmp/lonja-fuzz-XXXXXX", policy_path[64], log_path[64];
    ASSERT(mkdtemp(folder) != NULL);
    snprintf(policy_path, sizeof policy_path, "%s/policy", folder);
    snprintf(log_path, sizeof log_path, "%s/log", folder);
    write_file(policy_path, POLICY);
    sign_policy_file_init(&policy, policy_path);
    static struct sign_log log;
    uint64_t cut, bad;
    ASSERT(sign_log_open(&log, log_path, &cut, &bad) == SIGN_LOG_OK);
    struct sign_keys keys;
    ASSERT(sign_keys_local(&keys, &key, 1));
    static struct sign_service service;
    service = (struct sign_service){
        .clock = &clock_system, .policy = &policy, .log = &log, .keys = &keys};
    for (uint64_t round = 0; round < fuzz->rounds / 2; round++) {
        memset(packet, 0, sizeof packet);
        size_t count = request_make(fuzz, packet, sizeof packet);
        for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
            count = fuzz_damage(fuzz, packet, count, sizeof packet);
        ask(&service, packet, count);
    }
    ASSERT(service.signed_count > 0 && service.refused_count > 0);
    sign_log_close(&log);
    // Whatever was asked, the log it left is whole, and says so of every signature.
    uint64_t signatures = service.signed_count;
    ASSERT(sign_log_open(&log, log_path, &cut, &bad) == SIGN_LOG_OK && cut == 0);
    ASSERT(log.count > 0 && log.count <= signatures);
    sign_log_close(&log);
    keys.close(keys.context);
    unlink(policy_path);
    unlink(log_path);
    ASSERT(rmdir(folder) == 0);
}

// ---- its policy ---------------------------------------------------------------------------------

// What is read keeps its bounds, and what it lets through is of its chain, contracts and caps.
static void check_policy(const struct sign_policy *policy, const struct signer_request *request)
{
    static const struct chain_address signer = {{9}};
    struct sign_call call;
    struct signer_bound bound = {0};
    ASSERT(policy->rule_count <= SIGN_POLICY_RULES_MAX &&
           policy->cap_count <= SIGN_POLICY_CAPS_MAX);
    ASSERT(policy->create_count <= SIGN_POLICY_CREATES_MAX);
    for (size_t i = 0; i < policy->cap_count; i++)
        ASSERT(policy->caps[i].window_s > 0);
    enum signer_result result = sign_policy_check(policy, &call, &bound, request, &signer);
    ASSERT(signer_result_is_known((uint32_t)result));
    if (result != SIGNER_OK)
        return;
    ASSERT(policy->chain_id == request->chain_id && policy->gas_limit_max >= request->gas_limit);
    ASSERT(policy->max_fee_wei_max >= request->max_fee_wei);
    for (size_t i = 0; i < policy->rule_count; i++)
        if (address_equal(&policy->rules[i].contract, &request->to))
            return;
    ASSERT(false); // of a contract that is not named
}

static void fuzz_policies(struct fuzz *fuzz)
{
    static const char *const texts[] = {
        POLICY,
        "{\"chain_id\":31337,\"gas_limit_max\":1000000,\"max_fee_wei_max\":500,\"allow\":[{"
        "\"contract\":\"" CONTRACT "\",\"methods\":[\"mint\",\"forcedTransfer\","
                                   "\"batchForcedTransfer\"]}],\"create\":[{\"name\":\"A\","
        "\"code_hash\":\"0x1111111111111111111111111111111111111111111111111111111111111111\","
        "\"code_length\":100}],\"caps\":[{\"contract\":\"" CONTRACT
        "\",\"window_s\":3600,\"units_max\":\"1000\",\"transfers_max\":5}]}",
    };
    static struct sign_policy policy;
    uint8_t data[2048], calldata[256];
    char error[SIGN_POLICY_ERROR_MAX];
    uint64_t read = 0;
    ssize_t len = erc3643_forced_transfer(calldata, sizeof calldata, &from, &to, 1);
    ASSERT(len > 0);
    struct signer_request request = {.chain_id = CHAIN,
                                     .gas_limit = 300000,
                                     .max_fee_wei = 400,
                                     .calldata = calldata,
                                     .calldata_len = (uint32_t)len};
    ASSERT(address_parse(&request.to, CONTRACT));
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        const char *text = texts[fuzz_below(fuzz, sizeof texts / sizeof texts[0])];
        size_t count = strlen(text);
        memcpy(data, text, count);
        for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
            count = fuzz_damage(fuzz, data, count, sizeof data);
        uint8_t *copy = exact_copy(data, count);
        error[0] = '\0';
        if (sign_policy_parse(&policy, (const char *)copy, count, error)) {
            check_policy(&policy, &request);
            read++;
        } else {
            ASSERT(error[0] != '\0');
        }
        free(copy);
    }
    ASSERT(read > 0);
}

// ---- a node's answers ---------------------------------------------------------------------------

static const char *const answers[] = {
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x7a69\"}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":3,\"message\":\"execution "
    "reverted\",\"data\":"
    "\"0x08c379a0\"}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32603,\"message\":\"nonce too "
    "low\",\"data\":{"
    "\"data\":\"0x\"}}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"status\":\"0x1\",\"blockNumber\":\"0x10\","
    "\"blockHash\":\"0x1111111111111111111111111111111111111111111111111111111111111111\","
    "\"transactionHash\":\"0x2222222222222222222222222222222222222222222222222222222222222222\","
    "\"transactionIndex\":\"0x0\",\"gasUsed\":\"0x33333\",\"effectiveGasPrice\":\"0x5\",\"logs\":[{"
    "\"address\":\"0x8d0e87365216ee9aca1448cf67852b80cf7447a6\",\"logIndex\":\"0x0\",\"topics\":["
    "\"0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef\"],\"data\":\"0x01\"}]}}",
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"number\":\"0x10\",\"hash\":"
    "\"0x1111111111111111111111111111111111111111111111111111111111111111\",\"timestamp\":\"0x1\","
    "\"baseFeePerGas\":\"0x7\",\"parentHash\":"
    "\"0x2222222222222222222222222222222222222222222222222222222222222222\"}}",
};

struct said { // what the node will answer next
    const uint8_t *body;
    size_t len;
};

static void answer(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    const struct said *said = context;
    (void)method;
    json_decref(params);
    rpc_parse_response(reply, (const char *)said->body, said->len, 1);
}

static void nothing(void *context)
{
    (void)context;
}

static void hear_all(const struct said *said)
{
    struct said copy = *said;
    const struct rpc_ops rpc = {.context = &copy, .call = answer, .close = nothing};
    const struct chain_hash hash = {{0}};
    struct node node;
    struct node_receipt receipt;
    struct node_transaction transaction;
    struct node_fees fees;
    chain_uint128 balance;
    uint64_t number;
    bool flag;
    node_init(&node, &rpc);
    (void)!node_chain_id(&node, &number);
    (void)!node_get_fees(&node, &fees);
    (void)!node_get_balance(&node, &balance, &to, NODE_LATEST);
    (void)!node_has_code(&node, &flag, &to, NODE_LATEST);
    (void)!node_send_raw(&node, (const uint8_t *)"raw", 3);
    (void)!node_get_transaction(&node, &transaction, &hash);
    if (node_get_receipt(&node, &receipt, &hash) == NODE_OK) {
        for (size_t i = 0; i < receipt.log_count; i++)
            ASSERT(receipt.logs[i].topic_count <= NODE_LOG_TOPICS_MAX);
        node_receipt_fini(&receipt);
    }
    node_fini(&node);
}

// ---- two endpoints, one of which is damaged

static uint64_t no_time(void *context)
{
    (void)context;
    return 1;
}

static void no_wait(void *context, uint64_t ns)
{
    (void)context;
    (void)ns;
}

static bool same_receipt(const struct node_receipt *a, const struct node_receipt *b)
{
    bool same = a->found == b->found && a->succeeded == b->succeeded &&
                a->block_number == b->block_number && a->gas_used == b->gas_used &&
                memcmp(&a->block_hash, &b->block_hash, sizeof a->block_hash) == 0 &&
                a->log_count == b->log_count;
    for (size_t i = 0; same && i < a->log_count; i++)
        same = a->logs[i].data_len == b->logs[i].data_len &&
               memcmp(a->logs[i].data, b->logs[i].data, a->logs[i].data_len) == 0 &&
               memcmp(a->logs[i].topics, b->logs[i].topics, sizeof a->logs[i].topics) == 0;
    return same;
}

// Whatever the one says: a receipt that the pool gives is the other's.
static void hear_two(const struct said *damaged, const struct said *whole, bool damaged_first)
{
    struct said said[2] = {*(damaged_first ? damaged : whole), *(damaged_first ? whole : damaged)};
    const struct rpc_pool_config config = {.chain_id = CHAIN,
                                           .agree = 2,
                                           .alone = true,
                                           .lag_max = 2,
                                           .time = {.now_ns = no_time, .wait_ns = no_wait}};
    struct said alone = *whole;
    const struct rpc_ops one = {.context = &alone, .call = answer, .close = nothing};
    struct chain_hash hash;
    struct node_receipt expected, found;
    struct rpc_pool pool;
    struct node node;
    memset(hash.bytes, 0x22, sizeof hash.bytes); // of the receipt above
    node_init(&node, &one);
    if (node_get_receipt(&node, &expected, &hash) != NODE_OK)
        return;
    rpc_pool_init(&pool, &config);
    for (size_t i = 0; i < 2; i++) {
        const struct rpc_ops endpoint = {.context = &said[i], .call = answer, .close = nothing};
        rpc_pool_add(&pool, "fuzzed", &endpoint);
        pool.endpoints[i].state = RPC_ENDPOINT_UP; // its chain was looked at
    }
    const struct rpc_ops both = rpc_pool_ops(&pool);
    node_init(&node, &both);
    if (node_get_receipt(&node, &found, &hash) == NODE_OK) {
        ASSERT(same_receipt(&found, &expected));
        node_receipt_fini(&found);
    }
    node_receipt_fini(&expected);
    node_fini(&node);
}

static void fuzz_answers(struct fuzz *fuzz)
{
    uint8_t data[2048];
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        const char *text = answers[fuzz_below(fuzz, sizeof answers / sizeof answers[0])];
        size_t count = strlen(text);
        memcpy(data, text, count);
        for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
            count = fuzz_damage(fuzz, data, count, sizeof data);
        uint8_t *copy = exact_copy(data, count);
        const struct said damaged = {copy, count};
        const struct said whole = {(const uint8_t *)text, strlen(text)};
        hear_all(&damaged);
        hear_two(&damaged, &whole, round % 2 == 0);
        free(copy);
    }
}

int main(int argc, char **argv)
{
    struct fuzz fuzz;
    fuzz_begin(&fuzz, "chain_fuzz", argc, argv);
    fuzz_transactions(&fuzz);
    fuzz_signer(&fuzz);
    fuzz_policies(&fuzz);
    fuzz_answers(&fuzz);
    printf("chain_fuzz: nothing broke\n");
    return 0;
}
