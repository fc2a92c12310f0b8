// Where the chain is, and whose nonces are used. One owner per signer and chain: the counter stands
// in Postgres (settle.nonce, settle.signer). The node's count is compared with it at start, every
// tick and whenever an answer does not fit, and is believed as far as something else shows it:
//
//   node's count      what shows it                       what is done
//   = counter         nothing is under way                –
//   below, our lines  sent or signed, not mined yet       they are resent in nonce order
//   below, ended      the block in which something ended  the same bytes go out again, an error is
//                     last is not the chain's any more    logged; the trades stay settled
//                     … it still is: the count is wrong   nothing; a warning
//   above             a transaction of the key in a       somebody else signs with our key: an error
//                     block, at the count's last nonce    is logged, the counter goes past it
//                     … there is none                     nothing; an error. Were it so, the next
//                                                         transaction would find its nonce used
//
// What stands in a node's pool shows nothing. A key that is new to the database has no counter to
// compare with: a count that no transaction shows is believed when it is said twice; were it too
// high, the gap before our nonces is filled as soon as the node says so (settle_keys.c).
#include "settlement/settle_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

// What was looked for in vain is looked for in the same blocks again.
static const uint64_t SCAN_AGAIN_NS = 60000000000;
// At every start the signer decrypts its key store first (scrypt): no news before this.
static const uint64_t SIGNER_START_NS = 5000000000;

void settle_signer_silent(struct settle *settle, enum signer_result result)
{
    settle->counters.signer_failures++;
    settle_keys_reread(settle);
    if (settle->signer_asked_ns == 0)
        settle->signer_asked_ns = settle->pass_ns;
    if (settle->pass_ns - settle->signer_asked_ns >= SIGNER_START_NS)
        log_limited(LOG_WARNING, "the signer does not answer reason=%s",
                    signer_result_text(result));
}

enum settle_step settle_chain_network(struct settle *settle)
{
    uint64_t chain_id;
    enum node_result node_result = node_chain_id(settle->node, &chain_id);

    settle->is_other_chain = node_result == NODE_OK && chain_id != settle->config.chain_id;
    if (node_result != NODE_OK)
        return settle_chain_failed(settle, "eth_chainId", node_result);
    if (!settle->is_other_chain)
        return SETTLE_STEP_NONE;
    log_limited(LOG_ERROR, "the node is on another chain chain_id=%llu configured=%llu",
                (unsigned long long)chain_id, (unsigned long long)settle->config.chain_id);
    return settle_chain_failed(settle, "chain_id", NODE_OK);
}

// ---- counts

// Is the block in which something ended last still the chain's? Then so is all that was before it.
static enum settle_step ended_stands(struct settle *settle, bool *stands)
{
    struct settle_ended_block ended;
    struct node_block block;

    *stands = false;
    if (!settle_store_ok(settle,
                         settle->store.ended_block(settle->store.context, &ended, INT64_MAX)))
        return SETTLE_STEP_ABORT;
    if (!ended.found || ended.number > settle->block_number)
        return SETTLE_STEP_NONE;
    enum node_result result = node_get_block(settle->node, &block, ended.number);
    if (result != NODE_OK)
        return settle_chain_failed(settle, "eth_getBlockByNumber", result);
    *stands = block.found && memcmp(&block.hash, &ended.hash, sizeof(block.hash)) == 0;
    return SETTLE_STEP_NONE;
}

// The node says that nonces of transactions which had ended are free again. If so: same bytes,
// never a new transfer.
static enum settle_step lost_look(struct settle *settle, const struct settle_key *key)
{
    size_t reopened = 0;
    bool stands;

    if (ended_stands(settle, &stands) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (stands) // it may be counted too low, or be of what is only sent
        return SETTLE_STEP_NONE;
    if (settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.reopen(settle->store.context, &reopened,
                                                      &key->address, key->mined_nonces)))
        return SETTLE_STEP_ABORT;
    if (reopened > 0) {
        settle_keys_reopened(settle);
        settle->counters.reorganised += reopened;
        log_error("the chain lost confirmed transactions; the same bytes are sent again count=%zu "
                  "from_nonce=%llu",
                  reopened, (unsigned long long)key->mined_nonces);
    }
    return SETTLE_STEP_NONE;
}

