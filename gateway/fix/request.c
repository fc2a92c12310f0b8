#include "gateway/fix/request.h"

#include <string.h>

#include "base/decimal.h"
#include "gateway/fix/fix_time.h"

enum tag {
    TAG_ACCOUNT = 1,
    TAG_CL_ORD_ID = 11,
    TAG_CURRENCY = 15,
    TAG_EXEC_INST = 18,
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
    TAG_STOP_PX = 99,
    TAG_MIN_QTY = 110,
    TAG_MAX_FLOOR = 111,
    TAG_EXPIRE_TIME = 126,
    TAG_PEG_OFFSET_VALUE = 211,
    TAG_SUBSCRIPTION_TYPE = 263,
    TAG_SECURITY_STATUS_REQ_ID = 324,
    TAG_TRADING_STATUS_REQ_ID = 335,
    TAG_EXPIRE_DATE = 432,
    TAG_MASS_CANCEL_TYPE = 530,
    TAG_MASS_STATUS_REQ_ID = 584,
    TAG_MASS_STATUS_TYPE = 585,
    TAG_STATUS_REQ_ID = 790,
    TAG_PEG_OFFSET_TYPE = 836,
    TAG_DISPLAY_QTY = 1138,
    TAG_NO_TARGET_PARTIES = 1461,
    TAG_TARGET_PARTY_ID = 1462,
    TAG_TARGET_PARTY_SOURCE = 1463,
    TAG_TARGET_PARTY_ROLE = 1464,
    TAG_SELF_MATCH_ID = 2362,
    TAG_SELF_MATCH_INSTRUCTION = 2964,
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
    if (view_session_accounts(reader->view, out->session, RIGHTS_ALL, accounts, 2) == 1)
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

// A pegged order (P) is a trailing stop, if ExecInst says so, and else none of ours.
static uint8_t type_of(char sent, bool trails)
{
    switch (sent) {
    case '1':
        return ORDER_MARKET;
    case '2':
        return ORDER_LIMIT;
    case '3':
        return ORDER_STOP;
    case '4':
        return ORDER_STOP_LIMIT;
    case 'P':
        return trails ? ORDER_TRAILING_STOP : 0;
    default:
        return 0;
    }
}

// ExecInst: a list of characters with blanks between them. Returns whether it has the trailing
// stop's.
static bool read_exec_inst(struct reader *reader)
{
    struct fix_text text;
    bool trails = false;
    if (!field(reader, TAG_EXEC_INST, &text))
        return false;
    reader->out->given |= GIVEN_EXEC_INST;
    for (size_t i = 0; i < text.bytes; i++) {
        bool alone = i % 2 == 0;
        if (alone && text.at[i] == '6')
            reader->out->terms.flags |= ORDER_POST_ONLY;
        else if (alone && text.at[i] == 'a')
            trails = true;
        else if (alone || text.at[i] != ' ')
            refuse(reader, REJECT_MALFORMED, 0, 0, TAG_EXEC_INST);
    }
    return trails;
}

static void read_type(struct reader *reader)
{
    struct fix_text text;
    struct request *out = reader->out;
    bool trails = read_exec_inst(reader);
    if (!field(reader, TAG_ORD_TYPE, &text))
        return;
    out->type_sent = text.bytes == 1 ? text.at[0] : '?';
    out->type = type_of(out->type_sent, trails);
    if (out->type == 0)
        refuse(reader, REJECT_ORDER_TYPE, 0, out->type_sent, TAG_ORD_TYPE);
    else if (trails && out->type != ORDER_TRAILING_STOP)
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_EXEC_INST);
}

// An amount that the message may have.
static void read_amount(struct reader *reader, uint32_t tag, unsigned scale, uint32_t given,
                        int64_t *out)
{
    struct fix_text text;
    if (!field(reader, tag, &text))
        return;
    reader->out->given |= given;
    read_decimal(reader, tag, scale, out);
}

static void read_prices(struct reader *reader)
{
    struct fix_text text;
    struct request *out = reader->out;
    bool is_new = out->kind == REQUEST_NEW;
    if (is_new && (out->type == ORDER_LIMIT || out->type == ORDER_STOP_LIMIT))
        (void)needed(reader, TAG_PRICE, &text);
    if (is_new && (out->type == ORDER_STOP || out->type == ORDER_STOP_LIMIT))
        (void)needed(reader, TAG_STOP_PX, &text);
    if (is_new && out->type == ORDER_TRAILING_STOP)
        (void)needed(reader, TAG_PEG_OFFSET_VALUE, &text);
    read_amount(reader, TAG_PRICE, CASH_SCALE, GIVEN_PRICE, &out->price);
    read_amount(reader, TAG_STOP_PX, CASH_SCALE, GIVEN_STOP_PRICE, &out->terms.stop_price);
    read_amount(reader, TAG_PEG_OFFSET_VALUE, CASH_SCALE, GIVEN_TRAIL_OFFSET,
                &out->terms.trail_offset);
    if (field(reader, TAG_PEG_OFFSET_TYPE, &text) && (text.bytes != 1 || text.at[0] != '0'))
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_PEG_OFFSET_TYPE); // in price units only
}

