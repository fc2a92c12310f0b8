// The ledger of the naive venue: what operators post, and what settlement reports.
#include "tests/model/naive_parts.h"

// True if the command is answered already.
static bool reference_answered(struct naive_venue *venue, uint32_t source, uint64_t number,
                               bool same_content)
{
    uint64_t last = venue->references[source].number;
    REFUSE_IF(number < last || number == 0, REFERENCE_OLD, (int64_t)last, (int64_t)number, 0)
    REFUSE_IF(number == last && !same_content, REFERENCE_CONFLICT, 0, (int64_t)number, 0)
    if (number == last)
        naive_done(venue, 1, 0);
    return number == last;
}

static bool post_refused(struct naive_venue *venue, const struct ledger_post_cmd *body,
                         const struct balance_rec *own, const struct balance_rec *counter)
{
    bool gives = body->kind == POSTING_DEPOSIT || body->kind == POSTING_CREDIT;
    int64_t free = own->available - own->unsettled - own->blocked;
    REFUSE_IF(!gives && body->amount > own->available, INSUFFICIENT_BALANCE, body->amount,
              own->available, 0)
    REFUSE_IF(body->kind == POSTING_WITHDRAWAL && body->amount > (free > 0 ? free : 0),
              WITHDRAWAL_UNSETTLED, free > 0 ? free : 0, body->amount, 0)
    REFUSE_IF(body->amount > NAIVE_MONEY_MAX ||
                  (gives && (wide)counter->available - body->amount < -NAIVE_MONEY_MAX),
              OVERFLOW, NAIVE_MONEY_MAX, body->amount, 0)
    return false;
}

static bool post_form_refused(struct naive_venue *venue, const struct ledger_post_cmd *body)
{
    REFUSE_IF(body->kind < POSTING_DEPOSIT || body->kind > POSTING_DEBIT, POSTING_KIND, 0,
              body->kind, 0)
    REFUSE_IF(body->amount <= 0, QUANTITY_NOT_POSITIVE, 1, body->amount, 0)
    REFUSE_IF(body->account != ACCOUNT_TREASURY && body->account != ACCOUNT_SUSPENSE &&
                  (body->account >= NAIVE_ACCOUNTS || venue->accounts[body->account].account == 0),
              UNKNOWN_ACCOUNT, 0, body->account, 0)
    REFUSE_IF(body->asset >= NAIVE_ASSETS || venue->assets[body->asset].asset == 0, UNKNOWN_ASSET,
              0, body->asset, 0)
    return false;
}

void naive_ledger_post(struct naive_venue *venue)
{
    const struct ledger_post_cmd *body = &venue->command->body.ledger_post;
    uint32_t source = body->ref_source;
    if (reference_answered(venue, source, body->ref_number,
                           body->ref_hash == venue->references[source].hash) ||
        post_form_refused(venue, body))
        return;
    bool outside = body->kind == POSTING_DEPOSIT || body->kind == POSTING_WITHDRAWAL;
    bool gives = body->kind == POSTING_DEPOSIT || body->kind == POSTING_CREDIT;
    uint32_t other = outside ? ACCOUNT_OUTSIDE : ACCOUNT_SUSPENSE;
    struct balance_rec *own = &venue->balances[body->account][body->asset];
    struct balance_rec *counter = &venue->balances[other][body->asset];
    bool *own_opened = &venue->opened[body->account][body->asset];
    bool *counter_opened = &venue->opened[other][body->asset];
    if (post_refused(venue, body, own, counter) ||
        naive_open_refused(venue, own_opened, counter_opened))
        return;
    *own_opened = true;
    *counter_opened = true;
    int64_t change = gives ? body->amount : -body->amount;
    own->available += change;
    counter->available -= change;
    venue->references[source].number = body->ref_number;
    venue->references[source].hash = body->ref_hash;
    naive_emit(venue, EVT_ledger_posted)->body.ledger_posted =
        (struct ledger_posted_evt){.account = body->account,
                                   .asset = body->asset,
                                   .amount = change,
                                   .kind = body->kind,
                                   .counter_account = other,
                                   .ref_source = source,
                                   .ref_number = body->ref_number,
                                   .available = own->available,
                                   .held = own->held,
                                   .unsettled = own->unsettled,
                                   .blocked = own->blocked};
}

void naive_settlement_result(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    bool same = memcmp(body, &venue->last_settlement, sizeof(*body)) == 0;
    if (reference_answered(venue, REF_SETTLE, body->ref_number, same))
        return;
    const struct instrument_rec *terms = &venue->instruments[body->instrument].terms;
    struct balance_rec *tokens = &venue->balances[body->buyer_account][terms->token_asset];
    struct balance_rec *cash = &venue->balances[body->seller_account][terms->cash_asset];
    bool retried = body->outcome == SETTLEMENT_RETRIED;
    int64_t there = retried ? tokens->blocked : tokens->unsettled;
    if (there < body->quantity) {
        naive_reject(venue, REJECT_SETTLEMENT_MISMATCH, there, body->quantity, 0);
        return;
    }
    if (cash->unsettled < body->proceeds) {
        naive_reject(venue, REJECT_SETTLEMENT_MISMATCH, cash->unsettled, body->proceeds, 1);
        return;
    }
    tokens->unsettled += retried ? body->quantity : -body->quantity;
    if (body->outcome == SETTLEMENT_SETTLED)
        cash->unsettled -= body->proceeds;
    else
        tokens->blocked += retried ? -body->quantity : body->quantity;
    venue->references[REF_SETTLE].number = body->ref_number;
    venue->last_settlement = *body;
    naive_emit(venue, EVT_settlement_booked)->body.settlement_booked =
        *(const struct settlement_booked_evt *)(const void *)body;
}
