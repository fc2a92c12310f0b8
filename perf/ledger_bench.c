// Benchmark of the ledger's full walk (risk/ledger.h, ledger_check): every sum, every bound, every
// balance by its account and by its hash.
//
//   walk_shuffled  100,000 accounts with ten assets each, opened in random order: no balance lies
//                  beside the next one of its account, as after months of trading
//   walk_sorted    the same, opened account by account
//
// The memory is in large pages where there are some, as the core has it. The floor is reading as
// many balances from first to last. Both contestants take turns; times are the thread's processor
// time. A walk that finds a fault does not return.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "perf/measure.h"
#include "perf/report.h"
#include "risk/ledger.h"
#include "schema/records.h"

enum { ACCOUNTS = 100000, ASSETS = 10, BALANCES = ACCOUNTS * ASSETS, ROUNDS_MAX = 31 };

static const uint32_t rounds_of[] = {1, 11, 31}; // by enum report_length

struct workload {
    const char *name;
    bool shuffled;
};

static const struct workload workloads[] = {{"walk_shuffled", true}, {"walk_sorted", false}};

// ---- the ledger

static void ledger_lay_out(struct ledger *ledger, struct arena *arena)
{
    uint32_t buckets = ledger_buckets(BALANCES);
    size_t bytes = (size_t)(BALANCES + 1) * sizeof(struct balance) +
                   (buckets + ACCOUNTS + 1u) * sizeof(uint32_t) + 3 * (size_t)64;
    int result = arena_open(arena, bytes);
    ASSERT(result == 0);
    *ledger = (struct ledger){
        .balances = arena_alloc(arena, (BALANCES + 1) * sizeof(struct balance), 64),
        .buckets = arena_alloc(arena, buckets * sizeof(uint32_t), 64),
        .first_of_account = arena_alloc(arena, (ACCOUNTS + 1) * sizeof(uint32_t), 64),
        .bucket_mask = buckets - 1,
        .balances_max = BALANCES,
        .accounts_max = ACCOUNTS};
}

static void order_make(uint32_t *order, bool shuffled, uint64_t random)
{
    for (uint32_t i = 0; i < BALANCES; i++)
        order[i] = i;
    for (uint32_t i = BALANCES - 1; i > 0 && shuffled; i--) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint32_t other = (uint32_t)(random % (i + 1));
        uint32_t kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

// Outside has brought in what everybody has.
static void ledger_fill(struct ledger *ledger, const uint32_t *order)
{
    for (uint32_t i = 0; i < BALANCES; i++) {
        uint32_t account = 1 + order[i] / ASSETS;
        uint32_t asset = 1 + order[i] % ASSETS;
        struct balance *own = ledger_at(ledger, ledger_open(ledger, account, asset));
        struct balance *outside = ledger_at(ledger, ledger_open(ledger, ACCOUNT_OUTSIDE, asset));
        if (own != outside && account != ACCOUNT_DEFICIT)
            ledger_transfer(ledger, outside, own, 1 + order[i]);
    }
    ASSERT(ledger->count == BALANCES);
}

// ---- a round

static double walk_ms(const struct ledger *ledger, money_sum *sums)
{
    uint64_t before_ns = measure_processor_ns();
    ledger_check(ledger, sums, ASSETS);
    return (double)(measure_processor_ns() - before_ns) / 1e6;
}

static double floor_ms(const struct ledger *ledger)
{
    uint64_t before_ns = measure_processor_ns();
    int64_t sum = 0;
    for (uint32_t i = 1; i <= ledger->count; i++) {
        sum += ledger->balances[i].available;
        __asm__ volatile("" : "+r"(sum));
    }
    ASSERT(sum == 0);
    return (double)(measure_processor_ns() - before_ns) / 1e6;
}

static void run_workload(const struct workload *workload, const struct report_options *options)
{
    struct arena arena;
    struct ledger ledger;
    money_sum sums[2 * (ASSETS + 1)];
    uint32_t rounds = rounds_of[options->length];
    double walks[ROUNDS_MAX];
    double floors[ROUNDS_MAX];
    uint32_t *order = malloc(BALANCES * sizeof *order);
    ASSERT(order != NULL);
    ledger_lay_out(&ledger, &arena);
    order_make(order, workload->shuffled,
               options->seeded && options->seed != 0 ? options->seed : 0x9e3779b97f4a7c15);
    ledger_fill(&ledger, order);
    for (uint32_t i = 0; i < rounds; i++) {
        walks[i] = walk_ms(&ledger, sums);
        floors[i] = floor_ms(&ledger);
    }
    free(order);
    struct report_line line = report_line("ledger", workload->name, "ms per walk");
    line.min = measure_min(walks, rounds);
    line.median = measure_median(walks, rounds);
    line.floor = "reading the balances";
    line.floor_median = measure_median(floors, rounds);
    line.mark = 50;
    report_print(&line, options->json);
    arena_close(&arena);
}

int main(int count, char **words)
{
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (report_wanted(&options, workloads[i].name))
            run_workload(&workloads[i], &options);
    return 0;
}
