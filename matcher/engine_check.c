// The walk of every invariant: books sorted, first in first out, not crossed; what is held is what
// open orders hold; every asset sums to zero; every list and index leads where it should. Slow,
// asserts.
#include "matcher/engine_state.h"

static void check_hold(const struct engine *engine, const struct instrument *instrument,
                       uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    uint32_t index = order->side == SIDE_BUY ? order->cash_balance : order->token_balance;
    const struct balance *balance = ledger_at(&engine->ledger, index);
    ASSERT(balance->account == order->account);
    ASSERT(balance->asset == (order->side == SIDE_BUY ? instrument->terms.cash_asset
                                                      : instrument->terms.token_asset));
    engine->check_holds[index] += order->side == SIDE_BUY
                                      ? instrument_notional(instrument, order->price, order->leaves)
                                      : order->leaves;
}

static void check_holds_of_side(const struct engine *engine, const struct instrument *instrument,
                                const struct book_side *side)
{
    const struct order_pool *pool = &engine->pool;
    for (uint32_t at = order_book_best(pool, side); at != 0; at = order_book_next(pool, side, at)) {
        const struct order *order = order_at(pool, at);
        ASSERT(instrument_key(instrument, order->side, order->price) ==
               order_book_key_of(pool, at));
        ASSERT(order->leaves <= pool->cold[at].quantity);
        check_hold(engine, instrument, at);
    }
}

static uint32_t check_instrument(const struct engine *engine, const struct instrument *instrument,
                                 uint32_t *levels)
{
    const struct book_side *buys = &instrument->sides[0];
    const struct book_side *sells = &instrument->sides[1];
    uint32_t id = instrument->terms.instrument;
    uint32_t orders = order_book_check(&engine->pool, buys, SIDE_BUY, id, levels) +
                      order_book_check(&engine->pool, sells, SIDE_SELL, id, levels);
    ASSERT(orders == instrument->orders_open);
    ASSERT(id != 0 || orders == 0);
    uint32_t bid = order_book_best(&engine->pool, buys);
    uint32_t ask = order_book_best(&engine->pool, sells);
    ASSERT(bid == 0 || ask == 0 ||
           order_at(&engine->pool, bid)->price < order_at(&engine->pool, ask)->price);
    check_holds_of_side(engine, instrument, buys);
    check_holds_of_side(engine, instrument, sells);
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

void engine_check(const struct engine *engine)
{
    uint32_t orders = 0;
    uint32_t levels = 0;
    uint32_t listed = 0;
    memset(engine->check_holds, 0,
           ((size_t)engine->limits.balances_max + 1) * sizeof(engine->check_holds[0]));
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++)
        orders += check_instrument(engine, &engine->instruments[id], &levels);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++)
        listed += check_session(engine, &engine->sessions[id]);
    ASSERT(orders == engine->pool.orders_open && listed == orders);
    ASSERT(levels == engine->pool.levels_used);
    check_holds(engine);
    ledger_check(&engine->ledger, engine->check_sums, engine->limits.assets_max);
}
