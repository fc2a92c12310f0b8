// A segment file of the journal, made ahead of its use: zero-filled, synced, and only then renamed
// to its name. Used by the journal on a primary, and by the store of a standby.
#ifndef LONJA_CORE_JOURNAL_SEGMENT_H
#define LONJA_CORE_JOURNAL_SEGMENT_H

#include "core/journal_format.h"
#include "core/journal_io.h"

// `header` says number and size. `zeroes` are `zeroes_bytes` zero bytes, aligned to
// JOURNAL_PAGE_BYTES, and are so again afterwards; the file is written in pieces of that size.
// Returns 0 or -errno.
CHECKED int journal_segment_make(const struct journal_io *io, const char *temporary_name,
                                 uint8_t *zeroes, size_t zeroes_bytes,
                                 const struct journal_segment_header *header);

#endif
