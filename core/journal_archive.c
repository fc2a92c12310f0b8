// Happy path of one segment: read, proved, compressed, written, synced, read back, decompressed,
// compared, renamed, removed from among the live ones.
//
// Failure modes: anything that fails leaves the segment where it is and at most a file with a
// temporary name, which the next run writes over.
#include "core/journal_archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "core/journal_block.h"
#include "core/numbered_file.h"

#define ARCHIVE_TEMPORARY_NAME "archive.tmp"
#define RESTORE_TEMPORARY_NAME "restore.tmp"
enum { ARCHIVE_LEVEL = 6, ARCHIVE_PREFIX_BYTES = 8 + JOURNAL_PAGE_BYTES };
static const uint32_t ARCHIVE_SKIPPABLE_MAGIC = 0x184d2a50; // of a zstd skippable frame
static const uint64_t SEGMENT_BYTES_MAX = 4294967296;       // as the configuration has it

struct bytes {
    uint8_t *data;
    uint64_t count;
};

static void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static int bytes_alloc(struct bytes *bytes, uint64_t count)
{
    bytes->data = malloc(count);
    bytes->count = count;
    return bytes->data == NULL ? -ENOMEM : 0;
}

// The whole file. Returns 0 or -errno.
static int bytes_read(struct bytes *out, const struct journal_io *io, const char *name)
{
    *out = (struct bytes){0};
    int file = io->open(io->context, name, JOURNAL_IO_READ);
    if (file < 0)
        return file;
    int64_t size = io->size(io->context, file);
    int result = size < 0 ? (int)size : (uint64_t)size > SEGMENT_BYTES_MAX ? -EFBIG : 0;
    if (result == 0)
        result = bytes_alloc(out, (uint64_t)size + 1); // of an empty file, too
    if (result == 0) {
        out->count = (uint64_t)size;
        int64_t n = io->read(io->context, file, out->data, (size_t)size, 0);
        result = n < 0 ? (int)n : n < size ? -EIO : 0;
    }
    io->close(io->context, file);
    if (result != 0)
        bytes_free(out);
    return result;
}

// Writes it under a temporary name and syncs it. The caller renames.
static int bytes_write(const struct bytes *bytes, const struct journal_io *io, const char *name)
{
    int file = io->open(io->context, name, JOURNAL_IO_CREATE);
    if (file < 0)
        return file;
    int result = 0;
    const uint64_t step = 1 << 20;
    for (uint64_t at = 0; at < bytes->count && result == 0; at += step) {
        uint64_t left = bytes->count - at;
        result = io->write(io->context, file, bytes->data + at, left < step ? left : step, at);
    }
    if (result == 0)
        result = io->sync(io->context, file);
    io->close(io->context, file);
    return result;
}

static int install(const struct journal_io *io, const char *from, const char *to)
{
    int result = io->rename(io->context, from, to);
    return result == 0 ? io->sync_folder(io->context) : result;
}

// ---- what an archived file holds

// True if every block of the segment is whole and continues the one before, up to where nothing but
// a torn write of its epoch's end can stand: what cannot be read is not put away.
static bool segment_is_whole(const struct bytes *segment, uint64_t number)
{
    struct journal_segment_header header;
    if (segment->count < 2 * JOURNAL_PAGE_BYTES)
        return false;
    memcpy(&header, segment->data, sizeof header);
    if (journal_segment_header_judge(&header, number) == JOURNAL_HEADER_BROKEN ||
        header.bytes != segment->count)
        return false;
    const struct journal_block_header *before = NULL;
    bool ended = false;
    for (uint64_t at = JOURNAL_PAGE_BYTES; at + JOURNAL_PAGE_BYTES <= segment->count;) {
        const struct journal_block_header *block = (const void *)(segment->data + at);
        bool whole = journal_block_header_valid(block, number) &&
                     at + journal_block_bytes(block->bytes) <= segment->count &&
                     journal_block_payload_valid(block);
        bool follows =
            whole && (before == NULL ||
                      (block->previous_chain == before->chain && block->epoch == before->epoch &&
                       block->first_sequence == before->first_sequence + before->count));
        if (whole && (ended || !follows))
            return false;
        ended = ended || !whole;
        at += whole ? journal_block_bytes(block->bytes) : JOURNAL_PAGE_BYTES;
        before = whole ? block : before;
    }
    return true; // one without a block is whole, too: a life that ended in its first write
}

