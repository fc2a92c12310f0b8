// Happy path: segment headers are queued, made by the preparer; a block is judged, copied behind
// aligned memory, zero-padded, written in one write at the segment's end, synced.
//
// Failure modes: a block or header that does not follow is refused, and nothing is written. The
// disk fails: the caller exits. A crash leaves the last block torn, as on a primary: it was not
// acknowledged, the primary sends it again, and it is written over, byte for byte the same.
#include "core/standby_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "core/journal_reader.h"
#include "core/journal_segment.h"
#include "core/numbered_file.h"

#define STANDBY_TEMPORARY_NAME "standby.tmp"
enum { STANDBY_ZEROES_BYTES = 1 << 20 };

// ---- open and close

static int store_open_segment(struct standby_store *store, uint64_t number)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    int file = store->io->open(store->io->context, name, JOURNAL_IO_WRITE);
    if (file < 0)
        return file;
    if (store->file >= 0)
        store->io->close(store->io->context, store->file);
    int64_t bytes = store->io->size(store->io->context, file);
    store->file = file;
    store->segment = number;
    store->segment_bytes = bytes < 0 ? 0 : (uint64_t)bytes;
    store->offset = JOURNAL_PAGE_BYTES;
    return 0;
}

// Where the journal ends, from its last segment with a block. A torn tail ends it before the tear.
static int store_find_end(struct standby_store *store, char reason[160])
{
    struct journal_reader reader;
    int result = journal_reader_open(&reader, store->io, UINT64_MAX, false);
    enum journal_decision decision = JOURNAL_END;
    const struct journal_block_header *block;
    if (result != 0)
        return result;
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        store->epoch = block->epoch;
    if (decision == JOURNAL_CORRUPT) {
        snprintf(reason, 160, "%s", reader.reason);
        result = -EBADMSG;
    } else if (reader.next_sequence > 1) {
        store->next_sequence = reader.next_sequence;
        store->chain = reader.chain;
        result = store_open_segment(store, reader.segment);
        store->offset = reader.offset;
    }
    journal_reader_close(&reader);
    return result;
}

int standby_store_open(struct standby_store *store, char reason[160], const struct journal_io *io)
{
    uint64_t first = 0;
    memset(store, 0, sizeof *store);
    reason[0] = '\0';
    store->io = io;
    store->file = -1;
    store->next_sequence = 1;
    ASSERT(pthread_mutex_init(&store->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&store->changed, NULL) == 0);
    store->block = aligned_alloc(JOURNAL_PAGE_BYTES, JOURNAL_BLOCK_BYTES_MAX);
    store->zeroes = aligned_alloc(JOURNAL_PAGE_BYTES, STANDBY_ZEROES_BYTES);
    ASSERT(store->block != NULL && store->zeroes != NULL);
    memset(store->zeroes, 0, STANDBY_ZEROES_BYTES);
    if (journal_segments(io, &first, &store->made) <= 0)
        store->made = 0;
    int result = journal_sync_all(io); // what is acknowledged must survive the machine
    if (result == 0)
        result = store_find_end(store, reason);
    // Segments behind the end are told again and compared.
    store->told = store->segment;
    return result;
}

void standby_store_close(struct standby_store *store)
{
    if (store->threaded) {
        pthread_mutex_lock(&store->lock);
        store->stop = true;
        pthread_cond_broadcast(&store->changed);
        pthread_mutex_unlock(&store->lock);
        ASSERT(pthread_join(store->preparer, NULL) == 0);
    }
    if (store->file >= 0)
        store->io->close(store->io->context, store->file);
    free(store->block);
    free(store->zeroes);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    memset(store, 0, sizeof *store);
    store->file = -1;
}

// ---- segments

int standby_store_prepare(struct standby_store *store)
{
    struct journal_segment_header header;
    pthread_mutex_lock(&store->lock);
    bool found = store->waiting_count > 0;
    if (found)
        header = store->waiting[0];
    pthread_mutex_unlock(&store->lock);
    if (!found)
        return 0;
    int result = journal_segment_make(store->io, STANDBY_TEMPORARY_NAME, store->zeroes,
                                      STANDBY_ZEROES_BYTES, &header);
    pthread_mutex_lock(&store->lock);
    store->waiting_count--;
    memmove(store->waiting, store->waiting + 1, store->waiting_count * sizeof store->waiting[0]);
    if (result == 0)
        store->made = header.number;
    else
        store->prepare_error = result;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    return result == 0 ? 1 : result;
}

static void *store_preparer(void *context)
{
    struct standby_store *store = context;
    // Lowest priority of the ordinary class, as the core's preparer.
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    for (;;) {
        if (standby_store_prepare(store) < 0)
            return NULL;
        pthread_mutex_lock(&store->lock);
        while (!store->stop && store->waiting_count == 0)
            pthread_cond_wait(&store->changed, &store->lock);
        bool stop = store->stop;
        pthread_mutex_unlock(&store->lock);
        if (stop)
            return NULL;
    }
}

