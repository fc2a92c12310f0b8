#include "settlement/settle_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/testing.h"

static uint8_t out[ARTIFACT_INIT_CODE_MAX];
static char error[SETTLE_SETUP_ERROR_MAX];
static char path[] = "/tmp/settle_setup_test_XXXXXX";

#define CODE_HASH "0xbedc266554be93140842bc6046b15b8493f63ab988181ee60ea394e2e78e0545"

static int write_artifact(void **state)
{
    static const char text[] =
        "{\"contractName\":\"Thing\",\"bytecode\":\"0x6001600255\",\"abi\":[]}";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    return 0;
}

static int remove_artifact(void **state)
{
    (void)state;
    return unlink(path);
}

static ssize_t build_deploy(const char *hash, const char *arguments)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{\"artifact\":\"Thing\",\"path\":\"%s\",\"code_hash\":\"%s\",\"arguments\":\"%s\"}",
             path, hash, arguments);
    return settle_setup_build(out, sizeof(out), "deploy", json, error);
}

static void a_deploy_is_code_and_arguments(void **state)
{
    (void)state;
    assert_int_equal(build_deploy(CODE_HASH, "0xff01"), 7);
    assert_memory_equal(out, "\x60\x01\x60\x02\x55\xff\x01", 7);
    assert_int_equal(build_deploy(CODE_HASH, "0x"), 5);
    assert_string_equal(error, "");
}

static void code_that_is_not_what_was_agreed_on_is_refused(void **state)
{
    (void)state;
    assert_int_equal(build_deploy("0x00", "0x"), -1);
    assert_non_null(strstr(error, "artifact_changed: the code of Thing is " CODE_HASH));
    assert_int_equal(settle_setup_build(out, sizeof(out), "deploy",
                                        "{\"path\":\"/nonexistent\",\"code_hash\":\"0x\"}", error),
                     -1);
    assert_non_null(strstr(error, "artifact_unreadable: /nonexistent"));
    assert_int_equal(build_deploy(CODE_HASH, "0xf"), -1);
    assert_non_null(strstr(error, "arguments_malformed"));
}

static void init_code_that_does_not_fit_is_refused(void **state)
{
    char json[512];

    (void)state;
    snprintf(json, sizeof(json), "{\"path\":\"%s\",\"code_hash\":\"%s\",\"arguments\":\"0xff\"}",
             path, CODE_HASH);
    assert_int_equal(settle_setup_build(out, 5, "deploy", json, error), -1);
    assert_non_null(strstr(error, "code_too_long"));
    assert_int_equal(settle_setup_build(out, 6, "deploy", json, error), 6);
}

static void a_set_up_call_is_by_its_signature(void **state)
{
    (void)state;
    assert_int_equal(settle_setup_build(out, sizeof(out), "configure",
                                        "{\"method\":\"addModule(address)\",\"arguments\":"
                                        "[\"0x00000000000000000000000000000000000000ab\"]}",
                                        error),
                     36);
    assert_memory_equal(out, "\x1e\xd8\x6f\x19", 4);
    assert_int_equal(out[35], 0xab);
    assert_int_equal(settle_setup_build(out, sizeof(out), "configure",
                                        "{\"method\":\"unpause()\",\"arguments\":[]}", error),
                     4);
}

// Moving units is no set-up, and bytes of somebody's own are never sent.
static void any_other_call_is_refused(void **state)
{
    static const char *const calls[] = {
        "{\"method\":\"forcedTransfer(address,address,uint256)\",\"arguments\":[]}",
        "{\"method\":\"mint(address,uint256)\",\"arguments\":[]}",
        "{\"method\":\"addModule\",\"arguments\":[]}",
        "{\"method\":\"selfdestruct()\",\"arguments\":[]}",
        "{\"arguments\":[]}",
        "{\"method\":7}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        assert_int_equal(settle_setup_build(out, sizeof(out), "configure", calls[i], error), -1);
        assert_non_null(strstr(error, "method_unknown"));
    }
    assert_int_equal(settle_setup_build(out, sizeof(out), "mint", "{}", error), -1);
    assert_non_null(strstr(error, "operation_unknown"));
}

static void an_agent_is_added(void **state)
{
    (void)state;
    assert_int_equal(
        settle_setup_build(out, sizeof(out), "add_agent",
                           "{\"agent\":\"0x00000000000000000000000000000000000000ab\"}", error),
        36);
    assert_memory_equal(out, "\x84\xe7\x98\x42", 4);
    assert_int_equal(out[35], 0xab);
}

static void malformed_arguments_are_refused(void **state)
{
    static const struct {
        const char *operation;
        const char *json;
    } requests[] = {
        {"add_agent", "{}"},
        {"add_agent", "{\"agent\":\"0x0000000000000000000000000000000000000000\"}"},
        {"add_agent", "{\"agent\":1}"},
        {"add_agent", "[]"},
        {"add_agent", "{"},
        {"deploy", "{}"},
        {"configure", "{\"method\":\"addModule(address)\",\"arguments\":[\"0x12\"]}"},
        {"configure", "{\"method\":\"addModule(address)\"}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        assert_int_equal(
            settle_setup_build(out, sizeof(out), requests[i].operation, requests[i].json, error),
            -1);
        assert_non_null(strstr(error, "arguments_malformed"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deploy_is_code_and_arguments),
        cmocka_unit_test(code_that_is_not_what_was_agreed_on_is_refused),
        cmocka_unit_test(init_code_that_does_not_fit_is_refused),
        cmocka_unit_test(a_set_up_call_is_by_its_signature),
        cmocka_unit_test(any_other_call_is_refused),
        cmocka_unit_test(an_agent_is_added),
        cmocka_unit_test(malformed_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, write_artifact, remove_artifact);
}
