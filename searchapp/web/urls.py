"""Addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.urls import path, re_path, reverse_lazy
from django.views.i18n import set_language

from searchapp.web.views import accounts, collections, doctor, documents, generations, health, pages, search

urlpatterns = [
    path("", search.search, name="search"),
    path("highlights/", search.highlights, name="highlights"),
    path("collections/", collections.list_collections, name="collections"),
    path("new-collection/", collections.create_collection, name="create_collection"),
    path("collections/<slug:slug>/", documents.list_documents, name="collection"),
    path("collections/<slug:slug>/upload/", documents.upload, name="upload"),
    path("collections/<slug:slug>/progress/", documents.progress, name="progress"),
    path("collections/<slug:slug>/retry/", documents.retry_all, name="retry_all"),
    path("collections/<slug:slug>/edit/", collections.edit_collection, name="edit_collection"),
    path("collections/<slug:slug>/delete/", collections.delete_collection, name="delete_collection"),
    path("collections/<slug:slug>/members/", collections.members, name="members"),
    path(
        "collections/<slug:slug>/members/<int:membership_id>/remove/",
        collections.remove_member,
        name="remove_member",
    ),
    path("documents/<uuid:document_id>/", documents.document, name="document"),
    path("documents/<uuid:document_id>/download/", documents.download, name="download"),
    path("documents/<uuid:document_id>/replace/", documents.replace, name="replace"),
    path("documents/<uuid:document_id>/retry/", documents.retry, name="retry"),
    path("documents/<uuid:document_id>/tags/", documents.set_tags, name="set_tags"),
    path("documents/<uuid:document_id>/columns/", documents.choose_columns, name="choose_columns"),
    path("documents/<uuid:document_id>/delete/", documents.delete, name="delete_document"),
    path("generations/", generations.list_generations, name="generations"),
    path("generations/build/", generations.build, name="build_generation"),
    path("generations/rollback/", generations.roll_back, name="roll_back"),
    path("generations/prune/", generations.prune, name="prune_generations"),
    re_path(
        r"^generations/(?P<generation_id>\d{1,18})/(?P<action>pause|resume|cancel|compare|switch)/$",
        generations.change,
        name="change_generation",
    ),
    path("login/", LoginView.as_view(template_name="accounts/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("profile/", accounts.profile, name="profile"),
    path(
        "profile/password/",
        PasswordChangeView.as_view(template_name="accounts/password.html", success_url=reverse_lazy("profile")),
        name="password",
    ),
    path("profile/tokens/", accounts.create_token, name="create_token"),
    path("profile/tokens/<int:token_id>/delete/", accounts.delete_token, name="delete_token"),
    path("language/", set_language, name="set_language"),
    path("theme/", pages.set_theme, name="set_theme"),
    path("doctor/", doctor.doctor, name="doctor"),
    path("doctor/examine/", doctor.examine, name="examine"),
    path("doctor.json", doctor.doctor_json, name="doctor_json"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
