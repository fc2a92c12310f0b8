// Messages: what operators hear on Redis, made from events; a pure function of view and event.
//
// Channels (below redis.prefix, version in the prefix): trades, market, risk, settlement, health.
// Every message is one JSON object with "v":1, "seq" and "time" (ISO 8601, UTC, ns). The last one
// of each `key` is kept under PREFIXlast:KEY for those who subscribe late. docs/redis.md has the
// fields.
#ifndef LONJA_GATEWAY_OPS_MESSAGES_H
#define LONJA_GATEWAY_OPS_MESSAGES_H

#include <stdbool.h>

#include "gateway/common/view.h"
#include "schema/records.h"

struct ops_message {
    const char *channel;  // "trades", "market", "risk", "settlement"
    char key[96];         // "" = not kept
    unsigned key_seconds; // 0 = for good
    char *text;           // JSON, the caller frees it
};

// Returns false if operators hear nothing of this event. `view` is the state after the event.
bool ops_message_of(const struct view *view, const struct event *event, struct ops_message *out);

#endif
