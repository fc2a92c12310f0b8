// Happy path of a new order: its level is found in the tree (or made, and linked between its
// neighbours), the order is appended to it. Of a removal: unlinked from its level; a level that is
// empty is unlinked from its neighbours and from the tree. Nothing here fails: room is asked for
// beforehand.
#include "matcher/order_book.h"

#include <stddef.h>

// ---- pools
// ---------------------------------------------------------------------------------------

static struct level *level_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT(place != 0 && place <= pool->levels_touched);
    return &pool->levels[place];
}

uint32_t order_pool_take(struct order_pool *pool, uint64_t id)
{
    ASSERT(pool->orders_open < pool->orders_max);
    uint32_t place = pool->order_free;
    if (place != 0)
        pool->order_free = order_at(pool, place)->later;
    else
        place = ++pool->orders_touched;
    ASSERT(place != 0 && place <= pool->orders_max);
    pool->orders_open++;
    order_at(pool, place)->id = id;
    order_index_add(&pool->index, id, place);
    return place;
}

void order_pool_give(struct order_pool *pool, uint32_t place)
{
    struct order *order = order_at(pool, place);
    ASSERT(pool->orders_open > 0);
    order_index_remove(&pool->index, order->id, place);
    order->later = pool->order_free;
    pool->order_free = place;
    pool->orders_open--;
}

static uint32_t level_take(struct order_pool *pool)
{
    ASSERT(pool->levels_used < pool->levels_max);
    uint32_t place = pool->level_free;
    if (place != 0)
        pool->level_free = level_at(pool, place)->worse;
    else
        place = ++pool->levels_touched;
    ASSERT(place != 0 && place <= pool->levels_max);
    pool->levels_used++;
    return place;
}

static uint32_t node_take(struct order_pool *pool)
{
    uint32_t place = pool->node_free;
    if (place != 0)
        pool->node_free = pool->nodes[place].next_free;
    else
        place = ++pool->nodes_touched;
    ASSERT(place != 0 && place <= pool->levels_max);
    return place;
}

// ---- the tree of a side's levels
// -----------------------------------------------------------------

static bool is_node(uint32_t link)
{
    return (link & LEVEL_NODE_FLAG) != 0;
}

static struct level_node *node_at(const struct order_pool *pool, uint32_t link)
{
    ASSERT(is_node(link));
    ASSERT((link & ~LEVEL_NODE_FLAG) <= pool->nodes_touched);
    return &pool->nodes[link & ~LEVEL_NODE_FLAG];
}

// The level that shares the longest path with the key: the only one that can have it.
static uint32_t tree_nearest(const struct order_pool *pool, const struct book_side *side,
                             uint64_t key)
{
    ASSERT(side->root != 0);
    uint32_t link = side->root;
    while (is_node(link)) {
        const struct level_node *node = node_at(pool, link);
        link = node->child[key >> node->bit & 1];
    }
    return link;
}

static uint32_t tree_find(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    if (side->root == 0)
        return 0;
    uint32_t nearest = tree_nearest(pool, side, key);
    return level_at(pool, nearest)->key == key ? nearest : 0;
}

// The best (edge 0) or worst (edge 1) level below a link.
static uint32_t tree_edge(const struct order_pool *pool, uint32_t link, int edge)
{
    ASSERT(edge == 0 || edge == 1);
    while (is_node(link))
        link = node_at(pool, link)->child[edge];
    ASSERT(link != 0);
    return link;
}

// Puts a level between the two that will be its neighbours.
static void level_link(struct order_pool *pool, struct book_side *side, uint32_t place,
                       uint32_t better, uint32_t worse)
{
    struct level *level = level_at(pool, place);
    level->better = better;
    level->worse = worse;
    if (better != 0) {
        ASSERT(level_at(pool, better)->key < level->key);
        level_at(pool, better)->worse = place;
    } else {
        side->best = place;
    }
    if (worse != 0) {
        ASSERT(level_at(pool, worse)->key > level->key);
        level_at(pool, worse)->better = place;
    }
}

// Splits the tree where the new key leaves the path of its nearest level; the subtree it leaves
// lies wholly on one side of it, so its edge is the new level's neighbour.
static void tree_insert(struct order_pool *pool, struct book_side *side, uint32_t place,
                        uint32_t nearest)
{
    uint64_t key = level_at(pool, place)->key;
    uint64_t difference = key ^ level_at(pool, nearest)->key;
    ASSERT(difference != 0);
    uint32_t bit = 63 - (uint32_t)__builtin_clzll(difference);
    uint32_t *link = &side->root;
    while (is_node(*link) && node_at(pool, *link)->bit > bit)
        link = &node_at(pool, *link)->child[key >> node_at(pool, *link)->bit & 1];
    uint32_t direction = key >> bit & 1;
    uint32_t neighbour = tree_edge(pool, *link, direction ? 1 : 0);
    uint32_t node = node_take(pool);
    pool->nodes[node].bit = bit;
    pool->nodes[node].child[direction] = place;
    pool->nodes[node].child[1 - direction] = *link;
    *link = node | LEVEL_NODE_FLAG;
    if (direction)
        level_link(pool, side, place, neighbour, level_at(pool, neighbour)->worse);
    else
        level_link(pool, side, place, level_at(pool, neighbour)->better, neighbour);
}

