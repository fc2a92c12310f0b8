#include "tests/sim/instructions.h"

#include <string.h>

#include "base/sha256.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/universe.h"

enum { OPEN_MAX = 16, SECRETS = 251 };

static struct {
    struct {
        uint64_t id;
        uint8_t secret;
        bool armed;
    } open[OPEN_MAX]; // id 0: free
    uint64_t last;    // number
} instructions;

void instructions_begin(void)
{
    memset(&instructions, 0, sizeof instructions);
}

static void secret_write(uint8_t out[XVP_SECRET_BYTES], uint64_t number)
{
    memset(out, (int)(number % SECRETS), XVP_SECRET_BYTES);
}

// A new one takes a free place, or that of another, which is then left to its cut-off.
void instructions_note(const struct event *event)
{
    const struct xvp_changed_evt *changed = &event->body.xvp_changed;
    uint32_t place = OPEN_MAX;
    if (event->header.type != EVT_xvp_changed)
        return;
    for (uint32_t i = 0; i < OPEN_MAX; i++)
        if (instructions.open[i].id == changed->xvp)
            place = i;
    if (changed->step == XVP_STEP_CREATED && place == OPEN_MAX) {
        place = (uint32_t)(changed->ref_number % OPEN_MAX);
        instructions.open[place].secret = (uint8_t)(changed->ref_number % SECRETS);
    }
    if (place == OPEN_MAX)
        return;
    bool over = changed->state == XVP_EXECUTED || changed->state == XVP_CANCELLED ||
                changed->state == XVP_EXPIRED;
    instructions.open[place].id = over ? 0 : changed->xvp;
    instructions.open[place].armed = (changed->lock & XVP_LOCK_ARMED) != 0;
}

// ---- a new one

// Between the web gateway's clients; not of the token that has a contract.
static void leg_write(struct xvp_leg_tail *leg)
{
    unsigned from = (unsigned)scheduler_random(CLIENTS / 2);
    unsigned to = (from + 1 + (unsigned)scheduler_random(CLIENTS / 2 - 1)) % (CLIENTS / 2);
    bool cash = scheduler_chance(500);
    *leg = (struct xvp_leg_tail){.from = universe_account(CLIENTS / 2 + from),
                                 .to = universe_account(CLIENTS / 2 + to),
                                 .asset = cash ? CASH : 3 + (uint32_t)scheduler_random(2),
                                 .kind = XVP_LOCAL,
                                 .amount = (int64_t)scheduler_between(1, 40)};
    leg->amount *= cash ? PRICE_TICK : 1;
}

size_t instructions_write(struct xvp_create_cmd *body, char out[INSTRUCTION_TAIL_BYTES],
                          uint64_t now_ns)
{
    static_assert(INSTRUMENTS == 3 && INSTRUMENT_ON_CHAIN == 1, "assets 3 and 4 have no contract");
    uint8_t legs = (uint8_t)scheduler_between(1, 4);
    // Above all numbers of former lives of the administrator.
    uint64_t number =
        scheduler_now_ns() > instructions.last ? scheduler_now_ns() : instructions.last + 1;
    instructions.last = number;
    *body = (struct xvp_create_cmd){.ref_number = number,
                                    .ref_hash = number,
                                    .cutoff_ns = now_ns + scheduler_between(200 * MS, 8 * SECOND),
                                    .ref_source = REF_XVP,
                                    .operator_id = 1,
                                    .flags = scheduler_chance(700) ? XVP_AUTO_EXECUTE : 0,
                                    .leg_count = legs,
                                    .external_count = scheduler_chance(500)};
    for (uint8_t i = 0; i < legs; i++) {
        struct xvp_leg_tail leg;
        leg_write(&leg);
        memcpy(out + i * sizeof leg, &leg, sizeof leg);
    }
    size_t bytes = legs * sizeof(struct xvp_leg_tail);
    if (body->external_count == 0)
        return bytes;
    uint8_t secret[XVP_SECRET_BYTES];
    struct xvp_lock_tail lock = {.margin_ns = 10 * MS};
    const struct xvp_external_tail end = {body->cutoff_ns + 10 * MS, XVP_CLAIMED_LAST};
    secret_write(secret, number);
    sha256(lock.hash, secret, sizeof secret);
    memcpy(out + bytes, &lock, sizeof lock);
    memcpy(out + bytes + sizeof lock, &end, sizeof end);
    return bytes + sizeof lock + sizeof end;
}

// ---- what is done with one

static uint8_t some_action(bool armed)
{
    if (armed)
        return scheduler_chance(500) ? XVP_REVEAL : scheduler_chance(700) ? XVP_CANCEL : XVP_REVOKE;
    return scheduler_chance(750)   ? XVP_APPROVE
           : scheduler_chance(500) ? XVP_EXECUTE
           : scheduler_chance(700) ? XVP_REVOKE
                                   : XVP_CANCEL;
}

bool instructions_some(struct instruction_act *out, bool operators)
{
    uint32_t count = 0, open[OPEN_MAX];
    for (uint32_t i = 0; i < OPEN_MAX; i++)
        if (instructions.open[i].id != 0)
            open[count++] = i;
    if (count == 0)
        return false;
    uint32_t chosen = open[scheduler_random(count)];
    bool armed = instructions.open[chosen].armed;
    *out =
        (struct instruction_act){.xvp = instructions.open[chosen].id, .action = some_action(armed)};
    if (operators && out->action < XVP_EXECUTE)
        out->action = armed ? XVP_REVEAL : XVP_EXECUTE;
    if (out->action == XVP_REVEAL)
        secret_write(out->secret,
                     instructions.open[chosen].secret + (uint64_t)scheduler_chance(250));
    return true;
}
