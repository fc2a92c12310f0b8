#include "chain/artifact.h"

#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct artifact artifact;
static char error[ARTIFACT_ERROR_MAX];

static bool load_text(const char *text, size_t len)
{
    char path[] = "/tmp/artifact_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    bool loaded = artifact_load(&artifact, path, error);
    unlink(path);
    return loaded;
}

static void assert_refused(const char *text, const char *why)
{
    if (load_text(text, strlen(text)))
        fail_msg("%s was accepted", text);
    if (strstr(error, why) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", text, error, why);
}

/* Keccak-256 of 0x6001600255, by ethers.js. */
static const char code_hash[] =
    "0xbedc266554be93140842bc6046b15b8493f63ab988181ee60ea394e2e78e0545";

static void assert_code(void)
{
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    assert_int_equal(artifact.code_len, 5);
    assert_memory_equal(artifact.code, "\x60\x01\x60\x02\x55", 5);
    hex_encode(text, artifact.code_hash.bytes, KECCAK_BYTES);
    assert_string_equal(text, code_hash);
}

static void a_hardhat_artifact_is_read(void **state)
{
    (void)state;
    const char text[] =
        "{\"contractName\":\"Thing\",\"bytecode\":\"0x6001600255\",\"linkReferences\":{},\"abi\":["
        "{\"type\":\"function\",\"name\":\"f\",\"inputs\":[]},"
        "{\"type\":\"constructor\",\"inputs\":[{\"type\":\"address\"},{\"type\":\"string\"},"
        "{\"type\":\"tuple[]\",\"components\":[{\"type\":\"uint8\"},{\"type\":\"bytes\"}]}]}]}";
    assert_true(load_text(text, strlen(text)));
    assert_string_equal(artifact.name, "Thing");
    assert_string_equal(artifact.constructor, "(address,string,(uint8,bytes)[])");
    assert_code();
}

static void a_foundry_artifact_is_read(void **state)
{
    (void)state;
    const char text[] =
        "{\"abi\":[],\"bytecode\":{\"object\":\"0x6001600255\",\"linkReferences\":{}}}";
    assert_true(load_text(text, strlen(text)));
    assert_string_equal(artifact.constructor, "()");
    assert_memory_equal(artifact.name, "artifact_test_", 14);
    assert_code();
}

static void what_cannot_be_deployed_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"abi\":[],\"bytecode\":\"0x\"}", "no code");
    assert_refused("{\"abi\":[],\"bytecode\":\"\"}", "no code");
    assert_refused("{\"abi\":[],\"bytecode\":{}}", "no \"bytecode\"");
    assert_refused("{\"abi\":[],\"bytecode\":\"0x600\"}", "not hexadecimal");
    assert_refused("{\"abi\":[],\"bytecode\":\"0x60zz\"}", "not hexadecimal");
    assert_refused("{\"abi\":[],\"bytecode\":\"0x60__$ab$__\"}", "not linked");
    assert_refused("{\"abi\":[],\"bytecode\":\"0x60\",\"linkReferences\":{\"a\":{}}}",
                   "not linked");
    assert_refused("{\"bytecode\":\"0x60\"}", "no \"abi\"");
    assert_refused("[]", "no JSON object");
    assert_refused("{", "line 1");
    assert_refused("{\"abi\":[],\"abi\":[],\"bytecode\":\"0x60\"}", "duplicate");
    assert_false(artifact_load(&artifact, "/nonexistent", error));
    assert_non_null(strstr(error, "No such file"));
    assert_false(artifact_load(&artifact, "/tmp", error));
}

static void code_above_the_limit_is_refused(void **state)
{
    (void)state;
    size_t digits = (size_t)2 * ARTIFACT_INIT_CODE_MAX;
    char *text = malloc(digits + 128);
    assert_non_null(text);
    for (size_t extra = 0; extra <= 2; extra += 2) {
        int at = sprintf(text, "{\"abi\":[],\"bytecode\":\"0x");
        memset(text + at, '6', digits + extra);
        strcpy(text + at + digits + extra, "\"}");
        assert_int_equal(load_text(text, strlen(text)), extra == 0);
    }
    assert_non_null(strstr(error, "49153 bytes of code: at most 49152"));
    free(text);
}

static void init_code_is_code_and_arguments(void **state)
{
    (void)state;
    static uint8_t out[ARTIFACT_INIT_CODE_MAX + 64];
    uint8_t arguments[64];
    char why[ABI_TEXT_ERROR_MAX];
    const char text[] =
        "{\"contractName\":\"T\",\"bytecode\":\"0x6001600255\",\"abi\":["
        "{\"type\":\"constructor\",\"inputs\":[{\"type\":\"uint8\"},{\"type\":\"bool\"}]}]}";
    assert_true(load_text(text, strlen(text)));
    json_t *values = json_pack("[ib]", 6, true);
    assert_int_equal(artifact_arguments(arguments, 64, &artifact, values, why), 64);
    json_decref(values);
    assert_int_equal(artifact_init_code(out, sizeof(out), &artifact, arguments, 64), 69);
    assert_memory_equal(out, artifact.code, 5);
    assert_int_equal(out[5 + 31], 6);
    assert_int_equal(out[5 + 63], 1);
    assert_int_equal(artifact_init_code(out, 68, &artifact, arguments, 64), -1);
    assert_int_equal(artifact_init_code(out, 4, &artifact, NULL, 0), -1);
    assert_int_equal(artifact_init_code(out, 5, &artifact, NULL, 0), 5);
    artifact.code_len = ARTIFACT_INIT_CODE_MAX;
    assert_int_equal(artifact_init_code(out, sizeof(out), &artifact, arguments, 1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hardhat_artifact_is_read),
        cmocka_unit_test(a_foundry_artifact_is_read),
        cmocka_unit_test(what_cannot_be_deployed_is_refused),
        cmocka_unit_test(code_above_the_limit_is_refused),
        cmocka_unit_test(init_code_is_code_and_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