static uint32_t level_make(struct order_pool *pool, struct book_side *side, uint64_t key,
                           uint32_t nearest)
{
    uint32_t place = level_take(pool);
    pool->levels[place] = (struct level){.key = key};
    if (side->root == 0) {
        side->root = place;
        level_link(pool, side, place, 0, 0);
    } else {
        tree_insert(pool, side, place, nearest);
    }
    ASSERT(tree_find(pool, side, key) == place);
    return place;
}

static void tree_remove(struct order_pool *pool, struct book_side *side, uint32_t place)
{
    uint64_t key = level_at(pool, place)->key;
    uint32_t *above = NULL; // the link that leads to the node that leads to the level
    uint32_t *link = &side->root;
    while (is_node(*link)) {
        above = link;
        struct level_node *node = node_at(pool, *link);
        link = &node->child[key >> node->bit & 1];
    }
    ASSERT(*link == place);
    if (above == NULL) {
        side->root = 0;
        return;
    }
    uint32_t node = *above & ~LEVEL_NODE_FLAG;
    ASSERT(link == &pool->nodes[node].child[0] || link == &pool->nodes[node].child[1]);
    *above = pool->nodes[node].child[link == &pool->nodes[node].child[0]];
    pool->nodes[node].next_free = pool->node_free;
    pool->node_free = node;
}

static void level_drop(struct order_pool *pool, struct book_side *side, uint32_t place)
{
    struct level *level = level_at(pool, place);
    ASSERT(level->first == 0 && level->last == 0);
    tree_remove(pool, side, place);
    if (level->better != 0)
        level_at(pool, level->better)->worse = level->worse;
    else
        side->best = level->worse;
    if (level->worse != 0)
        level_at(pool, level->worse)->better = level->better;
    level->worse = pool->level_free;
    pool->level_free = place;
    ASSERT(pool->levels_used > 0);
    pool->levels_used--;
}

// ---- orders
// --------------------------------------------------------------------------------------

bool order_book_has_room(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    ASSERT(pool->levels_used <= pool->levels_max);
    return pool->levels_used < pool->levels_max || tree_find(pool, side, key) != 0;
}

static void order_append(struct order_pool *pool, uint32_t level_place, uint32_t place)
{
    struct level *level = level_at(pool, level_place);
    struct order *order = order_at(pool, place);
    order->level = level_place;
    order->earlier = level->last;
    order->later = 0;
    if (level->last != 0)
        order_at(pool, level->last)->later = place;
    else
        level->first = place;
    level->last = place;
    ASSERT(level->first != 0);
}

void order_book_add(struct order_pool *pool, struct book_side *side, uint64_t key, uint32_t place)
{
    ASSERT(key <= BOOK_KEY_MAX);
    uint32_t nearest = side->root != 0 ? tree_nearest(pool, side, key) : 0;
    uint32_t level = nearest != 0 && level_at(pool, nearest)->key == key
                         ? nearest
                         : level_make(pool, side, key, nearest);
    order_append(pool, level, place);
}

void order_book_remove(struct order_pool *pool, struct book_side *side, uint32_t place)
{
    struct order *order = order_at(pool, place);
    struct level *level = level_at(pool, order->level);
    if (order->earlier != 0)
        order_at(pool, order->earlier)->later = order->later;
    else
        level->first = order->later;
    if (order->later != 0)
        order_at(pool, order->later)->earlier = order->earlier;
    else
        level->last = order->earlier;
    if (level->first == 0)
        level_drop(pool, side, order->level);
}

// ---- walking
// -----------------------------------------------------------------------------------

uint32_t order_book_best(const struct order_pool *pool, const struct book_side *side)
{
    return side->best != 0 ? level_at(pool, side->best)->first : 0;
}

uint64_t order_book_best_key(const struct order_pool *pool, const struct book_side *side)
{
    return side->best != 0 ? level_at(pool, side->best)->key : UINT64_MAX;
}

uint64_t order_book_key_of(const struct order_pool *pool, uint32_t place)
{
    return level_at(pool, order_at(pool, place)->level)->key;
}

uint32_t order_book_next(const struct order_pool *pool, const struct book_side *side,
                         uint32_t place)
{
    const struct order *order = order_at(pool, place);
    ASSERT(side->best != 0);
    if (order->later != 0)
        return order->later;
    uint32_t worse = level_at(pool, order->level)->worse;
    return worse != 0 ? level_at(pool, worse)->first : 0;
}

// The worst level whose key is < key; 0 = none.
static uint32_t level_below(const struct order_pool *pool, const struct book_side *side,
                            uint64_t key)
{
    if (side->root == 0)
        return 0;
    uint64_t difference = key ^ level_at(pool, tree_nearest(pool, side, key))->key;
    uint32_t bit = difference != 0 ? 63 - (uint32_t)__builtin_clzll(difference) : 0;
    uint32_t link = side->root;
    while (is_node(link) && difference != 0 && node_at(pool, link)->bit > bit)
        link = node_at(pool, link)->child[key >> node_at(pool, link)->bit & 1];
    if (difference == 0)
        return level_at(pool, tree_nearest(pool, side, key))->better;
    if (key >> bit & 1)
        return tree_edge(pool, link, 1);
    return level_at(pool, tree_edge(pool, link, 0))->better;
}

