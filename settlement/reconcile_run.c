#include "settlement/reconcile_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "chain/erc3643_precheck.h"
#include "chain/index_node.h"
#include "settlement/reconcile_custody.h"

// Columns of chain.reconcile_figures, then of chain.custody_figures.
enum column {
    ASSET,
    SYMBOL,
    CONTRACT,
    SCALE,
    DECIMALS,
    WALLET,
    ACCOUNT,
    TOTAL,
    DEFICIT,
    IN_FLIGHT,
    MOVED,
    BOOKING,
    REFUSED,
    DUST,
    INDEXED,
    OFF_CHAIN,
    UNBOOKED,
    UNPLANNED,
    ARRIVING,
    RELEASED,
    FROZEN, // NULL: not in custody
    LATER,
    OWN,
    HELD,
    SPILLED_NOW,
    INDEXED_FREEZES,
    CLAIMED,
    BOUGHT,
    WAITING,
    UNDER_WAY,
    UNMATCHED // of an escrow; NULL: a wallet
};

struct run {
    struct reconcile *reconcile;
    struct reconcile_report *report;
    struct pg_rows *figures;
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)]; // of the block
    uint64_t begun_ns;
    int64_t run_id;
    int64_t supply_asset; // the token whose supply is known
    reconcile_amount supply;
};

static bool fail(struct run *run, const char *what, const char *words)
{
    snprintf(run->report->reason, sizeof(run->report->reason), "%s: %s", what, words);
    return false;
}

static bool database_failed(struct run *run, const char *what)
{
    fail(run, what, pg_last_error(run->reconcile->pg)->message);
    pg_rollback(run->reconcile->pg);
    return false;
}

// ---- one moment of the database

static bool read_place(struct run *run, int64_t chain_id)
{
    struct pg_rows *rows = NULL;
    if (pg_query(
            run->reconcile->pg, &rows,
            "SELECT c.sequence, i.confirmed_block, b.hash, i.trouble FROM record.cursor c,"
            " chain.index_chain i LEFT JOIN chain.block b ON b.chain_id = i.chain_id AND b.number ="
            " i.confirmed_block AND b.state <> 'orphaned' WHERE i.chain_id = $1",
            PG_PARAMS(pg_i64(chain_id))) != PG_OK)
        return database_failed(run, "database");
    bool there = pg_rows_count(rows) == 1 && pg_number(rows, 0, 1) >= 0 && !pg_is_null(rows, 0, 2);
    if (there) {
        run->report->sequence = (uint64_t)pg_number(rows, 0, 0);
        run->report->block = (uint64_t)pg_number(rows, 0, 1);
        snprintf(run->hash, sizeof(run->hash), "%s", pg_value(rows, 0, 2));
    } else {
        fail(run, "index", "no block is confirmed yet");
    }
    pg_rows_free(rows);
    if (!there)
        pg_rollback(run->reconcile->pg);
    return there;
}

static bool read_figures(struct run *run)
{
    struct pg *pg = run->reconcile->pg;
    int64_t chain_id = run->reconcile->config->settle_chain_id;
    if (pg_connect(pg) != PG_OK ||
        pg_execute(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") != PG_OK)
        return database_failed(run, "database");
    if (!read_place(run, chain_id))
        return false;
    if (pg_query(pg, &run->figures,
                 "SELECT f.*, coalesce(c.arriving, 0), coalesce(c.released, 0), c.frozen, c.later, "
                 "c.own, c.held, c.spilled_now, c.indexed, c.claimed, c.bought, c.waiting, "
                 "c.under_way, NULL::numeric FROM chain.reconcile_figures($1, $2) f LEFT JOIN "
                 "chain.custody_figures($1, $2) c ON c.token_asset = f.token_asset AND "
                 "c.wallet = f.wallet UNION ALL SELECT e.token_asset, e.symbol, e.contract, "
                 "e.scale, e.decimals, e.wallet, e.account_id, e.total, e.deficit, e.in_flight, "
                 "e.chain_moved, e.booking, e.refused, e.chain_dust, e.chain_indexed, e.off_chain, "
                 "e.chain_unbooked, e.chain_unplanned, 0, e.leaving + e.unmatched, NULL, NULL, "
                 "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, e.unmatched FROM "
                 "chain.escrow_figures($1, $2) e ORDER BY 1, 7",
                 PG_PARAMS(pg_i64(chain_id), pg_i64((int64_t)run->report->block))) != PG_OK ||
        pg_commit(pg) != PG_OK)
        return database_failed(run, "database");
    return true;
}

// ---- the chain

// The balances must be of the block that the index means.
static bool check_block(struct run *run)
{
    struct index_header header;
    bool found;
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)];
    enum node_result result =
        index_node_header(run->reconcile->node, &found, &header, run->report->block);
    if (result != NODE_OK || !found)
        return fail(run, "chain", run->reconcile->node->error.message);
    hex_encode(hash, header.hash.bytes, KECCAK_BYTES);
    return strcmp(hash, run->hash) == 0 ||
           fail(run, "chain", "the node has another block there than the index: a reorganisation?");
}

