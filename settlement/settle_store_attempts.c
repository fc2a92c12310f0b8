// One attempt from prepared to its end, and the nonces. Every function is one transaction; every
// move is guarded by the states that settle_states.h lets it come from.
#include "settlement/settle_store_internal.h"

#include <string.h>

// ---- nonces
// -----------------------------------------------------------------------------------------

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

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, sql, PG_PARAMS(u64(store->chain_id), pg_text(address.text))) !=
        PG_OK)
        return store_lost(store, "nonce");
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
// ----------------------------------------------------------

static bool request_state(struct settle_store_pg *store, uint64_t request_id, const char *state,
                          const char *reason)
{
    return store_one(store,
                     "UPDATE chain.chain_request SET state = $2, reason = $3, updated_at = now() "
                     "WHERE request_id = $1",
                     PG_PARAMS(u64(request_id), pg_text(state), pg_text(reason)));
}

// The end of a trade's turn, F7 and U11: `counted` adds the signed attempt; the last one fails the
// trade. A trade that is settled already (its transaction was lost and came again) stays as it is.
static bool trade_end(struct settle_store_pg *store, uint64_t trade_id, enum settle_end end,
                      bool counted, const char *reason)
{
    static const char sql[] =
        "WITH ended AS (UPDATE settle.trade SET "
        "settlement_attempts = settlement_attempts + $2, total_attempts = total_attempts + $2, "
        "settlement_status = CASE WHEN $3 OR ($2 > 0 AND settlement_attempts + $2 >= $4) "
        "THEN 'failed' ELSE 'pending' END, reason = $5 "
        "WHERE trade_id = $1 AND settlement_status = 'processing' "
        "RETURNING trade_id, settlement_status) "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'failed' FROM ended WHERE settlement_status = 'failed'";

    return store_any(store, sql,
                     PG_PARAMS(u64(trade_id), pg_i64(counted), pg_bool(end == SETTLE_END_FAIL),
                               pg_i64(store->attempts_max), pg_text(reason)));
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

static bool check_insert(struct settle_store_pg *store, uint64_t request_id,
                         const struct erc3643_evidence *evidence, const char *stage)
{
    static const char sql[] =
        "INSERT INTO chain.transfer_check (request_id, leg, block_number, block_hash, paused, "
        "from_frozen, to_frozen, from_verified, to_verified, can_transfer, balance, frozen_tokens, "
        "verdict, code, stage) VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
        "$14)";
    bool allowed = evidence->verdict == ERC3643_ALLOWED;
    struct text_hash hash = hash_text(&evidence->block_hash);
    struct text_wide balance = wide_text(evidence->from_balance);
    struct text_wide frozen = wide_text(evidence->from_frozen_units);

    return store_one(store, sql,
                     PG_PARAMS(u64(request_id), u64(evidence->block_number), pg_text(hash.text),
                               pg_bool(evidence->paused), pg_bool(evidence->from_frozen),
                               pg_bool(evidence->to_frozen), pg_bool(evidence->from_verified),
                               pg_bool(evidence->to_verified), pg_bool(evidence->can_transfer),
                               pg_text(balance.text), pg_text(frozen.text),
                               pg_text(allowed ? "allowed" : "refused"),
                               pg_text(allowed ? NULL : erc3643_verdict_text(evidence->verdict)),
                               pg_text(stage)));
}

static bool gas_insert(struct settle_store_pg *store, const struct settle_item *item,
                       const struct settle_attempt *attempt, const struct settle_receipt *receipt)
{
    // A transaction that was lost and came again is booked once.
    static const char sql[] =
        "INSERT INTO chain.gas_transaction (request_id, chain_id, tx_hash, operation, succeeded, "
        "block_number, gas_limit, gas_used, gas_price_wei) "
        "VALUES ($1, $2, $3, 'forced_transfer', $4, $5, $6, $7, $8) "
        "ON CONFLICT (chain_id, tx_hash) DO NOTHING";
    struct text_hash hash = hash_text(&attempt->hash);

    return store_any(store, sql,
                     PG_PARAMS(u64(item->request_id), u64(store->chain_id), pg_text(hash.text),
                               pg_bool(receipt->succeeded), u64(receipt->block_number),
                               u64(attempt->gas_limit), u64(receipt->gas_used),
                               u64(receipt->effective_fee_wei)));
}

// ---- before the signature
// -----------------------------------------------------------------------------

static enum settle_store_result store_end(void *context, const struct settle_item *item,
                                          enum settle_end end, const char *reason,
                                          const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;

    ASSERT(end != SETTLE_END_COUNT && item->bid_count == 0);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if ((evidence != NULL && !check_insert(store, item->request_id, evidence, "before_signing")) ||
        !request_state(store, item->request_id, end == SETTLE_END_FAIL ? "rejected" : "cancelled",
                       reason) ||
        !trade_end(store, item->trade_id, end, false, reason))
        return store_lost(store, "end");
    return store_commit(store, "end");
}

// A new row, or one that was given back (request_id NULL). Anything else is another's nonce.
static bool nonce_take(struct settle_store_pg *store, const struct text_address *signer,
                       uint64_t nonce, uint64_t request_id)
{
    return store_one(
        store,
        "INSERT INTO settle.nonce AS n (chain_id, signer_address, nonce, request_id) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (chain_id, signer_address, nonce) DO UPDATE SET "
        "request_id = EXCLUDED.request_id, reserved_at = now() WHERE n.request_id IS NULL",
        PG_PARAMS(u64(store->chain_id), pg_text(signer->text), u64(nonce), u64(request_id)));
}

static bool attempt_insert(struct settle_store_pg *store, struct settle_attempt *attempt,
                           const struct settle_item *item, const struct text_address *signer,
                           const uint8_t *calldata, size_t calldata_len)
{
    static const char sql[] =
        "INSERT INTO settle.attempt (request_id, attempt, chain_id, signer_address, nonce, "
        "to_address, "
        "calldata, gas_limit, max_fee_wei, priority_fee_wei) VALUES ($1, "
        "(SELECT coalesce(max(attempt), 0) + 1 FROM settle.attempt WHERE request_id = $1), "
        "$2, $3, $4, $5, $6, $7, $8, $9) RETURNING attempt_id";
    struct text_address to = address_text(&item->leg.token);
    struct pg_rows *rows = NULL;
    bool ok =
        pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(item->request_id), u64(store->chain_id), pg_text(signer->text),
                           u64(attempt->nonce), pg_text(to.text), pg_bytes(calldata, calldata_len),
                           u64(attempt->gas_limit), u64(attempt->fees.max_fee_wei),
                           u64(attempt->fees.priority_fee_wei))) == PG_OK &&
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

    ASSERT((before == NULL) == (evidence != NULL)); // evidence precedes the signature
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (before == NULL)
        ok = check_insert(store, item->request_id, evidence, "before_signing") &&
             nonce_take(store, &address, attempt->nonce, item->request_id);
    else
        ok = attempt_state(store, before->attempt_id, SETTLE_ATTEMPT_REPLACED, "bid up");
    if (!ok || !attempt_insert(store, attempt, item, &address, calldata, calldata_len))
        return store_lost(store, "prepare");
    return store_commit(store, "prepare");
}

