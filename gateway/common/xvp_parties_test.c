#include "gateway/common/xvp_parties.h"

#include "base/testing.h"

static void leg(struct xvp_parties *parties, uint64_t xvp, uint32_t from, uint32_t to)
{
    xvp_parties_leg(parties,
                    &(struct xvp_leg_rec){.xvp = xvp, .from_account = from, .to_account = to});
}

static void becomes(struct xvp_parties *parties, uint64_t xvp, uint8_t state)
{
    xvp_parties_changed(parties, &(struct xvp_changed_evt){.xvp = xvp, .state = state});
}

static void each_party_is_named_once(void **state)
{
    (void)state;
    struct xvp_parties parties = {0};
    leg(&parties, 7, 1003, 1004);
    leg(&parties, 7, 1004, 1003);
    leg(&parties, 7, 1005, 1003);
    const struct xvp_party_list *list = xvp_parties_of(&parties, 7);
    assert_non_null(list);
    assert_int_equal(list->count, 3);
    assert_int_equal(list->accounts[0], 1003);
    assert_int_equal(list->accounts[1], 1004);
    assert_int_equal(list->accounts[2], 1005);
    assert_null(xvp_parties_of(&parties, 8));
    xvp_parties_fini(&parties);
}

static void one_that_is_over_is_known_until_the_next_command(void **state)
{
    (void)state;
    static const uint8_t ends[] = {XVP_EXECUTED, XVP_CANCELLED, XVP_EXPIRED};
    struct xvp_parties parties = {0};
    for (uint64_t i = 0; i < 3; i++) {
        leg(&parties, 10 + i, 1, 2);
        leg(&parties, 20 + i, 1, 2);
        becomes(&parties, 20 + i, XVP_SETTLING);
        becomes(&parties, 10 + i, ends[i]);
        assert_non_null(xvp_parties_of(&parties, 10 + i));
        xvp_parties_forget_over(&parties);
        assert_null(xvp_parties_of(&parties, 10 + i));
        assert_non_null(xvp_parties_of(&parties, 20 + i));
    }
    becomes(&parties, 99, XVP_EXECUTED); // of before a snapshot: not known
    assert_int_equal(parties.count, 3);
    xvp_parties_fini(&parties);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_party_is_named_once),
        cmocka_unit_test(one_that_is_over_is_known_until_the_next_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
