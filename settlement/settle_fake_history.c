#include "settlement/settle_fake.h"

#include <stdio.h>
#include <string.h>

// Histories: what settle.trade_settlement_history and the columns of settle.attempt say of the
// past. A row is written beside each change, as the triggers of schema/sql write it; what is judged
// here is read from the rows alone and compared with what others know: the trade and the attempt as
// they are, the results for the core, the signer's log, the chain.

static uint64_t digest_of(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t digest = UINT64_C(14695981039346656037); // FNV-1a

    for (size_t i = 0; i < len; i++)
        digest = (digest ^ at[i]) * UINT64_C(1099511628211);
    return digest;
}

static void row_add(struct fake_world *world, uint32_t *last, const struct fake_row *row)
{
    ASSERT(world->row_count < FAKE_ROWS_MAX - 1);
    world->rows[++world->row_count] = *row; // row 0 is none
    world->rows[world->row_count].before = *last;
    *last = world->row_count;
}

static struct fake_row trade_says(const struct fake_trade *trade)
{
    return (struct fake_row){.to = (uint8_t)trade->state,
                             .attempts = (uint16_t)trade->total_attempts,
                             .reason = digest_of(trade->reason, strlen(trade->reason)),
                             .hash = digest_of(&trade->tx_hash, sizeof(trade->tx_hash))};
}

void fake_history_trade(struct fake_world *world, struct fake_trade *trade, unsigned from)
{
    struct fake_row row = trade_says(trade);
    const struct fake_row *last = &world->rows[trade->last_row];

    if (from == row.to && row.reason == last->reason && row.hash == last->hash)
        return; // nothing that people see
    row.from = (uint8_t)from;
    row_add(world, &trade->last_row, &row);
}

void fake_history_attempt(struct fake_world *world, struct fake_attempt *attempt, unsigned from)
{
    struct fake_row row = {.from = (uint8_t)from, .to = (uint8_t)attempt->attempt.state};

    row_add(world, &attempt->last_row, &row);
}

// ---- judgement

static char why[200];

#define WHY(...) (snprintf(why, sizeof(why), __VA_ARGS__), why)

// How often a trade came to a state.
struct tally {
    unsigned of[SETTLE_TRADE_STATE_COUNT];
    unsigned retried;
};

static bool trade_row_is_allowed(const struct fake_row *row, const struct fake_row *before)
{
    if (row->from == FAKE_BORN)
        return row->before == 0 && row->to == SETTLE_TRADE_PENDING && row->attempts == 0;
    if (row->before == 0 || row->from != before->to || row->attempts < before->attempts)
        return false;
    if (row->from == row->to)
        return row->reason != before->reason || row->hash != before->hash;
    // It shows another transaction once it is claimed, sent or settled; not as it goes back or
    // fails.
    if ((row->to == SETTLE_TRADE_PENDING || row->to == SETTLE_TRADE_FAILED) &&
        row->hash != before->hash)
        return false;
    return settle_trade_move_allowed((enum settle_trade_state)row->from,
                                     (enum settle_trade_state)row->to);
}

// Its rows from the last one back: one follows from the other, the last says what the trade is.
static const char *trade_rows(struct tally *tally, const struct fake_world *world,
                              const struct fake_trade *trade)
{
    unsigned long long id = trade->trade_id;
    const struct fake_row is = trade_says(trade);
    const struct fake_row *row = &world->rows[trade->last_row];

    *tally = (struct tally){0};
    if (trade->last_row == 0 || row->to != is.to || row->attempts != is.attempts ||
        row->reason != is.reason || row->hash != is.hash)
        return WHY("trade %llu: its history does not end with what it is", id);
    for (; row != world->rows; row = &world->rows[row->before]) {
        if (!trade_row_is_allowed(row, &world->rows[row->before]))
            return WHY("trade %llu: its history has a hole, or a move that is not allowed", id);
        tally->of[row->to] += row->from != row->to;
        tally->retried += row->from == SETTLE_TRADE_FAILED && row->to == SETTLE_TRADE_PENDING;
    }
    return NULL;
}

