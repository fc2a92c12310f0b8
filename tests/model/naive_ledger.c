// The ledger of the naive venue: what operators post, and what settlement reports.
#include "tests/model/naive_parts.h"

// ---- references

// True if the command is answered already.
static bool answered(struct naive_venue *venue, uint32_t source, uint64_t number, bool same_content)
{
    uint64_t last = venue->references[source].number;
    REFUSE_IF(number < last || number == 0, REFERENCE_OLD, (int64_t)last, (int64_t)number, 0)
    REFUSE_IF(number == last && !same_content, REFERENCE_CONFLICT, 0, (int64_t)number, 0)
    if (number == last)
        naive_done(venue, 1, 0);
    return number == last;
}

bool naive_reference_answered(struct naive_venue *venue, uint32_t source, uint64_t number,
                              uint64_t hash)
{
    return answered(venue, source, number, hash == venue->references[source].hash);
}

void naive_reference_keep(struct naive_venue *venue, uint32_t source, uint64_t number,
                          uint64_t hash)
{
    venue->references[source].number = number;
    venue->references[source].hash = hash;
}

// ---- what a posting is

// To the account, from the other side.
static bool gives(uint8_t kind)
{
    return kind == POSTING_DEPOSIT || kind == POSTING_CREDIT || kind == POSTING_CHAIN_IN;
}

// Refused as a withdrawal is.
static bool leaves(uint8_t kind)
{
    return kind == POSTING_WITHDRAWAL || kind == POSTING_TRANSFER;
}

static uint32_t other_side(const struct ledger_post_cmd *body)
{
    switch (body->kind) {
    case POSTING_CREDIT:
    case POSTING_DEBIT:
        return ACCOUNT_SUSPENSE;
    case POSTING_TRANSFER:
        return body->counter_account;
    case POSTING_COVER:
        return ACCOUNT_DEFICIT;
    default:
        return ACCOUNT_OUTSIDE;
    }
}

static bool needs_approval(uint8_t kind)
{
    return kind == POSTING_CREDIT || kind == POSTING_DEBIT || kind == POSTING_TRANSFER ||
           kind == POSTING_COVER;
}

// ---- what is refused

static bool account_refused(struct naive_venue *venue, const struct ledger_post_cmd *body)
{
    bool members_only = body->kind == POSTING_COVER || body->kind == POSTING_CHAIN_IN ||
                        body->kind == POSTING_CHAIN_OUT;
    bool venues = body->account == ACCOUNT_TREASURY || body->account == ACCOUNT_SUSPENSE;
    return (members_only || !venues) && naive_member_account_refused(venue, body->account);
}

static bool counter_account_refused(struct naive_venue *venue, const struct ledger_post_cmd *body)
{
    uint32_t counter = body->counter_account;
    bool transfer = body->kind == POSTING_TRANSFER;
    REFUSE_IF(transfer ? counter == body->account : counter != 0, UNKNOWN_ACCOUNT, 0, counter, 0)
    return transfer && naive_member_account_refused(venue, counter);
}

static bool form_refused(struct naive_venue *venue, const struct ledger_post_cmd *body)
{
    REFUSE_IF(body->kind < POSTING_DEPOSIT || body->kind > POSTING_COVER, POSTING_KIND, 0,
              body->kind, 0)
    REFUSE_IF(body->amount <= 0, QUANTITY_NOT_POSITIVE, 1, body->amount, 0)
    if (account_refused(venue, body) || counter_account_refused(venue, body))
        return true;
    REFUSE_IF(body->asset >= NAIVE_ASSETS || venue->assets[body->asset].asset == 0, UNKNOWN_ASSET,
              0, body->asset, 0)
    return false;
}

static bool funds_refused(struct naive_venue *venue, const struct ledger_post_cmd *body,
                          const struct balance_rec *own)
{
    int64_t free = own->available - own->unsettled - own->blocked;
    if (leaves(body->kind) && naive_deficit_refused(venue, body->account, body->asset))
        return true;
    REFUSE_IF(!gives(body->kind) && body->kind != POSTING_CHAIN_OUT &&
                  body->amount > own->available,
              INSUFFICIENT_BALANCE, body->amount, own->available, 0)
    REFUSE_IF(leaves(body->kind) && body->amount > (free > 0 ? free : 0), WITHDRAWAL_UNSETTLED,
              free > 0 ? free : 0, body->amount, 0)
    REFUSE_IF(body->kind == POSTING_COVER && body->amount > own->deficit, QUANTITY_MAX,
              own->deficit, body->amount, 0)
    return false;
}

// What a posting would take from one of the venue's accounts that may be below zero.
static bool bounds_refused(struct naive_venue *venue, const struct ledger_post_cmd *body,
                           int64_t rest)
{
    const struct balance_rec *counter = &venue->balances[other_side(body)][body->asset];
    const struct balance_rec *deficit = &venue->balances[ACCOUNT_DEFICIT][body->asset];
    REFUSE_IF(
        body->amount > NAIVE_MONEY_MAX ||
            (gives(body->kind) && (wide)counter->available - body->amount < -NAIVE_MONEY_MAX) ||
            (rest > 0 && (wide)deficit->available - rest < -NAIVE_MONEY_MAX),
        OVERFLOW, NAIVE_MONEY_MAX, body->amount, 0)
    return false;
}

