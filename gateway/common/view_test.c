// The view against the engine: after every one of many random commands, its orders, books and
// balances are the engine's. The engine's snapshot records are the other side of the comparison.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/common/view.h"
#include "matcher/engine.h"

enum {
    ACCOUNT_FIRST = 101,
    ACCOUNTS = 4,
    INSTRUMENTS = 2,
    COMMANDS_RANDOM = 6000,
    EVENTS_MAX = 4096
};

struct venue {
    struct engine *engine;
    void *memory;
    struct view *view;
    struct event events[EVENTS_MAX];
    struct event_sink sink;
    uint64_t sequence;
    uint64_t random;
    uint64_t newest_order;
};

static uint64_t random_below(struct venue *venue, uint64_t bound)
{
    venue->random = venue->random * 6364136223846793005u + 1442695040888963407u;
    return (venue->random >> 33) % bound;
}

static struct command command_of(uint8_t type, uint8_t gateway, uint32_t session, size_t tail_bytes)
{
    struct command command;
    memset(&command, 0, sizeof command);
    command.header = (struct command_header){.slots = command_slots(type, tail_bytes),
                                             .type = type,
                                             .version = SCHEMA_VERSION,
                                             .gateway = gateway,
                                             .incarnation = 1,
                                             .session = session};
    return command;
}

static void apply(struct venue *venue, struct command *command)
{
    assert_true(command_check(command));
    command->header.sequence = ++venue->sequence;
    command->header.time_ns = 1700000000000000000u + venue->sequence;
    venue->sink.count = 0;
    engine_apply(venue->engine, command, &venue->sink);
    assert_in_range(venue->sink.count, 1, EVENTS_MAX);
    assert_true(venue->events[venue->sink.count - 1].header.last);
    for (uint32_t i = 0; i < venue->sink.count; i++)
        view_apply(venue->view, &venue->events[i]);
    assert_int_equal(view_sequence(venue->view), venue->sequence);
}

static void attach_gateways(struct venue *venue)
{
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++) {
        struct command c = command_of(CMD_gateway_attach, gateway, 0, 0);
        apply(venue, &c);
    }
}

static void open_sessions(struct venue *venue)
{
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        struct command c =
            command_of(CMD_session_open, i % 2 == 0 ? GATEWAY_FIX : GATEWAY_WEB, i + 1, 0);
        c.body.session_open.opened_session = i + 1;
        apply(venue, &c);
    }
}

static void set_up_reference_data(struct venue *venue)
{
    struct command c;
    for (uint32_t asset = 1; asset <= 1 + INSTRUMENTS; asset++) {
        c = command_of(CMD_asset_set, GATEWAY_ADMIN, 0, 0);
        c.body.asset_set.asset = asset;
        c.body.asset_set.kind = asset == 1 ? ASSET_CASH : ASSET_TOKEN;
        c.body.asset_set.scale = asset == 1 ? 6 : 2;
        text_field_set(c.body.asset_set.symbol, SYMBOL_BYTES_MAX, &"ABC"[asset - 1], 1);
        apply(venue, &c);
    }
    c = command_of(CMD_member_set, GATEWAY_ADMIN, 0, 0);
    c.body.member_set.member = 1;
    apply(venue, &c);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        c = command_of(CMD_account_set, GATEWAY_ADMIN, 0, 0);
        c.body.account_set = (struct account_set_cmd){
            .account = ACCOUNT_FIRST + i,
            .member = 1,
            .kyc = KYC_APPROVED,
            .accreditation = ACCREDITATION_INSTITUTIONAL,
            .fatca = FATCA_CLEAR,
            .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
            .fee_bps = i == 0 ? 35 : FEE_BPS_DEFAULT};
        apply(venue, &c);
        c = command_of(CMD_session_set, GATEWAY_ADMIN, 0, 4);
        c.body.session_set.session = i + 1;
        c.body.session_set.member = 1;
        c.body.session_set.gateway = i % 2 == 0 ? GATEWAY_FIX : GATEWAY_WEB;
        c.body.session_set.flags = i == 1 ? SESSION_CANCEL_ON_DISCONNECT : 0;
        c.body.session_set.account_count = 1;
        uint32_t account = ACCOUNT_FIRST + i;
        memcpy(command_tail_writable(&c), &account, sizeof account);
        apply(venue, &c);
    }
}

