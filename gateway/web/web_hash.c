// web_hash PASSWORD: prints an argon2id hash of it, cheap to check; for web_test.mjs only.
#include <argon2.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **arguments)
{
    char encoded[256];
    if (count != 2 ||
        argon2id_hash_encoded(1, 1024, 1, arguments[1], strlen(arguments[1]), "salt of a test", 14,
                              32, encoded, sizeof encoded) != ARGON2_OK)
        return 1;
    puts(encoded);
    return 0;
}
