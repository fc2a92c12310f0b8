// The engine's state, private to matcher/engine*.c. What a record says is kept as that record's
// struct, so that events, snapshots and state cannot drift apart; what matching needs more stands
// beside it.
#ifndef LONJA_MATCHER_ENGINE_STATE_H
#define LONJA_MATCHER_ENGINE_STATE_H

#include "matcher/engine.h"
#include "matcher/order_book.h"
#include "matcher/timers.h"
#include "risk/ledger.h"
#include "risk/money.h"
#include "risk/order_check.h"
#include "risk/party.h"
#include "risk/ticks.h"

enum { TICK_RANGES = TICK_BANDS_MAX + 1 }; // below the first band the instrument's own tick holds

// Of an entry of a session's list: the number of the account, below its rights.
#define ACCOUNT_MASK ((1u << SESSION_ACCOUNT_RIGHTS_SHIFT) - 1)

enum { WEEKDAYS_ALL = 0x7f }; // bit 0 Monday

struct schedule_slot {
    uint32_t time_of_day_ms;
    uint8_t phase;
    uint8_t reserved[3];
};

struct instrument {
    struct instrument_rec terms; // terms.instrument == 0: does not exist
    struct instrument_state_rec state;
    struct money_divisor tick; // of terms.tick
    struct money_divisor lot;
    uint32_t treasury_balance; // of ACCOUNT_TREASURY in the cash asset
    uint32_t orders_open;      // all of them: in the book, stops, waiting
    uint32_t fees;             // the record of any account in it; 0 = there is none
    // A trade whose price lies between these two triggers no stop, moves no trailing stop and needs
    // no look at breaker and volatility: engine_stop.c keeps them.
    int64_t quiet_low;
    int64_t quiet_high;
    struct jurisdictions jurisdictions; // its mode is in the line of these
    struct book_side sides[2];          // SIDE_BUY - 1, SIDE_SELL - 1
    // What few trades touch.
    struct book_side stops[2];     // wait for their trigger, keyed by stop price
    struct order_list trailing[2]; // of the stops: those that follow the market (links in terms)
    struct order_list market[2];   // resting market orders of a call (links in terms)
    struct order_list triggered;   // the queue (links earlier, later)
    struct order_list closing;     // wait for the closing auction (links earlier, later)
    uint32_t trailing_count[2];
    uint32_t at_open_count; // at-open orders in the book
    uint32_t timer;         // its place in the heap of deadlines; 0 = none
    // What every order asks of both is in one line.
    _Alignas(64) struct instrument_rules_rec rules;
    struct instrument_controls_rec controls;
    struct tick_range *ranges;      // TICK_RANGES of its own; not used without bands
    struct schedule_slot *schedule; // SCHEDULE_ENTRIES_MAX of its own
    uint8_t band_count;             // as set; the ranges are one more if the first is above 0
    uint8_t range_count;
    uint8_t entry_count;
    uint8_t weekdays;
};

struct session {
    _Alignas(64) struct session_rec terms; // terms.session == 0: does not exist
    uint32_t accounts_first; // in session_accounts: terms.account_count of them, ascending
    uint32_t last_session_seq;
    struct order_list orders; // its open orders, ascending by id
    bool open;
    bool killed;
    bool throttled; // own.messages_max is set
    struct window messages;
    _Alignas(64) struct limits_rec own; // own.id == 0: none were set
};

struct gateway {
    bool attached;
    uint32_t incarnation;
    uint64_t last_gateway_seq;
};

enum {
    PROPOSALS_MAX = 64,
    PROPOSAL_PART_WORDS = offsetof(struct proposal_part_rec, word0),
    PROPOSAL_PART_BYTES = sizeof(struct proposal_part_rec) - PROPOSAL_PART_WORDS,
};

struct proposal { // a command that waits for another operator's approval
    struct proposal_rec terms;
    uint8_t body[PROPOSAL_BYTES_MAX]; // terms.body_bytes of it
};

