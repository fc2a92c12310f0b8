/* Happy path: begin, the statements of one step, commit. Whatever fails rolls back, is said in the
 * log and answered LOST. Events of a range go as one array of JSON; the rest is text constants, as
 * pg.h wants them. */
#include "chain/index_store_pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/index_events.h"

#define LOCK_KEY INT64_C(0x6c6f6e6a615f696e) /* "lonja_in": one indexer per database */
enum { CONFIRM_EVENTS_MAX = 500 };

struct hash_text {
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
};

static struct hash_text hash_text(const struct chain_hash *hash)
{
    struct hash_text out;
    hex_encode(out.text, hash->bytes, sizeof(hash->bytes));
    return out;
}

static struct pg_param u64(uint64_t value)
{
    ASSERT(value <= INT64_MAX);
    return pg_i64((int64_t)value);
}

/* ---- transactions and the lock ---- */

static enum index_store_result lost(struct index_store_pg *store, const char *step)
{
    const struct pg_error *error = pg_last_error(store->pg);
    log_limited(LOG_WARNING,
                "the database cannot be used step=\"%s\" class=%s sqlstate=%s message=\"%s\"", step,
                pg_class_name(error->class), error->sqlstate, error->message);
    pg_rollback(store->pg);
    if (!pg_connected(store->pg))
        store->leading = false;
    store->has_told = false;
    return INDEX_STORE_LOST;
}

static bool is_leading(const struct index_store_pg *store)
{
    return store->leading && pg_connected(store->pg) &&
           pg_connections(store->pg) == store->connection;
}

/* False: the session that holds the lock is gone, nothing may be written. */
static bool begin(struct index_store_pg *store)
{
    if (is_leading(store) && pg_begin(store->pg) == PG_OK && is_leading(store))
        return true;
    store->leading = false;
    pg_rollback(store->pg);
    return false;
}

static enum index_store_result commit(struct index_store_pg *store, const char *step)
{
    return pg_commit(store->pg) == PG_OK ? INDEX_STORE_OK : lost(store, step);
}

static bool run(struct index_store_pg *store, const char *sql, const struct pg_param *params,
                size_t count)
{
    return pg_query(store->pg, NULL, sql, params, count) == PG_OK;
}

static enum index_store_result lead(void *context)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    if (is_leading(store))
        return INDEX_STORE_OK;
    store->leading = store->has_told = false;
    if (pg_connect(store->pg) != PG_OK)
        return lost(store, "connect");
    uint32_t connection = pg_connections(store->pg);
    if (pg_query(store->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                 PG_PARAMS(pg_i64(LOCK_KEY))) != PG_OK)
        return lost(store, "lock");
    bool locked = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    store->connection = connection;
    store->leading = locked && pg_connections(store->pg) == connection;
    return locked ? INDEX_STORE_OK : INDEX_STORE_BUSY;
}

/* ---- which chain, what next ---- */

static enum index_store_result enter(void *context, const struct chain_hash *genesis)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    struct hash_text hash = hash_text(genesis);
    if (!begin(store))
        return INDEX_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "INSERT INTO chain.index_chain AS c (chain_id, genesis_hash) VALUES ($1, $2)"
                 " ON CONFLICT (chain_id) DO UPDATE SET updated_at = now()"
                 " RETURNING c.genesis_hash = $2",
                 PG_PARAMS(u64(store->chain_id), pg_text(hash.text))) != PG_OK)
        return lost(store, "enter");
    bool ours = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    enum index_store_result result = commit(store, "enter");
    return result == INDEX_STORE_OK && !ours ? INDEX_STORE_FOREIGN : result;
}

static bool read_work(struct index_store_pg *store, struct index_work *work)
{
    static const char sql[] =
        "WITH s AS (SELECT * FROM chain.index_source WHERE chain_id = $1), n AS (SELECT "
        "next_block, "
        "party FROM s ORDER BY next_block, party NULLS FIRST LIMIT 1) SELECT s.address, "
        "s.next_block, (SELECT min(o.next_block) FROM s o WHERE o.next_block > n.next_block), "
        "s.party FROM s JOIN n ON s.next_block = n.next_block AND s.party IS NOT DISTINCT FROM "
        "n.party ORDER BY s.address LIMIT $2";
    struct pg_rows *rows = NULL;
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_i64(INDEX_CONTRACTS_MAX))) != PG_OK)
        return false;
    work->contract_count = pg_rows_count(rows);
    work->party = (struct chain_address){{0}};
    for (size_t i = 0; i < work->contract_count; i++)
        ASSERT(hex_decode_exact(work->contracts[i].bytes, ADDRESS_BYTES, pg_value(rows, i, 0)));
    if (work->contract_count > 0) {
        work->from = (uint64_t)pg_number(rows, 0, 1);
        work->until = pg_is_null(rows, 0, 2) ? UINT64_MAX : (uint64_t)pg_number(rows, 0, 2);
        if (!pg_is_null(rows, 0, 3))
            ASSERT(hex_decode_exact(work->party.bytes, ADDRESS_BYTES, pg_value(rows, 0, 3)));
        /* More contracts than one question takes go one block behind the other, in turns. */
        if (work->contract_count == INDEX_CONTRACTS_MAX && work->until == UINT64_MAX)
            work->until = work->from + 1;
    }
    pg_rows_free(rows);
    return true;
}

