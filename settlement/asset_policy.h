// What the signer's policy must say for an asset (chain/sign_policy.h): which contracts may be
// created for it, what may be called while it is set up, and what afterwards, when it is traded.
//
// The policy is the custodian's. Nothing here is called by the venue's processes: `lonja asset`
// prints the rules, and writes them into the file only when its operator says so.
#ifndef LONJA_SETTLEMENT_ASSET_POLICY_H
#define LONJA_SETTLEMENT_ASSET_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

enum asset_policy_phase {
    ASSET_POLICY_SET_UP,  // creations, set-up calls, and everything of the next phase
    ASSET_POLICY_TRADING, // agents' calls on token and identity registry, nothing else
};

// {"allow": [{"contract", "methods"}], "create": [{"name", "code_hash", "code_length"}]} of the
// plan's steps, for the contracts that are in `addresses` ({STEP: address}) by now. A new
// reference.
CHECKED json_t *asset_policy_rules(const json_t *steps, const json_t *addresses,
                                   enum asset_policy_phase phase);

// Puts the rules into the policy: an entry of a contract or of a code hash that is there gets what
// the rules say, others are added, everything else stays. In the phase of trading contracts without
// methods leave it, and so do the plan's creations.
void asset_policy_merge(json_t *policy, const json_t *rules, const json_t *steps,
                        const json_t *addresses, enum asset_policy_phase phase);

// Reads the file, merges, and renames the new one into its place. False with `error` written.
CHECKED bool asset_policy_write(const char *path, const json_t *steps, const json_t *addresses,
                                enum asset_policy_phase phase, char *error, size_t error_max);

#endif
