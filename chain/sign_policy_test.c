#include "chain/sign_policy.h"

#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONTRACT "0x8d0e87365216ee9aca1448cf67852b80cf7447a6"
#define POLICY                                                                                     \
    "{\"chain_id\":31337,\"gas_limit_max\":1000000,\"max_fee_wei_max\":500,\"allow\":["            \
    "{\"contract\":\"" CONTRACT "\",\"methods\":[\"forcedTransfer\",\"batchForcedTransfer\"]}]}"

static const struct chain_address wallet_a = {{1}};
static const struct chain_address wallet_b = {{2}};
static uint8_t calldata[SIGNER_CALLDATA_MAX];
static struct sign_policy policy;

static int read_policy(void **state)
{
    (void)state;
    char error[SIGN_POLICY_ERROR_MAX];
    return sign_policy_parse(&policy, POLICY, strlen(POLICY), error) ? 0 : -1;
}

static struct signer_request request_of(ssize_t len)
{
    struct signer_request request = {.chain_id = 31337,
                                     .gas_limit = 300000,
                                     .max_fee_wei = 400,
                                     .priority_fee_wei = 1,
                                     .calldata = calldata,
                                     .calldata_len = (uint32_t)len};
    assert_true(len > 0);
    assert_true(address_parse(&request.to, CONTRACT));
    return request;
}

static struct signer_request forced_transfer(void)
{
    return request_of(
        erc3643_forced_transfer(calldata, sizeof(calldata), &wallet_a, &wallet_b, 1000));
}

static struct signer_bound bound; /* of the last check */

static enum signer_result check(const struct signer_request *request)
{
    static const struct chain_address signer = {{9}};
    struct sign_call call;
    return sign_policy_check(&policy, &call, &bound, request, &signer);
}

static void expect_above(const struct signer_request *request, enum signer_result refusal,
                         uint64_t limit, uint64_t seen)
{
    assert_int_equal(check(request), refusal);
    assert_true(bound.limit == limit && bound.seen == seen);
}

static void what_the_policy_names_is_allowed(void **state)
{
    (void)state;
    struct signer_request request = forced_transfer();
    assert_int_equal(check(&request), SIGNER_OK);
    request.calldata_len += 32; /* a batch id behind the arguments */
    assert_int_equal(check(&request), SIGNER_OK);
}

static void a_full_batch_is_allowed_and_a_crooked_one_is_not(void **state)
{
    (void)state;
    struct chain_address from[ERC3643_BATCH_MAX];
    struct chain_address to[ERC3643_BATCH_MAX];
    chain_uint128 units[ERC3643_BATCH_MAX];
    for (size_t i = 0; i < ERC3643_BATCH_MAX; i++) {
        from[i] = wallet_a;
        to[i] = wallet_b;
        units[i] = i + 1;
    }
    struct signer_request request = request_of(erc3643_batch_forced_transfer(
        calldata, sizeof(calldata), from, to, units, ERC3643_BATCH_MAX));
    assert_int_equal(request.calldata_len, ERC3643_CALLDATA_MAX);
    assert_int_equal(check(&request), SIGNER_OK);
    calldata[4 + 31] ^= 0x20; /* the first array's offset */
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    calldata[4 + 31] ^= 0x20;
    calldata[4 + 32 * 4 + 3] = 1; /* a wallet wider than an address */
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    calldata[4 + 32 * 4 + 3] = 0;
    request.calldata_len -= 32; /* one amount short */
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
}

static void every_limit_has_its_own_refusal(void **state)
{
    (void)state;
    struct signer_request request = forced_transfer();
    request.chain_id = 1;
    expect_above(&request, SIGNER_CHAIN_REFUSED, 31337, 1);
    request = forced_transfer();
    request.to.bytes[0] ^= 1;
    assert_int_equal(check(&request), SIGNER_CONTRACT_REFUSED);
    request = request_of(erc3643_mint(calldata, sizeof(calldata), &wallet_a, 1));
    assert_int_equal(check(&request), SIGNER_METHOD_REFUSED);
    request = forced_transfer();
    request.gas_limit = 1000001;
    expect_above(&request, SIGNER_GAS_REFUSED, 1000000, 1000001);
    request = forced_transfer();
    request.max_fee_wei = 501;
    expect_above(&request, SIGNER_FEE_REFUSED, 500, 501);
    request = forced_transfer();
    request.priority_fee_wei = 401;
    expect_above(&request, SIGNER_FEE_REFUSED, 400, 401);
    request = forced_transfer();
    request.calldata_len = SIGNER_CALLDATA_MAX + 1;
    expect_above(&request, SIGNER_CALLDATA_REFUSED, SIGNER_CALLDATA_MAX, SIGNER_CALLDATA_MAX + 1);
}

