// web_seed: stands in for lonja-admin in web_test.mjs. It is started by the supervisor in that
// place (as lonja-admin), fills a small venue through the administrator's command ring, opens it,
// and keeps the ring's heartbeat until SIGTERM. Lines of standard input are not read; what it
// enters is below.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/follower.h"
#include "gateway/common/link.h"

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

struct seed {
    struct link link;
    struct follower *follower;
    bool attached_anew; // a core that has recovered takes cancels only until it is told to open
};

static void turn(struct seed *seed)
{
    struct event events[64];
    uint64_t lost;
    link_heartbeat(&seed->link, follower_core(seed->follower), clock_monotone_ns(&clock_system));
    size_t count = follower_poll(seed->follower, events, 64);
    for (size_t i = 0; i < count; i++) {
        seed->attached_anew |= link_on_event(&seed->link, &events[i], &lost);
        if (events[i].header.type == EVT_rejected && events[i].header.gateway == GATEWAY_ADMIN)
            log_error("seed refused command=%u code=%u argument=%lld value=%lld",
                      events[i].body.rejected.command, events[i].body.rejected.code,
                      (long long)events[i].body.rejected.argument,
                      (long long)events[i].body.rejected.value);
    }
    if (count == 0)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

static struct command *claim(struct seed *seed, uint8_t type, size_t tail_bytes)
{
    struct command *command;
    while ((command = link_claim(&seed->link, type, tail_bytes, 0, 0)) == NULL) {
        if (stopping)
            exit(0);
        turn(seed);
    }
    return command;
}

static void asset(struct seed *seed, uint32_t id, uint8_t kind, uint8_t scale, const char *symbol)
{
    struct asset_set_cmd *body = &claim(seed, CMD_asset_set, 0)->body.asset_set;
    *body = (struct asset_set_cmd){.asset = id, .kind = kind, .scale = scale};
    memcpy(body->symbol, symbol, strlen(symbol));
    link_send(&seed->link);
}

static void instrument(struct seed *seed, uint32_t id, uint32_t token, const char *symbol,
                       int64_t nav)
{
    struct instrument_set_cmd *body = &claim(seed, CMD_instrument_set, 0)->body.instrument_set;
    *body = (struct instrument_set_cmd){.instrument = id,
                                        .token_asset = token,
                                        .cash_asset = 1,
                                        .status = TOKEN_SECONDARY,
                                        .trading_mode = MODE_FULL_ORDERBOOK,
                                        .token_scale = 2,
                                        .tick = 10000,
                                        .lot = 1,
                                        .fat_finger_block_bps = 5000,
                                        .fat_finger_confirm_bps = 1000,
                                        .nav_confirm_bps = 2000,
                                        .collar_bps = 500,
                                        .fee_bps = 10};
    memcpy(body->symbol, symbol, strlen(symbol));
    link_send(&seed->link);
    claim(seed, CMD_instrument_phase, 0)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = id, .phase = PHASE_CONTINUOUS};
    link_send(&seed->link);
    claim(seed, CMD_nav_set, 0)->body.nav_set = (struct nav_set_cmd){.instrument = id, .nav = nav};
    link_send(&seed->link);
}

static void account(struct seed *seed, uint32_t id, uint32_t member)
{
    claim(seed, CMD_account_set, 0)->body.account_set = (struct account_set_cmd){
        .account = id,
        .member = member,
        .jurisdiction = 724,
        .kyc = KYC_APPROVED,
        .accreditation = ACCREDITATION_INSTITUTIONAL,
        .fatca = FATCA_CLEAR,
        .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
        .fee_bps = FEE_BPS_DEFAULT};
    link_send(&seed->link);
}

static void session(struct seed *seed, uint32_t id, uint32_t member, uint32_t of_account,
                    uint8_t flags)
{
    struct command *command = claim(seed, CMD_session_set, sizeof of_account);
    command->body.session_set = (struct session_set_cmd){.session = id,
                                                         .member = member,
                                                         .gateway = GATEWAY_WEB,
                                                         .flags = flags,
                                                         .account_count = 1};
    memcpy(command_tail_writable(command), &of_account, sizeof of_account);
    link_send(&seed->link);
}

static void deposit(struct seed *seed, uint32_t to, uint32_t of, int64_t amount, uint64_t number)
{
    claim(seed, CMD_ledger_post, 0)->body.ledger_post =
        (struct ledger_post_cmd){.account = to,
                                 .asset = of,
                                 .amount = amount,
                                 .kind = POSTING_DEPOSIT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = number,
                                 .ref_hash = number};
    link_send(&seed->link);
}

static void open_venue(struct seed *seed)
{
    seed->attached_anew = false;
    claim(seed, CMD_venue_state, 0)->body.venue_state =
        (struct venue_state_cmd){.state = VENUE_OPEN};
    link_send(&seed->link);
}

// Entering it again (after a restart) changes nothing: ids and reference numbers are the same.
static void fill(struct seed *seed)
{
    asset(seed, 1, ASSET_CASH, 6, "USD");
    asset(seed, 2, ASSET_TOKEN, 2, "PORT");
    asset(seed, 3, ASSET_TOKEN, 2, "ATUN");
    instrument(seed, 1, 2, "PORT", 100000000);
    instrument(seed, 2, 3, "ATUN", 25000000);
    claim(seed, CMD_member_set, 0)->body.member_set = (struct member_set_cmd){.member = 103};
    link_send(&seed->link);
    for (uint32_t i = 0; i < 3; i++) {
        account(seed, 1003 + i, 103);
        session(seed, 3 + i, 103, 1003 + i, i == 2 ? SESSION_CANCEL_ON_DISCONNECT : 0);
        deposit(seed, 1003 + i, 1, 100000000000, i * 3 + 1);
        deposit(seed, 1003 + i, 2, 1000000, i * 3 + 2);
        deposit(seed, 1003 + i, 3, 1000000, i * 3 + 3);
    }
}

int main(void)
{
    static struct seed seed;
    const struct boot *boot = boot_inherit(PROCESS_ADMIN);
    log_open("admin");
    signal(SIGTERM, on_signal);
    seed.follower = follower_open(boot, 0);
    if (seed.follower == NULL || link_open(&seed.link, boot, GATEWAY_ADMIN) != 0)
        return 2;
    fill(&seed);
    log_info("seeded");
    while (!stopping) {
        if (seed.attached_anew)
            open_venue(&seed);
        turn(&seed);
    }
    return 0;
}
