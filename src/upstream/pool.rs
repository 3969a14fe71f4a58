//! Connections that wait for another request.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, Scheme};
use parking_lot::Mutex;

use super::link::Link;

/// How often they are looked at: what the other side has closed goes then, and what nobody has asked for in [`ROUNDS`].
const ROUND: Duration = Duration::from_secs(11);
/// In all shorter than what the providers' own front ends keep an idle connection for.
const ROUNDS: u8 = 5;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    scheme: Option<Scheme>,
    authority: Option<Authority>,
}

impl Origin {
    pub(super) fn of(uri: &Uri) -> Self {
        Self { scheme: uri.scheme().cloned(), authority: uri.authority().cloned() }
    }
}

/// The connections that wait.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one used last comes last and goes first, so that no more are kept than are needed.
    links: HashMap<Origin, Vec<Waiting>>,
    /// Somebody looks after them.
    is_kept: bool,
}

#[derive(Debug)]
struct Waiting {
    link: Box<Link>,
    rounds: u8,
}

impl Pool {
    /// One that leads there.
    pub(super) fn take(&self, origin: &Origin) -> Option<Box<Link>> {
        loop {
            let mut waiting = self.idle.lock().links.get_mut(origin)?.pop()?;
            if waiting.link.is_idle() {
                return Some(waiting.link);
            }
        }
    }

    /// One whose answer is over; it is closed where it can't be used again.
    pub(super) fn put(self: &Arc<Self>, mut link: Box<Link>) {
        if !link.is_idle() {
            return;
        }
        let mut idle = self.idle.lock();
        idle.links.entry(link.origin.clone()).or_default().push(Waiting { link, rounds: 0 });
        if !std::mem::replace(&mut idle.is_kept, true) {
            tokio::spawn(keep(Arc::downgrade(self)));
        }
    }

    /// Closes what has waited too long or was closed by the other side. Whether any are left.
    fn look(&self) -> bool {
        let mut idle = self.idle.lock();
        let mut over = Vec::new();
        for waiting in idle.links.values_mut() {
            over.extend(waiting.extract_if(.., |waiting| {
                waiting.rounds += 1;
                waiting.rounds >= ROUNDS || !waiting.link.is_idle()
            }));
        }
        idle.links.retain(|_, waiting| !waiting.is_empty());
        idle.is_kept = !idle.links.is_empty();
        let is_kept = idle.is_kept;
        // Nobody waits while they are closed.
        drop(idle);
        drop(over);
        is_kept
    }
}

/// Looks after a pool until nothing is left in it.
async fn keep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(ROUND).await;
        if !pool.upgrade().is_some_and(|pool| pool.look()) {
            return;
        }
    }
}
