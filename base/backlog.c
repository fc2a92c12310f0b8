#include "base/backlog.h"

#include <string.h>

#include "base/assert.h"

static const uint64_t STEP_NS = 1000000000, SMOOTH_NS = 5000000000ULL;

// Every second sample goes; the oldest and the newest stay.
static void thin_out(struct backlog *backlog)
{
    size_t kept = 1;
    for (size_t i = backlog->count % 2 == 0 ? 1 : 2; i < backlog->count; i += 2)
        backlog->samples[kept++] = backlog->samples[i];
    backlog->count = kept;
    backlog->step_ns *= 2;
}

// Of what is before the last sample that is dealt with, nobody asks any more.
static void drop_old(struct backlog *backlog, uint64_t position)
{
    size_t old = 0;
    while (old + 1 < backlog->count && backlog->samples[old + 1].durable <= position)
        old++;
    backlog->count -= old;
    memmove(backlog->samples, backlog->samples + old, backlog->count * sizeof backlog->samples[0]);
    if (backlog->count <= 1)
        backlog->step_ns = STEP_NS;
}

static void keep_sample(struct backlog *backlog, uint64_t durable, uint64_t now_ns)
{
    if (backlog->count > 0 &&
        now_ns - backlog->samples[backlog->count - 1].now_ns < backlog->step_ns)
        return;
    if (backlog->count == BACKLOG_SAMPLES)
        thin_out(backlog);
    ASSERT(backlog->count < BACKLOG_SAMPLES);
    backlog->samples[backlog->count++] = (struct backlog_sample){durable, now_ns};
}

// `past_ns`: how long it has gone before; the first span is all that is known.
static void smooth(double *rate, uint64_t from, uint64_t to, uint64_t span_ns, uint64_t past_ns)
{
    double now = to > from ? (double)(to - from) * 1e9 / (double)span_ns : 0;
    uint64_t memory_ns = past_ns < SMOOTH_NS ? past_ns : SMOOTH_NS;
    double weight = (double)span_ns / (double)(span_ns + memory_ns);
    *rate += (now - *rate) * weight;
}

void backlog_note(struct backlog *backlog, uint64_t durable, uint64_t position, uint64_t now_ns)
{
    if (backlog->step_ns == 0) {
        backlog->step_ns = STEP_NS;
        backlog->began_ns = now_ns;
    } else if (now_ns > backlog->now_ns) {
        uint64_t span_ns = now_ns - backlog->now_ns;
        uint64_t past_ns = backlog->now_ns - backlog->began_ns;
        smooth(&backlog->rate, backlog->position, position, span_ns, past_ns);
        smooth(&backlog->arrivals, backlog->durable, durable, span_ns, past_ns);
    }
    backlog->durable = durable;
    backlog->position = position;
    backlog->now_ns = now_ns;
    keep_sample(backlog, durable, now_ns);
    drop_old(backlog, position);
}

struct backlog_figures backlog_figures(const struct backlog *backlog)
{
    struct backlog_figures figures = {.rate = backlog->rate};
    if (backlog->durable <= backlog->position)
        return figures;
    figures.lag = backlog->durable - backlog->position;
    figures.behind_s = (double)(backlog->now_ns - backlog->samples[0].now_ns) * 1e-9;
    double gain = backlog->rate - backlog->arrivals;
    figures.eta_s = gain > 0 ? (double)figures.lag / gain : -1;
    return figures;
}
