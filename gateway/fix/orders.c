#include "gateway/fix/orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define DAY_NS (24ull * 3600 * 1000000000)

void orders_init(struct orders *orders)
{
    *orders = (struct orders){0};
    map_init(&orders->by_id);
    client_ids_init(&orders->ids);
}

void orders_fini(struct orders *orders)
{
    map_fini(&orders->by_id);
    client_ids_fini(&orders->ids);
    free(orders->entries);
}

bool fix_order_is_open(const struct fix_order *order)
{
    return order->leaves > 0 && order->ended == 0;
}

int64_t fix_order_filled(const struct fix_order *order)
{
    return order->quantity - order->leaves;
}

bool fix_order_correct(struct fix_order *order, int64_t quantity, int64_t notional)
{
    int64_t value = 0;
    if (quantity > 0 || fix_order_filled(order) + quantity < 0 ||
        __builtin_add_overflow(order->filled_notional, notional, &value) || value < 0)
        return false;
    order->filled_notional = value;
    if (fix_order_is_open(order)) {
        order->quantity += quantity;
        return true;
    }
    order->leaves -= quantity;
    if (order->leaves > 0 && order->ended == 0)
        order->ended = '4';
    return true;
}

static size_t entry_allot(struct orders *orders, uint64_t order)
{
    if (orders->count == orders->capacity) {
        orders->capacity = orders->capacity == 0 ? 1024 : orders->capacity * 2;
        orders->entries = realloc(orders->entries, orders->capacity * sizeof *orders->entries);
        ASSERT(orders->entries != NULL);
    }
    map_put(&orders->by_id, order, ++orders->count);
    return orders->count;
}

struct fix_order *orders_put(struct orders *orders, const struct fix_order *order)
{
    ASSERT(order->order != 0 && order->client_id_bytes <= CLIENT_ID_BYTES_MAX);
    uint64_t index = 0;
    if (!map_get(&orders->by_id, order->order, &index))
        index = entry_allot(orders, order->order);
    struct fix_order *entry = &orders->entries[index - 1];
    *entry = *order;
    uint64_t meant =
        orders_meaning(orders, order->session, order->client_id, order->client_id_bytes);
    if ((meant & ORDERS_IN_FLIGHT) != 0 || meant < order->order)
        orders_mean(orders, order->session, order->client_id, order->client_id_bytes, order->order);
    return entry;
}

struct fix_order *orders_find(struct orders *orders, uint64_t order)
{
    uint64_t index = 0;
    if (order == 0 || !map_get(&orders->by_id, order, &index))
        return NULL;
    return &orders->entries[index - 1];
}

uint64_t orders_meaning(const struct orders *orders, uint32_t session, const char *id, size_t bytes)
{
    if (bytes == 0 || bytes > CLIENT_ID_BYTES_MAX)
        return 0;
    return client_ids_get(&orders->ids, session, id, bytes);
}

void orders_mean(struct orders *orders, uint32_t session, const char *id, size_t bytes,
                 uint64_t meaning)
{
    if (bytes > 0)
        client_ids_put(&orders->ids, session, id, bytes, meaning);
}

static bool is_of_the_day(const struct orders *orders, const struct fix_order *order)
{
    return fix_order_is_open(order) || order->entered_ns / DAY_NS >= orders->day;
}

static void ids_of_former_days_forget(struct orders *orders)
{
    struct client_ids old = orders->ids;
    client_ids_init(&orders->ids);
    for (uint32_t i = 0; i < old.count; i++) {
        const struct client_id_entry *entry = &old.entries[i];
        const struct fix_order *order = orders_find(orders, entry->order);
        if ((order != NULL && is_of_the_day(orders, order)) ||
            (entry->order & ORDERS_IN_FLIGHT) != 0)
            orders_mean(orders, entry->session, entry->text, entry->bytes, entry->order);
    }
    client_ids_fini(&old);
}

// Those that an execution needs.
static void orders_needed(struct map *needed, const struct executions *executions)
{
    map_init(needed);
    for (size_t i = 0; i < executions->count; i++)
        map_put(needed, executions->entries[i].order, 1);
}

void orders_begin_day(struct orders *orders, const struct executions *executions, uint64_t time_ns)
{
    uint64_t day = time_ns / DAY_NS, yes;
    if (day <= orders->day)
        return;
    orders->day = day;
    struct map needed;
    orders_needed(&needed, executions);
    size_t kept = 0;
    for (size_t i = 0; i < orders->count; i++)
        if (is_of_the_day(orders, &orders->entries[i]) ||
            map_get(&needed, orders->entries[i].order, &yes))
            orders->entries[kept++] = orders->entries[i];
    orders->count = kept;
    map_fini(&needed);
    map_clear(&orders->by_id);
    for (size_t i = 0; i < kept; i++)
        map_put(&orders->by_id, orders->entries[i].order, i + 1);
    ids_of_former_days_forget(orders);
}