static bool read_chain(struct run *run, reconcile_amount *out, const char *contract,
                       uint32_t selector, const char *wallet)
{
    struct chain_address token;
    struct chain_address owner;
    chain_uint128 value = 0;
    if (!hex_decode_exact(token.bytes, ADDRESS_BYTES, contract) ||
        (wallet != NULL && !hex_decode_exact(owner.bytes, ADDRESS_BYTES, wallet)))
        return fail(run, "database", "an address that is none");
    enum node_result result = erc3643_read_u128(run->reconcile->node, &value, &token, selector,
                                                wallet == NULL ? NULL : &owner, run->report->block);
    if (result != NODE_OK)
        return fail(run, "chain",
                    run->reconcile->node->error.message[0] != '\0'
                        ? run->reconcile->node->error.message
                        : node_result_text(result));
    if (value >> 120 != 0)
        return fail(run, "chain", "a balance above 2^120");
    *out = (reconcile_amount)value;
    return true;
}

// ---- one wallet

static bool amount(struct run *run, reconcile_amount *out, size_t row, enum column column)
{
    return reconcile_parse(out, pg_value(run->figures, row, (int)column)) ||
           fail(run, "database", "an amount that does not fit");
}

static bool units(struct run *run, int64_t *out, size_t row, enum column column)
{
    reconcile_amount wide;
    if (!amount(run, &wide, row, column))
        return false;
    if (wide > INT64_MAX || wide < INT64_MIN)
        return fail(run, "database", "an amount that does not fit");
    *out = (int64_t)wide;
    return true;
}

static reconcile_amount unit_of(int64_t decimals, int64_t scale)
{
    reconcile_amount unit = 1;
    for (int64_t i = scale; i < decimals; i++)
        unit *= 10;
    return unit;
}

static bool gather(struct run *run, struct reconcile_figures *f, size_t row)
{
    const struct pg_rows *rows = run->figures;
    int64_t decimals = pg_number(rows, row, DECIMALS);
    int64_t scale = pg_number(rows, row, SCALE);
    if (decimals < scale || decimals - scale > 30)
        return fail(run, "token", "its decimals do not fit the ledger's scale");
    *f = (struct reconcile_figures){.unit = unit_of(decimals, scale),
                                    .is_escrow = !pg_is_null(rows, row, UNMATCHED),
                                    .ledger_known = run->report->ledger_known};
    if (f->ledger_known)
        f->ledger_units =
            reconcile_ledger_total(run->reconcile->ledger, (uint32_t)pg_number(rows, row, ACCOUNT),
                                   (uint32_t)pg_number(rows, row, ASSET));
    if (f->is_escrow) // the outside world's debt is what the ledger owes
        f->ledger_units = -f->ledger_units;
    return units(run, &f->total_units, row, TOTAL) && units(run, &f->deficit_units, row, DEFICIT) &&
           units(run, &f->in_flight_units, row, IN_FLIGHT) &&
           units(run, &f->booking_units, row, BOOKING) &&
           units(run, &f->refused_units, row, REFUSED) &&
           units(run, &f->arriving_units, row, ARRIVING) &&
           amount(run, &f->released, row, RELEASED) &&
           units(run, &f->off_chain_units, row, OFF_CHAIN) && amount(run, &f->moved, row, MOVED) &&
           amount(run, &f->dust, row, DUST) && amount(run, &f->indexed, row, INDEXED) &&
           amount(run, &f->unbooked, row, UNBOOKED) && amount(run, &f->unplanned, row, UNPLANNED) &&
           read_chain(run, &f->chain, pg_value(rows, row, CONTRACT), ERC3643_BALANCE_OF,
                      pg_value(rows, row, WALLET));
}

