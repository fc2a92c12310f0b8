#include "settlement/settle_rebuild_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/tape_reader.h"
#include "settlement/settle_netting.h"
#include "settlement/settle_plan.h"
#include "settlement/settle_rebuild_net.h"
#include "settlement/settle_store_internal.h"

enum { LOCK_TRIES = 8, INDEX_TRIES = 40, WAIT_NS = 250000000 };

static bool complain(const struct settle_rebuild *rebuild, const char *what)
{
    const struct pg_error *error = pg_last_error(rebuild->pg);

    fprintf(stderr, "lonja settle: %s: %s %s\n", what, error->sqlstate, error->message);
    return false;
}

static bool any(struct settle_rebuild *rebuild, const char *what, const char *sql,
                const struct pg_param *params, size_t count)
{
    return pg_query(rebuild->pg, NULL, sql, params, count) == PG_OK || complain(rebuild, what);
}

static struct pg_param chain_param(const struct settle_rebuild *rebuild)
{
    return u64(rebuild->chain.chain_id);
}

// ---- begin

// A worker that has found its rows missing takes the lock for a moment once a second, to look
// again.
static bool lock_take(struct settle_rebuild *rebuild)
{
    struct pg_rows *rows = NULL;
    bool locked = false;

    for (int i = 0; i < LOCK_TRIES && !locked; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        if (pg_query(rebuild->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                     PG_PARAMS(pg_i64(SETTLE_STORE_LOCK_KEY))) != PG_OK)
            return complain(rebuild, "the lock of settlement");
        locked = pg_number(rows, 0, 0) == 1;
        pg_rows_free(rows);
    }
    if (!locked)
        fprintf(stderr, "lonja settle: a settlement worker runs: stop it first (lonja up --without "
                        "settle), or look with --verify\n");
    return locked;
}

static bool signers_read(struct settle_rebuild *rebuild)
{
    struct settle_rebuild_chain *chain = &rebuild->chain;
    struct pg_rows *rows = NULL;

    if (chain->signer_count > 0)
        return true;
    if (pg_query(rebuild->pg, &rows,
                 "SELECT signer_address FROM settle.signer WHERE chain_id = $1 UNION "
                 "SELECT unnest(signers) FROM settle.rebuild WHERE chain_id = $1 LIMIT $2",
                 PG_PARAMS(chain_param(rebuild), pg_i64(SETTLE_REBUILD_SIGNERS_MAX))) != PG_OK)
        return complain(rebuild, "the signers");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        chain->signers[chain->signer_count++] = row_address(rows, i, 0);
    pg_rows_free(rows);
    return true;
}

// Where it goes on, if it was begun before. *known: it was.
static bool progress_read(struct settle_rebuild *rebuild, bool *known)
{
    struct pg_rows *rows = NULL;

    if (pg_query(rebuild->pg, &rows,
                 "SELECT next_block FROM settle.rebuild WHERE chain_id = $1 AND done_at IS NULL",
                 PG_PARAMS(chain_param(rebuild))) != PG_OK)
        return complain(rebuild, "the progress");
    *known = pg_rows_count(rows) == 1;
    if (*known)
        rebuild->next_block = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

static bool is_empty(struct settle_rebuild *rebuild)
{
    struct pg_rows *rows = NULL;
    bool empty;

    if (pg_query(rebuild->pg, &rows,
                 "SELECT EXISTS (SELECT FROM settle.attempt) OR EXISTS (SELECT FROM "
                 "settle.trade WHERE settlement_status NOT IN ('pending', 'failed') "
                 "AND settlement_type IS DISTINCT FROM 'off_chain')",
                 PG_NO_PARAMS) != PG_OK)
        return complain(rebuild, "the rows of settlement");
    empty = pg_number(rows, 0, 0) == 0;
    pg_rows_free(rows);
    if (!empty)
        fprintf(stderr, "lonja settle: there are rows of settlement already: they are compared by "
                        "--verify, and written again only where there are none\n");
    return empty;
}

static bool progress_begin(struct settle_rebuild *rebuild)
{
    char list[SETTLE_REBUILD_SIGNERS_MAX * ADDRESS_TEXT_SIZE + 2] = "{";

    for (size_t i = 0; i < rebuild->chain.signer_count; i++) {
        struct text_address signer = address_text(&rebuild->chain.signers[i]);
        size_t len = strlen(list);

        snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? "," : "", signer.text);
    }
    strncat(list, "}", 2);
    return any(rebuild, "the progress",
               "INSERT INTO settle.rebuild AS r (chain_id, from_block, next_block, signers) "
               "VALUES ($1, $2, $2, $3::text::text[]) ON CONFLICT (chain_id) DO UPDATE SET "
               "from_block = EXCLUDED.from_block, next_block = EXCLUDED.next_block, "
               "signers = EXCLUDED.signers, begun_at = now(), done_at = NULL",
               PG_PARAMS(chain_param(rebuild), u64(rebuild->from_block), pg_text(list))) &&
           any(rebuild, "the trades",
               "INSERT INTO settle.trade (trade_id, created_at) SELECT trade_id, "
               "to_timestamp(created_ns / 1e9) FROM record.trade ON CONFLICT DO NOTHING",
               PG_NO_PARAMS) &&
           any(rebuild, "what instructions move",
               "INSERT INTO settle.trade (trade_id, created_at, xvp_id, move) SELECT trade_id, "
               "created_at, xvp_id, move FROM record.xvp_move ON CONFLICT DO NOTHING",
               PG_NO_PARAMS);
}

