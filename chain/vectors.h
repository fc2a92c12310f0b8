/* Test only: published vectors from ../shared/data, which a checkout may lack. */
#ifndef LONJA_CHAIN_VECTORS_H
#define LONJA_CHAIN_VECTORS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Reads `../shared/data/<name>`, decompressed when it ends in .gz. Where the folder is absent the
 * calling cmocka test is skipped with a message; a file that does not parse fails it. */
json_t *vectors_load(const char *name);

/* A string member, or NULL; and its bytes when it is hexadecimal, in memory that the caller frees.
 */
const char *vectors_text(const json_t *object, const char *key);
uint8_t *vectors_bytes(size_t *len, const char *hex);

#endif
