// Snapshots that cannot be: every record of a full venue with one field of it wrong is refused, at
// the last value that is wrong and not at the first that is right; what is taken has another
// digest, so that nobody can pass it off as what was saved. And the other way: a sink that gives up
// at any record is given no further one.
#include "matcher/engine_testing.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "risk/ledger.h"

enum { A = FIRST, B, C, D, POOR = 30, RECORDS_MAX = 256 };

#define SECOND_NS ((int64_t)1000000000)
#define DAY_NS    (86400 * SECOND_NS)
#define START_NS  (400 * DAY_NS)

struct records {
    struct snapshot_record all[RECORDS_MAX];
    uint32_t count;
};

static int keep_record(void *context, const struct snapshot_record *record)
{
    struct records *records = context;
    assert_true(records->count < RECORDS_MAX);
    records->all[records->count++] = *record;
    return 0;
}

// ---- a venue that has a record of every kind

#define SET(venue, name, ...)                                                                      \
    do {                                                                                           \
        start((venue), CMD_##name, GATEWAY_ADMIN)->body.name = (struct name##_cmd){__VA_ARGS__};   \
        (void)apply(venue);                                                                        \
        if ((venue)->events[0].header.type == EVT_rejected)                                        \
            fail_msg("%s: %s", #name, (venue)->answer);                                            \
    } while (0)

static void set_list(struct venue *venue, uint8_t type, const void *body, size_t body_bytes,
                     const void *tail, size_t tail_bytes)
{
    struct command *command = start(venue, type, GATEWAY_ADMIN);
    command->header.slots = command_slots(type, tail_bytes);
    memcpy(command->body.bytes, body, body_bytes);
    memcpy(command_tail_writable(command), tail, tail_bytes);
    (void)apply(venue);
    assert_int_not_equal(venue->events[0].header.type, EVT_rejected);
}

static void set_instrument(struct venue *venue)
{
    const struct tick_band_tail bands[] = {{1000, 10}, {2000, 20}};
    const struct schedule_entry_tail entries[] = {{1000, PHASE_PRE_OPEN, {0}},
                                                  {2000, PHASE_OPENING_AUCTION, {0}}};
    const uint16_t codes[] = {5, 7};
    SET(venue, instrument_rules_set, .instrument = 1, .order_quantity_min = 1);
    set_list(venue, CMD_tick_table_set,
             &(struct tick_table_set_cmd){.instrument = 1, .band_count = 2},
             sizeof(struct tick_table_set_cmd), bands, sizeof bands);
    set_list(venue, CMD_jurisdictions_set,
             &(struct jurisdictions_set_cmd){
                 .instrument = 1, .mode = JURISDICTIONS_EXCEPT, .code_count = 2},
             sizeof(struct jurisdictions_set_cmd), codes, sizeof codes);
    set_list(venue, CMD_schedule_set,
             &(struct schedule_set_cmd){.instrument = 1, .weekdays = 127, .entry_count = 2},
             sizeof(struct schedule_set_cmd), entries, sizeof entries);
    SET(venue, instrument_controls_set, .instrument = 1, .position_max = 1000000);
    (void)set_price(venue, CMD_reference_set, 100);
    (void)set_price(venue, CMD_nav_set, 100);
}

static void set_parties(struct venue *venue)
{
    SET(venue, limits_set, .scope = LIMIT_MEMBER, .id = 1, .daily_value_max = 1000000,
        .messages_max = 1000, .messages_ms = 5000,
        .flags = LIMIT_STRICT_CONFIRM | LIMIT_CUMULATIVE_INVESTMENT);
    SET(venue, limits_set, .scope = LIMIT_ACCOUNT, .id = A, .daily_value_max = 1000000,
        .duplicate_ms = 10, .executions_max = 9, .executions_ms = 5000);
    SET(venue, limits_set, .scope = LIMIT_SESSION, .id = 1, .messages_max = 1000,
        .messages_ms = 5000);
    SET(venue, fees_set, .instrument = 1, .sell_taker_bps = 100, .buy_maker_bps = 10);
    SET(venue, fees_set, .instrument = 1, .account = A, .sell_taker_bps = 90);
    SET(venue, asset_set, .asset = 3, .kind = ASSET_TOKEN, .scale = 8);
    for (uint32_t account = D + 1; account <= POOR; account += POOR - D - 1)
        SET(venue, account_set, .account = account, .member = 1,
            .accreditation = ACCREDITATION_RETAIL, .kyc = KYC_NONE, .fatca = FATCA_CLEAR,
            .jurisdiction = 5, .fee_bps = FEE_BPS_DEFAULT);
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = D + 1,
                                 .asset = CASH,
                                 .amount = 1,
                                 .kind = POSTING_DEPOSIT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = ++venue->number};
    assert_string_equal(apply(venue), "posted 1");
}

// A second instrument, whose tick is 5; and a stop in it.
static void set_coarse_instrument(struct venue *venue)
{
    struct instrument_rec terms = venue->terms;
    terms.instrument = 2;
    terms.token_asset = 3;
    terms.token_scale = 8;
    terms.tick = 5;
    terms.lot = 100000000;
    memcpy(&start(venue, CMD_instrument_set, GATEWAY_ADMIN)->body, &terms, sizeof terms);
    assert_string_equal(apply(venue), "instrument_changed; phase 1 breaker 0");
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 2, .phase = PHASE_CONTINUOUS};
    assert_string_equal(apply(venue), "phase 4 breaker 0");
    uint8_t bytes = 0;
    struct command *command = start_session(venue, CMD_order_new_terms, 'A', &bytes);
    command->body.order_new_terms = (struct order_new_terms_cmd){.account = A,
                                                                 .instrument = 2,
                                                                 .side = SIDE_BUY,
                                                                 .type = ORDER_STOP_LIMIT,
                                                                 .client_id_bytes = bytes,
                                                                 .price = 100,
                                                                 .quantity = 100000000,
                                                                 .stop_price = 100};
    assert_string_equal(apply(venue), "#13 holds 100 waits for its trigger; terms stop 100");
}

// Trades now and a month later, so that there are two periods of investments; refusals to confirm.
static void trade(struct venue *venue)
{
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 4 @ 100", "#2 holds 400; A buys 4 @ 100 from C fee 0 saved 0 left 0/1"});
    at(venue, (uint64_t)(START_NS + 40 * DAY_NS));
    PLAY(venue, {"A buys 1 @ 100", "#3 holds 100; A buys 1 @ 100 from C fee 0 saved 0 left 0/0"});
    assert_non_null(strstr(say(venue, "B buys 2 @ 115"), "FAT_FINGER_CONFIRM"));
    assert_non_null(strstr(say(venue, "B buys 2 @ 116"), "FAT_FINGER_CONFIRM"));
}

