// Memory, alerts, and which detector sees which event in which order: a withdrawal is looked at
// before the facts forget the order; a trade behind the facts, so that what still shows is known.
#include "risk/surveillance/surveillance.h"

#include <string.h>

#include "risk/surveillance/surveillance_state.h"

static const uint64_t DAY_NS = 86400000000000ULL;

const char *surveillance_detector_name(enum surveillance_detector detector)
{
    static const char *const names[DETECTOR_COUNT] = {
        [DETECTOR_WASH_ACCOUNT] = "wash_account",   [DETECTOR_WASH_MEMBER] = "wash_member",
        [DETECTOR_WASH_CIRCULAR] = "wash_circular", [DETECTOR_SPOOFING] = "spoofing",
        [DETECTOR_LAYERING] = "layering",           [DETECTOR_MARKING_CLOSE] = "marking_close",
        [DETECTOR_RATIO_NUMBER] = "ratio_number",   [DETECTOR_RATIO_VOLUME] = "ratio_volume"};
    ASSERT(detector >= DETECTOR_WASH_ACCOUNT && detector < DETECTOR_COUNT);
    return names[detector];
}

// ---- memory

static uint32_t power_of_two(int64_t at_least)
{
    uint32_t power = 1;
    while (power < at_least)
        power *= 2;
    return power;
}

static bool allocate(struct surveillance *s)
{
    s->member_of = calloc((size_t)s->accounts_max + 1, sizeof *s->member_of);
    s->shares = calloc((size_t)s->members_max + 1, sizeof *s->shares);
    s->instruments = calloc((size_t)s->instruments_max + 1, sizeof *s->instruments);
    s->orders = calloc(s->orders_max, sizeof *s->orders);
    s->order_chains = calloc(s->orders_max, sizeof *s->order_chains);
    s->pairs = calloc(s->pairs_max, sizeof *s->pairs);
    s->pair_chains = calloc(s->pairs_max, sizeof *s->pair_chains);
    s->trades = calloc(s->trades_max, sizeof *s->trades);
    s->circle_chains = calloc(s->trades_max, sizeof *s->circle_chains);
    return s->member_of != NULL && s->shares != NULL && s->instruments != NULL &&
           s->orders != NULL && s->order_chains != NULL && s->pairs != NULL &&
           s->pair_chains != NULL && s->trades != NULL && s->circle_chains != NULL;
}

struct surveillance *surveillance_create(const struct config *config)
{
    struct surveillance *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = *config;
    s->day = UINT64_MAX;
    s->accounts_max = (uint32_t)config->limits_accounts_max;
    s->members_max = (uint32_t)config->limits_members_max;
    s->instruments_max = (uint32_t)config->limits_instruments_max;
    s->orders_max = power_of_two(config->limits_orders_max + 1); // and one that never rests
    s->pairs_max = power_of_two(config->surveil_pairs_max);
    s->trades_max = power_of_two(config->surveil_trades_max);
    if (allocate(s))
        return s;
    surveillance_destroy(s);
    return NULL;
}

void surveillance_destroy(struct surveillance *s)
{
    if (s == NULL)
        return;
    free(s->member_of);
    free(s->shares);
    free(s->instruments);
    free(s->orders);
    free(s->order_chains);
    free(s->pairs);
    free(s->pair_chains);
    free(s->trades);
    free(s->circle_chains);
    free(s);
}

uint64_t surveillance_day_first(const struct surveillance *s)
{
    return s->day_first;
}

uint64_t surveillance_untracked(const struct surveillance *s)
{
    return s->untracked;
}

// ---- figures and alerts

