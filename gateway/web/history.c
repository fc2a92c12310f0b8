// History: what Postgres knows and the view does not: past trades and their settlement.
//
// A question runs as: the record's cursor → if it is below min_seq, again every 50 ms for up to 1
// s, then RECORD_BEHIND with both numbers → the rows. Settlement changes come as NOTIFY settlement;
// the trades named are read again in one query, at most one such query at a time, and pushed to
// their owners. After a lost connection every connected user gets his newest trades again, because
// notifications may have been missed.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/web/order_words.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum {
    QUERY_TIMEOUT_MS = 3000,
    NOTIFIED_MAX = 4096,
    ACCOUNTS_TEXT_BYTES = SESSION_ACCOUNTS_MAX * 11 + 3,
    RESYNC_ROWS = 100,
};
#define MIN_SEQ_WAIT_NS 1000000000u

struct question {
    struct web *web;
    struct question *next; // among the waiting
    struct reply reply;
    uint32_t session; // whose trades; 0 = everybody's of an instrument
    uint32_t instrument;
    bool xvps; // the session's settlement instructions instead
    int64_t limit;
    uint64_t before, min_seq, deadline_ns;
    int64_t cursor;
    char accounts[ACCOUNTS_TEXT_BYTES]; // "{1003,1004}"
};

struct history {
    struct question *waiting;
    uint64_t notified[NOTIFIED_MAX]; // trades to be read again
    size_t notified_count;
    bool notified_overflow; // more than fit: everybody gets all anew
    bool asking;            // the query about notified ones is out
    bool connected;
    unsigned seconds;       // of history_second
    uint64_t asked_durable; // what was durable then
};

static void fetch_notified(struct web *web);

// ---- rows ------------------------------------------------------------------------------------

#define TRADE_COLUMNS                                                                              \
    "id, sequence, created_ns, instrument_id, buyer_id, seller_id, buy_order_id, sell_order_id, "  \
    "taker_side, price_cash, quantity_units, trim_scale(buyer_fee)::text, "                        \
    "trim_scale(seller_fee)::text, settlement_status, settlement_type, tx_hash, block_number, "    \
    "settlement_reason, kind, status, corrected_seq FROM public.trades "
enum trade_column {
    COL_ID,
    COL_SEQUENCE,
    COL_TIME,
    COL_INSTRUMENT,
    COL_BUYER,
    COL_SELLER,
    COL_BUY_ORDER,
    COL_SELL_ORDER,
    COL_TAKER_SIDE,
    COL_PRICE,
    COL_QUANTITY,
    COL_BUYER_FEE,
    COL_SELLER_FEE,
    COL_STATUS,
    COL_TYPE,
    COL_HASH,
    COL_BLOCK,
    COL_REASON,
    COL_KIND,
    COL_TRADE_STATUS,
    COL_CORRECTED,
};

static void optional_text(struct json_out *out, const char *name, const struct pg_rows *rows,
                          size_t row, int column)
{
    if (pg_is_null(rows, row, column))
        json_null(out, name);
    else
        json_text(out, name, pg_value(rows, row, column));
}

