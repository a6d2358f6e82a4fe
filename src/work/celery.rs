//! Celery.
