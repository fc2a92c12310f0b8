#include "perf/report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

// ---- options

CHECKED static bool seed_read(const char *word, uint64_t *seed)
{
    char *end = NULL;
    errno = 0;
    *seed = strtoull(word, &end, 0);
    return errno == 0 && end != word && *end == '\0' && word[0] != '-';
}

bool report_options_read(struct report_options *options, int count, char **words)
{
    *options = (struct report_options){.length = LENGTH_QUICK};
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--json") == 0)
            options->json = true;
        else if (strcmp(words[i], "--smoke") == 0)
            options->length = LENGTH_SMOKE;
        else if (strcmp(words[i], "--quick") == 0)
            options->length = LENGTH_QUICK;
        else if (strcmp(words[i], "--long") == 0)
            options->length = LENGTH_LONG;
        else if (strcmp(words[i], "--workload") == 0 && i + 1 < count)
            options->workload = words[++i];
        else if (strcmp(words[i], "--seed") == 0 && i + 1 < count &&
                 seed_read(words[i + 1], &options->seed)) {
            options->seeded = true;
            i++;
        } else {
            fprintf(stderr,
                    "usage: %s [--json] [--smoke|--quick|--long] [--workload NAME] [--seed N]\n",
                    words[0]);
            return false;
        }
    }
    return true;
}

bool report_wanted(const struct report_options *options, const char *workload)
{
    return options->workload == NULL || strcmp(workload, options->workload) == 0;
}

// ---- lines

struct report_line report_line(const char *bench, const char *workload, const char *metric)
{
    return (struct report_line){.bench = bench,
                                .workload = workload,
                                .metric = metric,
                                .min = NAN,
                                .median = NAN,
                                .p50 = NAN,
                                .p99 = NAN,
                                .p999 = NAN,
                                .floor_median = NAN,
                                .ratio = NAN,
                                .floor_p99 = NAN,
                                .floor_p999 = NAN,
                                .ratio_p99 = NAN,
                                .ratio_p999 = NAN,
                                .mark = NAN,
                                .mark_p99 = NAN};
}

void report_samples(struct report_line *line, const struct samples *samples)
{
    line->p50 = samples_percentile(samples, 0.5);
    line->p99 = samples_percentile(samples, 0.99);
    line->p999 = samples_percentile(samples, 0.999);
    if (isnan(line->median))
        line->median = line->p50;
}

void report_floor_samples(struct report_line *line, const char *floor,
                          const struct samples *samples)
{
    line->floor = floor;
    line->floor_median = samples_percentile(samples, 0.5);
    line->floor_p99 = samples_percentile(samples, 0.99);
    line->floor_p999 = samples_percentile(samples, 0.999);
}

static void text_member(const char *name, const char *value)
{
    if (value != NULL)
        printf(",\"%s\":\"%s\"", name, value); // our own words: nothing in them needs escaping
}

static void number_member(const char *name, double value)
{
    if (!isnan(value))
        printf(",\"%s\":%.*f", name, value < 100 ? 3 : 1, value);
}

static void print_json(const struct report_line *line)
{
    printf("{\"bench\":\"%s\"", line->bench);
    text_member("workload", line->workload);
    text_member("metric", line->metric);
    number_member("min", line->min);
    number_member("median", line->median);
    number_member("p50", line->p50);
    number_member("p99", line->p99);
    number_member("p999", line->p999);
    text_member("floor", line->floor);
    number_member("floor_median", line->floor_median);
    number_member("floor_p99", line->floor_p99);
    number_member("floor_p999", line->floor_p999);
    number_member("ratio", line->ratio);
    number_member("ratio_p99", line->ratio_p99);
    number_member("ratio_p999", line->ratio_p999);
    number_member("mark", line->mark);
    number_member("mark_p99", line->mark_p99);
    text_member("checksum", line->checksum);
    if (line->memory) {
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf(",\"rss_bytes\":%ld", usage.ru_maxrss * 1024);
    } else if (line->resident_bytes != 0) {
        printf(",\"rss_bytes\":%zu", line->resident_bytes);
    }
    printf("}\n");
}

static void print_figure(const char *name, double value)
{
    if (!isnan(value))
        printf("  %s %.*f", name, value < 100 ? 2 : 0, value);
}

static void print_text(const struct report_line *line)
{
    printf("%s %s %s:", line->bench, line->workload != NULL ? line->workload : "", line->metric);
    print_figure("min", line->min);
    print_figure("median", line->median);
    print_figure("p50", line->p50);
    print_figure("p99", line->p99);
    print_figure("p99.9", line->p999);
    if (line->floor != NULL)
        printf("  | %s", line->floor);
    print_figure("median", line->floor_median);
    print_figure("p99", line->floor_p99);
    print_figure("ratio", line->ratio);
    print_figure("ratio p99", line->ratio_p99);
    print_figure("mark", line->mark);
    print_figure("mark p99", line->mark_p99);
    if (line->resident_bytes != 0)
        printf("  | %.1f MB", (double)line->resident_bytes / 1e6);
    printf("\n");
}

void report_print(struct report_line *line, bool json)
{
    line->ratio = line->median / line->floor_median; // NAN stays NAN
    line->ratio_p99 = line->p99 / line->floor_p99;
    line->ratio_p999 = line->p999 / line->floor_p999;
    if (json)
        print_json(line);
    else
        print_text(line);
    fflush(stdout);
}