enum {
    XVPS_MAX = 256,
    XVP_ROOM = XVP_LEGS_MAX + 3
}; // events that the end of one, or of an approval, may need

struct xvp { // a settlement instruction that is open
    struct xvp_rec terms;
    struct xvp_leg_rec legs[XVP_LEGS_MAX]; // terms.leg_count of them
};

struct fee_record {
    struct fees_rec terms;
    uint32_t next_in_bucket;  // of a free one: the next free one
    uint32_t next_of_account; // with the next higher instrument; 0 = none
};

struct fees {                   // found by account and instrument
    struct fee_record *records; // fees_max + 1
    uint32_t *buckets;          // bucket_mask + 1
    uint32_t bucket_mask;
    uint32_t count;
    uint32_t free;    // LIFO
    uint32_t touched; // records above have never been used
};

struct reference { // the last one booked of a source
    uint64_t number;
    uint64_t hash;
};

struct check_party { // what the open orders of an account or member come to
    money_sum open[2];
    uint32_t orders;
};

struct engine {
    struct engine_limits limits;
    uint64_t sequence;
    uint64_t time_ns;
    uint64_t calendar_end_ns; // from then on check_venue has others; 0 = not known yet
    struct check_venue check_venue;
    uint8_t venue_state;
    bool loaded;                // a snapshot's orders are in, the lists by id not sorted yet
    bool load_waits;            // load_place is in no container: its terms must follow
    uint8_t load_state;         // enum order_state of load_place
    uint32_t load_place;        // the order of the record before; 0 = that was none
    uint32_t load_bytes;        // of the last proposal's body that must follow
    uint32_t load_legs;         // of the last settlement instruction that must follow
    bool killed;                // the venue
    uint32_t kills;             // switches that are on: of venue, members, accounts, sessions
    uint32_t venue_rules;       // enum venue_rule
    struct proposal *proposals; // PROPOSALS_MAX; by ascending id
    uint32_t proposal_count;    // of which the first ones may have expired
    struct xvp *xvps;           // XVPS_MAX; by ascending id
    uint32_t xvp_count;
    uint64_t xvp_next_ns; // the earliest cut-off; UINT64_MAX = none
    struct gateway gateways[GATEWAY_COUNT];
    struct reference references[REF_SOURCE_MAX + 1];
    struct pending_rec pending; // command == 0: nothing to go on with
    struct pending_rec resumed; // what a command with turn->resumes goes on with
    uint32_t stops_open;        // of all instruments: that wait, or are triggered
    struct timers dated;        // orders by expire_ns and id
    struct timers deadlines;    // instruments by their earliest deadline
    struct asset_rec *assets;   // arrays of limit + 1; an id of 0 in an entry: does not exist
    struct member *members;
    struct account *accounts;
    struct session *sessions;
    struct instrument *instruments;
    struct tick_range *tick_ranges;  // TICK_RANGES of each instrument
    struct schedule_slot *schedules; // SCHEDULE_ENTRIES_MAX of each instrument
    // id | rights << SESSION_ACCOUNT_RIGHTS_SHIFT. Gathered: no gaps, in an order that shows
    // nowhere.
    uint32_t *session_accounts;
    uint32_t session_accounts_used;
    struct ledger ledger;
    struct fees fees;
    struct order_pool pool;
    uint32_t *uncover_places; // scratch of engine_deficit.c: sessions_max + 1
    struct confirms *confirms;
    money_sum *check_sums; // scratch of engine_check, from here on
    int64_t *check_holds;
    uint64_t *check_incoming;
    struct check_party *check_accounts;
    struct check_party *check_members;
};

// One command being applied.
struct turn {
    struct engine *engine;
    const struct command *command;
    struct event_sink *sink;
    struct session *session; // that the command names; NULL = there is none of that id
    const char *client_id;   // of an order's command: at least a word of 8 bytes may be read
    uint32_t client_id_bytes;
    uint32_t session_seq; // the command's, for its events; 0 if the session is not its gateway's
    bool resumes;         // it goes on with engine->resumed
    bool approved;        // it was proposed, and another operator has approved it
};

