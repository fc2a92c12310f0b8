// The worker against a world in memory: scenarios, then every fault at every effect, then storms of
// faults.
#include "base/testing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settlement/settle_fake_venue.h"

// ---- scenarios

static void assert_all_settled(const struct fake_world *world)
{
    for (size_t i = 0; i < world->trade_count; i++) {
        assert_state(&world->trades[i], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(world->trades[i].total_attempts, 0);
    }
}

static void trades_settle_on_chain_in_batches_in_order(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 25; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    run_to_end(&venue);
    assert_all_settled(&venue.world);
    assert_int_equal(venue.world.attempt_count, 3);
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(venue.world.requests[i / 10].legs[i % 10].trade, i);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(venue.world.attempts[i].request, i);
        assert_int_equal(venue.world.attempts[i].attempt.nonce, i);
    }
    assert_int_equal(venue.world.largest_batch, 10);
    assert_int_equal(venue.world.checks, 25);
    assert_int_equal(venue.world.rechecks, 0); // mined in the block behind the one of the check
    assert_int_equal(venue.world.gas_rows, 3);
}

static void a_batch_has_a_hundred_legs(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 100;
    venue.settle.config.claim_max = 1000;
    for (int i = 0; i < 100 * FAKE_TIMES && i < FAKE_TRADES_MAX; i++)
        fake_trade(&venue.world, i % 2 == 0 ? fake_seller : fake_seller2, fake_buyer, 100);
    run_to_end(&venue); // all with the same terms: each leg has its own event
    assert_all_settled(&venue.world);
    assert_int_equal(venue.world.attempt_count, 1);
    assert_int_equal(venue.world.largest_batch, FAKE_TRADES_MAX < 100 ? FAKE_TRADES_MAX : 100);
}

static void a_refused_leg_leaves_its_neighbours_unharmed(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 10; i++)
        fake_trade(&venue.world, i == 4 || i == 7 ? fake_seller2 : fake_seller, fake_buyer,
                   100 + i);
    fake_wallet_of(&venue.world, fake_seller2)->frozen = true;
    run_to_end(&venue);
    for (size_t i = 0; i < 10; i++) {
        bool frozen = i == 4 || i == 7;
        assert_state(&venue.world.trades[i], frozen ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED,
                     frozen ? "frozen_sender" : "");
        assert_int_equal(venue.world.trades[i].total_attempts, 0);
    }
    assert_int_equal(venue.world.attempt_count, 1);
    assert_int_equal(venue.world.largest_batch, 8);
    assert_int_equal(venue.world.checks, 10);
}

static const chain_uint128 UNIT = 10000000000000000; // of scale 2, on the chain

static void poison_is_isolated_by_simulation(void **state)
{
    (void)state;
    for (int64_t poisoned = 100; poisoned < 110; poisoned++) {
        venue_open(&venue, 1);
        for (int i = 0; i < 10; i++)
            fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
        venue.world.poison = (chain_uint128)poisoned * UNIT;
        run_to_end(&venue);
        for (size_t i = 0; i < 10; i++) {
            bool is_it = 100 + (int64_t)i == poisoned;
            assert_int_equal(venue.world.trades[i].state,
                             is_it ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED);
            assert_int_equal(venue.world.trades[i].total_attempts, 0);
            assert_int_equal(strncmp(venue.world.trades[i].reason, "reverted", 8) == 0, is_it);
        }
        assert_int_equal(venue.world.attempt_count, 1);
        assert_in_range(venue.settle.counters.simulations, 4, 8);
    }
}

static void many_poisoned_legs_leave_one_after_the_other(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 10; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, i % 3 == 0 ? 777 : 100 + i);
    venue.world.poison = 777 * UNIT;
    run_to_end(&venue);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(venue.world.trades[i].state,
                         i % 3 == 0 ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED);
    assert_int_equal(venue.world.attempt_count, 1);
}

static void a_reverted_batch_uses_an_attempt_of_the_leg_to_blame_only(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 10; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.poison = 106 * UNIT; // between the simulation and the block
    run_to_end(&venue);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(venue.world.trades[i].state,
                         i == 6 ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED);
        assert_int_equal(venue.world.trades[i].total_attempts, i == 6 ? 1 : 0);
    }
    assert_int_equal(venue.world.attempt_count, 2);
    assert_int_equal(venue.world.gas_rows, 2);
}

// What reverts in blocks only is found on the chain itself, by halving.
static void a_leg_that_no_simulation_finds_ends_alone(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 10; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    venue.world.poison_mined = 103 * UNIT;
    run_to_end(&venue);
    for (size_t i = 0; i < 10; i++)
        if (i == 3) {
            assert_state(&venue.world.trades[i], SETTLE_TRADE_FAILED, SETTLE_REASON_OUT_OF_GAS);
            assert_int_equal(venue.world.trades[i].total_attempts, 5);
        } else {
            assert_state(&venue.world.trades[i], SETTLE_TRADE_SETTLED, "");
            assert_int_equal(venue.world.trades[i].total_attempts, 0);
        }
}

static void what_is_bought_is_sold_in_the_same_batch(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    fake_trade(&venue.world, fake_buyer, fake_seller2, 300);
    fake_trade(&venue.world, fake_seller2, fake_seller, 300);
    run_to_end(&venue);
    assert_all_settled(&venue.world);
    assert_int_equal(venue.world.attempt_count, 1);
}

static void a_sale_of_what_does_not_come_waits(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_trade *purchase = fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    struct fake_trade *sale = fake_trade(&venue.world, fake_buyer, fake_seller2, 300);
    struct fake_trade *other = fake_trade(&venue.world, fake_seller, fake_buyer, 7);
    venue.world.poison = 500 * UNIT;
    steps(&venue, 8);
    assert_int_equal(purchase->state, SETTLE_TRADE_FAILED);
    assert_state(sale, SETTLE_TRADE_PENDING, SETTLE_REASON_INBOUND);
    assert_int_equal(sale->total_attempts, 0);
    assert_int_equal(other->state, SETTLE_TRADE_SETTLED);
    venue.world.poison = 0;
    fake_retry(&venue.world, purchase);
    run_to_end(&venue);
    assert_all_settled(&venue.world);
}

static void a_batch_above_the_gas_limit_goes_in_parts(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.gas_max[SETTLE_GAS_BATCH] = 350000; // four legs, with a smaller margin
    for (int i = 0; i < 10; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    run_to_end(&venue);
    assert_all_settled(&venue.world);
    assert_in_range(venue.world.largest_batch, 2, 4);
}

// U7, M28. What was checked at the very parent of the mined block is not asked again; where a block
// has come between, or that height has another block now, it is.
static void a_check_is_made_again_at_the_mined_block(void **state)
{
    (void)state;
    for (int reorganised = 0; reorganised < 2; reorganised++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        venue.world.refuse = SIGNER_POLICY_UNREADABLE;
        venue.world.refuse_count = reorganised == 0; // it has to wait for its signature
        settle_do_work(&venue.settle, venue.world.now_ns);
        assert_int_equal(venue.world.checks, 1);
        if (reorganised)
            fake_reorganise(&venue.world, 0, false);
        else
            fake_mine(&venue.world);
        run_to_end(&venue);
        assert_all_settled(&venue.world);
        assert_int_equal(venue.world.rechecks, 1);
    }
}

// A call like one before is simulated once, with what that one needed; if it needs more, it is
// estimated.
static void what_a_call_needs_is_estimated_once(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int round = 0; round < 4; round++) {
        venue.world.gas_more = round == 2 ? 100000 : 0;
        for (int i = 0; i < 6; i++)
            fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
        run_to_end(&venue);
        assert_int_equal(venue.world.estimates, round < 2 ? 1 : 2);
        assert_int_equal(venue.settle.counters.simulations, round < 2 ? round + 1 : round + 2);
    }
    assert_all_settled(&venue.world);
    venue.world.gas_more = 20000000; // more than is allowed, whatever was known
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    run_to_end(&venue);
    assert_state(&venue.world.trades[24], SETTLE_TRADE_FAILED, SETTLE_REASON_GAS_CAP);
}

// F2 and F3 as the documents have them: ten trades every five seconds.
static void the_documents_pace_is_a_matter_of_configuration(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.claim_max = 10;
    venue.settle.config.pace_ns = 5000000000;
    for (int i = 0; i < 25; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    for (int second = 0; second < 15; second++) {
        assert_int_equal(venue.settle.counters.claimed, second == 0    ? 0
                                                        : second <= 5  ? 10
                                                        : second <= 10 ? 20
                                                                       : 25);
        step(&venue);
    }
    run_to_end(&venue);
}

static void trades_gather_only_while_transactions_are_under_way(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.gather_ns = 50000000;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.settle.counters.claimed, 1); // nothing is under way: at once
    for (int i = 0; i < 5; i++) {
        fake_trade(&venue.world, fake_seller, fake_buyer, 200 + i);
        settle_do_work(&venue.settle, venue.world.now_ns += 1000000);
        assert_int_equal(venue.settle.counters.claimed, 1);
        assert_true(settle_deadline_ns(&venue.settle) <= venue.world.now_ns + 50000000);
    }
    venue.world.now_ns = settle_deadline_ns(&venue.settle);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.settle.counters.claimed, 6);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 2);
}

// Depth alone is not enough where the chain says itself what is final.
static void a_trade_is_final_only_once_the_finalized_block_has_reached_it(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.finalized_tag = true;
    venue.world.final_block = UINT64_MAX; // the node does not know the tag
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    steps(&venue, 40);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_MINED);
    venue.world.final_block = venue.world.attempts[0].attempt.mined_block - 1;
    steps(&venue, 10);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_MINED);
    venue.world.final_block++;
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
}

static void a_token_without_contract_settles_off_chain_even_without_a_node(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.world.down = true;
    fake_trade(&venue.world, NULL, NULL, 100)->contract = "";
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    steps(&venue, 3);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "no_contract");
    assert_state(&venue.world.trades[1], SETTLE_TRADE_PENDING, "");
    venue.world.down = false;
    run_to_end(&venue);
}

// A member who trades with himself: nothing has to move, so nothing is asked of node and signer.
static void one_wallet_on_both_sides_settles_off_chain_even_without_a_node(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.world.down = true;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_buyer, fake_buyer, 100);
    steps(&venue, 3);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_PENDING, "");
    assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "same_wallet");
    assert_int_equal(venue.settle.counters.off_chain, 1);
    venue.world.down = false;
    run_to_end(&venue);
    assert_int_equal(venue.world.core_booked[1][SETTLEMENT_SETTLED], 1);
    assert_int_equal(venue.world.attempt_count, 1);
}

// Runs as the process does while nothing wakes it but the deadline. Returns the number of passes.
static unsigned passes_until(struct venue *v, uint64_t end_ns)
{
    unsigned passes = 0;

    while (v->world.now_ns < end_ns) {
        assert_int_equal(settle_do_work(&v->settle, v->world.now_ns), 0);
        assert_true(settle_is_backing_off(&v->settle));
        assert_true(settle_deadline_ns(&v->settle) > v->world.now_ns);
        assert_true(settle_deadline_ns(&v->settle) <= v->world.now_ns + v->world.tick_ns);
        v->world.now_ns = settle_deadline_ns(&v->settle);
        passes++;
    }
    return passes;
}

// The session lives, its statements fail: the schema is another version's, say.
static void a_database_that_refuses_is_asked_ever_more_rarely(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.store_refuses = true;
    assert_in_range(passes_until(&venue, venue.world.now_ns + 60000000000), 12, 18);
    venue.world.store_refuses = false;
    run_to_end(&venue);
    assert_false(settle_is_backing_off(&venue.settle));
    venue.world.store_refuses = true; // and the next time it begins with short waits again
    assert_in_range(passes_until(&venue, venue.world.now_ns + 1000000000), 3, 4);
}

static void a_missing_wallet_waits_and_holds_nobody_up(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 12; i++)
        fake_trade(&venue.world, fake_seller, NULL, 100 + i);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    steps(&venue, 10);
    assert_state(&venue.world.trades[12], SETTLE_TRADE_SETTLED, "");
    for (size_t i = 0; i < 12; i++) {
        assert_state(&venue.world.trades[i], SETTLE_TRADE_PENDING, "wallet_missing");
        assert_int_equal(venue.world.trades[i].total_attempts, 0);
        venue.world.trades[i].buyer_wallet = fake_buyer;
    }
    run_to_end(&venue);
}

static void a_seller_waits_for_his_inbound_trade(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    fake_trade(&venue.world, fake_buyer, fake_seller2, 300);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_PROCESSING, "");
    assert_state(&venue.world.trades[1], SETTLE_TRADE_PENDING, "");
    run_to_end(&venue);
    assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.trades[1].total_attempts, 0);
}

