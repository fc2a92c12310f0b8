#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/fix/frame.h"

static size_t make(char *out, const char *body)
{
    int head = sprintf(out, "8=FIX.4.4\0019=%zu\001%s", strlen(body), body);
    return (size_t)head +
           (size_t)sprintf(out + head, "10=%03u\001", frame_checksum(out, (size_t)head));
}

static void a_message_is_whole_only_with_its_last_byte(void **state)
{
    (void)state;
    char message[256];
    size_t count = make(message, "35=0\00134=2\00149=A\00156=B\001");
    for (size_t i = 0; i < count; i++)
        assert_int_equal(frame_find(message, i, 1000).result, FRAME_PARTIAL);
    struct frame frame = frame_find(message, count, 1000);
    assert_int_equal(frame.result, FRAME_WHOLE);
    assert_int_equal(frame.bytes, count);
}

static void a_wrong_checksum_is_skipped_up_to_the_next_message(void **state)
{
    (void)state;
    char data[512];
    size_t count = make(data, "35=0\00134=2\001");
    data[count - 2] = data[count - 2] == '9' ? '0' : (char)(data[count - 2] + 1);
    make(data + count, "35=0\00134=3\001");
    struct frame frame = frame_find(data, strlen(data), 1000);
    assert_int_equal(frame.result, FRAME_GARBLED);
    assert_int_equal(frame.bytes, count);
}

static void garbage_is_skipped_whole_but_keeps_a_possible_beginning(void **state)
{
    (void)state;
    struct frame frame = frame_find("GET / HTTP/1.1\r\n\r\n", 18, 1000);
    assert_int_equal(frame.result, FRAME_GARBLED);
    assert_int_equal(frame.bytes, 18);
    frame = frame_find("xyz8=FI", 7, 1000);
    assert_int_equal(frame.bytes, 3);
    assert_int_equal(frame_find("8=FIX.4.4\0019=x\001", 15, 1000).result, FRAME_GARBLED);
    assert_int_equal(frame_find("8=FIX.4.4\0019=\001", 13, 1000).result, FRAME_GARBLED);
    assert_int_equal(frame_find("8=FIX.4.4\0019=123456789\001", 22, 1000).result, FRAME_GARBLED);
    assert_int_equal(frame_find("8=FIXFIXFIXFIXFIXFIX", 20, 1000).result, FRAME_GARBLED);
}

static void a_message_over_the_limit_is_known_by_its_length_field(void **state)
{
    (void)state;
    assert_int_equal(frame_find("8=FIX.4.4\0019=1000\001", 17, 1000).result, FRAME_TOO_LONG);
    assert_int_equal(frame_find("8=FIX.4.4\0019=900\001", 16, 1000).result, FRAME_PARTIAL);
}

static void secrets_do_not_reach_the_log(void **state)
{
    (void)state;
    char out[128];
    const char logon[] = "35=A\001553=atlantic\001554=hunter2\00198=0\001";
    frame_printable(out, sizeof out, logon, sizeof logon - 1);
    assert_string_equal(out, "35=A|553=***|554=***|98=0|");
    frame_printable(out, sizeof out, "\001554=cut off", 12);
    assert_string_equal(out, "|554=***");
    frame_printable(out, sizeof out, "0554=hunter2\00110=1\001", 18);
    assert_string_equal(out, "0554=***|10=1|");
}

static size_t messages_of(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    static char data[4 << 20];
    size_t count = fread(data, 1, sizeof data, file), at = 0, messages = 0;
    fclose(file);
    while (at < count) {
        struct frame frame = frame_find(data + at, count - at, 1 << 16);
        if (frame.result == FRAME_GARBLED) { // line ends between messages
            at += frame.bytes;
            continue;
        }
        assert_int_equal(frame.result, FRAME_WHOLE);
        size_t field_at = 0, fields = 0;
        struct frame_field field = {0};
        while (frame_next_field(data + at, frame.bytes, &field_at, &field))
            fields++;
        assert_true(fields >= 4);
        assert_int_equal(field.tag, 10);
        at += frame.bytes;
        messages++;
    }
    return messages;
}

static void every_recorded_message_is_found(void **state)
{
    (void)state;
    size_t messages = messages_of("../shared/data/fix-logs/hffix_fix.4.1.set.1");
    if (messages == 0) {
        print_message("skipped: ../shared/data/fix-logs is not there\n");
        skip();
    }
    messages += messages_of("../shared/data/fix-logs/hffix_fix.5.0.set.1");
    messages += messages_of("../shared/data/fix-logs/hffix_fix.5.0.set.2");
    assert_int_equal(messages, 13969);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_whole_only_with_its_last_byte),
        cmocka_unit_test(a_wrong_checksum_is_skipped_up_to_the_next_message),
        cmocka_unit_test(garbage_is_skipped_whole_but_keeps_a_possible_beginning),
        cmocka_unit_test(a_message_over_the_limit_is_known_by_its_length_field),
        cmocka_unit_test(secrets_do_not_reach_the_log),
        cmocka_unit_test(every_recorded_message_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
