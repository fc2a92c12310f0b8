// The walk of every invariant: books sorted, first in first out, not crossed in continuous trading;
// every order in the container that its marks name, open quantity = what shows + what is hidden;
// what is held is what open orders hold; every asset sums to zero; every list, heap and index leads
// where it should. Slow, asserts.
#include "matcher/auction.h"
#include "matcher/engine_exposure.h"
#include "matcher/engine_ledger.h"

enum { MARKS_WAITING = ORDER_MARK_STOP | ORDER_MARK_TRIGGERED | ORDER_MARK_CLOSE };

// ---- one order

static void check_hold(const struct engine *engine, const struct instrument *instrument,
                       uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    uint32_t index = order->side == SIDE_BUY ? order->cash_balance : order->token_balance;
    const struct balance *balance = ledger_at(&engine->ledger, index);
    ASSERT(balance->account == order->account);
    ASSERT(order->buyer_bps <= (order->side == SIDE_BUY ? MONEY_BPS_ONE : 0));
    ASSERT(balance->asset == (order->side == SIDE_BUY ? instrument->terms.cash_asset
                                                      : instrument->terms.token_asset));
    engine->check_holds[index] += order_hold(instrument, order, order_open(&engine->pool, place));
}

static void check_iceberg(const struct order_pool *pool, uint32_t place)
{
    const struct order *order = order_at(pool, place);
    const struct order_terms *terms = &pool->terms[place];
    bool iceberg = (order->marks & ORDER_MARK_ICEBERG) != 0;
    ASSERT(terms->hidden >= 0 && (terms->display > 0) == iceberg);
    ASSERT(iceberg || terms->hidden == 0);
    if ((order->marks & MARKS_WAITING) != 0)
        ASSERT(terms->hidden == 0);
    else if (iceberg)
        ASSERT(order->leaves <= terms->display);
}

static void check_terms(const struct engine *engine, uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    const struct order_terms *terms = &engine->pool.terms[place];
    bool dated = (order->marks & ORDER_MARK_DATED) != 0;
    ASSERT(order->marks == 0 || (order->marks & ORDER_MARK_TERMS) != 0);
    if (order->marks == 0)
        return;
    ASSERT(dated == (terms->expire_ns != 0));
    ASSERT(!dated || (timers_has(&engine->dated, place) &&
                      engine->dated.heap[terms->timer].time_ns == terms->expire_ns));
    check_iceberg(&engine->pool, place);
}

static void check_exposure_add(const struct engine *engine, const struct instrument *instrument,
                               uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    int64_t open = order_open(&engine->pool, place);
    int64_t value = instrument_notional(instrument, order->price, open);
    uint32_t member = engine->accounts[order->account].terms.member;
    engine->check_accounts[order->account].open[order->side - SIDE_BUY] += value;
    engine->check_accounts[order->account].orders++;
    engine->check_members[member].open[0] += value;
    engine->check_members[member].orders++;
    if (order->side == SIDE_BUY)
        engine->check_incoming[order->token_balance] += (uint64_t)open;
}

// In the container that its marks name, and no other.
static void check_order(const struct engine *engine, const struct instrument *instrument,
                        uint32_t place, uint8_t waiting)
{
    const struct order *order = order_at(&engine->pool, place);
    ASSERT((order->marks & MARKS_WAITING) == waiting);
    ASSERT(order->instrument == instrument->terms.instrument);
    ASSERT(order->leaves > 0);
    ASSERT(order_open(&engine->pool, place) <= engine->pool.cold[place].quantity);
    ASSERT(order_pool_find(&engine->pool, order->id) == place);
    ASSERT(instrument_on_tick(instrument, order->price));
    check_terms(engine, place);
    check_hold(engine, instrument, place);
    check_exposure_add(engine, instrument, place);
}

// ---- the containers of an instrument

