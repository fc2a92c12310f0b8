// Lonja's order book (matcher/order_book.h, the library that the venue runs) behind the interface
// of the public harness: what `perf/harness` measures and checks.
//
// Happy path of a new order: acknowledged, matched against the best orders of the other side while
// they are within its limit, and what is left rests, or is cancelled if it may not. A modify is a
// cancel and a new arrival of the same order. All reports go into a ring of our own; nothing is
// allocated after engine_init.
//
// The harness knows no limits, so there is no answer for a full pool: the book asserts.
#include "perf/book_alone.h"
#include "perf/harness_abi.h"
#include "perf/report_ring.h"

enum { ORDERS_MAX = 1 << 17, LEVELS_MAX = 1 << 16 };

static struct adapter {
    struct book_alone memory;
    struct order_pool *pool;
    struct book_side *sides[2]; // by enum harness_side
    struct report_ring *ring;
} adapter;

struct taker {
    uint64_t sequence;
    uint64_t order;
    uint64_t key; // where it would rest
    int64_t price;
    int64_t left;
    uint8_t side;
};

// ---- keys

// The book wants keys above 0, best first; a price here is any sign. PRICE_ZERO is where 0 stands.
// BOOK_KEY_MAX is all ones, so BOOK_KEY_MAX - tick is tick with all bits turned: which side it is
// costs no branch, and the key of a price on the other side is its mirror.
#define PRICE_ZERO ((int64_t)1 << 61)
_Static_assert((BOOK_KEY_MAX & (BOOK_KEY_MAX + 1)) == 0, "all ones");

static inline uint64_t mirror(uint8_t side)
{
    return ((uint64_t)side - 1) & BOOK_KEY_MAX; // nothing for a sell
}

static inline uint64_t key_of(uint8_t side, int64_t price)
{
    uint64_t tick = (uint64_t)price + (uint64_t)PRICE_ZERO;
    ASSERT(tick > 0 && tick < BOOK_KEY_MAX);
    return tick ^ mirror(side);
}

static inline int64_t price_of(uint8_t side, uint64_t key)
{
    return (int64_t)(key ^ mirror(side)) - PRICE_ZERO;
}

static inline uint8_t other(uint8_t side)
{
    return side ^ 1;
}

// ---- reports

static inline void report(uint8_t type, uint64_t sequence, uint64_t order, uint8_t side,
                          int64_t price, uint32_t quantity)
{
    *report_ring_next(adapter.ring) = (struct harness_report){.type = type,
                                                              .side = side,
                                                              .sequence = sequence,
                                                              .order = order,
                                                              .price = price,
                                                              .quantity = quantity};
    report_ring_push(adapter.ring);
}

static inline void report_trade(const struct taker *taker, const struct order *maker,
                                int64_t quantity)
{
    *report_ring_next(adapter.ring) = (struct harness_report){.type = HARNESS_TRADE,
                                                              .side = taker->side,
                                                              .sequence = taker->sequence,
                                                              .price = maker->price,
                                                              .quantity = (uint32_t)quantity,
                                                              .maker = maker->id,
                                                              .taker = taker->order};
    report_ring_push(adapter.ring);
}

// ---- matching

static inline void match(struct taker *taker)
{
    struct order_pool *pool = adapter.pool;
    struct book_side *opposite = adapter.sides[other(taker->side)];
    uint64_t limit = taker->key ^ BOOK_KEY_MAX; // its price, as the other side sees it
    while (taker->left > 0 && order_book_best_key(pool, opposite) <= limit) {
        uint32_t place = order_book_best(pool, opposite);
        struct order *maker = order_at(pool, place);
        int64_t matched = maker->leaves < taker->left ? maker->leaves : taker->left;
        report_trade(taker, maker, matched);
        maker->leaves -= matched;
        taker->left -= matched;
        if (maker->leaves == 0) {
            order_book_remove(pool, opposite, place);
            order_pool_give(pool, place);
        }
    }
}

// `place` is taken and in no book.
static inline void rest(const struct taker *taker, uint32_t place)
{
    struct order *order = order_at(adapter.pool, place);
    *order = (struct order){.id = taker->order,
                            .price = taker->price,
                            .leaves = taker->left,
                            .instrument = 1,
                            .side = taker->side};
    order_book_add(adapter.pool, adapter.sides[taker->side], taker->key, place);
}

