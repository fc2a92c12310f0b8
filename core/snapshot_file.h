// Snapshot files: the engine's state as logical records (schema/records.h), never a memory image.
//
// <sequence, 20 digits>.snapshot below STATE/snapshots: a header of 128 bytes, then records of 128
// bytes: `meta` first, the state in the engine's canonical order, `end` last with the number of
// records before it and their CRC32C. A file is written under another name, synced, renamed and the
// folder synced: a name means a whole file. A reader proves the checksum before it shows the first
// record.
#ifndef LONJA_CORE_SNAPSHOT_FILE_H
#define LONJA_CORE_SNAPSHOT_FILE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/numbered_file.h"
#include "schema/records.h"

#define SNAPSHOT_MAGIC  0x70616e73616a6e6cULL // "lnjasnap"
#define SNAPSHOT_SUFFIX "snapshot"
enum { SNAPSHOT_FORMAT = 1, SNAPSHOTS_KEPT = 3 };

struct snapshot_file_header {
    uint64_t magic;
    uint32_t format;         // SNAPSHOT_FORMAT
    uint32_t schema_version; // SCHEMA_VERSION
    uint64_t sequence;
    uint8_t reserved[100]; // zero
    uint32_t crc;          // CRC32C of the bytes before
};
static_assert(sizeof(struct snapshot_file_header) == 128, "snapshot file header");

// Returns false to stop.
typedef bool snapshot_file_sink(void *context, const struct snapshot_record *record);

// The newest snapshot at most `limit` that is whole; false if there is none. Broken ones are logged
// and passed over.
bool snapshot_file_newest(uint64_t *sequence, const char *folder, uint64_t limit);
// Shows every record of it but `end`; false if it is not whole or the sink stopped.
CHECKED bool snapshot_file_read(const char *folder, uint64_t sequence, snapshot_file_sink *sink,
                                void *context);

struct snapshot_writer {
    FILE *file;
    char folder[NUMBERED_PATH_BYTES];
    uint64_t sequence;
    uint64_t records;
    uint32_t crc;
};

// Each returns 0 or -errno. After a failure the writer is closed and leaves nothing behind.
CHECKED int snapshot_writer_open(struct snapshot_writer *writer, const char *folder,
                                 uint64_t sequence);
CHECKED int snapshot_writer_add(struct snapshot_writer *writer,
                                const struct snapshot_record *record);
// Writes `end`, installs the file and removes all but the newest SNAPSHOTS_KEPT.
CHECKED int snapshot_writer_commit(struct snapshot_writer *writer);
void snapshot_writer_abandon(struct snapshot_writer *writer);

#endif
