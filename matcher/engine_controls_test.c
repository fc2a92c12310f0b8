// Controls of instruments (docs/risk.md 4): stale NAV, confirm references, jurisdictions, investor
// types, positions and concentrations: each at its limit, one below, one above, switched off, and
// set under what is there. Every command is also applied to an engine loaded from a snapshot.
#include "matcher/engine_testing.h"

#define MS_NS     ((uint64_t)1000000)
#define SECOND_NS (1000 * MS_NS)

static const char *set_controls(struct venue *venue, struct instrument_controls_rec controls)
{
    memcpy(&start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN)->body, &controls,
           sizeof controls);
    return apply(venue);
}

#define CONTROLS(venue, ...)                                                                       \
    assert_string_equal(                                                                           \
        set_controls((venue), (struct instrument_controls_rec){.instrument = 1, __VA_ARGS__}),     \
        "instrument_controls_changed")

static const char *set_jurisdictions(struct venue *venue, uint8_t mode, uint8_t count,
                                     const uint16_t *codes)
{
    struct command *command = start(venue, CMD_jurisdictions_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_jurisdictions_set, count * sizeof(uint16_t));
    command->body.jurisdictions_set =
        (struct jurisdictions_set_cmd){.instrument = 1, .mode = mode, .code_count = count};
    if (count != 0)
        memcpy(command_tail_writable(command), codes, count * sizeof(uint16_t));
    return apply(venue);
}

#define CODES(...)                                                                                 \
    (const uint16_t[])                                                                             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

// ---- setting them

static void controls_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    const struct {
        struct instrument_controls_rec controls;
        const char *answer;
    } lines[] = {{{.instrument = 2}, "UNKNOWN_INSTRUMENT 0 2 0"},
                 {{.instrument = 1, .nav_stale_action = 3}, "CONTROLS 0 3 5"},
                 {{.instrument = 1, .investor_types = 8}, "CONTROLS 0 8 6"},
                 {{.instrument = 1, .concentration_bps = 10001, .supply = 1}, "CONTROLS 0 10001 8"},
                 {{.instrument = 1, .concentration_bps = 1}, "CONTROLS 0 1 8"},
                 {{.instrument = 1, .position_max = -1}, "CONTROLS 0 -1 9"},
                 {{.instrument = 1, .supply = -5}, "CONTROLS 0 -5 10"},
                 {{.instrument = 1,
                   .concentration_bps = 10000,
                   .supply = 1,
                   .investor_types = 7,
                   .nav_stale_action = 2,
                   .position_max = INT64_MAX},
                  "instrument_controls_changed"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_string_equal(set_controls(venue, lines[i].controls), lines[i].answer);
}

static void jurisdictions_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    uint16_t all[JURISDICTIONS_MAX];
    for (uint16_t i = 0; i < JURISDICTIONS_MAX; i++)
        all[i] = i + 1;
    assert_string_equal(set_jurisdictions(venue, 3, 0, NULL), "MALFORMED 0 3 2");
    assert_string_equal(set_jurisdictions(venue, 1, 1, CODES(0)), "CONTROLS 0 0 100");
    assert_string_equal(set_jurisdictions(venue, 1, 2, CODES(5, 1000)), "CONTROLS 0 1000 101");
    assert_string_equal(set_jurisdictions(venue, 1, 3, CODES(5, 7, 7)), "CONTROLS 0 7 102");
    assert_string_equal(set_jurisdictions(venue, 1, 3, CODES(5, 7, 6)), "CONTROLS 0 6 102");
    assert_string_equal(set_jurisdictions(venue, 0, 0, NULL), "jurisdiction_listed");
    set_jurisdictions(venue, 2, JURISDICTIONS_MAX, all);
    assert_int_equal(venue->sink.count, JURISDICTIONS_MAX);
    const struct jurisdiction_listed_evt *last =
        &venue->events[JURISDICTIONS_MAX - 1].body.jurisdiction_listed;
    assert_int_equal(last->code, JURISDICTIONS_MAX);
    assert_int_equal(last->mode, 2);
    assert_int_equal(last->index, JURISDICTIONS_MAX - 1);
    assert_int_equal(last->count, JURISDICTIONS_MAX);
    struct command *command = start(venue, CMD_jurisdictions_set, GATEWAY_ADMIN);
    command->body.jurisdictions_set.instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
}

