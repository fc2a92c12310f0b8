// Fees of the naive venue: their records, which of five levels holds, and what a side pays.
#include "tests/model/naive_parts.h"

static const struct fees_rec *record_of(const struct naive_venue *venue, uint32_t account,
                                        uint32_t instrument)
{
    for (uint32_t i = 0; i < NAIVE_FEES; i++) {
        const struct fees_rec *record = &venue->fees[i];
        bool used = record->account != 0 || record->instrument != 0;
        if (used && record->account == account && record->instrument == instrument)
            return record;
    }
    return NULL;
}

// ---- which holds

uint32_t naive_fees_level(const struct naive_venue *venue, uint32_t account, uint32_t instrument)
{
    if (record_of(venue, account, instrument) != NULL)
        return 1;
    if (record_of(venue, account, 0) != NULL)
        return 2;
    if (venue->accounts[account].fee_bps != FEE_BPS_DEFAULT)
        return 3;
    return record_of(venue, 0, instrument) != NULL ? 4 : 5;
}

static struct fees_rec paid_by_seller(uint32_t bps)
{
    return (struct fees_rec){.sell_maker_bps = (uint16_t)bps, .sell_taker_bps = (uint16_t)bps};
}

static struct fees_rec rates_of(const struct naive_venue *venue, uint32_t account,
                                uint32_t instrument)
{
    switch (naive_fees_level(venue, account, instrument)) {
    case 1:
        return *record_of(venue, account, instrument);
    case 2:
        return *record_of(venue, account, 0);
    case 3:
        return paid_by_seller(venue->accounts[account].fee_bps);
    case 4:
        return *record_of(venue, 0, instrument);
    default:
        return paid_by_seller(venue->instruments[instrument].terms.fee_bps);
    }
}

// ---- what is paid

int64_t naive_fee(int64_t value, uint32_t bps)
{
    return (int64_t)((wide)value * bps / 10000);
}

uint32_t naive_fees_held(const struct naive_venue *venue, const struct naive_order *order)
{
    struct fees_rec rates = rates_of(venue, order->account, order->instrument);
    if (order->side == SIDE_SELL)
        return 0;
    return rates.buy_maker_bps > rates.buy_taker_bps ? rates.buy_maker_bps : rates.buy_taker_bps;
}

int64_t naive_fees_at_match(const struct naive_venue *venue, const struct naive_order *order,
                            bool maker, int64_t value)
{
    struct fees_rec rates = rates_of(venue, order->account, order->instrument);
    if (order->side == SIDE_SELL)
        return naive_fee(value, maker ? rates.sell_maker_bps : rates.sell_taker_bps);
    uint32_t bps = maker ? rates.buy_maker_bps : rates.buy_taker_bps;
    return naive_fee(value, bps < order->buyer_bps ? bps : order->buyer_bps);
}

// ---- their records

static uint32_t records(const struct naive_venue *venue)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < NAIVE_FEES; i++)
        count += venue->fees[i].account != 0 || venue->fees[i].instrument != 0;
    return count;
}

static bool rates_refused(struct naive_venue *venue, const struct fees_set_cmd *body)
{
    const uint16_t rates[] = {body->sell_maker_bps, body->sell_taker_bps, body->buy_maker_bps,
                              body->buy_taker_bps};
    for (int i = 0; i < 4; i++)
        REFUSE_IF(rates[i] > 10000, FEES, 10000, rates[i], 3 + i)
    return false;
}

static bool fees_refused(struct naive_venue *venue, const struct fees_set_cmd *body)
{
    if ((body->account != 0 && naive_member_account_refused(venue, body->account)) ||
        (body->instrument != 0 && naive_instrument_refused(venue, body->instrument)))
        return true;
    REFUSE_IF(body->account == 0 && body->instrument == 0, FEES, 0, 0, 2)
    if (rates_refused(venue, body))
        return true;
    REFUSE_IF(body->remove > 1, FEES, 1, body->remove, 7)
    bool there = record_of(venue, body->account, body->instrument) != NULL;
    REFUSE_IF(body->remove == 1 && !there, FEES, 0, 0, 1)
    REFUSE_IF(!there && records(venue) >= venue->limits.fees, FEES_MAX, venue->limits.fees,
              records(venue), 0)
    return false;
}

static struct fees_rec *place_of(struct naive_venue *venue, const struct fees_rec *record)
{
    struct fees_rec *free = NULL;
    for (uint32_t i = 0; i < NAIVE_FEES; i++) {
        struct fees_rec *there = &venue->fees[i];
        if (there->account == record->account && there->instrument == record->instrument)
            return there;
        if (there->account == 0 && there->instrument == 0)
            free = there;
    }
    ASSERT(free != NULL);
    return free;
}

void naive_fees_set(struct naive_venue *venue)
{
    const struct fees_set_cmd *body = &venue->command->body.fees_set;
    struct fees_rec told;
    if (fees_refused(venue, body))
        return;
    memcpy(&told, body, sizeof(told));
    if (body->remove == 1)
        told = (struct fees_rec){
            .account = body->account, .instrument = body->instrument, .remove = 1};
    *place_of(venue, &told) = body->remove == 1 ? (struct fees_rec){0} : told;
    memcpy(&naive_emit(venue, EVT_fees_changed)->body, &told, sizeof(told));
}
