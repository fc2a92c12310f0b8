#include "tests/sim/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "schema/records.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/wraps.h"

enum { DESCRIPTOR_FIRST = 1 << 24, DESCRIPTORS_MAX = 65536, ENTRIES_MAX = 384, FOLDER_ITSELF = -1 };

struct descriptor {
    struct folder *folder;
    int file; // of the fake disk, or FOLDER_ITSELF
    uint64_t offset;
    FILE *stream;
};

static struct folder {
    const char *path;
    struct fake_disk *disk;
    struct journal_io io;
} folders[FILES_COUNT] = {{.path = FILES_STATE "/journal"},
                          {.path = FILES_STATE "/tape"},
                          {.path = FILES_STATE "/snapshots"}};
static struct descriptor descriptors[DESCRIPTORS_MAX];
static int descriptor_count;

// ---- for the simulator

void files_begin(uint64_t seed)
{
    for (int i = 0; i < FILES_COUNT; i++)
        folders[i].disk = fake_disk_create(&folders[i].io, seed * FILES_COUNT + (uint64_t)i);
    descriptor_count = 0;
}

void files_power_failure(void)
{
    for (int i = 0; i < FILES_COUNT; i++)
        fake_disk_power_failure(folders[i].disk);
}

void files_fail_at(enum files_folder folder, uint64_t operation)
{
    fake_disk_fail_at(folders[folder].disk, operation);
}

void files_repair(void)
{
    for (int i = 0; i < FILES_COUNT; i++)
        fake_disk_process_killed(folders[i].disk);
}

struct fake_disk *files_disk(enum files_folder folder)
{
    return folders[folder].disk;
}

const struct journal_io *files_journal(void)
{
    return &folders[FILES_JOURNAL].io;
}

uint64_t files_operations(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < FILES_COUNT; i++)
        sum += fake_disk_operations(folders[i].disk);
    return sum;
}

// ---- the journal's table, with scheduling points

static struct journal_io *journal_io_inner(void)
{
    return &folders[FILES_JOURNAL].io;
}

static int journal_list(void *context, journal_io_name *callback, void *callback_context)
{
    return journal_io_inner()->list(context, callback, callback_context);
}

static int journal_open_file(void *context, const char *name, enum journal_io_mode mode)
{
    scheduler_effect();
    return journal_io_inner()->open(context, name, mode);
}

static void journal_close_file(void *context, int file)
{
    journal_io_inner()->close(context, file);
}

static int64_t journal_size(void *context, int file)
{
    return journal_io_inner()->size(context, file);
}

static int64_t journal_read(void *context, int file, void *out, size_t bytes, uint64_t offset)
{
    scheduler_effect();
    return journal_io_inner()->read(context, file, out, bytes, offset);
}

static int journal_write(void *context, int file, const void *data, size_t bytes, uint64_t offset)
{
    scheduler_effect();
    int result = journal_io_inner()->write(context, file, data, bytes, offset);
    scheduler_effect();
    return result;
}

static int journal_sync(void *context, int file)
{
    files_take_time();
    int result = journal_io_inner()->sync(context, file);
    scheduler_effect();
    return result;
}

static int journal_rename(void *context, const char *from, const char *to)
{
    scheduler_effect();
    return journal_io_inner()->rename(context, from, to);
}

static int journal_remove(void *context, const char *name)
{
    scheduler_effect();
    return journal_io_inner()->remove(context, name);
}

static int journal_sync_folder(void *context)
{
    files_take_time();
    int result = journal_io_inner()->sync_folder(context);
    scheduler_effect();
    return result;
}

// A sync takes as long as a disk takes, now and then much longer.
void files_take_time(void)
{
    if (fiber_owner() == OWNER_NOBODY)
        return;
    bool slow = scheduler_chance(5);
    fiber_sleep(slow ? scheduler_between(10 * MS, 300 * MS) : scheduler_between(20 * US, 400 * US));
    scheduler_effect();
}

int __wrap_journal_io_file_open(struct journal_io *io, struct journal_io_file *file,
                                const char *folder, bool durable)
{
    ASSERT(strcmp(folder, folders[FILES_JOURNAL].path) == 0 && durable);
    file->folder_fd = -1;
    *io = (struct journal_io){.list = journal_list,
                              .open = journal_open_file,
                              .close = journal_close_file,
                              .size = journal_size,
                              .read = journal_read,
                              .write = journal_write,
                              .sync = journal_sync,
                              .rename = journal_rename,
                              .remove = journal_remove,
                              .sync_folder = journal_sync_folder,
                              .context = folders[FILES_JOURNAL].disk};
    return 0;
}

// ---- paths and descriptors

