// The ring of refusals that may be confirmed; what open buys may bring.
#include "base/testing.h"

#include <stdlib.h>

#include "risk/controls.h"

static void the_last_refusals_are_found_by_their_sequence(void **state)
{
    struct confirms *confirms = calloc(1, sizeof *confirms);
    (void)state;
    assert_null(confirms_find(confirms, 1));
    for (uint64_t i = 1; i <= 3 * CONFIRMS_MAX + 7; i++) {
        const struct confirm_rec confirm = {.reject = 3 * i, .price = (int64_t)i};
        confirms_add(confirms, &confirm);
        uint64_t kept = i < CONFIRMS_MAX ? i : CONFIRMS_MAX;
        uint64_t oldest = i - kept + 1;
        assert_int_equal(confirms_kept(confirms), kept);
        assert_int_equal(confirms_at(confirms, 0)->reject, 3 * oldest);
        assert_int_equal(confirms_find(confirms, 3 * i)->price, i);
        assert_int_equal(confirms_find(confirms, 3 * oldest)->price, oldest);
        assert_null(confirms_find(confirms, 3 * oldest - 3));
        assert_null(confirms_find(confirms, 3 * i - 1));
        assert_null(confirms_find(confirms, 3 * i + 1));
    }
    free(confirms);
}

static void what_open_buys_may_bring_may_be_larger_than_a_word(void **state)
{
    _Alignas(64) struct balance balances[3] = {0};
    uint32_t high[3] = {0};
    struct ledger ledger = {
        .balances = balances, .incoming_high = high, .balances_max = 2, .count = 2};
    (void)state;
    for (int i = 1; i <= 5; i++) {
        ledger_incoming_add(&ledger, 2, INT64_MAX);
        assert_true(ledger_incoming(&ledger, 2) == (money_sum)INT64_MAX * i);
    }
    ledger_incoming_add(&ledger, 1, 7);
    for (int i = 4; i >= 0; i--) {
        ledger_incoming_add(&ledger, 2, -INT64_MAX);
        assert_true(ledger_incoming(&ledger, 2) == (money_sum)INT64_MAX * i);
        assert_true(ledger_incoming(&ledger, 1) == 7);
    }
    ledger_incoming_add(&ledger, 1, 0);
    ledger_incoming_add(&ledger, 1, -7);
    assert_true(ledger_incoming(&ledger, 1) == 0 && ledger.incoming_carries == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_refusals_are_found_by_their_sequence),
        cmocka_unit_test(what_open_buys_may_bring_may_be_larger_than_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
