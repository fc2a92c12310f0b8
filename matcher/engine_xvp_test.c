// Settlement instructions (docs/risk.md 13): several accounts exchange cash and tokens, all or
// nothing. The venue: engine_testing.h; A and B have a WebSocket session of their own here.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matcher/engine_state.h"

enum { A = FIRST, B, C, D, OPERATOR = 7 };
#define CUTOFF_NS  ((uint64_t)10000)
#define HORIZON_NS ((uint64_t)366 * 86400 * 1000000000)
#define LEG_MAX    (MONEY_MAX / XVP_LEGS_MAX)

// ---- saying it

static struct command *start_create(struct venue *venue, uint8_t flags, uint8_t count,
                                    const struct xvp_leg_tail *legs)
{
    struct command *command = start(venue, CMD_xvp_create, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_xvp_create, count * sizeof(legs[0]));
    command->body.xvp_create = (struct xvp_create_cmd){.ref_number = ++venue->number,
                                                       .ref_hash = 1,
                                                       .cutoff_ns = CUTOFF_NS,
                                                       .ref_source = REF_ADMIN,
                                                       .operator_id = OPERATOR,
                                                       .flags = flags,
                                                       .leg_count = count};
    if (count != 0)
        memcpy(command_tail_writable(command), legs, count * sizeof(legs[0]));
    return command;
}

#define LEG(from, to, asset, amount)                                                               \
    {                                                                                              \
        (from), (to), (asset), XVP_LOCAL, (amount)                                                 \
    }
#define CREATE(venue, flags, ...)                                                                  \
    (start_create(                                                                                 \
         (venue), (flags),                                                                         \
         (uint8_t)(sizeof((struct xvp_leg_tail[]){__VA_ARGS__}) / sizeof(struct xvp_leg_tail)),    \
         (struct xvp_leg_tail[]){__VA_ARGS__}),                                                    \
     apply(venue))

// A's tokens for C's cash.
static uint64_t create_swap(struct venue *venue, uint8_t flags)
{
    assert_string_equal(CREATE(venue, flags, LEG(A, C, TOKEN, 10), LEG(C, A, CASH, 900)),
                        "xvp created is created; xvp_leg; xvp_leg");
    return venue->sequence;
}

static const char *act(struct venue *venue, uint32_t account, uint8_t action, uint64_t xvp)
{
    struct command *command = start(venue, CMD_xvp_act, GATEWAY_WEB);
    command->header.session = account <= B ? SESSION_OF_A : 2;
    command->body.xvp_act = (struct xvp_act_cmd){.xvp = xvp, .account = account, .action = action};
    return apply(venue);
}

static const char *operate(struct venue *venue, uint8_t action, uint64_t xvp)
{
    start(venue, CMD_xvp_act, GATEWAY_ADMIN)->body.xvp_act =
        (struct xvp_act_cmd){.xvp = xvp, .operator_id = OPERATOR, .action = action};
    return apply(venue);
}

static const char *tick(struct venue *venue, uint64_t time_ns)
{
    at(venue, time_ns);
    start(venue, CMD_clock_tick, GATEWAY_CORE)->body.clock_tick.deadline_ns = time_ns;
    return apply(venue);
}

static const char *not_open(uint64_t xvp)
{
    static char words[64];
    (void)snprintf(words, sizeof words, "XVP 0 %lu 0", xvp);
    return words;
}

static const char *expected_not_settling(uint64_t xvp, uint64_t since)
{
    static char words[64];
    (void)snprintf(words, sizeof words, "XVP %lu %lu 0", since, xvp);
    return words;
}

static int64_t there(const struct venue *venue, uint32_t account, uint32_t asset)
{
    return balance(venue, account, asset).available;
}

static int64_t held(const struct venue *venue, uint32_t account, uint32_t asset)
{
    return balance(venue, account, asset).held;
}

static void kill(struct venue *venue, uint8_t scope, uint32_t id, uint8_t killed)
{
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = scope, .killed = killed, .id = id};
    assert_string_equal(apply(venue), "kill_changed");
}

static struct account_rec *account_of(struct venue *venue, char who)
{
    return &venue->accounts[who - 'A'];
}

// ---- the way through

static void the_last_approval_exchanges_all(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, XVP_AUTO_EXECUTE);
    const struct xvp_changed_evt *told = &venue->events[0].body.xvp_changed;
    assert_true(told->xvp == xvp && told->cutoff_ns == CUTOFF_NS && told->operator_id == OPERATOR);
    assert_true(told->ref_number == venue->number && told->leg_count == 2 && told->approved == 0);
    const struct xvp_leg_evt *leg = &venue->events[2].body.xvp_leg;
    assert_true(leg->xvp == xvp && leg->from_account == C && leg->to_account == A);
    assert_true(leg->asset == CASH && leg->amount == 900 && leg->index == 1);
    assert_true(leg->kind == XVP_LOCAL);
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp),
                        "xvp approved is approving; A token -10 held +10");
    assert_int_equal(venue->events[0].body.xvp_changed.account, A);
    assert_int_equal(venue->events[0].body.xvp_changed.approved, 1);
    assert_true(held(venue, A, TOKEN) == 10 && there(venue, A, TOKEN) == 990);
    assert_string_equal(
        act(venue, C, XVP_APPROVE, xvp),
        "xvp approved is approved; C cash -900 held +900; xvp executed is executed; "
        "A token +0 held -10; C cash +0 held -900; C token +10 held +0; "
        "A cash +900 held +0");
    assert_int_equal(venue->events[3].body.xvp_posted.counter_account, ACCOUNT_CLEARING);
    assert_int_equal(venue->events[1].body.xvp_posted.counter_account, 0);
    assert_true(there(venue, A, TOKEN) == 990 && there(venue, A, CASH) == 100900);
    assert_true(there(venue, C, TOKEN) == 1010 && there(venue, C, CASH) == 99100);
    assert_true(held(venue, A, TOKEN) == 0 && held(venue, C, CASH) == 0);
    assert_int_equal(there(venue, ACCOUNT_CLEARING, CASH), 0);
    for (uint8_t action = XVP_APPROVE; action <= XVP_CANCEL; action++)
        assert_string_equal(act(venue, A, action, xvp), not_open(xvp));
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

