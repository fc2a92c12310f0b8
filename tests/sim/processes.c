#include "tests/sim/processes.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/memfile.h"
#include "base/reader_page.h"
#include "tests/sim/administrator.h"
#include "tests/sim/files.h"
#include "tests/sim/gateway.h"
#include "tests/sim/laws.h"
#include "tests/sim/mains.h"
#include "tests/sim/network.h"
#include "tests/sim/postgres.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/system.h"
#include "tests/sim/universe.h"
#include "tests/sim/wraps.h"

enum { EXIT_OF_THE_DISK = 1, EXIT_OF_AN_ABORT = 134 };

static const struct program {
    fiber_main *main; // NULL = the simulator has none of it
} programs[PROCESS_COUNT] = {
    [PROCESS_CORE] = {core_fiber},          [PROCESS_TAPE] = {tape_fiber},
    [PROCESS_FIX] = {gateway_main},         [PROCESS_WEB] = {gateway_main},
    [PROCESS_ADMIN] = {administrator_main}, [PROCESS_RECORD] = {record_fiber},
    [PROCESS_SETTLE] = {settle_fiber},      [PROCESS_INDEX] = {index_fiber},
};

static struct {
    struct boot machine; // rings and pages: made anew when the power comes back
    struct boot boots[PROCESS_COUNT];
    struct boot_lives *lives;
    uint64_t uptime; // machine starts: a restart of the machine before belongs to nobody
    bool alive[PROCESS_COUNT];
    bool asked_to_stop[PROCESS_COUNT], must_lie[PROCESS_COUNT], has_lied[PROCESS_COUNT];
    bool calm, off;
    uint64_t deaths;
} processes;

const char *processes_name(unsigned owner)
{
    return owner < PROCESS_COUNT ? process_name((enum process_id)owner) : "world";
}

bool processes_is_alive(enum process_id process)
{
    return processes.alive[process];
}

bool processes_all_alive(void)
{
    for (int i = 0; i < PROCESS_COUNT; i++)
        if (programs[i].main != NULL && !processes.alive[i])
            return false;
    return true;
}

uint64_t processes_deaths(void)
{
    return processes.deaths;
}

const struct boot *processes_boot(enum process_id process)
{
    return &processes.boots[process];
}

const struct boot *__wrap_boot_inherit(enum process_id process)
{
    return &processes.boots[process];
}

const struct event_ring_control *processes_core(void)
{
    void *memory;
    const struct config *config = &processes.machine.config;
    ASSERT(memfile_map(&memory, processes.machine.event_ring_fd,
                       event_ring_bytes((uint64_t)config->rings_events), false) == 0);
    return memory;
}

void processes_calm(void)
{
    processes.calm = true;
}

// ---- the machine

static void machine_memory(struct boot *boot)
{
    const struct config *config = &boot->config;
    boot->event_ring_fd =
        memfile_create("events", event_ring_bytes((uint64_t)config->rings_events));
    for (int i = 0; i < GATEWAY_COUNT; i++)
        boot->command_ring_fd[i] =
            i == GATEWAY_CORE
                ? -1
                : memfile_create("commands",
                                 command_ring_bytes((uint64_t)config->rings_command_slots));
    for (int i = 0; i < PROCESS_COUNT; i++) {
        boot->reader_page_fd[i] = memfile_create("page", sizeof(struct reader_page));
        boot->doorbell_fd[i] = eventfd(0, EFD_NONBLOCK);
    }
}

static void machine_forget(const struct boot *boot)
{
    system_free_memory(boot->event_ring_fd);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (boot->command_ring_fd[i] >= 0)
            system_free_memory(boot->command_ring_fd[i]);
    for (int i = 0; i < PROCESS_COUNT; i++)
        system_free_memory(boot->reader_page_fd[i]);
}

static void process_start(enum process_id process)
{
    struct boot *boot = &processes.boots[process];
    uint32_t incarnation = boot->incarnation + 1;
    *boot = processes.machine;
    boot->process = process;
    boot->incarnation = incarnation;
    atomic_store(&processes.lives->incarnation[process], incarnation);
    processes.alive[process] = true;
    processes.asked_to_stop[process] = false;
    processes.must_lie[process] = processes.has_lied[process] = false;
    fiber_start(process, programs[process].main, boot, scheduler_between(MS, 5 * MS));
}

static void machine_start(void *context, uint64_t number)
{
    (void)context, (void)number;
    processes.off = false;
    processes.uptime++;
    machine_memory(&processes.machine);
    story_tell("world", "the machine starts");
    laws_snapshots();
    for (int i = 0; i < PROCESS_COUNT; i++)
        if (programs[i].main != NULL)
            process_start((enum process_id)i);
}

