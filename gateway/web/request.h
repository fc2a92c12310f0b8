// Request: one client message, checked against schema/ws/requests.def: fields known, present and of
// the right type, nothing else. Texts point into the scanned object (json_scan.h), which must
// outlive the request.
//
// What is wrong is a fault: a code of the reject catalogue and the field's name. Any thread; no
// allocation.
#ifndef LONJA_GATEWAY_WEB_REQUEST_H
#define LONJA_GATEWAY_WEB_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/web/json_scan.h"
#include "schema/rejects.h"
#include "schema/ws/requests.def"

#define WEB_FIELD_ENUM(name, type, doc)                 WEB_FIELD_##name,
#define WEB_REQUEST_ENUM(name, required, optional, doc) WEB_OP_##name,
enum web_field { WEB_FIELDS(WEB_FIELD_ENUM) WEB_FIELD_COUNT };
enum web_op { WEB_REQUESTS(WEB_REQUEST_ENUM) WEB_OP_COUNT };
_Static_assert((int)WEB_FIELD_COUNT <= (int)JSON_MEMBERS_MAX,
               "a request with every field is scanned");

enum { REQUEST_ID_BYTES_MAX = 40, FAULT_UNKNOWN_BYTES_MAX = 32 };

struct fault {
    uint16_t code;     // enum reject_code; 0 = none
    const char *field; // name, or NULL
    int64_t limit, value, argument;
    unsigned token_scale;
    unsigned held_scale;                   // of what an order would hold; 0 = not known
    char unknown[FAULT_UNKNOWN_BYTES_MAX]; // the client's name of a field that is none; "" = not so
};

struct request {
    enum web_op op;
    uint64_t present; // bits of enum web_field
    const struct json_member *field[WEB_FIELD_COUNT];
};

// A WebSocket message: "op" says which request. Returns false and fills in the fault. The id is
// there even then, if it could be read.
CHECKED bool request_of_message(struct request *request, struct fault *fault,
                                struct json_object *object, const char *text, size_t bytes);
// A REST body of the given request.
CHECKED bool request_of_body(struct request *request, struct fault *fault,
                             struct json_object *object, enum web_op op, const char *text,
                             size_t bytes);

// The arguments of an address: "name=value", each NUL-terminated, an empty one at the end. They
// take the object's place and must outlive the request.
CHECKED bool request_of_arguments(struct request *request, struct fault *fault,
                                  struct json_object *object, enum web_op op,
                                  const char *arguments);

static inline bool request_has(const struct request *request, enum web_field field)
{
    return (request->present & UINT64_C(1) << field) != 0;
}
const char *request_field_name(enum web_field field);
bool request_text_is(const struct request *request, enum web_field field, const char *text);
bool request_flag(const struct request *request, enum web_field field); // false if absent
// Whole number 0..max, or the text of one; absent: `otherwise`.
CHECKED bool request_whole(int64_t *out, struct fault *fault, const struct request *request,
                           enum web_field field, int64_t max, int64_t otherwise);
CHECKED bool request_decimal(int64_t *out, struct fault *fault, const struct request *request,
                             enum web_field field, unsigned scale);
// The id as it stood in the message (a JSON string or number), for the answer; 0 bytes if there is
// none.
size_t request_id(char out[REQUEST_ID_BYTES_MAX], const struct request *request);

#endif
