// What the signer has signed and the database has lost: rows of attempts from the signer's log. One
// function, one transaction, one bid:
//
//   nobody holds its nonce     the request is found by the batch id, or written again from the
//   bytes (its trades by
//                              settle_members.h), and holds the nonce
//   a request holds its nonce  the bid is one of that request's
//   it waits for this bid      the answer with its signature was lost: it is there now
//
// The newest bid of a nonce is the open one, unless another was mined. What does not fit (a request
// that is another one, trades that something else moves) is left as it is, whole: nothing is
// guessed.
#include "settlement/settle_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settlement/settle_members.h"

// ---- which keys, which nonces

static enum settle_store_result store_keys(void *context, struct chain_address *keys, size_t *count,
                                           size_t max)
{
    static const char sql[] =
        "SELECT s.signer_address FROM settle.signer s WHERE s.chain_id = $1 ORDER BY EXISTS "
        "(SELECT FROM people.stablecoin c WHERE c.chain_id = s.chain_id AND "
        "lower(c.escrow_address) = s.signer_address) DESC, EXISTS "
        "(SELECT FROM settle.attempt a "
        "WHERE a.chain_id = s.chain_id AND a.signer_address = s.signer_address "
        "AND a.state IN " SETTLE_OPEN_STATES ") DESC, s.updated_at DESC LIMIT $2";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_ask(store, &rows, "keys", sql, PG_PARAMS(u64(store->chain_id), u64(max))))
        return SETTLE_STORE_LOST;
    for (; *count < pg_rows_count(rows); ++*count)
        keys[*count] = row_address(rows, *count, 0);
    pg_rows_free(rows);
    return store_commit(store, "keys");
}

static enum settle_store_result store_nonces_missing(void *context, uint64_t *nonces, size_t *count,
                                                     const struct chain_address *signer,
                                                     uint64_t from, uint64_t below)
{
    static const char sql[] =
        "SELECT g FROM settle.signer s, generate_series(greatest($3::bigint, s.nonce_floor), "
        "$4::bigint - 1) g WHERE s.chain_id = $1 AND s.signer_address = $2 AND NOT EXISTS (SELECT "
        "FROM "
        "settle.nonce n WHERE n.chain_id = $1 AND n.signer_address = $2 AND n.nonce = g "
        "AND n.request_id IS NOT NULL) ORDER BY g LIMIT $5";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_ask(store, &rows, "nonces_missing", sql,
                   PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(from), u64(below),
                             pg_i64(SETTLE_MISSING_MAX))))
        return SETTLE_STORE_LOST;
    for (; *count < pg_rows_count(rows); ++*count)
        nonces[*count] = (uint64_t)pg_number(rows, *count, 0);
    pg_rows_free(rows);
    return store_commit(store, "nonces_missing");
}

// ---- the request

// Ids as Postgres reads an array of them; the caller frees it.
static char *ids_text(const struct settle_leg *legs, size_t count)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    ASSERT(out != NULL);
    fputc('{', out);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%" PRIu64, i > 0 ? "," : "", legs[i].trade_id);
    fputc('}', out);
    ASSERT(fclose(out) == 0);
    return text;
}

// Claims of the trades that never came to a signature end; nothing else may have them. *free: so it
// is.
static bool trades_take(struct settle_store_pg *store, bool *free, const char *ids,
                        uint64_t request_id)
{
    static const char claims[] =
        "WITH gone AS (UPDATE chain.request_leg o SET state = 'left', reason = 'restored in "
        "another request' "
        "WHERE o.trade_id = ANY($1::text::bigint[]) AND o.state = 'open' AND o.request_id <> $2 "
        "AND NOT EXISTS (SELECT FROM settle.attempt a WHERE a.request_id = o.request_id "
        "AND a.state IN " SETTLE_OPEN_STATES ") RETURNING o.request_id) "
        "UPDATE chain.chain_request r SET state = 'cancelled', reason = 'restored in another "
        "request', updated_at = now() "
        "FROM gone WHERE r.request_id = gone.request_id AND r.state = 'prepared' AND NOT EXISTS "
        "(SELECT FROM "
        "chain.request_leg l WHERE l.request_id = r.request_id AND l.state = 'open' AND l.trade_id "
        "<> ALL($1::text::bigint[]))";
    static const char trades[] =
        "UPDATE settle.trade SET settlement_status = 'processing', reason = NULL, tx_hash = NULL "
        "WHERE trade_id = ANY($1::text::bigint[]) AND settlement_status = 'pending'";
    static const char all[] =
        "SELECT (SELECT count(*) FROM settle.trade WHERE trade_id = ANY($1::text::bigint[]) "
        "AND settlement_status = 'processing') = cardinality($1::text::bigint[]) AND NOT EXISTS "
        "(SELECT FROM "
        "chain.request_leg l WHERE l.trade_id = ANY($1::text::bigint[]) AND l.state IN ('open', "
        "'done') "
        "AND l.request_id <> $2)";

    return store_any(store, claims, PG_PARAMS(pg_text(ids), u64(request_id))) &&
           store_any(store, trades, PG_PARAMS(pg_text(ids))) &&
           store_is(store, free, all, PG_PARAMS(pg_text(ids), u64(request_id)));
}

