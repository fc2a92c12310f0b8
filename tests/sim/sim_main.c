// The simulator: lives of the whole venue, each by its seed. See README.md.
//
//   sim --seeds N [--from S] [--jobs J] [--plant NAME]   N lives from seed S (1) on; stops at the
//   first broken law sim --seed S --story [--plant NAME]                  one life, told aloud sim
//   --seed S --twice                                 one life, twice: is its story the same? sim
//   --hours H [--from S] [--jobs J]                  a campaign: seasons until H hours are
//   simulated … --season                                           these lives are seasons
//   (weather.h): a seed of a campaign sim --planted [--seeds N]                            every
//   planted bug must be found within N seeds sim --plants lists them
//
// Every life is a process of its own: nothing is left behind for the next one.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/plants.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/weather.h"

enum { JOBS_MAX = 64, TWICE_EVERY = 50, BUSY_EVERY = 40, PROGRESS_SECONDS = 10 };

struct slot { // shared with the life that runs in it
    pid_t pid;
    uint64_t seed;
    struct weather_life life;
    uint64_t digest_of_first; // of two runs of the same seed
    char reason[STORY_REASON_BYTES];
};

struct options {
    uint64_t seeds, from, seed;
    double hours;
    unsigned jobs;
    bool story, twice, planted, season;
};

struct sum {
    struct weather_life life;
    uint64_t lives, broken, broken_seed;
    char reason[STORY_REASON_BYTES];
};

// The shipped functions, for the driver itself lives in real time.
int __real_clock_gettime(clockid_t id, struct timespec *out);

