"""The doctor's page for staff, and its report for machines."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError

from searchapp import tasks
from searchapp.models import DoctorReport
from searchapp.services import diagnosing, tokens
from searchapp.web.diagnosis import check_rows, finding_groups, measurement_rows
from searchapp.web.requests import signed_in_user


@login_required
@require_safe
@never_cache
def doctor(request: HttpRequest) -> HttpResponse:
    """Show the last report, and how far one under way is."""
    _check_staff(request)
    running = diagnosing.running_report()
    if request.headers.get("HX-Request") and running:
        return render(request, "doctor/_running.html", {"running": running})
    report = diagnosing.last_report()
    context: dict[str, object] = {"report": report, "running": running}
    if report:
        context |= {
            "groups": finding_groups(diagnosing.findings_of(report)),
            "measurements": measurement_rows(report.content.get("measurements", {})),
            "checks": check_rows(report.content.get("steps", [])),
        }
    response = render(request, "doctor/page.html", context)
    if request.headers.get("HX-Request"):
        # What was polled for is there: the browser loads the page anew.
        response["HX-Refresh"] = "true"
    return response


@login_required
@require_POST
def examine(request: HttpRequest) -> HttpResponse:
    """Examine the site now: fast while the browser waits, or in full by a worker."""
    _check_staff(request)
    if diagnosing.running_report():
        return redirect("doctor")
    if request.POST.get("depth") == DoctorReport.Depth.FULL:
        report = diagnosing.begin_report("full")
        try:
            tasks.enqueue_examination(report)
        except OperationalError:
            report.delete()
            messages.error(request, _("The broker does not answer, so no worker can be asked. Examine fast instead."))
    else:
        diagnosing.write_report(diagnosing.begin_report("fast"))
    return redirect("doctor")


@require_safe
@never_cache
def doctor_json(request: HttpRequest) -> HttpResponse:
    """Give the last report to staff who are signed in, or to a token of theirs; 503 where it names errors."""
    scheme, _separator, token = request.headers.get("Authorization", "").partition(" ")
    user = tokens.find_user(token) if scheme.lower() == "bearer" else request.user
    if user is None or not user.is_authenticated:
        return JsonResponse({"error": {"code": "unauthorized"}}, status=HTTPStatus.UNAUTHORIZED)
    if not user.is_staff:
        return JsonResponse({"error": {"code": "forbidden"}}, status=HTTPStatus.FORBIDDEN)
    report = diagnosing.last_report()
    if report is None:
        return JsonResponse({"error": {"code": "no_report"}}, status=HTTPStatus.NOT_FOUND)
    status = HTTPStatus.SERVICE_UNAVAILABLE if report.error_count else HTTPStatus.OK
    return JsonResponse(diagnosing.as_json(report), status=status, json_dumps_params={"ensure_ascii": False})


def _check_staff(request: HttpRequest) -> None:
    if not signed_in_user(request).is_staff:
        raise PermissionDenied
