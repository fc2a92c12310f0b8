// What operators hear: messages from events, the last text of each key, the metrics page.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "gateway/ops/last_messages.h"
#include "gateway/ops/messages.h"
#include "gateway/ops/metrics.h"
#include "gateway/ops/settlement.h"
#include "gateway/ops/xvp.h"

static struct view *view_with_port(void)
{
    static struct boot boot;
    boot.config.limits_accounts_max = boot.config.limits_sessions_max = 16;
    boot.config.limits_assets_max = boot.config.limits_instruments_max = 4;
    struct view *view = view_create(&boot);
    struct event event = {.header = {.sequence = 1, .type = EVT_instrument_changed, .last = 1}};
    event.body.instrument_changed.instrument = 1;
    event.body.instrument_changed.token_asset = 2;
    event.body.instrument_changed.cash_asset = 1;
    event.body.instrument_changed.token_scale = 2;
    text_field_set(event.body.instrument_changed.symbol, SYMBOL_BYTES_MAX, "PO\"RT", 5);
    view_apply(view, &event);
    return view;
}

static json_t *message_json(const struct view *view, const struct event *event,
                            struct ops_message *message)
{
    assert_true(ops_message_of(view, event, message));
    json_t *json = json_loads(message->text, 0, NULL);
    assert_non_null(json);
    free(message->text);
    return json;
}

static void a_reject_is_told_on_risk_with_its_words(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct event event = {
        .header = {
            .sequence = 7, .time_ns = 1700000000123456789u, .type = EVT_rejected, .last = 1}};
    event.body.rejected.code = REJECT_OFF_TICK;
    event.body.rejected.command = CMD_order_new;
    event.body.rejected.instrument = 1;
    event.body.rejected.limit = 10000;
    event.body.rejected.value = 12345;
    struct ops_message message;
    json_t *json = message_json(view, &event, &message);
    assert_string_equal(message.channel, "risk");
    assert_string_equal(message.key, "risk");
    assert_string_equal(json_string_value(json_object_get(json, "time")),
                        "2023-11-14T22:13:20.123456789Z");
    assert_string_equal(json_string_value(json_object_get(json, "symbol")), "PO\"RT");
    assert_string_equal(json_string_value(json_object_get(json, "name")), "OFF_TICK");
    assert_string_equal(json_string_value(json_object_get(json, "text")),
                        "price 0.012345 is not a multiple of the tick 0.01");
    json_decref(json);
    view_destroy(view);
}

static void states_are_told_in_words(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct event event = {.header = {.sequence = 8, .type = EVT_instrument_state, .last = 1}};
    event.body.instrument_state.instrument = 1;
    event.body.instrument_state.phase = PHASE_HALTED;
    struct ops_message message;
    json_t *json = message_json(view, &event, &message);
    assert_string_equal(json_string_value(json_object_get(json, "phase")), "halted");
    json_decref(json);
    event = (struct event){.header = {.sequence = 9, .type = EVT_account_changed, .last = 1}};
    event.body.account_changed = (struct account_changed_evt){
        .account = 101, .kyc = KYC_APPROVED, .fatca = FATCA_BLOCKED, .flags = ACCOUNT_SUSPENDED};
    json = message_json(view, &event, &message);
    assert_string_equal(message.key, "risk");
    assert_string_equal(json_string_value(json_object_get(json, "kyc")), "approved");
    assert_string_equal(json_string_value(json_object_get(json, "fatca")), "blocked");
    assert_true(json_is_true(json_object_get(json, "suspended")));
    assert_true(json_is_false(json_object_get(json, "activated")));
    json_decref(json);
    view_destroy(view);
}

static void an_accepted_order_is_not_told(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct event event = {.header = {.sequence = 7, .type = EVT_order_accepted}};
    struct ops_message message;
    assert_false(ops_message_of(view, &event, &message));
    view_destroy(view);
}

static int heard;
static char heard_text[64];
static void hear(void *context, const char *key, const char *text, unsigned seconds)
{
    (void)context, (void)key, (void)seconds;
    heard++;
    snprintf(heard_text, sizeof heard_text, "%s", text);
}

