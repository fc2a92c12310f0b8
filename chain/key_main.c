/* lonja-key: makes, reads and changes key files. A key or a passphrase is never an argument. */
#include "chain/hex.h"
#include "chain/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "Usage: lonja key new     --keystore FILE --passphrase-file FILE [--make-passphrase]\n"
    "                         [--format FORMAT] [--light]\n"
    "       lonja key import  --keystore FILE --passphrase-file FILE --key-file FILE\n"
    "                         [--format FORMAT] [--light]\n"
    "       lonja key address --keystore FILE --passphrase-file FILE\n"
    "       lonja key convert --keystore FILE --passphrase-file FILE --to FILE\n"
    "                         [--new-passphrase-file FILE] [--format FORMAT] [--light]\n"
    "       lonja key rotate  --keystore FILE --passphrase-file FILE [--activate] [--light]\n"
    "\n"
    "Makes, reads and changes key files, and prints the key's address.\n"
    "\n"
    "  new       a random key\n"
    "  import    the key in --key-file: 64 hexadecimal digits, the file readable by its owner "
    "only\n"
    "  address   opens an existing file of either format and prints its address\n"
    "  convert   writes the key of --keystore to the new file --to, in another format or with "
    "another\n"
    "            passphrase; the old file stays\n"
    "  rotate    makes the next key, FILE.next, with the same passphrase; run again it prints its "
    "address\n"
    "            again. With --activate FILE becomes FILE.retired-ADDRESS and FILE.next becomes "
    "FILE; then\n"
    "            start the signer anew. docs/signer.md says what to do in between\n"
    "\n"
    "  --keystore FILE         never overwritten\n"
    "  --passphrase-file FILE  must be readable by its owner only\n"
    "  --make-passphrase       writes a random passphrase to that file first, if it does not "
    "exist\n"
    "  --format FORMAT         gcm (default): scrypt and AES-256-GCM, what the signer keeps; v3: "
    "what every\n"
    "                          Ethereum wallet reads (AES-128-CTR)\n"
    "  --light                 a cheap key derivation, for development chains and tests\n"
    "\n"
    "Exit status: 0 done, 1 failed (the message says why), 2 bad arguments.\n";

struct options {
    const char *command;
    const char *keystore;
    const char *passphrase_file;
    const char *key_file;
    const char *to;
    const char *new_passphrase_file;
    bool make_passphrase;
    bool activate;
    enum keystore_format format;
    enum keystore_cost cost;
};

struct passphrase {
    uint8_t text[1024];
    size_t len;
};

static int complain(const char *what, enum keystore_result result)
{
    const char *why = result == KEYSTORE_IO ? strerror(errno) : keystore_result_text(result);
    if (result == KEYSTORE_IO && errno == EACCES)
        why = "not readable, or readable by others (chmod 600)";
    fprintf(stderr, "lonja-key: %s: %s\n", what, why);
    return 1;
}

static int usage(const char *problem)
{
    fprintf(stderr, "lonja-key: %s; --help explains\n", problem);
    return 2;
}

/* 32 random bytes in hexadecimal, in a file that did not exist. */
static bool make_passphrase(const char *path)
{
    uint8_t bytes[32];
    char text[HEX_TEXT_SIZE(sizeof(bytes))];
    const size_t len = sizeof(text) - 2; /* digits and a line end, without "0x" */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return errno == EEXIST;
    bool made = RAND_priv_bytes(bytes, sizeof(bytes)) == 1;
    hex_encode(text, bytes, sizeof(bytes));
    text[sizeof(text) - 1] = '\n';
    made = made && write(file, text + 2, len) == (ssize_t)len && fsync(file) == 0;
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    close(file);
    return made;
}

static int read_passphrase(struct passphrase *out, const char *path)
{
    enum keystore_result result =
        keystore_read_passphrase(out->text, sizeof(out->text), &out->len, path);
    return result == KEYSTORE_OK ? 0 : complain(path, result);
}

