// Session, lock and transactions of the store.
//
// Happy path: begin, the statements of one step, each guarded by the states it may come from,
// commit.
//
// A statement that changes another number of rows than it should says that the rows are not as the
// worker believes: the transaction is rolled back and the answer is LOST, as for every failure of
// the connection. Statements are text constants, as pg.h wants them.
#include "settlement/settle_store_internal.h"

#include <string.h>

#include "base/log.h"

// ---- transactions

// SQLSTATE class 42: no such table, column or function, or no right to it.
static bool is_of_schema(const struct pg_error *error)
{
    return error->class == PG_REFUSED && strncmp(error->sqlstate, "42", 2) == 0;
}

enum settle_store_result store_lost(struct settle_store_pg *store, const char *what)
{
    const struct pg_error *error = pg_last_error(store->pg);

    if (is_of_schema(error))
        log_limited(LOG_ERROR,
                    "schema and binary differ: run schema/sql/setup with this version, then "
                    "restart step=\"%s\" sqlstate=%s message=\"%s\"",
                    what, error->sqlstate, error->message);
    else
        log_limited(LOG_WARNING,
                    "transaction given up step=\"%s\" class=%s sqlstate=%s message=\"%s\"", what,
                    pg_class_name(error->class), error->sqlstate, error->message);
    pg_rollback(store->pg);
    store->is_held = store->is_whole = false;
    if (!pg_connected(store->pg))
        store->leading = false;
    return SETTLE_STORE_LOST;
}

// Is this the session that has the lock?
static bool store_leads(struct settle_store_pg *store)
{
    if (!store->leading || !pg_connected(store->pg) ||
        pg_connections(store->pg) != store->connection)
        store->leading = false;
    return store->leading;
}

static bool begin(struct settle_store_pg *store, const char *sql)
{
    if (!store_leads(store))
        return false;
    if (store->is_held)
        return true;
    if (pg_execute(store->pg, sql) != PG_OK) {
        store->leading = false;
        return false;
    }
    if (pg_connections(store->pg) == store->connection)
        return true;
    pg_rollback(store->pg); // it connected again under us
    store->leading = false;
    return false;
}

bool store_begin(struct settle_store_pg *store)
{
    return begin(store, "BEGIN");
}

bool store_begin_unsynced(struct settle_store_pg *store)
{
    return begin(store, "BEGIN; SET LOCAL synchronous_commit = off");
}

enum settle_store_result store_commit(struct settle_store_pg *store, const char *what)
{
    if (store->is_held || store->is_whole) {
        store->is_whole = false;
        return SETTLE_STORE_OK;
    }
    return pg_commit(store->pg) == PG_OK ? SETTLE_STORE_OK : store_lost(store, what);
}

static enum settle_store_result store_hold(void *context)
{
    struct settle_store_pg *store = context;

    ASSERT(!store->is_held);
    store->is_held = store_begin(store);
    return store->is_held ? SETTLE_STORE_OK : SETTLE_STORE_LOST;
}

static enum settle_store_result store_release(void *context)
{
    struct settle_store_pg *store = context;

    ASSERT(store->is_held);
    store->is_held = false;
    return store_commit(store, "release");
}

// Runs a statement that must touch exactly one row.
bool store_one(struct settle_store_pg *store, const char *sql, const struct pg_param *params,
               size_t count)
{
    struct pg_rows *rows = NULL;
    bool is_one = pg_query(store->pg, &rows, sql, params, count) == PG_OK &&
                  (pg_rows_affected(rows) == 1 || pg_rows_count(rows) == 1);

    pg_rows_free(rows);
    return is_one;
}

bool store_many(struct settle_store_pg *store, size_t rows_expected, const char *sql,
                const struct pg_param *params, size_t count)
{
    struct pg_rows *rows = NULL;
    bool is_so = pg_query(store->pg, &rows, sql, params, count) == PG_OK &&
                 pg_rows_affected(rows) == rows_expected;

    pg_rows_free(rows);
    return is_so;
}

bool store_any(struct settle_store_pg *store, const char *sql, const struct pg_param *params,
               size_t count)
{
    return pg_query(store->pg, NULL, sql, params, count) == PG_OK;
}