// An object: the fields of a fill (shapes.h) and the settlement.
static void write_own_trade(struct web *web, const struct pg_rows *rows, size_t row, bool buyer)
{
    struct json_out *out = &web->out;
    uint32_t instrument = (uint32_t)pg_number(rows, row, COL_INSTRUMENT);
    bool taker = (strcmp(pg_value(rows, row, COL_TAKER_SIDE), "buy") == 0) == buyer;
    json_open(out, '{');
    json_id(out, "trade", (uint64_t)pg_number(rows, row, COL_ID));
    json_integer(out, "sequence", pg_number(rows, row, COL_SEQUENCE));
    json_id(out, "order", (uint64_t)pg_number(rows, row, buyer ? COL_BUY_ORDER : COL_SELL_ORDER));
    json_integer(out, "account", pg_number(rows, row, buyer ? COL_BUYER : COL_SELLER));
    json_text(out, "symbol", shape_symbol(web->view, instrument));
    json_text(out, "side", buyer ? "buy" : "sell");
    json_decimal(out, "price", pg_number(rows, row, COL_PRICE), CASH_SCALE);
    json_decimal(out, "quantity", pg_number(rows, row, COL_QUANTITY),
                 shape_token_scale(web->view, instrument));
    json_text(out, "fee", pg_value(rows, row, buyer ? COL_BUYER_FEE : COL_SELLER_FEE));
    json_text(out, "liquidity", taker ? "taker" : "maker");
    json_text(out, "kind", pg_value(rows, row, COL_KIND));
    json_text(out, "settlement", pg_value(rows, row, COL_STATUS));
    optional_text(out, "settlement_type", rows, row, COL_TYPE);
    optional_text(out, "tx_hash", rows, row, COL_HASH);
    optional_text(out, "block_number", rows, row, COL_BLOCK);
    optional_text(out, "settlement_reason", rows, row, COL_REASON);
    json_text(out, "status", pg_value(rows, row, COL_TRADE_STATUS));
    if (pg_is_null(rows, row, COL_CORRECTED))
        json_null(out, "corrected_sequence");
    else
        json_integer(out, "corrected_sequence", pg_number(rows, row, COL_CORRECTED));
    json_id(out, "time", (uint64_t)pg_number(rows, row, COL_TIME));
    json_close(out, '}');
}

static void write_own_trades(const struct question *q, const struct pg_rows *rows)
{
    for (size_t row = 0; row < pg_rows_count(rows); row++)
        for (int buyer = 0; buyer <= 1; buyer++) {
            uint32_t account = (uint32_t)pg_number(rows, row, buyer ? COL_BUYER : COL_SELLER);
            if ((view_session_rights(q->web->view, q->session, account) & RIGHT_SEE) != 0)
                write_own_trade(q->web, rows, row, buyer != 0);
        }
}

static uint8_t word_at(enum order_vocabulary vocabulary, const struct pg_rows *rows, size_t row,
                       int column)
{
    const char *text = pg_value(rows, row, column);
    uint8_t value = 0;
    return order_word_read(vocabulary, text, strlen(text), &value) ? value : 0;
}

static void write_public_trades(const struct question *q, const struct pg_rows *rows)
{
    unsigned scale = shape_token_scale(q->web->view, q->instrument);
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        const struct public_trade trade = {
            .trade = (uint64_t)pg_number(rows, row, COL_ID),
            .time_ns = (uint64_t)pg_number(rows, row, COL_TIME),
            .price = pg_number(rows, row, COL_PRICE),
            .quantity = pg_number(rows, row, COL_QUANTITY),
            .taker_side = word_at(WORDS_SIDE, rows, row, COL_TAKER_SIDE),
            .kind = word_at(WORDS_KIND, rows, row, COL_KIND),
        };
        shape_public_trade(&q->web->out, &trade, scale);
    }
}

// ---- questions -------------------------------------------------------------------------------

static void refuse(struct question *q, enum reject_code code, int64_t limit, int64_t value)
{
    reply_code(q->web, &q->reply, code, limit, value);
    free(q);
}

static bool failed(struct question *q, const struct pg_error *error)
{
    if (error->class == PG_OK)
        return false;
    log_limited(LOG_WARNING, "history: %s %s", pg_class_name(error->class), error->message);
    refuse(q, REJECT_DATABASE_DOWN, 0, 0);
    return true;
}

static void got_trades(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct question *q = context;
    if (failed(q, error))
        return;
    struct json_out *out = &q->web->out;
    reply_begin(q->web, &q->reply, "settlements");
    json_integer(out, "sequence", q->cursor);
    json_name(out, "trades");
    json_open(out, '[');
    if (q->session != 0)
        write_own_trades(q, rows);
    else
        write_public_trades(q, rows);
    json_close(out, ']');
    reply_end(q->web, &q->reply, 200);
    free(q);
}

