// The messages of a session's store, in files of about STORE_SEGMENT_BYTES.
//
// Happy path: append into the buffer, flush into the last segment; when that is full it is synced
// and the next one begins. The oldest is dropped when it is too old or too much is kept: what must
// outlive it has been appended anew, synced, and the numbers file says that it is gone before it
// is.
//
// Failure: a torn message at the end of the last segment was never sent by a process that survived
// its crash, or lies behind the last sync of a machine that did not: it is cut off, and its event
// is reported again. A segment that is rotten in the middle is read up to there (a warning): its
// other messages are gaps, and the segments behind it are whole.
#include "gateway/fix/store_internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/log.h"

#define MESSAGE_MAGIC 0x4d584946u
enum { PAYLOAD_BYTES_MAX = STORE_STATE_BYTES_MAX + STORE_MESSAGE_BYTES_MAX, NAME_BYTES = 40 };

struct message_header {
    uint32_t magic;
    uint16_t state_bytes;
    uint16_t text_bytes;
    uint32_t number;
    uint32_t crc; // of this header with crc = 0, then state and text
    struct store_reference reference;
};
static_assert(sizeof(struct message_header) == 32, "message header");

// ---- files --------------------------------------------------------------------------------------

static void segment_name(char out[NAME_BYTES], uint32_t generation, uint32_t segment)
{
    if (segment == 0)
        snprintf(out, NAME_BYTES, "messages-%u", generation);
    else
        snprintf(out, NAME_BYTES, "messages-%u.%u", generation, segment);
}

// False: it is none of these names.
static bool segment_parse(const char *name, uint32_t *generation, uint32_t *segment)
{
    char whole[NAME_BYTES];
    *segment = 0;
    if (sscanf(name, "messages-%u.%u", generation, segment) < 1)
        return false;
    segment_name(whole, *generation, *segment);
    return strcmp(name, whole) == 0;
}

static int segment_open(const struct store *store, uint32_t segment)
{
    char name[NAME_BYTES];
    segment_name(name, store->generation, segment);
    return store_file_open(store, name);
}

static void descriptor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

typedef int segment_visit(struct store *store, const char *name, uint32_t generation,
                          uint32_t segment);

// Stops at the first answer that is not 0, and returns it.
static int segments_each(struct store *store, segment_visit *visit)
{
    DIR *folder = opendir(store->folder);
    int result = folder != NULL ? 0 : -errno;
    for (struct dirent *file = NULL;
         result == 0 && folder != NULL && (file = readdir(folder)) != NULL;) {
        uint32_t generation, segment;
        if (segment_parse(file->d_name, &generation, &segment))
            result = visit(store, file->d_name, generation, segment);
    }
    if (folder != NULL)
        closedir(folder);
    return result;
}