static struct folder *folder_of(const char *path, const char **name)
{
    for (int i = 0; i < FILES_COUNT; i++) {
        size_t bytes = strlen(folders[i].path);
        if (strncmp(path, folders[i].path, bytes) != 0)
            continue;
        *name = path[bytes] == '/' ? path + bytes + 1 : path + bytes;
        return &folders[i];
    }
    return NULL;
}

static struct descriptor *descriptor_of(int fd)
{
    if (fd < DESCRIPTOR_FIRST || fd >= DESCRIPTOR_FIRST + descriptor_count)
        return NULL;
    return &descriptors[fd - DESCRIPTOR_FIRST];
}

static int descriptor_new(struct folder *folder, int file)
{
    ASSERT(descriptor_count < DESCRIPTORS_MAX);
    descriptors[descriptor_count] = (struct descriptor){.folder = folder, .file = file};
    return DESCRIPTOR_FIRST + descriptor_count++;
}

static int fail(int64_t result)
{
    errno = (int)-result;
    return -1;
}

static int result_of(int64_t result)
{
    return result < 0 ? fail(result) : 0;
}

static int open_below(struct folder *folder, const char *name, int flags)
{
    scheduler_effect();
    if (name[0] == '\0')
        return descriptor_new(folder, FOLDER_ITSELF);
    bool create = (flags & O_CREAT) != 0;
    int file =
        folder->io.open(folder->io.context, name, create ? JOURNAL_IO_CREATE : JOURNAL_IO_READ);
    return file < 0 ? fail(file) : descriptor_new(folder, file);
}

int __wrap_open(const char *path, int flags, ...)
{
    const char *name;
    struct folder *folder = folder_of(path, &name);
    if (folder != NULL)
        return open_below(folder, name, flags);
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return __real_open(path, flags, mode);
}

// What _FORTIFY_SOURCE makes of an open whose flags are not constant.
int __wrap___open_2(const char *path, int flags)
{
    return __wrap_open(path, flags);
}

int __wrap_close(int fd)
{
    // Numbers are not used again: a descriptor that outlives its process must not become another's.
    return descriptor_of(fd) != NULL || system_has_descriptor(fd) ? 0 : __real_close(fd);
}

// ---- data

ssize_t __wrap_pread(int fd, void *out, size_t bytes, off_t offset)
{
    struct descriptor *file = descriptor_of(fd);
    if (file == NULL)
        return __real_pread(fd, out, bytes, offset);
    scheduler_effect();
    int64_t result =
        file->folder->io.read(file->folder->io.context, file->file, out, bytes, (uint64_t)offset);
    return result < 0 ? fail(result) : (ssize_t)result;
}

static ssize_t write_at(struct descriptor *file, const void *data, size_t bytes, uint64_t offset)
{
    scheduler_effect();
    int result = file->folder->io.write(file->folder->io.context, file->file, data, bytes, offset);
    scheduler_effect();
    return result < 0 ? fail(result) : (ssize_t)bytes;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t offset)
{
    struct descriptor *file = descriptor_of(fd);
    if (file == NULL)
        return __real_pwrite(fd, data, bytes, offset);
    // A write of many events may be short, and then goes on; of one record it is a full disk.
    if (bytes > EVENT_BYTES && scheduler_chance(20))
        bytes = (1 + scheduler_random((bytes - 1) / EVENT_BYTES)) * EVENT_BYTES;
    return write_at(file, data, bytes, (uint64_t)offset);
}

bool files_has_descriptor(int fd)
{
    return descriptor_of(fd) != NULL;
}

// At the descriptor's own offset.
ssize_t files_read(int fd, void *out, size_t bytes)
{
    struct descriptor *file = descriptor_of(fd);
    ssize_t n = __wrap_pread(fd, out, bytes, (off_t)file->offset);
    file->offset += n > 0 ? (uint64_t)n : 0;
    return n;
}

ssize_t files_write(int fd, const void *data, size_t bytes)
{
    struct descriptor *file = descriptor_of(fd);
    ssize_t n = __wrap_pwrite(fd, data, bytes, (off_t)file->offset);
    file->offset += n > 0 ? (uint64_t)n : 0;
    return n;
}

int __wrap_ftruncate(int fd, off_t bytes)
{
    struct descriptor *file = descriptor_of(fd);
    if (file == NULL)
        return __real_ftruncate(fd, bytes);
    scheduler_effect();
    return result_of(fake_disk_truncate(file->folder->disk, file->file, (uint64_t)bytes));
}

int __wrap_fsync(int fd)
{
    struct descriptor *file = descriptor_of(fd);
    if (file == NULL)
        return __real_fsync(fd);
    files_take_time();
    const struct journal_io *io = &file->folder->io;
    int result = file->file == FOLDER_ITSELF ? io->sync_folder(io->context)
                                             : io->sync(io->context, file->file);
    scheduler_effect();
    return result_of(result);
}

