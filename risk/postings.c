// Happy path: the recorder, a gateway or a test folds the postings of every event and holds the
// engine's balances. The engine books directly (ledger.h) and does not use this file: that both
// agree is tested, so neither may drift. An event that moves nothing has no postings. Nothing here
// can fail except for an event that no engine writes, which is asserted.
#include "risk/postings.h"

#include <stddef.h>

#include "base/assert.h"
#include "risk/money.h"

int64_t postings_notional(int64_t price, int64_t quantity, uint8_t token_scale)
{
    ASSERT(price > 0);
    ASSERT(quantity > 0);
    int64_t notional = 0;
    bool fits = money_notional(&notional, price, quantity, token_scale);
    ASSERT(fits);
    return notional;
}

uint32_t postings_held_asset(const struct posting_terms *terms, uint8_t side)
{
    ASSERT(terms != NULL);
    ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return side == SIDE_BUY ? terms->cash_asset : terms->token_asset;
}

// Moves amount from available to what an order holds (negative: back).
static int postings_of_hold(const struct posting_terms *terms, uint32_t account, uint8_t side,
                            int64_t amount, struct posting *out)
{
    ASSERT(account != 0);
    out[0] = (struct posting){.account = account,
                              .asset = postings_held_asset(terms, side),
                              .available = -amount,
                              .held = amount};
    return amount != 0;
}

static int postings_of_trade(const struct trade_evt *trade, const struct posting_terms *terms,
                             struct posting *out)
{
    bool taker_buys = trade->taker_side == SIDE_BUY;
    ASSERT(taker_buys || trade->taker_side == SIDE_SELL);
    uint32_t buyer = taker_buys ? trade->taker_account : trade->maker_account;
    uint32_t seller = taker_buys ? trade->maker_account : trade->taker_account;
    int64_t buyer_fee = taker_buys ? trade->taker_fee : trade->maker_fee;
    int64_t seller_fee = taker_buys ? trade->maker_fee : trade->taker_fee;
    int64_t notional = postings_notional(trade->price, trade->quantity, terms->token_scale);
    int64_t proceeds = notional - seller_fee;
    ASSERT(proceeds >= 0 && buyer_fee >= 0 && seller_fee >= 0 && trade->buyer_released >= 0);
    out[0] = (struct posting){.account = buyer,
                              .asset = terms->cash_asset,
                              .available = trade->buyer_released,
                              .held = -(notional + buyer_fee + trade->buyer_released)};
    out[1] = (struct posting){.account = buyer,
                              .asset = terms->token_asset,
                              .available = trade->quantity,
                              .unsettled = trade->quantity};
    out[2] =
        (struct posting){.account = seller, .asset = terms->token_asset, .held = -trade->quantity};
    out[3] = (struct posting){.account = seller,
                              .asset = terms->cash_asset,
                              .available = proceeds,
                              .unsettled = proceeds};
    out[4] = (struct posting){.account = ACCOUNT_TREASURY,
                              .asset = terms->cash_asset,
                              .available = buyer_fee + seller_fee};
    return buyer_fee + seller_fee != 0 ? 5 : 4;
}

static int postings_of_ledger(const struct ledger_posted_evt *entry, struct posting *out)
{
    ASSERT(entry->account != entry->counter_account);
    if (entry->amount == 0) // of what has left on the chain nothing was there
        return 0;
    out[0] = (struct posting){
        .account = entry->account, .asset = entry->asset, .available = entry->amount};
    out[1] = (struct posting){
        .account = entry->counter_account, .asset = entry->asset, .available = -entry->amount};
    return 2;
}

static int postings_of_deficit(const struct deficit_changed_evt *change, struct posting *out)
{
    ASSERT(change->amount != 0 && change->entered <= 1);
    out[0] = (struct posting){
        .account = change->account, .asset = change->asset, .deficit = change->amount};
    if (change->entered == 1)
        return 1;
    out[1] = (struct posting){
        .account = change->counter_account, .asset = change->asset, .available = change->amount};
    out[2] = (struct posting){
        .account = ACCOUNT_DEFICIT, .asset = change->asset, .available = -change->amount};
    return 3;
}

static int postings_of_corrected_tokens(const struct trade_corrected_evt *change, uint32_t asset,
                                        struct posting *out)
{
    int count = 0;
    ASSERT(change->quantity <= 0 && change->token_short >= 0);
    if (change->quantity == 0)
        return 0;
    out[count++] = (struct posting){.account = change->buyer_account,
                                    .asset = asset,
                                    .available = change->quantity + change->token_short,
                                    .blocked = change->quantity,
                                    .deficit = change->token_short};
    out[count++] = (struct posting){
        .account = change->seller_account, .asset = asset, .available = -change->quantity};
    if (change->token_short != 0)
        out[count++] = (struct posting){
            .account = ACCOUNT_DEFICIT, .asset = asset, .available = -change->token_short};
    return count;
}

