// Happy path: open reads the newer slot of `numbers` and walks over the messages, building the
// index; the next block of numbers is reserved at once. Then append … flush … append … flush, and a
// reservation now and then. The messages and their files are in store_messages.c.
#include "gateway/fix/store_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"

#define NUMBERS_MAGIC 0x736d756e78696621ULL
enum { SLOT = 256 };

struct numbers {
    uint64_t magic;
    uint64_t writes;
    uint32_t session;
    uint32_t generation;
    uint32_t reserved_end;
    uint32_t clean_next;         // 0 = the store is in use, or was not closed
    struct store_reference base; // of no message that is kept: that one may be lost
    char comp_id[STORE_COMP_ID_BYTES_MAX];
    uint32_t first_segment;
    uint32_t crc; // of all before it
};
static_assert(sizeof(struct numbers) == 120 && sizeof(struct numbers) <= SLOT, "numbers");

int store_reference_compare(const struct store_reference *a, const struct store_reference *b)
{
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return a->side < b->side ? -1 : a->side > b->side;
}

// ---- numbers ------------------------------------------------------------------------------------

static uint32_t numbers_crc(const struct numbers *numbers)
{
    return crc32c(0, numbers, offsetof(struct numbers, crc));
}

static bool numbers_read(int fd, struct numbers *out)
{
    bool found = false;
    for (int slot = 0; slot < 2; slot++) {
        struct numbers numbers;
        if (pread(fd, &numbers, sizeof numbers, slot * SLOT) != (ssize_t)sizeof numbers)
            continue;
        if (numbers.magic != NUMBERS_MAGIC || numbers.crc != numbers_crc(&numbers))
            continue;
        if (!found || numbers.writes > out->writes)
            *out = numbers;
        found = true;
    }
    return found;
}

int store_numbers_write(struct store *store, uint32_t reserved_end, uint32_t clean_next)
{
    struct numbers numbers = {.magic = NUMBERS_MAGIC,
                              .writes = store->writes + 1,
                              .session = store->session,
                              .generation = store->generation,
                              .reserved_end = reserved_end,
                              .clean_next = clean_next,
                              .base = store->base,
                              .first_segment = store->first_segment};
    memcpy(numbers.comp_id, store->comp_id, sizeof numbers.comp_id);
    numbers.crc = numbers_crc(&numbers);
    off_t at = (off_t)(numbers.writes % 2) * SLOT;
    ssize_t wrote = pwrite(store->numbers_fd, &numbers, sizeof numbers, at);
    if (wrote != (ssize_t)sizeof numbers)
        return wrote < 0 ? -errno : -EIO;
    if (fdatasync(store->numbers_fd) != 0)
        return -errno;
    store->writes = numbers.writes;
    store->reserved_end = reserved_end;
    return 0;
}

// The wait for the disk holds up every session: a session that used its block up within a second
// gets twice as many, one that did not begins again with the smallest.
static uint32_t block_after(const struct store *store, uint64_t now_ns)
{
    if (store->block == 0 || now_ns - store->reserved_ns > 1000000000u)
        return STORE_BLOCK;
    return store->block < STORE_BLOCK_MAX / 2 ? store->block * 2 : STORE_BLOCK_MAX;
}

int store_reserve(struct store *store)
{
    ASSERT(store->next_out <= store->reserved_end);
    if (store->next_out < store->reserved_end)
        return 0;
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    store->block = block_after(store, now_ns);
    store->reserved_ns = now_ns;
    return store_numbers_write(store, store->next_out + store->block, 0);
}

// ---- life ---------------------------------------------------------------------------------------

static int folder_make(struct store *store, const char *fix_folder)
{
    int length = snprintf(store->folder, sizeof store->folder, "%s/%u", fix_folder, store->session);
    if (length < 0 || (size_t)length >= sizeof store->folder)
        return -ENAMETOOLONG;
    if (mkdir(fix_folder, 0700) != 0 && errno != EEXIST)
        return -errno;
    return mkdir(store->folder, 0700) != 0 && errno != EEXIST ? -errno : 0;
}

int store_folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return result;
}

int store_file_open(const struct store *store, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", store->folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

static void numbers_take(struct store *store, const struct numbers *numbers)
{
    store->writes = numbers->writes;
    store->generation = numbers->generation;
    store->next_out = numbers->clean_next != 0 ? numbers->clean_next : numbers->reserved_end;
    store->reserved_end = store->next_out; // a new reservation follows at once
    store->base = numbers->base;
    store->last = numbers->base;
    store->first_segment = numbers->first_segment;
    memcpy(store->comp_id, numbers->comp_id, sizeof store->comp_id);
}

static int open_files(struct store *store, const char *fix_folder, const char *comp_id)
{
    int result = folder_make(store, fix_folder);
    if (result != 0)
        return result;
    store->numbers_fd = store_file_open(store, "numbers");
    if (store->numbers_fd < 0)
        return store->numbers_fd;
    struct numbers numbers;
    if (numbers_read(store->numbers_fd, &numbers))
        numbers_take(store, &numbers);
    else if (comp_id == NULL)
        return -ENOENT;
    else
        snprintf(store->comp_id, sizeof store->comp_id, "%s", comp_id);
    return 0;
}

int store_open(struct store *store, const char *fix_folder, uint32_t session, const char *comp_id,
               store_visit *visit, void *context)
{
    *store = (struct store){.numbers_fd = -1,
                            .messages_fd = -1,
                            .read_fd = -1,
                            .session = session,
                            .segment_bytes_max = STORE_SEGMENT_BYTES};
    store->generation = 1;
    store->next_out = 1;
    store->reserved_end = 1;
    int result = open_files(store, fix_folder, comp_id);
    if (result == 0)
        result = store_messages_open(store, visit, context);
    if (result == 0)
        result = store_reserve(store);
    if (result == 0)
        result = store_folder_sync(store->folder);
    if (result != 0)
        store_abandon(store);
    return result;
}

void store_abandon(struct store *store)
{
    if (store->numbers_fd >= 0)
        close(store->numbers_fd);
    store_messages_close(store);
    *store = (struct store){.numbers_fd = -1, .messages_fd = -1, .read_fd = -1};
}

int store_close(struct store *store)
{
    int result = store_flush(store);
    if (result == 0 && fdatasync(store->messages_fd) != 0)
        result = -errno;
    if (result == 0)
        result = store_numbers_write(store, store->next_out, store->next_out);
    store_abandon(store);
    return result;
}

int store_reset_begin(struct store *store)
{
    int result = store_flush(store);
    if (result != 0)
        return result;
    store->generation++;
    store->base = store->last;
    return store_messages_begin(store);
}

int store_reset_commit(struct store *store)
{
    int result = store_flush(store);
    if (result == 0 && fdatasync(store->messages_fd) != 0)
        result = -errno;
    if (result == 0)
        result = store_folder_sync(store->folder);
    store->next_out = 1;
    if (result == 0)
        result = store_numbers_write(store, 1 + STORE_BLOCK, 0);
    if (result == 0)
        result = store_messages_tidy(store);
    return result;
}
