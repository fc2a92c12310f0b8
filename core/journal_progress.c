#include "core/journal_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/numbered_file.h"

enum { CALLS_PER_LOOK = 64 };
static const uint64_t SECOND_NS = 1000000000, PLAIN_NS = 10000000000, TERMINAL_NS = 200000000;
static const uint64_t MEGABYTE = 1000000;

void journal_progress_begin(struct journal_progress *progress, const char *what,
                            const struct journal_io *io)
{
    *progress = (struct journal_progress){.what = what,
                                          .began_ns = clock_monotone_ns(&clock_system),
                                          .terminal = isatty(STDERR_FILENO) == 1};
    progress->next_ns = progress->began_ns + SECOND_NS;
    uint64_t last;
    if (journal_segments(io, &progress->first, &last) <= 0)
        return;
    for (uint64_t number = progress->first; number <= last; number++) {
        struct journal_segment_header header;
        if (journal_segment_header_read(io, &header, number))
            progress->bytes += header.bytes;
    }
}

void journal_progress_line(char *out, size_t size, const char *what, uint64_t done, uint64_t bytes,
                           uint64_t span_ns)
{
    if (done > bytes)
        done = bytes;
    double seconds = (double)span_ns / 1e9, rate = seconds > 0 ? (double)done / seconds : 0;
    double left = rate > 0 ? (double)(bytes - done) / rate : 0;
    snprintf(out, size, "%s %" PRIu64 " %%, %" PRIu64 " of %" PRIu64 " MB, %.0f MB/s, %.0f s left",
             what, bytes > 0 ? done * 100 / bytes : 100, done / MEGABYTE, bytes / MEGABYTE,
             rate / (double)MEGABYTE, left);
}

void journal_progress_bytes(struct journal_progress *progress, uint64_t done)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    if (progress->bytes == 0 || now_ns < progress->next_ns)
        return;
    char line[160];
    journal_progress_line(line, sizeof line, progress->what, done, progress->bytes,
                          now_ns - progress->began_ns);
    fprintf(stderr, "%s%s%s", progress->terminal ? "\r\033[K" : "", line,
            progress->terminal ? "" : "\n");
    progress->shown = true;
    progress->next_ns = now_ns + (progress->terminal ? TERMINAL_NS : PLAIN_NS);
}

void journal_progress_at(struct journal_progress *progress, const struct journal_reader *reader)
{
    if (++progress->calls % CALLS_PER_LOOK != 0 || reader->segment < progress->first)
        return;
    // Segments have one size unless the configuration changed: an estimate is enough.
    journal_progress_bytes(progress, (reader->segment - progress->first) * reader->segment_bytes +
                                         reader->offset);
}

void journal_progress_end(struct journal_progress *progress)
{
    if (progress->shown && progress->terminal)
        fprintf(stderr, "\r\033[K");
    progress->shown = false;
}
