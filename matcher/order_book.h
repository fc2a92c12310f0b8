// Order book: the resting orders of one instrument by price and time, and the pools they live in.
//
// One side of a book is a set of levels, each a queue of orders of the same key. Keys order the
// levels best first on both sides: the tick index for sells, BOOK_KEY_MAX - tick index for buys; so
// one code serves both sides without asking which it is. The book knows no price, side, instrument
// or session: the caller computes the key. The same structure serves stops, keyed by stop price.
//
// Levels lie in pages of 32 consecutive keys, each with a word of bits that says which of its
// levels have orders; so the next level is a bit scan away, and the levels around the best price
// share a few cache lines. A page exists while one of its levels has orders. The pages of a side
// are linked from best to worst; a page is found by the low bits of its number in a small array of
// the side, and if another is there, in a crit-bit tree: every operation is bounded by the length
// of a key, whatever the keys are, and the memory by the number of levels. The first pages of a
// side, which come and go with the best price, stand in the list only.
//
// Orders, pages and nodes are named by 32-bit places in their pools, from 1; 0 = none. Page 0 is
// there and stays all zero: what an empty side reads as its best. Free places are linked last in,
// first out; no result depends on which place an order got. Three arrays per order: what matching
// touches (64 bytes), the cold rest (64), and the terms that few orders have.
//
// An order is taken (and can be found by its id from then on), filled in, put into one side of one
// book, taken out of it, given back. Which session's list it is in is the engine's business.
//
// Threads: the engine's. Memory: the caller's, all zero at first; nothing is allocated.
#ifndef LONJA_MATCHER_ORDER_BOOK_H
#define LONJA_MATCHER_ORDER_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "matcher/order_index.h"
#include "schema/records.h"

// Keys are below this, and 0 is no price: orders without one stand there, before all others.
#define BOOK_KEY_MAX (((uint64_t)1 << 62) - 1)

enum order_mark {             // 0 = a plain limit order in the book
    ORDER_MARK_TERMS = 1,     // pool->terms of its place are its own; every other mark implies it
    ORDER_MARK_ICEBERG = 2,   // it shows terms.display at a time
    ORDER_MARK_STOP = 4,      // it waits in the stop book
    ORDER_MARK_TRIGGERED = 8, // it waits in its instrument's triggered queue
    ORDER_MARK_CLOSE = 16,    // it waits for the closing auction
    ORDER_MARK_MARKET = 32,   // a market order that rests in a call
    ORDER_MARK_TRAILING = 64, // its stop follows the market
    ORDER_MARK_DATED = 128,   // it is in the heap of expiries
};

enum { ORDER_PARTY_BITS = 24, ORDER_PARTY_MAX = (1 << ORDER_PARTY_BITS) - 1 };

struct order { // hot: one cache line
    _Alignas(64) uint64_t id;
    int64_t price;  // its limit; of a market or stop order the collar price
    int64_t leaves; // what can be matched now: of an iceberg the slice that shows
    union {         // written as one word: field by field it would be read back in between
        uint64_t parties;
        struct {
            __extension__ uint64_t account : ORDER_PARTY_BITS;
            __extension__ uint64_t session : ORDER_PARTY_BITS;
            __extension__ uint64_t buyer_bps : 16; // of a buy: of its fee that its hold includes
        };
    };
    uint32_t cash_balance;  // of its account in the ledger
    uint32_t token_balance; // of its account in the ledger
    uint32_t level;         // the book's own
    uint32_t earlier;       // in its level
    uint32_t later;         // in its level; in the free list: the next free place
    uint32_t before;        // in the list of its session, ascending by id
    uint32_t after;
    uint16_t instrument;
    uint8_t side;
    uint8_t marks; // enum order_mark; 0 = a plain limit order in the book
};
_Static_assert(sizeof(struct order) == 64, "one cache line");

// Both numbers are at most ORDER_PARTY_MAX.
static inline uint64_t order_parties(uint32_t account, uint32_t session, uint16_t buyer_bps)
{
    return account | (uint64_t)session << ORDER_PARTY_BITS |
           (uint64_t)buyer_bps << 2 * ORDER_PARTY_BITS;
}

