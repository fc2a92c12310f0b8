// lonja-explain: see explain.h. `lonja explain …` and `lonja state …` run it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/explain.h"
#include "core/explain_words.h"

static const char USAGE[] =
    "Usage: lonja explain order ID\n"
    "       lonja explain reject SEQ\n"
    "       lonja explain balance ACCOUNT ASSET [--from SEQ] [--limit N]\n"
    "       lonja state [--at SEQ|TIME] [--account A] [--orders] [--depth N] [--limit N] "
    "[--check]\n"
    "\n"
    "Answers from the journal alone, also while the venue runs (up to what is durable); nothing is "
    "written.\n"
    "\n"
    "  order     what an order met when it came, what was ahead of it, what happened to it, and "
    "why it has not\n"
    "            (wholly) traded. ID is the sequence of its command, as every answer to a member "
    "names it\n"
    "  reject    which check refused a command, and the state that it looked at. SEQ is the "
    "command's sequence\n"
    "  balance   every posting that made a balance, with its cause; ASSET is a number or a symbol. "
    "--from: only\n"
    "            what came at or behind that sequence. --limit: how many lines, the newest "
    "(default 50)\n"
    "  state     the venue after a sequence, or at a time (ISO 8601, UTC: 2026-11-27T20:49:35Z); "
    "default: now.\n"
    "            --account: its balances and limits. --orders: open orders (of that account). "
    "--depth: price\n"
    "            levels (default 5). --check: every invariant is walked, every asset must sum to "
    "zero\n"
    "\n"
    "  --json          one JSON object: money, prices and quantities are decimals as text\n"
    "  --state FOLDER  the venue's state folder (it holds journal/, snapshots/); of ./run it is "
    "var/state\n"
    "  --config FILE   else the configuration names it (default: $LONJA_CONFIG, else "
    "var/lonja.conf)\n"
    "\n"
    "Exit status: 0 answered, 1 there is no such thing (yet) or nothing can be read, 2 bad "
    "arguments,\n"
    "3 the journal is corrupt, a replay differs, or the books do not add up.\n";

struct arguments {
    struct explain_options options;
    const char *state;
    const char *words[3]; // verb and what it is asked of
    int count;
    bool json, help;
};

