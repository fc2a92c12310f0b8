// The view against the engine: after every one of many random commands of every kind, what the view
// made of the events alone is the engine's state: orders, books by order, level and best price,
// what stops wait for, balances, rules. The engine's snapshot records are the other side of the
// comparison; its commands come from tests/model. A mirror that hears changes of the book only
// shows that L2 and L3 deltas say everything.
//
// The program is linked with engine_apply wrapped, so that the view sees each command's events as
// they are made, those of ticks and continuations too.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"
#include "gateway/common/view.h"
#include "gateway/common/view_internal.h"
#include "matcher/engine.h"
#include "tests/model/generator.h"

enum { COMMANDS = 40000, LISTED_MAX = 256, MIRROR_MAX = 1 << 17, RELOAD_EVERY = 997 };

// ---- a mirror of the books by their changes

struct mirrored {
    struct view_book_change change;
    uint64_t stamp; // when it went to the back
};

struct mirror {
    struct map places; // order -> place + 1
    struct mirrored *orders;
    size_t used, showing;
    uint64_t stamp;
};

static void mirror_change(void *context, const struct view_book_change *change)
{
    struct mirror *mirror = context;
    uint64_t place = 0;
    if (!map_get(&mirror->places, change->order, &place)) {
        assert_true(mirror->used < MIRROR_MAX);
        place = ++mirror->used;
        map_put(&mirror->places, change->order, place);
    }
    struct mirrored *order = &mirror->orders[place - 1];
    mirror->showing -= order->change.shown > 0;
    if (order->change.shown == 0 && change->shown > 0)
        assert_true(change->to_back);
    order->change = *change;
    mirror->showing += change->shown > 0;
    if (change->to_back)
        order->stamp = ++mirror->stamp;
}

static const struct mirrored *mirror_find(const struct mirror *mirror, uint64_t order)
{
    uint64_t place = 0;
    assert_true(map_get(&mirror->places, order, &place));
    return &mirror->orders[place - 1];
}

// ---- what the engine says

struct listed { // in the book, in priority
    uint64_t order;
    int64_t price, shown;
};

struct picture {
    struct view *view;
    uint32_t orders;
    bool pending; // in the middle of something large
    struct listed books[NAIVE_INSTRUMENTS][3][LISTED_MAX];
    size_t counts[NAIVE_INSTRUMENTS][3];
    uint32_t bands[NAIVE_INSTRUMENTS], entries[NAIVE_INSTRUMENTS];
    struct listed *last; // whose terms may follow
    struct order_rec of;
};

static struct {
    struct boot boot;
    struct engine *engine;
    struct mirror mirror;
    struct picture picture;
    uint64_t compared, reloaded;
} test;

static void see_balance(const struct picture *picture, const struct balance_rec *theirs)
{
    struct balance_rec mine = {.account = theirs->account,
                               .asset = theirs->asset}; // never moved: zero
    view_balance(picture->view, theirs->account, theirs->asset, &mine);
    assert_memory_equal(&mine, theirs, sizeof mine);
}

static void see_order(struct picture *picture, const struct order_rec *theirs)
{
    const struct view_order *mine = view_order(picture->view, theirs->order);
    assert_non_null(mine);
    assert_int_equal(mine->account, theirs->account);
    assert_int_equal(mine->instrument, theirs->instrument);
    assert_int_equal(mine->side, theirs->side);
    assert_int_equal(mine->type, theirs->type);
    assert_int_equal(mine->tif, theirs->tif);
    assert_int_equal(mine->flags, theirs->flags);
    assert_int_equal(mine->gateway, theirs->gateway);
    assert_int_equal(mine->price, theirs->price);
    assert_int_equal(mine->leaves, theirs->leaves);
    assert_int_equal(mine->quantity, theirs->quantity);
    assert_int_equal(mine->filled_notional, theirs->filled_notional);
    assert_int_equal(mine->entered_ns, theirs->entered_ns);
    assert_int_equal(mine->session, theirs->session);
    assert_int_equal(mine->client_id_bytes, theirs->client_id_bytes);
    assert_memory_equal(mine->client_id, theirs->client_id, CLIENT_ID_BYTES_MAX);
    assert_true(view_order_by_client_id(picture->view, mine->session, mine->client_id,
                                        mine->client_id_bytes) != 0);
    picture->of = *theirs;
    picture->orders++;
    picture->last = NULL;
    if (theirs->state != ORDER_STATE_OPEN) {
        assert_int_equal(mine->shown, 0);
        return;
    }
    size_t *count = &picture->counts[theirs->instrument][theirs->side];
    assert_true(*count < LISTED_MAX);
    picture->last = &picture->books[theirs->instrument][theirs->side][(*count)++];
    *picture->last = (struct listed){theirs->order, theirs->price, theirs->leaves};
}

