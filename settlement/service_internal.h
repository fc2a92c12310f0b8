// The parts of the chain's service and what they share.
//
//   http.h ─► service.c ─► worker thread: one of the handlers ─► service.c ─► http.h
//                           service_rows.c     transfer, mint, burn, freeze, register-identity
//                           service_asset.c    deploy, resume, abandon
//                           service_read.c     how far things are
#ifndef LONJA_SETTLEMENT_SERVICE_INTERNAL_H
#define LONJA_SETTLEMENT_SERVICE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/pg.h"
#include "chain/node.h"
#include "chain/rpc_open.h"
#include "gateway/common/http.h"
#include "gateway/common/rate.h"
#include "gateway/common/workers.h"
#include "settlement/asset_deploy.h"
#include "settlement/callers.h"
#include "settlement/refusal.h"
#include "settlement/service.h"

enum {
    SERVICE_KEY_MAX = 128,   // of an idempotency key, as the caller names it
    SERVICE_CODE_KNOWN = 256 // contracts whose code was seen
};

struct service {
    const struct config *config;
    pthread_t thread;
    int stop_fd; // readable: end
    _Atomic bool stopping;

    // the loop's
    struct loop *loop;
    struct loop_watch *stop_watch;
    struct loop_timer *deploy_timer;
    struct loop_timer *listen_timer;
    struct http_server *http; // NULL: the port is taken
    struct workers *workers;  // one thread
    struct callers callers;
    struct rate rates[CALLERS_MAX];
    struct rate strangers;
    bool deploying; // a job carries deployments on, or waits to

    // the worker's
    struct pg *pg;
    struct config node_config;
    struct rpc_pool pool;
    struct node node;
    struct asset_deploy deploy;
    size_t code_count;
    struct chain_address code[SERVICE_CODE_KNOWN];
};

// One request on its way through the worker.
struct ask {
    struct service *service;
    const struct route *route;
    uint64_t http_id;
    int64_t id; // number in the path; 0 = none
    char caller[CALLER_NAME_MAX];
    char key[SERVICE_KEY_MAX + 1]; // of the header or the query; "" = none
    char state[24];                // of the query
    int64_t limit;
    json_t *body; // an object; NULL for GET
    bool has_block;
    uint64_t block; // at which the chain is asked everything for this request
    // the answer
    struct refusal refusal;
    unsigned status; // 0 = refused
    char *answer;    // text; malloc'd
};

typedef bool handler(struct ask *ask); // false: refused

struct route {
    enum http_method method;
    const char *path; // '#' stands for a number
    enum caller_operation operation;
    handler *handle;
};

// ---- answers; each returns true but the last two, which refuse

bool ask_answer_text(struct ask *ask, unsigned status, const char *json);
bool ask_answer(struct ask *ask, unsigned status, json_t *json); // takes the reference over
bool ask_database_failed(struct ask *ask);
bool ask_node_failed(struct ask *ask);

// ---- what the handlers share

// The newest block, asked for once: where several endpoints are asked, "latest" is the block that
// was heard of last, which may be long ago.
CHECKED bool ask_block(struct ask *ask);

// The caller's own key ("" = it named none) of header or field; refuses one that is malformed.
CHECKED bool ask_key(struct ask *ask, char out[SERVICE_KEY_MAX + 1]);
// What the row's key is: "api:CALLER:KEY".
enum { SERVICE_ROW_KEY_MAX = 4 + CALLER_NAME_MAX + 1 + SERVICE_KEY_MAX + 1 };
void ask_row_key(char out[SERVICE_ROW_KEY_MAX], const struct ask *ask, const char *key);

// M14: what it is for, and on what grounds: {"flow": {"kind", "id"}, "evidence"}. The kind must be
// one of `kinds` (ended by NULL). A new reference; NULL after refusing.
json_t *ask_flow(struct ask *ask, const char *const *kinds);
// Keccak-256 of the JSON with sorted keys, as "0x…".
void content_hash(char out[67], const json_t *content);

// ---- handlers

handler transfer_handle, mint_handle, burn_handle, freeze_handle, register_handle;
handler deploy_handle, plan_handle, resume_handle, abandon_handle;
handler request_read, requests_read, deployment_read, deployments_read;

// A request's JSON by its number, as the answer.
CHECKED bool request_answer(struct ask *ask, unsigned status, int64_t request_id);
CHECKED bool deployment_answer(struct ask *ask, unsigned status, int64_t deployment_id);

#endif
