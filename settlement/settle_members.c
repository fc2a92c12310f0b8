#include "settlement/settle_members.h"

#include <string.h>

#include "settlement/settle_store_internal.h"

static bool candidate_read(struct settle_rebuild_trade *out, const struct pg_rows *rows, size_t row)
{
    uint8_t scale = (uint8_t)pg_number(rows, row, 5);
    uint8_t decimals = (uint8_t)pg_number(rows, row, 6);

    *out = (struct settle_rebuild_trade){.trade_id = (uint64_t)pg_number(rows, row, 0)};
    if (!pg_is_null(rows, row, 1) && !address_parse(&out->from, pg_value(rows, row, 1)))
        return false;
    if (!pg_is_null(rows, row, 2) && !address_parse(&out->to, pg_value(rows, row, 2)))
        return false;
    return settle_units(&out->units, pg_number(rows, row, 3), scale, decimals) &&
           (settle_units(&out->units_corrected, pg_number(rows, row, 4), scale, decimals) ||
            (out->units_corrected = out->units) > 0); // busted: nothing remains
}

// Not those that something else has moved, or may still move.
static const char candidates_select[] =
    "SELECT r.trade_id, s.wallet_address, b.wallet_address, r.quantity, "
    "coalesce(w.corrected_quantity, r.quantity), r.token_scale, k.decimals "
    "FROM (SELECT trade_id, token_asset, token_scale, seller_account, buyer_account, quantity "
    "FROM record.trade UNION ALL SELECT trade_id, token_asset, token_scale, seller_account, "
    "buyer_account, quantity FROM record.xvp_move) r JOIN settle.trade w USING (trade_id) "
    "JOIN people.token k ON k.asset_id = r.token_asset "
    "LEFT JOIN people.account s ON s.account_id = r.seller_account "
    "LEFT JOIN people.account b ON b.account_id = r.buyer_account "
    "WHERE lower(k.contract_address) = $1 AND k.chain_id = $2 AND r.trade_id >= $3 "
    "AND NOT EXISTS (SELECT FROM chain.request_leg l WHERE l.trade_id = r.trade_id "
    "AND (l.state = 'done' OR l.state = 'open' AND EXISTS (SELECT FROM settle.attempt a "
    "WHERE a.request_id = l.request_id AND a.state IN " SETTLE_OPEN_STATES "))) "
    "ORDER BY r.trade_id LIMIT $4";

enum settle_rebuild_match settle_members_match(struct settle_call *out,
                                               const struct settle_leg *legs, size_t leg_count,
                                               const struct settle_batch_id *id,
                                               const struct settle_rebuild_trade *trades,
                                               size_t count)
{
    *out = (struct settle_call){.is_of_trades = true, .leg_count = leg_count};
    if (id->kind == SETTLE_BATCH_NET)
        return settle_rebuild_match_net(out, legs, leg_count, id, trades, count);
    memcpy(out->legs, legs, leg_count * sizeof(*legs));
    return settle_rebuild_match(out->legs, leg_count, id, trades, count);
}

bool settle_members_find(struct pg *pg, struct settle_members *members,
                         enum settle_rebuild_match *match, struct settle_call *out,
                         const struct settle_leg *legs, size_t leg_count,
                         const struct settle_batch_id *id, const struct chain_address *token,
                         uint64_t chain_id)
{
    struct text_address contract = address_text(token);
    struct pg_rows *rows = NULL;

    members->count = 0;
    if (pg_query(pg, &rows, candidates_select,
                 PG_PARAMS(pg_text(contract.text), u64(chain_id), u64(id->first_trade_id),
                           pg_i64(SETTLE_MEMBERS_MAX))) != PG_OK)
        return false;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        members->count += candidate_read(&members->candidates[members->count], rows, i);
    pg_rows_free(rows);
    *match = settle_members_match(out, legs, leg_count, id, members->candidates, members->count);
    return true;
}