static void a_short_balance_waits_while_an_inbound_trade_has_failed(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_trade *inbound = fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    struct fake_trade *sale = fake_trade(&venue.world, fake_buyer, fake_seller2, 300);
    fake_wallet_of(&venue.world, fake_seller)->frozen = true;
    steps(&venue, 8);
    assert_state(inbound, SETTLE_TRADE_FAILED, "frozen_sender");
    assert_state(sale, SETTLE_TRADE_PENDING, SETTLE_REASON_INBOUND);
    fake_wallet_of(&venue.world, fake_seller)->frozen = false;
    fake_retry(&venue.world, inbound);
    run_to_end(&venue);
    assert_state(inbound, SETTLE_TRADE_SETTLED, "");
    assert_state(sale, SETTLE_TRADE_SETTLED, "");
}

// All of the seller's units are frozen, so many of them by the venue.
static struct fake_wallet *seller_in_custody(bool by_venue)
{
    struct fake_wallet *seller = fake_wallet_of(&venue.world, fake_seller);

    seller->in_custody = true;
    seller->frozen_units = seller->units;
    seller->venue_units = by_venue ? seller->units : 0;
    return seller;
}

static void what_the_venue_has_frozen_is_sold_and_what_others_have_is_not(void **state)
{
    (void)state;
    for (int by_venue = 0; by_venue < 2; by_venue++) {
        venue_open(&venue, 1);
        (void)seller_in_custody(by_venue == 1);
        struct fake_trade *sale = fake_trade(&venue.world, fake_seller, fake_buyer, 500);
        run_to_end(&venue);
        if (by_venue == 1)
            assert_state(sale, SETTLE_TRADE_SETTLED, "");
        else
            assert_state(sale, SETTLE_TRADE_FAILED, "frozen_by_others");
        assert_int_equal(sale->total_attempts, 0);
        const struct fake_wallet *seller = fake_wallet_of(&venue.world, fake_seller);
        assert_true(seller->frozen_units == seller->units);
        assert_true(fake_venue_units(&venue.world, seller) == (by_venue == 1 ? seller->units : 0));
    }
}

static void a_sale_waits_for_a_freeze_that_is_not_final(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_wallet *seller = seller_in_custody(false);
    struct fake_trade *sale = fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    seller->freeze_under_way = true;
    steps(&venue, 12);
    assert_state(sale, SETTLE_TRADE_PENDING, SETTLE_REASON_FREEZE);
    seller->freeze_under_way = false;
    seller->venue_units = seller->frozen_units;
    run_to_end(&venue);
    assert_state(sale, SETTLE_TRADE_SETTLED, "");
    assert_int_equal(sale->total_attempts, 0);
}

static void compliance_refuses_at_once_and_signs_nothing(void **state)
{
    static const char *const reasons[] = {
        "paused",    "frozen_sender",         "frozen_receiver",
        "balance",   "not_registered_sender", "not_registered_receiver",
        "compliance"};
    (void)state;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, i == 3 ? 10000000 : 100);
        venue.world.paused = i == 0;
        fake_wallet_of(&venue.world, fake_seller)->frozen = i == 1;
        fake_wallet_of(&venue.world, fake_buyer)->frozen = i == 2;
        fake_wallet_of(&venue.world, fake_seller)->verified = i != 4;
        fake_wallet_of(&venue.world, fake_buyer)->verified = i != 5;
        venue.world.can_transfer = i != 6;
        run_to_end(&venue);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_FAILED, reasons[i]);
        assert_int_equal(venue.world.attempt_count, 0);
        assert_int_equal(venue.world.checks, 1);
        assert_int_equal(venue.world.core_booked[0][SETTLEMENT_FAILED], 1);
    }
}

static void a_simulated_revert_fails_with_the_contracts_words(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.hook_reverts = true;
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 0);
    assert_int_equal(strncmp(venue.world.trades[0].reason, "reverted", 8), 0);
}

static void a_revert_by_rule_after_the_broadcast_fails_at_once(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.hook_reverts = true;
    run_to_end(&venue);
    assert_int_equal(venue.world.trades[0].state, SETTLE_TRADE_FAILED);
    assert_int_equal(venue.world.trades[0].total_attempts, 1);
    assert_int_equal(venue.world.gas_rows, 1);
}

static void out_of_gas_uses_attempts_up_to_five(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    for (int i = 0; i < 300 && !all_final(&venue.world); i++) {
        venue.world.out_of_gas_once = true;
        step(&venue);
    }
    venue.world.out_of_gas_once = false;
    assert_int_equal(venue.world.trades[0].state, SETTLE_TRADE_FAILED);
    assert_int_equal(venue.world.trades[0].attempts, 5);
    fake_retry(&venue.world, &venue.world.trades[0]);
    step(&venue);
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.trades[0].total_attempts, 5);
    assert_int_equal(venue.world.core_booked[0][SETTLEMENT_RETRIED], 1);
}

static void a_transaction_without_the_planned_transfer_is_no_settlement(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.wrong_event = true;
    for (int i = 0; i < 50 && !all_final(&venue.world); i++)
        step(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_FAILED, SETTLE_REASON_MISMATCH);
}

static void refusals_of_the_signer_free_the_nonce(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_buyer, 200);
    venue.world.refuse = SIGNER_METHOD_REFUSED;
    venue.world.refuse_count = 1;
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_FAILED, "method_not_allowed");
    assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.nonce_next, 1);
}

static void a_silent_signer_is_asked_again_with_the_same_request(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.refuse = SIGNER_POLICY_UNREADABLE;
    venue.world.refuse_count = 3;
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.attempt_count, 1);
}

static void what_the_signer_may_sign_later_waits(void **state)
{
    (void)state;
    static const enum signer_result refusals[] = {SIGNER_FEE_REFUSED, SIGNER_UNITS_REFUSED,
                                                  SIGNER_TRANSFERS_REFUSED, SIGNER_KEY_RETIRED};
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        venue.world.refuse = refusals[i];
        venue.world.refuse_count = 2;
        run_to_end(&venue);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(venue.world.trades[0].total_attempts, 0);
    }
}

// A database that was restored from before its last attempts: they come back from the signer's log,
// and are what they were.
static void attempts_that_the_database_has_lost_come_back(void **state)
{
    (void)state;
    for (int is_mined = 0; is_mined < 2; is_mined++)
        for (size_t left = 0; left < 3; left++) {
            venue_open(&venue, 1);
            for (int i = 0; i < 3; i++) {
                fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
                passes(&venue, 2);
            }
            assert_int_equal(venue.world.attempt_count, 3);
            fake_lose_attempts(&venue.world, left);
            if (is_mined)
                fake_mine(&venue.world); // the pool has them still
            worker_start(&venue);
            run_to_end(&venue);
            assert_int_equal(venue.settle.counters.restored, 3 - left);
            assert_int_equal(venue.world.attempt_count, 3);
            for (int i = 0; i < 3; i++)
                assert_state(&venue.world.trades[i], SETTLE_TRADE_SETTLED, "");
        }
}

// The bid that is mined is one that the database has never heard of: it is not somebody else's.
static void a_bid_that_the_database_has_lost_comes_back(void **state)
{
    (void)state;
    for (int is_noticed_at_start = 0; is_noticed_at_start < 2; is_noticed_at_start++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        passes(&venue, 2);
        venue.world.block++;
        passes(&venue, 65); // it is stuck, and bid up
        assert_int_equal(venue.world.attempt_count, 2);
        fake_lose_attempts(&venue.world, 1);
        venue.world.attempts[0].attempt.state = SETTLE_ATTEMPT_SENT;
        fake_history_attempt(&venue.world, &venue.world.attempts[0], SETTLE_ATTEMPT_REPLACED);
        if (is_noticed_at_start)
            worker_start(&venue);
        else
            venue.settle.bids_known = true;
        fake_mine(&venue.world);
        run_to_end(&venue);
        assert_int_equal(venue.settle.counters.restored, 1);
        assert_int_equal(venue.settle.counters.dropped, 0);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(venue.world.trades[0].total_attempts, 0);
    }
}

// No row says whose it is: nothing new is begun, nothing is guessed, and what is under way goes on.
static void what_no_row_asks_for_stops_what_is_new(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 2; i++) {
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
        passes(&venue, 2);
    }
    fake_lose_attempts(&venue.world, 1);
    struct fake_request *request = &venue.world.requests[1];
    uint64_t request_id = request->request_id;
    request->request_id = 77; // another one has its number
    worker_start(&venue);
    fake_trade(&venue.world, fake_seller, fake_buyer, 300);
    steps(&venue, 20);
    assert_true(venue.settle.attempts_lost);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.trades[1].state, SETTLE_TRADE_PROCESSING);
    assert_int_equal(venue.world.trades[2].state, SETTLE_TRADE_PENDING);
    assert_int_equal(venue.world.attempt_count, 1);
    request->request_id = request_id;
    run_to_end(&venue);
    assert_false(venue.settle.attempts_lost);
    assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "");
    assert_state(&venue.world.trades[2], SETTLE_TRADE_SETTLED, "");
}

// The second gives way to the first one's nonce; its trade goes with a request of its own, not with
// the one that it has been taken from in the same pass.
static void what_gives_way_is_not_begun_with_what_it_has_lost(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    for (int i = 0; i < 2; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.refuse = SIGNER_POLICY_UNREADABLE;
    venue.world.refuse_count = 1;
    passes(&venue, 1);
    assert_int_equal(venue.world.attempt_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(venue.world.attempts[i].attempt.state, SETTLE_ATTEMPT_PREPARED);
    venue.world.refuse = SIGNER_KEY_RETIRED;
    venue.world.refuse_count = 1;
    run_to_end(&venue);
    for (size_t i = 0; i < 2; i++)
        assert_state(&venue.world.trades[i], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.attempt_count, 4);
}

// Signed, but its answer was lost; then refused, or to be cancelled: its bytes exist, so its nonce
// is not given back.
static void a_nonce_whose_signature_was_lost_is_not_free(void **state)
{
    (void)state;
    static const enum signer_result refusals[] = {SIGNER_CONTRACT_REFUSED, SIGNER_FEE_REFUSED,
                                                  SIGNER_OK};
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        venue.world.sign_answers_lost = 1;
        passes(&venue, 1);
        assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_PREPARED);
        assert_int_equal(venue.world.signed_count, 1);
        venue.world.refuse = refusals[i];
        venue.world.refuse_count = 1;
        if (refusals[i] == SIGNER_OK)
            venue.world.attempts[0].attempt.fate = SETTLE_FATE_CANCEL;
        run_to_end(&venue);
        assert_int_equal(venue.settle.counters.restored, 1);
        assert_int_equal(venue.settle.counters.lost_nonces, 0);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
        // Cancelled: an empty one takes the nonce, and the trade goes at another.
        assert_int_equal(venue.world.attempt_count, refusals[i] == SIGNER_OK ? 3 : 1);
    }
}

// Started on tables that were lost: what has moved looks pending, and only the signer's log says
// so.
static void a_database_that_was_lost_settles_nothing_before_it_is_rebuilt(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    const struct fake_trade *trade = fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    const struct fake_trade *paper = fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.trades[1].contract = "";
    venue.world.signed_nonces = 3;
    for (int i = 0; i < 3; i++)
        fake_foreign(&venue.world); // what it has signed is mined
    steps(&venue, 20);
    assert_true(venue.settle.attempts_missing);
    assert_false(venue.world.leading); // the rebuild may have the lock
    assert_int_equal(trade->state, SETTLE_TRADE_PENDING);
    assert_int_equal(paper->state, SETTLE_TRADE_PENDING);
    assert_int_equal(venue.world.tx_count, 3);
    assert_int_equal(venue.world.result_count, 0);
    venue.world.signer_known = true; // what the rebuild leaves
    venue.world.nonce_next = 3;
    run_to_end(&venue);
    assert_false(venue.settle.attempts_missing);
    assert_state(trade, SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.attempts[0].attempt.nonce, 3);
}

// Whether tables are lost or new only the signer can say; until it does nothing is settled that may
// have been.
static void new_tables_wait_for_the_signer_where_there_are_contracts(void **state)
{
    (void)state;
    for (int has_contracts = 0; has_contracts < 2; has_contracts++) {
        venue_open(&venue, 1);
        const struct fake_trade *paper = fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        venue.world.trades[0].contract = "";
        venue.world.has_contracts = has_contracts == 1;
        venue.world.signer_gone = true;
        steps(&venue, 10);
        assert_int_equal(paper->state, has_contracts ? SETTLE_TRADE_PENDING : SETTLE_TRADE_SETTLED);
        venue.world.signer_gone = false;
        run_to_end(&venue);
        assert_int_equal(paper->state, SETTLE_TRADE_SETTLED);
    }
}

