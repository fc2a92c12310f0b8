// Two persons: what one operator may not do alone, proposals and what becomes of them. The venue:
// engine_testing.h.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS ((uint64_t)86400 * 1000000000)

enum { ANNA = 1, BEN = 2, PROPOSALS = 64 };

static const char *set_rules(struct venue *venue, uint32_t flags)
{
    start(venue, CMD_venue_rules_set, GATEWAY_ADMIN)->body.venue_rules_set =
        (struct venue_rules_set_cmd){.flags = flags, .operator_id = ANNA};
    return apply(venue);
}

static const char *propose_bytes(struct venue *venue, uint32_t operator_id, uint8_t type,
                                 const void *body, size_t bytes)
{
    struct command *command = start(venue, CMD_propose, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_propose, bytes);
    command->body.propose = (struct propose_cmd){
        .operator_id = operator_id, .proposed = type, .body_bytes = (uint16_t)bytes};
    memcpy(command_tail_writable(command), body, bytes);
    return apply(venue);
}

#define PROPOSE(venue, operator_id, type, ...)                                                     \
    propose_bytes((venue), (operator_id), CMD_##type, &(struct type##_cmd){__VA_ARGS__},           \
                  sizeof(struct type##_cmd))

static const char *decide(struct venue *venue, uint64_t proposal, uint32_t operator_id,
                          uint8_t decision)
{
    start(venue, CMD_approve, GATEWAY_ADMIN)->body.approve = (struct approve_cmd){
        .proposal = proposal, .operator_id = operator_id, .decision = decision};
    return apply_all(venue);
}

static const char *approve(struct venue *venue, uint64_t proposal)
{
    return decide(venue, proposal, BEN, PROPOSAL_APPROVE);
}

static const char *kill_a(struct venue *venue, uint8_t killed)
{
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = KILL_ACCOUNT, .killed = killed, .id = FIRST};
    return apply_all(venue);
}

// ---- what needs two

static void one_person_may_do_all_without_the_rule(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 10), "posted 10");
    assert_string_equal(set_breaker(venue, 1), "phase 4 breaker 1");
    assert_string_equal(set_breaker(venue, 0), "phase 4 breaker 0");
    assert_string_equal(kill_a(venue, 1), "kill_changed");
    assert_string_equal(kill_a(venue, 0), "kill_changed");
    assert_string_equal(set_rules(venue, 0), "venue_rules_changed");
    assert_string_equal(set_rules(venue, 2), "MALFORMED 0 2 1");
    assert_string_equal(set_rules(venue, VENUE_TWO_PERSONS), "venue_rules_changed");
    assert_string_equal(set_rules(venue, VENUE_TWO_PERSONS), "venue_rules_changed");
}

static void what_takes_a_safeguard_away_needs_two(void **state)
{
    struct venue *venue = *state;
    set_rules(venue, VENUE_TWO_PERSONS);
    assert_string_equal(set_rules(venue, 0), "NEEDS_APPROVAL 0 37 0");
    assert_string_equal(set_breaker(venue, 1), "phase 4 breaker 1");
    assert_string_equal(set_breaker(venue, 0), "NEEDS_APPROVAL 0 25 0");
    assert_string_equal(kill_a(venue, 1), "kill_changed");
    assert_string_equal(kill_a(venue, 0), "NEEDS_APPROVAL 0 36 0");
    PLAY(venue, {"A buys 1 @ 90", "KILLED 0 16 1"}, {"B buys 1 @ 90", "BREAKER_TRIPPED 0 1 0"});
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEPOSIT, 10), "posted 10");
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 10), "NEEDS_APPROVAL 0 40 0");
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEBIT, 10), "NEEDS_APPROVAL 0 40 0");
    assert_int_equal(balance(venue, ACCOUNT_SUSPENSE, CASH).account, 0); // not even opened
}

// After every other check of theirs; and a repeat is answered first.
static void what_is_refused_anyway_says_why(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 10), "posted 10");
    set_rules(venue, VENUE_TWO_PERSONS);
    venue->number--;
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 10), "repeated");
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 0), "QUANTITY_NOT_POSITIVE 1 0 0");
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEBIT, 200000),
                        "INSUFFICIENT_BALANCE 200000 100010 0");
    start(venue, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set.instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = KILL_MEMBER, .id = 2};
    assert_string_equal(apply(venue), "UNKNOWN_MEMBER 0 2 0");
}

