// Every call of the real lonja-core that touches the journal fails once: EIO, ENOSPC, a short
// write, a sync that fails, each at every call index of a small life. Afterwards: the core has
// ended with status 4, what it showed as durable is there at the next healthy start, and it did
// nothing again that had failed.
//
// The small life begins on the journal of an earlier one, so that the calls of a recovery are among
// those that fail. LONJA_DISK_FAULT_COMMANDS makes it longer.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/command_ring.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "core/replay.h"
#include "tests/fault/disk_faults.h"

enum { SEGMENT_BYTES = 32 * 1024, FIRST_LIFE = 9, SECOND_LIFE = 12, PATIENCE = 300000 };

static unsigned second_life = SECOND_LIFE;

// ---- a venue of one core and one gateway

struct venue {
    char folder[64];
    struct boot boot;
    struct event_ring ring;
    struct command_ring commands;
    uint64_t gateway_seq;
    uint32_t incarnation;
    uint64_t shown; // the highest durable_seq that anybody saw
    pid_t core;
    int status; // that it ended with
};

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void venue_open(struct venue *venue, const char *folder)
{
    memset(venue, 0, sizeof *venue);
    snprintf(venue->folder, sizeof venue->folder, "%s", folder);
    testing_boot_init(&venue->boot, PROCESS_CORE, venue->folder);
    venue->boot.config.core_realtime_priority = 0;
    venue->boot.config.journal_segment_bytes = SEGMENT_BYTES;
    assert_int_equal(event_ring_open_reader(&venue->ring, venue->boot.event_ring_fd, 1024, 64), 0);
    assert_int_equal(command_ring_open_producer(&venue->commands,
                                                venue->boot.command_ring_fd[GATEWAY_ADMIN], 1024),
                     0);
}

static void venue_close(struct venue *venue)
{
    event_ring_close(&venue->ring);
    command_ring_close(&venue->commands);
    testing_boot_fini(&venue->boot);
}

static void venue_start(struct venue *venue, const char *faults_path)
{
    venue->core = testing_start(&venue->boot, PROCESS_CORE, LONJA_BIN,
                                faults_path == NULL ? NULL : DISK_FAULTS_SO, faults_path);
    venue->incarnation++;
    venue->gateway_seq = 0;
}

static bool venue_ended(struct venue *venue)
{
    if (venue->core != 0 && waitpid(venue->core, &venue->status, WNOHANG) == venue->core)
        venue->core = 0;
    return venue->core == 0;
}

static uint64_t venue_durable(struct venue *venue)
{
    uint64_t durable = atomic_load(&venue->ring.control->durable_seq);
    if (durable > venue->shown)
        venue->shown = durable;
    return durable;
}

// False: the core has ended.
static bool venue_await_running(struct venue *venue, uint64_t epoch_before)
{
    for (int i = 0; i < PATIENCE; i++, nap()) {
        if (atomic_load(&venue->ring.control->epoch) > epoch_before &&
            atomic_load(&venue->ring.control->core_state) == CORE_RUNNING)
            return true;
        if (venue_ended(venue))
            return false;
    }
    fail_msg("the core neither runs nor ends");
    return false;
}

static bool venue_send(struct venue *venue, uint8_t type)
{
    uint8_t slots = command_slots(type, 0);
    uint64_t before = venue_durable(venue);
    struct command *command = command_ring_claim(&venue->commands, slots, false);
    assert_non_null(command);
    command->header.slots = slots;
    command->header.type = type;
    command->header.version = SCHEMA_VERSION;
    command->header.incarnation = venue->incarnation;
    command->header.gateway_seq = ++venue->gateway_seq;
    if (type == CMD_asset_set)
        command->body.asset_set =
            (struct asset_set_cmd){.asset = 1, .kind = ASSET_CASH, .scale = 6, .symbol = "USD"};
    atomic_store(&venue->commands.control->heartbeat_ns, clock_monotone_ns(&clock_system));
    command_ring_publish(&venue->commands);
    for (int i = 0; i < PATIENCE; i++, nap()) {
        if (venue_durable(venue) > before)
            return true;
        if (venue_ended(venue))
            return false;
    }
    fail_msg("the core neither answers nor ends");
    return false;
}