static void only_the_newest_text_of_a_key_is_kept_and_expiring_keys_are_bounded(void **state)
{
    (void)state;
    struct last_messages *last = last_messages_create();
    last_messages_keep(last, "health", "old", 0);
    last_messages_keep(last, "health", "new", 0);
    heard = 0;
    last_messages_each(last, hear, NULL);
    assert_int_equal(heard, 1);
    assert_string_equal(heard_text, "new");
    for (int i = 0; i < 1500; i++) {
        char key[32];
        snprintf(key, sizeof key, "settlement:%d", i);
        last_messages_keep(last, key, key, 60);
    }
    heard = 0;
    last_messages_each(last, hear, NULL);
    assert_int_equal(heard, 1 + 1000);
    assert_string_equal(heard_text, "settlement:1499");
    last_messages_destroy(last);
}

static void the_metrics_page_leaves_out_what_is_not_known(void **state)
{
    (void)state;
    static struct event_ring_control core;
    core.durable_seq = 50;
    core.journal_seq = 60;
    core.core_heartbeat_ns = 1000000000u;
    struct ops_metrics metrics = {.recorded_seq = -1,
                                  .alerts = {-1, -1, -1, 2, -1, -1, -1, -1},
                                  .alerts_open = -1,
                                  .surveilled_seq = -1,
                                  .index = {-1, -1, 0, -1, -1, -1, -1, 1, -1, -1}};
    metrics.rejects[REJECT_OFF_TICK] = 3;
    static struct reader_page tape = {
        .position_seq = 45, .snapshot_seq = 40, .snapshots_failed = 2};
    metrics.tape = &tape;
    struct redis_counters redis = {.dropped = 9};
    size_t bytes = 0;
    char *text = ops_metrics_text(&metrics, &core, &redis, false, 3500000000u, 0, &bytes);
    assert_int_equal(strlen(text), bytes);
    assert_non_null(strstr(text, "\nlonja_durable_sequence 50\n"));
    assert_non_null(strstr(text, "\nlonja_core_heartbeat_age_seconds 2.500\n"));
    assert_non_null(strstr(text, "\nlonja_rejects_total{name=\"OFF_TICK\"} 3\n"));
    assert_non_null(strstr(text, "\nlonja_redis_dropped_total 9\n"));
    assert_non_null(strstr(text, "\nlonja_tape_lag_commands 5\n"));
    assert_non_null(strstr(text, "\nlonja_snapshot_sequence 40\n"));
    assert_non_null(strstr(text, "\nlonja_snapshots_failed_total 2\n"));
    assert_non_null(strstr(text, "\nlonja_postgres_up 0\n"));
    assert_non_null(strstr(text, "\nlonja_replication_mode 0\n"));
    assert_non_null(strstr(text, "\nlonja_journal_sequence 60\n"));
    assert_non_null(strstr(text, "\nlonja_replicated_sequence 0\n")); // nobody replicates
    assert_null(strstr(text, "record_lag"));
    assert_null(strstr(text, "lonja_settlement_")); // Postgres has not said
    assert_non_null(strstr(text, "\nlonja_alerts_total{detector=\"spoofing\"} 2\n"));
    assert_null(strstr(text, "alerts_open"));
    assert_null(strstr(text, "surveil_lag"));
    assert_non_null(strstr(text, "\nlonja_index_subscribed 0\n"));
    assert_non_null(strstr(text, "\nlonja_reconciliation_breaks_open 1\n"));
    assert_null(strstr(text, "index_lag_blocks"));
    free(text);
    core.replication_mode = REPLICATION_SYNC;
    core.replicated_seq = 50;
    core.standbys = 1;
    metrics.postgres_up = true;
    metrics.recorded_seq = 40;
    metrics.surveilled_seq = 45;
    metrics.alerts_open = 1;
    metrics.asked_seq = 50; // what became durable since is no lag of the recorder
    backlog_note(&metrics.record_backlog, 45, 30, 1000000000u);
    backlog_note(&metrics.record_backlog, 50, 40, 6000000000u);
    text = ops_metrics_text(&metrics, &core, &redis, true, 0, 0, &bytes);
    assert_non_null(strstr(text, "\nlonja_record_lag_commands 10\n"));
    assert_non_null(strstr(text, "\nlonja_record_behind_seconds 5\n"));
    assert_non_null(strstr(text, "\nlonja_record_commands_per_second 2\n"));
    assert_non_null(strstr(text, "\nlonja_record_eta_seconds 10\n"));
    assert_non_null(strstr(text, "\nlonja_surveil_lag_commands 5\n"));
    assert_non_null(strstr(text, "\nlonja_alerts_open 1\n"));
    assert_non_null(strstr(text, "\nlonja_replication_standbys 1\n"));
    assert_non_null(strstr(text, "\nlonja_replicated_sequence 50\n"));
    assert_non_null(strstr(text, "\nlonja_core_heartbeat_age_seconds 0.000\n"));
    free(text);
}

