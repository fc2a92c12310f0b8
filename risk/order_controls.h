// The checks of docs/risk.md 3 and 4 that an order passes beside those of order_check.c, which
// calls them in the documented order, and only where something is set. Each returns true, or false
// with *refusal set. Pure; threads: any.
#ifndef LONJA_RISK_ORDER_CONTROLS_H
#define LONJA_RISK_ORDER_CONTROLS_H

#include "risk/order_check.h"

// A confirm flag of a strict member's order: its reference.
CHECKED bool order_controls_confirm(const struct order_check *check, struct refusal *refusal);
// Of buys, who buys: jurisdiction, then investor type.
CHECKED bool order_controls_buyer(const struct order_check *check, struct refusal *refusal);
// Of the account, then of its member.
CHECKED bool order_controls_order_value(const struct order_check *check, struct refusal *refusal);
CHECKED bool order_controls_daily_value(const struct order_check *check, struct refusal *refusal);
// Of buys, with what was bought within a year: the account's investment limit.
CHECKED bool order_controls_bought(const struct order_check *check, int64_t limit,
                                   struct refusal *refusal);
// Of buys: position, then concentration.
CHECKED bool order_controls_position(const struct order_check *check, struct refusal *refusal);
// The account has not been tripped by its executions.
CHECKED bool order_controls_executions(const struct order_check *check, struct refusal *refusal);
// Open orders of account and member, if it may need a place; duplicate; executions.
CHECKED bool order_controls_numbers(const struct order_check *check, struct refusal *refusal);

#endif