static int open_key(uint8_t key[KEYSTORE_KEY_BYTES], struct chain_address *address,
                    const char *path, const struct passphrase *passphrase)
{
    enum keystore_result result =
        keystore_open(key, address, path, passphrase->text, passphrase->len);
    return result == KEYSTORE_OK ? 0 : complain(path, result);
}

static int print_address(const char *path, const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    char text[ADDRESS_TEXT_SIZE];
    int status = open_key(key, &address, path, passphrase);
    OPENSSL_cleanse(key, sizeof(key));
    if (status != 0)
        return status;
    address_format(text, &address);
    return puts(text) < 0;
}

/* Writes the file and prints the address of what can be read from it. */
static int write_key(const char *path, const uint8_t key[KEYSTORE_KEY_BYTES],
                     const struct options *options, const struct passphrase *passphrase)
{
    enum keystore_result result = keystore_create(path, key, passphrase->text, passphrase->len,
                                                  options->format, options->cost);
    return result == KEYSTORE_OK ? print_address(path, passphrase) : complain(path, result);
}

/* A key file is treated like a passphrase: private, one line. */
static int read_key(uint8_t key[KEYSTORE_KEY_BYTES], const struct options *options)
{
    char text[128] = {0};
    size_t len;
    enum keystore_result result =
        keystore_read_passphrase((uint8_t *)text, sizeof(text) - 1, &len, options->key_file);
    if (result != KEYSTORE_OK)
        return complain(options->key_file, result);
    text[len] = '\0';
    bool read = hex_decode_exact(key, KEYSTORE_KEY_BYTES, text);
    OPENSSL_cleanse(text, sizeof(text));
    if (read)
        return 0;
    fprintf(stderr, "lonja-key: %s: not 64 hexadecimal digits\n", options->key_file);
    return 1;
}

static int create(const char *path, const struct options *options,
                  const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    if (options->key_file != NULL && read_key(key, options) != 0)
        return 1;
    enum keystore_result result =
        options->key_file != NULL ? KEYSTORE_OK : keystore_random_key(key);
    int status =
        result == KEYSTORE_OK ? write_key(path, key, options, passphrase) : complain(path, result);
    OPENSSL_cleanse(key, sizeof(key));
    return status;
}

static int convert(const struct options *options, const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    struct passphrase fresh = *passphrase;
    int status = open_key(key, &address, options->keystore, passphrase);
    if (status == 0 && options->new_passphrase_file != NULL)
        status = read_passphrase(&fresh, options->new_passphrase_file);
    if (status == 0)
        status = write_key(options->to, key, options, &fresh);
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    return status;
}

/* An administrator makes it; the signer's own user must be able to read it as it reads the old. */
static bool belongs_to_the_same(const char *next, const char *old)
{
    struct stat status;
    return stat(old, &status) == 0 && chown(next, status.st_uid, status.st_gid) == 0;
}

/* The old key gets its second name before it loses its first, and the first name changes from one
 * key to the other at once: whenever this ends, it can be run again. */
static int activate(const char *next, const struct options *options,
                    const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address old;
    struct chain_address fresh;
    char address[ADDRESS_TEXT_SIZE];
    char retired[PATH_MAX];
    int status = open_key(key, &fresh, next, passphrase);
    if (status == 0)
        status = open_key(key, &old, options->keystore, passphrase);
    OPENSSL_cleanse(key, sizeof(key));
    if (status != 0)
        return status;
    address_format(address, &old);
    int len =
        snprintf(retired, sizeof(retired), "%s" KEYSTORE_RETIRED "%s", options->keystore, address);
    if (len >= (int)sizeof(retired))
        return usage("the name of the key file is too long");
    if (!belongs_to_the_same(next, options->keystore))
        return complain(next, KEYSTORE_IO);
    if (link(options->keystore, retired) != 0 && errno != EEXIST)
        return complain(retired, KEYSTORE_IO);
    if (rename(next, options->keystore) != 0)
        return complain(options->keystore, KEYSTORE_IO);
    sync();
    return print_address(options->keystore, passphrase);
}