static void ask_trades(struct question *q)
{
    static const char own[] =
        "SELECT " TRADE_COLUMNS
        "WHERE (buyer_id = ANY($1::integer[]) OR seller_id = ANY($1::integer[])) "
        "AND id < $2 ORDER BY id DESC LIMIT $3";
    static const char of_instrument[] =
        "SELECT " TRADE_COLUMNS "WHERE instrument_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    int64_t before = q->before > INT64_MAX ? INT64_MAX : (int64_t)q->before;
    struct pg_param first = q->session != 0 ? pg_text(q->accounts) : pg_i64(q->instrument);
    if (!pg_async_query(q->web->pg, q->session != 0 ? own : of_instrument,
                        PG_PARAMS(first, pg_i64(before), pg_i64(q->limit)), web_now_ns(),
                        QUERY_TIMEOUT_MS, got_trades, q))
        refuse(q, REJECT_DATABASE_DOWN, 0, 0);
}

static void got_xvps(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct question *q = context;
    if (failed(q, error))
        return;
    const char *text = pg_value(rows, 0, 0);
    reply_begin(q->web, &q->reply, "settlement_instructions");
    json_integer(&q->web->out, "sequence", q->cursor);
    json_name(&q->web->out, "instructions");
    json_open(&q->web->out, '[');
    json_raw(&q->web->out, text, strlen(text));
    json_close(&q->web->out, ']');
    reply_end(q->web, &q->reply, 200);
    free(q);
}

// Their rows as they are to be told, with commas between them.
static void ask_xvps(struct question *q)
{
    static const char sql[] =
        "SELECT coalesce(string_agg(json_build_object('xvp', t.id::text, 'name', t.name, 'state', "
        "t.state, 'auto_execute', t.auto_execute, 'cutoff', t.cutoff, 'settlement', t.settlement, "
        "'tx_hash', t.tx_hash, 'chain_reason', t.chain_reason, "
        "'legs', t.legs, 'externals', t.externals, 'hashlock', t.hashlock, 'secret', t.secret, "
        "'votes_to_cancel', t.votes_to_cancel, 'created_at', t.created_at, 'changed_at', "
        "t.changed_at)::text, ',' ORDER "
        "BY t.id DESC), '') FROM (SELECT * FROM public.settlement_instructions WHERE id IN (SELECT "
        "xvp_id FROM record.xvp_leg WHERE from_account = ANY($1::bigint[]) OR to_account = "
        "ANY($1::bigint[])) AND id < $2 ORDER BY id DESC LIMIT $3) t";
    int64_t before = q->before > INT64_MAX ? INT64_MAX : (int64_t)q->before;
    if (!pg_async_query(q->web->pg, sql,
                        PG_PARAMS(pg_text(q->accounts), pg_i64(before), pg_i64(q->limit)),
                        web_now_ns(), QUERY_TIMEOUT_MS, got_xvps, q))
        refuse(q, REJECT_DATABASE_DOWN, 0, 0);
}

static void got_cursor(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct question *q = context;
    if (failed(q, error))
        return;
    q->cursor = pg_rows_count(rows) == 1 ? pg_number(rows, 0, 0) : 0;
    if ((uint64_t)q->cursor >= q->min_seq) {
        (q->xvps ? ask_xvps : ask_trades)(q);
    } else if (web_now_ns() >= q->deadline_ns) {
        refuse(q, REJECT_RECORD_BEHIND, (int64_t)q->min_seq, q->cursor);
    } else {
        q->next = q->web->history->waiting;
        q->web->history->waiting = q;
    }
}

static void ask_cursor(struct question *q)
{
    if (!pg_async_query(q->web->pg, "SELECT sequence FROM record.cursor", PG_NO_PARAMS,
                        web_now_ns(), QUERY_TIMEOUT_MS, got_cursor, q))
        refuse(q, REJECT_DATABASE_DOWN, 0, 0);
}

