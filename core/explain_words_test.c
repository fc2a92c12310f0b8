// Numbers, times, words, records and names as explanations write them.
#include "core/explain_story.h"

#include <stdlib.h>
#include <string.h>

#include "core/explain_record.h"
#include "core/explain_words.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

// ---- numbers, times

static void times_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *said, *is;
    } lines[] = {{"2026-11-27T20:49:35.25Z", "2026-11-27T20:49:35.250000000Z"},
                 {"2026-11-27T20:49:35.5", "2026-11-27T20:49:35.500000000Z"},
                 {"2026-11-27T20:49:35.123456789Z", "2026-11-27T20:49:35.123456789Z"},
                 {"1970-01-02", "1970-01-02T00:00:00.000000000Z"},
                 {"1970-01-01 00:00:01", "1970-01-01T00:00:01.000000000Z"},
                 {"2262-04-11T23:47:16Z", "2262-04-11T23:47:16.000000000Z"}};
    uint64_t ns = 0;
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_true(explain_time_parse(&ns, lines[i].said));
        assert_string_equal(explain_time(ns).text, lines[i].is);
    }
    assert_string_equal(explain_time(UINT64_MAX).text, "2554-07-21T23:34:33.709551615Z");
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2026-11-27T",
                                      "2026-11-27T25:00:00Z",
                                      "2026-11-27T20:49:60Z",
                                      "2026-11-27T20:49:35.Zx",
                                      "2026-11-27T20:49:35.1234567891Z", // finer than a nanosecond
                                      "2026-11-27T20:49:35+01:00",
                                      "1969-12-31T23:59:59Z",
                                      "2262-04-11T23:47:17Z"}; // later than 63 bits of ns
    uint64_t ns = 0;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (explain_time_parse(&ns, bad[i]))
            fail_msg("%s is %lu", bad[i], ns);
}

static void durations_are_as_coarse_as_they_are_long(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } lines[] = {{0, "0 ms"},          {999, "999 ms"},        {1000, "1.0 s"},
                 {599999, "599.9 s"},  {600000, "0 h 10 min"}, {172799999, "47 h 59 min"},
                 {172800000, "2 days"}};
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_string_equal(explain_duration(lines[i].ms * 1000000).text, lines[i].text);
    assert_string_equal(explain_count(1, "order").text, "1 order");
    assert_string_equal(explain_count(2, "order").text, "2 orders");
}

static void sums_beyond_64_bits_are_told_as_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(explain_clamp((money_sum)INT64_MAX + 1), INT64_MAX);
    assert_int_equal(explain_clamp((money_sum)INT64_MIN - 1), INT64_MIN);
    assert_int_equal(explain_clamp(-7), -7);
}

// ---- words

static void what_has_no_word_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(explain_side_word(0), "unknown"); // a gap of the table
    assert_string_equal(explain_side_word(SIDE_BUY), "buy");
    assert_string_equal(explain_side_word(SIDE_SELL), "sell");
    assert_string_equal(explain_side_word(SIDE_SELL + 1), "unknown");
}

static void who_did_it_is_told(void **state)
{
    (void)state;
    struct {
        struct command command;
        const char *text;
    } lines[] = {
        {{.header = {.type = CMD_order_mass_cancel, .gateway = GATEWAY_CORE}},
         "order_mass_cancel of the core"},
        {{.header = {.type = CMD_session_close, .gateway = GATEWAY_CORE, .session = 2}},
         "session_close of the core for session 2"},
        {{.header = {.type = CMD_order_cancel, .gateway = GATEWAY_WEB, .session = 2}},
         "order_cancel of session 2 (web)"},
        {{.header = {.type = CMD_nav_set, .gateway = GATEWAY_ADMIN}}, "nav_set of admin"},
        {{.header = {.type = CMD_venue_state, .gateway = GATEWAY_ADMIN},
          .body.venue_state.operator_id = 3},
         "venue_state of operator 3 (admin)"},
        {{.header = {.type = CMD_kill_set, .gateway = GATEWAY_ADMIN},
          .body.kill_set.operator_id = 4},
         "kill_set of operator 4 (admin)"},
        {{.header = {.type = CMD_venue_rules_set, .gateway = GATEWAY_ADMIN},
          .body.venue_rules_set.operator_id = 5},
         "venue_rules_set of operator 5 (admin)"},
        {{.header = {.type = CMD_propose, .gateway = GATEWAY_ADMIN}, .body.propose.operator_id = 6},
         "propose of operator 6 (admin)"},
        {{.header = {.type = CMD_approve, .gateway = GATEWAY_ADMIN}, .body.approve.operator_id = 7},
         "approve of operator 7 (admin)"},
        {{.header = {.type = CMD_ledger_post, .gateway = GATEWAY_INDEX},
          .body.ledger_post.operator_id = 8},
         "ledger_post of operator 8 (index)"},
        {{.header = {.type = CMD_trade_correct, .gateway = GATEWAY_ADMIN},
          .body.trade_correct.operator_id = 9},
         "trade_correct of operator 9 (admin)"}};
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *text = explain_by(&lines[i].command);
        assert_string_equal(text, lines[i].text);
        free(text);
    }
}

