// Who gets which memory, and that nobody can pull it from under the others.
#include "supervisor/venue_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/config_file.h"

struct fixture {
    struct config config;
    struct venue_memory memory;
};

static struct fixture fixture;

static int make(void **state)
{
    (void)state;
    config_file_defaults(&fixture.config);
    assert_int_equal(venue_memory_create(&fixture.memory, &fixture.config), 0);
    return 0;
}

static int discard(void **state)
{
    (void)state;
    venue_memory_destroy(&fixture.memory);
    return 0;
}

static struct boot grant(enum process_id process)
{
    struct boot boot = {0};
    venue_memory_grant(&fixture.memory, &boot, process);
    return boot;
}

static void the_core_gets_everything(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_CORE);
    assert_int_equal(boot.event_ring_fd, fixture.memory.event_ring_fd);
    assert_int_equal(boot.command_ring_fd[GATEWAY_CORE], -1);
    for (int gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++)
        assert_true(boot.command_ring_fd[gateway] >= 0);
    assert_true(boot.lives_fd > 0);
    venue_memory_announce(&fixture.memory, PROCESS_WEB, 7);
    const struct boot_lives *lives =
        mmap(NULL, sizeof *lives, PROT_READ, MAP_SHARED, boot.lives_fd, 0);
    assert_ptr_not_equal(lives, MAP_FAILED);
    assert_int_equal(atomic_load(&lives->incarnation[PROCESS_WEB]), 7);
    assert_ptr_equal(mmap(NULL, sizeof *lives, PROT_WRITE, MAP_SHARED, boot.lives_fd, 0), MAP_FAILED);
    munmap((void *)(uintptr_t)lives, sizeof *lives);
    assert_true(boot.reader_page_fd[PROCESS_TAPE] >= 0 && boot.doorbell_fd[PROCESS_TAPE] >= 0);
    assert_true(boot.reader_page_fd[PROCESS_SIGN] == -1 && boot.reader_page_fd[PROCESS_CORE] == -1);
}

static void a_gateway_gets_its_own_ring_only(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_WEB);
    assert_int_equal(boot.event_ring_fd, fixture.memory.event_ring_read_fd);
    assert_int_equal(boot.lives_fd, -1);
    for (int gateway = 0; gateway < GATEWAY_COUNT; gateway++)
        assert_int_equal(boot.command_ring_fd[gateway] >= 0, gateway == GATEWAY_WEB);
    for (int process = 0; process < PROCESS_COUNT; process++) {
        assert_int_equal(boot.reader_page_fd[process] >= 0, process == PROCESS_WEB);
        assert_int_equal(boot.doorbell_fd[process] >= 0, process == PROCESS_WEB);
    }
}

static void ops_may_look_at_the_tape_s_page(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_OPS);
    int fd = boot.reader_page_fd[PROCESS_TAPE];
    const struct reader_page *page = mmap(NULL, sizeof *page, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    munmap((void *)(uintptr_t)page, sizeof *page);
    assert_ptr_equal(mmap(NULL, sizeof *page, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(boot.doorbell_fd[PROCESS_TAPE], -1);
}

static void the_signer_gets_nothing(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_SIGN);
    assert_int_equal(boot.event_ring_fd, -1);
    for (int gateway = 0; gateway < GATEWAY_COUNT; gateway++)
        assert_int_equal(boot.command_ring_fd[gateway], -1);
    for (int process = 0; process < PROCESS_COUNT; process++)
        assert_true(boot.reader_page_fd[process] == -1 && boot.doorbell_fd[process] == -1);
}

static void a_reader_cannot_write_the_event_ring(void **state)
{
    (void)state;
    int fd = grant(PROCESS_FIX).event_ring_fd;
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_int_equal(errno, EACCES);
    assert_int_equal(write(fd, "x", 1), -1);
}

static void nobody_can_change_a_size(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_CORE);
    const int files[] = {boot.event_ring_fd, boot.command_ring_fd[GATEWAY_FIX],
                         boot.reader_page_fd[PROCESS_FIX]};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(ftruncate(files[i], 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(files[i], 1 << 30), -1);
        assert_int_equal(fcntl(files[i], F_ADD_SEALS, F_SEAL_WRITE), -1);
    }
}

static void everything_is_closed_on_exec(void **state)
{
    (void)state;
    struct boot boot = grant(PROCESS_CORE);
    assert_int_equal(fcntl(boot.event_ring_fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(grant(PROCESS_OPS).event_ring_fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(boot.command_ring_fd[GATEWAY_FIX], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(boot.reader_page_fd[PROCESS_FIX], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(boot.doorbell_fd[PROCESS_FIX], F_GETFD), FD_CLOEXEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_core_gets_everything, make, discard),
        cmocka_unit_test_setup_teardown(a_gateway_gets_its_own_ring_only, make, discard),
        cmocka_unit_test_setup_teardown(ops_may_look_at_the_tape_s_page, make, discard),
        cmocka_unit_test_setup_teardown(the_signer_gets_nothing, make, discard),
        cmocka_unit_test_setup_teardown(a_reader_cannot_write_the_event_ring, make, discard),
        cmocka_unit_test_setup_teardown(nobody_can_change_a_size, make, discard),
        cmocka_unit_test_setup_teardown(everything_is_closed_on_exec, make, discard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
