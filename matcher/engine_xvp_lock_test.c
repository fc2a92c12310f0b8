// Settlement instructions with legs on other ledgers and a hash lock (docs/risk.md 13). The venue:
// engine_testing.h; A and B have a WebSocket session of their own here.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "matcher/engine_state.h"

enum { A = FIRST, B, C, D, OPERATOR = 7 };
#define CUTOFF_NS ((uint64_t)10000)
#define MARGIN_NS ((uint64_t)500)
#define YEAR_NS   ((uint64_t)366 * 86400 * 1000000000)

static const char secret[XVP_SECRET_BYTES] = "the secret of whoever made it";
static const char wrong[XVP_SECRET_BYTES] = "another one";

// ---- saying it

// A's tokens and B's cash for C, against something on another ledger.
static const struct xvp_leg_tail legs[] = {{A, C, TOKEN, XVP_LOCAL, 10},
                                           {B, C, CASH, XVP_LOCAL, 5}};

static struct command *start_locked(struct venue *venue, uint64_t margin_ns, uint8_t count,
                                    const struct xvp_external_tail *externals)
{
    struct xvp_lock_tail lock = {.margin_ns = margin_ns};
    struct command *command = start(venue, CMD_xvp_create, GATEWAY_ADMIN);
    size_t ends = count * sizeof(externals[0]);
    sha256(lock.hash, secret, sizeof(secret));
    command->header.slots = command_slots(CMD_xvp_create, sizeof(legs) + sizeof(lock) + ends);
    command->body.xvp_create = (struct xvp_create_cmd){.ref_number = ++venue->number,
                                                       .ref_hash = 1,
                                                       .cutoff_ns = CUTOFF_NS,
                                                       .ref_source = REF_ADMIN,
                                                       .operator_id = OPERATOR,
                                                       .leg_count = 2,
                                                       .external_count = count};
    char *tail = command_tail_writable(command);
    memcpy(tail, legs, sizeof(legs));
    memcpy(tail + sizeof(legs), &lock, sizeof(lock));
    memcpy(tail + sizeof(legs) + sizeof(lock), externals, ends);
    return command;
}

static const char *create(struct venue *venue, uint64_t margin_ns, uint8_t count,
                          const struct xvp_external_tail *externals)
{
    (void)start_locked(venue, margin_ns, count, externals);
    return apply(venue);
}

static const struct xvp_external_tail in_time = {CUTOFF_NS - MARGIN_NS, XVP_CLAIMED_FIRST};

static uint64_t create_locked(struct venue *venue)
{
    assert_string_equal(create(venue, MARGIN_NS, 1, &in_time),
                        "xvp created is created; xvp_leg; xvp_leg; xvp_lock");
    return venue->sequence;
}

static const char *send(struct venue *venue, uint32_t account, uint8_t action, uint64_t xvp,
                        const char *tail)
{
    bool operators = account == 0;
    struct command *command = start(venue, CMD_xvp_act, operators ? GATEWAY_ADMIN : GATEWAY_WEB);
    command->header.session = operators ? 0 : account <= B ? SESSION_OF_A : 2;
    command->body.xvp_act = (struct xvp_act_cmd){
        .xvp = xvp, .account = account, .operator_id = operators ? OPERATOR : 0, .action = action};
    if (tail != NULL) {
        command->header.slots = command_slots(CMD_xvp_act, XVP_SECRET_BYTES);
        memcpy(command_tail_writable(command), tail, XVP_SECRET_BYTES);
    }
    return apply(venue);
}

static const char *act(struct venue *venue, uint32_t account, uint8_t action, uint64_t xvp)
{
    return send(venue, account, action, xvp, NULL);
}

static const char *reveal(struct venue *venue, uint32_t account, uint64_t xvp)
{
    return send(venue, account, XVP_REVEAL, xvp, secret);
}

static uint64_t arm(struct venue *venue)
{
    uint64_t xvp = create_locked(venue);
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp),
                        "xvp approved is approving; A token -10 held +10");
    assert_string_equal(act(venue, B, XVP_APPROVE, xvp),
                        "xvp approved is armed; B cash -5 held +5");
    return xvp;
}

static const char *about(const char *code, uint64_t xvp)
{
    static char words[64];
    (void)snprintf(words, sizeof words, "%s 0 %lu 0", code, xvp);
    return words;
}

