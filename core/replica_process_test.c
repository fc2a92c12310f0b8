// A primary and its standby as processes on loopback, by TLS with certificates of their own: one
// follows, is cut off, comes back and is promoted; the other stops. And what each says when it
// cannot begin.
#include "core/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/command_ring.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"
#include "core/standby_tool.h"

static char keys[64]; // of all tests

struct host {
    char folder[64];
    struct boot boot;
    struct event_ring ring;
    struct reader_page *page; // lonja-replicate's
    struct boot_lives *lives;
    pid_t children[PROCESS_COUNT];
};

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int tries = 0;                                                                             \
        while (!(condition) && tries++ < 15000)                                                    \
            nap();                                                                                 \
        if (!(condition))                                                                          \
            fail_msg("it does not come: %s", #condition);                                          \
    } while (0)

// ---- hosts

static int64_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void use_certificate(struct config *config, const char *name)
{
    snprintf(config->replication_certificate, sizeof config->replication_certificate, "%s/%s.crt",
             keys, name);
    snprintf(config->replication_key, sizeof config->replication_key, "%s/%s.key", keys, name);
    snprintf(config->replication_authority, sizeof config->replication_authority,
             "%s/replication-ca.crt", keys);
}

static void host_open(struct host *host, const char *name)
{
    memset(host, 0, sizeof *host);
    testing_folder_make(host->folder);
    testing_boot_init(&host->boot, PROCESS_OPS, host->folder);
    struct config *config = &host->boot.config;
    config->core_realtime_priority = 0;
    config->replication_mode = REPLICATION_SYNC;
    config->replication_port = free_port();
    config->replication_timeout_ms = 5000;
    use_certificate(config, name);
    host->boot.lives_fd = memfile_create("lives", sizeof *host->lives);
    void *lives;
    assert_int_equal(memfile_map(&lives, host->boot.lives_fd, sizeof *host->lives, true), 0);
    host->lives = lives;
    for (int process = 0; process < PROCESS_COUNT; process++)
        atomic_store(&host->lives->incarnation[process], 1);
    assert_int_equal(event_ring_open_reader(&host->ring, host->boot.event_ring_fd, 1024, 64), 0);
    assert_int_equal(reader_page_open(&host->page, host->boot.reader_page_fd[PROCESS_REPLICATE]),
                     0);
}

static void start(struct host *host, enum process_id process)
{
    host->children[process] = testing_start(&host->boot, process, LONJA_BIN, NULL, NULL);
    assert_true(host->children[process] > 0);
}

