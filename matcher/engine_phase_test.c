// Phases, call auctions, time, schedules, tick tables: scenarios as tables of what is said to the
// venue and what it answers.
//
// The venue: accounts A to D, each with 10^9 of cash and 10^6 tokens; one instrument with tick, lot
// and token unit 1, no fee. Time is told in milliseconds since Monday, 1970-01-05, 00:00 UTC.
// Orders are named by their number, from 1. Continuations follow their command at once, behind "|".
//
// Before every command the state is saved and loaded into a second engine, which then has to say
// and to be the same: every test is one of snapshots, too.
#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/engine.h"

enum { EVENTS = 64, FIRST = 16, CASH = 1, TOKEN = 2, ORDERS = 1000, ANSWER_BYTES = 40000 };

#define MS_NS     ((uint64_t)1000000)
#define DAY_MS    ((uint64_t)86400000)
#define MONDAY_NS (4 * DAY_MS * MS_NS)

struct side_engine { // one of the two
    void *memory;
    struct engine *engine;
    struct event events[EVENTS];
    struct event_sink sink;
};

struct venue {
    struct side_engine first;
    struct side_engine second;
    struct command command;
    uint64_t sequence;
    uint64_t now_ns;
    uint64_t orders[1 + ORDERS]; // by number, from 1
    uint32_t order_count;
    uint32_t commands;
    char answer[ANSWER_BYTES];
};

static const struct engine_limits limits = {.accounts_max = 40,
                                            .members_max = 2,
                                            .sessions_max = 2,
                                            .session_accounts_max = 4,
                                            .assets_max = 4,
                                            .instruments_max = 2,
                                            .balances_max = 16,
                                            .orders_max = 400,
                                            .levels_max = 100,
                                            .stops_max = 100,
                                            .trailing_stops_max = 10,
                                            .command_events_max = EVENTS};

// ---- two engines

static void engine_make(struct side_engine *side)
{
    size_t bytes = engine_bytes(&limits);
    if (side->memory == NULL)
        side->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(side->memory, 0, bytes);
    side->engine = engine_init(side->memory, &limits);
    side->sink = (struct event_sink){.events = side->events, .mask = EVENTS - 1};
}

static int copy_record(void *context, const struct snapshot_record *record)
{
    return engine_load(context, record) ? 0 : 1;
}

// The second engine becomes what the first one is.
static void second_load(struct venue *venue)
{
    engine_make(&venue->second);
    assert_int_equal(engine_save(venue->first.engine, copy_record, venue->second.engine), 0);
    assert_true(engine_digest(venue->second.engine) == engine_digest(venue->first.engine));
    engine_check(venue->second.engine);
}

static void second_follow(struct venue *venue)
{
    venue->second.sink.count = 0;
    engine_apply(venue->second.engine, &venue->command, &venue->second.sink);
    assert_int_equal(venue->second.sink.count, venue->first.sink.count);
    assert_memory_equal(venue->second.events, venue->first.events,
                        venue->first.sink.count * sizeof(struct event));
    assert_true(engine_digest(venue->second.engine) == engine_digest(venue->first.engine));
    assert_true(engine_book_digest(venue->second.engine, 1) ==
                engine_book_digest(venue->first.engine, 1));
    assert_true(engine_next_deadline_ns(venue->second.engine) ==
                engine_next_deadline_ns(venue->first.engine));
}

// ---- telling what was answered

