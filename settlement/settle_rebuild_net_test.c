// Netted transactions whose rows are lost: their trades are found again, or nothing is guessed.
#include "settlement/settle_rebuild_net.h"

#include <string.h>

#include "base/testing.h"
#include "settlement/settle_netting.h"

enum { TRADES = 150 };

static struct settle_rebuild_trade trades[TRADES];
static struct settle_call members, request, scratch;

static struct chain_address wallet(size_t n)
{
    return (struct chain_address){.bytes = {[0] = (uint8_t)(n * 71), [19] = (uint8_t)(n + 1)}};
}

static void trade(size_t at, size_t from, size_t to, chain_uint128 units)
{
    trades[at] = (struct settle_rebuild_trade){.trade_id = 16 * (at + 1),
                                               .from = wallet(from),
                                               .to = wallet(to),
                                               .units = units,
                                               .units_corrected = units};
}

// A request of the trades with these indices, as its transaction shows it.
static void netted(struct settle_batch_id *id, const size_t *of, size_t count)
{
    static struct settle_preflight preflight;
    uint64_t ids[SETTLE_LEGS_MAX];
    size_t placed = 0;

    request = (struct settle_call){.request_id = 4, .is_of_trades = true, .leg_count = count};
    memset(&preflight, 0, sizeof(preflight));
    for (size_t i = 0; i < 8; i++)
        preflight.wallets[preflight.wallet_count++] =
            (struct settle_wallet){.address = wallet(i), .balance = 1000000};
    for (size_t i = 0; i < count; i++)
        request.legs[i] = (struct settle_leg){.trade_id = trades[of[i]].trade_id,
                                              .from = trades[of[i]].from,
                                              .to = trades[of[i]].to,
                                              .units = trades[of[i]].units};
    assert_true(settle_netting_plan(&request, &preflight));
    for (size_t i = 0; i < count; i++)
        if (request.legs[i].place != SETTLE_PLACE_NONE)
            ids[placed++] = request.legs[i].trade_id;
    settle_batch_id_make(id, SETTLE_BATCH_NET, 4, settle_netting_move_count(&request), ids, placed);
}

static enum settle_rebuild_match match(const struct settle_batch_id *id, size_t first, size_t count)
{
    const struct settle_call *moves = settle_netting_moves(&scratch, &request);

    memset(&members, 0, sizeof(members));
    return settle_rebuild_match_net(&members, moves->legs, moves->leg_count, id, &trades[first],
                                    count);
}

static void assert_found(void)
{
    size_t at = 0;

    for (size_t i = 0; i < request.leg_count; i++) {
        if (request.legs[i].place == SETTLE_PLACE_NONE)
            continue;
        assert_int_equal(members.legs[at].trade_id, request.legs[i].trade_id);
        assert_int_equal(members.legs[at].place, request.legs[i].place);
        assert_int_equal(members.legs[at++].net_id, request.legs[i].net_id);
    }
    assert_int_equal(members.leg_count, at);
    assert_true(members.is_netted);
}

static void to_and_fro_is_found_with_all_its_trades(void **state)
{
    struct settle_batch_id id;
    size_t of[20];

    (void)state;
    for (size_t i = 0; i < 30; i++) {
        trade(i, i % 2, (i + 1) % 2, 100 + i);
        of[i % 20] = i % 20;
    }
    netted(&id, of, 20);
    assert_int_equal(match(&id, 0, 30), SETTLE_REBUILD_FOUND);
    assert_found();
    assert_int_equal(members.legs[19].net_id, trades[0].trade_id);
    assert_int_not_equal(match(&id, 0, 19), SETTLE_REBUILD_FOUND); // the last one is not there
    assert_int_equal(match(&id, 1, 29), SETTLE_REBUILD_NONE);      // nor the first
    trades[5].units_corrected = ++trades[5].units;                 // nor this one
    assert_int_not_equal(match(&id, 0, 30), SETTLE_REBUILD_FOUND);
    trades[5].units_corrected--;
    assert_int_equal(match(&id, 0, 30), SETTLE_REBUILD_FOUND); // it was corrected since
}

static void trades_between_that_were_not_in_it_are_passed_over(void **state)
{
    struct settle_batch_id id;
    const size_t of[] = {0, 1, 3, 4, 6, 7, 8, 11};

    (void)state;
    for (size_t i = 0; i < TRADES; i++)
        trade(i, i % 3, (i + 1 + i % 2) % 3, 7 + i % 5);
    netted(&id, of, sizeof(of) / sizeof(of[0]));
    assert_int_equal(match(&id, 0, TRADES), SETTLE_REBUILD_FOUND);
    assert_found();
    id.members_hash[0] ^= 1;
    assert_int_equal(match(&id, 0, TRADES), SETTLE_REBUILD_TOO_MANY);
}

static void a_hundred_trades_of_many_pairs(void **state)
{
    struct settle_batch_id id;
    size_t of[SETTLE_LEGS_MAX];

    (void)state;
    for (size_t i = 0; i < TRADES; i++)
        trade(i, i * i % 7, (i * i + 1 + i % 6) % 7, 1 + i % 4);
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        of[i] = i + (i > 60);
    netted(&id, of, SETTLE_LEGS_MAX);
    assert_int_equal(match(&id, 0, TRADES), SETTLE_REBUILD_FOUND);
    assert_found();
}

static void other_kinds_are_not_nets(void **state)
{
    struct settle_batch_id id;
    const size_t of[] = {0, 1};

    (void)state;
    trade(0, 0, 1, 5);
    trade(1, 1, 0, 3);
    netted(&id, of, 2);
    assert_int_equal(match(&id, 0, 2), SETTLE_REBUILD_FOUND);
    id.kind = SETTLE_BATCH_SINGLE;
    assert_int_equal(match(&id, 0, 2), SETTLE_REBUILD_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_and_fro_is_found_with_all_its_trades),
        cmocka_unit_test(trades_between_that_were_not_in_it_are_passed_over),
        cmocka_unit_test(a_hundred_trades_of_many_pairs),
        cmocka_unit_test(other_kinds_are_not_nets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
