// The adapter as the public harness uses it: messages in, reports out of the ring, the book asked.
// The harness itself, with its cases and hashes, is not in a bare clone (perf/harness).
#include <pthread.h>
#include <sched.h>

#include "base/testing.h"
#include "perf/harness_abi.h"
#include "perf/report_ring.h"

enum { REPORTS_MAX = 64, CAPACITY = 64 };

static void *ring;
static uint64_t sequence;

static int open_engine(void **state)
{
    (void)state;
    const struct harness_transport *transport = engine_get_transport();
    ring = transport->create(CAPACITY);
    engine_init(1, transport, ring);
    sequence = 0;
    return ring == NULL;
}

static int close_engine(void **state)
{
    (void)state;
    engine_shutdown();
    engine_get_transport()->destroy(ring);
    return 0;
}

static void send_new(uint64_t order, uint8_t side, uint32_t quantity, int64_t price, uint8_t ioc)
{
    struct harness_new message = {.order = order,
                                  .sequence = ++sequence,
                                  .price = price,
                                  .quantity = quantity,
                                  .side = side,
                                  .ioc = ioc};
    engine_on_new_order(&message);
}

static void send_cancel(uint64_t order)
{
    struct harness_cancel message = {.order = order, .sequence = ++sequence};
    engine_on_cancel(&message);
}

static void send_modify(uint64_t order, uint8_t side, uint32_t quantity, int64_t price)
{
    struct harness_modify message = {
        .order = order, .sequence = ++sequence, .price = price, .quantity = quantity, .side = side};
    engine_on_modify(&message);
}

// Drains the ring and expects exactly these reports, one letter each: A new order acknowledged,
// T trade, C cancelled, M modified, c cancel refused, m modify refused.
static void expect(const char *types, struct harness_report *last)
{
    static const char letters[] = "ATCMcm";
    struct harness_report reports[REPORTS_MAX];
    char got[REPORTS_MAX + 1];
    engine_flush();
    uint32_t count = engine_get_transport()->drain(ring, reports, REPORTS_MAX);
    for (uint32_t i = 0; i < count; i++)
        got[i] = letters[reports[i].type];
    got[count] = 0;
    assert_string_equal(got, types);
    if (last != NULL)
        *last = reports[count - 1];
}

static void a_trade_is_at_the_makers_price_and_names_both(void **state)
{
    (void)state;
    struct harness_report trade;
    send_new(1, HARNESS_SELL, 10, -5, 0);
    expect("A", NULL);
    send_new(2, HARNESS_BUY, 4, 7, 0);
    expect("AT", &trade);
    assert_int_equal(trade.price, -5);
    assert_int_equal(trade.quantity, 4);
    assert_int_equal(trade.sequence, 2);
    assert_int_equal(trade.maker, 1);
    assert_int_equal(trade.taker, 2);
    assert_int_equal(engine_query_depth_at(-5, HARNESS_SELL), 6);
    assert_int_equal(engine_query_best_bid(), INT64_MIN);
    assert_int_equal(engine_query_best_ask(), -5);
}

static void what_an_immediate_order_leaves_is_cancelled(void **state)
{
    (void)state;
    struct harness_report left;
    send_new(1, HARNESS_BUY, 5, 100, 0);
    send_new(2, HARNESS_BUY, 5, 101, 0);
    send_new(3, HARNESS_SELL, 12, 101, 1);
    expect("AAATC", &left);
    assert_int_equal(left.order, 3);
    assert_int_equal(left.side, HARNESS_SELL);
    assert_int_equal(left.price, 101);
    assert_int_equal(engine_query_best_ask(), INT64_MAX);
    assert_int_equal(engine_query_best_bid(), 100);
}

static void a_modify_leaves_its_place_and_may_cross(void **state)
{
    (void)state;
    struct harness_report trade;
    send_new(1, HARNESS_BUY, 5, 100, 0);
    send_new(2, HARNESS_BUY, 5, 100, 0);
    send_modify(1, HARNESS_BUY, 6, 100);
    send_new(3, HARNESS_SELL, 5, 100, 0);
    expect("AAMAT", &trade);
    assert_int_equal(trade.maker, 2);
    send_new(4, HARNESS_SELL, 5, 200, 0);
    send_modify(4, HARNESS_SELL, 6, 99);
    expect("ATM", NULL);
    assert_int_equal(engine_query_best_bid(), INT64_MIN);
    assert_int_equal(engine_query_best_ask(), INT64_MAX);
    send_cancel(1);
    expect("c", NULL);
}

static void orders_that_do_not_rest_are_refused_and_their_ids_are_free(void **state)
{
    (void)state;
    send_cancel(9);
    send_modify(9, HARNESS_BUY, 1, 1);
    send_new(9, HARNESS_BUY, 1, 1, 0);
    send_cancel(9);
    send_cancel(9);
    send_modify(9, HARNESS_BUY, 1, 1);
    send_new(9, HARNESS_SELL, 1, 3, 0);
    expect("cmACcmA", NULL);
    assert_int_equal(engine_query_best_ask(), 3);
    assert_int_equal(engine_query_best_bid(), INT64_MIN);
}

static void a_run_of_messages_is_the_same_as_one_by_one(void **state)
{
    (void)state;
    const struct harness_message messages[] = {
        {.type = HARNESS_NEW,
         .body.new_order = {.order = 1, .price = 5, .quantity = 3, .side = HARNESS_SELL}},
        {.type = HARNESS_MODIFY, .body.modify = {.order = 1, .price = 4, .quantity = 3}},
        {.type = HARNESS_NEW,
         .body.new_order = {.order = 2, .price = 4, .quantity = 1, .side = HARNESS_BUY}},
        {.type = HARNESS_CANCEL, .body.cancel = {.order = 1}},
        {.type = HARNESS_CANCEL, .body.cancel = {.order = 2}},
    };
    engine_on_batch(messages, 5);
    expect("AMATCc", NULL);
}

// ---- the ring

enum { STREAM = 10000 };

static void *write_stream(void *handle)
{
    const struct harness_transport *transport = engine_get_transport();
    for (uint64_t i = 0; i < STREAM; i++) {
        struct harness_report report = {.sequence = i, .maker = ~i};
        (void)transport->push(handle, &report);
    }
    transport->flush(handle);
    return NULL;
}

static void a_ring_much_smaller_than_its_stream_loses_nothing(void **state)
{
    (void)state;
    struct harness_report reports[REPORTS_MAX];
    pthread_t writer;
    uint64_t seen = 0;
    assert_int_equal(pthread_create(&writer, NULL, write_stream, ring), 0);
    while (seen < STREAM) {
        uint32_t count = engine_get_transport()->drain(ring, reports, 1 + seen % REPORTS_MAX);
        if (count == 0)
            sched_yield();
        for (uint32_t i = 0; i < count; i++, seen++) {
            assert_int_equal(reports[i].sequence, seen);
            assert_int_equal(reports[i].maker, ~seen);
        }
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(engine_get_transport()->drain(ring, reports, 1), 0);
}

#define ON_ENGINE(test) cmocka_unit_test_setup_teardown(test, open_engine, close_engine)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_ENGINE(a_trade_is_at_the_makers_price_and_names_both),
        ON_ENGINE(what_an_immediate_order_leaves_is_cancelled),
        ON_ENGINE(a_modify_leaves_its_place_and_may_cross),
        ON_ENGINE(orders_that_do_not_rest_are_refused_and_their_ids_are_free),
        ON_ENGINE(a_run_of_messages_is_the_same_as_one_by_one),
        ON_ENGINE(a_ring_much_smaller_than_its_stream_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