static bool gather_custody(struct run *run, struct reconcile_custody *c, size_t row)
{
    *c = (struct reconcile_custody){.under_way = pg_number(run->figures, row, UNDER_WAY) == 1};
    return amount(run, &c->frozen, row, FROZEN) && amount(run, &c->later, row, LATER) &&
           amount(run, &c->own, row, OWN) && amount(run, &c->held, row, HELD) &&
           amount(run, &c->spilled_now, row, SPILLED_NOW) &&
           amount(run, &c->indexed, row, INDEXED_FREEZES) &&
           amount(run, &c->claimed, row, CLAIMED) && amount(run, &c->bought, row, BOUGHT) &&
           amount(run, &c->waiting, row, WAITING) &&
           read_chain(run, &c->chain, pg_value(run->figures, row, CONTRACT),
                      ERC3643_GET_FROZEN_TOKENS, pg_value(run->figures, row, WALLET));
}

static json_t *amount_json(reconcile_amount value)
{
    char text[RECONCILE_AMOUNT_MAX];
    reconcile_format(text, value);
    return json_string(text);
}

static json_t *row_json(const struct run *run, size_t row, const struct reconcile_figures *f,
                        const struct reconcile_judgement *judgement)
{
    const struct pg_rows *rows = run->figures;
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "asset",
        (json_int_t)pg_number(rows, row, ASSET), "symbol", pg_value(rows, row, SYMBOL), "wallet",
        pg_value(rows, row, WALLET), "account", (json_int_t)pg_number(rows, row, ACCOUNT), "cause",
        reconcile_cause_word(judgement->cause), "words", judgement->words, "record_units",
        (json_int_t)f->total_units, "deficit_units", (json_int_t)f->deficit_units,
        "in_flight_units", (json_int_t)f->in_flight_units, "booking_units",
        (json_int_t)f->booking_units, "refused_units", (json_int_t)f->refused_units,
        "off_chain_units", (json_int_t)f->off_chain_units);
    ASSERT(json != NULL);
    json_object_set_new(json, "ledger_units",
                        f->ledger_known ? json_integer(f->ledger_units) : json_null());
    json_object_set_new(json, "unit", amount_json(f->unit));
    json_object_set_new(json, "moved", amount_json(f->moved));
    json_object_set_new(json, "dust", amount_json(f->dust));
    json_object_set_new(json, "arriving_units", json_integer(f->arriving_units));
    json_object_set_new(json, "released", amount_json(f->released));
    json_object_set_new(json, "indexed", amount_json(f->indexed));
    json_object_set_new(json, "expected", amount_json(reconcile_expected(f)));
    json_object_set_new(json, "chain", amount_json(f->chain));
    if (f->is_escrow)
        json_object_set_new(json, "unmatched", json_string(pg_value(rows, row, UNMATCHED)));
    json_object_set_new(json, "difference", amount_json(judgement->difference));
    return json;
}

static json_t *custody_json(const struct reconcile_custody *c)
{
    json_t *json = json_object();
    json_object_set_new(json, "chain", amount_json(c->chain));
    json_object_set_new(json, "indexed", amount_json(c->indexed));
    json_object_set_new(json, "venue", amount_json(c->frozen - c->spilled_now));
    json_object_set_new(json, "others", amount_json(c->held));
    json_object_set_new(json, "tradable", amount_json(c->claimed));
    json_object_set_new(json, "waiting", amount_json(c->waiting));
    return json;
}

// What is frozen is looked at where the balance agrees. False: it could not be read.
static bool judge(struct run *run, struct reconcile_judgement *out, json_t **custody, size_t row,
                  const struct reconcile_figures *figures)
{
    struct reconcile_custody frozen;
    *custody = NULL;
    reconcile_judge(out, figures);
    if (pg_is_null(run->figures, row, FROZEN))
        return true;
    if (!gather_custody(run, &frozen, row))
        return false;
    *custody = custody_json(&frozen);
    if (out->cause == RECONCILE_EQUAL)
        reconcile_custody_judge(out, &frozen, figures);
    return true;
}