static bool number(uint64_t *out, const char *text)
{
    ASSERT(text != NULL);
    if (text[0] < '0' || text[0] > '9')
        return false;
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool number_up_to(uint64_t *out, const char *text, uint64_t most)
{
    return number(out, text) && *out <= most;
}

static bool account(uint32_t *out, const char *text)
{
    uint64_t value;
    if (!number_up_to(&value, text, UINT32_MAX) || value == 0)
        return false;
    *out = (uint32_t)value;
    return true;
}

// A sequence, or a time.
static bool moment(struct explain_options *options, const char *text)
{
    ASSERT(text != NULL);
    if (text[strspn(text, "0123456789")] == 0)
        return number(&options->at, text);
    return explain_time_parse(&options->at_ns, text);
}

static bool parse_option(struct arguments *arguments, char ***at)
{
    static const uint64_t LINES_MAX = 1000000, DEPTH_MAX = 100000;
    struct explain_options *options = &arguments->options;
    const char *word = **at;
    if (strcmp(word, "--json") == 0)
        return arguments->json = true;
    if (strcmp(word, "--orders") == 0)
        return options->orders = true;
    if (strcmp(word, "--check") == 0)
        return options->check = true;
    const char *value = (*at)[1];
    if (value == NULL)
        return false;
    ++*at;
    if (strcmp(word, "--state") == 0)
        return (arguments->state = value) != NULL;
    if (strcmp(word, "--from") == 0)
        return number(&options->from, value);
    if (strcmp(word, "--limit") == 0)
        return number_up_to(&options->limit, value, LINES_MAX);
    if (strcmp(word, "--depth") == 0)
        return number_up_to(&options->depth, value, DEPTH_MAX);
    if (strcmp(word, "--account") == 0)
        return account(&options->account, value);
    return strcmp(word, "--at") == 0 && moment(options, value);
}

static bool parse(struct arguments *arguments, char **argv)
{
    *arguments = (struct arguments){.options = {.at = UINT64_MAX,
                                                .at_ns = UINT64_MAX,
                                                .limit = EXPLAIN_LIMIT_DEFAULT,
                                                .depth = EXPLAIN_DEPTH_DEFAULT,
                                                .now_ns = clock_wall_ns(&clock_system)}};
    for (; *argv != NULL; argv++) {
        const char *word = *argv;
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return arguments->help = true;
        bool taken = word[0] == '-' ? parse_option(arguments, &argv) : arguments->count < 3;
        if (taken && word[0] != '-')
            arguments->words[arguments->count++] = word;
        if (!taken) {
            fprintf(stderr, "lonja-explain: not understood: %s%s%s\n", word,
                    *argv != word ? " " : "", *argv != word ? *argv : "");
            return false;
        }
    }
    return true;
}

// What is asked, of whom; NONE: the words make no question.
enum question { NONE, ORDER, REJECT, BALANCE, STATE };

static enum question question_of(const struct arguments *arguments, uint64_t *id)
{
    static const struct {
        const char *verb;
        int words;
        enum question question;
    } known[] = {
        {"order", 2, ORDER}, {"reject", 2, REJECT}, {"balance", 3, BALANCE}, {"state", 1, STATE}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (arguments->count != known[i].words || strcmp(arguments->words[0], known[i].verb) != 0)
            continue;
        uint64_t most = known[i].question == BALANCE ? UINT32_MAX : UINT64_MAX - 1;
        bool good = known[i].question == STATE || number_up_to(id, arguments->words[1], most);
        return good ? known[i].question : NONE;
    }
    return NONE;
}

static int ask(struct explain_answer *answer, struct explain_journal *journal,
               const struct arguments *arguments, enum question question, uint64_t id)
{
    switch (question) {
    case ORDER:
        return explain_order(answer, journal, id);
    case REJECT:
        return explain_reject(answer, journal, id);
    case BALANCE:
        return explain_balance(answer, journal, (uint32_t)id, arguments->words[2],
                               &arguments->options);
    case STATE:
    case NONE:
    default:
        ASSERT(question == STATE);
        return explain_state(answer, journal, &arguments->options);
    }
}

static int answer_of(const struct arguments *arguments, enum question question, uint64_t id)
{
    struct explain_journal journal;
    struct explain_answer answer;
    int result = explain_journal_open(&journal, arguments->state);
    if (result != 0)
        return result;
    explain_answer_open(&answer);
    result = ask(&answer, &journal, arguments, question, id);
    if (result != EXPLAIN_NONE) // what does not add up is shown
        explain_answer_print(&answer, stdout, arguments->json);
    explain_answer_close(&answer);
    explain_journal_close(&journal);
    return result;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    log_open("explain");
    bool parsed = argc > 1 && parse(&arguments, argv + 1);
    if (parsed && arguments.help) {
        fputs(USAGE, stdout);
        return EXPLAIN_ANSWERED;
    }
    uint64_t id = 0;
    enum question question = parsed ? question_of(&arguments, &id) : NONE;
    if (question == NONE) {
        fputs(USAGE, stderr);
        if (parsed && arguments.count > 0)
            fprintf(stderr,
                    "\nlonja-explain: %s: order and reject want a sequence, balance an account's "
                    "number and an asset, state nothing more\n",
                    arguments.words[0]);
        return EXPLAIN_USAGE;
    }
    if (arguments.state == NULL) {
        fputs("lonja-explain: which venue? --state FOLDER (lonja explain takes it from the "
              "configuration)\n",
              stderr);
        return EXPLAIN_USAGE;
    }
    return answer_of(&arguments, question, id);
}
