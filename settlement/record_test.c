// The recorder against a real server and the real engine: random flow through the engine makes a
// tape; the recorder writes it into Postgres, is killed, loses its connection, starts twice; the
// rows must be the same as those of an uninterrupted run, and the balances the engine's.
//
// Needs a scratch database (its record is emptied), named as in base/pg_test.c; its name must
// contain "test".
#include "core/testing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/memfile.h"
#include "base/pg_testing.h"
#include "core/numbered_file.h"
#include "core/tape_format.h"
#include "matcher/engine.h"
#include "settlement/record.h"

enum { ACCOUNTS = 8, FIRST_ACCOUNT = 20, COMMANDS = 4000, EVENTS_MAX = 64 };

// ---- a venue without processes: engine, tape file, control page
// -----------------------------------------

struct venue {
    char folder[64];
    struct boot boot;
    struct engine *engine;
    struct event *events; // of one command
    int tape_fd;
    struct event_ring_control *control;
    uint64_t sequence;
    uint64_t gateway_seq[GATEWAY_COUNT];
    uint64_t random;
    struct event last_trade;
};

static uint64_t random_below(struct venue *venue, uint64_t limit)
{
    venue->random ^= venue->random << 13;
    venue->random ^= venue->random >> 7;
    venue->random ^= venue->random << 17;
    return venue->random % limit;
}

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

static void stamp_and_apply(struct venue *venue, struct command *command)
{
    command->header.sequence = ++venue->sequence;
    command->header.time_ns = 1790000000000000000ULL + venue->sequence * 1237;
    struct event_sink sink = {.events = venue->events, .mask = EVENTS_MAX - 1};
    engine_apply(venue->engine, command, &sink);
    assert_true(sink.count > 0 && venue->events[sink.count - 1].header.last);
    for (size_t i = 0; i < sink.count; i++)
        if (venue->events[i].header.type == EVT_trade)
            venue->last_trade = venue->events[i];
    size_t bytes = sink.count * sizeof(struct event);
    assert_int_equal(write(venue->tape_fd, venue->events, bytes), bytes);
    atomic_store(&venue->control->durable_seq, venue->sequence);
}

// With what the engine wants next.
static void apply(struct venue *venue, struct command *command, uint8_t type, size_t tail_bytes,
                  uint8_t gateway, uint32_t session)
{
    command->header = (struct command_header){.slots = command_slots(type, tail_bytes),
                                              .type = type,
                                              .version = SCHEMA_VERSION,
                                              .gateway = gateway,
                                              .incarnation = 1,
                                              .gateway_seq = ++venue->gateway_seq[gateway],
                                              .session = session};
    stamp_and_apply(venue, command);
    struct command next;
    memset(&next, 0, sizeof next);
    while (engine_continuation(venue->engine, &next)) {
        stamp_and_apply(venue, &next);
        memset(&next, 0, sizeof next);
    }
}

static void tick(struct venue *venue)
{
    uint64_t deadline = engine_next_deadline_ns(venue->engine);
    if (deadline > 1790000000000000000ULL + (venue->sequence + 1) * 1237)
        return;
    struct command c = {.body.clock_tick.deadline_ns = deadline};
    apply(venue, &c, CMD_clock_tick, 0, GATEWAY_CORE, 0);
}

