#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/web/json_scan.h"

static enum json_result scan(struct json_object *object, const char *text)
{
    return json_scan(object, text, strlen(text));
}

static void scanner_takes_flat_objects(void **state)
{
    (void)state;
    struct json_object o;
    assert_int_equal(
        scan(&o, " { \"op\" : \"place\",\n\"n\":-1.5e+3,\"t\":true,\"f\":false,\"z\":null } "),
        JSON_OK);
    assert_int_equal(o.count, 5);
    assert_memory_equal(o.members[0].name, "op", 2);
    assert_memory_equal(o.members[0].text, "place", 5);
    assert_int_equal(o.members[1].kind, JSON_NUMBER);
    assert_int_equal(o.members[1].text_bytes, 7);
    assert_int_equal(o.members[2].kind, JSON_TRUE);
    assert_int_equal(o.members[3].kind, JSON_FALSE);
    assert_int_equal(o.members[4].kind, JSON_NULL);
    assert_int_equal(scan(&o, "{}"), JSON_OK);
    assert_int_equal(o.count, 0);
}

static void scanner_resolves_escapes(void **state)
{
    (void)state;
    struct json_object o;
    assert_int_equal(scan(&o, "{\"a\":\"x\\n\\\"\\\\\\/\\u00e9\\u20ac\\ud83d\\ude00y\"}"), JSON_OK);
    static const char expected[] = "x\n\"\\/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80y";
    assert_int_equal(o.members[0].text_bytes, sizeof expected - 1);
    assert_memory_equal(o.members[0].text, expected, sizeof expected - 1);
    assert_int_equal(scan(&o, "{\"o\\u0070\":1}"), JSON_OK); // an escaped name is the same name
    assert_memory_equal(o.members[0].name, "op", 2);
}

struct refusal {
    const char *text;
    enum json_result why;
};
static const struct refusal refusals[] = {
    {"", JSON_MALFORMED},
    {"   ", JSON_MALFORMED},
    {"{", JSON_MALFORMED},
    {"{\"a\"", JSON_MALFORMED},
    {"{\"a\":", JSON_MALFORMED},
    {"{\"a\":1", JSON_MALFORMED},
    {"{\"a\":1,", JSON_MALFORMED},
    {"{\"a\":1,}", JSON_MALFORMED},
    {"{,\"a\":1}", JSON_MALFORMED},
    {"{\"a\" 1}", JSON_MALFORMED},
    {"{a:1}", JSON_MALFORMED},
    {"{'a':1}", JSON_MALFORMED},
    {"{\"a\":1}x", JSON_MALFORMED},
    {"{\"a\":1}{}", JSON_MALFORMED},
    {"{\"a\":01}", JSON_MALFORMED},
    {"{\"a\":+1}", JSON_MALFORMED},
    {"{\"a\":.5}", JSON_MALFORMED},
    {"{\"a\":5.}", JSON_MALFORMED},
    {"{\"a\":1e}", JSON_MALFORMED},
    {"{\"a\":-}", JSON_MALFORMED},
    {"{\"a\":NaN}", JSON_MALFORMED},
    {"{\"a\":True}", JSON_MALFORMED},
    {"{\"a\":tru}", JSON_MALFORMED},
    {"{\"a\":\"\x01\"}", JSON_MALFORMED},
    {"{\"a\":\"\\x41\"}", JSON_MALFORMED},
    {"{\"a\":\"\\u12\"}", JSON_MALFORMED},
    {"{\"a\":\"\\u0000\"}", JSON_MALFORMED},
    {"{\"a\":\"\\ud800\"}", JSON_MALFORMED},
    {"{\"a\":\"\\ud800\\u0041\"}", JSON_MALFORMED},
    {"{\"a\":\"\\udc00\"}", JSON_MALFORMED},
    {"{\"a\":\"\xff\"}", JSON_MALFORMED},
    {"{\"a\":\"\xc0\x80\"}", JSON_MALFORMED},
    {"{\"a\":\"\xed\xa0\x80\"}", JSON_MALFORMED},
    {"{\"a\":\"\xf4\x90\x80\x80\"}", JSON_MALFORMED},
    {"{\"a\":\"\xe2\x82\"}", JSON_MALFORMED},
    {"{\"a\":\"b}", JSON_MALFORMED},
    {"\"a\"", JSON_MALFORMED},
    {"[]", JSON_NOT_FLAT},
    {"{\"a\":{}}", JSON_NOT_FLAT},
    {"{\"a\":[1]}", JSON_NOT_FLAT},
    {"{\"a\":1,\"a\":2}", JSON_TWICE},
    {"{\"a\":1,\"\\u0061\":2}", JSON_TWICE},
    {"\xef\xbb\xbf{\"a\":1}", JSON_MALFORMED},
};

