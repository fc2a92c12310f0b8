// The real executables on a real disk: start, trade, kill, recover, replay, poison.
#include "core/testing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/command_ring.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "core/follower.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"

enum { INSTRUMENT = 1, CASH = 1, TOKEN = 2, MEMBER = 1, BUYER = 21, SELLER = 22, SESSION = 1 };

struct venue {
    char folder[64];
    struct boot boot;
    struct event_ring ring;
    struct command_ring rings[GATEWAY_COUNT];
    uint64_t gateway_seq[GATEWAY_COUNT];
    uint32_t incarnation;
    struct boot_lives *lives;
    pid_t core, tape;
    struct follower *follower;
    uint64_t accepted, trades, events, posted;
};

static pid_t start(const struct boot *boot, enum process_id process)
{
    return testing_start(boot, process, LONJA_BIN, NULL, NULL);
}

// What the supervisor does before it starts a gateway.
static void announce(struct venue *venue, uint32_t incarnation)
{
    venue->incarnation = incarnation;
    for (int process = 0; process < PROCESS_COUNT; process++)
        atomic_store(&venue->lives->incarnation[process], incarnation);
}

static int finish(pid_t *child, int signal_number)
{
    if (signal_number != 0)
        kill(*child, signal_number);
    int status;
    assert_int_equal(waitpid(*child, &status, 0), *child);
    *child = 0;
    return status;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void await_core(struct venue *venue, uint64_t epoch)
{
    for (int i = 0; i < 60000; i++, nap())
        if (atomic_load(&venue->ring.control->epoch) == epoch &&
            atomic_load(&venue->ring.control->core_state) == CORE_RUNNING)
            return;
    fail_msg("the core does not run");
}

// ---- commands

static struct command *claim(struct venue *venue, uint8_t gateway, uint8_t type, size_t tail)
{
    uint8_t slots = command_slots(type, tail);
    struct command *command;
    for (int i = 0; (command = command_ring_claim(&venue->rings[gateway], slots, false)) == NULL;
         i++) {
        if (i > 10000)
            fail_msg("the ring stays full");
        nap();
    }
    atomic_store(&venue->rings[gateway].control->heartbeat_ns, clock_monotone_ns(&clock_system));
    command->header.slots = slots;
    command->header.type = type;
    command->header.version = SCHEMA_VERSION;
    command->header.incarnation = venue->incarnation;
    command->header.gateway_seq = ++venue->gateway_seq[gateway];
    return command;
}

static void send(struct venue *venue, uint8_t gateway)
{
    command_ring_publish(&venue->rings[gateway]);
}

static void attach_all(struct venue *venue)
{
    static const uint8_t gateways[] = {GATEWAY_FIX, GATEWAY_WEB, GATEWAY_ADMIN};
    for (size_t i = 0; i < 3; i++) {
        claim(venue, gateways[i], CMD_gateway_attach, 0);
        send(venue, gateways[i]);
    }
}

static void reference_account(struct venue *venue, uint32_t account)
{
    claim(venue, GATEWAY_ADMIN, CMD_account_set, 0)->body.account_set = (struct account_set_cmd){
        .account = account,
        .member = MEMBER,
        .jurisdiction = 724,
        .kyc = KYC_APPROVED,
        .accreditation = ACCREDITATION_INSTITUTIONAL,
        .fatca = FATCA_CLEAR,
        .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
        .fee_bps = FEE_BPS_DEFAULT};
    send(venue, GATEWAY_ADMIN);
}

static void deposit(struct venue *venue, uint32_t account, uint32_t asset, uint64_t reference)
{
    claim(venue, GATEWAY_ADMIN, CMD_ledger_post, 0)->body.ledger_post =
        (struct ledger_post_cmd){.account = account,
                                 .asset = asset,
                                 .amount = 1000000000000000,
                                 .kind = POSTING_DEPOSIT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = reference,
                                 .ref_hash = reference};
    send(venue, GATEWAY_ADMIN);
}

static void set_up_reference(struct venue *venue)
{
    claim(venue, GATEWAY_ADMIN, CMD_asset_set, 0)->body.asset_set =
        (struct asset_set_cmd){.asset = CASH, .kind = ASSET_CASH, .scale = 6, .symbol = "USD"};
    send(venue, GATEWAY_ADMIN);
    claim(venue, GATEWAY_ADMIN, CMD_asset_set, 0)->body.asset_set =
        (struct asset_set_cmd){.asset = TOKEN, .kind = ASSET_TOKEN, .scale = 2, .symbol = "PORT"};
    send(venue, GATEWAY_ADMIN);
    claim(venue, GATEWAY_ADMIN, CMD_instrument_set, 0)->body.instrument_set =
        (struct instrument_set_cmd){.instrument = INSTRUMENT,
                                    .token_asset = TOKEN,
                                    .cash_asset = CASH,
                                    .status = TOKEN_SECONDARY,
                                    .trading_mode = MODE_FULL_ORDERBOOK,
                                    .token_scale = 2,
                                    .tick = 10000,
                                    .lot = 1,
                                    .flags = INSTRUMENT_SELL_UNSETTLED,
                                    .collar_bps = 5000,
                                    .symbol = "PORT"};
    send(venue, GATEWAY_ADMIN);
    claim(venue, GATEWAY_ADMIN, CMD_instrument_phase, 0)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = INSTRUMENT, .phase = PHASE_CONTINUOUS};
    send(venue, GATEWAY_ADMIN);
    claim(venue, GATEWAY_ADMIN, CMD_member_set, 0)->body.member_set =
        (struct member_set_cmd){.member = MEMBER};
    send(venue, GATEWAY_ADMIN);
    reference_account(venue, BUYER);
    reference_account(venue, SELLER);
    struct command *session = claim(venue, GATEWAY_ADMIN, CMD_session_set, 8);
    session->body.session_set = (struct session_set_cmd){
        .session = SESSION, .member = MEMBER, .gateway = GATEWAY_FIX, .account_count = 2};
    uint32_t accounts[2] = {BUYER, SELLER};
    memcpy(command_tail_writable(session), accounts, sizeof accounts);
    send(venue, GATEWAY_ADMIN);
    deposit(venue, BUYER, CASH, 1);
    deposit(venue, SELLER, TOKEN, 2);
}

