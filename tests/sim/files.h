// Files: the venue's folders below /sim (journal, tape, snapshots), each a fake disk
// (core/fake_disk.h: its fault model is ours), behind the system calls that the venue makes. The
// journal goes through its own table, struct journal_io. Everything else of the system's files is
// the system's.
//
// Fault model. Un-synced writes, truncations and names are dropped, torn or flipped when the power
// fails; visible when only a process dies, which may be between any two operations. Every operation
// is a scheduling point: others see a file half written. From a certain operation on a folder
// fails for good (EIO), until it is repaired.
#ifndef LONJA_SIM_FILES_H
#define LONJA_SIM_FILES_H

#include <stdint.h>

#include "core/fake_disk.h"

#define FILES_STATE "/sim"
enum files_folder { FILES_JOURNAL, FILES_TAPE, FILES_SNAPSHOTS, FILES_COUNT };

void files_begin(uint64_t seed);
void files_power_failure(void);
void files_fail_at(enum files_folder folder, uint64_t operation); // counted from now
void files_repair(void);
struct fake_disk *files_disk(enum files_folder folder);
// The journal's table without scheduling points, for checks.
const struct journal_io *files_journal(void);
uint64_t files_operations(void);

#endif
