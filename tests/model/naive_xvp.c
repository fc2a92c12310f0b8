// Settlement instructions of the naive venue (docs/risk.md 13), by tables: who gives and gets what
// on balance is worked out for every account and asset there may be.
#include "base/sha256.h"
#include "tests/model/naive_parts.h"

#define YEAR_NS ((uint64_t)366 * 86400000000000)
#define LEG_MAX ((int64_t)1 << 58)

enum { ROOM = 11, CREATE_SOURCE = 4, CREATE_FLAGS = 6, CREATE_EXTERNALS = 8, CREATE_CHAIN = 10 };

// ---- what follows from the legs

// Summed up in 128 bits: what a leg may say is bounded, but nobody has looked yet.
static int64_t net_of(const struct naive_xvp *xvp, uint32_t account, uint32_t asset)
{
    wide net = 0;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        if (xvp->legs[i].asset == asset) {
            net += xvp->legs[i].to == account ? xvp->legs[i].amount : 0;
            net -= xvp->legs[i].from == account ? xvp->legs[i].amount : 0;
        }
    return (int64_t)net;
}

static bool gives(const struct naive_xvp *xvp, uint32_t account)
{
    bool any = false;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        any |= xvp->legs[i].from == account;
    return any;
}

static bool gets(const struct naive_xvp *xvp, uint32_t account)
{
    bool any = false;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        any |= xvp->legs[i].to == account;
    return any;
}

static bool has_approved(const struct naive_xvp *xvp, uint32_t account)
{
    bool any = false;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        any |= xvp->legs[i].from == account && xvp->approved[i];
    return any;
}

static uint8_t bits_of(const struct naive_xvp *xvp)
{
    uint8_t bits = 0;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        bits = (uint8_t)(bits | xvp->approved[i] << i);
    return bits;
}

static uint32_t approved_legs(const struct naive_xvp *xvp)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        count += xvp->approved[i];
    return count;
}

static uint8_t state_of(const struct naive_xvp *xvp)
{
    uint32_t count = approved_legs(xvp);
    if (xvp->settling != 0)
        return XVP_SETTLING;
    if (xvp->armed)
        return XVP_ARMED;
    if (count == 0)
        return XVP_CREATED;
    return count == xvp->leg_count ? XVP_APPROVED : XVP_APPROVING;
}

// Is leg i the first by which this side's account has to do with the asset?
static bool first_from(const struct naive_xvp *xvp, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (xvp->legs[k].from == xvp->legs[i].from && xvp->legs[k].asset == xvp->legs[i].asset)
            return false;
    return true;
}

static bool first_to(const struct naive_xvp *xvp, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (xvp->legs[k].to == xvp->legs[i].to && xvp->legs[k].asset == xvp->legs[i].asset)
            return false;
    return true;
}

int64_t naive_held_by_xvps(const struct naive_venue *venue, uint32_t account, uint32_t asset,
                           bool settling)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < venue->xvp_count; i++) {
        const struct naive_xvp *xvp = &venue->xvps[i];
        if (xvp->settling != 0 && !settling)
            continue;
        int64_t net = has_approved(xvp, account) ? net_of(xvp, account, asset) : 0;
        sum += net < 0 ? -net : 0;
    }
    return sum;
}

static struct naive_xvp *find(struct naive_venue *venue, uint64_t id)
{
    for (uint32_t i = 0; i < venue->xvp_count; i++)
        if (venue->xvps[i].id == id &&
            (venue->xvps[i].settling != 0 || venue->now < venue->xvps[i].cutoff_ns))
            return &venue->xvps[i];
    return NULL;
}

static void forget(struct naive_venue *venue, struct naive_xvp *xvp)
{
    for (; xvp + 1 < venue->xvps + venue->xvp_count; xvp++)
        *xvp = *(xvp + 1);
    venue->xvp_count--;
}

static uint16_t votes_of(const struct naive_xvp *xvp)
{
    unsigned votes = 0;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        votes |= (unsigned)xvp->giver_votes[i] << i | (unsigned)xvp->getter_votes[i] << (8 + i);
    return (uint16_t)votes;
}

