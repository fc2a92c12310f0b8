#include "chain/sign_audit.h"

#include "chain/sign_log.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nothing here believes what a record says of itself: hashes are computed anew from the fields, and
 * the signature must recover to the signer. The file is read without its lock, beside a running
 * signer: the last record may not be whole yet, which is told and is no fault. */

struct audit {
    struct sign_log_reader reader;
    uint8_t calldata[SIGNER_CALLDATA_MAX];
    uint8_t bytes[SIGNER_RAW_MAX];
    uint64_t kinds[SIGN_LOG_MALFORMED + 1];
    uint64_t turned_away;
    bool quiet;
};

static const char *kind_text(uint32_t kind)
{
    static const char *const texts[] = {"unknown",  "signed", "refused",
                                        "repeated", "read",   "malformed"};
    return kind <= SIGN_LOG_MALFORMED ? texts[kind] : texts[0];
}

static void format_u128(char out[40], chain_uint128 value)
{
    char *at = out + 39;
    *at = '\0';
    do {
        *--at = (char)('0' + (unsigned)(value % 10));
        value /= 10;
    } while (value != 0);
    memmove(out, at, (size_t)(out + 40 - at));
}

static void format_time(char out[32], uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000u);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + len, 32 - len, ".%06uZ", (unsigned)(time_ns / 1000 % 1000000));
}

static void show_method(const struct sign_log_record *record)
{
    if (record->create != 0)
        printf(" creation");
    else if (record->kept_len == 0)
        printf(record->kind == SIGN_LOG_SIGNED ? " nonce given up" : "");
    else if (record->kept_len >= 4) {
        uint32_t selector = (uint32_t)record->first[0] << 24 | (uint32_t)record->first[1] << 16 |
                            (uint32_t)record->first[2] << 8 | record->first[3];
        const char *signature = erc3643_signature(selector);
        printf(" method=%s", signature != NULL ? signature : "unknown");
    }
}

static void show_numbers(const struct sign_log_record *record)
{
    char units[40];
    char limit[40];
    char seen[40];
    format_u128(units, record->units);
    format_u128(limit, record->bound.limit);
    format_u128(seen, record->bound.seen);
    printf(" calldata=%u gas=%llu max_fee_wei=%llu priority_fee_wei=%llu", record->calldata_len,
           (unsigned long long)record->gas_limit, (unsigned long long)record->max_fee_wei,
           (unsigned long long)record->priority_fee_wei);
    if (record->transfers > 0)
        printf(" transfers=%u units=%s", record->transfers, units);
    if (record->bound.limit != 0 || record->bound.seen != 0)
        printf(" limit=%s seen=%s", limit, seen);
    if (record->turned_away > 0)
        printf(" turned_away_before=%u", record->turned_away);
}

static void show(const struct sign_log_record *record)
{
    char time[32];
    char signer[ADDRESS_TEXT_SIZE];
    char to[ADDRESS_TEXT_SIZE];
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)];
    format_time(time, record->time_ns);
    address_format(signer, &record->signer);
    address_format(to, &record->to);
    hex_encode(hash, record->hash.bytes, KECCAK_BYTES);
    printf("%llu %s %s result=%s request=%llu uid=%u pid=%u chain=%llu signer=%s nonce=%llu to=%s",
           (unsigned long long)record->number, time, kind_text(record->kind),
           signer_result_is_known(record->result)
               ? signer_result_text((enum signer_result)record->result)
               : "unknown",
           (unsigned long long)record->request_id, record->peer_uid, record->peer_pid,
           (unsigned long long)record->chain_id, signer, (unsigned long long)record->nonce, to);
    show_method(record);
    show_numbers(record);
    if (record->kind == SIGN_LOG_SIGNED || record->kind == SIGN_LOG_REPEATED)
        printf(" hash=%s", hash);
    putchar('\n');
}