static bool compare(struct run *run)
{
    for (size_t row = 0; row < pg_rows_count(run->figures); row++) {
        struct reconcile_figures figures;
        struct reconcile_judgement judgement;
        json_t *custody = NULL;
        if (!gather(run, &figures, row) || !judge(run, &judgement, &custody, row, &figures))
            return false;
        json_t *json = row_json(run, row, &figures, &judgement);
        if (custody != NULL)
            json_object_set_new(json, "frozen", custody);
        json_array_append_new(run->report->rows, json);
        run->report->compared++;
        run->report->breaks += judgement.cause != RECONCILE_EQUAL;
    }
    return true;
}

// ---- what is written down

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    ASSERT(text != NULL);
    return text;
}

static void note_halts(struct run *run, int64_t break_id, int64_t asset)
{
    struct pg_rows *rows = NULL;
    if (pg_query(run->reconcile->pg, &rows,
                 "SELECT instrument_id FROM record.instrument WHERE token_asset = $1 ORDER BY 1",
                 PG_PARAMS(pg_i64(asset))) != PG_OK)
        return; // the next comparison asks again
    for (size_t i = 0; i < pg_rows_count(rows) && run->report->halt_count < RECONCILE_HALTS_MAX;
         i++) {
        run->report->halts[run->report->halt_count].break_id = break_id;
        run->report->halts[run->report->halt_count++].instrument = (uint32_t)pg_number(rows, i, 0);
    }
    pg_rows_free(rows);
}

// Supplies are compared as they are at the same block.
static bool is_above_threshold(struct run *run, size_t row, const char *difference)
{
    int64_t bps = run->reconcile->config->index_halt_bps;
    int64_t asset = pg_number(run->figures, row, ASSET);
    reconcile_amount value;
    if (bps == 0 || !reconcile_parse(&value, difference))
        return false;
    if (run->supply_asset != asset) {
        if (!read_chain(run, &run->supply, pg_value(run->figures, row, CONTRACT),
                        ERC3643_TOTAL_SUPPLY, NULL))
            return false;
        run->supply_asset = asset;
    }
    if (value < 0)
        value = -value;
    return value > run->supply / 10000 * bps;
}

static bool write_break(struct run *run, size_t at, const json_t *row)
{
    struct pg_rows *rows = NULL;
    char *figures = json_dumps(row, JSON_COMPACT | JSON_PRESERVE_ORDER);
    ASSERT(figures != NULL);
    enum pg_class class = pg_query(
        run->reconcile->pg, &rows,
        "INSERT INTO chain.reconciliation_break AS b (token_asset, wallet_address, account_id, "
        "cause, words, difference,"
        " figures, since_run, last_run) VALUES ($1, $2, $3, $4, $5, $6::numeric, $7::jsonb, $8, $8)"
        " ON CONFLICT (token_asset, wallet_address) WHERE closed_at IS NULL DO UPDATE SET cause = "
        "excluded.cause,"
        " words = excluded.words, difference = excluded.difference, figures = excluded.figures, "
        "last_run ="
        " excluded.last_run, runs = b.runs + 1, alerted_at = coalesce(b.alerted_at, CASE WHEN "
        "excluded.cause <>"
        " 'booking_in_flight' THEN now() END) RETURNING break_id, alerted_at IS NOT NULL AND "
        "halted_at IS NULL AND EXISTS (SELECT 1"
        " FROM chain.index_source s WHERE s.token_asset = b.token_asset AND s.agreed_at IS NOT "
        "NULL), alerted_at IS NOT NULL",
        PG_PARAMS(pg_i64(json_integer_value(json_object_get(row, "asset"))),
                  pg_text(text_of(row, "wallet")),
                  pg_i64(json_integer_value(json_object_get(row, "account"))),
                  pg_text(text_of(row, "cause")), pg_text(text_of(row, "words")),
                  pg_text(text_of(row, "difference")), pg_text(figures), pg_i64(run->run_id)));
    free(figures);
    if (class != PG_OK)
        return database_failed(run, "break");
    int64_t break_id = pg_number(rows, 0, 0);
    bool may_halt = pg_number(rows, 0, 1) == 1;
    run->report->told += pg_number(rows, 0, 2) == 1;
    pg_rows_free(rows);
    // Too much that is frozen is no danger to anybody's trade.
    if (may_halt && strcmp(text_of(row, "cause"), reconcile_cause_word(RECONCILE_SURPLUS)) != 0 &&
        is_above_threshold(run, at, text_of(row, "difference")))
        note_halts(run, break_id, json_integer_value(json_object_get(row, "asset")));
    return true;
}

