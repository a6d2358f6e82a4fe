from django.urls import path
from mail import views

urlpatterns = [
    path("healthz", views.healthz),
    path("send", views.send),
]
