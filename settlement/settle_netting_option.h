// `lonja settle netting`: which tokens are netted, and the option itself. It is set only where the
// compliance contract lets it be now; the worker asks again before each net, for modules may be
// added later (settle_item_net.c).
#ifndef LONJA_SETTLEMENT_SETTLE_NETTING_OPTION_H
#define LONJA_SETTLEMENT_SETTLE_NETTING_OPTION_H

#include "base/config.h"

// `words` are those behind "netting". Returns the exit status.
extern const char settle_netting_usage[];
int settle_netting_option(const struct config *config, int count, char **words);

#endif
