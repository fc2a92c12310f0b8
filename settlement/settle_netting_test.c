// Requests whose legs share their wallets: what moves, in which order, and what is said of it. As
// statements, then as properties of random requests, judged leg by leg and movement by movement.
#include "settlement/settle_netting.h"

#include <stdio.h>
#include <string.h>

#include "base/testing.h"

enum { WALLETS = 6, FLOWS = 3000 };

static struct settle_preflight preflight;
static struct settle_call call, scratch;

static struct chain_address wallet(size_t n)
{
    struct chain_address address = {{0}};

    address.bytes[0] = (uint8_t)(n * 101 + 7);
    address.bytes[19] = (uint8_t)(n + 1);
    return address;
}

static void request_begin(const chain_uint128 balances[WALLETS])
{
    memset(&preflight, 0, sizeof(preflight));
    preflight.has_code = true;
    for (size_t i = 0; i < WALLETS; i++)
        preflight.wallets[i] = (struct settle_wallet){
            .address = wallet(i), .sends = true, .is_verified = true, .balance = balances[i]};
    preflight.wallet_count = WALLETS;
    call = (struct settle_call){
        .request_id = 9, .operation = SETTLE_BATCH_FORCED_TRANSFER, .is_of_trades = true};
}

static void leg_add(uint64_t trade_id, size_t from, size_t to, chain_uint128 units)
{
    preflight.can_transfer[call.leg_count] = true;
    call.legs[call.leg_count] = (struct settle_leg){.trade_id = trade_id,
                                                    .number = (uint8_t)call.leg_count,
                                                    .from = wallet(from),
                                                    .to = wallet(to),
                                                    .units = units};
    call.leg_count++;
}

static bool is_move(size_t at, size_t from, size_t to, chain_uint128 units, uint64_t trade_id)
{
    const struct settle_call *moves = settle_netting_moves(&scratch, &call);
    struct chain_address a = wallet(from), b = wallet(to);

    return at < moves->leg_count && address_equal(&moves->legs[at].from, &a) &&
           address_equal(&moves->legs[at].to, &b) && moves->legs[at].units == units &&
           moves->legs[at].trade_id == trade_id;
}

static void to_and_fro_moves_the_difference_once(void **state)
{
    struct settle_netting_net nets[SETTLE_LEGS_MAX];
    size_t count;

    (void)state;
    request_begin((chain_uint128[WALLETS]){100, 0, 50});
    leg_add(10, 0, 1, 30);
    leg_add(20, 2, 1, 5);
    leg_add(30, 1, 0, 20);
    leg_add(40, 1, 0, 15);
    assert_true(settle_netting_plan(&call, &preflight));
    assert_int_equal(settle_netting_move_count(&call), 2);
    // The net moves 5 back, which he has only once the other leg has run.
    assert_true(is_move(0, 2, 1, 5, 20));
    assert_true(is_move(1, 1, 0, 5, 10));
    assert_int_equal(settle_netting_leg_at(&call, 0, &count), 1);
    assert_int_equal(count, 1);
    assert_int_equal(settle_netting_leg_at(&call, 1, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(settle_netting_nets(nets, &call), 1);
    assert_true(nets[0].net_id == 10 && nets[0].trades == 3 && nets[0].units == 5);
    settle_netting_dissolve(&call);
    assert_int_equal(settle_netting_move_count(&call), 4);
    assert_true(is_move(2, 1, 0, 20, 30));
    assert_int_equal(settle_netting_leg_at(&call, 2, &count), 2);
}

static void a_net_of_zero_has_no_place(void **state)
{
    struct settle_netting_net nets[SETTLE_LEGS_MAX];

    (void)state;
    request_begin((chain_uint128[WALLETS]){100});
    leg_add(1, 0, 1, 7);
    leg_add(2, 1, 0, 7);
    leg_add(3, 0, 2, 1);
    assert_true(settle_netting_plan(&call, &preflight));
    assert_int_equal(settle_netting_move_count(&call), 1);
    assert_true(is_move(0, 0, 2, 1, 3));
    assert_int_equal(call.legs[0].place, SETTLE_PLACE_NONE);
    assert_int_equal(call.legs[1].place, SETTLE_PLACE_NONE);
    assert_int_equal(settle_netting_nets(nets, &call), 1);
    assert_true(nets[0].units == 0 && nets[0].net_id == 1 && nets[0].trades == 2);
}

static void where_nothing_is_shared_nothing_is_netted(void **state)
{
    (void)state;
    request_begin((chain_uint128[WALLETS]){100, 100, 100});
    leg_add(1, 0, 1, 7);
    assert_false(settle_netting_plan(&call, &preflight));
    leg_add(2, 1, 2, 7);
    leg_add(3, 2, 0, 7);
    assert_false(settle_netting_plan(&call, &preflight));
    assert_false(call.is_netted);
    assert_int_equal(settle_netting_move_count(&call), 3);
    assert_ptr_equal(settle_netting_moves(&scratch, &call), &call);
}

// Round and round with one unit each: leg by leg that is possible, ten units at once are nowhere.
static void without_an_order_nothing_is_netted(void **state)
{
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];

    (void)state;
    request_begin((chain_uint128[WALLETS]){1, 1, 1});
    for (uint64_t i = 0; i < 30; i++)
        leg_add(i + 1, i % 3, (i + 1) % 3, 1);
    assert_int_equal(settle_preflight_judge(evidence, &preflight, &call), 0);
    assert_false(settle_netting_plan(&call, &preflight));
    assert_false(call.is_netted);
    preflight.wallets[1].balance = 10; // where one of them has ten, it begins
    assert_true(settle_netting_plan(&call, &preflight));
    assert_true(is_move(0, 1, 2, 10, 2));
}

static void frozen_units_are_not_there(void **state)
{
    (void)state;
    request_begin((chain_uint128[WALLETS]){10});
    leg_add(1, 0, 1, 6);
    leg_add(2, 0, 1, 4);
    preflight.wallets[0].frozen_units = 1;
    assert_false(settle_netting_plan(&call, &preflight));
    preflight.wallets[0].frozen_units = 0;
    assert_true(settle_netting_plan(&call, &preflight));
}

static void the_batch_id_names_every_trade_of_a_net(void **state)
{
    static uint8_t out[SETTLE_CALLDATA_MAX];
    char error[SETTLE_CALL_ERROR_MAX];
    const uint64_t all[] = {10, 20, 30};
    struct settle_batch_id id;

    (void)state;
    request_begin((chain_uint128[WALLETS]){100, 100});
    leg_add(10, 0, 1, 7);
    leg_add(20, 0, 2, 3);
    leg_add(30, 1, 0, 2);
    assert_true(settle_netting_plan(&call, &preflight));
    ssize_t len = settle_call_build(out, sizeof(out), &call, 2, "{}", error);
    assert_true(len > SETTLE_BATCH_ID_BYTES);
    assert_true(settle_batch_id_read(&id, out + len - SETTLE_BATCH_ID_BYTES));
    assert_int_equal(id.kind, SETTLE_BATCH_NET);
    assert_int_equal(id.leg_count, 2);
    assert_true(settle_batch_id_matches(&id, all, 3));
    len = settle_call_build(out, sizeof(out), &call, 1, "{}", error);
    assert_true(settle_batch_id_read(&id, out + len - SETTLE_BATCH_ID_BYTES));
    assert_true(settle_batch_id_matches(&id, (uint64_t[]){10, 30}, 2));
    assert_int_equal(settle_call_operation(&call, 1), SETTLE_FORCED_TRANSFER);
}

// ---- properties

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void random_request(void)
{
    chain_uint128 balances[WALLETS];
    size_t legs = 2 + draw(SETTLE_LEGS_MAX - 1), wallets = 2 + draw(WALLETS - 1);
    uint64_t id = 0;

    for (size_t i = 0; i < WALLETS; i++)
        balances[i] = draw(3) == 0 ? 0 : draw(400);
    request_begin(balances);
    for (size_t i = 0; i < legs; i++) {
        size_t from = draw(wallets);
        leg_add(id += 1 + draw(9), from, (from + 1 + draw(wallets - 1)) % wallets, 1 + draw(20));
    }
}

// Trade by trade what can be carried out; the others leave, as they leave a request.
static void refused_leave(void)
{
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];

    while (settle_preflight_judge(evidence, &preflight, &call) > 0) {
        size_t stay = 0;
        for (size_t i = 0; i < call.leg_count; i++)
            if (evidence[i].verdict == ERC3643_ALLOWED)
                call.legs[stay++] = call.legs[i];
        call.leg_count = stay;
    }
}

