// One call of the chain's service by HTTP, for `lonja asset`. Blocking; one thread.
#ifndef LONJA_SETTLEMENT_ASSET_CLIENT_H
#define LONJA_SETTLEMENT_ASSET_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/assert.h"

enum { ASSET_CLIENT_ERROR_MAX = 256, ASSET_CLIENT_TOKEN_MAX = 128 };

struct asset_client {
    const char *url; // "http://127.0.0.1:8082"
    char token[ASSET_CLIENT_TOKEN_MAX];
};

// The operator's token: of the line of this name in the service's file of callers. False with
// `error` written.
CHECKED bool asset_client_token(struct asset_client *client, const char *callers_file,
                                const char *name, char *error);

// Sends `body` (NULL = GET) and returns the HTTP status, with the answer in *answer, the caller's;
// 0 with `error` written when there is no answer that is JSON.
CHECKED unsigned asset_client_call(struct asset_client *client, json_t **answer, const char *path,
                                   const json_t *body, const char *key, char *error);

#endif