// Returns how many resting market orders there are, adds the at-open orders to *at_open.
static uint32_t check_side(const struct engine *engine, const struct instrument *instrument,
                           uint8_t which, uint32_t *at_open)
{
    const struct order_pool *pool = &engine->pool;
    const struct book_side *side = &instrument->sides[which - SIDE_BUY];
    uint32_t market = 0;
    for (uint32_t at = order_book_best(pool, side); at != 0; at = order_book_next(pool, side, at)) {
        const struct order *order = order_at(pool, at);
        bool is_market = pool->cold[at].type == ORDER_MARKET;
        check_order(engine, instrument, at, 0);
        ASSERT(instrument_key(instrument, which, order->price) == order_book_key_of(pool, at));
        ASSERT(is_market == ((order->marks & ORDER_MARK_MARKET) != 0));
        market += is_market;
        *at_open += pool->cold[at].tif == TIF_AT_OPEN;
    }
    return market;
}

// Returns how many of them follow the market.
static uint32_t check_stops(const struct engine *engine, const struct instrument *instrument,
                            uint8_t which)
{
    const struct order_pool *pool = &engine->pool;
    const struct book_side *side = &instrument->stops[which - SIDE_BUY];
    uint32_t trailing = 0;
    for (uint32_t at = order_book_best(pool, side); at != 0; at = order_book_next(pool, side, at)) {
        const struct order_terms *terms = &pool->terms[at];
        bool trails = (order_at(pool, at)->marks & ORDER_MARK_TRAILING) != 0;
        check_order(engine, instrument, at, ORDER_MARK_STOP);
        ASSERT(instrument_stop_key(instrument, which, terms->stop_price) ==
               order_book_key_of(pool, at));
        ASSERT(trails == (terms->trail_offset != 0));
        trailing += trails;
    }
    return trailing;
}

static uint32_t check_queue(const struct engine *engine, const struct instrument *instrument,
                            const struct order_list *queue, uint8_t waiting)
{
    uint32_t count = 0;
    uint32_t earlier = 0;
    for (uint32_t at = queue->first; at != 0; at = order_at(&engine->pool, at)->later) {
        check_order(engine, instrument, at, waiting);
        ASSERT(order_at(&engine->pool, at)->earlier == earlier);
        earlier = at;
        count++;
    }
    ASSERT(queue->last == earlier);
    return count;
}

static uint32_t check_list(const struct engine *engine, const struct order_list *list, uint8_t mark,
                           uint8_t which)
{
    const struct order_pool *pool = &engine->pool;
    uint32_t count = 0;
    uint32_t before = 0;
    for (uint32_t at = list->first; at != 0; at = pool->terms[at].after) {
        ASSERT((order_at(pool, at)->marks & mark) != 0 && order_at(pool, at)->side == which);
        ASSERT(pool->terms[at].before == before);
        ASSERT(before == 0 || engine->loaded ||
               order_at(pool, before)->id < order_at(pool, at)->id);
        before = at;
        count++;
    }
    ASSERT(list->last == before);
    return count;
}

// ---- an instrument

static void check_lists(const struct engine *engine, const struct instrument *instrument)
{
    uint32_t at_open = 0;
    for (uint8_t which = SIDE_BUY; which <= SIDE_SELL; which++) {
        uint32_t i = which - SIDE_BUY;
        uint32_t market = check_list(engine, &instrument->market[i], ORDER_MARK_MARKET, which);
        uint32_t trailing =
            check_list(engine, &instrument->trailing[i], ORDER_MARK_TRAILING, which);
        ASSERT(market == check_side(engine, instrument, which, &at_open));
        ASSERT(trailing == check_stops(engine, instrument, which));
        ASSERT(trailing == instrument->trailing_count[i]);
        ASSERT(trailing <= engine->limits.trailing_stops_max);
    }
    ASSERT(at_open == instrument->at_open_count);
}

// Between the commands of a phase change the book may still cross.
static void check_crossing(const struct engine *engine, const struct instrument *instrument)
{
    bool crosses = auction_crosses(&engine->pool, &instrument->sides[0], &instrument->sides[1]);
    ASSERT(!crosses || instrument->state.phase != PHASE_CONTINUOUS);
}

