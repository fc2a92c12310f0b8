// The record codec at the trust boundary: what command_check lets in, and what it does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "schema/records.h"
#include "schema/rejects.h"

static struct command order_with_id(const char *id)
{
    struct command command;
    memset(&command, 0, sizeof command);
    size_t bytes = strlen(id);
    command.header.type = CMD_order_new;
    command.header.version = SCHEMA_VERSION;
    command.header.slots = command_slots(CMD_order_new, bytes);
    command.body.order_new.client_id_bytes = (uint8_t)bytes;
    memcpy(command_tail_writable(&command), id, bytes);
    return command;
}

static void sizes_are_what_the_design_says(void **state)
{
    (void)state;
    assert_int_equal(command_slots(CMD_order_cancel, 0), 1);
    assert_int_equal(command_slots(CMD_order_cancel, CLIENT_ID_BYTES_MAX), 2);
    assert_int_equal(command_slots(CMD_order_new, CLIENT_ID_BYTES_MAX), 2);
    assert_int_equal(command_fixed_bytes(CMD_padding), 0);
    assert_int_equal(command_fixed_bytes(63), 0);
}

static void a_well_formed_order_passes_the_check(void **state)
{
    (void)state;
    struct command command = order_with_id("A-1");
    assert_true(command_check(&command));
}

static void a_record_with_a_lie_is_refused(void **state)
{
    (void)state;
    struct command good = order_with_id("A-1"), bad;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        assert_false(command_check(&bad));                                                         \
    } while (0)
    REFUSED(bad.header.type = 63);
    REFUSED(bad.header.type = CMD_padding);
    REFUSED(bad.header.type = 255);
    REFUSED(bad.header.version = SCHEMA_VERSION + 1);
    REFUSED(bad.header.slots = 0);
    REFUSED(bad.header.slots = 1);
    REFUSED(bad.header.slots = 3);
    REFUSED(bad.header.slots = 17);
    REFUSED(bad.body.order_new.client_id_bytes = CLIENT_ID_BYTES_MAX + 1);
    REFUSED(bad.body.order_new.client_id_bytes = 2); // a byte of the old tail is now behind the end
    REFUSED(bad.body.order_new.reserved[1] = 1);
    REFUSED(((char *)&bad)[127] = 1);
#undef REFUSED
}

static void only_the_right_gateway_may_send_a_command(void **state)
{
    (void)state;
    assert_true(command_allowed(GATEWAY_FIX, CMD_order_new));
    assert_false(command_allowed(GATEWAY_ADMIN, CMD_order_new));
    assert_false(command_allowed(GATEWAY_FIX, CMD_ledger_post));
    assert_false(command_allowed(GATEWAY_SETTLE, CMD_ledger_post));
    assert_true(command_allowed(GATEWAY_SETTLE, CMD_settlement_result));
    assert_true(command_allowed(GATEWAY_INDEX, CMD_ledger_post));
    assert_true(command_allowed(GATEWAY_INDEX, CMD_breaker_set));
    assert_false(command_allowed(GATEWAY_INDEX, CMD_settlement_result));
    assert_false(command_allowed(GATEWAY_INDEX, CMD_instrument_phase));
    assert_false(command_allowed(GATEWAY_WEB, CMD_clock_tick));
    assert_false(command_allowed(GATEWAY_COUNT, CMD_order_new));
    assert_false(command_allowed(200, CMD_order_new));
    assert_false(command_allowed(GATEWAY_FIX, 200));
}

static void the_indexer_reports_transfers_and_trips_and_nothing_else(void **state)
{
    (void)state;
    struct command command = {.header.type = CMD_ledger_post};
    struct ledger_post_cmd *post = &command.body.ledger_post;
    for (uint8_t kind = 0; kind <= POSTING_COVER + 1; kind++) {
        bool chain = kind == POSTING_CHAIN_IN || kind == POSTING_CHAIN_OUT;
        post->kind = kind;
        post->ref_source = REF_INDEX;
        assert_int_equal(command_content_allowed(GATEWAY_INDEX, &command), chain);
        assert_true(command_content_allowed(GATEWAY_ADMIN, &command));
        post->ref_source = REF_ADMIN;
        assert_false(command_content_allowed(GATEWAY_INDEX, &command));
    }
    command = (struct command){.header.type = CMD_breaker_set, .body.breaker_set.tripped = 1};
    assert_true(command_content_allowed(GATEWAY_INDEX, &command));
    command.body.breaker_set.tripped = 0;
    assert_false(command_content_allowed(GATEWAY_INDEX, &command));
    assert_true(command_content_allowed(GATEWAY_ADMIN, &command));
    command.header.type = CMD_gateway_attach;
    assert_true(command_content_allowed(GATEWAY_INDEX, &command));
}