bool settle_rebuild_open(struct settle_rebuild *rebuild)
{
    bool known = false;

    rebuild->next_block = rebuild->from_block;
    if (pg_connect(rebuild->pg) != PG_OK)
        return complain(rebuild, "the database");
    if (rebuild->verify)
        return signers_read(rebuild) &&
               any(rebuild, "what was seen",
                   "CREATE TEMP TABLE rebuild_seen (tx_hash text PRIMARY KEY)", PG_NO_PARAMS);
    if (!lock_take(rebuild) || !signers_read(rebuild) || !progress_read(rebuild, &known))
        return false;
    if (known) {
        printf("a rebuild was begun before: it goes on at block %" PRIu64 "\n",
               rebuild->next_block);
        return true;
    }
    return rebuild->chain.signer_count == 0 || (is_empty(rebuild) && progress_begin(rebuild));
}

bool settle_rebuild_begin(struct settle_rebuild *rebuild)
{
    return pg_begin(rebuild->pg) == PG_OK || complain(rebuild, "begin");
}

bool settle_rebuild_commit(struct settle_rebuild *rebuild)
{
    if (!rebuild->verify && !any(rebuild, "the progress",
                                 "UPDATE settle.rebuild SET next_block = $2 WHERE chain_id = $1",
                                 PG_PARAMS(chain_param(rebuild), u64(rebuild->next_block))))
        return false;
    return pg_commit(rebuild->pg) == PG_OK || complain(rebuild, "commit");
}

void settle_rebuild_rollback(struct settle_rebuild *rebuild)
{
    pg_rollback(rebuild->pg);
}

// ---- whose trades

static bool members_find(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t,
                         struct settle_call *members)
{
    struct text_hash hash = hash_text(&t->hash);
    enum settle_rebuild_match match = SETTLE_REBUILD_NONE;

    if (!settle_members_find(rebuild->pg, &rebuild->members, &match, members, t->legs, t->leg_count,
                             &t->id, &t->to, rebuild->chain.chain_id))
        return complain(rebuild, "the trades");
    if (match == SETTLE_REBUILD_FOUND)
        return true;
    fprintf(stderr,
            "lonja settle: which trades transaction %s settled cannot be told: %s (request %" PRIu64
            ", %zu legs, first trade %" PRIu64 ", %zu trades looked at)\n",
            hash.text,
            match == SETTLE_REBUILD_NONE ? "none of the record are those of its batch id"
                                         : "too many look alike",
            t->id.request_id, t->leg_count, t->id.first_trade_id, rebuild->members.count);
    return false;
}

// ---- what is written

static const char *operation_of(const struct settle_rebuild_transaction *t)
{
    if (t->kind != SETTLE_REBUILD_TRANSFER)
        return settle_operation_text(t->operation);
    return settle_operation_text(t->leg_count == 1 ? SETTLE_FORCED_TRANSFER
                                                   : SETTLE_BATCH_FORCED_TRANSFER);
}

