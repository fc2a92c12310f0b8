#include "settlement/settle_preflight.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static struct settle_wallet *wallet_of(struct settle_preflight *preflight,
                                       const struct chain_address *address)
{
    size_t i = 0;

    while (i < preflight->wallet_count && !address_equal(&preflight->wallets[i].address, address))
        i++;
    if (i == preflight->wallet_count) {
        ASSERT(i < SETTLE_WALLETS_MAX);
        preflight->wallets[i] = (struct settle_wallet){.address = *address};
        preflight->wallet_count++;
    }
    return &preflight->wallets[i];
}

// Fixes the block that every question is asked at.
static enum node_result fix_block(struct node *node, struct settle_preflight *preflight,
                                  uint64_t at)
{
    struct node_block block;
    enum node_result result = node_get_block(node, &block, at);

    if (result != NODE_OK)
        return result;
    if (!block.found) {
        snprintf(node->error.message, sizeof(node->error.message), "the node has no such block");
        return NODE_REFUSED;
    }
    preflight->block_number = block.number;
    preflight->block_hash = block.hash;
    return NODE_OK;
}

static enum node_result ask_token(struct erc3643_questions *list,
                                  struct settle_preflight *preflight,
                                  const struct chain_address *token)
{
    enum node_result result;

    if ((result = erc3643_questions_add(list, ERC3643_ANSWER_BOOL, &preflight->paused, token,
                                        ERC3643_PAUSED, NULL)) ||
        (result = erc3643_questions_add(list, ERC3643_ANSWER_ADDRESS, &preflight->identity_registry,
                                        token, ERC3643_IDENTITY_REGISTRY, NULL)) ||
        (result = erc3643_questions_add(list, ERC3643_ANSWER_ADDRESS, &preflight->compliance, token,
                                        ERC3643_COMPLIANCE, NULL)))
        return result;
    return erc3643_questions_ask(list); // the others are asked of what these answer
}

static enum node_result ask_wallet(struct erc3643_questions *list,
                                   const struct settle_preflight *preflight,
                                   struct settle_wallet *wallet, const struct chain_address *token)
{
    const struct chain_address *who = &wallet->address;
    enum node_result result;

    if (wallet->is_known)
        return NODE_OK;
    if ((result = erc3643_questions_add(list, ERC3643_ANSWER_BOOL, &wallet->is_frozen, token,
                                        ERC3643_IS_FROZEN, who)) ||
        (result = erc3643_questions_add(list, ERC3643_ANSWER_BOOL, &wallet->is_verified,
                                        &preflight->identity_registry, ERC3643_IS_VERIFIED, who)))
        return result;
    if (!wallet->sends)
        return NODE_OK;
    if ((result = erc3643_questions_add(list, ERC3643_ANSWER_U128, &wallet->balance, token,
                                        ERC3643_BALANCE_OF, who)) ||
        (result = erc3643_questions_add(list, ERC3643_ANSWER_U128, &wallet->frozen_units, token,
                                        ERC3643_GET_FROZEN_TOKENS, who)))
        return result;
    return NODE_OK;
}

static enum node_result ask_legs(struct erc3643_questions *list, struct settle_preflight *preflight,
                                 const struct settle_call *call)
{
    enum node_result result;

    for (size_t i = 0; i < preflight->wallet_count; i++)
        if ((result = ask_wallet(list, preflight, &preflight->wallets[i], &call->contract)))
            return result;
    for (size_t i = 0; i < call->leg_count; i++)
        if ((result = erc3643_questions_can_transfer(list, &preflight->can_transfer[i],
                                                     &preflight->compliance, &call->legs[i].from,
                                                     &call->legs[i].to, call->legs[i].units)))
            return result;
    return erc3643_questions_ask(list);
}

