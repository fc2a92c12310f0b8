// Happy path of a new order: its page is at hand, the order is appended to its level. Of a removal:
// unlinked from its level, and the level's bit is cleared when that was the last one. Both are
// inline (order_book.h). Here is the rest: pages that come and go, orders that live long, walks.
// Nothing fails: room is asked for beforehand.
#include "matcher/order_book.h"

// ---- memory

// The next array, on a cache line of its own; NULL while only measuring.
static void *layout_take(uint8_t *memory, size_t *bytes, size_t count, size_t size)
{
    size_t at = *bytes;
    ASSERT(size != 0 && count <= SIZE_MAX / 2 / size);
    *bytes = at + (count * size + 63) / 64 * 64;
    return memory != NULL ? memory + at : NULL;
}

size_t order_pool_layout(struct order_pool *pool, uint8_t *memory, uint32_t orders_max,
                         uint32_t levels_max, uint32_t levels_spare)
{
    size_t bytes = 0;
    size_t old = 8; // entries of the index
    ASSERT((uintptr_t)memory % 64 == 0);
    ASSERT(orders_max > 0 && orders_max <= 1u << 28);
    ASSERT(levels_max > 0 && levels_max < UINT32_MAX / PAGE_LEVELS);
    ASSERT(levels_spare < UINT32_MAX / PAGE_LEVELS - levels_max);
    while (old < (size_t)orders_max * 2)
        old *= 2;
    size_t recent = 2 * old;
    *pool = (struct order_pool){
        .orders_max = orders_max, .levels_max = levels_max, .levels_spare = levels_spare};
    pool->index.old_mask = (uint32_t)(old - 1);
    pool->index.recent_mask = (uint32_t)(recent - 1);
    size_t orders = (size_t)orders_max + 1;
    size_t pages = (size_t)levels_max + levels_spare + 1;
    pool->orders = layout_take(memory, &bytes, orders, sizeof pool->orders[0]);
    pool->cold = layout_take(memory, &bytes, orders, sizeof pool->cold[0]);
    pool->terms = layout_take(memory, &bytes, orders, sizeof pool->terms[0]);
    pool->levels = layout_take(memory, &bytes, pages, PAGE_LEVELS * sizeof pool->levels[0]);
    pool->pages = layout_take(memory, &bytes, pages, sizeof pool->pages[0]);
    pool->nodes = layout_take(memory, &bytes, pages, sizeof pool->nodes[0]);
    pool->index.recent = layout_take(memory, &bytes, recent, sizeof pool->index.recent[0]);
    pool->index.old = layout_take(memory, &bytes, old, sizeof pool->index.old[0]);
    return bytes;
}

// ---- orders that live long

void order_pool_displace(struct order_pool *pool, uint64_t id, uint32_t place)
{
    uint32_t *slot = order_index_recent(&pool->index, id);
    uint64_t other = order_at(pool, *slot)->id;
    ASSERT(*slot != place && other != id);
    if (other > id) { // a snapshot's orders come in any order
        order_index_old_add(&pool->index, id, place);
        return;
    }
    order_index_old_add(&pool->index, other, *slot);
    *slot = place;
}

uint32_t order_pool_find_old(const struct order_pool *pool, uint64_t id)
{
    uint32_t slot = order_index_old_home(&pool->index, (uint32_t)id);
    for (;; slot = (slot + 1) & pool->index.old_mask) {
        uint32_t place = order_index_old_probe(&pool->index, &slot, (uint32_t)id);
        if (place == 0 || order_at(pool, place)->id == id)
            return place;
    }
}

// ---- the tree of a side's pages

static struct level_page *page_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT(place != 0 && place <= pool->pages_touched);
    return &pool->pages[place];
}

static uint64_t page_number(const struct order_pool *pool, uint32_t place)
{
    uint64_t stamp = page_at(pool, place)->stamp;
    ASSERT(stamp != 0);
    return stamp - 1;
}

