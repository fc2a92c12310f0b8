#include "chain/address.h"

#include "chain/hex.h"
#include "chain/keccak.h"

#include <string.h>

/* EIP-55: a letter is a capital where the digit of the hash of the lower-case text is 8 or more. */
void address_format(char out[ADDRESS_TEXT_SIZE], const struct chain_address *address)
{
    hex_encode(out, address->bytes, ADDRESS_BYTES);
    uint8_t hash[KECCAK_BYTES];
    keccak256(hash, (const uint8_t *)out + 2, 2 * ADDRESS_BYTES);
    for (size_t i = 0; i < 2 * ADDRESS_BYTES; i++) {
        unsigned digit = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15;
        char *c = &out[2 + i];
        if (*c >= 'a' && digit >= 8)
            *c = (char)(*c - 'a' + 'A');
    }
}

static bool is_mixed_case(const char *text)
{
    bool lower = strpbrk(text, "abcdef") != NULL;
    bool upper = strpbrk(text, "ABCDEF") != NULL;
    return lower && upper;
}

enum address_text address_read(struct chain_address *out, const char *text)
{
    if (!hex_decode_exact(out->bytes, ADDRESS_BYTES, text))
        return ADDRESS_MALFORMED;
    const char *bare = text + strlen(text) - 2 * ADDRESS_BYTES;
    if (!is_mixed_case(bare))
        return ADDRESS_UNCHECKED;
    char canonical[ADDRESS_TEXT_SIZE];
    address_format(canonical, out);
    return strcmp(canonical + 2, bare) == 0 ? ADDRESS_CHECKED : ADDRESS_CHECKSUM;
}

bool address_parse(struct chain_address *out, const char *text)
{
    enum address_text is = address_read(out, text);
    return is == ADDRESS_CHECKED || is == ADDRESS_UNCHECKED;
}

bool address_equal(const struct chain_address *a, const struct chain_address *b)
{
    return memcmp(a->bytes, b->bytes, ADDRESS_BYTES) == 0;
}

bool address_is_zero(const struct chain_address *address)
{
    static const struct chain_address zero;
    return address_equal(address, &zero);
}
