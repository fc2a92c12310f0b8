// Happy path: connect -> PING -> answered: up -> commands pipelined, answers counted. (A frozen
// Redis connects, because the kernel does it; it does not answer.) Failure modes: refused or lost
// (the disconnect callback clears the context; the next tick connects again), silent (no answer
// within timeout_ms while commands are pending: we disconnect), too slow (pending_max reached:
// dropped, counted).
#include "gateway/ops/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/log.h"

#define RECONNECT_NS 1000000000u

struct redis {
    struct loop *loop;
    struct redis_options options;
    struct redis_counters counters;
    redisAsyncContext *context;
    struct loop_watch *watch;
    unsigned readiness;
    bool up;
    unsigned pending;
    uint64_t now_ns;
    uint64_t answered_ns; // when the last answer came, or the oldest pending command was sent
    uint64_t connect_ns;
};

// ---- hiredis' event interface on our loop
// ----------------------------------------------------------------

static void on_ready(void *context, unsigned readiness)
{
    struct redis *redis = context;
    if ((readiness & LOOP_READ) && redis->context != NULL)
        redisAsyncHandleRead(redis->context);
    if ((readiness & LOOP_WRITE) && redis->context != NULL)
        redisAsyncHandleWrite(redis->context);
}

static void readiness_change(struct redis *redis, unsigned readiness)
{
    if (redis->watch == NULL || readiness == redis->readiness)
        return;
    redis->readiness = readiness;
    loop_watch_change(redis->watch, redis->context->c.fd, readiness);
}

static void add_read(void *context)
{
    struct redis *redis = context;
    readiness_change(redis, redis->readiness | LOOP_READ);
}

static void del_read(void *context)
{
    struct redis *redis = context;
    readiness_change(redis, redis->readiness & ~(unsigned)LOOP_READ);
}

static void add_write(void *context)
{
    struct redis *redis = context;
    readiness_change(redis, redis->readiness | LOOP_WRITE);
}

static void del_write(void *context)
{
    struct redis *redis = context;
    readiness_change(redis, redis->readiness & ~(unsigned)LOOP_WRITE);
}

static void cleanup(void *context)
{
    struct redis *redis = context;
    if (redis->watch != NULL)
        loop_unwatch(redis->watch);
    redis->watch = NULL;
    redis->readiness = 0;
}

// ---- connection
// --------------------------------------------------------------------------------------------

static void gone(struct redis *redis, const char *why)
{
    if (redis->up)
        log_warning("redis lost, publishing stops until it is back reason=\"%s\" unanswered=%u",
                    why, redis->pending);
    redis->context = NULL; // hiredis frees it after this callback
    redis->up = false;
    redis->counters.dropped += redis->pending; // nobody knows whether they were heard
    redis->pending = 0;
    redis->counters.errors++;
}

static void on_greeting(redisAsyncContext *context, void *answer, void *unused)
{
    (void)unused;
    struct redis *redis = context->data;
    if (redis == NULL || answer == NULL)
        return; // the connection ends: `gone` counts it
    redis->up = true;
    log_info("redis connected host=%s port=%d", redis->options.host, redis->options.port);
    redis->options.connected(redis->options.context);
}

static void on_connect(const redisAsyncContext *context, int status)
{
    struct redis *redis = context->data;
    if (redis == NULL)
        return;
    if (status != REDIS_OK) {
        log_limited(LOG_WARNING, "redis cannot be reached reason=\"%s\"", context->errstr);
        gone(redis, context->errstr);
        return;
    }
    if (redisAsyncCommand(redis->context, on_greeting, NULL, "PING") != REDIS_OK)
        log_limited(LOG_WARNING, "redis cannot be greeted reason=\"%s\"", context->errstr);
}

static void on_disconnect(const redisAsyncContext *context, int status)
{
    if (context->data != NULL)
        gone(context->data, status == REDIS_OK ? "closed" : context->errstr);
}

