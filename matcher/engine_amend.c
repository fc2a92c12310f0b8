// Amend: new quantity, price, trigger or slice of an open order, wherever it is.
//
// Happy path of an amend downwards: what it holds too much is released, it keeps its place in time.
// Of any other: it is checked like a new order, holds what it needs now, leaves its place and goes
// to the back of it; in continuous trading an order of the book is matched first. It keeps its id.
// What is filled is judged on what is open: an amend that crosses a fill in flight loses nothing.
#include "matcher/engine_exposure.h"
#include "matcher/engine_taker.h"

enum amend_field { AMEND_PRICE = 2, AMEND_STOP_PRICE = 3, AMEND_DISPLAY = 4 };

struct amend {
    const struct order_amend_cmd *body;
    struct instrument *instrument;
    uint32_t place;
    struct order *order;
    struct order_cold *cold;
    int64_t open_before;
    // as it will be
    int64_t quantity;
    int64_t open;
    int64_t price;
    int64_t stop_price;
    int64_t display;
};

static const struct order_terms *terms_of(const struct engine *engine, uint32_t place)
{
    static const struct order_terms none;
    bool own = (order_at(&engine->pool, place)->marks & ORDER_MARK_TERMS) != 0;
    return own ? &engine->pool.terms[place] : &none;
}

// ---- may it?

static void amend_fill(const struct engine *engine, struct amend *amend)
{
    const struct order_amend_cmd *body = amend->body;
    const struct order_terms *terms = terms_of(engine, amend->place);
    amend->order = order_at(&engine->pool, amend->place);
    amend->cold = &engine->pool.cold[amend->place];
    amend->instrument = engine_instrument(engine, amend->order->instrument);
    ASSERT(amend->instrument != NULL);
    amend->open_before = order_open(&engine->pool, amend->place);
    amend->quantity = body->quantity != 0 ? body->quantity : amend->cold->quantity;
    amend->price = body->price != 0 ? body->price : amend->order->price;
    amend->stop_price = body->stop_price != 0 ? body->stop_price : terms->stop_price;
    amend->display = body->display_quantity != 0 ? body->display_quantity : terms->display;
    int64_t filled = amend->cold->quantity - amend->open_before;
    amend->open = amend->quantity > filled ? amend->quantity - filled : 0;
    ASSERT(filled >= 0);
}

static bool amend_signs(const struct amend *amend, struct refusal *refusal)
{
    const struct order_amend_cmd *body = amend->body;
    if (body->quantity < 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, body->quantity, 0);
    if (body->price < 0)
        return refuse(refusal, REJECT_PRICE_NOT_POSITIVE, 1, body->price, 0);
    if (body->stop_price < 0 || body->stop_price > MONEY_MAX)
        return refuse(refusal, REJECT_STOP_PRICE, 0, body->stop_price, amend->cold->type);
    if (body->display_quantity < 0)
        return refuse(refusal, REJECT_DISPLAY_QUANTITY, amend->quantity, body->display_quantity, 0);
    return true;
}

// Only what the order has can be amended.
static bool amend_fields(const struct amend *amend, struct refusal *refusal)
{
    const struct order_amend_cmd *body = amend->body;
    uint8_t type = amend->cold->type;
    uint8_t marks = amend->order->marks;
    if (body->price != 0 && type != ORDER_LIMIT && type != ORDER_STOP_LIMIT)
        return refuse(refusal, REJECT_AMEND_FIELD, 0, body->price, AMEND_PRICE);
    if (body->stop_price != 0 && (marks & ORDER_MARK_STOP) == 0)
        return refuse(refusal, REJECT_AMEND_FIELD, 0, body->stop_price, AMEND_STOP_PRICE);
    if (body->display_quantity != 0 && (marks & ORDER_MARK_ICEBERG) == 0)
        return refuse(refusal, REJECT_AMEND_FIELD, 0, body->display_quantity, AMEND_DISPLAY);
    const struct instrument *instrument = amend->instrument;
    if (!money_is_multiple(&instrument->lot, body->quantity))
        return refuse(refusal, REJECT_OFF_LOT, instrument->terms.lot, body->quantity, 0);
    return true;
}

