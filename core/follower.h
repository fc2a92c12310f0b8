// Follower: reads the venue's durable events in order, from any sequence on: from the tape until it
// reaches the ring, then from the ring; back to the tape whenever it is lapped or a new epoch
// begins. Every process but the core lives on this. It never shows an event above durable_seq,
// never skips one, never shows one twice; after a restart of the core it goes on without a gap.
//
// Threads: one per follower. Memory: allocated at open.
#ifndef LONJA_CORE_FOLLOWER_H
#define LONJA_CORE_FOLLOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/boot.h"
#include "base/event_ring.h"
#include "base/reader_page.h"
#include "schema/records.h"

struct follower;

// Starts behind `after_sequence` (0 = from the first event ever). Returns NULL and prints the
// reason if the rings cannot be mapped. The tape may not be there yet: poll then returns 0 until it
// is.
struct follower *follower_open(const struct boot *boot, uint64_t after_sequence);
void follower_close(struct follower *follower);

// Copies up to `max` events; returns how many, 0 = none now. May stop in the middle of a command:
// the next call goes on there.
size_t follower_poll(struct follower *follower, struct event *out, size_t max);

// Sequence of the last complete command that was returned.
uint64_t follower_sequence(const struct follower *follower);
uint64_t follower_durable_seq(const struct follower *follower);
// Events that are durable but not yet returned, roughly (commands), for lag metrics.
uint64_t follower_lag(const struct follower *follower);
const struct event_ring_control *
follower_core(const struct follower *follower); // core's state page

// Event loops: watch this descriptor (readable = look again); call sleep_begin before blocking:
// false = there is work, do not block; and sleep_end (which also drains the doorbell) when awake.
int follower_doorbell_fd(const struct follower *follower);
bool follower_sleep_begin(struct follower *follower);
void follower_sleep_end(struct follower *follower);
// Threads without an event loop: waits until there may be work, at most timeout_ms.
void follower_wait(struct follower *follower, unsigned timeout_ms);

// The newest valid snapshot, record by record (with meta first, without end): for views that start
// in the middle. Returns its sequence, 0 if there is none; the callback returns false to stop (then
// 0).
typedef bool follower_snapshot_sink(void *context, const struct snapshot_record *record);
uint64_t follower_load_snapshot(const struct boot *boot, follower_snapshot_sink *sink,
                                void *context);

#endif
