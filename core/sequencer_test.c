// The core thread with the simplest engine, a real journal in a temporary folder, and gateways that
// are honest, silent, or lie.
#include "core/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/futex.h"
#include "base/memfile.h"
#include "core/counters.h"
#include "core/fake_engine.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/sequencer.h"

// Every call of the allocator by anybody in this program.
static _Atomic uint64_t allocations;
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
#if !defined(LONJA_SANITIZED)
void *malloc(size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_malloc(bytes);
}
void *calloc(size_t count, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_calloc(count, bytes);
}
void *realloc(void *memory, size_t bytes)
{
    atomic_fetch_add(&allocations, 1);
    return __libc_realloc(memory, bytes);
}
#endif

static bool arena_fails;
int __real_arena_open(struct arena *arena, size_t bytes);
int __wrap_arena_open(struct arena *arena, size_t bytes);

int __wrap_arena_open(struct arena *arena, size_t bytes)
{
    return arena_fails ? -ENOMEM : __real_arena_open(arena, bytes);
}

struct fixture {
    char folder[64];
    struct boot boot;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring ring;
    struct replay replay;
    struct gate gate;
    struct journal journal;
    struct sequencer sequencer;
    struct command_ring rings[GATEWAY_COUNT];
    uint64_t gateway_seq[GATEWAY_COUNT];
    uint64_t now_ns;
    struct clock clock;
};

static uint64_t fake_now(void *context)
{
    return ((struct fixture *)context)->now_ns;
}

static void begin_epoch(struct fixture *f, uint64_t epoch, uint32_t chain)
{
    struct engine_limits limits = f->replay.limits;
    struct journal_options options = {
        .segments = replay_terms(&limits, (uint64_t)f->boot.config.journal_segment_bytes),
        .epoch = epoch,
        .next_sequence = f->replay.sequence + 1,
        .chain = chain,
        .queue_slots = 1024};
    assert_int_equal(gate_open(&f->gate, &f->boot, f->ring.control), 0);
    assert_int_equal(journal_open(&f->journal, &f->io, &f->gate, &f->clock, &options), 0);
    assert_int_equal(sequencer_open(&f->sequencer, &f->boot, &f->replay, &f->journal, &f->gate,
                                    &f->ring, &f->clock, epoch),
                     0);
}

// The core ends and is started again: the second epoch of the same journal.
static void next_life(struct fixture *f)
{
    sequencer_close(&f->sequencer);
    uint32_t chain = f->journal.chain;
    journal_close(&f->journal);
    gate_close(&f->gate);
    begin_epoch(f, 2, chain);
}