static void tell(struct venue *venue, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void tell(struct venue *venue, const char *format, ...)
{
    size_t used = strlen(venue->answer);
    va_list arguments;
    va_start(arguments, format);
    if (used > 0 && venue->answer[used - 1] != ' ')
        used += (size_t)snprintf(venue->answer + used, sizeof(venue->answer) - used, "; ");
    (void)vsnprintf(venue->answer + used, sizeof(venue->answer) - used, format, arguments);
    va_end(arguments);
}

static uint32_t number_of(const struct venue *venue, uint64_t order)
{
    for (uint32_t i = 1; i <= venue->order_count; i++)
        if (venue->orders[i] == order)
            return i;
    return 0;
}

static void tell_auction(struct venue *venue, const struct auction_evt *auction)
{
    const char *sides[] = {"", " buys", " sells"};
    tell(venue, "%s %ld @ %ld", auction->final ? "final" : "indicative", auction->quantity,
         auction->price);
    if (auction->surplus != 0)
        tell(venue, "left %ld%s", auction->surplus, sides[auction->surplus_side]);
}

static void tell_event(struct venue *venue, const struct event *event)
{
    const struct rejected_evt *refused = &event->body.rejected;
    switch (event->header.type) {
    case EVT_order_accepted:
        venue->orders[++venue->order_count] = event->body.order_accepted.order;
        tell(venue, "#%u", venue->order_count);
        break;
    case EVT_order_terms:
        break;
    case EVT_trade:
        tell(venue, "%ld @ %ld #%u #%u%s", event->body.trade.quantity, event->body.trade.price,
             number_of(venue, event->body.trade.maker_order),
             number_of(venue, event->body.trade.taker_order),
             event->body.trade.kind == TRADE_AUCTION ? "" : " continuous");
        break;
    case EVT_auction:
        tell_auction(venue, &event->body.auction);
        break;
    case EVT_order_cancelled:
        tell(venue, "#%u loses %ld for %d", number_of(venue, event->body.order_cancelled.order),
             event->body.order_cancelled.quantity, event->body.order_cancelled.reason);
        break;
    case EVT_order_triggered:
        tell(venue, "#%u enters @ %ld", number_of(venue, event->body.order_triggered.order),
             event->body.order_triggered.price);
        break;
    case EVT_order_refreshed:
        tell(venue, "#%u shows %ld", number_of(venue, event->body.order_refreshed.order),
             event->body.order_refreshed.displayed);
        break;
    case EVT_rejected:
        tell(venue, "%s %ld %ld %ld", reject_entry(refused->code)->name, refused->limit,
             refused->value, refused->argument);
        break;
    case EVT_instrument_state:
        tell(venue, "phase %d", event->body.instrument_state.phase);
        break;
    case EVT_tick_band:
        tell(venue, "band %d/%d %ld %ld", event->body.tick_band.index, event->body.tick_band.count,
             event->body.tick_band.from_price, event->body.tick_band.tick);
        break;
    case EVT_schedule_entry:
        tell(venue, "entry %d/%d phase %d", event->body.schedule_entry.index,
             event->body.schedule_entry.count, event->body.schedule_entry.phase);
        break;
    case EVT_done:
        tell(venue, "done %u", event->body.done.count);
        break;
    default:
        tell(venue, "%s", event_name(event->header.type));
    }
}

// ---- saying

static struct command *start(struct venue *venue, uint8_t type, uint8_t gateway)
{
    memset(&venue->command, 0, sizeof(venue->command));
    venue->command.header = (struct command_header){.slots = command_slots(type, 0),
                                                    .type = type,
                                                    .version = SCHEMA_VERSION,
                                                    .gateway = gateway,
                                                    .incarnation = 1,
                                                    .gateway_seq = venue->sequence + 1};
    return &venue->command;
}

static void apply_one(struct venue *venue)
{
    struct command_header *header = &venue->command.header;
    uint64_t before_ns = engine_time_ns(venue->first.engine);
    header->sequence = ++venue->sequence;
    header->time_ns = venue->now_ns > before_ns ? venue->now_ns : before_ns + 1;
    assert_true(command_check(&venue->command));
    second_load(venue);
    venue->first.sink.count = 0;
    engine_apply(venue->first.engine, &venue->command, &venue->first.sink);
    for (uint32_t i = 0; i < venue->first.sink.count; i++)
        tell_event(venue, &venue->first.events[i]);
    engine_check(venue->first.engine);
    second_follow(venue);
    venue->commands++;
}

// Applies the command, and what the engine wants to go on with.
static const char *apply(struct venue *venue)
{
    venue->answer[0] = '\0';
    venue->commands = 0;
    apply_one(venue);
    while (engine_continuation(venue->first.engine, &venue->command)) {
        strcat(venue->answer, " | ");
        apply_one(venue);
    }
    return venue->answer;
}

static void now_ms(struct venue *venue, uint64_t ms)
{
    venue->now_ns = MONDAY_NS + ms * MS_NS;
}

// Ticks as the core would, up to this time; all answers, one behind the other.
static const char *ticks(struct venue *venue, uint64_t until_ms)
{
    static char all[ANSWER_BYTES];
    uint64_t until_ns = MONDAY_NS + until_ms * MS_NS;
    all[0] = '\0';
    while (engine_next_deadline_ns(venue->first.engine) <= until_ns) {
        uint64_t deadline_ns = engine_next_deadline_ns(venue->first.engine);
        venue->now_ns = deadline_ns > venue->now_ns ? deadline_ns : venue->now_ns;
        start(venue, CMD_clock_tick, GATEWAY_CORE)->body.clock_tick.deadline_ns = deadline_ns;
        if (all[0] != '\0')
            strcat(all, ", ");
        strcat(all, apply(venue));
    }
    venue->now_ns = until_ns > venue->now_ns ? until_ns : venue->now_ns;
    return all;
}

struct wish { // what an order's words ask for
    struct order_new_terms_cmd terms;
    bool plain;
};

static void wish_word(struct wish *wish, const char *word, const char *number)
{
    static const struct {
        const char *word;
        uint8_t tif;
    } tifs[] = {{"gtc", TIF_GTC},
                {"ioc", TIF_IOC},
                {"fok", TIF_FOK},
                {"open", TIF_AT_OPEN},
                {"close", TIF_AT_CLOSE}};
    int64_t value = number != NULL ? atol(number) : 0;
    for (size_t i = 0; i < sizeof tifs / sizeof tifs[0]; i++)
        if (strcmp(word, tifs[i].word) == 0)
            wish->terms.tif = tifs[i].tif;
    if (strcmp(word, "show") == 0)
        wish->terms.display_quantity = value;
    if (strcmp(word, "trail") == 0)
        wish->terms.trail_offset = value;
    if (strcmp(word, "stop") == 0)
        wish->terms.stop_price = value;
    if (strcmp(word, "until") == 0) {
        wish->terms.tif = TIF_GTD;
        wish->terms.expire_ns = MONDAY_NS + (uint64_t)value * MS_NS;
    }
    wish->plain = wish->plain && strchr("stu", word[0]) == NULL;
}

static uint8_t wish_type(const struct wish *wish)
{
    if (wish->terms.trail_offset != 0)
        return ORDER_TRAILING_STOP;
    if (wish->terms.stop_price != 0)
        return wish->terms.price != 0 ? ORDER_STOP_LIMIT : ORDER_STOP;
    return wish->terms.price != 0 ? ORDER_LIMIT : ORDER_MARKET;
}

// "A buys 10 @ 100 gtc show 3", "B sells 5 @ 0 stop 90 until 5000": the price 0 is none.
static const char *say(struct venue *venue, const char *words)
{
    char text[128];
    char *rest = NULL;
    char *tokens[16] = {0};
    int count = 0;
    (void)snprintf(text, sizeof text, "%s", words);
    for (char *token = strtok_r(text, " ", &rest); token != NULL && count < 15;
         token = strtok_r(NULL, " ", &rest))
        tokens[count++] = token;
    struct wish wish = {.plain = true};
    wish.terms.account = (uint32_t)(FIRST + tokens[0][0] - 'A');
    wish.terms.instrument = 1;
    wish.terms.side = tokens[1][0] == 'b' ? SIDE_BUY : SIDE_SELL;
    wish.terms.quantity = atol(tokens[2]);
    wish.terms.price = atol(tokens[4]);
    for (int i = 5; i < count; i++)
        wish_word(&wish, tokens[i], tokens[i + 1]);
    wish.terms.type = wish_type(&wish);
    wish.terms.client_id_bytes = 4;
    uint8_t type = wish.plain ? CMD_order_new : CMD_order_new_terms;
    struct command *command = start(venue, type, GATEWAY_FIX);
    command->header.session = 1;
    command->header.slots = command_slots(type, 4);
    memcpy(&command->body, &wish.terms,
           wish.plain ? sizeof(struct order_new_cmd) : sizeof(wish.terms));
    memcpy(command_tail_writable(command), "test", 4);
    return apply(venue);
}

static const char *cancel(struct venue *venue, uint32_t number, char who)
{
    struct command *command = start(venue, CMD_order_cancel, GATEWAY_FIX);
    command->header.session = 1;
    command->body.order_cancel = (struct order_cancel_cmd){
        .order = venue->orders[number], .account = (uint32_t)(FIRST + who - 'A')};
    return apply(venue);
}

static const char *amend(struct venue *venue, uint32_t number, char who, int64_t quantity)
{
    struct command *command = start(venue, CMD_order_amend, GATEWAY_FIX);
    command->header.session = 1;
    command->header.slots = command_slots(CMD_order_amend, 4);
    command->body.order_amend = (struct order_amend_cmd){.order = venue->orders[number],
                                                         .account = (uint32_t)(FIRST + who - 'A'),
                                                         .client_id_bytes = 4,
                                                         .quantity = quantity};
    memcpy(command_tail_writable(command), "test", 4);
    return apply(venue);
}

static const char *phase(struct venue *venue, uint8_t phase)
{
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = phase};
    return apply(venue);
}

