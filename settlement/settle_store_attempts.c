// One attempt from prepared to its end, and the nonces. Every function is one transaction; every
// move is guarded by the states that settle_states.h lets it come from.
#include "settlement/settle_store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settlement/settle_netting.h"

// ---- nonces

static enum settle_store_result store_nonce_get(void *context, bool *known, uint64_t *next,
                                                const struct chain_address *signer)
{
    static const char sql[] =
        "SELECT s.nonce_floor, greatest(s.nonce_floor, coalesce("
        "(SELECT min(nonce) FROM settle.nonce n WHERE n.chain_id = s.chain_id "
        "AND n.signer_address = s.signer_address AND n.nonce >= s.nonce_floor "
        "AND n.request_id IS NULL), "
        "(SELECT max(nonce) + 1 FROM settle.nonce n WHERE n.chain_id = s.chain_id "
        "AND n.signer_address = s.signer_address), s.nonce_floor)) "
        "FROM settle.signer s WHERE s.chain_id = $1 AND s.signer_address = $2";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "nonce", sql,
                   PG_PARAMS(u64(store->chain_id), pg_text(address.text))))
        return SETTLE_STORE_LOST;
    *known = pg_rows_count(rows) == 1;
    *next = *known ? (uint64_t)pg_number(rows, 0, 1) : 0;
    pg_rows_free(rows);
    return store_commit(store, "nonce");
}

static enum settle_store_result store_nonce_set(void *context, const struct chain_address *signer,
                                                uint64_t next)
{
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!store_any(
            store,
            "INSERT INTO settle.signer AS s (chain_id, signer_address, nonce_floor) "
            "VALUES ($1, $2, $3) ON CONFLICT (chain_id, signer_address) DO UPDATE SET "
            "nonce_floor = greatest(s.nonce_floor, EXCLUDED.nonce_floor), updated_at = now()",
            PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(next))))
        return store_lost(store, "nonce floor");
    return store_commit(store, "nonce floor");
}

// ---- steps that several transactions share

static bool request_state(struct settle_store_pg *store, uint64_t request_id, const char *state,
                          const char *reason)
{
    return store_one(store,
                     "UPDATE chain.chain_request SET state = $2, reason = $3, updated_at = now() "
                     "WHERE request_id = $1",
                     PG_PARAMS(u64(request_id), pg_text(state), pg_text(reason)));
}

// What of a request's legs is written, and how they end: one row of JSON per leg.
static json_t *leg_row(const struct settle_leg *leg, const struct settle_ending *ending)
{
    bool is_counted = ending->end == SETTLE_END_COUNT || ending->is_counted;
    json_t *row = json_pack("{s:i, s:I, s:i, s:b, s:b, s:s*}", "leg", leg->number, "trade_id",
                            (json_int_t)leg->trade_id, "counted", is_counted, "fail",
                            ending->end == SETTLE_END_FAIL, "kept", ending->has_evidence, "reason",
                            ending->reason[0] != '\0' ? ending->reason : NULL);

    ASSERT(row != NULL);
    if (ending->limit > 0)
        ASSERT(json_object_set_new(row, "batch_limit", json_integer((json_int_t)ending->limit)) ==
               0);
    return row;
}

// Legs that do not stay, as text; *count says how many. The caller frees it.
static char *legs_text(const struct settle_item *item, const struct settle_ending *endings,
                       bool each, size_t *count)
{
    json_t *rows = json_array();

    *count = 0;
    for (size_t i = 0; i < item->call.leg_count; i++) {
        const struct settle_ending *ending = &endings[each ? i : 0];
        if (ending->end == SETTLE_END_STAY || ending->end == SETTLE_END_NETTED)
            continue;
        ASSERT(json_array_append_new(rows, leg_row(&item->call.legs[i], ending)) == 0);
        ++*count;
    }
    char *text = json_dumps(rows, JSON_COMPACT);
    ASSERT(text != NULL);
    json_decref(rows);
    return text;
}

// The end of trades' turns, F7 and U11: what is counted adds a signed attempt; the last one fails
// the trade. A trade that is settled already (its transaction was lost, and did not come again)
// stays as it is (settled_lost). A leg that is back already stays so: its trade was elsewhere when
// a transaction that had been given up came back and took the others along.
static bool legs_end(struct settle_store_pg *store, const struct settle_item *item,
                     const char *legs, size_t count, bool is_signed)
{
    static const char left[] =
        "UPDATE chain.request_leg l SET state = CASE WHEN l.state = 'back' THEN l.state ELSE $3 "
        "END, "
        "reason = CASE WHEN l.state = 'back' THEN l.reason ELSE x.reason END "
        "FROM jsonb_to_recordset($2::text::jsonb) AS x(leg smallint, reason text) "
        "WHERE l.request_id = $1 AND l.leg = x.leg AND l.state IN ('open', 'done', 'back')";
    static const char trades[] =
        "WITH ended AS (UPDATE settle.trade w SET "
        "settlement_attempts = settlement_attempts + x.counted::int, "
        "total_attempts = total_attempts + x.counted::int, "
        "settlement_status = CASE WHEN x.fail OR (x.counted AND settlement_attempts + 1 >= $2) "
        "THEN 'failed' ELSE 'pending' END, reason = x.reason, "
        "batch_limit = coalesce(x.batch_limit, w.batch_limit) "
        "FROM jsonb_to_recordset($1::text::jsonb) AS x(leg smallint, trade_id bigint, "
        "counted boolean, fail boolean, reason text, batch_limit smallint) "
        "JOIN chain.request_leg l ON l.request_id = $3 AND l.leg = x.leg "
        "AND l.state IN ('open', 'done') "
        "WHERE w.trade_id = x.trade_id AND w.settlement_status = 'processing' "
        "RETURNING w.trade_id, w.settlement_status, w.move) "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'failed' FROM ended WHERE settlement_status = 'failed' "
        "AND coalesce(move, 0) = 0 ORDER BY trade_id";

    return store_any(
               store, trades,
               PG_PARAMS(pg_text(legs), pg_i64(store->attempts_max), u64(item->call.request_id))) &&
           store_many(store, count, left,
                      PG_PARAMS(u64(item->call.request_id), pg_text(legs),
                                pg_text(is_signed ? "back" : "left")));
}

static bool all_legs_end(struct settle_store_pg *store, const struct settle_item *item,
                         const struct settle_ending *endings, bool each, bool is_signed)
{
    size_t count;
    if (!item->call.is_of_trades) // its legs are what it is, whatever becomes of it
        return true;
    char *legs = legs_text(item, endings, each, &count);
    bool ok = count == item->call.leg_count && legs_end(store, item, legs, count, is_signed);

    free(legs);
    return ok;
}

// The request's own word follows its attempt's, unless that is over and done with.
static bool request_follows(struct settle_store_pg *store, const struct settle_item *item,
                            const struct settle_attempt *attempt, const char *state,
                            const char *reason)
{
    return attempt->fate == SETTLE_FATE_OVER ||
           request_state(store, item->call.request_id, state, reason);
}