static void a_transfer_of_nothing_or_to_nobody_is_refused(void **state)
{
    (void)state;
    const struct chain_address nobody = {{0}};
    struct signer_request request =
        request_of(erc3643_forced_transfer(calldata, sizeof(calldata), &wallet_a, &wallet_b, 0));
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    request =
        request_of(erc3643_forced_transfer(calldata, sizeof(calldata), &wallet_a, &nobody, 1));
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    request = forced_transfer();
    request.calldata_len = 3;
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    request.calldata_len = 99;
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    request.calldata_len = 68;
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
}

static void a_nonce_may_be_given_up_within_the_caps(void **state)
{
    (void)state;
    struct signer_request request = {.chain_id = 31337,
                                     .gas_limit = 21000,
                                     .max_fee_wei = 400,
                                     .priority_fee_wei = 1,
                                     .to = {{9}}};
    assert_int_equal(check(&request), SIGNER_OK);
    request.max_fee_wei = 1000; // above what stands at the cap
    assert_int_equal(check(&request), SIGNER_OK);
    request.max_fee_wei = 1001;
    expect_above(&request, SIGNER_FEE_REFUSED, 1000, 1001);
    request.max_fee_wei = 400;
    request.gas_limit = 1000001;
    assert_int_equal(check(&request), SIGNER_GAS_REFUSED);
    request.gas_limit = 21000;
    request.to = wallet_a;
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
}

/* A policy that may create `code`, and nothing else. */
static void read_creating_policy(const uint8_t *code, size_t len)
{
    char json[512];
    char hash_text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    char error[SIGN_POLICY_ERROR_MAX];
    struct chain_hash hash = keccak256_hash(code, len);
    hex_encode(hash_text, hash.bytes, KECCAK_BYTES);
    int json_len = snprintf(json, sizeof(json),
                            "{\"chain_id\":31337,\"gas_limit_max\":1000000,"
                            "\"max_fee_wei_max\":500,\"allow\":[],\"create\":[{\"name\":\"T\","
                            "\"code_hash\":\"%s\",\"code_length\":%zu}]}",
                            hash_text, len);
    assert_true(sign_policy_parse(&policy, json, (size_t)json_len, error));
}

static void only_the_named_code_may_be_created(void **state)
{
    (void)state;
    struct signer_request request = {.chain_id = 31337,
                                     .gas_limit = 1000000,
                                     .max_fee_wei = 400,
                                     .priority_fee_wei = 1,
                                     .create = true,
                                     .calldata = calldata,
                                     .calldata_len = 77};
    memset(calldata, 7, sizeof(calldata));
    assert_int_equal(check(&request), SIGNER_CREATE_REFUSED);
    read_creating_policy(calldata, 77);
    assert_int_equal(check(&request), SIGNER_OK);
    request.calldata_len += 64; /* two arguments of the constructor */
    assert_int_equal(check(&request), SIGNER_OK);
    request.calldata_len++;
    assert_int_equal(check(&request), SIGNER_CREATE_REFUSED);
    request.calldata_len = 45;
    assert_int_equal(check(&request), SIGNER_CREATE_REFUSED);
    request.calldata_len = 77;
    calldata[76] ^= 1;
    assert_int_equal(check(&request), SIGNER_CREATE_REFUSED);
    calldata[76] ^= 1;
    request.to = wallet_a;
    assert_int_equal(check(&request), SIGNER_CALLDATA_REFUSED);
    request.to = (struct chain_address){{0}};
    request.calldata_len = 77 + 32 * ((SIGNER_INIT_CODE_MAX - 77) / 32);
    assert_int_equal(check(&request), SIGNER_OK);
    request.calldata_len += 32;
    expect_above(&request, SIGNER_CALLDATA_REFUSED, SIGNER_INIT_CODE_MAX, request.calldata_len);
    assert_int_equal(read_policy(state), 0);
}