// A request of which several transactions were mined has the state of the last one.
static bool request_write(struct settle_rebuild *rebuild,
                          const struct settle_rebuild_transaction *t, const char *state)
{
    static const char sql[] =
        "INSERT INTO chain.chain_request AS r (request_id, idempotency_key, operation, chain_id, "
        "contract_address, token_asset, state, attempts, reason, requested_by) OVERRIDING SYSTEM "
        "VALUE VALUES ($1, 'rebuilt:' || $6, $2, $3, $4, (SELECT asset_id FROM people.token "
        "WHERE lower(contract_address) = $4 AND chain_id = $3), $5, 1, 'rebuilt_from_chain', "
        "coalesce($7, current_user)) "
        "ON CONFLICT (request_id) DO UPDATE SET state = EXCLUDED.state, attempts = r.attempts + 1";
    struct text_address token = address_text(&t->to);
    char id[24];

    snprintf(id, sizeof(id), "%" PRIu64, t->id.request_id);
    return any(rebuild, "the request", sql,
               PG_PARAMS(u64(t->id.request_id), pg_text(operation_of(t)), chain_param(rebuild),
                         pg_text(token.text), pg_text(state), pg_text(id),
                         pg_text(t->kind == SETTLE_REBUILD_CUSTODY ? "custody" : NULL)));
}

static bool nets_write(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t,
                       const struct settle_call *members)
{
    struct settle_netting_net nets[SETTLE_LEGS_MAX];
    size_t count = settle_netting_nets(nets, members);
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++) {
        struct text_address from = address_text(&nets[i].from);
        struct text_address to = address_text(&nets[i].to);
        struct text_wide units = wide_text(nets[i].units);
        struct text_hash digest = hash_text(&nets[i].digest);

        ok = any(rebuild, "a net",
                 "INSERT INTO chain.net (net_id, request_id, from_address, to_address, amount, "
                 "trades, digest) VALUES ($1, $2, $3, $4, $5::text::numeric, $6, $7) "
                 "ON CONFLICT (net_id) DO NOTHING",
                 PG_PARAMS(u64(nets[i].net_id), u64(t->id.request_id), pg_text(from.text),
                           pg_text(to.text), pg_text(units.text), u64(nets[i].trades),
                           pg_text(digest.text)));
    }
    return ok;
}

// What a transfer took of frozen units is its first leg's (settle_custody.h).
static bool leg_write(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t,
                      const struct settle_call *members, const struct settle_leg *leg, bool is_done)
{
    bool is_netted = members->is_netted;
    size_t move = is_netted ? leg->place : leg->number;
    size_t count;
    bool takes = is_done && t->unfrozen[move] > 0 &&
                 &members->legs[settle_netting_leg_at(members, move, &count)] == leg;
    struct text_wide unfrozen = wide_text(takes ? t->unfrozen[move] : 0);
    struct text_address from = address_text(&leg->from);
    struct text_address to = address_text(&leg->to);
    struct text_wide units = wide_text(leg->units);

    return any(
        rebuild, "a leg",
        "INSERT INTO chain.request_leg (request_id, leg, trade_id, from_address, "
        "to_address, amount, state, reason, log_index, net_id, place, unfrozen) VALUES ($1, "
        "$2, $3, $4, $5, $6::text::numeric, $7, CASE WHEN $7 = 'left' THEN "
        "'rebuilt_from_chain' END, $8, $9, $10, $11::text::numeric) "
        "ON CONFLICT (request_id, leg) DO UPDATE SET state = EXCLUDED.state, "
        "log_index = EXCLUDED.log_index, unfrozen = EXCLUDED.unfrozen",
        PG_PARAMS(u64(t->id.request_id), u64(leg->number), u64(leg->trade_id), pg_text(from.text),
                  pg_text(to.text), pg_text(units.text), pg_text(is_done ? "done" : "left"),
                  is_done ? u64(t->log_index[move]) : pg_null(),
                  leg->net_id > 0 ? u64(leg->net_id) : pg_null(),
                  is_netted ? u64(leg->place) : pg_null(), pg_text(takes ? unfrozen.text : NULL)));
}

// The venue's own freeze or release; what it means for the wallets is told at the end.
static bool custody_write(struct settle_rebuild *rebuild,
                          const struct settle_rebuild_transaction *t)
{
    bool ok = any(rebuild, "a freeze",
                  "INSERT INTO chain.custody_request (request_id, open) VALUES ($1, false) "
                  "ON CONFLICT DO NOTHING",
                  PG_PARAMS(u64(t->id.request_id)));

    for (size_t i = 0; ok && i < t->leg_count; i++) {
        struct text_address wallet = address_text(&t->legs[i].to);
        struct text_wide units = wide_text(t->legs[i].units);

        ok = any(rebuild, "a leg of a freeze",
                 "INSERT INTO chain.request_leg (request_id, leg, to_address, amount, state, "
                 "log_index) VALUES ($1, $2, $3, $4::text::numeric, $5, $6) "
                 "ON CONFLICT (request_id, leg) DO UPDATE SET state = EXCLUDED.state, "
                 "log_index = EXCLUDED.log_index",
                 PG_PARAMS(u64(t->id.request_id), u64(i), pg_text(wallet.text), pg_text(units.text),
                           pg_text(t->has_effect ? "done" : "open"),
                           t->has_effect ? u64(t->log_index[i]) : pg_null()));
    }
    return ok;
}