// ---- telling

static struct xvp_changed_evt *tell(struct naive_venue *venue, const struct naive_xvp *xvp,
                                    uint8_t step, uint8_t state)
{
    struct xvp_changed_evt *out = &naive_emit(venue, EVT_xvp_changed)->body.xvp_changed;
    *out = (struct xvp_changed_evt){.xvp = xvp->id,
                                    .cutoff_ns = xvp->cutoff_ns,
                                    .step = step,
                                    .state = state,
                                    .flags = xvp->flags,
                                    .leg_count = xvp->leg_count,
                                    .approved = bits_of(xvp),
                                    .chain_asset = xvp->chain_asset,
                                    .votes = votes_of(xvp),
                                    .external_count = (uint8_t)xvp->external_count,
                                    .lock = (uint8_t)(xvp->armed | xvp->revealed << 1)};
    return out;
}

static void tell_lock(struct naive_venue *venue, const struct naive_xvp *xvp, const char *secret)
{
    struct xvp_lock_evt *out = &naive_emit(venue, EVT_xvp_lock)->body.xvp_lock;
    *out = (struct xvp_lock_evt){.xvp = xvp->id};
    memcpy(out->hash, xvp->hash, 32);
    if (secret != NULL)
        memcpy(out->secret, secret, 32);
}

static void post(struct naive_venue *venue, const struct naive_xvp *xvp, uint32_t account,
                 uint32_t asset, int64_t free, int64_t held)
{
    struct balance_rec *balance = &venue->balances[account][asset];
    balance->available += free;
    balance->held += held;
    naive_emit(venue, EVT_xvp_posted)->body.xvp_posted =
        (struct xvp_posted_evt){.xvp = xvp->id,
                                .account = account,
                                .asset = asset,
                                .amount = free,
                                .held_amount = held,
                                .available = balance->available,
                                .held = balance->held,
                                .counter_account = free == -held ? 0 : (uint32_t)ACCOUNT_CLEARING};
}

// To hold (sign 1) or to release (-1) what an account gives; account 0: of all who have approved.
static void hold(struct naive_venue *venue, const struct naive_xvp *xvp, uint32_t account, int sign)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        uint32_t giver = xvp->legs[i].from;
        uint32_t asset = xvp->legs[i].asset;
        int64_t given = -net_of(xvp, giver, asset);
        bool wanted = account == giver || (account == 0 && xvp->approved[i]);
        if (wanted && given > 0 && first_from(xvp, i))
            post(venue, xvp, giver, asset, -sign * given, sign * given);
    }
}

static void approve(struct naive_xvp *xvp, uint32_t account, bool approved)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        if (xvp->legs[i].from == account)
            xvp->approved[i] = approved;
}

// ---- who may

static bool party_refused(struct naive_venue *venue, uint32_t account)
{
    uint32_t member = venue->accounts[account].member;
    venue->about = account;
    REFUSE_IF(venue->killed, KILLED, 0, 0, KILL_VENUE)
    REFUSE_IF(venue->of_members[member].killed, KILLED, 0, member, KILL_MEMBER)
    REFUSE_IF(venue->of_accounts[account].killed, KILLED, 0, account, KILL_ACCOUNT)
    return naive_person_refused(venue, account);
}

// As of somebody who buys it in each instrument it is traded in.
static bool receiver_refused(struct naive_venue *venue, uint32_t account, uint32_t asset,
                             int64_t units)
{
    venue->about = account;
    for (uint32_t id = 1; id < NAIVE_INSTRUMENTS; id++) {
        const struct naive_order buy = {
            .account = account, .instrument = id, .side = SIDE_BUY, .leaves = units};
        if (venue->instruments[id].terms.token_asset == asset &&
            (naive_buyer_refused(venue, &buy) || naive_position_refused(venue, NULL, &buy)))
            return true;
    }
    return false;
}

