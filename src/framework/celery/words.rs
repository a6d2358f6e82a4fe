//! Celery's own terms in messages to users.
#![deny(clippy::disallowed_methods)]

use crate::model::Words;

/// Celery's terms.
pub const WORDS: Words = Words {
    url: "redis://, rediss://, amqp://, amqps:// or pyamqp:// as Celery reads them; Sentinel and other transports are not read",
    stranded: ("in `unacked`", "after the visibility timeout"),
    prefetch: "`worker_prefetch_multiplier = 1` does",
    queues: "`-Q`, `task_default_queue`, `task_queues`",
    no_consumers: "known of Celery after a broker's restart",
    hearing: "heartbeats",
    rights: "README, \"Rights on the broker\"",
    overstays: "A shell as the first process hands no signal on: start the worker with `exec`, or by `tini` or `dumb-init`.",
    silence: "they neither beat nor answer remote control",
    names: "A node's name must have its pod's name in it (`-n name@%h`).",
    nobody: "Either they use another broker (check the URL, the database or virtual host, `keyPrefix`, `controlExchange`, \
             `eventExchange`), or they run without heartbeats and remote control, or `--pool solo` has had a task since they \
             came.",
    silent: "A worker with `--pool solo` says nothing while it runs a task; one without heartbeats and remote control never \
             does.",
    leaving: "A worker with `--pool solo` says nothing while it runs a task, one that was told to end while it works that \
              off, one without heartbeats and remote control never.",
    several: "`-n a@%h`, `-n b@%h`",
    partly: "the answer may be larger than is accepted (very many prefetched tasks or tasks with an ETA), or tasks were sent \
             as pickle with arguments that JSON does not know",
    unresponsive: "`worker_enable_remote_control`, another `task_serializer`",
    solo: "`--pool solo`",
    scheduler_stops: "The workers run beat (`-B`), which stops with the last of them, so nothing is scheduled any more: set \
                      `minReplicas: 1`, or run `celery beat` in a Deployment of its own.",
    scheduler_runs_twice: "The workers run beat (`-B`), and each replica runs one: the schedule comes as many times as there \
                           are replicas. Run `celery beat` in a Deployment of its own, or set `maxReplicas: 1`.",
};
