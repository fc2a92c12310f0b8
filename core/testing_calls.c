#include "core/testing_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <zstd.h>

#include "base/arena.h"

static const char *failing_name;
static _Atomic unsigned failing_at, calls;
static int failing_error;
static void (*failing_happens)(void); // instead of a failure

void testing_calls_fail(const char *name, unsigned at, int error)
{
    failing_name = name;
    failing_error = error;
    failing_happens = NULL;
    atomic_store(&calls, 0);
    atomic_store(&failing_at, at);
}

void testing_calls_before(const char *name, unsigned at, void (*happens)(void))
{
    testing_calls_fail(name, at, 0);
    failing_happens = happens;
}

bool testing_calls_failed(void)
{
    unsigned at = atomic_exchange(&failing_at, 0);
    return at != 0 && atomic_load(&calls) >= at;
}

bool testing_calls_fails(const char *name)
{
    if (atomic_load(&failing_at) == 0 || (failing_name != NULL && strcmp(failing_name, name) != 0))
        return false;
    if (atomic_fetch_add(&calls, 1) + 1 != atomic_load(&failing_at))
        return false;
    if (failing_happens != NULL) {
        void (*happens)(void) = failing_happens;
        failing_happens = NULL; // what it calls itself is not counted against it
        happens();
        return false;
    }
    errno = failing_error;
    return true;
}

// CALL(what it returns, its name, what it returns when it fails, (parameters), (arguments))
#define CALL(type, name, failure, parameters, arguments)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return testing_calls_fails(#name) ? (failure) : __real_##name arguments;                   \
    }

CALL(int, fstat, -1, (int fd, struct stat *out), (fd, out))
CALL(ssize_t, pread, -1, (int fd, void *out, size_t n, off_t at), (fd, out, n, at))
CALL(int, fdatasync, -1, (int fd), (fd))
CALL(int, fsync, -1, (int fd), (fd))
CALL(int, flock, -1, (int fd, int operation), (fd, operation))
CALL(int, access, -1, (const char *path, int mode), (path, mode))
CALL(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
CALL(int, link, -1, (const char *from, const char *to), (from, to))
CALL(int, unlink, -1, (const char *path), (path))
CALL(int, rename, -1, (const char *from, const char *to), (from, to))
CALL(int, renameat, -1, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, unlinkat, -1, (int fd, const char *name, int flags), (fd, name, flags))
CALL(int, seteuid, -1, (uid_t id), (id))
CALL(int, setegid, -1, (gid_t id), (id))
CALL(DIR *, fdopendir, NULL, (int fd), (fd))
CALL(FILE *, fopen, NULL, (const char *path, const char *mode), (path, mode))
CALL(size_t, fread, 0, (void *out, size_t n, size_t m, FILE *file), (out, n, m, file))
CALL(size_t, fwrite, 0, (const void *data, size_t n, size_t m, FILE *file), (data, n, m, file))
CALL(int, fflush, EOF, (FILE * file), (file))
CALL(void *, malloc, NULL, (size_t bytes), (bytes))
CALL(int, prctl, -1, (int a, unsigned long b, unsigned long c, unsigned long d, unsigned long e),
     (a, b, c, d, e))
CALL(long, syscall, -1, (long number, long a, long b, long c, long d, long e, long f),
     (number, a, b, c, d, e, f))
CALL(int, arena_open, -failing_error, (struct arena * arena, size_t bytes), (arena, bytes))
CALL(int, pthread_create, failing_error,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
     (thread, attributes, run, context))
CALL(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
CALL(int, setsockopt, -1, (int fd, int level, int name, const void *value, socklen_t n),
     (fd, level, name, value, n))
CALL(int, bind, -1, (int fd, const struct sockaddr *address, socklen_t n), (fd, address, n))
CALL(int, listen, -1, (int fd, int backlog), (fd, backlog))
CALL(int, accept4, -1, (int fd, struct sockaddr *from, socklen_t *n, int flags),
     (fd, from, n, flags))
CALL(int, getnameinfo, EAI_FAIL,
     (const struct sockaddr *address, socklen_t n, char *host, socklen_t bytes, char *service,
      socklen_t more, int flags),
     (address, n, host, bytes, service, more, flags))
CALL(ZSTD_CCtx *, ZSTD_createCCtx, NULL, (void), ())
CALL(size_t, ZSTD_compress2, (size_t)-1,
     (ZSTD_CCtx * context, void *out, size_t n, const void *data, size_t bytes),
     (context, out, n, data, bytes))

ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    if (!testing_calls_fails("pwrite"))
        return __real_pwrite(fd, data, bytes, at);
    return failing_error == 0 ? __real_pwrite(fd, data, bytes / 2 / 512 * 512, at) : -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return testing_calls_fails("open") ? -1 : __real_open(path, flags, mode);
}

int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return testing_calls_fails("openat") ? -1 : __real_openat(folder, path, flags, mode);
}
