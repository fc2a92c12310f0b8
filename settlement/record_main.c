// lonja-record: the tape to Postgres, exactly once. Exit: 0 stopped by SIGTERM, 2 refused (another
// venue's database), 1 the database refuses the rows. With words it is a tool: see the usage.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/log.h"
#include "settlement/record.h"
#include "settlement/record_rebuild.h"

static const char USAGE[] =
    "Usage: lonja record rebuild [--anew] [--config FILE]\n"
    "       lonja record digest [--config FILE]\n"
    "\n"
    "  rebuild  forgets the record in Postgres and writes it again from the tape, with its "
    "progress; whether\n"
    "           the venue runs or not. Interrupted, the same command goes on; --anew begins again. "
    "What\n"
    "           settlement knows of its trades stays. (The tape itself is rebuilt from the "
    "journal.)\n"
    "  digest   one line per table: rows, and a digest of them whatever their order. Two records "
    "of one venue\n"
    "           at the same sequence are equal, row by row, if all lines are\n"
    "\n"
    "The configuration is --config FILE, else $LONJA_CONFIG, else var/lonja.conf. Both use the "
    "password of\n"
    "lonja_owner in postgres.secrets_folder.\n"
    "\n"
    "Exit status: 0 done, 1 not done (the reason is said), 2 bad arguments, or another venue's "
    "database.\n";

static volatile sig_atomic_t stopping;

enum { STOP_SECONDS_MAX = 1 };

static void on_stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
    alarm(STOP_SECONDS_MAX);
}

// We wait for a Postgres that does not answer. Nothing is lost by ending here: what was not committed is
// written again by our successor.
static void on_late(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static int run(struct record *record)
{
    static const int statuses[] = {
        [RECORD_STOP_NONE] = 0, [RECORD_STOP_REFUSED] = 2, [RECORD_STOP_BROKEN] = 1};
    while (!stopping && record->phase != RECORD_STOPPED)
        if (record_do_work(record, clock_monotone_ns(&clock_system)) == 0)
            record_wait(record, clock_monotone_ns(&clock_system));
    return statuses[record->stop];
}

static int record_follow(const struct boot *boot)
{
    static struct record record;
    struct sigaction late = {.sa_handler = on_late};
    sigaction(SIGALRM, &late, NULL);
    struct pg_settings settings;
    pg_settings_of(&settings, &boot->config, "lonja_record");
    if (!record_init(&record, boot, &settings)) {
        log_error("cannot map the reader page");
        return 1;
    }
    int status = run(&record);
    log_info("stopped recorded=%llu status=%d", (unsigned long long)record.cursor.sequence, status);
    record_fini(&record);
    return status;
}

static bool is(const char *word, const char *one)
{
    return word != NULL && strcmp(word, one) == 0;
}

static int usage(FILE *out, int status)
{
    fputs(USAGE, out);
    return status;
}

int main(int count, char **words)
{
    const char *word = words[1], *option = word != NULL ? words[2] : NULL;
    bool rebuilds = is(word, "rebuild") && (option == NULL || is(option, "--anew")) && count <= 3;
    bool digests = is(word, "digest") && option == NULL;
    if (is(word, "--help") || is(word, "-h") || is(option, "--help") || is(option, "-h"))
        return usage(stdout, 0);
    if (word != NULL && !rebuilds && !digests)
        return usage(stderr, 2);
    const struct boot *boot = boot_inherit(PROCESS_RECORD);
    log_open(process_name(PROCESS_RECORD));
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (rebuilds)
        return record_rebuild(boot, option != NULL, &stopping);
    return digests ? record_digest(boot) : record_follow(boot);
}
