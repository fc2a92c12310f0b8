// Postgres: the tables that the recorder writes (behind settlement/record_store.h), and around them
// the settlement worker's (settlement/settle_fake.h), in memory. The indexer's are in
// index_store.h.
//
// Fault model. The server goes away and comes back (postgres_stop, postgres_start); it crashes:
// sessions and unfinished transactions are gone, and so are the last commits of the recorder, which
// are not synced (postgres_crash); a session is killed; a commit happens and its answer is lost; a
// commit is lost before it happens. What the settlement worker commits is synced, and with it
// everything committed before. The lock of a recorder that has died stays for a while.
#ifndef LONJA_SIM_POSTGRES_H
#define LONJA_SIM_POSTGRES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/boot.h"
#include "schema/records.h"
#include "settlement/settle_fake.h"

void postgres_begin(uint64_t seed);
void postgres_stop(void);
void postgres_start(void);
// The last commits that are not synced are lost if `loses`.
void postgres_crash(bool loses);
void postgres_session_gone(enum process_id process);
// Of 1,000 statements so many fail, in one way or another.
void postgres_set_faults(uint32_t permille);
uint64_t postgres_cursor(void);
// Of whoever else has tables there (index_store.c), which writes them in one go between the two.
// False: there is no server, or the transaction does not begin; the commit's answer is lost.
bool postgres_begins(void);
bool postgres_commits(void);
uint64_t postgres_server(void); // its lives, for sessions of former ones
extern bool
    postgres_cursor_alone; // a bug to plant: the cursor moves outside of the rows' transaction

// Of the settlement worker: its world, and the results of `settle` with the trade's terms filled
// in.
struct fake_world *postgres_world(void);
void postgres_fill_result(struct settle_result *result);
// What the chain may do to this life's trades: move one twice; make incidents at all.
void postgres_set_promise(bool may_move_twice, bool may_have_incidents);
void postgres_close_incidents(void);
// NULL: every trade is settled or has failed, and the core has answered every result.
const char *postgres_settlement_why_not(void);

// ---- the last judgement: the rows beside the journal.
void postgres_judge_trade(const struct event *event); // in order
void postgres_judge_booked(const struct settlement_booked_evt *booked);
void postgres_judge_order(uint64_t order, int64_t filled, int64_t leaves);
void postgres_judge_balance(uint32_t account, uint32_t asset, const struct balance_rec *balance);
void postgres_judge_wallet(unsigned client, const struct balance_rec *balance); // on the chain
void postgres_judge_end(void);
// What has happened on the chain: transactions of ours that moved something, trades that they and
// nets of zero have moved, nets, incidents.
void postgres_count(uint64_t *transactions, uint64_t *moved, uint64_t *nets, uint64_t *incidents);

#endif
