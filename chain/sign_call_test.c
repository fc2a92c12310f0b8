#include "chain/sign_call.h"

#include "base/testing.h"
#include "chain/abi.h"

#include <string.h>

static const struct chain_address signer = {{9}};
static const struct chain_address wallets[3] = {{{1}}, {{2}}, {{3}}};
static const chain_uint128 units[3] = {5, 6, 7};
static uint8_t calldata[SIGNER_CALLDATA_MAX];

static bool reads(struct sign_call *out, size_t len)
{
    const struct signer_request request = {
        .to = {{8}}, .calldata = calldata, .calldata_len = (uint32_t)len};
    return sign_call_read(out, &request, &signer);
}

static bool is_read(ssize_t len)
{
    struct sign_call call;
    assert_true(len > 0);
    return reads(&call, (size_t)len);
}

static void expect_moves(ssize_t len, uint32_t transfers, uint64_t sum)
{
    struct sign_call call;
    assert_true(len > 0 && reads(&call, (size_t)len));
    assert_int_equal(call.kind, SIGN_CALL_METHOD);
    assert_int_equal(call.transfers, transfers);
    assert_true(call.units == sum);
}

#define OUT calldata, sizeof(calldata)

static void every_call_that_our_encoders_write_is_read_and_its_units_counted(void **state)
{
    (void)state;
    const bool flags[3] = {true, false, true};
    const uint16_t countries[3] = {724, 250, 1};
    const struct chain_address *one = &wallets[0];
    const struct chain_address *two = &wallets[1];
    expect_moves(erc3643_forced_transfer(OUT, one, two, 4), 1, 4);
    expect_moves(erc3643_batch_forced_transfer(OUT, wallets, wallets, units, 3), 3, 18);
    expect_moves(erc3643_mint(OUT, one, 4), 1, 4);
    expect_moves(erc3643_burn(OUT, one, 4), 1, 4);
    expect_moves(erc3643_batch_mint(OUT, wallets, units, 3), 3, 18);
    expect_moves(erc3643_batch_burn(OUT, wallets, units, 3), 3, 18);
    expect_moves(erc3643_freeze_partial(OUT, one, 4), 0, 0);
    expect_moves(erc3643_unfreeze_partial(OUT, one, 4), 0, 0);
    expect_moves(erc3643_batch_freeze_partial(OUT, wallets, units, 3), 0, 0);
    expect_moves(erc3643_batch_unfreeze_partial(OUT, wallets, units, 3), 0, 0);
    expect_moves(erc3643_set_address_frozen(OUT, one, false), 0, 0);
    expect_moves(erc3643_batch_set_address_frozen(OUT, wallets, flags, 3), 0, 0);
    expect_moves(erc3643_register_identity(OUT, one, two, 724), 0, 0);
    expect_moves(erc3643_batch_register_identity(OUT, wallets, wallets, countries, 3), 0, 0);
    expect_moves(erc3643_delete_identity(OUT, one), 0, 0);
    expect_moves(erc3643_add_agent(OUT, one), 0, 0);
    expect_moves(erc3643_remove_agent(OUT, one), 0, 0);
}

static void only_what_carries_a_batch_id_takes_a_word_behind_its_arguments(void **state)
{
    (void)state;
    memset(calldata, 0, sizeof(calldata));
    ssize_t one = erc3643_forced_transfer(OUT, &wallets[0], &wallets[1], 4);
    assert_true(is_read(one + 32));
    assert_false(is_read(one + 31));
    assert_false(is_read(one + 64));
    ssize_t batch = erc3643_batch_forced_transfer(OUT, wallets, wallets, units, 3);
    assert_true(is_read(batch + 32));
    assert_false(is_read(batch + 64));
    assert_true(is_read(erc3643_freeze_partial(OUT, &wallets[0], 4) + 32));
    assert_false(is_read(erc3643_freeze_partial(OUT, &wallets[0], 4) + 64));
    assert_true(is_read(erc3643_unfreeze_partial(OUT, &wallets[0], 4) + 32));
    assert_true(is_read(erc3643_batch_freeze_partial(OUT, wallets, units, 3) + 32));
    assert_true(is_read(erc3643_batch_unfreeze_partial(OUT, wallets, units, 3) + 32));
    assert_true(is_read(erc3643_transfer(OUT, &wallets[0], 4) + 32));
    assert_false(is_read(erc3643_transfer(OUT, &wallets[0], 4) + 64));
    assert_false(is_read(erc3643_set_address_frozen(OUT, &wallets[0], true) + 32));
    assert_false(is_read(erc3643_mint(OUT, &wallets[0], 4) + 32));
    assert_false(is_read(erc3643_batch_mint(OUT, wallets, units, 3) + 32));
    assert_false(is_read(erc3643_add_agent(OUT, &wallets[0]) + 32));
}

