// Benchmark of the whole engine: every risk check, holds, matching, ledger and events, on the
// workloads mix1, mix100 and match1 (order_flow.h), which also prove it: the makers and quantities
// of all trades must give the published checksum.
//
//   engine_bench [--workload NAME] [--operations N] [--rounds N] [--json]
//
// Replaces are a cancel and a new order. Commands are made and events are read outside the timed
// part, in chunks; events go to a ring as large as the venue's. ns_per_command is a round's time by
// its number of commands; percentiles come from one more round that times every command on its own,
// by the processor's time stamp counter, less what reading the counter costs. Exit code 1: a
// checksum differs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <x86intrin.h>

#include "matcher/engine.h"
#include "perf/order_flow.h"

struct published { // what every right engine reaches; other lengths are compared with order_flow's
                   // book
    uint64_t operations;
    struct order_flow_result result;
};

struct workload {
    const char *name;
    bool matches_only;
    uint32_t instruments, live;
    uint64_t seed;
    struct published published[2];
};

static const struct workload workloads[] = {
    {"mix1",
     false,
     1,
     10000,
     42,
     {{5000000, {982490, 25046177, 0xfc1e36962a8256f2}},
      {300000, {58953, 1488977, 0xaff4f11ac838c766}}}},
    {"mix100",
     false,
     100,
     1000,
     44,
     {{5000000, {949717, 24329428, 0x804fade68dbc64b9}},
      {300000, {57469, 1472469, 0xaa977ffd7a1c69ed}}}},
    {"match1",
     true,
     1,
     10000,
     43,
     {{5000000, {4752518, 228489116, 0x80d04e37fe1e25ee}},
      {300000, {292072, 11506149, 0x22e7422e541248d8}}}},
};

enum {
    WORKLOADS = sizeof(workloads) / sizeof(workloads[0]),
    CHUNK = 16384,      // operations
    COMMAND_ROOM = 128, // bytes: every command here fits two slots
    RING_EVENTS = 1 << 18,
    SESSIONS = 8,
    ACCOUNTS_PER_SESSION = 8,
    ACCOUNT_FIRST = 1001,
    TICK = 10000,
    ROUNDS_MAX = 99,
    HISTOGRAM = 1 << 16, // of nanoseconds; the last place takes what is longer
};

struct bench {
    const struct workload *workload;
    uint64_t operations;
    struct engine *engine;
    struct event_sink sink;
    uint8_t *commands; // CHUNK * 2 of COMMAND_ROOM bytes
    uint32_t command_count;
    uint64_t sequence;
    uint64_t *sequence_of; // by the flow's order id
    uint32_t *id_of;       // by sequence
    struct order_flow_result result;
    uint64_t commands_timed;
    uint64_t nanoseconds;
    uint32_t *histogram; // NULL: time whole chunks
    double ns_per_count;
    uint64_t counter_cost;
};

// ---- commands
// ------------------------------------------------------------------------------------------

static struct command *command_start(struct bench *bench, void *memory, uint8_t type,
                                     uint8_t gateway, uint32_t session)
{
    struct command *command = memory;
    memset(memory, 0, COMMAND_ROOM);
    command->header = (struct command_header){.slots = 2,
                                              .type = type,
                                              .version = SCHEMA_VERSION,
                                              .gateway = gateway,
                                              .session = session,
                                              .sequence = ++bench->sequence,
                                              .time_ns = bench->sequence};
    return command;
}

static uint32_t account_of(uint32_t id)
{
    return ACCOUNT_FIRST + id % (SESSIONS * ACCOUNTS_PER_SESSION);
}

static uint32_t session_of(uint32_t id)
{
    return 1 + id % (SESSIONS * ACCOUNTS_PER_SESSION) / ACCOUNTS_PER_SESSION;
}

static struct command *chunk_command(struct bench *bench, uint8_t type, uint32_t id)
{
    void *memory = bench->commands + (size_t)bench->command_count++ * COMMAND_ROOM;
    return command_start(bench, memory, type, GATEWAY_FIX, session_of(id));
}