static enum settle_store_result store_refuse(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             enum settle_end end, const char *reason)
{
    struct settle_store_pg *store = context;
    bool ok;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_DROPPED, reason);
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
             request_state(store, item->request_id,
                           end == SETTLE_END_FAIL ? "rejected" : "cancelled", reason) &&
             trade_end(store, item->trade_id, end, false, reason);
    return ok ? store_commit(store, "refuse") : store_lost(store, "refuse");
}

// ---- signed and after
// ---------------------------------------------------------------------------------

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

static enum settle_store_result store_sent(void *context, const struct settle_item *item,
                                           const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, NULL) ||
        !store_one(
            store,
            "UPDATE settle.attempt SET sent_at = coalesce(sent_at, now()) WHERE attempt_id = $1",
            PG_PARAMS(u64(attempt->attempt_id))) ||
        !request_state(store, item->request_id, "sent", NULL) ||
        !store_any(store,
                   "UPDATE settle.trade SET tx_hash = $2 "
                   "WHERE trade_id = $1 AND settlement_status = 'processing'",
                   PG_PARAMS(u64(item->trade_id), pg_text(hash.text))))
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
                  receipt->has_planned_transfer ? pg_i64(receipt->log_index) : pg_null(),
                  pg_text(sources)));
}

static enum settle_store_result store_mined(void *context, const struct settle_item *item,
                                            const struct settle_attempt *attempt,
                                            const struct settle_receipt *receipt)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!mined_siblings(store, item, attempt) || !mined_row(store, attempt, receipt) ||
        !nonce_close(store, attempt->attempt_id, true) ||
        !request_state(store, item->request_id, "mined", NULL))
        return store_lost(store, "mined");
    return store_commit(store, "mined");
}

