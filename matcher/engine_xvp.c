// Settlement instructions (XvP): legs of cash and tokens between accounts that change hands
// together or not at all (docs/risk.md 13).
//
// Happy path: an operator creates an instruction; each account that gives something approves it,
// and what it gives on balance is held; the last approval executes it, or somebody who is party to
// it does. All of it is one command: what is held goes to ACCOUNT_CLEARING and on to those who get
// it, so that every entry has two sides and nothing is left in between. Whoever may not have it
// then, stops the whole. The cut-off releases what is held; it is told by a tick of the clock.
//
// Where one of its tokens has a contract, executing it is in two: first it becomes settling and
// says what is to move on the chain (XVP_STEP_SETTLING, xvp_move); everything stays held, nobody
// takes anything back, and the cut-off ends nothing. Then settlement says what the chain has made
// of it: executed, and all of it moves here, or returned.
//
// An approval is a bit of each leg that the account gives. What it holds follows from legs and
// approvals and is kept nowhere else.
//
// One that has legs on other ledgers as well (they are told and not settled here) has a hash lock
// (engine_xvp_lock.h): with the last approval it is armed, and nobody takes back alone any more;
// the secret, once revealed, executes it.
#include "matcher/engine_ledger.h"
#include "matcher/engine_xvp_lock.h"
#include "risk/order_controls.h"

#define XVP_AMOUNT_MAX (MONEY_MAX / XVP_LEGS_MAX) // of a leg: no sum of legs overflows

#define FIELD_CREATE(type, name, doc) CREATE_FIELD_##name,
enum create_field { CREATE_FIELD_none, XVP_CREATE_CMD(FIELD_CREATE) };
#define FIELD_ACT(type, name, doc) ACT_FIELD_##name,
enum act_field { ACT_FIELD_none, XVP_ACT_CMD(FIELD_ACT) };
#define FIELD_RESULT(type, name, doc) RESULT_FIELD_##name,
enum result_field { RESULT_FIELD_none, SETTLEMENT_RESULT_CMD(FIELD_RESULT) };

// ---- what follows from the legs

static uint8_t xvp_all(const struct xvp *xvp)
{
    ASSERT(xvp->terms.leg_count >= 1 && xvp->terms.leg_count <= XVP_LEGS_MAX);
    return (uint8_t)((1u << xvp->terms.leg_count) - 1);
}

// The legs that the account gives, as bits; 0: it is no sender.
static uint8_t xvp_given(const struct xvp *xvp, uint32_t account)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        given |= xvp->legs[i].from_account == account ? 1u << i : 0;
    return (uint8_t)given;
}

static bool xvp_is_party(const struct xvp *xvp, uint32_t account)
{
    bool is_party = false;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        is_party |= xvp->legs[i].from_account == account || xvp->legs[i].to_account == account;
    return is_party;
}

// What the account gets of the asset on balance; below 0: what it gives.
static int64_t xvp_net(const struct xvp *xvp, uint32_t account, uint32_t asset)
{
    int64_t net = 0;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        const struct xvp_leg_rec *leg = &xvp->legs[i];
        if (leg->asset != asset)
            continue;
        net += leg->to_account == account ? leg->amount : 0;
        net -= leg->from_account == account ? leg->amount : 0;
    }
    ASSERT(net >= -MONEY_MAX && net <= MONEY_MAX);
    return net;
}

// A balance that an instruction moves, and by how much.
struct xvp_move {
    uint32_t account;
    uint32_t asset;
    int64_t amount; // above 0
};

// What is given on balance (of one account, 0 = of all), or got: in the order of the legs, each
// account and asset once. Returns how many.
static uint32_t xvp_moves(const struct xvp *xvp, bool got, uint32_t only,
                          struct xvp_move moves[XVP_LEGS_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        const struct xvp_leg_rec *leg = &xvp->legs[i];
        uint32_t account = got ? leg->to_account : leg->from_account;
        int64_t net = xvp_net(xvp, account, leg->asset);
        bool again = false;
        for (uint32_t k = 0; k < count; k++)
            again |= moves[k].account == account && moves[k].asset == leg->asset;
        if (!again && (only == 0 || account == only) && (got ? net > 0 : net < 0))
            moves[count++] = (struct xvp_move){account, leg->asset, got ? net : -net};
    }
    return count;
}

// What has to move on the chain, in the order of the legs: who gives is paired with who gets.
// Returns how many: 0, if its contract has nothing to do with it.
static uint32_t xvp_chain_moves(const struct xvp *xvp, struct xvp_move_evt out[XVP_LEGS_MAX])
{
    struct xvp_move given[XVP_LEGS_MAX], got[XVP_LEGS_MAX];
    uint32_t givers = xvp_moves(xvp, false, 0, given);
    uint32_t getters = xvp_moves(xvp, true, 0, got);
    uint32_t count = 0;
    for (uint32_t i = 0; i < givers; i++)
        for (uint32_t k = 0; k < getters && xvp->terms.chain_asset != 0; k++) {
            int64_t amount = given[i].amount < got[k].amount ? given[i].amount : got[k].amount;
            if (given[i].asset != xvp->terms.chain_asset || got[k].asset != given[i].asset ||
                amount == 0)
                continue;
            given[i].amount -= amount;
            got[k].amount -= amount;
            ASSERT(count < XVP_LEGS_MAX);
            out[count] = (struct xvp_move_evt){.xvp = xvp->terms.xvp,
                                               .asset = given[i].asset,
                                               .from_account = given[i].account,
                                               .to_account = got[k].account,
                                               .index = (uint8_t)count,
                                               .amount = amount};
            count++;
        }
    for (uint32_t i = 0; i < count; i++)
        out[i].count = (uint8_t)count;
    return count;
}