static void a_base_fee_above_the_cap_waits(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.base_fee_wei = 600000000000;
    steps(&venue, 20);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_PENDING, SETTLE_REASON_FEE_CAP);
    assert_int_equal(venue.world.trades[0].total_attempts, 0);
    venue.world.base_fee_wei = 1000000000;
    run_to_end(&venue);
}

static void a_stuck_transaction_is_bid_up_at_its_nonce(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_buyer, 200);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.base_fee_wei = 20000000000; // beyond the first bid
    run_to_end(&venue);
    assert_true(venue.settle.counters.bids_raised >= 2);
    assert_int_equal(venue.world.nonce_next, 2);
}

static void an_underpriced_transaction_is_bid_up_at_once(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.pool_floor_wei = 4000000000;
    run_to_end(&venue);
    assert_int_equal(venue.world.nonce_next, 1);
    assert_true(venue.world.attempt_count > 1);
}

static void what_stays_underpriced_is_sent_again_once_in_a_tick(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.settle.config.tick_ns = 10000000000;
    // A first bid is possible, a higher one is not.
    venue.settle.config.fees.cap_wei = venue.settle.config.fees.priority_cap_wei = 3000000000;
    venue.world.pool_floor_wei = 4000000000;
    steps(&venue, 100);
    assert_int_equal(venue.world.attempt_count, 1);
    const struct settle_attempt *row = &venue.world.attempts[0].attempt;
    assert_int_equal(row->state, SETTLE_ATTEMPT_SIGNED);
    assert_string_equal(row->stands, SETTLE_REASON_NO_HIGHER_BID);
    assert_in_range(venue.settle.counters.broadcasts, 9, 12);
    worker_start(&venue); // the row says it to whoever works
    venue.settle.config.tick_ns = 10000000000;
    venue.settle.config.fees.cap_wei = venue.settle.config.fees.priority_cap_wei = 3000000000;
    steps(&venue, 100);
    assert_in_range(venue.settle.counters.broadcasts, 9, 12);
    venue.world.pool_floor_wei = 0;
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 1);
}

static void a_forgotten_transaction_is_sent_again_as_it_is(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_buyer, 200);
    settle_do_work(&venue.settle, venue.world.now_ns);
    fake_forget_pool(&venue.world);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 2);
}

static void a_reorganisation_sends_the_same_bytes_in_nonce_order(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    venue.settle.config.confirmations = 6;
    for (int i = 0; i < 4; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    settle_do_work(&venue.settle, venue.world.now_ns);
    steps(&venue, 6);
    fake_reorganise(&venue.world, 3, true);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 4);
    assert_true(venue.settle.counters.reorganised > 0);
}

static void a_chain_that_loses_final_blocks_gets_the_same_bytes_again(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.batch_max = 1;
    for (int i = 0; i < 4; i++)
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
    run_to_end(&venue);
    fake_reorganise(&venue.world, venue.world.block - 9, true);
    fake_trade(&venue.world, fake_seller, fake_buyer, 500);
    steps(&venue, 20);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 5);
    assert_int_equal(venue.world.gas_rows, 5);
}

// The block of a bid was final, and is lost; a higher bid is mined instead, or somebody else's
// transaction: what was spent is what the chain has.
static void gas_of_what_the_chain_has_lost_is_not_spent(void **state)
{
    (void)state;
    for (int is_foreign = 0; is_foreign < 2; is_foreign++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        run_to_end(&venue);
        assert_true(venue.world.attempts[0].gas_booked);
        fake_reorganise(&venue.world, venue.world.block - 10, true);
        if (is_foreign)
            fake_foreign(&venue.world);
        venue.world.base_fee_wei = 20000000000;
        for (int i = 0; i < 400 && !is_foreign && venue.settle.counters.bids_raised == 0; i++)
            step(&venue);
        steps(&venue, 40);
        assert_int_equal(venue.world.gas_rows, 1 - is_foreign);
        assert_false(venue.world.attempts[0].gas_booked);
        if (is_foreign) // its trade is told
            assert_int_equal(venue.world.incident_count, 1);
        run_to_end(&venue);
    }
}

// Deeper than what was final: the reverted transaction's nonce is free again, its trades have
// settled by another one or have failed. Whatever the chain would do with its bytes now, they are
// not sent.
static void revert_and_go_on(struct venue *v, uint64_t confirmations)
{
    venue_open(v, 1);
    v->settle.config.confirmations = confirmations;
    for (int i = 0; i < 6; i++)
        fake_trade(&v->world, fake_seller, fake_buyer, 100 + i);
    settle_do_work(&v->settle, v->world.now_ns);
    v->world.poison = 102 * UNIT;
    run_to_end(v);
    assert_int_equal(v->world.attempt_count, 2);
    v->world.poison = 0; // now its bytes would pass
}

static void a_lost_reverted_transaction_is_never_sent_again(void **state)
{
    (void)state;
    for (uint64_t depth = 2; depth <= 64; depth++) {
        revert_and_go_on(&venue, 2);
        uint64_t reverted = venue.world.txs[0].block;
        while (venue.world.block < reverted + depth - 1)
            step(&venue);
        fake_reorganise(&venue.world, venue.world.block - reverted + 1, true);
        steps(&venue, 40);
        run_to_end(&venue);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(venue.world.trades[i].state,
                             i == 2 ? SETTLE_TRADE_FAILED : SETTLE_TRADE_SETTLED);
            assert_int_equal(venue.world.trades[i].executed, i == 2 ? 0 : 1);
        }
        assert_true(venue.world.attempts[2].attempt.is_empty);
        assert_int_equal(venue.world.attempts[2].attempt.nonce, 0);
        assert_int_equal(venue.settle.counters.nonces_given_up, 1);
    }
}

// A trade that was to go again has not been signed elsewhere when the chain goes back.
static void a_trade_waits_while_its_lost_transaction_is_undecided(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.out_of_gas_once = true;
    for (int i = 0; i < 40 && venue.world.trades[0].total_attempts == 0; i++)
        step(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_REVERTED);
    fake_reorganise(&venue.world, venue.world.block - 10, true);
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_true(venue.world.attempts[1].attempt.is_empty);
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 0);
}

// What had reverted is mined again behind a reorganisation, and what its trades went with since is
// given up.
static void revert_and_come_back(struct venue *v)
{
    struct fake_world *world = &v->world;

    revert_and_go_on(v, 2);
    fake_reorganise(world, world->block - 10, true);
    fake_return(world, 0, 0);
    fake_mine(world);
    for (int i = 0; i < 400 && v->settle.counters.nonces_given_up == 0; i++)
        step(v);
}

// The other way round: a miner takes it up before our empty one, and now it moves the trades. What
// was to move them instead is given up.
static void a_lost_transaction_that_comes_back_is_the_one_that_counts(void **state)
{
    (void)state;
    revert_and_come_back(&venue);
    run_to_end(&venue);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(venue.world.trades[i].executed, 1);
    assert_true(venue.world.trades[2].incident); // it had failed: a person has to look at it
}

// And once more: what came back is lost while that is under way, so that in the end none of them
// has moved what had settled. Each of these trades is told, once.
static void a_lost_transaction_that_comes_back_and_is_lost_again_leaves_incidents(void **state)
{
    struct fake_world *world = &venue.world;

    (void)state;
    revert_and_come_back(&venue);
    fake_reorganise(world, world->block - 10, true);
    steps(&venue, 60);
    assert_true(all_final(world));
    size_t told = 0;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(world->trades[i].executed, 0);
        told += world->trades[i].state == SETTLE_TRADE_SETTLED && world->trades[i].lost;
    }
    assert_int_equal(told, 5); // the sixth had failed before
    assert_int_equal(world->incident_count, 5);
    assert_string_equal(world->incidents[0].kind, "settled_but_lost");
}

// What came back moves its trades, and what was to move them instead is given up. Then it fails
// after all, and the node is late to say so: the empty one has ended before, when it might still
// have moved them. Each of these trades is told, once.
static void what_came_back_and_fails_after_its_rival_was_given_up_leaves_incidents(void **state)
{
    struct fake_world *world = &venue.world;

    (void)state;
    revert_and_come_back(&venue);
    assert_true(world->attempts[2].attempt.is_empty && world->attempts[2].attempt.nonce == 1);
    world->poison = 102 * UNIT;
    fake_reorganise(world, world->block - 10, false);
    fake_mine(world);
    assert_true(world->txs[0].mined && !world->txs[0].succeeded);
    world->txs[0].hidden = true;
    for (int i = 0; i < 100 && world->attempts[2].attempt.state != SETTLE_ATTEMPT_DROPPED; i++)
        step(&venue);
    assert_int_equal(world->attempts[2].attempt.state, SETTLE_ATTEMPT_DROPPED);
    assert_int_equal(world->incident_count, 0); // it may still come back
    world->txs[0].hidden = false;
    steps(&venue, 20);
    assert_int_equal(world->attempts[0].attempt.state, SETTLE_ATTEMPT_REVERTED);
    assert_int_equal(world->incident_count, 5); // the sixth had failed before
    for (size_t i = 0; i < 6; i++)
        assert_true(fake_has_incident(world, i) == (i != 2) && world->trades[i].executed == 0);
    assert_string_equal(world->incidents[0].kind, "settled_but_lost");
    run_to_end(&venue);
}

// One confirmation is too few: the block of a failed transaction is replaced, and the new one has
// it and its retry, both of which pass, before the worker looks. No rule can prevent that; it is
// told, nothing more of the token is claimed before two persons have looked, and the wallets differ
// by this trade and by nothing else.
static void what_passes_beside_its_retry_halts_the_token(void **state)
{
    struct fake_world *world = &venue.world;

    (void)state;
    venue_open(&venue, 1);
    venue.settle.config.confirmations = 1;
    world->out_of_gas_once = world->may_move_twice = true;
    fake_trade(world, fake_seller, fake_buyer, 100);
    fake_trade(world, fake_seller2, fake_buyer, 200)->limit = 1;
    run_to_end(&venue);
    assert_int_equal(world->attempts[0].attempt.state, SETTLE_ATTEMPT_REVERTED);
    chain_uint128 had = fake_wallet_of(world, fake_buyer)->units;
    fake_reorganise(world, world->block - world->attempts[0].attempt.mined_block + 1, false);
    while (world->block < 40)
        fake_mine(world);
    size_t twice = world->trades[0].executed == 2 ? 0 : 1;
    assert_int_equal(world->trades[twice].executed, 2);
    assert_int_equal(world->trades[1 - twice].executed, 1);

    passes(&venue, 30); // nobody closes anything
    assert_int_equal(world->incident_count, 1);
    assert_string_equal(world->incidents[0].kind, "moved_twice");
    assert_int_equal(world->incidents[0].trade, twice);
    fake_trade(world, fake_seller, fake_buyer, 7);
    passes(&venue, 60);
    assert_state(&world->trades[2], SETTLE_TRADE_PENDING, "");
    assert_int_equal(fake_close_incidents(world), 1);
    steps(&venue, 40);
    assert_true(all_final(world));
    assert_state(&world->trades[2], SETTLE_TRADE_SETTLED, "");
    assert_true(fake_wallet_of(world, fake_buyer)->units ==
                had + world->trades[twice].leg.units + 7 * UNIT);
    assert_null(fake_history_why_not(world));
}

// The chain went back behind what was final and took the same transactions up again, all before the
// worker looked: its count of the nonces is as before, the blocks are not.
static void what_is_confirmed_is_known_by_the_block_it_is_in_now(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    for (int i = 0; i < 3; i++) {
        fake_trade(&venue.world, fake_seller, fake_buyer, 100 + i);
        run_to_end(&venue);
    }
    steps(&venue, 3);
    uint64_t first = venue.world.attempts[0].attempt.mined_block;
    uint64_t second = venue.world.attempts[1].attempt.mined_block;
    uint64_t depth = venue.world.block - second + 1;
    fake_reorganise(&venue.world, depth, false);
    for (uint64_t i = 0; i < depth + 4; i++)
        fake_mine(&venue.world);
    steps(&venue, 20);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.mined_block, first);
    for (size_t i = 0; i < 3; i++) {
        const struct fake_attempt *row = &venue.world.attempts[i];
        assert_int_equal(row->attempt.state, SETTLE_ATTEMPT_CONFIRMED);
        assert_int_equal(row->attempt.mined_block, venue.world.txs[i].block);
    }
    assert_int_equal(venue.world.attempts[2].attempt.mined_block, second); // both at once
    assert_int_equal(venue.settle.counters.reorganised, 2);
    assert_int_equal(venue.world.attempt_count, 3);
}