static void without_auto_a_party_or_an_operator_executes(void **state)
{
    struct venue *venue = *state;
    for (int by_operator = 0; by_operator < 2; by_operator++) {
        uint64_t xvp = create_swap(venue, 0);
        assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), "XVP_NOT_APPROVED 2 0 0");
        (void)act(venue, A, XVP_APPROVE, xvp);
        assert_string_equal(operate(venue, XVP_EXECUTE, xvp), "XVP_NOT_APPROVED 2 1 0");
        assert_string_equal(act(venue, C, XVP_APPROVE, xvp),
                            "xvp approved is approved; C cash -900 held +900");
        const char *answer =
            by_operator ? operate(venue, XVP_EXECUTE, xvp) : act(venue, C, XVP_EXECUTE, xvp);
        assert_non_null(strstr(answer, "xvp executed is executed; A token +0 held -10; "));
        const struct xvp_changed_evt *told = &venue->events[0].body.xvp_changed;
        assert_true(told->account == (by_operator ? 0 : C));
        assert_true(told->operator_id == (by_operator ? OPERATOR : 0));
    }
    assert_true(there(venue, A, TOKEN) == 980 && there(venue, C, CASH) == 98200);
}

// Only what is given on balance is held: A gets 40 of the cash that it gives, B passes all on.
static void what_is_given_on_balance_is_held(void **state)
{
    struct venue *venue = *state;
    (void)CREATE(venue, 0, LEG(A, B, CASH, 100), LEG(B, A, CASH, 40), LEG(B, C, CASH, 60),
                 LEG(A, C, CASH, 5), LEG(C, A, TOKEN, 3), LEG(C, B, TOKEN, 4));
    uint64_t xvp = venue->sequence;
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp),
                        "xvp approved is approving; A cash -65 held +65");
    assert_int_equal(venue->events[0].body.xvp_changed.approved, 1 | 8);
    assert_string_equal(act(venue, B, XVP_APPROVE, xvp), "xvp approved is approving");
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp),
                        "xvp approved is approved; C token -7 held +7");
    assert_string_equal(act(venue, B, XVP_EXECUTE, xvp),
                        "xvp executed is executed; A cash +0 held -65; C token +0 held -7; "
                        "C cash +65 held +0; A token +3 held +0; B token +4 held +0");
    assert_true(there(venue, B, CASH) == 100000 && there(venue, C, CASH) == 100065);
}

static void what_is_given_comes_back(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, XVP_AUTO_EXECUTE);
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp), "repeated");
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp),
                        "xvp revoked is created; A token +10 held -10");
    assert_int_equal(venue->events[0].body.xvp_changed.approved, 0);
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp), "repeated");
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, C, XVP_CANCEL, xvp),
                        "xvp cancelled is cancelled; A token +10 held -10");
    assert_int_equal(venue->events[0].body.xvp_changed.account, C);
    assert_true(there(venue, A, TOKEN) == 1000 && held(venue, A, TOKEN) == 0);
    xvp = create_swap(venue, 0);
    (void)act(venue, A, XVP_APPROVE, xvp);
    (void)act(venue, C, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp),
                        "xvp revoked is approving; A token +10 held -10");
    assert_int_equal(venue->events[0].body.xvp_changed.approved, 2); // the other one's stands
    assert_string_equal(operate(venue, XVP_CANCEL, xvp),
                        "xvp cancelled is cancelled; C cash +900 held -900");
    assert_int_equal(venue->events[0].body.xvp_changed.operator_id, OPERATOR);
    assert_string_equal(operate(venue, XVP_CANCEL, xvp), not_open(xvp));
}

static void the_cut_off_gives_back_what_is_held(void **state)
{
    struct venue *venue = *state;
    uint64_t first = create_swap(venue, 0);
    start_create(venue, 0, 1, (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 1)})
        ->body.xvp_create.cutoff_ns = CUTOFF_NS - 1000;
    (void)apply(venue);
    uint64_t sooner = venue->sequence;
    (void)act(venue, A, XVP_APPROVE, first);
    (void)act(venue, A, XVP_APPROVE, sooner);
    (void)act(venue, C, XVP_APPROVE, first);
    assert_true(engine_next_deadline_ns(venue->engine) == CUTOFF_NS - 1000);
    assert_string_equal(tick(venue, CUTOFF_NS - 1001), "done 0");
    assert_string_equal(tick(venue, CUTOFF_NS - 1000),
                        "xvp expired is expired; A token +1 held -1; done 2");
    assert_true(engine_next_deadline_ns(venue->engine) == CUTOFF_NS);
    at(venue, CUTOFF_NS); // its tick has not come: nothing executes all the same
    assert_string_equal(act(venue, A, XVP_EXECUTE, first), not_open(first));
    assert_string_equal(operate(venue, XVP_CANCEL, first), not_open(first));
    assert_string_equal(
        tick(venue, CUTOFF_NS + 10),
        "xvp expired is expired; A token +10 held -10; C cash +900 held -900; done 3");
    assert_true(held(venue, A, TOKEN) == 0 && held(venue, C, CASH) == 0);
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