static char *settlement_page(const char *status)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    json_t *json = json_loads(status, 0, NULL);
    assert_non_null(out);
    assert_non_null(json);
    settlement_metrics(out, json);
    assert_int_equal(fclose(out), 0);
    json_decref(json);
    return text;
}

static void what_alert_rules_look_at_is_measured(void **state)
{
    (void)state;
    json_t *json = json_loads(
        "{\"proofs\":[{\"symbol\":\"PORT\",\"valid\":1,\"waiting\":0,\"expires_s\":86400,"
        "\"exceeded_s\":12},"
        "{\"symbol\":\"ATUN\",\"valid\":0,\"waiting\":2,\"expires_s\":null,\"ended_s\":5}],"
        "\"unmatched\":[{\"symbol\":\"USDC\",\"transfers\":2,\"oldest_s\":7200},"
        "{\"symbol\":\"EURC\",\"transfers\":0,\"oldest_s\":null}],"
        "\"fuel\":[{\"chain_id\":1,\"signer\":\"0xab\",\"balance_wei\":\"12500000000000000000\","
        "\"days\":\"3.125\"},{\"chain_id\":2,\"signer\":\"0xab\",\"balance_wei\":\"5\",\"days\":"
        "null}],"
        "\"requests_waiting\":4,\"requests_waiting_oldest_s\":61,\"unconfirmed_oldest_s\":null,"
        "\"payouts_troubled\":2,\"payouts_oldest_s\":33,"
        "\"custody_waiting_oldest_s\":9,\"deployments\":{\"deploy_failed\":1}}",
        0, NULL);
    static const char *const lines[] = {
        "\nlonja_settlement_proof_valid{symbol=\"PORT\"} 1\n",
        "\nlonja_settlement_proof_valid{symbol=\"ATUN\"} 0\n",
        "\nlonja_settlement_proof_expires_seconds{symbol=\"PORT\"} 86400\n",
        "\nlonja_settlement_proof_mints_waiting{symbol=\"ATUN\"} 2\n",
        "\nlonja_settlement_proof_exceeded_seconds{symbol=\"PORT\"} 12\n",
        "\nlonja_settlement_proof_ended_seconds{symbol=\"ATUN\"} 5\n",
        "\nlonja_settlement_unmatched_transfers{symbol=\"USDC\"} 2\n",
        "\nlonja_settlement_unmatched_transfers{symbol=\"EURC\"} 0\n",
        "\nlonja_settlement_unmatched_oldest_seconds{symbol=\"USDC\"} 7200\n",
        "\nlonja_settlement_signer_balance_ether{chain_id=\"1\",signer=\"0xab\"} "
        "12.500000000000000000\n",
        "\nlonja_settlement_signer_balance_ether{chain_id=\"2\",signer=\"0xab\"} "
        "0.000000000000000005\n",
        "\nlonja_settlement_signer_gas_days{chain_id=\"1\",signer=\"0xab\"} 3.125\n",
        "\nlonja_settlement_requests_waiting 4\n",
        "\nlonja_settlement_requests_waiting_oldest_seconds 61\n",
        "\n# TYPE lonja_settlement_unconfirmed_oldest_seconds gauge\n",
        "\nlonja_settlement_payouts_troubled 2\n",
        "\nlonja_settlement_payouts_oldest_seconds 33\n",
        "\nlonja_settlement_custody_waiting_oldest_seconds 9\n",
        "\nlonja_settlement_deployments{state=\"deploy_failed\"} 1\n",
    };
    json_t *xvp = json_loads("{\"open\":{\"created\":2,\"armed\":1},\"cutoff_s\":{\"armed\":59},"
                             "\"approvals_missing\":3,\"secrets\":1,\"escrow\":[{\"asset\":\"USD\","
                             "\"approved\":\"48.75\",\"held\":\"48.76\"}]}",
                             0, NULL);
    static const char *const xvp_lines[] = {"\nlonja_xvp_open{state=\"created\"} 2\n",
                                            "\nlonja_xvp_open{state=\"armed\"} 1\n",
                                            "\nlonja_xvp_cutoff_seconds{state=\"armed\"} 59\n",
                                            "\nlonja_xvp_approvals_missing 3\n",
                                            "\nlonja_xvp_secrets_open 1\n",
                                            "\nlonja_xvp_escrow{asset=\"USD\"} 48.75\n",
                                            "\nlonja_xvp_escrow_held{asset=\"USD\"} 48.76\n"};
    static const char *const absent[] = {
        "proof_expires_seconds{symbol=\"ATUN\"}", "proof_ended_seconds{symbol=\"PORT\"}",
        "unmatched_oldest_seconds{symbol=\"EURC\"}", "gas_days{chain_id=\"2\""};
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(json);
    settlement_watch_metrics(out, json);
    xvp_metrics(out, xvp);
    assert_int_equal(fclose(out), 0);
    json_decref(xvp);
    for (size_t i = 0; i < sizeof xvp_lines / sizeof xvp_lines[0]; i++)
        if (strstr(text, xvp_lines[i]) == NULL)
            fail_msg("%s is not in %s", xvp_lines[i], text);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("%s is not in %s", lines[i], text);
    for (size_t i = 0; i < 2; i++)
        assert_null(strstr(text, absent[i]));
    assert_null(strstr(text, "\nlonja_settlement_unconfirmed_oldest_seconds "));
    free(text);
    out = open_memstream(&text, &bytes); // nothing is known
    settlement_watch_metrics(out, NULL);
    xvp_metrics(out, NULL);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(bytes, 0);
    free(text);
    json_decref(json);
}

