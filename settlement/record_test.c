// The recorder against a real server and the real engine: random flow through the engine makes a
// tape; the recorder writes it into Postgres, is killed, loses its connection, starts twice; the
// rows must be the same as those of an uninterrupted run, and the balances the engine's.
//
// Needs a scratch database (record_testing.h).
#include "settlement/record_testing.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matcher/engine.h"
#include "settlement/record_rebuild.h"

enum { ACCOUNTS = TESTING_ACCOUNTS, FIRST_ACCOUNT = TESTING_FIRST_ACCOUNT, COMMANDS = 4000 };

static void check_balances_and_sums(const struct testing_venue *venue)
{
    for (uint32_t account = 1; account < FIRST_ACCOUNT + ACCOUNTS; account++)
        for (uint32_t asset = 1; asset <= 2; asset++) {
            struct balance_rec mine = {0};
            struct pg_rows *rows;
            (void)engine_balance(venue->engine, account, asset, &mine);
            testing_must(pg_query(testing_owner, &rows,
                                  "SELECT coalesce(sum(available), 0), coalesce(sum(held), 0),"
                                  " coalesce(sum(unsettled), 0), coalesce(sum(blocked), 0)"
                                  " FROM record.balance WHERE account_id = $1 AND asset_id = $2",
                                  PG_PARAMS(pg_i64(account), pg_i64(asset))));
            assert_true(pg_number(rows, 0, 0) == mine.available &&
                        pg_number(rows, 0, 1) == mine.held);
            assert_true(pg_number(rows, 0, 2) == mine.unsettled &&
                        pg_number(rows, 0, 3) == mine.blocked);
            pg_rows_free(rows);
        }
    assert_int_equal(
        testing_number(
            "SELECT count(*) FROM (SELECT FROM record.ledger_entry GROUP BY sequence, event_index,"
            " asset_id HAVING sum(available + held) <> 0) unbalanced"),
        0);
    assert_int_equal(
        testing_number("SELECT count(*) FROM record.balance b WHERE (available, held) <> (SELECT"
                       " sum(e.available), sum(e.held) FROM record.ledger_entry e"
                       " WHERE e.account_id = b.account_id AND e.asset_id = b.asset_id)"),
        0);
    assert_int_equal(testing_number("SELECT count(*) FROM record.orders WHERE leaves > 0"),
                     engine_open_orders(venue->engine));
    assert_int_equal(
        testing_number("SELECT count(*) FROM record.orders o WHERE filled <> (SELECT "
                       "coalesce(sum(quantity), 0)"
                       " FROM record.trade WHERE o.order_id IN (buyer_order, seller_order))"),
        0);
    assert_int_equal(
        testing_number(
            "SELECT count(*) FROM record.trade t LEFT JOIN settle.trade s USING (trade_id)"
            " WHERE s.trade_id IS NULL"),
        0);
}

// Every open order's row says what the engine says.
static int check_order(void *context, const struct snapshot_record *record)
{
    static const char *const waits[] = {"", "", "trigger", "trigger", "close"};
    const struct order_rec *order = &record->body.order;
    const struct order_terms_rec *terms = &record->body.order_terms;
    struct pg_rows *rows;
    (void)context;
    if (record->header.type != REC_order && record->header.type != REC_order_terms)
        return 0;
    testing_must(
        pg_query(testing_owner, &rows,
                 "SELECT leaves, quantity, price, filled_notional, waits_for, status, display, "
                 "expire_ns, trail_offset, order_type FROM record.orders WHERE order_id = $1",
                 PG_PARAMS(pg_i64((int64_t)order->order)))); // both records begin with it
    assert_int_equal(pg_rows_count(rows), 1);
    if (record->header.type == REC_order) {
        bool stop =
            order->state == ORDER_STATE_PENDING_STOP || order->state == ORDER_STATE_TRIGGERED;
        assert_int_equal(pg_number(rows, 0, 0), order->leaves);
        assert_int_equal(pg_number(rows, 0, 1), order->quantity);
        assert_int_equal(pg_number(rows, 0, 2), order->price);
        assert_int_equal(pg_number(rows, 0, 3), order->filled_notional);
        assert_string_equal(pg_value(rows, 0, 4), waits[order->state]);
        assert_int_equal(strcmp(pg_value(rows, 0, 5), "pending_stop") == 0, stop);
    } else {
        assert_int_equal(pg_number(rows, 0, 6), terms->display_quantity);
        assert_int_equal(pg_number(rows, 0, 7), (int64_t)terms->expire_ns);
        if (terms->trail_offset != 0)
            assert_int_equal(pg_number(rows, 0, 8), terms->trail_offset);
    }
    pg_rows_free(rows);
    return 0;
}

