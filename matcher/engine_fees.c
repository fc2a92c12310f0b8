// Fees: records of what an account pays in an instrument, as maker and as taker, selling and buying
// (docs/risk.md 6).
//
// A record is found by a hash of account and instrument, but only where there is one: an account
// knows the first of its records, an instrument that of any account in it. Who has none, in an
// instrument that has none, pays by terms alone, and nothing is looked up; nor for an account whose
// only record is of all instruments: it has these rates itself.
#include "matcher/engine_state.h"

#define FIELD_FEES(type, name, doc) FEES_FIELD_##name,
enum fees_field { FEES_FIELD_none, FEES_BODY(FIELD_FEES) };

// ---- the table

static uint32_t *fees_bucket(const struct fees *fees, uint32_t account, uint32_t instrument)
{
    uint64_t key = (uint64_t)account << 32 | instrument;
    ASSERT(key != 0);
    return &fees->buckets[(uint32_t)(key * 0x9e3779b97f4a7c15u >> 32) & fees->bucket_mask];
}

// 0 = there is none.
static uint32_t fees_find(const struct fees *fees, uint32_t account, uint32_t instrument)
{
    uint32_t index = *fees_bucket(fees, account, instrument);
    while (index != 0 && (fees->records[index].terms.account != account ||
                          fees->records[index].terms.instrument != instrument))
        index = fees->records[index].next_in_bucket;
    ASSERT(index <= fees->touched);
    return index;
}

// Where the account's chain, which ascends by instrument, has or would have this record; that of
// any account hangs on its instrument.
static uint32_t *fees_chain(struct engine *engine, uint32_t account, uint32_t instrument)
{
    struct fee_record *records = engine->fees.records;
    if (account == 0)
        return &engine->instruments[instrument].fees;
    uint32_t *link = &engine->accounts[account].fees;
    while (*link != 0 && records[*link].terms.instrument < instrument)
        link = &records[*link].next_of_account;
    return link;
}

static struct fee_rates rates_of(const struct fee_record *record)
{
    const struct fees_rec *terms = &record->terms;
    return (struct fee_rates){.sell_maker = terms->sell_maker_bps,
                              .sell_taker = terms->sell_taker_bps,
                              .buy_maker = terms->buy_maker_bps,
                              .buy_taker = terms->buy_taker_bps};
}

// What an account has itself follows from its records, which have changed.
static void fees_derive(struct engine *engine, uint32_t account)
{
    struct account *payer = &engine->accounts[account];
    const struct fee_record *first = &engine->fees.records[payer->fees];
    if (account == 0)
        return;
    payer->fees_alone =
        payer->fees != 0 && first->terms.instrument == 0 && first->next_of_account == 0;
    payer->fee_rates = payer->fees_alone ? rates_of(first) : (struct fee_rates){0};
}

static uint32_t fees_take(struct engine *engine)
{
    struct fees *fees = &engine->fees;
    uint32_t index = fees->free;
    if (index != 0)
        fees->free = fees->records[index].next_in_bucket;
    else
        index = ++fees->touched;
    ASSERT(index <= engine->limits.fees_max);
    fees->count++;
    return index;
}

static void fees_add(struct engine *engine, const struct fees_rec *terms)
{
    struct fees *fees = &engine->fees;
    uint32_t index = fees_take(engine);
    uint32_t *bucket = fees_bucket(fees, terms->account, terms->instrument);
    uint32_t *link = fees_chain(engine, terms->account, terms->instrument);
    ASSERT(terms->account != 0 || *link == 0);
    fees->records[index] =
        (struct fee_record){.terms = *terms, .next_in_bucket = *bucket, .next_of_account = *link};
    *bucket = index;
    *link = index;
}

void engine_fees_put(struct engine *engine, const struct fees_rec *terms)
{
    uint32_t index = fees_find(&engine->fees, terms->account, terms->instrument);
    ASSERT(terms->remove == 0);
    if (index != 0)
        engine->fees.records[index].terms = *terms;
    else
        fees_add(engine, terms);
    fees_derive(engine, terms->account);
}

static void fees_remove(struct engine *engine, uint32_t account, uint32_t instrument)
{
    struct fees *fees = &engine->fees;
    uint32_t index = fees_find(fees, account, instrument);
    uint32_t *bucket = fees_bucket(fees, account, instrument);
    uint32_t *link = fees_chain(engine, account, instrument);
    ASSERT(index != 0 && *link == index);
    while (*bucket != index)
        bucket = &fees->records[*bucket].next_in_bucket;
    *link = fees->records[index].next_of_account;
    *bucket = fees->records[index].next_in_bucket;
    fees->records[index] = (struct fee_record){.next_in_bucket = fees->free};
    fees->free = index;
    fees->count--;
    fees_derive(engine, account);
}

// ---- what holds

