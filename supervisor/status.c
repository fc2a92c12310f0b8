#include "supervisor/status.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervisor/atomic_file.h"

static const char FILE_NAME[] = "status.json";
enum { EXIT_WELL = 0, EXIT_NOT_WELL = 1, EXIT_NO_VENUE = 3, BEHIND_S_MIN = 2 };

// ---- taking ------------------------------------------------------------------------------------------

static const char *venue_state_name(uint32_t state)
{
    switch (state) {
    case VENUE_CANCEL_ONLY:
        return "cancel_only";
    case VENUE_OPEN:
        return "open";
    default:
        return "unknown";
    }
}

static void take_reader(struct status_process *process, struct backlog *backlog,
                        const struct reader_page *page, uint64_t durable_seq, uint64_t now_ns)
{
    uint64_t position_seq = atomic_load_explicit(&page->position_seq, memory_order_relaxed);
    uint64_t heartbeat_ns = atomic_load_explicit(&page->heartbeat_ns, memory_order_relaxed);
    process->reads = true;
    process->trouble = trouble_name(atomic_load_explicit(&page->trouble, memory_order_relaxed));
    backlog_note(backlog, durable_seq, position_seq, now_ns);
    process->backlog = backlog_figures(backlog);
    process->heartbeat_age_ms =
        heartbeat_ns == 0 ? -1 : now_ns < heartbeat_ns ? 0 : (int64_t)((now_ns - heartbeat_ns) / 1000000);
}

static void take_process(struct status_process *process, const struct child *child)
{
    process->state = child->state;
    process->pid = (int)child->pid;
    process->incarnation = child->incarnation;
    process->restarts = child->restarts;
    process->heartbeat_age_ms = -1;
    if (child->ever_started && (child->restarts > 0 || child->state != CHILD_RUNNING))
        child_describe_end(child, process->last_end, sizeof process->last_end);
}

static const char *replica_state_name(const struct event_ring_control *core, bool standby)
{
    uint32_t standbys = atomic_load_explicit(&core->standbys, memory_order_relaxed);
    if (standby)
        return standbys > 0 ? "following" : "alone";
    switch (atomic_load_explicit(&core->replica_verdict, memory_order_relaxed)) {
    case REPLICA_DEGRADED:
        return "degraded";
    case REPLICA_FENCED:
        return "fenced";
    default:
        return standbys > 0 ? "followed" : "alone";
    }
}

static void take_replication(struct status *status, const struct event_ring_control *core, bool standby)
{
    static const char *const modes[] = {"off", "async", "sync"};
    uint32_t mode = atomic_load_explicit(&core->replication_mode, memory_order_relaxed);
    status->role = standby ? "standby" : "primary";
    status->replication = mode < sizeof modes / sizeof modes[0] ? modes[mode] : "unknown";
    status->replica_state = replica_state_name(core, standby);
    status->standbys = atomic_load_explicit(&core->standbys, memory_order_relaxed);
    status->journal_seq = atomic_load_explicit(&core->journal_seq, memory_order_relaxed);
    status->replicated_seq = atomic_load_explicit(&core->replicated_seq, memory_order_relaxed);
}

