/* How lonja-sign is told what to do: by the supervisor's boot record, or by hand on the command
 * line. */
#ifndef LONJA_CHAIN_SIGN_OPTIONS_H
#define LONJA_CHAIN_SIGN_OPTIONS_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

struct sign_options {
    char keystore[PATH_MAX];
    char passphrase_file[PATH_MAX];
    char socket[PATH_MAX];
    char policy[PATH_MAX];
    char log[PATH_MAX];
    uid_t allowed_uid;
    uint64_t requests_max; /* per second and connection */
};

#define SIGN_REQUESTS_MAX_DEFAULT 2000

/* Fills `out` from the arguments, or, without arguments and with LONJA_BOOT_FD set, from the boot
 * record. Prints and exits (0 after --help, 2 with a reason) where there is nothing to start. */
void sign_options_read(struct sign_options *out, int argc, char **argv);

#endif
