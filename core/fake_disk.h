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
uint64_t fake_disk_operations(const struct fake_disk *disk);
void fake_disk_power_failure(struct fake_disk *disk);
void fake_disk_process_killed(struct fake_disk *disk);
// Cuts the file with this number (of io->open). Returns 0 or -errno.
CHECKED int fake_disk_truncate(struct fake_disk *disk, int file, uint64_t size);
// From now on a write that is not synced is dropped or applied, never torn.
void fake_disk_never_tear(struct fake_disk *disk);
// A bug to plant: sync reports success and does nothing.
void fake_disk_lie_about_sync(struct fake_disk *disk);
// True if exactly these bytes were once handed to a write.
bool fake_disk_was_written(const struct fake_disk *disk, const void *data, size_t bytes);
uint64_t fake_disk_random(struct fake_disk *disk, uint64_t below);

#endif
