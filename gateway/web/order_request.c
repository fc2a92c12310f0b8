#include "gateway/web/order_request.h"

#include <string.h>

#include <openssl/crypto.h>

#include "gateway/web/instant.h"
#include "gateway/web/order_words.h"
#include "gateway/web/shapes.h"

static bool fail(struct fault *fault, enum reject_code code, const char *field, int64_t limit,
                 int64_t value)
{
    *fault = (struct fault){.code = (uint16_t)code, .field = field, .limit = limit, .value = value};
    return false;
}

static bool missing(struct fault *fault, const char *field)
{
    return fail(fault, REJECT_MISSING_FIELD, field, 0, 0);
}

bool order_request_client_id(struct fault *fault, const struct request *request,
                             enum web_field field)
{
    const struct json_member *id = request->field[field];
    if (id->text_bytes == 0 || id->text_bytes > CLIENT_ID_BYTES_MAX)
        return fail(fault, REJECT_CLIENT_ID_LENGTH, NULL, CLIENT_ID_BYTES_MAX, id->text_bytes);
    for (size_t i = 0; i < id->text_bytes; i++)
        if (id->text[i] < 0x20 || id->text[i] > 0x7e)
            return fail(fault, REJECT_MALFORMED, request_field_name(field), 0, 0);
    return true;
}

// ---- fields ----------------------------------------------------------------------------------

// Absent: *out stays as it is.
static bool word(uint8_t *out, struct fault *fault, const struct request *request,
                 enum web_field field, enum order_vocabulary vocabulary)
{
    const struct json_member *member = request->field[field];
    return member == NULL || order_word_read(vocabulary, member->text, member->text_bytes, out) ||
           fail(fault, REJECT_MALFORMED, request_field_name(field), 0, 0);
}

static bool decimal(int64_t *out, struct fault *fault, const struct request *request,
                    enum web_field field, unsigned scale)
{
    *out = 0;
    return !request_has(request, field) || request_decimal(out, fault, request, field, scale);
}

