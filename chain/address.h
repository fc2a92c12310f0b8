/* Addresses of the chain: 20 bytes, in text with the checksum of EIP-55.
 *
 * No allocation, no state: any thread.
 */
#ifndef LONJA_CHAIN_ADDRESS_H
#define LONJA_CHAIN_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_BYTES 20
/* "0x", 40 digits, terminating zero. */
#define ADDRESS_TEXT_SIZE 43

struct chain_address {
    uint8_t bytes[ADDRESS_BYTES];
};

/* What a text is as an address. One in a single case carries no checksum: nothing speaks against a
 * mistyped digit of it. */
enum address_text {
    ADDRESS_CHECKED,   /* with the right checksum */
    ADDRESS_UNCHECKED, /* in one case */
    ADDRESS_MALFORMED, /* not 40 digits, with or without "0x" */
    ADDRESS_CHECKSUM,  /* in both cases, and not those of the checksum */
};

/* `out` is unspecified unless the text is one of the first two. */
__attribute__((warn_unused_result)) enum address_text address_read(struct chain_address *out,
                                                                   const char *text);

/* As above: true for the first two. */
__attribute__((warn_unused_result)) bool address_parse(struct chain_address *out, const char *text);

/* Writes the address with its EIP-55 checksum and a terminating zero. */
void address_format(char out[ADDRESS_TEXT_SIZE], const struct chain_address *address);

bool address_equal(const struct chain_address *a, const struct chain_address *b);
bool address_is_zero(const struct chain_address *address);

#endif
