#include "settlement/record_testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/pg_testing.h"
#include "core/numbered_file.h"
#include "core/tape_format.h"
#include "matcher/engine.h"

enum { ACCOUNTS = TESTING_ACCOUNTS, FIRST_ACCOUNT = TESTING_FIRST_ACCOUNT, EVENTS_MAX = 64 };

// ---- a venue without processes: engine, tape file, control page

uint64_t testing_random(struct testing_venue *venue, uint64_t limit)
{
    venue->random ^= venue->random << 13;
    venue->random ^= venue->random >> 7;
    venue->random ^= venue->random << 17;
    return venue->random % limit;
}

static void tape_begin(struct testing_venue *venue)
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

static void stamp_and_apply(struct testing_venue *venue, struct command *command)
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
    atomic_store(&venue->control->applied_seq, venue->sequence);
    atomic_store(&venue->control->durable_seq, venue->sequence);
}

// With what the engine wants next.
static void apply(struct testing_venue *venue, struct command *command, uint8_t type,
                  size_t tail_bytes, uint8_t gateway, uint32_t session)
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

static void tick(struct testing_venue *venue)
{
    uint64_t deadline = engine_next_deadline_ns(venue->engine);
    if (deadline > 1790000000000000000ULL + (venue->sequence + 1) * 1237)
        return;
    struct command c = {.body.clock_tick.deadline_ns = deadline};
    apply(venue, &c, CMD_clock_tick, 0, GATEWAY_CORE, 0);
}

static void set_up_reference_data(struct testing_venue *venue)
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

static void set_up_account(struct testing_venue *venue, uint32_t account)
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

static void set_up_session(struct testing_venue *venue)
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

static int64_t random_price(struct testing_venue *venue)
{
    return (int64_t)(9500 + testing_random(venue, 1000)) * 10000;
}

static size_t random_client_id(struct testing_venue *venue, struct command *c, uint8_t type)
{
    char text[CLIENT_ID_BYTES_MAX];
    int bytes = snprintf(text, sizeof text, "c\"%llu\\", (unsigned long long)venue->sequence);
    c->header.type = type;
    memcpy(command_tail_writable(c), text, (size_t)bytes);
    return (size_t)bytes;
}

static void random_order(struct testing_venue *venue)
{
    bool market = testing_random(venue, 10) == 0;
    struct command c = {
        .body.order_new = {
            .account = FIRST_ACCOUNT + (uint32_t)testing_random(venue, ACCOUNTS),
            .instrument = 1,
            .side = testing_random(venue, 2) ? SIDE_BUY : SIDE_SELL,
            .type = market ? ORDER_MARKET : ORDER_LIMIT,
            .tif = market || testing_random(venue, 8) == 0 ? TIF_IOC : TIF_DAY,
            .stp = (uint8_t)(testing_random(venue, 3) == 0 ? testing_random(venue, 5) : 0),
            .price = market ? 0 : random_price(venue),
            .quantity = (int64_t)testing_random(venue, 500)}}; // sometimes zero: refused
    if (!market && testing_random(venue, 10) == 0)
        c.body.order_new.tif = testing_random(venue, 2) == 0 ? TIF_AT_CLOSE : TIF_FOK;
    size_t bytes = random_client_id(venue, &c, CMD_order_new);
    c.body.order_new.client_id_bytes = (uint8_t)bytes;
    apply(venue, &c, CMD_order_new, bytes, GATEWAY_FIX, 1);
}

