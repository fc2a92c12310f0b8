// Ledger commands: money and tokens that come, go and are corrected, and what the chain has
// settled.
//
// Each carries a reference (source, strictly increasing number, content hash). The same number with
// the same content was done before: `done`, repeated. A refused command does not use its reference
// up.
#include "matcher/engine_state.h"

enum reference_answer { REFERENCE_NEW, REFERENCE_REPEATED, REFERENCE_REFUSED };

static enum reference_answer reference_ask(const struct engine *engine, uint32_t source,
                                           uint64_t number, uint64_t hash, struct refusal *refusal)
{
    ASSERT(source > 0 && source <= REF_SOURCE_MAX);
    const struct reference *last = &engine->references[source];
    if (number > last->number)
        return REFERENCE_NEW;
    if (number < last->number || number == 0)
        (void)refuse(refusal, REJECT_REFERENCE_OLD, (int64_t)last->number, (int64_t)number, 0);
    else if (hash != last->hash)
        (void)refuse(refusal, REJECT_REFERENCE_CONFLICT, 0, (int64_t)number, 0);
    else
        return REFERENCE_REPEATED;
    return REFERENCE_REFUSED;
}

static void reference_book(struct engine *engine, uint32_t source, uint64_t number, uint64_t hash)
{
    ASSERT(number > engine->references[source].number);
    engine->references[source] = (struct reference){.number = number, .hash = hash};
}

// ---- deposits, withdrawals, adjustments
// ------------------------------------------------------------------

static bool kind_gives(uint8_t kind)
{
    return kind == POSTING_DEPOSIT || kind == POSTING_CREDIT;
}

static uint32_t kind_counter_account(uint8_t kind)
{
    ASSERT(kind >= POSTING_DEPOSIT && kind <= POSTING_DEBIT);
    return kind == POSTING_DEPOSIT || kind == POSTING_WITHDRAWAL ? ACCOUNT_OUTSIDE
                                                                 : ACCOUNT_SUSPENSE;
}

static bool post_account(const struct engine *engine, const struct ledger_post_cmd *body)
{
    if (body->account == ACCOUNT_OUTSIDE || body->account == kind_counter_account(body->kind))
        return false;
    bool venue = body->account == ACCOUNT_TREASURY || body->account == ACCOUNT_SUSPENSE;
    return venue || engine_account(engine, body->account) != NULL;
}

static bool post_form(const struct engine *engine, const struct ledger_post_cmd *body,
                      struct refusal *refusal)
{
    if (body->kind < POSTING_DEPOSIT || body->kind > POSTING_DEBIT)
        return refuse(refusal, REJECT_POSTING_KIND, 0, body->kind, 0);
    if (body->amount <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, body->amount, 0);
    if (!post_account(engine, body))
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->account, 0);
    if (engine_asset(engine, body->asset) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ASSET, 0, body->asset, 0);
    return true;
}

// What leaves an account must be there; what leaves the venue must be settled too.
static bool post_funds(const struct ledger_post_cmd *body, const struct balance *balance,
                       struct refusal *refusal)
{
    if (kind_gives(body->kind))
        return true;
    if (body->amount > balance->available)
        return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, body->amount, balance->available, 0);
    int64_t withdrawable = ledger_withdrawable(balance);
    ASSERT(withdrawable <= balance->available);
    if (body->kind == POSTING_WITHDRAWAL && body->amount > withdrawable)
        return refuse(refusal, REJECT_WITHDRAWAL_UNSETTLED, withdrawable, body->amount, 0);
    return true;
}

// Outside and suspense may go below zero, but not without bound.
static bool post_bounds(const struct engine *engine, const struct ledger_post_cmd *body,
                        struct refusal *refusal)
{
    uint32_t other = kind_counter_account(body->kind);
    uint32_t index = ledger_find(&engine->ledger, other, body->asset);
    int64_t there = index != 0 ? ledger_at(&engine->ledger, index)->available : 0;
    bool fits = body->amount <= MONEY_MAX;
    if (fits && kind_gives(body->kind))
        fits = there >= body->amount - MONEY_MAX;
    return fits || refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, body->amount, 0);
}

