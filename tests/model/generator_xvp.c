// Random settlement instructions: who exchanges what, and what is done with it.
#include "base/sha256.h"
#include "tests/model/generator_parts.h"

enum { FEW = 12, SECRETS = 4 };

// Nothing is done with them for a while, until there can be no more.
bool hoards_xvps(const struct beside *beside)
{
    return beside->sequence / 4096 % 64 == 12;
}

// ---- create

static uint32_t some_party(struct generator *generator)
{
    return UNIVERSE_ACCOUNT_FIRST + draw_below(generator, draw_chance(generator, 3) ? 3 : 8);
}

// Mostly a part of what there is.
static int64_t some_amount(struct generator *generator, const struct beside *beside,
                           uint32_t account, uint32_t asset)
{
    int64_t there = beside->naive.balances[account][asset].available;
    int64_t amount = draw_chance(generator, 12) ? there + draw_below(generator, 3) - 1
                                                : there / (2 + draw_below(generator, 40));
    int64_t most = (int64_t)1 << 57;
    return amount <= 0 ? 1 + draw_below(generator, 9) : amount < most ? amount : most;
}

static void spoil_leg(struct generator *generator, struct xvp_leg_tail *leg)
{
    static const uint32_t nobody[] = {0, ACCOUNT_TREASURY, ACCOUNT_CLEARING, 31, 99};
    static const int64_t amounts[] = {0, -1, INT64_MIN, ((int64_t)1 << 58) + 1, INT64_MAX};
    switch (draw_below(generator, 6)) {
    case 0:
        leg->from = nobody[draw_below(generator, 5)];
        return;
    case 1:
        leg->to = nobody[draw_below(generator, 5)];
        return;
    case 2:
        leg->asset = draw_chance(generator, 2) ? 0 : 5 + draw_below(generator, 3);
        return;
    case 3:
        leg->kind = draw_chance(generator, 2) ? (uint32_t)XVP_EXTERNAL : draw_below(generator, 300);
        return;
    case 4:
        leg->to = leg->from;
        return;
    default:
        leg->amount = amounts[draw_below(generator, 5)];
        return;
    }
}

static void make_leg(struct generator *generator, const struct beside *beside,
                     struct xvp_leg_tail *leg)
{
    uint32_t asset = draw_chance(generator, 2) ? (uint32_t)UNIVERSE_CASH
                                               : 2 + draw_below(generator, UNIVERSE_INSTRUMENTS);
    *leg = (struct xvp_leg_tail){.from = some_party(generator),
                                 .to = some_party(generator),
                                 .asset = asset,
                                 .kind = XVP_LOCAL};
    if (leg->to == leg->from)
        leg->to = UNIVERSE_ACCOUNT_FIRST + (leg->to - UNIVERSE_ACCOUNT_FIRST + 1) % 8;
    leg->amount = some_amount(generator, beside, leg->from, asset);
}

static uint64_t some_cutoff(struct generator *generator, const struct beside *beside)
{
    const uint64_t year_ns = (uint64_t)366 * 86400 * 1000000000;
    if (hoards_xvps(beside))
        return beside->now + year_ns / 2;
    if (draw_chance(generator, 40))
        return beside->now + (draw_chance(generator, 2) ? 1 : year_ns) + draw_below(generator, 3);
    if (draw_chance(generator, 4)) // several at once
        return (beside->now | 0xffffffff) + 5;
    return beside->now + 1000 + (uint64_t)draw_below(generator, 1 << 24) * 100;
}

// One of few, so that it is found again by its hash.
static void make_secret(uint32_t number, uint8_t secret[XVP_SECRET_BYTES])
{
    memset(secret, (int)number, XVP_SECRET_BYTES);
}

