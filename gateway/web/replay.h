// Replay: the private updates that a client has missed, told again from the tape before the live
// ones go on, without a gap and without a double.
//
//   login with a place ──► waiting ──► pass: snapshot, tape ──► updates ──► live
//                                       (a worker thread)       `replayed`, snapshots of the state
//
// A pass has a view of its own: it loads the newest snapshot that is not above the oldest place
// asked for, and applies the tape's events from there on, with the same teller as live. All who
// wait are served by one pass; there is one at a time, in portions, at a low priority, so that a
// thousand clients that come back at once cost one or two readings of the tape, and the loop never
// waits.
//
// Live updates of a client that is being told are held, and sent behind the replayed ones. If they
// are too many, they are dropped and the replay goes on to where they began again. A client that
// reads slowly holds up a pass only while it is alone in it; else it waits for the next one. So the
// memory per client is bounded, and nobody is cut for a long replay.
//
// What a place is: teller.h. It stands in the venue's one order of commands: it outlives this
// process, the core and every token.
//
// Threads: the loop's, but for the worker's part of a pass (in replay.c). Failure: a place that the
// tape or the snapshots do not reach, that is ahead of the venue, or too many at once: the client
// is told which and gets the state as it is now.
#ifndef LONJA_GATEWAY_WEB_REPLAY_H
#define LONJA_GATEWAY_WEB_REPLAY_H

#include "gateway/web/web.h"

#define SEQUENCE_MAX (1ll << 53) // what JSON's numbers hold exactly

enum {
    REPLAYS_MAX = 256,           // under way or waiting
    REPLAYS_SESSION_MAX = 4,     // of them of one session
    REPLAY_EVENTS_DEFAULT = 100, // of one REST answer
    REPLAY_EVENTS_MAX = 1000,
};

CHECKED struct replays *replays_create(struct web *web);
// Waits for the worker. Nobody is told any more.
void replays_close(struct replays *replays);
void replays_tick(struct web *web); // with every heartbeat

// To a client that has just logged in: everything of its accounts behind `from`, then
// the snapshots, then what is live.
void replay_to_client(struct web *web, struct client *client, struct teller_place from);
// The client has gone, or is somebody else: nothing of it is told any more.
void replay_leave(struct client *client);
// A live update for a client that is being told.
void replay_hold(struct web *web, const struct client *client, struct http_frame *frame,
                 struct teller_place place);
// The same over REST: at most `limit` of the updates behind `from`.
void replay_answer(struct web *web, struct user *user, const struct reply *reply,
                   struct teller_place from, uint32_t limit);

#endif