static int setup(void **state)
{
    struct fixture *f = aligned_alloc(64, (sizeof *f + 63) / 64 * 64);
    memset(f, 0, sizeof *f);
    testing_folder_make(f->folder);
    testing_boot_init(&f->boot, PROCESS_CORE, f->folder);
    f->now_ns = 1000000000000;
    f->clock = (struct clock){fake_now, fake_now, f};
    char journal[NUMBERED_PATH_BYTES];
    state_folder(journal, &f->boot.config, "journal");
    assert_int_equal(journal_io_file_open(&f->io, &f->io_file, journal, true), 0);
    assert_int_equal(event_ring_open_writer(&f->ring, f->boot.event_ring_fd, 1024, 64), 0);
    struct engine_limits limits = replay_limits(&f->boot.config);
    assert_int_equal(replay_open(&f->replay, &limits), 0);
    begin_epoch(f, 1, 0);
    for (int i = GATEWAY_FIX; i < GATEWAY_COUNT; i++)
        assert_int_equal(command_ring_open_producer(&f->rings[i], f->boot.command_ring_fd[i], 1024),
                         0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (int i = GATEWAY_FIX; i < GATEWAY_COUNT; i++)
        command_ring_close(&f->rings[i]);
    sequencer_close(&f->sequencer);
    journal_close(&f->journal);
    gate_close(&f->gate);
    replay_close(&f->replay);
    event_ring_close(&f->ring);
    journal_io_file_close(&f->io_file);
    testing_boot_fini(&f->boot);
    testing_folder_remove(f->folder);
    free(f);
    return 0;
}

static struct command *claim(struct fixture *f, uint8_t gateway, uint8_t type)
{
    uint8_t slots = command_slots(type, 0);
    struct command *command = command_ring_claim(&f->rings[gateway], slots, false);
    assert_non_null(command);
    command->header.slots = slots;
    command->header.type = type;
    command->header.version = SCHEMA_VERSION;
    command->header.incarnation = 1;
    command->header.gateway_seq = ++f->gateway_seq[gateway];
    atomic_store(&f->rings[gateway].control->heartbeat_ns, f->now_ns);
    return command;
}

static void send_plain(struct fixture *f, uint8_t gateway, uint8_t type)
{
    claim(f, gateway, type);
    command_ring_publish(&f->rings[gateway]);
}

static void send_events(struct fixture *f, uint64_t events)
{
    claim(f, GATEWAY_ADMIN, CMD_nav_set)->body.nav_set.nav = (int64_t)events;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
}

static int work(struct fixture *f)
{
    int result = sequencer_work(&f->sequencer);
    assert_true(result >= 0);
    return result;
}

static void write_all(struct fixture *f)
{
    int result;
    while ((result = journal_write_work(&f->journal)) > 0)
        ;
    assert_int_equal(result, 0);
}

static uint64_t counter(struct fixture *f, enum core_counter counter)
{
    return atomic_load(&f->ring.control->counters[counter]);
}

static const struct event *event_at(struct fixture *f, uint64_t position)
{
    return &f->ring.events[position % f->ring.capacity];
}

// ---- tests

static void an_epoch_begins_cancel_only(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->replay.sequence, 1);
    assert_int_equal(event_at(f, 0)->body.done.command, CMD_venue_state);
    work(f);
    assert_int_equal(atomic_load(&f->ring.control->venue_state), VENUE_CANCEL_ONLY);
    assert_int_equal(atomic_load(&f->ring.control->durable_seq), 0);
    write_all(f);
    assert_int_equal(atomic_load(&f->ring.control->durable_seq), 1);
}

static void the_venue_opens_when_fix_web_and_admin_are_attached(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    work(f);
    assert_int_equal(atomic_load(&f->ring.control->venue_state), VENUE_CANCEL_ONLY);
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    assert_int_equal(atomic_load(&f->ring.control->venue_state), VENUE_OPEN);
}

// A tick that has become due comes first.
static void the_venue_opens_behind_what_is_due(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    send_plain(f, GATEWAY_ADMIN, CMD_breaker_set); // its deadline is now
    assert_int_equal(work(f), 4);
    assert_int_equal(atomic_load(&f->ring.control->venue_state), VENUE_CANCEL_ONLY);
    assert_int_equal(work(f), 2);
    assert_int_equal(event_at(f, 5)->body.done.command, CMD_clock_tick);
    assert_int_equal(event_at(f, 6)->body.done.command, CMD_venue_state);
    assert_int_equal(atomic_load(&f->ring.control->venue_state), VENUE_OPEN);
}

static void the_gateway_is_the_rings_whatever_the_record_says(void **state)
{
    struct fixture *f = *state;
    claim(f, GATEWAY_WEB, CMD_gateway_attach)->header.gateway = GATEWAY_ADMIN;
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    assert_int_equal(work(f), 1);
    assert_int_equal(event_at(f, 1)->header.gateway, GATEWAY_WEB);
}

static void times_rise_although_the_clock_stands(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    for (int i = 0; i < 10; i++)
        send_events(f, 1);
    work(f);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(event_at(f, i)->header.time_ns, event_at(f, i - 1)->header.time_ns + 1);
}

static void what_is_not_attached_is_dropped(void **state)
{
    struct fixture *f = *state;
    send_events(f, 1);
    assert_int_equal(work(f), 0);
    assert_int_equal(counter(f, COUNTER_dropped_not_attached), 1);
    assert_int_equal(atomic_load(&f->rings[GATEWAY_ADMIN].control->shut), 0);
}

