#include "settlement/reconcile.h"

#include <string.h>

#include "base/testing.h"

static struct reconcile_figures equal(void)
{
    return (struct reconcile_figures){.unit = 1000,
                                      .total_units = 50,
                                      .ledger_known = true,
                                      .ledger_units = 50,
                                      .chain = 50000,
                                      .indexed = 50000};
}

static enum reconcile_cause judge(const struct reconcile_figures *figures, int64_t difference)
{
    struct reconcile_judgement judgement;
    reconcile_judge(&judgement, figures);
    assert_true(judgement.difference == difference);
    assert_int_equal(judgement.words[0] == '\0', judgement.cause == RECONCILE_EQUAL);
    return judgement.cause;
}

// Each figure that explains a difference, in the direction in which it does.
static void what_is_under_way_is_no_difference(void **state)
{
    (void)state;
    struct reconcile_figures f = equal();
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f.in_flight_units = 20; // sold 20 that the chain still has
    f.chain = f.indexed = 70000;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f.moved = -20000; // now it has moved them, and the record does not know
    f.chain = f.indexed = 50000;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f = equal();
    f.total_units = 0; // 100, of which 80 were sold; an outside transfer took 50: 30 are owed
    f.deficit_units = 30;
    f.ledger_units = -30;
    f.in_flight_units = 80;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f = equal();
    f.booking_units = -7;
    f.chain = f.indexed = 43000;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f.chain = f.indexed = 50000; // it was booked already
    assert_int_equal(judge(&f, 7000), RECONCILE_BOOKING);
    f = equal();
    f.dust = 999;
    f.chain = f.indexed = 50999;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
}

static void every_cause_is_named(void **state)
{
    (void)state;
    struct reconcile_figures f = equal();
    f.ledger_units = 49;
    assert_int_equal(judge(&f, 0), RECONCILE_RECORD_DIFFERS);
    f.ledger_known = false;
    assert_int_equal(judge(&f, 0), RECONCILE_EQUAL);
    f = equal();
    f.chain = 50001;
    assert_int_equal(judge(&f, 1), RECONCILE_UNINDEXED);
    f.indexed = 50001;
    assert_int_equal(judge(&f, 1), RECONCILE_UNKNOWN);
    f.unplanned = 1;
    assert_int_equal(judge(&f, 1), RECONCILE_UNPLANNED);
    f = equal();
    f.chain = f.indexed = 40000;
    f.refused_units = -10;
    assert_int_equal(judge(&f, -10000), RECONCILE_REFUSED);
    f.refused_units = 0;
    f.off_chain_units = 10;
    assert_int_equal(judge(&f, -10000), RECONCILE_OFF_CHAIN);
    f.off_chain_units = 12; // the rest is told, too
    assert_int_equal(judge(&f, -10000), RECONCILE_UNKNOWN);
    f.unbooked = 2000;
    assert_int_equal(judge(&f, -10000), RECONCILE_OFF_CHAIN);
    f.off_chain_units = 0;
    f.unbooked = -10000;
    assert_int_equal(judge(&f, -10000), RECONCILE_BEFORE_ACCOUNT);
    for (int cause = RECONCILE_EQUAL; cause <= RECONCILE_UNKNOWN; cause++)
        assert_non_null(reconcile_cause_word((enum reconcile_cause)cause));
}

static void amounts_are_read_and_written(void **state)
{
    (void)state;
    reconcile_amount amount;
    char text[RECONCILE_AMOUNT_MAX];
    static const char *const good[] = {"0", "-1", "1329227995784915872903807060280344575"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(reconcile_parse(&amount, good[i]));
        reconcile_format(text, amount);
        assert_string_equal(text, good[i]);
    }
    assert_true(reconcile_parse(&amount, "12.000"));
    assert_true(amount == 12);
    static const char *const bad[] = {"", "-", "1x", "12.01",
                                      "1329227995784915872903807060280344576"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(reconcile_parse(&amount, bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_under_way_is_no_difference),
        cmocka_unit_test(every_cause_is_named),
        cmocka_unit_test(amounts_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
