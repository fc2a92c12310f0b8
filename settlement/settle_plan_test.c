#include "base/testing.h"

#include <string.h>

#include "settlement/settle_plan.h"
#include "settlement/settle_states.h"

static void units_are_exact_or_refused(void **state)
{
    chain_uint128 units;

    (void)state;
    assert_true(settle_units(&units, 12345, 2, 18));
    assert_true(units == (chain_uint128)12345 * 10000000000000000);
    assert_true(settle_units(&units, 1, 0, 0) && units == 1);
    assert_true(settle_units(&units, 1200, 2, 0) && units == 12);
    assert_false(settle_units(&units, 1250, 2, 0)); // half a unit of the chain
    assert_false(settle_units(&units, 0, 2, 18));
    assert_false(settle_units(&units, -1, 2, 18));
    assert_false(settle_units(&units, INT64_MAX, 0, 36)); // above 128 bits
}

static void a_plan_says_what_a_trade_becomes(void **state)
{
    struct settle_trade_terms terms = {"0x00000000000000000000000000000000000000aa",
                                       "0x00000000000000000000000000000000000000c1",
                                       "0x00000000000000000000000000000000000000b1",
                                       100,
                                       2,
                                       18};
    struct chain_address token;
    struct settle_leg leg;
    const char *reason = NULL;

    (void)state;
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_ON_CHAIN);
    assert_int_equal(leg.from.bytes[19], 0xb1);
    assert_int_equal(leg.to.bytes[19], 0xc1);
    terms.seller_wallet = "0x00000000000000000000000000000000000000C1"; // the spelling differs
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_OFF_CHAIN);
    assert_string_equal(reason, "same_wallet");
    terms.contract_address = "0xaa"; // nothing moves: the rest does not matter
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_OFF_CHAIN);
    terms.contract_address = "0x00000000000000000000000000000000000000aa";
    terms.seller_wallet = "0x12";
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, SETTLE_REASON_WALLET_INVALID);
    terms.seller_wallet =
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"; // one letter in the other case
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, "address_checksum_wrong");
    terms.seller_wallet = "TJCnKsPa7y5okkXvQAidZBzqx3QyQ6sxMW"; // of another kind of chain
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, SETTLE_REASON_WALLET_INVALID);
    terms.seller_wallet = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_ON_CHAIN);
    terms.contract_address = "0x0000000000000000000000000000000000000000";
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, SETTLE_REASON_CONTRACT_INVALID);
    terms.contract_address = "0x00000000000000000000000000000000000000aa";
    terms.quantity = INT64_MAX;
    terms.decimals = 60; // above 2^256, too
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, "amount_above_128_bits");
    terms.decimals = 0; // and what is left of a share cannot be told
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_REFUSED);
    assert_string_equal(reason, SETTLE_REASON_AMOUNT);
    terms.seller_wallet = NULL;
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_WAIT);
    assert_string_equal(reason, SETTLE_REASON_WALLET_MISSING);
    terms.contract_address = "";
    assert_int_equal(settle_plan(&token, &leg, &reason, &terms), SETTLE_PLAN_OFF_CHAIN);
    assert_string_equal(reason, SETTLE_REASON_NO_CONTRACT);
}

// Every pair is decided, every state but the first can be reached, every state that is not an end
// can be left.
static void the_tables_are_whole(void **state)
{
    char sources[SETTLE_STATES_ARRAY_MAX];

    (void)state;
    for (unsigned to = 0; to < SETTLE_TRADE_STATE_COUNT; to++) {
        const char *word = settle_trade_state_text(to);
        assert_int_equal(settle_trade_state_parse(word), to);
        assert_false(settle_trade_move_allowed(to, to));
        settle_trade_sources(sources, to);
        assert_true(strlen(sources) > 2);
    }
    for (unsigned to = 0; to < SETTLE_ATTEMPT_STATE_COUNT; to++) {
        unsigned ways_out = 0;
        assert_int_equal(settle_attempt_state_parse(settle_attempt_state_text(to)), to);
        for (unsigned next = 0; next < SETTLE_ATTEMPT_STATE_COUNT; next++)
            ways_out += settle_attempt_move_allowed(to, next);
        assert_true(!settle_attempt_is_open(to) || ways_out > 0);
        settle_attempt_sources(sources, to);
        assert_true(to == SETTLE_ATTEMPT_PREPARED || strlen(sources) > 2);
    }
    settle_trade_sources(sources, SETTLE_TRADE_PROCESSING);
    assert_string_equal(sources, "{pending}");
    assert_int_equal(settle_trade_state_parse("none"), SETTLE_TRADE_STATE_COUNT);
    // A settled trade is final, and signed bytes are never forgotten without a receipt or a proof.
    for (unsigned to = 0; to < SETTLE_TRADE_STATE_COUNT; to++)
        assert_false(settle_trade_move_allowed(SETTLE_TRADE_SETTLED, to));
    assert_false(settle_attempt_move_allowed(SETTLE_ATTEMPT_SENT, SETTLE_ATTEMPT_REVERTED));
    assert_false(settle_attempt_move_allowed(SETTLE_ATTEMPT_SENT, SETTLE_ATTEMPT_PREPARED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_exact_or_refused),
        cmocka_unit_test(a_plan_says_what_a_trade_becomes),
        cmocka_unit_test(the_tables_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
