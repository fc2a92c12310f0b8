// Spoofing: a large order that shows on one side is withdrawn soon, without ever having traded,
// after its member has traded on the other side; and it is far larger than what the member wanted
// there: what it traded since the order came, and what it still showed behind its last trade. Who
// quotes both sides alike never is.
#include "risk/surveillance/surveillance_state.h"

// Large is what it shows, of all that shows on its side, or of the usual order of the day.
void spoof_entered(struct surveillance *s, struct surveillance_order *order)
{
    const struct config *config = &s->config;
    struct surveillance_instrument *instrument = &s->instruments[order->instrument];
    const struct surveillance_pair *pair =
        order->tracked ? facts_pair_find(s, order->member, order->instrument) : NULL;
    ASSERT(order->shown > 0 && instrument->shown[order->side - 1] >= order->shown);
    money_sum shown = order->shown;
    bool deep =
        shown * 100 >= instrument->shown[order->side - 1] * config->surveil_spoof_depth_percent;
    bool unusual = instrument->orders >= (uint64_t)config->surveil_spoof_size_orders_min &&
                   shown * (money_sum)instrument->orders >=
                       instrument->quantities * config->surveil_spoof_size_multiple;
    order->large =
        (deep || unusual) && surveillance_worth(s, order->instrument, order->price, shown,
                                                config->surveil_large_notional_min);
    order->opposite = pair != NULL ? pair->traded[surveillance_opposite(order->side) - 1] : 0;
    instrument->orders++;
    instrument->quantities += shown;
}

static void alert_of(struct surveillance *s, const struct event *event,
                     const struct surveillance_withdrawal *withdrawal,
                     const struct surveillance_pair *pair, money_sum wanted)
{
    const struct surveillance_order *order = withdrawal->order;
    uint8_t other = (uint8_t)(surveillance_opposite(order->side) - 1);
    struct surveillance_alert *alert =
        surveillance_alert(s, event, DETECTOR_SPOOFING, order->instrument);
    alert->member = order->member;
    alert->account = order->account;
    alert->side = order->side;
    alert->price = order->price;
    alert->quantity = withdrawal->quantity;
    alert->value = surveillance_percent(withdrawal->quantity, wanted);
    alert->limit = s->config.surveil_spoof_ratio_percent;
    alert->since_ns = order->since_ns;
    surveillance_evidence(alert, order->since);
    for (uint32_t i = 0; i < SURVEILLANCE_PATTERN_TRADES; i++)
        if (pair->trades[other][i].sequence > order->since)
            surveillance_evidence(alert, pair->trades[other][i].sequence);
}

void spoof_withdrawn(struct surveillance *s, const struct event *event,
                     const struct surveillance_withdrawal *withdrawal)
{
    const struct surveillance_order *order = withdrawal->order;
    const struct surveillance_pair *pair = facts_pair_find(s, order->member, order->instrument);
    uint8_t other = (uint8_t)(surveillance_opposite(order->side) - 1);
    ASSERT(withdrawal->quantity > 0);
    if (!order->large || pair == NULL ||
        event->header.time_ns - order->since_ns > (uint64_t)s->config.surveil_spoof_ms * 1000000)
        return;
    money_sum between = pair->traded[other] - order->opposite;
    money_sum wanted = between + pair->left[other];
    if (between > 0 &&
        (money_sum)withdrawal->quantity * 100 >= wanted * s->config.surveil_spoof_ratio_percent &&
        surveillance_worth(s, order->instrument, order->price, withdrawal->quantity,
                           s->config.surveil_large_notional_min))
        alert_of(s, event, withdrawal, pair, wanted);
}