static void expect_shut(struct fixture *f, uint8_t gateway)
{
    uint64_t before = f->replay.sequence;
    work(f);
    assert_int_equal(atomic_load(&f->rings[gateway].control->shut), 1);
    work(f); // its detach
    assert_int_equal(f->replay.sequence, before + 1);
    assert_int_equal(event_at(f, before)->body.done.command, CMD_gateway_detach);
    assert_int_equal(counter(f, COUNTER_ring_lies), 1);
}

static void a_forbidden_type_shuts_the_ring(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    work(f);
    send_plain(f, GATEWAY_WEB, CMD_ledger_post);
    expect_shut(f, GATEWAY_WEB);
}

static void a_core_command_from_a_gateway_shuts_its_ring(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    send_plain(f, GATEWAY_ADMIN, CMD_journal_digest);
    expect_shut(f, GATEWAY_ADMIN);
}

static void a_malformed_record_shuts_the_ring(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    work(f);
    claim(f, GATEWAY_FIX, CMD_order_new)->body.order_new.client_id_bytes = 255;
    command_ring_publish(&f->rings[GATEWAY_FIX]);
    expect_shut(f, GATEWAY_FIX);
}

static void a_number_that_does_not_rise_shuts_the_ring(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    send_events(f, 1);
    work(f);
    f->gateway_seq[GATEWAY_ADMIN] = 1;
    send_events(f, 1);
    expect_shut(f, GATEWAY_ADMIN);
}

// Sequence and time are the core's to stamp: a gateway that writes them lies.
static void a_stamped_record_shuts_the_ring(void **state)
{
    struct fixture *f = *state;
    for (uint8_t gateway = GATEWAY_FIX; gateway <= GATEWAY_WEB; gateway++)
        send_plain(f, gateway, CMD_gateway_attach);
    work(f);
    claim(f, GATEWAY_FIX, CMD_order_cancel)->header.sequence = 1;
    command_ring_publish(&f->rings[GATEWAY_FIX]);
    expect_shut(f, GATEWAY_FIX);
    claim(f, GATEWAY_WEB, CMD_order_cancel)->header.time_ns = 1;
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    work(f);
    assert_int_equal(atomic_load(&f->rings[GATEWAY_WEB].control->shut), 1);
    assert_int_equal(counter(f, COUNTER_ring_lies), 2);
}

// What a former life left in the ring is dropped, and what comes behind a lie; neither is a new
// lie.
static void commands_of_another_life_are_dropped(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    claim(f, GATEWAY_ADMIN, CMD_nav_set)->header.incarnation = 7;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    assert_int_equal(work(f), 0);
    assert_int_equal(counter(f, COUNTER_dropped_not_attached), 1);
    assert_int_equal(counter(f, COUNTER_ring_lies), 0);
    send_plain(f, GATEWAY_ADMIN, CMD_order_new);
    expect_shut(f, GATEWAY_ADMIN);
    send_events(f, 1);
    send_plain(f, GATEWAY_ADMIN, CMD_order_new); // it lies on: once is enough
    assert_int_equal(work(f), 0);
    assert_int_equal(counter(f, COUNTER_ring_lies), 1);
}

static void the_indexer_that_resets_a_breaker_is_shut_out(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_INDEX, CMD_gateway_attach);
    work(f);
    send_plain(f, GATEWAY_INDEX, CMD_breaker_set);
    expect_shut(f, GATEWAY_INDEX);
    assert_int_equal(counter(f, COUNTER_ring_lies), 1);
}

// However it waits, it comes back, and takes what is there.
static unsigned yields, sleeps; // of the core, so far

int __wrap_sched_yield(void);
int __wrap_sched_yield(void)
{
    yields++;
    return 0;
}

void __real_futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns);
void __wrap_futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns);
void __wrap_futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns)
{
    sleeps++;
    __real_futex_wait_any(words, count, timeout_ns);
}

