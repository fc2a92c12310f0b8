// Statistics, happy path: trades are folded into the figures of a day; a new day begins with a
// phase or at midnight, and forgets the one before. Nothing here can fail.
#include "gateway/common/statistics.h"

#include "risk/money.h"
#include "risk/postings.h"

static void begin_day(struct statistics *statistics, uint64_t time_ns)
{
    *statistics = (struct statistics){.day_begin_ns = time_ns,
                                      .phase = statistics->phase,
                                      .closes = statistics->closes,
                                      .token_scale = statistics->token_scale};
}

static int64_t sum_of(int64_t left, int64_t right)
{
    int64_t sum;
    return __builtin_add_overflow(left, right, &sum) ? INT64_MAX : sum;
}

static void add_trade(struct statistics *statistics, const struct trade_evt *trade)
{
    if (statistics->trades++ == 0)
        statistics->open = statistics->low = statistics->high = trade->price;
    if (trade->price > statistics->high)
        statistics->high = trade->price;
    if (trade->price < statistics->low)
        statistics->low = trade->price;
    statistics->close = trade->price;
    statistics->volume = sum_of(statistics->volume, trade->quantity);
    statistics->turnover =
        sum_of(statistics->turnover,
               postings_notional(trade->price, trade->quantity, statistics->token_scale));
}

static void set_phase(struct statistics *statistics, const struct event *event)
{
    uint8_t phase = event->body.instrument_state.phase;
    if (phase != PHASE_CLOSED && statistics->phase == PHASE_CLOSED)
        begin_day(statistics, event->header.time_ns);
    statistics->phase = phase;
}

// The entries of a schedule come one after another, from index 0.
static void set_schedule(struct statistics *statistics, const struct schedule_entry_evt *entry)
{
    if (entry->index == 0)
        statistics->closes = false;
    if (entry->count > 0 && entry->phase == PHASE_CLOSED)
        statistics->closes = true;
}

void statistics_apply(struct statistics *statistics, const struct event *event)
{
    switch (event->header.type) {
    case EVT_instrument_changed:
        statistics->token_scale = event->body.instrument_changed.token_scale;
        if (statistics->phase == 0) // a new one is closed
            statistics->phase = PHASE_CLOSED;
        break;
    case EVT_instrument_state:
        set_phase(statistics, event);
        break;
    case EVT_schedule_entry:
        set_schedule(statistics, &event->body.schedule_entry);
        break;
    case EVT_trade:
        add_trade(statistics, &event->body.trade);
        break;
    default:
        break;
    }
}

void statistics_midnight(struct statistics *statistics, uint64_t midnight_ns)
{
    bool open = statistics->phase != 0 && statistics->phase != PHASE_CLOSED;
    if (open && !statistics->closes && statistics->day_begin_ns < midnight_ns)
        begin_day(statistics, midnight_ns);
}

int64_t statistics_vwap(const struct statistics *statistics)
{
    if (statistics->volume == 0)
        return 0;
    money_product scaled =
        (money_product)(uint64_t)statistics->turnover * money_power_of_10[statistics->token_scale];
    return (int64_t)(scaled / (uint64_t)statistics->volume);
}
