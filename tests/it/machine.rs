//! What a machine may do to a process: no descriptors, no disk, nobody who reads its log, no rights.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use simulator::{Fault, Limits, Profile, Simulator, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{self, HANG, post};
use crate::harness::{CEREBRAS_KEY, question};
use crate::process::{Process, Scratch, command};

const NOT_ACCEPTED: &str = "a connection could not be accepted";

/// A provider that rations nothing.
async fn provider() -> Simulator {
    let cerebras =
        Profile { limits: Limits::NONE, api_key: Some(CEREBRAS_KEY.into()), ..Profile::cerebras() };
    Simulator::start(cerebras).await.expect("a port")
}

fn vars(base_url: &str) -> Vec<(&str, &str)> {
    vec![
        ("CEREBRAS_API_KEY", CEREBRAS_KEY),
        ("CEREBRAS_BASE_URL", base_url),
        ("CEREBRAS_REQUESTS_PER_MINUTE", "100000"),
        ("CEREBRAS_TOKENS_PER_MINUTE", "1000000000"),
        ("CEREBRAS_TOKENS_PER_DAY", "1000000000000"),
    ]
}

/// A client in the middle of a stream; the rest is read with [`client::read_on`].
async fn amid_a_stream(process: &Process, body: &Value) -> (TcpStream, Vec<u8>) {
    let mut socket = TcpStream::connect(process.address).await.expect("the proxy listens");
    let request = post("/v1/chat/completions", &[], body.to_string().as_bytes());
    socket.write_all(&request).await.expect("the proxy reads");
    let mut seen = Vec::new();
    while !seen.windows(7).any(|window| window == b"content") {
        let read = tokio::time::timeout(HANG, socket.read_buf(&mut seen)).await;
        assert_ne!(read.expect("no hang").expect("an answer"), 0, "an answer");
    }
    (socket, seen)
}