// Armed once is armed until its end, whatever approval falls away.
static uint8_t xvp_state(const struct xvp *xvp)
{
    ASSERT(xvp->terms.settling == 0); // nothing is done with what is settling but that it ends
    if ((xvp->terms.lock & XVP_LOCK_ARMED) != 0)
        return XVP_ARMED;
    if (xvp->terms.approved == 0)
        return XVP_CREATED;
    return xvp->terms.approved == xvp_all(xvp) ? XVP_APPROVED : XVP_APPROVING;
}

// ---- the open ones, by ascending id

// The chain decides then, not the cut-off.
static bool xvp_is_settling(const struct xvp *xvp)
{
    return xvp->terms.settling != 0;
}

static void xvp_deadline(struct engine *engine)
{
    engine->xvp_next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < engine->xvp_count; i++)
        if (!xvp_is_settling(&engine->xvps[i]) &&
            engine->xvps[i].terms.cutoff_ns < engine->xvp_next_ns)
            engine->xvp_next_ns = engine->xvps[i].terms.cutoff_ns;
}

static struct xvp *xvp_find(const struct engine *engine, uint64_t id)
{
    for (uint32_t i = 0; i < engine->xvp_count; i++) {
        struct xvp *xvp = &engine->xvps[i];
        if (xvp->terms.xvp == id &&
            (xvp_is_settling(xvp) || xvp->terms.cutoff_ns > engine->time_ns))
            return xvp;
    }
    return NULL;
}

static void xvp_remove(struct engine *engine, struct xvp *xvp)
{
    uint32_t at = (uint32_t)(xvp - engine->xvps);
    ASSERT(at < engine->xvp_count);
    engine->xvp_count--;
    memmove(xvp, xvp + 1, (engine->xvp_count - at) * sizeof(*xvp));
    xvp_deadline(engine);
}

// ---- events, entries

static struct xvp_changed_evt *xvp_tell(struct turn *turn, const struct xvp *xvp, uint8_t step,
                                        uint8_t state)
{
    struct xvp_changed_evt *out = &turn_emit(turn, EVT_xvp_changed)->body.xvp_changed;
    out->xvp = xvp->terms.xvp;
    out->cutoff_ns = xvp->terms.cutoff_ns;
    out->step = step;
    out->state = state;
    out->flags = xvp->terms.flags;
    out->leg_count = xvp->terms.leg_count;
    out->approved = xvp->terms.approved;
    out->chain_asset = xvp->terms.chain_asset;
    out->votes = xvp->terms.votes;
    out->external_count = xvp->terms.external_count;
    out->lock = xvp->terms.lock;
    return out;
}

static void xvp_tell_lock(struct turn *turn, const struct xvp *xvp, const char *secret)
{
    struct xvp_lock_evt *out = &turn_emit(turn, EVT_xvp_lock)->body.xvp_lock;
    out->xvp = xvp->terms.xvp;
    memcpy(out->hash, xvp->terms.hash, sizeof(out->hash));
    if (secret != NULL)
        memcpy(out->secret, secret, sizeof(out->secret));
}

static void xvp_tell_posted(struct turn *turn, const struct xvp *xvp, const struct balance *balance,
                            int64_t amount, int64_t held_amount)
{
    struct xvp_posted_evt *out = &turn_emit(turn, EVT_xvp_posted)->body.xvp_posted;
    out->xvp = xvp->terms.xvp;
    out->account = balance->account;
    out->asset = balance->asset;
    out->amount = amount;
    out->held_amount = held_amount;
    out->available = balance->available;
    out->held = balance->held;
    out->counter_account = amount + held_amount != 0 ? ACCOUNT_CLEARING : 0;
}

static void xvp_hold(struct turn *turn, const struct xvp *xvp, uint32_t account)
{
    struct xvp_move given[XVP_LEGS_MAX];
    uint32_t count = xvp_moves(xvp, false, account, given);
    for (uint32_t i = 0; i < count; i++) {
        struct balance *balance = ledger_balance(turn->engine, account, given[i].asset);
        ledger_hold(balance, given[i].amount);
        xvp_tell_posted(turn, xvp, balance, -given[i].amount, given[i].amount);
    }
}

// Of one account, or (0) of all that have approved.
static void xvp_release(struct turn *turn, const struct xvp *xvp, uint32_t account)
{
    struct xvp_move given[XVP_LEGS_MAX];
    uint32_t count = xvp_moves(xvp, false, account, given);
    for (uint32_t i = 0; i < count; i++) {
        if ((xvp_given(xvp, given[i].account) & xvp->terms.approved) == 0)
            continue;
        struct balance *balance = ledger_balance(turn->engine, given[i].account, given[i].asset);
        ledger_release(balance, given[i].amount);
        xvp_tell_posted(turn, xvp, balance, given[i].amount, -given[i].amount);
    }
}

