// Calldata that settlement has made, read back from its bytes alone; and bytes that it has not
// made.
#include "settlement/settle_transfer.h"

#include <string.h>

#include "base/testing.h"

static uint8_t calldata[SETTLE_CALLDATA_MAX];

// The bytes of a call of `legs` legs, with the batch id that it has.
static size_t made(struct settle_call *call, enum settle_operation operation, size_t legs,
                   bool is_of_trades, bool is_of_custody)
{
    char error[SETTLE_CALL_ERROR_MAX];

    *call = (struct settle_call){.request_id = 77,
                                 .operation = operation == SETTLE_FORCED_TRANSFER && legs > 1
                                                  ? SETTLE_BATCH_FORCED_TRANSFER
                                                  : operation,
                                 .is_of_trades = is_of_trades,
                                 .is_of_custody = is_of_custody,
                                 .leg_count = legs};
    for (size_t i = 0; i < legs; i++) {
        call->legs[i] = (struct settle_leg){.number = (uint8_t)i, .units = 1000 + i};
        memset(call->legs[i].to.bytes, (int)(1 + i), ADDRESS_BYTES);
        if (operation != SETTLE_FORCED_TRANSFER)
            continue;
        memset(call->legs[i].from.bytes, (int)(101 + i), ADDRESS_BYTES);
        call->legs[i].trade_id = is_of_trades ? 16 * (1 + i) : 0;
    }
    ssize_t len = settle_call_build(calldata, sizeof(calldata), call, legs, "{}", error);
    assert_true(len > 0);
    return (size_t)len;
}

static void expect_legs(const struct settle_transfer *read, const struct settle_call *call)
{
    assert_int_equal(read->operation, call->operation == SETTLE_BATCH_FORCED_TRANSFER
                                          ? SETTLE_FORCED_TRANSFER
                                          : call->operation);
    assert_int_equal(read->id.request_id, 77);
    assert_int_equal(read->leg_count, call->leg_count);
    for (size_t i = 0; i < call->leg_count; i++) {
        assert_true(address_equal(&read->legs[i].from, &call->legs[i].from));
        assert_true(address_equal(&read->legs[i].to, &call->legs[i].to));
        assert_true(read->legs[i].units == call->legs[i].units);
    }
}

static void what_settlement_makes_is_read(void **state)
{
    static const size_t counts[] = {1, 2, 100};
    struct settle_transfer read;
    struct settle_call call;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        size_t len = made(&call, SETTLE_FORCED_TRANSFER, counts[i], true, false);
        assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_NAMED);
        expect_legs(&read, &call);
        len = made(&call, SETTLE_FREEZE_PARTIAL, counts[i], false, true);
        assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_CUSTODY);
        expect_legs(&read, &call);
        len = made(&call, SETTLE_UNFREEZE_PARTIAL, counts[i], false, true);
        assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_CUSTODY);
        expect_legs(&read, &call);
    }
}

// A freeze that another caller has asked for is another's; so are transfers without trades.
static void what_has_no_id_is_not_ours(void **state)
{
    struct settle_transfer read;
    struct settle_call call;

    (void)state;
    size_t len = made(&call, SETTLE_FREEZE_PARTIAL, 2, false, false);
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
    len = made(&call, SETTLE_FORCED_TRANSFER, 2, false, false);
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_UNNAMED);
    len = made(&call, SETTLE_MINT, 1, false, false);
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
}

// The bytes of transfer() with these arguments.
static size_t paid(struct settle_call *call, const char *arguments)
{
    char error[SETTLE_CALL_ERROR_MAX];

    *call = (struct settle_call){
        .request_id = 77, .operation = SETTLE_ERC20_TRANSFER, .leg_count = 1};
    call->legs[0].units = 40;
    memset(call->legs[0].from.bytes, 101, ADDRESS_BYTES);
    memset(call->legs[0].to.bytes, 1, ADDRESS_BYTES);
    ssize_t len = settle_call_build(calldata, sizeof(calldata), call, 1, arguments, error);
    return len > 0 ? (size_t)len : 0;
}

