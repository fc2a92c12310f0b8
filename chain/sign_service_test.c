/* The signer without its process: what holds the keys behind the table of functions, the windows'
 * arithmetic with a clock of the test, answers that the log gives. */
#include "chain/sign_service.h"

#include "base/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTRACT "0x8d0e87365216ee9aca1448cf67852b80cf7447a6"
#define HEAD                                                                                       \
    "{\"chain_id\":31337,\"gas_limit_max\":1000000,\"max_fee_wei_max\":50000,\"allow\":["          \
    "{\"contract\":\"" CONTRACT "\",\"methods\":[\"forcedTransfer\",\"batchForcedTransfer\","      \
    "\"mint\",\"freezePartialTokens\"]}]"
#define CAPS                                                                                       \
    ",\"caps\":[{\"contract\":\"" CONTRACT "\",\"window_s\":60,\"units_max\":\"100\"},"            \
    "{\"contract\":\"" CONTRACT "\",\"window_s\":600,\"transfers_max\":5}]"

static const uint8_t secrets[2][ECDSA_KEY_BYTES] = {{[31] = 7}, {[31] = 8}};
static const struct chain_address from = {{1}};
static const struct chain_address to = {{2}};
static const struct sign_peer peer = {.uid = 1, .pid = 2};

static char folder[64];
static char policy_path[96];
static char log_path[96];
static struct sign_policy_file policy;
static struct sign_log signed_log;
static struct sign_keys keys;
static struct sign_service service;
static uint64_t now_s;
static uint8_t packet[SIGNER_WIRE_REQUEST_MAX];
static uint8_t out[SIGNER_WIRE_ANSWER_MAX];
static struct signer_wire_answer answer;

static uint64_t test_wall_ns(void *context)
{
    (void)context;
    return now_s * 1000000000u;
}

static const struct clock test_clock = {.monotone_ns = test_wall_ns, .wall_ns = test_wall_ns};

static void write_policy(const char *rest)
{
    FILE *file = fopen(policy_path, "w");
    assert_non_null(file);
    fprintf(file, "%s%s}", HEAD, rest);
    assert_int_equal(fclose(file), 0);
    sign_service_reload(&service);
    assert_true(policy.readable);
}

static void open_log(void)
{
    uint64_t cut;
    uint64_t bad;
    assert_int_equal(sign_log_open(&signed_log, log_path, &cut, &bad), SIGN_LOG_OK);
}

static int start(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/lonja-service-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(policy_path, sizeof(policy_path), "%s/policy", folder);
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    now_s = 1000000;
    open_log();
    assert_true(sign_keys_local(&keys, secrets, 2));
    sign_policy_file_init(&policy, policy_path);
    memset(&service, 0, sizeof(service));
    service.clock = &test_clock;
    service.policy = &policy;
    service.log = &signed_log;
    service.keys = &keys;
    write_policy("");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    sign_log_close(&signed_log);
    keys.close(keys.context);
    unlink(policy_path);
    unlink(log_path);
    return rmdir(folder);
}

static struct signer_wire_request header_of(uint64_t nonce, ssize_t calldata_len)
{
    struct signer_wire_request header = {.magic = SIGNER_WIRE_MAGIC,
                                         .kind = SIGNER_WIRE_SIGN,
                                         .request_id = 5,
                                         .chain_id = 31337,
                                         .nonce = nonce,
                                         .gas_limit = 300000,
                                         .max_fee_wei = 100,
                                         .priority_fee_wei = 100,
                                         .calldata_len = (uint32_t)calldata_len};
    assert_true(address_parse(&header.to, CONTRACT));
    return header;
}

#define CALLDATA packet + sizeof(struct signer_wire_request), SIGNER_CALLDATA_MAX

static enum signer_result ask(const struct signer_wire_request *header)
{
    bool hang_up;
    memcpy(packet, header, sizeof(*header));
    size_t len = sign_service_answer(&service, out, &hang_up, packet,
                                     sizeof(*header) + header->calldata_len, &peer);
    assert_false(hang_up);
    memcpy(&answer, out, sizeof(answer));
    assert_int_equal(len, sizeof(answer) + answer.raw_len);
    return (enum signer_result)answer.result;
}

static enum signer_result transfer_at(uint64_t nonce, uint64_t units, uint64_t fee)
{
    struct signer_wire_request header =
        header_of(nonce, erc3643_forced_transfer(CALLDATA, &from, &to, units));
    header.max_fee_wei = header.priority_fee_wei = fee;
    return ask(&header);
}

static enum signer_result transfer(uint64_t nonce, uint64_t units)
{
    return transfer_at(nonce, units, 100);
}

