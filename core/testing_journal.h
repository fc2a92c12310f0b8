// Journals for tests of what reads them: of any disk, quickly made, with an engine's limits in
// every segment.
#ifndef LONJA_CORE_TESTING_JOURNAL_H
#define LONJA_CORE_TESTING_JOURNAL_H

#include "core/journal.h"
#include "core/replay.h"

enum { SEGMENT_BYTES = 32 * 1024 }; // seven blocks of one page

extern const struct engine_limits testing_limits;

// One life of a core, from sequence `last` and its chain on: blocks of clock ticks, one slot each.
// Returns the last sequence.
uint64_t testing_live(const struct journal_io *io, uint64_t epoch, uint64_t last, uint32_t *chain,
                      int blocks, int commands);
// Two lives of 20 blocks of three commands: 120 sequences, six segments.
uint64_t testing_make_journal(const struct journal_io *io);

#endif
