#include "gateway/fix/executions.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "schema/records.h"

__extension__ __int128 value_per_token(int64_t notional, int64_t quantity, unsigned digits)
{
    __extension__ __int128 value = notional;
    for (unsigned i = 0; i < digits; i++)
        value *= 10;
    return quantity > 0 ? (value + quantity / 2) / quantity : value;
}

void executions_init(struct executions *executions)
{
    *executions = (struct executions){0};
    map_init(&executions->by_key);
}

void executions_fini(struct executions *executions)
{
    map_fini(&executions->by_key);
    free(executions->entries);
}

struct store_reference execution_reference(uint64_t trade, uint8_t side)
{
    const uint64_t index_mask = (1u << 20) - 1; // trade_id_of
    return (struct store_reference){trade >> 20, (uint32_t)(trade & index_mask), side};
}

static uint64_t key_of(uint64_t trade, uint8_t side)
{
    ASSERT(trade != 0 && (side == SIDE_BUY || side == SIDE_SELL));
    return trade << 1 | (side == SIDE_SELL);
}

struct execution *executions_find(const struct executions *executions, uint64_t trade, uint8_t side)
{
    uint64_t index = 0;
    if (!map_get(&executions->by_key, key_of(trade, side), &index))
        return NULL;
    return &executions->entries[index - 1];
}

static void add(struct executions *executions, const struct execution *execution)
{
    if (executions->count == executions->capacity) {
        executions->capacity = executions->capacity == 0 ? 256 : executions->capacity * 2;
        executions->entries =
            realloc(executions->entries, executions->capacity * sizeof *executions->entries);
        ASSERT(executions->entries != NULL);
    }
    executions->entries[executions->count++] = *execution;
    map_put(&executions->by_key, key_of(execution->trade, execution->side), executions->count);
}

// The last one takes its place.
static void remove_one(struct executions *executions, uint64_t trade, uint8_t side)
{
    struct execution *gone = executions_find(executions, trade, side);
    if (gone == NULL)
        return;
    map_remove(&executions->by_key, key_of(trade, side));
    const struct execution *last = &executions->entries[--executions->count];
    if (last == gone)
        return;
    *gone = *last;
    map_put(&executions->by_key, key_of(gone->trade, gone->side),
            (uint64_t)(gone - executions->entries) + 1);
}

void executions_put(struct executions *executions, const struct execution *execution)
{
    ASSERT(execution->quantity >= 0);
    struct execution *known = executions_find(executions, execution->trade, execution->side);
    if (execution->quantity == 0)
        remove_one(executions, execution->trade, execution->side);
    else if (known != NULL)
        *known = *execution;
    else
        add(executions, execution);
}

void executions_settle(struct executions *executions, struct store *store,
                       const struct execution *execution)
{
    const struct execution settled = {.trade = execution->trade, .side = execution->side};
    if (store != NULL)
        store_append(store,
                     &(struct store_record){.state = &settled, .state_bytes = sizeof settled});
    remove_one(executions, settled.trade, settled.side);
}

bool executions_load_settled(struct executions *executions, const struct store_record *record)
{
    struct execution settled;
    if (record->state_bytes != sizeof settled)
        return false;
    memcpy(&settled, record->state, sizeof settled);
    executions_put(executions, &settled);
    return true;
}