static void dump_is_one_line_of_json_and_respects_its_size(void **state)
{
    (void)state;
    struct command command = order_with_id("A\"1");
    command.body.order_new.price = -5;
    char text[1024];
    int length = command_dump(&command, text, sizeof text);
    assert_true(length > 0 && (size_t)length == strlen(text));
    assert_non_null(strstr(text, "\"command\":\"order_new\""));
    assert_non_null(strstr(text, "\"price\":-5"));
    assert_non_null(strstr(text, "\"client_id\":\"A\\\"1\""));
    char small[10];
    assert_int_equal(command_dump(&command, small, sizeof small), length);
    assert_int_equal(strlen(small), 9);
}

static void an_instruction_is_dumped_with_its_legs(void **state)
{
    (void)state;
    const struct xvp_leg_tail legs[] = {{20, 21, 2, XVP_LOCAL, 10}, {21, 20, 1, XVP_LOCAL, 900}};
    struct command command = {.header = {.slots = command_slots(CMD_xvp_create, sizeof legs),
                                         .type = CMD_xvp_create,
                                         .version = SCHEMA_VERSION}};
    command.body.xvp_create.leg_count = 2;
    memcpy(command_tail_writable(&command), legs, sizeof legs);
    assert_true(command_check(&command));
    char text[512];
    (void)command_dump(&command, text, sizeof text);
    assert_non_null(strstr(text,
                           "\"legs\":[{\"from\":20,\"to\":21,\"asset\":2,\"kind\":1,\"amount\":10},"
                           "{\"from\":21,\"to\":20,\"asset\":1,\"kind\":1,\"amount\":900}]}"));
    command.body.xvp_create.leg_count = XVP_LEGS_MAX + 1;
    assert_false(command_check(&command));
}

static void an_instructions_lock_and_secret_are_dumped(void **state)
{
    (void)state;
    const struct xvp_leg_tail leg = {20, 21, 2, XVP_LOCAL, 10};
    const struct xvp_lock_tail lock = {.hash = {[0] = 0xab, [31] = 1}, .margin_ns = 5};
    const struct xvp_external_tail end = {70, XVP_CLAIMED_LAST};
    const size_t bytes = sizeof leg + sizeof lock + sizeof end;
    struct command command = {.header = {.slots = command_slots(CMD_xvp_create, bytes),
                                         .type = CMD_xvp_create,
                                         .version = SCHEMA_VERSION}};
    command.body.xvp_create.leg_count = command.body.xvp_create.external_count = 1;
    char *tail = command_tail_writable(&command);
    memcpy(tail, &leg, sizeof leg);
    memcpy(tail + sizeof leg, &lock, sizeof lock);
    memcpy(tail + sizeof leg + sizeof lock, &end, sizeof end);
    assert_true(command_check(&command));
    char text[1024];
    (void)command_dump(&command, text, sizeof text);
    assert_non_null(strstr(text, ",\"hash\":\"0xab000000"));
    assert_non_null(
        strstr(text, "01\",\"margin_ns\":5,\"externals\":[{\"deadline_ns\":70,\"claimed\":2}]}"));
    command.body.xvp_create.external_count = 0; // what is left of the tail is not zero
    assert_false(command_check(&command));
    command.body.xvp_create.external_count = XVP_EXTERNALS_MAX + 1;
    assert_false(command_check(&command));
    memset(&command, 0, sizeof command);
    command.header = (struct command_header){.slots = command_slots(CMD_xvp_act, XVP_SECRET_BYTES),
                                             .type = CMD_xvp_act,
                                             .version = SCHEMA_VERSION};
    command.body.xvp_act.action = XVP_REVEAL;
    memset(command_tail_writable(&command), 0x5c, XVP_SECRET_BYTES);
    assert_true(command_check(&command));
    (void)command_dump(&command, text, sizeof text);
    assert_non_null(strstr(text, ",\"secret\":\"0x5c5c"));
    command.body.xvp_act.action = XVP_EXECUTE; // has none
    assert_false(command_check(&command));
}

