#include "core/realtime.h"

#include <sched.h>
#include <string.h>

#include "base/log.h"

void realtime_set(pthread_t thread, int priority, const char *name)
{
    if (priority == 0)
        return;
    struct sched_param parameter = {.sched_priority = priority};
    int result = pthread_setschedparam(thread, SCHED_FIFO, &parameter);
    if (result == 0)
        log_info("%s is real-time priority=%d", name, priority);
    else
        log_warning("%s stays ordinary: expect slow answers on busy CPUs error=%s", name,
                    strerror(result));
}
