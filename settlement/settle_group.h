// Which pending trades go into which request: the queue is walked in trade order, and the trades of
// one token fill one request after the other. A trade whose seller awaits units of an earlier trade
// waits, unless that trade precedes it in the very request that it joins: there the units are his
// by the time his leg runs, and if they are not the whole transaction is undone.
//
// Pure, one thread, nothing allocated; used by the Postgres store and by the tests' fake alike.
#ifndef LONJA_SETTLEMENT_SETTLE_GROUP_H
#define LONJA_SETTLEMENT_SETTLE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SETTLE_GROUPS_MAX = 64,          // requests of one claim
    SETTLE_GROUP_PAIRS_MAX = 1 << 14 // (token, account) pairs that one walk may know
};

struct settle_group_trade {
    uint32_t token;
    uint32_t buyer; // accounts
    uint32_t seller;
    bool is_blocked; // the seller awaits units of a trade that is not in this walk
    size_t limit;    // legs beside it at most, itself included; 0 = as many as there may be
};

enum settle_group_answer {
    SETTLE_GROUP_TAKEN, // *group is set: 0, 1, 2 … in the order of their first trades
    SETTLE_GROUP_WAITS,
    SETTLE_GROUP_FULL, // no room for more: the walk ends
};

struct settle_group_pair {
    uint32_t token;
    uint32_t account;
    int32_t state; // what the account awaits: units of a group, or of something that waits
};

struct settle_group {
    size_t batch_max;
    size_t group_count;
    size_t pair_count;
    struct settle_group_one {
        uint32_t token;
        size_t count;
        size_t limit;
    } groups[SETTLE_GROUPS_MAX];
    struct settle_group_pair pairs[SETTLE_GROUP_PAIRS_MAX];
};

// `groups_max` at most SETTLE_GROUPS_MAX requests of up to `batch_max` legs.
void settle_group_begin(struct settle_group *walk, size_t batch_max);
// The next trade of the queue; each pending one must come, in order of their ids.
enum settle_group_answer settle_group_next(struct settle_group *walk, size_t *group,
                                           const struct settle_group_trade *trade,
                                           size_t groups_max);
#endif
