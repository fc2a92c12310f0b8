// Deficits: what an outside fact has taken from an account and was not there; and the orders that
// hold what is not there any more, or may not be sold.
//
// Happy path: tokens have left on the chain that the account has in its orders. Somebody got them,
// so the account owes them: its deficit grows, ACCOUNT_DEFICIT pays. The next command cancels its
// newest order that holds them; what that frees makes the deficit smaller; and so on until nothing
// is owed, or no such order is left. What comes in later covers the rest.
#include "matcher/engine_ledger.h"

void deficit_tell(struct turn *turn, const struct balance *owner, int64_t amount,
                  uint32_t counter_account, bool entered)
{
    struct deficit_changed_evt *out = &turn_emit(turn, EVT_deficit_changed)->body.deficit_changed;
    ASSERT(amount != 0 && owner->deficit >= 0);
    out->account = owner->account;
    out->asset = owner->asset;
    out->amount = amount;
    out->counter_account = counter_account;
    out->entered = entered;
    out->deficit = owner->deficit;
    out->available = owner->available;
}

void deficit_grow(struct turn *turn, struct balance *owner, int64_t amount, struct balance *counter)
{
    struct engine *engine = turn->engine;
    struct balance *deficits = ledger_balance(engine, ACCOUNT_DEFICIT, owner->asset);
    ASSERT(amount > 0 && counter != owner);
    owner->deficit += amount;
    ledger_transfer(&engine->ledger, deficits, counter, amount);
    deficit_tell(turn, owner, amount, counter->account, false);
}

// Out of what is available.
static void deficit_pay(struct turn *turn, struct balance *owner, int64_t amount)
{
    struct engine *engine = turn->engine;
    struct balance *deficits = ledger_balance(engine, ACCOUNT_DEFICIT, owner->asset);
    ASSERT(amount > 0 && amount <= owner->deficit && amount <= owner->available);
    owner->deficit -= amount;
    ledger_transfer(&engine->ledger, owner, deficits, amount);
    deficit_tell(turn, owner, -amount, owner->account, false);
}

void deficit_cover(struct turn *turn, struct balance *owner, int64_t amount)
{
    int64_t paid = amount < owner->deficit ? amount : owner->deficit;
    if (paid != 0)
        deficit_pay(turn, owner, paid);
}

// ---- uncover

enum { UNCOVER_ROOM = 3 }; // the cancellation, the deficit, and `done`

void uncover_account(struct engine *engine, uint32_t account, uint32_t asset)
{
    ASSERT(engine->pending.command == 0);
    const struct balance *balance = ledger_look(engine, account, asset);
    // Every open order or approval holds something; what is on its way to the chain stays.
    if (balance->held == 0 || balance->held == engine_xvp_settling(engine, balance))
        return;
    engine->pending = (struct pending_rec){
        .command = CMD_continue_work, .work = WORK_UNCOVER, .account = account, .asset = asset};
}

// The orders that hold a balance: of each session that has any the newest, which is the last of its
// list.
struct holders {
    struct engine *engine;
    uint32_t balance; // index
    uint32_t count;   // of engine->uncover_places
};

static uint32_t holder_from(const struct holders *holders, uint32_t place)
{
    const struct order_pool *pool = &holders->engine->pool;
    while (place != 0) {
        const struct order *order = order_at(pool, place);
        uint32_t held = order->side == SIDE_BUY ? order->cash_balance : order->token_balance;
        if (held == holders->balance)
            return place;
        place = order->before;
    }
    return 0;
}

// They are a heap, the newest on top: a member may have many sessions. Moves down the one at `at`,
// which is not newer than the one above it.
static void holders_sift(const struct holders *holders, uint32_t at)
{
    const struct order_pool *pool = &holders->engine->pool;
    uint32_t *places = holders->engine->uncover_places;
    const uint32_t place = places[at];
    const uint64_t id = order_at(pool, place)->id;
    ASSERT(at < holders->count);
    for (uint32_t below = 2 * at + 1; below < holders->count; below = 2 * at + 1) {
        if (below + 1 < holders->count &&
            order_at(pool, places[below + 1])->id > order_at(pool, places[below])->id)
            below++;
        if (order_at(pool, places[below])->id < id)
            break;
        places[at] = places[below];
        at = below;
    }
    places[at] = place;
}

// An account and the sessions that traded for it belong to one member for good.
static struct holders holders_gather(struct engine *engine, uint32_t account, uint32_t balance)
{
    struct holders holders = {.engine = engine, .balance = balance};
    uint32_t member = engine->accounts[account].terms.member;
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++) {
        const struct session *session = &engine->sessions[id];
        if (session->orders.last == 0 || session->terms.member != member)
            continue;
        uint32_t place = holder_from(&holders, session->orders.last);
        if (place != 0)
            engine->uncover_places[holders.count++] = place;
    }
    for (uint32_t at = holders.count / 2; at-- > 0;)
        holders_sift(&holders, at);
    return holders;
}

// The newest of all, which is about to be cancelled; there is one.
static uint32_t holders_take(struct holders *holders)
{
    uint32_t *places = holders->engine->uncover_places;
    ASSERT(holders->count != 0);
    const uint32_t place = places[0];
    places[0] = holder_from(holders, order_at(&holders->engine->pool, place)->before);
    if (places[0] == 0)
        places[0] = places[--holders->count];
    if (holders->count > 1)
        holders_sift(holders, 0);
    return place;
}

bool balance_is_uncovered(const struct balance *balance)
{
    return balance->deficit > 0 || balance->blocked > balance->available;
}

// False if the command's events are used up.
static bool uncover_balance(struct turn *turn, uint32_t account, uint32_t asset)
{
    struct engine *engine = turn->engine;
    uint32_t index = ledger_find(&engine->ledger, account, asset);
    struct balance *balance = ledger_at(&engine->ledger, index);
    struct holders holders = holders_gather(engine, account, index);
    while (balance_is_uncovered(balance) && holders.count != 0) {
        if (turn_room(turn) < UNCOVER_ROOM)
            return false;
        engine_cancel(turn, holders_take(&holders), CANCEL_UNCOVERED);
        deficit_cover(turn, balance, balance->available);
    }
    while (balance_is_uncovered(balance) && balance->held != 0) { // by settlement instructions
        if (turn_room(turn) < XVP_ROOM)
            return false;
        if (!engine_xvp_uncover(turn, balance))
            break; // on their way to the chain: that decides first
        deficit_cover(turn, balance, balance->available);
    }
    return true;
}

void engine_uncover(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct pending_rec *work = &engine->resumed;
    ASSERT(work->work == WORK_UNCOVER && work->account != 0);
    if (!uncover_balance(turn, work->account, work->asset))
        engine->pending = *work;
}