static const char *reference(struct venue *venue, int64_t price)
{
    start(venue, CMD_reference_set, GATEWAY_ADMIN)->body.reference_set =
        (struct reference_set_cmd){.instrument = 1, .price = price};
    return apply(venue);
}

// Not inlined: gcc 12 at -O3 takes the union for its first member and warns.
static __attribute__((noinline)) void body_set(struct command *command, const void *body,
                                               size_t bytes)
{
    memcpy(command->body.bytes, body, bytes);
}

static const char *rules(struct venue *venue, struct instrument_rules_rec terms)
{
    terms.instrument = terms.instrument != 0 ? terms.instrument : 1;
    body_set(start(venue, CMD_instrument_rules_set, GATEWAY_ADMIN), &terms, sizeof terms);
    return apply(venue);
}

static const char *table(struct venue *venue, uint32_t count, const struct tick_band_tail *bands)
{
    struct command *command = start(venue, CMD_tick_table_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_tick_table_set, count * sizeof *bands);
    command->body.tick_table_set =
        (struct tick_table_set_cmd){.instrument = 1, .band_count = count};
    if (count != 0)
        memcpy(command_tail_writable(command), bands, count * sizeof *bands);
    return apply(venue);
}

static const char *schedule(struct venue *venue, uint8_t weekdays, uint8_t count,
                            const struct schedule_entry_tail *entries)
{
    struct command *command = start(venue, CMD_schedule_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_schedule_set, count * sizeof *entries);
    command->body.schedule_set =
        (struct schedule_set_cmd){.instrument = 1, .weekdays = weekdays, .entry_count = count};
    if (count != 0)
        memcpy(command_tail_writable(command), entries, count * sizeof *entries);
    return apply(venue);
}

static struct instrument_rec terms_of_instrument(void)
{
    return (struct instrument_rec){.instrument = 1,
                                   .token_asset = TOKEN,
                                   .cash_asset = CASH,
                                   .status = TOKEN_SECONDARY,
                                   .trading_mode = MODE_FULL_ORDERBOOK,
                                   .flags = INSTRUMENT_SELL_UNSETTLED,
                                   .tick = 1,
                                   .lot = 1,
                                   .collar_bps = 1000};
}

static const char *set_terms(struct venue *venue, const struct instrument_rec *terms)
{
    body_set(start(venue, CMD_instrument_set, GATEWAY_ADMIN), terms, sizeof *terms);
    return apply(venue);
}

static const char *venue_state(struct venue *venue, uint8_t state)
{
    start(venue, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = state;
    return apply(venue);
}

static void set_up_assets(struct venue *venue)
{
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++) {
        start(venue, CMD_gateway_attach, gateway);
        apply(venue);
    }
    for (uint32_t asset = CASH; asset <= TOKEN; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = asset == CASH ? ASSET_CASH : ASSET_TOKEN,
                                   .scale = asset == CASH ? 6 : 0};
        apply(venue);
    }
    start(venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 1;
    apply(venue);
    const struct instrument_rec terms = terms_of_instrument();
    assert_string_equal(set_terms(venue, &terms), "instrument_changed; phase 1");
}

static void set_up_account(struct venue *venue, uint32_t account)
{
    start(venue, CMD_account_set, GATEWAY_ADMIN)->body.account_set =
        (struct account_set_cmd){.account = account,
                                 .member = 1,
                                 .kyc = KYC_APPROVED,
                                 .accreditation = ACCREDITATION_INSTITUTIONAL,
                                 .fatca = FATCA_CLEAR,
                                 .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET,
                                 .fee_bps = FEE_BPS_DEFAULT};
    assert_string_equal(apply(venue), "account_changed");
    for (uint32_t asset = CASH; asset <= TOKEN; asset++) {
        start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
            (struct ledger_post_cmd){.account = account,
                                     .asset = asset,
                                     .amount = asset == CASH ? 1000000000 : 1000000,
                                     .kind = POSTING_DEPOSIT,
                                     .ref_source = REF_ADMIN,
                                     .ref_number = account * 2 + asset,
                                     .ref_hash = 9};
        assert_string_equal(apply(venue), "ledger_posted");
    }
}

static int open_venue(void **state)
{
    struct venue *venue = calloc(1, sizeof *venue);
    uint32_t accounts[4] = {FIRST, FIRST + 1, FIRST + 2, FIRST + 3};
    engine_make(&venue->first);
    now_ms(venue, 0);
    set_up_assets(venue);
    for (uint32_t i = 0; i < 4; i++)
        set_up_account(venue, accounts[i]);
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(accounts));
    command->body.session_set = (struct session_set_cmd){
        .session = 1, .member = 1, .gateway = GATEWAY_FIX, .account_count = 4};
    memcpy(command_tail_writable(command), accounts, sizeof(accounts));
    apply(venue);
    venue_state(venue, VENUE_OPEN);
    *state = venue;
    return 0;
}