struct order_cold {   // what only reports and snapshots ask for
    int64_t quantity; // total as last amended
    uint64_t entered_ns;
    int64_t filled_notional; // of its matches so far
    char client_id[CLIENT_ID_BYTES_MAX];
    uint8_t client_id_bytes;
    uint8_t type;
    uint8_t tif;
    uint8_t flags;
};
_Static_assert(sizeof(struct order_cold) == 64, "one cache line");

struct order_terms { // of orders with ORDER_MARK_TERMS: what a plain limit order has not
    int64_t stop_price;
    int64_t display;
    int64_t hidden; // not showing: the open quantity is leaves + hidden
    int64_t trail_offset;
    uint64_t expire_ns;
    uint64_t priority; // the sequence at which it last lost its place in time; 0 = its id
    uint32_t self_match_id;
    uint32_t timer;  // its place in the heap of expiries
    uint32_t before; // in the list of its instrument and side: trailing stops, or resting market
    uint32_t after;  // orders, ascending by id
    uint8_t stp;
    uint8_t reserved[7];
};

struct order_list {
    uint32_t first;
    uint32_t last;
};

struct level { // the orders of one key; 0, 0 = there are none
    uint32_t first;
    uint32_t last;
};

enum {
    PAGE_BITS = 5, // of a key: which level of its page
    PAGE_LEVELS = 1 << PAGE_BITS,
    SIDE_PAGES_AT_HAND = 8,
    SIDE_PAGES_FRONT = 4,
};

struct level_page {
    uint64_t stamp;  // key >> PAGE_BITS of its levels, plus 1; 0 = a free page
    uint32_t filled; // bit i: level i has orders
    uint32_t better; // in its side
    uint32_t worse;  // in its side; in the free list: the next free page
    uint32_t front;  // 1 = one of the first of its side, which are not in the tree
    uint32_t reserved[2];
};
_Static_assert(sizeof(struct level_page) == 32, "two per cache line");

struct page_node {     // inner node of a side's tree: all page numbers below agree above `bit`
    uint32_t child[2]; // a page, or PAGE_NODE_FLAG | a node
    uint32_t bit;
    uint32_t next_free;
};

#define PAGE_NODE_FLAG 0x80000000u

struct book_side {              // all zero = an empty one
    _Alignas(64) uint32_t best; // page; 0 = the side is empty
    uint32_t root;              // of the tree: a page, or PAGE_NODE_FLAG | a node; 0 = empty
    uint32_t front;             // so many of the best pages are not in the tree
    uint32_t at_hand[SIDE_PAGES_AT_HAND]; // a page with these low bits of its number, or 0
    uint32_t reserved[5];
};
_Static_assert(sizeof(struct book_side) == 64, "one cache line");

struct order_pool {
    struct order *orders;      // orders_max + 1
    struct level *levels;      // PAGE_LEVELS of each page
    struct level_page *pages;  // levels_max + levels_spare + 1: each level may need its own
    struct order_cold *cold;   // orders_max + 1
    struct order_terms *terms; // orders_max + 1
    struct page_node *nodes;   // as many: a tree of n leaves has n - 1 inner nodes
    struct order_index index;
    uint32_t orders_max;
    uint32_t levels_max;   // what order_book_has_room grants
    uint32_t levels_spare; // more, for what cannot be refused: order_book_fits
    uint32_t orders_open;  // places taken
    uint32_t levels_used;
    uint32_t order_free;     // LIFO
    uint32_t page_free;      // LIFO
    uint32_t node_free;      // LIFO
    uint32_t orders_touched; // places above have never been used
    uint32_t pages_touched;
    uint32_t nodes_touched;
};

// The bytes of the pool's arrays for these limits; if memory is not NULL (zeroed, aligned to 64),
// lays them out there.
size_t order_pool_layout(struct order_pool *pool, uint8_t *memory, uint32_t orders_max,
                         uint32_t levels_max, uint32_t levels_spare);

