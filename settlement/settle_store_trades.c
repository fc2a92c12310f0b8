// What is under way and what goes out: the open requests with their bids, and the results for the
// core.
#include "settlement/settle_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- reading

static void load_item(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    *item = (struct settle_item){0};
    item->call.request_id = (uint64_t)pg_number(rows, row, 0);
    item->call.operation = settle_operation_parse(pg_value(rows, row, 1));
    ASSERT(item->call.operation < SETTLE_OPERATION_COUNT);
    if (!pg_is_null(rows, row, 2))
        item->call.contract = row_address(rows, row, 2);
    item->signer = row_address_or_zero(rows, row, 15);
    item->call.is_of_trades = pg_number(rows, row, 11) == 1;
    item->call.is_of_custody = pg_number(rows, row, 16) == 1;
    item->call.decimals = pg_is_null(rows, row, 12) ? -1 : (int)pg_number(rows, row, 12);
    item->sign_before_ns = (uint64_t)pg_number(rows, row, 18);
}

static enum settle_fate fate_of(const char *word)
{
    if (word == NULL)
        return SETTLE_FATE_NONE;
    if (strcmp(word, "cancel") == 0)
        return SETTLE_FATE_CANCEL;
    return strcmp(word, "abandon") == 0 ? SETTLE_FATE_ABANDON : SETTLE_FATE_OVER;
}

static const char *stands_of(const char *word)
{
    static const char *const words[] = {SETTLE_REASON_NO_HIGHER_BID, SETTLE_REASON_NONCE_STANDS};

    for (size_t i = 0; word != NULL && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(word, words[i]) == 0)
            return words[i];
    return NULL;
}

static void load_bid(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    ASSERT(item->bid_count < SETTLE_BIDS_MAX);
    struct settle_attempt *bid = &item->bids[item->bid_count++];

    *bid = (struct settle_attempt){.attempt_id = (uint64_t)pg_number(rows, row, 3),
                                   .state = settle_attempt_state_parse(pg_value(rows, row, 4)),
                                   .nonce = (uint64_t)pg_number(rows, row, 5),
                                   .gas_limit = (uint64_t)pg_number(rows, row, 6),
                                   .mined_block = (uint64_t)pg_number(rows, row, 10)};
    ASSERT(bid->state < SETTLE_ATTEMPT_STATE_COUNT);
    bid->fate = fate_of(pg_value(rows, row, 13));
    bid->is_empty = pg_number(rows, row, 14) == 1;
    bid->stands = stands_of(pg_value(rows, row, 17));
    bid->fees.max_fee_wei = (uint64_t)row_wide(rows, row, 7);
    bid->fees.priority_fee_wei = (uint64_t)row_wide(rows, row, 8);
    if (!pg_is_null(rows, row, 9))
        ASSERT(hex_decode_exact(bid->hash.bytes, KECCAK_BYTES, pg_value(rows, row, 9)));
}

// What waits has a reason, and comes again after a tick ($3). What this worker does not run ($4)
// stays as it is.
static const char load_select[] =
    "SELECT q.request_id, q.operation, q.contract_address, a.attempt_id, a.state, a.nonce, "
    "a.gas_limit, a.max_fee_wei, a.priority_fee_wei, a.tx_hash, a.block_number, "
    "EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.request_id = q.request_id "
    "AND l.trade_id IS NOT NULL), (SELECT min(k.decimals) FROM people.token k "
    "WHERE k.chain_id = $1 AND lower(k.contract_address) = lower(q.contract_address)), "
    "a.fate, length(a.calldata) = 0, q.signer_address, "
    "EXISTS (SELECT 1 FROM chain.custody_request c WHERE c.request_id = q.request_id), a.reason, "
    "(extract(epoch FROM q.sign_before) * 1000000000)::bigint "
    "FROM (SELECT r.request_id, r.operation, r.contract_address, r.sign_before, o.nonce, "
    "o.signer_address "
    "FROM settle.attempt o JOIN chain.chain_request r USING (request_id) "
    "WHERE o.state IN " SETTLE_OPEN_STATES " AND o.chain_id = $1 "
    "UNION ALL SELECT r.request_id, r.operation, r.contract_address, r.sign_before, NULL, NULL "
    "FROM chain.chain_request r WHERE r.state = 'prepared' "
    "AND r.operation = ANY($4::text::text[]) AND r.chain_id = $1 "
    "AND (r.reason IS NULL OR r.updated_at <= now() - $3 * interval '1 millisecond') "
    "AND NOT EXISTS (SELECT 1 FROM settle.attempt o WHERE o.request_id = r.request_id "
    "AND o.state IN " SETTLE_OPEN_STATES ") "
    "ORDER BY nonce NULLS LAST, request_id LIMIT $2) q "
    "LEFT JOIN settle.attempt a ON a.request_id = q.request_id AND a.nonce = q.nonce "
    "AND a.signer_address = q.signer_address AND a.state <> 'dropped' "
    "ORDER BY q.nonce NULLS LAST, q.request_id, q.signer_address, a.attempt_id";

