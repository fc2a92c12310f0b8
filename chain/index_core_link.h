/* The door to the core in production: the indexer's ring and the event follower, on a thread of
 * their own, because the indexer waits for Postgres and the node and the link must beat every 100
 * ms. An eventfd tells of an answer. */
#ifndef LONJA_CHAIN_INDEX_CORE_LINK_H
#define LONJA_CHAIN_INDEX_CORE_LINK_H

#include "base/boot.h"
#include "chain/index_core.h"

struct index_core_link;

/* Starts the thread. NULL, the reason logged, when the rings cannot be mapped. `boot` must live as
 * long. */
struct index_core_link *index_core_link_open(const struct boot *boot);
void index_core_link_close(struct index_core_link *link);

struct index_core_ops index_core_link_ops(struct index_core_link *link);
/* Readable when an answer may be there; drained by index_core_link_drain. */
int index_core_link_fd(const struct index_core_link *link);
void index_core_link_drain(struct index_core_link *link);

#endif
