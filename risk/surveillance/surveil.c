#include "risk/surveillance/surveil.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/memfile.h"

enum {
    POLL_EVENTS = 512,
    BATCH_EVENTS = 32768,
    BATCH_ALERTS = 256,
    WAIT_MS = 100,
};
static const uint64_t SAY_AGAIN_NS = 10000000000ULL, CURSOR_NS = 1000000000ULL;

bool surveil_init(struct surveil *surveil, const struct boot *boot,
                  const struct pg_settings *settings)
{
    memset(surveil, 0, sizeof *surveil);
    surveil->boot = boot;
    surveil->batch_events = BATCH_EVENTS;
    surveil->batch_alerts = BATCH_ALERTS;
    if (reader_page_open(&surveil->page, boot->reader_page_fd[boot->process]) != 0)
        return false;
    state_folder(surveil->folder, &boot->config, "surveil");
    surveil->store = surveil_store_open(settings);
    return true;
}

void surveil_fini(struct surveil *surveil)
{
    follower_close(surveil->follower);
    surveil_store_close(surveil->store);
    surveillance_destroy(surveil->surveillance);
    free(surveil->alerts);
    memfile_unmap(surveil->page, sizeof *surveil->page);
}

// follower_poll shows what was read; what counts for lag is what is committed.
static void show_position(struct surveil *surveil, uint64_t now_ns)
{
    atomic_store_explicit(&surveil->page->position_seq, surveil->cursor.sequence,
                          memory_order_relaxed);
    atomic_store_explicit(&surveil->page->heartbeat_ns, now_ns, memory_order_relaxed);
    reader_page_tell(surveil->page,
                     surveil->database_lost ? TROUBLE_DATABASE_UNAVAILABLE : TROUBLE_NONE);
}

static void stop(struct surveil *surveil, enum surveil_stop why)
{
    surveil->phase = SURVEIL_STOPPED;
    surveil->stop = why;
}

// ---- the database

// It cannot be used now: says so once, then every ten seconds.
static void wait_for_database(struct surveil *surveil, uint64_t now_ns)
{
    surveil->again_ns = now_ns + (uint64_t)surveil_store_wait_ms(surveil->store) * 1000000;
    if (surveil->database_lost && now_ns - surveil->said_ns < SAY_AGAIN_NS)
        return;
    surveil->database_lost = true;
    surveil->said_ns = now_ns;
    log_warning("database cannot be used, the tape keeps the backlog reason=\"%s\" sequence=%llu "
                "alerts=%zu",
                surveil_store_reason(surveil->store), (unsigned long long)surveil->cursor.sequence,
                surveil->alert_count);
}

static void database_is_back(struct surveil *surveil)
{
    if (surveil->database_lost)
        log_info("database can be used again sequence=%llu",
                 (unsigned long long)surveil->cursor.sequence);
    surveil->database_lost = false;
}

static void begin_again(struct surveil *surveil)
{
    follower_close(surveil->follower);
    surveil->follower = NULL;
    surveillance_destroy(surveil->surveillance);
    surveil->surveillance = NULL;
    surveil->alert_count = 0;
    surveil->unwritten = false;
    surveil->phase = SURVEIL_WAITING;
}

// What is to be done with the result of a call of the store. True = SURVEIL_OK.
static bool store_is_good(struct surveil *surveil, enum surveil_result result, uint64_t now_ns)
{
    switch (result) {
    case SURVEIL_OK:
        database_is_back(surveil);
        return true;
    case SURVEIL_RETRY:
        wait_for_database(surveil, now_ns);
        return false;
    case SURVEIL_REWIND:
        log_warning("beginning again at the database's cursor reason=\"%s\"",
                    surveil_store_reason(surveil->store));
        begin_again(surveil);
        return false;
    case SURVEIL_BROKEN:
        log_error("the database refuses reason=\"%s\"", surveil_store_reason(surveil->store));
        stop(surveil, SURVEIL_STOP_BROKEN);
        return false;
    }
    ASSERT(false);
}

// ---- beginning

