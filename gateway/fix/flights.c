#include "gateway/fix/flights.h"

#include <stdlib.h>

void flights_init(struct flights *flights)
{
    *flights = (struct flights){0};
    map_init(&flights->by_seq);
}

void flights_fini(struct flights *flights)
{
    map_fini(&flights->by_seq);
    free(flights->entries);
    free(flights->free);
}

static size_t index_allot(struct flights *flights)
{
    if (flights->free_count > 0)
        return flights->free[--flights->free_count];
    if (flights->count == flights->capacity) {
        flights->capacity = flights->capacity == 0 ? 256 : flights->capacity * 2;
        flights->entries = realloc(flights->entries, flights->capacity * sizeof *flights->entries);
        ASSERT(flights->entries != NULL);
    }
    return ++flights->count;
}

void flights_add(struct flights *flights, const struct request *request)
{
    ASSERT(request->gateway_seq != 0);
    size_t index = index_allot(flights);
    flights->entries[index - 1] = *request;
    map_put(&flights->by_seq, request->gateway_seq, index);
}

struct request *flights_find(struct flights *flights, uint64_t gateway_seq)
{
    uint64_t index = 0;
    if (gateway_seq == 0 || !map_get(&flights->by_seq, gateway_seq, &index))
        return NULL;
    return &flights->entries[index - 1];
}

void flights_remove(struct flights *flights, uint64_t gateway_seq)
{
    uint64_t index = 0;
    if (!map_get(&flights->by_seq, gateway_seq, &index))
        return;
    map_remove(&flights->by_seq, gateway_seq);
    flights->entries[index - 1].gateway_seq = 0;
    if (flights->free_count == flights->free_capacity) {
        flights->free_capacity = flights->free_capacity == 0 ? 256 : flights->free_capacity * 2;
        flights->free = realloc(flights->free, flights->free_capacity * sizeof *flights->free);
        ASSERT(flights->free != NULL);
    }
    flights->free[flights->free_count++] = (uint32_t)index;
}

struct request *flights_next(struct flights *flights, uint64_t above)
{
    struct request *next = NULL;
    for (size_t i = 0; i < flights->count; i++) {
        struct request *entry = &flights->entries[i];
        if (entry->gateway_seq > above && (next == NULL || entry->gateway_seq < next->gateway_seq))
            next = entry;
    }
    return next;
}