// A tick ends as many as it has events for; the deadline stays for the next one.
static void many_end_in_several_ticks(void **state)
{
    enum { MANY = 30 };
    struct venue *venue = *state;
    for (int i = 0; i < MANY; i++)
        (void)act(venue, A, XVP_APPROVE, create_swap(venue, 0));
    assert_int_equal(held(venue, A, TOKEN), 10 * MANY);
    (void)tick(venue, CUTOFF_NS);
    assert_int_equal(venue->events[venue->sink.count - 1].body.done.count, 54);
    assert_true(engine_next_deadline_ns(venue->engine) == CUTOFF_NS);
    (void)tick(venue, CUTOFF_NS + 1);
    assert_int_equal(held(venue, A, TOKEN), 0);
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

// ---- who may

static void only_senders_approve_and_only_parties_act(void **state)
{
    struct venue *venue = *state;
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 10));
    uint64_t xvp = venue->sequence;
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp), "XVP_SENDER 0 18 0");
    assert_string_equal(act(venue, C, XVP_REVOKE, xvp), "XVP_SENDER 0 18 0");
    assert_string_equal(act(venue, D, XVP_CANCEL, xvp), not_open(xvp));
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp + 1), not_open(xvp + 1));
    assert_string_equal(act(venue, 30, XVP_APPROVE, xvp), "ACCOUNT_NOT_OF_SESSION 0 30 0");
    assert_string_equal(act(venue, A, 0, xvp), "MALFORMED 5 0 4");
    assert_string_equal(act(venue, A, XVP_REVEAL + 1, xvp), "MALFORMED 5 6 4");
    assert_string_equal(operate(venue, XVP_APPROVE, xvp), "MALFORMED 3 1 4");
    assert_string_equal(operate(venue, XVP_REVOKE, xvp), "MALFORMED 3 2 4");
    struct command *command = start(venue, CMD_xvp_act, GATEWAY_ADMIN);
    command->body.xvp_act = (struct xvp_act_cmd){.xvp = xvp, .account = A, .action = XVP_CANCEL};
    assert_string_equal(apply(venue), "MALFORMED 0 16 2");
    assert_int_equal(venue->events[0].body.rejected.account, A);
    command = start(venue, CMD_xvp_act, GATEWAY_WEB);
    command->header.session = SESSION_OF_A;
    command->body.xvp_act = (struct xvp_act_cmd){
        .xvp = xvp, .account = A, .operator_id = OPERATOR, .action = XVP_CANCEL};
    assert_string_equal(apply(venue), "MALFORMED 0 7 3");
    command = start(venue, CMD_xvp_act, GATEWAY_WEB);
    command->header.session = 1; // of FIX
    command->body.xvp_act = (struct xvp_act_cmd){.xvp = xvp, .account = A, .action = XVP_CANCEL};
    assert_string_equal(apply(venue), "SESSION_WRONG_GATEWAY 1 1 2");
}

static void the_rights_are_those_of_orders(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, 0);
    const uint32_t accounts[2] = {A | (uint32_t)RIGHT_TRADE << SESSION_ACCOUNT_RIGHTS_SHIFT,
                                  B | (uint32_t)RIGHT_CANCEL << SESSION_ACCOUNT_RIGHTS_SHIFT};
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(accounts));
    command->body.session_set = (struct session_set_cmd){
        .session = SESSION_OF_A, .member = 1, .gateway = GATEWAY_WEB, .account_count = 2};
    memcpy(command_tail_writable(command), accounts, sizeof(accounts));
    (void)apply(venue);
    assert_string_equal(act(venue, B, XVP_APPROVE, xvp), "ACCOUNT_RIGHT 1 17 2");
    assert_string_equal(act(venue, B, XVP_EXECUTE, xvp), "ACCOUNT_RIGHT 1 17 2");
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp), "ACCOUNT_RIGHT 2 16 1");
    assert_string_equal(act(venue, A, XVP_CANCEL, xvp), "ACCOUNT_RIGHT 2 16 1");
    assert_non_null(strstr(act(venue, A, XVP_APPROVE, xvp), "xvp approved"));
}

// As with orders: what takes back is always taken.
static void a_venue_that_cancels_only_takes_back(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, XVP_AUTO_EXECUTE);
    (void)act(venue, A, XVP_APPROVE, xvp);
    (void)set_venue(venue, VENUE_CANCEL_ONLY);
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp), "VENUE_CANCEL_ONLY 0 0 0");
    assert_string_equal(operate(venue, XVP_EXECUTE, xvp), "VENUE_CANCEL_ONLY 0 0 0");
    assert_string_equal(act(venue, A, XVP_REVOKE, xvp),
                        "xvp revoked is created; A token +10 held -10");
    assert_string_equal(act(venue, A, XVP_CANCEL, xvp), "xvp cancelled is cancelled");
    xvp = create_swap(venue, 0);
    assert_string_equal(tick(venue, CUTOFF_NS), "xvp expired is expired; done 1");
}

