// Happy path: BEGIN; the cursor, which locks its row; one INSERT per alert (there are few); COMMIT.
// Any failure rolls all of it back.
#include "risk/surveillance/surveil_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A number of advisory locks that nobody else in this database uses.
enum { SURVEIL_LOCK = 0x4c4f4e53 };

struct surveil_store {
    struct pg *pg;
    uint32_t connections; // pg_connections() when the cursor was read
    struct surveil_cursor cursor;
    char reason[320];
};

struct surveil_store *surveil_store_open(const struct pg_settings *settings)
{
    struct surveil_store *store = calloc(1, sizeof *store);
    ASSERT(store != NULL);
    store->pg = pg_open(settings);
    return store;
}

void surveil_store_close(struct surveil_store *store)
{
    if (store == NULL)
        return;
    pg_close(store->pg);
    free(store);
}

const char *surveil_store_reason(const struct surveil_store *store)
{
    return store->reason;
}

uint32_t surveil_store_wait_ms(const struct surveil_store *store)
{
    uint32_t wait_ms = pg_retry_wait_ms(store->pg);
    return wait_ms > 100 ? wait_ms : 100;
}

// The result of a failed statement; the transaction, if there is one, is over.
static enum surveil_result failed(struct surveil_store *store, const char *what)
{
    const struct pg_error *error = pg_last_error(store->pg);
    enum pg_class class = error->class;
    snprintf(store->reason, sizeof store->reason, "%s: %s %s", what, error->sqlstate,
             error->message);
    pg_rollback(store->pg);
    if (class == PG_GONE || class == PG_TRANSIENT)
        return SURVEIL_RETRY;
    // A refused login may be a password that is being changed, or a server that is being set up.
    return pg_connected(store->pg) ? SURVEIL_BROKEN : SURVEIL_RETRY;
}

static enum surveil_result lock(struct surveil_store *store)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                 PG_PARAMS(pg_i64(SURVEIL_LOCK))) != PG_OK)
        return failed(store, "lock");
    bool taken = pg_number(rows, 0, 0) != 0;
    pg_rows_free(rows);
    if (taken)
        return SURVEIL_OK;
    snprintf(store->reason, sizeof store->reason, "another lonja-surveil holds the lock");
    pg_disconnect(store->pg);
    return SURVEIL_RETRY;
}

static enum surveil_result read_cursor(struct surveil_store *store)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows,
                 "SELECT sequence, time_ns, checksum, day_first FROM surveil.cursor",
                 PG_NO_PARAMS) != PG_OK)
        return failed(store, "cursor");
    bool one = pg_rows_count(rows) == 1;
    if (one)
        store->cursor = (struct surveil_cursor){.sequence = (uint64_t)pg_number(rows, 0, 0),
                                                .time_ns = (uint64_t)pg_number(rows, 0, 1),
                                                .digest = (uint64_t)pg_number(rows, 0, 2),
                                                .day_first = (uint64_t)pg_number(rows, 0, 3)};
    pg_rows_free(rows);
    if (one)
        return SURVEIL_OK;
    snprintf(store->reason, sizeof store->reason, "surveil.cursor has no row");
    return SURVEIL_BROKEN;
}

// Connected, locked, and the cursor known. No-op while the connection lasts.
static enum surveil_result ensure(struct surveil_store *store)
{
    if (pg_connected(store->pg) && store->connections == pg_connections(store->pg))
        return SURVEIL_OK;
    if (pg_connect(store->pg) != PG_OK)
        return failed(store, "connect");
    enum surveil_result result = lock(store);
    if (result == SURVEIL_OK)
        result = read_cursor(store);
    if (result == SURVEIL_OK)
        store->connections = pg_connections(store->pg);
    else
        pg_disconnect(store->pg);
    return result;
}

enum surveil_result surveil_store_begin(struct surveil_store *store, struct surveil_cursor *cursor)
{
    enum surveil_result result = ensure(store);
    if (result == SURVEIL_OK)
        result = read_cursor(store);
    if (result == SURVEIL_OK)
        *cursor = store->cursor;
    return result;
}

static bool is_at(const struct surveil_store *store, const struct surveil_cursor *cursor)
{
    return store->cursor.sequence == cursor->sequence && store->cursor.digest == cursor->digest;
}

static enum surveil_result moved_away(struct surveil_store *store)
{
    snprintf(store->reason, sizeof store->reason, "the cursor was moved to %llu",
             (unsigned long long)store->cursor.sequence);
    return SURVEIL_REWIND;
}

enum surveil_result surveil_store_check(struct surveil_store *store)
{
    struct surveil_cursor left = store->cursor;
    enum surveil_result result = ensure(store);
    if (result == SURVEIL_OK)
        result = read_cursor(store);
    if (result != SURVEIL_OK)
        return result;
    return is_at(store, &left) ? SURVEIL_OK : moved_away(store);
}

