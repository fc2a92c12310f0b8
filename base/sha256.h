// SHA-256 (FIPS 180-4), by OpenSSL. Its low-level functions are used, and linked statically: they
// neither allocate nor lock nor load a provider, as EVP does, so the engine may call them; and the
// core still needs libc alone. A library of its own: who does not hash does not link it.
#ifndef LONJA_BASE_SHA256_H
#define LONJA_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_BYTES = 32 };

// Cannot fail. `data` may be NULL if there are no bytes. Any thread.
void sha256(uint8_t out[SHA256_BYTES], const void *data, size_t bytes);

#endif
