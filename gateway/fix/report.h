// Report: builds the messages to members: ExecutionReport (8), OrderCancelReject (9),
// OrderMassCancelReport (r), SecurityStatus (f), TradingSessionStatus (h), BusinessMessageReject
// (j). Pure: state and numbers in, fields out.
//
// Any thread; no allocation. The fields point into the report itself: do not copy it.
#ifndef LONJA_GATEWAY_FIX_REPORT_H
#define LONJA_GATEWAY_FIX_REPORT_H

#include "gateway/common/view.h"
#include "gateway/fix/orders.h"
#include "gateway/fix/request.h"
#include "gateway/fix/shim.h"
#include "gateway/fix/store.h"

enum { REPORT_FIELDS_MAX = 56, REPORT_TEXT_BYTES_MAX = 2048 };

struct report {
    struct fix_field fields[REPORT_FIELDS_MAX];
    size_t field_count;
    struct fix_field fee_fields[3];
    struct fix_group fee;
    bool has_fee;
    char text[REPORT_TEXT_BYTES_MAX];
    size_t text_bytes;
};

// What happened to an order, beyond its state.
struct happening {
    char exec_type;                   // 150
    struct store_reference reference; // gives the ExecID; 0 = of a status report
    uint64_t sequence;                // 5005; 0 = none
    uint64_t time_ns;
    int64_t last_price, last_quantity;  // 150=F, G, H
    int64_t fee;                        // cash units; 0 = none
    char liquidity;                     // 851: '1' added, '2' removed, '4' auction
    struct store_reference corrected;   // 19 of 150=G, H: the execution as it was first told
    char priority;                      // 638 of 150=5: '0' kept, '1' lost; 0 = not a replace
    const char *text;                   // 58; NULL = none
    const struct request_id *client_id; // 11, if it is not the order's
    const struct request_id *original;  // 41
    const struct request_id *status_id; // 790, or 584 of a mass status
    uint32_t total;                     // 911 of a mass status; 0 = not one
    bool last;                          // 912
};

// "sequence-index" or "sequence-index-side".
void report_exec_id(char out[48], const struct store_reference *reference);

void report_order(struct report *report, const struct fix_order *order,
                  const struct happening *what, const struct view *view);
// A new order that was refused, or a status request for an order that is not known (exec_type 'I').
struct rejection {
    uint16_t code;
    int64_t limit, value, argument;
    uint64_t sequence; // of the event, for ConfirmRef; 0 = refused by the gateway
};
void report_refused(struct report *report, const struct request *request, char exec_type,
                    const struct rejection *why, const char *exec_id, uint64_t time_ns);
// A mass status request when no order is open.
void report_no_orders(struct report *report, const struct request *request, uint64_t time_ns);
// Cancel or amend; `order` may be NULL (not known).
void report_cancel_refused(struct report *report, const struct request *request,
                           const struct fix_order *order, const struct rejection *why,
                           uint64_t time_ns);
// Mass cancel: done (code REJECT_NONE, count) or refused.
void report_mass_cancel(struct report *report, const struct request *request,
                        const struct rejection *why, uint32_t count, const char *exec_id,
                        uint64_t time_ns);
// Phase, last price and what a running auction would do of an instrument; NULL: the symbol is not
// known.
struct security_state {
    const struct view_instrument *instrument;
    bool unsolicited; // 325
    uint64_t time_ns;
};
void report_security_status(struct report *report, const char *symbol,
                            const struct request_id *status_id, const struct security_state *state);
// Whether the venue takes orders.
void report_venue_status(struct report *report, const char *venue,
                         const struct request_id *status_id, uint8_t venue_state, bool unsolicited);
void report_business_reject(struct report *report, const struct request *request, unsigned reason,
                            const char *text);

#endif
