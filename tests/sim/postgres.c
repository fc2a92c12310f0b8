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

enum { ORDERS_MAX = 1 << 16, TRADES_MAX = FAKE_TRADES_MAX, UNDO_MAX = 1 << 19, ON_CHAIN_MAX = 24 };

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
    // Judgement.
    int64_t judged_trades, judged_orders;
    uint8_t booked[TRADES_MAX][4];
} pg;

// ---- transactions
// -----------------------------------------------------------------------------------------

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
// -------------------------------------------------------------------------------------------

static enum fake_fault decide(void);

void postgres_begin(uint64_t seed)
{
    pg.up = true;
    fake_init(&pg.world, seed);
    pg.world.faults.decide = decide;
    pg.world.tick_ns = SECOND;
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
// -----------------------------------------------------------------------------------

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

// The recorder's transaction inserts the pending row. The fake chain tells legs apart by their
// terms, so the row's number is in the units that move there.
static void settle_row(const struct trade_row *row, int64_t number)
{
    struct fake_trade *trade =
        fake_trade(&pg.world, chain_wallet(universe_client_of((uint32_t)row->seller)),
                   chain_wallet(universe_client_of((uint32_t)row->buyer)),
                   row->quantity * (int64_t)(CHAIN_UNIT / CHAIN_LEG_UNIT) + number);
    trade->trade_id = (uint64_t)row->trade;
    if (row->instrument != INSTRUMENT_ON_CHAIN || number >= ON_CHAIN_MAX)
        trade->contract = NULL;
}

static bool trade_is_done(const struct fake_trade *trade)
{
    return (trade->state == SETTLE_TRADE_SETTLED || trade->state == SETTLE_TRADE_FAILED) &&
           !trade->request_open && !trade->retry_asked &&
           // Reorganised away behind its confirmations: the worker has to notice, and send it
           // again.
           (!trade->on_chain || trade->executed > 0);
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
    return NULL;
}

// ---- rows of a batch
// --------------------------------------------------------------------------------------

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
// ------------------------------------------------------------------------------------------

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
// ---------------------------------------------------------------------------------------------

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

// Ledger = chain: a wallet has what the ledger says, where trades did not go to the chain the units
// of before; and below a unit the number of each leg.
void postgres_judge_wallet(unsigned client, const struct balance_rec *balance)
{
    int64_t account = universe_account(client), numbers = 0;
    int64_t tokens = balance->available + balance->held - balance->deficit - TOKEN_DEPOSIT;
    for (int64_t i = 0; i < pg.trade_count; i++) {
        const struct trade_row *row = &pg.trades[i];
        if (row->instrument != INSTRUMENT_ON_CHAIN)
            continue;
        int64_t sign = (row->buyer == account) - (row->seller == account);
        if (pg.world.trades[i].executed > 0)
            numbers += sign * i;
        else
            tokens -= sign * row->quantity;
    }
    struct chain_address address;
    ASSERT(address_parse(&address, chain_wallet(client)));
    __extension__ typedef __int128 signed_units;
    signed_units lacks = (signed_units)CHAIN_GENESIS_UNITS + tokens * (signed_units)CHAIN_UNIT +
                         numbers * (signed_units)CHAIN_LEG_UNIT -
                         (signed_units)fake_wallet(&pg.world, &address)->units;
    LAW(lacks == 0, "ledger and chain differ: the wallet of account %lld lacks %lld units",
        (long long)account, (long long)(lacks / (signed_units)CHAIN_UNIT));
}

static void judge_settled(size_t i)
{
    const struct fake_trade *trade = &pg.world.trades[i];
    LAW(trade->executed == (trade->on_chain ? 1u : 0u), "trade %llu: %u transfers on the chain",
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
    const char *not = fake_history_why_not(&pg.world);
    LAW(not == NULL, "%s", not );
}
