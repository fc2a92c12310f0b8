#include "core/counters.h"

#include "base/assert.h"

struct core_counter_text {
    const char *name, *meaning;
};

static const struct core_counter_text core_counter_texts[] = {
#define CORE_COUNTER_TEXT(name, meaning) {#name, meaning},
    CORE_COUNTERS(CORE_COUNTER_TEXT)
#undef CORE_COUNTER_TEXT
};
_Static_assert(sizeof core_counter_texts / sizeof core_counter_texts[0] == COUNTER_COUNT,
               "every counter has its words");

const char *core_counter_name(enum core_counter counter)
{
    ASSERT(counter < COUNTER_COUNT);
    return core_counter_texts[counter].name;
}

const char *core_counter_meaning(enum core_counter counter)
{
    ASSERT(counter < COUNTER_COUNT);
    return core_counter_texts[counter].meaning;
}
