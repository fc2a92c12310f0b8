#include "settlement/record.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/memfile.h"

enum {
    POLL_EVENTS = 512,
    WAIT_MS = 100,
    WAIT_FOR_SERVER_MS = 10, // what the venue does meanwhile is looked at that often
    BATCH_BYTES_MAX = 32 << 20,
    BEHIND_S_MIN = 2
};
static const uint64_t SAY_AGAIN_NS = 10000000000ULL, LOOK_NS = 1000000000ULL;

bool record_init(struct record *record, const struct boot *boot, const struct pg_settings *settings)
{
    memset(record, 0, sizeof *record);
    record->boot = boot;
    record->batch_rows_max = (size_t)boot->config.record_batch_rows_max;
    if (reader_page_open(&record->page, boot->reader_page_fd[boot->process]) != 0)
        return false;
    record->store = record_store_open(settings);
    for (size_t i = 0; i < 2; i++)
        record_batch_init(&record->batches[i], &record->terms);
    record->filling = &record->batches[0];
    return true;
}

void record_fini(struct record *record)
{
    follower_close(record->follower);
    record_store_close(record->store);
    for (size_t i = 0; i < 2; i++)
        record_batch_fini(&record->batches[i]);
    record_terms_fini(&record->terms);
    memfile_unmap(record->page, sizeof *record->page);
}

// follower_poll shows what was read; what counts for lag is what is committed.
static void show_position(struct record *record, uint64_t now_ns)
{
    atomic_store_explicit(&record->page->position_seq, record->cursor.sequence,
                          memory_order_relaxed);
    atomic_store_explicit(&record->page->heartbeat_ns, now_ns, memory_order_relaxed);
    reader_page_tell(record->page,
                     record->database_lost ? TROUBLE_DATABASE_UNAVAILABLE : TROUBLE_NONE);
}

static void stop(struct record *record, enum record_stop why)
{
    record->phase = RECORD_STOPPED;
    record->stop = why;
}

// The database cannot be used now: says so once, then every ten seconds.
static void wait_for_database(struct record *record, uint64_t now_ns)
{
    record->again_ns = now_ns + (uint64_t)record_store_wait_ms(record->store) * 1000000;
    if (record->database_lost && now_ns - record->said_ns < SAY_AGAIN_NS)
        return;
    struct backlog_figures figures = backlog_figures(&record->backlog);
    record->database_lost = true;
    record->said_ns = now_ns;
    log_warning("database cannot be used, the tape keeps the backlog reason=\"%s\" recorded=%llu "
                "lag=%llu behind_s=%.0f",
                record_store_reason(record->store), (unsigned long long)record->cursor.sequence,
                (unsigned long long)figures.lag, figures.behind_s);
}

// Every ten seconds while it is behind, and when it is so no more.
static void say_backlog(struct record *record, uint64_t now_ns)
{
    struct backlog_figures figures = backlog_figures(&record->backlog);
    bool behind = figures.behind_s >= BEHIND_S_MIN;
    if (record->database_lost || (!behind && !record->behind) ||
        (behind && record->behind && now_ns - record->said_ns < SAY_AGAIN_NS))
        return;
    record->behind = behind;
    record->said_ns = now_ns;
    if (behind)
        log_info("behind the venue recorded=%llu lag=%llu behind_s=%.0f rate=%.0f eta_s=%.0f",
                 (unsigned long long)record->cursor.sequence, (unsigned long long)figures.lag,
                 figures.behind_s, figures.rate, figures.eta_s);
    else
        log_info("caught up with the venue recorded=%llu",
                 (unsigned long long)record->cursor.sequence);
}

static void look_at_the_backlog(struct record *record, uint64_t now_ns)
{
    if (record->follower == NULL || now_ns - record->noted_ns < LOOK_NS)
        return;
    record->noted_ns = now_ns;
    backlog_note(&record->backlog, follower_durable_seq(record->follower), record->cursor.sequence,
                 now_ns);
    if (record->phase == RECORD_FOLLOWING)
        say_backlog(record, now_ns);
}

