// Backlog: how far a follower is behind, in commands and in time, how fast it goes, and when it
// will have caught up. Pure: told about once a second what is durable and what was dealt with, it
// keeps when each sequence was the newest, in bounded memory however long the backlog grows.
//
// Units: sequences, monotone nanoseconds. Threads: one.
#ifndef LONJA_BASE_BACKLOG_H
#define LONJA_BASE_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

enum { BACKLOG_SAMPLES = 512 };

struct backlog {
    struct backlog_sample {
        uint64_t durable, now_ns;
    } samples[BACKLOG_SAMPLES]; // oldest first
    size_t count;
    uint64_t step_ns; // between two samples; doubles when they fill the memory
    uint64_t durable, position, now_ns;
    uint64_t began_ns;
    double rate, arrivals; // commands/s, smoothed over some ten seconds
};

struct backlog_figures {
    uint64_t lag;    // commands
    double behind_s; // since the oldest of them became durable, to a second or step; at least that
    double rate;     // commands/s dealt with
    double eta_s;    // at this pace; -1 = not at this pace
};

// A zeroed backlog is empty.
void backlog_note(struct backlog *backlog, uint64_t durable, uint64_t position, uint64_t now_ns);
struct backlog_figures backlog_figures(const struct backlog *backlog);

#endif
