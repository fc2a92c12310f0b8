// Marking the close: when the instrument closes, or its closing call has uncrossed, the trades of
// the last minutes before (and those of the uncross) are looked at: has the price moved against the
// last one before the window, and who bought (it rose) or sold (it fell) most of the volume, the
// last time at a price that was that far away itself?
#include "risk/surveillance/surveillance_state.h"

struct window {
    uint64_t from_ns;
    money_sum volume;
    int64_t before, last; // prices
    uint8_t side;         // that moved it; 0 = it did not move
    uint32_t first;       // member found first; the others by `next` of the shares
    uint32_t final;       // member found last
};

static void count_share(struct surveillance *s, struct window *window,
                        const struct surveillance_trade *trade)
{
    uint32_t member = trade->member[window->side - 1];
    struct surveillance_share *share = &s->shares[member];
    if (share->window != s->windows) {
        *share = (struct surveillance_share){.window = s->windows, .price = trade->price};
        *(window->final != 0 ? &s->shares[window->final].next : &window->first) = member;
        window->final = member;
    }
    share->quantity += trade->quantity;
}

static const struct surveillance_trade *newest_of(const struct surveillance *s, uint32_t instrument)
{
    return trades_at(s, s->instruments[instrument].last_trade);
}

// Who moves the price from one to the other so far: buyers, sellers, or nobody (0).
static uint8_t side_moved(const struct surveillance *s, int64_t from, int64_t to)
{
    money_sum move = (money_sum)to - from;
    money_sum away = move < 0 ? -move : move;
    if (away * 10000 < (money_sum)from * s->config.surveil_close_price_bps)
        return 0;
    return move > 0 ? SIDE_BUY : SIDE_SELL;
}

static void measure(const struct surveillance *s, uint32_t instrument, struct window *window)
{
    const struct surveillance_trade *trade = newest_of(s, instrument);
    window->last = trade != NULL ? trade->price : 0;
    while (trade != NULL && trade->time_ns >= window->from_ns) {
        window->volume += trade->quantity;
        trade = trades_at(s, trade->earlier);
    }
    window->before = trade != NULL ? trade->price : s->instruments[instrument].price_before;
    if (window->volume > 0 && window->before > 0)
        window->side = side_moved(s, window->before, window->last);
}

static void share_out(struct surveillance *s, uint32_t instrument, struct window *window)
{
    s->windows++;
    for (const struct surveillance_trade *trade = newest_of(s, instrument);
         trade != NULL && trade->time_ns >= window->from_ns; trade = trades_at(s, trade->earlier))
        if (trade->member[window->side - 1] != 0)
            count_share(s, window, trade);
}

static void alert_of(struct surveillance *s, const struct event *event, uint32_t instrument,
                     const struct window *window, uint32_t member)
{
    struct surveillance_alert *alert =
        surveillance_alert(s, event, DETECTOR_MARKING_CLOSE, instrument);
    uint32_t account = 0;
    bool one = true;
    alert->member = member;
    alert->side = window->side;
    alert->price = window->last;
    alert->quantity = surveillance_clamp(s->shares[member].quantity);
    money_sum move = (money_sum)window->last - window->before;
    alert->value = surveillance_clamp((move < 0 ? -move : move) * 10000 / window->before);
    alert->limit = s->config.surveil_close_price_bps;
    for (const struct surveillance_trade *trade = newest_of(s, instrument);
         trade != NULL && trade->time_ns >= window->from_ns; trade = trades_at(s, trade->earlier)) {
        if (trade->member[window->side - 1] != member)
            continue;
        one = one && (account == 0 || account == trade->account[window->side - 1]);
        account = trade->account[window->side - 1];
        alert->since_ns = trade->time_ns;
        surveillance_evidence(alert, trade->sequence);
    }
    alert->account = one ? account : 0;
}

static void look(struct surveillance *s, const struct event *event, uint32_t instrument,
                 uint64_t close_ns)
{
    uint64_t window_ns = (uint64_t)s->config.surveil_close_ms * 1000000;
    struct window window = {.from_ns = close_ns > window_ns ? close_ns - window_ns : 0};
    measure(s, instrument, &window);
    if (window.side == 0)
        return;
    share_out(s, instrument, &window);
    for (uint32_t member = window.first; member != 0; member = s->shares[member].next) {
        money_sum quantity = s->shares[member].quantity;
        if (side_moved(s, window.before, s->shares[member].price) == window.side &&
            quantity * 100 >= window.volume * s->config.surveil_close_volume_percent &&
            surveillance_worth(s, instrument, window.last, quantity,
                               s->config.surveil_close_notional_min))
            alert_of(s, event, instrument, &window, member);
    }
}

void marking_close_apply(struct surveillance *s, const struct event *event)
{
    if (event->header.type == EVT_auction) {
        const struct auction_evt *e = &event->body.auction;
        if (e->final && e->phase == PHASE_CLOSING_AUCTION)
            s->instruments[e->instrument].uncross_ns = event->header.time_ns;
        return;
    }
    const struct instrument_state_evt *e = &event->body.instrument_state;
    ASSERT(event->header.type == EVT_instrument_state && e->instrument <= s->instruments_max);
    struct surveillance_instrument *instrument = &s->instruments[e->instrument];
    if (e->phase == instrument->phase)
        return;
    if (e->phase == PHASE_CLOSED || instrument->phase == PHASE_CLOSING_AUCTION)
        look(s, event, e->instrument,
             instrument->uncross_ns != 0 ? instrument->uncross_ns : event->header.time_ns);
    instrument->uncross_ns = 0;
}
