// What settlement instructions move on the chain (docs/xvp.md), in the world of settle_fake.h: the
// movements of a turn are one transaction and end alike, and nothing of them is signed once the
// cut-off is too near. (The world itself asserts both, at every effect.)
#include <string.h>

#include "settlement/settle_fake_venue.h"

enum { MOVES = 3 };

static const uint64_t SECOND = 1000000000;
static const chain_uint128 UNIT = 10000000000000000; // of scale 2, on the chain

// An instruction in a new world, whose last signature is possible for so long.
static struct fake_trade *open_with(uint64_t seconds)
{
    venue_open(&venue, 1);
    return fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + seconds * SECOND);
}

static void assert_all(const struct fake_trade *first, enum settle_trade_state state,
                       const char *reason)
{
    for (size_t i = 0; i < MOVES; i++)
        assert_state(&first[i], state, reason);
}

static void assert_told(const struct fake_trade *first, size_t executed, size_t returned)
{
    const size_t *booked = venue.world.core_booked[first - venue.world.trades];

    assert_int_equal(booked[SETTLEMENT_SETTLED], executed);
    assert_int_equal(booked[SETTLEMENT_FAILED], returned);
}

static void assert_executed(const struct fake_trade *first, unsigned times)
{
    for (size_t i = 0; i < MOVES; i++)
        assert_int_equal(first[i].executed, times);
}

// ---- one transaction

static void movements_are_one_transaction_without_trades(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    struct fake_trade *first =
        fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + 600 * SECOND);
    fake_trade(&venue.world, fake_seller, fake_buyer, 501);
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_SETTLED, "");
    assert_executed(first, 1);
    assert_told(first, 1, 0);
    assert_int_equal(venue.world.attempt_count, 2);
    assert_int_equal(venue.world.largest_batch, MOVES);
    assert_int_equal(venue.world.result_count, 3);
}

static void what_compliance_refuses_of_one_refuses_all(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    fake_wallet_of(&venue.world, fake_seller2)->frozen = true; // the second's
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, "frozen_sender");
    assert_told(first, 0, 1);
    assert_int_equal(venue.world.signed_count, 0);
    assert_int_equal(venue.world.checks, 1); // the evidence of that one
}

static void what_waits_of_one_lets_all_wait(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_trade *purchase = fake_trade(&venue.world, fake_seller2, fake_seller, 120000);
    venue.world.poison = 120000 * UNIT;
    struct fake_trade *first =
        fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + 600 * SECOND);
    first[2].quantity = 150000; // what it has and what it buys
    steps(&venue, 20);
    assert_int_equal(purchase->state, SETTLE_TRADE_FAILED);
    assert_all(first, SETTLE_TRADE_PENDING, SETTLE_REASON_INBOUND);
    assert_int_equal(venue.world.signed_count, 0);
}

// A trade's neighbours go on by themselves, or a batch goes in halves: not here.
static void a_movement_that_would_revert_is_not_isolated(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    venue.world.poison = 101 * UNIT;
    run_to_end(&venue);
    for (size_t i = 0; i < MOVES; i++) {
        assert_int_equal(first[i].state, SETTLE_TRADE_FAILED);
        assert_string_equal(first[i].reason, first[1].reason);
    }
    assert_int_equal(strncmp(first->reason, SETTLE_REASON_REVERTED, 8), 0);
    assert_told(first, 0, 1);
    assert_int_equal(venue.world.signed_count, 0);
}

static void what_needs_too_much_gas_is_not_halved(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    venue.settle.config.gas_max[SETTLE_GAS_BATCH] = 200000;
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_GAS_CAP);
    assert_int_equal(venue.world.attempt_count, 0);
}

// In its block, by a rule or by nobody's fault: it comes back, and does not go again by itself.
static void what_reverts_comes_back(void **state)
{
    (void)state;
    for (int by_rule = 0; by_rule < 2; by_rule++) {
        struct fake_trade *first = open_with(600);
        settle_do_work(&venue.settle, venue.world.now_ns);
        venue.world.poison = by_rule ? 101 * UNIT : 0;
        venue.world.out_of_gas_once = !by_rule;
        run_to_end(&venue);
        for (size_t i = 0; i < MOVES; i++) {
            assert_int_equal(first[i].state, SETTLE_TRADE_FAILED);
            assert_string_equal(first[i].reason, first->reason);
            assert_int_equal(first[i].total_attempts, 1);
        }
        assert_told(first, 0, 1);
        assert_int_equal(venue.world.attempt_count, 1);
        // A party executes it again: a turn of its own.
        venue.world.poison = 0;
        first = fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + 600 * SECOND);
        run_to_end(&venue);
        assert_all(first, SETTLE_TRADE_SETTLED, "");
        assert_told(first, 1, 0);
    }
}