// Finds or makes both balances of an entry. False, and neither was made, if the ledger is full or
// two persons are needed: this is the last check.
static bool post_balances(struct turn *turn, struct balance **own, struct balance **counter,
                          struct refusal *refusal)
{
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct ledger *ledger = &turn->engine->ledger;
    uint32_t other = kind_counter_account(body->kind);
    uint32_t missing = (ledger_find(ledger, body->account, body->asset) == 0 ? 1u : 0u) +
                       (ledger_find(ledger, other, body->asset) == 0 ? 1u : 0u);
    if (missing > ledger->balances_max - ledger->count)
        return refuse(refusal, REJECT_BALANCES_MAX, ledger->balances_max, ledger->count, 0);
    bool adjusts = body->kind == POSTING_CREDIT || body->kind == POSTING_DEBIT;
    if (adjusts && !engine_approval_admit(turn, refusal))
        return false;
    uint32_t own_index = ledger_open(ledger, body->account, body->asset);
    uint32_t counter_index = ledger_open(ledger, other, body->asset);
    ASSERT(own_index != 0 && counter_index != 0);
    *own = ledger_at(ledger, own_index);
    *counter = ledger_at(ledger, counter_index);
    return true;
}

static void emit_posted(struct turn *turn, const struct balance *own, uint32_t counter_account)
{
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct ledger_posted_evt *out = &turn_emit(turn, EVT_ledger_posted)->body.ledger_posted;
    out->account = body->account;
    out->asset = body->asset;
    out->amount = kind_gives(body->kind) ? body->amount : -body->amount;
    out->kind = body->kind;
    out->counter_account = counter_account;
    out->ref_source = body->ref_source;
    out->ref_number = body->ref_number;
    out->available = own->available;
    out->held = own->held;
    out->unsettled = own->unsettled;
    out->blocked = own->blocked;
}

static bool post_run(struct turn *turn, struct refusal *refusal)
{
    struct engine *engine = turn->engine;
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    static const struct balance nothing = {0};
    struct balance *own = NULL;
    struct balance *counter = NULL;
    if (!post_form(engine, body, refusal))
        return false;
    uint32_t there = ledger_find(&engine->ledger, body->account, body->asset);
    if (!post_funds(body, there != 0 ? ledger_at(&engine->ledger, there) : &nothing, refusal))
        return false;
    if (!post_bounds(engine, body, refusal) || !post_balances(turn, &own, &counter, refusal))
        return false;
    bool gives = kind_gives(body->kind);
    bool moved = ledger_transfer(gives ? counter : own, gives ? own : counter, body->amount);
    ASSERT(moved);
    reference_book(engine, body->ref_source, body->ref_number, body->ref_hash);
    emit_posted(turn, own, counter->account);
    return true;
}

void engine_ledger_post(struct turn *turn)
{
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct refusal refusal;
    if (body->ref_source == 0 || body->ref_source > REF_SOURCE_MAX ||
        body->ref_source == REF_SETTLE) {
        (void)refuse(&refusal, REJECT_MALFORMED, REF_SOURCE_MAX, body->ref_source, 6);
        turn_reject(turn, &refusal);
        return;
    }
    enum reference_answer answer =
        reference_ask(turn->engine, body->ref_source, body->ref_number, body->ref_hash, &refusal);
    if (answer == REFERENCE_REPEATED)
        turn_done(turn, true, 0);
    else if (answer == REFERENCE_REFUSED || !post_run(turn, &refusal))
        turn_reject(turn, &refusal);
    ASSERT(turn->sink->count == 1);
}

// ---- settlement
// --------------------------------------------------------------------------------------------

