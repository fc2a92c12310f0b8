/* lonja-index: started by the supervisor, without arguments. With words it is a tool: see
 * index_verify.h. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "chain/index_core_link.h"
#include "chain/index_process.h"
#include "chain/index_verify.h"

static void drain(void *context)
{
    index_core_link_drain(context);
}

int main(int count, char **words)
{
    sigset_t set;
    if (count > 1)
        return index_verify_main(count, words);
    log_open("index");
    const struct boot *boot = boot_inherit(PROCESS_INDEX);
    signal(SIGPIPE, SIG_IGN);
    /* Before there is a thread: none but the main one takes the signals that end the process. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct index_core_link *link = index_core_link_open(boot);
    if (link == NULL)
        return 1;
    struct index_core_ops core = index_core_link_ops(link);
    int status = index_process_run(boot, &core, index_core_link_fd(link), drain, link);
    index_core_link_close(link);
    return status;
}
