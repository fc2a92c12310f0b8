// What a command that is about to come will touch, asked of memory early.
//
// Of a hundred thousand accounts hardly one is in a cache, and a command touches two dozen lines,
// of which many are known by others only. So the core looks ahead in its rings and goes three
// steps: the lines that the command itself names; those that they name; those that these name. By
// the time the command is applied, all of them are there or on their way, and those of neighbouring
// commands travel together.
//
// Nothing is judged and nothing is changed here: any command will do, also one that a liar writes.
// Every index is checked against what the arrays have, and what is wrong costs a line.
#include "matcher/engine_state.h"

enum { LINE = 64 };

// Below so many accounts all of them stay in the caches by themselves.
enum { FETCH_ACCOUNTS_LEAST = 1 << 13 };

// A function that only prefetches has no effect in gcc's eyes, and its calls are left out: the
// empty statement is one.
static inline void fetch(const void *memory, size_t bytes)
{
    __asm__ volatile("");
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch((const uint8_t *)memory + at, 1);
}

// What an order or a cancel names; an account of 0: it is neither.
struct named {
    uint32_t session;
    uint32_t account;
    uint32_t instrument; // of a new order; else 0
    uint64_t order;      // of a cancel
};

static inline struct named named_by(const struct engine *engine, const struct command *command)
{
    struct named named = {.session = command->header.session};
    if (command->header.type == CMD_order_new || command->header.type == CMD_order_new_terms) {
        named.account = command->body.order_new.account;
        named.instrument = command->body.order_new.instrument;
    } else if (command->header.type == CMD_order_cancel) {
        named.account = command->body.order_cancel.account;
        named.order = command->body.order_cancel.order;
    }
    bool there = named.session <= engine->limits.sessions_max &&
                 named.account <= engine->limits.accounts_max &&
                 named.instrument <= engine->limits.instruments_max;
    return there ? named : (struct named){0};
}

// ---- three steps

static void fetch_first(const struct engine *engine, const struct named *named)
{
    const struct account *account = &engine->accounts[named->account];
    fetch(&engine->sessions[named->session], sizeof(struct session));
    if (named->instrument != 0) {
        fetch(account, offsetof(struct account, bought_at));
        return;
    }
    fetch(account, LINE);
    fetch(order_index_recent(&engine->pool.index, named->order), 1);
}

// A balance of the account, if it is known where it is; else the bucket by which it is found.
static inline void fetch_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                                 int which)
{
    const struct found_balance *found = &engine->accounts[account].found[which];
    const struct ledger *ledger = &engine->ledger;
    if (found->asset == asset)
        fetch(&ledger->balances[found->index], 1);
    else if (asset != 0)
        fetch(&ledger->buckets[ledger_bucket(ledger, account, asset)], 1);
}

// The first order that one of this side meets, if it meets any; 0: there is none.
static inline uint32_t maker_of(const struct engine *engine, uint32_t instrument, uint8_t side)
{
    const struct book_side *sides = engine->instruments[instrument].sides;
    return order_book_best(&engine->pool, &sides[side == SIDE_BUY ? 1 : 0]);
}

static void fetch_second(const struct engine *engine, const struct command *command,
                         const struct named *named)
{
    const struct session *session = &engine->sessions[named->session];
    const struct order_pool *pool = &engine->pool;
    fetch(&engine->members[session->terms.member], sizeof(struct member));
    fetch(&engine->session_accounts[session->accounts_first], 1);
    if (named->instrument == 0) {
        fetch(&pool->orders[*order_index_recent(&pool->index, named->order)], 1);
        return;
    }
    const struct instrument_rec *terms = &engine->instruments[named->instrument].terms;
    uint32_t maker = maker_of(engine, named->instrument, command->body.order_new.side);
    fetch(&pool->orders[maker], 1);
    fetch(&pool->cold[maker], 1);
    fetch(&pool->orders[session->orders.last], 1);
    fetch_balance(engine, named->account, terms->cash_asset, FOUND_CASH);
    fetch_balance(engine, named->account, terms->token_asset, FOUND_TOKEN);
}

// The account's entry in its session's list, which is often as far from the first one as the
// numbers are.
static void fetch_entry(const struct engine *engine, const struct named *named)
{
    const struct session *session = &engine->sessions[named->session];
    const uint32_t *accounts = &engine->session_accounts[session->accounts_first];
    uint32_t from_first = named->account - (accounts[0] & ACCOUNT_MASK);
    if (from_first < session->terms.account_count)
        fetch(&accounts[from_first], 1);
}

// The balance of which only the bucket was known before.
static void fetch_token(const struct engine *engine, const struct named *named)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t asset = engine->instruments[named->instrument].terms.token_asset;
    if (asset != 0 && engine->accounts[named->account].found[FOUND_TOKEN].asset != asset)
        fetch(&ledger->balances[ledger->buckets[ledger_bucket(ledger, named->account, asset)]], 1);
}

static void fetch_maker(const struct engine *engine, const struct order *maker)
{
    fetch(&engine->accounts[maker->account], offsetof(struct account, last));
    fetch(&engine->ledger.balances[maker->cash_balance], 1);
    fetch(&engine->ledger.balances[maker->token_balance], 1);
}

static void fetch_cancelled(const struct engine *engine, const struct named *named)
{
    const struct order_pool *pool = &engine->pool;
    uint32_t place = *order_index_recent(&pool->index, named->order);
    const struct order *order = &pool->orders[place];
    fetch(&engine->ledger.balances[order->cash_balance], 1);
    fetch(&engine->ledger.balances[order->token_balance], 1);
    fetch(&pool->orders[order->earlier], 1);
    fetch(&pool->orders[order->later], 1);
    fetch(&pool->orders[order->before], 1);
    fetch(&pool->orders[order->after], 1);
    fetch(&pool->levels[order->level], 1);
}

static void fetch_third(const struct engine *engine, const struct command *command,
                        const struct named *named)
{
    fetch_entry(engine, named);
    if (named->instrument == 0) {
        fetch_cancelled(engine, named);
        return;
    }
    fetch_token(engine, named);
    uint32_t maker = maker_of(engine, named->instrument, command->body.order_new.side);
    fetch_maker(engine, &engine->pool.orders[maker]);
}

bool engine_is_wide(const struct engine *engine)
{
    return engine->limits.accounts_max >= FETCH_ACCOUNTS_LEAST;
}

void engine_fetch(const struct engine *engine, const struct command *command, uint32_t step)
{
    ASSERT(step < ENGINE_FETCH_STEPS);
    if (!engine_is_wide(engine))
        return;
    const struct named named = named_by(engine, command);
    if (named.account == 0)
        return;
    if (step == 0)
        fetch_first(engine, &named);
    else if (step == 1)
        fetch_second(engine, command, &named);
    else
        fetch_third(engine, command, &named);
}
