// The happy path: defaults; libconfig parses the file; the network that it names sets its keys; every setting found
// is looked up in the table of keys and stored; relations are checked; paths are made absolute. The table is generated from config.def.
//
// Failures never stop the reading: each is reported with its place, and the count is the result.
#include "supervisor/config_file.h"

#include <errno.h>
#include <inttypes.h>
#include <libconfig.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "chain/network.h"

enum key_kind { KEY_INT, KEY_TEXT };

struct config_key {
    const char *group;
    const char *name;
    enum key_kind kind;
    size_t offset; // in struct config
    int64_t value_default;
    int64_t value_min;
    int64_t value_max;
    const char *text_default;
    const char *meaning;
};

#define KEY_OF_INT(group, key, def, min, max, doc)                                                 \
    {#group, #key, KEY_INT, offsetof(struct config, group##_##key), def, min, max, NULL, doc},
#define KEY_OF_TEXT(group, key, def, doc)                                                          \
    {#group, #key, KEY_TEXT, offsetof(struct config, group##_##key), 0, 0, 0, def, doc},
static const struct config_key KEYS[] = {CONFIG_KEYS(KEY_OF_INT, KEY_OF_TEXT)};
enum { KEYS_COUNT = sizeof KEYS / sizeof KEYS[0] };

// State of one reading: where complaints go, and on which line each key was set (0 = default).
struct reading {
    const char *path;
    FILE *complaints;
    int faults;
    struct config *config;
    unsigned line[KEYS_COUNT];
};

static int64_t *int_of(struct config *config, const struct config_key *key)
{
    ASSERT(key->kind == KEY_INT);
    return (int64_t *)(void *)((char *)config + key->offset);
}

static char *text_of(struct config *config, const struct config_key *key)
{
    ASSERT(key->kind == KEY_TEXT);
    return (char *)config + key->offset;
}

__attribute__((format(printf, 3, 4))) static void complain(struct reading *reading, unsigned line,
                                                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (line > 0)
        fprintf(reading->complaints, "%s:%u: ", reading->path, line);
    else
        fprintf(reading->complaints, "%s: ", reading->path);
    vfprintf(reading->complaints, format, arguments);
    fputc('\n', reading->complaints);
    va_end(arguments);
    reading->faults++;
}

void config_file_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        const struct config_key *key = &KEYS[i];
        if (key->kind == KEY_INT) {
            ASSERT(key->value_default >= key->value_min && key->value_default <= key->value_max);
            *int_of(config, key) = key->value_default;
        } else {
            ASSERT(strlen(key->text_default) < CONFIG_TEXT_BYTES_MAX);
            strcpy(text_of(config, key), key->text_default);
        }
    }
}

// ---- settings ----------------------------------------------------------------------------------------

static const struct config_key *find_key(const char *group, const char *name)
{
    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (strcmp(KEYS[i].group, group) == 0 && strcmp(KEYS[i].name, name) == 0)
            return &KEYS[i];
    return NULL;
}

static bool is_group(const char *group)
{
    for (size_t i = 0; i < KEYS_COUNT; i++)
        if (strcmp(KEYS[i].group, group) == 0)
            return true;
    return false;
}

static const char *type_name(int type)
{
    switch (type) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a text";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_GROUP:
        return "a group";
    default:
        return "a list";
    }
}

static void take_int(struct reading *reading, const struct config_key *key,
                     const config_setting_t *setting)
{
    unsigned line = config_setting_source_line(setting);
    int type = config_setting_type(setting);
    int64_t value = 0;
    if (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) {
        value = config_setting_get_int64(setting);
    } else if (type == CONFIG_TYPE_BOOL && key->value_min == 0 && key->value_max == 1) {
        value = config_setting_get_bool(setting);
    } else {
        complain(reading, line, "%s.%s is %s, must be a whole number from %" PRId64 " to %" PRId64,
                 key->group, key->name, type_name(type), key->value_min, key->value_max);
        return;
    }
    if (value < key->value_min || value > key->value_max) {
        complain(reading, line, "%s.%s = %" PRId64 " is out of range, must be from %" PRId64 " to %" PRId64,
                 key->group, key->name, value, key->value_min, key->value_max);
        return;
    }
    *int_of(reading->config, key) = value;
}