static bool amend_admit(const struct turn *turn, struct amend *amend, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct order_amend_cmd *body = amend->body;
    const uint8_t flags = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    if (!engine_order_admit(turn, body->order, body->account, RIGHT_TRADE, &amend->place, refusal))
        return false;
    if (engine->venue_state != VENUE_OPEN)
        return refuse(refusal, REJECT_VENUE_CANCEL_ONLY, 0, engine->venue_state, 0);
    if (engine->kills != 0 && !engine_kill_admit(turn, body->account, refusal))
        return false;
    if (body->client_id_bytes == 0)
        return refuse(refusal, REJECT_CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, 0, 0);
    if (body->flags > flags)
        return refuse(refusal, REJECT_ORDER_FLAGS, flags, body->flags, 0);
    amend_fill(engine, amend);
    uint8_t phase = amend->instrument->state.phase;
    if (phase == PHASE_CLOSED || phase == PHASE_HALTED)
        return refuse(refusal, REJECT_PHASE, PHASE_CONTINUOUS, phase, 0);
    return amend_signs(amend, refusal) && amend_fields(amend, refusal);
}

static bool amend_slice(const struct amend *amend, struct refusal *refusal)
{
    int64_t display = amend->body->display_quantity;
    bool fits = display == 0 ||
                (display < amend->quantity && money_is_multiple(&amend->instrument->lot, display));
    if (fits && (amend->display == 0 || order_slices_fit(amend->quantity, amend->display)))
        return true;
    return refuse(refusal, REJECT_DISPLAY_QUANTITY, amend->quantity, amend->display, 0);
}

static bool amend_keeps_place(const struct engine *engine, const struct amend *amend)
{
    const struct order_terms *terms = terms_of(engine, amend->place);
    return amend->price == amend->order->price && amend->quantity <= amend->cold->quantity &&
           amend->stop_price == terms->stop_price && amend->display <= terms->display;
}

// ---- checks of one that loses its place

static bool in_book(const struct order *order)
{
    return (order->marks & (ORDER_MARK_STOP | ORDER_MARK_TRIGGERED | ORDER_MARK_CLOSE)) == 0;
}

// E6 to E8. A stop order's price follows its stop price.
static bool amend_check(struct engine *engine, struct amend *amend, struct refusal *refusal)
{
    const struct order_amend_cmd *body = amend->body;
    const struct instrument *instrument = amend->instrument;
    const struct order *order = amend->order;
    const struct account *account = &engine->accounts[order->account];
    struct order_check check = {
        .terms = &instrument->terms,
        .state = &instrument->state,
        .rules = &instrument->rules,
        .controls = &instrument->controls,
        .jurisdictions = &instrument->jurisdictions,
        .account = account,
        .member = &engine->members[account->terms.member],
        .venue = &engine->check_venue,
        .lot = &instrument->lot,
        .ticks = instrument_ticks(instrument),
        .side = order->side,
        .type = amend->cold->type,
        .tif = amend->cold->tif,
        .flags = body->flags,
        .price = amend->price,
        .quantity = amend->open,
        .time_ns = engine->time_ns,
        .confirm_ref = body->confirm_ref,
        .token_balance = order->token_balance,
        .quantity_before = amend->open_before,
        .value_before = instrument_notional(instrument, order->price, amend->open_before),
        .stop_price = amend->stop_price};
    const struct order_check_amend named = {
        .quantity_up = amend->quantity > amend->cold->quantity ? amend->quantity : 0,
        .price_given = body->price != 0,
        .stop_price_given = body->stop_price != 0};
    if (!order_check_amend(&check, &named, refusal)) {
        engine_confirm_remember(engine, &check, refusal);
        return false;
    }
    amend->price = check.price;
    return true;
}

