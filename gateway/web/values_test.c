#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/web/json_out.h"
#include "gateway/common/rate.h"
#include "gateway/web/route.h"
#include "gateway/web/shapes.h"
#include "gateway/web/token.h"

static void json_out_writes_commas_where_they_belong(void **state)
{
    (void)state;
    struct json_out out;
    json_out_init(&out);
    json_open(&out, '{');
    json_text(&out, "text", "a\"b\\c\n");
    json_name(&out, "list");
    json_open(&out, '[');
    for (int i = 0; i < 2; i++) {
        json_open(&out, '[');
        json_decimal_item(&out, 100500000 + i, 6);
        json_string_item(&out, "x", 1);
        json_item(&out);
        json_raw(&out, "5", 1);
        json_close(&out, ']');
    }
    json_close(&out, ']');
    json_name(&out, "empty");
    json_open(&out, '{');
    json_close(&out, '}');
    json_id(&out, "id", UINT64_MAX);
    json_integer(&out, "n", -3);
    json_boolean(&out, "b", true);
    json_null(&out, "z");
    json_close(&out, '}');
    assert_string_equal(
        out.text,
        "{\"text\":\"a\\\"b\\\\c\\u000a\",\"list\":[[\"100.5\",\"x\",5],[\"100.500001\",\"x\",5]],"
        "\"empty\":{},\"id\":\"18446744073709551615\",\"n\":-3,\"b\":true,\"z\":null}");
    json_out_fini(&out);
}

static void json_out_grows(void **state)
{
    (void)state;
    struct json_out out;
    json_out_init(&out);
    for (int i = 0; i < 100000; i++)
        json_raw(&out, "0123456789", 10);
    assert_int_equal(out.bytes, 1000000);
    assert_int_equal(strlen(out.text), 1000000);
    json_out_fini(&out);
}

