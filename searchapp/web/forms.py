"""What people fill in. A form turns input into plain values; the services hold the rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.models import User
from django.utils.translation import gettext_lazy as _

from searchapp.language import SUPPORTED_LANGUAGES
from searchapp.models import Collection, Membership
from searchapp.parsing import SUPPORTED_EXTENSIONS, FaqColumns
from searchapp.services.collections import CollectionSpec, suggest_slug
from searchapp.services.reasons import sentence
from searchapp.services.tags import TagsRejectedError, clean_tags
from searchapp.web.presentation import language_choices

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile

ACCEPTED_FILES = ",".join(SUPPORTED_EXTENSIONS)


def error_text(form: forms.BaseForm) -> str:
    """Return all that is wrong with a form as one line."""
    return " ".join(str(error) for errors in form.errors.values() for error in errors)


class MultipleFileInput(forms.ClearableFileInput):
    """Let many files be chosen at once."""

    allow_multiple_selected = True


class MultipleFileField(forms.FileField):
    """Hold a list of files. Empty ones pass: the service refuses each by name."""

    widget = MultipleFileInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_empty_file=True, **kwargs)

    def clean(self, data: "Sequence[UploadedFile[bytes]]", initial: Any = None) -> "list[UploadedFile[bytes]]":
        """Return the files; Django's own check is made for each."""
        files = [super(MultipleFileField, self).clean(file, initial) for file in data]
        if not files and self.required:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files


def _declared_language_choices() -> list[tuple[str, Any]]:
    return [("", _("Detect it")), *language_choices(SUPPORTED_LANGUAGES)]


class TagsField(forms.Field):
    """Hold tags as people write them: with commas between."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label=_("Tags"), required=False, help_text=_("Words with commas between them."), **kwargs)

    def to_python(self, value: str | None) -> list[str]:
        """Return the names."""
        try:
            return list(clean_tags([value or ""]).values())
        except TagsRejectedError as exc:
            raise forms.ValidationError(sentence(exc.code), code=exc.code) from exc


class TagsForm(forms.Form):
    """The tags of a document."""

    tags = TagsField()


class UploadForm(forms.Form):
    """Files for one collection, with their language where the uploader knows it, and their tags."""

    file = MultipleFileField(label=_("Files"), widget=MultipleFileInput(attrs={"accept": ACCEPTED_FILES}))
    language = forms.ChoiceField(label=_("Language"), required=False, choices=_declared_language_choices)
    tags = TagsField()


class AdminUploadForm(UploadForm):
    """Files from the administration pages, where the collection is chosen too."""

    collection = forms.ModelChoiceField(Collection.objects.all(), label=_("Collection"))
    field_order = ["collection", "file", "language", "tags"]


class ReplacementForm(forms.Form):
    """The next version of a document."""

    file = forms.FileField(
        label=_("New version"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ACCEPTED_FILES}),
    )


class FaqColumnsForm(forms.Form):
    """The columns of a CSV file that hold the questions and the answers."""

    question = forms.ChoiceField(label=_("Column of the questions"))
    answer = forms.ChoiceField(label=_("Column of the answers"))

    def __init__(self, headers: Sequence[str], data: Any = None) -> None:
        super().__init__(data)
        for name in ("question", "answer"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
            field.choices = [(header, header) for header in headers]
        if len(headers) > 1:
            self.fields["answer"].initial = headers[1]

    def clean(self) -> dict[str, Any]:
        """Refuse the same column for both."""
        cleaned = super().clean() or {}
        if cleaned.get("question") is not None and cleaned.get("question") == cleaned.get("answer"):
            raise forms.ValidationError(_("Choose two different columns."))
        return cleaned

    def columns(self) -> FaqColumns:
        """Return the choice."""
        return FaqColumns(question=self.cleaned_data["question"], answer=self.cleaned_data["answer"])


class CollectionForm(forms.ModelForm):  # type: ignore[type-arg] # has no [] at run time
    """What a person says about a collection."""

    class Meta:
        model = Collection
        fields = ["name", "slug", "description", "task", "instruction", "visibility"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False

    def clean_slug(self) -> str:
        """Make a short name from the name where none was given."""
        slug: str = self.cleaned_data["slug"] or suggest_slug(self.cleaned_data.get("name", ""))
        if not slug:
            raise forms.ValidationError(_("Give a short name of Latin letters, digits and hyphens."))
        return slug

    def spec(self) -> CollectionSpec:
        """Return what was said."""
        return CollectionSpec(**self.cleaned_data)


class MemberForm(forms.Form):
    """A person and what they may do."""

    username = forms.CharField(label=_("User name"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)

    def clean_username(self) -> User:
        """Return the person of that name."""
        user = User.objects.filter(username=self.cleaned_data["username"], is_active=True).first()
        if user is None:
            raise forms.ValidationError(_("There is nobody with this user name."))
        return user


class DeleteCollectionForm(forms.Form):
    """The name of the collection, typed again, before all of it is lost."""

    name = forms.CharField(label=_("Name of the collection"), max_length=200)

    def __init__(self, collection: Collection, data: Any = None) -> None:
        super().__init__(data)
        self._name = collection.name

    def clean_name(self) -> str:
        """Refuse any other name."""
        name: str = self.cleaned_data["name"]
        if name != self._name:
            raise forms.ValidationError(_("This is not its name."))
        return name


class BuildForm(forms.Form):
    """How fast a new index may be built."""

    rate = forms.IntegerField(
        label=_("Passages a second at the most"),
        required=False,
        min_value=0,
        max_value=1_000_000,
        help_text=_("Empty: as fast as the embedding service can."),
    )