static int compress_segment(struct bytes *out, const struct bytes *segment)
{
    size_t bound = ZSTD_compressBound(segment->count);
    int result = bytes_alloc(out, ARCHIVE_PREFIX_BYTES + bound);
    if (result != 0)
        return result;
    uint32_t page_bytes = JOURNAL_PAGE_BYTES;
    memcpy(out->data, &ARCHIVE_SKIPPABLE_MAGIC, 4);
    memcpy(out->data + 4, &page_bytes, 4);
    memcpy(out->data + 8, segment->data, JOURNAL_PAGE_BYTES);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context == NULL)
        return -ENOMEM;
    ASSERT(!ZSTD_isError(
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, ARCHIVE_LEVEL)));
    ASSERT(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    size_t n = ZSTD_compress2(context, out->data + ARCHIVE_PREFIX_BYTES, bound, segment->data,
                              segment->count);
    ZSTD_freeCCtx(context);
    if (ZSTD_isError(n)) // there is room for the worst: only memory can be missing
        return -ENOMEM;
    out->count = ARCHIVE_PREFIX_BYTES + n;
    return 0;
}

static bool archived_prefix_valid(const uint8_t prefix[ARCHIVE_PREFIX_BYTES], uint64_t number)
{
    uint32_t words[2];
    struct journal_segment_header header;
    memcpy(words, prefix, sizeof words);
    memcpy(&header, prefix + 8, sizeof header);
    return words[0] == ARCHIVE_SKIPPABLE_MAGIC && words[1] == JOURNAL_PAGE_BYTES &&
           journal_segment_header_judge(&header, number) != JOURNAL_HEADER_BROKEN;
}

// Returns 0, -EBADMSG or -ENOMEM.
static int decompress_segment(struct bytes *out, const struct bytes *file, uint64_t number)
{
    *out = (struct bytes){0};
    if (file->count < ARCHIVE_PREFIX_BYTES || !archived_prefix_valid(file->data, number))
        return -EBADMSG;
    const uint8_t *frame = file->data + ARCHIVE_PREFIX_BYTES;
    size_t frame_bytes = file->count - ARCHIVE_PREFIX_BYTES;
    unsigned long long bytes = ZSTD_getFrameContentSize(frame, frame_bytes);
    struct journal_segment_header header;
    memcpy(&header, file->data + 8, sizeof header);
    if (bytes > SEGMENT_BYTES_MAX || bytes != header.bytes || bytes < JOURNAL_PAGE_BYTES)
        return -EBADMSG; // the two error values are larger than any size
    int result = bytes_alloc(out, bytes);
    if (result != 0)
        return result;
    size_t n = ZSTD_decompress(out->data, bytes, frame, frame_bytes);
    if (n != bytes || // no size is as large as an error
        memcmp(out->data, file->data + 8, JOURNAL_PAGE_BYTES) != 0) {
        bytes_free(out);
        return -EBADMSG;
    }
    return 0;
}

static int read_archived(struct bytes *segment, const struct journal_io *archive, const char *name,
                         uint64_t number)
{
    struct bytes file;
    int result = bytes_read(&file, archive, name);
    if (result != 0)
        return result;
    result = decompress_segment(segment, &file, number);
    bytes_free(&file);
    return result;
}

// True if the file under this name is the segment, byte by byte.
static int verify_archived(const struct bytes *segment, const struct journal_io *archive,
                           const char *name, uint64_t number)
{
    struct bytes again;
    int result = read_archived(&again, archive, name, number);
    if (result != 0)
        return result;
    bool same =
        again.count == segment->count && memcmp(again.data, segment->data, again.count) == 0;
    bytes_free(&again);
    return same ? 0 : -EBADMSG;
}

// ---- archiving and back

static int write_archived(const struct bytes *segment, const struct journal_io *archive,
                          uint64_t number, struct journal_archived *out)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_ARCHIVE_SUFFIX);
    struct bytes file = {0};
    int result = compress_segment(&file, segment);
    if (result == 0)
        result = bytes_write(&file, archive, ARCHIVE_TEMPORARY_NAME);
    if (result == 0)
        result = verify_archived(segment, archive, ARCHIVE_TEMPORARY_NAME, number);
    if (result == 0)
        result = install(archive, ARCHIVE_TEMPORARY_NAME, name);
    *out = (struct journal_archived){.bytes = segment->count, .compressed = file.count};
    bytes_free(&file);
    return result;
}

