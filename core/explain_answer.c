#include "core/explain_answer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void explain_answer_open(struct explain_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->root = json_object();
    answer->lines = open_memstream(&answer->text, &answer->text_bytes);
    ASSERT(answer->root != NULL && answer->lines != NULL);
}

void explain_answer_close(struct explain_answer *answer)
{
    fclose(answer->lines);
    free(answer->text);
    json_decref(answer->root);
    memset(answer, 0, sizeof *answer);
}

void explain_answer_print(struct explain_answer *answer, FILE *out, bool json)
{
    ASSERT(fflush(answer->lines) == 0);
    if (json_object_size(answer->root) == 0) // the journal was corrupt
        return;
    if (json) {
        json_dumpf(answer->root, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        fputc('\n', out);
    } else {
        fwrite(answer->text, 1, answer->text_bytes, out);
    }
    fflush(out);
}

void explain_say(struct explain_answer *answer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(answer->lines, format, arguments);
    va_end(arguments);
    fputc('\n', answer->lines);
}

static char *formatted(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
static char *formatted(const char *format, va_list arguments)
{
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    ASSERT(length >= 0 && text != NULL);
    return text;
}

char *explain_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    return text;
}

void explain_tell(struct explain_answer *answer, json_t *sentences, const char *indent,
                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    fprintf(answer->lines, "%s%s\n", indent, text);
    ASSERT(json_array_append_new(sentences, json_string(text)) == 0);
    free(text);
}

void explain_set(json_t *object, const char *key, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = formatted(format, arguments);
    va_end(arguments);
    ASSERT(json_object_set_new(object, key, json_string(text)) == 0);
    free(text);
}

void explain_set_number(json_t *object, const char *key, uint64_t number)
{
    ASSERT(json_object_set_new(object, key, json_integer((json_int_t)number)) == 0);
}

json_t *explain_array(json_t *object, const char *key)
{
    json_t *array = json_array();
    ASSERT(json_object_set_new(object, key, array) == 0);
    return array;
}

json_t *explain_object(json_t *object, const char *key)
{
    json_t *made = json_object();
    ASSERT(json_object_set_new(object, key, made) == 0);
    return made;
}

json_t *explain_element(json_t *array)
{
    json_t *made = json_object();
    ASSERT(json_array_append_new(array, made) == 0);
    return made;
}