static bool number(uint32_t *out, struct fault *fault, const struct request *request,
                   enum web_field field)
{
    int64_t value;
    if (!request_whole(&value, fault, request, field, UINT32_MAX, 0))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool instant(uint64_t *out, struct fault *fault, const struct request *request)
{
    const struct json_member *member = request->field[WEB_FIELD_expire_time];
    return member == NULL || instant_parse(member->text, member->text_bytes, out) ||
           fail(fault, REJECT_MALFORMED, "expire_time", 0, 0);
}

static uint8_t confirmations(const struct request *request)
{
    unsigned flags = 0;
    if (request_flag(request, WEB_FIELD_confirm_fat_finger))
        flags |= ORDER_CONFIRM_FAT_FINGER;
    if (request_flag(request, WEB_FIELD_confirm_nav_deviation))
        flags |= ORDER_CONFIRM_NAV;
    return (uint8_t)flags;
}

static bool instrument_named(const struct view_instrument **out, struct fault *fault,
                             const struct order_asker *asker, const struct request *request)
{
    const struct json_member *symbol = request->field[WEB_FIELD_symbol];
    *out = view_instrument_by_symbol(asker->view, symbol->text, symbol->text_bytes);
    return *out != NULL || fail(fault, REJECT_UNKNOWN_SYMBOL, NULL, 0, 0);
}

// 0 without a symbol: all of them.
static bool instrument_or_all(uint32_t *out, struct fault *fault, const struct order_asker *asker,
                              const struct request *request)
{
    const struct view_instrument *instrument;
    *out = 0;
    if (!request_has(request, WEB_FIELD_symbol))
        return true;
    if (!instrument_named(&instrument, fault, asker, request))
        return false;
    *out = instrument->terms.instrument;
    return true;
}

bool order_request_account(uint32_t *out, struct fault *fault, const struct order_asker *asker,
                           const struct request *request)
{
    uint32_t only[2];
    if (!number(out, fault, request, WEB_FIELD_account))
        return false;
    if (request_has(request, WEB_FIELD_account))
        return view_session_rights(asker->view, asker->session, *out) != 0 ||
               fail(fault, REJECT_ACCOUNT_NOT_OF_SESSION, NULL, 0, *out);
    if (view_session_accounts(asker->view, asker->session, RIGHTS_ALL, only, 2) != 1)
        return missing(fault, "account");
    *out = only[0];
    return true;
}

bool order_request_secret(uint8_t out[XVP_SECRET_BYTES], struct fault *fault,
                          const struct request *request)
{
    const struct json_member *member = request->field[WEB_FIELD_secret];
    char digits[2 * XVP_SECRET_BYTES + 1];
    size_t bytes = 0;
    size_t skip = member->text_bytes > 2 && memcmp(member->text, "0x", 2) == 0 ? 2 : 0;
    if (member->text_bytes - skip != sizeof digits - 1)
        return fail(fault, REJECT_MALFORMED, "secret", sizeof digits - 1, member->text_bytes);
    memcpy(digits, member->text + skip, sizeof digits - 1);
    digits[sizeof digits - 1] = 0;
    return (OPENSSL_hexstr2buf_ex(out, XVP_SECRET_BYTES, &bytes, digits, 0) == 1 &&
            bytes == XVP_SECRET_BYTES) ||
           fail(fault, REJECT_MALFORMED, "secret", 0, 0);
}

// ---- a new order -----------------------------------------------------------------------------

// What a type of order cannot be without. The engine would refuse it, too; here the field is named.
static bool complete(struct fault *fault, const struct order_new_terms_cmd *order,
                     const struct request *request)
{
    bool limit = order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT;
    bool stop = order->type == ORDER_STOP || order->type == ORDER_STOP_LIMIT;
    if (limit && !request_has(request, WEB_FIELD_price))
        return missing(fault, "price");
    if (stop && !request_has(request, WEB_FIELD_stop_price))
        return missing(fault, "stop_price");
    if (order->type == ORDER_TRAILING_STOP && !request_has(request, WEB_FIELD_trail_offset))
        return missing(fault, "trail_offset");
    if (order->tif == TIF_GTD && !request_has(request, WEB_FIELD_expire_time))
        return missing(fault, "expire_time");
    return true;
}

static bool kinds(struct order_new_terms_cmd *order, struct fault *fault,
                  const struct request *request)
{
    order->type = ORDER_LIMIT;
    order->tif = TIF_DAY;
    order->stp = STP_NONE;
    return word(&order->side, fault, request, WEB_FIELD_side, WORDS_SIDE) &&
           word(&order->type, fault, request, WEB_FIELD_order_type, WORDS_TYPE) &&
           word(&order->tif, fault, request, WEB_FIELD_tif, WORDS_TIF) &&
           word(&order->stp, fault, request, WEB_FIELD_self_trade_prevention, WORDS_STP);
}

static bool amounts(struct order_new_terms_cmd *order, struct fault *fault,
                    const struct request *request, unsigned token_scale)
{
    return decimal(&order->price, fault, request, WEB_FIELD_price, CASH_SCALE) &&
           decimal(&order->quantity, fault, request, WEB_FIELD_quantity, token_scale) &&
           decimal(&order->stop_price, fault, request, WEB_FIELD_stop_price, CASH_SCALE) &&
           decimal(&order->trail_offset, fault, request, WEB_FIELD_trail_offset, CASH_SCALE) &&
           decimal(&order->display_quantity, fault, request, WEB_FIELD_display_quantity,
                   token_scale) &&
           decimal(&order->minimum_quantity, fault, request, WEB_FIELD_minimum_quantity,
                   token_scale) &&
           instant(&order->expire_ns, fault, request);
}

static bool has_terms(const struct order_new_terms_cmd *order)
{
    return order->stop_price != 0 || order->trail_offset != 0 || order->display_quantity != 0 ||
           order->minimum_quantity != 0 || order->expire_ns != 0;
}

bool order_request_new(struct order_request *out, struct fault *fault,
                       const struct order_asker *asker, const struct request *request)
{
    struct order_new_terms_cmd *order = &out->body;
    const struct view_instrument *instrument;
    int64_t confirm_ref;
    *out = (struct order_request){0};
    if (!instrument_named(&instrument, fault, asker, request) || !kinds(order, fault, request) ||
        !complete(fault, order, request) ||
        !amounts(order, fault, request, instrument->terms.token_scale) ||
        !order_request_account(&order->account, fault, asker, request) ||
        !number(&order->self_match_id, fault, request, WEB_FIELD_self_match_id) ||
        !request_whole(&confirm_ref, fault, request, WEB_FIELD_confirm_ref, INT64_MAX, 0) ||
        !order_request_client_id(fault, request, WEB_FIELD_client_order_id))
        return false;
    order->instrument = instrument->terms.instrument;
    order->flags = (uint8_t)(confirmations(request) |
                             (request_flag(request, WEB_FIELD_post_only) ? ORDER_POST_ONLY : 0));
    order->confirm_ref = (uint64_t)confirm_ref;
    order->client_id_bytes = (uint8_t)request->field[WEB_FIELD_client_order_id]->text_bytes;
    out->client_id = request->field[WEB_FIELD_client_order_id]->text;
    out->command = has_terms(order) ? CMD_order_new_terms : CMD_order_new;
    return true;
}

// ---- what is asked of open orders ------------------------------------------------------------

// To the engine 0 means "as it is"; whoever says 0 means 0.
static bool changed(int64_t *out, struct fault *fault, const struct request *request,
                    enum web_field field, unsigned scale, enum reject_code zero)
{
    if (!decimal(out, fault, request, field, scale))
        return false;
    if (*out != 0 || !request_has(request, field))
        return true;
    fail(fault, zero, NULL, 0, 0);
    fault->token_scale = scale;
    return false;
}

bool order_request_amend(struct order_amend_cmd *out, struct fault *fault,
                         const struct order_asker *asker, const struct request *request,
                         const struct view_order *order)
{
    unsigned scale = shape_token_scale(asker->view, order->instrument);
    int64_t confirm_ref;
    if (!request_whole(&confirm_ref, fault, request, WEB_FIELD_confirm_ref, INT64_MAX, 0))
        return false;
    *out = (struct order_amend_cmd){.flags = confirmations(request),
                                    .confirm_ref = (uint64_t)confirm_ref};
    if (!changed(&out->quantity, fault, request, WEB_FIELD_quantity, scale,
                 REJECT_QUANTITY_NOT_POSITIVE) ||
        !changed(&out->price, fault, request, WEB_FIELD_price, CASH_SCALE,
                 REJECT_PRICE_NOT_POSITIVE) ||
        !changed(&out->stop_price, fault, request, WEB_FIELD_stop_price, CASH_SCALE,
                 REJECT_STOP_PRICE) ||
        !changed(&out->display_quantity, fault, request, WEB_FIELD_display_quantity, scale,
                 REJECT_DISPLAY_QUANTITY))
        return false;
    if (out->quantity == 0 && out->price == 0 && out->stop_price == 0 && out->display_quantity == 0)
        return missing(fault, "quantity, price, stop_price or display_quantity");
    return true;
}

bool order_request_mass_cancel(struct order_mass_cancel_cmd *out, struct fault *fault,
                               const struct order_asker *asker, const struct request *request)
{
    *out = (struct order_mass_cancel_cmd){.scope = SCOPE_SESSION};
    return instrument_or_all(&out->instrument, fault, asker, request) &&
           number(&out->account, fault, request, WEB_FIELD_account) &&
           word(&out->side, fault, request, WEB_FIELD_side, WORDS_SIDE) &&
           word(&out->scope, fault, request, WEB_FIELD_scope, WORDS_SCOPE);
}

bool order_request_status(struct order_status_cmd *out, struct fault *fault,
                          const struct order_asker *asker, const struct request *request)
{
    *out = (struct order_status_cmd){0};
    return instrument_or_all(&out->instrument, fault, asker, request) &&
           number(&out->account, fault, request, WEB_FIELD_account) &&
           word(&out->side, fault, request, WEB_FIELD_side, WORDS_SIDE);
}
