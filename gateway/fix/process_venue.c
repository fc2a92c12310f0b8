#include "gateway/fix/process_venue.h"

#include <argon2.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memfile.h"
#include "base/pg.h"
#include "base/pg_testing.h"

enum { CASH = 1, TOKEN = 2, INSTRUMENT = 1 };

static struct venue the_venue;

// ---- processes ----------------------------------------------------------------------------------

void venue_nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

uint64_t venue_now_ns(void)
{
    return clock_monotone_ns(&clock_system);
}

static void inherit(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, 0);
}

pid_t venue_start(const struct boot *boot, enum process_id process)
{
    struct boot own = *boot;
    own.process = process;
    int fd = memfile_create_constant("boot", &own, sizeof own);
    assert_true(fd >= 0);
    pid_t child = fork();
    if (child != 0) {
        close(fd);
        return child;
    }
    char path[512], text[16];
    snprintf(path, sizeof path, "%s/lonja-%s", LONJA_BIN, process_name(process));
    snprintf(text, sizeof text, "%d", fd);
    setenv("LONJA_BOOT_FD", text, 1);
    if (getenv("LONJA_TEST_VERBOSE") == NULL && freopen("/dev/null", "w", stderr) == NULL)
        _exit(99);
    inherit(fd);
    inherit(boot->event_ring_fd);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        inherit(boot->command_ring_fd[i]);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        inherit(boot->reader_page_fd[i]);
        inherit(boot->doorbell_fd[i]);
    }
    execl(path, path, (char *)NULL);
    _exit(99);
}

int venue_finish(pid_t *child, int signal_number)
{
    int status = 0;
    if (*child <= 0)
        return 0;
    kill(*child, signal_number);
    assert_int_equal(waitpid(*child, &status, 0), *child);
    *child = 0;
    return status;
}

int venue_connect(const struct venue *venue, int receive_bytes)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)venue->boot.config.fix_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

void venue_start_fix(struct venue *venue)
{
    venue->boot.incarnation++;
    venue->fix = venue_start(&venue->boot, PROCESS_FIX);
    for (int i = 0; i < 30000; i++, venue_nap()) {
        int fd = venue_connect(venue, 0);
        if (fd >= 0) {
            close(fd);
            return;
        }
    }
    fail_msg("lonja-fix does not listen");
}

// ---- the operator -------------------------------------------------------------------------------

static struct command *claim(struct venue *venue, uint8_t type, size_t tail_bytes)
{
    for (int i = 0; i < 30000; i++, venue_nap()) {
        link_heartbeat(&venue->admin, venue->ring.control, venue_now_ns());
        venue->admin.attached = venue->admin.gateway_seq > 0; // nobody here reads events
        struct command *command = link_claim(&venue->admin, type, tail_bytes, 0, 0);
        if (command != NULL)
            return command;
    }
    fail_msg("the core takes no commands");
    return NULL;
}

static void set_up_market(struct venue *venue)
{
    static const char *const symbols[] = {"", "USD", "PORT"};
    for (uint32_t asset = CASH; asset <= TOKEN; asset++) {
        struct asset_set_cmd *body = &claim(venue, CMD_asset_set, 0)->body.asset_set;
        body->asset = asset;
        body->kind = asset == CASH ? ASSET_CASH : ASSET_TOKEN;
        body->scale = asset == CASH ? 6 : 2;
        text_field_set(body->symbol, SYMBOL_BYTES_MAX, symbols[asset], strlen(symbols[asset]));
        link_send(&venue->admin);
    }
    struct instrument_set_cmd *instrument =
        &claim(venue, CMD_instrument_set, 0)->body.instrument_set;
    *instrument = (struct instrument_set_cmd){.instrument = INSTRUMENT,
                                              .token_asset = TOKEN,
                                              .cash_asset = CASH,
                                              .status = TOKEN_SECONDARY,
                                              .trading_mode = MODE_FULL_ORDERBOOK,
                                              .flags = INSTRUMENT_SELL_UNSETTLED,
                                              .token_scale = 2,
                                              .tick = 10000,
                                              .lot = 1,
                                              .collar_bps = 1000,
                                              .fee_bps = 10};
    text_field_set(instrument->symbol, SYMBOL_BYTES_MAX, "PORT", 4);
    link_send(&venue->admin);
    struct instrument_phase_cmd *phase =
        &claim(venue, CMD_instrument_phase, 0)->body.instrument_phase;
    phase->instrument = INSTRUMENT;
    phase->phase = PHASE_CONTINUOUS;
    link_send(&venue->admin);
}

static void deposit(struct venue *venue, uint32_t account, uint32_t asset)
{
    struct ledger_post_cmd *body = &claim(venue, CMD_ledger_post, 0)->body.ledger_post;
    body->account = account;
    body->asset = asset;
    body->amount = 1000000000000;
    body->kind = POSTING_DEPOSIT;
    body->ref_source = REF_ADMIN;
    body->ref_number = account * 10 + asset;
    link_send(&venue->admin);
}

