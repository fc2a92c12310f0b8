// The order book against Bitstamp's own snapshots: BTC-USD, 1 May 2015, five hours.
//
// The recording interleaves every order's creation, change and deletion with 5,011 snapshots of the
// venue's best twenty levels a side. The book follows the orders; a snapshot agrees if all forty
// levels are equal, price and quantity.
//
// What the recording cannot say, and what is made of it:
// - Orders from before the start: their levels are taught by the first snapshot that reaches so
//   far, each once; from then on the book keeps them by itself.
// - Two feeds: a snapshot may have been taken some events before or after the place where it
//   stands. One that does not agree at its place must agree, all forty levels, with the book as it
//   was a few events earlier or later.
// - A deletion may stand before its creation: such an order never stood.
// - One change of an order that was never created (its execution on arrival) says nothing about the
//   book.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/testing.h"
#include "tests/oracle/recorded_book.h"

#define RECORDING "../shared/data/bitstamp/2015-05-01.log.xz"

enum {
    LEVELS = 20,
    SNAPSHOTS_MAX = 6000,
    EVENTS_MAX = 60000,
    EVENTS_AROUND = 4,      // a snapshot is at most so far from its place
    FIRST_ORDER = 65595247, // ids below it are from before the start
    ORDERS = 65536,
};

struct image { // of both sides, best levels first
    struct recorded_level levels[2][LEVELS];
};

static const uint8_t sides[2] = {SIDE_BUY, SIDE_SELL}; // as order_type has them

struct snapshot {
    struct image image;
    uint32_t events; // that stand before it
};

struct counts {
    uint32_t taught;           // levels
    uint32_t unknown_before;   // events of orders from before the start
    uint32_t deleted_too_soon; // deletions that stand before their creation, or have none
    uint32_t never_stood;      // creations behind their deletion
    uint32_t changes_ignored;
    uint32_t moved;   // changes of an order's price
    uint32_t crossed; // events after which the book is crossed
};

struct replay {
    struct recorded_book book;
    struct counts counts;
    int64_t horizon[2];   // everything at least as good as this price is known
    bool deleted[ORDERS]; // by id - FIRST_ORDER: without having been created
    struct image *images; // after so many events
    struct snapshot *snapshots;
    uint32_t events;
    uint32_t snapshot_count;
};

// ---- reading

static int64_t decimal_of(const json_t *text, unsigned scale)
{
    int64_t value;
    assert_true(json_is_string(text));
    assert_int_equal(
        decimal_parse(json_string_value(text), json_string_length(text), scale, &value),
        DECIMAL_OK);
    return value;
}

struct recorded_event {
    uint8_t side;
    uint64_t order;
    int64_t price;  // cents
    int64_t amount; // 1e-8 bitcoin: what is open; 0 = executed
};

static struct recorded_event event_of(const json_t *json)
{
    json_int_t type = json_integer_value(json_object_get(json, "order_type"));
    assert_in_range(type, 0, 1);
    return (struct recorded_event){.side = sides[type],
                                   .order =
                                       (uint64_t)json_integer_value(json_object_get(json, "id")),
                                   .price = decimal_of(json_object_get(json, "price"), 2),
                                   .amount = decimal_of(json_object_get(json, "amount"), 8)};
}

static void image_of(const json_t *json, struct image *out)
{
    static const char *const names[2] = {"bids", "asks"};
    for (int side = 0; side < 2; side++) {
        const json_t *levels = json_object_get(json, names[side]);
        assert_int_equal(json_array_size(levels), LEVELS);
        for (size_t i = 0; i < LEVELS; i++) {
            const json_t *level = json_array_get(levels, i);
            out->levels[side][i].price = decimal_of(json_array_get(level, 0), 2);
            out->levels[side][i].quantity = decimal_of(json_array_get(level, 1), 8);
        }
    }
}

// ---- events

static void created(struct replay *replay, const struct recorded_event *event)
{
    assert_in_range(event->order, FIRST_ORDER, FIRST_ORDER + ORDERS - 1);
    if (replay->deleted[event->order - FIRST_ORDER])
        replay->counts.never_stood++;
    else
        recorded_book_add(&replay->book, event->side, event->price, event->order, event->amount);
}