static enum settle_store_result store_load(void *context, struct settle_item *items, size_t *count,
                                           size_t max)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    char operations[SETTLE_OPERATIONS_ARRAY_MAX];

    *count = 0;
    settle_operations_array(operations);
    if (!store_ask(
            store, &rows, "load", load_select,
            PG_PARAMS(u64(store->chain_id), u64(max), u64(store->tick_ms), pg_text(operations))))
        return SETTLE_STORE_LOST;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct chain_address signer = row_address_or_zero(rows, i, 15);
        if (*count == 0 || items[*count - 1].call.request_id != (uint64_t)pg_number(rows, i, 0) ||
            items[*count - 1].bids[0].nonce != (uint64_t)pg_number(rows, i, 5) ||
            !address_equal(&items[*count - 1].signer, &signer))
            load_item(&items[(*count)++], rows, i);
        if (!pg_is_null(rows, i, 3))
            load_bid(&items[*count - 1], rows, i);
    }
    pg_rows_free(rows);
    return store_commit(store, "load");
}

static enum settle_store_result store_legs(void *context, struct settle_item *item)
{
    // Netted: the option is on, and no trade of it was in a net before.
    static const char sql[] =
        "SELECT leg, trade_id, from_address, to_address, amount, net_id, place, "
        "EXISTS (SELECT 1 FROM settle.netting n JOIN chain.chain_request q USING (token_asset) "
        "WHERE q.request_id = $1) AND NOT EXISTS (SELECT 1 FROM chain.request_leg m "
        "JOIN chain.request_leg o USING (trade_id) WHERE m.request_id = $1 "
        "AND o.request_id <> m.request_id AND o.net_id IS NOT NULL) "
        "FROM chain.request_leg WHERE request_id = $1 AND state <> 'left' "
        "AND reason IS DISTINCT FROM '" SETTLE_REASON_NET_ZERO "' ORDER BY leg";
    struct settle_store_pg *store = context;
    struct settle_call *call = &item->call;
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "legs", sql, PG_PARAMS(u64(call->request_id))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) <= SETTLE_LEGS_MAX);
    item->may_net =
        item->sign_before_ns == 0 && pg_rows_count(rows) > 0 && pg_number(rows, 0, 7) == 1;
    call->is_netted = pg_rows_count(rows) > 0 && !pg_is_null(rows, 0, 6);
    for (call->leg_count = 0; call->leg_count < pg_rows_count(rows); call->leg_count++) {
        size_t i = call->leg_count;
        call->legs[i] = (struct settle_leg){.number = (uint8_t)pg_number(rows, i, 0),
                                            .trade_id = (uint64_t)pg_number(rows, i, 1),
                                            .net_id = (uint64_t)pg_number(rows, i, 5),
                                            .place = (uint8_t)pg_number(rows, i, 6),
                                            .from = row_address_or_zero(rows, i, 2),
                                            .to = row_address_or_zero(rows, i, 3),
                                            .units = row_wide(rows, i, 4)};
    }
    pg_rows_free(rows);
    return store_commit(store, "legs");
}

static enum settle_store_result store_arguments(void *context, char *arguments, uint64_t request_id)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "arguments",
                   "SELECT arguments FROM chain.chain_request WHERE request_id = $1",
                   PG_PARAMS(u64(request_id))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) == 1);
    const char *text = pg_value(rows, 0, 0);
    size_t len = strlen(text);
    arguments[0] = '\0';
    if (len < SETTLE_ARGUMENTS_MAX)
        memcpy(arguments, text, len + 1);
    pg_rows_free(rows);
    return store_commit(store, "arguments");
}