static const char *tick(struct venue *venue, uint64_t time_ns)
{
    at(venue, time_ns);
    start(venue, CMD_clock_tick, GATEWAY_CORE)->body.clock_tick.deadline_ns = time_ns;
    return apply(venue);
}

static void kill(struct venue *venue, uint32_t account, uint8_t killed)
{
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = KILL_ACCOUNT, .killed = killed, .id = account};
    assert_string_equal(apply(venue), "kill_changed");
}

static void open_or_close(struct venue *venue, uint8_t state)
{
    start(venue, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state =
        (struct venue_state_cmd){.state = state};
    assert_string_equal(apply(venue), "venue_state_changed");
}

static const char executed[] = "xvp executed is executed; A token +0 held -10; B cash +0 held -5; "
                               "C token +10 held +0; C cash +5 held +0";

// ---- the way through

static void the_secret_executes_what_is_armed(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_locked(venue);
    const struct xvp_lock_evt *told = &venue->events[3].body.xvp_lock;
    uint8_t hash[SHA256_BYTES];
    const uint8_t zero[SHA256_BYTES] = {0};
    char words[256];
    sha256(hash, secret, sizeof(secret));
    assert_true(told->xvp == xvp && memcmp(told->hash, hash, sizeof(hash)) == 0);
    assert_memory_equal(told->secret, zero, sizeof(zero));
    assert_int_equal(venue->events[0].body.xvp_changed.external_count, 1);
    assert_string_equal(reveal(venue, C, xvp), "XVP_NOT_APPROVED 2 0 0");
    (void)act(venue, A, XVP_APPROVE, xvp);
    (void)act(venue, B, XVP_APPROVE, xvp);
    assert_int_equal(venue->events[0].body.xvp_changed.lock, XVP_LOCK_ARMED);
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), about("XVP_LOCKED", xvp));
    assert_string_equal(act(venue, 0, XVP_EXECUTE, xvp), about("XVP_LOCKED", xvp));
    assert_string_equal(send(venue, C, XVP_REVEAL, xvp, wrong), about("XVP_SECRET", xvp));
    (void)snprintf(words, sizeof words, "xvp revealed is armed; xvp_lock; %s", executed);
    assert_string_equal(reveal(venue, C, xvp), words);
    told = &venue->events[1].body.xvp_lock;
    assert_memory_equal(told->hash, hash, sizeof(hash));
    assert_memory_equal(told->secret, secret, sizeof(secret));
    assert_int_equal(venue->events[0].body.xvp_changed.account, C);
    assert_int_equal(venue->events[0].body.xvp_changed.lock, XVP_LOCK_ARMED | XVP_LOCK_REVEALED);
    assert_string_equal(reveal(venue, C, xvp), about("XVP", xvp));
}

static void whoever_has_it_reveals_it(void **state)
{
    struct venue *venue = *state;
    assert_non_null(strstr(reveal(venue, A, arm(venue)), executed));
    uint64_t xvp = arm(venue);
    assert_string_equal(reveal(venue, D, xvp), about("XVP", xvp)); // no party
    assert_non_null(strstr(reveal(venue, 0, xvp), executed));
    assert_int_equal(venue->events[0].body.xvp_changed.operator_id, OPERATOR);
}

static void one_without_a_lock_has_no_secret(void **state)
{
    struct venue *venue = *state;
    struct command *command = start(venue, CMD_xvp_create, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_xvp_create, sizeof(legs));
    command->body.xvp_create = (struct xvp_create_cmd){.ref_number = ++venue->number,
                                                       .cutoff_ns = CUTOFF_NS,
                                                       .ref_source = REF_ADMIN,
                                                       .leg_count = 2};
    memcpy(command_tail_writable(command), legs, sizeof(legs));
    assert_string_equal(apply(venue), "xvp created is created; xvp_leg; xvp_leg");
    uint64_t xvp = venue->sequence;
    assert_string_equal(reveal(venue, A, xvp), about("XVP_SECRET", xvp));
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, B, XVP_APPROVE, xvp),
                        "xvp approved is approved; B cash -5 held +5");
    assert_string_equal(act(venue, B, XVP_REVOKE, xvp),
                        "xvp revoked is approving; B cash +5 held -5");
}

// ---- armed