static void set_up_reference_data(struct venue *venue)
{
    struct command c = {.body.gateway_attach = {.process = 1}};
    apply(venue, &c, CMD_gateway_attach, 0, GATEWAY_ADMIN, 0);
    apply(venue, &c, CMD_gateway_attach, 0, GATEWAY_FIX, 0);
    c = (struct command){
        .body.asset_set = {.asset = 1, .kind = ASSET_CASH, .scale = 6, .symbol = "USD"}};
    apply(venue, &c, CMD_asset_set, 0, GATEWAY_ADMIN, 0);
    c = (struct command){
        .body.asset_set = {.asset = 2, .kind = ASSET_TOKEN, .scale = 2, .symbol = "PORT"}};
    apply(venue, &c, CMD_asset_set, 0, GATEWAY_ADMIN, 0);
    c = (struct command){.body.instrument_set = {.instrument = 1,
                                                 .token_asset = 2,
                                                 .cash_asset = 1,
                                                 .status = TOKEN_SECONDARY,
                                                 .trading_mode = MODE_FULL_ORDERBOOK,
                                                 .flags = INSTRUMENT_SELL_UNSETTLED,
                                                 .token_scale = 2,
                                                 .tick = 10000,
                                                 .lot = 1,
                                                 .collar_bps = 1000,
                                                 .fee_bps = 10,
                                                 .symbol = "PORT"}};
    apply(venue, &c, CMD_instrument_set, 0, GATEWAY_ADMIN, 0);
    c = (struct command){.body.instrument_phase = {.instrument = 1, .phase = PHASE_CONTINUOUS}};
    apply(venue, &c, CMD_instrument_phase, 0, GATEWAY_ADMIN, 0);
    c = (struct command){.body.member_set = {.member = 1}};
    apply(venue, &c, CMD_member_set, 0, GATEWAY_ADMIN, 0);
}

static void set_up_account(struct venue *venue, uint32_t account)
{
    struct command c = {
        .body.account_set = {.account = account,
                             .member = 1,
                             .jurisdiction = 724,
                             .kyc = KYC_APPROVED,
                             .accreditation = ACCREDITATION_INSTITUTIONAL,
                             .fatca = FATCA_CLEAR,
                             .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
                             .fee_bps = FEE_BPS_DEFAULT}};
    apply(venue, &c, CMD_account_set, 0, GATEWAY_ADMIN, 0);
    for (uint32_t asset = 1; asset <= 2; asset++) {
        c = (struct command){.body.ledger_post = {.account = account,
                                                  .asset = asset,
                                                  .amount = asset == 1 ? 1000000000000 : 1000000,
                                                  .kind = POSTING_DEPOSIT,
                                                  .ref_source = REF_ADMIN,
                                                  .ref_number = account * 2 + asset,
                                                  .ref_hash = 1}};
        apply(venue, &c, CMD_ledger_post, 0, GATEWAY_ADMIN, 0);
    }
}

static void set_up_session(struct venue *venue)
{
    struct command c = {
        .body.session_set = {
            .session = 1, .member = 1, .gateway = GATEWAY_FIX, .account_count = ACCOUNTS}};
    c.header = (struct command_header){.slots = command_slots(CMD_session_set, ACCOUNTS * 4),
                                       .type = CMD_session_set};
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        uint32_t account = FIRST_ACCOUNT + i;
        memcpy(command_tail_writable(&c) + i * 4, &account, 4);
    }
    apply(venue, &c, CMD_session_set, ACCOUNTS * 4, GATEWAY_ADMIN, 0);
    c = (struct command){.body.session_open = {.opened_session = 1}};
    apply(venue, &c, CMD_session_open, 0, GATEWAY_FIX, 0);
    c = (struct command){.body.venue_state = {.state = VENUE_OPEN}};
    apply(venue, &c, CMD_venue_state, 0, GATEWAY_ADMIN, 0);
}

static int64_t random_price(struct venue *venue)
{
    return (int64_t)(9500 + random_below(venue, 1000)) * 10000;
}

static size_t random_client_id(struct venue *venue, struct command *c, uint8_t type)
{
    char text[CLIENT_ID_BYTES_MAX];
    int bytes = snprintf(text, sizeof text, "c\"%llu\\", (unsigned long long)venue->sequence);
    c->header.type = type;
    memcpy(command_tail_writable(c), text, (size_t)bytes);
    return (size_t)bytes;
}