static void database_is_back(struct record *record)
{
    if (record->database_lost)
        log_info("database can be used again recorded=%llu",
                 (unsigned long long)record->cursor.sequence);
    record->database_lost = false;
}

// Forgets what was read and begins at the database's cursor.
static void begin_again(struct record *record)
{
    for (size_t i = 0; i < 2; i++)
        record_batch_clear(&record->batches[i]);
    record_terms_fini(&record->terms);
    follower_close(record->follower);
    record->follower = NULL;
    record->writing = NULL;
    record->phase = RECORD_WAITING;
}

// What is to be done with the result of a call of the store. True = RECORD_OK.
static bool store_is_good(struct record *record, enum record_result result, uint64_t now_ns)
{
    switch (result) {
    case RECORD_OK:
        return true;
    case RECORD_BUSY:
        return false;
    case RECORD_RETRY:
        wait_for_database(record, now_ns);
        return false;
    case RECORD_REWIND:
        log_warning("beginning again at the database's cursor reason=\"%s\"",
                    record_store_reason(record->store));
        begin_again(record);
        return false;
    case RECORD_BROKEN:
        log_error("the database refuses the record reason=\"%s\"",
                  record_store_reason(record->store));
        stop(record, RECORD_STOP_BROKEN);
        return false;
    }
    ASSERT(false);
}

// ---- phases

static size_t begin(struct record *record, uint64_t now_ns)
{
    if (!store_is_good(record, record_store_begin(record->store, &record->cursor, &record->terms),
                       now_ns))
        return 0;
    database_is_back(record);
    uint64_t sequence = record->cursor.sequence;
    record->follower = follower_open(record->boot, sequence > 0 ? sequence - 1 : 0);
    if (!record->follower) {
        stop(record, RECORD_STOP_BROKEN);
        return 0;
    }
    record->proof_inside = false;
    record->phase = sequence > 0 ? RECORD_PROVING : RECORD_FOLLOWING;
    log_info("recording behind sequence=%llu", (unsigned long long)sequence);
    return 1;
}

static bool cursor_is_above_the_venue(const struct record *record)
{
    const struct event_ring_control *core = follower_core(record->follower);
    return atomic_load_explicit(&core->core_state, memory_order_acquire) == CORE_RUNNING &&
           follower_durable_seq(record->follower) < record->cursor.sequence;
}

static void refuse(struct record *record, const char *why)
{
    log_error("refused: %s; the database belongs to another venue, or the journal was cut: empty "
              "the record "
              "with lonja record rebuild, or name the right database cursor=%llu durable=%llu",
              why, (unsigned long long)record->cursor.sequence,
              (unsigned long long)follower_durable_seq(record->follower));
    stop(record, RECORD_STOP_REFUSED);
}

// Reads the events of the command at the cursor and compares their digest.
static size_t prove(struct record *record, uint64_t now_ns)
{
    struct event event;
    if (follower_poll(record->follower, &event, 1) == 0) {
        if (cursor_is_above_the_venue(record))
            refuse(record, "the database's cursor is above the venue's sequence");
        else if (now_ns - record->said_ns >= SAY_AGAIN_NS) {
            record->said_ns = now_ns;
            log_info("waiting for the tape to reach the cursor=%llu",
                     (unsigned long long)record->cursor.sequence);
        }
        return 0;
    }
    record->proof_digest = digest_record(record->proof_inside ? record->proof_digest : 0, &event);
    record->proof_inside = !event.header.last;
    if (record->proof_inside)
        return 1;
    ASSERT(event.header.sequence == record->cursor.sequence);
    if (record->proof_digest != record->cursor.digest)
        refuse(record, "the events at the database's cursor are not this venue's");
    else
        record->phase = RECORD_FOLLOWING;
    return 1;
}

