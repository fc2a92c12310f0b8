#include "settlement/settle_fake.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "settlement/settle_netting.h"

// Postgres as settlement sees it: every function is one transaction; it happens as a whole or not
// at all, and its answer may be lost either way.

const char fake_token[] = "0x00000000000000000000000000000000000000aa";
const char fake_seller[] = "0x00000000000000000000000000000000000000b1";
const char fake_seller2[] = "0x00000000000000000000000000000000000000b2";
const char fake_registry[] = "0x1100000000000000000000000000000000000000";
const char fake_buyer[] = "0x00000000000000000000000000000000000000c1";

#define GIGA UINT64_C(1000000000)

// ---- faults

uint64_t fake_random(struct fake_world *world, uint64_t below)
{
    uint64_t x = world->faults.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    world->faults.random = x;
    return (x >> 11) % below;
}

enum fake_fault fake_effect(struct fake_world *world)
{
    struct fake_faults *faults = &world->faults;
    enum fake_fault fault = FAKE_NONE;

    if (faults->dead)
        return FAKE_KILL_BEFORE;
    faults->effects++;
    if (faults->decide != NULL)
        fault = faults->decide();
    else if (faults->at != 0 && faults->effects == faults->at)
        fault = faults->kind;
    else if (faults->permille > 0 && fake_random(world, 1000) < faults->permille)
        fault = (enum fake_fault)(1 + fake_random(world, FAKE_FAULT_COUNT - 1));
    faults->injected += fault != FAKE_NONE;
    faults->dead = fault == FAKE_KILL_BEFORE || fault == FAKE_KILL_AFTER;
    return fault;
}

bool fake_is_before(enum fake_fault fault)
{
    return fault == FAKE_LOST_BEFORE || fault == FAKE_KILL_BEFORE;
}

// ---- one transaction for several steps

static struct fake_world before; // what `hold` found: of the rows

static void rows_copy(struct fake_world *to, const struct fake_world *from)
{
    enum {
        AT = offsetof(struct fake_world, nets),
        BYTES = offsetof(struct fake_world, gas_rows) + sizeof(unsigned) - AT,
    };

    memcpy((uint8_t *)to + AT, (const uint8_t *)from + AT, BYTES);
    memcpy(to->trades, from->trades, from->trade_count * sizeof(from->trades[0]));
    memcpy(to->requests, from->requests, from->request_top * sizeof(from->requests[0]));
}

// Others have gone on meanwhile: trades were recorded, retries asked for, blocks mined.
static void others_keep(struct fake_world *to, const struct fake_world *from)
{
    for (size_t i = 0; i < from->trade_count; i++) {
        if (i >= to->trade_count)
            to->trades[i] = from->trades[i];
        to->trades[i].executed = from->trades[i].executed;
        to->trades[i].retry_asked = from->trades[i].retry_asked;
    }
    to->trade_count = from->trade_count;
    for (size_t i = 0; i < from->request_top; i++) {
        if (i >= to->request_top || to->requests[i].request_id != from->requests[i].request_id)
            to->requests[i] = from->requests[i];
        to->requests[i].executed = from->requests[i].executed;
    }
    to->request_last = from->request_last;
    to->request_top = from->request_top;
    to->incident_count = from->incident_count;
    memcpy(to->incidents, from->incidents, sizeof(to->incidents));
}

// Everything that the worker has said since `hold` has never been.
static void roll_back(struct fake_world *world)
{
    if (!world->held)
        return;
    world->held = false;
    if (world->trade_count == before.trade_count) // else rows of new ones are behind
        world->row_count = before.row_count;
    others_keep(&before, world);
    rows_copy(world, &before);
}

// Begins a transaction. False: it does not take place.
static bool begin(struct fake_world *world, enum fake_fault *fault)
{
    bool held = world->held;

    *fault = fake_effect(world);
    if (*fault == FAKE_NONE && !world->leading)
        *fault = FAKE_LOST_BEFORE;
    bool lost = *fault != FAKE_NONE;
    if (world->store_refuses && *fault == FAKE_NONE)
        *fault = FAKE_LOST_BEFORE; // the session and the lock stay
    if (*fault != FAKE_NONE)
        roll_back(world);
    if (lost)
        world->leading = false; // the session is gone, and the lock with it
    return *fault == FAKE_NONE || (!held && !fake_is_before(*fault));
}

static enum settle_store_result end(enum fake_fault fault)
{
    return fault == FAKE_NONE ? SETTLE_STORE_OK : SETTLE_STORE_LOST;
}

#define BEGIN                                                                                      \
    struct fake_world *world = context;                                                            \
    enum fake_fault fault;                                                                         \
    if (!begin(world, &fault))                                                                     \
    return SETTLE_STORE_LOST

static enum settle_store_result store_hold(void *context)
{
    BEGIN;
    ASSERT(!world->held);
    world->held = fault == FAKE_NONE;
    rows_copy(&before, world);
    before.row_count = world->row_count;
    return end(fault);
}

static enum settle_store_result store_release(void *context)
{
    struct fake_world *world = context;
    ASSERT(world->held);
    enum fake_fault fault = fake_effect(world);

    if (fake_is_before(fault) || world->store_refuses)
        roll_back(world);
    if (fault != FAKE_NONE)
        world->leading = false;
    bool refused = world->store_refuses;
    world->held = false;
    return refused ? SETTLE_STORE_LOST : end(fault);
}

// ---- rows

size_t fake_trade_find(const struct fake_world *world, uint64_t trade_id)
{
    size_t low = 0, high = world->trade_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (world->trades[middle].trade_id < trade_id)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low < world->trade_count && world->trades[low].trade_id == trade_id);
    return low;
}

static struct fake_trade *trade_row(struct fake_world *world, uint64_t trade_id)
{
    return &world->trades[fake_trade_find(world, trade_id)];
}

static void trade_move(struct fake_world *world, struct fake_trade *trade,
                       enum settle_trade_state to, const char *reason)
{
    enum settle_trade_state from = trade->state;

    if (from != to)
        ASSERT(settle_trade_move_allowed(from, to));
    trade->state = to;
    trade->changed_ns = world->now_ns;
    snprintf(trade->reason, sizeof(trade->reason), "%s", reason != NULL ? reason : "");
    fake_history_trade(world, trade, from);
}

bool fake_is_told(const struct fake_trade *trade)
{
    return trade->turn == 0 || trade->turn == trade->trade_id;
}

static void result_queue(struct fake_world *world, const struct fake_trade *trade,
                         enum settlement_outcome outcome)
{
    if (!fake_is_told(trade))
        return;
    ASSERT(world->result_count < FAKE_RESULTS_MAX);
    struct settle_result *result = &world->results[world->result_count];
    *result = (struct settle_result){.result_id = world->result_count + 1};
    result->command.trade_id = trade->trade_id;
    result->command.outcome = (uint8_t)outcome;
    world->result_answered[world->result_count++] = false;
}

static struct fake_attempt *attempt_row(struct fake_world *world, uint64_t attempt_id)
{
    ASSERT(attempt_id > 0 && attempt_id <= world->attempt_count); // ids are places, from 1
    return &world->attempts[attempt_id - 1];
}

static void attempt_move(struct fake_world *world, struct fake_attempt *row,
                         enum settle_attempt_state to)
{
    enum settle_attempt_state from = row->attempt.state;

    ASSERT(settle_attempt_move_allowed(from, to));
    row->attempt.state = to;
    row->attempt.stands = NULL;
    fake_history_attempt(world, row, from);
}

// ---- custody: what transfers have taken of frozen units (chain.custody_entry)

chain_uint128 fake_venue_units(const struct fake_world *world, const struct fake_wallet *wallet)
{
    chain_uint128 units = wallet->venue_units;

    for (size_t i = 0; i < world->booked_count; i++)
        if (world->booked[i].wallet == wallet)
            units -= world->booked[i].units;
    return units;
}

// One entry a leg; of nothing there is none.
static void custody_entry(struct fake_world *world, const struct fake_request *request, size_t leg,
                          struct fake_wallet *wallet, chain_uint128 units)
{
    size_t of = (size_t)(request - world->requests);
    size_t at = 0;

    while (at < world->booked_count && (world->booked[at].of != of || world->booked[at].leg != leg))
        at++;
    if (units == 0 && at < world->booked_count)
        world->booked[at] = world->booked[--world->booked_count];
    if (units == 0)
        return;
    ASSERT(at < FAKE_UNFROZEN_MAX);
    world->booked[at] =
        (struct fake_unfrozen){.of = of, .leg = leg, .wallet = wallet, .units = units};
    if (at == world->booked_count)
        world->booked_count++;
}

static struct fake_request *request_of(struct fake_world *world, const struct settle_item *item);

static void custody_book(struct fake_world *world, const struct settle_item *item,
                         const struct settle_receipt *receipt)
{
    static struct settle_call scratch;
    const struct settle_call *moves = settle_netting_moves(&scratch, &item->call);
    size_t count;

    for (size_t i = 0; item->call.is_of_trades && i < moves->leg_count; i++) {
        size_t leg = settle_netting_leg_at(&item->call, i, &count);
        custody_entry(world, request_of(world, item), item->call.legs[leg].number,
                      fake_wallet(world, &moves->legs[i].from), receipt->unfrozen[leg]);
    }
}

// ---- incidents

static void incident_add(struct fake_world *world, const char *kind,
                         const struct fake_request *request, size_t trade)
{
    for (size_t i = 0; i < world->incident_count; i++)
        if (strcmp(world->incidents[i].kind, kind) == 0 && world->incidents[i].trade == trade &&
            world->incidents[i].request_id == request->request_id)
            return;
    ASSERT(world->incident_count < FAKE_INCIDENTS_MAX);
    world->incidents[world->incident_count++] =
        (struct fake_incident){.kind = kind, .request_id = request->request_id, .trade = trade};
}

size_t fake_close_incidents(struct fake_world *world)
{
    size_t closed = 0;

    for (size_t i = 0; i < world->incident_count; i++) {
        closed += !world->incidents[i].closed;
        world->incidents[i].closed = true;
    }
    return closed;
}

bool fake_has_incident(const struct fake_world *world, size_t trade)
{
    for (size_t i = 0; i < world->incident_count; i++)
        if (world->incidents[i].trade == trade)
            return true;
    return false;
}