int64_t surveillance_clamp(money_sum sum)
{
    return sum > INT64_MAX ? INT64_MAX : sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

int64_t surveillance_percent(money_sum a, money_sum b)
{
    return b > 0 ? surveillance_clamp(a * 100 / b) : INT64_MAX;
}

// Quantities of sums are bounded to 2^63 for it: the product fits 128 bits.
bool surveillance_worth(const struct surveillance *s, uint32_t instrument, int64_t price,
                        money_sum quantity, int64_t minimum)
{
    uint8_t scale = s->instruments[instrument].token_scale;
    ASSERT(scale <= MONEY_SCALE_MAX && price >= 0);
    return (money_sum)price * surveillance_clamp(quantity) >=
           (money_sum)minimum * (money_sum)money_power_of_10[scale];
}

struct surveillance_alert *surveillance_alert(struct surveillance *s, const struct event *event,
                                              enum surveillance_detector detector,
                                              uint32_t instrument)
{
    ASSERT(s->out_count < SURVEILLANCE_ALERTS_MAX);
    struct surveillance_alert *alert = &s->out[s->out_count++];
    *alert = (struct surveillance_alert){.detector = (uint8_t)detector,
                                         .instrument = instrument,
                                         .token_scale = s->instruments[instrument].token_scale,
                                         .sequence = event->header.sequence,
                                         .index = event->header.index,
                                         .time_ns = event->header.time_ns,
                                         .since_ns = event->header.time_ns};
    memcpy(alert->symbol, s->instruments[instrument].symbol, sizeof alert->symbol);
    surveillance_evidence(alert, event->header.sequence);
    return alert;
}

void surveillance_evidence(struct surveillance_alert *alert, uint64_t sequence)
{
    uint32_t at = alert->evidence_count;
    while (at > 0 && alert->evidence[at - 1] > sequence)
        at--;
    if (at > 0 && alert->evidence[at - 1] == sequence)
        return;
    alert->evidence_total++;
    if (alert->evidence_count == SURVEILLANCE_EVIDENCE_MAX) {
        if (at == 0)
            return;
        memmove(&alert->evidence[0], &alert->evidence[1], (--at) * sizeof alert->evidence[0]);
    } else {
        memmove(&alert->evidence[at + 1], &alert->evidence[at],
                (alert->evidence_count++ - at) * sizeof alert->evidence[0]);
    }
    alert->evidence[at] = sequence;
}

// ---- withdrawals

static void withdrawn(struct surveillance *s, const struct event *event,
                      const struct surveillance_order *order, int64_t quantity)
{
    if (quantity <= 0 || !order->today || order->traded || !order->tracked)
        return;
    const struct surveillance_withdrawal withdrawal = {.order = order, .quantity = quantity};
    spoof_withdrawn(s, event, &withdrawal);
    layer_withdrawn(s, event, &withdrawal);
}

static bool is_by_owner(uint8_t reason)
{
    return reason == CANCEL_BY_OWNER || reason == CANCEL_MASS || reason == CANCEL_DISCONNECT ||
           reason == CANCEL_AMENDED;
}

// To a worse price: all of it; to less: what is less.
static int64_t amended_away(const struct surveillance_order *order,
                            const struct order_amended_evt *e)
{
    bool worse = order->side == SIDE_BUY ? e->price < order->price : e->price > order->price;
    return worse ? order->shown : order->shown - e->leaves;
}

static void look_before(struct surveillance *s, const struct event *event)
{
    const struct surveillance_order *order;
    switch (event->header.type) {
    case EVT_order_cancelled:
        order = facts_order_find(s, event->body.order_cancelled.order);
        if (order != NULL && is_by_owner(event->body.order_cancelled.reason))
            withdrawn(s, event, order, order->shown);
        break;
    case EVT_order_amended:
        order = facts_order_find(s, event->body.order_amended.order);
        if (order != NULL && order->shown > 0)
            withdrawn(s, event, order, amended_away(order, &event->body.order_amended));
        break;
    case EVT_auction:
    case EVT_instrument_state:
        marking_close_apply(s, event);
        break;
    default:
        break;
    }
}

static void look_behind(struct surveillance *s, const struct event *event)
{
    if (event->header.type == EVT_trade) {
        trades_add(s, event);
        wash_traded(s, event);
        circle_traded(s, event);
        layer_traded(s, event);
    }
    ratio_apply(s, event);
}

// ---- events

bool surveillance_begins_day(const struct surveillance *s, const struct event *event)
{
    return event->header.index == 0 && event->header.time_ns / DAY_NS != s->day;
}

size_t surveillance_apply(struct surveillance *s, const struct event *event,
                          struct surveillance_alert out[SURVEILLANCE_ALERTS_MAX])
{
    s->out = out;
    s->out_count = 0;
    if (surveillance_begins_day(s, event)) {
        facts_new_day(s);
        s->day = event->header.time_ns / DAY_NS;
        s->day_first = event->header.sequence;
    }
    look_before(s, event);
    facts_apply(s, event);
    look_behind(s, event);
    return s->out_count;
}
