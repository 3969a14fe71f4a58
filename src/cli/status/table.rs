//! The table: 80 columns, the answer first.

use std::fmt::Write as _;

use super::words::{amount, time};
use crate::status::{Account, Circuit, Limit, Status};

const WIDTH: usize = 80;
const BAR: usize = 10;
/// Below this share of a limit it is nearly used up, in percent left.
const LITTLE: u8 = 20;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    colours: bool,
    /// Full, set aside and empty parts of a bar.
    bar: [char; 3],
}

#[derive(Clone, Copy)]
enum Colour {
    Good,
    Low,
    Bad,
}

impl Style {
    /// Colours on a terminal alone, and not against the user's will; blocks where the locale has them.
    pub(super) fn of(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let blocks = locale.contains("utf-8") || locale.contains("utf8");
        Self {
            colours: terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb"),
            bar: if blocks { ['█', '▒', '░'] } else { ['#', '+', '.'] },
        }
    }

    fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Good => 32,
            Colour::Low => 33,
            Colour::Bad => 31,
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// All lines, each with its end.
pub(super) fn table(status: &Status, url: &str, style: Style) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}  {url}", verdict(status, style));
    if status.accounts.is_empty() {
        text.push_str("It asks for a client key before it says more: set PROXY_API_KEYS here, too.\n");
    }
    if status.state.as_deref() == Some("in memory") {
        text.push_str("Its database can't be used: the next start forgets what is spent. See its log.\n");
    }
    let labels = status.accounts.iter().flat_map(|account| account.limits.iter().map(label));
    let width = labels.map(|label| label.len()).max().unwrap_or(0);
    for account in &status.accounts {
        let _ = writeln!(text, "\n{}", heading(account));
        let _ = writeln!(text, "  {}", state(account, style));
        let mut told: Vec<&str> = Vec::new();
        for model in &account.models {
            let name = model.upstream_model.as_str();
            if let Some(circuit) = circuit(&model.circuit, style).filter(|_| !told.contains(&name)) {
                told.push(name);
                let _ = writeln!(text, "  {name}: {circuit}");
            }
        }
        for limit in &account.limits {
            let _ = writeln!(text, "  {}", line(limit, width, style).trim_end());
        }
    }
    text
}

/// Whether an agent is served now: by whom, or when.
fn verdict(status: &Status, style: Style) -> String {
    let roomy = status.accounts.iter().filter(|account| account.ready && account.no_room_for_s().is_none());
    let roomy: Vec<&str> = roomy.map(|account| account.account.as_str()).collect();
    if status.ready && roomy.is_empty() && !status.accounts.is_empty() {
        return style.paint(Colour::Low, "READY for small requests alone");
    }
    if status.ready {
        let text = match roomy[..] {
            [] => "READY".to_owned(),
            [only] => format!("READY: {only}"),
            [first, second] => format!("READY: {first}, then {second}"),
            [first, ref others @ ..] => format!("READY: {first}, then {} others", others.len()),
        };
        return style.paint(Colour::Good, &text);
    }
    let soonest = status.accounts.iter().find(|account| account.ready_in_s == status.ready_in_s);
    let text = match (status.ready_in_s, soonest) {
        (Some(seconds), Some(account)) => format!("NOT READY: {} in {}", account.account, time(seconds)),
        _ => "NOT READY".to_owned(),
    };
    style.paint(Colour::Bad, &text)
}

/// Who it is, and with which model.
fn heading(account: &Account) -> String {
    let mut models: Vec<&str> = account.models.iter().map(|model| model.upstream_model.as_str()).collect();
    models.dedup();
    let (name, models) = (&account.account, models.join(", "));
    let gap = WIDTH.saturating_sub(name.chars().count() + models.chars().count()).max(2);
    format!("{name}{:gap$}{models}", "")
}