static bool attempt_state(struct settle_store_pg *store, uint64_t attempt_id,
                          enum settle_attempt_state to, const char *reason)
{
    char sources[SETTLE_STATES_ARRAY_MAX];

    settle_attempt_sources(sources, to);
    return store_one(store,
                     "UPDATE settle.attempt SET state = $2, reason = $3, updated_at = now() "
                     "WHERE attempt_id = $1 AND state = ANY($4::text[])",
                     PG_PARAMS(u64(attempt_id), pg_text(settle_attempt_state_text(to)),
                               pg_text(reason), pg_text(sources)));
}

static json_t *check_row(const struct settle_leg *leg, const struct erc3643_evidence *evidence)
{
    struct text_wide balance = wide_text(evidence->from_balance);
    struct text_wide frozen = wide_text(evidence->from_frozen_units);
    struct text_wide venue = wide_text(evidence->from_venue_units);
    bool allowed = evidence->verdict == ERC3643_ALLOWED;
    json_t *row = json_pack(
        "{s:i, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s, s:s*}", "leg", leg->number, "paused",
        evidence->paused, "from_frozen", evidence->from_frozen, "to_frozen", evidence->to_frozen,
        "from_verified", evidence->from_verified, "to_verified", evidence->to_verified,
        "can_transfer", evidence->can_transfer, "balance", balance.text, "frozen_tokens",
        frozen.text, "verdict", allowed ? "allowed" : "refused", "code",
        allowed ? NULL : erc3643_verdict_text(evidence->verdict));

    ASSERT(row != NULL);
    if (evidence->in_custody)
        ASSERT(json_object_set_new(row, "venue_frozen", json_string(venue.text)) == 0);
    return row;
}

// Evidence of the legs that `endings` keep it of (NULL = of all); all of it is of one block.
static bool checks_insert(struct settle_store_pg *store, const struct settle_item *item,
                          const struct erc3643_evidence *evidence,
                          const struct settle_ending *endings, const char *stage)
{
    static const char sql[] =
        "INSERT INTO chain.transfer_check (request_id, leg, block_number, block_hash, "
        "identity_registry, compliance, stage, paused, from_frozen, to_frozen, from_verified, "
        "to_verified, can_transfer, balance, frozen_tokens, venue_frozen, verdict, code) "
        "SELECT $1, x.leg, $2, $3, $4, $5, $6, x.paused, x.from_frozen, x.to_frozen, "
        "x.from_verified, x.to_verified, x.can_transfer, x.balance, x.frozen_tokens, "
        "x.venue_frozen, x.verdict, x.code FROM jsonb_to_recordset($7::text::jsonb) AS x(leg "
        "smallint, paused boolean, "
        "from_frozen boolean, to_frozen boolean, from_verified boolean, to_verified boolean, "
        "can_transfer boolean, balance numeric, frozen_tokens numeric, venue_frozen numeric, "
        "verdict text, code text)";
    json_t *rows = json_array();

    for (size_t i = 0; i < item->call.leg_count; i++)
        if (endings == NULL || (endings[i].end != SETTLE_END_STAY && endings[i].has_evidence))
            ASSERT(json_array_append_new(rows, check_row(&item->call.legs[i], &evidence[i])) == 0);
    size_t count = json_array_size(rows);
    char *text = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);
    ASSERT(text != NULL);
    struct text_hash hash = hash_text(&evidence[0].block_hash);
    struct text_address registry = address_text(&evidence[0].identity_registry);
    struct text_address compliance = address_text(&evidence[0].compliance);
    bool ok = count == 0 ||
              store_many(store, count, sql,
                         PG_PARAMS(u64(item->call.request_id), u64(evidence[0].block_number),
                                   pg_text(hash.text), pg_text(registry.text),
                                   pg_text(compliance.text), pg_text(stage), pg_text(text)));
    free(text);
    return ok;
}

static struct pg_param operation_param(const struct settle_item *item)
{
    return pg_text(settle_operation_text(
        settle_call_operation(&item->call, settle_netting_move_count(&item->call))));
}

static bool gas_insert(struct settle_store_pg *store, const struct settle_item *item,
                       const struct settle_attempt *attempt, const struct settle_receipt *receipt)
{
    // Once: what the chain has lost was taken out by reopen.
    static const char sql[] =
        "INSERT INTO chain.gas_transaction (request_id, chain_id, tx_hash, operation, succeeded, "
        "block_number, gas_limit, gas_used, gas_price_wei, l1_fee_wei) "
        "VALUES ($1, $2, $3, $9, $4, $5, $6, $7, $8, $10) "
        "ON CONFLICT (chain_id, tx_hash) DO UPDATE SET succeeded = EXCLUDED.succeeded, "
        "block_number = "
        "EXCLUDED.block_number, gas_used = EXCLUDED.gas_used, gas_price_wei = "
        "EXCLUDED.gas_price_wei, l1_fee_wei = EXCLUDED.l1_fee_wei";
    struct text_hash hash = hash_text(&attempt->hash);
    // An empty one is of the request whose nonce it gives up, and does nothing of what that wanted.
    struct pg_param operation = attempt->is_empty
                                    ? pg_text(settle_operation_text(SETTLE_CANCEL_NONCE))
                                    : operation_param(item);

    return store_any(store, sql,
                     PG_PARAMS(u64(item->call.request_id), u64(store->chain_id), pg_text(hash.text),
                               pg_bool(receipt->succeeded), u64(receipt->block_number),
                               u64(attempt->gas_limit), u64(receipt->gas_used),
                               u64(receipt->effective_fee_wei), operation,
                               u64(receipt->l1_fee_wei)));
}

// ---- before the signature

// What nothing refers to was never there: a queue that waits for hours leaves no rows behind.
static bool legs_forget(struct settle_store_pg *store, const struct settle_item *item,
                        const char *legs, bool all)
{
    static const char leg[] =
        "DELETE FROM chain.request_leg l USING jsonb_to_recordset($2::text::jsonb) "
        "AS x(leg smallint, kept boolean) WHERE l.request_id = $1 AND l.leg = x.leg AND NOT x.kept "
        "AND NOT EXISTS (SELECT 1 FROM chain.transfer_check c WHERE c.request_id = l.request_id "
        "AND c.leg = l.leg)";
    static const char request[] =
        "DELETE FROM chain.chain_request r WHERE r.request_id = $1 "
        "AND NOT EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.request_id = r.request_id) "
        "AND NOT EXISTS (SELECT 1 FROM settle.attempt a WHERE a.request_id = r.request_id)";

    return store_any(store, leg, PG_PARAMS(u64(item->call.request_id), pg_text(legs))) &&
           (!all || store_any(store, request, PG_PARAMS(u64(item->call.request_id))));
}

// The word and the reason of a request whose last legs left it.
static bool request_left(struct settle_store_pg *store, const struct settle_item *item,
                         const struct settle_ending *endings)
{
    const struct settle_ending *ending = &endings[0];

    for (size_t i = 0; i < item->call.leg_count; i++)
        if (endings[i].end == SETTLE_END_FAIL)
            ending = &endings[i];
    return request_state(store, item->call.request_id,
                         ending->end == SETTLE_END_FAIL ? "rejected" : "cancelled",
                         ending->reason[0] != '\0' ? ending->reason : "released");
}