static void settlement_is_measured_by_lane_signer_and_endpoint(void **state)
{
    (void)state;
    char *text = settlement_page(
        "{\"trades\":{\"pending\":3,\"failed\":1},\"oldest_pending_s\":7,"
        "\"oldest_processing_s\":null,\"attempts_signed\":12,\"attempts_open\":{\"sent\":2},"
        "\"attempts_ended\":{\"reverted\":4},\"holds\":2,\"marks_open\":1,\"incidents_open\":3,"
        "\"retries_waiting\":1,\"gas\":{\"transactions\":9,\"reverted\":2,\"gas_used\":900000},"
        "\"tokens\":[{\"symbol\":\"PORT\",\"state\":\"halted\",\"pending\":3,\"oldest_s\":7},"
        "{\"symbol\":\"ATUN\",\"state\":\"running\"}],"
        "\"signers\":[{\"chain_id\":31337,\"signer\":\"0xab\",\"open_nonces\":2,\"next_nonce\":14,"
        "\"oldest_open_s\":6}],"
        "\"workers\":[{\"chain_id\":31337,\"head_block\":99,\"silent\":false,\"trouble\":null,"
        "\"heard_s\":2,\"pool\":{\"failovers\":5},\"counters\":{\"bids_raised\":8,\"bad name\":1},"
        "\"endpoints\":[{\"name\":\"http://"
        "a\",\"calls\":77,\"transport\":3,\"state\":\"up\",\"head\":99,\"latency_ms\":4},"
        "{\"name\":\"http://b\",\"state\":\"behind\",\"head\":90}]},"
        "{\"chain_id\":1,\"silent\":true,\"trouble\":null,\"endpoints\":[{\"name\":\"http://c\","
        "\"state\":\"up\"}]}]}");
    static const char *const lines[] = {
        "trades{status=\"pending\"} 3",
        "oldest_pending_seconds 7",
        "attempts_total 12",
        "attempts_open{state=\"sent\"} 2",
        "retries_waiting 1",
        "transactions_total 9",
        "transactions_reverted_total 2",
        "gas_used_total 900000",
        "lane_state{symbol=\"PORT\",state=\"halted\"} 1",
        "lane_state{symbol=\"PORT\",state=\"running\"} 0",
        "lane_state{symbol=\"ATUN\",state=\"running\"} 1",
        "lane_pending{symbol=\"PORT\"} 3",
        "signer_open_nonces{chain_id=\"31337\",signer=\"0xab\"} 2",
        "signer_next_nonce{chain_id=\"31337\",signer=\"0xab\"} 14",
        "worker_up{chain_id=\"31337\"} 1",
        "worker_up{chain_id=\"1\"} 0",
        "head_block{chain_id=\"31337\"} 99",
        "endpoint_up{endpoint=\"http://a\"} 1",
        "endpoint_up{endpoint=\"http://b\"} 0",
        "endpoint_latency_milliseconds{endpoint=\"http://a\"} 4",
        "attempts_ended{state=\"reverted\"} 4",
        "holds 2",
        "marks_open 1",
        "incidents_open 3",
        "signer_oldest_open_seconds{chain_id=\"31337\",signer=\"0xab\"} 6",
        "signer_up{chain_id=\"31337\"} 1",
        "worker_heard_seconds{chain_id=\"31337\"} 2",
        "pool_failovers_total{chain_id=\"31337\"} 5",
        "worker_bids_raised_total{chain_id=\"31337\"} 8",
        "endpoint_calls_total{endpoint=\"http://a\"} 77",
        "endpoint_transport_total{endpoint=\"http://a\"} 3",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[160];
        snprintf(line, sizeof line, "\nlonja_settlement_%s\n", lines[i]);
        if (strstr(text, line) == NULL)
            fail_msg("%s is not in\n%s", line, text);
    }
    assert_null(
        strstr(text, "\nlonja_settlement_oldest_processing_seconds ")); // nothing is on its way
    assert_null(strstr(text, "http://c"));   // its worker is silent: that was before
    assert_null(strstr(text, "fees_ether")); // not said
    assert_null(strstr(text, "bad name"));
    assert_null(strstr(text, "signer_up{chain_id=\"1\"}")); // likewise
    free(text);
}

