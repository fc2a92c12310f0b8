#include "chain/sign_service.h"

#include "base/log.h"
#include "chain/erc3643.h"

#include <errno.h>
#include <string.h>

/* Order matters: the key, the policy, the log's rule for the nonce, the caps; then the signature is
 * made, and it stays here until its record is synced. A crash before that costs nothing: nobody has
 * seen the signature. What is asked for again is answered from the log and not signed anew, so that
 * the bytes are the same whatever back-end has made them. */

static void log_policy(const struct sign_policy_file *policy)
{
    if (policy->readable)
        log_info("policy read chain=%llu rules=%zu creates=%zu caps=%zu",
                 (unsigned long long)policy->policy.chain_id, policy->policy.rule_count,
                 policy->policy.create_count, policy->policy.cap_count);
    else
        log_error("policy cannot be read, everything is refused reason=%s", policy->error);
}

static void refresh_policy(struct sign_service *service, bool forced)
{
    if (!sign_policy_file_refresh(service->policy, forced))
        return;
    sign_windows_reset(&service->windows);
    log_policy(service->policy);
}

void sign_service_reload(struct sign_service *service)
{
    refresh_policy(service, true);
}

static void hash_request(struct sign_service *service, struct sign_log_record *record,
                         const uint8_t *calldata)
{
    struct transaction transaction = sign_log_transaction(record, calldata);
    ssize_t len =
        transaction_encode_unsigned(service->scratch, sizeof(service->scratch), &transaction);
    ASSERT(len > 0);
    record->unsigned_hash = keccak256_hash(service->scratch, (size_t)len);
}

static void encode(struct signer_signed *out, const struct sign_log_record *record,
                   const uint8_t *calldata)
{
    struct transaction transaction = sign_log_transaction(record, calldata);
    ssize_t len =
        transaction_encode_signed(out->raw, sizeof(out->raw), &transaction, &record->signature);
    ASSERT(len > 0); /* SIGNER_RAW_MAX has room for the longest calldata */
    out->raw_len = (size_t)len;
    out->hash = keccak256_hash(out->raw, out->raw_len);
}

static enum signer_result sign_with(struct sign_service *service, struct signer_signed *out,
                                    struct sign_log_record *record, const uint8_t *calldata,
                                    size_t key)
{
    const struct sign_keys *keys = service->keys;
    struct chain_address maker;
    if (!keys->sign(keys->context, &record->signature, key, &record->unsigned_hash))
        return SIGNER_BACKEND_FAILED;
    if (keys->foreign && (!ecdsa_recover(&maker, &record->unsigned_hash, &record->signature) ||
                          !address_equal(&maker, &record->signer)))
        return SIGNER_BACKEND_FAILED;
    encode(out, record, calldata);
    record->hash = out->hash;
    return SIGNER_OK;
}

/* The bytes that entry number `entry` of the log gave away. */
static enum signer_result recall(struct sign_service *service, struct signer_signed *out,
                                 struct sign_log_record *record, size_t entry)
{
    if (!sign_log_reload(service->log, record, service->scratch, entry))
        return SIGNER_LOG_FAILED;
    encode(out, record, service->scratch);
    return memcmp(&out->hash, &record->hash, sizeof(out->hash)) == 0 ? SIGNER_OK : SIGNER_INTERNAL;
}

/* A retired key signs what keeps a nonce alive, gives up those it has left out, and pays out of its
 * own wallet what the policy lets any key pay: an escrow stays where it is when the active key
 * changes. */
static bool may_use(const struct sign_service *service, int key, enum sign_log_standing standing,
                    const struct sign_log_record *record, const struct sign_call *call)
{
    bool pays = call->kind == SIGN_CALL_METHOD && call->selector == ERC3643_TRANSFER;

    return key == 0 || standing != SIGN_LOG_NEW || pays ||
           (record->calldata_len == 0 &&
            record->nonce < sign_log_next_nonce(service->log, record->chain_id, &record->signer));
}

static enum signer_result check_policy(struct sign_service *service, struct sign_call *call,
                                       struct signer_bound *bound,
                                       const struct signer_request *request,
                                       const struct chain_address *signer)
{
    refresh_policy(service, false);
    if (!service->policy->readable)
        return SIGNER_POLICY_UNREADABLE;
    return sign_policy_check(&service->policy->policy, call, bound, request, signer);
}