static bool ineligible(struct naive_venue *venue, const struct naive_xvp *xvp)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        if (party_refused(venue, xvp->legs[i].from) || party_refused(venue, xvp->legs[i].to))
            return true;
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        int64_t got = net_of(xvp, xvp->legs[i].to, xvp->legs[i].asset);
        if (got > 0 && first_to(xvp, i) &&
            receiver_refused(venue, xvp->legs[i].to, xvp->legs[i].asset, got))
            return true;
    }
    venue->about = 0;
    return false;
}

// ---- create

static bool leg_refused(struct naive_venue *venue, const struct xvp_leg_tail *leg, uint32_t i)
{
    bool unknown = leg->asset >= NAIVE_ASSETS || venue->assets[leg->asset].asset == 0;
    REFUSE_IF(leg->kind == XVP_EXTERNAL, XVP_EXTERNAL, 0, XVP_EXTERNAL, i)
    REFUSE_IF(leg->kind != XVP_LOCAL, XVP_LEG, XVP_LOCAL, 0, i)
    REFUSE_IF(unknown, UNKNOWN_ASSET, 0, leg->asset, i)
    const uint32_t both[] = {leg->from, leg->to};
    for (int k = 0; k < 2; k++)
        REFUSE_IF(both[k] >= NAIVE_ACCOUNTS || venue->accounts[both[k]].account == 0,
                  UNKNOWN_ACCOUNT, 0, both[k], i)
    REFUSE_IF(leg->from == leg->to, XVP_LEG, 0, leg->from, i)
    REFUSE_IF(leg->amount <= 0, QUANTITY_NOT_POSITIVE, 1, leg->amount, i)
    REFUSE_IF(leg->amount > LEG_MAX, OVERFLOW, LEG_MAX, leg->amount, i)
    return false;
}

static bool chain_refused(struct naive_venue *venue, const struct naive_xvp *xvp)
{
    bool is_leg = false;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        is_leg |= xvp->legs[i].asset == xvp->chain_asset &&
                  venue->assets[xvp->legs[i].asset].kind == ASSET_TOKEN;
    REFUSE_IF(xvp->chain_asset != 0 && !is_leg, MALFORMED, 0, xvp->chain_asset, CREATE_CHAIN)
    REFUSE_IF(xvp->chain_asset != 0 && xvp->external_count != 0, XVP_EXTERNAL, 0,
              xvp->external_count, 0)
    return false;
}

static struct xvp_lock_tail lock_of(const struct command *command)
{
    struct xvp_lock_tail lock;
    memcpy(&lock, command_tail(command) + 24 * command->body.xvp_create.leg_count, sizeof lock);
    return lock;
}

// Of two ends the later one is at least the margin after the earlier one.
static bool external_refused(struct naive_venue *venue, uint32_t i)
{
    const struct xvp_create_cmd *body = &venue->command->body.xvp_create;
    struct xvp_external_tail end;
    wide cutoff = body->cutoff_ns, margin = lock_of(venue->command).margin_ns;
    memcpy(&end, command_tail(venue->command) + 24 * body->leg_count + 40 + 16 * i, sizeof end);
    REFUSE_IF(end.claimed < 1 || end.claimed > 2, MALFORMED, 2, (int64_t)end.claimed,
              CREATE_EXTERNALS)
    bool first = end.claimed == XVP_CLAIMED_FIRST;
    wide apart = first ? cutoff - (wide)end.deadline_ns : (wide)end.deadline_ns - cutoff;
    wide bound = first ? cutoff - margin : cutoff + margin;
    bound = bound < 0 ? 0 : bound;
    REFUSE_IF(end.deadline_ns <= venue->now || apart < margin, XVP_MARGIN, (int64_t)bound,
              (int64_t)end.deadline_ns, i)
    return false;
}

static bool lock_refused(struct naive_venue *venue)
{
    uint32_t count = venue->command->body.xvp_create.external_count;
    if (count == 0)
        return false;
    uint64_t margin = lock_of(venue->command).margin_ns;
    REFUSE_IF(margin > YEAR_NS, MALFORMED, (int64_t)YEAR_NS, (int64_t)margin, CREATE_EXTERNALS)
    for (uint32_t i = 0; i < count; i++)
        if (external_refused(venue, i))
            return true;
    return false;
}

