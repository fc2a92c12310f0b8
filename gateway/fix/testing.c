#include "gateway/fix/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/fix/frame.h"
#include "gateway/fix/resend.h"

enum { CASH = 1, TOKEN = 2, INSTRUMENT = 1 };

// ---- the core -----------------------------------------------------------------------------------

static void history_add(struct venue *venue, const struct event *event)
{
    if (venue->history_count == venue->history_capacity) {
        venue->history_capacity = venue->history_capacity == 0 ? 1024 : venue->history_capacity * 2;
        venue->history = realloc(venue->history, venue->history_capacity * sizeof *venue->history);
        assert_non_null(venue->history);
    }
    venue->history[venue->history_count++] = *event;
}

static void gateway_sees(struct venue *venue, const struct event *event)
{
    uint64_t lost_above = 0;
    view_apply(venue->view, event);
    bool attached = link_on_event(&venue->link, event, &lost_above);
    desk_on_event(&venue->desk, event);
    if (attached)
        desk_on_attached(&venue->desk);
}

static uint64_t core_time(const struct venue *venue)
{
    return clock_wall_ns(&clock_system) + venue->ahead_ns;
}

static void core_apply_one(struct venue *venue, struct command *command)
{
    command->header.sequence = ++venue->sequence;
    command->header.time_ns = core_time(venue);
    venue->sink.position = 0;
    venue->sink.count = 0;
    engine_apply(venue->engine, command, &venue->sink);
    struct event events[TESTING_EVENTS_MAX]; // the desk may send commands while it reads them
    uint32_t count = venue->sink.count;
    memcpy(events, venue->sink_events, count * sizeof events[0]);
    for (uint32_t i = 0; i < count; i++) {
        history_add(venue, &events[i]);
        gateway_sees(venue, &events[i]);
    }
}

static void core_apply(struct venue *venue, struct command *command)
{
    struct command more;
    core_apply_one(venue, command);
    while (engine_continuation(venue->engine, &more))
        core_apply_one(venue, &more);
}

void venue_run(struct venue *venue)
{
    struct command command;
    while (command_ring_take(&venue->consumer, &command) == COMMAND_RING_TAKEN) {
        command.header.gateway = GATEWAY_FIX;
        core_apply(venue, &command);
    }
    desk_flush(&venue->desk);
    assert_false(venue->desk.failed);
}

static struct command by_core(uint8_t type)
{
    struct command command;
    memset(&command, 0, sizeof command);
    command.header = (struct command_header){.slots = command_slots(type, 0),
                                             .type = type,
                                             .version = SCHEMA_VERSION,
                                             .gateway = GATEWAY_CORE};
    return command;
}

static struct command by_admin(uint8_t type, size_t tail_bytes)
{
    struct command command;
    memset(&command, 0, sizeof command);
    command.header = (struct command_header){.slots = command_slots(type, tail_bytes),
                                             .type = type,
                                             .version = SCHEMA_VERSION,
                                             .gateway = GATEWAY_ADMIN,
                                             .incarnation = 1};
    return command;
}

void venue_advance(struct venue *venue, uint64_t ns)
{
    venue->ahead_ns += ns;
    for (;;) {
        uint64_t deadline = engine_next_deadline_ns(venue->engine);
        if (deadline > core_time(venue))
            return;
        struct command tick = by_core(CMD_clock_tick);
        tick.body.clock_tick.deadline_ns = deadline;
        core_apply(venue, &tick);
    }
}

void venue_set_phase(struct venue *venue, uint8_t phase)
{
    struct command c = by_admin(CMD_instrument_phase, 0);
    c.body.instrument_phase.instrument = INSTRUMENT;
    c.body.instrument_phase.phase = phase;
    core_apply(venue, &c);
}

void venue_set_volatility(struct venue *venue, uint32_t bps)
{
    struct command c = by_admin(CMD_instrument_rules_set, 0);
    c.body.instrument_rules_set.instrument = INSTRUMENT;
    c.body.instrument_rules_set.volatility_bps = bps;
    core_apply(venue, &c);
    c = by_admin(CMD_reference_set, 0);
    c.body.reference_set.instrument = INSTRUMENT;
    c.body.reference_set.price = 100000000;
    core_apply(venue, &c);
}

void venue_set_state(struct venue *venue, uint8_t state)
{
    struct command c = by_admin(CMD_venue_state, 0);
    c.body.venue_state.state = state;
    core_apply(venue, &c);
}