// ---- eligibility: at creation, and anew at execution

// A refusal, and whom it is about.
struct xvp_refusal {
    struct refusal refusal;
    uint32_t account;
};

static bool xvp_person(const struct engine *engine, uint32_t id, struct refusal *refusal)
{
    const struct account *account = &engine->accounts[id];
    const struct member *member = &engine->members[account->terms.member];
    if (engine->killed)
        return refuse(refusal, REJECT_KILLED, 0, 0, KILL_VENUE);
    if (member->killed)
        return refuse(refusal, REJECT_KILLED, 0, account->terms.member, KILL_MEMBER);
    if (account->killed)
        return refuse(refusal, REJECT_KILLED, 0, id, KILL_ACCOUNT);
    return order_check_person(&account->terms, member->terms.suspended != 0, refusal);
}

// May the account get the token, as a buyer of it could?
static bool xvp_receiver(const struct engine *engine, const struct xvp_move *got,
                         struct refusal *refusal)
{
    const struct account *account = &engine->accounts[got->account];
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++) {
        const struct instrument *instrument = &engine->instruments[id];
        if (instrument->terms.token_asset != got->asset)
            continue;
        const struct order_check check = {
            .terms = &instrument->terms,
            .controls = &instrument->controls,
            .jurisdictions = &instrument->jurisdictions,
            .account = account,
            .venue = &engine->check_venue,
            .side = SIDE_BUY,
            .quantity = got->amount,
            .token_balance = ledger_find(&engine->ledger, got->account, got->asset)};
        if (!order_controls_buyer(&check, refusal) || !order_controls_position(&check, refusal))
            return false;
    }
    return true;
}

static bool xvp_eligible(const struct engine *engine, const struct xvp *xvp,
                         struct xvp_refusal *why)
{
    struct xvp_move got[XVP_LEGS_MAX];
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        why->account = xvp->legs[i].from_account;
        if (!xvp_person(engine, why->account, &why->refusal))
            return false;
        why->account = xvp->legs[i].to_account;
        if (!xvp_person(engine, why->account, &why->refusal))
            return false;
    }
    uint32_t count = xvp_moves(xvp, true, 0, got);
    for (uint32_t i = 0; i < count; i++) {
        why->account = got[i].account;
        if (!xvp_receiver(engine, &got[i], &why->refusal))
            return false;
    }
    why->account = 0;
    return true;
}

// ---- create

static bool create_leg(const struct engine *engine, const struct xvp_leg_rec *leg,
                       struct refusal *refusal)
{
    if (leg->kind == XVP_EXTERNAL)
        return refuse(refusal, REJECT_XVP_EXTERNAL, 0, leg->kind, leg->index);
    if (leg->kind != XVP_LOCAL)
        return refuse(refusal, REJECT_XVP_LEG, XVP_LOCAL, leg->kind, leg->index);
    if (engine_asset(engine, leg->asset) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ASSET, 0, leg->asset, leg->index);
    if (engine_account(engine, leg->from_account) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, leg->from_account, leg->index);
    if (engine_account(engine, leg->to_account) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, leg->to_account, leg->index);
    if (leg->from_account == leg->to_account)
        return refuse(refusal, REJECT_XVP_LEG, 0, leg->from_account, leg->index);
    if (leg->amount <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, leg->amount, leg->index);
    if (leg->amount > XVP_AMOUNT_MAX)
        return refuse(refusal, REJECT_OVERFLOW, XVP_AMOUNT_MAX, leg->amount, leg->index);
    return true;
}

static bool create_form(const struct engine *engine, const struct xvp_create_cmd *body,
                        struct refusal *refusal)
{
    if (body->flags > XVP_AUTO_EXECUTE)
        return refuse(refusal, REJECT_MALFORMED, XVP_AUTO_EXECUTE, body->flags, CREATE_FIELD_flags);
    if (body->leg_count == 0)
        return refuse(refusal, REJECT_XVP_LEGS, XVP_LEGS_MAX, 0, 0);
    if (body->cutoff_ns <= engine->time_ns || body->cutoff_ns > engine->time_ns + XVP_HORIZON_NS)
        return refuse(refusal, REJECT_XVP_CUTOFF, (int64_t)(engine->time_ns + XVP_HORIZON_NS),
                      (int64_t)body->cutoff_ns, (int64_t)engine->time_ns);
    return true;
}

// What its contract settles is a token of its legs.
static bool create_chain(const struct engine *engine, const struct xvp *xvp)
{
    const struct asset_rec *asset = engine_asset(engine, xvp->terms.chain_asset);
    bool is_of_legs = false;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        is_of_legs |= xvp->legs[i].asset == xvp->terms.chain_asset;
    ASSERT(!is_of_legs || asset != NULL); // of each leg it is known
    return xvp->terms.chain_asset == 0 || (is_of_legs && asset->kind == ASSET_TOKEN);
}

static void create_legs(const struct turn *turn, struct xvp *xvp)
{
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        struct xvp_leg_tail leg;
        memcpy(&leg, command_tail(turn->command) + i * sizeof(leg), sizeof(leg));
        xvp->legs[i] =
            (struct xvp_leg_rec){.xvp = xvp->terms.xvp,
                                 .from_account = leg.from,
                                 .to_account = leg.to,
                                 .asset = leg.asset,
                                 .kind = leg.kind <= XVP_EXTERNAL ? (uint8_t)leg.kind : 0,
                                 .index = (uint8_t)i,
                                 .amount = leg.amount};
    }
}