static void leave_orders(struct venue *venue)
{
    char words[64];
    (void)snprintf(words, sizeof words, "B buys 8 @ 97 until=%ld", START_NS + 90 * DAY_NS);
    const char *const said[] = {
        "A buys 10 @ 99",         "B buys 7 @ 98 show=2",        "C sells 6 @ 105",
        "A sells 3 @ 90 stop=95", "B sells 3 at market trail=4", "C buys 2 @ 111 stop=110",
        "C sells 4 @ 106 close",  "C sells 4 at market close",   words};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        if (say(venue, said[i])[0] != '#')
            fail_msg("%s: %s", said[i], venue->answer);
}

static void propose(struct venue *venue)
{
    const struct kill_set_cmd kill = {.scope = KILL_ACCOUNT, .id = D + 1, .killed = 0};
    set_list(venue, CMD_propose,
             &(struct propose_cmd){
                 .operator_id = 3, .proposed = CMD_kill_set, .body_bytes = sizeof kill},
             sizeof(struct propose_cmd), &kill, sizeof kill);
}

// Two legs of A's, one of B's; A has approved.
static void instruct(struct venue *venue, uint64_t ahead_ns)
{
    const struct xvp_leg_tail legs[] = {
        {A, C, TOKEN, XVP_LOCAL, 2}, {B, A, CASH, XVP_LOCAL, 3}, {A, C, CASH, XVP_LOCAL, 4}};
    set_list(venue, CMD_xvp_create,
             &(struct xvp_create_cmd){.ref_source = REF_ADMIN,
                                      .ref_number = ++venue->number,
                                      .flags = XVP_AUTO_EXECUTE,
                                      .leg_count = 3,
                                      .cutoff_ns = (uint64_t)(START_NS + 40 * DAY_NS) + ahead_ns},
             sizeof(struct xvp_create_cmd), legs, sizeof legs);
}

static void approve_instruction(struct venue *venue)
{
    const uint32_t account = A;
    uint64_t xvp = venue->sequence;
    struct session_set_cmd session = {
        .session = 4, .member = 1, .gateway = GATEWAY_WEB, .account_count = 1};
    set_list(venue, CMD_session_set, &session, sizeof session, &account, sizeof account);
    struct command *command = start(venue, CMD_xvp_act, GATEWAY_WEB);
    command->header.session = 4;
    command->body.xvp_act = (struct xvp_act_cmd){.xvp = xvp, .account = A, .action = XVP_APPROVE};
    (void)apply(venue);
    assert_int_equal(venue->events[0].header.type, EVT_xvp_changed);
    session.account_count = 0;
    set_list(venue, CMD_session_set, &session, sizeof session, &account, 0);
}

static int open_full_venue(void **state)
{
    open_venue(state);
    struct venue *venue = *state;
    at(venue, (uint64_t)START_NS);
    set_instrument(venue);
    set_parties(venue);
    trade(venue);
    leave_orders(venue);
    set_coarse_instrument(venue);
    SET(venue, kill_set, .scope = KILL_ACCOUNT, .killed = 1, .id = D + 1);
    SET(venue, venue_rules_set, .flags = VENUE_TWO_PERSONS);
    propose(venue);
    propose(venue);
    instruct(venue, (uint64_t)DAY_NS);
    approve_instruction(venue);
    instruct(venue, (uint64_t)(5 * DAY_NS));
    return 0;
}

// ---- loading

static struct engine *fresh_twin(struct venue *venue)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    return engine_init(venue->twin_memory, &limits);
}

// How many records are taken.
static uint32_t load_all(struct engine *engine, const struct records *records)
{
    for (uint32_t i = 0; i < records->count; i++)
        if (!engine_load(engine, &records->all[i]))
            return i;
    return records->count;
}

static struct records *records_of(const struct venue *venue)
{
    static struct records records;
    records.count = 0;
    assert_int_equal(engine_save(venue->engine, keep_record, &records), 0);
    return &records;
}

static uint32_t find(const struct records *records, uint8_t type, uint32_t nth)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < records->count; i++)
        if (records->all[i].header.type == type && ++seen == nth)
            return i;
    fail_msg("there is no %s number %u", snapshot_name(type), nth);
    return 0;
}

static void the_full_venue_has_every_record_and_loads(void **state)
{
    struct venue *venue = *state;
    const struct records *records = records_of(venue);
    for (uint8_t type = REC_meta; type < REC_COUNT; type++)
        if (type != REC_end && type != REC_pending)
            (void)find(records, type, 1);
    struct engine *twin = fresh_twin(venue);
    assert_int_equal(load_all(twin, records), records->count);
    assert_true(engine_digest(twin) == engine_digest(venue->engine));
}

