// Link: a gateway's side of the core. It writes commands into the gateway's own ring and keeps the
// count by which answers find their requests; the answers come as events through a follower.
//
// Life: link_open maps the ring and sends gateway_attach; until the gateway_attached event of this
// incarnation has come through link_on_event, link_attached is false and nothing else may be sent.
// A new core epoch is an attach again: every command whose gateway_seq is above last_gateway_seq
// was not accepted (the caller answers IN_DOUBT), numbering goes on.
//
// A missed heartbeat (gateway_detached of this incarnation) is an attach again, too. A ring that the core
// has shut, because this process broke the protocol, is our own fault: link_heartbeat asserts, and the
// supervisor starts the next incarnation.
//
// Threads: the gateway's I/O thread only. link_heartbeat must be called at least every 100 ms.
#ifndef LONJA_GATEWAY_COMMON_LINK_H
#define LONJA_GATEWAY_COMMON_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/boot.h"
#include "base/command_ring.h"
#include "base/event_ring.h"

struct link {
    struct command_ring ring;
    uint8_t gateway;
    uint32_t incarnation;
    uint64_t gateway_seq;    // of the last command sent
    uint64_t accepted_seq;   // gateway_seq of the last command seen in an event
    uint64_t epoch;          // core epoch of the attach
    uint64_t attach_sent_ns; // an attach without an answer is sent again after a second
    uint64_t lost_above;     // of attaches that a newer one has overtaken; UINT64_MAX = none
    bool attached;
    bool was_attached; // once in this life: a ring that is shut from then on was shut for us
    struct command *open; // claimed, not yet sent
    unsigned unwoken;     // sent, and the core was not woken for them
};

// Returns 0 or -errno.
CHECKED int link_open(struct link *link, const struct boot *boot, enum gateway_id gateway);

// Claims a record of `type` with a tail of `tail_bytes`, header filled in (slots, type, version,
// gateway_seq, incarnation). NULL: no room (answer OVERLOADED) or not attached (answer
// NOT_ATTACHED). Cancels, mass cancels and kills may use the ring's last eighth.
struct command *link_claim(struct link *link, uint8_t type, size_t tail_bytes, uint32_t session,
                           uint32_t session_seq);
// Sends the claimed record; returns its gateway_seq.
uint64_t link_send(struct link *link);
// The same for who reads many requests at once: a core that sleeps is woken by every LINK_SENDS_UNWOKEN_MAX-th of
// them, and by link_wake, which is due after the last one. Each wake-up is a system call, and on few processors it takes
// away the sender's.
enum { LINK_SENDS_UNWOKEN_MAX = 8 };
uint64_t link_send_later(struct link *link);
void link_wake(struct link *link);

// Feed every event of the follower through this. Returns true if the link has (re)attached by it,
// with *lost_above set: commands with a larger gateway_seq of the time before were not accepted.
bool link_on_event(struct link *link, const struct event *event, uint64_t *lost_above);
// Heartbeat; notices a new core epoch and attaches again. `core` is follower_core().
void link_heartbeat(struct link *link, const struct event_ring_control *core, uint64_t now_ns);

#endif
