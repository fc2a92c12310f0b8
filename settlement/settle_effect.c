#include "settlement/settle_effect.h"

#include <string.h>

// ---- events

static bool is_event(const struct node_log *log, const char *signature, uint32_t topics)
{
    struct chain_hash topic = keccak256_hash((const uint8_t *)signature, strlen(signature));

    return log->topic_count == topics && memcmp(&log->topics[0], &topic, sizeof(topic)) == 0;
}

static bool topic_is(const struct node_log *log, size_t topic, const struct chain_address *address)
{
    struct abi_word word = abi_from_address(address);

    return memcmp(log->topics[topic].bytes, word.bytes, ABI_WORD_BYTES) == 0;
}

static bool data_is(const struct node_log *log, chain_uint128 units)
{
    struct abi_word word = abi_from_u128(units);

    return log->data_len == ABI_WORD_BYTES && memcmp(log->data, word.bytes, ABI_WORD_BYTES) == 0;
}

static bool is_transfer(const struct node_log *log, const struct chain_address *from,
                        const struct chain_address *to, chain_uint128 units)
{
    return log->topic_count == 3 &&
           memcmp(&log->topics[0], &erc3643_transfer_topic, KECCAK_BYTES) == 0 &&
           topic_is(log, 1, from) && topic_is(log, 2, to) && data_is(log, units);
}

static bool is_freeze(const struct node_log *log, const struct settle_leg *leg,
                      const struct settle_arguments *arguments)
{
    struct abi_word frozen = abi_from_u128(arguments->frozen);

    return is_event(log, "AddressFrozen(address,bool,address)", 4) &&
           topic_is(log, 1, settle_leg_wallet(leg)) &&
           memcmp(log->topics[2].bytes, frozen.bytes, ABI_WORD_BYTES) == 0;
}

// Is it what the leg should make the contract say?
static bool is_of_leg(const struct node_log *log, const struct settle_call *call,
                      const struct settle_leg *leg, const struct settle_arguments *arguments)
{
    const struct chain_address *wallet = settle_leg_wallet(leg);
    const struct chain_address nobody = {{0}};

    switch ((int)call->operation) {
    case SETTLE_FORCED_TRANSFER:
    case SETTLE_BATCH_FORCED_TRANSFER:
    case SETTLE_ERC20_TRANSFER:
        return is_transfer(log, &leg->from, &leg->to, leg->units);
    case SETTLE_MINT:
        return is_transfer(log, &nobody, wallet, leg->units);
    case SETTLE_BURN:
        return is_transfer(log, wallet, &nobody, leg->units);
    case SETTLE_FREEZE_PARTIAL:
        return is_event(log, "TokensFrozen(address,uint256)", 2) && topic_is(log, 1, wallet) &&
               data_is(log, leg->units);
    case SETTLE_UNFREEZE_PARTIAL:
        return is_event(log, "TokensUnfrozen(address,uint256)", 2) && topic_is(log, 1, wallet) &&
               data_is(log, leg->units);
    case SETTLE_SET_ADDRESS_FROZEN:
        return is_freeze(log, leg, arguments);
    case SETTLE_REGISTER_IDENTITY:
        return is_event(log, "IdentityRegistered(address,address)", 3) &&
               topic_is(log, 1, wallet) && topic_is(log, 2, &arguments->identity);
    default:
        ASSERT(call->operation == SETTLE_DELETE_IDENTITY);
        return is_event(log, "IdentityRemoved(address,address)", 3) && topic_is(log, 1, wallet);
    }
}

static bool legs_find(uint32_t log_index[SETTLE_LEGS_MAX], const struct node_receipt *receipt,
                      const struct settle_call *call, const struct settle_arguments *arguments)
{
    size_t found = 0;
    bool surplus = false;

    for (size_t i = 0; i < receipt->log_count; i++) {
        const struct node_log *log = &receipt->logs[i];
        if (!address_equal(&log->contract, &call->contract))
            continue;
        if (found < call->leg_count && is_of_leg(log, call, &call->legs[found], arguments)) {
            log_index[found++] = log->log_index;
            continue;
        }
        for (size_t leg = 0; leg < call->leg_count; leg++)
            surplus |= is_of_leg(log, call, &call->legs[leg], arguments);
    }
    return found == call->leg_count && !surplus;
}