// One field of one record: the last value that is wrong, or the first that is right.
struct crooked {
    const char *what;
    uint8_t type;
    bool fits;
    uint8_t nth;
    uint8_t bytes;
    uint32_t offset;
    int64_t value;
};
#define FIELD(record, nth, field, value, fits)                                                     \
    {                                                                                              \
#record "." #field " = " #value, REC_##record, fits, nth,                                  \
            sizeof(((struct record##_rec *)NULL)->field), offsetof(struct record##_rec, field),    \
            (int64_t)(value)                                                                       \
    }
#define BAD(record, field, value)          FIELD(record, 1, field, value, false)
#define FITS(record, field, value)         FIELD(record, 1, field, value, true)
#define BAD_OF(nth, record, field, value)  FIELD(record, nth, field, value, false)
#define FITS_OF(nth, record, field, value) FIELD(record, nth, field, value, true)

static bool is_right(struct venue *venue, const struct crooked *crooked)
{
    struct records *records = records_of(venue);
    uint32_t place = find(records, crooked->type, crooked->nth);
    struct snapshot_record *record = &records->all[place];
    int64_t was = 0;
    memcpy(&was, record->body.bytes + crooked->offset, crooked->bytes);
    memcpy(record->body.bytes + crooked->offset, &crooked->value, crooked->bytes);
    struct engine *twin = fresh_twin(venue);
    uint32_t taken = load_all(twin, records);
    bool right = crooked->fits ? taken > place : taken == place;
    if (taken == records->count)
        right = right && engine_digest(twin) != engine_digest(venue->engine);
    if (!right)
        print_error("%s, where it was %ld: record %u of %u is refused, %u was changed\n",
                    crooked->what, was, taken, records->count, place);
    return right;
}

static void check_all(struct venue *venue, const struct crooked *crooked, size_t count)
{
    uint32_t wrong = 0;
    for (size_t i = 0; i < count; i++)
        wrong += !is_right(venue, &crooked[i]);
    assert_int_equal(wrong, 0);
}
#define CHECK_ALL(venue, table) check_all((venue), (table), sizeof(table) / sizeof((table)[0]))

static void crooked_reference_data_is_refused(void **state)
{
    static const struct crooked table[] = {BAD(meta, engine_version, ENGINE_VERSION + 1),
                                           BAD(meta, venue_state, 0),
                                           FITS(meta, venue_state, VENUE_CANCEL_ONLY),
                                           BAD(meta, venue_state, VENUE_OPEN + 1),
                                           BAD(asset, asset, 0),
                                           BAD(asset, asset, ASSETS + 1),
                                           FITS_OF(3, asset, asset, ASSETS),
                                           BAD(asset, scale, MONEY_SCALE_MAX + 1),
                                           FITS_OF(3, asset, scale, MONEY_SCALE_MAX - 1),
                                           BAD(instrument, instrument, 0),
                                           BAD(instrument, instrument, 7),
                                           BAD(instrument, token_asset, 4),
                                           BAD(instrument_state, instrument, 2),
                                           BAD(instrument_state, last_price, -1),
                                           FITS(instrument_state, last_price, 0),
                                           BAD(instrument_state, reference_price, -1),
                                           FITS(instrument_state, reference_price, 0),
                                           BAD(instrument_state, nav, -1),
                                           FITS(instrument_state, nav, 0),
                                           BAD(instrument_state, phase, 0),
                                           FITS(instrument_state, phase, PHASE_CLOSED),
                                           FITS(instrument_state, phase, PHASE_CLOSING_AUCTION),
                                           BAD(instrument_state, phase, PHASE_CLOSING_AUCTION + 1),
                                           BAD(instrument_state, breaker_tripped, 2),
                                           FITS(instrument_state, breaker_tripped, 1),
                                           FITS(instrument_state, limit_state_end_ns, 1),
                                           BAD(instrument_rules, instrument, 2),
                                           BAD(instrument_rules, order_quantity_min, -1),
                                           FITS(instrument_rules, order_quantity_min, 0),
                                           BAD(instrument_rules, order_notional_min, -1),
                                           FITS(instrument_rules, order_notional_min, 1),
                                           BAD(instrument_controls, instrument, 2),
                                           BAD(instrument_controls, nav_stale_action, 3),
                                           BAD(jurisdiction, instrument, 2),
                                           BAD(jurisdiction, mode, JURISDICTIONS_EXCEPT + 1),
                                           BAD(jurisdiction, count, JURISDICTIONS_MAX + 1),
                                           BAD(jurisdiction, count, 0),
                                           BAD(jurisdiction, index, 1),
                                           BAD_OF(2, jurisdiction, index, 0),
                                           BAD_OF(2, jurisdiction, count, 1),
                                           BAD_OF(2, jurisdiction, code, 5),
                                           BAD_OF(2, jurisdiction, code, 1000),
                                           FITS_OF(2, jurisdiction, code, 6),
                                           BAD(tick_band, instrument, 2),
                                           BAD(tick_band, index, 1),
                                           BAD_OF(2, tick_band, index, 0),
                                           BAD_OF(2, tick_band, from_price, 1000),
                                           BAD(schedule_entry, instrument, 2),
                                           BAD(schedule_entry, index, 1),
                                           BAD_OF(2, schedule_entry, index, 0),
                                           BAD(schedule_entry, weekdays, 0),
                                           FITS_OF(2, schedule_entry, weekdays, 1),
                                           BAD(schedule_entry, weekdays, 128),
                                           BAD(schedule_entry, phase, 0),
                                           BAD_OF(2, schedule_entry, time_of_day_ms, 1000)};
    CHECK_ALL(*state, table);
}

static void crooked_parties_are_refused(void **state)
{
    static const struct crooked table[] = {
        BAD(limits, scope, 0),
        BAD(limits, scope, LIMIT_SESSION + 1),
        BAD(limits, id, 2),
        BAD(limits, order_value_max, -1),
        BAD_OF(2, limits, id, 3),
        BAD_OF(3, limits, id, 3),
        BAD(member, member, 0),
        FITS(member, member, 2),
        BAD(member, member, 3),
        BAD(member_state, member, 2),
        BAD(member_state, messages, 1001),
        BAD(member_state, messages, 0),
        BAD(member_state, messages_window, INT64_MAX),
        BAD(member_state, messages_window, 1 + (START_NS + 40 * DAY_NS) / 5000000000),
        BAD(member_state, traded, -1),
        BAD(member_state, traded, 0),
        BAD(member_state, traded_day, 441),
        BAD(account, account, 0),
        BAD(account, account, ACCOUNTS + 1),
        BAD(account, member, 2),
        BAD(account, accreditation, 0),
        FITS_OF(5, account, accreditation, ACCREDITATION_INSTITUTIONAL),
        BAD(account, accreditation, ACCREDITATION_INSTITUTIONAL + 1),
        FITS(account, fee_bps, MONEY_BPS_ONE),
        BAD(account, fee_bps, MONEY_BPS_ONE + 1),
        FITS_OF(5, account, account, ACCOUNTS),
        BAD(account_state, account, D + 2),
        BAD(account_state, tripped, 2),
        BAD(account_state, tripped, 1),
        BAD(account_state, executions, 9),
        BAD(account_state, executions, 0),
        BAD(account_state, traded, -1),
        BAD(account_state, last_order, INT64_MAX),
        BAD(account_state, last_ns, INT64_MAX),
        BAD(investment, account, D + 2),
        BAD(investment, bought, 0),
        FITS(investment, bought, 1),
        BAD(investment, period, 15),
        BAD_OF(2, investment, period, 12),
        BAD_OF(2, investment, period, 13),
        BAD(session, session, 0),
        FITS_OF(2, session, session, 4),
        BAD(session, session, 5),
        FITS(session, gateway, GATEWAY_SETTLE),
        BAD(session, gateway, GATEWAY_INDEX),
        FITS(session, account_count, 6),
        BAD(session, account_count, 7),
        BAD(session_account, session, 3),
        BAD(session_account, account, D + 2),
        BAD(session_account, rights, 0),
        FITS(session_account, rights, 1),
        BAD(session_account, rights, RIGHTS_ALL + 1),
        BAD_OF(2, session_account, account, A),
        BAD(session_state, session, 3),
        BAD(session_state, open, 2),
        FITS(session_state, open, 1),
        BAD(session_state, messages, 1001),
        BAD(kill, scope, 0),
        BAD(kill, scope, KILL_VENUE + 1),
        BAD(kill, killed, 0),
        BAD(kill, killed, 2),
        BAD(kill, id, D + 2),
        FITS(kill, id, D),
        BAD(venue_rules, flags, 0),
        BAD(venue_rules, flags, 2)};
    CHECK_ALL(*state, table);
}

// Whoever has reached his limit is tripped, and nobody else.
static void a_trip_belongs_to_its_count(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    uint32_t place = find(records, REC_account_state, 1);
    struct account_state_rec *account = &records->all[place].body.account_state;
    for (account->executions = 8; account->executions <= 9; account->executions++)
        for (account->tripped = 0; account->tripped <= 2; account->tripped++) {
            bool fits = account->tripped == (account->executions == 9 ? 1 : 0);
            assert_int_equal(load_all(fresh_twin(venue), records) > place, fits);
        }
}

static void crooked_proposals_fees_and_references_are_refused(void **state)
{
    static const struct crooked table[] = {
        BAD(proposal, proposal, 0),
        FITS(proposal, proposal, 1),
        BAD(proposal, proposal, INT64_MAX),
        BAD(proposal, expires_ns, 1),
        BAD(proposal, proposer, 0),
        BAD(proposal, proposed, CMD_order_new),
        BAD(proposal, body_bytes, 0),
        BAD(proposal, body_bytes, PROPOSAL_BYTES_MAX + 1),
        BAD_OF(2, proposal, proposal, 1),
        BAD_OF(2, proposal, expires_ns, START_NS + 40 * DAY_NS + SECOND_NS),
        BAD(proposal_part, proposal, 1),
        BAD(proposal_part, offset, 1),
        BAD(proposal_part, bytes, 1),
        BAD(proposal_part, bytes, 104),
        BAD(fees, account, D + 2),
        BAD(fees, instrument, 3),
        BAD(fees, instrument, 0),
        BAD(fees, remove, 1),
        BAD(fees, sell_maker_bps, MONEY_BPS_ONE + 1),
        FITS(fees, sell_maker_bps, MONEY_BPS_ONE),
        BAD(gateway, gateway_id, 0),
        BAD(gateway, gateway_id, GATEWAY_COUNT),
        FITS(gateway, attached, 0),
        BAD(gateway, attached, 2),
        BAD(reference, ref_source, 0),
        FITS(reference, ref_source, REF_SOURCE_MAX),
        BAD(reference, ref_source, REF_SOURCE_MAX + 1),
        BAD(reference, ref_number, 0),
        BAD(confirm, reject, 0),
        FITS(confirm, reject, 1),
        BAD(confirm, reject, INT64_MAX),
        BAD(confirm, time_ns, INT64_MAX),
        BAD_OF(2, confirm, reject, 1),
        BAD(balance, account, 0),
        BAD(balance, account, ACCOUNTS + 1),
        BAD(balance, asset, 0),
        BAD(balance, asset, 4),
        FITS(balance, asset, 3),
        BAD(balance, held, -1),
        BAD(balance, unsettled, -1),
        BAD(balance, blocked, -1),
        BAD(balance, deficit, -1),
        FITS(balance, available, -MONEY_MAX),
        BAD(balance, available, -MONEY_MAX - 1)};
    CHECK_ALL(*state, table);
}

// Of the first one A's legs, 0 and 2, are approved.
static void crooked_instructions_are_refused(void **state)
{
    static const struct crooked table[] = {BAD(xvp, xvp, 0),
                                           BAD(xvp, xvp, INT64_MAX),
                                           BAD_OF(2, xvp, xvp, 1),
                                           BAD(xvp, flags, 2),
                                           FITS(xvp, chain_asset, TOKEN),
                                           BAD(xvp, settling, 1), // not all have approved
                                           BAD(xvp, settling, INT64_MAX),
                                           BAD(xvp, leg_count, 0),
                                           BAD(xvp, leg_count, XVP_LEGS_MAX + 1),
                                           BAD(xvp, leg_count, 2),
                                           BAD(xvp, approved, 8),
                                           FITS(xvp, external_count, 1),
                                           BAD(xvp, cutoff_ns, START_NS + 800 * DAY_NS),
                                           FITS(xvp, cutoff_ns, 1),
                                           BAD(xvp_leg, xvp, 1),
                                           BAD(xvp_leg, index, 1),
                                           BAD_OF(2, xvp_leg, index, 0),
                                           BAD(xvp_leg, from_account, D + 2),
                                           BAD(xvp_leg, to_account, A),
                                           BAD(xvp_leg, asset, 4),
                                           BAD(xvp_leg, kind, XVP_EXTERNAL),
                                           BAD(xvp_leg, amount, 0),
                                           FITS(xvp_leg, amount, 1)};
    CHECK_ALL(*state, table);
}

// The lock of the first one, with all legs approved or with A's only.
static void a_lock_goes_with_legs_on_other_ledgers(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    uint32_t place = find(records, REC_xvp, 1);
    static const struct {
        uint8_t externals, approved, lock;
        uint16_t votes;
        bool fits;
    } lines[] = {
        {1, 5, 0, 0, true},      {4, 5, 0, 0, true},      {5, 5, 0, 0, false},
        {1, 7, 0, 0, false},     {1, 7, 1, 0, true},      {1, 7, 3, 0, true},
        {1, 7, 2, 0, false},     {1, 7, 4, 0, false},     {1, 7, 5, 0, false},
        {1, 5, 1, 0, true},      {1, 5, 3, 0, true},      {1, 5, 0, 0x500, false},
        {1, 5, 1, 0x500, true},  {1, 5, 1, 0x100, false}, {1, 5, 1, 0x205, true},
        {1, 5, 1, 0x5, false},   {1, 5, 1, 0x502, true},  {1, 5, 1, 0x707, false},
        {1, 5, 1, 0x800, false}, {1, 5, 1, 0x8, false},   {0, 5, 1, 0, false},
        {0, 5, 0, 0x500, false},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct xvp_rec *xvp = &records->all[place].body.xvp;
        xvp->external_count = lines[i].externals;
        xvp->approved = lines[i].approved;
        xvp->lock = lines[i].lock;
        xvp->votes = lines[i].votes;
        assert_int_equal(load_all(fresh_twin(venue), records) > place + 3, lines[i].fits);
    }
    struct xvp_rec *xvp = &records->all[place].body.xvp;
    *xvp = (struct xvp_rec){.xvp = xvp->xvp,
                            .cutoff_ns = xvp->cutoff_ns,
                            .flags = xvp->flags,
                            .leg_count = xvp->leg_count,
                            .approved = 5,
                            .hash[31] = 1};
    assert_int_equal(load_all(fresh_twin(venue), records), place + 3);
    xvp->hash[31] = 0;
    assert_true(load_all(fresh_twin(venue), records) > place + 3);
    xvp->external_count = 1;
    xvp->chain_asset = TOKEN; // or the chain settles it
    assert_int_equal(load_all(fresh_twin(venue), records), place + 3);
}

// All legs of a sender are approved, or none.
static void an_approval_is_of_all_that_an_account_gives(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    uint32_t place = find(records, REC_xvp, 1);
    uint8_t *approved = &records->all[place].body.xvp.approved;
    assert_int_equal(*approved, 5);
    for (*approved = 0; *approved < 8; (*approved)++)
        assert_int_equal(load_all(fresh_twin(venue), records) > place + 3,
                         (*approved & 5) == 0 || (*approved & 5) == 5);
}

// What its contract settles is a token of its legs; what is on its way there, all have approved.
static void what_is_settling_is_whole(void **state)
{
    static const struct {
        uint32_t chain_asset;
        uint8_t approved;
        bool is_settling, fits;
    } table[] = {{0, 5, false, true},     {CASH, 5, false, false}, {3, 5, false, false},
                 {TOKEN, 5, false, true}, {TOKEN, 7, true, true},  {TOKEN, 5, true, false},
                 {TOKEN, 0, true, false}, {0, 7, true, false}};
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    uint32_t place = find(records, REC_xvp, 1);
    struct xvp_rec *xvp = &records->all[place].body.xvp;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        xvp->chain_asset = table[i].chain_asset;
        xvp->approved = table[i].approved;
        xvp->settling = table[i].is_settling ? xvp->xvp + 1 : 0;
        assert_int_equal(load_all(fresh_twin(venue), records) > place + 3, table[i].fits);
    }
}

// Number 1 is A's, which buys at 99; 2 the iceberg; 3 has a date; 4 is C's, which sells; 5 C's
// stop.
static void crooked_orders_are_refused(void **state)
{
    static const struct crooked table[] = {BAD(order, order, 0),
                                           BAD(order, order, INT64_MAX),
                                           BAD_OF(2, order, order, 47),
                                           BAD(order, account, 0),
                                           BAD(order, account, D + 2),
                                           BAD(order, account, D + 1), // without tokens
                                           BAD(order, account, POOR),  // without cash
                                           BAD(order, instrument, 2),
                                           BAD(order, session, 3),
                                           BAD(order, price, 0),
                                           BAD(order, price, 98),
                                           BAD(order, price, MONEY_MAX - MONEY_MAX % 20),
                                           BAD(order, quantity, 9),
                                           FITS(order, quantity, 11),
                                           BAD(order, leaves, 0),
                                           BAD(order, leaves, 9),
                                           BAD(order, held, 989),
                                           BAD_OF(4, order, held, 5),
                                           BAD(order, side, 0),
                                           BAD(order, side, SIDE_SELL),
                                           BAD(order, side, SIDE_SELL + 1),
                                           BAD(order, type, 0),
                                           BAD(order, type, ORDER_TRAILING_STOP + 1),
                                           BAD(order, client_id_bytes, CLIENT_ID_BYTES_MAX + 1),
                                           BAD(order, state, 0),
                                           BAD(order, state, ORDER_STATE_PENDING_CLOSE + 1),
                                           BAD(order, filled_notional, -1),
                                           FITS(order, filled_notional, 1),
                                           BAD(order, buyer_bps, MONEY_BPS_ONE + 1),
                                           BAD_OF(4, order, buyer_bps, 1),
                                           FITS_OF(5, order, buyer_bps, 1)};
    CHECK_ALL(*state, table);
}

static void crooked_terms_are_refused(void **state)
{
    static const struct crooked table[] = {BAD(order_terms, order, 1),
                                           BAD(order_terms, display_quantity, -1),
                                           BAD(order_terms, display_quantity, 0),
                                           BAD(order_terms, hidden, -1),
                                           BAD(order_terms, hidden, 7),
                                           FITS(order_terms, hidden, 6),
                                           BAD(order_terms, trail_offset, -1),
                                           BAD(order_terms, stop_price, -1),
                                           BAD(order_terms, stop_price, MONEY_MAX + 1),
                                           BAD_OF(3, order_terms, stop_price, 0),
                                           BAD_OF(8, order_terms, stop_price, 101),
                                           FITS_OF(8, order_terms, stop_price, 105),
                                           BAD(order_terms, expire_ns, -1),
                                           FITS(order_terms, expire_ns, INT64_MAX)};
    CHECK_ALL(*state, table);
}

static void limits_of_what_was_saved_are_limits_of_what_is_loaded(void **state)
{
    struct venue *venue = *state;
    const struct records *records = records_of(venue);
    const struct {
        size_t limit;
        uint32_t value;
        uint8_t type;
        uint8_t nth;
    } lines[] = {{offsetof(struct engine_limits, orders_max), 16, REC_COUNT, 0},
                 {offsetof(struct engine_limits, stops_max), 2, REC_order_terms, 5},
                 {offsetof(struct engine_limits, fees_max), 1, REC_fees, 2},
                 {offsetof(struct engine_limits, session_accounts_max), 3, REC_session, 2}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct engine_limits smaller = limits;
        memcpy((uint8_t *)&smaller + lines[i].limit, &lines[i].value, sizeof lines[i].value);
        memset(venue->twin_memory, 0, engine_bytes(&limits));
        struct engine *twin = engine_init(venue->twin_memory, &smaller);
        uint32_t refused = lines[i].type == REC_COUNT ? records->count
                                                      : find(records, lines[i].type, lines[i].nth);
        assert_int_equal(load_all(twin, records), refused);
    }
}

// Each instrument needs a balance of the treasury in its cash: here are the fewest there may be.
static void instruments_without_room_for_their_cash_are_refused(void **state)
{
    enum { INSTRUMENTS = 17, BALANCES = INSTRUMENTS - 1 };
    const struct venue *venue = *state;
    struct engine_limits few = limits;
    few.balances_max = BALANCES;
    few.assets_max = few.instruments_max = INSTRUMENTS + TOKEN;
    void *memory = aligned_alloc(64, (engine_bytes(&few) + 63) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0, engine_bytes(&few));
    struct engine *twin = engine_init(memory, &few);
    struct snapshot_record asset = {.header = {.type = REC_asset, .version = SCHEMA_VERSION}};
    struct snapshot_record instrument = {.header = {REC_instrument, SCHEMA_VERSION, {0}}};
    asset.body.asset = (struct asset_rec){.asset = TOKEN, .kind = ASSET_TOKEN};
    assert_true(engine_load(twin, &records_of(venue)->all[0]));
    assert_true(engine_load(twin, &asset));
    for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
        asset.body.asset = (struct asset_rec){.asset = TOKEN + i, .kind = ASSET_CASH, .scale = 6};
        assert_true(engine_load(twin, &asset));
        instrument.body.instrument = venue->terms;
        instrument.body.instrument.instrument = i;
        instrument.body.instrument.cash_asset = TOKEN + i;
        assert_int_equal(engine_load(twin, &instrument), i <= BALANCES);
    }
    free(memory);
}

// ---- more than there is room for

typedef void make_record(struct snapshot_record *record, uint32_t i);

static void make_schedule_entry(struct snapshot_record *record, uint32_t i)
{
    record->body.schedule_entry.index = (uint8_t)i;
    record->body.schedule_entry.time_of_day_ms = 1000 + i;
}

static void make_tick_band(struct snapshot_record *record, uint32_t i)
{
    record->body.tick_band.index = (uint16_t)i;
    record->body.tick_band.from_price = 1000 * (i + 1);
    record->body.tick_band.tick = i % 2 == 0 ? 10 : 20;
}

static void make_balance(struct snapshot_record *record, uint32_t i)
{
    record->body.balance.account = i + 1;
}

static void make_order(struct snapshot_record *record, uint32_t i)
{
    record->body.order.order = i + 1;
}

// Each at a price of its own.
static void make_level(struct snapshot_record *record, uint32_t i)
{
    record->body.order.order = i + 1;
    record->body.order.price = 99 - i;
    record->body.order.held = 10 * record->body.order.price;
}

// Loads all before the first record of a type, and then as many as are taken that are like it.
static uint32_t load_many(struct engine *twin, const struct records *records, uint8_t type,
                          make_record *make)
{
    uint32_t place = find(records, type, 1);
    for (uint32_t i = 0; i < place; i++)
        assert_true(engine_load(twin, &records->all[i]));
    for (uint32_t i = 0; i < 200; i++) {
        struct snapshot_record record = records->all[place];
        make(&record, i);
        if (!engine_load(twin, &record))
            return i;
    }
    return UINT32_MAX;
}

static struct engine *twin_of_limits(struct venue *venue, const struct engine_limits *smaller)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    return engine_init(venue->twin_memory, smaller);
}

