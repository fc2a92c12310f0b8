#include "gateway/fix/request.h"

#include <string.h>

#include "base/decimal.h"

enum tag {
    TAG_ACCOUNT = 1,
    TAG_CL_ORD_ID = 11,
    TAG_CURRENCY = 15,
    TAG_MSG_SEQ_NUM = 34,
    TAG_MSG_TYPE = 35,
    TAG_ORDER_ID = 37,
    TAG_ORDER_QTY = 38,
    TAG_ORD_TYPE = 40,
    TAG_ORIG_CL_ORD_ID = 41,
    TAG_PRICE = 44,
    TAG_SIDE = 54,
    TAG_SYMBOL = 55,
    TAG_TIME_IN_FORCE = 59,
    TAG_POSS_RESEND = 97,
    TAG_MASS_CANCEL_TYPE = 530,
    TAG_STATUS_REQ_ID = 790,
    TAG_CONFIRM_FAT_FINGER = 5001,
    TAG_CONFIRM_NAV = 5002,
    TAG_CONFIRM_REF = 5003,
};

enum { CASH_SCALE = 6 };

struct reader {
    const struct fix_message *message;
    const struct view *view;
    struct request *out;
    struct refusal *refusal;
};

// The first refusal is the one that is told.
static void refuse(struct reader *reader, uint16_t code, int64_t limit, int64_t value,
                   int64_t argument)
{
    if (reader->refusal->code == REJECT_NONE)
        *reader->refusal =
            (struct refusal){.code = code, .limit = limit, .value = value, .argument = argument};
}

static bool field(const struct reader *reader, uint32_t tag, struct fix_text *out)
{
    return fix_message_field(reader->message, tag, out);
}

static bool needed(struct reader *reader, uint32_t tag, struct fix_text *out)
{
    if (field(reader, tag, out))
        return true;
    refuse(reader, REJECT_MISSING_FIELD, 0, 0, tag);
    reader->refusal->missing = reader->refusal->code == REJECT_MISSING_FIELD;
    return false;
}

static bool whole_number(const struct fix_text *text, uint64_t max, uint64_t *out)
{
    int64_t number = 0;
    if (decimal_parse(text->at, text->bytes, 0, &number) != DECIMAL_OK || number < 0 ||
        (uint64_t)number > max)
        return false;
    *out = (uint64_t)number;
    return true;
}