static void see_terms(struct picture *picture, const struct order_terms_rec *theirs)
{
    const struct view_order *mine = view_order(picture->view, theirs->order);
    assert_int_equal(picture->of.order, theirs->order);
    assert_int_equal(mine->stop_price, theirs->stop_price);
    assert_int_equal(mine->trail_offset, theirs->trail_offset);
    assert_int_equal(mine->display, theirs->display_quantity);
    assert_int_equal(mine->expire_ns, theirs->expire_ns);
    assert_int_equal(mine->self_match_id, theirs->self_match_id);
    assert_int_equal(mine->stp, theirs->stp);
    if (picture->last != NULL)
        picture->last->shown -= theirs->hidden;
}

static void see_state(const struct picture *picture, const struct instrument_state_rec *theirs)
{
    const struct view_instrument *mine = view_instrument(picture->view, theirs->instrument);
    assert_int_equal(mine->state.phase, theirs->phase);
    assert_int_equal(mine->state.breaker_tripped, theirs->breaker_tripped);
    assert_int_equal(mine->state.nav, theirs->nav);
    assert_int_equal(mine->state.phase_end_ns, theirs->phase_end_ns);
    assert_int_equal(mine->state.schedule_next_ns, theirs->schedule_next_ns);
}

static int see_record(void *context, const struct snapshot_record *record)
{
    struct picture *picture = context;
    switch (record->header.type) {
    case REC_balance:
        see_balance(picture, &record->body.balance);
        break;
    case REC_order:
        see_order(picture, &record->body.order);
        break;
    case REC_order_terms:
        see_terms(picture, &record->body.order_terms);
        break;
    case REC_instrument_state:
        see_state(picture, &record->body.instrument_state);
        break;
    case REC_instrument_rules:
        assert_memory_equal(
            &view_instrument(picture->view, record->body.instrument_rules.instrument)->rules,
            &record->body.instrument_rules, sizeof record->body.instrument_rules);
        break;
    case REC_tick_band:
        assert_memory_equal(&view_instrument(picture->view, record->body.tick_band.instrument)
                                 ->bands[record->body.tick_band.index],
                            &record->body.tick_band, sizeof record->body.tick_band);
        picture->bands[record->body.tick_band.instrument]++;
        break;
    case REC_schedule_entry:
        assert_memory_equal(&view_instrument(picture->view, record->body.schedule_entry.instrument)
                                 ->schedule[record->body.schedule_entry.index],
                            &record->body.schedule_entry, sizeof record->body.schedule_entry);
        picture->entries[record->body.schedule_entry.instrument]++;
        break;
    case REC_pending:
        picture->pending = true;
        break;
    default:
        break;
    }
    return 0;
}

// Which stops have been met is told with the phase change or the trade; in the middle of a large
// command the engine may not have come to it.
static int see_states(void *context, const struct snapshot_record *record)
{
    const struct picture *picture = context;
    if (record->header.type == REC_order)
        assert_int_equal(view_order(picture->view, record->body.order.order)->state,
                         record->body.order.state);
    if (record->header.type != REC_instrument_state)
        return 0;
    const struct instrument_state_rec *theirs = &record->body.instrument_state;
    const struct view_instrument *mine = view_instrument(picture->view, theirs->instrument);
    assert_int_equal(mine->state.last_price, theirs->last_price);
    assert_int_equal(mine->state.reference_price, theirs->reference_price);
    return 0;
}

// ---- the books

struct walk {
    const struct listed *listed;
    size_t count, at;
    uint64_t stamp;
};

