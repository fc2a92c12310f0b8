#include "core/snapshot_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"

// ---- reading
// -----------------------------------------------------------------------------------------

static bool snapshot_header_valid(const struct snapshot_file_header *header, uint64_t sequence)
{
    return header->magic == SNAPSHOT_MAGIC && header->format == SNAPSHOT_FORMAT &&
           header->schema_version == SCHEMA_VERSION && header->sequence == sequence &&
           header->crc == crc32c(0, header, offsetof(struct snapshot_file_header, crc));
}

static FILE *snapshot_open(const char *folder, uint64_t sequence)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, sequence, SNAPSHOT_SUFFIX);
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return NULL;
    struct snapshot_file_header header;
    if (fread(&header, sizeof header, 1, file) == 1 && snapshot_header_valid(&header, sequence))
        return file;
    fclose(file);
    return NULL;
}

// Shows the records up to `end` (sink NULL: only counts them); true if `end` agrees with them.
static bool snapshot_walk(FILE *file, snapshot_file_sink *sink, void *context)
{
    uint64_t records = 0;
    uint32_t crc = 0;
    struct snapshot_record record;
    while (fread(&record, sizeof record, 1, file) == 1) {
        if (record.header.type == REC_end)
            return records > 0 && record.body.end.records == records &&
                   record.body.end.checksum == crc && getc(file) == EOF;
        if (records == 0 && record.header.type != REC_meta)
            return false;
        crc = crc32c(crc, &record, sizeof record);
        records++;
        if (sink != NULL && !sink(context, &record))
            return false;
    }
    return false;
}

static bool snapshot_whole(const char *folder, uint64_t sequence)
{
    FILE *file = snapshot_open(folder, sequence);
    if (file == NULL)
        return false;
    bool whole = snapshot_walk(file, NULL, NULL);
    fclose(file);
    return whole;
}

bool snapshot_file_newest(uint64_t *sequence, const char *folder, uint64_t limit)
{
    uint64_t candidate;
    while (numbered_largest(&candidate, folder, SNAPSHOT_SUFFIX, limit)) {
        if (snapshot_whole(folder, candidate)) {
            *sequence = candidate;
            return true;
        }
        log_warning("snapshot is not whole, passed over sequence=%llu",
                    (unsigned long long)candidate);
        if (candidate == 0)
            return false;
        limit = candidate - 1;
    }
    return false;
}

bool snapshot_file_read(const char *folder, uint64_t sequence, snapshot_file_sink *sink,
                        void *context)
{
    if (!snapshot_whole(folder, sequence))
        return false;
    FILE *file = snapshot_open(folder, sequence);
    if (file == NULL)
        return false;
    bool whole = snapshot_walk(file, sink, context);
    fclose(file);
    return whole;
}

// ---- writing
// -----------------------------------------------------------------------------------------

static void snapshot_temporary_path(char out[NUMBERED_PATH_BYTES], const char *folder)
{
    int n = snprintf(out, NUMBERED_PATH_BYTES, "%s/snapshot.tmp", folder);
    ASSERT(n > 0 && n < NUMBERED_PATH_BYTES);
}

static int snapshot_writer_fail(struct snapshot_writer *writer, int error)
{
    ASSERT(error > 0);
    snapshot_writer_abandon(writer);
    return -error;
}

static int snapshot_writer_put(struct snapshot_writer *writer, const void *data, size_t bytes)
{
    if (fwrite(data, bytes, 1, writer->file) != 1)
        return snapshot_writer_fail(writer, errno);
    return 0;
}

int snapshot_writer_open(struct snapshot_writer *writer, const char *folder, uint64_t sequence)
{
    memset(writer, 0, sizeof *writer);
    ASSERT(strlen(folder) < sizeof writer->folder);
    memcpy(writer->folder, folder, strlen(folder) + 1);
    writer->sequence = sequence;
    char path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(path, folder);
    writer->file = fopen(path, "wbe");
    if (writer->file == NULL)
        return -errno;
    struct snapshot_file_header header = {.magic = SNAPSHOT_MAGIC,
                                          .format = SNAPSHOT_FORMAT,
                                          .schema_version = SCHEMA_VERSION,
                                          .sequence = sequence};
    header.crc = crc32c(0, &header, offsetof(struct snapshot_file_header, crc));
    return snapshot_writer_put(writer, &header, sizeof header);
}

int snapshot_writer_add(struct snapshot_writer *writer, const struct snapshot_record *record)
{
    ASSERT(record->header.type != REC_end);
    ASSERT((record->header.type == REC_meta) == (writer->records == 0));
    writer->crc = crc32c(writer->crc, record, sizeof *record);
    writer->records++;
    return snapshot_writer_put(writer, record, sizeof *record);
}

static void snapshot_prune(const char *folder)
{
    uint64_t kept = UINT64_MAX, number;
    for (int i = 0; i < SNAPSHOTS_KEPT; i++) {
        if (!numbered_largest(&number, folder, SNAPSHOT_SUFFIX,
                              kept == UINT64_MAX ? kept : kept - 1))
            return;
        kept = number;
    }
    while (kept > 0 && numbered_largest(&number, folder, SNAPSHOT_SUFFIX, kept - 1)) {
        char path[NUMBERED_PATH_BYTES];
        numbered_path(path, folder, number, SNAPSHOT_SUFFIX);
        if (unlink(path) != 0) {
            log_warning("old snapshot stays path=%s error=%s", path, strerror(errno));
            return;
        }
    }
}

int snapshot_writer_commit(struct snapshot_writer *writer)
{
    struct snapshot_record end = {.header = {.type = REC_end, .version = SCHEMA_VERSION}};
    end.body.end.records = writer->records;
    end.body.end.checksum = writer->crc;
    int result = snapshot_writer_put(writer, &end, sizeof end);
    if (result != 0)
        return result;
    if (fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0)
        return snapshot_writer_fail(writer, errno);
    char temporary[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(temporary, writer->folder);
    numbered_path(path, writer->folder, writer->sequence, SNAPSHOT_SUFFIX);
    if (rename(temporary, path) != 0)
        return snapshot_writer_fail(writer, errno);
    fclose(writer->file); // flushed and synced above: nothing is left that could fail
    writer->file = NULL;
    result = folder_sync(writer->folder);
    if (result == 0)
        snapshot_prune(writer->folder);
    return result;
}

void snapshot_writer_abandon(struct snapshot_writer *writer)
{
    if (writer->file == NULL)
        return;
    fclose(writer->file);
    writer->file = NULL;
    char path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(path, writer->folder);
    unlink(path); // if it stays, the next snapshot overwrites it
}