static void random_order(struct venue *venue)
{
    bool market = random_below(venue, 10) == 0;
    struct command c = {
        .body.order_new = {
            .account = FIRST_ACCOUNT + (uint32_t)random_below(venue, ACCOUNTS),
            .instrument = 1,
            .side = random_below(venue, 2) ? SIDE_BUY : SIDE_SELL,
            .type = market ? ORDER_MARKET : ORDER_LIMIT,
            .tif = market || random_below(venue, 8) == 0 ? TIF_IOC : TIF_DAY,
            .stp = (uint8_t)(random_below(venue, 3) == 0 ? random_below(venue, 5) : 0),
            .price = market ? 0 : random_price(venue),
            .quantity = (int64_t)random_below(venue, 500)}}; // sometimes zero: refused
    if (!market && random_below(venue, 10) == 0)
        c.body.order_new.tif = random_below(venue, 2) == 0 ? TIF_AT_CLOSE : TIF_FOK;
    size_t bytes = random_client_id(venue, &c, CMD_order_new);
    c.body.order_new.client_id_bytes = (uint8_t)bytes;
    apply(venue, &c, CMD_order_new, bytes, GATEWAY_FIX, 1);
}

static void random_order_with_terms(struct venue *venue)
{
    static const uint8_t types[] = {ORDER_LIMIT, ORDER_STOP, ORDER_STOP_LIMIT, ORDER_TRAILING_STOP};
    struct command c = {0};
    struct order_new_terms_cmd *order = &c.body.order_new_terms;
    order->account = FIRST_ACCOUNT + (uint32_t)random_below(venue, ACCOUNTS);
    order->instrument = 1;
    order->side = random_below(venue, 2) ? SIDE_BUY : SIDE_SELL;
    order->type = types[random_below(venue, 4)];
    order->tif = random_below(venue, 3) == 0 ? TIF_GTD : TIF_GTC;
    order->quantity = 10 + (int64_t)random_below(venue, 500);
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    if (limit)
        order->price = random_price(venue);
    if (order->type != ORDER_LIMIT)
        order->stop_price = random_price(venue);
    if (order->type == ORDER_TRAILING_STOP)
        order->trail_offset = 10000 * (1 + (int64_t)random_below(venue, 100));
    if (limit && random_below(venue, 2) == 0)
        order->display_quantity = 1 + (int64_t)random_below(venue, 9);
    if (order->tif == TIF_GTD)
        order->expire_ns =
            1790000000000000000ULL + (venue->sequence + 2 + random_below(venue, 900)) * 1237;
    size_t bytes = random_client_id(venue, &c, CMD_order_new_terms);
    order->client_id_bytes = (uint8_t)bytes;
    apply(venue, &c, CMD_order_new_terms, bytes, GATEWAY_FIX, 1);
}

struct picked { // an open order, the n-th that the engine tells
    uint64_t left;
    struct order_rec order;
};

static int pick(void *context, const struct snapshot_record *record)
{
    struct picked *picked = context;
    if (record->header.type != REC_order)
        return 0;
    picked->order = record->body.order;
    return picked->left-- == 0;
}

static void random_amend(struct venue *venue)
{
    uint32_t open = engine_open_orders(venue->engine);
    struct picked picked = {.left = open > 0 ? random_below(venue, open) : 0};
    struct command c = {0};
    if (open == 0 || engine_save(venue->engine, pick, &picked) == 0)
        return;
    struct order_amend_cmd *amend = &c.body.order_amend;
    amend->order = picked.order.order;
    amend->account = picked.order.account;
    if (random_below(venue, 3) != 0)
        amend->quantity = picked.order.quantity + (int64_t)random_below(venue, 20) - 12;
    if (picked.order.type == ORDER_LIMIT && random_below(venue, 3) == 0)
        amend->price = random_price(venue);
    if (picked.order.state == ORDER_STATE_PENDING_STOP && random_below(venue, 2) == 0)
        amend->stop_price = random_price(venue);
    size_t bytes = random_client_id(venue, &c, CMD_order_amend);
    amend->client_id_bytes = (uint8_t)bytes;
    apply(venue, &c, CMD_order_amend, bytes, GATEWAY_FIX, 1);
}