// ---- the cut-off

static void what_comes_too_late_is_not_signed(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(0);
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_told(first, 0, 1);
    assert_int_equal(venue.world.attempt_count, 0);
}

// It was claimed in time, and waited for lower fees until it was late.
static void what_was_claimed_in_time_is_not_signed_late(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(10);
    venue.world.base_fee_wei = 2 * venue.settle.config.fees.cap_wei;
    steps(&venue, 9);
    assert_int_equal(venue.world.attempt_count, 0);
    venue.world.base_fee_wei = SECOND;
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_int_equal(venue.world.signed_count, 0);
}

// The worker has died behind the claim.
static void what_was_claimed_and_not_prepared_in_time_is_not_prepared(void **state)
{
    struct fake_trade *first = NULL;

    (void)state;
    for (uint64_t at = 1; first == NULL || first->state != SETTLE_TRADE_PROCESSING; at++) {
        first = open_with(10);
        venue.world.faults.at = at;
        venue.world.faults.kind = FAKE_KILL_AFTER;
        settle_do_work(&venue.settle, venue.world.now_ns);
    }
    assert_int_equal(venue.world.attempt_count, 0);
    venue.world.now_ns += 10 * SECOND;
    worker_start(&venue);
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_told(first, 0, 1);
    assert_int_equal(venue.world.attempt_count, 0);
}

// Prepared, and the signer is silent until it is late: nothing is signed, the nonce is another's.
static void a_signer_that_is_silent_past_the_cut_off_signs_nothing(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(10);
    venue.world.refuse = SIGNER_LOG_FAILED;
    venue.world.refuse_count = 1000;
    steps(&venue, 30);
    venue.world.refuse_count = 0;
    venue.world.refuse = SIGNER_OK;
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_told(first, 0, 1);
    assert_int_equal(venue.world.signed_count, 1);
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 0);
}

// While it cannot even be asked whether it has signed, nothing ends: it may have.
static void what_may_have_been_signed_is_not_given_back(void **state)
{
    (void)state;
    for (unsigned has_signed = 0; has_signed < 2; has_signed++) {
        struct fake_trade *first = open_with(10);
        venue.world.sign_answers_lost = has_signed ? 1 : 0;
        venue.world.refuse = has_signed ? SIGNER_OK : SIGNER_LOG_FAILED;
        venue.world.refuse_count = 1;
        settle_do_work(&venue.settle, venue.world.now_ns);
        assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_PREPARED);
        venue.world.signer_gone = true;
        steps(&venue, 60);
        assert_all(first, SETTLE_TRADE_PROCESSING, "");
        assert_told(first, 0, 0);
        venue.world.signer_gone = false;
        run_to_end(&venue);
        assert_told(first, has_signed, !has_signed);
        assert_executed(first, has_signed);
        assert_int_equal(venue.world.signed_count, has_signed);
    }
}

// It is signed, and stuck in the pool when the cut-off comes.
static struct fake_trade *open_stuck(void)
{
    struct fake_trade *first = open_with(30);

    passes(&venue, 2);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_SENT);
    venue.world.base_fee_wei = venue.world.txs[0].max_fee_wei + 1;
    return first;
}

static void what_is_stuck_at_the_cut_off_is_given_up_without_a_higher_bid(void **state)
{
    (void)state;
    struct fake_trade *first = open_stuck();
    steps(&venue, 59); // of 60, after which a trade has its first higher bid
    assert_all(first, SETTLE_TRADE_PROCESSING, "");
    while (venue.world.tx_count < 2) {
        fake_mine(&venue.world);
        passes(&venue, 1);
    }
    venue.world.base_fee_wei = venue.world.txs[1].max_fee_wei + 1; // the empty one is bid up
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_told(first, 0, 1);
    assert_executed(first, 0);
    assert_int_equal(venue.settle.counters.nonces_given_up, 1);
    for (size_t i = 1; i < venue.world.attempt_count; i++)
        assert_true(venue.world.attempts[i].attempt.is_empty);
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    run_to_end(&venue);
}