// ---- finding: NULL = does not exist

static inline struct instrument *engine_instrument(const struct engine *engine, uint32_t id)
{
    if (id == 0 || id > engine->limits.instruments_max ||
        engine->instruments[id].terms.instrument == 0)
        return NULL;
    ASSERT(engine->instruments[id].terms.instrument == id);
    return &engine->instruments[id];
}

static inline struct session *engine_session(const struct engine *engine, uint32_t id)
{
    if (id == 0 || id > engine->limits.sessions_max || engine->sessions[id].terms.session == 0)
        return NULL;
    ASSERT(engine->sessions[id].terms.session == id);
    return &engine->sessions[id];
}

static inline struct account_rec *engine_account(const struct engine *engine, uint32_t id)
{
    if (id == 0 || id > engine->limits.accounts_max || engine->accounts[id].terms.account == 0)
        return NULL;
    ASSERT(engine->accounts[id].terms.account == id);
    return &engine->accounts[id].terms;
}

static inline struct member_rec *engine_member(const struct engine *engine, uint32_t id)
{
    if (id == 0 || id > engine->limits.members_max || engine->members[id].terms.member == 0)
        return NULL;
    ASSERT(engine->members[id].terms.member == id);
    return &engine->members[id].terms;
}

static inline struct asset_rec *engine_asset(const struct engine *engine, uint32_t id)
{
    if (id == 0 || id > engine->limits.assets_max || engine->assets[id].asset == 0)
        return NULL;
    ASSERT(engine->assets[id].asset == id);
    return &engine->assets[id];
}

// The index of a balance, which is made where there was none, and noted in its account; 0 = the
// ledger is full.
static inline uint32_t engine_balance_open(struct engine *engine, uint32_t account, uint32_t asset)
{
    uint32_t index = ledger_open(&engine->ledger, account, asset);
    bool cash = engine->assets[asset].kind == ASSET_CASH;
    ASSERT(account <= engine->limits.accounts_max && asset <= engine->limits.assets_max);
    if (index != 0)
        engine->accounts[account].found[cash ? FOUND_CASH : FOUND_TOKEN] =
            (struct found_balance){.asset = asset, .index = index};
    return index;
}

static inline struct book_side *instrument_side(struct instrument *instrument, uint8_t side)
{
    ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return &instrument->sides[side - SIDE_BUY];
}

// ---- ticks

static inline const struct tick_range *instrument_range_at(const struct instrument *instrument,
                                                           int64_t price)
{
    return tick_range_at(instrument->ranges, instrument->range_count, price);
}

// The tick that holds at a price (>= 0).
static inline int64_t instrument_tick_at(const struct instrument *instrument, int64_t price)
{
    return __builtin_expect(instrument->band_count == 0, 1)
               ? instrument->terms.tick
               : instrument_range_at(instrument, price)->tick;
}

// True if a price (>= 0) is a multiple of the tick that holds there.
static inline bool instrument_on_tick(const struct instrument *instrument, int64_t price)
{
    return money_is_multiple(__builtin_expect(instrument->band_count == 0, 1)
                                 ? &instrument->tick
                                 : &instrument_range_at(instrument, price)->divisor,
                             price);
}

// The number of ticks from 0 to a price that is on tick: neighbouring prices are neighbours in it,
// whatever their ticks.
static inline uint64_t instrument_tick_index(const struct instrument *instrument, int64_t price)
{
    if (__builtin_expect(instrument->band_count == 0, 1))
        return money_quotient(&instrument->tick, price);
    const struct tick_range *range = instrument_range_at(instrument, price);
    return range->first_index + money_quotient(&range->divisor, price - range->from_price);
}

