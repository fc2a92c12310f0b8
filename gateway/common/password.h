// Password: compares a password with its argon2 hash, behind one shim over libargon2. It takes tens
// of milliseconds and as much memory as the hash says: for workers.h, never for an event loop.
//
// Any thread. Wipes nothing of the caller's: see password_wipe.
#ifndef LONJA_GATEWAY_COMMON_PASSWORD_H
#define LONJA_GATEWAY_COMMON_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

// True if `password` is the one that `encoded` ("$argon2id$…") was made from. False too for an
// encoding that is not argon2id, is broken, or asks for more than 256 MiB or 16 passes.
bool password_verify(const char *encoded, const char *password, size_t bytes);
// Hashes a new password with fresh salt (19 MiB, 2 passes: OWASP's floor); false if memory or
// randomness fail.
enum { PASSWORD_ENCODED_BYTES = 128 };
bool password_hash(char encoded[PASSWORD_ENCODED_BYTES], const char *password, size_t bytes);
// A valid hash of nobody's password: compared with when there is no such login, so that an answer
// takes as long as for one that exists.
const char *password_decoy(void);
// Overwrites a secret; not optimised away.
void password_wipe(void *secret, size_t bytes);

#endif
