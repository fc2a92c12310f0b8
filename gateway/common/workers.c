// A job goes round: submit -> waiting -> a thread runs it -> done -> eventfd -> finish in the loop.
#include "gateway/common/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job {
    workers_fn *run;
    workers_fn *finish;
    void *context;
};

struct queue { // a ring of `max` jobs
    struct job *jobs;
    size_t first, count;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue waiting, done;
    size_t max; // jobs in the pool, waiting, running or done: so neither queue can overflow
    size_t in_pool;
    bool stopping;
    int doorbell;
    struct loop_watch *watch;
    unsigned thread_count;
    pthread_t threads[];
};

static void push(const struct workers *workers, struct queue *queue, const struct job *job)
{
    ASSERT(queue->count < workers->max);
    queue->jobs[(queue->first + queue->count++) % workers->max] = *job;
}

static bool pop(const struct workers *workers, struct queue *queue, struct job *job)
{
    if (queue->count == 0)
        return false;
    *job = queue->jobs[queue->first];
    queue->first = (queue->first + 1) % workers->max;
    queue->count--;
    return true;
}

static void *thread_main(void *context)
{
    struct workers *workers = context;
    struct job job;
    pthread_mutex_lock(&workers->lock);
    while (!workers->stopping) {
        if (!pop(workers, &workers->waiting, &job)) {
            pthread_cond_wait(&workers->wake, &workers->lock);
            continue;
        }
        pthread_mutex_unlock(&workers->lock);
        job.run(job.context);
        pthread_mutex_lock(&workers->lock);
        push(workers, &workers->done, &job);
        uint64_t one = 1;
        ASSERT(write(workers->doorbell, &one, sizeof one) == (ssize_t)sizeof one);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static bool take_done(struct workers *workers, struct job *job)
{
    pthread_mutex_lock(&workers->lock);
    bool found = pop(workers, &workers->done, job);
    if (found)
        workers->in_pool--;
    pthread_mutex_unlock(&workers->lock);
    return found;
}

static void on_doorbell(void *context, unsigned readiness)
{
    (void)readiness;
    struct workers *workers = context;
    uint64_t rings = 0;
    ssize_t drained = read(workers->doorbell, &rings, sizeof rings);
    (void)drained; // empty already is as good
    struct job job;
    while (take_done(workers, &job))
        job.finish(job.context);
}

static bool threads_start(struct workers *workers, unsigned threads)
{
    sigset_t all, before; // signals are the loop's
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (workers->thread_count < threads &&
           pthread_create(&workers->threads[workers->thread_count], NULL, thread_main, workers) ==
               0)
        workers->thread_count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return workers->thread_count == threads;
}

struct workers *workers_open(struct loop *loop, unsigned threads, size_t queue_max)
{
    ASSERT(threads > 0 && queue_max > 0);
    struct workers *workers = calloc(1, sizeof *workers + threads * sizeof workers->threads[0]);
    if (workers == NULL)
        return NULL;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->max = queue_max;
    workers->waiting.jobs = calloc(queue_max, sizeof(struct job));
    workers->done.jobs = calloc(queue_max, sizeof(struct job));
    ASSERT(workers->waiting.jobs != NULL && workers->done.jobs != NULL);
    workers->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (workers->doorbell >= 0)
        workers->watch = loop_watch(loop, workers->doorbell, LOOP_READ, on_doorbell, workers);
    if (workers->watch == NULL || !threads_start(workers, threads)) {
        workers_close(workers);
        return NULL;
    }
    return workers;
}

bool workers_submit(struct workers *workers, workers_fn *run, workers_fn *finish, void *context)
{
    const struct job job = {.run = run, .finish = finish, .context = context};
    pthread_mutex_lock(&workers->lock);
    bool room = workers->in_pool < workers->max;
    if (room) {
        workers->in_pool++;
        push(workers, &workers->waiting, &job);
        pthread_cond_signal(&workers->wake);
    }
    pthread_mutex_unlock(&workers->lock);
    return room;
}

void workers_close(struct workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->thread_count; i++)
        pthread_join(workers->threads[i], NULL);
    struct job job;
    while (pop(workers, &workers->done, &job) || pop(workers, &workers->waiting, &job))
        job.finish(job.context);
    loop_unwatch(workers->watch);
    if (workers->doorbell >= 0)
        close(workers->doorbell);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers->waiting.jobs);
    free(workers->done.jobs);
    free(workers);
}
