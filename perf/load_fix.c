// FIX 4.4, as a member's engine that is in a hurry: templates with the changing fields written in
// place. The session starts at 1 with ResetSeqNumFlag and a heartbeat interval of an hour.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/fix/frame.h"
#include "perf/load.h"

enum {
    PRICES = 100, // cents below 100.00
    MESSAGE_BYTES_MAX = 4096,
    TIME_BYTES = 21, // "20261120-12:00:00.123"
};

static void utc_now(char out[TIME_BYTES + 1])
{
    struct timespec now;
    struct tm parts;
    char seconds[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(seconds, sizeof seconds, "%Y%m%d-%H:%M:%S", &parts);
    snprintf(out, TIME_BYTES + 1, "%.17s.%03d", seconds, (int)(now.tv_nsec / 1000000));
}

// Puts header and trailer around a body; returns the message's bytes.
static size_t seal(struct load *load, char *out, const char *type, const char *time_text,
                   const char *body)
{
    char inner[LOAD_MESSAGE_BYTES_MAX];
    int inner_bytes =
        snprintf(inner, sizeof inner, "35=%s\00149=ATLANTIC\00156=LONJA\00134=%u\00152=%s\001%s",
                 type, ++load->messages_sent, time_text, body);
    int bytes =
        snprintf(out, LOAD_MESSAGE_BYTES_MAX, "8=FIX.4.4\0019=%d\001%s", inner_bytes, inner);
    ASSERT(inner_bytes > 0 && bytes > 0 && bytes + 8 < LOAD_MESSAGE_BYTES_MAX);
    unsigned sum = frame_checksum(out, (size_t)bytes);
    return (size_t)(bytes + snprintf(out + bytes, 8, "10=%03u\001", sum));
}

static size_t fix_order(struct load *load, char *out, uint64_t number)
{
    char id[LOAD_IDS_BYTES + 1], now[TIME_BYTES + 1], body[256];
    load_id(id, number);
    utc_now(now);
    snprintf(body, sizeof body,
             "11=%s\00155=PORT\00154=1\00160=%s\00138=0.01\00140=2\00144=99.%02u\00159=0\001", id,
             now, (unsigned)(number / 2 % PRICES));
    return seal(load, out, "D", now, body);
}

static size_t fix_cancel(struct load *load, char *out, uint64_t number, uint64_t order)
{
    char id[LOAD_IDS_BYTES + 1], order_id[LOAD_IDS_BYTES + 1], now[TIME_BYTES + 1], body[256];
    load_id(id, number);
    load_id(order_id, order);
    utc_now(now);
    snprintf(body, sizeof body, "11=%s\00141=%s\00155=PORT\00154=1\00160=%s\001", id, order_id,
             now);
    return seal(load, out, "F", now, body);
}

static bool is_field(const char *message, size_t bytes, uint32_t tag, const char *value)
{
    struct frame_field field;
    return frame_field(message, bytes, tag, &field) && field.bytes == strlen(value) &&
           memcmp(field.value, value, field.bytes) == 0;
}

static struct load_answer fix_answer(struct load *load, const char *in, size_t bytes)
{
    (void)load;
    struct frame frame = frame_find(in, bytes, MESSAGE_BYTES_MAX);
    struct load_answer answer = {0};
    struct frame_field id;
    if (frame.result == FRAME_PARTIAL)
        return answer;
    answer.bytes = frame.bytes;
    answer.refused = frame.result != FRAME_WHOLE;
    if (answer.refused)
        return answer;
    if (frame_field(in, frame.bytes, 11, &id))
        answer.number = load_id_number(id.value, id.bytes);
    bool report = is_field(in, frame.bytes, 35, "8");
    bool done = is_field(in, frame.bytes, 150, "0") || is_field(in, frame.bytes, 150, "4");
    answer.refused = !report || !done;
    return answer;
}

static bool fix_log_on(struct load *load, const char *credential)
{
    char message[LOAD_MESSAGE_BYTES_MAX], now[TIME_BYTES + 1], body[256];
    struct frame frame;
    utc_now(now);
    snprintf(body, sizeof body, "98=0\001108=3600\001141=Y\001553=atlantic\001554=%s\001",
             credential);
    size_t bytes = seal(load, message, "A", now, body);
    if (!load_send_now(load, message, bytes))
        return false;
    do {
        size_t before = load->input_bytes;
        if (!load_receive_some(load) || load->input_bytes == before)
            return false;
        frame = frame_find(load->input, load->input_bytes, MESSAGE_BYTES_MAX);
    } while (frame.result == FRAME_PARTIAL);
    bool welcome = frame.result == FRAME_WHOLE && is_field(load->input, frame.bytes, 35, "A");
    if (!welcome)
        fprintf(stderr, "load: fix: not logged on: %.*s\n", (int)frame.bytes, load->input);
    load_consume(load, frame.bytes);
    return welcome;
}

const struct load_protocol load_fix = {.name = "fix",
                                       .log_on = fix_log_on,
                                       .order = fix_order,
                                       .cancel = fix_cancel,
                                       .answer = fix_answer};