static void open_session(struct venue *venue)
{
    struct command *command = claim(venue, GATEWAY_FIX, CMD_session_open, 0);
    command->header.session = SESSION;
    command->body.session_open.opened_session = SESSION;
    send(venue, GATEWAY_FIX);
}

static void order(struct venue *venue, uint64_t number)
{
    char id[CLIENT_ID_BYTES_MAX + 1];
    int bytes = snprintf(id, sizeof id, "order-%llu", (unsigned long long)number);
    struct command *command = claim(venue, GATEWAY_FIX, CMD_order_new, (size_t)bytes);
    bool buy = number % 3 == 0;
    command->header.session = SESSION;
    command->body.order_new =
        (struct order_new_cmd){.account = buy ? BUYER : SELLER,
                               .instrument = INSTRUMENT,
                               .side = buy ? SIDE_BUY : SIDE_SELL,
                               .type = ORDER_LIMIT,
                               .tif = TIF_GTC,
                               .client_id_bytes = (uint8_t)bytes,
                               .price = 100000000 + (int64_t)(number * 7 % 5) * 10000,
                               .quantity = 1 + (int64_t)(number % 9)};
    memcpy(command_tail_writable(command), id, (size_t)bytes);
    send(venue, GATEWAY_FIX);
}

// ---- reading

static void drain(struct venue *venue)
{
    static struct event events[256];
    size_t count;
    while ((count = follower_poll(venue->follower, events, 256)) > 0) {
        venue->events += count;
        for (size_t i = 0; i < count; i++) {
            venue->accepted += events[i].header.type == EVT_order_accepted;
            venue->trades += events[i].header.type == EVT_trade;
            venue->posted += events[i].header.type == EVT_ledger_posted;
            if (events[i].header.type == EVT_rejected && getenv("LONJA_TEST_VERBOSE") != NULL) {
                char line[2048];
                event_dump(&events[i], line, sizeof line);
                print_message("%s\n", line);
            }
        }
    }
}

static void await_accepted(struct venue *venue, uint64_t accepted)
{
    uint64_t until_ns = clock_monotone_ns(&clock_system) + 20000000000u;
    while (venue->accepted < accepted && clock_monotone_ns(&clock_system) < until_ns) {
        drain(venue);
        if (venue->accepted < accepted)
            follower_wait(venue->follower, 20);
    }
    assert_int_equal(venue->accepted, accepted);
}

static void run_tool(char *out, size_t size, const struct venue *venue, const char *command,
                     const char *options, int status)
{
    char line[1024];
    snprintf(line, sizeof line, "%s/lonja-journal %s %s %s 2>&1", LONJA_BIN, command, venue->folder,
             options);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t n = fread(out, 1, size - 1, pipe);
    out[n] = '\0';
    int result = pclose(pipe);
    if (WEXITSTATUS(result) != status)
        fail_msg("%s: status %d: %s", command, WEXITSTATUS(result), out);
}

// Sequence, events and digests of a replay, without the "from".
static void replay_line(char out[512], const struct venue *venue, const char *options)
{
    run_tool(out, 512, venue, "replay", options, 0);
    char *from = strstr(out, " from=");
    assert_non_null(from);
    *from = '\0';
}

// What lonja-explain says of the state is what the replay said, from whatever snapshots the tape
// has left.
static void explain_agrees(const struct venue *venue, const char *replayed)
{
    char line[1024], out[32768];
    snprintf(line, sizeof line, "%s/lonja-explain state --check --json --state %s", LONJA_BIN,
             venue->folder);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, sizeof out - 1, pipe)] = '\0';
    assert_int_equal(WEXITSTATUS(pclose(pipe)), 0);
    const char *digest = strstr(replayed, "state_digest=");
    assert_non_null(digest);
    snprintf(line, sizeof line, "\"state_digest\": \"%.16s\"", digest + strlen("state_digest="));
    assert_non_null(strstr(out, line));
    assert_non_null(strstr(out, "\"checked\": true"));
}

// ---- fixture

