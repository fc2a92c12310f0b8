// Book peers: other people's order books as contestants. Their sources are not ours to keep:
// LONJA_PEERS names a folder that has them (cpp-orderbook with cpp-decimal beside it, CppTrader
// with CppCommon beside it). perf/peers/build compiles each with our adapter, once, into a shared
// object in the build's bench folder.
#ifndef LONJA_PERF_BOOK_PEERS_H
#define LONJA_PERF_BOOK_PEERS_H

#include "perf/book_contest.h"

enum { BOOK_PEERS_MAX = 2 };

// Loads the peers that are there, at most BOOK_PEERS_MAX; returns how many. Says on standard error
// which are not, and why.
int book_peers_load(const struct book_contestant *peers[BOOK_PEERS_MAX]);

#endif
