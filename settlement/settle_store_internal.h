// What the files of the Postgres store share: settle_store_pg.c (session, lock, transactions),
// settle_store_queue.c (pending trades: claims, what settles off chain), settle_store_xvp.c (likewise, of settlement instructions), settle_store_trades.c
// (open requests, results), settle_store_control.c (what people decide), settle_store_abandon.c
// (what they give up), settle_store_custody.c, settle_store_mint.c, settle_store_net.c (nets), settle_store_lost.c (what
// the signer has and the database has lost), settle_store_moved.c (blocks in which attempts have
// ended) and settle_store_attempts.c (one attempt from prepared to its end).
#ifndef LONJA_SETTLEMENT_SETTLE_STORE_INTERNAL_H
#define LONJA_SETTLEMENT_SETTLE_STORE_INTERNAL_H

#include "chain/wide.h"
#include "settlement/settle_store_pg.h"

// ---- transactions

// False: nothing may be written, the session that holds the lock is gone.
CHECKED bool store_begin(struct settle_store_pg *store);
// Likewise, of a step that a crash of the database may forget: its commit waits for no disk, and is
// on it no later than the next one that does. Only what the worker finds out again without harm
// (docs/decisions/0031-progress-is-not-synced.md).
CHECKED bool store_begin_unsynced(struct settle_store_pg *store);
CHECKED enum settle_store_result store_commit(struct settle_store_pg *store, const char *step);
// Rolls back, logs why, answers LOST.
CHECKED enum settle_store_result store_lost(struct settle_store_pg *store, const char *step);
// Runs a statement; false when it fails, or (store_one, store_many) touches another number of rows
// than it should.
CHECKED bool store_one(struct settle_store_pg *store, const char *sql,
                       const struct pg_param *params, size_t count);
CHECKED bool store_many(struct settle_store_pg *store, size_t rows_expected, const char *sql,
                        const struct pg_param *params, size_t count);
CHECKED bool store_any(struct settle_store_pg *store, const char *sql,
                       const struct pg_param *params, size_t count);
// Asks a question whose answer is one truth; false when the statement fails.
CHECKED bool store_is(struct settle_store_pg *store, bool *yes, const char *sql,
                      const struct pg_param *params, size_t count);
// A statement that is a transaction by itself, without BEGIN and COMMIT. True: the rows are the
// caller's to free, and store_commit ends the step. False: nothing was done, or nobody knows, and it
// was said; the step is LOST.
CHECKED bool store_ask(struct settle_store_pg *store, struct pg_rows **rows, const char *step,
                       const char *sql, const struct pg_param *params, size_t count);

// In SQL, the states of an attempt that holds its nonce: those that SETTLE_ATTEMPT_STATES has as
// open.
#define SETTLE_OPEN_STATES "('prepared', 'signed', 'sent', 'mined')"

// The functions of each file, put into the table.
void settle_store_queue_ops(struct settle_store_ops *ops);
void settle_store_trades_ops(struct settle_store_ops *ops);
void settle_store_control_ops(struct settle_store_ops *ops);
void settle_store_abandon_ops(struct settle_store_ops *ops);
void settle_store_custody_ops(struct settle_store_ops *ops);
void settle_store_mint_ops(struct settle_store_ops *ops);
void settle_store_attempts_ops(struct settle_store_ops *ops);
void settle_store_net_ops(struct settle_store_ops *ops);
void settle_store_lost_ops(struct settle_store_ops *ops);
void settle_store_moved_ops(struct settle_store_ops *ops);

// Old trades may have come into the queue: off_chain looks through all of it again.
void store_queue_again(struct settle_store_pg *store);

// A message to the core, in the transaction that is open.
CHECKED bool store_result_queue(struct settle_store_pg *store, uint64_t trade_id,
                                const char *outcome);

// ---- settlement instructions (settle_store_xvp.c), in the transaction that is open

// Makes requests of those that are due, no more than claim->requests_max, which it lowers by as many.
CHECKED bool store_xvps_claim(struct settle_store_pg *store, struct settle_claim *claim);
// settle_store_queue.c: a request with its legs; its trades are processing.
CHECKED bool store_claim_request(struct settle_store_pg *store,
                                 const struct settle_claim_request *request);
void store_claim_add(struct settle_claim_request *request, const struct chain_address *token,
                     int64_t token_asset, const struct settle_leg *leg);

// ---- nets (settle_store_net.c), in the transaction that is open

// Of a netted call: its nets and the places of its legs, with the attempt.
CHECKED bool store_nets_prepare(struct settle_store_pg *store, const struct settle_item *item,
                                uint64_t block);
// Likewise of an attempt that is restored: `members` as they were found again.
CHECKED bool store_nets_restore(struct settle_store_pg *store, uint64_t request_id,
                                const struct settle_call *members);
// Legs without a place leave: their trades are settled.
CHECKED bool store_nets_of_zero(struct settle_store_pg *store, const struct settle_item *item,
                                uint64_t block);
// A request that nothing is left of: confirmed, if it has settled nets of zero.
CHECKED bool store_nets_end(struct settle_store_pg *store, uint64_t request_id);

struct text_address;
// A new row of settle.nonce, or one that was given back (request_id NULL). Anything else is
// another's nonce: false.
CHECKED bool store_nonce_take(struct settle_store_pg *store, const struct text_address *signer,
                              uint64_t nonce, uint64_t request_id);

// ---- values

struct text_hash {
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
};

static inline struct text_hash hash_text(const struct chain_hash *hash)
{
    struct text_hash out;

    hex_encode(out.text, hash->bytes, sizeof(hash->bytes));
    return out;
}

struct text_address {
    char text[ADDRESS_TEXT_SIZE];
};

// Lower case: two spellings of one address would be two signers.
static inline struct text_address address_text(const struct chain_address *address)
{
    struct text_address out;

    hex_encode(out.text, address->bytes, sizeof(address->bytes));
    return out;
}

struct text_wide {
    char text[WIDE_DECIMAL_SIZE];
};

static inline struct text_wide wide_text(chain_uint128 value)
{
    struct text_wide out;

    wide_format(out.text, value);
    return out;
}

static inline struct pg_param u64(uint64_t value)
{
    ASSERT(value <= INT64_MAX);
    return pg_i64((int64_t)value);
}

static inline chain_uint128 row_wide(const struct pg_rows *rows, size_t row, int column)
{
    chain_uint128 value;

    ASSERT(wide_parse(&value, pg_value(rows, row, column)));
    return value;
}

static inline struct chain_address row_address(const struct pg_rows *rows, size_t row, int column)
{
    struct chain_address address;

    ASSERT(hex_decode_exact(address.bytes, sizeof(address.bytes), pg_value(rows, row, column)));
    return address;
}

static inline struct chain_address row_address_or_zero(const struct pg_rows *rows, size_t row,
                                                       int column)
{
    return pg_is_null(rows, row, column) ? (struct chain_address){{0}}
                                         : row_address(rows, row, column);
}

#endif