static bool any_stays(const struct settle_item *item, const struct settle_ending *endings)
{
    for (size_t i = 0; i < item->call.leg_count; i++)
        if (endings[i].end == SETTLE_END_STAY)
            return true;
    return false;
}

static bool any_netted(const struct settle_item *item, const struct settle_ending *endings)
{
    for (size_t i = 0; i < item->call.leg_count; i++)
        if (endings[i].end == SETTLE_END_NETTED)
            return true;
    return false;
}

static enum settle_store_result store_leave(void *context, const struct settle_item *item,
                                            const struct settle_ending *endings,
                                            const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;
    size_t count;
    bool ok;

    ASSERT(item->bid_count == 0);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    char *legs = legs_text(item, endings, true, &count);
    bool all = !any_stays(item, endings);
    ok =
        (evidence == NULL || checks_insert(store, item, evidence, endings, "before_signing")) &&
        (!any_netted(item, endings) || store_nets_of_zero(store, item, evidence[0].block_number)) &&
        legs_end(store, item, legs, count, false) &&
        (!all ||
         (request_left(store, item, endings) && store_nets_end(store, item->call.request_id))) &&
        legs_forget(store, item, legs, all);
    free(legs);
    return ok ? store_commit(store, "leave") : store_lost(store, "leave");
}

static enum settle_store_result store_finish(void *context, const struct settle_item *item,
                                             enum settle_finish finish, const char *reason)
{
    static const char *const states[] = {[SETTLE_FINISH_DONE] = "confirmed",
                                         [SETTLE_FINISH_REJECTED] = "rejected",
                                         [SETTLE_FINISH_WAITS] = "prepared"};
    struct settle_store_pg *store = context;

    ASSERT(item->bid_count == 0 && !item->call.is_of_trades);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!request_state(store, item->call.request_id, states[finish], reason))
        return store_lost(store, "finish");
    return store_commit(store, "finish");
}

bool store_nonce_take(struct settle_store_pg *store, const struct text_address *signer,
                      uint64_t nonce, uint64_t request_id)
{
    return store_one(
        store,
        "INSERT INTO settle.nonce AS n (chain_id, signer_address, nonce, request_id) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (chain_id, signer_address, nonce) DO UPDATE SET "
        "request_id = EXCLUDED.request_id, reserved_at = now() WHERE n.request_id IS NULL",
        PG_PARAMS(u64(store->chain_id), pg_text(signer->text), u64(nonce), u64(request_id)));
}

static const char *fate_text(enum settle_fate fate)
{
    static const char *const words[] = {NULL, "cancel", "abandon", "over"};

    return words[fate];
}

static bool attempt_insert(struct settle_store_pg *store, struct settle_attempt *attempt,
                           const struct settle_item *item, const struct text_address *signer,
                           const uint8_t *calldata, size_t calldata_len)
{
    static const char sql[] =
        "INSERT INTO settle.attempt (request_id, attempt, chain_id, signer_address, nonce, "
        "to_address, "
        "calldata, gas_limit, max_fee_wei, priority_fee_wei, fate) VALUES ($1, "
        "(SELECT coalesce(max(attempt), 0) + 1 FROM settle.attempt WHERE request_id = $1), "
        "$2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING attempt_id";
    struct text_address to = address_text(&item->call.contract);
    bool creates = calldata_len > 0 && item->call.operation == SETTLE_DEPLOY;
    const char *receiver = calldata_len == 0 ? signer->text : to.text;
    struct pg_rows *rows = NULL;
    bool ok =
        pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(item->call.request_id), u64(store->chain_id), pg_text(signer->text),
                           u64(attempt->nonce), pg_text(creates ? NULL : receiver),
                           pg_bytes(calldata, calldata_len), u64(attempt->gas_limit),
                           u64(attempt->fees.max_fee_wei), u64(attempt->fees.priority_fee_wei),
                           pg_text(fate_text(attempt->fate)))) == PG_OK &&
        pg_rows_count(rows) == 1;

    attempt->attempt_id = ok ? (uint64_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return ok;
}

static const struct settle_attempt *item_open_bid(const struct settle_item *item)
{
    for (size_t i = item->bid_count; i > 0; i--)
        if (settle_attempt_is_open(item->bids[i - 1].state))
            return &item->bids[i - 1];
    return NULL;
}

// Of many legs one may be left.
static bool request_operation(struct settle_store_pg *store, const struct settle_item *item)
{
    return store_one(store,
                     "UPDATE chain.chain_request SET operation = $2, updated_at = now() "
                     "WHERE request_id = $1",
                     PG_PARAMS(u64(item->call.request_id), operation_param(item)));
}

static enum settle_store_result store_prepare(void *context, struct settle_attempt *attempt,
                                              const struct settle_item *item,
                                              const struct chain_address *signer,
                                              const uint8_t *calldata, size_t calldata_len,
                                              const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;
    const struct settle_attempt *before = item_open_bid(item);
    struct text_address address = address_text(signer);
    bool ok;

    // Evidence precedes the signature.
    ASSERT((before == NULL && item->call.is_of_trades) == (evidence != NULL));
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (before == NULL)
        ok = (evidence == NULL || checks_insert(store, item, evidence, NULL, "before_signing")) &&
             store_nonce_take(store, &address, attempt->nonce, item->call.request_id) &&
             store_nets_prepare(store, item, evidence != NULL ? evidence[0].block_number : 0) &&
             request_operation(store, item);
    else
        ok = attempt_state(store, before->attempt_id, SETTLE_ATTEMPT_REPLACED, "bid up");
    if (!ok || !attempt_insert(store, attempt, item, &address, calldata, calldata_len))
        return store_lost(store, "prepare");
    return store_commit(store, "prepare");
}

static const char *refused_state(const struct settle_item *item, const struct settle_ending *ending)
{
    if (ending->end == SETTLE_END_FAIL)
        return "rejected";
    return item->call.is_of_trades ? "cancelled" : "prepared";
}

static enum settle_store_result store_refuse(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_ending *ending)
{
    struct settle_store_pg *store = context;
    bool ok;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_DROPPED, ending->reason);
    if (item->bid_count > 1)
        ok = ok && attempt_state(store, item->bids[item->bid_count - 2].attempt_id,
                                 SETTLE_ATTEMPT_SENT, NULL);
    else
        ok = ok &&
             store_one(store,
                       "UPDATE settle.nonce n SET request_id = NULL FROM settle.attempt a "
                       "WHERE a.attempt_id = $1 AND n.chain_id = a.chain_id "
                       "AND n.signer_address = a.signer_address AND n.nonce = a.nonce "
                       "AND n.request_id = a.request_id AND n.closed_at IS NULL",
                       PG_PARAMS(u64(attempt->attempt_id))) &&
             request_state(store, item->call.request_id, refused_state(item, ending),
                           ending->reason) &&
             all_legs_end(store, item, ending, false, false);
    return ok ? store_commit(store, "refuse") : store_lost(store, "refuse");
}

