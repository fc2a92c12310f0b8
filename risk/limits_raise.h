// Does a record of limits allow more than another? Two persons are asked before it may
// (docs/risk.md 8). Pure. Threads: any.
#ifndef LONJA_RISK_LIMITS_RAISE_H
#define LONJA_RISK_LIMITS_RAISE_H

#include <stdbool.h>

#include "schema/records.h"

// True if `next` (as checked: no value below 0) raises something of `now`: a limit that is off or
// higher than before, a window (duplicate_ms is one) that is shorter, a flag taken away. Where
// there were no limits so far (`now` all zero) nothing is a raise. Scope and id are not looked at.
bool limits_raise(const struct limits_rec *now, const struct limits_rec *next);

#endif