static struct testing_venue venue;
static char expected[TESTING_DUMP_BYTES];

static void an_uninterrupted_run_has_the_engines_balances(void **state)
{
    (void)state;
    testing_database_empty();
    testing_record_all(&venue, 20000);
    check_balances_and_sums(&venue);
    assert_true(testing_number("SELECT count(*) FROM record.trade") > 500);
    assert_true(testing_number("SELECT count(*) FROM record.reject") > 100);
    assert_int_equal(
        testing_number("SELECT count(*) FROM trade_settlement_history WHERE from_status IS NULL AND"
                       " to_status = 'pending'"),
        testing_number("SELECT count(*) FROM trades"));
    assert_int_equal(
        testing_number(
            "SELECT count(*) FROM order_status_history h WHERE from_status = to_status OR"
            " (from_status IS NULL AND to_status NOT IN ('open', 'pending_stop'))"),
        0);
    assert_int_equal(engine_save(venue.engine, check_order, NULL), 0);
    static const char *const happened[] = {
        "record.order_event WHERE event = 'order_triggered'",
        "record.order_event WHERE event = 'order_reduced'",
        "record.order_event WHERE event = 'order_amended' AND NOT priority_kept",
        "record.order_event WHERE event = 'order_amended' AND priority_kept",
        "record.orders WHERE status = 'expired'",
        "record.orders WHERE triggered_at IS NOT NULL AND trigger_price > 0",
        "record.trade WHERE kind = 'auction'",
        "record.auction WHERE price > 0",
        "record.instrument_rules",
        "public.orders WHERE expired AND status = 'cancelled'"};
    for (size_t i = 0; i < sizeof happened / sizeof happened[0]; i++) {
        char sql[160];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", happened[i]);
        if (testing_number(sql) == 0)
            fail_msg("nothing of it: %s", happened[i]);
    }
    testing_database_dump(expected);
}

static void small_batches_make_the_same_rows(void **state)
{
    (void)state;
    testing_database_empty();
    testing_record_all(&venue, 7);
    testing_database_is(expected);
}

// The process is killed in mid flow, again and again, and goes on.
static void killed_in_mid_flow_makes_the_same_rows(void **state)
{
    (void)state;
    int killed = 0;
    testing_database_empty();
    venue.boot.config.record_batch_rows_max = 40;
    while (testing_number("SELECT sequence FROM record.cursor") < (int64_t)venue.sequence) {
        pid_t child = fork();
        if (child == 0) {
            struct record record;
            if (!record_init(&record, &venue.boot, &testing_recorder))
                _exit(1);
            testing_record_until(&record, venue.sequence, 300000);
            _exit(0);
        }
        poll(NULL, 0,
             20 + (int)testing_random(&venue, 120) + 4 * killed); // at last it gets somewhere
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
    }
    assert_true(killed >= 3);
    testing_database_is(expected);
}

static void cut_recorders(struct pg *pg)
{
    if (pg_execute(
            pg,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lonja_record'"
            " AND datname = current_database() AND pid <> pg_backend_pid()") != PG_OK)
        fail_msg("%s", pg_last_error(pg)->message);
}

