// The real lonja-fix on a real socket with a real core and tape; the peers are bare sockets. What
// needs a login needs Postgres, named by LONJA_TEST_PG_HOST, _PORT, _DATABASE and _SECRETS as for
// base/pg_test.c (tests/system/data.sh names one); without it the tests are those that need none.
#include "gateway/fix/process_venue.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pg_testing.h"
#include "core/counters.h"
#include "gateway/fix/frame.h"
#include "gateway/fix/resend.h"

enum {
    SECOND_NS = 1000000000,
    INPUT_MAX = 1 << 22,
    KEPT_MAX = 20000,
    PATIENCE_MS = 60000, // for what takes milliseconds on a machine that does nothing else
    STRANGERS = 40,      // above fix.connections_max of venue_set_up
};

// ---- peers --------------------------------------------------------------------------------------

struct peer {
    int fd;
    const char *comp_id;
    uint32_t next_out;
    char *input;
    size_t input_bytes;
    char *kept[KEPT_MAX]; // by number: the first text of each application message
    size_t kept_count;
};

static void peer_open_narrow(struct peer *peer, struct venue *venue, const char *comp_id,
                             int receive_bytes)
{
    *peer =
        (struct peer){.fd = venue_connect(venue, receive_bytes), .comp_id = comp_id, .next_out = 1};
    assert_true(peer->fd >= 0);
    peer->input = malloc(INPUT_MAX);
    assert_non_null(peer->input);
}

static void peer_open(struct peer *peer, struct venue *venue, const char *comp_id)
{
    peer_open_narrow(peer, venue, comp_id, 0);
}

static void peer_reopen(struct peer *peer, struct venue *venue)
{
    close(peer->fd);
    peer->fd = venue_connect(venue, 0);
    assert_true(peer->fd >= 0);
    peer->input_bytes = 0;
}

static void peer_close(struct peer *peer)
{
    close(peer->fd);
    for (size_t i = 0; i < KEPT_MAX; i++)
        free(peer->kept[i]);
    free(peer->input);
}

static void write_all(struct peer *peer, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t wrote = send(peer->fd, bytes, count, MSG_NOSIGNAL);
        if (wrote <= 0)
            return; // closed by the gateway: the reader sees it
        bytes += wrote;
        count -= (size_t)wrote;
    }
}

// Puts the header before `fields` ("35=D|11=A|…"); returns the length.
static size_t compose(const struct peer *peer, uint32_t number, const char *fields,
                      char message[1200])
{
    char body[1024], now[FIX_TIME_BYTES];
    const char *rest = strchr(fields, '|');
    fix_time(now, clock_wall_ns(&clock_system));
    int bytes = snprintf(body, sizeof body, "%.*s|34=%u|49=%s|52=%s|56=LONJA%s",
                         (int)(rest - fields), fields, number, peer->comp_id, now, rest);
    for (int i = 0; i < bytes; i++)
        body[i] = body[i] == '|' ? FIX_SOH : body[i];
    return fix_wrap(message, 1200, body, (size_t)bytes);
}

static void say(struct peer *peer, const char *fields)
{
    char message[1200];
    write_all(peer, message, compose(peer, peer->next_out++, fields, message));
}

// The next message, SOH as '|'; "" at the end of the connection or when nothing comes for a
// minute.
static const char *hear(struct peer *peer)
{
    static char text[5000];
    for (;;) {
        struct frame frame = frame_find(peer->input, peer->input_bytes, 5000);
        assert_int_not_equal(frame.result, FRAME_GARBLED);
        if (frame.result == FRAME_WHOLE) {
            for (size_t i = 0; i < frame.bytes; i++)
                text[i] = peer->input[i] == FIX_SOH ? '|' : peer->input[i];
            text[frame.bytes] = 0;
            peer->input_bytes -= frame.bytes;
            memmove(peer->input, peer->input + frame.bytes, peer->input_bytes);
            return text;
        }
        struct pollfd wait = {.fd = peer->fd, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) != 1)
            return "";
        ssize_t got = recv(peer->fd, peer->input + peer->input_bytes, 16384, 0);
        if (got <= 0)
            return "";
        peer->input_bytes += (size_t)got;
    }
}