static int finish(struct host *host, enum process_id process, int signal_number)
{
    int status;
    pid_t child = host->children[process];
    if (signal_number != 0)
        kill(child, signal_number);
    assert_int_equal(waitpid(child, &status, 0), child);
    host->children[process] = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void host_close(struct host *host)
{
    for (int process = 0; process < PROCESS_COUNT; process++)
        if (host->children[process] > 0)
            finish(host, (enum process_id)process, SIGKILL);
    event_ring_close(&host->ring);
    memfile_unmap(host->page, sizeof *host->page);
    memfile_unmap(host->lives, sizeof *host->lives);
    close(host->boot.lives_fd);
    testing_boot_fini(&host->boot);
    testing_folder_remove(host->folder);
}

// What this process says goes into `file` from its start on.
static void start_heard(struct host *host, enum process_id process, FILE *file)
{
    fflush(NULL);
    int before = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    setenv("LONJA_TEST_VERBOSE", "1", 1);
    start(host, process);
    unsetenv("LONJA_TEST_VERBOSE");
    dup2(before, STDERR_FILENO);
    close(before);
}

static bool has_said(FILE *file, const char *text)
{
    static char said[65536];
    ssize_t bytes = pread(fileno(file), said, sizeof said - 1, 0);
    assert_true(bytes >= 0);
    said[bytes] = '\0';
    return strstr(said, text) != NULL;
}

static void calls(struct host *host, const struct host *other)
{
    struct config *config = &host->boot.config;
    strcpy(config->replication_peer_address, "127.0.0.1");
    config->replication_peer_port = other->boot.config.replication_port;
}

// A gateway that attaches: a command in the journal.
static void attach(struct host *host)
{
    struct command_ring ring;
    assert_int_equal(
        command_ring_open_producer(&ring, host->boot.command_ring_fd[GATEWAY_ADMIN], 1024), 0);
    struct command *command = command_ring_claim(&ring, 1, false);
    assert_non_null(command);
    command->header.slots = 1;
    command->header.type = CMD_gateway_attach;
    command->header.version = SCHEMA_VERSION;
    command->header.incarnation = 1;
    command->header.gateway_seq = 1;
    command_ring_publish(&ring);
    command_ring_close(&ring);
}

static bool has_all(const struct host *standby, const struct host *primary)
{
    uint64_t there = atomic_load(&primary->ring.control->journal_seq);
    return there > 0 && atomic_load(&standby->ring.control->durable_seq) == there &&
           atomic_load(&primary->ring.control->durable_seq) == there;
}

// ---- tests

static void a_standby_follows_is_cut_off_comes_back_and_is_promoted(void **state)
{
    (void)state;
    struct host one, two;
    host_open(&one, "one");
    host_open(&two, "two");
    calls(&two, &one);
    start(&one, PROCESS_CORE);
    start(&one, PROCESS_REPLICATE);
    AWAIT(atomic_load(&one.ring.control->core_state) == CORE_RUNNING);
    attach(&one);
    AWAIT(atomic_load(&one.ring.control->journal_seq) > 0);
    assert_int_equal(atomic_load(&one.ring.control->durable_seq), 0); // nobody else has it
    start(&two, PROCESS_STANDBY);
    AWAIT(has_all(&two, &one));
    assert_int_equal(atomic_load(&two.ring.control->core_state), CORE_FOLLOWING);
    AWAIT(atomic_load(&two.ring.control->standbys) == 1);
    assert_int_equal(atomic_load(&one.page->standbys), 1);
    assert_int_equal(atomic_load(&one.page->verdict), REPLICA_FOLLOWED);
    // The connection ends; the standby makes another one.
    assert_int_equal(finish(&one, PROCESS_REPLICATE, SIGTERM), 0);
    AWAIT(atomic_load(&two.ring.control->standbys) == 0);
    start(&one, PROCESS_REPLICATE);
    AWAIT(atomic_load(&two.ring.control->standbys) == 1);
    // The standby ends; an operator lets the venue go on without, and takes that back.
    assert_int_equal(finish(&two, PROCESS_STANDBY, SIGTERM), 0);
    AWAIT(atomic_load(&one.page->standbys) == 0);
    assert_int_equal(atomic_load(&one.page->verdict), REPLICA_FOLLOWED);
    assert_int_equal(replica_note_write(one.folder, REPLICA_NOTE_DEGRADED, "a test"), 0);
    AWAIT(atomic_load(&one.page->verdict) == REPLICA_DEGRADED);
    assert_int_equal(replica_note_remove(one.folder, REPLICA_NOTE_DEGRADED), 0);
    AWAIT(atomic_load(&one.page->verdict) == REPLICA_FOLLOWED);
    // The other host is promoted: it follows no more, and the old primary stops when it hears of
    // it.
    two.boot.config.replication_mode = REPLICATION_ASYNC;
    start(&two, PROCESS_STANDBY);
    AWAIT(atomic_load(&two.ring.control->standbys) == 1);
    assert_int_equal(
        replica_fence_write(&(struct replica_fence){1000001, true}, two.folder, "a test"), 0);
    assert_int_equal(finish(&two, PROCESS_STANDBY, 0), EXIT_FENCED);
    start(&two, PROCESS_CORE);
    start(&two, PROCESS_REPLICATE);
    assert_int_equal(finish(&one, PROCESS_CORE, 0), EXIT_FENCED);
    AWAIT(atomic_load(&two.ring.control->epoch) == 1000001);
    struct replica_fence fence;
    assert_int_equal(replica_fence_read(&fence, one.folder), 0);
    assert_int_equal(fence.epoch, 1000001);
    assert_false(fence.own);
    assert_int_equal(atomic_load(&one.page->verdict), REPLICA_FENCED);
    assert_int_equal(finish(&one, PROCESS_REPLICATE, SIGTERM), 0);
    host_close(&one);
    host_close(&two);
}

// It may be another venue's, have another authority's certificate, or not be there: the standby
// says so and goes on trying.
static void a_standby_that_is_not_served_says_why_and_tries_again(void **state)
{
    (void)state;
    static const struct {
        const char *venue, *certificate, *address, *text;
    } cases[] = {
        {"ANOTHER", "two", "127.0.0.1", "that is another venue"},
        {"", "foreign/three", "127.0.0.1", "error="},
        {"", "two", "no.such.host.invalid", "the primary cannot be reached"},
        {"", "two", "127.0.0.2", "no connection to the primary"},
    };
    struct host one;
    host_open(&one, "one");
    one.boot.config.replication_mode = REPLICATION_ASYNC; // nobody will follow
    start(&one, PROCESS_CORE);
    start(&one, PROCESS_REPLICATE);
    AWAIT(atomic_load(&one.ring.control->core_state) == CORE_RUNNING);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct host two;
        FILE *said = tmpfile();
        assert_non_null(said);
        host_open(&two, cases[i].certificate);
        calls(&two, &one);
        strcpy(two.boot.config.replication_peer_address, cases[i].address);
        if (cases[i].venue[0] != '\0')
            strcpy(two.boot.config.venue_name, cases[i].venue);
        start_heard(&two, PROCESS_STANDBY, said);
        AWAIT(has_said(said, cases[i].text));
        assert_int_equal(atomic_load(&two.ring.control->standbys), 0);
        assert_int_equal(finish(&two, PROCESS_STANDBY, SIGTERM), 0);
        fclose(said);
        host_close(&two);
    }
    assert_int_equal(finish(&one, PROCESS_REPLICATE, SIGTERM), 0);
    assert_int_equal(finish(&one, PROCESS_CORE, SIGTERM), 0);
    host_close(&one);
}