// ---- what is refused at creation

static void instructions_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    const struct {
        struct xvp_leg_tail leg;
        const char *answer;
    } lines[] = {{{A, C, TOKEN, XVP_EXTERNAL, 1}, "XVP_EXTERNAL 0 2 1"},
                 {{A, C, TOKEN, 0, 1}, "XVP_LEG 1 0 1"},
                 {{A, C, TOKEN, 257, 1}, "XVP_LEG 1 0 1"},
                 {{A, C, 3, XVP_LOCAL, 1}, "UNKNOWN_ASSET 0 3 1"},
                 {{ACCOUNT_TREASURY, C, TOKEN, XVP_LOCAL, 1}, "UNKNOWN_ACCOUNT 0 2 1"},
                 {{A, 30, TOKEN, XVP_LOCAL, 1}, "UNKNOWN_ACCOUNT 0 30 1"},
                 {{A, A, TOKEN, XVP_LOCAL, 1}, "XVP_LEG 0 16 1"},
                 {{A, C, TOKEN, XVP_LOCAL, 0}, "QUANTITY_NOT_POSITIVE 1 0 1"},
                 {{A, C, TOKEN, XVP_LOCAL, -1}, "QUANTITY_NOT_POSITIVE 1 -1 1"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_string_equal(CREATE(venue, 0, LEG(C, A, CASH, 1), lines[i].leg), lines[i].answer);
    char answer[128];
    (void)snprintf(answer, sizeof answer, "OVERFLOW %ld %ld 0", LEG_MAX, LEG_MAX + 1);
    assert_string_equal(CREATE(venue, 0, LEG(C, A, CASH, LEG_MAX + 1)), answer);
    assert_string_equal(CREATE(venue, 2, LEG(C, A, CASH, 1)), "MALFORMED 1 2 6");
    start_create(venue, 0, 0, NULL);
    assert_string_equal(apply(venue), "XVP_LEGS 8 0 0");
    assert_non_null(strstr(CREATE(venue, 0, LEG(C, A, CASH, LEG_MAX)), "xvp created"));
}

static void the_cut_off_is_ahead_and_not_too_far(void **state)
{
    struct venue *venue = *state;
    const struct {
        int64_t ahead_ns;
        bool fits;
    } lines[] = {
        {0, false}, {1, true}, {(int64_t)HORIZON_NS, true}, {(int64_t)HORIZON_NS + 1, false}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        uint64_t now = venue->sequence + 1 + venue->ahead_ns;
        start_create(venue, 0, 1, (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 1)})
            ->body.xvp_create.cutoff_ns = now + (uint64_t)lines[i].ahead_ns;
        char answer[128];
        (void)snprintf(answer, sizeof answer, "XVP_CUTOFF %lu %lu %lu", now + HORIZON_NS,
                       now + (uint64_t)lines[i].ahead_ns, now);
        assert_string_equal(apply(venue),
                            lines[i].fits ? "xvp created is created; xvp_leg" : answer);
    }
}

static void a_reference_creates_one(void **state)
{
    struct venue *venue = *state;
    (void)create_swap(venue, 0);
    venue->number--;
    assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 10), LEG(C, A, CASH, 900)), "repeated");
    venue->number--;
    start_create(venue, 0, 1, (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 1)})
        ->body.xvp_create.ref_hash = 2;
    char conflict[64];
    (void)snprintf(conflict, sizeof conflict, "REFERENCE_CONFLICT 0 %lu 0", venue->number);
    assert_string_equal(apply(venue), conflict);
    start_create(venue, 0, 1, (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 1)})
        ->body.xvp_create.ref_source = REF_SETTLE;
    assert_string_equal(apply(venue), "MALFORMED 15 2 4");
    assert_string_equal(CREATE(venue, 2, LEG(A, C, TOKEN, 1)), "MALFORMED 1 2 6");
    venue->number--; // a refused one is not used up
    assert_non_null(strstr(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "xvp created"));
}

static void there_is_room_for_so_many(void **state)
{
    struct venue *venue = *state;
    at(venue, 1000);
    for (int i = 0; i < XVPS_MAX; i++)
        (void)create_swap(venue, 0);
    assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "XVPS_MAX 256 256 0");
    (void)operate(venue, XVP_CANCEL, venue->sequence - 1);
    assert_non_null(strstr(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "xvp created"));
}

// ---- eligibility, at creation and anew at execution

static void who_may_not_trade_is_no_party(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, XVP_AUTO_EXECUTE);
    (void)act(venue, A, XVP_APPROVE, xvp);
    account_of(venue, 'C')->kyc = KYC_PENDING;
    (void)set_account(venue, 'C');
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp), "KYC 4 2 0");
    assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "KYC 4 2 0");
    assert_string_equal(CREATE(venue, 0, LEG(C, A, TOKEN, 1)), "KYC 4 2 0");
    account_of(venue, 'C')->kyc = KYC_APPROVED;
    (void)set_account(venue, 'C');
    account_of(venue, 'A')->fatca = FATCA_BLOCKED;
    (void)set_account(venue, 'A');
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp),
                        "xvp approved is approved; C cash -900 held +900; "
                        "xvp refused is approved; for A FATCA 1 2 0");
    assert_true(held(venue, A, TOKEN) == 10 && held(venue, C, CASH) == 900);
    assert_string_equal(act(venue, C, XVP_EXECUTE, xvp), "FATCA 1 2 0");
    account_of(venue, 'A')->fatca = FATCA_CLEAR;
    (void)set_account(venue, 'A');
    assert_non_null(strstr(act(venue, C, XVP_EXECUTE, xvp), "xvp executed is executed"));
}

