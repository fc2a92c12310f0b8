/* `lonja sign audit`: shows and verifies the signer's log. */
#ifndef LONJA_CHAIN_SIGN_AUDIT_H
#define LONJA_CHAIN_SIGN_AUDIT_H

/* Takes the arguments behind the program's name ("audit" first); returns the exit status: 0 whole,
 * 1 broken or unreadable, 2 bad arguments. */
int sign_audit(int argc, char **argv);

#endif
