// Assets, instruments, and what steers trading: NAV, reference price, breaker, phase, the venue's
// state. The latter need no database: an operator can halt the venue while Postgres is down.
#include <string.h>

#include "gateway/admin/stablecoin.h"

static struct pg_param maybe_number(int64_t number)
{
    return number < 0 ? pg_null() : pg_i64(number);
}

// ---- assets

struct asset_fields {
    int64_t id, kind, scale, decimals, chain_id, status, trading_mode;
    const char *symbol, *name, *contract, *registry, *escrow;
    struct stablecoin_fields coin; // of cash
};

static bool asset_fields(struct ask *ask, struct asset_fields *f)
{
    static const char *const names[] = {"asset",
                                        "kind",
                                        "scale",
                                        "symbol",
                                        "name",
                                        "decimals",
                                        "chain_id",
                                        "contract_address",
                                        "identity_registry_addr",
                                        "escrow_address",
                                        "status",
                                        "trading_mode",
                                        NULL};
    static const char *const kinds[] = {"cash", "token"};
    *f = (struct asset_fields){
        .id = -1, .scale = -1, .decimals = -1, .chain_id = -1, .status = -1, .trading_mode = -1};
    return fields_known(ask, names) && field_number(ask, &f->id, "asset", 1, INT32_MAX, OPTIONAL) &&
           field_word(ask, &f->kind, "kind", WORDS(kinds), REQUIRED) &&
           field_number(ask, &f->scale, "scale", 0, 8, REQUIRED) &&
           field_text(ask, &f->symbol, "symbol", REQUIRED) &&
           field_text(ask, &f->name, "name", OPTIONAL) &&
           field_number(ask, &f->decimals, "decimals", 0, 36, OPTIONAL) &&
           field_number(ask, &f->chain_id, "chain_id", 1, INT64_MAX, OPTIONAL) &&
           field_address(ask, &f->contract, "contract_address", OPTIONAL) &&
           field_address(ask, &f->registry, "identity_registry_addr", OPTIONAL) &&
           field_address(ask, &f->escrow, "escrow_address", OPTIONAL) &&
           field_word(ask, &f->status, "status", WORDS(token_status_words), OPTIONAL) &&
           field_word(ask, &f->trading_mode, "trading_mode", WORDS(trading_mode_words), OPTIONAL);
}

// What cash has on the chain, or nothing.
static bool coin_fields(struct ask *ask, struct asset_fields *f)
{
    f->coin = (struct stablecoin_fields){.contract = f->contract,
                                         .escrow = f->escrow,
                                         .chain_id = f->chain_id,
                                         .decimals = f->decimals};
    return f->kind != 0 || stablecoin_fields(ask, &f->coin);
}

static enum pg_class token_upsert(struct pg *pg, int64_t id, const struct asset_fields *f)
{
    return pg_query(
        pg, NULL,
        "INSERT INTO people.token AS t (asset_id, name, decimals, chain_id, contract_address, "
        "identity_registry_addr,"
        " status, trading_mode) VALUES ($1, coalesce($2, $9), coalesce($3, 18), $4, $5, $6, "
        "coalesce($7, 'draft'),"
        " coalesce($8, 'primary_subscription')) ON CONFLICT (asset_id) DO UPDATE SET name = "
        "coalesce($2, t.name),"
        " decimals = coalesce($3, t.decimals), chain_id = coalesce($4, t.chain_id),"
        " contract_address = coalesce($5, t.contract_address),"
        " identity_registry_addr = coalesce($6, t.identity_registry_addr), status = coalesce($7, "
        "t.status),"
        " trading_mode = coalesce($8, t.trading_mode), updated_at = now()",
        PG_PARAMS(pg_i64(id), pg_text(f->name), maybe_number(f->decimals),
                  maybe_number(f->chain_id), pg_text(f->contract), pg_text(f->registry),
                  pg_text(f->status < 0 ? NULL : token_status_words[f->status]),
                  pg_text(f->trading_mode < 0 ? NULL : trading_mode_words[f->trading_mode]),
                  pg_text(f->symbol)));
}

