// A kernel that refuses the sandbox: the core is told, and does not go on without it.
#include "core/testing.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sandbox.h"
#include "core/testing_calls.h"

// What is entered is not left: in a process of its own. Returns what it ended with.
static int in_a_child(const char *call, int (*enter)(void))
{
    pid_t child = fork();
    if (child == 0) {
        testing_calls_fail(call, 1, ENOSYS);
        _exit(-enter());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int enter_process(void)
{
    return sandbox_enter_process(3);
}

static void a_refused_sandbox_is_told(void **state)
{
    (void)state;
    assert_int_equal(in_a_child("prctl", enter_process), ENOSYS);
    assert_int_equal(in_a_child("syscall", enter_process), ENOSYS);
    assert_int_equal(in_a_child("syscall", sandbox_enter_core_thread), ENOSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_refused_sandbox_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
