/* lonja-sign: the process that holds the key. See sign_options.c for how it is started. */
#include "base/log.h"
#include "chain/keystore.h"
#include "chain/sign_audit.h"
#include "chain/sign_options.h"
#include "chain/sign_sandbox.h"
#include "chain/sign_server.h"

#include <errno.h>
#include <glob.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PASSPHRASE_BYTES_MAX 1024
#define SECRET_BYTES         4096

/* On a page of its own, so that it can be locked by itself. */
struct secret {
    uint8_t keys[SIGN_KEYS_MAX][KEYSTORE_KEY_BYTES];
    uint8_t passphrase[PASSPHRASE_BYTES_MAX];
};

_Static_assert(sizeof(struct secret) <= SECRET_BYTES, "one page");

__attribute__((noreturn)) static void stop(int status, const char *what, const char *why)
{
    log_error("cannot start: %s reason=%s", what, why);
    exit(status);
}

static struct secret *make_secret(void)
{
    bool all_locked;
    void *page =
        mmap(NULL, SECRET_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || !sign_sandbox_protect_memory(&all_locked, page, SECRET_BYTES))
        stop(1, "memory cannot be protected", strerror(errno));
    if (!all_locked)
        log_warning(
            "only the page of the key is locked in memory, not the whole process limit=memlock");
    return page;
}

static void unlock_key(struct secret *secret, size_t number, const char *path, size_t len)
{
    struct chain_address address;
    enum keystore_result result =
        keystore_open(secret->keys[number], &address, path, secret->passphrase, len);
    if (result != KEYSTORE_OK)
        stop(2, path, result == KEYSTORE_IO ? strerror(errno) : keystore_result_text(result));
}

/* The active key and, beside it, those that were retired (docs/signer.md). */
static size_t unlock_keys(struct secret *secret, const struct sign_options *options)
{
    glob_t retired = {0};
    char pattern[PATH_MAX + 16];
    size_t len;
    if (keystore_read_passphrase(secret->passphrase, PASSPHRASE_BYTES_MAX, &len,
                                 options->passphrase_file) != KEYSTORE_OK)
        stop(2, options->passphrase_file,
             errno == EACCES ? "not readable, or readable by others (chmod 600)" : strerror(errno));
    unlock_key(secret, 0, options->keystore, len);
    snprintf(pattern, sizeof(pattern), "%s" KEYSTORE_RETIRED "*", options->keystore);
    int found = glob(pattern, 0, NULL, &retired);
    if (found != 0 && found != GLOB_NOMATCH)
        stop(1, options->keystore, "the folder of the retired keys cannot be read");
    if (retired.gl_pathc >= SIGN_KEYS_MAX)
        stop(2, options->keystore, "more than 7 retired keys; remove those without open nonces");
    for (size_t i = 0; i < retired.gl_pathc; i++)
        unlock_key(secret, 1 + i, retired.gl_pathv[i], len);
    size_t count = 1 + retired.gl_pathc;
    globfree(&retired);
    OPENSSL_cleanse(secret->passphrase, PASSPHRASE_BYTES_MAX);
    return count;
}

static void open_log(struct sign_log *log, const char *path)
{
    uint64_t cut_bytes;
    uint64_t bad_at;
    enum sign_log_result result = sign_log_open(log, path, &cut_bytes, &bad_at);
    if (result == SIGN_LOG_LOCKED)
        stop(1, path, "another signer uses this log");
    if (result == SIGN_LOG_IO)
        stop(1, path, strerror(errno));
    if (result == SIGN_LOG_CORRUPT) {
        log_error("log is corrupt file=%s offset=%llu", path, (unsigned long long)bad_at);
        stop(1, path, "a record that was synced is broken; restore the file from its copy");
    }
    if (cut_bytes > 0)
        log_warning("torn tail cut bytes=%llu file=%s", (unsigned long long)cut_bytes, path);
    log_info("log read records=%llu signatures=%zu", (unsigned long long)log->number, log->count);
}

static int serve(struct sign_service *service, const struct sign_options *options)
{
    static struct sign_server server;
    if (!sign_server_open(&server, service, options->socket, options->allowed_uid,
                          options->requests_max))
        stop(1, options->socket, strerror(errno));
    if (!sign_sandbox_close())
        stop(1, "the system call filter", strerror(errno));
    char address[ADDRESS_TEXT_SIZE];
    for (size_t i = 1; i < service->keys->count; i++) {
        address_format(address, &service->keys->addresses[i]);
        log_info("holds a retired key signer=%s", address);
    }
    address_format(address, &service->keys->addresses[0]);
    log_info("ready signer=%s socket=%s allowed_uid=%u requests_max=%llu", address, options->socket,
             (unsigned)options->allowed_uid, (unsigned long long)options->requests_max);
    bool served = sign_server_run(&server);
    if (!served)
        log_error("waiting failed reason=%s", strerror(errno));
    sign_server_close(&server, options->socket);
    log_info("stopped signed=%llu refused=%llu", (unsigned long long)service->signed_count,
             (unsigned long long)service->refused_count);
    return served ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct sign_options options;
    static struct sign_policy_file policy;
    static struct sign_log log;
    static struct sign_service service;
    struct sign_keys keys;
    if (argc > 1 && strcmp(argv[1], "audit") == 0)
        return sign_audit(argc - 1, argv + 1);
    log_open("sign");
    sign_options_read(&options, argc, argv);
    struct secret *secret = make_secret();
    size_t count = unlock_keys(secret, &options);
    if (!sign_keys_local(&keys, (const uint8_t(*)[ECDSA_KEY_BYTES])secret->keys, count))
        stop(2, options.keystore, "two of the keys are the same, or there are no random bytes");
    service.clock = &clock_system;
    service.policy = &policy;
    service.log = &log;
    service.keys = &keys;
    open_log(&log, options.log);
    sign_policy_file_init(&policy, options.policy);
    sign_service_reload(&service);
    int status = serve(&service, &options);
    sign_log_close(&log);
    keys.close(keys.context);
    OPENSSL_cleanse(secret, SECRET_BYTES);
    return status;
}