static void a_gap_before_our_nonces_is_filled(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.nonce_next = 1; // counted for a transaction that was not ours, and is gone
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.attempts[0].attempt.nonce, 1);
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 0);
    assert_true(venue.world.attempts[1].attempt.is_empty);
}

// The chain has lost a transaction that had reverted, and one before it that was not ours: what
// gives the nonce up can only be mined once the gap is filled.
static void a_gap_before_a_nonce_that_is_given_up_is_filled(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_foreign(&venue.world);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.out_of_gas_once = true;
    run_to_end(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.nonce, 1);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_REVERTED);
    fake_reorganise(&venue.world, venue.world.block - 10, true);
    steps(&venue, 20);
    run_to_end(&venue);
    assert_int_equal(venue.settle.counters.nonces_given_up, 1);
    assert_int_equal(venue.world.trades[0].executed, 1);
    assert_int_equal(venue.world.incident_count, 0);
}

static void a_used_nonce_without_a_receipt_is_no_reason_for_another_transfer(void **state)
{
    (void)state;
    for (int hidden_blocks = 0; hidden_blocks < 2; hidden_blocks++) {
        venue_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        settle_do_work(&venue.settle, venue.world.now_ns);
        venue.world.receipts_hidden = true;
        venue.world.blocks_hidden = hidden_blocks == 1;
        steps(&venue, 60);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_PROCESSING, "");
        assert_int_equal(venue.world.trades[0].executed, 1);
        assert_int_equal(venue.world.attempt_count, 1);
        venue.world.receipts_hidden = venue.world.blocks_hidden = false;
        run_to_end(&venue);
        assert_int_equal(venue.world.trades[0].total_attempts, 0);
    }
}

static void the_older_of_two_bids_may_be_the_one_that_is_mined(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    venue.world.base_fee_wei = 20000000000;
    while (venue.world.tx_count < 2)
        step(&venue);
    venue.world.txs[0].dropped = false; // a miner that has not heard of the higher bid
    venue.world.txs[1].dropped = true;
    venue.world.base_fee_wei = 1000000000;
    run_to_end(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_CONFIRMED);
    assert_int_equal(venue.world.attempts[1].attempt.state, SETTLE_ATTEMPT_REPLACED);
    assert_memory_equal(&venue.world.trades[0].tx_hash, &venue.world.txs[0].hash, KECCAK_BYTES);
}

static void a_foreign_transaction_at_our_nonce_counts_as_an_attempt(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    fake_foreign(&venue.world);
    run_to_end(&venue);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.trades[0].total_attempts, 1);
    assert_int_equal(venue.settle.counters.dropped, 1);
}

// Somebody else's transaction takes our nonce and is final; then the chain takes its block back, and
// the block in which something of ours ended last stands. The nonce is free again, and given up:
// what was signed there is valid once more, its trade is at another nonce by now. If the block with
// the foreign one comes again, or ours is mined there after all, that decides.
enum comes_back { COMES_NOTHING, COMES_FOREIGN, COMES_OURS };

static void lose_foreign(enum comes_back comes)
{
    struct fake_world *world = &venue.world;

    venue_open(&venue, 1);
    fake_trade(world, fake_seller, fake_buyer, 100);
    run_to_end(&venue); // nonce 0, and its block stands
    fake_trade(world, fake_seller, fake_buyer, 200);
    settle_do_work(&venue.settle, world->now_ns);
    assert_int_equal(world->attempts[1].attempt.nonce, 1);
    fake_foreign(world);
    uint64_t block = world->block;
    for (int i = 0; i < 40 && world->attempt_count < 3; i++)
        step(&venue);
    assert_int_equal(world->attempts[1].attempt.state, SETTLE_ATTEMPT_DROPPED);
    fake_trade(world, fake_seller, fake_buyer, 300);
    if (comes != COMES_OURS)
        run_to_end(&venue); // its trade is settled, by nonce 2
    fake_reorganise(world, world->block - block + 1, true);
    assert_true(world->block >= world->attempts[0].attempt.mined_block);
    if (comes == COMES_FOREIGN)
        fake_foreign(world);
    if (comes == COMES_OURS)
        fake_return(world, 1, 0);
    if (comes == COMES_OURS)
        fake_mine(world);
    steps(&venue, 60);
    run_to_end(&venue);
    assert_int_equal(world->incident_count, 0);
    assert_int_equal(world->attempts[0].attempt.state, SETTLE_ATTEMPT_CONFIRMED);
    for (size_t i = 0; i < 3; i++) {
        assert_state(&world->trades[i], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(world->trades[i].executed, 1);
    }
    assert_int_equal(venue.settle.counters.nonces_given_up, comes != COMES_FOREIGN);
}

static void a_foreign_transaction_that_is_lost_again_leaves_no_hole(void **state)
{
    (void)state;
    lose_foreign(COMES_NOTHING);
    lose_foreign(COMES_FOREIGN);
    lose_foreign(COMES_OURS);
}

static void foreign_transactions_before_the_start_are_skipped(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_foreign(&venue.world);
    fake_foreign(&venue.world);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.nonce, 2);
    fake_foreign(&venue.world);
    steps(&venue, 6);
    fake_trade(&venue.world, fake_seller, fake_buyer, 200);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 4);
}

// ---- counts that are not so

enum { FOR_EVER = 1000000 };

static void lie(struct fake_world *world, int64_t by, unsigned often)
{
    world->count_lie = by;
    world->count_lies = often;
    world->lies_of_the_past = world->pruned = false;
}

// Each trade by itself, with a lie before, while, and after it is sent.
static void trades_settle_in_order(struct venue *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fake_trade(&v->world, fake_seller, fake_buyer, 100 + (int64_t)i);
        steps(v, 12);
    }
    run_to_end(v);
    for (size_t i = 0; i < v->world.trade_count; i++) {
        assert_state(&v->world.trades[i], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(v->world.trades[i].total_attempts, 0);
    }
    for (size_t i = 0; i < v->world.attempt_count; i++)
        assert_int_equal(v->world.attempts[i].attempt.nonce, i); // no nonce is left out or filled
}

static void a_count_that_nothing_shows_is_not_believed(void **state)
{
    (void)state;
    static const int64_t lies[] = {5, 1, 1000000000, -1, -3, -1000};
    static const unsigned often[] = {1, 2, 3, 40, FOR_EVER};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        for (size_t k = 0; k < sizeof(often) / sizeof(often[0]) * 4; k++) {
            venue_open(&venue, 1);
            trades_settle_in_order(&venue, 3);
            lie(&venue.world, lies[i], often[k / 4]);
            venue.world.lies_of_the_past = k % 2 == 1;
            venue.world.pruned = k % 4 > 1;
            trades_settle_in_order(&venue, 3);
            assert_int_equal(venue.settle.counters.foreign_nonces, 0);
            assert_int_equal(venue.settle.counters.reorganised, 0);
            assert_int_equal(venue.world.nonce_next, 6);
            if (lies[i] > 0)
                assert_true(venue.settle.counters.counts_doubted > 0);
        }
}

// What the pool has forgotten is sent again, and what is too cheap is bid up, whatever the count is
// said to be.
static void a_count_that_is_not_so_keeps_nothing_from_being_sent_again(void **state)
{
    (void)state;
    for (int64_t by = -1000; by <= 1000; by += 500) {
        venue_open(&venue, 1);
        settle_do_work(&venue.settle, venue.world.now_ns);
        lie(&venue.world, by, FOR_EVER);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        passes(&venue, 1);
        fake_forget_pool(&venue.world);
        run_to_end(&venue);
        assert_true(venue.settle.counters.resends > 0);
        fake_trade(&venue.world, fake_seller, fake_buyer, 200);
        passes(&venue, 1);
        venue.world.base_fee_wei *= 10;
        run_to_end(&venue);
        assert_true(venue.settle.counters.bids_raised > 0);
        assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "");
    }
}

// A key that is new to the database: said once it is not believed, said again there is nothing else
// to go by; then it is a gap, and filled as soon as the node counts what is so.
static void a_first_count_that_nothing_shows_is_believed_when_it_is_said_twice(void **state)
{
    (void)state;
    for (unsigned often = 1; often <= 40; often += 13) {
        venue_open(&venue, 1);
        lie(&venue.world, 3, often);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        run_to_end(&venue);
        assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
        assert_int_equal(venue.world.attempts[0].attempt.nonce, often == 1 ? 0 : 3);
        assert_int_equal(venue.world.attempt_count, often == 1 ? 1 : 4);
    }
}

// With an archive however old it is; without one, as far back as blocks are read.
static void a_foreign_transaction_is_found_in_its_block(void **state)
{
    (void)state;
    for (int pruned = 0; pruned < 2; pruned++) {
        venue_open(&venue, 1);
        trades_settle_in_order(&venue, 2);
        venue.world.down = true; // nobody looks for a while
        fake_foreign(&venue.world);
        fake_foreign(&venue.world);
        for (int i = 0; i < (pruned ? 200 : 2000); i++)
            fake_mine(&venue.world);
        venue.world.down = false;
        venue.world.pruned = pruned == 1;
        fake_trade(&venue.world, fake_seller, fake_buyer, 300);
        run_to_end(&venue);
        assert_int_equal(venue.settle.counters.foreign_nonces, 2);
        assert_int_equal(venue.world.attempts[2].attempt.nonce, 4);
        assert_int_equal(venue.world.trades[2].total_attempts, 0);
    }
}

// A node that takes long for each block keeps nobody from anything else for longer than a while: it is looked for in
// parts, and found all the same, before anything is signed above it.
static void what_used_a_nonce_is_looked_for_in_parts(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    trades_settle_in_order(&venue, 2);
    venue.world.down = true;
    fake_foreign(&venue.world);
    for (int i = 0; i < 20; i++)
        fake_mine(&venue.world);
    venue.world.down = false;
    venue.world.pruned = true;
    venue.settle.config.scan_ns = 1; // one block in a pass
    fake_trade(&venue.world, fake_seller, fake_buyer, 300);
    for (unsigned looked = 0, passed = 0; looked < 20; assert_true(passed++ < 100)) {
        unsigned before = venue.world.block_scans;
        settle_do_work(&venue.settle, venue.world.now_ns += UINT64_C(1000000000));
        assert_true(venue.world.block_scans - before <= 2); // the node's own history points to one
        assert_int_equal(venue.world.attempt_count, 2);
        looked += venue.world.block_scans > before;
    }
    run_to_end(&venue);
    assert_int_equal(venue.settle.counters.foreign_nonces, 1);
    assert_int_equal(venue.world.attempts[2].attempt.nonce, 3);
}

// The log is read at the start; then as often as something says that it may have to be.
static void the_signers_log_is_read_when_it_has_to_be(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    trades_settle_in_order(&venue, 3);
    unsigned told = venue.world.histories;
    assert_true(told > 0);
    steps(&venue, 300);
    trades_settle_in_order(&venue, 3);
    assert_int_equal(venue.world.histories, told);
    venue.world.signer_gone = true; // it may be another one that comes back
    steps(&venue, 10);
    venue.world.signer_gone = false;
    steps(&venue, 10);
    assert_true(venue.world.histories > told);
    told = venue.world.histories;
    steps(&venue, 50);
    assert_int_equal(venue.world.histories, told);
    venue.world.leading = false; // the session was lost, and rows with it, perhaps
    steps(&venue, 10);
    assert_true(venue.world.histories > told);
}

// ---- requests that two persons give up

// Two trades in a transaction whose fee no block takes, and no higher one is allowed.
static void stuck_at_the_cap(struct venue *v)
{
    venue_open(v, 1);
    fake_trade(&v->world, fake_seller, fake_buyer, 100);
    fake_trade(&v->world, fake_seller, fake_buyer, 200);
    passes(v, 2);
    v->settle.config.fees.cap_wei = v->world.txs[0].max_fee_wei;
    v->settle.config.fees.priority_cap_wei = v->world.txs[0].priority_fee_wei;
    v->world.base_fee_wei = v->settle.config.fees.cap_wei + 1;
    steps(v, 200);
    assert_int_equal(v->world.attempt_count, 1);
    assert_int_equal(v->world.trades[0].state, SETTLE_TRADE_PROCESSING);
    assert_true(fake_abandon(&v->world, &v->world.trades[1]));
}