// Each in its way; and none sleeps while there is work.
static void every_way_of_waiting_comes_back(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum sequencer_wait way;
        unsigned yields, sleeps;
    } ways[] = {{SEQUENCER_SPIN, 0, 0}, {SEQUENCER_YIELD, 1, 0}, {SEQUENCER_BLOCK, 0, 1}};
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        f->sequencer.wait = ways[i].way;
        yields = sleeps = 0;
        sequencer_idle(&f->sequencer);
        assert_int_equal(yields, ways[i].yields);
        assert_int_equal(sleeps, ways[i].sleeps);
        send_events(f, 1);
        sequencer_idle(&f->sequencer); // at once: there is work
        assert_int_equal(sleeps, ways[i].sleeps);
        assert_int_equal(work(f), 1);
    }
}

static void a_shut_ring_opens_for_a_newer_incarnation_only(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    work(f);
    send_plain(f, GATEWAY_WEB, CMD_ledger_post);
    expect_shut(f, GATEWAY_WEB);
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    assert_int_equal(work(f), 0);
    claim(f, GATEWAY_WEB, CMD_gateway_attach)->header.incarnation = 2;
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    assert_int_equal(work(f), 1);
    assert_int_equal(atomic_load(&f->rings[GATEWAY_WEB].control->shut), 0);
}

// A gateway that was taken over says what it likes; whose life it is, the supervisor says.
static void an_incarnation_counts_only_if_the_supervisor_announced_it(void **state)
{
    struct fixture *f = *state;
    struct boot_lives lives = {0};
    f->sequencer.lives = &lives;
    atomic_store(&lives.incarnation[PROCESS_WEB], 1);
    claim(f, GATEWAY_WEB, CMD_gateway_attach)->header.incarnation = UINT32_MAX;
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    assert_int_equal(work(f), 0);
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    assert_int_equal(work(f), 1);
    send_plain(f, GATEWAY_WEB, CMD_ledger_post);
    expect_shut(f, GATEWAY_WEB);
    claim(f, GATEWAY_WEB, CMD_gateway_attach)->header.incarnation = 2; // it forgives itself
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    assert_int_equal(work(f), 0);
    atomic_store(&lives.incarnation[PROCESS_WEB], 2);
    claim(f, GATEWAY_WEB, CMD_gateway_attach)->header.incarnation = 2;
    command_ring_publish(&f->rings[GATEWAY_WEB]);
    assert_int_equal(work(f), 1);
    f->sequencer.lives = NULL;
}

static void a_bad_ring_does_not_harm_the_others(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    atomic_store(&f->rings[GATEWAY_WEB].control->tail, UINT64_MAX);
    for (int i = 0; i < 50; i++)
        send_events(f, 1);
    assert_int_equal(work(f), 50);
}

static void a_silent_gateway_is_detached_once(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    work(f);
    f->now_ns += 2900000000u;
    assert_int_equal(work(f), 0);
    f->now_ns += 200000000u;
    assert_int_equal(work(f), 1);
    assert_int_equal(event_at(f, 2)->body.done.command, CMD_gateway_detach);
    f->now_ns += 9000000000u;
    assert_int_equal(work(f), 0);
    assert_int_equal(counter(f, COUNTER_heartbeats_missed), 1);
}

static void a_gateway_that_does_not_come_back_after_a_restart_is_detached(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    work(f);
    write_all(f);
    next_life(f);
    uint64_t sequence = f->replay.sequence;
    f->now_ns += 4000000000u;
    assert_int_equal(work(f), 1);
    assert_int_equal(event_at(f, sequence)->body.done.command, CMD_gateway_detach);
}

static void continuations_come_before_the_next_command(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_reference_set)->body.reference_set.price = 3;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    send_events(f, 1);
    work(f);
    const uint8_t expected[] = {CMD_venue_state, CMD_gateway_attach, CMD_reference_set,
                                CMD_clock_tick,  CMD_clock_tick,     CMD_clock_tick,
                                CMD_nav_set};
    assert_int_equal(f->replay.sequence, sizeof expected);
    for (uint64_t i = 0; i < sizeof expected; i++)
        assert_int_equal(event_at(f, i)->body.done.command, expected[i]);
}

