#include "gateway/web/json_scan.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
    const unsigned char *at, *end;
    struct json_object *object;
    enum json_result result; // why it failed
};

static bool fail(struct cursor *c, enum json_result why)
{
    if (c->result == JSON_OK)
        c->result = why;
    return false;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, unsigned char expected)
{
    if (c->at < c->end && *c->at == expected) {
        c->at++;
        return true;
    }
    return false;
}

// ---- strings ---------------------------------------------------------------------------------

// Length of the UTF-8 sequence at `s`, 0 if it is none (overlong, surrogate, beyond U+10FFFF, cut
// off).
static size_t utf8_sequence(const unsigned char *s, const unsigned char *end)
{
    size_t room = (size_t)(end - s);
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return room >= 2 && (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if (s[0] >= 0xe0 && s[0] <= 0xef) {
        unsigned low = s[0] == 0xe0 ? 0xa0 : 0x80, high = s[0] == 0xed ? 0x9f : 0xbf;
        return room >= 3 && s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        unsigned low = s[0] == 0xf0 ? 0x90 : 0x80, high = s[0] == 0xf4 ? 0x8f : 0xbf;
        return room >= 4 && s[1] >= low && s[1] <= high && (s[2] & 0xc0) == 0x80 &&
                       (s[3] & 0xc0) == 0x80
                   ? 4
                   : 0;
    }
    return 0;
}

static bool hex4(struct cursor *c, unsigned *out)
{
    unsigned value = 0;
    if (c->end - c->at < 4)
        return false;
    for (int i = 0; i < 4; i++, c->at++) {
        unsigned char h = *c->at;
        unsigned digit = h >= '0' && h <= '9'   ? h - (unsigned)'0'
                         : h >= 'a' && h <= 'f' ? h - (unsigned)'a' + 10
                         : h >= 'A' && h <= 'F' ? h - (unsigned)'A' + 10
                                                : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

static bool put(struct cursor *c, unsigned byte)
{
    struct json_object *object = c->object;
    if (object->scratch_used == JSON_SCRATCH_BYTES)
        return fail(c, JSON_TOO_MANY);
    object->scratch[object->scratch_used++] = (char)byte;
    return true;
}

static bool put_code_point(struct cursor *c, unsigned p)
{
    if (p < 0x80)
        return put(c, p);
    if (p < 0x800)
        return put(c, 0xc0 | p >> 6) && put(c, 0x80 | (p & 0x3f));
    if (p < 0x10000)
        return put(c, 0xe0 | p >> 12) && put(c, 0x80 | (p >> 6 & 0x3f)) &&
               put(c, 0x80 | (p & 0x3f));
    return put(c, 0xf0 | p >> 18) && put(c, 0x80 | (p >> 12 & 0x3f)) &&
           put(c, 0x80 | (p >> 6 & 0x3f)) && put(c, 0x80 | (p & 0x3f));
}

// Behind "\u". Halves of a surrogate pair come together or not at all.
static bool unicode_escape(struct cursor *c)
{
    unsigned first, second;
    if (!hex4(c, &first) || first == 0 || (first >= 0xdc00 && first <= 0xdfff))
        return fail(c, JSON_MALFORMED);
    if (first < 0xd800 || first > 0xdbff)
        return put_code_point(c, first);
    if (!take(c, '\\') || !take(c, 'u') || !hex4(c, &second) || second < 0xdc00 || second > 0xdfff)
        return fail(c, JSON_MALFORMED);
    return put_code_point(c, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
}

static bool escape(struct cursor *c)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end)
        return fail(c, JSON_MALFORMED);
    unsigned char e = *c->at++;
    if (e == 'u')
        return unicode_escape(c);
    const char *found = e == 0 ? NULL : strchr(from, e);
    return found != NULL ? put(c, (unsigned char)to[found - from]) : fail(c, JSON_MALFORMED);
}

// The slow way, from the first escape on: the text is rebuilt in scratch.
static bool escaped_string(struct cursor *c, const unsigned char *start, const char **text,
                           uint32_t *bytes)
{
    size_t from = c->object->scratch_used;
    for (const unsigned char *s = start; s < c->at; s++)
        if (!put(c, *s))
            return false;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at == '\\') {
            c->at++;
            if (!escape(c))
                return false;
            continue;
        }
        size_t n = *c->at < 0x20 ? 0 : utf8_sequence(c->at, c->end);
        if (n == 0)
            return fail(c, JSON_MALFORMED);
        for (; n > 0; n--)
            if (!put(c, *c->at++))
                return false;
    }
    *text = c->object->scratch + from;
    *bytes = (uint32_t)(c->object->scratch_used - from);
    return take(c, '"') || fail(c, JSON_MALFORMED);
}