void venue_trip_breaker(struct venue *venue, bool tripped)
{
    struct command c = by_admin(CMD_breaker_set, 0);
    c.body.breaker_set.instrument = INSTRUMENT;
    c.body.breaker_set.tripped = tripped;
    core_apply(venue, &c);
}

struct trade_correct_cmd venue_newest_trade(const struct venue *venue)
{
    size_t place = venue->history_count;
    while (place > 0 && venue->history[place - 1].header.type != EVT_trade)
        place--;
    assert_true(place > 0);
    const struct event *event = &venue->history[place - 1];
    const struct trade_evt *trade = &event->body.trade;
    bool maker_buys = trade->taker_side == SIDE_SELL;
    return (struct trade_correct_cmd){
        .trade_id = trade_id_of(event->header.sequence, event->header.index),
        .ref_source = REF_ADMIN,
        .instrument = INSTRUMENT,
        .buyer_account = maker_buys ? trade->maker_account : trade->taker_account,
        .seller_account = maker_buys ? trade->taker_account : trade->maker_account,
        .operator_id = 1,
        .quantity = trade->quantity,
        .notional = trade->price * trade->quantity / 100,
        .buyer_fee = maker_buys ? trade->maker_fee : trade->taker_fee,
        .seller_fee = maker_buys ? trade->taker_fee : trade->maker_fee};
}

void venue_settle(struct venue *venue, const struct trade_correct_cmd *trade, uint8_t outcome)
{
    struct command c = by_admin(CMD_settlement_result, 0);
    c.header.gateway = GATEWAY_SETTLE;
    c.body.settlement_result =
        (struct settlement_result_cmd){.trade_id = trade->trade_id,
                                       .ref_number = venue->sequence + 1,
                                       .instrument = trade->instrument,
                                       .buyer_account = trade->buyer_account,
                                       .seller_account = trade->seller_account,
                                       .outcome = outcome,
                                       .quantity = trade->quantity,
                                       .proceeds = trade->notional - trade->seller_fee};
    size_t before = venue->history_count;
    core_apply(venue, &c);
    assert_int_equal(venue->history[before].header.type, EVT_settlement_booked);
}

void venue_correct(struct venue *venue, struct trade_correct_cmd *trade, int64_t new_quantity,
                   int64_t new_notional)
{
    struct command c = by_admin(CMD_trade_correct, 0);
    trade->ref_number = venue->sequence + 1;
    trade->new_quantity = new_quantity;
    trade->new_notional = new_notional;
    trade->new_seller_fee = new_notional / 1000; // 10 basis points
    c.body.trade_correct = *trade;
    size_t before = venue->history_count;
    core_apply(venue, &c);
    assert_int_equal(venue->history[before].header.type, EVT_trade_corrected);
    trade->quantity = new_quantity;
    trade->notional = new_notional;
    trade->seller_fee = trade->new_seller_fee;
}

static void set_up_assets(struct venue *venue)
{
    struct command c = by_admin(CMD_gateway_attach, 0);
    core_apply(venue, &c);
    c.header.gateway = GATEWAY_SETTLE;
    core_apply(venue, &c);
    for (uint32_t asset = CASH; asset <= TOKEN; asset++) {
        c = by_admin(CMD_asset_set, 0);
        c.body.asset_set.asset = asset;
        c.body.asset_set.kind = asset == CASH ? ASSET_CASH : ASSET_TOKEN;
        c.body.asset_set.scale = asset == CASH ? 6 : 2;
        const char *symbol = asset == CASH ? "USD" : "PORT";
        text_field_set(c.body.asset_set.symbol, SYMBOL_BYTES_MAX, symbol, strlen(symbol));
        core_apply(venue, &c);
    }
    c = by_admin(CMD_instrument_set, 0);
    c.body.instrument_set = (struct instrument_set_cmd){.instrument = INSTRUMENT,
                                                        .token_asset = TOKEN,
                                                        .cash_asset = CASH,
                                                        .status = TOKEN_SECONDARY,
                                                        .trading_mode = MODE_FULL_ORDERBOOK,
                                                        .flags = INSTRUMENT_SELL_UNSETTLED,
                                                        .token_scale = 2,
                                                        .tick = 10000,
                                                        .lot = 1,
                                                        .fat_finger_block_bps = 5000,
                                                        .fat_finger_confirm_bps = 1000,
                                                        .collar_bps = 1000,
                                                        .fee_bps = 10};
    text_field_set(c.body.instrument_set.symbol, SYMBOL_BYTES_MAX, "PORT", 4);
    core_apply(venue, &c);
    venue_set_phase(venue, PHASE_CONTINUOUS);
}

