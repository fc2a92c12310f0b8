// What the checks of risk/order_controls.h compare with beside the parties (docs/risk.md 4): where
// buyers may come from, refusals that may be confirmed. The engine keeps them; checks only read.
#ifndef LONJA_RISK_CONTROLS_H
#define LONJA_RISK_CONTROLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/ledger.h"
#include "schema/records.h"

enum { JURISDICTION_MAX = 999, JURISDICTION_WORDS = JURISDICTION_MAX / 64 + 1 }; // ISO 3166

struct jurisdictions {                   // all zero: any
    uint8_t mode;                        // enum jurisdictions_mode
    uint8_t count;                       // of codes
    uint16_t last;                       // the highest code
    uint64_t listed[JURISDICTION_WORDS]; // a bit for each code
};

static inline bool jurisdiction_is_listed(const struct jurisdictions *list, uint16_t code)
{
    return code <= JURISDICTION_MAX && (list->listed[code / 64] >> code % 64 & 1) != 0;
}

enum { CONFIRMS_MAX = 1024 };
#define CONFIRM_AGE_MAX_NS ((uint64_t)60 * 1000000000)

struct confirms {   // the last ones, by ascending sequence
    uint64_t count; // of all that were ever added: the next goes to at[count % CONFIRMS_MAX]
    struct confirm_rec at[CONFIRMS_MAX];
};

// Its sequence is above all that are there.
void confirms_add(struct confirms *confirms, const struct confirm_rec *confirm);
// NULL: there is none of that sequence (any more).
const struct confirm_rec *confirms_find(const struct confirms *confirms, uint64_t reject);
// Number of those that are there, and the i-th of them, from 0.
uint32_t confirms_kept(const struct confirms *confirms);
const struct confirm_rec *confirms_at(const struct confirms *confirms, uint32_t i);

struct check_venue { // what checks ask of the venue as a whole
    const struct ledger *ledger;
    const struct confirms *confirms;
    uint32_t day;    // of the command, UTC
    uint32_t period; // of the command: twelfth of a year
};

#endif