// The key of a price that is on tick, in the book's side: see order_book.h. A notional that fits
// keeps the tick index below 2^61.
static inline uint64_t instrument_key(const struct instrument *instrument, uint8_t side,
                                      int64_t price)
{
    uint64_t index = instrument_tick_index(instrument, price);
    ASSERT(index > 0 && index < BOOK_KEY_MAX);
    // BOOK_KEY_MAX - index for buys, without a branch: nobody can guess the side.
    const uint64_t flip = 0 - (uint64_t)(side == SIDE_BUY);
    return (index ^ flip) + ((BOOK_KEY_MAX + 1) & flip);
}

// The key of a stop price in the stop book's side, over the instrument's own tick, of which all
// others are multiples: buys lowest first, sells highest first.
static inline uint64_t instrument_stop_key(const struct instrument *instrument, uint8_t side,
                                           int64_t stop_price)
{
    uint64_t index = money_quotient(&instrument->tick, stop_price);
    ASSERT(index > 0 && index < BOOK_KEY_MAX);
    return side == SIDE_BUY ? index : BOOK_KEY_MAX - index;
}

static inline int64_t instrument_notional(const struct instrument *instrument, int64_t price,
                                          int64_t quantity)
{
    int64_t notional = 0;
    bool fits = money_notional(&notional, price, quantity, instrument->terms.token_scale);
    ASSERT(fits); // every open order's value was checked when it entered
    return notional;
}

// Copies the command's client id into a field that is all zero, in words: as one memcpy of unknown
// length it becomes a string instruction, which costs more than the whole check of an order. What
// follows the text in its last word is zero (command_check), and so it stays.
static inline void client_id_copy(char field[CLIENT_ID_BYTES_MAX], const struct turn *turn)
{
    uint32_t bytes = turn->client_id_bytes;
    ASSERT(bytes <= CLIENT_ID_BYTES_MAX);
    uint32_t at = 0;
    for (; at < bytes && at < 32; at += 8)
        memcpy(field + at, turn->client_id + at, 8);
    if (bytes > 32)
        memcpy(field + 32, turn->client_id + 32, 4);
}

// The same of a command whose record reaches at least CLIENT_ID_BYTES_MAX beyond the start of its
// tail: new orders do. Without a branch over the length.
static inline void client_id_copy_whole(char field[CLIENT_ID_BYTES_MAX], const struct turn *turn)
{
    const struct command *command = turn->command;
    ASSERT(turn->client_id + CLIENT_ID_BYTES_MAX <=
           (const char *)command + (size_t)command->header.slots * SLOT_BYTES);
    memcpy(field, turn->client_id, CLIENT_ID_BYTES_MAX);
}

// True if every byte is printable ASCII: what Postgres, FIX and logs all take as it is. Reads whole
// words: what follows the text in its last one is not looked at.
static inline bool client_id_is_plain(const char *text, uint32_t bytes)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t bad = 0;
    for (uint32_t at = 0; at < bytes; at += 8) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        if (bytes - at < 8)
            word = (word & ~(UINT64_MAX << (bytes - at) * 8)) | ones * 0x20 << (bytes - at) * 8;
        bad |= (word - ones * 0x20) & ~word;
        bad |= (word + ones) | word;
    }
    return (bad & ones * 0x80) == 0;
}

// ---- writing events

enum { EVENTS_AHEAD = 3 };

static inline uint32_t turn_room(const struct turn *turn)
{
    ASSERT(turn->sink->count <= turn->engine->limits.command_events_max);
    return turn->engine->limits.command_events_max - turn->sink->count;
}

// Adds an event with its header written and its body zero.
static inline struct event *turn_emit(struct turn *turn, uint8_t type)
{
    struct event_sink *sink = turn->sink;
    const struct command_header *from = &turn->command->header;
    ASSERT(turn_room(turn) > 0);
    struct event *event = &sink->events[(sink->position + sink->count) & sink->mask];
    event->header = (struct event_header){.sequence = from->sequence,
                                          .time_ns = from->time_ns,
                                          .index = sink->count,
                                          .type = type,
                                          .gateway = from->gateway,
                                          .version = SCHEMA_VERSION,
                                          .session = from->session,
                                          .session_seq = turn->session_seq,
                                          .gateway_seq = from->gateway_seq};
    memset(&event->body, 0, sizeof(event->body));
    sink->count++;
    // The ring is larger than the caches: fetch the lines of a later event while this one is
    // written.
    const struct event *later =
        &sink->events[(sink->position + sink->count + EVENTS_AHEAD) & sink->mask];
    __builtin_prefetch(later, 1);
    __builtin_prefetch((const uint8_t *)later + 64, 1);
    return event;
}

