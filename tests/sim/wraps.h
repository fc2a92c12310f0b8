// Wraps: the functions that the linker puts in the place of others (-Wl,--wrap=NAME: every call of
// NAME goes to __wrap_NAME, and __real_NAME is what it was), and who of us has which.
#ifndef LONJA_SIM_WRAPS_H
#define LONJA_SIM_WRAPS_H

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/boot.h"
#include "base/futex.h"
#include "base/log.h"
#include "core/follower.h"
#include "core/gate.h"
#include "core/journal_io.h"
#include "core/replay.h"
#include "core/tape_writer.h"
#include "gateway/common/link.h"

// clang-format off
#define WRAPS_TWICE(type, name, arguments) type __wrap_##name arguments; type __real_##name arguments;
// clang-format on

// ---- files.c
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
int __wrap___open_2(const char *path, int flags);
WRAPS_TWICE(int, close, (int fd))
WRAPS_TWICE(ssize_t, pread, (int fd, void *out, size_t bytes, off_t offset))
WRAPS_TWICE(ssize_t, pwrite, (int fd, const void *data, size_t bytes, off_t offset))
WRAPS_TWICE(int, ftruncate, (int fd, off_t bytes))
WRAPS_TWICE(int, fsync, (int fd))
WRAPS_TWICE(int, fdatasync, (int fd))
WRAPS_TWICE(int, fstat, (int fd, struct stat *st))
WRAPS_TWICE(int, rename, (const char *from, const char *to))
WRAPS_TWICE(int, unlink, (const char *path))
WRAPS_TWICE(int, access, (const char *path, int mode))
WRAPS_TWICE(int, mkdir, (const char *path, mode_t mode))
WRAPS_TWICE(DIR *, opendir, (const char *path))
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);
WRAPS_TWICE(FILE *, fopen, (const char *path, const char *mode))
WRAPS_TWICE(int, fileno, (FILE * stream))
int __wrap_journal_io_file_open(struct journal_io *io, struct journal_io_file *file,
                                const char *folder, bool durable);
void files_take_time(void);
bool files_has_descriptor(int fd);
ssize_t files_read(int fd, void *out, size_t bytes);
ssize_t files_write(int fd, const void *data, size_t bytes);

// ---- system.c
bool system_has_descriptor(int fd);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_nanosleep(const struct timespec *span, struct timespec *left);
void __wrap_futex_wait(const _Atomic uint32_t *address, uint32_t seen, uint64_t timeout_ns);
void __wrap_futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns);
void __wrap_futex_wake(const _Atomic uint32_t *address);
int __wrap_eventfd(unsigned value, int flags);
WRAPS_TWICE(ssize_t, read, (int fd, void *out, size_t bytes))
WRAPS_TWICE(ssize_t, write, (int fd, const void *data, size_t bytes))
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap___poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_flock(int fd, int operation);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*main)(void *), void *context);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param);
int __wrap_setpriority(__priority_which_t which, id_t who, int priority);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);
__attribute__((noreturn)) void __wrap_exit(int status);
__attribute__((noreturn)) void __real_exit(int status);
__attribute__((noreturn)) void __wrap__exit(int status);
int __wrap_memfile_create(const char *name, size_t bytes);
int __wrap_memfile_map(void **memory, int fd, size_t bytes, bool writable);
void __wrap_memfile_unmap(void *memory, size_t bytes);
__attribute__((format(printf, 2, 3))) void __wrap_log_line(enum log_level level, const char *format,
                                                           ...);
__attribute__((noreturn)) void __wrap_assert_failed(const char *file, int line, const char *text);
int __wrap_sandbox_enter_process(int journal_folder_fd);
int __wrap_sandbox_enter_core_thread(void);
void __wrap_replay_guard_begin(const struct replay *replay);
void __wrap_replay_guard_end(void);
WRAPS_TWICE(void, command_ring_show, (struct command_ring * ring))

// ---- processes.c
const struct boot *__wrap_boot_inherit(enum process_id process);

// ---- laws.c
WRAPS_TWICE(size_t, follower_poll, (struct follower * follower, struct event *out, size_t max))
WRAPS_TWICE(enum replay_result, replay_apply,
            (struct replay * replay, const struct command *command, uint64_t epoch))
WRAPS_TWICE(void, gate_publish, (struct gate * gate, uint64_t sequence, uint32_t asked))

#endif
