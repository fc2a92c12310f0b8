// An engine that does nothing but answer: one report per message, and no book. What the harness
// itself and the way of the reports cost, and so what no engine can beat; its answers are wrong,
// and the harness says so. Reports go by the same ring as engine_adapter.c's, or, with
// LONJA_HARNESS_QUEUE in the environment, by the queue that the harness gives an engine without a
// ring of its own.
#include <stdlib.h>

#include "perf/harness_abi.h"
#include "perf/report_ring.h"

static struct report_ring *ring; // NULL: the harness's queue
static const struct harness_transport *its_transport;
static void *its_queue;

static inline void answer(uint8_t type, uint64_t sequence, uint64_t order)
{
    struct harness_report report = {.type = type, .sequence = sequence, .order = order};
    if (ring != NULL) {
        *report_ring_next(ring) = report;
        report_ring_push(ring);
        return;
    }
    while (its_transport->push(its_queue, &report) == 0)
        __builtin_ia32_pause(); // full
}

void engine_init(uint64_t nonce, const struct harness_transport *transport, void *queue)
{
    (void)nonce;
    ring = transport == &report_ring_transport ? queue : NULL;
    its_transport = transport;
    its_queue = queue;
}

void engine_shutdown(void)
{
}

void engine_on_new_order(const struct harness_new *message)
{
    answer(HARNESS_ORDER_ACK, message->sequence, message->order);
}

void engine_on_cancel(const struct harness_cancel *message)
{
    answer(HARNESS_CANCEL_ACK, message->sequence, message->order);
}

void engine_on_modify(const struct harness_modify *message)
{
    answer(HARNESS_MODIFY_ACK, message->sequence, message->order);
}

void engine_on_batch(const struct harness_message *messages, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct harness_message *message = &messages[i];
        if (message->type == HARNESS_NEW)
            engine_on_new_order(&message->body.new_order);
        else if (message->type == HARNESS_CANCEL)
            engine_on_cancel(&message->body.cancel);
        else
            engine_on_modify(&message->body.modify);
    }
}

void engine_flush(void)
{
    if (ring != NULL)
        report_ring_flush(ring);
}

int64_t engine_query_best_bid(void)
{
    return INT64_MIN;
}

int64_t engine_query_best_ask(void)
{
    return INT64_MAX;
}

uint64_t engine_query_depth_at(int64_t price, uint8_t side)
{
    (void)price;
    (void)side;
    return 0;
}

const struct harness_transport *engine_get_transport(void)
{
    return getenv("LONJA_HARNESS_QUEUE") == NULL ? &report_ring_transport : NULL;
}
