//! The same work for many things, on all cores, with the answers in their order.

use std::num::NonZeroUsize;
use std::thread::{Builder, ScopedJoinHandle};

/// Fewer than `least` things are not worth a thread.
pub(crate) fn map<'a, T: Sync, R: Send>(
    all: &'a [T],
    least: usize,
    one: impl Fn(&'a T) -> R + Sync,
) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = all.len().div_ceil(least).clamp(1, cores);
    let work = |part: &'a [T]| part.iter().map(&one).collect::<Vec<_>>();
    if threads == 1 {
        return work(all);
    }
    std::thread::scope(|scope| {
        let work = &work;
        let spawn = |part: &'a [T]| (part, Builder::new().spawn_scoped(scope, move || work(part)));
        let workers: Vec<_> = all.chunks(all.len().div_ceil(threads)).map(spawn).collect();
        let finish = |(part, worker): (&'a [T], Result<ScopedJoinHandle<'_, Vec<R>>, _>)| match worker {
            Ok(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread to be had: then here.
            Err(_) => work(part),
        };
        workers.into_iter().flat_map(finish).collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_come_in_order_however_many_there_are() {
        for count in [0, 1, 7, 1_000] {
            let all: Vec<usize> = (0..count).collect();
            assert_eq!(super::map(&all, 3, |n| n * 2), all.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
    }
}