static bool amend_level(const struct engine *engine, const struct amend *amend,
                        struct refusal *refusal)
{
    const struct order_pool *pool = &engine->pool;
    struct instrument *instrument = amend->instrument;
    uint8_t side = amend->order->side;
    bool room = true;
    if ((amend->order->marks & ORDER_MARK_STOP) != 0)
        room = order_book_has_room(pool, &instrument->stops[side - SIDE_BUY],
                                   instrument_stop_key(instrument, side, amend->stop_price));
    else if (in_book(amend->order))
        room = order_book_has_room(pool, instrument_side(instrument, side),
                                   instrument_key(instrument, side, amend->price));
    return room || refuse(refusal, REJECT_LEVELS_MAX, pool->levels_max, pool->levels_used, 0);
}

static int64_t hold_of(const struct amend *amend, int64_t price, int64_t open)
{
    const struct order then = {
        .price = price, .side = amend->order->side, .buyer_bps = amend->order->buyer_bps};
    return order_hold(amend->instrument, &then, open);
}

// What it will hold more (negative: less).
static int64_t hold_change(const struct amend *amend)
{
    return hold_of(amend, amend->price, amend->open) -
           hold_of(amend, amend->order->price, amend->open_before);
}

static bool amend_funds(const struct engine *engine, const struct amend *amend,
                        struct refusal *refusal)
{
    const struct balance *balance = order_held_balance(engine, amend->order);
    bool unsettled = (amend->instrument->terms.flags & INSTRUMENT_SELL_UNSETTLED) != 0;
    int64_t there =
        amend->order->side == SIDE_BUY ? balance->available : ledger_sellable(balance, unsettled);
    int64_t more = hold_change(amend);
    ASSERT(balance->deficit == 0); // else this order would have been cancelled
    if (more > 0 && more > there)
        return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, more, there, 0);
    return true;
}

static bool amend_post_only(const struct engine *engine, const struct amend *amend,
                            struct refusal *refusal)
{
    struct instrument *instrument = amend->instrument;
    uint8_t side = amend->order->side;
    if ((amend->cold->flags & ORDER_POST_ONLY) == 0 || instrument->state.phase != PHASE_CONTINUOUS)
        return true;
    const struct book_side *opposite =
        instrument_side(instrument, side == SIDE_BUY ? SIDE_SELL : SIDE_BUY);
    uint64_t limit_key = BOOK_KEY_MAX - instrument_key(instrument, side, amend->price);
    if (order_book_best_key(&engine->pool, opposite) > limit_key)
        return true;
    int64_t best = order_at(&engine->pool, order_book_best(&engine->pool, opposite))->price;
    return refuse(refusal, REJECT_POST_ONLY_CROSSES, best, amend->price, 0);
}

// ---- doing it

static void emit_amended(struct turn *turn, const struct amend *amend, int64_t released, bool kept)
{
    const struct order *order = amend->order;
    struct order_amended_evt *out = &turn_emit(turn, EVT_order_amended)->body.order_amended;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = amend->quantity;
    out->leaves = amend->open;
    out->released = released;
    out->side = order->side;
    out->client_id_bytes = amend->body->client_id_bytes;
    out->priority_kept = kept;
    out->price = order->price;
    client_id_copy(out->client_id, turn);
    const struct order_terms *terms = terms_of(turn->engine, amend->place);
    ASSERT(terms->trail_offset == 0 || terms->stop_price != 0);
    if (terms->stop_price != 0 || terms->display != 0 || terms->expire_ns != 0)
        emit_terms(turn, order, terms, 0);
}

// What is open of it, and at what price, becomes what the amend says.
static void amend_exposure(struct engine *engine, const struct amend *amend)
{
    const struct order *order = amend->order;
    int64_t value_before = instrument_notional(amend->instrument, order->price, amend->open_before);
    int64_t value = instrument_notional(amend->instrument, amend->price, amend->open);
    exposure_add(engine, order, value - value_before, amend->open - amend->open_before);
}

