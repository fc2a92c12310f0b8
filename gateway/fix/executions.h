// Executions: one side of a trade each, as long as the trade may still be corrected or busted:
// until it has settled (docs/risk.md 9). A correction says what changes, of a trade that it names
// by its number; this says whose order traded it, and what it is so far.
//
// They are kept in the session stores beside the state of their order (with each report of one), so
// a process that starts knows them again. Memory grows with what has not settled.
//
// Threads: I/O thread. Pointers are good until the next put or remove.
#ifndef LONJA_GATEWAY_FIX_EXECUTIONS_H
#define LONJA_GATEWAY_FIX_EXECUTIONS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "gateway/fix/store.h"

struct execution { // kept in the stores as it is: no padding
    uint64_t trade;
    uint64_t order;
    int64_t quantity; // token units, as last corrected; 0 in a store: busted, or settled
    int64_t notional; // cash units
    int64_t fee;      // cash units, of this side
    uint8_t side;     // enum side
    uint8_t reserved[7];
};
static_assert(sizeof(struct execution) == 48, "execution in the store");

struct executions {
    struct map by_key; // trade and side -> 1-based index
    struct execution *entries;
    size_t count, capacity;
};

// What a value is per whole token, half up: notional × 10^digits / quantity, where `digits` are the
// token's decimals and those wanted beyond a cash unit's. With quantity 0 the value itself.
__extension__ __int128 value_per_token(int64_t notional, int64_t quantity, unsigned digits);

void executions_init(struct executions *executions);
void executions_fini(struct executions *executions);
// The event that has told an execution: its ExecID.
struct store_reference execution_reference(uint64_t trade, uint8_t side);
// Inserts it or replaces it; one with quantity 0 is removed.
void executions_put(struct executions *executions, const struct execution *execution);
// NULL: there is none.
struct execution *executions_find(const struct executions *executions, uint64_t trade,
                                  uint8_t side);
// Nothing can be corrected any more: out of memory, and of the store (NULL: there is none) at the
// next start.
void executions_settle(struct executions *executions, struct store *store,
                       const struct execution *execution);
// A record of a store that executions_settle has written; false: it is none of ours.
bool executions_load_settled(struct executions *executions, const struct store_record *record);

#endif
