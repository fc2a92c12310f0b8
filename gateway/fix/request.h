// Request: one application message of a member, read into numbers. Prices become cash units (1e-6)
// and quantities token units exactly; digits that do not fit are refused, never rounded. What is
// not known here (limits, balances, phases, which terms go together) is the engine's to judge; here
// is refused what could not be put to it, or would mean something else there (a MaxFloor of 0).
//
// Any thread; no allocation; the request keeps no pointer into the message.
#ifndef LONJA_GATEWAY_FIX_REQUEST_H
#define LONJA_GATEWAY_FIX_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/common/view.h"
#include "gateway/fix/orders.h"
#include "gateway/fix/shim.h"
#include "schema/records.h"
#include "schema/rejects.h"

enum request_kind {
    REQUEST_NEW,             // D NewOrderSingle
    REQUEST_CANCEL,          // F OrderCancelRequest
    REQUEST_AMEND,           // G OrderCancelReplaceRequest
    REQUEST_STATUS,          // H OrderStatusRequest
    REQUEST_MASS_CANCEL,     // q OrderMassCancelRequest
    REQUEST_MASS_STATUS,     // AF OrderMassStatusRequest
    REQUEST_SECURITY_STATUS, // e SecurityStatusRequest
    REQUEST_VENUE_STATUS,    // g TradingSessionStatusRequest
};

enum { TIF_NOT_GIVEN = UINT8_MAX };

enum request_given { // which of them the message has: an amend compares what it says
    GIVEN_PRICE = 1,
    GIVEN_STOP_PRICE = 2,
    GIVEN_TRAIL_OFFSET = 4,
    GIVEN_DISPLAY = 8,
    GIVEN_MINIMUM = 16,
    GIVEN_EXPIRE = 32,
    GIVEN_EXEC_INST = 64,
    GIVEN_SELF_MATCH_ID = 128,
    GIVEN_STP = 256,
};

struct request_id {
    uint8_t bytes; // 0 = not given
    char text[CLIENT_ID_BYTES_MAX];
};

struct request {
    uint64_t gateway_seq; // once it is a command
    uint64_t order;       // tag 37, or what the client id was resolved to; 0 = not yet
    int64_t price, quantity;
    uint64_t confirm_ref;
    struct fix_terms terms;
    uint32_t session;
    uint32_t session_seq; // MsgSeqNum
    uint32_t account;     // 0 = not given (a new order then has the session's only one)
    uint32_t instrument;  // 0 = not known
    uint32_t given;       // enum request_given
    uint8_t kind;         // enum request_kind
    uint8_t side;         // 0 = not given
    uint8_t type;         // enum order_type; 0 = not given, or none of ours
    uint8_t tif;
    uint8_t scope;     // enum mass_scope
    char type_sent;    // 40 as sent, for answers; 0 = not given
    char all_or_one;   // 530, 585: '1' of a security, '7' all
    char subscription; // 263
    bool poss_resend;
    uint8_t token_scale;               // of the instrument, for texts
    struct request_id client_id;       // 11
    struct request_id original;        // 41
    struct request_id status_id;       // 790, 584, 324, 335
    char symbol[SYMBOL_BYTES_MAX + 1]; // 55 as sent, cut; for answers
};

// Why a request is refused before it becomes a command.
struct refusal {
    uint16_t code; // REJECT_NONE = not refused
    bool missing;  // a conditionally required field: BusinessMessageReject with tag `argument`
    int64_t limit, value, argument;
};

// Its MsgType.
const char *request_type(uint8_t kind);
// Whether its ClOrdID is its own from now on: that of a status request is its order's.
bool request_takes_id(const struct request *request);

// Reads `message` of `session`. As much as can be read is in *out even if it is refused. Returns
// false if the message type is none of those above.
bool request_read(struct request *out, struct refusal *refusal, const struct fix_message *message,
                  const struct view *view, uint32_t session);

#endif