// ---- signed and after

static enum settle_store_result store_sign(void *context, const struct settle_attempt *attempt,
                                           const struct chain_address *signer, const uint8_t *raw,
                                           size_t len)
{
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);
    char sources[SETTLE_STATES_ARRAY_MAX];

    (void)signer; // its address stands in the row since the attempt was prepared
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    settle_attempt_sources(sources, SETTLE_ATTEMPT_SIGNED);
    // State and bytes at once: the table refuses one without the other.
    if (!store_one(
            store,
            "UPDATE settle.attempt SET state = 'signed', raw = $2, tx_hash = $3, signed_at = "
            "now(), "
            "updated_at = now() WHERE attempt_id = $1 AND raw IS NULL AND state = ANY($4::text[])",
            PG_PARAMS(u64(attempt->attempt_id), pg_bytes(raw, len), pg_text(hash.text),
                      pg_text(sources))) ||
        !store_one(store,
                   "UPDATE chain.chain_request r SET state = 'signed', attempts = attempts + 1, "
                   "updated_at = now() FROM settle.attempt a "
                   "WHERE a.attempt_id = $1 AND r.request_id = a.request_id",
                   PG_PARAMS(u64(attempt->attempt_id))))
        return store_lost(store, "sign");
    return store_commit(store, "sign");
}

static enum settle_store_result store_stands(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const char *reason)
{
    struct settle_store_pg *store = context;
    const char *state = settle_attempt_state_text(attempt->state);

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!store_one(store,
                   "UPDATE settle.attempt SET reason = $2, updated_at = now() "
                   "WHERE attempt_id = $1 AND state = $3",
                   PG_PARAMS(u64(attempt->attempt_id), pg_text(reason), pg_text(state))) ||
        !request_follows(store, item, attempt, state, reason))
        return store_lost(store, "stands");
    return store_commit(store, "stands");
}

static enum settle_store_result store_sent(void *context, const struct settle_item *item,
                                           const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    if (!store_begin_unsynced(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, NULL) ||
        !store_one(
            store,
            "UPDATE settle.attempt SET sent_at = coalesce(sent_at, now()) WHERE attempt_id = $1",
            PG_PARAMS(u64(attempt->attempt_id))) ||
        !request_follows(store, item, attempt, "sent", NULL) ||
        !store_any(store,
                   "UPDATE settle.trade w SET tx_hash = $2 FROM chain.request_leg l "
                   "WHERE l.request_id = $1 AND l.state = 'open' AND w.trade_id = l.trade_id "
                   "AND w.settlement_status = 'processing'",
                   PG_PARAMS(u64(item->call.request_id), pg_text(hash.text))))
        return store_lost(store, "sent");
    return store_commit(store, "sent");
}

static bool nonce_close(struct settle_store_pg *store, uint64_t attempt_id, bool closed)
{
    return store_one(store,
                     "UPDATE settle.nonce n SET closed_at = CASE WHEN $2 THEN now() END "
                     "FROM settle.attempt a WHERE a.attempt_id = $1 AND n.chain_id = a.chain_id "
                     "AND n.signer_address = a.signer_address AND n.nonce = a.nonce",
                     PG_PARAMS(u64(attempt_id), pg_bool(closed)));
}

static bool mined_siblings(struct settle_store_pg *store, const struct settle_item *item,
                           const struct settle_attempt *attempt)
{
    const struct settle_attempt *open = item_open_bid(item);

    if (open == NULL || open->attempt_id == attempt->attempt_id)
        return true;
    return attempt_state(store, open->attempt_id,
                         open->state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                                : SETTLE_ATTEMPT_REPLACED,
                         "another bid at the nonce was mined");
}

// All of the row at once: a mined row without its block is refused by the table.
static bool mined_row(struct settle_store_pg *store, const struct settle_attempt *attempt,
                      const struct settle_receipt *receipt)
{
    static const char sql[] =
        "UPDATE settle.attempt SET state = 'mined', reason = NULL, mined_at = now(), "
        "updated_at = now(), block_number = $2, block_hash = $3, gas_used = $4, gas_price_wei = "
        "$5, "
        "log_index = $6 WHERE attempt_id = $1 AND state = ANY($7::text[])";
    struct text_hash hash = hash_text(&receipt->block_hash);
    char sources[SETTLE_STATES_ARRAY_MAX];

    settle_attempt_sources(sources, SETTLE_ATTEMPT_MINED);
    return store_one(
        store, sql,
        PG_PARAMS(u64(attempt->attempt_id), u64(receipt->block_number), pg_text(hash.text),
                  u64(receipt->gas_used), u64(receipt->effective_fee_wei),
                  receipt->has_planned_effect ? pg_i64(receipt->log_index[0]) : pg_null(),
                  pg_text(sources)));
}

static enum settle_store_result store_mined(void *context, const struct settle_item *item,
                                            const struct settle_attempt *attempt,
                                            const struct settle_receipt *receipt)
{
    struct settle_store_pg *store = context;

    if (!store_begin_unsynced(store))
        return SETTLE_STORE_LOST;
    if (!mined_siblings(store, item, attempt) || !mined_row(store, attempt, receipt) ||
        !nonce_close(store, attempt->attempt_id, true) ||
        !request_follows(store, item, attempt, "mined", NULL))
        return store_lost(store, "mined");
    return store_commit(store, "mined");
}

// What was spent at the nonces of `lost` is not: the chain has no such transaction. It is booked
// anew when it, or another bid, has ended again.
#define GAS_LOST                                                                                   \
    "unspent AS (DELETE FROM chain.gas_transaction g USING settle.attempt b, lost "                \
    "WHERE b.chain_id = $1 AND b.signer_address = $2 AND b.nonce = lost.nonce "                    \
    "AND g.chain_id = $1 AND g.tx_hash = b.tx_hash RETURNING g.*), "                               \
    "kept AS (INSERT INTO chain.gas_lost SELECT u.*, now() FROM unspent u) "

// Requests of trades that have no leg any more.
static bool requests_without_legs(struct settle_store_pg *store)
{
    static const char sql[] =
        "UPDATE chain.chain_request r SET state = 'cancelled', reason = '" SETTLE_REASON_CANCELLED
        "' WHERE r.state = 'prepared' AND r.operation IN ('forced_transfer', "
        "'batch_forced_transfer') AND r.idempotency_key LIKE 'trade:%' AND NOT EXISTS (SELECT 1 "
        "FROM chain.request_leg l WHERE l.request_id = r.request_id AND l.state = 'open')";

    return store_any(store, sql, PG_NO_PARAMS);
}

