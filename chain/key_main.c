/* lonja-key: makes and inspects key store files. A key or a passphrase is never an argument. */
#include "chain/hex.h"
#include "chain/keystore.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: lonja-key new     --keystore FILE --passphrase-file FILE [--make-passphrase] "
    "[--light]\n"
    "       lonja-key import  --keystore FILE --passphrase-file FILE --key-file FILE [--light]\n"
    "       lonja-key address --keystore FILE --passphrase-file FILE\n"
    "\n"
    "Makes a key store (version 3, as every Ethereum wallet reads it) and prints the key's "
    "address.\n"
    "\n"
    "  new       a random key\n"
    "  import    the key in --key-file: 64 hexadecimal digits, the file readable by its owner "
    "only\n"
    "  address   opens an existing key store and prints its address\n"
    "\n"
    "  --keystore FILE         never overwritten\n"
    "  --passphrase-file FILE  must be readable by its owner only\n"
    "  --make-passphrase       writes a random passphrase to that file first, if it does not "
    "exist\n"
    "  --light                 a cheap key derivation, for development chains and tests\n"
    "\n"
    "Exit status: 0 done, 1 failed (the message says why), 2 bad arguments.\n";

struct options {
    const char *command;
    const char *keystore;
    const char *passphrase_file;
    const char *key_file;
    bool make_passphrase;
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

static int read_passphrase(struct passphrase *out, const struct options *options)
{
    if (options->make_passphrase && !make_passphrase(options->passphrase_file))
        return complain(options->passphrase_file, KEYSTORE_IO);
    enum keystore_result result =
        keystore_read_passphrase(out->text, sizeof(out->text), &out->len, options->passphrase_file);
    return result == KEYSTORE_OK ? 0 : complain(options->passphrase_file, result);
}

static int print_address(const struct options *options, const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    char text[ADDRESS_TEXT_SIZE];
    enum keystore_result result =
        keystore_open(key, &address, options->keystore, passphrase->text, passphrase->len);
    OPENSSL_cleanse(key, sizeof(key));
    if (result != KEYSTORE_OK)
        return complain(options->keystore, result);
    address_format(text, &address);
    return puts(text) < 0;
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

static int create(const struct options *options, const struct passphrase *passphrase)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    if (options->key_file != NULL && read_key(key, options) != 0)
        return 1;
    enum keystore_result result =
        options->key_file != NULL ? KEYSTORE_OK : keystore_random_key(key);
    if (result == KEYSTORE_OK)
        result = keystore_create(options->keystore, key, passphrase->text, passphrase->len,
                                 options->cost);
    OPENSSL_cleanse(key, sizeof(key));
    if (result != KEYSTORE_OK)
        return complain(options->keystore, result);
    return print_address(options, passphrase);
}

static int usage(const char *problem)
{
    fprintf(stderr, "lonja-key: %s; --help explains\n", problem);
    return 2;
}

static bool read_options(struct options *out, int argc, char **argv)
{
    static const struct option known[] = {{"keystore", required_argument, NULL, 'k'},
                                          {"passphrase-file", required_argument, NULL, 'p'},
                                          {"key-file", required_argument, NULL, 'f'},
                                          {"make-passphrase", no_argument, NULL, 'm'},
                                          {"light", no_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *out = (struct options){.cost = KEYSTORE_COST_STANDARD};
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'k')
            out->keystore = optarg;
        else if (option == 'p')
            out->passphrase_file = optarg;
        else if (option == 'f')
            out->key_file = optarg;
        else if (option == 'm')
            out->make_passphrase = true;
        else if (option == 'l')
            out->cost = KEYSTORE_COST_LIGHT;
        else if (option == 'h')
            exit(fputs(help, stdout) < 0);
        else
            return false;
    }
    out->command = optind + 1 == argc ? argv[optind] : "";
    return true;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!read_options(&options, argc, argv))
        return 2;
    bool is_new = strcmp(options.command, "new") == 0;
    bool is_import = strcmp(options.command, "import") == 0;
    if (!is_new && !is_import && strcmp(options.command, "address") != 0)
        return usage("one command is needed: new, import or address");
    if (options.keystore == NULL || options.passphrase_file == NULL)
        return usage("--keystore and --passphrase-file are needed");
    if (is_import != (options.key_file != NULL))
        return usage("--key-file belongs to import, and import needs it");
    struct passphrase passphrase;
    int status = read_passphrase(&passphrase, &options);
    if (status == 0)
        status = is_new || is_import ? create(&options, &passphrase)
                                     : print_address(&options, &passphrase);
    OPENSSL_cleanse(&passphrase, sizeof(passphrase));
    return status;
}