// Of the one token that there is.
static bool is_halted(const struct fake_world *world, const struct fake_trade *trade)
{
    bool of_token = trade->contract != NULL && trade->contract[0] != '\0';

    for (size_t i = 0; of_token && i < world->incident_count; i++)
        if (!world->incidents[i].closed)
            return true;
    return false;
}

static struct fake_request *request_new(struct fake_world *world,
                                        const struct chain_address *token);

static struct fake_request *request_row(struct fake_world *world, uint64_t request_id)
{
    for (size_t i = 0; i < world->request_top; i++)
        if (world->requests[i].request_id == request_id)
            return &world->requests[i];
    ASSERT(false);
    return NULL;
}

static struct fake_request *request_of(struct fake_world *world, const struct settle_item *item)
{
    return request_row(world, item->call.request_id);
}

static struct fake_attempt *open_attempt(struct fake_world *world,
                                         const struct fake_request *request)
{
    struct fake_attempt *found = NULL;

    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (row->request != (size_t)(request - world->requests) ||
            !settle_attempt_is_open(row->attempt.state))
            continue;
        // One open attempt of a request at most, besides those that are given up.
        ASSERT(found == NULL || found->attempt.fate != SETTLE_FATE_NONE ||
               row->attempt.fate != SETTLE_FATE_NONE);
        if (found == NULL || found->attempt.fate != SETTLE_FATE_NONE)
            found = row;
    }
    return found;
}

// The open one among the item's bids.
static struct fake_attempt *open_of(struct fake_world *world, const struct settle_item *item)
{
    for (size_t i = 0; i < item->bid_count; i++)
        if (settle_attempt_is_open(attempt_row(world, item->bids[i].attempt_id)->attempt.state))
            return attempt_row(world, item->bids[i].attempt_id);
    return NULL;
}

// Its own bytes may still be mined.
static bool receipt_is_unknown(struct fake_world *world, const struct fake_trade *trade)
{
    for (size_t i = 0; i < world->request_top; i++) {
        const struct fake_request *request = &world->requests[i];
        if (request->request_id == 0 || open_attempt(world, request) == NULL)
            continue;
        for (size_t leg = 0; leg < request->leg_count; leg++)
            if (&world->trades[request->legs[leg].trade] == trade)
                return true;
    }
    return false;
}

size_t fake_committed(const struct fake_world *world, const uint8_t *raw, size_t len)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (row->raw_len == len && memcmp(&world->bytes[row->raw_at], raw, len) == 0)
            return row->attempt.state != SETTLE_ATTEMPT_PREPARED ? i : SIZE_MAX;
    }
    return SIZE_MAX;
}

size_t fake_keep(struct fake_world *world, const uint8_t *data, size_t len)
{
    size_t at = world->byte_count;

    ASSERT(len <= FAKE_BYTES_MAX - at);
    memcpy(&world->bytes[at], data, len);
    world->byte_count += len;
    return at;
}

// ---- the functions

static enum settle_store_result store_lead(void *context, bool *anew)
{
    struct fake_world *world = context;
    enum fake_fault fault = fake_effect(world);

    roll_back(world); // of a worker that has died
    *anew = !world->leading;
    world->leading = fault == FAKE_NONE;
    return end(fault);
}

static enum settle_store_result store_follow(void *context)
{
    BEGIN;
    world->leading = false;
    return end(fault);
}

static enum settle_store_result store_needs_signer(void *context, bool *needs)
{
    BEGIN;
    *needs = !world->signer_known && world->has_contracts;
    return end(fault);
}

static enum settle_store_result store_retry(void *context, size_t *retried, size_t *marks)
{
    BEGIN;
    *retried = *marks = 0; // nobody marks a trade here
    for (size_t i = 0; i < world->trade_count; i++) {
        struct fake_trade *trade = &world->trades[i];
        if (!trade->retry_asked)
            continue;
        trade->retry_asked = false;
        if (trade->state != SETTLE_TRADE_FAILED || receipt_is_unknown(world, trade))
            continue;
        trade_move(world, trade, SETTLE_TRADE_PENDING, NULL);
        trade->attempts = 0;
        result_queue(world, trade, SETTLEMENT_RETRIED);
        ++*retried;
    }
    return end(fault);
}

static struct fake_attempt *holder_of(struct fake_world *world, uint64_t nonce);

// The lowest that was given back, or the one behind all that were ever given.
static uint64_t nonce_free(struct fake_world *world)
{
    uint64_t lowest = world->nonce_next;

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (row->attempt.state == SETTLE_ATTEMPT_DROPPED && row->raw_len == 0 &&
            row->attempt.nonce < lowest && holder_of(world, row->attempt.nonce) == NULL)
            lowest = row->attempt.nonce;
    }
    return lowest;
}

static bool has_open_attempt(const struct fake_world *world, const struct fake_request *request)
{
    for (size_t i = 0; i < world->attempt_count; i++)
        if (&world->requests[world->attempts[i].request] == request &&
            settle_attempt_is_open(world->attempts[i].attempt.state))
            return true;
    return false;
}

static void abandonment_begin(struct fake_world *world, struct fake_request *request)
{
    size_t under_way = 0;

    for (size_t i = 0; i < world->attempt_count; i++) {
        struct settle_attempt *attempt = &world->attempts[i].attempt;
        if (&world->requests[world->attempts[i].request] != request ||
            !settle_attempt_is_open(attempt->state) || attempt->fate == SETTLE_FATE_OVER)
            continue;
        attempt->fate = SETTLE_FATE_ABANDON;
        under_way++;
    }
    request->abandoned = under_way > 0 ? FAKE_BEGUN : FAKE_KEPT;
    for (size_t i = 0; i < request->leg_count && fake_is_of_trades(request) && under_way > 0; i++) {
        struct fake_trade *trade = &world->trades[request->legs[i].trade];
        trade->held |= !request->legs[i].left && trade->state == SETTLE_TRADE_PROCESSING;
    }
}

static void abandonment_end(struct fake_world *world, struct fake_request *request)
{
    request->abandoned = FAKE_GIVEN_UP;
    for (size_t i = 0; i < world->attempt_count; i++)
        if (&world->requests[world->attempts[i].request] == request &&
            world->attempts[i].attempt.state == SETTLE_ATTEMPT_CONFIRMED)
            request->abandoned = FAKE_MINED_AFTER_ALL;
    for (size_t i = 0; i < request->leg_count && fake_is_of_trades(request) &&
                       request->abandoned == FAKE_MINED_AFTER_ALL;
         i++)
        world->trades[request->legs[i].trade].held = false;
}

static enum settle_store_result store_abandon(void *context, size_t *changed)
{
    BEGIN;
    *changed = 0;
    for (size_t i = 0; i < world->request_top; i++) {
        struct fake_request *request = &world->requests[i];
        bool begun = request->abandoned == FAKE_BEGUN;
        if (request->abandoned != FAKE_ASKED && (!begun || has_open_attempt(world, request)))
            continue;
        if (begun)
            abandonment_end(world, request);
        else
            abandonment_begin(world, request);
        ++*changed;
    }
    return end(fault);
}

bool fake_abandon(struct fake_world *world, const struct fake_trade *trade)
{
    for (size_t i = 0; i < world->request_top; i++) {
        struct fake_request *request = &world->requests[i];
        if (request->request_id == 0 || !request->open || request->abandoned != FAKE_KEPT ||
            !has_open_attempt(world, request))
            continue;
        for (size_t k = 0; k < request->leg_count && fake_is_of_trades(request); k++)
            if (&world->trades[request->legs[k].trade] == trade && !request->legs[k].left) {
                request->abandoned = FAKE_ASKED;
                return true;
            }
    }
    return false;
}

static enum settle_store_result store_nonce_get(void *context, bool *known, uint64_t *next,
                                                const struct chain_address *signer)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *known = world->signer_known;
    *next = nonce_free(world);
    return end(fault);
}

static enum settle_store_result store_nonce_set(void *context, const struct chain_address *signer,
                                                uint64_t next)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    world->signer_known = true;
    if (next > world->nonce_next)
        world->nonce_next = next;
    return end(fault);
}

static bool sells_what_it_buys(const struct fake_trade *trade, const struct fake_trade *other)
{
    return other != trade && other->buyer_wallet != NULL && trade->seller_wallet != NULL &&
           strcmp(other->buyer_wallet, trade->seller_wallet) == 0;
}

static bool inbound_of(const struct fake_world *world, const struct fake_trade *trade)
{
    for (size_t i = 0; i < world->trade_count; i++)
        if (sells_what_it_buys(trade, &world->trades[i]) &&
            world->trades[i].state != SETTLE_TRADE_SETTLED)
            return true;
    return false;
}

static enum settle_plan_result plan_of(struct chain_address *token, struct settle_leg *leg,
                                       const char **reason, const struct fake_trade *trade)
{
    const struct settle_trade_terms terms = {.contract_address = trade->contract,
                                             .buyer_wallet = trade->buyer_wallet,
                                             .seller_wallet = trade->seller_wallet,
                                             .quantity = trade->quantity,
                                             .scale = 2,
                                             .decimals = 18};
    *leg = (struct settle_leg){.trade_id = trade->trade_id};
    return settle_plan(token, leg, reason, &terms);
}

static bool is_due(struct fake_world *world, const struct fake_trade *trade)
{
    bool waits = trade->reason[0] != '\0' && strcmp(trade->reason, SETTLE_REASON_NEIGHBOUR) != 0 &&
                 strcmp(trade->reason, SETTLE_REASON_NET) != 0;

    return trade->state == SETTLE_TRADE_PENDING && !trade->held &&
           trade->attempts < world->attempts_max && !is_halted(world, trade) &&
           !receipt_is_unknown(world, trade) &&
           (!waits || world->now_ns - trade->changed_ns >= world->tick_ns);
}

// An earlier trade by which the seller gets units is on its way, or is not in this walk.
static bool is_blocked(struct fake_world *world, const struct fake_trade *trade)
{
    for (const struct fake_trade *other = world->trades; other < trade; other++) {
        struct chain_address token;
        struct settle_leg leg;
        const char *reason;
        bool is_open =
            other->state == SETTLE_TRADE_PENDING || other->state == SETTLE_TRADE_PROCESSING;
        if (!is_open || !sells_what_it_buys(trade, other))
            continue;
        if (other->state == SETTLE_TRADE_PROCESSING)
            return true;
        enum settle_plan_result plan = plan_of(&token, &leg, &reason, other);
        if (plan != SETTLE_PLAN_OFF_CHAIN && (plan == SETTLE_PLAN_WAIT || !is_due(world, other)))
            return true;
    }
    return false;
}