static void add_new(struct bench *bench, const struct order_flow_operation *operation, uint32_t id)
{
    struct command *command = chunk_command(bench, CMD_order_new, id);
    struct order_new_cmd *order = &command->body.order_new;
    bool market = operation->kind == FLOW_MARKET;
    order->account = account_of(id);
    order->instrument = operation->instrument + 1;
    order->side = operation->sell ? SIDE_SELL : SIDE_BUY;
    order->type = market ? ORDER_MARKET : ORDER_LIMIT;
    order->tif = operation->kind == FLOW_IOC ? TIF_IOC : TIF_DAY;
    order->flags = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    order->price = (int64_t)operation->price * TICK;
    order->quantity = operation->quantity;
    order->client_id_bytes = 12;
    memcpy(command_tail_writable(command), &id, sizeof(id));
    bench->sequence_of[id] = bench->sequence;
    bench->id_of[bench->sequence] = id;
}

static void add_cancel(struct bench *bench, uint32_t id)
{
    struct command *command = chunk_command(bench, CMD_order_cancel, id);
    command->body.order_cancel.order = bench->sequence_of[id];
    command->body.order_cancel.account = account_of(id);
    command->header.slots = 1;
}

static void add_operation(struct bench *bench, const struct order_flow_operation *operation)
{
    if (operation->kind == FLOW_CANCEL || operation->kind == FLOW_REPLACE)
        add_cancel(bench, operation->id);
    if (operation->kind != FLOW_CANCEL)
        add_new(bench, operation,
                operation->kind == FLOW_REPLACE ? operation->new_id : operation->id);
}

// ---- applying
// ------------------------------------------------------------------------------------------

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void apply_one(struct bench *bench, const void *command)
{
    bench->sink.position += bench->sink.count;
    bench->sink.count = 0;
    engine_apply(bench->engine, command, &bench->sink);
}

static void apply_each_timed(struct bench *bench)
{
    unsigned unused;
    for (uint32_t i = 0; i < bench->command_count; i++) {
        uint64_t before = __rdtscp(&unused);
        apply_one(bench, bench->commands + (size_t)i * COMMAND_ROOM);
        uint64_t counts = __rdtscp(&unused) - before;
        counts = counts > bench->counter_cost ? counts - bench->counter_cost : 0;
        double ns = (double)counts * bench->ns_per_count;
        bench->histogram[ns < HISTOGRAM - 1 ? (uint32_t)ns : HISTOGRAM - 1]++;
    }
}

static void apply_chunk(struct bench *bench, bool counted)
{
    if (bench->histogram != NULL && counted) {
        apply_each_timed(bench);
    } else {
        uint64_t before = now_ns();
        for (uint32_t i = 0; i < bench->command_count; i++)
            apply_one(bench, bench->commands + (size_t)i * COMMAND_ROOM);
        bench->nanoseconds += counted ? now_ns() - before : 0;
    }
    bench->commands_timed += counted ? bench->command_count : 0;
    bench->command_count = 0;
}

// The events of a chunk: refusals other than "nothing to trade with" are faults of the benchmark.
static void read_events(struct bench *bench, uint64_t from, bool counted)
{
    for (uint64_t at = from; at < bench->sink.position + bench->sink.count; at++) {
        const struct event *event = &bench->sink.events[at & bench->sink.mask];
        if (event->header.type == EVT_rejected &&
            event->body.rejected.code != REJECT_NO_LIQUIDITY) {
            char text[512];
            (void)event_dump(event, text, sizeof(text));
            fprintf(stderr, "engine_bench: %s\n", text);
            ASSERT(false);
        }
        if (event->header.type != EVT_trade || !counted)
            continue;
        const struct trade_evt *trade = &event->body.trade;
        bench->result.trades++;
        bench->result.volume += (uint64_t)trade->quantity;
        bench->result.checksum = order_flow_checksum(
            bench->result.checksum, bench->id_of[trade->maker_order], (uint64_t)trade->quantity);
    }
}

// ---- the venue
// -------------------------------------------------------------------------------------------

static void set_up(struct bench *bench, const struct command *command)
{
    apply_one(bench, command);
    const struct event *event = &bench->sink.events[bench->sink.position & bench->sink.mask];
    ASSERT(event->header.type != EVT_rejected);
}