static void ask(struct web *web, const struct question *question)
{
    struct question *q = malloc(sizeof *q);
    if (q == NULL) {
        reply_code(web, &question->reply, REJECT_OVERLOADED, 0, 0);
        return;
    }
    *q = *question;
    q->web = web;
    q->deadline_ns = web_now_ns() + MIN_SEQ_WAIT_NS;
    ask_cursor(q);
    pg_watch_kick(web->pg_watch);
}

static void write_accounts(struct web *web, char out[ACCOUNTS_TEXT_BYTES], uint32_t session)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, session, RIGHT_SEE, accounts, SESSION_ACCOUNTS_MAX);
    int at = snprintf(out, ACCOUNTS_TEXT_BYTES, "{");
    for (size_t i = 0; i < count; i++)
        at += snprintf(out + at, ACCOUNTS_TEXT_BYTES - (size_t)at, "%s%" PRIu32, i > 0 ? "," : "",
                       accounts[i]);
    snprintf(out + at, ACCOUNTS_TEXT_BYTES - (size_t)at, "}");
}

void history_own_trades(struct web *web, struct user *user, const struct reply *reply,
                        int64_t limit, uint64_t before, uint64_t min_seq)
{
    struct question q = {.reply = *reply,
                         .session = user->session,
                         .limit = limit,
                         .before = before,
                         .min_seq = min_seq};
    write_accounts(web, q.accounts, user->session);
    ask(web, &q);
}

void history_own_xvps(struct web *web, struct user *user, const struct reply *reply, int64_t limit,
                      uint64_t before, uint64_t min_seq)
{
    struct question q = {.reply = *reply,
                         .session = user->session,
                         .xvps = true,
                         .limit = limit,
                         .before = before,
                         .min_seq = min_seq};
    write_accounts(web, q.accounts, user->session);
    ask(web, &q);
}

void history_public_trades(struct web *web, uint32_t instrument, const struct reply *reply,
                           int64_t limit)
{
    struct question q = {
        .reply = *reply, .instrument = instrument, .limit = limit, .before = UINT64_MAX};
    ask(web, &q);
}

// ---- settlement changes ----------------------------------------------------------------------

static void push(struct web *web, const struct pg_rows *rows, size_t row, bool buyer)
{
    uint32_t account = (uint32_t)pg_number(rows, row, buyer ? COL_BUYER : COL_SELLER);
    if (users_of_account(web, account) == NULL)
        return;
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "settlement");
    json_name(&web->out, "trade");
    write_own_trade(web, rows, row, buyer);
    json_close(&web->out, '}');
    send_out_to_account(web, account, NULL, 0);
}

static void got_notified(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct web *web = context;
    web->history->asking = false;
    if (error->class != PG_OK) {
        web->history->notified_overflow = true; // what was asked for is lost: everything anew
        return;
    }
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        push(web, rows, row, true);
        push(web, rows, row, false);
    }
    fetch_notified(web);
}

static void fetch_notified(struct web *web)
{
    static const char sql[] = "SELECT " TRADE_COLUMNS "WHERE id = ANY($1::bigint[]) ORDER BY id";
    struct history *history = web->history;
    if (history->asking || history->notified_count == 0)
        return;
    char *ids = malloc(history->notified_count * 21 + 3);
    if (ids == NULL)
        abort();
    size_t at = 0;
    for (size_t i = 0; i < history->notified_count; i++)
        at += (size_t)sprintf(ids + at, "%c%" PRIu64, i == 0 ? '{' : ',', history->notified[i]);
    strcpy(ids + at, "}");
    history->asking = pg_async_query(web->pg, sql, PG_PARAMS(pg_text(ids)), web_now_ns(),
                                     QUERY_TIMEOUT_MS, got_notified, web);
    if (history->asking)
        history->notified_count = 0;
    free(ids);
}

