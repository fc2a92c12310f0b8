// What the signer has signed and the database has lost: its log wins. A database that was restored,
// or that took over from one which had committed more, has forgotten transactions which may be on
// the chain, in a pool, or on their way; what they move must not be moved once more at another
// nonce. So before anything new is signed
//
//   nonces   each one below the signer's next that no request holds is asked about; what was signed
//   for it becomes rows again bids     likewise each nonce that is open, when the lock was taken: a
//   higher bid may be missing doubt    likewise a nonce that something else seems to have used, a
//   bid that the signer finds too low, and before a nonce
//            is given back as never signed: the answer with its signature may have been lost
//
// and they go on as what they are: signed, their receipt is looked for, the same bytes are sent
// again. A transfer of trades is found by its batch id; anything else by the request that asks for
// these very bytes; custody's own, which no row asks for, is written again from them, and a payout
// for the withdrawal that its batch id names. What belongs
// to nothing that the rows have is not guessed: nothing new is begun until they do
// (attempts_missing); what is under way goes on.
#include "settlement/settle_internal.h"

#include <string.h>

#include "base/log.h"
#include "settlement/settle_transfer.h"

// ---- whose it is

// Does this request, which has no transaction, ask for these bytes?
static enum settle_step is_asked_for(struct settle *settle, struct settle_item *item, bool *yes,
                                     const struct settle_lost *lost)
{
    struct node_message message;
    enum settle_step step = settle_item_legs(settle, item);

    *yes = false;
    if (step != SETTLE_STEP_NONE)
        return step;
    if (item->call.operation == SETTLE_CANCEL_NONCE)
        *yes = lost->calldata_len == 0 && settle->arguments_read.nonce == lost->nonce &&
               address_equal(&item->signer, &lost->signer);
    else if (lost->calldata_len > 0 &&
             settle_item_message(settle, item, item->call.leg_count, &message))
        *yes = message.create == lost->creates &&
               (message.create || address_equal(&message.to, &lost->to)) &&
               message.calldata_len == lost->calldata_len &&
               memcmp(message.calldata, lost->calldata, lost->calldata_len) == 0;
    return SETTLE_STEP_NONE;
}

// Of requests that ask for the same the first one: it is as good as any.
static enum settle_step asker_find(struct settle *settle, struct settle_lost *lost)
{
    static struct settle_item item; // the pass's own are not to be touched

    for (size_t i = 0; i < settle->item_count && lost->request_id == 0; i++) {
        bool yes = false;
        if (settle->items[i].bid_count > 0 || settle->items[i].call.is_of_trades)
            continue;
        item = settle->items[i];
        if (is_asked_for(settle, &item, &yes, lost) == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
        if (yes)
            lost->request_id = item.call.request_id;
    }
    return SETTLE_STEP_NONE;
}

// ---- one bid

// False: the signer does not answer as it should.
static bool history_ask(struct settle *settle, const struct chain_address *signer, uint64_t nonce,
                        uint32_t bid)
{
    const struct signer_history_query query = {
        .chain_id = settle->config.chain_id, .signer = *signer, .nonce = nonce, .bid = bid};
    enum signer_result result =
        settle->signer.history(settle->signer.context, &settle->scratch_history, &query);

    if (result == SIGNER_OK)
        return true;
    settle_signer_silent(settle, result);
    (void)settle_chain_failed(settle, "signer", NODE_OK);
    return false;
}

static struct settle_lost lost_of(const struct signer_history *history,
                                  const struct transaction *transaction)
{
    return (struct settle_lost){.signer = history->signer,
                                .nonce = transaction->nonce,
                                .attempt_id = history->request_id,
                                .time_ns = history->time_ns,
                                .gas_limit = transaction->gas_limit,
                                .fees = {.max_fee_wei = transaction->max_fee_wei,
                                         .priority_fee_wei = transaction->priority_fee_wei},
                                .hash = history->made.hash,
                                .to = transaction->to,
                                .creates = transaction->creates_contract,
                                .calldata_len = transaction->calldata_len,
                                .calldata = transaction->calldata,
                                .raw_len = history->made.raw_len,
                                .raw = history->made.raw};
}

static void lost_report(struct settle *settle, const struct settle_lost *lost,
                        enum settle_restored restored)
{
    if (restored == SETTLE_RESTORE_DONE) {
        settle->counters.restored++;
        log_error("a transaction that this database had lost is restored from the signer's log "
                  "nonce=%llu attempt=%llu",
                  (unsigned long long)lost->nonce, (unsigned long long)lost->attempt_id);
        return;
    }
    settle->counters.lost_nonces++;
    settle->attempts_lost = true;
    settle_keys_reread(settle);
    log_limited(LOG_ERROR,
                "attempts_missing: the signer has signed a transaction that this database has "
                "lost, and no row says whose it "
                "is: nothing new is settled until it is restored (docs/signer.md) nonce=%llu "
                "attempt=%llu bytes=%zu",
                (unsigned long long)lost->nonce, (unsigned long long)lost->attempt_id,
                lost->calldata_len);
}

// What the history holds becomes a row.
static enum settle_step bid_restore(struct settle *settle, enum settle_restored *restored)
{
    static struct settle_transfer transfer;
    const struct signer_history *history = &settle->scratch_history;
    struct transaction transaction;
    size_t asked;