static bool walk_order(void *context, const struct view_order *order)
{
    struct walk *walk = context;
    assert_true(walk->at < walk->count);
    const struct listed *theirs = &walk->listed[walk->at];
    const struct mirrored *mirrored = mirror_find(&test.mirror, order->order);
    assert_int_equal(order->order, theirs->order);
    assert_int_equal(order->price, theirs->price);
    assert_int_equal(order->shown, theirs->shown);
    assert_int_equal(mirrored->change.price, theirs->price);
    assert_int_equal(mirrored->change.shown, theirs->shown);
    assert_int_equal(mirrored->change.instrument, order->instrument);
    assert_int_equal(mirrored->change.side, order->side);
    if (walk->at > 0 && walk->listed[walk->at - 1].price == theirs->price)
        assert_true(mirrored->stamp > walk->stamp);
    walk->stamp = mirrored->stamp;
    walk->at++;
    return true;
}

static void compare_levels(const struct view *view, uint32_t instrument, uint8_t side,
                           const struct listed *listed, size_t count)
{
    struct view_level levels[LISTED_MAX], best;
    size_t level_count = view_levels(view, instrument, side, levels, LISTED_MAX), at = 0;
    assert_int_equal(view_best(view, instrument, side, &best), count > 0);
    if (count > 0)
        assert_memory_equal(&best, &levels[0], sizeof best);
    for (size_t i = 0; i < level_count; i++) {
        struct view_level sum = {.price = levels[i].price};
        for (; at < count && listed[at].price == sum.price; at++) {
            sum.quantity += listed[at].shown;
            sum.orders++;
        }
        assert_int_equal(sum.quantity, levels[i].quantity);
        assert_int_equal(sum.orders, levels[i].orders);
        struct view_level same = view_level_at(view, instrument, side, sum.price);
        assert_memory_equal(&same, &levels[i], sizeof same);
    }
    assert_int_equal(at, count);
}

static void compare_books(const struct picture *picture)
{
    size_t showing = 0;
    for (uint32_t instrument = 1; instrument <= UNIVERSE_INSTRUMENTS; instrument++) {
        const struct view_instrument *found = view_instrument(picture->view, instrument);
        if (found == NULL)
            continue;
        for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
            struct walk walk = {.listed = picture->books[instrument][side],
                                .count = picture->counts[instrument][side]};
            view_book_orders(picture->view, instrument, side, walk_order, &walk);
            assert_int_equal(walk.at, walk.count);
            compare_levels(picture->view, instrument, side, walk.listed, walk.count);
            showing += walk.count;
        }
        assert_int_equal(view_book_digest(picture->view, instrument),
                         engine_book_digest(test.engine, instrument));
        assert_int_equal(found->band_count, picture->bands[instrument]);
        assert_int_equal(found->entry_count, picture->entries[instrument]);
    }
    assert_int_equal(test.mirror.showing, showing);
}

static void count_order(void *context, const struct view_order *order)
{
    assert_true(order->leaves > 0);
    ++*(uint32_t *)context;
}

static void compare(void)
{
    struct picture *picture = &test.picture;
    struct view *view = picture->view;
    uint32_t mine = 0;
    memset(picture, 0, sizeof *picture);
    picture->view = view;
    assert_int_equal(engine_save(test.engine, see_record, picture), 0);
    if (!picture->pending)
        assert_int_equal(engine_save(test.engine, see_states, picture), 0);
    compare_books(picture);
    for (uint32_t account = 1; account < NAIVE_ACCOUNTS; account++)
        view_orders_of_account(view, account, count_order, &mine);
    assert_int_equal(mine, picture->orders);
    assert_int_equal(mine, engine_open_orders(test.engine));
    assert_int_equal(view_venue_state(view), engine_venue_state(test.engine));
    test.compared++;
}

// ---- the run

static int load(void *context, const struct snapshot_record *record)
{
    (void)view_load_record(context, record);
    return 0;
}

// A view that begins here, from a snapshot, goes on like the one that was there from the first.
static void reload(void)
{
    view_destroy(test.picture.view);
    test.picture.view = view_create(&test.boot);
    assert_int_equal(engine_save(test.engine, load, test.picture.view), 0);
    view_on_book_change(test.picture.view, mirror_change, &test.mirror);
    test.reloaded++;
    compare();
}

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);

void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    __real_engine_apply(engine, command, sink);
    if (command->header.sequence <= view_sequence(test.picture.view))
        return; // the engine that was loaded from a snapshot, too
    test.engine = engine;
    for (uint32_t i = 0; i < sink->count; i++)
        view_apply(test.picture.view, &sink->events[(sink->position + i) & sink->mask]);
    assert_int_equal(view_sequence(test.picture.view), command->header.sequence);
    compare();
    if (command->header.sequence % RELOAD_EVERY == 0)
        reload();
}