static char *legs_text(const struct settle_leg *legs, size_t count)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < count; i++) {
        struct text_address from = address_text(&legs[i].from);
        struct text_address to = address_text(&legs[i].to);
        struct text_wide units = wide_text(legs[i].units);
        ASSERT(json_array_append_new(
                   rows, json_pack("{s:i, s:I, s:s, s:s, s:s}", "leg", (int)legs[i].number,
                                   "trade_id", (json_int_t)legs[i].trade_id, "from_address",
                                   from.text, "to_address", to.text, "amount", units.text)) == 0);
    }
    char *text = json_dumps(rows, JSON_COMPACT);
    ASSERT(text != NULL);
    json_decref(rows);
    return text;
}

// The row is lost too: it is written as the bytes have it.
static bool request_write(struct settle_store_pg *store, const struct settle_lost *lost,
                          const struct settle_call *legs)
{
    static const char request[] =
        "INSERT INTO chain.chain_request (request_id, idempotency_key, operation, chain_id, "
        "contract_address, "
        "token_asset, reason) OVERRIDING SYSTEM VALUE SELECT $1::bigint, 'restored:' || "
        "$1::bigint::text, $2, $3, "
        "$4, "
        "(SELECT asset_id FROM people.token WHERE lower(contract_address) = $4 AND chain_id = $3), "
        "'" SETTLE_REASON_RESTORED "'";
    static const char rows[] =
        "INSERT INTO chain.request_leg (request_id, leg, trade_id, from_address, to_address, "
        "amount) "
        "SELECT $1, x.leg, x.trade_id, x.from_address, x.to_address, x.amount "
        "FROM jsonb_to_recordset($2::text::jsonb) AS x(leg smallint, trade_id bigint, from_address "
        "text, "
        "to_address text, amount numeric)";
    static const char sign_before[] =
        "UPDATE chain.chain_request q SET sign_before = to_timestamp(e.cutoff_ns / 1000000 / "
        "1000.0) FROM chain.request_leg l JOIN settle.trade w USING (trade_id) "
        "JOIN record.xvp_step e ON e.xvp_id = w.xvp_id AND e.step = 'settling' "
        "AND e.sequence = w.trade_id >> 20 WHERE q.request_id = $1 AND l.request_id = $1";
    static const char number[] = "SELECT setval('chain.chain_request_request_id_seq', $1) "
                                 "FROM chain.chain_request_request_id_seq WHERE last_value < $1";
    const struct settle_transfer *transfer = lost->transfer;
    struct text_address token = address_text(&lost->to);
    const char *operation = settle_operation_text(
        transfer->leg_count == 1 ? SETTLE_FORCED_TRANSFER : SETTLE_BATCH_FORCED_TRANSFER);
    uint64_t request_id = transfer->id.request_id;
    char *text = legs_text(legs->legs, legs->leg_count);
    bool ok = store_one(store, request,
                        PG_PARAMS(u64(request_id), pg_text(operation), u64(store->chain_id),
                                  pg_text(token.text))) &&
              store_many(store, legs->leg_count, rows, PG_PARAMS(u64(request_id), pg_text(text))) &&
              store_nets_restore(store, request_id, legs) &&
              store_any(store, sign_before, PG_PARAMS(u64(request_id))) &&
              store_any(store, number, PG_PARAMS(u64(request_id)));

    free(text);
    return ok;
}

