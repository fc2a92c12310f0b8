#include "chain/sign_service.h"

#include "base/log.h"

#include <string.h>

/* Order matters: policy, then the log's rule for the nonce, then the record is synced, and only
 * then the signature is made. A record without a signature given away (a crash in between) costs
 * nothing: the same request is signed again. */

static void log_policy(const struct sign_policy_file *policy)
{
    if (policy->readable)
        log_info("policy read chain=%llu rules=%zu creates=%zu",
                 (unsigned long long)policy->policy.chain_id, policy->policy.rule_count,
                 policy->policy.create_count);
    else
        log_error("policy cannot be read, everything is refused reason=%s", policy->error);
}

void sign_service_reload(struct sign_service *service)
{
    if (sign_policy_file_refresh(service->policy, true))
        log_policy(service->policy);
}

static enum signer_result check_policy(struct sign_service *service, struct signer_bound *bound,
                                       const struct signer_request *request)
{
    struct sign_call call;
    if (sign_policy_file_refresh(service->policy, false))
        log_policy(service->policy);
    if (!service->policy->readable)
        return SIGNER_POLICY_UNREADABLE;
    return sign_policy_check(&service->policy->policy, &call, bound, request, &service->address);
}

static struct transaction to_transaction(const struct signer_request *request)
{
    return (struct transaction){.chain_id = request->chain_id,
                                .nonce = request->nonce,
                                .priority_fee_wei = request->priority_fee_wei,
                                .max_fee_wei = request->max_fee_wei,
                                .gas_limit = request->gas_limit,
                                .creates_contract = request->create,
                                .to = request->to,
                                .calldata = request->calldata,
                                .calldata_len = request->calldata_len};
}

static struct sign_log_payload hash_payload(const struct signer_request *request,
                                            const struct transaction *transaction)
{
    uint8_t bytes[SIGNER_RAW_MAX];
    struct sign_log_payload payload;
    memcpy(bytes, request->to.bytes, ADDRESS_BYTES);
    if (request->calldata_len > 0)
        memcpy(bytes + ADDRESS_BYTES, request->calldata, request->calldata_len);
    payload.payload = keccak256_hash(bytes, ADDRESS_BYTES + request->calldata_len);
    ssize_t len = transaction_encode_unsigned(bytes, sizeof(bytes), transaction);
    ASSERT(len > 0);
    payload.unsigned_hash = keccak256_hash(bytes, (size_t)len);
    return payload;
}

static enum signer_result sign(struct sign_service *service, struct signer_signed *out,
                               const struct signer_request *request)
{
    if (!address_is_zero(&request->signer) && !address_equal(&request->signer, &service->address))
        return SIGNER_KEY_UNKNOWN;
    enum signer_result result = check_policy(service, &out->bound, request);
    if (result != SIGNER_OK)
        return result;
    struct transaction transaction = to_transaction(request);
    struct sign_log_payload payload = hash_payload(request, &transaction);
    bool known;
    result = sign_log_check(service->log, &known, request, &payload);
    if (result == SIGNER_OK && !known)
        result = sign_log_append(service->log, request, &payload, clock_wall_ns(service->clock));
    if (result != SIGNER_OK)
        return result;
    ssize_t len = transaction_sign(out->raw, sizeof(out->raw), &transaction, service->key);
    if (len < 0)
        return SIGNER_INTERNAL;
    out->raw_len = (size_t)len;
    out->hash = keccak256_hash(out->raw, out->raw_len);
    return SIGNER_OK;
}

