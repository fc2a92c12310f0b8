// lonja-surveil: signals of market abuse, from the tape to Postgres. Exit: 0 stopped by SIGTERM, 2
// refused (another venue's database), 1 the database refuses the rows.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/log.h"
#include "risk/surveillance/surveil.h"

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

static int run(struct surveil *surveil)
{
    static const int statuses[] = {
        [SURVEIL_STOP_NONE] = 0, [SURVEIL_STOP_REFUSED] = 2, [SURVEIL_STOP_BROKEN] = 1};
    while (!stopping && surveil->phase != SURVEIL_STOPPED)
        if (surveil_do_work(surveil, clock_monotone_ns(&clock_system)) == 0)
            surveil_wait(surveil, clock_monotone_ns(&clock_system));
    return statuses[surveil->stop];
}

int main(void)
{
    const struct boot *boot = boot_inherit(PROCESS_SURVEIL);
    log_open(process_name(PROCESS_SURVEIL));
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_late;
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct pg_settings settings;
    struct surveil surveil;
    pg_settings_of(&settings, &boot->config, "lonja_surveil");
    if (!surveil_init(&surveil, boot, &settings)) {
        log_error("cannot map the reader page");
        return 1;
    }
    int status = run(&surveil);
    log_info("stopped sequence=%llu status=%d", (unsigned long long)surveil.cursor.sequence,
             status);
    surveil_fini(&surveil);
    return status;
}