static void the_kill_switch_stops_it(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, 0);
    (void)act(venue, A, XVP_APPROVE, xvp);
    const struct {
        uint8_t scope;
        uint32_t id;
        const char *answer;
    } lines[] = {{KILL_VENUE, 0, "KILLED 0 0 4"},
                 {KILL_MEMBER, 1, "KILLED 0 1 2"},
                 {KILL_ACCOUNT, C, "KILLED 0 18 1"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        kill(venue, lines[i].scope, lines[i].id, 1);
        assert_string_equal(act(venue, C, XVP_APPROVE, xvp), lines[i].answer);
        assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), lines[i].answer);
        kill(venue, lines[i].scope, lines[i].id, 0);
    }
    kill(venue, KILL_SESSION, 2, 1); // only who acts
    assert_string_equal(act(venue, C, XVP_APPROVE, xvp), "KILLED 0 2 3");
    assert_non_null(strstr(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "xvp created"));
    kill(venue, KILL_SESSION, 2, 0);
    (void)act(venue, C, XVP_APPROVE, xvp);
    kill(venue, KILL_ACCOUNT, C, 1); // of another party than who executes
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), "KILLED 0 18 1");
    assert_non_null(strstr(act(venue, A, XVP_CANCEL, xvp), "xvp cancelled"));
}

static void a_token_goes_to_who_could_buy_it(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = create_swap(venue, 0);
    (void)act(venue, A, XVP_APPROVE, xvp);
    (void)act(venue, C, XVP_APPROVE, xvp);
    struct instrument_controls_set_cmd controls = {.instrument = 1, .investor_types = 2};
    struct command *command = start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN);
    command->body.instrument_controls_set = controls;
    (void)apply(venue);
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), "INVESTOR_TYPE 2 1 0");
    assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "INVESTOR_TYPE 2 1 0");
    assert_non_null(strstr(CREATE(venue, 0, LEG(A, C, CASH, 1)), "xvp created")); // cash to anybody
    controls = (struct instrument_controls_set_cmd){.instrument = 1, .position_max = 1009};
    command = start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN);
    command->body.instrument_controls_set = controls;
    (void)apply(venue);
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), "POSITION_MAX 1009 1010 0");
    controls.position_max = 1010;
    command = start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN);
    command->body.instrument_controls_set = controls;
    (void)apply(venue);
    assert_non_null(strstr(act(venue, A, XVP_EXECUTE, xvp), "xvp executed"));
}

// It may be traded in several: here also in the last one there may be.
static void a_token_goes_to_who_could_buy_it_in_each_instrument(void **state)
{
    struct venue *venue = *state;
    venue->terms.instrument = limits.instruments_max;
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
    assert_non_null(strstr(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "xvp created"));
    start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN)->body.instrument_controls_set =
        (struct instrument_controls_set_cmd){.instrument = limits.instruments_max,
                                             .investor_types = 2};
    (void)apply(venue);
    assert_string_equal(CREATE(venue, 0, LEG(A, C, TOKEN, 1)), "INVESTOR_TYPE 2 1 0");
}

// ---- money

static void what_is_given_is_there_and_settled(void **state)
{
    struct venue *venue = *state;
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 1001));
    assert_string_equal(act(venue, A, XVP_APPROVE, venue->sequence),
                        "INSUFFICIENT_BALANCE 1001 1000 2");
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 1000));
    uint64_t xvp = venue->sequence;
    PLAY(venue, {"A sells 1 @ 100", "#1 holds 1"});
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp), "INSUFFICIENT_BALANCE 1000 999 2");
    PLAY(venue, {"A cancels 1", "#1 cancelled 1 releases 1 reason 1"},
         {"A buys 4 @ 100", "#2 holds 400"},
         {"C sells 4 @ 100", "#3 holds 4; C sells 4 @ 100 to A fee 4 saved 0 left 0/0"});
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 1001));
    assert_string_equal(act(venue, A, XVP_APPROVE, venue->sequence),
                        "WITHDRAWAL_UNSETTLED 1000 1001 2");
    assert_non_null(strstr(act(venue, A, XVP_APPROVE, xvp), "A token -1000 held +1000"));
    assert_string_equal(say(venue, "A sells 5 @ 100"), "INSUFFICIENT_BALANCE 5 4 0");
}

static void what_comes_makes_good_what_is_owed(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'C', TOKEN, POSTING_CHAIN_OUT, 1004),
                        "posted -1000; C owes 4 (+4)");
    (void)CREATE(venue, XVP_AUTO_EXECUTE, LEG(A, C, TOKEN, 10));
    assert_string_equal(act(venue, A, XVP_APPROVE, venue->sequence),
                        "xvp approved is approved; A token -10 held +10; "
                        "xvp executed is executed; A token +0 held -10; C token +10 held +0; "
                        "C owes 0 (-4)");
    assert_int_equal(there(venue, C, TOKEN), 6);
    (void)post(venue, 'C', TOKEN, POSTING_CHAIN_OUT, 7);
    (void)CREATE(venue, 0, LEG(C, A, TOKEN, 10));
    assert_string_equal(act(venue, C, XVP_APPROVE, venue->sequence), "DEFICIT 0 1 2");
}

