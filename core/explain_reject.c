// Why was this command refused? The state just before it, and the answer of the catalogue.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain.h"
#include "core/explain_record.h"
#include "core/explain_refusal.h"
#include "core/explain_view.h"
#include "core/explain_words.h"

struct asked {
    uint64_t sequence;
    struct command command;
    struct explain_view before;
    struct event rejected; // type 0 = it was not
    uint8_t answered;      // type of its first event
};

static bool before_command(void *context, const struct replay *replay,
                           const struct command *command)
{
    struct asked *asked = context;
    if (command->header.sequence != asked->sequence)
        return true;
    memcpy(&asked->command, command, (size_t)command->header.slots * SLOT_BYTES);
    explain_view_take(&asked->before, replay->engine, &replay->limits);
    return true;
}

static bool after_command(void *context, const struct replay *replay, const struct command *command)
{
    struct asked *asked = context;
    const struct event_sink *sink = &replay->sink;
    if (command->header.sequence != asked->sequence)
        return true;
    asked->answered = sink->events[sink->position & sink->mask].header.type;
    for (uint32_t i = 0; i < sink->count; i++) {
        const struct event *event = &sink->events[(sink->position + i) & sink->mask];
        if (event->header.type == EVT_rejected)
            asked->rejected = *event;
    }
    return false;
}

static void tell_command(struct explain_answer *answer, const struct asked *asked)
{
    char dump[4096];
    command_dump(&asked->command, dump, sizeof dump);
    json_t *command = explain_record(&asked->before, dump);
    char *line = explain_line(command);
    char *by = explain_by(&asked->command);
    explain_say(answer, "Sequence %" PRIu64 ", %s: %s, refused", asked->sequence,
                explain_time(asked->command.header.time_ns).text, by);
    explain_say(answer, "  %s\n", line);
    explain_set_number(answer->root, "sequence", asked->sequence);
    explain_set(answer->root, "time", "%s", explain_time(asked->command.header.time_ns).text);
    explain_set(answer->root, "by", "%s", by);
    ASSERT(json_object_set_new(answer->root, "command", command) == 0);
    free(line);
    free(by);
}

int explain_reject(struct explain_answer *answer, struct explain_journal *journal,
                   uint64_t sequence)
{
    struct asked asked = {.sequence = sequence};
    const struct explain_walk walk = {
        .before = before_command, .after = after_command, .context = &asked};
    if (sequence == 0) {
        fputs("lonja-explain: sequences count from 1\n", stderr);
        return EXPLAIN_NONE;
    }
    int result = explain_journal_start(journal, sequence - 1, UINT64_MAX);
    if (result == 0)
        result = explain_journal_run_to(journal, sequence, &walk);
    if (result == 0 && asked.rejected.header.type == EVT_rejected) {
        tell_command(answer, &asked);
        explain_refusal_tell(answer, &asked.before, &asked.command, &asked.rejected);
    } else if (result == 0) {
        fprintf(stderr,
                "lonja-explain: sequence %" PRIu64 ", %s, was not refused: it was answered by %s\n",
                sequence, command_name(asked.command.header.type), event_name(asked.answered));
        result = EXPLAIN_NONE;
    }
    explain_view_free(&asked.before);
    return result;
}
