// Tape tool: what an operator does with a tape: `lonja tape verify STATE`, `lonja tape rebuild
// STATE`. STATE is the venue's state folder; results go to `out`, progress and reasons for failure
// to standard error.
//
// Every function returns an exit status: 0, 1 (the world: a file cannot be read or written, or the
// venue is running), 2 (usage), EXIT_POISON (verify: damaged; rebuild: the journal is).
#ifndef LONJA_CORE_TAPE_TOOL_H
#define LONJA_CORE_TAPE_TOOL_H

#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"

// Reads every event and proves it: checksums, order, seals of finished segments, no gap between
// them. Names every block that is damaged. May be used while the venue runs.
CHECKED int tape_tool_verify(const char *state, FILE *out);
// Replays the whole journal; what is on the tape already is compared, and from the first difference
// on the tape is written anew, in segments of `segment_events`. Refuses while a core or a
// lonja-tape runs. Interrupted, it leaves a shorter tape that is whole; lonja-tape or another
// rebuild goes on.
CHECKED int tape_tool_rebuild(const char *state, FILE *out, uint64_t segment_events);

// The words of the command line, argv[0] left out.
CHECKED int tape_tool_command(int count, char **words);

#endif