static enum pg_class asset_upsert(struct pg *pg, struct pg_rows **rows,
                                  const struct asset_fields *f)
{
    return pg_query(
        pg, rows,
        "INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES"
        " (coalesce($1, (SELECT coalesce(max(asset_id), 0) + 1 FROM people.asset)), $2, $3, $4)"
        " ON CONFLICT (asset_id) DO UPDATE SET kind = EXCLUDED.kind, scale = EXCLUDED.scale,"
        " symbol = EXCLUDED.symbol RETURNING asset_id",
        PG_PARAMS(maybe_number(f->id), pg_text(f->kind == 0 ? "cash" : "token"), pg_i64(f->scale),
                  pg_text(f->symbol)));
}

void asset_handle(struct ask *ask)
{
    struct asset_fields f;
    struct pg_rows *rows;
    struct pg *pg = ask->admin->pg;
    if (!asset_fields(ask, &f) || !coin_fields(ask, &f))
        return;
    if (pg_begin(pg) != PG_OK || asset_upsert(pg, &rows, &f) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    struct asset_set_cmd body = {.asset = (uint32_t)pg_number(rows, 0, 0),
                                 .kind = f.kind == 0 ? ASSET_CASH : ASSET_TOKEN,
                                 .scale = (uint8_t)f.scale};
    pg_rows_free(rows);
    text_field_set(body.symbol, sizeof body.symbol, f.symbol,
                   strlen(f.symbol)); // its length is a check of the table
    if ((f.kind == 1 && token_upsert(pg, body.asset, &f) != PG_OK) ||
        (f.coin.given && stablecoin_upsert(ask, body.asset, &f.coin) != PG_OK)) {
        ask_database_failed(ask);
        return;
    }
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_asset_set, &body, sizeof body, NULL, 0))
        ask_commit(ask, "asset", body.asset);
}

// ---- instruments

struct instrument_fields {
    int64_t id, token, cash, status, trading_mode, tick, lot;
    int64_t block, confirm, nav_confirm, collar, fee, breaker, quantity_max, notional_max;
    int sell_unsettled, nav_required;
    const char *symbol;
};

// The terms are given whole; what is left out has the default named here (README.md).
static bool instrument_fields(struct ask *ask, struct instrument_fields *f)
{
    static const char *const names[] = {"instrument",
                                        "symbol",
                                        "token_asset",
                                        "cash_asset",
                                        "status",
                                        "trading_mode",
                                        "tick",
                                        "lot",
                                        "fat_finger_block_bps",
                                        "fat_finger_confirm_bps",
                                        "nav_confirm_bps",
                                        "collar_bps",
                                        "fee_bps",
                                        "breaker_bps",
                                        "order_quantity_max",
                                        "order_notional_max",
                                        "sell_unsettled",
                                        "nav_required",
                                        NULL};
    *f = (struct instrument_fields){.id = -1,
                                    .status = TOKEN_DRAFT - 1,
                                    .trading_mode = MODE_PRIMARY_SUBSCRIPTION - 1,
                                    .block = 5000,
                                    .confirm = 1000,
                                    .nav_confirm = 2000,
                                    .collar = 500,
                                    .fee = 0,
                                    .sell_unsettled = -1,
                                    .nav_required = 0};
    const int64_t bps_max = 1000000;
    return fields_known(ask, names) &&
           field_number(ask, &f->id, "instrument", 1, INT32_MAX, OPTIONAL) &&
           field_text(ask, &f->symbol, "symbol", REQUIRED) &&
           field_number(ask, &f->token, "token_asset", 1, INT32_MAX, REQUIRED) &&
           field_number(ask, &f->cash, "cash_asset", 1, INT32_MAX, REQUIRED) &&
           field_word(ask, &f->status, "status", WORDS(token_status_words), OPTIONAL) &&
           field_word(ask, &f->trading_mode, "trading_mode", WORDS(trading_mode_words), OPTIONAL) &&
           field_number(ask, &f->tick, "tick", 1, INT64_MAX, REQUIRED) &&
           field_number(ask, &f->lot, "lot", 1, INT64_MAX, REQUIRED) &&
           field_number(ask, &f->block, "fat_finger_block_bps", 0, bps_max, OPTIONAL) &&
           field_number(ask, &f->confirm, "fat_finger_confirm_bps", 0, bps_max, OPTIONAL) &&
           field_number(ask, &f->nav_confirm, "nav_confirm_bps", 0, bps_max, OPTIONAL) &&
           field_number(ask, &f->collar, "collar_bps", 0, bps_max, OPTIONAL) &&
           field_number(ask, &f->fee, "fee_bps", 0, 10000, OPTIONAL) &&
           field_number(ask, &f->breaker, "breaker_bps", 0, bps_max, OPTIONAL) &&
           field_number(ask, &f->quantity_max, "order_quantity_max", 0, INT64_MAX, OPTIONAL) &&
           field_decimal(ask, &f->notional_max, "order_notional_max", 6, OPTIONAL) &&
           field_bool(ask, &f->sell_unsettled, "sell_unsettled", OPTIONAL) &&
           field_bool(ask, &f->nav_required, "nav_required", OPTIONAL);
}