static bool request_again(struct settle_store_pg *store, bool *fits, const struct settle_lost *lost)
{
    static struct settle_members members; // 0.5 MB
    const struct settle_transfer *transfer = lost->transfer;
    struct settle_call legs;
    enum settle_rebuild_match match = SETTLE_REBUILD_NONE;

    if (!settle_members_find(store->pg, &members, &match, &legs, transfer->legs,
                             transfer->leg_count, &transfer->id, &lost->to, store->chain_id))
        return false;
    *fits = match == SETTLE_REBUILD_FOUND;
    if (!*fits)
        return true;
    char *ids = ids_text(legs.legs, legs.leg_count);
    bool ok = trades_take(store, fits, ids, transfer->id.request_id) &&
              (!*fits || request_write(store, lost, &legs));
    free(ids);
    return ok;
}

// Legs that had left the request before the signature, and what is left of it.
static bool legs_keep(struct settle_store_pg *store, bool *fits, const struct settle_lost *lost,
                      const struct settle_call *legs)
{
    static const char leave[] =
        "WITH gone AS (UPDATE chain.request_leg l SET state = 'left', reason = "
        "'" SETTLE_REASON_RESTORED
        "' WHERE l.request_id = $1 AND l.state = 'open' AND l.trade_id <> ALL($2::text::bigint[]) "
        "RETURNING l.trade_id) UPDATE settle.trade w SET settlement_status = 'pending', reason = "
        "NULL "
        "FROM gone WHERE w.trade_id = gone.trade_id AND w.settlement_status = 'processing'";
    static const char keep[] =
        "UPDATE chain.request_leg SET state = 'open', reason = NULL WHERE request_id = $1 "
        "AND state IN ('open', 'left') AND trade_id = ANY($2::text::bigint[])";
    const struct settle_transfer *transfer = lost->transfer;
    char *ids = ids_text(legs->legs, legs->leg_count);
    bool ok = trades_take(store, fits, ids, transfer->id.request_id) &&
              (!*fits ||
               (store_any(store, leave, PG_PARAMS(u64(transfer->id.request_id), pg_text(ids))) &&
                store_many(store, legs->leg_count, keep,
                           PG_PARAMS(u64(transfer->id.request_id), pg_text(ids))) &&
                store_nets_restore(store, transfer->id.request_id, legs)));

    free(ids);
    return ok;
}

static struct settle_rebuild_trade leg_candidate(const struct pg_rows *rows, size_t row)
{
    chain_uint128 units = row_wide(rows, row, 3);

    return (struct settle_rebuild_trade){.trade_id = (uint64_t)pg_number(rows, row, 0),
                                         .from = row_address_or_zero(rows, row, 1),
                                         .to = row_address_or_zero(rows, row, 2),
                                         .units = units,
                                         .units_corrected = units};
}

// The row is there: the transfer moves its legs, or those that had not left it.
static bool request_same(struct settle_store_pg *store, bool *fits, const struct settle_lost *lost)
{
    static const char sql[] =
        "SELECT l.trade_id, l.from_address, l.to_address, l.amount FROM chain.request_leg l "
        "JOIN chain.chain_request r USING (request_id) WHERE r.request_id = $1 AND r.chain_id = $2 "
        "AND lower(r.contract_address) = $3 AND l.trade_id IS NOT NULL AND l.state IN ('open', "
        "'left') "
        "ORDER BY l.trade_id";
    const struct settle_transfer *transfer = lost->transfer;
    struct settle_rebuild_trade candidates[SETTLE_LEGS_MAX];
    struct settle_call legs;
    struct text_address token = address_text(&lost->to);
    struct pg_rows *rows = NULL;
    size_t count = 0;

    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(transfer->id.request_id), u64(store->chain_id),
                           pg_text(token.text))) != PG_OK)
        return false;
    for (; count < pg_rows_count(rows) && count < SETTLE_LEGS_MAX; count++)
        candidates[count] = leg_candidate(rows, count);
    pg_rows_free(rows);
    // Legs before the first one of the transfer had left.
    size_t at = 0;
    while (at < count && candidates[at].trade_id != transfer->id.first_trade_id)
        at++;
    *fits = at < count &&
            settle_members_match(&legs, transfer->legs, transfer->leg_count, &transfer->id,
                                 candidates + at, count - at) == SETTLE_REBUILD_FOUND;
    return !*fits || legs_keep(store, fits, lost, &legs);
}

