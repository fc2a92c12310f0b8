/* Test only: a folder with a fresh key, and the process lonja-sign on it. */
#ifndef LONJA_CHAIN_SIGN_PROCESS_H
#define LONJA_CHAIN_SIGN_PROCESS_H

#include "chain/address.h"
#include "chain/signer.h"

#include <stdbool.h>
#include <sys/types.h>

#define SIGN_PROCESS_PATH_MAX 256

struct sign_process {
    char bin[SIGN_PROCESS_PATH_MAX];    /* where lonja-sign and lonja-key are */
    char folder[SIGN_PROCESS_PATH_MAX]; /* under /tmp; removed at the end */
    struct chain_address address;
    pid_t pid;
};

/* Makes folder, key and passphrase by lonja-key; no signer runs yet. Fails the test on any error.
 */
void sign_process_init(struct sign_process *process, const char *bin);
void sign_process_fini(struct sign_process *process);

/* `name` within the folder. */
void sign_process_path(char out[SIGN_PROCESS_PATH_MAX], const struct sign_process *process,
                       const char *name);

/* Writes the policy (renamed into place): one contract, the given methods (JSON list). */
void sign_process_policy(const struct sign_process *process, const char *contract,
                         const char *methods);

/* Starts it and waits until it answers on its socket; false when it exits first, with its status.
 */
bool sign_process_start(struct sign_process *process, int *status);
/* Sends the signal, waits, returns the wait status. */
int sign_process_stop(struct sign_process *process, int signal);

/* Its answers through the client, connected anew. */
void sign_process_connect(struct signer_ops *ops, const struct sign_process *process);

#endif
