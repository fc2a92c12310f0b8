#include "tests/sim/postgres.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/pg.h"
#include "settlement/record_store.h"
#include "tests/sim/chain.h"
#include "tests/sim/index_store.h"
#include "tests/sim/laws.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { ORDERS_MAX = 1 << 16, TRADES_MAX = FAKE_TRADES_MAX, UNDO_MAX = 1 << 19 };
// The first so many trades may go to the chain; more where many of them go together.
enum { ON_CHAIN_MAX = 24, ON_CHAIN_NETTED_MAX = 96 };

// Every column is a number, so that undoing a transaction is putting numbers back.
struct order_row {
    int64_t order, leaves, filled;
};
struct trade_row {
    int64_t trade, sequence, instrument, price, quantity, notional, buyer, seller, seller_fee;
};

struct undo {
    int64_t *number, was;
};

static struct {
    // What is committed, or being written.
    int64_t cursor, cursor_time, cursor_digest;
    int64_t balances[ACCOUNTS_MAX + 1][ASSETS_MAX + 1][5];
    int64_t terms[INSTRUMENTS + 1][3];
    int64_t order_count, trade_count;
    struct order_row orders[ORDERS_MAX];
    struct trade_row trades[TRADES_MAX];
    // What would be put back, oldest first: commits that are not synced, then the open transaction.
    struct undo undo[UNDO_MAX];
    size_t undo_count;

    bool up;
    uint64_t server;           // its lives, for sessions of former ones
    uint64_t recorder_session; // that holds the lock; 0 = nobody
    uint64_t sessions;
    uint64_t lock_until_ns; // of a session whose client is dead
    uint32_t faults_permille;
    struct fake_world world;
    bool may_have_incidents;
    // Judgement.
    int64_t judged_trades, judged_orders;
    uint8_t booked[TRADES_MAX][4];
} pg;

// ---- transactions

static void put(int64_t *number, int64_t value)
{
    LAW(pg.undo_count < UNDO_MAX, "the simulator's Postgres has too little room");
    pg.undo[pg.undo_count++] = (struct undo){.number = number, .was = *number};
    *number = value;
}

static void undo_to(size_t mark)
{
    while (pg.undo_count > mark) {
        pg.undo_count--;
        *pg.undo[pg.undo_count].number = pg.undo[pg.undo_count].was;
    }
}

static void sync_all(void)
{
    pg.undo_count = 0;
}

// ---- the server

static enum fake_fault decide(void);

void postgres_begin(uint64_t seed)
{
    pg.up = true;
    fake_init(&pg.world, seed);
    pg.world.faults.decide = decide;
    pg.world.tick_ns = SECOND;
    pg.world.netting = scheduler_chance(400);
}

void postgres_set_faults(uint32_t permille)
{
    pg.faults_permille = permille;
}

void postgres_stop(void)
{
    story_tell("postgres", "stops");
    pg.up = false;
    pg.server++;
    pg.recorder_session = 0;
    pg.world.leading = false;
    pg.world.store_refuses = true;
}

void postgres_start(void)
{
    story_tell("postgres", "starts");
    pg.up = true;
    pg.world.store_refuses = false;
}

void postgres_crash(bool loses)
{
    int64_t was = pg.cursor;
    if (loses)
        undo_to(0);
    pg.world.trade_count = (size_t)pg.trade_count;
    pg.server++;
    pg.recorder_session = 0;
    pg.world.leading = false;
    story_tell("postgres", "crashes, the cursor falls from %lld to %lld", (long long)was,
               (long long)pg.cursor);
}

void postgres_session_gone(enum process_id process)
{
    if (process == PROCESS_SETTLE) {
        pg.world.leading = false;
        return;
    }
    if (process == PROCESS_INDEX) {
        index_store_session_gone();
        return;
    }
    if (pg.recorder_session != 0)
        pg.lock_until_ns = scheduler_now_ns() + scheduler_random(500 * MS);
    pg.recorder_session = 0;
}

uint64_t postgres_cursor(void)
{
    return (uint64_t)pg.cursor;
}

bool postgres_begins(void)
{
    scheduler_effect();
    return pg.up && !scheduler_chance(pg.faults_permille);
}

bool postgres_commits(void)
{
    sync_all();
    scheduler_effect();
    return pg.up && !scheduler_chance(pg.faults_permille);
}

uint64_t postgres_server(void)
{
    return pg.server;
}

// ---- settlement's side

