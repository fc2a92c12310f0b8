// Order request: a checked message (request.h) becomes the body of a command. Everything that is of
// the message alone is decided here: words, decimals, what a type of order must have; what depends
// on the venue's state (combinations, phases, limits, balances) is the engine's to refuse.
//
// Each function returns false and fills in the fault. Any thread that owns the view; no allocation.
#ifndef LONJA_GATEWAY_WEB_ORDER_REQUEST_H
#define LONJA_GATEWAY_WEB_ORDER_REQUEST_H

#include "gateway/common/view.h"
#include "gateway/web/request.h"

// Who asks, and of which venue.
struct order_asker {
    const struct view *view;
    uint32_t session;
};

struct order_request {
    uint8_t command; // CMD_order_new, or CMD_order_new_terms if it has any of the terms
    struct order_new_terms_cmd body; // begins as order_new_cmd does
    const char *client_id;
};

CHECKED bool order_request_new(struct order_request *out, struct fault *fault,
                               const struct order_asker *asker, const struct request *request);
// What is to change of an open order of the asker's; without order, account and client id.
CHECKED bool order_request_amend(struct order_amend_cmd *out, struct fault *fault,
                                 const struct order_asker *asker, const struct request *request,
                                 const struct view_order *order);
CHECKED bool order_request_mass_cancel(struct order_mass_cancel_cmd *out, struct fault *fault,
                                       const struct order_asker *asker,
                                       const struct request *request);
// Of all orders that the fields name.
CHECKED bool order_request_status(struct order_status_cmd *out, struct fault *fault,
                                  const struct order_asker *asker, const struct request *request);

// The account that is named, or the session's only one.
CHECKED bool order_request_account(uint32_t *out, struct fault *fault,
                                   const struct order_asker *asker, const struct request *request);

// The field `secret`.
CHECKED bool order_request_secret(uint8_t out[XVP_SECRET_BYTES], struct fault *fault,
                                  const struct request *request);

// 1 to 36 printable ASCII characters: it goes to logs, FIX drop copies and Postgres as it is.
CHECKED bool order_request_client_id(struct fault *fault, const struct request *request,
                                     enum web_field field);

#endif