static uint32_t page_take(struct order_pool *pool)
{
    uint32_t place = pool->page_free;
    if (place != 0)
        pool->page_free = page_at(pool, place)->worse;
    else
        place = ++pool->pages_touched;
    ASSERT(place <= pool->levels_max + pool->levels_spare);
    return place;
}

static uint32_t node_take(struct order_pool *pool)
{
    uint32_t place = pool->node_free;
    if (place != 0)
        pool->node_free = pool->nodes[place].next_free;
    else
        place = ++pool->nodes_touched;
    ASSERT(place <= pool->levels_max + pool->levels_spare);
    return place;
}

static bool is_node(uint32_t link)
{
    return (link & PAGE_NODE_FLAG) != 0;
}

static struct page_node *node_at(const struct order_pool *pool, uint32_t link)
{
    ASSERT(is_node(link));
    ASSERT((link & ~PAGE_NODE_FLAG) <= pool->nodes_touched);
    return &pool->nodes[link & ~PAGE_NODE_FLAG];
}

// The page that shares the longest path with the number: the only one that can have it.
static uint32_t tree_nearest(const struct order_pool *pool, const struct book_side *side,
                             uint64_t number)
{
    ASSERT(side->root != 0);
    uint32_t link = side->root;
    while (is_node(link)) {
        const struct page_node *node = node_at(pool, link);
        link = node->child[number >> node->bit & 1];
    }
    return link;
}

static uint32_t tree_find(const struct order_pool *pool, const struct book_side *side,
                          uint64_t number)
{
    if (side->root == 0)
        return 0;
    uint32_t nearest = tree_nearest(pool, side, number);
    return page_number(pool, nearest) == number ? nearest : 0;
}

// The best (edge 0) or worst (edge 1) page below a link.
static uint32_t tree_edge(const struct order_pool *pool, uint32_t link, int edge)
{
    ASSERT(edge == 0 || edge == 1);
    while (is_node(link))
        link = node_at(pool, link)->child[edge];
    ASSERT(link != 0);
    return link;
}

// The highest bit in which two different numbers differ.
static uint32_t differing_bit(uint64_t a, uint64_t b)
{
    ASSERT(a != b);
    return 63 - (uint32_t)__builtin_clzll(a ^ b);
}

// The link at which the number leaves the path of the pages that there are.
static uint32_t *tree_fork(const struct order_pool *pool, struct book_side *side, uint64_t number,
                           uint32_t bit)
{
    uint32_t *link = &side->root;
    while (is_node(*link) && node_at(pool, *link)->bit > bit)
        link = &node_at(pool, *link)->child[number >> node_at(pool, *link)->bit & 1];
    return link;
}

// Puts a page between the two that will be its neighbours.
static void page_link(struct order_pool *pool, struct book_side *side, uint32_t place,
                      uint32_t better, uint32_t worse)
{
    struct level_page *page = page_at(pool, place);
    page->better = better;
    page->worse = worse;
    if (better != 0) {
        ASSERT(page_at(pool, better)->stamp < page->stamp);
        page_at(pool, better)->worse = place;
    } else {
        side->best = place;
    }
    if (worse != 0) {
        ASSERT(page_at(pool, worse)->stamp > page->stamp);
        page_at(pool, worse)->better = place;
    }
}

// Hangs a page into the tree at the link at which its number leaves the path of the others.
static void tree_hang(struct order_pool *pool, uint32_t *link, uint32_t bit, uint32_t place)
{
    uint32_t direction = page_number(pool, place) >> bit & 1;
    uint32_t node = node_take(pool);
    pool->nodes[node].bit = bit;
    pool->nodes[node].child[direction] = place;
    pool->nodes[node].child[1 - direction] = *link;
    *link = node | PAGE_NODE_FLAG;
}