bool fake_is_of_trades(const struct fake_request *request)
{
    return request->operation == SETTLE_FORCED_TRANSFER;
}

struct fake_request *fake_request(struct fake_world *world, enum settle_operation operation,
                                  const char *arguments, const char *wallet, chain_uint128 units)
{
    struct chain_address contract;
    bool of_registry = operation == SETTLE_REGISTER_IDENTITY;

    ASSERT(address_parse(&contract, of_registry ? fake_registry : fake_token));
    struct fake_request *request = request_new(world, &contract);
    request->operation = operation;
    snprintf(request->arguments, sizeof(request->arguments), "%s", arguments);
    ASSERT(address_parse(&request->own.to, wallet));
    request->own.units = units;
    return request;
}

static struct fake_request *request_new(struct fake_world *world, const struct chain_address *token)
{
    size_t at = 0;

    while (at < world->request_top &&
           (world->requests[at].open || world->requests[at].has_attempts ||
            !fake_is_of_trades(&world->requests[at])))
        at++;
    ASSERT(at < FAKE_REQUESTS_MAX);
    if (at == world->request_top)
        world->request_top++;
    struct fake_request *request = &world->requests[at];
    *request =
        (struct fake_request){.request_id = ++world->request_last, .open = true, .token = *token};
    return request;
}

static uint32_t account_of(struct fake_world *world, const char *wallet)
{
    return (uint32_t)(fake_wallet_of(world, wallet) - world->wallets) + 1;
}

static struct settle_group walk; // of the claim that runs
static struct fake_request *walk_requests[SETTLE_GROUPS_MAX];

static void claim_add(struct fake_world *world, struct fake_trade *trade, size_t group,
                      const struct chain_address *token, const struct settle_leg *leg)
{
    ASSERT(!trade->request_open && !trade->done); // exactly once
    if (walk_requests[group] == NULL)
        walk_requests[group] = request_new(world, token);
    struct fake_request *request = walk_requests[group];
    request->legs[request->leg_count] = (struct fake_leg){.trade = (size_t)(trade - world->trades),
                                                          .number = (uint8_t)request->leg_count};
    request->leg_count++;
    trade->tx_hash = (struct chain_hash){{0}};
    trade_move(world, trade, SETTLE_TRADE_PROCESSING, NULL);
    trade->request_open = true;
    trade->leg = *leg;
}

// False: there is no room for more.
static bool claim_one(struct fake_world *world, struct fake_trade *trade,
                      struct settle_claim *claim)
{
    const char *reason = NULL;
    struct chain_address token;
    struct settle_leg leg;
    size_t group = 0;
    enum settle_plan_result plan = plan_of(&token, &leg, &reason, trade);

    if (plan == SETTLE_PLAN_WAIT) {
        snprintf(trade->reason, sizeof(trade->reason), "%s", reason);
        fake_history_trade(world, trade, trade->state);
    }
    if (plan == SETTLE_PLAN_REFUSED) {
        trade_move(world, trade, SETTLE_TRADE_FAILED, reason);
        result_queue(world, trade, SETTLEMENT_FAILED);
        claim->refused++;
    }
    if (plan != SETTLE_PLAN_ON_CHAIN)
        return true;
    const struct settle_group_trade candidate = {.token = 1,
                                                 .buyer = account_of(world, trade->buyer_wallet),
                                                 .seller = account_of(world, trade->seller_wallet),
                                                 .limit = trade->limit,
                                                 .is_blocked = trade->blocked};
    enum settle_group_answer answer =
        settle_group_next(&walk, &group, &candidate, claim->requests_max);
    if (answer == SETTLE_GROUP_TAKEN) {
        claim_add(world, trade, group, &token, &leg);
        claim->claimed++;
    }
    return answer != SETTLE_GROUP_FULL;
}

// The movements of one turn: all of them in a request of their own, or none.
static void claim_turn(struct fake_world *world, struct fake_trade *first, size_t moves,
                       struct settle_claim *claim)
{
    bool due = claim->requests_max > 0;

    if (world->now_ns >= first->sign_before_ns) {
        for (size_t i = 0; i < moves; i++)
            trade_move(world, &first[i], SETTLE_TRADE_FAILED, SETTLE_REASON_CUT_OFF);
        result_queue(world, first, SETTLEMENT_FAILED);
        claim->refused += moves;
        return;
    }
    for (size_t i = 0; i < moves; i++)
        due &= is_due(world, &first[i]);
    if (!due)
        return;
    walk_requests[0] = NULL;
    for (size_t i = 0; i < moves; i++) {
        const char *reason = NULL;
        struct chain_address token;
        struct settle_leg leg;
        ASSERT(plan_of(&token, &leg, &reason, &first[i]) == SETTLE_PLAN_ON_CHAIN);
        claim_add(world, &first[i], 0, &token, &leg);
    }
    claim->requests_max--;
    claim->claimed += moves;
}

static void claim_turns(struct fake_world *world, struct settle_claim *claim)
{
    for (size_t i = 0, moves; i < world->trade_count; i += moves) {
        struct fake_trade *first = &world->trades[i];
        for (moves = 1; first->turn != 0 && i + moves < world->trade_count; moves++)
            if (first[moves].turn != first->turn)
                break;
        if (first->turn != 0 && first->state == SETTLE_TRADE_PENDING)
            claim_turn(world, first, moves, claim);
    }
}

static enum settle_store_result store_claim(void *context, struct settle_claim *claim)
{
    BEGIN;
    bool room = true;
    claim->claimed = claim->refused = 0;
    if (claim->requests_max > SETTLE_GROUPS_MAX)
        claim->requests_max = SETTLE_GROUPS_MAX;
    claim_turns(world, claim);
    settle_group_begin(&walk, claim->batch_max);
    memset(walk_requests, 0, sizeof(walk_requests));
    for (size_t i = 0; i < world->trade_count; i++)
        world->trades[i].blocked =
            is_due(world, &world->trades[i]) && is_blocked(world, &world->trades[i]);
    for (size_t i = 0; room && i < world->trade_count; i++)
        if (world->trades[i].turn == 0 && is_due(world, &world->trades[i]))
            room = claim->claimed + claim->refused < claim->trades_max &&
                   claim_one(world, &world->trades[i], claim);
    return end(fault);
}

static enum settle_store_result store_off_chain(void *context, size_t *settled, size_t max,
                                                bool again)
{
    BEGIN;
    (void)again; // it is short, and looked at as a whole
    *settled = 0;
    for (size_t i = 0; i < world->trade_count && *settled < max; i++) {
        struct fake_trade *trade = &world->trades[i];
        const char *reason = NULL;
        struct chain_address token;
        struct settle_leg leg;
        if (trade->state != SETTLE_TRADE_PENDING || is_halted(world, trade) ||
            plan_of(&token, &leg, &reason, trade) != SETTLE_PLAN_OFF_CHAIN)
            continue;
        trade_move(world, trade, SETTLE_TRADE_SETTLED, reason);
        result_queue(world, trade, SETTLEMENT_SETTLED);
        ++*settled;
    }
    return end(fault);
}

static const struct fake_trade *first_move(const struct fake_world *world,
                                           const struct fake_request *request)
{
    const struct fake_trade *trade = &world->trades[request->legs[0].trade];

    return fake_is_of_trades(request) && request->leg_count > 0 && trade->turn != 0 ? trade : NULL;
}

bool fake_is_late(const struct fake_world *world, const struct fake_request *request)
{
    const struct fake_trade *first = first_move(world, request);

    return first != NULL && world->now_ns >= first->sign_before_ns;
}

// All movements of its turn and nothing else, and all in the same state.
static void check_turn(const struct fake_world *world, const struct fake_request *request)
{
    const struct fake_trade *first = first_move(world, request);
    size_t moves = 0;

    for (size_t i = 0; i < world->trade_count && first != NULL; i++)
        moves += world->trades[i].turn == first->turn;
    for (size_t i = 0; i < request->leg_count && fake_is_of_trades(request); i++) {
        const struct fake_trade *trade = &world->trades[request->legs[i].trade];
        ASSERT(first != NULL ? request->leg_count == moves : trade->turn == 0);
        ASSERT(first == NULL || (trade->turn == first->turn && trade->state == first->state));
        ASSERT(first == NULL || request->legs[i].left == request->legs[0].left);
    }
}

static void item_fill(struct fake_world *world, struct settle_item *item,
                      const struct fake_request *request, const struct fake_attempt *open)
{
    *item = (struct settle_item){0};
    item->call.request_id = request->request_id;
    item->signer = world->signer;
    item->call.is_of_trades = fake_is_of_trades(request);
    item->call.decimals = 18;
    item->call.operation =
        request->leg_count > 1 ? SETTLE_BATCH_FORCED_TRANSFER : request->operation;
    item->call.contract = request->token;
    // The worker reads the clock on the wall, which the world's is not.
    if (first_move(world, request) != NULL)
        item->sign_before_ns = fake_is_late(world, request) ? 1 : UINT64_MAX;
    for (size_t i = 0; open != NULL && i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (row->request == open->request && row->attempt.nonce == open->attempt.nonce &&
            row->attempt.state != SETTLE_ATTEMPT_DROPPED)
            item->bids[item->bid_count++] = row->attempt;
    }
}

static bool item_before(const struct settle_item *a, const struct settle_item *b)
{
    if (a->bid_count > 0 && b->bid_count > 0)
        return a->bids[0].nonce < b->bids[0].nonce;
    if (a->bid_count == 0 && b->bid_count == 0)
        return a->call.request_id < b->call.request_id;
    return a->bid_count > 0;
}

static void item_add(struct settle_item *items, size_t *count, const struct settle_item *item)
{
    size_t at = *count;

    for (; at > 0 && item_before(item, &items[at - 1]); at--)
        items[at] = items[at - 1];
    items[at] = *item;
    ++*count;
}

static enum settle_store_result store_load(void *context, struct settle_item *items, size_t *count,
                                           size_t max)
{
    static struct settle_item item; // of 10 KB
    BEGIN;
    *count = 0;
    for (size_t i = 0; i < world->attempt_count && *count < max; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (!settle_attempt_is_open(row->attempt.state))
            continue;
        item_fill(world, &item, &world->requests[row->request], row);
        item_add(items, count, &item);
    }
    for (size_t i = 0; i < world->request_top && *count < max; i++) {
        const struct fake_request *request = &world->requests[i];
        if (!request->open || open_attempt(world, request) != NULL ||
            (request->reason[0] != '\0' && world->now_ns - request->changed_ns < world->tick_ns))
            continue;
        item_fill(world, &item, request, NULL);
        item_add(items, count, &item);
    }
    return end(fault);
}

