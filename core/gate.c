#include "core/gate.h"

#include <stdio.h>
#include <string.h>

#include "base/futex.h"
#include "base/memfile.h"

// Those first for whom a client waits: on few CPUs who is woken first runs first.
static const enum process_id WAKE_ORDER[] = {
    PROCESS_FIX,    PROCESS_WEB,    PROCESS_ADMIN, PROCESS_SETTLE, PROCESS_TAPE,
    PROCESS_RECORD, PROCESS_OPS,    PROCESS_SURVEIL, PROCESS_CORE, PROCESS_SIGN,
};
_Static_assert(sizeof WAKE_ORDER / sizeof WAKE_ORDER[0] == PROCESS_COUNT, "every process once");

int gate_open(struct gate *gate, const struct boot *boot, struct event_ring_control *control)
{
    memset(gate, 0, sizeof *gate);
    gate->control = control;
    for (int i = 0; i < PROCESS_COUNT; i++) {
        gate->doorbell_fds[i] = boot->doorbell_fd[i];
        if (boot->reader_page_fd[i] < 0)
            continue;
        int result = reader_page_open(&gate->pages[i], boot->reader_page_fd[i]);
        if (result != 0) {
            gate_close(gate);
            return result;
        }
    }
    return 0;
}

void gate_close(struct gate *gate)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        if (gate->pages[i] != NULL)
            memfile_unmap(gate->pages[i], sizeof *gate->pages[i]);
        gate->pages[i] = NULL;
    }
}

void gate_wake(struct gate *gate)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        enum process_id process = WAKE_ORDER[i];
        if (gate->pages[process] != NULL)
            reader_page_wake(gate->pages[process], gate->doorbell_fds[process]);
    }
    // Full fence: what was published is visible before we look whether the core sleeps.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->core_sleeping, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&gate->core_wake, 1, memory_order_release);
        futex_wake(&gate->core_wake);
    }
}

void gate_publish(struct gate *gate, uint64_t sequence)
{
    ASSERT(sequence >= atomic_load_explicit(&gate->control->durable_seq, memory_order_relaxed));
    // Release: the write and its sync happened before anybody sees the number.
    atomic_store_explicit(&gate->control->durable_seq, sequence, memory_order_release);
    gate_wake(gate);
}

void gate_fail(struct gate *gate, int error)
{
    ASSERT(error > 0);
    atomic_store_explicit(&gate->control->journal_error, (uint32_t)error, memory_order_release);
    atomic_store_explicit(&gate->control->core_state, CORE_FAILED, memory_order_release);
    gate_wake(gate);
}

void gate_wait(struct gate *gate, uint64_t seen_durable, uint64_t timeout_ns)
{
    uint32_t seen = atomic_load_explicit(&gate->core_wake, memory_order_acquire);
    atomic_store_explicit(&gate->core_sleeping, 1, memory_order_relaxed);
    // Full fence: pairs with gate_wake; either it sees us sleep, or we see what it published.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->control->durable_seq, memory_order_acquire) == seen_durable &&
        atomic_load_explicit(&gate->control->journal_error, memory_order_acquire) == 0)
        futex_wait(&gate->core_wake, seen, timeout_ns);
    atomic_store_explicit(&gate->core_sleeping, 0, memory_order_relaxed);
}