static bool has(const char *message, const char *field)
{
    for (const char *at = strstr(message, field); at != NULL; at = strstr(at + 1, field))
        if (at == message || at[-1] == '|')
            return true;
    return false;
}

// Hears until a message has the fields of `wanted`, separated by blanks ("35=8| 11=A|").
static const char *expect(struct peer *peer, const char *wanted)
{
    char fields[256];
    for (const char *message = hear(peer); *message != 0; message = hear(peer)) {
        bool all = true;
        snprintf(fields, sizeof fields, "%s", wanted);
        for (char *rest = NULL, *field = strtok_r(fields, " ", &rest); field != NULL;
             field = strtok_r(NULL, " ", &rest))
            all = all && has(message, field);
        if (all)
            return message;
    }
    fail_msg("%s: no message with %s", peer->comp_id, wanted);
    return NULL;
}

static void expect_end(struct peer *peer)
{
    while (*hear(peer) != 0)
        ;
    char byte;
    assert_true(recv(peer->fd, &byte, 1, MSG_DONTWAIT) <= 0);
    struct pollfd end = {.fd = peer->fd, .events = POLLIN};
    assert_int_equal(poll(&end, 1, 0), 1); // at its end, not merely silent
}

static void logon(struct peer *peer, const char *password)
{
    char fields[200];
    snprintf(fields, sizeof fields, "35=A|98=0|108=30|553=%s|554=%s|",
             strcmp(peer->comp_id, "TESTER1") == 0 ? "tester1" : "tester2", password);
    say(peer, fields);
}

static void place(struct peer *peer, const char *prefix, unsigned number)
{
    char fields[200];
    snprintf(fields, sizeof fields,
             "35=D|11=%s%u|55=PORT|54=1|60=20261120-10:00:00|38=0.01|40=2|44=1|", prefix, number);
    say(peer, fields);
}

// ---- tests --------------------------------------------------------------------------------------

static void strangers_and_garbage_are_cut(void **state)
{
    struct venue *venue = *state;
    struct peer peer;
    static const char *const openings[] = {
        "GET / HTTP/1.1\r\nHost: lonja\r\n\r\n", // not FIX: ignored, then no logon in time
        "8=FIX.4.4\0019=5",                      // half a message, then silence
        "8=FIX.4.4\0019=99999\001",              // too long
        "",
    };
    for (size_t i = 0; i < 4; i++) {
        uint64_t begin = venue_now_ns();
        peer_open(&peer, venue, "TESTER1");
        write_all(&peer, openings[i], strlen(openings[i]));
        expect_end(&peer);
        assert_true(venue_now_ns() - begin < 10ull * SECOND_NS);
        peer_close(&peer);
    }
    peer_open(&peer, venue, "TESTER1");
    say(&peer, "35=D|11=A|");
    expect_end(&peer);
    peer_close(&peer);
}

static void without_a_database_a_logon_is_refused_with_a_text(void **state)
{
    struct venue *venue = *state;
    struct peer peer;
    peer_open(&peer, venue, "TESTER1");
    logon(&peer, "secret");
    expect(&peer, "35=5| 58=the");
    expect_end(&peer);
    peer_close(&peer);
}

static void strangers_do_not_keep_members_out(void **state)
{
    struct venue *venue = *state;
    int strangers[STRANGERS];
    struct peer peer;
    for (size_t i = 0; i < STRANGERS; i++) {
        strangers[i] = venue_connect(venue, 0);
        assert_true(strangers[i] >= 0);
    }
    peer_open(&peer, venue, "TESTER1");
    logon(&peer, "wrong"); // so that the numbers of the tests below stay as they are
    expect(&peer, "35=5| 58=user");
    peer_close(&peer);
    for (size_t i = 0; i < STRANGERS; i++)
        close(strangers[i]);
}

