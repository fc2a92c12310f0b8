#include "base/assert.h"

#include <stdio.h>
#include <string.h>

void assert_failed(const char *file, int line, const char *text)
{
    char message[512];
    int n = snprintf(message, sizeof message, "%s:%d: assertion failed: %s\n", file, line, text);
    size_t bytes = n < 0 ? 0 : (size_t)n;
    if (bytes >= sizeof message) {
        bytes = sizeof message;
        message[bytes - 1] = '\n';
    }
    // Nothing can be done about a failed write: the process ends here either way.
    ssize_t ignored = write(STDERR_FILENO, message, bytes);
    (void)ignored;
    abort();
}
