// What the files of the store share: store.c (numbers, life), store_messages.c (the messages and
// their files). For nobody else.
#ifndef LONJA_GATEWAY_FIX_STORE_INTERNAL_H
#define LONJA_GATEWAY_FIX_STORE_INTERNAL_H

#include "gateway/fix/store.h"

// store.c; each returns 0 or -errno, a descriptor or -errno.
CHECKED int store_numbers_write(struct store *store, uint32_t reserved_end, uint32_t clean_next);
CHECKED int store_folder_sync(const char *folder);
CHECKED int store_file_open(const struct store *store, const char *name);

// store_messages.c
CHECKED int store_messages_open(struct store *store, store_visit *visit, void *context);
void store_messages_close(struct store *store);
// The first, empty file of the generation; what was known of the one before is forgotten.
CHECKED int store_messages_begin(struct store *store);
// Removes files of other generations, and segments that were given up.
CHECKED int store_messages_tidy(struct store *store);

#endif