static void only_who_knows_the_password_is_let_in_and_only_once(void **state)
{
    struct venue *venue = *state;
    struct peer peer, second;
    peer_open(&peer, venue, "NOBODY");
    logon(&peer, "secret");
    expect(&peer, "35=5| 34=1| 58=user");
    expect_end(&peer);
    peer_close(&peer);
    peer_open(&peer, venue, "TESTER1");
    logon(&peer, "wrong");
    expect(&peer, "35=5| 58=user");
    expect_end(&peer);
    peer_reopen(&peer, venue);
    peer.next_out = 1;
    logon(&peer, "secret");
    expect(&peer, "35=A| 34=1|");
    peer_open(&second, venue, "TESTER1");
    logon(&second, "secret");
    assert_string_equal(hear(&second), "");
    peer_close(&second);
    // That the session exists, is on, and what its numbers are, is nobody else's business.
    peer_open(&second, venue, "TESTER1");
    logon(&second, "guess");
    expect(&second, "35=5| 34=1| 58=user");
    expect_end(&second);
    peer_close(&second);
    say(&peer, "35=1|112=still here|");
    expect(&peer, "35=0| 112=still");
    say(&peer, "35=5|");
    expect(&peer, "35=5|");
    expect_end(&peer);
    peer_close(&peer);
}

static void orders_of_two_members_meet(void **state)
{
    struct venue *venue = *state;
    struct peer one, two;
    peer_open(&one, venue, "TESTER1");
    peer_open(&two, venue, "TESTER2");
    one.next_out = 4; // it has said three messages in the test before
    logon(&one, "secret");
    expect(&one, "35=A|");
    logon(&two, "secret");
    expect(&two, "35=A|");
    say(&one, "35=D|11=M1|55=PORT|54=2|60=20261120-10:00:00|38=2|40=2|44=100.5|");
    expect(&one, "35=8| 11=M1| 150=0|");
    say(&two, "35=D|11=M2|55=PORT|54=1|60=20261120-10:00:00|38=2|40=2|44=101|59=3|");
    expect(&two, "35=8| 11=M2| 150=F| 31=100.5| 32=2| 39=2|");
    expect(&one, "35=8| 11=M1| 150=F| 137=0.201| 39=2|");
    peer_close(&one);
    peer_close(&two);
}

static void a_member_that_never_reads_is_cut_and_nobody_else_notices(void **state)
{
    struct venue *venue = *state;
    struct peer deaf, other;
    peer_open_narrow(&deaf, venue, "TESTER1", 4096);
    deaf.next_out = 6;
    logon(&deaf, "secret");
    expect(&deaf, "35=A|");
    peer_open(&other, venue, "TESTER2");
    other.next_out = 3;
    logon(&other, "secret");
    expect(&other, "35=A|");
    fcntl(deaf.fd, F_SETFL, O_NONBLOCK);
    char message[1200];
    size_t count = 0, sent = 0;
    bool cut = false, told = false;
    for (uint64_t end = venue_now_ns() + 60ull * SECOND_NS; !cut && venue_now_ns() < end;) {
        if (sent == count) {
            count = compose(&deaf, deaf.next_out++, "35=H|11=none|55=PORT|54=1|", message);
            sent = 0;
        }
        ssize_t wrote = send(deaf.fd, message + sent, count - sent, MSG_NOSIGNAL);
        cut = wrote < 0 && (errno == EPIPE || errno == ECONNRESET);
        sent += wrote > 0 ? (size_t)wrote : 0;
        if (wrote < 0 && !told) { // its sockets are full: somebody else is served meanwhile
            say(&other, "35=1|112=unhurt|");
            expect(&other, "35=0| 112=unhurt|");
            told = true;
        }
        if (wrote < 0 && !cut) // leave the CPU to those we wait for
            venue_nap();
    }
    assert_true(told);
    assert_true(cut);
    peer_close(&deaf);
    peer_close(&other);
}

// The message without what a resend changes.
static void essence(char out[2048], const char *message)
{
    static const char *const changing[] = {"9=", "10=", "43=", "52=", "122="};
    size_t length = 0;
    while (*message != 0) {
        size_t bytes = strcspn(message, "|") + 1;
        bool keep = true;
        for (size_t i = 0; i < 5; i++)
            keep = keep && strncmp(message, changing[i], strlen(changing[i])) != 0;
        if (keep) {
            memcpy(out + length, message, bytes);
            length += bytes;
        }
        message += bytes;
    }
    out[length] = 0;
}