static void scanner_refuses_everything_else(void **state)
{
    (void)state;
    struct json_object o;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (scan(&o, refusals[i].text) != refusals[i].why)
            fail_msg("%s: %d", refusals[i].text, (int)scan(&o, refusals[i].text));
}

static void scanner_has_limits(void **state)
{
    (void)state;
    struct json_object o;
    char text[8192];
    size_t at = (size_t)sprintf(text, "{");
    for (int i = 0; i <= JSON_MEMBERS_MAX; i++)
        at += (size_t)sprintf(text + at, "%s\"m%d\":%d", i > 0 ? "," : "", i, i);
    sprintf(text + at, "}");
    assert_int_equal(scan(&o, text), JSON_TOO_MANY);
    at = (size_t)sprintf(text, "{\"a\":\"\\n");
    memset(text + at, 'x', JSON_SCRATCH_BYTES);
    sprintf(text + at + JSON_SCRATCH_BYTES, "\"}");
    assert_int_equal(scan(&o, text), JSON_TOO_MANY);
}

// Every truncation of a good message is refused, and nothing behind its end is looked at.
static void scanner_refuses_every_cut(void **state)
{
    (void)state;
    static const char good[] = "{\"op\":\"pl\\u0061ce\",\"n\":12.5,\"b\":true,\"z\":null}";
    struct json_object o;
    for (size_t bytes = 0; bytes < sizeof good - 1; bytes++) {
        char *copy = malloc(bytes + 1); // exactly as long: a sanitizer sees one byte too many
        memcpy(copy, good, bytes);
        assert_int_not_equal(json_scan(&o, copy, bytes), JSON_OK);
        free(copy);
    }
    assert_int_equal(json_scan(&o, good, sizeof good - 1), JSON_OK);
}

// ---- files that nobody here wrote ------------------------------------------------------------

static const char corpus[] = "../shared/data/json/test_parsing";

static size_t read_file(char *out, size_t size, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t bytes = fread(out, 1, size, file);
    fclose(file);
    return bytes;
}

// n_: must be refused. y_: must be taken, if it is a flat object without a repeated name and
// without NUL.
static void scanner_agrees_with_the_json_test_suite(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct json_object o;
    unsigned refused = 0, taken = 0, beyond = 0;
    DIR *folder = opendir(corpus);
    if (folder == NULL) {
        print_message("skipped: %s is not there\n", corpus);
        skip();
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, ".json") == NULL)
            continue;
        enum json_result result = json_scan(&o, text, read_file(text, sizeof text, entry->d_name));
        if (entry->d_name[0] == 'n') {
            if (result == JSON_OK)
                fail_msg("%s was taken", entry->d_name);
            refused++;
        } else if (entry->d_name[0] == 'y') {
            bool object = strncmp(entry->d_name, "y_object", 8) == 0;
            if (result == JSON_OK)
                taken++;
            else if (object && result == JSON_MALFORMED &&
                     strcmp(entry->d_name, "y_object_escaped_null_in_key.json") != 0)
                fail_msg("%s was refused", entry->d_name);
            else
                beyond++;
        }
    }
    closedir(folder);
    print_message("refused %u, taken %u, valid but not a flat object %u\n", refused, taken, beyond);
    assert_true(refused > 180 && taken >= 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scanner_takes_flat_objects),
        cmocka_unit_test(scanner_resolves_escapes),
        cmocka_unit_test(scanner_refuses_everything_else),
        cmocka_unit_test(scanner_has_limits),
        cmocka_unit_test(scanner_refuses_every_cut),
        cmocka_unit_test(scanner_agrees_with_the_json_test_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
