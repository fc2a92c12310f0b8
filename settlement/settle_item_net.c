// Which trades of a request move together, decided before its signature; settle_netting.h has the
// plan, this file asks what the plan needs to know:
//
//   modules    of the token's compliance: each must be reviewed (settle_net.h), or nothing is
//   netted allowed    canTransfer of each net's amount, at the preflight's block zero       trades
//   of nets that move nothing are settled at once, with their evidence
//
// Each trade was asked about and judged by itself before, so that a net never carries out what its
// trades could not be. Whatever speaks against a net, the request goes trade by trade.
#include "settlement/settle_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "settlement/settle_net.h"

static enum settle_step by_itself(struct settle_item *item)
{
    settle_netting_dissolve(&item->call);
    item->may_net = false;
    return SETTLE_STEP_NONE;
}

// ---- modules

static enum node_result modules_ask(struct settle *settle, char why[SETTLE_REASON_MAX])
{
    struct erc3643_module modules[ERC3643_MODULES_MAX];
    char address[ADDRESS_TEXT_SIZE];
    size_t count = 0;
    enum node_result result =
        erc3643_modules_read(settle->node, modules, &count, &settle->preflight.compliance,
                             settle->preflight.block_number);

    why[0] = '\0';
    if (result == NODE_REVERTED || result == NODE_UNFIT) {
        snprintf(why, SETTLE_REASON_MAX, "%s: the compliance contract does not name its modules",
                 SETTLE_NET_MODULE);
        return NODE_OK;
    }
    const struct erc3643_module *module =
        settle_net_unreviewed(settle->config.netting_modules, modules, count);
    if (result != NODE_OK || module == NULL)
        return result;
    address_format(address, &module->address);
    snprintf(why, SETTLE_REASON_MAX, "%s: %s %s", SETTLE_NET_MODULE,
             module->name[0] != '\0' ? module->name : "without a name,", address);
    return NODE_OK;
}

// *may: every module is reviewed. NONE: it is known.
static enum settle_step modules_allow(struct settle *settle, struct settle_item *item, bool *may)
{
    char why[SETTLE_REASON_MAX];
    enum node_result result = modules_ask(settle, why);

    if (result != NODE_OK)
        return settle_item_release_by_node(settle, item, "compliance modules", result);
    *may = why[0] == '\0';
    if (!*may)
        log_limited(LOG_WARNING, "a token is not netted request=%llu reason=\"%s\"",
                    (unsigned long long)item->call.request_id, why);
    return settle_store_ok(settle, settle->store.netting_refused(settle->store.context, item,
                                                                 *may ? NULL : why))
               ? SETTLE_STEP_NONE
               : SETTLE_STEP_ABORT;
}

// ---- the movements

// canTransfer of each movement: those of one leg have their answer from the preflight.
static enum node_result moves_ask(struct settle *settle, struct settle_preflight *out,
                                  const struct settle_item *item, const struct settle_call *moves)
{
    struct erc3643_questions list;
    enum node_result result;

    *out = settle->preflight;
    erc3643_questions_begin(&list, settle->node, out->block_number);
    for (size_t i = 0; i < moves->leg_count; i++) {
        const struct settle_leg *move = &moves->legs[i];
        size_t count;
        size_t leg = settle_netting_leg_at(&item->call, i, &count);

        if (count == 1) {
            out->can_transfer[i] = settle->preflight.can_transfer[leg];
            continue;
        }
        result = erc3643_questions_can_transfer(&list, &out->can_transfer[i], &out->compliance,
                                                &move->from, &move->to, move->units);
        if (result != NODE_OK)
            return result;
    }
    return erc3643_questions_ask(&list);
}

// *may: each movement can be carried out in its turn. NONE: it is known.
static enum settle_step moves_allow(struct settle *settle, struct settle_item *item, bool *may)
{
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];
    struct settle_preflight preflight;
    const struct settle_call *moves = settle_netting_moves(&settle->moves, &item->call);
    enum node_result result = moves_ask(settle, &preflight, item, moves);

    if (result != NODE_OK)
        return settle_item_release_by_node(settle, item, "canTransfer of a net", result);
    *may = settle_preflight_judge(evidence, &preflight, moves) == 0;
    return SETTLE_STEP_NONE;
}

// NONE: something is left that moves.
static enum settle_step zero_leave(struct settle *settle, struct settle_item *item)
{
    size_t found = 0;

    for (size_t i = 0; i < item->call.leg_count; i++) {
        struct settle_ending *ending = &settle->endings[i];
        bool is_zero = item->call.legs[i].place == SETTLE_PLACE_NONE;

        *ending = (struct settle_ending){.end = is_zero ? SETTLE_END_NETTED : SETTLE_END_STAY,
                                         .has_evidence = is_zero};
        if (is_zero)
            snprintf(ending->reason, sizeof(ending->reason), "%s", SETTLE_REASON_NET_ZERO);
        found += is_zero;
    }
    return found > 0 ? settle_item_leave(settle, item) : SETTLE_STEP_NONE;
}

enum settle_step settle_item_net(struct settle *settle, struct settle_item *item)
{
    enum settle_step step;
    bool may = false;

    if (!item->may_net || !settle_netting_plan(&item->call, &settle->preflight))
        return SETTLE_STEP_NONE;
    if ((step = modules_allow(settle, item, &may)) != SETTLE_STEP_NONE)
        return step;
    if (!may)
        return by_itself(item);
    if ((step = moves_allow(settle, item, &may)) != SETTLE_STEP_NONE)
        return step;
    if (!may)
        return by_itself(item);
    return zero_leave(settle, item);
}
