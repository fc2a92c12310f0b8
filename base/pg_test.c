// The shim against a real server, named by LONJA_TEST_PG_HOST, _PORT, _DATABASE and _SECRETS (a
// folder with pg-lonja_owner, as schema/sql/setup makes it). Without them the test says so and is
// skipped (77).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pg_async.h"
#include "base/pg_copy.h"
#include "base/pg_testing.h"

static struct pg_settings settings;

static void must(enum pg_class class, struct pg *pg)
{
    if (class != PG_OK)
        fail_msg("%s %s: %s", pg_class_name(class), pg_last_error(pg)->sqlstate,
                 pg_last_error(pg)->message);
}

static struct pg *open_or_fail(void)
{
    struct pg *pg = pg_open(&settings);
    must(pg_connect(pg), pg);
    return pg;
}

static int64_t number_of(struct pg *pg, const char *sql)
{
    struct pg_rows *rows;
    must(pg_query(pg, &rows, sql, PG_NO_PARAMS), pg);
    int64_t number = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return number;
}

// ---- blocking

static void parameters_of_every_type_come_back(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail();
    static const uint8_t bytes[] = {0, 1, 255, '\\'};
    uint8_t back[8];
    struct pg_rows *rows;
    for (int round = 0; round < 2; round++) { // the second is prepared already
        must(pg_query(pg, &rows, "SELECT $1::bigint, $2::boolean, $3::text, $4::bytea, $5::text",
                      PG_PARAMS(pg_i64(INT64_MIN), pg_bool(true), pg_text("a'b"),
                                pg_bytes(bytes, 4), pg_null())),
             pg);
        assert_true(pg_number(rows, 0, 0) == INT64_MIN);
        assert_int_equal(pg_number(rows, 0, 1), 1);
        assert_string_equal(pg_value(rows, 0, 2), "a'b");
        assert_int_equal(pg_bytea(rows, 0, 3, back, sizeof back), 4);
        assert_memory_equal(back, bytes, 4);
        assert_true(pg_is_null(rows, 0, 4));
        assert_null(pg_value(rows, 0, 4));
        pg_rows_free(rows);
    }
    pg_close(pg);
}

static void errors_have_their_class(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail();
    must(pg_execute(pg, "CREATE TEMP TABLE once (n bigint CONSTRAINT once_only PRIMARY KEY); "
                        "INSERT INTO once VALUES (1)"),
         pg);
    assert_int_equal(pg_query(pg, NULL, "INSERT INTO once VALUES (1)", PG_NO_PARAMS),
                     PG_CONSTRAINT);
    assert_string_equal(pg_last_error(pg)->constraint, "once_only");
    assert_int_equal(pg_query(pg, NULL, "SELECT nonsense", PG_NO_PARAMS), PG_REFUSED);
    assert_int_equal(pg_execute(pg, "SET statement_timeout = 50; SELECT pg_sleep(5)"),
                     PG_TRANSIENT);
    assert_true(pg_connected(pg));
    assert_int_equal(pg_execute(pg, "SELECT pg_terminate_backend(pg_backend_pid())"), PG_GONE);
    assert_false(pg_connected(pg));
    assert_int_equal(number_of(pg, "SELECT 7"), 7); // a new connection, prepared anew
    assert_int_equal(pg_connections(pg), 2);
    pg_close(pg);
}

static void a_broken_transaction_cannot_be_committed(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail();
    must(pg_begin(pg), pg);
    assert_int_equal(pg_execute(pg, "SELECT 1/0"), PG_REFUSED);
    assert_int_equal(pg_commit(pg), PG_REFUSED);
    must(pg_begin(pg), pg);
    assert_int_equal(pg_execute(pg, "SELECT pg_terminate_backend(pg_backend_pid())"), PG_GONE);
    assert_int_equal(pg_commit(pg), PG_GONE); // and not a COMMIT of nothing on a new connection
    pg_close(pg);
}

static void an_absent_server_is_tried_again_with_growing_waits(void **state)
{
    (void)state;
    struct pg_settings nowhere = settings;
    snprintf(nowhere.host, sizeof nowhere.host, "127.0.0.1");
    nowhere.port = 1;
    struct pg *pg = pg_open(&nowhere);
    assert_int_equal(pg_connect(pg), PG_GONE);
    uint32_t first_ms = pg_retry_wait_ms(pg);
    assert_in_range(first_ms, 1, 100);
    assert_int_equal(pg_connect(pg), PG_GONE); // at once, without trying
    poll(NULL, 0, (int)first_ms + 1);
    assert_int_equal(pg_connect(pg), PG_GONE);
    assert_in_range(pg_retry_wait_ms(pg), 101, 200);
    pg_close(pg);
}

