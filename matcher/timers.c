// A heap's path from an entry to the root, or to a leaf, is all that a change touches: the entry is
// lifted out, the others on the path move by one, and it is put down where it belongs.
#include "matcher/timers.h"

static uint32_t *timer_place(const struct timers *timers, uint32_t item)
{
    ASSERT(item != 0);
    return (uint32_t *)(void *)(timers->places + (size_t)item * timers->stride);
}

static bool timer_before(const struct timer *left, const struct timer *right)
{
    if (left->time_ns != right->time_ns)
        return left->time_ns < right->time_ns;
    ASSERT(left->id != right->id);
    return left->id < right->id;
}

static void timer_put(struct timers *timers, uint32_t at, const struct timer *timer)
{
    ASSERT(at != 0 && at <= timers->count);
    timers->heap[at] = *timer;
    *timer_place(timers, timer->item) = at;
}

// Puts the timer down at `at` or nearer to the root.
static void timer_rise(struct timers *timers, uint32_t at, const struct timer *timer)
{
    while (at > 1 && timer_before(timer, &timers->heap[at / 2])) {
        timer_put(timers, at, &timers->heap[at / 2]);
        at /= 2;
    }
    timer_put(timers, at, timer);
}

// Puts the timer down at `at` or nearer to the leaves.
static void timer_sink(struct timers *timers, uint32_t at, const struct timer *timer)
{
    for (uint32_t child = at * 2; child <= timers->count; child = at * 2) {
        if (child < timers->count && timer_before(&timers->heap[child + 1], &timers->heap[child]))
            child++;
        if (!timer_before(&timers->heap[child], timer))
            break;
        timer_put(timers, at, &timers->heap[child]);
        at = child;
    }
    timer_put(timers, at, timer);
}

static void timer_settle(struct timers *timers, uint32_t at, const struct timer *timer)
{
    if (at > 1 && timer_before(timer, &timers->heap[at / 2]))
        timer_rise(timers, at, timer);
    else
        timer_sink(timers, at, timer);
}

bool timers_has(const struct timers *timers, uint32_t item)
{
    return *timer_place(timers, item) != 0;
}

void timers_set(struct timers *timers, uint32_t item, uint64_t time_ns, uint64_t id)
{
    const struct timer timer = {.time_ns = time_ns, .id = id, .item = item};
    uint32_t at = *timer_place(timers, item);
    ASSERT(at <= timers->count);
    if (at == 0) {
        ASSERT(timers->count < timers->timers_max);
        at = ++timers->count;
        timer_rise(timers, at, &timer);
        return;
    }
    ASSERT(timers->heap[at].item == item);
    timer_settle(timers, at, &timer);
}

void timers_remove(struct timers *timers, uint32_t item)
{
    uint32_t at = *timer_place(timers, item);
    if (at == 0)
        return;
    ASSERT(at <= timers->count && timers->heap[at].item == item);
    *timer_place(timers, item) = 0;
    const struct timer last = timers->heap[timers->count--];
    if (last.item != item)
        timer_settle(timers, at, &last);
}

void timers_check(const struct timers *timers)
{
    ASSERT(timers->count <= timers->timers_max);
    for (uint32_t at = 1; at <= timers->count; at++) {
        ASSERT(*timer_place(timers, timers->heap[at].item) == at);
        ASSERT(at == 1 || timer_before(&timers->heap[at / 2], &timers->heap[at]));
    }
}
