/* The real lonja-sign on a real socket: what it signs, what it refuses, what it remembers.
 * Argument: the folder of the executables. */
#include "base/boot.h"
#include "base/memfile.h"
#include "base/testing.h"
#include "chain/sign_log.h"
#include "chain/sign_options.h"
#include "chain/sign_process.h"
#include "chain/sign_server.h"
#include "chain/signer_wire.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTRACT  "0x8d0e87365216ee9aca1448cf67852b80cf7447a6"
#define TRANSFERS "[\"forcedTransfer\",\"batchForcedTransfer\"]"

static const char *bin;
static struct sign_process process;
static struct signer_ops signer;
static uint8_t calldata[SIGNER_CALLDATA_MAX];

static int start(void **state)
{
    (void)state;
    int status;
    sign_process_init(&process, bin);
    sign_process_policy(&process, CONTRACT, TRANSFERS);
    assert_true(sign_process_start(&process, &status));
    sign_process_connect(&signer, &process);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    signer.close(signer.context);
    sign_process_fini(&process);
    return 0;
}

static void restart(int signal)
{
    int status;
    (void)sign_process_stop(&process, signal);
    assert_true(sign_process_start(&process, &status));
}

static struct signer_request transfer(uint64_t nonce, uint64_t units)
{
    const struct chain_address from = {{1}};
    const struct chain_address to = {{2}};
    ssize_t len = erc3643_forced_transfer(calldata, sizeof(calldata), &from, &to, units);
    struct signer_request request = {.request_id = nonce + 1000,
                                     .chain_id = 31337,
                                     .nonce = nonce,
                                     .gas_limit = 300000,
                                     .max_fee_wei = 2000000000,
                                     .priority_fee_wei = 1000000000,
                                     .calldata = calldata,
                                     .calldata_len = (uint32_t)len};
    assert_true(address_parse(&request.to, CONTRACT));
    return request;
}

static enum signer_result sign(struct signer_signed *out, const struct signer_request *request)
{
    return signer.sign(signer.context, out, request);
}

static enum signer_result sign_transfer(uint64_t nonce, uint64_t units)
{
    struct signer_signed made;
    struct signer_request request = transfer(nonce, units);
    return sign(&made, &request);
}

static void what_is_allowed_is_signed_by_the_key(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(0, 5);
    struct transaction decoded;
    struct chain_address sender;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    assert_true(transaction_decode(&decoded, NULL, &sender, made.raw, made.raw_len));
    assert_true(address_equal(&sender, &process.address));
    assert_int_equal(decoded.gas_limit, 300000);
}

static void the_same_request_gives_the_same_bytes_also_after_a_crash(void **state)
{
    (void)state;
    struct signer_signed first;
    struct signer_signed second;
    struct signer_request request = transfer(4, 5);
    assert_int_equal(sign(&first, &request), SIGNER_OK);
    restart(SIGKILL); /* the client finds the new process by itself */
    request.request_id++;
    assert_int_equal(sign(&second, &request), SIGNER_OK);
    assert_int_equal(first.raw_len, second.raw_len);
    assert_memory_equal(first.raw, second.raw, first.raw_len);
}

static void a_nonce_is_never_signed_for_a_second_payload(void **state)
{
    (void)state;
    assert_int_equal(sign_transfer(3, 5), SIGNER_OK);
    assert_int_equal(sign_transfer(3, 6), SIGNER_NONCE_CONFLICT);
    restart(SIGKILL);
    assert_int_equal(sign_transfer(3, 6), SIGNER_NONCE_CONFLICT);
    assert_int_equal(sign_transfer(3, 5), SIGNER_OK);
}

static void a_replacement_needs_both_fees_higher(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(9, 5);
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request.max_fee_wei += request.max_fee_wei / 8;
    assert_int_equal(sign(&made, &request), SIGNER_BUMP_TOO_SMALL);
    struct signer_request other = transfer(9, 5);
    other.priority_fee_wei += other.priority_fee_wei / 8;
    assert_int_equal(sign(&made, &other), SIGNER_BUMP_TOO_SMALL);
    request.priority_fee_wei += request.priority_fee_wei / 8;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
}

