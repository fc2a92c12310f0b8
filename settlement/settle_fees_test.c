// The fee policy: every small case, and large ones at random, against what the header says; then a
// market that spikes.
#include "base/testing.h"

#include "chain/wide.h"
#include "settlement/settle_fees.h"

static const struct settle_fee_policy simple = {
    .cap_wei = 1000, .priority_floor_wei = 10, .priority_cap_wei = 500, .bump_permille = 125};

static void first_fees_stay_under_the_caps(void **state)
{
    struct settle_fees fees;

    (void)state;
    assert_true(settle_fees_first(&fees, &simple, 100, 0));
    assert_int_equal(fees.max_fee_wei, 210);
    assert_int_equal(fees.priority_fee_wei, 10);
    assert_true(settle_fees_first(&fees, &simple, 100, 501)); // others pay more than we ever would
    assert_int_equal(fees.priority_fee_wei, 500);
    assert_true(settle_fees_first(&fees, &simple, 995, 50));
    assert_int_equal(fees.max_fee_wei, 1000);
    assert_int_equal(fees.priority_fee_wei, 5);
    assert_false(settle_fees_first(&fees, &simple, 1000, 0));
}

// ---- the properties

static bool is_raised(uint64_t after, uint64_t before, uint32_t permille)
{
    return after > before &&
           (chain_uint128)after * 1000 >= (chain_uint128)before * (1000 + permille);
}

static void check_first(const struct settle_fee_policy *policy, uint64_t base, uint64_t recent,
                        struct settle_fees *fees)
{
    chain_uint128 wanted = (chain_uint128)2 * base + fees->priority_fee_wei;

    assert_true(fees->max_fee_wei <= policy->cap_wei);
    assert_true(fees->priority_fee_wei <= policy->priority_cap_wei);
    assert_true(fees->priority_fee_wei <= fees->max_fee_wei - base); // the whole tip can be paid
    assert_true(fees->max_fee_wei > base || fees->priority_fee_wei == 0);
    // Less than twice the base fee, or less tip than floor and market, only where a cap says so.
    assert_true(fees->max_fee_wei >= wanted || fees->max_fee_wei == policy->cap_wei);
    assert_true(fees->priority_fee_wei >= policy->priority_floor_wei ||
                fees->max_fee_wei == policy->cap_wei);
    assert_true(fees->priority_fee_wei >= recent ||
                fees->priority_fee_wei == policy->priority_cap_wei ||
                fees->max_fee_wei == policy->cap_wei);
}

// False: the bump was refused, for a reason that holds.
static bool check_bump(const struct settle_fee_policy *policy, uint64_t base, uint64_t recent,
                       const struct settle_fees *before)
{
    struct settle_fees after = {7, 7};

    if (!settle_fees_bump(&after, policy, before, base, recent)) {
        assert_true(after.max_fee_wei == 7 && after.priority_fee_wei == 7);
        bool has_room =
            policy->cap_wei > base &&
            is_raised(policy->cap_wei, before->max_fee_wei, policy->bump_permille) &&
            is_raised(policy->priority_cap_wei, before->priority_fee_wei, policy->bump_permille);
        assert_false(has_room);
        return false;
    }
    assert_true(is_raised(after.max_fee_wei, before->max_fee_wei, policy->bump_permille));
    assert_true(is_raised(after.priority_fee_wei, before->priority_fee_wei, policy->bump_permille));
    assert_true(after.priority_fee_wei <= after.max_fee_wei);
    assert_true(after.max_fee_wei <= policy->cap_wei);
    assert_true(after.priority_fee_wei <= policy->priority_cap_wei);
    assert_true(after.max_fee_wei > base); // it could be mined now
    return true;
}

static void check_chain(const struct settle_fee_policy *policy, uint64_t base, uint64_t recent)
{
    struct settle_fees fees;
    struct settle_fees before;
    unsigned bumps = 0;

    if (!settle_fees_first(&fees, policy, base, recent)) {
        assert_true(base >= policy->cap_wei);
        return;
    }
    check_first(policy, base, recent, &fees);
    for (before = fees; check_bump(policy, base, recent, &before); bumps++) {
        assert_true(settle_fees_bump(&fees, policy, &before, base, recent));
        before = fees;
        assert_true(bumps < 700); // 2^64 is 1.1^466; small fees rise by one wei
    }
}

static void every_small_policy_and_market_keeps_the_rules(void **state)
{
    (void)state;
    for (uint64_t cap = 1; cap <= 24; cap++)
        for (uint64_t tip_cap = 0; tip_cap <= cap; tip_cap++)
            for (uint64_t floor = 0; floor <= tip_cap; floor += 3)
                for (uint64_t base = 0; base <= cap + 1; base++)
                    for (uint64_t recent = 0; recent <= cap + 2; recent += 2) {
                        const struct settle_fee_policy policy = {cap, floor, tip_cap,
                                                                 100 + (uint32_t)(25 * (cap % 3))};
                        check_chain(&policy, base, recent);
                    }
}

static uint64_t random_state = 88172645463325252;

// Of any size: as many bits as are left.
static uint64_t random_wide(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> (random_state % 61);
}

static void large_policies_and_markets_keep_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct settle_fee_policy policy = {.cap_wei = random_wide() | 1,
                                           .bump_permille = 100 + (uint32_t)(random_wide() % 901)};
        policy.priority_cap_wei = random_wide() % policy.cap_wei;
        policy.priority_floor_wei = random_wide() % (policy.priority_cap_wei + 1);
        check_chain(&policy, random_wide(), random_wide());
        struct settle_fees any = {.max_fee_wei = random_wide()};
        any.priority_fee_wei = random_wide() % (any.max_fee_wei + 1);
        (void)check_bump(&policy, random_wide(), random_wide(), &any);
    }
}