static void check_deadline(const struct engine *engine, const struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    const uint64_t due_ns[4] = {state->phase_end_ns, state->limit_state_end_ns,
                                state->schedule_next_ns, state->indicative_due_ns};
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < 4; i++)
        if (due_ns[i] != 0 && due_ns[i] < first_ns)
            first_ns = due_ns[i];
    if (instrument->timer == 0)
        ASSERT(first_ns == UINT64_MAX);
    else
        ASSERT(engine->deadlines.heap[instrument->timer].time_ns == first_ns);
    ASSERT((state->schedule_next_ns != 0) == (instrument->entry_count != 0));
    ASSERT((state->phase_end_ns != 0) == (state->phase == PHASE_VOLATILITY_AUCTION));
    ASSERT(state->limit_state_end_ns == 0 || state->phase == PHASE_CONTINUOUS);
}

// Adds the instrument's waiting stops to *stops; returns its open orders.
static uint32_t check_instrument(const struct engine *engine, const struct instrument *instrument,
                                 uint32_t *levels, uint32_t *stops)
{
    const struct order_pool *pool = &engine->pool;
    uint32_t id = instrument->terms.instrument;
    uint32_t orders = order_book_check(pool, &instrument->sides[0], SIDE_BUY, id, levels) +
                      order_book_check(pool, &instrument->sides[1], SIDE_SELL, id, levels);
    uint32_t waiting =
        order_book_check(pool, &instrument->stops[0], SIDE_BUY, id, levels) +
        order_book_check(pool, &instrument->stops[1], SIDE_SELL, id, levels) +
        check_queue(engine, instrument, &instrument->triggered, ORDER_MARK_TRIGGERED);
    *stops += waiting;
    orders += waiting + check_queue(engine, instrument, &instrument->closing, ORDER_MARK_CLOSE);
    ASSERT(orders == instrument->orders_open);
    ASSERT(id != 0 || orders == 0);
    check_lists(engine, instrument);
    if (id == 0)
        return orders;
    check_crossing(engine, instrument);
    check_deadline(engine, instrument);
    return orders;
}

static uint32_t check_session(const struct engine *engine, const struct session *session)
{
    uint32_t count = 0;
    uint32_t before = 0;
    for (uint32_t at = session->orders.first; at != 0; at = order_at(&engine->pool, at)->after) {
        ASSERT(order_at(&engine->pool, at)->session == session->terms.session);
        ASSERT(order_at(&engine->pool, at)->before == before);
        ASSERT(before == 0 || engine->loaded ||
               order_at(&engine->pool, before)->id < order_at(&engine->pool, at)->id);
        before = at;
        count++;
    }
    ASSERT(session->orders.last == before);
    return count;
}

static void check_holds(const struct engine *engine)
{
    const struct ledger *ledger = &engine->ledger;
    for (uint32_t index = 1; index <= ledger->count; index++)
        ASSERT(ledger_at(ledger, index)->held == engine->check_holds[index]);
    ASSERT(engine->check_holds[0] == 0);
}

// ---- what open orders come to

static void check_exposure_begin(const struct engine *engine)
{
    const struct engine_limits *limits = &engine->limits;
    memset(engine->check_incoming, 0,
           ((size_t)limits->balances_max + 1) * sizeof(engine->check_incoming[0]));
    memset(engine->check_accounts, 0,
           ((size_t)limits->accounts_max + 1) * sizeof(engine->check_accounts[0]));
    memset(engine->check_members, 0,
           ((size_t)limits->members_max + 1) * sizeof(engine->check_members[0]));
}