static void lists_that_are_too_long_are_refused_where_they_are(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    struct engine_limits few = limits;
    few.orders_max = 16;
    assert_int_equal(load_many(fresh_twin(venue), records, REC_schedule_entry, make_schedule_entry),
                     SCHEDULE_ENTRIES_MAX);
    assert_int_equal(load_many(fresh_twin(venue), records, REC_tick_band, make_tick_band),
                     TICK_BANDS_MAX);
    assert_int_equal(load_many(fresh_twin(venue), records, REC_balance, make_balance),
                     limits.balances_max);
    assert_int_equal(load_many(twin_of_limits(venue, &few), records, REC_order, make_order), 16);
}

static bool load_with_terms(struct engine *twin, struct snapshot_record order, int64_t stop_price)
{
    struct snapshot_record terms = {.header = {REC_order_terms, SCHEMA_VERSION, {0}}};
    terms.body.order_terms =
        (struct order_terms_rec){.order = order.body.order.order, .stop_price = stop_price};
    return engine_load(twin, &order) && engine_load(twin, &terms);
}

// Each stop has a level to spare, and no other order.
static void levels_that_are_too_many_are_refused(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    struct engine_limits few = limits;
    few.stops_max = 1;
    for (int way = 0; way < 4; way++) {
        struct engine *twin = twin_of_limits(venue, &few);
        assert_int_equal(load_many(twin, records, REC_order, make_level), limits.levels_max + 1);
        struct snapshot_record order = records->all[find(records, REC_order, 1)];
        make_level(&order, way % 2 == 0 ? 30 : 3);
        order.body.order.order = 40;
        if (way < 2)
            order.body.order.tif = TIF_AT_OPEN;
        else
            order.body.order.state = ORDER_STATE_PENDING_STOP;
        assert_int_equal(load_with_terms(twin, order, way < 2 ? 0 : 90), way == 1);
    }
}