static void change_phase(struct beside *beside, uint8_t phase)
{
    struct command *command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
    command->body.instrument_phase.instrument = 1;
    command->body.instrument_phase.phase = phase;
    beside_apply(beside);
}

// An uncross that is longer than one command, of orders that show a part.
static void uncross_in_parts(struct beside *beside)
{
    universe_deposit(beside, universe_account(1, 0), UNIVERSE_CASH, 1000000000);
    universe_deposit(beside, universe_account(3, 0), 2, 1000);
    for (uint32_t session = 1; session <= 3; session += 2) {
        struct command *command =
            beside_start(beside, CMD_session_open, universe_gateway_of(session));
        command->header.session = command->body.session_open.opened_session = session;
        beside_apply(beside);
    }
    change_phase(beside, PHASE_OPENING_AUCTION);
    for (uint32_t i = 0; i < 124; i++) {
        uint32_t session = i % 2 == 0 ? 1 : 3;
        struct command *command =
            beside_start(beside, CMD_order_new_terms, universe_gateway_of(session));
        command->header.session = session;
        command->header.slots = command_slots(CMD_order_new_terms, 1);
        *command_tail_writable(command) = 'u';
        command->body.order_new_terms =
            (struct order_new_terms_cmd){.account = universe_account(session, 0),
                                         .instrument = 1,
                                         .side = session == 1 ? SIDE_BUY : SIDE_SELL,
                                         .type = ORDER_LIMIT,
                                         .tif = TIF_GTC,
                                         .client_id_bytes = 1,
                                         .price = 10000000,
                                         .quantity = session == 1 ? 3 : 2,
                                         .display_quantity = 1};
        beside_apply(beside);
    }
    change_phase(beside, PHASE_CONTINUOUS);
    assert_true(beside->coverage.works[WORK_PHASE] > 0);
    change_phase(beside, PHASE_CLOSED);
}

static void run(uint64_t seed)
{
    struct engine_limits limits = {.accounts_max = NAIVE_ACCOUNTS - 1,
                                   .members_max = NAIVE_MEMBERS - 1,
                                   .sessions_max = NAIVE_SESSIONS - 1,
                                   .session_accounts_max = 16,
                                   .assets_max = NAIVE_ASSETS - 1,
                                   .instruments_max = NAIVE_INSTRUMENTS - 1,
                                   .balances_max = NAIVE_ACCOUNTS * NAIVE_ASSETS,
                                   .orders_max = 126,
                                   .levels_max = 300, // never full: see view_orders.c
                                   .stops_max = 50,
                                   .trailing_stops_max = 20,
                                   .command_events_max = NAIVE_EVENTS};
    struct beside *beside = calloc(1, sizeof *beside);
    struct generator *generator = calloc(1, sizeof *generator);
    memset(&test, 0, sizeof test);
    test.boot.config.limits_accounts_max = test.boot.config.limits_sessions_max = 200;
    test.boot.config.limits_assets_max = test.boot.config.limits_instruments_max = 10;
    test.mirror.orders = calloc(MIRROR_MAX, sizeof *test.mirror.orders);
    test.picture.view = view_create(&test.boot);
    view_on_book_change(test.picture.view, mirror_change, &test.mirror);
    beside->program = "view_test";
    beside->seed = generator->random = seed;
    beside->now = (uint64_t)1790000000 * 1000000000;
    beside_open(beside, &limits);
    universe_set_up(beside);
    uncross_in_parts(beside);
    while (beside->sequence < COMMANDS)
        generator_step(generator, beside);
    assert_int_equal(test.compared, beside->sequence + test.reloaded);
    const struct coverage *coverage = &beside->coverage;
    assert_true(coverage->events[EVT_order_triggered] > 0);
    assert_true(coverage->events[EVT_order_refreshed] > 0);
    assert_true(coverage->events[EVT_order_reduced] > 0);
    assert_true(coverage->auction_trades > 0);
    assert_true(coverage->kept > 0 && coverage->lost > 0);
    assert_true(coverage->works[WORK_TRIGGERED] > 0);
    beside_close(beside);
    view_destroy(test.picture.view);
    map_fini(&test.mirror.places);
    free(test.mirror.orders);
    free(generator);
    free(beside);
}