static enum index_store_result stablecoin(void *context, bool *found, struct index_stablecoin *out)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    if (!is_leading(store))
        return INDEX_STORE_LOST;
    if (pg_query(
            store->pg, &rows,
            "SELECT asset_id, contract_address, escrow_address, decimals FROM "
            "people.stablecoin WHERE chain_id = $1 AND state = 'asked' ORDER BY asset_id LIMIT "
            "1",
            PG_PARAMS(u64(store->chain_id))) != PG_OK)
        return lost(store, "stablecoin");
    *found = pg_rows_count(rows) == 1;
    if (*found) {
        *out = (struct index_stablecoin){.asset = (uint32_t)pg_number(rows, 0, 0),
                                         .decimals = (int)pg_number(rows, 0, 3)};
        ASSERT(hex_decode_exact(out->contract.bytes, ADDRESS_BYTES, pg_value(rows, 0, 1)) &&
               hex_decode_exact(out->escrow.bytes, ADDRESS_BYTES, pg_value(rows, 0, 2)));
    }
    pg_rows_free(rows);
    return INDEX_STORE_OK;
}

static enum index_store_result stablecoin_proved(void *context, const struct index_stablecoin *coin,
                                                 const char *reason)
{
    struct index_store_pg *store = context;
    char contract[HEX_TEXT_SIZE(ADDRESS_BYTES)];
    char escrow[HEX_TEXT_SIZE(ADDRESS_BYTES)];
    if (!begin(store))
        return INDEX_STORE_LOST;
    hex_encode(contract, coin->contract.bytes, ADDRESS_BYTES);
    hex_encode(escrow, coin->escrow.bytes, ADDRESS_BYTES);
    return run(store,
               "UPDATE people.stablecoin SET state = $5, reason = $6, updated_at = now() WHERE "
               "asset_id = $1 AND state = 'asked' AND lower(contract_address) = $2 AND "
               "lower(escrow_address) = $3 AND decimals = $4",
               PG_PARAMS(u64(coin->asset), pg_text(contract), pg_text(escrow),
                         pg_i64(coin->decimals), pg_text(reason == NULL ? "proved" : "refused"),
                         pg_text(reason)))
               ? commit(store, "stablecoin")
               : lost(store, "stablecoin");
}

static enum index_store_result work(void *context, struct index_work *work, uint64_t from_block,
                                    uint64_t head)
{
    struct index_store_pg *store = context;
    if (!is_leading(store))
        return INDEX_STORE_LOST;
    bool read =
        run(store,
            "INSERT INTO chain.index_source (chain_id, address, kind, party, token_asset, "
            "next_block, anchor_block) SELECT DISTINCT ON (address) $1::bigint, address, kind, "
            "party, asset_id, $2::bigint, $3::bigint FROM (SELECT lower(contract_address) AS "
            "address, 'token' AS kind, NULL AS party, asset_id FROM people.token WHERE chain_id = "
            "$1 AND contract_address IS NOT NULL UNION ALL SELECT lower(identity_registry_addr), "
            "'identity_registry', NULL, asset_id FROM people.token WHERE chain_id = $1 AND "
            "identity_registry_addr IS NOT NULL UNION ALL SELECT lower(contract_address), "
            "'stablecoin', lower(escrow_address), asset_id FROM people.stablecoin WHERE chain_id = "
            "$1 AND state = 'proved') t WHERE NOT EXISTS (SELECT 1 FROM chain.index_source s WHERE "
            "s.chain_id = $1 AND s.address = t.address) ORDER BY address, kind DESC, asset_id",
            PG_PARAMS(u64(store->chain_id), u64(from_block), u64(head))) &&
        read_work(store, work);
    return read ? INDEX_STORE_OK : lost(store, "work");
}