void turn_reject(struct turn *turn, const struct refusal *refusal);
// Runs the handler of turn->command.
void engine_dispatch(struct turn *turn);
void turn_done(struct turn *turn, bool repeated, uint32_t count);
void turn_instrument_state(struct turn *turn, const struct instrument *instrument);

// ---- the commands, by file

// engine_order.c
void engine_order_new(struct turn *turn);
void engine_order_cancel(struct turn *turn);
void engine_order_amend(struct turn *turn);
void engine_order_mass_cancel(struct turn *turn);
// If an account that may not trade (any more) has open orders, the next command cancels them and
// those of its member's other such accounts: the first such account of first..last names it.
void engine_cancel_barred(struct engine *engine, uint32_t first, uint32_t last);
// If who was killed (enum kill_scope) has open orders, the next command cancels them.
void engine_cancel_killed(struct engine *engine, uint8_t scope, uint32_t id);
// Cancels the order at this place: releases its hold, writes the event. Needs room for one event.
void engine_cancel(struct turn *turn, uint32_t place, uint8_t reason);

void engine_order_status(struct turn *turn);

// ---- doors between the files of the engine

// engine_match.c: one match. Both orders are in `buyer` and `seller` (a taker that is in no book
// included); prices, holds and what is open are theirs.
//
// engine_stop.c
// A trade was made at this price: moves trailing stops, queues what it triggers. No event.
void engine_stops_on_trade(struct engine *engine, struct instrument *instrument, int64_t price);
// Queues all stops that the last price meets (continuous trading begins).
void engine_stops_recheck(struct engine *engine, struct instrument *instrument);
// Works off the triggered queue if the phase is continuous and the breaker not tripped; sets
// pending if the events run out.
void engine_stops_run(struct turn *turn, struct instrument *instrument);

// engine_phase.c
// The instrument goes to this phase: uncross, leftovers, state, what follows (rulebook 7). Sets
// pending if the events run out.
void engine_phase_change(struct turn *turn, struct instrument *instrument, uint8_t phase);
// Steps 4 to 6 of it only: continuous trading stops for a volatility auction.
void engine_phase_volatility(struct turn *turn, struct instrument *instrument);
// A change goes on (engine->resumed).
void engine_phase_resume(struct turn *turn, struct instrument *instrument);
// True if a record can be that of a change under way.
CHECKED bool engine_phase_resumable(const struct engine *engine, const struct pending_rec *record);
// Publishes the indicative price of the auction that runs.
void engine_phase_publish(struct turn *turn, struct instrument *instrument);
// The instrument's book has changed while it is in an auction: an indicative price is due.
void engine_book_changed(struct engine *engine, struct instrument *instrument);

// engine_lists.c: the lists of an instrument
//
// A queue, first in, first out (links earlier, later): triggered stops, orders that wait for the
// close. Its orders are in no book.
void engine_queue_append(struct order_pool *pool, struct order_list *queue, uint32_t place);
void engine_queue_remove(struct order_pool *pool, struct order_list *queue, uint32_t place);
// A list ascending by id (links in terms): trailing stops, resting market orders.
void engine_list_insert(struct order_pool *pool, struct order_list *list, uint32_t place);
void engine_list_append(struct order_pool *pool, struct order_list *list, uint32_t place);
void engine_list_remove(struct order_pool *pool, struct order_list *list, uint32_t place);
// Orders of another list, in any order, come among those of this one; the other one is empty then.
void engine_list_join(struct order_pool *pool, struct order_list *list, struct order_list *more);
// After a snapshot was loaded: by ascending id.
void engine_list_sort(struct order_pool *pool, struct order_list *list);