static void expect_refused(const char *json, const char *words)
{
    static struct sign_policy out;
    char error[SIGN_POLICY_ERROR_MAX];
    assert_false(sign_policy_parse(&out, json, strlen(json), error));
    if (strstr(error, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error, words);
}

/* What a plain transfer pays out is the key's own. */
static void transfer_needs_a_cap_on_units(void **state)
{
#define TRANSFER(caps)                                                                             \
    "{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":[{\"contract\":"          \
    "\"" CONTRACT "\",\"methods\":[\"transfer\"]}],\"caps\":[" caps "]}"
    static const char good[] =
        TRANSFER("{\"contract\":\"" CONTRACT "\",\"window_s\":60,\"units_max\":\"5\"}");
    static struct sign_policy out;
    char error[SIGN_POLICY_ERROR_MAX];
    (void)state;
    expect_refused(TRANSFER(""), "transfer");
    expect_refused(TRANSFER("{\"contract\":\"" CONTRACT "\",\"window_s\":60,\"transfers_max\":5}"),
                   "units_max");
    expect_refused(TRANSFER("{\"contract\":\"0x00000000000000000000000000000000000000aa\","
                            "\"window_s\":60,\"units_max\":\"5\"}"),
                   "units_max");
    assert_true(sign_policy_parse(&out, good, strlen(good), error));
}

static void a_policy_that_is_not_exactly_one_is_refused(void **state)
{
    (void)state;
    expect_refused("", "not JSON");
    expect_refused("[]", "object");
    expect_refused("{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1}", "allow");
    expect_refused(
        "{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":[],\"x\":1}",
        "unknown");
    expect_refused("{\"chain_id\":\"1\",\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":[]}",
                   "chain_id");
    expect_refused("{\"chain_id\":1,\"gas_limit_max\":0,\"max_fee_wei_max\":1,\"allow\":[]}",
                   "gas_limit_max");
    expect_refused("{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":["
                   "{\"contract\":\"0x12\",\"methods\":[]}]}",
                   "address");
    expect_refused("{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":["
                   "{\"contract\":\"" CONTRACT "\",\"methods\":[\"selfdestruct\"]}]}",
                   "selfdestruct");
    expect_refused("{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":["
                   "{\"contract\":\"" CONTRACT "\",\"methods\":[\"balanceOf\"]}]}",
                   "balanceOf");
}

#define CREATE(text)                                                                               \
    "{\"chain_id\":1,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":[],\"create\":" text "}"
#define HASH "\"0x1111111111111111111111111111111111111111111111111111111111111111\""

static void a_creation_is_named_in_full(void **state)
{
    (void)state;
    expect_refused(CREATE("{}"), "list");
    expect_refused(CREATE("[{\"name\":\"T\",\"code_hash\":" HASH "}]"), "code_length");
    expect_refused(CREATE("[{\"name\":\"T\",\"code_hash\":\"0x11\",\"code_length\":5}]"),
                   "code_hash");
    expect_refused(CREATE("[{\"name\":7,\"code_hash\":" HASH ",\"code_length\":5}]"), "name");
    expect_refused(CREATE("[{\"name\":\"T\",\"code_hash\":" HASH ",\"code_length\":49153}]"),
                   "longer");
    expect_refused(CREATE("[{\"name\":\"T\",\"code_hash\":" HASH ",\"code_length\":0}]"),
                   "code_length");
}

static void write_file(const char *path, const char *text)
{
    char fresh[64];
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(fresh, path), 0);
}

static void a_changed_file_is_read_again_and_a_missing_one_closes_the_door(void **state)
{
    (void)state;
    char path[] = "/tmp/lonja-policy-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    close(made);
    struct sign_policy_file *file = malloc(sizeof(*file));
    sign_policy_file_init(file, path);
    assert_true(sign_policy_file_refresh(file, false));
    assert_false(file->readable);
    write_file(path, POLICY);
    assert_true(sign_policy_file_refresh(file, false));
    assert_true(file->readable);
    assert_false(sign_policy_file_refresh(file, false));
    assert_true(sign_policy_file_refresh(file, true));
    unlink(path);
    assert_true(sign_policy_file_refresh(file, false));
    assert_false(file->readable);
    assert_false(sign_policy_file_refresh(file, false));
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_policy_names_is_allowed),
        cmocka_unit_test(a_full_batch_is_allowed_and_a_crooked_one_is_not),
        cmocka_unit_test(every_limit_has_its_own_refusal),
        cmocka_unit_test(a_transfer_of_nothing_or_to_nobody_is_refused),
        cmocka_unit_test(a_nonce_may_be_given_up_within_the_caps),
        cmocka_unit_test(only_the_named_code_may_be_created),
        cmocka_unit_test(a_creation_is_named_in_full),
        cmocka_unit_test(transfer_needs_a_cap_on_units),
        cmocka_unit_test(a_policy_that_is_not_exactly_one_is_refused),
        cmocka_unit_test(a_changed_file_is_read_again_and_a_missing_one_closes_the_door),
    };
    return cmocka_run_group_tests(tests, read_policy, NULL);
}