static bool create_refused(struct naive_venue *venue, const struct naive_xvp *xvp)
{
    uint64_t last = venue->now + YEAR_NS;
    REFUSE_IF(xvp->flags > 1, MALFORMED, 1, xvp->flags, CREATE_FLAGS)
    REFUSE_IF(xvp->leg_count == 0, XVP_LEGS, 8, 0, 0)
    REFUSE_IF(xvp->cutoff_ns <= venue->now || xvp->cutoff_ns > last, XVP_CUTOFF, (int64_t)last,
              (int64_t)xvp->cutoff_ns, (int64_t)venue->now)
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        if (leg_refused(venue, &xvp->legs[i], i))
            return true;
    if (chain_refused(venue, xvp) || lock_refused(venue) || ineligible(venue, xvp))
        return true;
    REFUSE_IF(venue->xvp_count == NAIVE_XVPS, XVPS_MAX, 256, 256, 0)
    return false;
}

static void tell_legs(struct naive_venue *venue, const struct naive_xvp *xvp)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        naive_emit(venue, EVT_xvp_leg)->body.xvp_leg =
            (struct xvp_leg_evt){.xvp = xvp->id,
                                 .from_account = xvp->legs[i].from,
                                 .to_account = xvp->legs[i].to,
                                 .asset = xvp->legs[i].asset,
                                 .kind = XVP_LOCAL,
                                 .index = (uint8_t)i,
                                 .amount = xvp->legs[i].amount};
}

void naive_xvp_create(struct naive_venue *venue)
{
    const struct xvp_create_cmd *body = &venue->command->body.xvp_create;
    struct naive_xvp xvp = {.id = venue->command->header.sequence,
                            .cutoff_ns = body->cutoff_ns,
                            .chain_asset = body->chain_asset,
                            .flags = body->flags,
                            .leg_count = body->leg_count,
                            .external_count = body->external_count};
    if (xvp.external_count != 0)
        memcpy(xvp.hash, lock_of(venue->command).hash, 32);
    memcpy(xvp.legs, command_tail(venue->command), xvp.leg_count * sizeof(xvp.legs[0]));
    if (body->ref_source == 0 || body->ref_source > 15 || body->ref_source == REF_SETTLE) {
        naive_reject(venue, REJECT_MALFORMED, 15, body->ref_source, CREATE_SOURCE);
        return;
    }
    if (naive_reference_answered(venue, body->ref_source, body->ref_number, body->ref_hash) ||
        create_refused(venue, &xvp))
        return;
    naive_reference_keep(venue, body->ref_source, body->ref_number, body->ref_hash);
    venue->xvps[venue->xvp_count++] = xvp;
    struct xvp_changed_evt *out = tell(venue, &xvp, XVP_STEP_CREATED, XVP_CREATED);
    out->operator_id = body->operator_id;
    out->ref_number = body->ref_number;
    tell_legs(venue, &xvp);
    if (xvp.external_count != 0)
        tell_lock(venue, &xvp, NULL);
}

// ---- execute

static bool execute_refused(struct naive_venue *venue, const struct naive_xvp *xvp)
{
    bool *wanted[16];
    uint32_t count = 0;
    uint32_t approved = approved_legs(xvp);
    venue->about = 0;
    REFUSE_IF(venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, 0, 0)
    REFUSE_IF(approved != xvp->leg_count, XVP_NOT_APPROVED, xvp->leg_count, approved, 0)
    REFUSE_IF(xvp->external_count != 0 && !xvp->revealed, XVP_LOCKED, 0, (int64_t)xvp->id, 0)
    if (ineligible(venue, xvp))
        return true;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        if (net_of(xvp, xvp->legs[i].to, xvp->legs[i].asset) > 0) {
            wanted[count++] = &venue->opened[xvp->legs[i].to][xvp->legs[i].asset];
            wanted[count++] = &venue->opened[ACCOUNT_CLEARING][xvp->legs[i].asset];
        }
    if (naive_open_refused(venue, wanted, count))
        return true;
    naive_open(wanted, count);
    return false;
}