static int setup(void **state)
{
    struct venue *venue = calloc(1, sizeof *venue);
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_OPS, venue->folder);
    venue->boot.config.tape_snapshot_every = 100;
    venue->boot.config.core_realtime_priority = 0;
    assert_int_equal(event_ring_open_reader(&venue->ring, venue->boot.event_ring_fd, 1024, 64), 0);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (venue->boot.command_ring_fd[i] >= 0)
            assert_int_equal(
                command_ring_open_producer(&venue->rings[i], venue->boot.command_ring_fd[i], 1024),
                0);
    int fd = memfile_create("lives", sizeof *venue->lives);
    void *lives;
    assert_int_equal(memfile_map(&lives, fd, sizeof *venue->lives, true), 0);
    venue->lives = lives;
    venue->boot.lives_fd = fd;
    announce(venue, 1);
    venue->follower = follower_open(&venue->boot, 0);
    assert_non_null(venue->follower);
    *state = venue;
    return 0;
}

static int teardown(void **state)
{
    struct venue *venue = *state;
    if (venue->core > 0)
        finish(&venue->core, SIGKILL);
    if (venue->tape > 0)
        finish(&venue->tape, SIGKILL);
    close(venue->boot.lives_fd);
    memfile_unmap(venue->lives, sizeof *venue->lives);
    follower_close(venue->follower);
    event_ring_close(&venue->ring);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (venue->boot.command_ring_fd[i] >= 0)
            command_ring_close(&venue->rings[i]);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
    free(venue);
    return 0;
}

static void await_posted(struct venue *venue, uint64_t posted)
{
    for (int i = 0; i < 60000 && venue->posted < posted; i++, nap())
        drain(venue);
    assert_int_equal(venue->posted, posted);
}

static void begin_trading(struct venue *venue)
{
    venue->core = start(&venue->boot, PROCESS_CORE);
    venue->tape = start(&venue->boot, PROCESS_TAPE);
    await_core(venue, 1);
    attach_all(venue);
    set_up_reference(venue);
    await_posted(venue, 2); // before the session is used, which comes by another ring
    open_session(venue);
}

static void begin_again(struct venue *venue, uint64_t epoch)
{
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, epoch);
    // What the word said in the epoch before is not what this one has come to.
    for (int i = 0;
         i < 60000 && atomic_load(&venue->ring.control->venue_state) != VENUE_CANCEL_ONLY; i++)
        nap();
    announce(venue, venue->incarnation + 1);
    attach_all(venue);
    open_session(venue);
}

// The venue opens when all are attached: orders sent before are refused, so wait for it.
static void await_open(struct venue *venue)
{
    for (int i = 0; i < 60000; i++, nap())
        if (atomic_load(&venue->ring.control->venue_state) == VENUE_OPEN)
            return;
    fail_msg("the venue does not open");
}

// ---- tests

static void a_trade_survives_a_clean_stop_and_replays_the_same(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    for (uint64_t i = 1; i <= 9000; i++) {
        order(venue, i);
        if (i % 100 == 0)
            drain(venue);
    }
    await_accepted(venue, 9000);
    assert_true(venue->trades > 1000);
    assert_int_equal(finish(&venue->core, SIGTERM), 0);
    assert_int_equal(finish(&venue->tape, SIGTERM), 0);
    char whole[512], from_snapshot[512];
    replay_line(whole, venue, "");
    replay_line(from_snapshot, venue, "--from-snapshot");
    assert_string_equal(whole, from_snapshot);
    explain_agrees(venue, whole);
    char sequence[64];
    snprintf(sequence, sizeof sequence, "sequence=%llu events=%llu ",
             (unsigned long long)follower_sequence(venue->follower),
             (unsigned long long)venue->events);
    assert_memory_equal(whole, sequence, strlen(sequence));
}

static void killed_cores_lose_nothing_that_was_shown(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    uint64_t number = 0;
    for (uint64_t epoch = 2; epoch <= 6; epoch++) {
        for (int i = 0; i < 700; i++)
            order(venue, ++number);
        drain(venue);
        uint64_t shown = follower_sequence(venue->follower);
        finish(&venue->core, SIGKILL);
        if (epoch == 4) { // the tape, too
            finish(&venue->tape, SIGKILL);
            venue->tape = start(&venue->boot, PROCESS_TAPE);
        }
        begin_again(venue, epoch);
        assert_true(atomic_load(&venue->ring.control->base_sequence) >= shown);
        await_open(venue);
    }
    // One more order, which must come through: the follower has gone on without a gap.
    uint64_t before = venue->accepted;
    while (follower_lag(venue->follower) > 0)
        drain(venue);
    before = venue->accepted;
    order(venue, ++number);
    await_accepted(venue, before + 1);
    finish(&venue->core, SIGTERM);
    finish(&venue->tape, SIGTERM);
    char whole[512], from_snapshot[512], events[64];
    replay_line(whole, venue, "");
    replay_line(from_snapshot, venue, "--from-snapshot");
    assert_string_equal(whole, from_snapshot);
    drain(venue);
    snprintf(events, sizeof events, " events=%llu ", (unsigned long long)venue->events);
    assert_non_null(strstr(whole, events)); // nothing doubled, nothing left out
}