// Splits the tree where the new number leaves the path of its nearest page; the subtree it leaves
// lies wholly on one side of it, so its edge is the new page's neighbour.
static void tree_insert(struct order_pool *pool, struct book_side *side, uint32_t place,
                        uint32_t nearest)
{
    uint64_t number = page_number(pool, place);
    uint32_t bit = differing_bit(number, page_number(pool, nearest));
    uint32_t *link = tree_fork(pool, side, number, bit);
    bool behind = (number >> bit & 1) != 0;
    uint32_t neighbour = tree_edge(pool, *link, behind ? 1 : 0);
    tree_hang(pool, link, bit, place);
    if (behind)
        page_link(pool, side, place, neighbour, page_at(pool, neighbour)->worse);
    else
        page_link(pool, side, place, page_at(pool, neighbour)->better, neighbour);
}

static uint32_t page_make(struct order_pool *pool, uint64_t number)
{
    uint32_t place = page_take(pool);
    pool->pages[place] = (struct level_page){.stamp = number + 1};
    return place;
}

// ---- the first pages of a side: in the list, not in the tree

// The last page of the front goes into the tree. It is better than all pages there, and of these
// the best shares the longest path with it.
static void front_retire(struct order_pool *pool, struct book_side *side)
{
    uint32_t place = side->best;
    for (uint32_t i = 1; i < side->front; i++)
        place = page_at(pool, place)->worse;
    struct level_page *page = page_at(pool, place);
    page->front = 0;
    side->front--;
    if (side->root == 0) {
        side->root = place;
        return;
    }
    uint64_t number = page_number(pool, place);
    uint32_t bit = differing_bit(number, page_number(pool, page->worse));
    tree_hang(pool, tree_fork(pool, side, number, bit), bit, place);
}

// The first page of a side whose number is not below this one, or that is in the tree; 0 = there is
// none. *passed: how many of the front come before it, *better: the last of these.
static uint32_t front_walk(const struct order_pool *pool, const struct book_side *side,
                           uint64_t number, uint32_t *passed, uint32_t *better)
{
    uint32_t place = side->best;
    *better = 0;
    for (*passed = 0; *passed < side->front && page_number(pool, place) < number; ++*passed) {
        *better = place;
        place = page_at(pool, place)->worse;
    }
    return place;
}

static uint32_t page_find(const struct order_pool *pool, const struct book_side *side,
                          uint64_t number)
{
    uint32_t passed;
    uint32_t better;
    uint32_t place = front_walk(pool, side, number, &passed, &better);
    if (passed == side->front)
        return tree_find(pool, side, number);
    return page_number(pool, place) == number ? place : 0;
}

static uint32_t tree_fetch(struct order_pool *pool, struct book_side *side, uint64_t number)
{
    uint32_t nearest = tree_nearest(pool, side, number);
    if (page_number(pool, nearest) == number)
        return nearest;
    uint32_t place = page_make(pool, number);
    tree_insert(pool, side, place, nearest);
    return place;
}

static uint32_t page_fetch(struct order_pool *pool, struct book_side *side, uint64_t number)
{
    uint32_t passed;
    uint32_t better;
    uint32_t worse = front_walk(pool, side, number, &passed, &better);
    if (worse != 0 && page_number(pool, worse) == number)
        return worse;
    if (worse != 0 && page_number(pool, worse) < number)
        return tree_fetch(pool, side, number);
    uint32_t place = page_make(pool, number);
    page_at(pool, place)->front = 1;
    page_link(pool, side, place, better, worse);
    if (++side->front > SIDE_PAGES_FRONT)
        front_retire(pool, side);
    return place;
}

uint32_t book_page_fetch(struct order_pool *pool, struct book_side *side, uint64_t number)
{
    uint32_t place = page_fetch(pool, side, number);
    side->at_hand[number % SIDE_PAGES_AT_HAND] = place;
    return place;
}

static void tree_remove(struct order_pool *pool, struct book_side *side, uint32_t place)
{
    uint64_t number = page_number(pool, place);
    uint32_t *above = NULL; // the link that leads to the node that leads to the page
    uint32_t *link = &side->root;
    while (is_node(*link)) {
        above = link;
        struct page_node *node = node_at(pool, *link);
        link = &node->child[number >> node->bit & 1];
    }
    ASSERT(*link == place);
    if (above == NULL) {
        side->root = 0;
        return;
    }
    uint32_t node = *above & ~PAGE_NODE_FLAG;
    *above = pool->nodes[node].child[link == &pool->nodes[node].child[0]];
    pool->nodes[node].next_free = pool->node_free;
    pool->node_free = node;
}

