// Facts file: what surveillance knows at the end of a UTC day, so that a restart reads the present
// day only. A snapshot file (core/snapshot_file.h) below STATE/surveil, whose meta record has the
// sequence, the time and in `events_digest` the digest of that command's events; its other records
// are surveillance.h's own. Without it, everything is read from the first event: it is a
// cache.
//
// Threads: one.
#ifndef LONJA_RISK_SURVEILLANCE_FACTS_FILE_H
#define LONJA_RISK_SURVEILLANCE_FACTS_FILE_H

#include "core/numbered_file.h"
#include "risk/surveillance/surveillance.h"

struct facts_mark {    // the last command that the facts contain
    uint64_t sequence; // 0 = nothing
    uint64_t time_ns;
    uint64_t digest; // of its events
};

// Returns 0 or -errno; then nothing is left behind.
CHECKED int facts_file_save(const char *folder, const struct surveillance *surveillance,
                            const struct facts_mark *mark);
// The newest one of at most `limit` into a fresh surveillance; false, with mark->sequence 0 and the
// surveillance as it was, if there is none.
bool facts_file_load(const char *folder, struct surveillance *surveillance, struct facts_mark *mark,
                     uint64_t limit);

#endif
