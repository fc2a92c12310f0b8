#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/web/instant.h"
#include "gateway/web/order_request.h"
#include "gateway/web/order_words.h"
#include "gateway/web/shapes.h"

enum { SESSION = 3, ACCOUNT = 1003 };

static struct event event_of(uint8_t type, uint64_t sequence)
{
    struct event event;
    memset(&event, 0, sizeof event);
    event.header = (struct event_header){.sequence = sequence, .type = type, .last = 1};
    return event;
}

// One instrument PORT (two decimals), one session with one account.
static struct view *small_venue(void)
{
    static struct boot boot;
    boot.config.limits_accounts_max = 2000;
    boot.config.limits_sessions_max = boot.config.limits_assets_max = 10;
    boot.config.limits_instruments_max = 10;
    struct view *view = view_create(&boot);
    struct event e = event_of(EVT_instrument_changed, 1);
    e.body.instrument_changed = (struct instrument_changed_evt){
        .instrument = 1, .token_asset = 2, .cash_asset = 1, .token_scale = 2, .tick = 10000};
    memcpy(e.body.instrument_changed.symbol, "PORT", 4);
    view_apply(view, &e);
    e = event_of(EVT_session_changed, 2);
    e.header.last = 0;
    e.body.session_changed = (struct session_changed_evt){
        .session = SESSION, .member = 103, .gateway = GATEWAY_WEB, .account_count = 1};
    view_apply(view, &e);
    e = event_of(EVT_session_account, 2);
    e.header.index = 1;
    e.body.session_account =
        (struct session_account_evt){.session = SESSION, .account = ACCOUNT, .rights = RIGHTS_ALL};
    view_apply(view, &e);
    return view;
}

#define PLACE                                                                                      \
    "{\"op\":\"place\",\"symbol\":\"PORT\",\"side\":\"sell\",\"quantity\":\"10\","                 \
    "\"client_order_id\":\"c-1\""

// Reads PLACE and further fields; the code of what is refused, 0 = nothing.
static uint16_t place(struct order_request *out, const char **field, const char *fields)
{
    char text[512];
    struct json_object object;
    struct request request;
    struct fault fault = {0};
    struct view *view = small_venue();
    const struct order_asker asker = {.view = view, .session = SESSION};
    snprintf(text, sizeof text, PLACE "%s%s}", fields[0] != '\0' ? "," : "", fields);
    assert_true(request_of_message(&request, &fault, &object, text, strlen(text)));
    bool good = order_request_new(out, &fault, &asker, &request);
    *field = fault.field;
    view_destroy(view);
    return good ? 0 : fault.code;
}

static void a_trader_names_an_account_of_his_own_or_none(void **state)
{
    (void)state;
    struct order_request order;
    const char *field;
    char words[64];
    for (uint32_t account = ACCOUNT - 1; account <= ACCOUNT + 1; account++) {
        snprintf(words, sizeof words, "\"account\":%u,\"price\":\"1\"", account);
        assert_int_equal(place(&order, &field, words),
                         account == ACCOUNT ? 0 : REJECT_ACCOUNT_NOT_OF_SESSION);
    }
    snprintf(words, sizeof words, "\"account\":%u,\"price\":\"1\"", ACCOUNT);
    assert_int_equal(place(&order, &field, words), 0);
    assert_int_equal(order.body.account, ACCOUNT);
}

static void every_word_goes_both_ways(void **state)
{
    (void)state;
    static const char *const words[WORDS_COUNT] = {
        [WORDS_SIDE] = "buy sell",
        [WORDS_TYPE] = "limit market stop stop_limit trailing_stop",
        [WORDS_TIF] = "day gtc gtd ioc fok at_open at_close",
        [WORDS_STP] = "none cancel_newest cancel_oldest cancel_both decrement",
        [WORDS_SCOPE] = "session member",
        [WORDS_REASON] =
            ("by_owner ioc disconnect by_venue suspended mass_cancel limit breaker fok "
             "minimum_quantity self_trade expired auction amended volatility"),
        [WORDS_KIND] = "continuous auction",
    };
    for (int v = 0; v < WORDS_COUNT; v++)
        for (const char *at = words[v]; *at != '\0'; at += strspn(at, " ")) {
            size_t bytes = strcspn(at, " ");
            uint8_t value;
            assert_true(order_word_read((enum order_vocabulary)v, at, bytes, &value));
            assert_int_equal(strlen(order_word((enum order_vocabulary)v, value)), bytes);
            assert_memory_equal(order_word((enum order_vocabulary)v, value), at, bytes);
            at += bytes;
        }
    uint8_t value;
    assert_true(order_word_read(WORDS_TYPE, "stop_loss", 9, &value)); // the documents' word
    assert_int_equal(value, ORDER_STOP);
    assert_false(order_word_read(WORDS_TYPE, "stop_", 5, &value));
    assert_string_equal(order_word(WORDS_TIF, 5), "unknown");
}

