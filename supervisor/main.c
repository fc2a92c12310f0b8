// lonja: the one command of the venue. It checks configurations, runs the supervisor, shows the status, and
// hands every other word to the executable `lonja-WORD` beside it, as git does.
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/config_file.h"
#include "supervisor/help.h"
#include "supervisor/status.h"
#include "supervisor/supervisor.h"
#include "supervisor/tool.h"

enum { EXIT_USAGE = 2 };
static const char CONFIG_DEFAULT[] = "var/lonja.conf";

// --config, else LONJA_CONFIG, else ./run's file.
static const char *config_path_or_default(const char *option)
{
    const char *variable = getenv("LONJA_CONFIG");
    if (option != NULL)
        return option;
    return variable != NULL ? variable : CONFIG_DEFAULT;
}

// Returns 0, or EXIT_USAGE with the reasons on standard error; absolute[PATH_MAX] is set on success.
static int read_config(struct config *config, char *absolute, const char *path)
{
    int faults = config_file_read(config, path, stderr);
    if (faults > 0) {
        fprintf(stderr, "lonja: %s is refused (%d fault%s)\n", path, faults, faults == 1 ? "" : "s");
        return EXIT_USAGE;
    }
    if (realpath(path, absolute) == NULL) {
        fprintf(stderr, "lonja: %s: %s\n", path, strerror(errno));
        return EXIT_USAGE;
    }
    return 0;
}

static int command_check_config(const char *path)
{
    struct config config;
    char absolute[PATH_MAX];
    int result = read_config(&config, absolute, path);
    if (result == 0)
        printf("%s: good\n", path);
    return result;
}

static int command_config_get(const char *name, const char *path)
{
    struct config config;
    char absolute[PATH_MAX];
    int result = read_config(&config, absolute, config_path_or_default(path));
    if (result != 0 || config_file_print(&config, name, stdout))
        return result;
    fprintf(stderr, "lonja config: there is no key %s; `lonja config document` names them all\n", name);
    return EXIT_USAGE;
}

static int command_config(int count, char **words)
{
    if (count == 1 && strcmp(words[0], "document") == 0) {
        config_file_document(stdout);
        return 0;
    }
    if (count == 2 && strcmp(words[0], "check") == 0)
        return command_check_config(words[1]);
    if ((count == 2 || count == 3) && strcmp(words[0], "get") == 0)
        return command_config_get(words[1], count == 3 ? words[2] : NULL);
    return help_usage("config");
}

static int run_sibling(const char *bin_folder, char **words)
{
    char executable[PATH_MAX];
    int length = snprintf(executable, sizeof executable, "%s/lonja-%s", bin_folder, words[0]);
    if (length > 0 && (size_t)length < sizeof executable && strchr(words[0], '/') == NULL)
        execv(executable, words);
    fprintf(stderr, "lonja: there is no command `%s`; `lonja --help` names them all\n", words[0]);
    return EXIT_USAGE;
}

// ---- lonja up ----------------------------------------------------------------------------------------

// Sets flags[process] = value for each name of the comma-separated list; false if one is unknown.
static bool mark_processes(bool flags[PROCESS_COUNT], char *list, bool value)
{
    char *rest = NULL;
    for (char *name = strtok_r(list, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest)) {
        int process = 0;
        while (process < PROCESS_COUNT && strcmp(process_name((enum process_id)process), name) != 0)
            process++;
        if (process == PROCESS_COUNT) {
            fprintf(stderr, "lonja up: there is no process called %s\n", name);
            return false;
        }
        flags[process] = value;
    }
    return true;
}

static bool take_only(struct supervisor_options *options, char *list)
{
    memset(options->wanted, 0, sizeof options->wanted);
    if (!mark_processes(options->wanted, list, true))
        return false;
    memcpy(options->required, options->wanted, sizeof options->required);
    return true;
}

static bool parse_up(struct supervisor_options *options, int count, char **words)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},  {"only", required_argument, NULL, 'o'},
        {"without", required_argument, NULL, 'w'}, {"not-durable", no_argument, NULL, 'n'},
        {"quiet", no_argument, NULL, 'q'},         {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
        if (option == 'c')
            options->config_path = optarg;
        else if (option == 'n')
            options->not_durable = true;
        else if (option == 'q')
            options->quiet = true;
        else if (option == 'o' && !take_only(options, optarg))
            return false;
        else if (option == 'w' && !mark_processes(options->wanted, optarg, false))
            return false;
        else if (option == '?')
            return false;
    }
    return optind == count;
}