static void a_payout_says_what_it_is_of(void **state)
{
    const uint8_t digest[SETTLE_BATCH_ID_HASH_BYTES] = {1, 2, 3, 4, 5, 0xff};
    struct settle_transfer read;
    struct settle_call call;

    (void)state;
    size_t len = paid(&call, "{\"payout\": 9, \"digest\": \"0x0102030405ff\"}");
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_PAYOUT);
    assert_int_equal(read.operation, SETTLE_ERC20_TRANSFER);
    assert_int_equal(read.id.request_id, 77);
    assert_int_equal(read.id.first_trade_id, 9);
    assert_memory_equal(read.id.members_hash, digest, sizeof(digest));
    assert_int_equal(read.leg_count, 1);
    assert_true(address_equal(&read.legs[0].to, &call.legs[0].to) && read.legs[0].units == 40);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(settle_transfer_read(&read, calldata, cut), SETTLE_TRANSFER_OTHER);
    calldata[len - SETTLE_BATCH_ID_BYTES + 7] = SETTLE_BATCH_CUSTODY;
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
    len = paid(&call, "{}"); // of a version that put none on it
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
    calldata[4 + 32] = 1; // more than 128 bits
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
    assert_int_equal(paid(&call, "{\"payout\": 0, \"digest\": \"0x0102030405ff\"}"), 0);
    assert_int_equal(paid(&call, "{\"payout\": 9}"), 0);
    assert_int_equal(paid(&call, "{\"payout\": 9, \"digest\": \"0x01\"}"), 0);
}

static void an_id_of_the_other_kind_is_none(void **state)
{
    struct settle_transfer read;
    struct settle_call call;
    size_t len = made(&call, SETTLE_FORCED_TRANSFER, 1, true, false);
    uint8_t id[SETTLE_BATCH_ID_BYTES];

    (void)state;
    memcpy(id, calldata + len - sizeof(id), sizeof(id));
    len = made(&call, SETTLE_FREEZE_PARTIAL, 1, false, true);
    memcpy(calldata + len - sizeof(id), id, sizeof(id));
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_OTHER);
    len = made(&call, SETTLE_FREEZE_PARTIAL, 1, false, true);
    memcpy(id, calldata + len - sizeof(id), sizeof(id));
    len = made(&call, SETTLE_FORCED_TRANSFER, 1, true, false);
    memcpy(calldata + len - sizeof(id), id, sizeof(id));
    assert_int_equal(settle_transfer_read(&read, calldata, len), SETTLE_TRANSFER_UNNAMED);
}

// Cut at every byte, and with one changed: never more legs than there are bytes for.
static void broken_bytes_are_read_as_what_they_are(void **state)
{
    static const enum settle_operation operations[] = {SETTLE_FORCED_TRANSFER,
                                                       SETTLE_FREEZE_PARTIAL};
    struct settle_transfer read;
    struct settle_call call;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bool of_trades = operations[i] == SETTLE_FORCED_TRANSFER;
        size_t len = made(&call, operations[i], 3, of_trades, !of_trades);
        for (size_t cut = 0; cut < len; cut++) {
            enum settle_transfer_kind kind = settle_transfer_read(&read, calldata, cut);
            assert_true(kind == SETTLE_TRANSFER_OTHER || kind == SETTLE_TRANSFER_UNNAMED);
        }
        size_t lengths = 4 + 32 * (of_trades ? 3 : 2); // of the first array
        calldata[lengths + 31] = 2;
        assert_true(settle_transfer_read(&read, calldata, len) >= SETTLE_TRANSFER_UNNAMED);
        memset(calldata + lengths, 0xff, 32);
        assert_true(settle_transfer_read(&read, calldata, len) >= SETTLE_TRANSFER_UNNAMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_settlement_makes_is_read),
        cmocka_unit_test(what_has_no_id_is_not_ours),
        cmocka_unit_test(a_payout_says_what_it_is_of),
        cmocka_unit_test(an_id_of_the_other_kind_is_none),
        cmocka_unit_test(broken_bytes_are_read_as_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
