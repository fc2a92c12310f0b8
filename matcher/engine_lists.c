// The lists of an instrument: queues of orders that are in no book, and lists by id of orders that
// are.
#include "matcher/engine_state.h"

// ---- queues: first in, first out

void engine_queue_append(struct order_pool *pool, struct order_list *queue, uint32_t place)
{
    struct order *order = order_at(pool, place);
    ASSERT(order->level == 0);
    ASSERT((queue->first == 0) == (queue->last == 0));
    order->earlier = queue->last;
    order->later = 0;
    if (queue->last != 0)
        order_at(pool, queue->last)->later = place;
    else
        queue->first = place;
    queue->last = place;
}

void engine_queue_remove(struct order_pool *pool, struct order_list *queue, uint32_t place)
{
    const struct order *order = order_at(pool, place);
    ASSERT(order->level == 0);
    ASSERT(queue->first != 0 && queue->last != 0);
    if (order->earlier != 0)
        order_at(pool, order->earlier)->later = order->later;
    else
        queue->first = order->later;
    if (order->later != 0)
        order_at(pool, order->later)->earlier = order->earlier;
    else
        queue->last = order->earlier;
}

// ---- lists: by ascending id

static struct order_terms *terms_at(const struct order_pool *pool, uint32_t place)
{
    ASSERT((order_at(pool, place)->marks & ORDER_MARK_TERMS) != 0);
    return &pool->terms[place];
}

// Behind `before`, which is in the list; 0 = at its head.
static void list_link(struct order_pool *pool, struct order_list *list, uint32_t before,
                      uint32_t place)
{
    uint32_t after = before != 0 ? terms_at(pool, before)->after : list->first;
    terms_at(pool, place)->before = before;
    terms_at(pool, place)->after = after;
    if (before != 0)
        terms_at(pool, before)->after = place;
    else
        list->first = place;
    if (after != 0)
        terms_at(pool, after)->before = place;
    else
        list->last = place;
}

// Nearly always at the end: ids rise.
void engine_list_insert(struct order_pool *pool, struct order_list *list, uint32_t place)
{
    uint64_t id = order_at(pool, place)->id;
    uint32_t before = list->last;
    while (before != 0 && order_at(pool, before)->id > id)
        before = terms_at(pool, before)->before;
    ASSERT(before != place);
    list_link(pool, list, before, place);
}

void engine_list_append(struct order_pool *pool, struct order_list *list, uint32_t place)
{
    ASSERT((list->first == 0) == (list->last == 0));
    list_link(pool, list, list->last, place);
}

// One way back through the list, however many come.
void engine_list_join(struct order_pool *pool, struct order_list *list, struct order_list *more)
{
    engine_list_sort(pool, more);
    uint32_t before = list->last;
    for (uint32_t place = more->last; place != 0;) {
        uint32_t next = terms_at(pool, place)->before;
        while (before != 0 && order_at(pool, before)->id > order_at(pool, place)->id)
            before = terms_at(pool, before)->before;
        list_link(pool, list, before, place);
        place = next;
    }
    *more = (struct order_list){0};
}

void engine_list_remove(struct order_pool *pool, struct order_list *list, uint32_t place)
{
    const struct order_terms *terms = terms_at(pool, place);
    ASSERT(list->first != 0 && list->last != 0);
    if (terms->before != 0)
        terms_at(pool, terms->before)->after = terms->after;
    else
        list->first = terms->after;
    if (terms->after != 0)
        terms_at(pool, terms->after)->before = terms->before;
    else
        list->last = terms->before;
}

// Merges two chains (linked by `after`, ended by 0) by ascending id.
static uint32_t chain_merge(struct order_pool *pool, uint32_t left, uint32_t right)
{
    uint32_t first = 0;
    uint32_t *link = &first;
    while (left != 0 && right != 0) {
        uint32_t *least = order_at(pool, left)->id < order_at(pool, right)->id ? &left : &right;
        *link = *least;
        link = &terms_at(pool, *least)->after;
        *least = *link;
    }
    *link = left != 0 ? left : right;
    return first;
}

// Bottom-up: chains[i] holds a sorted chain of 2^i orders or none.
void engine_list_sort(struct order_pool *pool, struct order_list *list)
{
    uint32_t chains[32] = {0};
    while (list->first != 0) {
        uint32_t chain = list->first;
        list->first = terms_at(pool, chain)->after;
        terms_at(pool, chain)->after = 0;
        uint32_t i = 0;
        for (; chains[i] != 0; i++) {
            ASSERT(i < 31);
            chain = chain_merge(pool, chains[i], chain);
            chains[i] = 0;
        }
        chains[i] = chain;
    }
    for (uint32_t i = 0; i < 32; i++)
        list->first = chain_merge(pool, chains[i], list->first);
    list->last = 0;
    for (uint32_t place = list->first; place != 0; place = terms_at(pool, place)->after) {
        terms_at(pool, place)->before = list->last;
        list->last = place;
    }
}
