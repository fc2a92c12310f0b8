// Orders: what the gateway must know of its members' orders to report on them: state after the last
// durable event, and which order a client order id means. Unlike the view it keeps orders that are
// done until the day ends (status requests, duplicate ids), and it is rebuilt from the session
// stores (each kept report carries the order's state), so that it stands exactly where the reports
// stand, not where the snapshot does. An order outlives its day while a trade of it may be
// corrected.
//
// A client id maps to an order, or to a command in flight (ORDERS_IN_FLIGHT | gateway_seq).
// Threads: I/O thread. Pointers are good until the next orders_put.
#ifndef LONJA_GATEWAY_FIX_ORDERS_H
#define LONJA_GATEWAY_FIX_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "gateway/common/client_ids.h"
#include "gateway/fix/executions.h"
#include "schema/records.h"

#define ORDERS_IN_FLIGHT (1ull << 63)

struct fix_terms { // of an order, beyond price and quantity; 0 = it has none
    int64_t stop_price;
    int64_t trail_offset;
    int64_t display_quantity;
    int64_t minimum_quantity;
    uint64_t expire_ns;
    uint32_t self_match_id;
    uint8_t flags; // enum order_flag
    uint8_t stp;   // enum stp_mode
    uint8_t reserved[2];
};

struct fix_order { // kept in the stores as it is: no padding
    uint64_t order;
    uint64_t entered_ns;
    int64_t price;
    int64_t quantity, leaves; // what is filled is their difference; what a correction has taken off
                              // an open order counts in neither, though to the engine it is filled
    int64_t filled_notional;  // cash units, exact: for AvgPx
    struct fix_terms terms;   // a stop keeps its stop price when it has been triggered
    uint32_t session, account, instrument;
    uint8_t side, type, tif;
    uint8_t state; // enum order_state
    char ended;    // OrdStatus of the end that is no fill: '4' cancelled, 'C' expired; 0 = none
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    uint8_t reserved[2];
};
static_assert(sizeof(struct fix_order) == 152, "order in the store");

struct fix_order_execution { // in the stores, of a report of an execution: the order as well
    struct fix_order order;
    struct execution execution;
};

struct orders {
    struct map by_id; // -> 1-based index
    struct fix_order *entries;
    size_t count, capacity;
    struct client_ids ids;
    uint64_t day;
};

void orders_init(struct orders *orders);
void orders_fini(struct orders *orders);

// Inserts the order, or replaces its state; its client id now means it, unless a newer order has
// it.
struct fix_order *orders_put(struct orders *orders, const struct fix_order *order);
struct fix_order *orders_find(struct orders *orders, uint64_t order);
bool fix_order_is_open(const struct fix_order *order);
int64_t fix_order_filled(const struct fix_order *order);
// Takes a correction of a trade into the order: changes of quantity (not above 0) and notional.
// What is taken off does not come back to the book: an open order becomes smaller, one that was
// filled is cancelled in that part. Returns false if the order has not that much; it is as it was
// then.
bool fix_order_correct(struct fix_order *order, int64_t quantity, int64_t notional);

// What a client id means: 0 = nothing, an order id, or ORDERS_IN_FLIGHT | gateway_seq.
uint64_t orders_meaning(const struct orders *orders, uint32_t session, const char *id,
                        size_t bytes);
// 0 frees the id (its command was refused).
void orders_mean(struct orders *orders, uint32_t session, const char *id, size_t bytes,
                 uint64_t meaning);

// At the first event of a new UTC day, and once after the stores were read: forgets done orders of
// former days, but not those with an execution that may be corrected, and all ids that mean neither
// an order that is open or of today nor a command in flight.
void orders_begin_day(struct orders *orders, const struct executions *executions, uint64_t time_ns);

#endif
