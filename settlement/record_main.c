// lonja-record: the tape to Postgres, exactly once. Exit: 0 stopped by SIGTERM, 2 refused (another
// venue's database), 1 the database refuses the rows.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/log.h"
#include "settlement/record.h"

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

int main(void)
{
    const struct boot *boot = boot_inherit(PROCESS_RECORD);
    log_open(process_name(PROCESS_RECORD));
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_late;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct pg_settings settings;
    struct record record;
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