static void a_deleted_tape_is_rebuilt(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    for (uint64_t i = 1; i <= 3000; i++)
        order(venue, i);
    await_accepted(venue, 3000);
    finish(&venue->tape, SIGTERM);
    char tape[NUMBERED_PATH_BYTES];
    state_folder(tape, &venue->boot.config, "tape");
    testing_folder_remove(tape);
    venue->tape = start(&venue->boot, PROCESS_TAPE);
    struct boot boot = venue->boot;
    boot.process = PROCESS_RECORD;
    struct follower *follower = follower_open(&boot, 0);
    uint64_t events = 0, last = follower_sequence(venue->follower);
    static struct event out[256];
    for (int i = 0; i < 60000 && follower_sequence(follower) < last; i++) {
        size_t count = follower_poll(follower, out, 256);
        for (size_t k = 0; k < count; k++) // the clock's commands go on meanwhile
            events += out[k].header.sequence <= last;
        if (count == 0)
            follower_wait(follower, 20);
    }
    assert_int_equal(events, venue->events);
    follower_close(follower);
}

// The page that the tape writes and everybody may look at.
static struct reader_page *tape_page(const struct venue *venue)
{
    struct reader_page *page;
    assert_int_equal(reader_page_open(&page, venue->boot.reader_page_fd[PROCESS_TAPE]), 0);
    return page;
}

static void await_more(const _Atomic uint64_t *word, uint64_t than)
{
    for (int i = 0; i < 60000 && atomic_load(word) <= than; i++)
        nap();
    assert_true(atomic_load(word) > than);
}

static void a_snapshot_that_cannot_be_written_is_counted_and_the_tape_goes_on(void **state)
{
    struct venue *venue = *state;
    char blocked[NUMBERED_PATH_BYTES];
    begin_trading(venue);
    await_open(venue);
    struct reader_page *page = tape_page(venue);
    for (uint64_t i = 1; i <= 200; i++)
        order(venue, i);
    await_more(&page->snapshot_seq, 0);
    // Where the next one would be written there is a folder.
    snprintf(blocked, sizeof blocked, "%s/snapshots/snapshot.tmp", venue->folder);
    assert_int_equal(mkdir(blocked, 0700), 0);
    for (uint64_t i = 201; i <= 500; i++)
        order(venue, i);
    await_more(&page->snapshots_failed, 0);
    uint64_t newest = atomic_load(&page->snapshot_seq), found;
    assert_true(numbered_largest(&found, strcat(strcpy(blocked, venue->folder), "/snapshots"),
                                 "snapshot", UINT64_MAX));
    assert_int_equal(found, newest); // the old ones are there
    await_more(&page->position_seq, newest + 1);
    // It is tried when the next is due, not at every block: 300 commands are three at most.
    assert_true(atomic_load(&page->snapshots_failed) <= 3);
    assert_int_equal(rmdir(strcat(blocked, "/snapshot.tmp")), 0);
    for (uint64_t i = 501; i <= 700; i++)
        order(venue, i);
    await_more(&page->snapshot_seq, newest);
    await_accepted(venue, 700);
    memfile_unmap(page, sizeof *page);
}

static void run_tape_tool(const struct venue *venue, const char *words, const char *options,
                          int status, const char *says)
{
    char line[1024], out[8192];
    snprintf(line, sizeof line, "%s/lonja-tape %s %s %s 2>&1", LONJA_BIN, words, venue->folder,
             options);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, sizeof out - 1, pipe)] = '\0';
    int result = pclose(pipe);
    if (WEXITSTATUS(result) != status || strstr(out, says) == NULL)
        fail_msg("%s: status %d: %s", words, WEXITSTATUS(result), out);
}

// The finished segments of two tapes and all of their events, byte for byte. (Of the last one's
// checksums nobody is told when it was synced.)
static void expect_same_tape(const char *one, const char *other)
{
    char line[2 * NUMBERED_PATH_BYTES + 64];
    snprintf(line, sizeof line,
             "cd %s && n=$(ls *.sums | tail -n 1) && ls *.tape | wc -l | grep -qv '^[01]$' && "
             "diff -r -x lock -x $n . %s",
             one, other);
    assert_int_equal(system(line), 0);
}

