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

/* What ethers.js 6.17 (Interface.encodeFunctionData) makes of the same arguments. */
static void assert_calldata(ssize_t len, const uint8_t *out, const char *expected)
{
    char text[HEX_TEXT_SIZE(ERC3643_CALLDATA_MAX)];
    assert_true(len > 0);
    hex_encode(text, out, (size_t)len);
    assert_string_equal(text, expected);
}

static const struct chain_address wallets[2] = {{{0xa1, [19] = 1}}, {{0xb2, [19] = 2}}};

static void batches_of_wallets_and_numbers_are_as_ethers_writes_them(void **state)
{
    (void)state;
    const chain_uint128 units[2] = {1, ~(chain_uint128)0};
    const bool frozen[2] = {true, false};
    uint8_t out[ERC3643_CALLDATA_MAX];
    assert_calldata(erc3643_batch_mint(out, sizeof(out), wallets, units, 2), out,
                    "0x68573107"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "000000000000000000000000a100000000000000000000000000000000000001"
                    "000000000000000000000000b200000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000001"
                    "00000000000000000000000000000000ffffffffffffffffffffffffffffffff");
    assert_calldata(erc3643_batch_burn(out, sizeof(out), wallets, units, 2), out,
                    "0x4a6cc677"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "000000000000000000000000a100000000000000000000000000000000000001"
                    "000000000000000000000000b200000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000001"
                    "00000000000000000000000000000000ffffffffffffffffffffffffffffffff");
    assert_calldata(erc3643_batch_freeze_partial(out, sizeof(out), wallets, units, 2), out,
                    "0xfc7e5fa8"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "000000000000000000000000a100000000000000000000000000000000000001"
                    "000000000000000000000000b200000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000001"
                    "00000000000000000000000000000000ffffffffffffffffffffffffffffffff");
    assert_calldata(erc3643_batch_unfreeze_partial(out, sizeof(out), wallets, units, 2), out,
                    "0x4710362d"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "000000000000000000000000a100000000000000000000000000000000000001"
                    "000000000000000000000000b200000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000001"
                    "00000000000000000000000000000000ffffffffffffffffffffffffffffffff");
    assert_calldata(erc3643_batch_set_address_frozen(out, sizeof(out), wallets, frozen, 2), out,
                    "0x1a7af379"
                    "0000000000000000000000000000000000000000000000000000000000000040"
                    "00000000000000000000000000000000000000000000000000000000000000a0"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "000000000000000000000000a100000000000000000000000000000000000001"
                    "000000000000000000000000b200000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000002"
                    "0000000000000000000000000000000000000000000000000000000000000001"
                    "0000000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(erc3643_batch_mint(out, 4 + 32 * 7, wallets, units, 2), -1);
}

static void a_batch_of_registrations_is_as_ethers_writes_it(void **state)
{
    (void)state;
    const struct chain_address identities[2] = {{{0xc3, [19] = 3}}, {{0xd4, [19] = 4}}};
    const uint16_t countries[2] = {724, 65535};
    uint8_t out[ERC3643_CALLDATA_MAX];
    assert_calldata(
        erc3643_batch_register_identity(out, sizeof(out), wallets, identities, countries, 2), out,
        "0x653dc9f1"
        "0000000000000000000000000000000000000000000000000000000000000060"
        "00000000000000000000000000000000000000000000000000000000000000c0"
        "0000000000000000000000000000000000000000000000000000000000000120"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "000000000000000000000000a100000000000000000000000000000000000001"
        "000000000000000000000000b200000000000000000000000000000000000002"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "000000000000000000000000c300000000000000000000000000000000000003"
        "000000000000000000000000d400000000000000000000000000000000000004"
        "0000000000000000000000000000000000000000000000000000000000000002"
        "00000000000000000000000000000000000000000000000000000000000002d4"
        "000000000000000000000000000000000000000000000000000000000000ffff");
}

static void agents_are_added_and_removed_as_ethers_writes_it(void **state)
{
    (void)state;
    uint8_t out[64];
    assert_calldata(erc3643_add_agent(out, sizeof(out), &wallets[0]), out,
                    "0x84e79842"
                    "000000000000000000000000a100000000000000000000000000000000000001");
    assert_calldata(erc3643_remove_agent(out, sizeof(out), &wallets[0]), out,
                    "0x97a6278e"
                    "000000000000000000000000a100000000000000000000000000000000000001");
    assert_int_equal(erc3643_add_agent(out, 35, &wallets[0]), -1);
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
        cmocka_unit_test(batches_of_wallets_and_numbers_are_as_ethers_writes_them),
        cmocka_unit_test(a_batch_of_registrations_is_as_ethers_writes_it),
        cmocka_unit_test(agents_are_added_and_removed_as_ethers_writes_it),
        cmocka_unit_test(a_transfer_log_is_decoded),
        cmocka_unit_test(what_is_no_transfer_is_not_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