// Nothing is open of who was killed, and nothing holds what is owed or what may not be sold, but
// for what is on its way to the chain: unless the command that sees to that comes next.
static void check_controls(const struct engine *engine)
{
    const struct ledger *ledger = &engine->ledger;
    if (engine->pending.command != 0)
        return;
    ASSERT(!engine->killed || engine->pool.orders_open == 0);
    for (uint32_t id = 1; id <= engine->limits.members_max; id++)
        ASSERT(!engine->members[id].killed || engine->members[id].open_orders == 0);
    for (uint32_t id = 1; id <= engine->limits.accounts_max; id++)
        ASSERT(!engine->accounts[id].killed || engine->accounts[id].open_orders == 0);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++)
        ASSERT(!engine->sessions[id].killed || engine->sessions[id].orders.first == 0);
    for (uint32_t index = 1; index <= ledger->count; index++) {
        const struct balance *balance = ledger_at(ledger, index);
        ASSERT(balance->held == 0 || !balance_is_uncovered(balance) ||
               balance->held == engine_xvp_settling(engine, balance));
    }
}

static void check_accounts(const struct engine *engine)
{
    for (uint32_t id = 1; id <= engine->limits.accounts_max; id++) {
        const struct account *account = &engine->accounts[id];
        const struct check_party *sums = &engine->check_accounts[id];
        ASSERT(account->open[0] == sums->open[0] && account->open[1] == sums->open[1]);
        ASSERT(account->open_orders == sums->orders);
        ASSERT(account->traded.amount >= 0 && account->bought >= 0);
        ASSERT(!account->tripped || account->own.executions_max != 0);
    }
}

static void check_members(const struct engine *engine)
{
    for (uint32_t id = 1; id <= engine->limits.members_max; id++) {
        const struct member *member = &engine->members[id];
        ASSERT(member->open_value == engine->check_members[id].open[0]);
        ASSERT(member->open_orders == engine->check_members[id].orders);
        ASSERT(member->traded.amount >= 0);
    }
}

static void check_incoming(const struct engine *engine)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t carries = 0;
    for (uint32_t index = 1; index <= ledger->count; index++) {
        ASSERT(ledger_at(ledger, index)->incoming == engine->check_incoming[index]);
        carries += ledger->incoming_high[index];
    }
    ASSERT(carries == ledger->incoming_carries);
}

static void check_kills(const struct engine *engine)
{
    struct kill_rec kill = {0};
    uint32_t count = 0;
    while (engine_kill_next(engine, &kill))
        count++;
    ASSERT(count == engine->kills);
}

// By ascending id and time.
static void check_proposals(const struct engine *engine)
{
    ASSERT(engine->proposal_count <= PROPOSALS_MAX);
    for (uint32_t i = 1; i < engine->proposal_count; i++) {
        const struct proposal_rec *before = &engine->proposals[i - 1].terms;
        ASSERT(before->proposal < engine->proposals[i].terms.proposal);
        ASSERT(before->expires_ns <= engine->proposals[i].terms.expires_ns);
    }
}

void engine_check(const struct engine *engine)
{
    uint32_t orders = 0;
    uint32_t levels = 0;
    uint32_t listed = 0;
    uint32_t stops = 0;
    memset(engine->check_holds, 0,
           ((size_t)engine->limits.balances_max + 1) * sizeof(engine->check_holds[0]));
    check_exposure_begin(engine);
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++)
        orders += check_instrument(engine, &engine->instruments[id], &levels, &stops);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++)
        listed += check_session(engine, &engine->sessions[id]);
    ASSERT(orders == engine->pool.orders_open && listed == orders);
    ASSERT(levels == engine->pool.levels_used);
    ASSERT(stops == engine->stops_open && stops <= engine->limits.stops_max);
    check_kills(engine);
    check_proposals(engine);
    engine_xvp_check(engine);
    timers_check(&engine->dated);
    timers_check(&engine->deadlines);
    check_holds(engine);
    check_controls(engine);
    check_accounts(engine);
    check_members(engine);
    check_incoming(engine);
    engine_fees_check(engine);
    ledger_check(&engine->ledger, engine->check_sums, engine->limits.assets_max);
}
