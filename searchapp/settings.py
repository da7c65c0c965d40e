"""All settings. Only this file reads the environment, one line per variable, through `env`.

Where a variable is unset, the value that `manage.py serve` wrote to ``embedded.env`` in the data
folder is taken; so every command finds the parts of a running site without being told.
"""

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from searchapp.env import Env, EnvError, read_env_file

BASE_DIR = Path(__file__).resolve().parent.parent

_dotenv = read_env_file(BASE_DIR / ".env")
DATA_DIR = (
    Path(Env(os.environ, _dotenv).text("DATA_DIR", default=str(BASE_DIR / "data"), help="")).expanduser().absolute()
)
EMBEDDED_ENV_FILE = DATA_DIR / "embedded.env"

env = Env(os.environ, _dotenv, read_env_file(EMBEDDED_ENV_FILE))
# What a person set: the local servers are started for the rest.
GIVEN_ENVIRONMENT = {name: value for name, value in {**_dotenv, **os.environ}.items() if value.strip()}
env.text("DATA_DIR", default="data", help="Folder for everything the site writes.")

# The site
SECRET_KEY = env.text("SECRET_KEY", help="Signs sessions. Generated and kept by script/serve.")
SECRET_KEY_IS_EPHEMERAL = not SECRET_KEY
SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(48)
DEBUG = env.boolean("DEBUG", default=False, help="Show error details in the browser. Development only.")
SITE_URL = env.url("SITE_URL", help="Public address, e.g. https://search.example.org; https turns on secure cookies.")
ALLOWED_HOSTS = env.items(
    "ALLOWED_HOSTS",
    default="localhost,127.0.0.1,[::1]",
    help="Host names the site answers to, comma-separated.",
)
LOG_LEVEL = env.choice(
    "LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO", help="DEBUG, INFO, WARNING or ERROR."
)
DEFAULT_LANGUAGE = env.choice(
    "DEFAULT_LANGUAGE", ("en", "zh-hans"), default="en", help="Language of the pages: en or zh-hans."
)
TIME_ZONE = env.time_zone("TIME_ZONE", default="UTC", help="Time zone of the times shown, e.g. Asia/Shanghai.")
PORT = env.integer("PORT", default=8000, minimum=1, help="Port of the site started by script/serve.")
WEB_THREADS = env.integer("WEB_THREADS", default=8, minimum=1, help="Threads of the web server.")

