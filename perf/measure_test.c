#include "base/testing.h"

#include <math.h>

#include "perf/measure.h"

static struct samples samples, others;

static void percentiles_are_within_two_percent(void **state)
{
    (void)state;
    samples_clear(&samples);
    for (uint64_t i = 1; i <= 100000; i++)
        samples_add(&samples, i * 1000);
    assert_true(fabs(samples_percentile(&samples, 0.5) / 50e6 - 1) < 0.02);
    assert_true(fabs(samples_percentile(&samples, 0.99) / 99e6 - 1) < 0.02);
    assert_true(fabs(samples_percentile(&samples, 0.999) / 99.9e6 - 1) < 0.02);
}

static void small_spans_are_exact_and_large_ones_have_a_place(void **state)
{
    (void)state;
    samples_clear(&samples);
    for (int i = 0; i < 30; i++)
        samples_add(&samples, 17);
    assert_true(samples_percentile(&samples, 0.5) == 17);
    samples_clear(&samples);
    for (int i = 0; i < 30; i++)
        samples_add(&samples, UINT64_MAX);
    assert_true(samples_percentile(&samples, 0.5) > 1e19);
}

static void a_percentile_that_few_samples_exceed_is_not_told(void **state)
{
    (void)state;
    samples_clear(&samples);
    assert_true(isnan(samples_percentile(&samples, 0.5)) != 0);
    for (int i = 0; i < 900; i++)
        samples_add(&samples, 5);
    assert_true(isnan(samples_percentile(&samples, 0.99)) != 0);
    assert_true(samples_percentile(&samples, 0.98) == 5);
}

static void merging_adds(void **state)
{
    (void)state;
    samples_clear(&samples);
    samples_clear(&others);
    for (int i = 0; i < 100; i++) {
        samples_add(&samples, 10);
        samples_add(&others, 20);
    }
    samples_merge(&samples, &others);
    assert_true(samples.count == 200);
    assert_true(samples_percentile(&samples, 0.25) == 10 &&
                samples_percentile(&samples, 0.75) == 20);
}

static void the_median_is_the_one_in_the_middle(void **state)
{
    (void)state;
    double figures[] = {9, 1, 5};
    assert_true(measure_min(figures, 3) == 1);
    assert_true(measure_median(figures, 3) == 5);
    assert_true(isnan(measure_median(figures, 0)) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_two_percent),
        cmocka_unit_test(small_spans_are_exact_and_large_ones_have_a_place),
        cmocka_unit_test(a_percentile_that_few_samples_exceed_is_not_told),
        cmocka_unit_test(merging_adds),
        cmocka_unit_test(the_median_is_the_one_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