struct fake_world *postgres_world(void)
{
    return &pg.world;
}

// An effect of the settlement worker, on the database, the node, the signer or the core: whatever
// it commits is synced, and what was committed before with it. Or of the index, on the node.
static enum fake_fault decide(void)
{
    scheduler_effect();
    if (fiber_owner() == PROCESS_SETTLE)
        sync_all();
    if (!scheduler_chance(pg.faults_permille))
        return FAKE_NONE;
    static const enum fake_fault faults[] = {FAKE_LOST_BEFORE, FAKE_LOST_AFTER, FAKE_GARBAGE};
    return faults[scheduler_random(3)];
}

static struct trade_row *trade_of(uint64_t trade_id)
{
    for (int64_t i = pg.trade_count - 1; i >= 0; i--)
        if (pg.trades[i].trade == (int64_t)trade_id)
            return &pg.trades[i];
    return NULL;
}

void postgres_fill_result(struct settle_result *result)
{
    const struct trade_row *row = trade_of(result->command.trade_id);
    LAW(row != NULL, "a result of a trade that is not recorded");
    result->command.instrument = (uint32_t)row->instrument;
    result->command.buyer_account = (uint32_t)row->buyer;
    result->command.seller_account = (uint32_t)row->seller;
    result->command.quantity = row->quantity;
    result->command.proceeds = row->notional - row->seller_fee;
}

// What a trade moves on the chain, in legs' units: its own number is in it, so that every wallet
// tells by what it has which trades have moved. Not where they are netted: nets of zero would be
// none.
static int64_t leg_units(const struct trade_row *row, int64_t number)
{
    return row->quantity * (int64_t)(CHAIN_UNIT / CHAIN_LEG_UNIT) + (pg.world.netting ? 0 : number);
}

// The recorder's transaction inserts the pending row.
static void settle_row(const struct trade_row *row, int64_t number)
{
    struct fake_trade *trade =
        fake_trade(&pg.world, chain_wallet(universe_client_of((uint32_t)row->seller)),
                   chain_wallet(universe_client_of((uint32_t)row->buyer)), leg_units(row, number));
    trade->trade_id = (uint64_t)row->trade;
    if (row->instrument != INSTRUMENT_ON_CHAIN ||
        number >= (pg.world.netting ? ON_CHAIN_NETTED_MAX : ON_CHAIN_MAX))
        trade->contract = NULL;
}

void postgres_set_promise(bool may_move_twice, bool may_have_incidents)
{
    pg.world.may_move_twice = may_move_twice;
    pg.may_have_incidents = may_have_incidents;
}

void postgres_close_incidents(void)
{
    size_t closed = fake_close_incidents(&pg.world);
    if (closed > 0)
        story_tell("settle", "two persons close %zu incidents", closed);
}

// The chain has what the rows say, or people are told that it has not.
static bool is_as_told(const struct fake_trade *trade)
{
    return trade->executed == (trade->on_chain ? 1u : 0u) ||
           fake_has_incident(&pg.world, (size_t)(trade - pg.world.trades));
}

static bool trade_is_done(const struct fake_trade *trade)
{
    return (trade->state == SETTLE_TRADE_SETTLED || trade->state == SETTLE_TRADE_FAILED) &&
           !trade->request_open && !trade->retry_asked &&
           // Reorganised away behind its confirmations: the worker has to notice, and send it
           // again.
           is_as_told(trade);
}

const char *postgres_settlement_why_not(void)
{
    static char why[200];
    const struct fake_world *world = &pg.world;
    for (size_t i = 0; i < world->trade_count; i++) {
        const struct fake_trade *trade = &world->trades[i];
        if (trade_is_done(trade))
            continue;
        snprintf(why, sizeof why, "trade %llu is %s (\"%s\"%s), %u transfers on the chain",
                 (unsigned long long)trade->trade_id, settle_trade_state_text(trade->state),
                 trade->reason, trade->request_open ? ", a request is open" : "", trade->executed);
        return why;
    }
    for (size_t i = 0; i < world->result_count; i++) {
        if (world->result_answered[i])
            continue;
        snprintf(why, sizeof why, "result %llu of trade %llu has no answer",
                 (unsigned long long)world->results[i].command.ref_number,
                 (unsigned long long)world->results[i].command.trade_id);
        return why;
    }
    // Where a block has been replaced by one of less height the worker waits until the chain has grown.
    for (size_t i = 0; i < world->tx_count; i++) {
        const struct fake_tx *tx = &world->txs[i];
        if (tx->foreign || !tx->mined || world->attempts[tx->attempt].attempt.mined_block == tx->block)
            continue;
        snprintf(why, sizeof why, "attempt %zu is in block %llu now", tx->attempt + 1,
                 (unsigned long long)tx->block);
        return why;
    }
    return NULL;
}