// ---- approval

static void another_operator_carries_it_out(void **state)
{
    struct venue *venue = *state;
    set_rules(venue, VENUE_TWO_PERSONS);
    assert_string_equal(PROPOSE(venue, ANNA, ledger_post, .account = FIRST, .asset = CASH,
                                .amount = 10, .kind = POSTING_CREDIT, .ref_source = REF_ADMIN,
                                .ref_number = 1000, .ref_hash = 5, .operator_id = ANNA),
                        "proposal open");
    const struct proposal_changed_evt *told = &venue->events[0].body.proposal_changed;
    uint64_t proposal = venue->sequence;
    assert_true(told->proposal == proposal && told->proposer == ANNA && told->approver == 0);
    assert_int_equal(told->proposed, CMD_ledger_post);
    assert_true(told->expires_ns == venue->sequence + DAY_NS);
    assert_string_equal(decide(venue, proposal, ANNA, PROPOSAL_APPROVE), "TWO_PERSONS 0 1 0");
    assert_string_equal(decide(venue, proposal, BEN, 3), "MALFORMED 0 3 3");
    assert_string_equal(decide(venue, proposal, BEN, 0), "MALFORMED 0 0 3");
    assert_string_equal(decide(venue, proposal, 0, PROPOSAL_APPROVE), "MALFORMED 0 0 2");
    assert_string_equal(approve(venue, proposal), "posted 10; proposal approved");
    assert_true(venue->events[1].body.proposal_changed.approver == BEN);
    assert_true(venue->events[1].header.last && !venue->events[0].header.last);
    assert_true(venue->events[0].header.sequence == venue->sequence);
    assert_int_equal(balance(venue, FIRST, CASH).available, 100010);
    char once[64];
    (void)snprintf(once, sizeof once, "PROPOSAL 0 %lu 0", proposal);
    assert_string_equal(approve(venue, proposal), once);
}

static void an_approved_command_may_go_on_in_others(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 5 @ 110", "#1 holds 5"});
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_ACCOUNT, .killed = 1, .id = FIRST);
    assert_string_equal(approve(venue, venue->sequence),
                        "kill_changed; proposal approved | "
                        "#1 cancelled 5 releases 5 reason 16; done 1");
}

// The worst case of room: stops that use up all events but the last.
static void a_reset_with_a_long_queue_leaves_room_for_the_proposal(void **state)
{
    struct venue *venue = *state;
    venue->terms.breaker_bps = 200;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    PLAY(venue, {"A sells 1 @ 103", "#1 holds 1"});
    for (int i = 0; i < 70; i++)
        say(venue, "A sells 1 @ 104");
    say(venue, "B buys 70 @ 105 stop=103");
    say(venue, "C buys 1 @ 103"); // trips
    set_price(venue, CMD_reference_set, 103);
    set_rules(venue, VENUE_TWO_PERSONS);
    PROPOSE(venue, ANNA, breaker_set, .instrument = 1);
    start(venue, CMD_approve, GATEWAY_ADMIN)->body.approve = (struct approve_cmd){
        .proposal = venue->sequence, .operator_id = BEN, .decision = PROPOSAL_APPROVE};
    apply(venue);
    const struct event *last = &venue->events[venue->sink.count - 1];
    assert_true(venue->sink.count > EVENTS - 6);
    assert_int_equal(last->header.type, EVT_proposal_changed);
    assert_int_equal(last->body.proposal_changed.state, PROPOSAL_APPROVED);
    (void)go_on(venue);
    assert_int_equal(balance(venue, FIRST + 1, TOKEN).available, 1070);
}