// engine_clock.c
void engine_clock_tick(struct turn *turn);
void engine_continue_work(struct turn *turn);
// Into the heap of expiries, and out of it (nothing if it is not in): terms.expire_ns of the order
// is set, terms.timer is 0 before.
void engine_dated_add(struct engine *engine, uint32_t place);
void engine_dated_remove(struct engine *engine, uint32_t place);
// Cancels dated orders whose time has come while so many events are free; false if there are more
// (pending is the caller's).
CHECKED bool engine_expire(struct turn *turn, uint32_t room);
// The instrument's earliest deadline may have changed.
void engine_deadline_update(struct engine *engine, struct instrument *instrument);
// The first entry of the schedule strictly after this time; 0 = there is no schedule.
uint64_t engine_schedule_after(const struct instrument *instrument, uint64_t time_ns);

// engine_session.c
CHECKED bool engine_gateway_admit(struct turn *turn, struct refusal *refusal);
CHECKED bool engine_session_admit(const struct turn *turn, struct refusal *refusal);
// True if the account is the session's and it has this right.
CHECKED bool engine_right_admit(const struct turn *turn, uint32_t account, uint8_t right,
                                struct refusal *refusal);
void engine_gateway_attach(struct turn *turn);
void engine_gateway_detach(struct turn *turn);
void engine_session_open(struct turn *turn);
void engine_session_close(struct turn *turn);

// engine_reference.c
void engine_venue_state_set(struct turn *turn);
void engine_asset_set(struct turn *turn);
void engine_instrument_set(struct turn *turn);
void engine_instrument_phase(struct turn *turn);
void engine_nav_set(struct turn *turn);
void engine_reference_set(struct turn *turn);
void engine_breaker_set(struct turn *turn);
void engine_member_set(struct turn *turn);
void engine_account_set(struct turn *turn);
void engine_session_set(struct turn *turn);
// The instrument that a command names; NULL: there is none, and the command is refused.
struct instrument *engine_instrument_or_reject(struct turn *turn, uint32_t id);
CHECKED bool engine_instrument_terms(const struct engine *engine,
                                     const struct instrument_rec *terms, struct refusal *refusal);
// Makes what follows from an instrument's terms; false if the ledger is full.
CHECKED bool engine_instrument_derive(struct engine *engine, struct instrument *instrument);

// engine_rules.c
void engine_instrument_rules_set(struct turn *turn);
void engine_tick_table_set(struct turn *turn);
void engine_schedule_set(struct turn *turn);
// Adds a band to a table that is being read; false: *refused is the number that does not fit.
CHECKED bool engine_tick_band_add(struct tick_range ranges[TICK_RANGES], uint8_t *count,
                                  int64_t base_tick, const struct tick_band_tail *band,
                                  int64_t *refused);
CHECKED bool engine_schedule_slot_fits(const struct schedule_slot *slot,
                                       const struct schedule_slot *before, int64_t *refused);
// One band, one entry, as the records have them.
struct tick_band_rec engine_tick_band(const struct instrument *instrument, uint32_t index);
struct schedule_entry_rec engine_schedule_entry(const struct instrument *instrument,
                                                uint32_t index);

// engine_limits.c
void engine_limits_set(struct turn *turn);
CHECKED bool engine_limits_valid(const struct limits_rec *limits, struct refusal *refusal);
// Limits of a party that exists become these.
void engine_limits_apply(struct engine *engine, const struct limits_rec *limits);
// Counts a message of the session and of its member; false: too many in this window.
CHECKED bool engine_throttle_count(const struct turn *turn, struct refusal *refusal);

// engine_controls.c
void engine_instrument_controls_set(struct turn *turn);
CHECKED bool engine_controls_fit(const struct instrument_controls_rec *controls,
                                 struct refusal *refusal);