static enum index_store_result block(void *context, bool *found, uint64_t *number,
                                     struct chain_hash *hash, uint64_t at)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    if (!is_leading(store))
        return INDEX_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT number, hash FROM chain.block WHERE chain_id = $1 AND state <> 'orphaned'"
                 " AND ($2::bigint IS NULL OR number = $2) ORDER BY number DESC LIMIT 1",
                 PG_PARAMS(u64(store->chain_id), at == UINT64_MAX ? pg_null() : u64(at))) != PG_OK)
        return lost(store, "block");
    *found = pg_rows_count(rows) == 1;
    if (*found) {
        *number = (uint64_t)pg_number(rows, 0, 0);
        ASSERT(hex_decode_exact(hash->bytes, sizeof(hash->bytes), pg_value(rows, 0, 1)));
    }
    pg_rows_free(rows);
    return INDEX_STORE_OK;
}

/* ---- a range ---- */

static json_t *hash_json(const struct chain_hash *hash)
{
    return json_string(hash_text(hash).text);
}

static char *blocks_json(const struct index_range *range, uint64_t keep_from)
{
    json_t *blocks = json_array();
    for (uint64_t at = range->from; at <= range->to; at++) {
        const struct index_header *header = &range->headers[at - range->from];
        if (at >= keep_from || at == range->to)
            json_array_append_new(blocks, json_pack("{s:I, s:o, s:o}", "number", (json_int_t)at,
                                                    "hash", hash_json(&header->hash), "parent_hash",
                                                    hash_json(&header->parent_hash)));
    }
    char *text = json_dumps(blocks, JSON_COMPACT);
    json_decref(blocks);
    ASSERT(text != NULL);
    return text;
}

static json_t *event_json(const struct index_log *log)
{
    char address[HEX_TEXT_SIZE(ADDRESS_BYTES)];
    hex_encode(address, log->log.contract.bytes, ADDRESS_BYTES);
    return json_pack("{s:o, s:I, s:I, s:o, s:s, s:s, s:o}", "tx_hash",
                     hash_json(&log->transaction_hash), "log_index", (json_int_t)log->log.log_index,
                     "block_number", (json_int_t)log->block_number, "block_hash",
                     hash_json(&log->block_hash), "address", address, "event_name",
                     index_event_name(&log->log), "decoded_payload", index_event_decode(&log->log));
}

static char *events_json(const struct index_logs *logs)
{
    json_t *events = json_array();
    for (size_t i = 0; i < logs->count; i++)
        json_array_append_new(events, event_json(&logs->items[i]));
    char *text = json_dumps(events, JSON_COMPACT);
    json_decref(events);
    ASSERT(text != NULL);
    return text;
}

static char *addresses_array(const struct index_work *work)
{
    size_t max = work->contract_count * (HEX_TEXT_SIZE(ADDRESS_BYTES) + 1) + 3;
    char *text = malloc(max);
    size_t len = 0;
    ASSERT(text != NULL);
    for (size_t i = 0; i < work->contract_count; i++) {
        text[len++] = i == 0 ? '{' : ',';
        hex_encode(text + len, work->contracts[i].bytes, ADDRESS_BYTES);
        len += HEX_TEXT_SIZE(ADDRESS_BYTES) - 1;
    }
    snprintf(text + len, max - len, "}");
    return text;
}

static bool save_events(struct index_store_pg *store, const struct index_range *range)
{
    char *events = events_json(&range->logs);
    bool saved =
        range->logs.count == 0 ||
        run(store,
            "INSERT INTO chain.event_log AS e (chain_id, tx_hash, log_index, block_number, "
            "block_hash, address,"
            " event_name, decoded_payload) SELECT $1, n.* FROM jsonb_to_recordset($2::jsonb) AS n "
            "(tx_hash text,"
            " log_index integer, block_number bigint, block_hash text, address text, event_name "
            "text,"
            " decoded_payload jsonb) ORDER BY block_number, log_index"
            " ON CONFLICT (chain_id, tx_hash, log_index, block_hash) DO UPDATE SET state = 'seen'"
            " WHERE e.state = 'orphaned'",
            PG_PARAMS(u64(store->chain_id), pg_text(events)));
    free(events);
    return saved;
}