static inline void new_order(const struct harness_new *message)
{
    struct taker taker = {.sequence = message->sequence,
                          .order = message->order,
                          .key = key_of(message->side, message->price),
                          .price = message->price,
                          .left = message->quantity,
                          .side = message->side};
    report(HARNESS_ORDER_ACK, taker.sequence, taker.order, taker.side, taker.price,
           message->quantity);
    match(&taker);
    if (taker.left == 0)
        return;
    if (message->ioc)
        report(HARNESS_CANCEL_ACK, taker.sequence, taker.order, taker.side, taker.price,
               (uint32_t)taker.left);
    else
        rest(&taker, order_pool_take(adapter.pool, taker.order));
}

static inline void cancel(const struct harness_cancel *message)
{
    uint32_t place = order_pool_find(adapter.pool, message->order);
    if (place == 0) {
        report(HARNESS_CANCEL_REJECT, message->sequence, message->order, 0, 0, 0);
        return;
    }
    const struct order *order = order_at(adapter.pool, place);
    report(HARNESS_CANCEL_ACK, message->sequence, order->id, order->side, order->price,
           (uint32_t)order->leaves);
    order_book_remove(adapter.pool, adapter.sides[order->side], place);
    order_pool_give(adapter.pool, place);
}

static inline void modify(const struct harness_modify *message)
{
    uint32_t place = order_pool_find(adapter.pool, message->order);
    if (place == 0) {
        report(HARNESS_MODIFY_REJECT, message->sequence, message->order, 0, 0, 0);
        return;
    }
    uint8_t side = order_at(adapter.pool, place)->side;
    struct taker taker = {.sequence = message->sequence,
                          .order = message->order,
                          .key = key_of(side, message->price),
                          .price = message->price,
                          .left = message->quantity,
                          .side = side};
    order_book_remove(adapter.pool, adapter.sides[side], place);
    match(&taker);
    report(HARNESS_MODIFY_ACK, taker.sequence, taker.order, taker.side, taker.price,
           message->quantity);
    if (taker.left > 0)
        rest(&taker, place);
    else
        order_pool_give(adapter.pool, place);
}

// ---- what the harness calls

void engine_init(uint64_t nonce, const struct harness_transport *transport, void *ring)
{
    (void)nonce;
    ASSERT(transport == &report_ring_transport); // what engine_get_transport has said
    book_alone_open(&adapter.memory, 1, ORDERS_MAX, LEVELS_MAX);
    adapter.pool = &adapter.memory.pool;
    adapter.sides[HARNESS_SELL] = &adapter.memory.sides[1][0];
    adapter.sides[HARNESS_BUY] = &adapter.memory.sides[1][1];
    adapter.ring = ring;
}

void engine_shutdown(void)
{
    book_alone_close(&adapter.memory);
}

void engine_on_new_order(const struct harness_new *message)
{
    new_order(message);
}

void engine_on_cancel(const struct harness_cancel *message)
{
    cancel(message);
}

void engine_on_modify(const struct harness_modify *message)
{
    modify(message);
}

// Each message is done before the next is looked at.
void engine_on_batch(const struct harness_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct harness_message *message = &messages[i];
        if (message->type == HARNESS_NEW)
            new_order(&message->body.new_order);
        else if (message->type == HARNESS_CANCEL)
            cancel(&message->body.cancel);
        else
            modify(&message->body.modify);
    }
}

void engine_flush(void)
{
    report_ring_flush(adapter.ring);
}

int64_t engine_query_best_bid(void)
{
    uint64_t key = order_book_best_key(adapter.pool, adapter.sides[HARNESS_BUY]);
    return key == UINT64_MAX ? INT64_MIN : price_of(HARNESS_BUY, key);
}

int64_t engine_query_best_ask(void)
{
    uint64_t key = order_book_best_key(adapter.pool, adapter.sides[HARNESS_SELL]);
    return key == UINT64_MAX ? INT64_MAX : price_of(HARNESS_SELL, key);
}

uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    const struct order_pool *pool = adapter.pool;
    uint64_t depth = 0;
    uint64_t key = key_of(side, price);
    uint32_t place = order_book_at(pool, adapter.sides[side], key);
    while (place != 0 && order_book_key_of(pool, place) == key) {
        depth += (uint64_t)order_at(pool, place)->leaves;
        place = order_book_next(pool, adapter.sides[side], place);
    }
    return depth;
}

const struct harness_transport *engine_get_transport(void)
{
    return &report_ring_transport;
}