// Runs the supervisor with the options that were parsed; the rest comes from the configuration.
static int run_supervisor(struct supervisor_options *options)
{
    struct config config;
    char absolute[PATH_MAX];
    const char *path = config_path_or_default(options->config_path);
    int result = read_config(&config, absolute, path);
    if (result != 0)
        return result;
    if (config.replication_mode == 0 && !options->required[PROCESS_REPLICATE])
        options->wanted[PROCESS_REPLICATE] = false;
    if (config.journal_durable == 0 && !options->not_durable) {
        fprintf(stderr, "lonja up: %s: journal.durable = 0 answers before anything is on the disk; a crash "
                        "loses trades. For a benchmark, say --not-durable\n", path);
        return EXIT_USAGE;
    }
    options->config_path = absolute;
    return supervisor_run(options, &config);
}

static int command_up(const char *bin_folder, int count, char **words)
{
    struct supervisor_options options = {.bin_folder = bin_folder};
    memset(options.wanted, true, sizeof options.wanted);
    options.wanted[PROCESS_STANDBY] = false;
    if (!parse_up(&options, count, words))
        return help_usage("up");
    if (options.wanted[PROCESS_STANDBY]) {
        fprintf(stderr, "lonja up: a standby is started by `lonja standby run`\n");
        return EXIT_USAGE;
    }
    return run_supervisor(&options);
}

// `lonja standby run`: in the core's place lonja-standby, and the tape that replays what it takes.
static int command_standby_run(const char *bin_folder, int count, char **words)
{
    struct supervisor_options options = {.bin_folder = bin_folder};
    options.wanted[PROCESS_STANDBY] = options.required[PROCESS_STANDBY] = true;
    options.wanted[PROCESS_TAPE] = true;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--quiet") == 0)
            options.quiet = true;
        else if (strcmp(words[i], "--config") == 0 && i + 1 < count)
            options.config_path = words[++i];
        else
            return run_sibling(bin_folder, (char *[]){(char[]){"standby"}, (char[]){"run"}, NULL});
    }
    return run_supervisor(&options);
}

// ---- lonja status ------------------------------------------------------------------------------------

static int command_status(int count, char **words)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    const char *path = NULL;
    struct config config;
    char absolute[PATH_MAX];
    bool json = false;
    int option;
    while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
        if (option == 'c')
            path = optarg;
        else if (option == 'j')
            json = true;
        else
            return help_usage("status");
    }
    if (optind != count)
        return help_usage("status");
    int result = read_config(&config, absolute, config_path_or_default(path));
    return result != 0 ? result : status_print(config.venue_state_folder, json);
}

// ---- the rest ----------------------------------------------------------------------------------------

// Folder of this executable, where its siblings are. Returns false if the system does not say.
static bool find_bin_folder(char folder[PATH_MAX])
{
    ssize_t bytes = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    if (bytes <= 0)
        return false;
    folder[bytes] = '\0';
    char *slash = strrchr(folder, '/');
    ASSERT(slash != NULL);
    *slash = '\0';
    return true;
}

// Takes `--config FILE` out of the words and returns FILE, NULL if it is not there.
static const char *take_config(char **words)
{
    const char *path = NULL;
    char **to = words;
    for (char **from = words; *from != NULL; from++)
        if (strcmp(*from, "--config") == 0 && from[1] != NULL)
            path = *++from;
        else
            *to++ = *from;
    *to = NULL;
    return path;
}

static bool asks_help(char **words)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, "--help") == 0 || strcmp(*words, "-h") == 0)
            return true;
    return false;
}

// False if they say where the state is, or ask for help.
static bool needs_config(char **words)
{
    if (asks_help(words))
        return false;
    for (; *words != NULL; words++)
        if (strcmp(*words, "--state") == 0)
            return false;
    return true;
}

// Runs `lonja-EXECUTABLE words --state FOLDER`, the folder from the configuration if the words lack it.
static int run_on_state(const char *bin_folder, char *executable, int count, char **words)
{
    static char option[] = "--state";
    struct config config;
    char absolute[PATH_MAX];
    char **own = calloc((size_t)count + 4, sizeof *own);
    ASSERT(own != NULL);
    int used = 0;
    own[used++] = executable;
    for (int i = 0; i < count; i++)
        own[used++] = words[i];
    const char *path = take_config(own);
    int result = 0;
    if (needs_config(own)) {
        result = read_config(&config, absolute, config_path_or_default(path));
        for (used = 0; own[used] != NULL; used++)
            ;
        own[used++] = option;
        own[used] = config.venue_state_folder;
    }
    if (result == 0)
        result = run_sibling(bin_folder, own);
    free(own);
    return result;
}

