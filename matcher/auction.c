// One walk down the prices at which the sides cross, from the best buy to the best sell: demand
// grows level by level of the buys, supply shrinks level by level of the sells. What leads is kept
// as the set of prices that are still equal: its highest, its lowest, and the signs of their
// surpluses. No other price at which orders stand lies between the ends of that set, for volume and
// surplus change in one direction only; so the reference, if it lies there, is as good as they are.
#include "matcher/auction.h"

struct point { // supply and demand at a price
    int64_t price;
    auction_sum demand;
    auction_sum supply;
};

struct walk {
    const struct order_pool *pool;
    const struct book_side *buys;
    const struct book_side *sells;
    uint64_t buy_key;  // next level of the buys
    uint64_t sell_key; // next level of the sells, from the worst that crosses
    uint32_t buy;      // first orders of these levels; 0 = no more
    uint32_t sell;
    struct point at;     // where the walk has come to
    auction_sum leaving; // what is offered at that price, but not below
};

struct lead { // the prices that no rule has told apart yet
    auction_sum volume;
    auction_sum surplus; // without its sign
    struct point highest;
    struct point lowest;
    bool any_buys; // some have a surplus of buys, of sells, none
    bool any_sells;
    bool any_none;
};

static auction_sum level_open(const struct order_pool *pool, uint32_t first)
{
    auction_sum sum = 0;
    for (uint32_t place = first; place != 0; place = order_at(pool, place)->later) {
        const struct order *order = order_at(pool, place);
        ASSERT(order->leaves > 0);
        sum += order->leaves;
        if ((order->marks & ORDER_MARK_ICEBERG) != 0)
            sum += pool->terms[place].hidden;
    }
    return sum;
}

// ---- the walk
// ------------------------------------------------------------------------------------

// All that is offered at the best buy's price.
static auction_sum supply_up_to(const struct order_pool *pool, const struct book_side *sells,
                                uint64_t limit_key)
{
    auction_sum sum = 0;
    uint64_t key = 0;
    uint32_t first = order_book_worse(pool, sells, 0, &key);
    while (first != 0 && key <= limit_key) {
        sum += level_open(pool, first);
        first = order_book_worse(pool, sells, key, &key);
    }
    return sum;
}

static struct walk walk_begin(const struct order_pool *pool, const struct book_side *buys,
                              const struct book_side *sells)
{
    struct walk walk = {.pool = pool, .buys = buys, .sells = sells};
    ASSERT(auction_crosses(pool, buys, sells));
    walk.buy = order_book_best(pool, buys);
    walk.buy_key = order_book_best_key(pool, buys);
    uint64_t limit_key = BOOK_KEY_MAX - walk.buy_key;
    walk.at.supply = supply_up_to(pool, sells, limit_key);
    walk.sell = order_book_better(pool, sells, limit_key + 1, &walk.sell_key);
    ASSERT(walk.sell != 0);
    return walk;
}

static int64_t walk_price(const struct walk *walk, uint32_t place)
{
    return place != 0 ? order_at(walk->pool, place)->price : 0;
}

// Goes to the next lower price: of the buys, of the sells, or of both. False if nothing is offered
// any more.
static bool walk_next(struct walk *walk)
{
    int64_t buy = walk_price(walk, walk->buy);
    int64_t sell = walk_price(walk, walk->sell);
    walk->at.supply -= walk->leaving;
    walk->leaving = 0;
    if (sell == 0)
        return false;
    walk->at.price = buy > sell ? buy : sell;
    if (buy == walk->at.price) {
        walk->at.demand += level_open(walk->pool, walk->buy);
        walk->buy = order_book_worse(walk->pool, walk->buys, walk->buy_key, &walk->buy_key);
    }
    if (sell == walk->at.price) {
        walk->leaving = level_open(walk->pool, walk->sell);
        walk->sell = order_book_better(walk->pool, walk->sells, walk->sell_key, &walk->sell_key);
    }
    return true;
}

// ---- who leads
// -----------------------------------------------------------------------------------

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
    if (volume < lead->volume || (volume == lead->volume && surplus > lead->surplus))
        return;
    if (volume > lead->volume || surplus < lead->surplus)
        *lead = (struct lead){.volume = volume, .surplus = surplus, .highest = *point};
    lead->lowest = *point;
    lead->any_buys |= point->demand > point->supply;
    lead->any_sells |= point->demand < point->supply;
    lead->any_none |= point->demand == point->supply;
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
    if (lead->any_buys && !lead->any_sells && !lead->any_none)
        return &lead->highest;
    if (lead->any_sells && !lead->any_buys && !lead->any_none)
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
    struct walk walk = walk_begin(pool, buys, sells);
    struct lead lead = {0};
    struct point between = {.price = reference->on_tick, .supply = -1};
    while (walk_next(&walk) && walk.at.supply >= lead.volume) {
        lead_see(&lead, &walk.at);
        reference_see(&between, &walk.at);
    }
    return result_at(lead_choose(&lead, &between, reference->price));
}
