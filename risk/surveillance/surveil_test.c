// lonja-surveil's agent against a real server: a flow of four days made by hand is on a tape; the
// agent writes its alerts, is killed, loses its connection, its facts, its place; the rows must be
// those that the detectors alone find, each once.
//
// Needs a scratch database, named as in base/pg_test.c; its name must contain "test".
#include "core/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/event_ring.h"
#include "base/pg_testing.h"
#include "core/tape_format.h"
#include "risk/surveillance/hand_testing.h"
#include "risk/surveillance/surveil.h"

enum { ALERTS_KEPT = 512, DAYS = 4, ROUNDS = 12 };

// ---- a venue: a tape file and a control page

struct venue {
    char folder[64];
    struct boot boot;
    struct hand hand;
    int tape_fd;
    struct event_ring_control *control;
    struct surveillance *detectors; // alone: what is to be found
    struct surveillance_alert expected[ALERTS_KEPT];
    size_t expected_count;
};

static void tape_begin(struct venue *venue)
{
    char folder[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    struct tape_header header = {.magic = TAPE_MAGIC,
                                 .format = TAPE_FORMAT,
                                 .schema_version = SCHEMA_VERSION,
                                 .first_sequence = 1};
    header.crc = crc32c(0, &header, offsetof(struct tape_header, crc));
    state_folder(folder, &venue->boot.config, "tape");
    assert_int_equal(state_folder_make(folder), 0);
    numbered_path(path, folder, 1, TAPE_SUFFIX);
    venue->tape_fd = open(path, O_CREAT | O_WRONLY | O_APPEND, 0600);
    assert_int_equal(write(venue->tape_fd, &header, sizeof header), sizeof header);
}

static void on_event(void *context, const struct event *event)
{
    struct venue *venue = context;
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX];
    assert_int_equal(write(venue->tape_fd, event, sizeof *event), sizeof *event);
    if (event->header.last) {
        atomic_store(&venue->control->applied_seq, event->header.sequence);
        atomic_store(&venue->control->durable_seq, event->header.sequence);
    }
    size_t count = surveillance_apply(venue->detectors, event, alerts);
    assert_true(venue->expected_count + count <= ALERTS_KEPT);
    memcpy(&venue->expected[venue->expected_count], alerts, count * sizeof alerts[0]);
    venue->expected_count += count;
}

static void venue_init(struct venue *venue)
{
    memset(venue, 0, sizeof *venue);
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_SURVEIL, venue->folder);
    venue->control = mmap(NULL, sizeof *venue->control, PROT_READ | PROT_WRITE, MAP_SHARED,
                          venue->boot.event_ring_fd, 0);
    assert_true(venue->control != MAP_FAILED);
    atomic_store(&venue->control->core_state, CORE_RUNNING);
    tape_begin(venue);
    venue->detectors = surveillance_create(&venue->boot.config);
    assert_non_null(venue->detectors);
    venue->hand = (struct hand){
        .sink = on_event, .context = venue, .now_ns = 20000 * HAND_DAY + 3600000 * HAND_MS};
    hand_instrument(&venue->hand);
    hand_phase(&venue->hand, PHASE_CONTINUOUS, 0);
    for (uint32_t account = 101; account <= 301; account += 100)
        hand_account(&venue->hand, account, account / 100);
}

static void venue_fini(struct venue *venue)
{
    surveillance_destroy(venue->detectors);
    munmap(venue->control, sizeof *venue->control);
    close(venue->tape_fd);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
}

// A spoof, a wash trade, a circle, and a standing order of yesterday's that is amended.
static void venue_round(struct venue *venue)
{
    struct hand *hand = &venue->hand;
    int64_t large = 200 * HAND_UNIT, small = 20 * HAND_UNIT;
    uint64_t offer = hand_order(hand, 101, SIDE_SELL, HAND_PRICE, small);
    uint64_t bid = hand_order(hand, 101, SIDE_BUY, HAND_PRICE - HAND_CENT, large);
    hand_take(hand, 201, 101, offer, SIDE_BUY, HAND_PRICE, small, 0);
    hand_after_ms(hand, 10);
    hand_cancel(hand, bid, 101, SIDE_BUY, large, CANCEL_BY_OWNER);
    hand_pass(hand, 301, 301, HAND_PRICE, small);
    hand_pass(hand, 201, 301, HAND_PRICE, large);
    hand_pass(hand, 301, 201, HAND_PRICE, large);
    for (int i = 0; i < 30; i++)
        hand_done(hand);
    hand_after_ms(hand, 400000);
}

