#include "base/testing.h"

#include "settlement/settle_group.h"

static struct settle_group walk;

enum { TOKEN = 7, OTHER = 8, A = 1, B = 2, C = 3 };

// The group, or the answer's negative: SETTLE_GROUP_WAITS is -1, SETTLE_GROUP_FULL -2.
static int next(uint32_t token, uint32_t seller, uint32_t buyer, bool is_blocked, size_t limit)
{
    const struct settle_group_trade trade = {
        .token = token, .seller = seller, .buyer = buyer, .is_blocked = is_blocked, .limit = limit};
    size_t group = 0;
    enum settle_group_answer answer = settle_group_next(&walk, &group, &trade, 4);

    return answer == SETTLE_GROUP_TAKEN ? (int)group : -(int)answer;
}

static void a_request_holds_trades_of_one_token_up_to_its_size(void **state)
{
    (void)state;
    settle_group_begin(&walk, 2);
    assert_int_equal(next(TOKEN, A, B, false, 0), 0);
    assert_int_equal(next(OTHER, A, B, false, 0), 1);
    assert_int_equal(next(TOKEN, A, B, false, 0), 0);
    assert_int_equal(next(TOKEN, A, B, false, 0), 2);
    assert_int_equal(next(OTHER, A, B, false, 0), 1);
    assert_int_equal(next(OTHER, A, B, false, 0), 3);
    assert_int_equal(next(OTHER, A, B, false, 0), 3);
    assert_int_equal(next(OTHER, A, B, false, 0), -SETTLE_GROUP_FULL);
}

static void a_sale_goes_behind_its_purchase_or_waits(void **state)
{
    (void)state;
    settle_group_begin(&walk, 2);
    assert_int_equal(next(TOKEN, A, B, false, 0), 0);
    assert_int_equal(next(TOKEN, B, C, false, 0), 0);
    assert_int_equal(next(TOKEN, C, A, false, 0), -SETTLE_GROUP_WAITS); // no room beside it
    assert_int_equal(next(OTHER, C, A, false, 0), 1); // another token is another matter
    assert_int_equal(next(TOKEN, A, B, false, 0), -SETTLE_GROUP_WAITS); // it would sell what waits
}

static void what_comes_from_two_requests_waits_for_both(void **state)
{
    (void)state;
    settle_group_begin(&walk, 2);
    assert_int_equal(next(TOKEN, A, C, false, 0), 0);
    assert_int_equal(next(TOKEN, A, B, false, 0), 0);
    assert_int_equal(next(TOKEN, A, C, false, 0), 1);
    assert_int_equal(next(TOKEN, C, B, false, 0), -SETTLE_GROUP_WAITS);
}

static void a_blocked_trade_blocks_what_depends_on_it(void **state)
{
    (void)state;
    settle_group_begin(&walk, 10);
    assert_int_equal(next(TOKEN, A, B, true, 0), -SETTLE_GROUP_WAITS);
    assert_int_equal(next(TOKEN, B, C, false, 0), -SETTLE_GROUP_WAITS);
    assert_int_equal(next(TOKEN, C, A, false, 0), -SETTLE_GROUP_WAITS);
    assert_int_equal(next(TOKEN, 5, 6, false, 0), 0);
}

static void a_trade_with_a_limit_has_few_neighbours(void **state)
{
    (void)state;
    settle_group_begin(&walk, 10);
    assert_int_equal(next(TOKEN, A, B, false, 0), 0);
    assert_int_equal(next(TOKEN, A, B, false, 1), 1); // alone
    assert_int_equal(next(TOKEN, A, B, false, 0), 2);
    assert_int_equal(next(TOKEN, A, B, false, 2), 2);
    assert_int_equal(next(TOKEN, A, B, false, 0), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_holds_trades_of_one_token_up_to_its_size),
        cmocka_unit_test(a_sale_goes_behind_its_purchase_or_waits),
        cmocka_unit_test(what_comes_from_two_requests_waits_for_both),
        cmocka_unit_test(a_blocked_trade_blocks_what_depends_on_it),
        cmocka_unit_test(a_trade_with_a_limit_has_few_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
