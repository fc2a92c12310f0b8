// Rows of reference data, of which one per id is kept: assets, instruments, their state, rules,
// tick tables and schedules; those of risk are record_risk's. One statement or two per event, in
// the caller's transaction.
#ifndef LONJA_SETTLEMENT_RECORD_REFERENCE_H
#define LONJA_SETTLEMENT_RECORD_REFERENCE_H

#include "base/pg.h"
#include "schema/records.h"

// Asserts on an event that is none of these.
CHECKED enum pg_class record_reference_write(struct pg *pg, const struct event *event);

#endif