static void set_up_market(struct venue *venue)
{
    struct command c;
    static uint64_t reference = 0;
    for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
        c = command_of(CMD_instrument_set, GATEWAY_ADMIN, 0, 0);
        c.body.instrument_set = (struct instrument_set_cmd){.instrument = i,
                                                            .token_asset = i + 1,
                                                            .cash_asset = 1,
                                                            .status = TOKEN_SECONDARY,
                                                            .trading_mode = MODE_FULL_ORDERBOOK,
                                                            .flags = INSTRUMENT_SELL_UNSETTLED,
                                                            .token_scale = 2,
                                                            .tick = 10000,
                                                            .lot = 1,
                                                            .collar_bps = 1000,
                                                            .fee_bps = 10};
        text_field_set(c.body.instrument_set.symbol, SYMBOL_BYTES_MAX, &"XYZ"[i], 1);
        apply(venue, &c);
        c = command_of(CMD_instrument_phase, GATEWAY_ADMIN, 0, 0);
        c.body.instrument_phase.instrument = i;
        c.body.instrument_phase.phase = PHASE_CONTINUOUS;
        apply(venue, &c);
    }
    for (uint32_t account = 0; account < ACCOUNTS; account++)
        for (uint32_t asset = 1; asset <= 1 + INSTRUMENTS; asset++) {
            c = command_of(CMD_ledger_post, GATEWAY_ADMIN, 0, 0);
            c.body.ledger_post.account = ACCOUNT_FIRST + account;
            c.body.ledger_post.asset = asset;
            c.body.ledger_post.amount = asset == 1 ? 50000000000 : 40000;
            c.body.ledger_post.kind = POSTING_DEPOSIT;
            c.body.ledger_post.ref_source = REF_ADMIN;
            c.body.ledger_post.ref_number = ++reference;
            apply(venue, &c);
        }
    c = command_of(CMD_venue_state, GATEWAY_ADMIN, 0, 0);
    c.body.venue_state.state = VENUE_OPEN;
    apply(venue, &c);
}

static void random_order(struct venue *venue, uint32_t who)
{
    struct command c =
        command_of(CMD_order_new, who % 2 == 0 ? GATEWAY_FIX : GATEWAY_WEB, who + 1, 5);
    bool market = random_below(venue, 12) == 0;
    c.body.order_new = (struct order_new_cmd){
        .account = ACCOUNT_FIRST + who,
        .instrument = 1 + (uint32_t)random_below(venue, INSTRUMENTS),
        .side = (uint8_t)(1 + random_below(venue, 2)),
        .type = market ? ORDER_MARKET : ORDER_LIMIT,
        .tif = random_below(venue, 4) == 0 || market ? TIF_IOC : TIF_GTC,
        .client_id_bytes = 5,
        .price = market ? 0 : 100000000 + 10000 * (int64_t)random_below(venue, 40),
        .quantity = 1 + (int64_t)random_below(venue, 300)};
    char id[8];
    snprintf(id, sizeof id, "%05u", (unsigned)(venue->sequence % 100000));
    memcpy(command_tail_writable(&c), id, 5);
    apply(venue, &c);
    venue->newest_order = venue->sequence;
}

static void random_change(struct venue *venue, uint32_t who)
{
    uint64_t order = venue->newest_order - random_below(venue, 60);
    const struct view_order *found = view_order(venue->view, order);
    uint8_t gateway = who % 2 == 0 ? GATEWAY_FIX : GATEWAY_WEB;
    struct command c;
    if (random_below(venue, 2) == 0 || found == NULL || found->leaves < 2) {
        c = command_of(CMD_order_cancel, gateway, who + 1, 0);
        c.body.order_cancel.order = order;
        c.body.order_cancel.account = ACCOUNT_FIRST + who;
    } else {
        c = command_of(CMD_order_amend, gateway, who + 1, 3);
        c.body.order_amend = (struct order_amend_cmd){.order = order,
                                                      .account = ACCOUNT_FIRST + who,
                                                      .client_id_bytes = 3,
                                                      .quantity = found->quantity - 1,
                                                      .price = found->price};
        memcpy(command_tail_writable(&c), "new", 3);
    }
    apply(venue, &c);
}

static void random_command(struct venue *venue)
{
    uint32_t who = (uint32_t)random_below(venue, ACCOUNTS);
    uint64_t kind = random_below(venue, 100);
    if (kind < 60) {
        random_order(venue, who);
    } else if (kind < 98) {
        random_change(venue, who);
    } else {
        struct command c =
            command_of(CMD_order_mass_cancel, who % 2 == 0 ? GATEWAY_FIX : GATEWAY_WEB, who + 1, 0);
        apply(venue, &c);
    }
}

