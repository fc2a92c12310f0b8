// Plants: bugs that are put into the venue on purpose, one at a time, at link time. Each must be
// found by some seed (tests/sim/run --planted), else the simulator does not test what it says.
#ifndef LONJA_SIM_PLANTS_H
#define LONJA_SIM_PLANTS_H

#include <stdbool.h>
#include <stdio.h>

enum plant {
    PLANT_NONE,
#define PLANTS(P)                                                                                  \
    P(sync_lies, "the journal's sync reports success and does nothing")                            \
    P(answer_before_sync, "durable_seq is published when a command is queued")                     \
    P(torn_block_taken, "the reader does not look at a block's checksums")                         \
    P(event_before_command, "durable_seq is published one command ahead")                          \
    P(snapshot_not_synced, "a snapshot gets its name before it is on the disk")                    \
    P(digest_skipped, "the core leaves an event out of its running digest")                        \
    P(hold_not_released, "a cancelled order keeps its hold")                                       \
    P(time_priority_lost, "a trade names the wrong maker")                                         \
    P(cursor_alone, "the recorder's cursor moves outside of the rows' transaction")                \
    P(in_doubt_forgotten, "an attach forgets what it was told about requests in doubt")            \
    P(attach_too_early, "a gateway takes an attach of a former life for its own")                  \
    P(view_misses_cancel, "a gateway's view overlooks a cancel")                                   \
    P(tape_forgets, "the tape drops the events of a command")                                      \
    P(nonce_reused, "settlement takes a nonce that it has used already")                           \
    P(result_not_resent, "settlement takes a result that was lost with the core for booked")       \
    P(net_short, "settlement nets a unit less than its trades make, and knows no better")          \
    P(unfrozen_overlooked, "settlement does not see that a transfer took of what it had frozen")   \
    P(net_forgets, "a trade of a net of zero is left over, and goes by itself")                    \
    P(moved_unlooked, "settlement does not look whether final blocks are the chain's still")       \
    P(incident_untold, "a trade that the chain has not as its row says is told to nobody")         \
    P(reorg_booked_twice, "the index does not take back what a reorganisation has taken away")     \
    P(own_as_outside, "the index takes some of settlement's own transfers for those of others")    \
    P(booking_not_resent, "the index takes a booking that was lost with the core for done")        \
    P(logs_not_proved, "the index does not compare logs with receipts")                            \
    P(lagging_believed, "the pool believes an endpoint that has not come so far yet")              \
    P(liar_believed, "the pool believes the first of two endpoints that differ")                   \
    P(instruction_short, "an instruction brings a unit less than it takes")                        \
    P(secret_unasked, "an instruction is executed by a secret that is not its own")                \
    P(epoch_not_raised, "a core writes under the epoch of the one before it")
#define PLANT_ENUM(name, what) PLANT_##name,
    PLANTS(PLANT_ENUM)
#undef PLANT_ENUM
        PLANT_COUNT
};

// By name; false: no such plant.
bool plants_choose(const char *name);
bool plants_is(enum plant plant);
void plants_list(FILE *stream);
void plants_begin(void); // of a life: after the files, before the processes

#endif