// It was counted for a claim at least as often as it had attempts, and the core is told of each end
// and of each retry.
static const char *trade_results(const struct tally *tally, const struct fake_trade *trade,
                                 const unsigned told[])
{
    if (trade->total_attempts > tally->of[SETTLE_TRADE_PROCESSING])
        return WHY("trade %llu: more attempts than turns", (unsigned long long)trade->trade_id);
    if (tally->of[SETTLE_TRADE_SETTLED] > 1)
        return WHY("trade %llu: settled twice", (unsigned long long)trade->trade_id);
    unsigned each = fake_is_told(trade); // else another movement tells it
    if (each * tally->of[SETTLE_TRADE_SETTLED] != told[SETTLEMENT_SETTLED] ||
        each * tally->of[SETTLE_TRADE_FAILED] != told[SETTLEMENT_FAILED] ||
        each * tally->retried != told[SETTLEMENT_RETRIED])
        return WHY("trade %llu: the core is told something else than its history",
                   (unsigned long long)trade->trade_id);
    return NULL;
}

static unsigned told[FAKE_TRADES_MAX][4]; // by trade and outcome

static void results_count(const struct fake_world *world)
{
    memset(told, 0, sizeof(told[0]) * world->trade_count);
    for (size_t i = 0; i < world->result_count; i++) {
        const struct settlement_result_cmd *command = &world->results[i].command;
        told[fake_trade_find(world, command->trade_id)][command->outcome]++;
    }
}

static const char *trades_why_not(const struct fake_world *world)
{
    struct tally tally;

    results_count(world);
    for (size_t i = 0; i < world->trade_count; i++) {
        const char *not = trade_rows(&tally, world, &world->trades[i]);
        if (not == NULL)
            not = trade_results(&tally, &world->trades[i], told[i]);
        if (not != NULL)
            return not ;
    }
    return NULL;
}

static bool attempt_row_is_allowed(const struct fake_row *row, const struct fake_row *before)
{
    if (row->from == FAKE_BORN) // prepared; or found in the signer's log, or below one that was
        return row->before == 0 &&
               (row->to == SETTLE_ATTEMPT_PREPARED || row->to == SETTLE_ATTEMPT_SIGNED ||
                row->to == SETTLE_ATTEMPT_REPLACED);
    return row->before != 0 && row->from == before->to &&
           settle_attempt_move_allowed((enum settle_attempt_state)row->from,
                                       (enum settle_attempt_state)row->to);
}

// `been`: the states that it was in, a bit of each.
static const char *attempt_rows(unsigned *been, const struct fake_world *world,
                                const struct fake_attempt *attempt)
{
    unsigned long long id = attempt->attempt.attempt_id;
    const struct fake_row *row = &world->rows[attempt->last_row];

    *been = 0;
    if (attempt->last_row == 0 || row->to != attempt->attempt.state)
        return WHY("attempt %llu: its history does not end with what it is", id);
    for (; row != world->rows; row = &world->rows[row->before]) {
        if (!attempt_row_is_allowed(row, &world->rows[row->before]))
            return WHY("attempt %llu: its history has a hole, or a move that is not allowed", id);
        *been |= 1u << row->to;
        if (row->from == FAKE_BORN && row->to == SETTLE_ATTEMPT_REPLACED)
            *been |= 1u << SETTLE_ATTEMPT_SIGNED; // found with its bytes
    }
    return NULL;
}

// Rows are in the order of time: what a trade was at the time of a row, and what came next of it.
static const struct fake_row *trade_at(const struct fake_world *world,
                                       const struct fake_trade *trade, uint32_t row,
                                       const struct fake_row **next)
{
    uint32_t at = trade->last_row;

    for (*next = world->rows; at > row; at = world->rows[at].before)
        *next = &world->rows[at];
    return &world->rows[at];
}