static enum settle_store_result store_legs(void *context, struct settle_item *item)
{
    BEGIN;
    const struct fake_request *request = request_of(world, item);
    item->call.leg_count = 0;
    item->call.is_netted = request->is_netted;
    item->may_net = world->netting;
    if (!item->call.is_of_trades && request->operation != SETTLE_CANCEL_NONCE)
        item->call.legs[item->call.leg_count++] = request->own;
    for (size_t i = 0; i < request->leg_count; i++) {
        struct settle_leg *leg = &item->call.legs[item->call.leg_count++];
        *leg = world->trades[request->legs[i].trade].leg;
        leg->number = request->legs[i].number;
        leg->net_id = request->legs[i].net_id;
        leg->place = request->legs[i].place;
        item->may_net &= world->trades[request->legs[i].trade].net_id == 0;
    }
    return end(fault);
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    BEGIN;
    const struct fake_attempt *row = attempt_row(world, attempt_id);
    ASSERT(row->raw_len > 0 && row->raw_len <= *len);
    memcpy(raw, &world->bytes[row->raw_at], row->raw_len);
    *len = row->raw_len;
    return end(fault);
}

static enum settle_store_result store_arguments(void *context, char *arguments, uint64_t request_id)
{
    BEGIN;
    snprintf(arguments, SETTLE_ARGUMENTS_MAX, "%s", request_row(world, request_id)->arguments);
    return end(fault);
}

static enum settle_store_result store_calldata(void *context, uint8_t *calldata, size_t *len,
                                               uint64_t attempt_id)
{
    BEGIN;
    const struct fake_attempt *row = attempt_row(world, attempt_id);
    ASSERT(row->calldata_len <= *len);
    memcpy(calldata, &world->bytes[row->calldata_at], row->calldata_len);
    *len = row->calldata_len;
    return end(fault);
}

static void request_end(struct fake_world *world, struct fake_request *request, enum fake_end how,
                        const char *reason)
{
    ASSERT(!fake_is_of_trades(request));
    request->end = how;
    request->open = how == FAKE_OPEN;
    request->changed_ns = world->now_ns;
    snprintf(request->reason, sizeof(request->reason), "%s", reason);
}

static enum settle_store_result store_finish(void *context, const struct settle_item *item,
                                             enum settle_finish finish, const char *reason)
{
    BEGIN;
    struct fake_request *request = request_of(world, item);
    ASSERT(open_attempt(world, request) == NULL);
    request_end(world, request,
                finish == SETTLE_FINISH_DONE       ? FAKE_CONFIRMED
                : finish == SETTLE_FINISH_REJECTED ? FAKE_REJECTED
                                                   : FAKE_OPEN,
                reason);
    return end(fault);
}

// Its attempt had no effect: again, or not.
static void request_failed(struct fake_world *world, struct fake_request *request, bool again,
                           const char *reason)
{
    request->failures++;
    request_end(world, request,
                again && request->failures < world->attempts_max ? FAKE_OPEN : FAKE_REVERTED,
                reason);
}

static void trade_end(struct fake_world *world, struct fake_trade *trade,
                      const struct settle_ending *ending)
{
    bool counted = ending->end == SETTLE_END_COUNT || ending->is_counted;

    trade->request_open = trade->done = false;
    if (trade->state == SETTLE_TRADE_SETTLED) // its transaction was lost, and came again otherwise
        return;
    trade->attempts += counted;
    trade->total_attempts += counted;
    if (ending->limit > 0)
        trade->limit = ending->limit;
    if (ending->end == SETTLE_END_FAIL || (counted && trade->attempts >= world->attempts_max)) {
        ASSERT(ending->reason[0] != '\0');
        trade_move(world, trade, SETTLE_TRADE_FAILED, ending->reason);
        result_queue(world, trade, SETTLEMENT_FAILED);
    } else {
        trade_move(world, trade, SETTLE_TRADE_PENDING, ending->reason);
    }
}

static struct fake_leg *leg_row(struct fake_request *request, const struct settle_leg *leg)
{
    for (size_t i = 0; i < request->leg_count; i++)
        if (request->legs[i].number == leg->number)
            return &request->legs[i];
    ASSERT(false);
    return NULL;
}

// All trades of a net of zero are settled together.
static void netted_to_zero(struct fake_world *world, const struct settle_item *item, size_t at)
{
    const struct settle_leg *leg = &item->call.legs[at];
    struct fake_trade *trade = trade_row(world, leg->trade_id);
    chain_uint128 sum = 0;
    size_t members = 0;

    ASSERT(item->call.is_netted && leg->net_id != 0 && leg->place == SETTLE_PLACE_NONE);
    ASSERT(trade->net_id == 0 && trade->request_open);
    for (size_t i = 0; i < item->call.leg_count; i++) {
        const struct settle_leg *other = &item->call.legs[i];
        if (other->net_id != leg->net_id)
            continue;
        ASSERT(other->place == SETTLE_PLACE_NONE);
        members++;
        sum += address_equal(&other->from, &leg->from) ? other->units : -other->units;
    }
    ASSERT(members > 1 && sum == 0);
    trade->net_id = leg->net_id;
    trade->to_zero = trade->done = true;
    trade->request_open = false;
    trade_move(world, trade, SETTLE_TRADE_SETTLED, SETTLE_REASON_NET_ZERO);
    result_queue(world, trade, SETTLEMENT_SETTLED);
    world->zero_nets += leg->net_id == leg->trade_id;
}

// Each leg as its own ending says, or all as one does. Returns how many stay.
static size_t legs_end(struct fake_world *world, const struct settle_item *item,
                       const struct settle_ending *endings, bool each)
{
    struct fake_request *request = request_of(world, item);
    size_t stay = 0;

    if (!item->call.is_of_trades)
        return 0;
    for (size_t i = 0; i < item->call.leg_count; i++) {
        const struct settle_ending *ending = &endings[each ? i : 0];
        struct fake_leg *leg = leg_row(request, &item->call.legs[i]);
        if (ending->end == SETTLE_END_STAY) {
            stay++;
            continue;
        }
        if (ending->end == SETTLE_END_NETTED) {
            leg->left = true;
            netted_to_zero(world, item, i);
            continue;
        }
        ASSERT(world->trades[leg->trade].trade_id == item->call.legs[i].trade_id);
        if (leg->left) // back already: it was elsewhere when the others came back
            continue;
        leg->left = true;
        custody_entry(world, request, leg->number, NULL, 0); // what it took it has given back
        trade_end(world, &world->trades[leg->trade], ending);
    }
    request->open = stay > 0;
    check_turn(world, request);
    return stay;
}

// Those that left before anything was signed are in no calldata.
static void legs_forget(struct fake_request *request)
{
    size_t stay = 0;

    for (size_t i = 0; i < request->leg_count; i++)
        if (!request->legs[i].left)
            request->legs[stay++] = request->legs[i];
    request->leg_count = stay;
}

static enum settle_store_result store_leave(void *context, const struct settle_item *item,
                                            const struct settle_ending *endings,
                                            const struct erc3643_evidence *evidence)
{
    BEGIN;
    ASSERT(open_attempt(world, request_of(world, item)) == NULL);
    for (size_t i = 0; i < item->call.leg_count; i++) {
        ASSERT(endings[i].end != SETTLE_END_COUNT && !endings[i].is_counted);
        world->checks +=
            evidence != NULL && endings[i].end != SETTLE_END_STAY && endings[i].has_evidence;
    }
    (void)legs_end(world, item, endings, true);
    legs_forget(request_of(world, item));
    return end(fault);
}

static enum settle_store_result store_netting_refused(void *context, const struct settle_item *item,
                                                      const char *why)
{
    BEGIN;
    ASSERT(item->call.is_of_trades);
    snprintf(world->netting_refused, sizeof(world->netting_refused), "%s", why != NULL ? why : "");
    return end(fault);
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_leg *leg)
{
    BEGIN;
    *open = inbound_of(world, trade_row(world, leg->trade_id));
    return end(fault);
}

// A trade is in one net, ever.
static void nets_keep(struct fake_world *world, struct fake_request *request,
                      const struct settle_item *item)
{
    request->is_netted = item->call.is_netted;
    for (size_t i = 0; item->call.is_netted && i < item->call.leg_count; i++) {
        const struct settle_leg *leg = &item->call.legs[i];
        struct fake_leg *row = leg_row(request, leg);
        struct fake_trade *trade = &world->trades[row->trade];

        ASSERT(leg->place != SETTLE_PLACE_NONE && trade->net_id == 0);
        row->net_id = trade->net_id = leg->net_id;
        row->place = leg->place;
        world->nets += leg->net_id == leg->trade_id;
    }
}

// What the trades at a place would move by themselves, from the call's sender to its receiver.
static chain_uint128 owed_at(const struct fake_world *world, const struct fake_request *request,
                             size_t place, const struct settle_leg *move)
{
    chain_uint128 owed = 0;
    size_t at = 0;

    for (size_t i = 0; i < request->leg_count; i++) {
        const struct settle_leg *leg = &world->trades[request->legs[i].trade].leg;
        bool is_along = address_equal(&leg->from, &move->from);

        if (request->legs[i].left || (request->is_netted ? request->legs[i].place : at++) != place)
            continue;
        ASSERT(address_equal(&leg->from, is_along ? &move->from : &move->to) &&
               address_equal(&leg->to, is_along ? &move->to : &move->from));
        owed += is_along ? leg->units : -leg->units;
    }
    return owed;
}