// A MaxFloor of 0 asks to be hidden altogether, which the venue has not; an order without a slice
// shows everything.
static void read_slices(struct reader *reader)
{
    struct request *out = reader->out;
    struct fix_terms *terms = &out->terms;
    int64_t display = 0;
    if (out->instrument == 0)
        return;
    read_amount(reader, TAG_MIN_QTY, out->token_scale, GIVEN_MINIMUM, &terms->minimum_quantity);
    read_amount(reader, TAG_MAX_FLOOR, out->token_scale, GIVEN_DISPLAY, &terms->display_quantity);
    bool twice = (out->given & GIVEN_DISPLAY) != 0;
    struct fix_text text;
    if (field(reader, TAG_DISPLAY_QTY, &text)) {
        read_amount(reader, TAG_DISPLAY_QTY, out->token_scale, GIVEN_DISPLAY, &display);
        if (twice && display != terms->display_quantity)
            refuse(reader, REJECT_MALFORMED, 0, 0, TAG_DISPLAY_QTY);
        terms->display_quantity = display;
    }
    if ((out->given & GIVEN_DISPLAY) != 0 && terms->display_quantity == 0)
        refuse(reader, REJECT_DISPLAY_QUANTITY, out->quantity, 0, 0);
}

static void read_expiry(struct reader *reader)
{
    struct fix_text time, date;
    struct request *out = reader->out;
    bool has_time = field(reader, TAG_EXPIRE_TIME, &time);
    bool has_date = field(reader, TAG_EXPIRE_DATE, &date);
    if (has_time || has_date)
        out->given |= GIVEN_EXPIRE;
    else if (out->kind == REQUEST_NEW && out->tif == TIF_GTD)
        (void)needed(reader, TAG_EXPIRE_TIME, &time);
    if (has_time && !fix_time_read(time.at, time.bytes, &out->terms.expire_ns))
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_EXPIRE_TIME);
    if (has_date && (has_time || !fix_date_read(date.at, date.bytes, &out->terms.expire_ns)))
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_EXPIRE_DATE);
}

static void read_self_match(struct reader *reader)
{
    struct fix_text text;
    uint64_t number = 0;
    struct request *out = reader->out;
    if (field(reader, TAG_SELF_MATCH_ID, &text)) {
        out->given |= GIVEN_SELF_MATCH_ID;
        if (!whole_number(&text, UINT32_MAX, &number))
            refuse(reader, REJECT_BAD_NUMBER, 0, 0, TAG_SELF_MATCH_ID);
        out->terms.self_match_id = (uint32_t)number;
    }
    if (field(reader, TAG_SELF_MATCH_INSTRUCTION, &text)) {
        out->given |= GIVEN_STP;
        if (!whole_number(&text, UINT8_MAX, &number))
            refuse(reader, REJECT_BAD_NUMBER, 0, 0, TAG_SELF_MATCH_INSTRUCTION);
        out->terms.stp = (uint8_t)number;
    }
}

// Nothing that an amend names may be 0: to the engine that would be "as it is".
static void refuse_zeros(struct reader *reader)
{
    const struct request *out = reader->out;
    if (reader->refusal->code != REJECT_NONE)
        return;
    if (out->quantity == 0)
        refuse(reader, REJECT_QUANTITY_NOT_POSITIVE, 1, 0, 0);
    if ((out->given & GIVEN_PRICE) != 0 && out->price == 0)
        refuse(reader, REJECT_PRICE_NOT_POSITIVE, 1, 0, 0);
    if ((out->given & GIVEN_STOP_PRICE) != 0 && out->terms.stop_price == 0)
        refuse(reader, REJECT_STOP_PRICE, 0, 0, out->type);
}