static void rot(const struct venue *venue, off_t at)
{
    char tape[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES], byte;
    state_folder(tape, &venue->boot.config, "tape");
    numbered_path(path, tape, 1, "tape");
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_rotten_or_missing_tape_is_rebuilt_as_it_was_lived(void **state)
{
    struct venue *venue = *state;
    char tape[NUMBERED_PATH_BYTES], kept[NUMBERED_PATH_BYTES], line[2 * NUMBERED_PATH_BYTES];
    begin_trading(venue);
    await_open(venue);
    for (uint64_t i = 1; i <= 3000; i++)
        order(venue, i);
    await_accepted(venue, 3000);
    run_tape_tool(venue, "verify", "", 0, "faults=0");
    run_tape_tool(venue, "rebuild", "", 1, "the venue is running");
    finish(&venue->core, SIGTERM);
    run_tape_tool(venue, "rebuild", "", 1, "lonja-tape holds the tape");
    finish(&venue->tape, SIGTERM);
    state_folder(tape, &venue->boot.config, "tape");
    state_folder(kept, &venue->boot.config, "kept");
    snprintf(line, sizeof line, "cp -r %s %s", tape, kept);
    assert_int_equal(system(line), 0);
    run_tape_tool(venue, "rebuild", "--segment-events 1024", 0, "dropped=0");
    expect_same_tape(tape, kept);
    rot(venue, 40000);
    run_tape_tool(venue, "verify", "", EXIT_POISON, "segment=1 block=1 ");
    struct boot boot = venue->boot;
    boot.process = PROCESS_RECORD;
    struct follower *follower = follower_open(&boot, 0);
    static struct event out[256];
    uint64_t events = 0;
    for (size_t count; (count = follower_poll(follower, out, 256)) > 0;)
        events += count;
    assert_int_equal(events, 256); // the block before, and nothing wrong
    run_tape_tool(venue, "rebuild", "--segment-events 1024", 0, " events=");
    run_tape_tool(venue, "verify", "", 0, "faults=0");
    expect_same_tape(tape, kept);
    for (size_t count; (count = follower_poll(follower, out, 256)) > 0;)
        events += count;
    drain(venue);
    assert_int_equal(events, venue->events); // it goes on where it stood
    follower_close(follower);
    testing_folder_remove(tape);
    struct stat st = {.st_uid = geteuid()};
    if (geteuid() == 0) // the folder is another user's, as with venue.per_process_users
        assert_true(mkdir(tape, 0750) == 0 && chown(tape, 62001, 62000) == 0);
    run_tape_tool(venue, "rebuild", "--segment-events 1024", 0, " events=");
    expect_same_tape(tape, kept);
    numbered_path(kept, tape, 1, "tape");
    assert_int_equal(stat(kept, &st), 0);
    assert_int_equal(st.st_uid, geteuid() == 0 ? 62001 : geteuid());
}

static void a_tape_that_may_forget_begins_later_and_goes_on_after_a_restart(void **state)
{
    struct venue *venue = *state;
    char tape[NUMBERED_PATH_BYTES];
    uint64_t first = 1, oldest;
    venue->boot.config.tape_keep_sequences = 100;
    venue->boot.config.core_heartbeat_timeout_ms =
        60000; // nobody beats while the tape starts again
    begin_trading(venue);
    await_open(venue);
    state_folder(tape, &venue->boot.config, "tape");
    // Who falls behind the ring here would ask the tape for what it may have forgotten.
    for (uint64_t i = 1; i <= 3000; i++) {
        order(venue, i);
        if (i % 100 == 0)
            await_accepted(venue, i);
    }
    finish(&venue->tape, SIGTERM);
    assert_true(numbered_smallest(&first, tape, "tape"));
    assert_true(first > 1);
    // A restart from any snapshot that is kept finds what it needs.
    char snapshots[NUMBERED_PATH_BYTES];
    state_folder(snapshots, &venue->boot.config, "snapshots");
    assert_true(numbered_smallest(&oldest, snapshots, "snapshot"));
    assert_true(first <= oldest);
    struct reader_page *page = tape_page(venue);
    atomic_store(&page->position_seq, 0);
    venue->tape = start(&venue->boot, PROCESS_TAPE);
    for (uint64_t i = 3001; i <= 3100; i++)
        order(venue, i);
    await_more(&page->position_seq, follower_sequence(venue->follower));
    await_accepted(venue, 3100);
    uint64_t still;
    assert_true(numbered_smallest(&still, tape, "tape"));
    assert_true(still >= first); // it was not written from the beginning
    run_tape_tool(venue, "verify", "", 0, "faults=0");
    memfile_unmap(page, sizeof *page);
}

static void a_poison_command_stops_the_core_for_good_until_it_is_cut(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    order(venue, 1);
    await_accepted(venue, 1);
    finish(&venue->core, SIGTERM);
    finish(&venue->tape, SIGTERM);
    char before[512], after[512], options[64], text[512];
    replay_line(before, venue, "");
    uint64_t last = follower_sequence(venue->follower);
    testing_plant_poison(venue->folder);
    for (int i = 0; i < 2; i++) {
        venue->core = start(&venue->boot, PROCESS_CORE);
        int status = finish(&venue->core, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), EXIT_POISON);
    }
    run_tool(text, sizeof text, venue, "replay", "", EXIT_POISON);
    snprintf(options, sizeof options, "sequence=%llu", (unsigned long long)last + 1);
    assert_non_null(strstr(text, options));
    snprintf(options, sizeof options, "%llu --reason test", (unsigned long long)last + 1);
    run_tool(text, sizeof text, venue, "cut", options, 0);
    replay_line(after, venue, "");
    assert_string_equal(before, after);
    venue->tape = start(&venue->boot, PROCESS_TAPE);
    begin_again(venue, 2);
    await_open(venue);
    order(venue, 2);
    await_accepted(venue, 2);
}

static void a_cut_in_the_middle_of_a_block_keeps_what_is_before(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    for (uint64_t i = 1; i <= 2500; i++)
        order(venue, i);
    await_accepted(venue, 2500);
    finish(&venue->core, SIGTERM);
    finish(&venue->tape, SIGTERM);
    char until[512], cut[512], text[512];
    replay_line(until, venue, "--until 1234");
    run_tool(text, sizeof text, venue, "cut", "1235 --reason test", 0);
    replay_line(cut, venue, "");
    assert_string_equal(until, cut);
    replay_line(cut, venue, "--from-snapshot");
    assert_string_equal(until, cut);
}

