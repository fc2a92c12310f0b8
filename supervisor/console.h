// Console: what the person at the terminal sees: lines, and below them one live status line if standard
// output is a terminal. The supervisor's own lines also go to its log.
//
// The children write to their log files themselves, so that none of them ever waits for the supervisor; the
// console reads those files from behind and shows each new line in short form.
#ifndef LONJA_SUPERVISOR_CONSOLE_H
#define LONJA_SUPERVISOR_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/boot.h"

enum { CONSOLE_LINE_BYTES_MAX = 1024, CONSOLE_STATUS_BYTES_MAX = 512 };

struct console_tail {
    int fd;          // of the log file, -1 = none; not owned
    off_t position;  // of the first byte not yet shown
};

struct console {
    bool terminal;   // standard output is one: show the status line
    bool status_shown;
    bool quiet;      // of the children's lines show warnings, errors and what is no log line
    int log_fd;      // the supervisor's own log, -1 = none
    char status[CONSOLE_STATUS_BYTES_MAX];
    struct console_tail tails[PROCESS_COUNT];
};

void console_init(struct console *console, int log_fd, bool quiet);

// A line of the supervisor's own, to the console and its log.
__attribute__((format(printf, 2, 3))) void console_say(struct console *console, const char *format, ...);

// Follows `fd` from its present end on, in place of the file of this process before.
void console_follow(struct console *console, enum process_id process, int fd);
// Shows what the children have written since the last call.
void console_do_work(struct console *console);

void console_set_status(struct console *console, const char *text);
void console_clear_status(struct console *console);

#endif
