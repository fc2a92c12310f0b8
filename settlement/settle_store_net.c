// Nets in Postgres: written with the attempt that moves them, or with the settlement of their
// trades where nothing moves. Within the transaction of the caller.
#include "settlement/settle_store_internal.h"

#include <stdlib.h>

#include "settlement/settle_netting.h"

static json_t *net_row(const struct settle_netting_net *net)
{
    struct text_address from = address_text(&net->from);
    struct text_address to = address_text(&net->to);
    struct text_wide units = wide_text(net->units);
    struct text_hash digest = hash_text(&net->digest);
    json_t *row = json_pack("{s:I, s:s, s:s, s:s, s:i, s:s}", "net_id", (json_int_t)net->net_id,
                            "from_address", from.text, "to_address", to.text, "amount", units.text,
                            "trades", (int)net->trades, "digest", digest.text);

    ASSERT(row != NULL);
    return row;
}

// Those that move something, or those that do not.
static bool nets_insert(struct settle_store_pg *store, uint64_t request_id,
                        const struct settle_call *call, bool moving, struct pg_param block)
{
    static const char sql[] =
        "INSERT INTO chain.net (net_id, request_id, from_address, to_address, amount, trades, "
        "digest, block_number) SELECT x.net_id, $1, x.from_address, x.to_address, x.amount, "
        "x.trades, x.digest, $3 FROM jsonb_to_recordset($2::text::jsonb) AS x(net_id bigint, "
        "from_address text, to_address text, amount numeric, trades smallint, digest text)";
    struct settle_netting_net nets[SETTLE_LEGS_MAX];
    size_t count = settle_netting_nets(nets, call);
    json_t *rows = json_array();

    for (size_t i = 0; i < count; i++)
        if ((nets[i].units > 0) == moving)
            ASSERT(json_array_append_new(rows, net_row(&nets[i])) == 0);
    char *text = json_dumps(rows, JSON_COMPACT);
    ASSERT(text != NULL);
    bool ok = store_many(store, json_array_size(rows), sql,
                         PG_PARAMS(u64(request_id), pg_text(text), block));
    json_decref(rows);
    free(text);
    return ok;
}

static bool nets_are_known(struct settle_store_pg *store, bool *known, uint64_t request_id)
{
    return store_is(store, known,
                    "SELECT EXISTS (SELECT FROM chain.net WHERE request_id = $1 AND amount > 0)",
                    PG_PARAMS(u64(request_id)));
}

// The legs of nets that move something, and of what stands between them; or of the others.
static json_t *legs_json(const struct settle_call *call, bool moving)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < call->leg_count; i++) {
        const struct settle_leg *leg = &call->legs[i];
        json_t *row =
            json_pack("{s:i, s:I}", "leg", leg->number, "trade_id", (json_int_t)leg->trade_id);

        ASSERT(row != NULL);
        if (leg->net_id != 0)
            ASSERT(json_object_set_new(row, "net_id", json_integer((json_int_t)leg->net_id)) == 0);
        if (moving)
            ASSERT(json_object_set_new(row, "place", json_integer(leg->place)) == 0);
        if ((leg->place != SETTLE_PLACE_NONE) == moving)
            ASSERT(json_array_append_new(rows, row) == 0);
        else
            json_decref(row);
    }
    return rows;
}

bool store_nets_prepare(struct settle_store_pg *store, const struct settle_item *item,
                        uint64_t block)
{
    static const char legs[] =
        "UPDATE chain.request_leg l SET net_id = x.net_id, place = x.place "
        "FROM jsonb_to_recordset($2::text::jsonb) AS x(leg smallint, net_id bigint, place "
        "smallint) WHERE l.request_id = $1 AND l.leg = x.leg AND l.state = 'open' "
        "AND l.place IS NULL";

    if (!item->call.is_netted)
        return true;
    json_t *rows = legs_json(&item->call, true);
    char *text = json_dumps(rows, JSON_COMPACT);
    ASSERT(text != NULL && json_array_size(rows) == item->call.leg_count);
    json_decref(rows);
    bool ok = nets_insert(store, item->call.request_id, &item->call, true, u64(block)) &&
              store_many(store, item->call.leg_count, legs,
                         PG_PARAMS(u64(item->call.request_id), pg_text(text)));
    free(text);
    return ok;
}