static void keep(struct peer *peer, const char *message)
{
    char text[2048];
    const char *at = strstr(message, "|34=");
    unsigned long number = strtoul(at + 4, NULL, 10);
    if (!has(message, "35=8|") || number >= KEPT_MAX)
        return;
    essence(text, message);
    if (peer->kept[number] != NULL) {
        assert_string_equal(peer->kept[number], text);
        return;
    }
    peer->kept[number] = strdup(text);
    peer->kept_count++;
}

static void a_kill_in_mid_stream_loses_nothing_and_doubles_nothing(void **state)
{
    struct venue *venue = *state;
    enum { ORDERS = 600, BEFORE_KILL = 250 };
    struct peer peer;
    peer_open(&peer, venue, "TESTER2");
    peer.next_out = 5;
    logon(&peer, "secret");
    expect(&peer, "35=A|");
    uint32_t first_order = peer.next_out;
    for (unsigned i = 0; i < ORDERS; i++)
        place(&peer, "K", i);
    for (unsigned i = 0; i < BEFORE_KILL; i++)
        keep(&peer, hear(&peer));
    venue_finish(&venue->fix, SIGKILL);
    for (const char *message = hear(&peer); *message != 0; message = hear(&peer))
        keep(&peer, message); // what was on the wire still counts
    size_t before = peer.kept_count;
    venue_start_fix(venue);
    peer_reopen(&peer, venue);
    uint32_t logon_number = peer.next_out;
    logon(&peer, "secret");
    const char *answer = expect(&peer, "35=A|");
    keep(&peer, answer);
    say(&peer, "35=2|7=1|16=0|");
    // What the venue asks for is sent again, as the standard has it; what it has is told again.
    char accepted[ORDERS] = {0};
    unsigned count = 0;
    bool asked = false;
    while (count < ORDERS) {
        const char *message = hear(&peer);
        assert_string_not_equal(message, "");
        if (has(message, "35=2|") && !asked) {
            asked = true;
            uint32_t from = (uint32_t)strtoul(strstr(message, "|7=") + 3, NULL, 10);
            char fields[256], text[1200];
            for (uint32_t number = from; number < logon_number; number++) {
                snprintf(fields, sizeof fields,
                         "35=D|43=Y|122=20261120-10:00:00|11=K%u|55=PORT|54=1|60=20261120-10:00:00|"
                         "38=0.01|40=2|44=1|",
                         number - first_order);
                write_all(&peer, text, compose(&peer, number, fields, text));
            }
            snprintf(fields, sizeof fields, "35=4|43=Y|122=20261120-10:00:00|123=Y|36=%u|",
                     peer.next_out);
            write_all(&peer, text, compose(&peer, logon_number, fields, text));
        }
        keep(&peer, message);
        if (!has(message, "35=8|") || !has(message, "150=0|"))
            continue;
        const char *id = strstr(message, "|11=K");
        if (id == NULL)
            continue;
        unsigned long which = strtoul(id + 5, NULL, 10);
        assert_true(which < ORDERS);
        if (!accepted[which])
            count++;
        accepted[which] = 1;
    }
    assert_true(before >= BEFORE_KILL);
    peer_close(&peer);
}

static void a_client_that_is_not_quickfix_trades(void **state)
{
    struct venue *venue = *state;
    if (access("node_modules/jspurefix", R_OK) != 0) {
        print_message("skipped: node_modules/jspurefix is not there (npm ci)\n");
        skip();
    }
    char command[256];
    snprintf(command, sizeof command,
             "node gateway/fix/jspurefix_test.mjs %d TESTER1 tester1 secret",
             (int)venue->boot.config.fix_port);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): our own words
}

// Logs on with both numbers at 1.
static void logon_afresh(struct peer *peer, struct venue *venue, const char *comp_id)
{
    char fields[200];
    peer_open(peer, venue, comp_id);
    snprintf(fields, sizeof fields, "35=A|98=0|108=30|141=Y|553=%s|554=secret|",
             strcmp(comp_id, "TESTER1") == 0 ? "tester1" : "tester2");
    say(peer, fields);
    expect(peer, "35=A| 34=1| 141=Y|");
}

