#include "tests/sim/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "tests/sim/scheduler.h"

enum { LINE_BYTES = 400 };

static struct {
    uint64_t seed, lines;
    uint32_t digest[2]; // of all lines, and of all lengths: CRC32C alone is 32 bits
    bool aloud;
    char *reason;
} story;

void story_begin(uint64_t seed, bool aloud)
{
    story.seed = seed;
    story.lines = 0;
    story.digest[0] = story.digest[1] = 0;
    story.aloud = aloud;
}

void story_share_reason(char reason[STORY_REASON_BYTES])
{
    story.reason = reason;
}

uint64_t story_digest(void)
{
    return (uint64_t)story.digest[0] << 32 | story.digest[1];
}

uint64_t story_lines(void)
{
    return story.lines;
}

void story_tell_list(const char *who, const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    int n = vsnprintf(line, sizeof line, format, arguments);
    size_t bytes = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    uint64_t now_ns = scheduler_now_ns();
    story.digest[0] = crc32c(story.digest[0], line, bytes);
    story.digest[1] = crc32c(story.digest[1] ^ (uint32_t)bytes, &now_ns, sizeof now_ns);
    story.lines++;
    if (story.aloud)
        printf("%12.6f s  %-8s %s\n", (double)(now_ns - SCHEDULER_BEGIN_NS) / 1e9, who, line);
}

void story_tell(const char *who, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    story_tell_list(who, format, arguments);
    va_end(arguments);
}

void story_fail(const char *format, ...)
{
    char text[STORY_REASON_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (story.reason != NULL)
        memcpy(story.reason, text, sizeof text);
    if (story.aloud)
        printf("%12.6f s  BROKEN   %s\n", (double)(scheduler_now_ns() - SCHEDULER_BEGIN_NS) / 1e9,
               text);
    fflush(stdout);
    _Exit(SIM_EXIT_BROKEN);
}
