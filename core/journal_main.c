// lonja-journal: see journal_tool.h. `lonja journal …` runs it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/journal_tool.h"

static const char USAGE[] =
    "Usage: lonja journal verify  STATE [--json]\n"
    "       lonja journal dump    STATE [--from N] [--to N]\n"
    "       lonja journal stat    STATE [--json]\n"
    "       lonja journal replay  STATE [--from-snapshot] [--until N]\n"
    "       lonja journal archive STATE [--recorded N] [--dry-run]\n"
    "       lonja journal restore STATE [SEGMENT]\n"
    "       lonja journal cut     STATE N --reason TEXT\n"
    "\n"
    "STATE is the venue's state folder (it holds journal/, snapshots/, tape/); of ./run it is "
    "var/state. N is a\n"
    "sequence. All but cut may be used while the venue runs. Long work shows its progress on "
    "standard error.\n"
    "\n"
    "  verify   reads every block, archived ones too: where the journal ends, and whether its end "
    "is clean or torn\n"
    "  dump     each command as one line of JSON\n"
    "  stat     epochs, segments, how many commands of each type\n"
    "  replay   runs the commands through an engine again; prints digests of the events and of the "
    "state\n"
    "  archive  compresses the segments that no start needs any more into journal/archive (which "
    "may be a link to\n"
    "           another disk): those that the three newest snapshots and the recorder are past. "
    "Each is read back\n"
    "           and compared before it leaves its place. --recorded N: what the recorder has, "
    "where no status.json\n"
    "           says it. --dry-run: only says which. Once an hour from a timer is a good habit\n"
    "  restore  brings archived segments back, all or from SEGMENT on: only where the core asks "
    "for it\n"
    "  cut      ends the journal before N. What is cut is set aside in journal/cut-N-TIME/, with "
    "the reason;\n"
    "           refused while a core holds the journal\n"
    "\n"
    "Examples:\n"
    "  lonja journal verify var/state && echo whole\n"
    "  lonja journal dump var/state --from 4711 --to 4711     # what was this command?\n"
    "  lonja journal replay var/state --until 4711            # digests as they were then\n"
    "  lonja journal archive var/state --dry-run\n"
    "\n"
    "Exit status: 0 done, 1 cannot be read or written, 2 bad arguments, 3 corrupt, of another "
    "version, or a replay\n"
    "that differs.\n";

static int usage(void)
{
    fputs(USAGE, stderr);
    return 2;
}

static bool is_help(const char *word)
{
    return word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
}

struct arguments {
    uint64_t from, to, until, number, recorded;
    bool from_snapshot, json, dry_run;
    const char *reason;
};

static bool number(uint64_t *out, const char *text)
{
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse(struct arguments *arguments, char **argv)
{
    *arguments = (struct arguments){
        .from = 1, .to = UINT64_MAX, .until = UINT64_MAX, .recorded = UINT64_MAX};
    for (; *argv != NULL; argv++) {
        bool taken = true;
        if (strcmp(*argv, "--from-snapshot") == 0)
            arguments->from_snapshot = true;
        else if (strcmp(*argv, "--json") == 0)
            arguments->json = true;
        else if (strcmp(*argv, "--dry-run") == 0)
            arguments->dry_run = true;
        else if (strcmp(*argv, "--recorded") == 0)
            taken = number(&arguments->recorded, *++argv);
        else if (strcmp(*argv, "--from") == 0)
            taken = number(&arguments->from, *++argv);
        else if (strcmp(*argv, "--to") == 0)
            taken = number(&arguments->to, *++argv);
        else if (strcmp(*argv, "--until") == 0)
            taken = number(&arguments->until, *++argv);
        else if (strcmp(*argv, "--reason") == 0)
            taken = (arguments->reason = *++argv) != NULL;
        else
            taken = arguments->number == 0 && number(&arguments->number, *argv);
        if (!taken)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    log_open("journal");
    struct arguments arguments;
    if (is_help(argv[1]) || (argc > 2 && is_help(argv[2]))) {
        fputs(USAGE, stdout);
        return 0;
    }
    if (argc < 3 || !parse(&arguments, argv + 3))
        return usage();
    const char *verb = argv[1], *state = argv[2];
    if (strcmp(verb, "verify") == 0)
        return journal_tool_verify(state, stdout, arguments.json);
    if (strcmp(verb, "dump") == 0)
        return journal_tool_dump(state, stdout, arguments.from, arguments.to);
    if (strcmp(verb, "stat") == 0)
        return journal_tool_stat(state, stdout, arguments.json);
    if (strcmp(verb, "replay") == 0)
        return journal_tool_replay(state, stdout, arguments.from_snapshot, arguments.until);
    if (strcmp(verb, "archive") == 0)
        return journal_tool_archive(state, stdout, arguments.recorded, arguments.dry_run);
    if (strcmp(verb, "restore") == 0)
        return journal_tool_restore(state, stdout, arguments.number);
    if (strcmp(verb, "cut") == 0)
        return journal_tool_cut(state, stdout, arguments.number, arguments.reason);
    return usage();
}
