// The definition of the workloads is the order in which random numbers are drawn: every draw below
// counts, and none may be added. xoshiro256** seeded by splitmix64 (Blackman and Vigna, public
// domain).
#include "perf/order_flow.h"

#include <stdlib.h>
#include <string.h>

enum { PRICE_END = 65536, PRICE_START = 32768, SIDES = 2, BUY = 0, SELL = 1 };

struct flow_order {
    uint32_t earlier, later; // at its price
    uint32_t quantity, price;
    uint32_t live_at; // place in its book's list of live orders
    uint16_t book;
    uint8_t side;
};

struct flow_queue {
    uint32_t first, last;
};

struct flow_book {
    struct flow_queue *queues[SIDES]; // by price
    uint32_t best[SIDES];             // buy: 0 = none; sell: PRICE_END = none
    uint32_t middle;
    uint32_t *live; // ids; removal moves the last one into the gap
    uint32_t live_count, live_room;
};

struct order_flow {
    uint64_t random[4];
    bool matches_only;
    uint32_t instruments, target;
    uint64_t at, prefill, end;
    uint32_t last_id;
    struct flow_order *orders; // by id
    struct flow_book *books;
    struct order_flow_result result;
};

// ---- random numbers

static uint64_t rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t draw(struct order_flow *flow)
{
    uint64_t *s = flow->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

// 0 .. bound - 1
static uint32_t draw_below(struct order_flow *flow, uint32_t bound)
{
    return (uint32_t)((draw(flow) >> 32) * bound >> 32);
}

static bool draw_bit(struct order_flow *flow)
{
    return (draw(flow) & 1) != 0;
}

static void draw_seed(struct order_flow *flow, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t x = seed;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        flow->random[i] = x ^ x >> 31;
    }
}

// ---- the reference book

uint64_t order_flow_checksum(uint64_t checksum, uint64_t maker_id, uint64_t quantity)
{
    return rotate(checksum ^ (maker_id * 0x9e3779b97f4a7c15u + quantity), 13);
}

static void book_seek_best(struct flow_book *book, int side)
{
    if (side == BUY)
        while (book->best[BUY] > 0 && book->queues[BUY][book->best[BUY]].first == 0)
            book->best[BUY]--;
    else
        while (book->best[SELL] < PRICE_END && book->queues[SELL][book->best[SELL]].first == 0)
            book->best[SELL]++;
}

static void book_remove(struct order_flow *flow, uint32_t id)
{
    struct flow_order *order = &flow->orders[id];
    struct flow_book *book = &flow->books[order->book];
    struct flow_queue *queue = &book->queues[order->side][order->price];
    *(order->earlier != 0 ? &flow->orders[order->earlier].later : &queue->first) = order->later;
    *(order->later != 0 ? &flow->orders[order->later].earlier : &queue->last) = order->earlier;
    book_seek_best(book, order->side);
    uint32_t moved = book->live[--book->live_count];
    book->live[order->live_at] = moved;
    flow->orders[moved].live_at = order->live_at;
}

static void book_rest(struct order_flow *flow, uint32_t id, uint32_t instrument, int side,
                      uint32_t price, uint32_t quantity)
{
    struct flow_book *book = &flow->books[instrument];
    struct flow_queue *queue = &book->queues[side][price];
    if (book->live_count == book->live_room) {
        book->live_room = book->live_room != 0 ? book->live_room * 2 : 1024;
        book->live = realloc(book->live, book->live_room * sizeof(book->live[0]));
        ASSERT(book->live != NULL);
    }
    flow->orders[id] = (struct flow_order){.earlier = queue->last,
                                           .quantity = quantity,
                                           .price = price,
                                           .live_at = book->live_count,
                                           .book = (uint16_t)instrument,
                                           .side = (uint8_t)side};
    *(queue->last != 0 ? &flow->orders[queue->last].later : &queue->first) = id;
    queue->last = id;
    book->live[book->live_count++] = id;
    if (side == BUY ? price > book->best[BUY] : price < book->best[SELL])
        book->best[side] = price;
}

static bool book_crosses(const struct flow_book *book, int side, uint32_t price)
{
    return side == BUY ? book->best[SELL] < PRICE_END && book->best[SELL] <= price
                       : book->best[BUY] > 0 && book->best[BUY] >= price;
}

