// Naive venue: what the engine must do, written to be read and not to be fast, sharing no source
// with it but the records and the reject codes. Orders stand in one array in the order they came;
// the best one is found by looking at all of them; amounts are multiplied and divided in 128 bits.
//
// It knows the small universe of the model test: ids below the limits here, one cash asset,
// reference data that is always valid. It writes the events (type and body) that the engine must
// write.
#ifndef LONJA_TESTS_MODEL_NAIVE_VENUE_H
#define LONJA_TESTS_MODEL_NAIVE_VENUE_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"
#include "schema/rejects.h"

enum {
    NAIVE_ACCOUNTS = 32,
    NAIVE_ASSETS = 8,
    NAIVE_INSTRUMENTS = 6,
    NAIVE_SESSIONS = 8,
    NAIVE_MEMBERS = 8,
    NAIVE_ORDERS = 512,
    NAIVE_EVENTS = 64, // per command: the engine's command_events_max
};

struct naive_order {
    uint64_t id;
    uint32_t account, instrument, session;
    uint8_t side, type, tif;
    int64_t price, quantity, leaves;
};

struct naive_session {
    struct session_rec terms;
    uint32_t accounts; // bit per account id
    uint32_t last_session_seq;
    bool open;
};

struct naive_venue {
    uint32_t orders_max, levels_max;
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
    struct instrument_rec instruments[NAIVE_INSTRUMENTS];
    struct instrument_state_rec states[NAIVE_INSTRUMENTS];
    struct member_rec members[NAIVE_MEMBERS];
    struct account_rec accounts[NAIVE_ACCOUNTS];
    struct naive_session sessions[NAIVE_SESSIONS];
    struct balance_rec balances[NAIVE_ACCOUNTS][NAIVE_ASSETS];
    struct naive_order orders[NAIVE_ORDERS]; // ascending by id
    uint32_t order_count;
    const struct command *command;
    bool unfinished; // the engine must ask for a continuation
    struct event events[NAIVE_EVENTS];
    uint32_t event_count;
};

void naive_apply(struct naive_venue *venue, const struct command *command);

#endif
