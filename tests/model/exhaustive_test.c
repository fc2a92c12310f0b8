// Every sequence of commands up to a length over a small alphabet, to the engine and to the naive
// venue.
//
//   exhaustive_test [--alphabet continuous|auction|stops|risk|money] [--depth N]
//
// The sequences are walked as a tree: both venues are copied at a node and go back to it for each
// next letter, so that every sequence costs one command. The engine lives in one block of memory,
// which is copied as it is. A failure prints the sequence that led to it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "tests/model/beside.h"
#include "tests/model/exhaustive_money.h"

enum { DEPTH_MAX = 8, LETTERS_MAX = 24, INSTRUMENT = 1, TICK = 1000000 };

enum deed { NEW, CANCEL, AMEND, PHASE, WAIT, RESET, SET, MONEY }; // MONEY: `quantity` says which
enum whom { FIRST = 1, LAST = 2 }; // order that a cancel or amend names, of those in the sequence

struct letter {
    const char *name;
    enum deed deed;
    enum whom whom;
    uint32_t session;
    uint32_t which; // of its two accounts
    uint8_t side, type, tif, flags, stp;
    uint8_t word;                                           // a phase, or which of the settings
    int64_t quantity, price, stop, trail, display, minimum; // prices in ticks
    uint64_t lives_ns;
};

struct alphabet {
    const char *name;
    uint8_t phase; // in which it begins
    uint32_t letter_count;
    struct letter letters[LETTERS_MAX];
};

struct setting { // of a control of docs/risk.md
    uint8_t type;
    union {
        struct limits_set_cmd limits;
        struct instrument_controls_set_cmd controls;
        struct kill_set_cmd kill;
    } body;
};

enum { OF_ACCOUNT, OF_MEMBER, OF_SESSION, BAND, BAND_AND_POSITION, KILLED, ALL_KILLED, ALIVE };

// Accounts 16 and 17 are of session 1, 18 and 19 of session 2, 20 and 21 of session 3. Ten tokens
// at 100 are worth 10,000,000.
static const struct setting settings[] = {
    [OF_ACCOUNT] = {CMD_limits_set, .body.limits = {.scope = LIMIT_ACCOUNT,
                                                    .id = 16,
                                                    .open_orders_max = 2,
                                                    .duplicate_ms = 1000,
                                                    .executions_max = 2,
                                                    .executions_ms = 60000}},
    [OF_MEMBER] = {CMD_limits_set, .body.limits = {.scope = LIMIT_MEMBER,
                                                   .id = 2,
                                                   .order_value_max = 20200000,
                                                   .daily_value_max = 40300000}},
    [OF_SESSION] = {CMD_limits_set, .body.limits = {.scope = LIMIT_SESSION,
                                                    .id = 1,
                                                    .messages_max = 1,
                                                    .messages_ms = 60000}},
    [BAND] = {CMD_instrument_controls_set,
              .body.controls = {.instrument = INSTRUMENT,
                                .dynamic_bps = 99, // a trade at 101 is beyond it
                                .limit_state_ms = 1}},
    [BAND_AND_POSITION] = {CMD_instrument_controls_set, .body.controls = {.instrument = INSTRUMENT,
                                                                          .dynamic_bps = 99,
                                                                          .position_max = 10020}},
    [KILLED] = {CMD_kill_set, .body.kill = {.scope = KILL_ACCOUNT, .id = 20, .killed = 1}},
    [ALL_KILLED] = {CMD_kill_set, .body.kill = {.scope = KILL_MEMBER, .id = 1, .killed = 1}},
    [ALIVE] = {CMD_kill_set, .body.kill = {.scope = KILL_MEMBER, .id = 1}},
};

