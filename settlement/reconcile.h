// Reconciliation of one token in one wallet: what the chain should have by the ledger, what it has,
// and the likely cause where they differ. Pure; any thread.
//
//   expected on the chain = (total − deficit + in flight + booking + arriving) × unit + moved +
//   dust
//                           + released
//
// Of a wallet in custody what is frozen is compared, too (reconcile_custody.h).
//
// Of a stablecoin's escrow (docs/stablecoin.md) total is what the ledger owes in all, and
// `released` what has left the ledger or never was in it, and is in the escrow still.
//
// Amounts are the token's smallest units on the chain unless the name says units (of the ledger,
// 10^-scale).
#ifndef LONJA_SETTLEMENT_RECONCILE_H
#define LONJA_SETTLEMENT_RECONCILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

__extension__ typedef __int128 reconcile_amount;

struct reconcile_figures {
    reconcile_amount unit; // of the chain per unit of the ledger: 10^(decimals − scale)
    int64_t total_units;   // available + held, of the record
    int64_t deficit_units; // what an outside fact took and was not there
    bool is_escrow;
    bool ledger_known;       // the next is of the engine's events, at the same sequence
    int64_t ledger_units;    // total − deficit, of the ledger
    int64_t in_flight_units; // sold less bought by trades that the chain has not settled
    int64_t booking_units;   // outside transfers on their way to the ledger, in less out
    int64_t refused_units;   // … that it has refused
    int64_t arriving_units;  // … that are booked when they are frozen (custody)
    int64_t off_chain_units; // bought less sold by trades that were settled off the chain
    reconcile_amount moved; // by settlements that the record does not know yet (less those that the
                            // chain does not)
    reconcile_amount dust;
    reconcile_amount released;  // withdrawn from the ledger, in the wallet still (custody, escrow)
    reconcile_amount indexed;   // sum of the Transfers that were read
    reconcile_amount unbooked;  // … while the wallet was nobody's here
    reconcile_amount unplanned; // … of our transactions that no leg planned
    reconcile_amount chain;     // balanceOf
};

// The words of the table's check constraint (schema/sql/deploy/reconcile.sql).
enum reconcile_cause {
    RECONCILE_EQUAL,
    RECONCILE_DATABASE_BEHIND,
    RECONCILE_RECORD_DIFFERS,
    RECONCILE_UNINDEXED,
    RECONCILE_BOOKING,
    RECONCILE_REFUSED,
    RECONCILE_OFF_CHAIN,
    RECONCILE_BEFORE_ACCOUNT,
    RECONCILE_UNPLANNED,
    RECONCILE_UNKNOWN,
    RECONCILE_ESCROW,
    // … of custody:
    RECONCILE_UNINDEXED_FREEZE,
    RECONCILE_CUSTODY,
    RECONCILE_CLAIM,
    RECONCILE_UNFROZEN,
    RECONCILE_NOT_FROZEN,
    RECONCILE_SURPLUS,
};

enum { RECONCILE_WORDS_MAX = 256, RECONCILE_AMOUNT_MAX = 44 };

struct reconcile_judgement {
    enum reconcile_cause cause;
    reconcile_amount difference; // chain less expected
    char words[RECONCILE_WORDS_MAX];
};

void reconcile_judge(struct reconcile_judgement *out, const struct reconcile_figures *figures);
reconcile_amount reconcile_expected(const struct reconcile_figures *figures);

// "settled_off_chain"
const char *reconcile_cause_word(enum reconcile_cause cause);

// Decimal digits with a sign; false when it is no such number or too large.
__attribute__((warn_unused_result)) bool reconcile_parse(reconcile_amount *out, const char *text);
void reconcile_format(char out[RECONCILE_AMOUNT_MAX], reconcile_amount amount);

#endif