// One command after the other, each durable before the next. False: the core has ended.
static bool venue_live(struct venue *venue, unsigned commands)
{
    if (!venue_send(venue, CMD_gateway_attach))
        return false;
    for (unsigned i = 0; i < commands; i++)
        if (!venue_send(venue, CMD_asset_set))
            return false;
    return true;
}

static void venue_stop(struct venue *venue)
{
    if (venue->core == 0)
        return;
    kill(venue->core, SIGTERM);
    assert_int_equal(waitpid(venue->core, &venue->status, 0), venue->core);
    venue->core = 0;
}

// ---- one fault

struct fault {
    enum disk_fault_class class;
    enum disk_fault_manner manner;
    int error;
};

static char template_folder[64]; // the journal of an earlier life
static struct disk_faults *faults;
static char faults_path[64];

static void copy_template(char folder[64])
{
    char line[256];
    testing_folder_make(folder);
    snprintf(line, sizeof line, "cp -r %s/journal %s/", template_folder, folder);
    assert_int_equal(system(line), 0);
}

static void expect_status_4(struct venue *venue, const struct fault *fault, uint64_t at)
{
    if (!WIFEXITED(venue->status) || WEXITSTATUS(venue->status) != EXIT_JOURNAL)
        fail_msg("fault %d %d %d at %llu: wait status %d", fault->class, fault->manner,
                 fault->error, (unsigned long long)at, venue->status);
    // A read may be repeated; what was to be made durable may not.
    if (fault->class != DISK_FAULT_READ && atomic_load(&faults->retried) != 0)
        fail_msg("fault %d %d %d at %llu: tried again", fault->class, fault->manner, fault->error,
                 (unsigned long long)at);
    assert_int_equal(atomic_load(&venue->ring.control->core_state), CORE_FAILED);
}

// The next life finds everything that was shown, and goes on.
static void expect_nothing_lost(struct venue *venue)
{
    uint64_t epoch = atomic_load(&venue->ring.control->epoch);
    uint64_t shown = venue->shown;
    venue_start(venue, NULL);
    if (!venue_await_running(venue, epoch))
        fail_msg("no healthy start: wait status %d", venue->status);
    assert_true(atomic_load(&venue->ring.control->base_sequence) >= shown);
    assert_true(venue_live(venue, 2));
    venue_stop(venue);
    assert_true(WIFEXITED(venue->status) && WEXITSTATUS(venue->status) == 0);
}

// The thread that prepares segments is of the lowest priority: a life is not over before the calls
// that are sure to come.
static void await_calls(struct venue *venue, enum disk_fault_class class, uint64_t count)
{
    for (int i = 0; i < PATIENCE && atomic_load(&faults->calls[class]) < count; i++, nap())
        if (venue_ended(venue))
            return;
}

// False: this life has no call of that number. `sure`: so many it has in any case.
static bool run_fault(const struct fault *fault, uint64_t at, uint64_t sure)
{
    struct venue venue;
    char folder[64];
    copy_template(folder);
    venue_open(&venue, folder);
    memset(faults, 0, sizeof *faults);
    *faults = (struct disk_faults){
        .fault_class = fault->class, .manner = fault->manner, .error = fault->error, .at = at};
    venue_start(&venue, faults_path);
    bool lived = venue_await_running(&venue, 0) && venue_live(&venue, second_life);
    await_calls(&venue, fault->class, at < sure ? at : sure);
    venue_stop(&venue);
    venue_durable(&venue);
    bool met = atomic_load(&faults->failed) != 0;
    // What the writer is not shown it cannot fail at: a segment that is prepared ahead may fail
    // when all commands are answered, and whether a prepared segment is blank needs no answer.
    bool harmless = lived && WIFEXITED(venue.status) && WEXITSTATUS(venue.status) == 0;
    if (met && !(harmless && (fault->class == DISK_FAULT_READ || fault->class == DISK_FAULT_OPEN)))
        expect_status_4(&venue, fault, at);
    if (!met)
        assert_true(harmless);
    expect_nothing_lost(&venue);
    venue_close(&venue);
    testing_folder_remove(folder);
    return met;
}