static bool create_admit(const struct turn *turn, const struct xvp *xvp, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    struct xvp_refusal why = {0};
    if (!create_form(engine, &turn->command->body.xvp_create, refusal))
        return false;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        if (!create_leg(engine, &xvp->legs[i], refusal))
            return false;
    if (!create_chain(engine, xvp))
        return refuse(refusal, REJECT_MALFORMED, 0, xvp->terms.chain_asset,
                      CREATE_FIELD_chain_asset);
    if (xvp->terms.chain_asset != 0 && xvp->terms.external_count != 0) // which would go first?
        return refuse(refusal, REJECT_XVP_EXTERNAL, 0, xvp->terms.external_count, 0);
    if (!xvp_lock_admit(turn->command, engine->time_ns, refusal))
        return false;
    if (!xvp_eligible(engine, xvp, &why)) {
        *refusal = why.refusal;
        return false;
    }
    if (engine->xvp_count == XVPS_MAX)
        return refuse(refusal, REJECT_XVPS_MAX, XVPS_MAX, XVPS_MAX, 0);
    return true;
}

static void create_run(struct turn *turn, const struct xvp *xvp)
{
    const struct xvp_create_cmd *body = &turn->command->body.xvp_create;
    struct engine *engine = turn->engine;
    reference_book(engine, body->ref_source, body->ref_number, body->ref_hash);
    engine->xvps[engine->xvp_count++] = *xvp;
    xvp_deadline(engine);
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_CREATED, XVP_CREATED);
    out->operator_id = body->operator_id;
    out->ref_number = body->ref_number;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        memcpy(&turn_emit(turn, EVT_xvp_leg)->body, &xvp->legs[i], sizeof(xvp->legs[i]));
    if (xvp->terms.external_count != 0)
        xvp_tell_lock(turn, xvp, NULL);
}

void engine_xvp_create(struct turn *turn)
{
    const struct xvp_create_cmd *body = &turn->command->body.xvp_create;
    struct xvp xvp = {.terms = {.xvp = turn->command->header.sequence,
                                .cutoff_ns = body->cutoff_ns,
                                .flags = body->flags,
                                .leg_count = body->leg_count,
                                .chain_asset = body->chain_asset}};
    struct refusal refusal;
    enum reference_answer answer =
        reference_ask_operator(turn->engine, body->ref_source, body->ref_number, body->ref_hash,
                               CREATE_FIELD_ref_source, &refusal);
    create_legs(turn, &xvp);
    xvp_lock_read(&xvp, turn->command);
    if (answer == REFERENCE_REPEATED)
        turn_done(turn, true, 0);
    else if (answer == REFERENCE_REFUSED || !create_admit(turn, &xvp, &refusal))
        turn_reject(turn, &refusal);
    else
        create_run(turn, &xvp);
}

// ---- execute

// All that may stop it, before anything is changed.
static bool execute_admit(const struct engine *engine, const struct xvp *xvp,
                          struct xvp_refusal *why)
{
    struct xvp_move got[XVP_LEGS_MAX];
    struct needed needed[2 * XVP_LEGS_MAX];
    why->account = 0;
    if (engine->venue_state != VENUE_OPEN)
        return refuse(&why->refusal, REJECT_VENUE_CANCEL_ONLY, 0, 0, 0);
    if (xvp->terms.approved != xvp_all(xvp))
        return refuse(&why->refusal, REJECT_XVP_NOT_APPROVED, xvp->terms.leg_count,
                      __builtin_popcount(xvp->terms.approved), 0);
    if (xvp->terms.external_count != 0 && (xvp->terms.lock & XVP_LOCK_REVEALED) == 0)
        return refuse(&why->refusal, REJECT_XVP_LOCKED, 0, (int64_t)xvp->terms.xvp, 0);
    if (!xvp_eligible(engine, xvp, why))
        return false;
    uint32_t count = xvp_moves(xvp, true, 0, got);
    for (uint32_t i = 0; i < count; i++) {
        needed[2 * i] = (struct needed){got[i].account, got[i].asset};
        needed[2 * i + 1] = (struct needed){ACCOUNT_CLEARING, got[i].asset};
    }
    return ledger_has_room(engine, needed, 2 * count, &why->refusal);
}

// What is held goes to the clearing account, and from there to who gets it.
static void execute_entries(struct turn *turn, const struct xvp *xvp)
{
    struct engine *engine = turn->engine;
    struct ledger *ledger = &engine->ledger;
    struct xvp_move moves[XVP_LEGS_MAX];
    uint32_t count = xvp_moves(xvp, false, 0, moves);
    for (uint32_t i = 0; i < count; i++) {
        struct balance *giver = ledger_balance(engine, moves[i].account, moves[i].asset);
        struct balance *clearing = ledger_balance(engine, ACCOUNT_CLEARING, moves[i].asset);
        struct ledger_sum sum = {.asset = moves[i].asset};
        ledger_pay_held(&sum, giver, moves[i].amount);
        ledger_receive(&sum, clearing, moves[i].amount, 0);
        ledger_close(ledger, &sum);
        xvp_tell_posted(turn, xvp, giver, 0, -moves[i].amount);
    }
    count = xvp_moves(xvp, true, 0, moves);
    for (uint32_t i = 0; i < count; i++) {
        struct balance *getter = ledger_balance(engine, moves[i].account, moves[i].asset);
        struct balance *clearing = ledger_balance(engine, ACCOUNT_CLEARING, moves[i].asset);
        ledger_transfer(ledger, clearing, getter, moves[i].amount);
        xvp_tell_posted(turn, xvp, getter, moves[i].amount, 0);
        deficit_cover(turn, getter, moves[i].amount);
    }
}

