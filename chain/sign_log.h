/* The signer's own memory: every request and what became of it, in an append-only file that is
 * synced before the answer leaves. It is the audit, and it is what makes the signer safe: with it a
 * mistaken or attacked settlement cannot have two different transfers signed for one nonce,
 * whatever it has forgotten, and one that has forgotten can ask for what was signed.
 *
 * A record is a head of 512 bytes, in which the calldata begins, and as many blocks of 512 bytes as
 * the rest of the calldata takes; of a refused request only the head is kept. The head's CRC32C
 * continues the one of the head before it, and covers that of the blocks behind. At start a torn
 * tail is cut: less than a record, or one of which a sector was never written; it was not synced,
 * so its answer was never given. Anything else that is broken is corruption of records whose
 * signatures may have left, and the signer does not start. That the file's end is missing cannot be
 * seen from within: the committed nonces of settlement stand behind it. The file is locked: one
 * signer per log.
 *
 * A chain that begins anew (a development chain started fresh) needs a new log: its nonces begin
 * again. One thread.
 */
#ifndef LONJA_CHAIN_SIGN_LOG_H
#define LONJA_CHAIN_SIGN_LOG_H

#include "base/assert.h"
#include "base/map.h"
#include "chain/signer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_LOG_BLOCK_BYTES 512
#define SIGN_LOG_FIRST_BYTES 132 /* a forcedTransfer with its batch id needs no second block */

enum sign_log_kind {
    SIGN_LOG_SIGNED = 1,
    SIGN_LOG_REFUSED,
    SIGN_LOG_REPEATED,  /* had been signed before: the same bytes went out again */
    SIGN_LOG_READ,      /* a question about what was signed */
    SIGN_LOG_MALFORMED, /* no message of ours; calldata_len is the packet's length */
};

struct sign_log_record {
    uint32_t magic;
    uint32_t crc;     /* CRC32C of all that follows in the head, going on from the head before */
    uint64_t number;  /* 1, 2, 3 … */
    uint64_t time_ns; /* since 1970, never less than the one before */
    uint64_t request_id;
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    uint32_t kind;
    uint32_t result; /* enum signer_result */
    uint32_t create;
    uint32_t calldata_len;
    uint32_t kept_len; /* of it in this record */
    uint32_t blocks_crc;
    uint32_t peer_uid;
    uint32_t peer_pid;
    uint32_t
        turned_away;    /* requests above the rate since the record before, none of them recorded */
    uint32_t transfers; /* counted against the caps: not those of a further bid */
    chain_uint128 units;
    struct signer_bound bound;
    chain_uint128 zero_blocks; /* bit n: block n behind the head is all zero by right */
    struct chain_address signer;
    struct chain_address to;
    uint8_t unused[32]; /* zero; of records of before November 2026 a hash of to and calldata */
    struct chain_hash unsigned_hash; /* what was signed */
    struct chain_hash hash;          /* of the transaction */
    struct ecdsa_signature signature;
    uint8_t reserved[3];
    uint8_t first[SIGN_LOG_FIRST_BYTES];
};

_Static_assert(sizeof(struct sign_log_record) == SIGN_LOG_BLOCK_BYTES, "the head is one block");

#define SIGN_LOG_BLOCKS_MAX                                                                        \
    ((SIGNER_CALLDATA_MAX - SIGN_LOG_FIRST_BYTES + SIGN_LOG_BLOCK_BYTES - 1) / SIGN_LOG_BLOCK_BYTES)
#define SIGN_LOG_RECORD_MAX ((1 + SIGN_LOG_BLOCKS_MAX) * SIGN_LOG_BLOCK_BYTES)

_Static_assert(SIGN_LOG_BLOCKS_MAX <= 128, "a bit for each");

/* What the record says was signed. `calldata` stays the caller's: record->calldata_len bytes. */
struct transaction sign_log_transaction(const struct sign_log_record *record,
                                        const uint8_t *calldata);

/* What is remembered of a signature. */
struct sign_log_entry {
    uint64_t offset; /* of the record in the file */
    uint64_t time_ns;
    uint64_t chain_id;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    chain_uint128 units;
    uint32_t transfers;
    bool cancels; /* gives the nonce up: the only payload without calldata */
    struct chain_address signer;
    struct chain_address to;
    struct chain_hash unsigned_hash;
    size_t older; /* index + 1 of the entry before with this nonce; 0 = none */
};

struct sign_log_account {
    uint64_t chain_id;
    struct chain_address signer;
    uint64_t next_nonce; /* the highest that was signed, and one */
};