static void venue_run(struct venue *venue)
{
    for (int day = 0; day < DAYS; day++) {
        uint64_t standing =
            hand_order(&venue->hand, 201, SIDE_SELL, HAND_PRICE * 2, 50 * HAND_UNIT);
        for (int i = 0; i < ROUNDS; i++)
            venue_round(venue);
        hand_amend(&venue->hand, standing, 201, SIDE_SELL, HAND_PRICE * 3, 50 * HAND_UNIT, false);
        if (day + 1 < DAYS)
            venue->hand.now_ns += HAND_DAY;
    }
    hand_pass(&venue->hand, 301, 301, HAND_PRICE,
              HAND_UNIT); // an alert at the end is written at once
}

// ---- the database

static struct pg_settings settings, owner_settings;
static struct pg *owner;
static struct venue venue;

static void must(enum pg_class class)
{
    if (class != PG_OK)
        fail_msg("%s %s", pg_last_error(owner)->sqlstate, pg_last_error(owner)->message);
}

static int64_t number_of(const char *sql)
{
    struct pg_rows *rows;
    must(pg_query(owner, &rows, sql, PG_NO_PARAMS));
    int64_t number = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return number;
}

static void empty_the_database(void)
{
    must(pg_execute(owner, "TRUNCATE surveil.alert; SELECT surveil.look_again()"));
}

// The rows are what the detectors found, in their order, with the same evidence.
static void check_rows(void)
{
    struct pg_rows *rows;
    must(pg_query(owner, &rows,
                  "SELECT detector, sequence, event_index, member_id, account_id, quantity, "
                  "value, cardinality(evidence), evidence[cardinality(evidence)], evidence_total, "
                  "symbol FROM surveil.alert ORDER BY alert_id",
                  PG_NO_PARAMS));
    assert_int_equal(pg_rows_count(rows), venue.expected_count);
    for (size_t i = 0; i < venue.expected_count; i++) {
        const struct surveillance_alert *alert = &venue.expected[i];
        assert_string_equal(pg_value(rows, i, 0), surveillance_detector_name(
                                                      (enum surveillance_detector)alert->detector));
        assert_int_equal(pg_number(rows, i, 1), (int64_t)alert->sequence);
        assert_int_equal(pg_number(rows, i, 2), alert->index);
        assert_int_equal(pg_number(rows, i, 3), alert->member);
        assert_int_equal(pg_number(rows, i, 4), alert->account);
        assert_int_equal(pg_number(rows, i, 5), alert->quantity);
        assert_int_equal(pg_number(rows, i, 6), alert->value);
        assert_int_equal(pg_number(rows, i, 7), alert->evidence_count);
        assert_int_equal(pg_number(rows, i, 8), (int64_t)alert->sequence);
        assert_int_equal(pg_number(rows, i, 9), alert->evidence_total);
        assert_string_equal(pg_value(rows, i, 10), "PORT");
    }
    pg_rows_free(rows);
    assert_int_equal(number_of("SELECT sequence FROM surveil.cursor"), venue.hand.sequence);
}

// ---- running the agent

static uint64_t now(void)
{
    return clock_monotone_ns(&clock_system);
}

static void run_until(struct surveil *surveil, uint64_t sequence, int timeout_ms)
{
    uint64_t end = now() + (uint64_t)timeout_ms * 1000000;
    while (surveil->cursor.sequence < sequence && surveil->phase != SURVEIL_STOPPED && now() < end)
        if (surveil_do_work(surveil, now()) == 0)
            surveil_wait(surveil, now());
}

static void start(struct surveil *surveil)
{
    assert_true(surveil_init(surveil, &venue.boot, &settings));
    surveil->batch_events = 40;
    surveil->batch_alerts = 1;
}

