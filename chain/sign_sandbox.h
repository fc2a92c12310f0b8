/* What the signer gives up: core dumps and being traced, swapping of its memory, and every system
 * call by which it could reach the network or become another program.
 */
#ifndef LONJA_CHAIN_SIGN_SANDBOX_H
#define LONJA_CHAIN_SIGN_SANDBOX_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>

/* Before a secret is read. Not dumpable, no core file, and `secret` (whole pages) locked in memory;
 * all memory as well where the limits allow it, and *all_locked says whether. False with errno:
 * then no secret must be read. */
CHECKED bool sign_sandbox_protect_memory(bool *all_locked, void *secret, size_t len);

/* After the socket listens. From here on socket, connect, bind, listen, execve, fork, ptrace and
 * their kin kill the process. False with errno when the kernel refuses the filter. */
CHECKED bool sign_sandbox_close(void);

#endif
