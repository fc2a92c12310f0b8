// Where a standby's journal ends in ours: the question that its HELLO asks. Reads the journal; one
// thread.
#ifndef LONJA_CORE_REPLICA_PLACE_H
#define LONJA_CORE_REPLICA_PLACE_H

#include "core/journal_reader.h"
#include "core/replica_decide.h"

// On REPLICA_PLACE_KNOWN `reader` is open behind the peer's last block, and the caller closes it;
// else it is closed. `journal_seq` is how far our journal may be read. *common is written for
// REPLICA_PLACE_DIVERGED: the last sequence that both have, 0 = not known (one epoch, two
// contents).
enum replica_place replica_place_find(struct journal_reader *reader, uint64_t *common,
                                      const struct journal_io *io, const struct replica_hello *peer,
                                      uint64_t journal_seq);

#endif
