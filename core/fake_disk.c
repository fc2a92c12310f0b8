#include "core/fake_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/journal_format.h"
#include "core/numbered_file.h"

enum { FILES_MAX = 1024, NAMES_MAX = 384, OPERATIONS_MAX = 256, NAME_BYTES = 64 };
enum { SECTOR_BYTES = 512 };
// What is as large comes from the kernel, which gives no page of zeros before it is touched.
enum { LARGE_BYTES = 64 * 1024 };

struct pending_write {
    struct pending_write *next;
    uint64_t offset;
    size_t bytes;
    bool cuts;   // the file ends at offset
    size_t tail; // behind so many bytes of it there are zeros only
    uint8_t data[];
};

struct fake_file {
    uint8_t *durable, *visible;
    uint64_t size, durable_size, capacity;
    uint64_t durable_tail, visible_tail; // nothing but zeros has been written from there on
    struct pending_write *first, **last;
};

struct fake_name {
    char name[NAME_BYTES]; // "" = free
    int file;
};

struct fake_operation {                    // of the folder, not yet synced
    char from[NAME_BYTES], to[NAME_BYTES]; // create: from = ""; remove: to = ""
    int file;
};

struct written_block {
    struct written_block *next;
    size_t bytes;
    uint8_t data[];
};

struct fake_disk {
    uint64_t random;
    uint64_t operations, fail_at;
    uint64_t looks_left; // until one is refused; 0 = none
    bool look_refused;
    bool failed, lying, folder_lying, remembers;
    struct fake_file files[FILES_MAX];
    int file_count;
    struct fake_name durable[NAMES_MAX], visible[NAMES_MAX], crashed[NAMES_MAX];
    struct fake_operation pending[OPERATIONS_MAX];
    int pending_count;
    struct written_block *written;
    fake_disk_watch *watch; // NULL = nobody looks
    void *watch_context;
};

uint64_t fake_disk_random(struct fake_disk *disk, uint64_t below)
{
    disk->random ^= disk->random << 13;
    disk->random ^= disk->random >> 7;
    disk->random ^= disk->random << 17;
    return disk->random % below;
}

// ---- names

