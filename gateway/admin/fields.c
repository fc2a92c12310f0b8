#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "chain/address.h"
#include "gateway/admin/admin.h"

const char *const token_status_words[6] = {"draft",  "primary", "secondary",
                                           "paused", "matured", "delisted"};
const char *const trading_mode_words[3] = {"primary_subscription", "full_orderbook",
                                           "fixed_price_otc"};
const char *const phase_words[7] = {"closed",         "pre_open",           "opening_auction",
                                    "continuous",     "volatility_auction", "halted",
                                    "closing_auction"};

// The field, or NULL with *good telling whether its absence is fine.
static json_t *field(struct ask *ask, const char *name, enum need need, bool *good)
{
    json_t *value = json_object_get(ask->body, name);
    *good = true;
    if (value && !json_is_null(value))
        return value;
    if (need == REQUIRED) {
        ask_refuse_field(ask, REJECT_MISSING_FIELD, name);
        *good = false;
    }
    return NULL;
}

static bool malformed(struct ask *ask, const char *name)
{
    ask_refuse_field(ask, REJECT_MALFORMED, name);
    return false;
}

bool field_text(struct ask *ask, const char **out, const char *name, enum need need)
{
    bool good;
    json_t *value = field(ask, name, need, &good);
    if (!value)
        return good;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return malformed(ask, name);
    *out = json_string_value(value);
    return true;
}

bool field_address(struct ask *ask, const char **out, const char *name, enum need need)
{
    struct chain_address address;
    char right[ADDRESS_TEXT_SIZE], words[256];
    const char *text = NULL;
    if (!field_text(ask, &text, name, need))
        return false;
    if (text == NULL)
        return true;
    if (address_parse(&address, text) && !address_is_zero(&address)) {
        address_format(right, &address);
        *out = text;
        if (strcmp(text, right) == 0)
            return true;
    }
    ask_refuse_field(ask, REJECT_MALFORMED, name);
    snprintf(words, sizeof words,
             "field %s is no address with its EIP-55 checksum, or is zero: %.64s", name, text);
    json_object_set_new(json_object_get(ask->answer, "error"), "text", json_string(words));
    return false;
}

bool field_number(struct ask *ask, int64_t *out, const char *name, int64_t min, int64_t max,
                  enum need need)
{
    bool good;
    json_t *value = field(ask, name, need, &good);
    if (!value)
        return good;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return malformed(ask, name);
    *out = json_integer_value(value);
    return true;
}

bool field_bool(struct ask *ask, int *out, const char *name, enum need need)
{
    bool good;
    json_t *value = field(ask, name, need, &good);
    if (!value)
        return good;
    if (!json_is_boolean(value))
        return malformed(ask, name);
    *out = json_is_true(value);
    return true;
}

bool field_decimal(struct ask *ask, int64_t *out, const char *name, unsigned scale, enum need need)
{
    bool good;
    json_t *value = field(ask, name, need, &good);
    if (!value)
        return good;
    char number[32];
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        text = number;
    }
    if (!text || decimal_parse(text, strlen(text), scale, out) != DECIMAL_OK) {
        ask_refuse_field(ask, REJECT_BAD_NUMBER, name);
        return false;
    }
    return true;
}

// strptime takes days that do not exist ("Feb 31"); timegm makes others of them.
bool time_of(int64_t *out, const char *text)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
    for (size_t i = 0; i < 2; i++) {
        struct tm utc = {0}, asked;
        const char *rest = strptime(text, forms[i], &utc);
        if (rest == NULL || *rest != 0 || utc.tm_year < 70 || utc.tm_year >= 300)
            continue;
        asked = utc;
        *out = (int64_t)timegm(&utc) * 1000000000;
        return utc.tm_mday == asked.tm_mday && utc.tm_sec == asked.tm_sec;
    }
    return false;
}

