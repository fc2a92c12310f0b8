#include "chain/hex.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

void hex_encode(char *out, const uint8_t *bytes, size_t len)
{
    *out++ = '0';
    *out++ = 'x';
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static const char *skip_prefix(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? text + 2 : text;
}

ssize_t hex_decode(uint8_t *out, size_t max, const char *text)
{
    const char *at = skip_prefix(text);
    size_t len = 0;
    for (; at[0] != '\0'; at += 2, len++) {
        int high = digit_value(at[0]);
        int low = high < 0 ? -1 : digit_value(at[1]);
        if (low < 0 || len == max)
            return -1;
        out[len] = (uint8_t)(high << 4 | low);
    }
    return (ssize_t)len;
}

bool hex_decode_exact(uint8_t *out, size_t len, const char *text)
{
    return hex_decode(out, len, text) == (ssize_t)len;
}

void hex_quantity(char *out, chain_uint128 value)
{
    unsigned shift = 0;
    while (shift < 124 && value >> (shift + 4) != 0)
        shift += 4;
    *out++ = '0';
    *out++ = 'x';
    for (;; shift -= 4) {
        *out++ = digits[(unsigned)(value >> shift) & 15];
        if (shift == 0)
            break;
    }
    *out = '\0';
}

bool hex_quantity_u128(chain_uint128 *out, const char *text)
{
    const char *at = skip_prefix(text);
    if (at == text || *at == '\0')
        return false;
    chain_uint128 value = 0;
    for (; *at != '\0'; at++) {
        int digit = digit_value(*at);
        if (digit < 0 || value >> 124 != 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *out = value;
    return true;
}

bool hex_quantity_u64(uint64_t *out, const char *text)
{
    chain_uint128 value;
    if (!hex_quantity_u128(&value, text) || value > UINT64_MAX)
        return false;
    *out = (uint64_t)value;
    return true;
}
