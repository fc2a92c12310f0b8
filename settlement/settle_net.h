// Netting: all that two wallets owe each other in one token by several trades becomes one transfer
// of the difference, or none at all where it is zero. An option per token, off by default. Here are
// the sums, and which modules of a token's compliance forbid it; what becomes of a request's legs
// stands in settle_netting.h.
//
// Pure functions, any thread, nothing allocated. Amounts are the token's smallest units on the
// chain.
//
// What is kept, and checked again by settle_net_check before anything is written: every trade is in
// exactly one net; a net moves what its trades would have moved, so that every wallet ends where it
// would have ended trade by trade. A net is named for its first trade: net_id is its smallest trade
// id, and as a trade is netted once at most (what failed as a net is settled trade by trade), no id
// comes twice. Plan and digest depend on the set of trades only, not on the order in which they
// were read.
#ifndef LONJA_SETTLEMENT_SETTLE_NET_H
#define LONJA_SETTLEMENT_SETTLE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/address.h"
#include "chain/erc3643_modules.h"
#include "chain/keccak.h"
#include "chain/wide.h"

// Trades of one plan: as many as one batch id can name (settle_batch_id.h).
enum { SETTLE_NET_TRADES_MAX = 4096 };

// Why a token is not netted. A stable word, shown and stored.
#define SETTLE_NET_MODULE "netting_module_not_reviewed"

// A planned leg of a trade. `from` and `to` differ, `units` is above zero.
struct settle_net_trade {
    uint64_t trade_id;
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
};

// What becomes of the trades[first … first + count) of a plan. Where `units` is zero nothing moves:
// there is no transaction, and `from` and `to` are those of the first trade.
struct settle_net {
    uint64_t net_id;
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
    size_t first;
    size_t count;
};

// The first of the modules that is not reviewed, or NULL: the token may be netted. A module that
// counts holding periods, transfers or approvals sees other transfers when they are netted; nobody
// can tell one by its code, so that each that is allowed is named. `reviewed` is a list of names
// and addresses, between commas; spaces do not count.
CHECKED const struct erc3643_module *
settle_net_unreviewed(const char *reviewed, const struct erc3643_module *modules, size_t count);

// Nets 1 to SETTLE_NET_TRADES_MAX trades of one token with different ids. Puts `trades` into the
// order of their nets; `nets` has room for as many as there are trades and comes out in rising
// order of net_id. False, both unspecified: a sum does not fit 128 bits.
CHECKED bool settle_net(struct settle_net *nets, size_t *net_count, struct settle_net_trade *trades,
                        size_t count);
// Conservation, computed another way than the plan was. False: the plan must not be used.
CHECKED bool settle_net_check(const struct settle_net *nets, size_t net_count,
                              const struct settle_net_trade *trades, size_t count);
// Keccak-256 over nets and members. Two workers that have read the same trades have the same
// digest.
struct chain_hash settle_net_digest(const struct settle_net *nets, size_t net_count,
                                    const struct settle_net_trade *trades);

#endif
