#include "supervisor/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void console_init(struct console *console, int log_fd)
{
    memset(console, 0, sizeof *console);
    console->terminal = isatty(STDOUT_FILENO) == 1;
    console->log_fd = log_fd;
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

// A line of ours reads "2026-11-20T10:11:12.123456Z NAME LEVEL TEXT"; the date and the fraction are of no
// use to somebody who is watching. Anything else (a library's own words, an assertion) is shown as it is.
static void show_line(enum process_id process, const char *line, size_t bytes)
{
    const char *name = process_name(process);
    const char *mark = memchr(line, 'T', bytes < 11 ? bytes : 11);
    const char *space = memchr(line, ' ', bytes);
    if (mark == line + 10 && space != NULL && space - mark > 8)
        printf("%.8s%.*s\n", mark + 1, (int)(bytes - (size_t)(space - line)), space);
    else
        printf("         %s %.*s\n", name, (int)bytes, line);
}

// Shows the whole lines in the buffer; returns how many bytes those were. A line longer than the buffer is
// shown in pieces.
static size_t show_lines(enum process_id process, const char *buffer, size_t bytes, size_t capacity)
{
    size_t shown = 0;
    const char *end;
    while ((end = memchr(buffer + shown, '\n', bytes - shown)) != NULL) {
        show_line(process, buffer + shown, (size_t)(end - buffer) - shown);
        shown = (size_t)(end - buffer) + 1;
    }
    if (shown == 0 && bytes == capacity) {
        show_line(process, buffer, bytes);
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
        hide_status(console);
        size_t shown = show_lines(process, buffer, (size_t)bytes, sizeof buffer);
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
