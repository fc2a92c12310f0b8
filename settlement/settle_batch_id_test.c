#include "settlement/settle_batch_id.h"

#include <string.h>

#include "base/testing.h"
#include "chain/hex.h"

static const uint64_t members[] = {7, 9, 0x0102030405060708};
enum { MEMBERS = 3 };

static void an_id_is_these_32_bytes(void **state)
{
    struct settle_batch_id id;
    uint8_t bytes[SETTLE_BATCH_ID_BYTES];
    char text[HEX_TEXT_SIZE(SETTLE_BATCH_ID_BYTES)];

    (void)state;
    settle_batch_id_make(&id, SETTLE_BATCH_MANY, 0x089119a22ab33bc4, MEMBERS, members, MEMBERS);
    settle_batch_id_write(bytes, &id);
    hex_encode(text, bytes, sizeof(bytes));
    // Made with ethers.js: concat of the parts and keccak256 of the three ids.
    assert_string_equal(text, "0x4c4f4e4a41310101089119a22ab33bc4000000000000000700033d8b88dd0456");
}

static void what_is_written_is_read(void **state)
{
    const enum settle_batch_kind kinds[] = {SETTLE_BATCH_SINGLE, SETTLE_BATCH_MANY,
                                            SETTLE_BATCH_NET};
    const size_t legs[] = {1, 3, 2};
    const size_t counts[] = {1, 3, 3};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct settle_batch_id id, back;
        uint8_t bytes[SETTLE_BATCH_ID_BYTES];

        settle_batch_id_make(&id, kinds[i], UINT64_MAX, legs[i], members, counts[i]);
        settle_batch_id_write(bytes, &id);
        assert_true(settle_batch_id_read(&back, bytes));
        assert_int_equal(back.kind, kinds[i]);
        assert_int_equal(back.leg_count, legs[i]);
        assert_int_equal(back.first_trade_id, 7);
        assert_true(back.request_id == UINT64_MAX);
        assert_true(settle_batch_id_matches(&back, members, counts[i]));
    }
}

static void custody_has_legs_and_no_members(void **state)
{
    struct settle_batch_id id, back;
    uint8_t bytes[SETTLE_BATCH_ID_BYTES];

    (void)state;
    settle_batch_id_make(&id, SETTLE_BATCH_CUSTODY, 12, 100, NULL, 0);
    settle_batch_id_write(bytes, &id);
    assert_true(settle_batch_id_read(&back, bytes));
    assert_int_equal(back.kind, SETTLE_BATCH_CUSTODY);
    assert_int_equal(back.request_id, 12);
    assert_int_equal(back.leg_count, 100);
    assert_true(settle_batch_id_matches(&back, NULL, 0));
    assert_false(settle_batch_id_matches(&back, members, 1));
    bytes[23] = 1; // of a trade
    assert_false(settle_batch_id_read(&back, bytes));
    bytes[23] = 0;
    bytes[7] = SETTLE_BATCH_MANY; // trades, and none is named
    assert_false(settle_batch_id_read(&back, bytes));
    bytes[7] = SETTLE_BATCH_PAYOUT + 1;
    assert_false(settle_batch_id_read(&back, bytes));
}

static void a_payout_has_its_number_and_digest(void **state)
{
    const uint8_t digest[SETTLE_BATCH_ID_HASH_BYTES] = {1, 2, 3, 4, 5, 6};
    struct settle_batch_id id, back;
    uint8_t bytes[SETTLE_BATCH_ID_BYTES];

    (void)state;
    settle_batch_id_make_payout(&id, 12, 7, digest);
    settle_batch_id_write(bytes, &id);
    assert_true(settle_batch_id_read(&back, bytes));
    assert_int_equal(back.kind, SETTLE_BATCH_PAYOUT);
    assert_int_equal(back.request_id, 12);
    assert_int_equal(back.first_trade_id, 7);
    assert_memory_equal(back.members_hash, digest, sizeof(digest));
    assert_false(settle_batch_id_matches(&back, members, 1)); // it is of no trades
    bytes[25] = 2;                                            // two legs
    assert_false(settle_batch_id_read(&back, bytes));
    bytes[25] = 1;
    bytes[23] = 0; // of no payout
    assert_false(settle_batch_id_read(&back, bytes));
}

static void other_members_do_not_match(void **state)
{
    const uint64_t other[] = {7, 10, 0x0102030405060708};
    const uint64_t later[] = {8, 9, 0x0102030405060708};
    const uint64_t unordered[] = {7, 0x0102030405060708, 9};
    static const uint64_t many[SETTLE_BATCH_MEMBERS_MAX + 1] = {7};
    struct settle_batch_id id;

    (void)state;
    settle_batch_id_make(&id, SETTLE_BATCH_MANY, 1, MEMBERS, members, MEMBERS);
    assert_true(settle_batch_id_matches(&id, members, MEMBERS));
    assert_false(settle_batch_id_matches(&id, other, MEMBERS));
    assert_false(settle_batch_id_matches(&id, later, MEMBERS));
    assert_false(settle_batch_id_matches(&id, unordered, MEMBERS));
    assert_false(settle_batch_id_matches(&id, members, MEMBERS - 1));
    assert_false(settle_batch_id_matches(&id, members, 0));
    settle_batch_id_make(&id, SETTLE_BATCH_NET, 1, 2, members, MEMBERS);
    assert_false(settle_batch_id_matches(&id, members, 2));
    assert_false(settle_batch_id_matches(&id, many, SETTLE_BATCH_MEMBERS_MAX + 1));
}

static void what_is_no_id_is_refused(void **state)
{
    struct settle_batch_id id;
    uint8_t good[SETTLE_BATCH_ID_BYTES], bytes[SETTLE_BATCH_ID_BYTES];

    (void)state;
    settle_batch_id_make(&id, SETTLE_BATCH_SINGLE, 1, 1, members, 1);
    settle_batch_id_write(good, &id);
    for (size_t at = 0; at <= 7; at++) { // magic, version, kind
        memcpy(bytes, good, sizeof(bytes));
        bytes[at] ^= 0x80;
        assert_false(settle_batch_id_read(&id, bytes));
    }
    const size_t zeroed[][2] = {{8, 8}, {16, 8}, {24, 2}}; // request, first trade, legs
    for (size_t i = 0; i < 3; i++) {
        memcpy(bytes, good, sizeof(bytes));
        memset(bytes + zeroed[i][0], 0, zeroed[i][1]);
        assert_false(settle_batch_id_read(&id, bytes));
    }
    memcpy(bytes, good, sizeof(bytes));
    bytes[25] = 2; // a single of two legs
    assert_false(settle_batch_id_read(&id, bytes));
    memset(bytes, 0, sizeof(bytes));
    assert_false(settle_batch_id_read(&id, bytes));
    assert_true(settle_batch_id_read(&id, good));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_these_32_bytes),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(custody_has_legs_and_no_members),
        cmocka_unit_test(a_payout_has_its_number_and_digest),
        cmocka_unit_test(other_members_do_not_match),
        cmocka_unit_test(what_is_no_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
