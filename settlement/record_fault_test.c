// Every fault of the database that the recorder is made for (the table is in settlement/README.md),
// against a real server: what the recorder does meanwhile, what it says, and that the rows are
// those of an undisturbed run when the fault is over.
//
// Needs a scratch database (record_testing.h). LONJA_TEST_PG_TINY names a tablespace that has room
// for very little; without it the full disk is only pretended.
#include "settlement/record_testing.h"

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settlement/record_proxy.h"

enum { COMMANDS = 500, ROWS = 120, PATIENCE_MS = 300000 };

static struct testing_venue venue;
static char expected[TESTING_DUMP_BYTES];
static struct record record;
static bool recording;    // record is there
static struct pg *holder; // as lonja_owner: holds locks

static int make_the_venue(void **state)
{
    (void)state;
    testing_venue_init(&venue, 77);
    testing_venue_run(&venue, COMMANDS);
    testing_database_empty();
    testing_record_all(&venue, ROWS);
    testing_database_dump(expected);
    return 0;
}

static int forget_the_venue(void **state)
{
    (void)state;
    testing_venue_fini(&venue);
    return 0;
}

static void begin_with(const struct pg_settings *settings, int batch_rows_max)
{
    venue.boot.config.record_batch_rows_max = batch_rows_max;
    assert_true(record_init(&record, &venue.boot, settings));
    recording = true;
}

static void end(void)
{
    record_fini(&record);
    recording = false;
}

static void begin(int batch_rows_max)
{
    testing_database_empty();
    begin_with(&testing_recorder, batch_rows_max);
}

static void work(void)
{
    if (record_do_work(&record, testing_now()) == 0)
        record_wait(&record, testing_now());
}

static void go_to(uint64_t sequence)
{
    testing_record_until(&record, sequence, PATIENCE_MS);
    assert_true(record.cursor.sequence >= sequence);
}

static void finish(void)
{
    go_to(venue.sequence);
    end();
    testing_database_is(expected);
}

static const char *reason(void)
{
    return record_store_reason(record.store);
}

// Works until the recorder has a reason in which these words are.
static void until_it_says(const char *words)
{
    uint64_t end = testing_now() + PATIENCE_MS * 1000000ULL;
    while (strstr(reason(), words) == NULL && record.phase != RECORD_STOPPED && testing_now() < end)
        work();
    if (strstr(reason(), words) == NULL)
        fail_msg("it says \"%s\", not \"%s\"", reason(), words);
}

static void waits_because(const char *words)
{
    until_it_says(words);
    assert_int_not_equal(record.phase, RECORD_STOPPED);
    assert_true(record.database_lost);
}

static void stops_because(const char *words)
{
    testing_record_until(&record, UINT64_MAX, PATIENCE_MS);
    assert_int_equal(record.stop, RECORD_STOP_BROKEN);
    if (strstr(reason(), words) == NULL)
        fail_msg("it says \"%s\", not \"%s\"", reason(), words);
    end();
}

// The recorder goes on meanwhile: what it holds, it would otherwise hold for ever.
static void execute(struct pg *pg, const char *sql)
{
    enum pg_class class = pg_send_text(pg, sql);
    while (class == PG_OK && !pg_poll(pg, &class, NULL))
        if (recording)
            work();
        else
            pg_await(pg, 100);
    if (class != PG_OK)
        fail_msg("%s %s", pg_last_error(pg)->sqlstate, pg_last_error(pg)->message);
}

static void as_owner(const char *sql)
{
    execute(testing_owner, sql);
}

// A role may end its own connections.
static void kill_the_backend(void)
{
    struct pg *pg = pg_open(&testing_recorder);
    assert_int_equal(pg_execute(pg,
                                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                                "WHERE usename = 'lonja_record' AND datname = current_database()"
                                " AND pid <> pg_backend_pid()"),
                     PG_OK);
    pg_close(pg);
}

// Works until the recorder's backend waits for a lock.
static void until_it_is_held(void)
{
    uint64_t end = testing_now() + PATIENCE_MS * 1000000ULL;
    while (
        testing_number("SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT"
                       " granted AND datname = current_database()") == 0) {
        assert_true(testing_now() < end);
        work();
    }
}

static void hold(const char *sql)
{
    execute(holder, "BEGIN");
    execute(holder, sql);
}

