// One walk down the prices at which the sides cross, from the best buy to the best sell: demand
// grows level by level of the buys, supply shrinks level by level of the sells. What leads is kept
// as the set of prices that are still equal: its highest, its lowest, and the signs of their
// surpluses. No other price at which orders stand lies between the ends of that set, for volume and
// surplus change in one direction only; so the reference, if it lies there, is as good as they are.
#include "matcher/auction.h"

#include <string.h>

struct point { // supply and demand at a price
    int64_t price;
    auction_sum demand;
    auction_sum supply;
};

enum { LEVELS_AT_ONCE = 64, LEVELS_KEPT = 512 };

struct level_sum { // a level of one side
    int64_t price;
    auction_sum open;
};

// The crossing levels of one side, from best to worst or the other way. They are added up some at a
// time, an order of each in turn: following one chain of orders through a large book waits for
// memory at every step, following many waits once.
struct level_reader {
    const struct order_pool *pool;
    const struct book_side *side;
    bool to_better;     // direction
    uint64_t limit_key; // no level worse than this crosses
    uint64_t key;       // of the last level fetched
    uint32_t count;
    uint32_t at;
    struct level_sum levels[LEVELS_AT_ONCE];
};

// The crossing levels of the sells, from best to worst, as they were added up: the walk needs them
// once more, from the other end.
struct kept {
    struct level_sum levels[LEVELS_KEPT];
    uint32_t count;
};

struct walk {
    struct level_reader buys;
    struct level_reader sells; // from the worst that crosses; not used if all are kept
    struct kept *kept;         // what is left of them; NULL: there are too many
    struct point at;           // where the walk has come to
    auction_sum leaving;       // what is offered at that price, but not below
};

struct lead { // the prices that no rule has told apart yet
    auction_sum volume;
    auction_sum surplus; // without its sign
    struct point highest;
    struct point lowest;
    bool any_buys; // some have a surplus of buys, of sells, none
    bool any_sells;
};

// ---- levels

static struct level_reader reader_of(const struct order_pool *pool, const struct book_side *side,
                                     uint64_t limit_key, bool to_better)
{
    return (struct level_reader){.pool = pool,
                                 .side = side,
                                 .to_better = to_better,
                                 .limit_key = limit_key,
                                 .key = to_better ? limit_key + 1 : 0};
}

// First orders of the next levels; returns how many.
static uint32_t reader_fetch(struct level_reader *reader, uint32_t places[LEVELS_AT_ONCE])
{
    uint32_t count = 0;
    for (; count < LEVELS_AT_ONCE; count++) {
        uint32_t place =
            reader->to_better
                ? order_book_better(reader->pool, reader->side, reader->key, &reader->key)
                : order_book_worse(reader->pool, reader->side, reader->key, &reader->key);
        if (place == 0 || reader->key > reader->limit_key)
            break;
        places[count] = place;
        __builtin_prefetch(&reader->pool->orders[place]);
    }
    return count;
}

static int64_t open_of(const struct order_pool *pool, const struct order *order, uint32_t place)
{
    bool iceberg = (order->marks & ORDER_MARK_ICEBERG) != 0;
    return order->leaves + (__builtin_expect(iceberg, 0) ? pool->terms[place].hidden : 0);
}

// Adds an order of each level, as long as there are any.
static void reader_sum(struct level_reader *reader, uint32_t places[LEVELS_AT_ONCE])
{
    const struct order_pool *pool = reader->pool;
    uint32_t left = 1;
    while (left != 0) {
        left = 0;
        for (uint32_t i = 0; i < reader->count; i++) {
            uint32_t place = places[i];
            if (place == 0)
                continue;
            const struct order *order = order_at(pool, place);
            ASSERT(order->leaves > 0);
            reader->levels[i].price = order->price;
            reader->levels[i].open += open_of(pool, order, place);
            places[i] = order->later;
            left |= order->later;
            __builtin_prefetch(&pool->orders[order->later]);
        }
    }
}

// The next level; NULL = no more. It stays until it is passed.
static const struct level_sum *reader_level(struct level_reader *reader)
{
    uint32_t places[LEVELS_AT_ONCE];
    if (reader->at == reader->count) {
        memset(reader->levels, 0, sizeof reader->levels);
        reader->at = 0;
        reader->count = reader_fetch(reader, places);
        reader_sum(reader, places);
    }
    return reader->at < reader->count ? &reader->levels[reader->at] : NULL;
}

static void reader_pass(struct level_reader *reader)
{
    ASSERT(reader->at < reader->count);
    reader->at++;
}

// ---- the walk

// All that is offered at the best buy's price. *all: every level is kept.
static auction_sum supply_of(struct level_reader sells, struct kept *kept, bool *all)
{
    auction_sum sum = 0;
    *all = true;
    for (const struct level_sum *level = reader_level(&sells); level != NULL;
         level = reader_level(&sells)) {
        sum += level->open;
        if (kept->count < LEVELS_KEPT)
            kept->levels[kept->count++] = *level;
        else
            *all = false;
        reader_pass(&sells);
    }
    return sum;
}