// More continuations than one round does, with the clock, a silent gateway and other rings waiting.
static void nothing_comes_between_continuations(void **state)
{
    struct fixture *f = *state;
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++)
        send_plain(f, gateway, CMD_gateway_attach);
    work(f);
    claim(f, GATEWAY_ADMIN, CMD_reference_set)->body.reference_set.price = 300;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    for (int i = 0; i < 10; i++)
        send_events(f, 1);
    uint64_t before = f->replay.sequence;
    work(f);
    f->now_ns += 4000000000u; // everybody is silent by now
    while (work(f) > 0)
        write_all(f);
    struct command none;
    assert_false(engine_continuation(f->replay.engine, &none));
    assert_true(f->replay.sequence > before + 300);
}

// The journal's queue is full in the middle of them: the core waits, and then goes on there.
static void continuations_wait_for_the_journal_and_nothing_passes_them(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_reference_set)->body.reference_set.price = 3000;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    send_events(f, 1);
    while (work(f) > 0)
        ;
    uint64_t waited_at = f->replay.sequence;
    assert_in_range(waited_at, 500, 1100);
    f->now_ns += 4000000000u;
    assert_int_equal(work(f), 0);
    do
        write_all(f);
    while (work(f) > 0);
    assert_true(f->replay.sequence > 3000);
}

// A core that ended in the middle of a large command goes on with it before its epoch's own first
// command.
static void a_restart_in_the_middle_of_continuations_goes_on_with_them(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_reference_set)->body.reference_set.price = 200;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    work(f);
    write_all(f);
    struct command next;
    assert_true(engine_continuation(f->replay.engine, &next));
    uint64_t sequence = f->replay.sequence, position = f->sequencer.written;
    next_life(f);
    while (work(f) > 0)
        write_all(f);
    assert_false(engine_continuation(f->replay.engine, &next));
    uint64_t left = 200 - (sequence - 3);
    for (uint64_t i = 0; i < left; i++)
        assert_int_equal(event_at(f, position + i)->body.done.command, CMD_clock_tick);
    assert_int_equal(event_at(f, position + left)->body.done.command, CMD_venue_state);
}

// A digest and the longest command both find room, whatever the queue holds.
static void room_for_one_command_is_room_for_its_digest_too(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    while (f->replay.sequence < JOURNAL_DIGEST_EVERY - 1) {
        send_events(f, 1);
        work(f);
        write_all(f);
    }
    f->journal.queue_read_seen = atomic_load(&f->journal.queue_head);
    f->journal.queue_write = f->journal.queue_read_seen + 1024 - COMMAND_SLOTS_MAX;
    struct command *longest = command_ring_claim(&f->rings[GATEWAY_ADMIN], COMMAND_SLOTS_MAX, true);
    assert_non_null(longest);
    longest->header = (struct command_header){.slots = COMMAND_SLOTS_MAX,
                                              .type = CMD_session_set,
                                              .version = SCHEMA_VERSION,
                                              .incarnation = 1,
                                              .gateway_seq = ++f->gateway_seq[GATEWAY_ADMIN]};
    longest->body.session_set.account_count = SESSION_ACCOUNTS_MAX;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    assert_int_equal(work(f), 0);
}

// The clock stands still, but stamps go on: what would be stamped at the deadline has to wait.
static void a_tick_comes_before_what_is_stamped_at_the_deadline(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_breaker_set)->body.breaker_set.tripped = 3;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    for (int i = 0; i < 4; i++)
        send_events(f, 1);
    while (work(f) > 0)
        ;
    const uint8_t types[] = {CMD_venue_state, CMD_gateway_attach, CMD_breaker_set, CMD_nav_set,
                             CMD_nav_set,     CMD_clock_tick,     CMD_nav_set,     CMD_nav_set};
    assert_int_equal(f->replay.sequence, 8);
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(event_at(f, i)->body.done.command, types[i]);
    assert_true(event_at(f, 5)->header.time_ns == event_at(f, 2)->header.time_ns + 3);
}

