//! How large a request is, as far as can be known before it is sent.
//!
//! Where a model's tokenizer and chat template are known its prompt is counted; that costs a hash of what was counted before,
//! since an agent sends its last request and a turn more. Else it is guessed from the bytes. What answers have reported of
//! earlier requests corrects both, for each model and client: see [`crate::account`].

use std::cell::OnceCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokens::{Counter, Keyed, Keys, TakesLong, Template, Vocabulary};
use tokio::sync::Semaphore;
use wire::ChatRequest;

use crate::account::Account;
use crate::config::UpstreamModel;

/// So many bytes of new text are counted by the thread that serves: a millisecond of code or prose, six of what is made to
/// be slow.
const MOST_INLINE: usize = 1 << 14;

/// What a request is expected to cost at one target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    /// The prompt's tokens, as counted or guessed.
    pub prompt: u64,
    /// Whether they were counted as the model reads them.
    pub counted: bool,
    /// The longest answer the client allows.
    pub max_tokens: Option<u64>,
    /// Whose answers tell how far it is off.
    pub whose: Whose,
    /// What the provider may find in its prompt cache.
    pub prefix: Prefix,
}

/// What is known of a prompt's beginning; nothing, where no limit asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// Tokens at its beginning that the provider has read lately.
    pub read_before: u64,
    /// By what the whole prompt is known again.
    pub whole: Option<u64>,
}

/// Whose habits an estimate depends on. Both are hashes: names are of no use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The upstream model: the tokenizer.
    pub model: u64,
    /// The client: long tools, much code, another language.
    pub client: u64,
}

/// Counts for all models whose template is known. What was counted of a conversation is remembered here.
#[derive(Debug)]
pub struct Counters {
    by_template: Vec<Counter>,
    keys: Keys,
    /// Whether somebody loads the vocabulary already.
    loading: AtomicBool,
    /// One request at a time is counted beside the threads that serve.
    beside: Arc<Semaphore>,
}

impl Default for Counters {
    fn default() -> Self {
        let keys = Keys::default();
        let counter = |(_, template): &(_, Template)| Counter::new(*template, keys);
        Self {
            by_template: Template::NAMED.iter().map(counter).collect(),
            keys,
            loading: AtomicBool::new(false),
            beside: Arc::new(Semaphore::new(1)),
        }
    }
}

/// One request's size at any target; counted when it is asked for.
#[derive(Debug)]
pub struct Sizes<'a> {
    request: &'a ChatRequest,
    counters: &'a Arc<Counters>,
    client: u64,
    guess: OnceCell<u64>,
    keyed: OnceCell<Keyed<'a>>,
    counts: [OnceCell<Option<u64>>; Template::NAMED.len()],
    prefixes: OnceCell<Vec<u64>>,
}

impl<'a> Sizes<'a> {
    /// The sizes of a request by this client.
    #[must_use]
    pub fn new(request: &'a ChatRequest, counters: &'a Arc<Counters>, client: Option<&str>) -> Self {
        Self {
            request,
            counters,
            client: hash(client),
            guess: OnceCell::new(),
            keyed: OnceCell::new(),
            counts: Default::default(),
            prefixes: OnceCell::new(),
        }
    }

    /// Counts what would take long, under each of these templates, without keeping a thread from serving others. Where another
    /// request is being counted like that, this one is guessed.
    pub async fn prepare(&mut self, templates: impl Iterator<Item = Template>) {
        if self.request.body.len() <= MOST_INLINE {
            return;
        }
        for template in templates {
            let Some(index) = self.counters.index(template) else { continue };
            if self.counts.get(index).is_some_and(|count| count.get().is_none()) {
                let counted = match self.counters.count_little(index, self.keyed()) {
                    Ok(counted) => counted,
                    Err(TakesLong) => self.counters.count_beside(index, self.request).await,
                };
                let _ = self.counts.get(index).map(|count| count.set(counted));
            }
        }
    }

    /// What it is expected to cost a model of an account.
    #[must_use]
    pub fn at(&self, account: &Account, model: &UpstreamModel) -> Estimate {
        let counted = model.template.and_then(|template| self.counted(template));
        let whose = Whose { model: hash(&*model.name), client: self.client };
        Estimate {
            prompt: counted.unwrap_or_else(|| self.guessed()),
            counted: counted.is_some(),
            max_tokens: self.request.max_tokens,
            whose,
            prefix: account.prefix(whose.model, || self.prefixes()),
        }
    }

    fn prefixes(&self) -> &[u64] {
        self.prefixes.get_or_init(|| self.keyed().prefixes())
    }

    fn keyed(&self) -> &Keyed<'a> {
        self.keyed.get_or_init(|| self.counters.keys.of(self.request.each_message(), tools(self.request)))
    }

    fn guessed(&self) -> u64 {
        let part = |span: &std::ops::Range<usize>| self.request.body.get(span.clone()).unwrap_or_default();
        let guess = || tokens::estimate_chat(part(&self.request.messages), part(&self.request.tools));
        *self.guess.get_or_init(guess)
    }

    fn counted(&self, template: Template) -> Option<u64> {
        let index = self.counters.index(template)?;
        let count = || self.counters.count(index, self.keyed());
        *self.counts.get(index)?.get_or_init(count)
    }
}

impl Counters {
    fn index(&self, template: Template) -> Option<usize> {
        self.by_template.iter().position(|counter| counter.template() == template)
    }

    /// Counts a request, unless the vocabulary is still to be loaded: then that begins, on a thread of its own.
    fn count(&self, index: usize, request: &Keyed<'_>) -> Option<u64> {
        if Vocabulary::get().is_none() {
            if !self.loading.swap(true, Ordering::Relaxed) {
                // Without it, guesses go on.
                let _ = std::thread::Builder::new().name("vocabulary".to_owned()).spawn(Vocabulary::load);
            }
            return None;
        }
        self.by_template.get(index)?.count(request)
    }

    fn count_little(&self, index: usize, request: &Keyed<'_>) -> Result<Option<u64>, TakesLong> {
        let counter = self.by_template.get(index);
        counter.map_or(Ok(None), |counter| counter.count_little(request, MOST_INLINE))
    }

    async fn count_beside(self: &Arc<Self>, index: usize, request: &ChatRequest) -> Option<u64> {
        let one = Arc::clone(&self.beside).try_acquire_owned().ok()?;
        let (counters, request) = (Arc::clone(self), request.clone());
        let count = tokio::task::spawn_blocking(move || {
            // It goes on when the client leaves.
            let _one = one;
            // Once more: those there are borrow the request, and what takes long takes longer than that.
            let keyed = counters.keys.of(request.each_message(), tools(&request));
            counters.count(index, &keyed)
        });
        count.await.ok().flatten()
    }
}

fn tools(request: &ChatRequest) -> &[u8] {
    request.body.get(request.tools.clone()).unwrap_or_default()
}

/// A short name for a model, or a client.
pub(crate) fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
