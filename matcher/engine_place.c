// Where an open order is. In exactly one of: the book, the stop book, the triggered queue, the list
// of those that wait for the close; its marks say which (none of the three waiting ones: the book).
// A resting market order is in the market list besides, a stop that follows the market in the
// trailing list.
//
// The open quantity of an order in the book is leaves (what shows) + hidden; anywhere else leaves
// is all of it.
#include <string.h>

#include "matcher/engine_exposure.h"

enum { MARKS_WAITING = ORDER_MARK_STOP | ORDER_MARK_TRIGGERED | ORDER_MARK_CLOSE };

struct order_terms *engine_order_terms(struct engine *engine, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    struct order_terms *terms = &engine->pool.terms[place];
    if ((order->marks & ORDER_MARK_TERMS) == 0)
        memset(terms, 0, sizeof *terms);
    order->marks |= ORDER_MARK_TERMS;
    return terms;
}

void engine_order_requeued(struct engine *engine, uint32_t place)
{
    engine_order_terms(engine, place)->priority = engine->sequence;
}

void engine_order_gather(struct engine *engine, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    if ((order->marks & ORDER_MARK_ICEBERG) == 0)
        return;
    order->leaves += engine->pool.terms[place].hidden;
    engine->pool.terms[place].hidden = 0;
}

void engine_order_show(struct engine *engine, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    if ((order->marks & ORDER_MARK_ICEBERG) == 0)
        return;
    struct order_terms *terms = &engine->pool.terms[place];
    int64_t open = order->leaves + terms->hidden;
    order->leaves = open < terms->display ? open : terms->display;
    terms->hidden = open - order->leaves;
    ASSERT(terms->display > 0 && order->leaves > 0);
}

// ---- in

void engine_place_book(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order_pool *pool = &engine->pool;
    struct order *order = order_at(pool, place);
    ASSERT((order->marks & MARKS_WAITING) == 0);
    if (__builtin_expect(pool->cold[place].tif == TIF_AT_OPEN, 0)) {
        (void)engine_order_terms(engine, place); // marked, so that leaving looks twice
        instrument->at_open_count++;
    }
    uint64_t key = instrument_key(instrument, order->side, order->price);
    order_book_add(pool, instrument_side(instrument, order->side), key, place);
    if ((order->marks & ORDER_MARK_MARKET) != 0)
        engine_list_insert(pool, &instrument->market[order->side - SIDE_BUY], place);
}

void engine_place_stop(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order_pool *pool = &engine->pool;
    struct order *order = order_at(pool, place);
    uint8_t which = order->side - SIDE_BUY;
    const struct order_terms *terms = &pool->terms[place];
    ASSERT((order->marks & MARKS_WAITING) == 0 && (order->marks & ORDER_MARK_TERMS) != 0);
    order->marks |= ORDER_MARK_STOP;
    engine->stops_open++;
    order_book_add(pool, &instrument->stops[which],
                   instrument_stop_key(instrument, order->side, terms->stop_price), place);
    if (terms->trail_offset != 0) {
        order->marks |= ORDER_MARK_TRAILING;
        engine_list_insert(pool, &instrument->trailing[which], place);
        instrument->trailing_count[which]++;
    }
    engine_quiet_narrow(instrument, order->side, terms);
}

void engine_place_triggered(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    ASSERT((order->marks & MARKS_WAITING) == 0 && (order->marks & ORDER_MARK_TERMS) != 0);
    order->marks |= ORDER_MARK_TRIGGERED;
    engine->stops_open++;
    engine_queue_append(&engine->pool, &instrument->triggered, place);
}

void engine_place_close(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    ASSERT((order->marks & MARKS_WAITING) == 0);
    (void)engine_order_terms(engine, place);
    order->marks |= ORDER_MARK_CLOSE;
    engine_queue_append(&engine->pool, &instrument->closing, place);
}

void engine_place_back(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order_pool *pool = &engine->pool;
    const struct order *order = order_at(pool, place);
    struct book_side *side = instrument_side(instrument, order->side);
    uint64_t key = order_book_key_of(pool, place);
    ASSERT((order->marks & ORDER_MARK_MARKET) != 0);
    order_book_remove(pool, side, place);
    order_book_add(pool, side, key, place);
}

// ---- out

static void leave_stop(struct engine *engine, struct instrument *instrument, struct order *order,
                       uint32_t place)
{
    uint8_t which = order->side - SIDE_BUY;
    ASSERT(engine->stops_open > 0);
    engine->stops_open--;
    order_book_remove(&engine->pool, &instrument->stops[which], place);
    if ((order->marks & ORDER_MARK_TRAILING) == 0)
        return;
    ASSERT(instrument->trailing_count[which] > 0);
    instrument->trailing_count[which]--;
    engine_list_remove(&engine->pool, &instrument->trailing[which], place);
}

static void leave_marked(struct engine *engine, struct instrument *instrument, struct order *order,
                         uint32_t place)
{
    struct order_pool *pool = &engine->pool;
    if ((order->marks & ORDER_MARK_STOP) != 0) {
        leave_stop(engine, instrument, order, place);
    } else if ((order->marks & ORDER_MARK_TRIGGERED) != 0) {
        ASSERT(engine->stops_open > 0);
        engine->stops_open--;
        engine_queue_remove(pool, &instrument->triggered, place);
    } else if ((order->marks & ORDER_MARK_CLOSE) != 0) {
        engine_queue_remove(pool, &instrument->closing, place);
    } else {
        order_book_remove(pool, instrument_side(instrument, order->side), place);
        if ((order->marks & ORDER_MARK_MARKET) != 0)
            engine_list_remove(pool, &instrument->market[order->side - SIDE_BUY], place);
        instrument->at_open_count -= pool->cold[place].tif == TIF_AT_OPEN;
    }
    order->marks &= (uint8_t) ~(MARKS_WAITING | ORDER_MARK_TRAILING);
}

static inline void place_leave(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    ASSERT(order->instrument == instrument->terms.instrument);
    if (__builtin_expect(order->marks == 0, 1))
        order_book_remove(&engine->pool, instrument_side(instrument, order->side), place);
    else
        leave_marked(engine, instrument, order, place);
}

static inline void order_forget(struct engine *engine, struct instrument *instrument,
                                uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    ASSERT(instrument->orders_open > 0);
    instrument->orders_open--;
    exposure_leave(engine, order);
    if (__builtin_expect((order->marks & ORDER_MARK_DATED) != 0, 0))
        engine_dated_remove(engine, place);
    order_list_remove(&engine->pool, &engine->sessions[order->session].orders, place);
    order_pool_give(&engine->pool, place);
}

void engine_place_leave(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    place_leave(engine, instrument, place);
}

void engine_order_forget(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    order_forget(engine, instrument, place);
}

void engine_order_end(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    place_leave(engine, instrument, place);
    order_forget(engine, instrument, place);
}
