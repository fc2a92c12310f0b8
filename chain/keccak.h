/* Keccak-256 as Ethereum uses it: the padding of the Keccak submission (0x01), not that of NIST's
 * SHA3-256 (0x06), which OpenSSL has and which gives other digests.
 *
 * No allocation, no state: any thread.
 */
#ifndef LONJA_CHAIN_KECCAK_H
#define LONJA_CHAIN_KECCAK_H

#include <stddef.h>
#include <stdint.h>

#define KECCAK_BYTES 32

struct chain_hash {
    uint8_t bytes[KECCAK_BYTES];
};

void keccak256(uint8_t out[KECCAK_BYTES], const uint8_t *data, size_t len);
/* The same on a processor without BMI2 (before 2013), for the test of that. */
void keccak256_plain(uint8_t out[KECCAK_BYTES], const uint8_t *data, size_t len);
struct chain_hash keccak256_hash(const uint8_t *data, size_t len);

#endif