// What is the same for every call of the contract at the block.
static enum node_result ask_contract(struct node *node, struct settle_preflight *preflight,
                                     const struct chain_address *contract)
{
    struct erc3643_questions list;
    enum node_result result;

    preflight->contract = *contract;
    preflight->paused = false;
    preflight->identity_registry = preflight->compliance = (struct chain_address){{0}};
    erc3643_questions_begin(&list, node, preflight->block_number);
    if ((result =
             node_has_code(node, &preflight->has_code, contract, preflight->block_number)) ||
        (preflight->has_code && (result = ask_token(&list, preflight, contract))))
        return result;
    preflight->is_known = true;
    return NODE_OK;
}

static void wallets_of(struct settle_preflight *preflight, const struct settle_call *call)
{
    enum { OF_ONE_CALL = offsetof(struct settle_preflight, can_transfer) };

    ASSERT(call->leg_count > 0 && call->leg_count <= SETTLE_LEGS_MAX);
    memset((uint8_t *)preflight + OF_ONE_CALL, 0, sizeof(*preflight) - OF_ONE_CALL);
    for (size_t i = 0; i < call->leg_count; i++) {
        wallet_of(preflight, &call->legs[i].from)->sends = true;
        (void)wallet_of(preflight, &call->legs[i].to);
    }
}

// Wallets that were asked about at this block before, with all that is asked of them now.
static void wallets_known(struct settle_preflight *preflight, const struct settle_wallet *before,
                          size_t count)
{
    for (size_t i = 0; i < preflight->wallet_count; i++) {
        struct settle_wallet *wallet = &preflight->wallets[i];
        size_t at = 0;
        while (at < count && !address_equal(&before[at].address, &wallet->address))
            at++;
        if (at == count || !before[at].is_known || (wallet->sends && !before[at].sends))
            continue;
        wallet->is_known = true;
        wallet->is_frozen = before[at].is_frozen;
        wallet->is_verified = before[at].is_verified;
        wallet->balance = wallet->sends ? before[at].balance : 0;
        wallet->frozen_units = wallet->sends ? before[at].frozen_units : 0;
    }
}

enum node_result settle_preflight_contract(struct node *node, struct settle_preflight *preflight,
                                           const struct chain_address *contract, uint64_t at)
{
    const uint64_t number = preflight->block_number;
    const struct chain_hash hash = preflight->block_hash;
    enum node_result result = fix_block(node, preflight, at);

    if (result != NODE_OK ||
        (preflight->is_known && preflight->block_number == number &&
         memcmp(&preflight->block_hash, &hash, sizeof(hash)) == 0 &&
         address_equal(&preflight->contract, contract)))
        return result;
    preflight->is_known = false;
    preflight->wallet_count = 0;
    return ask_contract(node, preflight, contract);
}

// The call's wallets, with what is known of them; what is not is asked into the list.
static enum node_result ask_call(struct erc3643_questions *list,
                                 struct settle_preflight *preflight, const struct settle_call *call)
{
    struct settle_wallet before[SETTLE_WALLETS_MAX];
    size_t count = preflight->wallet_count;

    memcpy(before, preflight->wallets, count * sizeof(before[0]));
    wallets_of(preflight, call);
    wallets_known(preflight, before, count);
    enum node_result result = preflight->has_code ? ask_legs(list, preflight, call) : NODE_OK;
    for (size_t i = 0; result == NODE_OK && i < preflight->wallet_count; i++)
        preflight->wallets[i].is_known = preflight->has_code;
    return result;
}

enum node_result settle_preflight_ask(struct node *node, struct settle_preflight *preflight,
                                      const struct settle_call *call)
{
    struct erc3643_questions list;

    ASSERT(preflight->is_known && address_equal(&preflight->contract, &call->contract));
    erc3643_questions_begin(&list, node, preflight->block_number);
    return ask_call(&list, preflight, call);
}

