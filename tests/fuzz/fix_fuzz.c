// FIX from outside: bytes to frames, and well-framed messages with wrong insides to the whole
// gateway before a real engine. Nothing may abort; whatever the gateway says is a whole message; no
// password is printable; after all of it every asset still sums to zero.
#include "tests/fuzz/fuzz.h"

#include "gateway/fix/frame.h"
#include "gateway/fix/resend.h"
#include "gateway/fix/testing.h"

enum { MESSAGE_BYTES_MAX = 4096, FIELDS_MAX = 40 };

// ---- frames -------------------------------------------------------------------------------------

static void check_frame(const char *data, size_t count, size_t limit)
{
    struct frame frame = frame_find(data, count, limit);
    switch (frame.result) {
    case FRAME_PARTIAL:
    case FRAME_TOO_LONG:
        ASSERT(frame.bytes == 0 && count > 0);
        break;
    case FRAME_GARBLED:
        ASSERT(frame.bytes >= 1 && frame.bytes <= count);
        break;
    case FRAME_WHOLE:
        ASSERT(frame.bytes <= count && frame.bytes <= limit);
        ASSERT(data[frame.bytes - 1] == FIX_SOH && memcmp(data, "8=FIX", 5) == 0);
        ASSERT(frame_find(data, frame.bytes - 1, limit).result == FRAME_PARTIAL);
        break;
    }
}

static void check_fields(const char *data, size_t count)
{
    size_t at = 0, before = 0;
    struct frame_field field;
    while (frame_next_field(data, count, &at, &field)) {
        ASSERT(at > before && at <= count && field.value + field.bytes < data + count);
        before = at;
    }
    char text[120];
    frame_printable(text, sizeof text, data, count);
    ASSERT(strlen(text) < sizeof text && strstr(text, "=hunter2") == NULL);
}

static void fuzz_frames(struct fuzz *fuzz)
{
    static const char body[] =
        "35=A\00134=1\00149=ATLANTIC\001553=atlantic\001554=hunter2\00198=0\001";
    char whole[512], data[512];
    size_t bytes = fix_wrap(whole, sizeof whole, body, sizeof body - 1);
    for (uint64_t round = 0; round < fuzz->rounds * 5; round++) {
        // On the heap at its exact size, so that a sanitizer sees a read behind it.
        memcpy(data, whole, bytes);
        size_t count = bytes;
        for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
            count = fuzz_damage(fuzz, (uint8_t *)data, count, sizeof data);
        char *exact = malloc(count + (count == 0));
        ASSERT(exact != NULL);
        memcpy(exact, data, count);
        if (count > 0)
            check_frame(exact, count, fuzz_below(fuzz, 2) == 0 ? 200 : 5000);
        if (memmem(data, count, "554=hunter2", 11) != NULL)
            check_fields(exact, count);
        free(exact);
    }
}

// ---- messages -----------------------------------------------------------------------------------

static const char *const templates[] = {
    // '@' is an id, '#' a digit
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#.#|59=1|2964=1|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|59=1|2964=2|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#|59=1|2964=3|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|59=1|2964=4|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#.#|59=1|2964=4|2362=7|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=5|40=3|99=9#|59=1|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=5|40=3|99=9#|59=0|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=4|99=9#|44=9#|59=1|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=4|99=9#|44=9#|59=1|111=1|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=P|18=a|211=#|836=0|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=P|18=a|211=#|99=9#|59=1|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|59=4|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#|59=3|110=2|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=9|40=2|44=9#|59=1|111=2|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=9|40=2|44=9#|59=1|1138=#|18=6|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|59=6|126=20991120-10:00:00|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|59=6|432=20991231|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=1|59=2|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#|59=2|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#|59=7|",
    "35=G|41=@|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=2|44=9#|",
    "35=G|41=@|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=2|44=9#|111=#|",
    "35=G|41=@|11=@|55=PORT|54=2|60=20261120-10:00:00|38=#|40=3|99=9#|",
    "35=G|41=@|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=4|99=9#|44=9#|5001=Y|",
    "35=G|41=@|11=@|55=PORT|54=1|60=20261120-10:00:00|38=#|40=P|18=a|99=9#|211=#|",
    "35=AF|584=@|585=7|",
    "35=AF|584=@|585=1|55=PORT|54=1|1=101|",
    "35=q|11=@|530=7|54=1|1=102|60=20261120-10:00:00|",
    "35=q|11=@|530=7|1461=1|1462=1|1463=D|1464=1|60=20261120-10:00:00|",
    "35=e|324=@|55=PORT|263=0|",
    "35=e|324=@|55=PORT|263=1|",
    "35=e|324=@|55=PORT|263=2|",
    "35=g|335=@|263=1|",
    "35=D|11=@|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|59=1|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=1|40=2|44=100|",
    "35=D|11=@|55=PORT|54=2|60=20261120-10:00:00|38=2|40=1|59=3|",
    "35=D|97=Y|11=@|1=101|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|5001=Y|5002=Y|5003=1|",
    "35=F|41=@|11=@|55=PORT|54=1|60=20261120-10:00:00|",
    "35=G|41=@|11=@|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|",
    "35=H|11=@|55=PORT|54=1|790=Q|37=20|",
    "35=q|11=@|530=7|60=20261120-10:00:00|",
    "35=q|11=@|530=1|55=PORT|60=20261120-10:00:00|",
    "35=0|112=x|",
    "35=1|112=x|",
    "35=2|7=1|16=0|",
    "35=3|45=1|371=7|372=D|373=5|58=no|",
    "35=4|123=Y|36=7|",
    "35=A|98=0|108=30|",
    "35=5|58=bye|",
};

