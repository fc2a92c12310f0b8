-- Members, accounts, sessions, logins, assets, instruments: the reasons for the administrator's commands.
-- The engine learns ids and flags only; names, addresses and wallets stay here. A balance never has its
-- reason here (ledger_request is the request; the command in the journal is the reason).
BEGIN;

CREATE TABLE people.member (
    member_id  integer PRIMARY KEY CHECK (member_id > 0),
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    suspended  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row per account: the documents' `users`. Accounts 1..15 are the venue's own.
CREATE TABLE people.account (
    account_id           integer PRIMARY KEY CHECK (account_id > 0),
    member_id            integer REFERENCES people.member,
    name                 text NOT NULL CHECK (name <> ''),
    nationality          text CHECK (nationality ~ '^[A-Z]{2}$'),           -- ISO 3166 alpha-2 (C7)
    jurisdiction         smallint NOT NULL DEFAULT 0 CHECK (jurisdiction BETWEEN 0 AND 999), -- ISO 3166 numeric
    kyc_status           text NOT NULL DEFAULT 'none'
        CHECK (kyc_status IN ('none', 'pending', 'in_review', 'approved', 'rejected')),
    kyc_level            smallint NOT NULL DEFAULT 0 CHECK (kyc_level BETWEEN 0 AND 9),
    accreditation_status text NOT NULL DEFAULT 'retail'
        CHECK (accreditation_status IN ('retail', 'professional', 'institutional')),
    fatca_status         text NOT NULL DEFAULT 'clear' CHECK (fatca_status IN ('clear', 'blocked')),
    wallet_address       text CHECK (wallet_address ~ '^0x[0-9a-fA-F]{40}$'),
    is_activated         boolean NOT NULL DEFAULT false,
    is_suspended         boolean NOT NULL DEFAULT false,
    limits_waived        boolean NOT NULL DEFAULT false, -- investment limits (E8) do not apply
    fee_bps              integer CHECK (fee_bps BETWEEN 0 AND 10000), -- NULL = the instrument's
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    CHECK ((member_id IS NULL) = (account_id <= 15)),
    CHECK (nationality <> 'US' OR fatca_status = 'blocked') -- C7
);
CREATE UNIQUE INDEX account_wallet ON people.account (lower(wallet_address));
CREATE INDEX account_member ON people.account (member_id);
INSERT INTO people.account (account_id, name)
VALUES (1, 'outside world'), (2, 'treasury'), (3, 'suspense');

CREATE TABLE people.session (
    session_id           integer PRIMARY KEY CHECK (session_id > 0),
    member_id            integer NOT NULL REFERENCES people.member,
    gateway              text NOT NULL CHECK (gateway IN ('fix', 'web')),
    cancel_on_disconnect boolean NOT NULL DEFAULT false,
    disabled             boolean NOT NULL DEFAULT false,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE people.session_account (
    session_id integer NOT NULL REFERENCES people.session ON DELETE CASCADE,
    account_id integer NOT NULL REFERENCES people.account,
    PRIMARY KEY (session_id, account_id)
);

-- kind fix: comp_id is the client's SenderCompID; kind web: a trader of one session; kind admin: an operator.
CREATE TABLE people.login (
    login_id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('fix', 'web', 'admin')),
    login_name    text NOT NULL CHECK (login_name ~ '^[A-Za-z0-9._@-]{1,64}$'),
    comp_id       text UNIQUE CHECK (comp_id ~ '^[A-Za-z0-9._-]{1,32}$'),
    session_id    integer REFERENCES people.session,
    member_id     integer REFERENCES people.member,
    role          text NOT NULL CHECK (role IN ('trader', 'administrator', 'operator', 'auditor')),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    disabled      boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, login_name),
    CHECK ((kind = 'fix') = (comp_id IS NOT NULL)),
    CHECK ((kind = 'admin') = (session_id IS NULL)),
    CHECK ((kind = 'admin') = (member_id IS NULL)),
    CHECK ((kind = 'admin') = (role <> 'trader'))
);

CREATE TABLE people.asset (
    asset_id   integer PRIMARY KEY CHECK (asset_id > 0),
    kind       text NOT NULL CHECK (kind IN ('cash', 'token')),
    scale      smallint NOT NULL CHECK (scale BETWEEN 0 AND 8), -- decimals of one base unit in the ledger
    symbol     text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z0-9._-]{1,16}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (kind <> 'cash' OR scale = 6),
    UNIQUE (asset_id, kind)
);

