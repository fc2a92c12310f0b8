#include "gateway/web/request.h"

#include <string.h>

#include "base/decimal.h"

enum field_type { TYPE_text, TYPE_decimal, TYPE_flag, TYPE_whole, TYPE_any };

struct field_entry {
    const char *name;
    size_t name_bytes;
    enum field_type type;
};
#define FIELD_ENTRY(name, type, doc) {#name, sizeof #name - 1, TYPE_##type},
static const struct field_entry fields[WEB_FIELD_COUNT] = {WEB_FIELDS(FIELD_ENTRY)};

struct op_entry {
    const char *name;
    uint64_t required, optional;
};
#define OP_ENTRY(name, required, optional, doc) {#name, required, optional},
static const struct op_entry ops[WEB_OP_COUNT] = {WEB_REQUESTS(OP_ENTRY)};

// What has a path of its own stands last in the list.
_Static_assert((int)WEB_OP_rest_amend + 4 == (int)WEB_OP_COUNT, "no operation of the WebSocket");

enum { ALWAYS_ALLOWED = 1u << WEB_FIELD_op | 1u << WEB_FIELD_id };

static bool refuse(struct fault *fault, enum reject_code code, const char *field)
{
    *fault = (struct fault){.code = (uint16_t)code, .field = field};
    return false;
}

const char *request_field_name(enum web_field field)
{
    return fields[field].name;
}

static enum web_field field_of(const struct json_member *member)
{
    unsigned i = 0;
    while (i < WEB_FIELD_COUNT && (fields[i].name_bytes != member->name_bytes ||
                                   memcmp(fields[i].name, member->name, member->name_bytes) != 0))
        i++;
    return (enum web_field)i;
}

static bool type_fits(enum field_type type, const struct json_member *member)
{
    switch (type) {
    case TYPE_text:
    case TYPE_decimal:
        return member->kind == JSON_STRING;
    case TYPE_flag:
        return member->kind == JSON_TRUE || member->kind == JSON_FALSE;
    case TYPE_whole:
        return member->kind == JSON_NUMBER;
    case TYPE_any:
        return (member->kind == JSON_STRING || member->kind == JSON_NUMBER) &&
               member->text_bytes <= REQUEST_ID_BYTES_MAX - 2;
    default:
        return false;
    }
}

// The name is the client's: it is told as far as it is made of what names are made of.
static bool refuse_unknown(struct fault *fault, const struct json_member *member)
{
    bool good = refuse(fault, REJECT_UNKNOWN_FIELD, NULL);
    for (size_t i = 0; i < member->name_bytes && i < sizeof fault->unknown - 1; i++) {
        char c = member->name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '_' || c == '-' || c == '.';
        fault->unknown[i] = plain ? c : '?';
    }
    return good;
}

// Sorts members into fields.
static bool collect(struct request *request, struct fault *fault, const struct json_object *object)
{
    bool good = true;
    for (size_t i = 0; i < object->count; i++) {
        const struct json_member *member = &object->members[i];
        enum web_field field = field_of(member);
        if (field == WEB_FIELD_COUNT)
            good = refuse_unknown(fault, member);
        else if (!type_fits(fields[field].type, member))
            good = refuse(fault, REJECT_MALFORMED, fields[field].name);
        else {
            request->field[field] = member;
            request->present |= UINT64_C(1) << field;
        }
    }
    return good;
}

static bool check_fields(const struct request *request, struct fault *fault)
{
    const struct op_entry *op = &ops[request->op];
    uint64_t missing = op->required & ~request->present;
    uint64_t surplus = request->present & ~(op->required | op->optional | ALWAYS_ALLOWED);
    if (missing != 0)
        return refuse(fault, REJECT_MISSING_FIELD, fields[__builtin_ctzll(missing)].name);
    if (surplus != 0)
        return refuse(fault, REJECT_UNKNOWN_FIELD, fields[__builtin_ctzll(surplus)].name);
    return true;
}

static bool scan(struct request *request, struct fault *fault, struct json_object *object,
                 const char *text, size_t bytes)
{
    *request = (struct request){.op = WEB_OP_COUNT};
    if (json_scan(object, text, bytes) != JSON_OK)
        return refuse(fault, REJECT_MALFORMED, "message");
    return collect(request, fault, object);
}