// Returns what is left.
static uint32_t book_match(struct order_flow *flow, uint32_t instrument, int side, uint32_t price,
                           uint32_t quantity)
{
    struct flow_book *book = &flow->books[instrument];
    while (quantity > 0 && book_crosses(book, side, price)) {
        int other = 1 - side;
        uint32_t id = book->queues[other][book->best[other]].first;
        struct flow_order *maker = &flow->orders[id];
        uint32_t traded = maker->quantity < quantity ? maker->quantity : quantity;
        flow->result.trades++;
        flow->result.volume += traded;
        flow->result.checksum = order_flow_checksum(flow->result.checksum, id, traded);
        maker->quantity -= traded;
        quantity -= traded;
        if (maker->quantity == 0)
            book_remove(flow, id);
    }
    return quantity;
}

// ---- operations

static uint32_t passive_price(struct order_flow *flow, const struct flow_book *book, int side)
{
    int distance = 1;
    if (flow->matches_only || draw_below(flow, 10) < 7)
        while (draw_below(flow, 8) != 0 && distance < 60)
            distance++;
    else
        distance = 1 + (int)draw_below(flow, 150);
    int price = (int)book->middle + (side == BUY ? -distance : distance);
    if (side == BUY && price >= (int)book->best[SELL])
        price = (int)book->best[SELL] - 1;
    if (side == SELL && price <= (int)book->best[BUY])
        price = (int)book->best[BUY] + 1;
    return (uint32_t)(price < 2 ? 2 : price > 65000 ? 65000 : price);
}

// New and replace: a passive order, matched and rested in the reference book too.
static void make_passive(struct order_flow *flow, struct order_flow_operation *out, uint32_t id,
                         int side)
{
    struct flow_book *book = &flow->books[out->instrument];
    out->sell = side == SELL;
    out->quantity = 1 + draw_below(flow, 100);
    out->price = passive_price(flow, book, side);
    uint32_t left = book_match(flow, out->instrument, side, out->price, out->quantity);
    if (left > 0)
        book_rest(flow, id, out->instrument, side, out->price, left);
}

static uint32_t make_removal(struct order_flow *flow, struct order_flow_operation *out)
{
    struct flow_book *book = &flow->books[out->instrument];
    out->id = book->live[draw_below(flow, book->live_count)];
    out->sell = flow->orders[out->id].side == SELL;
    book_remove(flow, out->id);
    return out->id;
}

enum choice { PASSIVE, REMOVE, TAKE_IOC, REPLACE, TAKE_MARKET, TAKE_LIMIT };

static void make_aggressive(struct order_flow *flow, struct order_flow_operation *out,
                            enum choice choice)
{
    struct flow_book *book = &flow->books[out->instrument];
    bool below = (book->best[BUY] + book->best[SELL]) < 2 * book->middle;
    bool likely = draw_below(flow, 100) < 65;
    int side = below == likely ? BUY : SELL;
    uint32_t base = flow->matches_only && book->live_count > flow->target ? 6 : 2;
    out->sell = side == SELL;
    out->id = ++flow->last_id;
    out->quantity = draw_below(flow, 10) < 8 ? 1 + draw_below(flow, 30 * base)
                                             : 30 * base + draw_below(flow, 70 * base);
    if (choice == TAKE_MARKET) {
        out->kind = FLOW_MARKET;
        (void)book_match(flow, out->instrument, side, side == BUY ? PRICE_END - 1 : 1,
                         out->quantity);
        return;
    }
    uint32_t deeper = draw_below(flow, 3);
    if (side == BUY)
        out->price = book->best[SELL] + deeper;
    else
        out->price = book->best[BUY] > deeper + 1 ? book->best[BUY] - deeper : 1;
    uint32_t left = book_match(flow, out->instrument, side, out->price, out->quantity);
    out->kind = choice == TAKE_IOC ? FLOW_IOC : FLOW_NEW;
    if (left > 0 && choice == TAKE_LIMIT)
        book_rest(flow, out->id, out->instrument, side, out->price, left);
}

