#include "risk/surveillance/hand_testing.h"

#include <string.h>

void hand_emit(struct hand *hand, uint8_t type, const void *body, size_t bytes, bool last)
{
    struct event event = {.header = {.sequence = hand->sequence,
                                     .time_ns = hand->now_ns,
                                     .index = hand->index++,
                                     .type = type,
                                     .version = SCHEMA_VERSION,
                                     .last = last}};
    memcpy(event.body.bytes, body, bytes);
    hand->sink(hand->context, &event);
}

uint64_t hand_begin(struct hand *hand)
{
    hand->index = 0;
    hand->now_ns += 1000;
    return ++hand->sequence;
}

void hand_after_ms(struct hand *hand, uint64_t ms)
{
    hand->now_ns += ms * HAND_MS;
}

void hand_done(struct hand *hand)
{
    const struct done_evt body = {.command = CMD_clock_tick};
    hand_begin(hand);
    hand_emit(hand, EVT_done, &body, sizeof body, true);
}

void hand_account(struct hand *hand, uint32_t id, uint32_t member)
{
    const struct account_changed_evt body = {.account = id, .member = member};
    hand_begin(hand);
    hand_emit(hand, EVT_account_changed, &body, sizeof body, true);
}

void hand_instrument(struct hand *hand)
{
    const struct instrument_changed_evt body = {
        .instrument = HAND_INSTRUMENT, .token_scale = HAND_SCALE, .symbol = "PORT"};
    hand_begin(hand);
    hand_emit(hand, EVT_instrument_changed, &body, sizeof body, true);
}

void hand_phase(struct hand *hand, uint8_t phase, int64_t last_price)
{
    const struct instrument_state_evt body = {
        .instrument = HAND_INSTRUMENT, .phase = phase, .last_price = last_price};
    hand_begin(hand);
    hand_emit(hand, EVT_instrument_state, &body, sizeof body, true);
}

static void accept(struct hand *hand, uint32_t account, uint8_t side, int64_t price,
                   int64_t quantity, uint8_t tif, bool last)
{
    const struct order_accepted_evt body = {.order = hand->sequence,
                                            .account = account,
                                            .instrument = HAND_INSTRUMENT,
                                            .price = price,
                                            .quantity = quantity,
                                            .side = side,
                                            .type = ORDER_LIMIT,
                                            .tif = tif,
                                            .state = ORDER_STATE_OPEN};
    hand_emit(hand, EVT_order_accepted, &body, sizeof body, last);
}

uint64_t hand_order(struct hand *hand, uint32_t account, uint8_t side, int64_t price,
                    int64_t quantity)
{
    hand_begin(hand);
    accept(hand, account, side, price, quantity, TIF_GTC, true);
    return hand->sequence;
}

uint64_t hand_iceberg(struct hand *hand, uint32_t account, uint8_t side, int64_t price,
                      int64_t quantity, int64_t display)
{
    hand_begin(hand);
    accept(hand, account, side, price, quantity, TIF_GTC, false);
    const struct order_terms_evt body = {.order = hand->sequence,
                                         .account = account,
                                         .instrument = HAND_INSTRUMENT,
                                         .display_quantity = display};
    hand_emit(hand, EVT_order_terms, &body, sizeof body, true);
    return hand->sequence;
}

uint64_t hand_take(struct hand *hand, uint32_t taker, uint32_t maker, uint64_t resting,
                   uint8_t side, int64_t price, int64_t quantity, int64_t leaves)
{
    hand_begin(hand);
    accept(hand, taker, side, price, quantity, TIF_IOC, false);
    const struct trade_evt body = {.instrument = HAND_INSTRUMENT,
                                   .taker_side = side,
                                   .price = price,
                                   .quantity = quantity,
                                   .maker_order = resting,
                                   .taker_order = hand->sequence,
                                   .maker_account = maker,
                                   .taker_account = taker,
                                   .maker_leaves = leaves};
    hand_emit(hand, EVT_trade, &body, sizeof body, true);
    return hand->sequence;
}

uint64_t hand_pass(struct hand *hand, uint32_t seller, uint32_t buyer, int64_t price,
                   int64_t quantity)
{
    uint64_t offer = hand_order(hand, seller, SIDE_SELL, price, quantity);
    return hand_take(hand, buyer, seller, offer, SIDE_BUY, price, quantity, 0);
}

uint64_t hand_cancel(struct hand *hand, uint64_t order, uint32_t account, uint8_t side,
                     int64_t quantity, uint8_t reason)
{
    const struct order_cancelled_evt body = {.order = order,
                                             .account = account,
                                             .instrument = HAND_INSTRUMENT,
                                             .quantity = quantity,
                                             .side = side,
                                             .reason = reason};
    hand_begin(hand);
    hand_emit(hand, EVT_order_cancelled, &body, sizeof body, true);
    return hand->sequence;
}

uint64_t hand_amend(struct hand *hand, uint64_t order, uint32_t account, uint8_t side,
                    int64_t price, int64_t leaves, bool kept)
{
    const struct order_amended_evt body = {.order = order,
                                           .account = account,
                                           .instrument = HAND_INSTRUMENT,
                                           .quantity = leaves,
                                           .leaves = leaves,
                                           .side = side,
                                           .price = price,
                                           .priority_kept = kept};
    hand_begin(hand);
    hand_emit(hand, EVT_order_amended, &body, sizeof body, true);
    return hand->sequence;
}
