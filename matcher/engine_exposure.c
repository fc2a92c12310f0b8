#include "matcher/engine_exposure.h"

static uint64_t end_ns(uint64_t number, uint64_t length_ns)
{
    uint64_t end = 0;
    return __builtin_mul_overflow(number + 1, length_ns, &end) ? UINT64_MAX : end;
}

void engine_calendar_turn(struct engine *engine)
{
    uint64_t day = engine->time_ns / PARTY_DAY_NS;
    uint64_t period = engine->time_ns / PARTY_PERIOD_NS;
    uint64_t day_end_ns = end_ns(day, PARTY_DAY_NS);
    uint64_t period_end_ns = end_ns(period, PARTY_PERIOD_NS);
    ASSERT(day <= UINT32_MAX && period <= UINT32_MAX);
    engine->check_venue.day = (uint32_t)day;
    engine->check_venue.period = (uint32_t)period;
    engine->calendar_end_ns = day_end_ns < period_end_ns ? day_end_ns : period_end_ns;
}

// When an account is tripped nothing is counted any more: only its limits, set again, end that.
void exposure_executed(struct engine *engine, struct account *account)
{
    const struct limits_rec *own = &account->own;
    if (own->executions_max == 0 || account->tripped)
        return;
    ASSERT(own->executions_ms != 0);
    (void)window_turn(&account->executions, engine->time_ns, own->executions_ms);
    account->executions.count++;
    account->tripped = account->executions.count >= own->executions_max;
}