static double real_seconds(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static enum weather_kind kind_of(const struct options *options, uint64_t seed)
{
    if (options->season)
        return WEATHER_SEASON;
    return seed % BUSY_EVERY == 0 ? WEATHER_BUSY : WEATHER_STORM;
}

static void live(struct slot *slot, const struct options *options)
{
    story_share_reason(slot->reason);
    story_begin(slot->seed, options->story);
    weather_live(&slot->life, slot->seed, kind_of(options, slot->seed));
}

// In a process of its own.
static void life_process(struct slot *slot, const struct options *options)
{
    bool twice = options->twice || slot->seed % TWICE_EVERY == 0;
    if (twice) {
        pid_t pid = fork();
        if (pid == 0) {
            live(slot, options);
            slot->digest_of_first = slot->life.digest;
            _Exit(0);
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status != 0)
            _Exit(SIM_EXIT_BROKEN);
    }
    live(slot, options);
    LAW(!twice || slot->digest_of_first == slot->life.digest,
        "the same seed has told two different stories");
    _Exit(0);
}

static void add(struct sum *sum, const struct slot *slot, int status)
{
    if (status != 0) {
        if (sum->broken++ == 0 || slot->seed < sum->broken_seed) {
            sum->broken_seed = slot->seed;
            snprintf(sum->reason, sizeof sum->reason, "%s",
                     slot->reason[0] != '\0' ? slot->reason : "the simulator itself has died");
        }
        return;
    }
    sum->lives++;
    sum->life.virtual_ns += slot->life.virtual_ns;
    sum->life.commands += slot->life.commands;
    sum->life.trades += slot->life.trades;
    sum->life.deaths += slot->life.deaths;
    sum->life.power_failures += slot->life.power_failures;
    sum->life.answers += slot->life.answers;
    sum->life.operations += slot->life.operations;
    sum->life.transactions += slot->life.transactions;
    sum->life.moved += slot->life.moved;
    sum->life.nets += slot->life.nets;
    sum->life.incidents += slot->life.incidents;
}

static void start(struct slot *slot, uint64_t seed, const struct options *options)
{
    memset(slot, 0, sizeof *slot);
    slot->seed = seed;
    pid_t pid = fork(); // not into the slot, which the child would write, too
    if (pid == 0)
        life_process(slot, options);
    slot->pid = pid;
}

static void reap(struct slot *slots, unsigned jobs, struct sum *sum)
{
    int status;
    pid_t pid = wait(&status);
    for (unsigned i = 0; i < jobs; i++)
        if (slots[i].pid == pid) {
            add(sum, &slots[i], status);
            slots[i].pid = 0;
        }
}

static bool wants_more(const struct options *options, const struct sum *sum, uint64_t started)
{
    if (sum->broken > 0)
        return false;
    if (options->hours > 0)
        return (double)sum->life.virtual_ns / 3600e9 < options->hours;
    return started < options->seeds;
}

// Long runs show on standard error how far they are.
static void show_progress(const struct sum *sum, double *shown)
{
    double now = real_seconds();
    if (now - *shown < PROGRESS_SECONDS)
        return;
    *shown = now;
    fprintf(stderr, "%llu lives, %.2f simulated hours\n", (unsigned long long)sum->lives,
            (double)sum->life.virtual_ns / 3600e9);
}

static struct sum run(const struct options *options)
{
    struct slot *slots = mmap(NULL, JOBS_MAX * sizeof *slots, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sum sum = {0};
    uint64_t started = 0;
    unsigned running = 0;
    double shown = real_seconds();
    while (running > 0 || wants_more(options, &sum, started)) {
        for (unsigned i = 0; i < options->jobs && wants_more(options, &sum, started); i++) {
            if (slots[i].pid != 0)
                continue;
            start(&slots[i], options->from + started++, options);
            running++;
        }
        if (running > 0) {
            reap(slots, options->jobs, &sum);
            running--;
            show_progress(&sum, &shown);
        }
    }
    munmap(slots, JOBS_MAX * sizeof *slots);
    return sum;
}

// ---- reports

static void report(const struct sum *sum, double seconds)
{
    double virtual_seconds = (double)sum->life.virtual_ns / 1e9;
    printf("%llu lives, %.2f simulated hours in %.1f s: %.1f lives/s, %.0f times real time\n",
           (unsigned long long)sum->lives, virtual_seconds / 3600, seconds,
           (double)sum->lives / seconds, virtual_seconds / seconds);
    printf(
        "%llu commands, %llu trades, %llu answers, %llu deaths of processes, %llu power failures, "
        "%llu disk operations\n",
        (unsigned long long)sum->life.commands, (unsigned long long)sum->life.trades,
        (unsigned long long)sum->life.answers, (unsigned long long)sum->life.deaths,
        (unsigned long long)sum->life.power_failures, (unsigned long long)sum->life.operations);
    printf("on the chain %llu trades in %llu transactions, %llu nets, %llu incidents\n",
           (unsigned long long)sum->life.moved, (unsigned long long)sum->life.transactions,
           (unsigned long long)sum->life.nets, (unsigned long long)sum->life.incidents);
}

static int tell(const struct options *options)
{
    static struct slot slot;
    slot.seed = options->seed;
    live(&slot, options);
    printf("no law was broken; digest of the story %016llx\n",
           (unsigned long long)slot.life.digest);
    return 0;
}

static int run_seeds(const struct options *options)
{
    double began = real_seconds();
    struct sum sum = run(options);
    double seconds = real_seconds() - began;
    report(&sum, seconds);
    if (sum.broken == 0) {
        printf("ok sim: no law was broken\n");
        return 0;
    }
    printf("not ok sim: seed %llu: %s\n", (unsigned long long)sum.broken_seed, sum.reason);
    printf("replay: tests/sim/run --seed %llu --story%s\n", (unsigned long long)sum.broken_seed,
           options->season ? " --season" : "");
    return 1;
}

#define PLANT_NAME(name, what) #name,
static const char *const plant_names[] = {PLANTS(PLANT_NAME)};

static int run_planted(struct options *options)
{
    int missed = 0;
    for (size_t i = 0; i < sizeof plant_names / sizeof plant_names[0]; i++) {
        plants_choose(plant_names[i]);
        struct sum sum = run(options);
        if (sum.broken > 0)
            printf("ok planted %s: seed %llu: %s\n", plant_names[i],
                   (unsigned long long)sum.broken_seed, sum.reason);
        else
            printf("not ok planted %s: not found by %llu seeds\n", plant_names[i],
                   (unsigned long long)sum.lives);
        fflush(stdout);
        missed += sum.broken == 0;
    }
    return missed == 0 ? 0 : 1;
}

// ---- the command line

__attribute__((noreturn)) static void usage(void)
{
    fprintf(stderr,
            "usage: sim [--seeds N] [--from S] [--jobs J] [--hours H] [--plant NAME]\n"
            "           [--seed S [--story | --twice]] [--season] [--planted] [--plants]\n");
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    if (text == NULL)
        usage();
    uint64_t value = strtoull(text, &end, 10);
    if (*end != '\0')
        usage();
    return value;
}

static int parse(struct options *options, char **argument)
{
    for (; *argument != NULL; argument++) {
        if (strcmp(*argument, "--seeds") == 0)
            options->seeds = number(*++argument);
        else if (strcmp(*argument, "--from") == 0)
            options->from = number(*++argument);
        else if (strcmp(*argument, "--jobs") == 0)
            options->jobs = (unsigned)number(*++argument);
        else if (strcmp(*argument, "--hours") == 0)
            options->hours = (double)number(*++argument), options->season = true;
        else if (strcmp(*argument, "--seed") == 0)
            options->seed = number(*++argument);
        else if (strcmp(*argument, "--story") == 0)
            options->story = true;
        else if (strcmp(*argument, "--twice") == 0)
            options->twice = true;
        else if (strcmp(*argument, "--season") == 0)
            options->season = true;
        else if (strcmp(*argument, "--planted") == 0)
            options->planted = true;
        else if (strcmp(*argument, "--plant") == 0) {
            if (argument[1] == NULL || !plants_choose(*++argument))
                usage();
        } else if (strcmp(*argument, "--plants") == 0) {
            plants_list(stdout);
            exit(0);
        } else {
            usage();
        }
    }
    return options->jobs >= 1 && options->jobs <= JOBS_MAX;
}

int main(int count, char **arguments)
{
    struct options options = {.seeds = 2000, .from = 1, .jobs = 2};
    setvbuf(stdout, NULL, _IOLBF, 0);
    // What is freed is used again without asking the kernel for its pages each time.
    mallopt(M_MMAP_THRESHOLD, 1 << 26);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    if (count < 1 || !parse(&options, arguments + 1))
        usage();
    if (options.seed != 0 && options.story)
        return tell(&options);
    if (options.seed != 0) {
        options.from = options.seed;
        options.seeds = 1;
    }
    return options.planted ? run_planted(&options) : run_seeds(&options);
}