static void set_up_people(struct bench *bench, struct command *command)
{
    command_start(bench, command, CMD_member_set, GATEWAY_ADMIN, 0)->body.member_set.member = 1;
    set_up(bench, command);
    for (uint32_t i = 0; i < SESSIONS * ACCOUNTS_PER_SESSION; i++) {
        struct account_set_cmd *account =
            &command_start(bench, command, CMD_account_set, GATEWAY_ADMIN, 0)->body.account_set;
        *account = (struct account_set_cmd){.account = ACCOUNT_FIRST + i,
                                            .member = 1,
                                            .kyc = KYC_APPROVED,
                                            .accreditation = ACCREDITATION_INSTITUTIONAL,
                                            .fatca = FATCA_CLEAR,
                                            .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET |
                                                     ACCOUNT_NO_LIMITS,
                                            .fee_bps = FEE_BPS_DEFAULT};
        set_up(bench, command);
    }
    for (uint32_t session = 1; session <= SESSIONS; session++) {
        command_start(bench, command, CMD_session_set, GATEWAY_ADMIN, 0);
        command->body.session_set = (struct session_set_cmd){.session = session,
                                                             .member = 1,
                                                             .gateway = GATEWAY_FIX,
                                                             .account_count = ACCOUNTS_PER_SESSION};
        for (uint32_t i = 0; i < ACCOUNTS_PER_SESSION; i++) {
            uint32_t account = ACCOUNT_FIRST + (session - 1) * ACCOUNTS_PER_SESSION + i;
            memcpy(command_tail_writable(command) + i * sizeof(account), &account, sizeof(account));
        }
        set_up(bench, command);
    }
}

static void set_up_funds(struct bench *bench, struct command *command, uint32_t asset)
{
    for (uint32_t i = 0; i < SESSIONS * ACCOUNTS_PER_SESSION; i++) {
        command_start(bench, command, CMD_ledger_post, GATEWAY_ADMIN, 0);
        command->body.ledger_post = (struct ledger_post_cmd){.account = ACCOUNT_FIRST + i,
                                                             .asset = asset,
                                                             .amount = (int64_t)1 << 54,
                                                             .kind = POSTING_DEPOSIT,
                                                             .ref_source = REF_ADMIN,
                                                             .ref_number = bench->sequence};
        set_up(bench, command);
    }
}

static void set_up_instrument(struct bench *bench, struct command *command, uint32_t instrument)
{
    uint32_t token = instrument + 1; // asset 1 is cash
    command_start(bench, command, CMD_asset_set, GATEWAY_ADMIN, 0)->body.asset_set =
        (struct asset_set_cmd){.asset = token, .kind = ASSET_TOKEN, .scale = 2};
    set_up(bench, command);
    command_start(bench, command, CMD_instrument_set, GATEWAY_ADMIN, 0)->body.instrument_set =
        (struct instrument_set_cmd){.instrument = instrument,
                                    .token_asset = token,
                                    .cash_asset = 1,
                                    .status = TOKEN_SECONDARY,
                                    .trading_mode = MODE_FULL_ORDERBOOK,
                                    .flags = INSTRUMENT_SELL_UNSETTLED | INSTRUMENT_NAV_REQUIRED,
                                    .token_scale = 2,
                                    .tick = TICK,
                                    .lot = 1,
                                    .fat_finger_block_bps = 9000,
                                    .fat_finger_confirm_bps = 1000,
                                    .nav_confirm_bps = 2000,
                                    .collar_bps = 5000,
                                    .fee_bps = 25,
                                    .breaker_bps = 20000,
                                    .order_quantity_max = 1000000,
                                    .order_notional_max = (int64_t)1 << 50};
    set_up(bench, command);
    command_start(bench, command, CMD_instrument_phase, GATEWAY_ADMIN, 0)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = instrument, .phase = PHASE_CONTINUOUS};
    set_up(bench, command);
    command_start(bench, command, CMD_nav_set, GATEWAY_ADMIN, 0)->body.nav_set =
        (struct nav_set_cmd){.instrument = instrument, .nav = (int64_t)32768 * TICK};
    set_up(bench, command);
    command_start(bench, command, CMD_reference_set, GATEWAY_ADMIN, 0)->body.reference_set =
        (struct reference_set_cmd){.instrument = instrument, .price = (int64_t)32768 * TICK};
    set_up(bench, command);
    set_up_funds(bench, command, token);
}

