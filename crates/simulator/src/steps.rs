//! An answer as a list of steps, and the faults that happen within it.
//!
//! Everything here is pure: what a fault does to an answer is a matter of which steps are listed.

use std::time::Duration;

use bytes::Bytes;

use crate::fault::Fault;
use crate::profile::{Profile, Vendor};
use crate::shape::{Frame, Kind};

/// Pace of [`Fault::SlowTokens`], per event.
const SLOW: Duration = Duration::from_millis(300);
/// Before an answer fails in its middle, what was written gets this long to reach the client: a reset discards what is
/// still on the way, and who reads an error together with the text before it need not show either.
const DRAIN: Duration = Duration::from_millis(20);

/// One thing a response body does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Waits until this long after the body's start. Late is not made later: the pace holds on average,
    /// although timers are coarser than a token.
    At(Duration),
    /// Waits this long.
    Pause(Duration),
    /// Sends bytes, for which so many completion tokens were written.
    Send(Bytes, u64),
    /// The answer is whole: the books are settled. Comes before the bytes that show it.
    Settle,
    /// Breaks the connection within the body.
    Cut(Cut),
    /// Sends a comment every second, for ever.
    Pings,
    /// Does nothing, for ever.
    Silence,
}

/// How a connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Closed: the client sees the end of the connection amid the body.
    Fin,
    /// Reset: the client sees an error of the connection.
    Rst,
}

/// A body and the length its head declares; without one it is sent in chunks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) length: Option<usize>,
    pub(crate) steps: Vec<Step>,
}

/// The body of a streamed answer at `pace` per token, with a fault in it if there is one.
pub(crate) fn streamed(frames: &[Frame], pace: Duration, fault: Option<Fault>, error: &str) -> Body {
    let half = || paced(half_of(frames), pace);
    let role = frames.iter().take_while(|f| f.kind == Kind::Role).map(|f| Step::Send(f.bytes.clone(), 0));
    let steps = match fault {
        Some(Fault::SlowTokens) => slow(frames),
        Some(Fault::SilenceAfterHead) => vec![Step::Silence],
        Some(Fault::RoleThenSilence) => role.chain([Step::Pings]).collect(),
        Some(Fault::CutBeforePayload) => role.chain(cut(Cut::Rst)).collect(),
        Some(Fault::CutFin) => and(half(), cut(Cut::Fin)),
        Some(Fault::CutRst) => and(half(), cut(Cut::Rst)),
        Some(Fault::CutClean) => and(half(), [Step::Pause(DRAIN)]),
        Some(Fault::Stall) => and(half(), [Step::Silence]),
        Some(Fault::BareJsonFailure) => later(half(), format!("{error}\n")),
        Some(Fault::ErrorMidStream | Fault::ErrorMidStreamLeaksKey) => {
            later(half(), format!("data: {error}\n\n"))
        }
        _ => paced(frames, pace),
    };
    Body { length: None, steps }
}

/// The body of a stream whose connection is reset after so many events.
pub(crate) fn cut_after(events: usize, frames: &[Frame], pace: Duration) -> Body {
    let sent = &frames[..events.min(frames.len())];
    Body { length: None, steps: and(paced(sent, pace), cut(Cut::Rst)) }
}

/// The body of a plain answer. Faults that need events are an error in its place.
pub(crate) fn plain(body: String, fault: Option<Fault>, error: &str) -> Body {
    let whole = Bytes::from(body);
    let half = Step::Send(whole.slice(..whole.len() / 2), 0);
    let steps = match fault {
        Some(Fault::SilenceAfterHead | Fault::RoleThenSilence) => vec![Step::Silence],
        Some(Fault::CutFin) => and(vec![half], cut(Cut::Fin)),
        Some(Fault::CutRst | Fault::CutBeforePayload) => and(vec![half], cut(Cut::Rst)),
        Some(Fault::Stall) => vec![half, Step::Silence],
        Some(Fault::CutClean) => return Body { length: Some(whole.len() / 2), steps: vec![half] },
        Some(Fault::BareJsonFailure | Fault::ErrorMidStream | Fault::ErrorMidStreamLeaksKey) => {
            return sent(error.to_owned());
        }
        _ => vec![Step::Settle, Step::Send(whole.clone(), 0)],
    };
    Body { length: Some(whole.len()), steps }
}

/// What comes while the answer is waited for: at `OpenRouter`, whose head is sent at once, a sign of life every
/// third of the time to the answer's start.
pub(crate) fn lead(profile: &Profile, stream: bool) -> Vec<Step> {
    if profile.vendor != Vendor::OpenRouter {
        return Vec::new();
    }
    let sign: &[u8] = if stream { b": OPENROUTER PROCESSING\n\n" } else { b"\n         \n" };
    let once = [Step::Send(Bytes::from_static(sign), 0), Step::Pause(profile.head_delay / 3)];
    std::iter::repeat_n(once, 3).flatten().collect()
}

/// The body with `lead` before it, which makes it one of unknown length.
pub(crate) fn after(lead: Vec<Step>, body: Body) -> Body {
    if lead.is_empty() { body } else { Body { length: None, steps: and(lead, body.steps) } }
}

/// A body sent at once.
pub(crate) fn sent(body: String) -> Body {
    let bytes = Bytes::from(body);
    Body { length: Some(bytes.len()), steps: vec![Step::Send(bytes, 0)] }
}

/// How long a plain answer takes to write.
pub(crate) fn duration(frames: &[Frame], pace: Duration, fault: Option<Fault>) -> Duration {
    let total = |per: fn(&Frame) -> u64| frames.iter().map(per).sum::<u64>();
    if fault == Some(Fault::SlowTokens) {
        times(SLOW, total(|_| 1))
    } else {
        times(pace, total(|f| f.tokens))
    }
}

fn paced(frames: &[Frame], pace: Duration) -> Vec<Step> {
    listed(frames, |frame| times(pace, frame.tokens))
}

fn slow(frames: &[Frame]) -> Vec<Step> {
    listed(frames, |frame| if frame.kind == Kind::Payload { SLOW } else { Duration::ZERO })
}

fn listed(frames: &[Frame], takes: impl Fn(&Frame) -> Duration) -> Vec<Step> {
    let last_finish = frames.iter().rposition(|frame| frame.kind == Kind::Finish);
    let mut at = Duration::ZERO;
    let mut steps = Vec::with_capacity(2 * frames.len() + 1);
    for (index, frame) in frames.iter().enumerate() {
        at += takes(frame);
        steps.push(Step::At(at));
        if Some(index) == last_finish {
            steps.push(Step::Settle);
        }
        steps.push(Step::Send(frame.bytes.clone(), frame.tokens));
    }
    steps
}

/// The frames before the middle of the payload: at least one piece of it, and never the last.
fn half_of(frames: &[Frame]) -> &[Frame] {
    let payload: Vec<usize> = (0..frames.len()).filter(|&at| frames[at].kind == Kind::Payload).collect();
    let end = match payload.len() {
        0 => frames.iter().position(|f| f.kind == Kind::Finish).unwrap_or(frames.len()),
        1 => payload[0] + 1,
        pieces => payload[pieces / 2],
    };
    &frames[..end]
}

fn later(steps: Vec<Step>, last: String) -> Vec<Step> {
    and(steps, [Step::Pause(DRAIN), Step::Send(Bytes::from(last), 0)])
}

fn cut(how: Cut) -> [Step; 2] {
    [Step::Pause(DRAIN), Step::Cut(how)]
}

fn and(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}

fn times(duration: Duration, count: u64) -> Duration {
    duration.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}