static void an_uninterrupted_run_writes_what_the_detectors_find(void **state)
{
    (void)state;
    struct surveil surveil;
    empty_the_database();
    assert_true(venue.expected_count >= (size_t)(DAYS * ROUNDS * 3));
    assert_true(surveil_init(&surveil, &venue.boot, &settings));
    run_until(&surveil, venue.hand.sequence, 60000);
    surveil_fini(&surveil);
    check_rows();
    assert_int_equal(number_of("SELECT count(*) FROM surveil.alerts WHERE since <= at AND status "
                               "= 'open' AND price = '100' AND detector = 'wash_account'"),
                     DAYS * ROUNDS + 1);
}

static void stopped_and_started_it_finds_the_same(void **state)
{
    (void)state;
    empty_the_database();
    for (uint64_t sequence = 0; sequence < venue.hand.sequence;) {
        struct surveil surveil;
        start(&surveil);
        sequence += 97; // often in the middle of a pattern
        run_until(&surveil, sequence < venue.hand.sequence ? sequence : venue.hand.sequence, 20000);
        sequence = surveil.cursor.sequence;
        surveil_fini(&surveil);
    }
    check_rows();
}

static void killed_in_mid_flow_it_finds_the_same(void **state)
{
    (void)state;
    int killed = 0;
    empty_the_database();
    while (number_of("SELECT sequence FROM surveil.cursor") < (int64_t)venue.hand.sequence) {
        pid_t child = fork();
        if (child == 0) {
            struct surveil surveil;
            if (!surveil_init(&surveil, &venue.boot, &settings))
                _exit(1);
            surveil.batch_events = 40;
            surveil.batch_alerts = 1;
            run_until(&surveil, venue.hand.sequence, 60000);
            _exit(0);
        }
        poll(NULL, 0, 10 + killed * 4); // ever later, so that it comes to an end
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
    }
    assert_true(killed >= 3);
    check_rows();
}

static void cut_connections(struct pg *pg)
{
    if (pg_execute(pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
                       "'lonja_surveil' AND pid <> pg_backend_pid()") != PG_OK)
        fail_msg("%s", pg_last_error(pg)->message);
}

static void lost_connections_lose_and_double_nothing(void **state)
{
    (void)state;
    struct surveil surveil;
    empty_the_database();
    start(&surveil);
    pid_t killer = fork();
    if (killer == 0) {
        struct pg *pg = pg_open(&settings); // a role may end its own connections
        for (;;) {
            poll(NULL, 0, 60);
            cut_connections(pg);
        }
    }
    run_until(&surveil, venue.hand.sequence / 2, 60000);
    kill(killer, SIGKILL);
    waitpid(killer, NULL, 0);
    run_until(&surveil, venue.hand.sequence, 60000);
    surveil_fini(&surveil);
    check_rows();
}

