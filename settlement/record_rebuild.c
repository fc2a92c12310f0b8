// Happy path: as lonja_owner, forget the record unless a rebuild is under way; then work as a
// recorder does, and look once a second how far the cursor is: ours, or that of whoever holds the
// lock.
#include "settlement/record_rebuild.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/tape_reader.h"
#include "settlement/record.h"

enum { EXIT_DONE = 0, EXIT_NOT_DONE = 1, FORGET_TIMEOUT_MS = 120000 };
static const uint64_t SECOND_NS = 1000000000;

struct rebuild {
    struct pg *owner;
    struct record record;
    uint64_t sequence, target; // recorded; the tape's last
    uint64_t begin_ns, begin_sequence;
    uint64_t said_ns;
    bool watches; // another recorder writes
};

static int complain(const struct pg *pg, const char *what)
{
    const struct pg_error *error = pg_last_error(pg);
    fprintf(stderr, "lonja record: %s: %s %s\n", what, error->sqlstate, error->message);
    return EXIT_NOT_DONE;
}

static struct pg *open_owner(const struct boot *boot)
{
    struct pg_settings settings;
    pg_settings_of(&settings, &boot->config, "lonja_owner");
    settings.statement_timeout_ms = FORGET_TIMEOUT_MS;
    return pg_open(&settings);
}

static enum pg_class read_cursor(struct pg *owner, uint64_t *sequence, uint64_t *rebuild_to)
{
    struct pg_rows *rows;
    enum pg_class class =
        pg_query(owner, &rows, "SELECT sequence, rebuild_to FROM record.cursor", PG_NO_PARAMS);
    if (class != PG_OK)
        return class;
    *sequence = pg_rows_count(rows) == 1 ? (uint64_t)pg_number(rows, 0, 0) : 0;
    *rebuild_to = pg_rows_count(rows) == 1 ? (uint64_t)pg_number(rows, 0, 1) : 0;
    pg_rows_free(rows);
    return PG_OK;
}

// Empties the record, or finds that a rebuild has been begun before.
static int begin(struct rebuild *rebuild, bool anew)
{
    uint64_t rebuild_to = 0;
    if (read_cursor(rebuild->owner, &rebuild->sequence, &rebuild_to) != PG_OK)
        return complain(rebuild->owner, "the record's cursor");
    uint64_t before = rebuild_to < rebuild->target ? rebuild_to : rebuild->target;
    if (!anew && rebuild->sequence < before) {
        printf("a rebuild was begun before: it goes on at %" PRIu64 " (--anew begins again)\n",
               rebuild->sequence);
    } else {
        if (pg_execute(rebuild->owner, "SELECT record.forget()") != PG_OK)
            return complain(rebuild->owner, "record.forget()");
        printf("the record is forgotten; it is written again up to %" PRIu64 "\n", rebuild->target);
        rebuild->sequence = 0;
    }
    fflush(stdout);
    rebuild->begin_sequence = rebuild->sequence;
    return EXIT_DONE;
}

static void say(const struct rebuild *rebuild, uint64_t now_ns)
{
    double seconds = (double)(now_ns - rebuild->begin_ns) * 1e-9;
    double rate = seconds > 0 ? (double)(rebuild->sequence - rebuild->begin_sequence) / seconds : 0;
    uint64_t left = rebuild->target > rebuild->sequence ? rebuild->target - rebuild->sequence : 0;
    printf("recorded %" PRIu64 " of %" PRIu64 " (%.1f %%), %.0f commands/s", rebuild->sequence,
           rebuild->target, 100.0 * (double)rebuild->sequence / (double)rebuild->target, rate);
    if (!rebuild->watches && seconds > 0)
        printf(", %.0f rows/s", (double)rebuild->record.rows / seconds);
    if (left > 0 && rate > 0)
        printf(", %.0f s left", (double)left / rate);
    printf("%s\n", rebuild->watches ? ", by the venue's recorder" : "");
    fflush(stdout);
}

// How far it is, by whoever writes.
static void look(struct rebuild *rebuild, uint64_t now_ns)
{
    uint64_t unused;
    rebuild->watches = rebuild->record.phase == RECORD_WAITING;
    if (!rebuild->watches)
        rebuild->sequence = rebuild->record.cursor.sequence;
    else if (read_cursor(rebuild->owner, &rebuild->sequence, &unused) != PG_OK)
        (void)complain(rebuild->owner, "the record's cursor");
    if (rebuild->sequence < rebuild->begin_sequence) // it was forgotten once more
        rebuild->begin_sequence = rebuild->sequence;
    rebuild->said_ns = now_ns;
    say(rebuild, now_ns);
}

static int end_of(const struct rebuild *rebuild)
{
    if (rebuild->record.stop == RECORD_STOP_REFUSED)
        return 2;
    if (rebuild->sequence >= rebuild->target) {
        printf("done\n");
        return EXIT_DONE;
    }
    printf("stopped at %" PRIu64 "; the same command goes on there\n", rebuild->sequence);
    return EXIT_NOT_DONE;
}

static int run(struct rebuild *rebuild, const volatile sig_atomic_t *stopping)
{
    struct record *record = &rebuild->record;
    rebuild->begin_ns = rebuild->said_ns = clock_monotone_ns(&clock_system);
    while (!*stopping && record->phase != RECORD_STOPPED && rebuild->sequence < rebuild->target) {
        uint64_t now_ns = clock_monotone_ns(&clock_system);
        if (record_do_work(record, now_ns) == 0)
            record_wait(record, now_ns);
        if (record->phase != RECORD_WAITING)
            rebuild->sequence = record->cursor.sequence;
        if (now_ns - rebuild->said_ns >= SECOND_NS)
            look(rebuild, now_ns);
    }
    say(rebuild, clock_monotone_ns(&clock_system));
    return end_of(rebuild);
}

int record_rebuild(const struct boot *boot, bool anew, const volatile sig_atomic_t *stopping)
{
    static struct rebuild rebuild;
    struct pg_settings settings;
    char folder[NUMBERED_PATH_BYTES];
    memset(&rebuild, 0, sizeof rebuild);
    state_folder(folder, &boot->config, "tape");
    rebuild.target = tape_reader_last_sequence(folder);
    if (rebuild.target == 0) {
        fprintf(stderr, "lonja record: there is no tape in %s\n", folder);
        return EXIT_NOT_DONE;
    }
    rebuild.owner = open_owner(boot);
    pg_settings_of(&settings, &boot->config, "lonja_record");
    int status = begin(&rebuild, anew);
    if (status == EXIT_DONE && !record_init(&rebuild.record, boot, &settings))
        status = EXIT_NOT_DONE;
    else if (status == EXIT_DONE) {
        status = run(&rebuild, stopping);
        record_fini(&rebuild.record);
    }
    pg_close(rebuild.owner);
    return status;
}

int record_digest(const struct boot *boot)
{
    struct pg *owner = open_owner(boot);
    struct pg_rows *rows;
    int status = EXIT_DONE;
    if (pg_query(owner, &rows, "SELECT name, count, digest FROM record.digest()", PG_NO_PARAMS) !=
        PG_OK)
        status = complain(owner, "record.digest()");
    for (size_t i = 0; status == EXIT_DONE && i < pg_rows_count(rows); i++)
        printf("%-20s %12s %s\n", pg_value(rows, i, 0), pg_value(rows, i, 1), pg_value(rows, i, 2));
    if (status == EXIT_DONE)
        pg_rows_free(rows);
    pg_close(owner);
    return status;
}
