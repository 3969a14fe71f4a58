//! `count`: how many tokens a text or a chat request has for the model, exactly.
#![expect(clippy::print_stdout, reason = "the count is this command's output")]
#![expect(clippy::print_stderr, reason = "a command speaks to the person at the terminal")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use tokens::{Counter, Keys, Parts, Template, Vocabulary};
use wire::json::Fields;

use super::{FAILED, USAGE, generate};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Count {
    /// What to count; without it, standard input (also -)
    file: Option<PathBuf>,
    /// Count this text
    #[arg(long, conflicts_with_all = ["file", "request", "lines"])]
    text: Option<String>,
    /// It has to be a chat request; without this, a JSON object with messages is taken for one
    #[arg(long, conflicts_with = "lines")]
    request: bool,
    /// Chat template that renders requests
    #[arg(long, value_name = "NAME", default_value = Template::Qwen3CoderLaunch.name(), value_parser = template)]
    template: Template,
    /// Show what the model reads, not how long it is
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
    /// Each line is a text as a JSON string, or a request; each is answered with a line of JSON
    #[arg(long)]
    lines: bool,
}

fn template(name: &str) -> Result<Template, String> {
    let known = Template::NAMED.iter().find(|(known, _)| *known == name);
    known.map(|(_, template)| *template).ok_or_else(|| {
        let names: Vec<&str> = Template::NAMED.iter().map(|(name, _)| *name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// What is answered, in JSON.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// `None` if the template can make no text of the request.
    tokens: Option<u64>,
    #[serde(flatten)]
    parts: Option<InParts>,
    /// A guess instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<String>,
}

#[derive(Debug, Serialize)]
struct InParts {
    system: u64,
    tools: u64,
    messages: u64,
}

impl Answer {
    fn of_text(vocabulary: Vocabulary, text: &str) -> Self {
        Self { tokens: Some(vocabulary.count(text)), ..Self::default() }
    }
}

impl From<Parts> for InParts {
    fn from(Parts { system, tools, messages }: Parts) -> Self {
        Self { system, tools, messages }
    }
}

/// A chat request as far as its prompt goes.
struct Request<'a> {
    messages: &'a str,
    each: Vec<&'a RawValue>,
    tools: &'a str,
}

impl<'a> Request<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let fields = Fields::parse(text).ok()?;
        let messages = fields.get("messages")?.get();
        let tools = fields.get("tools").or_else(|| fields.get("functions"));
        Some(Self {
            messages,
            each: serde_json::from_str(messages).ok()?,
            tools: tools.map_or("", RawValue::get),
        })
    }

    fn messages(&self) -> impl Iterator<Item = &'a [u8]> {
        self.each.iter().map(|message| message.get().as_bytes())
    }

    fn answer(&self, counter: &Counter, show: bool) -> Answer {
        let tools = self.tools.as_bytes();
        let parts = counter.parts(&counter.keys().of(self.messages(), tools));
        let estimate = || tokens::estimate_chat(self.messages.as_bytes(), tools);
        Answer {
            tokens: parts.map(Parts::total),
            estimate: parts.is_none().then(estimate),
            prompt: if show { counter.template().render(self.messages(), tools) } else { None },
            parts: parts.map(InParts::from),
        }
    }
}

pub(super) fn run(args: &Count) -> anyhow::Result<ExitCode> {
    let text = args.input()?;
    let vocabulary = Vocabulary::load();
    let counter = Counter::new(args.template, Keys::default());
    if args.lines {
        return lines(&text, &counter, vocabulary, args.show);
    }
    let request = if args.text.is_some() { None } else { Request::read(&text) };
    let answer = match &request {
        Some(request) => request.answer(&counter, args.show),
        None if args.request => {
            eprintln!("That is no chat request; it would be a JSON object with \"messages\".");
            return Ok(ExitCode::from(USAGE));
        }
        None => Answer::of_text(vocabulary, &text),
    };
    if args.json {
        println!("{}", serde_json::to_string(&answer)?);
    } else if args.show {
        print!("{}", answer.prompt.as_deref().unwrap_or(if request.is_some() { "" } else { &text }));
    } else if let Some(tokens) = answer.tokens {
        println!("{tokens}");
        if let Some(InParts { system, tools, messages }) = answer.parts {
            println!("  system   {system:>9}\n  tools    {tools:>9}\n  messages {messages:>9}");
        }
    }
    if let Some(estimate) = answer.estimate {
        let template = args.template.name();
        eprintln!(
            "{template} can make no text of this request: an image, or a part or arguments that it does not know."
        );
        eprintln!("It may have about {estimate} tokens.");
        return Ok(ExitCode::from(FAILED));
    }
    Ok(ExitCode::SUCCESS)
}

impl Count {
    fn input(&self) -> anyhow::Result<String> {
        if let Some(text) = &self.text {
            return Ok(text.clone());
        }
        match self.file.as_deref().filter(|file| *file != Path::new("-")) {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
            }
            None => io::read_to_string(io::stdin()).context("can't read standard input"),
        }
    }
}

fn lines(text: &str, counter: &Counter, vocabulary: Vocabulary, show: bool) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let answer = match serde_json::from_str::<String>(line) {
            Ok(text) => Answer::of_text(vocabulary, &text),
            Err(_) => Request::read(line)
                .with_context(|| format!("line {number} is neither a JSON string nor a chat request"))?
                .answer(counter, show),
        };
        serde_json::to_writer(&mut out, &answer)?;
        out.push(b'\n');
    }
    generate::print(&out)
}
