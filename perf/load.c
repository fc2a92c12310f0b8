#include "perf/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CANCEL_LAG_PER_S = 20, // a cancel follows its order by one part in this of a second
    ANSWERS_WAIT_MS = 10000,
    START_AFTER_MS = 20,
};

volatile sig_atomic_t load_interrupted;
static uint64_t last_number; // over all loads: client ids are used once a day

// ---- ids

void load_id(char out[LOAD_IDS_BYTES + 1], uint64_t number)
{
    out[0] = 'B';
    for (int i = LOAD_IDS_BYTES - 1; i > 0; i--, number /= 10)
        out[i] = (char)('0' + number % 10);
    out[LOAD_IDS_BYTES] = 0;
}

uint64_t load_id_number(const char *text, size_t bytes)
{
    uint64_t number = 0;
    if (bytes != LOAD_IDS_BYTES || text[0] != 'B')
        return 0;
    for (size_t i = 1; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    return number;
}

// ---- the connection

static bool failed(const struct load *load, const char *what)
{
    fprintf(stderr, "load: %s: %s: %s\n", load->protocol->name, what, strerror(errno));
    return false;
}

bool load_send_now(struct load *load, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(load->fd, data, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return failed(load, "sending");
        data += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

bool load_receive_some(struct load *load)
{
    if (load->input_bytes == LOAD_BUFFER_BYTES)
        return failed(load, "a message that does not end");
    ssize_t got =
        recv(load->fd, load->input + load->input_bytes, LOAD_BUFFER_BYTES - load->input_bytes, 0);
    if (got == 0)
        errno = ECONNRESET;
    if (got <= 0)
        return (errno == EAGAIN && got < 0) || failed(load, "receiving");
    load->input_bytes += (size_t)got;
    return true;
}

void load_consume(struct load *load, size_t bytes)
{
    ASSERT(bytes <= load->input_bytes);
    load->input_bytes -= bytes;
    memmove(load->input, load->input + bytes, load->input_bytes);
}

static bool set_blocking(struct load *load, bool blocking)
{
    // A lost answer must not hang the log-on.
    struct timeval wait = {.tv_sec = blocking ? ANSWERS_WAIT_MS / 1000 : 0,
                           .tv_usec = blocking ? 0 : 1};
    return setsockopt(load->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 ||
           failed(load, "setting a timeout");
}

static bool connect_to(struct load *load, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    load->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (load->fd < 0 || load->epoll_fd < 0 ||
        connect(load->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return failed(load, "connecting");
    return (setsockopt(load->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
            epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, load->fd, &event) == 0) ||
           failed(load, "setting up the socket");
}

bool load_open(struct load *load, const struct load_protocol *protocol, uint16_t port,
               const char *credential)
{
    *load = (struct load){.protocol = protocol};
    load->output = malloc(LOAD_BUFFER_BYTES);
    load->input = malloc(LOAD_BUFFER_BYTES);
    ASSERT(load->output != NULL && load->input != NULL);
    prctl(PR_SET_TIMERSLACK, 1ul); // else the kernel rounds every sleep up by 50 us
    return connect_to(load, port) && set_blocking(load, true) && protocol->log_on(load, credential);
}

void load_close(struct load *load)
{
    if (load->fd >= 0)
        close(load->fd);
    if (load->epoll_fd >= 0)
        close(load->epoll_fd);
    free(load->output);
    free(load->input);
    *load = (struct load){.fd = -1, .epoll_fd = -1};
}

// ---- a run

struct run {
    struct load *load;
    struct samples *samples;
    uint64_t first;    // number of the first request; orders are first, first + 2, …
    uint64_t requests; // in all
    uint64_t sent, answered;
    uint64_t lag; // orders between an order and its cancel
    uint64_t start_ns;
    double period_ns; // between requests
    uint64_t answer_ns;
};

static uint64_t intended_ns(const struct run *run, uint64_t request)
{
    return run->start_ns + (uint64_t)((double)request * run->period_ns);
}

// Request i is order i / 2 or, if odd, cancels the order `lag` orders before; the last ones only
// cancel.
static void add_request(struct run *run, uint64_t orders)
{
    struct load *load = run->load;
    uint64_t i = run->sent++;
    char *out = load->output + load->output_bytes;
    uint64_t number = run->first + i;
    ASSERT(load->output_bytes + LOAD_MESSAGE_BYTES_MAX <= LOAD_BUFFER_BYTES);
    bool order = i < 2 * orders ? i % 2 == 0 || i / 2 < run->lag : false;
    uint64_t cancelled = i < 2 * orders ? i / 2 - run->lag : orders - run->lag + (i - 2 * orders);
    if (order && i % 2 == 0)
        load->output_bytes += load->protocol->order(load, out, number);
    else if (!order)
        load->output_bytes += load->protocol->cancel(load, out, number, run->first + 2 * cancelled);
    else
        run->answered++; // there is nothing to cancel yet
}

static bool flush(struct load *load)
{
    if (load->output_bytes == 0)
        return true;
    ssize_t sent = send(load->fd, load->output, load->output_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EAGAIN || failed(load, "sending");
    load->output_bytes -= (size_t)sent;
    memmove(load->output, load->output + sent, load->output_bytes);
    return true;
}

static void take_answer(struct run *run, const struct load_answer *answer, uint64_t orders)
{
    run->load->refused += answer->refused;
    if (answer->number < run->first || answer->number >= run->first + run->requests)
        return;
    uint64_t request = answer->number - run->first;
    run->answered++;
    if (request % 2 == 0 && request < 2 * orders)
        samples_add(run->samples, run->answer_ns - intended_ns(run, request));
}

static bool take_answers(struct run *run, uint64_t orders)
{
    struct load *load = run->load;
    size_t at = 0;
    if (!load_receive_some(load))
        return false;
    run->answer_ns = measure_now_ns();
    for (;;) {
        struct load_answer answer =
            load->protocol->answer(load, load->input + at, load->input_bytes - at);
        if (answer.bytes == 0)
            break;
        if (answer.refused && load->refused == 0)
            snprintf(load->refusal, sizeof load->refusal, "%.*s", (int)answer.bytes,
                     load->input + at);
        at += answer.bytes;
        take_answer(run, &answer, orders);
    }
    load_consume(load, at);
    return true;
}

// Waits for bytes until the next request is due; sets *ready if there are some.
static bool wait_for(struct run *run, bool *ready)
{
    struct epoll_event event;
    uint64_t now_ns = measure_now_ns();
    uint64_t until_ns = run->sent < run->requests
                            ? intended_ns(run, run->sent)
                            : intended_ns(run, run->requests) + ANSWERS_WAIT_MS * 1000000ull;
    uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    if (run->load->output_bytes > 0 && left_ns > 1000000)
        left_ns = 1000000; // the socket was full: try again soon
    struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000u),
                            .tv_nsec = (long)(left_ns % 1000000000u)};
    int count = epoll_pwait2(run->load->epoll_fd, &event, 1, &left, NULL);
    *ready = count > 0;
    return count >= 0 || errno == EINTR || failed(run->load, "waiting");
}

static bool is_late(const struct run *run)
{
    return run->sent == run->requests &&
           measure_now_ns() > intended_ns(run, run->requests) + ANSWERS_WAIT_MS * 1000000ull;
}

static bool run_requests(struct run *run, uint64_t orders)
{
    while (run->answered < run->requests) {
        bool ready = false;
        if (load_interrupted)
            return false;
        if (!wait_for(run, &ready) || (ready && !take_answers(run, orders)))
            return false;
        uint64_t now_ns = measure_now_ns();
        while (run->sent < run->requests && intended_ns(run, run->sent) <= now_ns &&
               run->load->output_bytes + LOAD_MESSAGE_BYTES_MAX <= LOAD_BUFFER_BYTES)
            add_request(run, orders);
        if (!flush(run->load))
            return false;
        if (is_late(run)) {
            fprintf(stderr,
                    "load: %s: %llu of %llu requests answered, %llu refused, %zu bytes not sent\n",
                    run->load->protocol->name, (unsigned long long)run->answered,
                    (unsigned long long)run->requests, (unsigned long long)run->load->refused,
                    run->load->output_bytes);
            return false;
        }
    }
    return true;
}

bool load_run(struct load *load, uint32_t orders_per_s, double seconds, struct samples *samples)
{
    uint64_t orders = (uint64_t)ceil(orders_per_s * seconds);
    uint64_t lag = orders_per_s / CANCEL_LAG_PER_S;
    lag = lag < 1 ? 1 : lag > orders ? orders : lag;
    struct run run = {.load = load,
                      .samples = samples,
                      .first = last_number + 1,
                      .requests = 2 * orders + lag,
                      .lag = lag,
                      .start_ns = measure_now_ns() + START_AFTER_MS * 1000000u,
                      .period_ns = 1e9 / (2.0 * orders_per_s)};
    last_number += run.requests;
    if (!set_blocking(load, false) || !run_requests(&run, orders))
        return false;
    if (load->refused > 0)
        fprintf(stderr, "load: %s: %llu requests were refused, the first by: %.300s\n",
                load->protocol->name, (unsigned long long)load->refused, load->refusal);
    return load->refused == 0;
}
