// Circular trades: A sells to B and B back to A, about as much at about the same price, so that
// within the window nobody's position has moved. Looked at with every trade between accounts of two
// members: all trades of the two in the window that no alert has used, by way.
#include "risk/surveillance/surveillance_state.h"

enum { CIRCLE_TRADES_MAX = 64 }; // of two accounts that are looked at

struct way { // from the seller to the buyer of one direction
    money_sum quantity, value;
};

static uint64_t *chain_of(const struct surveillance *s, const struct surveillance_trade *trade)
{
    uint32_t low = trade->account[0], high = trade->account[1];
    if (low > high) {
        low = trade->account[1];
        high = trade->account[0];
    }
    uint64_t key = ((uint64_t)high << 32 | low) * 0x9e3779b97f4a7c15ULL ^ trade->instrument;
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdULL;
    return &s->circle_chains[(key ^ key >> 33) & (s->trades_max - 1)];
}

// +1: the same way as the trade, -1: back, 0: of others.
static int way_of(const struct surveillance_trade *of, const struct surveillance_trade *as)
{
    if (of->instrument != as->instrument)
        return 0;
    if (of->account[0] == as->account[0] && of->account[1] == as->account[1])
        return 1;
    return of->account[0] == as->account[1] && of->account[1] == as->account[0] ? -1 : 0;
}

// The unused trades of the two in the window, newest first.
static size_t gather(const struct surveillance *s, const struct surveillance_trade *newest,
                     struct surveillance_trade *found[CIRCLE_TRADES_MAX], struct way ways[2])
{
    size_t count = 0;
    uint64_t window_ns = (uint64_t)s->config.surveil_circle_ms * 1000000;
    struct surveillance_trade *trade = trades_at(s, s->trade_count);
    while (trade != NULL && newest->time_ns - trade->time_ns <= window_ns &&
           count < CIRCLE_TRADES_MAX) {
        int way = way_of(trade, newest);
        if (way != 0 && !trade->circled) {
            struct way *sum = &ways[way == 1 ? 0 : 1];
            sum->quantity += trade->quantity;
            sum->value += (money_sum)trade->price * trade->quantity;
            found[count++] = trade;
        }
        trade = trades_at(s, trade->earlier_circle);
    }
    return count;
}

static money_sum apart(money_sum a, money_sum b)
{
    return a > b ? a - b : b - a;
}

static bool is_circle(const struct surveillance *s, uint32_t instrument, const struct way ways[2])
{
    const struct config *config = &s->config;
    const struct way *there = &ways[0], *back = &ways[1];
    if (there->quantity == 0 || back->quantity == 0)
        return false;
    money_sum larger = there->quantity > back->quantity ? there->quantity : back->quantity;
    money_sum net = apart(there->quantity, back->quantity);
    money_sum price = there->value / there->quantity, price_back = back->value / back->quantity;
    money_sum lower = price < price_back ? price : price_back;
    return net * 100 <= larger * config->surveil_circle_net_percent &&
           apart(price, price_back) * 10000 <= lower * config->surveil_circle_price_bps &&
           surveillance_worth(s, instrument, (int64_t)lower, larger - net,
                              config->surveil_circle_notional_min);
}

void circle_traded(struct surveillance *s, const struct event *event)
{
    struct surveillance_trade *newest = trades_at(s, s->trade_count);
    struct surveillance_trade *found[CIRCLE_TRADES_MAX];
    struct way ways[2] = {0};
    ASSERT(newest != NULL && newest->sequence == event->header.sequence);
    if (newest->member[0] == newest->member[1])
        return; // a wash trade already
    uint64_t *chain = chain_of(s, newest);
    newest->earlier_circle = *chain;
    *chain = s->trade_count;
    size_t count = gather(s, newest, found, ways);
    if (!is_circle(s, newest->instrument, ways))
        return;
    struct surveillance_alert *alert =
        surveillance_alert(s, event, DETECTOR_WASH_CIRCULAR, newest->instrument);
    alert->account = newest->account[0];
    alert->member = newest->member[0];
    alert->counter_account = newest->account[1];
    alert->counter_member = newest->member[1];
    alert->price = newest->price;
    alert->quantity = surveillance_clamp(ways[0].quantity + ways[1].quantity);
    money_sum net = apart(ways[0].quantity, ways[1].quantity);
    alert->value = surveillance_percent(
        net, ways[0].quantity > ways[1].quantity ? ways[0].quantity : ways[1].quantity);
    alert->limit = s->config.surveil_circle_net_percent;
    for (size_t i = 0; i < count; i++) {
        found[i]->circled = true;
        surveillance_evidence(alert, found[i]->sequence);
        if (found[i]->time_ns < alert->since_ns)
            alert->since_ns = found[i]->time_ns;
    }
}
