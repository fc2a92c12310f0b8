// Snapshots: limits, controls, and what has been counted for them. What is not set and has counted
// nothing has no record.
#include "matcher/engine_saver.h"

int save_jurisdictions(const struct saver *saver, const struct instrument *instrument)
{
    struct jurisdiction_rec record = {0};
    if (instrument->jurisdictions.mode == JURISDICTIONS_ANY && instrument->jurisdictions.count == 0)
        return 0;
    while (engine_jurisdiction_next(instrument, &record))
        SAVE(saver, jurisdiction, record);
    return 0;
}

uint64_t save_window(const struct window *window, uint32_t length_ms)
{
    ASSERT((window->count != 0) >= (window->start_ns != 0));
    ASSERT(window->count == 0 || length_ms != 0);
    return window->count == 0 ? 0 : window->start_ns / (length_ms * PARTY_MS_NS);
}

int save_member_risk(const struct saver *saver, const struct member *member)
{
    if (member->own.id != 0)
        SAVE(saver, limits, member->own);
    if (member->messages.count == 0 && member->traded.amount == 0)
        return 0;
    struct member_state_rec record = {.member = member->terms.member,
                                      .messages = member->messages.count,
                                      .messages_window =
                                          save_window(&member->messages, member->own.messages_ms),
                                      .traded_day = member->traded.day,
                                      .traded = member->traded.amount};
    SAVE(saver, member_state, record);
    return 0;
}

static int save_account_state(const struct saver *saver, const struct account *account)
{
    const struct last_order *last = &account->last;
    if (account->executions.count == 0 && account->traded.amount == 0 && last->order == 0)
        return 0; // what is tripped has executions
    struct account_state_rec record = {
        .account = account->terms.account,
        .executions = account->executions.count,
        .executions_window = save_window(&account->executions, account->own.executions_ms),
        .traded_day = account->traded.day,
        .traded = account->traded.amount,
        .last_order = last->order,
        .last_ns = last->time_ns,
        .last_price = last->price,
        .last_quantity = last->quantity,
        .last_stop_price = last->stop_price,
        .last_instrument = last->instrument,
        .last_side = last->side,
        .last_type = last->type,
        .last_tif = last->tif,
        .tripped = account->tripped};
    SAVE(saver, account_state, record);
    return 0;
}

// Periods in which something was bought, ascending.
static int save_investments(const struct saver *saver, const struct account *account)
{
    uint32_t newest = account->bought_period;
    uint32_t periods = newest < INVESTMENT_PERIODS ? newest + 1 : INVESTMENT_PERIODS;
    for (uint32_t back = periods; back-- > 0;) {
        uint32_t period = newest - back;
        struct investment_rec record = {
            .account = account->terms.account,
            .period = period,
            .bought =
                back == 0 ? account->bought : account->bought_at[period % INVESTMENT_PERIODS]};
        if (record.bought != 0)
            SAVE(saver, investment, record);
    }
    return 0;
}

int save_account_risk(const struct saver *saver, const struct account *account)
{
    if (account->own.id != 0)
        SAVE(saver, limits, account->own);
    int result = save_account_state(saver, account);
    return result != 0 ? result : save_investments(saver, account);
}

int save_session_risk(const struct saver *saver, const struct session *session)
{
    if (session->own.id != 0)
        SAVE(saver, limits, session->own);
    return 0;
}

int save_confirms(const struct saver *saver, const struct confirms *confirms)
{
    uint32_t kept = confirms_kept(confirms);
    for (uint32_t i = 0; i < kept; i++)
        SAVE(saver, confirm, *confirms_at(confirms, i));
    return 0;
}
