#include "tests/model/open_trade.h"

__extension__ typedef __int128 wide;

struct open_trade open_trade_of(const struct event *event, uint8_t token_scale)
{
    const struct trade_evt *trade = &event->body.trade;
    bool buys = trade->taker_side == SIDE_BUY;
    wide value = (wide)trade->price * trade->quantity;
    for (uint8_t k = 0; k < token_scale; k++)
        value /= 10;
    struct open_trade open = {.notional = (int64_t)value,
                              .buyer_fee = buys ? trade->taker_fee : trade->maker_fee,
                              .seller_fee = buys ? trade->maker_fee : trade->taker_fee};
    open.result = (struct settlement_result_cmd){
        .trade_id = trade_id_of(event->header.sequence, event->header.index),
        .instrument = trade->instrument,
        .buyer_account = buys ? trade->taker_account : trade->maker_account,
        .seller_account = buys ? trade->maker_account : trade->taker_account,
        .quantity = trade->quantity,
        .proceeds = open.notional - open.seller_fee};
    return open;
}

void open_trade_change(struct open_trade *trade, const struct trade_corrected_evt *by)
{
    trade->notional += by->notional;
    trade->buyer_fee += by->buyer_fee;
    trade->seller_fee += by->seller_fee;
    trade->result.quantity = by->new_quantity;
    trade->result.proceeds = trade->notional - trade->seller_fee;
}

struct trade_correct_cmd open_trade_correction(const struct open_trade *trade)
{
    return (struct trade_correct_cmd){.trade_id = trade->result.trade_id,
                                      .instrument = trade->result.instrument,
                                      .buyer_account = trade->result.buyer_account,
                                      .seller_account = trade->result.seller_account,
                                      .quantity = trade->result.quantity,
                                      .new_quantity = trade->result.quantity,
                                      .notional = trade->notional,
                                      .new_notional = trade->notional,
                                      .buyer_fee = trade->buyer_fee,
                                      .new_buyer_fee = trade->buyer_fee,
                                      .seller_fee = trade->seller_fee,
                                      .new_seller_fee = trade->seller_fee};
}

static int64_t in_proportion(int64_t fee, int64_t notional, int64_t new_notional)
{
    return notional == 0 ? 0 : (int64_t)((wide)fee * new_notional / notional);
}

void open_trade_reprice(struct trade_correct_cmd *correction, int64_t new_notional)
{
    int64_t old = correction->notional;
    correction->new_notional = new_notional;
    correction->new_buyer_fee = in_proportion(correction->buyer_fee, old, new_notional);
    correction->new_seller_fee = in_proportion(correction->seller_fee, old, new_notional);
}
