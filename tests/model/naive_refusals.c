// What operators may not set: ids out of range, and terms that make no sense. The first field that
// is wrong is named, in the order of the record.
#include "tests/model/naive_parts.h"

static bool id_refused(struct naive_venue *venue, uint32_t id, uint32_t from, uint32_t most)
{
    REFUSE_IF(id < from || id > most, ID_RANGE, most, id, 0)
    return false;
}

static bool word_refused(struct naive_venue *venue, int64_t word, int64_t from, int64_t to,
                         int64_t field)
{
    REFUSE_IF(word < from || word > to, MALFORMED, 0, word, field)
    return false;
}

static bool fee_fits(uint32_t fee_bps)
{
    return fee_bps <= 10000;
}

static bool member_refused(struct naive_venue *venue, uint32_t member, uint32_t so_far)
{
    REFUSE_IF(member >= NAIVE_MEMBERS || venue->members[member].member == 0, UNKNOWN_MEMBER, 0,
              member, 0)
    REFUSE_IF(so_far != 0 && so_far != member, MALFORMED, 0, member, 2)
    return false;
}

bool naive_member_refused(struct naive_venue *venue, const struct member_rec *member)
{
    return id_refused(venue, member->member, 1, venue->limits.members) ||
           word_refused(venue, member->suspended, 0, 1, 2);
}

bool naive_account_terms_refused(struct naive_venue *venue, const struct account_rec *account)
{
    if (id_refused(venue, account->account, ACCOUNT_VENUE_MAX + 1, venue->limits.accounts) ||
        member_refused(venue, account->member, venue->accounts[account->account].member) ||
        word_refused(venue, account->kyc, KYC_NONE, KYC_REJECTED, 4) ||
        word_refused(venue, account->accreditation, 1, 3, 5) ||
        word_refused(venue, account->fatca, FATCA_CLEAR, FATCA_BLOCKED, 6) ||
        word_refused(venue, account->flags, 0, 15, 7))
        return true;
    REFUSE_IF(!fee_fits(account->fee_bps) && account->fee_bps != FEE_BPS_DEFAULT, MALFORMED, 0,
              account->fee_bps, 9)
    return false;
}

bool naive_asset_refused(struct naive_venue *venue, const struct asset_rec *asset)
{
    if (id_refused(venue, asset->asset, 1, venue->limits.assets))
        return true;
    const struct asset_rec *there = &venue->assets[asset->asset];
    bool cash = asset->kind == ASSET_CASH;
    REFUSE_IF((!cash && asset->kind != ASSET_TOKEN) ||
                  (there->asset != 0 && there->kind != asset->kind),
              ASSET_TERMS, 0, asset->kind, 2)
    REFUSE_IF((cash ? asset->scale != 6 : asset->scale > 8) ||
                  (there->asset != 0 && there->scale != asset->scale),
              ASSET_TERMS, 0, asset->scale, 3)
    return false;
}

static bool asset_of_kind_refused(struct naive_venue *venue, uint32_t id, uint8_t kind,
                                  int64_t field)
{
    REFUSE_IF(id >= NAIVE_ASSETS || venue->assets[id].asset == 0, UNKNOWN_ASSET, 0, id, 0)
    REFUSE_IF(venue->assets[id].kind != kind, INSTRUMENT_TERMS, 0, id, field)
    return false;
}

// A step of the price times a step of the quantity is a whole number of cash units.
static bool steps_fit(const struct instrument_rec *terms)
{
    wide product = (wide)terms->tick * terms->lot;
    wide one = 1;
    for (int i = 0; i < terms->token_scale; i++)
        one *= 10;
    return product % one == 0 && product / one <= NAIVE_MONEY_MAX;
}

bool naive_terms_refused(struct naive_venue *venue, const struct instrument_rec *terms)
{
    if (id_refused(venue, terms->instrument, 1, venue->limits.instruments) ||
        asset_of_kind_refused(venue, terms->token_asset, ASSET_TOKEN, 2) ||
        asset_of_kind_refused(venue, terms->cash_asset, ASSET_CASH, 3))
        return true;
    REFUSE_IF(terms->status < TOKEN_DRAFT || terms->status > TOKEN_DELISTED, INSTRUMENT_TERMS, 0,
              terms->status, 4)
    REFUSE_IF(terms->trading_mode < 1 || terms->trading_mode > MODE_FIXED_PRICE_OTC,
              INSTRUMENT_TERMS, 0, terms->trading_mode, 5)
    REFUSE_IF(terms->flags > 3, INSTRUMENT_TERMS, 0, terms->flags, 6)
    REFUSE_IF(terms->token_scale != venue->assets[terms->token_asset].scale, INSTRUMENT_TERMS, 0,
              terms->token_scale, 7)
    REFUSE_IF(terms->tick <= 0, INSTRUMENT_TERMS, 0, terms->tick, 8)
    REFUSE_IF(terms->lot <= 0 || !steps_fit(terms), INSTRUMENT_TERMS, 0, terms->lot, 9)
    REFUSE_IF(!fee_fits(terms->fee_bps), INSTRUMENT_TERMS, 0, terms->fee_bps, 14)
    REFUSE_IF(terms->order_quantity_max < 0, INSTRUMENT_TERMS, 0, terms->order_quantity_max, 16)
    REFUSE_IF(terms->order_notional_max < 0, INSTRUMENT_TERMS, 0, terms->order_notional_max, 17)
    return false;
}

// ---- sessions

struct naive_named naive_named_account(const struct command *command, uint32_t index)
{
    uint32_t number = 0;
    memcpy(&number, command_tail(command) + index * sizeof(number), sizeof(number));
    return (struct naive_named){.account = number & ((1u << SESSION_ACCOUNT_RIGHTS_SHIFT) - 1),
                                .rights = number >> SESSION_ACCOUNT_RIGHTS_SHIFT};
}

static bool session_accounts_refused(struct naive_venue *venue, const struct session_rec *terms)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < terms->account_count; i++) {
        struct naive_named named = naive_named_account(venue->command, i);
        uint32_t id = named.account;
        REFUSE_IF(named.rights > RIGHTS_ALL, MALFORMED, 0, named.rights, 5)
        REFUSE_IF(id >= NAIVE_ACCOUNTS || venue->accounts[id].account == 0, UNKNOWN_ACCOUNT, 0, id,
                  0)
        REFUSE_IF(venue->accounts[id].member != terms->member, ACCOUNT_NOT_OF_SESSION,
                  terms->member, id, 0)
        REFUSE_IF((seen >> id & 1) != 0, MALFORMED, 0, id, 5)
        seen |= 1u << id;
    }
    return false;
}

bool naive_session_terms_refused(struct naive_venue *venue, const struct session_rec *terms)
{
    if (id_refused(venue, terms->session, 1, venue->limits.sessions) ||
        member_refused(venue, terms->member, venue->sessions[terms->session].terms.member) ||
        word_refused(venue, terms->gateway, GATEWAY_FIX, GATEWAY_SETTLE, 3) ||
        word_refused(venue, terms->flags, 0, 7, 4))
        return true;
    int64_t places = terms->account_count;
    for (uint32_t i = 1; i < NAIVE_SESSIONS; i++)
        if (i != terms->session)
            places += venue->sessions[i].terms.account_count;
    REFUSE_IF(places > venue->limits.session_accounts, ID_RANGE, venue->limits.session_accounts,
              places, 5)
    return session_accounts_refused(venue, terms);
}