static void exchange(struct naive_venue *venue, struct naive_xvp *xvp)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        int64_t given = -net_of(xvp, xvp->legs[i].from, xvp->legs[i].asset);
        if (given > 0 && first_from(xvp, i))
            post(venue, xvp, xvp->legs[i].from, xvp->legs[i].asset, 0, -given);
    }
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        int64_t got = net_of(xvp, xvp->legs[i].to, xvp->legs[i].asset);
        if (got <= 0 || !first_to(xvp, i))
            continue;
        post(venue, xvp, xvp->legs[i].to, xvp->legs[i].asset, got, 0);
        naive_deficit_pay(venue, xvp->legs[i].to, xvp->legs[i].asset, got);
    }
    forget(venue, xvp);
}

// What each still has to give goes to whoever is still to get some, from the first leg on.
static uint8_t chain_moves(const struct naive_xvp *xvp, struct xvp_move_evt *moves)
{
    wide left[NAIVE_ACCOUNTS] = {0};
    uint8_t count = 0;
    for (uint32_t i = 0; i < xvp->leg_count && xvp->chain_asset != 0; i++) {
        left[xvp->legs[i].from] = net_of(xvp, xvp->legs[i].from, xvp->chain_asset);
        left[xvp->legs[i].to] = net_of(xvp, xvp->legs[i].to, xvp->chain_asset);
    }
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        for (uint32_t k = 0; k < xvp->leg_count; k++) {
            wide *giver = &left[xvp->legs[i].from], *getter = &left[xvp->legs[k].to];
            if (xvp->legs[i].asset != xvp->chain_asset || xvp->legs[k].asset != xvp->chain_asset ||
                *giver >= 0 || *getter <= 0)
                continue;
            wide amount = -*giver < *getter ? -*giver : *getter;
            *giver += amount;
            *getter -= amount;
            moves[count] = (struct xvp_move_evt){.xvp = xvp->id,
                                                 .asset = xvp->chain_asset,
                                                 .from_account = xvp->legs[i].from,
                                                 .to_account = xvp->legs[k].to,
                                                 .index = count,
                                                 .amount = (int64_t)amount};
            count++;
        }
    for (uint8_t i = 0; i < count; i++)
        moves[i].count = count;
    return count;
}

static void execute(struct naive_venue *venue, struct naive_xvp *xvp, uint32_t account,
                    uint32_t operator_id)
{
    struct xvp_move_evt moves[2 * XVP_LEGS_MAX];
    uint8_t count = chain_moves(xvp, moves);
    xvp->settling = count != 0 ? venue->command->header.sequence : 0;
    struct xvp_changed_evt *out = count != 0 ? tell(venue, xvp, XVP_STEP_SETTLING, XVP_SETTLING)
                                             : tell(venue, xvp, XVP_STEP_EXECUTED, XVP_EXECUTED);
    out->account = account;
    out->operator_id = operator_id;
    for (uint8_t i = 0; i < count; i++)
        naive_emit(venue, EVT_xvp_move)->body.xvp_move = moves[i];
    if (count == 0)
        exchange(venue, xvp);
}

// What would be a refusal is told of the instruction.
static void execute_by_itself(struct naive_venue *venue, struct naive_xvp *xvp)
{
    uint32_t told = venue->event_count;
    if (!execute_refused(venue, xvp)) {
        execute(venue, xvp, 0, 0);
        return;
    }
    const struct rejected_evt why = venue->events[told].body.rejected;
    venue->event_count = told;
    struct xvp_changed_evt *out = tell(venue, xvp, XVP_STEP_REFUSED, state_of(xvp));
    out->account = venue->about;
    out->code = why.code;
    out->limit = why.limit;
    out->value = why.value;
    out->argument = why.argument;
}