static int close_venue(void **state)
{
    struct venue *venue = *state;
    free(venue->first.memory);
    free(venue->second.memory);
    free(venue);
    return 0;
}

struct line {
    const char *said;
    const char *answered;
};

static void play(struct venue *venue, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_string_equal(say(venue, lines[i].said), lines[i].answered);
}
#define PLAY(venue, ...)                                                                           \
    do {                                                                                           \
        const struct line lines[] = {__VA_ARGS__};                                                 \
        play((venue), lines, sizeof(lines) / sizeof(lines[0]));                                    \
    } while (0)

// ---- what a phase lets in

static void a_closed_or_halted_instrument_takes_no_order(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 10 @ 100", "PHASE 4 1 0"}, {"A buys 10 @ 100 close", "PHASE 4 1 7"});
    assert_string_equal(phase(venue, PHASE_HALTED), "phase 6");
    PLAY(venue, {"A buys 10 @ 100 gtc", "PHASE 4 6 1"});
    assert_string_equal(phase(venue, PHASE_HALTED), "phase 6");
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = 8};
    assert_string_equal(apply(venue), "MALFORMED 0 8 2");
}

static void a_call_takes_what_can_wait(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    assert_string_equal(phase(venue, PHASE_PRE_OPEN), "phase 2");
    PLAY(venue, {"A buys 10 @ 105", "#1"}, {"B sells 10 @ 95", "#2"},
         {"A buys 10 @ 100 ioc", "PHASE 4 2 3"}, {"A buys 10 @ 100 open", "#3"},
         {"B sells 5 @ 100 close", "#4"}, {"B sells 5 @ 0", "#5"});
    assert_string_equal(phase(venue, PHASE_OPENING_AUCTION),
                        "phase 3; indicative 15 @ 100; left 5 buys");
    assert_string_equal(phase(venue, PHASE_HALTED), "phase 6"); // and the book stays crossed
    assert_string_equal(phase(venue, PHASE_CLOSING_AUCTION),
                        "phase 7; #4 enters @ 100; indicative 20 @ 100");
    PLAY(venue, {"A buys 10 @ 100 open", "PHASE 4 7 2"});
}

// ---- the uncross

static void an_opening_auction_uncrosses_and_cancels_what_was_for_it(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 10 @ 103", "#1"}, {"B buys 10 @ 101 open", "#2"}, {"C sells 5 @ 99", "#3"},
         {"D sells 7 @ 0", "#4"}, {"A buys 4 @ 0", "#5"}, {"C sells 4 @ 101 open", "#6"},
         {"D sells 3 @ 105", "#7"});
    assert_string_equal(phase(venue, PHASE_CONTINUOUS),
                        "final 16 @ 101; left 8 buys; 4 @ 101 #4 #5; 3 @ 101 #1 #4; "
                        "5 @ 101 #1 #3; 2 @ 101 #1 #6; 2 @ 101 #2 #6; #2 loses 8 for 13; phase 4");
    PLAY(venue, {"A buys 3 @ 105", "#8; 3 @ 105 #7 #8 continuous"});
}

static void an_auction_of_nothing_says_so(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 10 @ 99", "#1"}, {"B sells 10 @ 101", "#2"});
    assert_string_equal(phase(venue, PHASE_CONTINUOUS), "final 0 @ 0; phase 4");
    assert_string_equal(phase(venue, PHASE_HALTED), "phase 6");
    assert_string_equal(phase(venue, PHASE_CONTINUOUS), "phase 4");
}

static void a_crossed_book_is_uncrossed_whatever_it_comes_from(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_PRE_OPEN);
    PLAY(venue, {"A buys 10 @ 101", "#1"}, {"B sells 10 @ 99 gtc", "#2"});
    assert_string_equal(phase(venue, PHASE_HALTED), "phase 6");
    assert_string_equal(phase(venue, PHASE_CONTINUOUS), "final 10 @ 99; 10 @ 99 #1 #2; phase 4");
}

static void an_iceberg_trades_whole_and_keeps_its_place(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 100 @ 100 show 10", "#1"}, {"B buys 50 @ 100", "#2"},
         {"C sells 80 @ 100", "#3"});
    assert_string_equal(phase(venue, PHASE_CONTINUOUS),
                        "final 80 @ 100; left 70 buys; 80 @ 100 #1 #3; phase 4");
    // 20 are left, of which 10 show, before the other order; the next slice goes behind it.
    PLAY(venue, {"C sells 15 @ 100", "#4; 10 @ 100 #1 #4 continuous; #1 shows 10; "
                                     "5 @ 100 #2 #4 continuous"});
}

// Market orders stand at their collar prices anywhere in the book, and trade before their turn.
static void market_orders_trade_first_wherever_they_stand(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    phase(venue, PHASE_OPENING_AUCTION);
    // The market buys at 110 are behind so many, of a level each or all of one.
    for (int deep = 0; deep < 20; deep++)
        for (int step = 0; step <= 1; step++) {
            const int markets = 2 + 6 * (1 - step);
            char words[64];
            for (int i = 0; i < deep; i++) {
                (void)snprintf(words, sizeof words, "A buys 1 @ %d gtc", 130 - step * i);
                say(venue, words);
            }
            for (int i = 0; i < markets; i++)
                say(venue, "B buys 1 @ 0");
            (void)snprintf(words, sizeof words, "C sells %d @ 105", deep + markets);
            say(venue, words);
            const char *answer = phase(venue, PHASE_CONTINUOUS);
            assert_non_null(strstr(answer, "final"));
            assert_int_equal(engine_open_orders(venue->first.engine), 0);
            phase(venue, PHASE_OPENING_AUCTION);
        }
}

