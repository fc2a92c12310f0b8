// Both sides of an exchange over two ledgers are locked by the hash of one secret, as hash
// time-locked contracts do (HTLC; BIP 199 has the form with SHA-256 of 32 bytes). Whoever claims
// the first side shows the secret, by which the other can be claimed. So the side that is claimed
// first has to end earlier, by a margin: else who claims last could find his side ended.
#include "matcher/engine_xvp_lock.h"

#include "base/sha256.h"

#define FIELD_CREATE(type, name, doc) CREATE_FIELD_##name,
enum create_field { CREATE_FIELD_none, XVP_CREATE_CMD(FIELD_CREATE) };

static const char *lock_tail(const struct command *command)
{
    return command_tail(command) + command->body.xvp_create.leg_count * sizeof(struct xvp_leg_tail);
}

void xvp_lock_read(struct xvp *xvp, const struct command *command)
{
    struct xvp_lock_tail tail;
    xvp->terms.external_count = command->body.xvp_create.external_count;
    if (xvp->terms.external_count == 0)
        return;
    memcpy(&tail, lock_tail(command), sizeof(tail));
    memcpy(xvp->terms.hash, tail.hash, sizeof(tail.hash));
}

// The local legs end with the cut-off.
static bool external_admit(const struct xvp_external_tail *external, uint32_t index,
                           uint64_t cutoff_ns, uint64_t margin_ns, uint64_t time_ns,
                           struct refusal *refusal)
{
    if (external->claimed != XVP_CLAIMED_FIRST && external->claimed != XVP_CLAIMED_LAST)
        return refuse(refusal, REJECT_MALFORMED, XVP_CLAIMED_LAST, (int64_t)external->claimed,
                      CREATE_FIELD_external_count);
    bool first = external->claimed == XVP_CLAIMED_FIRST;
    uint64_t latest = cutoff_ns > margin_ns ? cutoff_ns - margin_ns : 0;
    uint64_t bound = first ? latest : cutoff_ns + margin_ns;
    if (external->deadline_ns <= time_ns ||
        (first ? external->deadline_ns > bound : external->deadline_ns < bound))
        return refuse(refusal, REJECT_XVP_MARGIN, (int64_t)bound, (int64_t)external->deadline_ns,
                      index);
    return true;
}

bool xvp_lock_admit(const struct command *command, uint64_t time_ns, struct refusal *refusal)
{
    const struct xvp_create_cmd *body = &command->body.xvp_create;
    const char *at = lock_tail(command);
    struct xvp_lock_tail tail;
    if (body->external_count == 0)
        return true;
    ASSERT(body->external_count <= XVP_EXTERNALS_MAX);
    memcpy(&tail, at, sizeof(tail));
    if (tail.margin_ns > XVP_HORIZON_NS)
        return refuse(refusal, REJECT_MALFORMED, (int64_t)XVP_HORIZON_NS, (int64_t)tail.margin_ns,
                      CREATE_FIELD_external_count);
    for (uint32_t i = 0; i < body->external_count; i++) {
        struct xvp_external_tail external;
        memcpy(&external, at + sizeof(tail) + i * sizeof(external), sizeof(external));
        if (!external_admit(&external, i, body->cutoff_ns, tail.margin_ns, time_ns, refusal))
            return false;
    }
    return true;
}

bool xvp_lock_fits(const struct xvp *xvp, const char *secret)
{
    uint8_t hash[SHA256_BYTES];
    if (xvp->terms.external_count == 0)
        return false;
    sha256(hash, secret, XVP_SECRET_BYTES);
    return memcmp(hash, xvp->terms.hash, sizeof(hash)) == 0;
}

uint16_t xvp_lock_votes(const struct xvp *xvp, uint32_t account)
{
    uint32_t votes = 0;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++) {
        votes |= xvp->legs[i].from_account == account ? 1u << i : 0;
        votes |= xvp->legs[i].to_account == account ? 1u << (XVP_LEGS_MAX + i) : 0;
    }
    return (uint16_t)votes;
}

uint16_t xvp_lock_all_votes(const struct xvp *xvp)
{
    uint32_t side = (1u << xvp->terms.leg_count) - 1;
    return (uint16_t)(side | side << XVP_LEGS_MAX);
}

static bool is_whole(const struct xvp *xvp, uint32_t account)
{
    uint16_t votes = xvp_lock_votes(xvp, account);
    return (xvp->terms.votes & votes) == 0 || (xvp->terms.votes & votes) == votes;
}

static bool votes_valid(const struct xvp *xvp)
{
    uint16_t all = xvp_lock_all_votes(xvp);
    if ((xvp->terms.votes & ~all) != 0 || xvp->terms.votes == all)
        return false;
    for (uint32_t i = 0; i < xvp->terms.leg_count; i++)
        if (!is_whole(xvp, xvp->legs[i].from_account) || !is_whole(xvp, xvp->legs[i].to_account))
            return false;
    return true;
}

bool xvp_lock_valid(const struct xvp *xvp)
{
    static const uint8_t zero[XVP_SECRET_BYTES];
    const struct xvp_rec *terms = &xvp->terms;
    bool untouched = terms->lock == 0 && terms->votes == 0;
    if (terms->external_count == 0)
        return untouched && memcmp(terms->hash, zero, sizeof(zero)) == 0;
    if (terms->external_count > XVP_EXTERNALS_MAX || terms->chain_asset != 0)
        return false;
    if ((terms->lock & XVP_LOCK_ARMED) == 0)
        return untouched && terms->approved != (1u << terms->leg_count) - 1;
    return terms->lock <= (XVP_LOCK_ARMED | XVP_LOCK_REVEALED) && votes_valid(xvp);
}