static void a_wrong_password_is_refused(void **state)
{
    (void)state;
    struct pg_settings wrong = settings;
    wrong.password_file[0] = 0;
    struct pg *pg = pg_open(&wrong);
    assert_int_equal(pg_connect(pg), PG_REFUSED);
    pg_close(pg);
    wrong = settings;
    snprintf(strrchr(wrong.password_file, '/'), 16, "/pg-lonja_web"); // somebody else's
    pg = pg_open(&wrong);
    assert_int_equal(pg_connect(pg), PG_REFUSED);
    pg_close(pg);
}

static void copy_brings_every_type(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail();
    struct pg_copy copy;
    pg_copy_init(&copy);
    must(pg_execute(
             pg,
             "CREATE TEMP TABLE types (a smallint, b integer, c bigint, d boolean, e text, f jsonb,"
             " g timestamptz, h text)"),
         pg);
    for (int i = 0; i < 50000; i++) { // more than one piece
        pg_copy_row(&copy, 8);
        pg_copy_i16(&copy, -3);
        pg_copy_i32(&copy, i);
        pg_copy_i64(&copy, INT64_MAX);
        pg_copy_bool(&copy, true);
        pg_copy_text(&copy, "tab\tnewline\n\\.");
        pg_copy_jsonb(&copy, "{\"a\": 1}", 8);
        pg_copy_time(&copy, 1700000000123456789ULL);
        pg_copy_null(&copy);
    }
    must(pg_copy_send(pg, &copy, "types (a, b, c, d, e, f, g, h)"), pg);
    assert_int_equal(copy.rows, 50000); // kept until it is cleared
    pg_copy_clear(&copy);
    assert_int_equal(
        number_of(pg, "SELECT count(*) FROM types WHERE a = -3 AND c = 9223372036854775807 AND d"
                      " AND e = E'tab\\tnewline\\n\\\\.' AND f = '{\"a\": 1}' AND h IS NULL"
                      " AND g = to_timestamp(1700000000) + interval '123456 microseconds'"),
        50000);
    assert_int_equal(number_of(pg, "SELECT sum(b) FROM types"), 1249975000);
    pg_copy_row(&copy, 1);
    pg_copy_i32(&copy, 1);
    assert_int_equal(pg_copy_send(pg, &copy, "types (nonsense)"), PG_REFUSED);
    pg_copy_fini(&copy);
    pg_close(pg);
}

// How a statement that is on its way ends; *turns: how often its caller had time for something
// else.
static enum pg_class landed(struct pg *pg, struct pg_rows **rows, int *turns)
{
    enum pg_class class;
    for (*turns = 0; !pg_poll(pg, &class, rows); ++*turns)
        pg_await(pg, 5);
    return class;
}

static void a_statement_is_on_its_way_while_its_caller_goes_on(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail();
    struct pg_rows *rows;
    int turns;
    must(pg_send(pg, "SELECT $1::bigint + 1, pg_sleep(0.1)", PG_PARAMS(pg_i64(6))), pg);
    must(landed(pg, &rows, &turns), pg);
    assert_int_equal(pg_number(rows, 0, 0), 7);
    assert_true(turns >= 2);
    pg_rows_free(rows);
    must(pg_send_text(pg, "SELECT 1 / 0"), pg);
    assert_int_equal(landed(pg, &rows, &turns), PG_REFUSED);
    assert_null(rows);
    assert_string_equal(pg_last_error(pg)->sqlstate, "22012");
    assert_int_equal(number_of(pg, "SELECT 5"), 5); // the connection lives
    pg_close(pg);
}

// The server has refused the third row long before the last one is sent.
static void a_copy_that_is_refused_on_its_way_names_the_row(void **state)
{
    (void)state;
    enum { ROWS = 200000 };
    struct pg *pg = open_or_fail();
    struct pg_copy copy;
    int turns;
    pg_copy_init(&copy);
    must(pg_execute(pg, "CREATE TEMP TABLE once (a integer PRIMARY KEY)"), pg);
    for (int i = 0; i < ROWS; i++) {
        pg_copy_row(&copy, 1);
        pg_copy_i32(&copy, i == 2 ? 1 : i);
    }
    must(pg_copy_start(pg, &copy, "once (a)"), pg);
    assert_int_equal(landed(pg, NULL, &turns), PG_CONSTRAINT);
    assert_string_equal(pg_last_error(pg)->constraint, "once_pkey");
    assert_string_equal(pg_last_error(pg)->detail, "Key (a)=(1) already exists.");
    assert_int_equal(number_of(pg, "SELECT count(*) FROM once"), 0);
    pg_copy_fini(&copy);
    pg_close(pg);
}

