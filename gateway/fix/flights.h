// Flights: requests that have become commands and have no answer yet, by gateway_seq.
// Threads: I/O thread. Pointers are good until the next flights_add.
#ifndef LONJA_GATEWAY_FIX_FLIGHTS_H
#define LONJA_GATEWAY_FIX_FLIGHTS_H

#include "base/map.h"
#include "gateway/fix/request.h"

struct flights {
    struct map by_seq; // gateway_seq -> 1-based index
    struct request *entries;
    size_t count, capacity; // entries ever used; a free one has gateway_seq 0
    uint32_t *free;         // 1-based indices
    size_t free_count, free_capacity;
};

void flights_init(struct flights *flights);
void flights_fini(struct flights *flights);
void flights_add(struct flights *flights, const struct request *request); // its gateway_seq is set
struct request *flights_find(struct flights *flights, uint64_t gateway_seq);
void flights_remove(struct flights *flights, uint64_t gateway_seq);
// The one with the smallest gateway_seq that is larger than `above`; NULL = none.
struct request *flights_next(struct flights *flights, uint64_t above);

#endif