static void nobody_alone_takes_back_what_is_armed(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_locked(venue);
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp),
                        "xvp revoked is created; A token +10 held -10");
    (void)act(venue, A, XVP_APPROVE, xvp);
    (void)act(venue, B, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp), about("XVP_ARMED", xvp));
    assert_string_equal(act(venue, C, XVP_REVOKE, xvp), "XVP_SENDER 0 18 0");
    assert_string_equal(act(venue, 0, XVP_CANCEL, xvp), about("XVP_ARMED", xvp));
    assert_string_equal(act(venue, C, XVP_CANCEL, xvp), "xvp voted is armed");
    assert_int_equal(venue->events[0].body.xvp_changed.votes, 3 << 8);
    assert_int_equal(venue->events[0].body.xvp_changed.account, C);
    assert_string_equal(act(venue, C, XVP_CANCEL, xvp), "repeated");
    assert_string_equal(act(venue, A, XVP_CANCEL, xvp), "xvp voted is armed");
    assert_string_equal(act(venue, B, XVP_CANCEL, xvp),
                        "xvp cancelled is cancelled; A token +10 held -10; B cash +5 held -5");
    assert_string_equal(reveal(venue, C, xvp), about("XVP", xvp));
}

static void before_it_is_armed_any_party_cancels(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_locked(venue);
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, C, XVP_CANCEL, xvp),
                        "xvp cancelled is cancelled; A token +10 held -10");
}

static void votes_do_not_hinder_the_secret(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = arm(venue);
    (void)act(venue, C, XVP_CANCEL, xvp);
    (void)act(venue, B, XVP_CANCEL, xvp);
    assert_non_null(strstr(reveal(venue, A, xvp), executed));
}

static void the_cut_off_ends_what_is_armed(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = arm(venue);
    at(venue, CUTOFF_NS); // its tick has not come: the secret comes too late all the same
    assert_string_equal(reveal(venue, C, xvp), about("XVP", xvp));
    assert_string_equal(tick(venue, CUTOFF_NS + 1),
                        "xvp expired is expired; A token +10 held -10; B cash +5 held -5; done 3");
    assert_int_equal(venue->events[0].body.xvp_changed.lock, XVP_LOCK_ARMED);
}

// ---- revealed, and not executed

static void a_secret_that_is_out_cannot_be_cancelled(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = arm(venue);
    kill(venue, B, 1);
    assert_string_equal(
        reveal(venue, C, xvp),
        "xvp revealed is armed; xvp_lock; xvp refused is armed; for B KILLED 0 17 1");
    assert_string_equal(reveal(venue, C, xvp), "repeated");
    assert_string_equal(send(venue, C, XVP_REVEAL, xvp, wrong), about("XVP_SECRET", xvp));
    const uint32_t everybody[] = {A, B, C, 0};
    for (size_t i = 0; i < sizeof everybody / sizeof everybody[0]; i++)
        assert_string_equal(act(venue, everybody[i], XVP_CANCEL, xvp), about("XVP_REVEALED", xvp));
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp), about("XVP_ARMED", xvp));
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), "KILLED 0 17 1");
    kill(venue, B, 0);
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), executed);
}

// The secret is a fact: neither the venue's state nor a kill switch keeps it out.
static void a_secret_is_taken_whatever_the_state(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = arm(venue);
    open_or_close(venue, VENUE_CANCEL_ONLY);
    assert_string_equal(
        reveal(venue, C, xvp),
        "xvp revealed is armed; xvp_lock; xvp refused is armed; for ? VENUE_CANCEL_ONLY 0 0 0");
    assert_string_equal(act(venue, C, XVP_EXECUTE, xvp), "VENUE_CANCEL_ONLY 0 0 0");
    open_or_close(venue, VENUE_OPEN);
    assert_string_equal(act(venue, 0, XVP_EXECUTE, xvp), executed);
    xvp = arm(venue);
    kill(venue, C, 1);
    assert_string_equal(
        reveal(venue, C, xvp),
        "xvp revealed is armed; xvp_lock; xvp refused is armed; for C KILLED 0 18 1");
    assert_non_null(strstr(tick(venue, CUTOFF_NS), "xvp expired is expired"));
    assert_int_equal(venue->events[0].body.xvp_changed.lock, XVP_LOCK_ARMED | XVP_LOCK_REVEALED);
}

