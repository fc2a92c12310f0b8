// The C interface of the public matching-engine harness (flash1-dev/matching-engine-benchmark, its
// api/matching_engine_api.h), in our words: what it hands an engine, what it wants back, and the
// names that it looks up in a shared library. Layouts and names are its, and fixed.
//
// Prices are signed ticks. Every report carries the sequence of the message that caused it. The
// harness calls everything on one thread (the matcher's), except `drain`, which belongs to its
// drainer thread.
#ifndef LONJA_PERF_HARNESS_ABI_H
#define LONJA_PERF_HARNESS_ABI_H

#include <stddef.h>
#include <stdint.h>

enum harness_side { HARNESS_BUY = 0, HARNESS_SELL = 1 };

struct harness_new {
    uint64_t order;
    uint64_t sequence;
    int64_t price;
    uint32_t quantity;
    uint8_t side; // enum harness_side
    uint8_t ioc;
    uint8_t reserved[2];
};
_Static_assert(sizeof(struct harness_new) == 32, "fixed by the harness");

struct harness_cancel {
    uint64_t order;
    uint64_t sequence;
};
_Static_assert(sizeof(struct harness_cancel) == 16, "fixed by the harness");

struct harness_modify {
    uint64_t order;
    uint64_t sequence;
    int64_t price;
    uint32_t quantity;
    uint8_t side;
    uint8_t reserved[3];
};
_Static_assert(sizeof(struct harness_modify) == 32, "fixed by the harness");

enum harness_message_type { HARNESS_NEW = 0, HARNESS_CANCEL = 1, HARNESS_MODIFY = 2 };

struct harness_message {
    uint8_t type; // enum harness_message_type
    uint8_t reserved[7];
    union {
        struct harness_new new_order;
        struct harness_cancel cancel;
        struct harness_modify modify;
    } body;
};
_Static_assert(sizeof(struct harness_message) == 40, "fixed by the harness");
_Static_assert(offsetof(struct harness_message, body) == 8, "fixed by the harness");

enum harness_report_type {
    HARNESS_ORDER_ACK = 0,
    HARNESS_TRADE = 1,
    HARNESS_CANCEL_ACK = 2, // of a cancel, and of what an immediate-or-cancel order left
    HARNESS_MODIFY_ACK = 3,
    HARNESS_CANCEL_REJECT = 4, // no such order is resting
    HARNESS_MODIFY_REJECT = 5,
};

struct harness_report {
    uint8_t type; // enum harness_report_type
    uint8_t side;
    uint8_t reserved[6];
    uint64_t sequence;
    uint64_t order;
    int64_t price; // of a trade: the maker's
    uint32_t quantity;
    uint32_t reserved2;
    uint64_t maker; // of a trade only
    uint64_t taker;
    uint64_t reserved3;
};
_Static_assert(sizeof(struct harness_report) == 64, "fixed by the harness");
_Static_assert(offsetof(struct harness_report, maker) == 40, "fixed by the harness");

// How reports travel from the matcher's thread to the drainer's.
struct harness_transport {
    void *(*create)(uint32_t capacity);                        // reports; NULL = it could not
    int (*push)(void *ring, const struct harness_report *one); // 1 = taken, 0 = full
    uint32_t (*drain)(void *ring, struct harness_report *out, uint32_t max);
    void (*flush)(void *ring); // whatever was pushed can be drained from now on
    void (*destroy)(void *ring);
};

// What an engine exports. engine_get_transport and engine_on_batch are optional; we have both.
void engine_init(uint64_t nonce, const struct harness_transport *transport, void *ring);
void engine_shutdown(void);
void engine_on_new_order(const struct harness_new *message);
void engine_on_cancel(const struct harness_cancel *message);
void engine_on_modify(const struct harness_modify *message);
void engine_on_batch(const struct harness_message *messages, uint32_t count);
void engine_flush(void);
int64_t engine_query_best_bid(void); // INT64_MIN = none
int64_t engine_query_best_ask(void); // INT64_MAX = none
uint64_t engine_query_depth_at(int64_t price, uint8_t side);
const struct harness_transport *engine_get_transport(void);

#endif