static bool is_full(const struct record *record)
{
    const struct record_batch *batch = record->filling;
    return batch->rows >= record->batch_rows_max || record_batch_bytes(batch) >= BATCH_BYTES_MAX;
}

// How many events may be read without overfilling the batch; at least one.
static size_t room_in(const struct record *record)
{
    enum {
        EVENT_ROWS_MAX = 12
    }; // a trade: itself, two orders, two order events, settlement, history, entries
    size_t rows = record->filling->rows;
    size_t events =
        rows < record->batch_rows_max ? (record->batch_rows_max - rows) / EVENT_ROWS_MAX : 0;
    return events < 1 ? 1 : events > POLL_EVENTS ? POLL_EVENTS : events;
}

// Reads events until the batch is full and ends with a complete command, or there are no more now.
// While the other batch is on its way, a few only: the server must not wait for its data.
static size_t gather(struct record *record)
{
    struct event events[POLL_EVENTS];
    size_t gathered = 0;
    while (!is_full(record) || record->filling->inside) {
        size_t count = follower_poll(record->follower, events, room_in(record));
        for (size_t i = 0; i < count; i++)
            record_batch_add(record->filling, &events[i]);
        gathered += count;
        if (count == 0 || record->writing != NULL)
            break;
    }
    return gathered;
}

// Nothing happens in the venue: a record that was emptied, or a server that lost commits or went
// away, is noticed all the same.
static void look_at_the_cursor(struct record *record, uint64_t now_ns)
{
    if (now_ns - record->looked_ns < LOOK_NS)
        return;
    record->looked_ns = now_ns;
    if (store_is_good(record, record_store_check(record->store), now_ns))
        database_is_back(record);
}

// The batch that is filled goes on its way; the other one, which is empty, is filled from now on.
static void send_off(struct record *record)
{
    record->writing = record->filling;
    record->filling = &record->batches[record->filling == &record->batches[0]];
    ASSERT(record->filling->first_sequence == 0);
}

// A batch that may have been committed is written again as it was, so that the cursor can tell.
static size_t write_on(struct record *record, uint64_t now_ns)
{
    struct record_batch *batch = record->writing;
    if (!store_is_good(record, record_store_write(record->store, batch), now_ns))
        return 0;
    database_is_back(record);
    record->cursor = (struct record_cursor){.sequence = batch->last_sequence,
                                            .time_ns = batch->last_time_ns,
                                            .digest = batch->last_digest};
    record->rows += batch->rows;
    record_batch_clear(batch);
    record->writing = NULL;
    return 1;
}

static size_t follow(struct record *record, uint64_t now_ns)
{
    size_t done = record->writing != NULL ? write_on(record, now_ns) : 0;
    if (record->phase != RECORD_FOLLOWING || now_ns < record->again_ns)
        return done;
    done += gather(record);
    if (record->writing != NULL)
        return done;
    if (record_batch_complete(record->filling)) {
        send_off(record);
        return done + write_on(record, now_ns);
    }
    if (done == 0)
        look_at_the_cursor(record, now_ns);
    return done;
}

size_t record_do_work(struct record *record, uint64_t now_ns)
{
    size_t done = 0;
    if (now_ns >= record->again_ns) {
        if (record->phase == RECORD_WAITING)
            done = begin(record, now_ns);
        else if (record->phase == RECORD_PROVING)
            done = prove(record, now_ns);
        else if (record->phase == RECORD_FOLLOWING)
            done = follow(record, now_ns);
    }
    show_position(record, now_ns);
    look_at_the_backlog(record, now_ns);
    return done;
}

void record_wait(struct record *record, uint64_t now_ns)
{
    if (record->phase == RECORD_STOPPED)
        return;
    if (now_ns < record->again_ns || !record->follower)
        poll(NULL, 0, WAIT_MS);
    else if (record->writing != NULL)
        record_store_wait(record->store, WAIT_FOR_SERVER_MS);
    else
        follower_wait(record->follower, WAIT_MS);
}
