// Happy path: open reads the newer slot of `numbers` and walks over the messages, building the
// index; the next block of numbers is reserved at once. Then append … flush … append … flush, and a
// reservation now and then. Failure: a torn message at the end was never sent by a process that
// survived its crash, or lies behind the last sync of a machine that did not: it is cut off, and
// its event is reported again.
#include "gateway/fix/store.h"

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
#define MESSAGE_MAGIC 0x4d584946u
enum { SLOT = 256 };

struct numbers {
    uint64_t magic;
    uint64_t writes;
    uint32_t session;
    uint32_t generation;
    uint32_t reserved_end;
    uint32_t clean_next;         // 0 = the store is in use, or was not closed
    struct store_reference base; // never of a message of this generation: that may be lost
    char comp_id[STORE_COMP_ID_BYTES_MAX];
    uint32_t zero;
    uint32_t crc; // of all before it
};
static_assert(sizeof(struct numbers) == 120 && sizeof(struct numbers) <= SLOT, "numbers");

struct message_header {
    uint32_t magic;
    uint16_t state_bytes;
    uint16_t text_bytes;
    uint32_t number;
    uint32_t crc; // of this header with crc = 0, then state and text
    struct store_reference reference;
};
static_assert(sizeof(struct message_header) == 32, "message header");

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

static int numbers_write(struct store *store, uint32_t reserved_end, uint32_t clean_next)
{
    struct numbers numbers = {.magic = NUMBERS_MAGIC,
                              .writes = store->writes + 1,
                              .session = store->session,
                              .generation = store->generation,
                              .reserved_end = reserved_end,
                              .clean_next = clean_next,
                              .base = store->base};
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
    return numbers_write(store, store->next_out + store->block, 0);
}

// ---- messages -----------------------------------------------------------------------------------

static void index_add(struct store *store, uint32_t number, uint64_t offset)
{
    if (store->entry_count == store->entry_capacity) {
        store->entry_capacity = store->entry_capacity == 0 ? 1024 : store->entry_capacity * 2;
        store->entries = realloc(store->entries, store->entry_capacity * sizeof *store->entries);
        ASSERT(store->entries != NULL);
    }
    ASSERT(store->entry_count == 0 || store->entries[store->entry_count - 1].number < number);
    store->entries[store->entry_count++] = (struct store_entry){.offset = offset, .number = number};
}

static void last_note(struct store *store, const struct store_reference *reference)
{
    if (reference->sequence != 0 && store_reference_compare(reference, &store->last) > 0)
        store->last = *reference;
}

static uint32_t message_crc(struct message_header header, const uint8_t *payload)
{
    header.crc = 0;
    return crc32c(crc32c(0, &header, sizeof header), payload,
                  (size_t)header.state_bytes + header.text_bytes);
}

static uint8_t *buffer_room(struct store *store, size_t bytes)
{
    size_t needed = store->buffer_bytes + bytes;
    if (needed > store->buffer_capacity) {
        store->buffer_capacity = needed * 2;
        store->buffer = realloc(store->buffer, store->buffer_capacity);
        ASSERT(store->buffer != NULL);
    }
    uint8_t *room = store->buffer + store->buffer_bytes;
    store->buffer_bytes = needed;
    return room;
}

void store_append(struct store *store, const struct store_record *record)
{
    ASSERT(record->text_bytes <= STORE_MESSAGE_BYTES_MAX);
    ASSERT(record->state_bytes <= STORE_STATE_BYTES_MAX);
    uint64_t offset = store->written + store->buffer_bytes;
    struct message_header header = {.magic = MESSAGE_MAGIC,
                                    .state_bytes = (uint16_t)record->state_bytes,
                                    .text_bytes = (uint16_t)record->text_bytes,
                                    .number = record->number,
                                    .reference = record->reference};
    uint8_t *to = buffer_room(store, sizeof header + record->state_bytes + record->text_bytes);
    uint8_t *payload = to + sizeof header;
    if (record->state_bytes > 0)
        memcpy(payload, record->state, record->state_bytes);
    if (record->text_bytes > 0)
        memcpy(payload + record->state_bytes, record->text, record->text_bytes);
    header.crc = message_crc(header, payload);
    memcpy(to, &header, sizeof header);
    if (record->number != 0)
        index_add(store, record->number, offset);
    last_note(store, &record->reference);
}