// ---- who buys

static void live_in(struct venue *venue, char who, uint16_t country)
{
    venue->accounts[who - 'A'].jurisdiction = country;
    assert_string_equal(set_account(venue, who), "account_changed");
}

static void buyers_come_from_listed_jurisdictions_only(void **state)
{
    struct venue *venue = *state;
    live_in(venue, 'A', 724);
    live_in(venue, 'B', 620);
    live_in(venue, 'C', 999);
    PLAY(venue, {"B buys 5 @ 10", "#1 holds 50"});
    assert_string_equal(set_jurisdictions(venue, JURISDICTIONS_ONLY, 2, CODES(276, 724)),
                        "jurisdiction_listed; jurisdiction_listed");
    PLAY(venue, {"A buys 1 @ 10", "#2 holds 10"}, {"B buys 1 @ 10", "JURISDICTION 0 620 1"},
         {"C buys 1 @ 10", "JURISDICTION 0 999 1"}, {"D buys 1 @ 10", "JURISDICTION 0 0 1"},
         {"B sells 1 @ 11", "#3 holds 1"}, // only buys are asked
         {"B amends 1 to 4 @ 0", "#1 now 4 leaves 4 releases 10 kept"},
         {"B amends 1 to 4 @ 9", "JURISDICTION 0 620 1"});
    assert_string_equal(set_jurisdictions(venue, JURISDICTIONS_ONLY, 0, NULL),
                        "jurisdiction_listed");
    PLAY(venue, {"A buys 1 @ 10", "JURISDICTION 0 724 1"}); // nobody is listed
    set_jurisdictions(venue, JURISDICTIONS_EXCEPT, 2, CODES(620, 999));
    PLAY(venue, {"A buys 1 @ 10", "#4 holds 10"}, {"B buys 1 @ 10", "JURISDICTION 0 620 2"},
         {"C buys 1 @ 10", "JURISDICTION 0 999 2"}, {"D buys 1 @ 10", "#5 holds 10"});
    set_jurisdictions(venue, JURISDICTIONS_ANY, 1, CODES(724));
    PLAY(venue, {"A buys 1 @ 10", "#6 holds 10"}, {"B buys 1 @ 10", "#7 holds 10"});
}

static void buyers_are_investors_of_a_type(void **state)
{
    struct venue *venue = *state;
    venue->accounts[1].accreditation = ACCREDITATION_PROFESSIONAL;
    set_account(venue, 'B');
    venue->accounts[2].accreditation = ACCREDITATION_INSTITUTIONAL;
    set_account(venue, 'C');
    CONTROLS(venue, .investor_types = 6);
    PLAY(venue, {"A buys 1 @ 10", "INVESTOR_TYPE 6 1 0"}, {"B buys 1 @ 10", "#1 holds 10"},
         {"C buys 1 @ 10", "#2 holds 10"}, {"A sells 1 @ 11", "#3 holds 1"});
    CONTROLS(venue, .investor_types = 1);
    PLAY(venue, {"A buys 1 @ 10", "#4 holds 10"}, {"B buys 1 @ 10", "INVESTOR_TYPE 1 2 0"},
         {"B amends 1 to 2 @ 0", "INVESTOR_TYPE 1 2 0"}, {"C buys 1 @ 10", "INVESTOR_TYPE 1 3 0"});
    set_jurisdictions(venue, JURISDICTIONS_EXCEPT, 1, CODES(40));
    live_in(venue, 'B', 40);
    PLAY(venue, {"B buys 1 @ 10", "JURISDICTION 0 40 2"}); // is asked first
    set_jurisdictions(venue, JURISDICTIONS_ANY, 0, NULL);
    CONTROLS(venue, .investor_types = 0);
    PLAY(venue, {"B buys 1 @ 10", "#5 holds 10"});
}

// ---- positions

