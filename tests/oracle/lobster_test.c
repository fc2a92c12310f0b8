// The order book against LOBSTER's reconstruction of Nasdaq's: AAPL, 21 June 2012.
//
// What the files cannot say: orders that rested before 09:30, and what happens behind the levels
// that a file covers (ten, or fifty): its messages leave that out. So a level that comes back into
// sight may have changed, and one that should be there may be gone. The tests say exactly which
// figures depend on that; all others must agree.
#include <stdio.h>

#include "base/testing.h"
#include "tests/oracle/recorded_book.h"

#define FOLDER   "../shared/data/lobster/AAPL_2012-06-21_34200000_"
#define MESSAGES FOLDER "57600000_message_10.head1000.csv"
#define BOOKS    FOLDER "57600000_orderbook_10.head1000.csv"
#define HOUR     FOLDER "37800000_message_50.csv"
#define QUOTES   FOLDER "57600000_orderbook_1.csv"

enum { LEVELS = 10, MORE_LEVELS = 64 };

enum message_type { NEW = 1, REDUCED = 2, DELETED = 3, EXECUTED = 4, EXECUTED_HIDDEN = 5 };

struct message {
    int type; // enum message_type
    uint8_t side;
    uint64_t order;
    int64_t quantity;
    int64_t price;
};

struct row { // of a ten-level file
    struct recorded_level levels[2][LEVELS];
};

static const uint8_t sides[2] = {SIDE_SELL, SIDE_BUY}; // as a row has them

static FILE *open_recording(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        print_message("skipped: %s is not there\n", path);
        skip();
    }
    return file;
}

static bool read_message(FILE *file, struct message *out)
{
    int direction;
    int fields = fscanf(file, "%*d.%*d,%d,%lu,%ld,%ld,%d", &out->type, &out->order, &out->quantity,
                        &out->price, &direction);
    out->side = direction == 1 ? SIDE_BUY : SIDE_SELL;
    assert_true(fields == 5 || fields == EOF);
    return fields == 5;
}

static void read_row(FILE *file, struct row *out)
{
    for (int level = 0; level < LEVELS; level++) {
        for (int side = 0; side < 2; side++) {
            struct recorded_level *to = &out->levels[side][level];
            assert_int_equal(fscanf(file, "%ld,%ld%*c", &to->price, &to->quantity), 2);
        }
    }
}

// ---- applying a message

struct counts {
    uint32_t executions;       // of visible orders
    uint32_t executed_front;   // the first order of the best level, as price and time demand
    uint32_t executed_best;    // at the best price
    uint32_t of_unknown;       // messages about orders from before the start
    uint32_t of_unknown_level; // of these: at a price of which nothing is known either
};

static void count_execution(struct counts *counts, const struct recorded_book *book,
                            const struct message *message, uint32_t place)
{
    struct recorded_level best;
    recorded_book_levels(book, message->side, &best, 1);
    counts->executions++;
    counts->executed_best += best.price == message->price;
    counts->executed_front += recorded_book_is_front(book, place);
}

static void apply(struct recorded_book *book, struct counts *counts, const struct message *message)
{
    if (message->type == NEW) {
        recorded_book_add(book, message->side, message->price, message->order, message->quantity);
        return;
    }
    if (message->type == EXECUTED_HIDDEN)
        return; // what was hidden was never in the visible book
    uint32_t place = recorded_book_find(book, message->order);
    if (place == 0) {
        counts->of_unknown++;
        place = recorded_book_find_anonymous(book, message->side, message->price);
    }
    if (place == 0) {
        counts->of_unknown_level++;
        return;
    }
    if (message->type == EXECUTED)
        count_execution(counts, book, message, place);
    recorded_book_reduce(book, place, message->quantity);
}

// What rested before 09:30, as far as the first row tells: the row is the book after the first
// message, which is a new order.
static void teach_what_rested(struct recorded_book *book, const struct row *row,
                              const struct message *first)
{
    assert_int_equal(first->type, NEW);
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < LEVELS; i++) {
            struct recorded_level level = row->levels[side][i];
            if (sides[side] == first->side && level.price == first->price)
                level.quantity -= first->quantity;
            recorded_book_teach(book, sides[side], level.price, level.quantity);
        }
    }
}