// Postgres that does not answer stands where it stood: the backlog grows.
static void got_backlog(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct web *web = context;
    struct backlog *backlog = &web->record_backlog;
    bool answered = error->class == PG_OK && pg_rows_count(rows) == 1;
    if (!answered && backlog->count == 0)
        return;
    backlog_note(backlog, web->history->asked_durable,
                 answered ? (uint64_t)pg_number(rows, 0, 0) : backlog->position, web_now_ns());
}

void history_second(struct web *web)
{
    enum { LOOK_SECONDS = 5 };
    static const struct pg_error not_asked = {.class = PG_GONE};
    struct history *history = web->history;
    if (history->seconds++ % LOOK_SECONDS != 0)
        return;
    history->asked_durable = follower_durable_seq(web->follower);
    if (!pg_async_query(web->pg, "SELECT sequence FROM record.cursor", PG_NO_PARAMS, web_now_ns(),
                        QUERY_TIMEOUT_MS, got_backlog, web))
        got_backlog(web, &not_asked, NULL);
    pg_watch_kick(web->pg_watch);
}

static void note(struct history *history, uint64_t trade)
{
    for (size_t i = 0; i < history->notified_count; i++)
        if (history->notified[i] == trade)
            return;
    if (history->notified_count == NOTIFIED_MAX)
        history->notified_overflow = true;
    else
        history->notified[history->notified_count++] = trade;
}

// Numbers with one space between them.
static void note_all(struct history *history, const char *text, size_t bytes)
{
    uint64_t trade = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == ' ') {
            note(history, trade);
            trade = 0;
        } else {
            trade = trade * 10 + (uint64_t)(text[i] - '0');
        }
    }
    if (bytes > 0)
        note(history, trade);
}

// {"trades": "17 18 19", "status": …}: only the numbers are taken; the rest is read from the table,
// which is newer.
static void notified(void *context, const char *channel, const char *payload)
{
    struct web *web = context;
    struct json_object object;
    (void)channel;
    if (json_scan(&object, payload, strlen(payload)) != JSON_OK) {
        log_limited(LOG_WARNING, "settlement: payload not understood bytes=%zu", strlen(payload));
        return;
    }
    for (size_t i = 0; i < object.count; i++) {
        const struct json_member *m = &object.members[i];
        if (m->kind == JSON_STRING && m->name_bytes == 6 && memcmp(m->name, "trades", 6) == 0)
            note_all(web->history, m->text, m->text_bytes);
    }
}

static void resync_everybody(struct web *web)
{
    for (int64_t session = 1; session <= web->config->limits_sessions_max; session++) {
        struct user *user = web->users[session];
        for (struct client *c = user != NULL ? user->clients : NULL; c != NULL; c = c->next_of_user)
            history_own_trades(web, user, &(struct reply){.peer = c->id}, RESYNC_ROWS, UINT64_MAX,
                               0);
    }
}

void history_tick(struct web *web)
{
    struct history *history = web->history;
    struct question *waiting = history->waiting;
    history->waiting = NULL;
    for (struct question *q = waiting, *next; q != NULL; q = next) {
        next = q->next;
        ask_cursor(q);
    }
    fetch_notified(web);
    bool connected = pg_async_connected(web->pg);
    if (connected && (!history->connected || history->notified_overflow)) {
        history->notified_overflow = false;
        resync_everybody(web);
    }
    history->connected = connected;
    pg_watch_kick(web->pg_watch);
}

struct history *history_create(struct web *web)
{
    struct history *history = calloc(1, sizeof *history);
    if (history != NULL)
        pg_async_listen(web->pg, "settlement", notified, web);
    return history;
}

void history_destroy(struct history *history)
{
    if (history == NULL)
        return;
    for (struct question *q = history->waiting, *next; q != NULL; q = next) {
        next = q->next;
        free(q);
    }
    free(history);
}