-- What an asset of kind token has besides: the documents' `tokens`.
CREATE TABLE people.token (
    asset_id               integer PRIMARY KEY,
    kind                   text NOT NULL DEFAULT 'token' CHECK (kind = 'token'),
    name                   text NOT NULL CHECK (name <> ''),
    decimals               smallint NOT NULL DEFAULT 18 CHECK (decimals BETWEEN 0 AND 36), -- on the chain
    chain_id               bigint CHECK (chain_id > 0),
    contract_address       text CHECK (contract_address ~ '^0x[0-9a-fA-F]{40}$'),
    identity_registry_addr text CHECK (identity_registry_addr ~ '^0x[0-9a-fA-F]{40}$'),
    status                 text NOT NULL DEFAULT 'draft'
        CHECK (status IN ('draft', 'primary', 'secondary', 'paused', 'matured', 'delisted')),
    trading_mode           text NOT NULL DEFAULT 'primary_subscription'
        CHECK (trading_mode IN ('primary_subscription', 'full_orderbook', 'fixed_price_otc')),
    price_per_token        bigint CHECK (price_per_token > 0),   -- cash units per whole token
    total_supply           bigint CHECK (total_supply > 0),      -- token units
    min_investment         bigint CHECK (min_investment >= 0),   -- cash units
    raise_currency         integer REFERENCES people.asset,
    primary_offering_pct   numeric(5, 2) CHECK (primary_offering_pct BETWEEN 0 AND 100),
    team_pct               numeric(5, 2) CHECK (team_pct BETWEEN 0 AND 100),
    reserve_pct            numeric(5, 2) CHECK (reserve_pct BETWEEN 0 AND 100),
    primary_start          timestamptz,
    primary_end            timestamptz CHECK (primary_end > primary_start),
    tokens_sold            bigint NOT NULL DEFAULT 0 CHECK (tokens_sold >= 0),
    total_raised           bigint NOT NULL DEFAULT 0 CHECK (total_raised >= 0),
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (asset_id, kind) REFERENCES people.asset (asset_id, kind),
    CHECK (primary_offering_pct + team_pct + reserve_pct = 100), -- B6
    CHECK ((contract_address IS NULL) = (chain_id IS NULL))
);
CREATE UNIQUE INDEX token_contract ON people.token (chain_id, lower(contract_address));

-- Which ids are taken and what they trade; the terms in force are record.instrument's, from the engine.
CREATE TABLE people.instrument (
    instrument_id integer PRIMARY KEY CHECK (instrument_id > 0),
    symbol        text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z0-9._-]{1,16}$'),
    token_asset   integer NOT NULL REFERENCES people.token,
    cash_asset    integer NOT NULL REFERENCES people.asset,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- A text reference (a bank's, say) becomes the strictly increasing number that the engine knows. The row
-- is committed before the command is sent; numbers reach the engine in order, one at a time.
CREATE SEQUENCE people.ledger_number AS bigint;
CREATE TABLE people.ledger_request (
    reference    text PRIMARY KEY CHECK (length(reference) BETWEEN 1 AND 128),
    number       bigint NOT NULL UNIQUE CHECK (number > 0),
    content_hash bigint NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('deposit', 'withdrawal', 'credit', 'debit')),
    account_id   integer NOT NULL REFERENCES people.account,
    asset_id     integer NOT NULL REFERENCES people.asset,
    amount       bigint NOT NULL CHECK (amount > 0),
    note         text NOT NULL DEFAULT '',
    state        text NOT NULL DEFAULT 'requested' CHECK (state IN ('requested', 'done', 'rejected')),
    sequence     bigint CHECK (sequence > 0),     -- of the command, once answered
    reject_code  integer CHECK (reject_code > 0),
    requested_by text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz,
    CHECK ((state = 'requested') = (answered_at IS NULL)),
    CHECK ((state = 'rejected') = (reject_code IS NOT NULL))
);
CREATE INDEX ledger_request_open ON people.ledger_request (number) WHERE state = 'requested';

-- Who did what, when, with which outcome. Append-only: no role has UPDATE or DELETE.
CREATE TABLE people.audit_log (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    login_id integer REFERENCES people.login, -- NULL = a process of the venue
    actor    text NOT NULL,                   -- login name, or the process
    role     text NOT NULL,
    action   text NOT NULL,                   -- "POST /api/v1/admin/accounts"
    details  jsonb NOT NULL,                  -- the request without secrets
    outcome  text NOT NULL CHECK (outcome IN ('done', 'rejected', 'failed')),
    answer   jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_at ON people.audit_log (at);

COMMIT;
