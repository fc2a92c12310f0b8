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

/* Happy path: one write of one record with O_APPEND, one fdatasync, then the answer leaves.
 * Failures: a write that fails or is short is undone by cutting the file back to where it was; when
 * that fails too the log is broken and everything is refused until a restart, which reads what is
 * really there. After a failed sync the page may be lost although the next sync succeeds, so that
 * is always the second case. */
#define MAGIC      0x32676f4cu /* "Log2" */
#define HEAD_BYTES sizeof(struct sign_log_record)
#define CRC_FROM   offsetof(struct sign_log_record, number)

/* Of the kept calldata in the head. */
static size_t first_bytes(const struct sign_log_record *record)
{
    return record->kept_len < SIGN_LOG_FIRST_BYTES ? record->kept_len : SIGN_LOG_FIRST_BYTES;
}

static size_t blocks_of(const struct sign_log_record *record)
{
    size_t rest = record->kept_len - first_bytes(record);
    return (rest + SIGN_LOG_BLOCK_BYTES - 1) / SIGN_LOG_BLOCK_BYTES;
}

static size_t bytes_of(const struct sign_log_record *record)
{
    return HEAD_BYTES + blocks_of(record) * SIGN_LOG_BLOCK_BYTES;
}

static uint32_t head_crc(const struct sign_log_record *record, uint32_t previous)
{
    return crc32c(previous, (const uint8_t *)record + CRC_FROM, HEAD_BYTES - CRC_FROM);
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static chain_uint128 zero_blocks(const uint8_t *blocks, size_t count)
{
    chain_uint128 zero = 0;
    for (size_t i = 0; i < count; i++)
        if (is_zero(blocks + i * SIGN_LOG_BLOCK_BYTES, SIGN_LOG_BLOCK_BYTES))
            zero |= (chain_uint128)1 << i;
    return zero;
}

static bool hash_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a->bytes, b->bytes, KECCAK_BYTES) == 0;
}

/* ---- reading -----------------------------------------------------------------------------------
 */

struct transaction sign_log_transaction(const struct sign_log_record *record,
                                        const uint8_t *calldata)
{
    return (struct transaction){.chain_id = record->chain_id,
                                .nonce = record->nonce,
                                .priority_fee_wei = record->priority_fee_wei,
                                .max_fee_wei = record->max_fee_wei,
                                .gas_limit = record->gas_limit,
                                .creates_contract = record->create != 0,
                                .to = record->to,
                                .calldata = calldata,
                                .calldata_len = record->calldata_len};
}

void sign_log_reader_init(struct sign_log_reader *reader, int file)
{
    reader->file = file;
    reader->number = 0;
    reader->offset = 0;
    reader->crc = 0;
}

static bool is_head(const struct sign_log_record *record, uint64_t number, uint32_t previous_crc)
{
    return record->magic == MAGIC && record->number == number &&
           record->crc == head_crc(record, previous_crc) && record->kept_len <= SIGNER_CALLDATA_MAX;
}

/* No good head stands at the start of `len` bytes, which reach to the end of the file or are more
 * than a record can have. A record is synced before the next one is written, so only the last one
 * can be torn, and a sector of it that was not written reads as zeros: one whose head is there but
 * wrong, and one with the next record behind it, had been synced and must not be forgotten. */
static enum sign_log_read judge_headless(const uint8_t *bytes, size_t len, uint64_t number)
{
    if (len < HEAD_BYTES)
        return SIGN_LOG_TORN;
    if (len > SIGN_LOG_RECORD_MAX || !is_zero(bytes, HEAD_BYTES))
        return SIGN_LOG_BROKEN;
    for (size_t at = HEAD_BYTES; at + HEAD_BYTES <= len; at += SIGN_LOG_BLOCK_BYTES) {
        struct sign_log_record next;
        memcpy(&next, bytes + at, HEAD_BYTES);
        if (next.magic == MAGIC && next.number == number + 1)
            return SIGN_LOG_BROKEN;
    }
    return SIGN_LOG_TORN;
}

