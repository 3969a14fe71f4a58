//! Which models a provider says it has.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Uri, header, response};
use serde_json::Value;

use super::Upstream;
use crate::failure::{Failure, Kind, Rule};
use crate::gather::gather;

/// The longest answer, in bytes; the longest known catalogue has about 2 MB.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

impl Upstream {
    /// The ids of the models listed at `catalogue`.
    ///
    /// # Errors
    ///
    /// No connection, another status than 200, or no list of models.
    pub async fn catalogue(
        &self,
        catalogue: Uri,
        authorization: Option<HeaderValue>,
        rules: &[Rule],
    ) -> Result<Vec<String>, Failure> {
        let (head, body) = self.get(catalogue, authorization).await?;
        if head.status != StatusCode::OK {
            return Err(Failure::from_answer(head.status, &body, rules));
        }
        ids(&body).ok_or_else(|| Failure::new(Kind::NoCompletion, "answered 200 without a list of models"))
    }

    /// What is at an address: its answer, whole.
    ///
    /// # Errors
    ///
    /// [`Kind::Connection`], or [`Kind::Unreachable`].
    pub async fn get(
        &self,
        uri: Uri,
        authorization: Option<HeaderValue>,
    ) -> Result<(response::Parts, Bytes), Failure> {
        let headers = authorization.map(|it| (header::AUTHORIZATION, it)).into_iter().collect();
        let answer = self.ask(&Method::GET, &uri, headers, None, Arc::default()).await?;
        let (head, body) = answer.into_parts();
        let body = gather(body, LONGEST_ANSWER).await;
        let body = body.map_err(|partly| Failure::new(Kind::Connection, partly.to_string()))?;
        Ok((head, body))
    }
}

/// `{"data":[{"id":…}]}`, or the list alone.
fn ids(body: &[u8]) -> Option<Vec<String>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let list = value.get("data").unwrap_or(&value).as_array()?;
    let id = |model: &Value| Some(model.get("id")?.as_str()?.to_owned());
    Some(list.iter().filter_map(id).collect())
}