static void notifications_survive_a_reconnect(void **state)
{
    (void)state;
    struct pg *pg = open_or_fail(), *other = open_or_fail();
    struct pg_notification notification;
    must(pg_listen(pg, "pg_test"), pg);
    must(pg_execute(other, "NOTIFY pg_test, 'one'"), other);
    assert_true(pg_wait_notification(pg, &notification, 2000));
    assert_string_equal(notification.payload, "one");
    assert_false(pg_wait_notification(pg, &notification, 20));
    pg_disconnect(pg);
    assert_false(
        pg_wait_notification(pg, &notification, 2000)); // connected anew: look at the tables
    must(pg_execute(other, "NOTIFY pg_test, 'two'"), other);
    assert_true(pg_wait_notification(pg, &notification, 2000));
    assert_string_equal(notification.payload, "two");
    pg_close(pg);
    pg_close(other);
}

// ---- for event loops

struct answers {
    size_t count, good, gone;
    int64_t last;
    char payload[64];
};

static void answered(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct answers *answers = context;
    answers->count++;
    answers->good += error->class == PG_OK;
    answers->gone += error->class == PG_GONE;
    if (rows && pg_rows_count(rows))
        answers->last = answers->last * 10 + pg_number(rows, 0, 0);
}

static void notified(void *context, const char *channel, const char *payload)
{
    struct answers *answers = context;
    assert_string_equal(channel, "pg_test");
    snprintf(answers->payload, sizeof answers->payload, "%s", payload);
}

static uint64_t now(void)
{
    return clock_monotone_ns(&clock_system);
}

// A loop as a gateway has it, until `count` answers have come or the time is over.
enum { PATIENCE_MS = 60000 }; // for what takes milliseconds on a machine that does nothing else

static void run(struct pg_async *pg, const size_t *counter, size_t count, int timeout_ms)
{
    uint64_t end = now() + (uint64_t)timeout_ms * 1000000;
    while (*counter < count && now() < end) {
        pg_async_work(pg, now());
        if (*counter >= count)
            return;
        struct pollfd fd = {.fd = pg_async_fd(pg), .events = pg_async_events(pg)};
        uint64_t deadline = pg_async_deadline_ns(pg), at = now();
        int wait_ms = deadline <= at             ? 0
                      : deadline - at > 20000000 ? 20
                                                 : 1 + (int)((deadline - at) / 1000000);
        poll(&fd, fd.fd >= 0, wait_ms);
    }
}

static bool ask(struct pg_async *pg, struct answers *answers, const char *sql, int64_t number,
                uint32_t timeout_ms)
{
    return pg_async_query(pg, sql, PG_PARAMS(pg_i64(number)), now(), timeout_ms, answered, answers);
}

static void queries_are_answered_in_order_and_the_queue_is_bounded(void **state)
{
    (void)state;
    struct answers answers = {0};
    struct pg_async *pg = pg_async_open(&settings, 4);
    for (int i = 1; i <= 4; i++)
        assert_true(ask(pg, &answers, "SELECT $1::bigint", i, PATIENCE_MS));
    assert_false(ask(pg, &answers, "SELECT $1::bigint", 5, PATIENCE_MS));
    run(pg, &answers.count, 4, PATIENCE_MS);
    assert_int_equal(answers.last, 1234);
    assert_int_equal(answers.good, 4);
    assert_true(pg_async_connected(pg));
    pg_async_close(pg);
}

static void a_slow_query_breaks_off_and_the_next_is_answered(void **state)
{
    (void)state;
    struct answers answers = {0};
    struct pg_async *pg = pg_async_open(&settings, 8);
    assert_true(ask(pg, &answers, "SELECT $1::bigint FROM pg_sleep(3)", 1, 300));
    assert_true(ask(pg, &answers, "SELECT $1::bigint", 2, PATIENCE_MS));
    run(pg, &answers.count, 2, PATIENCE_MS);
    assert_int_equal(answers.gone, 1);
    assert_int_equal(answers.last, 2);
    pg_async_close(pg);
}