static struct walk walk_begin(const struct order_pool *pool, const struct book_side *buys,
                              const struct book_side *sells, struct kept *kept)
{
    bool all;
    ASSERT(auction_crosses(pool, buys, sells));
    uint64_t buys_limit = BOOK_KEY_MAX - order_book_best_key(pool, sells);
    uint64_t sells_limit = BOOK_KEY_MAX - order_book_best_key(pool, buys);
    struct walk walk = {.buys = reader_of(pool, buys, buys_limit, false),
                        .sells = reader_of(pool, sells, sells_limit, true)};
    walk.at.supply = supply_of(reader_of(pool, sells, sells_limit, false), kept, &all);
    walk.kept = all ? kept : NULL;
    return walk;
}

static const struct level_sum *sells_level(struct walk *walk)
{
    const struct kept *kept = walk->kept;
    if (kept == NULL)
        return reader_level(&walk->sells);
    return kept->count != 0 ? &kept->levels[kept->count - 1] : NULL;
}

static void sells_pass(struct walk *walk)
{
    if (walk->kept == NULL)
        reader_pass(&walk->sells);
    else
        walk->kept->count--;
}

// Goes to the next lower price: of the buys, of the sells, or of both. False if nothing is offered
// any more.
static bool walk_next(struct walk *walk)
{
    const struct level_sum *buys = reader_level(&walk->buys);
    const struct level_sum *sells = sells_level(walk);
    walk->at.supply -= walk->leaving;
    walk->leaving = 0;
    if (sells == NULL)
        return false;
    int64_t buy_price = buys != NULL ? buys->price : 0;
    walk->at.price = buy_price > sells->price ? buy_price : sells->price;
    if (buy_price == walk->at.price) {
        walk->at.demand += buys->open;
        reader_pass(&walk->buys);
    }
    if (sells->price == walk->at.price) {
        walk->leaving = sells->open;
        sells_pass(walk);
    }
    return true;
}

// ---- who leads

static auction_sum volume_of(const struct point *point)
{
    return point->demand < point->supply ? point->demand : point->supply;
}

static auction_sum surplus_of(const struct point *point)
{
    return point->demand > point->supply ? point->demand - point->supply
                                         : point->supply - point->demand;
}

// The point's price is below all that have been seen.
static void lead_see(struct lead *lead, const struct point *point)
{
    auction_sum volume = volume_of(point);
    auction_sum surplus = surplus_of(point);
    ASSERT(volume >= lead->volume); // demand grows, and there is supply enough
    if (volume == lead->volume && surplus > lead->surplus)
        return;
    if (volume > lead->volume || surplus < lead->surplus)
        *lead = (struct lead){.volume = volume, .surplus = surplus, .highest = *point};
    lead->lowest = *point;
    lead->any_buys |= point->demand > point->supply;
    lead->any_sells |= point->demand < point->supply;
}

// Between two prices at which orders stand, demand is that of the upper one, supply that of the
// lower one.
static void reference_see(struct point *between, const struct point *point)
{
    if (point->price >= between->price)
        between->demand = point->demand;
    if (point->price <= between->price && between->supply < 0)
        between->supply = point->supply;
}

static const struct point *lead_choose(const struct lead *lead, const struct point *between,
                                       int64_t reference)
{
    if (lead->any_buys && !lead->any_sells)
        return &lead->highest;
    if (lead->any_sells && !lead->any_buys)
        return &lead->lowest;
    if (reference >= lead->highest.price)
        return &lead->highest;
    if (reference <= lead->lowest.price)
        return &lead->lowest;
    ASSERT(volume_of(between) == lead->volume);
    ASSERT(surplus_of(between) <= lead->surplus);
    return between;
}

static struct auction_result result_at(const struct point *point)
{
    auction_sum surplus = surplus_of(point);
    struct auction_result result = {
        .price = point->price,
        .quantity = (int64_t)volume_of(point), // no more than all that is held of the token
        .surplus = surplus > INT64_MAX ? INT64_MAX : (int64_t)surplus};
    if (surplus != 0)
        result.surplus_side = point->demand > point->supply ? SIDE_BUY : SIDE_SELL;
    return result;
}

struct auction_result auction_price(const struct order_pool *pool, const struct book_side *buys,
                                    const struct book_side *sells,
                                    const struct auction_reference *reference)
{
    if (!auction_crosses(pool, buys, sells))
        return (struct auction_result){0};
    struct kept kept;
    kept.count = 0;
    struct walk walk = walk_begin(pool, buys, sells, &kept);
    struct lead lead = {0};
    struct point between = {.price = reference->on_tick, .supply = -1};
    while (walk_next(&walk) && walk.at.supply >= lead.volume) {
        lead_see(&lead, &walk.at);
        reference_see(&between, &walk.at);
    }
    return result_at(lead_choose(&lead, &between, reference->price));
}
