/* The indexer's limits, out of the venue's configuration. */
#ifndef LONJA_CHAIN_INDEX_CONFIG_H
#define LONJA_CHAIN_INDEX_CONFIG_H

#include "base/config.h"
#include "chain/index.h"

struct index_config index_config_of(const struct config *config);

#endif
