/* The signer's own memory: which payload it has signed for which nonce, in an append-only file that
 * is synced before a signature leaves. With it a mistaken or attacked settlement cannot have two
 * different transfers signed for one nonce, whatever it has forgotten.
 *
 * One record of 160 bytes per signed transaction, each with a CRC32C that continues the one before
 * it. At start a torn tail is cut: half a record, or one of which a sector was never written; it
 * was not synced, so its signature was never given away. Anything else that is broken is corruption
 * of records whose signatures may have left, and the signer does not start. That the file's end is
 * missing cannot be seen from within: the committed nonces of settlement stand behind it. The file
 * is locked: one signer per log.
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

struct sign_log_record {
    uint32_t magic;
    uint32_t crc;     /* CRC32C of all that follows, going on from the record before */
    uint64_t number;  /* 1, 2, 3 … */
    uint64_t time_ns; /* since 1970 */
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    uint64_t reserved;
    struct chain_address to;
    uint32_t calldata_len;
    struct chain_hash payload;       /* Keccak-256 of to and calldata */
    struct chain_hash unsigned_hash; /* what was signed */
};

_Static_assert(sizeof(struct sign_log_record) == 160, "the file's format has no padding");

struct sign_log {
    int file;
    bool broken; /* a write failed and could not be undone: nothing is signed any more */
    uint32_t crc;
    size_t count;
    size_t capacity;
    struct sign_log_entry *entries;
    struct map newest; /* nonce + 1 → index + 1 of the newest entry */
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

struct sign_log_payload {
    struct chain_hash payload;
    struct chain_hash unsigned_hash;
};

/* May this be signed, and is it in the log already? SIGNER_OK with *known true: signed before, sign
 * again without a record. SIGNER_OK, *known false: record it first. SIGNER_NONCE_CONFLICT: the
 * nonce has another payload, or was given up before it had any. SIGNER_BUMP_TOO_SMALL: not both
 * fees above every earlier one. */
CHECKED enum signer_result sign_log_check(const struct sign_log *log, bool *known,
                                          const struct signer_request *request,
                                          const struct sign_log_payload *payload);

/* Appends and syncs. SIGNER_OK or SIGNER_LOG_FAILED; after the latter the record is not in the log.
 */
CHECKED enum signer_result sign_log_append(struct sign_log *log,
                                           const struct signer_request *request,
                                           const struct sign_log_payload *payload,
                                           uint64_t time_ns);

#endif
