// What a transaction may cost: the fees of a first bid, of a higher bid at the same nonce, and its
// gas limit. Pure functions, any thread. All fees are wei per unit of gas (EIP-1559):
//
//   a transaction pays base fee + tip, where tip = min(priority_fee, max_fee − base fee);
//   it is valid while base fee ≤ max_fee, and a base fee grows by an eighth from block to block at
//   most.
//
// What the node says (base fee, what others tip) is an opinion: the policy bounds what it can make
// us pay. A bid is what a node's pool compares: a higher one at the same nonce has to raise both
// fees (geth: 10 %, ours 12.5 %).
#ifndef LONJA_SETTLEMENT_SETTLE_FEES_H
#define LONJA_SETTLEMENT_SETTLE_FEES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct settle_fees {
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei; // at most max_fee_wei
};

struct settle_fee_policy {
    uint64_t cap_wei;            // max_fee_wei never exceeds it
    uint64_t priority_floor_wei; // what is offered when the last blocks paid less
    uint64_t priority_cap_wei;   // the tip never exceeds it; at least the floor, at most cap_wei
    uint32_t bump_permille;      // a higher bid raises both fees by this at least
};

// First bid: twice the base fee (good for six full blocks in a row) and what the last blocks paid
// on top, under the caps. False: even the base fee alone does not fit under the cap (wait for
// cheaper blocks).
CHECKED bool settle_fees_first(struct settle_fees *fees, const struct settle_fee_policy *policy,
                               uint64_t base_fee_wei, uint64_t recent_priority_wei);
// Higher bid at the same nonce: both fees up by bump_permille, rounded up, by one wei at least, or
// the market's if that is more. False, nothing written: a cap does not allow it, or the base fee
// alone is above it, so that no bid would be mined and the tip would have been raised for nothing
// (the bid stands; wait for cheaper blocks).
CHECKED bool settle_fees_bump(struct settle_fees *fees, const struct settle_fee_policy *policy,
                              const struct settle_fees *before, uint64_t base_fee_wei,
                              uint64_t recent_priority_wei);
// The policy of a bid that gives its nonce up: the caps are twice as high. It has to be above a bid that stands at the cap,
// and it costs little: a transfer of nothing needs a tenth of the gas. (The signer allows the same, chain/sign_policy.h.)
struct settle_fee_policy settle_fees_giving_up(const struct settle_fee_policy *policy);
// estimate × margin, `max` at most: the margin is a precaution, and a call that fits is not refused
// for it (a first purchase costs 17,000 gas more than a second one). 0 when the estimate is above
// `max`.
uint64_t settle_gas_limit(uint64_t estimate, uint64_t margin_percent, uint64_t max);
// What a call of `legs` will need, where one of `known_legs` needed `known_gas`: rather too much than too little, for it
// is tried by a simulation. 0: nothing is known, or too little to say.
uint64_t settle_gas_guess(size_t known_legs, uint64_t known_gas, size_t legs);

#endif