static void a_command_ring_that_lies_is_shut_and_others_go_on(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    atomic_fetch_add(&venue->rings[GATEWAY_WEB].control->tail, 100000);
    claim(venue, GATEWAY_FIX, CMD_order_cancel, 0)->header.session = SESSION;
    send(venue, GATEWAY_FIX);
    for (int i = 0; i < 60000 && atomic_load(&venue->rings[GATEWAY_WEB].control->shut) == 0; i++)
        nap();
    assert_int_equal(atomic_load(&venue->rings[GATEWAY_WEB].control->shut), 1);
    order(venue, 1);
    await_accepted(venue, 1);
    // Its next life is welcome.
    command_ring_close(&venue->rings[GATEWAY_WEB]);
    assert_int_equal(command_ring_open_producer(&venue->rings[GATEWAY_WEB],
                                                venue->boot.command_ring_fd[GATEWAY_WEB], 1024),
                     0);
    announce(venue, venue->incarnation + 1);
    claim(venue, GATEWAY_WEB, CMD_gateway_attach, 0);
    send(venue, GATEWAY_WEB);
    for (int i = 0; i < 60000 && atomic_load(&venue->rings[GATEWAY_WEB].control->shut) != 0; i++)
        nap();
    assert_int_equal(atomic_load(&venue->rings[GATEWAY_WEB].control->shut), 0);
}

static void a_second_core_on_the_journal_is_refused(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    struct boot other; // a venue of its own, with the same folder
    testing_boot_init(&other, PROCESS_CORE, venue->folder);
    other.lives_fd = venue->boot.lives_fd;
    pid_t second = start(&other, PROCESS_CORE);
    int status = finish(&second, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_CONFIGURATION);
    testing_boot_fini(&other);
    order(venue, 1);
    await_accepted(venue, 1); // and the first one does not mind
}

static void a_journal_that_cannot_be_written_stops_the_venue(void **state)
{
    struct venue *venue = *state;
    begin_trading(venue);
    await_open(venue);
    char journal[NUMBERED_PATH_BYTES];
    state_folder(journal, &venue->boot.config, "journal");
    testing_folder_remove(journal); // the next segment cannot be made
    int status = 0;
    uint64_t number = 0;
    pid_t ended = 0;
    for (int i = 0; i < 20000 && ended == 0; i++) {
        if (command_ring_free(&venue->rings[GATEWAY_FIX]) > 64)
            for (int k = 0; k < 16; k++)
                order(venue, ++number);
        else
            nap();
        ended = waitpid(venue->core, &status, WNOHANG);
    }
    assert_int_equal(ended, venue->core);
    venue->core = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_JOURNAL);
    assert_int_equal(atomic_load(&venue->ring.control->core_state), CORE_FAILED);
    assert_int_not_equal(atomic_load(&venue->ring.control->journal_error), 0);
}

static void put_fence(const struct venue *venue, uint64_t epoch, bool own)
{
    struct replica_fence fence = {.epoch = epoch, .own = own};
    assert_int_equal(replica_fence_write(&fence, venue->folder, "a test"), 0);
}

static void a_core_in_whose_place_another_was_promoted_does_not_begin(void **state)
{
    struct venue *venue = *state;
    put_fence(venue, 1000001, false);
    venue->core = start(&venue->boot, PROCESS_CORE);
    assert_int_equal(WEXITSTATUS(finish(&venue->core, 0)), EXIT_FENCED);
    assert_int_equal(atomic_load(&venue->ring.control->epoch), 0);
    assert_int_equal(replica_note_write(venue->folder, "fence", "epoch 10000"), 0); // cut short
    venue->core = start(&venue->boot, PROCESS_CORE);
    assert_int_equal(WEXITSTATUS(finish(&venue->core, 0)), EXIT_CONFIGURATION);
}

static void a_promoted_core_begins_above_all_that_was(void **state)
{
    struct venue *venue = *state;
    put_fence(venue, 1000001, true);
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, 1000001);
    finish(&venue->core, SIGTERM);
    venue->core = start(&venue->boot, PROCESS_CORE); // and counts on from there
    await_core(venue, 1000002);
    finish(&venue->core, SIGTERM);
    put_fence(venue, 1000003, false); // another one was promoted later
    venue->core = start(&venue->boot, PROCESS_CORE);
    assert_int_equal(WEXITSTATUS(finish(&venue->core, 0)), EXIT_FENCED);
}

