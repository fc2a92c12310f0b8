// Time in the naive venue: deadlines, ticks, schedules.
#include "tests/model/naive_parts.h"

static const uint64_t day_ns = 86400000000000;

// The first entry strictly after this time; 0 = there is no schedule. Day 0, 1970-01-01, was a
// Thursday; bit 0 of the mask is Monday.
uint64_t naive_schedule_after(const struct naive_instrument *instrument, uint64_t time_ns)
{
    if (instrument->entry_count == 0)
        return 0;
    for (uint64_t day = time_ns / day_ns;; day++)
        for (uint32_t i = 0; i < instrument->entry_count; i++) {
            uint64_t at = day * day_ns + (uint64_t)instrument->entries[i].time_of_day_ms * 1000000;
            if ((instrument->weekdays >> (day + 3) % 7 & 1) != 0 && at > time_ns)
                return at;
        }
}

static uint8_t schedule_phase_at(const struct naive_instrument *instrument, uint64_t time_ns)
{
    for (uint32_t i = 0; i < instrument->entry_count; i++)
        if ((uint64_t)instrument->entries[i].time_of_day_ms * 1000000 == time_ns % day_ns)
            return instrument->entries[i].phase;
    ASSERT(false);
    return 0;
}

static uint64_t earlier(uint64_t a, uint64_t b) // 0 = none
{
    return b != 0 && b < a ? b : a;
}

uint64_t naive_deadline(const struct naive_venue *venue)
{
    uint64_t deadline = UINT64_MAX;
    for (uint32_t i = 0; i < venue->order_top; i++)
        deadline = earlier(deadline, venue->orders[i].expire_ns);
    for (uint32_t i = 1; i < NAIVE_INSTRUMENTS && venue->state == VENUE_OPEN; i++) {
        const struct instrument_state_rec *state = &venue->instruments[i].state;
        deadline = earlier(deadline, state->phase_end_ns);
        deadline = earlier(deadline, state->limit_state_end_ns);
        deadline = earlier(deadline, state->schedule_next_ns);
        deadline = earlier(deadline, state->indicative_due_ns);
    }
    return earlier(deadline, naive_xvp_deadline(venue));
}

struct naive_order *naive_first_expired(struct naive_venue *venue)
{
    struct naive_order *first = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->expire_ns == 0 || order->expire_ns > venue->now)
            continue;
        if (first == NULL || order->expire_ns < first->expire_ns ||
            (order->expire_ns == first->expire_ns && order->id < first->id))
            first = order;
    }
    return first;
}

void naive_expire(struct naive_venue *venue)
{
    struct naive_order *order = NULL;
    while ((order = naive_first_expired(venue)) != NULL) {
        if (naive_room(venue) < 2) {
            venue->pending = (struct naive_pending){.work = NAIVE_EXPIRE};
            return;
        }
        naive_cancel(venue, order, CANCEL_EXPIRED);
    }
}

static void schedule_comes(struct naive_venue *venue, uint32_t id)
{
    struct naive_instrument *instrument = &venue->instruments[id];
    uint64_t at = instrument->state.schedule_next_ns;
    instrument->state.schedule_next_ns = naive_schedule_after(instrument, at);
    uint8_t phase = schedule_phase_at(instrument, at);
    if (instrument->state.phase == PHASE_HALTED && phase != PHASE_CLOSED)
        phase = PHASE_HALTED;
    naive_phase_change(venue, id, phase);
}

static void indicative_comes(struct naive_venue *venue, uint32_t id)
{
    struct naive_auction auction = naive_auction(venue, id);
    venue->instruments[id].state.indicative_due_ns = 0;
    naive_auction_tell(venue, id, &auction, 0);
}

static void instruments_tick(struct naive_venue *venue)
{
    uint64_t deadline = naive_deadline(venue);
    for (uint32_t i = 1; i < NAIVE_INSTRUMENTS && deadline <= venue->now; i++) {
        const struct instrument_state_rec *state = &venue->instruments[i].state;
        if (state->phase_end_ns == deadline)
            naive_phase_change(venue, i, PHASE_CONTINUOUS);
        else if (state->limit_state_end_ns == deadline)
            naive_phase_change(venue, i, PHASE_VOLATILITY_AUCTION);
        else if (state->schedule_next_ns == deadline)
            schedule_comes(venue, i);
        else if (state->indicative_due_ns == deadline)
            indicative_comes(venue, i);
        else
            continue;
        return;
    }
}

void naive_clock_tick(struct naive_venue *venue)
{
    if (naive_first_expired(venue) != NULL)
        naive_expire(venue);
    else if (!naive_xvp_expire(venue))
        instruments_tick(venue);
    naive_done(venue, 0, venue->event_count);
}
