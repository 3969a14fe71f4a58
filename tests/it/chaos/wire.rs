//! A wire to a provider that breaks: each connection over it has a fate of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Good,
    /// Reset as soon as it is there.
    Refused,
    /// Reset after so many bytes of the provider's.
    Reset(usize),
    /// Ended after so many, as if that were all.
    Ended(usize),
    /// Silent from then on.
    Silent(usize),
    /// Reset after so many bytes of the request.
    Unheard(usize),
    /// Whole, in pieces of at most so many bytes.
    Dribbles(usize),
}

impl Fate {
    fn of(rng: &mut Rng) -> Self {
        let after = rng.usize(0..6_000);
        match rng.u8(0..12) {
            0..5 => Self::Good,
            5 => Self::Refused,
            6 | 7 => Self::Reset(after),
            8 => Self::Ended(after),
            9 => Self::Silent(after),
            10 => Self::Unheard(rng.usize(0..400)),
            _ => Self::Dribbles(rng.usize(1..7)),
        }
    }
}

/// The wire; it breaks while it is told to.
pub(super) struct Wire {
    address: SocketAddr,
    breaks: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(super) async fn to(provider: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let breaks = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn({
            let breaks = Arc::clone(&breaks);
            async move {
                let mut rng = Rng::with_seed(seed);
                while let Ok((near, _)) = listener.accept().await {
                    let fate = if breaks.load(Ordering::Relaxed) { Fate::of(&mut rng) } else { Fate::Good };
                    tokio::spawn(connection(near, provider, fate));
                }
            }
        });
        Self { address, breaks, task }
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// New connections are good ones from now on.
    pub(super) fn heal(&self) {
        self.breaks.store(false, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(near: TcpStream, provider: SocketAddr, fate: Fate) {
    // A reset, and not an end, is what a dropped socket says from now on.
    let resets = matches!(fate, Fate::Refused | Fate::Reset(_) | Fate::Unheard(_));
    if resets {
        let _ = near.set_zero_linger();
    }
    if matches!(fate, Fate::Refused) {
        return;
    }
    let Ok(far) = TcpStream::connect(provider).await else { return };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let heard = if let Fate::Unheard(after) = fate { after } else { usize::MAX };
    tokio::select! {
        () = carry(near_in, far_out, heard, usize::MAX) => {}
        () = answer(far_in, near_out, fate) => {}
    }
}

async fn answer(far: OwnedReadHalf, near: OwnedWriteHalf, fate: Fate) {
    match fate {
        Fate::Reset(after) | Fate::Ended(after) => carry(far, near, after, usize::MAX).await,
        Fate::Dribbles(piece) => carry(far, near, usize::MAX, piece).await,
        Fate::Silent(after) => {
            carry(far, near, after, usize::MAX).await;
            // Until the other side has had enough of it.
            std::future::pending::<()>().await;
        }
        Fate::Good | Fate::Refused | Fate::Unheard(_) => carry(far, near, usize::MAX, usize::MAX).await,
    }
}

/// Carries at most so many bytes, in pieces of at most so many; the first thousand of them arrive by themselves, which
/// takes each a millisecond, and a connection may serve many turns.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut most: usize, piece: usize) {
    let (mut bytes, mut alone) = (vec![0; 8 * 1024], 1_000);
    while most > 0 {
        let room = bytes.len().min(most);
        let Ok(read @ 1..) = from.read(&mut bytes[..room]).await else { return };
        most -= read;
        for part in bytes[..read].chunks(piece) {
            if to.write_all(part).await.is_err() {
                return;
            }
            if part.len() < read && alone > 0 {
                alone -= 1;
                tokio::time::sleep(Duration::from_micros(20)).await;
            }
        }
    }
}