static void set_up_venue(struct bench *bench)
{
    struct command command;
    static const uint8_t gateways[] = {GATEWAY_ADMIN, GATEWAY_FIX};
    for (size_t i = 0; i < sizeof(gateways); i++) {
        command_start(bench, &command, CMD_gateway_attach, gateways[i], 0);
        set_up(bench, &command);
    }
    command_start(bench, &command, CMD_asset_set, GATEWAY_ADMIN, 0)->body.asset_set =
        (struct asset_set_cmd){.asset = 1, .kind = ASSET_CASH, .scale = 6};
    set_up(bench, &command);
    set_up_people(bench, &command);
    set_up_funds(bench, &command, 1);
    for (uint32_t i = 1; i <= bench->workload->instruments; i++)
        set_up_instrument(bench, &command, i);
    command_start(bench, &command, CMD_venue_state, GATEWAY_ADMIN, 0)->body.venue_state.state =
        VENUE_OPEN;
    set_up(bench, &command);
}

// ---- a round
// ---------------------------------------------------------------------------------------------

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, bytes); // touched now, not in the timed part
    return memory;
}

static void bench_open(struct bench *bench)
{
    uint64_t live = (uint64_t)bench->workload->instruments * bench->workload->live;
    uint64_t commands = 2 * (live + bench->operations) + 100000;
    const struct engine_limits limits = {.accounts_max = 2000,
                                         .members_max = 16,
                                         .sessions_max = 16,
                                         .session_accounts_max = 100,
                                         .assets_max = 200,
                                         .instruments_max = 128,
                                         .balances_max = 20000,
                                         .orders_max = (uint32_t)live *
                                                       (bench->workload->matches_only ? 40 : 2),
                                         .levels_max = 100000,
                                         .command_events_max = 16384};
    bench->engine = engine_init(allocate(engine_bytes(&limits)), &limits);
    bench->sink = (struct event_sink){.events = allocate(RING_EVENTS * sizeof(struct event)),
                                      .mask = RING_EVENTS - 1};
    bench->commands = allocate((size_t)CHUNK * 2 * COMMAND_ROOM);
    bench->sequence_of = allocate(commands * sizeof(uint64_t));
    bench->id_of = allocate(commands * sizeof(uint32_t));
    set_up_venue(bench);
}

static void bench_close(struct bench *bench)
{
    engine_check(bench->engine);
    free(bench->engine);
    free(bench->sink.events);
    free(bench->commands);
    free(bench->sequence_of);
    free(bench->id_of);
}

static void run_chunk(struct bench *bench, bool counted)
{
    uint64_t from = bench->sink.position + bench->sink.count;
    apply_chunk(bench, counted);
    ASSERT(bench->sink.position + bench->sink.count - from <= RING_EVENTS);
    read_events(bench, from, counted);
}

static bool result_is_right(const struct bench *bench, const struct order_flow *flow)
{
    struct order_flow_result want = order_flow_expected(flow);
    for (int i = 0; i < 2; i++)
        if (bench->workload->published[i].operations == bench->operations)
            want = bench->workload->published[i].result;
    return bench->result.trades == want.trades && bench->result.volume == want.volume &&
           bench->result.checksum == want.checksum;
}

static bool run_round(struct bench *bench)
{
    const struct workload *workload = bench->workload;
    struct order_flow *flow = order_flow_create(workload->matches_only, workload->instruments,
                                                workload->live, bench->operations, workload->seed);
    struct order_flow_operation operation;
    bool counted = false;
    uint32_t in_chunk = 0;
    bench_open(bench);
    while (order_flow_next(flow, &operation)) {
        if (in_chunk == CHUNK || (operation.counted && !counted)) {
            run_chunk(bench, counted);
            in_chunk = 0;
        }
        counted = operation.counted;
        add_operation(bench, &operation);
        in_chunk++;
    }
    run_chunk(bench, counted);
    bool right = result_is_right(bench, flow);
    bench_close(bench);
    order_flow_destroy(flow);
    return right;
}

// ---- report
// ----------------------------------------------------------------------------------------------