static void what_is_given_up_and_mined_all_the_same_is_executed(void **state)
{
    (void)state;
    struct fake_trade *first = open_stuck();
    while (venue.world.tx_count < 2) { // until the empty one is in the pool
        fake_mine(&venue.world);
        passes(&venue, 1);
    }
    venue.world.base_fee_wei = SECOND;
    fake_return(&venue.world, 0, 0); // a miner has the first one
    fake_mine(&venue.world);
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_SETTLED, "");
    assert_executed(first, 1);
    assert_told(first, 1, 0);
    assert_int_equal(venue.world.attempts[1].attempt.state, SETTLE_ATTEMPT_REPLACED);
}

// A pool that takes it for no fee that was signed: it is given up, too, and no row is written for a
// bid that is not to be signed.
static void what_no_pool_takes_at_the_cut_off_is_given_up(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(2);
    settle_do_work(&venue.settle, venue.world.now_ns);
    fake_forget_pool(&venue.world);
    venue.world.pool_floor_wei = venue.world.txs[0].max_fee_wei + 1;
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
    assert_int_equal(venue.world.attempt_count, 2);
    assert_true(venue.world.attempts[1].attempt.is_empty);
}

// ---- reorganisations

static void what_is_taken_back_before_it_is_final_is_not_told(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    while (venue.world.tx_count == 0 || !venue.world.txs[0].mined)
        step(&venue);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_MINED);
    fake_reorganise(&venue.world, 1, true);
    venue.world.receipts_hidden = true;
    steps(&venue, 20);
    assert_told(first, 0, 0);
    assert_all(first, SETTLE_TRADE_PROCESSING, "");
    venue.world.receipts_hidden = false;
    run_to_end(&venue);
    assert_all(first, SETTLE_TRADE_SETTLED, "");
    assert_told(first, 1, 0);
    assert_int_equal(venue.world.attempt_count, 1); // the same bytes
}

// The empty one has taken its place, and a reorganisation gives the nonce to the first one after
// all. Before that was final it is executed, and nobody has heard of anything else; behind it the
// core has been told that it came back: two persons have to look at it.
static void what_passes_after_it_was_given_up(void **state)
{
    (void)state;
    for (int was_final = 0; was_final < 2; was_final++) {
        struct fake_trade *first = open_stuck();
        enum settle_attempt_state until = was_final ? SETTLE_ATTEMPT_DROPPED : SETTLE_ATTEMPT_MINED;
        for (int i = 0; i < 300 && (venue.world.attempt_count < 2 ||
                                    venue.world.attempts[1].attempt.state != until);
             i++)
            step(&venue);
        assert_int_equal(venue.world.attempts[1].attempt.state, until);
        steps(&venue, was_final ? 10 : 0);
        assert_told(first, 0, was_final ? 1 : 0);
        uint64_t given_up = venue.world.attempts[1].attempt.mined_block;
        venue.world.base_fee_wei = SECOND;
        fake_reorganise(&venue.world, venue.world.block - given_up + 1, true);
        fake_return(&venue.world, 0, 0);
        fake_mine(&venue.world);
        passes(&venue, 20);
        assert_executed(first, 1);
        run_to_end(&venue);
        assert_all(first, was_final ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED,
                   was_final ? SETTLE_REASON_CUT_OFF : "");
        assert_told(first, !was_final, was_final ? 1 : 0);
        assert_int_equal(venue.world.incident_count, was_final ? MOVES : 0);
        for (size_t i = 0; i < venue.world.incident_count; i++)
            assert_string_equal(venue.world.incidents[i].kind, "moved_though_failed");
    }
}

// A first turn has reverted, and a second one goes. The chain loses both, and now the first passes:
// the second must not move the same once more.
static void a_turn_that_passes_after_all_stops_the_one_behind_it(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.out_of_gas_once = true;
    run_to_end(&venue);
    assert_told(first, 0, 1);
    struct fake_trade *second =
        fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + 600 * SECOND);
    run_to_end(&venue);
    assert_told(second, 1, 0);
    fake_reorganise(&venue.world, venue.world.block - 10, true);
    fake_return(&venue.world, 0, 0);
    fake_mine(&venue.world);
    assert_executed(first, 1);
    steps(&venue, 60);
    assert_executed(second, 0);
    assert_true(all_final(&venue.world));
    for (size_t i = 0; i < MOVES; i++) {
        assert_true(first[i].incident); // moved though failed
        assert_true(second[i].lost);    // settled, and its own transaction is lost
    }
}