static void a_position_is_what_there_is_and_what_open_buys_may_bring(void **state)
{
    struct venue *venue = *state;
    CONTROLS(venue, .position_max = 1010);
    PLAY(venue, {"A buys 11 @ 10", "POSITION_MAX 1010 1011 0"}, {"A buys 10 @ 10", "#1 holds 100"},
         {"A buys 1 @ 10", "POSITION_MAX 1010 1011 0"}, {"A sells 5 @ 11", "#2 holds 5"},
         {"A buys 1 @ 10", "POSITION_MAX 1010 1011 0"}, // what is held is there
         {"C sells 4 @ 10", "#3 holds 4; C sells 4 @ 10 to A fee 0 saved 0 left 0/6"},
         {"A buys 1 @ 10", "POSITION_MAX 1010 1011 0"},
         {"A amends 1 to 11 @ 0", "POSITION_MAX 1010 1011 0"},
         {"A amends 1 to 10 @ 9", "#1 now 10 leaves 6 releases 6"},
         {"A amends 1 to 9 @ 0", "#1 now 9 leaves 5 releases 9 kept"},
         {"A amends 1 to 10 @ 0", "#1 now 10 leaves 6 releases -9"},
         {"A cancels 1", "#1 cancelled 6 releases 54 reason 1"},
         {"A buys 7 @ 10", "POSITION_MAX 1010 1011 0"}, {"A buys 6 @ 10", "#4 holds 60"},
         {"C buys 5 @ 11", "#5 holds 55; C buys 5 @ 11 from A fee 0 saved 0 left 0/0"},
         {"A buys 6 @ 10", "POSITION_MAX 1010 1011 0"}, {"A buys 5 @ 10", "#6 holds 50"});
    CONTROLS(venue, .position_max = 5); // below what is there
    PLAY(venue, {"A buys 1 @ 10", "POSITION_MAX 5 1011 0"},
         {"C sells 1 @ 10", "#7 holds 1; C sells 1 @ 10 to A fee 0 saved 0 left 0/5"},
         {"A sells 1 @ 11", "#8 holds 1"});
    CONTROLS(venue, .position_max = 0);
    PLAY(venue, {"A buys 1 @ 10", "#9 holds 10"});
}

// Each side of a self-trade prevention, an immediate order's rest, an expiry.
static void what_open_buys_may_bring_follows_every_end_of_theirs(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 10 @ 10", "#1 holds 100"},
         {"B sells 4 @ 10 stp=4", "#2 holds 4; #1 reduced to 6 leaves 6 releases 40; "
                                  "#2 cancelled 4 releases 4 reason 11"},
         {"A buys 3 @ 10 show=1", "#3 holds 30; terms show 1"},
         {"A buys 9 @ 9 ioc", "#4 holds 81; #4 cancelled 9 releases 81 reason 2"});
    CONTROLS(venue, .position_max = 1010);
    PLAY(venue, {"A buys 2 @ 10", "POSITION_MAX 1010 1011 0"}, {"A buys 1 @ 10", "#5 holds 10"},
         {"A buys 1 @ 12 stop=11", "POSITION_MAX 1010 1011 0"},
         {"C sells 10 @ 10", "#6 holds 10; C sells 6 @ 10 to A fee 0 saved 0 left 4/0; C sells 1 @ "
                             "10 to A fee 0 saved 0 left 3/2; #3 shows 1; C sells 1 @ 10 to A fee "
                             "0 saved 0 left 2/0; C sells 1 @ 10 to A fee 0 saved 0 left 1/1; #3 "
                             "shows 1; C sells 1 @ 10 to A fee 0 saved 0 left 0/0"},
         {"A buys 1 @ 10", "POSITION_MAX 1010 1011 0"});
}

static void a_position_is_a_part_of_the_supply(void **state)
{
    struct venue *venue = *state;
    CONTROLS(venue, .concentration_bps = 1010, .supply = 10000);
    PLAY(venue, {"A buys 11 @ 10", "CONCENTRATION 1010 1011 10000"},
         {"A buys 10 @ 10", "#1 holds 100"},
         {"A amends 1 to 11 @ 0", "CONCENTRATION 1010 1011 10000"});
    CONTROLS(venue, .concentration_bps = 1010, .supply = 10009);
    PLAY(venue, {"A buys 1 @ 10", "CONCENTRATION 1010 1011 10009"}); // 10.1009 % are 1010.9
    CONTROLS(venue, .concentration_bps = 1010, .supply = 10010);
    PLAY(venue, {"A buys 1 @ 10", "#2 holds 10"});
    CONTROLS(venue, .concentration_bps = 1, .supply = 1, .position_max = 1);
    PLAY(venue, {"A buys 1 @ 10", "POSITION_MAX 1 1012 0"}, {"A sells 1 @ 11", "#3 holds 1"});
    CONTROLS(venue, .supply = 1);
    PLAY(venue, {"A buys 1 @ 10", "#4 holds 10"});
}

