// Happy path of a writer: records fill a chunk, a full chunk is sealed and written; at the end the
// last one, then sync, rename, sync of the folder, and the oldest snapshots go.
//
// Failure modes: any call fails (full disk, broken disk): the file under its other name is removed,
// nothing that has a name was touched. The process or the machine dies: the file under the other
// name is left over, nobody looks at it, the next snapshot overwrites it. A byte rots later: the
// chunk's checksum differs, and the snapshot is passed over.
#include "core/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"

// ---- reading

struct snapshot_reader {
    int fd;
    uint64_t sequence;
    uint64_t records; // before `end`
    uint32_t crc;     // of them
    uint32_t number;  // of the chunk that comes next
    bool ended;       // `end` was seen, and agrees with what was before it
    struct snapshot_chunk chunk;
};

// Reads up to `bytes`; fewer only at the end of the file or where it cannot be read.
static size_t snapshot_read(int fd, void *out, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        ssize_t n = read(fd, (char *)out + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return done;
}

// Why the file is not one of ours; NULL = it is.
static const char *snapshot_header_fault(const struct snapshot_file_header *header,
                                         uint64_t sequence)
{
    if (header->magic != SNAPSHOT_MAGIC ||
        header->crc != crc32c(0, header, offsetof(struct snapshot_file_header, crc)))
        return "its header is broken";
    if (header->format != SNAPSHOT_FORMAT)
        return "it has another format";
    if (header->schema_version != SCHEMA_VERSION)
        return "it has records of another schema";
    return header->sequence == sequence ? NULL : "it is another sequence's";
}

static const char *snapshot_reader_open(struct snapshot_reader *reader, const char *folder,
                                        uint64_t sequence)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, sequence, SNAPSHOT_SUFFIX);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (reader->fd < 0)
        return "it cannot be opened";
    reader->sequence = sequence;
    reader->records = 0;
    reader->crc = reader->number = 0;
    reader->ended = false;
    struct snapshot_file_header header;
    if (snapshot_read(reader->fd, &header, sizeof header) != sizeof header)
        return "its header is broken";
    return snapshot_header_fault(&header, sequence);
}

static void snapshot_reader_close(struct snapshot_reader *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
}

static bool snapshot_chunk_valid(const struct snapshot_reader *reader, size_t bytes)
{
    const struct snapshot_chunk_header *header = &reader->chunk.header;
    return bytes >= sizeof *header && header->magic == SNAPSHOT_CHUNK_MAGIC &&
           header->crc == crc32c(0, header, offsetof(struct snapshot_chunk_header, crc)) &&
           header->sequence == reader->sequence && header->number == reader->number &&
           header->records >= 1 && header->records <= SNAPSHOT_CHUNK_RECORDS &&
           bytes == sizeof *header + header->records * sizeof reader->chunk.records[0] &&
           header->records_crc == crc32c(0, reader->chunk.records, bytes - sizeof *header);
}

// Books the chunk's records; false if they are not where they belong: `meta` first, `end` last.
static bool snapshot_reader_book(struct snapshot_reader *reader)
{
    uint32_t count = reader->chunk.header.records;
    const struct snapshot_record *records = reader->chunk.records;
    const struct snapshot_record *last = &records[count - 1];
    reader->ended = last->header.type == REC_end;
    uint32_t shown = count - reader->ended;
    for (uint32_t i = 0; i < shown; i++)
        if ((records[i].header.type == REC_meta) != (reader->records + i == 0) ||
            records[i].header.type == REC_end)
            return false;
    reader->crc = crc32c(reader->crc, records, shown * sizeof *records);
    reader->records += shown;
    if (!reader->ended)
        return count == SNAPSHOT_CHUNK_RECORDS;
    return reader->records > 0 && last->body.end.records == reader->records &&
           last->body.end.checksum == reader->crc;
}