bool store_is(struct settle_store_pg *store, bool *yes, const char *sql,
              const struct pg_param *params, size_t count)
{
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, sql, params, count) != PG_OK)
        return false;
    *yes = pg_rows_count(rows) > 0 && pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return true;
}

bool store_ask(struct settle_store_pg *store, struct pg_rows **rows, const char *step,
               const char *sql, const struct pg_param *params, size_t count)
{
    if (!store_leads(store))
        return false;
    store->is_whole = true;
    return pg_query(store->pg, rows, sql, params, count) == PG_OK ||
           store_lost(store, step) == SETTLE_STORE_OK; // it never is
}

// ---- the lock

static enum settle_store_result store_lead(void *context, bool *anew)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool locked;

    *anew = false;
    if (store->leading && pg_connected(store->pg) && pg_connections(store->pg) == store->connection)
        return SETTLE_STORE_OK;
    store->leading = false;
    // Planning the claim takes longer than carrying it out, and the same statements come again and
    // again.
    if (pg_connect(store->pg) != PG_OK ||
        pg_execute(store->pg, "SET plan_cache_mode = force_generic_plan") != PG_OK)
        return SETTLE_STORE_LOST;
    uint32_t connection = pg_connections(store->pg);
    // While the rows are being written again from the chain, what was settled still looks pending.
    if (pg_query(store->pg, &rows,
                 "SELECT CASE WHEN NOT EXISTS (SELECT FROM settle.rebuild WHERE done_at IS NULL) "
                 "THEN pg_try_advisory_lock($1) ELSE false END",
                 PG_PARAMS(pg_i64(SETTLE_STORE_LOCK_KEY))) != PG_OK)
        return SETTLE_STORE_LOST;
    locked = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    if (!locked)
        return SETTLE_STORE_BUSY;
    if (pg_connections(store->pg) != connection)
        return SETTLE_STORE_LOST;
    store->connection = connection;
    store->leading = true;
    store_queue_again(store);
    *anew = true;
    return SETTLE_STORE_OK;
}

static enum settle_store_result store_follow(void *context)
{
    struct settle_store_pg *store = context;

    store->leading = false;
    return pg_query(store->pg, NULL, "SELECT pg_advisory_unlock($1)",
                    PG_PARAMS(pg_i64(SETTLE_STORE_LOCK_KEY))) == PG_OK
               ? SETTLE_STORE_OK
               : SETTLE_STORE_LOST;
}

static enum settle_store_result store_needs_signer(void *context, bool *needs)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT NOT EXISTS (SELECT FROM settle.signer WHERE chain_id = $1) AND EXISTS "
                 "(SELECT FROM public.tokens WHERE chain_id = $1 AND contract_address <> '')",
                 PG_PARAMS(u64(store->chain_id))) != PG_OK)
        return store_lost(store, "needs_signer");
    *needs = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return store_commit(store, "needs_signer");
}

static void store_close(void *context)
{
    struct settle_store_pg *store = context;

    store->leading = false;
}

struct settle_store_ops settle_store_pg_open(struct settle_store_pg *store, struct pg *pg,
                                             uint64_t chain_id, uint32_t attempts_max,
                                             uint64_t tick_ms)
{
    struct settle_store_ops ops = {.context = store,
                                   .lead = store_lead,
                                   .follow = store_follow,
                                   .needs_signer = store_needs_signer,
                                   .hold = store_hold,
                                   .release = store_release,
                                   .close = store_close};

    *store = (struct settle_store_pg){
        .pg = pg, .chain_id = chain_id, .attempts_max = attempts_max, .tick_ms = tick_ms};
    store_queue_again(store);
    settle_store_queue_ops(&ops);
    settle_store_trades_ops(&ops);
    settle_store_control_ops(&ops);
    settle_store_abandon_ops(&ops);
    settle_store_net_ops(&ops);
    settle_store_custody_ops(&ops);
    settle_store_mint_ops(&ops);
    settle_store_attempts_ops(&ops);
    settle_store_lost_ops(&ops);
    settle_store_moved_ops(&ops);
    return ops;
}