// `lonja record rebuild` runs `lonja-record rebuild` with a boot record of its own; likewise the other processes that are
// tools, too. Without words, or with a request for help among them, that needs none: the tool says what they are.
static int command_of_process(const char *bin_folder, char **words, enum process_id process, bool needs_words)
{
    struct config config;
    char absolute[PATH_MAX];
    const char *path = take_config(words);
    static char option[] = "--help";
    if (words[1] == NULL && needs_words)
        return run_sibling(bin_folder, (char *[]){words[0], option, NULL});
    if (asks_help(words))
        return run_sibling(bin_folder, words);
    int result = read_config(&config, absolute, config_path_or_default(path));
    if (result != 0)
        return result;
    result = tool_boot(&config, process);
    if (result == 0)
        return run_sibling(bin_folder, words);
    fprintf(stderr, "lonja %s: %s\n", words[0], strerror(-result));
    return 1;
}

// `lonja explain order 5` runs `lonja-explain order 5 --state FOLDER`, `lonja state` runs `lonja-explain state …`.
static int command_explain(const char *bin_folder, int count, char **words)
{
    static char executable[] = "explain";
    int skipped = strcmp(words[0], "state") == 0 ? 0 : 1;
    return run_on_state(bin_folder, executable, count - skipped, words + skipped);
}

static int command_standby(const char *bin_folder, int count, char **words)
{
    static char help[] = "--help";
    if (count < 2)
        return run_sibling(bin_folder, (char *[]){words[0], help, NULL});
    if (strcmp(words[1], "run") == 0)
        return command_standby_run(bin_folder, count - 1, words + 1);
    return run_on_state(bin_folder, words[0], count - 1, words + 1);
}

// `lonja sign audit` is about the venue's own log where no other is named.
static int command_sign(const char *bin_folder, char **words)
{
    static char option[] = "--log";
    char log[PATH_MAX], absolute[PATH_MAX];
    struct config config;
    bool named = words[1] == NULL || strcmp(words[1], "audit") != 0 || asks_help(words);
    for (char **word = words; *word != NULL; word++)
        named = named || strcmp(*word, option) == 0;
    if (named)
        return run_sibling(bin_folder, words);
    const char *path = take_config(words);
    bool quiet = words[2] != NULL;
    int result = read_config(&config, absolute, config_path_or_default(path));
    if (result != 0)
        return result;
    if (snprintf(log, sizeof log, "%s/" SIGN_LOG_FILE, config.venue_state_folder) >= (int)sizeof log) {
        fprintf(stderr, "lonja sign: venue.state_folder is too long\n");
        return EXIT_USAGE;
    }
    return run_sibling(bin_folder, (char *[]){words[0], words[1], option, log, words[2], quiet ? words[3] : NULL, NULL});
}

static bool is_word(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

static int run_command(const char *bin_folder, int count, char **words)
{
    bool wants_help = count > 1 && is_word(words[1], "--help", "-h");
    if (wants_help && help_print(words[0]))
        return 0;
    if (is_word(words[0], "--help", "help"))
        return help_print(count > 1 ? words[1] : NULL) ? 0 : help_usage(NULL);
    if (strcmp(words[0], "--check-config") == 0)
        return count == 2 ? command_check_config(words[1]) : help_usage("config");
    if (strcmp(words[0], "config") == 0)
        return command_config(count - 1, words + 1);
    if (strcmp(words[0], "up") == 0)
        return command_up(bin_folder, count, words);
    if (strcmp(words[0], "status") == 0)
        return command_status(count, words);
    if (is_word(words[0], "explain", "state"))
        return command_explain(bin_folder, count, words);
    if (strcmp(words[0], "record") == 0)
        return command_of_process(bin_folder, words, PROCESS_RECORD, true);
    if (strcmp(words[0], "index") == 0)
        return command_of_process(bin_folder, words, PROCESS_INDEX, true);
    if (strcmp(words[0], "reconcile") == 0)
        return command_of_process(bin_folder, words, PROCESS_INDEX, false);
    if (strcmp(words[0], "settle") == 0)
        return command_of_process(bin_folder, words, PROCESS_SETTLE, true);
    if (strcmp(words[0], "sign") == 0)
        return command_sign(bin_folder, words);
    if (strcmp(words[0], "standby") == 0)
        return command_standby(bin_folder, count, words);
    return run_sibling(bin_folder, words);
}

int main(int count, char **words)
{
    char bin_folder[PATH_MAX];
    if (!find_bin_folder(bin_folder)) {
        fprintf(stderr, "lonja: /proc/self/exe: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    if (count < 2)
        return help_usage(NULL);
    return run_command(bin_folder, count - 1, words + 1);
}
