// Records: tables generated from records.def, and the checks that stand at the trust boundary.
#include "schema/records.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

// ---- the layout has no padding

#define BYTES_u8                   1
#define BYTES_u16                  2
#define BYTES_u32                  4
#define BYTES_u64                  8
#define BYTES_i64                  8
#define BYTES_c16                  16
#define BYTES_c36                  36
#define BYTES_h32                  32
#define BYTES_z1                   1
#define BYTES_z2                   2
#define BYTES_z3                   3
#define BYTES_z4                   4
#define ADD_BYTES(type, name, doc) +BYTES_##type
#define ASSERT_COMMAND(number, name, fields, by, doc)                                              \
    static_assert(sizeof(struct name##_cmd) == 0 fields(ADD_BYTES), #name " has padding");         \
    static_assert((number) > CMD_padding && (number) < CMD_COUNT, #name " has a bad number");
#define ASSERT_EVENT(number, name, fields, doc)                                                    \
    static_assert(sizeof(struct name##_evt) == 0 fields(ADD_BYTES), #name " has padding");         \
    static_assert(sizeof(struct name##_evt) <= EVENT_BYTES - EVENT_HEADER_BYTES,                   \
                  #name " too big");                                                               \
    static_assert((number) < EVT_COUNT, #name " has a bad number");
#define ASSERT_SNAPSHOT(number, name, fields, doc)                                                 \
    static_assert(sizeof(struct name##_rec) == 0 fields(ADD_BYTES), #name " has padding");         \
    static_assert(sizeof(struct name##_rec) <= SNAPSHOT_RECORD_BYTES - 8, #name " too big");       \
    static_assert((number) < REC_COUNT, #name " has a bad number");
COMMANDS(ASSERT_COMMAND)
EVENTS(ASSERT_EVENT)
SNAPSHOT_RECORDS(ASSERT_SNAPSHOT)

// ---- field tables

enum field_kind {
    KIND_u8,
    KIND_u16,
    KIND_u32,
    KIND_u64,
    KIND_i64,
    KIND_c16,
    KIND_c36,
    KIND_h32,
    KIND_z1,
    KIND_z2,
    KIND_z3,
    KIND_z4
};

struct field {
    const char *name;
    const char *doc;
    uint8_t kind; // enum field_kind
    uint8_t bytes;
};

struct record_type {
    const char *name;
    const char *doc;
    const struct field *fields;
    uint32_t field_count;
    uint32_t body_bytes;
    uint32_t senders; // ring mask; commands only
};

// The structs have no padding (asserted above), so a field's offset is the sum of the sizes before
// it.
#define FIELD_ENTRY(type, name, doc) {#name, doc, KIND_##type, BYTES_##type},
#define FIELDS_COMMAND(number, name, fields, by, doc)                                              \
    static const struct field name##_cmd_fields[] = {fields(FIELD_ENTRY)};
#define FIELDS_EVENT(number, name, fields, doc)                                                    \
    static const struct field name##_evt_fields[] = {fields(FIELD_ENTRY)};
#define FIELDS_SNAPSHOT(number, name, fields, doc)                                                 \
    static const struct field name##_rec_fields[] = {fields(FIELD_ENTRY)};
COMMANDS(FIELDS_COMMAND)
EVENTS(FIELDS_EVENT)
SNAPSHOT_RECORDS(FIELDS_SNAPSHOT)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ENTRY_COMMAND(number, name, fields, by, doc)                                               \
    [number] = {#name,                                                                             \
                doc,                                                                               \
                name##_cmd_fields,                                                                 \
                COUNT_OF(name##_cmd_fields),                                                       \
                sizeof(struct name##_cmd),                                                         \
                by},
#define ENTRY_EVENT(number, name, fields, doc)                                                     \
    [number] = {                                                                                   \
        #name, doc, name##_evt_fields, COUNT_OF(name##_evt_fields), sizeof(struct name##_evt), 0},
#define ENTRY_SNAPSHOT(number, name, fields, doc)                                                  \
    [number] = {                                                                                   \
        #name, doc, name##_rec_fields, COUNT_OF(name##_rec_fields), sizeof(struct name##_rec), 0},
static const struct record_type command_types[CMD_COUNT] = {COMMANDS(ENTRY_COMMAND)};
static const struct record_type event_types[EVT_COUNT] = {EVENTS(ENTRY_EVENT)};
static const struct record_type snapshot_types[REC_COUNT] = {SNAPSHOT_RECORDS(ENTRY_SNAPSHOT)};

static const struct record_type *type_find(const struct record_type *table, uint32_t count,
                                           uint8_t type)
{
    return type < count && table[type].name != NULL ? &table[type] : NULL;
}

static bool is_reserved(uint8_t kind)
{
    return kind == KIND_z1 || kind == KIND_z2 || kind == KIND_z3 || kind == KIND_z4;
}

static bool bytes_are_zero(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= bytes[i];
    return any == 0;
}

// ---- commands: permissions, sizes, check

bool command_allowed(uint8_t gateway, uint8_t type)
{
    const struct record_type *found = type_find(command_types, CMD_COUNT, type);
    return found != NULL && gateway < GATEWAY_COUNT && (found->senders & (1u << gateway)) != 0;
}

size_t command_fixed_bytes(uint8_t type)
{
    const struct record_type *found = type_find(command_types, CMD_COUNT, type);
    return found != NULL ? COMMAND_HEADER_BYTES + found->body_bytes : 0;
}

static bool is_chain_fact(const struct ledger_post_cmd *post)
{
    return (post->kind == POSTING_CHAIN_IN || post->kind == POSTING_CHAIN_OUT) &&
           post->ref_source == REF_INDEX;
}

bool command_content_allowed(uint8_t gateway, const struct command *command)
{
    if (gateway != GATEWAY_INDEX)
        return true;
    if (command->header.type == CMD_ledger_post)
        return is_chain_fact(&command->body.ledger_post);
    return command->header.type != CMD_breaker_set || command->body.breaker_set.tripped == 1;
}

static size_t client_id_tail(uint8_t bytes)
{
    return bytes <= CLIENT_ID_BYTES_MAX ? bytes : SIZE_MAX;
}

size_t command_tail_bytes(const struct command *command)
{
    switch (command->header.type) {
    case CMD_order_new:
    case CMD_order_new_terms: // begins like order_new
        return client_id_tail(command->body.order_new.client_id_bytes);
    case CMD_order_status:
        return client_id_tail(command->body.order_status.client_id_bytes);
    case CMD_order_cancel:
        return client_id_tail(command->body.order_cancel.client_id_bytes);
    case CMD_order_amend:
        return client_id_tail(command->body.order_amend.client_id_bytes);
    case CMD_order_mass_cancel:
        return client_id_tail(command->body.order_mass_cancel.client_id_bytes);
    case CMD_session_set: {
        uint16_t accounts = command->body.session_set.account_count;
        return accounts <= SESSION_ACCOUNTS_MAX ? accounts * sizeof(uint32_t) : SIZE_MAX;
    }
    case CMD_tick_table_set: {
        uint32_t bands = command->body.tick_table_set.band_count;
        return bands <= TICK_BANDS_MAX ? bands * sizeof(struct tick_band_tail) : SIZE_MAX;
    }
    case CMD_jurisdictions_set: {
        uint8_t codes = command->body.jurisdictions_set.code_count;
        return codes <= JURISDICTIONS_MAX ? codes * sizeof(uint16_t) : SIZE_MAX;
    }
    case CMD_xvp_create: {
        uint8_t legs = command->body.xvp_create.leg_count;
        uint8_t externals = command->body.xvp_create.external_count;
        size_t lock = externals == 0 ? 0
                                     : sizeof(struct xvp_lock_tail) +
                                           externals * sizeof(struct xvp_external_tail);
        return legs <= XVP_LEGS_MAX && externals <= XVP_EXTERNALS_MAX
                   ? legs * sizeof(struct xvp_leg_tail) + lock
                   : SIZE_MAX;
    }
    case CMD_xvp_act:
        return command->body.xvp_act.action == XVP_REVEAL ? XVP_SECRET_BYTES : 0;
    case CMD_propose: {
        uint16_t bytes = command->body.propose.body_bytes;
        return bytes <= PROPOSAL_BYTES_MAX ? bytes : SIZE_MAX;
    }
    case CMD_schedule_set: {
        uint8_t entries = command->body.schedule_set.entry_count;
        return entries <= SCHEDULE_ENTRIES_MAX ? entries * sizeof(struct schedule_entry_tail)
                                               : SIZE_MAX;
    }
    default:
        return 0;
    }
}

uint8_t command_slots(uint8_t type, size_t tail_bytes)
{
    size_t bytes = command_fixed_bytes(type) + tail_bytes;
    assert(bytes <= COMMAND_BYTES_MAX);
    return (uint8_t)((bytes + SLOT_BYTES - 1) / SLOT_BYTES);
}

static bool reserved_is_zero(const struct record_type *type, const uint8_t *body)
{
    size_t offset = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct field *field = &type->fields[i];
        if (is_reserved(field->kind) && !bytes_are_zero(body + offset, field->bytes))
            return false;
        offset += field->bytes;
    }
    return true;
}

bool command_check(const struct command *command)
{
    const struct record_type *type = type_find(command_types, CMD_COUNT, command->header.type);
    if (type == NULL || command->header.version != SCHEMA_VERSION)
        return false;
    size_t fixed = command_fixed_bytes(command->header.type);
    size_t stated = (size_t)command->header.slots * SLOT_BYTES;
    if (stated < fixed || command->header.slots > COMMAND_SLOTS_MAX)
        return false;
    size_t tail = command_tail_bytes(command);
    if (tail == SIZE_MAX || command_slots(command->header.type, tail) != command->header.slots)
        return false;
    const uint8_t *bytes = (const uint8_t *)command;
    return reserved_is_zero(type, command->body.bytes) &&
           bytes_are_zero(bytes + fixed + tail, stated - fixed - tail);
}

const char *command_tail(const struct command *command)
{
    return (const char *)command + command_fixed_bytes(command->header.type);
}

char *command_tail_writable(struct command *command)
{
    return (char *)command + command_fixed_bytes(command->header.type);
}

// ---- names

static const char *name_of(const struct record_type *table, uint32_t count, uint8_t type)
{
    const struct record_type *found = type_find(table, count, type);
    return found != NULL ? found->name : "unknown";
}

const char *command_name(uint8_t type)
{
    return name_of(command_types, CMD_COUNT, type);
}

const char *event_name(uint8_t type)
{
    return name_of(event_types, EVT_COUNT, type);
}

const char *snapshot_name(uint8_t type)
{
    return name_of(snapshot_types, REC_COUNT, type);
}

// ---- dump: one line of JSON

struct text { // like snprintf over several calls: counts what was needed, writes what fits
    char *out;
    size_t size;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *text, const char *format,
                                                           ...)
{
    size_t room = text->length < text->size ? text->size - text->length : 0;
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(room > 0 ? text->out + text->length : NULL, room, format, arguments);
    va_end(arguments);
    if (wrote > 0)
        text->length += (size_t)wrote;
}

static void text_add_quoted(struct text *text, const char *bytes, size_t count)
{
    text_add(text, "\"");
    for (size_t i = 0; i < count && bytes[i] != 0; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            text_add(text, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            text_add(text, "\\u%04x", c);
        else
            text_add(text, "%c", c);
    }
    text_add(text, "\"");
}

static void text_add_hex(struct text *text, const uint8_t *bytes, size_t count)
{
    text_add(text, "\"0x");
    for (size_t i = 0; i < count; i++)
        text_add(text, "%02x", bytes[i]);
    text_add(text, "\"");
}

static void text_add_field(struct text *text, const struct field *field, const uint8_t *at)
{
    uint64_t number = 0;
    memcpy(&number, at, field->bytes < 8 ? field->bytes : 8);
    text_add(text, ",\"%s\":", field->name);
    if (field->kind == KIND_c16 || field->kind == KIND_c36)
        text_add_quoted(text, (const char *)at, field->bytes);
    else if (field->kind == KIND_h32)
        text_add_hex(text, at, field->bytes);
    else if (field->kind == KIND_i64)
        text_add(text, "%" PRId64, (int64_t)number);
    else
        text_add(text, "%" PRIu64, number);
}

static void text_add_body(struct text *text, const struct record_type *type, const uint8_t *body)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (!is_reserved(type->fields[i].kind))
            text_add_field(text, &type->fields[i], body);
        body += type->fields[i].bytes;
    }
}

static void text_add_legs(struct text *text, const struct command *command)
{
    text_add(text, ",\"legs\":[");
    for (uint32_t i = 0; i < command->body.xvp_create.leg_count; i++) {
        struct xvp_leg_tail leg;
        memcpy(&leg, command_tail(command) + i * sizeof leg, sizeof leg);
        text_add(text,
                 "%s{\"from\":%" PRIu32 ",\"to\":%" PRIu32 ",\"asset\":%" PRIu32
                 ",\"kind\":%" PRIu32 ",\"amount\":%" PRId64 "}",
                 i == 0 ? "" : ",", leg.from, leg.to, leg.asset, leg.kind, leg.amount);
    }
    text_add(text, "]");
}

static void text_add_lock(struct text *text, const struct command *command)
{
    const char *at = command_tail(command) +
                     command->body.xvp_create.leg_count * sizeof(struct xvp_leg_tail);
    struct xvp_lock_tail lock;
    memcpy(&lock, at, sizeof lock);
    text_add(text, ",\"hash\":");
    text_add_hex(text, lock.hash, sizeof lock.hash);
    text_add(text, ",\"margin_ns\":%" PRIu64 ",\"externals\":[", lock.margin_ns);
    at += sizeof lock;
    for (uint32_t i = 0; i < command->body.xvp_create.external_count; i++) {
        struct xvp_external_tail external;
        memcpy(&external, at + i * sizeof external, sizeof external);
        text_add(text, "%s{\"deadline_ns\":%" PRIu64 ",\"claimed\":%" PRIu64 "}",
                 i == 0 ? "" : ",", external.deadline_ns, external.claimed);
    }
    text_add(text, "]");
}

static void text_add_tail(struct text *text, const struct command *command)
{
    size_t tail = command_tail_bytes(command);
    if (tail == 0 || tail == SIZE_MAX)
        return;
    if (command->header.type == CMD_xvp_create) {
        text_add_legs(text, command);
        if (command->body.xvp_create.external_count != 0)
            text_add_lock(text, command);
        return;
    }
    if (command->header.type == CMD_xvp_act) {
        text_add(text, ",\"secret\":");
        text_add_hex(text, (const uint8_t *)command_tail(command), tail);
        return;
    }
    if (command->header.type != CMD_session_set) {
        text_add(text, ",\"client_id\":");
        text_add_quoted(text, command_tail(command), tail);
        return;
    }
    text_add(text, ",\"accounts\":[");
    for (size_t i = 0; i < tail; i += sizeof(uint32_t)) {
        uint32_t account;
        memcpy(&account, command_tail(command) + i, sizeof account);
        text_add(text, "%s%" PRIu32, i == 0 ? "" : ",", account);
    }
    text_add(text, "]");
}

int command_dump(const struct command *command, char *out, size_t size)
{
    const struct command_header *h = &command->header;
    struct text text = {out, size, 0};
    text_add(&text,
             "{\"command\":\"%s\",\"sequence\":%" PRIu64 ",\"time_ns\":%" PRIu64 ",\"gateway\":%u,"
             "\"incarnation\":%" PRIu32 ",\"gateway_seq\":%" PRIu64 ",\"session\":%" PRIu32
             ",\"session_seq\":%" PRIu32,
             command_name(h->type), h->sequence, h->time_ns, h->gateway, h->incarnation,
             h->gateway_seq, h->session, h->session_seq);
    const struct record_type *type = type_find(command_types, CMD_COUNT, h->type);
    if (type != NULL) {
        text_add_body(&text, type, command->body.bytes);
        text_add_tail(&text, command);
    }
    text_add(&text, "}");
    return (int)text.length;
}

int event_dump(const struct event *event, char *out, size_t size)
{
    const struct event_header *h = &event->header;
    struct text text = {out, size, 0};
    text_add(&text,
             "{\"event\":\"%s\",\"sequence\":%" PRIu64 ",\"index\":%" PRIu32
             ",\"last\":%u,\"time_ns\":%" PRIu64 ",\"gateway\":%u,\"gateway_seq\":%" PRIu64
             ",\"session\":%" PRIu32 ",\"session_seq\":%" PRIu32,
             event_name(h->type), h->sequence, h->index, h->last, h->time_ns, h->gateway,
             h->gateway_seq, h->session, h->session_seq);
    const struct record_type *type = type_find(event_types, EVT_COUNT, h->type);
    if (type != NULL)
        text_add_body(&text, type, event->body.bytes);
    text_add(&text, "}");
    return (int)text.length;
}

int snapshot_dump(const struct snapshot_record *record, char *out, size_t size)
{
    struct text text = {out, size, 0};
    text_add(&text, "{\"record\":\"%s\"", snapshot_name(record->header.type));
    const struct record_type *type = type_find(snapshot_types, REC_COUNT, record->header.type);
    if (type != NULL)
        text_add_body(&text, type, record->body.bytes);
    text_add(&text, "}");
    return (int)text.length;
}

// ---- documentation

static const char *const kind_names[] = {"u8",      "u16",     "u32",  "u64",  "i64",
                                         "text 16", "text 36", "bytes 32", "zero", "zero", "zero", "zero"};
static_assert(COUNT_OF(kind_names) == KIND_z4 + 1, "a name for every kind");

static void senders_print(FILE *stream, uint32_t senders)
{
    static const char *const names[GATEWAY_COUNT] = {"core", "fix", "web", "admin", "settle", "index"};
    fprintf(stream, "From:");
    for (uint32_t i = 0; i < GATEWAY_COUNT; i++)
        if (senders & (1u << i))
            fprintf(stream, " %s", names[i]);
    fprintf(stream, ".\n");
}

static void types_print(FILE *stream, const char *title, const struct record_type *types,
                        uint32_t count, uint32_t header_bytes)
{
    fprintf(stream, "\n## %s\n", title);
    for (uint32_t number = 0; number < count; number++) {
        const struct record_type *type = &types[number];
        if (type->name == NULL)
            continue;
        fprintf(stream, "\n### %" PRIu32 " %s\n\n", number, type->name);
        if (type->doc[0] != 0)
            fprintf(stream, "%s.\n", type->doc);
        if (type->senders != 0)
            senders_print(stream, type->senders);
        fprintf(stream, "\n| offset | type | field | meaning |\n|---|---|---|---|\n");
        uint32_t offset = header_bytes;
        for (uint32_t i = 0; i < type->field_count; i++) {
            const struct field *field = &type->fields[i];
            fprintf(stream, "| %" PRIu32 " | %s | %s | %s |\n", offset, kind_names[field->kind],
                    field->name, field->doc);
            offset += field->bytes;
        }
    }
}

void records_document(FILE *stream)
{
    fprintf(
        stream,
        "# Records\n\nGenerated from `schema/records.def` by `schema_document records`; do not edit.\n\n"
        "Schema version %d. Little-endian, no padding; `zero` fields are reserved. Prices are cash "
        "units\n"
        "(1e-6) per whole token, quantities token units (10^-scale), times nanoseconds since "
        "1970.\n"
        "The numbers of each `enum` stand in `schema/records.h`.\n",
        SCHEMA_VERSION);
    types_print(stream, "Commands (header of 40 bytes, 1 to 16 slots of 64 bytes)", command_types,
                CMD_COUNT, COMMAND_HEADER_BYTES);
    types_print(stream, "Events (header of 40 bytes, 128 bytes in all)", event_types, EVT_COUNT,
                EVENT_HEADER_BYTES);
    types_print(stream, "Snapshot records (header of 8 bytes, 128 bytes in all)", snapshot_types,
                REC_COUNT, 8);
}