// NONE: *known and key->next_nonce are the database's, and it knows all that the signer has signed,
// or has it back.
static enum settle_step counter_look(struct settle *settle, struct settle_key *key, bool *known)
{
    if (!settle_store_ok(settle, settle->store.nonce_get(settle->store.context, known,
                                                         &key->next_nonce, &key->address)))
        return SETTLE_STEP_ABORT;
    if (key->log_read)
        return SETTLE_STEP_NONE;
    enum settle_step step = settle_lost_nonces(settle, &key->address, *known);
    if (step == SETTLE_STEP_ABORT)
        return step;
    key->log_read = !settle->attempts_lost;
    if (step == SETTLE_STEP_DONE &&
        !settle_store_ok(settle, settle->store.nonce_get(settle->store.context, known,
                                                         &key->next_nonce, &key->address)))
        return SETTLE_STEP_ABORT;
    return SETTLE_STEP_NONE;
}

static enum settle_step counter_set(struct settle *settle, struct settle_key *key, uint64_t next)
{
    if (!settle_store_ok(settle,
                         settle->store.nonce_set(settle->store.context, &key->address, next)))
        return SETTLE_STEP_ABORT;
    key->next_nonce = next;
    return SETTLE_STEP_NONE;
}

static enum settle_step count_doubt(struct settle *settle, struct settle_key *key, bool known)
{
    uint64_t said = key->mined_nonces;
    bool is_said_again = key->doubted == said;

    key->doubted = said;
    settle->counters.counts_doubted++;
    log_limited(LOG_ERROR,
                "the node counts transactions of our signer that no block has: not believed "
                "nonce=%llu node_nonce=%llu",
                (unsigned long long)key->next_nonce, (unsigned long long)said);
    key->mined_nonces = key->next_nonce;
    if (known)
        return SETTLE_STEP_NONE;
    if (is_said_again) // there is nothing else to go by
        return counter_set(settle, key, key->mined_nonces = said);
    return settle_chain_failed(settle, "eth_getTransactionCount", NODE_OK);
}

// The transaction that would show it is still looked for.
static enum settle_step count_waits(struct settle *settle, struct settle_key *key, bool known)
{
    log_limited(LOG_INFO,
                "the node counts transactions of our signer that are looked for in its blocks "
                "nonce=%llu node_nonce=%llu from_block=%llu to_block=%llu",
                (unsigned long long)key->next_nonce, (unsigned long long)key->mined_nonces,
                (unsigned long long)settle->scan.low, (unsigned long long)settle->scan.top);
    bool is_doubted = known && key->doubted == key->mined_nonces;
    key->mined_nonces = key->next_nonce;
    return is_doubted ? SETTLE_STEP_NONE : settle_chain_failed(settle, "blocks", NODE_OK);
}

// Above what our own attempts explain.
static enum settle_step count_above(struct settle *settle, struct settle_key *key, bool known)
{
    uint64_t said = key->mined_nonces;
    struct settle_use use = {.over = true};
    enum node_result result =
        said > 0 ? settle_chain_find(settle, &use, &key->address, said - 1) : NODE_OK;

    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "eth_getBlockByNumber", result);
    if (result == NODE_OK && !use.found && !use.over)
        return count_waits(settle, key, known);
    if (said > 0 && (result != NODE_OK || !use.found))
        return count_doubt(settle, key, known);
    if (known) {
        settle->counters.foreign_nonces += said - key->next_nonce;
        log_error("transactions of our signer that we did not make nonce=%llu node_nonce=%llu",
                  (unsigned long long)key->next_nonce, (unsigned long long)said);
    }
    return counter_set(settle, key, said);
}

static enum settle_step nonces_look(struct settle *settle, struct settle_key *key)
{
    bool known = false;

