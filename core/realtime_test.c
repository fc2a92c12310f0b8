// Real-time priority where the system grants it; who asked is told either way.
#include "core/realtime.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/testing.h"

static int answer;         // of the system
static int asked_priority; // of it; 0 = it was not asked
static char logged[256];

int __wrap_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *parameter);
int __wrap_pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *parameter)
{
    assert_true(pthread_equal(thread, pthread_self()));
    assert_int_equal(policy, SCHED_FIFO);
    asked_priority = parameter->sched_priority;
    return answer;
}

void __wrap_log_line(enum log_level level, const char *format, ...);
void __wrap_log_line(enum log_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = snprintf(logged, sizeof logged, "%d ", level);
    vsnprintf(logged + n, sizeof logged - (size_t)n, format, arguments);
    va_end(arguments);
}

static void a_thread_is_real_time_where_it_may(void **state)
{
    (void)state;
    static const struct {
        int priority, answer;
        const char *logged;
    } lines[] = {{0, 0, ""},
                 {7, 0, "1 gate thread is real-time priority=7"},
                 {7, EPERM,
                  "2 gate thread stays ordinary: expect slow answers on busy CPUs "
                  "error=Operation not permitted"}};
    assert_true(LOG_INFO == 1 && LOG_WARNING == 2);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        logged[0] = '\0';
        asked_priority = 0;
        answer = lines[i].answer;
        realtime_set(pthread_self(), lines[i].priority, "gate thread");
        assert_int_equal(asked_priority, lines[i].priority);
        assert_string_equal(logged, lines[i].logged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_thread_is_real_time_where_it_may)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