static void a_passed_deadline_makes_a_tick(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    send_plain(f, GATEWAY_ADMIN, CMD_breaker_set);
    assert_int_equal(work(f), 2);
    f->now_ns += 10;
    assert_int_equal(work(f), 1);
    assert_int_equal(event_at(f, 3)->body.done.command, CMD_clock_tick);
    assert_int_equal(work(f), 0);
}

// A gateway that says much leaves the others their turn between sixty-four commands.
static void a_ring_is_emptied_in_batches(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    assert_int_equal(work(f), 1);
    for (int i = 0; i < 100; i++)
        send_events(f, 1);
    assert_int_equal(work(f), 64);
    assert_int_equal(work(f), 36);
}

// However many are due: gateways have their turn between sixty-four.
static void ticks_without_end_leave_gateways_their_turn(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_breaker_set)->body.breaker_set.instrument = 99; // and the first
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    assert_int_equal(work(f), 2);
    send_plain(f, GATEWAY_ADMIN, CMD_nav_set);
    f->now_ns += 200; // each command is stamped a nanosecond later
    assert_int_equal(work(f), 64);
    assert_int_equal(work(f), 36 + 1);
    assert_int_equal(work(f), 0);
}

static void the_core_stops_taking_when_half_the_ring_is_not_durable(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    for (int i = 0; i < 30; i++)
        send_events(f, 64);
    while (work(f) > 0)
        ;
    uint64_t written = f->sequencer.written;
    assert_in_range(written, 512, 512 + 64);
    write_all(f);
    assert_true(work(f) > 0);
    assert_true(f->sequencer.written > written);
}

static void every_4096th_sequence_is_a_digest_and_replay_agrees(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    while (f->replay.sequence < 10000) {
        for (uint64_t i = 0; i < 20; i++)
            send_events(f, 1 + i % 7);
        work(f);
        write_all(f);
    }
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &f->replay.limits), 0);
    assert_true(recovery_run_all(&recovered, &replay, &f->io, UINT64_MAX, NULL, NULL));
    assert_int_equal(replay.sequence, f->replay.sequence);
    assert_int_equal(replay.events_digest, f->replay.events_digest);
    assert_int_equal(engine_digest(replay.engine), engine_digest(f->replay.engine));
    assert_int_equal(recovered.epoch, 1);
    replay_close(&replay);
}

static void a_replay_that_makes_other_events_is_refused(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    f->replay.events_digest ^= 1; // as if this core's engine had made another event
    while (f->replay.sequence < 5000) {
        send_events(f, 1);
        work(f);
        write_all(f);
    }
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &f->replay.limits), 0);
    assert_false(recovery_run_all(&recovered, &replay, &f->io, UINT64_MAX, NULL, NULL));
    assert_int_equal(replay.sequence, 4095);
    replay_close(&replay);
}

static void a_snapshot_goes_on_like_the_state_it_was_made_of(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    for (int i = 0; i < 100; i++)
        send_events(f, 2);
    while (work(f) > 0)
        write_all(f);
    write_all(f);
    char snapshots[NUMBERED_PATH_BYTES];
    state_folder(snapshots, &f->boot.config, "snapshots");
    assert_int_equal(state_folder_make(snapshots), 0);
    assert_int_equal(replay_save(&f->replay, snapshots), 0);
    uint64_t saved = f->replay.sequence;
    for (int i = 0; i < 50; i++)
        send_events(f, 3);
    while (work(f) > 0)
        write_all(f);
    write_all(f);
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &f->replay.limits), 0);
    assert_true(recovery_run(&recovered, &replay, &f->io, snapshots, UINT64_MAX, NULL, NULL));
    assert_int_equal(recovered.snapshot_sequence, saved);
    assert_int_equal(recovered.commands, f->replay.sequence - saved);
    assert_int_equal(replay.events, f->replay.events);
    assert_int_equal(replay.events_digest, f->replay.events_digest);
    replay_close(&replay);
}