int standby_store_start(struct standby_store *store)
{
    int result = pthread_create(&store->preparer, NULL, store_preparer, store);
    store->threaded = result == 0;
    return -result;
}

// A segment that is there from before: it must be the one that is told.
static int store_compare_segment(const struct standby_store *store,
                                 const struct journal_segment_header *header)
{
    struct journal_segment_header there;
    bool same = journal_segment_header_read(store->io, &there, header->number) &&
                memcmp(&there, header, sizeof there) == 0;
    return same ? 0 : -EBADMSG;
}

// Under the lock: puts the header into the queue; a new connection tells again what waits there.
static int store_queue_segment(struct standby_store *store,
                               const struct journal_segment_header *header)
{
    for (unsigned i = 0; i < store->waiting_count; i++)
        if (store->waiting[i].number == header->number)
            return memcmp(&store->waiting[i], header, sizeof *header) == 0 ? 0 : -EBADMSG;
    if (store->prepare_error != 0)
        return store->prepare_error;
    if (store->waiting_count == STANDBY_SEGMENTS_WAITING_MAX)
        return -EAGAIN;
    store->waiting[store->waiting_count++] = *header;
    pthread_cond_broadcast(&store->changed);
    return 0;
}

int standby_store_segment(struct standby_store *store, const struct journal_segment_header *header)
{
    if (!journal_segment_header_valid(header, header->number) ||
        header->bytes < 2 * JOURNAL_PAGE_BYTES || header->bytes % JOURNAL_PAGE_BYTES != 0 ||
        header->number > store->told + 1)
        return -EBADMSG;
    pthread_mutex_lock(&store->lock);
    bool there = header->number <= store->made;
    int result = there ? 0 : store_queue_segment(store, header);
    pthread_mutex_unlock(&store->lock);
    if (there)
        result = store_compare_segment(store, header);
    if (result == 0 && header->number > store->told)
        store->told = header->number;
    return result;
}

// Waits for the preparer, or does its work where there is none.
static int store_await_segment(struct standby_store *store, uint64_t number)
{
    int result = 0;
    while (!store->threaded && result == 0 && store->made < number) {
        result = standby_store_prepare(store);
        result = result > 0 ? 0 : result == 0 ? -EBADMSG : result;
    }
    pthread_mutex_lock(&store->lock);
    while (store->threaded && store->made < number && store->prepare_error == 0)
        pthread_cond_wait(&store->changed, &store->lock);
    if (store->made < number)
        result = store->prepare_error;
    pthread_mutex_unlock(&store->lock);
    return result;
}

// ---- blocks

// True if the block in store->block is whole and comes next.
static bool store_follows(const struct standby_store *store, size_t bytes)
{
    const struct journal_block_header *block = store->block;
    if (bytes < sizeof *block || !journal_block_header_valid(block, block->segment) ||
        bytes != JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes ||
        !journal_block_payload_valid(block))
        return false;
    bool begins = block->segment != store->segment;
    return block->first_sequence == store->next_sequence && block->previous_chain == store->chain &&
           block->segment >= store->segment && block->segment <= store->told &&
           (block->epoch == store->epoch || (begins && block->epoch > store->epoch));
}

static int store_write(struct standby_store *store, size_t bytes)
{
    size_t padded = journal_block_bytes(bytes - JOURNAL_BLOCK_HEADER_BYTES);
    if (store->offset + padded > store->segment_bytes)
        return -EBADMSG; // on the primary it cannot have stood here
    memset((uint8_t *)store->block + bytes, 0, padded - bytes);
    int result =
        store->io->write(store->io->context, store->file, store->block, padded, store->offset);
    if (result == 0)
        result = store->io->sync(store->io->context, store->file);
    if (result == 0)
        store->offset += padded;
    return result;
}

int standby_store_block(struct standby_store *store, const void *bytes_of_block, size_t bytes)
{
    if (bytes > JOURNAL_BLOCK_BYTES_MAX)
        return -EBADMSG;
    memcpy(store->block, bytes_of_block, bytes);
    if (!store_follows(store, bytes))
        return -EBADMSG;
    const struct journal_block_header *block = store->block;
    int result = 0;
    if (block->segment != store->segment) {
        result = store_await_segment(store, block->segment);
        if (result == 0)
            result = store_open_segment(store, block->segment);
    }
    if (result == 0)
        result = store_write(store, bytes);
    if (result != 0)
        return result;
    store->next_sequence = block->first_sequence + block->count;
    store->epoch = block->epoch;
    store->chain = block->chain;
    return 0;
}