int store_flush(struct store *store)
{
    size_t done = 0;
    while (done < store->buffer_bytes) {
        ssize_t wrote = pwrite(store->messages_fd, store->buffer + done, store->buffer_bytes - done,
                               (off_t)(store->written + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? -errno : -EIO;
        done += (size_t)wrote;
    }
    if (done > 0)
        store->dirty = true;
    store->written += done;
    store->buffer_bytes = 0;
    return 0;
}

enum { PAYLOAD_BYTES_MAX = STORE_STATE_BYTES_MAX + STORE_MESSAGE_BYTES_MAX };

// Reads one record at `offset`; false if there is no whole, sound one.
static bool record_read(int fd, uint64_t offset, struct message_header *header,
                        uint8_t payload[PAYLOAD_BYTES_MAX])
{
    if (pread(fd, header, sizeof *header, (off_t)offset) != (ssize_t)sizeof *header)
        return false;
    if (header->magic != MESSAGE_MAGIC || header->text_bytes > STORE_MESSAGE_BYTES_MAX ||
        header->state_bytes > STORE_STATE_BYTES_MAX)
        return false;
    size_t bytes = (size_t)header->state_bytes + header->text_bytes;
    if (pread(fd, payload, bytes, (off_t)(offset + sizeof *header)) != (ssize_t)bytes)
        return false;
    return header->crc == message_crc(*header, payload);
}

static void record_visit(store_visit *visit, void *context, const struct message_header *header,
                         const uint8_t *payload)
{
    struct store_record record = {.number = header->number,
                                  .reference = header->reference,
                                  .state = payload,
                                  .state_bytes = header->state_bytes,
                                  .text = (const char *)payload + header->state_bytes,
                                  .text_bytes = header->text_bytes};
    if (visit != NULL)
        visit(context, &record);
}

static int messages_scan(struct store *store, store_visit *visit, void *context)
{
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct message_header header;
    uint32_t before = 0;
    while (record_read(store->messages_fd, store->written, &header, payload)) {
        if (header.number != 0 && header.number <= before)
            break;
        if (header.number != 0) {
            index_add(store, header.number, store->written);
            before = header.number;
        }
        last_note(store, &header.reference);
        record_visit(visit, context, &header, payload);
        store->written += sizeof header + header.state_bytes + header.text_bytes;
    }
    return ftruncate(store->messages_fd, (off_t)store->written) == 0 ? 0 : -errno;
}

uint32_t store_read(struct store *store, uint32_t number, char text[STORE_MESSAGE_BYTES_MAX],
                    size_t *bytes)
{
    *bytes = 0;
    size_t low = 0, high = store->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->entries[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == store->entry_count)
        return 0;
    struct message_header header;
    uint8_t payload[PAYLOAD_BYTES_MAX];
    if (store_flush(store) == 0 &&
        record_read(store->messages_fd, store->entries[low].offset, &header, payload)) {
        memcpy(text, payload + header.state_bytes, header.text_bytes);
        *bytes = header.text_bytes;
    }
    return store->entries[low].number;
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

static int folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return result;
}

static int file_open(const struct store *store, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", store->folder, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

static int messages_open(struct store *store)
{
    char name[32];
    snprintf(name, sizeof name, "messages-%u", store->generation);
    store->messages_fd = file_open(store, name);
    return store->messages_fd < 0 ? store->messages_fd : 0;
}

static void numbers_take(struct store *store, const struct numbers *numbers)
{
    store->writes = numbers->writes;
    store->generation = numbers->generation;
    store->next_out = numbers->clean_next != 0 ? numbers->clean_next : numbers->reserved_end;
    store->reserved_end = store->next_out; // a new reservation follows at once
    store->base = numbers->base;
    store->last = numbers->base;
    memcpy(store->comp_id, numbers->comp_id, sizeof store->comp_id);
}

static int open_files(struct store *store, const char *fix_folder, const char *comp_id)
{
    int result = folder_make(store, fix_folder);
    if (result != 0)
        return result;
    store->numbers_fd = file_open(store, "numbers");
    if (store->numbers_fd < 0)
        return store->numbers_fd;
    struct numbers numbers;
    if (numbers_read(store->numbers_fd, &numbers))
        numbers_take(store, &numbers);
    else if (comp_id == NULL)
        return -ENOENT;
    else
        snprintf(store->comp_id, sizeof store->comp_id, "%s", comp_id);
    return messages_open(store);
}

int store_open(struct store *store, const char *fix_folder, uint32_t session, const char *comp_id,
               store_visit *visit, void *context)
{
    *store = (struct store){.numbers_fd = -1, .messages_fd = -1, .session = session};
    store->generation = 1;
    store->next_out = 1;
    store->reserved_end = 1;
    int result = open_files(store, fix_folder, comp_id);
    if (result == 0)
        result = messages_scan(store, visit, context);
    if (result == 0)
        result = store_reserve(store);
    if (result == 0)
        result = folder_sync(store->folder);
    if (result != 0)
        store_abandon(store);
    return result;
}

void store_abandon(struct store *store)
{
    if (store->numbers_fd >= 0)
        close(store->numbers_fd);
    if (store->messages_fd >= 0)
        close(store->messages_fd);
    free(store->entries);
    free(store->buffer);
    *store = (struct store){.numbers_fd = -1, .messages_fd = -1};
}

int store_close(struct store *store)
{
    int result = store_flush(store);
    if (result == 0 && fdatasync(store->messages_fd) != 0)
        result = -errno;
    if (result == 0)
        result = numbers_write(store, store->next_out, store->next_out);
    store_abandon(store);
    return result;
}

int store_reset_begin(struct store *store)
{
    int result = store_flush(store);
    if (result != 0)
        return result;
    close(store->messages_fd);
    store->generation++;
    store->entry_count = 0;
    store->written = 0;
    store->base = store->last;
    result = messages_open(store);
    if (result == 0 && ftruncate(store->messages_fd, 0) != 0)
        result = -errno;
    return result;
}

int store_reset_commit(struct store *store)
{
    char old[600];
    snprintf(old, sizeof old, "%s/messages-%u", store->folder, store->generation - 1);
    int result = store_flush(store);
    if (result == 0 && fdatasync(store->messages_fd) != 0)
        result = -errno;
    if (result == 0)
        result = folder_sync(store->folder);
    store->next_out = 1;
    if (result == 0)
        result = numbers_write(store, 1 + STORE_BLOCK, 0);
    if (result == 0 && unlink(old) != 0 && errno != ENOENT)
        result = -errno;
    return result;
}