static struct fake_name *names_find(struct fake_name *names, const char *name)
{
    for (int i = 0; i < NAMES_MAX; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static void names_set(struct fake_name *names, const char *name, int file)
{
    struct fake_name *entry = names_find(names, name);
    if (entry == NULL)
        entry = names_find(names, "");
    ASSERT(entry != NULL);
    strcpy(entry->name, name);
    entry->file = file;
}

static void names_apply(struct fake_name *names, const struct fake_operation *operation)
{
    if (operation->from[0] != '\0') {
        struct fake_name *from = names_find(names, operation->from);
        if (from != NULL)
            from->name[0] = '\0';
    }
    if (operation->to[0] != '\0')
        names_set(names, operation->to, operation->file);
}

static void disk_operate(struct fake_disk *disk, const char *from, const char *to, int file)
{
    ASSERT(disk->pending_count < OPERATIONS_MAX);
    struct fake_operation *operation = &disk->pending[disk->pending_count++];
    strcpy(operation->from, from);
    strcpy(operation->to, to);
    operation->file = file;
    names_apply(disk->visible, operation);
}

// ---- files

// A segment is made by writing zeros all over it. They are not carried about: memory that is new is
// zero.
static void *zeros_new(size_t bytes)
{
    void *memory = bytes < LARGE_BYTES ? calloc(1, bytes)
                                       : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(memory != NULL && memory != MAP_FAILED);
    return memory;
}

static void zeros_free(void *memory, size_t bytes)
{
    if (bytes < LARGE_BYTES)
        free(memory);
    else
        ASSERT(munmap(memory, bytes) == 0);
}

// Up to where there is something else.
static size_t zeros_begin(const uint8_t *data, size_t bytes)
{
    while (bytes >= sizeof(uint64_t)) {
        uint64_t last;
        memcpy(&last, data + bytes - sizeof last, sizeof last);
        if (last != 0)
            break;
        bytes -= sizeof last;
    }
    while (bytes > 0 && data[bytes - 1] == 0)
        bytes--;
    return bytes;
}

// Writes to memory that is zero from *tail on.
static void zeros_write(uint8_t *memory, uint64_t *tail, uint64_t offset, const uint8_t *data,
                        size_t bytes, size_t data_tail)
{
    memcpy(memory + offset, data, data_tail);
    if (offset + data_tail < *tail)
        memset(memory + offset + data_tail, 0,
               (offset + bytes < *tail ? offset + bytes : *tail) - offset - data_tail);
    if (data_tail > 0 && offset + data_tail > *tail)
        *tail = offset + data_tail;
}

static void zeros_cut(uint8_t *memory, uint64_t *tail, uint64_t size)
{
    if (size < *tail) {
        memset(memory + size, 0, *tail - size);
        *tail = size;
    }
}

static void file_grow(struct fake_file *file, uint64_t size)
{
    if (size > file->capacity) {
        // A file that is written once has no room to spare: most are, and they are large.
        uint64_t capacity = file->capacity == 0 ? size : size * 2;
        uint8_t *durable = zeros_new(capacity), *visible = zeros_new(capacity);
        if (file->capacity > 0) {
            memcpy(durable, file->durable, file->durable_tail);
            memcpy(visible, file->visible, file->visible_tail);
            zeros_free(file->durable, file->capacity);
            zeros_free(file->visible, file->capacity);
        }
        file->durable = durable;
        file->visible = visible;
        file->capacity = capacity;
    }
    if (size > file->size)
        file->size = size;
}

static void file_forget_pending(struct fake_file *file)
{
    while (file->first != NULL) {
        struct pending_write *next = file->first->next;
        zeros_free(file->first, sizeof *file->first + file->first->bytes);
        file->first = next;
    }
    file->last = &file->first;
}

static void file_apply(struct fake_file *file, uint64_t offset, const uint8_t *data, size_t bytes,
                       size_t data_tail)
{
    zeros_write(file->durable, &file->durable_tail, offset, data, bytes, data_tail);
    if (offset + bytes > file->durable_size)
        file->durable_size = offset + bytes;
}

static void file_cut(struct fake_file *file, uint64_t size)
{
    zeros_cut(file->durable, &file->durable_tail, size);
    file->durable_size = size;
}

static void file_sync(struct fake_file *file)
{
    for (struct pending_write *write = file->first; write != NULL; write = write->next)
        if (write->cuts)
            file_cut(file, write->offset);
        else
            file_apply(file, write->offset, write->data, write->bytes, write->tail);
    file_forget_pending(file);
}

// One sector of a torn write.
static void disk_tear_sector(struct fake_disk *disk, struct fake_file *file, uint64_t offset,
                             const uint8_t *data, size_t bytes)
{
    switch (fake_disk_random(disk, 4)) {
    case 0: // old
        return;
    case 1: // new up to some byte
        bytes = (size_t)fake_disk_random(disk, bytes + 1);
        break;
    default: // new
        break;
    }
    file_apply(file, offset, data, bytes, zeros_begin(data, bytes));
    if (bytes > 0 && fake_disk_random(disk, 3) == 0) {
        file->durable[offset + fake_disk_random(disk, bytes)] ^=
            (uint8_t)(1u << fake_disk_random(disk, 8));
        if (offset + bytes > file->durable_tail)
            file->durable_tail = offset + bytes;
    }
}

static void disk_lose(struct fake_disk *disk, struct fake_file *file)
{
    for (struct pending_write *write = file->first; write != NULL; write = write->next) {
        uint64_t fate = fake_disk_random(disk, 4);
        if (fate == 0)
            continue;
        if (write->cuts) {
            file_cut(file, write->offset);
            continue;
        }
        if (fate == 1) {
            file_apply(file, write->offset, write->data, write->bytes, write->tail);
            continue;
        }
        for (size_t at = 0; at < write->bytes; at += SECTOR_BYTES)
            disk_tear_sector(disk, file, write->offset + at, write->data + at,
                             write->bytes - at < SECTOR_BYTES ? write->bytes - at : SECTOR_BYTES);
    }
    file_forget_pending(file);
    file->size = file->durable_size;
    zeros_cut(file->visible, &file->visible_tail, file->durable_tail);
    memcpy(file->visible, file->durable, file->durable_tail);
    file->visible_tail = file->durable_tail;
}

void fake_disk_power_failure(struct fake_disk *disk)
{
    for (int i = 0; i < disk->file_count; i++)
        if (disk->files[i].first != NULL) // else what is durable is what shows
            disk_lose(disk, &disk->files[i]);
    uint64_t happened = fake_disk_random(disk, (uint64_t)disk->pending_count + 1);
    for (uint64_t i = 0; i < happened; i++)
        names_apply(disk->durable, &disk->pending[i]);
    disk->pending_count = 0;
    memcpy(disk->visible, disk->durable, sizeof disk->visible);
    fake_disk_process_killed(disk);
}

void fake_disk_process_killed(struct fake_disk *disk)
{
    disk->failed = false;
    disk->fail_at = 0;
}

// ---- the table

// True if the disk works for one more operation; the failing one itself is still begun by the
// caller.
static bool disk_works(struct fake_disk *disk)
{
    disk->operations++;
    if (disk->fail_at != 0 && disk->operations >= disk->fail_at) {
        bool first = !disk->failed;
        disk->failed = true;
        return first;
    }
    return !disk->failed;
}

static int disk_result(const struct fake_disk *disk)
{
    return disk->failed ? -EIO : 0;
}

static void disk_show(const struct fake_disk *disk, enum fake_disk_moment moment)
{
    if (disk->watch != NULL)
        disk->watch(disk->watch_context, moment);
}

static bool disk_refuses_look(struct fake_disk *disk)
{
    bool refuses = disk->looks_left > 0 && --disk->looks_left == 0;
    disk->look_refused |= refuses;
    return refuses;
}

static int disk_list(void *context, journal_io_name *callback, void *callback_context)
{
    struct fake_disk *disk = context;
    if (disk_refuses_look(disk))
        return -EIO;
    for (int i = 0; i < NAMES_MAX; i++)
        if (disk->visible[i].name[0] != '\0')
            callback(callback_context, disk->visible[i].name);
    return 0;
}

static int disk_open(void *context, const char *name, enum journal_io_mode mode)
{
    struct fake_disk *disk = context;
    if (mode == JOURNAL_IO_READ || mode == JOURNAL_IO_WRITE) {
        if (disk_refuses_look(disk))
            return -EIO;
        const struct fake_name *entry = names_find(disk->visible, name);
        return entry == NULL ? -ENOENT : entry->file;
    }
    if (!disk_works(disk))
        return -EIO;
    ASSERT(disk->file_count < FILES_MAX);
    int file = disk->file_count++;
    disk->files[file].last = &disk->files[file].first;
    disk_operate(disk, "", name, file);
    disk_show(disk, FAKE_DISK_FOLDER);
    return disk->failed ? -EIO : file;
}

static void disk_close(void *context, int file)
{
    (void)context;
    (void)file;
}

static int64_t disk_size(void *context, int file)
{
    struct fake_disk *disk = context;
    return disk_refuses_look(disk) ? -EIO : (int64_t)disk->files[file].size;
}

static int64_t disk_read(void *context, int number, void *out, size_t bytes, uint64_t offset)
{
    struct fake_disk *disk = context;
    const struct fake_file *file = &disk->files[number];
    if (disk_refuses_look(disk))
        return -EIO;
    if (offset >= file->size)
        return 0;
    if (bytes > file->size - offset)
        bytes = (size_t)(file->size - offset);
    size_t tail = offset >= file->visible_tail ? 0 : file->visible_tail - offset;
    tail = tail < bytes ? tail : bytes;
    memcpy(out, file->visible + offset, tail);
    memset((uint8_t *)out + tail, 0, bytes - tail);
    return (int64_t)bytes;
}

static void disk_keep(struct fake_disk *disk, const void *data, size_t bytes)
{
    struct written_block *block = malloc(sizeof *block + bytes);
    ASSERT(block != NULL);
    block->bytes = bytes;
    memcpy(block->data, data, bytes);
    block->next = disk->written;
    disk->written = block;
}

static struct pending_write *file_pend(struct fake_file *file, uint64_t offset, size_t bytes)
{
    struct pending_write *write = zeros_new(sizeof *write + bytes);
    *write = (struct pending_write){.offset = offset, .bytes = bytes};
    *file->last = write;
    file->last = &write->next;
    return write;
}

int fake_disk_truncate(struct fake_disk *disk, int number, uint64_t size)
{
    if (!disk_works(disk))
        return -EIO;
    struct fake_file *file = &disk->files[number];
    file_grow(file, size);
    zeros_cut(file->visible, &file->visible_tail, size);
    file->size = size;
    file_pend(file, size, 0)->cuts = true;
    return disk_result(disk);
}

static int disk_write(void *context, int number, const void *data, size_t bytes, uint64_t offset)
{
    struct fake_disk *disk = context;
    if (!disk_works(disk))
        return -EIO;
    struct fake_file *file = &disk->files[number];
    file_grow(file, offset + bytes);
    size_t tail = zeros_begin(data, bytes);
    zeros_write(file->visible, &file->visible_tail, offset, data, bytes, tail);
    struct pending_write *write = file_pend(file, offset, bytes);
    memcpy(write->data, data, tail);
    write->tail = tail;
    if (disk->remembers && offset > 0) // the first page of a segment is its header, not a block
        disk_keep(disk, data, bytes);
    disk_show(disk, FAKE_DISK_WRITE);
    return disk_result(disk);
}

static int disk_sync(void *context, int number)
{
    struct fake_disk *disk = context;
    if (!disk_works(disk))
        return -EIO;
    disk_show(disk, FAKE_DISK_SYNC);
    // The failing sync may have got through or not: its writes stay pending, which covers both.
    if (!disk->failed && !disk->lying)
        file_sync(&disk->files[number]);
    return disk_result(disk);
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct fake_disk *disk = context;
    if (!disk_works(disk))
        return -EIO;
    const struct fake_name *entry = names_find(disk->visible, from);
    if (entry == NULL)
        return -ENOENT;
    disk_operate(disk, from, to, entry->file);
    disk_show(disk, FAKE_DISK_FOLDER);
    return disk_result(disk);
}

static int disk_remove(void *context, const char *name)
{
    struct fake_disk *disk = context;
    if (!disk_works(disk))
        return -EIO;
    disk_operate(disk, name, "", -1);
    disk_show(disk, FAKE_DISK_FOLDER);
    return disk_result(disk);
}

static int disk_sync_folder(void *context)
{
    struct fake_disk *disk = context;
    if (!disk_works(disk))
        return -EIO;
    disk_show(disk, FAKE_DISK_FOLDER);
    if (!disk->failed && !disk->lying && !disk->folder_lying) {
        memcpy(disk->durable, disk->visible, sizeof disk->durable);
        disk->pending_count = 0;
    }
    return disk_result(disk);
}

struct fake_disk *fake_disk_create(struct journal_io *io, uint64_t seed)
{
    struct fake_disk *disk = calloc(1, sizeof *disk);
    ASSERT(disk != NULL);
    disk->random = seed * 0x9e3779b97f4a7c15ULL | 1;
    for (int i = 0; i < 4; i++)
        (void)fake_disk_random(disk, 2);
    *io = (struct journal_io){.list = disk_list,
                              .open = disk_open,
                              .close = disk_close,
                              .size = disk_size,
                              .read = disk_read,
                              .write = disk_write,
                              .sync = disk_sync,
                              .rename = disk_rename,
                              .remove = disk_remove,
                              .sync_folder = disk_sync_folder,
                              .context = disk};
    return disk;
}

void fake_disk_destroy(struct fake_disk *disk)
{
    for (int i = 0; i < disk->file_count; i++) {
        file_forget_pending(&disk->files[i]);
        zeros_free(disk->files[i].durable, disk->files[i].capacity);
        zeros_free(disk->files[i].visible, disk->files[i].capacity);
    }
    while (disk->written != NULL) {
        struct written_block *next = disk->written->next;
        free(disk->written);
        disk->written = next;
    }
    free(disk);
}

void fake_disk_fail_at(struct fake_disk *disk, uint64_t operation)
{
    disk->fail_at = operation == 0 ? 0 : disk->operations + operation;
}

void fake_disk_refuse_look(struct fake_disk *disk, uint64_t look)
{
    disk->looks_left = look;
    disk->look_refused = false;
}

bool fake_disk_refused(const struct fake_disk *disk)
{
    return disk->look_refused;
}

uint64_t fake_disk_operations(const struct fake_disk *disk)
{
    return disk->operations;
}

void fake_disk_lie_about_folder_sync(struct fake_disk *disk)
{
    disk->folder_lying = true;
}

void fake_disk_lie_about_sync(struct fake_disk *disk)
{
    disk->lying = true;
}

void fake_disk_remember(struct fake_disk *disk)
{
    disk->remembers = true;
}

bool fake_disk_was_written(const struct fake_disk *disk, const void *data, size_t bytes)
{
    for (const struct written_block *block = disk->written; block != NULL; block = block->next)
        if (block->bytes >= bytes && memcmp(block->data, data, bytes) == 0)
            return true;
    return false;
}

// ---- the crash view

void fake_disk_set_watch(struct fake_disk *disk, fake_disk_watch *watch, void *context)
{
    disk->watch = watch;
    disk->watch_context = context;
}

int fake_disk_folder_pending(const struct fake_disk *disk)
{
    return disk->pending_count;
}

void fake_disk_crash_folder(struct fake_disk *disk, int happened)
{
    ASSERT(happened <= disk->pending_count);
    memcpy(disk->crashed, disk->durable, sizeof disk->crashed);
    for (int i = 0; i < happened; i++)
        names_apply(disk->crashed, &disk->pending[i]);
}

size_t fake_disk_pending(const struct fake_disk *disk, struct fake_disk_write *out, size_t max)
{
    size_t count = 0;
    for (int i = 0; i < NAMES_MAX; i++) {
        uint64_t number;
        if (!numbered_parse(&number, disk->crashed[i].name, JOURNAL_SUFFIX))
            continue;
        const struct fake_file *file = &disk->files[disk->crashed[i].file];
        for (const struct pending_write *write = file->first; write != NULL && count < max;
             write = write->next)
            out[count++] = (struct fake_disk_write){.file = disk->crashed[i].file,
                                                    .offset = write->offset,
                                                    .bytes = write->bytes,
                                                    .data = write->data,
                                                    .durable = file->durable + write->offset};
    }
    return count;
}

static int view_list(void *context, journal_io_name *callback, void *callback_context)
{
    struct fake_disk *disk = context;
    for (int i = 0; i < NAMES_MAX; i++)
        if (disk->crashed[i].name[0] != '\0')
            callback(callback_context, disk->crashed[i].name);
    return 0;
}

static int view_open(void *context, const char *name, enum journal_io_mode mode)
{
    struct fake_disk *disk = context;
    ASSERT(mode == JOURNAL_IO_READ);
    const struct fake_name *entry = names_find(disk->crashed, name);
    return entry == NULL ? -ENOENT : entry->file;
}

static int64_t view_size(void *context, int file)
{
    struct fake_disk *disk = context;
    return (int64_t)disk->files[file].durable_size;
}

static int64_t view_read(void *context, int number, void *out, size_t bytes, uint64_t offset)
{
    struct fake_disk *disk = context;
    const struct fake_file *file = &disk->files[number];
    if (offset >= file->durable_size)
        return 0;
    if (bytes > file->durable_size - offset)
        bytes = (size_t)(file->durable_size - offset);
    memcpy(out, file->durable + offset, bytes);
    return (int64_t)bytes;
}

void fake_disk_crash_view(struct fake_disk *disk, struct journal_io *view)
{
    *view = (struct journal_io){.list = view_list,
                                .open = view_open,
                                .close = disk_close,
                                .size = view_size,
                                .read = view_read,
                                .context = disk};
}