// The seller pays, maker or taker alike (U13).
static struct fee_rates rates_of_terms(uint32_t fee_bps)
{
    ASSERT(fee_bps <= MONEY_BPS_ONE);
    return (struct fee_rates){.sell_maker = (uint16_t)fee_bps, .sell_taker = (uint16_t)fee_bps};
}

struct fee_rates engine_fee_rates(const struct engine *engine, const struct instrument *instrument,
                                  uint32_t account)
{
    const struct fees *fees = &engine->fees;
    const struct account *payer = &engine->accounts[account];
    ASSERT(payer->terms.account == account && account != 0);
    if (payer->fees_alone)
        return payer->fee_rates;
    if (payer->fees != 0) {
        uint32_t index = fees_find(fees, account, instrument->terms.instrument);
        if (index == 0 && fees->records[payer->fees].terms.instrument == 0)
            index = payer->fees;
        if (index != 0)
            return rates_of(&fees->records[index]);
    }
    if (payer->terms.fee_bps != FEE_BPS_DEFAULT)
        return rates_of_terms(payer->terms.fee_bps);
    if (instrument->fees != 0)
        return rates_of(&fees->records[instrument->fees]);
    return rates_of_terms(instrument->terms.fee_bps);
}

// ---- the command

static bool fees_rates_valid(const struct fees_rec *terms, struct refusal *refusal)
{
    const uint16_t rates[] = {terms->sell_maker_bps, terms->sell_taker_bps, terms->buy_maker_bps,
                              terms->buy_taker_bps};
    for (int i = 0; i < 4; i++)
        if (rates[i] > MONEY_BPS_ONE)
            return refuse(refusal, REJECT_FEES, MONEY_BPS_ONE, rates[i],
                          FEES_FIELD_sell_maker_bps + i);
    return true;
}

bool engine_fees_valid(const struct engine *engine, const struct fees_rec *terms,
                       struct refusal *refusal)
{
    const struct fees *fees = &engine->fees;
    if (terms->account != 0 && engine_account(engine, terms->account) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, terms->account, 0);
    if (terms->instrument != 0 && engine_instrument(engine, terms->instrument) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, terms->instrument, 0);
    if (terms->account == 0 && terms->instrument == 0)
        return refuse(refusal, REJECT_FEES, 0, 0, FEES_FIELD_instrument);
    if (!fees_rates_valid(terms, refusal))
        return false;
    if (terms->remove > 1)
        return refuse(refusal, REJECT_FEES, 1, terms->remove, FEES_FIELD_remove);
    bool there = fees_find(fees, terms->account, terms->instrument) != 0;
    if (terms->remove == 1)
        return there || refuse(refusal, REJECT_FEES, 0, 0, FEES_FIELD_account);
    return there || fees->count < engine->limits.fees_max ||
           refuse(refusal, REJECT_FEES_MAX, engine->limits.fees_max, fees->count, 0);
}

void engine_fees_set(struct turn *turn)
{
    struct fees_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.fees_set, sizeof(terms));
    if (!engine_fees_valid(turn->engine, &terms, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    if (terms.remove == 1) {
        fees_remove(turn->engine, terms.account, terms.instrument);
        terms = (struct fees_rec){
            .account = terms.account, .instrument = terms.instrument, .remove = 1};
    } else {
        engine_fees_put(turn->engine, &terms);
    }
    memcpy(&turn_emit(turn, EVT_fees_changed)->body, &terms, sizeof(terms));
}

// ---- the walk

static uint32_t check_chain(const struct engine *engine, uint32_t account)
{
    const struct fees *fees = &engine->fees;
    uint32_t count = 0;
    uint32_t index = engine->accounts[account].fees;
    for (; index != 0; index = fees->records[index].next_of_account) {
        const struct fee_record *record = &fees->records[index];
        ASSERT(record->terms.account == account);
        ASSERT(fees_find(fees, account, record->terms.instrument) == index);
        ASSERT(record->next_of_account == 0 ||
               fees->records[record->next_of_account].terms.instrument > record->terms.instrument);
        count++;
    }
    bool alone = count == 1 && fees->records[engine->accounts[account].fees].terms.instrument == 0;
    ASSERT(engine->accounts[account].fees_alone == alone);
    return count;
}

void engine_fees_check(const struct engine *engine)
{
    const struct fees *fees = &engine->fees;
    uint32_t count = 0;
    for (uint32_t id = 1; id <= engine->limits.accounts_max; id++)
        count += check_chain(engine, id);
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++) {
        uint32_t index = engine->instruments[id].fees;
        if (index == 0)
            continue;
        ASSERT(fees->records[index].next_of_account == 0);
        ASSERT(fees_find(fees, 0, id) == index);
        count++;
    }
    ASSERT(count == fees->count && count <= engine->limits.fees_max);
}
