#include "core/replica_receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum {
    RECEIVER_IN_BYTES = 2 * REPLICA_FRAME_BYTES_MAX,
    RECEIVER_OUT_BYTES = 4096,
};

int replica_receiver_open(struct replica_receiver *receiver, struct standby_store *store,
                          const struct replica_hello *terms, uint64_t now_ns)
{
    memset(receiver, 0, sizeof *receiver);
    receiver->store = store;
    receiver->fence = terms->fence;
    receiver->in = (struct replica_buffer){malloc(RECEIVER_IN_BYTES), RECEIVER_IN_BYTES, 0, 0};
    receiver->out = (struct replica_buffer){malloc(RECEIVER_OUT_BYTES), RECEIVER_OUT_BYTES, 0, 0};
    receiver->heard_ns = receiver->said_ns = now_ns;
    if (receiver->in.memory == NULL || receiver->out.memory == NULL) {
        replica_receiver_close(receiver);
        return -ENOMEM;
    }
    struct replica_hello hello = *terms;
    hello.role = REPLICA_STANDBY;
    hello.epoch = store->epoch;
    hello.sequence = store->next_sequence - 1;
    hello.chain = store->chain;
    replica_frame_put(&receiver->out, REPLICA_HELLO, &hello, sizeof hello);
    return 0;
}

void replica_receiver_close(struct replica_receiver *receiver)
{
    free(receiver->in.memory);
    free(receiver->out.memory);
    memset(receiver, 0, sizeof *receiver);
}

static int receiver_answer(struct replica_receiver *receiver, const uint8_t *body)
{
    struct replica_answer answer;
    memcpy(&answer, body, sizeof answer);
    if (receiver->follows || answer.decision == 0 || answer.decision >= REPLICA_DECISION_END)
        return -EPROTO;
    receiver->primary_epoch = answer.epoch;
    if (answer.decision != REPLICA_CONTINUE) {
        receiver->refused = (enum replica_decision)answer.decision;
        receiver->common = answer.sequence;
        return -EACCES;
    }
    // The primary's own decision forbids this; a host that was promoted does not rely on it.
    if (answer.epoch < receiver->fence || answer.epoch < receiver->store->epoch)
        return -ESTALE;
    receiver->primary_seq = answer.sequence;
    receiver->follows = true;
    return 0;
}

// Returns 1 = a block became durable, 0 = something else was taken, -EAGAIN = it must wait, or
// another -errno.
static int receiver_frame(struct replica_receiver *receiver,
                          const struct replica_frame_header *header, const uint8_t *body)
{
    if (header->type == REPLICA_ANSWER)
        return receiver_answer(receiver, body);
    if (!receiver->follows)
        return -EPROTO;
    int result = -EPROTO;
    if (header->type == REPLICA_SEGMENT) {
        struct journal_segment_header segment;
        memcpy(&segment, body, sizeof segment);
        result = standby_store_segment(receiver->store, &segment);
    } else if (header->type == REPLICA_BLOCK) {
        result = standby_store_block(receiver->store, body, header->bytes);
        if (result == 0)
            result = 1;
    } else if (header->type == REPLICA_PING) {
        struct replica_position said;
        memcpy(&said, body, sizeof said);
        receiver->primary_seq = said.sequence;
        result = 0;
    }
    return result == -EBADMSG ? -EPROTO : result;
}

static void receiver_say(struct replica_receiver *receiver, enum replica_frame_type type,
                         uint64_t now_ns)
{
    struct replica_position position = {.sequence = receiver->store->next_sequence - 1};
    // What does not fit any more is said by the next one: it only gets higher.
    if (replica_buffer_room(&receiver->out) < REPLICA_HEADER_BYTES + sizeof position)
        return;
    replica_frame_put(&receiver->out, type, &position, sizeof position);
    receiver->said_ns = now_ns;
}

static int receiver_take_frames(struct replica_receiver *receiver, uint64_t now_ns)
{
    for (;;) {
        struct replica_frame_header header;
        const uint8_t *body;
        enum replica_frame_result next = replica_frame_next(&receiver->in, &header, &body);
        if (next == REPLICA_FRAME_BAD)
            return -EPROTO;
        if (next == REPLICA_FRAME_NONE) {
            (void)replica_buffer_room(&receiver->in);
            return 0;
        }
        int result = receiver_frame(receiver, &header, body);
        if (result < 0)
            return result == -EAGAIN ? 0 : result;
        receiver->heard_ns = now_ns;
        replica_buffer_drop(&receiver->in, REPLICA_HEADER_BYTES + header.bytes);
        if (result > 0)
            return result; // each block is acknowledged at once: somebody waits for it
    }
}

int replica_receiver_take(struct replica_receiver *receiver, uint64_t now_ns, uint64_t timeout_ns)
{
    int result = receiver_take_frames(receiver, now_ns);
    if (result < 0)
        return result;
    if (result > 0)
        receiver_say(receiver, REPLICA_ACK, now_ns);
    else if (receiver->follows && now_ns - receiver->said_ns >= timeout_ns / 4)
        receiver_say(receiver, REPLICA_PING, now_ns);
    if (now_ns > receiver->heard_ns && now_ns - receiver->heard_ns > timeout_ns)
        return -ETIMEDOUT;
    return result;
}
