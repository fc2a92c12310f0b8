// Load: an open-loop client of the venue over one connection. Orders have a time at which they are
// to be sent, and an answer's latency counts from that time, whether the client was late, the
// socket full or the venue slow: nothing is omitted because something else was slow (no coordinated
// omission).
//
// Requests are numbered through all runs of a process, and their client order id is that number.
// Every second request is an order (sampled), the others cancel the order of a twentieth of a
// second before, so that the book stays small.
//
// Threads: one per load, which sleeps until the next time or the next byte. Failure: functions
// print what failed and return false.
#ifndef LONJA_PERF_LOAD_H
#define LONJA_PERF_LOAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "perf/measure.h"

enum {
    LOAD_BUFFER_BYTES = 1 << 22,
    LOAD_MESSAGE_BYTES_MAX = 512, // of a request
    LOAD_IDS_BYTES = 13,          // "B000000000042"
};

struct load_answer {
    size_t bytes;    // of the message; 0 = not all of it is there
    uint64_t number; // of the request it answers; 0 = of none
    bool refused;
};

struct load;

struct load_protocol {
    const char *name;
    // Logs on over the connected socket; blocking. `credential` is the password or the token.
    bool (*log_on)(struct load *load, const char *credential);
    // Each writes one request and returns its bytes (at most LOAD_MESSAGE_BYTES_MAX).
    size_t (*order)(struct load *load, char *out, uint64_t number);
    size_t (*cancel)(struct load *load, char *out, uint64_t number, uint64_t order);
    // The first message of what has come in.
    struct load_answer (*answer)(struct load *load, const char *in, size_t bytes);
};
extern const struct load_protocol load_fix; // load_fix.c
extern const struct load_protocol load_ws;  // load_ws.c

struct load {
    const struct load_protocol *protocol;
    int fd, epoll_fd;
    char *output; // LOAD_BUFFER_BYTES
    size_t output_bytes;
    char *input; // LOAD_BUFFER_BYTES
    size_t input_bytes;
    uint32_t messages_sent; // FIX: MsgSeqNum
    uint64_t refused;       // answers that were refusals: a run with any has failed
    char refusal[512];      // the first of them
};

// Set by a signal handler: runs end early and fail.
extern volatile sig_atomic_t load_interrupted;

// Connects to 127.0.0.1:port and logs on.
CHECKED bool load_open(struct load *load, const struct load_protocol *protocol, uint16_t port,
                       const char *credential);
void load_close(struct load *load);
// Sends for that long at a rate of orders per second, waits for every answer, and cancels what is
// left.
CHECKED bool load_run(struct load *load, uint32_t orders_per_s, double seconds,
                      struct samples *samples);

// For protocols: sends all, or receives at least one byte more; blocking.
CHECKED bool load_send_now(struct load *load, const char *data, size_t bytes);
CHECKED bool load_receive_some(struct load *load);
void load_consume(struct load *load, size_t bytes);
// The client order id of a request, and back (0 if it is none).
void load_id(char out[LOAD_IDS_BYTES + 1], uint64_t number);
uint64_t load_id_number(const char *text, size_t bytes);

#endif