static void a_plain_order_is_order_new(void **state)
{
    (void)state;
    struct order_request order;
    const char *field;
    assert_int_equal(place(&order, &field,
                           "\"price\":\"100.5\",\"post_only\":true,"
                           "\"self_trade_prevention\":\"decrement\","
                           "\"self_match_id\":77,\"tif\":\"gtc\""),
                     0);
    assert_int_equal(order.command, CMD_order_new);
    assert_int_equal(order.body.account, ACCOUNT);
    assert_int_equal(order.body.instrument, 1);
    assert_int_equal(order.body.side, SIDE_SELL);
    assert_int_equal(order.body.type, ORDER_LIMIT);
    assert_int_equal(order.body.tif, TIF_GTC);
    assert_int_equal(order.body.flags, ORDER_POST_ONLY);
    assert_int_equal(order.body.stp, STP_DECREMENT);
    assert_int_equal(order.body.self_match_id, 77);
    assert_int_equal(order.body.price, 100500000);
    assert_int_equal(order.body.quantity, 1000);
    assert_int_equal(order.body.client_id_bytes, 3);
}

static void an_order_with_terms_is_order_new_terms(void **state)
{
    (void)state;
    struct order_request order;
    const char *field;
    assert_int_equal(place(&order, &field,
                           "\"order_type\":\"stop_limit\",\"price\":\"99\","
                           "\"stop_price\":\"99.5\",\"display_quantity\":\"2.5\","
                           "\"tif\":\"gtd\",\"expire_time\":\"2026-12-31T17:30Z\""),
                     0);
    assert_int_equal(order.command, CMD_order_new_terms);
    assert_int_equal(order.body.type, ORDER_STOP_LIMIT);
    assert_int_equal(order.body.stop_price, 99500000);
    assert_int_equal(order.body.display_quantity, 250);
    assert_int_equal(order.body.expire_ns, 1798738200000000000u);
    assert_int_equal(
        place(&order, &field, "\"order_type\":\"trailing_stop\",\"trail_offset\":\"1.5\""), 0);
    assert_int_equal(order.command, CMD_order_new_terms);
    assert_int_equal(order.body.trail_offset, 1500000);
    assert_int_equal(order.body.price, 0);
    assert_int_equal(
        place(&order, &field, "\"price\":\"99\",\"tif\":\"ioc\",\"minimum_quantity\":\"4\""), 0);
    assert_int_equal(order.command, CMD_order_new_terms);
    assert_int_equal(order.body.minimum_quantity, 400);
}

static void what_is_missing_or_no_word_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        uint16_t code;
        const char *field;
    } cases[] = {
        {"", REJECT_MISSING_FIELD, "price"},
        {"\"order_type\":\"stop\"", REJECT_MISSING_FIELD, "stop_price"},
        {"\"order_type\":\"stop_limit\",\"stop_price\":\"1\"", REJECT_MISSING_FIELD, "price"},
        {"\"order_type\":\"trailing_stop\"", REJECT_MISSING_FIELD, "trail_offset"},
        {"\"price\":\"1\",\"tif\":\"gtd\"", REJECT_MISSING_FIELD, "expire_time"},
        {"\"price\":\"1\",\"tif\":\"forever\"", REJECT_MALFORMED, "tif"},
        {"\"price\":\"1\",\"order_type\":\"peg\"", REJECT_MALFORMED, "order_type"},
        {"\"price\":\"1\",\"self_trade_prevention\":\"yes\"", REJECT_MALFORMED,
         "self_trade_prevention"},
        {"\"price\":\"1\",\"expire_time\":\"tomorrow\"", REJECT_MALFORMED, "expire_time"},
        {"\"price\":\"1\",\"display_quantity\":\"0.001\"", REJECT_BAD_NUMBER, "display_quantity"},
        {"\"price\":\"1\",\"self_match_id\":4294967296", REJECT_BAD_NUMBER, "self_match_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct order_request order;
        const char *field;
        assert_int_equal(place(&order, &field, cases[i].fields), cases[i].code);
        assert_string_equal(field, cases[i].field);
    }
}

static uint16_t amend(struct order_amend_cmd *out, const char *fields)
{
    char text[256];
    struct json_object object;
    struct request request;
    struct fault fault = {0};
    struct view *view = small_venue();
    const struct order_asker asker = {.view = view, .session = SESSION};
    const struct view_order order = {.order = 9, .instrument = 1};
    snprintf(text, sizeof text, "{\"op\":\"amend\",\"order\":\"9\"%s%s}",
             fields[0] != '\0' ? "," : "", fields);
    assert_true(request_of_message(&request, &fault, &object, text, strlen(text)));
    bool good = order_request_amend(out, &fault, &asker, &request, &order);
    view_destroy(view);
    return good ? 0 : fault.code;
}

