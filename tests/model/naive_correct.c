// Corrections and busts of the naive venue: of trades whose settlement has failed.
#include "tests/model/naive_parts.h"

struct sides { // whose balances a correction moves
    struct balance_rec *buyer_token, *buyer_cash, *seller_token, *seller_cash;
    struct balance_rec *suspense, *deficit_token, *deficit_cash;
};

struct change { // new - old, and what is not there
    int64_t quantity, notional, buyer_fee, seller_fee;
    int64_t token_short, cash_short;
};

static struct sides sides_of(struct naive_venue *venue, const struct trade_correct_cmd *body)
{
    const struct instrument_rec *terms = &venue->instruments[body->instrument].terms;
    uint32_t token = terms->token_asset;
    uint32_t cash = terms->cash_asset;
    return (struct sides){.buyer_token = &venue->balances[body->buyer_account][token],
                          .buyer_cash = &venue->balances[body->buyer_account][cash],
                          .seller_token = &venue->balances[body->seller_account][token],
                          .seller_cash = &venue->balances[body->seller_account][cash],
                          .suspense = &venue->balances[ACCOUNT_SUSPENSE][cash],
                          .deficit_token = &venue->balances[ACCOUNT_DEFICIT][token],
                          .deficit_cash = &venue->balances[ACCOUNT_DEFICIT][cash]};
}

// ---- what is refused

enum { // fields of the record
    QUANTITY = 10,
    NEW_QUANTITY = 11,
    NOTIONAL = 12,
    NEW_NOTIONAL = 13,
    BUYER_FEE = 14,
    NEW_BUYER_FEE = 15,
    SELLER_FEE = 16,
    NEW_SELLER_FEE = 17,
};

static bool fee_refused(struct naive_venue *venue, int64_t fee, int64_t notional, int64_t field)
{
    REFUSE_IF(fee < 0 || fee > notional, CORRECTION, 0, fee, field)
    return false;
}

static bool amounts_refused(struct naive_venue *venue, const struct trade_correct_cmd *body)
{
    REFUSE_IF(body->quantity <= 0, CORRECTION, 0, body->quantity, QUANTITY)
    REFUSE_IF(body->new_quantity < 0 || body->new_quantity > body->quantity, CORRECTION, 0,
              body->new_quantity, NEW_QUANTITY)
    REFUSE_IF(body->notional < 0 || body->notional > NAIVE_MONEY_MAX, CORRECTION, 0, body->notional,
              NOTIONAL)
    REFUSE_IF(body->new_notional < 0 || body->new_notional > NAIVE_MONEY_MAX, CORRECTION, 0,
              body->new_notional, NEW_NOTIONAL)
    if (fee_refused(venue, body->buyer_fee, body->notional, BUYER_FEE) ||
        fee_refused(venue, body->seller_fee, body->notional, SELLER_FEE) ||
        fee_refused(venue, body->new_buyer_fee, body->new_notional, NEW_BUYER_FEE) ||
        fee_refused(venue, body->new_seller_fee, body->new_notional, NEW_SELLER_FEE))
        return true;
    REFUSE_IF(body->new_quantity == 0 && (body->new_notional != 0 || body->new_buyer_fee != 0 ||
                                          body->new_seller_fee != 0),
              CORRECTION, 0, 0, NEW_QUANTITY)
    return false;
}

static bool against(int64_t fee, int64_t notional)
{
    return notional == 0 ? fee != 0 : notional > 0 ? fee < 0 : fee > 0;
}

static bool larger(int64_t fee, int64_t notional)
{
    return (fee < 0 ? -fee : fee) > (notional < 0 ? -notional : notional);
}

