// Loading a snapshot's limits, controls, and what has been counted for them. Exposures follow from
// the orders.
#include "matcher/engine_saver.h"

bool load_jurisdiction(struct engine *engine, const struct jurisdiction_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    if (instrument == NULL || record->mode > JURISDICTIONS_EXCEPT ||
        record->count > JURISDICTIONS_MAX || record->index != instrument->jurisdictions.count)
        return false;
    struct jurisdictions *list = &instrument->jurisdictions;
    list->mode = record->mode;
    if (record->count == 0)
        return record->code == 0;
    return list->count < record->count && engine_jurisdiction_add(list, record->code);
}

static bool limits_party_exists(const struct engine *engine, const struct limits_rec *record)
{
    switch (record->scope) {
    case LIMIT_MEMBER:
        return engine_member(engine, record->id) != NULL;
    case LIMIT_ACCOUNT:
        return engine_account(engine, record->id) != NULL;
    case LIMIT_SESSION:
        return engine_session(engine, record->id) != NULL;
    default:
        return false;
    }
}

bool load_limits(struct engine *engine, const struct limits_rec *record)
{
    struct refusal refusal;
    if (!limits_party_exists(engine, record) || !engine_limits_valid(record, &refusal))
        return false;
    engine_limits_apply(engine, record);
    return true;
}

bool load_window(struct window *window, uint64_t number, uint32_t count, uint32_t max,
                 uint32_t length_ms, uint64_t time_ns)
{
    uint64_t start_ns = 0;
    if (count > max || (count == 0 && number != 0) ||
        __builtin_mul_overflow(number, length_ms * PARTY_MS_NS, &start_ns) || start_ns > time_ns)
        return false;
    *window = (struct window){.start_ns = start_ns, .count = count};
    return true;
}

static bool load_traded(struct traded *traded, uint64_t day, int64_t amount, uint64_t time_ns)
{
    if (amount < 0 || (amount == 0 && day != 0) || day > time_ns / PARTY_DAY_NS)
        return false;
    *traded = (struct traded){.amount = amount, .day = (uint32_t)day};
    return true;
}

bool load_member_state(struct engine *engine, const struct member_state_rec *record)
{
    if (engine_member(engine, record->member) == NULL)
        return false;
    struct member *member = &engine->members[record->member];
    const struct limits_rec *own = &member->own;
    return load_window(&member->messages, record->messages_window, record->messages,
                       own->messages_max, own->messages_ms, engine->time_ns) &&
           load_traded(&member->traded, record->traded_day, record->traded, engine->time_ns);
}

static bool load_last(struct account *account, const struct account_state_rec *record,
                      const struct engine *engine)
{
    if (record->last_order > engine->sequence || record->last_ns > engine->time_ns)
        return false;
    account->last = (struct last_order){.order = record->last_order,
                                        .time_ns = record->last_ns,
                                        .price = record->last_price,
                                        .quantity = record->last_quantity,
                                        .stop_price = record->last_stop_price,
                                        .instrument = record->last_instrument,
                                        .side = record->last_side,
                                        .type = record->last_type,
                                        .tif = record->last_tif};
    return true;
}

bool load_account_state(struct engine *engine, const struct account_state_rec *record)
{
    if (engine_account(engine, record->account) == NULL || record->tripped > 1)
        return false;
    struct account *account = &engine->accounts[record->account];
    const struct limits_rec *own = &account->own;
    bool at_max = own->executions_max != 0 && record->executions == own->executions_max;
    if ((record->tripped != 0) != at_max)
        return false;
    account->tripped = at_max;
    return load_window(&account->executions, record->executions_window, record->executions,
                       own->executions_max, own->executions_ms, engine->time_ns) &&
           load_traded(&account->traded, record->traded_day, record->traded, engine->time_ns) &&
           load_last(account, record, engine);
}

bool load_investment(struct engine *engine, const struct investment_rec *record)
{
    if (engine_account(engine, record->account) == NULL || record->bought <= 0 ||
        record->period > engine->time_ns / PARTY_PERIOD_NS)
        return false;
    struct account *account = &engine->accounts[record->account];
    uint32_t period = (uint32_t)record->period;
    if (period < account->bought_period ||
        (period == account->bought_period && account->bought != 0))
        return false;
    if (period > account->bought_period)
        party_period(account, period);
    account->bought = record->bought;
    return true;
}

bool load_confirm(struct engine *engine, const struct confirm_rec *record)
{
    struct confirms *confirms = engine->confirms;
    uint32_t kept = confirms_kept(confirms);
    if (record->reject == 0 || record->reject > engine->sequence ||
        record->time_ns > engine->time_ns ||
        (kept != 0 && confirms_at(confirms, kept - 1)->reject >= record->reject))
        return false;
    confirms_add(confirms, record);
    return true;
}