static void let_go(void)
{
    assert_int_equal(pg_execute(holder, "ROLLBACK"), PG_OK);
}

// ---- the answer of a COMMIT

static void strike(enum record_proxy_fault fault, const char *words)
{
    struct record_proxy proxy;
    testing_database_empty();
    record_proxy_open(&proxy, &testing_recorder);
    begin_with(&proxy.settings, ROWS);
    for (int i = 1; i <= 3; i++) {
        go_to(venue.sequence * (uint64_t)i / 4);
        uint64_t before = record.cursor.sequence;
        atomic_store(&proxy.fault, fault);
        while (atomic_load(&proxy.struck) < i || !record.database_lost)
            work();
        assert_non_null(strstr(reason(), words));
        assert_true(record.writing != NULL); // and is kept
        int64_t stands_at = testing_number("SELECT sequence FROM record.cursor");
        if (fault == PROXY_CUT_AFTER_COMMIT)
            assert_int_equal(stands_at, (int64_t)record.writing->last_sequence);
        if (fault == PROXY_CUT_BEFORE_COMMIT)
            assert_int_equal(stands_at, (int64_t)record.writing->first_sequence - 1);
        assert_true(record.cursor.sequence >= before);
    }
    finish();
    record_proxy_close(&proxy);
}

static void a_commit_whose_answer_was_lost_is_recognised(void **state)
{
    (void)state;
    strike(PROXY_CUT_AFTER_COMMIT, "commit");
}

static void a_commit_that_was_lost_is_written_again(void **state)
{
    (void)state;
    strike(PROXY_CUT_BEFORE_COMMIT, "commit");
}

// Neither side is told; the server goes on holding what it holds until it notices.
static void a_frozen_line_is_given_up(void **state)
{
    (void)state;
    struct record_proxy proxy;
    testing_database_empty();
    record_proxy_open(&proxy, &testing_recorder);
    proxy.settings.statement_timeout_ms = 300;
    begin_with(&proxy.settings, ROWS);
    go_to(venue.sequence / 2);
    atomic_store(&proxy.fault, PROXY_FREEZE);
    waits_because("no answer from the server");
    finish();
    record_proxy_close(&proxy);
}

// ---- a backend that is killed

static const struct stage {
    const char *held_by; // what stops the recorder there
    const char *says;
} stages[] = {
    {"SELECT FROM record.cursor FOR UPDATE", "cursor"},
    {"LOCK TABLE record.orders IN SHARE MODE", "record.orders"},
    {"LOCK TABLE record.balance IN SHARE MODE", "record.balance"},
    {"LOCK TABLE record.ledger_entry IN SHARE MODE", "record.ledger_entry"},
    {"LOCK TABLE settle.trade IN SHARE MODE", "settle.trade"},
    {"SELECT pg_advisory_xact_lock(4711)", "commit"}, // see below
};

// A deferred trigger runs within COMMIT.
static void make_commit_stoppable(void)
{
    as_owner(
        "CREATE FUNCTION record.stop_in_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER stop_in_commit AFTER UPDATE ON record.cursor"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION record.stop_in_commit()");
}

// Further, until a connection of this recorder has recorded a trade: all its statements are prepared
// then, which would wait for a lock of the table where nothing else goes on.
static void go_to_a_trade(uint64_t sequence)
{
    int64_t before = testing_number("SELECT count(*) FROM settle.trade");
    go_to(sequence);
    while (testing_number("SELECT count(*) FROM settle.trade") == before) {
        assert_true(record.cursor.sequence < venue.sequence);
        go_to(record.cursor.sequence + 1);
    }
}

static void killed_at_each_stage_makes_the_same_rows(void **state)
{
    (void)state;
    enum { STAGES = sizeof stages / sizeof stages[0] };
    make_commit_stoppable();
    begin(ROWS);
    for (size_t i = 0; i < STAGES; i++) {
        go_to_a_trade(venue.sequence * (i + 1) / (STAGES + 2));
        hold(stages[i].held_by);
        until_it_is_held();
        uint64_t before = record.cursor.sequence;
        kill_the_backend();
        waits_because(stages[i].says);
        assert_int_equal(testing_number("SELECT sequence FROM record.cursor"), (int64_t)before);
        let_go();
    }
    as_owner("DROP FUNCTION record.stop_in_commit() CASCADE");
    finish();
}

// What it had on its way was committed; there is more when it comes back.
static void killed_between_two_batches_makes_the_same_rows(void **state)
{
    (void)state;
    struct testing_venue whole = venue, small;
    char mine[TESTING_DUMP_BYTES];
    testing_venue_init(&small, 78);
    venue = small;
    begin(ROWS);
    go_to(venue.sequence);
    kill_the_backend();
    testing_venue_run(&venue, 50);
    until_it_says("terminating connection");
    go_to(venue.sequence);
    end();
    testing_database_dump(mine);
    testing_database_empty();
    testing_record_all(&venue, 20000);
    testing_database_is(mine);
    testing_venue_fini(&venue);
    venue = whole;
}

// ---- a server that takes its time, or has no room

static void a_lock_that_somebody_holds_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings impatient = testing_recorder;
    impatient.lock_timeout_ms = 200;
    testing_database_empty();
    begin_with(&impatient, ROWS);
    go_to(venue.sequence / 2);
    hold("LOCK TABLE record.trade IN SHARE MODE");
    waits_because("record.trade: 55P03");
    let_go();
    finish();
}

