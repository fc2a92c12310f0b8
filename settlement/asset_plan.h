// What an asset's deployment is made of (B9, M17): terms become steps, each one transaction, and
// the checks that read everything back. Pure but for reading the compiled contracts.
//
// Terms, the body of POST /api/v1/deploy:
//
//   asset            the venue's number of the token, a draft (people.token)
//   name, symbol, decimals (0 to 18)
//   implementation_authority   of the chain's T-REX implementations; absent: they are deployed
//   first agents           [address]; absent: the deployer alone (B9's TX4 and TX5, one pair each)
//   claim_topics     [number], at most 15
//   trusted_issuers  [{issuer, topics}], at most 50
//   modules          [{module, settings: [{method, arguments}]}], at most 25, in the order in which
//                    they are to be asked (S3)
//   onchain_id       the token's own identity, or absent
//   open             true: the token is unpaused at the end; absent: it stays paused
//   owner            address that everything is handed over to at the end, or absent: the deployer
//   artifacts        {NAME: path below the folder of artifacts}; absent: NAME.json is searched
//   there
//
// The plan is JSON, so that it can be frozen, kept in a row and read by a person:
//
//   {"terms": …frozen, with chain_id, deployer and the hash of each contract's code,
//    "terms_hash": "0x…" Keccak-256 of the frozen terms with sorted keys,
//    "steps": [{"name", "operation": deploy|configure|add_agent, "contract": ref or absent,
//               "artifact", "path", "code_hash", "code_length", "constructor", "values"   deploy
//               "method", "values"                                                       configure
//               "agent" add_agent}],
//    "checks": [{"what", "contract": ref, "method", "values", "types", "expected"}]}
//
// A ref, wherever an address may stand, is "$STEP": the contract that the step of that name made.
#ifndef LONJA_SETTLEMENT_ASSET_PLAN_H
#define LONJA_SETTLEMENT_ASSET_PLAN_H

#include "settlement/refusal.h"

enum { ASSET_STEPS_MAX = 250, ASSET_NAME_MAX = 100, ASSET_SYMBOL_MAX = 16 };

struct asset_plan_place {
    uint64_t chain_id;
    struct chain_address deployer;
    const char *artifacts_folder;
};

// A new reference; NULL with *refusal written.
CHECKED json_t *asset_plan_make(struct refusal *refusal, json_t *terms,
                                const struct asset_plan_place *place);

// What a step asks for once the contracts in `addresses` ({STEP: address}) are there: *contract is
// its contract ("" for a deploy), the result the request's `arguments` (settle_setup.h); a new
// reference. NULL: a contract that it needs is not there, or a value is not of its type (`error`).
CHECKED json_t *asset_plan_arguments(char contract[ADDRESS_TEXT_SIZE], const json_t *step,
                                     const json_t *addresses, char *error, size_t error_max);

// The value with every "$STEP" replaced; NULL if one is not there.
CHECKED json_t *asset_plan_resolve(const json_t *value, const json_t *addresses);

// The name of the step that makes the contract on which `step` calls, or NULL: it makes one itself,
// or the contract is not of this plan.
const char *asset_plan_needs(const json_t *step);

#endif
