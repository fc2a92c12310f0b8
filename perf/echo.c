#include "perf/echo.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static bool listens(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return yes;
}

int echo_start(void (*serve)(uint16_t), uint16_t port)
{
    pid_t parent = getpid();
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            serve(port);
        _exit(1);
    }
    while (!listens(port)) {
        ASSERT(waitpid(child, NULL, WNOHANG) == 0);
        usleep(10000);
    }
    return child;
}

void echo_stop(int pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