static void deposit(struct venue *venue, uint32_t account, uint32_t asset, int64_t amount)
{
    struct command c = by_admin(CMD_ledger_post, 0);
    c.body.ledger_post.account = account;
    c.body.ledger_post.asset = asset;
    c.body.ledger_post.amount = amount;
    c.body.ledger_post.kind = POSTING_DEPOSIT;
    c.body.ledger_post.ref_source = REF_ADMIN;
    c.body.ledger_post.ref_number = venue->sequence + 1;
    core_apply(venue, &c);
}

static void set_account(struct venue *venue, uint32_t account, uint8_t more_flags)
{
    struct command c = by_admin(CMD_account_set, 0);
    uint8_t flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS;
    c.body.account_set = (struct account_set_cmd){.account = account,
                                                  .member = account - 100,
                                                  .kyc = KYC_APPROVED,
                                                  .accreditation = ACCREDITATION_INSTITUTIONAL,
                                                  .fatca = FATCA_CLEAR,
                                                  .flags = flags | more_flags,
                                                  .fee_bps = FEE_BPS_DEFAULT};
    core_apply(venue, &c);
}

void venue_suspend(struct venue *venue, uint32_t account)
{
    set_account(venue, account, ACCOUNT_SUSPENDED);
}

static void set_up_member(struct venue *venue, uint32_t session)
{
    uint32_t account = session;
    struct command c = by_admin(CMD_member_set, 0);
    c.body.member_set.member = session;
    core_apply(venue, &c);
    set_account(venue, 100 + account, 0);
    c = by_admin(CMD_session_set, 4);
    c.body.session_set.session = session;
    c.body.session_set.member = session;
    c.body.session_set.gateway = GATEWAY_FIX;
    c.body.session_set.flags = session == 2 ? SESSION_CANCEL_ON_DISCONNECT : SESSION_MEMBER_SCOPE;
    c.body.session_set.account_count = 1;
    account += 100;
    memcpy(command_tail_writable(&c), &account, sizeof account);
    core_apply(venue, &c);
    deposit(venue, account, CASH, 50000000000);
    deposit(venue, account, TOKEN, 100000);
}

static void engine_make(struct venue *venue)
{
    const struct config *config = &venue->boot.config;
    const struct engine_limits limits = {
        .accounts_max = (uint32_t)config->limits_accounts_max,
        .members_max = (uint32_t)config->limits_members_max,
        .sessions_max = (uint32_t)config->limits_sessions_max,
        .session_accounts_max = (uint32_t)config->limits_session_accounts_max,
        .assets_max = (uint32_t)config->limits_assets_max,
        .instruments_max = (uint32_t)config->limits_instruments_max,
        .balances_max = (uint32_t)config->limits_balances_max,
        .orders_max = (uint32_t)config->limits_orders_max,
        .levels_max = (uint32_t)config->limits_levels_max,
        .stops_max = (uint32_t)config->limits_stops_max,
        .trailing_stops_max = (uint32_t)config->limits_trailing_stops_max,
        .command_events_max = (uint32_t)config->limits_command_events_max};
    size_t bytes = (engine_bytes(&limits) + 63) / 64 * 64;
    venue->engine_memory = aligned_alloc(64, bytes);
    assert_non_null(venue->engine_memory);
    memset(venue->engine_memory, 0, bytes);
    venue->engine = engine_init(venue->engine_memory, &limits);
    venue->sink = (struct event_sink){.events = venue->sink_events, .mask = TESTING_EVENTS_MAX - 1};
}

// ---- the gateway --------------------------------------------------------------------------------

static void gateway_attach(struct venue *venue)
{
    atomic_store(&venue->core.core_state, CORE_RUNNING);
    atomic_fetch_add(&venue->core.epoch, 2);
    link_heartbeat(&venue->link, &venue->core, clock_monotone_ns(&clock_system));
    venue_run(venue);
    assert_true(venue->link.attached);
}