static void what_the_policy_does_not_name_is_refused(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(1, 5);
    request.chain_id = 1;
    assert_int_equal(sign(&made, &request), SIGNER_CHAIN_REFUSED);
    request = transfer(1, 5);
    request.to.bytes[3] ^= 1;
    assert_int_equal(sign(&made, &request), SIGNER_CONTRACT_REFUSED);
    request = transfer(1, 5);
    request.gas_limit = 16777217;
    assert_int_equal(sign(&made, &request), SIGNER_GAS_REFUSED);
    assert_true(made.bound.limit == 16777216 && made.bound.seen == 16777217);
    request = transfer(1, 5);
    request.max_fee_wei = 500000000001;
    assert_int_equal(sign(&made, &request), SIGNER_FEE_REFUSED);
    request = transfer(1, 0);
    assert_int_equal(sign(&made, &request), SIGNER_CALLDATA_REFUSED);
    assert_int_equal(sign_transfer(1, 5), SIGNER_OK); /* none of these has used the nonce */
}

static int raw_connection(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(path, &process, "socket");
    snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", path);
    int connection = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(connect(connection, (struct sockaddr *)&address, sizeof(address)), 0);
    return connection;
}

static void expect_hang_up(const void *packet, size_t len)
{
    int connection = raw_connection();
    struct signer_wire_answer answer;
    assert_int_equal(send(connection, packet, len, 0), len);
    assert_int_equal(recv(connection, &answer, sizeof(answer), 0), sizeof(answer));
    assert_int_equal(answer.result, SIGNER_PROTOCOL);
    assert_int_equal(recv(connection, &answer, sizeof(answer), 0), 0);
    close(connection);
}

static void a_key_that_it_does_not_hold_signs_nothing(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(2, 5);
    request.signer = request.to;
    assert_int_equal(sign(&made, &request), SIGNER_KEY_UNKNOWN);
    request.signer = process.address;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
}

