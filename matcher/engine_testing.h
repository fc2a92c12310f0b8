// The venue of the engine's tests: scenarios as tables of what is said to it, and what it answers.
//
// Accounts A, B (session 1, FIX) and C, D (session 2, WebSocket, cancel on disconnect), all of
// member 1, with 100,000 of cash and 1,000 tokens each; one instrument with tick, lot and token
// unit 1, so that a notional is price * quantity; seller's fee 1 %. Orders are named by their
// number, from 1. The time of a command is its sequence, and `ahead_ns` more. Every invariant is
// walked after every command; before it the state is saved and loaded into a second engine, which
// then has to say and to be the same; and the postings of all events, folded, are the balances
// (engine_twin.c).
//
// Sentences: "A buys 10 @ 100", "A sells 10 at market", with any of gtc ioc fok gtd open close post
// confirmed stop= trail= show= min= until= stp= self= behind (a stop or trail makes it such an
// order); "A amends 1 to 5 @ 100 [stop= show= confirmed]" (0 = as it is); "A cancels 1"; "A cancels
// all"; "A asks 1"; "A asks all".
#ifndef LONJA_MATCHER_ENGINE_TESTING_H
#define LONJA_MATCHER_ENGINE_TESTING_H

#include "base/testing.h"

#include "matcher/engine.h"
#include "risk/postings.h"

enum { EVENTS = 64, FIRST = 16, CASH = 1, TOKEN = 2, ORDERS = 256, ACCOUNTS = 40, ASSETS = 4 };

struct venue {
    void *memory;
    struct engine *engine;
    struct event events[EVENTS];
    struct event_sink sink;
    void *twin_memory;
    struct event twin_events[EVENTS];
    struct balance_rec folded[ACCOUNTS + 1][ASSETS + 1];
    struct command command;
    struct instrument_rec terms;
    struct account_rec accounts[4];
    struct posting_terms traded; // what postings are of
    uint64_t sequence;
    uint64_t ahead_ns; // of the clock: it never goes back
    uint64_t number;   // of ledger references
    uint64_t orders[ORDERS];
    uint32_t order_count;
    char answer[EVENTS * 128];
};

extern const struct engine_limits limits;

struct line {
    const char *said;
    const char *answered;
};

void play(struct venue *venue, const struct line *lines, size_t count);
#define PLAY(venue, ...)                                                                           \
    do {                                                                                           \
        const struct line lines[] = {__VA_ARGS__};                                                 \
        play((venue), lines, sizeof(lines) / sizeof(lines[0]));                                    \
    } while (0)

// engine_twin.c: the second engine, loaded before a command, follows it; the balances, by postings.
struct engine *twin_load(struct venue *venue);
void twin_follow(struct venue *venue, struct engine *twin);
void fold_events(struct venue *venue);

// Set up and tear down of a test; with a WebSocket session of the first two accounts.
int open_venue(void **state);
enum { SESSION_OF_A = 3 };
int open_xvp_venue(void **state);
int close_venue(void **state);

const char *say(struct venue *venue, const char *words);
// The continuation that the engine wants; whether it wants one.
const char *go_on(struct venue *venue);
bool goes_on(const struct venue *venue);
// The next command comes at this time.
void at(struct venue *venue, uint64_t time_ns);
struct command *start(struct venue *venue, uint8_t type, uint8_t gateway);
const char *apply(struct venue *venue);
struct command *start_session(struct venue *venue, uint8_t type, char who, uint8_t *bytes);
struct order_new_cmd *start_order(struct venue *venue, char who, uint8_t side, int64_t quantity,
                                  int64_t price);
// Commands as they come and go on, until nothing is unfinished: all answers, behind " | ".
const char *say_all(struct venue *venue, const char *words);
const char *apply_all(struct venue *venue);
const char *post(struct venue *venue, char who, uint32_t asset, uint8_t kind, int64_t amount);
const char *set_terms(struct venue *venue);
const char *set_account(struct venue *venue, char who);
const char *set_price(struct venue *venue, uint8_t type, int64_t price);
const char *set_phase(struct venue *venue, uint8_t phase);
const char *set_breaker(struct venue *venue, uint8_t tripped);
const char *set_venue(struct venue *venue, uint8_t state);
const char *set_member(struct venue *venue, uint8_t suspended);
const char *settle(struct venue *venue, uint8_t outcome, int64_t quantity, int64_t proceeds);
const char *set_session(struct venue *venue, uint32_t session, uint8_t gateway, uint8_t flags);
struct balance_rec balance(const struct venue *venue, uint32_t account, uint32_t asset);

#endif
