#include "chain/abi.h"

#include <stdio.h>
#include <string.h>

struct abi_word abi_from_u128(chain_uint128 value)
{
    struct abi_word word = {{0}};
    for (size_t i = ABI_WORD_BYTES; value != 0; value >>= 8)
        word.bytes[--i] = (uint8_t)value;
    return word;
}

struct abi_word abi_from_address(const struct chain_address *address)
{
    struct abi_word word = {{0}};
    memcpy(word.bytes + ABI_WORD_BYTES - ADDRESS_BYTES, address->bytes, ADDRESS_BYTES);
    return word;
}

static bool upper_is_zero(const struct abi_word *word, size_t upper_bytes)
{
    static const struct abi_word zero;
    return memcmp(word->bytes, zero.bytes, upper_bytes) == 0;
}

bool abi_word_u128(chain_uint128 *out, const struct abi_word *word)
{
    if (!upper_is_zero(word, 16))
        return false;
    *out = 0;
    for (size_t i = 16; i < ABI_WORD_BYTES; i++)
        *out = *out << 8 | word->bytes[i];
    return true;
}

bool abi_word_address(struct chain_address *out, const struct abi_word *word)
{
    size_t upper = ABI_WORD_BYTES - ADDRESS_BYTES;
    if (!upper_is_zero(word, upper))
        return false;
    memcpy(out->bytes, word->bytes + upper, ADDRESS_BYTES);
    return true;
}

bool abi_word_bool(bool *out, const struct abi_word *word)
{
    uint8_t last = word->bytes[ABI_WORD_BYTES - 1];
    if (!upper_is_zero(word, ABI_WORD_BYTES - 1) || last > 1)
        return false;
    *out = last == 1;
    return true;
}

bool abi_answer_word(struct abi_word *out, const uint8_t *answer, size_t len, size_t index)
{
    if (index >= len / ABI_WORD_BYTES)
        return false;
    memcpy(out->bytes, answer + index * ABI_WORD_BYTES, ABI_WORD_BYTES);
    return true;
}

void abi_call_begin(struct abi_call *call, uint8_t *out, size_t max, uint32_t selector,
                    size_t arguments)
{
    size_t head_end = ABI_SELECTOR_BYTES + arguments * ABI_WORD_BYTES;
    *call = (struct abi_call){.out = out,
                              .max = max,
                              .head = ABI_SELECTOR_BYTES,
                              .head_end = head_end,
                              .tail = head_end,
                              .failed = head_end > max};
    if (call->failed)
        return;
    for (unsigned i = 0; i < ABI_SELECTOR_BYTES; i++)
        out[i] = (uint8_t)(selector >> (24 - 8 * i));
}

static void put_argument(struct abi_call *call, const struct abi_word *word)
{
    if (call->failed || call->head == call->head_end) {
        call->failed = true;
        return;
    }
    memcpy(call->out + call->head, word->bytes, ABI_WORD_BYTES);
    call->head += ABI_WORD_BYTES;
}

static void put_tail(struct abi_call *call, const struct abi_word *word)
{
    if (call->failed || call->max - call->tail < ABI_WORD_BYTES) {
        call->failed = true;
        return;
    }
    memcpy(call->out + call->tail, word->bytes, ABI_WORD_BYTES);
    call->tail += ABI_WORD_BYTES;
}

/* An array's argument is where its tail begins, counted from behind the selector. */
static void begin_array(struct abi_call *call, size_t count)
{
    struct abi_word offset = abi_from_u128(call->tail - ABI_SELECTOR_BYTES);
    struct abi_word length = abi_from_u128(count);
    put_argument(call, &offset);
    put_tail(call, &length);
}

void abi_address(struct abi_call *call, const struct chain_address *address)
{
    struct abi_word word = abi_from_address(address);
    put_argument(call, &word);
}

void abi_u128(struct abi_call *call, chain_uint128 value)
{
    struct abi_word word = abi_from_u128(value);
    put_argument(call, &word);
}

void abi_address_array(struct abi_call *call, const struct chain_address *addresses, size_t count)
{
    begin_array(call, count);
    for (size_t i = 0; i < count; i++) {
        struct abi_word word = abi_from_address(&addresses[i]);
        put_tail(call, &word);
    }
}

void abi_u128_array(struct abi_call *call, const chain_uint128 *values, size_t count)
{
    begin_array(call, count);
    for (size_t i = 0; i < count; i++) {
        struct abi_word word = abi_from_u128(values[i]);
        put_tail(call, &word);
    }
}

ssize_t abi_call_end(struct abi_call *call)
{
    if (call->failed || call->head != call->head_end)
        return -1;
    return (ssize_t)call->tail;
}

#define SELECTOR_ERROR 0x08c379a0u /* Error(string) */
#define SELECTOR_PANIC 0x4e487b71u /* Panic(uint256) */

static uint32_t read_selector(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

/* The words come from a contract: nothing of them may break a log line or a terminal. */
static void copy_printable(char *out, size_t max, const uint8_t *text, size_t len)
{
    size_t copied = len < max ? len : max - 1;
    for (size_t i = 0; i < copied; i++)
        out[i] = text[i] >= 0x20 && text[i] < 0x7f ? (char)text[i] : '?';
    out[copied] = '\0';
}

static bool reason_of_error(char *out, size_t max, const uint8_t *body, size_t len)
{
    struct abi_word word;
    chain_uint128 offset;
    chain_uint128 text_len;
    if (!abi_answer_word(&word, body, len, 0) || !abi_word_u128(&offset, &word) || offset > len)
        return false;
    const uint8_t *string = body + (size_t)offset;
    size_t rest = len - (size_t)offset;
    if (!abi_answer_word(&word, string, rest, 0) || !abi_word_u128(&text_len, &word))
        return false;
    if (text_len > rest - ABI_WORD_BYTES)
        return false;
    copy_printable(out, max, string + ABI_WORD_BYTES, (size_t)text_len);
    return true;
}

bool abi_revert_reason(char *out, size_t max, const uint8_t *data, size_t len)
{
    out[0] = '\0';
    if (len < ABI_SELECTOR_BYTES)
        return false;
    uint32_t selector = read_selector(data);
    if (selector == SELECTOR_ERROR)
        return reason_of_error(out, max, data + ABI_SELECTOR_BYTES, len - ABI_SELECTOR_BYTES);
    if (selector == SELECTOR_PANIC && len == ABI_SELECTOR_BYTES + ABI_WORD_BYTES)
        snprintf(out, max, "panic 0x%02x", data[len - 1]);
    else
        snprintf(out, max, "error 0x%08x", selector);
    return true;
}
