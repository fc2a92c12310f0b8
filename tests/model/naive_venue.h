// Naive venue: the rulebook (docs/matching.md) once more, written to be read and not to be fast,
// sharing no source with the engine but the records and the reject codes. Open orders stand in one
// array without any order; who is first is found by looking at all of them; an auction tries every
// price; amounts are multiplied and divided in 128 bits.
//
// It knows the small universe of the tests: ids below the limits here, one cash asset. It writes
// the events, byte by byte, that the engine must write, and knows when the engine must ask for a
// continuation.
#ifndef LONJA_TESTS_MODEL_NAIVE_VENUE_H
#define LONJA_TESTS_MODEL_NAIVE_VENUE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"
#include "schema/rejects.h"

enum {
    NAIVE_ACCOUNTS = 32,
    NAIVE_ASSETS = 6,
    NAIVE_INSTRUMENTS = 5,
    NAIVE_SESSIONS = 7,
    NAIVE_MEMBERS = 6,
    NAIVE_ORDERS = 128,
    NAIVE_EVENTS = 64,
    NAIVE_PERIODS = 13,    // of investments: this one and the twelve before
    NAIVE_CONFIRMS = 1024, // refusals that may be confirmed
    NAIVE_FEES = 8,
    NAIVE_PROPOSALS = 64,
    NAIVE_XVPS = 256, // settlement instructions
};

struct naive_limits {
    uint32_t orders, levels, stops, trailing_stops, events;
    uint32_t accounts, members, sessions, session_accounts, assets, instruments, balances;
    uint32_t fees;
};

struct naive_order {
    uint64_t id;   // 0 = a free entry
    uint8_t state; // enum order_state; 0 = on its way in
    uint8_t side, type, tif, flags, stp, client_id_bytes;
    uint32_t account, instrument, session, self_match_id;
    uint32_t buyer_bps; // of a buy: its fee inside the hold
    int64_t price, quantity;
    int64_t leaves; // open: what shows and what does not
    int64_t shown;
    int64_t stop_price, trail_offset, display;
    int64_t filled_notional;
    uint64_t expire_ns;
    uint64_t place; // in time: who has the lower one came earlier
    char client_id[CLIENT_ID_BYTES_MAX];
};

struct naive_session {
    struct session_rec terms;
    uint32_t accounts;              // bit per account id
    uint8_t rights[NAIVE_ACCOUNTS]; // enum session_right
    uint32_t last_session_seq;
    bool open;
};

struct naive_window {
    uint64_t number; // time / its length
    uint32_t count;
};

struct naive_accepted { // an order, as duplicates are compared with it
    uint64_t id;        // 0 = none
    uint64_t time_ns;
    int64_t price, quantity, stop_price;
    uint32_t instrument;
    uint8_t side, type, tif;
};

struct naive_standing { // of a member, an account or a session
    struct limits_rec limits;
    struct naive_window messages, executions;
    uint64_t day; // UTC, of `traded`
    int64_t traded;
    struct naive_accepted last; // while duplicate_ms was set
    bool tripped;               // by executions_max
    bool killed;
};

struct naive_bought { // in one twelfth of a year
    uint64_t period;
    int64_t value;
};

struct naive_confirm { // a refusal that asked for a confirmation
    uint64_t reject, time_ns;
    int64_t price;
    uint32_t account, instrument;
    uint8_t side, grants;
};

struct naive_instrument {
    struct instrument_rec terms;
    struct instrument_state_rec state;
    struct instrument_rules_rec rules;
    struct instrument_controls_rec controls;
    uint8_t jurisdictions_mode, code_count;
    uint16_t codes[JURISDICTIONS_MAX];
    uint32_t band_count, entry_count;
    uint8_t weekdays;
    struct tick_band_tail bands[TICK_BANDS_MAX];
    struct schedule_entry_tail entries[SCHEDULE_ENTRIES_MAX];
};

enum naive_work { // what the next command goes on with
    NAIVE_NOTHING,
    NAIVE_LEAVE, // the orders of a session, or of a gateway's sessions
    NAIVE_BARRED,
    NAIVE_MASS,
    NAIVE_STATUS,
    NAIVE_EXPIRE,
    NAIVE_PHASE,
    NAIVE_TRIGGERED,
    NAIVE_KILL, // the orders of what was killed
    NAIVE_UNCOVER,
};