static bool says(uint64_t limit, uint64_t seen)
{
    return answer.bound.limit == limit && answer.bound.seen == seen;
}

/* ---- another back-end --------------------------------------------------------------------------
 */

enum mood { HONEST, ABSENT, OTHER_KEY, HIGH_S };

/* What a custody provider might do. */
struct custodian {
    enum mood mood;
    size_t asked;
    struct sign_keys hidden;
};

static bool custodian_sign(void *context, struct ecdsa_signature *signature, size_t key,
                           const struct chain_hash *hash)
{
    struct custodian *custodian = context;
    custodian->asked++;
    if (custodian->mood == ABSENT)
        return false;
    bool made = custodian->hidden.sign(custodian->hidden.context, signature,
                                       custodian->mood == OTHER_KEY ? 1 - key : key, hash);
    if (custodian->mood == HIGH_S)
        memset(signature->s, 0xee, sizeof(signature->s));
    return made;
}

static void custodian_close(void *context)
{
    (void)context;
}

static void another_back_end_is_used_and_not_believed(void **state)
{
    (void)state;
    struct custodian custodian = {.mood = ABSENT, .hidden = keys};
    struct sign_keys foreign = keys;
    foreign.context = &custodian;
    foreign.sign = custodian_sign;
    foreign.close = custodian_close;
    foreign.foreign = true;
    service.keys = &foreign;
    assert_int_equal(transfer(0, 5), SIGNER_BACKEND_FAILED);
    custodian.mood = OTHER_KEY;
    assert_int_equal(transfer(0, 5), SIGNER_BACKEND_FAILED);
    custodian.mood = HIGH_S;
    assert_int_equal(transfer(0, 5), SIGNER_BACKEND_FAILED);
    assert_int_equal(signed_log.count, 0); /* none of these has used the nonce */
    custodian.mood = HONEST;
    assert_int_equal(transfer(0, 6), SIGNER_OK);
    assert_int_equal(custodian.asked, 4);
    static uint8_t first[SIGNER_WIRE_ANSWER_MAX];
    size_t len = answer.raw_len;
    memcpy(first, out + sizeof(answer), len);
    custodian.mood = ABSENT; /* what was signed is in the log */
    assert_int_equal(transfer(0, 6), SIGNER_OK);
    assert_int_equal(answer.raw_len, len);
    assert_memory_equal(first, out + sizeof(answer), len);
    assert_int_equal(custodian.asked, 4);
    service.keys = &keys;
}

static void the_same_key_twice_is_no_ring(void **state)
{
    (void)state;
    const uint8_t twice[2][ECDSA_KEY_BYTES] = {{[31] = 7}, {[31] = 7}};
    const uint8_t none[1][ECDSA_KEY_BYTES] = {{0}};
    struct sign_keys ring;
    assert_false(sign_keys_local(&ring, twice, 2));
    assert_false(sign_keys_local(&ring, none, 1));
}

/* ---- windows -----------------------------------------------------------------------------------
 */

static void units_are_counted_within_the_window_and_no_longer(void **state)
{
    (void)state;
    write_policy(CAPS);
    assert_int_equal(transfer(0, 60), SIGNER_OK);
    now_s += 30;
    assert_int_equal(transfer(1, 40), SIGNER_OK);
    assert_int_equal(transfer(2, 1), SIGNER_UNITS_REFUSED);
    assert_true(says(100, 101));
    now_s += 29;
    assert_int_equal(transfer(2, 1), SIGNER_UNITS_REFUSED);
    now_s += 1; /* the first is a minute old */
    assert_int_equal(transfer(2, 61), SIGNER_UNITS_REFUSED);
    assert_true(says(100, 101));
    assert_int_equal(transfer(2, 60), SIGNER_OK);
}

static void legs_mints_and_each_of_a_batch_count_as_transfers(void **state)
{
    (void)state;
    const struct chain_address wallets[3] = {from, to, from};
    const chain_uint128 units[3] = {1, 1, 1};
    write_policy(CAPS);
    struct signer_wire_request batch =
        header_of(0, erc3643_batch_forced_transfer(CALLDATA, wallets, wallets, units, 3));
    assert_int_equal(ask(&batch), SIGNER_OK);
    struct signer_wire_request mint = header_of(1, erc3643_mint(CALLDATA, &to, 1));
    assert_int_equal(ask(&mint), SIGNER_OK);
    batch = header_of(2, erc3643_batch_forced_transfer(CALLDATA, wallets, wallets, units, 3));
    assert_int_equal(ask(&batch), SIGNER_TRANSFERS_REFUSED);
    assert_true(says(5, 7));
    assert_int_equal(transfer(2, 1), SIGNER_OK);
    assert_int_equal(transfer(3, 1), SIGNER_TRANSFERS_REFUSED);
    struct signer_wire_request freeze = header_of(3, erc3643_freeze_partial(CALLDATA, &to, 1000));
    assert_int_equal(ask(&freeze), SIGNER_OK); /* moves nothing */
}