static void random_operator(struct venue *venue)
{
    struct command c = {0};
    uint64_t what = random_below(venue, 10);
    if (what == 0) {
        c.body.instrument_rules_set = (struct instrument_rules_set_cmd){
            .instrument = 1, .volatility_bps = (uint32_t)random_below(venue, 500)};
        apply(venue, &c, CMD_instrument_rules_set, 0, GATEWAY_ADMIN, 0);
    } else if (what == 1) {
        c.header.type = CMD_schedule_set;
        c.body.schedule_set = (struct schedule_set_cmd){
            .instrument = 1, .weekdays = 1, .entry_count = (uint8_t)random_below(venue, 3)};
        for (uint32_t i = 0; i < c.body.schedule_set.entry_count; i++) {
            struct schedule_entry_tail entry = {.time_of_day_ms = i * 1000 + 1,
                                                .phase = PHASE_HALTED};
            memcpy(command_tail_writable(&c) + i * sizeof entry, &entry, sizeof entry);
        }
        apply(venue, &c, CMD_schedule_set,
              c.body.schedule_set.entry_count * sizeof(struct schedule_entry_tail), GATEWAY_ADMIN,
              0);
    } else {
        c.body.instrument_phase = (struct instrument_phase_cmd){
            .instrument = 1,
            .phase = what < 6 ? PHASE_CONTINUOUS : (uint8_t)(1 + random_below(venue, 7))};
        apply(venue, &c, CMD_instrument_phase, 0, GATEWAY_ADMIN, 0);
    }
}

static void random_command(struct venue *venue)
{
    uint64_t what = random_below(venue, 100), order = 1 + random_below(venue, venue->sequence);
    uint32_t account = FIRST_ACCOUNT + (uint32_t)random_below(venue, ACCOUNTS);
    struct command c = {0};
    tick(venue);
    if (what < 50) {
        random_order(venue);
    } else if (what < 65) {
        random_order_with_terms(venue);
    } else if (what < 80) {
        random_amend(venue);
    } else if (what < 93) { // mostly refused: wrong order or account
        c.body.order_cancel = (struct order_cancel_cmd){.order = order, .account = account};
        apply(venue, &c, CMD_order_cancel, 0, GATEWAY_FIX, 1);
    } else if (what < 95) {
        c.body.order_mass_cancel = (struct order_mass_cancel_cmd){.account = account};
        apply(venue, &c, CMD_order_mass_cancel, 0, GATEWAY_FIX, 1);
    } else {
        random_operator(venue);
    }
}

static struct engine_limits limits_of(const struct config *config)
{
    return (struct engine_limits){.accounts_max = (uint32_t)config->limits_accounts_max,
                                  .members_max = (uint32_t)config->limits_members_max,
                                  .sessions_max = (uint32_t)config->limits_sessions_max,
                                  .session_accounts_max =
                                      (uint32_t)config->limits_session_accounts_max,
                                  .assets_max = (uint32_t)config->limits_assets_max,
                                  .instruments_max = (uint32_t)config->limits_instruments_max,
                                  .balances_max = (uint32_t)config->limits_balances_max,
                                  .orders_max = (uint32_t)config->limits_orders_max,
                                  .levels_max = (uint32_t)config->limits_levels_max,
                                  .stops_max = (uint32_t)config->limits_stops_max,
                                  .trailing_stops_max = (uint32_t)config->limits_trailing_stops_max,
                                  .command_events_max = EVENTS_MAX};
}

static void venue_init(struct venue *venue, uint64_t seed)
{
    memset(venue, 0, sizeof *venue);
    venue->random = seed;
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_RECORD, venue->folder);
    struct engine_limits limits = limits_of(&venue->boot.config);
    size_t bytes = (engine_bytes(&limits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, bytes);
    assert_non_null(memory);
    memset(memory, 0, bytes);
    venue->engine = engine_init(memory, &limits);
    venue->events = calloc(EVENTS_MAX, sizeof(struct event));
    venue->control = mmap(NULL, sizeof *venue->control, PROT_READ | PROT_WRITE, MAP_SHARED,
                          venue->boot.event_ring_fd, 0);
    assert_true(venue->control != MAP_FAILED);
    atomic_store(&venue->control->core_state, CORE_RUNNING);
    tape_begin(venue);
    set_up_reference_data(venue);
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        set_up_account(venue, FIRST_ACCOUNT + i);
    set_up_session(venue);
}

static void venue_run(struct venue *venue, int commands)
{
    for (int i = 0; i < commands; i++)
        random_command(venue);
}

static void venue_fini(struct venue *venue)
{
    munmap(venue->control, sizeof *venue->control);
    close(venue->tape_fd);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
    free(venue->engine);
    free(venue->events);
}