static enum settle_store_result attempt_bytes(struct settle_store_pg *store, const char *sql,
                                              uint8_t *out, size_t *len, uint64_t attempt_id)
{
    struct pg_rows *rows = NULL;
    size_t max = *len;

    if (!store_ask(store, &rows, "bytes", sql, PG_PARAMS(u64(attempt_id))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) == 1);
    *len = pg_bytea(rows, 0, 0, out, max);
    ASSERT(*len <= max);
    pg_rows_free(rows);
    return store_commit(store, "bytes");
}

static enum settle_store_result store_calldata(void *context, uint8_t *calldata, size_t *len,
                                               uint64_t attempt_id)
{
    return attempt_bytes(context, "SELECT calldata FROM settle.attempt WHERE attempt_id = $1",
                         calldata, len, attempt_id);
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    return attempt_bytes(context, "SELECT raw FROM settle.attempt WHERE attempt_id = $1", raw, len,
                         attempt_id);
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_leg *leg)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT EXISTS (SELECT 1 FROM public.trades t JOIN public.trades i "
                 "ON i.token_id = t.token_id AND i.buyer_id = t.seller_id AND i.id <> t.id "
                 "WHERE t.id = $1 AND i.settlement_status <> 'settled' AND i.status <> 'busted')",
                 PG_PARAMS(u64(leg->trade_id))) != PG_OK)
        return store_lost(store, "inbound");
    *open = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return store_commit(store, "inbound");
}

// ---- results

static uint8_t outcome_of(const char *word)
{
    if (strcmp(word, "settled") == 0)
        return SETTLEMENT_SETTLED;
    return strcmp(word, "failed") == 0 ? SETTLEMENT_FAILED : SETTLEMENT_RETRIED;
}

// Of an instruction by the first of its movements, whose number says at which command it became
// settling.
static void result_read_xvp(struct settle_result *out, const struct pg_rows *rows, size_t row)
{
    bool is_settled = out->command.outcome == SETTLEMENT_SETTLED;

    ASSERT(is_settled || out->command.outcome == SETTLEMENT_FAILED);
    out->command.outcome = is_settled ? SETTLEMENT_XVP_EXECUTED : SETTLEMENT_XVP_RETURNED;
    out->command.trade_id = (uint64_t)pg_number(rows, row, 9);
    out->command.quantity = pg_number(rows, row, 3) >> 20; // of trade_id_of
}

static void result_read(struct settle_result *out, const struct pg_rows *rows, size_t row)
{
    *out = (struct settle_result){.result_id = (uint64_t)pg_number(rows, row, 0)};
    out->command.ref_number = (uint64_t)pg_number(rows, row, 1);
    out->command.outcome = outcome_of(pg_value(rows, row, 2));
    if (!pg_is_null(rows, row, 9)) {
        result_read_xvp(out, rows, row);
        return;
    }
    out->command.trade_id = (uint64_t)pg_number(rows, row, 3);
    out->command.instrument = (uint32_t)pg_number(rows, row, 4);
    out->command.buyer_account = (uint32_t)pg_number(rows, row, 5);
    out->command.seller_account = (uint32_t)pg_number(rows, row, 6);
    out->command.quantity = pg_number(rows, row, 7);
    out->command.proceeds = pg_number(rows, row, 8);
}

static enum settle_store_result store_unanswered_after(void *context, uint64_t *sequence)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *sequence = SETTLE_CORE_NEWEST;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT min(sent_after) FROM settle.result "
                 "WHERE state = 'open' AND ref_number IS NOT NULL",
                 PG_NO_PARAMS) != PG_OK)
        return store_lost(store, "unanswered_after");
    if (!pg_is_null(rows, 0, 0))
        *sequence = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return store_commit(store, "unanswered_after");
}