static void a_core_that_dies_takes_no_session_with_it(void **state)
{
    struct venue *venue = *state;
    struct peer peer;
    char fields[200];
    logon_afresh(&peer, venue, "TESTER1");
    say(&peer, "35=D|11=X1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|");
    expect(&peer, "35=8| 11=X1| 150=0|");
    venue_finish(&venue->core, SIGKILL);
    say(&peer, "35=D|11=X2|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|");
    venue->core = venue_start(&venue->boot, PROCESS_CORE);
    // Taken, or not accepted (in doubt, or not attached): one answer, and no other.
    const char *answer = expect(&peer, "35=8| 11=X2|");
    assert_true(has(answer, "150=0|") || has(answer, "5004=86|") || has(answer, "5004=4|"));
    for (unsigned i = 0;; i++, venue_nap()) { // the venue may be cancel-only for a moment
        assert_true(i < PATIENCE_MS);
        snprintf(fields, sizeof fields,
                 "35=D|11=Y%u|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|", i);
        say(&peer, fields);
        answer = expect(&peer, "35=8| 11=Y");
        if (has(answer, "150=0|") || has(answer, "5004=10|"))
            break;
    }
    say(&peer, "35=F|11=X9|41=X1|55=PORT|54=1|60=20261120-10:00:00|");
    expect(&peer, "35=8| 11=X9| 41=X1| 150=4|");
    peer_close(&peer);
}

static void a_gateway_that_stood_still_attaches_again(void **state)
{
    struct venue *venue = *state;
    struct peer peer;
    logon_afresh(&peer, venue, "TESTER2");
    say(&peer, "35=D|11=Z1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|");
    expect(&peer, "35=8| 11=Z1|");
    const _Atomic uint64_t *missed = &venue->ring.control->counters[COUNTER_heartbeats_missed];
    uint64_t before = atomic_load(missed);
    kill(venue->fix, SIGSTOP); // until core.heartbeat_timeout_ms is over, and the core detaches it
    for (int i = 0; i < PATIENCE_MS && atomic_load(missed) == before; i++)
        venue_nap();
    assert_true(atomic_load(missed) > before);
    kill(venue->fix, SIGCONT);
    char fields[200];
    for (unsigned i = 0;; i++, venue_nap()) {
        assert_true(i < PATIENCE_MS);
        snprintf(fields, sizeof fields,
                 "35=D|11=Z2-%u|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|", i);
        say(&peer, fields);
        if (!has(expect(&peer, "35=8| 39="), "5004=4|")) // attached, open or cancel-only
            break;
    }
    peer_close(&peer);
}

static void a_stop_says_goodbye(void **state)
{
    struct venue *venue = *state;
    struct peer peer;
    if (venue->has_database)
        logon_afresh(&peer, venue, "TESTER2");
    kill(venue->fix, SIGTERM);
    if (venue->has_database) {
        expect(&peer, "35=5| 58=the");
        say(&peer, "35=5|");
        expect_end(&peer);
        peer_close(&peer);
    }
    int status = 0;
    assert_int_equal(waitpid(venue->fix, &status, 0), venue->fix);
    venue->fix = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest without_logins[] = {
        cmocka_unit_test(strangers_and_garbage_are_cut),
        cmocka_unit_test(without_a_database_a_logon_is_refused_with_a_text),
        cmocka_unit_test(a_stop_says_goodbye),
    };
    const struct CMUnitTest with_logins[] = {
        cmocka_unit_test(strangers_and_garbage_are_cut),
        cmocka_unit_test(strangers_do_not_keep_members_out),
        cmocka_unit_test(only_who_knows_the_password_is_let_in_and_only_once),
        cmocka_unit_test(orders_of_two_members_meet),
        cmocka_unit_test(a_member_that_never_reads_is_cut_and_nobody_else_notices),
        cmocka_unit_test(a_kill_in_mid_stream_loses_nothing_and_doubles_nothing),
        cmocka_unit_test(a_client_that_is_not_quickfix_trades),
        cmocka_unit_test(a_core_that_dies_takes_no_session_with_it),
        cmocka_unit_test(a_gateway_that_stood_still_attaches_again),
        cmocka_unit_test(a_stop_says_goodbye),
    };
    struct config config = {0};
    if (pg_testing_server(&config))
        return cmocka_run_group_tests(with_logins, venue_set_up, venue_tear_down);
    return cmocka_run_group_tests(without_logins, venue_set_up, venue_tear_down);
}