static enum pg_class instrument_upsert(struct pg *pg, struct pg_rows **rows,
                                       const struct instrument_fields *f)
{
    enum pg_class class =
        pg_query(pg, NULL,
                 "UPDATE people.token SET status = $2, trading_mode = $3, updated_at = now() WHERE "
                 "asset_id = $1",
                 PG_PARAMS(pg_i64(f->token), pg_text(token_status_words[f->status]),
                           pg_text(trading_mode_words[f->trading_mode])));
    if (class != PG_OK)
        return class;
    return pg_query(
        pg, rows,
        "WITH made AS (INSERT INTO people.instrument (instrument_id, symbol, token_asset, "
        "cash_asset) VALUES"
        " (coalesce($1, (SELECT coalesce(max(instrument_id), 0) + 1 FROM people.instrument)), $2, "
        "$3, $4)"
        " ON CONFLICT (instrument_id) DO UPDATE SET symbol = EXCLUDED.symbol, token_asset = "
        "EXCLUDED.token_asset,"
        " cash_asset = EXCLUDED.cash_asset RETURNING instrument_id, token_asset)"
        " SELECT instrument_id, scale, custody = 'frozen' FROM made JOIN people.asset ON asset_id "
        "= "
        "token_asset JOIN people.token USING (asset_id)",
        PG_PARAMS(maybe_number(f->id), pg_text(f->symbol), pg_i64(f->token), pg_i64(f->cash)));
}

static struct instrument_set_cmd instrument_body(const struct instrument_fields *f,
                                                 const struct pg_rows *rows)
{
    struct instrument_set_cmd body = {
        .instrument = (uint32_t)pg_number(rows, 0, 0),
        .token_asset = (uint32_t)f->token,
        .cash_asset = (uint32_t)f->cash,
        .status = (uint8_t)(f->status + 1),
        .trading_mode = (uint8_t)(f->trading_mode + 1),
        .flags = (uint8_t)((f->sell_unsettled ? INSTRUMENT_SELL_UNSETTLED : 0) |
                           (f->nav_required ? INSTRUMENT_NAV_REQUIRED : 0)),
        .token_scale = (uint8_t)pg_number(rows, 0, 1),
        .tick = f->tick,
        .lot = f->lot,
        .fat_finger_block_bps = (uint32_t)f->block,
        .fat_finger_confirm_bps = (uint32_t)f->confirm,
        .nav_confirm_bps = (uint32_t)f->nav_confirm,
        .collar_bps = (uint32_t)f->collar,
        .fee_bps = (uint32_t)f->fee,
        .breaker_bps = (uint32_t)f->breaker,
        .order_quantity_max = f->quantity_max,
        .order_notional_max = f->notional_max,
    };
    text_field_set(body.symbol, sizeof body.symbol, f->symbol,
                   strlen(f->symbol)); // the table checked its length
    return body;
}