// The newest signed attempt at each nonce stands for all that were signed there.
static bool reopen_over(struct settle_store_pg *store, size_t *count,
                        const struct text_address *signer, uint64_t nonce)
{
    static const char sql[] =
        "WITH lost AS (SELECT nonce, max(attempt_id) FILTER (WHERE raw IS NOT NULL) AS newest "
        "FROM settle.attempt WHERE chain_id = $1 AND signer_address = $2 AND (nonce >= $3 "
        "OR nonce IN (SELECT r.nonce FROM settle.attempt s "
        "JOIN chain.request_leg d ON d.request_id = s.request_id AND d.state IN ('open', 'done') "
        "JOIN chain.request_leg l ON l.trade_id = d.trade_id AND l.state = 'back' "
        "JOIN settle.attempt r ON r.request_id = l.request_id AND r.raw IS NOT NULL "
        "WHERE s.state = 'sent' AND s.updated_at = now() AND s.chain_id = $1 "
        "AND s.signer_address = $2 AND r.chain_id = $1 AND r.signer_address = $2)) "
        "GROUP BY nonce HAVING bool_and(state IN ('reverted', 'dropped', 'replaced')) "
        "AND bool_or(raw IS NOT NULL)), " GAS_LOST
        "UPDATE settle.attempt a SET fate = 'over', reason = 'lost by the chain', "
        "updated_at = now(), state = CASE WHEN a.attempt_id = lost.newest THEN 'sent' "
        "ELSE 'replaced' END FROM lost WHERE a.chain_id = $1 AND a.signer_address = $2 "
        "AND a.nonce = lost.nonce AND a.raw IS NOT NULL";
    // Trades of them that wait unsigned in another request are not signed before this is decided.
    static const char waiting[] =
        "WITH left_there AS (DELETE FROM chain.request_leg o USING chain.request_leg l, "
        "settle.attempt a WHERE a.fate = 'over' AND a.state = 'sent' AND a.chain_id = $1 "
        "AND a.signer_address = $2 AND l.request_id = a.request_id AND l.state = 'back' "
        "AND o.trade_id = l.trade_id AND o.state = 'open' AND NOT EXISTS (SELECT 1 FROM "
        "settle.attempt x WHERE x.request_id = o.request_id) RETURNING o.trade_id) "
        "UPDATE settle.trade w SET settlement_status = 'pending', reason = NULL FROM left_there t "
        "WHERE w.trade_id = t.trade_id AND w.settlement_status = 'processing'";
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(signer->text), u64(nonce))) != PG_OK)
        return false;
    size_t found = (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    *count += found;
    return found == 0 ||
           (store_any(store, waiting, PG_PARAMS(u64(store->chain_id), pg_text(signer->text))) &&
            requests_without_legs(store));
}

// What had ended of the trades of an attempt whose receipt is gone.
static bool reopen_rivals(struct settle_store_pg *store, const struct settle_attempt *attempt)
{
    struct pg_rows *rows = NULL;
    struct text_address signer = {{0}};
    size_t count = 0;
    bool ok = pg_query(store->pg, &rows,
                       "SELECT signer_address FROM settle.attempt WHERE attempt_id = $1",
                       PG_PARAMS(u64(attempt->attempt_id))) == PG_OK;

    if (ok)
        snprintf(signer.text, sizeof(signer.text), "%s", pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return ok && reopen_over(store, &count, &signer, INT64_MAX);
}

static enum settle_store_result store_unmined(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, "reorganised away") ||
        !nonce_close(store, attempt->attempt_id, false) ||
        !request_follows(store, item, attempt, "sent", "reorganised away") ||
        !reopen_rivals(store, attempt))
        return store_lost(store, "unmined");
    return store_commit(store, "unmined");
}

// Of the block that it ends in: a reorganisation may have moved it since it was first seen.
static bool receipt_row(struct settle_store_pg *store, const struct settle_attempt *attempt,
                        const struct settle_receipt *receipt)
{
    struct text_hash hash = hash_text(&receipt->block_hash);

    return store_one(
        store,
        "UPDATE settle.attempt SET block_number = $2, block_hash = $3, gas_used = $4, "
        "gas_price_wei = $5, log_index = $6 WHERE attempt_id = $1",
        PG_PARAMS(u64(attempt->attempt_id), u64(receipt->block_number), pg_text(hash.text),
                  u64(receipt->gas_used), u64(receipt->effective_fee_wei),
                  receipt->has_planned_effect ? pg_i64(receipt->log_index[0]) : pg_null()));
}

// Its transaction is deep enough in that block: what it has cost.
static bool spent(struct settle_store_pg *store, const struct settle_item *item,
                  const struct settle_attempt *attempt, const struct settle_receipt *receipt)
{
    return receipt_row(store, attempt, receipt) && gas_insert(store, item, attempt, receipt);
}

// A settled trade stays settled while what has settled it is lost, and while one of its own that
// had ended may still move it instead (store_conflict). Where neither the one is under way any more
// nor the other, and none has moved it, it has none: an incident, once; its token is halted. What
// people have marked as settled, by a transaction that is not ours, is theirs. Asked at every end
// that may be the last of them.
static bool settled_lost(struct settle_store_pg *store, const struct settle_item *item)
{
    static const char sql[] =
        "INSERT INTO settle.incident (kind, request_id, trade_id, token_asset, tx_hash) "
        "SELECT 'settled_but_lost', $1, w.trade_id, r.token_asset, w.tx_hash "
        "FROM chain.request_leg l JOIN settle.trade w USING (trade_id) "
        "JOIN chain.chain_request r ON r.request_id = l.request_id "
        "WHERE l.request_id = $1 AND w.settlement_status = 'settled' "
        "AND EXISTS (SELECT 1 FROM chain.request_leg o JOIN settle.attempt a USING (request_id) "
        "WHERE o.trade_id = w.trade_id AND a.tx_hash = w.tx_hash) "
        "AND NOT EXISTS (SELECT 1 FROM chain.request_leg o WHERE o.trade_id = w.trade_id "
        "AND o.state IN ('open', 'done')) "
        "AND NOT EXISTS (SELECT 1 FROM chain.request_leg o JOIN settle.attempt a USING "
        "(request_id) "
        "WHERE o.trade_id = w.trade_id AND a.fate = 'over' "
        "AND a.state IN " SETTLE_OPEN_STATES ") "
        "AND NOT EXISTS (SELECT 1 FROM settle.incident i WHERE i.trade_id = w.trade_id "
        "AND i.kind = 'settled_but_lost') ON CONFLICT DO NOTHING";

    return store_any(store, sql, PG_PARAMS(u64(item->call.request_id)));
}

