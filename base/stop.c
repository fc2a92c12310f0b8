#include "base/stop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/doorbell.h"

enum { STOP_SECONDS_MAX = 2 };

static int stop_fd; // the handler's

static void on_stop(int signal_number)
{
    (void)signal_number;
    doorbell_ring(stop_fd);
    alarm(STOP_SECONDS_MAX);
}

static void on_late(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

int stop_open(void)
{
    struct sigaction stop = {.sa_handler = on_stop};
    struct sigaction late = {.sa_handler = on_late};
    sigset_t set;

    stop_fd = doorbell_open();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    ASSERT(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
    ASSERT(sigaction(SIGALRM, &late, NULL) == 0);
    ASSERT(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    return stop_fd;
}

bool stop_asked(void)
{
    struct pollfd fd = {.fd = stop_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}
