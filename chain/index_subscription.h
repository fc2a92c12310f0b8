/* eth_subscribe over WebSocket: the node tells of new blocks (newHeads) and of logs, on a thread of
 * its own.
 *
 * What it tells is only a reason to look: everything is read, and proved, by JSON-RPC. So a
 * subscription that is cut, lies, repeats or falls silent costs time and nothing else; while there
 * is none the indexer polls. A connection that does not confirm both subscriptions within five
 * seconds, or breaks, is made again after 0.2 to 10 seconds.
 */
#ifndef LONJA_CHAIN_INDEX_SUBSCRIPTION_H
#define LONJA_CHAIN_INDEX_SUBSCRIPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_subscription;

/* `url`: ws://host[:port][/path] or wss://. NULL, with the reason in `error`, when it cannot be
 * used. The thread starts. */
struct index_subscription *index_subscription_open(const char *url, char *error, size_t error_max);
void index_subscription_close(struct index_subscription *subscription);

/* Both subscriptions are confirmed. */
bool index_subscription_is_live(const struct index_subscription *subscription);
/* Readable when the node has told something, or the connection has come or gone; drained by
 * index_subscription_drain. */
int index_subscription_fd(const struct index_subscription *subscription);
void index_subscription_drain(struct index_subscription *subscription);
/* Newest block that it told of; 0 = none yet. */
uint64_t index_subscription_head(const struct index_subscription *subscription);
/* The head is known to be higher than what it tells: the connection is made anew. */
void index_subscription_restart(struct index_subscription *subscription);

#endif