// ---- act

static bool funds_refused(struct naive_venue *venue, const struct naive_xvp *xvp, uint32_t account)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        uint32_t asset = xvp->legs[i].asset;
        const struct balance_rec *own = &venue->balances[account][asset];
        int64_t settled = own->available - own->unsettled - own->blocked;
        int64_t given = -net_of(xvp, account, asset);
        if (xvp->legs[i].from != account || given <= 0)
            continue;
        if (naive_deficit_refused(venue, account, asset))
            return true;
        REFUSE_IF(given > own->available, INSUFFICIENT_BALANCE, given, own->available, asset)
        REFUSE_IF(given > settled, WITHDRAWAL_UNSETTLED, settled > 0 ? settled : 0, given, asset)
    }
    return false;
}

static void act_approve(struct naive_venue *venue, struct naive_xvp *xvp, uint32_t account)
{
    if (has_approved(xvp, account)) {
        naive_done(venue, 1, 0);
        return;
    }
    if (party_refused(venue, account) || funds_refused(venue, xvp, account))
        return;
    approve(xvp, account, true);
    bool all = approved_legs(xvp) == xvp->leg_count;
    xvp->armed |= all && xvp->external_count != 0;
    tell(venue, xvp, XVP_STEP_APPROVED, state_of(xvp))->account = account;
    hold(venue, xvp, account, 1);
    if (all && (xvp->revealed || (xvp->flags == XVP_AUTO_EXECUTE && xvp->external_count == 0)))
        execute_by_itself(venue, xvp);
}

static void lose(struct naive_venue *venue, struct naive_xvp *xvp, uint32_t account, uint8_t step)
{
    approve(xvp, account, false);
    tell(venue, xvp, step, state_of(xvp))->account = account;
    hold(venue, xvp, account, -1);
}

static void act_revoke(struct naive_venue *venue, struct naive_xvp *xvp, uint32_t account)
{
    if (xvp->armed)
        naive_reject(venue, REJECT_XVP_ARMED, 0, (int64_t)xvp->id, 0);
    else if (has_approved(xvp, account))
        lose(venue, xvp, account, XVP_STEP_REVOKED);
    else
        naive_done(venue, 1, 0);
}

static void act_execute(struct naive_venue *venue, struct naive_xvp *xvp,
                        const struct xvp_act_cmd *body)
{
    if (!execute_refused(venue, xvp))
        execute(venue, xvp, body->account, body->operator_id);
}

static void act_reveal(struct naive_venue *venue, struct naive_xvp *xvp,
                       const struct xvp_act_cmd *body)
{
    uint8_t hash[32];
    const char *secret = command_tail(venue->command);
    sha256(hash, secret, 32);
    bool fits = xvp->external_count != 0 && memcmp(hash, xvp->hash, 32) == 0;
    if (xvp->external_count != 0 && !xvp->armed) {
        naive_reject(venue, REJECT_XVP_NOT_APPROVED, xvp->leg_count, approved_legs(xvp), 0);
    } else if (!fits) {
        naive_reject(venue, REJECT_XVP_SECRET, 0, (int64_t)xvp->id, 0);
    } else if (xvp->revealed) {
        naive_done(venue, 1, 0);
    } else {
        xvp->revealed = true;
        struct xvp_changed_evt *out = tell(venue, xvp, XVP_STEP_REVEALED, XVP_ARMED);
        out->account = body->account;
        out->operator_id = body->operator_id;
        tell_lock(venue, xvp, secret);
        execute_by_itself(venue, xvp);
    }
}

static void vote(struct naive_xvp *xvp, uint32_t account)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        xvp->giver_votes[i] |= xvp->legs[i].from == account;
        xvp->getter_votes[i] |= xvp->legs[i].to == account;
    }
}

static bool all_have_voted(const struct naive_xvp *xvp)
{
    bool all = true;
    for (uint32_t i = 0; i < xvp->leg_count; i++)
        all &= xvp->giver_votes[i] && xvp->getter_votes[i];
    return all;
}