# The four addresses that choose the mode
DATABASE_URL = env.text("DATABASE_URL", help="Database. Unset: SQLite in the data folder.")
REDIS_URL = env.url(
    "REDIS_URL", schemes=("redis", "rediss", "unix"), help="Broker. Unset: a redis-server started by script/serve."
)
QDRANT_URL = env.url("QDRANT_URL", help="Vector store. Unset: the local vector server.")
QDRANT_API_KEY = env.text("QDRANT_API_KEY", help="Key of the vector store.")
EMBEDDING_BASE_URL = env.url(
    "EMBEDDING_BASE_URL",
    help="OpenAI-compatible embedding service, ends in /v1. Unset: the local embedding server.",
)
EMBEDDING_API_KEY = env.text("EMBEDDING_API_KEY", default="EMPTY", help="Key of the embedding service.")
EMBEDDING_MODEL = env.text(
    "EMBEDDING_MODEL", default="qwen3-embedding-0.6b", help="Model name as the embedding service serves it."
)
EMBEDDING_DIMENSIONS = env.integer(
    "EMBEDDING_DIMENSIONS", default=0, help="Length of the vectors; 0 takes what the model gives."
)
EMBEDDING_FAMILY = env.choice(
    "EMBEDDING_FAMILY",
    ("auto", "qwen3", "bge", "e5", "gte", "jina", "none"),
    default="auto",
    help="How the model wants texts framed: auto (by its name), qwen3, bge, e5, gte, jina or none.",
)
EMBEDDING_MAX_TOKENS = env.integer(
    "EMBEDDING_MAX_TOKENS", default=0, help="Tokens a text must stay below; 0 takes what the service tells."
)
EMBEDDING_TOKENIZER = env.text(
    "EMBEDDING_TOKENIZER", help="Folder with the model's tokenizer.json. Unset: the service counts tokens."
)
EMBEDDING_CACHE_BYTES = (
    env.integer("EMBEDDING_CACHE_MB", default=512, help="Room for vectors of texts seen before, in MiB; 0 keeps none.")
    * 1024
    * 1024
)
QUERY_CACHE_ENTRIES = env.integer(
    "QUERY_CACHE_ENTRIES", default=10_000, help="Questions whose vectors are kept in Redis; 0 keeps none."
)
NEXT_EMBEDDING_BASE_URL = env.url(
    "NEXT_EMBEDDING_BASE_URL",
    help="Service of the model that manage.py reindex builds the next index with. Unset: EMBEDDING_BASE_URL.",
)
NEXT_EMBEDDING_API_KEY = env.text(
    "NEXT_EMBEDDING_API_KEY", help="Key of the next embedding service. Unset: EMBEDDING_API_KEY."
)
NEXT_EMBEDDING_MODEL = env.text(
    "NEXT_EMBEDDING_MODEL", help="Name of the next model. Unset, with the address: no change of the model is wanted."
)
NEXT_EMBEDDING_DIMENSIONS = env.integer(
    "NEXT_EMBEDDING_DIMENSIONS", default=0, help="Length of the next model's vectors; 0 takes what it gives."
)
NEXT_EMBEDDING_FAMILY = env.choice(
    "NEXT_EMBEDDING_FAMILY",
    ("auto", "qwen3", "bge", "e5", "gte", "jina", "none"),
    default="auto",
    help="How the next model wants texts framed: as EMBEDDING_FAMILY.",
)
LOCAL_EMBEDDING_MODEL = env.text(
    "LOCAL_EMBEDDING_MODEL",
    help="Folder or hub name of a model2vec (static) or Qwen3-Embedding model for the local embedding server. "
    "Unset: built in.",
)
RERANK_BASE_URL = env.url("RERANK_BASE_URL", help="Reranker that answers /rerank below it, ends in /v1. Unset: none.")
RERANK_API_KEY = env.text("RERANK_API_KEY", default="EMPTY", help="Key of the reranker.")
RERANK_MODEL = env.text("RERANK_MODEL", default="qwen3-reranker-0.6b", help="Model name as the reranker serves it.")

# Documents and search
MAX_UPLOAD_BYTES = env.integer("MAX_UPLOAD_MB", default=50, minimum=1, help="Largest file, in MiB.") * 1024 * 1024
PARSE_TIMEOUT_S = env.integer(
    "PARSE_TIMEOUT_S", default=120, minimum=1, help="Longest time to read one file, in seconds."
)
PARSE_MEMORY_BYTES = (
    env.integer("PARSE_MEMORY_MB", default=2048, minimum=256, help="Most memory to read one file, in MiB.")
    * 1024
    * 1024
)
CHUNK_TOKENS = env.integer("CHUNK_TOKENS", default=128, minimum=32, help="Token budget of a passage.")
SITE_LANGUAGES = env.items(
    "SITE_LANGUAGES",
    help="Languages that documents and questions may be in, e.g. en,zh,ja. Unset: all supported.",
)
WORKER_THREADS = env.integer("WORKER_THREADS", default=4, minimum=1, help="Documents indexed at once by one worker.")
EMBEDDING_TIMEOUT_S = env.integer(
    "EMBEDDING_TIMEOUT_S", default=60, minimum=1, help="Longest wait for one batch of embeddings, in seconds."
)
HIGHLIGHT_TIMEOUT_MS = env.integer(
    "HIGHLIGHT_TIMEOUT_MS",
    default=500,
    help="Time to find the answering sentence of the hits; 0 turns it off.",
)
RERANK_TIMEOUT_MS = env.integer(
    "RERANK_TIMEOUT_MS", default=500, minimum=1, help="Time for the reranker; after it the order stays as it was."
)
RANKING_FILE = env.text(
    "RANKING_FILE",
    help="Constants of ranking, as benchmarks/calibrate_ranking.py writes them. Unset: those known for the model.",
)
GENERATION_RETENTION_DAYS = env.integer(
    "GENERATION_RETENTION_DAYS",
    default=7,
    help="Days that a replaced index is kept up to date for going back to it.",
)
QUERY_HISTORY = env.integer(
    "QUERY_HISTORY",
    default=500,
    help="Number of recent questions kept to compare a new index with; 0 keeps none.",
)