static void a_position_may_be_larger_than_a_number(void **state)
{
    struct venue *venue = *state;
    const int64_t most = INT64_C(1) << 61; // of cash and of an order's value
    assert_non_null(strstr(post(venue, 'A', CASH, POSTING_DEPOSIT, most - 500000), "posted"));
    assert_non_null(strstr(post(venue, 'A', TOKEN, POSTING_DEPOSIT, most - 500000), "posted"));
    venue->accounts[0].flags |= ACCOUNT_NO_LIMITS;
    set_account(venue, 'A');
    start_order(venue, 'A', SIDE_BUY, most - 600000, 1);
    apply(venue);
    CONTROLS(venue, .position_max = INT64_MAX, .concentration_bps = 10000, .supply = INT64_MAX);
    PLAY(venue, {"A buys 1 @ 1", "#2 holds 1"});
    CONTROLS(venue, .concentration_bps = 1, .supply = INT64_MAX);
    assert_non_null(strstr(say(venue, "A buys 1 @ 1"), "CONCENTRATION 1 461168601842"));
}

// ---- NAV

static void an_old_nav_is_what_its_action_says(void **state)
{
    struct venue *venue = *state;
    set_price(venue, CMD_nav_set, 100);
    const uint64_t set_ns = venue->sequence;
    CONTROLS(venue, .nav_stale_ms = 1000, .nav_stale_action = NAV_STALE_IGNORE);
    at(venue, set_ns + SECOND_NS);
    PLAY(venue, {"A buys 1 @ 79 ", "FAT_FINGER_CONFIRM 1000 2100 100"},
         {"A buys 1 @ 79 confirmed", "#1 holds 79"});
    venue->terms.fat_finger_confirm_bps = 0;
    set_terms(venue);
    at(venue, set_ns + 2 * SECOND_NS);
    set_price(venue, CMD_nav_set, 100);
    const uint64_t again_ns = venue->sequence + venue->ahead_ns;
    at(venue, again_ns + SECOND_NS); // as old as it may be
    PLAY(venue, {"A buys 1 @ 79", "NAV_CONFIRM 2000 2100 100"});
    at(venue, again_ns + SECOND_NS + 1);
    PLAY(venue, {"A buys 1 @ 79", "#2 holds 79"});
    CONTROLS(venue, .nav_stale_ms = 1000, .nav_stale_action = NAV_STALE_CONFIRM);
    PLAY(venue, {"A buys 1 @ 100", "NAV_STALE 1000 1000 1"},
         {"A buys 1 @ 79 confirmed", "#3 holds 79"},
         {"A amends 2 to 2 @ 0", "NAV_STALE 1000 1000 1"},
         {"A amends 2 to 2 @ 0 confirmed", "#2 now 2 leaves 2 releases -79"});
    CONTROLS(venue, .nav_stale_ms = 1000, .nav_stale_action = NAV_STALE_REFUSE);
    at(venue, again_ns + 2 * SECOND_NS - 1);
    PLAY(venue, {"A buys 1 @ 100 confirmed", "NAV_STALE 1000 1999 2"});
    CONTROLS(venue, .nav_stale_ms = 0, .nav_stale_action = NAV_STALE_REFUSE);
    PLAY(venue, {"A buys 1 @ 79", "NAV_CONFIRM 2000 2100 100"}, {"A buys 1 @ 80", "#4 holds 80"});
}

static void without_a_nav_nothing_is_stale(void **state)
{
    struct venue *venue = *state;
    CONTROLS(venue, .nav_stale_ms = 1, .nav_stale_action = NAV_STALE_REFUSE);
    at(venue, 9 * SECOND_NS);
    PLAY(venue, {"A buys 1 @ 100", "#1 holds 100"});
    venue->terms.flags |= INSTRUMENT_NAV_REQUIRED;
    set_terms(venue);
    PLAY(venue, {"A buys 1 @ 100", "NAV_MISSING 0 0 0"});
}

