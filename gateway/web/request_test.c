#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/web/request.h"

static const char order[] =
    "{\"op\":\"place\",\"id\":7,\"symbol\":\"PORT\",\"side\":\"buy\",\"price\":\"100.50\","
    "\"quantity\":\"1.25\",\"client_order_id\":\"c-1\",\"confirm_fat_finger\":true}";

static void request_reads_an_order(void **state)
{
    (void)state;
    struct json_object object;
    struct request request;
    struct fault fault;
    int64_t price, quantity, account;
    char id[REQUEST_ID_BYTES_MAX];
    assert_true(request_of_message(&request, &fault, &object, order, strlen(order)));
    assert_int_equal(request.op, WEB_OP_place);
    assert_true(request_decimal(&price, &fault, &request, WEB_FIELD_price, 6));
    assert_true(request_decimal(&quantity, &fault, &request, WEB_FIELD_quantity, 2));
    assert_true(request_whole(&account, &fault, &request, WEB_FIELD_account, 1000, 5));
    assert_int_equal(price, 100500000);
    assert_int_equal(quantity, 125);
    assert_int_equal(account, 5);
    assert_true(request_flag(&request, WEB_FIELD_confirm_fat_finger));
    assert_false(request_flag(&request, WEB_FIELD_confirm_nav_deviation));
    assert_true(request_text_is(&request, WEB_FIELD_side, "buy"));
    assert_int_equal(request_id(id, &request), 1);
    assert_int_equal(id[0], '7');
}

struct bad_case {
    const char *text;
    uint16_t code;
    const char *field;
};
static const struct bad_case bad_cases[] = {
    {"", REJECT_MALFORMED, "message"},
    {"[]", REJECT_MALFORMED, "message"},
    {"{\"op\":\"place\",\"op\":\"cancel\"}", REJECT_MALFORMED, "message"},
    {"{\"id\":1}", REJECT_MISSING_FIELD, "op"},
    {"{\"op\":5}", REJECT_MALFORMED, "op"},
    {"{\"op\":\"plaice\"}", REJECT_MALFORMED, "op"},
    {"{\"op\":\"rest_login\",\"user\":\"a\",\"password\":\"b\"}", REJECT_MALFORMED, "op"},
    {"{\"op\":\"rest_amend\",\"price\":\"1\"}", REJECT_MALFORMED, "op"},
    {"{\"op\":\"amend\",\"order\":\"1\",\"trail_offset\":\"1\"}", REJECT_UNKNOWN_FIELD,
     "trail_offset"},
    {"{\"op\":\"place\",\"post_only\":\"yes\"}", REJECT_MALFORMED, "post_only"},
    {"{\"op\":\"ping\",\"colour\":\"red\"}", REJECT_UNKNOWN_FIELD, NULL},
    {"{\"op\":\"ping\",\"symbol\":\"PORT\"}", REJECT_UNKNOWN_FIELD, "symbol"},
    {"{\"op\":\"place\"}", REJECT_MISSING_FIELD, "symbol"},
    {"{\"op\":\"login\",\"token\":5}", REJECT_MALFORMED, "token"},
    {"{\"op\":\"login\",\"token\":null}", REJECT_MALFORMED, "token"},
    {"{\"op\":\"amend\",\"quantity\":1.5,\"order\":\"1\"}", REJECT_MALFORMED, "quantity"},
    {"{\"op\":\"settlements\",\"limit\":\"5\"}", REJECT_MALFORMED, "limit"},
    {"{\"op\":\"ping\",\"id\":\"0123456789012345678901234567890123456789\"}", REJECT_MALFORMED,
     "id"},
};

static void request_refuses_with_code_and_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_cases / sizeof *bad_cases; i++) {
        const struct bad_case *c = &bad_cases[i];
        struct json_object object;
        struct request request;
        struct fault fault = {0};
        assert_false(request_of_message(&request, &fault, &object, c->text, strlen(c->text)));
        if (fault.code != c->code || (fault.field == NULL) != (c->field == NULL) ||
            (c->field != NULL && strcmp(fault.field, c->field) != 0))
            fail_msg("%s: code %u field %s", c->text, fault.code, fault.field ? fault.field : "-");
    }
}

