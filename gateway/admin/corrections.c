// Corrections and busts of trades whose settlement has failed. The engine does not know trades: it
// is told what the trade was and what it is to be, and this file is what knows both, from the
// record. So the trade must stand still meanwhile: only a failed one is corrected, with no receipt,
// retry, mark or result of it open, one correction at a time, and the retry of one that waits is refused
// (ledger.c). One thread carries out all of these, one after the other.
#include "gateway/admin/requests.h"

#include <string.h>

#include "base/fnv1a.h"
#include "risk/money.h"

struct traded {
    uint8_t scale;
    uint32_t token;
    struct trade_correct_cmd now; // quantity, notional, fees: as it is; the new ones 0
};

// Why the trade of the second table cannot be corrected now; NULL = it can. A request that was
// carried out or waits is answered from what it said.
#define OBSTACLE                                                                                   \
    "CASE WHEN q.state IN ('done', 'proposed') THEN NULL"                                          \
    " WHEN s.corrected_quantity = 0 THEN 'the trade is busted'"                                    \
    " WHEN s.settlement_status <> 'failed' THEN 'the trade''s settlement is ' ||"                  \
    " s.settlement_status || ': only a failed one is corrected'"                                   \
    " WHEN EXISTS (SELECT FROM chain.request_leg l JOIN settle.attempt a USING (request_id) WHERE" \
    " l.trade_id = s.trade_id AND a.state IN ('prepared', 'signed', 'sent', 'mined')) THEN"        \
    " 'the fate of a transaction of the trade is not known yet'"                                   \
    " WHEN EXISTS (SELECT FROM settle.retry_request t WHERE t.trade_id = s.trade_id AND"           \
    " t.answered_at IS NULL) THEN 'a retry of the trade''s settlement is asked for'"               \
    " WHEN EXISTS (SELECT FROM settle.manual_mark t WHERE t.trade_id = s.trade_id AND"             \
    " t.answered_at IS NULL AND t.withdrawn_at IS NULL) THEN"                                      \
    " 'a mark of the trade''s settlement is open'"                                                 \
    " WHEN EXISTS (SELECT FROM settle.result t WHERE t.trade_id = s.trade_id AND t.state ="        \
    " 'open') THEN 'the failure of the trade''s settlement is not booked yet'"                     \
    " WHEN EXISTS (SELECT FROM people.correction_request x JOIN people.ledger_request o USING"     \
    " (reference) WHERE x.trade_id = s.trade_id AND o.state = 'proposed') THEN"                    \
    " 'another correction of the trade waits for its approval'"                                    \
    " WHEN EXISTS (SELECT FROM people.correction_request x JOIN people.ledger_request o USING"     \
    " (reference) WHERE x.trade_id = s.trade_id AND o.state = 'done' AND o.sequence > (SELECT"     \
    " sequence FROM record.cursor)) THEN 'the record has not got the trade''s last correction "    \
    "yet'"                                                                                         \
    " END"

// What it is, or (of a reference that was used) what it was when it was asked for.
#define IS(column)                                                                                 \
    "CASE WHEN q.state IN ('done', 'proposed') AND c.trade_id = r.trade_id THEN c." column         \
    " ELSE coalesce(s.corrected_" column ", r." column ") END"

static bool trade_read(struct ask *ask, struct traded *out, const char *reference)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT r.instrument_id, r.buyer_account, r.seller_account, r.token_asset, "
                 "r.token_scale, " IS("quantity") ", " IS("notional") ", " IS("buyer_fee") ", " IS(
                     "seller_fee") ", " OBSTACLE
                                   " FROM record.trade r JOIN settle.trade s USING (trade_id)"
                                   " LEFT JOIN people.ledger_request q ON q.reference = $2"
                                   " LEFT JOIN people.correction_request c ON c.reference = $2"
                                   " WHERE r.trade_id = $1",
                 PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(reference))) != PG_OK)
        return ask_database_failed(ask);
    const char *obstacle = NULL;
    bool known = pg_rows_count(rows) == 1;
    if (known) {
        out->now = (struct trade_correct_cmd){.trade_id = ask->id,
                                              .instrument = (uint32_t)pg_number(rows, 0, 0),
                                              .buyer_account = (uint32_t)pg_number(rows, 0, 1),
                                              .seller_account = (uint32_t)pg_number(rows, 0, 2),
                                              .quantity = pg_number(rows, 0, 5),
                                              .notional = pg_number(rows, 0, 6),
                                              .buyer_fee = pg_number(rows, 0, 7),
                                              .seller_fee = pg_number(rows, 0, 8)};
        out->token = (uint32_t)pg_number(rows, 0, 3);
        out->scale = (uint8_t)pg_number(rows, 0, 4);
        obstacle = pg_value(rows, 0, 9);
    }
    if (!known)
        ask_refuse_text(ask, REJECT_NOT_FOUND, "there is no trade of that number in the record");
    else if (obstacle != NULL)
        ask_refuse_text(ask, REJECT_CORRECTION, obstacle);
    pg_rows_free(rows);
    return known && obstacle == NULL;
}