static void gateway_open(struct venue *venue)
{
    venue->view = view_create(&venue->boot);
    assert_int_equal(link_open(&venue->link, &venue->boot, GATEWAY_FIX), 0);
    assert_true(desk_open(&venue->desk, &venue->boot, venue->view, &venue->link, &clock_system));
    size_t count = venue->history_count;
    for (size_t i = 0; i < count; i++)
        gateway_sees(venue, &venue->history[i]);
}

void venue_open(struct venue *venue)
{
    memset(venue, 0, sizeof *venue);
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_FIX, venue->folder);
    engine_make(venue);
    int fd = venue->boot.command_ring_fd[GATEWAY_FIX];
    uint64_t slots = (uint64_t)venue->boot.config.rings_command_slots;
    assert_int_equal(command_ring_open_consumer(&venue->consumer, fd, slots, false), 0);
    gateway_open(venue);
    set_up_assets(venue);
    for (uint32_t i = 0; i < PEERS; i++) {
        set_up_member(venue, i + 1);
        venue->peers[i] = (struct peer){.venue = venue,
                                        .session_id = i + 1,
                                        .comp_id = i == 0 ? "ATLANTIC" : "BALEAR",
                                        .next_out = 1};
    }
    venue_set_state(venue, VENUE_OPEN);
    gateway_attach(venue);
}

static void gateway_die(struct venue *venue, bool clean)
{
    if (clean) {
        assert_true(desk_close(&venue->desk));
    } else {
        desk_abandon(&venue->desk);
    }
    command_ring_close(&venue->link.ring);
    view_destroy(venue->view);
    for (int i = 0; i < PEERS; i++)
        venue->peers[i].session = NULL;
}

void venue_restart_gateway(struct venue *venue, bool clean)
{
    gateway_die(venue, clean);
    venue->boot.incarnation++;
    gateway_open(venue);
    gateway_attach(venue);
}

void venue_lose_commands(struct venue *venue)
{
    struct command lost;
    while (command_ring_take(&venue->consumer, &lost) == COMMAND_RING_TAKEN)
        ;
}

void venue_restart_core(struct venue *venue)
{
    venue_lose_commands(venue);
    gateway_attach(venue);
}

void venue_close(struct venue *venue)
{
    engine_check(venue->engine); // every asset sums to zero
    gateway_die(venue, true);
    command_ring_close(&venue->consumer);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
    for (int i = 0; i < PEERS; i++)
        for (size_t j = 0; j < venue->peers[i].heard_count; j++)
            free(venue->peers[i].heard[j]);
    free(venue->history);
    free(venue->engine_memory);
}

int venue_set_up(void **state)
{
    struct venue *venue = aligned_alloc(64, (sizeof *venue + 63) / 64 * 64);
    assert_non_null(venue);
    venue_open(venue);
    *state = venue;
    return 0;
}

int venue_tear_down(void **state)
{
    venue_close(*state);
    free(*state);
    return 0;
}

// ---- peers --------------------------------------------------------------------------------------