static void a_word_that_is_not_its_arguments_kind_is_refused(void **state)
{
    (void)state;
    const struct chain_address nobody = {{0}};
    assert_false(is_read(erc3643_mint(OUT, &nobody, 4)));
    assert_false(is_read(erc3643_mint(OUT, &wallets[0], 0)));
    assert_false(is_read(erc3643_add_agent(OUT, &nobody)));
    assert_false(is_read(erc3643_register_identity(OUT, &wallets[0], &wallets[1], 0)));
    ssize_t len = erc3643_register_identity(OUT, &wallets[0], &wallets[1], 724);
    calldata[4 + 64 + 29] = 1; /* wider than 16 bits */
    assert_false(is_read(len));
    len = erc3643_set_address_frozen(OUT, &wallets[0], true);
    calldata[4 + 32 + 31] = 2;
    assert_false(is_read(len));
    len = erc3643_forced_transfer(OUT, &wallets[0], &wallets[1], 4);
    calldata[4 + 64] = 1; /* wider than 128 bits */
    assert_false(is_read(len));
}

static void lists_have_one_length_and_one_place(void **state)
{
    (void)state;
    ssize_t len = erc3643_batch_mint(OUT, wallets, units, 3);
    assert_true(is_read(len));
    calldata[4 + 31] ^= 0x20; /* the first offset */
    assert_false(is_read(len));
    calldata[4 + 31] ^= 0x20;
    size_t count_of_amounts = 4 + 32 * (2 + 1 + 3);
    calldata[count_of_amounts + 31] = 2;
    assert_false(is_read(len - 32));
    calldata[count_of_amounts + 31] = 4;
    assert_false(is_read(len));
    calldata[count_of_amounts + 31] = 3;
    calldata[4 + 64 + 31] = ERC3643_BATCH_MAX + 1;
    assert_false(is_read(len));
    calldata[4 + 64 + 31] = 0;
    assert_false(is_read(len));
}

static void put_word(size_t index, uint8_t last)
{
    memset(calldata + 4 + 32 * index, 0, 32);
    calldata[4 + 32 * index + 31] = last;
}

static void bytes_are_read_with_their_padding(void **state)
{
    (void)state;
    const uint8_t selector[] = {0xef, 0xb2, 0x2d, 0x33}; /* callModuleFunction(bytes,address) */
    memcpy(calldata, selector, 4);
    put_word(0, 64);
    put_word(1, 7);
    put_word(2, 33);
    put_word(3, 1);
    put_word(4, 0);
    calldata[4 + 32 * 4] = 5; /* the thirty-third byte */
    assert_true(is_read(4 + 32 * 5));
    calldata[4 + 32 * 4 + 1] = 5;
    assert_false(is_read(4 + 32 * 5));
    calldata[4 + 32 * 4 + 1] = 0;
    put_word(2, 65);
    assert_false(is_read(4 + 32 * 5));
    memset(calldata + 4 + 64, 0xff, 32); /* a length above all memory */
    assert_false(is_read(4 + 32 * 5));
}

static void a_sum_that_does_not_fit_is_the_largest_number(void **state)
{
    (void)state;
    const chain_uint128 most = ~(chain_uint128)0;
    const chain_uint128 large[2] = {most, 1};
    struct sign_call call;
    ssize_t len = erc3643_batch_forced_transfer(OUT, wallets, wallets, large, 2);
    assert_true(reads(&call, (size_t)len));
    assert_true(call.units == most);
}

static void what_reads_or_is_unknown_is_no_call(void **state)
{
    (void)state;
    assert_false(sign_call_is_known(0));
    assert_false(sign_call_is_known(ERC3643_BALANCE_OF));
    assert_true(sign_call_is_known(ERC3643_MINT));
    ssize_t len = erc3643_add_agent(OUT, &wallets[0]);
    calldata[0] ^= 1;
    assert_false(is_read(len));
}

static void an_empty_call_goes_to_the_signer_and_a_creation_to_nobody(void **state)
{
    (void)state;
    struct sign_call call;
    struct signer_request request = {.to = signer};
    assert_true(sign_call_read(&call, &request, &signer));
    assert_int_equal(call.kind, SIGN_CALL_CANCEL);
    request.to.bytes[0] ^= 1;
    assert_false(sign_call_read(&call, &request, &signer));
    request = (struct signer_request){.create = true, .calldata = calldata, .calldata_len = 4};
    assert_true(sign_call_read(&call, &request, &signer));
    assert_int_equal(call.kind, SIGN_CALL_CREATE);
    request.to = signer;
    assert_false(sign_call_read(&call, &request, &signer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_that_our_encoders_write_is_read_and_its_units_counted),
        cmocka_unit_test(only_what_carries_a_batch_id_takes_a_word_behind_its_arguments),
        cmocka_unit_test(a_word_that_is_not_its_arguments_kind_is_refused),
        cmocka_unit_test(lists_have_one_length_and_one_place),
        cmocka_unit_test(bytes_are_read_with_their_padding),
        cmocka_unit_test(a_sum_that_does_not_fit_is_the_largest_number),
        cmocka_unit_test(what_reads_or_is_unknown_is_no_call),
        cmocka_unit_test(an_empty_call_goes_to_the_signer_and_a_creation_to_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