static int rotate(const struct options *options, const struct passphrase *passphrase)
{
    char next[PATH_MAX];
    if (snprintf(next, sizeof(next), "%s.next", options->keystore) >= (int)sizeof(next))
        return usage("the name of the key file is too long");
    if (options->activate)
        return activate(next, options, passphrase);
    return access(next, F_OK) == 0 ? print_address(next, passphrase)
                                   : create(next, options, passphrase);
}

static bool read_format(struct options *out, const char *text)
{
    out->format = strcmp(text, "v3") == 0 ? KEYSTORE_V3 : KEYSTORE_GCM;
    return out->format == KEYSTORE_V3 || strcmp(text, "gcm") == 0 ||
           usage("the formats are gcm and v3") == 0;
}

static bool read_options(struct options *out, int argc, char **argv)
{
    *out = (struct options){.format = KEYSTORE_GCM, .cost = KEYSTORE_COST_STANDARD};
    const struct {
        struct option option;
        const char **text;
    } texts[] = {{{"keystore", required_argument, NULL, 0}, &out->keystore},
                 {{"passphrase-file", required_argument, NULL, 1}, &out->passphrase_file},
                 {{"key-file", required_argument, NULL, 2}, &out->key_file},
                 {{"to", required_argument, NULL, 3}, &out->to},
                 {{"new-passphrase-file", required_argument, NULL, 4}, &out->new_passphrase_file}};
    enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };
    struct option known[TEXTS + 6] = {{0}};
    for (size_t i = 0; i < TEXTS; i++)
        known[i] = texts[i].option;
    known[TEXTS] = (struct option){"make-passphrase", no_argument, NULL, 'm'};
    known[TEXTS + 1] = (struct option){"activate", no_argument, NULL, 'a'};
    known[TEXTS + 2] = (struct option){"light", no_argument, NULL, 'l'};
    known[TEXTS + 3] = (struct option){"format", required_argument, NULL, 'f'};
    known[TEXTS + 4] = (struct option){"help", no_argument, NULL, 'h'};
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option < TEXTS)
            *texts[option].text = optarg;
        else if (option == 'm')
            out->make_passphrase = true;
        else if (option == 'a')
            out->activate = true;
        else if (option == 'l')
            out->cost = KEYSTORE_COST_LIGHT;
        else if (option == 'h')
            exit(fputs(help, stdout) < 0);
        else if (option != 'f' || !read_format(out, optarg))
            return false;
    }
    out->command = optind + 1 == argc ? argv[optind] : "";
    return true;
}

static int run(const struct options *options, const struct passphrase *passphrase)
{
    if (strcmp(options->command, "address") == 0)
        return print_address(options->keystore, passphrase);
    if (strcmp(options->command, "convert") == 0)
        return convert(options, passphrase);
    if (strcmp(options->command, "rotate") == 0)
        return rotate(options, passphrase);
    return create(options->keystore, options, passphrase);
}

static bool is_command(const char *text)
{
    static const char *const commands[] = {"new", "import", "address", "convert", "rotate"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i], text) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    struct options options;
    struct passphrase passphrase;
    if (!read_options(&options, argc, argv))
        return 2;
    if (!is_command(options.command))
        return usage("one command is needed: new, import, address, convert or rotate");
    if (options.keystore == NULL || options.passphrase_file == NULL)
        return usage("--keystore and --passphrase-file are needed");
    if ((strcmp(options.command, "import") == 0) != (options.key_file != NULL))
        return usage("--key-file belongs to import, and import needs it");
    if ((strcmp(options.command, "convert") == 0) != (options.to != NULL))
        return usage("--to belongs to convert, and convert needs it");
    if (options.make_passphrase && !make_passphrase(options.passphrase_file))
        return complain(options.passphrase_file, KEYSTORE_IO);
    int status = read_passphrase(&passphrase, options.passphrase_file);
    if (status == 0)
        status = run(&options, &passphrase);
    OPENSSL_cleanse(&passphrase, sizeof(passphrase));
    return status;
}
