// Book contest: what every contestant of the book benchmark implements, ours and the peers'
// (perf/peers, C++). Each gets the same array of operations, runs it in a loop of its own, and
// folds every match into a tally in the loop, so that nothing stands between it and the operations.
//
// Operations are 32 bytes, made beforehand. Ids count up from 1; prices are ticks in 1..65535.
#ifndef LONJA_PERF_BOOK_CONTEST_H
#define LONJA_PERF_BOOK_CONTEST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum book_operation_kind { BOOK_NEW, BOOK_CANCEL, BOOK_IOC, BOOK_REPLACE, BOOK_MARKET };

struct book_operation {
    uint8_t kind; // enum book_operation_kind
    uint8_t sell;
    uint16_t instrument; // from 0
    uint32_t quantity;
    uint32_t price; // 0 of cancel and market
    uint32_t reserved;
    uint64_t id;     // of the new order; of a cancel or replace: the order it names
    uint64_t new_id; // of a replace, which is a cancel and a new order
};

struct book_tally { // of the matches
    uint64_t trades;
    uint64_t volume;
    uint64_t checksum; // over (maker's id, quantity), in order
};

static inline void book_tally_add(struct book_tally *tally, uint64_t maker, uint64_t quantity)
{
    uint64_t mixed = tally->checksum ^ (maker * 0x9e3779b97f4a7c15u + quantity);
    tally->checksum = mixed << 13 | mixed >> 51;
    tally->trades++;
    tally->volume += quantity;
}

struct book_contestant {
    const char *name;
    // Empty books; the memory that they start with has been touched. orders_max is the most that
    // are ever open together.
    void *(*open)(uint32_t instruments, uint32_t orders_max);
    void (*close)(void *books);
    void (*run)(void *books, const struct book_operation *operations, size_t count,
                struct book_tally *tally);
    // The same, with the counts of the time stamp counter that each operation took.
    void (*run_timed)(void *books, const struct book_operation *operations, size_t count,
                      struct book_tally *tally, uint32_t *counts);
    // Resident bytes of the books; NULL or 0 = not known.
    size_t (*resident)(const void *books);
};

// Of a peer's shared object: its only symbol.
#define BOOK_CONTESTANT_SYMBOL "lonja_book_contestant"

#ifdef __cplusplus
}
#endif

#endif
