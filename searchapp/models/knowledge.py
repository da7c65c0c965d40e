"""Collections, their documents, and the passages that search can find."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _


class Visibility(models.TextChoices):
    """Say who may search a collection besides its owner, its members and administrators."""

    PUBLIC = "public", _("Everyone")
    SIGNED_IN = "signed_in", _("Everyone who is signed in")
    RESTRICTED = "restricted", _("Members only")


class Task(models.TextChoices):
    """Say what questions to a collection are meant to find: the keys of `searchapp.embedding.TASKS`."""

    WEB = "web", _("Passages that answer a question")
    FAQ = "faq", _("Frequently asked questions with their answers")
    TICKET = "ticket", _("Solved tickets about the same problem")
    CODE = "code", _("Code and its documentation")


class Collection(models.Model):
    """A knowledge base: documents that belong together, with one audience and one retrieval task."""

    slug = models.SlugField(_("short name"), max_length=80, unique=True, help_text=_("Used in addresses and the API."))
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True, max_length=2_000)
    task = models.CharField(_("what questions find"), max_length=20, choices=Task.choices, default=Task.WEB)
    instruction = models.CharField(
        _("retrieval instruction"),
        max_length=500,
        blank=True,
        help_text=_("The same in one English sentence of your own. Empty: as chosen above."),
    )
    visibility = models.CharField(
        _("who may search it"), max_length=20, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="owned_collections",
    )
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("members"),
        through="Membership",
        related_name="shared_collections",
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    twins_found_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("collection")
        verbose_name_plural = _("collections")
        ordering = ["name", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(visibility__in=Visibility.values), name="collection_visibility_is_known"
            ),
            models.CheckConstraint(condition=Q(task__in=Task.values), name="collection_task_is_known"),
        ]

    def __str__(self) -> str:
        return self.name


class Tag(models.Model):
    """A word that people put on documents to find them by.

    ``key`` is the name as it is compared (`searchapp.services.tags`); the name is as it was written first.
    """

    name = models.CharField(_("name"), max_length=50)
    key = models.CharField(max_length=150, unique=True, editable=False)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name


class Document(models.Model):
    """One uploaded file and how far it is on its way into the index.

    ``twins`` is the same for documents of a collection that are versions of one text in different
    languages; the rows of FAQ files have one each (`Chunk.twins`).

    ``version`` counts the uploads under this name. ``live_version`` is the one that search shows; it
    moves to ``version`` in one step when that version is ready, so a replaced document is found
    in exactly one of its versions at any moment. ``run`` counts how often work on the document was
    begun; points carry it, so that what an earlier run left can be told from what a later one writes.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        PARSING = "parsing", _("Reading")
        EMBEDDING = "embedding", _("Embedding")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    RUNNING = (Status.PARSING, Status.EMBEDDING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(
        Collection, verbose_name=_("collection"), on_delete=models.CASCADE, related_name="documents"
    )
    title = models.CharField(_("title"), max_length=300)
    source_name = models.CharField(_("file name"), max_length=255)
    kind = models.CharField(_("type"), max_length=20)
    file = models.FileField(_("file"), upload_to="documents", max_length=200)
    size_bytes = models.PositiveBigIntegerField(_("file length"))
    content_sha256 = models.CharField(max_length=64, editable=False)
    faq_columns = models.JSONField(
        null=True,
        blank=True,
        help_text=_("Header names of the question and answer columns, where they were chosen."),
    )
    declared_language = models.CharField(_("declared language"), max_length=16, blank=True)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="documents", editable=False)

    version = models.PositiveIntegerField(_("version"), default=1)
    live_version = models.PositiveIntegerField(null=True, editable=False)
    live_file = models.CharField(max_length=200, blank=True, editable=False)
    language = models.CharField(_("language"), max_length=16, blank=True, editable=False)
    passage_count = models.PositiveIntegerField(_("passages"), default=0, editable=False)
    ready_at = models.DateTimeField(_("ready since"), null=True, editable=False)
    twins = models.UUIDField(null=True, editable=False, db_index=True)

    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.QUEUED)
    progress_done = models.PositiveIntegerField(default=0, editable=False)
    progress_total = models.PositiveIntegerField(default=0, editable=False)
    error_code = models.CharField(max_length=60, blank=True, editable=False)
    error_detail = models.TextField(blank=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(null=True, editable=False)
    run = models.PositiveIntegerField(default=0, editable=False)
    lease = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    enqueued_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-created_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "source_name"], name="document_name_is_unique"),
            models.UniqueConstraint(fields=["collection", "content_sha256"], name="document_content_is_unique"),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "parsing", "embedding", "ready", "failed"]),
                name="document_status_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="ready") | Q(live_version=F("version")), name="document_ready_is_live"
            ),
            models.CheckConstraint(
                condition=~Q(status="failed") | ~Q(error_code=""), name="document_failed_has_reason"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "enqueued_at"]),
            models.Index(fields=["status", "lease_expires_at"]),
            models.Index(fields=["collection", "-created_at"]),
            models.Index(fields=["collection", "language"]),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_settled(self) -> bool:
        """Return whether nothing more will happen to the document by itself."""
        return self.status in (self.Status.READY, self.Status.FAILED)


class Chunk(models.Model):
    """One passage of a document's live version: a row here, a point with the same id in the index.

    ``chunking`` is how the document was cut: the version of the cutter and the token budget. While the index is
    built anew with another cut, a document has the passages of both.

    ``start`` and ``end`` are character offsets into the text of the parsed document.
    """

    id = models.UUIDField(primary_key=True, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="chunks")
    version = models.PositiveIntegerField()
    chunking = models.CharField(max_length=24)
    ordinal = models.PositiveIntegerField()
    text = models.TextField()
    question = models.TextField(blank=True)
    heading_path = models.JSONField(default=list)
    page = models.PositiveIntegerField(null=True)
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    language = models.CharField(max_length=16)
    token_count = models.PositiveIntegerField()
    twins = models.UUIDField(null=True, editable=False, db_index=True)

    class Meta:
        verbose_name = _("passage")
        verbose_name_plural = _("passages")
        ordering = ["document", "ordinal"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "version", "chunking", "ordinal"], name="chunk_ordinal_is_unique"
            ),
            models.CheckConstraint(condition=Q(start__lte=F("end")), name="chunk_offsets_are_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id} #{self.ordinal}"


class IndexSweep(models.Model):
    """A debt to the vector index: delete the points of this document that no passage stands for.

    With ``has_new_tags`` also: give the others the tags that the document has now.

    Written in the transaction that makes points stale, so neither a dead broker nor a dead vector
    store can lose it. ``document_id`` is no foreign key: the document may be gone.
    """

    document_id = models.UUIDField()
    due_at = models.DateTimeField()
    has_new_tags = models.BooleanField(default=False)

    class Meta:
        indexes = [models.Index(fields=["due_at"])]

    def __str__(self) -> str:
        return str(self.document_id)
