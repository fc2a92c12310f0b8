/* The client against a signer that lies: what is not exactly the signed form of the request never
 * reaches settlement. The liar is a thread of this test; the request's nonce tells it how to lie.
 */
#include "base/testing.h"
#include "chain/signer_wire.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum lie {
    TRUTH,
    OTHER_AMOUNT,
    OTHER_KEY,
    OTHER_HASH,
    OTHER_REQUEST,
    CUT_BYTES,
    SILENCE,
    HANG_UP_ONCE,
    UNKNOWN_RESULT,
};

static const uint8_t key[TRANSACTION_KEY_BYTES] = {[31] = 7};
static const uint8_t other_key[TRANSACTION_KEY_BYTES] = {[31] = 8};
static char path[64];
static int listener;
static pthread_t liar;
static bool hung_up;

static size_t make_answer(uint8_t *out, const struct signer_wire_request *request,
                          const uint8_t *calldata)
{
    enum lie lie = (enum lie)request->nonce;
    struct signer_wire_answer answer = {.magic = SIGNER_WIRE_MAGIC,
                                        .request_id = request->request_id};
    uint8_t changed[SIGNER_CALLDATA_MAX];
    uint8_t *raw = out + sizeof(answer);
    memcpy(changed, calldata, request->calldata_len);
    if (lie == OTHER_AMOUNT)
        changed[request->calldata_len - 1] ^= 1;
    const struct transaction transaction = {.chain_id = request->chain_id,
                                            .nonce = request->nonce,
                                            .priority_fee_wei = request->priority_fee_wei,
                                            .max_fee_wei = request->max_fee_wei,
                                            .gas_limit = request->gas_limit,
                                            .to = request->to,
                                            .calldata = changed,
                                            .calldata_len = request->calldata_len};
    ssize_t len =
        transaction_sign(raw, SIGNER_RAW_MAX, &transaction, lie == OTHER_KEY ? other_key : key);
    answer.raw_len = (uint32_t)len - (lie == CUT_BYTES);
    answer.hash = keccak256_hash(raw, answer.raw_len);
    answer.hash.bytes[0] ^= lie == OTHER_HASH;
    answer.request_id += lie == OTHER_REQUEST;
    answer.result = lie == UNKNOWN_RESULT ? 99 : 0;
    memcpy(out, &answer, sizeof(answer));
    return sizeof(answer) + answer.raw_len;
}

static size_t make_address(uint8_t *out, const struct signer_wire_request *request)
{
    struct signer_wire_answer answer = {.magic = SIGNER_WIRE_MAGIC,
                                        .request_id = request->request_id};
    if (!transaction_key_address(&answer.signer, key))
        return 0;
    memcpy(out, &answer, sizeof(answer));
    return sizeof(answer);
}

static void serve(int client)
{
    uint8_t in[SIGNER_WIRE_REQUEST_MAX];
    uint8_t out[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_request request;
    while (recv(client, in, sizeof(in), 0) > 0) {
        memcpy(&request, in, sizeof(request));
        bool is_sign = request.kind == SIGNER_WIRE_SIGN;
        if (is_sign && request.nonce == SILENCE)
            continue;
        if (is_sign && request.nonce == HANG_UP_ONCE && !hung_up) {
            hung_up = true;
            break;
        }
        size_t len = is_sign ? make_answer(out, &request, in + sizeof(request))
                             : make_address(out, &request);
        if (send(client, out, len, MSG_NOSIGNAL) < 0)
            break;
    }
    close(client);
}

static void *lie_on(void *context)
{
    (void)context;
    for (int client; (client = accept(listener, NULL, NULL)) >= 0;)
        serve(client);
    return NULL;
}

static int start(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(path, sizeof(path), "/tmp/lonja-liar-%d", (int)getpid());
    strcpy(address.sun_path, path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 4) != 0)
        return -1;
    return pthread_create(&liar, NULL, lie_on, NULL);
}

static int stop(void **state)
{
    (void)state;
    shutdown(listener, SHUT_RDWR);
    pthread_join(liar, NULL);
    close(listener);
    return unlink(path);
}

static enum signer_result sign(enum lie lie)
{
    struct signer_ops ops;
    struct signer_signed made;
    uint8_t calldata[128];
    const struct chain_address wallet = {{1}};
    ssize_t len = erc3643_forced_transfer(calldata, sizeof(calldata), &wallet, &wallet, 4);
    const struct signer_request request = {.request_id = 12,
                                           .chain_id = 31337,
                                           .nonce = lie,
                                           .gas_limit = 1,
                                           .max_fee_wei = 2,
                                           .priority_fee_wei = 1,
                                           .to = wallet,
                                           .calldata = calldata,
                                           .calldata_len = (uint32_t)len};
    assert_true(signer_socket_open(&ops, path, 200));
    enum signer_result result = ops.sign(ops.context, &made, &request);
    ops.close(ops.context);
    return result;
}

static void only_the_signed_form_of_the_request_is_taken(void **state)
{
    (void)state;
    assert_int_equal(sign(TRUTH), SIGNER_OK);
    assert_int_equal(sign(OTHER_AMOUNT), SIGNER_PROTOCOL);
    assert_int_equal(sign(OTHER_KEY), SIGNER_PROTOCOL);
    assert_int_equal(sign(OTHER_HASH), SIGNER_PROTOCOL);
    assert_int_equal(sign(OTHER_REQUEST), SIGNER_PROTOCOL);
    assert_int_equal(sign(CUT_BYTES), SIGNER_PROTOCOL);
    assert_int_equal(sign(UNKNOWN_RESULT), SIGNER_PROTOCOL);
}

static void silence_is_unreachable_and_a_broken_connection_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(sign(SILENCE), SIGNER_UNREACHABLE);
    assert_int_equal(sign(HANG_UP_ONCE), SIGNER_OK);
    assert_true(hung_up);
}

static void a_path_that_is_too_long_does_not_open(void **state)
{
    (void)state;
    struct signer_ops ops;
    char long_path[200];
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    assert_false(signer_socket_open(&ops, long_path, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_signed_form_of_the_request_is_taken),
        cmocka_unit_test(silence_is_unreachable_and_a_broken_connection_is_tried_again),
        cmocka_unit_test(a_path_that_is_too_long_does_not_open),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
