// WebSocket, by hand: one text frame per request, masked with a key of zeroes as the standard
// allows. The request's number is its id and, as text, its client order id.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "perf/load.h"

enum {
    PRICES = 100, // cents below 100.00
    MASKED = 0x80,
    FINAL_TEXT = 0x81,
    OPCODE_TEXT = 1,
    OPCODE_CLOSE = 8,
    MASK_BYTES = 4,
};

static size_t frame_text(char *out, const char *text)
{
    size_t bytes = strlen(text);
    size_t at = 0;
    out[at++] = (char)FINAL_TEXT;
    if (bytes < 126) {
        out[at++] = (char)(MASKED | bytes);
    } else {
        out[at++] = (char)(MASKED | 126);
        out[at++] = (char)(bytes >> 8);
        out[at++] = (char)(bytes & 255);
    }
    memset(out + at, 0, MASK_BYTES);
    at += MASK_BYTES;
    ASSERT(at + bytes <= LOAD_MESSAGE_BYTES_MAX);
    memcpy(out + at, text, bytes);
    return at + bytes;
}

static size_t ws_order(struct load *load, char *out, uint64_t number)
{
    (void)load;
    char id[LOAD_IDS_BYTES + 1], text[LOAD_MESSAGE_BYTES_MAX];
    load_id(id, number);
    snprintf(
        text, sizeof text,
        "{\"op\":\"place\",\"id\":%llu,\"symbol\":\"PORT\",\"side\":\"buy\",\"price\":\"99.%02u\","
        "\"quantity\":\"0.01\",\"client_order_id\":\"%s\"}",
        (unsigned long long)number, (unsigned)(number / 2 % PRICES), id);
    return frame_text(out, text);
}

static size_t ws_cancel(struct load *load, char *out, uint64_t number, uint64_t order)
{
    (void)load;
    char id[LOAD_IDS_BYTES + 1], text[LOAD_MESSAGE_BYTES_MAX];
    load_id(id, order);
    snprintf(text, sizeof text, "{\"op\":\"cancel\",\"id\":%llu,\"client_order_id\":\"%s\"}",
             (unsigned long long)number, id);
    return frame_text(out, text);
}

struct frame {
    unsigned opcode;
    const char *text;
    size_t text_bytes;
    size_t bytes; // of the whole frame; 0 = not all of it is there
};

static struct frame frame_find_ws(const char *in, size_t bytes)
{
    const unsigned char *data = (const unsigned char *)in;
    size_t head = 2;
    if (bytes < head)
        return (struct frame){0};
    size_t length = data[1] & 127;
    size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    head += extra;
    if (bytes < head)
        return (struct frame){0};
    if (extra > 0)
        length = 0;
    for (size_t i = 0; i < extra; i++)
        length = length << 8 | data[2 + i];
    if (bytes - head < length)
        return (struct frame){0};
    return (struct frame){data[0] & 15u, in + head, length, head + length};
}

static bool contains(const struct frame *frame, const char *text)
{
    return memmem(frame->text, frame->text_bytes, text, strlen(text)) != NULL;
}

static struct load_answer ws_answer(struct load *load, const char *in, size_t bytes)
{
    (void)load;
    struct frame frame = frame_find_ws(in, bytes);
    struct load_answer answer = {.bytes = frame.bytes};
    if (frame.bytes == 0)
        return answer;
    answer.refused = frame.opcode == OPCODE_CLOSE || contains(&frame, "\"type\":\"error\"");
    const char *id = memmem(frame.text, frame.text_bytes, "\"id\":", 5);
    if (frame.opcode == OPCODE_TEXT && id != NULL)
        answer.number = strtoull(id + 5, NULL, 10); // ends at the comma behind it
    return answer;
}

// Waits for a text message that contains the words.
static bool ws_expect(struct load *load, const char *words)
{
    for (;;) {
        struct frame frame = frame_find_ws(load->input, load->input_bytes);
        if (frame.bytes > 0) {
            bool found = contains(&frame, words);
            bool refused = frame.opcode == OPCODE_CLOSE || contains(&frame, "\"type\":\"error\"");
            if (refused)
                fprintf(stderr, "load: ws: %.*s\n", (int)frame.text_bytes, frame.text);
            load_consume(load, frame.bytes);
            if (found || refused)
                return found;
            continue;
        }
        size_t before = load->input_bytes;
        if (!load_receive_some(load) || load->input_bytes == before)
            return false;
    }
}

static bool ws_upgrade(struct load *load)
{
    static const char request[] =
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: bG9uamEgbG9uamEgbG9uag==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n";
    if (!load_send_now(load, request, sizeof request - 1))
        return false;
    const char *end;
    while ((end = memmem(load->input, load->input_bytes, "\r\n\r\n", 4)) == NULL) {
        size_t before = load->input_bytes;
        if (!load_receive_some(load) || load->input_bytes == before)
            return false;
    }
    bool upgraded = memmem(load->input, (size_t)(end - load->input), " 101 ", 5) != NULL;
    load_consume(load, (size_t)(end - load->input) + 4);
    return upgraded;
}

// No token: an echo server, which knows no log-on.
static bool ws_log_on(struct load *load, const char *credential)
{
    char message[LOAD_MESSAGE_BYTES_MAX], text[LOAD_MESSAGE_BYTES_MAX - 32];
    if (!ws_upgrade(load))
        return false;
    if (credential == NULL)
        return true;
    snprintf(text, sizeof text, "{\"op\":\"login\",\"id\":0,\"token\":\"%s\"}", credential);
    size_t bytes = frame_text(message, text);
    return load_send_now(load, message, bytes) && ws_expect(load, "\"type\":\"balances\"");
}

const struct load_protocol load_ws = {
    .name = "ws", .log_on = ws_log_on, .order = ws_order, .cancel = ws_cancel, .answer = ws_answer};
