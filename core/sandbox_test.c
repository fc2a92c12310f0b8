// What the sandboxed core cannot do. Each case runs in a child of its own.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "core/sandbox.h"

static int folder_fd;

static int child_status(void (*act)(void))
{
    pid_t child = fork();
    if (child == 0) {
        if (sandbox_enter_process(folder_fd) != 0)
            _exit(77);
        act();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void expect_killed(void (*act)(void))
{
    int status = child_status(act);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void expect_exit(void (*act)(void), int code)
{
    int status = child_status(act);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

static void act_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
}

static void act_unix_socket(void)
{
    int fds[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static void act_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

static void act_fork(void)
{
    fork();
}

static void act_open_elsewhere(void)
{
    _exit(open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? 42 : 1);
}

static void act_create_in_the_folder(void)
{
    int fd = openat(folder_fd, "file", O_RDWR | O_CREAT, 0600);
    _exit(fd >= 0 && pwrite(fd, "x", 1, 0) == 1 && fdatasync(fd) == 0 ? 42 : 1);
}

static void act_core_thread_opens(void)
{
    if (sandbox_enter_core_thread() != 0)
        _exit(2);
    _exit(openat(folder_fd, "file", O_RDWR | O_CREAT, 0600) < 0 && errno == EPERM ? 42 : 1);
}

static void act_core_thread_logs(void)
{
    if (sandbox_enter_core_thread() != 0)
        _exit(2);
    log_debug("time and a line of log are allowed");
    _exit(42);
}

static void *other_thread(void *context)
{
    int *pipe_fds = context;
    char byte;
    if (read(pipe_fds[0], &byte, 1) != 1 && errno != EPERM)
        _exit(3);
    socket(AF_INET, SOCK_STREAM, 0);
    _exit(1);
}

// A thread that was there before is inside, too.
static void sandboxed_threads_are_all_inside(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        int fds[2];
        pthread_t thread;
        if (pipe(fds) != 0 || pthread_create(&thread, NULL, other_thread, fds) != 0 ||
            sandbox_enter_process(folder_fd) != 0 || write(fds[1], "x", 1) != 1)
            _exit(2);
        pthread_join(thread, NULL);
        _exit(2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void sandboxed_core_has_no_sockets(void **state)
{
    (void)state;
    expect_killed(act_socket);
    expect_killed(act_unix_socket);
}

static void sandboxed_core_starts_no_program(void **state)
{
    (void)state;
    expect_killed(act_exec);
    expect_killed(act_fork);
}

static void sandboxed_core_opens_files_in_its_journal_only(void **state)
{
    (void)state;
    expect_exit(act_open_elsewhere, 42);
    expect_exit(act_create_in_the_folder, 42);
}

static void core_thread_opens_nothing_but_may_log(void **state)
{
    (void)state;
    expect_exit(act_core_thread_opens, 42);
    expect_exit(act_core_thread_logs, 42);
}

int main(void)
{
    char folder[64];
    testing_folder_make(folder);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandboxed_core_has_no_sockets),
        cmocka_unit_test(sandboxed_core_starts_no_program),
        cmocka_unit_test(sandboxed_core_opens_files_in_its_journal_only),
        cmocka_unit_test(core_thread_opens_nothing_but_may_log),
        cmocka_unit_test(sandboxed_threads_are_all_inside),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    testing_folder_remove(folder);
    return failed;
}
