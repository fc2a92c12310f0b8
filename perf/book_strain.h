// Book strain: what the seeded workloads do not show of our own book: keys that suit it least, and
// a run so long that any growth of memory would show.
#ifndef LONJA_PERF_BOOK_STRAIN_H
#define LONJA_PERF_BOOK_STRAIN_H

#include <stddef.h>
#include <stdint.h>

struct strain { // processor time per operation, and the book's resident bytes at the end
    double ns_per_op;
    size_t resident;
};

enum { STRAIN_ORDERS = 100000 };

// Every order alone in its page: STRAIN_ORDERS orders at random 62-bit keys over 100 books; then
// each operation removes a random one and adds another at a new key.
struct strain strain_sparse(uint64_t operations, uint64_t seed);
// In one book of STRAIN_ORDERS such orders: an order comes and goes at the one end of the keys,
// then at the other, so that each operation makes or drops a page.
struct strain strain_far(uint64_t operations, uint64_t seed);
// One book around a price that drifts, about 10,000 live orders.
// Returns the state after `operations`; *early is that after a tenth of them. Resident is what the
// whole process has.
struct strain strain_flat(uint64_t operations, uint64_t seed, struct strain *early);

#endif
