// Journal archive: segments that no start needs any more, compressed, in STATE/journal/archive
// (which may be a link to another disk). And a journal_io over both, so that whoever replays from
// the beginning does not see the difference.
//
// An archived segment is <number, 20 digits>.journal.zst: a skippable frame with the segment's
// first page as it is, then one zstd frame (with its checksum) of the whole segment. `zstd -d`
// restores it.
//
// The order of steps keeps every segment readable at every moment, whatever fails: the compressed
// file is written under another name, synced, read back, decompressed and compared byte by byte,
// renamed, the archive's folder synced; only then the segment is removed. A segment that stands in
// both places (a crash before the removal) is compared again and removed. The archiver and a core
// share nothing but the folder: the core never waits for it and never looks back.
//
// Threads: one per archive. Memory: buffers of a segment's size each.
#ifndef LONJA_CORE_JOURNAL_ARCHIVE_H
#define LONJA_CORE_JOURNAL_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/journal_format.h"
#include "core/journal_io.h"

#define JOURNAL_ARCHIVE_FOLDER "archive"
#define JOURNAL_ARCHIVE_SUFFIX "journal.zst"

enum {
    JOURNAL_ARCHIVE_OPEN_MAX = 3
}; // archived segments at once through the overlay: a reader looks at two

struct journal_archive_entry { // an archived segment that is, or was, open
    uint64_t number;           // 0 = free
    unsigned users;
    uint64_t bytes; // of the whole segment
    uint8_t page[JOURNAL_PAGE_BYTES];
    uint8_t *data; // decompressed when somebody reads behind the first page; NULL = not yet
};

struct journal_archive {
    struct journal_io live, archive; // the two folders
    struct journal_io_file archive_file;
    bool has_folder;
    struct journal_archive_entry entries[JOURNAL_ARCHIVE_OPEN_MAX];
};

// The overlay: `io`, which is the real journal folder `folder`, becomes the one over both. A folder
// without an archive stays as it is. Returns 0 or -errno. `archive` must stay where it is as long
// as io is used.
CHECKED int journal_archive_open(struct journal_archive *archive, struct journal_io *io,
                                 const char *folder);
// The same over two tables of functions that the caller has.
void journal_archive_overlay(struct journal_archive *archive, struct journal_io *io,
                             const struct journal_io *archived);
void journal_archive_close(struct journal_archive *archive);

struct journal_archived {
    uint64_t bytes, compressed;
};

// Archives one segment of `live` into `archive` and removes it. Returns 0, -EBADMSG if the segment
// is not whole (its blocks do not follow each other) or what was written does not decompress to the
// same, or -errno: then the segment is still in its place.
CHECKED int journal_archive_segment(const struct journal_io *live, const struct journal_io *archive,
                                    uint64_t number, struct journal_archived *out);
// Brings an archived segment back beside the live ones; the archived one stays. Returns 0 or
// -errno (-EBADMSG: it does not decompress).
CHECKED int journal_archive_restore(const struct journal_io *live, const struct journal_io *archive,
                                    uint64_t number);
// First and last archived segment (0 if there is none). Returns how many, or -errno.
CHECKED int64_t journal_archive_range(const struct journal_io *archive, uint64_t *first,
                                      uint64_t *last);

#endif