# Retrieval limits that no installation needs to change
MAX_QUERY_CHARACTERS = 2_000
MAX_SEARCH_LIMIT = 100

INSTALLED_APPS = [
    # Its pages are found by `searchapp.urls`: programs that serve none start in half the time.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "ninja",
    "searchapp",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "searchapp.urls"
WSGI_APPLICATION = "searchapp.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "searchapp.web.context.outage",
            ],
        },
    }
]

try:
    _database: dict[str, Any] = dict(
        dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)
        if DATABASE_URL
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "isogloss.sqlite3"), "CONN_MAX_AGE": 600}
    )
except ValueError as exc:  # its words may hold the password
    raise EnvError("DATABASE_URL takes an address such as postgres://user:password@host:5432/name") from exc
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # Readers never wait for the one writer (WAL), writers queue instead of failing (timeout), and a
    # transaction that will write takes its turn when it begins, not in the middle (IMMEDIATE).
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 60,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=60000;",
    }
    # Tests use several threads, which a database in memory does not serve.
    _database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
DATABASES = {"default": _database}

LANGUAGE_CODE = DEFAULT_LANGUAGE
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "searchapp" / "locale"]
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "files"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
FILE_UPLOAD_HANDLERS = [
    "searchapp.web.uploads.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# Forms without JavaScript send all chosen files in one request.
DATA_UPLOAD_MAX_NUMBER_FILES = 1_000

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "search"
LOGOUT_REDIRECT_URL = "search"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_NAME = "isogloss_session"
CSRF_COOKIE_NAME = "isogloss_csrf"
LANGUAGE_COOKIE_NAME = "isogloss_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"

_is_https = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = _is_https
CSRF_COOKIE_SECURE = _is_https
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL else []
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _is_https else None
SECURE_HSTS_SECONDS = 31_536_000 if _is_https else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
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

# Celery. The database decides what is to be done; a message only says "look now".
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "retry_on_timeout": True,
    # One more try at once, for a connection that broke since it was last used; kombu's own default keeps an
    # upload waiting for six seconds while the broker is down. Documents are then found by `maintain`.
    "max_retries": 1,
    "interval_start": 0,
    "interval_max": 0,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_TASK_DEFAULT_QUEUE = "indexing"
CELERY_TASK_ROUTES = {
    "searchapp.tasks.maintain": {"queue": "maintenance"},
    "searchapp.tasks.reindex": {"queue": "reindexing"},
    "searchapp.tasks.report_generation": {"queue": "reindexing"},
    "searchapp.tasks.examine": {"queue": "maintenance"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
REAP_INTERVAL_S = 5
CELERY_BEAT_SCHEDULE = {
    "maintain": {
        "task": "searchapp.tasks.maintain",
        "schedule": REAP_INTERVAL_S,
        # What was not started before the next is due is not worth starting.
        "options": {"expires": REAP_INTERVAL_S, "queue": "maintenance"},
    },
    # At night, when the requests of a full examination are in nobody's way.
    "examine": {
        "task": "searchapp.tasks.examine",
        "schedule": crontab(hour="3", minute="17"),
        "options": {"expires": 3600, "queue": "maintenance"},
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "searchapp.log.LineFormatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
        "openai": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
    },
}
SITE_NAME = _("Isogloss")
