// A number is never used twice, and a damaged file is never guessed at.
#include "supervisor/incarnation.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/atomic_file.h"

struct folder {
    char path[64];
    int fd;
};

static int make(void **state)
{
    struct folder *folder = calloc(1, sizeof *folder);
    strcpy(folder->path, "/tmp/lonja-incarnation-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(folder->fd >= 0);
    *state = folder;
    return 0;
}

static int discard(void **state)
{
    struct folder *folder = *state;
    unlinkat(folder->fd, "incarnation", 0);
    close(folder->fd);
    rmdir(folder->path);
    free(folder);
    return 0;
}

static void put(struct folder *folder, const char *text)
{
    assert_int_equal(
        atomic_file_write(folder->fd, "incarnation", text, strlen(text), ATOMIC_FILE_VISIBLE), 0);
}

static void numbers_go_up_over_the_lives_of_the_supervisor(void **state)
{
    struct folder *folder = *state;
    struct incarnations one, two;
    uint32_t number = 0;
    assert_int_equal(incarnations_load(&one, folder->fd), 0);
    assert_int_equal(incarnations_next(&one, &number, PROCESS_FIX), 0);
    assert_int_equal(number, 1);
    assert_int_equal(incarnations_next(&one, &number, PROCESS_FIX), 0);
    assert_int_equal(number, 2);
    assert_int_equal(incarnations_next(&one, &number, PROCESS_CORE), 0);
    assert_int_equal(number, 1);
    assert_int_equal(incarnations_load(&two, folder->fd), 0);
    assert_int_equal(incarnations_next(&two, &number, PROCESS_FIX), 0);
    assert_int_equal(number, 3);
}

static void a_damaged_file_is_refused(void **state)
{
    struct folder *folder = *state;
    struct incarnations incarnations;
    const char *damaged[] = {"", "fix", "fix 7", "fix seven\n", "fax 7\n", "fix 7 8\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        put(folder, damaged[i]);
        assert_int_equal(incarnations_load(&incarnations, folder->fd), -EBADMSG);
    }
    put(folder, "fix 7\n");
    assert_int_equal(incarnations_load(&incarnations, folder->fd), 0);
}

static void the_last_number_is_not_wrapped(void **state)
{
    struct folder *folder = *state;
    struct incarnations incarnations;
    uint32_t number = 0;
    put(folder, "fix 4294967295\n");
    assert_int_equal(incarnations_load(&incarnations, folder->fd), 0);
    assert_int_equal(incarnations_next(&incarnations, &number, PROCESS_FIX), -EOVERFLOW);
}

static void a_number_that_could_not_be_kept_is_not_given(void **state)
{
    struct folder *folder = *state;
    struct incarnations incarnations;
    uint32_t number = 77;
    assert_int_equal(incarnations_load(&incarnations, folder->fd), 0);
    incarnations.folder_fd = -1;
    assert_int_equal(incarnations_next(&incarnations, &number, PROCESS_FIX), -EBADF);
    assert_int_equal(number, 77);
    incarnations.folder_fd = folder->fd;
    assert_int_equal(incarnations_next(&incarnations, &number, PROCESS_FIX), 0);
    assert_int_equal(number, 1);
}

static void a_promotion_leaves_the_hosts_before_it_their_numbers(void **state)
{
    struct folder *folder = *state;
    struct incarnations incarnations;
    uint32_t number = 0;
    put(folder, "fix 2000007\n");
    assert_int_equal(incarnations_load(&incarnations, folder->fd), 0);
    incarnations_raise(&incarnations, 1000000);
    assert_int_equal(incarnations_next(&incarnations, &number, PROCESS_FIX), 0);
    assert_int_equal(number, 2000008);
    assert_int_equal(incarnations_next(&incarnations, &number, PROCESS_WEB), 0);
    assert_int_equal(number, 1000001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_go_up_over_the_lives_of_the_supervisor, make, discard),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_refused, make, discard),
        cmocka_unit_test_setup_teardown(the_last_number_is_not_wrapped, make, discard),
        cmocka_unit_test_setup_teardown(a_promotion_leaves_the_hosts_before_it_their_numbers, make, discard),
        cmocka_unit_test_setup_teardown(a_number_that_could_not_be_kept_is_not_given, make, discard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