// ---- what cannot begin

static void no_certificate(struct host *host)
{
    strcpy(host->boot.config.replication_certificate, "/nowhere.crt");
}

static void no_key(struct host *host)
{
    strcpy(host->boot.config.replication_key, "/nowhere.key");
}

static void the_other_ones_key(struct host *host)
{
    snprintf(host->boot.config.replication_key, sizeof host->boot.config.replication_key,
             "%s/two.key", keys);
}

static void no_authority(struct host *host)
{
    strcpy(host->boot.config.replication_authority, "/nowhere.crt");
}

static void an_address_of_nobody(struct host *host)
{
    strcpy(host->boot.config.replication_address, "no.such.host.invalid");
}

static void an_address_of_another(struct host *host)
{
    strcpy(host->boot.config.replication_address, "192.0.2.1");
}

static void a_ring_of_another_size(struct host *host)
{
    host->boot.config.rings_events *= 2;
}

static void a_page_that_is_none(struct host *host)
{
    int fd = memfile_create("page", 4096 * 2);
    dup3(fd, host->boot.reader_page_fd[PROCESS_REPLICATE], O_CLOEXEC);
    close(fd);
}

static void a_file_for_a_folder(struct host *host)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, host->folder, "journal");
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
}

static void a_folder_for_the_lock(struct host *host)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, host->folder, "journal/lock");
    assert_int_equal(state_folder_make(path), 0);
}

static void no_peer(struct host *host)
{
    host->boot.config.replication_peer_address[0] = '\0';
}

