// Deployments of assets: an agent that carries the plans of chain.deployment (asset_plan.h) out,
// one transaction at a time, as rows of chain.chain_request that the settlement worker runs (M18).
//
// It begins in awaiting_policy: somebody must say that the signer's policy names what is to be
// created. running: the next step is asked for when the one before is confirmed and there is code
// where it made a contract. Before a contract of this deployment is called for the first time it
// waits once more (awaiting_policy), until the policy names that contract, too. When all is done
// everything is read back at one block and compared; only if it is equal the token gets its address
// (B11) and the deployment is deployed. A step that ends otherwise, a difference, or a token that
// is no draft any more: deploy_failed with the step and the reason, until it is resumed or
// abandoned.
//
// It keeps nothing: each call reads the rows, so that a crash anywhere is nothing special.
//
// Threads: one, which may block (database, node). Failures of these are waited out.
#ifndef LONJA_SETTLEMENT_ASSET_DEPLOY_H
#define LONJA_SETTLEMENT_ASSET_DEPLOY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pg.h"
#include "chain/node.h"

struct asset_deploy {
    struct pg *pg;
    struct node *node;
    uint64_t chain_id;
};

// Looks at every running deployment, and takes each one move further. Returns how many moved: while
// it is above zero, call again at once.
size_t asset_deploy_do_work(struct asset_deploy *deploy);

#endif