// The calldata moves the legs that are in the request, and its batch id names their trades.
static void check_calldata(const struct fake_world *world, const struct fake_request *request,
                           const uint8_t *calldata, size_t len)
{
    static struct settle_call call;
    struct settle_batch_id id;
    uint64_t trades[SETTLE_LEGS_MAX];
    size_t count = 0;

    if (!fake_is_of_trades(request))
        return;
    ASSERT(fake_call_read(&call, &request->token, calldata, len));
    for (size_t i = 0; i < request->leg_count; i++) {
        if (request->legs[i].left)
            continue;
        const struct fake_trade *trade = &world->trades[request->legs[i].trade];
        ASSERT((request->is_netted ? request->legs[i].place : count) < call.leg_count);
        ASSERT(trade->state == SETTLE_TRADE_PROCESSING || trade->state == SETTLE_TRADE_SETTLED);
        trades[count++] = trade->trade_id;
    }
    check_turn(world, request);
    ASSERT(count >= call.leg_count && (request->is_netted || count == call.leg_count));
    ASSERT(len > SETTLE_BATCH_ID_BYTES);
    for (size_t i = 0; i < call.leg_count; i++)
        ASSERT(call.legs[i].units > 0 &&
               call.legs[i].units == owed_at(world, request, i, &call.legs[i]));
    ASSERT(settle_batch_id_read(&id, calldata + len - SETTLE_BATCH_ID_BYTES));
    ASSERT((id.kind == SETTLE_BATCH_NET) == request->is_netted && id.leg_count == call.leg_count);
    ASSERT(id.request_id == request->request_id && settle_batch_id_matches(&id, trades, count));
}

static enum settle_store_result store_prepare(void *context, struct settle_attempt *attempt,
                                              const struct settle_item *item,
                                              const struct chain_address *signer,
                                              const uint8_t *calldata, size_t calldata_len,
                                              const struct erc3643_evidence *evidence)
{
    BEGIN;
    struct fake_request *request = request_of(world, item);
    struct fake_attempt *open = open_of(world, item);
    ASSERT(address_equal(signer, &world->signer) && (request->open || open != NULL));
    if (open == NULL && item->call.is_of_trades)
        nets_keep(world, request, item);
    if (calldata_len > 0)
        check_calldata(world, request, calldata, calldata_len);
    else
        ASSERT(attempt->fate != SETTLE_FATE_NONE || request->operation == SETTLE_CANCEL_NONCE);
    // A nonce is given once; one that was given back, once more.
    ASSERT(open != NULL || holder_of(world, attempt->nonce) == NULL);
    if (open == NULL && request->operation == SETTLE_CANCEL_NONCE) {
        ASSERT(attempt->nonce < world->nonce_next && evidence == NULL);
    } else if (open == NULL) {
        bool of_trades = item->call.is_of_trades;
        ASSERT(attempt->nonce == nonce_free(world) && (evidence != NULL) == of_trades);
        for (size_t i = 0; of_trades && i < item->call.leg_count; i++)
            ASSERT(evidence[i].verdict == ERC3643_ALLOWED);
        world->nonce_next += attempt->nonce == world->nonce_next;
        world->checks += of_trades ? item->call.leg_count : 0;
        request->checked_block = of_trades ? evidence[0].block_number : 0;
        request->checked_hash = of_trades ? evidence[0].block_hash : (struct chain_hash){{0}};
    } else {
        ASSERT(attempt->nonce == open->attempt.nonce && evidence == NULL);
        attempt_move(world, open, SETTLE_ATTEMPT_REPLACED);
    }
    ASSERT(world->attempt_count < FAKE_ATTEMPTS_MAX);
    struct fake_attempt *row = &world->attempts[world->attempt_count++];
    *row = (struct fake_attempt){.attempt = *attempt,
                                 .request = (size_t)(request - world->requests),
                                 .calldata_at = fake_keep(world, calldata, calldata_len),
                                 .calldata_len = calldata_len};
    row->attempt.attempt_id = attempt->attempt_id = world->attempt_count;
    row->attempt.state = SETTLE_ATTEMPT_PREPARED;
    row->attempt.is_empty = calldata_len == 0;
    fake_history_attempt(world, row, FAKE_BORN);
    request->has_attempts = true;
    return end(fault);
}

static enum settle_store_result store_refuse(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_ending *ending)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    attempt_move(world, row, SETTLE_ATTEMPT_DROPPED);
    if (item->bid_count > 1) {
        attempt_move(world, attempt_row(world, item->bids[item->bid_count - 2].attempt_id),
                     SETTLE_ATTEMPT_SENT);
        return end(fault);
    }
    world->nonce_next -= world->nonce_next == row->attempt.nonce + 1;
    (void)legs_end(world, item, ending, false);
    if (!item->call.is_of_trades)
        request_end(world, request_of(world, item),
                    ending->end == SETTLE_END_FAIL ? FAKE_REJECTED : FAKE_OPEN, ending->reason);
    return end(fault);
}

static enum settle_store_result store_sign(void *context, const struct settle_attempt *attempt,
                                           const struct chain_address *signer, const uint8_t *raw,
                                           size_t len)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    ASSERT(address_equal(signer, &world->signer));
    attempt_move(world, row, SETTLE_ATTEMPT_SIGNED);
    row->raw_at = fake_keep(world, raw, len);
    row->raw_len = len;
    row->attempt.hash = attempt->hash;
    return end(fault);
}

// ---- what was lost

static struct fake_attempt *holder_of(struct fake_world *world, uint64_t nonce)
{
    for (size_t i = world->attempt_count; i > 0; i--) {
        struct fake_attempt *row = &world->attempts[i - 1];
        if (row->attempt.nonce == nonce &&
            (row->raw_len > 0 || row->attempt.state == SETTLE_ATTEMPT_PREPARED))
            return row;
    }
    return NULL;
}

static enum settle_store_result store_keys(void *context, struct chain_address *keys, size_t *count,
                                           size_t max)
{
    BEGIN;
    ASSERT(max > 0);
    *count = world->signer_known;
    keys[0] = world->signer;
    return end(fault);
}

static enum settle_store_result store_nonces_missing(void *context, uint64_t *nonces, size_t *count,
                                                     const struct chain_address *signer,
                                                     uint64_t from, uint64_t below)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *count = 0;
    for (uint64_t n = from > world->nonce_next ? from : world->nonce_next;
         n < below && *count < SETTLE_MISSING_MAX; n++)
        if (holder_of(world, n) == NULL)
            nonces[(*count)++] = n;
    return end(fault);
}

static bool is_this(const struct fake_world *world, const struct fake_attempt *row,
                    const struct settle_lost *lost)
{
    return row->attempt.state == SETTLE_ATTEMPT_PREPARED &&
           row->attempt.gas_limit == lost->gas_limit &&
           row->attempt.fees.max_fee_wei == lost->fees.max_fee_wei &&
           row->attempt.fees.priority_fee_wei == lost->fees.priority_fee_wei &&
           row->calldata_len == lost->calldata_len &&
           memcmp(&world->bytes[row->calldata_at], lost->calldata, lost->calldata_len) == 0;
}

static struct fake_request *request_find(struct fake_world *world, uint64_t request_id)
{
    for (size_t i = 0; i < world->request_top; i++)
        if (request_id != 0 && world->requests[i].request_id == request_id)
            return &world->requests[i];
    return NULL;
}

static void lost_insert(struct fake_world *world, size_t request, struct fake_attempt *open,
                        const struct settle_lost *lost)
{
    bool is_open = open == NULL || open->attempt.state != SETTLE_ATTEMPT_MINED;

    if (open != NULL && is_open)
        attempt_move(world, open,
                     open->attempt.state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                                    : SETTLE_ATTEMPT_REPLACED);
    ASSERT(world->attempt_count < FAKE_ATTEMPTS_MAX);
    struct fake_attempt *row = &world->attempts[world->attempt_count++];
    *row =
        (struct fake_attempt){.request = request,
                              .calldata_at = fake_keep(world, lost->calldata, lost->calldata_len),
                              .calldata_len = lost->calldata_len,
                              .raw_at = fake_keep(world, lost->raw, lost->raw_len),
                              .raw_len = lost->raw_len};
    row->attempt =
        (struct settle_attempt){.attempt_id = world->attempt_count,
                                .state = is_open ? SETTLE_ATTEMPT_SIGNED : SETTLE_ATTEMPT_REPLACED,
                                .nonce = lost->nonce,
                                .gas_limit = lost->gas_limit,
                                .fees = lost->fees,
                                .hash = lost->hash,
                                .is_empty = lost->calldata_len == 0};
    if (open != NULL)
        row->attempt.fate = open->attempt.fate;
    if (open != NULL && row->attempt.is_empty && row->attempt.fate == SETTLE_FATE_NONE)
        row->attempt.fate = SETTLE_FATE_CANCEL;
    fake_history_attempt(world, row, FAKE_BORN);
    world->requests[request].has_attempts = true;
    if (lost->nonce >= world->nonce_next)
        world->nonce_next = lost->nonce + 1;
}

static enum settle_store_result store_restore(void *context, enum settle_restored *restored,
                                              const struct settle_lost *lost)
{
    BEGIN;
    struct fake_attempt *holder = holder_of(world, lost->nonce);
    struct fake_attempt *open = NULL;
    size_t request = holder != NULL ? holder->request : SIZE_MAX;
    bool known = false;
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        known |= memcmp(&row->attempt.hash, &lost->hash, sizeof(lost->hash)) == 0;
        if (row->attempt.nonce == lost->nonce && settle_attempt_is_open(row->attempt.state))
            open = row;
    }
    *restored =
        known || (holder != NULL && open == NULL) ? SETTLE_RESTORE_KNOWN : SETTLE_RESTORE_DONE;
    if (*restored == SETTLE_RESTORE_KNOWN)
        return end(fault);
    if (holder != NULL && lost->calldata_len > 0 && holder->calldata_len > 0 &&
        (holder->calldata_len != lost->calldata_len ||
         memcmp(&world->bytes[holder->calldata_at], lost->calldata, lost->calldata_len) != 0)) {
        *restored = SETTLE_RESTORE_OTHER;
        return end(fault);
    }
    if (open != NULL && is_this(world, open, lost)) {
        attempt_move(world, open, SETTLE_ATTEMPT_SIGNED);
        open->raw_at = fake_keep(world, lost->raw, lost->raw_len);
        open->raw_len = lost->raw_len;
        open->attempt.hash = lost->hash;
        return end(fault);
    }
    struct fake_request *asker = request_find(
        world, lost->transfer != NULL ? lost->transfer->id.request_id : lost->request_id);
    if (holder == NULL && (asker == NULL || !asker->open)) {
        *restored = SETTLE_RESTORE_CANNOT;
        return end(fault);
    }
    lost_insert(world, holder != NULL ? request : (size_t)(asker - world->requests), open, lost);
    return end(fault);
}

