// Rows of risk: what holds now of sessions' accounts, limits, controls, jurisdictions, fees, kill
// switches, the venue's rules, and what became of each proposal. One statement or two per event,
// in the caller's transaction.
#ifndef LONJA_SETTLEMENT_RECORD_RISK_H
#define LONJA_SETTLEMENT_RECORD_RISK_H

#include "base/pg.h"
#include "schema/records.h"

// Asserts on an event that is none of these.
CHECKED enum pg_class record_risk_write(struct pg *pg, const struct event *event);

#endif