static void what_was_paid_is_exact_however_large(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"0", "0.000000000000000000"},
        {"7", "0.000000000000000007"},
        {"123456789012345678", "0.123456789012345678"},
        {"1000000000000000000", "1.000000000000000000"},
        {"98765432109876543210987654321", "98765432109.876543210987654321"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char status[128], line[128];
        snprintf(status, sizeof status, "{\"gas\":{\"fee_wei\":\"%s\"}}", cases[i][0]);
        snprintf(line, sizeof line, "\nlonja_settlement_fees_ether_total %s\n", cases[i][1]);
        char *text = settlement_page(status);
        if (strstr(text, line) == NULL)
            fail_msg("%s is not in\n%s", line, text);
        free(text);
    }
}

static void an_auction_is_told_while_it_runs_and_at_its_end(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct event event = {.header = {.sequence = 8, .type = EVT_auction, .last = 1}};
    event.body.auction = (struct auction_evt){.instrument = 1,
                                              .phase = PHASE_OPENING_AUCTION,
                                              .surplus_side = SIDE_SELL,
                                              .price = 100250000,
                                              .quantity = 1234,
                                              .surplus = 5};
    struct ops_message message;
    json_t *json = message_json(view, &event, &message);
    assert_string_equal(message.channel, "auctions");
    assert_string_equal(message.key, "auctions:PO\"RT");
    assert_string_equal(json_string_value(json_object_get(json, "phase")), "opening_auction");
    assert_true(json_is_false(json_object_get(json, "final")));
    assert_string_equal(json_string_value(json_object_get(json, "price")), "100.25");
    assert_string_equal(json_string_value(json_object_get(json, "quantity")), "12.34");
    assert_string_equal(json_string_value(json_object_get(json, "surplus")), "0.05");
    assert_string_equal(json_string_value(json_object_get(json, "surplus_side")), "sell");
    json_decref(json);
    event.body.auction = (struct auction_evt){.instrument = 1, .final = 1};
    json = message_json(view, &event, &message);
    assert_true(json_is_true(json_object_get(json, "final")));
    assert_true(json_is_null(json_object_get(json, "price")));
    assert_true(json_is_null(json_object_get(json, "surplus_side")));
    json_decref(json);
    view_destroy(view);
}

