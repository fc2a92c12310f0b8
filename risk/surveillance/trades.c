// The venue's recent trades, for windows: a ring in which trade number n stands at n modulo its
// size, chained by instrument.
#include "risk/surveillance/surveillance_state.h"

struct surveillance_trade *trades_at(const struct surveillance *s, uint64_t number)
{
    if (number == 0 || number + s->trades_max <= s->trade_count)
        return NULL;
    ASSERT(number <= s->trade_count);
    return &s->trades[number & (s->trades_max - 1)];
}

void trades_add(struct surveillance *s, const struct event *event)
{
    const struct trade_evt *e = &event->body.trade;
    uint64_t number = s->trade_count + 1;
    struct surveillance_trade *trade = &s->trades[number & (s->trades_max - 1)];
    if (number > s->trades_max) // the one that stood here is forgotten, but for its price
        s->instruments[trade->instrument].price_before = trade->price;
    s->trade_count = number;
    bool taker_buys = e->taker_side == SIDE_BUY;
    uint32_t buyer = taker_buys ? e->taker_account : e->maker_account;
    uint32_t seller = taker_buys ? e->maker_account : e->taker_account;
    struct surveillance_instrument *instrument = &s->instruments[e->instrument];
    *trade =
        (struct surveillance_trade){.sequence = event->header.sequence,
                                    .time_ns = event->header.time_ns,
                                    .index = event->header.index,
                                    .instrument = e->instrument,
                                    .account = {buyer, seller},
                                    .member = {facts_member(s, buyer), facts_member(s, seller)},
                                    .price = e->price,
                                    .quantity = e->quantity,
                                    .earlier = instrument->last_trade};
    instrument->last_trade = number;
}