// Of what is armed. False: all want it gone.
static bool vote_answered(struct naive_venue *venue, struct naive_xvp *xvp, uint32_t account)
{
    uint16_t before = votes_of(xvp);
    REFUSE_IF(account == 0, XVP_ARMED, 0, (int64_t)xvp->id, 0)
    vote(xvp, account);
    if (votes_of(xvp) == before) {
        naive_done(venue, 1, 0);
        return true;
    }
    if (all_have_voted(xvp))
        return false;
    tell(venue, xvp, XVP_STEP_VOTED, XVP_ARMED)->account = account;
    return true;
}

static void act_cancel(struct naive_venue *venue, struct naive_xvp *xvp,
                       const struct xvp_act_cmd *body)
{
    if (xvp->revealed) {
        naive_reject(venue, REJECT_XVP_REVEALED, 0, (int64_t)xvp->id, 0);
        return;
    }
    if (xvp->armed && vote_answered(venue, xvp, body->account))
        return;
    struct xvp_changed_evt *out = tell(venue, xvp, XVP_STEP_CANCELLED, XVP_CANCELLED);
    out->account = body->account;
    out->operator_id = body->operator_id;
    hold(venue, xvp, 0, -1);
    forget(venue, xvp);
}

static bool form_refused(struct naive_venue *venue, const struct xvp_act_cmd *body, bool operators)
{
    bool of_senders = body->action == XVP_APPROVE || body->action == XVP_REVOKE;
    bool onward = body->action == XVP_APPROVE || body->action == XVP_EXECUTE;
    REFUSE_IF(body->action < 1 || body->action > 5, MALFORMED, 5, body->action, 4)
    REFUSE_IF(!operators && body->operator_id != 0, MALFORMED, 0, body->operator_id, 3)
    REFUSE_IF(operators && body->account != 0, MALFORMED, 0, body->account, 2)
    REFUSE_IF(operators && of_senders, MALFORMED, 3, body->action, 4)
    REFUSE_IF(onward && venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, 0, 0)
    return false;
}

static bool act_refused(struct naive_venue *venue, const struct xvp_act_cmd *body,
                        struct naive_xvp **xvp)
{
    bool operators = venue->command->header.gateway == GATEWAY_ADMIN;
    bool back = body->action == XVP_REVOKE || body->action == XVP_CANCEL;
    bool onward = body->action == XVP_APPROVE || body->action == XVP_EXECUTE;
    if (!operators &&
        (naive_session_refused(venue) ||
         naive_account_refused(venue, body->account, back ? RIGHT_CANCEL : RIGHT_TRADE)))
        return true;
    if (form_refused(venue, body, operators))
        return true;
    *xvp = find(venue, body->xvp);
    bool strange =
        *xvp == NULL || (!operators && !gives(*xvp, body->account) && !gets(*xvp, body->account));
    REFUSE_IF(strange, XVP, 0, (int64_t)body->xvp, 0)
    if (!operators && onward && naive_killed_refused(venue, body->account))
        return true;
    REFUSE_IF((*xvp)->settling != 0 && body->action != XVP_APPROVE, XVP_SETTLING, 0,
              (int64_t)body->xvp, 0)
    bool of_senders = body->action == XVP_APPROVE || body->action == XVP_REVOKE;
    REFUSE_IF(of_senders && !gives(*xvp, body->account), XVP_SENDER, 0, body->account, 0)
    return false;
}

void naive_xvp_act(struct naive_venue *venue)
{
    const struct xvp_act_cmd *body = &venue->command->body.xvp_act;
    struct naive_xvp *xvp = NULL;
    if (act_refused(venue, body, &xvp))
        return;
    if (body->action == XVP_APPROVE)
        act_approve(venue, xvp, body->account);
    else if (body->action == XVP_REVOKE)
        act_revoke(venue, xvp, body->account);
    else if (body->action == XVP_EXECUTE)
        act_execute(venue, xvp, body);
    else if (body->action == XVP_REVEAL)
        act_reveal(venue, xvp, body);
    else
        act_cancel(venue, xvp, body);
}

