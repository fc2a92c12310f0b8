// lonja-admin: REST for operators on its own port. See README.md. Started by hand it is the command
// line
// (`lonja admin …`): lonja-admin-cli beside it.
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/admin/admin.h"

enum { WORKER_QUEUE_MAX = 64, DATABASE_TIMEOUT_MS = 5000, FIRST_LOGIN_MS = 1000 };

static int command_line(char **arguments)
{
    char path[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", path, sizeof path - sizeof "-cli");
    if (bytes > 0) {
        strcpy(path + bytes, "-cli");
        arguments[0] = path;
        execv(path, arguments);
    }
    perror("lonja-admin-cli");
    return 1;
}

static void on_terminate(void *context)
{
    struct admin *admin = context;
    log_info("stopping");
    admin->stopping = true;
    desk_stop(admin->desk);
    loop_stop(admin->loop);
}

static void make_first_login(void *context)
{
    first_login_make(context);
}

static void nothing(void *context)
{
    (void)context;
}

// Until the first administrator is there, once a second, by the worker that owns the connection.
static void on_second(void *context)
{
    struct admin *admin = context;
    if (!admin->first_login_made &&
        !workers_submit(admin->workers, make_first_login, nothing, admin))
        log_debug("the worker is busy");
}

static bool start(struct admin *admin)
{
    struct pg_settings settings;
    pg_settings_of(&settings, &admin->boot->config, "lonja_admin");
    settings.statement_timeout_ms = DATABASE_TIMEOUT_MS;
    admin->pg = pg_open(&settings);
    admin->loop = loop_create();
    if (!admin->loop)
        return false;
    admin->workers = workers_open(admin->loop, 1, WORKER_QUEUE_MAX);
    admin->desk = desk_open(admin->boot, admin->loop);
    admin->pages = pages_load(admin->boot->config.admin_pages_folder, "desk");
    return admin->workers && admin->desk &&
           loop_every(admin->loop, FIRST_LOGIN_MS, on_second, admin) &&
           loop_on_signal(admin->loop, SIGTERM, on_terminate, admin) &&
           loop_on_signal(admin->loop, SIGINT, on_terminate, admin) && route_open(admin);
}

int main(int argc, char **argv)
{
    static struct admin admin;
    if (argc > 1 || getenv("LONJA_BOOT_FD") == NULL)
        return command_line(argv);
    signal(SIGPIPE, SIG_IGN);
    admin.boot = boot_inherit(PROCESS_ADMIN);
    log_open(process_name(PROCESS_ADMIN));
    if (!start(&admin)) {
        log_error("cannot start address=%s port=%lld", admin.boot->config.admin_address,
                  (long long)admin.boot->config.admin_port);
        return 1;
    }
    log_info("serving address=%s port=%lld", admin.boot->config.admin_address,
             (long long)admin.boot->config.admin_port);
    loop_run(admin.loop);
    workers_close(admin.workers);
    http_close(admin.http);
    desk_close(admin.desk);
    audit_flush(&admin);
    pg_close(admin.pg);
    json_decref(admin.audits_waiting);
    pages_free(admin.pages);
    log_info("stopped");
    return 0;
}
