// Judge: the journal's commands once more, by the naive venue (tests/model), which shares no source
// with the engine; and the money, by folding postings. See laws.h.
#ifndef LONJA_SIM_JUDGE_H
#define LONJA_SIM_JUDGE_H

#include "matcher/engine.h"

void judge_begin(const struct engine_limits *limits);
// The next command with the events that the engine made of it.
void judge_apply(const struct command *command, const struct event *events, uint32_t count);
void judge_end(const struct engine *engine);
uint64_t judge_trades(void);

#endif
