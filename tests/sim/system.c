// The system calls that are no files, and those of our own modules that end in one: clocks,
// waiting, descriptors that ring, threads, shared memory, the end of a process.
//
// Fault model of the clocks. The monotone one goes with virtual time. The wall clock jumps when the
// simulator says so (system_jump), forwards and back.
#include "tests/sim/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memfile.h"
#include "tests/sim/processes.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/wraps.h"

enum { BELL_FIRST = 1 << 25, BELLS_MAX = 4096, MEMORY_FIRST = 1 << 26, MEMORIES_MAX = 4096 };
#define WALL_BEGIN_NS 1790000000000000000ull // 21 September 2026

static struct {
    int64_t wall_offset_ns;
    uint64_t bells[BELLS_MAX]; // eventfds
    int bell_count;
    struct memory {
        void *bytes;
        size_t size;
    } memories[MEMORIES_MAX];
    int memory_count;
} all;

// ---- clocks

uint64_t system_wall_ns(void)
{
    return WALL_BEGIN_NS + scheduler_now_ns() + (uint64_t)all.wall_offset_ns;
}

void system_jump(int64_t ns)
{
    all.wall_offset_ns += ns;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    scheduler_effect();
    uint64_t now_ns = id == CLOCK_REALTIME ? system_wall_ns() : scheduler_now_ns();
    *out =
        (struct timespec){.tv_sec = (time_t)(now_ns / SECOND), .tv_nsec = (long)(now_ns % SECOND)};
    return 0;
}

int __wrap_nanosleep(const struct timespec *span, struct timespec *left)
{
    (void)left;
    fiber_sleep((uint64_t)span->tv_sec * SECOND + (uint64_t)span->tv_nsec);
    return 0;
}

// ---- waiting

static const void *key_of(const _Atomic uint32_t *address)
{
    return (const void *)(uintptr_t)address;
}

void __wrap_futex_wait(const _Atomic uint32_t *address, uint32_t seen, uint64_t timeout_ns)
{
    scheduler_effect();
    const void *key = key_of(address);
    if (atomic_load_explicit(address, memory_order_relaxed) == seen)
        (void)fiber_wait(&key, 1, timeout_ns);
}

void __wrap_futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns)
{
    scheduler_effect();
    const void *keys[WAIT_KEYS_MAX];
    for (unsigned i = 0; i < count; i++) {
        if (atomic_load_explicit(words[i].address, memory_order_relaxed) != words[i].seen)
            return;
        keys[i] = key_of(words[i].address);
    }
    (void)fiber_wait(keys, count, timeout_ns);
}

void __wrap_futex_wake(const _Atomic uint32_t *address)
{
    fiber_wake(key_of(address));
    scheduler_effect();
}

static uint64_t *bell_of(int fd)
{
    return fd >= BELL_FIRST && fd < BELL_FIRST + all.bell_count ? &all.bells[fd - BELL_FIRST]
                                                                : NULL;
}

bool system_has_descriptor(int fd)
{
    return bell_of(fd) != NULL || fd >= MEMORY_FIRST;
}

int __wrap_eventfd(unsigned value, int flags)
{
    (void)flags;
    LAW(all.bell_count < BELLS_MAX, "the simulator has too few descriptors");
    all.bells[all.bell_count] = value;
    return BELL_FIRST + all.bell_count++;
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
    uint64_t *bell = bell_of(fd);
    if (files_has_descriptor(fd))
        return files_write(fd, data, bytes);
    if (bell == NULL)
        return __real_write(fd, data, bytes);
    ++*bell;
    fiber_wake(bell);
    scheduler_effect();
    return (ssize_t)bytes;
}

ssize_t __wrap_read(int fd, void *out, size_t bytes)
{
    uint64_t *bell = bell_of(fd);
    if (files_has_descriptor(fd))
        return files_read(fd, out, bytes);
    if (bell == NULL)
        return __real_read(fd, out, bytes);
    scheduler_effect();
    if (*bell == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(out, bell, sizeof *bell);
    *bell = 0;
    return (ssize_t)sizeof *bell;
}

static int poll_look(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        const uint64_t *bell = bell_of(fds[i].fd);
        fds[i].revents = bell != NULL && *bell > 0 ? POLLIN : 0;
        ready += fds[i].revents != 0;
    }
    return ready;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    scheduler_effect();
    if (timeout_ms == 0 || poll_look(fds, count) > 0)
        return poll_look(fds, count);
    const void *keys[WAIT_KEYS_MAX];
    unsigned used = 0;
    for (nfds_t i = 0; i < count; i++)
        if (bell_of(fds[i].fd) != NULL)
            keys[used++] = bell_of(fds[i].fd);
    uint64_t timeout_ns = timeout_ms < 0 ? SECOND : (uint64_t)(unsigned)timeout_ms * MS;
    (void)fiber_wait(keys, used, timeout_ns);
    return poll_look(fds, count);
}

