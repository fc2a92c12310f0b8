#include "gateway/fix/resend.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/fix/frame.h"

size_t fix_wrap(char *out, size_t size, const char *body, size_t body_bytes)
{
    int head = snprintf(out, size, "8=FIX.4.4\0019=%zu\001", body_bytes);
    ASSERT(head > 0 && (size_t)head + body_bytes + 8 <= size);
    memcpy(out + head, body, body_bytes);
    size_t length = (size_t)head + body_bytes;
    unsigned sum = frame_checksum(out, length);
    return length + (size_t)snprintf(out + length, size - length, "10=%03u\001", sum);
}

void resend_begin(struct resend *resend, uint32_t first, uint32_t last, uint32_t next_out)
{
    last = last == 0 || last >= next_out ? next_out - 1 : last;
    bool under_way = resend->next != 0 && resend->next <= resend->last;
    if (first > last)
        return;
    resend->next = under_way && resend->next < first ? resend->next : first;
    resend->last = under_way && resend->last > last ? resend->last : last;
}

static size_t gap_fill(uint32_t from, uint32_t to, const struct resend_route *route,
                       uint64_t wall_ns, char *out)
{
    char body[512], now[FIX_TIME_BYTES];
    fix_time(now, wall_ns);
    int bytes = snprintf(body, sizeof body,
                         "35=4\00134=%" PRIu32 "\00143=Y\00149=%s\00152=%s\00156=%s\001122=%s\001"
                         "123=Y\00136=%" PRIu32 "\001",
                         from, route->our_comp_id, now, route->peer_comp_id, now, to);
    ASSERT(bytes > 0 && (size_t)bytes < sizeof body);
    return fix_wrap(out, RESEND_MESSAGE_BYTES_MAX, body, (size_t)bytes);
}

struct body {
    char text[STORE_MESSAGE_BYTES_MAX + 64];
    size_t bytes;
};

static void body_add(struct body *body, uint32_t tag, const char *value, size_t bytes)
{
    size_t room = sizeof body->text - body->bytes;
    int head = snprintf(body->text + body->bytes, room, "%" PRIu32 "=", tag);
    ASSERT(head > 0 && (size_t)head + bytes + 1 < room);
    memcpy(body->text + body->bytes + head, value, bytes);
    body->bytes += (size_t)head + bytes;
    body->text[body->bytes++] = FIX_SOH;
}

// The same message with PossDupFlag behind its number, and now as its sending time.
static size_t again(const char *text, size_t bytes, uint64_t wall_ns, char *out)
{
    struct body body = {.bytes = 0};
    struct frame_field field;
    char now[FIX_TIME_BYTES];
    fix_time(now, wall_ns);
    size_t at = 0;
    while (frame_next_field(text, bytes, &at, &field)) {
        if (field.tag == 8 || field.tag == 9 || field.tag == 10)
            continue;
        if (field.tag == 52)
            body_add(&body, 52, now, FIX_TIME_BYTES - 1);
        body_add(&body, field.tag == 52 ? 122 : field.tag, field.value, field.bytes);
        if (field.tag == 34)
            body_add(&body, 43, "Y", 1);
    }
    return fix_wrap(out, RESEND_MESSAGE_BYTES_MAX, body.text, body.bytes);
}

size_t resend_next(struct resend *resend, struct store *store, const struct resend_route *route,
                   uint64_t wall_ns, char out[RESEND_MESSAGE_BYTES_MAX])
{
    if (resend->next == 0 || resend->next > resend->last)
        return 0;
    char text[STORE_MESSAGE_BYTES_MAX];
    size_t bytes = 0;
    uint32_t from = resend->next;
    uint32_t number = store_read(store, from, text, &bytes);
    if (number == from && bytes > 0) {
        resend->next++;
        return again(text, bytes, wall_ns, out);
    }
    // A hole, or a rotten message that cannot be told again, up to the next one or the end.
    if (number == from)
        number++;
    uint32_t to = number == 0 || number > resend->last ? resend->last + 1 : number;
    resend->next = to;
    return gap_fill(from, to, route, wall_ns, out);
}