// Its token moves on the chain first. What it will bring has its place from now on, so that the
// execution can be booked whatever comes.
static void execute_begin(struct turn *turn, struct xvp *xvp, uint32_t account,
                          uint32_t operator_id, const struct xvp_move_evt *moves, uint32_t count)
{
    struct xvp_move got[XVP_LEGS_MAX];
    uint32_t getters = xvp_moves(xvp, true, 0, got);
    for (uint32_t i = 0; i < getters; i++) {
        (void)ledger_balance(turn->engine, got[i].account, got[i].asset);
        (void)ledger_balance(turn->engine, ACCOUNT_CLEARING, got[i].asset);
    }
    xvp->terms.settling = turn->command->header.sequence;
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_SETTLING, XVP_SETTLING);
    out->account = account;
    out->operator_id = operator_id;
    for (uint32_t i = 0; i < count; i++)
        turn_emit(turn, EVT_xvp_move)->body.xvp_move = moves[i];
    xvp_deadline(turn->engine);
}

static void execute_run(struct turn *turn, struct xvp *xvp, uint32_t account, uint32_t operator_id)
{
    struct xvp_move_evt moves[XVP_LEGS_MAX];
    uint32_t count = xvp_chain_moves(xvp, moves);
    ASSERT(xvp->terms.approved == xvp_all(xvp) && !xvp_is_settling(xvp));
    if (count != 0) {
        execute_begin(turn, xvp, account, operator_id, moves, count);
        return;
    }
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_EXECUTED, XVP_EXECUTED);
    out->account = account;
    out->operator_id = operator_id;
    execute_entries(turn, xvp);
    xvp_remove(turn->engine, xvp);
}

// After the last approval, or with the secret: it is executed, or it is told why not and stays
// open.
static void execute_auto(struct turn *turn, struct xvp *xvp)
{
    struct xvp_refusal why = {0};
    if (execute_admit(turn->engine, xvp, &why)) {
        execute_run(turn, xvp, 0, 0);
        return;
    }
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_REFUSED, xvp_state(xvp));
    out->account = why.account;
    out->code = why.refusal.code;
    out->limit = why.refusal.limit;
    out->value = why.refusal.value;
    out->argument = why.refusal.argument;
}

// ---- act

// What the account gives must be there, settled, and nothing of it owed.
static bool approve_funds(const struct engine *engine, const struct xvp *xvp, uint32_t account,
                          struct refusal *refusal)
{
    struct xvp_move given[XVP_LEGS_MAX];
    uint32_t count = xvp_moves(xvp, false, account, given);
    for (uint32_t i = 0; i < count; i++) {
        const struct balance *own = ledger_look(engine, account, given[i].asset);
        int64_t free = ledger_withdrawable(own);
        if (own->deficit != 0)
            return refuse(refusal, REJECT_DEFICIT, 0, own->deficit, given[i].asset);
        if (given[i].amount > own->available)
            return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, given[i].amount, own->available,
                          given[i].asset);
        if (given[i].amount > free)
            return refuse(refusal, REJECT_WITHDRAWAL_UNSETTLED, free, given[i].amount,
                          given[i].asset);
    }
    return true;
}

// All have approved. One with a lock is armed by that, and executed by itself if its secret is
// public.
static void approve_complete(struct turn *turn, struct xvp *xvp)
{
    uint8_t lock = xvp->terms.lock;
    if (xvp->terms.external_count == 0 ? (xvp->terms.flags & XVP_AUTO_EXECUTE) != 0
                                       : (lock & XVP_LOCK_REVEALED) != 0)
        execute_auto(turn, xvp);
}

static bool act_approve(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    const struct xvp_act_cmd *body = &turn->command->body.xvp_act;
    uint8_t given = xvp_given(xvp, body->account);
    if (given == 0)
        return refuse(refusal, REJECT_XVP_SENDER, 0, body->account, 0);
    if ((xvp->terms.approved & given) != 0) {
        turn_done(turn, true, 0);
        return true;
    }
    if (!xvp_person(turn->engine, body->account, refusal) ||
        !approve_funds(turn->engine, xvp, body->account, refusal))
        return false;
    xvp->terms.approved |= given;
    if (xvp->terms.external_count != 0 && xvp->terms.approved == xvp_all(xvp))
        xvp->terms.lock |= XVP_LOCK_ARMED;
    xvp_tell(turn, xvp, XVP_STEP_APPROVED, xvp_state(xvp))->account = body->account;
    xvp_hold(turn, xvp, body->account);
    if (xvp->terms.approved == xvp_all(xvp))
        approve_complete(turn, xvp);
    return true;
}