// A freeze or release of custody: written as the bytes have it, or there already.
static bool custody_restore(struct settle_store_pg *store, bool *fits,
                            const struct settle_lost *lost)
{
    static const char sql[] =
        "SELECT settle.custody_restore($1, $2, $3, $4, (SELECT array_agg(x.to_address ORDER BY "
        "x.leg) FROM jsonb_to_recordset($5::text::jsonb) AS x(leg smallint, to_address text)), "
        "(SELECT array_agg(x.amount ORDER BY x.leg) FROM jsonb_to_recordset($5::text::jsonb) "
        "AS x(leg smallint, amount numeric)))";
    const struct settle_transfer *transfer = lost->transfer;
    struct text_address token = address_text(&lost->to);
    char *legs = legs_text(transfer->legs, transfer->leg_count);
    bool ok =
        store_is(store, fits, sql,
                 PG_PARAMS(u64(transfer->id.request_id), u64(store->chain_id), pg_text(token.text),
                           pg_text(settle_operation_text(transfer->operation)), pg_text(legs)));

    free(legs);
    return ok;
}

// A payout: of the withdrawal, or return, that its batch id names.
static bool payout_restore(struct settle_store_pg *store, bool *fits,
                           const struct settle_lost *lost)
{
    const struct settle_transfer *transfer = lost->transfer;
    struct text_address contract = address_text(&lost->to);
    struct text_address from = address_text(&lost->signer);
    struct text_address to = address_text(&transfer->legs[0].to);
    struct text_wide units = wide_text(transfer->legs[0].units);
    char digest[2 * SETTLE_BATCH_ID_HASH_BYTES + 3];

    hex_encode(digest, transfer->id.members_hash, SETTLE_BATCH_ID_HASH_BYTES);
    return store_is(store, fits,
                    "SELECT settle.payout_restore($1, $2, $3, $4, $5, $6, $7::text::numeric, $8)",
                    PG_PARAMS(u64(transfer->id.request_id), u64(transfer->id.first_trade_id),
                              u64(store->chain_id), pg_text(contract.text), pg_text(from.text),
                              pg_text(to.text), pg_text(units.text), pg_text(digest)));
}

// The request of a transfer of trades holds what the bytes move. *fits: it does.
static bool request_restore(struct settle_store_pg *store, bool *fits,
                            const struct settle_lost *lost)
{
    bool exists = false;

    if (lost->transfer->id.kind == SETTLE_BATCH_CUSTODY)
        return custody_restore(store, fits, lost);
    if (lost->transfer->id.kind == SETTLE_BATCH_PAYOUT)
        return payout_restore(store, fits, lost);
    return store_is(store, &exists,
                    "SELECT EXISTS (SELECT FROM chain.chain_request WHERE request_id = $1)",
                    PG_PARAMS(u64(lost->transfer->id.request_id))) &&
           (exists ? request_same(store, fits, lost) : request_again(store, fits, lost));
}

// ---- the attempt

// The open bid at the nonce.
struct sibling {
    uint64_t attempt_id; // 0 = there is none
    enum settle_attempt_state state;
    bool is_this; // prepared, and this is its signature
    bool is_empty;
};

static bool sibling_find(struct settle_store_pg *store, struct sibling *out,
                         const struct settle_lost *lost)
{
    static const char sql[] =
        "SELECT attempt_id, state, raw IS NULL AND gas_limit = $4 AND max_fee_wei = $5 AND "
        "priority_fee_wei = $6 "
        "AND calldata = $7, length(calldata) = 0 FROM settle.attempt WHERE chain_id = $1 "
        "AND signer_address = $2 AND nonce = $3 AND state IN ('prepared', 'signed', 'sent', "
        "'mined')";
    struct text_address signer = address_text(&lost->signer);
    struct pg_rows *rows = NULL;

    *out = (struct sibling){0};
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(signer.text), u64(lost->nonce),
                           u64(lost->gas_limit), u64(lost->fees.max_fee_wei),
                           u64(lost->fees.priority_fee_wei),
                           pg_bytes(lost->calldata, lost->calldata_len))) != PG_OK)
        return false;
    if (pg_rows_count(rows) > 0)
        *out = (struct sibling){.attempt_id = (uint64_t)pg_number(rows, 0, 0),
                                .state = settle_attempt_state_parse(pg_value(rows, 0, 1)),
                                .is_this = pg_number(rows, 0, 2) == 1,
                                .is_empty = pg_number(rows, 0, 3) == 1};
    pg_rows_free(rows);
    return true;
}

