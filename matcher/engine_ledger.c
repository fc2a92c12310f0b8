// Ledger commands: money and tokens that come, go and are corrected, and what the chain has
// settled.
//
// Each carries a reference (source, strictly increasing number, content hash). The same number with
// the same content was done before: `done`, repeated. A refused command does not use its reference
// up.
//
// Happy path of a posting: it is admitted as a whole, its balances are found or made, the entry is
// booked and told; then what came covers a deficit, or what was not there becomes one.
#include "matcher/engine_ledger.h"

#define FIELD_POST(type, name, doc) POST_FIELD_##name,
enum post_field { POST_FIELD_none, LEDGER_POST_CMD(FIELD_POST) };

// ---- references

enum reference_answer reference_ask(const struct engine *engine, uint32_t source, uint64_t number,
                                    uint64_t hash, struct refusal *refusal)
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

enum reference_answer reference_ask_operator(const struct engine *engine, uint32_t source,
                                             uint64_t number, uint64_t hash, int field,
                                             struct refusal *refusal)
{
    if (source != 0 && source <= REF_SOURCE_MAX && source != REF_SETTLE)
        return reference_ask(engine, source, number, hash, refusal);
    (void)refuse(refusal, REJECT_MALFORMED, REF_SOURCE_MAX, source, field);
    return REFERENCE_REFUSED;
}

void reference_book(struct engine *engine, uint32_t source, uint64_t number, uint64_t hash)
{
    ASSERT(number > engine->references[source].number);
    engine->references[source] = (struct reference){.number = number, .hash = hash};
}

// ---- balances

const struct balance *ledger_look(const struct engine *engine, uint32_t account, uint32_t asset)
{
    uint32_t index = ledger_find(&engine->ledger, account, asset);
    return &engine->ledger.balances[index]; // there is one of index 0, of zeros
}

struct balance *ledger_balance(struct engine *engine, uint32_t account, uint32_t asset)
{
    uint32_t index = engine_balance_open(engine, account, asset);
    ASSERT(index != 0); // ledger_has_room
    return ledger_at(&engine->ledger, index);
}

bool ledger_has_room(const struct engine *engine, const struct needed *needed, uint32_t count,
                     struct refusal *refusal)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t missing = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++)
            again |= needed[k].account == needed[i].account && needed[k].asset == needed[i].asset;
        missing += !again && ledger_find(ledger, needed[i].account, needed[i].asset) == 0;
    }
    if (missing > ledger->balances_max - ledger->count)
        return refuse(refusal, REJECT_BALANCES_MAX, ledger->balances_max, ledger->count, 0);
    return true;
}

// ---- postings: may it?

static bool kind_gives(uint8_t kind)
{
    return kind == POSTING_DEPOSIT || kind == POSTING_CREDIT || kind == POSTING_CHAIN_IN;
}

// Of members' accounts only.
static bool kind_is_members(uint8_t kind)
{
    return kind == POSTING_CHAIN_IN || kind == POSTING_CHAIN_OUT || kind == POSTING_COVER;
}

static uint32_t post_counter_account(const struct ledger_post_cmd *body)
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
        ASSERT(body->kind >= POSTING_DEPOSIT && body->kind <= POSTING_COVER);
        return ACCOUNT_OUTSIDE;
    }
}

static bool post_account(const struct engine *engine, const struct ledger_post_cmd *body)
{
    bool venue = body->account == ACCOUNT_TREASURY || body->account == ACCOUNT_SUSPENSE;
    if (venue && !kind_is_members(body->kind))
        return body->account != post_counter_account(body);
    return engine_account(engine, body->account) != NULL;
}

static bool post_counter(const struct engine *engine, const struct ledger_post_cmd *body)
{
    if (body->kind != POSTING_TRANSFER)
        return body->counter_account == 0;
    return body->counter_account != body->account &&
           engine_account(engine, body->counter_account) != NULL;
}

static bool post_form(const struct engine *engine, const struct ledger_post_cmd *body,
                      struct refusal *refusal)
{
    if (body->kind < POSTING_DEPOSIT || body->kind > POSTING_COVER)
        return refuse(refusal, REJECT_POSTING_KIND, 0, body->kind, 0);
    if (body->amount <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, body->amount, 0);
    if (!post_account(engine, body))
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->account, 0);
    if (!post_counter(engine, body))
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->counter_account, 0);
    if (engine_asset(engine, body->asset) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ASSET, 0, body->asset, 0);
    return true;
}

// What leaves an account must be there; what leaves it for good must be settled, and nothing may be
// owed. (A fact of the chain is no question.)
static bool post_funds(const struct ledger_post_cmd *body, const struct balance *balance,
                       struct refusal *refusal)
{
    bool leaves = body->kind == POSTING_WITHDRAWAL || body->kind == POSTING_TRANSFER;
    if (kind_gives(body->kind) || body->kind == POSTING_CHAIN_OUT)
        return true;
    if (leaves && balance->deficit != 0)
        return refuse(refusal, REJECT_DEFICIT, 0, balance->deficit, body->asset);
    if (body->amount > balance->available)
        return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, body->amount, balance->available, 0);
    int64_t withdrawable = ledger_withdrawable(balance);
    ASSERT(withdrawable <= balance->available);
    if (leaves && body->amount > withdrawable)
        return refuse(refusal, REJECT_WITHDRAWAL_UNSETTLED, withdrawable, body->amount, 0);
    if (body->kind == POSTING_COVER && body->amount > balance->deficit)
        return refuse(refusal, REJECT_QUANTITY_MAX, balance->deficit, body->amount, 0);
    return true;
}