static void write_policy(const char *json)
{
    char fresh[SIGN_PROCESS_PATH_MAX];
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(fresh, &process, "policy.new");
    sign_process_path(path, &process, "policy");
    FILE *file = fopen(fresh, "w");
    assert_non_null(file);
    assert_true(fputs(json, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
}

/* The longest init code there is, from packet to signature and back. */
static void a_contract_is_created_from_the_named_code_only(void **state)
{
    (void)state;
    struct signer_signed made;
    struct transaction decoded;
    char json[512];
    char hash_text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    struct signer_request request = transfer(0, 5);
    memset(calldata, 0x5b, sizeof(calldata));
    request.to = (struct chain_address){{0}};
    request.create = true;
    request.gas_limit = 10000000;
    request.calldata_len = SIGNER_INIT_CODE_MAX;
    assert_int_equal(sign(&made, &request), SIGNER_CREATE_REFUSED);
    struct chain_hash hash = keccak256_hash(calldata, SIGNER_INIT_CODE_MAX - 64);
    hex_encode(hash_text, hash.bytes, KECCAK_BYTES);
    snprintf(json, sizeof(json),
             "{\"chain_id\":31337,\"gas_limit_max\":16777216,\"max_fee_wei_max\":500000000000,"
             "\"allow\":[],\"create\":[{\"name\":\"T\",\"code_hash\":\"%s\",\"code_length\":%d}]}",
             hash_text, SIGNER_INIT_CODE_MAX - 64);
    write_policy(json);
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    assert_true(transaction_decode(&decoded, NULL, NULL, made.raw, made.raw_len));
    assert_true(decoded.creates_contract);
    assert_int_equal(decoded.calldata_len, SIGNER_INIT_CODE_MAX);
    request.calldata_len += 32;
    request.nonce = 1;
    assert_int_equal(sign(&made, &request), SIGNER_CALLDATA_REFUSED);
    assert_true(made.bound.limit == SIGNER_INIT_CODE_MAX &&
                made.bound.seen == request.calldata_len);
}

static void a_nonce_is_given_up_by_an_empty_transfer_to_the_key(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(6, 5);
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request.to = process.address;
    request.calldata = NULL;
    request.calldata_len = 0;
    request.gas_limit = 21000;
    assert_int_equal(sign(&made, &request), SIGNER_BUMP_TOO_SMALL);
    request.max_fee_wei *= 2;
    request.priority_fee_wei *= 2;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request.nonce = 7;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    assert_int_equal(sign_transfer(7, 5), SIGNER_NONCE_CONFLICT);
}

static enum signer_result ask_history(struct signer_history *out, uint64_t nonce, uint32_t bid)
{
    const struct signer_history_query query = {.chain_id = 31337, .nonce = nonce, .bid = bid};
    return signer.history(signer.context, out, &query);
}

/* What a settlement does whose database was restored from before its last nonces. */
static void what_was_signed_can_be_asked_for(void **state)
{
    (void)state;
    static struct signer_history history;
    struct signer_signed first;
    struct signer_signed second;
    struct signer_request request = transfer(4, 5);
    assert_int_equal(ask_history(&history, 4, 0), SIGNER_OK);
    assert_int_equal(history.next_nonce, 0);
    assert_int_equal(history.bids, 0);
    assert_int_equal(sign(&first, &request), SIGNER_OK);
    request.max_fee_wei *= 2;
    request.priority_fee_wei *= 2;
    assert_int_equal(sign(&second, &request), SIGNER_OK);
    restart(SIGKILL);
    assert_int_equal(ask_history(&history, 4, 0), SIGNER_OK);
    assert_int_equal(history.next_nonce, 5);
    assert_int_equal(history.bids, 2);
    assert_int_equal(history.request_id, 1004);
    assert_int_equal(history.max_fee_wei, request.max_fee_wei);
    assert_true(address_equal(&history.signer, &process.address));
    assert_int_equal(history.made.raw_len, second.raw_len);
    assert_memory_equal(history.made.raw, second.raw, second.raw_len);
    assert_int_equal(ask_history(&history, 4, 1), SIGNER_OK);
    assert_memory_equal(history.made.raw, first.raw, first.raw_len);
    assert_memory_equal(&history.made.hash, &first.hash, sizeof(first.hash));
    assert_int_equal(ask_history(&history, 4, 2), SIGNER_OK);
    assert_int_equal(history.bids, 2);
    assert_int_equal(history.made.raw_len, 0);
}

/* What a settlement asks before it believes that its tables are new. */
static void who_has_signed_can_be_asked_for(void **state)
{
    (void)state;
    struct signer_account account;
    struct signer_signed made;
    struct signer_request request = transfer(4, 5);
    assert_int_equal(signer.account(signer.context, &account, 31337, 0), SIGNER_OK);
    assert_int_equal(account.count, 0);
    assert_int_equal(account.next_nonce, 0);
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    restart(SIGKILL);
    assert_int_equal(signer.account(signer.context, &account, 31337, 0), SIGNER_OK);
    assert_int_equal(account.count, 1);
    assert_int_equal(account.next_nonce, 5);
    assert_true(address_equal(&account.signer, &process.address));
    assert_int_equal(signer.account(signer.context, &account, 31337, 1), SIGNER_OK);
    assert_int_equal(account.count, 1);
    assert_true(address_is_zero(&account.signer));
    assert_int_equal(signer.account(signer.context, &account, 1, 0), SIGNER_OK);
    assert_int_equal(account.count, 0);
}

#define CAPS(window)                                                                               \
    "{\"chain_id\":31337,\"gas_limit_max\":16777216,\"max_fee_wei_max\":500000000000,"             \
    "\"allow\":[{\"contract\":\"" CONTRACT "\",\"methods\":" TRANSFERS "}],"                       \
    "\"caps\":[{\"contract\":\"" CONTRACT "\",\"window_s\":" window ",\"units_max\":\"100\","      \
    "\"transfers_max\":3}]}"

static void expect_above(uint64_t nonce, uint64_t units, enum signer_result refusal, uint64_t limit,
                         uint64_t seen)
{
    struct signer_signed made;
    struct signer_request request = transfer(nonce, units);
    assert_int_equal(sign(&made, &request), refusal);
    assert_true(made.bound.limit == limit && made.bound.seen == seen);
}

static void a_windows_caps_hold_over_a_restart_and_end_with_it(void **state)
{
    (void)state;
    struct signer_signed made;
    write_policy(CAPS("3600")); /* longer than this takes, however busy the machine is */
    assert_int_equal(sign_transfer(0, 60), SIGNER_OK);
    expect_above(1, 41, SIGNER_UNITS_REFUSED, 100, 101);
    assert_int_equal(sign_transfer(1, 20), SIGNER_OK);
    restart(SIGKILL);
    expect_above(2, 21, SIGNER_UNITS_REFUSED, 100, 101);
    assert_int_equal(sign_transfer(2, 19), SIGNER_OK);
    struct signer_request bid = transfer(2, 19); /* a further bid moves nothing more */
    bid.max_fee_wei *= 2;
    bid.priority_fee_wei *= 2;
    assert_int_equal(sign(&made, &bid), SIGNER_OK);
    assert_int_equal(sign_transfer(2, 19), SIGNER_OK); /* nor does the same request again */
    expect_above(3, 2, SIGNER_UNITS_REFUSED, 100, 101);
    expect_above(3, 1, SIGNER_TRANSFERS_REFUSED, 3, 4);
    write_policy(CAPS("2"));
    sleep(3);
    assert_int_equal(sign_transfer(3, 50), SIGNER_OK);
}

__attribute__((format(printf, 2, 3))) static void run(int expected, const char *format, ...)
{
    char arguments[1024];
    char command[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(arguments, sizeof(arguments), format, list);
    va_end(list);
    snprintf(command, sizeof(command), "%s/%s >%s/out 2>&1", bin, arguments, process.folder);
    int status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
        snprintf(command, sizeof(command), "cat %s/out >&2", process.folder);
        (void)!system(command);
        fail_msg("%s: status %d", arguments, status);
    }
}

static bool out_has(const char *words)
{
    char command[1024];
    snprintf(command, sizeof(command), "grep -qF -- '%s' %s/out", words, process.folder);
    return system(command) == 0;
}

static void the_audit_tells_and_verifies_every_request(void **state)
{
    (void)state;
    struct signer_signed made;
    struct signer_request request = transfer(1, 5);
    char path[SIGN_PROCESS_PATH_MAX];
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
    request.gas_limit = 16777217;
    assert_int_equal(sign(&made, &request), SIGNER_GAS_REFUSED);
    static struct signer_history history;
    assert_int_equal(ask_history(&history, 0, 0), SIGNER_OK);
    expect_hang_up("hello", 5);
    sign_process_path(path, &process, "log");
    run(0, "lonja-sign audit --log %s", path); /* beside the signer */
    assert_true(out_has("records=5 signed=1 repeated=1 refused=1 malformed=1 read=1"));
    assert_true(out_has("result=gas_above_cap request=1001"));
    assert_true(out_has("limit=16777216 seen=16777217"));
    assert_true(out_has("method=forcedTransfer(address,address,uint256)"));
    int file = open(path, O_RDWR);
    uint8_t byte;
    off_t in_signature = offsetof(struct sign_log_record, signature) + 5;
    assert_int_equal(pread(file, &byte, 1, in_signature), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, in_signature), 1);
    close(file);
    run(1, "lonja-sign audit --log %s --quiet", path);
    assert_true(out_has("the record at offset 0 is broken"));
    run(2, "lonja-sign audit");
    run(1, "lonja-sign audit --log %s.none", path);
}

#define PAYOUTS                                                                                    \
    "{\"chain_id\":31337,\"gas_limit_max\":16777216,\"max_fee_wei_max\":500000000000,"             \
    "\"allow\":[{\"contract\":\"" CONTRACT "\",\"methods\":[\"transfer\"]}],"                      \
    "\"caps\":[{\"contract\":\"" CONTRACT "\",\"window_s\":3600,\"units_max\":\"1000\"}]}"

/* A stablecoin out of the wallet of `key`. */
static struct signer_request payout(uint64_t nonce, uint64_t units, const struct chain_address *key)
{
    const struct chain_address to = {{2}};
    struct signer_request request = transfer(nonce, units);
    ssize_t len = erc3643_transfer(calldata, sizeof(calldata), &to, units);
    assert_true(len > 0);
    request.calldata_len = (uint32_t)len;
    request.signer = *key;
    return request;
}

/* docs/signer.md, "Changing the key", as an operator does it. */
static void a_key_is_rotated_and_the_old_one_only_finishes(void **state)
{
    (void)state;
    struct signer_signed made;
    struct chain_address old = process.address;
    struct chain_address active;
    char text[ADDRESS_TEXT_SIZE];
    char files[2 * SIGN_PROCESS_PATH_MAX];
    snprintf(files, sizeof(files), "--light --keystore %s/key.json --passphrase-file %s/pass",
             process.folder, process.folder);
    assert_int_equal(sign_transfer(5, 5), SIGNER_OK);
    run(1, "lonja-key rotate --activate %s", files); /* there is no next key */
    run(0, "lonja-key rotate %s", files);
    run(0, "lonja-key rotate %s", files); /* makes no second one */
    restart(SIGTERM);                     /* changes nothing yet */
    assert_int_equal(sign_transfer(6, 5), SIGNER_OK);
    run(0, "lonja-key rotate --activate %s", files);
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(path, &process, "out");
    FILE *out = fopen(path, "r");
    assert_non_null(fgets(text, sizeof(text), out));
    fclose(out);
    assert_true(address_parse(&process.address, text));
    restart(SIGTERM);
    struct signer_request request = transfer(5, 5); /* for the key that the client knows: the old */
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request.max_fee_wei *= 2;
    request.priority_fee_wei *= 2;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    assert_int_equal(sign_transfer(7, 5), SIGNER_KEY_RETIRED);
    assert_int_equal(signer.address(signer.context, &active), SIGNER_OK);
    assert_true(address_equal(&active, &process.address) && !address_equal(&active, &old));
    assert_int_equal(sign_transfer(7, 5), SIGNER_OK); /* a nonce of the new key */
    request = transfer(3, 5); /* left out by the old key: may be given up, and nothing else */
    request.signer = old;
    assert_int_equal(sign(&made, &request), SIGNER_KEY_RETIRED);
    request.to = old;
    request.calldata_len = 0;
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request.nonce = 7; /* behind its last: none of its nonces */
    assert_int_equal(sign(&made, &request), SIGNER_KEY_RETIRED);
    /* An escrow stays its key's: it pays out of its own wallet what the policy allows, and no more.
     */
    request = payout(8, 5, &old);
    assert_int_equal(sign(&made, &request), SIGNER_METHOD_REFUSED);
    write_policy(PAYOUTS);
    assert_int_equal(sign(&made, &request), SIGNER_OK);
    request = payout(9, 1000, &old);
    assert_int_equal(sign(&made, &request), SIGNER_UNITS_REFUSED);
}

static void a_file_is_converted_and_gets_another_passphrase(void **state)
{
    (void)state;
    const char *f = process.folder;
    int status;
    run(0,
        "lonja-key new --light --make-passphrase --keystore %s/other.json --passphrase-file "
        "%s/pass2",
        f, f); /* for its passphrase */
    run(0,
        "lonja-key convert --light --format v3 --keystore %s/key.json --passphrase-file %s/pass "
        "--to %s/key.v3 --new-passphrase-file %s/pass2",
        f, f, f, f);
    run(1, "lonja-key address --keystore %s/key.v3 --passphrase-file %s/pass", f, f);
    run(0,
        "lonja-key convert --light --keystore %s/key.v3 --passphrase-file %s/pass2 "
        "--to %s/key.gcm --new-passphrase-file %s/pass",
        f, f, f, f);
    run(1,
        "lonja-key convert --light --keystore %s/key.v3 --passphrase-file %s/pass2 "
        "--to %s/key.gcm",
        f, f, f); /* never overwritten */
    run(2, "lonja-key convert --keystore %s/key.v3 --passphrase-file %s/pass2", f, f);
    run(2, "lonja-key new --format v4 --keystore %s/new --passphrase-file %s/pass2", f, f);
    char command[1024];
    snprintf(command, sizeof(command),
             "cd %s && grep -q aes-128-ctr key.v3 && grep -q aes-256-gcm key.gcm && mv key.gcm "
             "key.json",
             f);
    assert_int_equal(system(command), 0);
    (void)sign_process_stop(&process, SIGTERM);
    assert_true(sign_process_start(&process, &status)); /* which compares the address */
}

static void a_new_policy_counts_from_the_next_request_on(void **state)
{
    (void)state;
    sign_process_policy(&process, CONTRACT, "[\"mint\"]");
    assert_int_equal(sign_transfer(0, 5), SIGNER_METHOD_REFUSED);
    sign_process_policy(&process, CONTRACT, "[\"no such method\"]");
    assert_int_equal(sign_transfer(0, 5), SIGNER_POLICY_UNREADABLE);
    sign_process_policy(&process, CONTRACT, TRANSFERS);
    assert_int_equal(kill(process.pid, SIGHUP), 0);
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
}

static void a_torn_log_is_cut_at_the_next_start(void **state)
{
    (void)state;
    char path[SIGN_PROCESS_PATH_MAX];
    struct stat status;
    sign_process_path(path, &process, "log");
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
    assert_int_equal(sign_transfer(1, 5), SIGNER_OK);
    (void)sign_process_stop(&process, SIGKILL);
    assert_int_equal(truncate(path, (off_t)sizeof(struct sign_log_record) + 33), 0);
    int exit_status;
    assert_true(sign_process_start(&process, &exit_status));
    assert_int_equal(sign_transfer(0, 6), SIGNER_NONCE_CONFLICT);
    assert_int_equal(sign_transfer(1, 6), SIGNER_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 3 * sizeof(struct sign_log_record)); /* the refusal's too */
}

static void a_packet_that_lies_is_answered_and_cut_and_nobody_else_suffers(void **state)
{
    (void)state;
    uint8_t packet[SIGNER_WIRE_REQUEST_MAX + 100] = {0};
    struct signer_wire_request header = {.magic = SIGNER_WIRE_MAGIC, .kind = SIGNER_WIRE_SIGN};
    expect_hang_up("hello", 5);
    expect_hang_up(packet, sizeof(header));
    header.calldata_len = 5;
    expect_hang_up(&header, sizeof(header));
    header.calldata_len = 0xffffffff;
    expect_hang_up(&header, sizeof(header));
    header.calldata_len = SIGNER_CALLDATA_MAX + 100;
    memcpy(packet, &header, sizeof(header));
    expect_hang_up(packet, sizeof(packet));
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
}

/* More than there are places: the silent ones make room. */
static void silent_connections_do_not_hinder_others(void **state)
{
    (void)state;
    int silent[2 * SIGN_CLIENTS_MAX];
    for (size_t i = 0; i < 2 * SIGN_CLIENTS_MAX; i++)
        silent[i] = raw_connection();
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
    for (size_t i = 0; i < 2 * SIGN_CLIENTS_MAX; i++)
        close(silent[i]);
}

/* A flood of questions that cost no sync; what is above the rate is not looked at. */
static void a_connection_above_the_rate_is_refused_the_rest(void **state)
{
    (void)state;
    const struct signer_wire_request question = {.magic = SIGNER_WIRE_MAGIC,
                                                 .kind = SIGNER_WIRE_ADDRESS};
    struct signer_wire_answer answer;
    size_t refused = 0;
    int connection = raw_connection();
    for (size_t i = 0; i < 3 * SIGN_REQUESTS_MAX_DEFAULT; i++) {
        assert_int_equal(send(connection, &question, sizeof(question), 0), sizeof(question));
        assert_int_equal(recv(connection, &answer, sizeof(answer), 0), sizeof(answer));
        if (answer.result == SIGNER_OK)
            continue;
        assert_int_equal(answer.result, SIGNER_RATE_REFUSED);
        assert_true(answer.bound.limit == SIGN_REQUESTS_MAX_DEFAULT);
        refused++;
    }
    assert_true(refused > 0);
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK); /* another connection has its own */
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(path, &process, "log");
    run(0, "lonja-sign audit --log %s", path);
    assert_true(out_has("turned_away_before="));
    close(connection);
}