/* The head is good and the blocks are not, or not all there. */
static enum sign_log_read judge_blocks(const struct sign_log_record *head, const uint8_t *bytes,
                                       size_t len)
{
    if (len < bytes_of(head))
        return SIGN_LOG_TORN;
    if (len > bytes_of(head))
        return SIGN_LOG_BROKEN;
    chain_uint128 zero = zero_blocks(bytes + HEAD_BYTES, blocks_of(head));
    return (zero & ~head->zero_blocks) != 0 ? SIGN_LOG_TORN : SIGN_LOG_BROKEN;
}

/* Reads the longest record there can be, and a byte behind it if the file goes on. */
static ssize_t read_ahead(struct sign_log_reader *reader, bool *goes_on)
{
    uint8_t next;
    ssize_t len = pread(reader->file, reader->bytes, sizeof(reader->bytes), (off_t)reader->offset);
    *goes_on = len == (ssize_t)sizeof(reader->bytes) &&
               pread(reader->file, &next, 1, (off_t)(reader->offset + sizeof(reader->bytes))) == 1;
    return len;
}

enum sign_log_read sign_log_read(struct sign_log_reader *reader, struct sign_log_record *out)
{
    bool goes_on;
    ssize_t got = read_ahead(reader, &goes_on);
    if (got < 0)
        return SIGN_LOG_FAILED;
    if (got == 0)
        return SIGN_LOG_END;
    size_t len = (size_t)got + goes_on;
    uint64_t number = reader->number + 1;
    if ((size_t)got >= HEAD_BYTES)
        memcpy(out, reader->bytes, HEAD_BYTES);
    if ((size_t)got < HEAD_BYTES || !is_head(out, number, reader->crc))
        return judge_headless(reader->bytes, len, number);
    size_t bytes = bytes_of(out);
    if (len < bytes || out->blocks_crc != crc32c(0, reader->bytes + HEAD_BYTES, bytes - HEAD_BYTES))
        return judge_blocks(out, reader->bytes, len);
    reader->number = number;
    reader->offset += bytes;
    reader->crc = out->crc;
    return SIGN_LOG_RECORD;
}