// The market sell goes first, at its collar price; the sell at 95 is left with the buy at 96.
static void a_book_that_market_orders_leave_crossed_is_uncrossed_again(void **state)
{
    struct venue *venue = *state;
    reference(venue, 110);
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 1 @ 110", "#1"}, {"B buys 1 @ 96", "#2"}, {"C sells 1 @ 95", "#3"},
         {"D sells 1 @ 0", "#4"});
    assert_string_equal(phase(venue, PHASE_CONTINUOUS),
                        "final 1 @ 110; left 1 sells; 1 @ 110 #1 #4; "
                        "final 1 @ 96; 1 @ 96 #2 #3; phase 4");
}

static void the_price_of_an_auction_triggers_stops(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 5 @ 106 stop 102", "#1"}, {"A buys 5 @ 106 stop 101", "#2"},
         {"B buys 10 @ 103 gtc", "#3"}, {"C sells 10 @ 103 gtc", "#4"},
         {"D sells 4 @ 105 gtc", "#5"}, {"D sells 4 @ 106 gtc", "#6"});
    assert_string_equal(phase(venue, PHASE_CONTINUOUS),
                        "final 10 @ 103; 10 @ 103 #3 #4; phase 4; "
                        "#2 enters @ 106; 4 @ 105 #5 #2 continuous; 1 @ 106 #6 #2 continuous; "
                        "#1 enters @ 106; 3 @ 106 #6 #1 continuous");
}

// ---- the close

static void at_close_orders_wait_and_enter_first_in_first_out(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A buys 10 @ 101 close", "#1"}, {"B buys 10 @ 0 close", "#2"},
         {"C sells 30 @ 100 gtc", "#3"}, {"D buys 5 @ 99", "#4"}, {"D buys 6 @ 98 gtc", "#5"});
    assert_string_equal(phase(venue, PHASE_CLOSING_AUCTION),
                        "phase 7; #1 enters @ 101; #2 enters @ 110; "
                        "indicative 20 @ 100; left 10 sells");
    PLAY(venue, {"A sells 1 @ 120 close", "#6"});
    assert_string_equal(phase(venue, PHASE_CLOSED),
                        "final 20 @ 100; left 10 sells; 10 @ 100 #2 #3; 10 @ 100 #1 #3; "
                        "#4 loses 5 for 12; #6 loses 1 for 13; phase 1");
    assert_string_equal(phase(venue, PHASE_CONTINUOUS), "phase 4");
    PLAY(venue, {"A buys 10 @ 100", "#7; 10 @ 100 #3 #7 continuous"});
}

// They waited as 3, 1, 2; another one, and one that is amended in the call, change nothing.
static void market_orders_trade_by_id_however_they_waited(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A buys 1 @ 0 close", "#1"}, {"B buys 1 @ 0 close", "#2"},
         {"C buys 1 @ 0 close", "#3"});
    amend(venue, 1, 'A', 2);
    amend(venue, 2, 'B', 2);
    assert_string_equal(phase(venue, PHASE_CLOSING_AUCTION),
                        "phase 7; #3 enters @ 110; #1 enters @ 110; #2 enters @ 110; "
                        "indicative 0 @ 0");
    PLAY(venue, {"A buys 1 @ 0 close", "#4"});
    amend(venue, 2, 'B', 3);
    PLAY(venue, {"D sells 7 @ 100", "#5"});
    assert_string_equal(phase(venue, PHASE_CLOSED),
                        "final 7 @ 100; 2 @ 100 #1 #5; 3 @ 100 #2 #5; 1 @ 100 #3 #5; "
                        "1 @ 100 #4 #5; phase 1");
}

static void a_close_clears_every_container(void **state)
{
    struct venue *venue = *state;
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A buys 1 @ 90", "#1"}, {"B sells 1 @ 110", "#2"},
         {"A buys 2 @ 130 stop 120", "#3"}, {"A buys 2 @ 130 stop 121 gtc", "#4"},
         {"B sells 2 @ 0 stop 80", "#5"}, {"C buys 3 @ 95 close", "#6"},
         {"C buys 1 @ 89 until 900", "#7"});
    assert_string_equal(phase(venue, PHASE_CLOSED),
                        "#1 loses 1 for 12; #2 loses 1 for 12; #3 loses 2 for 12; "
                        "#5 loses 2 for 12; #6 loses 3 for 13; phase 1");
    assert_int_equal(engine_open_orders(venue->first.engine), 2);
}

// ---- continuations

// 100 trades do not fit into 64 events; nor do 100 expiries.
static void a_large_uncross_goes_on_in_the_next_command(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_OPENING_AUCTION);
    for (uint32_t i = 0; i < 100; i++) {
        say(venue, "A buys 2 @ 100");
        say(venue, "B sells 1 @ 100");
        say(venue, i % 2 != 0 ? "C buys 1 @ 99 gtc" : "C buys 1 @ 99 open");
    }
    phase(venue, PHASE_CONTINUOUS);
    assert_int_equal(venue->commands, 3); // 1 + 100 + 50 + 1 in 57, 56 (and done), the rest
    assert_int_equal(engine_open_orders(venue->first.engine), 50 + 50);
    const char *words = phase(venue, PHASE_CLOSED);
    assert_int_equal(venue->commands, 1);
    assert_null(strstr(words, "|"));
    assert_int_equal(engine_open_orders(venue->first.engine), 50);
}

static void ticks_and_digests_between_continuations_do_nothing(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_CONTINUOUS);
    for (int i = 0; i < 70; i++)
        say(venue, "A buys 1 @ 100 until 5");
    now_ms(venue, 5);
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    venue->answer[0] = '\0';
    apply_one(venue);
    assert_int_equal(engine_open_orders(venue->first.engine), 7);
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    venue->answer[0] = '\0';
    apply_one(venue);
    assert_string_equal(venue->answer, "done 0");
    start(venue, CMD_journal_digest, GATEWAY_CORE);
    venue->answer[0] = '\0';
    apply_one(venue);
    assert_string_equal(venue->answer, "done 0");
    assert_true(engine_continuation(venue->first.engine, &venue->command));
    assert_int_equal(venue->command.header.type, CMD_continue_work);
    assert_int_equal(venue->command.body.continue_work.work, WORK_EXPIRE);
    apply(venue);
    assert_int_equal(engine_open_orders(venue->first.engine), 0);
}