static void an_amend_changes_what_it_names(void **state)
{
    (void)state;
    struct order_amend_cmd out;
    assert_int_equal(amend(&out, "\"price\":\"99.5\",\"confirm_fat_finger\":true"), 0);
    assert_int_equal(out.price, 99500000);
    assert_int_equal(out.quantity, 0);
    assert_int_equal(out.flags, ORDER_CONFIRM_FAT_FINGER);
    assert_int_equal(amend(&out, "\"quantity\":\"4\",\"stop_price\":\"98\","
                                 "\"display_quantity\":\"0.5\""),
                     0);
    assert_int_equal(out.quantity, 400);
    assert_int_equal(out.stop_price, 98000000);
    assert_int_equal(out.display_quantity, 50);
    // 0 is no way to say "as it is"
    assert_int_equal(amend(&out, ""), REJECT_MISSING_FIELD);
    assert_int_equal(amend(&out, "\"quantity\":\"0\""), REJECT_QUANTITY_NOT_POSITIVE);
    assert_int_equal(amend(&out, "\"quantity\":\"4\",\"price\":\"0\""), REJECT_PRICE_NOT_POSITIVE);
    assert_int_equal(amend(&out, "\"stop_price\":\"0\""), REJECT_STOP_PRICE);
    assert_int_equal(amend(&out, "\"display_quantity\":\"0\""), REJECT_DISPLAY_QUANTITY);
}

static void mass_requests_name_what_they_mean(void **state)
{
    (void)state;
    static const char text[] = "{\"op\":\"cancel_all\",\"symbol\":\"PORT\",\"side\":\"sell\","
                               "\"account\":1001,\"scope\":\"member\"}";
    struct json_object object;
    struct request request;
    struct fault fault;
    struct order_mass_cancel_cmd cancel;
    struct view *view = small_venue();
    const struct order_asker asker = {.view = view, .session = SESSION};
    assert_true(request_of_message(&request, &fault, &object, text, strlen(text)));
    assert_true(order_request_mass_cancel(&cancel, &fault, &asker, &request));
    assert_int_equal(cancel.instrument, 1);
    assert_int_equal(cancel.side, SIDE_SELL);
    assert_int_equal(cancel.account, 1001); // whose it is, is for the engine to say
    assert_int_equal(cancel.scope, SCOPE_MEMBER);
    view_destroy(view);
}

static void instants_are_read_and_printed_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
        uint64_t ns;
    } good[] = {
        {"1970-01-01T00:00Z", "1970-01-01T00:00:00Z", 0},
        {"2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z", 1709251199000000000u},
        {"2026-12-31T17:30:00.5Z", "2026-12-31T17:30:00.5Z", 1798738200500000000u},
        {"2026-12-31T17:30:00.000000001Z", "2026-12-31T17:30:00.000000001Z", 1798738200000000001u},
    };
    static const char *const bad[] = {
        "",
        "2026-12-31",
        "2026-12-31T17:30",
        "2026-12-31T17:30:00",
        "2026-12-31T17:30:00+01:00",
        "2026-12-31 17:30:00Z",
        "2026-02-30T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-12-31T24:00:00Z",
        "2026-12-31T23:60:00Z",
        "2026-12-31T23:59:60Z",
        "1969-12-31T23:59:59Z",
        "2300-01-01T00:00:00Z",
        "2026-12-31T17:30:00.Z",
        "2026-12-31T17:30:00.0000000001Z",
        "2026-12-31T17:30:00ZZ",
        "-026-12-31T17:30:00Z",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char printed[INSTANT_TEXT_BYTES_MAX];
        uint64_t ns;
        assert_true(instant_parse(good[i].text, strlen(good[i].text), &ns));
        assert_int_equal(ns, good[i].ns);
        assert_int_equal(instant_print(ns, printed), strlen(good[i].printed));
        assert_string_equal(printed, good[i].printed);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint64_t ns;
        if (instant_parse(bad[i], strlen(bad[i]), &ns))
            fail_msg("%s was read", bad[i]);
    }
}

// ---- how an order looks ----------------------------------------------------------------------

static void assert_order(const struct view_order *order, const struct order_note *note,
                         const char *part)
{
    struct json_out out;
    struct view *view = small_venue();
    json_out_init(&out);
    shape_order(&out, view, order, note);
    if (strstr(out.text, part) == NULL)
        fail_msg("%s is not in %s", part, out.text);
    json_out_fini(&out);
    view_destroy(view);
}