static bool attempt_write(struct settle_rebuild *rebuild,
                          const struct settle_rebuild_transaction *t, const char *state)
{
    struct text_address signer = address_text(&t->signer);
    struct text_address to = address_text(&t->to);
    struct text_hash hash = hash_text(&t->hash);
    struct text_hash block = hash_text(&t->block_hash);

    return any(rebuild, "a nonce",
               "INSERT INTO settle.nonce (chain_id, signer_address, nonce, request_id, closed_at) "
               "VALUES ($1, $2, $3, $4, now())",
               PG_PARAMS(chain_param(rebuild), pg_text(signer.text), u64(t->nonce),
                         u64(t->id.request_id))) &&
           any(rebuild, "an attempt",
               "INSERT INTO settle.attempt (request_id, attempt, chain_id, signer_address, nonce, "
               "to_address, calldata, gas_limit, max_fee_wei, priority_fee_wei, raw, tx_hash, "
               "state, reason, block_number, block_hash, gas_used, gas_price_wei, mined_at) "
               "SELECT $1, coalesce(max(attempt), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
               "$11, $12, 'rebuilt_from_chain', $13, $14, $15, $16, now() "
               "FROM settle.attempt WHERE request_id = $1",
               PG_PARAMS(u64(t->id.request_id), chain_param(rebuild), pg_text(signer.text),
                         u64(t->nonce), pg_text(to.text), pg_bytes(t->calldata, t->calldata_len),
                         u64(t->gas_limit), u64(t->max_fee_wei), u64(t->priority_fee_wei),
                         pg_bytes(t->raw, t->raw_len), pg_text(hash.text), pg_text(state),
                         u64(t->block_number), pg_text(block.text), u64(t->gas_used),
                         u64(t->effective_fee_wei))) &&
           any(rebuild, "gas",
               "INSERT INTO chain.gas_transaction (request_id, chain_id, tx_hash, operation, "
               "succeeded, block_number, gas_limit, gas_used, gas_price_wei, l1_fee_wei) "
               "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
               PG_PARAMS(u64(t->id.request_id), chain_param(rebuild), pg_text(hash.text),
                         pg_text(operation_of(t)), pg_bool(t->succeeded), u64(t->block_number),
                         u64(t->gas_limit), u64(t->gas_used), u64(t->effective_fee_wei),
                         u64(t->l1_fee_wei)));
}

// A payout: its row, and how its request has ended, are told at the end (settle.payouts_rebuild),
// for what has failed goes back into the ledger, and a later transaction of it may have paid it.
static bool payout_write(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t)
{
    static const char request_sql[] =
        "INSERT INTO chain.chain_request AS r (request_id, idempotency_key, operation, chain_id, "
        "contract_address, token_asset, state, attempts, reason, requested_by, arguments) "
        "OVERRIDING "
        "SYSTEM VALUE VALUES ($1, 'rebuilt:' || $5, 'erc20_transfer', $2, $3, (SELECT asset_id "
        "FROM "
        "people.stablecoin WHERE lower(contract_address) = $3 AND chain_id = $2), 'sent', 1, "
        "'rebuilt_from_chain', 'payout', jsonb_build_object('payout', $4::bigint, 'digest', "
        "$6::text)) ON CONFLICT (request_id) DO UPDATE SET attempts = r.attempts + 1";
    struct text_address contract = address_text(&t->to);
    struct text_address from = address_text(&t->legs[0].from);
    struct text_address to = address_text(&t->legs[0].to);
    struct text_wide units = wide_text(t->legs[0].units);
    char id[24], digest[2 * SETTLE_BATCH_ID_HASH_BYTES + 3];

    snprintf(id, sizeof(id), "%" PRIu64, t->id.request_id);
    hex_encode(digest, t->id.members_hash, SETTLE_BATCH_ID_HASH_BYTES);
    return any(rebuild, "the request of a payout", request_sql,
               PG_PARAMS(u64(t->id.request_id), chain_param(rebuild), pg_text(contract.text),
                         u64(t->id.first_trade_id), pg_text(id), pg_text(digest))) &&
           any(rebuild, "the leg of a payout",
               "INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount, "
               "state, log_index) VALUES ($1, 0, $2, $3, $4::text::numeric, $5, $6) "
               "ON CONFLICT (request_id, leg) DO UPDATE SET state = EXCLUDED.state, "
               "log_index = EXCLUDED.log_index",
               PG_PARAMS(u64(t->id.request_id), pg_text(from.text), pg_text(to.text),
                         pg_text(units.text), pg_text(t->has_effect ? "done" : "open"),
                         t->has_effect ? u64(t->log_index[0]) : pg_null()));
}