bool field_time(struct ask *ask, int64_t *out, const char *name, enum need need)
{
    const char *text = NULL;
    if (!field_text(ask, &text, name, need))
        return false;
    return text == NULL || time_of(out, text) || malformed(ask, name);
}

// The words that may stand there, as what to do.
static void hint_words(struct ask *ask, const char *begin, const char *const *words, size_t count)
{
    char hint[768];
    size_t length = (size_t)snprintf(hint, sizeof hint, "%s", begin);
    for (size_t i = 0; i < count && length < sizeof hint; i++)
        length += (size_t)snprintf(hint + length, sizeof hint - length, "%s%s", i > 0 ? ", " : " ",
                                   words[i]);
    json_object_set_new(json_object_get(ask->answer, "error"), "hint", json_string(hint));
}

bool field_word(struct ask *ask, int64_t *out, const char *name, const char *const *words,
                size_t count, enum need need)
{
    const char *text = NULL;
    if (!field_text(ask, &text, name, need))
        return false;
    if (!text)
        return true;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(words[i], text)) {
            *out = (int64_t)i;
            return true;
        }
    ask_refuse_field(ask, REJECT_MALFORMED, name);
    hint_words(ask, "one of:", words, count);
    return false;
}

bool fields_known(struct ask *ask, const char *const *names)
{
    const char *name;
    json_t *value;
    json_object_foreach(ask->body, name, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i]) {
            size_t count = 0;
            while (names[count])
                count++;
            ask_refuse_field(ask, REJECT_UNKNOWN_FIELD, name);
            hint_words(ask, "known here:", names, count);
            return false;
        }
    }
    return true;
}

json_t *field_list(struct ask *ask, const char *name, size_t max)
{
    json_t *list = json_object_get(ask->body, name);
    if (json_is_array(list) && json_array_size(list) <= max)
        return list;
    ask_refuse_field(ask, list ? REJECT_MALFORMED : REJECT_MISSING_FIELD, name);
    return NULL;
}

bool field_entry(struct ask *ask, json_t *entry, const char *name, entry_reader *read, void *out)
{
    json_t *body = ask->body;
    if (!json_is_object(entry)) {
        ask_refuse_field(ask, REJECT_MALFORMED, name);
        return false;
    }
    ask->body = entry;
    bool good = read(ask, out);
    ask->body = body;
    return good;
}

bool field_word_set(struct ask *ask, uint8_t *bits, const char *name, const char *const *words,
                    size_t count)
{
    json_t *list = field_list(ask, name, count);
    *bits = 0;
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        size_t place = 0;
        while (word != NULL && place < count && strcmp(words[place], word) != 0)
            place++;
        if (word == NULL || place == count) {
            ask_refuse_field(ask, REJECT_MALFORMED, name);
            hint_words(ask, "a list of:", words, count);
            return false;
        }
        *bits |= (uint8_t)(1u << place);
    }
    return list != NULL;
}

bool id_in_path(struct ask *ask, uint16_t unknown)
{
    if (ask->id <= UINT32_MAX)
        return true;
    ask_refuse(ask, unknown, 0, (int64_t)ask->id, 0);
    return false;
}

bool instrument_in_path(struct ask *ask)
{
    return id_in_path(ask, REJECT_UNKNOWN_INSTRUMENT);
}

// ---- arguments of a GET

bool argument_number(struct ask *ask, int64_t *out, const char *text, const char *name, int64_t max)
{
    int64_t value;
    if (text[0] == 0)
        return true;
    if (decimal_parse(text, strlen(text), 0, &value) == DECIMAL_OK && value >= 1 && value <= max) {
        *out = value;
        return true;
    }
    ask_refuse_field(ask, REJECT_BAD_NUMBER, name);
    return false;
}

bool argument_word(struct ask *ask, const char **out, const char *text, const char *name,
                   const char *const *words, size_t count)
{
    if (text[0] == 0)
        return true;
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = words[i];
            return true;
        }
    ask_refuse_field(ask, REJECT_MALFORMED, name);
    return false;
}
