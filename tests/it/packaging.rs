//! What is shipped beside the binary says what the binary does.

use std::path::Path;
use std::process::{Command, Output};

use crate::process::{Scratch, command};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("it is shipped")
}

fn run(arguments: &[&str]) -> String {
    let Output { status, stdout, .. } =
        command(&Scratch::new(), &[]).args(arguments).output().expect("the binary runs");
    assert!(status.success(), "{arguments:?}");
    String::from_utf8(stdout).expect("UTF-8")
}

#[test]
fn a_shell_completes_commands_and_options() {
    let scratch = Scratch::new();
    scratch.write("completions", &run(&["completions", "bash"]));
    let complete = |words: &str| {
        let script = format!(
            "source ./completions; COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             set -- $(complete -p qwen-3-coder-proxy); while [ \"$1\" != -F ]; do shift; done; \"$2\" qwen-3-coder-proxy \"${{COMP_WORDS[COMP_CWORD]}}\" ''; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output =
            Command::new("bash").args(["-c", &script]).current_dir(&scratch.0).output().expect("bash");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    assert_eq!(complete("qwen-3-coder-proxy chec"), "check\n");
    assert_eq!(complete("qwen-3-coder-proxy check --onl"), "--online\n");
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completions", shell]).contains("simulate"), "{shell}");
    }
}

#[test]
fn the_manual_names_every_command_option_and_variable() {
    let page = run(&["man"]);
    assert!(page.contains(".TH qwen-3-coder-proxy 1"), "{page}");
    for name in ["check", "status", "init", "usage", "demo", "simulate", "replay", "completions", "man"] {
        assert!(page.contains(&format!(".SS {name}\n")), "{name}");
    }
    let plain = page.replace('\\', "");
    for name in
        ["--config", "--online", "--watch", "--allow-open", "--force", "CEREBRAS_API_KEY", "CONFIG_FILE"]
    {
        assert!(plain.contains(name), "{name}");
    }
}

#[test]
fn the_container_is_built_with_the_toolchain_that_is_asked_for() {
    let manifest = file("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    let image = format!("FROM rust:{}-alpine AS build\n", version.expect("a version"));
    assert!(file("Dockerfile").contains(&image), "{image}");
}

#[test]
fn variables_exit_codes_and_paths_of_the_unit_are_those_of_the_program() {
    let example = file(".env.example");
    let unit = file("packaging/qwen-3-coder-proxy.service");
    let variables = [unit.as_str(), &file("Dockerfile")].concat();
    for name in ["STATE_DIR", "HOST"] {
        assert!(variables.contains(&format!("{name}=")) && example.contains(&format!("# {name}=")), "{name}");
    }
    let wrong = command(&Scratch::new(), &[("PORT", "x")]).output().expect("the binary runs");
    let code = wrong.status.code().expect("it ends by itself");
    assert!(unit.contains(&format!("RestartPreventExitStatus={code}\n")), "{code}");
    // The unit's settings are where the program looks below XDG_CONFIG_HOME.
    assert!(unit.contains("XDG_CONFIG_HOME=/etc\n") && unit.contains("/etc/qwen-3-coder-proxy/config.toml"));
    let home = Scratch::new();
    std::fs::create_dir(home.0.join("qwen-3-coder-proxy")).expect("a directory");
    home.write("qwen-3-coder-proxy/config.toml", "[server]\nport = 4321\n");
    let path = home.0.display().to_string();
    let vars = [("XDG_CONFIG_HOME", path.as_str()), ("CHUTES_API_KEY", "cpk_k")];
    let output = command(&Scratch::new(), &vars).arg("check").output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("port = 4321"), "{output:?}");
}
