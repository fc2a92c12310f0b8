// Benchmark of an order's answer: from the time at which a member means to send an order until he
// has read that it is accepted, over FIX and over WebSocket, on a private venue of real processes
// (perf/venue), once with the journal synced and once without. Open loop (load.h).
//
// Floors, in turn with the venue in the same run: the protocol's echo server (echo.h), and for the
// durable venue a bare 4 KiB write, as often as the venue writes (an order and its cancel), and
// back to back in a line of its own. What is asked of the median (docs/performance.md): durable, at
// most the write's plus the echo's plus 25 us; not durable, at most 1.3 times the echo's.
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf/bare_write.h"
#include "perf/echo.h"
#include "perf/load.h"
#include "perf/machine.h"
#include "perf/measure.h"
#include "perf/report.h"

enum {
    RATES_MAX = 3,
    ROUNDS_MAX = 5,
    PORTS_FIRST = 10000, // 400 blocks of 20, none of which another test uses
    PORT_BLOCKS = 400,
    PORTS_PER_RUN = 20,
    PORT_FIX_ECHO = 5,
    PORT_WS_ECHO = 6,
    DURABLE_ALLOWANCE_NS = 25000,
};
#define PROTOCOL_RATIO_MAX  1.3
#define PRIORITY_OF_JOURNAL 20 // the default of core.realtime_priority

struct length {
    uint32_t rates[RATES_MAX]; // orders/s; 0 = end
    uint32_t rounds;
    double seconds; // per round and contestant
};

static const struct length lengths[] = {
    {{1000}, 1, 0.3},
    {{1000, 10000}, 1, 1.0},
    {{100, 1000, 10000}, 5, 4.0},
};

struct protocol {
    const struct load_protocol *load;
    const char *echo_name;
    uint16_t echo_port, venue_port;
    char credential[128];
    const char *echo_credential;
};

struct bench {
    const struct report_options *options;
    const struct length *length;
    char folder[PATH_MAX];
    uint16_t port;
    bool durable;
    struct bare_write write;
    struct protocol fix, ws;
    int fix_echo, ws_echo; // process ids
};

// ---- the venue

static bool run_script(const char *words)
{
    char command[PATH_MAX * 3];
    snprintf(command, sizeof command, "%s/perf/venue %s >&2", LONJA_ROOT, words);
    int status = system(command);
    if (status == 0)
        return true;
    fprintf(stderr, "order_ack_bench: %s: status %d\n", command, status);
    return false;
}

static bool venue_start(struct bench *bench)
{
    char words[PATH_MAX * 2];
    snprintf(words, sizeof words, "start '%s' '%s' %u %s", bench->folder, LONJA_BIN, bench->port,
             bench->durable ? "" : "--not-durable");
    return run_script(words);
}

static bool venue_stop(struct bench *bench)
{
    char words[PATH_MAX * 2];
    snprintf(words, sizeof words, "stop '%s'", bench->folder);
    return run_script(words);
}

static bool venue_read(struct bench *bench)
{
    char path[PATH_MAX + 16];
    unsigned fix_port = 0, web_port = 0;
    snprintf(path, sizeof path, "%s/venue.env", bench->folder);
    FILE *file = fopen(path, "r");
    bool read = file != NULL &&
                fscanf(file, "fix_port=%u fix_password=%127s web_port=%u web_token=%127s",
                       &fix_port, bench->fix.credential, &web_port, bench->ws.credential) == 4;
    if (file != NULL)
        fclose(file);
    if (!read)
        fprintf(stderr, "order_ack_bench: %s cannot be read\n", path);
    bench->fix.venue_port = (uint16_t)fix_port;
    bench->ws.venue_port = (uint16_t)web_port;
    return read;
}

static void remove_folder(const char *folder)
{
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        fprintf(stderr, "order_ack_bench: %s is left behind\n", folder);
}

// ---- a rate

struct figures {
    struct samples venue, echo, write, paced, round;
    double medians[ROUNDS_MAX];
};

static bool run_writes(struct bench *bench, uint32_t rate, struct figures *figures)
{
    bool realtime = machine_realtime(PRIORITY_OF_JOURNAL); // as the journal's thread
    uint64_t span_ns = (uint64_t)(bench->length->seconds * 0.25e9);
    int result = bare_write_run(&bench->write, &figures->write, span_ns);
    if (result == 0)
        result = bare_write_paced(&bench->write, &figures->paced, 2 * rate, span_ns);
    if (realtime)
        ASSERT(machine_realtime(0));
    if (result != 0)
        fprintf(stderr, "order_ack_bench: bare write: %s\n", strerror(-result));
    return result == 0;
}

static bool run_rounds(struct bench *bench, uint32_t rate, struct load *echo, struct load *venue,
                       struct figures *figures)
{
    double seconds = bench->length->seconds;
    for (uint32_t i = 0; i < bench->length->rounds; i++) {
        samples_clear(&figures->round);
        if ((bench->durable && !run_writes(bench, rate, figures)) ||
            !load_run(echo, rate, seconds, &figures->echo) ||
            !load_run(venue, rate, seconds, &figures->round))
            return false;
        figures->medians[i] = samples_percentile(&figures->round, 0.5);
        samples_merge(&figures->venue, &figures->round);
    }
    return true;
}