static bool sibling_signed(struct settle_store_pg *store, const struct sibling *sibling,
                           const struct settle_lost *lost)
{
    struct text_hash hash = hash_text(&lost->hash);

    return store_one(
        store,
        "UPDATE settle.attempt SET state = 'signed', raw = $2, tx_hash = $3, reason = "
        "'" SETTLE_REASON_RESTORED
        "', signed_at = now(), updated_at = now() WHERE attempt_id = $1 AND state = 'prepared'",
        PG_PARAMS(u64(sibling->attempt_id), pg_bytes(lost->raw, lost->raw_len),
                  pg_text(hash.text)));
}

// The older one steps back; one that was never signed never will be. An empty bid behind it says
// that its nonce was being given up.
static bool sibling_steps_back(struct settle_store_pg *store, const struct sibling *sibling,
                               bool is_given_up)
{
    return store_one(
        store,
        "UPDATE settle.attempt SET state = CASE WHEN state IN ('signed', 'sent') THEN 'replaced' "
        "WHEN state = 'prepared' THEN 'dropped' ELSE state END, "
        "fate = CASE WHEN $2 THEN coalesce(fate, 'cancel') ELSE fate END, updated_at = now() "
        "WHERE attempt_id = $1",
        PG_PARAMS(u64(sibling->attempt_id), pg_bool(is_given_up)));
}

// Under its own number, if nobody has it.
static bool attempt_insert(struct settle_store_pg *store, const struct settle_lost *lost,
                           const struct sibling *sibling, uint64_t request_id, bool is_given_up)
{
    static const char sql[] = "INSERT INTO settle.attempt (attempt_id, request_id, attempt, "
                              "chain_id, signer_address, nonce, to_address, "
                              "calldata, gas_limit, max_fee_wei, priority_fee_wei, raw, tx_hash, "
                              "state, reason, fate, signed_at) "
                              "OVERRIDING SYSTEM VALUE SELECT CASE WHEN EXISTS (SELECT FROM "
                              "settle.attempt WHERE attempt_id = $1) "
                              "THEN nextval('settle.attempt_attempt_id_seq') ELSE $1 END, $2, "
                              "(SELECT coalesce(max(attempt), 0) + 1 FROM settle.attempt WHERE "
                              "request_id = $2), $3, $4, $5, $6, $7, $8, "
                              "$9, $10, $11, $12, $13, '" SETTLE_REASON_RESTORED "', "
                              "coalesce((SELECT fate FROM settle.attempt WHERE attempt_id = $14), "
                              "CASE WHEN $15 THEN 'cancel' END), "
                              "to_timestamp($16 / 1e9)";
    static const char number[] = "SELECT setval('settle.attempt_attempt_id_seq', $1) "
                                 "FROM settle.attempt_attempt_id_seq WHERE last_value < $1";
    struct text_address signer = address_text(&lost->signer);
    struct text_address to = address_text(&lost->to);
    struct text_hash hash = hash_text(&lost->hash);
    bool is_open = sibling->attempt_id == 0 || sibling->state != SETTLE_ATTEMPT_MINED;

    return store_one(store, sql,
                     PG_PARAMS(u64(lost->attempt_id), u64(request_id), u64(store->chain_id),
                               pg_text(signer.text), u64(lost->nonce),
                               pg_text(lost->creates ? NULL : to.text),
                               pg_bytes(lost->calldata, lost->calldata_len), u64(lost->gas_limit),
                               u64(lost->fees.max_fee_wei), u64(lost->fees.priority_fee_wei),
                               pg_bytes(lost->raw, lost->raw_len), pg_text(hash.text),
                               pg_text(is_open ? "signed" : "replaced"), u64(sibling->attempt_id),
                               pg_bool(is_given_up), u64(lost->time_ns))) &&
           store_any(store, number, PG_PARAMS(u64(lost->attempt_id)));
}

static bool attempt_restore(struct settle_store_pg *store, const struct settle_lost *lost,
                            const struct sibling *sibling, uint64_t request_id)
{
    bool is_given_up = lost->calldata_len == 0 && sibling->attempt_id != 0 && !sibling->is_empty;
    bool ok = sibling->is_this
                  ? sibling_signed(store, sibling, lost)
                  : (sibling->attempt_id == 0 || sibling_steps_back(store, sibling, is_given_up)) &&
                        attempt_insert(store, lost, sibling, request_id, is_given_up);

    return ok && store_one(store,
                           "UPDATE chain.chain_request SET attempts = attempts + 1, updated_at = "
                           "now(), reason = NULL, "
                           "state = CASE WHEN state IN ('prepared', 'cancelled', 'rejected') THEN "
                           "'signed' ELSE state END "
                           "WHERE request_id = $1",
                           PG_PARAMS(u64(request_id)));
}