void fake_lose_attempts(struct fake_world *world, size_t from)
{
    for (size_t i = from; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        ASSERT(settle_attempt_is_open(row->attempt.state) ||
               row->attempt.state == SETTLE_ATTEMPT_REPLACED);
        bool is_first = true;
        for (size_t k = 0; k < from; k++)
            is_first &= world->attempts[k].attempt.nonce != row->attempt.nonce;
        if (!is_first)
            continue;
        world->requests[row->request].has_attempts = false;
        if (row->attempt.nonce < world->nonce_next)
            world->nonce_next = row->attempt.nonce;
    }
    world->attempt_count = from;
}

static enum settle_store_result store_stands(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const char *reason)
{
    BEGIN;
    (void)item;
    attempt_row(world, attempt->attempt_id)->attempt.stands = reason;
    world->stands_written++;
    return end(fault);
}

static enum settle_store_result store_sent(void *context, const struct settle_item *item,
                                           const struct settle_attempt *attempt)
{
    BEGIN;
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_SENT);
    const struct fake_request *request = request_of(world, item);
    for (size_t i = 0; i < request->leg_count; i++) {
        struct fake_trade *trade = &world->trades[request->legs[i].trade];
        if (request->legs[i].left || trade->state != SETTLE_TRADE_PROCESSING)
            continue;
        trade->tx_hash = attempt->hash;
        fake_history_trade(world, trade, trade->state);
    }
    return end(fault);
}

static enum settle_store_result store_mined(void *context, const struct settle_item *item,
                                            const struct settle_attempt *attempt,
                                            const struct settle_receipt *receipt)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    struct fake_attempt *open = open_of(world, item);
    if (open != NULL && open != row)
        attempt_move(world, open,
                     open->attempt.state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                                    : SETTLE_ATTEMPT_REPLACED);
    attempt_move(world, row, SETTLE_ATTEMPT_MINED);
    row->attempt.mined_block = receipt->block_number;
    row->block_hash = receipt->block_hash;
    return end(fault);
}

static bool has_ended(const struct fake_attempt *row)
{
    return row->attempt.mined_block != 0 && !settle_attempt_is_open(row->attempt.state) &&
           row->attempt.state != SETTLE_ATTEMPT_REPLACED;
}

static enum settle_store_result store_ended_block(void *context, struct settle_ended_block *out,
                                                  uint64_t below)
{
    BEGIN;
    *out = (struct settle_ended_block){0};
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (has_ended(row) && row->attempt.mined_block < below &&
            row->attempt.mined_block > out->number)
            *out = (struct settle_ended_block){
                .found = true, .number = row->attempt.mined_block, .hash = row->block_hash};
    }
    return end(fault);
}

static enum settle_store_result store_ended_from(void *context, struct settle_ended_nonce *out,
                                                 size_t *count, size_t max, uint64_t block)
{
    BEGIN;
    *count = 0;
    for (size_t i = 0; i < world->attempt_count && max > 0; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        if (!has_ended(row) || row->attempt.mined_block < block ||
            (*count > 0 && row->attempt.nonce >= out[0].nonce))
            continue;
        out[0] = (struct settle_ended_nonce){.signer = world->signer, .nonce = row->attempt.nonce};
        *count = 1;
    }
    return end(fault);
}

static void trade_confirm(struct fake_world *world, struct fake_trade *trade,
                          const struct settle_attempt *attempt)
{
    trade->request_open = false;
    trade->done = true;
    if (trade->state == SETTLE_TRADE_SETTLED) { // after a deep reorganisation
        trade->lost = false;
        return;
    }
    trade->tx_hash = attempt->hash;
    trade->on_chain = true;
    trade_move(world, trade, SETTLE_TRADE_SETTLED, NULL);
    result_queue(world, trade, SETTLEMENT_SETTLED);
}

static void gas_book(struct fake_world *world, const struct settle_attempt *attempt)
{
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);

    ASSERT(!row->gas_booked); // once
    row->gas_booked = true;
    world->gas_rows++;
}

// The chain has lost it.
static void gas_unbook(struct fake_world *world, struct fake_attempt *row)
{
    world->gas_rows -= row->gas_booked;
    row->gas_booked = false;
}

// May one that had ended still be mined after all, and move it?
static bool may_return(const struct fake_world *world, size_t trade)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        const struct fake_request *request = &world->requests[row->request];
        if (row->attempt.fate != SETTLE_FATE_OVER || !settle_attempt_is_open(row->attempt.state))
            continue;
        for (size_t l = 0; l < request->leg_count; l++)
            if (request->legs[l].trade == trade)
                return true;
    }
    return false;
}

// What of the request's trades is settled, and has no transaction any more.
static void settled_lost(struct fake_world *world, const struct fake_request *request)
{
    if (!fake_is_of_trades(request))
        return;
    for (size_t i = 0; i < request->leg_count; i++) {
        struct fake_trade *trade = &world->trades[request->legs[i].trade];
        if (trade->state != SETTLE_TRADE_SETTLED || !trade->on_chain || trade->request_open ||
            trade->done || trade->lost || may_return(world, request->legs[i].trade))
            continue;
        trade->lost = true;
        incident_add(world, "settled_but_lost", request, request->legs[i].trade);
    }
}

static enum settle_store_result store_confirm(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt)
{
    BEGIN;
    struct fake_request *request = request_of(world, item);
    ASSERT(receipt->succeeded && receipt->has_planned_effect);
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_CONFIRMED);
    gas_book(world, attempt);
    custody_book(world, item, receipt);
    for (size_t i = 0; i < request->leg_count; i++)
        if (!request->legs[i].left)
            trade_confirm(world, &world->trades[request->legs[i].trade], attempt);
    if (!item->call.is_of_trades)
        request_end(world, request, FAKE_CONFIRMED, "");
    request->open = false;
    return end(fault);
}

static enum settle_store_result store_revert(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_receipt *receipt,
                                             const char *reason,
                                             const struct settle_ending *endings)
{
    BEGIN;
    ASSERT(receipt->gas_used > 0 && reason[0] != '\0');
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_REVERTED);
    gas_book(world, attempt);
    if (receipt->succeeded && item->call.is_of_trades)
        incident_add(world, "not_the_planned_transfer", request_of(world, item), SIZE_MAX);
    ASSERT(legs_end(world, item, endings, true) == 0);
    if (!item->call.is_of_trades)
        request_failed(world, request_of(world, item),
                       endings[0].end == SETTLE_END_COUNT && attempt->fate != SETTLE_FATE_ABANDON,
                       reason);
    settled_lost(world, request_of(world, item));
    return end(fault);
}

static enum settle_store_result store_drop(void *context, const struct settle_item *item,
                                           const struct settle_ending *ending,
                                           uint64_t block_number,
                                           const struct chain_hash *block_hash)
{
    BEGIN;
    struct fake_attempt *open = open_of(world, item);
    attempt_move(world, open, SETTLE_ATTEMPT_DROPPED);
    open->attempt.mined_block = block_number;
    open->block_hash = *block_hash;
    if (open->attempt.fate != SETTLE_FATE_OVER) {
        ASSERT(legs_end(world, item, ending, false) == 0);
        if (!item->call.is_of_trades)
            request_failed(world, request_of(world, item),
                           open->attempt.fate != SETTLE_FATE_ABANDON, ending->reason);
    }
    settled_lost(world, request_of(world, item));
    return end(fault);
}

static enum settle_store_result store_checked_at(void *context, uint64_t *number,
                                                 struct chain_hash *hash,
                                                 const struct settle_item *item)
{
    BEGIN;
    *number = request_of(world, item)->checked_block;
    *hash = request_of(world, item)->checked_hash;
    return end(fault);
}

static enum settle_store_result store_recheck(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct erc3643_evidence *evidence)
{
    BEGIN;
    (void)evidence;
    ASSERT(attempt->attempt_id > 0);
    world->rechecks += item->call.leg_count;
    return end(fault);
}

// Does the other request move a trade of this one, or is it this one?
static bool shares_trade(const struct fake_request *request, const struct fake_request *other)
{
    if (request == other)
        return true;
    for (size_t i = 0; i < request->leg_count; i++)
        for (size_t o = 0; o < other->leg_count; o++)
            if (request->legs[i].trade == other->legs[o].trade && !other->legs[o].left)
                return true;
    return false;
}

// Is it another turn of the same instruction, and not given back?
static bool shares_instruction(const struct fake_world *world, const struct fake_request *request,
                               const struct fake_request *other)
{
    const struct fake_trade *mine = first_move(world, request);
    const struct fake_trade *its = first_move(world, other);

    return mine != NULL && its != NULL && mine->xvp == its->xvp && !other->legs[0].left;
}

// The newest signed attempt at the nonce, if all there have ended without effect; else NULL.
static struct fake_attempt *over_at(struct fake_world *world, uint64_t nonce)
{
    struct fake_attempt *newest = NULL;

    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (row->attempt.nonce != nonce)
            continue;
        if (row->attempt.state != SETTLE_ATTEMPT_REVERTED &&
            row->attempt.state != SETTLE_ATTEMPT_DROPPED &&
            row->attempt.state != SETTLE_ATTEMPT_REPLACED)
            return NULL;
        if (row->raw_len > 0)
            newest = row;
    }
    return newest;
}

static void reopen_over(struct fake_world *world, struct fake_attempt *newest)
{
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (row->attempt.nonce != newest->attempt.nonce || row->raw_len == 0)
            continue;
        row->attempt.fate = SETTLE_FATE_OVER;
        row->attempt.mined_block = 0;
        gas_unbook(world, row);
        if (row->attempt.state != SETTLE_ATTEMPT_REPLACED || row == newest)
            attempt_move(world, row, row == newest ? SETTLE_ATTEMPT_SENT : SETTLE_ATTEMPT_REPLACED);
    }
    // Its trades are not signed elsewhere before this is decided.
    const struct fake_request *request = &world->requests[newest->request];
    for (size_t r = 0; r < world->request_top; r++) {
        struct fake_request *other = &world->requests[r];
        if (!other->open || !fake_is_of_trades(other) || open_attempt(world, other) != NULL)
            continue;
        for (size_t o = other->leg_count; o > 0; o--)
            for (size_t i = 0; i < request->leg_count; i++)
                if (other->legs[o - 1].trade == request->legs[i].trade) {
                    struct settle_ending ending = {.end = SETTLE_END_RELEASE};
                    trade_end(world, &world->trades[request->legs[i].trade], &ending);
                    other->legs[o - 1].left = true;
                }
        legs_forget(other);
        other->open = other->leg_count > 0;
    }
}