static enum choice choose(const struct order_flow *flow, const struct flow_book *book, uint32_t r)
{
    bool full = book->live_count > flow->target;
    enum choice choice = PASSIVE;
    if (flow->at < flow->prefill)
        return PASSIVE;
    if (flow->matches_only) {
        uint32_t aggressive = full ? 480 : 360;
        if (r < aggressive)
            choice = r < aggressive * 7 / 10   ? TAKE_LIMIT
                     : r < aggressive * 9 / 10 ? TAKE_IOC
                                               : TAKE_MARKET;
    } else {
        uint32_t cancels = full ? 405 : 355;
        static const struct {
            uint32_t per_mille;
            enum choice choice;
        } steps[] = {{40, TAKE_LIMIT}, {80, TAKE_IOC}, {130, REPLACE}, {150, TAKE_MARKET}};
        if (r < cancels)
            choice = REMOVE;
        else
            for (int i = 3; i >= 0; i--)
                if (r < cancels + steps[i].per_mille)
                    choice = steps[i].choice;
    }
    if ((choice == REMOVE || choice == REPLACE) && book->live_count < 2)
        return PASSIVE;
    bool takes = choice == TAKE_IOC || choice == TAKE_MARKET || choice == TAKE_LIMIT;
    if (takes && (book->live_count < 20 || book->best[BUY] == 0 || book->best[SELL] >= PRICE_END))
        return PASSIVE;
    return choice;
}

static void make(struct order_flow *flow, struct order_flow_operation *out, enum choice choice,
                 int side)
{
    switch (choice) {
    case PASSIVE:
        out->kind = FLOW_NEW;
        out->id = ++flow->last_id;
        make_passive(flow, out, out->id, side);
        return;
    case REMOVE:
        out->kind = FLOW_CANCEL;
        (void)make_removal(flow, out);
        return;
    case REPLACE:
        out->kind = FLOW_REPLACE;
        (void)make_removal(flow, out);
        out->new_id = ++flow->last_id;
        make_passive(flow, out, out->new_id, out->sell ? SELL : BUY);
        return;
    case TAKE_IOC:
    case TAKE_MARKET:
    case TAKE_LIMIT:
        make_aggressive(flow, out, choice);
        return;
    }
}

static uint32_t draw_instrument(struct order_flow *flow)
{
    if (flow->at < flow->prefill)
        return (uint32_t)(flow->at % flow->instruments);
    double u = (double)(draw(flow) >> 11) * (1.0 / 9007199254740992.0);
    return (uint32_t)(flow->instruments * u * u);
}

static void drift(struct order_flow *flow, struct flow_book *book)
{
    if (flow->at < flow->prefill || draw_below(flow, 100) >= (flow->matches_only ? 20u : 2u))
        return;
    if (draw_bit(flow))
        book->middle += book->middle < 60000 ? 1 : 0;
    else
        book->middle -= book->middle > 5000 ? 1 : 0;
}

bool order_flow_next(struct order_flow *flow, struct order_flow_operation *out)
{
    if (flow->at == flow->end)
        return false;
    *out = (struct order_flow_operation){.counted = flow->at >= flow->prefill};
    out->instrument = draw_instrument(flow);
    struct flow_book *book = &flow->books[out->instrument];
    if (flow->at == flow->prefill)
        flow->result = (struct order_flow_result){0};
    drift(flow, book);
    uint32_t r = draw_below(flow, 1000);
    enum choice choice = choose(flow, book, r);
    make(flow, out, choice, draw_bit(flow) ? SELL : BUY);
    flow->at++;
    return true;
}

struct order_flow_result order_flow_expected(const struct order_flow *flow)
{
    return flow->result;
}

// ---- life

struct order_flow *order_flow_create(bool matches_only, uint32_t instruments, uint32_t live,
                                     uint64_t operations, uint64_t seed)
{
    struct order_flow *flow = calloc(1, sizeof(*flow));
    ASSERT(flow != NULL);
    flow->matches_only = matches_only;
    flow->instruments = instruments;
    flow->target = live;
    flow->prefill = (uint64_t)instruments * live;
    flow->end = flow->prefill + operations;
    flow->orders = calloc(flow->end + 1, sizeof(flow->orders[0]));
    flow->books = calloc(instruments, sizeof(flow->books[0]));
    ASSERT(flow->orders != NULL && flow->books != NULL);
    for (uint32_t i = 0; i < instruments; i++) {
        struct flow_book *book = &flow->books[i];
        for (int side = 0; side < SIDES; side++) {
            book->queues[side] = calloc(PRICE_END + 1, sizeof(struct flow_queue));
            ASSERT(book->queues[side] != NULL);
        }
        book->best[SELL] = PRICE_END;
        book->middle = PRICE_START;
    }
    draw_seed(flow, seed);
    return flow;
}

void order_flow_destroy(struct order_flow *flow)
{
    for (uint32_t i = 0; i < flow->instruments; i++) {
        free(flow->books[i].queues[BUY]);
        free(flow->books[i].queues[SELL]);
        free(flow->books[i].live);
    }
    free(flow->books);
    free(flow->orders);
    free(flow);
}
