/* The whole way on a real chain: anvil with the T-REX contracts from npm, lonja-sign as a process,
 * and the C code of this folder between them. Arguments: folder of the executables, root of the
 * repository. Skipped where Node or the npm packages are absent. */
#include "base/testing.h"
#include "chain/erc3643_testing.h"
#include "chain/sign_process.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MAX   2048
#define OPENING_UNITS 1000000

static const char *bin;
static const char *root;
static struct sign_process signer_process;
static struct signer_ops signer;
static struct node node;
static char folder[64];
static unsigned port;
static pid_t anvil = -1;
static struct chain_address token;

static const struct chain_address alice = {{0x10, [19] = 1}};
static const struct chain_address bob = {{0x10, [19] = 2}};
static const struct chain_address outsider = {{0x10, [19] = 3}}; /* in no registry of the token */

__attribute__((format(printf, 1, 2))) static int run(const char *format, ...)
{
    char command[COMMAND_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    assert_true(len > 0 && len < COMMAND_MAX);
    return system(command);
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int probe = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(probe, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &len), 0);
    close(probe);
    return ntohs(address.sin_port);
}

static void open_node(void)
{
    char url[64];
    char error[128];
    struct rpc_ops rpc;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
    const struct rpc_http_config config = {.url = url,
                                           .connect_timeout_ms = 2000,
                                           .call_timeout_ms = 20000,
                                           .response_bytes_max = 1 << 20};
    assert_true(rpc_http_open(&rpc, &config, error, sizeof(error)));
    node_init(&node, &rpc);
}

static void start_anvil(void)
{
    anvil = fork();
    if (anvil == 0) {
        char script[512];
        char port_text[16];
        snprintf(script, sizeof(script), "%s/chain/contracts/anvil.sh", root);
        snprintf(port_text, sizeof(port_text), "%u", port);
        execl(script, script, folder, port_text, (char *)NULL);
        _exit(127);
    }
    uint64_t chain_id = 0;
    for (int i = 0; i < 3000; i++) {
        if (node_chain_id(&node, &chain_id) == NODE_OK)
            break;
        usleep(20000);
    }
    assert_int_equal(chain_id, 31337);
}

static void stop_anvil(void)
{
    kill(anvil, SIGTERM);
    assert_int_equal(waitpid(anvil, NULL, 0), anvil);
    anvil = -1;
}

static void write_input(void)
{
    char path[128];
    char agent[ADDRESS_TEXT_SIZE];
    char a[ADDRESS_TEXT_SIZE];
    char b[ADDRESS_TEXT_SIZE];
    snprintf(path, sizeof(path), "%s/input.json", folder);
    address_format(agent, &signer_process.address);
    address_format(a, &alice);
    address_format(b, &bob);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"agent\":\"%s\",\"instruments\":[{\"symbol\":\"TEST\",\"name\":\"Test Shares\","
            "\"decimals\":6}],\"wallets\":["
            "{\"account\":1,\"address\":\"%s\",\"country\":724,\"balances\":{\"TEST\":%d}},"
            "{\"account\":2,\"address\":\"%s\",\"country\":276,\"balances\":{\"TEST\":%d}}]}",
            agent, a, OPENING_UNITS, b, OPENING_UNITS);
    assert_int_equal(fclose(file), 0);
}

static int deploy(void)
{
    return run(
        "node %s/chain/contracts/deploy.mjs --input %s/input.json --state %s/deployment.json "
        "--policy %s/policy --rpc http://127.0.0.1:%u",
        root, folder, folder, signer_process.folder, port);
}

static void read_token_address(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/deployment.json", folder);
    json_t *state = json_load_file(path, 0, NULL);
    const json_t *instrument = json_object_get(json_object_get(state, "instruments"), "TEST");
    const char *text = json_string_value(json_object_get(instrument, "token"));
    assert_non_null(text);
    assert_true(address_parse(&token, text));
    json_decref(state);
}

static bool is_installed(void)
{
    return run("node --version >/dev/null 2>&1 && test -d %s/node_modules/@tokenysolutions/t-rex "
               "&& "
               "test -d %s/node_modules/@foundry-rs/anvil-linux-amd64",
               root, root) == 0;
}

