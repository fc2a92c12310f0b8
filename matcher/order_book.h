// Order book: the resting orders of one instrument by price and time, and the pools they live in.
//
// One side of a book is a set of price levels. A level's key orders them best first on both sides:
// the price for sells, INT64_MAX - price for buys; so one code serves both sides without asking
// which it is. The levels of a side are linked from best to worst, and found by key in a crit-bit
// tree whose inner nodes come from a pool as large as the level pool (a tree of n leaves has n - 1
// inner nodes): the price domain is unbounded and the memory is not. Within a level orders are
// linked by time.
//
// Orders, levels and nodes are named by 32-bit places in their pools, from 1; 0 = none. Free places
// are linked last in, first out; no result depends on which place an order got. Three arrays per
// order: what matching touches (64 bytes), the links of its session's list, and the cold rest.
//
// Threads: the engine's. Memory: the caller's, laid out once; nothing is allocated.
#ifndef LONJA_MATCHER_ORDER_BOOK_H
#define LONJA_MATCHER_ORDER_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "matcher/order_index.h"
#include "schema/records.h"

struct order { // hot: one cache line
    _Alignas(64) uint64_t id;
    int64_t price;
    int64_t leaves;
    uint32_t account;
    uint32_t instrument;
    uint32_t session;
    uint32_t level;
    uint32_t earlier;       // in its level
    uint32_t later;         // in its level; in the free list: the next free place
    uint32_t cash_balance;  // of its account in the ledger
    uint32_t token_balance; // of its account in the ledger
    uint8_t side;
    uint8_t type;
    uint8_t tif;
    uint8_t flags;
    uint32_t reserved;
};
_Static_assert(sizeof(struct order) == 64, "one cache line");

struct order_cold {   // what only reports and snapshots ask for
    int64_t quantity; // total as last amended
    uint64_t entered_ns;
    int64_t filled_notional; // of its matches so far
    uint8_t gateway;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    uint8_t reserved[2];
};
_Static_assert(sizeof(struct order_cold) == 64, "one cache line");

struct order_links { // its neighbours in the list of its session, ascending by id
    uint32_t before;
    uint32_t after;
};

struct order_list {
    uint32_t first;
    uint32_t last;
};

struct level {
    uint64_t key; // best first: see above
    uint32_t first;
    uint32_t last;
    uint32_t better;
    uint32_t worse; // in the free list: the next free place
};

struct level_node {    // inner node of the tree: all keys below agree above `bit`
    uint32_t child[2]; // a level, or LEVEL_NODE_FLAG | a node
    uint32_t bit;
    uint32_t next_free;
};

struct book_side {
    uint32_t best; // level; 0 = the side is empty
    uint32_t root; // of the tree: a level, or LEVEL_NODE_FLAG | a node; 0 = empty
};

#define LEVEL_NODE_FLAG 0x80000000u

struct order_pool {
    struct order *orders;      // orders_max + 1
    struct order_cold *cold;   // orders_max + 1
    struct order_links *links; // orders_max + 1
    struct level *levels;      // levels_max + 1
    struct level_node *nodes;  // levels_max + 1
    struct order_index index;
    uint32_t orders_max;
    uint32_t levels_max;
    uint32_t orders_open;
    uint32_t levels_used;
    uint32_t order_free;     // LIFO
    uint32_t level_free;     // LIFO
    uint32_t node_free;      // LIFO
    uint32_t orders_touched; // places above have never been used
    uint32_t levels_touched;
    uint32_t nodes_touched;
};

static inline uint64_t order_book_key(uint8_t side, int64_t price)
{
    ASSERT(price > 0);
    return side == SIDE_SELL ? (uint64_t)price : (uint64_t)(INT64_MAX - price);
}

static inline struct order *order_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT(place != 0 && place <= pool->orders_touched);
    return &pool->orders[place];
}

static inline struct level *level_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT(place != 0 && place <= pool->levels_touched);
    return &pool->levels[place];
}

// The open order with this id; 0 = there is none.
static inline uint32_t order_pool_find(const struct order_pool *pool, uint64_t id)
{
    uint32_t slot = order_index_home(&pool->index, (uint32_t)id);
    for (;; slot = (slot + 1) & pool->index.mask) {
        uint32_t place = order_index_probe(&pool->index, &slot, (uint32_t)id);
        if (place == 0 || order_at(pool, place)->id == id)
            return place;
    }
}

// A free place for an order, its hot part still as the last user left it. orders_open < orders_max.
uint32_t order_pool_take(struct order_pool *pool);

// True if the order can rest at this key without a level too many.
bool order_book_has_room(const struct order_pool *pool, const struct book_side *side, uint64_t key);
// Appends a filled-in order to its price's level, its session's list and the index. Ids ascend.
void order_book_add(struct order_pool *pool, struct book_side *side, struct order_list *session,
                    uint32_t place);
// The same for a snapshot's orders, whose session lists are sorted afterwards.
void order_list_sort(struct order_pool *pool, struct order_list *list);
// Takes an order out of everything and frees its place (the record stays readable until the next
// take).
void order_book_remove(struct order_pool *pool, struct book_side *side, struct order_list *session,
                       uint32_t place);

// Full walk of one side; asserts. Returns its open orders.
uint32_t order_book_check(const struct order_pool *pool, const struct book_side *side,
                          uint8_t which, uint32_t instrument, uint32_t *levels);

#endif