bool request_of_message(struct request *request, struct fault *fault, struct json_object *object,
                        const char *text, size_t bytes)
{
    if (!scan(request, fault, object, text, bytes))
        return false;
    if (!request_has(request, WEB_FIELD_op))
        return refuse(fault, REJECT_MISSING_FIELD, "op");
    unsigned op = 0;
    while (op < WEB_OP_COUNT && !request_text_is(request, WEB_FIELD_op, ops[op].name))
        op++;
    if (op >= WEB_OP_rest_amend)
        return refuse(fault, REJECT_MALFORMED, "op");
    request->op = (enum web_op)op;
    return check_fields(request, fault);
}

bool request_of_body(struct request *request, struct fault *fault, struct json_object *object,
                     enum web_op op, const char *text, size_t bytes)
{
    if (!scan(request, fault, object, text, bytes))
        return false;
    request->op = op;
    return check_fields(request, fault);
}

static bool is_twice(const struct json_object *object, const struct json_member *member)
{
    for (size_t i = 0; i < object->count; i++)
        if (object->members[i].name_bytes == member->name_bytes &&
            memcmp(object->members[i].name, member->name, member->name_bytes) == 0)
            return true;
    return false;
}

bool request_of_arguments(struct request *request, struct fault *fault, struct json_object *object,
                          enum web_op op, const char *arguments)
{
    *request = (struct request){.op = op};
    object->count = 0;
    for (const char *at = arguments; *at != '\0'; at += strlen(at) + 1) {
        size_t name_bytes = strcspn(at, "=");
        struct json_member member = {.name = at, .name_bytes = (uint32_t)name_bytes};
        member.text = at + name_bytes + (at[name_bytes] == '=');
        member.text_bytes = (uint32_t)strlen(member.text);
        enum web_field field = field_of(&member);
        if (field == WEB_FIELD_COUNT)
            return refuse_unknown(fault, &member);
        if (is_twice(object, &member) || object->count == JSON_MEMBERS_MAX)
            return refuse(fault, REJECT_MALFORMED, fields[field].name);
        member.kind = fields[field].type == TYPE_whole ? JSON_NUMBER : JSON_STRING;
        object->members[object->count++] = member;
    }
    return collect(request, fault, object) && check_fields(request, fault);
}

bool request_text_is(const struct request *request, enum web_field field, const char *text)
{
    const struct json_member *member = request->field[field];
    return member != NULL && member->text_bytes == strlen(text) &&
           memcmp(member->text, text, member->text_bytes) == 0;
}

bool request_flag(const struct request *request, enum web_field field)
{
    return request_has(request, field) && request->field[field]->kind == JSON_TRUE;
}

bool request_whole(int64_t *out, struct fault *fault, const struct request *request,
                   enum web_field field, int64_t max, int64_t otherwise)
{
    *out = otherwise;
    if (!request_has(request, field))
        return true;
    const struct json_member *member = request->field[field];
    int64_t value;
    if (decimal_parse(member->text, member->text_bytes, 0, &value) != DECIMAL_OK || value < 0 ||
        value > max)
        return refuse(fault, REJECT_BAD_NUMBER, fields[field].name);
    *out = value;
    return true;
}

bool request_decimal(int64_t *out, struct fault *fault, const struct request *request,
                     enum web_field field, unsigned scale)
{
    const struct json_member *member = request->field[field];
    ASSERT(member != NULL);
    if (decimal_parse(member->text, member->text_bytes, scale, out) != DECIMAL_OK)
        return refuse(fault, REJECT_BAD_NUMBER, fields[field].name);
    return true;
}

size_t request_id(char out[REQUEST_ID_BYTES_MAX], const struct request *request)
{
    if (!request_has(request, WEB_FIELD_id))
        return 0;
    const struct json_member *member = request->field[WEB_FIELD_id];
    size_t bytes = member->text_bytes;
    if (member->kind == JSON_NUMBER) {
        memcpy(out, member->text, bytes);
        return bytes;
    }
    for (size_t i = 0; i < bytes; i++) // what would need an escape in the answer is not worth one
        if ((unsigned char)member->text[i] < 0x20 || member->text[i] == '"' ||
            member->text[i] == '\\')
            return 0;
    out[0] = '"';
    memcpy(out + 1, member->text, bytes);
    out[bytes + 1] = '"';
    return bytes + 2;
}
