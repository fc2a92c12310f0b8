#include "gateway/common/client_ids.h"

#include <string.h>

#include "base/assert.h"
#include "base/fnv1a.h"

void client_ids_init(struct client_ids *ids)
{
    memset(ids, 0, sizeof *ids);
    map_init(&ids->heads);
}

void client_ids_fini(struct client_ids *ids)
{
    map_fini(&ids->heads);
    free(ids->entries);
    client_ids_init(ids);
}

// Chains make collisions harmless. Never 0, which the map does not take.
static uint64_t hash_of(uint32_t session, const char *text, size_t bytes)
{
    return fnv1a(FNV1A_BASIS ^ session, text, bytes) | 1;
}

static struct client_id_entry *find(const struct client_ids *ids, uint64_t hash, uint32_t session,
                                    const char *text, size_t bytes)
{
    uint64_t head = 0;
    if (!map_get(&ids->heads, hash, &head))
        return NULL;
    for (uint32_t at = (uint32_t)head; at != 0; at = ids->entries[at - 1].next) {
        struct client_id_entry *entry = &ids->entries[at - 1];
        if (entry->session == session && entry->bytes == bytes &&
            memcmp(entry->text, text, bytes) == 0)
            return entry;
    }
    return NULL;
}

static struct client_id_entry *append(struct client_ids *ids)
{
    if (ids->count == ids->capacity) {
        ids->capacity = ids->capacity == 0 ? 256 : ids->capacity * 2;
        ids->entries = realloc(ids->entries, ids->capacity * sizeof *ids->entries);
        ASSERT(ids->entries != NULL);
    }
    return &ids->entries[ids->count++];
}

void client_ids_put(struct client_ids *ids, uint32_t session, const char *text, size_t bytes,
                    uint64_t order)
{
    ASSERT(bytes <= CLIENT_ID_BYTES_MAX);
    uint64_t hash = hash_of(session, text, bytes), head = 0;
    struct client_id_entry *entry = find(ids, hash, session, text, bytes);
    if (entry != NULL) {
        entry->order = order;
        return;
    }
    map_get(&ids->heads, hash, &head);
    entry = append(ids);
    *entry = (struct client_id_entry){
        .order = order, .session = session, .next = (uint32_t)head, .bytes = (uint8_t)bytes};
    memcpy(entry->text, text, bytes);
    map_put(&ids->heads, hash, ids->count);
}

uint64_t client_ids_get(const struct client_ids *ids, uint32_t session, const char *text,
                        size_t bytes)
{
    if (bytes > CLIENT_ID_BYTES_MAX)
        return 0;
    const struct client_id_entry *entry =
        find(ids, hash_of(session, text, bytes), session, text, bytes);
    return entry != NULL ? entry->order : 0;
}

void client_ids_clear(struct client_ids *ids)
{
    map_clear(&ids->heads);
    ids->count = 0;
}