static bool save_blocks(struct index_store_pg *store, const struct index_range *range,
                        uint64_t keep_from)
{
    char *blocks = blocks_json(range, keep_from);
    bool saved =
        run(store,
            "INSERT INTO chain.block AS b (chain_id, number, hash, parent_hash) SELECT $1, n.* FROM"
            " jsonb_to_recordset($2::jsonb) AS n (number bigint, hash text, parent_hash text)"
            " ON CONFLICT (chain_id, number, hash) DO UPDATE SET state = 'seen' WHERE b.state = "
            "'orphaned'",
            PG_PARAMS(u64(store->chain_id), pg_text(blocks))) &&
        /* The newest one stays however old it is: it says where the reading is. */
        run(store,
            "DELETE FROM chain.block WHERE chain_id = $1 AND number < $2 AND number < (SELECT "
            "max(number)"
            " FROM chain.block WHERE chain_id = $1 AND state <> 'orphaned')",
            PG_PARAMS(u64(store->chain_id), u64(keep_from)));
    free(blocks);
    return saved;
}

static bool save_proof(struct index_store_pg *store, const struct index_work *work,
                       const struct index_range *range, const char *addresses)
{
    char party[HEX_TEXT_SIZE(ADDRESS_BYTES)] = "";
    if (!address_is_zero(&work->party))
        hex_encode(party, work->party.bytes, ADDRESS_BYTES);
    struct hash_text parent = hash_text(&range->headers[0].parent_hash);
    struct hash_text last = hash_text(&range->headers[range->to - range->from].hash);
    struct hash_text digest = hash_text(&range->digest);
    return run(store,
               "INSERT INTO chain.index_set (addresses, party) VALUES ($1::text[], $2) ON CONFLICT "
               "DO NOTHING",
               PG_PARAMS(pg_text(addresses), pg_text(party))) &&
           run(store,
               "INSERT INTO chain.index_range (chain_id, set_id, from_block, to_block, "
               "first_parent_hash, last_hash,"
               " log_count, bloom_blocks, receipts_blocks, headers_proved, digest) SELECT $1, "
               "set_id, $3, $4, $5, $6,"
               " $7, $8, $9, $10, $11 FROM chain.index_set WHERE addresses = $2::text[] AND party "
               "= "
               "$12",
               PG_PARAMS(u64(store->chain_id), pg_text(addresses), u64(range->from), u64(range->to),
                         pg_text(parent.text), pg_text(last.text), u64(range->logs.count),
                         u64(range->bloom_blocks), u64(range->receipts_blocks),
                         u64(range->headers_proved), pg_text(digest.text), pg_text(party)));
}

/* Every contract must still be where the range began: else somebody else has read on. */
static bool save_place(struct index_store_pg *store, const struct index_work *work,
                       const struct index_range *range, const char *addresses)
{
    struct pg_rows *rows = NULL;
    bool moved = pg_query(store->pg, &rows,
                          "UPDATE chain.index_source SET next_block = $4 WHERE chain_id = $1"
                          " AND address = ANY ($2::text[]) AND next_block = $3",
                          PG_PARAMS(u64(store->chain_id), pg_text(addresses), u64(range->from),
                                    u64(range->to + 1))) == PG_OK &&
                 pg_rows_affected(rows) == work->contract_count;
    pg_rows_free(rows);
    return moved;
}

static enum index_store_result save(void *context, const struct index_work *work,
                                    const struct index_range *range, uint64_t keep_from)
{
    struct index_store_pg *store = context;
    if (!begin(store))
        return INDEX_STORE_LOST;
    char *addresses = addresses_array(work);
    bool saved = save_events(store, range) && save_blocks(store, range, keep_from) &&
                 save_proof(store, work, range, addresses) &&
                 save_place(store, work, range, addresses);
    free(addresses);
    return saved ? commit(store, "save") : lost(store, "save");
}

/* ---- what becomes of it ---- */

static enum index_store_result orphan(void *context, uint64_t fork, uint64_t tip)
{
    struct index_store_pg *store = context;
    if (!begin(store))
        return INDEX_STORE_LOST;
    return run(store, "SELECT chain.index_orphan($1, $2, $3)",
               PG_PARAMS(u64(store->chain_id), u64(fork), u64(tip)))
               ? commit(store, "orphan")
               : lost(store, "orphan");
}

static enum index_store_result confirm(void *context, uint64_t upto, uint64_t *left)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    if (!begin(store))
        return INDEX_STORE_LOST;
    if (pg_query(store->pg, &rows, "SELECT chain.index_confirm($1, $2, $3::integer)",
                 PG_PARAMS(u64(store->chain_id), u64(upto), pg_i64(CONFIRM_EVENTS_MAX))) != PG_OK)
        return lost(store, "confirm");
    *left = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return commit(store, "confirm");
}

