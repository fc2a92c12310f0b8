// lonja-settle: started by the supervisor, without arguments. With words it is a tool: see the
// usage.
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/memfile.h"
#include "core/numbered_file.h"
#include "settlement/settle_core_link.h"
#include "settlement/settle_netting_option.h"
#include "settlement/settle_process.h"
#include "settlement/settle_rebuild.h"

static const char USAGE[] = "Usage: lonja settle rebuild|netting [--help | OPTION…]\n"
                            "\n"
                            "  rebuild  writes the rows of settlement again from the chain, when "
                            "their database is lost; with\n"
                            "           --verify it only says where chain and database differ\n"
                            "  netting  which tokens' trades are netted, and why not\n"
                            "\n"
                            "The worker itself is started by `lonja up`.\n"
                            "\n"
                            "Exit status: 0 done, 1 not done or differences, 2 bad arguments.\n";

static void drain(void *context)
{
    settle_core_link_drain(context);
}

static int run_worker(const struct boot *boot)
{
    sigset_t set;

    // Before the link's thread exists: it must not take the signals that end the process.
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ASSERT(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct settle_core_link *link = settle_core_link_open(boot);
    if (link == NULL)
        return 1;
    struct settle_process_core core = {.ops = settle_core_link_ops(link),
                                       .fd = settle_core_link_fd(link),
                                       .drain = drain,
                                       .context = link};
    if (reader_page_open(&core.page, boot->reader_page_fd[PROCESS_SETTLE]) != 0)
        core.page = NULL;
    int status = settle_process_run(&boot->config, &core);
    if (core.page != NULL)
        memfile_unmap(core.page, sizeof *core.page);
    settle_core_link_close(link);
    return status;
}

static bool asks_help(int count, char **words)
{
    for (int i = 1; i < count; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return true;
    return false;
}

static int run_tool(int count, char **words)
{
    char tape[NUMBERED_PATH_BYTES];
    bool rebuilds = strcmp(words[1], "rebuild") == 0;
    bool nets = strcmp(words[1], "netting") == 0;

    if (asks_help(count, words)) {
        fputs(rebuilds ? settle_rebuild_usage : nets ? settle_netting_usage : USAGE, stdout);
        return 0;
    }
    if (!rebuilds && !nets) {
        fputs(USAGE, stderr);
        return 2;
    }
    const struct boot *boot = boot_inherit(PROCESS_SETTLE);
    if (nets)
        return settle_netting_option(&boot->config, count - 2, words + 2);
    state_folder(tape, &boot->config, "tape");
    return settle_rebuild(&boot->config, tape, count - 2, words + 2);
}

int main(int count, char **words)
{
    log_open("settle");
    return count > 1 ? run_tool(count, words) : run_worker(boot_inherit(PROCESS_SETTLE));
}
