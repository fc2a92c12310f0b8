// The signer's keys: the active one, with which new requests are signed, and those before it, whose
// transactions are still to be looked after. A transaction stays its key's whatever the signer has
// made of the key since: higher bids, and empty ones that give its nonce up, are the same key's,
// which the signer lets a retired key sign.
//
// - The active key is asked for at every start, in every tick, and when one is refused as retired.
// - Of other keys with open attempts: the node's count in every pass, nonces compared in every
// tick.
// - Of other keys without: their count in every tick, for the chain may lose what was final.
// - The signer's log of a key is read when the key is first seen, when the lock was taken, after the
//   signer has failed, and while something of it cannot be placed. Not otherwise: whoever had it sign
//   had committed the row before, so that a signature without a row is one whose row the database has
//   lost. It loses rows by being restored, or by another server's taking over, and then the session
//   is gone, and with it the lock. (Who uses the key beside us is found at the nonce itself: the
//   signer refuses a second payload, and its log is asked about that nonce.)
#include "settlement/settle_internal.h"

#include <string.h>

#include "base/log.h"

struct settle_key *settle_key_of(struct settle *settle, const struct chain_address *address)
{
    for (size_t i = 0; i < settle->key_count; i++)
        if (address_equal(&settle->keys[i].address, address))
            return &settle->keys[i];
    return NULL;
}

static void active_report(const struct settle *settle, const struct chain_address *active)
{
    char before[ADDRESS_TEXT_SIZE];
    char now[ADDRESS_TEXT_SIZE];

    if (settle->key_count == 0 || address_equal(active, &settle->signer_address))
        return;
    address_format(before, &settle->signer_address);
    address_format(now, active);
    log_info(
        "the signer's key has changed: new requests are signed with the new one before=%s now=%s",
        before, now);
}

static enum settle_step active_look(struct settle *settle)
{
    struct chain_address active;
    enum signer_result result = settle->signer.address(settle->signer.context, &active);

    if (result != SIGNER_OK) {
        settle_signer_silent(settle, result);
        return settle_chain_failed(settle, "signer", NODE_OK);
    }
    active_report(settle, &active);
    settle->signer_asked_ns = 0;
    settle->signer_address = active;
    return SETTLE_STEP_NONE;
}

// What was known of a key stays known.
static void key_add(struct settle *settle, const struct settle_key *before, size_t before_count,
                    const struct chain_address *address)
{
    if (settle->key_count == SETTLE_KEYS_MAX || settle_key_of(settle, address) != NULL)
        return;
    struct settle_key *key = &settle->keys[settle->key_count++];
    *key = (struct settle_key){.address = *address, .over_nonce = UINT64_MAX};
    for (size_t i = 0; i < before_count; i++)
        if (address_equal(&before[i].address, address))
            *key = before[i];
}

enum settle_step settle_keys_look(struct settle *settle)
{
    struct settle_key before[SETTLE_KEYS_MAX];
    struct chain_address known[SETTLE_KEYS_MAX];
    size_t before_count = settle->key_count;
    size_t count = 0;

    if (active_look(settle) == SETTLE_STEP_ABORT ||
        !settle_store_ok(settle,
                         settle->store.keys(settle->store.context, known, &count, SETTLE_KEYS_MAX)))
        return SETTLE_STEP_ABORT;
    memcpy(before, settle->keys, sizeof(before));
    settle->key_count = 0;
    key_add(settle, before, before_count, &settle->signer_address);
    for (size_t i = 0; i < count; i++)
        key_add(settle, before, before_count, &known[i]);
    settle->has_signer = true;
    return SETTLE_STEP_NONE;
}

void settle_keys_doubt(struct settle *settle)
{
    for (size_t i = 0; i < settle->key_count; i++)
        settle->keys[i].nonces_checked = false;
}

void settle_keys_reread(struct settle *settle)
{
    for (size_t i = 0; i < settle->key_count; i++)
        settle->keys[i].log_read = false;
}

void settle_keys_reopened(struct settle *settle)
{
    for (size_t i = 0; i < settle->key_count; i++)
        settle->keys[i].head_ns = 0;
}

// While a lost transaction's nonce is undecided nothing above it is signed, or sent again: whatever
// became of it comes first. Nonces of two keys are in no order: then nothing of the other key is,
// either.
void settle_keys_mark(struct settle *settle)
{
    for (size_t k = 0; k < settle->key_count; k++) {
        settle->keys[k].over_nonce = UINT64_MAX;
        settle->keys[k].is_open = false;
    }
    settle->is_over = false;
    for (size_t i = 0; i < settle->item_count; i++) {
        const struct settle_item *item = &settle->items[i];
        struct settle_key *key = item->bid_count > 0 ? settle_key_of(settle, &item->signer) : NULL;
        if (key == NULL)
            continue;
        key->is_open = true;
        for (size_t b = 0; b < item->bid_count; b++)
            if (item->bids[b].fate == SETTLE_FATE_OVER && item->bids[b].nonce < key->over_nonce) {
                key->over_nonce = item->bids[b].nonce;
                settle->is_over = true;
            }
    }
}

bool settle_key_waits(const struct settle *settle, const struct settle_key *key, uint64_t nonce)
{
    for (size_t k = 0; k < settle->key_count; k++)
        if (settle->keys[k].over_nonce != UINT64_MAX &&
            (&settle->keys[k] != key || nonce > key->over_nonce))
            return true;
    return false;
}

// ---- the lowest nonce

// The lowest nonce of the key that a request holds and that is in no block; UINT64_MAX = none. What
// the node counts may be a lie; this is known.
static uint64_t first_nonce(struct settle *settle, const struct settle_key *key)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < settle->item_count; i++) {
        struct settle_item *item = &settle->items[i];
        if (item->bid_count == 0 || !address_equal(&item->signer, &key->address))
            continue;
        const struct settle_attempt *bid = settle_item_open_bid(item);
        if (bid->state != SETTLE_ATTEMPT_MINED && bid->nonce < first)
            first = bid->nonce;
    }
    return first;
}

// Since when has it been the lowest? (For bids that are too low, and for gaps.)
void settle_keys_head(struct settle *settle, uint64_t now_ns)
{
    for (size_t k = 0; k < settle->key_count; k++) {
        struct settle_key *key = &settle->keys[k];
        uint64_t first = first_nonce(settle, key);
        if (key->head_ns != 0 && key->head_nonce == first)
            continue;
        key->head_nonce = first;
        key->head_block = settle->block_number;
        key->head_ns = now_ns;
    }
}

// What stands before it, and no request has ever held, nobody fills: the rows say so, the node's
// count only where to look. It is given a tick to think better of it.
static void gap_look(struct settle *settle, struct settle_key *key, uint64_t now_ns)
{
    size_t filled = 0;

    if (key->head_nonce == UINT64_MAX || key->head_nonce <= key->mined_nonces ||
        now_ns - key->head_ns < settle->config.tick_ns || !settle->resend)
        return;
    if (settle_store_ok(settle,
                        settle->store.gap(settle->store.context, &filled, &key->address,
                                          key->mined_nonces, key->head_nonce)) &&
        filled > 0)
        log_error("a gap before our nonces is filled nonce=%llu first=%llu nonces=%zu",
                  (unsigned long long)key->mined_nonces, (unsigned long long)key->head_nonce,
                  filled);
}

void settle_keys_gaps(struct settle *settle, uint64_t now_ns)
{
    for (size_t k = 0; k < settle->key_count && !settle->attempts_lost && !settle->store_failed;
         k++)
        gap_look(settle, &settle->keys[k], now_ns);
}