static enum settle_store_result store_unmined(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, "reorganised away") ||
        !nonce_close(store, attempt->attempt_id, false) ||
        !request_state(store, item->request_id, "sent", "reorganised away"))
        return store_lost(store, "unmined");
    return store_commit(store, "unmined");
}

// One transaction for everything that "settled" says (F6).
static enum settle_store_result store_confirm(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt)
{
    static const char trade[] =
        "WITH settled AS (UPDATE settle.trade SET settlement_status = 'settled', "
        "settlement_type = 'on_chain', tx_hash = $2, block_number = $3, settled_at = now(), "
        "reason = NULL WHERE trade_id = $1 AND settlement_status = 'processing' RETURNING "
        "trade_id) "
        "INSERT INTO settle.result (trade_id, outcome) SELECT trade_id, 'settled' FROM settled";
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    ASSERT(receipt->succeeded && receipt->has_planned_transfer);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_CONFIRMED, NULL) ||
        !request_state(store, item->request_id, "confirmed", NULL) ||
        !gas_insert(store, item, attempt, receipt) ||
        !store_any(store, trade,
                   PG_PARAMS(u64(item->trade_id), pg_text(hash.text), u64(receipt->block_number))))
        return store_lost(store, "confirm");
    return store_commit(store, "confirm");
}

static enum settle_store_result store_revert(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_receipt *receipt,
                                             enum settle_end end, const char *reason)
{
    struct settle_store_pg *store = context;

    ASSERT(end != SETTLE_END_RELEASE);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_REVERTED, reason) ||
        !request_state(store, item->request_id, "reverted", reason) ||
        !gas_insert(store, item, attempt, receipt) ||
        !trade_end(store, item->trade_id, end, true, reason))
        return store_lost(store, "revert");
    return store_commit(store, "revert");
}

static enum settle_store_result store_drop(void *context, const struct settle_item *item,
                                           const char *reason)
{
    struct settle_store_pg *store = context;
    const struct settle_attempt *open = item_open_bid(item);

    ASSERT(open != NULL);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, open->attempt_id, SETTLE_ATTEMPT_DROPPED, reason) ||
        !nonce_close(store, open->attempt_id, true) ||
        !request_state(store, item->request_id, "dropped", reason) ||
        !trade_end(store, item->trade_id, SETTLE_END_COUNT, true, reason))
        return store_lost(store, "drop");
    return store_commit(store, "drop");
}

static enum settle_store_result store_recheck(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;

    (void)attempt;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!check_insert(store, item->request_id, evidence, "at_mined_block"))
        return store_lost(store, "recheck");
    return store_commit(store, "recheck");
}

static enum settle_store_result store_reopen(void *context, size_t *count,
                                             const struct chain_address *signer, uint64_t nonce)
{
    static const char sql[] =
        "WITH lost AS (UPDATE settle.attempt SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() WHERE state = 'confirmed' AND chain_id = $1 AND signer_address = $2 "
        "AND nonce >= $3 RETURNING request_id) "
        "UPDATE chain.chain_request r SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() FROM lost WHERE r.request_id = lost.request_id";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(nonce))) != PG_OK)
        return store_lost(store, "reopen");
    *count = (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    return store_commit(store, "reopen");
}

void settle_store_attempts_ops(struct settle_store_ops *ops)
{
    ops->nonce_get = store_nonce_get;
    ops->nonce_set = store_nonce_set;
    ops->end = store_end;
    ops->prepare = store_prepare;
    ops->refuse = store_refuse;
    ops->sign = store_sign;
    ops->sent = store_sent;
    ops->mined = store_mined;
    ops->unmined = store_unmined;
    ops->confirm = store_confirm;
    ops->revert = store_revert;
    ops->drop = store_drop;
    ops->recheck = store_recheck;
    ops->reopen = store_reopen;
}