static void request_refuses_numbers_that_do_not_fit(void **state)
{
    (void)state;
    static const char *const prices[] = {"",    "1e5", "1.0000001", "99999999999999999999",
                                         "abc", "0x1"};
    for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
        char text[160];
        struct json_object object;
        struct request request;
        struct fault fault = {0};
        int64_t price;
        strcpy(text, "{\"op\":\"amend\",\"order\":\"1\",\"quantity\":\"");
        strcat(text, prices[i]);
        strcat(text, "\"}");
        assert_true(request_of_message(&request, &fault, &object, text, strlen(text)));
        assert_false(request_decimal(&price, &fault, &request, WEB_FIELD_quantity, 6));
        assert_int_equal(fault.code, REJECT_BAD_NUMBER);
        assert_string_equal(fault.field, "quantity");
    }
}

static void request_keeps_the_id_of_a_bad_message(void **state)
{
    (void)state;
    static const char text[] = "{\"id\":\"a\\u00e9b\",\"op\":\"place\",\"colour\":1}";
    static const char quoted[] = "{\"id\":\"a\\\"b\",\"op\":\"ping\"}";
    struct json_object object;
    struct request request;
    struct fault fault;
    char id[REQUEST_ID_BYTES_MAX];
    assert_false(request_of_message(&request, &fault, &object, text, strlen(text)));
    assert_int_equal(request_id(id, &request), 6);
    assert_memory_equal(id,
                        "\"a\xc3\xa9"
                        "b\"",
                        6);
    assert_true(request_of_message(&request, &fault, &object, quoted, strlen(quoted)));
    assert_int_equal(request_id(id, &request), 0);
}

static void request_names_the_field_that_is_none(void **state)
{
    (void)state;
    static const char text[] =
        "{\"op\":\"ping\",\"stop\\\"Price\u00e9<abcdefghijklmnopqrstuvwxyz\":\"1\"}";
    struct json_object object;
    struct request request;
    struct fault fault;
    assert_false(request_of_message(&request, &fault, &object, text, strlen(text)));
    assert_int_equal(fault.code, REJECT_UNKNOWN_FIELD);
    assert_string_equal(fault.unknown, "stop?Price???abcdefghijklmnopqr");
    assert_false(
        request_of_arguments(&request, &fault, &object, WEB_OP_cancel_all, "symbl=PORT\0"));
    assert_string_equal(fault.unknown, "symbl");
    assert_true(request_of_message(&request, &fault, &object, "{\"op\":\"ping\"}", 13));
}

static void request_of_arguments_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    static const struct bad_case cases[] = {
        {"symbol=PORT\0side=sell\0account=1003\0", REJECT_NONE, NULL},
        {"\0", REJECT_NONE, NULL},
        {"symbl=PORT\0", REJECT_UNKNOWN_FIELD, NULL},
        {"symbol=PORT\0price=5\0", REJECT_UNKNOWN_FIELD, "price"},
        {"symbol=PORT\0symbol=ATUN\0", REJECT_MALFORMED, "symbol"},
        {"symbol=PORT\0=\0", REJECT_UNKNOWN_FIELD, NULL},
        {"symbol\0", REJECT_NONE, NULL}, // of no instrument
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_object object;
        struct request request;
        struct fault fault = {0};
        bool good =
            request_of_arguments(&request, &fault, &object, WEB_OP_cancel_all, cases[i].text);
        assert_int_equal(good, cases[i].code == REJECT_NONE);
        assert_int_equal(fault.code, cases[i].code);
        if (cases[i].field != NULL)
            assert_string_equal(fault.field, cases[i].field);
    }
    struct json_object object;
    struct request request;
    struct fault fault;
    int64_t account;
    assert_true(request_of_arguments(&request, &fault, &object, WEB_OP_cancel_all, cases[0].text));
    assert_true(request_text_is(&request, WEB_FIELD_symbol, "PORT"));
    assert_true(request_whole(&account, &fault, &request, WEB_FIELD_account, UINT32_MAX, 0));
    assert_int_equal(account, 1003);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_reads_an_order),
        cmocka_unit_test(request_refuses_with_code_and_field),
        cmocka_unit_test(request_refuses_numbers_that_do_not_fit),
        cmocka_unit_test(request_keeps_the_id_of_a_bad_message),
        cmocka_unit_test(request_names_the_field_that_is_none),
        cmocka_unit_test(request_of_arguments_refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