// amount * numerator / denominator, rounded down; *exact tells whether it was.
static int64_t part_of(int64_t amount, int64_t numerator, int64_t denominator, bool *exact)
{
    ASSERT(amount >= 0 && numerator >= 0 && denominator > 0);
    money_product product = (money_product)(uint64_t)amount * (uint64_t)numerator;
    *exact = product % (uint64_t)denominator == 0;
    money_product part = product / (uint64_t)denominator;
    return part > (money_product)(uint64_t)MONEY_MAX ? -1 : (int64_t)part;
}

static bool wrong(struct ask *ask, const char *field)
{
    ask_refuse_field(ask, REJECT_BAD_NUMBER, field);
    return false;
}

// What it comes to: at the price that is given, or in proportion to the quantity.
static bool new_total(struct ask *ask, struct trade_correct_cmd *c, int64_t price, uint8_t scale)
{
    bool exact = false;
    c->new_notional =
        price > 0 ? part_of(price, c->new_quantity, (int64_t)money_power_of_10[scale], &exact)
                  : part_of(c->notional, c->new_quantity, c->quantity, &exact);
    if (exact && c->new_notional >= 0)
        return true;
    return wrong(ask, "price (price x quantity must be whole cash units)");
}

// A fee that is not given goes with the total, rounded down.
static bool new_fee(struct ask *ask, int64_t *fee, const char *name, int64_t now,
                    const struct trade_correct_cmd *c)
{
    bool exact;
    *fee = c->notional > 0 ? part_of(now, c->new_notional, c->notional, &exact) : 0;
    if (!field_decimal(ask, fee, name, MONEY_CASH_SCALE, OPTIONAL))
        return false;
    return *fee >= 0 || wrong(ask, name);
}

static bool read_correction(struct ask *ask, struct trade_correct_cmd *c, uint8_t scale)
{
    int64_t price = -1;
    c->new_quantity = c->quantity;
    if (!field_decimal(ask, &c->new_quantity, "quantity", scale, OPTIONAL) ||
        !field_decimal(ask, &price, "price", MONEY_CASH_SCALE, OPTIONAL))
        return false;
    if (c->new_quantity <= 0)
        return wrong(ask, "quantity (above 0; a bust has a call of its own)");
    if (price == 0 || price < -1)
        return wrong(ask, "price");
    return new_total(ask, c, price, scale) &&
           new_fee(ask, &c->new_buyer_fee, "buyer_fee", c->buyer_fee, c) &&
           new_fee(ask, &c->new_seller_fee, "seller_fee", c->seller_fee, c);
}

// Of what the request says.
static int64_t content_hash(const struct trade_correct_cmd *c)
{
    const int64_t words[] = {(int64_t)c->trade_id, c->quantity,     c->new_quantity,
                             c->notional,          c->new_notional, c->buyer_fee,
                             c->new_buyer_fee,     c->seller_fee,   c->new_seller_fee};
    return (int64_t)fnv1a(FNV1A_BASIS, words, sizeof words);
}

static void tell(struct ask *ask, const struct traded *trade)
{
    if (ask->status != 200 || ask->proposing != NULL || !json_object_get(ask->answer, "events"))
        return;
    bool busted = trade->now.new_quantity == 0;
    json_object_set_new(ask->answer, "trade", json_integer((json_int_t)ask->id));
    json_object_set_new(ask->answer, "status", json_string(busted ? "busted" : "corrected"));
}

static void correct(struct ask *ask, bool bust)
{
    static const char *const bust_names[] = {"reference", "note", NULL};
    static const char *const correct_names[] = {"reference", "note",       "quantity", "price",
                                                "buyer_fee", "seller_fee", NULL};
    struct request request = {.note = "", .kind = REQUEST_CORRECTION};
    struct traded trade = {0};
    if (!fields_known(ask, bust ? bust_names : correct_names) ||
        !field_text(ask, &request.reference, "reference", REQUIRED) ||
        !field_text(ask, &request.note, "note", OPTIONAL) ||
        (ask->proposing == NULL && !requests_resolve(ask)) ||
        !trade_read(ask, &trade, request.reference) ||
        (!bust && !read_correction(ask, &trade.now, trade.scale)))
        return;
    request.correction = trade.now;
    request.account = trade.now.buyer_account;
    request.asset = trade.token;
    request.amount = trade.now.quantity;
    request.hash = content_hash(&trade.now);
    if (!request_register(ask, &request))
        return;
    request_send(ask, &request);
    tell(ask, &trade);
}

void correct_handle(struct ask *ask)
{
    correct(ask, false);
}

void bust_handle(struct ask *ask)
{
    correct(ask, true);
}
