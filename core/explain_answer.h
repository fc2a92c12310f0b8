// Answer: what is said to people (lines of text) and to programs (one JSON object), filled side by
// side. Only one of the two is printed. In JSON, prices, money and quantities are decimals as text,
// times ISO 8601; identities are numbers; what is 0 or nothing may be left out of a record.
#ifndef LONJA_CORE_EXPLAIN_ANSWER_H
#define LONJA_CORE_EXPLAIN_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct explain_answer {
    json_t *root;
    FILE *lines; // into text
    char *text;
    size_t text_bytes;
};

void explain_answer_open(struct explain_answer *answer);
void explain_answer_close(struct explain_answer *answer);
void explain_answer_print(struct explain_answer *answer, FILE *out, bool json);

// A line of text; JSON does not see it.
void explain_say(struct explain_answer *answer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// A text of any length, for a line or a JSON value; the caller frees it.
char *explain_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
// A sentence that both get: a line (behind `indent`), and a member of this array.
void explain_tell(struct explain_answer *answer, json_t *sentences, const char *indent,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
// Sets a member of an object to a text made by format.
void explain_set(json_t *object, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void explain_set_number(json_t *object, const char *key, uint64_t number);
// Makes an empty array or object, and puts it into `object`, which owns it.
json_t *explain_array(json_t *object, const char *key);
json_t *explain_object(json_t *object, const char *key);
// The same at the end of an array.
json_t *explain_element(json_t *array);

#endif