/* Goes through a file from its first record, checking each. */
struct sign_log_reader {
    int file;
    uint64_t number;
    uint64_t offset; /* of the next record */
    uint32_t crc;
    uint8_t bytes[SIGN_LOG_RECORD_MAX]; /* the last one read, with its blocks */
};

enum sign_log_read {
    SIGN_LOG_RECORD,
    SIGN_LOG_END,
    SIGN_LOG_TORN, /* what stands at `offset` was never synced */
    SIGN_LOG_BROKEN,
    SIGN_LOG_FAILED, /* errno says what */
};

void sign_log_reader_init(struct sign_log_reader *reader, int file);
CHECKED enum sign_log_read sign_log_read(struct sign_log_reader *reader,
                                         struct sign_log_record *out);
/* The kept calldata of the record that was read last: `kept_len` bytes, copied to `out`. */
void sign_log_read_calldata(const struct sign_log_reader *reader, uint8_t *out);

struct sign_log {
    int file;
    bool broken;     /* a write failed and could not be undone: nothing is signed any more */
    uint64_t number; /* records */
    uint64_t bytes;
    uint64_t time_ns;
    uint32_t crc;
    size_t count; /* entries: signatures */
    size_t capacity;
    struct sign_log_entry *entries;
    size_t account_count;
    struct sign_log_account *accounts;
    struct map newest; /* nonce + 1 → index + 1 of the newest entry */
    struct sign_log_reader scratch;
};

enum sign_log_result {
    SIGN_LOG_OK,
    SIGN_LOG_IO,      /* errno says what */
    SIGN_LOG_LOCKED,  /* another signer uses it */
    SIGN_LOG_CORRUPT, /* *bad_at is the offset of the broken record */
};

/* Opens or creates, checks every record, cuts a torn tail (*cut_bytes says how much, 0 as a rule).
 */
CHECKED enum sign_log_result sign_log_open(struct sign_log *log, const char *path,
                                           uint64_t *cut_bytes, uint64_t *bad_at);
void sign_log_close(struct sign_log *log);

/* What the log knows of a nonce that something is to be signed for. */
enum sign_log_standing {
    SIGN_LOG_NEW,   /* nothing was signed for it */
    SIGN_LOG_BID,   /* a further bid, for the same payload or giving it up */
    SIGN_LOG_KNOWN, /* this very transaction was signed: sign_log_reload gives it */
};

/* May this be signed by `record->signer`? Looks at the record's chain, nonce, fees, contract,
 * calldata (which stays the caller's) and unsigned_hash; a further bid has its payload compared
 * with the one in the file. SIGNER_NONCE_CONFLICT: the nonce has another payload, or was given up
 * before it had any. SIGNER_BUMP_TOO_SMALL: not both fees above every earlier one.
 * SIGNER_LOG_FAILED: nothing can be written any more, or that payload cannot be read. */
CHECKED enum signer_result sign_log_check(struct sign_log *log, enum sign_log_standing *standing,
                                          size_t *entry, const struct sign_log_record *record,
                                          const uint8_t *calldata);

/* Appends and syncs `record`, whose number, time (if it is less than the one before) and checksums
 * are set here, with `kept_len` bytes of calldata. False when nothing was recorded; then no answer
 * may leave but SIGNER_LOG_FAILED. */
CHECKED bool sign_log_append(struct sign_log *log, struct sign_log_record *record,
                             const uint8_t *calldata);

/* The record of entry number `entry`, read from the file again and checked, its calldata to `out`
 * (SIGNER_CALLDATA_MAX). False with errno. */
CHECKED bool sign_log_reload(struct sign_log *log, struct sign_log_record *record, uint8_t *out,
                             size_t entry);

/* The nonce behind the highest one that the key has signed for; 0 = none was. */
uint64_t sign_log_next_nonce(const struct sign_log *log, uint64_t chain_id,
                             const struct chain_address *signer);
/* The key number `number` of those that have signed for the chain, or NULL; *count says how many.
 */
const struct sign_log_account *sign_log_account_at(const struct sign_log *log, uint32_t *count,
                                                   uint64_t chain_id, uint32_t number);
/* Bids at a nonce, and in *entry the one number `bid`, 0 being the newest. */
uint32_t sign_log_bids(const struct sign_log *log, size_t *entry, uint64_t chain_id,
                       const struct chain_address *signer, uint64_t nonce, uint32_t bid);

#endif
