//! Account × upstream model: what the router chooses.

use std::sync::Arc;

use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};

use crate::account::{Account, CircuitStatus};
use crate::clock::Clock;
use crate::config::{Config, Provider, UpstreamModel};
use crate::estimate::{self, Whose};
use crate::rules::Rules;
use crate::store;

/// One credential at a provider as configured, and the names under which it has the model.
#[derive(Debug)]
pub struct Target {
    /// As configured.
    pub provider: Arc<Provider>,
    /// For people: the provider, and which of its keys where it has several.
    pub label: String,
    /// Its books and breaker.
    pub account: Arc<Account>,
    /// What the provider has taught of the requests that it takes.
    pub rules: Arc<Rules>,
    /// The `authorization` header, marked sensitive; `None` where none is asked for.
    pub authorization: Option<HeaderValue>,
    /// In order of preference, never empty.
    models: Vec<UpstreamModel>,
    /// How many names from the start of the list the provider has answered with a 404.
    retired: Mutex<usize>,
}

/// A model that clients ask for, and where it is to be had.
#[derive(Debug)]
pub struct Model {
    /// What clients call it.
    pub name: String,
    /// In order of preference.
    pub targets: Vec<Arc<Target>>,
}

/// An account, and by what it is known again in another configuration.
#[derive(Debug)]
pub struct Known {
    provider: Arc<Provider>,
    secret: Option<SecretString>,
    label: String,
    authorization: Option<HeaderValue>,
    /// The provider's, for all of its accounts.
    pub rules: Arc<Rules>,
    /// The account itself.
    pub account: Arc<Account>,
}

impl Known {
    /// The accounts of a configuration. Those that were `known` before go on with what they have spent.
    ///
    /// # Errors
    ///
    /// A key that no header can carry.
    pub fn all(
        config: &Config,
        known: &[Self],
        clock: Clock,
    ) -> Result<Vec<Self>, http::header::InvalidHeaderValue> {
        let mut accounts = Vec::new();
        for provider in &config.providers {
            let provider = Arc::new(provider.clone());
            let rules = known.iter().find(|known| known.is_at(&provider));
            let rules =
                rules.map_or_else(|| Arc::new(Rules::new(&provider, clock)), |it| Arc::clone(&it.rules));
            let keys = provider.keys.iter().map(|key| Some(key.secret.clone()));
            let keys: Vec<_> = if provider.keys.is_empty() { vec![None] } else { keys.collect() };
            for (index, secret) in keys.iter().enumerate() {
                let old = known.iter().find(|known| known.is(&provider, secret.as_ref()));
                let account = if let Some(old) = old {
                    old.account.set(&provider, config.rate_window, config.cooldown);
                    Arc::clone(&old.account)
                } else {
                    Arc::new(Account::new(&provider, config.rate_window, config.cooldown, clock))
                };
                accounts.push(Self {
                    label: match keys.len() {
                        1 => provider.label.clone(),
                        _ => format!("{} #{}", provider.label, index + 1),
                    },
                    authorization: secret.as_ref().map(authorization).transpose()?,
                    provider: Arc::clone(&provider),
                    secret: secret.clone(),
                    rules: Arc::clone(&rules),
                    account,
                });
            }
        }
        Ok(accounts)
    }

    /// Its name where no key may stand.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let endpoint = self.provider.endpoint.to_string();
        store::ledger::account(&self.provider.name, &endpoint, self.secret.as_ref())
    }

    /// Where it is.
    #[must_use]
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// For people: the provider, and which of its keys where it has several.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The `authorization` header; `None` where none is asked for.
    #[must_use]
    pub fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.clone()
    }

    /// Whether it is at this provider, whatever else has changed.
    fn is_at(&self, provider: &Provider) -> bool {
        self.provider.name == provider.name && self.provider.endpoint == provider.endpoint
    }

    /// Whether it is this key at this provider, whatever else has changed.
    fn is(&self, provider: &Provider, secret: Option<&SecretString>) -> bool {
        let exposed = |secret: Option<&SecretString>| secret.map(|secret| secret.expose_secret().to_owned());
        self.is_at(provider) && exposed(self.secret.as_ref()) == exposed(secret)
    }
}

fn authorization(secret: &SecretString) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", secret.expose_secret()))?;
    header.set_sensitive(true);
    Ok(header)
}

impl Model {
    /// The models of a configuration over its accounts.
    #[must_use]
    pub fn all(config: &Config, accounts: &[Known]) -> Vec<Self> {
        let targets = |model: &crate::config::Model| {
            let routes =
                model.routes.iter().filter_map(|route| Some((config.providers.get(route.provider)?, route)));
            routes
                .flat_map(|(provider, route)| {
                    let accounts = accounts.iter().filter(|known| known.provider.name == provider.name);
                    accounts.map(|known| Arc::new(Target::new(known, route.models.clone())))
                })
                .collect()
        };
        config.models.iter().map(|model| Self { name: model.name.clone(), targets: targets(model) }).collect()
    }
}

impl Target {
    fn new(known: &Known, models: Vec<UpstreamModel>) -> Self {
        Self {
            provider: Arc::clone(&known.provider),
            label: known.label.clone(),
            account: Arc::clone(&known.account),
            rules: Arc::clone(&known.rules),
            authorization: known.authorization.clone(),
            models,
            retired: Mutex::new(0),
        }
    }

    /// Which provider it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.provider.name
    }

    /// The name of the model in use.
    #[must_use]
    pub fn model(&self) -> &str {
        self.current().map_or("", |model| &model.name)
    }

    /// How the circuit of the model in use stands.
    #[must_use]
    pub fn circuit(&self) -> CircuitStatus {
        self.account.circuit(Whose { model: estimate::hash(self.model()), client: 0 })
    }

    /// The model in use: the first of the list that the provider has not answered with a 404. Any request may change it, so
    /// whoever asks for it takes it once.
    #[must_use]
    pub fn current(&self) -> Option<&UpstreamModel> {
        self.models.get(*self.retired.lock())
    }

    /// The provider does not serve `model`. Returns whether another name is left to try; if none is, the list
    /// starts over with the next request, since a provider may be wrong about all of them for a while.
    pub fn retire(&self, model: &str) -> bool {
        let mut retired = self.retired.lock();
        // Another request may have been faster.
        if self.models.get(*retired).is_none_or(|current| current.name != model) {
            return true;
        }
        *retired = (*retired + 1) % self.models.len().max(1);
        *retired != 0
    }
}