// The connection is cut by the server again and again, after some commands or many.
static void lost_connections_make_the_same_rows(void **state)
{
    (void)state;
    struct record record;
    testing_database_empty();
    venue.boot.config.record_batch_rows_max = 40;
    assert_true(record_init(&record, &venue.boot, &testing_recorder));
    struct pg *killer = pg_open(&testing_recorder); // a role may end its own connections
    for (int cut = 0; cut < 20; cut++) {
        uint64_t step = 1 + testing_random(&venue, venue.sequence / 20);
        testing_record_until(&record, record.cursor.sequence + step, 300000);
        cut_recorders(killer);
    }
    pg_close(killer);
    testing_record_until(&record, venue.sequence, 300000);
    record_fini(&record);
    testing_database_is(expected);
}

static void a_second_recorder_waits_and_takes_over(void **state)
{
    (void)state;
    struct record first, second;
    testing_database_empty();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&first, &venue.boot, &testing_recorder));
    assert_true(record_init(&second, &venue.boot, &testing_recorder));
    testing_record_until(&first, 1000, 300000);
    testing_record_until(&second, 1, 500);
    assert_int_equal(second.phase, RECORD_WAITING);
    assert_int_equal(second.cursor.sequence, 0);
    record_fini(&first);
    testing_record_until(&second, venue.sequence, 300000);
    record_fini(&second);
    testing_database_is(expected);
}

static void an_absent_server_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings nowhere = testing_recorder;
    struct record record;
    snprintf(nowhere.host, sizeof nowhere.host, "127.0.0.1");
    nowhere.port = 1;
    assert_true(record_init(&record, &venue.boot, &nowhere));
    testing_record_until(&record, 1, 700);
    assert_int_equal(record.phase, RECORD_WAITING);
    record_fini(&record);
}

// The server lost commits that were not synced: the record goes back to its cursor and on from
// there.
static void a_cursor_that_went_back_is_followed(void **state)
{
    (void)state;
    struct record record;
    testing_database_empty();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&record, &venue.boot, &testing_recorder));
    testing_record_until(&record, 1000, 300000);
    struct pg *pg = pg_open(&testing_recorder);
    cut_recorders(pg);
    pg_close(pg);
    testing_database_empty();
    testing_record_until(&record, venue.sequence + 1, 1000); // notices, rewinds
    testing_record_until(&record, venue.sequence, 300000);
    record_fini(&record);
    testing_database_is(expected);
}

static enum record_stop stop_of(const struct testing_venue *of)
{
    struct record record;
    assert_true(record_init(&record, &of->boot, &testing_recorder));
    testing_record_until(&record, UINT64_MAX, 2000);
    enum record_stop stop = record.stop;
    record_fini(&record);
    return stop;
}

static void another_venues_database_is_refused(void **state)
{
    (void)state;
    struct testing_venue other;
    testing_venue_init(&other, 99);
    assert_int_equal(stop_of(&other), RECORD_STOP_REFUSED); // shorter: the cursor is above it
    testing_venue_run(&other, COMMANDS + 100);
    assert_int_equal(stop_of(&other), RECORD_STOP_REFUSED); // longer: the events differ
    testing_venue_fini(&other);
    testing_database_is(expected);
}

static bool has_rebuilt(int64_t sequence)
{
    return testing_number("SELECT CASE WHEN rebuild_to > 0 THEN sequence ELSE 0 END FROM"
                          " record.cursor WHERE sequence < rebuild_to") >= sequence;
}