// Orders go first; then the newest approvals, with all that they hold.
static void what_left_on_the_chain_takes_approvals_away(void **state)
{
    struct venue *venue = *state;
    uint64_t older = create_swap(venue, 0);
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 20), LEG(A, B, CASH, 7), LEG(C, A, CASH, 1));
    uint64_t newer = venue->sequence;
    (void)act(venue, C, XVP_APPROVE, older);
    (void)act(venue, A, XVP_APPROVE, older);
    (void)act(venue, A, XVP_APPROVE, newer);
    PLAY(venue, {"A sells 5 @ 110", "#1 holds 5"});
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = A,
                                 .asset = TOKEN,
                                 .amount = 965 + 5 + 12,
                                 .kind = POSTING_CHAIN_OUT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = ++venue->number};
    assert_string_equal(apply_all(venue),
                        "posted -965; A owes 17 (+17) | "
                        "#1 cancelled 5 releases 5 reason 18; A owes 12 (-5); "
                        "xvp uncovered is created; A token +20 held -20; A cash +6 held -6; "
                        "A owes 0 (-12); done 6");
    assert_true(held(venue, A, TOKEN) == 10 && there(venue, A, TOKEN) == 8);
    assert_true(held(venue, A, CASH) == 0 && held(venue, C, CASH) == 900);
    assert_non_null(strstr(act(venue, A, XVP_EXECUTE, older), "xvp executed"));
}

static void an_approval_that_holds_something_else_stays(void **state)
{
    struct venue *venue = *state;
    uint64_t older = create_swap(venue, 0);
    (void)act(venue, A, XVP_APPROVE, older);
    (void)CREATE(venue, 0, LEG(A, C, CASH, 7), LEG(C, A, TOKEN, 1));
    (void)act(venue, A, XVP_APPROVE, venue->sequence);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 991),
                        "posted -990; A owes 1 (+1)");
    assert_string_equal(go_on(venue), "xvp uncovered is created; A token +10 held -10; "
                                      "A owes 0 (-1); done 3");
    assert_true(venue->events[0].body.xvp_changed.xvp == older);
    assert_int_equal(held(venue, A, CASH), 7);
}

// With the approvals of many the work goes on in the next command, as with orders.
static void many_approvals_go_in_several_commands(void **state)
{
    enum { MANY = 40 };
    struct venue *venue = *state;
    for (int i = 0; i < MANY; i++)
        (void)act(venue, A, XVP_APPROVE, create_swap(venue, 0));
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = A,
                                 .asset = TOKEN,
                                 .amount = 1000,
                                 .kind = POSTING_CHAIN_OUT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = ++venue->number};
    (void)apply(venue);
    assert_true(goes_on(venue));
    (void)go_on(venue);
    assert_true(goes_on(venue));
    while (goes_on(venue))
        (void)go_on(venue);
    assert_true(held(venue, A, TOKEN) == 0 && balance(venue, A, TOKEN).deficit == 0);
}

// Units whose settlement has failed may not be given: approvals that leave too little beside them
// go.
static void a_failed_settlement_takes_approvals_away(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 4 @ 100", "#1 holds 400"},
         {"C sells 4 @ 100", "#2 holds 4; C sells 4 @ 100 to A fee 4 saved 0 left 0/0"});
    (void)CREATE(venue, 0, LEG(A, C, TOKEN, 1000));
    (void)act(venue, A, XVP_APPROVE, venue->sequence);
    PLAY(venue, {"A sells 4 @ 110", "#3 holds 4"});
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 4, 396), "settlement_booked");
    assert_string_equal(go_on(venue), "#3 cancelled 4 releases 4 reason 18; done 1");
    assert_int_equal(held(venue, A, TOKEN), 1000); // what is left is enough
    PLAY(venue, {"A sells 1 @ 110", "INSUFFICIENT_BALANCE 1 0 0"});
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEBIT, 1), "posted -1");
    assert_string_equal(go_on(venue), "xvp uncovered is created; A token +1000 held -1000; done 2");
}

// Who gets something may have to get a balance first: A's venue has room for 16.
static void an_execution_needs_room_for_its_balances(void **state)
{
    struct venue *venue = *state;
    account_of(venue, 'A')->account = 30;
    (void)set_account(venue, 'A');
    for (uint32_t asset = 3; asset <= 4; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset, .kind = ASSET_TOKEN};
        (void)apply(venue);
        start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
            (struct ledger_post_cmd){.account = A,
                                     .asset = asset,
                                     .amount = 5,
                                     .kind = POSTING_DEPOSIT,
                                     .ref_source = REF_ADMIN,
                                     .ref_number = ++venue->number};
        (void)apply(venue);
    }
    (void)CREATE(venue, XVP_AUTO_EXECUTE, LEG(A, 30, 3, 5), LEG(A, 30, 4, 5));
    assert_string_equal(act(venue, A, XVP_APPROVE, venue->sequence),
                        "xvp approved is approved; A token -5 held +5; A token -5 held +5; "
                        "xvp refused is approved; for ? BALANCES_MAX 16 15 0");
    (void)CREATE(venue, XVP_AUTO_EXECUTE, LEG(A, B, CASH, 5));
    assert_non_null(strstr(act(venue, A, XVP_APPROVE, venue->sequence), "xvp executed"));
}

