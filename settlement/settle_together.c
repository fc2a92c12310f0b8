// Requests that take the same step together, so that one commit serves all of them.
//
// First bids (new requests whose evidence and price are known), up to SETTLE_FIRSTS_MAX:
//   prepare    it is still our chain; evidence, nonces and fees of all, one transaction
//   sign       one after the other, in the order of their nonces; then the bytes of all, one
//              transaction
//   broadcast  one after the other, in that order; then that the node has them, one transaction
// Receipts that are what was planned, up to SETTLE_SEEN_MAX: mined, what the chain thought of them
// just before, and, if they are deep enough, confirmed: one transaction.
//
// Nothing else is in a group: whatever is out of the ordinary goes alone (settle_item.c). What makes
// it exact is the same as for one request: no bytes are asked for whose nonce and evidence are not
// committed, and none leave before they are committed themselves; of a transaction that is lost
// nothing of what it should have said is believed. Where the signer refuses one, those behind it that
// are not signed give their nonces back with it, so that no gap is left. It would be so again at the next
// pass: until the signer has signed something for that contract again, its requests go one by one, and what
// it refuses (a cap that is reached for a day) keeps nobody else waiting.
#include "settlement/settle_custody.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

// ---- first bids

enum settle_step settle_firsts_add(struct settle *settle, struct settle_item *item,
                                   const struct settle_attempt *bid,
                                   const struct erc3643_evidence *evidence)
{
    ASSERT(settle->first_count < SETTLE_FIRSTS_MAX && item->bid_count == 0);
    struct settle_first *first = &settle->firsts[settle->first_count];

    first->item = item;
    first->bid = *bid;
    first->has_evidence = evidence != NULL;
    if (evidence != NULL)
        memcpy(first->evidence, evidence, item->call.leg_count * sizeof(evidence[0]));
    ASSERT(settle_item_message(settle, item, settle_netting_move_count(&item->call),
                               &first->message));
    if (first->message.calldata_len > 0)
        memcpy(first->calldata, first->message.calldata, first->message.calldata_len);
    first->message.calldata = first->calldata;
    if (item->call.operation == SETTLE_CANCEL_NONCE)
        first->bid.nonce = settle->arguments_read.nonce;
    settle->first_count++;
    return SETTLE_STEP_DONE;
}

static enum settle_step first_nonce(struct settle *settle, struct settle_first *first)
{
    bool known = true;

    if (first->item->call.operation != SETTLE_CANCEL_NONCE &&
        !settle_store_ok(settle, settle->store.nonce_get(settle->store.context, &known,
                                                         &first->bid.nonce, &first->item->signer)))
        return SETTLE_STEP_ABORT;
    if (!known) { // the counter was never compared with the node: not before that
        settle_keys_doubt(settle);
        return SETTLE_STEP_ABORT;
    }
    return SETTLE_STEP_NONE;
}