// The payer is short: the seller, or the buyer if the trade has become worth more.
static int postings_of_corrected_cash(const struct trade_corrected_evt *change, uint32_t asset,
                                      struct posting *out)
{
    int count = 0;
    int64_t buyer_short = change->notional > 0 ? change->cash_short : 0;
    int64_t seller_short = change->cash_short - buyer_short;
    int64_t seller_cash = change->notional - change->seller_fee;
    int64_t fees = change->buyer_fee + change->seller_fee;
    ASSERT(change->cash_short >= 0);
    if (change->notional == 0)
        return 0;
    out[count++] = (struct posting){.account = change->buyer_account,
                                    .asset = asset,
                                    .available = buyer_short - change->notional - change->buyer_fee,
                                    .deficit = buyer_short};
    out[count++] = (struct posting){.account = change->seller_account,
                                    .asset = asset,
                                    .available = seller_cash + seller_short,
                                    .unsettled = seller_cash,
                                    .deficit = seller_short};
    if (fees != 0)
        out[count++] =
            (struct posting){.account = ACCOUNT_SUSPENSE, .asset = asset, .available = fees};
    if (change->cash_short != 0)
        out[count++] = (struct posting){
            .account = ACCOUNT_DEFICIT, .asset = asset, .available = -change->cash_short};
    return count;
}

static int postings_of_correction(const struct trade_corrected_evt *change,
                                  const struct posting_terms *terms, struct posting *out)
{
    int count = postings_of_corrected_tokens(change, terms->token_asset, out);
    return count + postings_of_corrected_cash(change, terms->cash_asset, out + count);
}

static int postings_of_settlement(const struct settlement_booked_evt *booked,
                                  const struct posting_terms *terms, struct posting *out)
{
    ASSERT(booked->quantity > 0);
    ASSERT(booked->proceeds >= 0);
    out[0] = (struct posting){.account = booked->buyer_account, .asset = terms->token_asset};
    switch (booked->outcome) {
    case SETTLEMENT_SETTLED:
        out[0].unsettled = -booked->quantity;
        out[1] = (struct posting){.account = booked->seller_account,
                                  .asset = terms->cash_asset,
                                  .unsettled = -booked->proceeds};
        return 2;
    case SETTLEMENT_FAILED:
        out[0].unsettled = -booked->quantity;
        out[0].blocked = booked->quantity;
        return 1;
    default:
        ASSERT(booked->outcome == SETTLEMENT_RETRIED);
        out[0].unsettled = booked->quantity;
        out[0].blocked = -booked->quantity;
        return 1;
    }
}

static int postings_of_xvp(const struct xvp_posted_evt *posted, struct posting *out)
{
    int64_t sum = posted->amount + posted->held_amount;
    ASSERT((sum != 0) == (posted->counter_account != 0));
    out[0] = (struct posting){.account = posted->account,
                              .asset = posted->asset,
                              .available = posted->amount,
                              .held = posted->held_amount};
    out[1] = (struct posting){
        .account = posted->counter_account, .asset = posted->asset, .available = -sum};
    return sum != 0 ? 2 : 1;
}

int postings_of(const struct event *event, const struct posting_terms *terms,
                struct posting out[POSTINGS_MAX])
{
    ASSERT(event != NULL);
    ASSERT(out != NULL);
    switch (event->header.type) {
#define HOLD(name, amount)                                                                         \
    case EVT_##name:                                                                               \
        return postings_of_hold(terms, event->body.name.account, event->body.name.side, (amount),  \
                                out)
        HOLD(order_accepted, event->body.order_accepted.held);
        HOLD(order_cancelled, -event->body.order_cancelled.released);
        HOLD(order_amended, -event->body.order_amended.released); // or more is held
        HOLD(order_triggered, -event->body.order_triggered.released);
        HOLD(order_reduced, -event->body.order_reduced.released);
#undef HOLD
    case EVT_trade:
        return postings_of_trade(&event->body.trade, terms, out);
    case EVT_ledger_posted:
        return postings_of_ledger(&event->body.ledger_posted, out);
    case EVT_deficit_changed:
        return postings_of_deficit(&event->body.deficit_changed, out);
    case EVT_trade_corrected:
        return postings_of_correction(&event->body.trade_corrected, terms, out);
    case EVT_xvp_posted:
        return postings_of_xvp(&event->body.xvp_posted, out);
    case EVT_settlement_booked:
        return postings_of_settlement(&event->body.settlement_booked, terms, out);
    default:
        return 0;
    }
}