// The approval of an account falls away.
static void xvp_unapprove(struct turn *turn, struct xvp *xvp, uint32_t account, uint8_t step)
{
    uint8_t given = xvp_given(xvp, account);
    struct xvp after = *xvp;
    ASSERT((xvp->terms.approved & given) == given && given != 0);
    after.terms.approved &= (uint8_t)~given;
    xvp_tell(turn, &after, step, xvp_state(&after))->account = account;
    xvp_release(turn, xvp, account);
    *xvp = after;
}

static bool act_revoke(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    uint32_t account = turn->command->body.xvp_act.account;
    uint8_t given = xvp_given(xvp, account);
    if (given == 0)
        return refuse(refusal, REJECT_XVP_SENDER, 0, account, 0);
    if ((xvp->terms.lock & XVP_LOCK_ARMED) != 0)
        return refuse(refusal, REJECT_XVP_ARMED, 0, (int64_t)xvp->terms.xvp, 0);
    if ((xvp->terms.approved & given) == 0)
        turn_done(turn, true, 0);
    else
        xvp_unapprove(turn, xvp, account, XVP_STEP_REVOKED);
    return true;
}

static bool act_execute(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    const struct xvp_act_cmd *body = &turn->command->body.xvp_act;
    struct xvp_refusal why = {0};
    if (!execute_admit(turn->engine, xvp, &why)) {
        *refusal = why.refusal;
        return false;
    }
    execute_run(turn, xvp, body->account, body->operator_id);
    return true;
}

// Its secret becomes public, whatever comes of it: even if it cannot be executed now, the other
// side may be claimed with it.
static bool act_reveal(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    const struct xvp_act_cmd *body = &turn->command->body.xvp_act;
    const char *secret = command_tail(turn->command);
    if (xvp->terms.external_count != 0 && (xvp->terms.lock & XVP_LOCK_ARMED) == 0)
        return refuse(refusal, REJECT_XVP_NOT_APPROVED, xvp->terms.leg_count,
                      __builtin_popcount(xvp->terms.approved), 0);
    if (!xvp_lock_fits(xvp, secret))
        return refuse(refusal, REJECT_XVP_SECRET, 0, (int64_t)xvp->terms.xvp, 0);
    if ((xvp->terms.lock & XVP_LOCK_REVEALED) != 0) {
        turn_done(turn, true, 0);
        return true;
    }
    xvp->terms.lock |= XVP_LOCK_REVEALED;
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_REVEALED, XVP_ARMED);
    out->account = body->account;
    out->operator_id = body->operator_id;
    xvp_tell_lock(turn, xvp, secret);
    execute_auto(turn, xvp);
    return true;
}

static void cancel_run(struct turn *turn, struct xvp *xvp)
{
    const struct xvp_act_cmd *body = &turn->command->body.xvp_act;
    struct xvp_changed_evt *out = xvp_tell(turn, xvp, XVP_STEP_CANCELLED, XVP_CANCELLED);
    out->account = body->account;
    out->operator_id = body->operator_id;
    xvp_release(turn, xvp, 0);
    xvp_remove(turn->engine, xvp);
}

// What is armed is cancelled by all its parties together, and by nobody when the secret is public.
static bool act_cancel(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    uint32_t account = turn->command->body.xvp_act.account;
    uint16_t votes = xvp_lock_votes(xvp, account);
    bool is_armed = (xvp->terms.lock & XVP_LOCK_ARMED) != 0;
    if ((xvp->terms.lock & XVP_LOCK_REVEALED) != 0)
        return refuse(refusal, REJECT_XVP_REVEALED, 0, (int64_t)xvp->terms.xvp, 0);
    if (is_armed && votes == 0) // an operator
        return refuse(refusal, REJECT_XVP_ARMED, 0, (int64_t)xvp->terms.xvp, 0);
    if (is_armed && (xvp->terms.votes & votes) == votes) {
        turn_done(turn, true, 0);
        return true;
    }
    xvp->terms.votes |= is_armed ? votes : 0;
    if (is_armed && xvp->terms.votes != xvp_lock_all_votes(xvp))
        xvp_tell(turn, xvp, XVP_STEP_VOTED, XVP_ARMED)->account = account;
    else
        cancel_run(turn, xvp);
    return true;
}

// What gives something away needs the right to trade, what takes it back that to cancel; both an
// open venue or not, as with orders.
static bool is_taking_back(uint8_t action)
{
    return action == XVP_REVOKE || action == XVP_CANCEL;
}

// A secret that is revealed is a fact, which no state of the venue or of the account hinders; the
// execution that follows asks for all of that.
static bool is_onward(uint8_t action)
{
    return action == XVP_APPROVE || action == XVP_EXECUTE;
}