static void instructions_that_are_too_many_are_refused(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    struct engine *twin = fresh_twin(venue);
    uint32_t place = find(records, REC_xvp, 1);
    records->all[0].body.meta.sequence = 1000;
    for (uint32_t i = 0; i < place; i++)
        assert_true(engine_load(twin, &records->all[i]));
    for (uint32_t i = 1; i <= 257; i++) {
        struct snapshot_record xvp = records->all[place];
        struct snapshot_record leg = records->all[place + 1];
        xvp.body.xvp = (struct xvp_rec){.xvp = i, .leg_count = 1};
        leg.body.xvp_leg.xvp = i;
        assert_int_equal(engine_load(twin, &xvp), i <= 256);
        if (i <= 256)
            assert_true(engine_load(twin, &leg));
    }
}

static void proposals_that_are_too_many_are_refused(void **state)
{
    struct venue *venue = *state;
    struct records *records = records_of(venue);
    struct engine *twin = fresh_twin(venue);
    uint32_t place = find(records, REC_proposal, 1);
    records->all[0].body.meta.sequence = 1000;
    for (uint32_t i = 0; i < place; i++)
        assert_true(engine_load(twin, &records->all[i]));
    for (uint32_t i = 1; i <= 65; i++) {
        struct snapshot_record proposal = records->all[place];
        struct snapshot_record part = records->all[place + 1];
        proposal.body.proposal.proposal = part.body.proposal_part.proposal = i;
        assert_int_equal(engine_load(twin, &proposal), i <= 64);
        if (i <= 64)
            assert_true(engine_load(twin, &part));
    }
}

