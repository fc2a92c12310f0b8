#include "chain/network.h"

#include <stdio.h>
#include <string.h>

/* Gas limits: what the operation needs on the T-REX contracts (measured on anvil), times 1.25,
 * rounded up. The documents' 300,000 and 3,000,000 (B10) do not suffice (U35): a forced
 * transfer takes 209,708, the first one to a wallet that has none of the token 241,747; a mint up
 * to 243,000, an identity 456,495, the largest deployment 5,241,563, a batch of 100 transfers
 * 8,300,200. On Arbitrum the price of the bytes on Ethereum comes on top of that, as gas; its limit
 * for one transaction is 32,000,000.
 */
#define GAS_EVM                                                                                    \
    .gas_call_max = 400000, .gas_mint_max = 400000, .gas_batch_max = 12000000,                     \
    .gas_identity_max = 600000, .gas_deploy_max = 8000000

const struct network networks[] = {
    {.name = "dev",
     .title = "development chain (anvil, hardhat)",
     .block_ms = 1000,
     .chain_id = 31337,
     .confirmations = 1,
     .finalized_tag = 0,
     .priority_fee_mwei = 1000,
     .priority_fee_max_mwei = 100000,
     .fee_cap_gwei = 500,
     .bump_permille = 125,
     .stuck_ms = 60000,
     GAS_EVM,
     .rpc_rate_max = 0,
     .rpc_lag_max = 2},
    {.name = "testnet",
     .title = "Sepolia, Ethereum's test network",
     .block_ms = 12000,
     .chain_id = 11155111,
     .confirmations = 2,
     .finalized_tag = 1,
     .priority_fee_mwei = 1000,
     .priority_fee_max_mwei = 50000,
     .fee_cap_gwei = 500,
     .bump_permille = 125,
     .stuck_ms = 120000,
     GAS_EVM,
     .rpc_rate_max = 50,
     .rpc_lag_max = 2},
    {.name = "amoy",
     .title = "Amoy, Polygon's test network",
     .block_ms = 2000,
     .chain_id = 80002,
     .confirmations = 32,
     .finalized_tag = 1,
     .priority_fee_mwei = 30000,
     .priority_fee_max_mwei = 500000,
     .fee_cap_gwei = 5000,
     .bump_permille = 125,
     .stuck_ms = 30000,
     GAS_EVM,
     .rpc_rate_max = 50,
     .rpc_lag_max = 5},
    {.name = "polygon",
     .title = "Polygon PoS",
     .block_ms = 2000,
     .chain_id = 137,
     .confirmations = 32,
     .finalized_tag = 1,
     .priority_fee_mwei = 30000,
     .priority_fee_max_mwei = 500000,
     .fee_cap_gwei = 5000,
     .bump_permille = 125,
     .stuck_ms = 30000,
     GAS_EVM,
     .rpc_rate_max = 50,
     .rpc_lag_max = 5},
    {.name = "arbitrum",
     .title = "Arbitrum One",
     .block_ms = 250,
     .chain_id = 42161,
     .confirmations = 20,
     .finalized_tag = 1,
     .priority_fee_mwei = 0,
     .priority_fee_max_mwei = 1000,
     .fee_cap_gwei = 10,
     .bump_permille = 125,
     .stuck_ms = 30000,
     .gas_call_max = 3000000,
     .gas_mint_max = 4000000,
     .gas_batch_max = 32000000,
     .gas_identity_max = 6000000,
     .gas_deploy_max = 32000000,
     .rpc_rate_max = 50,
     .rpc_lag_max = 40},
    {.name = "base",
     .title = "Base",
     .block_ms = 2000,
     .chain_id = 8453,
     .confirmations = 5,
     .finalized_tag = 1,
     .priority_fee_mwei = 1,
     .priority_fee_max_mwei = 5000,
     .fee_cap_gwei = 20,
     .bump_permille = 125,
     .stuck_ms = 30000,
     GAS_EVM,
     .rpc_rate_max = 50,
     .rpc_lag_max = 5},
};
const size_t networks_count = sizeof(networks) / sizeof(networks[0]);

const struct network *network_find(const char *name)
{
    for (size_t i = 0; i < networks_count; i++)
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    return NULL;
}

void network_apply(struct config *config, const struct network *network)
{
    snprintf(config->settle_network, sizeof(config->settle_network), "%s", network->name);
#define X(key) config->settle_##key = network->key;
    NETWORK_KEYS(X)
#undef X
}