// ---- rows of a batch

static struct order_row *order_row_of(uint64_t order)
{
    int64_t low = 0, high = pg.order_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((uint64_t)pg.orders[middle].order < order)
            low = middle + 1;
        else
            high = middle;
    }
    LAW(low < pg.order_count && pg.orders[low].order == (int64_t)order,
        "the recorder changes order %llu, which it never wrote", (unsigned long long)order);
    return &pg.orders[low];
}

static void write_order(const struct record_order *order)
{
    struct order_row *row;
    if (order->is_new) {
        LAW(pg.order_count < ORDERS_MAX, "the simulator's Postgres has too few rows");
        LAW(pg.order_count == 0 || (uint64_t)pg.orders[pg.order_count - 1].order < order->order,
            "the recorder writes order %llu twice", (unsigned long long)order->order);
        row = &pg.orders[pg.order_count];
        put(&row->order, (int64_t)order->order);
        put(&row->filled, 0);
        put(&pg.order_count, pg.order_count + 1);
    } else {
        row = order_row_of(order->order);
    }
    put(&row->leaves, order->leaves);
    put(&row->filled, row->filled + order->filled);
}

static void write_balance(const struct record_balance *balance)
{
    const struct posting *change = &balance->change;
    int64_t *row = pg.balances[change->account][change->asset];
    put(&row[0], row[0] + change->available);
    put(&row[1], row[1] + change->held);
    put(&row[2], row[2] + change->unsettled);
    put(&row[3], row[3] + change->blocked);
    put(&row[4], row[4] + change->deficit);
}

// The next column of a binary COPY; numbers only, texts are 0.
static int64_t column(const uint8_t **at)
{
    uint32_t bytes;
    memcpy(&bytes, *at, sizeof bytes);
    bytes = be32toh(bytes);
    const uint8_t *value = *at + sizeof bytes;
    *at = value + (bytes == UINT32_MAX ? 0 : bytes);
    uint64_t number = 0;
    if (bytes > 8)
        return 0;
    for (uint32_t i = 0; i < bytes; i++)
        number = number << 8 | value[i];
    return bytes == 4 ? (int32_t)number : (int64_t)number;
}

// Columns as record_batch.c writes them into record.trade.
static void write_trade(const uint8_t **at)
{
    enum { COPY_HEADER_COLUMNS = 2, TRADE_COLUMNS = 19 };
    int64_t columns[TRADE_COLUMNS];
    *at += COPY_HEADER_COLUMNS;
    for (int i = 0; i < TRADE_COLUMNS; i++)
        columns[i] = column(at);
    LAW(pg.trade_count < TRADES_MAX, "the simulator's Postgres has too few trades");
    struct trade_row *row = &pg.trades[pg.trade_count];
    put(&row->trade, columns[0]);
    put(&row->sequence, columns[1]);
    put(&row->instrument, columns[4]);
    put(&row->price, columns[9]);
    put(&row->quantity, columns[10]);
    put(&row->notional, columns[11]);
    put(&row->buyer, columns[12]);
    put(&row->seller, columns[13]);
    put(&row->seller_fee, columns[17]);
    put(&pg.trade_count, pg.trade_count + 1);
}

static void write_trades(const struct pg_copy *copy)
{
    enum { COPY_SIGNATURE_BYTES = 19 };
    const uint8_t *at = copy->data + COPY_SIGNATURE_BYTES;
    for (size_t i = 0; i < copy->rows; i++)
        write_trade(&at);
}

static void write_terms(const struct event *event)
{
    if (event->header.type != EVT_instrument_changed)
        return;
    const struct instrument_changed_evt *terms = &event->body.instrument_changed;
    int64_t *row = pg.terms[terms->instrument];
    put(&row[0], terms->token_asset);
    put(&row[1], terms->cash_asset);
    put(&row[2], terms->token_scale);
}