// ---- records, names

// As schema/records.h dumps them; asset 1 is cash, instrument 1 of a token without decimals.
static void records_are_told_in_words_and_decimals(void **state)
{
    struct story *story = *state;
    struct explain_view view = {0};
    static const struct {
        const char *dump, *line;
    } lines[] = {
        {"{\"record\":\"order\",\"instrument\":1,\"side\":1,\"price\":1500000,\"held\":7}",
         "order: instrument 1, side buy, price 1.5, held 0.000007"},
        {"{\"record\":\"order\",\"instrument\":1,\"side\":2,\"held\":7,\"state\":9}",
         "order: instrument 1, side sell, held 7, state 9"}, // no such state
        {"{\"record\":\"balance\",\"asset\":1,\"available\":-1}",
         "balance: asset 1, available -0.000001"},
        {"{\"record\":\"balance\",\"asset\":77,\"available\":5}",
         "balance: asset 77, available 5"}, // which nobody knows
        {"{\"record\":\"trade\",\"kind\":300,\"reason\":300,\"side\":-1}",
         "trade: kind 300, reason 300, side -1"},
        {"{\"record\":\"account\",\"fee_bps\":4294967295,\"kyc\":0}", "account"},
        {"{\"record\":\"reference\",\"hash\":9223372036854775807}",
         "reference: hash 9223372036854775807"},
        {"{\"record\":\"reference\",\"hash\":9223372036854775808}",
         "reference: hash 9223372036854775808"}, // no integer of JSON's any more
        {"{\"record\":\"reference\",\"hash\":18446744073709551615}",
         "reference: hash 18446744073709551615"},
        {"{\"record\":\"session\",\"symbol\":\"\",\"list\":[1,2]}", "session: list [1,2]"},
        {"{\"record\":\"order_new\",\"client_id\":\"a\\\"7\\\\\",\"hash\":18446744073709551615}",
         "order_new: client_id a\"7\\, hash 18446744073709551615"}};
    story_keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    for (size_t i = 0; i < COUNT(lines); i++) {
        json_t *record = explain_record(&view, lines[i].dump);
        char *line = explain_line(record);
        assert_string_equal(line, lines[i].line);
        free(line);
        json_decref(record);
    }
    explain_view_free(&view);
}

static void who_has_no_symbol_has_a_number(void **state)
{
    struct story *story = *state;
    struct explain_view view = {0};
    memcpy(story->venue->terms.symbol, "PORT", 5);
    set_terms(story->venue);
    story_keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    assert_string_equal(explain_view_symbol(&view, 1).text, "PORT");
    assert_string_equal(explain_view_symbol(&view, 99).text, "instrument 99");
    assert_string_equal(explain_view_asset_symbol(&view, CASH).text, "asset 1"); // it has none
    assert_string_equal(explain_view_asset_symbol(&view, 99).text, "asset 99");
    assert_int_equal(explain_view_scale(&view, CASH), 6);
    assert_int_equal(explain_view_scale(&view, 99), 0);
    assert_int_equal(explain_view_side(&view, 99, SIDE_BUY).all.orders, 0);
    explain_view_free(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(durations_are_as_coarse_as_they_are_long),
        cmocka_unit_test(sums_beyond_64_bits_are_told_as_the_nearest),
        cmocka_unit_test(what_has_no_word_is_unknown),
        cmocka_unit_test(who_did_it_is_told),
        STORY(records_are_told_in_words_and_decimals),
        STORY(who_has_no_symbol_has_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
