#include "settlement/settle_netting.h"

#include <string.h>

#include "settlement/settle_net.h"

// The legs as they are netted; false: a sum does not fit.
struct plan {
    size_t trade_count;
    struct settle_net_trade trades[SETTLE_LEGS_MAX];
    size_t net_count;
    struct settle_net nets[SETTLE_LEGS_MAX];
};

static bool plan_make(struct plan *plan, const struct settle_call *call)
{
    plan->trade_count = call->leg_count;
    for (size_t i = 0; i < call->leg_count; i++)
        plan->trades[i] = (struct settle_net_trade){.trade_id = call->legs[i].trade_id,
                                                    .from = call->legs[i].from,
                                                    .to = call->legs[i].to,
                                                    .units = call->legs[i].units};
    if (!settle_net(plan->nets, &plan->net_count, plan->trades, plan->trade_count))
        return false;
    ASSERT(settle_net_check(plan->nets, plan->net_count, plan->trades, plan->trade_count));
    return true;
}

// ---- the order of the movements

struct balances {
    size_t count;
    struct {
        struct chain_address address;
        chain_uint128 free_units;
    } wallets[SETTLE_WALLETS_MAX];
};

static void balances_fill(struct balances *out, const struct settle_preflight *preflight)
{
    out->count = preflight->wallet_count;
    for (size_t i = 0; i < out->count; i++) {
        const struct settle_wallet *wallet = &preflight->wallets[i];

        out->wallets[i].address = wallet->address;
        out->wallets[i].free_units = settle_wallet_spendable(wallet);
    }
}

static chain_uint128 *balance_of(struct balances *balances, const struct chain_address *address)
{
    size_t i = 0;

    while (i < balances->count && !address_equal(&balances->wallets[i].address, address))
        i++;
    ASSERT(i < balances->count);
    return &balances->wallets[i].free_units;
}

static bool move(struct balances *balances, const struct settle_net *net)
{
    chain_uint128 *from = balance_of(balances, &net->from);
    chain_uint128 *to = balance_of(balances, &net->to);

    if (*from < net->units)
        return false;
    *from -= net->units;
    if (__builtin_add_overflow(*to, net->units, to))
        *to = ~(chain_uint128)0;
    return true;
}

// Each time the first net that can be carried out. False: those that are left cannot.
static bool places_find(uint8_t places[SETTLE_LEGS_MAX], const struct plan *plan,
                        struct balances *balances)
{
    uint8_t next = 0;
    bool moved = true;
    size_t left = 0;

    for (size_t i = 0; i < plan->net_count; i++) {
        places[i] = SETTLE_PLACE_NONE;
        left += plan->nets[i].units > 0;
    }
    while (left > 0 && moved) {
        moved = false;
        for (size_t i = 0; i < plan->net_count && !moved; i++) {
            if (plan->nets[i].units == 0 || places[i] != SETTLE_PLACE_NONE)
                continue;
            moved = move(balances, &plan->nets[i]);
            if (moved)
                places[i] = next++;
        }
        left -= moved;
    }
    return left == 0;
}

static struct settle_leg *leg_of(struct settle_call *call, uint64_t trade_id)
{
    size_t i = 0;

    while (call->legs[i].trade_id != trade_id)
        ASSERT(++i < call->leg_count);
    return &call->legs[i];
}

bool settle_netting_plan(struct settle_call *call, const struct settle_preflight *preflight)
{
    struct plan plan;
    struct balances balances;
    uint8_t places[SETTLE_LEGS_MAX];

    ASSERT(!call->is_netted && call->is_of_trades);
    if (call->leg_count < 2 || !plan_make(&plan, call) || plan.net_count == plan.trade_count)
        return false;
    balances_fill(&balances, preflight);
    if (!places_find(places, &plan, &balances))
        return false;
    call->is_netted = true;
    for (size_t i = 0; i < plan.net_count; i++)
        for (size_t k = 0; k < plan.nets[i].count; k++) {
            struct settle_leg *leg = leg_of(call, plan.trades[plan.nets[i].first + k].trade_id);

            leg->place = places[i];
            leg->net_id = plan.nets[i].count > 1 ? plan.nets[i].net_id : 0;
        }
    return true;
}

