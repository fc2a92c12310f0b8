// Layering: several orders on several price levels of one side go soon after a trade of their
// member on the other side, none of them ever having traded; together they are far larger than what
// the member wanted there. Asked with every order that its owner withdraws: is there a trade (of
// the last few) before which enough of those that went were entered?
#include "risk/surveillance/surveillance_state.h"

struct layers { // of one trade
    uint32_t orders, levels;
    money_sum quantity;
    struct pattern_cancel *cancels[SURVEILLANCE_PATTERN_CANCELS];
};

static uint64_t ns_of(int64_t ms)
{
    return (uint64_t)ms * 1000000;
}

static bool belongs(const struct surveillance *s, const struct pattern_cancel *cancel,
                    const struct pattern_trade *trade)
{
    return cancel->order != 0 && cancel->since < trade->sequence &&
           trade->sequence < cancel->sequence &&
           cancel->time_ns - trade->time_ns <= ns_of(s->config.surveil_layer_ms) &&
           trade->time_ns - cancel->since_ns <= ns_of(s->config.surveil_layer_entry_ms);
}

static bool has(const struct layers *layers, int64_t price)
{
    for (uint32_t i = 0; i < layers->orders; i++)
        if (layers->cancels[i]->price == price)
            return true;
    return false;
}

static void gather(const struct surveillance *s, struct surveillance_pair *pair, uint8_t side,
                   const struct pattern_trade *trade, struct layers *layers)
{
    *layers = (struct layers){0};
    for (uint32_t i = 0; i < SURVEILLANCE_PATTERN_CANCELS; i++) {
        struct pattern_cancel *cancel = &pair->cancels[side - 1][i];
        if (!belongs(s, cancel, trade))
            continue;
        layers->levels += !has(layers, cancel->price);
        layers->quantity += cancel->quantity;
        layers->cancels[layers->orders++] = cancel;
    }
}

static bool is_layering(const struct surveillance *s, const struct surveillance_order *order,
                        const struct layers *layers, money_sum wanted)
{
    const struct config *config = &s->config;
    return layers->orders >= config->surveil_layer_orders &&
           layers->levels >= config->surveil_layer_levels &&
           layers->quantity * 100 >= wanted * config->surveil_layer_ratio_percent &&
           surveillance_worth(s, order->instrument, order->price, layers->quantity,
                              config->surveil_large_notional_min);
}

static void alert_of(struct surveillance *s, const struct event *event,
                     const struct surveillance_order *order, const struct pattern_trade *trade,
                     struct layers *layers, money_sum wanted)
{
    struct surveillance_alert *alert =
        surveillance_alert(s, event, DETECTOR_LAYERING, order->instrument);
    alert->member = order->member;
    alert->account = order->account;
    alert->side = order->side;
    alert->price = order->price;
    alert->quantity = surveillance_clamp(layers->quantity);
    alert->value = surveillance_percent(layers->quantity, wanted);
    alert->limit = s->config.surveil_layer_ratio_percent;
    surveillance_evidence(alert, trade->sequence);
    for (uint32_t i = 0; i < layers->orders; i++) {
        struct pattern_cancel *cancel = layers->cancels[i];
        surveillance_evidence(alert, cancel->since);
        surveillance_evidence(alert, cancel->sequence);
        if (cancel->since_ns < alert->since_ns)
            alert->since_ns = cancel->since_ns;
        cancel->order = 0; // told once
    }
}

void layer_withdrawn(struct surveillance *s, const struct event *event,
                     const struct surveillance_withdrawal *withdrawal)
{
    const struct surveillance_order *order = withdrawal->order;
    struct surveillance_pair *pair = facts_pair_find(s, order->member, order->instrument);
    if (pair == NULL)
        return;
    uint8_t other = (uint8_t)(surveillance_opposite(order->side) - 1);
    uint64_t number = pair->cancel_count[order->side - 1]++;
    pair->cancels[order->side - 1][number % SURVEILLANCE_PATTERN_CANCELS] =
        (struct pattern_cancel){.order = order->order,
                                .since = order->since,
                                .since_ns = order->since_ns,
                                .sequence = event->header.sequence,
                                .time_ns = event->header.time_ns,
                                .price = order->price,
                                .quantity = withdrawal->quantity};
    for (uint64_t n = pair->trade_count[other]; n > 0; n--) {
        if (n + SURVEILLANCE_PATTERN_TRADES == pair->trade_count[other])
            return; // those before are forgotten
        const struct pattern_trade *trade =
            &pair->trades[other][(n - 1) % SURVEILLANCE_PATTERN_TRADES];
        if (event->header.time_ns - trade->time_ns > ns_of(s->config.surveil_layer_ms))
            return;
        struct layers layers;
        gather(s, pair, order->side, trade, &layers);
        money_sum wanted = pair->traded[other] - trade->before + pair->left[other];
        if (is_layering(s, order, &layers, wanted)) {
            alert_of(s, event, order, trade, &layers, wanted);
            return;
        }
    }
}

// What a member traded, on one side.
static void traded(struct surveillance *s, const struct event *event, uint32_t account,
                   uint8_t side, int64_t being_matched)
{
    const struct trade_evt *e = &event->body.trade;
    struct surveillance_pair *pair = facts_pair_make(s, facts_member(s, account), e->instrument);
    if (pair == NULL)
        return;
    uint64_t count = pair->trade_count[side - 1];
    const struct pattern_trade *last =
        &pair->trades[side - 1][(count - 1) % SURVEILLANCE_PATTERN_TRADES];
    if (count == 0 || last->sequence != event->header.sequence) { // a command's matches are one
        pair->trades[side - 1][count % SURVEILLANCE_PATTERN_TRADES] =
            (struct pattern_trade){.sequence = event->header.sequence,
                                   .time_ns = event->header.time_ns,
                                   .before = pair->traded[side - 1]};
        pair->trade_count[side - 1]++;
    }
    pair->traded[side - 1] += e->quantity;
    pair->left[side - 1] = pair->shown[side - 1] + being_matched;
}

void layer_traded(struct surveillance *s, const struct event *event)
{
    const struct trade_evt *e = &event->body.trade;
    const struct surveillance_order *active = s->active != 0 ? &s->orders[s->active - 1] : NULL;
    bool rests = active != NULL && active->order == e->taker_order && active->tif != TIF_IOC &&
                 active->type != ORDER_MARKET;
    traded(s, event, e->maker_account, surveillance_opposite(e->taker_side), 0);
    traded(s, event, e->taker_account, e->taker_side,
           rests ? facts_slice(active, active->leaves) : 0);
}
