// Client ids: (session, client order id) -> order, for the trading day. Ids of orders that are done
// stay until the day ends, so that a duplicate is refused and a late cancel finds its order.
// Threads: one.
#ifndef LONJA_GATEWAY_COMMON_CLIENT_IDS_H
#define LONJA_GATEWAY_COMMON_CLIENT_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "schema/records.h"

struct client_id_entry {
    uint64_t order;
    uint32_t session;
    uint32_t next; // 1-based index of the next entry with the same hash; 0 = none
    uint8_t bytes;
    char text[CLIENT_ID_BYTES_MAX];
};

struct client_ids {
    struct map heads; // hash -> 1-based index of the first entry
    struct client_id_entry *entries;
    uint32_t count;
    uint32_t capacity;
};

void client_ids_init(struct client_ids *ids);
void client_ids_fini(struct client_ids *ids);
// A second put of the same id (an amend that keeps it) replaces the order.
void client_ids_put(struct client_ids *ids, uint32_t session, const char *text, size_t bytes,
                    uint64_t order);
uint64_t client_ids_get(const struct client_ids *ids, uint32_t session, const char *text,
                        size_t bytes);
void client_ids_clear(struct client_ids *ids);

#endif