static void write_rows(const struct record_batch *batch)
{
    for (size_t i = 0; i < batch->order_count; i++)
        write_order(&batch->orders[i]);
    for (size_t i = 0; i < batch->balance_count; i++)
        write_balance(&batch->balances[i]);
    for (size_t i = 0; i < batch->reference_count; i++)
        write_terms(&batch->references[i]);
    write_trades(&batch->trades);
}

// ---- record_store.h

struct record_store {
    uint64_t session, server; // 0 = not connected
    const char *reason;
    struct record_cursor cursor;
    uint64_t busy_until_ns; // the batch is on its way until then; 0 = none is
};

void __wrap_pg_settings_of(struct pg_settings *settings, const struct config *config,
                           const char *role);
void __wrap_pg_settings_of(struct pg_settings *settings, const struct config *config,
                           const char *role)
{
    (void)config, (void)role;
    memset(settings, 0, sizeof *settings);
}

struct record_store *record_store_open(const struct pg_settings *settings)
{
    (void)settings;
    struct record_store *store = calloc(1, sizeof *store);
    ASSERT(store != NULL);
    store->reason = "";
    return store;
}

void record_store_close(struct record_store *store)
{
    if (store->session != 0 && pg.recorder_session == store->session)
        pg.recorder_session = 0;
    free(store);
}

const char *record_store_reason(const struct record_store *store)
{
    return store->reason;
}

uint32_t record_store_wait_ms(const struct record_store *store)
{
    (void)store;
    return 200;
}

static enum record_result retry(struct record_store *store, const char *reason)
{
    if (store->session != 0 && pg.recorder_session == store->session)
        pg.recorder_session = 0;
    store->session = 0;
    store->reason = reason;
    return RECORD_RETRY;
}

static struct record_cursor cursor_row(void)
{
    return (struct record_cursor){.sequence = (uint64_t)pg.cursor,
                                  .time_ns = (uint64_t)pg.cursor_time,
                                  .digest = (uint64_t)pg.cursor_digest};
}

static bool is_connected(const struct record_store *store)
{
    return store->session != 0 && pg.up && store->server == pg.server &&
           pg.recorder_session == store->session;
}

// Connected, locked, the cursor read: as record_store.c has it.
static enum record_result ensure(struct record_store *store)
{
    scheduler_effect();
    if (!pg.up || scheduler_chance(pg.faults_permille))
        return retry(store, "no server");
    if (is_connected(store))
        return RECORD_OK;
    if (pg.recorder_session != 0 || scheduler_now_ns() < pg.lock_until_ns)
        return retry(store, "another recorder holds the lock");
    store->session = pg.recorder_session = ++pg.sessions;
    store->server = pg.server;
    store->cursor = cursor_row();
    return RECORD_OK;
}

enum record_result record_store_begin(struct record_store *store, struct record_cursor *cursor,
                                      struct record_terms *terms)
{
    enum record_result result = ensure(store);
    if (result != RECORD_OK)
        return result;
    *cursor = store->cursor = cursor_row();
    for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
        const struct posting_terms row = {.token_asset = (uint32_t)pg.terms[i][0],
                                          .cash_asset = (uint32_t)pg.terms[i][1],
                                          .token_scale = (uint8_t)pg.terms[i][2]};
        if (row.token_asset != 0)
            record_terms_set(terms, i, &row);
    }
    return RECORD_OK;
}

static enum record_result rewind_to_row(struct record_store *store, const char *reason)
{
    store->cursor = cursor_row();
    store->reason = reason;
    return RECORD_REWIND;
}

enum record_result record_store_check(struct record_store *store)
{
    struct record_cursor left = store->cursor;
    enum record_result result = ensure(store);
    if (result != RECORD_OK)
        return result;
    store->cursor = cursor_row();
    bool same = store->cursor.sequence == left.sequence && store->cursor.digest == left.digest;
    return same ? RECORD_OK : rewind_to_row(store, "the cursor was moved");
}

static void move_cursor(const struct record_batch *batch)
{
    put(&pg.cursor, (int64_t)batch->last_sequence);
    put(&pg.cursor_time, (int64_t)batch->last_time_ns);
    put(&pg.cursor_digest, (int64_t)batch->last_digest);
}

// The rows of trades are settlement's, too, once they are committed.
static void commit(struct record_store *store, const struct record_batch *batch)
{
    for (int64_t i = (int64_t)pg.world.trade_count; i < pg.trade_count; i++)
        settle_row(&pg.trades[i], i);
    if (scheduler_chance(50)) // the log is written out now and then
        sync_all();
    story_tell("postgres", "commits %llu to %llu", (unsigned long long)batch->first_sequence,
               (unsigned long long)batch->last_sequence);
    store->cursor = cursor_row();
}