static bool act_form(const struct turn *turn, const struct xvp_act_cmd *body, bool operators,
                     struct refusal *refusal)
{
    if (body->action < XVP_APPROVE || body->action > XVP_REVEAL)
        return refuse(refusal, REJECT_MALFORMED, XVP_REVEAL, body->action, ACT_FIELD_action);
    if (!operators && body->operator_id != 0)
        return refuse(refusal, REJECT_MALFORMED, 0, body->operator_id, ACT_FIELD_operator_id);
    if (operators && body->account != 0)
        return refuse(refusal, REJECT_MALFORMED, 0, body->account, ACT_FIELD_account);
    if (operators && (body->action == XVP_APPROVE || body->action == XVP_REVOKE))
        return refuse(refusal, REJECT_MALFORMED, XVP_EXECUTE, body->action, ACT_FIELD_action);
    if (is_onward(body->action) && turn->engine->venue_state != VENUE_OPEN)
        return refuse(refusal, REJECT_VENUE_CANCEL_ONLY, 0, 0, 0);
    return true;
}

static bool act_admit(const struct turn *turn, struct xvp **xvp, struct refusal *refusal)
{
    const struct xvp_act_cmd *body = &turn->command->body.xvp_act;
    bool operators = turn->command->header.gateway == GATEWAY_ADMIN;
    if (!operators &&
        (!engine_session_admit(turn, refusal) ||
         !engine_right_admit(turn, body->account,
                             is_taking_back(body->action) ? RIGHT_CANCEL : RIGHT_TRADE, refusal)))
        return false;
    if (!act_form(turn, body, operators, refusal))
        return false;
    *xvp = xvp_find(turn->engine, body->xvp);
    if (*xvp == NULL ||
        (!operators && !xvp_is_party(*xvp, body->account))) // tells nobody of others'
        return refuse(refusal, REJECT_XVP, 0, (int64_t)body->xvp, 0);
    if (!operators && is_onward(body->action) && !engine_kill_admit(turn, body->account, refusal))
        return false;
    if (xvp_is_settling(*xvp) && body->action != XVP_APPROVE) // that was done
        return refuse(refusal, REJECT_XVP_SETTLING, 0, (int64_t)body->xvp, 0);
    return true;
}

static bool act_run(struct turn *turn, struct xvp *xvp, struct refusal *refusal)
{
    switch (turn->command->body.xvp_act.action) {
    case XVP_APPROVE:
        return act_approve(turn, xvp, refusal);
    case XVP_REVOKE:
        return act_revoke(turn, xvp, refusal);
    case XVP_EXECUTE:
        return act_execute(turn, xvp, refusal);
    case XVP_REVEAL:
        return act_reveal(turn, xvp, refusal);
    default:
        return act_cancel(turn, xvp, refusal);
    }
}

void engine_xvp_act(struct turn *turn)
{
    struct xvp *xvp = NULL;
    struct refusal refusal;
    if (!act_admit(turn, &xvp, &refusal) || !act_run(turn, xvp, &refusal))
        turn_reject(turn, &refusal);
}

// ---- what the chain has made of it

// An account that owes, or has something blocked, gives its approval back: its orders and other
// approvals have gone before.
static void returned_uncover(struct turn *turn, struct xvp *xvp)
{
    struct xvp_move given[XVP_LEGS_MAX];
    uint32_t count = xvp_moves(xvp, false, 0, given);
    for (uint32_t i = 0; i < count; i++) {
        struct balance *balance = ledger_balance(turn->engine, given[i].account, given[i].asset);
        if ((xvp_given(xvp, given[i].account) & xvp->terms.approved) == 0 ||
            !balance_is_uncovered(balance))
            continue;
        xvp_unapprove(turn, xvp, given[i].account, XVP_STEP_UNCOVERED);
        for (uint32_t k = i; k < count; k++)
            if (given[k].account == given[i].account) {
                balance = ledger_balance(turn->engine, given[k].account, given[k].asset);
                deficit_cover(turn, balance, balance->available);
            }
    }
}

static bool result_admit(const struct turn *turn, struct xvp **xvp, struct refusal *refusal)
{
    const struct settlement_result_cmd *body = &turn->command->body.settlement_result;
    if (body->instrument != 0 || body->buyer_account != 0 || body->seller_account != 0 ||
        body->proceeds != 0)
        return refuse(refusal, REJECT_MALFORMED, 0, body->instrument, RESULT_FIELD_instrument);
    *xvp = xvp_find(turn->engine, body->trade_id);
    if (*xvp == NULL || !xvp_is_settling(*xvp) ||
        (*xvp)->terms.settling != (uint64_t)body->quantity)
        return refuse(refusal, REJECT_XVP, body->quantity, (int64_t)body->trade_id, 0);
    return true;
}

bool engine_xvp_result(struct turn *turn, struct refusal *refusal)
{
    const struct settlement_result_cmd *body = &turn->command->body.settlement_result;
    struct xvp *xvp = NULL;
    if (!result_admit(turn, &xvp, refusal))
        return false;
    if (body->outcome == SETTLEMENT_XVP_EXECUTED) {
        xvp_tell(turn, xvp, XVP_STEP_EXECUTED, XVP_EXECUTED)->ref_number = body->ref_number;
        execute_entries(turn, xvp);
        xvp_remove(turn->engine, xvp);
        return true;
    }
    ASSERT(body->outcome == SETTLEMENT_XVP_RETURNED);
    xvp->terms.settling = 0;
    xvp_tell(turn, xvp, XVP_STEP_RETURNED, XVP_APPROVED)->ref_number = body->ref_number;
    returned_uncover(turn, xvp);
    xvp_deadline(turn->engine); // if it has passed, the next tick ends it
    return true;
}

