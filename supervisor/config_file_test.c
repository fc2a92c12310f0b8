// Each kind of fault is refused with file, line, key, value and bound; a good file becomes the struct.
#include "supervisor/config_file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain/network.h"

struct attempt {
    struct config config;
    int faults;
    char complaints[4096];
    char folder[PATH_MAX];
    char path[PATH_MAX + 16];
};

static void attempt_read(struct attempt *attempt, const char *text)
{
    strcpy(attempt->folder, "/tmp/lonja-config-XXXXXX");
    assert_non_null(mkdtemp(attempt->folder));
    snprintf(attempt->path, sizeof attempt->path, "%s/lonja.conf", attempt->folder);
    FILE *file = fopen(attempt->path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    memset(attempt->complaints, 0, sizeof attempt->complaints);
    FILE *complaints = fmemopen(attempt->complaints, sizeof attempt->complaints - 1, "w");
    assert_non_null(complaints);
    attempt->faults = config_file_read(&attempt->config, attempt->path, complaints);
    fclose(complaints);
    unlink(attempt->path);
    rmdir(attempt->folder);
}

static void refuses(const char *text, unsigned line, const char *complaint)
{
    struct attempt attempt;
    char place[PATH_MAX + 64];
    attempt_read(&attempt, text);
    if (attempt.faults != 1)
        print_error("%s", attempt.complaints);
    assert_int_equal(attempt.faults, 1);
    if (line > 0)
        snprintf(place, sizeof place, "%s:%u: ", attempt.path, line);
    else
        snprintf(place, sizeof place, "%s: ", attempt.path);
    assert_memory_equal(attempt.complaints, place, strlen(place));
    assert_string_equal(attempt.complaints + strlen(place), complaint);
}

static void an_empty_file_means_the_defaults(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "");
    assert_int_equal(attempt.faults, 0);
    assert_int_equal(attempt.config.fix_port, 9880);
    assert_int_equal(attempt.config.journal_durable, 1);
    assert_string_equal(attempt.config.venue_name, "LONJA");
}

static void values_of_all_types_are_taken(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "venue = { name = \"PALMA\"; per_process_users = true; };\n"
                           "fix: { port = 1234 }\n"
                           "core = { cpu = -1; };\n"
                           "settle = { chain_id = 9007199254740991L; };\n");
    assert_int_equal(attempt.faults, 0);
    assert_string_equal(attempt.config.venue_name, "PALMA");
    assert_int_equal(attempt.config.venue_per_process_users, 1);
    assert_int_equal(attempt.config.fix_port, 1234);
    assert_int_equal(attempt.config.core_cpu, -1);
    assert_true(attempt.config.settle_chain_id == 9007199254740991);
}

static void a_network_sets_its_keys_and_the_file_overrides_them(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "settle = { confirmations = 64; network = \"polygon\"; };\n");
    assert_int_equal(attempt.faults, 0);
    assert_string_equal(attempt.config.settle_network, "polygon");
    assert_int_equal(attempt.config.settle_chain_id, 137);
    assert_int_equal(attempt.config.settle_priority_fee_mwei, 30000);
    assert_int_equal(attempt.config.settle_finalized_tag, 1);
    assert_int_equal(attempt.config.settle_confirmations, 64);
}

static void the_defaults_are_those_of_the_default_network(void **state)
{
    (void)state;
    struct config expected;
    struct config config;
    config_file_defaults(&expected);
    config = expected;
    network_apply(&config, network_find(config.settle_network));
    assert_memory_equal(&config, &expected, sizeof config);
}

// Whatever a network sets is what the file might have set: in range, and not against another key.
static void every_network_is_a_configuration(void **state)
{
    (void)state;
    struct attempt attempt;
    char text[1024];
    for (size_t i = 0; i < networks_count; i++) {
        int length = 0;
        length += snprintf(text, sizeof text, "settle = {");
#define X(key)                                                                                     \
    length += snprintf(text + length, sizeof text - (size_t)length, #key " = %lldL; ",             \
                       (long long)networks[i].key);
        NETWORK_KEYS(X)
#undef X
        snprintf(text + length, sizeof text - (size_t)length, "};");
        attempt_read(&attempt, text);
        assert_string_equal(attempt.complaints, "");
    }
}

