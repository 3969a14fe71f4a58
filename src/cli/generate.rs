//! `completions` and `man`: what a shell and `man` want to know of the command line, taken from its definition.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// All variables with their defaults. The manual shows the file that people copy.
const VARIABLES: &str = include_str!("../../.env.example");

const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "It was asked to stop, and did; or the command is done."),
    ("1", "It could not start, or the demo did not go well."),
    ("2", "The settings or the command line are wrong; starting it again does not help."),
    ("130", "A second signal ended it while streams were still running."),
];

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(args: &Completions, mut cli: Command) -> anyhow::Result<ExitCode> {
    let name = cli.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, name, &mut script);
    if args.shell == Shell::Bash {
        script = mended(&String::from_utf8(script)?).into_bytes();
    }
    print(&script)
}

/// The generator (4.6) spells a name with hyphens in two ways, so that no subcommand would find its options.
fn mended(script: &str) -> String {
    let name = env!("CARGO_PKG_NAME");
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

pub(super) fn man(cli: Command) -> anyhow::Result<ExitCode> {
    let commands: Vec<Command> = cli.get_subcommands().cloned().collect();
    let man = Man::new(cli);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    Roff::new().control("SH", ["COMMANDS"]).to_writer(&mut page)?;
    for command in commands {
        write_command(&mut page, command)?;
    }
    write_environment(&mut page)?;
    write_exit_status(&mut page)?;
    print(&page)
}

/// One page holds all commands; by itself the generator would point to a page of each.
fn write_command(page: &mut Vec<u8>, command: Command) -> anyhow::Result<()> {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    Roff::new().control("SS", [command.get_name()]).text([roman(about)]).to_writer(page)?;
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    let options = String::from_utf8(options)?;
    let below_heading = options.split_once(".SH OPTIONS\n").map_or("", |(_, list)| list);
    page.extend_from_slice(below_heading.as_bytes());
    Ok(())
}

fn write_environment(page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text([roman(
        "These variables, or lines of the same form in a file named .env in the working directory:",
    )]);
    roff.control("PP", []).control("nf", []);
    for line in VARIABLES.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []).to_writer(page)
}

fn write_exit_status(page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        roff.control("TP", []).text([bold(code)]).text([roman(meaning)]);
    }
    roff.to_writer(page)
}

/// Writes to standard output, as much as is wanted there.
pub(super) fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    match io::stdout().write_all(text) {
        // `… man | head` has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