static void read_id(struct reader *reader, uint32_t tag, struct request_id *out)
{
    struct fix_text text;
    if (!field(reader, tag, &text))
        return;
    if (text.bytes > CLIENT_ID_BYTES_MAX)
        refuse(reader, REJECT_CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, (int64_t)text.bytes, tag);
    for (size_t i = 0; i < text.bytes; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            refuse(reader, REJECT_MALFORMED, 0, 0, tag);
    size_t bytes = text.bytes <= CLIENT_ID_BYTES_MAX ? text.bytes : CLIENT_ID_BYTES_MAX;
    out->bytes = (uint8_t)bytes;
    memcpy(out->text, text.at, bytes);
}

// A one-character field as a small number: '1' is 1, anything else its ASCII code.
static uint8_t read_choice(const struct fix_text *text)
{
    if (text->bytes != 1)
        return UINT8_MAX;
    unsigned char c = (unsigned char)text->at[0];
    return c >= '0' && c <= '9' ? (uint8_t)(c - '0') : c;
}

static void read_account(struct reader *reader)
{
    struct fix_text text;
    struct request *out = reader->out;
    uint64_t account = 0;
    if (field(reader, TAG_ACCOUNT, &text)) {
        if (whole_number(&text, UINT32_MAX, &account) && account > 0)
            out->account = (uint32_t)account;
        else
            refuse(reader, REJECT_BAD_NUMBER, 0, 0, TAG_ACCOUNT);
        return;
    }
    if (out->kind != REQUEST_NEW)
        return; // the order's, or all
    uint32_t accounts[2];
    if (view_session_accounts(reader->view, out->session, accounts, 2) == 1)
        out->account = accounts[0];
    else
        refuse(reader, REJECT_MISSING_FIELD, 0, 0, TAG_ACCOUNT);
}

static void read_symbol(struct reader *reader)
{
    struct fix_text text;
    struct request *out = reader->out;
    if (!field(reader, TAG_SYMBOL, &text))
        return;
    size_t bytes = text.bytes < SYMBOL_BYTES_MAX ? text.bytes : SYMBOL_BYTES_MAX;
    memcpy(out->symbol, text.at, bytes);
    const struct view_instrument *instrument =
        view_instrument_by_symbol(reader->view, text.at, text.bytes);
    if (instrument == NULL) {
        refuse(reader, REJECT_UNKNOWN_SYMBOL, 0, 0, TAG_SYMBOL);
        return;
    }
    out->instrument = instrument->terms.instrument;
    out->token_scale = instrument->terms.token_scale;
}

static void read_side(struct reader *reader)
{
    struct fix_text text;
    if (!field(reader, TAG_SIDE, &text))
        return;
    uint8_t side = read_choice(&text);
    reader->out->side = side;
    if (side != SIDE_BUY && side != SIDE_SELL)
        refuse(reader, REJECT_SIDE, 0, side, TAG_SIDE);
}

static void read_decimal(struct reader *reader, uint32_t tag, unsigned scale, int64_t *out)
{
    struct fix_text text;
    if (field(reader, tag, &text) && decimal_parse(text.at, text.bytes, scale, out) != DECIMAL_OK)
        refuse(reader, REJECT_BAD_NUMBER, 0, 0, tag);
}

static void read_quantity(struct reader *reader)
{
    struct fix_text text;
    if (needed(reader, TAG_ORDER_QTY, &text) && reader->out->instrument != 0)
        read_decimal(reader, TAG_ORDER_QTY, reader->out->token_scale, &reader->out->quantity);
}

static void read_type(struct reader *reader)
{
    struct fix_text text;
    if (!field(reader, TAG_ORD_TYPE, &text))
        return;
    uint8_t type = read_choice(&text);
    reader->out->type = type;
    if (type != ORDER_MARKET && type != ORDER_LIMIT)
        refuse(reader, REJECT_ORDER_TYPE, 0, type, TAG_ORD_TYPE);
}

static void read_price(struct reader *reader)
{
    struct fix_text text;
    struct request *out = reader->out;
    out->has_price = field(reader, TAG_PRICE, &text);
    if (!out->has_price && out->kind == REQUEST_NEW && out->type == ORDER_LIMIT)
        (void)needed(reader, TAG_PRICE, &text);
    read_decimal(reader, TAG_PRICE, CASH_SCALE, &out->price);
}

static void read_time_in_force(struct reader *reader)
{
    struct fix_text text;
    if (!field(reader, TAG_TIME_IN_FORCE, &text))
        return;
    uint8_t tif = read_choice(&text);
    reader->out->tif = tif;
    if (tif != TIF_DAY && tif != TIF_GTC && tif != TIF_IOC)
        refuse(reader, REJECT_TIME_IN_FORCE, 0, tif, TAG_TIME_IN_FORCE);
}

static bool says_yes(const struct reader *reader, uint32_t tag)
{
    struct fix_text text;
    return field(reader, tag, &text) && text.bytes == 1 && text.at[0] == 'Y';
}

static void read_confirmations(struct reader *reader)
{
    struct request *out = reader->out;
    struct fix_text text;
    if (says_yes(reader, TAG_CONFIRM_FAT_FINGER))
        out->flags |= ORDER_CONFIRM_FAT_FINGER;
    if (says_yes(reader, TAG_CONFIRM_NAV))
        out->flags |= ORDER_CONFIRM_NAV;
    if (field(reader, TAG_CONFIRM_REF, &text) && !whole_number(&text, INT64_MAX, &out->confirm_ref))
        refuse(reader, REJECT_BAD_NUMBER, 0, 0, TAG_CONFIRM_REF);
}

static void read_currency(struct reader *reader)
{
    struct fix_text text;
    const struct request *out = reader->out;
    if (!field(reader, TAG_CURRENCY, &text) || out->instrument == 0)
        return;
    const struct view_instrument *instrument = view_instrument(reader->view, out->instrument);
    const struct asset_rec *cash = view_asset(reader->view, instrument->terms.cash_asset);
    ASSERT(cash != NULL);
    size_t bytes = strnlen(cash->symbol, sizeof cash->symbol);
    if (bytes != text.bytes || memcmp(cash->symbol, text.at, bytes) != 0)
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_CURRENCY);
}