static void an_unknown_network_is_refused(void **state)
{
    (void)state;
    refuses("settle = {\n network = \"mainnet\";\n};\n", 2,
            "settle.network = \"mainnet\" is not a network that Lonja knows: dev, testnet, amoy, polygon, arbitrum, base\n");
    refuses("settle = { network = 1; };\n", 1, "settle.network is a whole number, must be a text in quotes\n");
}

static void fees_against_each_other_are_refused(void **state)
{
    (void)state;
    refuses("settle = {\n priority_fee_mwei = 100001;\n};\n", 2,
            "settle.priority_fee_mwei = 100001 must be at most settle.priority_fee_max_mwei = 100000\n");
    refuses("settle = {\n network = \"base\";\n priority_fee_max_mwei = 20001;\n};\n", 3,
            "settle.priority_fee_max_mwei = 20001 must be at most 1000 * settle.fee_cap_gwei = 20000\n");
}

static void relative_paths_start_at_the_file(void **state)
{
    (void)state;
    struct attempt attempt;
    char expected[PATH_MAX + 64];
    attempt_read(&attempt, "venue = { state_folder = \"here\"; };\n"
                           "postgres = { host = \"pg/socket\"; };\n"
                           "sign = { keystore = \"/etc/key\"; };\n");
    assert_int_equal(attempt.faults, 0);
    snprintf(expected, sizeof expected, "%s/here", attempt.folder);
    assert_string_equal(attempt.config.venue_state_folder, expected);
    snprintf(expected, sizeof expected, "%s/here/sign/sign.sock", attempt.folder);
    assert_string_equal(attempt.config.sign_socket, expected);
    snprintf(expected, sizeof expected, "%s/pg/socket", attempt.folder);
    assert_string_equal(attempt.config.postgres_host, expected);
    assert_string_equal(attempt.config.sign_keystore, "/etc/key");
    assert_string_equal(attempt.config.web_pages_folder, "");
}

static void a_host_name_is_not_a_path(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "postgres = { host = \"db.example\"; };\n");
    assert_int_equal(attempt.faults, 0);
    assert_string_equal(attempt.config.postgres_host, "db.example");
}

static void a_file_that_is_not_there_is_refused(void **state)
{
    (void)state;
    struct config config;
    char complaint[256] = "";
    FILE *complaints = fmemopen(complaint, sizeof complaint - 1, "w");
    assert_int_equal(config_file_read(&config, "/nowhere/lonja.conf", complaints), 1);
    fclose(complaints);
    assert_string_equal(complaint, "/nowhere/lonja.conf: cannot be read: No such file or directory\n");
}

static void a_file_that_cannot_be_parsed_is_refused(void **state)
{
    (void)state;
    refuses("fix = {\n port = ;\n};\n", 2, "syntax error\n");
    refuses("fix = { port = 1; };\nfix = { port = 2; };\n", 2, "duplicate setting name\n");
}

static void an_unknown_key_or_group_is_refused(void **state)
{
    (void)state;
    refuses("fix = {\n prot = 9880;\n};\n", 2, "fix.prot is not a key that Lonja knows\n");
    refuses("\n\nfxi = { port = 9880; };\n", 3, "fxi is not a group that Lonja knows\n");
    refuses("port = 9880;\n", 1, "port is not a group that Lonja knows\n");
}

static void a_wrong_type_is_refused(void **state)
{
    (void)state;
    refuses("fix = { port = \"9880\"; };\n", 1,
            "fix.port is a text, must be a whole number from 1 to 65535\n");
    refuses("fix = { port = 98.5; };\n", 1,
            "fix.port is a number with a fraction, must be a whole number from 1 to 65535\n");
    refuses("fix = { port = true; };\n", 1,
            "fix.port is true or false, must be a whole number from 1 to 65535\n");
    refuses("venue = { name = 5; };\n", 1, "venue.name is a whole number, must be a text in quotes\n");
    refuses("venue = { name = { a = 1; }; };\n", 1, "venue.name is a group, must be a text in quotes\n");
    refuses("fix = [ 1, 2 ];\n", 1, "fix is a list, must be a group: fix = { key = value; };\n");
}