static void that_no_bid_takes_the_place_of_what_is_stuck_stands_in_its_row(void **state)
{
    (void)state;
    stuck_at_the_cap(&venue);
    const struct settle_attempt *row = &venue.world.attempts[0].attempt;
    assert_string_equal(row->stands, SETTLE_REASON_NO_HIGHER_BID);
    // Twice the cap is not enough either, for whoever works: what the row says is not written again.
    const struct settle_fee_policy fees = venue.settle.config.fees;
    venue.world.base_fee_wei = 2 * fees.cap_wei + 1;
    worker_start(&venue);
    venue.settle.config.fees = fees;
    steps(&venue, 30);
    assert_string_equal(row->stands, SETTLE_REASON_NONCE_STANDS);
    worker_start(&venue);
    venue.settle.config.fees = fees;
    uint64_t written = venue.world.stands_written;
    steps(&venue, 30);
    assert_int_equal(venue.world.stands_written, written);
    venue.world.base_fee_wei = 1000000000;
    steps(&venue, 50);
    assert_int_equal(venue.world.requests[0].abandoned, FAKE_GIVEN_UP);
    assert_null(row->stands);
}

static void
what_is_given_up_at_the_highest_fee_is_held_and_goes_again_when_it_is_released(void **state)
{
    (void)state;
    stuck_at_the_cap(&venue);
    steps(&venue, 30);
    for (size_t i = 0; i < 2; i++) {
        assert_state(&venue.world.trades[i], SETTLE_TRADE_PENDING, SETTLE_REASON_ABANDONED);
        assert_true(venue.world.trades[i].held);
        assert_int_equal(venue.world.trades[i].executed, 0);
        assert_int_equal(venue.world.trades[i].total_attempts, 0);
    }
    assert_int_equal(venue.world.requests[0].abandoned, FAKE_GIVEN_UP);
    assert_int_equal(venue.world.attempt_count, 2);
    assert_true(venue.world.attempts[1].attempt.is_empty);
    venue.world.base_fee_wei = 1000000000;
    steps(&venue, 50);
    assert_int_equal(venue.world.attempt_count, 2);
    venue.world.trades[0].held = venue.world.trades[1].held = false;
    run_to_end(&venue);
    assert_int_equal(venue.world.trades[1].state, SETTLE_TRADE_SETTLED);
}

static void what_is_given_up_and_mined_after_all_is_settled(void **state)
{
    (void)state;
    stuck_at_the_cap(&venue);
    while (venue.world.tx_count < 2)
        passes(&venue, 1);
    fake_return(&venue.world, 0, 0); // a miner has the first one
    venue.world.base_fee_wei = 1000000000;
    run_to_end(&venue);
    steps(&venue, 10); // it is answered within a tick
    assert_int_equal(venue.world.requests[0].abandoned, FAKE_MINED_AFTER_ALL);
    for (size_t i = 0; i < 2; i++) {
        assert_state(&venue.world.trades[i], SETTLE_TRADE_SETTLED, "");
        assert_false(venue.world.trades[i].held);
    }
    assert_int_equal(venue.world.attempts[1].attempt.state, SETTLE_ATTEMPT_REPLACED);
}

// Before it was signed: its nonce is another's.
static void what_is_given_up_before_it_was_signed_is_held(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.refuse = SIGNER_LOG_FAILED;
    venue.world.refuse_count = 1000;
    passes(&venue, 2);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_PREPARED);
    assert_true(fake_abandon(&venue.world, &venue.world.trades[0]));
    steps(&venue, 30);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_PENDING, SETTLE_REASON_ABANDONED);
    assert_true(venue.world.trades[0].held);
    assert_int_equal(venue.world.signed_count, 0);
    venue.world.refuse_count = 0;
    venue.world.refuse = SIGNER_OK;
    fake_trade(&venue.world, fake_seller, fake_buyer, 200);
    steps(&venue, 20);
    assert_int_equal(venue.world.trades[1].state, SETTLE_TRADE_SETTLED);
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 0);
}

static void an_absent_core_gets_its_results_later(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.world.core_down = true;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    steps(&venue, 20);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, "");
    assert_int_equal(venue.world.core_booked[0][SETTLEMENT_SETTLED], 0);
    venue.world.core_down = false;
    run_to_end(&venue);
}

static void off_chain_trades(struct fake_world *world, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fake_trade(world, NULL, NULL, 100 + (int64_t)i)->contract = "";
}

static void results_go_out_without_waiting_for_answers(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    off_chain_trades(&venue.world, 40);
    settle_do_work(&venue.settle,
                   venue.world.now_ns); // settled, numbered; the attach is not polled
    settle_do_work(&venue.settle, venue.world.now_ns); // attached, sent
    assert_int_equal(venue.world.core_last_ref, 40);
    settle_do_work(&venue.settle, venue.world.now_ns); // answered
    assert_true(all_final(&venue.world));
    fake_check_end(&venue.world);
    assert_int_equal(venue.settle.counters.results_sent, 40);
}

static void what_the_core_has_booked_is_read_from_its_events_after_a_crash(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    off_chain_trades(&venue.world, 40);
    while (venue.world.core_last_ref == 0)
        settle_do_work(&venue.settle, venue.world.now_ns);
    assert_false(all_final(&venue.world)); // sent and booked, no answer written
    worker_start(&venue);
    run_to_end(&venue);
    assert_int_equal(venue.settle.counters.results_sent, 0);
    assert_int_equal(venue.settle.counters.results_refused, 0);
}

// Its refusal was lost with the process, and larger numbers were booked: the core says "old".
static void a_refusal_that_was_lost_is_refused_again_and_moves_nothing(void **state)
{
    (void)state;
    for (int crash = 0; crash < 2; crash++) {
        venue_open(&venue, 1);
        off_chain_trades(&venue.world, 10);
        venue.world.refuse_trade = venue.world.trades[4].trade_id;
        while (venue.world.core_last_ref == 0)
            settle_do_work(&venue.settle, venue.world.now_ns);
        if (crash == 1)
            worker_start(&venue);
        run_to_end(&venue);
        assert_int_equal(venue.world.core_last_ref, 10);
        assert_int_equal(venue.settle.counters.results_refused, 1);
        assert_int_equal(venue.settle.counters.results_sent, crash == 1 ? 1 : 10);
    }
}

static void off_chain_trades_do_not_hold_up_the_chain(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    off_chain_trades(&venue.world, 40);
    struct fake_trade *trade = fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_state(trade, SETTLE_TRADE_PROCESSING, "");
    assert_int_equal(venue.settle.counters.off_chain, 40);
    run_to_end(&venue);
}

static void what_is_not_the_token_it_was_taken_for_is_not_signed_for(void **state)
{
    static const char *const words[] = {"decimals_differ", "contract_is_no_token",
                                        "amount_above_128_bits", "contract_is_no_token"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fake_world *world = &venue.world;
        venue_open(&venue, 1);
        if (i == 3) { // it was one when it was asked first
            fake_trade(world, fake_seller, fake_buyer, 50);
            run_to_end(&venue);
        }
        size_t before = world->attempt_count;
        struct fake_trade *trade = fake_trade(world, fake_seller, fake_buyer, 100);
        world->decimals = i == 0 ? 6 : 18;
        world->no_token = i == 1 || i == 3;
        world->too_rich = i == 2;
        run_to_end(&venue);
        assert_state(trade, SETTLE_TRADE_FAILED, words[i]);
        assert_int_equal(world->attempt_count, before);
        world->decimals = 18;
        world->no_token = world->too_rich = false;
        fake_retry(world, trade);
        steps(&venue, 2);
        run_to_end(&venue);
        assert_state(trade, SETTLE_TRADE_SETTLED, "");
    }
}

static void another_chain_is_refused(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.world.chain_id = 1;
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    steps(&venue, 20);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_PENDING, "");
    assert_int_equal(venue.world.attempt_count, 0);
}

static void a_retry_waits_while_a_receipt_is_unknown(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_SENT);
    fake_retry(&venue.world, &venue.world.trades[0]);
    run_to_end(&venue);
    assert_int_equal(venue.world.attempt_count, 1);
    assert_int_equal(venue.world.core_booked[0][SETTLEMENT_RETRIED], 0);
}

// ---- requests that others make

static const char investor[] = "0x00000000000000000000000000000000000000d1";
static const char identity[] =
    "{\"identity\": \"0x00000000000000000000000000000000000000e1\", \"country\": 724}";

static void assert_end(const struct fake_request *request, enum fake_end end, const char *reason)
{
    assert_string_equal(request->reason, reason);
    assert_int_equal(request->end, end);
}

static void requests_of_others_are_carried_out(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *registration =
        fake_request(&venue.world, SETTLE_REGISTER_IDENTITY, identity, investor, 0);
    steps(&venue, 8);
    assert_end(registration, FAKE_CONFIRMED, "");
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", investor, 500);
    steps(&venue, 8);
    struct fake_request *burn = fake_request(&venue.world, SETTLE_BURN, "{}", investor, 200);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
    assert_end(burn, FAKE_CONFIRMED, "");
    assert_true(fake_wallet_of(&venue.world, investor)->units == 300);
    assert_int_equal(venue.world.gas_rows, 4);
}

static void what_is_so_already_is_not_done_again(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    fake_request(&venue.world, SETTLE_REGISTER_IDENTITY, identity, investor, 0);
    run_to_end(&venue);
    struct fake_request *again =
        fake_request(&venue.world, SETTLE_REGISTER_IDENTITY, identity, investor, 0);
    run_to_end(&venue);
    assert_end(again, FAKE_CONFIRMED, SETTLE_REASON_DONE);
    assert_int_equal(venue.world.attempt_count, 1);
    struct fake_request *other = fake_request(
        &venue.world, SETTLE_REGISTER_IDENTITY,
        "{\"identity\": \"0x00000000000000000000000000000000000000e1\", \"country\": 250}",
        investor, 0);
    run_to_end(&venue);
    assert_int_equal(other->end, FAKE_REJECTED); // registered otherwise
}

static void a_row_that_cannot_be_carried_out_is_rejected_with_words(void **state)
{
    static const struct {
        enum settle_operation operation;
        const char *arguments;
        chain_uint128 units;
        const char *reason;
    } rows[] = {
        {SETTLE_MINT, "[]", 1, "arguments_malformed: no JSON object"},
        {SETTLE_MINT, "{}", 0, "legs_malformed: leg 0 has no amount"},
        {SETTLE_REGISTER_IDENTITY, "{\"country\": 1000}", 0,
         "arguments_malformed: \"country\" is not within 1..999"},
        {SETTLE_REGISTER_IDENTITY, "{\"country\": 1, \"identity\": \"0x12\"}", 0,
         "arguments_malformed: \"identity\" is no address"},
        {SETTLE_ERC20_TRANSFER, "{}", 1, SETTLE_REASON_ESCROW}, // out of no wallet of the signer's
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        venue_open(&venue, 1);
        struct fake_request *request = fake_request(&venue.world, rows[i].operation,
                                                    rows[i].arguments, investor, rows[i].units);
        run_to_end(&venue);
        assert_end(request, FAKE_REJECTED, rows[i].reason);
        assert_int_equal(venue.world.attempt_count, 0);
    }
}

static void a_request_that_would_revert_is_rejected(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", investor, 500);
    run_to_end(&venue); // the wallet is not registered
    assert_int_equal(mint->end, FAKE_REJECTED);
    assert_int_equal(strncmp(mint->reason, "reverted: ", 10), 0);
    assert_int_equal(venue.world.attempt_count, 0);
}

static void a_request_goes_again_when_nobody_is_to_blame(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    venue.world.out_of_gas_once = true;
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
    assert_int_equal(mint->failures, 1);
    mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    for (int i = 0; i < 300 && mint->open; i++) {
        venue.world.out_of_gas_once = true;
        step(&venue);
    }
    assert_end(mint, FAKE_REVERTED, SETTLE_REASON_OUT_OF_GAS);
    assert_int_equal(mint->failures, 5);
}

// A cap that is reached for a day, say: who is behind it gives way once, not at each pass.
static void what_the_signer_refuses_keeps_nobody_waiting(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *above = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    struct fake_request *below = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 5);
    venue.world.refuse = SIGNER_UNITS_REFUSED;
    venue.world.refuse_count = UINT_MAX;
    venue.world.refuse_request = above->request_id;
    for (int i = 0; i < 100; i++)
        step(&venue);
    assert_end(below, FAKE_CONFIRMED, "");
    assert_true(above->open);
    venue.world.refuse = SIGNER_OK;
    run_to_end(&venue);
    assert_end(above, FAKE_CONFIRMED, "");
}

static void a_request_waits_while_fees_are_too_high(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    venue.world.base_fee_wei = 600000000000;
    steps(&venue, 20);
    assert_end(mint, FAKE_OPEN, SETTLE_REASON_FEE_CAP);
    venue.world.base_fee_wei = 1000000000;
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
}