static void changed(struct replay *replay, const struct recorded_event *event)
{
    struct recorded_book *book = &replay->book;
    uint32_t place = recorded_book_find(book, event->order);
    if (place == 0 && event->order >= FIRST_ORDER) {
        replay->counts.changes_ignored++;
        return;
    }
    if (place == 0) { // from before the start: the whole of what was taught at its price
        replay->counts.unknown_before++;
        place = recorded_book_find_anonymous(book, event->side, event->price);
        if (place != 0)
            recorded_book_reduce(book, place, recorded_book_order(book, place)->leaves);
        recorded_book_add(book, event->side, event->price, event->order, event->amount);
        return;
    }
    const struct order *order = recorded_book_order(book, place);
    if (order->price == event->price) {
        recorded_book_reduce(book, place, order->leaves - event->amount);
        return;
    }
    replay->counts.moved++;
    recorded_book_reduce(book, place, order->leaves);
    recorded_book_add(book, event->side, event->price, event->order, event->amount);
}

static void deleted(struct replay *replay, const struct recorded_event *event)
{
    struct recorded_book *book = &replay->book;
    uint32_t place = recorded_book_find(book, event->order);
    if (place != 0) {
        recorded_book_reduce(book, place, recorded_book_order(book, place)->leaves);
    } else if (event->order >= FIRST_ORDER) {
        assert_in_range(event->order, FIRST_ORDER, FIRST_ORDER + ORDERS - 1);
        replay->counts.deleted_too_soon++;
        replay->deleted[event->order - FIRST_ORDER] = true;
    } else {
        replay->counts.unknown_before++;
        place = recorded_book_find_anonymous(book, event->side, event->price);
        if (place == 0)
            return; // behind all that any snapshot has shown
        int64_t rests = recorded_book_order(book, place)->leaves;
        bool some = event->amount > 0 && event->amount < rests;
        recorded_book_reduce(book, place, some ? event->amount : rests);
    }
}

// Appends the book as it is now.
static void take_image(struct replay *replay)
{
    struct image *image = &replay->images[replay->events];
    for (int side = 0; side < 2; side++)
        recorded_book_levels(&replay->book, sides[side], image->levels[side], LEVELS);
    int64_t bid = image->levels[0][0].price;
    int64_t ask = image->levels[1][0].price;
    replay->counts.crossed += bid != 0 && ask != 0 && bid >= ask;
}

// ---- snapshots

static bool is_behind(int side, int64_t price, int64_t horizon)
{
    return horizon == 0 || (sides[side] == SIDE_BUY ? price < horizon : price > horizon);
}

// Levels behind the horizon are what rested before the start: nothing had told of them.
static void teach(struct replay *replay, const struct image *image)
{
    for (int side = 0; side < 2; side++) {
        const struct recorded_level *levels = image->levels[side];
        for (int i = 0; i < LEVELS; i++) {
            int64_t ours = recorded_book_quantity(&replay->book, sides[side], levels[i].price);
            if (!is_behind(side, levels[i].price, replay->horizon[side]) ||
                ours == levels[i].quantity)
                continue;
            assert_true(ours < levels[i].quantity);
            recorded_book_teach(&replay->book, sides[side], levels[i].price, levels[i].quantity);
            replay->counts.taught++;
        }
        if (is_behind(side, levels[LEVELS - 1].price, replay->horizon[side]))
            replay->horizon[side] = levels[LEVELS - 1].price;
    }
}

static void take_snapshot(struct replay *replay, const json_t *json)
{
    assert_true(replay->snapshot_count < SNAPSHOTS_MAX);
    struct snapshot *snapshot = &replay->snapshots[replay->snapshot_count++];
    image_of(json, &snapshot->image);
    snapshot->events = replay->events;
    teach(replay, &snapshot->image);
    for (int side = 0; side < 2; side++)
        recorded_book_levels(&replay->book, sides[side],
                             replay->images[replay->events].levels[side], LEVELS);
}

// ---- the recording