static bool legs_done(struct settle_store_pg *store, const struct settle_item *item,
                      const struct settle_receipt *receipt)
{
    static const char sql[] =
        "UPDATE chain.request_leg l SET state = 'done', log_index = x.log_index, "
        "unfrozen = x.unfrozen FROM jsonb_to_recordset($2::text::jsonb) "
        "AS x(leg smallint, log_index integer, unfrozen numeric) "
        "WHERE l.request_id = $1 AND l.leg = x.leg AND l.state IN ('open', 'done')";
    json_t *rows = json_array();

    for (size_t i = 0; i < item->call.leg_count; i++) {
        json_t *row = json_pack("{s:i, s:I}", "leg", item->call.legs[i].number, "log_index",
                                (json_int_t)receipt->log_index[i]);
        struct text_wide unfrozen = wide_text(receipt->unfrozen[i]);
        if (receipt->unfrozen[i] > 0)
            ASSERT(json_object_set_new(row, "unfrozen", json_string(unfrozen.text)) == 0);
        ASSERT(json_array_append_new(rows, row) == 0);
    }
    char *text = json_dumps(rows, JSON_COMPACT);
    json_decref(rows);
    ASSERT(text != NULL);
    bool ok = store_many(store, item->call.leg_count, sql,
                         PG_PARAMS(u64(item->call.request_id), pg_text(text)));
    free(text);
    return ok;
}

// Where a deploy has put it.
static bool request_contract(struct settle_store_pg *store, const struct settle_item *item)
{
    struct text_address contract = address_text(&item->call.contract);

    return item->call.operation != SETTLE_DEPLOY ||
           store_one(store,
                     "UPDATE chain.chain_request SET contract_address = $2 WHERE request_id = $1",
                     PG_PARAMS(u64(item->call.request_id), pg_text(contract.text)));
}

// How a request ends whose attempt did: what is of no trade goes again, unless its attempts are
// used up or it is to blame itself.
static bool request_ended(struct settle_store_pg *store, const struct settle_item *item,
                          const char *state, bool again, const char *reason)
{
    if (item->call.is_of_trades || !again)
        return request_state(store, item->call.request_id, state, reason);
    return store_one(store,
                     "UPDATE chain.chain_request r SET reason = $3, updated_at = now(), "
                     "state = CASE WHEN (SELECT count(*) FROM settle.attempt a "
                     "WHERE a.request_id = r.request_id AND a.raw IS NOT NULL "
                     "AND a.state IN ('reverted', 'dropped')) >= $4 THEN $2 ELSE 'prepared' END "
                     "WHERE request_id = $1",
                     PG_PARAMS(u64(item->call.request_id), pg_text(state), pg_text(reason),
                               pg_i64(store->attempts_max)));
}

// One transaction for everything that "settled" says (F6).
static enum settle_store_result store_confirm(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt)
{
    static const char trades[] =
        "WITH settled AS (UPDATE settle.trade w SET settlement_status = 'settled', "
        "settlement_type = CASE WHEN l.net_id IS NULL THEN 'on_chain' ELSE 'netted' END, "
        "net_id = l.net_id, tx_hash = $2, block_number = $3, settled_at = now(), "
        "reason = NULL FROM chain.request_leg l WHERE l.request_id = $1 AND l.state = 'done' "
        "AND w.trade_id = l.trade_id AND w.settlement_status = 'processing' "
        "RETURNING w.trade_id, w.move) "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'settled' FROM settled WHERE coalesce(move, 0) = 0 ORDER BY trade_id";
    // Settled before, and the chain has put it into another block since, or another bid of it.
    static const char blocks[] =
        "UPDATE settle.trade w SET tx_hash = $2, block_number = $3 FROM chain.request_leg l "
        "WHERE l.request_id = $1 AND l.state = 'done' AND w.trade_id = l.trade_id "
        "AND w.settlement_status = 'settled' AND (w.tx_hash <> $2 OR w.block_number <> $3) "
        "AND EXISTS (SELECT FROM settle.attempt a WHERE a.request_id = $1 "
        "AND a.tx_hash = w.tx_hash)";
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    ASSERT(receipt->succeeded && receipt->has_planned_effect);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_CONFIRMED, NULL) ||
        !request_state(store, item->call.request_id, "confirmed", NULL) ||
        !spent(store, item, attempt, receipt) || !request_contract(store, item) ||
        !legs_done(store, item, receipt) ||
        !store_any(store, blocks,
                   PG_PARAMS(u64(item->call.request_id), pg_text(hash.text),
                             u64(receipt->block_number))) ||
        !store_any(
            store, trades,
            PG_PARAMS(u64(item->call.request_id), pg_text(hash.text), u64(receipt->block_number))))
        return store_lost(store, "confirm");
    return store_commit(store, "confirm");
}

// A contract that does something else than it was asked for is not asked again before a person has
// looked at it (M27).
static bool mismatch_report(struct settle_store_pg *store, const struct settle_item *item,
                            const struct settle_attempt *attempt,
                            const struct settle_receipt *receipt)
{
    struct text_hash hash = hash_text(&attempt->hash);

    return !receipt->succeeded || !item->call.is_of_trades ||
           store_any(store,
                     "INSERT INTO settle.incident (kind, request_id, token_asset, tx_hash) "
                     "SELECT 'not_the_planned_transfer', request_id, token_asset, $2 "
                     "FROM chain.chain_request WHERE request_id = $1 ON CONFLICT DO NOTHING",
                     PG_PARAMS(u64(item->call.request_id), pg_text(hash.text)));
}

static enum settle_store_result store_revert(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_receipt *receipt,
                                             const char *reason,
                                             const struct settle_ending *endings)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_REVERTED, reason) ||
        !request_ended(store, item, "reverted",
                       endings[0].end == SETTLE_END_COUNT && attempt->fate != SETTLE_FATE_ABANDON,
                       reason) ||
        !spent(store, item, attempt, receipt) || !mismatch_report(store, item, attempt, receipt) ||
        !all_legs_end(store, item, endings, true, true) || !settled_lost(store, item))
        return store_lost(store, "revert");
    return store_commit(store, "revert");
}

static enum settle_store_result store_drop(void *context, const struct settle_item *item,
                                           const struct settle_ending *ending,
                                           uint64_t block_number,
                                           const struct chain_hash *block_hash)
{
    struct settle_store_pg *store = context;
    const struct settle_attempt *open = item_open_bid(item);
    struct text_hash hash = hash_text(block_hash);

    ASSERT(open != NULL);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    // The block in which its nonce has ended: should the chain lose it, the nonce is free again.
    if (!attempt_state(store, open->attempt_id, SETTLE_ATTEMPT_DROPPED, ending->reason) ||
        !store_one(store,
                   "UPDATE settle.attempt SET block_number = $2, block_hash = $3 "
                   "WHERE attempt_id = $1",
                   PG_PARAMS(u64(open->attempt_id), u64(block_number), pg_text(hash.text))) ||
        !nonce_close(store, open->attempt_id, true))
        return store_lost(store, "drop");
    // Of fate OVER somebody else's transaction gives the nonce up.
    if (open->fate != SETTLE_FATE_OVER &&
        (!request_ended(store, item, "dropped", open->fate != SETTLE_FATE_ABANDON,
                        ending->reason) ||
         !all_legs_end(store, item, ending, false, true)))
        return store_lost(store, "drop");
    if (!settled_lost(store, item))
        return store_lost(store, "drop");
    return store_commit(store, "drop");
}