static int start_all(void **state)
{
    (void)state;
    int status;
    strcpy(folder, "/tmp/lonja-devchain-XXXXXX");
    assert_non_null(mkdtemp(folder));
    sign_process_init(&signer_process, bin);
    port = free_port();
    open_node();
    start_anvil();
    write_input();
    assert_int_equal(deploy(), 0);
    read_token_address();
    assert_true(sign_process_start(&signer_process, &status));
    sign_process_connect(&signer, &signer_process);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    if (anvil > 0)
        stop_anvil();
    signer.close(signer.context);
    node_fini(&node);
    sign_process_fini(&signer_process);
    return run("rm -r %s", folder);
}

/* ---- what the tests share ----------------------------------------------------------------------
 */

static void operate(const char *command, const struct chain_address *wallet, const char *rest)
{
    char text[ADDRESS_TEXT_SIZE] = "";
    if (wallet != NULL)
        address_format(text, wallet);
    assert_int_equal(run("node %s/chain/contracts/token.mjs --state %s/deployment.json --rpc "
                         "http://127.0.0.1:%u %s TEST %s %s",
                         root, folder, port, command, text, rest),
                     0);
}

static void call_method(const char *method, json_t *params)
{
    struct rpc_reply reply;
    node.rpc.call(node.rpc.context, &reply, method, params);
    assert_int_equal(reply.status, RPC_OK);
    rpc_reply_fini(&reply);
}

static uint64_t balance_of(const struct chain_address *wallet)
{
    chain_uint128 units;
    assert_int_equal(
        erc3643_read_u128(&node, &units, &token, ERC3643_BALANCE_OF, wallet, NODE_LATEST), NODE_OK);
    return (uint64_t)units;
}

static void expect_verdict(enum erc3643_verdict verdict, const struct chain_address *from,
                           const struct chain_address *to, uint64_t units)
{
    struct erc3643_evidence evidence;
    struct node_block head;
    assert_int_equal(node_get_block(&node, &head, NODE_LATEST), NODE_OK);
    const struct erc3643_asked asked = {token, *from, *to, units, head.number};
    assert_int_equal(erc3643_testing_ask(&node, &evidence, &asked), NODE_OK);
    assert_string_equal(erc3643_verdict_text(evidence.verdict), erc3643_verdict_text(verdict));
}

/* Estimate × 1.25, fees from the node, next nonce; what settlement does. */
static struct signer_request prepare(const uint8_t *calldata, ssize_t len)
{
    struct signer_request request = {
        .to = token, .calldata = calldata, .calldata_len = (uint32_t)len};
    struct node_message message = {.from = signer_process.address,
                                   .to = token,
                                   .calldata = calldata,
                                   .calldata_len = (size_t)len};
    struct node_fees fees;
    assert_true(len > 0);
    assert_int_equal(node_chain_id(&node, &request.chain_id), NODE_OK);
    assert_int_equal(node_estimate_gas(&node, &request.gas_limit, &message), NODE_OK);
    assert_int_equal(node_get_fees(&node, &fees), NODE_OK);
    assert_int_equal(
        node_transaction_count(&node, &request.nonce, &signer_process.address, NODE_PENDING),
        NODE_OK);
    request.gas_limit = request.gas_limit * 5 / 4;
    request.priority_fee_wei = fees.priority_fee_wei > 0 ? fees.priority_fee_wei : 1000000000;
    request.max_fee_wei = 2 * fees.base_fee_wei + request.priority_fee_wei;
    return request;
}

static struct signer_request prepare_transfer(uint8_t calldata[128], uint64_t units)
{
    return prepare(calldata, erc3643_forced_transfer(calldata, 128, &alice, &bob, units));
}

static void sign(struct signer_signed *out, const struct signer_request *request)
{
    assert_int_equal(signer.sign(signer.context, out, request), SIGNER_OK);
}

static enum node_result send_signed(const struct signer_signed *made)
{
    return node_send_raw(&node, made->raw, made->raw_len);
}

/* The node answers before it mines. */
static void await_receipt(struct node_receipt *receipt, const struct signer_signed *made)
{
    for (int i = 0; i < 6000; i++) {
        assert_int_equal(node_get_receipt(&node, receipt, &made->hash), NODE_OK);
        if (receipt->found)
            return;
        usleep(10000);
    }
    fail_msg("not mined within a minute");
}

static void expect_transfers(const struct signer_signed *made, size_t wanted, uint64_t units)
{
    struct node_receipt receipt;
    size_t transfers = 0;
    await_receipt(&receipt, made);
    assert_true(receipt.succeeded);
    for (size_t i = 0; i < receipt.log_count; i++) {
        struct erc3643_transfer transfer;
        if (!erc3643_decode_transfer(&transfer, &receipt.logs[i]))
            continue;
        transfers++;
        assert_true(address_equal(&transfer.token, &token));
        assert_true(address_equal(&transfer.from, &alice) && address_equal(&transfer.to, &bob));
        assert_true(transfer.units == units);
    }
    assert_int_equal(transfers, wanted);
    node_receipt_fini(&receipt);
}

