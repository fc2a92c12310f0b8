// The parts of lonja-web and what they share. One thread (the loop's) owns all of it; the only
// others are the workers that hash passwords (workers.h).
//
//   http.h ──► rest.c ─┐                     ┌─► orders.c ──► link (commands)
//              socket.c ┴─► request.h ───────┤
//                                            └─► market.c, private.c, history.c, login.c
//   follower ──► feed.c ──► view, then orders.c (answers), private.c (own updates), market.c
//   (everybody's)
//
// Every answer and update is made from durable events. A message is made once and shared by all
// receivers.
#ifndef LONJA_GATEWAY_WEB_WEB_H
#define LONJA_GATEWAY_WEB_WEB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backlog.h"
#include "base/boot.h"
#include "base/map.h"
#include "core/follower.h"
#include "gateway/common/http.h"
#include "gateway/common/pages.h"
#include "gateway/common/link.h"
#include "gateway/common/loop.h"
#include "gateway/common/pg_watch.h"
#include "gateway/common/view.h"
#include "gateway/common/workers.h"
#include "gateway/web/json_out.h"
#include "gateway/common/rate.h"
#include "gateway/web/request.h"
#include "gateway/web/teller.h"
#include "gateway/web/token.h"

enum {
    PROTOCOL_VERSION = 1,
    SUBSCRIPTIONS_MAX = 256, // per connection
    INSTRUMENTS_PAGE = 500,  // instruments of one message
    BOOK_DEPTH_MAX = 1000,   // levels per side of a snapshot
    BOOK_ORDERS_MAX = 5000,  // orders per side of a snapshot
    CHECKSUM_DEPTH = 10,
    DIRTY_BALANCES_MAX = 1024,
};

struct user;
struct markets;
struct orders;
struct history;
struct login;
struct replay;
struct replays;

enum channel {
    CHANNEL_BOOK,        // L2: what shows at each price
    CHANNEL_BEST,        // L1: the best level of each side
    CHANNEL_BOOK_ORDERS, // L3: order by order
    CHANNEL_TRADES,
    CHANNEL_AUCTION, // indicative and final prices
    CHANNEL_STATISTICS,
    CHANNEL_COUNT,
};

struct subscription {
    uint32_t instrument;
    uint8_t channel;
    bool behind; // owed a snapshot: it has just begun, or the client was too slow for a change
};

// States of instruments that a client could not take when they changed (instruments.c).
struct state_walk {
    uint32_t at;           // the next instrument; 0 = it has all
    uint64_t since, begun; // sequences: what has changed after `since` is told
    bool again;            // something behind `at` has changed meanwhile
};

// One WebSocket connection.
struct client {
    uint64_t id;
    struct user *user; // NULL until login
    struct client *next_of_user;
    uint64_t token; // number of the login it came with
    uint64_t expires_ns;
    struct replay *replay;    // it is still being told what it has missed; NULL = no
    struct teller_place told; // the last update: what is not behind it has been told
    struct rate rate;
    struct state_walk states;
    uint32_t subscription_count;
    struct subscription subscriptions[SUBSCRIPTIONS_MAX];
};

// One trading session that has logged in since the gateway's start; lives as long as the process.
struct user {
    uint32_t session;
    struct client *clients;
    struct rate rate;                        // of its REST requests
    uint32_t accounts[SESSION_ACCOUNTS_MAX]; // whose updates it gets while a client is there
    size_t account_count;
    struct pending *pendings; // commands without answer yet
    bool opened;              // session_open was sent, session_close not
};

// Where an answer goes.
struct reply {
    uint64_t peer;
    bool rest;
    uint8_t id_bytes;
    char id[REQUEST_ID_BYTES_MAX]; // as JSON
};

struct dirty_balance {
    uint32_t account, asset;
};

