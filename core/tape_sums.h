// Tape sums: the checksums beside a tape segment (tape_format.h). Written by lonja-tape, read by
// whoever reads the segment.
//
// Threads: none of its own. Functions that write return 0 or -errno.
#ifndef LONJA_CORE_TAPE_SUMS_H
#define LONJA_CORE_TAPE_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/tape_format.h"
#include "schema/records.h"

enum tape_sums_state {
    TAPE_SUMS_ABSENT, // no such file: a segment from before there were checksums
    TAPE_SUMS_BROKEN, // the file is there, its header is not whole
    TAPE_SUMS_THERE,
};

// *fd = the file, -1 unless it is there.
enum tape_sums_state tape_sums_open(int *fd, const char *folder, uint64_t first_sequence,
                                    bool writable);
bool tape_sums_header_read(int fd, struct tape_sums_header *header, uint64_t first_sequence);
// False if the entry is not there, or not whole.
bool tape_sum_read(int fd, struct tape_sum *sum, uint64_t block);
// Events of the segment that are proved, as its last entry says.
uint64_t tape_sums_events(int fd);
// Sets the entry's check.
void tape_sum_finish(struct tape_sum *sum);

// A fresh file, with no entry. Returns its descriptor or -errno.
CHECKED int tape_sums_create(const char *folder, uint64_t first_sequence);
CHECKED int tape_sums_write(int fd, const struct tape_sum *sums, uint32_t count);
// No entry from `block` on, and no seal.
CHECKED int tape_sums_truncate(int fd, uint64_t first_sequence, uint64_t block);
// The segment is finished. -EIO if an entry is missing: then there is no seal.
CHECKED int tape_sums_seal(int fd, uint64_t first_sequence, uint64_t events,
                           uint64_t last_sequence);
// Why the sealed header does not agree with the entries; NULL = it does.
const char *tape_sums_seal_fault(int fd, const struct tape_sums_header *header);

#endif