// The moves of the state machine, with their history: a failed one waits for an administrator.
static bool trade_write(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t,
                        const struct settle_leg *leg, bool is_done)
{
    struct text_hash hash = hash_text(&t->hash);

    return any(rebuild, "a trade",
               "UPDATE settle.trade SET settlement_status = 'processing', tx_hash = $2, "
               "reason = 'rebuilt_from_chain' WHERE trade_id = $1",
               PG_PARAMS(u64(leg->trade_id), pg_text(hash.text))) &&
           (is_done
                ? any(rebuild, "a trade",
                      "UPDATE settle.trade SET settlement_status = 'settled', settlement_type = "
                      "CASE WHEN $3::bigint IS NULL THEN 'on_chain' ELSE 'netted' END, net_id = "
                      "$3, "
                      "block_number = $2, settled_at = now() WHERE trade_id = $1",
                      PG_PARAMS(u64(leg->trade_id), u64(t->block_number),
                                leg->net_id > 0 ? u64(leg->net_id) : pg_null()))
                : any(rebuild, "a trade",
                      "UPDATE settle.trade SET settlement_status = 'failed', settlement_attempts "
                      "= settlement_attempts + 1, total_attempts = total_attempts + 1, reason = "
                      "'rebuilt_from_chain: ' || $2 WHERE trade_id = $1",
                      PG_PARAMS(u64(leg->trade_id),
                                pg_text(t->succeeded ? SETTLE_REASON_MISMATCH
                                                     : SETTLE_REASON_REVERTED))));
}

// Is it one of settlement's? Not what carries no batch id; nor what went to a contract that is no
// token of the venue, because a row had named a wrong one, and moved nothing there: without a token
// its trades cannot be told, and none of them is settled by it.
static bool is_settlement(struct settle_rebuild *rebuild, bool *is,
                          const struct settle_rebuild_transaction *t)
{
    struct text_address to = address_text(&t->to);
    struct pg_rows *rows = NULL;

    *is = t->kind == SETTLE_REBUILD_TRANSFER || t->kind == SETTLE_REBUILD_CUSTODY ||
          t->kind == SETTLE_REBUILD_PAYOUT;
    if (!*is || t->has_effect)
        return true;
    if (pg_query(rebuild->pg, &rows,
                 "SELECT EXISTS (SELECT FROM people.token WHERE lower(contract_address) = "
                 "lower($1) AND chain_id = $2 UNION ALL SELECT FROM people.stablecoin WHERE "
                 "lower(contract_address) = lower($1) AND chain_id = $2)",
                 PG_PARAMS(pg_text(to.text), chain_param(rebuild))) != PG_OK)
        return complain(rebuild, "the tokens");
    *is = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return true;
}

static bool pass_over(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t)
{
    struct text_hash hash = hash_text(&t->hash);
    struct text_address to = address_text(&t->to);

    rebuild->others++;
    if (t->kind == SETTLE_REBUILD_UNNAMED)
        printf("transaction %s of our signer is a forced transfer without a batch id: not one of "
               "the venue's settlements\n",
               hash.text);
    else if (t->kind != SETTLE_REBUILD_OTHER)
        printf("transaction %s of request %" PRIu64 " went to %s, which is no token or stablecoin "
               "of the venue, and moved nothing: passed over\n",
               hash.text, t->id.request_id, to.text);
    return true;
}

