/* `lonja index verify`: proves stored ranges again from the node, and compares digests and events.
 */
#ifndef LONJA_CHAIN_INDEX_VERIFY_H
#define LONJA_CHAIN_INDEX_VERIFY_H

/* The tool's main. Exit status: 0 all proved, 1 something differs or could not be proved, 2 bad
 * arguments. */
int index_verify_main(int count, char **words);

#endif
