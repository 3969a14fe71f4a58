//! Watches the budgets of a running program, and says in the log what is worth a line.

use std::sync::Arc;
use std::time::Duration;

use super::{Now, tell};
use crate::account::Account;
use crate::account::status::Notices;
use crate::api::Live;

/// How often the accounts are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Follows the accounts for ever, through changes of the settings.
pub async fn follow(live: Live) {
    let mut known: Vec<(Arc<Account>, Notices)> = Vec::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let app = live.load();
        let (accounts, clock) = (app.proxy.accounts(), app.proxy.clock);
        known.retain(|(known, _)| accounts.iter().any(|it| Arc::ptr_eq(&it.account, known)));
        for account in accounts {
            let status = account.account.status();
            let now = Now::read(clock);
            let index = known.iter().position(|(known, _)| Arc::ptr_eq(known, &account.account));
            let index = index.unwrap_or_else(|| {
                known.push((Arc::clone(&account.account), Notices::new(now.moment)));
                known.len() - 1
            });
            let Some((_, notices)) = known.get_mut(index) else { continue };
            for notice in notices.due(&status, now.moment) {
                tell(account.label(), &status, &notice, now);
            }
        }
    }
}
