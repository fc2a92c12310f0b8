// Checkpoint: up to which sequence every report is durable in the session stores, so that a start
// need not read the whole tape. Once a second, if there is something: the stores' files are synced
// by a worker thread, then the sequence is written and synced to <state_folder>/fix/position.
//
// Without the file, or with an old one, a start only takes longer: what is reported already is
// passed over. Threads: the loop's thread, and one of its own.
#ifndef LONJA_GATEWAY_FIX_CHECKPOINT_H
#define LONJA_GATEWAY_FIX_CHECKPOINT_H

#include "gateway/common/loop.h"
#include "gateway/fix/desk.h"

struct checkpoint;

CHECKED struct checkpoint *checkpoint_open(struct loop *loop, struct desk *desk);
// Waits for the one that is under way.
void checkpoint_close(struct checkpoint *checkpoint);
// Everything up to `sequence` has been reported and flushed. Does nothing while one is under way.
void checkpoint_make(struct checkpoint *checkpoint, uint64_t sequence);
// The position of the last checkpoint; 0 = none.
uint64_t checkpoint_position(const char *fix_folder);

#endif
