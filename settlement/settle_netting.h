// Netting within a request: the legs of a request are its trades, each with what it would move by
// itself; legs of the same pair of wallets may share a place in the transaction, where they move
// their difference together (settle_net.h has the sums). What the contract is called with, what its
// events must be and who is to blame goes by places ("movements"); what becomes of trades goes by
// legs.
//
// Order: only legs that could have been carried out one after the other in trade order, with
// running balances, are planned (the preflight has judged them so), and only if the movements can
// be carried out, too, in the order of their places. A net is never in the way of a trade that
// needs the units of its wallets: where no order serves, nothing is netted.
//
// Pure functions, any thread, nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_NETTING_H
#define LONJA_SETTLEMENT_SETTLE_NETTING_H

#include "chain/keccak.h"
#include "settlement/settle_call.h"
#include "settlement/settle_preflight.h"

// Of the legs of a net of zero: they have no place in the transaction.
enum { SETTLE_PLACE_NONE = UINT8_MAX };

// Gives each leg its place and, where it shares it, its net. `preflight` has the wallets of all
// legs. False, nothing is changed: no two legs share their wallets, a sum does not fit, or there is
// no order of the movements that the balances allow.
CHECKED bool settle_netting_plan(struct settle_call *call,
                                 const struct settle_preflight *preflight);
// Each leg by itself again.
void settle_netting_dissolve(struct settle_call *call);

// The movements in order: `call` itself if nothing is netted in it, else `scratch`, where each has
// the number and the trade of its first leg.
const struct settle_call *settle_netting_moves(struct settle_call *scratch,
                                               const struct settle_call *call);
size_t settle_netting_move_count(const struct settle_call *call);
// The first leg at a place, and how many are there.
size_t settle_netting_leg_at(const struct settle_call *call, size_t move, size_t *count);

// What is known of each movement becomes what is known of its legs; nothing is changed unless the
// call is netted.
void settle_netting_spread_evidence(struct erc3643_evidence evidence[SETTLE_LEGS_MAX],
                                    const struct settle_call *call);
void settle_netting_spread_logs(uint32_t log_index[SETTLE_LEGS_MAX],
                                const struct settle_call *call);

// The nets of a call, in rising order of net_id; those that move nothing have no units.
struct settle_netting_net {
    uint64_t net_id; // its first trade
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
    size_t trades;
    struct chain_hash digest; // over all of that and its trades (settle_net_digest)
};
size_t settle_netting_nets(struct settle_netting_net nets[SETTLE_LEGS_MAX],
                           const struct settle_call *call);

#endif
