//! The listening side: clients that are slow, stalled or gone, and how it starts and stops.

mod gone;
mod held;
mod keep_alive;
mod panic;
mod slow;
mod stalled;
mod start;
mod stop;