// What had ended of the request's trades may have come back.
static size_t reopen_rivals(struct fake_world *world, const struct fake_request *request)
{
    size_t count = 0;

    for (size_t i = 0; i < world->attempt_count; i++) {
        const struct fake_attempt *row = &world->attempts[i];
        const struct fake_request *other = &world->requests[row->request];
        if (row->raw_len == 0 || other == request || !fake_is_of_trades(other) ||
            (row->attempt.state != SETTLE_ATTEMPT_REVERTED &&
             row->attempt.state != SETTLE_ATTEMPT_DROPPED) ||
            !shares_trade(other, request))
            continue;
        struct fake_attempt *newest = over_at(world, row->attempt.nonce);
        if (newest != NULL)
            reopen_over(world, newest);
        count += newest != NULL;
    }
    return count;
}

static enum settle_store_result store_unmined(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt)
{
    BEGIN;
    struct fake_attempt *row = attempt_row(world, attempt->attempt_id);
    attempt_move(world, row, SETTLE_ATTEMPT_SENT);
    row->attempt.mined_block = 0;
    (void)reopen_rivals(world, request_of(world, item));
    return end(fault);
}

static enum settle_store_result store_reopen(void *context, size_t *count,
                                             const struct chain_address *signer, uint64_t nonce)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *count = 0;
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        struct fake_request *request = &world->requests[row->request];
        if (row->attempt.state != SETTLE_ATTEMPT_CONFIRMED || row->attempt.nonce < nonce)
            continue;
        attempt_move(world, row, SETTLE_ATTEMPT_SENT);
        row->attempt.mined_block = 0;
        gas_unbook(world, row);
        request->open = true;
        for (size_t leg = 0; leg < request->leg_count; leg++)
            if (!request->legs[leg].left)
                world->trades[request->legs[leg].trade].request_open = true;
        *count += 1 + reopen_rivals(world, request);
    }
    for (uint64_t at = nonce; at < world->nonce_next; at++) {
        struct fake_attempt *newest = over_at(world, at);
        if (newest == NULL)
            continue;
        reopen_over(world, newest);
        ++*count;
    }
    return end(fault);
}

static enum settle_store_result store_cancelled(void *context, const struct settle_item *item,
                                                const struct settle_attempt *attempt,
                                                const struct settle_receipt *receipt)
{
    BEGIN;
    bool abandoned = attempt->fate == SETTLE_FATE_ABANDON;
    struct settle_ending ending = {.end = SETTLE_END_RELEASE};
    snprintf(ending.reason, sizeof(ending.reason), "%s",
             abandoned ? SETTLE_REASON_ABANDONED : SETTLE_REASON_CANCELLED);
    ASSERT(attempt->is_empty && attempt->fate != SETTLE_FATE_NONE && receipt->succeeded);
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_DROPPED);
    gas_book(world, attempt);
    if (attempt->fate != SETTLE_FATE_OVER) {
        ASSERT(legs_end(world, item, &ending, false) == 0);
        if (!item->call.is_of_trades)
            request_failed(world, request_of(world, item), !abandoned, ending.reason);
    }
    settled_lost(world, request_of(world, item));
    return end(fault);
}

static enum settle_store_result store_conflict(void *context, const struct settle_item *item)
{
    BEGIN;
    const struct fake_request *request = request_of(world, item);
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct fake_attempt *row = &world->attempts[i];
        if (settle_attempt_is_open(row->attempt.state) && row->attempt.fate == SETTLE_FATE_NONE &&
            (shares_trade(request, &world->requests[row->request]) ||
             shares_instruction(world, request, &world->requests[row->request])))
            row->attempt.fate = SETTLE_FATE_CANCEL;
    }
    return end(fault);
}

// The next turn of the instruction is not begun before two persons have looked.
static void other_turns_release(struct fake_world *world, const struct fake_request *request)
{
    const struct settle_ending ending = {.end = SETTLE_END_RELEASE};

    for (size_t i = 0; i < world->request_top; i++) {
        struct fake_request *other = &world->requests[i];
        if (other == request || !other->open || other->has_attempts ||
            !shares_instruction(world, request, other))
            continue;
        for (size_t leg = 0; leg < other->leg_count; leg++)
            trade_end(world, &world->trades[other->legs[leg].trade], &ending);
        other->leg_count = 0;
        other->open = false;
    }
}

static enum settle_store_result store_returned(void *context, bool *waits,
                                               const struct settle_item *item,
                                               const struct settle_attempt *attempt,
                                               const struct settle_receipt *receipt)
{
    BEGIN;
    struct fake_request *request = request_of(world, item);
    ASSERT(attempt->fate == SETTLE_FATE_OVER && receipt->has_planned_effect);
    *waits = false;
    for (size_t i = 0; i < request->leg_count; i++)
        *waits |= world->trades[request->legs[i].trade].request_open;
    if (*waits)
        return end(fault);
    other_turns_release(world, request);
    gas_book(world, attempt);
    custody_book(world, item, receipt);
    for (size_t i = 0; i < request->leg_count; i++) {
        struct fake_trade *trade = &world->trades[request->legs[i].trade];
        if (trade->state == SETTLE_TRADE_PENDING ||
            (trade->state == SETTLE_TRADE_SETTLED && !trade->done)) {
            request->legs[i].left = false;
            trade_confirm(world, trade, attempt);
        } else {
            trade->incident = true;
            incident_add(
                world, trade->state == SETTLE_TRADE_FAILED ? "moved_though_failed" : "moved_twice",
                request, request->legs[i].trade);
        }
    }
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_CONFIRMED);
    attempt_row(world, attempt->attempt_id)->attempt.fate = SETTLE_FATE_NONE;
    return end(fault);
}

static enum settle_store_result store_ended_again(void *context, const struct settle_item *item,
                                                  const struct settle_attempt *attempt,
                                                  const struct settle_receipt *receipt,
                                                  const char *reason)
{
    BEGIN;
    ASSERT(receipt->gas_used > 0 && reason[0] != '\0');
    attempt_move(world, attempt_row(world, attempt->attempt_id), SETTLE_ATTEMPT_REVERTED);
    gas_book(world, attempt);
    settled_lost(world, request_of(world, item));
    return end(fault);
}

// Is there a request that fills this gap, and has not been rejected?
static bool gap_is_asked(const struct fake_world *world, const char *arguments)
{
    for (size_t i = 0; i < world->request_top; i++) {
        const struct fake_request *request = &world->requests[i];
        if (request->request_id != 0 && request->operation == SETTLE_CANCEL_NONCE &&
            request->end != FAKE_REJECTED && strcmp(request->arguments, arguments) == 0)
            return true;
    }
    return false;
}

static enum settle_store_result store_gap(void *context, size_t *asked,
                                          const struct chain_address *signer, uint64_t from,
                                          uint64_t below)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    for (size_t i = 0; i < world->attempt_count; i++)
        if (has_ended(&world->attempts[i]) && world->attempts[i].attempt.nonce >= from)
            from = world->attempts[i].attempt.nonce + 1;
    *asked = 0;
    for (uint64_t nonce = from; nonce < below && *asked < SETTLE_MISSING_MAX; nonce++) {
        char arguments[32];
        snprintf(arguments, sizeof(arguments), "{\"nonce\": %llu}", (unsigned long long)nonce);
        if (holder_of(world, nonce) != NULL || gap_is_asked(world, arguments))
            continue;
        fake_request(world, SETTLE_CANCEL_NONCE, arguments, fake_seller, 0)->leg_count = 0;
        ++*asked;
    }
    return end(fault);
}

static enum settle_store_result
store_nonce_cancel(void *context, bool *held, const struct chain_address *signer, uint64_t nonce)
{
    BEGIN;
    ASSERT(address_equal(signer, &world->signer));
    *held = false;
    for (size_t i = 0; i < world->attempt_count; i++) {
        struct settle_attempt *attempt = &world->attempts[i].attempt;
        if (attempt->nonce != nonce || !settle_attempt_is_open(attempt->state))
            continue;
        if (attempt->fate == SETTLE_FATE_NONE)
            attempt->fate = SETTLE_FATE_CANCEL;
        *held = true;
    }
    return end(fault);
}

static enum settle_store_result store_unanswered_after(void *context, uint64_t *sequence)
{
    BEGIN;
    *sequence = SETTLE_CORE_NEWEST;
    for (size_t i = 0; i < world->result_count; i++)
        if (!world->result_answered[i] && world->results[i].command.ref_number != 0 &&
            world->result_after[i] < *sequence)
            *sequence = world->result_after[i];
    return end(fault);
}

static enum settle_store_result store_results(void *context, struct settle_result *results,
                                              size_t *count, size_t max, uint64_t after_ref,
                                              uint64_t sequence)
{
    BEGIN;
    *count = 0;
    for (size_t i = 0; i < world->result_count && *count < max; i++) {
        struct settle_result *result = &world->results[i];
        if (result->command.ref_number == 0) {
            result->command.ref_number = ++world->result_number;
            world->result_after[i] = sequence;
        }
        if (!world->result_answered[i] && result->command.ref_number > after_ref)
            results[(*count)++] = *result;
    }
    return end(fault);
}

static enum settle_store_result store_answered(void *context, const struct settle_answer *answers,
                                               size_t count)
{
    BEGIN;
    for (size_t a = 0; a < count; a++)
        for (size_t i = 0; i < world->result_count; i++) {
            if (world->results[i].command.ref_number != answers[a].ref_number ||
                world->result_answered[i])
                continue;
            world->result_answered[i] = true;
            world->result_refused[i] = answers[a].kind == SETTLE_ANSWER_REFUSED;
        }
    return end(fault);
}

static void store_close(void *context)
{
    (void)context;
}

// In memory only what is asked of custody: the freezes themselves are requests, what waits for them
// stands in Postgres.
static enum settle_store_result store_custody(void *context, size_t *changed)
{
    BEGIN;
    (void)world;
    *changed = 0;
    return end(fault);
}

static enum settle_store_result store_custody_spendable(void *context,
                                                        struct settle_wallet *wallets, size_t count,
                                                        const struct chain_address *contract,
                                                        uint64_t at_block)
{
    BEGIN;
    (void)contract;
    (void)at_block;
    for (size_t i = 0; i < count; i++) {
        const struct fake_wallet *wallet = fake_wallet(world, &wallets[i].address);
        if (!wallets[i].sends || !wallet->in_custody)
            continue;
        wallets[i].in_custody = true;
        wallets[i].venue_units = fake_venue_units(world, wallet);
        wallets[i].freeze_under_way = wallet->freeze_under_way;
    }
    return end(fault);
}