struct web {
    const struct boot *boot;
    const struct config *config;
    struct loop *loop;
    struct http_server
        *http; // NULL until the first attach: nobody is served before the view is current
    struct http_handlers handlers;
    struct link link;
    struct view *view;
    struct follower *follower;
    struct pg_async *pg;
    struct pg_watch *pg_watch;
    struct json_out out; // the message being made
    struct tokens *tokens;
    struct rate public_rate;  // of questions to the database that need no login
    struct workers *workers;  // password hashing
    struct user **users;      // by session
    struct map clients;       // http id -> struct client *
    struct map account_users; // account -> struct account_user *
    struct markets *markets;
    struct orders *orders;
    struct history *history;
    struct backlog record_backlog; // of Postgres, by history_second
    struct login *login;
    struct pages *pages;
    struct dirty_balance dirty[DIRTY_BALANCES_MAX]; // changed since the last flush
    size_t dirty_count;
    struct teller teller;
    struct replays *replays;
    uint64_t sequence_seen; // of the last event: the view may stand in the middle of its command
    const char *state;      // of the venue, as last announced
    uint32_t session_dirty; // session that the present command has changed
    bool in_command;        // the view stands in the middle of a command
    bool catch_up_due;      // a snapshot is waiting for the end of the command
    bool stopping;
    bool failed; // exit status is not 0
};

uint64_t web_now_ns(void);  // monotone
uint64_t web_wall_ns(void); // since 1970

// ---- feed.c: events of the venue -------------------------------------------------------------

void feed_poll(struct web *web); // takes what is there, bounded, and publishes
void feed_tick(struct web *web); // heartbeat; tells everybody when the venue's state changes
const char *feed_state(const struct web *web); // "open", "cancel_only", "unavailable"
// Opens the port; called once, when the view is current.
void web_serve(struct web *web);

// ---- users.c ---------------------------------------------------------------------------------

// NULL if the session does not exist, is disabled or is not this gateway's.
struct user *user_of_session(struct web *web, uint32_t session);
void user_add_client(struct web *web, struct user *user, struct client *client);
void user_remove_client(struct web *web, struct client *client);
void users_tick(struct web *web);     // session_open and session_close that could not be sent
void users_reattach(struct web *web); // opens the sessions of connected users again
void users_session_changed(struct web *web, uint32_t session); // its accounts are other ones
// Everybody who is connected for an account.
struct account_user {
    struct user *user;
    struct account_user *next;
};
const struct account_user *users_of_account(const struct web *web, uint32_t account);
struct client *client_find(const struct web *web, uint64_t id);

// ---- reply.c ---------------------------------------------------------------------------------

// Begins an answer in web->out: {"type":type,"id":… for a WebSocket, { for REST. The caller goes on
// and calls reply_end.
void reply_begin(struct web *web, const struct reply *reply, const char *type);
void reply_end(struct web *web, const struct reply *reply, unsigned http_status);
void reply_fault(struct web *web, const struct reply *reply, const struct fault *fault,
                 uint64_t sequence);
void reply_code(struct web *web, const struct reply *reply, enum reject_code code, int64_t limit,
                int64_t value);
// Sends web->out to one connection, or to every connection of an account but one (0 = nobody left
// out). An update that has a place in the account's stream waits for those that are being told what
// they have missed; NULL: it has none.
void send_out(struct web *web, uint64_t client);
void send_out_to_account(struct web *web, uint32_t account, const struct teller_place *place,
                         uint64_t but);
void send_out_to_all(struct web *web);

// ---- orders.c --------------------------------------------------------------------------------

CHECKED struct orders *orders_create(struct web *web);
void orders_destroy(struct orders *orders);
void orders_place(struct web *web, struct user *user, const struct request *request,
                  const struct reply *reply);
void orders_cancel(struct web *web, struct user *user, const struct request *request,
                   const struct reply *reply);
void orders_cancel_id(struct web *web, struct user *user, uint64_t order,
                      const struct reply *reply);
void orders_cancel_all(struct web *web, struct user *user, const struct request *request,
                       const struct reply *reply);
// An open order of the user's, by the fields order or client_order_id, or by its id. NULL: the
// reply has been given.
const struct view_order *orders_named(struct web *web, struct user *user,
                                      const struct request *request, const struct reply *reply);
const struct view_order *orders_by_id(struct web *web, struct user *user, uint64_t order,
                                      const struct reply *reply);
