// Helpers of this folder's tests: a venue in one thread (command ring, real engine, view, desk),
// and FIX peers that write and read bare bytes.
#ifndef LONJA_GATEWAY_FIX_TESTING_H
#define LONJA_GATEWAY_FIX_TESTING_H

#include "core/testing.h"

#include "gateway/fix/desk.h"
#include "gateway/fix/session.h"
#include "matcher/engine.h"

enum { PEERS = 2, HEARD_MAX = 4096, TESTING_EVENTS_MAX = 128 };

struct venue;

struct peer { // session 1 "ATLANTIC" with account 1001, session 2 "BALEAR" with 1002
    struct venue *venue;
    uint32_t session_id;
    const char *comp_id;
    struct session *session;
    struct session_wire wire;
    uint32_t next_out;        // the number of what it sends next
    char *heard[HEARD_MAX];   // what it got, SOH as '|'
    size_t heard_count, read; // expect() goes on behind what it has found
    bool hung_up;
    const char *says_time, *says_number; // instead of now and next_out; NULL = honest
};

struct venue {
    char folder[64];
    struct boot boot;
    struct command_ring consumer;
    struct link link;
    struct view *view;
    struct desk desk;
    void *engine_memory;
    struct engine *engine;
    struct event_sink sink;
    struct event sink_events[TESTING_EVENTS_MAX];
    struct event *history; // every event ever: the tape
    size_t history_count, history_capacity;
    uint64_t sequence;
    uint64_t ahead_ns; // of the core's time before the clock's
    struct event_ring_control core;
    struct peer peers[PEERS];
};

void venue_open(struct venue *venue);
void venue_close(struct venue *venue);
// Set up and tear down of a test: a venue of its own in *state, without peers or with both logged on.
int venue_set_up(void **state);
int venue_set_up_connected(void **state);
int venue_tear_down(void **state);
#define VENUE_TEST(name)     cmocka_unit_test_setup_teardown(name, venue_set_up, venue_tear_down)
#define CONNECTED_TEST(name) cmocka_unit_test_setup_teardown(name, venue_set_up_connected, venue_tear_down)
// The gateway dies as by kill -9 and a new one starts: store, tape and engine stay.
void venue_restart_gateway(struct venue *venue, bool clean);
// The core takes what is in the ring; the desk sees the events.
void venue_run(struct venue *venue);
// The core's time goes on by so much, and what is due happens.
void venue_advance(struct venue *venue, uint64_t ns);
void venue_set_phase(struct venue *venue, uint8_t phase); // of PORT, by an administrator
void venue_trip_breaker(struct venue *venue, bool tripped);
void venue_set_volatility(struct venue *venue, uint32_t bps); // of PORT: an auction beyond it
void venue_set_state(struct venue *venue, uint8_t state);     // enum venue_state
void venue_suspend(struct venue *venue, uint32_t account);    // 101 or 102
// A trade of PORT as the record has it: the newest; what settlement says of it; a correction of it
// by an operator (new_quantity 0: a bust), after which it is as corrected.
struct trade_correct_cmd venue_newest_trade(const struct venue *venue);
void venue_settle(struct venue *venue, const struct trade_correct_cmd *trade, uint8_t outcome);
void venue_correct(struct venue *venue, struct trade_correct_cmd *trade, int64_t new_quantity,
                   int64_t new_notional);
// The core loses what is in the ring, as when it dies; it may be there again before the gateway
// knows.
void venue_lose_commands(struct venue *venue);
// The core loses what is in the ring, and is there again in a new epoch.
void venue_restart_core(struct venue *venue);

void peer_connect(struct peer *peer, const char *more_logon_fields);
void peer_disconnect(struct peer *peer);
// Sends "35=D|…" with the next number and today's time; '|' stands for SOH.
void peer_send(struct peer *peer, const char *fields);
void peer_send_as(struct peer *peer, uint32_t number, const char *fields);
// The next message heard that has all these fields ("35=8|39=0|"); fails the test if there is none.
const char *peer_expect(struct peer *peer, const char *fields);
// Fails the test if a message with these fields comes after what was read.
void peer_expect_no(struct peer *peer, const char *fields);
bool message_has(const char *message, const char *fields);
// Value of a field of a heard message, in a static buffer; "" if there is none.
const char *message_field(const char *message, unsigned tag);
// How many messages with these fields it has heard since it had heard `from`.
unsigned peer_count(const struct peer *peer, size_t from, const char *fields);

// A new order, replace or cancel of PORT with these fields more ("11=A1|54=1|38=1|40=2|44=100|"),
// or any message; and the core takes it.
void peer_order(struct peer *peer, const char *fields);
void peer_replace(struct peer *peer, const char *fields);
void peer_cancel(struct peer *peer, const char *fields);
void peer_ask(struct peer *peer, const char *message);
// Both peers trade at 100: the last price.
void peers_trade_at_100(struct venue *venue);

#endif
