//! The binary: everything is in the library.

use std::process::ExitCode;

/// Blocks of a page or more begin with one and have no header: hyper's buffers take what is used of them.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    #[cfg(unix)]
    {
        keep_keys_out_of_dumps();
        make_room_for_connections();
    }
    // One thread needs no locks and wakes nobody: where there is one core, a second worker only costs.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut runtime = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    match runtime.enable_all().build() {
        Ok(runtime) => runtime.block_on(qwen_3_coder_proxy::cli::run()),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Keys are in its memory: a process that is killed by a signal leaves no image of that behind.
#[cfg(unix)]
fn keep_keys_out_of_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The kernel doubles a process's table of descriptors as it fills, and has a process of several threads wait for about
/// 10 ms each time. While there is one thread, it is made as large as it may become.
#[cfg(unix)]
fn make_room_for_connections() {
    use rustix::process::{Resource, getrlimit};

    /// Two for each connection that is accepted at most.
    const MOST: u64 = 32 * 1024;
    let last = getrlimit(Resource::Nofile).current.unwrap_or(MOST).min(MOST).saturating_sub(1);
    // Closed again at once; the table keeps its size. Where it fails, it grows as it always did.
    let _ = i32::try_from(last).map(|last| rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), last));
}
