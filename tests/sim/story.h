// Story: what happened, line by line, in virtual time. Every line goes into a digest whether it is
// printed or not, so that two runs of a seed can be compared by one number; and the last lines are
// kept, so that a failure can be told without running again.
#ifndef LONJA_SIM_STORY_H
#define LONJA_SIM_STORY_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

// Begins the story of a seed; `aloud` prints every line to standard output.
void story_begin(uint64_t seed, bool aloud);
void story_tell(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
void story_tell_list(const char *who, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
uint64_t story_digest(void);
uint64_t story_lines(void);

// A law of the venue is broken: tells what, ends this process with status SIM_EXIT_BROKEN.
enum { SIM_EXIT_BROKEN = 1 };
__attribute__((noreturn, format(printf, 1, 2))) void story_fail(const char *format, ...);
// What story_fail said, for the driver: shared with the process that started this one.
enum { STORY_REASON_BYTES = 240 };
void story_share_reason(char reason[STORY_REASON_BYTES]);

// `condition` or the story ends here.
#define LAW(condition, ...)                                                                        \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            story_fail(__VA_ARGS__);                                                               \
    } while (0)

#endif