void status_take(struct status *status, struct backlog backlogs[PROCESS_COUNT],
                 const struct child children[PROCESS_COUNT], const struct venue_memory *memory,
                 uint64_t now_ns)
{
    const struct event_ring_control *core = memory->core;
    memset(status, 0, sizeof *status);
    // Each word is read for itself: this is a picture for people, nothing is decided by it.
    status->core_state = core_state_name(atomic_load_explicit(&core->core_state, memory_order_relaxed));
    status->venue_state = venue_state_name(atomic_load_explicit(&core->venue_state, memory_order_relaxed));
    status->epoch = atomic_load_explicit(&core->epoch, memory_order_relaxed);
    status->sequence = atomic_load_explicit(&core->applied_seq, memory_order_relaxed);
    status->durable_seq = atomic_load_explicit(&core->durable_seq, memory_order_relaxed);
    status->journal_error = atomic_load_explicit(&core->journal_error, memory_order_relaxed);
    if (memory->page[PROCESS_TAPE] != NULL) {
        const struct reader_page *tape = memory->page[PROCESS_TAPE];
        status->snapshot_seq = atomic_load_explicit(&tape->snapshot_seq, memory_order_relaxed);
        status->snapshots_failed =
            atomic_load_explicit(&tape->snapshots_failed, memory_order_relaxed);
    }
    bool standby = children[PROCESS_STANDBY].state != CHILD_ABSENT;
    const struct child *leader = &children[standby ? PROCESS_STANDBY : PROCESS_CORE];
    take_replication(status, core, standby);
    if (leader->state != CHILD_RUNNING)
        status->core_state = leader->state == CHILD_FAILED ? "failed" : "down";
    for (int i = 0; i < PROCESS_COUNT; i++) {
        take_process(&status->processes[i], &children[i]);
        if (memory->page[i] != NULL && children[i].state != CHILD_ABSENT)
            take_reader(&status->processes[i], &backlogs[i], memory->page[i], status->durable_seq,
                        now_ns);
    }
}

// ---- writing -----------------------------------------------------------------------------------------

static json_t *json_of_process(const struct status_process *process)
{
    json_t *object = json_pack("{s:s, s:i, s:I, s:I, s:s}", "state", child_state_name(process->state),
                               "pid", process->pid, "incarnation", (json_int_t)process->incarnation,
                               "restarts", (json_int_t)process->restarts, "last_end",
                               process->last_end);
    if (object != NULL && process->reads) {
        const struct backlog_figures *backlog = &process->backlog;
        json_object_set_new(object, "lag", json_integer((json_int_t)backlog->lag));
        json_object_set_new(object, "behind_s", json_integer((json_int_t)backlog->behind_s));
        json_object_set_new(object, "rate", json_integer((json_int_t)backlog->rate));
        json_object_set_new(object, "eta_s", json_integer((json_int_t)backlog->eta_s));
        json_object_set_new(object, "heartbeat_age_ms", json_integer(process->heartbeat_age_ms));
        json_object_set_new(object, "trouble",
                            process->trouble == NULL ? json_null() : json_string(process->trouble));
    }
    return object;
}

static json_t *json_of_status(const struct status *status, const char *config_path)
{
    json_t *processes = json_object();
    for (int i = 0; i < PROCESS_COUNT; i++)
        if (status->processes[i].state != CHILD_ABSENT)
            json_object_set_new(processes, process_name((enum process_id)i),
                                json_of_process(&status->processes[i]));
    json_t *replication = json_pack("{s:s, s:s, s:I, s:I, s:I}", "mode", status->replication, "state",
                                    status->replica_state, "standbys", (json_int_t)status->standbys,
                                    "journal_seq", (json_int_t)status->journal_seq, "replicated_seq",
                                    (json_int_t)status->replicated_seq);
    return json_pack("{s:i, s:I, s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "supervisor_pid",
                     (int)getpid(), "written_at", (json_int_t)time(NULL), "config", config_path,
                     "role", status->role, "replication", replication,
                     "core_state", status->core_state, "venue_state", status->venue_state, "epoch",
                     (json_int_t)status->epoch, "sequence", (json_int_t)status->sequence,
                     "durable_seq", (json_int_t)status->durable_seq, "journal_error",
                     (json_int_t)status->journal_error, "snapshot_seq",
                     (json_int_t)status->snapshot_seq, "snapshots_failed",
                     (json_int_t)status->snapshots_failed, "free_bytes", (json_int_t)status->free_bytes,
                     "low_space", status->low_space, "processes", processes);
}

int status_write(const struct status *status, int state_folder_fd, const char *config_path)
{
    json_t *object = json_of_status(status, config_path);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    if (text == NULL)
        return -ENOMEM;
    int result =
        atomic_file_write(state_folder_fd, FILE_NAME, text, strlen(text), ATOMIC_FILE_VISIBLE);
    free(text);
    return result;
}

// ---- the line ----------------------------------------------------------------------------------------

