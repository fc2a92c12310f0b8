#include "gateway/admin/xvp_lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/fnv1a.h"
#include "chain/hex.h"

enum { TEXT_BYTES_MAX = 128 };
#define SECOND_NS 1000000000

static const char *const claims[] = {"first", "last"};

bool xvp_leg_is_external(const json_t *leg)
{
    const char *kind = json_string_value(json_object_get(leg, "kind"));
    return kind != NULL && strcmp(kind, "external") == 0;
}

static bool text_read(struct ask *ask, const char **out, const char *name)
{
    if (!field_text(ask, out, name, REQUIRED))
        return false;
    size_t bytes = strlen(*out);
    if (bytes >= 1 && bytes <= TEXT_BYTES_MAX)
        return true;
    ask_refuse_field(ask, REJECT_MALFORMED, name);
    return false;
}

static bool external_read(struct ask *ask, void *out)
{
    static const char *const names[] = {"kind", "ledger",  "asset",    "amount", "from",
                                        "to",   "claimed", "deadline", NULL};
    struct xvp_lock_asked *lock = out;
    const char *ledger, *asset, *amount, *from, *to;
    int64_t claimed = 0, deadline_ns = 0;
    if (!fields_known(ask, names) || !text_read(ask, &ledger, "ledger") ||
        !text_read(ask, &asset, "asset") || !text_read(ask, &amount, "amount") ||
        !text_read(ask, &from, "from") || !text_read(ask, &to, "to") ||
        !field_word(ask, &claimed, "claimed", WORDS(claims), REQUIRED) ||
        !field_time(ask, &deadline_ns, "deadline", REQUIRED))
        return false;
    lock->externals[lock->count++] = (struct xvp_external_tail){
        .deadline_ns = (uint64_t)deadline_ns, .claimed = (uint64_t)claimed + XVP_CLAIMED_FIRST};
    json_array_append_new(
        lock->told, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "ledger", ledger, "asset",
                              asset, "amount", amount, "from", from, "to", to, "deadline_ns",
                              (json_int_t)deadline_ns, "claimed", claims[claimed]));
    return true;
}

static bool externals_parse(struct ask *ask, struct xvp_lock_asked *out)
{
    size_t place;
    json_t *leg, *legs = json_object_get(ask->body, "legs");
    json_array_foreach(legs, place, leg)
    {
        char name[32];
        if (!xvp_leg_is_external(leg))
            continue;
        if (out->count == XVP_EXTERNALS_MAX) {
            ask_refuse(ask, REJECT_XVP_LEGS, XVP_EXTERNALS_MAX, XVP_EXTERNALS_MAX + 1, 0);
            return false;
        }
        snprintf(name, sizeof name, "legs[%zu]", place);
        if (!field_entry(ask, leg, name, external_read, out))
            return false;
    }
    return true;
}

bool xvp_lock_parse(struct ask *ask, struct xvp_lock_asked *out)
{
    const char *hashlock = NULL;
    *out = (struct xvp_lock_asked){.told = json_array()};
    if (!externals_parse(ask, out) || !field_text(ask, &hashlock, "hashlock", OPTIONAL))
        return false;
    if ((hashlock != NULL) != (out->count != 0)) {
        ask_refuse(ask, REJECT_XVP_LOCK, 0, (int64_t)out->count, 0);
        return false;
    }
    if (hashlock == NULL)
        return true;
    if (!hex_decode_exact(out->lock.hash, sizeof out->lock.hash, hashlock)) {
        ask_refuse_field(ask, REJECT_MALFORMED, "hashlock");
        return false;
    }
    hex_encode(out->hashlock, out->lock.hash, sizeof out->lock.hash);
    out->lock.margin_ns = (uint64_t)ask->admin->boot->config.admin_xvp_margin_seconds * SECOND_NS;
    return true;
}

void xvp_lock_recall(struct xvp_lock_asked *out, const char *told, const char *hashlock,
                     int64_t margin_ns)
{
    size_t place;
    json_t *leg;
    *out = (struct xvp_lock_asked){.told = json_loads(told, 0, NULL)};
    json_array_foreach(out->told, place, leg)
    {
        ASSERT(out->count < XVP_EXTERNALS_MAX); // written by us
        bool first = strcmp(json_string_value(json_object_get(leg, "claimed")), claims[0]) == 0;
        out->externals[out->count++] = (struct xvp_external_tail){
            .deadline_ns = (uint64_t)json_integer_value(json_object_get(leg, "deadline_ns")),
            .claimed = first ? XVP_CLAIMED_FIRST : XVP_CLAIMED_LAST};
    }
    if (out->count == 0)
        return;
    bool good = hex_decode_exact(out->lock.hash, sizeof out->lock.hash, hashlock);
    ASSERT(good);
    snprintf(out->hashlock, sizeof out->hashlock, "%s", hashlock);
    out->lock.margin_ns = (uint64_t)margin_ns;
}

void xvp_lock_release(struct xvp_lock_asked *lock)
{
    json_decref(lock->told);
    lock->told = NULL;
}

uint64_t xvp_lock_hash(const struct xvp_lock_asked *lock, uint64_t hash)
{
    if (lock->count == 0)
        return hash;
    char *told = json_dumps(lock->told, JSON_COMPACT | JSON_SORT_KEYS);
    ASSERT(told != NULL);
    hash = fnv1a(fnv1a(hash, told, strlen(told)), lock->hashlock, strlen(lock->hashlock));
    free(told);
    return hash;
}

size_t xvp_lock_tail_write(const struct xvp_lock_asked *lock, char out[XVP_LOCK_TAIL_BYTES_MAX])
{
    if (lock->count == 0)
        return 0;
    memcpy(out, &lock->lock, sizeof lock->lock);
    memcpy(out + sizeof lock->lock, lock->externals, lock->count * sizeof lock->externals[0]);
    return sizeof lock->lock + lock->count * sizeof lock->externals[0];
}

bool xvp_secret_parse(struct ask *ask, uint8_t out[XVP_SECRET_BYTES])
{
    const char *text = NULL;
    if (!field_text(ask, &text, "secret", REQUIRED))
        return false;
    if (hex_decode_exact(out, XVP_SECRET_BYTES, text))
        return true;
    ask_refuse_field(ask, REJECT_MALFORMED, "secret");
    return false;
}
