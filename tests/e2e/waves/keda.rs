//! KEDA's figures on the same load, test bed and machine: KEDA v2.21.0 on Kubernetes 1.36.3, Celery 5.7.0, workers with two
//! processes, Celery's prefetch and 30 s of grace, 0 to 10 replicas. KEDA as an expert sets it up: polling each second,
//! cooldown 30 s, target 2 tasks a replica, scale-up without a limit, scale-down after 30 s; RabbitMQ over its management
//! API (ready and unacknowledged) unless `-management` is missing. One run per variant, up to six at a time.

/// A variant's run.
#[derive(Clone, Copy, Debug)]
pub struct Keda {
    pub variant: &'static str,
    pub submitted: usize,
    pub finished: usize,
    /// Attempts that ended with their pod.
    pub killed: usize,
    /// Tasks that were started more than once.
    pub restarted: usize,
    pub downs: usize,
    pub sigkilled: usize,
    pub pod_seconds: f64,
    pub wait_p50: f64,
    pub wait_p95: f64,
}

#[rustfmt::skip]
pub const KEDA: [Keda; 8] = [
    keda("redis-late", [420, 263, 31, 0], [16, 36], [6086.0, 41.0, 160.0]),
    keda("redis-early", [420, 259, 26, 0], [11, 27], [6615.0, 54.0, 252.0]),
    keda("classic-late-management", [420, 420, 5, 5], [10, 5], [7883.0, 56.0, 142.0]),
    keda("classic-early-management", [420, 416, 4, 0], [7, 3], [6949.0, 103.0, 208.0]),
    keda("quorum-late-management", [420, 420, 2, 1], [7, 2], [7676.0, 84.0, 171.0]),
    keda("quorum-early-management", [280, 276, 4, 0], [6, 4], [4894.0, 75.0, 167.0]),
    // Cut off at 1,500 s: a live-lock, one task was started 13 times.
    keda("classic-late", [280, 277, 48, 19], [24, 34], [8253.0, 119.0, 354.0]),
    keda("redis-late-prefetch1", [100, 95, 5, 0], [3, 5], [1432.0, 36.0, 50.0]),
];

const fn keda(variant: &'static str, tasks: [usize; 4], pods: [usize; 2], seconds: [f64; 3]) -> Keda {
    Keda {
        variant,
        submitted: tasks[0],
        finished: tasks[1],
        killed: tasks[2],
        restarted: tasks[3],
        downs: pods[0],
        sigkilled: pods[1],
        pod_seconds: seconds[0],
        wait_p50: seconds[1],
        wait_p95: seconds[2],
    }
}

/// KEDA's run of this variant with so many tasks, if it was measured.
pub fn of(variant: &str, submitted: usize) -> Option<Keda> {
    KEDA.into_iter()
        .find(|keda| keda.variant == variant && keda.submitted == submitted)
}