// The next chunk, proved; false at the first that is broken or missing.
static bool snapshot_reader_next(struct snapshot_reader *reader)
{
    size_t bytes = snapshot_read(reader->fd, &reader->chunk, sizeof reader->chunk);
    if (!snapshot_chunk_valid(reader, bytes) || !snapshot_reader_book(reader))
        return false;
    reader->number++;
    // Nothing may stand behind the end.
    return !reader->ended || bytes < sizeof reader->chunk ||
           snapshot_read(reader->fd, &(char){0}, 1) == 0;
}

static bool snapshot_whole(const char *folder, uint64_t sequence)
{
    struct snapshot_reader reader;
    const char *fault = snapshot_reader_open(&reader, folder, sequence);
    while (fault == NULL && !reader.ended)
        if (!snapshot_reader_next(&reader))
            fault = "a chunk is broken or missing";
    snapshot_reader_close(&reader);
    if (fault != NULL)
        log_warning("snapshot is passed over sequence=%" PRIu64 " reason=\"%s\" chunk=%" PRIu32
                    " records_before=%" PRIu64,
                    sequence, fault, reader.number, reader.records);
    return fault == NULL;
}

bool snapshot_file_newest(uint64_t *sequence, const char *folder, uint64_t limit)
{
    uint64_t candidate;
    while (numbered_largest(&candidate, folder, SNAPSHOT_SUFFIX, limit)) {
        if (snapshot_whole(folder, candidate)) {
            *sequence = candidate;
            return true;
        }
        if (candidate == 0)
            return false;
        limit = candidate - 1;
    }
    return false;
}

static bool snapshot_show(const struct snapshot_reader *reader, snapshot_file_sink *sink,
                          void *context)
{
    uint32_t shown = reader->chunk.header.records - reader->ended;
    for (uint32_t i = 0; i < shown; i++)
        if (!sink(context, &reader->chunk.records[i]))
            return false;
    return true;
}

bool snapshot_file_read(const char *folder, uint64_t sequence, snapshot_file_sink *sink,
                        void *context)
{
    struct snapshot_reader reader;
    bool whole = snapshot_reader_open(&reader, folder, sequence) == NULL;
    while (whole && !reader.ended)
        whole = snapshot_reader_next(&reader) && snapshot_show(&reader, sink, context);
    snapshot_reader_close(&reader);
    return whole;
}

// ---- writing

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
    for (size_t done = 0; done < bytes;) {
        ssize_t n = write(writer->fd, (const char *)data + done, bytes - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) // a write of nothing would come again for ever
            return snapshot_writer_fail(writer, n < 0 ? errno : EIO);
        done += (size_t)n;
    }
    return 0;
}

// Sends what was written to the disk, a little at a time, and waits for it: at the end the whole of a
// large snapshot would stand before the journal's next block in the disk's queue.
static int snapshot_writer_pace(struct snapshot_writer *writer)
{
    if (writer->chunk.header.number % SNAPSHOT_PACE_CHUNKS != 0)
        return 0;
    if (sync_file_range(writer->fd, 0, 0,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER) == 0)
        return 0;
    return errno == ENOSYS || errno == ESPIPE ? 0 : snapshot_writer_fail(writer, errno);
}

static int snapshot_writer_put_chunk(struct snapshot_writer *writer)
{
    struct snapshot_chunk_header *header = &writer->chunk.header;
    size_t bytes = header->records * sizeof writer->chunk.records[0];
    header->magic = SNAPSHOT_CHUNK_MAGIC;
    header->sequence = writer->sequence;
    header->records_crc = crc32c(0, writer->chunk.records, bytes);
    header->crc = crc32c(0, header, offsetof(struct snapshot_chunk_header, crc));
    int result = snapshot_writer_put(writer, &writer->chunk, sizeof *header + bytes);
    header->number++;
    header->records = 0;
    return result == 0 ? snapshot_writer_pace(writer) : result;
}

