// Last messages: the newest text of each Redis key, so that all can be set again when Redis is
// back. Keys with an expiry are bounded: the oldest are forgotten (Redis may have lost them;
// Postgres has them). Threads: one. Out of memory asserts.
#ifndef LONJA_GATEWAY_OPS_LAST_MESSAGES_H
#define LONJA_GATEWAY_OPS_LAST_MESSAGES_H

struct last_messages;

struct last_messages *last_messages_create(void);
void last_messages_destroy(struct last_messages *last);
void last_messages_keep(struct last_messages *last, const char *key, const char *text,
                        unsigned seconds);
typedef void last_message_sink(void *context, const char *key, const char *text, unsigned seconds);
void last_messages_each(const struct last_messages *last, last_message_sink *sink, void *context);

#endif