// `lonja record rebuild` in a process of its own, killed when it has come to `killed_at` (0:
// never). Returns its exit status, -1 if it was killed.
static int rebuild(bool anew, int64_t killed_at)
{
    pid_t child = fork();
    if (child == 0) {
        static volatile sig_atomic_t never;
        _exit(record_rebuild(&venue.boot, anew, &never));
    }
    int status = 0;
    while (killed_at > 0 && !has_rebuilt(killed_at) && waitpid(child, &status, WNOHANG) == 0)
        poll(NULL, 0, 1);
    if (killed_at > 0)
        kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// What only settlement knows: it must stand there again to the microsecond.
static int64_t settled_by_hand(void)
{
    return testing_number("SELECT count(*) FROM settle.trade WHERE settlement_status = 'processing'"
                          " AND reason = 'by hand' AND updated_at = '2026-01-01Z'");
}

static void a_rebuild_makes_the_same_rows_and_leaves_settlement_alone(void **state)
{
    (void)state;
    testing_must(pg_execute(
        testing_owner,
        "ALTER TABLE settle.trade DISABLE TRIGGER trade_updated; UPDATE settle.trade SET"
        " settlement_status = 'processing', reason = 'by hand', updated_at = '2026-01-01Z' WHERE"
        " trade_id = (SELECT min(trade_id) FROM settle.trade);"
        "ALTER TABLE settle.trade ENABLE TRIGGER trade_updated"));
    char touched[TESTING_DUMP_BYTES];
    testing_database_dump(touched);
    venue.boot.config.record_batch_rows_max = 200;
    assert_int_equal(rebuild(false, 0), 0);
    testing_database_is(touched);
    assert_int_equal(settled_by_hand(), 1);
}

static void an_interrupted_rebuild_goes_on(void **state)
{
    (void)state;
    char touched[TESTING_DUMP_BYTES];
    int64_t before = 0, trades = testing_number("SELECT count(*) FROM settle.trade");
    testing_database_dump(touched);
    testing_must(pg_execute(testing_owner,
                            "DELETE FROM settle.trade_settlement_history WHERE trade_id ="
                            " (SELECT max(trade_id) FROM settle.trade); DELETE FROM settle.trade"
                            " WHERE trade_id = (SELECT max(trade_id) FROM settle.trade)"));
    venue.boot.config.record_batch_rows_max = 40;
    for (int i = 1; i <= 3; i++) { // it never begins again
        assert_int_equal(rebuild(i == 1, (int64_t)venue.sequence * i / 5), -1);
        int64_t at = testing_number("SELECT sequence FROM record.cursor");
        assert_true(at >= before && at < (int64_t)venue.sequence);
        before = at;
    }
    venue.boot.config.record_batch_rows_max = 20000;
    assert_int_equal(rebuild(false, 0), 0);
    testing_database_is(touched); // the settlement that was missing is there again
    assert_int_equal(testing_number("SELECT count(*) FROM settle.trade"), trades);
    assert_int_equal(settled_by_hand(), 1);
}

static void a_record_forgotten_under_a_running_recorder_is_written_again(void **state)
{
    (void)state;
    struct record record;
    testing_database_empty();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&record, &venue.boot, &testing_recorder));
    testing_record_until(&record, venue.sequence / 2, 300000);
    testing_must(pg_execute(testing_owner, "SELECT record.forget()")); // in mid flow
    testing_record_until(&record, venue.sequence, 300000);
    testing_must(pg_execute(testing_owner, "SELECT record.forget()")); // while nothing happens
    testing_record_until(&record, venue.sequence + 1, 1500);
    testing_record_until(&record, venue.sequence, 300000);
    record_fini(&record);
    testing_database_is(expected);
}

// ---- risk: events as the rulebook has them, told without the engine