static enum settle_step first_prepare(struct settle *settle, struct settle_first *first)
{
    if (first_nonce(settle, first) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return settle_store_ok(settle,
                           settle->store.prepare(settle->store.context, &first->bid, first->item,
                                                 &first->item->signer, first->calldata,
                                                 first->message.calldata_len,
                                                 first->has_evidence ? first->evidence : NULL))
               ? SETTLE_STEP_NONE
               : SETTLE_STEP_ABORT;
}

static enum settle_step firsts_prepare(struct settle *settle)
{
    if (!settle_store_ok(settle, settle->store.hold(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < settle->first_count; i++)
        if (first_prepare(settle, &settle->firsts[i]) == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.release(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < settle->first_count; i++) {
        struct settle_first *first = &settle->firsts[i];
        struct settle_key *key = settle_key_of(settle, &first->item->signer);
        if (key != NULL && key->next_nonce <= first->bid.nonce)
            key->next_nonce = first->bid.nonce + 1;
        settle_item_prepared(first->item, &first->bid, &first->message);
    }
    return SETTLE_STEP_NONE;
}

// How many have bytes; those that were refused are taken out. What was signed before the signer or
// the database failed is worth keeping.
static size_t firsts_sign(struct settle *settle)
{
    size_t count = 0;

    for (size_t i = 0; i < settle->first_count; i++) {
        struct settle_first *first = &settle->firsts[i];
        if (first->item->bid_count == 0) // behind one that was refused: it has given way
            continue;
        enum settle_step step =
            settle_item_ask_signer(settle, first->item, &first->made, &first->message);
        if (step == SETTLE_STEP_ABORT)
            break;
        if (step == SETTLE_STEP_NONE)
            settle->signed_firsts[count++] = first;
    }
    return count;
}

static enum settle_step firsts_keep(struct settle *settle, size_t count)
{
    if (!settle_store_ok(settle, settle->store.hold(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < count; i++) {
        const struct settle_first *first = settle->signed_firsts[i];
        if (!settle_store_ok(settle, settle->store.sign(settle->store.context,
                                                        &first->item->bids[0], &first->item->signer,
                                                        first->made.raw, first->made.raw_len)))
            return SETTLE_STEP_ABORT;
    }
    if (!settle_store_ok(settle, settle->store.release(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < count; i++)
        settle_item_signed(settle, settle->signed_firsts[i]->item);
    return SETTLE_STEP_NONE;
}

// How many the node has; a bid that it does not take goes its own way.
static size_t firsts_broadcast(struct settle *settle, size_t count)
{
    size_t taken = 0;

    for (size_t i = 0; i < count; i++) {
        struct settle_first *first = settle->signed_firsts[i];
        enum settle_step step = settle_item_ask_node(settle, first->item, &first->item->bids[0],
                                                     first->made.raw, first->made.raw_len);
        if (step == SETTLE_STEP_ABORT)
            break;
        if (step == SETTLE_STEP_DONE)
            settle->signed_firsts[taken++] = first;
    }
    return taken;
}

static enum settle_step firsts_sent(struct settle *settle, size_t count)
{
    if (!settle_store_ok(settle, settle->store.hold(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < count; i++) {
        struct settle_item *item = settle->signed_firsts[i]->item;
        if (!settle_store_ok(settle, settle->store.sent(settle->store.context, item,
                                                        &item->bids[0])))
            return SETTLE_STEP_ABORT;
    }
    if (!settle_store_ok(settle, settle->store.release(settle->store.context)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < count; i++)
        settle_item_is_sent(settle->signed_firsts[i]->item);
    return SETTLE_STEP_NONE;
}

static void firsts_flush(struct settle *settle)
{
    if (settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return;
    struct settle_item *next = settle->firsts[settle->first_count - 1].item + 1;
    if (settle_begin_ahead(settle, next, SETTLE_AHEAD_MAX) == SETTLE_STEP_ABORT)
        return;
    if (firsts_prepare(settle) == SETTLE_STEP_ABORT)
        return;
    size_t count = firsts_sign(settle);
    if (settle->store_failed || count == 0 || firsts_keep(settle, count) == SETTLE_STEP_ABORT)
        return;
    count = firsts_broadcast(settle, count);
    if (!settle->store_failed && count > 0)
        (void)firsts_sent(settle, count);
}

// ---- receipts

enum settle_step settle_seen_add(struct settle *settle, struct settle_item *item,
                                 struct settle_attempt *bid, const struct settle_receipt *receipt,
                                 bool is_deep, bool has_evidence)
{
    ASSERT(settle->seen_count < SETTLE_SEEN_MAX && item->call.is_of_trades);
    struct settle_seen *seen = &settle->seen[settle->seen_count++];

    seen->item = item;
    seen->bid = bid;
    seen->receipt = *receipt;
    seen->is_deep = is_deep;
    seen->has_evidence = has_evidence;
    if (has_evidence)
        memcpy(seen->evidence, settle->evidence,
               item->call.leg_count * sizeof(settle->evidence[0]));
    return SETTLE_STEP_DONE;
}

static bool seen_write(struct settle *settle, const struct settle_seen *seen)
{
    void *store = settle->store.context;

    return (seen->bid->state == SETTLE_ATTEMPT_MINED ||
            settle_store_ok(settle, settle->store.mined(store, seen->item, seen->bid,
                                                        &seen->receipt))) &&
           (!seen->has_evidence ||
            settle_store_ok(settle, settle->store.recheck(store, seen->item, seen->bid,
                                                          seen->evidence))) &&
           (!seen->is_deep || settle_store_ok(settle, settle->store.confirm(store, seen->item,
                                                                            seen->bid,
                                                                            &seen->receipt)));
}

static void seen_flush(struct settle *settle)
{
    if (!settle_store_ok(settle, settle->store.hold(settle->store.context)))
        return;
    for (size_t i = 0; i < settle->seen_count; i++)
        if (!seen_write(settle, &settle->seen[i]))
            return;
    if (!settle_store_ok(settle, settle->store.release(settle->store.context)))
        return;
    for (size_t i = 0; i < settle->seen_count; i++) {
        struct settle_seen *seen = &settle->seen[i];
        settle_item_is_mined(seen->item, seen->bid, &seen->receipt);
        if (seen->has_evidence)
            settle_item_incidents(settle, seen->item, seen->evidence);
        if (seen->is_deep)
            settle_item_is_confirmed(settle, seen->item, seen->bid, &seen->receipt);
    }
}

// ---- who goes alone

static struct chain_address *apart_find(struct settle *settle, const struct settle_item *item)
{
    for (size_t i = 0; i < SETTLE_APART_MAX; i++)
        if (address_equal(&settle->apart[i], &item->call.contract))
            return &settle->apart[i];
    return NULL;
}

void settle_apart_add(struct settle *settle, const struct settle_item *item)
{
    if (apart_find(settle, item) != NULL)
        return;
    settle->apart[settle->apart_next] = item->call.contract;
    settle->apart_next = (settle->apart_next + 1) % SETTLE_APART_MAX;
}

void settle_apart_remove(struct settle *settle, const struct settle_item *item)
{
    struct chain_address *apart = apart_find(settle, item);

    if (apart != NULL)
        *apart = (struct chain_address){0};
}

bool settle_is_apart(struct settle *settle, const struct settle_item *item)
{
    return item->bid_count == 0 && apart_find(settle, item) != NULL;
}

// ---- both

// Receipts first: what they free is of use to nobody before they are written.
void settle_together_flush(struct settle *settle, bool all)
{
    bool ends = all || settle->chain_failed || settle->store_failed;

    if (settle->seen_count > 0 && (ends || settle->seen_count == SETTLE_SEEN_MAX)) {
        if (!settle->store_failed)
            seen_flush(settle);
        settle->seen_count = 0;
    }
    if (settle->first_count > 0 && (ends || settle->first_count == SETTLE_FIRSTS_MAX)) {
        if (!settle->store_failed && !settle->chain_failed)
            firsts_flush(settle);
        settle->first_count = 0;
    }
}
