#include "chain/rlp.h"

#include <string.h>

/* First bytes of an item: below 0x80 the byte itself; 0x80 + n a string of n ≤ 55 bytes; 0xb7 + k a
 * string whose length stands in the next k bytes; 0xc0 and 0xf7 the same for lists. */
#define STRING_SHORT 0x80u
#define LIST_SHORT   0xc0u
#define SHORT_MAX    55u

void rlp_writer_init(struct rlp_writer *writer, uint8_t *out, size_t max)
{
    *writer = (struct rlp_writer){.out = out, .max = max};
}

void rlp_raw(struct rlp_writer *writer, const uint8_t *bytes, size_t len)
{
    if (writer->overflowed || len > writer->max - writer->len) {
        writer->overflowed = true;
        return;
    }
    if (len > 0)
        memcpy(writer->out + writer->len, bytes, len);
    writer->len += len;
}

/* Big endian without leading zeros into the end of `out`; returns how many bytes that takes. */
static size_t minimal_bytes(uint8_t out[16], chain_uint128 value)
{
    size_t len = 0;
    for (; value != 0; value >>= 8)
        out[15 - len++] = (uint8_t)value;
    return len;
}

static void write_prefix(struct rlp_writer *writer, uint8_t base, size_t len)
{
    if (len <= SHORT_MAX) {
        uint8_t prefix = (uint8_t)(base + len);
        rlp_raw(writer, &prefix, 1);
        return;
    }
    uint8_t number[16];
    size_t number_len = minimal_bytes(number, len);
    uint8_t prefix = (uint8_t)(base + SHORT_MAX + number_len);
    rlp_raw(writer, &prefix, 1);
    rlp_raw(writer, number + 16 - number_len, number_len);
}

void rlp_bytes(struct rlp_writer *writer, const uint8_t *bytes, size_t len)
{
    if (len != 1 || bytes[0] >= STRING_SHORT)
        write_prefix(writer, STRING_SHORT, len);
    rlp_raw(writer, bytes, len);
}

void rlp_uint(struct rlp_writer *writer, chain_uint128 value)
{
    uint8_t number[16];
    size_t len = minimal_bytes(number, value);
    rlp_bytes(writer, number + 16 - len, len);
}

void rlp_uint_bytes(struct rlp_writer *writer, const uint8_t *bytes, size_t len)
{
    while (len > 0 && bytes[0] == 0) {
        bytes++;
        len--;
    }
    rlp_bytes(writer, bytes, len);
}

void rlp_list_prefix(struct rlp_writer *writer, size_t len)
{
    write_prefix(writer, LIST_SHORT, len);
}

void rlp_list(struct rlp_writer *writer, const uint8_t *items, size_t len)
{
    rlp_list_prefix(writer, len);
    rlp_raw(writer, items, len);
}

void rlp_reader_init(struct rlp_reader *reader, const uint8_t *bytes, size_t len)
{
    reader->at = bytes;
    reader->end = bytes + len;
}

bool rlp_at_end(const struct rlp_reader *reader)
{
    return reader->at == reader->end;
}

/* The length that follows a prefix of `number_len` length bytes; canonical only when it has no
 * leading zero and would not have fitted a short prefix. */
static bool read_long_length(struct rlp_reader *reader, size_t *len, size_t number_len)
{
    if (number_len > sizeof(uint32_t) || number_len > (size_t)(reader->end - reader->at) ||
        reader->at[0] == 0)
        return false;
    *len = 0;
    for (size_t i = 0; i < number_len; i++)
        *len = *len << 8 | *reader->at++;
    return *len > SHORT_MAX;
}

static bool read_prefix(struct rlp_reader *reader, struct rlp_item *item)
{
    uint8_t prefix = *reader->at++;
    item->is_list = prefix >= LIST_SHORT;
    size_t rest = (size_t)prefix - (item->is_list ? LIST_SHORT : STRING_SHORT);
    if (rest <= SHORT_MAX) {
        item->len = rest;
        return true;
    }
    return read_long_length(reader, &item->len, rest - SHORT_MAX);
}

bool rlp_next(struct rlp_reader *reader, struct rlp_item *item)
{
    if (rlp_at_end(reader))
        return false;
    item->encoded = reader->at;
    bool single = *reader->at < STRING_SHORT;
    if (single) {
        item->len = 1;
        item->is_list = false;
    } else if (!read_prefix(reader, item)) {
        return false;
    }
    if (item->len > (size_t)(reader->end - reader->at))
        return false;
    item->payload = reader->at;
    reader->at += item->len;
    item->encoded_len = (size_t)(reader->at - item->encoded);
    bool is_short_byte = !item->is_list && item->len == 1 && item->payload[0] < STRING_SHORT;
    return single || !is_short_byte;
}

bool rlp_next_uint256(struct rlp_reader *reader, uint8_t out[32])
{
    struct rlp_item item;
    if (!rlp_next(reader, &item) || item.is_list || item.len > 32)
        return false;
    if (item.len > 0 && item.payload[0] == 0)
        return false;
    memset(out, 0, 32);
    memcpy(out + 32 - item.len, item.payload, item.len);
    return true;
}

bool rlp_next_u128(struct rlp_reader *reader, chain_uint128 *value)
{
    uint8_t number[32];
    static const uint8_t zero[16];
    if (!rlp_next_uint256(reader, number) || memcmp(number, zero, 16) != 0)
        return false;
    *value = 0;
    for (size_t i = 16; i < 32; i++)
        *value = *value << 8 | number[i];
    return true;
}

bool rlp_next_u64(struct rlp_reader *reader, uint64_t *value)
{
    chain_uint128 wide;
    if (!rlp_next_u128(reader, &wide) || wide > UINT64_MAX)
        return false;
    *value = (uint64_t)wide;
    return true;
}

bool rlp_next_list(struct rlp_reader *reader, struct rlp_reader *items)
{
    struct rlp_item item;
    if (!rlp_next(reader, &item) || !item.is_list)
        return false;
    rlp_reader_init(items, item.payload, item.len);
    return true;
}