static void trouble(const char *body)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION record.trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %s;"
             " RETURN NULL; END $$; CREATE TRIGGER trouble BEFORE INSERT ON record.trade"
             " FOR EACH STATEMENT EXECUTE FUNCTION record.trouble()",
             body);
    as_owner(sql);
}

static void trouble_is_over(void)
{
    as_owner("DROP FUNCTION record.trouble() CASCADE");
}

static void a_slow_server_gets_more_time(void **state)
{
    (void)state;
    struct pg_settings impatient = testing_recorder;
    impatient.statement_timeout_ms = 200;
    testing_database_empty();
    trouble("PERFORM pg_sleep(0.5)"); // longer than 200 ms, and than 400
    begin_with(&impatient, 20000);
    waits_because("record.trade: 57014");
    finish();
    trouble_is_over();
}

static void a_full_disk_is_waited_for(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 2);
    trouble(
        "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'");
    waits_because("record.trade: 53100");
    uint32_t wait_ms = record_store_wait_ms(record.store);
    while (record_store_wait_ms(record.store) <= wait_ms) // less and less often
        work();
    trouble_is_over();
    finish();
}

// The real thing: a tablespace of very little room.
static void a_tiny_disk_is_filled_and_made_larger(void **state)
{
    (void)state;
    const char *tablespace = getenv("LONJA_TEST_PG_TINY");
    char sql[256];
    if (tablespace == NULL)
        skip();
    testing_database_empty();
    snprintf(sql, sizeof sql, "ALTER TABLE record.ledger_entry SET TABLESPACE %s", tablespace);
    as_owner(sql);
    begin_with(&testing_recorder, ROWS);
    waits_because("record.ledger_entry: 53100");
    assert_true(testing_number("SELECT sequence FROM record.cursor") > 0);
    as_owner("ALTER TABLE record.ledger_entry SET TABLESPACE pg_default");
    finish();
}

// ---- rows that are refused, or that are not there

// The trade after the middle of the flow.
static int64_t a_trade_to_come(void)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT min(trade_id) FROM settle.trade WHERE trade_id >> 20 > %llu",
             (unsigned long long)venue.sequence / 2);
    return testing_number(sql);
}

static void a_row_that_is_in_the_way_is_named(void **state)
{
    (void)state;
    char sql[512], words[128];
    testing_database_empty();
    testing_record_all(&venue, ROWS);
    int64_t trade = a_trade_to_come();
    begin(ROWS);
    snprintf(sql, sizeof sql,
             "INSERT INTO record.trade SELECT %lld, 1, 1, 1, 1, 1, 1, 2, 'buy', 1, 1, 1, 1, 1, 1, "
             "1, 0, 0",
             (long long)trade);
    as_owner(sql);
    snprintf(words, sizeof words, "\"trade_pkey\" (Key (trade_id)=(%lld) already exists.)",
             (long long)trade);
    stops_because(words);
    stops_because((begin_with(&testing_recorder, ROWS), words)); // and so it does every time
    snprintf(sql, sizeof sql, "DELETE FROM record.trade WHERE trade_id = %lld", (long long)trade);
    as_owner(sql);
    begin_with(&testing_recorder, ROWS);
    finish();
}