static void all_feeds_follow_from_events_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        run(seed);
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

// ---- statistics of a day

static void tell_phase(struct view *view, uint64_t sequence, uint64_t time_ns, uint8_t phase)
{
    struct event event = order_event(EVT_instrument_state, sequence, time_ns);
    event.body.instrument_state = (struct instrument_state_evt){.instrument = 1, .phase = phase};
    view_apply(view, &event);
}

static void trade(struct view *view, uint64_t sequence, uint64_t time_ns, int64_t price,
                  int64_t quantity)
{
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        struct event event = order_event(EVT_order_accepted, sequence + side, time_ns);
        event.body.order_accepted = (struct order_accepted_evt){.order = sequence + side,
                                                                .account = 100u + side,
                                                                .instrument = 1,
                                                                .side = side,
                                                                .type = ORDER_LIMIT,
                                                                .state = ORDER_STATE_OPEN,
                                                                .price = price,
                                                                .quantity = quantity};
        view_apply(view, &event);
    }
    struct event event = order_event(EVT_trade, sequence + 3, time_ns);
    event.body.trade = (struct trade_evt){.instrument = 1,
                                          .taker_side = SIDE_SELL,
                                          .price = price,
                                          .quantity = quantity,
                                          .maker_order = sequence + 1,
                                          .taker_order = sequence + 2,
                                          .maker_account = 101,
                                          .taker_account = 102};
    view_apply(view, &event);
}

static void schedule_a_close(struct view *view, uint64_t sequence, uint64_t time_ns)
{
    struct event event = order_event(EVT_schedule_entry, sequence, time_ns);
    event.body.schedule_entry = (struct schedule_entry_evt){
        .instrument = 1, .count = 1, .phase = PHASE_CLOSED, .weekdays = 127};
    view_apply(view, &event);
}

static void statistics_are_of_the_trading_day(void **state)
{
    (void)state;
    struct view *view = view_with_instrument();
    const struct statistics *day = view_statistics(view, 1);
    tell_phase(view, 10, 2 * DAY_NS + 5, PHASE_CONTINUOUS);
    assert_int_equal(day->day_begin_ns, 2 * DAY_NS + 5);
    trade(view, 20, 2 * DAY_NS + 6, 500, 10);
    trade(view, 30, 2 * DAY_NS + 7, 700, 5);
    trade(view, 40, 2 * DAY_NS + 8, 400, 4);
    assert_int_equal(day->trades, 3);
    assert_int_equal(day->open, 500);
    assert_int_equal(day->high, 700);
    assert_int_equal(day->low, 400);
    assert_int_equal(day->close, 400);
    assert_int_equal(day->volume, 19);
    assert_int_equal(day->turnover, 10100);
    assert_int_equal(statistics_vwap(day), 10100 / 19);
    view_tick(view, 3 * DAY_NS); // it never closes: midnight begins a new day
    assert_int_equal(day->trades, 0);
    assert_int_equal(day->day_begin_ns, 3 * DAY_NS);
    trade(view, 50, 3 * DAY_NS + 6, 500, 10);
    schedule_a_close(view, 55, 3 * DAY_NS + 7); // from now on it closes by itself
    view_tick(view, 4 * DAY_NS);
    assert_int_equal(day->trades, 1);
    tell_phase(view, 60, 4 * DAY_NS + 1, PHASE_CLOSED);
    assert_int_equal(day->trades, 1); // what stood stands until it opens
    tell_phase(view, 61, 4 * DAY_NS + 9, PHASE_PRE_OPEN);
    assert_int_equal(day->trades, 0);
    assert_int_equal(statistics_vwap(day), 0);
    tell_phase(view, 62, 4 * DAY_NS + 10, PHASE_HALTED);
    tell_phase(view, 63, 4 * DAY_NS + 11, PHASE_CONTINUOUS);
    assert_int_equal(day->day_begin_ns, 4 * DAY_NS + 9); // a halt does not end it
    view_destroy(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_feeds_follow_from_events_alone),
        cmocka_unit_test(at_midnight_client_ids_of_done_orders_are_free_without_any_event),
        cmocka_unit_test(an_amended_order_is_found_by_both_its_client_ids),
        cmocka_unit_test(statistics_are_of_the_trading_day),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