static void read_time_in_force(struct reader *reader)
{
    struct fix_text text;
    if (!field(reader, TAG_TIME_IN_FORCE, &text))
        return;
    uint8_t tif = read_choice(&text);
    reader->out->tif = tif;
    if (tif > TIF_AT_CLOSE || tif == 5)
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
        out->terms.flags |= ORDER_CONFIRM_FAT_FINGER;
    if (says_yes(reader, TAG_CONFIRM_NAV))
        out->terms.flags |= ORDER_CONFIRM_NAV;
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

// Of a security, or all: 530 of a mass cancel, 585 of a mass status request.
static void read_all_or_one(struct reader *reader, uint32_t tag)
{
    struct fix_text text;
    if (!field(reader, tag, &text))
        return;
    char type = text.bytes == 1 ? text.at[0] : '?';
    reader->out->all_or_one = type;
    if (type == '1')
        (void)needed(reader, TAG_SYMBOL, &text);
    else if (type != '7' || reader->out->instrument != 0)
        refuse(reader, REJECT_MALFORMED, 0, 0, tag);
}

static bool party_field(const struct reader *reader, uint32_t tag, struct fix_text *out)
{
    return fix_message_group_field(reader->message, TAG_NO_TARGET_PARTIES, 1, tag, out);
}

// Whose orders a mass cancel means: of the session, or of the firm that a target party names, which
// must be the session's own.
static void read_target_party(struct reader *reader)
{
    struct fix_text text, id, source, role;
    uint64_t member = 0;
    if (!field(reader, TAG_NO_TARGET_PARTIES, &text))
        return;
    if (text.bytes != 1 || text.at[0] != '1' || !party_field(reader, TAG_TARGET_PARTY_ID, &id) ||
        !party_field(reader, TAG_TARGET_PARTY_ROLE, &role) || role.bytes != 1 ||
        role.at[0] != '1' ||
        (party_field(reader, TAG_TARGET_PARTY_SOURCE, &source) &&
         (source.bytes != 1 || source.at[0] != 'D'))) {
        refuse(reader, REJECT_MALFORMED, 0, 0, TAG_NO_TARGET_PARTIES);
        return;
    }
    const struct session_rec *own = view_session(reader->view, reader->out->session);
    reader->out->scope = SCOPE_MEMBER;
    if (own == NULL || !whole_number(&id, UINT32_MAX, &member) || member != own->member)
        refuse(reader, REJECT_MASS_SCOPE, 0, SCOPE_MEMBER, 0);
}

static void read_subscription(struct reader *reader)
{
    struct fix_text text;
    if (field(reader, TAG_SUBSCRIPTION_TYPE, &text))
        reader->out->subscription = text.bytes == 1 ? text.at[0] : '?';
}

static const char *const types[] = {[REQUEST_NEW] = "D",
                                    [REQUEST_CANCEL] = "F",
                                    [REQUEST_AMEND] = "G",
                                    [REQUEST_STATUS] = "H",
                                    [REQUEST_MASS_CANCEL] = "q",
                                    [REQUEST_MASS_STATUS] = "AF",
                                    [REQUEST_SECURITY_STATUS] = "e",
                                    [REQUEST_VENUE_STATUS] = "g"};

const char *request_type(uint8_t kind)
{
    ASSERT(kind < sizeof types / sizeof types[0]);
    return types[kind];
}

bool request_takes_id(const struct request *request)
{
    return request->kind == REQUEST_NEW || request->kind == REQUEST_CANCEL ||
           request->kind == REQUEST_AMEND || request->kind == REQUEST_MASS_CANCEL;
}

static bool kind_of(const struct reader *reader, uint8_t *kind)
{
    struct fix_text type;
    if (!field(reader, TAG_MSG_TYPE, &type))
        return false;
    for (uint8_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strlen(types[i]) == type.bytes && memcmp(types[i], type.at, type.bytes) == 0) {
            *kind = i;
            return true;
        }
    return false;
}

static uint32_t status_id_tag(uint8_t kind)
{
    switch ((enum request_kind)kind) {
    case REQUEST_MASS_STATUS:
        return TAG_MASS_STATUS_REQ_ID;
    case REQUEST_SECURITY_STATUS:
        return TAG_SECURITY_STATUS_REQ_ID;
    case REQUEST_VENUE_STATUS:
        return TAG_TRADING_STATUS_REQ_ID;
    case REQUEST_NEW:
    case REQUEST_CANCEL:
    case REQUEST_AMEND:
    case REQUEST_STATUS:
    case REQUEST_MASS_CANCEL:
        break;
    }
    return TAG_STATUS_REQ_ID;
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
    read_id(reader, status_id_tag(reader->out->kind), &reader->out->status_id);
    read_order_id(reader);
    read_symbol(reader);
    read_side(reader);
    read_account(reader);
}

static void read_order(struct reader *reader)
{
    struct request *out = reader->out;
    read_type(reader);
    read_time_in_force(reader);
    read_prices(reader);
    read_quantity(reader);
    read_slices(reader);
    read_confirmations(reader);
    read_expiry(reader);
    read_self_match(reader);
    read_currency(reader);
    if (out->kind == REQUEST_AMEND)
        refuse_zeros(reader);
    else if (out->tif == TIF_NOT_GIVEN)
        out->tif = TIF_DAY;
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
    if (out->kind == REQUEST_NEW || out->kind == REQUEST_AMEND)
        read_order(&reader);
    if (out->kind == REQUEST_MASS_CANCEL) {
        read_all_or_one(&reader, TAG_MASS_CANCEL_TYPE);
        read_target_party(&reader);
    }
    if (out->kind == REQUEST_MASS_STATUS) {
        read_all_or_one(&reader, TAG_MASS_STATUS_TYPE);
        out->client_id = out->status_id;
    }
    if (out->kind == REQUEST_SECURITY_STATUS || out->kind == REQUEST_VENUE_STATUS)
        read_subscription(&reader);
    return true;
}
