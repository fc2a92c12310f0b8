#include "chain/erc3643.h"

#include "base/testing.h"
#include "chain/erc3643_precheck.h"
#include "chain/keccak.h"

#include <string.h>

static void every_selector_is_the_hash_of_its_signature(void **state)
{
    (void)state;
    static const struct {
        const char *signature;
        uint32_t selector;
    } methods[] = {
#define X(name, signature, selector) {signature, selector##u},
        ERC3643_METHODS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        const char *signature = methods[i].signature;
        struct chain_hash hash = keccak256_hash((const uint8_t *)signature, strlen(signature));
        uint32_t selector = (uint32_t)hash.bytes[0] << 24 | (uint32_t)hash.bytes[1] << 16 |
                            (uint32_t)hash.bytes[2] << 8 | hash.bytes[3];
        if (selector != methods[i].selector)
            fail_msg("%s is 0x%08x", signature, selector);
    }
    static const char transfer[] = "Transfer(address,address,uint256)";
    struct chain_hash topic = keccak256_hash((const uint8_t *)transfer, sizeof(transfer) - 1);
    assert_memory_equal(&topic, &erc3643_transfer_topic, sizeof(topic));
}

static void methods_are_found_by_name_and_by_signature(void **state)
{
    (void)state;
    assert_int_equal(erc3643_selector("mint"), ERC3643_MINT);
    assert_int_equal(erc3643_selector("mint(address,uint256)"), ERC3643_MINT);
    assert_int_equal(erc3643_selector("min"), 0);
    assert_int_equal(erc3643_selector(""), 0);
    assert_string_equal(erc3643_signature(ERC3643_PAUSE), "pause()");
    assert_null(erc3643_signature(0xdeadbeef));
}

static void a_batch_is_three_arrays_behind_their_offsets(void **state)
{
    (void)state;
    const struct chain_address from[2] = {{{0xa1}}, {{0xa2}}};
    const struct chain_address to[2] = {{{0xb1}}, {{0xb2}}};
    const chain_uint128 units[2] = {1, 2};
    uint8_t out[ERC3643_CALLDATA_MAX];
    ssize_t len = erc3643_batch_forced_transfer(out, sizeof(out), from, to, units, 2);
    assert_int_equal(len, 4 + 32 * (3 + 3 * 3));
    assert_int_equal(out[4 + 31], 0x60);
    assert_int_equal(out[4 + 63], 0xc0);
    assert_int_equal(out[4 + 94], 0x01); /* 0x0120 */
    assert_int_equal(out[4 + 95], 0x20);
    assert_int_equal(out[4 + 32 * 3 + 31], 2);
    assert_int_equal(out[4 + 32 * 4 + 12], 0xa1);
    assert_int_equal(out[4 + 32 * 8 + 12], 0xb2);
    assert_int_equal(out[4 + 32 * 11 + 31], 2);
    assert_int_equal(erc3643_batch_forced_transfer(out, (size_t)len - 1, from, to, units, 2), -1);
}

static struct node_log transfer_log(const uint8_t data[32])
{
    struct node_log log = {
        .contract = {{0xcc}}, .log_index = 3, .topic_count = 3, .data = data, .data_len = 32};
    log.topics[0] = erc3643_transfer_topic;
    log.topics[1].bytes[12] = 0xa1;
    log.topics[2].bytes[12] = 0xb1;
    return log;
}

static void a_transfer_log_is_decoded(void **state)
{
    (void)state;
    const uint8_t data[32] = {[30] = 1, [31] = 2};
    struct node_log log = transfer_log(data);
    struct erc3643_transfer transfer;
    assert_true(erc3643_decode_transfer(&transfer, &log));
    assert_int_equal(transfer.token.bytes[0], 0xcc);
    assert_int_equal(transfer.from.bytes[0], 0xa1);
    assert_int_equal(transfer.to.bytes[0], 0xb1);
    assert_true(transfer.units == 0x102);
    assert_int_equal(transfer.log_index, 3);
}

static void what_is_no_transfer_is_not_decoded(void **state)
{
    (void)state;
    uint8_t data[32] = {[31] = 2};
    struct erc3643_transfer transfer;
    struct node_log log = transfer_log(data);
    log.topics[0].bytes[0] ^= 1;
    assert_false(erc3643_decode_transfer(&transfer, &log));
    log = transfer_log(data);
    log.topic_count = 4; /* of an NFT */
    assert_false(erc3643_decode_transfer(&transfer, &log));
    log = transfer_log(data);
    log.topics[1].bytes[0] = 1;
    assert_false(erc3643_decode_transfer(&transfer, &log));
    log = transfer_log(data);
    data[15] = 1; /* above 128 bits */
    assert_false(erc3643_decode_transfer(&transfer, &log));
    log.data_len = 0;
    assert_false(erc3643_decode_transfer(&transfer, &log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_selector_is_the_hash_of_its_signature),
        cmocka_unit_test(methods_are_found_by_name_and_by_signature),
        cmocka_unit_test(a_batch_is_three_arrays_behind_their_offsets),
        cmocka_unit_test(a_transfer_log_is_decoded),
        cmocka_unit_test(what_is_no_transfer_is_not_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