bool store_nets_restore(struct settle_store_pg *store, uint64_t request_id,
                        const struct settle_call *members)
{
    static const char legs[] =
        "UPDATE chain.request_leg l SET net_id = x.net_id, place = x.place "
        "FROM jsonb_to_recordset($2::text::jsonb) AS x(trade_id bigint, net_id bigint, place "
        "smallint) WHERE l.request_id = $1 AND l.trade_id = x.trade_id AND l.state = 'open'";
    bool known = false;

    // The nets may be there still: of an attempt whose signature alone was lost.
    if (!members->is_netted || !nets_are_known(store, &known, request_id))
        return !members->is_netted;
    json_t *rows = legs_json(members, true);
    char *text = json_dumps(rows, JSON_COMPACT);
    ASSERT(text != NULL);
    json_decref(rows);
    bool ok =
        (known || nets_insert(store, request_id, members, true, pg_null())) &&
        store_many(store, members->leg_count, legs, PG_PARAMS(u64(request_id), pg_text(text)));
    free(text);
    return ok;
}

bool store_nets_of_zero(struct settle_store_pg *store, const struct settle_item *item,
                        uint64_t block)
{
    static const char legs[] =
        "UPDATE chain.request_leg l SET net_id = x.net_id, state = 'done', reason "
        "= '" SETTLE_REASON_NET_ZERO "' FROM jsonb_to_recordset($2::text::jsonb) AS x(leg "
        "smallint, net_id bigint) WHERE l.request_id = $1 AND l.leg = x.leg AND l.state = 'open'";
    static const char trades[] =
        "UPDATE settle.trade w SET settlement_status = 'settled', settlement_type = 'netted', "
        "net_id = x.net_id, reason = '" SETTLE_REASON_NET_ZERO "', settled_at = now() "
        "FROM jsonb_to_recordset($1::text::jsonb) AS x(trade_id bigint, net_id bigint) "
        "WHERE w.trade_id = x.trade_id AND w.settlement_status = 'processing'";
    static const char results[] =
        "INSERT INTO settle.result (trade_id, outcome) SELECT trade_id, 'settled' "
        "FROM jsonb_to_recordset($1::text::jsonb) AS x(trade_id bigint) ORDER BY trade_id";
    json_t *rows = legs_json(&item->call, false);
    char *text = json_dumps(rows, JSON_COMPACT);
    size_t count = json_array_size(rows);

    ASSERT(text != NULL);
    json_decref(rows);
    bool ok =
        count == 0 ||
        (nets_insert(store, item->call.request_id, &item->call, false, u64(block)) &&
         store_many(store, count, legs, PG_PARAMS(u64(item->call.request_id), pg_text(text))) &&
         store_many(store, count, trades, PG_PARAMS(pg_text(text))) &&
         store_many(store, count, results, PG_PARAMS(pg_text(text))));
    free(text);
    return ok;
}

bool store_nets_end(struct settle_store_pg *store, uint64_t request_id)
{
    return store_any(store,
                     "UPDATE chain.chain_request r SET state = 'confirmed', reason "
                     "= '" SETTLE_REASON_NET_ZERO "', updated_at = now() WHERE r.request_id = $1 "
                     "AND EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.request_id = $1 AND "
                     "l.state = 'done' AND l.reason = '" SETTLE_REASON_NET_ZERO "')",
                     PG_PARAMS(u64(request_id)));
}

static enum settle_store_result store_netting_refused(void *context, const struct settle_item *item,
                                                      const char *why)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!store_any(store,
                   "UPDATE settle.netting n SET refused = $2, refused_at = CASE WHEN $2::text IS "
                   "NULL THEN NULL ELSE now() END FROM chain.chain_request q "
                   "WHERE q.request_id = $1 AND n.token_asset = q.token_asset "
                   "AND n.refused IS DISTINCT FROM $2",
                   PG_PARAMS(u64(item->call.request_id), pg_text(why))))
        return store_lost(store, "netting_refused");
    return store_commit(store, "netting_refused");
}

void settle_store_net_ops(struct settle_store_ops *ops)
{
    ops->netting_refused = store_netting_refused;
}