bool postgres_cursor_alone;

// One transaction, written in one go (nobody else writes these tables), that may fail before or
// behind.
static enum record_result transaction(struct record_store *store, const struct record_batch *batch)
{
    size_t mark = pg.undo_count;
    move_cursor(batch);
    if (postgres_cursor_alone)
        mark = pg.undo_count;
    write_rows(batch);
    if (scheduler_chance(pg.faults_permille)) {
        undo_to(mark);
        return retry(store, "the session was killed in the transaction");
    }
    commit(store, batch);
    scheduler_effect();
    if (scheduler_chance(pg.faults_permille))
        return retry(store, "the answer to the commit was lost");
    return is_connected(store) ? RECORD_OK : retry(store, "the session was killed");
}

void record_store_wait(struct record_store *store, uint32_t timeout_ms)
{
    uint64_t now_ns = scheduler_now_ns();
    uint64_t left_ns = store->busy_until_ns > now_ns ? store->busy_until_ns - now_ns : 1;
    fiber_sleep(left_ns < timeout_ms * MS ? left_ns : timeout_ms * MS);
}

// Some batches take their time. Their transaction is one moment all the same: its end.
static bool is_on_its_way(struct record_store *store)
{
    if (store->busy_until_ns == 0 && scheduler_chance(300))
        store->busy_until_ns = scheduler_now_ns() + 1 + scheduler_random(20 * MS);
    if (scheduler_now_ns() < store->busy_until_ns)
        return true;
    store->busy_until_ns = 0;
    return false;
}

enum record_result record_store_write(struct record_store *store, struct record_batch *batch)
{
    ASSERT(record_batch_complete(batch));
    enum record_result result = store->busy_until_ns == 0 ? ensure(store) : RECORD_OK;
    if (result != RECORD_OK)
        return result;
    if (is_on_its_way(store))
        return RECORD_BUSY;
    if (!is_connected(store))
        return retry(store, "the session was killed while the batch was on its way");
    if (store->cursor.sequence == batch->last_sequence &&
        store->cursor.digest == batch->last_digest)
        return RECORD_OK; // the commit had arrived
    if (store->cursor.sequence != batch->first_sequence - 1)
        return rewind_to_row(store, "the batch does not follow the cursor");
    if (pg.cursor != (int64_t)batch->first_sequence - 1)
        return rewind_to_row(store, "the cursor was moved");
    return transaction(store, batch);
}

// ---- judgement

void postgres_judge_trade(const struct event *event)
{
    const struct trade_evt *body = &event->body.trade;
    bool taker_buys = body->taker_side == SIDE_BUY;
    LAW(pg.judged_trades < pg.trade_count, "trade %llu.%u is not recorded",
        (unsigned long long)event->header.sequence, event->header.index);
    const struct trade_row *row = &pg.trades[pg.judged_trades++];
    LAW(row->trade == (int64_t)trade_id_of(event->header.sequence, event->header.index) &&
            row->instrument == body->instrument && row->price == body->price &&
            row->quantity == body->quantity &&
            row->buyer == (taker_buys ? body->taker_account : body->maker_account) &&
            row->seller == (taker_buys ? body->maker_account : body->taker_account) &&
            row->seller_fee == (taker_buys ? body->maker_fee : body->taker_fee),
        "trade %llu.%u is recorded as another one", (unsigned long long)event->header.sequence,
        event->header.index);
}

void postgres_judge_booked(const struct settlement_booked_evt *booked)
{
    const struct trade_row *row = trade_of(booked->trade_id);
    LAW(row != NULL && booked->outcome <= SETTLEMENT_RETRIED, "a booking of no trade");
    pg.booked[row - pg.trades][booked->outcome]++;
}

void postgres_judge_order(uint64_t order, int64_t filled, int64_t leaves)
{
    const struct order_row *row = order_row_of(order);
    LAW(row->filled == filled && row->leaves == leaves,
        "order %llu is recorded with %lld filled and %lld open, and has %lld and %lld",
        (unsigned long long)order, (long long)row->filled, (long long)row->leaves,
        (long long)filled, (long long)leaves);
    pg.judged_orders++;
}