static void a_dearer_market_is_never_bid_less(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        const struct settle_fee_policy policy = {1 << 30, 1000, 1 << 20, 125};
        uint64_t base = random_wide() % policy.cap_wei;
        uint64_t recent = random_wide();
        struct settle_fees cheap, dear;
        if (base + 1 == policy.cap_wei)
            continue;
        assert_true(settle_fees_first(&cheap, &policy, base, recent));
        assert_true(settle_fees_first(&dear, &policy, base + 1, recent));
        assert_true(dear.max_fee_wei >= cheap.max_fee_wei);
    }
}

// ---- a spike

// Base fees rise by an eighth per block, as the protocol allows, from 1 gwei to twice the cap, and
// fall again. A bid that lies below the base fee is raised as soon as that helps; never above the
// cap, and never while nothing would help.
static void a_spike_of_fees_is_waited_out_under_the_cap(void **state)
{
    const struct settle_fee_policy policy = {500000000000, 1000000000, 100000000000, 125};
    struct settle_fees bid;
    uint64_t base = 1000000000;
    unsigned bumps = 0;

    (void)state;
    assert_true(settle_fees_first(&bid, &policy, base, 0));
    for (unsigned i = 0; i < 6; i++, base += base / 8)
        assert_true(bid.max_fee_wei >= base); // six full blocks in a row
    for (; base < 2 * policy.cap_wei; base += base / 8) {
        struct settle_fees higher;
        if (bid.max_fee_wei >= base)
            continue;
        if (settle_fees_bump(&higher, &policy, &bid, base, 0)) {
            assert_true(base < policy.cap_wei && higher.max_fee_wei >= base);
            bid = higher;
            bumps++;
        }
    }
    assert_in_range(bumps, 5, 12);
    assert_true(bid.max_fee_wei <= policy.cap_wei);
    assert_true(bid.priority_fee_wei <
                10 * policy.priority_floor_wei); // the spike was not ours to pay
    for (; base > 1000000000; base -= base / 8)
        if (bid.max_fee_wei >= base)
            return; // mined on the way down, without another bid
    fail_msg("the bid was never worth a place");
}

static void what_gives_a_nonce_up_may_bid_above_a_bid_at_the_cap(void **state)
{
    (void)state;
    for (uint64_t cap = 20; cap < 2000; cap += 7) {
        const struct settle_fee_policy policy = {
            .cap_wei = cap, .priority_floor_wei = 1, .priority_cap_wei = cap / 2, .bump_permille = 125};
        const struct settle_fee_policy twice = settle_fees_giving_up(&policy);
        const struct settle_fees at_the_cap = {.max_fee_wei = cap, .priority_fee_wei = cap / 2};
        struct settle_fees bid;
        assert_false(settle_fees_bump(&bid, &policy, &at_the_cap, cap / 2, 1));
        assert_true(settle_fees_bump(&bid, &twice, &at_the_cap, cap / 2, 1));
        assert_true(bid.max_fee_wei * 1000 >= cap * 1125 && bid.max_fee_wei <= 2 * cap);
        assert_true(settle_fees_bump(&bid, &twice, &at_the_cap, cap + cap / 2, 1)); // a dearer block, too
        assert_true(bid.max_fee_wei > cap + cap / 2);
    }
}

static void gas_above_the_limit_is_refused(void **state)
{
    (void)state;
    assert_int_equal(settle_gas_limit(200000, 125, 300000), 250000);
    assert_int_equal(settle_gas_limit(240000, 125, 300000), 300000);
    assert_int_equal(settle_gas_limit(240001, 125, 299999), 299999);
    assert_int_equal(settle_gas_limit(300000, 125, 300000), 300000);
    assert_int_equal(settle_gas_limit(300001, 125, 300000), 0);
    assert_int_equal(settle_gas_limit(0, 125, 300000), 0);
    assert_int_equal(settle_gas_limit(UINT64_MAX, 125, 300000), 0);
}

// What is guessed is at least what a call with a fixed part and a part per leg needs.
static void a_guess_is_enough(void **state)
{
    (void)state;
    assert_int_equal(settle_gas_guess(0, 0, 100), 0);
    assert_int_equal(settle_gas_guess(10, 1000000, 21), 0);
    for (size_t known = 1; known <= 100; known++)
        for (size_t legs = 1; legs <= 2 * known && legs <= 100; legs++) {
            uint64_t guess = settle_gas_guess(known, 120000 + 90000 * known, legs);
            assert_in_range(guess, 120000 + 90000 * legs,
                            (120000 + 90000 * legs) * 103 / 100 + 270000);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_fees_stay_under_the_caps),
        cmocka_unit_test(every_small_policy_and_market_keeps_the_rules),
        cmocka_unit_test(large_policies_and_markets_keep_the_rules),
        cmocka_unit_test(a_dearer_market_is_never_bid_less),
        cmocka_unit_test(a_spike_of_fees_is_waited_out_under_the_cap),
        cmocka_unit_test(what_gives_a_nonce_up_may_bid_above_a_bid_at_the_cap),
        cmocka_unit_test(gas_above_the_limit_is_refused),
        cmocka_unit_test(a_guess_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
