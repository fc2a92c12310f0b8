// Fence: the file STATE/replication/fence, which says since which epoch this host's journal may be
// written, and by whom. It is what is left of a promotion:
//
//   own = true    this host was promoted: it begins no epoch below `epoch`, and follows no primary
//                 whose epoch is below it
//   own = false   another host was promoted in this one's place: it may not begin an epoch at all
//                 until it has followed the new primary into `epoch`
//
// A promotion goes to the next multiple of REPLICA_EPOCHS_PER_PROMOTION, plus one: more epochs than
// a host that was replaced can begin by restarting, so that the higher epoch is always the newer
// primary. One line of text, replaced as a whole and synced.
#ifndef LONJA_CORE_REPLICA_FENCE_H
#define LONJA_CORE_REPLICA_FENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

enum { REPLICA_EPOCHS_PER_PROMOTION = 1000000 };

struct replica_fence {
    uint64_t epoch; // 0 = there is no fence
    bool own;
};

// Returns 0 (a file that is absent is a fence of epoch 0), -EBADMSG (damaged) or -errno.
CHECKED int replica_fence_read(struct replica_fence *fence, const char *state_folder);
// Durable when it returns 0, else -errno. `reason` is for people, one line.
CHECKED int replica_fence_write(const struct replica_fence *fence, const char *state_folder,
                                const char *reason);
// The epoch with which a host is promoted whose journal ends in `epoch`.
uint64_t replica_promotion_epoch(uint64_t epoch, const struct replica_fence *fence);

#endif
