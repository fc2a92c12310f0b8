#include "tests/sim/scheduler.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"

enum {
    FIBERS_MAX = 48,
    FIBER_STACK_BYTES = 512 * 1024, // record.c gathers 64 KiB of events on it
    CALLBACKS_MAX = 65536,
    EFFECT_NS = 50,
    WAKE_NS_MAX = 60000, // a woken thread runs so much later at most, but for those preempted
};

struct fiber {
    bool used, done;
    unsigned owner;
    uint64_t wake_ns; // runs then
    const void *keys[WAIT_KEYS_MAX];
    unsigned key_count;
    bool woken;
    void *stack_pointer;
    uint8_t *stack;
    fiber_main *main;
    void *context;
};

struct callback {
    uint64_t time_ns, order; // first come, first called
    scheduler_callback *call;
    void *context;
    uint64_t number;
};

struct owner {
    uint64_t effects_left; // to its death; 0 = it lives on
    void (*died)(unsigned owner);
    uint64_t paused_until_ns;
};

static struct {
    uint64_t now_ns, random, switches, orders;
    uint32_t preempt_permille;
    uint64_t slice_ns;
    struct fiber fibers[FIBERS_MAX];
    struct fiber *running;
    void *main_stack_pointer;
    struct callback *callbacks; // a heap
    size_t callback_count;
    struct owner owners[OWNERS_MAX];
} scheduler;

// ---- chance and time

uint64_t scheduler_now_ns(void)
{
    return scheduler.now_ns;
}

uint64_t scheduler_switches(void)
{
    return scheduler.switches;
}

uint64_t scheduler_random(uint64_t below)
{
    ASSERT(below > 0);
    uint64_t x = scheduler.random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    scheduler.random = x;
    return (x >> 11) % below;
}

uint64_t scheduler_between(uint64_t low, uint64_t high)
{
    ASSERT(low <= high);
    return low + scheduler_random(high - low + 1);
}

bool scheduler_chance(uint32_t permille)
{
    return scheduler_random(1000) < permille;
}

void scheduler_set_preemption(uint32_t permille, uint64_t slice_ns)
{
    scheduler.preempt_permille = permille;
    scheduler.slice_ns = slice_ns;
}

void scheduler_begin(uint64_t seed)
{
    scheduler.now_ns = SCHEDULER_BEGIN_NS;
    scheduler.random = seed * 0x9e3779b97f4a7c15ull + 0x2545f4914f6cdd1dull;
    scheduler.callbacks = calloc(CALLBACKS_MAX, sizeof *scheduler.callbacks);
    ASSERT(scheduler.random != 0 && scheduler.callbacks != NULL);
    for (int i = 0; i < 8; i++)
        (void)scheduler_random(2);
}

// ---- callbacks