static void expect_nothing_lost(void)
{
    chain_uint128 supply;
    assert_int_equal(
        erc3643_read_u128(&node, &supply, &token, ERC3643_TOTAL_SUPPLY, NULL, NODE_LATEST),
        NODE_OK);
    assert_true(supply == 2 * OPENING_UNITS);
    assert_int_equal(balance_of(&alice) + balance_of(&bob) + balance_of(&outsider),
                     2 * OPENING_UNITS);
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void a_transfer_is_checked_signed_mined_and_decoded(void **state)
{
    (void)state;
    uint8_t calldata[128];
    struct signer_signed made;
    uint64_t before = balance_of(&bob);
    expect_verdict(ERC3643_ALLOWED, &alice, &bob, 250);
    struct signer_request request = prepare_transfer(calldata, 250);
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_OK);
    expect_transfers(&made, 1, 250);
    assert_int_equal(balance_of(&bob), before + 250);
    expect_nothing_lost();
}

static void a_batch_is_one_transaction_with_a_transfer_each(void **state)
{
    (void)state;
    static uint8_t calldata[ERC3643_CALLDATA_MAX];
    struct chain_address from[20];
    struct chain_address to[20];
    chain_uint128 units[20];
    struct signer_signed made;
    for (size_t i = 0; i < 20; i++) {
        from[i] = alice;
        to[i] = bob;
        units[i] = 7;
    }
    struct signer_request request = prepare(
        calldata, erc3643_batch_forced_transfer(calldata, sizeof(calldata), from, to, units, 20));
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_OK);
    expect_transfers(&made, 20, 7);
    expect_nothing_lost();
}

static void bytes_that_were_mined_are_nonce_too_low_and_their_receipt_is_there(void **state)
{
    (void)state;
    uint8_t calldata[128];
    struct signer_signed made;
    struct signer_request request = prepare_transfer(calldata, 1);
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_OK);
    expect_transfers(&made, 1, 1);
    assert_int_equal(send_signed(&made), NODE_NONCE_TOO_LOW);
}

static void bytes_in_the_pool_are_already_known_and_a_bump_replaces_them(void **state)
{
    (void)state;
    uint8_t calldata[128];
    struct signer_signed made;
    struct signer_signed bumped;
    struct node_transaction transaction;
    call_method("evm_setAutomine", json_pack("[b]", 0));
    struct signer_request request = prepare_transfer(calldata, 2);
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_OK);
    assert_int_equal(send_signed(&made), NODE_ALREADY_KNOWN);
    assert_int_equal(node_get_transaction(&node, &transaction, &made.hash), NODE_OK);
    assert_true(transaction.found && !transaction.mined);
    request.max_fee_wei += request.max_fee_wei / 8 + 1;
    request.priority_fee_wei += request.priority_fee_wei / 8 + 1;
    sign(&bumped, &request);
    assert_int_equal(send_signed(&bumped), NODE_OK);
    call_method("evm_mine", json_array());
    call_method("evm_setAutomine", json_pack("[b]", 1));
    expect_transfers(&bumped, 1, 2);
    struct node_receipt receipt;
    assert_int_equal(node_get_receipt(&node, &receipt, &made.hash), NODE_OK);
    assert_false(receipt.found);
    node_receipt_fini(&receipt);
}

static void a_fee_below_the_base_fee_is_underpriced(void **state)
{
    (void)state;
    uint8_t calldata[128];
    struct signer_signed made;
    struct signer_request request = prepare_transfer(calldata, 3);
    request.max_fee_wei = 1;
    request.priority_fee_wei = 1;
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_UNDERPRICED);
    request = prepare_transfer(calldata, 3); /* the same nonce, fees above */
    sign(&made, &request);
    assert_int_equal(send_signed(&made), NODE_OK);
    expect_transfers(&made, 1, 3);
}

