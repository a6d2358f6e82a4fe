import uuid

from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_POST
from kombu.exceptions import OperationalError

from .tasks import send_email_task

MOST_AT_ONCE = 10_000


def healthz(request):
    return HttpResponse("ok\n", content_type="text/plain")


@require_POST
def send(request):
    """POST /send?count=N queues N mails with the subjects "order <number>"."""
    try:
        count = int(request.GET.get("count", "1"))
    except ValueError:
        count = 0
    if not 1 <= count <= MOST_AT_ONCE:
        return JsonResponse({"error": f"count must be 1 to {MOST_AT_ONCE}"}, status=400)

    queued = 0
    try:
        for _ in range(count):
            send_email_task.delay(f"order {uuid.uuid4()}", "Thank you for your order.", ["customer@example.com"])
            queued += 1
    except OperationalError:
        return JsonResponse({"error": "the broker cannot be reached", "queued": queued}, status=503)
    return JsonResponse({"queued": queued})
