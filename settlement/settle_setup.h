// Calldata of the requests that set contracts up (operations deploy, configure, add_agent): what
// they ask for stands in chain.chain_request.arguments, as data that a person can read, never as
// bytes.
//
//   deploy     {"artifact": "TokenProxy", "path": "/…/TokenProxy.json", "code_hash": "0x…",
//               "arguments": "0x…"}   the artifact is read again, and must still have that code;
//                                     arguments: of the constructor, encoded (chain/abi_text.h)
//   configure  {"method": "addModule(address)", "arguments": ["0x…"]}   one of
//                                     SETTLE_SETUP_METHODS, on contract_address
//   add_agent  {"agent": "0x…"}       on contract_address: the token or the identity registry (B9)
//
// Any thread. Allocates while it reads an artifact.
#ifndef LONJA_SETTLEMENT_SETTLE_SETUP_H
#define LONJA_SETTLEMENT_SETTLE_SETUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/artifact.h"

enum { SETTLE_SETUP_ERROR_MAX = 320 };

// What `configure` may call; names of chain/erc3643.h.
#define SETTLE_SETUP_METHODS(M)                                                                    \
    M(ADD_AGENT)                                                                                   \
    M(REMOVE_AGENT)                                                                                \
    M(TRANSFER_OWNERSHIP)                                                                          \
    M(BIND_IDENTITY_REGISTRY)                                                                      \
    M(BIND_TOKEN)                                                                                  \
    M(ADD_MODULE)                                                                                  \
    M(CALL_MODULE_FUNCTION)                                                                        \
    M(ADD_CLAIM_TOPIC)                                                                             \
    M(ADD_TRUSTED_ISSUER)                                                                          \
    M(ADD_AND_USE_VERSION)                                                                         \
    M(PAUSE)                                                                                       \
    M(UNPAUSE)

// Whether the operation is one of these three.
bool settle_setup_is_of(const char *operation);

// Writes the calldata, for a deploy the init code (the transaction then has no receiver). Returns
// its length, or -1 with `error` written: a stable word, then what was wrong, as "artifact_changed:
// the code of /… is 0x…, 0x… was asked for".
CHECKED ssize_t settle_setup_build(uint8_t *out, size_t max, const char *operation,
                                   const char *arguments_json, char error[SETTLE_SETUP_ERROR_MAX]);

#endif