static const char *const values[] = {
    "",
    "0",
    "-1",
    "1",
    "2",
    "7",
    "Y",
    "N",
    "PORT",
    "1e5",
    "+1",
    "01.50",
    "1.",
    ".5",
    "x",
    "101",
    "102",
    "4294967296",
    "2147483648",
    "100.01",
    "0.00001",
    "\xff\xfe",
    "\xc3\xa4",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551617",
    "99999999999999999999999",
    "20261120-10:00:00",
    "20261399-99:99:99",
    "123456789012345678901234567890123456",
    "1234567890123456789012345678901234567",
    "R1-1-2",
    "NONE",
    "[N/A]",
    "=",
    "8=FIX.4.4",
};

static const char *const tags[] = {
    "1",   "7",    "8",    "9",    "10",   "11",  "15",  "16",          "34",   "35",  "36",
    "37",  "38",   "40",   "41",   "43",   "44",  "49",  "50",          "52",   "54",  "55",
    "56",  "59",   "60",   "90",   "95",   "96",  "97",  "108",         "110",  "115", "122",
    "123", "136",  "137",  "141",  "212",  "213", "354", "355",         "530",  "553", "554",
    "18",  "99",   "111",  "126",  "211",  "263", "324", "432",         "584",  "585", "836",
    "911", "1138", "1461", "1462", "1464", "388", "210", "2362",        "2964", "636", "326",
    "789", "5001", "5003", "5004", "5005", "0",   "011", "99999999999", "",
};

#define PICK(fuzz, list) (list[fuzz_below(fuzz, sizeof list / sizeof list[0])])

struct line { // a message as its fields
    char fields[FIELDS_MAX][64];
    size_t count;
};

static void line_add(struct line *line, size_t at, const char *tag, const char *value)
{
    if (line->count == FIELDS_MAX || at > line->count)
        return;
    memmove(line->fields + at + 1, line->fields + at, (line->count - at) * sizeof line->fields[0]);
    snprintf(line->fields[at], sizeof line->fields[at], "%s=%s", tag, value);
    line->count++;
}

static unsigned ids_used;

// Mostly a new one for what is new, else one of the last: orders are meant again, and clash.
static unsigned pick_id(struct fuzz *fuzz, bool is_new)
{
    if (is_new && fuzz_below(fuzz, 4) != 0)
        return ++ids_used;
    unsigned back = (unsigned)fuzz_below(fuzz, 40);
    return ids_used > back ? ids_used - back : 0;
}

static void line_read(struct line *line, struct fuzz *fuzz, const char *text)
{
    line->count = 0;
    for (const char *at = text; *at != 0; at += strcspn(at, "|") + 1) {
        char *field = line->fields[line->count++];
        snprintf(field, sizeof line->fields[0], "%.*s", (int)strcspn(at, "|"), at);
        char *id = strchr(field, '@');
        if (id != NULL)
            snprintf(id, 12, "%u", pick_id(fuzz, strncmp(field, "11=", 3) == 0));
        for (char *digit = field; (digit = strchr(digit, '#')) != NULL;)
            *digit = (char)('0' + fuzz_below(fuzz, 10));
    }
}

// The standard header behind MsgType.
static void line_head(struct line *line, const struct peer *peer, uint32_t number)
{
    char now[FIX_TIME_BYTES], digits[16];
    fix_time(now, clock_wall_ns(&clock_system));
    snprintf(digits, sizeof digits, "%u", number);
    line_add(line, 1, "56", "LONJA");
    line_add(line, 1, "52", now);
    line_add(line, 1, "49", peer->comp_id);
    line_add(line, 1, "34", digits);
}

static void line_spoil(struct line *line, struct fuzz *fuzz)
{
    size_t at = fuzz_below(fuzz, line->count), other = fuzz_below(fuzz, line->count);
    char *field = line->fields[at], copy[64];
    switch (fuzz_below(fuzz, 6)) {
    case 0:
        line_add(line, at, PICK(fuzz, tags), PICK(fuzz, values));
        break;
    case 1: // repeated
        memcpy(copy, field, sizeof copy);
        line_add(line, other, copy, "");
        break;
    case 2: // swapped
        memcpy(copy, field, sizeof copy);
        memcpy(field, line->fields[other], sizeof copy);
        memcpy(line->fields[other], copy, sizeof copy);
        break;
    case 3:
        memmove(field, line->fields[at + 1], (line->count - at - 1) * sizeof line->fields[0]);
        line->count -= line->count > 1;
        break;
    default: {
        size_t head = strcspn(field, "=") + 1;
        if (head < 20)
            snprintf(field + head, sizeof line->fields[0] - head, "%s", PICK(fuzz, values));
    }
    }
}

