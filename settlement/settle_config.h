// The worker's limits, out of the venue's configuration.
#ifndef LONJA_SETTLEMENT_SETTLE_CONFIG_H
#define LONJA_SETTLEMENT_SETTLE_CONFIG_H

#include "base/config.h"
#include "settlement/settle.h"

struct settle_config settle_config_of(const struct config *config);

#endif
