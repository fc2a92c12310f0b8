// Does the database know what was signed? Asked when the lock was taken, before anything else is
// done: on rows that were lost, or are older than what was signed, everything that has moved looks
// pending.
//
// - The signer names no key, the database knows none: both are new; the chain's count becomes the
//   counter's beginning.
// - It names keys, and the database has a counter of each: it is ours.
// - It names a key of which the database has never heard: the database is lost; nothing is done
//   before `lonja settle rebuild`.
// - It does not answer, and the database knows a key or has nothing to move: the chain waits for
// the
//   signer, the rest goes on.
// - It does not answer, the database knows no key, and there are contracts: everything waits, for
//   the database may be lost.
//
// While it is lost the lock is given up between two looks, so that the rebuild can take it.
#include "settlement/settle_internal.h"

#include "base/log.h"

// True: the database may be lost as long as the signer has not said anything else.
static bool may_be_lost(struct settle *settle)
{
    bool needs = true;

    return !settle_store_ok(settle, settle->store.needs_signer(settle->store.context, &needs)) ||
           needs;
}

static void lost_report(struct settle *settle, const struct signer_account *account)
{
    char signer[ADDRESS_TEXT_SIZE];

    settle->attempts_missing = true;
    settle->counters.lost_nonces++;
    address_format(signer, &account->signer);
    log_limited(LOG_ERROR,
                "attempts_missing: a key has signed of which this database has never heard. "
                "Nothing is settled until "
                "`lonja settle rebuild` has written its rows again (docs/settlement.md) signer=%s "
                "signer_next=%llu",
                signer, (unsigned long long)account->next_nonce);
}

// False: the look is over, and says nothing good.
static bool account_look(struct settle *settle, uint32_t *count, uint32_t number)
{
    struct signer_account account = {0};
    uint64_t next = 0;
    bool known = false;
    enum signer_result result =
        settle->signer.account(settle->signer.context, &account, settle->config.chain_id, number);

    if (result != SIGNER_OK) {
        settle_signer_silent(settle, result);
        return false;
    }
    *count = account.count;
    if (number >= account.count)
        return true;
    if (!settle_store_ok(
            settle, settle->store.nonce_get(settle->store.context, &known, &next, &account.signer)))
        return false;
    if (!known)
        lost_report(settle, &account);
    return known;
}

static bool all_known(struct settle *settle)
{
    uint32_t count = 0;

    settle->attempts_missing = false;
    for (uint32_t number = 0; number == 0 || number < count; number++)
        if (!account_look(settle, &count, number))
            return false;
    settle->signer_asked_ns = 0;
    return true;
}

bool settle_known_look(struct settle *settle)
{
    if (settle->attempts_known)
        return true;
    if (all_known(settle)) {
        settle->attempts_known = true;
        return true;
    }
    if (settle->attempts_missing) {
        (void)settle_store_ok(settle, settle->store.follow(settle->store.context));
        settle->chain_failed = true;
        return false;
    }
    (void)settle_chain_failed(settle, "signer", NODE_OK);
    return !settle->store_failed && !may_be_lost(settle);
}