void book_page_drop(struct order_pool *pool, struct book_side *side, uint32_t place)
{
    struct level_page *page = page_at(pool, place);
    ASSERT(page->filled == 0);
    if (page->front != 0)
        side->front--;
    else
        tree_remove(pool, side, place);
    uint32_t *at_hand = &side->at_hand[(page->stamp - 1) % SIDE_PAGES_AT_HAND];
    if (*at_hand == place)
        *at_hand = 0;
    if (page->better != 0)
        page_at(pool, page->better)->worse = page->worse;
    else
        side->best = page->worse;
    if (page->worse != 0)
        page_at(pool, page->worse)->better = page->better;
    page->stamp = 0;
    page->worse = pool->page_free;
    pool->page_free = place;
}

// ---- walking

bool order_book_has_room(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    return pool->levels_used < pool->levels_max || order_book_at(pool, side, key) != 0;
}

bool order_book_fits(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    ASSERT(pool->levels_used <= pool->levels_max + pool->levels_spare);
    return pool->levels_used < pool->levels_max + pool->levels_spare ||
           order_book_at(pool, side, key) != 0;
}

uint64_t order_book_key_of(const struct order_pool *pool, uint32_t place)
{
    uint32_t level = order_at(pool, place)->level;
    ASSERT(level != 0);
    return page_number(pool, level >> PAGE_BITS) << PAGE_BITS | level % PAGE_LEVELS;
}

uint32_t order_book_at(const struct order_pool *pool, const struct book_side *side, uint64_t key)
{
    ASSERT(key <= BOOK_KEY_MAX);
    uint32_t page = page_find(pool, side, key >> PAGE_BITS);
    if (page == 0)
        return 0;
    const struct level *level = &pool->levels[page << PAGE_BITS | key % PAGE_LEVELS];
    return (page_at(pool, page)->filled >> key % PAGE_LEVELS & 1) != 0 ? level->first : 0;
}

// The worst page whose number is < number; 0 = none.
static uint32_t page_below(const struct order_pool *pool, const struct book_side *side,
                           uint64_t number)
{
    uint32_t passed;
    uint32_t better;
    (void)front_walk(pool, side, number, &passed, &better);
    if (passed < side->front || side->root == 0)
        return better;
    uint32_t nearest = tree_nearest(pool, side, number);
    if (page_number(pool, nearest) == number)
        return page_at(pool, nearest)->better;
    uint32_t bit = differing_bit(number, page_number(pool, nearest));
    uint32_t link = side->root;
    while (is_node(link) && node_at(pool, link)->bit > bit)
        link = node_at(pool, link)->child[number >> node_at(pool, link)->bit & 1];
    if ((number >> bit & 1) != 0)
        return tree_edge(pool, link, 1);
    return page_at(pool, tree_edge(pool, link, 0))->better;
}

static uint32_t level_first(const struct order_pool *pool, uint32_t page, uint32_t at,
                            uint64_t *key)
{
    ASSERT((page_at(pool, page)->filled >> at & 1) != 0);
    *key = page_number(pool, page) << PAGE_BITS | at;
    return pool->levels[page << PAGE_BITS | at].first;
}

static uint32_t page_best_level(const struct order_pool *pool, uint32_t page)
{
    return (uint32_t)__builtin_ctz(page_at(pool, page)->filled);
}

static uint32_t page_worst_level(const struct order_pool *pool, uint32_t page)
{
    return PAGE_LEVELS - 1 - (uint32_t)__builtin_clz(page_at(pool, page)->filled);
}

// The levels of a page behind `at`.
static uint32_t filled_behind(const struct order_pool *pool, uint32_t page, uint32_t at)
{
    return page_at(pool, page)->filled & (uint32_t)(UINT64_MAX << (at + 1));
}