// ---- a token that has a contract

// A's tokens for C's cash; all have approved, and the token is on its way to the chain.
static uint64_t settling_swap(struct venue *venue)
{
    start_create(venue, XVP_AUTO_EXECUTE, 2,
                 (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 10), LEG(C, A, CASH, 900)})
        ->body.xvp_create.chain_asset = TOKEN;
    assert_string_equal(apply(venue), "xvp created is created; xvp_leg; xvp_leg");
    assert_int_equal(venue->events[0].body.xvp_changed.chain_asset, TOKEN);
    uint64_t xvp = venue->sequence;
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(
        act(venue, C, XVP_APPROVE, xvp),
        "xvp approved is approved; C cash -900 held +900; xvp settling is settling; "
        "A to C 10");
    const struct xvp_move_evt *move = &venue->events[3].body.xvp_move;
    assert_true(move->xvp == xvp && move->asset == TOKEN && move->count == 1 && move->index == 0);
    return xvp;
}

// `since`: the sequence at which it became settling.
static const char *chain_says(struct venue *venue, uint8_t outcome, uint64_t xvp, uint64_t since)
{
    start(venue, CMD_settlement_result, GATEWAY_SETTLE)->body.settlement_result =
        (struct settlement_result_cmd){.trade_id = xvp,
                                       .ref_number = ++venue->number,
                                       .outcome = outcome,
                                       .quantity = (int64_t)since};
    return apply(venue);
}

static void what_the_chain_has_moved_moves_here_in_one_command(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = settling_swap(venue);
    uint64_t since = venue->sequence;
    assert_true(held(venue, A, TOKEN) == 10 && held(venue, C, CASH) == 900);
    assert_true(there(venue, C, TOKEN) == 1000 && there(venue, A, CASH) == 100000);
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_EXECUTED, xvp, since),
                        "xvp executed is executed; A token +0 held -10; C cash +0 held -900; "
                        "C token +10 held +0; A cash +900 held +0");
    assert_true(venue->events[0].body.xvp_changed.ref_number == venue->number);
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_EXECUTED, xvp, since),
                        expected_not_settling(xvp, since));
}

static void nobody_stops_what_is_on_its_way_to_the_chain(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = settling_swap(venue);
    uint64_t since = venue->sequence;
    char settling[64];
    (void)snprintf(settling, sizeof settling, "XVP_SETTLING 0 %lu 0", xvp);
    for (uint8_t action = XVP_REVOKE; action <= XVP_CANCEL; action++)
        assert_string_equal(act(venue, A, action, xvp), settling);
    assert_string_equal(act(venue, A, XVP_APPROVE, xvp), "repeated");
    assert_string_equal(operate(venue, XVP_CANCEL, xvp), settling);
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
    assert_string_equal(tick(venue, CUTOFF_NS + 1), "done 0");
    assert_string_equal(act(venue, C, XVP_CANCEL, xvp),
                        settling); // past its cut-off, and still open
    kill(venue, KILL_VENUE, 0, 1);
    assert_non_null(strstr(chain_says(venue, SETTLEMENT_XVP_EXECUTED, xvp, since), "executed"));
    assert_int_equal(there(venue, C, TOKEN), 1010);
}

static void what_comes_back_is_executed_again_until_the_cut_off(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = settling_swap(venue);
    uint64_t first = venue->sequence;
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_RETURNED, xvp, first),
                        "xvp returned is approved");
    assert_int_equal(held(venue, A, TOKEN), 10);
    assert_true(engine_next_deadline_ns(venue->engine) == CUTOFF_NS);
    assert_string_equal(act(venue, C, XVP_EXECUTE, xvp), "xvp settling is settling; A to C 10");
    uint64_t second = venue->sequence;
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_RETURNED, xvp, first), // an old one
                        expected_not_settling(xvp, first));
    at(venue, CUTOFF_NS);
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_RETURNED, xvp, second),
                        "xvp returned is approved");
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp), not_open(xvp));
    assert_string_equal(
        tick(venue, CUTOFF_NS + 10),
        "xvp expired is expired; A token +10 held -10; C cash +900 held -900; done 3");
}

// Who gives is paired with who gets, in the order of the legs; who passes on moves nothing.
static void the_chain_moves_what_is_given_on_balance(void **state)
{
    struct venue *venue = *state;
    start_create(venue, 0, 5,
                 (struct xvp_leg_tail[]){LEG(A, B, TOKEN, 6), LEG(C, D, TOKEN, 5),
                                         LEG(B, D, TOKEN, 2), LEG(D, C, CASH, 70),
                                         LEG(C, B, TOKEN, 1)})
        ->body.xvp_create.chain_asset = TOKEN;
    (void)apply(venue);
    uint64_t xvp = venue->sequence;
    for (uint32_t account = A; account <= D; account++)
        (void)act(venue, account, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, A, XVP_EXECUTE, xvp),
                        "xvp settling is settling; A to B 5; A to D 1; C to D 6");
    (void)chain_says(venue, SETTLEMENT_XVP_EXECUTED, xvp, venue->sequence);
    assert_true(there(venue, B, TOKEN) == 1005 && there(venue, D, TOKEN) == 1007);
    // Round and back again: the chain has nothing to do with it.
    start_create(venue, XVP_AUTO_EXECUTE, 2,
                 (struct xvp_leg_tail[]){LEG(A, B, TOKEN, 6), LEG(B, A, TOKEN, 6)})
        ->body.xvp_create.chain_asset = TOKEN;
    (void)apply(venue);
    xvp = venue->sequence;
    (void)act(venue, A, XVP_APPROVE, xvp);
    assert_string_equal(act(venue, B, XVP_APPROVE, xvp),
                        "xvp approved is approved; xvp executed is executed");
}