static bool change_refused(struct naive_venue *venue, const struct trade_correct_cmd *body,
                           const struct change *change)
{
    int64_t buyer_fee = body->new_buyer_fee;
    int64_t seller_fee = body->new_seller_fee;
    REFUSE_IF(against(change->buyer_fee, change->notional), CORRECTION, 0, buyer_fee, NEW_BUYER_FEE)
    REFUSE_IF(against(change->seller_fee, change->notional), CORRECTION, 0, seller_fee,
              NEW_SELLER_FEE)
    REFUSE_IF(larger(change->buyer_fee, change->notional), CORRECTION, 0, buyer_fee, NEW_BUYER_FEE)
    REFUSE_IF(larger(change->seller_fee, change->notional), CORRECTION, 0, seller_fee,
              NEW_SELLER_FEE)
    return false;
}

static bool mismatch_refused(struct naive_venue *venue, const struct trade_correct_cmd *body,
                             const struct sides *sides)
{
    int64_t proceeds = body->notional - body->seller_fee;
    REFUSE_IF(sides->buyer_token->blocked < body->quantity, SETTLEMENT_MISMATCH,
              sides->buyer_token->blocked, body->quantity, 0)
    REFUSE_IF(sides->seller_cash->unsettled < proceeds, SETTLEMENT_MISMATCH,
              sides->seller_cash->unsettled, proceeds, 0)
    return false;
}

static bool below(const struct balance_rec *balance, int64_t taken)
{
    return (wide)balance->available - taken < -NAIVE_MONEY_MAX;
}

// Suspense pays fees back, the deficit account takes what is not there, the seller's counters grow.
static bool bounds_refused(struct naive_venue *venue, const struct sides *sides,
                           const struct change *change)
{
    const struct balance_rec *seller = sides->seller_cash;
    int64_t fees = -change->buyer_fee - change->seller_fee;
    int64_t proceeds = change->notional - change->seller_fee;
    REFUSE_IF(below(sides->suspense, fees), OVERFLOW, NAIVE_MONEY_MAX, fees, NEW_SELLER_FEE)
    REFUSE_IF(below(sides->deficit_token, change->token_short), OVERFLOW, NAIVE_MONEY_MAX,
              change->token_short, NEW_QUANTITY)
    REFUSE_IF(below(sides->deficit_cash, change->cash_short), OVERFLOW, NAIVE_MONEY_MAX,
              change->cash_short, NEW_NOTIONAL)
    REFUSE_IF((wide)seller->unsettled + seller->blocked + proceeds > NAIVE_COUNTER_MAX, OVERFLOW,
              NAIVE_COUNTER_MAX, proceeds, NEW_NOTIONAL)
    return false;
}

// Those that must exist, and open them if not.
static bool balances_refused(struct naive_venue *venue, const struct trade_correct_cmd *body,
                             const struct change *change)
{
    const struct instrument_rec *terms = &venue->instruments[body->instrument].terms;
    bool *wanted[7] = {&venue->opened[body->buyer_account][terms->token_asset],
                       &venue->opened[body->buyer_account][terms->cash_asset],
                       &venue->opened[body->seller_account][terms->token_asset],
                       &venue->opened[body->seller_account][terms->cash_asset],
                       &venue->opened[ACCOUNT_SUSPENSE][terms->cash_asset]};
    uint32_t count = 5;
    if (change->token_short > 0)
        wanted[count++] = &venue->opened[ACCOUNT_DEFICIT][terms->token_asset];
    if (change->cash_short > 0)
        wanted[count++] = &venue->opened[ACCOUNT_DEFICIT][terms->cash_asset];
    if (naive_open_refused(venue, wanted, count) || naive_approval_refused(venue))
        return true;
    naive_open(wanted, count);
    return false;
}

// ---- what moves

static int64_t missing(const struct balance_rec *payer, int64_t amount)
{
    return amount > payer->available ? amount - payer->available : 0;
}

static struct change change_of(const struct trade_correct_cmd *body)
{
    return (struct change){.quantity = body->new_quantity - body->quantity,
                           .notional = body->new_notional - body->notional,
                           .buyer_fee = body->new_buyer_fee - body->buyer_fee,
                           .seller_fee = body->new_seller_fee - body->seller_fee};
}