/// Whether it serves, and why not.
fn state(account: &Account, style: Style) -> String {
    let models_open = account.models.iter().all(|model| model.circuit.open_for_s.is_some());
    let mut text = match circuit(&account.circuit, style) {
        Some(circuit) => circuit,
        None if !account.ready => {
            let when = account.ready_in_s.map_or_else(|| "never".to_owned(), |it| format!("in {}", time(it)));
            let why = if models_open { "no model works" } else { "used up" };
            style.paint(Colour::Bad, &format!("{why}, ready {when}"))
        }
        None => match account.no_room_for_s() {
            Some(seconds) => {
                let text = format!("ready for small requests, for usual ones in {}", time(seconds));
                style.paint(Colour::Low, &text)
            }
            None => style.paint(Colour::Good, "ready"),
        },
    };
    match (account.requests_in_flight, account.concurrent_requests) {
        (0, _) => {}
        (count, Some(most)) => {
            let _ = write!(text, ", {count} of {most} requests in flight");
        }
        (1, None) => text.push_str(", 1 request in flight"),
        (count, None) => {
            let _ = write!(text, ", {count} requests in flight");
        }
    }
    if account.limits.is_empty() {
        text.push_str(", no limit is known");
    } else if account.soft_limits {
        text.push_str(", goes beyond its limits if it must");
    }
    if account.unused_tokens == "kept" {
        text.push_str(", keeps unused tokens");
    }
    text
}

/// What a circuit that is not closed lets through, and why.
fn circuit(circuit: &Circuit, style: Style) -> Option<String> {
    let mut text = match (circuit.state.as_str(), circuit.open_for_s) {
        (_, Some(seconds)) => style.paint(Colour::Bad, &format!("circuit open for {}", time(seconds))),
        ("half-open", _) => {
            style.paint(Colour::Low, "circuit half-open: the next request finds out whether it works")
        }
        _ => return None,
    };
    if let Some(reason) = &circuit.reason {
        let _ = write!(text, ", after {}", reason.replace('_', " "));
    }
    if let Some(setting) = &circuit.check_setting {
        let _ = write!(text, ": check {setting}");
    }
    Some(text)
}

fn label(limit: &Limit) -> String {
    let dimension = limit.dimension.strip_suffix("_tokens").unwrap_or(&limit.dimension);
    let article = if limit.window == "hour" { "an" } else { "a" };
    format!("{dimension} {article} {}", limit.window)
}

fn line(limit: &Limit, width: usize, style: Style) -> String {
    let (left, of) = (amount(limit.available.into()), amount(limit.capacity.into()));
    let full = match limit.full_in_s {
        0.0 => "full".to_owned(),
        seconds => format!("full in {}", time(seconds)),
    };
    let colour = match limit.exhausted_for_s {
        Some(_) => Colour::Bad,
        None if 100 - limit.used_percent.min(100) < LITTLE => Colour::Low,
        None => Colour::Good,
    };
    let bar = style.paint(colour, &bar(limit, style));
    let (fate, colour) = fate(limit);
    let fate = style.paint(colour, &fate);
    format!("{:<width$}  {bar}  {left:>6} of {of:<6}  {full:<13}  {fate}", label(limit))
}

/// What is left, what is set aside, and the rest.
fn bar(limit: &Limit, style: Style) -> String {
    let cells = |units: u64| -> usize {
        let cells = (u128::from(units) * BAR as u128).div_ceil(u128::from(limit.capacity.max(1)));
        usize::try_from(cells).unwrap_or(BAR).min(BAR)
    };
    let available = u64::try_from(limit.available).unwrap_or(0);
    let left = cells(available);
    let set_aside = cells(available.saturating_add(limit.in_flight)) - left;
    let [full, held, empty] = style.bar;
    let part = |cell: char, count: usize| std::iter::repeat_n(cell, count);
    part(full, left).chain(part(held, set_aside)).chain(part(empty, BAR - left - set_aside)).collect()
}

/// What becomes of it.
fn fate(limit: &Limit) -> (String, Colour) {
    if let Some(seconds) = limit.exhausted_for_s {
        return (format!("room in {}", time(seconds)), Colour::Bad);
    }
    match (limit.forecast.as_deref(), limit.runs_out_in_s) {
        (Some(_), Some(seconds)) => (format!("gone in {}", time(seconds)), Colour::Low),
        (Some(_), None) if limit.per_hour > 0 => ("lasts".to_owned(), Colour::Good),
        _ => (String::new(), Colour::Good),
    }
}

#[cfg(test)]
mod tests;