static uint64_t run_every_index(const struct fault *fault, uint64_t sure)
{
    uint64_t at = 1;
    while (run_fault(fault, at, sure))
        at++;
    return at - 1;
}

// ---- tests

static int setup(void **state)
{
    (void)state;
    const char *longer = getenv("LONJA_DISK_FAULT_COMMANDS");
    if (longer != NULL)
        second_life = (unsigned)strtoul(longer, NULL, 10);
    snprintf(faults_path, sizeof faults_path, "/dev/shm/lonja-faults-%d", (int)getpid());
    int fd = open(faults_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof *faults), 0);
    faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(faults != MAP_FAILED);
    close(fd);
    struct venue venue;
    testing_folder_make(template_folder);
    venue_open(&venue, template_folder);
    venue_start(&venue, NULL);
    assert_true(venue_await_running(&venue, 0) && venue_live(&venue, FIRST_LIFE));
    venue_stop(&venue);
    venue_close(&venue);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap(faults, sizeof *faults);
    unlink(faults_path);
    testing_folder_remove(template_folder);
    return 0;
}

static void check_all(const char *what, const struct fault *list, size_t count,
                      uint64_t indices_min)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t indices = run_every_index(&list[i], indices_min);
        print_message("%s: error %d, manner %d, at each of %llu calls\n", what, list[i].error,
                      list[i].manner, (unsigned long long)indices);
        assert_true(indices >= indices_min);
    }
}

static void a_failed_write_stops_the_core_for_good(void **state)
{
    (void)state;
    static const struct fault list[] = {{DISK_FAULT_WRITE, DISK_FAULT_ERROR, EIO},
                                        {DISK_FAULT_WRITE, DISK_FAULT_ERROR_AFTER, EIO},
                                        {DISK_FAULT_WRITE, DISK_FAULT_ERROR, ENOSPC},
                                        {DISK_FAULT_WRITE, DISK_FAULT_SHORT, 0}};
    check_all("write", list, 4, SECOND_LIFE + 2);
}

static void a_failed_sync_stops_the_core_for_good(void **state)
{
    (void)state;
    static const struct fault list[] = {{DISK_FAULT_SYNC, DISK_FAULT_ERROR, EIO},
                                        {DISK_FAULT_SYNC, DISK_FAULT_ERROR_AFTER, EIO}};
    check_all("sync", list, 2, 6);
}

static void a_failed_rename_stops_the_core_for_good(void **state)
{
    (void)state;
    static const struct fault list[] = {{DISK_FAULT_RENAME, DISK_FAULT_ERROR, ENOSPC},
                                        {DISK_FAULT_RENAME, DISK_FAULT_ERROR_AFTER, EIO}};
    // The second one is of a segment that is prepared ahead, unless the life is over before.
    check_all("rename", list, 2, 1);
}

static void a_failed_read_or_open_never_looks_like_the_end(void **state)
{
    (void)state;
    static const struct fault list[] = {{DISK_FAULT_READ, DISK_FAULT_ERROR, EIO},
                                        {DISK_FAULT_OPEN, DISK_FAULT_ERROR, EIO},
                                        {DISK_FAULT_OPEN, DISK_FAULT_ERROR, ENOSPC}};
    check_all("read, open", list, 3, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_write_stops_the_core_for_good),
        cmocka_unit_test(a_failed_sync_stops_the_core_for_good),
        cmocka_unit_test(a_failed_rename_stops_the_core_for_good),
        cmocka_unit_test(a_failed_read_or_open_never_looks_like_the_end),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