// As settle.mint_cover in schema/sql/deploy/custody_proof.sql.
static chain_uint128 mints_before(struct fake_world *world, const struct fake_request *request,
                                  uint64_t attempt_id)
{
    chain_uint128 units = 0;

    for (size_t i = 0; i < world->request_top; i++) {
        const struct fake_request *other = &world->requests[i];
        if (other->request_id == 0 || other == request || other->operation != SETTLE_MINT)
            continue;
        const struct fake_attempt *open = open_attempt(world, other);
        if (open != NULL && (open->attempt.state != SETTLE_ATTEMPT_PREPARED || attempt_id == 0 ||
                             open->attempt.attempt_id < attempt_id))
            units += other->own.units;
    }
    return units;
}

static enum settle_store_result store_mint_cover(void *context, struct settle_ending *ending,
                                                 const struct settle_item *item,
                                                 chain_uint128 supply)
{
    BEGIN;
    const struct fake_request *request = request_of(world, item);
    uint64_t attempt_id = item->bid_count > 0 ? item->bids[0].attempt_id : 0;
    chain_uint128 seen = supply + mints_before(world, request, attempt_id) + request->own.units;

    world->mint_checks += attempt_id != 0;
    *ending = (struct settle_ending){.end = SETTLE_END_STAY};
    if (world->proof_ended == NULL && seen <= world->covered)
        return end(fault);
    ending->end = SETTLE_END_RELEASE;
    snprintf(ending->reason, sizeof(ending->reason), "%s",
             world->proof_ended != NULL ? world->proof_ended : "custody_proof_exceeded");
    return end(fault);
}

struct settle_store_ops fake_store(struct fake_world *world)
{
    return (struct settle_store_ops){
        .context = world,
        .lead = store_lead,
        .follow = store_follow,
        .needs_signer = store_needs_signer,
        .retry = store_retry,
        .hold = store_hold,
        .release = store_release,
        .abandon = store_abandon,
        .nonce_get = store_nonce_get,
        .nonce_set = store_nonce_set,
        .claim = store_claim,
        .off_chain = store_off_chain,
        .load = store_load,
        .legs = store_legs,
        .arguments = store_arguments,
        .calldata = store_calldata,
        .raw = store_raw,
        .leave = store_leave,
        .finish = store_finish,
        .netting_refused = store_netting_refused,
        .inbound_open = store_inbound,
        .prepare = store_prepare,
        .refuse = store_refuse,
        .sign = store_sign,
        .sent = store_sent,
        .stands = store_stands,
        .mined = store_mined,
        .unmined = store_unmined,
        .confirm = store_confirm,
        .revert = store_revert,
        .drop = store_drop,
        .checked_at = store_checked_at,
        .recheck = store_recheck,
        .reopen = store_reopen,
        .cancelled = store_cancelled,
        .conflict = store_conflict,
        .returned = store_returned,
        .ended_again = store_ended_again,
        .gap = store_gap,
        .nonce_cancel = store_nonce_cancel,
        .ended_block = store_ended_block,
        .ended_from = store_ended_from,
        .keys = store_keys,
        .nonces_missing = store_nonces_missing,
        .restore = store_restore,
        .custody = store_custody,
        .custody_spendable = store_custody_spendable,
        .mint_cover = store_mint_cover,
        .unanswered_after = store_unanswered_after,
        .results = store_results,
        .answered = store_answered,
        .close = store_close,
    };
}

// ---- the world

static void wallet_add(struct fake_world *world, const char *address, unsigned tokens)
{
    struct fake_wallet *wallet = fake_wallet_of(world, address);

    wallet->units = wallet->begun_with = (chain_uint128)tokens * GIGA * GIGA;
    wallet->verified = true;
    wallet->identity = wallet->address;
    wallet->country = 724;
}

void fake_init(struct fake_world *world, uint64_t seed)
{
    memset(world, 0, offsetof(struct fake_world, bytes));
    world->faults.random = seed * 2654435761u + 88172645463325252u;
    world->now_ns = 1000 * GIGA;
    world->tick_ns = 5 * GIGA;
    world->attempts_max = 5;
    world->has_contracts = true;
    world->chain_id = 31337;
    world->block = 10;
    world->base_fee_wei = GIGA;
    world->can_transfer = true;
    world->covered = (chain_uint128)1000000 * GIGA * GIGA;
    world->decimals = 18;
    world->key[31] = 7;
    ASSERT(transaction_key_address(&world->signer, world->key));
    wallet_add(world, fake_seller, 1000);
    wallet_add(world, fake_seller2, 1000);
    wallet_add(world, fake_buyer, 0);
}

struct fake_trade *fake_trade(struct fake_world *world, const char *seller, const char *buyer,
                              int64_t quantity)
{
    ASSERT(world->trade_count < FAKE_TRADES_MAX);
    struct fake_trade *trade = &world->trades[world->trade_count++];
    *trade = (struct fake_trade){.trade_id = 1000 * world->trade_count,
                                 .contract = fake_token,
                                 .buyer_wallet = buyer,
                                 .seller_wallet = seller,
                                 .quantity = quantity};
    fake_history_trade(world, trade, FAKE_BORN);
    return trade;
}

struct fake_trade *fake_instruction(struct fake_world *world, uint64_t xvp, size_t moves,
                                    uint64_t sign_before_ns)
{
    struct fake_trade *first = &world->trades[world->trade_count];

    for (size_t i = 0; i < moves; i++) {
        struct fake_trade *trade = fake_trade(world, i % 2 == 0 ? fake_seller : fake_seller2,
                                              fake_buyer, 100 + (int64_t)i);
        trade->xvp = xvp;
        trade->turn = first->trade_id;
        trade->sign_before_ns = sign_before_ns;
    }
    return first;
}

void fake_retry(struct fake_world *world, struct fake_trade *trade)
{
    (void)world;
    trade->retry_asked = true;
}

static void check_nonces(const struct fake_world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct fake_attempt *a = &world->attempts[i];
            const struct fake_attempt *b = &world->attempts[j];
            if (a->attempt.nonce == b->attempt.nonce && a->raw_len > 0 && b->raw_len > 0)
                ASSERT(a->request == b->request); // a nonce serves one intent
        }
}

static bool moves_trade(const struct fake_request *request, size_t trade)
{
    for (size_t i = 0; i < request->leg_count; i++)
        if (request->legs[i].trade == trade && !request->legs[i].left)
            return true;
    return false;
}

// Conservation: what each wallet has is what it had, and what its trades and others' requests
// would have moved one by one.
static void check_wallets(const struct fake_world *world)
{
    chain_uint128 owed[FAKE_WALLETS_MAX] = {0};

    for (size_t w = 0; w < world->wallet_count; w++) {
        const struct chain_address *address = &world->wallets[w].address;
        for (size_t i = 0; i < world->trade_count; i++) {
            const struct fake_trade *trade = &world->trades[i];
            if (trade->executed == 0 && !trade->to_zero)
                continue;
            owed[w] += address_equal(&trade->leg.to, address) ? trade->leg.units : 0;
            owed[w] -= address_equal(&trade->leg.from, address) ? trade->leg.units : 0;
        }
        for (size_t i = 0; i < world->request_top; i++) {
            const struct fake_request *request = &world->requests[i];
            bool moves = request->operation == SETTLE_MINT || request->operation == SETTLE_BURN;
            if (request->executed == 0 || !moves || !address_equal(&request->own.to, address))
                continue;
            owed[w] += request->operation == SETTLE_MINT ? request->own.units : -request->own.units;
        }
        ASSERT(world->wallets[w].units == world->wallets[w].begun_with + owed[w]);
    }
}

// What others asked for has happened once if it is said so, else never.
static void check_requests(const struct fake_world *world)
{
    for (size_t i = 0; i < world->request_top; i++) {
        const struct fake_request *request = &world->requests[i];
        if (request->request_id == 0 || fake_is_of_trades(request))
            continue;
        bool was_so = strcmp(request->reason, SETTLE_REASON_DONE) == 0;
        ASSERT(request->end != FAKE_OPEN);
        if (request->operation != SETTLE_CANCEL_NONCE)
            ASSERT(request->executed == (request->end == FAKE_CONFIRMED && !was_so ? 1u : 0u));
    }
}

void fake_check_end(const struct fake_world *world)
{
    chain_uint128 total = 0;

    for (size_t i = 0; i < world->trade_count; i++) {
        const struct fake_trade *trade = &world->trades[i];
        size_t confirmed = 0;
        for (size_t a = 0; a < world->attempt_count; a++)
            confirmed += world->attempts[a].attempt.state == SETTLE_ATTEMPT_CONFIRMED &&
                         moves_trade(&world->requests[world->attempts[a].request], i);
        ASSERT(confirmed == (trade->on_chain && !trade->lost ? 1 : 0));
        ASSERT(trade->executed == ((trade->on_chain && !trade->lost) || trade->incident ? 1u : 0u));
        ASSERT((trade->incident || trade->lost) <= fake_has_incident(world, i));
        if (trade->state == SETTLE_TRADE_SETTLED)
            ASSERT(world->core_booked[i][SETTLEMENT_SETTLED] ==
                   (fake_is_told(trade) && trade->trade_id != world->refuse_trade ? 1 : 0));
        if (trade->state == SETTLE_TRADE_FAILED)
            ASSERT(world->core_booked[i][SETTLEMENT_FAILED] ==
                   world->core_booked[i][SETTLEMENT_RETRIED] + fake_is_told(trade));
    }
    for (size_t i = 0; i < world->wallet_count; i++)
        total += world->wallets[i].units;
    ASSERT(total == (chain_uint128)2000 * GIGA * GIGA + world->minted);
    check_wallets(world);
    check_requests(world);
    for (size_t i = 0; i < world->result_count; i++) {
        ASSERT(world->result_answered[i]);
        ASSERT(world->result_refused[i] ==
               world->core_refused[world->results[i].command.ref_number]);
    }
    check_nonces(world);
    if (fake_history_why_not(world) != NULL)
        fprintf(stderr, "%s\n", fake_history_why_not(world));
    ASSERT(fake_history_why_not(world) == NULL);
}