static int file_remove(const struct store *store, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", store->folder, name);
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int tidy_one(struct store *store, const char *name, uint32_t generation, uint32_t segment)
{
    bool given_up = generation != store->generation || segment < store->first_segment;
    return given_up ? file_remove(store, name) : 0;
}

int store_messages_tidy(struct store *store)
{
    return segments_each(store, tidy_one);
}

static int note_last(struct store *store, const char *name, uint32_t generation, uint32_t segment)
{
    (void)name;
    if (generation == store->generation && segment > store->segment)
        store->segment = segment;
    return 0;
}

// ---- the index ----------------------------------------------------------------------------------

static void index_add(struct store *store, uint32_t number, uint64_t offset)
{
    if (store->entry_count == store->entry_capacity) {
        store->entry_capacity = store->entry_capacity == 0 ? 1024 : store->entry_capacity * 2;
        store->entries = realloc(store->entries, store->entry_capacity * sizeof *store->entries);
        ASSERT(store->entries != NULL);
    }
    ASSERT(store->entry_count == 0 || store->entries[store->entry_count - 1].number < number);
    store->entries[store->entry_count++] =
        (struct store_entry){.offset = offset, .number = number, .segment = store->segment};
}

// Of the first message with a number at least this one; entry_count if there is none.
static size_t index_find(const struct store *store, uint32_t number)
{
    size_t low = 0, high = store->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (store->entries[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void index_drop_first_segment(struct store *store)
{
    size_t gone = 0;
    while (gone < store->entry_count && store->entries[gone].segment <= store->first_segment)
        gone++;
    store->entry_count -= gone;
    if (store->entry_count > 0)
        memmove(store->entries, store->entries + gone, store->entry_count * sizeof *store->entries);
}

static void reference_note(struct store_reference *last, const struct store_reference *reference)
{
    if (reference->sequence != 0 && store_reference_compare(reference, last) > 0)
        *last = *reference;
}

// ---- append, flush ------------------------------------------------------------------------------

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
    reference_note(&store->last, &record->reference);
}

static int buffer_write(struct store *store)
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

// The full segment is whole on disk before the next one is there: only the last one can be torn.
// The disk is waited for, for what was written since the last checkpoint, once per segment.
static int segment_next(struct store *store)
{
    if (fdatasync(store->messages_fd) != 0)
        return -errno;
    int fd = segment_open(store, store->segment + 1);
    if (fd < 0)
        return fd;
    int result = ftruncate(fd, 0) == 0 ? store_folder_sync(store->folder) : -errno;
    descriptor_close(&store->messages_fd);
    store->messages_fd = fd;
    store->older_bytes += store->written;
    store->segment++;
    store->written = 0;
    store->dirty = false;
    return result;
}

int store_flush(struct store *store)
{
    int result = buffer_write(store);
    if (result == 0 && store->written >= store->segment_bytes_max)
        result = segment_next(store);
    return result;
}

// ---- read ---------------------------------------------------------------------------------------

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

// The file of a segment, for reading; -1: it cannot be opened.
static int read_fd(struct store *store, uint32_t segment)
{
    if (segment == store->segment)
        return store->messages_fd;
    if (store->read_fd < 0 || store->read_segment != segment) {
        descriptor_close(&store->read_fd);
        int fd = segment_open(store, segment);
        store->read_fd = fd >= 0 ? fd : -1;
        store->read_segment = segment;
    }
    return store->read_fd;
}

uint32_t store_read(struct store *store, uint32_t number, char text[STORE_MESSAGE_BYTES_MAX],
                    size_t *bytes)
{
    size_t place = index_find(store, number);
    *bytes = 0;
    if (place == store->entry_count)
        return 0;
    struct message_header header;
    uint8_t payload[PAYLOAD_BYTES_MAX];
    bool flushed = store_flush(store) == 0;
    const struct store_entry *entry = &store->entries[place];
    int fd = flushed ? read_fd(store, entry->segment) : -1;
    if (fd >= 0 && record_read(fd, entry->offset, &header, payload)) {
        memcpy(text, payload + header.state_bytes, header.text_bytes);
        *bytes = header.text_bytes;
    }
    return entry->number;
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

// ---- open, close --------------------------------------------------------------------------------

static int segment_scan(struct store *store, store_visit *visit, void *context)
{
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct message_header header;
    store->written = 0;
    while (record_read(store->messages_fd, store->written, &header, payload)) {
        size_t known = store->entry_count;
        uint32_t before = known > 0 ? store->entries[known - 1].number : 0;
        if (header.number != 0 && header.number <= before)
            break;
        if (header.number != 0)
            index_add(store, header.number, store->written);
        reference_note(&store->last, &header.reference);
        record_visit(visit, context, &header, payload);
        store->written += sizeof header + header.state_bytes + header.text_bytes;
    }
    struct stat status;
    return fstat(store->messages_fd, &status) == 0
               ? (status.st_size == (off_t)store->written ? 0 : 1)
               : -errno;
}

// Every segment but the last: what is rotten in it stays where it is.
static int older_scan(struct store *store, store_visit *visit, void *context)
{
    store->messages_fd = segment_open(store, store->segment);
    if (store->messages_fd < 0)
        return store->messages_fd;
    int result = segment_scan(store, visit, context);
    if (result > 0)
        log_warning("messages of a session cannot be read session=%u segment=%u offset=%llu",
                    store->session, store->segment, (unsigned long long)store->written);
    store->older_bytes += store->written;
    descriptor_close(&store->messages_fd);
    return result > 0 ? 0 : result;
}

static int last_scan(struct store *store, store_visit *visit, void *context)
{
    store->messages_fd = segment_open(store, store->segment);
    if (store->messages_fd < 0)
        return store->messages_fd;
    int result = segment_scan(store, visit, context);
    if (result > 0)
        result = ftruncate(store->messages_fd, (off_t)store->written) == 0 ? 0 : -errno;
    return result;
}

int store_messages_open(struct store *store, store_visit *visit, void *context)
{
    store->segment = store->first_segment;
    int result = segments_each(store, note_last);
    uint32_t last = store->segment;
    for (store->segment = store->first_segment; result == 0 && store->segment < last;
         store->segment++)
        result = older_scan(store, visit, context);
    if (result == 0)
        result = last_scan(store, visit, context);
    return result == 0 ? store_messages_tidy(store) : result;
}

void store_messages_close(struct store *store)
{
    descriptor_close(&store->messages_fd);
    descriptor_close(&store->read_fd);
    free(store->entries);
    free(store->buffer);
}

int store_messages_begin(struct store *store)
{
    descriptor_close(&store->messages_fd);
    descriptor_close(&store->read_fd);
    store->segment = store->first_segment = 0;
    store->written = store->older_bytes = 0;
    store->oldest_changed_ns = 0;
    store->entry_count = 0;
    int fd = segment_open(store, 0);
    if (fd < 0)
        return fd;
    store->messages_fd = fd;
    return ftruncate(fd, 0) == 0 ? 0 : -errno;
}

// ---- giving up the oldest -----------------------------------------------------------------------

static uint64_t changed_ns(struct store *store, uint32_t segment)
{
    struct stat status;
    int fd = read_fd(store, segment);
    if (fd < 0 || fstat(fd, &status) != 0)
        return UINT64_MAX; // of unknown age: it stays until there is too much
    return (uint64_t)status.st_mtim.tv_sec * 1000000000u + (uint64_t)status.st_mtim.tv_nsec;
}

bool store_is_over(struct store *store, const struct store_limits *limits, uint64_t wall_ns)
{
    if (store->segment == store->first_segment)
        return false;
    if (store->older_bytes + store->written > limits->bytes_max)
        return true;
    if (store->oldest_changed_ns == 0)
        store->oldest_changed_ns = changed_ns(store, store->first_segment);
    return store->oldest_changed_ns < wall_ns &&
           wall_ns - store->oldest_changed_ns > limits->age_max_ns;
}

// Shows what is in it; returns its bytes.
static uint64_t oldest_visit(struct store *store, store_visit *visit, void *context)
{
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct message_header header;
    uint64_t offset = 0;
    int fd = read_fd(store, store->first_segment);
    while (fd >= 0 && record_read(fd, offset, &header, payload)) {
        reference_note(&store->base, &header.reference);
        record_visit(visit, context, &header, payload);
        offset += sizeof header + header.state_bytes + header.text_bytes;
    }
    return offset;
}

int store_drop_oldest(struct store *store, store_visit *visit, void *context)
{
    ASSERT(store->segment > store->first_segment);
    char name[NAME_BYTES];
    segment_name(name, store->generation, store->first_segment);
    uint64_t bytes = oldest_visit(store, visit, context);
    int result = store_flush(store);
    if (result == 0 && fdatasync(store->messages_fd) != 0)
        result = -errno;
    if (result != 0)
        return result;
    index_drop_first_segment(store);
    store->first_segment++;
    store->older_bytes -= bytes < store->older_bytes ? bytes : store->older_bytes;
    store->oldest_changed_ns = 0;
    descriptor_close(&store->read_fd);
    result = store_numbers_write(store, store->reserved_end, 0);
    return result == 0 ? file_remove(store, name) : result;
}
