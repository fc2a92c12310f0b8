#include "tests/sim/administrator.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/follower.h"
#include "gateway/common/link.h"
#include "tests/sim/instructions.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/universe.h"

enum { EVENTS_AT_ONCE = 64, BEAT_MS = 50 };

struct administrator {
    struct link link;
    struct follower *follower;
    bool attached_anew;
    uint64_t number;     // of the last deposit
    uint64_t phase_ns;   // next change of a phase
    uint64_t xvp_ns;     // next settlement instruction, or something done with one
    uint64_t filled_seq; // gateway_seq of the last command of the filling; 0 = it is not complete
    bool filled;         // and its event was seen: it is durable
};

static bool stopped;

static bool has_filled;

bool administrator_has_filled(void)
{
    return has_filled;
}

void administrator_stop(void)
{
    stopped = true;
}

static void turn(struct administrator *self)
{
    struct event events[EVENTS_AT_ONCE];
    uint64_t lost;
    link_heartbeat(&self->link, follower_core(self->follower), clock_monotone_ns(&clock_system));
    size_t count = follower_poll(self->follower, events, EVENTS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        instructions_note(&events[i]);
        self->attached_anew |= link_on_event(&self->link, &events[i], &lost);
        self->filled |= self->filled_seq != 0 && events[i].header.gateway == GATEWAY_ADMIN &&
                        events[i].header.gateway_seq == self->filled_seq;
        has_filled |= self->filled;
    }
    if (count == 0)
        follower_wait(self->follower, BEAT_MS);
}

// NULL: a new core has to be told everything from the beginning.
static struct command *claim(struct administrator *self, uint8_t type, size_t tail_bytes)
{
    struct command *command;
    while (!self->attached_anew) {
        command = link_claim(&self->link, type, tail_bytes, 0, 0);
        if (command != NULL)
            return command;
        turn(self);
    }
    return NULL;
}