int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    (void)room;
    return __wrap_poll(fds, count, timeout_ms);
}

int __wrap_fcntl(int fd, int command, ...)
{
    (void)command;
    LAW(system_has_descriptor(fd), "fcntl of a descriptor that is not the simulator's");
    return 0;
}

// ---- the journal's lock: one core at a time is the supervisor's word here

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    (void)folder, (void)flags;
    LAW(strcmp(path, "lock") == 0, "openat of %s", path);
    return MEMORY_FIRST;
}

int __wrap_flock(int fd, int operation)
{
    (void)fd, (void)operation;
    return 0;
}

// ---- threads

struct thread {
    void *(*main)(void *);
    void *context;
};

static void thread_main(void *context)
{
    struct thread thread = *(struct thread *)context;
    free(context);
    (void)thread.main(thread.context);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *context)
{
    (void)attributes;
    struct thread *begin = malloc(sizeof *begin);
    ASSERT(begin != NULL);
    *begin = (struct thread){.main = main, .context = context};
    *thread =
        (pthread_t)fiber_start(fiber_owner(), thread_main, begin, scheduler_between(1, 100 * US));
    return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
    (void)result;
    while (!fiber_is_done((const void *)thread))
        fiber_sleep(100 * US);
    return 0;
}

int __wrap_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)
{
    (void)thread, (void)policy, (void)param;
    return EPERM; // as on a machine that does not allow it
}

int __wrap_setpriority(__priority_which_t which, id_t who, int priority)
{
    (void)which, (void)who, (void)priority;
    return 0;
}

int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    (void)number, (void)action, (void)old;
    return 0;
}

// ---- shared memory: one mapping for all

void *system_zeros(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(memory != MAP_FAILED);
    return memory;
}

int __wrap_memfile_create(const char *name, size_t bytes)
{
    (void)name;
    LAW(all.memory_count < MEMORIES_MAX, "the simulator has too few memory files");
    all.memories[all.memory_count] = (struct memory){.bytes = system_zeros(bytes), .size = bytes};
    return MEMORY_FIRST + all.memory_count++;
}

int __wrap_memfile_map(void **memory, int fd, size_t bytes, bool writable)
{
    (void)writable;
    ASSERT(fd >= MEMORY_FIRST && fd < MEMORY_FIRST + all.memory_count);
    const struct memory *file = &all.memories[fd - MEMORY_FIRST];
    if (file->size != bytes)
        return -EINVAL;
    *memory = file->bytes;
    return 0;
}

void __wrap_memfile_unmap(void *memory, size_t bytes)
{
    (void)memory, (void)bytes;
}

void system_free_memory(int fd)
{
    ASSERT(fd >= MEMORY_FIRST && fd < MEMORY_FIRST + all.memory_count);
    struct memory *file = &all.memories[fd - MEMORY_FIRST];
    ASSERT(munmap(file->bytes, file->size) == 0);
    file->bytes = NULL;
}

// A gateway that was taken over: a type that is none, or a length that leads out of the ring.
static void spoil_record(const struct command_ring *ring)
{
    uint64_t at = ring->position & (ring->capacity - 1);
    struct command_header *header = (void *)(ring->slots + at * SLOT_BYTES);
    if (header->type == CMD_padding)
        header = (void *)ring->slots;
    if (scheduler_chance(500))
        header->type = CMD_COUNT - 1;
    else
        header->slots = COMMAND_SLOTS_MAX + 1;
}

void __wrap_command_ring_show(struct command_ring *ring)
{
    scheduler_effect();
    if (processes_lies_now(fiber_owner()))
        spoil_record(ring);
    __real_command_ring_show(ring);
    scheduler_effect();
}

// ---- what a process says, and its end

static const char *who(void)
{
    return processes_name(fiber_owner());
}

void __wrap_log_line(enum log_level level, const char *format, ...)
{
    if (level == LOG_DEBUG)
        return;
    va_list arguments;
    va_start(arguments, format);
    story_tell_list(who(), format, arguments);
    va_end(arguments);
}

void __wrap_assert_failed(const char *file, int line, const char *text)
{
    if (processes_may_abort(fiber_owner())) {
        processes_exited(fiber_owner(), 134);
        fiber_end();
    }
    story_fail("%s: assertion failed: %s:%d: %s", who(), file, line, text);
}

void __wrap_exit(int status)
{
    if (fiber_owner() == OWNER_NOBODY)
        __real_exit(status);
    processes_exited(fiber_owner(), status);
    fiber_end();
}

void __wrap__exit(int status)
{
    __wrap_exit(status);
}

int __wrap_sandbox_enter_process(int journal_folder_fd)
{
    (void)journal_folder_fd;
    return 0;
}

int __wrap_sandbox_enter_core_thread(void)
{
    return 0;
}

// An engine that asserts in a replay is a broken law like any other.
void __wrap_replay_guard_begin(const struct replay *replay)
{
    (void)replay;
}

void __wrap_replay_guard_end(void)
{
}
