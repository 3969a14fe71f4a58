//! The binary as a process: environment in, log lines out.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use crate::client::{self, Reply};

/// What the program reads where it is started.
pub(crate) const FILE: &str = "qwen-3-coder-proxy.toml";
/// Where it keeps its state there, with nothing else said.
pub(crate) const STATE: &str = ".qwen-3-coder-proxy";

/// A running `qwen-3-coder-proxy serve` on a free port, in an empty directory and environment.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    pub(crate) directory: Scratch,
}

/// An empty directory that goes with its value.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("qwen-3-coder-proxy-it-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a scratch directory");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The binary with nothing but these variables.
pub(crate) fn command(directory: &Scratch, vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qwen-3-coder-proxy"));
    command.env_clear().envs(vars.iter().copied()).current_dir(&directory.0).stdin(Stdio::null());
    command
}

impl Process {
    pub(crate) async fn start(vars: &[(&str, &str)]) -> Self {
        Self::start_in(Scratch::new(), vars).await
    }

    /// With this configuration file.
    pub(crate) async fn start_with(file: &str, vars: &[(&str, &str)]) -> Self {
        let directory = Scratch::new();
        directory.write(FILE, file);
        Self::start_in(directory, vars).await
    }

    pub(crate) async fn start_in(directory: Scratch, vars: &[(&str, &str)]) -> Self {
        Self::spawn(command(&directory, vars), directory).await
    }

    /// As a shell starts it, after these words.
    pub(crate) async fn start_after(words: &str, vars: &[(&str, &str)]) -> Self {
        let directory = Scratch::new();
        let binary = command(&directory, vars);
        let mut shell = Command::new("/bin/sh");
        let line = format!("{words} exec {}", binary.get_program().display());
        shell.args(["-c", &line]).env_clear().envs(vars.iter().copied());
        shell.current_dir(&directory.0).stdin(Stdio::null());
        Self::spawn(shell, directory).await
    }

    /// One that was started otherwise, and whose lines somebody else reads.
    pub(crate) fn of(address: SocketAddr, child: Child, directory: Scratch) -> Self {
        Self { address, child, lines: Arc::default(), directory }
    }

    pub(crate) async fn spawn(mut command: Command, directory: Scratch) -> Self {
        let command = command.env("PORT", "0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let (stderr, seen) = (child.stderr.take().expect("piped"), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                seen.lock().push(line);
            }
        });
        let mut process = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child, lines, directory };
        let listening = process.line("listening").await;
        process.address = listening["address"].as_str().and_then(|it| it.parse().ok()).expect("an address");
        process
    }

    pub(crate) async fn chat(&self, body: &Value) -> Reply {
        let request = client::post("/v1/chat/completions", &[], body.to_string().as_bytes());
        client::exchange(self.address, &request).await
    }

    /// Writes another configuration file, in one go as careful programs do.
    pub(crate) fn rewrite(&self, file: &str) {
        self.directory.write("new", file);
        std::fs::rename(self.directory.0.join("new"), self.directory.0.join(FILE))
            .expect("the same directory");
    }

    /// Removes the configuration file.
    pub(crate) fn remove_config(&self) {
        std::fs::remove_file(self.directory.0.join(FILE)).expect("it is there");
    }

    /// The first log line with this message; waits for it.
    pub(crate) async fn line(&self, message: &str) -> Value {
        self.line_with("message", message).await
    }

    /// The first log line in which this field has this value; waits for it.
    pub(crate) async fn line_with(&self, field: &str, value: impl Into<Value>) -> Value {
        let value = value.into();
        let found = async {
            loop {
                let line = self.log().into_iter().find(|line| line[field] == value);
                match line {
                    Some(line) => return line,
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let found = tokio::time::timeout(client::HANG, found).await;
        found.unwrap_or_else(|_| panic!("no {field} {value} in {:#?}", self.lines.lock()))
    }

    /// All log lines so far; each must be JSON.
    pub(crate) fn log(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        self.lines.lock().iter().map(parse).collect()
    }

    /// Memory in use, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// How much memory it used at once since [`Process::forget_peak`], as the kernel counts it.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("it runs");
    }

    fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a running process");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Time on a processor so far, in hundredths of a second.
    pub(crate) fn processor_time(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields = stat.rsplit(')').next().expect("fields").split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "{name} is delivered");
    }

    /// Waits for its end.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let ended = async {
            loop {
                match self.child.try_wait().expect("a child") {
                    Some(status) => return status.code(),
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(client::HANG, ended).await.expect("it ends")
    }

    /// Everything it wrote.
    pub(crate) fn written(&self) -> String {
        self.lines.lock().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