static void the_socket_is_private_and_a_second_signer_refuses(void **state)
{
    (void)state;
    char path[SIGN_PROCESS_PATH_MAX];
    struct stat status;
    int exit_status;
    sign_process_path(path, &process, "socket");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    pid_t first = process.pid;
    char command[2048];
    snprintf(command, sizeof(command),
             "%s/lonja-sign --keystore %s/key.json --passphrase-file %s/pass --socket %s/other "
             "--policy %s/policy --log %s/log 2>/dev/null",
             bin, process.folder, process.folder, process.folder, process.folder, process.folder);
    exit_status = system(command);
    assert_int_equal(WEXITSTATUS(exit_status), 1);
    assert_int_equal(kill(first, 0), 0);
}

static void no_other_user_may_ask(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("[  SKIPPED ] another user id needs root\n");
        skip();
    }
    char path[SIGN_PROCESS_PATH_MAX];
    sign_process_path(path, &process, "socket");
    /* Past the file's mode, so that the peer's credentials alone decide. */
    assert_int_equal(chmod(process.folder, 0755), 0);
    assert_int_equal(chmod(path, 0666), 0);
    pid_t child = fork();
    if (child == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(9);
        _exit(sign_transfer(0, 5) == SIGNER_UNREACHABLE ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
}

static void it_stops_cleanly_and_a_wrong_passphrase_does_not_start(void **state)
{
    (void)state;
    char path[SIGN_PROCESS_PATH_MAX];
    int status = sign_process_stop(&process, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(sign_transfer(0, 5), SIGNER_UNREACHABLE);
    sign_process_path(path, &process, "pass");
    FILE *file = fopen(path, "w");
    fputs("wrong\n", file);
    fclose(file);
    assert_false(sign_process_start(&process, &status));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}

/* The signer never sees the network: nothing that could open it is even linked. */
static void neither_curl_nor_a_database_is_linked(void **state)
{
    (void)state;
    char command[512];
    char line[512];
    snprintf(command, sizeof(command), "readelf -d %s/lonja-sign", bin);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t needed = 0;
    while (fgets(line, sizeof(line), pipe) != NULL) {
        if (strstr(line, "(NEEDED)") == NULL)
            continue;
        needed++;
        assert_null(strstr(line, "curl"));
        assert_null(strstr(line, "libpq"));
        assert_null(strstr(line, "hiredis"));
        assert_null(strstr(line, "libssl"));
    }
    assert_int_equal(pclose(pipe), 0);
    assert_true(needed > 0);
}

static void its_memory_is_closed_and_the_filter_stands(void **state)
{
    (void)state;
    char path[64];
    char line[256];
    int seccomp = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)process.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Seccomp: %d", &seccomp) == 1)
            break;
    fclose(file);
    assert_int_equal(seccomp, 2);
}

__attribute__((noreturn)) static void become_child_of_the_venue(int boot_fd)
{
    char program[SIGN_PROCESS_PATH_MAX + 16];
    char number[16];
    snprintf(program, sizeof(program), "%s/lonja-sign", bin);
    snprintf(number, sizeof(number), "%d", boot_fd);
    setenv("LONJA_BOOT_FD", number, 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    if (fcntl(boot_fd, F_SETFD, 0) == 0)
        execl(program, "lonja-sign", (char *)NULL);
    _exit(127);
}

static int make_boot_record(void)
{
    struct boot *boot = calloc(1, sizeof(*boot));
    boot->magic = BOOT_MAGIC;
    boot->version = BOOT_VERSION;
    boot->process = PROCESS_SIGN;
    boot->incarnation = 1;
    boot->config.sign_requests_max = SIGN_REQUESTS_MAX_DEFAULT;
    snprintf(boot->config.venue_state_folder, CONFIG_TEXT_BYTES_MAX, "%s", process.folder);
    sign_process_path(boot->config.sign_socket, &process, "socket");
    sign_process_path(boot->config.sign_keystore, &process, "key.json");
    sign_process_path(boot->config.sign_passphrase_file, &process, "pass");
    sign_process_path(boot->config.sign_policy_file, &process, "policy");
    int boot_fd = memfile_create_constant("boot", boot, sizeof(*boot));
    free(boot);
    assert_true(boot_fd >= 0);
    return boot_fd;
}

static void as_a_process_of_the_venue_it_takes_all_from_the_boot_record(void **state)
{
    (void)state;
    char log[SIGN_PROCESS_PATH_MAX];
    char log_folder[SIGN_PROCESS_PATH_MAX];
    sign_process_path(log_folder, &process, "sign");
    sign_process_path(log, &process, "sign/signed.log");
    (void)sign_process_stop(&process, SIGTERM);
    assert_int_equal(mkdir(log_folder, 0700), 0);
    int boot_fd = make_boot_record();
    process.pid = fork();
    if (process.pid == 0)
        become_child_of_the_venue(boot_fd);
    close(boot_fd);
    for (int i = 0; i < 6000 && sign_transfer(0, 5) != SIGNER_OK; i++)
        usleep(10000);
    assert_int_equal(sign_transfer(0, 5), SIGNER_OK);
    assert_int_equal(unlink(log), 0);
    assert_int_equal(rmdir(log_folder), 0);
}

#define WITH_SIGNER(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER-OF-EXECUTABLES\n", argv[0]);
        return 2;
    }
    bin = argv[1];
    const struct CMUnitTest tests[] = {
        WITH_SIGNER(what_is_allowed_is_signed_by_the_key),
        WITH_SIGNER(the_same_request_gives_the_same_bytes_also_after_a_crash),
        WITH_SIGNER(a_nonce_is_never_signed_for_a_second_payload),
        WITH_SIGNER(a_replacement_needs_both_fees_higher),
        WITH_SIGNER(what_the_policy_does_not_name_is_refused),
        WITH_SIGNER(a_key_that_it_does_not_hold_signs_nothing),
        WITH_SIGNER(a_contract_is_created_from_the_named_code_only),
        WITH_SIGNER(a_nonce_is_given_up_by_an_empty_transfer_to_the_key),
        WITH_SIGNER(what_was_signed_can_be_asked_for),
        WITH_SIGNER(who_has_signed_can_be_asked_for),
        WITH_SIGNER(a_windows_caps_hold_over_a_restart_and_end_with_it),
        WITH_SIGNER(the_audit_tells_and_verifies_every_request),
        WITH_SIGNER(a_key_is_rotated_and_the_old_one_only_finishes),
        WITH_SIGNER(a_file_is_converted_and_gets_another_passphrase),
        WITH_SIGNER(a_new_policy_counts_from_the_next_request_on),
        WITH_SIGNER(a_torn_log_is_cut_at_the_next_start),
        WITH_SIGNER(a_packet_that_lies_is_answered_and_cut_and_nobody_else_suffers),
        WITH_SIGNER(silent_connections_do_not_hinder_others),
        WITH_SIGNER(a_connection_above_the_rate_is_refused_the_rest),
        WITH_SIGNER(the_socket_is_private_and_a_second_signer_refuses),
        WITH_SIGNER(no_other_user_may_ask),
        WITH_SIGNER(it_stops_cleanly_and_a_wrong_passphrase_does_not_start),
        WITH_SIGNER(its_memory_is_closed_and_the_filter_stands),
        WITH_SIGNER(as_a_process_of_the_venue_it_takes_all_from_the_boot_record),
        cmocka_unit_test(neither_curl_nor_a_database_is_linked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