void orders_amend(struct web *web, struct user *user, const struct view_order *order,
                  const struct request *request, const struct reply *reply);
// State of one order, or of all that the request names, asked of the engine.
void orders_status(struct web *web, struct user *user, const struct view_order *order,
                   const struct reply *reply);
// What a party does with a settlement instruction (enum xvp_action); answered in either protocol.
// To reveal, the request has a secret.
void orders_xvp(struct web *web, struct user *user, uint64_t xvp, uint8_t action,
                const struct request *request, const struct reply *reply);
void orders_mass_status(struct web *web, struct user *user, const struct request *request,
                        const struct reply *reply);
// After view_apply. Returns the connection whose answer tells of this event, 0 = none.
uint64_t orders_on_event(struct web *web, const struct event *event);
// Everything sent with a larger gateway_seq than this was not accepted.
void orders_lost(struct web *web, uint64_t above);

// ---- private.c -------------------------------------------------------------------------------

struct teller private_teller(struct web *web);
void private_on_event(struct web *web, const struct event *event, uint64_t answered);
void private_flush(struct web *web); // balances that have changed
void private_send_orders(struct web *web, struct user *user, const struct reply *reply);
void private_send_balances(struct web *web, struct user *user, const struct reply *reply);

// ---- market.c, subscribe.c -------------------------------------------------------------------

CHECKED struct markets *markets_create(struct web *web);
void markets_destroy(struct markets *markets);
void markets_on_event(struct web *web, const struct event *event);
// One change message per instrument and channel for all commands since the last.
void markets_flush(struct web *web);
void markets_tick(struct web *web); // once a second
void markets_subscribe(struct web *web, struct client *client, const struct request *request,
                       const struct reply *reply);
void markets_unsubscribe(struct web *web, struct client *client, const struct request *request,
                         const struct reply *reply);
void markets_leave(struct web *web, struct client *client);
void markets_catch_up(struct web *web, struct client *client); // the snapshots that are owed
// Members of an object as a snapshot of the channel has them.
void market_write(struct web *web, uint32_t instrument, enum channel channel);
const char *market_channel_name(enum channel channel);

// ---- instruments.c ---------------------------------------------------------------------------

// Members "instruments" and "next": those behind the id `after`, at most `limit` (at least 1).
void instruments_write(struct web *web, uint32_t after, uint32_t limit);
void instruments_changed(struct web *web, uint32_t instrument); // tells everybody
void instruments_catch_up(struct web *web, struct client *client);

// ---- history.c: what Postgres knows ----------------------------------------------------------

CHECKED struct history *history_create(struct web *web);
void history_destroy(struct history *history);
// Settlement instructions in which an account of the session has part, newest first.
void history_own_xvps(struct web *web, struct user *user, const struct reply *reply, int64_t limit,
                      uint64_t before, uint64_t min_seq);
void history_own_trades(struct web *web, struct user *user, const struct reply *reply,
                        int64_t limit, uint64_t before, uint64_t min_seq);
void history_public_trades(struct web *web, uint32_t instrument, const struct reply *reply,
                           int64_t limit);
void history_tick(struct web *web);
void history_second(struct web *web); // looks how far the record is, for /status

// ---- login.c ---------------------------------------------------------------------------------

CHECKED struct login *login_create(struct web *web);
void login_destroy(struct login *login);
void login_request(struct web *web, const struct request *request, const struct reply *reply);
void login_logout(struct web *web, const char *token, const struct reply *reply);
void login_tick(struct web *web); // tokens of logins that were disabled or changed end

// ---- socket.c, rest.c ---------------------------------------------------------------

void socket_opened(void *web, uint64_t id, const char *peer);
void socket_message(void *web, uint64_t id, const char *text, size_t bytes);
void socket_drained(void *web, uint64_t id);
void socket_closed(void *web, uint64_t id);
void socket_tick(struct web *web);     // expired logins
void socket_shutdown(struct web *web); // serverShutdown to everybody
void socket_log_out(struct web *web, uint64_t token_number, const char *reason);

void rest_request(void *web, uint64_t id, const struct http_request *request);

#endif
