from django.urls import path

from . import views

urlpatterns = [
    path("healthz", views.healthz),
    path("send", views.send),
]