// Once the node has its bytes, its trades show its hash. (Those of an empty one are elsewhere.)
static const char *attempt_is_shown(const struct fake_world *world,
                                    const struct fake_attempt *attempt)
{
    const struct fake_request *request = &world->requests[attempt->request];
    uint64_t hash = digest_of(&attempt->attempt.hash, sizeof(attempt->attempt.hash));

    for (uint32_t at = attempt->last_row; at != 0 && !attempt->attempt.is_empty;
         at = world->rows[at].before) {
        if (world->rows[at].from != SETTLE_ATTEMPT_SIGNED ||
            world->rows[at].to != SETTLE_ATTEMPT_SENT)
            continue;
        for (size_t i = 0; i < request->leg_count; i++) {
            const struct fake_trade *trade = &world->trades[request->legs[i].trade];
            const struct fake_row *next, *was = trade_at(world, trade, at, &next);
            if (was->to == SETTLE_TRADE_PROCESSING && was->hash != hash &&
                (next->from != next->to || next->hash != hash))
                return WHY("trade %llu: its history does not know transaction %llu",
                           (unsigned long long)trade->trade_id,
                           (unsigned long long)attempt->attempt.attempt_id);
        }
    }
    return NULL;
}

static bool has_been(unsigned been, enum settle_attempt_state state)
{
    return (been >> state & 1) != 0;
}

static const struct fake_tx *mined_of(const struct fake_world *world, size_t attempt)
{
    for (size_t i = 0; i < world->tx_count; i++)
        if (!world->txs[i].foreign && world->txs[i].attempt == attempt && world->txs[i].mined)
            return &world->txs[i];
    return NULL;
}

// Signed if it has bytes, mined and in that block if the chain has it.
static const char *attempt_is_so(unsigned been, const struct fake_world *world, size_t at)
{
    const struct fake_attempt *attempt = &world->attempts[at];
    const struct fake_tx *tx = mined_of(world, at);

    if (has_been(been, SETTLE_ATTEMPT_SIGNED) != (attempt->raw_len > 0))
        return WHY("attempt %zu: bytes without a signature, or the other way round", at + 1);
    if (tx != NULL &&
        (!has_been(been, SETTLE_ATTEMPT_MINED) || attempt->attempt.mined_block != tx->block))
        return WHY("attempt %zu: it is in block %llu, which its history does not say", at + 1,
                   (unsigned long long)tx->block);
    if (attempt->gas_booked != (tx != NULL))
        return WHY("attempt %zu: it is in %s block, its gas is %sbooked", at + 1,
                   tx != NULL ? "a" : "no", attempt->gas_booked ? "" : "not ");
    return NULL;
}

// What was signed has a row.
static const char *signatures_why_not(const struct fake_world *world)
{
    for (size_t s = 0; s < world->signed_count; s++) {
        size_t found = 0;
        for (size_t i = 0; i < world->attempt_count; i++)
            found += memcmp(&world->attempts[i].attempt.hash, &world->signatures[s].hash,
                            sizeof(world->signatures[s].hash)) == 0;
        if (found != 1)
            return WHY("signature %zu of nonce %llu has %zu attempts", s,
                       (unsigned long long)world->signatures[s].nonce, found);
    }
    return NULL;
}

const char *fake_history_why_not(const struct fake_world *world)
{
    const char *not = trades_why_not(world);
    unsigned been = 0;

    for (size_t i = 0; not == NULL && i < world->attempt_count; i++) {
        not = attempt_rows(&been, world, &world->attempts[i]);
        if (not == NULL)
            not = attempt_is_so(been, world, i);
        if (not == NULL)
            not = attempt_is_shown(world, &world->attempts[i]);
    }
    return not != NULL ? not : signatures_why_not(world);
}