static void tell_of_rules(struct testing_venue *of)
{
    TELL(of, EVENT(session_changed, .session = 7, .member = 1, .gateway = GATEWAY_WEB),
         EVENT(session_account, .session = 7, .account = 20, .rights = RIGHTS_ALL),
         EVENT(session_account, .session = 7, .account = 21, .rights = RIGHT_SEE));
    TELL(of, EVENT(session_changed, .session = 7, .member = 1, .gateway = GATEWAY_WEB),
         EVENT(session_account, .session = 7, .account = 22, .rights = RIGHT_TRADE | RIGHT_CANCEL));
    TELL(of, EVENT(limits_changed, .scope = LIMIT_ACCOUNT, .id = 20, .order_value_max = 5));
    TELL(of, EVENT(limits_changed, .scope = LIMIT_ACCOUNT, .id = 20, .order_value_max = 7,
                   .daily_value_max = INT64_MAX, .duplicate_ms = UINT32_MAX));
    TELL(of, EVENT(limits_changed, .scope = LIMIT_MEMBER, .id = 20, .flags = LIMIT_STRICT_CONFIRM));
    TELL(of, EVENT(instrument_controls_changed, .instrument = 1, .dynamic_bps = 300,
                   .nav_stale_action = NAV_STALE_REFUSE, .investor_types = 6, .position_max = 9,
                   .supply = 1000, .concentration_bps = 10000));
    TELL(of, EVENT(jurisdiction_listed, .instrument = 1, .code = 56, .mode = 2, .count = 2),
         EVENT(jurisdiction_listed, .instrument = 1, .code = 724, .mode = 2, .index = 1,
               .count = 2));
    TELL(of, EVENT(jurisdiction_listed, .instrument = 2, .mode = 1));
    TELL(of, EVENT(fees_changed, .account = 20, .sell_maker_bps = 1, .buy_taker_bps = 10000));
    TELL(of, EVENT(fees_changed, .instrument = 1, .sell_maker_bps = 2));
    TELL(of, EVENT(fees_changed, .account = 20, .remove = 1));
    TELL(of, EVENT(kill_changed, .scope = KILL_ACCOUNT, .id = 20, .killed = 1, .operator_id = 3));
    TELL(of, EVENT(kill_changed, .scope = KILL_VENUE, .killed = 1, .operator_id = 3));
    TELL(of, EVENT(kill_changed, .scope = KILL_VENUE, .operator_id = 4));
    TELL(of, EVENT(venue_rules_changed, .flags = VENUE_TWO_PERSONS, .operator_id = 3));
    TELL(of, EVENT(instrument_state, .instrument = 1, .phase = PHASE_CONTINUOUS,
                   .limit_state_end_ns = 1790000000000000000ULL));
}

// A credit, proposed and approved; one that fails; one that is withdrawn; one that waits.
static void tell_of_proposals(struct testing_venue *of)
{
    uint64_t first = of->sequence + 1, expires_ns = 1790086400000000000ULL;
    for (int i = 0; i < 4; i++)
        TELL(of,
             EVENT(proposal_changed, .proposal = first + (uint64_t)i, .proposer = 3,
                   .proposed = CMD_ledger_post, .state = PROPOSAL_OPEN, .expires_ns = expires_ns));
    TELL(of,
         EVENT(ledger_posted, .account = 20, .asset = 1, .amount = 5, .kind = POSTING_CREDIT,
               .counter_account = ACCOUNT_SUSPENSE, .ref_source = 4, .ref_number = 900),
         EVENT(proposal_changed, .proposal = first, .proposer = 3, .approver = 4,
               .proposed = CMD_ledger_post, .state = PROPOSAL_APPROVED, .expires_ns = expires_ns));
    TELL(of, EVENT(rejected, .code = REJECT_REFERENCE_OLD, .command = CMD_ledger_post),
         EVENT(proposal_changed, .proposal = first + 1, .proposer = 3, .approver = 4,
               .proposed = CMD_ledger_post, .state = PROPOSAL_FAILED, .expires_ns = expires_ns));
    TELL(of,
         EVENT(proposal_changed, .proposal = first + 2, .proposer = 3, .approver = 3,
               .proposed = CMD_ledger_post, .state = PROPOSAL_WITHDRAWN, .expires_ns = expires_ns));
}

// The newest trade loses a half, then everything.
static void tell_of_corrections(struct testing_venue *of)
{
    const struct trade_evt *trade = &of->last_trade.body.trade;
    bool taker_buys = trade->taker_side == SIDE_BUY;
    uint32_t buyer = taker_buys ? trade->taker_account : trade->maker_account;
    uint32_t seller = taker_buys ? trade->maker_account : trade->taker_account;
    int64_t seller_fee = taker_buys ? trade->maker_fee : trade->taker_fee;
    int64_t notional = postings_notional(trade->price, trade->quantity, 2);
    int64_t half = trade->quantity / 2, left = trade->quantity - half;
    uint64_t id = trade_id_of(of->last_trade.header.sequence, of->last_trade.header.index);
    assert_true(half > 0);
    int64_t half_notional = postings_notional(trade->price, half, 2);
    TELL(of, EVENT(trade_corrected, .trade_id = id, .instrument = 1, .buyer_account = buyer,
                   .seller_account = seller, .operator_id = 3, .quantity = -half,
                   .notional = -half_notional, .new_quantity = left));
    TELL(of, EVENT(trade_corrected, .trade_id = id, .instrument = 1, .buyer_account = buyer,
                   .seller_account = seller, .operator_id = 3, .quantity = -left,
                   .notional = half_notional - notional, .seller_fee = -seller_fee));
    TELL(of, EVENT(deficit_changed, .account = buyer, .asset = 2, .amount = 4, .entered = 1,
                   .counter_account = ACCOUNT_DEFICIT, .deficit = 4));
}