// ---- time

static void dated_orders_expire_by_time_then_id(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A buys 1 @ 100 until 20", "#1"}, {"A buys 2 @ 101 until 10", "#2"},
         {"A buys 3 @ 99 until 10", "#3"}, {"B sells 4 @ 0 stop 50 until 10", "#4"});
    assert_string_equal(ticks(venue, 9), "");
    assert_string_equal(ticks(venue, 10),
                        "#2 loses 2 for 12; #3 loses 3 for 12; #4 loses 4 for 12; done 3");
    assert_string_equal(cancel(venue, 1, 'A'), "#1 loses 1 for 1");
    assert_true(engine_next_deadline_ns(venue->first.engine) == UINT64_MAX);
}

static void what_expires_at_the_boundary_is_not_in_the_auction(void **state)
{
    struct venue *venue = *state;
    phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 10 @ 101 until 50", "#1"}, {"A buys 10 @ 100 until 51", "#2"},
         {"B sells 10 @ 100", "#3"});
    now_ms(venue, 50);
    assert_string_equal(phase(venue, PHASE_CONTINUOUS),
                        "#1 loses 10 for 12; final 10 @ 100; 10 @ 100 #2 #3; phase 4");
}

static void an_indicative_price_is_published_in_its_cadence(void **state)
{
    struct venue *venue = *state;
    rules(venue, (struct instrument_rules_rec){.indicative_ms = 500});
    now_ms(venue, 1000);
    assert_string_equal(phase(venue, PHASE_OPENING_AUCTION), "phase 3; indicative 0 @ 0");
    assert_string_equal(ticks(venue, 5000), ""); // nothing new to tell
    PLAY(venue, {"A buys 10 @ 101", "#1"});
    now_ms(venue, 5300);
    PLAY(venue, {"B sells 4 @ 100", "#2"}, {"B sells 4 @ 0 stop 90", "#3"});
    assert_string_equal(ticks(venue, 5499), "");
    assert_string_equal(ticks(venue, 5500), "indicative 4 @ 101; left 6 buys; done 1");
    cancel(venue, 3, 'B'); // not in the book
    assert_string_equal(ticks(venue, 9000), "");
    cancel(venue, 1, 'A');
    assert_string_equal(ticks(venue, 9500), "indicative 0 @ 0; done 1");
}

static void a_volatility_auction_begins_and_ends_by_itself(void **state)
{
    struct venue *venue = *state;
    rules(venue,
          (struct instrument_rules_rec){.volatility_bps = 500, .volatility_auction_ms = 100});
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 5 @ 104", "#1"}, {"A sells 5 @ 106", "#2"},
         {"B buys 8 @ 107 gtc", "#3; 5 @ 104 #1 #3 continuous; phase 5; indicative 3 @ 106; "
                                "left 2 sells"},
         {"C buys 5 @ 107 ioc", "PHASE 4 5 3"});
    assert_string_equal(ticks(venue, 1000),
                        "final 3 @ 106; left 2 sells; 3 @ 106 #2 #3; phase 4; done 3");
    PLAY(venue, {"C buys 2 @ 106 ioc", "#4; 2 @ 106 #2 #4 continuous"});
}

// ---- schedules

static const struct schedule_entry_tail day[] = {{8 * 3600000u, PHASE_PRE_OPEN, {0}},
                                                 {9 * 3600000u, PHASE_CONTINUOUS, {0}},
                                                 {17 * 3600000u, PHASE_CLOSED, {0}}};
enum { HOUR = 3600000 };

static void a_schedule_runs_over_the_days_of_its_week(void **state)
{
    struct venue *venue = *state;
    now_ms(venue, 9 * HOUR); // Monday; what was before is not made up for
    assert_string_equal(schedule(venue, 0x1f, 3, day),
                        "entry 0/3 phase 2; entry 1/3 phase 4; entry 2/3 phase 1; phase 1");
    assert_true(engine_next_deadline_ns(venue->first.engine) == MONDAY_NS + 17 * HOUR * MS_NS);
    phase(venue, PHASE_CONTINUOUS);
    assert_string_equal(ticks(venue, DAY_MS), "phase 1; done 1");
    assert_string_equal(ticks(venue, DAY_MS + 8 * HOUR), "phase 2; done 1");
    assert_string_equal(ticks(venue, DAY_MS + 16 * HOUR), "phase 4; done 1");
    assert_string_equal(ticks(venue, 5 * DAY_MS),
                        "phase 1; done 1, phase 2; done 1, phase 4; done 1, phase 1; done 1, "
                        "phase 2; done 1, phase 4; done 1, phase 1; done 1, "
                        "phase 2; done 1, phase 4; done 1, phase 1; done 1");
    assert_string_equal(ticks(venue, 7 * DAY_MS), ""); // the weekend
    assert_string_equal(ticks(venue, 7 * DAY_MS + 8 * HOUR), "phase 2; done 1");
    assert_string_equal(schedule(venue, 0, 0, NULL), "entry 0/0 phase 0; phase 2");
    assert_true(engine_next_deadline_ns(venue->first.engine) == UINT64_MAX);
}

static void what_people_halted_the_schedule_only_closes(void **state)
{
    struct venue *venue = *state;
    schedule(venue, 0x7f, 3, day);
    phase(venue, PHASE_HALTED);
    assert_string_equal(ticks(venue, 10 * HOUR), "phase 6; done 1, phase 6; done 1");
    assert_string_equal(ticks(venue, 18 * HOUR), "phase 1; done 1");
    assert_string_equal(ticks(venue, DAY_MS + 8 * HOUR), "phase 2; done 1");
}

