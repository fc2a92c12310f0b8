#include "chain/vectors.h"

#include "chain/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *load_compressed(const char *path, json_error_t *error)
{
    char command[512];
    snprintf(command, sizeof(command), "gzip -dc %s", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    json_t *value = json_loadf(pipe, JSON_DECODE_ANY, error);
    pclose(pipe);
    return value;
}

json_t *vectors_load(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "../shared/data/%s", name);
    if (access(path, R_OK) != 0) {
        print_message("[  SKIPPED ] %s is not there: published vectors not checked\n", path);
        skip();
    }
    json_error_t error;
    json_t *value = strstr(name, ".gz") != NULL ? load_compressed(path, &error)
                                                : json_load_file(path, 0, &error);
    if (value == NULL)
        fail_msg("%s: %s", path, error.text);
    return value;
}

const char *vectors_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

uint8_t *vectors_bytes(size_t *len, const char *hex)
{
    assert_non_null(hex);
    size_t max = strlen(hex) / 2 + 1;
    uint8_t *bytes = malloc(max);
    assert_non_null(bytes);
    ssize_t decoded = hex_decode(bytes, max, hex);
    assert_true(decoded >= 0);
    *len = (size_t)decoded;
    return bytes;
}