// With synchronous replication and no lonja-replicate: it recovers and waits.
static void a_core_waits_for_its_standby_before_it_begins_again(void **state)
{
    struct venue *venue = *state;
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, 1);
    finish(&venue->core, SIGTERM);
    venue->boot.config.replication_mode = REPLICATION_SYNC;
    venue->core = start(&venue->boot, PROCESS_CORE);
    for (int i = 0; i < 60000 && atomic_load(&venue->ring.control->core_state) != CORE_WAITING; i++)
        nap();
    assert_int_equal(atomic_load(&venue->ring.control->core_state), CORE_WAITING);
    assert_int_equal(atomic_load(&venue->ring.control->journal_epoch), 2);
    assert_int_equal(atomic_load(&venue->ring.control->epoch), 1);
    struct reader_page *page;
    assert_int_equal(reader_page_open(&page, venue->boot.reader_page_fd[PROCESS_REPLICATE]), 0);
    atomic_store(&page->position_seq, atomic_load(&venue->ring.control->journal_seq));
    atomic_store(&page->verdict, REPLICA_FOLLOWED);
    await_core(venue, 2);
    atomic_store(&page->verdict, REPLICA_FENCED); // and stops at once when it is replaced
    assert_int_equal(WEXITSTATUS(finish(&venue->core, 0)), EXIT_FENCED);
    memfile_unmap(page, sizeof *page);
}

static void the_core_needs_libc_only(void **state)
{
    (void)state;
#if defined(LONJA_SANITIZED)
    skip(); // a sanitizer brings its own libraries
#endif
    char line[256];
    FILE *pipe = popen("readelf -d " LONJA_BIN "/lonja-core | grep NEEDED", "r");
    assert_non_null(pipe);
    unsigned needed = 0;
    while (fgets(line, sizeof line, pipe) != NULL) {
        if (strstr(line, "[liblonja_") != NULL)
            continue; // ours, shared where LONJA_SHARED says so
        needed++;
        if (strstr(line, "[libc.so.6]") == NULL)
            fail_msg("lonja-core needs more than libc: %s", line);
    }
    assert_int_equal(pclose(pipe), 0);
    assert_true(needed >= 1);
}

static int status_of(pid_t child)
{
    int status = finish(&child, 0);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void limits_that_do_not_fit_are_refused(void **state)
{
    struct venue *venue = *state;
    for (int i = 0; i < 5; i++) {
        struct boot boot = venue->boot;
        if (i == 0)
            boot.config.rings_events = 1000;
        else if (i == 1)
            boot.config.rings_command_slots = 1000;
        else if (i == 2)
            boot.config.rings_events = 4 * 32; // 64 events a command want 256
        else if (i == 3)
            boot.config.journal_segment_bytes += 512;
        else
            boot.config.rings_events = 4096; // the ring that it inherits is smaller
        assert_int_equal(status_of(start(&boot, PROCESS_CORE)), EXIT_CONFIGURATION);
    }
    venue->boot.config.limits_command_events_max = 256; // as many as a ring of 1024 has room for
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, 1);
}

static void a_corrupt_journal_and_one_that_cannot_be_read_differ(void **state)
{
    struct venue *venue = *state;
    char journal[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    begin_trading(venue);
    await_open(venue);
    finish(&venue->core, SIGTERM);
    finish(&venue->tape, SIGTERM);
    state_folder(journal, &venue->boot.config, "journal");
    numbered_path(path, journal, 1, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "rot", 3, JOURNAL_PAGE_BYTES + 99), 3);
    close(fd);
    assert_int_equal(status_of(start(&venue->boot, PROCESS_CORE)), EXIT_POISON);
    assert_int_equal(atomic_load(&venue->ring.control->core_state), CORE_FAILED);
    assert_int_equal(atomic_load(&venue->ring.control->journal_error), 0);
    assert_true(unlink(path) == 0 && mkdir(path, 0750) == 0); // what stands there cannot be read
    assert_int_equal(status_of(start(&venue->boot, PROCESS_CORE)), EXIT_JOURNAL);
    assert_int_not_equal(atomic_load(&venue->ring.control->journal_error), 0);
}

static void a_core_goes_on_where_threads_cannot_be_kept_apart(void **state)
{
    struct venue *venue = *state;
    static const int cpus[] = {0, 1023, 5000};
    venue->boot.config.journal_durable = 0; // for benchmarks
    for (uint64_t i = 0; i < 3; i++) {
        venue->boot.config.core_cpu = cpus[i];
        venue->core = start(&venue->boot, PROCESS_CORE);
        await_core(venue, i + 1);
        assert_int_equal(finish(&venue->core, SIGTERM), 0);
    }
}

// It waits for a standby, and may be stopped there, or learn that it was replaced.
static void a_core_that_waits_for_its_standby_can_be_ended(void **state)
{
    struct venue *venue = *state;
    struct reader_page *page;
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, 1);
    finish(&venue->core, SIGTERM);
    assert_int_equal(reader_page_open(&page, venue->boot.reader_page_fd[PROCESS_REPLICATE]), 0);
    venue->boot.config.replication_mode = REPLICATION_SYNC;
    for (int fenced = 0; fenced < 2; fenced++) {
        if (fenced)
            atomic_store(&page->verdict, REPLICA_FENCED);
        venue->core = start(&venue->boot, PROCESS_CORE);
        for (int i = 0; i < 60000 && atomic_load(&venue->ring.control->core_state) != CORE_WAITING;
             i++)
            nap();
        int status = finish(&venue->core, fenced ? 0 : SIGTERM);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), fenced ? EXIT_FENCED : 0);
    }
    memfile_unmap(page, sizeof *page);
}