static void a_mint_waits_for_a_custody_proof(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    venue.world.proof_ended = "custody_proof_missing";
    steps(&venue, 20);
    assert_end(mint, FAKE_OPEN, "custody_proof_missing");
    assert_int_equal(venue.world.trades[0].state, SETTLE_TRADE_SETTLED); // nobody waits for it
    assert_int_equal(venue.world.attempt_count, 1);
    venue.world.proof_ended = NULL;
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
    assert_int_equal(venue.world.mint_checks, 1); // what it was signed on
    venue.world.proof_ended = "custody_proof_missing"; // a burn needs none
    struct fake_request *burn = fake_request(&venue.world, SETTLE_BURN, "{}", fake_buyer, 200);
    run_to_end(&venue);
    assert_end(burn, FAKE_CONFIRMED, "");
    venue.settle.config.custody_proof = false;
    mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
}

// Each fits by itself; they are prepared together, and the second one's signature is not asked for.
static void mints_are_covered_all_together(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    chain_uint128 supply = fake_supply(&venue.world);
    venue.world.covered = supply + 1200;
    struct fake_request *mints[3];
    for (size_t i = 0; i < 3; i++)
        mints[i] = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500 - 100 * (i == 2));
    steps(&venue, 40);
    assert_end(mints[0], FAKE_CONFIRMED, "");
    assert_end(mints[1], FAKE_CONFIRMED, "");
    assert_end(mints[2], FAKE_OPEN, "custody_proof_exceeded");
    assert_true(fake_supply(&venue.world) == supply + 1000);
    assert_int_equal(venue.world.signed_count, 2);
    venue.world.covered = supply + 1399; // a unit too little
    steps(&venue, 20);
    assert_end(mints[2], FAKE_OPEN, "custody_proof_exceeded");
    venue.world.covered = supply + 1400;
    run_to_end(&venue);
    assert_end(mints[2], FAKE_CONFIRMED, "");
}

static void a_proof_that_ends_before_the_signature_stops_the_mint(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    venue.world.refuse = SIGNER_INTERNAL;
    venue.world.refuse_count = 1;
    step(&venue);
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_PREPARED);
    venue.world.proof_ended = "custody_proof_expired";
    steps(&venue, 10);
    assert_end(mint, FAKE_OPEN, "custody_proof_expired");
    assert_int_equal(venue.world.attempts[0].attempt.state, SETTLE_ATTEMPT_DROPPED);
    assert_int_equal(venue.world.signed_count, 0);
    venue.world.proof_ended = NULL;
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
    assert_int_equal(venue.world.attempts[1].attempt.nonce, 0); // the nonce was given back
}

// Its bytes may be in the world: they are what its nonce is for.
static void a_mint_that_was_signed_goes_whatever_becomes_of_the_proof(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    venue.world.sign_answers_lost = 1;
    for (int i = 0; i < 20 && venue.world.signed_count == 0; i++)
        step(&venue);
    venue.world.proof_ended = "custody_proof_missing";
    run_to_end(&venue);
    assert_end(mint, FAKE_CONFIRMED, "");
    assert_int_equal(venue.world.signed_count, 1);
}

static void what_is_no_token_is_not_minted(void **state)
{
    (void)state;
    venue_open(&venue, 1);
    venue.world.supply_answer = FAKE_SUPPLY_WIDE;
    struct fake_request *mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    run_to_end(&venue);
    assert_end(mint, FAKE_REJECTED, SETTLE_REASON_TOO_WIDE);
    venue.world.supply_answer = FAKE_SUPPLY_NONE;
    mint = fake_request(&venue.world, SETTLE_MINT, "{}", fake_buyer, 500);
    run_to_end(&venue);
    assert_end(mint, FAKE_REJECTED, SETTLE_REASON_NO_TOKEN);
    assert_int_equal(venue.world.attempt_count, 0);
}

// ---- netting

static void netting_open(struct venue *v, uint64_t seed)
{
    struct fake_wallet *buyer;

    venue_open(v, seed);
    v->world.netting = true;
    buyer = fake_wallet_of(&v->world, fake_buyer); // all three have something to sell
    buyer->units = buyer->begun_with = v->world.minted =
        fake_wallet_of(&v->world, fake_seller)->units;
}

static void assert_settled_by(const struct fake_world *world, unsigned nets, size_t attempts)
{
    for (size_t i = 0; i < world->trade_count; i++) {
        assert_int_equal(world->trades[i].state, SETTLE_TRADE_SETTLED);
        assert_int_equal(world->trades[i].total_attempts, 0);
    }
    assert_int_equal(world->nets, nets);
    assert_int_equal(world->attempt_count, attempts);
}

static void to_and_fro(struct fake_world *world, int times)
{
    for (int i = 0; i < times; i++)
        fake_trade(world, i % 2 == 0 ? fake_seller : fake_buyer,
                   i % 2 == 0 ? fake_buyer : fake_seller, 100 + i);
}

static void two_wallets_that_trade_to_and_fro_move_the_difference_once(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    venue.settle.config.batch_max = 100;
    to_and_fro(&venue.world, 20);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 1, 1);
    assert_int_equal(venue.world.largest_batch, 1);
    assert_int_equal(venue.world.checks, 20); // the evidence of each
    assert_string_equal(venue.world.netting_refused, "");
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(venue.world.trades[i].net_id, venue.world.trades[0].trade_id);
}

static void without_the_option_nothing_is_netted(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    venue.world.netting = false;
    to_and_fro(&venue.world, 10);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 0, 1);
    assert_int_equal(venue.world.largest_batch, 10);
}

static void a_net_of_zero_has_no_transaction(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_buyer, 50);
    fake_trade(&venue.world, fake_buyer, fake_seller, 150);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_state(&venue.world.trades[i], SETTLE_TRADE_SETTLED, SETTLE_REASON_NET_ZERO);
        assert_int_equal(venue.world.core_booked[i][SETTLEMENT_SETTLED], 1);
    }
    assert_int_equal(venue.world.zero_nets, 1);
    assert_int_equal(venue.world.checks, 3);
    assert_int_equal(venue.settle.counters.netted_to_zero, 3);
}

static void what_is_not_zero_goes_on_without_it(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_seller2, 7);
    fake_trade(&venue.world, fake_buyer, fake_seller, 100);
    fake_trade(&venue.world, fake_seller2, fake_buyer, 5);
    fake_trade(&venue.world, fake_buyer, fake_seller2, 3);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 1, 1);
    assert_int_equal(venue.world.zero_nets, 1);
    assert_int_equal(venue.world.largest_batch, 2);
    assert_state(&venue.world.trades[0], SETTLE_TRADE_SETTLED, SETTLE_REASON_NET_ZERO);
    assert_state(&venue.world.trades[1], SETTLE_TRADE_SETTLED, "");
}

static void a_token_with_a_module_that_nobody_reviewed_is_not_netted(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    venue.world.has_module = true;
    to_and_fro(&venue.world, 4);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 0, 1);
    assert_int_equal(venue.world.largest_batch, 4);
    assert_string_equal(venue.world.netting_refused, "netting_module_not_reviewed: without a name, "
                                                     "0x0000000000000000000000000000000000000077");
    venue.settle.config.netting_modules = "0x0000000000000000000000000000000000000077";
    to_and_fro(&venue.world, 4);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 1, 2);
    assert_string_equal(venue.world.netting_refused, "");
}

static void what_the_rules_allow_one_by_one_only_goes_one_by_one(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    venue.world.can_transfer_max = 100 * UNIT;
    fake_trade(&venue.world, fake_seller, fake_buyer, 60);
    fake_trade(&venue.world, fake_seller, fake_buyer, 41);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 0, 1);
    assert_int_equal(venue.world.largest_batch, 2);
    fake_trade(&venue.world, fake_seller, fake_buyer, 60);
    fake_trade(&venue.world, fake_seller, fake_buyer, 40);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 1, 2);
}

// A net must not deliver what was not there when its turn had come.
static void a_net_hides_no_short_balance(void **state)
{
    (void)state;
    venue_open(&venue, 1); // the buyer has nothing
    venue.world.netting = true;
    fake_trade(&venue.world, fake_buyer, fake_seller, 50);
    fake_trade(&venue.world, fake_seller, fake_buyer, 60);
    run_to_end(&venue);
    assert_settled_by(&venue.world, 0, 2);
    assert_true(venue.world.trades[1].leg.units == 60 * UNIT);
}

static void a_net_that_reverts_goes_trade_by_trade(void **state)
{
    (void)state;
    for (int mined = 0; mined < 3; mined++) {
        netting_open(&venue, 1);
        fake_trade(&venue.world, fake_seller, fake_buyer, 100);
        fake_trade(&venue.world, fake_seller2, fake_buyer, 9);
        fake_trade(&venue.world, fake_buyer, fake_seller, 58);
        if (mined > 0)
            settle_do_work(&venue.settle, venue.world.now_ns);
        if (mined < 2)
            venue.world.poison = 42 * UNIT; // the net
        else
            venue.world.poison_mined = 42 * UNIT;
        run_to_end(&venue);
        assert_settled_by(&venue.world, mined > 0, mined == 2 ? 3 : 1u + (mined > 0));
        assert_in_range(venue.world.largest_batch, mined == 2 ? 2 : 3, 3);
        assert_int_equal(venue.world.gas_rows, venue.world.attempt_count);
    }
}

// Of the net nobody is to blame; of a trade that reverts by itself, too, it is.
static void who_is_to_blame_is_found_trade_by_trade(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    fake_trade(&venue.world, fake_seller, fake_buyer, 100);
    fake_trade(&venue.world, fake_seller, fake_buyer, 7);
    fake_trade(&venue.world, fake_seller2, fake_buyer, 9);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.world.nets, 1);
    fake_wallet_of(&venue.world, fake_seller)->units = 0; // a burn behind our back
    fake_wallet_of(&venue.world, fake_seller)->begun_with = 0;
    fake_wallet_of(&venue.world, fake_seller2)->units +=
        fake_wallet_of(&venue.world, fake_buyer)->units;
    fake_wallet_of(&venue.world, fake_seller2)->begun_with +=
        fake_wallet_of(&venue.world, fake_buyer)->units;
    run_to_end(&venue);
    for (size_t i = 0; i < 2; i++) {
        assert_state(&venue.world.trades[i], SETTLE_TRADE_FAILED, "balance");
        assert_int_equal(venue.world.trades[i].total_attempts, 0);
    }
    assert_state(&venue.world.trades[2], SETTLE_TRADE_SETTLED, "");
}

static void what_was_in_a_net_once_is_not_netted_again(void **state)
{
    (void)state;
    netting_open(&venue, 1);
    venue.settle.config.confirmations = 4;
    to_and_fro(&venue.world, 5);
    settle_do_work(&venue.settle, venue.world.now_ns);
    assert_int_equal(venue.world.nets, 1);
    fake_foreign(&venue.world); // takes the nonce
    run_to_end(&venue);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(venue.world.trades[i].state, SETTLE_TRADE_SETTLED);
    assert_int_equal(venue.world.nets, 1);
    assert_int_equal(venue.world.largest_batch, 5);
}

static void a_net_whose_block_is_lost_is_sent_again_as_it_was(void **state)
{
    (void)state;
    for (uint64_t depth = 4; depth < 7; depth++) { // it is four deep
        netting_open(&venue, depth);
        to_and_fro(&venue.world, 6);
        steps(&venue, 8);
        fake_reorganise(&venue.world, depth, true);
        steps(&venue, 10);
        run_to_end(&venue);
        assert_settled_by(&venue.world, 1, 1);
        assert_true(venue.settle.counters.reorganised + venue.settle.counters.resends > 0);
    }
}

// ---- faults

static void flow_of_nets(struct fake_world *world)
{
    fake_trade(world, fake_seller, fake_buyer, 100);
    fake_trade(world, fake_buyer, fake_seller2, 60);
    fake_trade(world, fake_seller2, fake_seller, 301);
    fake_trade(world, fake_seller, fake_seller2, 301);
    fake_trade(world, fake_buyer, fake_seller, 30);
    fake_trade(world, fake_buyer, fake_seller2, 7);
}

static void any_fault_at_any_effect_settles_nets_once(void **state)
{
    uint64_t effects = 1;

    (void)state;
    for (uint64_t at = 0; at <= effects; at++)
        for (int kind = FAKE_LOST_BEFORE; kind < FAKE_FAULT_COUNT; kind++) {
            netting_open(&venue, at + 1);
            venue.world.faults.at = at;
            venue.world.faults.kind = (enum fake_fault)kind;
            flow_of_nets(&venue.world);
            run_to_end(&venue);
            if (at == 0)
                effects = venue.world.faults.effects;
            assert_settled_by(&venue.world, 2, venue.world.attempt_count);
            assert_int_equal(venue.world.zero_nets, 1);
        }
    assert_true(effects > 40);
    print_message("%llu effects\n", (unsigned long long)effects);
}

