//! Account × upstream model: what the router chooses.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::ExposeSecret;

use crate::account::Account;
use crate::clock::Clock;
use crate::config::{Config, Provider, ProviderName};

/// A provider as configured, with what has been learned of it.
#[derive(Debug)]
pub struct Target {
    /// As configured.
    pub provider: Provider,
    /// Its books and breaker.
    pub account: Arc<Account>,
    /// The `authorization` header; marked sensitive.
    pub authorization: HeaderValue,
    /// How many names from the start of the list the provider has answered with a 404.
    retired: Mutex<usize>,
}

impl Target {
    /// The targets of a configuration in order of preference.
    ///
    /// # Errors
    ///
    /// A key that no header can carry.
    pub fn all(config: &Config, clock: Clock) -> Result<Vec<Arc<Self>>, http::header::InvalidHeaderValue> {
        let target = |provider: &Provider| {
            let mut authorization =
                HeaderValue::try_from(format!("Bearer {}", provider.key.expose_secret()))?;
            authorization.set_sensitive(true);
            let account = Arc::new(Account::new(provider.limits, config.rate_window, config.cooldown, clock));
            Ok(Arc::new(Self { provider: provider.clone(), account, authorization, retired: Mutex::new(0) }))
        };
        config.providers.iter().map(target).collect()
    }

    /// Which provider it is.
    #[must_use]
    pub fn name(&self) -> ProviderName {
        self.provider.name
    }

    /// The model in use: the first of the list that the provider has not answered with a 404.
    #[must_use]
    pub fn model(&self) -> &str {
        let retired = *self.retired.lock();
        self.provider.models.get(retired).map_or("", String::as_str)
    }

    /// The provider does not serve `model`. Returns whether another name is left to try; if none is, the list
    /// starts over with the next request, since a provider may be wrong about all of them for a while.
    pub fn retire(&self, model: &str) -> bool {
        let models = &self.provider.models;
        let mut retired = self.retired.lock();
        // Another request may have been faster.
        if models.get(*retired).is_none_or(|current| current != model) {
            return true;
        }
        *retired = (*retired + 1) % models.len().max(1);
        *retired != 0
    }
}
