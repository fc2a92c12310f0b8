#include "settlement/settle_config.h"

#define GWEI UINT64_C(1000000000)
#define MWEI UINT64_C(1000000)
#define MS   UINT64_C(1000000)

enum { SCAN_MS = 5000 };

static struct settle_fee_policy fees_of(const struct config *config)
{
    return (struct settle_fee_policy){
        .cap_wei = (uint64_t)config->settle_fee_cap_gwei * GWEI,
        .priority_floor_wei = (uint64_t)config->settle_priority_fee_mwei * MWEI,
        .priority_cap_wei = (uint64_t)config->settle_priority_fee_max_mwei * MWEI,
        .bump_permille = (uint32_t)config->settle_bump_permille,
    };
}

struct settle_config settle_config_of(const struct config *config)
{
    return (struct settle_config){
        .chain_id = (uint64_t)config->settle_chain_id,
        .confirmations = (uint64_t)config->settle_confirmations,
        .finalized_tag = config->settle_finalized_tag != 0,
        .custody_proof = config->settle_custody_proof != 0,
        .batch_max = (size_t)config->settle_batch_max,
        .claim_max = (size_t)config->settle_claim_max,
        .pace_ns = (uint64_t)config->settle_pace_ms * MS,
        .gather_ns = (uint64_t)config->settle_gather_ms * MS,
        .attempts_max = (uint32_t)config->settle_attempts_max,
        .gas_max = {[SETTLE_GAS_CALL] = (uint64_t)config->settle_gas_call_max,
                    [SETTLE_GAS_BATCH] = (uint64_t)config->settle_gas_batch_max,
                    [SETTLE_GAS_MINT] = (uint64_t)config->settle_gas_mint_max,
                    [SETTLE_GAS_IDENTITY] = (uint64_t)config->settle_gas_identity_max,
                    [SETTLE_GAS_DEPLOY] = (uint64_t)config->settle_gas_deploy_max},
        .gas_margin_percent = (uint64_t)config->settle_gas_margin_percent,
        .fees = fees_of(config),
        .tick_ns = (uint64_t)config->settle_tick_ms * MS,
        .poll_ns = (uint64_t)config->settle_poll_ms * MS,
        .scan_ns = SCAN_MS * MS,
        .netting_modules = config->settle_netting_modules,
        .stuck_ns = (uint64_t)config->settle_stuck_ms * MS,
    };
}
