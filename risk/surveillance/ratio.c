// The ratio of unexecuted orders to transactions, by number and by volume, per member, instrument
// and day. Told once a day each, by the message with which it is reached.
#include "risk/surveillance/surveillance_state.h"

// Without any transaction one stands in its place: more orders than one may have.
static bool is_reached(money_sum orders, money_sum executed, int64_t limit)
{
    return executed > 0 && orders >= executed * ((money_sum)limit + 1);
}

static void tell(struct surveillance *s, const struct event *event,
                 const struct surveillance_pair *pair, enum surveillance_detector detector,
                 money_sum orders, money_sum executed)
{
    struct surveillance_alert *alert = surveillance_alert(s, event, detector, pair->instrument);
    alert->member = pair->member;
    alert->quantity = surveillance_clamp(orders);
    alert->value = surveillance_clamp(orders / executed - 1);
    alert->limit = detector == DETECTOR_RATIO_NUMBER ? s->config.surveil_ratio_number
                                                     : s->config.surveil_ratio_volume;
    alert->since_ns = pair->first_message_ns;
    surveillance_evidence(alert, pair->first_message);
}

static void message(struct surveillance *s, const struct event *event, uint32_t member,
                    uint32_t instrument, int64_t quantity)
{
    struct surveillance_pair *pair = facts_pair_make(s, member, instrument);
    if (pair == NULL)
        return;
    if (pair->messages++ == 0) {
        pair->first_message = event->header.sequence;
        pair->first_message_ns = event->header.time_ns;
    }
    pair->ordered += quantity;
    if (pair->messages < (uint64_t)s->config.surveil_ratio_messages_min)
        return;
    money_sum messages = (money_sum)pair->messages;
    money_sum transactions = pair->transactions > 0 ? (money_sum)pair->transactions : 1;
    if (!pair->told_number && is_reached(messages, transactions, s->config.surveil_ratio_number)) {
        pair->told_number = true;
        tell(s, event, pair, DETECTOR_RATIO_NUMBER, messages, transactions);
    }
    if (!pair->told_volume &&
        is_reached(pair->ordered, pair->executed, s->config.surveil_ratio_volume)) {
        pair->told_volume = true;
        tell(s, event, pair, DETECTOR_RATIO_VOLUME, pair->ordered, pair->executed);
    }
}

static void executed(struct surveillance *s, uint32_t account, const struct trade_evt *e)
{
    struct surveillance_pair *pair = facts_pair_make(s, facts_member(s, account), e->instrument);
    if (pair == NULL)
        return;
    pair->transactions++;
    pair->executed += e->quantity;
}

// Its owner asked for it; what follows an uncross, a lost connection or a kill switch is nobody's
// message.
static bool is_message(const struct order_cancelled_evt *e)
{
    return e->reason == CANCEL_BY_OWNER || e->reason == CANCEL_MASS;
}

void ratio_apply(struct surveillance *s, const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted: {
        const struct order_accepted_evt *e = &event->body.order_accepted;
        message(s, event, facts_member(s, e->account), e->instrument, e->quantity);
        return;
    }
    case EVT_order_amended: {
        const struct order_amended_evt *e = &event->body.order_amended;
        message(s, event, facts_member(s, e->account), e->instrument, e->leaves);
        return;
    }
    case EVT_order_cancelled: {
        const struct order_cancelled_evt *e = &event->body.order_cancelled;
        if (is_message(e))
            message(s, event, facts_member(s, e->account), e->instrument, e->quantity);
        return;
    }
    case EVT_trade:
        executed(s, event->body.trade.maker_account, &event->body.trade);
        executed(s, event->body.trade.taker_account, &event->body.trade);
        return;
    default:
        return;
    }
}