// ---- comparison
// ----------------------------------------------------------------------------------------

struct comparison {
    const struct view *view;
    uint32_t orders;
    int64_t quantity[INSTRUMENTS + 1][3];
};

static int compare_record(void *context, const struct snapshot_record *record)
{
    struct comparison *comparison = context;
    if (record->header.type == REC_balance) {
        const struct balance_rec *theirs = &record->body.balance;
        struct balance_rec mine = {.account = theirs->account,
                                   .asset = theirs->asset}; // never moved: zero
        view_balance(comparison->view, theirs->account, theirs->asset, &mine);
        assert_memory_equal(&mine, theirs, sizeof mine);
    } else if (record->header.type == REC_order) {
        const struct order_rec *theirs = &record->body.order;
        const struct view_order *mine = view_order(comparison->view, theirs->order);
        assert_non_null(mine);
        assert_int_equal(mine->leaves, theirs->leaves);
        assert_int_equal(mine->quantity, theirs->quantity);
        assert_int_equal(mine->filled_notional, theirs->filled_notional);
        assert_int_equal(mine->session, theirs->session);
        assert_int_equal(mine->client_id_bytes, theirs->client_id_bytes);
        assert_memory_equal(mine->client_id, theirs->client_id, CLIENT_ID_BYTES_MAX);
        assert_true(view_order_by_client_id(comparison->view, mine->session, mine->client_id,
                                            mine->client_id_bytes) != 0);
        comparison->orders++;
        comparison->quantity[theirs->instrument][theirs->side] += theirs->leaves;
    }
    return 0;
}

static void compare(struct venue *venue)
{
    struct comparison comparison = {.view = venue->view};
    assert_int_equal(engine_save(venue->engine, compare_record, &comparison), 0);
    assert_int_equal(comparison.orders, engine_open_orders(venue->engine));
    for (uint32_t instrument = 1; instrument <= INSTRUMENTS; instrument++)
        for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
            struct view_level levels[64];
            size_t count = view_levels(venue->view, instrument, side, levels, 64);
            int64_t quantity = 0;
            for (size_t i = 0; i < count; i++) {
                quantity += levels[i].quantity;
                if (i > 0)
                    assert_true(side == SIDE_BUY ? levels[i].price < levels[i - 1].price
                                                 : levels[i].price > levels[i - 1].price);
            }
            assert_int_equal(quantity, comparison.quantity[instrument][side]);
        }
}

static void the_view_is_the_engines_state_after_every_command(void **state)
{
    (void)state;
    static struct boot boot;
    boot.config.limits_accounts_max = boot.config.limits_sessions_max = 200;
    boot.config.limits_assets_max = boot.config.limits_instruments_max = 10;
    struct engine_limits limits = {.accounts_max = 200,
                                   .members_max = 10,
                                   .sessions_max = 200,
                                   .session_accounts_max = 400,
                                   .assets_max = 10,
                                   .instruments_max = 10,
                                   .balances_max = 400,
                                   .orders_max = 10000,
                                   .levels_max = 1000,
                                   .stops_max = 1000,
                                   .trailing_stops_max = 100,
                                   .command_events_max = EVENTS_MAX};
    struct venue *venue = calloc(1, sizeof *venue);
    size_t bytes = engine_bytes(&limits);
    assert_true(bytes > 0);
    venue->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(venue->memory, 0, bytes);
    venue->engine = engine_init(venue->memory, &limits);
    venue->view = view_create(&boot);
    venue->sink = (struct event_sink){.events = venue->events, .mask = EVENTS_MAX - 1};
    venue->random = 20261120;
    attach_gateways(venue);
    set_up_reference_data(venue);
    set_up_market(venue);
    open_sessions(venue);
    for (int i = 0; i < COMMANDS_RANDOM; i++) {
        random_command(venue);
        compare(venue);
    }
    assert_true(engine_open_orders(venue->engine) > 0);
    struct command c = command_of(CMD_session_close, GATEWAY_WEB, 2, 0);
    c.body.session_close.closed_session = 2;
    c.body.session_close.reason = CANCEL_DISCONNECT;
    apply(venue, &c);
    compare(venue);
    engine_check(venue->engine);
    view_destroy(venue->view);
    free(venue->memory);
    free(venue);
}