static uint64_t settlement_hash(const struct settlement_result_cmd *body)
{
    const uint64_t words[] = {body->trade_id, (uint64_t)body->instrument << 32 | body->outcome,
                              (uint64_t)body->buyer_account << 32 | body->seller_account,
                              (uint64_t)body->quantity, (uint64_t)body->proceeds};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

static struct balance *settlement_balance(const struct engine *engine, uint32_t account,
                                          uint32_t asset)
{
    if (account == 0 || account > engine->limits.accounts_max)
        return NULL;
    uint32_t index = ledger_find(&engine->ledger, account, asset);
    return index != 0 ? ledger_at(&engine->ledger, index) : NULL;
}

// The counter that the outcome takes the quantity from must hold it.
static bool settlement_covers(const struct settlement_result_cmd *body,
                              const struct balance *tokens, const struct balance *cash,
                              struct refusal *refusal)
{
    int64_t there = 0;
    if (tokens != NULL)
        there = body->outcome == SETTLEMENT_RETRIED ? tokens->blocked : tokens->unsettled;
    if (there < body->quantity)
        return refuse(refusal, REJECT_SETTLEMENT_MISMATCH, there, body->quantity, 0);
    int64_t proceeds = cash != NULL ? cash->unsettled : 0;
    if (proceeds < body->proceeds)
        return refuse(refusal, REJECT_SETTLEMENT_MISMATCH, proceeds, body->proceeds, 1);
    return true;
}

// Settled: the buyer's tokens and the seller's proceeds may leave. Failed: the tokens may not be
// sold, the proceeds stay where they are. Retried: back to where they were before it failed.
static void settlement_move(uint8_t outcome, struct balance *tokens, struct balance *cash,
                            int64_t quantity, int64_t proceeds)
{
    if (outcome == SETTLEMENT_SETTLED) {
        tokens->unsettled -= quantity;
        cash->unsettled -= proceeds;
    } else if (outcome == SETTLEMENT_FAILED) {
        tokens->unsettled -= quantity;
        tokens->blocked += quantity;
    } else {
        ASSERT(outcome == SETTLEMENT_RETRIED);
        tokens->blocked -= quantity;
        tokens->unsettled += quantity;
    }
    ASSERT(tokens->unsettled >= 0 && tokens->blocked >= 0);
    ASSERT(cash->unsettled >= 0);
}

static bool settlement_run(struct turn *turn, struct refusal *refusal)
{
    const struct settlement_result_cmd *body = &turn->command->body.settlement_result;
    const struct engine *engine = turn->engine;
    const struct instrument *instrument = engine_instrument(engine, body->instrument);
    if (instrument == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    if (body->outcome < SETTLEMENT_SETTLED || body->outcome > SETTLEMENT_RETRIED)
        return refuse(refusal, REJECT_MALFORMED, SETTLEMENT_RETRIED, body->outcome, 6);
    if (body->quantity <= 0 || body->proceeds < 0)
        return refuse(refusal, REJECT_MALFORMED, 1, body->quantity, 8);
    struct balance *tokens =
        settlement_balance(engine, body->buyer_account, instrument->terms.token_asset);
    struct balance *cash =
        settlement_balance(engine, body->seller_account, instrument->terms.cash_asset);
    if (!settlement_covers(body, tokens, cash, refusal))
        return false;
    if (cash == NULL) // nobody sold without getting a cash balance
        return refuse(refusal, REJECT_SETTLEMENT_MISMATCH, 0, body->proceeds, 1);
    settlement_move(body->outcome, tokens, cash, body->quantity, body->proceeds);
    return true;
}

void engine_settlement_result(struct turn *turn)
{
    const struct settlement_result_cmd *body = &turn->command->body.settlement_result;
    uint64_t hash = settlement_hash(body);
    struct refusal refusal;
    enum reference_answer answer =
        reference_ask(turn->engine, REF_SETTLE, body->ref_number, hash, &refusal);
    if (answer == REFERENCE_REPEATED) {
        turn_done(turn, true, 0);
        return;
    }
    if (answer == REFERENCE_REFUSED || !settlement_run(turn, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    reference_book(turn->engine, REF_SETTLE, body->ref_number, hash);
    memcpy(&turn_emit(turn, EVT_settlement_booked)->body, body, sizeof(*body));
    ASSERT(turn->sink->count == 1);
}