    ASSERT(transaction_decode(&transaction, NULL, NULL, history->made.raw, history->made.raw_len));
    struct settle_lost lost = lost_of(history, &transaction);
    enum settle_transfer_kind kind =
        settle_transfer_read(&transfer, lost.calldata, lost.creates ? 0 : lost.calldata_len);
    if (kind != SETTLE_TRANSFER_NAMED && kind != SETTLE_TRANSFER_PAYOUT &&
        asker_find(settle, &lost) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (kind == SETTLE_TRANSFER_NAMED || kind == SETTLE_TRANSFER_PAYOUT ||
        (kind == SETTLE_TRANSFER_CUSTODY && lost.request_id == 0))
        lost.transfer = &transfer;
    if (!settle_store_ok(settle, settle->store.restore(settle->store.context, restored, &lost)))
        return SETTLE_STEP_ABORT;
    if (*restored != SETTLE_RESTORE_KNOWN && *restored != SETTLE_RESTORE_OTHER)
        lost_report(settle, &lost, *restored);
    // Nothing asks for it: a request that gives the nonce up holds an empty one, from the next pass
    // on.
    if (*restored == SETTLE_RESTORE_CANNOT && lost.calldata_len == 0 &&
        !settle_store_ok(settle, settle->store.gap(settle->store.context, &asked, &lost.signer,
                                                   lost.nonce, lost.nonce + 1)))
        return SETTLE_STEP_ABORT;
    return SETTLE_STEP_NONE;
}

static bool has_bid(const struct settle_item *item, const struct chain_hash *hash)
{
    for (size_t i = 0; i < item->bid_count; i++)
        if (memcmp(&item->bids[i].hash, hash, sizeof(*hash)) == 0)
            return true;
    return false;
}

// The nonce was signed for something else, so what is prepared there never will be: it goes again
// at another one.
static enum settle_step item_gives_way(struct settle *settle, struct settle_item *item)
{
    const struct settle_ending ending = {.end = SETTLE_END_RELEASE,
                                         .reason = SETTLE_REASON_CANCELLED};

    ASSERT(item != NULL && item->bid_count == 1 && item->bids[0].state == SETTLE_ATTEMPT_PREPARED);
    enum settle_step step = settle_item_legs(settle, item);
    if (step == SETTLE_STEP_NONE &&
        !settle_store_ok(
            settle, settle->store.refuse(settle->store.context, item, &item->bids[0], &ending)))
        return SETTLE_STEP_ABORT;
    return step;
}

enum settle_step settle_lost_restore(struct settle *settle, const struct chain_address *signer,
                                     uint64_t nonce, struct settle_item *item)
{
    const struct signer_history *history = &settle->scratch_history;
    enum settle_restored restored = SETTLE_RESTORE_KNOWN;
    bool any = false;

    if (!history_ask(settle, signer, nonce, 0))
        return SETTLE_STEP_ABORT;
    uint32_t bids = history->bids;
    if (bids == 0 || (item != NULL && has_bid(item, &history->made.hash)))
        return SETTLE_STEP_NONE;
    for (uint32_t bid = bids; bid > 0 && restored != SETTLE_RESTORE_CANNOT; bid--) {
        if (!history_ask(settle, signer, nonce, bid - 1) ||
            bid_restore(settle, &restored) == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
        if (restored == SETTLE_RESTORE_OTHER &&
            (item_gives_way(settle, item) != SETTLE_STEP_NONE ||
             bid_restore(settle, &restored) == SETTLE_STEP_ABORT))
            return SETTLE_STEP_ABORT;
        any |= restored == SETTLE_RESTORE_DONE;
    }
    return any ? SETTLE_STEP_DONE : SETTLE_STEP_NONE;
}

// ---- all of them

static enum settle_step missing_restore(struct settle *settle, const struct chain_address *signer,
                                        uint64_t below)
{
    uint64_t nonces[SETTLE_MISSING_MAX];
    size_t count = SETTLE_MISSING_MAX;
    uint64_t from = 0;
    bool any = false;

    while (count == SETTLE_MISSING_MAX) {
        if (!settle_store_ok(settle, settle->store.nonces_missing(settle->store.context, nonces,
                                                                  &count, signer, from, below)) ||
            (count > 0 &&
             !settle_store_ok(settle, settle->store.load(settle->store.context, settle->items,
                                                         &settle->item_count, SETTLE_ITEMS_MAX))))
            return SETTLE_STEP_ABORT;
        for (size_t i = 0; i < count; i++)
            if (settle_lost_restore(settle, signer, nonces[i], NULL) == SETTLE_STEP_ABORT)
                return SETTLE_STEP_ABORT;
        any |= count > 0;
        from = count > 0 ? nonces[count - 1] + 1 : from;
    }
    return any ? SETTLE_STEP_DONE : SETTLE_STEP_NONE;
}

enum settle_step settle_lost_nonces(struct settle *settle, const struct chain_address *signer,
                                    bool known)
{
    if (!history_ask(settle, signer, 0, 0))
        return SETTLE_STEP_ABORT;
    uint64_t below = settle->scratch_history.next_nonce;
    if (below == 0)
        return SETTLE_STEP_NONE;
    if (known)
        return missing_restore(settle, signer, below);
    settle->attempts_known = false; // it has signed, and this database has never heard of it
    return settle_chain_failed(settle, "signer history", NODE_OK);
}

enum settle_step settle_lost_bids(struct settle *settle)
{
    bool any = false;

    if (settle->bids_known)
        return SETTLE_STEP_NONE;
    for (size_t i = 0; i < settle->item_count; i++) {
        struct settle_item *item = &settle->items[i];
        if (item->bid_count == 0)
            continue;
        enum settle_step step =
            settle_lost_restore(settle, &item->signer, item->bids[0].nonce, item);
        if (step == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
        any |= step == SETTLE_STEP_DONE;
    }
    settle->bids_known = true;
    return any ? SETTLE_STEP_DONE : SETTLE_STEP_NONE;
}
