// Facts against the engine: under random commands of every kind, what shows on each side of each
// book, and every open order, as the facts have them from events alone, are the engine's. And a
// second surveillance that is loaded from the facts at each beginning of a day finds the same
// alerts from there on.
//
// The program is linked with engine_apply wrapped, so that the events of ticks and continuations
// are seen, too.
#include <stdlib.h>

#include "base/testing.h"
#include "matcher/engine.h"
#include "risk/surveillance/surveillance_state.h"
#include "tests/model/generator.h"

enum { COMMANDS = 60000, RECORDS_MAX = 8192, COMPARE_EVERY = 7 };

static struct {
    struct surveillance *surveillance, *loaded;
    struct engine *engine;
    struct snapshot_record records[RECORDS_MAX];
    size_t record_count, orders_seen;
    money_sum shown[UNIVERSE_INSTRUMENTS + 1][2];
    struct order_rec last; // whose terms may follow
    uint64_t sequence, alerts[DETECTOR_COUNT], days, compared;
} test;

// ---- the engine's side

static bool is_in_book(const struct order_rec *order)
{
    return order->state == ORDER_STATE_OPEN;
}

static int see(void *context, const struct snapshot_record *record)
{
    (void)context;
    if (record->header.type == REC_order) {
        const struct order_rec *order = &record->body.order;
        const struct surveillance_order *mine = facts_order_find(test.surveillance, order->order);
        assert_non_null(mine);
        assert_true(mine->leaves == order->leaves && mine->price == order->price);
        assert_int_equal(mine->account, order->account);
        test.last = *order;
        test.orders_seen++;
        if (is_in_book(order))
            test.shown[order->instrument][order->side - 1] += order->leaves;
    } else if (record->header.type == REC_order_terms && is_in_book(&test.last)) {
        test.shown[test.last.instrument][test.last.side - 1] -= record->body.order_terms.hidden;
    }
    return 0;
}

static size_t orders_of(const struct surveillance *s)
{
    size_t count = 0;
    for (uint32_t i = 0; i < s->orders_used; i++)
        count += s->orders[i].order != 0;
    return count;
}

static void compare(void)
{
    struct command next;
    memset(&next, 0, sizeof next);
    if (engine_continuation(test.engine, &next))
        return; // what is unfinished may be in between
    test.orders_seen = 0;
    memset(test.shown, 0, sizeof test.shown);
    assert_int_equal(engine_save(test.engine, see, NULL), 0);
    assert_int_equal(orders_of(test.surveillance), test.orders_seen);
    for (int i = 1; i <= UNIVERSE_INSTRUMENTS; i++)
        for (int side = 0; side < 2; side++)
            assert_true(test.shown[i][side] == test.surveillance->instruments[i].shown[side]);
    test.compared++;
}

// Each member's part adds up to the whole.
static void compare_pairs(void)
{
    const struct surveillance *s = test.surveillance;
    for (uint32_t i = 1; i <= UNIVERSE_INSTRUMENTS; i++) {
        money_sum shown[2] = {0};
        for (uint32_t member = 1; member <= UNIVERSE_MEMBERS; member++) {
            const struct surveillance_pair *pair = facts_pair_find(s, member, i);
            for (int side = 0; pair != NULL && side < 2; side++)
                shown[side] += pair->shown[side];
        }
        assert_true(shown[0] == s->instruments[i].shown[0]);
        assert_true(shown[1] == s->instruments[i].shown[1]);
    }
}

// ---- the facts' side

static int keep(void *context, const struct snapshot_record *record)
{
    (void)context;
    assert_true(test.record_count < RECORDS_MAX);
    test.records[test.record_count++] = *record;
    return 0;
}