// What has left on the chain and was not there.
static int64_t post_short(const struct ledger_post_cmd *body, const struct balance *own)
{
    if (body->kind != POSTING_CHAIN_OUT || body->amount <= own->available)
        return 0;
    return body->amount - own->available;
}

// Outside, suspense and deficit may go below zero, but not without bound.
static bool post_bounds(const struct engine *engine, const struct ledger_post_cmd *body,
                        int64_t lacking, struct refusal *refusal)
{
    bool fits = body->amount <= MONEY_MAX;
    if (fits && kind_gives(body->kind))
        fits = ledger_bears(&engine->ledger, post_counter_account(body), body->asset, body->amount);
    else if (fits)
        fits = ledger_bears(&engine->ledger, ACCOUNT_DEFICIT, body->asset, lacking);
    return fits || refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, body->amount, 0);
}

static bool post_needs_two(uint8_t kind)
{
    return kind == POSTING_CREDIT || kind == POSTING_DEBIT || kind == POSTING_TRANSFER ||
           kind == POSTING_COVER;
}

// All that may be refused, before anything is changed; two persons are asked for last.
static bool post_admit(const struct turn *turn, const struct ledger_post_cmd *body,
                       struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    if (!post_form(engine, body, refusal))
        return false;
    const struct balance *own = ledger_look(engine, body->account, body->asset);
    int64_t lacking = post_short(body, own);
    const struct needed needed[] = {{body->account, body->asset},
                                    {post_counter_account(body), body->asset},
                                    {ACCOUNT_DEFICIT, body->asset}};
    return post_funds(body, own, refusal) && post_bounds(engine, body, lacking, refusal) &&
           ledger_has_room(engine, needed, lacking != 0 ? 3 : 2, refusal) &&
           (!post_needs_two(body->kind) || engine_approval_admit(turn, refusal));
}

// ---- postings: doing it

// The balance is told as the entry leaves it; what covers a deficit comes after.
static void emit_posted(struct turn *turn, const struct balance *own, int64_t amount,
                        uint32_t counter_account)
{
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct ledger_posted_evt *out = &turn_emit(turn, EVT_ledger_posted)->body.ledger_posted;
    out->account = body->account;
    out->asset = body->asset;
    out->amount = amount;
    out->kind = body->kind;
    out->counter_account = counter_account;
    out->ref_source = body->ref_source;
    out->ref_number = body->ref_number;
    out->available = own->available;
    out->held = own->held;
    out->unsettled = own->unsettled;
    out->blocked = own->blocked;
}

// The entry, and what is owed after it.
static void post_book(struct turn *turn, const struct ledger_post_cmd *body, struct balance *own,
                      struct balance *counter)
{
    struct ledger *ledger = &turn->engine->ledger;
    int64_t lacking = post_short(body, own);
    int64_t amount = body->amount - lacking;
    if (kind_gives(body->kind))
        ledger_transfer(ledger, counter, own, amount);
    else
        ledger_transfer(ledger, own, counter, amount);
    if (body->kind == POSTING_COVER)
        own->deficit -= amount;
    emit_posted(turn, own, kind_gives(body->kind) ? amount : -amount, counter->account);
    if (kind_gives(body->kind))
        deficit_cover(turn, own, amount);
    else if (body->kind == POSTING_TRANSFER)
        deficit_cover(turn, counter, amount);
    else if (body->kind == POSTING_COVER)
        deficit_tell(turn, own, -amount, own->account, true);
    else if (lacking != 0)
        deficit_grow(turn, own, lacking, counter);
}

static void post_run(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct balance *own = ledger_balance(engine, body->account, body->asset);
    struct balance *counter = ledger_balance(engine, post_counter_account(body), body->asset);
    int64_t owed = own->deficit;
    reference_book(engine, body->ref_source, body->ref_number, body->ref_hash);
    post_book(turn, body, own, counter);
    if (own->deficit > owed || own->blocked > own->available) // or it took what is blocked
        uncover_account(engine, body->account, body->asset);
}

void engine_ledger_post(struct turn *turn)
{
    const struct ledger_post_cmd *body = &turn->command->body.ledger_post;
    struct refusal refusal;
    enum reference_answer answer =
        reference_ask_operator(turn->engine, body->ref_source, body->ref_number, body->ref_hash,
                               POST_FIELD_ref_source, &refusal);
    if (answer == REFERENCE_REPEATED)
        turn_done(turn, true, 0);
    else if (answer == REFERENCE_REFUSED || !post_admit(turn, body, &refusal))
        turn_reject(turn, &refusal);
    else
        post_run(turn);
}

// ---- settlement

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
    struct engine *engine = turn->engine;
    if (body->outcome == SETTLEMENT_XVP_EXECUTED || body->outcome == SETTLEMENT_XVP_RETURNED)
        return engine_xvp_result(turn, refusal);
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
    if (body->outcome == SETTLEMENT_FAILED)
        uncover_account(engine, body->buyer_account, instrument->terms.token_asset);
    memcpy(&turn_emit(turn, EVT_settlement_booked)->body, body, sizeof(*body));
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
}
