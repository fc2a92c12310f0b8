// Corrections and busts of trades whose settlement has failed (docs/risk.md 9).
//
// Happy path: what the trade was and what it is to be are compared; the buyer gives back tokens,
// who got too much cash pays, and what is not there is a deficit; fees go through the suspense
// account. The seller's tokens come back settled: they never left his wallet.
#include "matcher/engine_ledger.h"

#define FIELD_CORRECT(type, name, doc) CORRECT_FIELD_##name,
enum correct_field { CORRECT_FIELD_none, TRADE_CORRECT_CMD(FIELD_CORRECT) };

// ---- its form

static bool wrong(struct refusal *refusal, int64_t value, int field)
{
    return refuse(refusal, REJECT_CORRECTION, 0, value, field);
}

static bool correct_quantities(const struct trade_correct_cmd *body, struct refusal *refusal)
{
    if (body->quantity <= 0)
        return wrong(refusal, body->quantity, CORRECT_FIELD_quantity);
    if (body->new_quantity < 0 || body->new_quantity > body->quantity)
        return wrong(refusal, body->new_quantity, CORRECT_FIELD_new_quantity);
    return true;
}

static bool correct_amounts(const struct trade_correct_cmd *body, struct refusal *refusal)
{
    const struct {
        int64_t amount, most;
        int field;
    } amounts[] = {{body->notional, MONEY_MAX, CORRECT_FIELD_notional},
                   {body->new_notional, MONEY_MAX, CORRECT_FIELD_new_notional},
                   {body->buyer_fee, body->notional, CORRECT_FIELD_buyer_fee},
                   {body->seller_fee, body->notional, CORRECT_FIELD_seller_fee},
                   {body->new_buyer_fee, body->new_notional, CORRECT_FIELD_new_buyer_fee},
                   {body->new_seller_fee, body->new_notional, CORRECT_FIELD_new_seller_fee}};
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++)
        if (amounts[i].amount < 0 || amounts[i].amount > amounts[i].most)
            return wrong(refusal, amounts[i].amount, amounts[i].field);
    if (body->new_quantity == 0 &&
        (body->new_notional | body->new_buyer_fee | body->new_seller_fee) != 0)
        return wrong(refusal, body->new_quantity, CORRECT_FIELD_new_quantity);
    return true;
}

// What changes: new - old.
struct correction {
    int64_t quantity; // never above 0
    int64_t notional;
    int64_t buyer_fee;
    int64_t seller_fee;
    int64_t buyer_cash;
    int64_t seller_cash;
    int64_t token_short; // of the buyer
    int64_t cash_short;  // of the payer
    uint32_t payer;      // of cash: buyer or seller; 0 = no cash moves
};

static struct correction correction_of(const struct trade_correct_cmd *body)
{
    struct correction change = {.quantity = body->new_quantity - body->quantity,
                                .notional = body->new_notional - body->notional,
                                .buyer_fee = body->new_buyer_fee - body->buyer_fee,
                                .seller_fee = body->new_seller_fee - body->seller_fee};
    change.buyer_cash = -(change.notional + change.buyer_fee);
    change.seller_cash = change.notional - change.seller_fee;
    if (change.notional != 0)
        change.payer = change.notional > 0 ? body->buyer_account : body->seller_account;
    return change;
}

static bool moves_against(int64_t fee, int64_t notional)
{
    return notional >= 0 ? fee < 0 || (notional == 0 && fee != 0) : fee > 0;
}

static bool moves_further(int64_t fee, int64_t notional)
{
    return notional >= 0 ? fee > notional : fee < notional;
}

// A fee goes where its notional goes, and not further: else who gets something would have to pay.
static bool correct_fees(const struct trade_correct_cmd *body, const struct correction *change,
                         struct refusal *refusal)
{
    if (moves_against(change->buyer_fee, change->notional))
        return wrong(refusal, body->new_buyer_fee, CORRECT_FIELD_new_buyer_fee);
    if (moves_against(change->seller_fee, change->notional))
        return wrong(refusal, body->new_seller_fee, CORRECT_FIELD_new_seller_fee);
    if (moves_further(change->buyer_fee, change->notional))
        return wrong(refusal, body->new_buyer_fee, CORRECT_FIELD_new_buyer_fee);
    if (moves_further(change->seller_fee, change->notional))
        return wrong(refusal, body->new_seller_fee, CORRECT_FIELD_new_seller_fee);
    return true;
}

// ---- may it?