static void a_further_bid_and_a_refusal_count_nothing(void **state)
{
    (void)state;
    write_policy(CAPS);
    assert_int_equal(transfer_at(0, 100, 100), SIGNER_OK);
    assert_int_equal(transfer_at(0, 100, 200), SIGNER_OK);
    assert_int_equal(transfer_at(0, 100, 400), SIGNER_OK);
    assert_int_equal(transfer(0, 100), SIGNER_OK);
    assert_int_equal(transfer(1, 100), SIGNER_UNITS_REFUSED);
    assert_true(says(100, 200));
    now_s += 60;
    assert_int_equal(transfer(1, 100), SIGNER_OK);
}

static void the_sums_are_the_logs_also_for_a_new_policy_and_a_new_start(void **state)
{
    (void)state;
    assert_int_equal(transfer(0, 90), SIGNER_OK); /* before there were caps */
    write_policy(CAPS);
    assert_int_equal(transfer(1, 11), SIGNER_UNITS_REFUSED);
    sign_log_close(&signed_log);
    open_log();
    sign_windows_reset(&service.windows);
    assert_int_equal(transfer(1, 11), SIGNER_UNITS_REFUSED);
    assert_true(says(100, 101));
    assert_int_equal(transfer(1, 10), SIGNER_OK);
}

/* A clock set back does not open the window again, nor close it for longer. */
static void a_clock_that_goes_back_frees_nothing(void **state)
{
    (void)state;
    write_policy(CAPS);
    assert_int_equal(transfer(0, 100), SIGNER_OK);
    now_s -= 5000;
    assert_int_equal(transfer(1, 1), SIGNER_UNITS_REFUSED);
    now_s += 5060;
    assert_int_equal(transfer(1, 1), SIGNER_OK);
}

/* ---- the log's answers -------------------------------------------------------------------------
 */

static void a_request_that_cannot_be_recorded_gets_no_signature(void **state)
{
    (void)state;
    int file = signed_log.file;
    signed_log.file = open("/dev/full", O_WRONLY);
    assert_int_equal(transfer(0, 5), SIGNER_LOG_FAILED);
    assert_int_equal(answer.raw_len, 0);
    close(signed_log.file);
    signed_log.file = file;
}

static void a_key_that_is_no_longer_held_has_a_history_still(void **state)
{
    (void)state;
    struct sign_keys first;
    struct signer_wire_history history;
    assert_true(sign_keys_local(&first, secrets, 1));
    assert_int_equal(transfer(0, 5), SIGNER_OK);
    struct chain_address lost = answer.signer;
    struct chain_hash hash = answer.hash;
    first.addresses[0].bytes[0] ^= 1; /* another one is held now */
    service.keys = &first;
    struct signer_wire_request question = header_of(0, 0);
    question.kind = SIGNER_WIRE_HISTORY;
    question.signer = lost;
    memcpy(packet, &question, sizeof(question));
    bool hang_up;
    size_t len = sign_service_answer(&service, out, &hang_up, packet, sizeof(question), &peer);
    memcpy(&answer, out, sizeof(answer));
    memcpy(&history, out + sizeof(answer), sizeof(history));
    assert_int_equal(answer.result, SIGNER_OK);
    assert_int_equal(len, sizeof(answer) + sizeof(history) + answer.raw_len);
    assert_int_equal(history.bids, 1);
    assert_int_equal(history.next_nonce, 1);
    assert_memory_equal(&answer.hash, &hash, sizeof(hash));
    service.keys = &keys;
    first.close(first.context);
}

#define WITH_SERVICE(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVICE(another_back_end_is_used_and_not_believed),
        WITH_SERVICE(the_same_key_twice_is_no_ring),
        WITH_SERVICE(units_are_counted_within_the_window_and_no_longer),
        WITH_SERVICE(legs_mints_and_each_of_a_batch_count_as_transfers),
        WITH_SERVICE(a_further_bid_and_a_refusal_count_nothing),
        WITH_SERVICE(the_sums_are_the_logs_also_for_a_new_policy_and_a_new_start),
        WITH_SERVICE(a_clock_that_goes_back_frees_nothing),
        WITH_SERVICE(a_request_that_cannot_be_recorded_gets_no_signature),
        WITH_SERVICE(a_key_that_is_no_longer_held_has_a_history_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