bool settle_rebuild_write(struct settle_rebuild *rebuild,
                          const struct settle_rebuild_transaction *t)
{
    struct settle_call members;
    bool is_done = t->succeeded && t->has_effect;
    const char *state = is_done ? "confirmed" : "reverted";
    bool is;

    if (!is_settlement(rebuild, &is, t))
        return false;
    if (!is)
        return pass_over(rebuild, t);
    if (t->kind == SETTLE_REBUILD_CUSTODY) {
        rebuild->transactions++;
        return request_write(rebuild, t, state) && attempt_write(rebuild, t, state) &&
               custody_write(rebuild, t);
    }
    if (t->kind == SETTLE_REBUILD_PAYOUT) {
        rebuild->transactions++;
        return payout_write(rebuild, t) && attempt_write(rebuild, t, state);
    }
    if (!members_find(rebuild, t, &members) || !request_write(rebuild, t, state) ||
        !attempt_write(rebuild, t, state) || !nets_write(rebuild, t, &members))
        return false;
    for (size_t i = 0; i < members.leg_count; i++)
        if (!leg_write(rebuild, t, &members, &members.legs[i], is_done) ||
            !trade_write(rebuild, t, &members.legs[i], is_done))
            return false;
    rebuild->transactions++;
    rebuild->trades += is_done ? members.leg_count : 0;
    return true;
}

// ---- end

static bool result_write(struct settle_rebuild *rebuild, const struct settlement_booked_evt *booked)
{
    static const char *const outcomes[] = {[SETTLEMENT_SETTLED] = "settled",
                                           [SETTLEMENT_FAILED] = "failed",
                                           [SETTLEMENT_RETRIED] = "retried"};

    return booked->outcome < SETTLEMENT_SETTLED || booked->outcome > SETTLEMENT_RETRIED ||
           any(rebuild, "a result",
               "INSERT INTO settle.result (trade_id, outcome, ref_number, sent_after, state, "
               "answered_at) VALUES ($1, $2, $3, 0, 'booked', now()) ON CONFLICT DO NOTHING",
               PG_PARAMS(u64(booked->trade_id), pg_text(outcomes[booked->outcome]),
                         u64(booked->ref_number)));
}

// What the core has booked, from its own events.
static bool results_from_tape(struct settle_rebuild *rebuild, const char *folder)
{
    static struct tape_reader reader;
    static struct event events[1024];
    size_t count = 0, booked = 0;
    bool ok = true;

    if (folder == NULL || tape_reader_last_sequence(folder) == 0) {
        printf("there is no tape: the core is told of every settled trade\n");
        return true;
    }
    tape_reader_init(&reader, folder);
    if (!tape_reader_seek(&reader, 1, 0)) {
        tape_reader_fini(&reader);
        fprintf(stderr, "lonja settle: the tape does not begin with the first command: bring its "
                        "older segments back\n");
        return false;
    }
    while (ok && (count = tape_reader_read(&reader, events, 1024)) > 0)
        for (size_t i = 0; ok && i < count; i++)
            if (events[i].header.type == EVT_settlement_booked) {
                booked++;
                ok = result_write(rebuild, &events[i].body.settlement_booked);
            }
    tape_reader_fini(&reader);
    printf("%zu results that the core has booked\n", booked);
    return ok;
}

// Likewise of instructions, from the record: each is of the turn before it, by its first movement. What has
// come back has failed.
static bool results_of_instructions(struct settle_rebuild *rebuild)
{
    return any(rebuild, "results of instructions",
               "INSERT INTO settle.result (trade_id, outcome, ref_number, sent_after, state, "
               "answered_at) SELECT (SELECT max(m.trade_id) FROM record.xvp_move m WHERE m.xvp_id "
               "= s.xvp_id AND m.move = 0 AND m.sequence < s.sequence), CASE s.step WHEN "
               "'executed' THEN 'settled' ELSE 'failed' END, s.ref_number, 0, 'booked', now() "
               "FROM record.xvp_step s WHERE s.step IN ('executed', 'returned') "
               "AND s.ref_number IS NOT NULL ON CONFLICT DO NOTHING",
               PG_NO_PARAMS) &&
           any(rebuild, "what has come back",
               "UPDATE settle.trade w SET settlement_status = 'failed', reason = "
               "'rebuilt_from_tape' FROM settle.result r WHERE w.settlement_status = 'pending' "
               "AND w.xvp_id IS NOT NULL AND r.trade_id = w.trade_id - w.move "
               "AND r.outcome = 'failed'",
               PG_NO_PARAMS);
}