// ---- counters of the ledger at their bound

// The state with one balance's `unsettled` as high as it may be.
static struct engine *twin_with_full(struct venue *venue, uint32_t account, uint32_t asset)
{
    struct records *records = records_of(venue);
    struct engine *twin = fresh_twin(venue);
    for (uint32_t i = 0; i < records->count; i++) {
        struct balance_rec *balance = &records->all[i].body.balance;
        if (records->all[i].header.type == REC_balance && balance->account == account &&
            balance->asset == asset)
            balance->unsettled = LEDGER_COUNTER_MAX;
        assert_true(engine_load(twin, &records->all[i]));
    }
    return twin;
}

// What the twin answers to the command that the venue would be given next; the venue is left as it
// is.
static const struct event *twin_answers(struct venue *venue, struct engine *twin, uint32_t *count)
{
    struct event_sink sink = {.events = venue->twin_events, .mask = EVENTS - 1};
    venue->command.header.sequence = venue->sequence + 1;
    venue->command.header.time_ns = venue->sequence + 1 + venue->ahead_ns;
    engine_apply(twin, &venue->command, &sink);
    *count = sink.count;
    return venue->twin_events;
}

static uint32_t count_of(const struct event *events, uint32_t count, uint8_t type)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += events[i].header.type == type;
    return found;
}