static void flow_of_trades(struct fake_world *world)
{
    fake_request(world, SETTLE_REGISTER_IDENTITY, identity, investor, 0);
    fake_request(world, SETTLE_MINT, "{}", fake_buyer, 500);
    fake_trade(world, fake_seller, fake_buyer, 100);
    fake_trade(world, fake_buyer, fake_seller2, 60);
    fake_trade(world, fake_seller2, fake_buyer, 300)->contract = "";
    fake_trade(world, fake_seller2, fake_buyer, 301);
    fake_trade(world, fake_buyer, fake_buyer, 50);
}

static uint64_t effects_of_the_flow(void)
{
    venue_open(&venue, 1);
    flow_of_trades(&venue.world);
    run_to_end(&venue);
    return venue.world.faults.effects;
}

static void any_fault_at_any_effect_settles_every_trade_once(size_t legs)
{
    batch_max = legs;
    uint64_t effects = effects_of_the_flow();

    assert_true(effects > 80);
    for (uint64_t at = 1; at <= effects; at++)
        for (int kind = FAKE_LOST_BEFORE; kind < FAKE_FAULT_COUNT; kind++) {
            venue_open(&venue, at);
            venue.world.faults.at = at;
            venue.world.faults.kind = (enum fake_fault)kind;
            flow_of_trades(&venue.world);
            run_to_end(&venue);
            assert_int_equal(venue.world.faults.injected, 1);
            for (size_t i = 0; i < venue.world.trade_count; i++)
                assert_int_equal(venue.world.trades[i].state, SETTLE_TRADE_SETTLED);
        }
    print_message("%llu effects, %d faults at each\n", (unsigned long long)effects,
                  FAKE_FAULT_COUNT - 1);
    batch_max = 10;
}

static void any_fault_at_any_effect_settles_batches_once(void **state)
{
    (void)state;
    any_fault_at_any_effect_settles_every_trade_once(10);
}

static void any_fault_at_any_effect_settles_single_trades_once(void **state)
{
    (void)state;
    any_fault_at_any_effect_settles_every_trade_once(1);
}

// Many results in flight, one of them refused.
static void any_fault_at_any_effect_books_every_result_once(void **state)
{
    uint64_t effects = 1;

    (void)state;
    for (uint64_t at = 0; at <= effects; at++)
        for (int kind = FAKE_LOST_BEFORE; kind < FAKE_FAULT_COUNT; kind++) {
            venue_open(&venue, 1);
            venue.world.down = true;
            venue.world.faults.at = at;
            venue.world.faults.kind = (enum fake_fault)kind;
            off_chain_trades(&venue.world, 20);
            venue.world.refuse_trade = venue.world.trades[7].trade_id;
            run_to_end(&venue);
            if (at == 0)
                effects = venue.world.faults.effects;
        }
    assert_true(effects > 30);
}

// Any two of the three, and small amounts, so that some nets are zero.
static void storm_trade(struct fake_world *world)
{
    const char *const wallets[] = {fake_seller, fake_seller2, fake_buyer};
    size_t from = fake_random(world, 3);

    fake_trade(world, wallets[from], wallets[(from + 1 + fake_random(world, 2)) % 3],
               1 + (int64_t)fake_random(world, 4));
}

static void storm(struct venue *v, uint64_t seed, bool netting)
{
    uint64_t highest = 0;

    (netting ? netting_open : venue_open)(v, seed);
    v->world.faults.permille = 20 + (uint32_t)fake_random(&v->world, 200);
    for (int i = 0; i < 200; i++) {
        for (uint64_t more = i % 20 == 0 && i < 160 ? fake_random(&v->world, 6) : 0; more > 0;
             more--)
            if (netting)
                storm_trade(&v->world);
            else
                fake_trade(&v->world, i % 40 == 0 ? fake_seller : fake_seller2, fake_buyer,
                           100 + (int64_t)v->world.trade_count);
        if (i % 40 == 10)
            fake_instruction(&v->world, 1 + (uint64_t)i, 1 + fake_random(&v->world, 3),
                             v->world.now_ns + fake_random(&v->world, 200) * 1000000000);
        if (i % 30 == 0)
            fake_request(&v->world, i % 60 == 0 ? SETTLE_MINT : SETTLE_BURN, "{}", fake_seller,
                         5 + (chain_uint128)i);
        if (i % 25 == 0 && v->world.trade_count < 60)
            off_chain_trades(&v->world, 5);
        if (fake_random(&v->world, 40) == 0)
            fake_forget_pool(&v->world);
        if (v->world.block > highest)
            highest = v->world.block;
        // Behind what is final no miner keeps what the chain has lost: it could be mined again with
        // another end before anybody looks (docs/settlement.md).
        if (fake_random(&v->world, 40) == 0 && v->world.block > 12 && v->world.block == highest)
            fake_reorganise(&v->world, 1, fake_random(&v->world, 2) == 0);
        if (fake_random(&v->world, 80) == 0 && v->world.block > 20)
            fake_reorganise(&v->world, 2 + fake_random(&v->world, 8), true);
        if (fake_random(&v->world, 60) == 0)
            v->world.out_of_gas_once = true;
        if (fake_random(&v->world, 60) == 0)
            v->world.base_fee_wei = 1000000000 + fake_random(&v->world, 9000000000);
        if (fake_random(&v->world, 60) == 0)
            lie(&v->world, (int64_t)fake_random(&v->world, 8) - 4,
                1 + (unsigned)fake_random(&v->world, 9));
        if (fake_random(&v->world, 30) == 0 && v->world.trade_count > 0)
            (void)fake_abandon(&v->world,
                               &v->world.trades[fake_random(&v->world, v->world.trade_count)]);
        v->world.down = fake_random(&v->world, 10) == 0;
        step(v);
    }
    v->world.faults.permille = 0;
    v->world.down = false;
    v->world.count_lies = 0;
    steps(v, 60); // what the chain has lost last is noticed, what is given up ends
    for (size_t i = 0; i < v->world.trade_count; i++)
        v->world.trades[i].held = false;
    run_to_end(v);
}

// What moved, by trades and by transactions: the same sums, and each trade once.
static size_t campaign_check(const struct venue *v)
{
    chain_uint128 by_trades = 0, by_transactions = 0;
    size_t batches = 0;

    for (size_t i = 0; i < v->world.trade_count; i++) {
        const struct fake_trade *trade = &v->world.trades[i];
        bool is_settled = trade->state == SETTLE_TRADE_SETTLED;

        // The weather may take the gas of one trade five times (F7): failed, and nothing moved. An
        // instruction may come back.
        if (!is_settled && trade->turn == 0) {
            assert_state(trade, SETTLE_TRADE_FAILED, SETTLE_REASON_OUT_OF_GAS);
            assert_int_equal(trade->attempts, v->settle.config.attempts_max);
        }
        // Lost: settled, then reverted behind what was final; an incident, for a person.
        bool moved = is_settled && trade->on_chain && !trade->lost;
        assert_int_equal(trade->executed, moved ? 1 : 0);
        by_trades += moved ? trade->leg.units : 0;
    }
    for (size_t i = 0; i < v->world.tx_count; i++) {
        const struct fake_tx *tx = &v->world.txs[i];
        const struct fake_request *request =
            tx->moved && !tx->foreign ? &v->world.requests[v->world.attempts[tx->attempt].request]
                                      : NULL;

        if (request == NULL || request->leg_count == 0)
            continue;
        batches++;
        for (size_t leg = 0; leg < request->leg_count; leg++)
            if (!request->legs[leg].left)
                by_transactions += v->world.trades[request->legs[leg].trade].leg.units;
    }
    assert_true(by_trades == by_transactions);
    return batches;
}

static void storms_of_faults_settle_every_trade_once(void **state)
{
    uint64_t injected = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        storm(&venue, seed, false);
        injected += venue.world.faults.injected;
        (void)campaign_check(&venue);
    }
    print_message("%llu faults in 400 storms\n", (unsigned long long)injected);
}

static void storms_of_faults_settle_every_net_once(void **state)
{
    uint64_t injected = 0, nets = 0, zero = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        storm(&venue, seed, true);
        injected += venue.world.faults.injected;
        nets += venue.world.nets;
        zero += venue.world.zero_nets;
        (void)campaign_check(&venue);
    }
    print_message("%llu faults, %llu nets and %llu of zero in 400 storms\n",
                  (unsigned long long)injected, (unsigned long long)nets, (unsigned long long)zero);
    assert_true(nets > 400 && zero > 50);
}

// ---- what is known of a block

static const struct settle_wallet *asked_about(const struct settle_preflight *preflight,
                                               const struct chain_address *address)
{
    for (size_t i = 0; i < preflight->wallet_count; i++)
        if (address_equal(&preflight->wallets[i].address, address))
            return &preflight->wallets[i];
    fail_msg("not asked about");
    return NULL;
}

static enum node_result preflight_ask(struct settle_preflight *preflight,
                                      const struct settle_call *call)
{
    enum node_result result =
        settle_preflight_contract(&venue.node, preflight, &call->contract, NODE_LATEST);

    return result == NODE_OK ? settle_preflight_ask(&venue.node, preflight, call) : result;
}

static void a_wallet_is_asked_about_once_in_a_block(void **state)
{
    static struct settle_preflight preflight;
    struct settle_call call = {.leg_count = 1, .decimals = 18, .is_of_trades = true};
    struct settle_leg *leg = &call.legs[0];

    (void)state;
    venue_open(&venue, 1);
    memset(&preflight, 0, sizeof(preflight));
    assert_true(address_parse(&call.contract, fake_token));
    assert_true(address_parse(&leg->from, fake_seller) && address_parse(&leg->to, fake_buyer));
    leg->units = 1;
    struct fake_wallet *seller = fake_wallet(&venue.world, &leg->from);
    struct fake_wallet *buyer = fake_wallet(&venue.world, &leg->to);
    buyer->units = 77;
    uint64_t effects = venue.world.faults.effects;
    assert_int_equal(preflight_ask(&preflight, &call), NODE_OK);
    uint64_t first = venue.world.faults.effects - effects;
    assert_false(asked_about(&preflight, &leg->from)->is_frozen);

    // What the node would say now is of no block: it is not asked again, neither about the
    // contract.
    seller->frozen = true;
    effects = venue.world.faults.effects;
    assert_int_equal(preflight_ask(&preflight, &call), NODE_OK);
    assert_false(asked_about(&preflight, &leg->from)->is_frozen);
    assert_int_equal(asked_about(&preflight, &leg->from)->balance, seller->units);
    assert_int_equal(venue.world.faults.effects - effects, first - 2);

    // He only bought before: his balance was not asked for.
    struct chain_address other = leg->from;
    leg->from = leg->to;
    leg->to = other;
    assert_int_equal(preflight_ask(&preflight, &call), NODE_OK);
    assert_int_equal(asked_about(&preflight, &leg->from)->balance, 77);
    assert_int_equal(asked_about(&preflight, &leg->to)->balance, 0);

    fake_mine(&venue.world);
    effects = venue.world.faults.effects;
    assert_int_equal(preflight_ask(&preflight, &call), NODE_OK);
    assert_true(asked_about(&preflight, &leg->to)->is_frozen);
    assert_int_equal(venue.world.faults.effects - effects, first);
}

// ---- histories

// What points to a row: its successor, or what it is of.
static uint32_t *row_place(struct fake_world *world, uint32_t row)
{
    for (uint32_t i = row + 1; i <= world->row_count; i++)
        if (world->rows[i].before == row)
            return &world->rows[i].before;
    for (size_t i = 0; i < world->trade_count; i++)
        if (world->trades[i].last_row == row)
            return &world->trades[i].last_row;
    for (size_t i = 0; i < world->attempt_count; i++)
        if (world->attempts[i].last_row == row)
            return &world->attempts[i].last_row;
    fail_msg("a row of nobody");
    return NULL;
}

// In how many ways a row may be broken, each of which must be noticed: it is missing, it says
// another state, it comes from another one, it is there twice.
static void assert_breaks_are_noticed(struct fake_world *world, uint32_t row)
{
    const struct fake_row was = world->rows[row];
    uint32_t *place = row_place(world, row);

    *place = was.before;
    assert_non_null(fake_history_why_not(world));
    *place = row;
    for (uint8_t other = 0; other < SETTLE_ATTEMPT_STATE_COUNT; other++) {
        world->rows[row].to = other;
        assert_true((fake_history_why_not(world) == NULL) == (other == was.to));
        world->rows[row].to = was.to;
        world->rows[row].from = other;
        assert_true((fake_history_why_not(world) == NULL) == (other == was.from));
        world->rows[row] = was;
    }
    world->rows[world->row_count + 1] = (struct fake_row){.before = row,
                                                          .from = was.from,
                                                          .to = was.to,
                                                          .attempts = was.attempts,
                                                          .reason = was.reason,
                                                          .hash = was.hash};
    *place = world->row_count + 1;
    assert_non_null(fake_history_why_not(world));
    *place = row;
    assert_null(fake_history_why_not(world));
}