static void matching_is_counted_by_what_events_say(void **state)
{
    (void)state;
    static struct event_ring_control core;
    const struct redis_counters redis = {0};
    struct ops_metrics metrics = {.next_deadline_ns = 1000000000u};
    struct event events[7] = {{.header.type = EVT_order_triggered},
                              {.header.type = EVT_order_triggered}, // an at-close order
                              {.header.type = EVT_order_cancelled},
                              {.header.type = EVT_auction},
                              {.header.type = EVT_order_amended},
                              {.header.type = EVT_done},
                              {.header.type = EVT_trade}};
    events[0].body.order_triggered.stop_price = 5;
    events[2].body.order_cancelled.reason = CANCEL_EXPIRED;
    events[3].body.auction.final = 1;
    events[5].body.done.command = CMD_continue_work;
    events[6].body.trade.kind = TRADE_AUCTION;
    for (int i = 0; i < 7; i++)
        ops_metrics_count(&metrics, &events[i]);
    size_t bytes = 0;
    char *text = ops_metrics_text(&metrics, &core, &redis, true, 0, 2500000000u, &bytes);
    assert_non_null(strstr(text, "\nlonja_stops_triggered_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_orders_expired_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_orders_cancelled_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_auctions_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_auction_trades_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_priority_lost_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_continuations_total 1\n"));
    assert_non_null(strstr(text, "\nlonja_deadline_overdue_seconds 1.500\n"));
    free(text);
    metrics.next_deadline_ns = 0;
    text = ops_metrics_text(&metrics, &core, &redis, true, 0, 2500000000u, &bytes);
    assert_non_null(strstr(text, "\nlonja_deadline_overdue_seconds 0.000\n"));
    free(text);
}

static void a_session_is_counted_once_a_command(void **state)
{
    (void)state;
    static struct event_ring_control core;
    const struct redis_counters redis = {0};
    struct session_counts sessions[3] = {{0}};
    struct ops_metrics metrics = {.sessions = sessions, .sessions_max = 2};
    const struct event_header of = {.type = EVT_order_accepted, .gateway = GATEWAY_FIX};
    struct event events[6] = {{.header = of}, {.header = of}, {.header = of},
                              {.header = of}, {.header = of}, {.header = of}};
    for (int i = 0; i < 6; i++)
        events[i].header.session = 2;
    events[1].header.last = events[2].header.last = 1; // of 0 and 1; a refusal
    events[2].header.type = EVT_rejected;
    events[3].header.last = 1; // the core's own
    events[3].header.gateway = GATEWAY_CORE;
    events[4].header.last = events[5].header.last = 1; // of no session, of none that may be
    events[4].header.session = 0;
    events[5].header.session = 3;
    for (int i = 0; i < 6; i++)
        ops_metrics_count(&metrics, &events[i]);
    size_t bytes = 0;
    char *text = ops_metrics_text(&metrics, &core, &redis, true, 0, 0, &bytes);
    assert_non_null(strstr(text, "\nlonja_session_commands_total{session=\"2\"} 2\n"));
    assert_non_null(strstr(text, "\nlonja_session_refused_total{session=\"2\"} 1\n"));
    assert_null(strstr(text, "session=\"1\""));
    free(text);
}

