// Deployments in Postgres: chain.deployment, its steps, and the requests that they become. A
// blocking connection; one thread. Every function that writes is one transaction, or part of one
// that the caller holds where it says so.
//
// Functions return false when the database cannot be used (the reason is logged); the caller tries
// again later.
#ifndef LONJA_SETTLEMENT_ASSET_STORE_H
#define LONJA_SETTLEMENT_ASSET_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pg.h"
#include "chain/address.h"

enum { ASSET_REASON_MAX = 320, ASSET_STATE_MAX = 32 };

struct asset_step_row {
    int64_t request_id; // 0 = not begun
    int64_t round;
    bool acknowledged;           // the signer's policy is said to name the contract that it made
    bool noted;                  // as confirmed, by asset_store_confirm_step
    char state[ASSET_STATE_MAX]; // of the request; "" = not begun
    char reason[ASSET_REASON_MAX];
    char made[ADDRESS_TEXT_SIZE]; // the contract that a confirmed deploy has made
};

// As it was read. `steps` and `checks` are the plan's, `rows` as many as steps.
struct asset_deployment {
    int64_t deployment_id;
    int64_t asset_id;
    bool is_draft; // the token still is
    json_t *steps;
    json_t *checks;
    char terms_hash[67];
    struct asset_step_row *rows;
    size_t count;
};

void asset_deployment_fini(struct asset_deployment *deployment);

// Up to `max` running deployments of the chain, oldest first.
CHECKED bool asset_store_running(struct pg *pg, int64_t *ids, size_t *count, size_t max,
                                 uint64_t chain_id);
// *found false: it is not running (any more). Otherwise the caller finishes it.
CHECKED bool asset_store_load(struct pg *pg, struct asset_deployment *out, bool *found, int64_t id);

// Each does nothing when the deployment is not running any more.
CHECKED bool asset_store_begin_step(struct pg *pg, const struct asset_deployment *deployment,
                                    size_t step, const char *operation, const char *contract,
                                    const json_t *arguments, uint64_t chain_id);
CHECKED bool asset_store_confirm_step(struct pg *pg, const struct asset_deployment *deployment,
                                      size_t step);
CHECKED bool asset_store_await_policy(struct pg *pg, int64_t id);
CHECKED bool asset_store_fail(struct pg *pg, int64_t id, const char *step, const char *reason);
// B11: the token gets its contract, and the deployment is done. If the token is no draft without a
// contract any more, it has failed instead.
CHECKED bool asset_store_finish(struct pg *pg, const struct asset_deployment *deployment,
                                uint64_t chain_id, const char *token, const char *registry,
                                uint64_t block);

#endif
