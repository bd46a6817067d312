"""The one settings file; everything that differs between places comes from `portal.env`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import structlog
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from portal import env

ENV = env.read()
BASE_DIR = env.ROOT
DEMO = ENV.demo
DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key
ALLOWED_HOSTS = list(ENV.allowed_hosts)
BASE_URL = ENV.base_url
DATA_DIR = ENV.data_dir

# Keys that are not the database's to know: field encryption and signatures (law 5 and 13).
FIELD_KEYS = ENV.field_keys
SIGNATURE_KEY = ENV.signature_key

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp_webauthn",
    "axes",
    "csp",
    "django_tables2",
    "django_htmx",
    "portal.access",
    "portal.events",
    "portal.mail",
    "portal.jobs",
    "portal.lists",
    "portal.people",
    "portal.erp",
    "banking",
    "payments",
    "portal.pushing",
]
if DEMO:
    INSTALLED_APPS.append("portal.demo")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.people.compression.CompressedPages",
    "portal.logs.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.access.guard.GuardMiddleware",
    "portal.people.views.errors.NotAllowedPage",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "portal.people.context.frame",
            ],
            "builtins": ["portal.people.templatetags.kvitt", "payments.templatetags.lines"],
        },
    }
]

DATABASES = {"default": dj_database_url.parse(ENV.database_url, conn_max_age=600)}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"]["connect_timeout"] = 10
DATABASE_APP_ROLE = ENV.database_app_role
REDIS_URL = ENV.redis_url

# People
AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS: list[dict[str, object]] = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email", "phone")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
if ENV.pwned_passwords:  # asks the service Pwned Passwords by five characters of a hash
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "django_pwned.validators.PwnedPasswordValidator"})
LOGIN_URL = "people:sign-in"
LOGIN_REDIRECT_URL = "people:start"
SESSION_ENGINE = "portal.access.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_NAME = "kvitt_session"
SESSION_IDLE_SECONDS = 15 * 60
SUPPORT_CONTACT = ENV.support_contact
OPERATORS = ENV.operators
TERMS_VERSION = "2026-11"

# At most so many wrong codes of a user in a window, over all their devices together.
FACTOR_TRIES_MAX = 10
FACTOR_WINDOW_SECONDS = 15 * 60
FACTOR_FRESH_SECONDS = 10 * 60  # how long a proof holds for changing one's own factors
AUTHORITY_FRESH_SECONDS = 30 * 60  # and for changing who may do what
SMS_PAUSE_SECONDS = 30
SMS_PER_DAY = 20  # to one user, whatever the numbers
SMS_GATEWAY = ENV.sms_gateway
SMS_URL, SMS_TOKEN = ENV.sms_url, ENV.sms_token
SMS_TIMEOUT_SECONDS = 10

# Passkeys belong to the host that people open.
OTP_WEBAUTHN_RP_ID = urlsplit(BASE_URL).hostname or "localhost"
OTP_WEBAUTHN_RP_NAME = "Kvitt"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [BASE_URL]
OTP_WEBAUTHN_HELPER_CLASS = "portal.access.passkeys.Helper"
OTP_WEBAUTHN_TIMEOUT_SECONDS = 180

# At most ten tries per account and address before a pause; counted before any hash is made.
AXES_FAILURE_LIMIT = 10
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_COOLOFF_TIME = 0.25
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "portal.people.views.sign_in.locked_out"
AXES_USERNAME_FORM_FIELD = "email"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True

# And the slow bounds: one account from all addresses, and one address against all accounts.
GUESSES_PER_ACCOUNT, GUESSES_PER_ADDRESS = 50, 200
GUESS_WINDOW_SECONDS = 3600

# Mail: an SMTP server by URL; in the demo nothing leaves, and its page shows the outbox.
DEFAULT_FROM_EMAIL = ENV.mail_from
EMAIL_TIMEOUT = 20
if DEMO:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
else:
    globals().update(ENV.mail_settings)

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = ENV.secure_cookies
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "kvitt_csrf"
CSRF_FAILURE_VIEW = "portal.people.views.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SECURE_SSL_REDIRECT = ENV.secure_cookies
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 31536000 if ENV.secure_cookies else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.secure_cookies
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if ENV.trust_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    MIDDLEWARE.insert(0, "portal.logs.BehindProxy")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Words, numbers and times
LANGUAGE_CODE = "nb"
LANGUAGES = [("nb", _("Norwegian (bokmål)")), ("en", _("English"))]
LANGUAGE_COOKIE_NAME = "kvitt_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LOCALE_PATHS = [BASE_DIR / "portal" / "locale"]
USE_TZ = True
TIME_ZONE = "Europe/Oslo"

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Limits (law 8): sizes in bytes, times in seconds.
UPLOAD_MAX_BYTES = 128 * 1024 * 1024
UPLOAD_MAX_LINES = 100_000
UPLOAD_MAX_FAULTS_TOLD = 50
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
ERP_SIGNATURE_MAX_AGE_SECONDS = 300
ERP_EVENTS_PAGE_MAX = 5_000
ERP_AGREEMENTS_PAGE_MAX = 500
BANK_FILE_MAX_BYTES = 256 * 1024 * 1024
BANK_FILE_PART_BYTES = 1024 * 1024
CHANNEL_TIMEOUT_SECONDS = 30
CONNECTION_ANSWER_SECONDS = 600  # after which a connection test says that no answer came
CHANNEL_FILES_PER_POLL = 200
CHANNEL_MAX_ATTEMPTS = 8
RECEIPT_WINDOW_SECONDS = ENV.receipt_window_seconds
BANK_DAYS = ENV.bank_days
BANK_POLL_SECONDS = ENV.bank_poll_seconds
SEND_CHECK_SECONDS = 10 if DEMO else 60
# What the ERP has not fetched in this time is a difference of the daily check.
ERP_FETCHES_WITHIN_SECONDS = 24 * 3600
COMPARE_CHECK_SECONDS = 60 if DEMO else 1800
# Whether events may be pushed to addresses of our own network, and without TLS.
PUSH_PRIVATE_NETWORKS = ENV.push_private_networks
PUSH_CHECK_SECONDS = 5
MAIL_CHECK_SECONDS = 10 if DEMO else 60
MAIL_BATCH = 50
MAIL_RUN_SECONDS = 240
MAIL_LEASE_SECONDS = 900  # longer than a task may live, so the former sender has ended
MAIL_MAX_ATTEMPTS = 20  # with the waits below, about two days
MAIL_RETRY_SECONDS = 60
MAIL_RETRY_MAX_SECONDS = 4 * 3600
MAIL_KEEP_DAYS = 90
SPOOL_MEMORY_BYTES = 1024 * 1024
LINES_PER_PAGE = 50
LIST_PAGE_SIZE = 50
LIST_SELECT_MAX = 10_000
LIST_EXPORT_DIRECT = 2_000
LIST_EXPORT_MAX = 100_000
LIST_EXPORT_CUSTOMER_MAX = 10_000
IMPORT_MAX_BYTES = 2 * 1024 * 1024
IMPORT_MAX_UNPACKED_BYTES = 64 * 1024 * 1024
IMPORT_MAX_ROWS = 1_000
SIGN_AT_ONCE_MAX = 500
JOBS_PER_PAGE = 50
JOBS_OPEN_PER_USER_MAX = 3
JOB_QUEUE = "jobs"  # its own workers: a long export must not hold up the money
JOB_ATTEMPTS_MAX = 3
JOB_MAX_SECONDS = 540  # a run ends itself before CELERY_TASK_TIME_LIMIT kills it
JOB_SILENT_SECONDS = 120  # unheard of for longer, its worker is taken for dead
JOB_CHECK_SECONDS = 15
JOB_FILE_MAX_BYTES = 256 * 1024 * 1024
JOB_FILE_PART_BYTES = 1024 * 1024
JOB_FILE_KEPT_SECONDS = 7 * 24 * 3600
FAULT_POINT = ENV.fault_point

# Celery (its traps: infrastructure notes in docs/operations.md)
CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "Europe/Oslo"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_timeout": 30,
    "socket_connect_timeout": 10,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

# The simulators, in the demo and the tests only
SIMBANK_CONTROL_URL = ENV.simbank_control_url
SIMBANK_SFTP_PORT = ENV.simbank_sftp_port
SIMERP_URL = ENV.simerp_url

_PRE_CHAIN: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            "foreign_pre_chain": _PRE_CHAIN,
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["console"], "level": ENV.log_level},
    "loggers": {
        "paramiko": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
structlog.configure(
    processors=[
        *_PRE_CHAIN,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
