// Progress of long work on a journal, on standard error: on a terminal one line that is written
// over (percent, bytes, rate, time left), elsewhere a plain line every ten seconds. Work that is
// done within a second says nothing.
#ifndef LONJA_CORE_JOURNAL_PROGRESS_H
#define LONJA_CORE_JOURNAL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_reader.h"

struct journal_progress {
    const char *what; // "verify"
    uint64_t bytes;   // of all segments; 0 = not known
    uint64_t first;   // segment
    uint64_t began_ns, next_ns;
    unsigned calls;
    bool terminal, shown;
};

void journal_progress_begin(struct journal_progress *progress, const char *what,
                            const struct journal_io *io);
// The reader has got this far. Cheap: it looks at the clock only now and then.
void journal_progress_at(struct journal_progress *progress, const struct journal_reader *reader);
// Some bytes of a known number are done; always looks at the clock.
void journal_progress_bytes(struct journal_progress *progress, uint64_t done);
void journal_progress_end(struct journal_progress *progress);
// The line, for `done` of `bytes` after `span_ns`.
void journal_progress_line(char *out, size_t size, const char *what, uint64_t done, uint64_t bytes,
                           uint64_t span_ns);

#endif