static void who_cannot_take_any_more_does_not_trade(void **state)
{
    struct venue *venue = *state;
    uint32_t count = 0;
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"});
    const uint32_t full[][2] = {{A, TOKEN}, {C, CASH}, {B, TOKEN}};
    for (uint32_t i = 0; i < 3; i++) {
        start_order(venue, 'A', SIDE_BUY, 5, 100);
        struct engine *twin = twin_with_full(venue, full[i][0], full[i][1]);
        const struct event *events = twin_answers(venue, twin, &count);
        assert_int_equal(count_of(events, count, EVT_trade), i == 2);
        assert_int_equal(count_of(events, count, EVT_order_cancelled), i != 2);
        if (i != 2)
            assert_int_equal(events[1].body.order_cancelled.reason, CANCEL_LIMIT);
    }
}

static void who_cannot_take_any_more_leaves_the_auction(void **state)
{
    struct venue *venue = *state;
    uint32_t count = 0;
    (void)set_phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"}, {"D sells 5 @ 100", "#2 holds 5"},
         {"A buys 5 @ 100", "#3 holds 500"}, {"B buys 5 @ 100", "#4 holds 500"});
    const struct {
        uint32_t account;
        uint32_t asset;
        uint32_t trades;
    } full[] = {{A, TOKEN, 1}, {C, CASH, 1}, {ACCOUNT_TREASURY, CASH, 2}};
    for (uint32_t i = 0; i < 3; i++) {
        start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
            (struct instrument_phase_cmd){.instrument = 1, .phase = PHASE_CONTINUOUS};
        struct engine *twin = twin_with_full(venue, full[i].account, full[i].asset);
        const struct event *events = twin_answers(venue, twin, &count);
        assert_int_equal(count_of(events, count, EVT_trade), full[i].trades);
        assert_int_equal(count_of(events, count, EVT_order_cancelled), full[i].trades == 1);
    }
}

// A's purchase has failed; C, who sold, has as much unsettled as can be counted.
static void who_cannot_take_any_more_gets_no_correction(void **state)
{
    struct venue *venue = *state;
    uint32_t count = 0;
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 5 @ 100", "#2 holds 500; A buys 5 @ 100 from C fee 5 saved 0 left 0/0"});
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 5, 495), "settlement_booked");
    const struct {
        int64_t notional;
        uint8_t answer;
    } lines[] = {{501, EVT_rejected}, {500, EVT_trade_corrected}};
    for (uint32_t i = 0; i < 2; i++) {
        start(venue, CMD_trade_correct, GATEWAY_ADMIN)->body.trade_correct =
            (struct trade_correct_cmd){.trade_id = 1,
                                       .ref_number = 1000,
                                       .ref_source = REF_ADMIN,
                                       .instrument = 1,
                                       .buyer_account = A,
                                       .seller_account = C,
                                       .operator_id = 5,
                                       .quantity = 5,
                                       .new_quantity = 5,
                                       .notional = 500,
                                       .new_notional = lines[i].notional,
                                       .seller_fee = 5,
                                       .new_seller_fee = 5};
        struct engine *twin = twin_with_full(venue, C, CASH);
        const struct event *events = twin_answers(venue, twin, &count);
        assert_int_equal(events[0].header.type, lines[i].answer);
        if (lines[i].answer != EVT_rejected)
            continue;
        assert_int_equal(events[0].body.rejected.code, REJECT_OVERFLOW);
        assert_true(events[0].body.rejected.limit == LEDGER_COUNTER_MAX);
        assert_int_equal(events[0].body.rejected.value, 1);
    }
}

// ---- the unfinished command

static bool takes_pending(struct venue *venue, const struct pending_rec *pending)
{
    const struct records *records = records_of(venue);
    struct engine *twin = fresh_twin(venue);
    assert_int_equal(load_all(twin, records), records->count);
    struct snapshot_record record = {.header = {.type = REC_pending, .version = SCHEMA_VERSION}};
    record.body.pending = *pending;
    return engine_load(twin, &record);
}

static void what_goes_on_must_be_something_that_can(void **state)
{
    static const struct {
        struct pending_rec pending;
        bool fits;
    } lines[] = {
        {{.command = CMD_order_new}, false},
        {{.command = CMD_gateway_detach, .gateway_id = 0}, false},
        {{.command = CMD_gateway_detach, .gateway_id = GATEWAY_FIX}, true},
        {{.command = CMD_gateway_detach, .gateway_id = GATEWAY_COUNT - 1}, true},
        {{.command = CMD_gateway_detach, .gateway_id = GATEWAY_COUNT}, false},
        {{.command = CMD_session_close, .session = 1}, true},
        {{.command = CMD_session_close, .session = 3}, false},
        {{.command = CMD_order_status, .session = 2}, true},
        {{.command = CMD_order_status, .session = 0}, false},
        {{.command = CMD_order_mass_cancel, .session = 1}, true},
        {{.command = CMD_order_mass_cancel, .session = 3}, false},
        {{.command = CMD_order_mass_cancel, .scope = SCOPE_VENUE}, true},
        {{.command = CMD_order_mass_cancel, .scope = SCOPE_VENUE, .account = D + 2}, false},
        {{.command = CMD_order_mass_cancel, .account = A}, true},
        {{.command = CMD_order_mass_cancel, .account = 0}, false},
        {{.command = CMD_continue_work, .work = 0}, false},
        {{.command = CMD_continue_work, .work = WORK_EXPIRE}, true},
        {{.command = CMD_continue_work, .work = WORK_TRIGGERED, .instrument = 1}, true},
        {{.command = CMD_continue_work, .work = WORK_TRIGGERED, .instrument = 3}, false},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 3, .phase = 1}, false},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 1, .phase = 0}, false},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 1, .phase = 1}, true},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 1, .phase = 7}, true},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 1, .phase = 8}, false},
        {{.command = CMD_continue_work, .work = WORK_PHASE, .instrument = 1, .phase = 1, .step = 9},
         false},
        {{.command = CMD_continue_work,
          .work = WORK_PHASE,
          .instrument = 1,
          .phase = 1,
          .price = -1},
         false},
        {{.command = CMD_continue_work,
          .work = WORK_PHASE,
          .instrument = 1,
          .phase = 1,
          .quantity = -1},
         false},
        {{.command = CMD_continue_work,
          .work = WORK_PHASE,
          .instrument = 1,
          .phase = 1,
          .order = 1},
         false},
        {{.command = CMD_continue_work, .work = WORK_UNCOVER, .account = A, .asset = TOKEN}, true},
        {{.command = CMD_continue_work, .work = WORK_UNCOVER, .account = D + 2, .asset = TOKEN},
         false},
        {{.command = CMD_continue_work, .work = WORK_UNCOVER, .account = A, .asset = 0}, false},
        {{.command = CMD_continue_work, .work = WORK_UNCOVER, .account = B, .asset = 3}, false}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (takes_pending(*state, &lines[i].pending) != lines[i].fits)
            fail_msg("line %zu of what is pending", i);
}