struct naive_pending {
    enum naive_work work;
    struct command command; // mass cancel, status: as it was asked for; kill: its mass cancel
    uint64_t order;         // status: the last one told
    uint32_t instrument;
    // A change of phase: which one, the step it is at, and of its uncross the price, what is left,
    // whether one is under way, whether anything was traded, and how many there have been.
    uint8_t phase, step;
    bool crossing, traded;
    uint32_t rounds;
    int64_t price, left;
    struct {
        uint32_t account, asset; // 0 = none
    } uncover[2];
};

struct naive_proposal {
    uint64_t id; // 0 = a free entry
    uint64_t expires_ns;
    uint32_t proposer;
    uint16_t body_bytes;
    uint8_t proposed; // enum command_type
    uint8_t body[PROPOSAL_BYTES_MAX];
};

struct naive_xvp { // a settlement instruction
    uint64_t id, cutoff_ns;
    uint32_t chain_asset; // its contract settles it; 0 = nothing does
    uint64_t settling;    // at which sequence it went to the chain; 0 = it is not there
    uint8_t flags, leg_count;
    bool approved[XVP_LEGS_MAX]; // by who gives the leg
    struct xvp_leg_tail legs[XVP_LEGS_MAX];
    uint32_t external_count;
    uint8_t hash[XVP_SECRET_BYTES];
    bool armed, revealed;
    bool giver_votes[XVP_LEGS_MAX], getter_votes[XVP_LEGS_MAX]; // to cancel it
};

struct naive_venue {
    struct naive_limits limits;
    uint8_t state;
    struct {
        bool attached;
        uint32_t incarnation;
        uint64_t last_seq;
    } gateways[GATEWAY_COUNT];
    struct {
        uint64_t number, hash;
    } references[REF_SOURCE_MAX + 1];
    struct settlement_result_cmd last_settlement;
    struct asset_rec assets[NAIVE_ASSETS];
    struct naive_instrument instruments[NAIVE_INSTRUMENTS];
    struct member_rec members[NAIVE_MEMBERS];
    struct account_rec accounts[NAIVE_ACCOUNTS];
    struct naive_session sessions[NAIVE_SESSIONS];
    struct balance_rec balances[NAIVE_ACCOUNTS][NAIVE_ASSETS];
    bool opened[NAIVE_ACCOUNTS][NAIVE_ASSETS]; // the balance exists, be it zero
    struct naive_standing of_members[NAIVE_MEMBERS];
    struct naive_standing of_accounts[NAIVE_ACCOUNTS];
    struct naive_standing of_sessions[NAIVE_SESSIONS];
    struct naive_bought bought[NAIVE_ACCOUNTS][NAIVE_PERIODS];
    bool killed;                      // the venue
    uint64_t confirm_count;           // remembered so far
    struct fees_rec fees[NAIVE_FEES]; // free entries are zero
    uint32_t rules;                   // enum venue_rule
    uint32_t about;                   // whom a refusal of an instruction is about
    uint32_t xvp_count;
    bool approving;     // the command comes by an approval
    uint32_t order_top; // entries from here on are free
    uint64_t places;    // given so far
    struct naive_pending pending;
    bool trying; // counting for fill or kill: see naive_match.c
    const struct command *command;
    uint64_t now; // of the command
    uint32_t session_seq;
    uint32_t event_count;
    struct naive_order orders[NAIVE_ORDERS];
    struct event events[NAIVE_EVENTS];
    struct naive_confirm confirms[NAIVE_CONFIRMS]; // the last ones, number n at n % NAIVE_CONFIRMS
    // Last, for exhaustive_test copies all that stands before it, and proposes and instructs
    // nothing.
    struct naive_proposal proposals[NAIVE_PROPOSALS];
    struct naive_xvp xvps[NAIVE_XVPS]; // that have not ended, as they came
};

void naive_apply(struct naive_venue *venue, const struct command *command);

// From when on a clock_tick must come before anything else; UINT64_MAX = never.
uint64_t naive_deadline(const struct naive_venue *venue);

uint32_t naive_open_orders(const struct naive_venue *venue);

// What the open orders, and the approvals of instructions, of an account hold of an asset, added up
// anew.
int64_t naive_held_by_orders(const struct naive_venue *venue, uint32_t account, uint32_t asset);
// settling: also by those that are on their way to the chain, which nobody takes back.
int64_t naive_held_by_xvps(const struct naive_venue *venue, uint32_t account, uint32_t asset,
                           bool settling);

// True if this is the command that the venue must ask for next.
bool naive_continues_with(const struct naive_venue *venue, const struct command *command);

// Which of the five levels of fees holds for an account in an instrument: 1..5.
uint32_t naive_fees_level(const struct naive_venue *venue, uint32_t account, uint32_t instrument);

#endif
