#include "supervisor/venue_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/memfile.h"

bool venue_memory_is_reader(enum process_id process)
{
    return process != PROCESS_CORE && process != PROCESS_STANDBY && process != PROCESS_SIGN &&
           process < PROCESS_COUNT;
}

void venue_memory_init(struct venue_memory *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->event_ring_fd = -1;
    memory->event_ring_read_fd = -1;
    memset(memory->command_ring_fd, -1, sizeof memory->command_ring_fd);
    memset(memory->reader_page_fd, -1, sizeof memory->reader_page_fd);
    memset(memory->doorbell_fd, -1, sizeof memory->doorbell_fd);
    memory->tape_page_read_fd = -1;
    memory->lives_fd = -1;
    memory->lives_read_fd = -1;
}

static const void *map_read_only(int fd, size_t bytes)
{
    void *address = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
    return address == MAP_FAILED ? NULL : address;
}

static int create_event_ring(struct venue_memory *memory, const struct config *config)
{
    size_t bytes = event_ring_bytes((uint64_t)config->rings_events);
    memory->event_ring_fd = memfile_create("lonja-events", bytes);
    if (memory->event_ring_fd < 0)
        return memory->event_ring_fd;
    memory->event_ring_read_fd = memfile_readonly(memory->event_ring_fd);
    if (memory->event_ring_read_fd < 0)
        return memory->event_ring_read_fd;
    memory->core = map_read_only(memory->event_ring_read_fd, sizeof *memory->core);
    return memory->core == NULL ? -errno : 0;
}

static int create_command_ring(struct venue_memory *memory, const struct config *config,
                               enum gateway_id gateway)
{
    char name[32];
    snprintf(name, sizeof name, "lonja-commands-%d", (int)gateway);
    size_t bytes = command_ring_bytes((uint64_t)config->rings_command_slots);
    memory->command_ring_fd[gateway] = memfile_create(name, bytes);
    return memory->command_ring_fd[gateway] < 0 ? memory->command_ring_fd[gateway] : 0;
}

static int create_reader(struct venue_memory *memory, enum process_id process)
{
    char name[32];
    snprintf(name, sizeof name, "lonja-reader-%s", process_name(process));
    int fd = memfile_create(name, sizeof(struct reader_page));
    memory->reader_page_fd[process] = fd;
    if (fd < 0)
        return fd;
    memory->page[process] = map_read_only(fd, sizeof(struct reader_page));
    if (memory->page[process] == NULL)
        return -errno;
    memory->doorbell_fd[process] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return memory->doorbell_fd[process] < 0 ? -errno : 0;
}

static int create_lives(struct venue_memory *memory)
{
    memory->lives_fd = memfile_create("lonja-lives", sizeof *memory->lives);
    if (memory->lives_fd < 0)
        return memory->lives_fd;
    memory->lives_read_fd = memfile_readonly(memory->lives_fd);
    if (memory->lives_read_fd < 0)
        return memory->lives_read_fd;
    void *address;
    int result = memfile_map(&address, memory->lives_fd, sizeof *memory->lives, true);
    if (result == 0)
        memory->lives = address;
    return result;
}

static int create_all(struct venue_memory *memory, const struct config *config)
{
    int result = create_event_ring(memory, config);
    if (result == 0)
        result = create_lives(memory);
    for (int gateway = GATEWAY_CORE + 1; gateway < GATEWAY_COUNT && result == 0; gateway++)
        result = create_command_ring(memory, config, (enum gateway_id)gateway);
    for (int process = 0; process < PROCESS_COUNT && result == 0; process++)
        if (venue_memory_is_reader((enum process_id)process))
            result = create_reader(memory, (enum process_id)process);
    if (result == 0) {
        memory->tape_page_read_fd = memfile_readonly(memory->reader_page_fd[PROCESS_TAPE]);
        result = memory->tape_page_read_fd < 0 ? memory->tape_page_read_fd : 0;
    }
    return result;
}

int venue_memory_create(struct venue_memory *memory, const struct config *config)
{
    venue_memory_init(memory);
    int result = create_all(memory, config);
    if (result < 0)
        venue_memory_destroy(memory);
    return result;
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void unmap(const void *address, size_t bytes)
{
    if (address != NULL)
        munmap((void *)(uintptr_t)address, bytes);
}

void venue_memory_destroy(struct venue_memory *memory)
{
    unmap(memory->core, sizeof *memory->core);
    unmap(memory->lives, sizeof *memory->lives);
    close_if_open(memory->lives_fd);
    close_if_open(memory->lives_read_fd);
    close_if_open(memory->tape_page_read_fd);
    close_if_open(memory->event_ring_fd);
    close_if_open(memory->event_ring_read_fd);
    for (int gateway = 0; gateway < GATEWAY_COUNT; gateway++)
        close_if_open(memory->command_ring_fd[gateway]);
    for (int process = 0; process < PROCESS_COUNT; process++) {
        unmap(memory->page[process], sizeof(struct reader_page));
        close_if_open(memory->reader_page_fd[process]);
        close_if_open(memory->doorbell_fd[process]);
    }
    venue_memory_init(memory);
}

// What opens the gate for the readers: the core, or lonja-standby in its place.
static void grant_gate(const struct venue_memory *memory, struct boot *boot)
{
    boot->event_ring_fd = memory->event_ring_fd;
    memcpy(boot->reader_page_fd, memory->reader_page_fd, sizeof boot->reader_page_fd);
    memcpy(boot->doorbell_fd, memory->doorbell_fd, sizeof boot->doorbell_fd);
}

static void grant_all_rings(const struct venue_memory *memory, struct boot *boot)
{
    grant_gate(memory, boot);
    boot->lives_fd = memory->lives_read_fd;
    memcpy(boot->command_ring_fd, memory->command_ring_fd, sizeof boot->command_ring_fd);
}

void venue_memory_grant(const struct venue_memory *memory, struct boot *boot, enum process_id process)
{
    ASSERT(process < PROCESS_COUNT);
    boot->event_ring_fd = -1;
    boot->lives_fd = -1;
    memset(boot->command_ring_fd, -1, sizeof boot->command_ring_fd);
    memset(boot->reader_page_fd, -1, sizeof boot->reader_page_fd);
    memset(boot->doorbell_fd, -1, sizeof boot->doorbell_fd);
    if (process == PROCESS_CORE) {
        grant_all_rings(memory, boot);
        return;
    }
    if (process == PROCESS_STANDBY)
        grant_gate(memory, boot);
    if (!venue_memory_is_reader(process))
        return;
    boot->event_ring_fd = memory->event_ring_read_fd;
    boot->reader_page_fd[process] = memory->reader_page_fd[process];
    boot->doorbell_fd[process] = memory->doorbell_fd[process];
    if (process == PROCESS_OPS)
        boot->reader_page_fd[PROCESS_TAPE] = memory->tape_page_read_fd;
    for (int gateway = GATEWAY_CORE + 1; gateway < GATEWAY_COUNT; gateway++)
        if (process_of_gateway((enum gateway_id)gateway) == process)
            boot->command_ring_fd[gateway] = memory->command_ring_fd[gateway];
}

void venue_memory_announce(struct venue_memory *memory, enum process_id process, uint32_t incarnation)
{
    ASSERT(memory->lives != NULL && process < PROCESS_COUNT);
    // Release: whoever sees the life's first command sees its number.
    atomic_store_explicit(&memory->lives->incarnation[process], incarnation, memory_order_release);
}