static size_t begin(struct surveil *surveil, uint64_t now_ns)
{
    struct surveil_cursor *cursor = &surveil->cursor;
    if (!store_is_good(surveil, surveil_store_begin(surveil->store, cursor), now_ns))
        return 0;
    surveil->surveillance = surveillance_create(&surveil->boot->config);
    if (surveil->surveillance == NULL) {
        log_error("not enough memory for the limits of the configuration");
        stop(surveil, SURVEIL_STOP_REFUSED);
        return 0;
    }
    surveil->facts = (struct facts_mark){0};
    if (cursor->day_first > 1 && !surveil->facts_refused)
        facts_file_load(surveil->folder, surveil->surveillance, &surveil->facts,
                        cursor->day_first - 1);
    uint64_t from = surveil->facts.sequence;
    surveil->follower = follower_open(surveil->boot, from > 0 ? from - 1 : 0);
    if (surveil->follower == NULL) {
        stop(surveil, SURVEIL_STOP_BROKEN);
        return 0;
    }
    surveil->reached = (struct surveil_cursor){.sequence = from > 0 ? from - 1 : 0};
    surveil->inside = false;
    surveil->wrote_ns = now_ns;
    surveil->phase = cursor->sequence > 0 ? SURVEIL_WARMING : SURVEIL_FOLLOWING;
    log_info("begins cursor=%llu day=%llu facts=%llu", (unsigned long long)cursor->sequence,
             (unsigned long long)cursor->day_first, (unsigned long long)from);
    return 1;
}

static void refuse(struct surveil *surveil, const char *why)
{
    log_error("refused: %s; the database belongs to another venue, or the journal was cut: name "
              "the right database, or begin anew with SELECT surveil.look_again() cursor=%llu "
              "durable=%llu",
              why, (unsigned long long)surveil->cursor.sequence,
              (unsigned long long)follower_durable_seq(surveil->follower));
    stop(surveil, SURVEIL_STOP_REFUSED);
}

static bool cursor_is_above_the_venue(const struct surveil *surveil)
{
    const struct event_ring_control *core = follower_core(surveil->follower);
    return atomic_load_explicit(&core->core_state, memory_order_acquire) == CORE_RUNNING &&
           follower_durable_seq(surveil->follower) < surveil->cursor.sequence;
}

// At the facts' last command, and at the cursor: are they this venue's?
static void prove(struct surveil *surveil)
{
    uint64_t sequence = surveil->reached.sequence;
    if (sequence == surveil->facts.sequence && surveil->digest != surveil->facts.digest) {
        log_warning("the facts file is another journal's: reading from the first event");
        surveil->facts_refused = true;
        begin_again(surveil);
    } else if (sequence == surveil->cursor.sequence &&
               surveil->reached.digest != surveil->cursor.digest) {
        refuse(surveil, "the events at the database's cursor are not this venue's");
    } else if (sequence == surveil->cursor.sequence) {
        surveil->phase = SURVEIL_FOLLOWING;
        log_info("following behind sequence=%llu", (unsigned long long)sequence);
    }
}

// ---- events

static void keep(struct surveil *surveil, const struct surveillance_alert *alert)
{
    if (surveil->alert_count == surveil->alerts_max) {
        surveil->alerts_max = surveil->alerts_max == 0 ? 64 : surveil->alerts_max * 2;
        surveil->alerts = realloc(surveil->alerts, surveil->alerts_max * sizeof *surveil->alerts);
        ASSERT(surveil->alerts != NULL);
    }
    surveil->alerts[surveil->alert_count++] = *alert;
    log_info("alert detector=%s sequence=%llu instrument=%u member=%u account=%u",
             surveillance_detector_name((enum surveillance_detector)alert->detector),
             (unsigned long long)alert->sequence, alert->instrument, alert->member, alert->account);
}

static void save_facts(struct surveil *surveil)
{
    const struct facts_mark mark = {.sequence = surveil->reached.sequence,
                                    .time_ns = surveil->reached.time_ns,
                                    .digest = surveil->reached.digest};
    if (mark.sequence == 0 || mark.sequence == surveil->facts.sequence)
        return;
    int result = facts_file_save(surveil->folder, surveil->surveillance, &mark);
    if (result != 0) // a restart will take longer
        log_warning("facts cannot be saved folder=%s error=%s", surveil->folder, strerror(-result));
}

static void apply(struct surveil *surveil, const struct event *event)
{
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX];
    if (event->header.sequence == surveil->facts.sequence)
        return; // the facts contain it
    if (surveillance_begins_day(surveil->surveillance, event))
        save_facts(surveil);
    size_t count = surveillance_apply(surveil->surveillance, event, alerts);
    for (size_t i = 0; i < count && event->header.sequence > surveil->cursor.sequence; i++)
        keep(surveil, &alerts[i]);
}

// False: what is read from now on must not be applied (the phase has changed).
static bool take(struct surveil *surveil, const struct event *event)
{
    enum surveil_phase phase = surveil->phase;
    surveil->digest = digest_record(surveil->inside ? surveil->digest : 0, event);
    surveil->inside = !event->header.last;
    apply(surveil, event);
    if (surveil->inside)
        return true;
    surveil->reached =
        (struct surveil_cursor){.sequence = event->header.sequence,
                                .time_ns = event->header.time_ns,
                                .digest = surveil->digest,
                                .day_first = surveillance_day_first(surveil->surveillance)};
    if (phase == SURVEIL_WARMING)
        prove(surveil);
    return surveil->phase == phase || surveil->phase == SURVEIL_FOLLOWING;
}

