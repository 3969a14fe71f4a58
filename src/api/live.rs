//! The settings in use: requests take them as they are when they arrive, and keep them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};

use super::{App, Body, handle};
use crate::ledger::HEARTBEAT;
use crate::server::{Handler, RequestBody};

/// The present [`App`], which a reload replaces.
#[derive(Clone, Debug)]
pub struct Live(Arc<ArcSwap<App>>);

impl Live {
    /// Begins with this one.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Self(Arc::new(ArcSwap::new(app)))
    }

    /// The present one.
    #[must_use]
    pub fn load(&self) -> Arc<App> {
        self.0.load_full()
    }

    /// Later requests get this one.
    pub fn store(&self, app: Arc<App>) {
        self.0.store(app);
    }

    /// Has the ledger hear of this process, and the rules of what was forgotten or learned elsewhere, for ever.
    pub async fn beat(self) {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            self.exchange(false).await;
        }
    }

    /// Gives back to the ledger what is leased and not spent.
    pub async fn give_back(&self) {
        self.exchange(true).await;
    }

    async fn exchange(&self, closing: bool) {
        let app = self.load();
        for known in app.proxy.accounts() {
            known.account.exchange(closing).await;
        }
        for rules in app.proxy.rules() {
            rules.sync().await;
        }
    }
}

impl Handler for Live {
    type Body = Body;

    fn handle(&self, request: Request<RequestBody>) -> impl Future<Output = Response<Body>> + Send + 'static {
        handle(self.load(), request)
    }
}
