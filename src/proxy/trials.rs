//! What one request tries out at a provider that refuses it: without a field that the refusal names, or with something
//! made whole. What is taken then is remembered for all requests.

use std::sync::Arc;

use http::StatusCode;
use wire::{ChatRequest, Rule, Spliced};

use crate::failure::{Failure, Kind};
use crate::rules::Rules;
use crate::target::Target;

/// So often a request is sent once more with something else about it, to whomever.
const MOST_TRIALS: usize = 4;

/// A request as it is sent.
#[derive(Debug)]
pub(super) struct Trials<'a> {
    request: &'a ChatRequest,
    count: usize,
    tried: Vec<Trial>,
}

/// A rule that a provider's model may want.
#[derive(Debug)]
struct Trial {
    rules: Arc<Rules>,
    model: String,
    rule: Rule,
}

impl Trial {
    fn is_about(&self, target: &Target, model: &str) -> bool {
        Arc::ptr_eq(&self.rules, &target.rules) && self.model == model
    }
}

impl<'a> Trials<'a> {
    pub(super) fn new(request: &'a ChatRequest) -> Self {
        Self { request, count: 0, tried: Vec::new() }
    }

    /// The request's body for a model of a target: by what is tried, what was learned, and what the preset says.
    pub(super) fn shape(&self, target: &Target, model: &str) -> Spliced {
        let learned = target.rules.of(model);
        self.request.shape(model, self.rules(target, model, &learned))
    }

    fn rules<'s>(&'s self, target: &'s Target, model: &str, learned: &'s [Rule]) -> Vec<&'s Rule> {
        let tried = self.tried.iter().filter(|trial| trial.is_about(target, model));
        tried.map(|trial| &trial.rule).chain(learned).chain(&target.provider.preset.rules).collect()
    }

    /// What a failure says against the request as it was sent. Returns whether the target is worth asking once more; else,
    /// where it names a field that it does not take, another provider may.
    pub(super) fn object(&mut self, target: &Target, model: &str, failure: &mut Failure) -> bool {
        let about_the_request =
            matches!(failure.status, Some(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY));
        if !about_the_request || !matches!(failure.kind, Kind::Rejected | Kind::BadRequest) {
            return false;
        }
        let learned = target.rules.of(model);
        let objections = self.request.objections(&failure.error, &self.rules(target, model, &learned));
        if objections.names_a_field {
            failure.kind = Kind::Rejected;
        }
        if objections.rules.is_empty() || self.count == MOST_TRIALS {
            return false;
        }
        failure.kind = Kind::Rejected;
        self.count += 1;
        let trial = |rule| Trial { rules: Arc::clone(&target.rules), model: model.to_owned(), rule };
        self.tried.extend(objections.rules.into_iter().map(trial));
        true
    }

    /// It was taken: what had to be tried is worth knowing.
    pub(super) fn taken(&mut self, target: &Target, model: &str) {
        let helped = self.tried.drain(..).filter(|trial| trial.is_about(target, model));
        target.rules.learn(model, helped.map(|trial| trial.rule));
    }
}
