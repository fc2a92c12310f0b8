// Why: the reasons that an order has not (wholly) traded, from its life and the state at its end.
#ifndef LONJA_CORE_EXPLAIN_WHY_H
#define LONJA_CORE_EXPLAIN_WHY_H

#include "core/explain_answer.h"
#include "core/explain_life.h"
#include "core/explain_view.h"

// `last` is the state after the last command of life: when it ended, or the durable end. Sentences,
// and the JSON array "why".
void explain_why_tell(struct explain_answer *answer, const struct explain_life *life,
                      const struct explain_view *last);

#endif