static void a_break_in_a_history_is_noticed(void **state)
{
    size_t broken = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fake_world *world = &venue.world;
        storm(&venue, seed, seed % 2 == 0);
        assert_null(fake_history_why_not(world));
        for (uint32_t row = 1; row <= world->row_count; row++) {
            const struct fake_row *is = &world->rows[row];
            // That a reason has become another one has no other witness.
            if (is->from == is->to && is->hash == world->rows[is->before].hash)
                continue;
            assert_breaks_are_noticed(world, row);
            broken++;
        }
    }
    print_message("%zu rows, broken in each way\n", broken);
    assert_true(broken > 1000);
}

// A result for the core, or a row of what was signed, that is not there.
static void what_others_know_must_be_in_the_histories(void **state)
{
    (void)state;
    storm(&venue, 3, false);
    venue.world.result_count--;
    assert_non_null(fake_history_why_not(&venue.world));
    venue.world.result_count++;
    venue.world.attempts[0].attempt.hash.bytes[0] ^= 1;
    assert_non_null(fake_history_why_not(&venue.world));
    venue.world.attempts[0].attempt.hash.bytes[0] ^= 1;
    for (size_t i = 0; i < venue.world.attempt_count; i++) {
        venue.world.attempts[i].gas_booked ^= true;
        assert_non_null(fake_history_why_not(&venue.world));
        venue.world.attempts[i].gas_booked ^= true;
    }
    assert_null(fake_history_why_not(&venue.world));
}

// ---- the campaign

// settle_test --batches N [SEED]: storms, from that seed on, until N transactions have moved
// trades, each exactly once, and every history is complete (fake_check_end). Every second one is of
// a token that is netted.
static int campaign(uint64_t wanted, uint64_t first)
{
    uint64_t batches = 0, injected = 0, trades = 0, nets = 0, rows = 0;
    uint64_t seed = first;

    for (; batches < wanted; seed++) {
        fprintf(stderr, "seed %llu: %llu batches so far\n", (unsigned long long)seed,
                (unsigned long long)batches);
        batch_max = seed % 3 == 0 ? 100 : 1 + seed % 7;
        storm(&venue, seed, seed % 2 == 0);
        batches += campaign_check(&venue);
        injected += venue.world.faults.injected;
        trades += venue.world.trade_count;
        nets += venue.world.nets + venue.world.zero_nets;
        rows += venue.world.row_count;
    }
    printf("%llu batches, %llu trades, %llu nets, %llu faults, %llu worlds: each executed once, "
           "sums equal, every history complete (%llu rows)\n",
           (unsigned long long)batches, (unsigned long long)trades, (unsigned long long)nets,
           (unsigned long long)injected, (unsigned long long)(seed - first),
           (unsigned long long)rows);
    return 0;
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trades_settle_on_chain_in_batches_in_order),
        cmocka_unit_test(a_batch_has_a_hundred_legs),
        cmocka_unit_test(a_refused_leg_leaves_its_neighbours_unharmed),
        cmocka_unit_test(poison_is_isolated_by_simulation),
        cmocka_unit_test(many_poisoned_legs_leave_one_after_the_other),
        cmocka_unit_test(a_reverted_batch_uses_an_attempt_of_the_leg_to_blame_only),
        cmocka_unit_test(a_leg_that_no_simulation_finds_ends_alone),
        cmocka_unit_test(what_is_bought_is_sold_in_the_same_batch),
        cmocka_unit_test(a_sale_of_what_does_not_come_waits),
        cmocka_unit_test(a_batch_above_the_gas_limit_goes_in_parts),
        cmocka_unit_test(what_a_call_needs_is_estimated_once),
        cmocka_unit_test(a_check_is_made_again_at_the_mined_block),
        cmocka_unit_test(the_documents_pace_is_a_matter_of_configuration),
        cmocka_unit_test(trades_gather_only_while_transactions_are_under_way),
        cmocka_unit_test(a_trade_is_final_only_once_the_finalized_block_has_reached_it),
        cmocka_unit_test(a_token_without_contract_settles_off_chain_even_without_a_node),
        cmocka_unit_test(one_wallet_on_both_sides_settles_off_chain_even_without_a_node),
        cmocka_unit_test(a_database_that_refuses_is_asked_ever_more_rarely),
        cmocka_unit_test(a_missing_wallet_waits_and_holds_nobody_up),
        cmocka_unit_test(a_seller_waits_for_his_inbound_trade),
        cmocka_unit_test(a_short_balance_waits_while_an_inbound_trade_has_failed),
        cmocka_unit_test(what_the_venue_has_frozen_is_sold_and_what_others_have_is_not),
        cmocka_unit_test(a_sale_waits_for_a_freeze_that_is_not_final),
        cmocka_unit_test(compliance_refuses_at_once_and_signs_nothing),
        cmocka_unit_test(a_simulated_revert_fails_with_the_contracts_words),
        cmocka_unit_test(a_revert_by_rule_after_the_broadcast_fails_at_once),
        cmocka_unit_test(out_of_gas_uses_attempts_up_to_five),
        cmocka_unit_test(a_transaction_without_the_planned_transfer_is_no_settlement),
        cmocka_unit_test(refusals_of_the_signer_free_the_nonce),
        cmocka_unit_test(a_silent_signer_is_asked_again_with_the_same_request),
        cmocka_unit_test(what_the_signer_may_sign_later_waits),
        cmocka_unit_test(attempts_that_the_database_has_lost_come_back),
        cmocka_unit_test(a_bid_that_the_database_has_lost_comes_back),
        cmocka_unit_test(what_no_row_asks_for_stops_what_is_new),
        cmocka_unit_test(what_gives_way_is_not_begun_with_what_it_has_lost),
        cmocka_unit_test(a_nonce_whose_signature_was_lost_is_not_free),
        cmocka_unit_test(a_database_that_was_lost_settles_nothing_before_it_is_rebuilt),
        cmocka_unit_test(new_tables_wait_for_the_signer_where_there_are_contracts),
        cmocka_unit_test(a_base_fee_above_the_cap_waits),
        cmocka_unit_test(a_stuck_transaction_is_bid_up_at_its_nonce),
        cmocka_unit_test(an_underpriced_transaction_is_bid_up_at_once),
        cmocka_unit_test(what_stays_underpriced_is_sent_again_once_in_a_tick),
        cmocka_unit_test(a_forgotten_transaction_is_sent_again_as_it_is),
        cmocka_unit_test(a_reorganisation_sends_the_same_bytes_in_nonce_order),
        cmocka_unit_test(a_chain_that_loses_final_blocks_gets_the_same_bytes_again),
        cmocka_unit_test(gas_of_what_the_chain_has_lost_is_not_spent),
        cmocka_unit_test(a_lost_reverted_transaction_is_never_sent_again),
        cmocka_unit_test(a_trade_waits_while_its_lost_transaction_is_undecided),
        cmocka_unit_test(a_lost_transaction_that_comes_back_is_the_one_that_counts),
        cmocka_unit_test(a_lost_transaction_that_comes_back_and_is_lost_again_leaves_incidents),
        cmocka_unit_test(what_came_back_and_fails_after_its_rival_was_given_up_leaves_incidents),
        cmocka_unit_test(what_passes_beside_its_retry_halts_the_token),
        cmocka_unit_test(what_is_confirmed_is_known_by_the_block_it_is_in_now),
        cmocka_unit_test(a_gap_before_our_nonces_is_filled),
        cmocka_unit_test(a_gap_before_a_nonce_that_is_given_up_is_filled),
        cmocka_unit_test(a_used_nonce_without_a_receipt_is_no_reason_for_another_transfer),
        cmocka_unit_test(the_older_of_two_bids_may_be_the_one_that_is_mined),
        cmocka_unit_test(a_foreign_transaction_at_our_nonce_counts_as_an_attempt),
        cmocka_unit_test(a_foreign_transaction_that_is_lost_again_leaves_no_hole),
        cmocka_unit_test(foreign_transactions_before_the_start_are_skipped),
        cmocka_unit_test(a_count_that_nothing_shows_is_not_believed),
        cmocka_unit_test(a_count_that_is_not_so_keeps_nothing_from_being_sent_again),
        cmocka_unit_test(a_first_count_that_nothing_shows_is_believed_when_it_is_said_twice),
        cmocka_unit_test(a_foreign_transaction_is_found_in_its_block),
        cmocka_unit_test(what_used_a_nonce_is_looked_for_in_parts),
        cmocka_unit_test(the_signers_log_is_read_when_it_has_to_be),
        cmocka_unit_test(that_no_bid_takes_the_place_of_what_is_stuck_stands_in_its_row),
        cmocka_unit_test(
            what_is_given_up_at_the_highest_fee_is_held_and_goes_again_when_it_is_released),
        cmocka_unit_test(what_is_given_up_and_mined_after_all_is_settled),
        cmocka_unit_test(what_is_given_up_before_it_was_signed_is_held),
        cmocka_unit_test(an_absent_core_gets_its_results_later),
        cmocka_unit_test(results_go_out_without_waiting_for_answers),
        cmocka_unit_test(what_the_core_has_booked_is_read_from_its_events_after_a_crash),
        cmocka_unit_test(a_refusal_that_was_lost_is_refused_again_and_moves_nothing),
        cmocka_unit_test(off_chain_trades_do_not_hold_up_the_chain),
        cmocka_unit_test(what_is_not_the_token_it_was_taken_for_is_not_signed_for),
        cmocka_unit_test(another_chain_is_refused),
        cmocka_unit_test(a_retry_waits_while_a_receipt_is_unknown),
        cmocka_unit_test(requests_of_others_are_carried_out),
        cmocka_unit_test(what_is_so_already_is_not_done_again),
        cmocka_unit_test(a_row_that_cannot_be_carried_out_is_rejected_with_words),
        cmocka_unit_test(a_request_that_would_revert_is_rejected),
        cmocka_unit_test(a_request_goes_again_when_nobody_is_to_blame),
        cmocka_unit_test(what_the_signer_refuses_keeps_nobody_waiting),
        cmocka_unit_test(a_request_waits_while_fees_are_too_high),
        cmocka_unit_test(a_mint_waits_for_a_custody_proof),
        cmocka_unit_test(mints_are_covered_all_together),
        cmocka_unit_test(a_proof_that_ends_before_the_signature_stops_the_mint),
        cmocka_unit_test(a_mint_that_was_signed_goes_whatever_becomes_of_the_proof),
        cmocka_unit_test(what_is_no_token_is_not_minted),
        cmocka_unit_test(two_wallets_that_trade_to_and_fro_move_the_difference_once),
        cmocka_unit_test(without_the_option_nothing_is_netted),
        cmocka_unit_test(a_net_of_zero_has_no_transaction),
        cmocka_unit_test(what_is_not_zero_goes_on_without_it),
        cmocka_unit_test(a_token_with_a_module_that_nobody_reviewed_is_not_netted),
        cmocka_unit_test(what_the_rules_allow_one_by_one_only_goes_one_by_one),
        cmocka_unit_test(a_net_hides_no_short_balance),
        cmocka_unit_test(a_net_that_reverts_goes_trade_by_trade),
        cmocka_unit_test(who_is_to_blame_is_found_trade_by_trade),
        cmocka_unit_test(what_was_in_a_net_once_is_not_netted_again),
        cmocka_unit_test(a_net_whose_block_is_lost_is_sent_again_as_it_was),
        cmocka_unit_test(any_fault_at_any_effect_settles_nets_once),
        cmocka_unit_test(any_fault_at_any_effect_settles_batches_once),
        cmocka_unit_test(any_fault_at_any_effect_settles_single_trades_once),
        cmocka_unit_test(any_fault_at_any_effect_books_every_result_once),
        cmocka_unit_test(storms_of_faults_settle_every_trade_once),
        cmocka_unit_test(storms_of_faults_settle_every_net_once),
        cmocka_unit_test(a_wallet_is_asked_about_once_in_a_block),
        cmocka_unit_test(a_break_in_a_history_is_noticed),
        cmocka_unit_test(what_others_know_must_be_in_the_histories),
    };
    if (count >= 3 && strcmp(words[1], "--batches") == 0)
        return campaign(strtoull(words[2], NULL, 10),
                        count > 3 ? strtoull(words[3], NULL, 10) : 1000);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