// ---- what the chain has made of it

static struct naive_xvp *settling_of(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    struct naive_xvp *xvp = find(venue, body->trade_id);
    bool is_it = xvp != NULL && xvp->settling != 0 && xvp->settling == (uint64_t)body->quantity;
    return is_it ? xvp : NULL;
}

bool naive_xvp_result_refused(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    bool of_trade = body->instrument != 0 || body->buyer_account != 0 ||
                    body->seller_account != 0 || body->proceeds != 0;
    REFUSE_IF(of_trade, MALFORMED, 0, body->instrument, 3)
    REFUSE_IF(settling_of(venue) == NULL, XVP, body->quantity, (int64_t)body->trade_id, 0)
    return false;
}

// Whose balance is short gives its approval back.
static void come_back(struct naive_venue *venue, struct naive_xvp *xvp)
{
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        uint32_t account = xvp->legs[i].from;
        uint32_t asset = xvp->legs[i].asset;
        const struct balance_rec *balance = &venue->balances[account][asset];
        bool is_short = balance->deficit > 0 || balance->blocked > balance->available;
        if (!is_short || !xvp->approved[i] || net_of(xvp, account, asset) >= 0)
            continue;
        lose(venue, xvp, account, XVP_STEP_UNCOVERED);
        for (uint32_t k = 0; k < xvp->leg_count; k++)
            if (xvp->legs[k].from == account && net_of(xvp, account, xvp->legs[k].asset) < 0)
                naive_deficit_pay(venue, account, xvp->legs[k].asset,
                                  venue->balances[account][xvp->legs[k].asset].available);
    }
}

void naive_xvp_result(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    bool executed = body->outcome == SETTLEMENT_XVP_EXECUTED;
    struct naive_xvp *xvp = settling_of(venue);
    if (executed)
        tell(venue, xvp, XVP_STEP_EXECUTED, XVP_EXECUTED)->ref_number = body->ref_number;
    else
        tell(venue, xvp, XVP_STEP_RETURNED, XVP_APPROVED)->ref_number = body->ref_number;
    xvp->settling = 0;
    if (executed)
        exchange(venue, xvp);
    else
        come_back(venue, xvp);
}

// ---- the cut-off, and what is not there any more

uint64_t naive_xvp_deadline(const struct naive_venue *venue)
{
    uint64_t deadline = UINT64_MAX;
    for (uint32_t i = 0; i < venue->xvp_count; i++)
        if (venue->xvps[i].settling == 0 && venue->xvps[i].cutoff_ns < deadline)
            deadline = venue->xvps[i].cutoff_ns;
    return deadline;
}

// False: none was due.
bool naive_xvp_expire(struct naive_venue *venue)
{
    bool any = naive_xvp_deadline(venue) <= venue->now;
    for (uint32_t i = 0; i < venue->xvp_count && naive_room(venue) >= ROOM;) {
        struct naive_xvp *xvp = &venue->xvps[i];
        if (xvp->settling != 0 || xvp->cutoff_ns > venue->now) {
            i++;
            continue;
        }
        tell(venue, xvp, XVP_STEP_EXPIRED, XVP_EXPIRED);
        hold(venue, xvp, 0, -1);
        forget(venue, xvp);
    }
    return any;
}

// False: the events have run out.
bool naive_xvp_uncover(struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    const struct balance_rec *balance = &venue->balances[account][asset];
    for (uint32_t i = venue->xvp_count; i-- > 0;) {
        struct naive_xvp *xvp = &venue->xvps[i];
        if (balance->deficit == 0 && balance->blocked <= balance->available)
            return true;
        if (xvp->settling != 0 || !has_approved(xvp, account) || net_of(xvp, account, asset) >= 0)
            continue;
        if (naive_room(venue) < ROOM)
            return false;
        lose(venue, xvp, account, XVP_STEP_UNCOVERED);
        naive_deficit_pay(venue, account, asset, balance->available);
    }
    return true;
}