// ---- the database
// ----------------------------------------------------------------------------------------

static struct pg_settings recorder_settings, owner_settings;
static struct pg *owner;

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
    must(pg_execute(
        owner, "SELECT record.forget(); TRUNCATE settle.trade, settle.trade_settlement_history,"
               " settle.retry_request, settle.attempt, settle.result, settle.correction,"
               " chain.request_leg CASCADE"));
}

// One text for all rows of the record.
static void fingerprint(char out[64])
{
    struct pg_rows *rows;
    must(pg_query(
        owner, &rows,
        "SELECT md5(string_agg(part, '|')) FROM ("
        "SELECT md5(string_agg(t::text, '|' ORDER BY order_id)) AS part FROM record.orders t UNION "
        "ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY order_id, sequence, event_index)) FROM "
        "record.order_event t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY trade_id)) FROM record.trade t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index, line)) FROM "
        "record.ledger_entry t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY account_id, asset_id)) FROM record.balance t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM record.reject t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM "
        "record.venue_event t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY instrument_id)) FROM record.instrument t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY instrument_id)) FROM record.instrument_state "
        "t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY instrument_id)) FROM record.instrument_rules "
        "t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY instrument_id, entry)) FROM "
        "record.schedule_entry t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM record.auction t "
        "UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY session_id)) FROM record.session t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY session_id, account_id)) FROM "
        "record.session_account t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY scope, id)) FROM record.limits t UNION ALL "
        "SELECT md5(string_agg(t::text, '|')) FROM record.instrument_controls t UNION ALL "
        "SELECT md5(string_agg(t::text, '|')) FROM record.jurisdictions t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY account_id, instrument_id)) FROM record.fees "
        "t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY scope, id)) FROM record.kill t UNION ALL "
        "SELECT md5(string_agg(t::text, '|')) FROM record.venue_rules t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY proposal_id)) FROM record.proposal t UNION "
        "ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM "
        "record.proposal_event t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM "
        "record.deficit_change t UNION ALL "
        "SELECT md5(string_agg(t::text, '|' ORDER BY sequence, event_index)) FROM "
        "record.trade_correction t UNION ALL "
        "SELECT md5(string_agg(trade_id || settlement_status || created_at, '|' ORDER BY "
        "trade_id)) FROM settle.trade UNION ALL "
        "SELECT md5(string_agg(trade_id || to_status, '|' ORDER BY trade_id)) FROM "
        "settle.trade_settlement_history UNION ALL "
        "SELECT sequence || '/' || time_ns || '/' || checksum FROM record.cursor) parts",
        PG_NO_PARAMS));
    snprintf(out, 64, "%s", pg_value(rows, 0, 0));
    pg_rows_free(rows);
}

// ---- running the recorder
// ----------------------------------------------------------------------------------

static uint64_t now(void)
{
    return clock_monotone_ns(&clock_system);
}

static void run_until(struct record *record, uint64_t sequence, int timeout_ms)
{
    uint64_t end = now() + (uint64_t)timeout_ms * 1000000;
    while (record->cursor.sequence < sequence && record->phase != RECORD_STOPPED && now() < end)
        if (record_do_work(record, now()) == 0)
            record_wait(record, now());
}

static void record_everything(struct venue *venue, int batch_rows_max)
{
    struct record record;
    venue->boot.config.record_batch_rows_max = batch_rows_max;
    assert_true(record_init(&record, &venue->boot, &recorder_settings));
    run_until(&record, venue->sequence, 60000);
    assert_int_equal(record.cursor.sequence, venue->sequence);
    record_fini(&record);
}