void postgres_judge_balance(uint32_t account, uint32_t asset, const struct balance_rec *balance)
{
    const int64_t *row = pg.balances[account][asset];
    LAW(row[0] == balance->available && row[1] == balance->held && row[2] == balance->unsettled &&
            row[3] == balance->blocked && row[4] == balance->deficit,
        "account %u, asset %u: recorded are %lld + %lld, the ledger has %lld + %lld", account,
        asset, (long long)row[0], (long long)row[1], (long long)balance->available,
        (long long)balance->held);
}

__extension__ typedef __int128 signed_units;

// How often a trade has moved: by a transaction of its own or with others, or in a net of zero.
static int64_t times_moved(const struct fake_trade *trade)
{
    return (int64_t)trade->executed + trade->to_zero;
}

// Ledger = chain: a wallet has what the ledger says; the ledger has each trade once, the chain as
// often as it has moved.
void postgres_judge_wallet(unsigned client, const struct balance_rec *balance)
{
    int64_t account = universe_account(client);
    int64_t tokens = balance->available + balance->held - balance->deficit - TOKEN_DEPOSIT;
    signed_units expected = (signed_units)CHAIN_GENESIS_UNITS + tokens * (signed_units)CHAIN_UNIT;
    for (int64_t i = 0; i < pg.trade_count; i++) {
        const struct trade_row *row = &pg.trades[i];
        if (row->instrument != INSTRUMENT_ON_CHAIN)
            continue;
        int64_t sign = (row->buyer == account) - (row->seller == account);
        int64_t in_ledger = row->quantity * (int64_t)(CHAIN_UNIT / CHAIN_LEG_UNIT);
        expected += sign * (signed_units)CHAIN_LEG_UNIT *
                    (times_moved(&pg.world.trades[i]) * leg_units(row, i) - in_ledger);
    }
    struct chain_address address;
    ASSERT(address_parse(&address, chain_wallet(client)));
    signed_units lacks = expected - (signed_units)fake_wallet(&pg.world, &address)->units;
    LAW(lacks == 0, "ledger and chain differ: the wallet of account %lld lacks %lld units",
        (long long)account, (long long)(lacks / (signed_units)CHAIN_UNIT));
}

// ---- nets

// What the recorded trade would move by itself from one of two wallets to the other; 0: it is of
// others.
static signed_units would_move(size_t trade, const struct chain_address *from,
                               const struct chain_address *to)
{
    const struct trade_row *row = &pg.trades[trade];
    unsigned seller, buyer;
    if (!chain_client_of(&seller, from) || !chain_client_of(&buyer, to))
        return 0;
    bool along = row->seller == universe_account(seller) && row->buyer == universe_account(buyer);
    bool back = row->buyer == universe_account(seller) && row->seller == universe_account(buyer);
    return (along - back) * leg_units(row, (int64_t)trade) * (signed_units)CHAIN_LEG_UNIT;
}

// A transaction moves between two wallets what its trades between them would have moved one by one.
static void judge_transaction(const struct fake_tx *tx)
{
    static struct settle_call call;
    const struct fake_request *request = &pg.world.requests[pg.world.attempts[tx->attempt].request];
    if (!fake_is_of_trades(request))
        return;
    fake_call_of(&pg.world, &call, tx->attempt);
    for (size_t move = 0; move < call.leg_count; move++) {
        const struct settle_leg *leg = &call.legs[move];
        signed_units moved = 0, owed = 0;
        for (size_t i = 0; i < call.leg_count; i++) {
            bool along = address_equal(&call.legs[i].from, &leg->from) &&
                         address_equal(&call.legs[i].to, &leg->to);
            bool back = address_equal(&call.legs[i].from, &leg->to) &&
                        address_equal(&call.legs[i].to, &leg->from);
            moved += (along - back) * (signed_units)call.legs[i].units;
        }
        for (size_t i = 0; i < request->leg_count; i++)
            owed += would_move(request->legs[i].trade, &leg->from, &leg->to);
        LAW(moved == owed, "request %llu moves %lld units where its trades make %lld",
            (unsigned long long)request->request_id,
            (long long)(moved / (signed_units)CHAIN_LEG_UNIT),
            (long long)(owed / (signed_units)CHAIN_LEG_UNIT));
    }
}

