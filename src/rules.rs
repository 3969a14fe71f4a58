//! What providers have taught of the requests that they take: fields to leave out and amendments, for each upstream model.
//!
//! A rule is learned from a refusal that names a field (or asks for an amendment) and an answer to the same request without it.
//! It holds for all accounts and keys of the provider, goes on over a reload, and stands in the database, where there
//! is one: what stands there is looked at now and then, so that a rule which was forgotten there is forgotten here,
//! and one that another process has learned is known here.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::Provider;
use crate::store::ledger::{self, Learned};
use crate::store::{Condition, Store};

/// No honest provider teaches more; what names another field every time is no longer believed then.
const MOST: usize = 64;
/// Behind it stand model and rule.
const KEY: &str = "rule ";

/// What one provider has taught.
#[derive(Debug)]
pub struct Rules {
    provider: String,
    place: String,
    clock: Clock,
    known: Mutex<Known>,
    store: OnceLock<Store>,
}

/// The rules of each model, and which of them the database does not have yet.
#[derive(Debug, Default)]
struct Known {
    by_model: BTreeMap<String, Arc<[wire::Rule]>>,
    unwritten: Vec<String>,
}

/// A rule as it stands in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which provider taught it.
    pub provider: String,
    /// For which of its models.
    pub model: String,
    /// What it says.
    pub rule: wire::Rule,
    /// Where it stands, and since when.
    pub row: Learned,
}

impl Rules {
    /// Those of a provider, of which nothing is known yet.
    #[must_use]
    pub fn new(provider: &Provider, clock: Clock) -> Self {
        let place = format!("{} {}", provider.name, provider.endpoint);
        let provider = provider.name.clone();
        Self { provider, place, clock, known: Mutex::default(), store: OnceLock::new() }
    }

    /// What a model's requests need.
    #[must_use]
    pub fn of(&self, model: &str) -> Arc<[wire::Rule]> {
        self.known.lock().by_model.get(model).map(Arc::clone).unwrap_or_default()
    }

    /// A request of this model was taken with these, and refused without them.
    pub fn learn(self: &Arc<Self>, model: &str, rules: impl IntoIterator<Item = wire::Rule>) {
        let mut news = false;
        for rule in rules {
            if self.known.lock().add(model, &rule, true) {
                let provider = &self.provider;
                tracing::info!(provider, upstream_model = model, lesson = %rule, "learned");
                news = true;
            }
        }
        // At the end of the program there may be no runtime any more.
        if let (true, Ok(runtime)) = (news, tokio::runtime::Handle::try_current()) {
            let rules = Arc::clone(self);
            runtime.spawn(async move { rules.sync().await });
        }
    }

    /// Stands in this database from now on, with what stood there before.
    pub fn attach(self: &Arc<Self>, store: &Store) {
        if store.condition() == Condition::Off {
            return;
        }
        let _ = self.store.set(store.clone());
        let rules = Arc::clone(self);
        tokio::spawn(async move {
            rules.sync().await;
            let count = rules.known.lock().count();
            if count > 0 {
                tracing::info!(provider = rules.provider, rules = count, "remembered");
            }
        });
    }

    /// Writes what the database does not have yet, and goes by what it has.
    pub async fn sync(&self) {
        let Some(store) = self.store.get() else { return };
        let unwritten = self.known.lock().unwritten.clone();
        let (place, now, news) = (self.place.clone(), self.clock.since_1970(), unwritten.clone());
        let written = store.transaction(move |transaction| {
            for key in &news {
                ledger::learn(transaction, &place, key, "refused", millis(now))?;
            }
            ledger::learned(transaction, &place)
        });
        // Without a database it goes on in memory.
        let Ok(written) = written.await else { return };
        let mut known = self.known.lock();
        let since = known.unwritten.split_off(0);
        let since = since.into_iter().filter(|key| !unwritten.contains(key));
        *known = Known::default();
        for (keys, is_new) in [(written.into_keys().collect(), false), (since.collect::<Vec<_>>(), true)] {
            for (model, rule) in keys.iter().filter_map(|key| read(key)) {
                known.add(model, &rule, is_new);
            }
        }
    }
}

impl Known {
    fn count(&self) -> usize {
        self.by_model.values().map(|rules| rules.len()).sum()
    }

    /// Whether it is news, and there is room for it.
    fn add(&mut self, model: &str, rule: &wire::Rule, unwritten: bool) -> bool {
        let of = self.by_model.get(model).map(Arc::clone).unwrap_or_default();
        if of.contains(rule) || self.count() == MOST {
            return false;
        }
        self.by_model.insert(model.to_owned(), of.iter().chain([rule]).cloned().collect());
        if unwritten {
            self.unwritten.push(key(model, rule));
        }
        true
    }
}

/// Under which key a rule stands in the database. No rule's name has a blank; a model's may.
fn key(model: &str, rule: &wire::Rule) -> String {
    format!("{KEY}{model} {}", rule.name())
}

fn read(key: &str) -> Option<(&str, wire::Rule)> {
    let (model, rule) = key.strip_prefix(KEY)?.rsplit_once(' ')?;
    Some((model, wire::Rule::learned(rule)?))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Written {
    /// The rule of a row of what was learned; `None`: it says something else.
    #[must_use]
    pub fn read(row: Learned) -> Option<Self> {
        let (model, rule) = read(&row.key)?;
        let (provider, _) = row.account.rsplit_once(' ')?;
        Some(Self { provider: provider.to_owned(), model: model.to_owned(), rule, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> wire::Rule {
        wire::Rule::learned(name).unwrap()
    }

    #[test]
    fn a_rule_is_read_as_it_was_written_whatever_its_model_is_called() {
        for name in ["store", "messages.*.reasoning_content", "(calls)"] {
            let key = key("a model, rule 7", &rule(name));
            assert_eq!(read(&key), Some(("a model, rule 7", rule(name))));
            let account = "my own https://h/v1".to_owned();
            let row = Learned { account, key, updated_ms: 7, updated: String::new() };
            let written = Written::read(row).unwrap();
            assert_eq!((written.provider.as_str(), written.model.as_str()), ("my own", "a model, rule 7"));
        }
        for key in ["settlement", "rule", "rule m", "rule m model", "limit tokens minute"] {
            assert_eq!(read(key), None);
        }
    }

    #[test]
    fn a_provider_that_never_stops_teaching_is_not_believed() {
        let mut known = Known::default();
        let news = |known: &mut Known, name: &str| known.add("m", &rule(name), true);
        assert!(news(&mut known, "store") && !news(&mut known, "store"));
        for field in 1..MOST {
            assert!(news(&mut known, &format!("f{field}")));
        }
        assert!(!news(&mut known, "one_more"));
        assert_eq!((known.by_model["m"].len(), known.unwritten.len()), (MOST, MOST));
    }
}
