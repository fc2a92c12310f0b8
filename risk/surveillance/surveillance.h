// Surveillance: signals of market abuse, from the venue's events alone. Pure: events in, alerts
// out, no clock (event time only), no I/O; the same events give the same alerts everywhere. It is
// linked by a follower of the journal, never by the engine. What each detector looks for, its
// units, sources and thresholds: docs/surveillance.md.
//
// State is of two kinds. *Facts* follow from the events since the first one: who belongs to whom,
// instruments, open orders. *Patterns* begin empty with the first event of each UTC day. So the
// state at any event is what facts at the beginning of its day and the events of the day make:
// surveillance_save and _load carry the facts over a restart, reading the day again does the rest.
//
// Memory is taken at init, sized from the limits; a table that is full leaves out what is new and
// counts it (`untracked`). Threads: one.
#ifndef LONJA_RISK_SURVEILLANCE_SURVEILLANCE_H
#define LONJA_RISK_SURVEILLANCE_SURVEILLANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/config.h"
#include "schema/records.h"

enum surveillance_detector {
    DETECTOR_WASH_ACCOUNT = 1, // an account traded with itself
    DETECTOR_WASH_MEMBER,      // two accounts of one member traded
    DETECTOR_WASH_CIRCULAR,    // there and back between two accounts
    DETECTOR_SPOOFING,         // one large order withdrawn after a trade on the other side
    DETECTOR_LAYERING,         // several orders withdrawn after a trade on the other side
    DETECTOR_MARKING_CLOSE,    // a member moved the price into the close
    DETECTOR_RATIO_NUMBER,     // orders per transaction
    DETECTOR_RATIO_VOLUME,     // ordered per traded quantity
    DETECTOR_COUNT,
};
const char *surveillance_detector_name(enum surveillance_detector detector); // "wash_account" …

enum {
    SURVEILLANCE_EVIDENCE_MAX = 40,
    SURVEILLANCE_ALERTS_MAX = 32, // by one event
    SURVEILLANCE_PATTERN_TRADES = 8,
    SURVEILLANCE_PATTERN_CANCELS = 16,
};

struct surveillance_alert {
    uint8_t detector; // enum surveillance_detector
    uint8_t side;     // enum side of what is suspicious; 0 = both or none
    uint8_t token_scale;
    uint32_t index; // of the event that completed the pattern, in its command
    uint64_t sequence;
    uint64_t time_ns;
    uint64_t since_ns; // when the pattern began
    uint32_t instrument;
    uint32_t member, account;                 // who; account 0 = the member's accounts together
    uint32_t counter_member, counter_account; // with whom; 0 = nobody in particular
    int64_t price;                            // cash units per token; 0 = none
    int64_t quantity;                         // token units (of ratio_number: messages)
    int64_t value, limit;    // the figure and its threshold, in the detector's unit
    uint32_t evidence_total; // sequences that belong to it
    uint32_t evidence_count; // of these the last ones, ascending
    uint64_t evidence[SURVEILLANCE_EVIDENCE_MAX];
    char symbol[SYMBOL_BYTES_MAX];
};

struct surveillance;

// Takes its memory from the system; NULL if there is not enough. Uses limits.* and surveil.* of it.
CHECKED struct surveillance *surveillance_create(const struct config *config);
void surveillance_destroy(struct surveillance *surveillance);

// The next event, in the venue's order. Returns how many alerts it wrote.
size_t surveillance_apply(struct surveillance *surveillance, const struct event *event,
                          struct surveillance_alert out[SURVEILLANCE_ALERTS_MAX]);
// Whether this event would begin a new day: the facts as they are now are those to save for it.
bool surveillance_begins_day(const struct surveillance *surveillance, const struct event *event);
// Sequence of the first command of the present day; 0 = no event yet.
uint64_t surveillance_day_first(const struct surveillance *surveillance);
// Pairs of member and instrument (and orders) that found no room since the start.
uint64_t surveillance_untracked(const struct surveillance *surveillance);

// The facts as snapshot records, without meta and end, for surveillance_load alone: `session` of an
// order is its member, its flags are those of surveillance. The sink returns 0, or an error, which
// is returned.
typedef int surveillance_sink(void *context, const struct snapshot_record *record);
CHECKED int surveillance_save(const struct surveillance *surveillance, surveillance_sink *sink,
                              void *context);
// One such record into a fresh surveillance; the next event begins a day.
void surveillance_load(struct surveillance *surveillance, const struct snapshot_record *record);

#endif
