// What a transfer took of its sender's frozen units, from the events of its receipt.
#include "settlement/settle_custody.h"

#include <string.h>

#include "base/testing.h"
#include "settlement/settle_netting.h"

enum { LOGS_MAX = 8 };

static struct node_log logs[LOGS_MAX];
static struct abi_word data[LOGS_MAX];
static struct node_receipt receipt;
static struct settle_call call;

static struct chain_address wallet(uint8_t name)
{
    struct chain_address address = {{0}};

    address.bytes[0] = name;
    return address;
}

static void begin(size_t legs)
{
    receipt = (struct node_receipt){.found = true, .succeeded = true, .logs = logs};
    call = (struct settle_call){.operation = SETTLE_BATCH_FORCED_TRANSFER,
                                .is_of_trades = true,
                                .contract = wallet(200),
                                .leg_count = legs};
    for (size_t i = 0; i < legs; i++)
        call.legs[i] = (struct settle_leg){.number = (uint8_t)i,
                                           .trade_id = 1 + i,
                                           .from = wallet((uint8_t)(1 + i)),
                                           .to = wallet(100),
                                           .units = 50};
}

static void log_add(uint8_t contract, const char *signature, uint8_t who, chain_uint128 units)
{
    size_t i = receipt.log_count++;
    struct abi_word topic;
    struct chain_address address = wallet(who);

    assert_true(i < LOGS_MAX);
    logs[i] = (struct node_log){.contract = wallet(contract),
                                .log_index = (uint32_t)(40 + i),
                                .topic_count = 2,
                                .data = data[i].bytes,
                                .data_len = ABI_WORD_BYTES};
    logs[i].topics[0] = keccak256_hash((const uint8_t *)signature, strlen(signature));
    topic = abi_from_address(&address);
    memcpy(logs[i].topics[1].bytes, topic.bytes, ABI_WORD_BYTES);
    data[i] = abi_from_u128(units);
}

static void unfreeze(uint8_t who, chain_uint128 units)
{
    log_add(200, "TokensUnfrozen(address,uint256)", who, units);
}

// Each sender's, in front of his Transfer; of others, of another contract and behind it: not.
static void each_transfer_has_what_stands_before_it(void **state)
{
    chain_uint128 unfrozen[SETTLE_LEGS_MAX];

    (void)state;
    begin(3);
    unfreeze(1, 7);
    log_add(200, "Transfer", 1, 50); // 41
    log_add(200, "Transfer", 2, 50); // 42: of free units
    unfreeze(2, 3);
    log_add(201, "TokensUnfrozen(address,uint256)", 3, 5);
    unfreeze(3, 11);
    log_add(200, "Transfer", 3, 50); // 46
    unfreeze(3, 13);
    const uint32_t places[SETTLE_LEGS_MAX] = {41, 42, 46};
    settle_custody_unfrozen(unfrozen, &receipt, &call, &call, places);
    assert_true(unfrozen[0] == 7 && unfrozen[1] == 0 && unfrozen[2] == 11);
}

static void of_a_net_the_first_leg_has_it(void **state)
{
    chain_uint128 unfrozen[SETTLE_LEGS_MAX];
    struct settle_call scratch;

    (void)state;
    begin(3);
    call.is_netted = true;
    call.legs[0].place = 1; // by itself, behind the net
    call.legs[1].from = call.legs[2].from = wallet(2);
    call.legs[1].net_id = call.legs[2].net_id = 2;
    const struct settle_call *moves = settle_netting_moves(&scratch, &call);
    assert_int_equal(moves->leg_count, 2);
    unfreeze(2, 90);
    log_add(200, "Transfer", 2, 100); // 41
    unfreeze(1, 4);
    log_add(200, "Transfer", 1, 50); // 43
    const uint32_t places[SETTLE_LEGS_MAX] = {41, 43};
    settle_custody_unfrozen(unfrozen, &receipt, &call, moves, places);
    assert_true(unfrozen[0] == 4 && unfrozen[1] == 90 && unfrozen[2] == 0);
}

static void what_does_not_fit_is_not_counted(void **state)
{
    chain_uint128 unfrozen[SETTLE_LEGS_MAX];

    (void)state;
    begin(1);
    unfreeze(1, 7);
    data[0].bytes[0] = 1; // above 128 bits
    unfreeze(1, 9);
    logs[1].data_len = ABI_WORD_BYTES - 1;
    log_add(200, "TokensFrozen(address,uint256)", 1, 5);
    log_add(200, "Transfer", 1, 50); // 43
    const uint32_t places[SETTLE_LEGS_MAX] = {43};
    settle_custody_unfrozen(unfrozen, &receipt, &call, &call, places);
    assert_true(unfrozen[0] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_transfer_has_what_stands_before_it),
        cmocka_unit_test(of_a_net_the_first_leg_has_it),
        cmocka_unit_test(what_does_not_fit_is_not_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