static void random_order_with_terms(struct testing_venue *venue)
{
    static const uint8_t types[] = {ORDER_LIMIT, ORDER_STOP, ORDER_STOP_LIMIT, ORDER_TRAILING_STOP};
    struct command c = {0};
    struct order_new_terms_cmd *order = &c.body.order_new_terms;
    order->account = FIRST_ACCOUNT + (uint32_t)testing_random(venue, ACCOUNTS);
    order->instrument = 1;
    order->side = testing_random(venue, 2) ? SIDE_BUY : SIDE_SELL;
    order->type = types[testing_random(venue, 4)];
    order->tif = testing_random(venue, 3) == 0 ? TIF_GTD : TIF_GTC;
    order->quantity = 10 + (int64_t)testing_random(venue, 500);
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    if (limit)
        order->price = random_price(venue);
    if (order->type != ORDER_LIMIT)
        order->stop_price = random_price(venue);
    if (order->type == ORDER_TRAILING_STOP)
        order->trail_offset = 10000 * (1 + (int64_t)testing_random(venue, 100));
    if (limit && testing_random(venue, 2) == 0)
        order->display_quantity = 1 + (int64_t)testing_random(venue, 9);
    if (order->tif == TIF_GTD)
        order->expire_ns =
            1790000000000000000ULL + (venue->sequence + 2 + testing_random(venue, 900)) * 1237;
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

static void random_amend(struct testing_venue *venue)
{
    uint32_t open = engine_open_orders(venue->engine);
    struct picked picked = {.left = open > 0 ? testing_random(venue, open) : 0};
    struct command c = {0};
    if (open == 0 || engine_save(venue->engine, pick, &picked) == 0)
        return;
    struct order_amend_cmd *amend = &c.body.order_amend;
    amend->order = picked.order.order;
    amend->account = picked.order.account;
    if (testing_random(venue, 3) != 0)
        amend->quantity = picked.order.quantity + (int64_t)testing_random(venue, 20) - 12;
    if (picked.order.type == ORDER_LIMIT && testing_random(venue, 3) == 0)
        amend->price = random_price(venue);
    if (picked.order.state == ORDER_STATE_PENDING_STOP && testing_random(venue, 2) == 0)
        amend->stop_price = random_price(venue);
    size_t bytes = random_client_id(venue, &c, CMD_order_amend);
    amend->client_id_bytes = (uint8_t)bytes;
    apply(venue, &c, CMD_order_amend, bytes, GATEWAY_FIX, 1);
}

static void random_operator(struct testing_venue *venue)
{
    struct command c = {0};
    uint64_t what = testing_random(venue, 10);
    if (what == 0) {
        c.body.instrument_rules_set = (struct instrument_rules_set_cmd){
            .instrument = 1, .volatility_bps = (uint32_t)testing_random(venue, 500)};
        apply(venue, &c, CMD_instrument_rules_set, 0, GATEWAY_ADMIN, 0);
    } else if (what == 1) {
        c.header.type = CMD_schedule_set;
        c.body.schedule_set = (struct schedule_set_cmd){
            .instrument = 1, .weekdays = 1, .entry_count = (uint8_t)testing_random(venue, 3)};
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
            .phase = what < 6 ? PHASE_CONTINUOUS : (uint8_t)(1 + testing_random(venue, 7))};
        apply(venue, &c, CMD_instrument_phase, 0, GATEWAY_ADMIN, 0);
    }
}

static void random_command(struct testing_venue *venue)
{
    uint64_t what = testing_random(venue, 100), order = 1 + testing_random(venue, venue->sequence);
    uint32_t account = FIRST_ACCOUNT + (uint32_t)testing_random(venue, ACCOUNTS);
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

void testing_venue_init(struct testing_venue *venue, uint64_t seed)
{
    memset(venue, 0, sizeof *venue);
    venue->random = seed;
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_RECORD, venue->folder);
    (void)pg_testing_server(&venue->boot.config);
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

void testing_venue_run(struct testing_venue *venue, int commands)
{
    for (int i = 0; i < commands; i++)
        random_command(venue);
}

void testing_venue_fini(struct testing_venue *venue)
{
    munmap(venue->control, sizeof *venue->control);
    close(venue->tape_fd);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
    free(venue->engine);
    free(venue->events);
}

void testing_tell(struct testing_venue *of, const struct event *events, uint32_t count)
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
    atomic_store(&of->control->applied_seq, of->sequence);
    atomic_store(&of->control->durable_seq, of->sequence);
}

// ---- the database

struct pg_settings testing_recorder;
static struct pg_settings owner_settings;
struct pg *testing_owner;

bool testing_database_open(void)
{
    struct config config = {0};
    if (!pg_testing_server(&config) || !strstr(config.postgres_database, "test"))
        return false;
    pg_settings_of(&testing_recorder, &config, "lonja_record");
    pg_settings_of(&owner_settings, &config, "lonja_owner");
    testing_owner = pg_open(&owner_settings);
    return true;
}

struct pg *testing_owner_connection(void)
{
    return pg_open(&owner_settings);
}

void testing_must(enum pg_class class)
{
    const struct pg_error *error = pg_last_error(testing_owner);
    if (class != PG_OK)
        fail_msg("%s %s %s", error->sqlstate, error->message, error->detail);
}