static bool correct_form(const struct engine *engine, const struct trade_correct_cmd *body,
                         struct correction *change, struct refusal *refusal)
{
    if (engine_instrument(engine, body->instrument) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    if (engine_account(engine, body->buyer_account) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->buyer_account, 0);
    if (engine_account(engine, body->seller_account) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, body->seller_account, 0);
    if (!correct_quantities(body, refusal) || !correct_amounts(body, refusal))
        return false;
    *change = correction_of(body);
    return correct_fees(body, change, refusal);
}

static int64_t lacking(int64_t change, const struct balance *balance)
{
    return -change > balance->available ? -change - balance->available : 0;
}

// It is what failed to settle; and what is not there to be given back.
static bool correct_balances(const struct engine *engine, const struct trade_correct_cmd *body,
                             struct correction *change, struct refusal *refusal)
{
    const struct instrument_rec *terms = &engine->instruments[body->instrument].terms;
    const struct balance *tokens = ledger_look(engine, body->buyer_account, terms->token_asset);
    const struct balance *buyer = ledger_look(engine, body->buyer_account, terms->cash_asset);
    const struct balance *seller = ledger_look(engine, body->seller_account, terms->cash_asset);
    int64_t proceeds = body->notional - body->seller_fee;
    if (tokens->blocked < body->quantity)
        return refuse(refusal, REJECT_SETTLEMENT_MISMATCH, tokens->blocked, body->quantity, 0);
    if (seller->unsettled < proceeds)
        return refuse(refusal, REJECT_SETTLEMENT_MISMATCH, seller->unsettled, proceeds, 0);
    change->token_short = lacking(change->quantity, tokens);
    if (change->notional > 0)
        change->cash_short = lacking(change->buyer_cash, buyer);
    else if (change->notional < 0)
        change->cash_short = lacking(change->seller_cash, seller);
    return true;
}

static bool correct_bounds(const struct engine *engine, const struct trade_correct_cmd *body,
                           const struct correction *change, struct refusal *refusal)
{
    const struct instrument_rec *terms = &engine->instruments[body->instrument].terms;
    const struct ledger *ledger = &engine->ledger;
    const struct balance *seller = ledger_look(engine, body->seller_account, terms->cash_asset);
    int64_t fees = -(change->buyer_fee + change->seller_fee);
    if (!ledger_bears(ledger, ACCOUNT_SUSPENSE, terms->cash_asset, fees))
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, fees, CORRECT_FIELD_new_seller_fee);
    if (!ledger_bears(ledger, ACCOUNT_DEFICIT, terms->token_asset, change->token_short))
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, change->token_short,
                      CORRECT_FIELD_new_quantity);
    if (!ledger_bears(ledger, ACCOUNT_DEFICIT, terms->cash_asset, change->cash_short))
        return refuse(refusal, REJECT_OVERFLOW, MONEY_MAX, change->cash_short,
                      CORRECT_FIELD_new_notional);
    if (change->seller_cash > LEDGER_COUNTER_MAX - seller->unsettled - seller->blocked)
        return refuse(refusal, REJECT_OVERFLOW, LEDGER_COUNTER_MAX, change->seller_cash,
                      CORRECT_FIELD_new_notional);
    return true;
}

static bool correct_room(const struct engine *engine, const struct trade_correct_cmd *body,
                         const struct correction *change, struct refusal *refusal)
{
    const struct instrument_rec *terms = &engine->instruments[body->instrument].terms;
    struct needed needed[7] = {{body->buyer_account, terms->token_asset},
                               {body->buyer_account, terms->cash_asset},
                               {body->seller_account, terms->token_asset},
                               {body->seller_account, terms->cash_asset},
                               {ACCOUNT_SUSPENSE, terms->cash_asset}};
    uint32_t count = 5;
    if (change->token_short != 0)
        needed[count++] = (struct needed){ACCOUNT_DEFICIT, terms->token_asset};
    if (change->cash_short != 0)
        needed[count++] = (struct needed){ACCOUNT_DEFICIT, terms->cash_asset};
    return ledger_has_room(engine, needed, count, refusal);
}

// All that may be refused, before anything is changed; two persons are asked for last.
static bool correct_admit(const struct turn *turn, const struct trade_correct_cmd *body,
                          struct correction *change, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    return correct_form(engine, body, change, refusal) &&
           correct_balances(engine, body, change, refusal) &&
           correct_bounds(engine, body, change, refusal) &&
           correct_room(engine, body, change, refusal) && engine_approval_admit(turn, refusal);
}