// ---- confirm references

static const char *strict(struct venue *venue, uint8_t flags)
{
    struct limits_rec wanted = {.scope = LIMIT_MEMBER, .id = 1, .flags = flags};
    memcpy(&start(venue, CMD_limits_set, GATEWAY_ADMIN)->body, &wanted, sizeof wanted);
    return apply(venue);
}

static const char *order_ref(struct venue *venue, char who, uint8_t side, int64_t price,
                             uint8_t flags, uint64_t reference)
{
    struct order_new_cmd *order = start_order(venue, who, side, 1, price);
    order->flags = flags;
    order->confirm_ref = reference;
    return apply(venue);
}

static const char *amend_ref(struct venue *venue, uint32_t number, int64_t price, uint8_t flags,
                             uint64_t reference)
{
    uint8_t bytes = 0;
    struct command *command = start_session(venue, CMD_order_amend, 'A', &bytes);
    command->body.order_amend = (struct order_amend_cmd){.order = venue->orders[number],
                                                         .account = FIRST,
                                                         .client_id_bytes = bytes,
                                                         .flags = flags,
                                                         .price = price,
                                                         .confirm_ref = reference};
    return apply(venue);
}

enum { FAT = ORDER_CONFIRM_FAT_FINGER, NAV = ORDER_CONFIRM_NAV };

static void assert_fault(const char *answer, uint64_t reference, int fault)
{
    char want[64];
    (void)snprintf(want, sizeof want, "CONFIRM_REF 0 %lu %d", reference, fault);
    assert_string_equal(answer, want);
}

// A reference price of 100: 111 must be confirmed.
static void set_up_strict(struct venue *venue)
{
    set_price(venue, CMD_reference_set, 100);
    assert_string_equal(strict(venue, LIMIT_STRICT_CONFIRM), "limits_changed");
}

static void a_strict_member_confirms_what_was_refused(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT, 0), 0, 1);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 100, NAV, 5), 5,
                 1); // a flag is asked, needed or not
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, 0, 0),
                        "FAT_FINGER_CONFIRM 1000 1100 100");
    const uint64_t first = venue->sequence;
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first + 1), first + 1, 1);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first - 1), first - 1, 1);
    assert_fault(order_ref(venue, 'B', SIDE_BUY, 111, FAT, first), first, 3);
    assert_fault(order_ref(venue, 'A', SIDE_SELL, 111, FAT, first), first, 3);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 112, FAT, first), first, 4);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT | NAV, first), first, 5);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), "#1 holds 111");
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 100, FAT, first), "#2 holds 100");
    assert_string_equal(strict(venue, 0), "limits_changed");
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 112, FAT, 7),
                        "#3 holds 112"); // not looked at
}

static void a_sell_is_worse_if_it_is_lower(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    assert_string_equal(order_ref(venue, 'A', SIDE_SELL, 89, 0, 0),
                        "FAT_FINGER_CONFIRM 1000 1100 100");
    const uint64_t first = venue->sequence;
    assert_fault(order_ref(venue, 'A', SIDE_SELL, 88, FAT, first), first, 4);
    assert_string_equal(order_ref(venue, 'A', SIDE_SELL, 89, FAT, first), "#1 holds 1");
    assert_string_equal(order_ref(venue, 'A', SIDE_SELL, 90, FAT, first), "#2 holds 1");
}

static void a_reference_lives_for_a_minute(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    at(venue, SECOND_NS);
    order_ref(venue, 'A', SIDE_BUY, 111, 0, 0);
    const uint64_t first = venue->sequence;
    at(venue, 61 * SECOND_NS);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), "#1 holds 111");
    at(venue, 61 * SECOND_NS + 1);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), first, 2);
    assert_fault(order_ref(venue, 'B', SIDE_BUY, 111, FAT, first), first, 2); // before whose it is
}