void instrument_handle(struct ask *ask)
{
    struct instrument_fields f;
    struct pg_rows *rows;
    if (!instrument_fields(ask, &f))
        return;
    if (pg_begin(ask->admin->pg) != PG_OK ||
        instrument_upsert(ask->admin->pg, &rows, &f) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    bool is_frozen = pg_number(rows, 0, 2) == 1;
    if (f.sell_unsettled < 0)
        f.sell_unsettled = !is_frozen;
    struct instrument_set_cmd body = instrument_body(&f, rows);
    pg_rows_free(rows);
    if (is_frozen && f.sell_unsettled) {
        pg_rollback(ask->admin->pg);
        ask_refuse_text(ask, REJECT_CUSTODY,
                        "of a token in frozen custody only what is frozen can be sold: "
                        "sell_unsettled must be false");
        return;
    }
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_instrument_set, &body, sizeof body, NULL, 0))
        ask_commit(ask, "instrument", body.instrument);
}

// ---- trading

// Sends a command that needs nothing else; the answer is made by ask_command.
static void send(struct ask *ask, uint8_t type, const void *body, size_t bytes)
{
    struct desk_answer answer;
    bool done = ask_command(ask, &answer, type, body, bytes, NULL, 0);
    (void)done;
}

void nav_handle(struct ask *ask)
{
    static const char *const names[] = {"nav", NULL};
    struct nav_set_cmd body = {.instrument = (uint32_t)ask->id};
    if (instrument_in_path(ask) && fields_known(ask, names) &&
        field_decimal(ask, &body.nav, "nav", 6, REQUIRED))
        send(ask, CMD_nav_set, &body, sizeof body);
}

void reference_handle(struct ask *ask)
{
    static const char *const names[] = {"price", NULL};
    struct reference_set_cmd body = {.instrument = (uint32_t)ask->id};
    if (instrument_in_path(ask) && fields_known(ask, names) &&
        field_decimal(ask, &body.price, "price", 6, REQUIRED))
        send(ask, CMD_reference_set, &body, sizeof body);
}

void breaker_handle(struct ask *ask)
{
    static const char *const names[] = {"tripped", NULL};
    int tripped = 0;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        !field_bool(ask, &tripped, "tripped", REQUIRED))
        return;
    struct breaker_set_cmd body = {.instrument = (uint32_t)ask->id, .tripped = (uint8_t)tripped};
    send(ask, CMD_breaker_set, &body, sizeof body);
}

void phase_handle(struct ask *ask)
{
    static const char *const names[] = {"phase", NULL};
    int64_t phase = 0;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        !field_word(ask, &phase, "phase", WORDS(phase_words), REQUIRED))
        return;
    struct instrument_phase_cmd body = {.instrument = (uint32_t)ask->id,
                                        .phase = (uint8_t)(phase + 1)};
    send(ask, CMD_instrument_phase, &body, sizeof body);
}

void venue_handle(struct ask *ask)
{
    static const char *const names[] = {"state", NULL};
    static const char *const states[] = {"cancel_only", "open"};
    int64_t state = 0;
    if (!fields_known(ask, names) || !field_word(ask, &state, "state", WORDS(states), REQUIRED))
        return;
    struct venue_state_cmd body = {.state = (uint8_t)(state + 1),
                                   .operator_id = (uint32_t)ask->who->login};
    send(ask, CMD_venue_state, &body, sizeof body);
}