void sign_log_read_calldata(const struct sign_log_reader *reader, uint8_t *out)
{
    struct sign_log_record head;
    memcpy(&head, reader->bytes, HEAD_BYTES);
    size_t first = first_bytes(&head);
    memcpy(out, head.first, first);
    memcpy(out + first, reader->bytes + HEAD_BYTES, head.kept_len - first);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

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

static struct sign_log_account *find_account(const struct sign_log *log, uint64_t chain_id,
                                             const struct chain_address *signer)
{
    for (size_t i = 0; i < log->account_count; i++)
        if (log->accounts[i].chain_id == chain_id &&
            address_equal(&log->accounts[i].signer, signer))
            return &log->accounts[i];
    return NULL;
}

/* Makes room for what the record will need in memory, so that nothing fails once it is written. */
static bool reserve(struct sign_log *log, const struct sign_log_record *record)
{
    if (record->kind != SIGN_LOG_SIGNED)
        return true;
    if (!grow(log))
        return false;
    if (find_account(log, record->chain_id, &record->signer) != NULL)
        return true;
    struct sign_log_account *accounts =
        realloc(log->accounts, (log->account_count + 1) * sizeof(*accounts));
    if (accounts == NULL)
        return false;
    accounts[log->account_count] =
        (struct sign_log_account){.chain_id = record->chain_id, .signer = record->signer};
    log->accounts = accounts;
    log->account_count++;
    return true;
}

static size_t newest_at(const struct sign_log *log, uint64_t nonce)
{
    uint64_t index = 0;
    return map_get(&log->newest, nonce + 1, &index) ? (size_t)index : 0;
}

static void remember_signature(struct sign_log *log, const struct sign_log_record *record,
                               uint64_t offset)
{
    struct sign_log_account *account = find_account(log, record->chain_id, &record->signer);
    ASSERT(log->count < log->capacity && account != NULL);
    log->entries[log->count++] = (struct sign_log_entry){
        .offset = offset,
        .time_ns = record->time_ns,
        .chain_id = record->chain_id,
        .max_fee_wei = record->max_fee_wei,
        .priority_fee_wei = record->priority_fee_wei,
        .units = record->units,
        .transfers = record->transfers,
        .cancels = record->calldata_len == 0,
        .signer = record->signer,
        .to = record->to,
        .unsigned_hash = record->unsigned_hash,
        .older = newest_at(log, record->nonce),
    };
    map_put(&log->newest, record->nonce + 1, log->count);
    if (record->nonce >= account->next_nonce)
        account->next_nonce = record->nonce + 1;
}

static void remember(struct sign_log *log, const struct sign_log_record *record)
{
    if (record->kind == SIGN_LOG_SIGNED)
        remember_signature(log, record, log->bytes);
    log->number = record->number;
    log->time_ns = record->time_ns;
    log->crc = record->crc;
    log->bytes += bytes_of(record);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static enum sign_log_result load(struct sign_log *log, uint64_t *bad_at)
{
    struct sign_log_record record;
    sign_log_reader_init(&log->scratch, log->file);
    for (;;) {
        *bad_at = log->scratch.offset;
        switch (sign_log_read(&log->scratch, &record)) {
        case SIGN_LOG_RECORD:
            if (!reserve(log, &record)) {
                errno = ENOMEM;
                return SIGN_LOG_IO;
            }
            remember(log, &record);
            break;
        case SIGN_LOG_END:
        case SIGN_LOG_TORN:
            return SIGN_LOG_OK;
        case SIGN_LOG_BROKEN:
            return SIGN_LOG_CORRUPT;
        case SIGN_LOG_FAILED:
            return SIGN_LOG_IO;
        }
    }
}

static enum sign_log_result cut_tail(struct sign_log *log, uint64_t *cut_bytes)
{
    struct stat status;
    if (fstat(log->file, &status) != 0)
        return SIGN_LOG_IO;
    *cut_bytes = (uint64_t)status.st_size - log->bytes;
    if (*cut_bytes > 0 && (ftruncate(log->file, (off_t)log->bytes) != 0 || fsync(log->file) != 0))
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
    memset(log, 0, sizeof(*log));
    log->file = -1;
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
    free(log->accounts);
    map_fini(&log->newest);
    memset(log, 0, sizeof(*log));
    log->file = -1;
}

/* ---- the rules ---------------------------------------------------------------------------------
 */

static bool is_of(const struct sign_log_entry *entry, uint64_t chain_id,
                  const struct chain_address *signer)
{
    return entry->chain_id == chain_id && address_equal(&entry->signer, signer);
}

/* The record of entry number `entry` again; its blocks stand in the scratch reader's buffer. False
 * with errno. */
static bool read_again(struct sign_log *log, struct sign_log_record *record, size_t entry)
{
    ASSERT(entry < log->count);
    const struct sign_log_entry *wanted = &log->entries[entry];
    struct sign_log_reader *reader = &log->scratch;
    ssize_t got = pread(log->file, reader->bytes, sizeof(reader->bytes), (off_t)wanted->offset);
    if (got < (ssize_t)HEAD_BYTES)
        return false;
    memcpy(record, reader->bytes, HEAD_BYTES);
    if (record->magic != MAGIC || record->kept_len > SIGNER_CALLDATA_MAX ||
        (size_t)got < bytes_of(record) ||
        record->blocks_crc !=
            crc32c(0, reader->bytes + HEAD_BYTES, bytes_of(record) - HEAD_BYTES) ||
        !hash_equal(&record->unsigned_hash, &wanted->unsigned_hash)) {
        errno = EIO; /* rot under a running signer */
        return false;
    }
    return true;
}

/* Contract and calldata are those of entry number `entry`. */
static enum signer_result check_payload(struct sign_log *log, size_t entry,
                                        const struct sign_log_record *record,
                                        const uint8_t *calldata)
{
    struct sign_log_record before;
    if (!read_again(log, &before, entry))
        return SIGNER_LOG_FAILED;
    size_t len = record->calldata_len;
    size_t first = first_bytes(&before);
    bool same = address_equal(&before.to, &record->to) && before.kept_len == len &&
                memcmp(before.first, calldata, first) == 0 &&
                memcmp(log->scratch.bytes + HEAD_BYTES, calldata + first, len - first) == 0;
    return same ? SIGNER_OK : SIGNER_NONCE_CONFLICT;
}

enum signer_result sign_log_check(struct sign_log *log, enum sign_log_standing *standing,
                                  size_t *known, const struct sign_log_record *record,
                                  const uint8_t *calldata)
{
    size_t with_payload =
        0; /* index + 1 of an entry that has it: all that have one have the same */
    bool outbids = true;
    *standing = SIGN_LOG_NEW;
    if (log->broken)
        return SIGNER_LOG_FAILED;
    for (size_t at = newest_at(log, record->nonce); at != 0; at = log->entries[at - 1].older) {
        const struct sign_log_entry *entry = &log->entries[at - 1];
        if (!is_of(entry, record->chain_id, &record->signer))
            continue;
        *standing = SIGN_LOG_BID;
        if (hash_equal(&entry->unsigned_hash, &record->unsigned_hash)) {
            *standing = SIGN_LOG_KNOWN;
            *known = at - 1;
            return SIGNER_OK;
        }
        if (!entry->cancels)
            with_payload = at;
        outbids = outbids && record->max_fee_wei > entry->max_fee_wei &&
                  record->priority_fee_wei > entry->priority_fee_wei;
    }
    if (*standing == SIGN_LOG_BID && record->calldata_len > 0) {
        enum signer_result result = with_payload == 0
                                        ? SIGNER_NONCE_CONFLICT
                                        : check_payload(log, with_payload - 1, record, calldata);
        if (result != SIGNER_OK)
            return result;
    }
    return outbids ? SIGNER_OK : SIGNER_BUMP_TOO_SMALL;
}

uint64_t sign_log_next_nonce(const struct sign_log *log, uint64_t chain_id,
                             const struct chain_address *signer)
{
    const struct sign_log_account *account = find_account(log, chain_id, signer);
    return account == NULL ? 0 : account->next_nonce;
}

const struct sign_log_account *sign_log_account_at(const struct sign_log *log, uint32_t *count,
                                                   uint64_t chain_id, uint32_t number)
{
    const struct sign_log_account *found = NULL;
    *count = 0;
    for (size_t i = 0; i < log->account_count; i++) {
        if (log->accounts[i].chain_id != chain_id)
            continue;
        if (*count == number)
            found = &log->accounts[i];
        ++*count;
    }
    return found;
}

uint32_t sign_log_bids(const struct sign_log *log, size_t *entry, uint64_t chain_id,
                       const struct chain_address *signer, uint64_t nonce, uint32_t bid)
{
    uint32_t bids = 0;
    for (size_t at = newest_at(log, nonce); at != 0; at = log->entries[at - 1].older) {
        if (!is_of(&log->entries[at - 1], chain_id, signer))
            continue;
        if (bids == bid)
            *entry = at - 1;
        bids++;
    }
    return bids;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

/* The record as it goes to the file, in the scratch reader's buffer. */
static size_t lay_out(struct sign_log *log, struct sign_log_record *record, const uint8_t *calldata)
{
    uint8_t *bytes = log->scratch.bytes;
    size_t len = bytes_of(record);
    size_t first = first_bytes(record);
    ASSERT(record->kept_len <= SIGNER_CALLDATA_MAX && record->kept_len <= record->calldata_len);
    memset(bytes, 0, len);
    if (first > 0)
        memcpy(record->first, calldata, first);
    if (record->kept_len > first)
        memcpy(bytes + HEAD_BYTES, calldata + first, record->kept_len - first);
    record->magic = MAGIC;
    record->number = log->number + 1;
    record->time_ns = record->time_ns > log->time_ns ? record->time_ns : log->time_ns;
    record->zero_blocks = zero_blocks(bytes + HEAD_BYTES, blocks_of(record));
    record->blocks_crc = crc32c(0, bytes + HEAD_BYTES, len - HEAD_BYTES);
    record->crc = head_crc(record, log->crc);
    memcpy(bytes, record, HEAD_BYTES);
    return len;
}

bool sign_log_append(struct sign_log *log, struct sign_log_record *record, const uint8_t *calldata)
{
    if (log->broken || !reserve(log, record))
        return false;
    size_t len = lay_out(log, record, calldata);
    if (write(log->file, log->scratch.bytes, len) != (ssize_t)len) {
        log->broken = ftruncate(log->file, (off_t)log->bytes) != 0;
        return false;
    }
    if (fdatasync(log->file) != 0) {
        log->broken = true;
        return false;
    }
    remember(log, record);
    return true;
}

bool sign_log_reload(struct sign_log *log, struct sign_log_record *record, uint8_t *out,
                     size_t entry)
{
    if (!read_again(log, record, entry))
        return false;
    sign_log_read_calldata(&log->scratch, out);
    return true;
}