static void must_be_one(const char *const *conditions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char sql[400];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM (SELECT FROM %s) rows", conditions[i]);
        if (testing_number(sql) != 1)
            fail_msg("not one row: %s", conditions[i]);
    }
}

static void check_rules(void)
{
    static const char *const rows[] = {
        "record.session WHERE session_id = 7 AND gateway = 2",
        "record.session_account WHERE session_id = 7 HAVING min(account_id) = 22",
        "record.session_account WHERE session_id = 7 AND rights = 3",
        "record.limits WHERE scope = 2 AND id = 20 AND order_value_max = 7 AND daily_value_max ="
        " 9223372036854775807 AND duplicate_ms = 4294967295",
        "record.limits WHERE scope = 1 AND flags = 1",
        "record.instrument_controls WHERE instrument_id = 1 AND dynamic_bps = 300 AND "
        "nav_stale_action = 2 AND investor_types = 6 AND supply = 1000",
        "record.jurisdictions WHERE instrument_id = 1 AND mode = 2 AND codes = '{56,724}'",
        "record.jurisdictions WHERE instrument_id = 2 AND mode = 1 AND codes = '{}'",
        "record.fees WHERE account_id = 0 AND instrument_id = 1 AND sell_maker_bps = 2",
        "record.fees HAVING count(*) = 1",
        "record.kill WHERE killed AND scope = 1 AND id = 20 AND operator_id = 3",
        "record.kill WHERE NOT killed AND scope = 4 AND id = 0 AND operator_id = 4",
        "record.venue_rules WHERE flags = 1 AND operator_id = 3",
        "record.instrument_state WHERE limit_state_end_ns = 1790000000000000000",
        "record.venue_event WHERE event = 'kill_changed' AND (body->>'scope')::int = 1",
    };
    must_be_one(rows, sizeof rows / sizeof rows[0]);
}

static void check_proposals(void)
{
    static const char *const rows[] = {
        "record.proposal WHERE state = 'approved' AND approver = 4 AND decided_at > created_at",
        "record.proposal WHERE state = 'failed' AND proposed = 'ledger_post'",
        "record.proposal WHERE state = 'withdrawn' AND approver = 3",
        "record.proposal WHERE state = 'open' AND approver IS NULL AND expires_at ="
        " '2026-09-22 14:13:20Z'",
        "record.proposal_event e JOIN record.proposal USING (proposal_id) WHERE e.state = 'open'"
        " AND e.operator_id = 3 AND proposal.state = 'approved'",
        "record.proposal_event WHERE state = 'approved' AND operator_id = 4 AND event_index = 1",
        "record.proposal_event HAVING count(*) = 7",
        "record.ledger_entry WHERE cause = 'credit' AND account_id = 20 AND available = 5",
        "public.proposals WHERE state = 'failed' AND call IS NULL",
    };
    must_be_one(rows, sizeof rows / sizeof rows[0]);
}