static inline struct order *order_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT(place != 0 && place <= pool->orders_touched);
    return &pool->orders[place];
}

// The sequence by which it stands in its level: ascending from first to last.
static inline uint64_t order_priority(const struct order_pool *pool, uint32_t place)
{
    const struct order *order = order_at(pool, place);
    if ((order->marks & ORDER_MARK_TERMS) == 0 || pool->terms[place].priority == 0)
        return order->id;
    return pool->terms[place].priority;
}

// ---- the pool

// The rare ways of take, find and give: an id whose slot is another's.
void order_pool_displace(struct order_pool *pool, uint64_t id, uint32_t place);
uint32_t order_pool_find_old(const struct order_pool *pool, uint64_t id);

// A free place, with its id set and everything else as the last user left it; it can be found from
// now on. orders_open < orders_max, and no open order has the id.
static inline uint32_t order_pool_take(struct order_pool *pool, uint64_t id)
{
    ASSERT(pool->orders_open < pool->orders_max);
    uint32_t place = pool->order_free;
    if (place != 0) {
        pool->order_free = pool->orders[place].later;
    } else {
        place = ++pool->orders_touched;
        ASSERT(place <= pool->orders_max);
    }
    pool->orders_open++;
    pool->orders[place].id = id;
    pool->orders[place].level = 0;
    uint32_t *slot = order_index_recent(&pool->index, id);
    if (__builtin_expect(*slot == 0, 1))
        *slot = place;
    else
        order_pool_displace(pool, id, place);
    return place;
}

// It is in no book any more. It cannot be found from now on; the record stays readable until the
// next take.
static inline void order_pool_give(struct order_pool *pool, uint32_t place)
{
    struct order *order = order_at(pool, place);
    uint32_t *slot = order_index_recent(&pool->index, order->id);
    ASSERT(pool->orders_open > 0);
    ASSERT(order->level == 0);
    if (__builtin_expect(*slot == place, 1))
        *slot = 0;
    else
        order_index_old_remove(&pool->index, order->id, place);
    order->later = pool->order_free;
    pool->order_free = place;
    pool->orders_open--;
}

// The open order with this id; 0 = there is none.
static inline uint32_t order_pool_find(const struct order_pool *pool, uint64_t id)
{
    uint32_t place = *order_index_recent(&pool->index, id);
    ASSERT(place <= pool->orders_touched);
    if (__builtin_expect(place != 0 && pool->orders[place].id == id, 1))
        return place;
    return pool->index.old_count != 0 ? order_pool_find_old(pool, id) : 0;
}

// ---- one side of a book

// The rare ways of add and remove: a page that is not at hand, or has become empty.
uint32_t book_page_fetch(struct order_pool *pool, struct book_side *side, uint64_t number);
void book_page_drop(struct order_pool *pool, struct book_side *side, uint32_t page);

// True if an order can rest at this key without a level too many.
bool order_book_has_room(const struct order_pool *pool, const struct book_side *side, uint64_t key);
// The same with the spare levels: for a stop that follows the market, and for a snapshot's orders.
bool order_book_fits(const struct order_pool *pool, const struct book_side *side, uint64_t key);

// At the back of its level. There must be room.
static inline void order_book_add(struct order_pool *pool, struct book_side *side, uint64_t key,
                                  uint32_t place)
{
    ASSERT(key <= BOOK_KEY_MAX);
    uint64_t number = key >> PAGE_BITS;
    uint32_t page_place = side->at_hand[number % SIDE_PAGES_AT_HAND];
    if (__builtin_expect(pool->pages[page_place].stamp != number + 1, 0))
        page_place = book_page_fetch(pool, side, number);
    uint32_t at = page_place << PAGE_BITS | key % PAGE_LEVELS;
    struct order *order = order_at(pool, place);
    struct level *level = &pool->levels[at];
    uint32_t last = level->last;
    ASSERT(order->level == 0);
    order->level = at;
    order->earlier = last;
    order->later = 0;
    level->last = place;
    if (last != 0) {
        pool->orders[last].later = place;
        return;
    }
    level->first = place;
    pool->pages[page_place].filled |= 1u << key % PAGE_LEVELS;
    pool->levels_used++;
    ASSERT(pool->levels_used <= pool->levels_max + pool->levels_spare);
}

