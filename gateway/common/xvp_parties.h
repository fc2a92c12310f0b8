// Parties of settlement instructions: who is told of what happens to one (docs/xvp.md). Events say
// what has happened; who gives and who gets a leg is said once, when the instruction is created.
//
// Memory grows with open instructions (at most 256 in the engine). Threads: one.
#ifndef LONJA_GATEWAY_COMMON_XVP_PARTIES_H
#define LONJA_GATEWAY_COMMON_XVP_PARTIES_H

#include <stdint.h>

#include "schema/records.h"

enum { XVP_PARTIES_MAX = 2 * XVP_LEGS_MAX };

struct xvp_party_list {
    uint64_t xvp;
    uint32_t accounts[XVP_PARTIES_MAX]; // each once, in the order of the legs
    uint32_t count;
    bool over; // executed, cancelled or expired: forgotten with the next command
};

struct xvp_parties {
    struct xvp_party_list *entries;
    uint32_t count, capacity;
    bool any_over;
};

void xvp_parties_fini(struct xvp_parties *parties);
// One leg of an instruction, from its creation or from a snapshot.
void xvp_parties_leg(struct xvp_parties *parties, const struct xvp_leg_rec *leg);
void xvp_parties_changed(struct xvp_parties *parties, const struct xvp_changed_evt *changed);
// The next command begins.
void xvp_parties_forget_over(struct xvp_parties *parties);
// NULL: there is none that is known.
const struct xvp_party_list *xvp_parties_of(const struct xvp_parties *parties, uint64_t xvp);

#endif