static bool string(struct cursor *c, const char **text, uint32_t *bytes)
{
    if (!take(c, '"'))
        return fail(c, JSON_MALFORMED);
    const unsigned char *start = c->at;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at == '\\')
            return escaped_string(c, start, text, bytes);
        size_t n = *c->at < 0x20 ? 0 : utf8_sequence(c->at, c->end);
        if (n == 0)
            return fail(c, JSON_MALFORMED);
        c->at += n;
    }
    *text = (const char *)start;
    *bytes = (uint32_t)(c->at - start);
    return take(c, '"') || fail(c, JSON_MALFORMED);
}

// ---- other values ----------------------------------------------------------------------------

static size_t digits(struct cursor *c)
{
    const unsigned char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
        c->at++;
    return (size_t)(c->at - start);
}

static bool number(struct cursor *c)
{
    take(c, '-');
    const unsigned char *first = c->at;
    size_t whole = digits(c);
    if (whole == 0 || (whole > 1 && *first == '0'))
        return fail(c, JSON_MALFORMED);
    if (take(c, '.') && digits(c) == 0)
        return fail(c, JSON_MALFORMED);
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        if (digits(c) == 0)
            return fail(c, JSON_MALFORMED);
    }
    return true;
}

static bool word(struct cursor *c, const char *text, enum json_kind kind,
                 struct json_member *member)
{
    size_t bytes = strlen(text);
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, text, bytes) != 0)
        return fail(c, JSON_MALFORMED);
    member->kind = kind;
    c->at += bytes;
    return true;
}

static bool value(struct cursor *c, struct json_member *member)
{
    if (c->at == c->end)
        return fail(c, JSON_MALFORMED);
    const unsigned char *start = c->at;
    bool good;
    switch (*c->at) {
    case '"':
        member->kind = JSON_STRING;
        return string(c, &member->text, &member->text_bytes);
    case '{':
    case '[':
        return fail(c, JSON_NOT_FLAT);
    case 't':
        good = word(c, "true", JSON_TRUE, member);
        break;
    case 'f':
        good = word(c, "false", JSON_FALSE, member);
        break;
    case 'n':
        good = word(c, "null", JSON_NULL, member);
        break;
    default:
        member->kind = JSON_NUMBER;
        good = number(c);
    }
    member->text = (const char *)start;
    member->text_bytes = (uint32_t)(c->at - start);
    return good;
}

// ---- the object ------------------------------------------------------------------------------

static bool is_new_name(struct cursor *c, const struct json_member *member)
{
    for (const struct json_member *m = c->object->members; m < member; m++)
        if (m->name_bytes == member->name_bytes &&
            memcmp(m->name, member->name, m->name_bytes) == 0)
            return fail(c, JSON_TWICE);
    return true;
}

static bool next_member(struct cursor *c)
{
    struct json_object *object = c->object;
    if (object->count == JSON_MEMBERS_MAX)
        return fail(c, JSON_TOO_MANY);
    struct json_member *member = &object->members[object->count];
    if (!string(c, &member->name, &member->name_bytes) || !is_new_name(c, member))
        return false;
    skip_space(c);
    if (!take(c, ':'))
        return fail(c, JSON_MALFORMED);
    skip_space(c);
    if (!value(c, member))
        return false;
    object->count++;
    skip_space(c);
    return true;
}

static bool object_body(struct cursor *c)
{
    skip_space(c);
    if (take(c, '}'))
        return true;
    do {
        skip_space(c);
        if (!next_member(c))
            return false;
    } while (take(c, ','));
    return take(c, '}') || fail(c, JSON_MALFORMED);
}

enum json_result json_scan(struct json_object *object, const char *text, size_t bytes)
{
    const unsigned char *start = (const unsigned char *)text;
    struct cursor c = {.at = start, .end = start + bytes, .object = object, .result = JSON_OK};
    object->count = 0;
    object->scratch_used = 0;
    skip_space(&c);
    if (!take(&c, '{'))
        return c.at < c.end && *c.at == '[' ? JSON_NOT_FLAT : JSON_MALFORMED;
    if (!object_body(&c))
        return c.result;
    skip_space(&c);
    return c.at == c.end ? JSON_OK : JSON_MALFORMED;
}