static void take_text(struct reading *reading, const struct config_key *key,
                      const config_setting_t *setting)
{
    unsigned line = config_setting_source_line(setting);
    int type = config_setting_type(setting);
    if (type != CONFIG_TYPE_STRING) {
        complain(reading, line, "%s.%s is %s, must be a text in quotes", key->group, key->name,
                 type_name(type));
        return;
    }
    const char *text = config_setting_get_string(setting);
    if (strlen(text) >= CONFIG_TEXT_BYTES_MAX) {
        complain(reading, line, "%s.%s has %zu bytes, must have at most %d", key->group, key->name,
                 strlen(text), CONFIG_TEXT_BYTES_MAX - 1);
        return;
    }
    strcpy(text_of(reading->config, key), text);
}

static void take_group(struct reading *reading, const config_setting_t *group)
{
    const char *group_name = config_setting_name(group);
    int count = config_setting_length(group);
    for (int i = 0; i < count; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const char *name = config_setting_name(setting);
        const struct config_key *key = find_key(group_name, name);
        if (key == NULL) {
            complain(reading, config_setting_source_line(setting), "%s.%s is not a key that Lonja knows",
                     group_name, name);
            continue;
        }
        reading->line[key - KEYS] = config_setting_source_line(setting);
        if (key->kind == KEY_INT)
            take_int(reading, key, setting);
        else
            take_text(reading, key, setting);
    }
}

static void take_root(struct reading *reading, const config_setting_t *root)
{
    int count = config_setting_length(root);
    for (int i = 0; i < count; i++) {
        const config_setting_t *group = config_setting_get_elem(root, (unsigned)i);
        const char *name = config_setting_name(group);
        unsigned line = config_setting_source_line(group);
        if (!is_group(name))
            complain(reading, line, "%s is not a group that Lonja knows", name);
        else if (config_setting_type(group) != CONFIG_TYPE_GROUP)
            complain(reading, line, "%s is %s, must be a group: %s = { key = value; };", name,
                     type_name(config_setting_type(group)), name);
        else
            take_group(reading, group);
    }
}

// ---- the network -------------------------------------------------------------------------------------

// Before the settings are taken, which then override what the network has set.
static void take_network(struct reading *reading, const config_t *file)
{
    const config_setting_t *setting = config_lookup(file, "settle.network");
    const char *name = setting == NULL ? NULL : config_setting_get_string(setting);
    if (name == NULL)
        return; // the default's values are the defaults; another type is complained of later
    const struct network *network = network_find(name);
    if (network != NULL) {
        network_apply(reading->config, network);
        return;
    }
    char names[128] = "";
    for (size_t i = 0; i < networks_count; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i == 0 ? "" : ", ",
                 networks[i].name);
    complain(reading, config_setting_source_line(setting),
             "settle.network = \"%s\" is not a network that Lonja knows: %s", name, names);
}

// ---- relations ---------------------------------------------------------------------------------------

static unsigned line_of(const struct reading *reading, const char *group, const char *name)
{
    const struct config_key *key = find_key(group, name);
    ASSERT(key != NULL);
    return reading->line[key - KEYS];
}

static void check_power_of_two(struct reading *reading, const char *group, const char *name)
{
    const struct config_key *key = find_key(group, name);
    ASSERT(key != NULL);
    int64_t value = *int_of(reading->config, key);
    if ((value & (value - 1)) != 0)
        complain(reading, reading->line[key - KEYS], "%s.%s = %" PRId64 " must be a power of two",
                 group, name, value);
}

static void check_sizes(struct reading *reading)
{
    const struct config *config = reading->config;
    check_power_of_two(reading, "rings", "command_slots");
    check_power_of_two(reading, "rings", "events");
    if (config->rings_events < 4 * config->limits_command_events_max)
        complain(reading, line_of(reading, "rings", "events"),
                 "rings.events = %" PRId64 " must be at least 4 * limits.command_events_max = %" PRId64,
                 config->rings_events, 4 * config->limits_command_events_max);
    if (config->journal_segment_bytes % 4096 != 0)
        complain(reading, line_of(reading, "journal", "segment_bytes"),
                 "journal.segment_bytes = %" PRId64 " must be a multiple of 4096",
                 config->journal_segment_bytes);
}

// Two listeners of the venue may not ask for one port, unless their addresses differ.
static void check_ports(struct reading *reading)
{
    const struct config *config = reading->config;
    const struct {
        const char *group, *name, *address;
        int64_t port;
    } listeners[] = {
        {"fix", "port", config->fix_address, config->fix_port},
        {"web", "port", config->web_address, config->web_port},
        {"admin", "port", config->admin_address, config->admin_port},
        {"settle", "port", config->settle_address, config->settle_port},
        {"ops", "metrics_port", config->ops_metrics_address, config->ops_metrics_port},
        {"replication", "port", config->replication_address, config->replication_port},
    };
    for (size_t i = 1; i < sizeof listeners / sizeof listeners[0]; i++)
        for (size_t j = 0; j < i; j++)
            if (listeners[i].port == listeners[j].port &&
                strcmp(listeners[i].address, listeners[j].address) == 0)
                complain(reading, line_of(reading, listeners[i].group, listeners[i].name),
                         "%s.%s = %" PRId64 " is the port of %s.%s too", listeners[i].group,
                         listeners[i].name, listeners[i].port, listeners[j].group, listeners[j].name);
}