static void rejects_fill_in_their_numbers(void **state)
{
    (void)state;
    char text[256];
    reject_text(REJECT_OFF_TICK, 10000, 12345678, 0, 2, text, sizeof text);
    assert_string_equal(text, "price 12.345678 is not a multiple of the tick 0.01");
    reject_text(REJECT_QUANTITY_MAX, 100000, 250050, 0, 2, text, sizeof text);
    assert_string_equal(text, "quantity 2500.5 above 1000");
    reject_text(REJECT_OFF_TICK, 10000, -500000, 0, 2, text, sizeof text);
    assert_string_equal(text, "price -0.5 is not a multiple of the tick 0.01");
    reject_text(REJECT_TRAIL_OFFSET, 10000, 5000, ORDER_LIMIT, 2, text, sizeof text);
    assert_string_equal(text, "trail offset 0.005 does not fit order type limit");
    reject_text(REJECT_EXPIRE_TIME, 0, 1577836800000000000, TIF_GTD, 2, text, sizeof text);
    assert_string_equal(text, "expire time 2020-01-01T00:00:00Z does not fit time in force gtd");
    reject_text(REJECT_TICK_TABLE, 0, 500030000, 1, 0, text, sizeof text);
    assert_string_equal(text, "band 1 of the tick table is refused: 500.03");
    reject_text(REJECT_PHASE, PHASE_CONTINUOUS, PHASE_HALTED, TIF_DAY, 2, text, sizeof text);
    assert_string_equal(text, "the phase halted takes no such order");
    reject_text(REJECT_AMEND_FIELD, 0, 200, 4, 2, text, sizeof text);
    assert_string_equal(text, "field display quantity of this order cannot be amended");
    reject_text(REJECT_ORDER_TYPE, 0, 'P', 0, 2, text, sizeof text);
    assert_string_equal(text, "order type P is not supported");
    reject_text(REJECT_ORDER_TYPE, 0, 9, 0, 2, text, sizeof text);
    assert_string_equal(text, "order type 9 is not supported");
    reject_text(REJECT_UNKNOWN_ORDER, 0, 0, 0, 2, text, sizeof text);
    assert_string_equal(text, "order of that client order id is not open");
    reject_text_of_holding(REJECT_INSUFFICIENT_BALANCE, 100500000, 25, 0, 6, text, sizeof text);
    assert_string_equal(text, "needs 100.5, available 0.000025");
    reject_text_of_holding(REJECT_DEFICIT, 0, 300, 3, 2, text, sizeof text);
    assert_string_equal(text, "the account lacks 3 of asset 3");
    reject_text(REJECT_UNKNOWN_ORDER, 0, 7, 0, 2, text, sizeof text);
    assert_string_equal(text, "order 7 is not open");
    assert_string_equal(reject_entry(12345)->name, "UNKNOWN_COMMAND");
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++)
        assert_true(reject_text(code, INT64_MIN, INT64_MAX, -1, 8, text, sizeof text) < 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_what_the_design_says),
        cmocka_unit_test(a_well_formed_order_passes_the_check),
        cmocka_unit_test(a_record_with_a_lie_is_refused),
        cmocka_unit_test(only_the_right_gateway_may_send_a_command),
        cmocka_unit_test(the_indexer_reports_transfers_and_trips_and_nothing_else),
        cmocka_unit_test(dump_is_one_line_of_json_and_respects_its_size),
        cmocka_unit_test(an_instruction_is_dumped_with_its_legs),
        cmocka_unit_test(an_instructions_lock_and_secret_are_dumped),
        cmocka_unit_test(rejects_fill_in_their_numbers),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