// ---- ten levels, row by row

struct comparison {
    uint32_t kept;         // levels that were in sight a row ago, or were made by this message
    uint32_t kept_equal;   // of these: price and quantity as the file has them
    uint32_t back;         // levels that came back into sight
    uint32_t back_equal;   // of these: still as we remember them
    uint32_t gone;         // levels that we remember and that never came back into sight
    uint32_t rows_perfect; // all twenty levels equal, with nothing corrected
};

static bool has(const struct recorded_level levels[LEVELS], int64_t price)
{
    for (int i = 0; i < LEVELS; i++)
        if (levels[i].price == price)
            return true;
    return false;
}

static bool is_within(uint8_t side, int64_t price, int64_t worst)
{
    return side == SIDE_SELL ? price <= worst : price >= worst;
}

// Levels of ours that the row should show and does not. Only those may be gone that were out of
// sight before.
static bool drop_what_is_gone(struct recorded_book *book, struct comparison *comparison,
                              uint8_t side, const struct recorded_level row[LEVELS],
                              const struct recorded_level before[LEVELS])
{
    struct recorded_level ours[MORE_LEVELS];
    bool none = true;
    recorded_book_levels(book, side, ours, MORE_LEVELS);
    for (int i = 0; i < MORE_LEVELS && ours[i].price != 0; i++) {
        if (!is_within(side, ours[i].price, row[LEVELS - 1].price) || has(row, ours[i].price))
            continue;
        assert_false(has(before, ours[i].price));
        recorded_book_teach(book, side, ours[i].price, 0);
        comparison->gone++;
        none = false;
    }
    return none;
}

static bool compare_side(struct recorded_book *book, struct comparison *comparison, uint8_t side,
                         const struct recorded_level row[LEVELS],
                         const struct recorded_level before[LEVELS], const struct message *message)
{
    bool perfect = drop_what_is_gone(book, comparison, side, row, before);
    for (int i = 0; i < LEVELS; i++) {
        bool equal = recorded_book_quantity(book, side, row[i].price) == row[i].quantity;
        bool made = message->type == NEW && message->side == side && message->price == row[i].price;
        if (has(before, row[i].price) || made) {
            comparison->kept++;
            comparison->kept_equal += equal;
            assert_true(equal);
        } else {
            comparison->back++;
            comparison->back_equal += equal;
            if (!equal)
                recorded_book_teach(book, side, row[i].price, row[i].quantity);
        }
        perfect = perfect && equal;
    }
    // And in this order: the book's own walk is the row.
    struct recorded_level ours[LEVELS];
    recorded_book_levels(book, side, ours, LEVELS);
    assert_memory_equal(ours, row, sizeof ours);
    return perfect;
}

static void ten_levels_agree_row_by_row(void **state)
{
    (void)state;
    FILE *messages = open_recording(MESSAGES);
    FILE *rows = open_recording(BOOKS);
    struct recorded_book book;
    struct counts counts = {0};
    struct comparison comparison = {0};
    struct message message;
    struct row before = {0};
    uint32_t count = 0;
    recorded_book_open(&book);
    for (; read_message(messages, &message); count++) {
        struct row row;
        read_row(rows, &row);
        if (count == 0) {
            teach_what_rested(&book, &row, &message);
            before = row;
        }
        apply(&book, &counts, &message);
        bool perfect = true;
        for (int side = 0; side < 2; side++)
            perfect &= compare_side(&book, &comparison, sides[side], row.levels[side],
                                    before.levels[side], &message);
        comparison.rows_perfect += perfect;
        before = row;
    }
    fclose(messages);
    fclose(rows);
    recorded_book_close(&book);
    print_message("ten levels: %u rows, %u with all 20 levels equal; levels kept in sight %u, "
                  "equal %u; back in sight %u, as remembered %u; gone out of sight %u\n",
                  count, comparison.rows_perfect, comparison.kept, comparison.kept_equal,
                  comparison.back, comparison.back_equal, comparison.gone);
    print_message("executions %u, at the best price %u, of the first in time %u; messages about "
                  "orders from before %u\n",
                  counts.executions, counts.executed_best, counts.executed_front,
                  counts.of_unknown);
    assert_int_equal(count, 999);
    assert_int_equal(comparison.rows_perfect, 985);
    assert_int_equal(comparison.kept, 19662);
    assert_int_equal(comparison.kept_equal, comparison.kept);
    assert_int_equal(comparison.kept + comparison.back, count * 2 * LEVELS);
    assert_int_equal(comparison.back_equal, 306);
    assert_int_equal(comparison.gone, 2);
    assert_int_equal(counts.of_unknown, 9);
    assert_int_equal(counts.executions, 98);
    assert_int_equal(counts.executed_front, 98);
}