static enum index_store_result tell(void *context, uint64_t head, bool subscribed,
                                    const char *trouble)
{
    struct index_store_pg *store = context;
    const char *words = trouble == NULL ? "" : trouble;
    if (store->has_told && store->told_head == head && store->told_subscribed == subscribed &&
        strncmp(store->told_trouble, words, sizeof(store->told_trouble) - 1) == 0)
        return INDEX_STORE_OK;
    if (!is_leading(store))
        return INDEX_STORE_LOST;
    if (!run(store,
             "UPDATE chain.index_chain SET head_block = $2, subscribed = $3, trouble = $4,"
             " updated_at = now() WHERE chain_id = $1",
             PG_PARAMS(u64(store->chain_id), u64(head), pg_bool(subscribed), pg_text(trouble))))
        return lost(store, "tell");
    store->has_told = true;
    store->told_head = head;
    store->told_subscribed = subscribed;
    snprintf(store->told_trouble, sizeof(store->told_trouble), "%s", words);
    return INDEX_STORE_OK;
}

/* ---- the ledger ---- */

static void read_posting(struct index_posting *out, const struct pg_rows *rows)
{
    chain_uint128 units = 0;
    out->number = (uint64_t)pg_number(rows, 0, 0);
    out->fits = wide_parse(&units, pg_value(rows, 0, 4)) && units <= INT64_MAX;
    out->command = (struct ledger_post_cmd){.account = (uint32_t)pg_number(rows, 0, 1),
                                            .asset = (uint32_t)pg_number(rows, 0, 2),
                                            .kind = pg_number(rows, 0, 3) == 1 ? POSTING_CHAIN_IN
                                                                               : POSTING_CHAIN_OUT,
                                            .amount = out->fits ? (int64_t)units : 0,
                                            .ref_source = REF_INDEX,
                                            .ref_number = out->number,
                                            .ref_hash = (uint64_t)pg_number(rows, 0, 5)};
}

static enum index_store_result posting(void *context, bool *found, struct index_posting *out)
{
    struct index_store_pg *store = context;
    struct pg_rows *rows = NULL;
    if (!is_leading(store))
        return INDEX_STORE_LOST;
    if (!run(store, "SELECT chain.custody_post(), chain.payout_post()", PG_NO_PARAMS))
        return lost(store, "posting"); /* what is frozen by now; what could not be paid out */
    if (pg_query(store->pg, &rows,
                 "SELECT number, account_id, token_asset, kind = 'chain_in', units, content_hash"
                 " FROM chain.ledger_posting WHERE state = 'open' ORDER BY number LIMIT 1",
                 PG_NO_PARAMS) != PG_OK)
        return lost(store, "posting");
    *found = pg_rows_count(rows) == 1;
    if (*found)
        read_posting(out, rows);
    pg_rows_free(rows);
    return INDEX_STORE_OK;
}

static enum index_store_result answered(void *context, uint64_t number, uint16_t reject_code,
                                        uint64_t sequence)
{
    struct index_store_pg *store = context;
    if (!begin(store))
        return INDEX_STORE_LOST;
    bool refused = reject_code != 0;
    return run(store,
               "UPDATE chain.ledger_posting SET state = $2, reject_code = $3, sequence = $4,"
               " answered_at = now() WHERE number = $1 AND state = 'open'",
               PG_PARAMS(u64(number), pg_text(refused ? "refused" : "booked"),
                         refused ? pg_i64(reject_code) : pg_null(),
                         refused ? pg_null() : u64(sequence)))
               ? commit(store, "answered")
               : lost(store, "answered");
}

static void close_store(void *context)
{
    struct index_store_pg *store = context;
    store->leading = false;
}

struct index_store_ops index_store_pg_open(struct index_store_pg *store, struct pg *pg,
                                           uint64_t chain_id)
{
    *store = (struct index_store_pg){.pg = pg, .chain_id = chain_id};
    return (struct index_store_ops){.context = store,
                                    .lead = lead,
                                    .enter = enter,
                                    .stablecoin = stablecoin,
                                    .stablecoin_proved = stablecoin_proved,
                                    .work = work,
                                    .block = block,
                                    .save = save,
                                    .orphan = orphan,
                                    .confirm = confirm,
                                    .tell = tell,
                                    .posting = posting,
                                    .answered = answered,
                                    .close = close_store};
}