/* A first bid counts against the caps. */
static enum signer_result check_caps(struct sign_service *service, struct sign_log_record *record,
                                     const struct sign_call *call)
{
    enum signer_result result =
        sign_windows_check(&service->windows, &record->bound, &service->policy->policy,
                           service->log, call, &record->to, record->time_ns);
    record->units = call->kind == SIGN_CALL_METHOD ? call->units : 0;
    record->transfers = call->transfers;
    return result;
}

static enum signer_result sign(struct sign_service *service, struct signer_signed *out,
                               struct sign_log_record *record, const struct signer_request *request)
{
    struct sign_call call;
    enum sign_log_standing standing;
    size_t entry = 0;
    int key = sign_keys_find(service->keys, &request->signer);
    if (key < 0)
        return SIGNER_KEY_UNKNOWN;
    record->signer = service->keys->addresses[key];
    enum signer_result result =
        check_policy(service, &call, &record->bound, request, &record->signer);
    if (result != SIGNER_OK)
        return result;
    hash_request(service, record, request->calldata);
    result = sign_log_check(service->log, &standing, &entry, record, request->calldata);
    if (result == SIGNER_OK && !may_use(service, key, standing, record, &call))
        result = SIGNER_KEY_RETIRED;
    if (result == SIGNER_OK && standing == SIGN_LOG_NEW)
        result = check_caps(service, record, &call);
    if (result != SIGNER_OK)
        return result;
    if (standing == SIGN_LOG_KNOWN) {
        struct sign_log_record before;
        record->kind = SIGN_LOG_REPEATED;
        result = recall(service, out, &before, entry);
        record->signature = before.signature;
        record->hash = before.hash;
        return result;
    }
    record->kind = SIGN_LOG_SIGNED;
    return sign_with(service, out, record, request->calldata, (size_t)key);
}

/* ---- records -----------------------------------------------------------------------------------
 */

static uint64_t now_ns(const struct sign_service *service)
{
    uint64_t now = clock_wall_ns(service->clock);
    return now > service->log->time_ns ? now : service->log->time_ns;
}

static struct sign_log_record begin_record(const struct sign_service *service,
                                           const struct signer_wire_request *header,
                                           const struct sign_peer *peer)
{
    return (struct sign_log_record){.time_ns = now_ns(service),
                                    .request_id = header->request_id,
                                    .chain_id = header->chain_id,
                                    .nonce = header->nonce,
                                    .gas_limit = header->gas_limit,
                                    .max_fee_wei = header->max_fee_wei,
                                    .priority_fee_wei = header->priority_fee_wei,
                                    .create = header->create,
                                    .calldata_len = header->calldata_len,
                                    .signer = header->signer,
                                    .to = header->to,
                                    .peer_uid = peer->uid,
                                    .peer_pid = peer->pid};
}