// The second turn has come when the first was lost and not decided: it has not been signed.
static void a_turn_that_passes_after_all_leaves_the_next_one_unsigned(void **state)
{
    (void)state;
    struct fake_trade *first = open_with(600);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.out_of_gas_once = true;
    run_to_end(&venue);
    fake_reorganise(&venue.world, venue.world.block - 10, true);
    passes(&venue, 5); // it is noticed
    struct fake_trade *second =
        fake_instruction(&venue.world, 7, MOVES, venue.world.now_ns + 600 * SECOND);
    passes(&venue, 10);
    assert_all(second, SETTLE_TRADE_PROCESSING, "");
    assert_int_equal(venue.world.attempt_count, 2); // and the empty one
    fake_return(&venue.world, 0, 0);
    for (int i = 0; i < 60; i++) { // nobody closes anything
        fake_mine(&venue.world);
        passes(&venue, 1);
    }
    assert_executed(first, 1);
    assert_executed(second, 0);
    assert_all(second, SETTLE_TRADE_PENDING, "");
    assert_int_equal(venue.world.incident_count, MOVES);
    venue.world.now_ns += 600 * SECOND; // until the cut-off
    run_to_end(&venue);
    assert_told(second, 0, 1);
}

// ---- faults

// Each is executed or has come back, once; with nothing in the way it is executed.
static void any_fault_at_any_effect(uint64_t seconds, uint64_t base_fee_wei)
{
    uint64_t effects = 1;

    for (uint64_t at = 0; at <= effects; at++)
        for (int kind = FAKE_LOST_BEFORE; kind < FAKE_FAULT_COUNT; kind++) {
            struct fake_trade *first = open_with(seconds);
            fake_trade(&venue.world, fake_seller, fake_buyer, 500);
            venue.world.faults.at = at;
            venue.world.faults.kind = (enum fake_fault)kind;
            venue.settle.config.stuck_ns = 5 * SECOND;
            passes(&venue, 2);
            if (venue.world.faults.dead)
                worker_start(&venue);
            venue.world.base_fee_wei = base_fee_wei;
            run_to_end(&venue);
            const size_t *booked = venue.world.core_booked[first - venue.world.trades];
            assert_int_equal(booked[SETTLEMENT_SETTLED] + booked[SETTLEMENT_FAILED], 1);
            assert_executed(first, (unsigned)booked[SETTLEMENT_SETTLED]);
            if (base_fee_wei == SECOND)
                assert_told(first, 1, 0);
            else if (at == 0)
                assert_told(first, 0, 1);
            if (at == 0)
                effects = venue.world.faults.effects;
        }
    assert_true(effects > 60);
    print_message("%llu effects\n", (unsigned long long)effects);
}

static void any_fault_at_any_effect_executes_it_once(void **state)
{
    (void)state;
    any_fault_at_any_effect(600, SECOND);
}

static void any_fault_at_any_effect_gives_it_up_or_executes_it(void **state)
{
    (void)state;
    any_fault_at_any_effect(4, 5 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(movements_are_one_transaction_without_trades),
        cmocka_unit_test(what_compliance_refuses_of_one_refuses_all),
        cmocka_unit_test(what_waits_of_one_lets_all_wait),
        cmocka_unit_test(a_movement_that_would_revert_is_not_isolated),
        cmocka_unit_test(what_needs_too_much_gas_is_not_halved),
        cmocka_unit_test(what_reverts_comes_back),
        cmocka_unit_test(what_comes_too_late_is_not_signed),
        cmocka_unit_test(what_was_claimed_in_time_is_not_signed_late),
        cmocka_unit_test(what_was_claimed_and_not_prepared_in_time_is_not_prepared),
        cmocka_unit_test(a_signer_that_is_silent_past_the_cut_off_signs_nothing),
        cmocka_unit_test(what_may_have_been_signed_is_not_given_back),
        cmocka_unit_test(what_is_stuck_at_the_cut_off_is_given_up_without_a_higher_bid),
        cmocka_unit_test(what_is_given_up_and_mined_all_the_same_is_executed),
        cmocka_unit_test(what_no_pool_takes_at_the_cut_off_is_given_up),
        cmocka_unit_test(what_is_taken_back_before_it_is_final_is_not_told),
        cmocka_unit_test(what_passes_after_it_was_given_up),
        cmocka_unit_test(a_turn_that_passes_after_all_stops_the_one_behind_it),
        cmocka_unit_test(a_turn_that_passes_after_all_leaves_the_next_one_unsigned),
        cmocka_unit_test(any_fault_at_any_effect_executes_it_once),
        cmocka_unit_test(any_fault_at_any_effect_gives_it_up_or_executes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