int snapshot_writer_open(struct snapshot_writer *writer, const char *folder, uint64_t sequence)
{
    memset(writer, 0, offsetof(struct snapshot_writer, chunk) + sizeof writer->chunk.header);
    ASSERT(strlen(folder) < sizeof writer->folder);
    memcpy(writer->folder, folder, strlen(folder) + 1);
    writer->sequence = sequence;
    char path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(path, folder);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (writer->fd < 0)
        return -errno;
    struct snapshot_file_header header = {.magic = SNAPSHOT_MAGIC,
                                          .format = SNAPSHOT_FORMAT,
                                          .schema_version = SCHEMA_VERSION,
                                          .sequence = sequence};
    header.crc = crc32c(0, &header, offsetof(struct snapshot_file_header, crc));
    return snapshot_writer_put(writer, &header, sizeof header);
}

static int snapshot_writer_append(struct snapshot_writer *writer,
                                  const struct snapshot_record *record)
{
    struct snapshot_chunk *chunk = &writer->chunk;
    ASSERT(writer->fd >= 0 && chunk->header.records < SNAPSHOT_CHUNK_RECORDS);
    chunk->records[chunk->header.records++] = *record;
    return chunk->header.records == SNAPSHOT_CHUNK_RECORDS ? snapshot_writer_put_chunk(writer) : 0;
}

int snapshot_writer_add(struct snapshot_writer *writer, const struct snapshot_record *record)
{
    ASSERT(record->header.type != REC_end);
    ASSERT((record->header.type == REC_meta) == (writer->records == 0));
    writer->crc = crc32c(writer->crc, record, sizeof *record);
    writer->records++;
    return snapshot_writer_append(writer, record);
}

static void snapshot_prune(const char *folder)
{
    uint64_t limit = UINT64_MAX, number;
    for (int i = 0; i < SNAPSHOTS_KEPT; i++) {
        if (!numbered_largest(&number, folder, SNAPSHOT_SUFFIX, limit) || number == 0)
            return;
        limit = number - 1;
    }
    while (numbered_largest(&number, folder, SNAPSHOT_SUFFIX, limit)) {
        char path[NUMBERED_PATH_BYTES];
        numbered_path(path, folder, number, SNAPSHOT_SUFFIX);
        if (unlink(path) != 0) {
            log_warning("old snapshot stays path=%s error=%s", path, strerror(errno));
            return;
        }
    }
}

// Gives the synced file its name.
static int snapshot_writer_install(struct snapshot_writer *writer)
{
    char temporary[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(temporary, writer->folder);
    numbered_path(path, writer->folder, writer->sequence, SNAPSHOT_SUFFIX);
    if (rename(temporary, path) != 0)
        return snapshot_writer_fail(writer, errno);
    close(writer->fd); // synced before: nothing is left that could fail
    writer->fd = -1;
    return folder_sync(writer->folder);
}

int snapshot_writer_commit(struct snapshot_writer *writer)
{
    struct snapshot_record end = {.header = {.type = REC_end, .version = SCHEMA_VERSION}};
    end.body.end.records = writer->records;
    end.body.end.checksum = writer->crc;
    int result = snapshot_writer_append(writer, &end);
    if (result == 0 && writer->chunk.header.records > 0)
        result = snapshot_writer_put_chunk(writer);
    if (result != 0)
        return result;
    if (fsync(writer->fd) != 0)
        return snapshot_writer_fail(writer, errno);
    result = snapshot_writer_install(writer);
    if (result == 0)
        snapshot_prune(writer->folder);
    return result;
}

void snapshot_writer_abandon(struct snapshot_writer *writer)
{
    if (writer->fd < 0)
        return;
    close(writer->fd);
    writer->fd = -1;
    char path[NUMBERED_PATH_BYTES];
    snapshot_temporary_path(path, writer->folder);
    unlink(path); // if it stays, the next snapshot overwrites it
}