static int remove_live(const struct journal_io *live, const char *name)
{
    int result = live->remove(live->context, name);
    return result == 0 ? live->sync_folder(live->context) : result;
}

int journal_archive_segment(const struct journal_io *live, const struct journal_io *archive,
                            uint64_t number, struct journal_archived *out)
{
    char name[NUMBERED_NAME_BYTES], archived[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    numbered_name(archived, number, JOURNAL_ARCHIVE_SUFFIX);
    *out = (struct journal_archived){0};
    struct bytes segment;
    int result = bytes_read(&segment, live, name);
    if (result != 0)
        return result;
    if (!segment_is_whole(&segment, number))
        result = -EBADMSG;
    else if (verify_archived(&segment, archive, archived, number) == 0)
        // A crash came before the removal. That the name is durable is not known: once more.
        result = archive->sync_folder(archive->context);
    else
        result = write_archived(&segment, archive, number, out);
    bytes_free(&segment);
    return result == 0 ? remove_live(live, name) : result;
}

int journal_archive_restore(const struct journal_io *live, const struct journal_io *archive,
                            uint64_t number)
{
    char name[NUMBERED_NAME_BYTES], archived[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    numbered_name(archived, number, JOURNAL_ARCHIVE_SUFFIX);
    struct bytes segment;
    int result = read_archived(&segment, archive, archived, number);
    if (result != 0)
        return result;
    result = bytes_write(&segment, live, RESTORE_TEMPORARY_NAME);
    bytes_free(&segment);
    return result == 0 ? install(live, RESTORE_TEMPORARY_NAME, name) : result;
}

struct archive_range {
    uint64_t first, last;
    int64_t count;
};

static void archive_range_add(void *context, const char *name)
{
    struct archive_range *range = context;
    uint64_t number;
    if (!numbered_parse(&number, name, JOURNAL_ARCHIVE_SUFFIX))
        return;
    if (range->count == 0 || number < range->first)
        range->first = number;
    if (number > range->last)
        range->last = number;
    range->count++;
}

int64_t journal_archive_range(const struct journal_io *archive, uint64_t *first, uint64_t *last)
{
    struct archive_range range = {0};
    int result = archive->list(archive->context, archive_range_add, &range);
    *first = range.first;
    *last = range.last;
    return result != 0 ? result : range.count;
}

// ---- the overlay

// Files of the overlay: those of the live folder as they are, archived ones from here on.
enum { ARCHIVE_FILE_FIRST = 1 << 24 };

static struct journal_archive_entry *overlay_entry(struct journal_archive *archive, int file)
{
    ASSERT(file >= ARCHIVE_FILE_FIRST && file < ARCHIVE_FILE_FIRST + JOURNAL_ARCHIVE_OPEN_MAX);
    return &archive->entries[file - ARCHIVE_FILE_FIRST];
}

static void entry_forget(struct journal_archive_entry *entry)
{
    free(entry->data);
    *entry = (struct journal_archive_entry){0};
}

// One with this number, else a free one, else one that nobody uses; NULL: too many are open.
static struct journal_archive_entry *overlay_find(struct journal_archive *archive, uint64_t number)
{
    struct journal_archive_entry *found = NULL;
    for (int i = 0; i < JOURNAL_ARCHIVE_OPEN_MAX; i++) {
        struct journal_archive_entry *entry = &archive->entries[i];
        if (entry->number == number)
            return entry;
        if (entry->users == 0 && (found == NULL || entry->number == 0))
            found = entry;
    }
    if (found != NULL)
        entry_forget(found);
    return found;
}

static int entry_load(struct journal_archive *archive, struct journal_archive_entry *entry,
                      uint64_t number)
{
    const struct journal_io *io = &archive->archive;
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_ARCHIVE_SUFFIX);
    int file = io->open(io->context, name, JOURNAL_IO_READ);
    if (file < 0)
        return file;
    uint8_t prefix[ARCHIVE_PREFIX_BYTES];
    int64_t n = io->read(io->context, file, prefix, sizeof prefix, 0);
    io->close(io->context, file);
    if (n != (int64_t)sizeof prefix || !archived_prefix_valid(prefix, number))
        return n < 0 ? (int)n : -EBADMSG;
    struct journal_segment_header header;
    memcpy(entry->page, prefix + 8, sizeof entry->page);
    memcpy(&header, entry->page, sizeof header);
    entry->number = number;
    entry->bytes = header.bytes;
    return 0;
}

static int overlay_open_archived(struct journal_archive *archive, uint64_t number)
{
    struct journal_archive_entry *entry = overlay_find(archive, number);
    if (entry == NULL)
        return -EMFILE;
    int result = entry->number == number ? 0 : entry_load(archive, entry, number);
    if (result != 0)
        return result;
    entry->users++;
    return ARCHIVE_FILE_FIRST + (int)(entry - archive->entries);
}

static int overlay_open(void *context, const char *name, enum journal_io_mode mode)
{
    struct journal_archive *archive = context;
    uint64_t number;
    int file = archive->live.open(archive->live.context, name, mode);
    if (file != -ENOENT || mode != JOURNAL_IO_READ ||
        !numbered_parse(&number, name, JOURNAL_SUFFIX))
        return file;
    return overlay_open_archived(archive, number);
}

static void overlay_close(void *context, int file)
{
    struct journal_archive *archive = context;
    if (file < ARCHIVE_FILE_FIRST) {
        archive->live.close(archive->live.context, file);
        return;
    }
    struct journal_archive_entry *entry = overlay_entry(archive, file);
    ASSERT(entry->users > 0);
    entry->users--; // its bytes stay until another one needs the place
}

static int64_t overlay_size(void *context, int file)
{
    struct journal_archive *archive = context;
    if (file < ARCHIVE_FILE_FIRST)
        return archive->live.size(archive->live.context, file);
    return (int64_t)overlay_entry(archive, file)->bytes;
}

static int entry_decompress(struct journal_archive *archive, struct journal_archive_entry *entry)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, entry->number, JOURNAL_ARCHIVE_SUFFIX);
    struct bytes segment;
    int result = read_archived(&segment, &archive->archive, name, entry->number);
    if (result == 0)
        entry->data = segment.data;
    return result;
}