static void a_damaged_fence(struct host *host)
{
    assert_int_equal(replica_note_write(host->folder, "fence", "epoch 10000"), 0);
}

// A journal that begins with its second segment, which is not one.
static void a_corrupt_journal(struct host *host)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, host->folder, "journal");
    assert_int_equal(state_folder_make(path), 0);
    path_join(path, host->folder, "journal/00000000000000000001.journal");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    for (int i = 0; i < 100000; i++)
        fputc('x', file);
    fclose(file);
}

static int held;

static void held_lock(struct host *host, const char *name)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, host->folder, "journal");
    assert_int_equal(state_folder_make(path), 0);
    snprintf(path, sizeof path, "%s/journal/%s", host->folder, name);
    held = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
}

static void a_core_that_has_it(struct host *host)
{
    held_lock(host, "lock");
}

static void a_standby_that_has_it(struct host *host)
{
    held_lock(host, STANDBY_LOCK_NAME);
}

static void what_cannot_begin_says_whose_fault_it_is(void **state)
{
    (void)state;
    static const struct {
        enum process_id process;
        void (*spoil)(struct host *);
        int status;
    } cases[] = {
        {PROCESS_REPLICATE, no_certificate, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, no_key, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, the_other_ones_key, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, no_authority, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, an_address_of_nobody, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, an_address_of_another, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, a_ring_of_another_size, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, a_page_that_is_none, EXIT_CONFIGURATION},
        {PROCESS_REPLICATE, a_file_for_a_folder, 1},
        {PROCESS_STANDBY, no_certificate, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, no_peer, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_damaged_fence, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_ring_of_another_size, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_page_that_is_none, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_core_that_has_it, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_standby_that_has_it, EXIT_CONFIGURATION},
        {PROCESS_STANDBY, a_file_for_a_folder, EXIT_JOURNAL},
        {PROCESS_STANDBY, a_folder_for_the_lock, EXIT_JOURNAL},
        {PROCESS_STANDBY, a_corrupt_journal, EXIT_POISON},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct host host;
        host_open(&host, "one");
        strcpy(host.boot.config.replication_peer_address, "127.0.0.1");
        held = -1;
        cases[i].spoil(&host);
        start(&host, cases[i].process);
        int status = finish(&host, cases[i].process, 0);
        if (status != cases[i].status)
            fail_msg("case %zu: status %d, not %d", i, status, cases[i].status);
        if (held >= 0)
            close(held);
        host_close(&host);
    }
}

static void a_port_that_is_taken_is_tried_again(void **state)
{
    (void)state;
    struct host one, two;
    host_open(&one, "one");
    host_open(&two, "two");
    two.boot.config.replication_port = one.boot.config.replication_port;
    start(&one, PROCESS_REPLICATE);
    AWAIT(atomic_load(&one.page->heartbeat_ns) > 0);
    start(&two, PROCESS_REPLICATE);
    assert_int_equal(finish(&two, PROCESS_REPLICATE, 0), 1);
    assert_int_equal(finish(&one, PROCESS_REPLICATE, SIGINT), 0);
    host_close(&one);
    host_close(&two);
}

static void words_belong_to_the_tool(void **state)
{
    (void)state;
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-replicate --help 2>/dev/null")),
                     EXIT_CONFIGURATION);
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-standby --help >/dev/null")), 0);
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-standby promote 2>/dev/null")), 2);
}

static int make_keys(void **state)
{
    (void)state;
    return testing_replication_keys(keys, REPLICATION_KEYS);
}

static int remove_keys(void **state)
{
    (void)state;
    testing_folder_remove(keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_follows_is_cut_off_comes_back_and_is_promoted),
        cmocka_unit_test(a_standby_that_is_not_served_says_why_and_tries_again),
        cmocka_unit_test(what_cannot_begin_says_whose_fault_it_is),
        cmocka_unit_test(a_port_that_is_taken_is_tried_again),
        cmocka_unit_test(words_belong_to_the_tool),
    };
    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
