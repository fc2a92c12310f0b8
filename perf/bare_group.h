// Bare groups: the floor of durable commands at a high rate, and of their p99. Commands come at a steady rate; whatever
// has come is written as one run of whole pages, one write outstanding, as the journal does (group commit), with no
// ring, engine or checksum. Beside it a thread fills one new segment with zeroes for each that is written full, past
// the cache and in as large pieces as the journal's preparer (core/journal.c): the disk takes the same bytes.
//
// How long a command waits depends on the longest few writes of a run: one that takes 30 ms makes every command of
// these 30 ms late. So a p99 of the venue says little without the p99 of these, in turn with it in the same run.
#ifndef LONJA_PERF_BARE_GROUP_H
#define LONJA_PERF_BARE_GROUP_H

#include <stdint.h>

#include "base/assert.h"
#include "perf/measure.h"

struct bare_group {
    const char *folder; // its files are made there, and removed
    uint32_t rate;      // commands/s
    uint32_t command_bytes;
    uint64_t segment_bytes; // a multiple of 256 KiB
};

// Runs for that long and adds a sample for each command, from when it was due until its write was done. The calling
// thread writes. Returns 0 or -errno.
CHECKED int bare_group_run(const struct bare_group *group, struct samples *samples, uint64_t span_ns);

#endif