// ---- writing

static struct pg_param id_or_null(uint32_t id)
{
    return id != 0 ? pg_i64(id) : pg_null();
}

// "{1,2,3}"
static void print_evidence(char *out, size_t bytes, const struct surveillance_alert *alert)
{
    size_t used = 0;
    for (uint32_t i = 0; i < alert->evidence_count; i++) {
        int more = snprintf(out + used, bytes - used, "%c%llu", i == 0 ? '{' : ',',
                            (unsigned long long)alert->evidence[i]);
        ASSERT(more > 0 && (size_t)more < bytes - used);
        used += (size_t)more;
    }
    ASSERT(used > 0 && used + 2 <= bytes);
    memcpy(out + used, "}", 2);
}

static enum pg_class insert(struct surveil_store *store, const struct surveillance_alert *alert)
{
    char evidence[SURVEILLANCE_EVIDENCE_MAX * 21 + 2], symbol[SYMBOL_BYTES_MAX + 1];
    print_evidence(evidence, sizeof evidence, alert);
    snprintf(symbol, sizeof symbol, "%.*s", SYMBOL_BYTES_MAX, alert->symbol);
    const char *side = alert->side == 0 ? NULL : alert->side == SIDE_BUY ? "buy" : "sell";
    return pg_query(
        store->pg, NULL,
        "INSERT INTO surveil.alert (detector, sequence, event_index, at_ns, since_ns, "
        "instrument_id, symbol, side, member_id, account_id, counter_member_id, "
        "counter_account_id, price, quantity, token_scale, value, threshold, evidence, "
        "evidence_total) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, "
        "$15, $16, $17, $18::bigint[], $19) ON CONFLICT ON CONSTRAINT alert_once DO NOTHING",
        PG_PARAMS(pg_text(surveillance_detector_name((enum surveillance_detector)alert->detector)),
                  pg_i64((int64_t)alert->sequence), pg_i64(alert->index),
                  pg_i64((int64_t)alert->time_ns), pg_i64((int64_t)alert->since_ns),
                  pg_i64(alert->instrument), pg_text(symbol), pg_text(side),
                  id_or_null(alert->member), id_or_null(alert->account),
                  id_or_null(alert->counter_member), id_or_null(alert->counter_account),
                  alert->price != 0 ? pg_i64(alert->price) : pg_null(), pg_i64(alert->quantity),
                  pg_i64(alert->token_scale), pg_i64(alert->value), pg_i64(alert->limit),
                  pg_text(evidence), pg_i64(alert->evidence_total)));
}

static enum pg_class move_cursor(struct surveil_store *store, bool *moved,
                                 const struct surveil_cursor *to)
{
    struct pg_rows *rows;
    enum pg_class class = pg_query(
        store->pg, &rows,
        "UPDATE surveil.cursor SET sequence = $1, time_ns = $2, checksum = $3, day_first = $4, "
        "updated_at = clock_timestamp() WHERE sequence = $5",
        PG_PARAMS(pg_i64((int64_t)to->sequence), pg_i64((int64_t)to->time_ns),
                  pg_i64((int64_t)to->digest), pg_i64((int64_t)to->day_first),
                  pg_i64((int64_t)store->cursor.sequence)));
    *moved = class == PG_OK && pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    return class;
}

static enum surveil_result write_batch(struct surveil_store *store,
                                       const struct surveillance_alert *alerts, size_t count,
                                       const struct surveil_cursor *to)
{
    bool moved;
    if (pg_begin(store->pg) != PG_OK)
        return failed(store, "begin");
    if (move_cursor(store, &moved, to) != PG_OK)
        return failed(store, "cursor");
    if (!moved) {
        pg_rollback(store->pg);
        enum surveil_result result = read_cursor(store);
        return result == SURVEIL_OK ? moved_away(store) : result;
    }
    for (size_t i = 0; i < count; i++)
        if (insert(store, &alerts[i]) != PG_OK)
            return failed(store, "alert");
    if (pg_commit(store->pg) != PG_OK)
        return failed(store, "commit");
    store->cursor = *to;
    return SURVEIL_OK;
}

enum surveil_result surveil_store_write(struct surveil_store *store,
                                        const struct surveillance_alert *alerts, size_t count,
                                        const struct surveil_cursor *to)
{
    struct surveil_cursor left = store->cursor;
    enum surveil_result result = ensure(store);
    if (result != SURVEIL_OK)
        return result;
    if (is_at(store, to))
        return SURVEIL_OK; // the commit had arrived, its answer had not
    if (!is_at(store, &left))
        return moved_away(store);
    return write_batch(store, alerts, count, to);
}