// ---- the best quotes of an hour

struct quote { // a row of a one-level file
    struct recorded_level sell;
    struct recorded_level buy;
};

static bool quote_equal(const struct quote *a, const struct quote *b)
{
    return a->sell.price == b->sell.price && a->sell.quantity == b->sell.quantity &&
           a->buy.price == b->buy.price && a->buy.quantity == b->buy.quantity;
}

// The next best quote that differs from *quote.
static bool read_quote_change(FILE *file, struct quote *quote)
{
    struct quote next;
    while (fscanf(file, "%ld,%ld,%ld,%ld", &next.sell.price, &next.sell.quantity, &next.buy.price,
                  &next.buy.quantity) == 4) {
        if (!quote_equal(&next, quote)) {
            *quote = next;
            return true;
        }
    }
    return false;
}

static struct quote quote_of(const struct recorded_book *book)
{
    struct quote quote;
    recorded_book_levels(book, SIDE_SELL, &quote.sell, 1);
    recorded_book_levels(book, SIDE_BUY, &quote.buy, 1);
    return quote;
}

// Its level was not among the best fifty when it went, so no message says that it did.
enum { GONE_OUT_OF_SIGHT = 45367855, CHANGES_BEFORE_IT_MATTERS = 15999, CHANGES = 23440 };

static void the_best_quotes_of_an_hour_agree(void **state)
{
    (void)state;
    FILE *messages = open_recording(HOUR);
    FILE *quotes = open_recording(QUOTES);
    FILE *rows = open_recording(BOOKS);
    struct recorded_book book;
    struct counts counts = {0};
    struct message message;
    struct row row;
    struct quote ours = {0};
    struct quote theirs = {0};
    uint32_t changes = 0;
    recorded_book_open(&book);
    read_row(rows, &row);
    for (uint32_t count = 0; read_message(messages, &message); count++) {
        if (count == 0)
            teach_what_rested(&book, &row, &message);
        apply(&book, &counts, &message);
        struct quote now = quote_of(&book);
        if (quote_equal(&now, &ours))
            continue;
        assert_true(read_quote_change(quotes, &theirs));
        if (changes == CHANGES_BEFORE_IT_MATTERS) {
            assert_false(quote_equal(&now, &theirs));
            uint32_t gone = recorded_book_find(&book, GONE_OUT_OF_SIGHT);
            recorded_book_reduce(&book, gone, recorded_book_order(&book, gone)->leaves);
            now = quote_of(&book);
        }
        assert_true(quote_equal(&now, &theirs));
        ours = now;
        changes++;
    }
    fclose(messages);
    fclose(quotes);
    fclose(rows);
    recorded_book_close(&book);
    print_message("an hour: %u changes of the best quotes, all equal, one order withdrawn at %u; "
                  "executions %u, at the best price %u, of the first in time %u; messages about "
                  "orders from before %u, %u of them behind the ten levels\n",
                  changes, CHANGES_BEFORE_IT_MATTERS, counts.executions, counts.executed_best,
                  counts.executed_front, counts.of_unknown, counts.of_unknown_level);
    assert_int_equal(changes, CHANGES);
    assert_int_equal(counts.executions, 4067);
    assert_int_equal(counts.executed_best, counts.executions);
    assert_int_equal(counts.executed_front, 4043);
    assert_int_equal(counts.of_unknown, 84);
    assert_int_equal(counts.of_unknown_level, 53);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_levels_agree_row_by_row),
        cmocka_unit_test(the_best_quotes_of_an_hour_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