static void a_value_out_of_range_is_refused(void **state)
{
    (void)state;
    refuses("fix = { port = 0; };\n", 1, "fix.port = 0 is out of range, must be from 1 to 65535\n");
    refuses("fix = { port = 65536; };\n", 1,
            "fix.port = 65536 is out of range, must be from 1 to 65535\n");
    refuses("core = { cpu = -2; };\n", 1, "core.cpu = -2 is out of range, must be from -1 to 1023\n");
}

static void a_text_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    char text[400];
    char name[301];
    memset(name, 'x', 300);
    name[300] = '\0';
    snprintf(text, sizeof text, "venue = { name = \"%s\"; };\n", name);
    refuses(text, 1, "venue.name has 300 bytes, must have at most 255\n");
}

static void relations_between_keys_are_checked(void **state)
{
    (void)state;
    refuses("rings = { command_slots = 65535; };\n", 1,
            "rings.command_slots = 65535 must be a power of two\n");
    refuses("rings = {\n events = 32768; };\n", 2,
            "rings.events = 32768 must be at least 4 * limits.command_events_max = 65536\n");
    refuses("limits = { command_events_max = 100000; };\n", 0,
            "rings.events = 262144 must be at least 4 * limits.command_events_max = 400000\n");
    refuses("journal = { segment_bytes = 1048577; };\n", 1,
            "journal.segment_bytes = 1048577 must be a multiple of 4096\n");
    refuses("fix = { port = 9000; };\nweb = { port = 9000; };\n", 2,
            "web.port = 9000 is the port of fix.port too\n");
}

static void one_port_on_two_addresses_is_allowed(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "fix = { address = \"10.0.0.1\"; port = 9000; };\nweb = { port = 9000; };\n");
    assert_int_equal(attempt.faults, 0);
}

static void a_socket_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct attempt attempt;
    char text[256];
    char folder[121];
    memset(folder, 'x', 120);
    folder[120] = '\0';
    snprintf(text, sizeof text, "sign = { socket = \"/%s\"; };\n", folder);
    attempt_read(&attempt, text);
    assert_int_equal(attempt.faults, 1);
    assert_non_null(strstr(attempt.complaints, "sign.socket makes a socket path of 121 bytes"));
    assert_non_null(strstr(attempt.complaints, "the system allows 107"));
}

static void all_faults_are_reported_at_once(void **state)
{
    (void)state;
    struct attempt attempt;
    attempt_read(&attempt, "fix = { port = 0; prot = 1; };\nweb = { port = \"x\"; };\n");
    assert_int_equal(attempt.faults, 3);
}

static void the_reference_in_docs_is_up_to_date(void **state)
{
    (void)state;
    static char now[65536], committed[65536];
    FILE *out = fmemopen(now, sizeof now - 1, "w");
    config_file_document(out);
    fclose(out);
    FILE *file = fopen("docs/configuration.md", "r");
    assert_non_null(file); // the test runs in the source folder
    size_t bytes = fread(committed, 1, sizeof committed - 1, file);
    assert_true(bytes < sizeof committed - 1);
    fclose(file);
    if (strcmp(now, committed) != 0)
        fail_msg("run: lonja config document >docs/configuration.md");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_means_the_defaults),
        cmocka_unit_test(values_of_all_types_are_taken),
        cmocka_unit_test(a_network_sets_its_keys_and_the_file_overrides_them),
        cmocka_unit_test(the_defaults_are_those_of_the_default_network),
        cmocka_unit_test(every_network_is_a_configuration),
        cmocka_unit_test(an_unknown_network_is_refused),
        cmocka_unit_test(fees_against_each_other_are_refused),
        cmocka_unit_test(relative_paths_start_at_the_file),
        cmocka_unit_test(a_host_name_is_not_a_path),
        cmocka_unit_test(a_file_that_is_not_there_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_parsed_is_refused),
        cmocka_unit_test(an_unknown_key_or_group_is_refused),
        cmocka_unit_test(a_wrong_type_is_refused),
        cmocka_unit_test(a_value_out_of_range_is_refused),
        cmocka_unit_test(a_text_that_does_not_fit_is_refused),
        cmocka_unit_test(relations_between_keys_are_checked),
        cmocka_unit_test(one_port_on_two_addresses_is_allowed),
        cmocka_unit_test(a_socket_path_that_is_too_long_is_refused),
        cmocka_unit_test(all_faults_are_reported_at_once),
        cmocka_unit_test(the_reference_in_docs_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
