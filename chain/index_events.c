#include "chain/index_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "chain/abi.h"

static const struct event {
    const char *name;
    const char *signature;
    const char *fields;
} events[] = {
#define X(name_, signature_, fields_) {name_, signature_, fields_},
    INDEX_EVENTS(X)
#undef X
};

enum { EVENTS = sizeof(events) / sizeof(events[0]), FIELD_NAME_MAX = 32 };

static struct chain_hash topic_of(const struct event *event)
{
    return keccak256_hash((const uint8_t *)event->signature, strlen(event->signature));
}

bool index_event_topic(struct chain_hash *topic, const char *name)
{
    for (size_t i = 0; i < EVENTS; i++)
        if (strcmp(events[i].name, name) == 0) {
            *topic = topic_of(&events[i]);
            return true;
        }
    return false;
}

static const struct event *event_of(const struct node_log *log)
{
    for (size_t i = 0; i < EVENTS && log->topic_count > 0; i++) {
        struct chain_hash topic = topic_of(&events[i]);
        if (memcmp(&topic, &log->topics[0], sizeof(topic)) == 0)
            return &events[i];
    }
    return NULL;
}

/* ---- values ---- */

void index_decimal_256(char out[INDEX_DECIMAL_256_SIZE], const uint8_t bytes[32])
{
    uint8_t rest[32];
    char digits[INDEX_DECIMAL_256_SIZE];
    size_t count = 0;
    bool zero;
    memcpy(rest, bytes, sizeof(rest));
    do { /* divides by ten, again and again; the remainders are the digits, last one first */
        unsigned remainder = 0;
        zero = true;
        for (size_t i = 0; i < sizeof(rest); i++) {
            unsigned value = remainder << 8 | rest[i];
            rest[i] = (uint8_t)(value / 10);
            remainder = value % 10;
            zero = zero && rest[i] == 0;
        }
        ASSERT(count < sizeof(digits));
        digits[count++] = (char)('0' + remainder);
    } while (!zero);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    out[count] = '\0';
}

static json_t *hex_json(const uint8_t *bytes, size_t len)
{
    char *text = malloc(HEX_TEXT_SIZE(len));
    ASSERT(text != NULL);
    hex_encode(text, bytes, len);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *address_json(const struct abi_word *word)
{
    struct chain_address address;
    return abi_word_address(&address, word) ? hex_json(address.bytes, ADDRESS_BYTES) : NULL;
}

static json_t *uint_json(const struct abi_word *word)
{
    char text[INDEX_DECIMAL_256_SIZE];
    index_decimal_256(text, word->bytes);
    return json_string(text);
}

static json_t *bool_json(const struct abi_word *word)
{
    bool value;
    return abi_word_bool(&value, word) ? json_boolean(value) : NULL;
}

/* A string's word is the place of its length; NULL when it reaches beyond the data or is no UTF-8.
 */
static json_t *string_json(const struct abi_word *word, const struct node_log *log)
{
    chain_uint128 place;
    chain_uint128 length;
    struct abi_word at;
    if (!abi_word_u128(&place, word) || place % ABI_WORD_BYTES != 0 || place > log->data_len ||
        !abi_answer_word(&at, log->data, log->data_len, (size_t)place / ABI_WORD_BYTES) ||
        !abi_word_u128(&length, &at) || length > log->data_len - (size_t)place - ABI_WORD_BYTES)
        return NULL;
    return json_stringn((const char *)log->data + (size_t)place + ABI_WORD_BYTES, (size_t)length);
}

static json_t *value_json(const char *type, size_t type_len, const struct abi_word *word,
                          const struct node_log *log)
{
    if (strncmp(type, "address", type_len) == 0)
        return address_json(word);
    if (strncmp(type, "uint256", type_len) == 0)
        return uint_json(word);
    if (strncmp(type, "bool", type_len) == 0)
        return bool_json(word);
    if (strncmp(type, "string", type_len) == 0)
        return string_json(word, log);
    ASSERT(strncmp(type, "bytes32", type_len) == 0);
    return hex_json(word->bytes, sizeof(word->bytes));
}

/* ---- fields ---- */

struct cursor {
    size_t topic; /* next indexed field */
    size_t word;  /* next of the data */
};

static bool next_word(struct abi_word *word, struct cursor *cursor, const struct node_log *log,
                      bool indexed)
{
    if (!indexed)
        return abi_answer_word(word, log->data, log->data_len, cursor->word++);
    if (cursor->topic >= log->topic_count)
        return false;
    memcpy(word->bytes, log->topics[cursor->topic++].bytes, sizeof(word->bytes));
    return true;
}

/* Puts one field ("*from:address") into `out`; false when the log has not what it says. */
static bool put_field(json_t *out, struct cursor *cursor, const struct node_log *log,
                      const char *field, size_t len)
{
    bool indexed = field[0] == '*';
    const char *name = field + indexed;
    const char *colon = memchr(field, ':', len);
    struct abi_word word;
    char key[FIELD_NAME_MAX];
    ASSERT(colon != NULL && (size_t)(colon - name) < sizeof(key));
    snprintf(key, sizeof(key), "%.*s", (int)(colon - name), name);
    if (!next_word(&word, cursor, log, indexed))
        return false;
    json_t *value = value_json(colon + 1, (size_t)(field + len - colon - 1), &word, log);
    return value != NULL && json_object_set_new(out, key, value) == 0;
}

/* NULL: not of this event's shape. Every topic must be one of its fields. */
static json_t *decode(const struct event *event, const struct node_log *log)
{
    json_t *out = json_object();
    struct cursor cursor = {.topic = 1};
    bool whole = out != NULL;
    for (const char *at = event->fields; whole && *at != '\0';) {
        size_t len = strcspn(at, " ");
        whole = put_field(out, &cursor, log, at, len);
        at += len + (at[len] == ' ');
    }
    if (whole && cursor.topic == log->topic_count)
        return out;
    json_decref(out);
    return NULL;
}

static json_t *raw_json(const struct node_log *log)
{
    json_t *topics = json_array();
    for (size_t i = 0; i < log->topic_count; i++)
        json_array_append_new(topics, hex_json(log->topics[i].bytes, KECCAK_BYTES));
    return json_pack("{s:o, s:o}", "topics", topics, "data", hex_json(log->data, log->data_len));
}

const char *index_event_name(const struct node_log *log)
{
    const struct event *event = event_of(log);
    json_t *decoded = event == NULL ? NULL : decode(event, log);
    json_decref(decoded);
    return decoded == NULL ? "unknown" : event->name;
}

json_t *index_event_decode(const struct node_log *log)
{
    const struct event *event = event_of(log);
    json_t *decoded = event == NULL ? NULL : decode(event, log);
    return decoded != NULL ? decoded : raw_json(log);
}