// Reads until the batch is full and ends with a whole command, or there are no more now.
static size_t gather(struct surveil *surveil)
{
    struct event events[POLL_EVENTS];
    size_t gathered = 0;
    while (surveil->inside ||
           (gathered < surveil->batch_events && surveil->alert_count < surveil->batch_alerts)) {
        size_t max = surveil->batch_events < POLL_EVENTS ? surveil->batch_events : POLL_EVENTS;
        size_t count = follower_poll(surveil->follower, events, max);
        for (size_t i = 0; i < count; i++)
            if (!take(surveil, &events[i]))
                return gathered + i + 1;
        gathered += count;
        if (count == 0)
            break;
    }
    return gathered;
}

static void say_untracked(struct surveil *surveil, uint64_t now_ns)
{
    uint64_t untracked = surveillance_untracked(surveil->surveillance);
    if (untracked == surveil->untracked || now_ns - surveil->said_ns < SAY_AGAIN_NS)
        return;
    surveil->said_ns = now_ns;
    surveil->untracked = untracked;
    log_warning("surveil.pairs_max is too small: some members are not looked at count=%llu",
                (unsigned long long)untracked);
}

static size_t warm(struct surveil *surveil, uint64_t now_ns)
{
    size_t gathered = gather(surveil);
    if (gathered > 0 || surveil->phase != SURVEIL_WARMING)
        return gathered + 1;
    if (cursor_is_above_the_venue(surveil)) {
        refuse(surveil, "the database's cursor is above the venue's sequence");
    } else if (now_ns - surveil->said_ns >= SAY_AGAIN_NS) {
        surveil->said_ns = now_ns;
        log_info("waiting for the tape to reach the cursor=%llu",
                 (unsigned long long)surveil->cursor.sequence);
    }
    return 0;
}

// Alerts are written at once, the cursor alone once a second.
static bool is_to_be_written(const struct surveil *surveil, uint64_t now_ns)
{
    if (surveil->inside || surveil->reached.sequence == surveil->cursor.sequence)
        return false;
    return surveil->unwritten || surveil->alert_count > 0 ||
           now_ns - surveil->wrote_ns >= CURSOR_NS;
}

// Nothing happens in the venue: a cursor that was moved, or a server that went away, is noticed.
static void look_at_the_cursor(struct surveil *surveil, uint64_t now_ns)
{
    if (surveil->inside || surveil->reached.sequence != surveil->cursor.sequence ||
        now_ns - surveil->wrote_ns < CURSOR_NS)
        return;
    surveil->wrote_ns = now_ns;
    (void)store_is_good(surveil, surveil_store_check(surveil->store), now_ns);
}

static size_t follow(struct surveil *surveil, uint64_t now_ns)
{
    // A batch that may have been committed is written again as it was, so that the cursor can tell.
    size_t gathered = surveil->unwritten ? 0 : gather(surveil);
    say_untracked(surveil, now_ns);
    if (!is_to_be_written(surveil, now_ns)) {
        look_at_the_cursor(surveil, now_ns);
        return gathered;
    }
    surveil->unwritten = true;
    if (!store_is_good(surveil,
                       surveil_store_write(surveil->store, surveil->alerts, surveil->alert_count,
                                           &surveil->reached),
                       now_ns))
        return gathered;
    surveil->unwritten = false;
    surveil->cursor = surveil->reached;
    surveil->alert_count = 0;
    surveil->wrote_ns = now_ns;
    return gathered + 1;
}

size_t surveil_do_work(struct surveil *surveil, uint64_t now_ns)
{
    size_t done = 0;
    if (now_ns >= surveil->again_ns) {
        if (surveil->phase == SURVEIL_WAITING)
            done = begin(surveil, now_ns);
        else if (surveil->phase == SURVEIL_WARMING)
            done = warm(surveil, now_ns);
        else if (surveil->phase == SURVEIL_FOLLOWING)
            done = follow(surveil, now_ns);
    }
    show_position(surveil, now_ns);
    return done;
}

void surveil_wait(struct surveil *surveil, uint64_t now_ns)
{
    if (surveil->phase == SURVEIL_STOPPED)
        return;
    if (now_ns < surveil->again_ns || surveil->follower == NULL)
        poll(NULL, 0, WAIT_MS);
    else
        follower_wait(surveil->follower, WAIT_MS);
}