// Those that must exist, and open them if not.
static bool balances_refused(struct naive_venue *venue, const struct ledger_post_cmd *body,
                             int64_t rest)
{
    bool *wanted[] = {&venue->opened[body->account][body->asset],
                      &venue->opened[other_side(body)][body->asset],
                      &venue->opened[ACCOUNT_DEFICIT][body->asset]};
    uint32_t count = rest > 0 ? 3 : 2;
    if (naive_open_refused(venue, wanted, count) ||
        (needs_approval(body->kind) && naive_approval_refused(venue)))
        return true;
    naive_open(wanted, count);
    return false;
}

// ---- what it does

static void tell_posted(struct naive_venue *venue, const struct ledger_post_cmd *body,
                        int64_t change)
{
    const struct balance_rec *own = &venue->balances[body->account][body->asset];
    naive_emit(venue, EVT_ledger_posted)->body.ledger_posted =
        (struct ledger_posted_evt){.account = body->account,
                                   .asset = body->asset,
                                   .amount = change,
                                   .kind = body->kind,
                                   .counter_account = other_side(body),
                                   .ref_source = body->ref_source,
                                   .ref_number = body->ref_number,
                                   .available = own->available,
                                   .held = own->held,
                                   .unsettled = own->unsettled,
                                   .blocked = own->blocked};
}

static void change_deficit(struct naive_venue *venue, const struct ledger_post_cmd *body,
                           int64_t rest)
{
    const struct balance_rec *own = &venue->balances[body->account][body->asset];
    if (rest > 0)
        naive_deficit_grow(venue, body->account, body->asset, rest, ACCOUNT_OUTSIDE);
    if (rest > 0 || (!gives(body->kind) && own->blocked > own->available))
        naive_uncover_next(venue, body->account, body->asset);
    if (gives(body->kind))
        naive_deficit_pay(venue, body->account, body->asset, body->amount);
    if (body->kind == POSTING_TRANSFER)
        naive_deficit_pay(venue, body->counter_account, body->asset, body->amount);
    if (body->kind == POSTING_COVER)
        naive_deficit_covered(venue, body->account, body->asset, body->amount);
}

void naive_ledger_post(struct naive_venue *venue)
{
    const struct ledger_post_cmd *body = &venue->command->body.ledger_post;
    if (naive_reference_answered(venue, body->ref_source, body->ref_number, body->ref_hash) ||
        form_refused(venue, body))
        return;
    struct balance_rec *own = &venue->balances[body->account][body->asset];
    int64_t rest = 0; // of what has left on the chain: what was not there
    if (body->kind == POSTING_CHAIN_OUT && body->amount > own->available)
        rest = body->amount - own->available;
    if (funds_refused(venue, body, own) || bounds_refused(venue, body, rest) ||
        balances_refused(venue, body, rest))
        return;
    naive_reference_keep(venue, body->ref_source, body->ref_number, body->ref_hash);
    int64_t change = gives(body->kind) ? body->amount : rest - body->amount;
    own->available += change;
    venue->balances[other_side(body)][body->asset].available -= change;
    tell_posted(venue, body, change);
    change_deficit(venue, body, rest);
}

// ---- settlement

static bool settlement_form_refused(struct naive_venue *venue,
                                    const struct settlement_result_cmd *body)
{
    if (naive_instrument_refused(venue, body->instrument))
        return true;
    REFUSE_IF(body->outcome < SETTLEMENT_SETTLED || body->outcome > SETTLEMENT_RETRIED, MALFORMED,
              SETTLEMENT_RETRIED, body->outcome, 6)
    REFUSE_IF(body->quantity <= 0 || body->proceeds < 0, MALFORMED, 1, body->quantity, 8)
    return false;
}

static bool settlement_units_refused(struct naive_venue *venue,
                                     const struct settlement_result_cmd *body, int64_t tokens,
                                     int64_t cash)
{
    REFUSE_IF(tokens < body->quantity, SETTLEMENT_MISMATCH, tokens, body->quantity, 0)
    REFUSE_IF(cash < body->proceeds, SETTLEMENT_MISMATCH, cash, body->proceeds, 1)
    return false;
}

void naive_settlement_result(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    bool same = memcmp(body, &venue->last_settlement, sizeof(*body)) == 0;
    if (answered(venue, REF_SETTLE, body->ref_number, same))
        return;
    if (body->outcome == SETTLEMENT_XVP_EXECUTED || body->outcome == SETTLEMENT_XVP_RETURNED) {
        if (naive_xvp_result_refused(venue))
            return;
        venue->references[REF_SETTLE].number = body->ref_number;
        venue->last_settlement = *body;
        naive_xvp_result(venue);
        return;
    }
    if (settlement_form_refused(venue, body))
        return;
    const struct instrument_rec *terms = &venue->instruments[body->instrument].terms;
    struct balance_rec *tokens = &venue->balances[body->buyer_account][terms->token_asset];
    struct balance_rec *cash = &venue->balances[body->seller_account][terms->cash_asset];
    bool retried = body->outcome == SETTLEMENT_RETRIED;
    if (settlement_units_refused(venue, body, retried ? tokens->blocked : tokens->unsettled,
                                 cash->unsettled))
        return;
    tokens->unsettled += retried ? body->quantity : -body->quantity;
    if (body->outcome == SETTLEMENT_SETTLED)
        cash->unsettled -= body->proceeds;
    else
        tokens->blocked += retried ? -body->quantity : body->quantity;
    venue->references[REF_SETTLE].number = body->ref_number;
    venue->last_settlement = *body;
    naive_emit(venue, EVT_settlement_booked)->body.settlement_booked =
        *(const struct settlement_booked_evt *)(const void *)body;
    if (body->outcome == SETTLEMENT_FAILED)
        naive_uncover_next(venue, body->buyer_account, terms->token_asset);
}