__attribute__((format(printf, 4, 5))) static void add(char *text, size_t bytes, size_t *used,
                                                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text + *used, bytes - *used, format, arguments);
    va_end(arguments);
    ASSERT(more >= 0);
    *used += (size_t)more < bytes - *used ? (size_t)more : bytes - *used - 1;
}

static void add_count(const struct status *status, char *text, size_t bytes, size_t *used)
{
    int wanted = 0, running = 0;
    for (int i = 0; i < PROCESS_COUNT; i++) {
        wanted += status->processes[i].state != CHILD_ABSENT;
        running += status->processes[i].state == CHILD_RUNNING;
    }
    add(text, bytes, used, " %d of %d run ", running, wanted);
}

// "sync: no standby, 17 wait": only where there is replication.
static void add_replication(const struct status *status, char *text, size_t bytes, size_t *used)
{
    bool standby = strcmp(status->role, "standby") == 0;
    if (standby)
        add(text, bytes, used, " standby, %s ", status->standbys > 0 ? "connected" : "NO PRIMARY");
    if (standby || strcmp(status->replication, "off") == 0)
        return;
    uint64_t behind =
        status->journal_seq > status->replicated_seq ? status->journal_seq - status->replicated_seq : 0;
    add(text, bytes, used, " %s: %s", status->replication, status->replica_state);
    if (behind > 0)
        add(text, bytes, used, ", -%" PRIu64, behind);
    add(text, bytes, used, " ");
}

void status_line(const struct status *status, char *text, size_t bytes)
{
    size_t used = 0;
    add(text, bytes, &used, " core %s  %s  epoch %" PRIu64 "  seq %" PRIu64 "  durable %" PRIu64 " ",
        status->core_state, status->venue_state, status->epoch, status->sequence, status->durable_seq);
    if (status->journal_error != 0)
        add(text, bytes, &used, " JOURNAL: %s ", strerror((int)status->journal_error));
    if (status->snapshots_failed > 0)
        add(text, bytes, &used, " SNAPSHOTS FAIL ");
    if (status->low_space)
        add(text, bytes, &used, " DISK: %" PRId64 " MB left ", status->free_bytes / 1000000);
    add_replication(status, text, bytes, &used);
    add_count(status, text, bytes, &used);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        const struct status_process *process = &status->processes[i];
        const char *name = process_name((enum process_id)i);
        if (process->state == CHILD_ABSENT)
            continue;
        if (process->state != CHILD_RUNNING) {
            add(text, bytes, &used, " %s:%s", name, child_state_name(process->state));
            continue;
        }
        if (process->trouble != NULL)
            add(text, bytes, &used, " %s:%s", name, process->trouble);
        if (process->reads && process->backlog.lag > 0)
            add(text, bytes, &used, " %s:-%" PRIu64, name, process->backlog.lag);
    }
}

// ---- lonja status ------------------------------------------------------------------------------------

static json_int_t integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *string(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "?" : text;
}

// Prints the row of one process; returns whether it runs.
static bool print_process(const char *name, const json_t *process)
{
    bool running = strcmp(string(process, "state"), "running") == 0;
    printf("%-9s %-8s %7" JSON_INTEGER_FORMAT " %11" JSON_INTEGER_FORMAT " %8" JSON_INTEGER_FORMAT,
           name, string(process, "state"), integer(process, "pid"), integer(process, "incarnation"),
           integer(process, "restarts"));
    if (json_object_get(process, "lag") != NULL)
        printf(" %8" JSON_INTEGER_FORMAT, integer(process, "lag"));
    else
        printf(" %8s", "");
    printf("  %s\n", string(process, "last_end"));
    return running;
}

// Of a reader that is behind by what one would notice.
static void print_backlog(const char *name, const json_t *process)
{
    json_int_t behind_s = integer(process, "behind_s"), eta_s = integer(process, "eta_s");
    if (integer(process, "lag") == 0 || behind_s < BEHIND_S_MIN)
        return;
    printf("%s is %" JSON_INTEGER_FORMAT " commands (%" JSON_INTEGER_FORMAT
           " s) behind, deals with %" JSON_INTEGER_FORMAT "/s",
           name, integer(process, "lag"), behind_s, integer(process, "rate"));
    if (eta_s >= 0)
        printf(", has caught up in about %" JSON_INTEGER_FORMAT " s\n", eta_s);
    else
        printf(" and does not catch up\n");
}