static struct surveillance *create(void)
{
    struct config config = {.limits_accounts_max = 64,
                            .limits_members_max = 16,
                            .limits_instruments_max = UNIVERSE_INSTRUMENTS,
                            .limits_orders_max = 4096,
                            .surveil_circle_ms = 600000,
                            .surveil_circle_net_percent = 50,
                            .surveil_circle_price_bps = 1000,
                            .surveil_spoof_ms = 600000,
                            .surveil_spoof_depth_percent = 5,
                            .surveil_spoof_size_multiple = 3,
                            .surveil_spoof_size_orders_min = 10,
                            .surveil_spoof_ratio_percent = 50,
                            .surveil_layer_ms = 600000,
                            .surveil_layer_entry_ms = 600000,
                            .surveil_layer_orders = 2,
                            .surveil_layer_levels = 1,
                            .surveil_layer_ratio_percent = 50,
                            .surveil_close_ms = 600000,
                            .surveil_close_volume_percent = 5,
                            .surveil_close_price_bps = 1,
                            .surveil_ratio_messages_min = 10,
                            .surveil_ratio_number = 2,
                            .surveil_ratio_volume = 2,
                            .surveil_pairs_max = 64,
                            .surveil_trades_max = 1024};
    struct surveillance *s = surveillance_create(&config);
    assert_non_null(s);
    return s;
}

static void begin_day(void)
{
    test.record_count = 0;
    test.days++;
    assert_int_equal(surveillance_save(test.surveillance, keep, NULL), 0);
    surveillance_destroy(test.loaded);
    test.loaded = create();
    for (size_t i = 0; i < test.record_count; i++)
        surveillance_load(test.loaded, &test.records[i]);
}

static void apply(const struct event *event)
{
    struct surveillance_alert mine[SURVEILLANCE_ALERTS_MAX], others[SURVEILLANCE_ALERTS_MAX];
    if (surveillance_begins_day(test.surveillance, event))
        begin_day();
    size_t count = surveillance_apply(test.surveillance, event, mine);
    assert_int_equal(surveillance_apply(test.loaded, event, others), count);
    assert_memory_equal(mine, others, count * sizeof mine[0]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(mine[i].evidence[mine[i].evidence_count - 1], event->header.sequence);
        test.alerts[mine[i].detector]++;
    }
}

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);

void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    __real_engine_apply(engine, command, sink);
    if (command->header.sequence <= test.sequence)
        return; // the engine that was loaded from a snapshot, too
    test.sequence = command->header.sequence;
    test.engine = engine;
    for (uint32_t i = 0; i < sink->count; i++)
        apply(&sink->events[(sink->position + i) & sink->mask]);
    if (command->header.sequence % COMPARE_EVERY == 0) {
        compare();
        compare_pairs();
    }
}

static void facts_follow_from_events_alone(void **state)
{
    (void)state;
    struct beside *beside = calloc(1, sizeof *beside);
    struct generator *generator = calloc(1, sizeof *generator);
    assert_true(beside != NULL && generator != NULL);
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
    beside->program = "facts_test";
    beside->seed = generator->random = 20260101;
    beside->now = (uint64_t)1790000000 * 1000000000;
    test.surveillance = create();
    beside_open(beside, &limits);
    universe_set_up(beside);
    for (int i = 1; i <= COMMANDS; i++) {
        generator_step(generator, beside);
        if (i % 3000 == 0)
            beside->now += (uint64_t)7 * 3600 * 1000000000;
    }
    beside_close(beside);
    assert_true(test.days > 5 && test.compared > COMMANDS / COMPARE_EVERY / 2);
    assert_int_equal(surveillance_untracked(test.surveillance), 0);
    for (int i = 1; i < DETECTOR_COUNT; i++)
        print_message("%s %lu ", surveillance_detector_name((enum surveillance_detector)i),
                      test.alerts[i]);
    print_message("in %lu days; compared %lu times\n", test.days, test.compared);
    for (int i = 1; i < DETECTOR_COUNT; i++)
        assert_true(test.alerts[i] > 0);
    surveillance_destroy(test.surveillance);
    surveillance_destroy(test.loaded);
    free(beside);
    free(generator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(facts_follow_from_events_alone)};
    return cmocka_run_group_tests_name("surveillance facts", tests, NULL, NULL);
}