// The seller pays if the price has come down, the buyer if it has gone up.
static void find_shorts(const struct sides *sides, struct change *change)
{
    change->token_short = missing(sides->buyer_token, -change->quantity);
    if (change->notional > 0)
        change->cash_short = missing(sides->buyer_cash, change->notional + change->buyer_fee);
    else
        change->cash_short = missing(sides->seller_cash, change->seller_fee - change->notional);
}

static void move_tokens(const struct sides *sides, const struct change *change)
{
    sides->buyer_token->available += change->quantity + change->token_short;
    sides->buyer_token->deficit += change->token_short;
    sides->deficit_token->available -= change->token_short;
    sides->seller_token->available -= change->quantity;
    sides->buyer_token->blocked += change->quantity;
}

static void move_cash(const struct sides *sides, const struct change *change)
{
    struct balance_rec *payer = change->notional > 0 ? sides->buyer_cash : sides->seller_cash;
    int64_t proceeds = change->notional - change->seller_fee;
    int64_t unsettled = sides->seller_cash->unsettled + proceeds;
    sides->buyer_cash->available -= change->notional + change->buyer_fee;
    sides->seller_cash->available += proceeds;
    sides->suspense->available += change->buyer_fee + change->seller_fee;
    sides->seller_cash->unsettled = unsettled > 0 ? unsettled : 0;
    payer->available += change->cash_short;
    payer->deficit += change->cash_short;
    sides->deficit_cash->available -= change->cash_short;
}

static void tell(struct naive_venue *venue, const struct trade_correct_cmd *body,
                 const struct change *change)
{
    naive_emit(venue, EVT_trade_corrected)->body.trade_corrected =
        (struct trade_corrected_evt){.trade_id = body->trade_id,
                                     .instrument = body->instrument,
                                     .buyer_account = body->buyer_account,
                                     .seller_account = body->seller_account,
                                     .operator_id = body->operator_id,
                                     .quantity = change->quantity,
                                     .notional = change->notional,
                                     .buyer_fee = change->buyer_fee,
                                     .seller_fee = change->seller_fee,
                                     .token_short = change->token_short,
                                     .cash_short = change->cash_short,
                                     .new_quantity = body->new_quantity};
}

static void uncover_both(struct naive_venue *venue, const struct trade_correct_cmd *body,
                         const struct change *change)
{
    const struct instrument_rec *terms = &venue->instruments[body->instrument].terms;
    uint32_t payer = change->notional > 0 ? body->buyer_account : body->seller_account;
    if (change->token_short > 0)
        naive_uncover_next(venue, body->buyer_account, terms->token_asset);
    if (change->cash_short > 0)
        naive_uncover_next(venue, payer, terms->cash_asset);
}

void naive_trade_correct(struct naive_venue *venue)
{
    const struct trade_correct_cmd *body = &venue->command->body.trade_correct;
    if (naive_reference_answered(venue, body->ref_source, body->ref_number, body->ref_hash) ||
        naive_instrument_refused(venue, body->instrument) ||
        naive_member_account_refused(venue, body->buyer_account) ||
        naive_member_account_refused(venue, body->seller_account) || amounts_refused(venue, body))
        return;
    struct sides sides = sides_of(venue, body);
    struct change change = change_of(body);
    if (change_refused(venue, body, &change) || mismatch_refused(venue, body, &sides))
        return;
    find_shorts(&sides, &change);
    if (bounds_refused(venue, &sides, &change) || balances_refused(venue, body, &change))
        return;
    naive_reference_keep(venue, body->ref_source, body->ref_number, body->ref_hash);
    move_tokens(&sides, &change);
    move_cash(&sides, &change);
    tell(venue, body, &change);
    uncover_both(venue, body, &change);
}
