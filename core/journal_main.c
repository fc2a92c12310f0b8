// lonja-journal: see journal_tool.h. `lonja journal …` runs it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/journal_tool.h"

static const char USAGE[] =
    "Usage: lonja journal verify STATE\n"
    "       lonja journal dump   STATE [--from N] [--to N]\n"
    "       lonja journal stat   STATE\n"
    "       lonja journal replay STATE [--from-snapshot] [--until N]\n"
    "       lonja journal cut    STATE N --reason TEXT\n"
    "\n"
    "STATE is the venue's state folder (it holds journal/, snapshots/, tape/); of ./run it is var/state. N is a\n"
    "sequence. All but cut only read, and may be used while the venue runs.\n"
    "\n"
    "  verify   reads every block: where the journal ends, and whether its end is clean or torn\n"
    "  dump     each command as one line of JSON\n"
    "  stat     epochs, segments, how many commands of each type\n"
    "  replay   runs the commands through an engine again; prints digests of the events and of the state\n"
    "  cut      ends the journal before N. What is cut is set aside in journal/cut-N-TIME/, with the reason;\n"
    "           refused while a core holds the journal\n"
    "\n"
    "Exit status: 0 done, 1 cannot be read, 2 bad arguments, 3 corrupt, or a replay that differs.\n";

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
    uint64_t from, to, until, cut;
    bool from_snapshot;
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
    *arguments = (struct arguments){.from = 1, .to = UINT64_MAX, .until = UINT64_MAX};
    for (; *argv != NULL; argv++) {
        bool taken = true;
        if (strcmp(*argv, "--from-snapshot") == 0)
            arguments->from_snapshot = true;
        else if (strcmp(*argv, "--from") == 0)
            taken = number(&arguments->from, *++argv);
        else if (strcmp(*argv, "--to") == 0)
            taken = number(&arguments->to, *++argv);
        else if (strcmp(*argv, "--until") == 0)
            taken = number(&arguments->until, *++argv);
        else if (strcmp(*argv, "--reason") == 0)
            taken = (arguments->reason = *++argv) != NULL;
        else
            taken = arguments->cut == 0 && number(&arguments->cut, *argv);
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
        return journal_tool_verify(state, stdout);
    if (strcmp(verb, "dump") == 0)
        return journal_tool_dump(state, stdout, arguments.from, arguments.to);
    if (strcmp(verb, "stat") == 0)
        return journal_tool_stat(state, stdout);
    if (strcmp(verb, "replay") == 0)
        return journal_tool_replay(state, stdout, arguments.from_snapshot, arguments.until);
    if (strcmp(verb, "cut") == 0)
        return journal_tool_cut(state, stdout, arguments.cut, arguments.reason);
    return usage();
}