static void a_venue_that_is_not_open_keeps_its_phases(void **state)
{
    struct venue *venue = *state;
    schedule(venue, 0x7f, 3, day);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A buys 1 @ 100 until 30000000", "#1"});
    venue_state(venue, VENUE_CANCEL_ONLY);
    assert_string_equal(ticks(venue, 10 * HOUR), "#1 loses 1 for 12; done 1");
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    assert_string_equal(apply(venue), "done 0");
    venue_state(venue, VENUE_OPEN);
    assert_string_equal(ticks(venue, 10 * HOUR), "phase 2; done 1, phase 4; done 1");
}

static void a_schedule_that_cannot_be_is_refused(void **state)
{
    struct venue *venue = *state;
    struct schedule_entry_tail bad[2] = {{1000, PHASE_PRE_OPEN, {0}}, {1000, PHASE_CLOSED, {0}}};
    assert_string_equal(schedule(venue, 0, 2, bad), "SCHEDULE 0 0 2");
    assert_string_equal(schedule(venue, 0x80, 2, bad), "SCHEDULE 0 128 2");
    assert_string_equal(schedule(venue, 1, 2, bad), "SCHEDULE 0 1000 1");
    bad[1].time_of_day_ms = 86400000;
    assert_string_equal(schedule(venue, 1, 2, bad), "SCHEDULE 0 86400000 1");
    bad[1].time_of_day_ms--;
    bad[1].phase = PHASE_VOLATILITY_AUCTION;
    assert_string_equal(schedule(venue, 1, 2, bad), "SCHEDULE 0 5 1");
    bad[1].phase = 8;
    assert_string_equal(schedule(venue, 1, 2, bad), "SCHEDULE 0 8 1");
    bad[0].phase = 0;
    assert_string_equal(schedule(venue, 1, 2, bad), "SCHEDULE 0 0 0");
    start(venue, CMD_schedule_set, GATEWAY_ADMIN)->body.schedule_set.instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
}

// ---- ticks and rules

static const struct tick_band_tail bands[] = {{0, 1}, {100, 5}, {200, 10}};

static void ticks_follow_their_table_and_levels_their_prices(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(table(venue, 3, bands), "band 0/3 0 1; band 1/3 100 5; band 2/3 200 10");
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 1 @ 99", "#1"}, {"A sells 1 @ 101", "OFF_TICK 5 101 0"},
         {"A sells 1 @ 105", "#2"}, {"A sells 1 @ 205", "OFF_TICK 10 205 0"},
         {"A sells 1 @ 200", "#3"}, {"A sells 1 @ 195", "#4"}, {"A sells 1 @ 210", "#5"},
         {"B buys 9 @ 210 gtc", "#6; 1 @ 99 #1 #6 continuous; 1 @ 105 #2 #6 continuous; "
                                "1 @ 195 #4 #6 continuous; 1 @ 200 #3 #6 continuous; "
                                "1 @ 210 #5 #6 continuous"});
    assert_string_equal(reference(venue, 203), "OFF_TICK 10 203 0");
    assert_string_equal(table(venue, 0, NULL), "INSTRUMENT_BUSY 0 1 0");
    cancel(venue, 6, 'B');
    struct instrument_rec terms = terms_of_instrument();
    terms.lot = 2;
    assert_string_equal(set_terms(venue, &terms), "INSTRUMENT_BUSY 0 3 0");
    assert_string_equal(table(venue, 0, NULL), "band 0/0 0 0");
    assert_string_equal(set_terms(venue, &terms), "instrument_changed");
}

static void below_the_first_band_the_instruments_own_tick_holds(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(table(venue, 2, bands + 1), "band 0/2 100 5; band 1/2 200 10");
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 1 @ 99", "#1"}, {"A sells 1 @ 104", "OFF_TICK 5 104 0"},
         {"B buys 1 @ 100", "#2; 1 @ 99 #1 #2 continuous"});
}

