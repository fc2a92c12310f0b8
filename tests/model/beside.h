// The engine and the naive venue side by side: every command goes to both, and everything that can
// be seen of them must be the same: the events byte by byte, balances, the balances that follow
// from folding the postings of all events, deadlines, continuations, and the answers of a second
// engine that was loaded from a snapshot on the way and then takes the first one's place.
//
// The universe is small, so that limits, self-trades, deep queues and long lists occur. Any
// difference ends the program with the command and both answers.
#ifndef LONJA_TESTS_MODEL_BESIDE_H
#define LONJA_TESTS_MODEL_BESIDE_H

#include "matcher/engine.h"
#include "tests/model/naive_venue.h"

enum {
    UNIVERSE_CASH = 1, // the asset; tokens follow
    UNIVERSE_INSTRUMENTS = 3,
    UNIVERSE_ACCOUNT_FIRST = 16,
    UNIVERSE_ACCOUNTS = 8,
    UNIVERSE_SESSIONS = 5, // 1..4 with two accounts each; 5 has the member's scope
    UNIVERSE_MEMBERS = 2,
    BESIDE_RECORDS = 6144,
    BESIDE_PHASES = 8,
    BESIDE_TYPES = 8,
};

struct coverage { // how often it happened
    uint64_t commands[CMD_COUNT];
    uint64_t events[EVT_COUNT];
    uint64_t rejects[REJECT_CODE_MAX + 1];
    uint64_t cancels[32];              // by enum cancel_reason
    uint64_t accepted[BESIDE_PHASES];  // orders, by phase
    uint64_t types[BESIDE_TYPES];      // orders accepted
    uint64_t tifs[BESIDE_TYPES];       // orders accepted
    uint64_t states[BESIDE_TYPES];     // orders accepted
    uint64_t prevented[BESIDE_TYPES];  // self-trades, by the mode of the order that entered
    uint64_t continuations[CMD_COUNT]; // by command
    uint64_t works[BESIDE_TYPES];      // continuations by enum engine_work
    uint64_t phase_changes[BESIDE_PHASES][BESIDE_PHASES];
    uint64_t auction_trades, kept, lost, icebergs, trailed, minimums, snapshots;
    uint64_t snapshots_of_pending;
    uint64_t wrong_confirms[BESIDE_TYPES]; // by the argument of REJECT_CONFIRM_REF
    uint64_t confirmed;                    // orders of strict members accepted with a reference
    uint64_t kills[BESIDE_TYPES];          // by enum kill_scope
    uint64_t killed_on;                    // mass cancels of a kill beyond its first one
    uint64_t limit_states, traded_out, timed_out; // begun, ended by a trade, by an auction
    uint64_t days;                                // that have begun
    uint64_t fee_levels[6];                       // sides of trades, by the level that held: 1..5
    uint64_t buyer_fees[2];                       // above 0: as taker, as maker
    uint64_t postings[POSTING_COVER + 1];         // by kind
    uint64_t deficits_grown[2], deficits_shrunk[2], deficits_covered; // [1]: of cash
    uint64_t busts, cheaper, dearer, shorts[2];                       // corrections
    uint64_t proposals[PROPOSAL_FAILED + 1];                          // by state
    uint64_t xvps[XVP_STEP_VOTED + 1];                                // by step
    uint64_t xvp_locks[XVP_STEP_VOTED + 1];                           // of what is armed, by step
    uint64_t xvp_refusals[2]; // executions by themselves: for somebody, for want of room
    uint64_t uncover_again, uncover_blocked; // more than one command; no deficit
    uint64_t uncover_nothing;                // no order had to go
};

struct beside {
    const char *program;
    uint64_t seed; // 0: none to tell
    struct naive_venue naive;
    struct engine_limits limits;
    size_t engine_size;
    void *memory[2];
    uint32_t memory_used; // which of the two the engine lives in
    struct engine *engine;
    struct engine *twin; // loaded from a snapshot of the engine; NULL = none now
    uint64_t twin_events;
    uint64_t twin_every, twin_lives, balances_every, check_every; // commands, events, commands…
    struct event events[NAIVE_EVENTS], twin_sink[NAIVE_EVENTS];
    struct event_sink sink;
    struct balance_rec folded[NAIVE_ACCOUNTS][NAIVE_ASSETS];
    struct snapshot_record records[BESIDE_RECORDS];
    uint32_t record_count;
    uint64_t sequence, now;
    uint64_t digest; // of all events so far
    uint32_t incarnations[GATEWAY_COUNT];
    uint64_t gateway_seq;
    struct coverage coverage;
    // Sees every event of both, in order; NULL = nobody does.
    void (*follow)(void *follower, const struct event *event);
    void *follower;
    void (*on_abort)(void); // says how it came to that; NULL = nothing more to say
    struct command command;
};

// ---- beside_money.c: laws of money, and how often things happened to it
void beside_check_money(const struct beside *beside);
void beside_cover_money(struct beside *beside, const struct event *event);

extern const struct instrument_rec universe_instruments[UNIVERSE_INSTRUMENTS];

// Both venues, empty; `limits` as the engine has them. Ends the program if that cannot be.
void beside_open(struct beside *beside, const struct engine_limits *limits);
void beside_close(struct beside *beside);

// A new beside->command, with its header filled in.
struct command *beside_start(struct beside *beside, uint8_t type, uint8_t gateway);
// Applies beside->command to both, at beside->now + 1 at the earliest, and then what the engine
// asks for in continuations.
void beside_apply(struct beside *beside);
// One clock_tick after another while the deadline is not above this time.
void beside_ticks(struct beside *beside, uint64_t time_ns);
void beside_check(struct beside *beside); // balances, invariants
void beside_mix_digest(struct beside *beside, uint64_t word);
__attribute__((noreturn)) void beside_fail(const struct beside *beside, const char *what);

// Gateways, assets, members, accounts, instruments (all closed), sessions; the venue open.
void universe_set_up(struct beside *beside);
uint8_t universe_gateway_of(uint32_t session);
uint32_t universe_account(uint32_t session, uint32_t which); // which: 0 or 1
uint16_t universe_jurisdiction(uint32_t account);            // 1, 2 or 3
void universe_deposit(struct beside *beside, uint32_t account, uint32_t asset, int64_t amount);

#endif
