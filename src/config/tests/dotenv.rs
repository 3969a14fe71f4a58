//! `.env` as people write it, and the example we ship.

use std::collections::BTreeSet;

use super::{names, owned};
use crate::config::{Config, LogLevel, Overrides, Problems, dotenv, schema, written::Written};

const EXAMPLE: &str = include_str!("../../../.env.example");

/// What `.env` with this text comes to.
fn from_dotenv(text: &str) -> Result<Config, Problems> {
    let mut vars = Written::default();
    dotenv::parse(".env", text, &mut vars);
    let config = Config::resolve(&mut vars, &Overrides::default());
    vars.finish(config)
}

#[test]
fn dotenv_is_read_as_people_write_it() {
    let text = "\u{feff}# comment\r\nexport PORT = 1 # old\nPORT=3001\nLOG_LEVEL='debug'\n\nCHUTES_MODEL_NAME=\"a, b\"\nCHUTES_API_KEY=k ";
    let config = from_dotenv(text).unwrap();
    assert_eq!((config.server.port, config.log_level), (3001, LogLevel::Debug));
    assert_eq!(names(&config.providers[0].models), ["a", "b"]);
}

#[test]
fn every_broken_line_of_dotenv_is_named_without_its_value() {
    let text = "PORT=3000\nCEREBRAS_API_KEY csk-hidden\ncsk-hidden\n# REQUEST_TIMEOUT=30 s\nREQUEST_TIMEOUT=30 s\nBODY_TIMEOUT=30 s # slow\nCHUTES_API_KEY=\"hidden\nHOST=x";
    let problems = from_dotenv(text).unwrap_err().to_string();
    let form = "not of the form NAME=value; put a value with spaces into quotes, and close them";
    let expected = [
        format!(".env: line 2, CEREBRAS_API_KEY=…: {form}"),
        format!(".env: line 3, …: {form}"),
        format!(".env: line 5, REQUEST_TIMEOUT=…: {form}"),
        format!(".env: line 6, BODY_TIMEOUT=…: {form}"),
        format!(".env: line 7, CHUTES_API_KEY=…: {form}"),
    ];
    assert_eq!(problems.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_dollar_in_a_key_is_noticed() {
    let warnings = |text: &str| from_dotenv(text).unwrap().warnings;
    let expected = "PROXY_API_KEYS in .env: what follows a $ is taken for a variable's name; put the value into single quotes";
    assert_eq!(warnings("PROXY_API_KEYS=pa$word"), [expected]);
    assert!(warnings("PROXY_API_KEYS='pa$word'\nSTATE_DIR=$HOME/x").is_empty());
}

#[test]
fn the_process_environment_wins_unless_it_is_empty() {
    let mut vars = Written::default();
    dotenv::parse(".env", "PORT=1\nLOG_LEVEL=debug", &mut vars);
    vars.add_variables(owned(&[("PORT", "2"), ("LOG_LEVEL", "")]));
    let config = Config::resolve(&mut vars, &Overrides::default());
    assert_eq!((config.server.port, config.log_level), (2, LogLevel::Debug));
}

#[test]
fn the_example_lists_every_variable_and_no_other() {
    let lines = EXAMPLE.lines().map(|line| line.trim_start_matches("# "));
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let listed: Vec<&str> =
        lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name).filter(is_name).collect();
    assert_eq!(listed.len(), schema::variables().count());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), schema::variables().collect());
}

#[test]
fn the_example_shows_the_defaults_and_changes_nothing() {
    let keys = "CEREBRAS_API_KEY=a\nCHUTES_API_KEY=b\n";
    let is_setting = |line: &&str| {
        line.split_once('=').is_some_and(|(name, _)| schema::variables().any(|ours| ours == name))
    };
    let shown: Vec<&str> =
        EXAMPLE.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting).collect();
    let default = from_dotenv(keys).unwrap();
    assert_eq!(format!("{:?}", from_dotenv(&format!("{EXAMPLE}{keys}")).unwrap()), format!("{default:?}"));

    let mut written = from_dotenv(&format!("{}\n{keys}", shown.join("\n"))).unwrap();
    // What is set is a ceiling, be it the default.
    let limits = written.providers[0].limits;
    let ceilings = std::mem::replace(&mut written.providers[0].ceilings, default.providers[0].ceilings);
    assert_eq!((ceilings, default.providers[0].ceilings), (limits, crate::config::Limits::default()));
    assert_eq!(format!("{written:?}"), format!("{default:?}"));
}