// ---- one bid

// Who holds the nonce; 0 = nobody.
static bool nonce_holder(struct settle_store_pg *store, uint64_t *request_id,
                         const struct settle_lost *lost)
{
    struct text_address signer = address_text(&lost->signer);
    struct pg_rows *rows = NULL;

    *request_id = 0;
    if (pg_query(store->pg, &rows,
                 "SELECT request_id FROM settle.nonce WHERE chain_id = $1 AND signer_address = $2 "
                 "AND nonce = $3 AND request_id IS NOT NULL",
                 PG_PARAMS(u64(store->chain_id), pg_text(signer.text), u64(lost->nonce))) != PG_OK)
        return false;
    if (pg_rows_count(rows) > 0)
        *request_id = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

// Nobody holds its nonce.
static bool nonce_restore(struct settle_store_pg *store, bool *fits, uint64_t *request_id,
                          const struct settle_lost *lost)
{
    struct text_address signer = address_text(&lost->signer);

    *request_id = lost->transfer != NULL ? lost->transfer->id.request_id : lost->request_id;
    *fits = *request_id != 0;
    if (lost->transfer != NULL && !request_restore(store, fits, lost))
        return false;
    return !*fits || store_nonce_take(store, &signer, lost->nonce, *request_id);
}

// The signer signs one payload for a nonce: is it another than that of the rows?
static bool payload_differs(struct settle_store_pg *store, bool *differs,
                            const struct settle_lost *lost)
{
    struct text_address signer = address_text(&lost->signer);
    struct text_address to = address_text(&lost->to);

    return store_is(
        store, differs,
        "SELECT EXISTS (SELECT FROM settle.attempt a JOIN settle.nonce n USING (chain_id, "
        "signer_address, nonce, request_id) "
        "WHERE chain_id = $1 AND signer_address = $2 AND nonce = $3 AND length(calldata) > 0 "
        "AND length($4::bytea) > 0 AND (calldata <> $4::bytea OR lower(to_address) IS DISTINCT "
        "FROM $5))",
        PG_PARAMS(u64(store->chain_id), pg_text(signer.text), u64(lost->nonce),
                  pg_bytes(lost->calldata, lost->calldata_len),
                  pg_text(lost->creates ? NULL : to.text)));
}

// False: the transaction has failed. Neither KNOWN nor DONE: what it has done is to be undone.
static bool bid_restore(struct settle_store_pg *store, enum settle_restored *restored,
                        const struct settle_lost *lost)
{
    struct text_hash hash = hash_text(&lost->hash);
    struct sibling sibling;
    uint64_t request_id = 0;
    bool known = false;
    bool fits = true;

    if (!store_is(store, &known, "SELECT EXISTS (SELECT FROM settle.attempt WHERE tx_hash = $1)",
                  PG_PARAMS(pg_text(hash.text))) ||
        !nonce_holder(store, &request_id, lost) || !sibling_find(store, &sibling, lost))
        return false;
    // All that was at the nonce has ended: another bid there changes nothing.
    if (known || (request_id != 0 && sibling.attempt_id == 0)) {
        *restored = SETTLE_RESTORE_KNOWN;
        return true;
    }
    if (request_id != 0) {
        bool differs = false;
        *restored = SETTLE_RESTORE_OTHER;
        if (!payload_differs(store, &differs, lost))
            return false;
        if (differs)
            return true;
    } else if (!nonce_restore(store, &fits, &request_id, lost)) {
        return false;
    }
    *restored = fits ? SETTLE_RESTORE_DONE : SETTLE_RESTORE_CANNOT;
    return !fits || attempt_restore(store, lost, &sibling, request_id);
}

static enum settle_store_result store_restore(void *context, enum settle_restored *restored,
                                              const struct settle_lost *lost)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!bid_restore(store, restored, lost))
        return store_lost(store, "restore");
    if (*restored == SETTLE_RESTORE_KNOWN || *restored == SETTLE_RESTORE_DONE)
        return store_commit(store, "restore");
    pg_rollback(store->pg);
    return SETTLE_STORE_OK;
}

void settle_store_lost_ops(struct settle_store_ops *ops)
{
    ops->keys = store_keys;
    ops->nonces_missing = store_nonces_missing;
    ops->restore = store_restore;
}
