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

// What is to be said of an order besides what the view knows.
struct order_note {
    int64_t cancelled;        // what was left of it when it was cancelled; 0 = it was not
    uint8_t reason;           // enum cancel_reason; 0 = none
    int64_t minimum_quantity; // at entry; no order keeps it
};
// A trade as everybody sees it.
struct public_trade {
    uint64_t trade, time_ns;
    int64_t price, quantity;
    uint8_t taker_side;
    uint8_t kind; // enum trade_kind
};

// Each of these writes an object.
void shape_order(struct json_out *out, const struct view *view, const struct view_order *order,
                 const struct order_note *note);
// One side of a trade, as its owner sees it.
void shape_fill(struct json_out *out, const struct view *view, const struct event *trade,
                bool taker);
// What a correction or bust of a trade is to one side of it.
void shape_correction(struct json_out *out, const struct view *view, const struct event *corrected,
                      uint8_t side);
// What has happened to a settlement instruction.
void shape_xvp(struct json_out *out, const struct event *changed);
void shape_public_trade(struct json_out *out, const struct public_trade *trade,
                        unsigned token_scale);
void shape_instrument(struct json_out *out, const struct view *view,
                      const struct view_instrument *instrument);
// null if auction->instrument is 0.
void shape_auction(struct json_out *out, const struct auction_evt *auction, uint64_t time_ns,
                   unsigned token_scale);
void shape_statistics(struct json_out *out, const struct statistics *of, unsigned token_scale);
void shape_balance(struct json_out *out, const struct view *view,
                   const struct balance_rec *balance);
void shape_error(struct json_out *out, const struct fault *fault); // "error": {…}

const char *shape_side(uint8_t side);
const char *shape_symbol(const struct view *view,
                         uint32_t instrument); // "" if there is none; until the next call
unsigned shape_token_scale(const struct view *view, uint32_t instrument);

#endif