static uint32_t level_first(const struct order_pool *pool, uint32_t place, uint64_t *key)
{
    if (place == 0)
        return 0;
    *key = level_at(pool, place)->key;
    return level_at(pool, place)->first;
}

uint32_t order_book_better(const struct order_pool *pool, const struct book_side *side,
                           uint64_t key, uint64_t *key_out)
{
    return level_first(pool, level_below(pool, side, key), key_out);
}

uint32_t order_book_worse(const struct order_pool *pool, const struct book_side *side, uint64_t key,
                          uint64_t *key_out)
{
    uint32_t below = level_below(pool, side, key + 1);
    uint32_t worse = below != 0 ? level_at(pool, below)->worse : side->best;
    return level_first(pool, worse, key_out);
}

uint32_t order_book_at(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    uint32_t level = tree_find(pool, side, key);
    return level != 0 ? level_at(pool, level)->first : 0;
}

// ---- lists of sessions
// -------------------------------------------------------------------------

void order_list_append(struct order_pool *pool, struct order_list *list, uint32_t place)
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

void order_list_remove(struct order_pool *pool, struct order_list *list, uint32_t place)
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

// ---- sorting a session's list after a snapshot was loaded
// -------------------------------------------

// Merges two chains (linked by `after`, ended by 0) by ascending id.
static uint32_t chain_merge(struct order_pool *pool, uint32_t left, uint32_t right)
{
    uint32_t first = 0;
    uint32_t *link = &first;
    while (left != 0 && right != 0) {
        ASSERT(order_at(pool, left)->id != order_at(pool, right)->id);
        uint32_t *least = order_at(pool, left)->id < order_at(pool, right)->id ? &left : &right;
        *link = *least;
        link = &order_at(pool, *least)->after;
        *least = *link;
    }
    *link = left != 0 ? left : right;
    return first;
}

// Bottom-up: chains[i] holds a sorted chain of 2^i orders or none.
static uint32_t chain_sort(struct order_pool *pool, uint32_t first)
{
    uint32_t chains[32] = {0};
    while (first != 0) {
        uint32_t chain = first;
        first = order_at(pool, chain)->after;
        order_at(pool, chain)->after = 0;
        uint32_t i = 0;
        for (; chains[i] != 0; i++) {
            ASSERT(i < 31);
            chain = chain_merge(pool, chains[i], chain);
            chains[i] = 0;
        }
        chains[i] = chain;
    }
    uint32_t sorted = 0;
    for (uint32_t i = 0; i < 32; i++)
        sorted = chain_merge(pool, chains[i], sorted);
    return sorted;
}

void order_list_sort(struct order_pool *pool, struct order_list *list)
{
    ASSERT((list->first == 0) == (list->last == 0));
    list->first = chain_sort(pool, list->first);
    list->last = 0;
    for (uint32_t place = list->first; place != 0; place = order_at(pool, place)->after) {
        order_at(pool, place)->before = list->last;
        ASSERT(list->last == 0 || order_at(pool, list->last)->id < order_at(pool, place)->id);
        list->last = place;
    }
}

// ---- check
// ------------------------------------------------------------------------------------------

static uint32_t level_check(const struct order_pool *pool, uint32_t place, uint8_t which,
                            uint32_t instrument)
{
    const struct level *level = level_at(pool, place);
    uint32_t count = 0;
    uint32_t earlier = 0;
    ASSERT(level->first != 0);
    for (uint32_t at = level->first; at != 0; at = order_at(pool, at)->later) {
        const struct order *order = order_at(pool, at);
        ASSERT(order->level == place && order->earlier == earlier);
        ASSERT(order->side == which && order->instrument == instrument);
        ASSERT(order->leaves > 0);
        ASSERT(earlier == 0 || order_priority(pool, earlier) < order_priority(pool, at));
        ASSERT(order_pool_find(pool, order->id) == at);
        earlier = at;
        count++;
    }
    ASSERT(level->last == earlier);
    return count;
}

uint32_t order_book_check(const struct order_pool *pool, const struct book_side *side,
                          uint8_t which, uint32_t instrument, uint32_t *levels)
{
    uint32_t count = 0;
    uint32_t better = 0;
    ASSERT((side->best == 0) == (side->root == 0));
    for (uint32_t at = side->best; at != 0; at = level_at(pool, at)->worse) {
        ASSERT(level_at(pool, at)->better == better);
        ASSERT(better == 0 || level_at(pool, better)->key < level_at(pool, at)->key);
        ASSERT(tree_find(pool, side, level_at(pool, at)->key) == at);
        count += level_check(pool, at, which, instrument);
        better = at;
        (*levels)++;
    }
    return count;
}