// max + 1 and not a Postgres sequence: no gaps, and the order of the rows, however many there are.
// Only the holder of the lock gives numbers.
static bool results_number(struct settle_store_pg *store, size_t max, uint64_t sequence)
{
    static const char sql[] =
        "WITH next AS (SELECT result_id, row_number() OVER (ORDER BY result_id) AS k FROM ("
        "SELECT result_id FROM settle.result WHERE state = 'open' AND ref_number IS NULL "
        "AND NOT awaits_freeze "
        "ORDER BY result_id LIMIT $1) q) "
        "UPDATE settle.result r SET sent_after = $2, "
        "ref_number = (SELECT coalesce(max(ref_number), 0) FROM settle.result) + next.k "
        "FROM next WHERE r.result_id = next.result_id";

    return store_any(store, sql, PG_PARAMS(u64(max), u64(sequence)));
}

static enum settle_store_result store_results(void *context, struct settle_result *results,
                                              size_t *count, size_t max, uint64_t after_ref,
                                              uint64_t sequence)
{
    static const char sql[] =
        "SELECT r.result_id, r.ref_number, r.outcome, r.trade_id, t.instrument_id, t.buyer_id, "
        "t.seller_id, t.quantity_units, t.seller_proceeds_cash, w.xvp_id FROM ("
        "SELECT * FROM settle.result WHERE state = 'open' AND ref_number > $2 "
        "ORDER BY ref_number LIMIT $1) r "
        "JOIN settle.trade w ON w.trade_id = r.trade_id "
        "LEFT JOIN public.trades t ON t.id = r.trade_id AND w.xvp_id IS NULL "
        "ORDER BY r.ref_number";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!results_number(store, max, sequence) ||
        pg_query(store->pg, &rows, sql, PG_PARAMS(u64(max), u64(after_ref))) != PG_OK)
        return store_lost(store, "results");
    for (; *count < pg_rows_count(rows); ++*count)
        result_read(&results[*count], rows, *count);
    pg_rows_free(rows);
    return store_commit(store, "results");
}

// {1,2,3}: the numbers of the answers that are BOOKED.
struct text_numbers {
    char text[SETTLE_RESULTS_MAX * 21 + 3];
};

static bool answered_booked(struct settle_store_pg *store, const struct settle_answer *answers,
                            size_t count)
{
    struct text_numbers numbers;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        if (answers[i].kind == SETTLE_ANSWER_BOOKED)
            len += (size_t)snprintf(&numbers.text[len], sizeof(numbers.text) - len, "%c%" PRIu64,
                                    len == 0 ? '{' : ',', answers[i].ref_number);
    if (len == 0)
        return true;
    ASSERT(len + 1 < sizeof(numbers.text));
    memcpy(&numbers.text[len], "}", 2);
    return store_any(store,
                     "UPDATE settle.result SET state = 'booked', answered_at = now() "
                     "WHERE ref_number = ANY($1::text::bigint[]) AND state = 'open'",
                     PG_PARAMS(pg_text(numbers.text)));
}

static bool answered_refused(struct settle_store_pg *store, const struct settle_answer *answer)
{
    return store_any(store,
                     "UPDATE settle.result SET state = 'refused', reject_code = $2, "
                     "answered_at = now() WHERE ref_number = $1 AND state = 'open'",
                     PG_PARAMS(u64(answer->ref_number), pg_i64(answer->reject_code)));
}

static enum settle_store_result store_answered(void *context, const struct settle_answer *answers,
                                               size_t count)
{
    struct settle_store_pg *store = context;
    bool ok;

    ASSERT(count <= SETTLE_RESULTS_MAX);
    if (!store_begin_unsynced(store))
        return SETTLE_STORE_LOST;
    ok = answered_booked(store, answers, count);
    for (size_t i = 0; ok && i < count; i++)
        if (answers[i].kind == SETTLE_ANSWER_REFUSED)
            ok = answered_refused(store, &answers[i]);
    return ok ? store_commit(store, "answered") : store_lost(store, "answered");
}

void settle_store_trades_ops(struct settle_store_ops *ops)
{
    ops->load = store_load;
    ops->legs = store_legs;
    ops->arguments = store_arguments;
    ops->calldata = store_calldata;
    ops->raw = store_raw;
    ops->inbound_open = store_inbound;
    ops->unanswered_after = store_unanswered_after;
    ops->results = store_results;
    ops->answered = store_answered;
}