static void routes_find_path_and_value(void **state)
{
    (void)state;
    static const struct route routes[] = {
        {HTTP_GET, "/health", 0},
        {HTTP_GET, "/api/v1/instruments", 1},
        {HTTP_GET, "/api/v1/instruments/:symbol/book", 2},
        {HTTP_DELETE, "/api/v1/orders/:id", 3},
    };
    static const struct {
        enum http_method method;
        const char *path;
        int found;
        const char *value;
    } cases[] = {
        {HTTP_GET, "/health", 0, ""},
        {HTTP_POST, "/health", -1, ""},
        {HTTP_GET, "/health/", -1, ""},
        {HTTP_GET, "/healt", -1, ""},
        {HTTP_GET, "/api/v1/instruments", 1, ""},
        {HTTP_GET, "/api/v1/instruments/PORT/book", 2, "PORT"},
        {HTTP_GET, "/api/v1/instruments//book", -1, ""},
        {HTTP_GET, "/api/v1/instruments/PORT/books", -1, ""},
        {HTTP_GET, "/api/v1/instruments/PORT", -1, ""},
        {HTTP_DELETE, "/api/v1/orders/77", 3, "77"},
        {HTTP_DELETE, "/api/v1/orders/77/8", -1, ""},
        {HTTP_DELETE, "/api/v1/orders/", -1, ""},
        {HTTP_DELETE,
         "/api/v1/orders/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         -1, ""},
        {HTTP_GET, "", -1, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char value[ROUTE_VALUE_BYTES_MAX];
        assert_int_equal(route_find(value, routes, 4, cases[i].method, cases[i].path),
                         cases[i].found);
        assert_string_equal(value, cases[i].value);
    }
}

static void rate_lets_a_second_of_messages_through(void **state)
{
    (void)state;
    struct rate rate = {0};
    uint64_t now = 5000000000000u;
    int passed = 0;
    for (int i = 0; i < 500; i++)
        passed += rate_take(&rate, now, 200);
    assert_int_equal(passed, 200);
    for (int i = 0; i < 100; i++)
        passed += rate_take(&rate, now += 10000000, 200); // 10 ms earn two
    assert_int_equal(passed, 300);
    passed = 0;
    now += 3600000000000u; // an hour earns no more than a second
    for (int i = 0; i < 500; i++)
        passed += rate_take(&rate, now, 200);
    assert_int_equal(passed, 200);
}

static bool issue(struct tokens *tokens, char *text, uint32_t session, uint64_t now_ns,
                  uint64_t expires_ns)
{
    struct token of = {
        .session = session, .login = session + 10, .login_version = 7, .expires_ns = expires_ns};
    return tokens_issue(tokens, text, &of, now_ns);
}

static void tokens_of_another_version_of_their_login_are_stale(void **state)
{
    (void)state;
    char one[TOKEN_TEXT_BYTES + 1], two[TOKEN_TEXT_BYTES + 1];
    struct tokens *tokens = tokens_create();
    assert_true(issue(tokens, one, 3, 100, 200));
    assert_true(issue(tokens, two, 4, 100, 200));
    assert_int_equal(tokens_stale(tokens, 13, 7), 0);
    assert_int_equal(tokens_stale(tokens, 13, 8), 1);
    tokens_revoke(tokens, 1);
    assert_int_equal(tokens_stale(tokens, 13, 8), 0);
    assert_int_equal(tokens_stale(tokens, 0, 0), 0); // free entries are no tokens
    tokens_destroy(tokens);
}

static void tokens_are_found_until_they_expire_or_are_revoked(void **state)
{
    (void)state;
    struct tokens *tokens = tokens_create();
    char one[TOKEN_TEXT_BYTES + 1], two[TOKEN_TEXT_BYTES + 1];
    struct token token;
    assert_true(issue(tokens, one, 3, 100, 200));
    assert_true(issue(tokens, two, 4, 100, 300));
    assert_string_not_equal(one, two);
    assert_true(tokens_find(tokens, &token, one, strlen(one), 150));
    assert_int_equal(token.session, 3);
    assert_false(tokens_find(tokens, &token, one, strlen(one), 200));
    assert_true(tokens_find(tokens, &token, two, strlen(two), 250));
    tokens_revoke(tokens, token.number);
    assert_false(tokens_find(tokens, &token, two, strlen(two), 250));
    one[0] = one[0] == 'a' ? 'b' : 'a';
    assert_false(tokens_find(tokens, &token, one, strlen(one), 150));
    assert_false(tokens_find(tokens, &token, one, 10, 150));
    tokens_destroy(tokens);
}

static void tokens_of_one_session_push_out_the_oldest(void **state)
{
    (void)state;
    struct tokens *tokens = tokens_create();
    char first[TOKEN_TEXT_BYTES + 1], later[TOKEN_TEXT_BYTES + 1];
    struct token token;
    assert_true(issue(tokens, first, 3, 1, 1000));
    for (int i = 0; i < TOKENS_PER_SESSION_MAX; i++)
        assert_true(issue(tokens, later, 3, 1, 1000));
    assert_false(tokens_find(tokens, &token, first, strlen(first), 2));
    assert_true(tokens_find(tokens, &token, later, strlen(later), 2));
    tokens_destroy(tokens);
}

static void errors_carry_numbers_as_people_read_them(void **state)
{
    (void)state;
    struct json_out out;
    json_out_init(&out);
    json_open(&out, '{');
    shape_error(&out,
                &(struct fault){
                    .code = REJECT_OFF_TICK, .limit = 10000, .value = 100005000, .token_scale = 2});
    json_close(&out, '}');
    assert_non_null(strstr(out.text, "\"name\":\"OFF_TICK\""));
    assert_non_null(strstr(out.text, "price 100.005 is not a multiple of the tick 0.01"));
    assert_non_null(strstr(out.text, "\"limit\":\"0.01\",\"value\":\"100.005\",\"hint\""));
    json_clear(&out);
    json_open(&out, '{');
    shape_error(&out, &(struct fault){.code = REJECT_MISSING_FIELD, .field = "price"});
    json_close(&out, '}');
    assert_non_null(strstr(out.text, "\"text\":\"field price is missing\",\"field\":\"price\""));
    json_out_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_another_version_of_their_login_are_stale),
        cmocka_unit_test(json_out_writes_commas_where_they_belong),
        cmocka_unit_test(json_out_grows),
        cmocka_unit_test(routes_find_path_and_value),
        cmocka_unit_test(rate_lets_a_second_of_messages_through),
        cmocka_unit_test(tokens_are_found_until_they_expire_or_are_revoked),
        cmocka_unit_test(tokens_of_one_session_push_out_the_oldest),
        cmocka_unit_test(errors_carry_numbers_as_people_read_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
