// Benchmark of the signer: from a request's packet to the answer's, with all that it does on the
// way: policy, the log's rules for the nonce, caps, hashes, signature, the record, the log line.
//
//   single   a forcedTransfer with its batch id; a policy of 1,000 rules and two caps
//   batch    a batchForcedTransfer of 100, as much else
//
// The signer's log is in memory (a sync there costs nothing), because a disk's sync has nothing to
// do with signing: perf/journal_bench measures that. The floor is libsecp256k1 signing a hash, with
// the context that a process keeps. Both take turns, in processor time of the thread; the log lines
// go to /dev/null.
#include <fcntl.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "chain/sign_service.h"
#include "perf/measure.h"
#include "perf/report.h"

enum { RULES = 1000, ROUNDS_MAX = 101, PER_ROUND = 100, ID_BYTES = 32 };

static const uint32_t rounds_of[] = {3, 31, ROUNDS_MAX}; // by enum report_length
static const uint8_t keys_bytes[1][ECDSA_KEY_BYTES] = {{[31] = 7}};
static const struct chain_address contract = {{200, 1}};

struct bench {
    char folder[64];
    char policy_path[96];
    char log_path[96];
    struct sign_policy_file policy;
    struct sign_log log;
    struct sign_keys keys;
    struct sign_service service;
    uint64_t nonce;
    uint8_t packet[SIGNER_WIRE_REQUEST_MAX];
    uint8_t answer[SIGNER_WIRE_ANSWER_MAX];
};

// ---- the signer ---------------------------------------------------------------------------------

static void write_policy(const char *path)
{
    char text[ADDRESS_TEXT_SIZE];
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL);
    fputs("{\"chain_id\":31337,\"gas_limit_max\":16777216,\"max_fee_wei_max\":500000000000,"
          "\"allow\":[",
          file);
    for (unsigned i = 0; i < RULES / 2; i++) { // ours is the last
        struct chain_address other = {{(uint8_t)(i >> 8), (uint8_t)i, 7}};
        address_format(text, i + 1 == RULES / 2 ? &contract : &other);
        fprintf(file,
                "%s{\"contract\":\"%s\",\"methods\":[\"forcedTransfer\",\"batchForcedTransfer\"]}",
                i == 0 ? "" : ",", text);
    }
    fprintf(file,
            "],\"caps\":[{\"contract\":\"%s\",\"window_s\":3600,\"units_max\":\"1000000000000\"},"
            "{\"contract\":\"%s\",\"window_s\":86400,\"transfers_max\":1000000000}]}",
            text, text);
    ASSERT(fclose(file) == 0);
}

static void open_signer(struct bench *bench)
{
    uint64_t cut;
    uint64_t bad;
    strcpy(bench->folder, "/dev/shm/lonja-sign-bench-XXXXXX");
    ASSERT(mkdtemp(bench->folder) != NULL);
    snprintf(bench->policy_path, sizeof bench->policy_path, "%s/policy", bench->folder);
    snprintf(bench->log_path, sizeof bench->log_path, "%s/log", bench->folder);
    write_policy(bench->policy_path);
    sign_policy_file_init(&bench->policy, bench->policy_path);
    enum sign_log_result opened = sign_log_open(&bench->log, bench->log_path, &cut, &bad);
    ASSERT(opened == SIGN_LOG_OK);
    bool has_keys = sign_keys_local(&bench->keys, keys_bytes, 1);
    ASSERT(has_keys);
    bench->service.clock = &clock_system;
    bench->service.policy = &bench->policy;
    bench->service.log = &bench->log;
    bench->service.keys = &bench->keys;
}

static void close_signer(struct bench *bench)
{
    sign_log_close(&bench->log);
    bench->keys.close(bench->keys.context);
    unlink(bench->policy_path);
    unlink(bench->log_path);
    rmdir(bench->folder);
}

