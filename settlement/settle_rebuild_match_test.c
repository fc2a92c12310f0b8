#include "settlement/settle_rebuild_match.h"

#include <string.h>

#include "base/testing.h"

enum { TRADES = 300 };

static struct chain_address wallet(uint8_t n)
{
    return (struct chain_address){.bytes = {[19] = n}};
}

static void trade(struct settle_rebuild_trade *out, uint64_t id, uint8_t from, uint8_t to,
                  chain_uint128 units)
{
    *out = (struct settle_rebuild_trade){.trade_id = id,
                                         .from = wallet(from),
                                         .to = wallet(to),
                                         .units = units,
                                         .units_corrected = units};
}

// A batch of the trades with these indices, as its transaction shows it.
static void batch(struct settle_leg *legs, struct settle_batch_id *id,
                  const struct settle_rebuild_trade *trades, const size_t *of, size_t count)
{
    uint64_t ids[SETTLE_LEGS_MAX];

    for (size_t i = 0; i < count; i++) {
        const struct settle_rebuild_trade *one = &trades[of[i]];

        ids[i] = one->trade_id;
        legs[i] = (struct settle_leg){.from = one->from, .to = one->to, .units = one->units};
    }
    settle_batch_id_make(id, count == 1 ? SETTLE_BATCH_SINGLE : SETTLE_BATCH_MANY, 1, count, ids,
                         count);
}

static void trades_that_look_alike_are_told_apart(void **state)
{
    struct settle_rebuild_trade trades[TRADES];
    struct settle_batch_id id;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    const size_t of[] = {0, 2, 3, 7, 11};

    (void)state;
    for (size_t i = 0; i < 12; i++)
        trade(&trades[i], 16 * (i + 1), 1, 2, 5);
    batch(legs, &id, trades, of, 5);
    assert_int_equal(settle_rebuild_match(legs, 5, &id, trades, 12), SETTLE_REBUILD_FOUND);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(legs[i].trade_id, trades[of[i]].trade_id);
    // The last one is not there: no other list of what is there is taken for it.
    assert_int_equal(settle_rebuild_match(legs, 5, &id, trades, 11), SETTLE_REBUILD_NONE);
    assert_int_equal(settle_rebuild_match(legs, 5, &id, trades + 1, 11), SETTLE_REBUILD_NONE);
    assert_int_equal(settle_rebuild_match(legs, 4, &id, trades, 12), SETTLE_REBUILD_NONE);
}

static void a_hundred_legs_among_three_hundred_trades(void **state)
{
    struct settle_rebuild_trade trades[TRADES];
    struct settle_batch_id id;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    size_t of[SETTLE_LEGS_MAX];

    (void)state;
    for (size_t i = 0; i < TRADES; i++)
        trade(&trades[i], 16 * (i + 1), (uint8_t)(1 + i % 5), (uint8_t)(6 + i % 7), 1 + i % 50);
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        of[i] = 2 * i + (i > 50);
    batch(legs, &id, trades, of, SETTLE_LEGS_MAX);
    assert_int_equal(settle_rebuild_match(legs, SETTLE_LEGS_MAX, &id, trades, TRADES),
                     SETTLE_REBUILD_FOUND);
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        assert_int_equal(legs[i].trade_id, trades[of[i]].trade_id);
}

// A wave of trades of one quantity between two wallets, of which one had failed and one was
// waiting.
static void two_gaps_among_trades_that_look_alike(void **state)
{
    struct settle_rebuild_trade trades[TRADES];
    struct settle_batch_id id;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    size_t of[SETTLE_LEGS_MAX];

    (void)state;
    for (size_t i = 0; i < TRADES; i++)
        trade(&trades[i], 16 * (i + 1), 1, 2, 5);
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        of[i] = i + (i > 2) + (i > 60);
    batch(legs, &id, trades, of, SETTLE_LEGS_MAX);
    assert_int_equal(settle_rebuild_match(legs, SETTLE_LEGS_MAX, &id, trades, TRADES),
                     SETTLE_REBUILD_FOUND);
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        assert_int_equal(legs[i].trade_id, trades[of[i]].trade_id);
}

static void corrected_quantities_and_changed_wallets_are_found(void **state)
{
    struct settle_rebuild_trade trades[3];
    struct settle_batch_id id;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    const size_t of[] = {0, 2};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        trade(&trades[i], 16 * (i + 1), 1, 2, 5 + i);
    batch(legs, &id, trades, of, 2);
    trades[2].units = 100;
    trades[0].to = wallet(9);
    assert_int_equal(settle_rebuild_match(legs, 2, &id, trades, 3), SETTLE_REBUILD_FOUND);
    assert_int_equal(legs[1].trade_id, 48);
    trades[2].units_corrected = 99;
    assert_int_equal(settle_rebuild_match(legs, 2, &id, trades, 3), SETTLE_REBUILD_NONE);
}

static void what_cannot_be_told_is_not_guessed(void **state)
{
    struct settle_rebuild_trade trades[TRADES];
    struct settle_batch_id id;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    size_t of[40];

    (void)state;
    for (size_t i = 0; i < TRADES; i++)
        trade(&trades[i], 16 * (i + 1), 1, 2, 5);
    for (size_t i = 0; i < 40; i++)
        of[i] = 7 * i;
    batch(legs, &id, trades, of, 40);
    assert_int_equal(settle_rebuild_match(legs, 40, &id, trades, TRADES), SETTLE_REBUILD_TOO_MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trades_that_look_alike_are_told_apart),
        cmocka_unit_test(a_hundred_legs_among_three_hundred_trades),
        cmocka_unit_test(two_gaps_among_trades_that_look_alike),
        cmocka_unit_test(corrected_quantities_and_changed_wallets_are_found),
        cmocka_unit_test(what_cannot_be_told_is_not_guessed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