static void a_proposal_may_fail(void **state)
{
    struct venue *venue = *state;
    PROPOSE(venue, ANNA, ledger_post, .account = FIRST, .asset = CASH, .amount = 200000,
            .kind = POSTING_DEBIT, .ref_source = REF_ADMIN, .ref_number = 1000);
    uint64_t proposal = venue->sequence;
    assert_string_equal(approve(venue, proposal),
                        "INSUFFICIENT_BALANCE 200000 100000 0; proposal failed");
    assert_int_equal(venue->events[0].body.rejected.command, CMD_ledger_post);
    assert_int_equal(venue->events[0].body.rejected.account, FIRST);
    decide(venue, proposal, BEN, PROPOSAL_WITHDRAW);
    assert_int_equal(venue->events[0].body.rejected.code, REJECT_PROPOSAL); // it has ended
}

static void the_rule_itself_goes_by_two(void **state)
{
    struct venue *venue = *state;
    set_rules(venue, VENUE_TWO_PERSONS);
    PROPOSE(venue, ANNA, venue_rules_set, .operator_id = ANNA);
    assert_string_equal(approve(venue, venue->sequence), "venue_rules_changed; proposal approved");
    assert_string_equal(post(venue, 'A', CASH, POSTING_CREDIT, 10), "posted 10");
}

// ---- other ends

static void anybody_withdraws(void **state)
{
    struct venue *venue = *state;
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE, .killed = 1);
    uint64_t first = venue->sequence;
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE);
    uint64_t second = venue->sequence;
    assert_string_equal(decide(venue, first, ANNA, PROPOSAL_WITHDRAW), "proposal withdrawn");
    assert_string_equal(decide(venue, second, BEN, PROPOSAL_WITHDRAW), "proposal withdrawn");
    assert_int_equal(venue->events[0].body.proposal_changed.approver, BEN);
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"});
}

static void a_proposal_expires_after_a_day(void **state)
{
    struct venue *venue = *state;
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE);
    uint64_t first = venue->sequence;
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE);
    uint64_t second = venue->sequence;
    PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE);
    uint64_t third = venue->sequence;
    venue->ahead_ns = DAY_NS - 3; // the next command comes exactly a day after the first one
    assert_string_equal(approve(venue, first), "kill_changed; proposal approved");
    venue->ahead_ns++; // the next one two ns after a day of the second one
    approve(venue, second);
    assert_int_equal(venue->events[0].body.rejected.code, REJECT_PROPOSAL);
    decide(venue, third, ANNA, PROPOSAL_WITHDRAW);
    assert_int_equal(venue->events[0].body.rejected.code, REJECT_PROPOSAL);
}

static void sixty_four_are_open_at_most(void **state)
{
    struct venue *venue = *state;
    uint64_t first = venue->sequence + 1;
    for (int i = 0; i < PROPOSALS; i++)
        assert_string_equal(PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE), "proposal open");
    assert_string_equal(PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE),
                        "PROPOSALS_MAX 64 64 0");
    assert_string_equal(decide(venue, first + 7, BEN, PROPOSAL_WITHDRAW), "proposal withdrawn");
    assert_string_equal(PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE), "proposal open");
    assert_string_equal(PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE),
                        "PROPOSALS_MAX 64 64 0");
    venue->ahead_ns = DAY_NS - PROPOSALS; // the first ones have expired now
    assert_string_equal(PROPOSE(venue, ANNA, kill_set, .scope = KILL_VENUE), "proposal open");
    assert_string_equal(approve(venue, first + 8), "kill_changed; proposal approved");
}

// ---- what cannot be proposed

