#include "gateway/web/token.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/map.h"

enum { SECRET_BYTES = 32, HASH_BYTES = 32 };

struct entry {
    struct token token; // number 0 = free
    uint8_t hash[HASH_BYTES];
};

struct tokens {
    uint64_t number_last;
    struct map by_hash; // first bytes of the hash -> index + 1
    uint32_t used;      // entries that have ever been used
    struct entry entries[TOKENS_MAX];
};

struct tokens *tokens_create(void)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (tokens != NULL)
        map_init(&tokens->by_hash);
    return tokens;
}

void tokens_destroy(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    map_fini(&tokens->by_hash);
    free(tokens);
}

// Hashes that begin alike are as likely as guessing a token; one of the two would then not be
// found.
static uint64_t key_of(const uint8_t hash[HASH_BYTES])
{
    uint64_t key;
    memcpy(&key, hash, sizeof key);
    return key | 1; // 0 is no key
}

static void hash_of(uint8_t hash[HASH_BYTES], const char *text)
{
    unsigned bytes = 0;
    int done = EVP_Digest(text, TOKEN_TEXT_BYTES, hash, &bytes, EVP_sha256(), NULL);
    ASSERT(done == 1 && bytes == HASH_BYTES);
}

static void random_text(char text[TOKEN_TEXT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t secret[SECRET_BYTES];
    ssize_t got = getrandom(secret, sizeof secret, 0);
    ASSERT(got == SECRET_BYTES); // up to 256 bytes are never cut short
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        text[2 * i] = digits[secret[i] >> 4];
        text[2 * i + 1] = digits[secret[i] & 15];
    }
    text[TOKEN_TEXT_BYTES] = '\0';
    explicit_bzero(secret, sizeof secret);
}

static void forget(struct tokens *tokens, struct entry *entry)
{
    map_remove(&tokens->by_hash, key_of(entry->hash));
    memset(entry, 0, sizeof *entry);
}

// Finds room; on the way the expired go, and the oldest of a session that has its share.
static struct entry *make_room(struct tokens *tokens, uint32_t session, uint64_t now_ns)
{
    struct entry *room = NULL, *oldest = NULL;
    unsigned of_session = 0;
    for (struct entry *e = tokens->entries; e < tokens->entries + tokens->used; e++) {
        if (e->token.number != 0 && e->token.expires_ns <= now_ns)
            forget(tokens, e);
        if (e->token.number == 0) {
            room = e;
        } else if (e->token.session == session) {
            of_session++;
            if (oldest == NULL || e->token.number < oldest->token.number)
                oldest = e;
        }
    }
    if (of_session >= TOKENS_PER_SESSION_MAX) {
        forget(tokens, oldest);
        return oldest;
    }
    if (room == NULL && tokens->used < TOKENS_MAX)
        room = &tokens->entries[tokens->used++];
    return room;
}

bool tokens_issue(struct tokens *tokens, char text[TOKEN_TEXT_BYTES + 1], const struct token *of,
                  uint64_t now_ns)
{
    struct entry *entry = make_room(tokens, of->session, now_ns);
    if (entry == NULL)
        return false;
    random_text(text);
    hash_of(entry->hash, text);
    map_put(&tokens->by_hash, key_of(entry->hash), (uint64_t)(entry - tokens->entries) + 1);
    entry->token = *of;
    entry->token.number = ++tokens->number_last;
    return true;
}

bool tokens_find(const struct tokens *tokens, struct token *out, const char *text, size_t bytes,
                 uint64_t now_ns)
{
    uint8_t hash[HASH_BYTES];
    uint64_t index = 0;
    if (bytes != TOKEN_TEXT_BYTES)
        return false;
    hash_of(hash, text);
    if (!map_get(&tokens->by_hash, key_of(hash), &index))
        return false;
    const struct entry *entry = &tokens->entries[index - 1];
    if (memcmp(entry->hash, hash, HASH_BYTES) != 0)
        return false;
    *out = entry->token;
    return entry->token.expires_ns > now_ns;
}

void tokens_revoke(struct tokens *tokens, uint64_t number)
{
    for (struct entry *e = tokens->entries; e < tokens->entries + tokens->used; e++)
        if (e->token.number == number)
            forget(tokens, e);
}

uint64_t tokens_stale(const struct tokens *tokens, uint32_t login, int64_t login_version)
{
    for (const struct entry *e = tokens->entries; e < tokens->entries + tokens->used; e++)
        if (e->token.number != 0 && e->token.login == login &&
            e->token.login_version != login_version)
            return e->token.number;
    return 0;
}
