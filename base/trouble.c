#include "base/trouble.h"

#include <stddef.h>
#include <string.h>

struct word {
    const char *name, *words;
};

static const struct word table[] = {{NULL, NULL},
#define T(name, word, words) {word, words},
                                    TROUBLE_WORDS(T)
#undef T
};
enum { COUNT = sizeof table / sizeof table[0] };

const char *trouble_name(uint32_t trouble)
{
    return trouble < COUNT ? table[trouble].name : "unknown";
}

const char *trouble_words(const char *name)
{
    for (size_t i = 1; i < COUNT; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].words;
    return "it is not known which: another version writes its page";
}