// `sql` says what came back, nothing where there is nothing to say of it, or NULL: lonja-index has
// to come as far as the blocks that were read first.
static bool end_with(struct settle_rebuild *rebuild, const char *what, const char *sql,
                     const char *why)
{
    struct pg_rows *rows = NULL;
    uint64_t last = rebuild->next_block - 1;
    bool done = false;

    for (int i = 0; i < INDEX_TRIES && !done; i++) {
        if (i > 0)
            nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
        if (pg_query(rebuild->pg, &rows, sql, PG_PARAMS(chain_param(rebuild), u64(last))) != PG_OK)
            return complain(rebuild, what);
        done = !pg_is_null(rows, 0, 0);
        if (done && pg_value(rows, 0, 0)[0] != '\0')
            puts(pg_value(rows, 0, 0));
        pg_rows_free(rows);
    }
    if (!done)
        fprintf(stderr,
                "lonja settle: lonja-index has not confirmed block %" PRIu64
                ", and %s; the same command goes on once it has\n",
                last, why);
    return done;
}

// What is frozen, tradable and the holder's own, from the requests and the record. Before the
// results: those that the core has not booked wait for freezes as ever.
static bool custody_end(struct settle_rebuild *rebuild)
{
    return end_with(rebuild, "custody",
                    "SELECT CASE WHEN n > 0 THEN n || ' wallets in custody' WHEN n = 0 THEN '' END "
                    "FROM settle.custody_rebuild($1, $2) n",
                    "tokens are in custody");
}

// Whose withdrawals were paid, what is put back, and what is still to be paid: asked for again,
// with numbers above those that came back.
static bool payouts_end(struct settle_rebuild *rebuild)
{
    return end_with(rebuild, "payouts", "SELECT settle.payouts_rebuild($1, $2)",
                    "there are stablecoins");
}

bool settle_rebuild_end(struct settle_rebuild *rebuild, const char *tape_folder)
{
    if (!settle_rebuild_begin(rebuild) || !results_from_tape(rebuild, tape_folder) ||
        !results_of_instructions(rebuild))
        return false;
    for (size_t i = 0; i < rebuild->chain.signer_count; i++) {
        struct text_address signer = address_text(&rebuild->chain.signers[i]);

        if (!any(rebuild, "the counter",
                 "INSERT INTO settle.signer AS s (chain_id, signer_address, nonce_floor) "
                 "VALUES ($1, $2, $3) ON CONFLICT (chain_id, signer_address) DO UPDATE SET "
                 "nonce_floor = greatest(s.nonce_floor, EXCLUDED.nonce_floor), updated_at = now()",
                 PG_PARAMS(chain_param(rebuild), pg_text(signer.text),
                           u64(rebuild->next_nonces[i]))))
            return false;
    }
    return any(rebuild, "trades that no transaction moves",
               "UPDATE settle.trade w SET settlement_status = 'settled', settlement_type = "
               "'off_chain', reason = 'rebuilt_from_tape', settled_at = now() "
               "WHERE w.settlement_status = 'pending' AND w.xvp_id IS NULL AND (SELECT r.outcome FROM settle.result r "
               "WHERE r.trade_id = w.trade_id ORDER BY ref_number DESC LIMIT 1) = 'settled'",
               PG_NO_PARAMS) &&
           custody_end(rebuild) &&
           any(rebuild, "the results",
               "INSERT INTO settle.result (trade_id, outcome) SELECT w.trade_id, "
               "w.settlement_status FROM settle.trade w WHERE w.settlement_status IN ('settled', "
               "'failed') AND coalesce(w.move, 0) = 0 AND w.settlement_status IS DISTINCT FROM (SELECT r.outcome FROM "
               "settle.result r WHERE r.trade_id = w.trade_id ORDER BY ref_number DESC LIMIT 1) "
               "ORDER BY w.trade_id",
               PG_NO_PARAMS) &&
           any(rebuild, "the requests' numbers",
               "SELECT setval(pg_get_serial_sequence('chain.chain_request', 'request_id'), "
               "max(request_id)) FROM chain.chain_request HAVING count(*) > 0",
               PG_NO_PARAMS) &&
           payouts_end(rebuild) &&
           any(rebuild, "the progress",
               "UPDATE settle.rebuild SET done_at = now() WHERE chain_id = $1",
               PG_PARAMS(chain_param(rebuild))) &&
           settle_rebuild_commit(rebuild);
}

// ---- comparing

