#include "chain/sign_options.h"

#include "base/boot.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: lonja-sign --keystore FILE --passphrase-file FILE --socket PATH --policy FILE --log "
    "FILE\n"
    "                  [--allow-uid N] [--requests-max N]\n"
    "       lonja-sign audit [--log FILE] [--quiet]\n"
    "\n"
    "Holds the settlement key and signs what the policy allows. It listens on one UNIX socket, "
    "reaches no\n"
    "network, and records every request with its answer in its log, synced before the answer "
    "leaves: no\n"
    "nonce is ever signed for a second payload. docs/signer.md has the policy file, and how a key "
    "is changed.\n"
    "\n"
    "  --keystore FILE         the active key (lonja-key new makes one); FILE.retired-ADDRESS "
    "beside it are\n"
    "                          keys that lonja-key rotate has retired: they sign further bids of "
    "their nonces\n"
    "  --passphrase-file FILE  the passphrase of all of them; readable by its owner only\n"
    "  --socket PATH           where it listens; at most 107 characters\n"
    "  --policy FILE           what may be signed (JSON); read again when it changes and at "
    "SIGHUP\n"
    "  --log FILE              its append-only log; a chain that starts anew needs a new one\n"
    "  --allow-uid N           user id that may ask for signatures (default: its own)\n"
    "  --requests-max N        per second and connection; what is above is refused (default "
    "2000)\n"
    "\n"
    "audit shows the log, a line per request (--quiet: none), and verifies it: checksums, hashes, "
    "and that\n"
    "each signature is its key's. It may run beside the signer. Exit status: 0 whole, 1 not.\n"
    "\n"
    "Without arguments it is a process of the venue and takes these from the supervisor: see "
    "sign.* in\n"
    "the configuration. SIGTERM ends it. Exit status: 0 stopped, 1 failed, 2 bad arguments or "
    "files.\n";

__attribute__((noreturn)) static void refuse(const char *what, const char *which)
{
    fprintf(stderr, "lonja-sign: %s%s; --help explains\n", what, which);
    exit(2);
}

static void copy_path(char out[PATH_MAX], const char *path)
{
    if (strlen(path) >= PATH_MAX)
        refuse("a path is too long: ", path);
    strcpy(out, path);
}

static uint32_t read_number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value >= UINT32_MAX)
        refuse("no number: ", text);
    return (uint32_t)value;
}

static void read_arguments(struct sign_options *out, int argc, char **argv)
{
    const struct {
        const char *name;
        char *path;
    } paths[] = {{"keystore", out->keystore},
                 {"passphrase-file", out->passphrase_file},
                 {"socket", out->socket},
                 {"policy", out->policy},
                 {"log", out->log}};
    enum { PATHS = sizeof(paths) / sizeof(paths[0]) };
    struct option options[PATHS + 4] = {{0}};
    for (int i = 0; i < PATHS; i++)
        options[i] = (struct option){paths[i].name, required_argument, NULL, 256 + i};
    options[PATHS] = (struct option){"allow-uid", required_argument, NULL, 'u'};
    options[PATHS + 2] = (struct option){"requests-max", required_argument, NULL, 'r'};
    options[PATHS + 1] = (struct option){"help", no_argument, NULL, 'h'};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option >= 256)
            copy_path(paths[option - 256].path, optarg);
        else if (option == 'u')
            out->allowed_uid = (uid_t)read_number(optarg);
        else if (option == 'r')
            out->requests_max = read_number(optarg);
        else if (option == 'h')
            exit(fputs(help, stdout) < 0);
        else
            exit(2);
    }
    if (optind != argc)
        refuse("not an option: ", argv[optind]);
    if (out->requests_max == 0)
        refuse("at least one is needed: ", "--requests-max");
    for (int i = 0; i < PATHS; i++)
        if (paths[i].path[0] == '\0')
            refuse("missing: --", paths[i].name);
}

static void read_boot(struct sign_options *out)
{
    const struct config *config = &boot_inherit(PROCESS_SIGN)->config;
    copy_path(out->keystore, config->sign_keystore);
    copy_path(out->passphrase_file, config->sign_passphrase_file);
    copy_path(out->socket, config->sign_socket);
    copy_path(out->policy, config->sign_policy_file);
    int len = snprintf(out->log, PATH_MAX, "%s/" SIGN_LOG_FILE, config->venue_state_folder);
    if (len < 0 || len >= PATH_MAX)
        refuse("a path is too long: ", config->venue_state_folder);
    out->requests_max = (uint64_t)config->sign_requests_max;
    /* The supervisor numbers the user ids of its processes in their order. */
    if (config->venue_per_process_users != 0 &&
        geteuid() == config->venue_first_user_id + PROCESS_SIGN)
        out->allowed_uid = (uid_t)(config->venue_first_user_id + PROCESS_SETTLE);
}

void sign_options_read(struct sign_options *out, int argc, char **argv)
{
    memset(out, 0, sizeof(*out));
    out->allowed_uid = geteuid();
    out->requests_max = SIGN_REQUESTS_MAX_DEFAULT;
    if (argc == 1 && getenv("LONJA_BOOT_FD") != NULL)
        read_boot(out);
    else
        read_arguments(out, argc, argv);
}