    if (counter_look(settle, key, &known) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    bool above = !known || key->mined_nonces > key->next_nonce;
    if (above && settle->attempts_lost) // what is missing may be theirs
        key->mined_nonces = key->next_nonce;
    else if (above && count_above(settle, key, known) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (known && key->mined_nonces < key->next_nonce && lost_look(settle, key) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    key->nonces_checked = true;
    return SETTLE_STEP_NONE;
}

// A key that is no longer active and has nothing open is only looked at for what the chain may
// lose.
static enum settle_step key_look(struct settle *settle, struct settle_key *key)
{
    bool is_used = key == &settle->keys[0] || key->is_open || !key->nonces_checked;

    if (!is_used && !settle->resend)
        return SETTLE_STEP_NONE;
    enum node_result result =
        node_transaction_count(settle->node, &key->mined_nonces, &key->address, NODE_LATEST);
    if (result != NODE_OK)
        return settle_chain_failed(settle, "eth_getTransactionCount", result);
    bool is_above = key->mined_nonces > key->next_nonce;
    if (!key->nonces_checked || settle->resend || (is_above && key->mined_nonces != key->doubted))
        return nonces_look(settle, key);
    if (is_above) // looked into already, and again at the next tick
        key->mined_nonces = key->next_nonce;
    return SETTLE_STEP_NONE;
}

// A chain that has finalized nothing yet (or a node that does not know the tag) makes nothing
// final.
static enum settle_step final_look(struct settle *settle)
{
    struct node_block block;
    enum node_result result;

    if (!settle->config.finalized_tag)
        return SETTLE_STEP_NONE;
    result = node_get_block(settle->node, &block, NODE_FINALIZED);
    if (result != NODE_OK)
        return settle_chain_failed(settle, "eth_getBlockByNumber(finalized)", result);
    settle->final_number = block.found ? block.number : 0;
    return SETTLE_STEP_NONE;
}

enum settle_step settle_chain_look(struct settle *settle)
{
    struct node_fees fees;
    enum node_result result;

    if (settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if ((!settle->has_signer || settle->resend) && settle_keys_look(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    result = node_block_number(settle->node, &settle->block_number);
    if (result != NODE_OK)
        return settle_chain_failed(settle, "eth_blockNumber", result);
    if (final_look(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    result = node_get_fees(settle->node, &fees);
    if (result != NODE_OK)
        return settle_chain_failed(settle, "eth_feeHistory", result);
    settle->base_fee_wei = fees.base_fee_wei;
    settle->priority_wei = fees.priority_fee_wei;
    settle->attempts_lost &= !settle->resend;
    for (size_t k = 0; k < settle->key_count; k++)
        if (key_look(settle, &settle->keys[k]) == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
    return settle->moved_unlooked ? settle_moved_look(settle) : SETTLE_STEP_NONE;
}

bool settle_chain_is_deep(const struct settle *settle, uint64_t block)
{
    uint64_t needed = settle->config.confirmations > 0 ? settle->config.confirmations : 1;

    if (settle->config.finalized_tag && block > settle->final_number)
        return false;
    return block <= settle->block_number && settle->block_number - block + 1 >= needed;
}

static bool transaction_uses(const json_t *transaction, const struct chain_address *signer,
                             uint64_t nonce, struct chain_hash *hash)
{
    const char *from_text = json_string_value(json_object_get(transaction, "from"));
    const char *nonce_text = json_string_value(json_object_get(transaction, "nonce"));
    const char *hash_text = json_string_value(json_object_get(transaction, "hash"));
    struct chain_address from;
    uint64_t seen;

    return from_text != NULL && nonce_text != NULL && hash_text != NULL &&
           address_parse(&from, from_text) && address_equal(&from, signer) &&
           hex_quantity_u64(&seen, nonce_text) && seen == nonce &&
           hex_decode_exact(hash->bytes, sizeof(hash->bytes), hash_text);
}

static bool block_read(struct settle_use *use, const json_t *block,
                       const struct chain_address *signer, uint64_t nonce)
{
    const char *hash_text = json_string_value(json_object_get(block, "hash"));
    const json_t *transactions = json_object_get(block, "transactions");
    const json_t *transaction;
    size_t i;

    if (!json_is_array(transactions) || hash_text == NULL ||
        !hex_decode_exact(use->block_hash.bytes, sizeof(use->block_hash.bytes), hash_text))
        return false;
    json_array_foreach(transactions, i, transaction)
    {
        if (transaction_uses(transaction, signer, nonce, &use->hash))
            use->found = true;
    }
    return true;
}

// One block with its transactions: the only question that chain/node.h does not ask.
static enum node_result block_scan(struct settle *settle, struct settle_use *use, uint64_t block,
                                   const struct chain_address *signer, uint64_t nonce)
{
    struct rpc_reply reply;
    char number[HEX_QUANTITY_SIZE];

    *use = (struct settle_use){.block_number = block};
    hex_quantity(number, block);
    settle->node->rpc.call(settle->node->rpc.context, &reply, "eth_getBlockByNumber",
                           json_pack("[sb]", number, 1));
    enum node_result result = reply.status == RPC_OK ? NODE_OK : node_classify(&reply);
    if (result == NODE_OK && !block_read(use, reply.result, signer, nonce))
        result = NODE_GARBAGE;
    rpc_reply_fini(&reply);
    return result;
}

// The first block behind which the node counts `nonce` as used: by halves.
static enum node_result block_of(struct settle *settle, uint64_t *block,
                                 const struct chain_address *signer, uint64_t nonce)
{
    uint64_t low = 0;
    uint64_t high = settle->block_number;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint64_t count;
        enum node_result result = node_transaction_count(settle->node, &count, signer, middle);
        if (result != NODE_OK)
            return result;
        if (count > nonce)
            high = middle;
        else
            low = middle + 1;
    }
    *block = low;
    return NODE_OK;
}

// One block more; what was looked through has grown by it.
static enum node_result scan_one(struct settle *settle, struct settle_use *use, uint64_t number)
{
    struct settle_scan *scan = &settle->scan;
    enum node_result result = block_scan(settle, use, number, &scan->signer, scan->nonce);

    if (result == NODE_OK && !use->found && number > scan->top)
        scan->top = number;
    else if (result == NODE_OK && !use->found)
        scan->low = number;
    return result;
}

// What is asked once more goes on where it was; from the beginning once in a while, for blocks may
// have been replaced.
static bool scan_goes_on(const struct settle *settle, const struct chain_address *signer,
                         uint64_t nonce)
{
    const struct settle_scan *scan = &settle->scan;

    return scan->is_asked && scan->nonce == nonce && address_equal(&scan->signer, signer) &&
           (scan->over_ns == 0 || settle->pass_ns - scan->over_ns < SCAN_AGAIN_NS) &&
           settle->block_number >= scan->top &&
           settle->block_number - scan->top <= SETTLE_SCAN_BLOCKS;
}

// The worker has other things to do, and says nothing meanwhile.
static bool scan_has_time(struct settle *settle)
{
    if (settle->config.scan_ns == 0)
        return true;
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    if (settle->scan_until_ns == 0)
        settle->scan_until_ns = now_ns + settle->config.scan_ns;
    return now_ns < settle->scan_until_ns;
}

enum node_result settle_chain_find(struct settle *settle, struct settle_use *use,
                                   const struct chain_address *signer, uint64_t nonce)
{
    struct settle_scan *scan = &settle->scan;
    enum node_result result = NODE_OK;

    *use = (struct settle_use){.found = false};
    if (!scan_has_time(settle))
        return NODE_OK;
    if (!scan_goes_on(settle, signer, nonce)) {
        scan->is_asked = false;
        uint64_t block;
        result = block_of(settle, &block, signer, nonce);
        if (result == NODE_OK)
            result = block_scan(settle, use, block, signer, nonce);
        if (result == NODE_UNREACHABLE || use->found)
            return result;
        result = NODE_OK;
        *scan = (struct settle_scan){.signer = *signer,
                                     .nonce = nonce,
                                     .low = settle->block_number + 1,
                                     .top = settle->block_number,
                                     .is_asked = true};
    }
    do {
        if (scan->top < settle->block_number)
            result = scan_one(settle, use, scan->top + 1);
        else if (scan->low > 0 && scan->top - scan->low + 1 < SETTLE_SCAN_BLOCKS)
            result = scan_one(settle, use, scan->low - 1);
        else
            use->over = true;
    } while (result == NODE_OK && !use->found && !use->over && scan_has_time(settle));
    if (use->over && scan->over_ns == 0)
        scan->over_ns = settle->pass_ns;
    return result;
}