static const char *method_name(const struct signer_request *request)
{
    if (request->create)
        return "creation";
    if (request->calldata_len < ABI_SELECTOR_BYTES)
        return request->calldata_len == 0 ? "nonce given up" : "none";
    const uint8_t *bytes = request->calldata;
    const char *signature = erc3643_signature((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                                              (uint32_t)bytes[2] << 8 | bytes[3]);
    return signature != NULL ? signature : "unknown";
}

/* The contract is public; wallets stand in the calldata and stay out of the log. */
static void log_answer(const struct signer_request *request, enum signer_result result,
                       const struct chain_hash *hash)
{
    char contract[ADDRESS_TEXT_SIZE];
    char hash_text[HEX_TEXT_SIZE(KECCAK_BYTES)] = "none";
    address_format(contract, &request->to);
    if (result == SIGNER_OK)
        hex_encode(hash_text, hash->bytes, KECCAK_BYTES);
    log_line(result == SIGNER_OK ? LOG_INFO : LOG_WARNING,
             "request answered result=%s request=%llu chain=%llu nonce=%llu contract=%s method=%s "
             "gas=%llu max_fee_wei=%llu hash=%s",
             signer_result_text(result), (unsigned long long)request->request_id,
             (unsigned long long)request->chain_id, (unsigned long long)request->nonce, contract,
             method_name(request), (unsigned long long)request->gas_limit,
             (unsigned long long)request->max_fee_wei, hash_text);
}

static void read_request(struct signer_request *out, const struct signer_wire_request *header,
                         const uint8_t *calldata)
{
    *out = (struct signer_request){.request_id = header->request_id,
                                   .chain_id = header->chain_id,
                                   .nonce = header->nonce,
                                   .gas_limit = header->gas_limit,
                                   .max_fee_wei = header->max_fee_wei,
                                   .priority_fee_wei = header->priority_fee_wei,
                                   .signer = header->signer,
                                   .to = header->to,
                                   .create = header->create != 0,
                                   .calldata_len = header->calldata_len,
                                   .calldata = calldata};
}

static size_t write_answer(const struct sign_service *service, uint8_t *out,
                           enum signer_result result, uint64_t request_id,
                           const struct signer_signed *made)
{
    struct signer_wire_answer answer = {.magic = SIGNER_WIRE_MAGIC,
                                        .result = (uint32_t)result,
                                        .request_id = request_id,
                                        .signer = service->address};
    if (made != NULL)
        answer.bound = made->bound;
    if (result == SIGNER_OK && made != NULL) {
        answer.raw_len = (uint32_t)made->raw_len;
        answer.hash = made->hash;
        memcpy(out + sizeof(answer), made->raw, made->raw_len);
    }
    memcpy(out, &answer, sizeof(answer));
    return sizeof(answer) + answer.raw_len;
}

static size_t answer_sign(struct sign_service *service, uint8_t *out,
                          const struct signer_wire_request *header, const uint8_t *calldata)
{
    struct signer_request request;
    struct signer_signed made = {.raw_len = 0};
    read_request(&request, header, calldata);
    enum signer_result result = sign(service, &made, &request);
    log_answer(&request, result, &made.hash);
    if (result == SIGNER_OK)
        service->signed_count++;
    else
        service->refused_count++;
    return write_answer(service, out, result, request.request_id, &made);
}

static bool is_well_formed(const struct signer_wire_request *header, size_t in_len)
{
    return header->magic == SIGNER_WIRE_MAGIC && header->calldata_len <= SIGNER_CALLDATA_MAX &&
           header->create <= 1 && in_len == sizeof(*header) + header->calldata_len &&
           (header->kind == SIGNER_WIRE_SIGN || header->kind == SIGNER_WIRE_ADDRESS);
}

size_t sign_service_answer(struct sign_service *service, uint8_t *out, bool *hang_up,
                           const uint8_t *in, size_t in_len)
{
    struct signer_wire_request header = {0};
    if (in_len >= sizeof(header))
        memcpy(&header, in, sizeof(header));
    *hang_up = in_len < sizeof(header) || !is_well_formed(&header, in_len);
    if (*hang_up) {
        service->refused_count++;
        log_limited(LOG_WARNING, "peer sent no message of ours bytes=%zu", in_len);
        return write_answer(service, out, SIGNER_PROTOCOL, header.request_id, NULL);
    }
    if (header.kind == SIGNER_WIRE_ADDRESS)
        return write_answer(service, out, SIGNER_OK, header.request_id, NULL);
    return answer_sign(service, out, &header, in + sizeof(header));
}
