// Weather: which faults happen in a life, how often and when, all by its seed; then calm, in which
// everything has to come to rest in bounded time.
//
// Each life has some kinds of faults and lacks others, so that none hides behind the rest:
// processes killed, killed in the middle of something, stopped and continued; power failures; disks
// that fail; connections that break; Postgres stopped, crashed, sessions killed, statements
// failing; the chain reorganised, its pool forgotten, nonces taken, its node away; the token
// paused, wallets frozen or not registered, fees that rise above what the venue pays, pools that
// want more, no signer; the wall clock set; threads that lose the processor anywhere.
#ifndef LONJA_SIM_WEATHER_H
#define LONJA_SIM_WEATHER_H

#include <stdint.h>

struct weather_life {
    uint64_t virtual_ns, commands, trades, deaths, power_failures, answers, digest, operations;
    uint64_t transactions, moved, nets, incidents; // on the chain; trades that it has moved
};

// How a life is meant to be.
enum weather_kind {
    WEATHER_STORM,  // seconds, and a fault in every one: what ./check lives through
    WEATHER_BUSY,   // the same for longer, with so many commands that the journal carries digests
    WEATHER_SEASON, // minutes of trading at a slower pace, faults now and then: campaigns of hours
};

// Lives one life, of which this process must be the first: nothing is put back to its beginning or
// given back. Returns if no law was broken.
void weather_live(struct weather_life *out, uint64_t seed, enum weather_kind kind);

#endif