bool settle_preflight_ahead(json_t *questions, struct node *node, struct settle_preflight *next,
                            const struct settle_call *call)
{
    struct erc3643_questions list;

    ASSERT(next->is_known && address_equal(&next->contract, &call->contract));
    erc3643_questions_begin(&list, node, next->block_number);
    list.ahead = questions;
    return ask_call(&list, next, call) == NODE_OK;
}

static struct settle_wallet *wallet_find(struct settle_wallet *wallets, size_t count,
                                         const struct chain_address *address)
{
    size_t i = 0;

    while (i < count && !address_equal(&wallets[i].address, address))
        i++;
    ASSERT(i < count);
    return &wallets[i];
}

static chain_uint128 smaller(chain_uint128 a, chain_uint128 b)
{
    return a < b ? a : b;
}

chain_uint128 settle_wallet_spendable(const struct settle_wallet *wallet)
{
    chain_uint128 others =
        wallet->frozen_units - smaller(wallet->venue_units, wallet->frozen_units);

    return wallet->balance - smaller(others, wallet->balance);
}

static void evidence_fill(struct erc3643_evidence *out, const struct settle_preflight *preflight,
                          const struct settle_wallet *from, const struct settle_wallet *to,
                          bool can_transfer)
{
    *out = (struct erc3643_evidence){.block_number = preflight->block_number,
                                     .block_hash = preflight->block_hash,
                                     .identity_registry = preflight->identity_registry,
                                     .compliance = preflight->compliance,
                                     .paused = preflight->paused,
                                     .from_frozen = from->is_frozen,
                                     .to_frozen = to->is_frozen,
                                     .from_balance = from->balance,
                                     .from_frozen_units = from->frozen_units,
                                     .in_custody = from->in_custody,
                                     .from_venue_units =
                                         smaller(from->venue_units, from->frozen_units),
                                     .from_verified = from->is_verified,
                                     .to_verified = to->is_verified,
                                     .can_transfer = can_transfer};
}

static void move_units(struct settle_wallet *from, struct settle_wallet *to, chain_uint128 units)
{
    ASSERT(from->balance >= units);
    chain_uint128 free = from->balance - smaller(from->frozen_units, from->balance);
    if (units > free) { // the contract takes free units first, and unfreezes the rest
        from->frozen_units -= units - free;
        from->venue_units -= smaller(units - free, from->venue_units);
    }
    from->balance -= units;
    // A contract whose sums do not fit is judged by its own call: here they stay at the top.
    if (__builtin_add_overflow(to->balance, units, &to->balance))
        to->balance = ~(chain_uint128)0;
}

size_t settle_preflight_judge(struct erc3643_evidence *evidence,
                              const struct settle_preflight *preflight,
                              const struct settle_call *call)
{
    struct settle_wallet wallets[SETTLE_WALLETS_MAX]; // their balances run
    size_t count = preflight->wallet_count;
    size_t refused = 0;

    memcpy(wallets, preflight->wallets, count * sizeof(wallets[0]));
    for (size_t i = 0; i < call->leg_count; i++) {
        const struct settle_leg *leg = &call->legs[i];
        struct settle_wallet *from = wallet_find(wallets, count, &leg->from);
        struct settle_wallet *to = wallet_find(wallets, count, &leg->to);

        evidence_fill(&evidence[i], preflight, from, to, preflight->can_transfer[i]);
        evidence[i].verdict =
            preflight->has_code ? erc3643_judge(&evidence[i], leg->units) : ERC3643_NO_CONTRACT;
        if (evidence[i].verdict == ERC3643_ALLOWED)
            move_units(from, to, leg->units);
        refused += evidence[i].verdict != ERC3643_ALLOWED;
    }
    return refused;
}

void settle_preflight_forget(struct settle_preflight *preflight, size_t leg, size_t leg_count)
{
    ASSERT(leg < leg_count && leg_count <= SETTLE_LEGS_MAX);
    memmove(&preflight->can_transfer[leg], &preflight->can_transfer[leg + 1],
            (leg_count - leg - 1) * sizeof(preflight->can_transfer[0]));
}
