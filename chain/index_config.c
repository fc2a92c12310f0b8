#include "chain/index_config.h"

#define MS UINT64_C(1000000)

struct index_config index_config_of(const struct config *config)
{
    return (struct index_config){
        .chain_id = (uint64_t)config->settle_chain_id,
        .confirmations = (uint64_t)config->settle_confirmations,
        .finalized_tag = config->settle_finalized_tag != 0,
        .from_block = (uint64_t)config->index_from_block,
        .range_blocks = (uint64_t)config->index_range_blocks,
        .reorg_blocks_max = (uint64_t)config->index_reorg_blocks_max,
        .header_hash = config->index_header_hash != 0,
        .poll_ns = (uint64_t)config->index_poll_ms * MS,
    };
}