static void a_nonce_gap_waits_and_is_filled(void **state)
{
    (void)state;
    uint8_t first_calldata[128];
    uint8_t second_calldata[128];
    struct signer_signed first;
    struct signer_signed second;
    struct signer_request request = prepare_transfer(first_calldata, 4);
    struct signer_request later = prepare_transfer(second_calldata, 4);
    later.nonce++;
    sign(&first, &request);
    sign(&second, &later);
    assert_int_equal(send_signed(&second), NODE_OK);
    assert_int_equal(send_signed(&first), NODE_OK);
    expect_transfers(&first, 1, 4);
    expect_transfers(&second, 1, 4);
}

static void a_frozen_wallet_is_refused_on_either_side(void **state)
{
    (void)state;
    operate("freeze", &alice, "");
    expect_verdict(ERC3643_FROZEN_SENDER, &alice, &bob, 1);
    expect_verdict(ERC3643_FROZEN_RECEIVER, &bob, &alice, 1);
    operate("unfreeze", &alice, "");
    expect_verdict(ERC3643_ALLOWED, &alice, &bob, 1);
}

static void frozen_units_are_not_free(void **state)
{
    (void)state;
    char rest[32];
    uint64_t balance = balance_of(&bob);
    snprintf(rest, sizeof(rest), "%llu", (unsigned long long)(balance - 10));
    operate("freeze-units", &bob, rest);
    expect_verdict(ERC3643_ALLOWED, &bob, &alice, 10);
    expect_verdict(ERC3643_BALANCE_SHORT, &bob, &alice, 11);
}

static void who_is_in_no_registry_is_refused_here_and_by_the_contract(void **state)
{
    (void)state;
    uint8_t calldata[128];
    uint64_t gas;
    expect_verdict(ERC3643_RECEIVER_NOT_REGISTERED, &alice, &outsider, 1);
    expect_verdict(ERC3643_SENDER_NOT_REGISTERED, &outsider, &alice, 0);
    ssize_t len = erc3643_forced_transfer(calldata, sizeof(calldata), &alice, &outsider, 1);
    struct node_message message = {.from = signer_process.address,
                                   .to = token,
                                   .calldata = calldata,
                                   .calldata_len = (size_t)len};
    assert_int_equal(node_estimate_gas(&node, &gas, &message), NODE_REVERTED);
    assert_string_equal(node.error.reason, "Transfer not possible");
}

static void a_paused_token_is_refused(void **state)
{
    (void)state;
    operate("pause", NULL, "");
    expect_verdict(ERC3643_PAUSED_TOKEN, &alice, &bob, 1);
    operate("unpause", NULL, "");
    expect_verdict(ERC3643_ALLOWED, &alice, &bob, 1);
}

/* More than two chunks. */
static void what_is_asked_together_is_answered_as_alone(void **state)
{
    (void)state;
    enum { WALLETS = 120, QUESTIONS = 4 * WALLETS };
    static struct erc3643_questions list;
    static chain_uint128 units[WALLETS];
    static bool flags[3 * WALLETS];
    struct node_block block;
    struct chain_address registry;
    struct chain_address compliance;
    assert_int_equal(node_get_block(&node, &block, NODE_LATEST), NODE_OK);
    uint64_t at = block.number;
    assert_int_equal(erc3643_read_address(&node, &registry, &token, ERC3643_IDENTITY_REGISTRY, at),
                     NODE_OK);
    assert_int_equal(erc3643_read_address(&node, &compliance, &token, ERC3643_COMPLIANCE, at),
                     NODE_OK);
    uint64_t before = node.counters.calls;
    erc3643_questions_begin(&list, &node, at);
    for (size_t i = 0; i < WALLETS; i++) {
        const struct chain_address *who = i % 2 == 0 ? &alice : &bob;
        assert_int_equal(erc3643_questions_add(&list, ERC3643_ANSWER_U128, &units[i], &token,
                                               ERC3643_BALANCE_OF, who),
                         NODE_OK);
        assert_int_equal(erc3643_questions_add(&list, ERC3643_ANSWER_BOOL, &flags[3 * i], &token,
                                               ERC3643_IS_FROZEN, who),
                         NODE_OK);
        assert_int_equal(erc3643_questions_add(&list, ERC3643_ANSWER_BOOL, &flags[3 * i + 1],
                                               &registry, ERC3643_IS_VERIFIED, who),
                         NODE_OK);
        assert_int_equal(
            erc3643_questions_can_transfer(&list, &flags[3 * i + 2], &compliance, &alice, &bob, 1),
            NODE_OK);
    }
    assert_int_equal(erc3643_questions_ask(&list), NODE_OK);
    assert_int_equal(node.counters.calls - before,
                     (QUESTIONS + MULTICALL_CHUNK_MAX - 1) / MULTICALL_CHUNK_MAX);
    assert_true(balance_of(&alice) != balance_of(&bob));
    for (size_t i = 0; i < WALLETS; i++) {
        assert_true(units[i] == balance_of(i % 2 == 0 ? &alice : &bob));
        assert_false(flags[3 * i]);
        assert_true(flags[3 * i + 1] && flags[3 * i + 2]);
    }
}

