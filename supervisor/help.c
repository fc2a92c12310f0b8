#include "supervisor/help.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char OVERVIEW[] =
    "Usage: lonja COMMAND [OPTION…]\n"
    "\n"
    "The venue:\n"
    "  up              start the venue and keep it running\n"
    "  status          what runs, how far it is, what died\n"
    "  config          check a configuration file, print one value or the reference of all keys\n"
    "  standby         follow a venue on another host, take its place; go on without a standby\n"
    "\n"
    "Tools (each answers --help):\n"
    "  journal         look into the journal, verify it, cut a poisoned tail\n"
    "  tape            verify the events' tape, or rebuild it from the journal\n"
    "  explain         why an order did not trade, why a command was refused, what made a balance\n"
    "  state           the venue after any sequence, or at any time\n"
    "  record          write the record in Postgres anew, compare two of them\n"
    "  reconcile       compare ledger, Postgres and chain, per token and wallet\n"
    "  index           prove again what was read of the chain\n"
    "  settle          the rows of settlement from the chain: write them anew, compare\n"
    "  admin           the operator's interface\n"
    "  asset           new tokens on the chain: plan, deploy, resume, abandon\n"
    "  key             make, show, convert and rotate key files\n"
    "  sign audit      show and verify what the signer was asked and what it answered\n"
    "\n"
    "`lonja WORD …` runs the executable lonja-WORD beside this one. The processes of the venue (core,\n"
    "tape, sign, fix, web, admin, record, settle, index, ops, surveil, replicate) are such executables too, but\n"
    "`lonja up` starts them: they need the shared memory that it makes.\n"
    "\n"
    "The configuration is --config FILE, else $LONJA_CONFIG, else var/lonja.conf.\n"
    "`lonja COMMAND --help` says more. To try everything at once, use ./run in the source folder.\n";

static const char UP[] =
    "Usage: lonja up [--config FILE] [--only A,B,…] [--without A,B,…] [--quiet] [--not-durable]\n"
    "\n"
    "Starts the venue and stays in front of it until Ctrl-C or SIGTERM, which stop all processes in\n"
    "reverse order (asked twice, it kills them). SIGKILL takes the processes along; the next start\n"
    "recovers from the journal.\n"
    "\n"
    "  --config FILE     the configuration (default: $LONJA_CONFIG, else var/lonja.conf)\n"
    "  --only A,B,…      these processes only; each must be there\n"
    "  --without A,B,…   all but these\n"
    "  --quiet           of the processes' log lines show warnings and errors only\n"
    "  --not-durable     accept journal.durable = 0: answers before the disk has them. Benchmarks only\n"
    "\n"
    "Processes, in the order of their start: replicate (if replication.mode is not 0), core, tape, sign, fix,\n"
    "web, admin, record, settle, index, ops, surveil.\n"
    "One that dies is started again, after a pause that grows from 0.1 to 10 seconds. Exit status 2\n"
    "(configuration), 3 (the journal cannot be replayed), 4 (the journal's disk failed) and 5\n"
    "(another host was promoted) are final: the supervisor says what to do and keeps the rest up, so that you can look.\n"
    "\n"
    "What it leaves under venue.state_folder: log/NAME.log, status.json (every second), incarnation.\n"
    "A second `lonja up` on the same state folder is refused.\n"
    "\n"
    "Exit status: 0 stopped cleanly, 1 stopped but something had failed or had to be killed, 2 refused.\n";

static const char STATUS[] =
    "Usage: lonja status [--config FILE] [--json]\n"
    "\n"
    "Shows the running venue: state and sequence of the core, and each process with its pid, how often it\n"
    "was ever started (incarnation), restarts since `lonja up`, how many durable commands it has yet to\n"
    "deal with (lag), and how it last ended; of who is behind also for how long, and when it will have\n"
    "caught up. Below the table stands what hinders those that run, by their own words: Postgres,\n"
    "a node of the chain, the signer, or that ledger and chain differ. It reads the file status.json of\n"
    "the state folder, which the supervisor rewrites every second; --json prints that file.\n"
    "\n"
    "Exit status: 0 all run and nothing hinders them, 1 not so, 2 configuration, 3 no venue is running there.\n";

static const char CONFIG[] =
    "Usage: lonja --check-config FILE\n"
    "       lonja config check FILE\n"
    "       lonja config get GROUP.KEY [FILE]\n"
    "       lonja config document\n"
    "\n"
    "check reads the file as `lonja up` would and names every fault with file, line, key, value and\n"
    "bound. get prints one value as the venue would use it (default or not, paths absolute); FILE as in\n"
    "`lonja --help`. document prints the reference of all keys as Markdown (docs/configuration.md).\n"
    "\n"
    "Exit status: 0 good, 2 refused.\n";

static const struct {
    const char *command;
    const char *text;
} HELP[] = {{"up", UP}, {"status", STATUS}, {"config", CONFIG}, {"--check-config", CONFIG}};

static const char *find(const char *command)
{
    if (command == NULL)
        return OVERVIEW;
    for (size_t i = 0; i < sizeof HELP / sizeof HELP[0]; i++)
        if (strcmp(HELP[i].command, command) == 0)
            return HELP[i].text;
    return NULL;
}

bool help_print(const char *command)
{
    const char *text = find(command);
    if (text == NULL)
        return false;
    fputs(text, stdout);
    return true;
}

int help_usage(const char *command)
{
    const char *text = find(command);
    fputs(text != NULL ? text : OVERVIEW, stderr);
    return 2;
}