static void connect_now(struct redis *redis)
{
    redis->connect_ns = redis->now_ns;
    redisAsyncContext *context = redisAsyncConnect(redis->options.host, redis->options.port);
    if (context == NULL || context->err != 0) {
        log_limited(LOG_WARNING, "redis cannot be reached reason=\"%s\"",
                    context != NULL ? context->errstr : "out of memory");
        redis->counters.errors++;
        if (context != NULL)
            redisAsyncFree(context);
        return;
    }
    redis->context = context;
    redis->answered_ns = redis->now_ns;
    redis->watch = loop_watch(redis->loop, context->c.fd, 0, on_ready, redis);
    ASSERT(redis->watch != NULL);
    context->data = redis;
    context->ev.data = redis;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(context, on_connect);
    redisAsyncSetDisconnectCallback(context, on_disconnect);
}

struct redis *redis_open(struct loop *loop, const struct redis_options *options)
{
    struct redis *redis = calloc(1, sizeof *redis);
    if (redis == NULL)
        return NULL;
    redis->loop = loop;
    redis->options = *options;
    return redis;
}

void redis_close(struct redis *redis)
{
    if (redis->context != NULL) {
        redis->context->data = NULL; // no callback may find us any more
        redisAsyncFree(redis->context);
    }
    free(redis);
}

static void give_up(struct redis *redis)
{
    redisAsyncContext *context = redis->context;
    if (!redis->up)
        log_limited(LOG_WARNING, "redis does not answer port=%d", redis->options.port);
    gone(redis, "no answer");
    context->data = NULL;
    redisAsyncFree(context);
}

void redis_tick(struct redis *redis, uint64_t now_ns)
{
    redis->now_ns = now_ns;
    bool waits = redis->pending > 0 || (redis->context != NULL && !redis->up);
    if (waits && now_ns - redis->answered_ns > redis->options.timeout_ms * 1000000ull)
        give_up(redis);
    if (redis->context == NULL &&
        (redis->connect_ns == 0 || now_ns - redis->connect_ns > RECONNECT_NS))
        connect_now(redis);
}

bool redis_is_up(const struct redis *redis)
{
    return redis->up;
}

const struct redis_counters *redis_counters(const struct redis *redis)
{
    return &redis->counters;
}

// ---- commands
// ----------------------------------------------------------------------------------------------

static void on_answer(redisAsyncContext *context, void *answer, void *unused)
{
    (void)unused;
    struct redis *redis = context->data;
    const redisReply *reply = answer;
    if (redis == NULL || reply == NULL)
        return; // the connection ends: `gone` counts it
    ASSERT(redis->pending > 0);
    redis->pending--;
    redis->answered_ns = redis->now_ns;
    if (reply->type == REDIS_REPLY_ERROR) {
        redis->counters.errors++;
        log_limited(LOG_WARNING, "redis refuses a command reason=\"%s\"", reply->str);
    }
}

static bool send_command(struct redis *redis, int count, const char **words)
{
    if (!redis->up || redis->pending >= redis->options.pending_max ||
        redisAsyncCommandArgv(redis->context, on_answer, NULL, count, words, NULL) != REDIS_OK) {
        redis->counters.dropped++;
        return false;
    }
    if (redis->pending++ == 0)
        redis->answered_ns = redis->now_ns;
    redis->counters.published++;
    return true;
}

bool redis_publish(struct redis *redis, const char *channel, const char *text)
{
    const char *words[] = {"PUBLISH", channel, text};
    return send_command(redis, 3, words);
}

bool redis_set(struct redis *redis, const char *key, const char *text, unsigned seconds)
{
    char expiry[16];
    snprintf(expiry, sizeof expiry, "%u", seconds);
    const char *words[] = {"SET", key, text, "EX", expiry};
    return send_command(redis, seconds == 0 ? 3 : 5, words);
}