/* A contract of this code stands at `address` in the node's state. */
static void set_code(const struct chain_address *address, const char *code)
{
    char text[ADDRESS_TEXT_SIZE];
    address_format(text, address);
    call_method("anvil_setCode", json_pack("[s, s]", text, code));
}

static void a_contract_that_fails_among_others_is_told_as_alone(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        enum node_result result;
    } contracts[] = {
        {"0x", NODE_UNFIT},
        {"0x60006000fd", NODE_REVERTED},     /* REVERT */
        {"0x60206000f3", NODE_OK},           /* a word of zeros */
        {"0x601f6000f3", NODE_UNFIT},        /* a byte too few */
        {"0x60806000f3", NODE_OK},           /* four words */
        {"0x60a06000f3", NODE_UNFIT},        /* five */
        {"0x600160005260206000f3", NODE_OK}, /* one */
        {"0x6000195f5260206000f3", NODE_UNFIT},
        {"0x620f424060005260206000f3", NODE_UNFIT}, /* no flag */
    };
    const struct chain_address odd = {{0xde, 0xad}};
    for (size_t i = 0; i < sizeof(contracts) / sizeof(contracts[0]); i++) {
        struct erc3643_questions list;
        bool flags[3];
        bool alone;
        struct node_block block;
        set_code(&odd, contracts[i].code);
        call_method("anvil_mine", json_pack("[s]", "0x1"));
        assert_int_equal(node_get_block(&node, &block, NODE_LATEST), NODE_OK);
        erc3643_questions_begin(&list, &node, block.number);
        for (size_t q = 0; q < 3; q++)
            assert_int_equal(erc3643_questions_add(&list, ERC3643_ANSWER_BOOL, &flags[q],
                                                   q == 1 ? &odd : &token, ERC3643_PAUSED, NULL),
                             NODE_OK);
        enum node_result together = erc3643_questions_ask(&list);
        assert_int_equal(together, contracts[i].result);
        assert_int_equal(erc3643_read_bool(&node, &alone, &odd, ERC3643_PAUSED, NULL, block.number),
                         contracts[i].result);
        if (together == NODE_OK)
            assert_true(flags[1] == alone && !flags[0] && !flags[2]);
    }
    set_code(&odd, "0x");
}

static void
the_chain_keeps_its_state_over_a_restart_and_deploying_again_changes_nothing(void **state)
{
    (void)state;
    uint64_t before = balance_of(&bob);
    stop_anvil();
    start_anvil();
    assert_int_equal(balance_of(&bob), before);
    assert_int_equal(deploy(), 0);
    struct chain_address old = token;
    read_token_address();
    assert_true(address_equal(&old, &token));
    assert_int_equal(balance_of(&bob), before);
    expect_nothing_lost();
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER-OF-EXECUTABLES REPOSITORY\n", argv[0]);
        return 2;
    }
    bin = argv[1];
    root = argv[2];
    if (!is_installed()) {
        fprintf(stderr, "skipped: needs node and npm ci --ignore-scripts\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transfer_is_checked_signed_mined_and_decoded),
        cmocka_unit_test(a_batch_is_one_transaction_with_a_transfer_each),
        cmocka_unit_test(bytes_that_were_mined_are_nonce_too_low_and_their_receipt_is_there),
        cmocka_unit_test(bytes_in_the_pool_are_already_known_and_a_bump_replaces_them),
        cmocka_unit_test(a_fee_below_the_base_fee_is_underpriced),
        cmocka_unit_test(a_nonce_gap_waits_and_is_filled),
        cmocka_unit_test(a_frozen_wallet_is_refused_on_either_side),
        cmocka_unit_test(who_is_in_no_registry_is_refused_here_and_by_the_contract),
        cmocka_unit_test(a_paused_token_is_refused),
        cmocka_unit_test(what_is_asked_together_is_answered_as_alone),
        cmocka_unit_test(a_contract_that_fails_among_others_is_told_as_alone),
        cmocka_unit_test(frozen_units_are_not_free),
        cmocka_unit_test(
            the_chain_keeps_its_state_over_a_restart_and_deploying_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
