#include "settlement/callers.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { TOKEN_MIN = 32, TOKEN_MAX = 120, FILE_BYTES_MAX = 16384 };

static const char *const words[] = {
#define WORD(name, word) word,
    CALLERS_OPERATIONS(WORD)
#undef WORD
};

static bool is_made_of(const char *text, size_t min, size_t max, const char *also)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && strchr(also, text[i]) == NULL)
            return false;
    return len >= min && len <= max;
}

static bool add_operation(uint32_t *operations, const char *word)
{
    if (strcmp(word, "*") == 0) {
        *operations = (UINT32_C(1) << CALLER_OPERATION_COUNT) - 1;
        return true;
    }
    for (unsigned i = 0; i < CALLER_OPERATION_COUNT; i++)
        if (strcmp(words[i], word) == 0) {
            *operations |= UINT32_C(1) << i;
            return true;
        }
    return false;
}

// What is wrong with the line, or NULL.
static const char *parse_line(struct callers *callers, char *line)
{
    char *rest = NULL;
    char *name = strtok_r(line, " \t", &rest);
    char *token = strtok_r(NULL, " \t", &rest);
    char *operations = strtok_r(NULL, " \t", &rest);
    struct caller caller = {.operations = 0};

    if (name == NULL)
        return NULL;
    if (operations == NULL || strtok_r(NULL, " \t", &rest) != NULL)
        return "a line is NAME TOKEN OPERATIONS";
    if (!is_made_of(name, 1, CALLER_NAME_MAX - 1, "._-"))
        return "a name is 1 to 32 letters, digits, '.', '_' or '-'";
    if (!is_made_of(token, TOKEN_MIN, TOKEN_MAX, ""))
        return "a token is 32 to 120 letters and digits";
    for (char *word = strtok_r(operations, ",", &rest); word != NULL;
         word = strtok_r(NULL, ",", &rest))
        if (!add_operation(&caller.operations, word))
            return "an operation is not known";
    if (callers->count == CALLERS_MAX)
        return "more than 32 callers";
    snprintf(caller.name, sizeof(caller.name), "%s", name);
    caller.token_hash = keccak256_hash((const uint8_t *)token, strlen(token));
    callers->list[callers->count++] = caller;
    return NULL;
}

bool callers_parse(struct callers *callers, char *text, char error[CALLERS_ERROR_MAX])
{
    unsigned number = 0;

    callers->count = 0;
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
        line[strcspn(line, "#\r")] = '\0';
        number++;
        const char *fault = parse_line(callers, line);
        if (fault == NULL)
            continue;
        snprintf(error, CALLERS_ERROR_MAX, "line %u: %s", number, fault);
        callers->count = 0;
        return false;
    }
    return true;
}

void callers_init(struct callers *callers, const char *path)
{
    memset(callers, 0, sizeof(*callers));
    callers->path = path;
}

static void read_file(struct callers *callers)
{
    static char text[FILE_BYTES_MAX + 1]; // wiped below
    char error[CALLERS_ERROR_MAX];
    FILE *file = fopen(callers->path, "re");
    size_t len = file != NULL ? fread(text, 1, FILE_BYTES_MAX, file) : 0;

    callers->count = 0;
    text[len] = '\0';
    if (file == NULL)
        log_warning("nobody may use the chain's service: callers_file=%s error=\"%s\"",
                    callers->path, strerror(errno));
    else if (len == FILE_BYTES_MAX || memchr(text, '\0', len) != NULL)
        log_error("callers_file=%s is too long, or no text", callers->path);
    else if (!callers_parse(callers, text, error))
        log_error("callers_file=%s error=\"%s\"", callers->path, error);
    explicit_bzero(text, sizeof(text));
    if (file != NULL)
        fclose(file);
}

static void refresh(struct callers *callers)
{
    struct stat now = {0};
    struct stat *seen = &callers->seen;

    if (stat(callers->path, &now) != 0)
        now = (struct stat){0};
    if (callers->looked_at && now.st_ino == seen->st_ino && now.st_dev == seen->st_dev &&
        now.st_size == seen->st_size && now.st_mtim.tv_sec == seen->st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == seen->st_mtim.tv_nsec)
        return;
    callers->looked_at = true;
    callers->seen = now;
    read_file(callers);
}

static bool is_equal(const struct chain_hash *a, const struct chain_hash *b)
{
    volatile uint8_t difference = 0;

    for (size_t i = 0; i < KECCAK_BYTES; i++)
        difference |= (uint8_t)(a->bytes[i] ^ b->bytes[i]);
    return difference == 0;
}

int callers_find(struct callers *callers, const char *token)
{
    struct chain_hash hash = keccak256_hash((const uint8_t *)token, strlen(token));
    int found = -1;

    refresh(callers);
    for (size_t i = 0; i < callers->count; i++) // all of them, always
        found = is_equal(&hash, &callers->list[i].token_hash) ? (int)i : found;
    return found;
}

bool caller_may(const struct caller *caller, enum caller_operation operation)
{
    ASSERT(operation < CALLER_OPERATION_COUNT);
    return (caller->operations & UINT32_C(1) << operation) != 0;
}