// Of one that runs and says itself what hinders it; returns whether nothing does.
static bool print_trouble(const char *name, const json_t *process)
{
    const char *trouble = json_string_value(json_object_get(process, "trouble"));
    if (trouble == NULL || strcmp(string(process, "state"), "running") != 0)
        return true;
    printf("%s: %s, %s\n", name, trouble, trouble_words(trouble));
    return false;
}

static void print_replication(const json_t *root)
{
    const json_t *replication = json_object_get(root, "replication");
    if (strcmp(string(root, "role"), "standby") == 0)
        printf("standby, %s: sequence is the primary's, durable is what this host has of it\n",
               string(replication, "state"));
    else if (strcmp(string(replication, "mode"), "off") != 0)
        printf("replication %s, %s: standbys %" JSON_INTEGER_FORMAT ", on this disk %" JSON_INTEGER_FORMAT
               ", replicated %" JSON_INTEGER_FORMAT "\n",
               string(replication, "mode"), string(replication, "state"),
               integer(replication, "standbys"), integer(replication, "journal_seq"),
               integer(replication, "replicated_seq"));
}

static int print_table(const json_t *root)
{
    printf("core %s, venue %s, epoch %" JSON_INTEGER_FORMAT ", sequence %" JSON_INTEGER_FORMAT
           ", durable %" JSON_INTEGER_FORMAT "\n%s\n",
           string(root, "core_state"), string(root, "venue_state"), integer(root, "epoch"),
           integer(root, "sequence"), integer(root, "durable_seq"), string(root, "config"));
    print_replication(root);
    printf("\n");
    if (integer(root, "snapshots_failed") > 0)
        printf("snapshots fail: %" JSON_INTEGER_FORMAT " could not be written, the newest is of sequence "
               "%" JSON_INTEGER_FORMAT "; see log/tape.log\n",
               integer(root, "snapshots_failed"), integer(root, "snapshot_seq"));
    if (integer(root, "journal_error") != 0)
        printf("THE JOURNAL STOPPED THE VENUE: %s. docs/operations.md, When the disk refuses\n\n",
               strerror((int)integer(root, "journal_error")));
    if (json_is_true(json_object_get(root, "low_space")))
        printf("low on disk space: %" JSON_INTEGER_FORMAT " MB left for the state folder\n\n",
               integer(root, "free_bytes") / 1000000);
    printf("%-9s %-8s %7s %11s %8s %8s  %s\n", "process", "state", "pid", "incarnation", "restarts",
           "lag", "last end");
    bool well = strcmp(string(root, "core_state"), "failed") != 0;
    const char *name;
    json_t *process;
    json_object_foreach(json_object_get(root, "processes"), name, process)
        well = print_process(name, process) && well;
    json_object_foreach(json_object_get(root, "processes"), name, process)
        well = print_trouble(name, process) && well;
    json_object_foreach(json_object_get(root, "processes"), name, process)
        print_backlog(name, process);
    return well ? EXIT_WELL : EXIT_NOT_WELL;
}

int status_print(const char *state_folder, bool json)
{
    char path[PATH_MAX];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", state_folder, FILE_NAME);
    json_t *root = json_load_file(path, 0, &error);
    pid_t supervisor = (pid_t)integer(root, "supervisor_pid");
    // EPERM means: it is there and belongs to somebody else.
    if (root == NULL || supervisor <= 0 || (kill(supervisor, 0) != 0 && errno == ESRCH)) {
        printf("no venue is running on %s\n", state_folder);
        json_decref(root);
        return EXIT_NO_VENUE;
    }
    int result = EXIT_WELL;
    if (json) {
        json_dumpf(root, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        result = print_table(root);
    }
    json_decref(root);
    return result;
}