void settle_netting_dissolve(struct settle_call *call)
{
    call->is_netted = false;
    for (size_t i = 0; i < call->leg_count; i++)
        call->legs[i].net_id = call->legs[i].place = 0;
}

// ---- movements

size_t settle_netting_move_count(const struct settle_call *call)
{
    size_t count = 0;

    if (!call->is_netted)
        return call->leg_count;
    for (size_t i = 0; i < call->leg_count; i++)
        if (call->legs[i].place != SETTLE_PLACE_NONE && call->legs[i].place >= count)
            count = call->legs[i].place + 1u;
    return count;
}

// Adds a leg to what moves at its place; the direction turns where the other one outweighs it.
static void move_add(struct settle_leg *moves, const struct settle_leg *leg)
{
    if (address_equal(&moves->from, &leg->from)) {
        ASSERT(!__builtin_add_overflow(moves->units, leg->units, &moves->units));
    } else if (moves->units >= leg->units) {
        moves->units -= leg->units;
    } else {
        moves->from = leg->from;
        moves->to = leg->to;
        moves->units = leg->units - moves->units;
    }
}

const struct settle_call *settle_netting_moves(struct settle_call *scratch,
                                               const struct settle_call *call)
{
    bool taken[SETTLE_LEGS_MAX] = {false};

    if (!call->is_netted)
        return call;
    memcpy(scratch, call, offsetof(struct settle_call, legs));
    scratch->is_netted = false;
    scratch->leg_count = settle_netting_move_count(call);
    for (size_t i = 0; i < call->leg_count; i++) {
        const struct settle_leg *leg = &call->legs[i];

        if (leg->place == SETTLE_PLACE_NONE)
            continue;
        if (taken[leg->place])
            move_add(&scratch->legs[leg->place], leg);
        else
            scratch->legs[leg->place] = *leg;
        taken[leg->place] = true;
    }
    for (size_t i = 0; i < scratch->leg_count; i++)
        ASSERT(taken[i] && scratch->legs[i].units > 0);
    return scratch;
}

size_t settle_netting_leg_at(const struct settle_call *call, size_t move_number, size_t *count)
{
    size_t first = call->leg_count;

    *count = 1;
    if (!call->is_netted)
        return move_number;
    *count = 0;
    for (size_t i = call->leg_count; i > 0; i--)
        if (call->legs[i - 1].place == move_number) {
            first = i - 1;
            ++*count;
        }
    ASSERT(first < call->leg_count);
    return first;
}

void settle_netting_spread_evidence(struct erc3643_evidence evidence[SETTLE_LEGS_MAX],
                                    const struct settle_call *call)
{
    struct erc3643_evidence by_move[SETTLE_LEGS_MAX];

    if (!call->is_netted)
        return;
    memcpy(by_move, evidence, sizeof(by_move));
    for (size_t i = 0; i < call->leg_count; i++)
        evidence[i] = by_move[call->legs[i].place];
}

void settle_netting_spread_logs(uint32_t log_index[SETTLE_LEGS_MAX], const struct settle_call *call)
{
    uint32_t by_move[SETTLE_LEGS_MAX];

    if (!call->is_netted)
        return;
    memcpy(by_move, log_index, sizeof(by_move));
    for (size_t i = 0; i < call->leg_count; i++)
        log_index[i] = by_move[call->legs[i].place];
}

size_t settle_netting_nets(struct settle_netting_net nets[SETTLE_LEGS_MAX],
                           const struct settle_call *call)
{
    struct plan plan;
    size_t count = 0;

    if (!call->is_netted)
        return 0;
    ASSERT(plan_make(&plan, call));
    for (size_t i = 0; i < plan.net_count; i++) {
        const struct settle_net *net = &plan.nets[i];

        if (net->count < 2)
            continue;
        nets[count++] =
            (struct settle_netting_net){.net_id = net->net_id,
                                        .from = net->from,
                                        .to = net->to,
                                        .units = net->units,
                                        .trades = net->count,
                                        .digest = settle_net_digest(net, 1, plan.trades)};
    }
    return count;
}