// Facts of days that are gone, or that are not there, or of another journal.
static void without_its_facts_it_reads_everything(void **state)
{
    (void)state;
    struct surveil surveil;
    char folder[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    empty_the_database();
    start(&surveil);
    run_until(&surveil, venue.hand.sequence * 5 / 8, 20000);
    snprintf(folder, sizeof folder, "%s", surveil.folder);
    surveil_fini(&surveil);
    uint64_t facts;
    assert_true(numbered_largest(&facts, folder, "snapshot", UINT64_MAX));
    numbered_path(path, folder, facts, "snapshot");
    assert_int_equal(truncate(path, 200), 0); // half a file
    start(&surveil);
    run_until(&surveil, venue.hand.sequence * 6 / 8, 20000);
    assert_true(surveil.facts.sequence < facts);
    surveil_fini(&surveil);
    const struct facts_mark lie = {
        .sequence = (uint64_t)number_of("SELECT day_first FROM surveil.cursor") - 1,
        .digest = 12345};
    struct surveillance *nothing = surveillance_create(&venue.boot.config);
    assert_int_equal(facts_file_save(folder, nothing, &lie), 0);
    surveillance_destroy(nothing);
    start(&surveil);
    run_until(&surveil, venue.hand.sequence, 20000);
    assert_true(surveil.facts_refused);
    surveil_fini(&surveil);
    check_rows();
}

static void looked_at_again_nothing_is_written_twice(void **state)
{
    (void)state;
    struct surveil surveil;
    start(&surveil);
    run_until(&surveil, 1, 20000);
    must(pg_execute(owner, "UPDATE surveil.alert SET status = 'closed', closed_at = now(), "
                           "closed_by = 'a', note = 'n' WHERE detector = 'spoofing'"));
    must(pg_execute(owner, "SELECT surveil.look_again()")); // under a running one
    run_until(&surveil, venue.hand.sequence + 1, 1500);
    run_until(&surveil, venue.hand.sequence, 20000);
    surveil_fini(&surveil);
    check_rows();
    assert_int_equal(number_of("SELECT count(*) FROM surveil.alert WHERE status = 'closed'"),
                     DAYS * ROUNDS);
}

static void a_second_one_waits_and_takes_over(void **state)
{
    (void)state;
    struct surveil first, second;
    empty_the_database();
    start(&first);
    start(&second);
    run_until(&first, 500, 20000);
    run_until(&second, 1, 500);
    assert_int_equal(second.phase, SURVEIL_WAITING);
    surveil_fini(&first);
    run_until(&second, venue.hand.sequence, 20000);
    surveil_fini(&second);
    check_rows();
}

static void another_venues_database_is_refused(void **state)
{
    (void)state;
    struct venue other;
    struct surveil surveil;
    venue_init(&other);
    hand_done(&other.hand);
    assert_true(surveil_init(&surveil, &other.boot, &settings)); // the cursor is above it
    run_until(&surveil, UINT64_MAX, 2000);
    assert_int_equal(surveil.stop, SURVEIL_STOP_REFUSED);
    surveil_fini(&surveil);
    for (uint64_t i = other.hand.sequence; i < venue.hand.sequence + 10; i++)
        hand_done(&other.hand);
    assert_true(surveil_init(&surveil, &other.boot, &settings)); // the events differ
    run_until(&surveil, UINT64_MAX, 2000);
    assert_int_equal(surveil.stop, SURVEIL_STOP_REFUSED);
    surveil_fini(&surveil);
    venue_fini(&other);
}

static void an_absent_server_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings nowhere = settings;
    struct surveil surveil;
    snprintf(nowhere.host, sizeof nowhere.host, "127.0.0.1");
    nowhere.port = 1;
    assert_true(surveil_init(&surveil, &venue.boot, &nowhere));
    run_until(&surveil, 1, 700);
    assert_int_equal(surveil.phase, SURVEIL_WAITING);
    surveil_fini(&surveil);
}

int main(void)
{
    struct config config = {0};
    if (!pg_testing_server(&config) || !strstr(config.postgres_database, "test")) {
        fprintf(stderr, "surveil_test: skipped: LONJA_TEST_PG_HOST, _PORT, _DATABASE, _SECRETS "
                        "name no scratch server\n");
        return 77;
    }
    pg_settings_of(&settings, &config, "lonja_surveil");
    pg_settings_of(&owner_settings, &config, "lonja_owner");
    owner = pg_open(&owner_settings);
    venue_init(&venue);
    venue_run(&venue);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_uninterrupted_run_writes_what_the_detectors_find),
        cmocka_unit_test(stopped_and_started_it_finds_the_same),
        cmocka_unit_test(killed_in_mid_flow_it_finds_the_same),
        cmocka_unit_test(lost_connections_lose_and_double_nothing),
        cmocka_unit_test(without_its_facts_it_reads_everything),
        cmocka_unit_test(looked_at_again_nothing_is_written_twice),
        cmocka_unit_test(a_second_one_waits_and_takes_over),
        cmocka_unit_test(another_venues_database_is_refused),
        cmocka_unit_test(an_absent_server_is_waited_for),
    };
    int failed = cmocka_run_group_tests_name("surveil", tests, NULL, NULL);
    venue_fini(&venue);
    pg_close(owner);
    return failed;
}