static void an_order_that_was_taken_away_is_named(void **state)
{
    (void)state;
    char sql[256], words[128];
    testing_database_empty();
    testing_record_all(&venue, ROWS);
    snprintf(sql, sizeof sql,
             "SELECT max(order_id) FROM record.orders WHERE order_id < %llu AND updated_seq > %llu",
             (unsigned long long)venue.sequence / 2, (unsigned long long)venue.sequence * 3 / 4);
    int64_t order = testing_number(sql);
    assert_true(order > 0);
    begin(ROWS);
    go_to(venue.sequence / 2);
    snprintf(sql, sizeof sql, "DELETE FROM record.orders WHERE order_id = %lld", (long long)order);
    as_owner(sql);
    snprintf(words, sizeof words, "order %lld was changed by the venue and is not there",
             (long long)order);
    stops_because(words);
    as_owner("SELECT record.forget()"); // the way out
    begin_with(&testing_recorder, ROWS);
    finish();
}

// ---- a server that is not the right one

// Commits that were not synced are lost with the server: tables and cursor are what they were.
static void commits_that_were_lost_are_written_again(void **state)
{
    (void)state;
    static const char save[] =
        "BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE SCHEMA saved; DO $$ DECLARE t text; BEGIN"
        " FOR t IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'record'"
        " AND table_type = 'BASE TABLE' LOOP EXECUTE format('CREATE TABLE saved.%I AS TABLE record.%I', t, t); END LOOP; END $$; "
        "COMMIT";
    static const char restore[] =
        "DO $$ DECLARE t text; BEGIN FOR t IN SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'record' AND table_type = 'BASE TABLE' LOOP EXECUTE format('TRUNCATE record.%I', t); EXECUTE"
        " format('INSERT INTO record.%I SELECT * FROM saved.%I', t, t); END LOOP; END $$;"
        "DROP SCHEMA saved CASCADE";
    begin(ROWS);
    go_to(venue.sequence / 3);
    as_owner(save);
    int64_t saved = testing_number("SELECT sequence FROM saved.cursor");
    go_to(venue.sequence * 2 / 3);
    kill_the_backend(); // the server goes …
    testing_must(pg_execute(testing_owner, restore));
    until_it_says("not where we left it"); // … and comes back
    assert_int_equal(record.phase, RECORD_WAITING);
    assert_int_equal(testing_number("SELECT sequence FROM record.cursor"), saved);
    while (record.phase == RECORD_WAITING) // it may have recorded everything before
        work();
    finish();
}

// Another server at the same address: as far as ours, with another history.
static void a_server_with_another_history_is_refused(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 2);
    kill_the_backend();
    testing_must(pg_execute(testing_owner, "UPDATE record.cursor SET checksum = checksum + 1"));
    testing_record_until(&record, UINT64_MAX, PATIENCE_MS);
    assert_int_equal(record.stop, RECORD_STOP_REFUSED);
    end();
}

static void a_read_only_server_is_waited_for(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 3);
    trouble("RAISE EXCEPTION 'read-only' USING ERRCODE = '25006'"); // demoted under the connection
    waits_because("record.trade: 25006");
    as_owner(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',"
        " current_database()); END $$");
    kill_the_backend();
    until_it_says("the server is read-only");
    as_owner("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only',"
             " current_database()); END $$");
    trouble_is_over();
    finish();
}

static void another_schema_is_waited_for(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 4);
    as_owner("UPDATE record.schema_version SET version = version + 1");
    kill_the_backend();
    waits_because("is newer than this binary's");
    as_owner("UPDATE record.schema_version SET version = version - 2");
    until_it_says("is older than this binary's");
    as_owner("ALTER TABLE record.schema_version RENAME TO schema_version_of_later");
    until_it_says("schema (0) is older");
    as_owner("ALTER TABLE record.schema_version_of_later RENAME TO schema_version;"
             "UPDATE record.schema_version SET version = version + 1");
    go_to(venue.sequence / 2);
    as_owner("ALTER TABLE record.trade RENAME COLUMN kind TO sort"); // under the connection
    waits_because("record.trade: 42703");
    as_owner("ALTER TABLE record.trade RENAME COLUMN sort TO kind");
    finish();
}