static int64_t overlay_read(void *context, int file, void *out, size_t bytes, uint64_t offset)
{
    struct journal_archive *archive = context;
    if (file < ARCHIVE_FILE_FIRST)
        return archive->live.read(archive->live.context, file, out, bytes, offset);
    struct journal_archive_entry *entry = overlay_entry(archive, file);
    bool first_page = offset + bytes <= JOURNAL_PAGE_BYTES;
    if (!first_page && entry->data == NULL) {
        int result = entry_decompress(archive, entry);
        if (result != 0)
            return result;
    }
    if (offset >= entry->bytes)
        return 0;
    if (bytes > entry->bytes - offset)
        bytes = (size_t)(entry->bytes - offset);
    memcpy(out, (first_page ? entry->page : entry->data) + offset, bytes);
    return (int64_t)bytes;
}

struct overlay_listing {
    journal_io_name *callback;
    void *context;
};

// Shows an archived segment by the name that it had. One that stands in both places is shown twice:
// who lists looks for the first and the last.
static void overlay_list_archived(void *context, const char *name)
{
    const struct overlay_listing *listing = context;
    uint64_t number;
    if (!numbered_parse(&number, name, JOURNAL_ARCHIVE_SUFFIX))
        return;
    char segment[NUMBERED_NAME_BYTES];
    numbered_name(segment, number, JOURNAL_SUFFIX);
    listing->callback(listing->context, segment);
}

static int overlay_list(void *context, journal_io_name *callback, void *callback_context)
{
    struct journal_archive *archive = context;
    int result = archive->live.list(archive->live.context, callback, callback_context);
    struct overlay_listing listing = {callback, callback_context};
    if (result != 0)
        return result;
    return archive->archive.list(archive->archive.context, overlay_list_archived, &listing);
}

void journal_archive_overlay(struct journal_archive *archive, struct journal_io *io,
                             const struct journal_io *archived)
{
    memset(archive, 0, sizeof *archive);
    archive->live = *io;
    archive->archive = *archived;
    // Read only: who writes the journal is the core, which does not look here.
    *io = (struct journal_io){.list = overlay_list,
                              .open = overlay_open,
                              .close = overlay_close,
                              .size = overlay_size,
                              .read = overlay_read,
                              .context = archive};
}