// engine_jurisdictions.c
void engine_jurisdictions_set(struct turn *turn);
// The next code of a list that is being read; false: it cannot be.
CHECKED bool engine_jurisdiction_add(struct jurisdictions *list, uint16_t code);
// The record behind this one (all zero: the first); of a list without codes one with its mode only.
// False: there are no more.
bool engine_jurisdiction_next(const struct instrument *instrument, struct jurisdiction_rec *record);

// engine_kill.c
void engine_kill_set(struct turn *turn);
// May the session of the command trade for this account, as far as kill switches go? Only asked if
// engine->kills is not 0.
CHECKED bool engine_kill_admit(const struct turn *turn, uint32_t account, struct refusal *refusal);
CHECKED bool engine_kill_load(struct engine *engine, const struct kill_rec *record);
// The switch that is on behind this one, in the order in which they are saved (scope 0: the first
// one); false: there are no more.
bool engine_kill_next(const struct engine *engine, struct kill_rec *record);

// engine_proposal.c
void engine_venue_rules_set(struct turn *turn);
void engine_propose(struct turn *turn);
void engine_approve(struct turn *turn);
// A command that takes a safeguard away asks this after every other check of its own, and before it
// changes anything: false (NEEDS_APPROVAL) if the venue demands two persons and it has only one.
CHECKED bool engine_approval_admit(const struct turn *turn, struct refusal *refusal);
// The open ones, in their order (NULL: the first one), and a part of the body from an offset on.
const struct proposal *engine_proposal_next(const struct engine *engine,
                                            const struct proposal *before);
struct proposal_part_rec engine_proposal_part(const struct proposal *proposal, uint32_t offset);
CHECKED bool engine_proposal_load(struct engine *engine, const struct proposal_rec *record);
CHECKED bool engine_proposal_part_load(struct engine *engine,
                                       const struct proposal_part_rec *record);

// engine_xvp.c
void engine_xvp_create(struct turn *turn);
void engine_xvp_act(struct turn *turn);
// Ends those whose cut-off has passed, while XVP_ROOM events are free; the next tick goes on.
void engine_xvp_expire(struct turn *turn);
// The newest approval that holds something of this balance, and may still be taken back, falls
// away. Needs room for XVP_ROOM - 2 events. False: there is none.
CHECKED bool engine_xvp_uncover(struct turn *turn, const struct balance *balance);
// What of it instructions hold that are on their way to the chain.
int64_t engine_xvp_settling(const struct engine *engine, const struct balance *balance);
// What the chain has made of one (SETTLEMENT_XVP_*). False: *refusal says why, nothing has changed.
CHECKED bool engine_xvp_result(struct turn *turn, struct refusal *refusal);
// Asserts what must be so, and adds what approvals hold to engine->check_holds.
void engine_xvp_check(const struct engine *engine);
CHECKED bool engine_xvp_load(struct engine *engine, const struct xvp_rec *record);
CHECKED bool engine_xvp_leg_load(struct engine *engine, const struct xvp_leg_rec *record);

// engine_fees.c
void engine_fees_set(struct turn *turn);
// Puts a record in, or over the one there is; there is room for it.
void engine_fees_put(struct engine *engine, const struct fees_rec *terms);
// Those that hold for the account in the instrument (docs/risk.md 6).
struct fee_rates engine_fee_rates(const struct engine *engine, const struct instrument *instrument,
                                  uint32_t account);
CHECKED bool engine_fees_valid(const struct engine *engine, const struct fees_rec *terms,
                               struct refusal *refusal);
void engine_fees_check(const struct engine *engine);

// engine_ledger.c, engine_correct.c
void engine_ledger_post(struct turn *turn);
void engine_settlement_result(struct turn *turn);
void engine_trade_correct(struct turn *turn);

// engine_deficit.c
// Orders that hold what is not there any more go on being cancelled (engine->resumed).
void engine_uncover(struct turn *turn);

#include "matcher/engine_order.h"

#endif