// Legs on other ledgers, with their lock: 0 bytes, or what goes behind the other legs.
static size_t make_lock(struct generator *generator, uint64_t cutoff_ns, uint8_t externals,
                        uint8_t *out)
{
    uint8_t secret[XVP_SECRET_BYTES];
    struct xvp_lock_tail lock = {.margin_ns = draw_below(generator, 1000)};
    if (externals == 0)
        return 0;
    if (draw_chance(generator, 30))
        lock.margin_ns = draw_chance(generator, 2) ? UINT64_MAX : cutoff_ns + 1;
    make_secret(draw_below(generator, SECRETS), secret);
    sha256(lock.hash, secret, sizeof secret);
    memcpy(out, &lock, sizeof lock);
    for (uint32_t i = 0; i < externals; i++) {
        struct xvp_external_tail end = {.claimed = 1 + draw_below(generator, 2)};
        uint64_t apart = lock.margin_ns - draw_chance(generator, 12);
        end.deadline_ns = end.claimed == XVP_CLAIMED_FIRST ? cutoff_ns - apart : cutoff_ns + apart;
        end.claimed = draw_chance(generator, 30) ? draw_below(generator, 4) : end.claimed;
        memcpy(out + sizeof lock + i * sizeof end, &end, sizeof end);
    }
    return sizeof lock + externals * sizeof(struct xvp_external_tail);
}

static void make_create(struct generator *generator, struct beside *beside)
{
    uint8_t count = (uint8_t)(draw_chance(generator, 3) ? 1 + draw_below(generator, XVP_LEGS_MAX)
                                                        : 1 + draw_below(generator, 2));
    if (draw_chance(generator, 80))
        count = 0;
    uint8_t externals =
        (uint8_t)(draw_chance(generator, 3) ? 1 + draw_below(generator, XVP_EXTERNALS_MAX) : 0);
    uint64_t cutoff_ns = some_cutoff(generator, beside);
    struct command *command = beside_start(beside, CMD_xvp_create, GATEWAY_ADMIN);
    struct xvp_create_cmd *body = &command->body.xvp_create;
    struct xvp_leg_tail legs[XVP_LEGS_MAX];
    uint8_t
        lock[sizeof(struct xvp_lock_tail) + XVP_EXTERNALS_MAX * sizeof(struct xvp_external_tail)];
    size_t lock_bytes = make_lock(generator, cutoff_ns, externals, lock);
    command->header.slots = command_slots(CMD_xvp_create, count * sizeof(legs[0]) + lock_bytes);
    *body = (struct xvp_create_cmd){
        .cutoff_ns = cutoff_ns,
        .ref_source = draw_chance(generator, 100) ? draw_below(generator, 20) : (uint32_t)REF_ADMIN,
        .operator_id = draw_below(generator, 4),
        .flags = (uint8_t)(draw_chance(generator, 80) ? 2 : draw_below(generator, 2)),
        .leg_count = count,
        .external_count = externals};
    some_reference(generator, beside, &body->ref_number, &body->ref_hash);
    for (uint32_t i = 0; i < count; i++)
        make_leg(generator, beside, &legs[i]);
    if (count != 0 && draw_chance(generator, 12))
        spoil_leg(generator, &legs[draw_below(generator, count)]);
    if (count != 0 && draw_chance(generator, 2)) { // mostly a token, of its legs
        uint32_t asset = legs[draw_below(generator, count)].asset;
        body->chain_asset = asset != UNIVERSE_CASH || draw_chance(generator, 20) ? asset : 0;
    }
    memcpy(command_tail_writable(command), legs, count * sizeof(legs[0]));
    memcpy(command_tail_writable(command) + count * sizeof(legs[0]), lock, lock_bytes);
}

// ---- what the chain has made of it

static const struct naive_xvp *some_settling(struct generator *generator,
                                             const struct naive_venue *naive)
{
    uint32_t first = draw_below(generator, naive->xvp_count);
    for (uint32_t i = 0; i < naive->xvp_count; i++) {
        const struct naive_xvp *xvp = &naive->xvps[(first + i) % naive->xvp_count];
        if (xvp->settling != 0 || draw_chance(generator, 200))
            return xvp;
    }
    return NULL;
}

static bool make_result(struct generator *generator, struct beside *beside)
{
    const struct naive_xvp *xvp = some_settling(generator, &beside->naive);
    if (xvp == NULL)
        return false;
    struct command *command = beside_start(beside, CMD_settlement_result, GATEWAY_SETTLE);
    command->body.settlement_result = (struct settlement_result_cmd){
        .trade_id = xvp->id,
        .ref_number = ++generator->settle_number,
        .instrument = draw_chance(generator, 80) ? 1 : 0,
        .proceeds = draw_chance(generator, 80) ? 1 : 0,
        .outcome = (uint8_t)(draw_chance(generator, 3) ? SETTLEMENT_XVP_EXECUTED
                                                       : SETTLEMENT_XVP_RETURNED),
        .quantity = (int64_t)xvp->settling + (draw_chance(generator, 60) ? 1 : 0)};
    return true;
}