uint32_t order_book_next(const struct order_pool *pool, const struct book_side *side,
                         uint32_t place)
{
    const struct order *order = order_at(pool, place);
    ASSERT(side->best != 0 && order->level != 0);
    if (order->later != 0)
        return order->later;
    uint32_t page = order->level >> PAGE_BITS;
    uint32_t filled = filled_behind(pool, page, order->level % PAGE_LEVELS);
    if (filled != 0)
        return pool->levels[page << PAGE_BITS | (uint32_t)__builtin_ctz(filled)].first;
    page = page_at(pool, page)->worse;
    return page != 0 ? pool->levels[page << PAGE_BITS | page_best_level(pool, page)].first : 0;
}

uint32_t order_book_worse(const struct order_pool *pool, const struct book_side *side, uint64_t key,
                          uint64_t *key_out)
{
    uint64_t number = key >> PAGE_BITS;
    uint32_t page = page_find(pool, side, number);
    if (page != 0) {
        uint32_t filled = filled_behind(pool, page, key % PAGE_LEVELS);
        if (filled != 0)
            return level_first(pool, page, (uint32_t)__builtin_ctz(filled), key_out);
        page = page_at(pool, page)->worse;
    } else {
        uint32_t below = page_below(pool, side, number);
        page = below != 0 ? page_at(pool, below)->worse : side->best;
    }
    return page != 0 ? level_first(pool, page, page_best_level(pool, page), key_out) : 0;
}

uint32_t order_book_better(const struct order_pool *pool, const struct book_side *side,
                           uint64_t key, uint64_t *key_out)
{
    uint64_t number = key >> PAGE_BITS;
    uint32_t page = page_find(pool, side, number);
    if (page != 0) {
        uint32_t filled = page_at(pool, page)->filled & ((1u << key % PAGE_LEVELS) - 1);
        if (filled != 0)
            return level_first(pool, page, PAGE_LEVELS - 1 - (uint32_t)__builtin_clz(filled),
                               key_out);
    }
    page = page_below(pool, side, number);
    return page != 0 ? level_first(pool, page, page_worst_level(pool, page), key_out) : 0;
}

// ---- sorting a session's list after a snapshot was loaded

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

static uint32_t level_check(const struct order_pool *pool, uint32_t place, uint8_t which,
                            uint32_t instrument)
{
    const struct level *level = &pool->levels[place];
    uint32_t count = 0;
    uint32_t earlier = 0;
    ASSERT(level->first != 0);
    for (uint32_t at = level->first; at != 0; at = order_at(pool, at)->later) {
        const struct order *order = order_at(pool, at);
        ASSERT(order->level == place && order->earlier == earlier);
        ASSERT(order->side == which && order->instrument == instrument);
        ASSERT(order->leaves > 0);
        ASSERT(earlier == 0 || order_priority(pool, earlier) <= order_priority(pool, at));
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
    uint32_t pages = 0;
    ASSERT((side->best == 0) == (side->root == 0 && side->front == 0));
    for (uint32_t at = side->best; at != 0; at = page_at(pool, at)->worse) {
        const struct level_page *page = page_at(pool, at);
        ASSERT(page->filled != 0 && page->better == better);
        ASSERT(better == 0 || page_number(pool, better) < page_number(pool, at));
        ASSERT(page_find(pool, side, page_number(pool, at)) == at);
        ASSERT(page->front == (pages < side->front ? 1u : 0u));
        pages++;
        for (uint32_t i = 0; i < PAGE_LEVELS; i++) {
            if ((page->filled >> i & 1) == 0)
                continue;
            count += level_check(pool, at << PAGE_BITS | i, which, instrument);
            (*levels)++;
        }
        better = at;
    }
    ASSERT(pages >= side->front);
    for (uint32_t i = 0; i < SIDE_PAGES_AT_HAND; i++)
        ASSERT(side->at_hand[i] == 0 ||
               page_find(pool, side, page_number(pool, side->at_hand[i])) == side->at_hand[i]);
    return count;
}