// Statements of pg_query are known by their address; text that is made at run time goes through a
// function of the connection.
static void make_functions(void)
{
    static uint32_t made;
    testing_must(pg_connect(testing_owner));
    if (made == pg_connections(testing_owner))
        return;
    made = pg_connections(testing_owner);
    testing_must(pg_execute(
        testing_owner,
        "CREATE FUNCTION pg_temp.answer(sql text) RETURNS text LANGUAGE plpgsql AS $$"
        " DECLARE one text; BEGIN EXECUTE sql INTO one; RETURN one; END $$;"
        " CREATE FUNCTION pg_temp.dump() RETURNS text LANGUAGE plpgsql AS $$"
        " DECLARE t text; rows text; sum text := ''; BEGIN"
        " FOR t IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'record'"
        " AND table_name NOT IN ('cursor', 'schema_version') ORDER BY 1 LOOP EXECUTE"
        " format('SELECT count(*) || md5(coalesce(string_agg(r::text, E''\\n'' ORDER BY r::text),"
        " '''')) FROM record.%I r', t) INTO rows; sum := sum || t || ' ' || rows || E'\\n';"
        " END LOOP; RETURN sum; END $$"));
}

static void answer(char *out, size_t bytes, const char *sql)
{
    struct pg_rows *rows;
    make_functions();
    testing_must(
        pg_query(testing_owner, &rows, "SELECT pg_temp.answer($1)", PG_PARAMS(pg_text(sql))));
    const char *text = pg_value(rows, 0, 0);
    snprintf(out, bytes, "%s", text ? text : "");
    pg_rows_free(rows);
}

int64_t testing_number(const char *sql)
{
    char text[64];
    answer(text, sizeof text, sql);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return text[0] == 't';
    return strtoll(text, NULL, 10);
}

void testing_database_empty(void)
{
    testing_must(pg_execute(
        testing_owner,
        "SELECT record.forget(); UPDATE record.cursor SET rebuild_to = 0; TRUNCATE settle.trade,"
        " settle.trade_settlement_history, settle.retry_request, settle.attempt, settle.result,"
        " settle.correction, chain.request_leg CASCADE"));
}

void testing_database_dump(char out[TESTING_DUMP_BYTES])
{
    make_functions();
    size_t used = 0;
    static const char *const parts[] = {
        "SELECT pg_temp.dump()",
        "SELECT E'settle.trade ' || md5(string_agg(trade_id || settlement_status || created_at, '|'"
        " ORDER BY trade_id)) || E'\\n' FROM settle.trade",
        "SELECT 'history ' || md5(string_agg(trade_id || to_status, '|' ORDER BY trade_id)) ||"
        " E'\\n' FROM settle.trade_settlement_history",
        "SELECT sequence || '/' || time_ns || '/' || checksum FROM record.cursor"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        answer(out + used, TESTING_DUMP_BYTES - used, parts[i]);
        used = strlen(out);
        ASSERT(used < TESTING_DUMP_BYTES - 1);
    }
}

void testing_database_is(const char *expected)
{
    char mine[TESTING_DUMP_BYTES];
    testing_database_dump(mine);
    if (strcmp(mine, expected) == 0)
        return;
    const char *line = mine;
    for (size_t bytes; *line; line += bytes + (line[bytes] == '\n')) {
        bytes = strcspn(line, "\n");
        if (memmem(expected, strlen(expected), line, bytes) == NULL)
            print_error("differs: %.*s\n", (int)bytes, line);
    }
    fail_msg("the rows are not those of an undisturbed run:\n%s", expected);
}

// ---- running the recorder

uint64_t testing_now(void)
{
    return clock_monotone_ns(&clock_system);
}

void testing_record_until(struct record *record, uint64_t sequence, int timeout_ms)
{
    uint64_t end = testing_now() + (uint64_t)timeout_ms * 1000000;
    while (record->cursor.sequence < sequence && record->phase != RECORD_STOPPED &&
           testing_now() < end)
        if (record_do_work(record, testing_now()) == 0)
            record_wait(record, testing_now());
}

void testing_record_all(struct testing_venue *venue, int batch_rows_max)
{
    struct record record;
    venue->boot.config.record_batch_rows_max = batch_rows_max;
    assert_true(record_init(&record, &venue->boot, &testing_recorder));
    testing_record_until(&record, venue->sequence, 300000);
    assert_int_equal(record.cursor.sequence, venue->sequence);
    record_fini(&record);
}
