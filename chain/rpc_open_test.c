/* The list of endpoints, from the configuration or from a file, and what is said of one that cannot
 * be used. */
#include "chain/rpc_open.h"

#include "base/testing.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct rpc_pool pool;
static struct rpc_ops ops;
static char error[256];

static bool open_with(const char *urls, const char *file)
{
    static struct config config;
    config = (struct config){.settle_chain_id = 137,
                             .settle_rpc_agree = 2,
                             .settle_http_timeout_ms = 180000,
                             .settle_rpc_timeout_ms = 10000,
                             .settle_rpc_answer_bytes_max = 65536};
    snprintf(config.settle_rpc_url, sizeof(config.settle_rpc_url), "%s", urls);
    snprintf(config.settle_rpc_file, sizeof(config.settle_rpc_file), "%s", file);
    error[0] = '\0';
    return rpc_open(&ops, &pool, &config, NULL, NULL, error, sizeof(error));
}

static void several_endpoints_are_named_without_their_keys(void **state)
{
    (void)state;
    assert_true(open_with("https://user:pass@one.example/v2/KEY, http://127.0.0.1:8545  "
                          "https://two.example:444/?token=KEY",
                          ""));
    assert_int_equal(pool.endpoint_count, 3);
    assert_string_equal(pool.endpoints[0].name, "https://one.example");
    assert_string_equal(pool.endpoints[1].name, "http://127.0.0.1:8545");
    assert_string_equal(pool.endpoints[2].name, "https://two.example:444");
    assert_int_equal(pool.endpoints[0].chain_id, 137);
    ops.close(ops.context);
}

static void a_file_takes_the_place_of_the_list(void **state)
{
    (void)state;
    char path[] = "/tmp/lonja-rpc-XXXXXX";
    int fd = mkstemp(path);
    static const char lines[] = "https://one.example/KEY\n\nhttps://two.example/KEY\n";
    assert_true(fd >= 0 && write(fd, lines, strlen(lines)) == (ssize_t)strlen(lines));
    assert_true(open_with("http://127.0.0.1:1", path));
    assert_int_equal(pool.endpoint_count, 2);
    ops.close(ops.context);
    assert_int_equal(ftruncate(fd, 20000), 0); /* zeros, and too many of them */
    assert_false(open_with("", path));
    assert_string_equal(error, "settle.rpc_file is no text of less than 16384 bytes");
    close(fd);
    unlink(path);
    assert_false(open_with("http://127.0.0.1:1", path));
    assert_string_equal(error, "settle.rpc_file cannot be read: No such file or directory");
}

static void a_list_that_cannot_be_used_is_refused_without_its_keys(void **state)
{
    (void)state;
    assert_false(open_with(" , ", ""));
    assert_string_equal(error, "no endpoints, must be 1 to 8");
    assert_false(open_with(
        "http://a http://b http://c http://d http://e http://f http://g http://h http://i", ""));
    assert_string_equal(error, "too many endpoints, must be 1 to 8");
    assert_false(open_with("http://a,ht!tp://KEY", ""));
    assert_string_equal(error,
                        "endpoint 2 (an address that cannot be read): the URL cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_endpoints_are_named_without_their_keys),
        cmocka_unit_test(a_file_takes_the_place_of_the_list),
        cmocka_unit_test(a_list_that_cannot_be_used_is_refused_without_its_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