static bool write_run(struct run *run)
{
    struct pg_rows *rows = NULL;
    uint64_t ms = (clock_monotone_ns(&clock_system) - run->begun_ns) / 1000000;
    if (pg_query(run->reconcile->pg, &rows,
                 "INSERT INTO chain.reconciliation (chain_id, sequence, block_number, block_hash, "
                 "wallets, breaks,"
                 " milliseconds) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING run_id",
                 PG_PARAMS(pg_i64(run->reconcile->config->settle_chain_id),
                           pg_i64((int64_t)run->report->sequence),
                           pg_i64((int64_t)run->report->block), pg_text(run->hash),
                           pg_i64((int64_t)run->report->compared),
                           pg_i64((int64_t)run->report->breaks), pg_i64((int64_t)ms))) != PG_OK)
        return database_failed(run, "run");
    run->run_id = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

static bool write_all(struct run *run)
{
    size_t at;
    json_t *row;
    if (pg_begin(run->reconcile->pg) != PG_OK)
        return database_failed(run, "database");
    if (!write_run(run))
        return false;
    json_array_foreach(run->report->rows, at,
                       row) if (strcmp(text_of(row, "cause"), "equal") != 0 &&
                                !write_break(run, at, row)) return false;
    if (pg_query(run->reconcile->pg, NULL,
                 "UPDATE chain.reconciliation_break SET closed_at = now() WHERE closed_at IS NULL "
                 "AND last_run <> $1",
                 PG_PARAMS(pg_i64(run->run_id))) != PG_OK ||
        pg_query(run->reconcile->pg, NULL,
                 "UPDATE chain.index_source s SET agreed_at = now() WHERE chain_id = $1 AND kind = "
                 "'token' AND agreed_at"
                 " IS NULL AND NOT EXISTS (SELECT 1 FROM chain.reconciliation_break b WHERE "
                 "b.token_asset = s.token_asset"
                 " AND b.closed_at IS NULL) AND EXISTS (SELECT 1 FROM record.balance r WHERE "
                 "r.asset_id = s.token_asset"
                 " AND r.available + r.held <> 0)",
                 PG_PARAMS(pg_i64(run->reconcile->config->settle_chain_id))) != PG_OK ||
        pg_commit(run->reconcile->pg) != PG_OK)
        return database_failed(run, "breaks");
    return true;
}

// The tape may be a moment behind the record.
enum { LEDGER_TRIES = 20 };
static const struct timespec LEDGER_PAUSE = {.tv_nsec = 25000000};

static bool advance(struct reconcile_ledger *ledger, uint64_t sequence)
{
    for (int i = 0; i < LEDGER_TRIES; i++) {
        if (reconcile_ledger_advance(ledger, sequence))
            return true;
        nanosleep(&LEDGER_PAUSE, NULL);
    }
    return false;
}

bool reconcile_run(struct reconcile *reconcile, struct reconcile_report *report)
{
    struct run run = {
        .reconcile = reconcile, .report = report, .begun_ns = clock_monotone_ns(&clock_system)};
    *report = (struct reconcile_report){.rows = json_array()};
    bool compared = read_figures(&run);
    if (compared) {
        report->ledger_known = advance(reconcile->ledger, report->sequence);
        compared = check_block(&run) && compare(&run) && write_all(&run);
    }
    pg_rows_free(run.figures);
    if (compared && !report->ledger_known)
        fail(&run, "ledger",
             "the tape and the snapshots do not hold the record's sequence: not compared with the "
             "record");
    return compared;
}

bool reconcile_halted(struct reconcile *reconcile, int64_t break_id)
{
    return pg_query(reconcile->pg, NULL,
                    "UPDATE chain.reconciliation_break SET halted_at = coalesce(halted_at, now()) "
                    "WHERE break_id = $1",
                    PG_PARAMS(pg_i64(break_id))) == PG_OK;
}
