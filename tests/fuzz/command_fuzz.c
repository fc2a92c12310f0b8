// libFuzzer: bytes are what a gateway that was taken over writes into its command ring, tail and
// all. What the ring, command_check and the masks let through goes to the engine of a small venue,
// in which orders and settlement instructions are open, and whose invariants are walked after each
// input.
//
//   command_fuzz [-max_total_time=10] [FOLDER]     FILE does one input again
#include "base/command_ring.h"
#include "base/memfile.h"
#include "core/replay.h"
#include "perf/flow_commands.h"
#include "tests/fuzz/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum {
    RING_SLOTS = 64,
    ORDERS = 40,
    EVENTS = 512,
    INSTRUCTIONS = 4,
    FIRST = 1001, // account of the flow
    CASH = 1,
    TOKEN = 2,
    WEB_SESSION = 3 // behind those of the flow
};

static struct engine_limits limits;
static void *memory, *beginning;
static struct engine *engine;
static size_t engine_size;
static struct event events[EVENTS];
static struct event_sink sink = {.events = events, .mask = EVENTS - 1};
static uint64_t sequence, sequence_at_beginning;
static struct command_ring producer, consumer;

static void apply(struct command *command)
{
    command->header.sequence = ++sequence;
    command->header.time_ns = sequence * 1000000;
    sink.position = sink.count = 0;
    engine_apply(engine, command, &sink);
    ASSERT(sink.count > 0 && sink.count <= limits.command_events_max);
}

static void submit(void *context, struct command *command)
{
    (void)context;
    command->header.incarnation = 1;
    apply(command);
    for (int i = 0; engine_continuation(engine, command); i++) {
        ASSERT(i < 1000 && command_check(command));
        apply(command);
    }
}

static void trade(const struct flow_venue *venue)
{
    for (uint32_t id = 1; id <= ORDERS; id++) {
        struct command command;
        struct order_flow_operation operation = {.kind = FLOW_NEW,
                                                 .sell = id % 2,
                                                 .instrument = id % venue->instruments,
                                                 .price = 32768 + id * 7 % 11,
                                                 .quantity = 1 + id % 5,
                                                 .id = id};
        flow_command_new(&command, venue, &operation, id);
        submit(NULL, &command);
    }
}

static struct command *start(uint8_t type, uint8_t gateway, const void *tail, uint32_t bytes)
{
    static struct command command;
    memset(&command, 0, sizeof command);
    command.header = (struct command_header){.slots = command_slots(type, bytes),
                                             .type = type,
                                             .version = SCHEMA_VERSION,
                                             .gateway = gateway};
    if (bytes > 0)
        memcpy(command_tail_writable(&command), tail, bytes);
    return &command;
}

// Those of a WebSocket session give tokens to each other for cash, and one of them has approved.
static void instruct(void)
{
    const uint32_t accounts[] = {FIRST, FIRST + 1};
    submit(NULL, start(CMD_gateway_attach, GATEWAY_WEB, NULL, 0));
    struct command *command = start(CMD_session_set, GATEWAY_ADMIN, accounts, sizeof accounts);
    command->body.session_set = (struct session_set_cmd){
        .session = WEB_SESSION, .member = 1, .gateway = GATEWAY_WEB, .account_count = 2};
    submit(NULL, command);
    ASSERT(events[0].header.type == EVT_session_changed);
    for (uint32_t i = 1; i <= INSTRUCTIONS; i++) {
        const struct xvp_leg_tail legs[] = {
            {.from = FIRST, .to = FIRST + 1, .asset = TOKEN, .kind = XVP_LOCAL, .amount = i},
            {.from = FIRST + 1, .to = FIRST, .asset = CASH, .kind = XVP_LOCAL, .amount = 9}};
        command = start(CMD_xvp_create, GATEWAY_ADMIN, legs, sizeof legs);
        command->body.xvp_create =
            (struct xvp_create_cmd){.ref_source = REF_XVP,
                                    .ref_number = i,
                                    .cutoff_ns = (sequence + 12 * i) * 1000000,
                                    .operator_id = 1,
                                    .flags = i % 2 ? XVP_AUTO_EXECUTE : 0,
                                    .leg_count = 2};
        submit(NULL, command);
        ASSERT(events[0].header.type == EVT_xvp_changed);
        uint64_t xvp = sequence;
        command = start(CMD_xvp_act, GATEWAY_WEB, NULL, 0);
        command->header.session = WEB_SESSION;
        command->body.xvp_act =
            (struct xvp_act_cmd){.xvp = xvp, .account = FIRST, .action = XVP_APPROVE};
        submit(NULL, command);
        ASSERT(events[0].header.type == EVT_xvp_changed);
    }
}

static void open_all(void)
{
    struct flow_venue venue = flow_small(2);
    venue.accounts = 16;
    limits = flow_limits(&venue, 60);
    limits.levels_max = limits.stops_max = 30;
    limits.trailing_stops_max = 4;
    limits.command_events_max = 64;
    limits.sessions_max = WEB_SESSION;
    limits.session_accounts_max += 2;
    engine_size = (engine_bytes(&limits) + 63) / 64 * 64;
    memory = aligned_alloc(64, engine_size);
    beginning = malloc(engine_size);
    ASSERT(memory != NULL && beginning != NULL);
    memset(memory, 0, engine_size);
    engine = engine_init(memory, &limits);
    flow_venue_make(&venue, 1, submit, NULL);
    trade(&venue);
    instruct();
    memcpy(beginning, memory, engine_size);
    sequence_at_beginning = sequence;
    int fd = memfile_create("ring", command_ring_bytes(RING_SLOTS));
    ASSERT(command_ring_open_producer(&producer, fd, RING_SLOTS) == 0);
    ASSERT(command_ring_open_consumer(&consumer, fd, RING_SLOTS, true) == 0);
}

// What the sequencer does with a record; false if the ring is to be shut.
static bool take(uint8_t gateway, bool dress)
{
    static struct command command;
    if (command_ring_take(&consumer, &command) != COMMAND_RING_TAKEN)
        return false;
    if (dress) { // the edges of a header are few, and most inputs would not come past them
        command.header.version = SCHEMA_VERSION;
        command.header.sequence = command.header.time_ns = 0;
    }
    if (!command_check(&command) || !command_allowed(gateway, command.header.type) ||
        command.header.sequence != 0 || command.header.time_ns != 0)
        return false;
    command.header.gateway = gateway;
    submit(NULL, &command);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (engine == NULL)
        open_all();
    if (count < 2)
        return 0;
    memcpy(memory, beginning, engine_size);
    sequence = sequence_at_beginning;
    command_ring_skip(&consumer);
    uint8_t gateway = (uint8_t)(1 + bytes[0] % (GATEWAY_COUNT - 1));
    size_t used = count - 2 < RING_SLOTS * SLOT_BYTES ? count - 2 : RING_SLOTS * SLOT_BYTES;
    uint64_t tail = atomic_load(&producer.control->tail);
    for (size_t i = 0; i < used; i++)
        producer.slots[(tail * SLOT_BYTES + i) % (RING_SLOTS * SLOT_BYTES)] = bytes[2 + i];
    uint64_t slots = (used + SLOT_BYTES - 1) / SLOT_BYTES + (bytes[1] & 2) * 40;
    atomic_store(&producer.control->tail, tail + slots);
    while (take(gateway, bytes[1] & 1))
        ;
    engine_check(engine);
    return 0;
}
