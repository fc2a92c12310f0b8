// lonja-settle: started by the supervisor, without arguments.
#include <signal.h>
#include <stddef.h>

#include "base/log.h"
#include "settlement/settle_core_link.h"
#include "settlement/settle_process.h"

static void drain(void *context)
{
    settle_core_link_drain(context);
}

int main(void)
{
    sigset_t set;

    log_open("settle");
    const struct boot *boot = boot_inherit(PROCESS_SETTLE);
    // Before the link's thread exists: it must not take the signals that end the process.
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct settle_core_link *link = settle_core_link_open(boot);
    if (link == NULL)
        return 1;
    const struct settle_process_core core = {.ops = settle_core_link_ops(link),
                                             .fd = settle_core_link_fd(link),
                                             .drain = drain,
                                             .context = link};
    int status = settle_process_run(&boot->config, &core);
    settle_core_link_close(link);
    return status;
}