__attribute__((format(printf, 3, 4))) static void differ(struct settle_rebuild *rebuild,
                                                         const char *hash, const char *format, ...)
{
    va_list arguments;

    rebuild->differences++;
    printf("%s: ", hash);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static const char compare_select[] =
    "SELECT a.state, a.nonce, a.request_id, a.raw = $2, l.trade_id, w.settlement_status, "
    "coalesce(w.tx_hash = $1, false) FROM settle.attempt a "
    "LEFT JOIN chain.request_leg l ON l.request_id = a.request_id AND l.trade_id IS NOT NULL "
    "AND l.reason IS DISTINCT FROM '" SETTLE_REASON_NET_ZERO "' "
    "AND (l.state = 'done' OR a.state NOT IN ('confirmed', 'mined')) "
    "LEFT JOIN settle.trade w ON w.trade_id = l.trade_id "
    "WHERE a.tx_hash = $1 ORDER BY l.trade_id";

static void compare_rows(struct settle_rebuild *rebuild, const struct settle_rebuild_transaction *t,
                         const char *hash, const struct pg_rows *rows)
{
    bool is_done = t->succeeded && t->has_effect;
    uint64_t members[SETTLE_LEGS_MAX];
    size_t count = pg_rows_count(rows);

    if (count == 0) {
        differ(rebuild, hash, "of request %" PRIu64 ", trade %" PRIu64 ", %zu legs: no row has it",
               t->id.request_id, t->id.first_trade_id, t->leg_count);
        return;
    }
    if (strcmp(pg_value(rows, 0, 0), is_done ? "confirmed" : "reverted") != 0)
        differ(rebuild, hash, "has %s, its row is %s", is_done ? "succeeded" : "failed",
               pg_value(rows, 0, 0));
    if ((uint64_t)pg_number(rows, 0, 1) != t->nonce || pg_number(rows, 0, 3) != 1)
        differ(rebuild, hash, "its row has another nonce or other bytes");
    if ((uint64_t)pg_number(rows, 0, 2) != t->id.request_id)
        differ(rebuild, hash, "its batch id says request %" PRIu64 ", its row %s", t->id.request_id,
               pg_value(rows, 0, 2));
    if (!is_done || t->kind != SETTLE_REBUILD_TRANSFER)
        return;
    for (size_t i = 0; i < count && i < SETTLE_LEGS_MAX; i++) {
        members[i] = (uint64_t)pg_number(rows, i, 4);
        if (pg_is_null(rows, i, 5) || strcmp(pg_value(rows, i, 5), "settled") != 0 ||
            pg_number(rows, i, 6) != 1)
            differ(rebuild, hash, "trade %" PRIu64 " is not settled by it", members[i]);
    }
    if (count > SETTLE_LEGS_MAX || !settle_batch_id_matches(&t->id, members, count))
        differ(rebuild, hash, "its batch id is of other trades than its %zu legs", count);
}

bool settle_rebuild_compare(struct settle_rebuild *rebuild,
                            const struct settle_rebuild_transaction *t)
{
    struct text_hash hash = hash_text(&t->hash);
    struct pg_rows *rows = NULL;

    bool is;

    if (!any(rebuild, "what was seen",
             "INSERT INTO rebuild_seen VALUES ($1) ON CONFLICT DO NOTHING",
             PG_PARAMS(pg_text(hash.text))) ||
        !is_settlement(rebuild, &is, t))
        return false;
    if (!is)
        return pass_over(rebuild, t);
    if (pg_query(rebuild->pg, &rows, compare_select,
                 PG_PARAMS(pg_text(hash.text), pg_bytes(t->raw, t->raw_len))) != PG_OK)
        return complain(rebuild, "an attempt");
    compare_rows(rebuild, t, hash.text, rows);
    rebuild->transactions++;
    rebuild->trades +=
        t->kind == SETTLE_REBUILD_TRANSFER && t->has_effect ? pg_rows_count(rows) : 0;
    pg_rows_free(rows);
    return true;
}

bool settle_rebuild_compare_end(struct settle_rebuild *rebuild, uint64_t head)
{
    struct pg_rows *rows = NULL;

    if (pg_query(rebuild->pg, &rows,
                 "SELECT a.tx_hash, a.state FROM settle.attempt a WHERE a.chain_id = $1 "
                 "AND a.state IN ('confirmed', 'reverted') AND a.block_number BETWEEN $2 AND $3 "
                 "AND NOT EXISTS (SELECT FROM rebuild_seen s WHERE s.tx_hash = a.tx_hash) "
                 "ORDER BY a.attempt_id",
                 PG_PARAMS(chain_param(rebuild), u64(rebuild->from_block), u64(head))) != PG_OK)
        return complain(rebuild, "the attempts");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        differ(rebuild, pg_value(rows, i, 0), "its row is %s, the chain does not have it",
               pg_value(rows, i, 1));
    pg_rows_free(rows);
    return true;
}