static void what_cannot_be_proposed_is_refused(void **state)
{
    struct venue *venue = *state;
    struct kill_set_cmd kill = {.scope = KILL_VENUE};
    uint8_t bytes[PROPOSAL_BYTES_MAX] = {0};
    assert_string_equal(PROPOSE(venue, 0, kill_set, .scope = KILL_VENUE), "MALFORMED 0 0 1");
    assert_string_equal(PROPOSE(venue, ANNA, nav_set, .instrument = 1, .nav = 5),
                        "MALFORMED 0 23 2");
    assert_string_equal(PROPOSE(venue, ANNA, approve, .proposal = 1), "MALFORMED 0 39 2");
    assert_string_equal(propose_bytes(venue, ANNA, 200, bytes, 8), "MALFORMED 0 200 2");
    assert_string_equal(propose_bytes(venue, ANNA, CMD_kill_set, &kill, sizeof(kill) - 1),
                        "MALFORMED 256 15 3");
    assert_string_equal(propose_bytes(venue, ANNA, CMD_kill_set, bytes, sizeof(kill) + 1),
                        "MALFORMED 256 17 3");
    assert_string_equal(propose_bytes(venue, ANNA, CMD_kill_set, bytes, sizeof(bytes)),
                        "MALFORMED 256 256 3");
    assert_string_equal(propose_bytes(venue, ANNA, CMD_kill_set, bytes, 0), "MALFORMED 256 0 3");
    kill.reserved[0] = 1;
    assert_string_equal(propose_bytes(venue, ANNA, CMD_kill_set, &kill, sizeof(kill)),
                        "MALFORMED 256 16 3");
    struct trade_correct_cmd correct = {.trade_id = 1}; // the longest: more than one part
    assert_string_equal(propose_bytes(venue, ANNA, CMD_trade_correct, &correct, sizeof(correct)),
                        "proposal open");
    assert_string_equal(decide(venue, venue->sequence, BEN, PROPOSAL_WITHDRAW),
                        "proposal withdrawn");
}

// ---- snapshots

enum { RECORDS = 100 };

struct records {
    struct snapshot_record at[RECORDS];
    uint32_t count;
};

static int keep_record(void *context, const struct snapshot_record *record)
{
    struct records *records = context;
    assert_true(records->count < RECORDS);
    records->at[records->count++] = *record;
    return 0;
}

// True if all can be loaded, and the engine that comes of it is the one that was saved.
static bool loads(struct venue *venue, const struct records *records)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    struct engine *second = engine_init(venue->twin_memory, &limits);
    for (uint32_t i = 0; i < records->count; i++)
        if (!engine_load(second, &records->at[i]))
            return false;
    return engine_digest(second) == engine_digest(venue->engine);
}

// Every byte of every record of a proposal, wrong: nothing breaks. Every record, missing: it is
// found.
static void a_wrong_record_of_a_proposal_is_found(void **state)
{
    struct venue *venue = *state;
    struct records *records = calloc(1, sizeof *records);
    struct trade_correct_cmd correct = {.trade_id = 1, .quantity = 5};
    set_rules(venue, VENUE_TWO_PERSONS);
    propose_bytes(venue, ANNA, CMD_trade_correct, &correct, sizeof(correct));
    PROPOSE(venue, BEN, kill_set, .scope = KILL_VENUE);
    assert_int_equal(engine_save(venue->engine, keep_record, records), 0);
    assert_true(loads(venue, records));
    uint32_t seen = 0;
    for (uint32_t i = 0; i < records->count; i++) {
        struct snapshot_record before = records->at[i];
        uint8_t type = before.header.type;
        if (type != REC_proposal && type != REC_proposal_part && type != REC_venue_rules)
            continue;
        seen++;
        for (size_t byte = 0; byte < sizeof before; byte++) {
            ((uint8_t *)&records->at[i])[byte] ^= (uint8_t)(1u << byte % 8);
            (void)loads(venue, records); // refused, or the digest tells, or it does not matter
            records->at[i] = before;
        }
        memmove(&records->at[i], &records->at[i + 1], (records->count - i - 1) * sizeof before);
        records->count--;
        assert_false(loads(venue, records));
        memmove(&records->at[i + 1], &records->at[i], (records->count - i) * sizeof before);
        records->count++;
        records->at[i] = before;
    }
    assert_int_equal(seen, 6); // the rules; one of two parts, one of one
    free(records);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(one_person_may_do_all_without_the_rule),
        TEST(what_takes_a_safeguard_away_needs_two),
        TEST(what_is_refused_anyway_says_why),
        TEST(another_operator_carries_it_out),
        TEST(an_approved_command_may_go_on_in_others),
        TEST(a_reset_with_a_long_queue_leaves_room_for_the_proposal),
        TEST(a_proposal_may_fail),
        TEST(the_rule_itself_goes_by_two),
        TEST(anybody_withdraws),
        TEST(a_proposal_expires_after_a_day),
        TEST(sixty_four_are_open_at_most),
        TEST(what_cannot_be_proposed_is_refused),
        TEST(a_wrong_record_of_a_proposal_is_found),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
