// Stablecoins (docs/stablecoin.md): cash whose ledger stands for an escrow wallet on the chain.
// Here a cash asset gets its contract and escrow, and what people decide about money on its way:
// what came from an unknown wallet goes back, and what became of a payout that nobody can tell by
// the chain. Whether the contract is one is found out by lonja-index, which has a node.
#include "gateway/admin/stablecoin.h"

#include <string.h>

#include "gateway/admin/requests.h"

static const char words_of_deposit[] = "what comes to the escrow of this asset is booked by "
                                       "lonja-index; only what was in it before may "
                                       "be entered, on an account of the venue";

bool stablecoin_fields(struct ask *ask, struct stablecoin_fields *f)
{
    bool any = f->contract != NULL || f->escrow != NULL || f->chain_id >= 0 || f->decimals >= 0;
    const char *missing = f->contract == NULL ? "contract_address"
                          : f->escrow == NULL ? "escrow_address"
                          : f->chain_id < 0   ? "chain_id"
                          : f->decimals < 0   ? "decimals"
                                              : NULL;
    char text[160];
    f->given = any;
    if (!any)
        return true;
    if (missing != NULL) {
        ask_refuse_field(ask, REJECT_MISSING_FIELD, missing);
        return false;
    }
    if (f->decimals < MONEY_SCALE) {
        ask_refuse_field(ask, REJECT_MALFORMED, "decimals");
        return false;
    }
    if (f->chain_id == ask->admin->boot->config.settle_chain_id)
        return true;
    snprintf(text, sizeof text, "the venue is on chain %lld, not %lld",
             (long long)ask->admin->boot->config.settle_chain_id, (long long)f->chain_id);
    return ask_refuse_text(ask, REJECT_STABLECOIN, text);
}

enum pg_class stablecoin_upsert(struct ask *ask, int64_t asset, const struct stablecoin_fields *f)
{
    return pg_query(ask->admin->pg, NULL,
                    "INSERT INTO people.stablecoin (asset_id, chain_id, contract_address, "
                    "escrow_address, decimals, asked_by) VALUES ($1, $2, $3, $4, $5, $6) ON "
                    "CONFLICT (asset_id) DO UPDATE SET chain_id = EXCLUDED.chain_id, "
                    "contract_address = EXCLUDED.contract_address, escrow_address = "
                    "EXCLUDED.escrow_address, decimals = EXCLUDED.decimals, asked_by = "
                    "EXCLUDED.asked_by, updated_at = now()",
                    PG_PARAMS(pg_i64(asset), pg_i64(f->chain_id), pg_text(f->contract),
                              pg_text(f->escrow), pg_i64(f->decimals), pg_text(ask->who->name)));
}

// ---- ledger requests of such an asset

bool stablecoin_refuses(struct ask *ask, const struct request *request)
{
    bool is_venues = request->account <= ACCOUNT_VENUE_MAX;
    if (request->coin == STABLECOIN_NONE)
        return false;
    if (request->kind == POSTING_CHAIN_IN - 1 || request->kind == POSTING_CHAIN_OUT - 1 ||
        (request->kind == POSTING_DEPOSIT - 1 && !is_venues))
        return !ask_refuse_text(ask, REJECT_STABLECOIN, words_of_deposit);
    if (request->kind != POSTING_WITHDRAWAL - 1)
        return false;
    if (request->coin != STABLECOIN_PROVED)
        return !ask_refuse_text(ask, REJECT_STABLECOIN,
                                "the asset's contract is not proved: lonja admin stablecoin");
    return !account_has_wallet(ask, request->account);
}

// ---- what people decide

// Runs a decision about the money of an event; *rows has its outcome. False: the answer is made.
static bool decide_unmatched(struct ask *ask, struct pg_rows **rows, const char *sql)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (!fields_known(ask, names) || !field_reason(ask, &reason))
        return false;
    return pg_query(ask->admin->pg, rows, sql,
                    PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(ask->who->name),
                              pg_text(reason))) == PG_OK ||
           ask_database_failed(ask);
}

void unmatched_return_handle(struct ask *ask)
{
    struct pg_rows *rows;
    if (!decide_unmatched(ask, &rows, "SELECT chain.unmatched_return($1, $2, $3)"))
        return;
    if (!pg_is_null(rows, 0, 0))
        ask_done(ask, json_pack("{s:I, s:I}", "event", (json_int_t)ask->id, "payout",
                                (json_int_t)pg_number(rows, 0, 0)));
    else
        ask_refuse_text(ask, REJECT_NOT_FOUND,
                        "no money of an unknown wallet with that event waits, or it came from no "
                        "wallet at all");
    pg_rows_free(rows);
}

void unmatched_keep_handle(struct ask *ask)
{
    struct pg_rows *rows;
    if (!decide_unmatched(ask, &rows, "SELECT chain.unmatched_keep($1, $2, $3)"))
        return;
    if (pg_number(rows, 0, 0) == 1)
        ask_done(ask, json_pack("{s:I, s:s}", "event", (json_int_t)ask->id, "state", "kept"));
    else
        ask_refuse_text(ask, REJECT_NOT_FOUND,
                        "no money of an unknown wallet with that event waits");
    pg_rows_free(rows);
}

void payout_decide_handle(struct ask *ask)
{
    static const char *const names[] = {"has_left", "reason", NULL};
    const char *reason = NULL;
    int has_left = 0;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_bool(ask, &has_left, "has_left", REQUIRED) ||
        !field_reason(ask, &reason))
        return;
    if (pg_query(ask->admin->pg, &rows, "SELECT chain.payout_decide($1, $2, $3, $4)",
                 PG_PARAMS(pg_i64((int64_t)ask->id), pg_bool(has_left), pg_text(ask->who->name),
                           pg_text(reason))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (!pg_is_null(rows, 0, 0))
        ask_done(ask, json_pack("{s:I, s:s}", "payout", (json_int_t)ask->id, "state",
                                pg_value(rows, 0, 0)));
    else
        ask_refuse_text(ask, REJECT_NOT_FOUND, "no payout of that number is unclear");
    pg_rows_free(rows);
}
