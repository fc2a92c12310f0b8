// Request: one application message of a member, read into numbers. Prices become cash units (1e-6)
// and quantities token units exactly; digits that do not fit are refused, never rounded. What is
// not known here (limits, balances, phases) is the engine's to judge.
//
// Any thread; no allocation; the request keeps no pointer into the message.
#ifndef LONJA_GATEWAY_FIX_REQUEST_H
#define LONJA_GATEWAY_FIX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/common/view.h"
#include "gateway/fix/shim.h"
#include "schema/records.h"
#include "schema/rejects.h"

enum request_kind {
    REQUEST_NEW,         // D NewOrderSingle
    REQUEST_CANCEL,      // F OrderCancelRequest
    REQUEST_AMEND,       // G OrderCancelReplaceRequest
    REQUEST_STATUS,      // H OrderStatusRequest
    REQUEST_MASS_CANCEL, // q OrderMassCancelRequest
};

enum { TIF_NOT_GIVEN = UINT8_MAX };

struct request_id {
    uint8_t bytes; // 0 = not given
    char text[CLIENT_ID_BYTES_MAX];
};

struct request {
    uint64_t gateway_seq; // once it is a command
    uint64_t order;       // tag 37, or what the client id was resolved to; 0 = not yet
    int64_t price, quantity;
    uint64_t confirm_ref;
    uint32_t session;
    uint32_t session_seq; // MsgSeqNum
    uint32_t account;     // 0 = not given (a new order then has the session's only one)
    uint32_t instrument;  // 0 = not known
    uint8_t kind;         // enum request_kind
    uint8_t side;         // 0 = not given
    uint8_t type, tif;
    uint8_t flags; // ORDER_CONFIRM_…
    bool poss_resend;
    bool has_price;                    // an amend may leave it out
    uint8_t token_scale;               // of the instrument, for texts
    struct request_id client_id;       // 11
    struct request_id original;        // 41
    struct request_id status_id;       // 790
    char symbol[SYMBOL_BYTES_MAX + 1]; // 55 as sent, cut; for answers
};

// Why a request is refused before it becomes a command.
struct refusal {
    uint16_t code; // REJECT_NONE = not refused
    bool missing;  // a conditionally required field: BusinessMessageReject with tag `argument`
    int64_t limit, value, argument;
};

// Reads `message` of `session`. As much as can be read is in *out even if it is refused. Returns
// false if the message type is not one of the five.
bool request_read(struct request *out, struct refusal *refusal, const struct fix_message *message,
                  const struct view *view, uint32_t session);

#endif