// ---- client ids of the day

static const uint64_t DAY_NS = 86400ull * 1000000000;

static struct event order_event(uint8_t type, uint64_t sequence, uint64_t time_ns)
{
    struct event event;
    memset(&event, 0, sizeof event);
    event.header = (struct event_header){
        .sequence = sequence, .time_ns = time_ns, .type = type, .session = 1, .last = 1};
    return event;
}

static void accept_order(struct view *view, uint64_t sequence, uint64_t time_ns, const char *id)
{
    struct event event = order_event(EVT_order_accepted, sequence, time_ns);
    event.body.order_accepted = (struct order_accepted_evt){.order = sequence,
                                                            .account = 101,
                                                            .instrument = 1,
                                                            .side = SIDE_BUY,
                                                            .type = ORDER_LIMIT,
                                                            .tif = TIF_GTC,
                                                            .price = 10000,
                                                            .quantity = 5,
                                                            .client_id_bytes = 1};
    event.body.order_accepted.client_id[0] = *id;
    view_apply(view, &event);
}

static struct view *view_with_instrument(void)
{
    static struct boot boot;
    boot.config.limits_accounts_max = boot.config.limits_sessions_max = 200;
    boot.config.limits_assets_max = boot.config.limits_instruments_max = 10;
    struct view *view = view_create(&boot);
    struct event event = order_event(EVT_instrument_changed, 1, DAY_NS);
    event.body.instrument_changed.instrument = 1;
    event.body.instrument_changed.token_asset = 2;
    event.body.instrument_changed.cash_asset = 1;
    view_apply(view, &event);
    return view;
}

static void at_midnight_client_ids_of_done_orders_are_free_without_any_event(void **state)
{
    (void)state;
    struct view *view = view_with_instrument();
    accept_order(view, 2, 2 * DAY_NS - 2, "a");
    accept_order(view, 3, 2 * DAY_NS - 1, "b");
    struct event event = order_event(EVT_order_cancelled, 4, 2 * DAY_NS - 1);
    event.body.order_cancelled.order = 2;
    event.body.order_cancelled.account = 101;
    event.body.order_cancelled.instrument = 1;
    event.body.order_cancelled.side = SIDE_BUY;
    event.body.order_cancelled.price = 10000;
    event.body.order_cancelled.quantity = 5;
    view_apply(view, &event);
    view_tick(view, 2 * DAY_NS - 1);
    assert_int_equal(view_order_by_client_id(view, 1, "a", 1), 2);
    view_tick(view, 2 * DAY_NS);
    assert_int_equal(view_order_by_client_id(view, 1, "b", 1), 3); // lives on
    accept_order(view, 5, 2 * DAY_NS - 1, "c"); // yesterday's, heard of late: today goes on
    accept_order(view, 6, 2 * DAY_NS, "d");
    assert_int_equal(view_order_by_client_id(view, 1, "a", 1), 0);
    assert_int_equal(view_order_by_client_id(view, 1, "c", 1), 5);
    assert_int_equal(view_order_by_client_id(view, 1, "d", 1), 6);
    view_destroy(view);
}

static void an_amended_order_is_found_by_both_its_client_ids(void **state)
{
    (void)state;
    struct view *view = view_with_instrument();
    accept_order(view, 2, DAY_NS, "a");
    struct event event = order_event(EVT_order_amended, 3, DAY_NS);
    event.header.session = 2; // of the same account
    event.body.order_amended = (struct order_amended_evt){.order = 2,
                                                          .account = 101,
                                                          .instrument = 1,
                                                          .side = SIDE_BUY,
                                                          .price = 10000,
                                                          .quantity = 4,
                                                          .leaves = 4,
                                                          .client_id_bytes = 1,
                                                          .client_id = "n"};
    view_apply(view, &event);
    assert_int_equal(view_order_by_client_id(view, 1, "a", 1), 2);
    assert_int_equal(view_order_by_client_id(view, 1, "n", 1), 2);
    assert_int_equal(view_order_by_client_id(view, 2, "n", 1), 2);
    view_destroy(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_view_is_the_engines_state_after_every_command),
        cmocka_unit_test(at_midnight_client_ids_of_done_orders_are_free_without_any_event),
        cmocka_unit_test(an_amended_order_is_found_by_both_its_client_ids),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