static void report_write(const struct bench *bench, uint32_t rate, const struct figures *figures)
{
    char workload[64];
    snprintf(workload, sizeof workload, "bare write %u/s %s", 2 * rate, machine_state());
    struct report_line line = report_line("order-ack", workload, "write_ns");
    report_samples(&line, &figures->paced);
    report_floor_samples(&line, "bare 4 KiB write, back to back", &figures->write);
    report_print(&line, bench->options->json);
}

static void report(struct bench *bench, const struct protocol *protocol, uint32_t rate,
                   struct figures *figures)
{
    char workload[64], floor[64];
    snprintf(workload, sizeof workload, "%s %u/s %s %s", protocol->load->name, rate,
             bench->durable ? "durable" : "not-durable", machine_state());
    struct report_line line = report_line("order-ack", workload, "answer_ns");
    line.min = measure_min(figures->medians, bench->length->rounds);
    line.median = measure_median(figures->medians, bench->length->rounds);
    report_samples(&line, &figures->venue);
    report_floor_samples(&line, protocol->echo_name, &figures->echo);
    line.mark = line.floor_median * PROTOCOL_RATIO_MAX;
    if (bench->durable) {
        double write = samples_percentile(&figures->paced, 0.5);
        line.mark = line.floor_median + write + DURABLE_ALLOWANCE_NS;
        // The floor of a durable answer is both, one after the other; percentiles do not add, so
        // there is only a median.
        snprintf(floor, sizeof floor, "%s + write", protocol->echo_name);
        line.floor = floor;
        line.floor_median += write;
        line.floor_p99 = line.floor_p999 = NAN;
    }
    report_print(&line, bench->options->json);
    if (bench->durable)
        report_write(bench, rate, figures);
}

static bool run_rate(struct bench *bench, struct protocol *protocol, uint32_t rate)
{
    static struct figures figures;
    struct load echo, venue;
    memset(&figures, 0, sizeof figures);
    bool done = load_open(&echo, protocol->load, protocol->echo_port, protocol->echo_credential);
    done = load_open(&venue, protocol->load, protocol->venue_port, protocol->credential) && done;
    done = done && run_rounds(bench, rate, &echo, &venue, &figures);
    load_close(&echo);
    load_close(&venue);
    if (done)
        report(bench, protocol, rate, &figures);
    return done;
}

static bool run_protocol(struct bench *bench, struct protocol *protocol)
{
    for (int i = 0; i < RATES_MAX && bench->length->rates[i] != 0; i++)
        if (!run_rate(bench, protocol, bench->length->rates[i]))
            return false;
    return true;
}

static bool run_protocols(struct bench *bench)
{
    return (!report_wanted(bench->options, bench->fix.load->name) ||
            run_protocol(bench, &bench->fix)) &&
           (!report_wanted(bench->options, bench->ws.load->name) ||
            run_protocol(bench, &bench->ws));
}

// ---- the whole

static bool run_idle_and_hog(struct bench *bench)
{
    bool done = run_protocols(bench);
    if (!done || bench->options->length == LENGTH_SMOKE)
        return done;
    machine_hogs_start();
    done = run_protocols(bench);
    machine_hogs_stop();
    return done;
}

static bool run_venue(struct bench *bench, bool durable)
{
    bench->durable = durable;
    snprintf(bench->folder, sizeof bench->folder, "%s/venue-XXXXXX", LONJA_BENCH_FOLDER);
    if (mkdtemp(bench->folder) == NULL || bare_write_open(&bench->write, bench->folder) != 0) {
        fprintf(stderr, "order_ack_bench: %s: %s\n", bench->folder, strerror(errno));
        return false;
    }
    bool done = venue_start(bench) && venue_read(bench) && run_idle_and_hog(bench);
    done = venue_stop(bench) && done;
    bare_write_close(&bench->write);
    if (done)
        remove_folder(bench->folder);
    else
        fprintf(stderr, "order_ack_bench: logs are in %s\n", bench->folder);
    return done;
}

// The venue is stopped and its folder kept, whatever ends the benchmark.
static void on_signal(int signal_number)
{
    (void)signal_number;
    load_interrupted = 1;
}

static void bench_open(struct bench *bench)
{
    bench->port = (uint16_t)(PORTS_FIRST + getpid() % PORT_BLOCKS * PORTS_PER_RUN);
    bench->fix = (struct protocol){.load = &load_fix,
                                   .echo_name = "QuickFIX echo",
                                   .echo_port = (uint16_t)(bench->port + PORT_FIX_ECHO),
                                   .echo_credential = "x"};
    bench->ws = (struct protocol){.load = &load_ws,
                                  .echo_name = "libwebsockets echo",
                                  .echo_port = (uint16_t)(bench->port + PORT_WS_ECHO)};
    bench->fix_echo = echo_start(echo_fix, bench->fix.echo_port);
    bench->ws_echo = echo_start(echo_ws, bench->ws.echo_port);
}

int main(int count, char **words)
{
    static struct bench bench;
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    bench.options = &options;
    bench.length = &lengths[options.length];
    bench_open(&bench);
    struct sigaction stop = {.sa_handler = on_signal};
    ASSERT(sigaction(SIGINT, &stop, NULL) == 0 && sigaction(SIGTERM, &stop, NULL) == 0);
    bool done =
        run_venue(&bench, true) && (options.length == LENGTH_SMOKE || run_venue(&bench, false));
    echo_stop(bench.fix_echo);
    echo_stop(bench.ws_echo);
    return done ? 0 : 1;
}