static void calibrate(struct bench *bench)
{
    unsigned unused;
    uint64_t start_ns = now_ns();
    uint64_t start = __rdtscp(&unused);
    bench->counter_cost = UINT64_MAX;
    while (now_ns() - start_ns < 20000000) {
        uint64_t before = __rdtscp(&unused);
        uint64_t cost = __rdtscp(&unused) - before;
        bench->counter_cost = cost < bench->counter_cost ? cost : bench->counter_cost;
    }
    bench->ns_per_count = (double)(now_ns() - start_ns) / (double)(__rdtscp(&unused) - start);
}

static uint32_t percentile(const struct bench *bench, double share)
{
    uint64_t wanted = (uint64_t)((double)bench->commands_timed * share);
    uint64_t seen = 0;
    for (uint32_t ns = 0; ns < HISTOGRAM; ns++) {
        seen += bench->histogram[ns];
        if (seen > wanted)
            return ns;
    }
    return HISTOGRAM - 1;
}

static int compare_double(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void report(const struct bench *bench, double *rounds, uint32_t count, bool json)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    qsort(rounds, count, sizeof(rounds[0]), compare_double);
    const char *format =
        json ? "{\"bench\":\"engine\",\"workload\":\"%s\",\"metric\":\"ns_per_command\","
               "\"min\":%.1f,\"median\":%.1f,\"p50\":%u,\"p99\":%u,\"p999\":%u,"
               "\"checksum\":\"%016" PRIx64 "\",\"rss_bytes\":%ld}\n"
             : "engine %-7s min %.1f median %.1f ns/command  p50 %u p99 %u p99.9 %u ns  "
               "checksum %016" PRIx64 "  peak %ld bytes\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    printf(format, bench->workload->name, rounds[0], rounds[count / 2], percentile(bench, 0.5),
           percentile(bench, 0.99), percentile(bench, 0.999), bench->result.checksum,
           usage.ru_maxrss * 1024);
    fflush(stdout);
#pragma GCC diagnostic pop
}

static bool run_workload(const struct workload *workload, uint64_t operations, uint32_t rounds,
                         bool json)
{
    double ns[ROUNDS_MAX];
    for (uint32_t round = 0; round <= rounds; round++) {
        struct bench bench = {.workload = workload, .operations = operations};
        bool last = round == rounds;
        if (last) {
            calibrate(&bench);
            bench.histogram = allocate(HISTOGRAM * sizeof(uint32_t));
        }
        if (!run_round(&bench)) {
            fprintf(stderr,
                    "engine_bench: %s: trades %" PRIu64 ", volume %" PRIu64 ", checksum %016" PRIx64
                    " differ from the published ones\n",
                    workload->name, bench.result.trades, bench.result.volume,
                    bench.result.checksum);
            return false;
        }
        if (last)
            report(&bench, ns, rounds, json);
        else
            ns[round] = (double)bench.nanoseconds / (double)bench.commands_timed;
        free(bench.histogram);
    }
    return true;
}

struct options {
    const char *workload;
    uint64_t operations;
    uint32_t rounds;
    bool json;
};

static bool options_read(struct options *options, int count, char **words)
{
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : "";
        if (strcmp(words[i], "--json") == 0) {
            options->json = true;
            continue;
        }
        if (strcmp(words[i], "--workload") == 0)
            options->workload = value;
        else if (strcmp(words[i], "--operations") == 0)
            options->operations = strtoull(value, NULL, 10);
        else if (strcmp(words[i], "--rounds") == 0)
            options->rounds = (uint32_t)strtoul(value, NULL, 10);
        else
            return false;
        i++;
    }
    return options->operations > 0 && options->operations <= 1000000000 && options->rounds > 0 &&
           options->rounds <= ROUNDS_MAX;
}

int main(int count, char **words)
{
    struct options options = {.operations = 5000000, .rounds = 3};
    bool right = true;
    bool known = false;
    if (!options_read(&options, count, words)) {
        fprintf(stderr, "usage: engine_bench [--workload mix1|mix100|match1] [--operations N] "
                        "[--rounds 1..99] [--json]\n");
        return 2;
    }
    for (size_t i = 0; i < WORKLOADS; i++) {
        if (options.workload != NULL && strcmp(options.workload, workloads[i].name) != 0)
            continue;
        known = true;
        right =
            run_workload(&workloads[i], options.operations, options.rounds, options.json) && right;
    }
    if (!known)
        fprintf(stderr, "engine_bench: no workload of that name\n");
    return !known ? 2 : right ? 0 : 1;
}