static void nothing_is_allocated_after_the_start(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    work(f);
    write_all(f);
    uint64_t before = atomic_load(&allocations);
    for (int i = 0; i < 3000; i++) { // over several segments
        send_events(f, 64);
        work(f);
        write_all(f);
    }
    atomic_store(&f->rings[GATEWAY_WEB].control->tail, UINT64_MAX); // and through the log
    work(f);
    sequencer_idle(&f->sequencer);
    assert_true(counter(f, COUNTER_journal_segments) > 1);
    assert_int_equal(atomic_load(&allocations), before);
}

static void a_failed_journal_stops_the_core(void **state)
{
    struct fixture *f = *state;
    gate_fail(&f->gate, 5);
    assert_int_equal(sequencer_work(&f->sequencer), -5);
    assert_int_equal(journal_write_work(&f->journal), -5);
}

static int quiet(void **state)
{
    (void)state;
    assert_non_null(freopen("/dev/null", "w", stderr));
    return 0;
}

// It was attached in the last life, has not come back, and its ring lies already: its sessions are
// closed.
static void a_ring_that_lies_before_its_gateway_is_back_is_detached(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_FIX, CMD_gateway_attach);
    work(f);
    write_all(f);
    next_life(f);
    uint64_t sequence = f->replay.sequence;
    send_plain(f, GATEWAY_FIX, CMD_ledger_post);
    work(f);
    assert_int_equal(atomic_load(&f->rings[GATEWAY_FIX].control->shut), 1);
    work(f);
    assert_int_equal(f->replay.sequence, sequence + 1);
    assert_false(f->replay.gateways[GATEWAY_FIX].attached);
    assert_int_equal(counter(f, COUNTER_heartbeats_missed), 0);
}

static void a_gateway_may_attach_again_in_the_same_life(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        f->gateway_seq[GATEWAY_WEB] = 0; // it begins to count again
        send_plain(f, GATEWAY_WEB, CMD_gateway_attach);
        assert_int_equal(work(f), 1);
    }
    assert_int_equal(counter(f, COUNTER_ring_lies), 0);
}

static void a_sleep_ends_at_the_engines_deadline(void **state)
{
    struct fixture *f = *state;
    f->sequencer.wait = SEQUENCER_BLOCK;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_breaker_set)->body.breaker_set.tripped = 1;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    work(f);
    sequencer_idle(&f->sequencer); // due in a moment
    f->now_ns += 1000000;
    sequencer_idle(&f->sequencer); // over
    assert_int_equal(work(f), 1);
    claim(f, GATEWAY_ADMIN, CMD_breaker_set)->body.breaker_set.tripped = 255;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    work(f);
    sequencer_idle(&f->sequencer);
}

static void a_tick_that_is_due_waits_for_room(void **state)
{
    struct fixture *f = *state;
    send_plain(f, GATEWAY_ADMIN, CMD_gateway_attach);
    claim(f, GATEWAY_ADMIN, CMD_breaker_set)->body.breaker_set.tripped = 200;
    command_ring_publish(&f->rings[GATEWAY_ADMIN]);
    for (int i = 0; i < 12; i++)
        send_events(f, 64);
    while (work(f) > 0)
        ;
    uint64_t sequence = f->replay.sequence;
    f->now_ns += 1000000;
    assert_int_equal(work(f), 0);
    assert_int_equal(f->replay.sequence, sequence);
    write_all(f);
    assert_true(work(f) > 0);
    assert_int_equal(event_at(f, f->sequencer.written - 1)->header.last, 1);
}

static void rings_that_cannot_be_had_are_told(void **state)
{
    struct fixture *f = *state;
    static struct sequencer other;
    struct boot boot = f->boot;
    boot.command_ring_fd[GATEWAY_FIX] = 999; // nothing is open there
    assert_true(sequencer_open(&other, &boot, &f->replay, &f->journal, &f->gate, &f->ring,
                               &f->clock, 2) < 0);
    sequencer_close(&other);
    boot = f->boot;
    boot.lives_fd = 999;
    assert_true(sequencer_open(&other, &boot, &f->replay, &f->journal, &f->gate, &f->ring,
                               &f->clock, 2) < 0);
    sequencer_close(&other);
    arena_fails = true;
    assert_int_equal(
        sequencer_open(&other, &boot, &f->replay, &f->journal, &f->gate, &f->ring, &f->clock, 2),
        -ENOMEM);
    arena_fails = false;
}