static void check_balances_and_sums(const struct venue *venue)
{
    for (uint32_t account = 1; account < FIRST_ACCOUNT + ACCOUNTS; account++)
        for (uint32_t asset = 1; asset <= 2; asset++) {
            struct balance_rec mine = {0};
            struct pg_rows *rows;
            (void)engine_balance(venue->engine, account, asset, &mine);
            must(pg_query(owner, &rows,
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
        number_of(
            "SELECT count(*) FROM (SELECT FROM record.ledger_entry GROUP BY sequence, event_index,"
            " asset_id HAVING sum(available + held) <> 0) unbalanced"),
        0);
    assert_int_equal(
        number_of("SELECT count(*) FROM record.balance b WHERE (available, held) <> (SELECT"
                  " sum(e.available), sum(e.held) FROM record.ledger_entry e"
                  " WHERE e.account_id = b.account_id AND e.asset_id = b.asset_id)"),
        0);
    assert_int_equal(number_of("SELECT count(*) FROM record.orders WHERE leaves > 0"),
                     engine_open_orders(venue->engine));
    assert_int_equal(
        number_of("SELECT count(*) FROM record.orders o WHERE filled <> (SELECT "
                  "coalesce(sum(quantity), 0)"
                  " FROM record.trade WHERE o.order_id IN (buyer_order, seller_order))"),
        0);
    assert_int_equal(
        number_of("SELECT count(*) FROM record.trade t LEFT JOIN settle.trade s USING (trade_id)"
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
    must(pg_query(owner, &rows,
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

static struct venue venue;
static char expected[64];

static void an_uninterrupted_run_has_the_engines_balances(void **state)
{
    (void)state;
    empty_the_database();
    record_everything(&venue, 20000);
    check_balances_and_sums(&venue);
    assert_true(number_of("SELECT count(*) FROM record.trade") > 500);
    assert_true(number_of("SELECT count(*) FROM record.reject") > 100);
    assert_int_equal(
        number_of("SELECT count(*) FROM trade_settlement_history WHERE from_status IS NULL AND"
                  " to_status = 'pending'"),
        number_of("SELECT count(*) FROM trades"));
    assert_int_equal(
        number_of("SELECT count(*) FROM order_status_history h WHERE from_status = to_status OR"
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
        if (number_of(sql) == 0)
            fail_msg("nothing of it: %s", happened[i]);
    }
    fingerprint(expected);
}

static void small_batches_make_the_same_rows(void **state)
{
    (void)state;
    char mine[64];
    empty_the_database();
    record_everything(&venue, 7);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

// The process is killed in mid flow, again and again, and goes on.
static void killed_in_mid_flow_makes_the_same_rows(void **state)
{
    (void)state;
    char mine[64];
    int killed = 0;
    empty_the_database();
    venue.boot.config.record_batch_rows_max = 40;
    while (number_of("SELECT sequence FROM record.cursor") < (int64_t)venue.sequence) {
        pid_t child = fork();
        if (child == 0) {
            struct record record;
            if (!record_init(&record, &venue.boot, &recorder_settings))
                _exit(1);
            run_until(&record, venue.sequence, 60000);
            _exit(0);
        }
        poll(NULL, 0, 20 + (int)random_below(&venue, 120));
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
        killed += WIFSIGNALED(status);
    }
    assert_true(killed >= 3);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

static void cut_recorders(struct pg *pg)
{
    if (pg_execute(
            pg,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'lonja_record'"
            " AND pid <> pg_backend_pid()") != PG_OK)
        fail_msg("%s", pg_last_error(pg)->message);
}

// The connection is cut by the server at random moments.
static void lost_connections_make_the_same_rows(void **state)
{
    (void)state;
    char mine[64];
    struct record record;
    empty_the_database();
    venue.boot.config.record_batch_rows_max = 40;
    assert_true(record_init(&record, &venue.boot, &recorder_settings));
    pid_t killer = fork();
    if (killer == 0) {
        struct pg *pg = pg_open(&recorder_settings); // a role may end its own connections
        for (;;) {
            poll(NULL, 0, 50 + (int)random_below(&venue, 150));
            cut_recorders(pg);
        }
    }
    run_until(&record, venue.sequence / 2, 60000);
    kill(killer, SIGKILL);
    waitpid(killer, NULL, 0);
    assert_true(record.cursor.sequence >= venue.sequence / 2);
    run_until(&record, venue.sequence, 60000);
    record_fini(&record);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

static void a_second_recorder_waits_and_takes_over(void **state)
{
    (void)state;
    char mine[64];
    struct record first, second;
    empty_the_database();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&first, &venue.boot, &recorder_settings));
    assert_true(record_init(&second, &venue.boot, &recorder_settings));
    run_until(&first, 1000, 60000);
    run_until(&second, 1, 500);
    assert_int_equal(second.phase, RECORD_WAITING);
    assert_int_equal(second.cursor.sequence, 0);
    record_fini(&first);
    run_until(&second, venue.sequence, 60000);
    record_fini(&second);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

static void an_absent_server_is_waited_for(void **state)
{
    (void)state;
    struct pg_settings nowhere = recorder_settings;
    struct record record;
    snprintf(nowhere.host, sizeof nowhere.host, "127.0.0.1");
    nowhere.port = 1;
    assert_true(record_init(&record, &venue.boot, &nowhere));
    run_until(&record, 1, 700);
    assert_int_equal(record.phase, RECORD_WAITING);
    record_fini(&record);
}

// The server lost commits that were not synced: the record goes back to its cursor and on from
// there.
static void a_cursor_that_went_back_is_followed(void **state)
{
    (void)state;
    char mine[64];
    struct record record;
    empty_the_database();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&record, &venue.boot, &recorder_settings));
    run_until(&record, 1000, 60000);
    struct pg *pg = pg_open(&recorder_settings);
    cut_recorders(pg);
    pg_close(pg);
    empty_the_database();
    run_until(&record, venue.sequence + 1, 1000); // notices, rewinds
    run_until(&record, venue.sequence, 60000);
    record_fini(&record);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

static enum record_stop stop_of(const struct venue *of)
{
    struct record record;
    assert_true(record_init(&record, &of->boot, &recorder_settings));
    run_until(&record, UINT64_MAX, 2000);
    enum record_stop stop = record.stop;
    record_fini(&record);
    return stop;
}

static void another_venues_database_is_refused(void **state)
{
    (void)state;
    struct venue other;
    venue_init(&other, 99);
    assert_int_equal(stop_of(&other), RECORD_STOP_REFUSED); // shorter: the cursor is above it
    venue_run(&other, COMMANDS + 100);
    assert_int_equal(stop_of(&other), RECORD_STOP_REFUSED); // longer: the events differ
    venue_fini(&other);
    char mine[64];
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

static void a_forgotten_record_is_rebuilt_beside_settlements(void **state)
{
    (void)state;
    int64_t trades = number_of("SELECT count(*) FROM settle.trade");
    must(pg_execute(owner,
                    "UPDATE settle.trade SET settlement_status = 'processing' WHERE trade_id ="
                    " (SELECT min(trade_id) FROM settle.trade)"));
    must(pg_execute(owner, "SELECT record.forget()"));
    record_everything(&venue, 20000);
    assert_int_equal(number_of("SELECT count(*) FROM trades"), trades);
    assert_int_equal(
        number_of("SELECT count(*) FROM trades WHERE settlement_status = 'processing'"), 1);
}

static void a_record_forgotten_under_a_running_recorder_is_written_again(void **state)
{
    (void)state;
    char mine[64];
    struct record record;
    empty_the_database();
    venue.boot.config.record_batch_rows_max = 100;
    assert_true(record_init(&record, &venue.boot, &recorder_settings));
    run_until(&record, venue.sequence / 2, 60000);
    must(pg_execute(owner, "SELECT record.forget()")); // in mid flow
    run_until(&record, venue.sequence, 60000);
    must(pg_execute(owner, "SELECT record.forget()")); // while nothing happens
    run_until(&record, venue.sequence + 1, 1500);
    run_until(&record, venue.sequence, 60000);
    record_fini(&record);
    fingerprint(mine);
    assert_string_equal(mine, expected);
}

// ---- risk: events as the rulebook has them, told without the engine
// ------------------------------------------------------------

static void tell(struct venue *of, const struct event *events, uint32_t count)
{
    of->sequence++;
    for (uint32_t i = 0; i < count; i++) {
        struct event event = events[i];
        event.header.sequence = of->sequence;
        event.header.time_ns = 1790000000000000000ULL + of->sequence * 1237;
        event.header.index = i;
        event.header.last = i + 1 == count;
        event.header.gateway = GATEWAY_ADMIN;
        event.header.version = SCHEMA_VERSION;
        assert_int_equal(write(of->tape_fd, &event, sizeof event), sizeof event);
    }
    atomic_store(&of->control->durable_seq, of->sequence);
}

#define EVENT(name, ...)                                                                           \
    {                                                                                              \
        .header.type = EVT_##name, .body.name = { __VA_ARGS__ }                                    \
    }
#define TELL(of, ...)                                                                              \
    tell((of), (const struct event[]){__VA_ARGS__},                                                \
         sizeof((const struct event[]){__VA_ARGS__}) / sizeof(struct event))

static void tell_of_rules(struct venue *of)
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
static void tell_of_proposals(struct venue *of)
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
static void tell_of_corrections(struct venue *of)
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
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", conditions[i]);
        if (number_of(sql) != 1)
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
        " '2026-09-22 13:06:40Z'",
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
    must(pg_execute(owner, "UPDATE settle.trade SET settlement_status = 'failed' WHERE "
                           "corrected_quantity = 0"));
    assert_int_equal(pg_execute(owner, again), PG_CONSTRAINT);
}

static void what_risk_changes_is_in_the_record_and_is_rebuilt(void **state)
{
    (void)state;
    struct venue told;
    char whole[64], small[64];
    empty_the_database();
    venue_init(&told, 4);
    venue_run(&told, 400);
    assert_true(told.last_trade.header.sequence != 0);
    tell_of_rules(&told);
    tell_of_proposals(&told);
    record_everything(&told, 20000);
    tell_of_corrections(&told);
    record_everything(&told, 20000); // of a trade that an earlier batch has written
    check_rules();
    check_proposals();
    check_corrections();
    assert_int_equal(number_of("SELECT count(*) FROM record.balance b WHERE deficit <> (SELECT "
                               "sum(e.deficit) FROM record.ledger_entry e WHERE e.account_id ="
                               " b.account_id AND e.asset_id = b.asset_id)"),
                     0);
    assert_int_equal(
        number_of(
            "SELECT count(*) FROM (SELECT FROM record.ledger_entry GROUP BY sequence, event_index,"
            " asset_id HAVING sum(available + held) <> 0) unbalanced"),
        0);
    fingerprint(whole);
    check_busted_is_final();
    must(pg_execute(owner, "SELECT record.forget()"));
    record_everything(&told, 3);
    check_corrections(); // once, though the record was written twice
    empty_the_database();
    record_everything(&told, 3);
    fingerprint(small);
    assert_string_equal(small, whole);
    venue_fini(&told);
}

int main(void)
{
    struct config config = {0};
    if (!pg_testing_server(&config) || !strstr(config.postgres_database, "test")) {
        fprintf(stderr, "record_test: skipped: LONJA_TEST_PG_HOST, _PORT, _DATABASE, _SECRETS name "
                        "no scratch server\n");
        return 77;
    }
    pg_settings_of(&recorder_settings, &config, "lonja_record");
    pg_settings_of(&owner_settings, &config, "lonja_owner");
    owner = pg_open(&owner_settings);
    venue_init(&venue, 12345);
    venue_run(&venue, COMMANDS);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_uninterrupted_run_has_the_engines_balances),
        cmocka_unit_test(small_batches_make_the_same_rows),
        cmocka_unit_test(killed_in_mid_flow_makes_the_same_rows),
        cmocka_unit_test(lost_connections_make_the_same_rows),
        cmocka_unit_test(a_second_recorder_waits_and_takes_over),
        cmocka_unit_test(an_absent_server_is_waited_for),
        cmocka_unit_test(a_cursor_that_went_back_is_followed),
        cmocka_unit_test(another_venues_database_is_refused),
        cmocka_unit_test(a_forgotten_record_is_rebuilt_beside_settlements),
        cmocka_unit_test(a_record_forgotten_under_a_running_recorder_is_written_again),
        cmocka_unit_test(what_risk_changes_is_in_the_record_and_is_rebuilt),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    venue_fini(&venue);
    pg_close(owner);
    return failed;
}
