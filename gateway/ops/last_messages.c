// A JSON object keeps insertion order and finds keys by hash: just what is needed here.
#include "gateway/ops/last_messages.h"

#include <jansson.h>

#include "base/assert.h"

enum { EXPIRING_MAX = 1000 };

struct last_messages {
    json_t *lasting;  // key -> text
    json_t *expiring; // key -> [text, seconds], oldest first
};

struct last_messages *last_messages_create(void)
{
    struct last_messages *last = malloc(sizeof *last);
    ASSERT(last != NULL);
    last->lasting = json_object();
    last->expiring = json_object();
    ASSERT(last->lasting != NULL && last->expiring != NULL);
    return last;
}

void last_messages_destroy(struct last_messages *last)
{
    json_decref(last->lasting);
    json_decref(last->expiring);
    free(last);
}

static void keep_expiring(struct last_messages *last, const char *key, const char *text,
                          unsigned seconds)
{
    json_object_del(last->expiring, key); // so that it becomes the youngest
    while (json_object_size(last->expiring) >= EXPIRING_MAX) {
        void *oldest = json_object_iter(last->expiring);
        json_object_del(last->expiring, json_object_iter_key(oldest));
    }
    json_object_set_new(last->expiring, key, json_pack("[s, i]", text, (int)seconds));
}

void last_messages_keep(struct last_messages *last, const char *key, const char *text,
                        unsigned seconds)
{
    if (seconds > 0)
        keep_expiring(last, key, text, seconds);
    else
        json_object_set_new(last->lasting, key, json_string(text));
}

void last_messages_each(const struct last_messages *last, last_message_sink *sink, void *context)
{
    const char *key;
    json_t *value;
    json_object_foreach(last->lasting, key, value)
    {
        sink(context, key, json_string_value(value), 0);
    }
    json_object_foreach(last->expiring, key, value)
    {
        sink(context, key, json_string_value(json_array_get(value, 0)),
             (unsigned)json_integer_value(json_array_get(value, 1)));
    }
}