static void set_up_member(struct venue *venue, uint32_t id)
{
    uint32_t account = 100 + id;
    claim(venue, CMD_member_set, 0)->body.member_set.member = id;
    link_send(&venue->admin);
    claim(venue, CMD_account_set, 0)->body.account_set = (struct account_set_cmd){
        .account = account,
        .member = id,
        .kyc = KYC_APPROVED,
        .accreditation = ACCREDITATION_INSTITUTIONAL,
        .fatca = FATCA_CLEAR,
        .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
        .fee_bps = FEE_BPS_DEFAULT};
    link_send(&venue->admin);
    struct command *command = claim(venue, CMD_session_set, sizeof account);
    command->body.session_set = (struct session_set_cmd){
        .session = id, .member = id, .gateway = GATEWAY_FIX, .account_count = 1};
    memcpy(command_tail_writable(command), &account, sizeof account);
    link_send(&venue->admin);
    deposit(venue, account, CASH);
    deposit(venue, account, TOKEN);
}

// ---- Postgres -----------------------------------------------------------------------------------

static bool database_of(struct config *config, struct pg_settings *owner)
{
    if (!pg_testing_server(config)) {
        config->postgres_port = 1; // nobody there
        snprintf(config->postgres_host, sizeof config->postgres_host, "127.0.0.1");
        return false;
    }
    pg_settings_of(owner, config, "lonja_owner");
    return true;
}

static void login_insert(struct pg *pg, uint32_t id, const char *comp_id, const char *name)
{
    char hash[256];
    assert_int_equal(
        argon2id_hash_encoded(2, 1024, 1, "secret", 6, "saltsaltsalt", 12, 32, hash, sizeof hash),
        ARGON2_OK);
    assert_int_equal(pg_query(pg, NULL,
                              "INSERT INTO people.member (member_id, name) VALUES ($1, $2) "
                              "ON CONFLICT DO NOTHING",
                              PG_PARAMS(pg_i64(id), pg_text(comp_id))),
                     PG_OK);
    assert_int_equal(pg_query(pg, NULL,
                              "INSERT INTO people.session (session_id, member_id, gateway) "
                              "VALUES ($1, $1, 'fix') ON CONFLICT DO NOTHING",
                              PG_PARAMS(pg_i64(id))),
                     PG_OK);
    assert_int_equal(
        pg_query(
            pg, NULL,
            "INSERT INTO people.login (kind, login_name, comp_id, session_id, member_id, role, "
            "password_hash) VALUES ('fix', $1, $2, $3, $3, 'trader', $4) ON CONFLICT (comp_id) "
            "DO UPDATE SET password_hash = excluded.password_hash, disabled = false",
            PG_PARAMS(pg_text(name), pg_text(comp_id), pg_i64(id), pg_text(hash))),
        PG_OK);
}

static void set_up_logins(const struct pg_settings *owner)
{
    struct pg *pg = pg_open(owner);
    login_insert(pg, 1, "TESTER1", "tester1");
    login_insert(pg, 2, "TESTER2", "tester2");
    pg_close(pg);
}

int venue_set_up(void **state)
{
    struct venue *venue = &the_venue;
    struct pg_settings owner;
    testing_folder_make(venue->folder);
    testing_boot_init(&venue->boot, PROCESS_ADMIN, venue->folder);
    struct config *config = &venue->boot.config;
    config->fix_port = 40000 + getpid() % 7000; // not those of venues beside us
    config->core_heartbeat_timeout_ms = HEARTBEAT_TIMEOUT_MS;
    config->fix_logon_timeout_ms = 700;
    config->fix_connections_max = 32;
    config->fix_output_bytes_max = 1048576;
    config->fix_message_bytes_max = 4096;
    config->rings_events = 16384;
    config->rings_command_slots = 8192; // no burst here is OVERLOADED, however slow the core
    venue->has_database = database_of(config, &owner);
    testing_boot_fini(&venue->boot);
    struct config kept = *config; // the rings again, with the sizes above
    testing_boot_init(&venue->boot, PROCESS_ADMIN, venue->folder);
    close(venue->boot.event_ring_fd);
    venue->boot.config = kept;
    venue->boot.event_ring_fd =
        memfile_create("events", event_ring_bytes((uint64_t)kept.rings_events));
    for (int i = GATEWAY_CORE + 1; i < GATEWAY_COUNT; i++) {
        close(venue->boot.command_ring_fd[i]);
        venue->boot.command_ring_fd[i] =
            memfile_create("commands", command_ring_bytes((uint64_t)kept.rings_command_slots));
    }
    if (venue->has_database)
        set_up_logins(&owner);
    assert_int_equal(event_ring_open_reader(&venue->ring, venue->boot.event_ring_fd,
                                            (uint64_t)kept.rings_events,
                                            (uint64_t)kept.limits_command_events_max),
                     0);
    venue->core = venue_start(&venue->boot, PROCESS_CORE);
    venue->tape = venue_start(&venue->boot, PROCESS_TAPE);
    assert_int_equal(link_open(&venue->admin, &venue->boot, GATEWAY_ADMIN), 0);
    set_up_market(venue);
    set_up_member(venue, 1);
    set_up_member(venue, 2);
    claim(venue, CMD_venue_state, 0)->body.venue_state.state = VENUE_OPEN;
    link_send(&venue->admin);
    venue_start_fix(venue);
    *state = venue;
    return 0;
}

int venue_tear_down(void **state)
{
    struct venue *venue = *state;
    venue_finish(&venue->fix, SIGKILL);
    venue_finish(&venue->tape, SIGKILL);
    venue_finish(&venue->core, SIGKILL);
    event_ring_close(&venue->ring);
    testing_boot_fini(&venue->boot);
    testing_folder_remove(venue->folder);
    return 0;
}
