#include "settlement/settle_custody.h"

#include <string.h>

size_t settle_custody_pass(struct settle *settle)
{
    size_t changed = 0;

    if (!settle_store_ok(settle, settle->store.custody(settle->store.context, &changed)))
        return 0;
    settle->results_stale |= changed > 0;
    return changed;
}

enum settle_step settle_custody_read(struct settle *settle, struct settle_preflight *preflight)
{
    bool frozen = false;

    for (size_t i = 0; i < preflight->wallet_count; i++)
        frozen |= preflight->wallets[i].frozen_units > 0;
    if (frozen && !settle_store_ok(settle, settle->store.custody_spendable(
                                               settle->store.context, preflight->wallets,
                                               preflight->wallet_count, &preflight->contract,
                                               preflight->block_number)))
        return SETTLE_STEP_ABORT;
    return SETTLE_STEP_NONE;
}

bool settle_custody_waits(const struct settle *settle, const struct settle_item *item, size_t leg)
{
    const struct settle_preflight *preflight = &settle->preflight;
    const struct chain_address *seller = &item->call.legs[leg].from;

    ASSERT(leg < item->call.leg_count);
    if (settle->evidence[leg].verdict != ERC3643_FROZEN_BY_OTHERS)
        return false;
    for (size_t i = 0; i < preflight->wallet_count; i++)
        if (address_equal(&preflight->wallets[i].address, seller))
            return preflight->wallets[i].freeze_under_way;
    return false;
}

// TokensUnfrozen(wallet, units) of the contract.
static bool is_unfrozen(chain_uint128 *units, const struct node_log *log,
                        const struct settle_call *call, const struct chain_address *wallet)
{
    static const char signature[] = "TokensUnfrozen(address,uint256)";
    struct chain_hash topic = keccak256_hash((const uint8_t *)signature, strlen(signature));
    struct abi_word who = abi_from_address(wallet);
    struct abi_word word;

    return address_equal(&log->contract, &call->contract) && log->topic_count == 2 &&
           memcmp(&log->topics[0], &topic, sizeof(topic)) == 0 &&
           memcmp(log->topics[1].bytes, who.bytes, ABI_WORD_BYTES) == 0 &&
           abi_answer_word(&word, log->data, log->data_len, 0) && abi_word_u128(units, &word);
}

void settle_custody_unfrozen(chain_uint128 unfrozen[SETTLE_LEGS_MAX],
                             const struct node_receipt *receipt, const struct settle_call *call,
                             const struct settle_call *moves,
                             const uint32_t log_index[SETTLE_LEGS_MAX])
{
    size_t move = 0;
    size_t count;

    memset(unfrozen, 0, SETTLE_LEGS_MAX * sizeof(unfrozen[0]));
    for (size_t i = 0; i < receipt->log_count && move < moves->leg_count; i++) {
        const struct node_log *log = &receipt->logs[i];
        chain_uint128 units = 0;
        if (log->log_index == log_index[move])
            move++;
        else if (is_unfrozen(&units, log, moves, &moves->legs[move].from))
            unfrozen[settle_netting_leg_at(call, move, &count)] += units;
    }
}