static enum settle_store_result store_checked_at(void *context, uint64_t *number,
                                                 struct chain_hash *hash,
                                                 const struct settle_item *item)
{
    // The last one: legs that were refused may have theirs at a block before.
    static const char sql[] = "SELECT block_number, block_hash FROM chain.transfer_check "
                              "WHERE request_id = $1 AND stage = 'before_signing' "
                              "ORDER BY check_id DESC LIMIT 1";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *number = 0;
    if (!store_ask(store, &rows, "checked_at", sql, PG_PARAMS(u64(item->call.request_id))))
        return SETTLE_STORE_LOST;
    if (pg_rows_count(rows) == 1 && !pg_is_null(rows, 0, 1)) {
        *number = (uint64_t)pg_number(rows, 0, 0);
        ASSERT(hex_decode_exact(hash->bytes, KECCAK_BYTES, pg_value(rows, 0, 1)));
    }
    pg_rows_free(rows);
    return store_commit(store, "checked_at");
}

static enum settle_store_result store_recheck(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct erc3643_evidence *evidence)
{
    // A balance that was short there has come in the same block: no rule has changed.
    static const char incidents[] =
        "INSERT INTO settle.incident (kind, request_id, trade_id, token_asset, tx_hash) "
        "SELECT 'compliance_changed', l.request_id, l.trade_id, r.token_asset, $2 "
        "FROM chain.transfer_check c JOIN chain.request_leg l USING (request_id, leg) "
        "JOIN chain.chain_request r USING (request_id) WHERE c.request_id = $1 "
        "AND c.stage = 'at_mined_block' AND c.verdict = 'refused' AND c.code <> 'balance' "
        "ON CONFLICT DO NOTHING";
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    if (!store_begin_unsynced(store))
        return SETTLE_STORE_LOST;
    if (!checks_insert(store, item, evidence, NULL, "at_mined_block") ||
        !store_any(store, incidents, PG_PARAMS(u64(item->call.request_id), pg_text(hash.text))))
        return store_lost(store, "recheck");
    return store_commit(store, "recheck");
}

// ---- when the chain goes back further

static bool reopen_confirmed(struct settle_store_pg *store, size_t *count,
                             const struct text_address *signer, uint64_t nonce)
{
    static const char sql[] =
        "WITH lost AS (UPDATE settle.attempt SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() WHERE state = 'confirmed' AND chain_id = $1 AND signer_address = $2 "
        "AND nonce >= $3 RETURNING request_id, nonce), " GAS_LOST
        "UPDATE chain.chain_request r SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() FROM lost WHERE r.request_id = lost.request_id";
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(signer->text), u64(nonce))) != PG_OK)
        return false;
    *count += (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    return true;
}

static enum settle_store_result store_reopen(void *context, size_t *count,
                                             const struct chain_address *signer, uint64_t nonce)
{
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);

    *count = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!reopen_confirmed(store, count, &address, nonce) ||
        !reopen_over(store, count, &address, nonce))
        return store_lost(store, "reopen");
    return store_commit(store, "reopen");
}

static enum settle_store_result store_cancelled(void *context, const struct settle_item *item,
                                                const struct settle_attempt *attempt,
                                                const struct settle_receipt *receipt)
{
    bool abandoned = attempt->fate == SETTLE_FATE_ABANDON;
    struct settle_ending ending = {.end = SETTLE_END_RELEASE};
    struct settle_store_pg *store = context;
    bool ok;

    snprintf(ending.reason, sizeof(ending.reason), "%s",
             abandoned ? SETTLE_REASON_ABANDONED : SETTLE_REASON_CANCELLED);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_DROPPED, ending.reason) &&
         spent(store, item, attempt, receipt);
    if (ok && attempt->fate != SETTLE_FATE_OVER)
        ok = request_ended(store, item, "dropped", !abandoned, ending.reason) &&
             all_legs_end(store, item, &ending, false, true);
    ok = ok && settled_lost(store, item);
    return ok ? store_commit(store, "cancelled") : store_lost(store, "cancelled");
}

static enum settle_store_result store_conflict(void *context, const struct settle_item *item)
{
    static const char sql[] =
        "UPDATE settle.attempt a SET fate = 'cancel', updated_at = now() "
        "WHERE a.state IN " SETTLE_OPEN_STATES " AND a.fate IS NULL "
        "AND (a.request_id = $1 OR a.request_id IN (SELECT o.request_id FROM chain.request_leg l "
        "JOIN chain.request_leg o ON o.trade_id = l.trade_id AND o.state IN ('open', 'done') "
        "WHERE l.request_id = $1 AND l.state = 'back') "
        "OR a.request_id IN (SELECT o.request_id FROM chain.request_leg l "
        "JOIN settle.trade w USING (trade_id) JOIN settle.trade t ON t.xvp_id = w.xvp_id "
        "JOIN chain.request_leg o ON o.trade_id = t.trade_id AND o.state IN ('open', 'done') "
        "WHERE l.request_id = $1 AND l.state = 'back'))"; // another turn of the instruction
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!store_any(store, sql, PG_PARAMS(u64(item->call.request_id))))
        return store_lost(store, "conflict");
    return store_commit(store, "conflict");
}

// Is one of its trades, or the request itself, still under way at another nonce?
static bool returned_waits(struct settle_store_pg *store, bool *waits,
                           const struct settle_item *item)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM chain.request_leg l JOIN chain.request_leg o "
        "ON o.trade_id = l.trade_id AND o.state IN ('open', 'done') "
        "JOIN settle.attempt a ON a.request_id = o.request_id "
        "AND a.state IN " SETTLE_OPEN_STATES " WHERE l.request_id = $1 "
        "AND l.state = 'back') OR EXISTS (SELECT 1 FROM settle.attempt a WHERE a.request_id = $1 "
        "AND a.state IN " SETTLE_OPEN_STATES " AND a.fate IS DISTINCT FROM "
        "'over')";

    return store_is(store, waits, sql, PG_PARAMS(u64(item->call.request_id)));
}

// Trades that are pending are settled by it; with the others a person has to do.
static bool returned_trades(struct settle_store_pg *store, const struct settle_item *item,
                            const struct settle_attempt *attempt,
                            const struct settle_receipt *receipt)
{
    static const char settled[] =
        "WITH leg AS (UPDATE chain.request_leg l SET state = 'done', reason = NULL "
        "FROM settle.trade w WHERE l.request_id = $1 AND l.state = 'back' "
        "AND w.trade_id = l.trade_id AND w.settlement_status IN ('pending', 'settled') "
        "AND NOT EXISTS (SELECT 1 FROM chain.request_leg o WHERE o.trade_id = l.trade_id "
        "AND o.state IN ('open', 'done')) RETURNING l.trade_id, l.net_id), "
        "trade AS (UPDATE settle.trade w SET settlement_status = 'settled', "
        "settlement_type = CASE WHEN leg.net_id IS NULL THEN 'on_chain' ELSE 'netted' END, "
        "net_id = leg.net_id, tx_hash = $2, block_number = $3, settled_at = now(), "
        "reason = NULL FROM leg WHERE w.trade_id = leg.trade_id "
        "AND w.settlement_status = 'pending' RETURNING w.trade_id, w.move) "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'settled' FROM trade WHERE coalesce(move, 0) = 0 ORDER BY trade_id";
    static const char incidents[] =
        "INSERT INTO settle.incident (kind, request_id, trade_id, token_asset, tx_hash) "
        "SELECT CASE WHEN w.settlement_status = 'failed' THEN 'moved_though_failed' "
        "ELSE 'moved_twice' END, l.request_id, l.trade_id, r.token_asset, $2 "
        "FROM chain.request_leg l JOIN chain.chain_request r USING (request_id) "
        "JOIN settle.trade w USING (trade_id) WHERE l.request_id = $1 AND l.state = 'back' "
        "UNION ALL SELECT 'moved_twice', r.request_id, NULL, r.token_asset, $2 "
        "FROM chain.chain_request r WHERE r.request_id = $1 AND r.state = 'confirmed' "
        "ON CONFLICT DO NOTHING";
    struct text_hash hash = hash_text(&attempt->hash);

    return store_any(store, settled,
                     PG_PARAMS(u64(item->call.request_id), pg_text(hash.text),
                               u64(receipt->block_number))) &&
           store_any(store, incidents, PG_PARAMS(u64(item->call.request_id), pg_text(hash.text)));
}

