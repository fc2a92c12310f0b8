// Journal: from the core thread's append to durable_seq. `single`: one command at a time, against a
// bare 4 KiB write to a zero-filled file, taken in turn; `open_loop_500k`: 500,000 commands a
// second, each timed from when it was due. Each once on idle CPUs and once with a SCHED_IDLE hog on
// every CPU.
//
//   journal_bench [--folder FOLDER] [--json]      FOLDER: where the disk is (default: build/)
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal.h"
#include "core/numbered_file.h"
#include "perf/measure.h"

enum {
    SINGLES = 3000,
    BARE_FILE_PAGES = 4096,
    OPEN_LOOP_PER_SECOND = 500000,
    OPEN_LOOP_COMMANDS = 1000000,
    REALTIME_PRIORITY = 20,
};

struct bench {
    char folder[NUMBERED_PATH_BYTES];
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring_control *control;
    struct gate gate;
    struct journal journal;
    int bare_fd;
    uint8_t *page;
    uint64_t bare_writes;
    uint64_t sequence;
};

static void open_bare(struct bench *bench)
{
    char path[NUMBERED_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/bare", bench->folder);
    bench->page = aligned_alloc(4096, 4096);
    memset(bench->page, 0, 4096);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    for (int i = 0; i < BARE_FILE_PAGES; i++)
        ASSERT(write(fd, bench->page, 4096) == 4096);
    ASSERT(fsync(fd) == 0);
    close(fd);
    bench->bare_fd = open(path, O_RDWR | O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (bench->bare_fd < 0) // a file system without O_DIRECT: the journal does the same
        bench->bare_fd = open(path, O_RDWR | O_DSYNC | O_CLOEXEC);
    ASSERT(bench->bare_fd >= 0);
}

static void open_journal(struct bench *bench)
{
    ASSERT(journal_io_file_open(&bench->io, &bench->io_file, bench->folder, true) == 0);
    bench->control = aligned_alloc(4096, sizeof *bench->control);
    memset(bench->control, 0, sizeof *bench->control);
    bench->gate.control = bench->control;
    struct journal_options options = {.segments = {.bytes = 64 << 20, .engine_version = 1},
                                      .epoch = 1,
                                      .next_sequence = 1,
                                      .queue_slots = 1 << 17};
    ASSERT(journal_open(&bench->journal, &bench->io, &bench->gate, &clock_system, &options) == 0);
    ASSERT(journal_start(&bench->journal, REALTIME_PRIORITY) == 0);
}

static void append(struct bench *bench)
{
    struct command command = {
        .header = {.slots = 2, .type = CMD_order_new, .version = SCHEMA_VERSION}};
    command.header.sequence = ++bench->sequence;
    journal_append(&bench->journal, &command);
}

static uint64_t durable(const struct bench *bench)
{
    return atomic_load_explicit(&bench->control->durable_seq, memory_order_acquire);
}

static void check_alive(const struct bench *bench)
{
    if (atomic_load(&bench->control->journal_error) == 0)
        return;
    fprintf(stderr, "journal_bench: the journal failed\n");
    exit(1);
}

static uint64_t single_ns(struct bench *bench)
{
    uint64_t began_ns = measure_now_ns();
    append(bench);
    journal_flush(&bench->journal);
    while (durable(bench) < bench->sequence)
        __builtin_ia32_pause();
    return measure_now_ns() - began_ns;
}

static uint64_t bare_ns(struct bench *bench)
{
    off_t offset = (off_t)(bench->bare_writes++ % BARE_FILE_PAGES) * 4096;
    uint64_t began_ns = measure_now_ns();
    ASSERT(pwrite(bench->bare_fd, bench->page, 4096, offset) == 4096);
    return measure_now_ns() - began_ns;
}

static void bench_single(struct bench *bench, const char *workload)
{
    static uint64_t ours[SINGLES], floor[SINGLES];
    for (int i = 0; i < SINGLES; i++) {
        ours[i] = single_ns(bench);
        floor[i] = bare_ns(bench);
        check_alive(bench);
    }
    measure_print(&(struct measure_result){"journal", workload, "us_to_durable", ours, SINGLES,
                                           "bare 4 KiB write", floor, SINGLES, 1000});
}

// Appends what is due, notes what has become durable. Times run from when a command was due.
static void bench_open_loop(struct bench *bench, const char *workload)
{
    static uint64_t latency_ns[OPEN_LOOP_COMMANDS];
    uint64_t first = bench->sequence, appended = 0, done = 0;
    uint64_t began_ns = measure_now_ns();
    while (done < OPEN_LOOP_COMMANDS) {
        uint64_t now_ns = measure_now_ns();
        uint64_t due = (now_ns - began_ns) * OPEN_LOOP_PER_SECOND / 1000000000u;
        due = due < OPEN_LOOP_COMMANDS ? due : OPEN_LOOP_COMMANDS;
        for (int i = 0;
             i < 64 && appended < due && journal_room(&bench->journal) >= COMMAND_SLOTS_MAX; i++) {
            append(bench);
            appended++;
        }
        journal_flush(&bench->journal);
        uint64_t now_durable = durable(bench) - first;
        for (; done < now_durable; done++)
            latency_ns[done] = now_ns - (began_ns + done * 1000000000u / OPEN_LOOP_PER_SECOND);
        check_alive(bench);
    }
    measure_print(&(struct measure_result){"journal", workload, "us_to_durable", latency_ns,
                                           OPEN_LOOP_COMMANDS, NULL, NULL, 0, 1000});
}

static void remove_name(void *context, const char *name)
{
    unlinkat(*(int *)context, name, 0);
}

static void close_bench(struct bench *bench)
{
    journal_stop(&bench->journal);
    journal_close(&bench->journal);
    ASSERT(bench->io.list(bench->io.context, remove_name, &bench->io_file.folder_fd) == 0);
    journal_io_file_close(&bench->io_file);
    rmdir(bench->folder);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    const char *where = "build";
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--folder") == 0 && i + 1 < argc)
            where = argv[++i];
    snprintf(bench.folder, sizeof bench.folder, "%s/journal-bench-%d", where, (int)getpid());
    open_journal(&bench);
    open_bare(&bench);
    bench_single(&bench, "single");
    bench_open_loop(&bench, "open_loop_500k");
    struct measure_hogs hogs;
    measure_hogs_start(&hogs);
    bench_single(&bench, "single_hogs");
    bench_open_loop(&bench, "open_loop_500k_hogs");
    measure_hogs_stop(&hogs);
    close_bench(&bench);
    return 0;
}
