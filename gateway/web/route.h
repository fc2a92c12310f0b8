// Route: finds the entry of a table that fits a method and a path. A pattern is literal segments
// and
// ":name" segments; the value of the (one) named segment is handed over. Any thread; no allocation.
#ifndef LONJA_GATEWAY_WEB_ROUTE_H
#define LONJA_GATEWAY_WEB_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/common/http.h"

enum { ROUTE_VALUE_BYTES_MAX = 64 };

struct route {
    enum http_method method;
    const char *pattern; // "/api/v1/orders/:id"
    int handler;         // the table owner's number
};

// Index of the first route that fits, -1 if none does. `value` is "" without a named segment; a
// path whose value is empty or longer than fits finds nothing.
int route_find(char value[ROUTE_VALUE_BYTES_MAX], const struct route *routes, size_t count,
               enum http_method method, const char *path);

#endif