// Out of its level; the place stays taken.
static inline void order_book_remove(struct order_pool *pool, struct book_side *side,
                                     uint32_t place)
{
    struct order *order = order_at(pool, place);
    uint32_t at = order->level;
    uint32_t earlier = order->earlier;
    uint32_t later = order->later;
    ASSERT(at != 0);
    struct level *level = &pool->levels[at];
    order->level = 0;
    if (earlier != 0)
        pool->orders[earlier].later = later;
    else
        level->first = later;
    if (later != 0)
        pool->orders[later].earlier = earlier;
    else
        level->last = earlier;
    if ((earlier | later) != 0)
        return;
    struct level_page *page = &pool->pages[at >> PAGE_BITS];
    pool->levels_used--;
    page->filled &= ~(1u << at % PAGE_LEVELS);
    if (__builtin_expect(page->filled == 0, 0))
        book_page_drop(pool, side, at >> PAGE_BITS);
}

// The best level that has orders: the lowest bit of the best page. Of the page 0 of an empty side
// it is the last level, which has none, and whose key comes out as UINT64_MAX.
static inline uint32_t book_best_level(const struct order_pool *pool, const struct book_side *side)
{
    return (uint32_t)__builtin_ctz(pool->pages[side->best].filled | 1u << (PAGE_LEVELS - 1));
}

// Walking; 0 = there is none. The walk goes on from an order that is in the book: take the next
// before removing one.
//
// First order of the best level, and its key (UINT64_MAX when the side is empty).
static inline uint32_t order_book_best(const struct order_pool *pool, const struct book_side *side)
{
    return pool->levels[side->best << PAGE_BITS | book_best_level(pool, side)].first;
}

static inline uint64_t order_book_best_key(const struct order_pool *pool,
                                           const struct book_side *side)
{
    return (pool->pages[side->best].stamp - 1) << PAGE_BITS | book_best_level(pool, side);
}

// Next in priority: later in its level, else the first of the next worse level.
uint32_t order_book_next(const struct order_pool *pool, const struct book_side *side,
                         uint32_t place);
// First order of the best level whose key is > key, with its key.
uint32_t order_book_worse(const struct order_pool *pool, const struct book_side *side, uint64_t key,
                          uint64_t *key_out);
// First order of the worst level whose key is < key, with its key.
uint32_t order_book_better(const struct order_pool *pool, const struct book_side *side,
                           uint64_t key, uint64_t *key_out);
// First order of that level.
uint32_t order_book_at(const struct order_pool *pool, const struct book_side *side, uint64_t key);
// The key of the level that an order is in.
uint64_t order_book_key_of(const struct order_pool *pool, uint32_t place);

// Full walk of one side; asserts. Returns its open orders, adds its levels to *levels.
uint32_t order_book_check(const struct order_pool *pool, const struct book_side *side,
                          uint8_t which, uint32_t instrument, uint32_t *levels);

// ---- a session's list

static inline void order_list_append(struct order_pool *pool, struct order_list *list,
                                     uint32_t place)
{
    struct order *order = order_at(pool, place);
    ASSERT((list->first == 0) == (list->last == 0));
    order->before = list->last;
    order->after = 0;
    if (list->last != 0)
        order_at(pool, list->last)->after = place;
    else
        list->first = place;
    list->last = place;
}

static inline void order_list_remove(struct order_pool *pool, struct order_list *list,
                                     uint32_t place)
{
    const struct order *order = order_at(pool, place);
    ASSERT(list->first != 0 && list->last != 0);
    if (order->before != 0)
        order_at(pool, order->before)->after = order->after;
    else
        list->first = order->after;
    if (order->after != 0)
        order_at(pool, order->after)->before = order->before;
    else
        list->last = order->before;
}

// After a snapshot was loaded: by ascending id.
void order_list_sort(struct order_pool *pool, struct order_list *list);

#endif