static void line_feed(const struct line *line, struct peer *peer, struct fuzz *fuzz)
{
    char body[MESSAGE_BYTES_MAX], message[MESSAGE_BYTES_MAX + 64];
    size_t bytes = 0;
    for (size_t i = 0; i < line->count; i++) {
        size_t length = strlen(line->fields[i]);
        memcpy(body + bytes, line->fields[i], length);
        bytes += length;
        body[bytes++] = FIX_SOH;
    }
    if (bytes > 0 && fuzz_below(fuzz, 50) == 0)
        body[fuzz_below(fuzz, bytes - 1)] = (char)fuzz_draw(fuzz);
    session_feed(peer->session, message, fix_wrap(message, sizeof message, body, bytes));
}

static void forget_heard(struct peer *peer)
{
    for (size_t i = 0; i < peer->heard_count; i++)
        free(peer->heard[i]);
    peer->heard_count = 0;
    peer->read = 0;
}

// What the gateway expects; after its restart what the core has made durable.
static uint32_t expected(const struct peer *peer)
{
    const struct session *session = peer->venue->desk.sessions[peer->session_id];
    if (session != NULL && session->numbers_known)
        return session->next_in;
    return view_session_last_seq(peer->venue->view, peer->session_id) + 1;
}

static void stay_connected(struct peer *peer, struct fuzz *fuzz)
{
    if (peer->session != NULL && session_logged_on(peer->session))
        return;
    if (peer->session != NULL)
        peer_disconnect(peer);
    bool resets = fuzz_below(fuzz, 100) == 0;
    uint32_t next = expected(peer);
    resets = resets || next > INT32_MAX - 20000; // where a SequenceReset may have brought it
    peer->next_out = resets ? 1 : next;
    peer_connect(peer, resets ? "141=Y|" : "");
    if (peer->session == NULL || !session_logged_on(peer->session))
        for (size_t i = 0; i < peer->heard_count; i++)
            fprintf(stderr, "heard %s\n", peer->heard[i]);
    ASSERT(peer->session != NULL && session_logged_on(peer->session));
}

static void fuzz_one(struct venue *venue, struct peer *peer, struct fuzz *fuzz)
{
    struct line line;
    stay_connected(peer, fuzz);
    uint32_t number = peer->session->next_in;
    line_read(&line, fuzz, PICK(fuzz, templates));
    line_head(&line, peer,
              number + (fuzz_below(fuzz, 40) == 0 ? (uint32_t)fuzz_below(fuzz, 5) : 0));
    for (size_t i = fuzz_below(fuzz, 4); i > 0 && line.count > 1; i--)
        line_spoil(&line, fuzz);
    line_feed(&line, peer, fuzz);
    if (fuzz_below(fuzz, 3) != 0)
        venue_run(venue);
    if (peer->session != NULL)
        session_resend_some(peer->session, 4000, clock_wall_ns(&clock_system));
    for (size_t i = 0; i < PEERS; i++)
        forget_heard(&venue->peers[i]);
}

static void fuzz_messages(struct fuzz *fuzz)
{
    struct venue *venue = aligned_alloc(64, (sizeof *venue + 63) / 64 * 64);
    ASSERT(venue != NULL);
    venue_open(venue);
    ids_used = 0;
    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        fuzz_one(venue, &venue->peers[fuzz_below(fuzz, PEERS)], fuzz);
        if (fuzz_below(fuzz, 100) == 0) // mostly continuous trading
            venue_set_phase(venue, fuzz_below(fuzz, 4) != 0
                                       ? PHASE_CONTINUOUS
                                       : (uint8_t)(1 + fuzz_below(fuzz, PHASE_CLOSING_AUCTION)));
        if (fuzz_below(fuzz, 100) == 0)
            venue_advance(venue, 1000000000);
        if (fuzz_below(fuzz, 2000) == 0)
            venue_restart_core(venue);
        if (fuzz_below(fuzz, 2000) == 0)
            venue_restart_gateway(venue, fuzz_below(fuzz, 2) == 0);
        if (round % 100 == 0)
            engine_check(venue->engine);
    }
    venue_close(venue);
    free(venue);
}

int main(int argc, char **argv)
{
    struct fuzz fuzz;
    fuzz_begin(&fuzz, "fix_fuzz", argc, argv);
    fuzz_frames(&fuzz);
    fuzz_messages(&fuzz);
    printf("fix_fuzz: nothing broke\n");
    return 0;
}