// Sessions 1 and 2 are of member 1, session 3 is of member 2.
static const struct alphabet alphabets[] = {
    {"continuous",
     PHASE_CONTINUOUS,
     20,
     {{"buy 10 at 100", NEW, 0, 1, 0, 1, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"buy 20 at 101", NEW, 0, 3, 0, 1, 2, 1, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"sell 10 at 101", NEW, 0, 3, 1, 2, 2, 0, 3, 0, 0, 10, 101, 0, 0, 0, 0, 0},
      {"sell 20 at 100, newest", NEW, 0, 1, 1, 2, 2, 0, 3, 1, 0, 20, 100, 0, 0, 0, 0, 0},
      {"sell 15 at 103", NEW, 0, 2, 0, 2, 2, 0, 3, 0, 0, 15, 103, 0, 0, 0, 0, 0},
      {"sell iceberg 30 at 101", NEW, 0, 2, 1, 2, 2, 1, 3, 0, 0, 30, 101, 0, 0, 10, 0, 0},
      {"buy iceberg 25 at 100, oldest", NEW, 0, 2, 0, 1, 2, 0, 3, 2, 0, 25, 100, 0, 0, 10, 0, 0},
      {"buy market 25", NEW, 0, 3, 0, 1, 1, 0, 3, 0, 0, 25, 0, 0, 0, 0, 0, 0},
      {"sell IOC 15 at 100, at least 12", NEW, 0, 3, 1, 2, 2, 3, 3, 0, 0, 15, 100, 0, 0, 0, 12, 0},
      {"buy FOK 25 at 102, both", NEW, 0, 1, 0, 1, 2, 4, 3, 3, 0, 25, 102, 0, 0, 0, 0, 0},
      {"sell stop 10 at 100", NEW, 0, 1, 1, 2, 3, 0, 3, 0, 0, 10, 0, 100, 0, 0, 0, 0},
      {"buy stop limit 10 at 101, 102", NEW, 0, 3, 0, 1, 4, 1, 3, 0, 0, 10, 102, 101, 0, 0, 0, 0},
      {"sell 30 at 99, decrement", NEW, 0, 2, 1, 2, 2, 0, 3, 4, 0, 30, 99, 0, 0, 0, 0, 0},
      {"buy post-only 5 at 100", NEW, 0, 3, 1, 1, 2, 0, 7, 0, 0, 5, 100, 0, 0, 0, 0, 0},
      {"buy GTD 10 at 101", NEW, 0, 1, 1, 1, 2, 6, 3, 0, 0, 10, 101, 0, 0, 0, 0, 500},
      {"cancel the first", CANCEL, FIRST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
      {"amend the first to 6", AMEND, FIRST, 0, 0, 0, 0, 0, 3, 0, 0, 6, 0, 0, 0, 0, 0, 0},
      {"amend the last to 40", AMEND, LAST, 0, 0, 0, 0, 0, 3, 0, 0, 40, 0, 0, 0, 0, 0, 0},
      {"amend the first to 101", AMEND, FIRST, 0, 0, 0, 0, 0, 3, 0, 0, 0, 101, 0, 0, 0, 0, 0},
      {"wait", WAIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000}}},
    {"auction",
     PHASE_OPENING_AUCTION,
     20,
     {{"buy 10 at 100", NEW, 0, 1, 0, 1, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"buy 20 at 101", NEW, 0, 3, 0, 1, 2, 1, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"buy 15 at 99", NEW, 0, 2, 0, 1, 2, 0, 3, 2, 0, 15, 99, 0, 0, 0, 0, 0},
      {"sell 10 at 100", NEW, 0, 3, 1, 2, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"sell 20 at 99", NEW, 0, 1, 1, 2, 2, 0, 3, 1, 0, 20, 99, 0, 0, 0, 0, 0},
      {"sell 15 at 101", NEW, 0, 2, 1, 2, 2, 1, 3, 0, 0, 15, 101, 0, 0, 0, 0, 0},
      {"buy market 12", NEW, 0, 3, 0, 1, 1, 0, 3, 0, 0, 12, 0, 0, 0, 0, 0, 0},
      {"sell market 18", NEW, 0, 1, 0, 2, 1, 1, 3, 0, 0, 18, 0, 0, 0, 0, 0, 0},
      {"sell iceberg 30 at 99", NEW, 0, 2, 1, 2, 2, 1, 3, 0, 0, 30, 99, 0, 0, 10, 0, 0},
      {"buy at open 10 at 102", NEW, 0, 1, 1, 1, 2, 2, 3, 0, 0, 10, 102, 0, 0, 0, 0, 0},
      {"sell at close 10 at 98", NEW, 0, 3, 1, 2, 2, 7, 3, 0, 0, 10, 98, 0, 0, 0, 0, 0},
      {"sell stop 10 at 100", NEW, 0, 1, 1, 2, 3, 0, 3, 0, 0, 10, 0, 100, 0, 0, 0, 0},
      {"buy GTD 10 at 100", NEW, 0, 1, 1, 1, 2, 6, 3, 0, 0, 10, 100, 0, 0, 0, 0, 500},
      {"cancel the first", CANCEL, FIRST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
      {"amend the first to 30", AMEND, FIRST, 0, 0, 0, 0, 0, 3, 0, 0, 30, 0, 0, 0, 0, 0, 0},
      {"amend the last to 101", AMEND, LAST, 0, 0, 0, 0, 0, 3, 0, 0, 0, 101, 0, 0, 0, 0, 0},
      {"continuous", PHASE, 0, 0, 0, 0, 0, 0, 0, 0, PHASE_CONTINUOUS, 0, 0, 0, 0, 0, 0, 0},
      {"closing auction", PHASE, 0, 0, 0, 0, 0, 0, 0, 0, PHASE_CLOSING_AUCTION, 0, 0, 0, 0, 0, 0,
       0},
      {"closed", PHASE, 0, 0, 0, 0, 0, 0, 0, 0, PHASE_CLOSED, 0, 0, 0, 0, 0, 0, 0},
      {"wait", WAIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000}}},
    {"stops",
     PHASE_CONTINUOUS,
     20,
     {{"sell stop 10 at 100", NEW, 0, 1, 1, 2, 3, 0, 3, 0, 0, 10, 0, 100, 0, 0, 0, 0},
      {"sell stop 10 at 99", NEW, 0, 3, 1, 2, 3, 1, 3, 0, 0, 10, 0, 99, 0, 0, 0, 0},
      {"sell stop limit 20 at 99, 98", NEW, 0, 1, 0, 2, 4, 1, 3, 4, 0, 20, 98, 99, 0, 5, 0, 0},
      {"sell trailing 10 by 1", NEW, 0, 2, 0, 2, 5, 0, 3, 0, 0, 10, 0, 0, 1, 0, 0, 0},
      {"buy stop 10 at 101", NEW, 0, 3, 0, 1, 3, 0, 3, 0, 0, 10, 0, 101, 0, 0, 0, 0},
      {"buy stop limit 10 at 102, 102", NEW, 0, 1, 0, 1, 4, 0, 3, 2, 0, 10, 102, 102, 0, 0, 0, 0},
      {"buy trailing 10 by 2", NEW, 0, 2, 1, 1, 5, 6, 3, 0, 0, 10, 0, 0, 2, 0, 0, 500},
      {"buy trailing 5 by 1, from 104", NEW, 0, 3, 1, 1, 5, 0, 3, 0, 0, 5, 0, 104, 1, 0, 0, 0},
      {"buy 10 at 100", NEW, 0, 1, 0, 1, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"buy 30 at 99", NEW, 0, 3, 0, 1, 2, 0, 3, 0, 0, 30, 99, 0, 0, 0, 0, 0},
      {"sell 10 at 100", NEW, 0, 3, 1, 2, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"sell 5 at 99", NEW, 0, 2, 1, 2, 2, 0, 3, 1, 0, 5, 99, 0, 0, 0, 0, 0},
      {"sell 20 at 101", NEW, 0, 1, 1, 2, 2, 0, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"buy 15 at 102", NEW, 0, 3, 0, 1, 2, 0, 3, 0, 0, 15, 102, 0, 0, 0, 0, 0},
      {"amend the first: stop 101", AMEND, FIRST, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 101, 0, 0, 0, 0},
      {"amend the last to 40", AMEND, LAST, 0, 0, 0, 0, 0, 3, 0, 0, 40, 0, 0, 0, 0, 0, 0},
      {"cancel the first", CANCEL, FIRST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
      {"halted", PHASE, 0, 0, 0, 0, 0, 0, 0, 0, PHASE_HALTED, 0, 0, 0, 0, 0, 0, 0},
      {"continuous", PHASE, 0, 0, 0, 0, 0, 0, 0, 0, PHASE_CONTINUOUS, 0, 0, 0, 0, 0, 0, 0},
      {"reset", RESET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}},
    {"risk",
     PHASE_CONTINUOUS,
     20,
     {{"buy 10 at 100", NEW, 0, 1, 0, 1, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"buy 20 at 101", NEW, 0, 3, 0, 1, 2, 1, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"sell 10 at 101", NEW, 0, 3, 1, 2, 2, 0, 3, 0, 0, 10, 101, 0, 0, 0, 0, 0},
      {"sell 20 at 100", NEW, 0, 1, 1, 2, 2, 0, 3, 0, 0, 20, 100, 0, 0, 0, 0, 0},
      {"sell 15 at 102", NEW, 0, 2, 0, 2, 2, 0, 3, 0, 0, 15, 102, 0, 0, 0, 0, 0},
      {"buy IOC 25 at 102", NEW, 0, 1, 0, 1, 2, 3, 3, 0, 0, 25, 102, 0, 0, 0, 0, 0},
      {"sell FOK 20 at 100", NEW, 0, 2, 1, 2, 2, 4, 3, 0, 0, 20, 100, 0, 0, 0, 0, 0},
      {"sell stop 10 at 100", NEW, 0, 1, 0, 2, 3, 0, 3, 0, 0, 10, 0, 100, 0, 0, 0, 0},
      {"cancel the first", CANCEL, FIRST, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
      {"amend the first to 30", AMEND, FIRST, 0, 0, 0, 0, 0, 3, 0, 0, 30, 0, 0, 0, 0, 0, 0},
      {"amend the last to 101", AMEND, LAST, 0, 0, 0, 0, 0, 3, 0, 0, 0, 101, 0, 0, 0, 0, 0},
      {"limits of account 16", SET, 0, 0, 0, 0, 0, 0, 0, 0, OF_ACCOUNT, 0, 0, 0, 0, 0, 0, 0},
      {"limits of member 2", SET, 0, 0, 0, 0, 0, 0, 0, 0, OF_MEMBER, 0, 0, 0, 0, 0, 0, 0},
      {"limits of session 1", SET, 0, 0, 0, 0, 0, 0, 0, 0, OF_SESSION, 0, 0, 0, 0, 0, 0, 0},
      {"band", SET, 0, 0, 0, 0, 0, 0, 0, 0, BAND, 0, 0, 0, 0, 0, 0, 0},
      {"band, position", SET, 0, 0, 0, 0, 0, 0, 0, 0, BAND_AND_POSITION, 0, 0, 0, 0, 0, 0, 0},
      {"kill account 20", SET, 0, 0, 0, 0, 0, 0, 0, 0, KILLED, 0, 0, 0, 0, 0, 0, 0},
      {"kill member 1", SET, 0, 0, 0, 0, 0, 0, 0, 0, ALL_KILLED, 0, 0, 0, 0, 0, 0, 0},
      {"member 1 lives", SET, 0, 0, 0, 0, 0, 0, 0, 0, ALIVE, 0, 0, 0, 0, 0, 0, 0},
      {"wait", WAIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000}}},
    {"money",
     PHASE_CONTINUOUS,
     20,
     {{"buy 10 at 100", NEW, 0, 1, 0, 1, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"buy 20 at 101", NEW, 0, 3, 0, 1, 2, 1, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"sell 10 at 100", NEW, 0, 3, 1, 2, 2, 0, 3, 0, 0, 10, 100, 0, 0, 0, 0, 0},
      {"sell 20 at 101", NEW, 0, 1, 0, 2, 2, 0, 3, 0, 0, 20, 101, 0, 0, 0, 0, 0},
      {"sell 15 at 100, decrement", NEW, 0, 1, 1, 2, 2, 0, 3, 4, 0, 15, 100, 0, 0, 0, 0, 0},
      {"amend the last to 40", AMEND, LAST, 0, 0, 0, 0, 0, 3, 0, 0, 40, 0, 0, 0, 0, 0, 0},
      {"fees of both", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, FEES_BOTH, 0, 0, 0, 0, 0, 0},
      {"fees of the account", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, FEES_ACCOUNT, 0, 0, 0, 0, 0, 0},
      {"fees in the instrument", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, FEES_INSTRUMENT, 0, 0, 0, 0, 0,
       0},
      {"fees removed", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, FEES_REMOVED, 0, 0, 0, 0, 0, 0},
      {"tokens leave", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TOKENS_LEAVE, 0, 0, 0, 0, 0, 0},
      {"cash leaves", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASH_LEAVES, 0, 0, 0, 0, 0, 0},
      {"cash deposited", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASH_DEPOSITED, 0, 0, 0, 0, 0, 0},
      {"cash covered", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, CASH_COVERED, 0, 0, 0, 0, 0, 0},
      {"tokens transferred", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRANSFERRED, 0, 0, 0, 0, 0, 0},
      {"trade fails", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRADE_FAILS, 0, 0, 0, 0, 0, 0},
      {"trade retried", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRADE_RETRIED, 0, 0, 0, 0, 0, 0},
      {"trade busted", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRADE_BUSTED, 0, 0, 0, 0, 0, 0},
      {"trade dearer", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRADE_DEARER, 0, 0, 0, 0, 0, 0},
      {"trade fewer", MONEY, 0, 0, 0, 0, 0, 0, 0, 0, 0, TRADE_FEWER, 0, 0, 0, 0, 0, 0}}},
};

struct node { // what to go back to
    uint8_t *engine;
    struct naive_venue naive;
    struct balance_rec folded[NAIVE_ACCOUNTS][NAIVE_ASSETS];
    struct money_walk money;
    uint64_t sequence, now, gateway_seq, digest;
};

struct walk {
    const struct alphabet *alphabet;
    struct beside *beside;
    uint32_t depth, at;
    uint32_t letters[DEPTH_MAX];
    uint64_t first_order; // ids in the sequence are from here on
    uint64_t sequences;
    struct money_walk money;
    struct node nodes[DEPTH_MAX];
};

// ---- letters

static void make_new(struct walk *walk, const struct letter *letter)
{
    struct beside *beside = walk->beside;
    uint64_t expires = letter->lives_ns != 0 ? beside->now + letter->lives_ns : 0;
    bool terms = letter->stop != 0 || letter->trail != 0 || letter->display != 0 ||
                 letter->minimum != 0 || expires != 0;
    struct command *command = beside_start(beside, terms ? CMD_order_new_terms : CMD_order_new,
                                           universe_gateway_of(letter->session));
    struct order_new_terms_cmd body = {.account = universe_account(letter->session, letter->which),
                                       .instrument = INSTRUMENT,
                                       .side = letter->side,
                                       .type = letter->type,
                                       .tif = letter->tif,
                                       .flags = letter->flags,
                                       .client_id_bytes = 1,
                                       .stp = letter->stp,
                                       .price = letter->price * TICK,
                                       .quantity = letter->quantity,
                                       .stop_price = letter->stop * TICK,
                                       .trail_offset = letter->trail * TICK,
                                       .display_quantity = letter->display,
                                       .minimum_quantity = letter->minimum,
                                       .expire_ns = expires};
    memcpy(&command->body, &body, terms ? sizeof(body) : sizeof(command->body.order_new));
    command->header.session = letter->session;
    command->header.slots = command_slots(command->header.type, 1);
    *command_tail_writable(command) = 'n';
}

// The first or the last open order of this sequence. NULL: there is none.
static const struct naive_order *named(const struct walk *walk, enum whom whom)
{
    const struct naive_venue *naive = &walk->beside->naive;
    const struct naive_order *found = NULL;
    for (uint32_t i = 0; i < naive->order_top; i++) {
        const struct naive_order *order = &naive->orders[i];
        if (order->id >= walk->first_order &&
            (found == NULL || (whom == FIRST ? order->id < found->id : order->id > found->id)))
            found = order;
    }
    return found;
}

static bool make_named(struct walk *walk, const struct letter *letter)
{
    const struct naive_order *order = named(walk, letter->whom);
    if (order == NULL)
        return false;
    bool amends = letter->deed == AMEND;
    struct command *command =
        beside_start(walk->beside, amends ? CMD_order_amend : CMD_order_cancel,
                     universe_gateway_of(order->session));
    command->header.session = order->session;
    command->header.slots = command_slots(command->header.type, 1);
    if (amends)
        command->body.order_amend = (struct order_amend_cmd){.order = order->id,
                                                             .account = order->account,
                                                             .client_id_bytes = 1,
                                                             .flags = letter->flags,
                                                             .quantity = letter->quantity,
                                                             .price = letter->price * TICK,
                                                             .stop_price = letter->stop * TICK};
    else
        command->body.order_cancel = (struct order_cancel_cmd){
            .order = order->id, .account = order->account, .client_id_bytes = 1};
    *command_tail_writable(command) = 'a';
    return true;
}

static bool make_letter(struct walk *walk, const struct letter *letter)
{
    struct beside *beside = walk->beside;
    struct command *command = NULL;
    switch (letter->deed) {
    case NEW:
        make_new(walk, letter);
        return true;
    case CANCEL:
    case AMEND:
        return make_named(walk, letter);
    case PHASE:
        command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
        command->body.instrument_phase.instrument = INSTRUMENT;
        command->body.instrument_phase.phase = letter->word;
        return true;
    case SET:
        command = beside_start(beside, settings[letter->word].type, GATEWAY_ADMIN);
        memcpy(&command->body, &settings[letter->word].body, sizeof(settings->body));
        return true;
    case RESET:
        command = beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set.instrument = INSTRUMENT;
        return true;
    case MONEY:
        money_letter_make(&walk->money, beside, (enum money_letter)letter->quantity, INSTRUMENT);
        return true;
    case WAIT: // to the next deadline, whatever it is
        beside_ticks(beside, naive_deadline(&beside->naive) == UINT64_MAX
                                 ? beside->now
                                 : naive_deadline(&beside->naive));
        return false;
    default:
        return false;
    }
}

// ---- the tree

static size_t naive_bytes(const struct naive_venue *naive)
{
    return offsetof(struct naive_venue, orders) + naive->order_top * sizeof(naive->orders[0]);
}

static void leave_mark(struct walk *walk, struct node *node)
{
    const struct beside *beside = walk->beside;
    memcpy(node->engine, beside->engine, beside->engine_size);
    memcpy(&node->naive, &beside->naive, naive_bytes(&beside->naive));
    memcpy(node->folded, beside->folded, sizeof(node->folded));
    node->money = walk->money;
    node->sequence = beside->sequence;
    node->now = beside->now;
    node->gateway_seq = beside->gateway_seq;
    node->digest = beside->digest;
}

static void go_back(struct walk *walk, const struct node *node)
{
    struct beside *beside = walk->beside;
    uint32_t top = node->naive.order_top;
    memcpy(beside->engine, node->engine, beside->engine_size);
    if (beside->naive.order_top > top)
        memset(&beside->naive.orders[top], 0,
               (beside->naive.order_top - top) * sizeof(beside->naive.orders[0]));
    memcpy(&beside->naive, &node->naive, naive_bytes(&node->naive));
    memcpy(beside->folded, node->folded, sizeof(node->folded));
    walk->money = node->money;
    beside->sequence = node->sequence;
    beside->now = node->now;
    beside->gateway_seq = node->gateway_seq;
    beside->digest = node->digest;
}

static void descend(struct walk *walk)
{
    struct node *node = &walk->nodes[walk->at];
    leave_mark(walk, node);
    for (uint32_t i = 0; i < walk->alphabet->letter_count; i++) {
        walk->letters[walk->at] = i;
        if (make_letter(walk, &walk->alphabet->letters[i]))
            beside_apply(walk->beside);
        walk->sequences++;
        if (walk->at + 2 < walk->depth || walk->sequences % 64 == 0)
            beside_check(walk->beside);
        if (walk->at + 1 < walk->depth) {
            walk->at++;
            descend(walk);
            walk->at--;
        }
        go_back(walk, node);
    }
}

// ---- the beginning

static void set_up_market(struct walk *walk)
{
    struct beside *beside = walk->beside;
    struct command *command = beside_start(beside, CMD_instrument_set, GATEWAY_ADMIN);
    struct instrument_rec terms = universe_instruments[INSTRUMENT - 1];
    terms.cash_asset = UNIVERSE_CASH;
    terms.status = TOKEN_SECONDARY;
    terms.trading_mode = MODE_FULL_ORDERBOOK;
    terms.breaker_bps = 150; // a trade at 102 trips it
    memcpy(&command->body, &terms, sizeof(terms));
    beside_apply(beside);
    command = beside_start(beside, CMD_instrument_rules_set, GATEWAY_ADMIN);
    command->body.instrument_rules_set = (struct instrument_rules_set_cmd){
        .instrument = INSTRUMENT, .volatility_bps = 250}; // none at 103
    beside_apply(beside);
    command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
    command->body.reference_set =
        (struct reference_set_cmd){.instrument = INSTRUMENT, .price = 100 * TICK};
    beside_apply(beside);
    for (uint32_t session = 1; session <= 3; session++)
        for (uint32_t which = 0; which < 2; which++) {
            universe_deposit(beside, universe_account(session, which), UNIVERSE_CASH,
                             (int64_t)10000 * 1000000);
            universe_deposit(beside, universe_account(session, which), 2, 10000);
        }
}

static void set_up_phase(struct walk *walk, uint8_t phase)
{
    struct command *command = beside_start(walk->beside, CMD_instrument_phase, GATEWAY_ADMIN);
    command->body.instrument_phase.instrument = INSTRUMENT;
    command->body.instrument_phase.phase = phase;
    beside_apply(walk->beside);
}

// There is a last price: 100.
static void set_up_trade(struct walk *walk)
{
    static const struct letter buy = {.session = 1,
                                      .side = SIDE_BUY,
                                      .type = ORDER_LIMIT,
                                      .flags = 3,
                                      .quantity = 1,
                                      .price = 100};
    struct letter sell = buy;
    sell.session = 3;
    sell.side = SIDE_SELL;
    make_new(walk, &buy);
    beside_apply(walk->beside);
    make_new(walk, &sell);
    beside_apply(walk->beside);
}

static void open_walk(struct walk *walk)
{
    const struct engine_limits limits = {.accounts_max = 23,
                                         .members_max = 2,
                                         .sessions_max = 5,
                                         .session_accounts_max = 10,
                                         .assets_max = 4,
                                         .instruments_max = 3,
                                         .balances_max = 40,
                                         .orders_max = 16,
                                         .levels_max = 16,
                                         .stops_max = 5,
                                         .trailing_stops_max = 2,
                                         .fees_max = 4,
                                         .command_events_max = NAIVE_EVENTS};
    walk->beside->program = "exhaustive_test";
    walk->beside->follow = money_walk_follow;
    walk->beside->follower = &walk->money;
    walk->beside->now = (uint64_t)1790000000 * 1000000000;
    beside_open(walk->beside, &limits);
    universe_set_up(walk->beside);
    set_up_market(walk);
    set_up_phase(walk, PHASE_CONTINUOUS);
    set_up_trade(walk);
    set_up_phase(walk, walk->alphabet->phase);
    walk->first_order = walk->beside->sequence + 1;
    for (int i = 0; i < DEPTH_MAX; i++) {
        walk->nodes[i].engine = aligned_alloc(64, (walk->beside->engine_size + 63) / 64 * 64);
        ASSERT(walk->nodes[i].engine != NULL);
    }
}

static const struct walk *walked;

static void tell_sequence(void)
{
    if (walked == NULL)
        return;
    fprintf(stderr, "alphabet %s:", walked->alphabet->name);
    for (uint32_t i = 0; i <= walked->at; i++)
        fprintf(stderr, " [%s]", walked->alphabet->letters[walked->letters[i]].name);
    fprintf(stderr, "\n");
}

static void usage(void)
{
    fprintf(stderr,
            "exhaustive_test [--alphabet continuous|auction|stops|risk|money] [--depth 1..8]\n");
    exit(2);
}

int main(int count, char **words)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    ASSERT(walk != NULL);
    walk->beside = calloc(1, sizeof(*walk->beside));
    ASSERT(walk->beside != NULL);
    walk->alphabet = &alphabets[0];
    walk->depth = 4;
    for (int i = 1; i + 1 < count; i += 2)
        if (strcmp(words[i], "--depth") == 0) {
            walk->depth = (uint32_t)strtoul(words[i + 1], NULL, 10);
        } else if (strcmp(words[i], "--alphabet") == 0) {
            walk->alphabet = NULL;
            for (size_t k = 0; k < sizeof(alphabets) / sizeof(alphabets[0]); k++)
                if (strcmp(words[i + 1], alphabets[k].name) == 0)
                    walk->alphabet = &alphabets[k];
            if (walk->alphabet == NULL)
                usage();
        }
    if (walk->depth == 0 || walk->depth > DEPTH_MAX)
        usage();
    walked = walk;
    walk->beside->on_abort = tell_sequence;
    open_walk(walk);
    descend(walk);
    printf("exhaustive_test: alphabet %s, %u letters, depth %u: %" PRIu64
           " sequences agree; %" PRIu64 " trades, %" PRIu64 " triggered, %" PRIu64
           " auctions, %" PRIu64 " rejected, %" PRIu64 " deficits, %" PRIu64 " corrected\n",
           walk->alphabet->name, walk->alphabet->letter_count, walk->depth, walk->sequences,
           walk->beside->coverage.events[EVT_trade],
           walk->beside->coverage.events[EVT_order_triggered],
           walk->beside->coverage.events[EVT_auction], walk->beside->coverage.events[EVT_rejected],
           walk->beside->coverage.events[EVT_deficit_changed],
           walk->beside->coverage.events[EVT_trade_corrected]);
    return 0;
}
