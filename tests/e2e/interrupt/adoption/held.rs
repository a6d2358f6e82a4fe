//! Tasks that run until they are let go, and what became of them.

use crate::support::{
    bed::eventually,
    celery_stage::{CeleryStage, LONG},
};

/// Tasks in a queue, whose workers are the pods with the label `app=QUEUE`.
pub struct Held<'a> {
    stage: &'a CeleryStage,
    queue: &'a str,
    /// By the numbers that they have in the records.
    tasks: Vec<String>,
}

impl<'a> Held<'a> {
    pub fn new(stage: &'a CeleryStage, queue: &'a str, number: usize) -> Self {
        let tasks = (0..number).map(|number| format!("{queue}-{number}")).collect();
        Self { stage, queue, tasks }
    }

    pub async fn publish(&self) {
        let publish = |task| format!("nap.hold.apply_async(('{task}',), queue='{}')", self.queue);
        let publish: Vec<_> = self.tasks.iter().map(publish).collect();
        self.stage.client(&publish.join("\n")).await;
    }

    /// Those that have started: which, and where.
    async fn started(&self) -> Vec<(String, String)> {
        let lines = self.stage.list("started").await;
        let words = lines.iter().filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        });
        words.filter(|(task, _)| self.tasks.contains(task)).collect()
    }

    /// Waits until so many run.
    pub async fn wait_busy(&self, number: usize) {
        let what = format!("{}: {number} tasks run", self.queue);
        eventually(&what, LONG, async || {
            let started = self.started().await;
            if started.len() == number {
                Ok(())
            } else {
                Err(format!("{started:?}"))
            }
        })
        .await;
    }

    /// Lets all of them end.
    pub async fn release(&self) {
        self.stage.release(&self.tasks).await;
    }

    /// Lets all end but so many of those that run.
    pub async fn release_but(&self, number: usize) {
        let run: Vec<_> = self.started().await.into_iter().take(number).collect();
        let stays = |task: &&String| run.iter().any(|(one, _)| one == *task);
        let go: Vec<_> = self.tasks.iter().filter(|task| !stays(task)).collect();
        self.stage.release(&go).await;
    }

    /// Waits until each attempt has ended, or its pod has, and every task was begun: how many attempts have not come to their
    /// own end.
    pub async fn wait_over(&self) -> usize {
        let what = format!("{}: all tasks are over", self.queue);
        eventually(&what, LONG, async || {
            let (started, ended) = (self.started().await, self.stage.ended().await);
            let pods = self.stage.ns.pods(&format!("app={}", self.queue)).await;
            let lives = |pod: &String| pods.iter().any(|one| one.metadata.name.as_ref() == Some(pod));
            let mut open = started.iter().filter(|(task, _)| !ended.contains(task));
            if let Some(running) = open.find(|(_, pod)| lives(pod)) {
                return Err(format!("{running:?} runs"));
            }
            if let Some(task) = self
                .tasks
                .iter()
                .find(|task| started.iter().all(|(one, _)| one != *task))
            {
                return Err(format!("{task} has not begun"));
            }
            // Whatever ran a second time was cut off the first time.
            Ok(started.len() - self.tasks.iter().filter(|task| ended.contains(*task)).count())
        })
        .await
    }
}