// ---- doing it

// `change` without what is lacking, which becomes a deficit.
static void correct_pay(struct engine *engine, struct balance *balance, int64_t change,
                        int64_t deficit)
{
    ledger_enter(&engine->ledger, balance, change + deficit);
    if (deficit == 0)
        return;
    balance->deficit += deficit;
    ledger_enter(&engine->ledger, ledger_balance(engine, ACCOUNT_DEFICIT, balance->asset),
                 -deficit);
}

// Who gives comes first: both may be one account.
static void correct_tokens(struct engine *engine, const struct trade_correct_cmd *body,
                           const struct correction *change)
{
    uint32_t asset = engine->instruments[body->instrument].terms.token_asset;
    struct balance *buyer = ledger_balance(engine, body->buyer_account, asset);
    correct_pay(engine, buyer, change->quantity, change->token_short);
    buyer->blocked += change->quantity;
    ASSERT(buyer->blocked >= 0);
    ledger_enter(&engine->ledger, ledger_balance(engine, body->seller_account, asset),
                 -change->quantity);
}

static void correct_cash(struct engine *engine, const struct trade_correct_cmd *body,
                         const struct correction *change)
{
    uint32_t asset = engine->instruments[body->instrument].terms.cash_asset;
    struct balance *buyer = ledger_balance(engine, body->buyer_account, asset);
    struct balance *seller = ledger_balance(engine, body->seller_account, asset);
    struct balance *suspense = ledger_balance(engine, ACCOUNT_SUSPENSE, asset);
    bool buyer_pays = change->notional > 0;
    if (buyer_pays)
        correct_pay(engine, buyer, change->buyer_cash, change->cash_short);
    correct_pay(engine, seller, change->seller_cash, buyer_pays ? 0 : change->cash_short);
    if (!buyer_pays)
        correct_pay(engine, buyer, change->buyer_cash, 0);
    seller->unsettled += change->seller_cash;
    ASSERT(seller->unsettled >= 0);
    ledger_enter(&engine->ledger, suspense, change->buyer_fee + change->seller_fee);
}

static void emit_corrected(struct turn *turn, const struct correction *change)
{
    const struct trade_correct_cmd *body = &turn->command->body.trade_correct;
    struct trade_corrected_evt *out = &turn_emit(turn, EVT_trade_corrected)->body.trade_corrected;
    out->trade_id = body->trade_id;
    out->instrument = body->instrument;
    out->buyer_account = body->buyer_account;
    out->seller_account = body->seller_account;
    out->operator_id = body->operator_id;
    out->quantity = change->quantity;
    out->notional = change->notional;
    out->buyer_fee = change->buyer_fee;
    out->seller_fee = change->seller_fee;
    out->token_short = change->token_short;
    out->cash_short = change->cash_short;
    out->new_quantity = body->new_quantity;
}

static void correct_run(struct turn *turn, const struct correction *change)
{
    struct engine *engine = turn->engine;
    const struct trade_correct_cmd *body = &turn->command->body.trade_correct;
    const struct instrument_rec *terms = &engine->instruments[body->instrument].terms;
    reference_book(engine, body->ref_source, body->ref_number, body->ref_hash);
    correct_tokens(engine, body, change);
    correct_cash(engine, body, change);
    emit_corrected(turn, change);
    // Orders hold no tokens that are blocked, so none that are lacking; what is on its way to the
    // chain stays held.
    const struct balance *tokens = ledger_look(engine, body->buyer_account, terms->token_asset);
    ASSERT(change->token_short == 0 || tokens->held == 0 ||
           tokens->held == engine_xvp_settling(engine, tokens));
    if (change->cash_short != 0)
        uncover_account(engine, change->payer, terms->cash_asset);
}

void engine_trade_correct(struct turn *turn)
{
    const struct trade_correct_cmd *body = &turn->command->body.trade_correct;
    struct correction change = {0};
    struct refusal refusal;
    enum reference_answer answer =
        reference_ask_operator(turn->engine, body->ref_source, body->ref_number, body->ref_hash,
                               CORRECT_FIELD_ref_source, &refusal);
    if (answer == REFERENCE_REPEATED)
        turn_done(turn, true, 0);
    else if (answer == REFERENCE_REFUSED || !correct_admit(turn, body, &change, &refusal))
        turn_reject(turn, &refusal);
    else
        correct_run(turn, &change);
}
