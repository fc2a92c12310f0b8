#include "chain/abi_text.h"

#include "base/assert.h"
#include "chain/keccak.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A type is a slice of the signature and is read again where it is needed: "address[2][]" is an
 * array of "address[2]", "(T,U)" a tuple.
 *
 * A sequence (arguments, a tuple, the items of an array) is a head, in which a static value stands
 * itself and a dynamic one the offset of its encoding, and behind it the dynamic values in order.
 * Offsets count from the sequence's own beginning.
 */
struct slice {
    const char *at;
    size_t len;
};

struct writer {
    uint8_t *out;
    size_t max;
    size_t len;
    char *error;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct writer *writer, const char *format,
                                                         ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(writer->error, ABI_TEXT_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool refuse_value(struct writer *writer, struct slice type, const char *why)
{
    return refuse(writer, "%.*s: %s", (int)(type.len < 80 ? type.len : 80), type.at, why);
}

/* ---- types -------------------------------------------------------------------------------------
 */

static bool is_array(struct slice type)
{
    return type.len > 0 && type.at[type.len - 1] == ']';
}

static bool is_tuple(struct slice type)
{
    return !is_array(type) && type.len > 0 && type.at[0] == '(';
}

static bool is_word(struct slice type, const char *name)
{
    return type.len == strlen(name) && strncmp(type.at, name, type.len) == 0;
}

/* The element's type, and how many there are: -1 = as many as the value has. */
static struct slice element_of(struct slice type, long *count)
{
    size_t open = type.len - 1;
    while (open > 0 && type.at[open] != '[')
        open--;
    *count = type.at[open + 1] == ']' ? -1 : strtol(type.at + open + 1, NULL, 10);
    return (struct slice){type.at, open};
}

/* The next component of a tuple's inside; false at its end. `rest` moves behind it. */
static bool next_component(struct slice *component, struct slice *rest)
{
    size_t depth = 0;
    size_t end = 0;
    if (rest->len == 0)
        return false;
    for (; end < rest->len && (depth > 0 || rest->at[end] != ','); end++) {
        depth += rest->at[end] == '(';
        depth -= rest->at[end] == ')';
    }
    *component = (struct slice){rest->at, end};
    size_t used = end < rest->len ? end + 1 : end;
    *rest = (struct slice){rest->at + used, rest->len - used};
    return true;
}

static struct slice inside_of(struct slice tuple)
{
    return (struct slice){tuple.at + 1, tuple.len - 2};
}

/* Bits of uint8…uint256 and int8…int256, or 0. */
static unsigned bits_of(struct slice type, const char *name)
{
    size_t len = strlen(name);
    if (type.len <= len || type.len > len + 3 || strncmp(type.at, name, len) != 0 ||
        type.at[len] == '0')
        return 0;
    unsigned bits = 0;
    for (size_t i = len; i < type.len; i++) {
        if (!isdigit((unsigned char)type.at[i]))
            return 0;
        bits = bits * 10 + (unsigned)(type.at[i] - '0');
    }
    return bits;
}

static bool is_number_of(struct slice type, const char *name)
{
    unsigned bits = bits_of(type, name);
    return bits >= 8 && bits <= 256 && bits % 8 == 0;
}

static size_t fixed_bytes_of(struct slice type)
{
    unsigned bytes = bits_of(type, "bytes");
    return bytes <= ABI_WORD_BYTES ? bytes : 0;
}

static bool is_elementary(struct slice type)
{
    return is_word(type, "address") || is_word(type, "bool") || is_word(type, "string") ||
           is_word(type, "bytes") || is_number_of(type, "uint") || is_number_of(type, "int") ||
           fixed_bytes_of(type) > 0;
}

#define ARRAY_COUNT_MAX 1000

static bool is_array_suffix(struct slice type)
{
    size_t open = type.len - 1;
    while (open > 0 && type.at[open] != '[')
        open--;
    if (open == 0 || type.len - open > 6)
        return false;
    for (size_t i = open + 1; i < type.len - 1; i++)
        if (!isdigit((unsigned char)type.at[i]))
            return false;
    long count;
    (void)element_of(type, &count);
    return count == -1 || (count > 0 && count <= ARRAY_COUNT_MAX);
}

static bool is_balanced(struct slice tuple)
{
    long depth = 0;
    for (size_t i = 0; i < tuple.len; i++) {
        depth += tuple.at[i] == '(';
        depth -= tuple.at[i] == ')';
        if (depth <= 0 && i + 1 < tuple.len)
            return false;
    }
    return depth == 0;
}

static bool is_type(struct slice type, unsigned depth)
{
    if (depth > ABI_TEXT_DEPTH_MAX)
        return false;
    if (is_array(type)) {
        long count;
        return is_array_suffix(type) && is_type(element_of(type, &count), depth + 1);
    }
    if (!is_tuple(type))
        return is_elementary(type);
    if (!is_balanced(type))
        return false;
    struct slice component;
    struct slice rest = inside_of(type);
    if (rest.len > 0 && rest.at[rest.len - 1] == ',')
        return false;
    while (next_component(&component, &rest))
        if (!is_type(component, depth + 1))
            return false;
    return true;
}

static bool is_dynamic(struct slice type)
{
    if (is_array(type)) {
        long count;
        struct slice element = element_of(type, &count);
        return count < 0 || is_dynamic(element);
    }
    if (!is_tuple(type))
        return is_word(type, "string") || is_word(type, "bytes");
    struct slice component;
    struct slice rest = inside_of(type);
    while (next_component(&component, &rest))
        if (is_dynamic(component))
            return true;
    return false;
}

/* What a value takes in the head of its sequence. */
static size_t head_bytes(struct slice type)
{
    if (is_dynamic(type) || (!is_array(type) && !is_tuple(type)))
        return ABI_WORD_BYTES;
    if (is_array(type)) {
        long count;
        struct slice element = element_of(type, &count);
        return (size_t)count * head_bytes(element);
    }
    size_t bytes = 0;
    struct slice component;
    struct slice rest = inside_of(type);
    while (next_component(&component, &rest))
        bytes += head_bytes(component);
    return bytes;
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

static bool times_ten_plus(struct abi_word *word, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = ABI_WORD_BYTES; i-- > 0;) {
        carry += word->bytes[i] * 10u;
        word->bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

static bool read_digits(struct abi_word *word, const char *digits)
{
    *word = (struct abi_word){{0}};
    for (const char *c = digits; *c != '\0'; c++)
        if (!isdigit((unsigned char)*c) || !times_ten_plus(word, (unsigned)(*c - '0')))
            return false;
    return digits[0] != '\0';
}

static void negate(struct abi_word *word)
{
    unsigned carry = 1;
    for (size_t i = ABI_WORD_BYTES; i-- > 0;) {
        carry += (uint8_t)~word->bytes[i];
        word->bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

/* Whether the bits from `bits` on all are copies of the sign. */
static bool fits(const struct abi_word *word, unsigned bits, bool negative)
{
    size_t first = ABI_WORD_BYTES - bits / 8;
    for (size_t i = 0; i < first; i++)
        if (word->bytes[i] != (negative ? 0xff : 0))
            return false;
    return true;
}

static bool is_zero(const struct abi_word *word)
{
    static const struct abi_word zero;
    return memcmp(word, &zero, sizeof(zero)) == 0;
}

static bool read_signed(struct abi_word *word, unsigned bits, const char *text)
{
    bool negative = text[0] == '-';
    if (!read_digits(word, text + negative))
        return false;
    if (negative && is_zero(word))
        return false;
    if (negative)
        negate(word);
    bool sign = (word->bytes[ABI_WORD_BYTES - bits / 8] & 0x80) != 0;
    return sign == negative && fits(word, bits, negative);
}

static bool read_number(struct abi_word *word, struct slice type, const json_t *value)
{
    char integer[24];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(integer, sizeof(integer), "%lld", (long long)json_integer_value(value));
        text = integer;
    }
    if (text == NULL)
        return false;
    if (type.at[0] == 'i')
        return read_signed(word, bits_of(type, "int"), text);
    return read_digits(word, text) && fits(word, bits_of(type, "uint"), false);
}

/* ---- values ------------------------------------------------------------------------------------
 */

static bool grow(struct writer *writer, size_t bytes)
{
    if (writer->max - writer->len < bytes)
        return refuse(writer, "more than %zu bytes", writer->max);
    memset(writer->out + writer->len, 0, bytes);
    writer->len += bytes;
    return true;
}

static bool write_word(struct writer *writer, size_t at, struct slice type, const json_t *value)
{
    struct abi_word word = {{0}};
    struct chain_address address;
    const char *text = json_string_value(value);
    if (is_word(type, "address")) {
        if (text == NULL || !address_parse(&address, text))
            return refuse_value(writer, type, "no address, or its checksum is wrong");
        word = abi_from_address(&address);
    } else if (is_word(type, "bool")) {
        if (!json_is_boolean(value))
            return refuse_value(writer, type, "true or false is needed");
        word = abi_from_u128(json_is_true(value));
    } else if (fixed_bytes_of(type) > 0) {
        if (text == NULL || !hex_decode_exact(word.bytes, fixed_bytes_of(type), text))
            return refuse_value(writer, type, "not as many hexadecimal bytes");
    } else if (!read_number(&word, type, value)) {
        return refuse_value(writer, type, "no number, or one that does not fit");
    }
    memcpy(writer->out + at, word.bytes, ABI_WORD_BYTES);
    return true;
}

/* Length, then the bytes padded to whole words. */
static bool write_bytes(struct writer *writer, struct slice type, const json_t *value)
{
    const char *text = json_string_value(value);
    bool is_text = is_word(type, "string");
    if (text == NULL || (!is_text && (strncmp(text, "0x", 2) != 0 || strlen(text) % 2 != 0)))
        return refuse_value(writer, type, is_text ? "a string is needed" : "\"0x…\" is needed");
    size_t len = is_text ? json_string_length(value) : strlen(text) / 2 - 1;
    struct abi_word length = abi_from_u128(len);
    size_t at = writer->len;
    if (!grow(writer,
              ABI_WORD_BYTES + (len + ABI_WORD_BYTES - 1) / ABI_WORD_BYTES * ABI_WORD_BYTES))
        return false;
    memcpy(writer->out + at, length.bytes, ABI_WORD_BYTES);
    if (is_text)
        memcpy(writer->out + at + ABI_WORD_BYTES, text, len);
    else if (!hex_decode_exact(writer->out + at + ABI_WORD_BYTES, len, text))
        return refuse_value(writer, type, "not hexadecimal");
    return true;
}

/* The sequence that a value is: each of its items has a type and a value. `next` moves through the
 * types; an array's stays where it is. */
struct sequence {
    const json_t *values;
    size_t count;
    bool is_array;
    struct slice element; /* of an array */
    struct slice rest;    /* of a tuple */
};

static struct slice next_type(struct sequence *sequence)
{
    struct slice component = sequence->element;
    if (!sequence->is_array)
        ASSERT(next_component(&component, &sequence->rest));
    return component;
}

static size_t sequence_head_bytes(struct sequence sequence)
{
    size_t bytes = 0;
    for (size_t i = 0; i < sequence.count; i++)
        bytes += head_bytes(next_type(&sequence));
    return bytes;
}

static size_t components_of(struct slice tuple)
{
    size_t count = 0;
    struct slice component;
    struct slice rest = inside_of(tuple);
    while (next_component(&component, &rest))
        count++;
    return count;
}

static bool open_sequence(struct writer *writer, struct sequence *sequence, struct slice type,
                          const json_t *values)
{
    long count = -1;
    if (!json_is_array(values))
        return refuse_value(writer, type, "a list is needed");
    *sequence = (struct sequence){
        .values = values, .count = json_array_size(values), .is_array = is_array(type)};
    if (sequence->is_array) {
        sequence->element = element_of(type, &count);
    } else {
        sequence->rest = inside_of(type);
        count = (long)components_of(type);
    }
    if (sequence->count > ARRAY_COUNT_MAX || (count >= 0 && sequence->count != (size_t)count))
        return refuse_value(writer, type, "the list has another number of items");
    return true;
}

static bool write_static(struct writer *writer, size_t at, struct slice type, const json_t *value);
static bool write_dynamic(struct writer *writer, struct slice type, const json_t *value);

static bool write_offset(struct writer *writer, size_t at, size_t offset)
{
    struct abi_word word = abi_from_u128(offset);
    memcpy(writer->out + at, word.bytes, ABI_WORD_BYTES);
    return true;
}

static bool write_sequence(struct writer *writer, struct sequence sequence)
{
    size_t base = writer->len;
    size_t at = base;
    if (!grow(writer, sequence_head_bytes(sequence)))
        return false;
    for (size_t i = 0; i < sequence.count; i++) {
        struct slice type = next_type(&sequence);
        const json_t *value = json_array_get(sequence.values, i);
        bool dynamic = is_dynamic(type);
        if (dynamic ? !write_offset(writer, at, writer->len - base) ||
                          !write_dynamic(writer, type, value)
                    : !write_static(writer, at, type, value))
            return false;
        at += head_bytes(type);
    }
    return true;
}

static bool write_static(struct writer *writer, size_t at, struct slice type, const json_t *value)
{
    struct sequence sequence;
    if (!is_array(type) && !is_tuple(type))
        return write_word(writer, at, type, value);
    if (!open_sequence(writer, &sequence, type, value))
        return false;
    for (size_t i = 0; i < sequence.count; i++) {
        struct slice item = next_type(&sequence);
        if (!write_static(writer, at, item, json_array_get(value, i)))
            return false;
        at += head_bytes(item);
    }
    return true;
}

static bool write_dynamic(struct writer *writer, struct slice type, const json_t *value)
{
    struct sequence sequence;
    long count = 0;
    if (!is_array(type) && !is_tuple(type))
        return write_bytes(writer, type, value);
    if (!open_sequence(writer, &sequence, type, value))
        return false;
    if (sequence.is_array)
        (void)element_of(type, &count);
    size_t at = writer->len;
    if (count < 0 && (!grow(writer, ABI_WORD_BYTES) || !write_offset(writer, at, sequence.count)))
        return false;
    return write_sequence(writer, sequence);
}

ssize_t abi_text_arguments(uint8_t *out, size_t max, const char *types, const json_t *values,
                           char error[ABI_TEXT_ERROR_MAX])
{
    struct writer writer = {.out = out, .max = max, .error = error};
    struct slice list = {types, strlen(types)};
    struct sequence sequence;
    error[0] = '\0';
    if (!is_tuple(list) || !is_type(list, 0)) {
        refuse(&writer, "\"%.100s\" is no list of types", types);
        return -1;
    }
    if (!open_sequence(&writer, &sequence, list, values) || !write_sequence(&writer, sequence))
        return -1;
    return (ssize_t)writer.len;
}

ssize_t abi_text_call(uint8_t *out, size_t max, const char *signature, const json_t *values,
                      char error[ABI_TEXT_ERROR_MAX])
{
    const char *types = strchr(signature, '(');
    if (types == NULL || types == signature || max < ABI_SELECTOR_BYTES) {
        snprintf(error, ABI_TEXT_ERROR_MAX, "\"%.100s\" is no signature", signature);
        return -1;
    }
    struct chain_hash hash = keccak256_hash((const uint8_t *)signature, strlen(signature));
    memcpy(out, hash.bytes, ABI_SELECTOR_BYTES);
    ssize_t len = abi_text_arguments(out + ABI_SELECTOR_BYTES, max - ABI_SELECTOR_BYTES, types,
                                     values, error);
    return len < 0 ? -1 : len + ABI_SELECTOR_BYTES;
}