static void ends(chain_uint128 out[WALLETS], const struct settle_call *of)
{
    for (size_t i = 0; i < WALLETS; i++)
        out[i] = preflight.wallets[i].balance;
    for (size_t i = 0; i < of->leg_count; i++) {
        out[of->legs[i].from.bytes[19] - 1] -= of->legs[i].units;
        out[of->legs[i].to.bytes[19] - 1] += of->legs[i].units;
    }
}

static void movements_end_where_the_legs_do_and_can_be_carried_out(void **state)
{
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];
    size_t planned = 0, no_order = 0, zero = 0, turned = 0;

    (void)state;
    seed = 3;
    for (size_t flow = 0; flow < FLOWS; flow++) {
        chain_uint128 gross[WALLETS], net[WALLETS];
        struct settle_netting_net nets[SETTLE_LEGS_MAX];
        size_t members = 0;

        random_request();
        refused_leave();
        bool ok = settle_netting_plan(&call, &preflight);
        no_order += !ok && call.leg_count > 30; // six wallets: some of them are the same
        if (!ok)
            continue;
        planned++;
        const struct settle_call *moves = settle_netting_moves(&scratch, &call);
        ends(gross, &call);
        ends(net, moves);
        assert_memory_equal(net, gross, sizeof(net));
        assert_int_equal(settle_preflight_judge(evidence, &preflight, moves), 0);
        size_t count = settle_netting_nets(nets, &call);
        for (size_t i = 0; i < count; i++) {
            zero += nets[i].units == 0;
            members += nets[i].trades;
        }
        for (size_t i = 0; i < call.leg_count; i++)
            members += call.legs[i].net_id == 0;
        assert_int_equal(members, call.leg_count);
        for (size_t i = 0; i < moves->leg_count; i++) {
            size_t first = settle_netting_leg_at(&call, i, &members);
            assert_int_equal(call.legs[first].trade_id, moves->legs[i].trade_id);
            turned += !address_equal(&call.legs[first].from, &moves->legs[i].from);
        }
    }
    print_message("%zu planned, %zu without order, %zu nets of zero, %zu turned\n", planned,
                  no_order, zero, turned);
    assert_true(planned > 1000 && no_order > 0 && zero > 0 && turned > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_and_fro_moves_the_difference_once),
        cmocka_unit_test(a_net_of_zero_has_no_place),
        cmocka_unit_test(where_nothing_is_shared_nothing_is_netted),
        cmocka_unit_test(without_an_order_nothing_is_netted),
        cmocka_unit_test(frozen_units_are_not_there),
        cmocka_unit_test(the_batch_id_names_every_trade_of_a_net),
        cmocka_unit_test(movements_end_where_the_legs_do_and_can_be_carried_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
