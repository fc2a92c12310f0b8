#include "chain/signer.h"
#include "chain/signer_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Happy path: one packet out, one packet in, on a connection that is kept.
 *
 * A connection that broke (the signer was restarted) is opened once more and the request sent
 * again: signing is idempotent. An answer that is late is never read as the answer to a later
 * request: the connection is closed with it. What comes back is decoded and compared with what was
 * asked: settlement never broadcasts bytes that it has not understood.
 */
struct client {
    struct sockaddr_un address;
    uint32_t timeout_ms;
    int socket;
    struct chain_address signer; /* what `address` said last; zero = it has not */
};

static void disconnect(struct client *client)
{
    if (client->socket >= 0)
        close(client->socket);
    client->socket = -1;
}

static bool connect_signer(struct client *client)
{
    if (client->socket >= 0)
        return true;
    struct timeval timeout = {.tv_sec = client->timeout_ms / 1000,
                              .tv_usec = (suseconds_t)(client->timeout_ms % 1000) * 1000};
    client->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (client->socket < 0)
        return false;
    const struct sockaddr *address = (const struct sockaddr *)&client->address;
    if (setsockopt(client->socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
        setsockopt(client->socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
        connect(client->socket, address, sizeof(client->address)) == 0)
        return true;
    disconnect(client);
    return false;
}

/* One exchange on one connection; the length of the answer, 0 when the connection is gone, -1 when
 * there was no answer in time. */
static ssize_t try_exchange(struct client *client, uint8_t *in, const uint8_t *out, size_t out_len)
{
    if (!connect_signer(client))
        return -1;
    ssize_t got = 0;
    if (send(client->socket, out, out_len, MSG_NOSIGNAL) == (ssize_t)out_len)
        got = recv(client->socket, in, SIGNER_WIRE_ANSWER_MAX, 0);
    if (got > 0)
        return got;
    bool late = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    disconnect(client);
    return late ? -1 : 0;
}

/* What stands between the answer's head and the raw bytes. */
static size_t body_bytes(const struct signer_wire_request *sent,
                         const struct signer_wire_answer *answer)
{
    bool has_history =
        (sent->kind == SIGNER_WIRE_HISTORY || sent->kind == SIGNER_WIRE_ACCOUNT) &&
        answer->result == SIGNER_OK;
    return has_history ? sizeof(struct signer_wire_history) : 0;
}

static enum signer_result exchange(struct client *client, struct signer_wire_answer *answer,
                                   uint8_t *in, const uint8_t *out, size_t out_len)
{
    struct signer_wire_request sent;
    memcpy(&sent, out, sizeof(sent));
    ssize_t got = try_exchange(client, in, out, out_len);
    if (got == 0)
        got = try_exchange(client, in, out, out_len);
    if (got <= 0)
        return SIGNER_UNREACHABLE;
    if ((size_t)got >= sizeof(*answer))
        memcpy(answer, in, sizeof(*answer));
    bool usable = (size_t)got >= sizeof(*answer) && answer->magic == SIGNER_WIRE_MAGIC &&
                  answer->request_id == sent.request_id &&
                  (size_t)got == sizeof(*answer) + body_bytes(&sent, answer) + answer->raw_len &&
                  signer_result_is_known(answer->result);
    if (usable)
        return SIGNER_OK;
    disconnect(client);
    return SIGNER_PROTOCOL;
}

static enum signer_result client_address(void *context, struct chain_address *out)
{
    struct client *client = context;
    const struct signer_wire_request request = {.magic = SIGNER_WIRE_MAGIC,
                                                .kind = SIGNER_WIRE_ADDRESS};
    uint8_t in[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_answer answer;
    enum signer_result result =
        exchange(client, &answer, in, (const uint8_t *)&request, sizeof(request));
    if (result != SIGNER_OK)
        return result;
    if (answer.result != SIGNER_OK || answer.raw_len != 0 || address_is_zero(&answer.signer))
        return SIGNER_PROTOCOL;
    client->signer = answer.signer;
    *out = client->signer;
    return SIGNER_OK;
}

static size_t write_request(uint8_t *out, const struct signer_request *request)
{
    struct signer_wire_request header = {.magic = SIGNER_WIRE_MAGIC,
                                         .kind = SIGNER_WIRE_SIGN,
                                         .request_id = request->request_id,
                                         .chain_id = request->chain_id,
                                         .nonce = request->nonce,
                                         .gas_limit = request->gas_limit,
                                         .max_fee_wei = request->max_fee_wei,
                                         .priority_fee_wei = request->priority_fee_wei,
                                         .signer = request->signer,
                                         .to = request->to,
                                         .create = request->create,
                                         .calldata_len = request->calldata_len};
    memcpy(out, &header, sizeof(header));
    if (request->calldata_len > 0)
        memcpy(out + sizeof(header), request->calldata, request->calldata_len);
    return sizeof(header) + request->calldata_len;
}

static bool is_what_was_asked(const struct transaction *made, const struct signer_request *request)
{
    return made->chain_id == request->chain_id && made->nonce == request->nonce &&
           made->gas_limit == request->gas_limit && made->max_fee_wei == request->max_fee_wei &&
           made->priority_fee_wei == request->priority_fee_wei && made->value_wei == 0 &&
           made->creates_contract == request->create && address_equal(&made->to, &request->to) &&
           made->access_list == NULL && made->calldata_len == request->calldata_len &&
           (made->calldata_len == 0 ||
            memcmp(made->calldata, request->calldata, made->calldata_len) == 0);
}

static bool is_signed_well(const struct signer_signed *out, const struct signer_request *request)
{
    struct transaction made;
    struct chain_address sender;
    struct chain_hash hash = keccak256_hash(out->raw, out->raw_len);
    return transaction_decode(&made, NULL, &sender, out->raw, out->raw_len) &&
           address_equal(&sender, &request->signer) &&
           memcmp(&hash, &out->hash, sizeof(hash)) == 0 && is_what_was_asked(&made, request);
}

static enum signer_result take_answer(struct signer_signed *out,
                                      const struct signer_wire_answer *answer, const uint8_t *raw,
                                      const struct signer_request *request)
{
    out->bound = answer->bound;
    if (answer->result != SIGNER_OK)
        return (enum signer_result)answer->result;
    if (answer->raw_len > SIGNER_RAW_MAX)
        return SIGNER_PROTOCOL;
    out->hash = answer->hash;
    out->raw_len = answer->raw_len;
    memcpy(out->raw, raw, answer->raw_len);
    return is_signed_well(out, request) ? SIGNER_OK : SIGNER_PROTOCOL;
}

/* A request that names no key is for the one that `address` named: a signer that was given another
 * key meanwhile must not use it for a nonce of this one. */
static enum signer_result name_signer(struct client *client, struct chain_address *signer)
{
    if (!address_is_zero(signer))
        return SIGNER_OK;
    *signer = client->signer;
    return address_is_zero(signer) ? client_address(client, signer) : SIGNER_OK;
}

static enum signer_result client_sign(void *context, struct signer_signed *out,
                                      const struct signer_request *request)
{
    struct client *client = context;
    struct signer_request named = *request;
    uint8_t packet[SIGNER_WIRE_REQUEST_MAX];
    uint8_t in[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_answer answer;
    out->bound = (struct signer_bound){0};
    if (request->calldata_len > SIGNER_CALLDATA_MAX) {
        out->bound =
            (struct signer_bound){.limit = SIGNER_CALLDATA_MAX, .seen = request->calldata_len};
        return SIGNER_CALLDATA_REFUSED;
    }
    enum signer_result result = name_signer(client, &named.signer);
    if (result == SIGNER_OK)
        result = exchange(client, &answer, in, packet, write_request(packet, &named));
    return result == SIGNER_OK ? take_answer(out, &answer, in + sizeof(answer), &named) : result;
}

/* The raw bytes must be the signer's, of the chain and nonce asked for. */
static bool is_of_query(const struct signer_signed *made, const struct signer_history_query *query)
{
    struct transaction transaction;
    struct chain_address sender;
    struct chain_hash hash = keccak256_hash(made->raw, made->raw_len);
    return memcmp(&hash, &made->hash, sizeof(hash)) == 0 &&
           transaction_decode(&transaction, NULL, &sender, made->raw, made->raw_len) &&
           address_equal(&sender, &query->signer) && transaction.chain_id == query->chain_id &&
           transaction.nonce == query->nonce;
}

static enum signer_result take_history(struct signer_history *out,
                                       const struct signer_wire_answer *answer, const uint8_t *body,
                                       const struct signer_history_query *query)
{
    struct signer_wire_history history;
    if (answer->result != SIGNER_OK)
        return (enum signer_result)answer->result;
    memcpy(&history, body, sizeof(history));
    if (answer->raw_len > SIGNER_RAW_MAX || history.bids > UINT32_MAX ||
        !address_equal(&answer->signer, &query->signer) ||
        (query->bid < history.bids) != (answer->raw_len > 0))
        return SIGNER_PROTOCOL;
    out->signer = answer->signer;
    out->next_nonce = history.next_nonce;
    out->bids = (uint32_t)history.bids;
    out->request_id = history.request_id;
    out->time_ns = history.time_ns;
    out->gas_limit = history.gas_limit;
    out->max_fee_wei = history.max_fee_wei;
    out->priority_fee_wei = history.priority_fee_wei;
    out->made.bound = (struct signer_bound){0};
    out->made.hash = answer->hash;
    out->made.raw_len = answer->raw_len;
    memcpy(out->made.raw, body + sizeof(history), answer->raw_len);
    return answer->raw_len == 0 || is_of_query(&out->made, query) ? SIGNER_OK : SIGNER_PROTOCOL;
}

static enum signer_result client_history(void *context, struct signer_history *out,
                                         const struct signer_history_query *query)
{
    struct client *client = context;
    struct signer_history_query named = *query;
    uint8_t in[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_answer answer;
    enum signer_result result = name_signer(client, &named.signer);
    const struct signer_wire_request request = {.magic = SIGNER_WIRE_MAGIC,
                                                .kind = SIGNER_WIRE_HISTORY,
                                                .chain_id = named.chain_id,
                                                .nonce = named.nonce,
                                                .signer = named.signer,
                                                .bid = named.bid};
    if (result == SIGNER_OK)
        result = exchange(client, &answer, in, (const uint8_t *)&request, sizeof(request));
    return result == SIGNER_OK ? take_history(out, &answer, in + sizeof(answer), &named) : result;
}

static enum signer_result client_account(void *context, struct signer_account *out,
                                         uint64_t chain_id, uint32_t number)
{
    const struct signer_wire_request request = {.magic = SIGNER_WIRE_MAGIC,
                                                .kind = SIGNER_WIRE_ACCOUNT,
                                                .chain_id = chain_id,
                                                .bid = number};
    uint8_t in[SIGNER_WIRE_ANSWER_MAX];
    struct signer_wire_answer answer;
    struct signer_wire_history account;
    enum signer_result result =
        exchange(context, &answer, in, (const uint8_t *)&request, sizeof(request));
    if (result != SIGNER_OK)
        return result;
    if (answer.result != SIGNER_OK)
        return (enum signer_result)answer.result;
    memcpy(&account, in + sizeof(answer), sizeof(account));
    if (answer.raw_len != 0 || account.bids > UINT32_MAX ||
        (number < account.bids) != (account.next_nonce > 0) ||
        (number < account.bids) == address_is_zero(&answer.signer))
        return SIGNER_PROTOCOL;
    *out = (struct signer_account){.signer = answer.signer,
                                   .next_nonce = account.next_nonce,
                                   .count = (uint32_t)account.bids};
    return SIGNER_OK;
}

static void client_close(void *context)
{
    struct client *client = context;
    disconnect(client);
    free(client);
}

bool signer_socket_open(struct signer_ops *ops, const char *path, uint32_t timeout_ms)
{
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL || strlen(path) >= sizeof(client->address.sun_path)) {
        free(client);
        return false;
    }
    client->address.sun_family = AF_UNIX;
    strcpy(client->address.sun_path, path);
    client->timeout_ms = timeout_ms;
    client->socket = -1;
    *ops = (struct signer_ops){.context = client,
                               .address = client_address,
                               .sign = client_sign,
                               .history = client_history,
                               .account = client_account,
                               .close = client_close};
    return true;
}