/// Waits until it does next to nothing for a while: whoever tries again and again never does.
async fn idle(process: &Process) {
    const WHILE: Duration = Duration::from_millis(300);
    let idle = async {
        loop {
            let before = process.processor_time();
            tokio::time::sleep(WHILE).await;
            if u128::from(process.processor_time() - before) < WHILE.as_millis() / 10 / 3 {
                return;
            }
        }
    };
    tokio::time::timeout(HANG, idle).await.expect("it comes to rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_few_descriptors_more_clients_wait_and_nobody_fails() {
    let cerebras = provider().await;
    let url = cerebras.base_url();
    let vars = [vars(&url), vec![("HEADER_TIMEOUT", "1500")]].concat();
    let process = Process::start_after("ulimit -n 64;", &vars).await;
    cerebras.inject(Fault::SlowTokens, Times::Once);
    let (mut stream, seen) = amid_a_stream(&process, &question(true)).await;
    // All that are let in, and as many again that are not, which say nothing.
    let silent = join_all((0..40).map(|_| TcpStream::connect(process.address))).await;
    idle(&process).await;
    client::read_on(&mut stream, seen).await.good();
    // Those who wait are served as soon as the silent ones have been hung up on.
    let body = question(true);
    for reply in join_all((0..40).map(|_| process.chat(&body))).await {
        reply.good();
    }
    drop(silent);
    let failed = process.log().into_iter().filter(|line| line["message"] == NOT_ACCEPTED).count();
    assert_eq!(failed, 0, "{}", process.written());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_it_waits_for_some() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        println!("skipped: there is no prlimit here");
        return;
    }
    let cerebras = provider().await;
    let process = Process::start(&vars(&cerebras.base_url())).await;
    cerebras.inject(Fault::SlowTokens, Times::Once);
    let (mut stream, seen) = amid_a_stream(&process, &question(true)).await;
    let limit = |most: &str| {
        let pid = process.child.id().to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={most}:")]).status();
        assert!(status.expect("it runs").success());
    };
    limit("8");
    let body = question(true);
    let waiting = process.chat(&body);
    let meanwhile = async {
        process.line(NOT_ACCEPTED).await;
        idle(&process).await;
        client::read_on(&mut stream, seen).await.good();
        limit("1000");
    };
    let (reply, ()) = tokio::join!(waiting, meanwhile);
    reply.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_need_read_its_log() {
    let cerebras = provider().await;
    let directory = Scratch::new();
    let url = cerebras.base_url();
    let mut command = command(&directory, &vars(&url));
    let mut child = command
        .env("PORT", "0")
        .env("LOG_LEVEL", "DEBUG")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let listening = lines.find(|line| line.contains("listening")).expect("it listens");
    let listening: Value = serde_json::from_str(&listening).expect("JSON");
    let address = listening["address"].as_str().and_then(|it| it.parse().ok()).expect("an address");
    // The reader is gone, and every write fails from here on.
    drop(lines);
    let mut process = Process::of(address, child, directory);
    for stream in [true, false].repeat(20) {
        process.chat(&question(stream)).await.good();
    }
    process.chat(&json!({})).await.error(400);
    idle(&process).await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_no_request() {
    let cerebras = provider().await;
    let url = cerebras.base_url();
    // No file may grow beyond 32 KiB: the database fails in the midst of its work, as on a disk that is full.
    let process = Process::start_after("trap '' XFSZ; ulimit -f 64;", &vars(&url)).await;
    for stream in [true, false].repeat(40) {
        process.chat(&question(stream)).await.good();
    }
    let line = process.line("state database unusable; going on in memory").await;
    assert!(line["why"].is_string(), "{line}");
    for stream in [true, false].repeat(10) {
        process.chat(&question(stream)).await.good();
    }
    idle(&process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_needs_no_rights_and_writes_to_its_state_directory_alone() {
    const NOBODY: u32 = 65_534;
    let cerebras = provider().await;
    let (place, state) = (Scratch::new(), Scratch::new());
    let directory = state.0.display().to_string();
    let url = cerebras.base_url();
    let vars = [vars(&url), vec![("STATE_DIR", &*directory)]].concat();
    let mut command = command(&place, &vars);
    std::fs::set_permissions(&place.0, PermissionsExt::from_mode(0o555)).expect("it is ours");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&state.0, Some(NOBODY), Some(NOBODY)).expect("we are root");
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut process = Process::spawn(command, place).await;
    process.line("state database in use").await;
    process.chat(&question(true)).await.good();
    assert_eq!(writable_files(&process, &directory), BTreeSet::new(), "open for writing elsewhere");
    assert_eq!(process.directory.0.read_dir().expect("it is there").count(), 0);
    process.signal("TERM");
    assert_eq!(process.exit_code().await, Some(0));
    assert!(state.0.join("state.db").exists());
    std::fs::set_permissions(&process.directory.0, PermissionsExt::from_mode(0o755)).expect("it is ours");
}

/// Regular files that it may write to, but for those below this directory.
fn writable_files(process: &Process, but: &str) -> BTreeSet<String> {
    let proc = format!("/proc/{}", process.child.id());
    let open = std::fs::read_dir(format!("{proc}/fd")).expect("it runs").filter_map(Result::ok);
    open.filter_map(|entry| {
        let path = std::fs::read_link(entry.path()).ok()?.display().to_string();
        let name = entry.file_name().to_string_lossy().into_owned();
        let info = std::fs::read_to_string(format!("{proc}/fdinfo/{name}")).ok()?;
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
        let writes = u32::from_str_radix(flags.trim(), 8).ok()? & 3 != 0;
        (writes && path.starts_with('/') && !path.starts_with("/dev/") && !path.starts_with(but))
            .then_some(path)
    })
    .collect()
}

/// What its sockets are connected to, by what the kernel says; those that its clients opened left out.
fn peers(process: &Process) -> BTreeSet<String> {
    let proc = format!("/proc/{}", process.child.id());
    let open = std::fs::read_dir(format!("{proc}/fd")).expect("it runs").filter_map(Result::ok);
    let sockets: BTreeSet<String> = open
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let own = format!("{:04X}", process.address.port());
    let mut peers = BTreeSet::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "unix"] {
        let table = std::fs::read_to_string(format!("{proc}/net/{protocol}")).unwrap_or_default();
        for row in table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>()) {
            let inode = if protocol == "unix" { row.get(6) } else { row.get(9) };
            if !inode.is_some_and(|inode| sockets.contains(*inode)) {
                continue;
            }
            match protocol {
                // The runtime's own, for signals, has no name.
                "unix" => peers.extend(row.get(7).map(|name| format!("unix {name}"))),
                "tcp" if row[1].ends_with(&own) => {}
                "tcp" => {
                    let port = row[2].rsplit(':').next().unwrap_or_default();
                    peers.insert(format!("tcp {}", u16::from_str_radix(port, 16).unwrap_or_default()));
                }
                other => drop(peers.insert(other.to_owned())),
            }
        }
    }
    peers
}

#[tokio::test(flavor = "multi_thread")]
async fn it_speaks_to_its_providers_alone() {
    let (cerebras, chutes) = (provider().await, Simulator::start(Profile::chutes()).await.expect("a port"));
    let (fast, roomy) = (cerebras.base_url(), chutes.base_url());
    let others = [("CHUTES_API_KEY", "cpk_it"), ("CHUTES_BASE_URL", &*roomy)];
    let process = Process::start(&[vars(&fast), others.to_vec()].concat()).await;
    process.line("state database in use").await;
    assert_eq!(peers(&process), BTreeSet::new(), "nobody is spoken to before somebody asks");
    cerebras.inject(Fault::ServerError, Times::Once);
    process.chat(&question(true)).await.good();
    cerebras.inject(Fault::SlowTokens, Times::Once);
    let (mut stream, seen) = amid_a_stream(&process, &question(true)).await;
    let known = [cerebras.addr(), chutes.addr()].map(|address| format!("tcp {}", address.port()));
    assert_eq!(peers(&process), BTreeSet::from(known));
    client::read_on(&mut stream, seen).await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_end_whole_when_it_is_told_to_stop() {
    const STREAMS: usize = 1_000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let more = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, more);
    let cerebras = provider().await;
    let mut process = Process::start(&vars(&cerebras.base_url())).await;
    cerebras.inject(Fault::SlowTokens, Times::Always);
    let body = question(true);
    let streams = join_all((0..STREAMS).map(|_| amid_a_stream(&process, &body))).await;
    let ends = streams.into_iter().map(|(mut socket, seen)| async move {
        client::read_on(&mut socket, seen).await.good();
    });
    process.signal("TERM");
    join_all(ends).await;
    let clock = qwen_3_coder_proxy::clock::Clock::start();
    let ended = clock.now();
    assert_eq!(process.exit_code().await, Some(0));
    println!("gone {:?} after the last of {STREAMS} streams", clock.since(ended));
    let whole = process.log().iter().filter(|line| line["end"] == "whole").count();
    assert_eq!(whole, STREAMS);
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_no_image_of_its_keys() {
    let mut process =
        Process::start_after("ulimit -c unlimited 2>/dev/null;", &vars("http://127.0.0.1:9")).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.child.id())).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"], "{core}");
    process.signal("ABRT");
    assert_eq!(process.exit_code().await, None);
    let left = std::fs::read_dir(&process.directory.0).expect("its directory");
    let dumps = left.flatten().filter(|file| file.file_name().to_string_lossy().starts_with("core"));
    assert_eq!(dumps.count(), 0);
}
