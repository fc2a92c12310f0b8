#include "risk/party.h"

static int64_t bought_before(const struct account *account)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < INVESTMENT_PERIODS; i++)
        if (__builtin_add_overflow(sum, account->bought_at[i], &sum))
            return -1;
    return sum;
}

void party_period(struct account *account, uint32_t period)
{
    uint32_t from = account->bought_period;
    ASSERT(period > from);
    account->bought_at[from % INVESTMENT_PERIODS] = account->bought;
    uint32_t passed = period - from;
    for (uint32_t i = 1; i <= passed && i <= INVESTMENT_PERIODS; i++)
        account->bought_at[(from + i) % INVESTMENT_PERIODS] = 0;
    account->bought = 0;
    account->bought_period = period;
    account->bought_before = bought_before(account);
    ASSERT(account->bought_at[period % INVESTMENT_PERIODS] == 0);
}

money_sum party_bought(const struct account *account, uint32_t period)
{
    uint32_t newest = account->bought_period;
    ASSERT(period >= newest);
    if (__builtin_expect(period == newest && account->bought_before >= 0, 1))
        return (money_sum)account->bought_before + account->bought;
    money_sum sum = period - newest < INVESTMENT_PERIODS ? account->bought : 0;
    for (uint32_t back = 1; back < INVESTMENT_PERIODS && back <= newest; back++)
        if (period - (newest - back) < INVESTMENT_PERIODS)
            sum += account->bought_at[(newest - back) % INVESTMENT_PERIODS];
    return sum;
}

void party_limit_account(struct account *account, const struct limits_rec *own)
{
    ASSERT(own->scope == LIMIT_ACCOUNT && own->id == account->terms.account);
    account->own = *own;
    account->limited = (own->order_value_max | own->daily_value_max) != 0 ||
                       (own->open_orders_max | own->duplicate_ms | own->executions_max) != 0;
}

void party_limit_member(struct member *member, const struct limits_rec *own)
{
    ASSERT(own->scope == LIMIT_MEMBER && own->id == member->terms.member);
    member->own = *own;
    member->limited =
        (own->order_value_max | own->daily_value_max) != 0 || own->open_orders_max != 0;
    member->throttled = own->messages_max != 0;
    member->flags = own->flags;
}