/* Of what was not signed only the beginning is kept. False when it is not in the log. */
static bool write_record(struct sign_service *service, struct sign_log_record *record,
                         enum signer_result result, const uint8_t *calldata)
{
    if (result != SIGNER_OK && record->kind != SIGN_LOG_MALFORMED) {
        record->kind = SIGN_LOG_REFUSED;
        record->units = 0;
        record->transfers = 0;
        memset(&record->signature, 0, sizeof(record->signature));
    }
    record->result = (uint32_t)result;
    record->kept_len = record->calldata_len;
    if (record->kind != SIGN_LOG_SIGNED && record->kept_len > SIGN_LOG_FIRST_BYTES)
        record->kept_len = SIGN_LOG_FIRST_BYTES;
    record->turned_away = service->turned_away;
    if (sign_log_append(service->log, record, calldata)) {
        service->turned_away = 0;
        return true;
    }
    log_error("the request cannot be recorded, nothing is answered reason=%s", strerror(errno));
    return false;
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

/* What was signed stands in the audit. The contract is public; wallets stand in the calldata and
 * stay out of this log. */
static void log_refusal(const struct signer_request *request, enum signer_result result,
                        const struct sign_log_record *record)
{
    char contract[ADDRESS_TEXT_SIZE];
    char signer[ADDRESS_TEXT_SIZE];
    address_format(contract, &request->to);
    address_format(signer, &record->signer);
    log_warning("request refused result=%s request=%llu signer=%s chain=%llu nonce=%llu "
                "contract=%s method=%s gas=%llu max_fee_wei=%llu",
                signer_result_text(result), (unsigned long long)request->request_id, signer,
                (unsigned long long)request->chain_id, (unsigned long long)request->nonce, contract,
                method_name(request), (unsigned long long)request->gas_limit,
                (unsigned long long)request->max_fee_wei);
}

/* ---- answers -----------------------------------------------------------------------------------
 */

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

/* Head and raw bytes, `body_len` bytes apart; `made` may be NULL. */
static size_t write_answer(uint8_t *out, enum signer_result result, uint64_t request_id,
                           const struct chain_address *signer, const struct signer_bound *bound,
                           const struct signer_signed *made, size_t body_len)
{
    struct signer_wire_answer answer = {.magic = SIGNER_WIRE_MAGIC,
                                        .result = (uint32_t)result,
                                        .request_id = request_id,
                                        .signer = *signer,
                                        .bound = *bound};
    if (made != NULL) {
        answer.raw_len = (uint32_t)made->raw_len;
        answer.hash = made->hash;
        memcpy(out + sizeof(answer) + body_len, made->raw, made->raw_len);
    }
    memcpy(out, &answer, sizeof(answer));
    return sizeof(answer) + body_len + answer.raw_len;
}

static const struct signer_bound no_bound;

/* An answer without bytes: a refusal, or the active key's address. */
static size_t write_bare(const struct sign_service *service, uint8_t *out,
                         enum signer_result result, uint64_t request_id,
                         const struct signer_bound *bound)
{
    return write_answer(out, result, request_id, &service->keys->addresses[0], bound, NULL, 0);
}

static size_t answer_sign(struct sign_service *service, uint8_t *out,
                          const struct signer_wire_request *header, const uint8_t *calldata,
                          const struct sign_peer *peer)
{
    struct signer_request request;
    struct signer_signed made;
    struct sign_log_record record = begin_record(service, header, peer);
    read_request(&request, header, calldata);
    enum signer_result result = sign(service, &made, &record, &request);
    if (!write_record(service, &record, result, calldata))
        result = SIGNER_LOG_FAILED;
    if (result == SIGNER_OK) {
        service->signed_count++;
        return write_answer(out, result, request.request_id, &record.signer, &no_bound, &made, 0);
    }
    service->refused_count++;
    log_refusal(&request, result, &record);
    return write_bare(service, out, result, request.request_id, &record.bound);
}

static enum signer_result look_up(struct sign_service *service, struct signer_wire_history *history,
                                  struct signer_signed *made,
                                  const struct signer_wire_request *header,
                                  const struct chain_address *signer)
{
    struct sign_log_record found;
    size_t entry = 0;
    *history = (struct signer_wire_history){
        .next_nonce = sign_log_next_nonce(service->log, header->chain_id, signer),
        .bids = sign_log_bids(service->log, &entry, header->chain_id, signer, header->nonce,
                              header->bid)};
    made->raw_len = 0;
    memset(&made->hash, 0, sizeof(made->hash));
    if (header->bid >= history->bids)
        return SIGNER_OK;
    enum signer_result result = recall(service, made, &found, entry);
    if (result != SIGNER_OK)
        return result;
    history->request_id = found.request_id;
    history->time_ns = found.time_ns;
    history->gas_limit = found.gas_limit;
    history->max_fee_wei = found.max_fee_wei;
    history->priority_fee_wei = found.priority_fee_wei;
    return SIGNER_OK;
}

/* Of any key that stands in the log, held or no longer held. */
static size_t answer_history(struct sign_service *service, uint8_t *out,
                             const struct signer_wire_request *header, const struct sign_peer *peer)
{
    struct signer_wire_history history;
    struct signer_signed made;
    struct sign_log_record record = begin_record(service, header, peer);
    if (address_is_zero(&record.signer))
        record.signer = service->keys->addresses[0];
    record.kind = SIGN_LOG_READ;
    enum signer_result result = look_up(service, &history, &made, header, &record.signer);
    if (!write_record(service, &record, result, NULL))
        result = SIGNER_LOG_FAILED;
    log_debug("history told result=%s chain=%llu nonce=%llu bids=%llu", signer_result_text(result),
              (unsigned long long)header->chain_id, (unsigned long long)header->nonce,
              (unsigned long long)history.bids);
    if (result != SIGNER_OK)
        return write_bare(service, out, result, header->request_id, &no_bound);
    memcpy(out + sizeof(struct signer_wire_answer), &history, sizeof(history));
    return write_answer(out, result, header->request_id, &record.signer, &no_bound, &made,
                        sizeof(history));
}

/* Who has signed for the chain: known to everybody who sees it, and not recorded. */
static size_t answer_account(const struct sign_service *service, uint8_t *out,
                             const struct signer_wire_request *header)
{
    static const struct chain_address nobody;
    uint32_t count = 0;
    const struct sign_log_account *account =
        sign_log_account_at(service->log, &count, header->chain_id, header->bid);
    const struct signer_wire_history body = {
        .next_nonce = account != NULL ? account->next_nonce : 0, .bids = count};
    memcpy(out + sizeof(struct signer_wire_answer), &body, sizeof(body));
    size_t len = write_answer(out, SIGNER_OK, header->request_id,
                              account != NULL ? &account->signer : &nobody, &no_bound, NULL, 0);
    return len + sizeof(body);
}

static bool is_without_calldata(uint32_t kind)
{
    return kind == SIGNER_WIRE_ADDRESS || kind == SIGNER_WIRE_HISTORY ||
           kind == SIGNER_WIRE_ACCOUNT;
}

static bool is_well_formed(const struct signer_wire_request *header, size_t in_len)
{
    return header->magic == SIGNER_WIRE_MAGIC && header->calldata_len <= SIGNER_CALLDATA_MAX &&
           header->create <= 1 && header->reserved == 0 &&
           in_len == sizeof(*header) + header->calldata_len &&
           (header->kind == SIGNER_WIRE_SIGN ||
            (is_without_calldata(header->kind) && header->calldata_len == 0));
}

static size_t answer_malformed(struct sign_service *service, uint8_t *out, size_t in_len,
                               uint64_t request_id, const struct sign_peer *peer)
{
    static const struct signer_wire_request nothing;
    struct sign_log_record record = begin_record(service, &nothing, peer);
    const struct signer_bound bound = {.limit = SIGNER_WIRE_REQUEST_MAX, .seen = in_len};
    record.kind = SIGN_LOG_MALFORMED;
    record.request_id = request_id;
    record.bound = bound;
    service->refused_count++;
    log_limited(LOG_WARNING, "peer sent no message of ours bytes=%zu", in_len);
    bool recorded = write_record(service, &record, SIGNER_PROTOCOL, NULL);
    return write_bare(service, out, recorded ? SIGNER_PROTOCOL : SIGNER_LOG_FAILED, request_id,
                      &bound);
}

static struct signer_wire_request read_header(const uint8_t *in, size_t in_len)
{
    struct signer_wire_request header = {0};
    if (in_len >= sizeof(header))
        memcpy(&header, in, sizeof(header));
    return header;
}

size_t sign_service_answer(struct sign_service *service, uint8_t *out, bool *hang_up,
                           const uint8_t *in, size_t in_len, const struct sign_peer *peer)
{
    struct signer_wire_request header = read_header(in, in_len);
    *hang_up = in_len < sizeof(header) || !is_well_formed(&header, in_len);
    if (*hang_up)
        return answer_malformed(service, out, in_len, header.request_id, peer);
    if (header.kind == SIGNER_WIRE_ADDRESS)
        return write_bare(service, out, SIGNER_OK, header.request_id, &no_bound);
    if (header.kind == SIGNER_WIRE_HISTORY)
        return answer_history(service, out, &header, peer);
    if (header.kind == SIGNER_WIRE_ACCOUNT)
        return answer_account(service, out, &header);
    return answer_sign(service, out, &header, in + sizeof(header), peer);
}

size_t sign_service_turn_away(struct sign_service *service, uint8_t *out, const uint8_t *in,
                              size_t in_len, uint64_t limit)
{
    struct signer_wire_request header = read_header(in, in_len);
    const struct signer_bound bound = {.limit = limit, .seen = limit + 1};
    service->turned_away++;
    service->refused_count++;
    return write_bare(service, out, SIGNER_RATE_REFUSED, header.request_id, &bound);
}
