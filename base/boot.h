// Boot: what the supervisor hands to every process it starts. A sealed, read-only memory file (its number
// in the environment variable LONJA_BOOT_FD) holds `struct boot`: the checked configuration and the file
// descriptor numbers of rings, reader pages and doorbells that this process inherits (-1 = not for you).
// No process parses configuration itself, and the core needs no library for it. Secrets are never here:
// they are files named by the configuration, readable by the process that needs them only.
#ifndef LONJA_BASE_BOOT_H
#define LONJA_BASE_BOOT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/config.h"
#include "schema/records.h"

enum process_id {
    PROCESS_CORE, PROCESS_TAPE, PROCESS_FIX, PROCESS_WEB, PROCESS_ADMIN, PROCESS_RECORD, PROCESS_SETTLE,
    PROCESS_SIGN, PROCESS_OPS, PROCESS_SURVEIL, PROCESS_REPLICATE, PROCESS_STANDBY,
    PROCESS_INDEX, PROCESS_COUNT
};

struct boot {
    uint64_t magic;       // BOOT_MAGIC
    uint32_t version;     // BOOT_VERSION
    uint32_t process;     // enum process_id
    uint32_t incarnation; // of this process: 1, 2, 3 … over the life of var/, never reused
    // On a standby host lonja-standby stands in the core's place, and gets all of these but command rings.
    int32_t event_ring_fd;                     // core: read-write; others: read-only
    int32_t command_ring_fd[GATEWAY_COUNT];    // core: all; a gateway: its own
    int32_t reader_page_fd[PROCESS_COUNT];     // core: all; a reader: its own; ops: the tape's, read-only
    int32_t doorbell_fd[PROCESS_COUNT];        // eventfd per reader; core: all
    int32_t lives_fd;                          // core: read-only `struct boot_lives`; 0 = nobody vouches
    struct config config;
};
// A page that only the supervisor writes: which life of each process is the present one, stored before that
// life begins. What a gateway says of its own incarnation is checked against it: one that was taken over
// can neither forgive itself a lie nor use up the numbers of those that come after it.
struct boot_lives {
    _Atomic uint32_t incarnation[PROCESS_COUNT];
    uint8_t pad[4096 - 4 * PROCESS_COUNT];
};
_Static_assert(sizeof(struct boot_lives) == 4096, "one page");

#define SIGN_LOG_FILE "sign/signed.log" // the signer's log, below venue.state_folder
#define BOOT_MAGIC   0x746f6f62616a6e6cULL
#define BOOT_VERSION 1

// Maps the boot record of this process, checks magic, version and `process`; stays mapped for its life.
// Prints the reason to standard error and exits with status 2 if there is none (started by hand).
const struct boot *boot_inherit(enum process_id process);
const char *process_name(enum process_id process); // "core", "tape" …
// The event-ring reader and the ring writer that belong to a gateway id.
enum process_id process_of_gateway(enum gateway_id gateway);

#endif
