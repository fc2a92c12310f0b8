#include "gateway/web/route.h"

#include <string.h>

static bool fits(char value[ROUTE_VALUE_BYTES_MAX], const char *pattern, const char *path)
{
    value[0] = '\0';
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != ':') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        size_t bytes = strcspn(path, "/");
        if (bytes == 0 || bytes >= ROUTE_VALUE_BYTES_MAX)
            return false;
        memcpy(value, path, bytes);
        value[bytes] = '\0';
        path += bytes;
        pattern += strcspn(pattern, "/") - 1; // the loop steps over the segment's last character
    }
    return *path == '\0';
}

int route_find(char value[ROUTE_VALUE_BYTES_MAX], const struct route *routes, size_t count,
               enum http_method method, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (routes[i].method == method && fits(value, routes[i].pattern, path))
            return (int)i;
    value[0] = '\0';
    return -1;
}
