// Teller: events of the venue into private updates: what happens to the orders and fills of
// accounts, corrections and busts of fills among it, and to
// settlement instructions that they are parties of. The same code tells them live (private.c) and again from the tape (replay.c), so that
// they are the same bytes.
//
// The view must stand behind each event that is given. What an order has beyond price and quantity
// comes as the event behind its acceptance or amend: that update is held until then, so that it is
// told once and whole.
//
// One thread per teller.
#ifndef LONJA_GATEWAY_WEB_TELLER_H
#define LONJA_GATEWAY_WEB_TELLER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/common/view.h"
#include "gateway/web/json_out.h"

// Where in an account's stream an update stands: by sequence, then by index. Every update has a
// place of its own, the same for all whom it is told to.
struct teller_place {
    uint64_t sequence;
    uint32_t index;
};

// An order's update that waits for the event behind its own.
struct teller_held {
    uint8_t event; // EVT_order_accepted or EVT_order_amended; 0 = none is held
    bool priority_kept;
    struct view_order order;
    int64_t minimum_quantity;
    struct teller_place place;
    uint64_t answered;
};

struct teller {
    const struct view *view;
    struct json_out *out; // the update being made
    struct teller_held held;
    struct event created; // an instruction, until its legs have told its parties; type 0 = none
    // Whether anybody is to hear of an account.
    bool (*wanted)(void *context, uint32_t account);
    // The update is in `out`. `answered` is the connection that has got the same as its answer, 0 =
    // none.
    void (*tell)(void *context, uint32_t account, struct teller_place place, uint64_t answered);
    void *context;
};

void teller_on_event(struct teller *teller, const struct event *event, uint64_t answered);

// Whether `a` stands behind `b`.
static inline bool teller_is_behind(struct teller_place a, struct teller_place b)
{
    return a.sequence != b.sequence ? a.sequence > b.sequence : a.index > b.index;
}

#endif