// The kernel's limit on the path of a UNIX socket; better said here than by a failed bind later.
static void check_socket_path(struct reading *reading, const char *group, const char *name,
                              const char *folder, const char *file)
{
    size_t length = strlen(folder) + strlen(file);
    size_t length_max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    if (length > length_max)
        complain(reading, line_of(reading, group, name),
                 "%s.%s makes a socket path of %zu bytes (%s%s), the system allows %zu: "
                 "use a shorter folder",
                 group, name, length, folder, file, length_max);
}

// What is offered at least is not above what is offered at most, nor that above the ceiling of all.
static void check_fees(struct reading *reading)
{
    const struct config *config = reading->config;
    if (config->settle_priority_fee_mwei > config->settle_priority_fee_max_mwei)
        complain(reading, line_of(reading, "settle", "priority_fee_mwei"),
                 "settle.priority_fee_mwei = %" PRId64 " must be at most settle.priority_fee_max_mwei = %" PRId64,
                 config->settle_priority_fee_mwei, config->settle_priority_fee_max_mwei);
    if (config->settle_priority_fee_max_mwei > 1000 * config->settle_fee_cap_gwei)
        complain(reading, line_of(reading, "settle", "priority_fee_max_mwei"),
                 "settle.priority_fee_max_mwei = %" PRId64 " must be at most 1000 * settle.fee_cap_gwei = %" PRId64,
                 config->settle_priority_fee_max_mwei, 1000 * config->settle_fee_cap_gwei);
}

static void check_relations(struct reading *reading)
{
    const struct config *config = reading->config;
    check_sizes(reading);
    check_fees(reading);
    check_ports(reading);
    check_socket_path(reading, "sign", "socket", config->sign_socket, "");
    if (config->postgres_host[0] == '/')
        check_socket_path(reading, "postgres", "host", config->postgres_host, "/.s.PGSQL.65535");
}

// ---- paths -------------------------------------------------------------------------------------------

// Makes the text at `key` absolute. "" stays "" (it means a default of the process that reads it).
static void resolve(struct reading *reading, const char *group, const char *name, const char *folder)
{
    const struct config_key *key = find_key(group, name);
    ASSERT(key != NULL);
    char *text = text_of(reading->config, key);
    char path[PATH_MAX];
    if (text[0] == '\0' || text[0] == '/')
        return;
    int length = snprintf(path, sizeof path, "%s/%s", folder, text);
    if (length < 0 || length >= CONFIG_TEXT_BYTES_MAX)
        complain(reading, reading->line[key - KEYS],
                 "%s.%s becomes a path of %d bytes, must be at most %d", group, name, length,
                 CONFIG_TEXT_BYTES_MAX - 1);
    else
        memcpy(text, path, (size_t)length + 1);
}

