/* The way to the chain as the configuration has it: endpoints from settle.rpc_file or
 * settle.rpc_url, a pool around them. Every process that speaks with the chain opens it here.
 */
#ifndef LONJA_CHAIN_RPC_OPEN_H
#define LONJA_CHAIN_RPC_OPEN_H

#include "base/config.h"
#include "chain/rpc_pool.h"

/* Fills the pool (the caller's, and it stays where it is) and `ops`. `is_cancelled` as in
 * rpc_http_config, or NULL. Nothing is connected. False, with a text in `error` that holds no
 * address beyond the host, when the list is empty, too long or has an address that cannot be used,
 * or the file cannot be read. */
__attribute__((warn_unused_result)) bool
rpc_open(struct rpc_ops *ops, struct rpc_pool *pool, const struct config *config,
         bool (*is_cancelled)(void *context), void *cancel_context, char *error, size_t error_max);

/* Scheme, host and port of an address: what may be logged of it. */
void rpc_public_name(char out[RPC_ENDPOINT_NAME_MAX], const char *url);

#endif