static void a_wrong_database_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings wrong = testing_recorder;
    snprintf(wrong.database, sizeof wrong.database, "postgres");
    begin_with(&wrong, ROWS);
    waits_because("the database postgres has no record");
    end();
    snprintf(wrong.database, sizeof wrong.database, "nowhere_at_all");
    begin_with(&wrong, ROWS);
    waits_because("connect: ");
    end();
}

static void a_missing_right_is_waited_for(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 2);
    as_owner("REVOKE INSERT ON record.trade FROM lonja_record");
    waits_because("record.trade: 42501 permission denied for table trade");
    as_owner("GRANT INSERT ON record.trade TO lonja_record");
    finish();
}

static void a_wrong_password_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings wrong = testing_recorder;
    snprintf(wrong.password_file, sizeof wrong.password_file, "%s/no-such-file", venue.folder);
    begin_with(&wrong, ROWS);
    waits_because("connect: ");
    end();
}

// ---- large and many

static void a_command_larger_than_a_batch_is_one_transaction(void **state)
{
    (void)state;
    enum { EVENTS = 100000 };
    struct testing_venue large;
    testing_venue_init(&large, 5);
    struct event *events = calloc(EVENTS, sizeof *events);
    assert_non_null(events);
    for (uint32_t i = 0; i < EVENTS; i++)
        events[i] = (struct event)EVENT(ledger_posted, .account = 20, .asset = 1, .amount = 1,
                                        .kind = POSTING_CREDIT, .counter_account = ACCOUNT_SUSPENSE,
                                        .ref_source = 4, .ref_number = i + 1);
    testing_tell(&large, events, EVENTS);
    testing_tell(&large, events, 3);
    free(events);
    testing_database_empty();
    testing_record_all(&large, 100);
    assert_int_equal(
        testing_number("SELECT count(*) FROM record.ledger_entry WHERE cause = 'credit'"),
        2 * (EVENTS + 3));
    testing_venue_fini(&large);
}

static void memory_does_not_grow_with_the_tape(void **state)
{
    (void)state;
    begin(ROWS);
    go_to(venue.sequence / 4);
    size_t before = mallinfo2().uordblks;
    go_to(venue.sequence);
    assert_true(mallinfo2().uordblks < before + 256 * 1024);
    finish();
}

// record_fault_test [PATTERN]: the tests whose name is like it (* and ?).
int main(int count, char **words)
{
    if (!testing_database_open()) {
        fprintf(stderr,
                "record_fault_test: skipped: LONJA_TEST_PG_HOST, _PORT, _DATABASE, _SECRETS "
                "name no scratch server\n");
        return 77;
    }
    holder = testing_owner_connection();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_whose_answer_was_lost_is_recognised),
        cmocka_unit_test(a_commit_that_was_lost_is_written_again),
        cmocka_unit_test(a_frozen_line_is_given_up),
        cmocka_unit_test(killed_at_each_stage_makes_the_same_rows),
        cmocka_unit_test(killed_between_two_batches_makes_the_same_rows),
        cmocka_unit_test(a_lock_that_somebody_holds_is_waited_for),
        cmocka_unit_test(a_slow_server_gets_more_time),
        cmocka_unit_test(a_full_disk_is_waited_for),
        cmocka_unit_test(a_tiny_disk_is_filled_and_made_larger),
        cmocka_unit_test(a_row_that_is_in_the_way_is_named),
        cmocka_unit_test(an_order_that_was_taken_away_is_named),
        cmocka_unit_test(commits_that_were_lost_are_written_again),
        cmocka_unit_test(a_server_with_another_history_is_refused),
        cmocka_unit_test(a_read_only_server_is_waited_for),
        cmocka_unit_test(another_schema_is_waited_for),
        cmocka_unit_test(a_wrong_database_is_waited_for),
        cmocka_unit_test(a_missing_right_is_waited_for),
        cmocka_unit_test(a_wrong_password_is_waited_for),
        cmocka_unit_test(a_command_larger_than_a_batch_is_one_transaction),
        cmocka_unit_test(memory_does_not_grow_with_the_tape),
    };
    if (count > 1)
        cmocka_set_test_filter(words[1]);
    int failed = cmocka_run_group_tests(tests, make_the_venue, forget_the_venue);
    pg_close(holder);
    pg_close(testing_owner);
    return failed;
}