static void what_the_contract_settles_is_a_token_of_the_legs(void **state)
{
    static const uint32_t wrong[] = {CASH, 3, UINT32_MAX};
    struct venue *venue = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char refused[64];
        start_create(venue, 0, 1, (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 1)})
            ->body.xvp_create.chain_asset = wrong[i];
        (void)snprintf(refused, sizeof refused, "MALFORMED 0 %u 10", wrong[i]);
        assert_string_equal(apply(venue), refused);
    }
}

// What a trade's result has besides.
static void a_result_of_the_chain_has_no_other_fields(void **state)
{
    struct venue *venue = *state;
    static const struct {
        struct settlement_result_cmd body;
        const char *refused;
    } lines[] = {{{.instrument = 1}, "MALFORMED 0 1 3"},
                 {{.buyer_account = A}, "MALFORMED 0 0 3"},
                 {{.seller_account = C}, "MALFORMED 0 0 3"},
                 {{.proceeds = 1}, "MALFORMED 0 0 3"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct settlement_result_cmd *body =
            &start(venue, CMD_settlement_result, GATEWAY_SETTLE)->body.settlement_result;
        *body = lines[i].body;
        body->ref_number = 999;
        body->outcome = SETTLEMENT_XVP_RETURNED;
        assert_string_equal(apply(venue), lines[i].refused);
    }
}

// Tokens leave on the chain meanwhile: what is held stays until the chain has decided.
static void what_is_owed_meanwhile_falls_due_when_it_comes_back(void **state)
{
    struct venue *venue = *state;
    uint64_t xvp = settling_swap(venue);
    uint64_t since = venue->sequence;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 993),
                        "posted -990; A owes 3 (+3)");
    assert_false(goes_on(venue));
    assert_int_equal(held(venue, A, TOKEN), 10);
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_RETURNED, xvp, since),
                        "xvp returned is approved; xvp uncovered is approving; "
                        "A token +10 held -10; A owes 0 (-3)");
    assert_int_equal(there(venue, A, TOKEN), 7);
}

// With one approval both assets were held; both are free again when one of them is owed.
static void who_owes_one_asset_gets_back_all_that_he_gave(void **state)
{
    struct venue *venue = *state;
    start_create(venue, XVP_AUTO_EXECUTE, 2,
                 (struct xvp_leg_tail[]){LEG(A, C, TOKEN, 10), LEG(A, D, CASH, 50)})
        ->body.xvp_create.chain_asset = TOKEN;
    (void)apply(venue);
    uint64_t xvp = venue->sequence;
    (void)act(venue, A, XVP_APPROVE, xvp);
    uint64_t since = venue->sequence;
    (void)post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 993);
    assert_string_equal(chain_says(venue, SETTLEMENT_XVP_RETURNED, xvp, since),
                        "xvp returned is approved; xvp uncovered is created; "
                        "A token +10 held -10; A cash +50 held -50; A owes 0 (-3)");
    assert_true(held(venue, A, TOKEN) == 0 && held(venue, A, CASH) == 0);
}

#define XVP(test) cmocka_unit_test_setup_teardown(test, open_xvp_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        XVP(the_last_approval_exchanges_all),
        XVP(without_auto_a_party_or_an_operator_executes),
        XVP(what_is_given_on_balance_is_held),
        XVP(what_is_given_comes_back),
        XVP(the_cut_off_gives_back_what_is_held),
        XVP(many_end_in_several_ticks),
        XVP(only_senders_approve_and_only_parties_act),
        XVP(the_rights_are_those_of_orders),
        XVP(a_venue_that_cancels_only_takes_back),
        XVP(instructions_that_cannot_be_are_refused),
        XVP(the_cut_off_is_ahead_and_not_too_far),
        XVP(a_reference_creates_one),
        XVP(there_is_room_for_so_many),
        XVP(who_may_not_trade_is_no_party),
        XVP(the_kill_switch_stops_it),
        XVP(a_token_goes_to_who_could_buy_it),
        XVP(a_token_goes_to_who_could_buy_it_in_each_instrument),
        XVP(what_is_given_is_there_and_settled),
        XVP(what_comes_makes_good_what_is_owed),
        XVP(what_left_on_the_chain_takes_approvals_away),
        XVP(an_approval_that_holds_something_else_stays),
        XVP(many_approvals_go_in_several_commands),
        XVP(a_failed_settlement_takes_approvals_away),
        XVP(an_execution_needs_room_for_its_balances),
        XVP(what_the_chain_has_moved_moves_here_in_one_command),
        XVP(nobody_stops_what_is_on_its_way_to_the_chain),
        XVP(what_comes_back_is_executed_again_until_the_cut_off),
        XVP(the_chain_moves_what_is_given_on_balance),
        XVP(what_the_contract_settles_is_a_token_of_the_legs),
        XVP(what_is_owed_meanwhile_falls_due_when_it_comes_back),
        XVP(who_owes_one_asset_gets_back_all_that_he_gave),
        XVP(a_result_of_the_chain_has_no_other_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