static bool agent_find(const struct node_receipt *receipt, const struct settle_call *call,
                       const struct settle_arguments *arguments)
{
    for (size_t i = 0; i < receipt->log_count; i++)
        if (address_equal(&receipt->logs[i].contract, &call->contract) &&
            is_event(&receipt->logs[i], "AgentAdded(address)", 2) &&
            topic_is(&receipt->logs[i], 1, &arguments->agent))
            return true;
    return false;
}

bool settle_effect_find(uint32_t log_index[SETTLE_LEGS_MAX], const struct node_receipt *receipt,
                        const struct settle_call *call, const struct settle_arguments *arguments,
                        const struct chain_address *created)
{
    if (!receipt->succeeded)
        return false;
    if (call->operation == SETTLE_CONFIGURE || call->operation == SETTLE_CANCEL_NONCE)
        return true;
    if (call->operation == SETTLE_ADD_AGENT)
        return agent_find(receipt, call, arguments);
    if (call->operation == SETTLE_DEPLOY)
        return receipt->creates && address_equal(&receipt->created, created);
    return legs_find(log_index, receipt, call, arguments);
}

size_t settle_effect_transfers(uint32_t log_index[SETTLE_LEGS_MAX],
                               const struct node_receipt *receipt,
                               const struct chain_address *token, const struct settle_leg *leg)
{
    size_t found = 0;

    ASSERT(receipt->succeeded);
    for (size_t i = 0; i < receipt->log_count && found < SETTLE_LEGS_MAX; i++)
        if (address_equal(&receipt->logs[i].contract, token) &&
            is_transfer(&receipt->logs[i], &leg->from, &leg->to, leg->units))
            log_index[found++] = receipt->logs[i].log_index;
    return found;
}

// ---- state

static enum node_result read_identity(struct node *node, bool *holds,
                                      const struct settle_call *call,
                                      const struct settle_arguments *arguments, uint64_t at)
{
    const struct chain_address *wallet = settle_leg_wallet(&call->legs[0]);
    bool wanted = call->operation == SETTLE_REGISTER_IDENTITY;
    chain_uint128 country = 0;
    bool contains = false;
    struct chain_address found;
    enum node_result result =
        erc3643_read_bool(node, &contains, &call->contract, ERC3643_CONTAINS, wallet, at);

    *holds = result == NODE_OK && contains == wanted;
    if (result != NODE_OK || !contains || !wanted)
        return result;
    if ((result = erc3643_read_address_of(node, &found, &call->contract, ERC3643_IDENTITY, wallet,
                                          at)) ||
        (result = erc3643_read_u128(node, &country, &call->contract, ERC3643_INVESTOR_COUNTRY,
                                    wallet, at)))
        return result;
    *holds = address_equal(&found, &arguments->identity) && country == arguments->country;
    return NODE_OK;
}

static enum node_result read_frozen(struct node *node, bool *holds, const struct settle_call *call,
                                    const struct settle_arguments *arguments, uint64_t at)
{
    *holds = true;
    for (size_t i = 0; i < call->leg_count; i++) {
        bool frozen = false;
        enum node_result result =
            erc3643_read_bool(node, &frozen, &call->contract, ERC3643_IS_FROZEN,
                              settle_leg_wallet(&call->legs[i]), at);
        if (result != NODE_OK)
            return result;
        *holds = *holds && frozen == arguments->frozen;
    }
    return NODE_OK;
}

enum node_result settle_effect_state(struct node *node, enum settle_state *state,
                                     const struct settle_call *call,
                                     const struct settle_arguments *arguments, uint64_t at)
{
    enum node_result result;
    bool holds = false;

    switch ((int)call->operation) {
    case SETTLE_REGISTER_IDENTITY:
    case SETTLE_DELETE_IDENTITY:
        result = read_identity(node, &holds, call, arguments, at);
        break;
    case SETTLE_SET_ADDRESS_FROZEN:
        result = read_frozen(node, &holds, call, arguments, at);
        break;
    case SETTLE_ADD_AGENT:
        result = erc3643_read_bool(node, &holds, &call->contract, ERC3643_IS_AGENT,
                                   &arguments->agent, at);
        break;
    case SETTLE_DEPLOY:
        result = node_has_code(node, &holds, &call->contract, at);
        break;
    default:
        *state = SETTLE_STATE_NO_SAY;
        return NODE_OK;
    }
    *state = holds ? SETTLE_STATE_HOLDS : SETTLE_STATE_DIFFERS;
    return result;
}
