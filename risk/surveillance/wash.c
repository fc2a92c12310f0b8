// Wash trades: a trade that changes no beneficial owner (one account on both sides), or that stays
// within one member.
#include "risk/surveillance/surveillance_state.h"

void wash_traded(struct surveillance *s, const struct event *event)
{
    const struct surveillance_trade *trade = trades_at(s, s->trade_count);
    ASSERT(trade != NULL && trade->sequence == event->header.sequence);
    bool own = trade->account[0] == trade->account[1];
    int64_t minimum =
        own ? s->config.surveil_wash_notional_min : s->config.surveil_wash_member_notional_min;
    if (trade->member[0] != trade->member[1] || trade->member[0] == 0 || minimum < 0 ||
        !surveillance_worth(s, trade->instrument, trade->price, trade->quantity, minimum))
        return;
    struct surveillance_alert *alert = surveillance_alert(
        s, event, own ? DETECTOR_WASH_ACCOUNT : DETECTOR_WASH_MEMBER, trade->instrument);
    alert->member = alert->counter_member = trade->member[0];
    alert->account = trade->account[0];
    alert->counter_account = trade->account[1];
    alert->price = trade->price;
    alert->quantity = trade->quantity;
    alert->limit = minimum;
    money_sum product = (money_sum)trade->price * trade->quantity;
    alert->value = surveillance_clamp(
        product / (money_sum)money_power_of_10[s->instruments[trade->instrument].token_scale]);
    const struct trade_evt *e = &event->body.trade;
    surveillance_evidence(alert, e->maker_order);
    surveillance_evidence(alert, e->taker_order);
}
