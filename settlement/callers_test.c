#include "settlement/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/testing.h"

#define TOKEN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOKEN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct callers callers;
static char error[CALLERS_ERROR_MAX];

static bool parse(const char *text)
{
    char copy[1024];
    snprintf(copy, sizeof(copy), "%s", text);
    return callers_parse(&callers, copy, error);
}

static void callers_have_names_tokens_and_operations(void **state)
{
    (void)state;
    assert_true(
        parse("# who\n\noperator " TOKEN_A " *\n platform\t" TOKEN_B " mint,read # and why\n"));
    assert_int_equal(callers.count, 2);
    assert_string_equal(callers.list[1].name, "platform");
    assert_true(caller_may(&callers.list[0], CALLER_DEPLOY));
    assert_true(caller_may(&callers.list[1], CALLER_MINT));
    assert_false(caller_may(&callers.list[1], CALLER_TRANSFER));
}

static void a_file_with_a_fault_lets_nobody_in(void **state)
{
    static const char *const texts[] = {
        "operator " TOKEN_A " *\noperator\n",
        "operator " TOKEN_A " *\nx " TOKEN_B " * y\n",
        "operator " TOKEN_A " everything\n",
        "operator short *\n",
        "operator " TOKEN_A "! *\n",
        "op/erator " TOKEN_A " *\n",
        "ooooooooooooooooooooooooooooooooo " TOKEN_A " *\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(parse(texts[i]));
        assert_int_equal(callers.count, 0);
        assert_non_null(strstr(error, "line "));
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void the_file_is_read_again_when_it_changes(void **state)
{
    char path[] = "/tmp/callers_test_XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    callers_init(&callers, path);
    assert_int_equal(callers_find(&callers, TOKEN_A), -1);
    assert_int_equal(callers_find(&callers, ""), -1);
    write_file(path, "a " TOKEN_A " read\nb " TOKEN_B " read\n");
    assert_int_equal(callers_find(&callers, TOKEN_A), 0);
    assert_int_equal(callers_find(&callers, TOKEN_B), 1);
    assert_int_equal(callers_find(&callers, TOKEN_A "a"), -1);
    write_file(path, "b " TOKEN_B " read\n");
    assert_int_equal(callers_find(&callers, TOKEN_A), -1);
    assert_int_equal(callers_find(&callers, TOKEN_B), 0);
    write_file(path, "b " TOKEN_B " read\nnonsense\n");
    assert_int_equal(callers_find(&callers, TOKEN_B), -1);
    unlink(path);
    assert_int_equal(callers_find(&callers, TOKEN_B), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callers_have_names_tokens_and_operations),
        cmocka_unit_test(a_file_with_a_fault_lets_nobody_in),
        cmocka_unit_test(the_file_is_read_again_when_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
