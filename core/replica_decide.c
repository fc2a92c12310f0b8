#include "core/replica_decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "matcher/engine.h"
#include "schema/records.h"

enum replica_decision replica_decide(enum replica_terms terms, enum replica_peer peer,
                                     enum replica_age age, enum replica_place place)
{
    static const enum replica_decision refused[REPLICA_TERMS_COUNT] = {
        [REPLICA_TERMS_VERSION] = REPLICA_REFUSE_VERSION,
        [REPLICA_TERMS_VENUE] = REPLICA_REFUSE_VENUE,
        [REPLICA_TERMS_SELF] = REPLICA_REFUSE_SELF,
    };
    static const enum replica_decision standby[REPLICA_PLACE_COUNT] = {
        [REPLICA_PLACE_KNOWN] = REPLICA_CONTINUE,
        [REPLICA_PLACE_DIVERGED] = REPLICA_REFUSE_DIVERGED,
        [REPLICA_PLACE_AHEAD] = REPLICA_REFUSE_AHEAD,
        [REPLICA_PLACE_GONE] = REPLICA_REFUSE_GONE,
        [REPLICA_PLACE_UNREADABLE] = REPLICA_REFUSE_UNREADABLE,
    };
    static const enum replica_decision primary[REPLICA_AGE_COUNT] = {
        [REPLICA_AGE_LOWER] = REPLICA_PEER_IS_FENCED,
        [REPLICA_AGE_SAME] = REPLICA_BOTH_ARE_FENCED,
        [REPLICA_AGE_HIGHER] = REPLICA_WE_ARE_FENCED,
    };
    ASSERT(terms < REPLICA_TERMS_COUNT && peer < REPLICA_PEER_COUNT);
    ASSERT(age < REPLICA_AGE_COUNT && place < REPLICA_PLACE_COUNT);
    if (terms != REPLICA_TERMS_SAME)
        return refused[terms];
    if (peer == REPLICA_PEER_PRIMARY)
        return primary[age];
    return age == REPLICA_AGE_HIGHER ? REPLICA_WE_ARE_FENCED : standby[place];
}

void replica_hello_terms(struct replica_hello *hello, const struct config *config)
{
    *hello = (struct replica_hello){.protocol = REPLICA_PROTOCOL,
                                    .schema_version = SCHEMA_VERSION,
                                    .engine_version = ENGINE_VERSION};
    ASSERT(getrandom(&hello->life, sizeof hello->life, 0) == (ssize_t)sizeof hello->life);
    snprintf(hello->venue, sizeof hello->venue, "%s", config->venue_name);
}

bool replica_hello_valid(const struct replica_hello *hello)
{
    return (hello->role == REPLICA_STANDBY || hello->role == REPLICA_PRIMARY) &&
           memchr(hello->venue, '\0', sizeof hello->venue) != NULL && hello->reserved == 0 &&
           (hello->sequence > 0 || hello->chain == 0);
}

enum replica_terms replica_terms_of(const struct replica_hello *peer,
                                    const struct replica_hello *own)
{
    if (peer->protocol != own->protocol || peer->schema_version != own->schema_version ||
        peer->engine_version != own->engine_version)
        return REPLICA_TERMS_VERSION;
    if (strcmp(peer->venue, own->venue) != 0)
        return REPLICA_TERMS_VENUE;
    return peer->life == own->life ? REPLICA_TERMS_SELF : REPLICA_TERMS_SAME;
}

enum replica_age replica_age_of(const struct replica_hello *peer, uint64_t own_epoch)
{
    uint64_t highest = peer->epoch > peer->fence ? peer->epoch : peer->fence;
    if (highest == own_epoch)
        return REPLICA_AGE_SAME;
    return highest < own_epoch ? REPLICA_AGE_LOWER : REPLICA_AGE_HIGHER;
}

static int replica_descending(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a > b ? -1 : a < b;
}

uint64_t replica_quorum(uint64_t *acknowledged, unsigned count, unsigned required)
{
    ASSERT(required > 0);
    qsort(acknowledged, count, sizeof *acknowledged, replica_descending);
    return count >= required ? acknowledged[required - 1] : 0;
}

const char *replica_decision_text(enum replica_decision decision)
{
    switch (decision) {
    case REPLICA_CONTINUE:
        return "follows";
    case REPLICA_REFUSE_VERSION:
        return "another release runs there: install the same one on both hosts";
    case REPLICA_REFUSE_VENUE:
        return "that is another venue (venue.name)";
    case REPLICA_REFUSE_SELF:
        return "replication.peer_address is this host itself";
    case REPLICA_REFUSE_DIVERGED:
        return "the standby's journal went its own way: set its tail aside with `lonja journal "
               "cut` "
               "behind the last sequence in common, or give it a copy of the primary's journal";
    case REPLICA_REFUSE_AHEAD:
        return "the standby has commands that the primary lacks: do not throw them away; promote "
               "the standby, or, if they are known to be worthless, `lonja journal cut` them there";
    case REPLICA_REFUSE_GONE:
        return "the primary no longer has what comes next for this standby: copy the primary's "
               "folders journal, snapshots and tape to it";
    case REPLICA_REFUSE_UNREADABLE:
        return "the primary cannot read its journal there: `lonja journal verify` on the primary";
    case REPLICA_PEER_IS_FENCED:
        return "this host was promoted: the other one may only follow";
    case REPLICA_WE_ARE_FENCED:
        return "the other host was promoted: this one may only follow";
    case REPLICA_BOTH_ARE_FENCED:
        return "two primaries of one epoch: both stop; promote the one that is right";
    case REPLICA_DECISION_END:
    default:
        return "a decision of another release";
    }
}
