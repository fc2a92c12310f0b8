// Refusal: which check refused a command, in the catalogue's words, and the state that this check
// looked at.
#ifndef LONJA_CORE_EXPLAIN_REFUSAL_H
#define LONJA_CORE_EXPLAIN_REFUSAL_H

#include "core/explain_answer.h"
#include "core/explain_view.h"

// `before` is the state just before the command; `rejected` its event.
void explain_refusal_tell(struct explain_answer *answer, const struct explain_view *before,
                          const struct command *command, const struct event *rejected);

#endif
