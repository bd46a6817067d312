"""Who plays in the demo: companies, people, bank, suppliers and invoices; only data.

Names and numbers are made up; the numbers have right check digits.
"""

from __future__ import annotations

from portal.access.roles import Role

PASSWORD = "kvitt-demo-2026"
BUREAU = {"name": "Fjordregnskap AS", "organisation_number": "987654325"}
NORDLYS, BAKKELY = "910000012", "920000029"

COMPANIES = [
    {
        "organisation_number": NORDLYS,
        "name": "Nordlys Handel AS",
        "address": "Storgata 1",
        "postal_code": "9008",
        "city": "TROMSØ",
        "account": "15034098767",
        "account_name": "Driftskonto",
        "customer_number": "00910000012",
        "agreement_id": "NORDLYS-AUTOPAY",
        "approvers_required": 2,
        "bank_approvers_required": 1,
        "balance": "250000.00",
    },
    {
        "organisation_number": BAKKELY,
        "name": "Bakkely Bygg AS",
        "address": "Bakkeveien 7",
        "postal_code": "2390",
        "city": "MOELV",
        "account": "86011117947",
        "account_name": "Driftskonto",
        "customer_number": "00920000029",
        "agreement_id": "BAKKELY-AUTOPAY",
        "approvers_required": 1,
        "bank_approvers_required": 1,
        "balance": "80000.00",
    },
]

# Name, e-mail, language, {organisation number: roles}, identity at the bank, holds authority.
PEOPLE: list[tuple[str, str, str, dict[str, list[Role]], str, bool]] = [
    (
        "Kari Fjord",
        "kari@fjordregnskap.example",
        "nb",
        {
            NORDLYS: [Role.AUTOPAY_ADMINISTRATOR, Role.ACCOUNTANT],
            BAKKELY: [Role.AUTOPAY_ADMINISTRATOR, Role.ACCOUNTANT],
        },
        "",
        False,
    ),
    (
        "Anne Solberg",
        "anne@nordlys.example",
        "nb",
        {NORDLYS: [Role.APPROVER]},
        "ANNE-4711",
        True,
    ),
    (
        "Bjørn Dahl",
        "bjorn@nordlys.example",
        "nb",
        {NORDLYS: [Role.APPROVER], BAKKELY: [Role.APPROVER]},
        "BJORN-4712",
        True,
    ),
    (
        "Lars Holm",
        "lars@nordlys.example",
        "en",
        {NORDLYS: [Role.PAYROLL_APPROVER]},
        "LARS-4713",
        True,
    ),
    (
        "Siri Moen",
        "siri@nordlys.example",
        "nb",
        {NORDLYS: [Role.PAYROLL_APPROVER]},
        "SIRI-4714",
        True,
    ),
    ("Signe Vik", "signe@fjordregnskap.example", "nb", {}, "", False),
    (
        "ERP",
        "erp@nordlys.example",
        "nb",
        {NORDLYS: [Role.UPLOADER], BAKKELY: [Role.UPLOADER]},
        "",
        False,
    ),
]
CUSTOMER_ADMINISTRATORS = ["kari@fjordregnskap.example"]
SUPPORT_USERS = ["signe@fjordregnskap.example"]

SUPPLIERS = [
    {"number": "2001", "name": "Strøm og Nett AS", "account": "97100500012", "town": "OSLO"},
    {
        "number": "2002",
        "name": "Blomster og Ærlighet ANS",
        "account": "97100500020",
        "town": "BODØ",
    },
    {"number": "2003", "name": "Maskin & Utstyr AS", "account": "97100500039", "town": "ALTA"},
    {"number": "2004", "name": "Kontorrekvisita AS", "account": "97100500047", "town": "MOSS"},
    {"number": "2005", "name": "Takst og Eiendom AS", "account": "97100500055", "town": "HAMAR"},
]
# The bank knows that this payee uses MOD11; a KID that fits MOD10 alone is refused there.
PAYEES = [
    {
        "account": "97100500047",
        "name": "Kontorrekvisita AS",
        "kid": "required",
        "modulus": "MOD11",
        "closed": False,
    }
]

# Supplier, number, kind, amount, KID, message, payment. Twelve lines in three payments: the
# credit note is netted into the line of invoice 3-101.
INVOICES = [
    ("2001", "1-501", "invoice", "12500.00", "1000421", None, "A"),
    ("2001", "1-502", "invoice", "8430.50", "1000439", None, "A"),
    ("2002", "2-778", "invoice", "750.50", None, "Faktura 778, kundenr. 4411", "A"),
    ("2005", "5-310", "invoice", "4200.00", None, "Faktura 310 takst", "A"),
    ("2001", "1-503", "invoice", "999.00", "2000172", None, "A"),
    ("2003", "3-101", "invoice", "3500.00", None, None, "B"),
    ("2003", "3-102K", "credit_note", "500.00", None, None, "B"),
    ("2004", "4-900", "invoice", "1890.00", "3000114", None, "B"),
    ("2004", "4-901", "invoice", "2310.00", "3000117", None, "B"),
    ("2002", "2-779", "invoice", "640.00", None, "Faktura 779", "B"),
    ("2005", "5-311", "invoice", "975000.00", None, "Faktura 311 tomt", "C"),
    ("2001", "1-504", "invoice", "15600.00", "40001232", None, "C"),
    ("2002", "2-780", "invoice", "1120.00", None, "Faktura 780", "C"),
]