// ---- records out of their order

static void load_out_of_order(struct venue *venue, uint8_t before, uint32_t nth, uint8_t comes)
{
    const struct records *records = records_of(venue);
    struct engine *twin = fresh_twin(venue);
    uint32_t place = find(records, before, nth);
    for (uint32_t i = 0; i < place; i++)
        assert_true(engine_load(twin, &records->all[i]));
    assert_false(engine_load(twin, &records->all[find(records, comes, 1)]));
}

static void what_belongs_to_another_record_comes_behind_it(void **state)
{
    struct venue *venue = *state;
    load_out_of_order(venue, REC_proposal_part, 1, REC_fees);     // the body is missing
    load_out_of_order(venue, REC_proposal, 1, REC_proposal_part); // a body of nothing
    load_out_of_order(venue, REC_xvp_leg, 3, REC_fees);           // a leg is missing
    load_out_of_order(venue, REC_xvp, 1, REC_xvp_leg);            // a leg of nothing
    load_out_of_order(venue, REC_order, 1, REC_order_terms);      // terms of nothing
    load_out_of_order(venue, REC_order, 2, REC_order_terms);      // terms of another order
    load_out_of_order(venue, REC_order, 2, REC_tick_band);        // a table under open orders
    load_out_of_order(venue, REC_session_state, 2, REC_session_account);
    struct records *records = records_of(venue);
    records->all[0].header.type = REC_end; // no state
    assert_int_equal(load_all(fresh_twin(venue), records), 0);
    records->all[0].header =
        (struct snapshot_header){.type = REC_meta, .version = SCHEMA_VERSION + 1};
    assert_int_equal(load_all(fresh_twin(venue), records), 0);
}

// ---- saving

struct impatient {
    uint32_t seen;
    uint32_t gives_up_at;
};

static int give_up(void *context, const struct snapshot_record *record)
{
    struct impatient *impatient = context;
    (void)record;
    return impatient->seen++ == impatient->gives_up_at ? 77 : 0;
}

static void a_sink_that_gives_up_gets_no_further_record(void **state)
{
    struct venue *venue = *state;
    const struct records *records = records_of(venue);
    for (uint32_t i = 0; i < records->count; i++) {
        struct impatient impatient = {.gives_up_at = i};
        assert_int_equal(engine_save(venue->engine, give_up, &impatient), 77);
        assert_int_equal(impatient.seen, i + 1);
    }
}

static void what_is_unfinished_is_a_record_like_others(void **state)
{
    struct venue *venue = *state;
    for (uint32_t i = 0; i < EVENTS + 4; i++)
        (void)say(venue, "A buys 1 @ 90");
    (void)say(venue, "A cancels all");
    assert_true(goes_on(venue));
    const struct records *records = records_of(venue);
    assert_int_equal(records->all[records->count - 1].header.type, REC_pending);
    struct impatient impatient = {.gives_up_at = records->count - 1};
    assert_int_equal(engine_save(venue->engine, give_up, &impatient), 77);
}

int main(void)
{
#define FULL_VENUE_TEST(name) cmocka_unit_test_setup_teardown(name, open_full_venue, close_venue)
#define VENUE_TEST(name)      cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        FULL_VENUE_TEST(the_full_venue_has_every_record_and_loads),
        FULL_VENUE_TEST(crooked_reference_data_is_refused),
        FULL_VENUE_TEST(crooked_parties_are_refused),
        FULL_VENUE_TEST(a_trip_belongs_to_its_count),
        FULL_VENUE_TEST(crooked_proposals_fees_and_references_are_refused),
        FULL_VENUE_TEST(crooked_instructions_are_refused),
        FULL_VENUE_TEST(an_approval_is_of_all_that_an_account_gives),
        FULL_VENUE_TEST(what_is_settling_is_whole),
        FULL_VENUE_TEST(a_lock_goes_with_legs_on_other_ledgers),
        FULL_VENUE_TEST(instructions_that_are_too_many_are_refused),
        FULL_VENUE_TEST(crooked_orders_are_refused),
        FULL_VENUE_TEST(crooked_terms_are_refused),
        FULL_VENUE_TEST(limits_of_what_was_saved_are_limits_of_what_is_loaded),
        VENUE_TEST(instruments_without_room_for_their_cash_are_refused),
        FULL_VENUE_TEST(lists_that_are_too_long_are_refused_where_they_are),
        FULL_VENUE_TEST(levels_that_are_too_many_are_refused),
        FULL_VENUE_TEST(proposals_that_are_too_many_are_refused),
        VENUE_TEST(who_cannot_take_any_more_does_not_trade),
        VENUE_TEST(who_cannot_take_any_more_leaves_the_auction),
        VENUE_TEST(who_cannot_take_any_more_gets_no_correction),
        VENUE_TEST(what_is_unfinished_is_a_record_like_others),
        FULL_VENUE_TEST(what_goes_on_must_be_something_that_can),
        FULL_VENUE_TEST(what_belongs_to_another_record_comes_behind_it),
        FULL_VENUE_TEST(a_sink_that_gives_up_gets_no_further_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
