"""The tables and the guards of the books as SQL text; holds no Python that reads or writes them."""

VERSION = 2

# STRICT keeps floats out of every øre column and numbers out of every KID.
TABLES = """
CREATE TABLE IF NOT EXISTS setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counter (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS company (
    public_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    signing_key TEXT NOT NULL,
    erp_user TEXT NOT NULL,
    debit_account TEXT NOT NULL,
    format TEXT NOT NULL
        CHECK (format IN ('pain.001.001.03', 'pain.001.001.09', 'json')),
    cursor INTEGER NOT NULL DEFAULT 0,
    upload_error TEXT NOT NULL DEFAULT '',
    sync_error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE IF NOT EXISTS supplier (
    company TEXT NOT NULL REFERENCES company (public_id),
    number TEXT NOT NULL,
    name TEXT NOT NULL,
    account TEXT NOT NULL,
    town TEXT NOT NULL,
    country TEXT NOT NULL,
    PRIMARY KEY (company, number)
) STRICT;
CREATE TABLE IF NOT EXISTS invoice (
    id INTEGER PRIMARY KEY,
    company TEXT NOT NULL,
    supplier TEXT NOT NULL,
    number TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    amount_ore INTEGER NOT NULL CHECK (amount_ore > 0),
    due_date TEXT NOT NULL,
    kid TEXT,
    message TEXT,
    hint TEXT,
    status TEXT NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'proposed', 'transferred', 'settled')),
    UNIQUE (company, supplier, number),
    FOREIGN KEY (company, supplier) REFERENCES supplier (company, number)
) STRICT;
CREATE INDEX IF NOT EXISTS invoice_open ON invoice (company, due_date) WHERE status = 'open';
CREATE TABLE IF NOT EXISTS upload (
    id INTEGER PRIMARY KEY,
    company TEXT NOT NULL REFERENCES company (public_id),
    key TEXT NOT NULL UNIQUE,
    content_type TEXT NOT NULL,
    body BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'answered', 'refused')),
    sends INTEGER NOT NULL DEFAULT 0,
    unanswered INTEGER NOT NULL DEFAULT 0 CHECK (unanswered >= 0),
    http_status INTEGER,
    answer TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS upload_one_open ON upload (company) WHERE state = 'open';
CREATE TABLE IF NOT EXISTS payment (
    id INTEGER PRIMARY KEY,
    company TEXT NOT NULL REFERENCES company (public_id),
    number TEXT NOT NULL UNIQUE,
    due_date TEXT NOT NULL,
    erp_code INTEGER NOT NULL DEFAULT 1 CHECK (erp_code IN (1, 2, 3, 4, 5, 7, 10)),
    intake_code INTEGER CHECK (intake_code IN (2, 3, 10)),
    upload INTEGER REFERENCES upload (id),
    problem TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS payment_company ON payment (company, erp_code);
CREATE TABLE IF NOT EXISTS line (
    id INTEGER PRIMARY KEY,
    payment INTEGER NOT NULL REFERENCES payment (id),
    position INTEGER NOT NULL,
    reference TEXT NOT NULL UNIQUE CHECK (length(reference) BETWEEN 1 AND 35),
    supplier TEXT NOT NULL,
    amount_ore INTEGER NOT NULL CHECK (amount_ore > 0),
    kid TEXT,
    message TEXT,
    erp_code INTEGER NOT NULL DEFAULT 1 CHECK (erp_code IN (1, 2, 4, 5, 7)),
    status TEXT NOT NULL DEFAULT 'proposed',
    status_text TEXT NOT NULL DEFAULT 'Foreslått',
    reasons TEXT NOT NULL DEFAULT '[]',
    returned INTEGER NOT NULL DEFAULT 0 CHECK (returned IN (0, 1)),
    UNIQUE (payment, position)
) STRICT;
CREATE TABLE IF NOT EXISTS line_item (
    line INTEGER NOT NULL REFERENCES line (id),
    invoice INTEGER NOT NULL REFERENCES invoice (id),
    live INTEGER NOT NULL DEFAULT 1 CHECK (live IN (0, 1)),
    PRIMARY KEY (line, invoice)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS line_item_paid_once ON line_item (invoice) WHERE live = 1;
CREATE TABLE IF NOT EXISTS event (
    company TEXT NOT NULL REFERENCES company (public_id),
    sequence INTEGER NOT NULL,
    body TEXT NOT NULL,
    effect TEXT,
    PRIMARY KEY (company, sequence)
) STRICT;
CREATE INDEX IF NOT EXISTS event_waiting ON event (company, sequence) WHERE effect IS NULL;
CREATE TABLE IF NOT EXISTS batch (
    id INTEGER PRIMARY KEY REFERENCES batch_seal (batch) DEFERRABLE INITIALLY DEFERRED,
    company TEXT NOT NULL REFERENCES company (public_id),
    number TEXT NOT NULL UNIQUE,
    date TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('opening', 'payments'))
) STRICT;
CREATE TABLE IF NOT EXISTS voucher (
    id INTEGER PRIMARY KEY,
    batch INTEGER NOT NULL REFERENCES batch (id),
    account TEXT NOT NULL,
    debit_ore INTEGER NOT NULL CHECK (debit_ore >= 0),
    credit_ore INTEGER NOT NULL CHECK (credit_ore >= 0),
    text TEXT NOT NULL,
    supplier TEXT,
    line INTEGER REFERENCES line (id),
    CHECK ((debit_ore = 0) <> (credit_ore = 0)),
    CHECK ((account = '2400') = (supplier IS NOT NULL))
) STRICT;
CREATE INDEX IF NOT EXISTS voucher_batch ON voucher (batch);
CREATE INDEX IF NOT EXISTS voucher_supplier ON voucher (supplier) WHERE supplier IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS voucher_booked_once
    ON voucher (line, account, debit_ore > 0) WHERE line IS NOT NULL;
CREATE TABLE IF NOT EXISTS batch_seal (
    batch INTEGER PRIMARY KEY REFERENCES batch (id),
    debit_ore INTEGER NOT NULL CHECK (debit_ore > 0),
    credit_ore INTEGER NOT NULL,
    CHECK (debit_ore = credit_ore)
) STRICT;
"""