// An outside fact takes an approval away from what is armed, too. It stays armed; and what is
// approved again after the secret came is executed by that.
static void an_approval_that_is_lost_can_come_back(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = arm(venue);
    (void)post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 991);
    assert_string_equal(go_on(venue), "xvp uncovered is armed; A token +10 held -10; "
                                      "A owes 0 (-1); done 3");
    assert_int_equal(venue->events[0].body.xvp_changed.approved, 2);
    assert_string_equal(act(venue, B, XVP_REVOKE, xvp), about("XVP_ARMED", xvp));
    assert_string_equal(act(venue, B, XVP_CANCEL, xvp), "xvp voted is armed");
    assert_string_equal(
        reveal(venue, C, xvp),
        "xvp revealed is armed; xvp_lock; xvp refused is armed; for ? XVP_NOT_APPROVED 2 1 0");
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp), "INSUFFICIENT_BALANCE 10 9 2");
    (void)post(venue, 'A', TOKEN, POSTING_CHAIN_IN, 1);
    char words[256];
    (void)snprintf(words, sizeof words, "xvp approved is armed; A token -10 held +10; %s",
                   executed);
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp), words);
}

// ---- the ends

static void what_is_claimed_first_ends_earlier_by_the_margin(void **state)
{
    struct venue *venue = *state;
    const struct {
        uint64_t deadline_ns, claimed, margin_ns;
        const char *answer;
    } lines[] = {
        {CUTOFF_NS - MARGIN_NS + 1, XVP_CLAIMED_FIRST, MARGIN_NS, "XVP_MARGIN 9500 9501 0"},
        {CUTOFF_NS + MARGIN_NS - 1, XVP_CLAIMED_LAST, MARGIN_NS, "XVP_MARGIN 10500 10499 0"},
        {1, XVP_CLAIMED_FIRST, MARGIN_NS, "XVP_MARGIN 9500 1 0"}, // over
        {CUTOFF_NS, XVP_CLAIMED_FIRST, CUTOFF_NS, "XVP_MARGIN 0 10000 0"},
        {CUTOFF_NS, XVP_CLAIMED_FIRST, CUTOFF_NS + 1, "XVP_MARGIN 0 10000 0"},
        {CUTOFF_NS, 0, 0, "MALFORMED 2 0 8"},
        {CUTOFF_NS, 3, 0, "MALFORMED 2 3 8"},
        {CUTOFF_NS, XVP_CLAIMED_LAST, YEAR_NS + 1,
         "MALFORMED 31622400000000000 31622400000000001 8"},
        {CUTOFF_NS - MARGIN_NS, XVP_CLAIMED_FIRST, MARGIN_NS, NULL},
        {CUTOFF_NS + MARGIN_NS, XVP_CLAIMED_LAST, MARGIN_NS, NULL},
        {CUTOFF_NS, XVP_CLAIMED_FIRST, 0, NULL},
        {CUTOFF_NS + YEAR_NS, XVP_CLAIMED_LAST, YEAR_NS, NULL},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const struct xvp_external_tail end = {lines[i].deadline_ns, lines[i].claimed};
        const char *answer = create(venue, lines[i].margin_ns, 1, &end);
        if (lines[i].answer != NULL)
            assert_string_equal(answer, lines[i].answer);
        else
            assert_non_null(strstr(answer, "xvp created"));
    }
    struct command *command = start_locked(venue, MARGIN_NS, 1, &in_time);
    command->body.xvp_create.chain_asset = TOKEN;
    assert_string_equal(apply(venue), "XVP_EXTERNAL 0 1 0");
    const struct xvp_external_tail both[] = {in_time, {CUTOFF_NS, XVP_CLAIMED_LAST}};
    assert_string_equal(create(venue, MARGIN_NS, 2, both), "XVP_MARGIN 10500 10000 1");
}

#define XVP(test) cmocka_unit_test_setup_teardown(test, open_xvp_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        XVP(the_secret_executes_what_is_armed),
        XVP(whoever_has_it_reveals_it),
        XVP(one_without_a_lock_has_no_secret),
        XVP(nobody_alone_takes_back_what_is_armed),
        XVP(before_it_is_armed_any_party_cancels),
        XVP(votes_do_not_hinder_the_secret),
        XVP(the_cut_off_ends_what_is_armed),
        XVP(a_secret_that_is_out_cannot_be_cancelled),
        XVP(a_secret_is_taken_whatever_the_state),
        XVP(an_approval_that_is_lost_can_come_back),
        XVP(what_is_claimed_first_ends_earlier_by_the_margin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