static size_t write_packet(struct bench *bench, bool batch)
{
    struct chain_address from[ERC3643_BATCH_MAX];
    struct chain_address to[ERC3643_BATCH_MAX];
    chain_uint128 units[ERC3643_BATCH_MAX];
    uint8_t *calldata = bench->packet + sizeof(struct signer_wire_request);
    for (size_t i = 0; i < ERC3643_BATCH_MAX; i++) {
        from[i] = (struct chain_address){{1, (uint8_t)i}};
        to[i] = (struct chain_address){{2, (uint8_t)i}};
        units[i] = i + 1;
    }
    ssize_t len = batch ? erc3643_batch_forced_transfer(calldata, SIGNER_CALLDATA_MAX, from, to,
                                                        units, ERC3643_BATCH_MAX)
                        : erc3643_forced_transfer(calldata, SIGNER_CALLDATA_MAX, from, to, 5);
    ASSERT(len > 0);
    memset(calldata + len, 0x4c, ID_BYTES);
    const struct signer_wire_request header = {.magic = SIGNER_WIRE_MAGIC,
                                               .kind = SIGNER_WIRE_SIGN,
                                               .request_id = bench->nonce,
                                               .chain_id = 31337,
                                               .nonce = bench->nonce++,
                                               .gas_limit = 300000,
                                               .max_fee_wei = 2000000000,
                                               .priority_fee_wei = 1000000000,
                                               .to = contract,
                                               .calldata_len = (uint32_t)len + ID_BYTES};
    memcpy(bench->packet, &header, sizeof header);
    return sizeof header + header.calldata_len;
}

static double signer_ns(struct bench *bench, bool batch)
{
    static const struct sign_peer peer = {.uid = 1, .pid = 2};
    struct signer_wire_answer answer;
    uint64_t sum_ns = 0;
    bool hang_up;
    for (unsigned i = 0; i < PER_ROUND; i++) {
        size_t len = write_packet(bench, batch);
        uint64_t before_ns = measure_processor_ns();
        sign_service_answer(&bench->service, bench->answer, &hang_up, bench->packet, len, &peer);
        sum_ns += measure_processor_ns() - before_ns;
        memcpy(&answer, bench->answer, sizeof answer);
        ASSERT(answer.result == SIGNER_OK && answer.raw_len > 0);
    }
    return (double)sum_ns / PER_ROUND;
}

// ---- the floor ----------------------------------------------------------------------------------

static void hash_twice(const struct bench *bench, size_t len)
{
    struct chain_hash first = keccak256_hash(bench->packet, len);
    struct chain_hash second = keccak256_hash(bench->packet, len);
    ASSERT(memcmp(&first, &second, sizeof first) == 0);
}

static double floor_ns(const struct bench *bench, secp256k1_context *context, size_t hashed_len)
{
    uint64_t sum_ns = 0;
    for (unsigned i = 0; i < PER_ROUND; i++) {
        const struct chain_hash hash = {{(uint8_t)i, 1}};
        secp256k1_ecdsa_recoverable_signature signature;
        uint64_t before_ns = measure_processor_ns();
        int made = secp256k1_ecdsa_sign_recoverable(context, &signature, hash.bytes, keys_bytes[0],
                                                    NULL, NULL);
        if (hashed_len > 0)
            hash_twice(bench, hashed_len);
        sum_ns += measure_processor_ns() - before_ns;
        ASSERT(made == 1);
    }
    return (double)sum_ns / PER_ROUND;
}

static void run_workload(struct bench *bench, secp256k1_context *context, bool batch,
                         const struct report_options *options)
{
    double ours[ROUNDS_MAX];
    double floors[ROUNDS_MAX];
    uint32_t rounds = rounds_of[options->length];
    for (uint32_t i = 0; i < rounds; i++) {
        ours[i] = signer_ns(bench, batch);
        floors[i] = floor_ns(bench, context, batch ? ERC3643_CALLDATA_MAX : 0);
    }
    struct report_line line = report_line("sign", batch ? "batch" : "single", "sign_ns");
    line.min = measure_min(ours, rounds);
    line.median = measure_median(ours, rounds);
    line.floor =
        batch ? "libsecp256k1 signing, two hashes of the batch" : "libsecp256k1 signing a hash";
    line.floor_median = measure_median(floors, rounds);
    report_print(&line, options->json);
}

int main(int count, char **words)
{
    static struct bench bench;
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int errors = dup(STDERR_FILENO);
    if (nowhere < 0 || errors < 0 || dup2(nowhere, STDERR_FILENO) < 0)
        return 1;
    log_open("sign");
    open_signer(&bench);
    secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    if (report_wanted(&options, "single"))
        run_workload(&bench, context, false, &options);
    if (report_wanted(&options, "batch"))
        run_workload(&bench, context, true, &options);
    secp256k1_context_destroy(context);
    close_signer(&bench);
    dup2(errors, STDERR_FILENO);
    return 0;
}
