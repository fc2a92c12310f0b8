// Shapes: how the venue's things look as JSON, the same over WebSocket and REST
// (docs/websocket.md). Each function writes members into an object that the caller has opened, or
// one object where it says so. Prices and money are decimals of cash, quantities decimals of
// tokens, all as strings; ids are strings; sequences are numbers; times are nanoseconds since 1970
// as strings.
#ifndef LONJA_GATEWAY_WEB_SHAPES_H
#define LONJA_GATEWAY_WEB_SHAPES_H

#include "gateway/common/view.h"
#include "gateway/web/json_out.h"
#include "gateway/web/request.h"

enum { CASH_SCALE = 6 };

// An object. `cancelled` is what was left of the order when it was cancelled, 0 = it was not.
void shape_order(struct json_out *out, const struct view *view, const struct view_order *order,
                 int64_t cancelled, uint8_t reason);
// An object: one side of a trade, as its owner sees it.
void shape_fill(struct json_out *out, const struct view *view, const struct event *trade,
                bool taker);
// An object: a trade as everybody sees it.
void shape_public_trade(struct json_out *out, uint64_t trade, int64_t price, int64_t quantity,
                        unsigned token_scale, uint8_t taker_side, uint64_t time_ns);
void shape_instrument(struct json_out *out, const struct view *view,
                      const struct view_instrument *instrument); // an object
void shape_balance(struct json_out *out, const struct view *view,
                   const struct balance_rec *balance);             // an object
void shape_error(struct json_out *out, const struct fault *fault); // "error": {…}

const char *shape_side(uint8_t side);
const char *shape_symbol(const struct view *view,
                         uint32_t instrument); // "" if there is none; until the next call
unsigned shape_token_scale(const struct view *view, uint32_t instrument);

#endif
