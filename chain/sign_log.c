#include "chain/sign_log.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Happy path: one write of one record with O_APPEND, one fdatasync, then the signature is made.
 * Failures: a write that fails or is short, or a sync that fails, is undone by cutting the file
 * back to where it was; when that fails too the log is broken and everything is refused until a
 * restart, which reads what is really there. After a failed sync the page may be lost although the
 * next sync succeeds, so that is always the second case. */
#define MAGIC        0x31676f4cu /* "Log1" */
#define RECORD_BYTES sizeof(struct sign_log_record)
#define CRC_FROM     offsetof(struct sign_log_record, number)

struct sign_log_entry {
    uint64_t chain_id;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    bool cancels; /* gives the nonce up: the only payload without calldata */
    struct sign_log_payload payload;
    size_t older; /* index + 1 of the entry before at this nonce; 0 = none */
};

static uint32_t record_crc(const struct sign_log_record *record, uint32_t previous)
{
    return crc32c(previous, (const uint8_t *)record + CRC_FROM, RECORD_BYTES - CRC_FROM);
}

static bool grow(struct sign_log *log)
{
    if (log->count < log->capacity)
        return true;
    size_t capacity = log->capacity == 0 ? 1024 : 2 * log->capacity;
    struct sign_log_entry *entries = realloc(log->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return false;
    log->entries = entries;
    log->capacity = capacity;
    return true;
}

static size_t newest_at(const struct sign_log *log, uint64_t nonce)
{
    uint64_t index = 0;
    return map_get(&log->newest, nonce + 1, &index) ? (size_t)index : 0;
}

static void remember(struct sign_log *log, const struct sign_log_record *record)
{
    ASSERT(log->count < log->capacity);
    log->entries[log->count++] = (struct sign_log_entry){
        .chain_id = record->chain_id,
        .max_fee_wei = record->max_fee_wei,
        .priority_fee_wei = record->priority_fee_wei,
        .cancels = record->calldata_len == 0,
        .payload = {.payload = record->payload, .unsigned_hash = record->unsigned_hash},
        .older = newest_at(log, record->nonce),
    };
    map_put(&log->newest, record->nonce + 1, log->count);
    log->crc = record->crc;
}

/* Reads the record at `number` - 1. Returns 1, 0 at the end of the file or in half a record, -1. */
static int read_record(struct sign_log_record *out, int file, uint64_t number)
{
    ssize_t got = pread(file, out, RECORD_BYTES, (off_t)((number - 1) * RECORD_BYTES));
    return got < 0 ? -1 : (size_t)got == RECORD_BYTES;
}

static bool is_good(const struct sign_log_record *record, uint64_t number, uint32_t previous_crc)
{
    return record->magic == MAGIC && record->number == number &&
           record->crc == record_crc(record, previous_crc);
}

#define SECTOR_BYTES 512

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* What a machine that died between write and sync can leave of a record at `offset`: each sector of
 * it as written or not at all, which reads as zeros behind the old end of the file. */
static bool is_torn(const struct sign_log_record *record, uint64_t offset)
{
    size_t first = (size_t)(SECTOR_BYTES - offset % SECTOR_BYTES);
    const uint8_t *bytes = (const uint8_t *)record;
    if (first >= RECORD_BYTES)
        return is_zero(bytes, RECORD_BYTES);
    return is_zero(bytes, first) || is_zero(bytes + first, RECORD_BYTES - first);
}

/* Whether what stands at `offset`, where no good record begins, was never synced. A record is
 * synced before the next one is written, so only the last one can be torn; a whole one that is
 * merely wrong had been synced and answered, and must not be forgotten. */
static int is_tail_torn(bool *torn, int file, uint64_t offset)
{
    struct stat status;
    struct sign_log_record record;
    if (fstat(file, &status) != 0)
        return -1;
    uint64_t rest = (uint64_t)status.st_size - offset;
    *torn = rest < RECORD_BYTES;
    if (rest != RECORD_BYTES)
        return 0;
    if (pread(file, &record, RECORD_BYTES, (off_t)offset) != (ssize_t)RECORD_BYTES)
        return -1;
    *torn = is_torn(&record, offset);
    return 0;
}

static enum sign_log_result load(struct sign_log *log, uint64_t *bad_at)
{
    struct sign_log_record record;
    for (uint64_t number = 1;; number++) {
        int got = read_record(&record, log->file, number);
        if (got < 0)
            return SIGN_LOG_IO;
        if (got == 1 && is_good(&record, number, log->crc)) {
            if (!grow(log)) {
                errno = ENOMEM;
                return SIGN_LOG_IO;
            }
            remember(log, &record);
            continue;
        }
        bool torn;
        *bad_at = (number - 1) * RECORD_BYTES;
        if (is_tail_torn(&torn, log->file, *bad_at) != 0)
            return SIGN_LOG_IO;
        return torn ? SIGN_LOG_OK : SIGN_LOG_CORRUPT;
    }
}

static enum sign_log_result cut_tail(struct sign_log *log, uint64_t *cut_bytes)
{
    struct stat status;
    off_t good = (off_t)(log->count * RECORD_BYTES);
    if (fstat(log->file, &status) != 0)
        return SIGN_LOG_IO;
    *cut_bytes = (uint64_t)(status.st_size - good);
    if (*cut_bytes > 0 && (ftruncate(log->file, good) != 0 || fsync(log->file) != 0))
        return SIGN_LOG_IO;
    return SIGN_LOG_OK;
}

/* A new file is safe only when its name is: the folder is synced. */
static bool sync_folder_of(const char *path)
{
    char copy[PATH_MAX];
    if (strlen(path) >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(copy, path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = folder >= 0 && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    return synced;
}

static enum sign_log_result open_file(struct sign_log *log, const char *path)
{
    log->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log->file < 0)
        return SIGN_LOG_IO;
    if (flock(log->file, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? SIGN_LOG_LOCKED : SIGN_LOG_IO;
    return sync_folder_of(path) ? SIGN_LOG_OK : SIGN_LOG_IO;
}

enum sign_log_result sign_log_open(struct sign_log *log, const char *path, uint64_t *cut_bytes,
                                   uint64_t *bad_at)
{
    *log = (struct sign_log){.file = -1};
    map_init(&log->newest);
    *cut_bytes = 0;
    *bad_at = 0;
    enum sign_log_result result = open_file(log, path);
    if (result == SIGN_LOG_OK)
        result = load(log, bad_at);
    if (result == SIGN_LOG_OK)
        result = cut_tail(log, cut_bytes);
    if (result != SIGN_LOG_OK) {
        int error = errno;
        sign_log_close(log);
        errno = error;
    }
    return result;
}

void sign_log_close(struct sign_log *log)
{
    if (log->file >= 0)
        close(log->file);
    free(log->entries);
    map_fini(&log->newest);
    *log = (struct sign_log){.file = -1};
}

static bool hash_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a->bytes, b->bytes, KECCAK_BYTES) == 0;
}

enum signer_result sign_log_check(const struct sign_log *log, bool *known,
                                  const struct signer_request *request,
                                  const struct sign_log_payload *payload)
{
    bool cancels = request->calldata_len == 0;
    bool given_up = false;
    bool has_payload = false;
    bool outbids = true;
    *known = false;
    if (log->broken)
        return SIGNER_LOG_FAILED;
    for (size_t at = newest_at(log, request->nonce); at != 0; at = log->entries[at - 1].older) {
        const struct sign_log_entry *entry = &log->entries[at - 1];
        if (entry->chain_id != request->chain_id)
            continue;
        if (hash_equal(&entry->payload.unsigned_hash, &payload->unsigned_hash)) {
            *known = true;
            return SIGNER_OK;
        }
        bool same = hash_equal(&entry->payload.payload, &payload->payload);
        if (!same && !cancels && !entry->cancels)
            return SIGNER_NONCE_CONFLICT;
        has_payload = has_payload || same;
        given_up = given_up || entry->cancels;
        outbids = outbids && request->max_fee_wei > entry->max_fee_wei &&
                  request->priority_fee_wei > entry->priority_fee_wei;
    }
    if (given_up && !cancels && !has_payload)
        return SIGNER_NONCE_CONFLICT;
    return outbids ? SIGNER_OK : SIGNER_BUMP_TOO_SMALL;
}

static enum signer_result undo_write(struct sign_log *log)
{
    log->broken = ftruncate(log->file, (off_t)(log->count * RECORD_BYTES)) != 0;
    return SIGNER_LOG_FAILED;
}

enum signer_result sign_log_append(struct sign_log *log, const struct signer_request *request,
                                   const struct sign_log_payload *payload, uint64_t time_ns)
{
    ASSERT(!log->broken);
    if (!grow(log))
        return SIGNER_LOG_FAILED;
    struct sign_log_record record = {
        .magic = MAGIC,
        .number = log->count + 1,
        .time_ns = time_ns,
        .chain_id = request->chain_id,
        .nonce = request->nonce,
        .gas_limit = request->gas_limit,
        .max_fee_wei = request->max_fee_wei,
        .priority_fee_wei = request->priority_fee_wei,
        .to = request->to,
        .calldata_len = request->calldata_len,
        .payload = payload->payload,
        .unsigned_hash = payload->unsigned_hash,
    };
    record.crc = record_crc(&record, log->crc);
    if (write(log->file, &record, RECORD_BYTES) != (ssize_t)RECORD_BYTES)
        return undo_write(log);
    if (fdatasync(log->file) != 0) {
        log->broken = true;
        return SIGNER_LOG_FAILED;
    }
    remember(log, &record);
    return SIGNER_OK;
}