static void check_corrections(void)
{
    static const char *const rows[] = {
        "record.trade_correction WHERE new_quantity > 0 AND operator_id = 3",
        "record.trade_correction WHERE new_quantity = 0",
        "record.deficit_change WHERE entered AND deficit = 4",
        "settle.trade WHERE corrected_quantity = 0 AND corrected_notional = 0 AND "
        "corrected_seller_fee = 0 AND reason = 'busted'",
        "public.trades WHERE status = 'busted' AND quantity = 0 AND total = 0 AND fee = 0 AND "
        "traded_quantity > 0 AND price > 0",
        "public.trades t JOIN record.trade r ON r.trade_id = t.id WHERE t.status = 'busted' AND "
        "r.quantity > 0",
        "public.trade_corrections WHERE status = 'corrected' AND new_quantity > 0",
        "public.trade_corrections WHERE status = 'busted' AND total_change < 0",
    };
    must_be_one(rows, sizeof rows / sizeof rows[0]);
}

// Nobody can move it, not even its owner.
static void check_busted_is_final(void)
{
    static const char again[] = "UPDATE settle.trade SET settlement_status = 'pending', reason ="
                                " 'retry' WHERE corrected_quantity = 0";
    testing_must(pg_execute(testing_owner,
                            "UPDATE settle.trade SET settlement_status = 'failed' WHERE "
                            "corrected_quantity = 0"));
    assert_int_equal(pg_execute(testing_owner, again), PG_CONSTRAINT);
}

static void what_risk_changes_is_in_the_record_and_is_rebuilt(void **state)
{
    (void)state;
    struct testing_venue told;
    char whole[TESTING_DUMP_BYTES];
    testing_database_empty();
    testing_venue_init(&told, 4);
    testing_venue_run(&told, 400);
    assert_true(told.last_trade.header.sequence != 0);
    tell_of_rules(&told);
    tell_of_proposals(&told);
    testing_record_all(&told, 20000);
    tell_of_corrections(&told);
    testing_record_all(&told, 20000); // of a trade that an earlier batch has written
    check_rules();
    check_proposals();
    check_corrections();
    assert_int_equal(
        testing_number("SELECT count(*) FROM record.balance b WHERE deficit <> (SELECT "
                       "sum(e.deficit) FROM record.ledger_entry e WHERE e.account_id ="
                       " b.account_id AND e.asset_id = b.asset_id)"),
        0);
    assert_int_equal(
        testing_number(
            "SELECT count(*) FROM (SELECT FROM record.ledger_entry GROUP BY sequence, event_index,"
            " asset_id HAVING sum(available + held) <> 0) unbalanced"),
        0);
    testing_database_dump(whole);
    check_busted_is_final();
    testing_must(pg_execute(testing_owner, "SELECT record.forget()"));
    testing_record_all(&told, 3);
    check_corrections(); // once, though the record was written twice
    testing_database_empty();
    testing_record_all(&told, 3);
    testing_database_is(whole);
    testing_venue_fini(&told);
}

// record_test [PATTERN]: the tests whose name is like it (* and ?).
int main(int count, char **words)
{
    if (!testing_database_open()) {
        fprintf(stderr, "record_test: skipped: LONJA_TEST_PG_HOST, _PORT, _DATABASE, _SECRETS name "
                        "no scratch server\n");
        return 77;
    }
    testing_venue_init(&venue, 12345);
    testing_venue_run(&venue, COMMANDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_uninterrupted_run_has_the_engines_balances),
        cmocka_unit_test(small_batches_make_the_same_rows),
        cmocka_unit_test(killed_in_mid_flow_makes_the_same_rows),
        cmocka_unit_test(lost_connections_make_the_same_rows),
        cmocka_unit_test(a_second_recorder_waits_and_takes_over),
        cmocka_unit_test(an_absent_server_is_waited_for),
        cmocka_unit_test(a_cursor_that_went_back_is_followed),
        cmocka_unit_test(another_venues_database_is_refused),
        cmocka_unit_test(a_rebuild_makes_the_same_rows_and_leaves_settlement_alone),
        cmocka_unit_test(an_interrupted_rebuild_goes_on),
        cmocka_unit_test(a_record_forgotten_under_a_running_recorder_is_written_again),
        cmocka_unit_test(what_risk_changes_is_in_the_record_and_is_rebuilt),
    };
    if (count > 1)
        cmocka_set_test_filter(words[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    testing_venue_fini(&venue);
    pg_close(testing_owner);
    return failed;
}