static void a_tick_table_that_cannot_be_is_refused(void **state)
{
    struct venue *venue = *state;
    struct instrument_rec terms = terms_of_instrument();
    terms.tick = 2;
    set_terms(venue, &terms);
    const struct {
        struct tick_band_tail bands[2];
        const char *answer;
    } cases[] = {
        {{{0, 0}, {10, 2}}, "TICK_TABLE 0 0 0"},
        {{{0, -2}, {10, 2}}, "TICK_TABLE 0 -2 0"},
        {{{0, 3}, {10, 2}}, "TICK_TABLE 0 3 0"},
        {{{-4, 2}, {10, 2}}, "TICK_TABLE 0 -4 0"},
        {{{6, 4}, {12, 4}}, "TICK_TABLE 0 6 0"},
        {{{4, 2}, {4, 4}}, "TICK_TABLE 0 4 1"},
        {{{0, 4}, {10, 10}}, "TICK_TABLE 0 10 1"},
        {{{0, 4}, {8, 6}}, "TICK_TABLE 0 8 1"},
        {{{0, 4}, {20, 10}}, "band 0/2 0 4; band 1/2 20 10"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(table(venue, 2, cases[i].bands), cases[i].answer);
}

static void rules_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(rules(venue, (struct instrument_rules_rec){.instrument = 2}),
                        "UNKNOWN_INSTRUMENT 0 2 0");
    assert_string_equal(rules(venue, (struct instrument_rules_rec){.order_quantity_min = -1}),
                        "INSTRUMENT_RULES 0 -1 3");
    assert_string_equal(rules(venue, (struct instrument_rules_rec){.order_notional_min = -2}),
                        "INSTRUMENT_RULES 0 -2 4");
    assert_string_equal(rules(venue, (struct instrument_rules_rec){.order_quantity_min = 5}),
                        "instrument_rules_changed");
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 4 @ 99", "QUANTITY_MIN 5 4 0"});
}

static void a_reset_breaker_lets_waiting_stops_go_on(void **state)
{
    struct venue *venue = *state;
    struct instrument_rec terms = terms_of_instrument();
    terms.breaker_bps = 200;
    set_terms(venue, &terms);
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 5 @ 103", "#1"}, {"A sells 5 @ 104", "#2"},
         {"B buys 2 @ 110 stop 103", "#3"},
         {"C buys 5 @ 103", "#4; 5 @ 103 #1 #4 continuous; phase 4"});
    reference(venue, 103);
    start(venue, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set.instrument = 1;
    assert_string_equal(apply(venue), "phase 4; #3 enters @ 110; 2 @ 104 #2 #3 continuous");
}

// ---- snapshots that cannot be

enum { RECORDS = 200 };

struct records {
    struct snapshot_record at[RECORDS];
    uint32_t count;
};

static int keep_record(void *context, const struct snapshot_record *record)
{
    struct records *records = context;
    assert_true(records->count < RECORDS);
    records->at[records->count++] = *record;
    return 0;
}

// True if it can be loaded and the engine that comes of it is the one that was saved.
static bool loads(struct venue *venue, const struct records *records)
{
    engine_make(&venue->second);
    for (uint32_t i = 0; i < records->count; i++)
        if (!engine_load(venue->second.engine, &records->at[i]))
            return false;
    return engine_digest(venue->second.engine) == engine_digest(venue->first.engine);
}

// Something in every container, and a change of phase under way.
static void set_up_everything(struct venue *venue)
{
    table(venue, 3, (const struct tick_band_tail[]){{0, 1}, {100, 5}, {200, 10}});
    schedule(venue, 0x1f, 2, (const struct schedule_entry_tail[]){{1000, 2, {0}}, {2000, 4, {0}}});
    rules(venue, (struct instrument_rules_rec){.indicative_ms = 500, .volatility_bps = 5000});
    reference(venue, 100);
    phase(venue, PHASE_CONTINUOUS);
    PLAY(venue, {"A sells 5 @ 100 gtc", "#1"}, {"B buys 5 @ 100", "#2; 5 @ 100 #1 #2 continuous"},
         {"A sells 50 @ 120 gtc show 10", "#3"}, {"B buys 5 @ 115 stop 105 gtc", "#4"},
         {"C sells 5 @ 0 trail 10 gtc", "#5"}, {"C sells 6 @ 95 close", "#6"});
    phase(venue, PHASE_PRE_OPEN);
    PLAY(venue, {"A buys 7 @ 0", "#7"}, {"B buys 3 @ 90 until 999", "#8"},
         {"D sells 2 @ 130 open", "#9"});
    for (int i = 0; i < 70; i++) {
        say(venue, "D buys 1 @ 80 gtc");
        say(venue, "D sells 1 @ 80 gtc");
    }
}

// Every byte of every record, wrong: it is refused, or the digest tells, or it does not matter.
static void a_wrong_byte_in_a_snapshot_is_found(void **state)
{
    struct venue *venue = *state;
    struct records *records = calloc(1, sizeof *records);
    set_up_everything(venue);
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = PHASE_CONTINUOUS};
    venue->answer[0] = '\0';
    apply_one(venue);
    assert_true(engine_continuation(venue->first.engine, &venue->command));
    assert_int_equal(engine_save(venue->first.engine, keep_record, records), 0);
    assert_true(loads(venue, records));
    for (uint32_t i = 1; i < records->count; i++)
        for (size_t byte = 0; byte < sizeof records->at[i]; byte++) {
            struct snapshot_record before = records->at[i];
            ((uint8_t *)&records->at[i])[byte] ^= (uint8_t)(1u << (i + byte) % 8);
            if (loads(venue, records)) // a byte that says nothing
                engine_check(venue->second.engine);
            records->at[i] = before;
        }
    for (uint32_t i = 1; i < records->count; i++) { // one that is missing (some say only zeroes)
        struct snapshot_record before = records->at[i];
        memmove(&records->at[i], &records->at[i + 1], (records->count - i - 1) * sizeof before);
        records->count--;
        bool of_order = before.header.type == REC_order || before.header.type == REC_order_terms;
        assert_false(loads(venue, records) && of_order);
        memmove(&records->at[i + 1], &records->at[i], (records->count - i) * sizeof before);
        records->count++;
        records->at[i] = before;
    }
    free(records);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_or_halted_instrument_takes_no_order),
        TEST(a_call_takes_what_can_wait),
        TEST(an_opening_auction_uncrosses_and_cancels_what_was_for_it),
        TEST(an_auction_of_nothing_says_so),
        TEST(a_crossed_book_is_uncrossed_whatever_it_comes_from),
        TEST(an_iceberg_trades_whole_and_keeps_its_place),
        TEST(market_orders_trade_first_wherever_they_stand),
        TEST(a_book_that_market_orders_leave_crossed_is_uncrossed_again),
        TEST(the_price_of_an_auction_triggers_stops),
        TEST(at_close_orders_wait_and_enter_first_in_first_out),
        TEST(market_orders_trade_by_id_however_they_waited),
        TEST(a_close_clears_every_container),
        TEST(a_large_uncross_goes_on_in_the_next_command),
        TEST(ticks_and_digests_between_continuations_do_nothing),
        TEST(dated_orders_expire_by_time_then_id),
        TEST(what_expires_at_the_boundary_is_not_in_the_auction),
        TEST(an_indicative_price_is_published_in_its_cadence),
        TEST(a_volatility_auction_begins_and_ends_by_itself),
        TEST(a_schedule_runs_over_the_days_of_its_week),
        TEST(what_people_halted_the_schedule_only_closes),
        TEST(a_venue_that_is_not_open_keeps_its_phases),
        TEST(a_schedule_that_cannot_be_is_refused),
        TEST(ticks_follow_their_table_and_levels_their_prices),
        TEST(below_the_first_band_the_instruments_own_tick_holds),
        TEST(a_tick_table_that_cannot_be_is_refused),
        TEST(rules_that_cannot_be_are_refused),
        TEST(a_reset_breaker_lets_waiting_stops_go_on),
        TEST(a_wrong_byte_in_a_snapshot_is_found),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