static void take_line(struct replay *replay, const char *line)
{
    char kind[16];
    int json_at = 0;
    assert_int_equal(sscanf(line, "%*d %15s %n", kind, &json_at), 1);
    if (strcmp(kind, "trade") == 0)
        return; // the orders that it took part in have events of their own
    json_t *json = json_loads(line + json_at, 0, NULL);
    assert_non_null(json);
    if (strcmp(kind, "order_book") == 0) {
        take_snapshot(replay, json);
    } else {
        struct recorded_event event = event_of(json);
        if (strcmp(kind, "order_created") == 0)
            created(replay, &event);
        else if (strcmp(kind, "order_changed") == 0)
            changed(replay, &event);
        else
            deleted(replay, &event);
        assert_true(++replay->events < EVENTS_MAX);
        take_image(replay);
    }
    json_decref(json);
}

static void take_recording(struct replay *replay)
{
    char *line = NULL;
    size_t line_bytes = 0;
    if (access(RECORDING, R_OK) != 0) {
        print_message("skipped: %s is not there\n", RECORDING);
        skip();
    }
    FILE *file = popen("xz -dc " RECORDING, "r");
    assert_non_null(file);
    while (getline(&line, &line_bytes, file) > 0)
        take_line(replay, line);
    assert_int_equal(pclose(file), 0);
    free(line);
}

// How many events away from its place a snapshot agrees, the nearest; EVENTS_AROUND + 1: nowhere.
static int distance_of(const struct replay *replay, const struct snapshot *snapshot)
{
    for (int distance = 0; distance <= EVENTS_AROUND; distance++) {
        for (int sign = -1; sign <= 1; sign += 2) {
            int64_t at = (int64_t)snapshot->events + sign * distance;
            if (at >= 0 && at <= replay->events &&
                memcmp(&replay->images[at], &snapshot->image, sizeof snapshot->image) == 0)
                return sign * distance;
        }
    }
    return EVENTS_AROUND + 1;
}

static void every_snapshot_of_the_venue_agrees(void **state)
{
    (void)state;
    struct replay *replay = calloc(1, sizeof *replay);
    assert_non_null(replay);
    replay->images = calloc(EVENTS_MAX, sizeof replay->images[0]);
    replay->snapshots = calloc(SNAPSHOTS_MAX, sizeof replay->snapshots[0]);
    assert_non_null(replay->images);
    assert_non_null(replay->snapshots);
    recorded_book_open(&replay->book);
    take_recording(replay);

    uint32_t at_once = 0;
    uint32_t earlier = 0;
    uint32_t later = 0;
    uint32_t nowhere = 0;
    int farthest = 0;
    for (uint32_t i = 0; i < replay->snapshot_count; i++) {
        int distance = distance_of(replay, &replay->snapshots[i]);
        at_once += distance == 0;
        earlier += distance < 0;
        later += distance > 0 && distance <= EVENTS_AROUND;
        nowhere += distance > EVENTS_AROUND;
        farthest = abs(distance) > farthest ? abs(distance) : farthest;
    }
    const struct counts *counts = &replay->counts;
    print_message("%u events; %u snapshots of 40 levels: equal at once %u, to the book of some "
                  "events earlier %u, later %u (at most %d), to none %u\n",
                  replay->events, replay->snapshot_count, at_once, earlier, later, farthest,
                  nowhere);
    print_message("levels taught %u; events of orders from before the start %u; deletions without "
                  "an order %u, creations behind their deletion %u, changes ignored %u, prices "
                  "moved %u; the book crossed after %u events\n",
                  counts->taught, counts->unknown_before, counts->deleted_too_soon,
                  counts->never_stood, counts->changes_ignored, counts->moved, counts->crossed);
    assert_int_equal(replay->events, 50414);
    assert_int_equal(replay->snapshot_count, 5011);
    assert_int_equal(nowhere, 0);
    assert_int_equal(at_once, 4958);
    assert_int_equal(earlier, 48);
    assert_int_equal(later, 5);
    assert_int_equal(counts->taught, 72);
    assert_int_equal(counts->unknown_before, 182);
    assert_int_equal(counts->deleted_too_soon, 26);
    assert_int_equal(counts->never_stood, 5);
    assert_int_equal(counts->changes_ignored, 1);
    assert_int_equal(counts->moved, 36);

    recorded_book_close(&replay->book);
    free(replay->images);
    free(replay->snapshots);
    free(replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_snapshot_of_the_venue_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