// ---- the cut-off

// One that has not been told yet; NULL: there is none.
static struct xvp *xvp_due(const struct engine *engine)
{
    for (uint32_t i = 0; i < engine->xvp_count; i++)
        if (!xvp_is_settling(&engine->xvps[i]) &&
            engine->xvps[i].terms.cutoff_ns <= engine->time_ns)
            return &engine->xvps[i];
    return NULL;
}

void engine_xvp_expire(struct turn *turn)
{
    struct xvp *xvp = NULL;
    while ((xvp = xvp_due(turn->engine)) != NULL && turn_room(turn) >= XVP_ROOM) {
        (void)xvp_tell(turn, xvp, XVP_STEP_EXPIRED, XVP_EXPIRED);
        xvp_release(turn, xvp, 0);
        xvp_remove(turn->engine, xvp);
    }
}

// ---- what others ask

static int64_t xvp_escrow(const struct xvp *xvp, uint32_t account, uint32_t asset)
{
    int64_t net = xvp_net(xvp, account, asset);
    return net < 0 && (xvp_given(xvp, account) & xvp->terms.approved) != 0 ? -net : 0;
}

bool engine_xvp_uncover(struct turn *turn, const struct balance *balance)
{
    struct engine *engine = turn->engine;
    for (uint32_t at = engine->xvp_count; at-- > 0;) {
        struct xvp *xvp = &engine->xvps[at];
        if (xvp_is_settling(xvp) || xvp_escrow(xvp, balance->account, balance->asset) == 0)
            continue;
        xvp_unapprove(turn, xvp, balance->account, XVP_STEP_UNCOVERED);
        return true;
    }
    return false;
}

int64_t engine_xvp_settling(const struct engine *engine, const struct balance *balance)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < engine->xvp_count; i++)
        if (xvp_is_settling(&engine->xvps[i]))
            sum += xvp_escrow(&engine->xvps[i], balance->account, balance->asset);
    return sum;
}

void engine_xvp_check(const struct engine *engine)
{
    ASSERT(engine->xvp_count <= XVPS_MAX);
    uint64_t next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < engine->xvp_count; i++) {
        const struct xvp *xvp = &engine->xvps[i];
        struct xvp_move given[XVP_LEGS_MAX];
        ASSERT(i == 0 || engine->xvps[i - 1].terms.xvp < xvp->terms.xvp);
        ASSERT(xvp_lock_valid(xvp));
        if (!xvp_is_settling(xvp) && xvp->terms.cutoff_ns < next_ns)
            next_ns = xvp->terms.cutoff_ns;
        ASSERT(!xvp_is_settling(xvp) || xvp->terms.approved == xvp_all(xvp));
        uint32_t count = xvp_moves(xvp, false, 0, given);
        for (uint32_t k = 0; k < count; k++)
            engine->check_holds[ledger_find(&engine->ledger, given[k].account, given[k].asset)] +=
                xvp_escrow(xvp, given[k].account, given[k].asset);
    }
    ASSERT(engine->xvp_next_ns == next_ns);
}

// ---- loading

bool engine_xvp_load(struct engine *engine, const struct xvp_rec *record)
{
    uint32_t count = engine->xvp_count;
    if (count == XVPS_MAX || record->xvp == 0 || record->xvp > engine->sequence ||
        record->flags > XVP_AUTO_EXECUTE || record->leg_count == 0 ||
        record->leg_count > XVP_LEGS_MAX || record->approved >> record->leg_count != 0 ||
        record->cutoff_ns > engine->time_ns + XVP_HORIZON_NS ||
        record->settling > engine->sequence ||
        (record->settling != 0 && record->settling <= record->xvp) ||
        (count != 0 && engine->xvps[count - 1].terms.xvp >= record->xvp))
        return false;
    engine->xvps[engine->xvp_count++] = (struct xvp){.terms = *record};
    engine->load_legs = record->leg_count;
    xvp_deadline(engine);
    return true;
}

// An account has approved with all the legs that it gives, or with none; what is settling has
// something to settle, and everybody has.
static bool load_whole(const struct engine *engine, const struct xvp *xvp)
{
    struct xvp_move_evt moves[XVP_LEGS_MAX];
    if (!create_chain(engine, xvp) || !xvp_lock_valid(xvp) ||
        (xvp_is_settling(xvp) &&
         (xvp->terms.approved != xvp_all(xvp) || xvp_chain_moves(xvp, moves) == 0)))
        return false;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        uint8_t given = xvp_given(xvp, xvp->legs[i].from_account);
        if ((xvp->terms.approved & given) != 0 && (xvp->terms.approved & given) != given)
            return false;
    }
    return true;
}

bool engine_xvp_leg_load(struct engine *engine, const struct xvp_leg_rec *record)
{
    struct refusal refusal;
    if (engine->load_legs == 0)
        return false;
    struct xvp *xvp = &engine->xvps[engine->xvp_count - 1];
    uint32_t index = xvp->terms.leg_count - engine->load_legs;
    if (record->xvp != xvp->terms.xvp || record->index != index ||
        !create_leg(engine, record, &refusal))
        return false;
    xvp->legs[index] = *record;
    engine->load_legs--;
    return engine->load_legs != 0 || load_whole(engine, xvp);
}