// What an order had, and what it lacked.
static void a_reference_grants_what_was_asked(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    venue->terms.nav_confirm_bps = 500;
    set_terms(venue);
    set_price(venue, CMD_nav_set, 100);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, 0, 0),
                        "FAT_FINGER_CONFIRM 1000 1100 100");
    const uint64_t first = venue->sequence;
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, NAV, first), first, 5);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first),
                        "NAV_CONFIRM 500 1100 100");
    const uint64_t second = venue->sequence;
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT | NAV, first), first, 5);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT | NAV, second), "#1 holds 111");
    CONTROLS(venue, .nav_stale_ms = 1, .nav_stale_action = NAV_STALE_CONFIRM);
    at(venue, SECOND_NS);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 100, 0, 0), "NAV_STALE 1 999 1");
    const uint64_t third = venue->sequence;
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 100, NAV, third), "#2 holds 100");
    CONTROLS(venue, .nav_stale_ms = 1, .nav_stale_action = NAV_STALE_REFUSE);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 100, 0, 0), "NAV_STALE 1 999 2");
    const uint64_t fourth = venue->sequence; // cannot be confirmed
    CONTROLS(venue, .nav_stale_ms = 0);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 100, NAV, fourth), fourth, 1);
}

static void an_amend_confirms_like_an_order(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 100, 0, 0), "#1 holds 100");
    assert_string_equal(amend_ref(venue, 1, 111, 0, 0), "FAT_FINGER_CONFIRM 1000 1100 100");
    const uint64_t first = venue->sequence;
    assert_fault(amend_ref(venue, 1, 111, FAT, 0), 0, 1);
    assert_fault(amend_ref(venue, 1, 112, FAT, first), first, 4);
    assert_string_equal(amend_ref(venue, 1, 111, FAT, first), "#1 now 1 leaves 1 releases -11");
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), "#2 holds 111");
}

static void a_market_order_is_confirmed_by_its_collar(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    venue->terms.collar_bps = 1500;
    set_terms(venue);
    say(venue, "C sells 9 @ 100");
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 0, 0, 0),
                        "FAT_FINGER_CONFIRM 1000 1500 100");
    const uint64_t first = venue->sequence;
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 0, FAT, first),
                        "#2 holds 115; A buys 1 @ 100 from C fee 1 saved 15 left 0/8");
    set_price(venue, CMD_reference_set, 200); // the last price is what it is compared with
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 116, FAT, first), first, 4);
    assert_non_null(strstr(order_ref(venue, 'A', SIDE_BUY, 115, FAT, first), "#3 holds 115"));
}

static void the_venue_remembers_a_thousand_refusals(void **state)
{
    struct venue *venue = *state;
    set_up_strict(venue);
    order_ref(venue, 'A', SIDE_BUY, 111, 0, 0);
    const uint64_t first = venue->sequence;
    order_ref(venue, 'A', SIDE_BUY, 111, 0, 0);
    for (int i = 2; i < 1024; i++)
        order_ref(venue, 'C', SIDE_SELL, 89, 0, 0);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), "#1 holds 111");
    order_ref(venue, 'C', SIDE_SELL, 89, 0, 0);
    assert_fault(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first), first, 1);
    assert_string_equal(order_ref(venue, 'A', SIDE_BUY, 111, FAT, first + 1), "#2 holds 111");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(controls_that_cannot_be_are_refused),
        TEST(jurisdictions_that_cannot_be_are_refused),
        TEST(buyers_come_from_listed_jurisdictions_only),
        TEST(buyers_are_investors_of_a_type),
        TEST(a_position_is_what_there_is_and_what_open_buys_may_bring),
        TEST(what_open_buys_may_bring_follows_every_end_of_theirs),
        TEST(a_position_is_a_part_of_the_supply),
        TEST(a_position_may_be_larger_than_a_number),
        TEST(an_old_nav_is_what_its_action_says),
        TEST(without_a_nav_nothing_is_stale),
        TEST(a_strict_member_confirms_what_was_refused),
        TEST(a_sell_is_worse_if_it_is_lower),
        TEST(a_reference_lives_for_a_minute),
        TEST(a_reference_grants_what_was_asked),
        TEST(an_amend_confirms_like_an_order),
        TEST(a_market_order_is_confirmed_by_its_collar),
        TEST(the_venue_remembers_a_thousand_refusals),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
