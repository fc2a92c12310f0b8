#include "settlement/refusal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    unsigned status;
    const char *text;
} entries[] = {
#define ENTRY(name, word, status, text) {word, status, text},
    REFUSALS(ENTRY)
#undef ENTRY
};

unsigned refusal_status(const struct refusal *refusal)
{
    ASSERT(refusal->name < REFUSAL_COUNT);
    return entries[refusal->name].status;
}

const char *refusal_word(enum refusal_name name)
{
    ASSERT(name < REFUSAL_COUNT);
    return entries[name].word;
}

static void add_text(json_t *error, const char *name, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(error, name, json_string(text));
}

json_t *refusal_json(const struct refusal *refusal)
{
    json_t *error =
        json_pack("{s:s, s:s}", "name", refusal_word(refusal->name), "text", refusal->text);
    ASSERT(error != NULL);
    add_text(error, "field", refusal->field);
    add_text(error, "limit", refusal->limit);
    add_text(error, "value", refusal->value);
    return json_pack("{s:o}", "error", error);
}

// What came from outside may be cut inside a character, and JSON takes whole ones only.
static void cut_to_whole_characters(char *text)
{
    json_t *whole;

    for (size_t len = strlen(text); (whole = json_string(text)) == NULL; len--) {
        ASSERT(len > 0);
        text[len - 1] = '\0';
    }
    json_decref(whole);
}

static void begin(struct refusal *out, enum refusal_name name, const char *field)
{
    memset(out, 0, sizeof(*out));
    out->name = name;
    snprintf(out->field, sizeof(out->field), "%s", field != NULL ? field : "");
    cut_to_whole_characters(out->field);
}

bool refuse(struct refusal *out, enum refusal_name name, const char *field)
{
    begin(out, name, field);
    snprintf(out->text, sizeof(out->text), "%s", entries[name].text);
    return false;
}

bool refuse_text(struct refusal *out, enum refusal_name name, const char *field, const char *format,
                 ...)
{
    va_list arguments;

    begin(out, name, field);
    va_start(arguments, format);
    vsnprintf(out->text, sizeof(out->text), format, arguments);
    va_end(arguments);
    cut_to_whole_characters(out->text);
    return false;
}

bool refuse_limit(struct refusal *out, enum refusal_name name, const char *field, const char *limit,
                  const char *value)
{
    refuse(out, name, field);
    snprintf(out->limit, sizeof(out->limit), "%s", limit != NULL ? limit : "");
    snprintf(out->value, sizeof(out->value), "%s", value != NULL ? value : "");
    cut_to_whole_characters(out->limit);
    cut_to_whole_characters(out->value);
    return false;
}

// ---- fields

// NULL with *good telling whether its absence is fine.
static json_t *find(const struct fields *fields, const char *name, enum fields_need need,
                    bool *good)
{
    json_t *value = json_object_get(fields->object, name);

    *good = true;
    if (value != NULL && !json_is_null(value))
        return value;
    if (need == FIELDS_REQUIRED)
        *good = refuse(fields->refusal, REFUSAL_MISSING_FIELD, name);
    return NULL;
}

bool fields_known(const struct fields *fields, const char *const *names)
{
    const char *name;
    json_t *value;

    json_object_foreach(fields->object, name, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0)
            i++;
        if (names[i] == NULL)
            return refuse(fields->refusal, REFUSAL_UNKNOWN_FIELD, name);
    }
    return true;
}

static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

bool fields_text(const struct fields *fields, const char **out, const char *name, size_t min,
                 size_t max, enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    if (value == NULL)
        return good;
    size_t len = json_string_length(value);
    if (!json_is_string(value) || !is_plain(json_string_value(value), len))
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name,
                           "a text without control characters is needed");
    if (len < min || len > max)
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name,
                           "%zu bytes long; %zu to %zu are allowed", len, min, max);
    *out = json_string_value(value);
    return true;
}

bool fields_number(const struct fields *fields, int64_t *out, const char *name, int64_t min,
                   int64_t max, enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    if (value == NULL)
        return good;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name,
                           "a whole number from %lld to %lld is needed", (long long)min,
                           (long long)max);
    *out = json_integer_value(value);
    return true;
}

bool fields_bool(const struct fields *fields, bool *out, const char *name, enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    if (value == NULL)
        return good;
    if (!json_is_boolean(value))
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name, "true or false");
    *out = json_is_true(value);
    return true;
}

bool fields_element_address(const struct fields *fields, struct chain_address *out,
                            const json_t *element, const char *name)
{
    const char *text = json_string_value(element);
    char lower[ADDRESS_TEXT_SIZE];
    char canonical[ADDRESS_TEXT_SIZE];

    if (text == NULL || strlen(text) != ADDRESS_TEXT_SIZE - 1 || strncmp(text, "0x", 2) != 0)
        return refuse_limit(fields->refusal, REFUSAL_ADDRESS_MALFORMED, name, NULL, text);
    for (size_t i = 0; i < sizeof(lower); i++)
        lower[i] = (char)tolower((unsigned char)text[i]);
    if (!address_parse(out, lower))
        return refuse_limit(fields->refusal, REFUSAL_ADDRESS_MALFORMED, name, NULL, text);
    if (address_is_zero(out))
        return refuse(fields->refusal, REFUSAL_ADDRESS_ZERO, name);
    address_format(canonical, out);
    if (strcmp(canonical, text) != 0)
        return refuse_limit(fields->refusal, REFUSAL_ADDRESS_NOT_CHECKSUMMED, name, canonical,
                            text);
    return true;
}

bool fields_address(const struct fields *fields, struct chain_address *out, const char *name,
                    enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    return value == NULL ? good : fields_element_address(fields, out, value, name);
}

bool fields_object(const struct fields *fields, json_t **out, const char *name,
                   enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    if (value == NULL)
        return good;
    if (!json_is_object(value))
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name, "an object is needed");
    *out = value;
    return true;
}

bool fields_list(const struct fields *fields, json_t **out, const char *name, size_t max,
                 enum fields_need need)
{
    bool good;
    json_t *value = find(fields, name, need, &good);

    if (value == NULL)
        return good;
    if (!json_is_array(value) || json_array_size(value) > max)
        return refuse_text(fields->refusal, REFUSAL_FIELD_MALFORMED, name,
                           "a list of at most %zu is needed", max);
    *out = value;
    return true;
}