// A stop waits for the standbys; one that learns meanwhile that it was replaced is no failed disk.
static void a_core_that_is_replaced_while_it_stops_says_so(void **state)
{
    struct venue *venue = *state;
    struct reader_page *page;
    venue->boot.config.replication_mode = REPLICATION_SYNC;
    char said[128];
    snprintf(said, sizeof said, "%s/said", venue->folder);
    assert_int_equal(reader_page_open(&page, venue->boot.reader_page_fd[PROCESS_REPLICATE]), 0);
    venue->core = testing_start_heard(&venue->boot, PROCESS_CORE, LONJA_BIN, said);
    await_core(venue, 1); // nothing was recovered, so nothing is waited for; the gate stays shut
    for (int i = 0; i < 60000 && atomic_load(&venue->ring.control->journal_seq) == 0; i++)
        nap();
    kill(venue->core, SIGTERM);
    for (int i = 0; i < 200; i++)
        nap();
    atomic_store(&page->verdict, REPLICA_FENCED);
    assert_int_equal(WEXITSTATUS(finish(&venue->core, 0)), EXIT_FENCED);
    assert_int_equal(atomic_load(&venue->ring.control->core_state), CORE_FAILED);
    assert_true(testing_was_said(said, "stopped: another host was promoted"));
    memfile_unmap(page, sizeof *page);
}

static void lonja_journal_takes_what_its_help_says(void **state)
{
    struct venue *venue = *state;
    static const struct {
        const char *words; // %s: the state folder
        int status;
    } cases[] = {
        {"", 2},
        {"--help", 0},
        {"-h", 0},
        {"verify --help", 0},
        {"verify -h", 0},
        {"verify", 2},
        {"dance %s", 2},
        {"verify %s", 0},
        {"verify %s --json", 0},
        {"verify %s --jason", 2},
        {"stat %s --json", 0},
        {"dump %s --from 1 --to 2", 0},
        {"dump %s --from", 2},
        {"dump %s --from x", 2},
        {"dump %s --from /", 2},
        {"dump %s --from 1x", 2},
        {"dump %s --to", 2},
        {"dump %s --to 99999999999999999999999", 2},
        {"replay %s --until", 2},
        {"replay %s --until 1", 0},
        {"replay %s --from-snapshot", 0},
        {"archive %s --recorded", 2},
        {"archive %s --recorded 7 --dry-run", 0},
        {"restore %s", 0},
        {"restore %s 3", 0},
        {"restore %s 3 4", 2},
        {"restore %s 0 4", 0},
        {"cut %s", 2},
        {"cut %s 1", 2},
        {"cut %s 1 --reason", 2},
        {"cut %s 900 --reason test", 1},
    };
    venue->core = start(&venue->boot, PROCESS_CORE);
    await_core(venue, 1);
    finish(&venue->core, SIGTERM);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char words[256], line[1024];
        const char *hole = strstr(cases[i].words, "%s");
        int before = hole == NULL ? (int)strlen(cases[i].words) : (int)(hole - cases[i].words);
        snprintf(words, sizeof words, "%.*s%s%s", before, cases[i].words,
                 hole == NULL ? "" : venue->folder, hole == NULL ? "" : hole + 2);
        snprintf(line, sizeof line, "%s/lonja-journal %s >/dev/null 2>&1", LONJA_BIN, words);
        int status = system(line);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != cases[i].status)
            fail_msg("%s: status %d", words, status);
    }
}

int main(void)
{
#define VENUE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        VENUE_TEST(a_trade_survives_a_clean_stop_and_replays_the_same),
        VENUE_TEST(killed_cores_lose_nothing_that_was_shown),
        VENUE_TEST(a_deleted_tape_is_rebuilt),
        VENUE_TEST(a_snapshot_that_cannot_be_written_is_counted_and_the_tape_goes_on),
        VENUE_TEST(a_rotten_or_missing_tape_is_rebuilt_as_it_was_lived),
        VENUE_TEST(a_tape_that_may_forget_begins_later_and_goes_on_after_a_restart),
        VENUE_TEST(a_poison_command_stops_the_core_for_good_until_it_is_cut),
        VENUE_TEST(a_cut_in_the_middle_of_a_block_keeps_what_is_before),
        VENUE_TEST(a_second_core_on_the_journal_is_refused),
        VENUE_TEST(a_journal_that_cannot_be_written_stops_the_venue),
        VENUE_TEST(a_command_ring_that_lies_is_shut_and_others_go_on),
        VENUE_TEST(a_core_in_whose_place_another_was_promoted_does_not_begin),
        VENUE_TEST(a_promoted_core_begins_above_all_that_was),
        VENUE_TEST(a_core_waits_for_its_standby_before_it_begins_again),
        cmocka_unit_test(the_core_needs_libc_only),
        VENUE_TEST(limits_that_do_not_fit_are_refused),
        VENUE_TEST(a_corrupt_journal_and_one_that_cannot_be_read_differ),
        VENUE_TEST(a_core_goes_on_where_threads_cannot_be_kept_apart),
        VENUE_TEST(a_core_that_waits_for_its_standby_can_be_ended),
        VENUE_TEST(a_core_that_is_replaced_while_it_stops_says_so),
        VENUE_TEST(lonja_journal_takes_what_its_help_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