static void orders_have_the_states_of_the_documents(void **state)
{
    (void)state;
    const struct order_note none = {0};
    struct view_order order = {.order = 9,
                               .instrument = 1,
                               .side = SIDE_SELL,
                               .type = ORDER_STOP_LIMIT,
                               .tif = TIF_GTD,
                               .price = 99000000,
                               .stop_price = 99500000,
                               .quantity = 1000,
                               .leaves = 1000,
                               .display = 250,
                               .expire_ns = 1798738200000000000u,
                               .flags = ORDER_POST_ONLY,
                               .stp = STP_CANCEL_OLDEST,
                               .state = ORDER_STATE_PENDING_STOP};
    assert_order(&order, &none, "\"status\":\"pending_stop\"");
    assert_order(&order, &none,
                 "\"price\":\"99\",\"stop_price\":\"99.5\",\"display_quantity\":\"2.5\","
                 "\"displayed\":\"0\",\"expire_time\":\"2026-12-31T17:30:00Z\",\"post_only\":true,"
                 "\"self_trade_prevention\":\"cancel_oldest\",\"quantity\":\"10\"");
    order.state = ORDER_STATE_TRIGGERED;
    assert_order(&order, &none, "\"status\":\"pending_stop\"");
    order.stop_price = 0; // announced: it is being matched
    assert_order(&order, &none, "\"status\":\"open\"");
    order.stop_price = 99500000;
    order.state = ORDER_STATE_OPEN;
    assert_order(&order, &none, "\"status\":\"open\"");
    order.state = ORDER_STATE_PENDING_CLOSE;
    assert_order(&order, &none, "\"status\":\"pending_close\"");
    order.leaves = 400;
    assert_order(&order, &none, "\"status\":\"partially_filled\"");
    order.leaves = 0;
    assert_order(&order, &none, "\"status\":\"filled\"");
    assert_order(&order, &(struct order_note){.cancelled = 400, .reason = CANCEL_EXPIRED},
                 "\"filled\":\"6\",\"filled_total\":\"0\",\"leaves\":\"0\","
                 "\"status\":\"cancelled\",\"reason\":\"expired\"");
    order.type = ORDER_MARKET; // its collar price is nobody's business
    assert_order(&order, &none, "\"tif\":\"gtd\",\"stop_price\"");
}

// Reads a secret; the code of what is refused, 0 = nothing.
static uint16_t secret_of(uint8_t out[XVP_SECRET_BYTES], const char *text)
{
    char body[256];
    struct json_object object;
    struct request request;
    struct fault fault = {0};
    int bytes = snprintf(body, sizeof body, "{\"secret\":\"%s\"}", text);
    assert_true(
        request_of_body(&request, &fault, &object, WEB_OP_rest_xvp_reveal, body, (size_t)bytes));
    return order_request_secret(out, &fault, &request) ? 0 : fault.code;
}

static void a_secret_is_64_hexadecimal_digits(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF00000000000000000000000000000000000000007f";
    uint8_t secret[XVP_SECRET_BYTES];
    char text[80];
    assert_int_equal(secret_of(secret, digits), 0);
    assert_true(secret[0] == 0x01 && secret[8] == 0xab && secret[31] == 0x7f);
    (void)snprintf(text, sizeof text, "0x%s", digits);
    assert_int_equal(secret_of(secret, text), 0);
    assert_true(secret[0] == 0x01 && secret[31] == 0x7f);
    assert_int_equal(secret_of(secret, ""), REJECT_MALFORMED);
    assert_int_equal(secret_of(secret, digits + 1), REJECT_MALFORMED);
    assert_int_equal(secret_of(secret, digits + 2), REJECT_MALFORMED);
    (void)snprintf(text, sizeof text, "%s0", digits);
    assert_int_equal(secret_of(secret, text), REJECT_MALFORMED);
    (void)snprintf(text, sizeof text, "g%s", digits + 1);
    assert_int_equal(secret_of(secret, text), REJECT_MALFORMED);
    (void)snprintf(text, sizeof text, "0X%s", digits + 2);
    assert_int_equal(secret_of(secret, text), REJECT_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trader_names_an_account_of_his_own_or_none),
        cmocka_unit_test(every_word_goes_both_ways),
        cmocka_unit_test(a_plain_order_is_order_new),
        cmocka_unit_test(an_order_with_terms_is_order_new_terms),
        cmocka_unit_test(what_is_missing_or_no_word_is_named),
        cmocka_unit_test(an_amend_changes_what_it_names),
        cmocka_unit_test(mass_requests_name_what_they_mean),
        cmocka_unit_test(instants_are_read_and_printed_exactly),
        cmocka_unit_test(orders_have_the_states_of_the_documents),
        cmocka_unit_test(a_secret_is_64_hexadecimal_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