void processes_begin(void)
{
    processes.machine.magic = BOOT_MAGIC;
    processes.machine.version = BOOT_VERSION;
    universe_config(&processes.machine.config);
    processes.machine.lives_fd = memfile_create("lives", sizeof *processes.lives);
    void *lives;
    ASSERT(memfile_map(&lives, processes.machine.lives_fd, sizeof *processes.lives, true) == 0);
    processes.lives = lives;
    machine_start(NULL, 0);
}

// ---- death

static void on_restart(void *context, uint64_t number)
{
    (void)context;
    enum process_id process = (enum process_id)(number % PROCESS_COUNT);
    if (number / PROCESS_COUNT == processes.uptime && !processes.off && !processes.alive[process])
        process_start(process);
}

static void restart_soon(enum process_id process)
{
    uint64_t wait_ns = processes.calm ? 50 * MS : scheduler_between(10 * MS, 800 * MS);
    scheduler_at(scheduler_now_ns() + wait_ns, on_restart, NULL,
                 processes.uptime * PROCESS_COUNT + process);
}

// All that the outside sees of its end. Its fibers are the caller's to stop.
static void process_ended(enum process_id process)
{
    processes.alive[process] = false;
    processes.deaths++;
    if (process == PROCESS_CORE)
        laws_core_died();
    if (process == PROCESS_FIX || process == PROCESS_WEB)
        network_gone(process);
    if (process == PROCESS_RECORD || process == PROCESS_SETTLE || process == PROCESS_INDEX)
        postgres_session_gone(process);
    restart_soon(process);
}

void processes_kill(enum process_id process, const char *why)
{
    if (!processes.alive[process])
        return;
    story_tell("world", "%s is killed: %s", process_name(process), why);
    process_ended(process);
    owner_kill(process);
}

static void died_inside(unsigned owner)
{
    processes_kill((enum process_id)owner, "in the middle of something");
}

void processes_kill_at(enum process_id process, uint64_t effects)
{
    if (processes.alive[process])
        owner_dies_at(process, effects, died_inside);
}

// What a process may end with by itself is known; the rest is a broken law.
static bool status_is_excused(enum process_id process, int status)
{
    if (status == 0)
        return processes.asked_to_stop[process];
    if (status == EXIT_OF_AN_ABORT)
        return processes.has_lied[process];
    if (process == PROCESS_CORE)
        return status == EXIT_JOURNAL && laws_disk_has_failed();
    return process == PROCESS_TAPE && status == EXIT_OF_THE_DISK && laws_disk_has_failed();
}

static void on_repair(void *context, uint64_t number)
{
    (void)context, (void)number;
    files_repair();
}

void processes_exited(unsigned owner, int status)
{
    enum process_id process = (enum process_id)owner;
    story_tell("world", "%s ends with status %d", process_name(process), status);
    LAW(status_is_excused(process, status), "%s ended with status %d, and no disk has failed",
        process_name(process), status);
    scheduler_at(scheduler_now_ns() + MS, on_repair, NULL, 0); // somebody changes the disk
    process_ended(process);
    owner_kill(process);
}

void processes_ask_to_stop(enum process_id process)
{
    static void (*const ask[PROCESS_COUNT])(void) = {[PROCESS_CORE] = core_ask_to_stop,
                                                     [PROCESS_TAPE] = tape_ask_to_stop,
                                                     [PROCESS_RECORD] = record_ask_to_stop};
    if (!processes.alive[process] || ask[process] == NULL)
        return;
    story_tell("world", "%s is asked to stop", process_name(process));
    processes.asked_to_stop[process] = true;
    ask[process]();
}

void processes_lie(enum process_id process)
{
    processes.must_lie[process] = processes.alive[process];
}

bool processes_lies_now(unsigned owner)
{
    if (owner >= PROCESS_COUNT || !processes.must_lie[owner])
        return false;
    story_tell("world", "%s lies", processes_name(owner));
    processes.must_lie[owner] = false;
    return processes.has_lied[owner] = true;
}

bool processes_may_abort(unsigned owner)
{
    return owner < PROCESS_COUNT && processes.has_lied[owner];
}

void processes_power_failure(void)
{
    if (processes.off)
        return;
    story_tell("world", "the power fails");
    processes.off = true;
    for (unsigned i = 0; i < PROCESS_COUNT; i++) {
        if (!processes.alive[i])
            continue;
        process_ended((enum process_id)i);
        if (i != fiber_owner())
            owner_kill(i);
    }
    laws_power_failed();
    files_power_failure();
    postgres_crash(true);
    machine_forget(&processes.machine);
    scheduler_at(scheduler_now_ns() + scheduler_between(100 * MS, SECOND), machine_start, NULL, 0);
    if (fiber_owner() != OWNER_NOBODY)
        owner_kill(fiber_owner()); // does not come back
}

static void power_fails_inside(unsigned owner)
{
    (void)owner;
    processes_power_failure();
}

void processes_power_failure_at(enum process_id process, uint64_t effects)
{
    if (processes.alive[process])
        owner_dies_at(process, effects, power_fails_inside);
}
