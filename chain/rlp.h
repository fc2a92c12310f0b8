/* Recursive length prefix: a writer on the caller's buffer and a strict reader.
 *
 * A list is written in two steps: its items to one buffer, then rlp_list around them. A writer that
 * overflows stays overflowed and is checked once, at the end. The reader accepts canonical
 * encodings only: shortest lengths, single bytes below 0x80 as themselves, integers without leading
 * zeros.
 *
 * No allocation: any thread.
 */
#ifndef LONJA_CHAIN_RLP_H
#define LONJA_CHAIN_RLP_H

#include "chain/hex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rlp_writer {
    uint8_t *out;
    size_t max;
    size_t len;
    bool overflowed;
};

void rlp_writer_init(struct rlp_writer *writer, uint8_t *out, size_t max);

void rlp_bytes(struct rlp_writer *writer, const uint8_t *bytes, size_t len);
/* Big endian without leading zeros; zero is the empty string. */
void rlp_uint(struct rlp_writer *writer, chain_uint128 value);
/* A big endian number of up to 32 bytes, its leading zeros stripped: r and s of a signature. */
void rlp_uint_bytes(struct rlp_writer *writer, const uint8_t *bytes, size_t len);
/* Bytes as they are: items that are encoded already. */
void rlp_raw(struct rlp_writer *writer, const uint8_t *bytes, size_t len);
/* A list around `items`, which were written by another writer. */
void rlp_list(struct rlp_writer *writer, const uint8_t *items, size_t len);
/* Only the prefix of a list whose items take `len` bytes and are put behind it by the caller. */
void rlp_list_prefix(struct rlp_writer *writer, size_t len);

/* A cursor over encoded items; `at` moves, nothing is copied. */
struct rlp_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct rlp_item {
    const uint8_t *payload;
    size_t len;
    const uint8_t *encoded; /* the item with its prefix */
    size_t encoded_len;
    bool is_list;
};

void rlp_reader_init(struct rlp_reader *reader, const uint8_t *bytes, size_t len);
bool rlp_at_end(const struct rlp_reader *reader);

/* Each reads the next item; false at the end of the input, when the encoding is not canonical, or
 * when the item is not of the wanted kind. The reader is then not to be used any further. */
__attribute__((warn_unused_result)) bool rlp_next(struct rlp_reader *reader, struct rlp_item *item);
__attribute__((warn_unused_result)) bool rlp_next_u128(struct rlp_reader *reader,
                                                       chain_uint128 *value);
__attribute__((warn_unused_result)) bool rlp_next_u64(struct rlp_reader *reader, uint64_t *value);
/* A number of up to 32 bytes, right-aligned into `out`. */
__attribute__((warn_unused_result)) bool rlp_next_uint256(struct rlp_reader *reader,
                                                          uint8_t out[32]);
/* The list's items as a reader of their own. */
__attribute__((warn_unused_result)) bool rlp_next_list(struct rlp_reader *reader,
                                                       struct rlp_reader *items);

#endif