int __wrap_fdatasync(int fd)
{
    return descriptor_of(fd) != NULL ? __wrap_fsync(fd) : __real_fdatasync(fd);
}

int __wrap_fstat(int fd, struct stat *st)
{
    struct descriptor *file = descriptor_of(fd);
    if (file == NULL)
        return __real_fstat(fd, st);
    memset(st, 0, sizeof *st);
    st->st_size = file->folder->io.size(file->folder->io.context, file->file);
    st->st_mode = S_IFREG;
    return 0;
}

// ---- names

int __wrap_rename(const char *from, const char *to)
{
    const char *from_name, *to_name;
    struct folder *folder = folder_of(from, &from_name);
    if (folder == NULL)
        return __real_rename(from, to);
    ASSERT(folder_of(to, &to_name) == folder);
    scheduler_effect();
    int result = folder->io.rename(folder->io.context, from_name, to_name);
    scheduler_effect();
    return result_of(result);
}

int __wrap_unlink(const char *path)
{
    const char *name;
    struct folder *folder = folder_of(path, &name);
    if (folder == NULL)
        return __real_unlink(path);
    scheduler_effect();
    int result = folder->io.open(folder->io.context, name, JOURNAL_IO_READ);
    return result_of(result < 0 ? result : folder->io.remove(folder->io.context, name));
}

int __wrap_access(const char *path, int mode)
{
    const char *name;
    struct folder *folder = folder_of(path, &name);
    if (folder == NULL)
        return __real_access(path, mode);
    scheduler_effect();
    int file = folder->io.open(folder->io.context, name, JOURNAL_IO_READ);
    return file < 0 ? fail(file) : 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return strncmp(path, FILES_STATE, strlen(FILES_STATE)) == 0 ? 0 : __real_mkdir(path, mode);
}

struct listing {
    uint64_t magic;
    int count, at;
    struct dirent entries[ENTRIES_MAX];
};
#define LISTING_MAGIC 0x676e697473696cull

static void listing_add(void *context, const char *name)
{
    struct listing *listing = context;
    ASSERT(listing->count < ENTRIES_MAX);
    struct dirent *entry = &listing->entries[listing->count++];
    entry->d_type = DT_UNKNOWN;
    snprintf(entry->d_name, sizeof entry->d_name, "%s", name);
}

DIR *__wrap_opendir(const char *path)
{
    const char *name;
    struct folder *folder = folder_of(path, &name);
    if (folder == NULL)
        return __real_opendir(path);
    scheduler_effect();
    struct listing *listing = malloc(sizeof *listing); // most of it stays untouched
    ASSERT(listing != NULL);
    listing->magic = LISTING_MAGIC;
    listing->count = listing->at = 0;
    ASSERT(folder->io.list(folder->io.context, listing_add, listing) == 0);
    return (DIR *)(void *)listing;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    struct listing *listing = (struct listing *)(void *)dir;
    ASSERT(listing->magic == LISTING_MAGIC);
    return listing->at < listing->count ? &listing->entries[listing->at++] : NULL;
}

int __wrap_closedir(DIR *dir)
{
    free(dir);
    return 0;
}

// ---- streams: what is in the buffer of a process that dies is lost, as it should be

static ssize_t stream_read(void *cookie, char *out, size_t bytes)
{
    return files_read(DESCRIPTOR_FIRST + (int)((struct descriptor *)cookie - descriptors), out,
                      bytes);
}

static ssize_t stream_write(void *cookie, const char *data, size_t bytes)
{
    struct descriptor *file = cookie;
    ssize_t n = write_at(file, data, bytes, file->offset);
    file->offset += n > 0 ? (uint64_t)n : 0;
    return n < 0 ? 0 : n; // of a cookie 0 is the error
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    const char *name;
    struct folder *folder = folder_of(path, &name);
    if (folder == NULL)
        return __real_fopen(path, mode);
    int fd = open_below(folder, name, mode[0] == 'w' ? O_CREAT : 0);
    if (fd < 0)
        return NULL;
    struct descriptor *file = descriptor_of(fd);
    file->stream = fopencookie(file, mode[0] == 'w' ? "w" : "r",
                               (cookie_io_functions_t){.read = stream_read, .write = stream_write});
    return file->stream;
}

int __wrap_fileno(FILE *stream)
{
    for (int i = descriptor_count - 1; i >= 0; i--)
        if (descriptors[i].stream == stream)
            return DESCRIPTOR_FIRST + i;
    return __real_fileno(stream);
}
