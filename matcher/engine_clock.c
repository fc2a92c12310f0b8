// Time: what is due when, and what goes on in the next command.
//
// The engine reads no clock: the core journals a clock_tick when the engine's deadline has passed.
// One tick does one thing: it expires dated orders, or settlement instructions, or it handles the
// earliest deadline of one instrument (end of a phase, entry of its schedule, indicative price). What does not fit into one
// command's events goes on in a continue_work, which is the very next command.
#include "matcher/engine_state.h"

#define DAY_NS ((uint64_t)86400 * 1000000000)
#define MS_NS  ((uint64_t)1000000)

// ---- dated orders

void engine_dated_add(struct engine *engine, uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    ASSERT((order->marks & ORDER_MARK_DATED) != 0);
    timers_set(&engine->dated, place, engine->pool.terms[place].expire_ns, order->id);
}

void engine_dated_remove(struct engine *engine, uint32_t place)
{
    timers_remove(&engine->dated, place);
}

bool engine_expire(struct turn *turn, uint32_t room)
{
    struct engine *engine = turn->engine;
    while (timers_next_ns(&engine->dated) <= engine->time_ns) {
        if (turn_room(turn) < room)
            return false;
        engine_cancel(turn, timers_first(&engine->dated), CANCEL_EXPIRED);
    }
    return true;
}

enum { EXPIRE_ROOM = 2 }; // the cancellation, and `done`

static void expire_or_go_on(struct turn *turn)
{
    if (!engine_expire(turn, EXPIRE_ROOM))
        turn->engine->pending =
            (struct pending_rec){.command = CMD_continue_work, .work = WORK_EXPIRE};
}

// ---- schedules

static uint64_t schedule_slot_ns(const struct schedule_slot *slot)
{
    return slot->time_of_day_ms * MS_NS;
}

// Day 0 was a Thursday.
static bool schedule_has_day(const struct instrument *instrument, uint64_t day)
{
    return (instrument->weekdays >> (day + 3) % 7 & 1) != 0;
}

uint64_t engine_schedule_after(const struct instrument *instrument, uint64_t time_ns)
{
    uint64_t today = time_ns / DAY_NS;
    for (uint64_t day = today; day <= today + 7; day++) {
        if (!schedule_has_day(instrument, day))
            continue;
        for (uint32_t i = 0; i < instrument->entry_count; i++) {
            uint64_t at_ns = day * DAY_NS + schedule_slot_ns(&instrument->schedule[i]);
            if (at_ns > time_ns)
                return at_ns;
        }
    }
    ASSERT(instrument->entry_count == 0); // else some day of a week has one
    return 0;
}

static uint8_t schedule_phase_at(const struct instrument *instrument, uint64_t time_ns)
{
    uint32_t i = 0;
    while (schedule_slot_ns(&instrument->schedule[i]) != time_ns % DAY_NS) {
        i++;
        ASSERT(i < instrument->entry_count);
    }
    return instrument->schedule[i].phase;
}

// ---- deadlines of instruments

static uint64_t earlier_of(uint64_t left_ns, uint64_t right_ns) // 0 = never
{
    if (left_ns == 0 || right_ns == 0)
        return left_ns | right_ns;
    return left_ns < right_ns ? left_ns : right_ns;
}

static uint64_t deadline_of(const struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    return earlier_of(earlier_of(state->phase_end_ns, state->limit_state_end_ns),
                      earlier_of(state->schedule_next_ns, state->indicative_due_ns));
}

void engine_deadline_update(struct engine *engine, struct instrument *instrument)
{
    uint32_t id = instrument->terms.instrument;
    uint64_t deadline_ns = deadline_of(instrument);
    if (deadline_ns != 0)
        timers_set(&engine->deadlines, id, deadline_ns, id);
    else
        timers_remove(&engine->deadlines, id);
}

// A halt is lifted by people: the schedule only closes what is halted.
static uint8_t schedule_allows(const struct instrument *instrument, uint8_t phase)
{
    bool halted = instrument->state.phase == PHASE_HALTED;
    return halted && phase != PHASE_CLOSED ? PHASE_HALTED : phase;
}

static void schedule_come(struct turn *turn, struct instrument *instrument)
{
    uint64_t due_ns = instrument->state.schedule_next_ns;
    uint8_t phase = schedule_phase_at(instrument, due_ns);
    instrument->state.schedule_next_ns = engine_schedule_after(instrument, due_ns);
    engine_deadline_update(turn->engine, instrument);
    engine_phase_change(turn, instrument, schedule_allows(instrument, phase));
}

static void deadline_come(struct turn *turn, struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    uint64_t due_ns = deadline_of(instrument);
    ASSERT(due_ns != 0 && due_ns <= turn->engine->time_ns);
    if (state->phase_end_ns == due_ns)
        engine_phase_change(turn, instrument, PHASE_CONTINUOUS);
    else if (state->limit_state_end_ns == due_ns)
        engine_phase_change(turn, instrument, PHASE_VOLATILITY_AUCTION);
    else if (state->schedule_next_ns == due_ns)
        schedule_come(turn, instrument);
    else
        engine_phase_publish(turn, instrument);
}

// ---- commands

static void tick_work(struct turn *turn)
{
    struct engine *engine = turn->engine;
    if (timers_next_ns(&engine->dated) <= engine->time_ns)
        expire_or_go_on(turn);
    else if (engine->xvp_next_ns <= engine->time_ns)
        engine_xvp_expire(turn);
    else if (engine->venue_state == VENUE_OPEN &&
             timers_next_ns(&engine->deadlines) <= engine->time_ns)
        deadline_come(turn, engine_instrument(engine, timers_first(&engine->deadlines)));
}

// Between a large command and its continuation a tick does nothing.
void engine_clock_tick(struct turn *turn)
{
    if (turn->engine->pending.command == 0)
        tick_work(turn);
    turn_done(turn, false, turn->sink->count);
}

void engine_continue_work(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct pending_rec *resumed = &engine->resumed;
    struct instrument *instrument = engine_instrument(engine, resumed->instrument);
    ASSERT(turn->resumes);
    if (resumed->work == WORK_EXPIRE)
        expire_or_go_on(turn);
    else if (resumed->work == WORK_PHASE)
        engine_phase_resume(turn, instrument);
    else if (resumed->work == WORK_UNCOVER)
        engine_uncover(turn);
    else
        engine_stops_run(turn, instrument);
    turn_done(turn, false, turn->sink->count);
}