// The trades of a net of zero make nothing together.
static void judge_zero(size_t first)
{
    const struct fake_trade *net = &pg.world.trades[first];
    signed_units sum = 0;
    size_t members = 0;
    for (size_t i = 0; i < pg.world.trade_count; i++) {
        const struct fake_trade *trade = &pg.world.trades[i];
        if (!trade->to_zero || trade->net_id != net->net_id)
            continue;
        sum += would_move(i, &net->leg.from, &net->leg.to);
        members++;
        LAW(trade->executed == 0 || fake_has_incident(&pg.world, i),
            "trade %llu is of a net of zero, and has moved", (unsigned long long)trade->trade_id);
    }
    LAW(members > 1 && sum == 0, "net %llu of zero has %zu trades, which make %lld units",
        (unsigned long long)net->net_id, members, (long long)(sum / (signed_units)CHAIN_LEG_UNIT));
}

static void judge_nets(void)
{
    for (size_t i = 0; i < pg.world.tx_count; i++)
        if (pg.world.txs[i].moved)
            judge_transaction(&pg.world.txs[i]);
    for (size_t i = 0; i < pg.world.trade_count; i++)
        if (pg.world.trades[i].to_zero)
            judge_zero(i);
}

static void judge_settled(size_t i)
{
    const struct fake_trade *trade = &pg.world.trades[i];
    LAW(is_as_told(trade), "trade %llu: %u transfers on the chain, and no incident",
        (unsigned long long)trade->trade_id, trade->executed);
    bool settled = trade->state == SETTLE_TRADE_SETTLED;
    LAW(settled || trade->reason[0] != '\0', "trade %llu has failed without a reason",
        (unsigned long long)trade->trade_id);
    LAW(pg.booked[i][SETTLEMENT_SETTLED] == (settled ? 1 : 0) &&
            pg.booked[i][SETTLEMENT_FAILED] == pg.booked[i][SETTLEMENT_RETRIED] + (settled ? 0 : 1),
        "trade %llu is %s, and the ledger has booked %u settled, %u failed, %u retried",
        (unsigned long long)trade->trade_id, settled ? "settled" : "failed",
        pg.booked[i][SETTLEMENT_SETTLED], pg.booked[i][SETTLEMENT_FAILED],
        pg.booked[i][SETTLEMENT_RETRIED]);
}

// Nobody else freezes here: what the rows say that the venue has frozen is what is frozen. (What an
// incident names is in no row.)
static void judge_custody(void)
{
    for (size_t i = 0; i < pg.world.wallet_count && pg.world.incident_count == 0; i++) {
        const struct fake_wallet *wallet = &pg.world.wallets[i];
        LAW(!wallet->in_custody || fake_venue_units(&pg.world, wallet) == wallet->frozen_units,
            "wallet %zu: %llu tokens are frozen, the rows say %llu", i,
            (unsigned long long)(wallet->frozen_units / CHAIN_LEG_UNIT),
            (unsigned long long)(fake_venue_units(&pg.world, wallet) / CHAIN_LEG_UNIT));
    }
}

void postgres_judge_end(void)
{
    LAW(pg.cursor == (int64_t)laws_published(), "the recorder stands at %lld of %llu",
        (long long)pg.cursor, (unsigned long long)laws_published());
    LAW(pg.judged_trades == pg.trade_count && pg.trade_count == (int64_t)pg.world.trade_count,
        "%lld trades are recorded, the journal has %lld", (long long)pg.trade_count,
        (long long)pg.judged_trades);
    LAW(pg.judged_orders == pg.order_count, "%lld orders are recorded, the journal has %lld",
        (long long)pg.order_count, (long long)pg.judged_orders);
    for (size_t i = 0; i < pg.world.trade_count; i++)
        judge_settled(i);
    judge_nets();
    for (size_t i = 0; i < pg.world.incident_count; i++)
        LAW(pg.may_have_incidents, "request %llu has incident %s on a chain that keeps its word",
            (unsigned long long)pg.world.incidents[i].request_id, pg.world.incidents[i].kind);
    judge_custody();
    const char *not = fake_history_why_not(&pg.world);
    LAW(not == NULL, "%s", not );
}

void postgres_count(uint64_t *transactions, uint64_t *moved, uint64_t *nets, uint64_t *incidents)
{
    *transactions = *moved = 0;
    for (size_t i = 0; i < pg.world.tx_count; i++)
        *transactions += pg.world.txs[i].moved;
    for (size_t i = 0; i < pg.world.trade_count; i++)
        *moved += times_moved(&pg.world.trades[i]) > 0;
    *nets = pg.world.nets + pg.world.zero_nets;
    *incidents = pg.world.incident_count;
}
