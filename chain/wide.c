#include "chain/wide.h"

#include <string.h>

void wide_format(char out[WIDE_DECIMAL_SIZE], chain_uint128 value)
{
    char text[WIDE_DECIMAL_SIZE];
    unsigned at = sizeof(text) - 1;
    text[at] = '\0';
    do {
        text[--at] = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value != 0);
    memcpy(out, text + at, sizeof(text) - at);
}

/* False: above 128 bits. */
static bool append_digit(chain_uint128 *value, unsigned digit)
{
    const chain_uint128 max = ~(chain_uint128)0;
    if (*value > (max - digit) / 10)
        return false;
    *value = *value * 10 + digit;
    return true;
}

bool wide_parse(chain_uint128 *out, const char *text)
{
    chain_uint128 value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (!append_digit(&value, (unsigned)(*text - '0')))
            return false;
    }
    *out = value;
    return true;
}

static bool is_decimal(const char *text)
{
    size_t whole = strspn(text, "0123456789");
    size_t point = text[whole] == '.';
    size_t fraction = strspn(text + whole + point, "0123456789");
    return whole + fraction > 0 && text[whole + point + fraction] == '\0';
}

enum wide_result wide_parse_decimal(chain_uint128 *out, const char *text, unsigned decimals)
{
    chain_uint128 value = 0;
    if (!is_decimal(text))
        return WIDE_MALFORMED;
    const char *fraction = strchr(text, '.');
    fraction = fraction != NULL ? fraction + 1 : text + strlen(text);
    for (const char *c = text; *c != '\0' && *c != '.'; c++)
        if (!append_digit(&value, (unsigned)(*c - '0')))
            return WIDE_OVERFLOW;
    for (; decimals > 0; decimals--)
        if (!append_digit(&value, *fraction != '\0' ? (unsigned)(*fraction++ - '0') : 0))
            return WIDE_OVERFLOW;
    if (fraction[strspn(fraction, "0")] != '\0')
        return WIDE_SURPLUS;
    *out = value;
    return WIDE_OK;
}