static void wire_send(void *context, const char *bytes, size_t count)
{
    struct peer *peer = context;
    struct frame frame = frame_find(bytes, count, 1 << 16);
    assert_int_equal(frame.result, FRAME_WHOLE);
    assert_int_equal(frame.bytes, count);
    assert_true(peer->heard_count < HEARD_MAX);
    char *text = malloc(count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        text[i] = bytes[i] == FIX_SOH ? '|' : bytes[i];
    text[count] = 0;
    peer->heard[peer->heard_count++] = text;
}

static void wire_hang_up(void *context)
{
    struct peer *peer = context;
    peer->hung_up = true;
    peer->session = NULL;
}

void peer_send_as(struct peer *peer, uint32_t number, const char *fields)
{
    char body[1024], message[1200], now[FIX_TIME_BYTES];
    const char *rest = strchr(fields, '|');
    assert_non_null(rest);
    assert_non_null(peer->session);
    char digits[16];
    fix_time(now, clock_wall_ns(&clock_system));
    snprintf(digits, sizeof digits, "%u", number);
    int bytes =
        snprintf(body, sizeof body, "%.*s|34=%s|49=%s|52=%s|56=LONJA%s", (int)(rest - fields),
                 fields, peer->says_number != NULL ? peer->says_number : digits, peer->comp_id,
                 peer->says_time != NULL ? peer->says_time : now, rest);
    assert_true(bytes > 0 && (size_t)bytes < sizeof body);
    for (int i = 0; i < bytes; i++)
        if (body[i] == '|')
            body[i] = FIX_SOH;
    size_t count = fix_wrap(message, sizeof message, body, (size_t)bytes);
    session_feed(peer->session, message, count);
}

void peer_send(struct peer *peer, const char *fields)
{
    peer_send_as(peer, peer->next_out++, fields);
}

void peer_connect(struct peer *peer, const char *more_logon_fields)
{
    char logon[256];
    peer->session = desk_session(&peer->venue->desk, peer->session_id, peer->comp_id);
    assert_non_null(peer->session);
    peer->wire = (struct session_wire){wire_send, wire_hang_up, peer};
    peer->hung_up = false;
    session_connect(peer->session, &peer->wire, NULL);
    snprintf(logon, sizeof logon, "35=A|98=0|108=30|%s", more_logon_fields);
    peer_send(peer, logon);
    venue_run(peer->venue);
}

int venue_set_up_connected(void **state)
{
    venue_set_up(state);
    struct venue *venue = *state;
    for (size_t i = 0; i < PEERS; i++)
        peer_connect(&venue->peers[i], "");
    return 0;
}

void peer_disconnect(struct peer *peer)
{
    session_disconnected(peer->session);
    peer->session = NULL;
    venue_run(peer->venue);
}

static bool has_field(const char *message, const char *field, size_t bytes)
{
    for (const char *at = message; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, field, bytes) == 0)
            return true;
    }
    return false;
}

bool message_has(const char *message, const char *fields)
{
    while (*fields != 0) {
        size_t bytes = (size_t)(strchr(fields, '|') - fields) + 1;
        if (!has_field(message, fields, bytes))
            return false;
        fields += bytes;
    }
    return true;
}

const char *peer_expect(struct peer *peer, const char *fields)
{
    for (size_t i = peer->read; i < peer->heard_count; i++)
        if (message_has(peer->heard[i], fields)) {
            peer->read = i + 1;
            return peer->heard[i];
        }
    for (size_t i = peer->read; i < peer->heard_count; i++)
        print_message("heard: %s\n", peer->heard[i]);
    fail_msg("%s has heard no message with %s", peer->comp_id, fields);
    return NULL;
}

void peer_expect_no(struct peer *peer, const char *fields)
{
    for (size_t i = peer->read; i < peer->heard_count; i++)
        if (message_has(peer->heard[i], fields))
            fail_msg("%s has heard %s", peer->comp_id, peer->heard[i]);
}

const char *message_field(const char *message, unsigned tag)
{
    static char value[256];
    char key[16];
    snprintf(key, sizeof key, "|%u=", tag);
    const char *at = strstr(message, key);
    if (at == NULL)
        return "";
    at += strlen(key);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "|"), at);
    return value;
}

void peer_order(struct peer *peer, const char *fields)
{
    char text[512];
    snprintf(text, sizeof text, "35=D|55=PORT|60=20261120-10:00:00|%s", fields);
    peer_send(peer, text);
    venue_run(peer->venue);
}

void peer_replace(struct peer *peer, const char *fields)
{
    char text[512];
    snprintf(text, sizeof text, "35=G|55=PORT|60=20261120-10:00:00|%s", fields);
    peer_send(peer, text);
    venue_run(peer->venue);
}

void peer_cancel(struct peer *peer, const char *fields)
{
    char text[512];
    snprintf(text, sizeof text, "35=F|55=PORT|60=20261120-10:00:00|%s", fields);
    peer_send(peer, text);
    venue_run(peer->venue);
}

void peer_ask(struct peer *peer, const char *message)
{
    peer_send(peer, message);
    venue_run(peer->venue);
}

void peers_trade_at_100(struct venue *venue)
{
    peer_order(&venue->peers[0], "11=a0|54=2|38=1|40=2|44=100|");
    peer_order(&venue->peers[1], "11=b0|54=1|38=1|40=2|44=100|");
    peer_expect(&venue->peers[0], "35=8|11=a0|150=F|39=2|851=1|");
    peer_expect(&venue->peers[1], "35=8|11=b0|150=F|39=2|851=2|");
}

unsigned peer_count(const struct peer *peer, size_t from, const char *fields)
{
    unsigned count = 0;
    for (size_t i = from; i < peer->heard_count; i++)
        count += message_has(peer->heard[i], fields);
    return count;
}
