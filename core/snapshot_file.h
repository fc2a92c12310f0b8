// Snapshot files: the engine's state as logical records (schema/records.h), never a memory image.
//
// <sequence, 20 digits>.snapshot below STATE/snapshots: a header of 128 bytes, then chunks. A chunk
// is a header of 128 bytes and behind it up to SNAPSHOT_CHUNK_RECORDS records of 128 bytes: `meta`
// first of all, the state in the engine's canonical order, `end` last with the number of records
// before it and their CRC32C. Every chunk but the last is full. A chunk's header holds its number
// and the CRC32C of its records, so that damage is found where it is, and a reader knows that what
// it takes is right before it has come to the end.
//
// A file is written under another name, synced, renamed and the folder synced: a name means a whole
// file. A file of another format or schema is passed over with a line in the log, as a broken one
// is: a snapshot is a cache of f(journal).
#ifndef LONJA_CORE_SNAPSHOT_FILE_H
#define LONJA_CORE_SNAPSHOT_FILE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/numbered_file.h"
#include "schema/records.h"

#define SNAPSHOT_MAGIC       0x70616e73616a6e6cULL // "lnjasnap"
#define SNAPSHOT_CHUNK_MAGIC 0x6b6e7568636a6e6cULL // "lnjchunk"
#define SNAPSHOT_SUFFIX      "snapshot"
enum {
    SNAPSHOT_FORMAT = 2, // 1 had no chunks
    SNAPSHOTS_KEPT = 3,
    SNAPSHOT_CHUNK_RECORDS = 511, // with their header 64 KiB
};

struct snapshot_file_header {
    uint64_t magic;
    uint32_t format;         // SNAPSHOT_FORMAT
    uint32_t schema_version; // SCHEMA_VERSION
    uint64_t sequence;
    uint8_t reserved[100]; // zero
    uint32_t crc;          // CRC32C of the bytes before
};
static_assert(sizeof(struct snapshot_file_header) == 128, "snapshot file header");

struct snapshot_chunk_header {
    uint64_t magic;
    uint64_t sequence;     // of the file: a chunk of another one is not taken for ours
    uint32_t number;       // 0, 1, 2 … within the file
    uint32_t records;      // behind this header
    uint32_t records_crc;  // CRC32C of them
    uint8_t reserved[96];  // zero
    uint32_t crc;          // CRC32C of the bytes before
};
static_assert(sizeof(struct snapshot_chunk_header) == SNAPSHOT_RECORD_BYTES, "chunk header");

struct snapshot_chunk {
    struct snapshot_chunk_header header;
    struct snapshot_record records[SNAPSHOT_CHUNK_RECORDS];
};
static_assert(sizeof(struct snapshot_chunk) == 65536, "snapshot chunk");

// Returns false to stop.
typedef bool snapshot_file_sink(void *context, const struct snapshot_record *record);

// The newest snapshot at most `limit` that is whole, every chunk of it read; false if there is
// none. Broken ones are logged, with the place, and passed over.
bool snapshot_file_newest(uint64_t *sequence, const char *folder, uint64_t limit);
// Shows every record of it but `end`, each after its chunk has been proved; false if it is not
// whole or the sink stopped: then what was shown is to be thrown away.
CHECKED bool snapshot_file_read(const char *folder, uint64_t sequence, snapshot_file_sink *sink,
                                void *context);

struct snapshot_writer {
    int fd; // -1 = closed
    char folder[NUMBERED_PATH_BYTES];
    uint64_t sequence;
    uint64_t records;
    uint32_t crc;                // of all records
    struct snapshot_chunk chunk; // being filled
};

// Each returns 0 or -errno. After a failure the writer is closed, leaves nothing behind, and the
// snapshots from before are all there. (After a rename that could not be synced the new one may be
// there, too: it is whole.)
CHECKED int snapshot_writer_open(struct snapshot_writer *writer, const char *folder,
                                 uint64_t sequence);
CHECKED int snapshot_writer_add(struct snapshot_writer *writer,
                                const struct snapshot_record *record);
// Writes `end`, installs the file and removes all but the newest SNAPSHOTS_KEPT.
CHECKED int snapshot_writer_commit(struct snapshot_writer *writer);
void snapshot_writer_abandon(struct snapshot_writer *writer);

#endif