static const char *text_of(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static void kills_and_proposals_are_told_on_risk(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct ops_message message;
    struct event event = {.header = {.sequence = 8, .type = EVT_kill_changed, .last = 1}};
    event.body.kill_changed =
        (struct kill_changed_evt){.scope = KILL_MEMBER, .killed = 1, .id = 101, .operator_id = 7};
    json_t *json = message_json(view, &event, &message);
    assert_string_equal(message.channel, "risk");
    assert_string_equal(message.key, "risk:kill:member:101");
    assert_string_equal(text_of(json, "scope"), "member");
    assert_true(json_is_true(json_object_get(json, "killed")));
    json_decref(json);
    event = (struct event){.header = {.sequence = 9, .type = EVT_proposal_changed, .last = 1}};
    event.body.proposal_changed = (struct proposal_changed_evt){.proposal = 9,
                                                                .proposer = 7,
                                                                .proposed = CMD_ledger_post,
                                                                .state = PROPOSAL_OPEN,
                                                                .expires_ns = 1700000000000000000u};
    json = message_json(view, &event, &message);
    assert_string_equal(message.key, "risk:proposal:9");
    assert_string_equal(text_of(json, "state"), "open");
    assert_string_equal(text_of(json, "proposed"), "ledger_post");
    assert_string_equal(text_of(json, "expires"), "2023-11-14T22:13:20.000000000Z");
    assert_true(json_is_null(json_object_get(json, "approver")));
    json_decref(json);
    event = (struct event){.header = {.sequence = 10, .type = EVT_venue_rules_changed}};
    event.body.venue_rules_changed.flags = VENUE_TWO_PERSONS;
    json = message_json(view, &event, &message);
    assert_true(json_is_true(json_object_get(json, "two_persons")));
    json_decref(json);
    view_destroy(view);
}

static void deficits_and_corrections_are_told_in_decimals(void **state)
{
    (void)state;
    struct view *view = view_with_port();
    struct ops_message message;
    struct event event = {.header = {.sequence = 8, .type = EVT_asset_changed, .last = 1}};
    event.body.asset_changed =
        (struct asset_changed_evt){.asset = 2, .kind = ASSET_TOKEN, .scale = 2, .symbol = "PORT"};
    view_apply(view, &event);
    event = (struct event){.header = {.sequence = 9, .type = EVT_deficit_changed, .last = 1}};
    event.body.deficit_changed = (struct deficit_changed_evt){
        .account = 5, .asset = 2, .amount = 150, .counter_account = 1, .deficit = 1150};
    json_t *json = message_json(view, &event, &message);
    assert_string_equal(message.key, "risk:deficit:5:2");
    assert_string_equal(text_of(json, "asset"), "PORT");
    assert_string_equal(text_of(json, "change"), "1.5");
    assert_string_equal(text_of(json, "deficit"), "11.5");
    json_decref(json);
    event = (struct event){.header = {.sequence = 10, .type = EVT_trade_corrected, .last = 1}};
    event.body.trade_corrected = (struct trade_corrected_evt){
        .trade_id = 77, .instrument = 1, .quantity = -250, .notional = -2500000, .token_short = 50};
    json = message_json(view, &event, &message);
    assert_string_equal(message.key, "risk:correction:77");
    assert_string_equal(text_of(json, "status"), "busted");
    assert_string_equal(text_of(json, "quantity"), "0");
    assert_string_equal(text_of(json, "quantity_change"), "-2.5");
    assert_string_equal(text_of(json, "total_change"), "-2.5");
    assert_string_equal(text_of(json, "token_short"), "0.5");
    json_decref(json);
    event = (struct event){.header = {.sequence = 11, .type = EVT_xvp_changed, .last = 1}};
    event.body.xvp_changed = (struct xvp_changed_evt){.xvp = 8,
                                                      .account = 5,
                                                      .step = XVP_STEP_REFUSED,
                                                      .state = XVP_APPROVED,
                                                      .leg_count = 2,
                                                      .approved = 3,
                                                      .code = REJECT_KYC};
    json = message_json(view, &event, &message);
    assert_string_equal(message.key, "risk:xvp:8");
    assert_string_equal(text_of(json, "step"), "refused");
    assert_string_equal(text_of(json, "state"), "approved");
    assert_string_equal(text_of(json, "reason"), "KYC");
    assert_int_equal(json_integer_value(json_object_get(json, "legs_approved")), 2);
    json_decref(json);
    view_destroy(view);
}

static void count(struct ops_metrics *metrics, struct event event)
{
    ops_metrics_count(metrics, &event);
}

static void risk_is_counted_by_what_events_say(void **state)
{
    (void)state;
    static struct event_ring_control core;
    const struct redis_counters redis = {0};
    struct ops_metrics metrics = {.kill_switches = -1};
    const struct instrument_state_rec calm = {.phase = PHASE_CONTINUOUS};
    struct instrument_state_rec limited = calm, tripped = calm;
    limited.limit_state_end_ns = 5;
    tripped.breaker_tripped = 1;
    ops_metrics_count_state(&metrics, &calm, &limited);
    ops_metrics_count_state(&metrics, &limited, &limited); // told again: still the same one
    ops_metrics_count_state(&metrics, &limited, &calm);
    ops_metrics_count_state(&metrics, &calm, &tripped);
    count(&metrics, (struct event){.header.type = EVT_kill_changed, .body.kill_changed.killed = 1});
    count(&metrics, (struct event){.header.type = EVT_kill_changed});
    count(&metrics, (struct event){.header.type = EVT_order_cancelled,
                                   .body.order_cancelled.reason = CANCEL_KILLED});
    count(&metrics, (struct event){.header.type = EVT_order_cancelled,
                                   .body.order_cancelled.reason = CANCEL_UNCOVERED});
    count(&metrics,
          (struct event){.header.type = EVT_deficit_changed, .body.deficit_changed.amount = 3});
    count(&metrics,
          (struct event){.header.type = EVT_deficit_changed, .body.deficit_changed.amount = -3});
    count(&metrics, (struct event){.header.type = EVT_trade_corrected});
    count(&metrics, (struct event){.header.type = EVT_xvp_changed,
                                   .body.xvp_changed.step = XVP_STEP_EXPIRED,
                                   .body.xvp_changed.lock = XVP_LOCK_REVEALED | XVP_LOCK_ARMED});
    count(&metrics, (struct event){.header.type = EVT_xvp_changed, .body.xvp_changed.step = 99});
    count(&metrics, (struct event){.header.type = EVT_proposal_changed,
                                   .body.proposal_changed.state = PROPOSAL_FAILED});
    size_t bytes = 0;
    char *text = ops_metrics_text(&metrics, &core, &redis, true, 0, 0, &bytes);
    static const char *const lines[] = {"limit_states_total 1",
                                        "breaker_trips_total 1",
                                        "phase_changes_total 0",
                                        "kills_total 1",
                                        "unkills_total 1",
                                        "orders_killed_total 1",
                                        "orders_uncovered_total 1",
                                        "orders_banded_total 0",
                                        "deficits_grown_total 1",
                                        "trades_busted_total 1",
                                        "trades_corrected_total 0",
                                        "xvp_total{step=\"expired\"} 1",
                                        "xvp_secrets_expired_total 1",
                                        "xvp_total{step=\"executed\"} 0",
                                        "proposals_total{state=\"failed\"} 1",
                                        "proposals_total{state=\"open\"} 0"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char line[80];
        snprintf(line, sizeof line, "\nlonja_%s\n", lines[i]);
        if (strstr(text, line) == NULL)
            fail_msg("not there: %s", lines[i]);
    }
    assert_null(strstr(text, "lonja_kill_switches"));
    free(text);
    metrics.kill_switches = 2;
    text = ops_metrics_text(&metrics, &core, &redis, true, 0, 0, &bytes);
    assert_non_null(strstr(text, "\nlonja_kill_switches 2\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reject_is_told_on_risk_with_its_words),
        cmocka_unit_test(states_are_told_in_words),
        cmocka_unit_test(an_accepted_order_is_not_told),
        cmocka_unit_test(only_the_newest_text_of_a_key_is_kept_and_expiring_keys_are_bounded),
        cmocka_unit_test(the_metrics_page_leaves_out_what_is_not_known),
        cmocka_unit_test(what_alert_rules_look_at_is_measured),
        cmocka_unit_test(settlement_is_measured_by_lane_signer_and_endpoint),
        cmocka_unit_test(what_was_paid_is_exact_however_large),
        cmocka_unit_test(a_session_is_counted_once_a_command),
        cmocka_unit_test(an_auction_is_told_while_it_runs_and_at_its_end),
        cmocka_unit_test(matching_is_counted_by_what_events_say),
        cmocka_unit_test(kills_and_proposals_are_told_on_risk),
        cmocka_unit_test(deficits_and_corrections_are_told_in_decimals),
        cmocka_unit_test(risk_is_counted_by_what_events_say),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}