static void a_lost_connection_answers_gone_and_comes_back(void **state)
{
    (void)state;
    struct answers answers = {0};
    struct pg_async *pg = pg_async_open(&settings, 8);
    pg_async_listen(pg, "pg_test", notified, &answers);
    assert_true(ask(pg, &answers, "SELECT pg_terminate_backend(pg_backend_pid())::int + $1::bigint",
                    1, PATIENCE_MS));
    assert_true(ask(pg, &answers, "SELECT $1::bigint", 2, PATIENCE_MS));
    run(pg, &answers.count, 2, PATIENCE_MS);
    assert_int_equal(answers.gone, 1);
    assert_int_equal(answers.last, 2);
    assert_true(
        ask(pg, &answers, "SELECT 3 FROM pg_notify('pg_test', 'n' || $1::bigint)", 9, PATIENCE_MS));
    run(pg, &answers.count, 3, PATIENCE_MS);
    run(pg, &answers.count, 4, 100);
    assert_string_equal(answers.payload, "n9");
    pg_async_close(pg);
}

static void an_absent_server_answers_in_time(void **state)
{
    (void)state;
    struct answers answers = {0}, forgotten = {0};
    struct pg_settings nowhere = settings;
    snprintf(nowhere.host, sizeof nowhere.host, "127.0.0.1");
    nowhere.port = 1;
    struct pg_async *pg = pg_async_open(&nowhere, 8);
    assert_true(ask(pg, &answers, "SELECT $1::bigint", 1, 200));
    assert_true(ask(pg, &forgotten, "SELECT $1::bigint", 1, 200));
    pg_async_forget(pg, &forgotten);
    uint64_t begin = now();
    run(pg, &answers.count, 1, PATIENCE_MS);
    assert_int_equal(answers.gone, 1);
    assert_in_range((now() - begin) / 1000000, 150, 1000);
    assert_int_equal(forgotten.count, 0);
    assert_true(ask(pg, &answers, "SELECT $1::bigint", 1, PATIENCE_MS));
    pg_async_close(pg);
    assert_int_equal(answers.gone, 2);
}

static void a_statement_that_fails_is_answered_and_costs_no_connection(void **state)
{
    (void)state;
    struct answers answers = {0};
    struct pg_async *pg = pg_async_open(&settings, 8);
    assert_true(
        ask(pg, &answers, "SELECT nonsense($1::bigint)", 1, PATIENCE_MS)); // fails in PREPARE
    assert_true(ask(pg, &answers, "SELECT 1 / ($1::bigint - 1)", 1, PATIENCE_MS));
    assert_true(ask(pg, &answers, "SELECT $1::bigint", 3, PATIENCE_MS));
    run(pg, &answers.count, 3, PATIENCE_MS);
    assert_int_equal(answers.good, 1);
    assert_int_equal(answers.gone, 0);
    assert_int_equal(answers.last, 3);
    pg_async_close(pg);
}

int main(void)
{
    struct config config = {0};
    if (!pg_testing_server(&config)) {
        fprintf(
            stderr,
            "pg_test: skipped: LONJA_TEST_PG_HOST, _PORT, _DATABASE, _SECRETS name no server\n");
        return 77;
    }
    pg_settings_of(&settings, &config, "lonja_owner");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_of_every_type_come_back),
        cmocka_unit_test(errors_have_their_class),
        cmocka_unit_test(a_broken_transaction_cannot_be_committed),
        cmocka_unit_test(an_absent_server_is_tried_again_with_growing_waits),
        cmocka_unit_test(a_wrong_password_is_refused),
        cmocka_unit_test(copy_brings_every_type),
        cmocka_unit_test(a_statement_is_on_its_way_while_its_caller_goes_on),
        cmocka_unit_test(a_copy_that_is_refused_on_its_way_names_the_row),
        cmocka_unit_test(notifications_survive_a_reconnect),
        cmocka_unit_test(queries_are_answered_in_order_and_the_queue_is_bounded),
        cmocka_unit_test(a_slow_query_breaks_off_and_the_next_is_answered),
        cmocka_unit_test(a_lost_connection_answers_gone_and_comes_back),
        cmocka_unit_test(an_absent_server_answers_in_time),
        cmocka_unit_test(a_statement_that_fails_is_answered_and_costs_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
