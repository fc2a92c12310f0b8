// What can be read: the venue and balances from the view (they carry their sequence), the rest from
// Postgres.
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "gateway/admin/admin.h"

enum { ROWS_DEFAULT = 100, ROWS_MAX = 1000, RECORD_WAIT_MS = 1000, RECORD_POLL_MS = 5 };

// Rows of one statement; $1, where it has one, is the limit.
void rows_read(struct ask *ask)
{
    struct pg_rows *rows;
    int64_t limit = ROWS_DEFAULT;
    if (ask->limit_argument[0] &&
        (decimal_parse(ask->limit_argument, strlen(ask->limit_argument), 0, &limit) != DECIMAL_OK ||
         limit < 1 || limit > ROWS_MAX)) {
        ask_refuse_field(ask, REJECT_BAD_NUMBER, "limit");
        return;
    }
    bool limited = strstr(ask->route->sql, "$1") != NULL;
    if (pg_query(ask->admin->pg, &rows, ask->route->sql, (const struct pg_param[]){pg_i64(limit)},
                 limited) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}

struct venue_picture {
    uint64_t sequence, durable;
    uint32_t core_state;
    uint8_t venue_state;
};

static void see_venue(void *context, const struct view *view, const struct follower *follower)
{
    struct venue_picture *picture = context;
    picture->sequence = view_sequence(view);
    picture->durable = follower_durable_seq(follower);
    picture->core_state = atomic_load(&follower_core(follower)->core_state);
    picture->venue_state = view_venue_state(view);
}

void venue_read(struct ask *ask)
{
    struct venue_picture picture = {0};
    if (!desk_read(ask->admin->desk, see_venue, &picture)) {
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
        return;
    }
    ask_done(ask, json_pack("{s:s, s:s, s:I, s:I}", "core", core_state_name(picture.core_state),
                            "state", picture.venue_state == VENUE_OPEN ? "open" : "cancel_only",
                            "sequence", (json_int_t)picture.sequence, "durable_sequence",
                            (json_int_t)picture.durable));
}

// What is read to be changed and set again must be what holds: all that is durable is in the
// record, or soon is.
bool record_is_current(struct ask *ask)
{
    const struct timespec pause = {.tv_nsec = RECORD_POLL_MS * 1000000L};
    struct venue_picture picture = {0};
    int64_t recorded = -1;
    if (!desk_read(ask->admin->desk, see_venue, &picture)) {
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
        return false;
    }
    for (int waited_ms = 0; waited_ms <= RECORD_WAIT_MS; waited_ms += RECORD_POLL_MS) {
        struct pg_rows *rows;
        if (pg_query(ask->admin->pg, &rows, "SELECT sequence FROM record.cursor", NULL, 0) != PG_OK)
            return ask_database_failed(ask);
        recorded = pg_rows_count(rows) == 1 ? pg_number(rows, 0, 0) : 0;
        pg_rows_free(rows);
        if (recorded >= (int64_t)picture.durable)
            return true;
        nanosleep(&pause, NULL);
    }
    ask_refuse(ask, REJECT_RECORD_BEHIND, (int64_t)picture.durable, recorded, 0);
    return false;
}

void health_handle(struct ask *ask)
{
    struct venue_picture picture = {0};
    bool seen = desk_read(ask->admin->desk, see_venue, &picture);
    bool database = pg_connect(ask->admin->pg) == PG_OK;
    bool core = seen && picture.core_state == CORE_RUNNING;
    ask_done(ask, json_pack("{s:s, s:b, s:b}", "status", core && database ? "ok" : "degraded",
                            "core", core, "database", database));
}

// ---- balances

struct balances_picture {
    uint32_t account, assets_max;
    uint64_t sequence;
    json_t *rows;
};

static json_t *amount(int64_t units, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_print(units, scale, text);
    return json_string(text);
}

static void see_balances(void *context, const struct view *view, const struct follower *follower)
{
    (void)follower;
    struct balances_picture *picture = context;
    picture->sequence = view_sequence(view);
    for (uint32_t id = 1; id <= picture->assets_max; id++) {
        const struct asset_rec *asset = view_asset(view, id);
        struct balance_rec balance;
        if (!asset || !view_balance(view, picture->account, id, &balance))
            continue;
        json_array_append_new(picture->rows,
                              json_pack("{s:i, s:s%, s:o, s:o, s:o, s:o, s:o}", "asset", (int)id,
                                        "symbol", asset->symbol,
                                        strnlen(asset->symbol, sizeof asset->symbol), "available",
                                        amount(balance.available, asset->scale), "held",
                                        amount(balance.held, asset->scale), "unsettled",
                                        amount(balance.unsettled, asset->scale), "blocked",
                                        amount(balance.blocked, asset->scale), "deficit",
                                        amount(balance.deficit, asset->scale)));
    }
}

void balances_read(struct ask *ask)
{
    int64_t account;
    const char *argument = ask->account_argument;
    if (decimal_parse(argument, strlen(argument), 0, &account) != DECIMAL_OK || account < 1 ||
        account > INT32_MAX) {
        ask_refuse_field(ask, REJECT_BAD_NUMBER, "account");
        return;
    }
    struct balances_picture picture = {.account = (uint32_t)account,
                                       .assets_max =
                                           (uint32_t)ask->admin->boot->config.limits_assets_max,
                                       .rows = json_array()};
    if (!desk_read(ask->admin->desk, see_balances, &picture)) {
        json_decref(picture.rows);
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
        return;
    }
    ask_done(ask, json_pack("{s:I, s:I, s:o}", "account", (json_int_t)account, "sequence",
                            (json_int_t)picture.sequence, "balances", picture.rows));
}
