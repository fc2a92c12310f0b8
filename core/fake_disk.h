// A disk that loses what it may lose: a journal_io for crash tests.
//
// Fault model. A write is visible at once and durable only after a sync of its file. When the power
// fails, each write that was not synced is, independently: dropped; applied; or torn: every
// 512-byte sector of it is on its own old, new, new up to some byte, or has flipped bits.
// Creations, renames and removals are durable after a sync of the folder; at power failure some
// prefix of them has happened. What was synced is never touched. When only the process is killed,
// everything written stays visible, and un-synced. To cut a file is a write, too: dropped or applied.
//
// The disk fails by itself at operation number `fail_at`: that operation and all later ones return
// -EIO (its write counts as begun). Threads: one.
#ifndef LONJA_CORE_FAKE_DISK_H
#define LONJA_CORE_FAKE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_io.h"

struct fake_disk;

struct fake_disk *fake_disk_create(struct journal_io *io, uint64_t seed);
void fake_disk_destroy(struct fake_disk *disk);
void fake_disk_fail_at(struct fake_disk *disk, uint64_t operation); // counted from now; 0 = never
// The n-th call from now that only looks (list, open, size, read) is refused, once, with -EIO; 0 = none. True: it was.
void fake_disk_refuse_look(struct fake_disk *disk, uint64_t look);
bool fake_disk_refused(const struct fake_disk *disk);
uint64_t fake_disk_operations(const struct fake_disk *disk);
void fake_disk_power_failure(struct fake_disk *disk);
void fake_disk_process_killed(struct fake_disk *disk);
// Cuts the file with this number (of io->open). Returns 0 or -errno.
CHECKED int fake_disk_truncate(struct fake_disk *disk, int file, uint64_t size);
// A bug to plant: sync reports success and does nothing.
void fake_disk_lie_about_sync(struct fake_disk *disk);
// From now on keeps what is written, but for headers, until the disk is destroyed.
void fake_disk_remember(struct fake_disk *disk);
// True if exactly these bytes were handed to a write since then.
bool fake_disk_was_written(const struct fake_disk *disk, const void *data, size_t bytes);
uint64_t fake_disk_random(struct fake_disk *disk, uint64_t below);

// ---- every crash, one after the other, without crashing
//
// An operation that has begun and is not yet over is where a crash is interesting: the watch is
// called there. The crash view is a read-only journal_io of the disk as it would come back: what is
// durable, a prefix of the operations of the folder, and whatever the caller puts in the place of
// the pending writes, whose durable bytes he may change and must put back.
enum fake_disk_moment { FAKE_DISK_WRITE, FAKE_DISK_SYNC, FAKE_DISK_FOLDER };
typedef void fake_disk_watch(void *context, enum fake_disk_moment moment);
void fake_disk_set_watch(struct fake_disk *disk, fake_disk_watch *watch, void *context);

struct fake_disk_write { // one that is not synced
    int file;
    uint64_t offset;
    size_t bytes;
    const uint8_t *data; // new
    uint8_t *durable;    // old: what the crash view shows
};
void fake_disk_crash_view(struct fake_disk *disk, struct journal_io *view);
// How many operations of the folder are not synced; the view shows the first `happened` of them.
int fake_disk_folder_pending(const struct fake_disk *disk);
void fake_disk_crash_folder(struct fake_disk *disk, int happened);
// The pending writes of files that the view names as segments; returns how many, at most `max`.
size_t fake_disk_pending(const struct fake_disk *disk, struct fake_disk_write *out, size_t max);
// More bugs to plant: only the folder's sync lies.
void fake_disk_lie_about_folder_sync(struct fake_disk *disk);

#endif
