"""All addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from searchapp.api import api

handler400 = "searchapp.web.views.pages.bad_request"
handler500 = "searchapp.web.views.pages.server_error"

admin.autodiscover()

urlpatterns = [
    path("", include("searchapp.web.urls")),
    path("api/", api.urls),
    path("admin/", admin.site.urls),
]
