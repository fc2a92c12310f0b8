// Happy path: connect -> PING -> answered: up -> commands pipelined, answers counted, in order. (A
// frozen Redis connects, because the kernel does it; it does not answer.) Failure modes: refused or
// lost (the next tick connects again), silent (no answer within timeout_ms while commands are
// pending: given up), too slow (pending_max reached: dropped, counted), no Redis at all (bytes that
// are no answer, or more answers than commands: given up).
//
// Of hiredis only the synchronous half, on a connection that never blocks: its asynchronous half
// ends the process when an answer comes that it did not ask for.
#include "gateway/ops/redis.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

#define RECONNECT_NS 1000000000u

struct redis {
    struct loop *loop;
    struct redis_options options;
    struct redis_counters counters;
    redisContext *context; // NULL = none
    struct loop_watch *watch;
    bool connected;   // the kernel says so
    bool up;          // Redis has answered
    bool writing;     // waits until the socket takes more
    unsigned pending; // commands without an answer, the greeting too
    uint64_t now_ns;
    uint64_t answered_ns; // when the last answer came, or the oldest pending command was sent
    uint64_t connect_ns;
};

// ---- connection

static void gone(struct redis *redis, const char *why)
{
    if (redis->up)
        log_warning("redis lost, publishing stops until it is back reason=\"%s\" unanswered=%u",
                    why, redis->pending);
    else
        log_limited(LOG_WARNING, "redis cannot be reached port=%d reason=\"%s\"",
                    redis->options.port, why);
    loop_unwatch(redis->watch);
    redisFree(redis->context); // `why` may be in it
    redis->context = NULL;
    redis->watch = NULL;
    redis->connected = redis->up = redis->writing = false;
    redis->counters.dropped += redis->pending; // nobody knows whether they were heard
    redis->pending = 0;
    redis->counters.errors++;
}

static void on_greeting(struct redis *redis)
{
    redis->up = true;
    log_info("redis connected host=%s port=%d", redis->options.host, redis->options.port);
    redis->options.connected(redis->options.context);
}

static void on_answer(struct redis *redis, const redisReply *reply)
{
    redis->pending--;
    redis->answered_ns = redis->now_ns;
    if (reply->type == REDIS_REPLY_ERROR) {
        redis->counters.errors++;
        log_limited(LOG_WARNING, "redis refuses a command reason=\"%s\"", reply->str);
    }
    if (!redis->up)
        on_greeting(redis);
}

static void read_answers(struct redis *redis)
{
    if (redisBufferRead(redis->context) != REDIS_OK) {
        gone(redis, redis->context->errstr);
        return;
    }
    void *reply;
    while (redisGetReplyFromReader(redis->context, &reply) == REDIS_OK) {
        if (reply == NULL)
            return;
        bool asked = redis->pending > 0;
        if (asked)
            on_answer(redis, reply);
        freeReplyObject(reply);
        if (!asked) {
            gone(redis, "an answer to nothing");
            return;
        }
    }
    gone(redis, redis->context->errstr);
}

static void want_to_write(struct redis *redis, bool wanted)
{
    if (wanted == redis->writing)
        return;
    redis->writing = wanted;
    loop_watch_change(redis->watch, redis->context->fd,
                      wanted ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void write_commands(struct redis *redis)
{
    int done = 0;
    if (redisBufferWrite(redis->context, &done) != REDIS_OK) {
        gone(redis, redis->context->errstr);
        return;
    }
    if (done)
        want_to_write(redis, false);
}

// Whether the connection that was begun stands; then the first word is ours.
static bool greet(struct redis *redis)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        gone(redis, strerror(error));
        return false;
    }
    const char *words[] = {"PING"};
    int result = redisAppendCommandArgv(redis->context, 1, words, NULL);
    ASSERT(result == REDIS_OK);
    redis->connected = true;
    redis->pending = 1;
    return true;
}

static void on_ready(void *context, unsigned readiness)
{
    struct redis *redis = context;
    if (!redis->connected && !greet(redis))
        return;
    if (readiness & LOOP_READ)
        read_answers(redis);
    if (redis->context != NULL)
        write_commands(redis);
}

static void connect_now(struct redis *redis)
{
    redis->connect_ns = redis->now_ns;
    redisContext *context = redisConnectNonBlock(redis->options.host, redis->options.port);
    if (context == NULL || context->err != 0) {
        log_limited(LOG_WARNING, "redis cannot be reached port=%d reason=\"%s\"",
                    redis->options.port, context != NULL ? context->errstr : "out of memory");
        redis->counters.errors++;
        if (context != NULL)
            redisFree(context);
        return;
    }
    redis->context = context;
    redis->answered_ns = redis->now_ns;
    redis->writing = true; // a connection that stands can be written to
    redis->watch = loop_watch(redis->loop, context->fd, LOOP_READ | LOOP_WRITE, on_ready, redis);
    ASSERT(redis->watch != NULL);
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
        loop_unwatch(redis->watch);
        redisFree(redis->context);
    }
    free(redis);
}

void redis_tick(struct redis *redis, uint64_t now_ns)
{
    redis->now_ns = now_ns;
    bool waits = redis->pending > 0 || (redis->context != NULL && !redis->up);
    if (waits && now_ns - redis->answered_ns > redis->options.timeout_ms * 1000000ull)
        gone(redis, "no answer");
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

static bool send_command(struct redis *redis, int count, const char **words)
{
    if (!redis->up || redis->pending >= redis->options.pending_max ||
        redisAppendCommandArgv(redis->context, count, words, NULL) != REDIS_OK) {
        redis->counters.dropped++;
        return false;
    }
    if (redis->pending++ == 0)
        redis->answered_ns = redis->now_ns;
    redis->counters.published++;
    want_to_write(redis, true);
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
