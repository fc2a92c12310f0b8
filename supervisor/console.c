#include "supervisor/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void console_init(struct console *console, int log_fd, bool quiet)
{
    memset(console, 0, sizeof *console);
    console->terminal = isatty(STDOUT_FILENO) == 1;
    console->log_fd = log_fd;
    console->quiet = quiet;
    for (int process = 0; process < PROCESS_COUNT; process++)
        console->tails[process].fd = -1;
}

static void hide_status(struct console *console)
{
    if (console->status_shown)
        fputs("\r\033[K", stdout);
    console->status_shown = false;
}

static int columns(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void show_status(struct console *console)
{
    if (console->terminal && console->status[0] != '\0') {
        // Cut to the width: a line that wraps could not be taken away again.
        printf("\r\033[K\033[7m%.*s\033[0m", columns() - 1, console->status);
        console->status_shown = true;
    }
    fflush(stdout);
}

static struct tm utc_now(void)
{
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    return parts;
}

void console_say(struct console *console, const char *format, ...)
{
    char line[CONSOLE_LINE_BYTES_MAX], stamp[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    struct tm now = utc_now();
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &now);
    hide_status(console);
    printf("%.8s supervisor %s\n", stamp + 11, line);
    show_status(console);
    if (console->log_fd >= 0)
        dprintf(console->log_fd, "%s supervisor info %s\n", stamp, line);
}

void console_follow(struct console *console, enum process_id process, int fd)
{
    ASSERT(process < PROCESS_COUNT);
    struct stat status;
    console->tails[process].fd = fd;
    console->tails[process].position = fstat(fd, &status) == 0 ? status.st_size : 0;
}

// A line of ours reads "2026-11-20T10:11:12.123456Z NAME LEVEL TEXT": returns what follows the time, or NULL
// for anything else (a library's own words, an assertion).
static const char *after_time(const char *line, size_t bytes)
{
    enum { TIME_BYTES = sizeof "2026-11-20T10:11:12.123456Z" - 1 };
    bool ours = bytes > TIME_BYTES && line[10] == 'T' && line[TIME_BYTES - 1] == 'Z';
    return ours && line[TIME_BYTES] == ' ' ? line + TIME_BYTES : NULL;
}

static bool is_routine(const char *words, size_t bytes)
{
    const char *level = memchr(words + 1, ' ', bytes - 1);
    size_t left = level == NULL ? 0 : bytes - (size_t)(level - words);
    return (left > 6 && memcmp(level, " info ", 6) == 0) || (left > 7 && memcmp(level, " debug ", 7) == 0);
}

// The date and the fraction of a second are of no use to somebody who is watching.
static void show_line(struct console *console, enum process_id process, const char *line, size_t bytes)
{
    const char *words = after_time(line, bytes);
    size_t left = words == NULL ? bytes : bytes - (size_t)(words - line);
    if (words != NULL && console->quiet && is_routine(words, left))
        return;
    hide_status(console);
    if (words != NULL)
        printf("%.8s%.*s\n", line + 11, (int)left, words);
    else
        printf("         %s %.*s\n", process_name(process), (int)left, line);
}

// Shows the whole lines in the buffer; returns how many bytes those were. A line longer than the buffer is
// shown in pieces.
static size_t show_lines(struct console *console, enum process_id process, const char *buffer,
                         size_t bytes, size_t capacity)
{
    size_t shown = 0;
    const char *end;
    while ((end = memchr(buffer + shown, '\n', bytes - shown)) != NULL) {
        show_line(console, process, buffer + shown, (size_t)(end - buffer) - shown);
        shown = (size_t)(end - buffer) + 1;
    }
    if (shown == 0 && bytes == capacity) {
        show_line(console, process, buffer, bytes);
        shown = bytes;
    }
    return shown;
}

// At most 64 buffers per call, so that a process that floods its log cannot keep the supervisor here.
static void show_new(struct console *console, enum process_id process)
{
    struct console_tail *tail = &console->tails[process];
    char buffer[4096];
    for (int i = 0; i < 64 && tail->fd >= 0; i++) {
        ssize_t bytes = pread(tail->fd, buffer, sizeof buffer, tail->position);
        if (bytes <= 0)
            return;
        size_t shown = show_lines(console, process, buffer, (size_t)bytes, sizeof buffer);
        if (shown == 0)
            return;
        tail->position += (off_t)shown;
    }
}

void console_do_work(struct console *console)
{
    bool shown_before = console->status_shown;
    for (int process = 0; process < PROCESS_COUNT; process++)
        show_new(console, (enum process_id)process);
    if (shown_before && !console->status_shown)
        show_status(console);
    else
        fflush(stdout);
}

void console_set_status(struct console *console, const char *text)
{
    snprintf(console->status, sizeof console->status, "%s", text);
    show_status(console);
}

void console_clear_status(struct console *console)
{
    hide_status(console);
    console->status[0] = '\0';
    fflush(stdout);
}