// Another turn of its instruction, of which nothing is signed, is not begun before two persons have
// looked: its movements wait for the end of the incidents.
static bool returned_turns(struct settle_store_pg *store, const struct settle_item *item)
{
    static const char sql[] =
        "WITH left_there AS (DELETE FROM chain.request_leg o USING chain.request_leg l, "
        "settle.trade w, settle.trade t WHERE l.request_id = $1 AND w.trade_id = l.trade_id "
        "AND t.xvp_id = w.xvp_id AND o.trade_id = t.trade_id AND o.request_id <> $1 "
        "AND o.state = 'open' AND NOT EXISTS (SELECT 1 FROM settle.attempt x "
        "WHERE x.request_id = o.request_id) RETURNING o.trade_id) "
        "UPDATE settle.trade w SET settlement_status = 'pending', reason = NULL FROM left_there t "
        "WHERE w.trade_id = t.trade_id AND w.settlement_status = 'processing'";

    return item->sign_before_ns == 0 ||
           (store_any(store, sql, PG_PARAMS(u64(item->call.request_id))) &&
            requests_without_legs(store));
}

static enum settle_store_result store_returned(void *context, bool *waits,
                                               const struct settle_item *item,
                                               const struct settle_attempt *attempt,
                                               const struct settle_receipt *receipt)
{
    // One attempt of a request is confirmed at most; were it two, the second is an incident.
    static const char one[] =
        "UPDATE settle.attempt a SET fate = NULL, reason = NULL, updated_at = now(), "
        "state = CASE WHEN EXISTS (SELECT 1 FROM settle.attempt x WHERE x.request_id = "
        "a.request_id AND x.state = 'confirmed') THEN 'reverted' ELSE 'confirmed' END "
        "WHERE attempt_id = $1 AND state = 'mined'";
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!returned_waits(store, waits, item))
        return store_lost(store, "returned");
    if (*waits)
        return store_commit(store, "returned");
    if (!returned_trades(store, item, attempt, receipt) || !returned_turns(store, item) ||
        !store_one(store, one, PG_PARAMS(u64(attempt->attempt_id))) ||
        !request_state(store, item->call.request_id, "confirmed", NULL) ||
        !spent(store, item, attempt, receipt))
        return store_lost(store, "returned");
    return store_commit(store, "returned");
}

static enum settle_store_result store_ended_again(void *context, const struct settle_item *item,
                                                  const struct settle_attempt *attempt,
                                                  const struct settle_receipt *receipt,
                                                  const char *reason)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_REVERTED, reason) ||
        !spent(store, item, attempt, receipt) || !settled_lost(store, item))
        return store_lost(store, "ended_again");
    return store_commit(store, "ended_again");
}

static enum settle_store_result store_gap(void *context, size_t *asked,
                                          const struct chain_address *signer, uint64_t from,
                                          uint64_t below)
{
    // One that was rejected (a node said that its nonce was used) is asked for again.
    static const char sql[] =
        "INSERT INTO chain.chain_request AS r (idempotency_key, operation, chain_id, arguments) "
        "SELECT 'gap:' || $1::bigint || ':' || $2::text || ':' || g, 'cancel_nonce', $1::bigint, "
        "jsonb_build_object('nonce', g, 'signer', $2::text) "
        "FROM generate_series(greatest($3::bigint, (SELECT max(a.nonce) + 1 FROM settle.attempt a "
        "WHERE a.chain_id = $1 AND a.signer_address = $2 AND a.block_hash IS NOT NULL "
        "AND a.state IN ('confirmed', 'reverted', 'dropped'))), $4::bigint - 1) g "
        "WHERE NOT EXISTS (SELECT FROM settle.nonce n WHERE n.chain_id = $1 "
        "AND n.signer_address = $2 AND n.nonce = g AND n.request_id IS NOT NULL) "
        "ORDER BY g LIMIT $5 ON CONFLICT (idempotency_key) DO UPDATE SET state = 'prepared', "
        "reason = NULL, updated_at = now() WHERE r.state = 'rejected'";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    *asked = 0;
    if (!store_ask(store, &rows, "gap", sql,
                   PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(from), u64(below),
                             pg_i64(SETTLE_MISSING_MAX))))
        return SETTLE_STORE_LOST;
    *asked = (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    return store_commit(store, "gap");
}

static enum settle_store_result
store_nonce_cancel(void *context, bool *held, const struct chain_address *signer, uint64_t nonce)
{
    static const char sql[] =
        "UPDATE settle.attempt SET fate = coalesce(fate, 'cancel'), updated_at = now() "
        "WHERE chain_id = $1 AND signer_address = $2 AND nonce = $3 "
        "AND state IN " SETTLE_OPEN_STATES;
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "nonce_cancel", sql,
                   PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(nonce))))
        return SETTLE_STORE_LOST;
    *held = pg_rows_affected(rows) > 0;
    pg_rows_free(rows);
    return store_commit(store, "nonce_cancel");
}

void settle_store_attempts_ops(struct settle_store_ops *ops)
{
    ops->nonce_get = store_nonce_get;
    ops->nonce_set = store_nonce_set;
    ops->leave = store_leave;
    ops->finish = store_finish;
    ops->prepare = store_prepare;
    ops->refuse = store_refuse;
    ops->sign = store_sign;
    ops->sent = store_sent;
    ops->stands = store_stands;
    ops->mined = store_mined;
    ops->unmined = store_unmined;
    ops->confirm = store_confirm;
    ops->revert = store_revert;
    ops->drop = store_drop;
    ops->checked_at = store_checked_at;
    ops->recheck = store_recheck;
    ops->reopen = store_reopen;
    ops->cancelled = store_cancelled;
    ops->conflict = store_conflict;
    ops->returned = store_returned;
    ops->ended_again = store_ended_again;
    ops->gap = store_gap;
    ops->nonce_cancel = store_nonce_cancel;
}