static void read_order_id(struct reader *reader)
{
    struct fix_text text;
    if (field(reader, TAG_ORDER_ID, &text) && !whole_number(&text, INT64_MAX, &reader->out->order))
        refuse(reader, REJECT_BAD_NUMBER, 0, 0, TAG_ORDER_ID);
}

static void read_mass_cancel(struct reader *reader)
{
    struct fix_text text;
    if (!field(reader, TAG_MASS_CANCEL_TYPE, &text))
        return;
    uint8_t type = read_choice(&text); // 1 = of a security, 7 = all
    if (type != 1 && type != 7)
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_MASS_CANCEL_TYPE);
    else if (type == 1)
        (void)needed(reader, TAG_SYMBOL, &text);
    else if (reader->out->instrument != 0 || reader->out->side != 0)
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_MASS_CANCEL_TYPE);
    if (type == 1 && reader->out->side != 0)
        refuse(reader, REJECT_UNKNOWN_FIELD, 0, 0, TAG_SIDE);
}

static bool kind_of(const struct reader *reader, uint8_t *kind)
{
    static const char types[] = "DFGHq"; // in the order of enum request_kind
    struct fix_text type;
    if (!field(reader, TAG_MSG_TYPE, &type) || type.bytes != 1)
        return false;
    const char *at = strchr(types, type.at[0]);
    if (at == NULL || *at == 0)
        return false;
    *kind = (uint8_t)(at - types);
    return true;
}

static void read_common(struct reader *reader)
{
    struct fix_text text;
    uint64_t number = 0;
    if (field(reader, TAG_MSG_SEQ_NUM, &text) && whole_number(&text, UINT32_MAX, &number))
        reader->out->session_seq = (uint32_t)number;
    reader->out->poss_resend = says_yes(reader, TAG_POSS_RESEND);
    read_id(reader, TAG_CL_ORD_ID, &reader->out->client_id);
    read_id(reader, TAG_ORIG_CL_ORD_ID, &reader->out->original);
    read_id(reader, TAG_STATUS_REQ_ID, &reader->out->status_id);
    read_order_id(reader);
    read_symbol(reader);
    read_side(reader);
    read_account(reader);
}

bool request_read(struct request *out, struct refusal *refusal, const struct fix_message *message,
                  const struct view *view, uint32_t session)
{
    *out = (struct request){.session = session, .tif = TIF_NOT_GIVEN};
    *refusal = (struct refusal){0};
    struct reader reader = {message, view, out, refusal};
    if (!kind_of(&reader, &out->kind))
        return false;
    read_common(&reader);
    if (out->kind == REQUEST_NEW || out->kind == REQUEST_AMEND) {
        read_type(&reader);
        read_price(&reader);
        read_quantity(&reader);
        read_time_in_force(&reader);
        read_currency(&reader);
    }
    if (out->kind == REQUEST_NEW) {
        read_confirmations(&reader);
        if (out->tif == TIF_NOT_GIVEN)
            out->tif = TIF_DAY;
    }
    if (out->kind == REQUEST_MASS_CANCEL)
        read_mass_cancel(&reader);
    return true;
}