static void resolve_paths(struct reading *reading, const char *folder)
{
    static const char *const paths[][2] = {
        {"venue", "state_folder"}, {"web", "pages_folder"},     {"postgres", "secrets_folder"},
        {"sign", "keystore"},      {"sign", "passphrase_file"}, {"sign", "policy_file"},
        {"replication", "certificate"}, {"replication", "key"}, {"replication", "authority"},
        {"settle", "rpc_file"},    {"settle", "callers_file"},  {"settle", "artifacts_folder"},
        {"admin", "pages_folder"},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        resolve(reading, paths[i][0], paths[i][1], folder);
    // A host name has no slash; the folder of a socket has.
    if (strchr(reading->config->postgres_host, '/') != NULL)
        resolve(reading, "postgres", "host", folder);
    resolve(reading, "sign", "socket", reading->config->venue_state_folder);
}

// ---- the whole ---------------------------------------------------------------------------------------

static bool parse(struct reading *reading, config_t *file)
{
    FILE *stream = fopen(reading->path, "re");
    if (stream == NULL) {
        complain(reading, 0, "cannot be read: %s", strerror(errno));
        return false;
    }
    int parsed = config_read(file, stream);
    fclose(stream);
    if (parsed != CONFIG_TRUE)
        complain(reading, (unsigned)config_error_line(file), "%s", config_error_text(file));
    return parsed == CONFIG_TRUE;
}

int config_file_read(struct config *config, const char *path, FILE *complaints)
{
    struct reading reading = {.path = path, .complaints = complaints, .config = config};
    char absolute[PATH_MAX];
    config_t file;
    config_file_defaults(config);
    config_init(&file);
    if (parse(&reading, &file)) {
        take_network(&reading, &file);
        take_root(&reading, config_root_setting(&file));
        if (realpath(path, absolute) != NULL)
            resolve_paths(&reading, dirname(absolute));
        else
            complain(&reading, 0, "has no absolute path: %s", strerror(errno));
        check_relations(&reading);
    }
    config_destroy(&file);
    return reading.faults;
}

// ---- one value ---------------------------------------------------------------------------------------

bool config_file_print(struct config *config, const char *name, FILE *out)
{
    const char *dot = strchr(name, '.');
    char group[32];
    if (dot == NULL || (size_t)(dot - name) >= sizeof group)
        return false;
    memcpy(group, name, (size_t)(dot - name));
    group[dot - name] = '\0';
    const struct config_key *key = find_key(group, dot + 1);
    if (key == NULL)
        return false;
    if (key->kind == KEY_INT)
        fprintf(out, "%" PRId64 "\n", *int_of(config, key));
    else
        fprintf(out, "%s\n", text_of(config, key));
    return true;
}

// ---- the reference -----------------------------------------------------------------------------------

static void document_key(FILE *out, const struct config_key *key)
{
    if (key->kind == KEY_INT)
        fprintf(out, "| `%s` | %" PRId64 " | %" PRId64 " … %" PRId64 " | %s |\n", key->name,
                key->value_default, key->value_min, key->value_max, key->meaning);
    else
        fprintf(out, "| `%s` | `\"%s\"` | text | %s |\n", key->name, key->text_default, key->meaning);
}

// One line per key, one column per network.
static void document_networks(FILE *out)
{
    fputs("\n### What `settle.network` sets\n\n"
          "A key that stands in the file itself overrides this. What is special on each chain, and where the\n"
          "figures come from: [networks.md](networks.md).\n\n| key |", out);
    for (size_t i = 0; i < networks_count; i++)
        fprintf(out, " %s |", networks[i].name);
    fputs("\n|---|", out);
    for (size_t i = 0; i < networks_count; i++)
        fputs("---|", out);
#define X(key)                                                                                     \
    fputs("\n| `" #key "` |", out);                                                               \
    for (size_t i = 0; i < networks_count; i++)                                                    \
        fprintf(out, " %" PRId64 " |", networks[i].key);
    NETWORK_KEYS(X)
#undef X
    fputc('\n', out);
}

void config_file_document(FILE *out)
{
    const char *group = "";
    fputs("# Configuration\n\n"
          "Generated by `lonja config document` from `base/config.def`; a test compares the two.\n\n"
          "One file in the syntax of libconfig; `lonja --check-config FILE` checks it. Every key has a\n"
          "default, so an empty file is a configuration. An unknown key, a wrong type, a value out of\n"
          "range or two keys that contradict each other are refused, naming file, line, key, the value\n"
          "seen and the bound. Where the range is 0 … 1, `true` and `false` may be written.\n\n"
          "    venue = { state_folder = \"state\"; };\n"
          "    fix   = { address = \"0.0.0.0\"; port = 9880; };\n\n"
          "Paths are absolute or relative to the folder of the file; `sign.socket` is relative to\n"
          "`venue.state_folder`. Passwords are never in here: they are files in\n"
          "`postgres.secrets_folder` and those that `sign` names.\n\n"
          "Between keys: `rings.command_slots` and `rings.events` are powers of two; `rings.events` is at\n"
          "least 4 × `limits.command_events_max`; `journal.segment_bytes` is a multiple of 4096; no two\n"
          "listeners share address and port; paths of sockets fit the system's limit (107 bytes);\n"
          "`settle.priority_fee_mwei` ≤ `settle.priority_fee_max_mwei` ≤ 1000 × `settle.fee_cap_gwei`.\n",
          out);
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        if (strcmp(group, KEYS[i].group) != 0) {
            if (strcmp(group, "settle") == 0)
                document_networks(out);
            group = KEYS[i].group;
            fprintf(out, "\n## %s\n\n| key | default | range | meaning |\n|---|---|---|---|\n", group);
        }
        document_key(out, &KEYS[i]);
    }
}