// Prices, quantity, slice and client id; what shows is the caller's.
static void amend_write(const struct turn *turn, const struct amend *amend)
{
    struct order_cold *cold = amend->cold;
    amend_exposure(turn->engine, amend);
    amend->order->price = amend->price;
    cold->quantity = amend->quantity;
    cold->client_id_bytes = amend->body->client_id_bytes;
    memset(cold->client_id, 0, sizeof cold->client_id);
    client_id_copy(cold->client_id, turn);
    if ((amend->order->marks & ORDER_MARK_TERMS) == 0)
        return;
    struct order_terms *terms = &turn->engine->pool.terms[amend->place];
    terms->stop_price = amend->stop_price;
    terms->display = amend->display;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void amend_in_place(struct turn *turn, const struct amend *amend)
{
    struct engine *engine = turn->engine;
    struct order *order = amend->order;
    int64_t released = -hold_change(amend);
    ASSERT(released >= 0);
    ledger_release(order_held_balance(engine, order), released);
    amend_write(turn, amend);
    if (in_book(order) && (order->marks & ORDER_MARK_ICEBERG) != 0) {
        order->leaves = least(least(order->leaves, amend->display), amend->open);
        engine->pool.terms[amend->place].hidden = amend->open - order->leaves;
    } else {
        order->leaves = amend->open;
    }
    emit_amended(turn, amend, released, true);
    if (in_book(order) && amend->instrument->state.phase != PHASE_CONTINUOUS)
        engine_book_changed(engine, amend->instrument);
}

// To the back of where it was; in continuous trading an order of the book is matched first.
static void amend_replace(struct turn *turn, const struct amend *amend, uint8_t marks)
{
    struct engine *engine = turn->engine;
    struct instrument *instrument = amend->instrument;
    uint32_t place = amend->place;
    if ((marks & ORDER_MARK_STOP) != 0) {
        engine_stop_enter(engine, instrument, place);
    } else if ((marks & ORDER_MARK_TRIGGERED) != 0) {
        engine_place_triggered(engine, instrument, place);
    } else if ((marks & ORDER_MARK_CLOSE) != 0) {
        engine_place_close(engine, instrument, place);
    } else if ((marks & ORDER_MARK_MARKET) != 0) { // rests in a call
        engine_place_back(engine, instrument, place);
        engine_book_changed(engine, instrument);
    } else if (instrument->state.phase == PHASE_CONTINUOUS) {
        struct taker taker = taker_of_place(engine, instrument, place);
        uint8_t reason = taker_match(turn, &taker);
        taker_finish(turn, &taker, reason);
    } else {
        engine_order_show(engine, place);
        engine_place_book(engine, instrument, place);
        engine_book_changed(engine, instrument);
    }
}

static void amend_to_back(struct turn *turn, const struct amend *amend)
{
    struct engine *engine = turn->engine;
    struct balance *balance = order_held_balance(engine, amend->order);
    const uint8_t marks = amend->order->marks;
    int64_t more = hold_change(amend);
    if (more > 0)
        ledger_hold(balance, more);
    else
        ledger_release(balance, -more);
    if ((marks & ORDER_MARK_MARKET) == 0) // its price stays, and so does its level
        engine_place_leave(engine, amend->instrument, amend->place);
    engine_order_gather(engine, amend->place);
    amend_write(turn, amend);
    amend->order->leaves = amend->open;
    engine_order_requeued(engine, amend->place);
    emit_amended(turn, amend, -more, false);
    amend_replace(turn, amend, marks);
}

static bool amend_moves_admit(struct engine *engine, struct amend *amend, struct refusal *refusal)
{
    return amend_check(engine, amend, refusal) && amend_level(engine, amend, refusal) &&
           amend_funds(engine, amend, refusal) && amend_post_only(engine, amend, refusal);
}

void engine_order_amend(struct turn *turn)
{
    struct engine *engine = turn->engine;
    struct amend amend = {.body = &turn->command->body.order_amend};
    struct refusal refusal;
    if (!amend_admit(turn, &amend, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    if (amend.open == 0) {
        engine_cancel(turn, amend.place, CANCEL_AMENDED);
        return;
    }
    bool keeps = amend_keeps_place(engine, &amend);
    if (!amend_slice(&amend, &refusal) ||
        (!keeps && !amend_moves_admit(engine, &amend, &refusal))) {
        turn_reject(turn, &refusal);
        return;
    }
    if (keeps)
        amend_in_place(turn, &amend);
    else
        amend_to_back(turn, &amend);
    if (amend.instrument->triggered.first != 0)
        engine_stops_run(turn, amend.instrument);
}