// ---- act

// Mostly one of its senders.
static uint32_t some_actor(struct generator *generator, const struct naive_xvp *xvp)
{
    const struct xvp_leg_tail *leg = &xvp->legs[draw_below(generator, xvp->leg_count)];
    if (draw_chance(generator, 8))
        return leg->to;
    return draw_chance(generator, 40) ? some_party(generator) : leg->from;
}

static uint8_t some_action(struct generator *generator, const struct beside *beside,
                           const struct naive_xvp *xvp)
{
    if (xvp->armed ? draw_chance(generator, 3) : draw_chance(generator, 100))
        return XVP_REVEAL;
    if (xvp->armed && draw_chance(generator, 3))
        return XVP_CANCEL;
    uint32_t r = draw_below(generator, beside->naive.xvp_count > FEW ? 40 : 100);
    if (draw_chance(generator, 100))
        return (uint8_t)(draw_chance(generator, 2) ? 0 : 6);
    return r < 8 ? XVP_CANCEL : r < 18 ? XVP_REVOKE : r < 30 ? XVP_EXECUTE : XVP_APPROVE;
}

// The secret of its lock, mostly.
static void tell_secret(struct generator *generator, const struct naive_xvp *xvp,
                        struct command *command)
{
    uint8_t secret[XVP_SECRET_BYTES], hash[XVP_SECRET_BYTES];
    if (command->body.xvp_act.action != XVP_REVEAL)
        return;
    bool wrong = draw_chance(generator, 8);
    for (uint32_t number = wrong ? SECRETS : 0; number <= SECRETS; number++) {
        make_secret(number, secret);
        sha256(hash, secret, sizeof secret);
        if (memcmp(hash, xvp->hash, sizeof hash) == 0)
            break;
    }
    command->header.slots = command_slots(CMD_xvp_act, sizeof secret);
    memcpy(command_tail_writable(command), secret, sizeof secret);
}

static void make_act(struct generator *generator, struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    const struct naive_xvp *xvp = &naive->xvps[draw_below(generator, naive->xvp_count)];
    uint32_t account = some_actor(generator, xvp);
    uint32_t session = 1 + (account - UNIVERSE_ACCOUNT_FIRST) / 2 % 4;
    struct command *command = some_session(generator, beside, CMD_xvp_act, session);
    struct xvp_act_cmd *body = &command->body.xvp_act;
    *body = (struct xvp_act_cmd){.xvp = draw_chance(generator, 60) ? xvp->id + 1 : xvp->id,
                                 .account = account,
                                 .action = some_action(generator, beside, xvp)};
    if (draw_chance(generator, 60))
        body->operator_id = 3;
    tell_secret(generator, xvp, command);
}

static void make_operators_act(struct generator *generator, struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    const struct naive_xvp *xvp = &naive->xvps[draw_below(generator, naive->xvp_count)];
    struct command *command = beside_start(beside, CMD_xvp_act, GATEWAY_ADMIN);
    command->body.xvp_act = (struct xvp_act_cmd){
        .xvp = xvp->id,
        .account = draw_chance(generator, 30) ? 16 : 0,
        .operator_id = draw_below(generator, 3),
        .action = (uint8_t)(draw_chance(generator, 10) ? draw_below(generator, 6)
                                                       : XVP_EXECUTE + draw_below(generator, 3))};
    tell_secret(generator, xvp, command);
}

void make_xvp(struct generator *generator, struct beside *beside)
{
    uint32_t count = beside->naive.xvp_count;
    if (count == 0 || hoards_xvps(beside) || (count <= FEW && draw_chance(generator, 4)))
        make_create(generator, beside);
    else if (draw_chance(generator, 4) && make_result(generator, beside))
        return;
    else if (draw_chance(generator, count > FEW ? 2 : 12))
        make_operators_act(generator, beside);
    else
        make_act(generator, beside);
}