static bool callback_before(const struct callback *a, const struct callback *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void callback_swap(size_t a, size_t b)
{
    struct callback held = scheduler.callbacks[a];
    scheduler.callbacks[a] = scheduler.callbacks[b];
    scheduler.callbacks[b] = held;
}

void scheduler_at(uint64_t time_ns, scheduler_callback *callback, void *context, uint64_t number)
{
    ASSERT(scheduler.callback_count < CALLBACKS_MAX);
    size_t at = scheduler.callback_count++;
    scheduler.callbacks[at] = (struct callback){.time_ns = time_ns,
                                                .order = scheduler.orders++,
                                                .call = callback,
                                                .context = context,
                                                .number = number};
    for (; at > 0 && callback_before(&scheduler.callbacks[at], &scheduler.callbacks[(at - 1) / 2]);
         at = (at - 1) / 2)
        callback_swap(at, (at - 1) / 2);
}

static struct callback callback_take(void)
{
    struct callback *heap = scheduler.callbacks;
    struct callback first = heap[0];
    heap[0] = heap[--scheduler.callback_count];
    for (size_t at = 0;;) {
        size_t least = at, left = 2 * at + 1;
        for (size_t child = left; child < left + 2 && child < scheduler.callback_count; child++)
            if (callback_before(&heap[child], &heap[least]))
                least = child;
        if (least == at)
            return first;
        callback_swap(at, least);
        at = least;
    }
}

// ---- fibers

// Saves what a call must keep on this stack, and goes on on the other one. (ucontext would ask the
// kernel for its signal mask at every switch, which costs more than what is switched to.)
void scheduler_switch(void **save, void *load);
__asm__(".text\n"
        ".globl scheduler_switch\n"
        ".type scheduler_switch, @function\n"
        "scheduler_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n"
        "    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n"
        "    popq %rbx\n    popq %rbp\n"
        "    ret\n"
        ".size scheduler_switch, .-scheduler_switch\n");

static void fiber_leave(void)
{
    scheduler_switch(&scheduler.running->stack_pointer, scheduler.main_stack_pointer);
}

static void fiber_begin(void)
{
    struct fiber *fiber = scheduler.running;
    fiber->main(fiber->context);
    fiber_end();
}

void fiber_end(void)
{
    scheduler.running->done = true;
    scheduler.running->used = false;
    fiber_leave();
    abort();
}

static struct fiber *fiber_free(void)
{
    for (int i = 0; i < FIBERS_MAX; i++)
        if (!scheduler.fibers[i].used)
            return &scheduler.fibers[i];
    ASSERT(false);
    return NULL;
}

void *fiber_start(unsigned owner, fiber_main *main, void *context, uint64_t delay_ns)
{
    ASSERT(owner < OWNERS_MAX);
    struct fiber *fiber = fiber_free();
    uint8_t *stack = fiber->stack;
    if (stack == NULL)
        stack = mmap(NULL, FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(stack != MAP_FAILED);
    *fiber = (struct fiber){.used = true,
                            .owner = owner,
                            .wake_ns = scheduler.now_ns + delay_ns,
                            .stack = stack,
                            .main = main,
                            .context = context};
    void **top = (void **)(void *)(stack + FIBER_STACK_BYTES - 64);
    *top = (void *)(uintptr_t)
        fiber_begin; // where the first switch returns to: aligned as after a call
    fiber->stack_pointer = top - 6;
    return fiber;
}

bool fiber_is_done(const void *fiber)
{
    return ((const struct fiber *)fiber)->done;
}

unsigned fiber_owner(void)
{
    return scheduler.running == NULL ? OWNER_NOBODY : scheduler.running->owner;
}

void fiber_sleep(uint64_t ns)
{
    struct fiber *fiber = scheduler.running;
    ASSERT(fiber != NULL);
    fiber->wake_ns = scheduler.now_ns + ns;
    fiber_leave();
}

bool fiber_wait(const void *const *keys, unsigned count, uint64_t timeout_ns)
{
    struct fiber *fiber = scheduler.running;
    ASSERT(fiber != NULL && count <= WAIT_KEYS_MAX);
    memcpy(fiber->keys, keys, count * sizeof *keys);
    fiber->key_count = count;
    fiber->woken = false;
    fiber->wake_ns = scheduler.now_ns + timeout_ns;
    fiber_leave();
    fiber->key_count = 0;
    return fiber->woken;
}

void fiber_wake(const void *key)
{
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &scheduler.fibers[i];
        for (unsigned k = 0; fiber->used && k < fiber->key_count; k++) {
            if (fiber->keys[k] != key || fiber->woken)
                continue;
            fiber->woken = true;
            uint64_t at_ns = scheduler.now_ns + 1 + scheduler_random(WAKE_NS_MAX);
            if (at_ns < fiber->wake_ns)
                fiber->wake_ns = at_ns;
        }
    }
}

// ---- owners

void owner_kill(unsigned owner)
{
    for (int i = 0; i < FIBERS_MAX; i++)
        if (scheduler.fibers[i].owner == owner)
            scheduler.fibers[i].used = false;
    scheduler.owners[owner] = (struct owner){0};
    if (scheduler.running != NULL && scheduler.running->owner == owner)
        fiber_leave();
}

void owner_pause(unsigned owner, uint64_t until_ns)
{
    scheduler.owners[owner].paused_until_ns = until_ns;
}

void owner_dies_at(unsigned owner, uint64_t effects, void (*died)(unsigned owner))
{
    scheduler.owners[owner].effects_left = effects;
    scheduler.owners[owner].died = died;
}

void scheduler_effect(void)
{
    struct fiber *fiber = scheduler.running;
    scheduler.now_ns += EFFECT_NS;
    if (fiber == NULL)
        return;
    struct owner *owner = &scheduler.owners[fiber->owner];
    if (owner->effects_left > 0 && --owner->effects_left == 0) {
        owner->died(fiber->owner);
        fiber_leave();
        abort();
    }
    if (scheduler_random(1000) < scheduler.preempt_permille)
        fiber_sleep(1 + scheduler_random(scheduler.slice_ns));
}

// ---- running

static uint64_t fiber_due_ns(const struct fiber *fiber)
{
    uint64_t paused_ns = scheduler.owners[fiber->owner].paused_until_ns;
    return fiber->wake_ns > paused_ns ? fiber->wake_ns : paused_ns;
}

static struct fiber *fiber_next(void)
{
    struct fiber *next = NULL;
    for (int i = 0; i < FIBERS_MAX; i++) {
        struct fiber *fiber = &scheduler.fibers[i];
        if (fiber->used && (next == NULL || fiber_due_ns(fiber) < fiber_due_ns(next)))
            next = fiber;
    }
    return next;
}

static void go_to(uint64_t time_ns)
{
    if (time_ns > scheduler.now_ns)
        scheduler.now_ns = time_ns;
}

static void fiber_run(struct fiber *fiber)
{
    go_to(fiber_due_ns(fiber));
    scheduler.switches++;
    scheduler.running = fiber;
    scheduler_switch(&scheduler.main_stack_pointer, fiber->stack_pointer);
    scheduler.running = NULL;
}

static void callback_run(void)
{
    struct callback callback = callback_take();
    go_to(callback.time_ns);
    callback.call(callback.context, callback.number);
}

void scheduler_run(uint64_t until_ns, bool (*stop)(void))
{
    while (scheduler.now_ns < until_ns && (stop == NULL || !stop())) {
        struct fiber *fiber = fiber_next();
        uint64_t fiber_ns = fiber == NULL ? UINT64_MAX : fiber_due_ns(fiber);
        uint64_t callback_ns =
            scheduler.callback_count == 0 ? UINT64_MAX : scheduler.callbacks[0].time_ns;
        if (fiber_ns >= until_ns && callback_ns >= until_ns)
            go_to(until_ns);
        else if (callback_ns <= fiber_ns)
            callback_run();
        else
            fiber_run(fiber);
    }
}