static void with_no_ring_at_all_the_core_only_begins(void **state)
{
    struct fixture *f = *state;
    static struct sequencer other;
    struct boot boot = f->boot;
    boot.lives_fd = memfile_create("lives", sizeof(struct boot_lives));
    for (int i = 0; i < GATEWAY_COUNT; i++)
        boot.command_ring_fd[i] = -1;
    write_all(f);
    assert_int_equal(
        sequencer_open(&other, &boot, &f->replay, &f->journal, &f->gate, &f->ring, &f->clock, 2),
        0);
    assert_non_null(other.lives);
    other.wait = SEQUENCER_BLOCK;
    assert_int_equal(sequencer_work(&other), 0);
    sequencer_idle(&other);
    sequencer_close(&other);
    close(boot.lives_fd);
}

int main(void)
{
#define CORE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CORE_TEST(an_epoch_begins_cancel_only),
        CORE_TEST(the_venue_opens_when_fix_web_and_admin_are_attached),
        CORE_TEST(the_venue_opens_behind_what_is_due),
        CORE_TEST(the_gateway_is_the_rings_whatever_the_record_says),
        CORE_TEST(times_rise_although_the_clock_stands),
        CORE_TEST(what_is_not_attached_is_dropped),
        CORE_TEST(a_forbidden_type_shuts_the_ring),
        CORE_TEST(a_stamped_record_shuts_the_ring),
        CORE_TEST(commands_of_another_life_are_dropped),
        CORE_TEST(the_indexer_that_resets_a_breaker_is_shut_out),
        CORE_TEST(every_way_of_waiting_comes_back),
        CORE_TEST(a_core_command_from_a_gateway_shuts_its_ring),
        CORE_TEST(a_malformed_record_shuts_the_ring),
        CORE_TEST(a_number_that_does_not_rise_shuts_the_ring),
        CORE_TEST(a_shut_ring_opens_for_a_newer_incarnation_only),
        CORE_TEST(an_incarnation_counts_only_if_the_supervisor_announced_it),
        CORE_TEST(a_bad_ring_does_not_harm_the_others),
        CORE_TEST(a_silent_gateway_is_detached_once),
        CORE_TEST(a_gateway_that_does_not_come_back_after_a_restart_is_detached),
        CORE_TEST(continuations_come_before_the_next_command),
        CORE_TEST(nothing_comes_between_continuations),
        CORE_TEST(continuations_wait_for_the_journal_and_nothing_passes_them),
        CORE_TEST(a_restart_in_the_middle_of_continuations_goes_on_with_them),
        CORE_TEST(room_for_one_command_is_room_for_its_digest_too),
        CORE_TEST(a_passed_deadline_makes_a_tick),
        CORE_TEST(ticks_without_end_leave_gateways_their_turn),
        CORE_TEST(a_ring_is_emptied_in_batches),
        CORE_TEST(a_tick_comes_before_what_is_stamped_at_the_deadline),
        CORE_TEST(the_core_stops_taking_when_half_the_ring_is_not_durable),
        CORE_TEST(every_4096th_sequence_is_a_digest_and_replay_agrees),
        CORE_TEST(a_replay_that_makes_other_events_is_refused),
        CORE_TEST(a_snapshot_goes_on_like_the_state_it_was_made_of),
        CORE_TEST(nothing_is_allocated_after_the_start),
        CORE_TEST(a_failed_journal_stops_the_core),
        CORE_TEST(a_ring_that_lies_before_its_gateway_is_back_is_detached),
        CORE_TEST(a_gateway_may_attach_again_in_the_same_life),
        CORE_TEST(a_sleep_ends_at_the_engines_deadline),
        CORE_TEST(a_tick_that_is_due_waits_for_room),
        CORE_TEST(rings_that_cannot_be_had_are_told),
        CORE_TEST(with_no_ring_at_all_the_core_only_begins),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
