#include "settlement/reconcile_custody.h"

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
    f = equal();
    f.arriving_units = 4; // waits to be frozen
    f.released = 3000;    // withdrawn, and there still
    f.chain = f.indexed = 57000;
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
    f.is_escrow = true;
    assert_int_equal(judge(&f, -10000), RECONCILE_ESCROW);
    f.unbooked = 2000;
    assert_int_equal(judge(&f, -10000), RECONCILE_OFF_CHAIN);
    f.off_chain_units = 0;
    f.unbooked = -10000;
    assert_int_equal(judge(&f, -10000), RECONCILE_BEFORE_ACCOUNT);
    for (int cause = RECONCILE_EQUAL; cause <= RECONCILE_ESCROW; cause++)
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

// A wallet of 50 units, all tradable and all frozen; two of them bought lately, and told.
static struct reconcile_custody in_custody(void)
{
    return (struct reconcile_custody){
        .frozen = 50000, .own = 50000, .indexed = 50000, .claimed = 50000, .chain = 50000};
}

static enum reconcile_cause judge_custody(const struct reconcile_custody *custody,
                                          int64_t difference)
{
    struct reconcile_judgement judgement;
    struct reconcile_figures f = equal();
    reconcile_custody_judge(&judgement, custody, &f);
    assert_true(judgement.difference == difference);
    assert_int_equal(judgement.words[0] == '\0', judgement.cause == RECONCILE_EQUAL);
    return judgement.cause;
}

static void what_is_frozen_is_compared_with_what_is_tradable(void **state)
{
    (void)state;
    struct reconcile_custody c = in_custody();
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
    c.claimed = c.frozen = c.own = c.indexed = c.chain = 48000;
    c.bought = c.waiting = 2000; // in the ledger since the match, not told
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
    c.frozen = 50000; // its freeze is in a block above the compared one
    c.later = 2000;
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
    c = in_custody();
    c.held = 7000; // others' freezes are theirs
    c.indexed = c.chain = 57000;
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
    c = in_custody();
    c.frozen = c.own = c.indexed = c.chain = 50999; // less than a unit
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
    c.frozen = c.own = c.indexed = c.chain = 52000;
    c.under_way = true;
    assert_int_equal(judge_custody(&c, 0), RECONCILE_EQUAL);
}

static void every_cause_of_custody_is_named(void **state)
{
    (void)state;
    struct reconcile_custody c = in_custody();
    c.chain = 49000;
    assert_int_equal(judge_custody(&c, -1000), RECONCILE_UNINDEXED_FREEZE);
    c = in_custody();
    c.own = 46000;
    assert_int_equal(judge_custody(&c, 4000), RECONCILE_CUSTODY);
    c = in_custody();
    c.claimed = 47000;
    assert_int_equal(judge_custody(&c, -3000), RECONCILE_CLAIM);
    c = in_custody();
    c.spilled_now = 5000;
    assert_int_equal(judge_custody(&c, -5000), RECONCILE_UNFROZEN);
    c = in_custody();
    c.frozen = c.own = c.indexed = c.chain = 44000;
    assert_int_equal(judge_custody(&c, -6000), RECONCILE_NOT_FROZEN);
    c = in_custody();
    c.frozen = c.own = c.indexed = c.chain = 51000;
    assert_int_equal(judge_custody(&c, 1000), RECONCILE_SURPLUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_under_way_is_no_difference),
        cmocka_unit_test(every_cause_is_named),
        cmocka_unit_test(what_is_frozen_is_compared_with_what_is_tradable),
        cmocka_unit_test(every_cause_of_custody_is_named),
        cmocka_unit_test(amounts_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
