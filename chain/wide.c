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

bool wide_parse(chain_uint128 *out, const char *text)
{
    const chain_uint128 max = ~(chain_uint128)0;
    chain_uint128 value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned digit = (unsigned)(*text - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}