# A batch refers, deferred, to its seal: no commit passes with a batch that was never balanced,
# and after the seal nothing in it can move.
GUARDS = """
CREATE TRIGGER IF NOT EXISTS seal_tells_the_sums BEFORE INSERT ON batch_seal
WHEN NEW.debit_ore IS NOT (SELECT sum(debit_ore) FROM voucher WHERE batch = NEW.batch)
  OR NEW.credit_ore IS NOT (SELECT sum(credit_ore) FROM voucher WHERE batch = NEW.batch)
BEGIN SELECT RAISE(ABORT, 'the seal does not agree with the vouchers'); END;
CREATE TRIGGER IF NOT EXISTS seal_stays BEFORE UPDATE ON batch_seal
BEGIN SELECT RAISE(ABORT, 'a sealed batch never changes'); END;
CREATE TRIGGER IF NOT EXISTS seal_is_kept BEFORE DELETE ON batch_seal
BEGIN SELECT RAISE(ABORT, 'a sealed batch never changes'); END;
CREATE TRIGGER IF NOT EXISTS voucher_not_after_seal BEFORE INSERT ON voucher
WHEN EXISTS (SELECT 1 FROM batch_seal WHERE batch = NEW.batch)
BEGIN SELECT RAISE(ABORT, 'a sealed batch never changes'); END;
CREATE TRIGGER IF NOT EXISTS voucher_stays BEFORE UPDATE ON voucher
BEGIN SELECT RAISE(ABORT, 'a voucher never changes'); END;
CREATE TRIGGER IF NOT EXISTS voucher_is_kept BEFORE DELETE ON voucher
BEGIN SELECT RAISE(ABORT, 'a voucher is never deleted'); END;
CREATE TRIGGER IF NOT EXISTS line_final_stays_final BEFORE UPDATE OF erp_code ON line
WHEN OLD.erp_code IN (4, 5, 7) AND NEW.erp_code <> OLD.erp_code
BEGIN SELECT RAISE(ABORT, 'a final line stays final'); END;
CREATE TRIGGER IF NOT EXISTS upload_bytes_stay BEFORE UPDATE OF key, content_type, body ON upload
BEGIN SELECT RAISE(ABORT, 'an upload is sent again as it was'); END;
CREATE TRIGGER IF NOT EXISTS cursor_only_forward BEFORE UPDATE OF cursor ON company
WHEN NEW.cursor < OLD.cursor
BEGIN SELECT RAISE(ABORT, 'the cursor never goes back'); END;
CREATE TRIGGER IF NOT EXISTS event_stays BEFORE UPDATE OF sequence, body ON event
BEGIN SELECT RAISE(ABORT, 'an event never changes'); END;
CREATE TRIGGER IF NOT EXISTS event_is_kept BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END;
"""