/* NULL, or what of a signed record is not true. */
static const char *find_lie(struct audit *audit, const struct sign_log_record *record)
{
    struct chain_address maker;
    struct transaction transaction = sign_log_transaction(record, audit->calldata);
    if (record->kept_len != record->calldata_len)
        return "the calldata is not whole";
    sign_log_read_calldata(&audit->reader, audit->calldata);
    ssize_t len = transaction_encode_unsigned(audit->bytes, sizeof(audit->bytes), &transaction);
    struct chain_hash hash = keccak256_hash(audit->bytes, (size_t)len);
    if (memcmp(&hash, &record->unsigned_hash, sizeof(hash)) != 0)
        return "the hash that was signed is not the transaction's";
    if (!ecdsa_recover(&maker, &hash, &record->signature) ||
        !address_equal(&maker, &record->signer))
        return "the signature is not the key's";
    len = transaction_encode_signed(audit->bytes, sizeof(audit->bytes), &transaction,
                                    &record->signature);
    hash = keccak256_hash(audit->bytes, (size_t)len);
    return memcmp(&hash, &record->hash, sizeof(hash)) == 0 ? NULL
                                                           : "the transaction's hash is another";
}

static bool take(struct audit *audit, const struct sign_log_record *record)
{
    const char *lie = record->kind == SIGN_LOG_SIGNED ? find_lie(audit, record) : NULL;
    if (!audit->quiet)
        show(record);
    audit->kinds[record->kind <= SIGN_LOG_MALFORMED ? record->kind : 0]++;
    audit->turned_away += record->turned_away;
    if (lie != NULL)
        fprintf(stderr, "lonja-sign audit: record %llu: %s\n", (unsigned long long)record->number,
                lie);
    return lie == NULL;
}

static int finish(const struct audit *audit, enum sign_log_read end, bool honest)
{
    unsigned long long at = audit->reader.offset;
    fflush(stdout);
    if (end == SIGN_LOG_TORN)
        fprintf(stderr, "lonja-sign audit: the record at offset %llu is not whole (yet)\n", at);
    else if (end == SIGN_LOG_BROKEN)
        fprintf(stderr, "lonja-sign audit: the record at offset %llu is broken\n", at);
    else if (end == SIGN_LOG_FAILED)
        fprintf(stderr, "lonja-sign audit: cannot read: %s\n", strerror(errno));
    printf("records=%llu signed=%llu repeated=%llu refused=%llu malformed=%llu read=%llu "
           "turned_away=%llu\n",
           (unsigned long long)audit->reader.number,
           (unsigned long long)audit->kinds[SIGN_LOG_SIGNED],
           (unsigned long long)audit->kinds[SIGN_LOG_REPEATED],
           (unsigned long long)audit->kinds[SIGN_LOG_REFUSED],
           (unsigned long long)audit->kinds[SIGN_LOG_MALFORMED],
           (unsigned long long)audit->kinds[SIGN_LOG_READ], (unsigned long long)audit->turned_away);
    return honest && (end == SIGN_LOG_END || end == SIGN_LOG_TORN) ? 0 : 1;
}

static int audit_file(const char *path, bool quiet)
{
    static struct audit audit;
    struct sign_log_record record;
    enum sign_log_read read;
    bool honest = true;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        fprintf(stderr, "lonja-sign audit: %s: %s\n", path, strerror(errno));
        return 1;
    }
    audit.quiet = quiet;
    sign_log_reader_init(&audit.reader, file);
    while ((read = sign_log_read(&audit.reader, &record)) == SIGN_LOG_RECORD)
        honest = take(&audit, &record) && honest;
    int status = finish(&audit, read, honest);
    close(file);
    return status;
}

static const char usage[] =
    "Usage: lonja sign audit [--log FILE] [--quiet] [--config FILE]\n"
    "\n"
    "Shows the signer's log: a line per request with when, by which user and process, what was asked,\n"
    "the answer, limit and value seen, the hash. Verifies it: checksums, each in the chain of the one\n"
    "before; the hashes anew; that each signature is its key's. It may run beside the signer.\n"
    "\n"
    "  --log FILE     another log than the venue's (STATE/sign/signed.log); lonja-sign itself must be told\n"
    "  --quiet        no lines, the sums only\n"
    "  --config FILE  the venue's configuration (default: $LONJA_CONFIG, else var/lonja.conf)\n"
    "\n"
    "Exit status: 0 whole, 1 broken or unreadable, 2 bad arguments.\n";

int sign_audit(int argc, char **argv)
{
    static const struct option known[] = {{"log", required_argument, NULL, 'l'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *path = NULL;
    bool quiet = false;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (option == 'l')
            path = optarg;
        else if (option == 'q')
            quiet = true;
        else if (option == 'h')
            return fputs(usage, stdout) < 0;
        else
            return 2;
    }
    if (path == NULL || optind != argc) {
        fputs(usage, stderr);
        return 2;
    }
    return audit_file(path, quiet);
}