#define SAY(type, tail_bytes, ...)                                                                 \
    do {                                                                                           \
        struct command *command_ = claim(self, CMD_##type, tail_bytes);                            \
        if (command_ == NULL)                                                                      \
            return false;                                                                          \
        command_->body.type = (struct type##_cmd)__VA_ARGS__;                                      \
        link_send(&self->link);                                                                    \
    } while (0)

static bool say_instrument(struct administrator *self, uint32_t instrument)
{
    struct instrument_set_cmd terms = {.instrument = instrument,
                                       .token_asset = instrument + 1,
                                       .cash_asset = CASH,
                                       .status = TOKEN_SECONDARY,
                                       .trading_mode = MODE_FULL_ORDERBOOK,
                                       .flags = INSTRUMENT_SELL_UNSETTLED,
                                       .tick = PRICE_TICK,
                                       .lot = 1,
                                       .collar_bps = 900,
                                       .fee_bps = 25};
    snprintf(terms.symbol, sizeof terms.symbol, "TOKEN%u", instrument);
    struct command *command = claim(self, CMD_instrument_set, 0);
    if (command == NULL)
        return false;
    command->body.instrument_set = terms;
    link_send(&self->link);
    SAY(instrument_phase, 0, {.instrument = instrument, .phase = PHASE_CONTINUOUS});
    return true;
}

static bool say_assets(struct administrator *self)
{
    SAY(asset_set, 0, {.asset = CASH, .kind = ASSET_CASH, .scale = 6, .symbol = "EUR"});
    for (uint32_t i = 1; i <= INSTRUMENTS; i++) {
        struct asset_set_cmd token = {.asset = i + 1, .kind = ASSET_TOKEN};
        snprintf(token.symbol, sizeof token.symbol, "TOKEN%u", i);
        struct command *command = claim(self, CMD_asset_set, 0);
        if (command == NULL)
            return false;
        command->body.asset_set = token;
        link_send(&self->link);
        if (!say_instrument(self, i))
            return false;
    }
    return true;
}

static bool deposit(struct administrator *self, uint32_t account, uint32_t asset, int64_t amount)
{
    uint64_t number = ++self->number;
    SAY(ledger_post, 0,
        {.account = account,
         .asset = asset,
         .amount = amount,
         .kind = POSTING_DEPOSIT,
         .ref_source = REF_ADMIN,
         .ref_number = number,
         .ref_hash = number});
    return true;
}

static bool say_client(struct administrator *self, unsigned client)
{
    uint32_t account = universe_account(client), member = 1 + client % MEMBERS;
    SAY(account_set, 0,
        {.account = account,
         .member = member,
         .jurisdiction = 724,
         .kyc = KYC_APPROVED,
         .accreditation = ACCREDITATION_INSTITUTIONAL,
         .fatca = FATCA_CLEAR,
         .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
         .fee_bps = FEE_BPS_DEFAULT});
    struct command *command = claim(self, CMD_session_set, sizeof account);
    if (command == NULL)
        return false;
    command->body.session_set =
        (struct session_set_cmd){.session = universe_session(client),
                                 .member = member,
                                 .gateway = client < CLIENTS / 2 ? GATEWAY_FIX : GATEWAY_WEB,
                                 .flags = client % 3 == 0 ? SESSION_CANCEL_ON_DISCONNECT : 0,
                                 .account_count = 1};
    memcpy(command_tail_writable(command), &account, sizeof account);
    link_send(&self->link);
    for (uint32_t asset = CASH; asset <= INSTRUMENTS + 1; asset++)
        if (!deposit(self, account, asset, asset == CASH ? CASH_DEPOSIT : TOKEN_DEPOSIT))
            return false;
    return true;
}

static bool fill(struct administrator *self)
{
    self->number = self->filled_seq = 0;
    if (!say_assets(self))
        return false;
    for (uint32_t member = 1; member <= MEMBERS; member++)
        SAY(member_set, 0, {.member = member});
    for (unsigned client = 0; client < CLIENTS; client++)
        if (!say_client(self, client))
            return false;
    self->filled_seq = self->link.gateway_seq;
    return true;
}

// An instrument is called for a while, and uncrossed.
static bool change_phase(struct administrator *self)
{
    uint32_t instrument = 1 + (uint32_t)scheduler_random(INSTRUMENTS);
    uint64_t until_ns = scheduler_now_ns() + scheduler_between(50 * MS, SECOND);
    SAY(instrument_phase, 0, {.instrument = instrument, .phase = PHASE_OPENING_AUCTION});
    while (scheduler_now_ns() < until_ns && !self->attached_anew)
        turn(self);
    SAY(instrument_phase, 0, {.instrument = instrument, .phase = PHASE_CONTINUOUS});
    return true;
}

static void act_on_one(struct administrator *self)
{
    struct instruction_act act;
    if (!instructions_some(&act, true))
        return;
    size_t bytes = act.action == XVP_REVEAL ? sizeof act.secret : 0;
    struct command *command = claim(self, CMD_xvp_act, bytes);
    if (command == NULL)
        return;
    command->body.xvp_act =
        (struct xvp_act_cmd){.xvp = act.xvp, .operator_id = 1, .action = act.action};
    memcpy(command_tail_writable(command), act.secret, bytes);
    link_send(&self->link);
}

// Mostly a new instruction; now and then something is done with one.
static void instruct(struct administrator *self)
{
    struct xvp_create_cmd body;
    char tail[INSTRUCTION_TAIL_BYTES];
    self->xvp_ns = scheduler_now_ns() + scheduler_between(100 * MS, 2 * SECOND);
    if (scheduler_chance(250)) {
        act_on_one(self);
        return;
    }
    size_t bytes = instructions_write(&body, tail, clock_wall_ns(&clock_system));
    struct command *command = claim(self, CMD_xvp_create, bytes);
    if (command == NULL)
        return;
    command->body.xvp_create = body;
    memcpy(command_tail_writable(command), tail, bytes);
    link_send(&self->link);
}

void administrator_main(void *context)
{
    const struct boot *boot = context;
    struct administrator *self = calloc(1, sizeof *self);
    ASSERT(self != NULL);
    self->follower = follower_open(boot, 0);
    ASSERT(self->follower != NULL && link_open(&self->link, boot, GATEWAY_ADMIN) == 0);
    bool must_fill = true, call = false;
    for (;;) {
        turn(self);
        if (self->attached_anew) {
            self->attached_anew = false;
            must_fill = !self->filled;
        }
        if (!self->link.attached)
            continue;
        if (must_fill)
            must_fill = !fill(self);
        else if (call || (!stopped && scheduler_now_ns() > self->phase_ns)) {
            self->phase_ns = scheduler_now_ns() + scheduler_between(SECOND, 20 * SECOND);
            call = !change_phase(self); // once more, else the call would never be uncrossed
        } else if (!stopped && scheduler_now_ns() > self->xvp_ns)
            instruct(self);
    }
}
